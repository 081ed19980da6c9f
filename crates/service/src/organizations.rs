//! Organizations: create, get, fetch many, rename, delete.

use std::collections::HashSet;
use std::sync::Arc;

use guildhall_domain::field::{Definitions, EntityKind};
use guildhall_domain::{
    Caller, Excerpt, Organization, OrganizationId, Rejection, Subject, SubjectKind, TenantId, Thing, limits,
    text,
};
use guildhall_storage::{Counter, Links, ReadTx, SeenOrganization, StoreError, Version, WriteTx};

use crate::creates::Draft;
use crate::{Error, Service};

/// An organization's id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationName {
    /// Its id.
    pub id: OrganizationId,
    /// Its name.
    pub name: String,
}

/// An organization as it is to be shown, and what its values mean.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The organization.
    pub organization: SeenOrganization,
    /// The definitions of organizations' fields.
    pub definitions: Arc<Definitions>,
    /// The definitions of entitlements' fields.
    pub entitlement_definitions: Arc<Definitions>,
}

impl From<Organization> for OrganizationName {
    fn from(organization: Organization) -> Self {
        Self {
            id: organization.id,
            name: organization.name,
        }
    }
}

/// An organization's name, as it will be stored.
pub(crate) fn organization_name(raw: &str) -> Result<String, Rejection> {
    text::name(raw, limits::ORGANIZATION_NAME_CHARS_MAX)
        .map_err(|problem| Rejection::invalid("name", format!("the name {:?} {problem}", Excerpt(raw))))
}

pub(crate) fn name_taken(name: &str, by: &str) -> Rejection {
    Rejection::invalid("name", SubjectKind::Organization.handle_taken(name, by))
}

pub(crate) fn no_organization(id: &str) -> Error {
    Rejection::not_found(Thing::Organization, id).into()
}

/// The organization with this id, if it can exist at all.
pub(crate) async fn find_organization(
    tx: &mut ReadTx<'_>,
    id: &str,
) -> Result<Option<Organization>, StoreError> {
    match OrganizationId::parse(id) {
        Some(id) => tx.organization(id).await,
        None => Ok(None),
    }
}

/// The organization with this id, if it can exist at all, which nobody else changes meanwhile.
pub(crate) async fn lock_organization(
    tx: &mut WriteTx<'_>,
    id: &str,
) -> Result<Option<Organization>, StoreError> {
    match OrganizationId::parse(id) {
        Some(id) => tx.lock_organization(id).await,
        None => Ok(None),
    }
}

/// `first`, or a later id if that one is taken: somebody was given it on request.
pub(crate) async fn free_organization_id(
    tx: &mut WriteTx<'_>,
    first: OrganizationId,
    mut taken: bool,
) -> Result<OrganizationId, StoreError> {
    let mut id = first;
    while taken {
        id = OrganizationId(tx.take_numbers(Counter::Organization, 1).await?);
        taken = tx.organization_id_used(id).await?;
    }
    Ok(id)
}

impl Service {
    /// Adds an organization without values. Its name must be new.
    pub async fn create_organization(&self, caller: &Caller, name: &str) -> Result<OrganizationName, Error> {
        let name = organization_name(name)?;
        let number = self.numbers.take(caller.tenant, Counter::Organization, 1).await?;
        let draft = Draft::of_name(name, number, self.now());
        let made = self.create(caller, draft).await?;
        match made.subject {
            Subject::Organization(organization) => Ok(organization.into()),
            Subject::Customer(_) => Err(StoreError::Failed("a customer was made".into()).into()),
        }
    }

    /// An id other than the first one taken is from past the block: see [`free_organization_id`].
    pub(crate) async fn note_organization_id(
        &self,
        tenant: TenantId,
        first: OrganizationId,
        used: OrganizationId,
    ) {
        if used != first {
            self.numbers.raise(tenant, Counter::Organization, used.0).await;
        }
    }

    /// The version of an organization's answers that are made next, where one can be told: see
    /// [`guildhall_storage::Store::version`].
    pub fn organization_version(&self, caller: &Caller, id: OrganizationId) -> Option<Version> {
        self.store.version(caller.tenant, id)
    }

    /// Whether nobody but this process changes what is kept, so that a version that is told is of now: see
    /// [`guildhall_storage::Store::is_for_one_server`].
    pub fn is_for_one_server(&self) -> bool {
        self.store.is_for_one_server()
    }

    /// The version that those have to be of which were made before: see [`guildhall_storage::Store::version_now`].
    pub async fn organization_version_now(
        &self,
        caller: &Caller,
        id: OrganizationId,
    ) -> Result<Option<Version>, Error> {
        Ok(self.store.version_now(caller.tenant, id).await?)
    }

    /// The version of pages of organizations or customers that are made next, where one can be told: see
    /// [`guildhall_storage::Store::contents_version`].
    pub fn contents_version(&self, caller: &Caller) -> Option<Version> {
        self.store.contents_version(caller.tenant)
    }

    /// An organization as it is to be shown, with what hangs on it where that is wanted. `None` where the definitions
    /// of its fields are not in memory: reading its [profile](Self::profile) brings them there.
    pub async fn seen_organization(
        &self,
        caller: &Caller,
        id: &str,
        links: Links,
    ) -> Result<Option<Seen>, Error> {
        let known = OrganizationId::parse(id).ok_or_else(|| no_organization(id))?;
        let glance = self.store.glance(caller.tenant, known, links).await?;
        let definitions = |kind| {
            let stamp = glance.definitions_stamp;
            self.definitions.kept(caller.tenant, kind, stamp)
        };
        let kinds = (EntityKind::Organization, EntityKind::Entitlement);
        let (Some(fields), Some(of_entitlements)) = (definitions(kinds.0), definitions(kinds.1)) else {
            return Ok(None);
        };
        Ok(Some(Seen {
            organization: glance.organization.ok_or_else(|| no_organization(id))?,
            definitions: fields,
            entitlement_definitions: of_entitlements,
        }))
    }

    /// The organizations with these ids, then those with these names; each once, unknown ones left out.
    pub async fn fetch_organizations(
        &self,
        caller: &Caller,
        ids: &[String],
        names: &[String],
    ) -> Result<Vec<OrganizationName>, Error> {
        check_fetch(
            SubjectKind::Organization,
            ids,
            names,
            limits::FETCH_ORGANIZATIONS_MAX,
        )?;
        self.store
            .read(caller.tenant, async |tx| {
                let found = find_organizations(tx, ids, names).await?;
                Ok(found.into_iter().map(OrganizationName::from).collect())
            })
            .await
    }

    /// Renames an organization. Another's name is refused; a change of case is not.
    pub async fn rename_organization(
        &self,
        caller: &Caller,
        id: &str,
        name: &str,
    ) -> Result<OrganizationName, Error> {
        let name = organization_name(name)?;
        let (id, name_key, now) = (id.to_owned(), text::key(&name), self.now());
        self.store
            .write(caller.tenant, async move |tx| {
                let organization = lock_organization(tx, &id)
                    .await?
                    .ok_or_else(|| no_organization(&id))?;
                if let Some(other) = tx.organization_by_key(&name_key).await?
                    && other.id != organization.id
                {
                    return Err(name_taken(&name, &other.id.to_string()).into());
                }
                if organization.name != name {
                    tx.rename_organization(organization.id, &name, &name_key, now)
                        .await?;
                }
                Ok(OrganizationName {
                    id: organization.id,
                    name,
                })
            })
            .await
    }

    /// Removes an organization with its values, memberships and entitlements; customers stay.
    pub async fn delete_organization(&self, caller: &Caller, id: &str) -> Result<(), Error> {
        let (id, definitions) = (id.to_owned(), self.definitions.clone());
        self.store
            .write(caller.tenant, async move |tx| {
                let organization = lock_organization(tx, &id)
                    .await?
                    .ok_or_else(|| no_organization(&id))?;
                let definitions = definitions.get(tx, EntityKind::Organization).await?;
                Ok(tx.delete_organization(&organization, &definitions).await?)
            })
            .await
    }
}

/// The limits of a fetch: something asked for, and not too much of it.
pub(crate) fn check_fetch(
    kind: SubjectKind,
    ids: &[String],
    handles: &[String],
    max: usize,
) -> Result<(), Rejection> {
    let thing = kind.thing().name();
    let members = match kind {
        SubjectKind::Organization => "organizationIds and organizationNames",
        SubjectKind::Customer => "customerIds and emails",
    };
    match ids.len() + handles.len() {
        0 => Err(Rejection::invalid(
            "",
            format!("{members} are both absent or empty: name at least one {thing}"),
        )),
        asked if asked > max => Err(Rejection::invalid(
            "",
            format!("{members} name {asked} {thing}s together; at most {max} are fetched at once"),
        )),
        _ => Ok(()),
    }
}

pub(crate) async fn find_organizations(
    tx: &mut ReadTx<'_>,
    ids: &[String],
    names: &[String],
) -> Result<Vec<Organization>, StoreError> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for id in ids {
        found.extend(
            find_organization(tx, id)
                .await?
                .filter(|organization| seen.insert(organization.id)),
        );
    }
    for name in names {
        let organization = match text::name(name, limits::ORGANIZATION_NAME_CHARS_MAX) {
            Ok(name) => tx.organization_by_key(&text::key(&name)).await?,
            Err(_) => None,
        };
        found.extend(organization.filter(|organization| seen.insert(organization.id)));
    }
    Ok(found)
}
