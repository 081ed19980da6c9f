//! The block that an object carries under the name of its type.
//!
//! `customAndSensitiveData` belongs to organisations. Where another type carries a member of that name, it
//! gets the same care: it is stored apart, and no list or message shows it.

use super::draft::{Draft, Names, Text, sort};
use super::{ObjectType, number, parts};
use crate::json::{At, Node};
use crate::limits::{OBJECT_TEXT_CHARS_MAX, OBJECT_URL_CHARS_MAX, SENSITIVE_CHARS_MAX};

/// The member that is stored apart.
pub(super) const SENSITIVE: &str = "customAndSensitiveData";

const ORGANISATION: Names<1> = [&[SENSITIVE]];
const CUSTOMER_ORG: Names<9> = [
    &[SENSITIVE],
    &["contacts"],
    &["customerOrgLastActivity", "lastActivity"],
    &["customerOrgLifeTimeValue", "lifeTimeValue"],
    &["websiteUrl"],
    &["industry"],
    &["contributors"],
    &["country"],
    &["accountType"],
];
const CATEGORY: Names<3> = [&[SENSITIVE], &["key"], &["categoryType"]];
const LAST_ACTIVITY: Names<2> = [&["lastActivityAt", "lastActivity"], &["event"]];
const LIFE_TIME_VALUE: Names<2> = [&["value"], &["currencyCode"]];

const SHORT: Text = Text::optional(OBJECT_TEXT_CHARS_MAX);

/// Reads the block as the last member of the object, and returns the sensitive text.
pub(super) fn read(draft: &mut Draft, object_type: ObjectType, node: &Node<'_>) -> Option<String> {
    let root = At::root();
    let at = root.member(object_type.name());
    let members = draft.members(at, node)?;
    draft.name(object_type.name());
    draft.open('{');
    let (sensitive, others) = match object_type {
        ObjectType::Organisation => {
            let sorted = sort(members, &ORGANISATION);
            let [sensitive] = sorted.known;
            (sensitive, sorted.others)
        }
        ObjectType::CustomerOrgCategory => {
            let sorted = sort(members, &CATEGORY);
            let [sensitive, key, category_type] = sorted.known;
            draft.text(at, "key", key, SHORT);
            draft.text(at, "categoryType", category_type, SHORT);
            (sensitive, sorted.others)
        }
        ObjectType::CustomerOrg => {
            let sorted = sort(members, &CUSTOMER_ORG);
            (customer_org(draft, at, sorted.known), sorted.others)
        }
    };
    draft.put_others(&others);
    draft.close('}');
    let rule = Text::optional(SENSITIVE_CHARS_MAX);
    draft
        .checked_text(at.member(SENSITIVE), sensitive, rule)
        .map(str::to_owned)
}

/// Returns the sensitive member.
fn customer_org<'n, 'a>(
    draft: &mut Draft,
    at: At<'_>,
    members: [Option<&'n Node<'a>>; 9],
) -> Option<&'n Node<'a>> {
    let [
        sensitive,
        contacts,
        activity,
        value,
        website,
        industry,
        contributors,
        country,
        account_type,
    ] = members;
    parts::people(draft, at, "contacts", contacts);
    last_activity(draft, at.member("customerOrgLastActivity"), activity);
    life_time_value(draft, at.member("customerOrgLifeTimeValue"), value);
    draft.text(at, "websiteUrl", website, Text::optional(OBJECT_URL_CHARS_MAX));
    draft.text(at, "industry", industry, SHORT);
    parts::people(draft, at, "contributors", contributors);
    draft.text(at, "country", country, SHORT);
    draft.text(at, "accountType", account_type, SHORT);
    sensitive
}

fn last_activity(draft: &mut Draft, at: At<'_>, node: Option<&Node<'_>>) {
    let Some(members) = node.and_then(|node| draft.members(at, node)) else {
        return;
    };
    let sorted = sort(members, &LAST_ACTIVITY);
    let [last_activity_at, event] = sorted.known;
    draft.name("customerOrgLastActivity");
    draft.open('{');
    draft.instant(at, "lastActivityAt", last_activity_at);
    draft.text(at, "event", event, Text::required(OBJECT_TEXT_CHARS_MAX));
    draft.put_others(&sorted.others);
    draft.close('}');
}

fn life_time_value(draft: &mut Draft, at: At<'_>, node: Option<&Node<'_>>) {
    let Some(members) = node.and_then(|node| draft.members(at, node)) else {
        return;
    };
    let sorted = sort(members, &LIFE_TIME_VALUE);
    let [value, currency_code] = sorted.known;
    draft.name("customerOrgLifeTimeValue");
    draft.open('{');
    let at_value = at.member("value");
    match value {
        None => draft.missing(at_value),
        Some(Node::Number(text)) => match number::double(text) {
            Some(canonical) => {
                draft.name("value");
                draft.out.push_str(&canonical);
            }
            None => draft.refuse(
                at_value,
                format_args!(
                    "must be a number that fits a double, found {}",
                    number::shown(&Node::Number(text))
                ),
            ),
        },
        Some(other) => draft.refuse_kind(at_value, "a number", other),
    }
    draft.text(
        at,
        "currencyCode",
        currency_code,
        Text::required(OBJECT_TEXT_CHARS_MAX),
    );
    draft.put_others(&sorted.others);
    draft.close('}');
}
