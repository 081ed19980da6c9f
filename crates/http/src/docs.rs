//! `/docs`: the OpenAPI document for people. Plain HTML made from the route table, with one style
//! sheet of ours: nothing is fetched from elsewhere, and no script runs.

use std::fmt::Write;

use serde_json::Value;

use crate::api::removals::DryRunOut;
use crate::openapi::{tag, who};
use crate::routes::{CONNECTOR_PREFIXES, Experimental, Route, Space, VENDOR_PREFIXES};
use crate::wire::{Schema, Schemas};

/// What a browser may do with any answer of ours: show it, with our style sheet.
pub const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The style sheet of the page.
pub const STYLE: &[u8] = include_bytes!("docs.css");

/// The page.
pub fn page(routes: &[Route]) -> String {
    let mut schemas = Schemas::new();
    let mut operations = String::new();
    let mut contents = String::new();
    let mut group = "";
    for route in routes {
        if tag(route) != group {
            group = tag(route);
            add(&mut operations, format_args!("<h2 id=\"{group}\">{group}</h2>"));
            add(&mut contents, format_args!("<a href=\"#{group}\">{group}</a> "));
        }
        operation(&mut operations, route, &mut schemas);
    }
    let mut page = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Guildhall API</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><link rel=\"stylesheet\" href=\"/docs/style.css\">\
         </head><body><h1>Guildhall API</h1><p>Every path is answered under these prefixes; in the last two the \
         tenant is the token's own.</p><ul>",
    );
    for prefix in VENDOR_PREFIXES {
        add(&mut page, format_args!("<li><code>{prefix}</code></li>"));
    }
    page.push_str("</ul><p>What connectors call is answered under these:</p><ul>");
    for prefix in CONNECTOR_PREFIXES {
        add(&mut page, format_args!("<li><code>{prefix}</code></li>"));
    }
    page.push_str(
        "</ul><p>Send <code>Authorization: Bearer TOKEN</code>. Every answer that is not a success is \
         <code>{\"errorMessage\", \"errors\", \"statusCode\"}</code>, and <code>{\"success\", \"error\", \
         \"errors\"}</code> to a connector. The same as a document: \
         <a href=\"/openapi.json\">/openapi.json</a>.</p>",
    );
    add(
        &mut page,
        format_args!("<nav>{contents}<a href=\"#schemas\">schemas</a></nav>{operations}"),
    );
    page.push_str("<h2 id=\"schemas\">schemas</h2>");
    for (name, schema) in &schemas {
        add(
            &mut page,
            format_args!("<section id=\"schema-{name}\"><h3>{name}</h3>"),
        );
        members(&mut page, schema);
        page.push_str("</section>");
    }
    page.push_str("</body></html>\n");
    page
}

fn operation(out: &mut String, route: &Route, schemas: &mut Schemas) {
    let method = route.method.as_str();
    let class = if route.offered() {
        "operation"
    } else {
        "operation later"
    };
    add(
        out,
        format_args!("<section class=\"{class}\"><h3><b class=\"{method}\">{method}</b> "),
    );
    add(
        out,
        format_args!(
            "<code>{}</code></h3><p>{}",
            escape(&shown_path(route)),
            escape(route.summary)
        ),
    );
    if !route.offered() {
        out.push_str(". <strong>Not offered by this server: answers 404.</strong></p></section>");
        return;
    }
    let scopes: Vec<_> = route
        .scopes
        .iter()
        .map(|scope| format!("<code>{scope}</code>"))
        .collect();
    add(
        out,
        format_args!(". Needs the {}, and {}.", who(route), scopes.join(" and ")),
    );
    if matches!(route.experimental, Experimental::Seed | Experimental::Newest) {
        out.push_str(" Needs the header <code>X-ExperimentalApi: opt-in</code>.");
    }
    if route.keyed {
        out.push_str(" Needs the header <code>Idempotency-Key</code>: the same key and the same body are the same task.");
    }
    out.push_str("</p><dl>");
    for query in &route.query {
        let required = if query.required { "required" } else { "optional" };
        add(
            out,
            format_args!(
                "<dt><code>?{}=</code> ({required})</dt><dd>{}</dd>",
                query.name,
                escape(query.doc)
            ),
        );
    }
    if let Some(body) = route.body {
        let schema = body(schemas);
        add(out, format_args!("<dt>body</dt><dd>{}</dd>", type_of(&schema)));
    }
    match route.answer {
        Some(answer) => {
            let schema = answer(schemas);
            add(out, format_args!("<dt>200</dt><dd>{}</dd>", type_of(&schema)));
        }
        None => out.push_str("<dt>204</dt><dd>no body</dd>"),
    }
    if route.dry_run {
        let answer = type_of(&DryRunOut::schema(schemas));
        add(
            out,
            format_args!("<dt>200</dt><dd>with dryRun=true: {answer}</dd>"),
        );
    }
    out.push_str("</dl></section>");
}

/// The path after the vendor's prefix, or the whole path of our own operations.
fn shown_path(route: &Route) -> String {
    match route.space {
        Space::Vendor => route.path.to_owned(),
        Space::Own | Space::Connector => format!("{}{}", route.space.prefixes()[0], route.path),
    }
}

fn members(out: &mut String, schema: &Value) {
    add(
        out,
        format_args!(
            "<p>{}</p><dl>",
            escape(schema["description"].as_str().unwrap_or_default())
        ),
    );
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let optional = if required.contains(&name.as_str()) {
            ""
        } else {
            ", optional"
        };
        let doc = member["description"].as_str().unwrap_or_default();
        add(
            out,
            format_args!(
                "<dt><code>{}</code> ({}{optional})</dt><dd>{}</dd>",
                escape(name),
                type_of(member),
                escape(doc)
            ),
        );
    }
    out.push_str("</dl>");
}

/// A type in words, linked where it has a section of its own.
fn type_of(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    if let Some(types) = schema["type"].as_array() {
        let names: Vec<_> = types.iter().filter_map(Value::as_str).map(escape).collect();
        return names.join(" or ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("array of {}", type_of(&schema["items"])),
        Some(other) => escape(other),
        None => "anything".to_owned(),
    }
}

fn add(out: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _infallible = out.write_fmt(words);
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
