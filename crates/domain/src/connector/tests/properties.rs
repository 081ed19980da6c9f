//! Laws over generated objects: what is canonical is its own canonical form, and the order of writes
//! does not matter.

use super::*;
use proptest::prelude::*;
use proptest::sample::select;

const TYPES: [&str; 6] = [
    "atlassian:organisation",
    "atlassian:organization",
    "atlassian:customer-org",
    "atlassian:customer-organization",
    "atlassian:customer-organisation",
    "atlassian:customer-org-category",
];

/// The text of a JSON string.
fn string() -> impl Strategy<Value = String> {
    let plain = any::<String>().prop_map(|text| text.replace('\0', "x"));
    prop_oneof![plain, "[a-z]{1,8}", Just("x".repeat(255)), Just(String::new())]
        .prop_map(|text| quoted(&text))
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    json::write_text(text, &mut out);
    out
}

fn filled() -> impl Strategy<Value = String> {
    string().prop_map(|text| text.replacen('"', "\"f", 1))
}

/// The text of any JSON value.
fn value() -> impl Strategy<Value = String> {
    let number = select(vec!["0", "-0", "1.50", "1e400", "-12E-7", "9223372036854775808"]);
    let leaf = prop_oneof![
        select(vec!["null", "true", "false"]).prop_map(str::to_owned),
        number.prop_map(str::to_owned),
        string(),
    ];
    leaf.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map("[a-zA-Z]{1,6}", inner, 0..4)
                .prop_map(|members| object_of(&members.into_iter().collect())),
        ]
    })
}

type MemberList = Vec<(String, String)>;

fn object_of(members: &MemberList) -> String {
    let members = members.iter().map(|(name, value)| format!("{name:?}:{value}"));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// Members of which each may be absent, with unknown ones after them.
fn members(known: Vec<(&'static str, BoxedStrategy<String>)>) -> BoxedStrategy<MemberList> {
    let optional = known.into_iter().map(|(name, value)| {
        prop::option::of(value).prop_map(move |value| value.map(|value| (name.to_owned(), value)))
    });
    let unknown = prop::collection::btree_map("x[a-z]{0,3}", value(), 0..2);
    (optional.collect::<Vec<_>>(), unknown)
        .prop_map(|(known, unknown)| known.into_iter().flatten().chain(unknown).collect())
        .boxed()
}

fn part(known: Vec<(&'static str, BoxedStrategy<String>)>) -> BoxedStrategy<String> {
    members(known).prop_map(|members| object_of(&members)).boxed()
}

fn instant() -> impl Strategy<Value = String> {
    "[12][0-9]{3}-0[1-9]-[012][1-8][Tt][01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|z|[+-]0[0-9]:[0-5][0-9])"
        .prop_map(|text| format!("{text:?}"))
}

fn person() -> BoxedStrategy<String> {
    let some = part(vec![
        ("accountId", string().boxed()),
        ("name", string().boxed()),
        ("url", string().boxed()),
    ]);
    let by_id = filled().prop_map(|id| format!(r#"{{"externalId":{id}}}"#));
    prop_oneof![1 => some, 4 => by_id].boxed()
}

fn list(item: BoxedStrategy<String>, max: usize) -> BoxedStrategy<String> {
    prop::collection::vec(item, 0..=max)
        .prop_map(|items| format!("[{}]", items.join(",")))
        .boxed()
}

fn entity_key() -> BoxedStrategy<String> {
    (select(&TYPES[..]), filled(), value())
        .prop_map(|(kind, id, other)| {
            format!(r#"{{"type":"{kind}","value":{{"entityId":{id},"x":{other}}},"y":{other}}}"#)
        })
        .boxed()
}

fn permissions() -> BoxedStrategy<String> {
    let kind = select(vec![
        "USER",
        "group",
        "Everyone",
        "ATLASSIAN_WORKSPACE",
        "CONTAINER",
    ]);
    let principal = (kind, filled()).prop_map(|(kind, id)| format!(r#"{{"type":"{kind}","id":{id}}}"#));
    let control = list(principal.boxed(), 3).prop_map(|list| format!(r#"{{"principals":{list},"x":1.50}}"#));
    let action = select(vec![
        "",
        r#""action":"read","#,
        r#""action":"write","#,
        r#""action":null,"#,
    ]);
    let entry = (action, list(control.boxed(), 3))
        .prop_map(|(action, list)| format!(r#"{{{action}"accessControls":{list}}}"#))
        .boxed();
    prop_oneof![
        entry.clone(),
        prop::collection::vec(entry, 1..4).prop_map(|list| format!("[{}]", list.join(",")))
    ]
    .boxed()
}

fn associations() -> BoxedStrategy<String> {
    let kind = select(vec!["issueKeys", "atlassian:customer-org-category"]);
    let value = prop_oneof![
        string(),
        string().prop_map(|id| format!(r#"{{"entityId":{id},"n":1.0}}"#))
    ];
    let entry = (kind, prop::collection::vec(value, 1..4)).prop_map(|(kind, values)| {
        format!(
            r#"{{"associationType":"{kind}","values":[{}],"x":null}}"#,
            values.join(",")
        )
    });
    list(entry.boxed(), 3)
}

fn block() -> BoxedStrategy<String> {
    let double =
        select(vec!["1000000.0", "-5", "0.1", "1e-400", "1.7976931348623157e308"]).prop_map(str::to_owned);
    let lifetime =
        (double, filled()).prop_map(|(value, code)| format!(r#"{{"value":{value},"currencyCode":{code}}}"#));
    let activity =
        (instant(), filled()).prop_map(|(at, event)| format!(r#"{{"lastActivity":{at},"event":{event}}}"#));
    part(vec![
        ("customAndSensitiveData", string().boxed()),
        ("contacts", list(person(), 3)),
        ("lastActivity", activity.boxed()),
        ("customerOrgLifeTimeValue", lifetime.boxed()),
        ("industry", string().boxed()),
        ("key", string().boxed()),
    ])
}

/// Objects of which nearly all are right, their members in any order.
fn objects() -> BoxedStrategy<String> {
    let required = (
        filled(),
        0..=i64::MAX,
        filled(),
        instant(),
        instant(),
        permissions(),
    );
    let optional = members(vec![
        ("description", string().boxed()),
        ("createdBy", person()),
        ("owners", list(person(), 3)),
        (
            "thumbnail",
            filled().prop_map(|url| format!(r#"{{"url":{url}}}"#)).boxed(),
        ),
        ("parentKey", entity_key()),
        ("containerKey", entity_key()),
        ("associations", associations()),
        ("properties", Just(r#"{"source":"crm"}"#.to_owned()).boxed()),
    ]);
    (required, optional, select(&TYPES[..]), block())
        .prop_map(
            |((id, sequence, name, created, updated, permissions), optional, kind, block)| {
                let required = [
                    ("id", id),
                    ("updateSequenceNumber", sequence.to_string()),
                    ("displayName", name),
                    ("url", r#""https://example.com""#.to_owned()),
                    ("createdAt", created),
                    ("lastUpdated", updated),
                    ("permissions", permissions),
                    (kind, block),
                ];
                let required = required.map(|(name, value)| (name.to_owned(), value));
                required.into_iter().chain(optional).collect::<MemberList>()
            },
        )
        .prop_shuffle()
        .prop_map(|members| object_of(&members))
        .boxed()
}

fn read_text(text: &str) -> Result<Object, RejectedObject> {
    set(&request(&[text.to_owned()])).objects.remove(0)
}

/// The whole text with the tags, as a request could bring it.
fn text_of(object: &Object) -> String {
    let whole = Object::whole(&object.body, object.sensitive.as_deref());
    if object.tags.is_empty() {
        return whole;
    }
    let tags: MemberList = object
        .tags
        .iter()
        .map(|(key, value)| (key.clone(), quoted(value)))
        .collect();
    whole.replacen('{', &format!(r#"{{"properties":{},"#, object_of(&tags)), 1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_canonical_form_is_its_own(text in objects()) {
        match read_text(&text) {
            Ok(object) => prop_assert_eq!(read_text(&text_of(&object)), Ok(object)),
            // Two people without an id, an instant before the year 0, a text that is too long.
            Err(rejected) => prop_assert!(!rejected.problems.is_empty()),
        }
    }

    /// Else the law above would be about nothing.
    #[test]
    fn most_generated_objects_are_right(texts in prop::collection::vec(objects(), 60)) {
        let right = texts.iter().filter(|text| read_text(text).is_ok()).count();
        // Twice as many are; of ten objects chance alone would leave only one right once in some thousand cases.
        prop_assert!(right >= 20, "{right}");
    }

    #[test]
    fn the_sensitive_text_is_put_back(text in objects(), sensitive in any::<String>()) {
        if let Ok(object) = read_text(&text) {
            let sensitive = sensitive.replace('\0', "");
            let whole = Object::whole(&object.body, Some(&sensitive));
            prop_assert_eq!(read_text(&whole).unwrap().sensitive, Some(sensitive));
        }
    }

    #[test]
    fn any_value_in_any_place_is_survived(name in select(&NAMES[..]), value in value()) {
        let inside = format!("{{{name:?}:{value}}}");
        for changes in [[(name, value.as_str())], [("atlassian:customer-org", inside.as_str())], [("permissions", inside.as_str())]] {
            match read(&changes) {
                Ok(object) => prop_assert_eq!(read_text(&text_of(&object)), Ok(object)),
                Err(rejected) => prop_assert!(!rejected.problems.is_empty()),
            }
        }
    }

    /// Writes in any order end with the greatest number, and no number ever goes down.
    #[test]
    fn the_order_of_writes_does_not_matter(
        writes in prop::collection::vec((0_i64..6, "[ab]"), 1..12),
        equal in select(vec![EqualSequence::Keep, EqualSequence::Replace]),
    ) {
        let mut kept: Option<(i64, String)> = None;
        for (sequence, digest) in &writes {
            let stored = kept.as_ref().map(|(sequence, digest)| Stored { sequence: *sequence, deleted: false, digest });
            let before = stored.map_or(i64::MIN, |stored| stored.sequence);
            match decide(stored, Incoming { sequence: *sequence, digest }, equal) {
                Outcome::Created | Outcome::Replaced => kept = Some((*sequence, digest.clone())),
                Outcome::Kept(_) => {}
            }
            prop_assert!(kept.as_ref().is_some_and(|(sequence, _)| *sequence >= before));
        }
        let greatest = writes.iter().map(|(sequence, _)| *sequence).max();
        let with_greatest = || writes.iter().filter(|(sequence, _)| Some(*sequence) == greatest);
        let expected = if equal == EqualSequence::Keep { with_greatest().next() } else { with_greatest().next_back() };
        prop_assert_eq!(kept.as_ref(), expected);
    }
}

/// Names that mean something somewhere.
const NAMES: [&str; 24] = [
    "schemaVersion",
    "id",
    "updateSequenceNumber",
    "displayName",
    "description",
    "url",
    "createdAt",
    "createdBy",
    "lastUpdatedBy",
    "owners",
    "thumbnail",
    "parentKey",
    "containerKey",
    "permissions",
    "associations",
    "properties",
    "contacts",
    "lastActivity",
    "lifeTimeValue",
    "industry",
    "customAndSensitiveData",
    "accessControls",
    "atlassian:customer-org",
    "x",
];
