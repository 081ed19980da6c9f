//! The next request, made from the route table: whatever is offered is asked for. What a parameter of a
//! path or a query may be says [`Requests::parameter`], what a body holds [`crate::bodies`], and what an
//! answer teaches [`crate::known`]; a new operation may need a line in each, and panics where it does.

use std::collections::BTreeMap;

use guildhall_http::routes::{CONNECTOR_PREFIXES, OWN_PREFIX, Route, Space, VENDOR_PREFIXES, routes};
use guildhall_testkit::SeededRandom;
use serde_json::Value;

use crate::Token;
use crate::connectors;
use crate::side::CLOUD_IDS;
use crate::texts;

/// Ids of one kind that are kept in mind; with more, the oldest thing is deleted.
pub const KNOWN_MAX: usize = 24;
/// The same for connections: each has its own objects, which shall be found again.
const CONNECTIONS_MAX: usize = 4;

/// The first prefix of a route, its method and its path: no two have the same.
pub type Operation = (&'static str, &'static str, &'static str);

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
    /// The route; none when it is asked for none.
    pub operation: Option<Operation>,
    pub who: Who,
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
    /// The field that the next value is set of, and the values.
    pub chosen: (String, Vec<String>),
    /// Objects of connectors that were accepted: connection, type and id.
    pub objects: Vec<[String; 3]>,
    /// How many requests of connectors had a body.
    pub pushes: u64,
    /// An organization and a customer of it.
    pub members: Vec<[String; 2]>,
    /// Requests to be repeated: those with a key, and some of connectors.
    again: Vec<Asked>,
    /// Requests for the pages after those that were seen.
    pub pages: Vec<Asked>,
    keys: u64,
}

/// What a route is counted by.
pub fn operation(route: &Route) -> Operation {
    (route.space.prefixes()[0], method(route), route.path)
}

/// The name of a route's method.
pub fn method(route: &Route) -> &'static str {
    ["GET", "POST", "PUT", "PATCH", "DELETE"]
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
            chosen: Default::default(),
            objects: Vec::new(),
            pushes: 0,
            members: Vec::new(),
            again: Vec::new(),
            pages: Vec::new(),
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
        if self.random.chance(0.02) && !self.again.is_empty() {
            return self.random.pick(&self.again).clone();
        }
        if self.random.chance(0.04) && !self.pages.is_empty() {
            let place = self.random.below(self.pages.len() as u64) as usize;
            return self.pages.remove(place);
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
                (true, "DELETE") if route.path.starts_with("/connections") => 0.04,
                (true, "DELETE") if route.path.ends_with("{fieldName}") => 0.1,
                (true, "DELETE") => 0.3,
                _ if route.path.contains("details/{fieldName}") => 0.3,
                (true, "POST") if route.path.contains("delete") => 0.3,
                (true, "POST") if route.path == "/connections" => 0.1,
                _ if route.path.starts_with("/objects") => 1.0,
                _ => 0.6,
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
        let most = |parameter: &str| match parameter {
            "taskId" | "cursor" => usize::MAX,
            "connectionId" => CONNECTIONS_MAX,
            _ => KNOWN_MAX,
        };
        let (parameter, id) = self
            .known
            .iter()
            .find(|(parameter, ids)| ids.len() > most(parameter))
            .map(|(parameter, ids)| {
                // The first connection is the one with most objects.
                let place = usize::from(*parameter == "connectionId");
                (*parameter, ids[place].clone())
            })?;
        let of_parameter = format!("/{{{parameter}}}");
        let deletes = |route: &&Route| {
            let path = route.path;
            method(route) == "DELETE"
                && route.offered()
                && path.ends_with(&of_parameter)
                && path.matches('{').count() == 1
        };
        let routes: Vec<&Route> = self.routes.iter().filter(deletes).collect();
        assert!(!routes.is_empty(), "nothing deletes by {parameter}");
        let route = *self.random.pick(&routes);
        let prefix = match route.space {
            Space::Own => OWN_PREFIX,
            Space::Vendor | Space::Connector => "/api/v1",
        };
        let uri = format!(
            "{prefix}{}",
            route.path.replace(&of_parameter, &format!("/{}", encoded(&id)))
        );
        let operation = Some(operation(route));
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
            who,
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
                let cloud_id = match self.random.below(40) {
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
        if route.path.ends_with("Id}/details") {
            let kind = route.path.split('/').nth(1).unwrap_or_default();
            self.chosen = self.value(&format!("/{kind}/details"));
        }
        let things = self.things(route);
        let value_of = |name: &'static str| {
            let thing = things.iter().find(|(of, _)| *of == name);
            thing.map_or_else(|| self.parameter(name, route.path), |(_, id)| id.clone())
        };
        let mut params = Vec::new();
        let mut uri = prefix;
        for segment in route.path.split('/').skip(1) {
            uri.push('/');
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => {
                    let value = value_of(name);
                    uri.push_str(&encoded(&value));
                    params.push((name, value));
                }
                None => uri.push_str(segment),
            }
        }
        let mut separator = '?';
        for parameter in &route.query {
            let share = match parameter.name {
                _ if parameter.required => 0.99,
                "connectionId" => 0.93,
                "organization" | "customer" | "namePrefix" | "emailPrefix" => 0.15,
                "product" if route.space == Space::Own => 0.15,
                _ => 0.5,
            };
            if self.random.chance(share) {
                let times = if self.random.chance(0.01) { 2 } else { 1 };
                for _ in 0..times {
                    let (name, value) = match parameter.name {
                        "detail.{fieldName}.{operator}" => {
                            let kind = route.path.trim_end_matches('s');
                            self.comparison(&format!("{kind}/details"))
                        }
                        name => (name.to_owned(), value_of(name)),
                    };
                    uri.push_str(&format!("{separator}{}={}", encoded(&name), encoded(&value)));
                    separator = '&';
                }
            }
        }
        let mut asked = self.ask(who, method(route), uri);
        (asked.operation, asked.params) = (Some(operation(route)), params);
        if route.body.is_some() {
            let body = self.body(route);
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
            let key = match self.random.below(40) {
                0 => format!("key {}", self.keys),
                1 => "the same".to_owned(),
                _ => format!("key-{}", self.keys),
            };
            asked.headers.push(("idempotency-key", key));
        }
        if route.keyed || (route.space == Space::Connector && self.random.chance(0.2)) {
            self.again.push(asked.clone());
            if self.again.len() > KNOWN_MAX {
                self.again.remove(0);
            }
        }
        asked
    }

    /// Values of parameters that belong together, mostly, where there is something that has several.
    fn things(&self, route: &Route) -> Vec<(&'static str, String)> {
        if self.random.chance(0.4) {
            return Vec::new();
        }
        if route.path.contains("/customers/") && !self.members.is_empty() {
            let [organization, customer] = self.random.pick(&self.members).clone();
            return vec![("organizationId", organization), ("customerId", customer)];
        }
        let is_of_object = route
            .query
            .iter()
            .any(|parameter| parameter.name == "objectType" && parameter.required);
        if is_of_object && !self.objects.is_empty() {
            let [connection, object_type, id] = self.random.pick(&self.objects).clone();
            return vec![
                ("connectionId", connection),
                ("objectType", object_type),
                ("externalId", id),
            ];
        }
        Vec::new()
    }

    /// A value for a parameter of a path or a query.
    fn parameter(&self, name: &'static str, path: &str) -> String {
        let random = &self.random;
        let one_of = |words: &[&str]| (*random.pick(words)).to_owned();
        match name {
            // Few connections are deleted, so most of those that are named are none.
            "connectionId" if path.starts_with("/connections") && random.chance(0.8) => self.id("productId"),
            "organizationId" | "customerId" | "productId" | "entitlementId" | "taskId" | "connectionId" => {
                self.id(name)
            }
            "organization" => self.id("organizationId"),
            "customer" => self.id("customerId"),
            "product" => self.id("productId"),
            "entityId" if random.chance(0.5) => self.id("organizationId"),
            "entityId" => self.id("customerId"),
            "entityType" => one_of(&["ORGANIZATION", "CUSTOMER", "CUSTOMER", "customer"]),
            "namePrefix" => {
                let most = random.below(4) as usize;
                texts::name(random).chars().take(most).collect()
            }
            "emailPrefix" => {
                let most = random.below(6) as usize;
                texts::email(random).chars().take(most).collect()
            }
            "sort" => one_of(&[
                "id",
                "-id",
                "name",
                "-name",
                "email",
                "-email",
                "updatedAt",
                "-updatedAt",
                "Name",
            ]),
            "count" | "dryRun" => one_of(&["true", "true", "true", "false", "false", "1"]),
            "start" => one_of(&["0", "0", "1", "2", "25", "-1", "x", "9223372036854775807"]),
            "page" => one_of(&["0", "0", "0", "1", "2", "-1", "x", "9223372036854775807"]),
            "maxResults" => one_of(&["1", "2", "50", "100", "101", "0", "x"]),
            "depth" => one_of(&["0", "1", "2", "3", "32", "33", "-1", "x"]),
            "expand" => one_of(&["accessibleCustomerExperiences", "x", ""]),
            "objectType" => connectors::object_type(random),
            "externalId" => match path {
                "/users" => connectors::user_id(random),
                "/groups" => connectors::group_id(random),
                _ => connectors::object_id(random),
            },
            "fieldName" if path.ends_with("Id}/details") && random.chance(0.9) => self.chosen.0.clone(),
            "fieldName" => self.field_name(path),
            "limit" if random.chance(0.6) => one_of(&["1", "2", "3", "10", "100"]),
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
pub fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
