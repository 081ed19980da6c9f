//! The OpenAPI document, 3.1, from the route table and the wire types.

use serde_json::{Map, Value, json};

use crate::api::removals::DryRunOut;
use crate::router::{PUBLIC, Public};
use crate::routes::{Experimental, Needs, Route, Space, routes};
use crate::wire::{Schema, Schemas};

/// The document of this version, as it is served and committed.
pub fn document() -> String {
    text(&routes())
}

/// The document of a table, as text that diffs well.
pub(crate) fn text(routes: &[Route]) -> String {
    // A Value made of maps with string keys always has a text.
    let mut text = serde_json::to_string_pretty(&value(routes)).unwrap_or_default();
    text.push('\n');
    text
}

fn value(routes: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    schemas.insert("Error".into(), error_schema());
    let connector_error = connector_error_schema(&mut schemas);
    schemas.insert("ConnectorError".into(), connector_error);
    let mut paths: Map<String, Value> = Map::new();
    for route in routes.iter().filter(|route| route.offered()) {
        let operation = operation(route, &mut schemas);
        let (path, servers) = match route.space {
            Space::Vendor => (route.path.to_owned(), None),
            Space::Own | Space::Connector => (
                format!("{}{}", route.space.prefixes()[0], route.path),
                Some(json!([{ "url": "/" }])),
            ),
        };
        let path = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(servers) = servers {
            path["servers"] = servers;
        }
        path[route.method.as_str().to_ascii_lowercase()] = operation;
    }
    for (path, public) in PUBLIC {
        paths.insert(path.to_owned(), public_path(public));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Guildhall",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The self-hosted home of a company's customer organizations. Every answer that is not a \
                success has the schema Error. Organizations, their profiles, customers, products and entitlements \
                are spoken of in the wire format of Atlassian's Customer Service Management REST API. What connectors \
                call, under /teamwork-graph/v1, is also answered under /connected-data/teamwork-graph/v1, under both \
                with /cloud/{cloudId} behind; there an answer that is not a success has the schema ConnectorError.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [
            {
                "url": "/jsm/csm/cloudid/{cloudId}/api/v1",
                "description": "The tenant is named by the path.",
                "variables": { "cloudId": { "default": "cloudId", "description": "The tenant's id, a UUID." } },
            },
            { "url": "/jsm/csm/api/v1", "description": "The tenant is the token's." },
            { "url": "/api/v1", "description": "The tenant is the token's." },
        ],
        "security": [{ "bearer": [] }, { "basic": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": responses(),
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic", "description": "Any user name; the token as password." },
            },
        },
    })
}

fn operation(route: &Route, schemas: &mut Schemas) -> Value {
    let mut answers = json!({});
    match route.answer {
        Some(schema) => {
            let schema = schema(schemas);
            answers["200"] = json!({
                "description": "Done.",
                "content": { "application/json": { "schema": schema } },
            });
        }
        None => answers["204"] = json!({ "description": "Done; no body." }),
    }
    if route.dry_run {
        answers["200"] = json!({
            "description": "What dryRun=true asked for; nothing was changed.",
            "content": { "application/json": { "schema": DryRunOut::schema(schemas) } },
        });
    }
    let (of, limited): (_, &[_]) = match route.space {
        Space::Connector => ("connector-", &["429"]),
        Space::Vendor | Space::Own => ("", &[]),
    };
    for status in statuses(route).iter().chain(limited) {
        answers[*status] = json!({ "$ref": format!("#/components/responses/{of}{status}") });
    }
    let mut operation = json!({
        "operationId": operation_id(route),
        "tags": [tag(route)],
        "summary": route.summary,
        "description": description(route),
        "parameters": parameters(route),
        "responses": answers,
        "x-scopes": route.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>(),
    });
    if let Some(schema) = route.body {
        let schema = schema(schemas);
        operation["requestBody"] =
            json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn statuses(route: &Route) -> &'static [&'static str] {
    match (route.experimental, route.body.is_some()) {
        (Experimental::Seed | Experimental::Newest, true) => &[
            "400", "401", "403", "404", "412", "413", "415", "500", "503", "507",
        ],
        (Experimental::Seed | Experimental::Newest, false) => {
            &["400", "401", "403", "404", "412", "500", "503", "507"]
        }
        (_, true) => &["400", "401", "403", "404", "413", "415", "500", "503", "507"],
        (_, false) => &["400", "401", "403", "404", "500", "503", "507"],
    }
}

/// Who may call it, in words.
pub(crate) fn who(route: &Route) -> String {
    match route.needs {
        Needs::Role(role) => format!("role {role}"),
        Needs::OrganizationManager => {
            "role user, or role admin where organization_management is admins".to_owned()
        }
    }
}

fn description(route: &Route) -> String {
    let scopes: Vec<_> = route.scopes.iter().map(|scope| format!("`{scope}`")).collect();
    format!("Needs the {} and the scope {}.", who(route), scopes.join(" and "))
}

/// The words of the summary, joined: `getOrganizationProfile`.
fn operation_id(route: &Route) -> String {
    let mut id = String::new();
    for word in route
        .summary
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        let (first, rest) = word.split_at(1);
        id.push_str(&if id.is_empty() {
            first.to_ascii_lowercase()
        } else {
            first.to_ascii_uppercase()
        });
        id.push_str(rest);
    }
    id
}

/// The group of an operation: its first path segment, or that it is our own.
pub(crate) fn tag(route: &Route) -> &'static str {
    match route.space {
        Space::Own => return "guildhall",
        Space::Connector => return "connector",
        Space::Vendor => {}
    }
    route
        .path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default()
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut all = Vec::new();
    for name in route
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    {
        all.push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    }
    for query in &route.query {
        all.push(json!({
            "name": query.name, "in": "query", "required": query.required, "description": query.doc,
            "schema": { "type": "string" },
        }));
    }
    if route.keyed {
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": true,
            "description": "1 to 255 visible ASCII characters of your own, such as a UUID. The same key with the same \
                body is the same task; with another body it is refused.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
        }));
    }
    if matches!(route.experimental, Experimental::Seed | Experimental::Newest) {
        all.push(json!({
            "name": "X-ExperimentalApi", "in": "header", "required": true,
            "description": "This operation is experimental; a setting of the server can waive the header.",
            "schema": { "type": "string", "enum": ["opt-in"] },
        }));
    }
    all
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "description": "Every answer that is not a success.",
        "required": ["errorMessage", "errors", "statusCode"],
        "properties": {
            "errorMessage": {
                "type": "string",
                "description": "What is wrong, where, with which value, and what would be right.",
            },
            "errors": { "type": "array", "items": { "type": "string" }, "description": "One machine code." },
            "statusCode": { "type": "integer", "description": "The HTTP status." },
        },
    })
}

fn responses() -> Value {
    const ALL: [(&str, &str); 11] = [
        ("400", "The request is malformed, or the data refuses it."),
        ("401", "No credentials, or bad ones."),
        ("403", "The token's role or its scopes do not allow this."),
        ("404", "There is no such thing, or no such tenant."),
        ("405", "The path does not answer this method."),
        ("412", "The header X-ExperimentalApi: opt-in is missing."),
        ("413", "The body is too large."),
        ("415", "The body is not JSON."),
        ("500", "A defect of the server."),
        (
            "503",
            "The server cannot do it now; Retry-After says when to try again.",
        ),
        ("507", "The disk of the server is full; nothing was written."),
    ];
    let response = |doc: &str, schema: &str| {
        json!({
            "description": doc,
            "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } },
        })
    };
    let ours = ALL
        .iter()
        .map(|(status, doc)| ((*status).to_owned(), response(doc, "Error")));
    // Connectors meet no experimental operation, and limits that others do not.
    let too_fast = (
        "429",
        "More than the site allows in a minute; Retry-After says when to try again.",
    );
    let connectors = ALL
        .iter()
        .chain([&too_fast])
        .filter(|(status, _)| *status != "412")
        .map(|(status, doc)| (format!("connector-{status}"), response(doc, "ConnectorError")));
    Value::Object(ours.chain(connectors).collect())
}

fn connector_error_schema(schemas: &mut Schemas) -> Value {
    let problem = crate::api::connector::ConnectorProblemOut::schema(schemas);
    json!({
        "type": "object",
        "description": "Every answer to a connector that is not a success.",
        "required": ["success", "error", "errors"],
        "properties": {
            "success": { "type": "boolean", "description": "false" },
            "error": { "type": "string", "description": "What is wrong." },
            "errors": { "type": "array", "items": problem, "description": "Where, as far as that can be said." },
        },
    })
}

fn public_path(public: Public) -> Value {
    let (id, doc, content_type) = match public {
        Public::Health => ("health", "200 while the process lives", "application/json"),
        Public::Ready => (
            "ready",
            "200 while the database answers and takes writes",
            "application/json",
        ),
        Public::OpenApi => ("openapi", "This document", "application/json"),
        Public::Docs => ("docs", "This document for people", "text/html"),
        Public::DocsStyle => ("docsStyle", "The style of the page for people", "text/css"),
    };
    let mut answers = json!({ "200": { "description": doc, "content": { content_type: {} } } });
    if public == Public::Ready {
        answers["503"] = json!({ "$ref": "#/components/responses/503" });
    }
    json!({
        "servers": [{ "url": "/" }],
        "get": {
            "operationId": id, "tags": ["server"], "summary": doc, "security": [], "responses": answers,
        },
    })
}
