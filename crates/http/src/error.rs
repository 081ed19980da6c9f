//! The one public error body, and the one table of status codes and machine codes.

use http::StatusCode;
use serde_json::json;

/// The body of every non-2xx answer: `{"errorMessage", "errors": [CODE], "statusCode"}`.
pub fn error_body(status: StatusCode, message: &str) -> Vec<u8> {
    let body = json!({ "errorMessage": message, "errors": [code(status)], "statusCode": status.as_u16() });
    body.to_string().into_bytes()
}

/// The machine code of a status: the list is part of the contract, so it is short.
fn code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "BAD_REQUEST",
        401 => "UNAUTHORIZED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        405 => "METHOD_NOT_ALLOWED",
        408 => "REQUEST_TIMEOUT",
        412 => "PRECONDITION_FAILED",
        413 => "PAYLOAD_TOO_LARGE",
        414 => "URI_TOO_LONG",
        415 => "UNSUPPORTED_MEDIA_TYPE",
        431 => "REQUEST_HEADER_FIELDS_TOO_LARGE",
        503 => "SERVICE_UNAVAILABLE",
        507 => "INSUFFICIENT_STORAGE",
        _ => "INTERNAL_SERVER_ERROR",
    }
}
