//! `permissions`: who may see the object.

use super::draft::{Draft, Names, Text, sort};
use super::number::shown;
use super::{Principal, Readers};
use crate::json::{At, Node};
use crate::limits::{OBJECT_TEXT_CHARS_MAX, PRINCIPALS_MAX};

const ENTRY: Names<2> = [&["action"], &["accessControls"]];
const ACCESS_CONTROL: Names<1> = [&["principals"]];
const PRINCIPAL: Names<2> = [&["type"], &["id"]];

const NAME: &str = "permissions";

/// Reads `permissions`, which must be there: a list of at least one entry, or one entry by itself.
pub(super) fn read(draft: &mut Draft, node: Option<&Node<'_>>) -> Readers {
    let root = At::root();
    let at = root.member(NAME);
    let mut reading = Reading::default();
    let (entries, is_list) = match node {
        None => {
            draft.missing(at);
            return reading.readers;
        }
        Some(Node::Array(entries)) => (entries.as_slice(), true),
        Some(single) => (std::slice::from_ref(single), false),
    };
    if entries.is_empty() {
        draft.refuse(at, format_args!("must hold at least one entry"));
    }
    draft.name(NAME);
    draft.open('[');
    for (index, entry) in entries.iter().enumerate() {
        if is_list || matches!(entry, Node::Object(_)) {
            reading.entry(draft, at.index(index), entry);
        } else {
            draft.refuse_kind(at, "an array", entry);
        }
    }
    draft.close(']');
    let found = reading.principals;
    if found > PRINCIPALS_MAX {
        draft.refuse(
            at,
            format_args!("may hold at most {PRINCIPALS_MAX} principals, found {found}"),
        );
    }
    reading.readers
}

#[derive(Default)]
struct Reading {
    readers: Readers,
    /// In all access controls, those of entries that grant nothing included.
    principals: usize,
}

impl Reading {
    fn entry(&mut self, draft: &mut Draft, at: At<'_>, node: &Node<'_>) {
        let Some(members) = draft.members(at, node) else {
            return;
        };
        let sorted = sort(members, &ENTRY);
        let [action, access_controls] = sorted.known;
        draft.open('{');
        let text = draft.text(at, "action", action, Text::optional(OBJECT_TEXT_CHARS_MAX));
        let grants = action.is_none() || text.is_some_and(|action| action.eq_ignore_ascii_case("read"));
        let at_list = at.member("accessControls");
        match access_controls {
            None => draft.missing(at_list),
            Some(list) => {
                draft.name("accessControls");
                draft.open('[');
                let items = draft.items(at_list, list, usize::MAX).unwrap_or_default();
                for (index, item) in items.iter().enumerate() {
                    let principals = self.access_control(draft, at_list.index(index), item);
                    if grants {
                        self.readers.access_controls.push(principals);
                    }
                }
                draft.close(']');
            }
        }
        draft.put_others(&sorted.others);
        draft.close('}');
    }

    fn access_control(&mut self, draft: &mut Draft, at: At<'_>, node: &Node<'_>) -> Vec<Principal> {
        let Some(members) = draft.members(at, node) else {
            return Vec::new();
        };
        let sorted = sort(members, &ACCESS_CONTROL);
        let mut principals = Vec::new();
        draft.open('{');
        let at_list = at.member("principals");
        match sorted.known {
            [None] => draft.missing(at_list),
            [Some(list)] => {
                draft.name("principals");
                draft.open('[');
                let items = draft.items(at_list, list, usize::MAX).unwrap_or_default();
                self.principals += items.len();
                let each = items.iter().enumerate();
                principals
                    .extend(each.filter_map(|(index, item)| principal(draft, at_list.index(index), item)));
                draft.close(']');
            }
        }
        draft.put_others(&sorted.others);
        draft.close('}');
        principals
    }
}

/// The kinds of principal by their canonical names, and whether one needs an id.
const KINDS: [(&str, Kind); 5] = [
    ("EVERYONE", Kind::Named(Principal::Everyone)),
    ("USER", Kind::Id(Principal::User)),
    ("GROUP", Kind::Id(Principal::Group)),
    ("ATLASSIAN_WORKSPACE", Kind::Named(Principal::Workspace)),
    ("CONTAINER", Kind::Named(Principal::Container)),
];

enum Kind {
    Named(Principal),
    Id(fn(String) -> Principal),
}

fn principal(draft: &mut Draft, at: At<'_>, node: &Node<'_>) -> Option<Principal> {
    let members = draft.members(at, node)?;
    let sorted = sort(members, &PRINCIPAL);
    let [kind, id] = sorted.known;
    let at_kind = at.member("type");
    let name = draft.checked_text(at_kind, kind, Text::required(usize::MAX))?;
    let Some((canonical, kind)) = KINDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
        let found = kind.map(shown).unwrap_or_default();
        draft.refuse(
            at_kind,
            format_args!(
                "must be one of USER, GROUP, ATLASSIAN_WORKSPACE, CONTAINER, EVERYONE, found {found}"
            ),
        );
        return None;
    };
    draft.open('{');
    draft.name("type");
    draft.put_text(canonical);
    let principal = match kind {
        Kind::Named(principal) => {
            draft.text(at, "id", id, Text::optional(usize::MAX));
            Some(principal.clone())
        }
        Kind::Id(principal) => draft
            .text(at, "id", id, Text::required(usize::MAX))
            .map(|id| principal(id.to_owned())),
    };
    draft.put_others(&sorted.others);
    draft.close('}');
    principal
}
