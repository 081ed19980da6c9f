//! `associations`: links to other objects, by a free vocabulary.

use super::ObjectType;
use super::draft::{Draft, Names, Text, sort};
use crate::json::{At, Members, Node};
use crate::limits::{ASSOCIATION_VALUES_MAX, OBJECT_TEXT_CHARS_MAX};
use std::collections::{HashMap, HashSet};

const ASSOCIATION: Names<2> = [&["associationType"], &["values"]];

const NAME: &str = "associations";

/// All entries of one type.
struct Merged<'n, 'a> {
    association_type: &'n str,
    values: Vec<&'n Node<'a>>,
    /// The values by their canonical text, to find those that come twice.
    texts: HashSet<String>,
    others: Vec<(&'n str, &'n Node<'a>)>,
    /// The names of `others`.
    names: HashSet<&'n str>,
}

/// Reads `associations`: a list, a list in `{"set": …}`, or one association by itself. Returns the ids of
/// the categories that it names.
pub(super) fn read(draft: &mut Draft, node: Option<&Node<'_>>) -> Vec<String> {
    let root = At::root();
    let at = root.member(NAME);
    let Some(items) = node.and_then(|node| items(draft, at, node)) else {
        return Vec::new();
    };
    let mut merged: Vec<Merged<'_, '_>> = Vec::new();
    let mut by_type: HashMap<&str, usize> = HashMap::new();
    let mut found = 0;
    for (index, item) in items.iter().enumerate() {
        let Some((entry, count)) = entry(draft, at.index(index), item) else {
            continue;
        };
        found += count;
        let place = *by_type.entry(entry.association_type).or_insert(merged.len());
        match merged.get_mut(place) {
            None => merged.push(entry),
            Some(first) => first.add(entry.values, entry.others),
        }
    }
    if found > ASSOCIATION_VALUES_MAX {
        // The words of the sibling API; they name no path.
        draft.note(super::Problem {
            key: NAME.to_owned(),
            message: format!(
                "association values may hold at most {ASSOCIATION_VALUES_MAX} elements, found {found}"
            ),
        });
        return Vec::new();
    }
    draft.name(NAME);
    draft.open('[');
    for entry in &merged {
        entry.write(draft);
    }
    draft.close(']');
    let is_category =
        |entry: &&Merged<'_, '_>| ObjectType::CustomerOrgCategory.name() == entry.association_type;
    merged
        .iter()
        .filter(is_category)
        .flat_map(|entry| entry.values.iter().filter_map(|value| entity_id(value)))
        .collect()
}

fn items<'n, 'a>(draft: &mut Draft, at: At<'_>, node: &'n Node<'a>) -> Option<&'n [Node<'a>]> {
    match node {
        Node::Object(members) => wrapped(draft, at, node, members),
        other => draft.items(at, other, usize::MAX),
    }
}

fn wrapped<'n, 'a>(
    draft: &mut Draft,
    at: At<'_>,
    node: &'n Node<'a>,
    members: &'n Members<'a>,
) -> Option<&'n [Node<'a>]> {
    let Some(set) = members.get("set") else {
        return Some(std::slice::from_ref(node));
    };
    if members.len() > 1 {
        draft.refuse(at, format_args!("must hold nothing beside set"));
    }
    draft.items(at, set, usize::MAX)
}

/// One entry, and how many values it came with.
fn entry<'n, 'a>(draft: &mut Draft, at: At<'_>, node: &'n Node<'a>) -> Option<(Merged<'n, 'a>, usize)> {
    let sorted = sort(draft.members(at, node)?, &ASSOCIATION);
    let [association_type, values] = sorted.known;
    let association_type = draft.checked_text(
        at.member("associationType"),
        association_type,
        Text::required(OBJECT_TEXT_CHARS_MAX),
    );
    let at_values = at.member("values");
    let Some(values) = values else {
        draft.missing(at_values);
        return None;
    };
    let values = draft.items(at_values, values, usize::MAX)?;
    if values.is_empty() {
        draft.refuse(at_values, format_args!("must hold at least one value"));
    }
    for (index, value) in values.iter().enumerate() {
        if !matches!(value, Node::Text(_) | Node::Object(_)) {
            draft.refuse_kind(at_values.index(index), "a string or an object", value);
        }
    }
    let mut entry = Merged {
        association_type: association_type?,
        values: Vec::new(),
        texts: HashSet::new(),
        others: Vec::new(),
        names: HashSet::new(),
    };
    entry.add(values, sorted.others);
    Some((entry, values.len()))
}

impl<'n, 'a> Merged<'n, 'a> {
    /// Takes in values and members of an entry of this type. Of a value that comes twice, and of a
    /// member that nobody knows, the first stays.
    fn add(&mut self, values: impl IntoIterator<Item = &'n Node<'a>>, others: Vec<(&'n str, &'n Node<'a>)>) {
        for value in values {
            let mut text = String::new();
            value.write_canonical(&mut text);
            if self.texts.insert(text) {
                self.values.push(value);
            }
        }
        for (name, node) in others {
            if self.names.insert(name) {
                self.others.push((name, node));
            }
        }
    }

    fn write(&self, draft: &mut Draft) {
        draft.open('{');
        draft.name("associationType");
        draft.put_text(self.association_type);
        draft.name("values");
        draft.open('[');
        for value in &self.values {
            draft.put(value);
        }
        draft.close(']');
        draft.put_others(&self.others);
        draft.close('}');
    }
}

/// The id that a value of an association names: a string, or an object with `entityId`.
fn entity_id(value: &Node<'_>) -> Option<String> {
    let text = match value {
        Node::Text(text) => text,
        Node::Object(members) => match members.get("entityId") {
            Some(Node::Text(text)) => text,
            _ => return None,
        },
        _ => return None,
    };
    (!text.is_empty()).then(|| text.clone().into_owned())
}
