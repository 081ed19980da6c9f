//! The objects that an account may see. Permissions are evaluated when they are read, by the rules of the
//! domain over facts that are loaded a page at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use guildhall_domain::connector::{
    Containers, Key, Member, Object, ObjectType, Reader, Readers, Verdict, groups_of,
};
use guildhall_domain::seal::{NONCE_BYTES, SECRET_BYTES, Seal};
use guildhall_domain::{Caller, Excerpt, Rejection, TenantId, limits, text};
use guildhall_storage::{ConnectionRow, ReadTx, ReadableRow};

use crate::connections::meant;
use crate::{Error, Service};

/// Objects whose permissions are loaded at a time.
const LOADED_AT_ONCE: i64 = 250;

/// One page of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisiblePage {
    /// Their canonical JSON texts, without sensitive data.
    pub objects: Vec<String>,
    /// What to ask with for the next page, if there may be one.
    pub next: Option<String>,
}

/// Where a walk through all objects stands: connection, type, and the key of the last object, which the
/// reader may not be allowed to see. So a cursor is sealed: it says nothing, not even by its length, and
/// nobody can make one that leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    connection: i64,
    object_type: ObjectType,
    key: String,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VisibleQuery<'q> {
    /// Only objects of this connection.
    pub connection_id: Option<&'q str>,
    /// Only objects of this type.
    pub object_type: Option<ObjectType>,
    /// What came with the page before.
    pub cursor: Option<&'q str>,
    /// At most so many objects.
    pub limit: Option<i64>,
}

impl Service {
    /// Objects that the account of the caller may see, page by page. A page may end early, and even be
    /// empty, where many objects lie between those that may be seen: its cursor goes on behind them.
    pub async fn visible_objects(
        &self,
        caller: &Caller,
        query: VisibleQuery<'_>,
    ) -> Result<VisiblePage, Error> {
        let account = caller.account.as_deref().ok_or(Rejection::NoAccount)?;
        let about = about(caller.tenant, account, &query);
        let about: Vec<&str> = about.iter().map(String::as_str).collect();
        // No cursor was ever given where there is no seal yet.
        let after = match query.cursor {
            None => None,
            Some(cursor) => {
                let seal = self.known_seal(caller.tenant).await?;
                let place = seal.and_then(|seal| Place::read(&seal.open(&about, cursor)?));
                Some(place.ok_or_else(|| wrong_cursor(cursor))?)
            }
        };
        let max = limits::VISIBLE_PAGE_MAX;
        let limit = query.limit.unwrap_or(max).clamp(1, max);
        let (objects, next) = self
            .store
            .read_aside(caller.tenant, async |tx| {
                let connections = match query.connection_id {
                    Some(id) => vec![meant(tx, Some(id)).await?],
                    None => tx.connections().await?,
                };
                let types = ObjectType::ALL
                    .into_iter()
                    .filter(|known| query.object_type.is_none_or(|wanted| wanted == *known));
                let readers = readers(tx, account).await?;
                let mut walk = Walk {
                    limit: usize::try_from(limit).unwrap_or(1),
                    looks: 0,
                    found: Vec::new(),
                    last: None,
                };
                let parts = parts(&connections, &types, after.as_ref());
                let mut ended = true;
                for part in parts {
                    // Connections may be many, and each may hold few.
                    if walk.is_spent() {
                        ended = false;
                        break;
                    }
                    let reader = readers.get(&part.connection).cloned().unwrap_or_else(member);
                    ended = walk.part(tx, part, &reader).await?;
                    if !ended {
                        break;
                    }
                }
                let next = walk.next(ended);
                Ok::<_, Error>((bodies(tx, &walk.found).await?, next))
            })
            .await?;
        let next = match next {
            None => None,
            Some(place) => Some(self.sealed(caller.tenant, &about, &place).await?),
        };
        Ok(VisiblePage { objects, next })
    }

    async fn sealed(&self, tenant: TenantId, about: &[&str], place: &Place) -> Result<String, Error> {
        let seal = match self.known_seal(tenant).await? {
            Some(seal) => seal,
            None => self.new_seal(tenant).await?,
        };
        let mut nonce = [0; NONCE_BYTES];
        self.random.fill(&mut nonce);
        Ok(seal.seal(nonce, about, &place.bytes()))
    }

    /// The tenant's seal, which all servers and all later starts share.
    async fn known_seal(&self, tenant: TenantId) -> Result<Option<Seal>, Error> {
        let read = self.store.read(tenant, async |tx| Ok(tx.cursor_seal().await?));
        read.await
    }

    /// Draws a seal. Of servers that do so at once all get the first one's.
    async fn new_seal(&self, tenant: TenantId) -> Result<Seal, Error> {
        let mut secret = [0; SECRET_BYTES];
        self.random.fill(&mut secret);
        self.store
            .write(tenant, async move |tx| Ok(tx.keep_cursor_secret(&secret).await?))
            .await
    }
}

/// What a cursor belongs to: the tenant, the account, and the filters.
fn about(tenant: TenantId, account: &str, query: &VisibleQuery<'_>) -> [String; 4] {
    let connection = query.connection_id.map(str::to_ascii_lowercase);
    [
        tenant.0.to_string(),
        account.to_owned(),
        connection.unwrap_or_default(),
        query.object_type.map_or("", ObjectType::name).to_owned(),
    ]
}

/// Anybody with a token of the tenant.
fn member() -> Reader {
    Reader {
        member_of_workspace: true,
        ..Reader::default()
    }
}

/// Where to begin in each connection and type, in order, those that lie before `after` left out.
fn parts(
    connections: &[ConnectionRow],
    types: &(impl Iterator<Item = ObjectType> + Clone),
    after: Option<&Place>,
) -> Vec<Place> {
    let all = connections.iter().flat_map(|connection| {
        types.clone().map(|object_type| Place {
            connection: connection.number,
            object_type,
            key: String::new(),
        })
    });
    let here = |place: Place| match after {
        Some(after) if (place.connection, place.object_type) == (after.connection, after.object_type) => {
            Some(after.clone())
        }
        Some(after) if place < *after => None,
        _ => Some(place),
    };
    all.filter_map(here).collect()
}

/// What the account is in each connection that knows it.
async fn readers(tx: &mut ReadTx<'_>, account: &str) -> Result<BTreeMap<i64, Reader>, Error> {
    let mut emails = BTreeSet::new();
    if !account.contains('\0')
        && let Some(customer) = tx.customer(account).await?
    {
        emails.insert(customer.email_key);
    }
    if account.contains('@') {
        emails.insert(text::key(account));
    }
    let emails: Vec<String> = emails.into_iter().collect();
    let mut readers: BTreeMap<i64, Reader> = BTreeMap::new();
    for user in tx.users_of_account(account, &emails).await? {
        let reader = readers.entry(user.connection).or_insert_with(member);
        reader.users.insert(user.id);
    }
    for (connection, reader) in &mut readers {
        reader.groups = groups(tx, *connection, &reader.users).await?;
    }
    Ok(readers)
}

/// The groups that users are in, directly or through others: a level at a time, each group once. Groups
/// that are nested deeper than anybody nests them admit nobody.
async fn groups(
    tx: &mut ReadTx<'_>,
    connection: i64,
    users: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let mut memberships = Vec::new();
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut level: Vec<Member> = users.iter().cloned().map(Member::User).collect();
    for _ in 0..limits::GROUP_DEPTH_MAX {
        if level.is_empty() {
            break;
        }
        let found = tx.connector_memberships(connection, &level).await?;
        level = found
            .iter()
            .filter(|membership| known.insert(membership.group.clone()))
            .map(|membership| Member::Group(membership.group.clone()))
            .collect();
        memberships.extend(found);
    }
    Ok(groups_of(users, &memberships))
}

/// The texts of what was found, in its order.
async fn bodies(tx: &mut ReadTx<'_>, found: &[Place]) -> Result<Vec<String>, Error> {
    let mut bodies = Vec::with_capacity(found.len());
    for part in found.chunk_by(|a, b| (a.connection, a.object_type) == (b.connection, b.object_type)) {
        let keys: Vec<&str> = part.iter().map(|place| place.key.as_str()).collect();
        let Some(first) = part.first() else { continue };
        let texts = tx
            .object_bodies(first.connection, first.object_type, &keys)
            .await?;
        bodies.extend(texts.into_iter().map(Object::shown_in_lists));
    }
    Ok(bodies)
}

/// A walk through objects in the order of their places.
struct Walk {
    limit: usize,
    looks: usize,
    found: Vec<Place>,
    last: Option<Place>,
}

impl Walk {
    /// Walks through one connection and type; whether it came to the end of it.
    async fn part(&mut self, tx: &mut ReadTx<'_>, mut at: Place, reader: &Reader) -> Result<bool, Error> {
        let mut judge = Judge {
            connection: at.connection,
            reader,
            containers: HashMap::new(),
        };
        loop {
            let rows = tx
                .readable_after(at.connection, at.object_type, &at.key, LOADED_AT_ONCE)
                .await?;
            let is_last = (rows.len() as i64) < LOADED_AT_ONCE;
            self.looks += rows.len() + judge.load_containers(tx, &rows).await?;
            for row in rows {
                let admitted = judge.admits(&row);
                at.key = row.key.entity_id.unwrap_or_default();
                if admitted {
                    // One more than fits shows that there is another page.
                    self.found.push(at.clone());
                    if self.found.len() > self.limit {
                        return Ok(false);
                    }
                }
                self.last = Some(at.clone());
            }
            if is_last {
                return Ok(true);
            }
            if self.is_spent() {
                return Ok(false);
            }
        }
    }

    /// Whether one request has looked at enough.
    fn is_spent(&self) -> bool {
        self.looks >= limits::VISIBLE_LOOKS_MAX
    }

    /// The place behind what this page tells of.
    fn next(&mut self, ended: bool) -> Option<Place> {
        if self.found.len() > self.limit {
            self.found.pop();
            self.last = self.found.last().cloned();
        }
        self.last.take().filter(|_| !ended)
    }
}

/// Decides for one reader in one connection.
struct Judge<'r> {
    connection: i64,
    reader: &'r Reader,
    /// Containers that were asked for; nothing where there is none.
    containers: HashMap<Key, Option<(Readers, Option<Key>)>>,
}

impl Judge<'_> {
    /// Loads the containers on which the answers for these objects rest, level by level; how many.
    async fn load_containers(&mut self, tx: &mut ReadTx<'_>, rows: &[ReadableRow]) -> Result<usize, Error> {
        let rests = |readers: &Readers| readers.verdict(self.reader) == Verdict::AsContainer;
        let mut wanted: BTreeSet<Key> = rows
            .iter()
            .filter(|row| row.readers.as_ref().is_some_and(rests))
            .filter_map(|row| row.container.clone())
            .collect();
        let mut loaded = 0;
        for _level in 0..=limits::CONTAINER_DEPTH_MAX {
            wanted.retain(|key| !self.containers.contains_key(key));
            if wanted.is_empty() {
                break;
            }
            let keys: Vec<Key> = wanted.into_iter().collect();
            let found = tx.readable(self.connection, &keys).await?;
            loaded += found.len();
            self.containers.extend(keys.into_iter().map(|key| (key, None)));
            wanted = BTreeSet::new();
            for row in found {
                let Some(readers) = row.readers else { continue };
                if readers.verdict(self.reader) == Verdict::AsContainer {
                    wanted.extend(row.container.clone());
                }
                self.containers.insert(row.key, Some((readers, row.container)));
            }
        }
        Ok(loaded)
    }

    /// Whether the reader may see the object; one that was deleted nobody may.
    fn admits(&self, row: &ReadableRow) -> bool {
        let Some(readers) = &row.readers else { return false };
        let mut way = Containers::of(row.key.clone());
        let (mut readers, mut container) = (readers, row.container.as_ref());
        loop {
            match readers.verdict(self.reader) {
                Verdict::Admitted => return true,
                Verdict::Refused => return false,
                Verdict::AsContainer => {}
            }
            let next = way
                .next(container)
                .and_then(|key| self.containers.get(key)?.as_ref());
            let Some((its_readers, its_container)) = next else {
                return false;
            };
            (readers, container) = (its_readers, its_container.as_ref());
        }
    }
}

impl Place {
    /// Bytes of all places: keys have at most 245, and shorter ones are filled up.
    const BYTES: usize = 256;
    const NUMBER_BYTES: usize = size_of::<i64>();

    fn bytes(&self) -> Vec<u8> {
        let at = ObjectType::ALL
            .iter()
            .position(|known| *known == self.object_type);
        let mut bytes = self.connection.to_be_bytes().to_vec();
        bytes.push(at.and_then(|at| u8::try_from(at).ok()).unwrap_or(0));
        bytes.extend_from_slice(self.key.as_bytes());
        // No key holds U+0000.
        bytes.resize(bytes.len().next_multiple_of(Self::BYTES), 0);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (connection, rest) = bytes.split_at_checked(Self::NUMBER_BYTES)?;
        let (at, key) = rest.split_first()?;
        let key = std::str::from_utf8(key).ok()?;
        Some(Self {
            connection: i64::from_be_bytes(connection.try_into().ok()?),
            object_type: *ObjectType::ALL.get(usize::from(*at))?,
            key: key.trim_end_matches('\0').to_owned(),
        })
    }
}

fn wrong_cursor(cursor: &str) -> Rejection {
    let problem = format!(
        "{:?} is no cursor of this list; use the nextCursor of the page before, with the same account and filters",
        Excerpt(cursor)
    );
    Rejection::invalid("cursor", problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_went_and_all_are_as_long() {
        for key in ["", "a/b c", "ä\u{1}", &"k".repeat(245)] {
            let place = Place {
                connection: 300,
                object_type: ObjectType::CustomerOrg,
                key: key.into(),
            };
            assert_eq!(place.bytes().len(), Place::BYTES);
            assert_eq!(Place::read(&place.bytes()), Some(place));
        }
    }

    #[test]
    fn parts_begin_where_the_cursor_stands() {
        let connections: Vec<_> = [3, 5]
            .map(|number| ConnectionRow {
                number,
                id: String::new(),
                name: String::new(),
                created_at: guildhall_domain::Timestamp(0),
            })
            .into();
        let types = ObjectType::ALL.into_iter();
        assert_eq!(parts(&connections, &types, None).len(), 6);
        let at = |connection, object_type, key: &str| Place {
            connection,
            object_type,
            key: key.into(),
        };
        let after = at(3, ObjectType::CustomerOrg, "k");
        let left = parts(&connections, &types, Some(&after));
        assert_eq!((left.len(), &left[0]), (5, &after));
        // The connection where it stood may be gone.
        let left = parts(&connections, &types, Some(&at(4, ObjectType::CustomerOrg, "k")));
        assert_eq!((left.len(), left[0].connection), (3, 5));
    }
}
