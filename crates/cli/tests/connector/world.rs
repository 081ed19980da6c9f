//! A world for a test: the real binary on a database of its own, a tenant with a connection, and clients
//! that speak as a connector or as a person.

use std::path::Path;

use guildhall_testkit::{Client, Home, Request, Response, Server, ServerOptions, server};
use serde_json::{Value, json};

/// Where the operations of connectors are.
pub const BASE: &str = "/teamwork-graph/v1";
/// The type that most tests speak of.
pub const CUSTOMER_ORG: &str = "atlassian:customer-org";

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_guildhall"))
}

/// A running server with its database. Dropping it ends both.
pub struct World {
    // Before the database, so that it ends first.
    pub server: Server,
    options: ServerOptions,
    _home: Home,
}

impl World {
    /// A server without tenants, started with these arguments.
    pub fn new(args: &[&str]) -> Self {
        let home = Home::new(binary());
        let options = args.iter().fold(home.options(), |options, arg| options.arg(*arg));
        let server = Server::start(binary(), &options).unwrap_or_else(|error| panic!("{error}"));
        Self {
            server,
            options,
            _home: home,
        }
    }

    /// What a command on the world's database printed; it must succeed.
    fn data(&self, args: &[&str]) -> String {
        let database = ["--database", self.options.database_url()];
        let output = server::run(binary(), &[args, &database].concat(), &[]);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// A new tenant with one connection.
    pub fn tenant(&self) -> Tenant<'_> {
        let cloud_id = self.data(&["tenant", "create", "--name", "test"]);
        let create = ["connection", "create", "--tenant", &cloud_id, "--name", "crm"];
        let connection_id = self.data(&create);
        Tenant {
            world: self,
            cloud_id,
            connection_id,
        }
    }
}

/// A tenant with its connection.
pub struct Tenant<'w> {
    world: &'w World,
    pub cloud_id: String,
    pub connection_id: String,
}

impl Tenant<'_> {
    /// Another connection's id.
    pub fn connection(&self) -> String {
        self.world.data(&[
            "connection",
            "create",
            "--tenant",
            &self.cloud_id,
            "--name",
            "other",
        ])
    }

    /// Somebody with an administrator's token: what a connector is.
    pub fn connector(&self) -> Caller {
        self.caller(&["--role", "admin"])
    }

    /// A person with this account.
    pub fn person(&self, account: &str) -> Caller {
        self.caller(&["--role", "user", "--account", account])
    }

    fn caller(&self, args: &[&str]) -> Caller {
        let create = ["token", "create", "--tenant", &self.cloud_id, "--name", "test"];
        Caller {
            token: self.world.data(&[&create, args].concat()),
            client: self.world.server.client(),
        }
    }
}

/// Somebody with a token.
pub struct Caller {
    pub token: String,
    client: Client,
}

impl Caller {
    /// The same, with a connection of its own: for threads.
    pub fn again(&self, world: &World) -> Self {
        Self {
            token: self.token.clone(),
            client: world.server.client(),
        }
    }

    pub fn send(&self, request: Request) -> Response {
        let request = request.bearer(&self.token);
        self.client
            .send(&request)
            .unwrap_or_else(|error| panic!("{request:?}: {error}"))
    }

    /// `path` follows the base.
    pub fn get(&self, path: &str) -> Response {
        self.send(Request::get(format!("{BASE}{path}")))
    }

    pub fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Request::post(format!("{BASE}{path}")).json(body))
    }

    /// Posts what must succeed.
    #[track_caller]
    pub fn does(&self, path: &str, body: &Value) -> Value {
        let body = self.post(path, body).ok();
        assert_eq!(body["success"], true, "{body}");
        body
    }

    /// Sets objects, each of which must be accepted.
    #[track_caller]
    pub fn set(&self, objects: &[Value]) {
        let body = self.does("/objects/bulk", &json!({ "objects": objects }));
        assert_eq!(
            body["results"]["accepted"].as_array().map(Vec::len),
            Some(objects.len()),
            "{body}"
        );
    }

    /// The answer to a read of an object.
    pub fn object(&self, object_type: &str, id: &str) -> Response {
        let (object_type, id) = (escape(object_type), escape(id));
        self.get(&format!("/objects?objectType={object_type}&externalId={id}"))
    }

    /// All objects that the person may see, of all pages.
    pub fn visible(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/objects/visible?limit=7{cursor}")).ok();
            all.extend(page["objects"].as_array().unwrap().iter().cloned());
            match page["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={}", escape(next)),
                None => return all,
            }
        }
    }
}

/// Short words for what tests ask of an answer.
pub trait Expect {
    /// 200; its JSON.
    fn ok(&self) -> Value;
    /// This status and the error body of connectors; its text.
    fn refused(&self, status: u16) -> String;
}

impl Expect for Response {
    #[track_caller]
    fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        self.json()
    }

    #[track_caller]
    fn refused(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.text());
        let body = self.json();
        assert_eq!(body["success"], false, "{body}");
        let error = body["error"].as_str().unwrap_or_default();
        assert!(!error.is_empty(), "{body}");
        error.to_owned()
    }
}

/// A value of a query, percent-encoded wherever a client could.
pub fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match plain(byte) {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        })
        .collect()
}

/// A customer-org that is right and that everyone may see.
pub fn customer_org(id: &str, sequence: i64) -> Value {
    json!({
        "id": id,
        "updateSequenceNumber": sequence,
        "displayName": id,
        "url": "https://example.com/org",
        "createdAt": "2024-01-01T00:00:00Z",
        "lastUpdatedAt": "2024-01-02T00:00:00Z",
        "permissions": [{ "accessControls": [{ "principals": [{ "type": "EVERYONE" }] }] }],
        CUSTOMER_ORG: {},
    })
}
