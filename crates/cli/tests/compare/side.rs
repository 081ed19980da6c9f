//! One of the two sides of the comparison.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use guildhall_domain::connector::EqualSequence;
use guildhall_domain::{Role, Scope, TenantId, Timestamp};
use guildhall_http::shell::{Answer as _, RequestBody};
use guildhall_http::{Api, ApiSettings};
use guildhall_service::worker::{Step, Worker};
use guildhall_service::{ChunkSize, Lifetime, NewToken, Service, Settings};
use guildhall_storage::{CopiedTable, Location, OnFatal, PENDING_ENTRIES, Store};
use guildhall_testkit::{ManualClock, SeededRandom};
use http_body_util::BodyExt as _;

use crate::Token;
use crate::connectors::ACCOUNTS;
use crate::requests::{Asked, Who};

/// When the world begins.
pub const START: Timestamp = Timestamp(1_767_225_600_000);
/// The cloudIds of the two tenants.
pub const CLOUD_IDS: [&str; 2] = [
    "11111111-2222-4333-8444-555555555555",
    "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee",
];

/// An answer, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// A database with two servers on it, which share nothing else, and the worker of the first.
pub struct Side {
    store: Store,
    services: [Arc<Service>; 2],
    apis: [Api; 2],
    worker: Worker,
    tenants: Vec<TenantId>,
    /// Whether pages of lists end early, and so after how many entries of the index of values were looked at: on SQLite those
    /// that are no more count until they have been brought in.
    ends_early: bool,
}

impl Side {
    pub async fn open(location: Location, clock: &ManualClock, seed: u64) -> Self {
        let on_fatal: OnFatal = Arc::new(|why| panic!("the disk failed: {why}"));
        let settings = guildhall_storage::Settings {
            location,
            create: true,
            serve: true,
            now_ms: START.0,
            on_fatal,
            pending_entries: PENDING_ENTRIES,
        };
        let store = Store::open(&settings).await.unwrap();
        let services = [1, 2].map(|server| {
            let random = Arc::new(SeededRandom::new(seed << 8 | server));
            let clock = Arc::new(clock.clone());
            Arc::new(Service::new(store.clone(), clock, random, served(seed)))
        });
        let apis = [0, 1].map(|server: usize| {
            let service = Arc::clone(&services[server]);
            Api::new(service, ApiSettings::default()).unwrap()
        });
        let worker = Worker::new(Arc::clone(&services[0]));
        Self {
            store,
            services,
            apis,
            worker,
            tenants: Vec::new(),
            ends_early: served(seed).list_rows_max < Settings::default().list_rows_max,
        }
    }

    /// The two tenants and their tokens.
    pub async fn begin(&mut self) -> Vec<Token> {
        for cloud_id in CLOUD_IDS {
            let made = self.services[0].create_tenant("Tenant", Some(cloud_id)).await;
            self.tenants.push(made.unwrap().id);
        }
        self.tokens(None).await
    }

    /// Fresh tokens for everybody; the user's stands for a customer, where there is one.
    pub async fn tokens(&self, customer: Option<&str>) -> Vec<Token> {
        let mut tokens = Vec::new();
        for who in Who::ALL {
            let (tenant, role, scopes) = match who {
                Who::Admin | Who::Leaver => (0, Role::Admin, None),
                Who::Agent => (0, Role::Agent, None),
                Who::User => (0, Role::User, None),
                Who::Narrow => (
                    0,
                    Role::Admin,
                    Some(vec![Scope::ReadTask, Scope::ReadOrganization]),
                ),
                Who::Stranger => (1, Role::Admin, None),
                Who::Nobody => continue,
            };
            let account = match who {
                Who::Admin | Who::Stranger => Some(ACCOUNTS[0]),
                Who::Leaver => Some(ACCOUNTS[1]),
                Who::User => customer.or(Some(ACCOUNTS[1])),
                Who::Agent | Who::Narrow | Who::Nobody => None,
            };
            let new = NewToken {
                name: format!("{who:?}"),
                role,
                scopes,
                account: account.map(str::to_owned),
                lifetime: Lifetime::default(),
            };
            let made = self.services[0].create_token(self.tenants[tenant], new).await;
            let (id, secret) = made.unwrap();
            tokens.push(Token { who, id, secret });
        }
        tokens
    }

    /// Asks one of the servers.
    pub async fn answer(&self, asked: &Asked) -> Answered {
        if self.ends_early {
            self.store.settle().await.unwrap();
        }
        let body = asked.body.clone().unwrap_or_default();
        let mut request = http::Request::builder().method(asked.method).uri(&asked.uri);
        for (name, value) in &asked.headers {
            request = request.header(*name, value);
        }
        let request = request.body(RequestBody::from(Bytes::from(body))).unwrap();
        let answer = self.apis[asked.server].answer(request).await;
        let (head, body) = answer.into_parts();
        let headers = head.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.to_string(), value)
        });
        Answered {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap(),
        }
    }

    /// Some steps of the worker, and what they did.
    pub async fn work(&mut self, steps: u64) -> Vec<Step> {
        let mut done = Vec::new();
        for _ in 0..steps {
            done.push(self.worker.step().await.unwrap());
        }
        done
    }

    pub async fn restart_worker(&mut self) {
        self.worker.park().await.unwrap();
        self.worker = Worker::new(Arc::clone(&self.services[0]));
    }

    /// On SQLite the sweep of a field may first bring entries in, a piece with each try: that is done before here.
    pub async fn sweep(&self) -> bool {
        self.store.settle().await.unwrap();
        self.services[1].sweep_once().await.unwrap()
    }

    pub async fn purge(&self) -> bool {
        self.services[1].purge_tasks_once().await.unwrap()
    }

    pub async fn purge_tombstones(&self) -> bool {
        self.services[1].purge_tombstones_once().await.unwrap()
    }

    pub async fn record_token_use(&self) {
        for service in &self.services {
            service.record_token_use().await.unwrap();
        }
    }

    /// What the commands for tenants and tokens answer.
    pub async fn administer(&self, token_id: &str) -> Vec<String> {
        let service = &self.services[1];
        let tenant = self.tenants[0];
        vec![
            said(&service.tenants().await),
            said(&service.tenant(&CLOUD_IDS[0].to_uppercase()).await),
            said(&service.tenant(token_id).await),
            said(&service.create_tenant("Again", Some(CLOUD_IDS[1])).await),
            said(&service.create_tenant(" ", None).await),
            said(&service.revoke_token(tenant, token_id).await),
            said(&service.tokens(tenant).await),
            said(&service.probe().await),
        ]
    }

    /// Brings everything to its end.
    pub async fn tidy(&mut self) {
        while self.worker.step().await.unwrap() == Step::Worked {}
        while self.sweep().await {}
        self.record_token_use().await;
    }

    /// The number and the digest of the rows of each table.
    pub async fn rows(&self) -> Vec<(&'static str, u64, String)> {
        let tables = self.store.digests().await.unwrap().into_iter();
        let plain = |table: CopiedTable| (table.name, table.rows, table.digest);
        tables.map(plain).collect()
    }
}

/// Every second world replaces what has the same number, and its pages of lists and chunks of tasks end early.
fn served(seed: u64) -> Settings {
    if seed % 2 == 1 {
        return Settings::default();
    }
    Settings {
        equal_sequence: EqualSequence::Replace,
        list_rows_max: 5,
        chunk: Some(ChunkSize { items: 3, weight: 20 }),
        ..Settings::default()
    }
}

fn said(result: &impl Debug) -> String {
    format!("{result:?}")
}
