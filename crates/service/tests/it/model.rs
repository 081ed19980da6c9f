//! Thousands of random operations against a model that fits in the head: each must succeed or be
//! refused as the model says, and every read must show what the model holds. Sweeps come at random
//! moments and must never change what is visible. Long, because the model and what is held against it read as one.

use std::collections::BTreeMap;

use guildhall_domain::field::{Definitions, EntityKind, FieldType, Values};
use guildhall_domain::{Entity, SubjectKind, text};
use guildhall_service::{
    FieldValues, Links, NewAccount, NewProfile, NewSubject, Profile, Seen, StoredValues, Target,
};
use guildhall_testkit::SeededRandom;

use super::world::{World, definition};

const KINDS: [EntityKind; 3] = [
    EntityKind::Organization,
    EntityKind::Customer,
    EntityKind::Entitlement,
];
const NAMES: [&str; 12] = [
    "Acme", "ACME ", "Globex", "Straße", "STRASSE", "Initech", "Umbrella", "Hooli", "hooli", "Stark",
    "Wayne", "Soylent",
];
const FIELD_NAMES: [&str; 6] = ["Region", "region", "Tier", "Note", "NOTE", "Size"];
const OPTIONS: [&str; 4] = ["A", "B", "C", "D"];

/// Values by field id.
type Kept = BTreeMap<i64, Vec<String>>;

#[derive(Clone, Debug)]
struct Field {
    id: i64,
    name: String,
    select: bool,
    options: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Organization {
    name: String,
    values: Kept,
    members: Vec<String>,
}

#[derive(Clone, Debug, Default)]
struct Customer {
    email: String,
    name: String,
    values: Kept,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    Organization(i64),
    Customer(String),
}

#[derive(Clone, Debug)]
struct Entitlement {
    id: String,
    owner: Owner,
    product: String,
    values: Kept,
}

#[derive(Default)]
struct Model {
    organizations: BTreeMap<i64, Organization>,
    customers: BTreeMap<String, Customer>,
    products: Vec<(String, String)>,
    entitlements: Vec<Entitlement>,
    fields: [Vec<Field>; 3],
    /// Ids that things had, of whatever kind.
    gone: Vec<String>,
}

fn place(kind: EntityKind) -> usize {
    KINDS.iter().position(|known| *known == kind).unwrap()
}

impl Model {
    fn field(&self, kind: EntityKind, name: &str) -> Option<&Field> {
        let wanted = text::key(name);
        self.fields[place(kind)]
            .iter()
            .find(|field| text::key(&field.name) == wanted)
    }

    fn organization_called(&self, name: &str) -> Option<i64> {
        let wanted = text::key(name);
        let found = self
            .organizations
            .iter()
            .find(|(_, known)| text::key(&known.name) == wanted);
        found.map(|(id, _)| *id)
    }

    fn takes(&self, kind: EntityKind, field: &str, values: &[String]) -> bool {
        let Some(field) = self.field(kind, field) else {
            return false;
        };
        match values {
            [] => true,
            [value] => !field.select || field.options.contains(value),
            _ => false,
        }
    }

    fn values_of(&mut self, target: &Target) -> Option<&mut Kept> {
        match target {
            Target::Organization(id) => {
                let id = id.parse().ok()?;
                self.organizations.get_mut(&id).map(|found| &mut found.values)
            }
            Target::Customer(id) => self.customers.get_mut(id).map(|found| &mut found.values),
            Target::Entitlement(id) => self
                .entitlements
                .iter_mut()
                .find(|e| e.id == *id)
                .map(|found| &mut found.values),
        }
    }

    fn drop_entitlements(&mut self, goes: impl Fn(&Entitlement) -> bool) {
        let (gone, kept) = self.entitlements.drain(..).partition::<Vec<_>, _>(goes);
        self.entitlements = kept;
        self.gone.extend(gone.into_iter().map(|e| e.id));
    }

    fn shown(&self, kind: EntityKind, values: &Kept) -> Vec<(String, Vec<String>)> {
        let fields = self.fields[place(kind)].iter();
        fields
            .map(|field| {
                (
                    field.name.clone(),
                    values.get(&field.id).cloned().unwrap_or_default(),
                )
            })
            .collect()
    }

    fn entitlements_of(&self, owner: &Owner) -> Vec<String> {
        let own = self.entitlements.iter().filter(|e| e.owner == *owner);
        own.map(|e| self.line(e)).collect()
    }

    fn line(&self, e: &Entitlement) -> String {
        let product = self
            .products
            .iter()
            .find(|(id, _)| *id == e.product)
            .map(|(_, name)| name);
        let values = self.shown(EntityKind::Entitlement, &e.values);
        format!(
            "{} {:?} {} {} {values:?}",
            e.id,
            e.owner,
            e.product,
            product.unwrap()
        )
    }
}

fn shown(definitions: &Definitions, values: &Values) -> Vec<(String, Vec<String>)> {
    definitions
        .iter()
        .map(|field| (field.name.clone(), values.get(field.id).to_vec()))
        .collect()
}

/// What is shown as it is kept is what is read.
fn assert_shows(seen: &Seen, profile: &Profile, links: Links) {
    let read = |details: &StoredValues, definitions: &Definitions| {
        let fields = details.fields().unwrap();
        let read = fields.iter().map(|(id, texts)| {
            let texts: Vec<String> = serde_json::from_str(texts.get()).unwrap();
            assert!(!texts.is_empty(), "{id} of {seen:?}");
            (*id, texts)
        });
        shown(definitions, &read.collect())
    };
    let organization = &seen.organization;
    assert_eq!(organization.id, profile.subject.id());
    assert_eq!(organization.name, profile.subject.name());
    assert_eq!(
        read(&organization.details, &seen.definitions),
        shown(&profile.definitions, profile.subject.details())
    );
    if links == Links::Unwanted {
        return;
    }
    let members: Vec<_> = profile.customers.iter().map(|member| &member.id).collect();
    assert_eq!(
        organization.links.customer_ids.iter().collect::<Vec<_>>(),
        members
    );
    let seen_entitlements = organization.links.entitlements.iter().map(|e| {
        let values = read(&e.details, &seen.entitlement_definitions);
        format!("{} {} {} {values:?}", e.id, e.product_id, e.product_name)
    });
    let entitlements = profile.entitlements.iter().map(|e| {
        let values = shown(&profile.entitlement_definitions, &e.details);
        format!("{} {} {} {values:?}", e.id, e.product_id, e.product_name)
    });
    assert_eq!(
        seen_entitlements.collect::<Vec<_>>(),
        entitlements.collect::<Vec<_>>()
    );
}

/// The id of an organization's profile.
fn number(profile: &Profile) -> i64 {
    match profile.subject.entity() {
        Entity::Organization(id) => id.0,
        Entity::Customer(_) => panic!("{profile:?}"),
    }
}

fn line(e: &guildhall_domain::Entitlement, definitions: &Definitions) -> String {
    let owner = match e.entity {
        Entity::Organization(id) => Owner::Organization(id.0),
        Entity::Customer(_) => Owner::Customer(e.entity_id.clone()),
    };
    let values = shown(definitions, &e.details);
    format!(
        "{} {owner:?} {} {} {values:?}",
        e.id, e.product_id, e.product_name
    )
}

struct Run {
    world: World,
    model: Model,
    random: SeededRandom,
}

impl Run {
    fn name(&self) -> String {
        (*self.random.pick(&NAMES)).to_owned()
    }

    fn one_of(&self, ids: &[String]) -> String {
        // Sometimes what is gone, or never was.
        match (self.random.below(8), ids.is_empty()) {
            (0, _) | (_, true) if !self.model.gone.is_empty() => self.random.pick(&self.model.gone).clone(),
            (1, _) | (_, true) => "nothing".to_owned(),
            _ => self.random.pick(ids).clone(),
        }
    }

    fn organization_id(&self) -> String {
        let ids: Vec<_> = self.model.organizations.keys().map(i64::to_string).collect();
        self.one_of(&ids)
    }

    fn customer_id(&self) -> String {
        self.one_of(&self.model.customers.keys().cloned().collect::<Vec<_>>())
    }

    fn product_id(&self) -> String {
        self.one_of(
            &self
                .model
                .products
                .iter()
                .map(|(id, _)| id.clone())
                .collect::<Vec<_>>(),
        )
    }

    fn entitlement_id(&self) -> String {
        self.one_of(
            &self
                .model
                .entitlements
                .iter()
                .map(|e| e.id.clone())
                .collect::<Vec<_>>(),
        )
    }

    fn values(&self) -> Vec<String> {
        let count = *self.random.pick(&[0, 1, 1, 1, 1, 2]);
        (0..count)
            .map(|_| (*self.random.pick(&OPTIONS)).to_owned())
            .collect()
    }

    fn options(&self) -> Vec<String> {
        let first = self.random.below(3) as usize;
        OPTIONS[first..=first + 1]
            .iter()
            .map(|option| (*option).to_owned())
            .collect()
    }

    /// One random operation.
    async fn step(&mut self) {
        match self.random.below(22) {
            0 | 1 => self.create_organization().await,
            2..=4 => self.create_profile().await,
            5 => self.rename_organization().await,
            6 => self.delete_organization().await,
            7 => self.create_account().await,
            8 => self.change_account().await,
            9 => self.create_product().await,
            10 => self.change_product().await,
            11..=13 => self.create_entitlement().await,
            14 => self.delete_entitlement().await,
            15..=18 => self.set_value().await,
            19 => self.create_field().await,
            20 => self.change_field().await,
            _ => {
                let before = self.dump().await;
                self.world.service.sweep_once().await.unwrap();
                assert_eq!(self.dump().await, before, "a sweep changed what is visible");
            }
        }
    }

    async fn create_organization(&mut self) {
        let name = self.name();
        let made = self
            .world
            .service
            .create_organization(&self.world.caller, &name)
            .await;
        assert_eq!(
            made.is_ok(),
            self.model.organization_called(&name).is_none(),
            "{name:?}: {made:?}"
        );
        if let Ok(made) = made {
            let new = Organization {
                name: name.trim().to_owned(),
                ..Organization::default()
            };
            assert!(
                self.model.organizations.insert(made.id.0, new).is_none(),
                "the id is new"
            );
        }
    }

    async fn create_profile(&mut self) {
        let name = self.name();
        let pairs: Vec<(String, Vec<String>)> = match self.random.below(3) {
            0 => vec![],
            _ => vec![((*self.random.pick(&FIELD_NAMES)).to_owned(), self.values())],
        };
        let customers: Vec<_> = (0..self.random.below(3)).map(|_| self.customer_id()).collect();
        let products: Vec<_> = (0..self.random.below(3)).map(|_| self.product_id()).collect();
        let new = NewProfile {
            subject: NewSubject::Organization(name.clone()),
            details: pairs
                .iter()
                .cloned()
                .map(|(name, values)| FieldValues {
                    name,
                    values: values.into(),
                })
                .collect(),
            associated_ids: customers.clone(),
            product_ids: products.clone(),
        };
        let made = self.world.service.create_profile(&self.world.caller, new).await;
        let model = &mut self.model;
        let fits = model.organization_called(&name).is_none()
            && pairs
                .iter()
                .all(|(field, values)| model.takes(EntityKind::Organization, field, values))
            && customers.iter().all(|id| model.customers.contains_key(id))
            && products
                .iter()
                .all(|id| model.products.iter().any(|(known, _)| known == id));
        assert_eq!(
            made.is_ok(),
            fits,
            "{name:?} {pairs:?} {customers:?} {products:?}: {made:?}"
        );
        let Ok(made) = made else { return };
        let id = number(&made);
        let mut organization = Organization {
            name: name.trim().to_owned(),
            ..Organization::default()
        };
        for (field, values) in pairs {
            let field = model.field(EntityKind::Organization, &field).unwrap().id;
            if !values.is_empty() {
                organization.values.insert(field, values);
            }
        }
        for customer in customers {
            if !organization.members.contains(&customer) {
                organization.members.push(customer);
            }
        }
        model.organizations.insert(id, organization);
        let mut once: Vec<String> = Vec::new();
        for product in products {
            if !once.contains(&product) {
                once.push(product);
            }
        }
        assert_eq!(made.entitlements.len(), once.len());
        for (product, e) in once.into_iter().zip(made.entitlements) {
            let owner = Owner::Organization(id);
            model.entitlements.push(Entitlement {
                id: e.id,
                owner,
                product,
                values: Kept::new(),
            });
        }
    }

    async fn rename_organization(&mut self) {
        let (id, name) = (self.organization_id(), self.name());
        let done = self
            .world
            .service
            .rename_organization(&self.world.caller, &id, &name)
            .await;
        let holder = self.model.organization_called(&name);
        let known = id
            .parse::<i64>()
            .ok()
            .filter(|id| self.model.organizations.contains_key(id));
        let fits = known.is_some() && (holder.is_none() || holder == known);
        assert_eq!(done.is_ok(), fits, "{id} to {name:?}: {done:?}");
        if let (Some(id), Ok(_)) = (known, done) {
            self.model.organizations.get_mut(&id).unwrap().name = name.trim().to_owned();
        }
    }

    async fn delete_organization(&mut self) {
        let id = self.organization_id();
        let done = self
            .world
            .service
            .delete_organization(&self.world.caller, &id)
            .await;
        let number = id.parse().unwrap_or(0);
        assert_eq!(
            done.is_ok(),
            self.model.organizations.remove(&number).is_some(),
            "{id}: {done:?}"
        );
        if done.is_ok() {
            self.model.gone.push(id);
            self.model
                .drop_entitlements(|e| e.owner == Owner::Organization(number));
        }
    }

    async fn create_account(&mut self) {
        let email = format!(
            "{}{}@example.com",
            self.random.pick(&["ann", "Ann", "bob"]),
            self.random.below(6)
        );
        let new = NewAccount {
            email: email.clone(),
            display_name: None,
        };
        let made = self.world.service.create_account(&self.world.who, new).await;
        let taken = self
            .model
            .customers
            .values()
            .any(|known| known.email.eq_ignore_ascii_case(&email));
        assert_eq!(made.is_ok(), !taken, "{email}: {made:?}");
        if let Ok(made) = made {
            let name = email.split('@').next().unwrap().to_owned();
            self.model.customers.insert(
                made.id,
                Customer {
                    email,
                    name,
                    values: Kept::new(),
                },
            );
        }
    }

    async fn change_account(&mut self) {
        let (id, caller) = (self.customer_id(), &self.world.caller);
        let known = self.model.customers.contains_key(&id);
        if self.random.chance(0.5) {
            let name = self.name();
            let done = self.world.service.rename_account(caller, &id, &name).await;
            assert_eq!(done.is_ok(), known, "{id}: {done:?}");
            if let Some(customer) = self.model.customers.get_mut(&id) {
                customer.name = name.trim().to_owned();
            }
            return;
        }
        let done = self.world.service.delete_account(caller, &id).await;
        assert_eq!(done.is_ok(), known, "{id}: {done:?}");
        if known {
            self.model.customers.remove(&id);
            for organization in self.model.organizations.values_mut() {
                organization.members.retain(|member| *member != id);
            }
            self.model
                .drop_entitlements(|e| e.owner == Owner::Customer(id.clone()));
            self.model.gone.push(id);
        }
    }

    async fn create_product(&mut self) {
        let name = self.name();
        let made = self
            .world
            .service
            .create_product(&self.world.caller, &name)
            .await
            .unwrap();
        self.model.products.push((made.id, name.trim().to_owned()));
    }

    async fn change_product(&mut self) {
        let (id, caller) = (self.product_id(), &self.world.caller);
        let known = self.model.products.iter().position(|(known, _)| *known == id);
        if self.random.chance(0.4) {
            let done = self.world.service.delete_product(caller, &id).await;
            assert_eq!(done.is_ok(), known.is_some(), "{id}: {done:?}");
            if let Some(known) = known {
                self.model.products.remove(known);
                self.model.drop_entitlements(|e| e.product == id);
                self.model.gone.push(id);
            }
            return;
        }
        let name = self.name();
        let done = self
            .world
            .service
            .rename_product(caller, &id.to_uppercase(), &name)
            .await;
        assert_eq!(done.is_ok(), known.is_some(), "{id}: {done:?}");
        if let Some(known) = known {
            self.model.products[known].1 = name.trim().to_owned();
        }
    }

    async fn create_entitlement(&mut self) {
        let (of, owner) = if self.random.chance(0.5) {
            let id = self.organization_id();
            let number: i64 = id.parse().unwrap_or(0);
            let known = self.model.organizations.contains_key(&number);
            (
                Target::Organization(id),
                known.then_some(Owner::Organization(number)),
            )
        } else {
            let id = self.customer_id();
            let known = self.model.customers.contains_key(&id);
            (Target::Customer(id.clone()), known.then_some(Owner::Customer(id)))
        };
        let product = self.product_id();
        let made = self
            .world
            .service
            .create_entitlement(&self.world.caller, of, product.clone())
            .await;
        let fits = owner.is_some() && self.model.products.iter().any(|(known, _)| *known == product);
        assert_eq!(made.is_ok(), fits, "{owner:?} {product}: {made:?}");
        if let (Some(owner), Ok(made)) = (owner, made) {
            let id = made.entitlement.id;
            self.model.entitlements.push(Entitlement {
                id,
                owner,
                product,
                values: Kept::new(),
            });
        }
    }

    async fn delete_entitlement(&mut self) {
        let id = self.entitlement_id();
        let done = self
            .world
            .service
            .delete_entitlement(&self.world.caller, &id)
            .await;
        assert_eq!(
            done.is_ok(),
            self.model.entitlements.iter().any(|e| e.id == id),
            "{id}: {done:?}"
        );
        self.model.drop_entitlements(|e| e.id == id);
    }

    async fn set_value(&mut self) {
        let (kind, target) = match self.random.below(3) {
            0 => (
                EntityKind::Organization,
                Target::Organization(self.organization_id()),
            ),
            1 => (EntityKind::Customer, Target::Customer(self.customer_id())),
            _ => (
                EntityKind::Entitlement,
                Target::Entitlement(self.entitlement_id()),
            ),
        };
        let (field, values) = ((*self.random.pick(&FIELD_NAMES)).to_owned(), self.values());
        let service = &self.world.service;
        let done = service
            .set_value(&self.world.caller, target.clone(), field.clone(), values.clone())
            .await;
        let fits = self.model.takes(kind, &field, &values) && self.model.values_of(&target).is_some();
        assert_eq!(done.is_ok(), fits, "{target:?} {field} {values:?}: {done:?}");
        if done.is_ok() {
            let id = self.model.field(kind, &field).unwrap().id;
            let kept = self.model.values_of(&target).unwrap();
            match values.is_empty() {
                true => drop(kept.remove(&id)),
                false => drop(kept.insert(id, values)),
            }
        }
    }

    async fn create_field(&mut self) {
        let (kind, name) = (*self.random.pick(&KINDS), *self.random.pick(&FIELD_NAMES));
        let select = self.random.chance(0.5);
        let options = if select { self.options() } else { Vec::new() };
        let plain: Vec<&str> = options.iter().map(String::as_str).collect();
        let new = definition(name, if select { "SELECT" } else { "TEXT" }, &plain);
        let made = self
            .world
            .service
            .create_field(&self.world.caller, kind, new)
            .await;
        assert_eq!(
            made.is_ok(),
            self.model.field(kind, name).is_none(),
            "{name}: {made:?}"
        );
        if let Ok(made) = made {
            let field = Field {
                id: made.id.0,
                name: name.to_owned(),
                select,
                options,
            };
            self.model.fields[place(kind)].push(field);
        }
    }

    async fn change_field(&mut self) {
        let (kind, current) = (*self.random.pick(&KINDS), *self.random.pick(&FIELD_NAMES));
        let (service, caller) = (&self.world.service, &self.world.caller);
        let known = self
            .model
            .field(kind, current)
            .map(|field| (field.id, field.select));
        if self.random.chance(0.5) {
            let done = service.delete_field(caller, kind, current).await;
            assert_eq!(done.is_ok(), known.is_some(), "{current}: {done:?}");
            let fields = &mut self.model.fields[place(kind)];
            fields.retain(|field| Some(field.id) != known.map(|(id, _)| id));
            return;
        }
        let name = *self.random.pick(&FIELD_NAMES);
        let options = self.random.chance(0.5).then(|| self.options());
        let done = service
            .edit_field(caller, kind, current, name.to_owned(), options.clone())
            .await;
        let holder = self.model.field(kind, name).map(|field| field.id);
        let fits = known.is_some_and(|(id, select)| {
            (holder.is_none() || holder == Some(id)) && (select || options.is_none())
        });
        assert_eq!(done.is_ok(), fits, "{current} to {name} {options:?}: {done:?}");
        if let (true, Some((id, _))) = (fits, known) {
            let fields = &mut self.model.fields[place(kind)];
            let field = fields.iter_mut().find(|field| field.id == id).unwrap();
            field.name = name.to_owned();
            field.options = options.unwrap_or_else(|| field.options.clone());
        }
    }

    /// Everything that can be read, as the model has it.
    fn expected(&self) -> Vec<String> {
        let model = &self.model;
        let mut lines: Vec<String> = KINDS
            .iter()
            .flat_map(|kind| model.fields[place(*kind)].iter().map(move |f| (kind, f)))
            .map(|(kind, f)| format!("field {kind:?} {} {} {} {:?}", f.id, f.name, f.select, f.options))
            .collect();
        for (id, known) in &model.organizations {
            let values = model.shown(EntityKind::Organization, &known.values);
            let entitlements = model.entitlements_of(&Owner::Organization(*id));
            lines.push(format!("organization {id} {} {values:?}", known.name));
            lines.push(format!(
                "profile {id} {values:?} {entitlements:?} {:?}",
                known.members
            ));
            lines.push(format!("entitlements of {id} {entitlements:?}"));
        }
        for (id, known) in &model.customers {
            let values = model.shown(EntityKind::Customer, &known.values);
            let of = || model.organizations.iter().filter(|(_, o)| o.members.contains(id));
            let organizations: Vec<_> = of().map(|(id, o)| format!("{id} {}", o.name)).collect();
            lines.push(format!(
                "customer {id} {} {} {values:?} {organizations:?}",
                known.email, known.name
            ));
            let mut entitlements = model.entitlements_of(&Owner::Customer(id.clone()));
            entitlements.extend(of().flat_map(|(id, _)| model.entitlements_of(&Owner::Organization(*id))));
            lines.push(format!("entitlements of {id} {entitlements:?}"));
        }
        lines.extend(
            model
                .products
                .iter()
                .map(|(id, name)| format!("product {id} {name}")),
        );
        lines.extend(
            model
                .entitlements
                .iter()
                .map(|e| format!("entitlement {}", model.line(e))),
        );
        lines
    }

    /// Everything that can be read, as the service shows it.
    async fn dump(&self) -> Vec<String> {
        let (service, caller, model) = (&self.world.service, &self.world.caller, &self.model);
        let mut lines = Vec::new();
        for kind in KINDS {
            for f in service.fields(caller, kind).await.unwrap().iter() {
                let select = f.field_type == FieldType::Select;
                lines.push(format!(
                    "field {kind:?} {} {} {select} {:?}",
                    f.id, f.name, f.options
                ));
            }
        }
        for (id, known) in &model.organizations {
            let id = id.to_string();
            let profile = service
                .profile(caller, SubjectKind::Organization, &id)
                .await
                .unwrap();
            let values = shown(&profile.definitions, profile.subject.details());
            lines.push(format!("organization {id} {} {values:?}", profile.subject.name()));
            for links in [Links::Wanted, Links::Unwanted] {
                let seen = service.seen_organization(caller, &id, links).await.unwrap();
                assert_shows(&seen.expect("its fields were read"), &profile, links);
            }
            let members: Vec<_> = profile.customers.iter().map(|member| &member.id).collect();
            let entitlements: Vec<_> = profile
                .entitlements
                .iter()
                .map(|e| line(e, &profile.entitlement_definitions))
                .collect();
            lines.push(format!("profile {id} {values:?} {entitlements:?} {members:?}"));
            lines.push(self.entitlements_of(&id, Target::Organization(id.clone())).await);
            let asked = [id.clone(), "999".into()];
            let by_both = service
                .fetch_organizations(caller, &asked, std::slice::from_ref(&known.name))
                .await;
            assert_eq!(by_both.unwrap().len(), 1, "{id} by id and by name");
        }
        for id in model.customers.keys() {
            let found = service.customer(caller, id).await.unwrap();
            let values = shown(&found.definitions, &found.customer.details);
            let organizations: Vec<_> = found
                .organizations
                .iter()
                .map(|(id, name)| format!("{id} {name}"))
                .collect();
            let (email, name) = (&found.customer.email, &found.customer.display_name);
            lines.push(format!(
                "customer {id} {email} {name} {values:?} {organizations:?}"
            ));
            lines.push(self.entitlements_of(id, Target::Customer(id.clone())).await);
        }
        let (mut cursor, limit) = (None, 1 + self.random.below(7) as i64);
        loop {
            let page = service
                .products(caller, cursor.as_deref(), Some(limit))
                .await
                .unwrap();
            lines.extend(
                page.products
                    .iter()
                    .map(|product| format!("product {} {}", product.id, product.name)),
            );
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        for e in &model.entitlements {
            let found = service.entitlement(caller, &e.id).await.unwrap();
            lines.push(format!(
                "entitlement {}",
                line(&found.entitlement, &found.definitions)
            ));
        }
        lines
    }

    async fn entitlements_of(&self, id: &str, of: Target) -> String {
        let found = self
            .world
            .service
            .entitlements(&self.world.caller, &of, None)
            .await
            .unwrap();
        let entitlements: Vec<_> = found
            .entitlements
            .iter()
            .map(|e| line(e, &found.definitions))
            .collect();
        format!("entitlements of {id} {entitlements:?}")
    }

    /// What is gone is gone, by whichever way one looks for it.
    async fn nothing_gone_is_seen(&self) {
        let (service, caller) = (&self.world.service, &self.world.caller);
        for id in self.model.gone.iter().rev().take(40) {
            let seen = service.seen_organization(caller, id, Links::Unwanted).await;
            assert!(seen.is_err(), "{id}");
            assert!(
                service
                    .profile(caller, SubjectKind::Organization, id)
                    .await
                    .is_err(),
                "{id}"
            );
            assert!(service.customer(caller, id).await.is_err(), "{id}");
            assert!(service.account(caller, id).await.is_err(), "{id}");
            assert!(service.product(caller, id).await.is_err(), "{id}");
            assert!(service.entitlement(caller, id).await.is_err(), "{id}");
            let found = service
                .fetch_profiles(caller, SubjectKind::Organization, std::slice::from_ref(id), &[])
                .await
                .unwrap();
            assert!(found.is_empty(), "{id}");
        }
    }
}

async fn run(seed: u64, steps: usize) {
    let mut run = Run {
        world: World::new().await,
        model: Model::default(),
        random: SeededRandom::new(seed),
    };
    let mut done = 0;
    while done < steps {
        let some = 1 + run.random.below(30) as usize;
        for _ in 0..some {
            run.step().await;
        }
        done += some;
        assert_eq!(
            run.dump().await,
            run.expected(),
            "seed {seed}, after {done} steps"
        );
        run.nothing_gone_is_seen().await;
    }
    while run.world.service.sweep_once().await.unwrap() {}
    assert_eq!(run.dump().await, run.expected(), "seed {seed}, swept");
    let waiting = run
        .world
        .store
        .system_read(async |tx| tx.waiting_sweeps(1).await)
        .await;
    assert_eq!(waiting, Ok(vec![]));
}

#[tokio::test]
async fn random_operations_one() {
    run(1, 2_000).await;
}

#[tokio::test]
async fn random_operations_two() {
    run(2, 2_000).await;
}

#[tokio::test]
async fn random_operations_three() {
    run(3, 2_000).await;
}
