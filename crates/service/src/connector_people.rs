//! Users, groups and mappings of connectors.

use std::collections::{BTreeSet, HashMap};

use guildhall_domain::connector::{Counted, ExternalIds, Group, Mapping, RejectedPerson, SetPeople, User};
use guildhall_domain::{Caller, Rejection, Thing};
use guildhall_storage::{PersonRow, WriteTx};

use crate::connections::meant;
use crate::{Error, Service};

/// What became of the users, groups or mappings of a request, each with its place there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeopleSet {
    /// The external ids of those that were accepted, applied or not.
    pub accepted: Vec<(usize, String)>,
    /// Those that were not.
    pub rejected: Vec<(usize, RejectedPerson)>,
}

/// A group with its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupDetails {
    /// The group.
    pub group: PersonRow,
    /// Its members as they were sent, each as JSON.
    pub members: Vec<String>,
}

/// Something that has an external id.
trait External {
    fn external_id(&self) -> &str;
}

impl External for User {
    fn external_id(&self) -> &str {
        &self.id
    }
}

impl External for Group {
    fn external_id(&self) -> &str {
        &self.id
    }
}

impl External for Mapping {
    fn external_id(&self) -> &str {
        &self.user_id
    }
}

/// What is valid, and what became of each.
fn sort_out<T: External>(items: Vec<Result<T, RejectedPerson>>) -> (Vec<T>, PeopleSet) {
    let (mut valid, mut accepted, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Ok(item) => {
                accepted.push((index, item.external_id().to_owned()));
                valid.push(item);
            }
            Err(refused) => rejected.push((index, refused)),
        }
    }
    (valid, PeopleSet { accepted, rejected })
}

/// Sets in each of which an id stands once, sorted: the second of an id comes after the first.
fn rounds<T: External>(items: &[T]) -> Vec<Vec<&T>> {
    let mut rounds: Vec<Vec<&T>> = Vec::new();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for item in items {
        let round = seen.entry(item.external_id()).or_default();
        if rounds.len() == *round {
            rounds.push(Vec::new());
        }
        rounds[*round].push(item);
        *round += 1;
    }
    for round in &mut rounds {
        round.sort_unstable_by_key(|item| item.external_id());
    }
    rounds
}

async fn connection(tx: &mut WriteTx<'_>, id: Option<&str>) -> Result<i64, Error> {
    let number = meant(tx, id).await?.number;
    match tx.share_connection(number).await? {
        true => Ok(number),
        false => Err(Rejection::NotThere(Thing::Connection).into()),
    }
}

fn told(ids: Vec<String>, deleted: &BTreeSet<String>) -> Vec<(String, bool)> {
    let found = ids.into_iter().map(|id| {
        let found = deleted.contains(&id);
        (id, found)
    });
    found.collect()
}

impl Service {
    /// Sets users: each that is valid is accepted, and applied unless what is there is newer.
    pub async fn set_users(&self, caller: &Caller, request: SetPeople<User>) -> Result<PeopleSet, Error> {
        self.count(caller, Counted::SetUsers, request.items.len())?;
        let (users, outcome) = sort_out(request.items);
        let (connection_id, equal, now) = (request.connection_id, self.settings.equal_sequence, self.now());
        self.store
            .write(caller.tenant, async move |tx| {
                let connection = connection(tx, connection_id.as_deref()).await?;
                for round in rounds(&users) {
                    tx.put_users(connection, &round, equal, now).await?;
                }
                Ok(outcome)
            })
            .await
    }

    /// Sets groups: as users.
    pub async fn set_groups(&self, caller: &Caller, request: SetPeople<Group>) -> Result<PeopleSet, Error> {
        self.count(caller, Counted::SetGroups, request.items.len())?;
        let (groups, outcome) = sort_out(request.items);
        let (connection_id, equal, now) = (request.connection_id, self.settings.equal_sequence, self.now());
        self.store
            .write(caller.tenant, async move |tx| {
                let connection = connection(tx, connection_id.as_deref()).await?;
                for round in rounds(&groups) {
                    tx.put_groups(connection, &round, equal, now).await?;
                }
                Ok(outcome)
            })
            .await
    }

    /// Maps users to accounts: as users are set.
    pub async fn map_users(&self, caller: &Caller, request: SetPeople<Mapping>) -> Result<PeopleSet, Error> {
        self.count(caller, Counted::MapUsers, request.items.len())?;
        let (mappings, outcome) = sort_out(request.items);
        let (connection_id, equal) = (request.connection_id, self.settings.equal_sequence);
        self.store
            .write(caller.tenant, async move |tx| {
                let connection = connection(tx, connection_id.as_deref()).await?;
                for round in rounds(&mappings) {
                    tx.put_mappings(connection, &round, equal).await?;
                }
                Ok(outcome)
            })
            .await
    }

    /// A user, as it was sent.
    pub async fn connector_user(
        &self,
        caller: &Caller,
        connection_id: Option<&str>,
        id: &str,
    ) -> Result<PersonRow, Error> {
        self.count(caller, Counted::GetUser, 1)?;
        self.store
            .read(caller.tenant, async |tx| {
                let connection = meant(tx, connection_id).await?.number;
                let found = match id.contains('\0') {
                    true => None,
                    false => tx.connector_user(connection, id).await?,
                };
                found.ok_or_else(|| Rejection::NotThere(Thing::User).into())
            })
            .await
    }

    /// A group with its members.
    pub async fn connector_group(
        &self,
        caller: &Caller,
        connection_id: Option<&str>,
        id: &str,
    ) -> Result<GroupDetails, Error> {
        self.count(caller, Counted::GetGroup, 1)?;
        self.store
            .read(caller.tenant, async |tx| {
                let connection = meant(tx, connection_id).await?.number;
                let found = match id.contains('\0') {
                    true => None,
                    false => tx.connector_group(connection, id).await?,
                };
                let group = found.ok_or(Rejection::NotThere(Thing::Group))?;
                let members = tx.connector_members(connection, id).await?;
                Ok(GroupDetails { group, members })
            })
            .await
    }

    /// Deletes users with their mappings and memberships; of each id whether there was one.
    pub async fn delete_users(
        &self,
        caller: &Caller,
        request: ExternalIds,
    ) -> Result<Vec<(String, bool)>, Error> {
        self.count(caller, Counted::DeleteUsers, request.ids.len())?;
        let now = self.now();
        self.store
            .write(caller.tenant, async move |tx| {
                let connection = meant(tx, request.connection_id.as_deref()).await?.number;
                let deleted = tx.delete_users(connection, &request.ids, now).await?;
                Ok(told(request.ids, &deleted))
            })
            .await
    }

    /// Deletes groups with their memberships; of each id whether there was one.
    pub async fn delete_groups(
        &self,
        caller: &Caller,
        request: ExternalIds,
    ) -> Result<Vec<(String, bool)>, Error> {
        self.count(caller, Counted::DeleteGroups, request.ids.len())?;
        let now = self.now();
        self.store
            .write(caller.tenant, async move |tx| {
                let connection = meant(tx, request.connection_id.as_deref()).await?.number;
                let deleted = tx.delete_groups(connection, &request.ids, now).await?;
                Ok(told(request.ids, &deleted))
            })
            .await
    }
}
