//! Lists against a model that knows all rows: random filters and orders give what a naive look at every
//! row gives, and a walk among random inserts, deletes and changes sees each row that stood still once.
//! Some services look at few rows a page, so that pages end early and every way to find rows is taken.
//! Long, because the model and all that is held against it read as one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use guildhall_domain::field::EntityKind;
use guildhall_domain::list::{ListKind, ListQuery, Listable};
use guildhall_domain::{Rejection, SubjectKind, Thing};
use guildhall_service::{
    CustomerPatch, Error, FieldValues, ListPage, NewAccount, NewProfile, NewSubject, OrganizationPatch,
    Removal, Service, Settings, Target, Total,
};
use guildhall_testkit::SeededRandom;

use super::world::{World, assert_invalid, assert_not_found, stranger, texts};

type Pairs = Vec<(String, String)>;

fn pairs(given: &[(&str, &str)]) -> Pairs {
    given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn query(kind: ListKind, given: &Pairs) -> ListQuery {
    ListQuery::parse(kind, given).unwrap_or_else(|refusal| panic!("{given:?}: {refusal}"))
}

/// A service that looks at so many rows a page.
fn looking_at(world: &World, list_rows_max: usize) -> Service {
    let settings = Settings {
        list_rows_max,
        ..Settings::default()
    };
    Service::new(
        world.store.clone(),
        Arc::new(world.clock.clone()),
        Arc::new(SeededRandom::new(77)),
        settings,
    )
}

/// A row as the model knows it: all that a filter can ask, in plain Rust values.
#[derive(Clone, Debug, Default)]
struct Row {
    id: String,
    name: String,
    email: String,
    size: Option<f64>,
    region: Option<&'static str>,
    note: Option<String>,
    tags: Vec<&'static str>,
    day: Option<String>,
    vip: Option<bool>,
    /// Ids of what it is linked to.
    links: BTreeSet<String>,
    updated: u64,
    order: usize,
}

const REGIONS: [&str; 3] = ["EU", "US", "Straße"];
const NOTES: [&str; 6] = ["Alpha", "alpha", "Alphabet", "beta one", "BETA", "x, y"];
const NAMES: [&str; 8] = ["Acme", "ACE", "Ärger", "arge", "Straße", "STRAND", "Zoo", "b"];
const KINDS: [ListKind; 4] = [
    ListKind::Organizations,
    ListKind::Customers,
    ListKind::Products,
    ListKind::Entitlements,
];

/// A world full of things, and what the model knows of them.
struct Run {
    world: World,
    random: SeededRandom,
    rows: BTreeMap<&'static str, Vec<Row>>,
    made: usize,
    tick: u64,
}

impl Run {
    async fn new(seed: u64) -> Self {
        let world = World::new().await;
        for kind in [
            EntityKind::Organization,
            EntityKind::Customer,
            EntityKind::Entitlement,
        ] {
            for (name, type_name, options) in [
                ("Size", "NUMBER", &[][..]),
                ("Region", "SELECT", &REGIONS),
                ("Note.x", "TEXT", &[]),
                ("Tags", "MULTISELECT", &REGIONS),
                ("Day", "DATE", &[]),
                ("Vip", "BOOLEAN", &[]),
            ] {
                world.field(kind, name, type_name, options).await;
            }
        }
        Self {
            world,
            random: SeededRandom::new(seed),
            rows: KINDS.iter().map(|kind| (kind.name(), Vec::new())).collect(),
            made: 0,
            tick: 0,
        }
    }

    fn of(&self, kind: ListKind) -> &[Row] {
        &self.rows[kind.name()]
    }

    fn pick(&self, kind: ListKind) -> Option<Row> {
        match self.of(kind) {
            [] => None,
            rows => Some(self.random.pick(rows).clone()),
        }
    }

    /// The clock often stands still, so that many rows have one time.
    fn tick(&mut self) -> u64 {
        if self.random.below(3) == 0 {
            self.world.clock.advance(Duration::from_millis(500));
            self.tick += 1;
        }
        self.tick
    }

    /// Random values of all fields: what is sent, and what the model keeps.
    fn values(&self, row: &mut Row) -> Vec<FieldValues> {
        let random = &self.random;
        let some = || random.below(3) > 0;
        row.size = some().then(|| random.below(7) as f64 - 3.0 + random.below(2) as f64 * 0.5);
        row.region = some().then(|| *random.pick(&REGIONS));
        row.note = some().then(|| (*random.pick(&NOTES)).to_owned());
        row.tags = REGIONS.into_iter().filter(|_| random.below(2) == 0).collect();
        row.day = some().then(|| format!("2026-0{}-1{}", 1 + random.below(3), random.below(3)));
        row.vip = some().then(|| random.below(2) == 0);
        let one = |name: &str, value: Option<String>| FieldValues {
            name: name.to_owned(),
            values: value.into_iter().collect(),
        };
        // The same number is written in several ways.
        let written = |size: f64| match random.below(3) {
            0 => format!("{size:.3}"),
            1 if size >= 0.0 => format!("+0{size}"),
            _ => size.to_string(),
        };
        vec![
            one("size", row.size.map(written)),
            one("Region", row.region.map(str::to_owned)),
            one("Note.x", row.note.clone()),
            FieldValues {
                name: "Tags".into(),
                values: row.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            },
            one("Day", row.day.clone()),
            one("Vip", row.vip.map(|vip| vip.to_string())),
        ]
    }

    async fn insert(&mut self, kind: ListKind) {
        self.made += 1;
        let mut row = Row {
            name: format!("{}{}", self.random.pick(&NAMES), self.made),
            updated: self.tick(),
            order: self.made,
            ..Row::default()
        };
        let details = self.values(&mut row);
        let (service, caller) = (&self.world.service, &self.world.caller);
        match kind {
            ListKind::Organizations => {
                let customers: Vec<Row> = (0..self.random.below(3))
                    .filter_map(|_| self.pick(ListKind::Customers))
                    .collect();
                let new = NewProfile {
                    subject: NewSubject::Organization(row.name.clone()),
                    details,
                    associated_ids: customers.iter().map(|customer| customer.id.clone()).collect(),
                    product_ids: Vec::new(),
                };
                let made = service.create_profile(caller, new).await.unwrap();
                row.id = made.subject.id();
                for customer in customers {
                    row.links.insert(customer.id.clone());
                    self.link(ListKind::Customers, &customer.id, &row.id);
                }
            }
            ListKind::Customers => {
                row.email = format!(
                    "{}{}@example.com",
                    self.random.pick(&["Ann", "bob", "ANNA"]),
                    self.made
                );
                let new = NewAccount {
                    email: row.email.clone(),
                    display_name: Some(row.name.clone()),
                };
                row.id = service.create_account(&self.world.who, new).await.unwrap().id;
                let patch = CustomerPatch {
                    details: Some(details),
                    ..CustomerPatch::default()
                };
                service.patch_customer(caller, &row.id, patch).await.unwrap();
            }
            ListKind::Products => {
                // Names of products may repeat.
                row.name = (*self.random.pick(&NAMES)).to_owned();
                row.id = service.create_product(caller, &row.name).await.unwrap().id;
                row = Row {
                    size: None,
                    region: None,
                    note: None,
                    tags: Vec::new(),
                    day: None,
                    vip: None,
                    ..row
                };
            }
            ListKind::Entitlements => {
                let owner_kind = *self.random.pick(&[ListKind::Organizations, ListKind::Customers]);
                let (Some(owner), Some(product)) = (self.pick(owner_kind), self.pick(ListKind::Products))
                else {
                    return;
                };
                let target = match owner_kind {
                    ListKind::Organizations => Target::Organization(owner.id.clone()),
                    _ => Target::Customer(owner.id.clone()),
                };
                let made = service
                    .create_entitlement(caller, target, product.id.clone())
                    .await
                    .unwrap();
                row.id = made.entitlement.id;
                row.links = [owner.id.clone(), product.id.clone()].into();
                service
                    .patch_entitlement(caller, &row.id, Some(details))
                    .await
                    .unwrap();
                self.link(owner_kind, &owner.id, &product.id);
                self.link(ListKind::Products, &product.id, &owner.id);
            }
        }
        self.rows.get_mut(kind.name()).unwrap().push(row);
    }

    fn link(&mut self, kind: ListKind, id: &str, to: &str) {
        let rows = self.rows.get_mut(kind.name()).unwrap().iter_mut();
        let row = rows.into_iter().find(|row| row.id == id).unwrap();
        row.links.insert(to.to_owned());
    }

    /// Changes a row's name or its values.
    async fn change(&mut self, kind: ListKind, id: &str) {
        let updated = self.tick();
        self.made += 1;
        let name = format!("{}{}", self.random.pick(&NAMES), self.made);
        let mut row = self.of(kind).iter().find(|row| row.id == id).unwrap().clone();
        let rename = self.random.below(2) == 0 && kind != ListKind::Entitlements;
        let (service, caller) = (&self.world.service, &self.world.caller);
        let details = match rename || kind == ListKind::Products {
            true => None,
            false => {
                let before = format!("{row:?}");
                let details = self.values(&mut row);
                // What is as it was is no change.
                row.updated = if format!("{row:?}") == before {
                    row.updated
                } else {
                    updated
                };
                Some(details)
            }
        };
        if details.is_none() {
            (row.name, row.updated) = (name.clone(), updated);
        }
        let shown = details.is_none().then_some(name);
        match kind {
            ListKind::Organizations => {
                let patch = OrganizationPatch { name: shown, details };
                service.patch_organization(caller, id, patch).await.unwrap();
            }
            ListKind::Customers => {
                let patch = CustomerPatch {
                    display_name: shown,
                    email: None,
                    details,
                };
                service.patch_customer(caller, id, patch).await.unwrap();
            }
            ListKind::Products => {
                service.patch_product(caller, id, shown.as_deref()).await.unwrap();
            }
            ListKind::Entitlements => {
                service.patch_entitlement(caller, id, details).await.unwrap();
            }
        }
        let rows = self.rows.get_mut(kind.name()).unwrap();
        *rows.iter_mut().find(|row| row.id == id).unwrap() = row;
    }

    async fn delete(&mut self, kind: ListKind, id: &str) {
        let (service, caller) = (&self.world.service, &self.world.caller);
        match kind {
            ListKind::Organizations => service.delete_organization(caller, id).await.unwrap(),
            ListKind::Customers => service.delete_account(caller, id).await.unwrap(),
            ListKind::Products => service.delete_product(caller, id).await.unwrap(),
            ListKind::Entitlements => service.delete_entitlement(caller, id).await.unwrap(),
        }
        for (of, rows) in &mut self.rows {
            rows.retain(|row| row.id != id && !(*of == "entitlements" && row.links.contains(id)));
        }
        // What rows are linked to follows from memberships and entitlements: it is told anew.
        let entitlements = self.rows["entitlements"].clone();
        let entitled = |one: &str, other: &str| {
            entitlements
                .iter()
                .any(|e| e.links.contains(one) && e.links.contains(other))
        };
        let products: BTreeSet<String> = self
            .of(ListKind::Products)
            .iter()
            .map(|row| row.id.clone())
            .collect();
        for (of, rows) in &mut self.rows {
            for row in rows.iter_mut().filter(|_| *of != "entitlements") {
                let own = row.id.clone();
                row.links.retain(|to| {
                    let by_entitlement = *of == "products" || products.contains(to);
                    to != id && (!by_entitlement || entitled(&own, to))
                });
            }
        }
    }

    /// A random filter: how it is asked, and what it means.
    fn filter(&self, kind: ListKind) -> ((String, String), Meaning) {
        let random = &self.random;
        let region = *random.pick(&REGIONS);
        let size = random.below(7) as f64 - 3.0;
        let day = format!("2026-0{}-1{}", 1 + random.below(3), random.below(3));
        let asked = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let fields = 18;
        let first = if kind == ListKind::Products { fields } else { 0 };
        let last = match kind {
            ListKind::Customers => fields + 3,
            ListKind::Entitlements => fields + 1,
            _ => fields + 2,
        };
        match first + random.below(last - first) {
            0 => (
                asked("detail.Size.eq", &format!("{size:.1}")),
                Box::new(move |row| row.size == Some(size)),
            ),
            1 => (
                asked("detail.SIZE.ne", &size.to_string()),
                Box::new(move |row| row.size != Some(size)),
            ),
            2 => (
                asked("detail.Size.lt", &size.to_string()),
                Box::new(move |row| row.size.is_some_and(|s| s < size)),
            ),
            3 => (
                asked("detail.Size.lte", &size.to_string()),
                Box::new(move |row| row.size.is_some_and(|s| s <= size)),
            ),
            4 => (
                asked("detail.Size.gt", &size.to_string()),
                Box::new(move |row| row.size.is_some_and(|s| s > size)),
            ),
            5 => (
                asked("detail.Size.gte", &size.to_string()),
                Box::new(move |row| row.size.is_some_and(|s| s >= size)),
            ),
            6 => (
                asked("detail.Region.eq", region),
                Box::new(move |row| row.region == Some(region)),
            ),
            7 => (
                asked("detail.Region.ne", region),
                Box::new(move |row| row.region != Some(region)),
            ),
            8 => {
                let other = *random.pick(&REGIONS);
                let value = format!("[{region:?}, {other:?}]");
                (
                    asked("detail.Region.in", &value),
                    Box::new(move |row| row.region.is_some_and(|r| [region, other].contains(&r))),
                )
            }
            9 => (
                asked("detail.Note.x.eq", "ALPHA"),
                Box::new(|row| row.note.as_deref().is_some_and(|n| n.to_lowercase() == "alpha")),
            ),
            10 => (
                asked("detail.Note.x.prefix", "Alpha"),
                Box::new(|row| {
                    row.note
                        .as_deref()
                        .is_some_and(|n| n.to_lowercase().starts_with("alpha"))
                }),
            ),
            11 => (
                asked("detail.Note.x.prefix", "beta "),
                Box::new(|row| row.note.as_deref() == Some("beta one")),
            ),
            12 => (
                asked("detail.Tags.has", region),
                Box::new(move |row| row.tags.contains(&region)),
            ),
            13 => (
                asked("detail.Day.gte", &day.clone()),
                Box::new(move |row| row.day.as_ref().is_some_and(|d| *d >= day)),
            ),
            14 => (
                asked("detail.Day.lt", &day.clone()),
                Box::new(move |row| row.day.as_ref().is_some_and(|d| *d < day)),
            ),
            15 => (
                asked("detail.Vip.eq", "yes"),
                Box::new(|row| row.vip == Some(true)),
            ),
            16 => (
                asked("detail.Tags.set", "true"),
                Box::new(|row| !row.tags.is_empty()),
            ),
            17 => (
                asked("detail.Size.set", "false"),
                Box::new(|row| row.size.is_none()),
            ),
            18 => {
                let name = *random.pick(kind.links());
                let of = match name {
                    "organization" => ListKind::Organizations,
                    "customer" => ListKind::Customers,
                    _ => ListKind::Products,
                };
                let id = self.pick(of).map_or_else(|| "none".to_owned(), |row| row.id);
                (asked(name, &id), Box::new(move |row| row.links.contains(&id)))
            }
            19 => {
                let (prefix, folded) = *random.pick(&[
                    ("a", "a"),
                    ("STRASS", "strass"),
                    ("är", "är"),
                    ("Straß", "strass"),
                ]);
                (
                    asked("namePrefix", prefix),
                    Box::new(move |row| guildhall_domain::text::key(&row.name).starts_with(folded)),
                )
            }
            _ => (
                asked("emailPrefix", "ANN"),
                Box::new(|row| row.email.to_lowercase().starts_with("ann")),
            ),
        }
    }

    /// Up to three random filters and an order.
    fn question(&self, kind: ListKind) -> (Pairs, Vec<Meaning>) {
        let (mut asked, mut meanings) = (Pairs::new(), Vec::new());
        for _ in 0..self.random.below(4) {
            let (pair, meaning) = self.filter(kind);
            let again = !pair.0.starts_with("detail.") && asked.iter().any(|(name, _)| *name == pair.0);
            if !again {
                asked.push(pair);
                meanings.push(meaning);
            }
        }
        let order = self.random.pick(kind.orders()).name();
        let sign = self.random.pick(&["", "-"]);
        asked.push(("sort".into(), format!("{sign}{order}")));
        (asked, meanings)
    }

    /// The ids that a naive look at all rows gives, in the order of the question.
    fn expected(&self, kind: ListKind, asked: &Pairs, meanings: &[Meaning]) -> Vec<String> {
        let sort = &asked.iter().find(|(name, _)| name == "sort").unwrap().1;
        let mut rows: Vec<&Row> = self
            .of(kind)
            .iter()
            .filter(|row| meanings.iter().all(|means| means(row)))
            .collect();
        let key = guildhall_domain::text::key;
        rows.sort_by_key(|row| match sort.trim_start_matches('-') {
            "id" => (String::new(), 0, row.order),
            "name" => (key(&row.name), 0, row.order),
            "email" => (key(&row.email), 0, row.order),
            _ => (String::new(), row.updated, row.order),
        });
        if sort.starts_with('-') {
            rows.reverse();
        }
        rows.into_iter().map(|row| row.id.clone()).collect()
    }
}

type Meaning = Box<dyn Fn(&Row) -> bool>;

/// A page as ids, whatever is listed.
struct Page {
    ids: Vec<String>,
    next: Option<String>,
    total: Option<Total>,
    is_cut: bool,
}

fn ids<T: Listable>(page: ListPage<T>, id: fn(&T) -> String) -> Page {
    Page {
        ids: page.rows.iter().map(|row| id(&row.thing)).collect(),
        next: page.next,
        total: page.total,
        is_cut: page.is_cut,
    }
}

async fn page(
    service: &Service,
    run: &Run,
    asked: &Pairs,
    kind: ListKind,
    cursor: Option<&str>,
    limit: i64,
) -> Page {
    let (caller, query, limit) = (&run.world.caller, query(kind, asked), Some(limit));
    match kind {
        ListKind::Organizations => {
            let page = service.list_organizations(caller, &query, cursor, limit).await;
            ids(page.unwrap(), |thing| thing.id.to_string())
        }
        ListKind::Customers => {
            let page = service.list_customers(caller, &query, cursor, limit).await;
            ids(page.unwrap(), |thing| thing.id.clone())
        }
        ListKind::Products => {
            let page = service.list_products(caller, &query, cursor, limit).await;
            ids(page.unwrap(), |thing| thing.id.clone())
        }
        ListKind::Entitlements => {
            let page = service.list_entitlements(caller, &query, cursor, limit).await;
            ids(page.unwrap(), |thing| thing.id.clone())
        }
    }
}

async fn filled(seed: u64, rounds: usize) -> Run {
    let mut run = Run::new(seed).await;
    for _ in 0..rounds {
        for kind in [
            ListKind::Customers,
            ListKind::Products,
            ListKind::Organizations,
            ListKind::Entitlements,
        ] {
            run.insert(kind).await;
        }
    }
    for _ in 0..rounds {
        let kind = *run.random.pick(&KINDS);
        if let Some(row) = run.pick(kind) {
            run.change(kind, &row.id).await;
        }
    }
    for kind in KINDS {
        let row = run.pick(kind).unwrap();
        run.delete(kind, &row.id).await;
    }
    run
}

#[tokio::test]
async fn filters_and_orders_are_those_of_a_naive_look() {
    let run = filled(11, 25).await;
    let services = [10_000, 12, 5, 1].map(|rows| (rows, looking_at(&run.world, rows)));
    let (mut found_some, mut early, mut cut) = (0, 0, 0);
    for question in 0..240 {
        let kind = KINDS[question % 4];
        let (mut asked, meanings) = run.question(kind);
        asked.push(("count".into(), "true".into()));
        let wanted = run.expected(kind, &asked, &meanings);
        found_some += usize::from(!wanted.is_empty());
        let (rows_max, service) = &services[(question / 4) % 4];
        let limit = 1 + run.random.below(9) as i64;
        let (mut found, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = page(service, &run, &asked, kind, cursor.as_deref(), limit).await;
            let total = page.total.unwrap();
            let count = usize::try_from(total.count).unwrap();
            match total.exact {
                true => assert_eq!(count, wanted.len(), "{kind:?} {asked:?}"),
                false => assert!(
                    count <= wanted.len() && *rows_max < 100,
                    "{kind:?} {asked:?}: {total:?}"
                ),
            }
            assert!(page.ids.len() <= limit as usize);
            // What is not cut is what it would be however many rows were looked at: only that may be kept.
            let all_of_it = &wanted[found.len()..wanted.len().min(found.len() + limit as usize)];
            match page.is_cut {
                true => assert!(*rows_max < 100, "{kind:?} {asked:?}"),
                false => assert!(total.exact && page.ids == all_of_it, "{kind:?} {asked:?}"),
            }
            cut += usize::from(page.is_cut);
            early += usize::from(page.next.is_some() && page.ids.len() < limit as usize);
            found.extend(page.ids);
            pages += 1;
            assert!(pages < 200, "{kind:?} {asked:?}: no end");
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            assert!(
                *rows_max < 100 || pages * limit as usize <= wanted.len(),
                "a page that could be full is not"
            );
        }
        assert_eq!(found, wanted, "{kind:?} {asked:?} with {rows_max} rows a page");
    }
    assert!(
        found_some > 80 && early > 20 && cut > early,
        "{found_some} found something, {early} pages ended early, {cut} were cut"
    );
}

#[tokio::test]
async fn a_walk_sees_what_stands_still_once() {
    let mut run = filled(23, 12).await;
    let services = [10_000, 9, 3].map(|rows| looking_at(&run.world, rows));
    let mut stood = 0;
    for walk in 0..60 {
        let kind = KINDS[walk % 4];
        let (asked, meanings) = run.question(kind);
        let sorted_by_id = asked
            .iter()
            .any(|(name, value)| name == "sort" && value.ends_with("id"));
        let mut still: BTreeSet<String> = run.expected(kind, &asked, &meanings).into_iter().collect();
        let (mut seen, mut cursor): (Vec<String>, Option<String>) = (Vec::new(), None);
        let service = &services[(walk / 4) % 3];
        for pages in 0.. {
            assert!(pages < 300, "{kind:?} {asked:?}: no end");
            let page = page(service, &run, &asked, kind, cursor.as_deref(), 3).await;
            seen.extend(page.ids);
            let Some(next) = page.next else { break };
            cursor = Some(next);
            if pages > 8 {
                continue;
            }
            for _ in 0..run.random.below(3) {
                let any = *run.random.pick(&KINDS);
                match (run.random.below(4), run.pick(any)) {
                    (0 | 1, _) | (_, None) => run.insert(any).await,
                    (2, Some(row)) => {
                        run.change(any, &row.id).await;
                        still.remove(&row.id);
                    }
                    (_, Some(row)) => run.delete(any, &row.id).await,
                }
                // What was deleted went with what hung on it, and links may have come or gone.
                let passing: BTreeSet<String> = run.expected(kind, &asked, &meanings).into_iter().collect();
                still.retain(|id| passing.contains(id));
            }
        }
        for id in &still {
            let times = seen.iter().filter(|seen| *seen == id).count();
            assert_eq!(times, 1, "{kind:?} {asked:?}: {id} was seen {times} times");
        }
        if sorted_by_id {
            let each: BTreeSet<&String> = seen.iter().collect();
            assert_eq!(each.len(), seen.len(), "{kind:?} {asked:?}: numbers never move");
        }
        stood += still.len();
    }
    assert!(stood > 100, "only {stood} rows stood still");
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    world
        .field(EntityKind::Organization, "Region", "SELECT", &["EU", "US"])
        .await;
    for name in ["a", "b", "c"] {
        world.organization(name).await;
    }
    let list = async |given: &[(&str, &str)], cursor: Option<&str>| {
        let query = query(ListKind::Organizations, &pairs(given));
        service.list_organizations(caller, &query, cursor, Some(1)).await
    };
    assert_invalid(
        list(&[("detail.Regoin.eq", "EU")], None).await,
        "detail.Regoin.eq",
        "Did you mean \"Region\"?",
    );
    assert_invalid(
        list(&[("detail.Region.gt", "EU")], None).await,
        "detail.Region.gt",
        "it takes eq, ne, in, set",
    );
    assert_invalid(
        list(&[("detail.Region.eq", "Eu")], None).await,
        "detail.Region.eq",
        "Did you mean \"EU\"?",
    );
    assert_invalid(list(&[], Some("x")).await, "cursor", "is no cursor");
    let next = list(&[], None).await.unwrap().next.unwrap();
    assert!(list(&[], Some(&next)).await.is_ok());
    assert_invalid(
        list(&[("sort", "name")], Some(&next)).await,
        "cursor",
        "of another query",
    );
    let query = query(ListKind::Organizations, &Pairs::new());
    let other = stranger(&world).await;
    let refused = service
        .list_organizations(&other, &query, Some(&next), None)
        .await;
    assert_invalid(refused, "cursor", "of another query");
    let none = service
        .list_organizations(&other, &query, None, None)
        .await
        .unwrap();
    assert!(none.rows.is_empty() && none.next.is_none());
    // The nearest size, as for tasks.
    for (limit, rows) in [(0, 1), (-9, 1), (2, 2), (1_000, 3)] {
        let page = service
            .list_organizations(caller, &query, None, Some(limit))
            .await
            .unwrap();
        assert_eq!(page.rows.len(), rows, "{limit}");
    }
}

fn details(name: &str, values: &[&str]) -> Option<Vec<FieldValues>> {
    Some(vec![FieldValues {
        name: name.to_owned(),
        values: texts(values).into(),
    }])
}

#[tokio::test]
async fn patches_are_whole_or_nothing() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    for kind in [
        EntityKind::Organization,
        EntityKind::Customer,
        EntityKind::Entitlement,
    ] {
        world.field(kind, "Size", "NUMBER", &[]).await;
        world.field(kind, "Note", "TEXT", &[]).await;
    }
    let (one, _two) = (world.organization("One").await, world.organization("Two").await);
    let patch = |name: Option<&str>, details| OrganizationPatch {
        name: name.map(str::to_owned),
        details,
    };
    let first = service
        .patch_organization(caller, &one, patch(None, details("note", &["x"])))
        .await
        .unwrap();
    assert_eq!(first.row.updated_at, first.row.created_at);
    world.clock.advance(Duration::from_secs(5));
    let both = patch(Some("Uno"), details(" size", &["7"]));
    let done = service
        .patch_organization(caller, &one, both.clone())
        .await
        .unwrap();
    assert_eq!(
        (done.row.thing.name.as_str(), done.row.thing.details.len()),
        ("Uno", 2)
    );
    assert_eq!(done.row.updated_at.0 - done.row.created_at.0, 5_000);
    world.clock.advance(Duration::from_secs(5));
    let again = service.patch_organization(caller, &one, both).await.unwrap();
    assert_eq!(again.row, done.row, "what changes nothing is no change");
    for (wrong, place, words) in [
        (
            patch(Some("Due"), details("Size", &["x"])),
            "details[0].values",
            "not a number",
        ),
        (
            patch(Some("Due"), details("Sise", &["1"])),
            "details[0].name",
            "Did you mean \"Size\"?",
        ),
        (
            patch(Some("TWO"), details("Size", &["1"])),
            "name",
            "is the name of organization 2 already",
        ),
        (patch(Some(" "), None), "name", "must not be blank"),
        (patch(None, None), "", "there is nothing to change"),
    ] {
        assert_invalid(
            service.patch_organization(caller, &one, wrong).await,
            place,
            words,
        );
    }
    let twice = [details("Size", &["1"]), details("size", &["2"])]
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    assert_invalid(
        service
            .patch_organization(caller, &one, patch(None, Some(twice)))
            .await,
        "details[1].name",
        "",
    );
    let now = service
        .profile(caller, SubjectKind::Organization, &one)
        .await
        .unwrap()
        .subject;
    assert_eq!(
        (now.name(), now.details()),
        (done.row.thing.name.as_str(), &done.row.thing.details)
    );
    let cleared = service
        .patch_organization(caller, &one, patch(None, details("Note", &[])))
        .await
        .unwrap();
    assert_eq!(cleared.row.thing.details.len(), 1);
    assert_not_found(
        service
            .patch_organization(caller, "77", patch(Some("x"), None))
            .await,
        Thing::Organization,
    );
    assert_not_found(
        service
            .patch_organization(&stranger(&world).await, &one, patch(Some("x"), None))
            .await,
        Thing::Organization,
    );

    let (ann, _bob) = (
        world.customer("ann@example.com").await,
        world.customer("bob@example.com").await,
    );
    let patch = |name: Option<&str>, email: Option<&str>, details| CustomerPatch {
        display_name: name.map(str::to_owned),
        email: email.map(str::to_owned),
        details,
    };
    let all = patch(
        Some("Ann Lee"),
        Some(" Lee@Example.com "),
        details("Size", &["1"]),
    );
    let done = service.patch_customer(caller, &ann, all).await.unwrap().row.thing;
    assert_eq!(
        (
            done.display_name.as_str(),
            done.email.as_str(),
            done.email_key.as_str()
        ),
        ("Ann Lee", "Lee@Example.com", "lee@example.com")
    );
    for (wrong, place, words) in [
        (
            patch(Some("x"), Some("BOB@example.com"), None),
            "email",
            "is the email of customer",
        ),
        (patch(Some("x"), Some("bob"), None), "email", "exactly one '@'"),
        (patch(Some(""), None, None), "displayName", "must not be blank"),
        (
            patch(Some("x"), None, details("Size", &["1", "2"])),
            "details[0].values",
            "takes one value",
        ),
        (patch(None, None, None), "", "there is nothing to change"),
    ] {
        assert_invalid(service.patch_customer(caller, &ann, wrong).await, place, words);
    }
    assert_eq!(
        service.account(caller, &ann).await.unwrap(),
        done,
        "nothing was done by half"
    );
    let cased = service
        .patch_customer(caller, &ann, patch(None, Some("LEE@example.com"), None))
        .await
        .unwrap();
    assert_eq!(cased.row.thing.email, "LEE@example.com");
    assert_not_found(
        service
            .patch_customer(caller, "none", patch(Some("x"), None, None))
            .await,
        Thing::Customer,
    );

    let product = world.product("P").await;
    let renamed = service
        .patch_product(caller, &product.to_uppercase(), Some("Q"))
        .await
        .unwrap();
    assert_eq!(renamed.thing.name, "Q");
    assert_invalid(
        service.patch_product(caller, &product, None).await,
        "",
        "there is nothing to change",
    );
    assert_not_found(
        service.patch_product(caller, "none", Some("x")).await,
        Thing::Product,
    );
    let made = service
        .create_entitlement(caller, Target::Customer(ann), product)
        .await
        .unwrap();
    let id = made.entitlement.id;
    let done = service
        .patch_entitlement(caller, &id.to_uppercase(), details("size", &["3"]))
        .await
        .unwrap();
    assert_eq!(done.row.thing.details.len(), 1);
    assert_invalid(
        service.patch_entitlement(caller, &id, None).await,
        "",
        "there is nothing to change",
    );
    assert_not_found(
        service
            .patch_entitlement(caller, "none", details("size", &["3"]))
            .await,
        Thing::Entitlement,
    );
}

#[tokio::test]
async fn removals_are_told_and_done() {
    let world = World::new().await;
    let (service, caller) = (&world.service, &world.caller);
    let (ann, bob) = (
        world.customer("ann@example.com").await,
        world.customer("bob@example.com").await,
    );
    let product = world.product("P").await;
    let new = NewProfile {
        associated_ids: vec![ann.clone(), bob.clone()],
        product_ids: vec![product.clone()],
        ..NewProfile::bare(NewSubject::Organization("Acme".into()))
    };
    let acme = service.create_profile(caller, new).await.unwrap();
    let id = acme.subject.id();
    service
        .create_entitlement(caller, Target::Customer(ann.clone()), product.clone())
        .await
        .unwrap();
    let none = Removal::default();
    let told = Removal {
        organizations: 1,
        memberships: 2,
        entitlements: 1,
        ..none
    };
    assert_eq!(service.organization_removal(caller, &id).await, Ok(told));
    let told = Removal {
        customers: 1,
        memberships: 1,
        entitlements: 1,
        ..none
    };
    assert_eq!(service.customer_removal(caller, &ann).await, Ok(told));
    let told = Removal {
        products: 1,
        entitlements: 2,
        ..none
    };
    assert_eq!(service.product_removal(caller, &product).await, Ok(told));
    let entitlement = acme.entitlements[0].id.clone();
    let told = Removal {
        entitlements: 1,
        ..none
    };
    assert_eq!(service.entitlement_removal(caller, &entitlement).await, Ok(told));
    let told = Removal {
        memberships: 1,
        ..none
    };
    assert_eq!(service.member_removal(caller, &id, &bob).await, Ok(told));
    assert_eq!(
        service
            .profile(caller, SubjectKind::Organization, &id)
            .await
            .unwrap()
            .customers
            .len(),
        2,
        "nothing was done"
    );

    assert_eq!(service.remove_member(caller, &id, &bob).await, Ok(()));
    assert_eq!(
        service
            .profile(caller, SubjectKind::Organization, &id)
            .await
            .unwrap()
            .customers
            .len(),
        1
    );
    assert!(service.account(caller, &bob).await.is_ok());
    for (organization, customer, thing) in [
        (id.as_str(), bob.as_str(), Thing::Member),
        (&id, "none", Thing::Customer),
        ("77", &ann, Thing::Organization),
    ] {
        assert_not_found(
            service.member_removal(caller, organization, customer).await,
            thing,
        );
        assert_not_found(service.remove_member(caller, organization, customer).await, thing);
    }
    let other = stranger(&world).await;
    assert_not_found(
        service.remove_member(&other, &id, &ann).await,
        Thing::Organization,
    );
    assert_not_found(
        service.organization_removal(&other, &id).await,
        Thing::Organization,
    );
    assert_not_found(service.customer_removal(caller, "none").await, Thing::Customer);
    assert_not_found(service.product_removal(caller, "none").await, Thing::Product);
    let refused = service.entitlement_removal(caller, "none").await;
    assert!(matches!(
        refused,
        Err(Error::Rejected(Rejection::NotFound { .. }))
    ));
}
