//! Who has a name: organizations are told apart by their names as compared.
//!
//! On PostgreSQL the rows have a unique index of names. On SQLite it would be one more page at a random place of a tree for each
//! organization that is created: more than half of the pages of a busy commit. So names are there in an index of their own, `name_index`, into which
//! they are brought later, with the values ([`crate::pending`]): an entry is a candidate, whose row says whether it has the name. That no two have
//! the same one is seen to here, by the one writer: where it was not asked before who has a name, it is when the name is given.

use std::collections::{BTreeMap, BTreeSet};

use guildhall_domain::list::{Place, Position};
use guildhall_domain::{FieldId, Organization, OrganizationId};

use crate::driver::Row;
use crate::error::StoreError;
use crate::facts::json;
use crate::organizations;
use crate::pending::{Change, Entry};
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

/// Where names stand among the entries that are pending: no field has this id.
pub(crate) const NAMES: FieldId = FieldId(0);

/// Adds a name, if it is not there.
pub(crate) const INSERT_NAME: &str = "INSERT INTO name_index (tenant_id, name_key, organization_id) \
     SELECT $1, r.name_key, r.organization_id FROM EACH_ROW(name_key $2, organization_id $3) ON CONFLICT DO NOTHING";
/// Removes a name, if it is there.
pub(crate) const DELETE_NAME: &str = "DELETE FROM name_index USING EACH_ROW(name_key $2, organization_id $3) \
     WHERE name_index.tenant_id = $1 AND name_index.name_key = r.name_key AND name_index.organization_id = r.organization_id";

/// A walk through names, forward and backward.
pub(crate) const WALK: [&str; 2] = [
    "SELECT name_key, organization_id FROM name_index WHERE tenant_id = $1 AND (name_key, organization_id) > ($2, $3) \
     AND name_key < $4 ORDER BY name_key, organization_id LIMIT $5",
    "SELECT name_key, organization_id FROM name_index WHERE tenant_id = $1 AND (name_key, organization_id) < ($2, $3) \
     AND name_key >= $4 ORDER BY name_key DESC, organization_id DESC LIMIT $5",
];

/// Entries that a walk looks at in its second turn at least, and in each at most.
const TURN_MIN: usize = 100;
const TURN_MAX: usize = 2_000;

/// A name as compared, and the number of the organization that it may be of.
type Named = (String, i64);

fn named(row: &Row<'_>) -> Result<Named, StoreError> {
    Ok((row.text(0)?, row.int(1)?))
}

impl ReadTx<'_> {
    /// The organization with this compared name.
    pub async fn organization_by_key(&mut self, key: &str) -> Result<Option<Organization>, StoreError> {
        const SQL: &str =
            "SELECT id, name, name_key, details FROM organization WHERE tenant_id = $1 AND name_key = $2";
        if !self.has_name_index() {
            return self.fetch_optional(SQL, &[key.into()], organizations::row).await;
        }
        match self.named(&BTreeSet::from([key])).await?.get(key) {
            Some(number) => self.organization(OrganizationId(*number)).await,
            None => Ok(None),
        }
    }

    /// The organizations with these compared names, where names have an index of their own.
    pub(crate) async fn named(&mut self, keys: &BTreeSet<&str>) -> Result<BTreeMap<String, i64>, StoreError> {
        let mut named = BTreeMap::new();
        let candidates = self.perhaps_named(keys).await?;
        self.names_among(&candidates, keys, &mut named).await?;
        // Who was called so, and is no more by what is pending, may be so in an older snapshot. The writer has the newest. All are asked,
        // since what was said last may have changed meanwhile.
        if let Some(hold) = self.hold() {
            let place = (self.tenant(), NAMES);
            let left = keys.iter().filter(|key| !named.contains_key(**key));
            let were: BTreeSet<i64> = left
                .flat_map(|key| hold.with_key(place, key, (i64::MIN, false), usize::MAX))
                .collect();
            self.names_among(&were, keys, &mut named).await?;
        }
        Ok(named)
    }

    /// Those of these organizations that have one of these compared names.
    async fn names_among(
        &mut self,
        numbers: &BTreeSet<i64>,
        keys: &BTreeSet<&str>,
        named: &mut BTreeMap<String, i64>,
    ) -> Result<(), StoreError> {
        let names = self.names_of(numbers).await?;
        let wanted = names.into_iter().filter(|(_, name)| keys.contains(&**name));
        named.extend(wanted.map(|(number, name)| (name, number)));
        Ok(())
    }

    /// The numbers of organizations that may have one of these compared names: all that have one in the newest snapshot.
    async fn perhaps_named(&mut self, keys: &BTreeSet<&str>) -> Result<BTreeSet<i64>, StoreError> {
        const ONE: &str = "SELECT organization_id FROM name_index WHERE tenant_id = $1 AND name_key = $2";
        const SOME: &str =
            "SELECT organization_id FROM name_index WHERE tenant_id = $1 AND name_key IN EACH_TEXT($2)";
        let number = |row: &Row<'_>| row.int(0);
        // A set costs more than one.
        let of_index = match keys.first() {
            None => return Ok(BTreeSet::new()),
            Some(key) if keys.len() == 1 => self.fetch(ONE, &[(*key).into()], number).await?,
            Some(_) => self.fetch(SOME, &[(&json(keys)?).into()], number).await?,
        };
        let place = (self.tenant(), NAMES);
        let pending = self.pending(
            place,
            |hold| {
                let each = keys.iter().map(|key| hold.with_key_now(place, key));
                each.flatten().collect()
            },
            |entry| keys.contains(&*entry.key).then_some(entry.number),
        );
        Ok(of_index.into_iter().chain(pending).collect())
    }

    /// What these organizations are called as compared, if they are there.
    async fn names_of(&mut self, numbers: &BTreeSet<i64>) -> Result<BTreeMap<i64, String>, StoreError> {
        const SQL: &str = "SELECT name_key, id FROM organization WHERE tenant_id = $1 AND id IN EACH_INT($2)";
        if numbers.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names = self.fetch(SQL, &[(&json(numbers)?).into()], named).await?;
        Ok(names.into_iter().map(|(name, number)| (number, name)).collect())
    }

    /// The next positions of a walk through the index of names, from one position to a name; backward where `descending`. All of
    /// them are of organizations that have the name.
    pub(crate) async fn walk_names(
        &mut self,
        (from, to): ((&str, i64), &str),
        descending: bool,
        limit: i64,
    ) -> Result<Vec<Position>, StoreError> {
        let place = (self.tenant(), NAMES);
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut from = (from.0.to_owned(), from.1);
        let mut all: Vec<Named> = Vec::new();
        // As many as are asked for, and more each time where many are pending that are called otherwise.
        let mut wanted = limit;
        loop {
            let params = [
                (&from.0).into(),
                from.1.into(),
                to.into(),
                i64::try_from(wanted).unwrap_or(i64::MAX).into(),
            ];
            let mut found = self.fetch(WALK[usize::from(descending)], &params, named).await?;
            let is_within = |key: &str, number: i64| match descending {
                false => (key, number) > (&*from.0, from.1) && key < to,
                true => (key, number) < (&*from.0, from.1) && key >= to,
            };
            let pending: BTreeSet<Named> = self
                .pending(
                    place,
                    |hold| hold.in_order(place, ((&from.0, from.1), to), descending, wanted),
                    |entry| {
                        let is_one = is_within(&entry.key, entry.number);
                        is_one.then(|| (entry.key.clone(), entry.number))
                    },
                )
                .into_iter()
                .map(|(key, number)| (key.into(), number))
                .collect();
            if pending.is_empty() {
                all.append(&mut found);
                break;
            }
            found.extend(pending.iter().cloned());
            found.sort_unstable();
            if descending {
                found.reverse();
            }
            found.dedup();
            found.truncate(wanted);
            let (is_end, last) = (found.len() < wanted, found.last().cloned());
            // What the index has and nothing is said of is so. Of what is pending, the rows say what is.
            let asked = found.iter().filter(|name| pending.contains(*name));
            let names = self.names_of(&asked.map(|(_, number)| *number).collect()).await?;
            found.retain(|name| !pending.contains(name) || names.get(&name.1) == Some(&name.0));
            all.append(&mut found);
            match last {
                Some(last) if !is_end && all.len() < limit => from = last,
                _ => break,
            }
            wanted = (wanted * 2).clamp(TURN_MIN, TURN_MAX);
        }
        all.truncate(limit);
        let position = |(name, number)| Position {
            place: Place::Text(name),
            number,
        };
        Ok(all.into_iter().map(position).collect())
    }
}

impl WriteTx<'_> {
    /// An organization, whose own row is written behind, is to be called so.
    pub(crate) async fn reindex_name(&mut self, id: OrganizationId, key: &str) -> Result<(), StoreError> {
        if !self.has_name_index() {
            return Ok(());
        }
        let old = self.names_of(&BTreeSet::from([id.0])).await?;
        match old.get(&id.0) {
            Some(old) if old != key => {
                // In this order: where another one is called so, nothing has been noted.
                self.index_name(id, key, true).await?;
                self.index_name(id, old, false).await
            }
            // As it is, or no such organization, which the row's own statement says.
            _ => Ok(()),
        }
    }

    /// What has these names, and a note of those that nobody has: who gives one of them need not ask again.
    pub(crate) async fn named_or_free(
        &mut self,
        keys: &BTreeSet<&str>,
    ) -> Result<BTreeMap<String, i64>, StoreError> {
        let named = self.named(keys).await?;
        self.note_free_names(keys.iter().copied().filter(|key| !named.contains_key(*key)));
        Ok(named)
    }

    /// An organization, whose own row is written behind, is called so, or no more. Refused as by a unique index where another one is
    /// called so.
    pub(crate) async fn index_name(
        &mut self,
        id: OrganizationId,
        key: &str,
        is_there: bool,
    ) -> Result<(), StoreError> {
        if !self.has_name_index() {
            return Ok(());
        }
        if is_there && !self.take_free_name(key) && !self.named(&BTreeSet::from([key])).await?.is_empty() {
            return Err(StoreError::Conflict {
                constraint: "name_index".into(),
            });
        }
        let tenant = self.tenant();
        let change = || Change {
            entry: Entry {
                tenant,
                field: NAMES,
                key: key.into(),
                number: id.0,
            },
            is_there,
        };
        if self.note_entry(change) {
            return Ok(());
        }
        let sql = if is_there { INSERT_NAME } else { DELETE_NAME };
        self.execute_any_on(Touched::Nothing, sql, &[key.into(), id.0.into()])
            .await
    }
}
