//! The public error bodies, one for connectors and one for all else, and the one table from reasons to
//! status codes.

use guildhall_domain::Rejection;
use guildhall_domain::connector::{Problem, RequestFault};
use guildhall_service::{Error, StoreError};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::json;

/// The body of every non-2xx answer: `{"errorMessage", "errors": [CODE], "statusCode"}`.
pub fn error_body(status: StatusCode, message: &str) -> Vec<u8> {
    let body = json!({ "errorMessage": message, "errors": [code(status)], "statusCode": status.as_u16() });
    body.to_string().into_bytes()
}

/// The body of every answer to a connector that is not 2xx: `{"success", "error", "errors": [{"key",
/// "message"}]}`, as the vendor's have it.
pub fn connector_error_body(error: &ApiError) -> Vec<u8> {
    let (message, problems) = match error.fault.as_deref() {
        None => (error.message.clone(), Vec::new()),
        // The vendor's words begin with the name of what is wrong.
        Some(Fault::At { at, problem }) => {
            let message = match at.is_empty() {
                true => problem.clone(),
                false => format!("{at} {problem}"),
            };
            (message.clone(), vec![json!({ "key": at, "message": message })])
        }
        Some(Fault::Problems(problems)) => {
            let problem = |problem: &Problem| json!({ "key": problem.key, "message": problem.message });
            (error.message.clone(), problems.iter().map(problem).collect())
        }
    };
    json!({ "success": false, "error": message, "errors": problems })
        .to_string()
        .into_bytes()
}

/// The machine code of a status: the list is a promise (docs/api.md, "Errors"), so it is short.
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

/// An answer that is not a success.
#[derive(Clone, Debug)]
pub struct ApiError {
    /// The status code.
    pub status: StatusCode,
    /// What is wrong, for the caller.
    pub message: String,
    /// Headers that belong to it.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// What the log says and the caller must not read.
    pub cause: Option<String>,
    /// What is wrong in the request, where connectors are told it place by place.
    pub fault: Option<Box<Fault>>,
}

/// What is wrong in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One thing.
    At {
        /// Where.
        at: String,
        /// What, without the place.
        problem: String,
    },
    /// All of these.
    Problems(Vec<Problem>),
}

impl ApiError {
    /// An error with these words.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            headers: Vec::new(),
            cause: None,
            fault: None,
        }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    /// A 400 for the thing at `at`.
    pub fn invalid(at: &str, problem: impl Into<String>) -> Self {
        Rejection::invalid(at, problem).into()
    }

    pub(crate) fn internal(cause: String) -> Self {
        let message = "Internal error. The log of the server says more under this answer's X-Request-Id";
        Self {
            cause: Some(cause),
            ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
        }
    }

    /// There is more to do than can be done.
    pub(crate) fn overloaded() -> Self {
        StoreError::Overloaded.into()
    }

    fn try_later(message: &str, cause: String) -> Self {
        let error = Self {
            cause: Some(cause),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        };
        error.with(header::RETRY_AFTER, "1")
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let status = match &rejection {
            Rejection::Invalid { .. } | Rejection::TooManyTasks => StatusCode::BAD_REQUEST,
            Rejection::NotFound { .. } | Rejection::NotThere(_) | Rejection::TenantNotFound => {
                StatusCode::NOT_FOUND
            }
            Rejection::NoAccount => StatusCode::FORBIDDEN,
            Rejection::TooFast { .. } => StatusCode::TOO_MANY_REQUESTS,
        };
        let error = Self::new(status, rejection.to_string());
        match rejection {
            Rejection::Invalid { at, problem } => Self {
                fault: Some(Box::new(Fault::At { at, problem })),
                ..error
            },
            Rejection::TooFast { wait, .. } => {
                // Whole seconds, after which it works.
                let seconds = wait.as_millis().div_ceil(1_000).max(1);
                error.with(header::RETRY_AFTER, &seconds.to_string())
            }
            _ => error,
        }
    }
}

impl From<RequestFault> for ApiError {
    fn from(fault: RequestFault) -> Self {
        Self {
            fault: Some(Box::new(Fault::Problems(fault.errors))),
            ..Self::new(StatusCode::BAD_REQUEST, fault.error)
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let cause = error.to_string();
        match error {
            StoreError::Full => Self {
                cause: Some(cause),
                ..Self::new(
                    StatusCode::INSUFFICIENT_STORAGE,
                    "The disk of the server is full. Nothing was written; reads still work, and writes work again \
                     when there is room",
                )
            },
            StoreError::Overloaded => Self::try_later(
                "The server has more to do than it can take now. Nothing was done",
                cause,
            ),
            StoreError::Unavailable(_) => {
                Self::try_later("The database does not answer now. Nothing was written", cause)
            }
            StoreError::Unknown(_) | StoreError::Broken(_) => Self::try_later(
                "The database failed at the last moment. Whether this request was written is unknown: read before you \
                 try again",
                cause,
            ),
            StoreError::Conflict { .. } | StoreError::Inconsistent { .. } | StoreError::Failed(_) => {
                Self::internal(cause)
            }
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Rejected(rejection) => rejection.into(),
            Error::Store(error) => error.into(),
        }
    }
}
