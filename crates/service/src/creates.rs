//! Adding organizations and customers with all that they come with, one or many in a unit of work. Those that
//! wait together are decided in the order in which they came, each as if it were alone, and written as sets.
//! Long, because waiting, deciding and writing are one path that one reads from top to bottom.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use guildhall_domain::bulk::{FieldValues, check_values};
use guildhall_domain::field::{Definitions, EntityKind, PhoneFormat, Values};
use guildhall_domain::{
    Entitlement, Entity, Excerpt, Member, Organization, OrganizationId, Rejection, Subject, SubjectKind,
    TenantId, Thing, Timestamp, text,
};
use guildhall_storage::{Ground, Newcomers, Store, StoreError, ValuesAhead, WriteTx};
use tokio::runtime::Handle;

use crate::Error;
use crate::accounts::{customer_id, email_taken};
use crate::definitions::DefinitionsCache;
use crate::folds::Folds;
use crate::organizations::{free_organization_id, name_taken};
use crate::profiles::{Profile, profile_of};

/// How long one waits for its turn at most, as for a connection.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// A new profile whose form was checked, with the numbers and ids that were taken for it.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) subject: Subject,
    pub(crate) details: Vec<FieldValues>,
    /// The values in their stored form, if they were right by the definitions that were seen last.
    pub(crate) checked: Option<ValuesAhead>,
    pub(crate) associated_ids: Vec<String>,
    pub(crate) product_ids: Vec<String>,
    /// The number of the subject, and a UUID for where its id is made of one.
    pub(crate) number: i64,
    pub(crate) uuid: String,
    /// The number of the first entitlement, and the ids of all.
    pub(crate) entitlement: i64,
    pub(crate) entitlement_ids: Vec<String>,
    pub(crate) now: Timestamp,
    /// Whether it has nothing but its name, and no definitions are asked for.
    pub(crate) is_name_only: bool,
}

impl Draft {
    /// An organization of this name.
    pub(crate) fn of_name(name: String, number: i64, now: Timestamp) -> Self {
        Self {
            subject: Subject::Organization(Organization {
                id: OrganizationId(0),
                name_key: text::key(&name),
                name,
                details: Values::default(),
            }),
            details: Vec::new(),
            checked: None,
            associated_ids: Vec::new(),
            product_ids: Vec::new(),
            number,
            uuid: String::new(),
            entitlement: 0,
            entitlement_ids: Vec::new(),
            now,
            is_name_only: true,
        }
    }

    /// About how many bytes it holds.
    fn weight(&self) -> usize {
        // As given, as stored, and as kept.
        let values = self.details.iter().flat_map(|detail| &detail.values);
        let values = values.clone().chain(values.clone()).chain(values);
        let texts = values.chain(&self.associated_ids).chain(&self.product_ids);
        256 + texts.map(|text| text.len() + 64).sum::<usize>()
    }
}

/// Whose creates go together.
type Line = (TenantId, SubjectKind);

/// Creates, and those that wait for each other.
pub(crate) struct Creates {
    store: Store,
    definitions: Arc<DefinitionsCache>,
    phone: PhoneFormat,
    folds: Folds<Line, Draft, Result<Profile, Error>>,
}

impl Creates {
    pub(crate) fn new(store: Store, definitions: Arc<DefinitionsCache>, phone: PhoneFormat) -> Arc<Self> {
        Arc::new(Self {
            store,
            definitions,
            phone,
            folds: Folds::default(),
        })
    }

    /// Adds what the draft says: all of it, or nothing.
    pub(crate) async fn create(self: &Arc<Self>, tenant: TenantId, draft: Draft) -> Result<Profile, Error> {
        if !self.store.gains_from_sets() {
            return self.alone(tenant, draft).await;
        }
        let line = (tenant, draft.subject.kind());
        let weight = draft.weight();
        let mut place = self.folds.enter(&line, draft, weight);
        if place.begins {
            self.begin(line);
        }
        let answer = match tokio::time::timeout(WAIT_MAX, &mut place.answer).await {
            Ok(answer) => answer,
            Err(_) if self.folds.leave(&line, place.ticket) => return Err(StoreError::Overloaded.into()),
            // Its unit is under way, and ends in its own time.
            Err(_) => place.answer.await,
        };
        answer.unwrap_or_else(|_| {
            Err(StoreError::Failed("the unit of work ended without an answer".into()).into())
        })
    }

    async fn alone(&self, tenant: TenantId, draft: Draft) -> Result<Profile, Error> {
        let (definitions, phone, draft) = (Arc::clone(&self.definitions), self.phone, Arc::new(draft));
        self.store
            .write(tenant, async move |tx| {
                let mut made = create(tx, &definitions, std::slice::from_ref(&*draft), phone).await?;
                let lost = || Err(StoreError::Failed("nothing was decided".into()).into());
                made.pop().map_or_else(lost, |made| made.map_err(Error::Rejected))
            })
            .await
    }

    /// Begins a turn. It is a task of its own: a caller may leave, and others wait for the same unit.
    fn begin(self: &Arc<Self>, line: Line) {
        let turn = Turn {
            creates: Arc::clone(self),
            line,
            has_taken: false,
        };
        tokio::spawn(turn.run());
    }

    /// Does one unit; what becomes of each.
    async fn unit(&self, tenant: TenantId, drafts: Vec<Draft>) -> Vec<Result<Profile, Error>> {
        let drafts = Arc::new(drafts);
        match self.together(tenant, Arc::clone(&drafts)).await {
            Ok(made) => made
                .into_iter()
                .map(|made| made.map_err(Error::Rejected))
                .collect(),
            Err(error) if drafts.len() > 1 && is_of_one(&error) => {
                let mut made = Vec::with_capacity(drafts.len());
                for draft in drafts.iter() {
                    made.push(self.alone(tenant, draft.clone()).await);
                }
                made
            }
            Err(error) => drafts.iter().map(|_| Err(error.clone().into())).collect(),
        }
    }

    async fn together(
        &self,
        tenant: TenantId,
        drafts: Arc<Vec<Draft>>,
    ) -> Result<Vec<Result<Profile, Rejection>>, StoreError> {
        let (definitions, phone) = (Arc::clone(&self.definitions), self.phone);
        self.store
            .write(tenant, async move |tx| {
                create(tx, &definitions, &drafts, phone).await
            })
            .await
    }
}

/// Whether one of a unit may be to blame, and nothing was written: then the others shall not bear it.
fn is_of_one(error: &StoreError) -> bool {
    match error {
        StoreError::Conflict { .. } | StoreError::Inconsistent { .. } | StoreError::Failed(_) => true,
        StoreError::Full
        | StoreError::Overloaded
        | StoreError::Unavailable(_)
        | StoreError::Unknown(_)
        | StoreError::Broken(_) => false,
    }
}

/// A turn of a line. However it ends, those that wait are taken next, or told that nobody will.
struct Turn {
    creates: Arc<Creates>,
    line: Line,
    has_taken: bool,
}

impl Turn {
    async fn run(mut self) {
        // Those that are ready to come do so first.
        tokio::task::yield_now().await;
        let together = self.creates.folds.take(&self.line);
        self.has_taken = true;
        if together.begins {
            self.creates.begin(self.line);
        }
        if together.works.is_empty() {
            return;
        }
        let made = self.creates.unit(self.line.0, together.works).await;
        for (answer, made) in together.answers.into_iter().zip(made) {
            // Who has left does not listen any more.
            let _left = answer.send(made);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.creates.folds.end(&self.line, self.has_taken) {
            match Handle::try_current() {
                Ok(_) => self.creates.begin(self.line),
                Err(_) => drop(self.creates.folds.end(&self.line, false)),
            }
        }
    }
}

/// Something that a new one is linked to: its public id, its number and its name.
struct Link {
    id: String,
    number: i64,
    name: String,
}

/// A draft that may be, as it will be.
struct Decided<'d> {
    place: usize,
    draft: &'d Draft,
    subject: Subject,
    associated: Vec<Link>,
    products: Vec<Link>,
}

/// Adds those of the drafts, all of one kind, that may be, in the order in which they came; what became of each.
async fn create(
    tx: &mut WriteTx<'_>,
    definitions: &DefinitionsCache,
    drafts: &[Draft],
    phone: PhoneFormat,
) -> Result<Vec<Result<Profile, Rejection>>, StoreError> {
    let Some(kind) = drafts.first().map(|draft| draft.subject.kind()) else {
        return Ok(Vec::new());
    };
    let new = newcomers(kind, drafts);
    let mut ground = tx.ground(&new).await?;
    let (fields, of_entitlements) = match new.defined {
        true => (
            definitions.get(tx, kind.fields()).await?,
            definitions.get(tx, EntityKind::Entitlement).await?,
        ),
        false => Default::default(),
    };
    let mut results: Vec<Option<Result<Profile, Rejection>>> = drafts.iter().map(|_| None).collect();
    let mut decided = Vec::with_capacity(drafts.len());
    for (place, draft) in drafts.iter().enumerate() {
        match decide(draft, &ground, &fields, phone) {
            Err(refused) => results[place] = Some(Err(refused)),
            Ok((values, associated, products)) => {
                let mut subject = draft.subject.clone();
                *subject.details_mut() = values;
                match &mut subject {
                    Subject::Organization(organization) => {
                        let is_used = ground.used_ids.contains(&draft.number);
                        let first = OrganizationId(draft.number);
                        organization.id = free_organization_id(tx, first, is_used).await?;
                    }
                    Subject::Customer(customer) => {
                        customer.number = draft.number;
                        customer.id = customer_id(&ground.cloud_id, &draft.uuid);
                    }
                }
                // Those behind it see it.
                ground.holders.insert(subject.key().to_owned(), subject.id());
                decided.push(Decided {
                    place,
                    draft,
                    subject,
                    associated,
                    products,
                });
            }
        }
    }
    insert(tx, &mut decided, &fields).await?;
    for each in decided {
        let (place, bare) = (each.place, each.associated.is_empty() && each.products.is_empty());
        let profile = match each.subject {
            // What it inherits, and what its organizations are called, is read.
            Subject::Customer(_) if !bare => profile_of(tx, definitions, each.subject).await?,
            _ => each.profile(&fields, &of_entitlements),
        };
        results[place] = Some(Ok(profile));
    }
    let lost = || StoreError::Failed("a draft was not decided".into());
    results
        .into_iter()
        .map(|result| result.ok_or_else(lost))
        .collect()
}

/// What drafts rest on.
fn newcomers(kind: SubjectKind, drafts: &[Draft]) -> Newcomers<'_> {
    let all = |ids: fn(&Draft) -> &Vec<String>| drafts.iter().flat_map(ids);
    Newcomers {
        kind,
        keys: drafts.iter().map(|draft| draft.subject.key()).collect(),
        ids: match kind {
            SubjectKind::Organization => drafts.iter().map(|draft| draft.number).collect(),
            SubjectKind::Customer => BTreeSet::new(),
        },
        associated_ids: all(|draft| &draft.associated_ids).cloned().collect(),
        product_ids: all(|draft| &draft.product_ids)
            .map(|id| id.to_ascii_lowercase())
            .collect(),
        defined: !drafts.iter().all(|draft| draft.is_name_only),
    }
}

/// Whether a draft may be: its values in their stored form, and what it is linked to.
fn decide(
    draft: &Draft,
    ground: &Ground,
    fields: &Arc<Definitions>,
    phone: PhoneFormat,
) -> Result<(Values, Vec<Link>, Vec<Link>), Rejection> {
    if let Some(holder) = ground.holders.get(draft.subject.key()) {
        return Err(match &draft.subject {
            Subject::Organization(new) => name_taken(&new.name, holder),
            Subject::Customer(new) => email_taken(&new.email, holder),
        });
    }
    let values = match &draft.checked {
        Some(checked) if checked.are_by(fields) => checked.values().clone(),
        _ => check_values(fields, &draft.details, phone)?,
    };
    let kind = draft.subject.kind();
    let place = (kind.other().thing(), kind.associations_member());
    let other = |id: &str| {
        let number = *ground.associated.get(id)?;
        let (id, name) = (id.to_owned(), String::new());
        Some(Link { id, number, name })
    };
    let associated = known(&draft.associated_ids, other, place)?;
    let place = (Thing::Product, "associateProducts.productIds");
    let product = |id: &str| {
        let id = id.to_ascii_lowercase();
        let (number, name) = ground.products.get(&id)?.clone();
        Some(Link { id, number, name })
    };
    let products = known(&draft.product_ids, product, place)?;
    Ok((values, associated, products))
}

/// The things that a payload names, each once, in its order.
fn known(
    ids: &[String],
    link: impl Fn(&str) -> Option<Link>,
    (thing, at): (Thing, &str),
) -> Result<Vec<Link>, Rejection> {
    let mut seen = HashSet::new();
    let mut found = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let link = link(id).ok_or_else(|| {
            let problem = format!("there is no {} {:?}", thing.name(), Excerpt(id));
            Rejection::invalid(format!("{at}[{index}]"), problem)
        })?;
        if seen.insert(link.number) {
            found.push(link);
        }
    }
    Ok(found)
}

/// Writes them. In the order of their handles, so that two units that hold the same ones do not each wait for
/// the other.
async fn insert(
    tx: &mut WriteTx<'_>,
    decided: &mut [Decided<'_>],
    fields: &Definitions,
) -> Result<(), StoreError> {
    decided.sort_by(|one, other| one.subject.key().cmp(other.subject.key()));
    for each in decided.iter() {
        let ahead = each.draft.checked.as_ref();
        tx.insert_subject(&each.subject, fields, ahead, each.draft.now)
            .await?;
    }
    for each in decided.iter() {
        for (position, other) in (1..).zip(&each.associated) {
            match each.subject.entity() {
                Entity::Organization(id) => tx.add_member_of_new(id, other.number, position).await?,
                Entity::Customer(number) => tx.add_member(OrganizationId(other.number), number).await?,
            }
        }
    }
    for each in decided.iter() {
        for (position, (product, new)) in (1..).zip(each.products.iter().zip(each.entitlements())) {
            let (entity, now) = (each.subject.entity(), each.draft.now);
            tx.insert_entitlement_of_new(new, entity, position, product.number, now)
                .await?;
        }
    }
    Ok(())
}

impl Decided<'_> {
    /// The numbers and ids of its entitlements, in the order of its products.
    fn entitlements(&self) -> impl Iterator<Item = (i64, &str)> {
        let ids = self.draft.entitlement_ids.iter().map(String::as_str);
        (self.draft.entitlement..).zip(ids)
    }

    /// The profile that was made, of an organization or of one without links.
    fn profile(self, fields: &Arc<Definitions>, of_entitlements: &Arc<Definitions>) -> Profile {
        let (entity, entity_id) = (self.subject.entity(), self.subject.id());
        let entitlements = self.products.iter().zip(self.entitlements());
        let entitlements = entitlements.map(|(product, (number, id))| Entitlement {
            number,
            id: id.to_owned(),
            entity,
            entity_id: entity_id.clone(),
            product_id: product.id.clone(),
            product_name: product.name.clone(),
            details: Values::default(),
        });
        Profile {
            definitions: Arc::clone(fields),
            entitlements: entitlements.collect(),
            entitlement_definitions: Arc::clone(of_entitlements),
            customers: self
                .associated
                .into_iter()
                .map(|customer| Member {
                    number: customer.number,
                    id: customer.id,
                })
                .collect(),
            organizations: Vec::new(),
            subject: self.subject,
        }
    }
}
