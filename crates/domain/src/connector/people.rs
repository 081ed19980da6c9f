//! Users, groups and mappings of a connector, as permissions of objects rest on them. Little is asked of
//! them: an external id, and what a decision needs; all else is kept as it was sent. Long, because the three are read by
//! the same few functions.

use super::{Member, Problem, RequestFault, number};
use crate::json::{Members, Node};
use crate::{limits, text};

/// A user of the source system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id there.
    pub id: String,
    /// `updateSequenceNumber`; without one it replaces whatever is there.
    pub sequence: Option<i64>,
    /// The whole payload as JSON.
    pub body: String,
    /// Its email addresses as they are compared.
    pub email_keys: Vec<String>,
}

/// One member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Who.
    pub member: Member,
    /// The whole entry as JSON.
    pub body: String,
}

/// A group of the source system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its id there.
    pub id: String,
    /// `updateSequenceNumber`; without one it replaces whatever is there.
    pub sequence: Option<i64>,
    /// The payload as JSON, without its members and what the server says of a group: `id`, `meta`.
    pub body: String,
    /// All its members, each once; without them the membership stays as it is.
    pub members: Option<Vec<GroupMember>>,
}

/// That a user of the source system is an account here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The external id of the user.
    pub user_id: String,
    /// `updateSequenceNumber`
    pub sequence: i64,
    /// When it was made, as its sender says: milliseconds since 1970.
    pub mapped_at: i64,
    /// The account.
    pub account: Option<String>,
    /// The account's email; of no matter where the account is named.
    pub email: Option<String>,
}

/// One that is refused; the others of its request are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedPerson {
    /// Its external id, where that could be read.
    pub id: Option<String>,
    /// All that is wrong with it; at least one.
    pub problems: Vec<Problem>,
}

/// A request that brings users, groups or mappings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetPeople<T> {
    /// The connection, when the request names one.
    pub connection_id: Option<String>,
    /// What it brings, in the order given, each on its own.
    pub items: Vec<Result<T, RejectedPerson>>,
}

/// Something that a request brings many of.
pub trait Person: Sized {
    /// The member of the request that holds them.
    const LIST: &'static str;

    /// Reads one.
    fn read(members: &Members<'_>, problems: &mut Vec<Problem>) -> Option<Self>;

    /// How many rows it becomes beside its own.
    fn weight(&self) -> usize {
        0
    }
}

impl<T: Person> SetPeople<T> {
    /// Reads the body of a request.
    ///
    /// # Errors
    ///
    /// When its shape is wrong as a whole.
    pub fn read(body: &Node<'_>) -> Result<Self, RequestFault> {
        let members = object(body)?;
        let list = T::LIST;
        let items = match members.get(list) {
            Some(Node::Array(items)) => items,
            None | Some(Node::Null) => return Err(RequestFault::at(list, format!("{list} is required"))),
            Some(_) => return Err(RequestFault::at(list, format!("{list} must be an array"))),
        };
        check_count(list, items.len())?;
        let items: Vec<_> = items.iter().map(read_person::<T>).collect();
        let weight: usize = items.iter().flatten().map(T::weight).sum();
        if weight > limits::GROUP_MEMBERS_MAX {
            let max = limits::GROUP_MEMBERS_MAX;
            let message = format!("{list} may hold at most {max} members in one request, found {weight}");
            return Err(RequestFault::at(list, message));
        }
        Ok(Self {
            connection_id: connection_id(members)?,
            items,
        })
    }
}

fn read_person<T: Person>(node: &Node<'_>) -> Result<T, RejectedPerson> {
    let Node::Object(members) = node else {
        return Err(RejectedPerson {
            id: None,
            problems: vec![problem("", "must be an object")],
        });
    };
    let mut problems = Vec::new();
    let person = T::read(members, &mut problems);
    match person {
        Some(person) if problems.is_empty() => Ok(person),
        _ => Err(RejectedPerson {
            id: members.get("externalId").and_then(id_text),
            problems,
        }),
    }
}

impl Person for User {
    const LIST: &'static str = "users";

    fn read(members: &Members<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let id = external_id(members, "externalId", problems);
        let sequence = sequence(members, problems);
        string(members, "displayName", problems);
        let email_keys = emails(members, problems);
        let body = body(members, &[], problems);
        Some(Self {
            id: id?,
            sequence,
            body,
            email_keys,
        })
    }
}

impl Person for Group {
    const LIST: &'static str = "groups";

    fn read(members: &Members<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let id = external_id(members, "externalId", problems);
        let sequence = sequence(members, problems);
        string(members, "displayName", problems);
        let all = match members.get("members") {
            None | Some(Node::Null) => None,
            Some(Node::Array(all)) => Some(group_members(all, problems)),
            Some(_) => {
                problems.push(problem("members", "members must be an array"));
                None
            }
        };
        let body = body(members, &["id", "members", "meta"], problems);
        Some(Self {
            id: id?,
            sequence,
            body,
            members: all,
        })
    }

    fn weight(&self) -> usize {
        self.members.as_ref().map_or(0, Vec::len)
    }
}

impl Person for Mapping {
    const LIST: &'static str = "directMappings";

    fn read(members: &Members<'_>, problems: &mut Vec<Problem>) -> Option<Self> {
        let user_id = external_id(members, "externalId", problems);
        let sequence = sequence(members, problems);
        if sequence.is_none() && !has(members, "updateSequenceNumber") {
            problems.push(problem(
                "updateSequenceNumber",
                "updateSequenceNumber is required",
            ));
        }
        let mapped_at = match members.get("updatedAt") {
            None | Some(Node::Null) => {
                problems.push(problem("updatedAt", "updatedAt is required"));
                None
            }
            Some(node) => {
                let time = number::sequence(node);
                if time.is_none() {
                    let message = "updatedAt must be an integer, milliseconds since 1970";
                    problems.push(problem("updatedAt", message));
                }
                time
            }
        };
        let account = short(members, "accountId", limits::ACCOUNT_ID_CHARS_MAX, problems);
        let name = if has(members, "email") {
            "email"
        } else {
            "externalEmailAddress"
        };
        let email = short(members, name, limits::EMAIL_CHARS_MAX, problems);
        if !has(members, "accountId") && !has(members, name) {
            problems.push(problem("accountId", "accountId or email is required"));
        }
        Some(Self {
            user_id: user_id?,
            sequence: sequence?,
            mapped_at: mapped_at?,
            account,
            email,
        })
    }
}

impl Mapping {
    /// The email by which the account is found, where the account is not named.
    pub fn email_key(&self) -> Option<String> {
        match self.account {
            Some(_) => None,
            None => self.email.as_deref().map(text::key),
        }
    }
}

fn group_members(all: &[Node<'_>], problems: &mut Vec<Problem>) -> Vec<GroupMember> {
    let mut seen = std::collections::BTreeSet::new();
    let mut read = Vec::with_capacity(all.len());
    for (index, node) in all.iter().enumerate() {
        // A body of nothing but errors must not become an answer many times its size.
        if problems.len() >= limits::OBJECT_PROBLEMS_MAX {
            let message = format!("only the first {} errors are listed", limits::OBJECT_PROBLEMS_MAX);
            problems.push(problem("members", message));
            break;
        }
        let at = format!("members[{index}]");
        let Node::Object(members) = node else {
            problems.push(problem(&at, "must be an object"));
            continue;
        };
        let mut found = Vec::new();
        let id = external_id(members, "externalId", &mut found);
        let is_group = match members.get("type") {
            None | Some(Node::Null) => false,
            Some(Node::Text(kind)) if kind.eq_ignore_ascii_case("user") => false,
            Some(Node::Text(kind)) if kind.eq_ignore_ascii_case("group") => true,
            Some(_) => {
                found.push(problem("type", "type must be USER or GROUP"));
                false
            }
        };
        problems.extend(found.into_iter().map(|Problem { key, message }| Problem {
            key: format!("{at}.{key}"),
            message,
        }));
        let Some(id) = id else { continue };
        let member = if is_group {
            Member::Group(id)
        } else {
            Member::User(id)
        };
        if seen.insert(member.clone()) {
            let mut body = String::new();
            node.write(&mut body);
            read.push(GroupMember { member, body });
        }
    }
    read
}

fn emails(members: &Members<'_>, problems: &mut Vec<Problem>) -> Vec<String> {
    let list = match members.get("emails") {
        None | Some(Node::Null) => return Vec::new(),
        Some(Node::Array(list)) => list,
        Some(_) => {
            problems.push(problem("emails", "emails must be an array"));
            return Vec::new();
        }
    };
    if list.len() > limits::USER_EMAILS_MAX {
        let message = format!("emails may hold at most {} entries", limits::USER_EMAILS_MAX);
        problems.push(problem("emails", message));
        return Vec::new();
    }
    let mut keys = Vec::new();
    for (index, node) in list.iter().enumerate() {
        let at = format!("emails[{index}].value");
        match node {
            Node::Object(email) => match email.get("value") {
                Some(Node::Text(value)) if value.chars().count() > limits::EMAIL_CHARS_MAX => {
                    let message = format!("{at} must be at most {} characters", limits::EMAIL_CHARS_MAX);
                    problems.push(problem(&at, message));
                }
                Some(Node::Text(value)) => keys.push(text::key(value)),
                _ => problems.push(problem(&at, format!("{at} must be a string"))),
            },
            _ => problems.push(problem(&format!("emails[{index}]"), "must be an object")),
        }
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// The payload as JSON, members in the order given, without some of them.
fn body(members: &Members<'_>, without: &[&str], problems: &mut Vec<Problem>) -> String {
    let mut out = String::from("{");
    for (name, node) in members.iter().filter(|(name, _)| !without.contains(name)) {
        if out.len() > 1 {
            out.push(',');
        }
        crate::json::write_text(name, &mut out);
        out.push(':');
        node.write(&mut out);
    }
    out.push('}');
    if out.len() > limits::OBJECT_BYTES_MAX {
        let message = format!(
            "must be at most {} bytes, found {}",
            limits::OBJECT_BYTES_MAX,
            out.len()
        );
        problems.push(problem("", message));
    }
    out
}

fn external_id(members: &Members<'_>, name: &str, problems: &mut Vec<Problem>) -> Option<String> {
    let message = match members.get(name) {
        None | Some(Node::Null) => format!("{name} is required"),
        Some(node) => match id_text(node) {
            Some(id) if id.is_empty() => format!("{name} is required"),
            Some(id) if id.chars().count() > limits::OBJECT_ID_CHARS_MAX => {
                format!(
                    "{name} must be at most {} characters",
                    limits::OBJECT_ID_CHARS_MAX
                )
            }
            Some(id) => return Some(id),
            None => format!("{name} must be a string"),
        },
    };
    problems.push(problem(name, message));
    None
}

/// An id: a string, or an integer by its digits.
pub(super) fn id_text(node: &Node<'_>) -> Option<String> {
    match node {
        Node::Text(text) => Some(text.to_string()),
        Node::Number(digits) if digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') => {
            // As an id of an object is read.
            Some(if *digits == "-0" { "0" } else { digits }.to_owned())
        }
        _ => None,
    }
}

/// `updateSequenceNumber`, where it is given.
pub(super) fn sequence(members: &Members<'_>, problems: &mut Vec<Problem>) -> Option<i64> {
    const NAME: &str = "updateSequenceNumber";
    let node = members.get(NAME).filter(|node| **node != Node::Null)?;
    let number = number::sequence(node);
    if number.is_none() {
        let message = format!("{NAME} must be an integer from 0 to {}", i64::MAX);
        problems.push(problem(NAME, message));
    }
    number
}

fn has(members: &Members<'_>, name: &str) -> bool {
    members.get(name).is_some_and(|node| *node != Node::Null)
}

fn string<'m>(members: &'m Members<'_>, name: &str, problems: &mut Vec<Problem>) -> Option<&'m str> {
    match members.get(name) {
        None | Some(Node::Null) => None,
        Some(Node::Text(text)) => Some(text),
        Some(_) => {
            problems.push(problem(name, format!("{name} must be a string")));
            None
        }
    }
}

/// A string that is not empty and not long.
fn short(members: &Members<'_>, name: &str, max: usize, problems: &mut Vec<Problem>) -> Option<String> {
    let text = string(members, name, problems)?;
    let message = match text.chars().count() {
        0 => format!("{name} must not be empty"),
        count if count > max => format!("{name} must be at most {max} characters"),
        _ => return Some(text.to_owned()),
    };
    problems.push(problem(name, message));
    None
}

fn problem(key: &str, message: impl Into<String>) -> Problem {
    Problem {
        key: key.to_owned(),
        message: message.into(),
    }
}

/// The members of a request's body.
pub(super) fn object<'n, 'a>(body: &'n Node<'a>) -> Result<&'n Members<'a>, RequestFault> {
    match body {
        Node::Object(members) => Ok(members),
        other => Err(RequestFault::at(
            "",
            format!("the body must be an object, not {}", other.kind()),
        )),
    }
}

/// `connectionId`, where it is given.
pub(super) fn connection_id(members: &Members<'_>) -> Result<Option<String>, RequestFault> {
    match members.get("connectionId") {
        None | Some(Node::Null) => Ok(None),
        Some(Node::Text(id)) if !id.is_empty() => Ok(Some(id.to_string())),
        Some(other) => Err(RequestFault::at(
            "connectionId",
            format!(
                "connectionId must be a non-empty string, found {}",
                number::shown(other)
            ),
        )),
    }
}

/// A list of a request holds 1 to 100 things.
pub(super) fn check_count(list: &str, count: usize) -> Result<(), RequestFault> {
    let max = limits::OBJECTS_MAX;
    let message = match count {
        0 => format!("{list} array cannot be empty"),
        count if count > max => format!("{list} array cannot contain more than {max} items"),
        _ => return Ok(()),
    };
    Err(RequestFault::at(list, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn read<T: Person>(text: &str) -> Result<SetPeople<T>, RequestFault> {
        SetPeople::read(&json::parse(text.as_bytes()).unwrap())
    }

    fn keys<T>(item: Result<T, RejectedPerson>) -> Vec<String> {
        let problems = item.err().map(|rejected| rejected.problems);
        problems
            .into_iter()
            .flatten()
            .map(|problem| problem.key)
            .collect()
    }

    #[test]
    fn a_user_is_kept_as_it_was_sent() {
        let set = read::<User>(
            r#"{"connectionId":"c","users":[{"externalId":7,"emails":[{"value":"Ann@X.org","primary":true},
               {"value":"ann@x.org"}],"extendedProfile":{"jobTitle":"Smith"},"updateSequenceNumber":"5"}]}"#,
        )
        .unwrap();
        assert_eq!(set.connection_id.as_deref(), Some("c"));
        let user = set.items[0].clone().unwrap();
        assert_eq!((user.id.as_str(), user.sequence), ("7", Some(5)));
        assert_eq!(user.email_keys, ["ann@x.org"]);
        assert!(
            user.body.contains(r#""extendedProfile":{"jobTitle":"Smith"}"#),
            "{}",
            user.body
        );
    }

    #[test]
    fn errors_are_listed_up_to_a_bound() {
        let max = limits::OBJECT_PROBLEMS_MAX;
        let nothing = vec!["{}"; 10 * max].join(",");
        let text = format!(r#"{{"groups":[{{"externalId":"g","members":[{nothing}]}}]}}"#);
        let count = keys(read::<Group>(&text).unwrap().items.swap_remove(0)).len();
        assert!((max..=max + 10).contains(&count), "{count}");
        let text = format!(r#"{{"users":[{{"externalId":"u","emails":[{nothing}]}}]}}"#);
        assert_eq!(
            keys(read::<User>(&text).unwrap().items.swap_remove(0)),
            ["emails"]
        );
    }

    #[test]
    fn members_are_told_from_no_word_of_them() {
        let set = read::<Group>(
            r#"{"groups":[{"externalId":"g"},{"externalId":"g","members":[]},{"externalId":"g","members":
               [{"externalId":"u","type":"user"},{"externalId":"u"},{"externalId":"h","type":"GROUP"}]},
               {"externalId":"g","members":[{"type":"robot","externalId":"x"},7,{}]}]}"#,
        )
        .unwrap();
        let members = |at: usize| set.items[at].clone().unwrap().members;
        assert_eq!((members(0), members(1)), (None, Some(Vec::new())));
        let who: Vec<_> = members(2)
            .unwrap()
            .into_iter()
            .map(|member| member.member)
            .collect();
        assert_eq!(who, [Member::User("u".into()), Member::Group("h".into())]);
        assert!(!set.items[2].clone().unwrap().body.contains("members"));
        assert_eq!(
            keys(set.items[3].clone()),
            ["members[0].type", "members[1]", "members[2].externalId"]
        );
    }

    #[test]
    fn a_mapping_needs_its_number_its_time_and_whom() {
        let set = read::<Mapping>(
            r#"{"directMappings":[{},{"externalId":"u","updateSequenceNumber":1.0,"updatedAt":1700000000000,
               "externalEmailAddress":"A@x.org"},{"externalId":"u","updateSequenceNumber":-1,"updatedAt":"x",
               "accountId":""},{"externalId":"u","updateSequenceNumber":0,"updatedAt":0,"accountId":"a",
               "email":"b@x.org"}]}"#,
        )
        .unwrap();
        assert_eq!(
            keys(set.items[0].clone()),
            ["externalId", "updateSequenceNumber", "updatedAt", "accountId"]
        );
        let mapping = set.items[1].clone().unwrap();
        assert_eq!(
            (mapping.sequence, mapping.email_key().as_deref()),
            (1, Some("a@x.org"))
        );
        assert_eq!(
            keys(set.items[2].clone()),
            ["updateSequenceNumber", "updatedAt", "accountId"]
        );
        assert_eq!(set.items[3].clone().unwrap().email_key(), None);
    }

    #[test]
    fn shapes_are_refused_as_a_whole() {
        let user = r#"{"externalId":"u"}"#;
        let many = vec![user; 101].join(",");
        for (body, wanted) in [
            ("[]", "the body must be an object, not an array"),
            ("{}", "users is required"),
            (r#"{"users":{}}"#, "users must be an array"),
            (r#"{"users":[]}"#, "users array cannot be empty"),
            (
                &format!(r#"{{"users":[{many}]}}"#),
                "users array cannot contain more than 100 items",
            ),
            (
                &format!(r#"{{"users":[{user}],"connectionId":1}}"#),
                "connectionId must be a non-empty string, found 1",
            ),
        ] {
            assert_eq!(read::<User>(body).unwrap_err().error, wanted);
        }
        let members: Vec<_> = (0..10_001)
            .map(|n| format!(r#"{{"externalId":"{n}"}}"#))
            .collect();
        let groups = format!(
            r#"{{"groups":[{{"externalId":"g","members":[{}]}}]}}"#,
            members.join(",")
        );
        assert!(
            read::<Group>(&groups)
                .unwrap_err()
                .error
                .contains("at most 10000 members")
        );
    }

    #[test]
    fn ids_have_a_length() {
        for (id, is_taken) in [
            ("x".repeat(1_024), true),
            ("x".repeat(1_025), false),
            (String::new(), false),
        ] {
            let set = read::<User>(&format!(r#"{{"users":[{{"externalId":"{id}"}}]}}"#)).unwrap();
            assert_eq!(set.items[0].is_ok(), is_taken);
        }
    }
}
