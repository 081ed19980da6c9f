//! The hard shell and the order of checks: one error body on everything, headers on every answer,
//! and logs that hold no secret and nothing personal.

use std::collections::BTreeSet;

use guildhall_http::routes::VENDOR_PREFIXES;
use guildhall_testkit::home::about_sqlite;
use guildhall_testkit::{Fault, Faults, Request, Response, Server, ServerOptions, TempFolder, http};
use serde_json::{Value, json};

use crate::world::{Expect, Site, World, binary, error_message, poll};

const MIB: usize = 1024 * 1024;

/// What a raw request over TCP was answered with: status and error message.
fn raw(world: &World, bytes: &[u8]) -> (u16, String) {
    let answer = http::raw(world.server.addr(), bytes);
    let text = String::from_utf8(answer).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status: u16 = head[9..12].parse().unwrap();
    let headers = head.lines().skip(1).map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_owned(), value.to_owned())
    });
    let response = Response {
        status,
        headers: headers.collect(),
        body: body.as_bytes().to_vec(),
    };
    (status, error_message(&response))
}

#[test]
fn unknown_paths_and_wrong_methods() {
    let site = Site::shared();
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v2/organization/1",
        "/api/v1/organization/1/",
        "/api/v1//organization/1",
        "/API/v1/organization/1",
        "/api/v1/organizations",
        "/api/v1/organization/1/details/2",
        "/jsm/csm/cloudid/api/v1/organization/1",
        "/jsm/csm/cloudid//api/v1/organization/1",
        "/guildhall/v1/nothing",
        "/healthz/x",
        "/docs/",
        "/favicon.ico",
        "/%2e%2e/etc/passwd",
        "/docs/../healthz",
        "/api/v1/product/a/b",
    ] {
        for method in ["GET", "POST", "DELETE", "BREW"] {
            // No token is needed to be told so.
            site.send(&Request::new(method, path)).refused(404);
            site.send(&Request::new(method, path).bearer(&site.token))
                .refused(404);
        }
    }
    for (method, path, allow) in [
        ("PATCH", "/organization/1", "DELETE, GET, HEAD, PUT"),
        ("GET", "/organization", "POST"),
        ("GET", "/organization/fetch", "POST"),
        ("GET", "/organization/1/details", "PUT"),
        ("GET", "/customer/x/details", "PUT"),
        ("DELETE", "/product", "GET, HEAD, POST"),
        ("OPTIONS", "/product", "GET, HEAD, POST"),
        ("BREW", "/organization/details/x", "DELETE, PUT"),
        ("TRACE", "/customer/account/x", "DELETE, GET, HEAD, PUT"),
    ] {
        for prefix in VENDOR_PREFIXES {
            let response = site.send(&Request::new(
                method,
                format!("{}{path}", prefix.replace("{cloudId}", "none")),
            ));
            response.refused(405);
            assert_eq!(response.header("allow"), Some(allow), "{method} {path}");
        }
    }
    let response = site.send(&Request::post("/healthz"));
    response.refused(405);
    assert_eq!(response.header("allow"), Some("GET, HEAD"));
}

#[test]
fn a_token_in_the_query_is_refused_before_anything_else() {
    let site = Site::shared();
    let token = &site.token;
    for request in [
        Request::get(format!("/api/v1/product?access_token={token}")),
        Request::get(format!("/api/v1/product?a=b&access_token={token}")).bearer(token),
        Request::get("/api/v1/product?access_token="),
        Request::get("/api/v1/product?access%5Ftoken=x"),
        Request::get("/api/v1/product?access_token").bearer(token),
        Request::get("/nothing?access_token=x"),
        Request::new("BREW", "/api/v1/product?access_token=x"),
        Request::get("/healthz?access_token=x"),
        Request::get("/jsm/csm/cloudid/none/api/v1/product?access_token=x").bearer("garbage"),
    ] {
        let message = site.send(&request).refused(400);
        assert!(
            message.starts_with("access_token: ") && !message.contains(token.as_str()),
            "{message}"
        );
    }
    site.get("/product?Access_Token=x&x=access_token").ok();
}

#[test]
fn bodies_that_are_no_json() {
    let site = Site::shared();
    let request = |body: &[u8]| {
        site.request("POST", "/product")
            .header("Content-Type", "application/json")
            .body(body)
    };
    let deep = |levels: usize| {
        format!(
            "{{\"name\": \"deep\", \"x\": {}{}}}",
            "[".repeat(levels - 1),
            "]".repeat(levels - 1)
        )
    };
    site.send(&request(deep(64).as_bytes())).ok();
    let long_name = format!("{{\"name\": \"x\", \"{}\": 1}}", "n".repeat(100_000));
    site.send(&request(long_name.as_bytes())).ok();
    for (body, place) in [
        ("".to_owned(), "line 1, column 1"),
        (" ".to_owned(), "line 1, column 2"),
        ("{\"name\": \"x\"".to_owned(), "line 1, column 13"),
        ("{\n  \"name\": \"x\",\n}".to_owned(), "line 3, column 1"),
        ("{\n\"é\": 'x'}".to_owned(), "line 2, column 6"),
        ("{\"name\": \"x\"} {".to_owned(), "line 1, column 15"),
        (
            "{\"name\": \"x\", \"name\": \"x\"}".to_owned(),
            "line 1, column 15",
        ),
        (
            "{\"name\": \"x\", \"\\u006eame\": \"x\"}".to_owned(),
            "line 1, column 15",
        ),
        (
            "{\"name\": \"x\", \"o\": {\"a\": [{\"b\": 1, \"b\": 1}]}}".to_owned(),
            "line 1, column 36",
        ),
        ("{\"name\": \"a\\u0000b\"}".to_owned(), "line 1, column 12"),
        (
            "{\"name\": \"x\", \"\\u0000\": 1}".to_owned(),
            "line 1, column 16",
        ),
        ("{\"name\": \"\\ud800\"}".to_owned(), "line 1, column 11"),
        ("{\"name\": \"a\tb\"}".to_owned(), "line 1, column 12"),
        ("{\"name\": \"x\", \"n\": 01}".to_owned(), "line 1, column 2"),
        ("{\"name\": \"x\", \"n\": NaN}".to_owned(), "line 1, column 20"),
        ("\u{feff}{\"name\": \"x\"}".to_owned(), "line 1, column 1"),
        (deep(65), "line 1, column "),
        (
            format!("{{\"name\": {}", "[".repeat(1_000_000)),
            "line 1, column ",
        ),
    ] {
        let message = site.send(&request(body.as_bytes())).refused(400);
        assert!(
            message.starts_with("The body is not valid JSON: line "),
            "{message}"
        );
        assert!(
            message.contains(place),
            "{:?} should say {place}: {message}",
            &body[..body.len().min(60)]
        );
        assert!(message.len() < 400, "{message}");
    }
    for body in [
        &b"{\"name\": \"\xff\"}"[..],
        b"{\"name\": \"\xc3\x28\"}",
        b"\xed\xa0\x80",
        b"{\"name\": \"x\"}\0",
    ] {
        let message = site.send(&request(body)).refused(400);
        assert!(message.contains("line 1, column "), "{message}");
    }
    // And what is JSON, but of another shape.
    for body in [
        "[]",
        "7",
        "null",
        "\"name\"",
        "{\"name\": [\"x\"]}",
        "{\"name\": 1e400}",
    ] {
        site.send(&request(body.as_bytes())).refused(400);
    }
    assert_eq!(site.get("/product").ok()["results"].as_array().unwrap().len(), 2);
}

#[test]
fn content_types_and_sizes() {
    let site = Site::shared();
    let post = |content_type: Option<&str>, body: Vec<u8>| {
        let mut request = site.request("POST", "/product").body(body);
        if let Some(content_type) = content_type {
            request = request.header("Content-Type", content_type);
        }
        request
    };
    let small = || br#"{"name": "x"}"#.to_vec();
    for wrong in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "application/json; charset=latin1",
        "multipart/form-data",
        "*/*",
        "json",
        "",
    ] {
        site.send(&post(Some(wrong), small())).refused(415);
    }
    for right in [
        None,
        Some("application/json"),
        Some("APPLICATION/JSON;charset=UTF-8"),
        Some("application/vnd.x+json"),
    ] {
        site.send(&post(right, small())).ok();
    }
    site.send(&post(Some("application/json"), small()).header("Content-Encoding", "gzip"))
        .refused(415);
    // A body where none is taken is nobody's business.
    site.send(
        &site
            .request("GET", "/product")
            .header("Content-Type", "text/plain")
            .body("x"),
    )
    .ok();

    let body = |bytes: usize| {
        let mut body = br#"{"name": "big", "x": ""#.to_vec();
        body.resize(bytes - 2, b'x');
        body.extend_from_slice(b"\"}");
        body
    };
    site.send(&post(Some("application/json"), body(5 * MIB))).ok();
    site.send(&post(Some("application/json"), body(5 * MIB)).chunked())
        .ok();
    site.send(&post(Some("application/json"), body(5 * MIB + 1)))
        .refused(413);
    site.send(&post(Some("application/json"), body(5 * MIB + 1)).chunked())
        .refused(413);
    let announced = site
        .request("POST", "/product")
        .header("Content-Type", "text/plain")
        .header("Expect", "100-continue");
    site.send(&announced.body(body(5 * MIB + 1))).refused(413);
}

#[test]
fn hosts_and_heads() {
    let world = World::shared();
    for (bytes, status) in [
        (&b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"[..], 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400),
        (b"GET /healthz HTTP/3.0\r\nHost: a\r\n\r\n", 400),
        (b"G\0T /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /api/v1/organization/%FF HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 401),
        (b"POST /api/v1/product HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ] {
        let (answered, _) = raw(&world, bytes);
        assert_eq!(answered, status, "{:?}", String::from_utf8_lossy(bytes));
    }
    let long = format!(
        "GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
        "x".repeat(MIB)
    );
    assert_eq!(raw(&world, long.as_bytes()).0, 431);
}

/// Everything that can be wrong is wrong; each repair uncovers the next refusal.
#[test]
fn the_order_of_checks() {
    let world = World::shared();
    let site = world.site();
    let other = world.site();
    let product = site.post("/product", &json!({ "name": "x" })).ok()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let no_scope = world.token(&site.cloud_id, "admin", &["read:product:jira-service-management"]);
    let user = world.token(&site.cloud_id, "user", &[]);
    let organization = site.post("/organization", &json!({ "name": "Acme" })).ok()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    site.post("/organization", &json!({ "name": "Globex" })).ok();
    let prefix = |cloud_id: &str| format!("/jsm/csm/cloudid/{cloud_id}/api/v1");
    let big = vec![b'x'; 5 * MIB + 1];
    struct Try<'a> {
        status: u16,
        cloud_id: &'a str,
        token: &'a str,
        opt_in: bool,
        content_type: &'a str,
        body: &'a [u8],
        id: &'a str,
    }
    let all_wrong = Try {
        status: 401,
        cloud_id: &other.cloud_id,
        token: "garbage",
        opt_in: false,
        content_type: "text/plain",
        body: &big,
        id: "77",
    };
    let tries = [
        Try { ..all_wrong },
        Try {
            status: 404,
            token: &no_scope,
            ..all_wrong
        },
        Try {
            status: 403,
            token: &no_scope,
            cloud_id: &site.cloud_id,
            ..all_wrong
        },
        Try {
            status: 412,
            token: &user,
            cloud_id: &site.cloud_id,
            ..all_wrong
        },
        Try {
            status: 413,
            token: &user,
            cloud_id: &site.cloud_id,
            opt_in: true,
            ..all_wrong
        },
        Try {
            status: 415,
            token: &user,
            cloud_id: &site.cloud_id,
            opt_in: true,
            body: b"{",
            ..all_wrong
        },
        Try {
            status: 400,
            token: &user,
            cloud_id: &site.cloud_id,
            opt_in: true,
            content_type: "application/json",
            body: b"{",
            ..all_wrong
        },
        Try {
            status: 400,
            token: &user,
            cloud_id: &site.cloud_id,
            opt_in: true,
            content_type: "application/json",
            body: b"{\"name\": \"\"}",
            ..all_wrong
        },
        Try {
            status: 404,
            token: &user,
            cloud_id: &site.cloud_id,
            opt_in: true,
            content_type: "application/json",
            body: b"{\"name\": \"Globex\"}",
            ..all_wrong
        },
        Try {
            status: 400,
            token: &user,
            cloud_id: &site.cloud_id,
            opt_in: true,
            content_type: "application/json",
            body: b"{\"name\": \"Globex\"}",
            id: &organization,
        },
        Try {
            status: 200,
            token: &user,
            cloud_id: &site.cloud_id,
            opt_in: true,
            content_type: "application/json",
            body: b"{\"name\": \"Initech\"}",
            id: &organization,
        },
    ];
    for (at, one) in tries.iter().enumerate() {
        let mut request = Request::put(format!("{}/organization/{}", prefix(one.cloud_id), one.id))
            .bearer(one.token)
            .header("Content-Type", one.content_type)
            .body(one.body);
        if one.opt_in {
            request = request.header("X-ExperimentalApi", "opt-in");
        }
        let response = world.server.client().send(&request).unwrap();
        assert_eq!(response.status, one.status, "try {at}: {}", response.text());
    }
    // A value that is refused is 400, but only once the thing is found.
    site.post("/organization/77/entitlement", &json!({ "productId": "none" }))
        .refused(404);
    site.post("/organization/77/entitlement", &json!({ "productId": product }))
        .refused(404);
}

#[test]
fn challenges_are_those_of_rfc_6750() {
    let world = World::shared();
    let site = world.site();
    let token = world.token(
        &site.cloud_id,
        "agent",
        &["read:organization:jira-service-management"],
    );
    let ask = |request: Request| site.send(&request);
    let none = ask(Request::get("/api/v1/product"));
    none.refused(401);
    assert_eq!(none.header("www-authenticate"), Some("Bearer"));
    let bad = ask(Request::get("/api/v1/product").bearer("x"));
    bad.refused(401);
    assert_eq!(
        bad.header("www-authenticate"),
        Some("Bearer error=\"invalid_token\"")
    );
    let scope = ask(Request::get("/api/v1/organization/1").bearer(&token));
    let message = scope.refused(403);
    assert!(
        message.contains("read:organization.detail:jira-service-management"),
        "{message}"
    );
    assert!(
        !message.contains("read:organization:jira"),
        "the token has this one: {message}"
    );
    assert_eq!(
        scope.header("www-authenticate"),
        Some(
            "Bearer error=\"insufficient_scope\", scope=\"read:organization:jira-service-management \
             read:organization.detail:jira-service-management\""
        )
    );
    let role = ask(Request::get("/api/v1/organization/details").bearer(&token));
    let message = role.refused(403);
    assert!(
        message.contains("admin") && message.contains("agent"),
        "{message}"
    );
    assert_eq!(role.header("www-authenticate"), None);
}

#[test]
fn an_unknown_tenant_and_anothers_are_the_same_bytes() {
    let world = World::shared();
    let (site, other) = (world.site(), world.site());
    let answers: BTreeSet<String> = [
        other.cloud_id.as_str(),
        &other.cloud_id.to_ascii_uppercase(),
        "01900000-0000-7000-8000-000000000000",
        "none",
        "%00",
        "%20",
    ]
    .iter()
    .map(|cloud_id| {
        let response = site
            .send(&Request::get(format!("/jsm/csm/cloudid/{cloud_id}/api/v1/product")).bearer(&site.token));
        response.refused(404);
        let varies = ["x-request-id", "date"];
        let kept: Vec<_> = response
            .headers
            .iter()
            .filter(|(name, _)| !varies.contains(&name.to_ascii_lowercase().as_str()))
            .collect();
        format!("{kept:?} {}", response.text())
    })
    .collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    // The own one in capitals is the own one.
    let path = format!(
        "/jsm/csm/cloudid/{}/api/v1/product",
        site.cloud_id.to_ascii_uppercase()
    );
    site.send(&Request::get(path).bearer(&site.token)).ok();
}

#[test]
fn every_answer_has_its_headers() {
    let world = World::new(&["--log", "debug"]);
    let site = world.site();
    let mut ids = BTreeSet::new();
    for request in [
        Request::get("/healthz"),
        Request::get("/readyz"),
        Request::get("/openapi.json"),
        Request::get("/docs"),
        Request::get("/nothing"),
        Request::new("PATCH", "/api/v1/product"),
        Request::get("/api/v1/product"),
        Request::get("/api/v1/product?access_token=x"),
        site.request("GET", "/product"),
        site.request("HEAD", "/product"),
        site.request("DELETE", "/product/none"),
        site.request("POST", "/product")
            .header("Content-Type", "text/plain")
            .body("x"),
        site.request("POST", "/product").json(&json!({})),
        site.request("POST", "/product").json(&json!({ "name": "x" })),
        site.request("GET", "/product").header("X-Request-Id", "mine"),
    ] {
        let response = site.send(&request);
        let id = response
            .header("x-request-id")
            .unwrap_or_else(|| panic!("{request:?}"))
            .to_owned();
        assert_eq!(id.len(), 36, "{id}");
        assert!(ids.insert(id.clone()), "{id} twice");
        assert_eq!(response.header("cache-control"), Some("no-store"), "{request:?}");
        assert_eq!(
            response.header("x-content-type-options"),
            Some("nosniff"),
            "{request:?}"
        );
        assert!(response.header("server").is_none());
        // The line of the log is the request's: the id, the status, the tenant where one is known.
        let line = poll("the line of the log", || {
            let log = world.server.stderr_so_far();
            log.lines()
                .find(|line| line.contains(&id) && line.ends_with('}'))
                .map(str::to_owned)
        });
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&line["request_id"], &line["status"]),
            (&json!(id), &json!(response.status)),
            "{line}"
        );
    }
    let head = site.send(&site.request("HEAD", "/product"));
    assert_eq!((head.status, head.body.len()), (200, 0));
}

/// A server that is not ready says so to who asks; it is no defect, and no line of the log says it is.
#[test]
fn not_being_ready_is_no_error() {
    if about_sqlite("the disk is PostgreSQL's own; a database that is away: tests/servers") {
        return;
    }
    let folder = TempFolder::new();
    let faults = Faults::new(&folder);
    let options = ServerOptions::new(&folder).faults(&faults);
    let server = Server::start(binary(), &options).unwrap();
    faults.set(Fault::Full);
    let response = server.client().send(&Request::get("/readyz")).unwrap();
    assert_eq!(response.refused(503), "full");
    assert_eq!(response.header("retry-after"), Some("1"));
    let id = response.header("x-request-id").unwrap();
    let line = poll("the line of the log", || {
        let log = server.stderr_so_far();
        let line = log
            .lines()
            .find(|line| line.contains(id) && line.ends_with('}'))?;
        Some(serde_json::from_str::<Value>(line).unwrap())
    });
    assert_eq!(
        (&line["level"], &line["status"], &line["message"]),
        (&json!("WARN"), &json!(503), &json!("request turned away"))
    );
    assert!(
        !server.stderr_so_far().contains("ERROR"),
        "{}",
        server.stderr_so_far()
    );
    // When there is room again it is ready by itself.
    faults.set(Fault::None);
    poll("readiness", || {
        let answer = server.client().send(&Request::get("/readyz")).unwrap();
        (answer.status == 200).then_some(())
    });
}

/// Neither stdout nor the log holds a secret or anything personal, at the most talkative level.
#[test]
fn logs_hold_no_secret_and_nothing_personal() {
    let world = World::new(&["--log", "debug"]);
    let site = world.site();
    let mut secrets = vec![site.token.clone(), site.token[6..].to_owned()];
    let mut canary = |kind: &str| {
        let text = format!("zq{kind}{}qz", secrets.len() * 7_919);
        secrets.push(text.clone());
        text
    };
    let field = canary("field");
    let answers = [
        site.post(
            "/organization/details",
            &json!({ "name": field, "type": { "name": "TEXT" } }),
        )
        .status,
        site.post(
            "/customer",
            &json!({ "email": format!("{}@example.com", canary("mail")), "displayName": canary("name") }),
        )
        .status,
        site.post("/organization", &json!({ "name": canary("org") }))
            .status,
        site.post("/product", &json!({ "name": canary("product") }))
            .status,
    ];
    assert_eq!(answers, [200; 4]);
    let (key, name) = (canary("key"), canary("bulk"));
    let items = json!([{ "operationType": "UPSERT", "payload": { "name": name } },
        { "operationType": "UPDATE", "payload": { "name": canary("nobody") } }]);
    let body = json!({ "organizations": items });
    let task = site.submit("/organization/bulk", &key, &body).ok();
    site.finished(task["id"].as_str().unwrap());
    site.submit(
        "/organization/bulk",
        &key,
        &json!({ "organizations": [items[0]] }),
    )
    .refused(400);
    let wrong = canary("wrong");
    for request in [
        site.request("GET", &format!("/organization/{wrong}")),
        site.request("GET", &format!("/customer/{wrong}")),
        site.request("GET", &format!("/product?cursor={wrong}")),
        site.request("PUT", &format!("/organization/1/details?fieldName={wrong}"))
            .json(&json!({ "values": [canary("value")] })),
        site.request("POST", "/customer")
            .json(&json!({ "email": canary("bademail") })),
        site.request("POST", "/product")
            .header("Content-Type", "application/json")
            .body(format!("{{{wrong}")),
        site.request("GET", "/product")
            .header("X-Custom", wrong.as_str())
            .header("User-Agent", wrong.as_str()),
        Request::get(format!("/{wrong}?{wrong}={wrong}")),
        Request::get(format!("/api/v1/product?access_token={}", site.token)),
        Request::get("/api/v1/product").bearer(&format!("{}x", site.token)),
        Request::new(wrong.as_str(), "/nothing"),
        Request::get(format!("/jsm/csm/cloudid/{wrong}/api/v1/product")).bearer(&site.token),
    ] {
        site.send(&request);
    }
    let last = site.get("/product");
    let id = last.header("x-request-id").unwrap().to_owned();
    let log = poll("the last line", || {
        Some(world.server.stderr_so_far()).filter(|log| log.contains(&id))
    });
    assert!(log.lines().count() > 15, "{log}");
    let said = log + &world.server.stdout_so_far();
    for secret in &secrets {
        assert!(!said.contains(secret.as_str()), "{secret} is in the log: {said}");
    }
}
