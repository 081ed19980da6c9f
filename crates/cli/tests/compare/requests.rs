//! The next request, made from the route table: whatever is offered is asked for. What a parameter of a
//! path or a query may be says [`Requests::parameter`], what a body holds [`crate::bodies`], and what an
//! answer teaches [`crate::known`]; a new operation may need a line in each, and panics where it does.

use std::collections::BTreeMap;

use guildhall_http::routes::{CONNECTOR_PREFIXES, OWN_PREFIX, Route, Space, VENDOR_PREFIXES, routes};
use guildhall_testkit::SeededRandom;
use serde_json::Value;

use crate::Token;
use crate::side::CLOUD_IDS;
use crate::texts;

/// Ids of one kind that are kept in mind; with more, the oldest thing is deleted.
pub const KNOWN_MAX: usize = 24;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// An admin, who asks most.
    Admin,
    /// An agent of the same tenant.
    Agent,
    /// A user of the same tenant.
    User,
    /// An admin with two scopes.
    Narrow,
    /// An admin of another tenant, who tries the first one's ids.
    Stranger,
    /// An admin whose token is revoked at some time.
    Leaver,
    /// Without a token that is one.
    Nobody,
}

impl Who {
    /// Everybody.
    pub const ALL: [Self; 7] = [
        Self::Admin,
        Self::Agent,
        Self::User,
        Self::Narrow,
        Self::Stranger,
        Self::Leaver,
        Self::Nobody,
    ];
}

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method and path of the route; none when it is asked for no route.
    pub operation: Option<(&'static str, &'static str)>,
    /// Which server of a side is asked.
    pub server: usize,
    pub method: &'static str,
    pub uri: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<Vec<u8>>,
    /// The ids in its path, by parameter.
    pub params: Vec<(&'static str, String)>,
}

/// Makes requests, and learns from their answers which ids there are.
pub struct Requests {
    pub random: SeededRandom,
    routes: Vec<Route>,
    pub tokens: Vec<Token>,
    /// By the parameter that takes them.
    pub known: BTreeMap<&'static str, Vec<String>>,
    /// Ids that things had.
    pub gone: Vec<String>,
    /// Definitions as they were last listed, by the path of the list.
    pub fields: BTreeMap<&'static str, Vec<Value>>,
    /// Requests with a key, to be repeated.
    keyed: Vec<Asked>,
    keys: u64,
}

/// The name of a route's method.
pub fn method(route: &Route) -> &'static str {
    ["GET", "POST", "PUT", "DELETE"]
        .into_iter()
        .find(|name| route.method == *name)
        .unwrap_or_else(|| panic!("{} is a new method", route.method))
}

impl Requests {
    pub fn new(random: SeededRandom, tokens: Vec<Token>) -> Self {
        Self {
            random,
            routes: routes(),
            tokens,
            known: BTreeMap::new(),
            gone: Vec::new(),
            fields: BTreeMap::new(),
            keyed: Vec::new(),
            keys: 0,
        }
    }

    /// The token that is revoked at some time.
    pub fn leaver(&self) -> String {
        let leaver = self.tokens.iter().find(|token| token.who == Who::Leaver);
        leaver.map(|token| token.id.clone()).unwrap()
    }

    /// The next request.
    pub fn next(&mut self) -> Asked {
        if let Some(asked) = self.too_many() {
            return asked;
        }
        if self.random.chance(0.02) && !self.keyed.is_empty() {
            return self.random.pick(&self.keyed).clone();
        }
        if self.random.chance(0.005) {
            let uri = format!("/api/v1/{}", encoded(&texts::odd(&self.random)));
            return self.ask(
                Who::Admin,
                self.random.pick::<&str>(&["GET", "PUT", "POST", "PATCH"]),
                uri,
            );
        }
        let route = loop {
            let route = self.random.pick(&self.routes);
            // What changes much is asked for less often; what is not offered, seldom.
            let share = match (route.offered(), method(route)) {
                (false, _) => 0.02,
                (true, "DELETE") => 0.3,
                _ if route.path.contains("details/{fieldName}") => 0.3,
                _ => 1.0,
            };
            if self.random.chance(share) {
                break route.clone();
            }
        };
        let who = match self.random.below(40) {
            0 => Who::Nobody,
            1 => Who::User,
            2 => Who::Agent,
            3 => Who::Narrow,
            4..7 => Who::Stranger,
            7 => Who::Leaver,
            _ => Who::Admin,
        };
        self.of_route(&route, who)
    }

    /// Deletes the oldest thing of a kind of which there are many.
    fn too_many(&mut self) -> Option<Asked> {
        let (parameter, id) = self
            .known
            .iter()
            .find(|(parameter, ids)| **parameter != "taskId" && ids.len() > KNOWN_MAX)
            .map(|(parameter, ids)| (*parameter, ids[0].clone()))?;
        let of_parameter = format!("/{{{parameter}}}");
        let route = self.routes.iter().find(|route| {
            let path = route.path;
            method(route) == "DELETE" && route.offered() && path.ends_with(&of_parameter)
        });
        let route = route.unwrap_or_else(|| panic!("nothing deletes by {parameter}"));
        let uri = format!(
            "/api/v1{}",
            route.path.replace(&of_parameter, &format!("/{}", encoded(&id)))
        );
        let operation = Some((method(route), route.path));
        let mut asked = self.ask(Who::Admin, "DELETE", uri);
        (asked.operation, asked.params) = (operation, vec![(parameter, id)]);
        Some(asked)
    }

    fn ask(&self, who: Who, method: &'static str, uri: String) -> Asked {
        let token = self.tokens.iter().find(|token| token.who == who);
        let secret = token.map_or("guild_nobody", |token| &token.secret);
        let mut headers = vec![("authorization", format!("Bearer {secret}"))];
        if self.random.chance(0.98) {
            headers.push(("x-experimentalapi", "opt-in".to_owned()));
        }
        if self.random.chance(0.01) {
            headers.remove(0);
        }
        Asked {
            operation: None,
            server: usize::from(self.random.chance(0.4)),
            method,
            uri,
            headers,
            body: None,
            params: Vec::new(),
        }
    }

    fn of_route(&mut self, route: &Route, who: Who) -> Asked {
        let prefix = match route.space {
            Space::Own => OWN_PREFIX.to_owned(),
            Space::Vendor | Space::Connector => {
                let prefixes = match route.space {
                    Space::Connector => &CONNECTOR_PREFIXES[..],
                    Space::Vendor | Space::Own => &VENDOR_PREFIXES[..],
                };
                let own = usize::from(who == Who::Stranger);
                let cloud_id = match self.random.below(20) {
                    0 => CLOUD_IDS[1 - own].to_owned(),
                    1 => texts::odd(&self.random),
                    2 => CLOUD_IDS[own].to_uppercase(),
                    _ => CLOUD_IDS[own].to_owned(),
                };
                self.random
                    .pick(prefixes)
                    .replace("{cloudId}", &encoded(&cloud_id))
            }
        };
        let mut params = Vec::new();
        let mut uri = prefix;
        for segment in route.path.split('/').skip(1) {
            uri.push('/');
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => {
                    let value = self.parameter(name);
                    uri.push_str(&encoded(&value));
                    params.push((name, value));
                }
                None => uri.push_str(segment),
            }
        }
        let mut separator = '?';
        for parameter in &route.query {
            if self.random.chance(if parameter.required { 0.99 } else { 0.5 }) {
                let times = if self.random.chance(0.01) { 2 } else { 1 };
                for _ in 0..times {
                    let value = self.parameter(parameter.name);
                    uri.push_str(&format!("{separator}{}={}", parameter.name, encoded(&value)));
                    separator = '&';
                }
            }
        }
        let mut asked = self.ask(who, method(route), uri);
        (asked.operation, asked.params) = (Some((method(route), route.path)), params);
        if route.body.is_some() {
            let body = self.body(route.path);
            asked.body = Some(self.written(body));
            let content_type = if self.random.chance(0.99) {
                "application/json"
            } else {
                "text/plain"
            };
            asked.headers.push(("content-type", content_type.to_owned()));
        }
        if route.keyed && self.random.chance(0.99) {
            self.keys += 1;
            let key = match self.random.below(20) {
                0 => format!("key {}", self.keys),
                1 => "the same".to_owned(),
                _ => format!("key-{}", self.keys),
            };
            asked.headers.push(("idempotency-key", key));
            self.keyed.push(asked.clone());
            if self.keyed.len() > KNOWN_MAX {
                self.keyed.remove(0);
            }
        }
        asked
    }

    /// A value for a parameter of a path or a query.
    fn parameter(&self, name: &'static str) -> String {
        let one_of = |words: &[&str]| (*self.random.pick(words)).to_owned();
        match name {
            "organizationId" | "customerId" | "productId" | "entitlementId" | "taskId" => self.id(name),
            "product" => self.id("productId"),
            "fieldName" => self.field_name(),
            "limit" => one_of(&[
                "1",
                "2",
                "3",
                "10",
                "100",
                "101",
                "0",
                "-1",
                "",
                "x",
                "1e2",
                "99999999999999999999",
            ]),
            "cursor" => self.id("cursor"),
            "status" => one_of(&["NOT_STARTED", "IN_PROGRESS", "FINISHED", "FAILED", "finished", ""]),
            "outcome" => one_of(&["created", "updated", "unchanged", "failed", "Failed"]),
            "hasFailures" => one_of(&["true", "false", "1"]),
            // Of operations that are not offered.
            "helpCenterId" | "issueIdOrKey" => "1".to_owned(),
            other => panic!("requests.rs must say what the parameter {other:?} may be"),
        }
    }
}

/// Percent-encoded, all but what never needs it.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
