//! Who may see an object. Access controls combine with AND, the principals inside one with OR.

use super::Key;
use crate::json::{self, Node};
use crate::limits::CONTAINER_DEPTH_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// One of those whom an access control names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// `EVERYONE`
    Everyone,
    /// `ATLASSIAN_WORKSPACE`: any signed-in member of the workspace.
    Workspace,
    /// `USER`: the external id of a user of the same connection.
    User(String),
    /// `GROUP`: the external id of a group of the same connection.
    Group(String),
    /// `CONTAINER`: whoever may see the object that `containerKey` names.
    Container,
}

/// The access controls of all permission entries that grant reading, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readers {
    /// One list of principals for each access control.
    pub access_controls: Vec<Vec<Principal>>,
}

/// What is known of an account in one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// External ids of the users that the account is mapped to.
    pub users: BTreeSet<String>,
    /// External ids of the groups that these users are in, through other groups too: [`groups_of`].
    pub groups: BTreeSet<String>,
    /// Whether the account is a signed-in member of the workspace.
    pub member_of_workspace: bool,
}

/// What the access controls of one object say, before its container is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The reader may see the object, whatever its container says.
    Admitted,
    /// The reader may not, whatever its container says.
    Refused,
    /// The reader may, if the reader may see the container.
    AsContainer,
}

impl Readers {
    /// Whether `reader` may see the object. `container_admits` is asked at most once, and only when
    /// the answer rests on it.
    pub fn admits(&self, reader: &Reader, mut container_admits: impl FnMut() -> bool) -> bool {
        match self.verdict(reader) {
            Verdict::Admitted => true,
            Verdict::Refused => false,
            Verdict::AsContainer => container_admits(),
        }
    }

    /// What the access controls say without a look at the container.
    pub fn verdict(&self, reader: &Reader) -> Verdict {
        if self.access_controls.is_empty() {
            return Verdict::Refused;
        }
        let mut verdict = Verdict::Admitted;
        for principals in &self.access_controls {
            if principals.iter().any(|principal| reader.is(principal)) {
                continue;
            }
            if !principals.contains(&Principal::Container) {
                return Verdict::Refused;
            }
            verdict = Verdict::AsContainer;
        }
        verdict
    }

    /// As one line of text, for storage: `[["everyone"],["user:u-1","group:g-1"]]`.
    pub fn to_text(&self) -> String {
        let mut out = String::from("[");
        for (index, principals) in self.access_controls.iter().enumerate() {
            out.push_str(if index == 0 { "[" } else { ",[" });
            for (index, principal) in principals.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                match principal {
                    Principal::Everyone => out.push_str("\"everyone\""),
                    Principal::Workspace => out.push_str("\"workspace\""),
                    Principal::Container => out.push_str("\"container\""),
                    Principal::User(id) => json::write_text(&format!("user:{id}"), &mut out),
                    Principal::Group(id) => json::write_text(&format!("group:{id}"), &mut out),
                }
            }
            out.push(']');
        }
        out.push(']');
        out
    }

    /// What [`Readers::to_text`] wrote; nothing when it is not that.
    pub fn from_text(text: &str) -> Option<Self> {
        let Ok(Node::Array(access_controls)) = json::parse(text.as_bytes()) else {
            return None;
        };
        let access_controls = access_controls.iter().map(|principals| match principals {
            Node::Array(principals) => principals.iter().map(principal).collect(),
            _ => None,
        });
        Some(Self {
            access_controls: access_controls.collect::<Option<_>>()?,
        })
    }
}

fn principal(node: &Node<'_>) -> Option<Principal> {
    let Node::Text(text) = node else { return None };
    match (text.as_ref(), text.split_once(':')) {
        ("everyone", _) => Some(Principal::Everyone),
        ("workspace", _) => Some(Principal::Workspace),
        ("container", _) => Some(Principal::Container),
        (_, Some(("user", id))) => Some(Principal::User(id.to_owned())),
        (_, Some(("group", id))) => Some(Principal::Group(id.to_owned())),
        _ => None,
    }
}

impl Reader {
    /// Whether the principal means this reader, as far as that can be said without the container.
    fn is(&self, principal: &Principal) -> bool {
        match principal {
            Principal::Everyone => true,
            Principal::Workspace => self.member_of_workspace,
            Principal::User(id) => self.users.contains(id),
            Principal::Group(id) => self.groups.contains(id),
            Principal::Container => false,
        }
    }
}

/// The way up from an object through its containers, for as long as the answer rests on them:
///
/// ```text
/// let mut containers = Containers::of(key of the object);
/// loop {
///     match readers.verdict(&reader) {
///         Admitted => return true,
///         Refused => return false,
///         AsContainer => match containers.next(container key).and_then(|key| load it) {
///             None => return false,
///             Some(container) => its readers and its container key are next,
///         },
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Containers {
    seen: BTreeSet<Key>,
}

impl Containers {
    /// Begins at this object.
    pub fn of(object: Key) -> Self {
        Self {
            seen: BTreeSet::from([object]),
        }
    }

    /// The container to ask next. Nothing when there is none, when the way leads in a circle, or when
    /// it is too long: then nobody is admitted through it.
    pub fn next<'k>(&mut self, container: Option<&'k Key>) -> Option<&'k Key> {
        let container = container.filter(|key| key.entity_id.is_some())?;
        let is_near = self.seen.len() <= CONTAINER_DEPTH_MAX;
        (is_near && self.seen.insert(container.clone())).then_some(container)
    }
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// The external id of a user.
    User(String),
    /// The external id of a group, all whose members are members too.
    Group(String),
}

/// That a group has a member.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Membership {
    /// The external id of the group.
    pub group: String,
    /// The member.
    pub member: Member,
}

/// The groups that any of `users` is in, directly or through other groups. Circles do no harm.
pub fn groups_of(users: &BTreeSet<String>, memberships: &[Membership]) -> BTreeSet<String> {
    let mut by_group: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = BTreeSet::new();
    let mut waiting = Vec::new();
    for Membership { group, member } in memberships {
        match member {
            Member::Group(inner) => by_group.entry(inner).or_default().push(group),
            Member::User(user) if users.contains(user) => waiting.push(group.as_str()),
            Member::User(_) => {}
        }
    }
    while let Some(group) = waiting.pop() {
        if found.insert(group.to_owned()) {
            waiting.extend(by_group.get(group).into_iter().flatten());
        }
    }
    found
}
