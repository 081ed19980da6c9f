//! Every limit of an object at its boundary: the last value that is accepted and the first that is not.

use super::*;

const ORG: &str = "atlassian:customer-org";
const CATEGORY: &str = "atlassian:customer-org-category";
const ORGANISATION: &str = "atlassian:organisation";

/// Members with a text of so many characters, of this many bytes each.
type With = fn(&str) -> Vec<(&'static str, String)>;

/// Texts with a limit: the key in errors, the limit, and the members of an object that has the text.
const TEXTS: [(&str, usize, With); 22] = [
    ("id", 1_024, |text| vec![("id", text.to_owned())]),
    ("schemaVersion", 255, |text| {
        vec![("schemaVersion", text.to_owned())]
    }),
    ("displayName", 1_024, |text| {
        vec![("displayName", text.to_owned())]
    }),
    ("description", 32_768, |text| {
        vec![("description", text.to_owned())]
    }),
    ("thumbnail.externalUrl", 4_096, |text| {
        vec![("thumbnail", format!(r#"{{"externalUrl":{text}}}"#))]
    }),
    ("thumbnail.mimeType", 255, |text| {
        vec![("thumbnail", format!(r#"{{"url":"u","mimeType":{text}}}"#))]
    }),
    ("parentKey.type", 255, |text| {
        vec![("parentKey", format!(r#"{{"type":{text},"value":{{}}}}"#))]
    }),
    ("parentKey.value.entityId", 1_024, |text| {
        vec![(
            "parentKey",
            format!(r#"{{"type":"{ORG}","value":{{"entityId":{text}}}}}"#),
        )]
    }),
    ("containerKey.value.entityId", 1_024, |text| {
        vec![(
            "containerKey",
            format!(r#"{{"type":"{ORG}","value":{{"entityId":{text}}}}}"#),
        )]
    }),
    ("permissions[0].action", 255, |text| {
        vec![(
            "permissions",
            format!(r#"[{{"action":{text},"accessControls":[]}}]"#),
        )]
    }),
    ("associations[0].associationType", 255, |text| {
        vec![(
            "associations",
            format!(r#"[{{"associationType":{text},"values":["x"]}}]"#),
        )]
    }),
    ("atlassian:customer-org.websiteUrl", 4_096, |text| {
        vec![(ORG, format!(r#"{{"websiteUrl":{text}}}"#))]
    }),
    ("atlassian:customer-org.industry", 255, |text| {
        vec![(ORG, format!(r#"{{"industry":{text}}}"#))]
    }),
    ("atlassian:customer-org.country", 255, |text| {
        vec![(ORG, format!(r#"{{"country":{text}}}"#))]
    }),
    ("atlassian:customer-org.accountType", 255, |text| {
        vec![(ORG, format!(r#"{{"accountType":{text}}}"#))]
    }),
    (
        "atlassian:customer-org.customerOrgLastActivity.event",
        255,
        |text| {
            let inner = format!(r#"{{"lastActivityAt":"2024-01-01T00:00:00Z","event":{text}}}"#);
            vec![(ORG, format!(r#"{{"customerOrgLastActivity":{inner}}}"#))]
        },
    ),
    (
        "atlassian:customer-org.customerOrgLifeTimeValue.currencyCode",
        255,
        |text| {
            vec![(
                ORG,
                format!(r#"{{"lifeTimeValue":{{"value":1,"currencyCode":{text}}}}}"#),
            )]
        },
    ),
    ("atlassian:customer-org-category.key", 255, |text| {
        vec![(ORG, String::new()), (CATEGORY, format!(r#"{{"key":{text}}}"#))]
    }),
    ("atlassian:customer-org-category.categoryType", 255, |text| {
        vec![
            (ORG, String::new()),
            (CATEGORY, format!(r#"{{"categoryType":{text}}}"#)),
        ]
    }),
    ("atlassian:organisation.customAndSensitiveData", 65_536, |text| {
        vec![
            (ORG, String::new()),
            (ORGANISATION, format!(r#"{{"customAndSensitiveData":{text}}}"#)),
        ]
    }),
    ("atlassian:customer-org.customAndSensitiveData", 65_536, |text| {
        vec![(ORG, format!(r#"{{"customAndSensitiveData":{text}}}"#))]
    }),
    (
        "atlassian:customer-org-category.customAndSensitiveData",
        65_536,
        |text| {
            vec![
                (ORG, String::new()),
                (CATEGORY, format!(r#"{{"customAndSensitiveData":{text}}}"#)),
            ]
        },
    ),
];

#[test]
fn texts_are_counted_in_characters() {
    for (key, max, with) in TEXTS {
        for character in ["x", "é"] {
            let changes = with(&format!("{:?}", character.repeat(max)));
            let changes: Vec<_> = changes
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            assert!(read(&changes).is_ok(), "{key} {:?}", read(&changes).unwrap_err());
            let changes = with(&format!("{:?}", character.repeat(max + 1)));
            let changes: Vec<_> = changes
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            let message = format!("{key} must be at most {max} characters, found {}", max + 1);
            refuses(&changes, key, &message);
        }
    }
}

#[test]
fn texts_may_be_empty_where_they_may_be_absent() {
    let filled = [
        "id",
        "schemaVersion",
        "displayName",
        "thumbnail.externalUrl",
        "parentKey.type",
        "parentKey.value.entityId",
        "containerKey.value.entityId",
        "associations[0].associationType",
        "atlassian:customer-org.customerOrgLastActivity.event",
        "atlassian:customer-org.customerOrgLifeTimeValue.currencyCode",
    ];
    for (key, _, with) in TEXTS {
        let changes = with(r#""""#);
        let changes: Vec<_> = changes
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        if filled.contains(&key) {
            refuses(&changes, key, &format!("{key} must not be empty"));
        } else {
            assert!(read(&changes).is_ok(), "{key}");
        }
        for (wrong, kind) in [("true", "a boolean"), ("{}", "an object"), ("1.5", "a number")] {
            let changes = with(wrong);
            let changes: Vec<_> = changes
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            refuses(&changes, key, &format!("{key} must be a string, found {kind}"));
        }
    }
}

#[test]
fn urls_at_their_bound() {
    let url = |chars: usize| format!("\"https://example.com/{}\"", "x".repeat(chars - 20));
    assert!(read(&[("url", &url(4_096))]).is_ok());
    refuses(
        &[("url", &url(4_097))],
        "url",
        "url must be at most 4096 characters, found 4097",
    );
}

#[test]
fn lists_of_people_at_their_bound() {
    let people = |count: usize| format!("[{}]", vec![r#"{"email":"a@b"}"#; count].join(","));
    let in_block = |name: &str, count: usize| format!(r#"{{"{name}":{}}}"#, people(count));
    assert!(read(&[("owners", &people(500))]).is_ok());
    refuses(
        &[("owners", &people(501))],
        "owners",
        "owners may hold at most 500 elements, found 501",
    );
    for name in ["contacts", "contributors"] {
        assert!(read(&[(ORG, &in_block(name, 500))]).is_ok());
        let key = format!("{ORG}.{name}");
        refuses(
            &[(ORG, &in_block(name, 501))],
            &key,
            &format!("{key} may hold at most 500 elements, found 501"),
        );
    }
}

#[test]
fn principals_at_their_bound() {
    // Spread over entries and access controls, of entries that grant nothing too.
    let permissions = |last: usize| {
        let list = |count: usize| {
            format!(
                r#"{{"principals":[{}]}}"#,
                vec![r#"{"type":"EVERYONE"}"#; count].join(",")
            )
        };
        format!(
            r#"[{{"accessControls":[{},{}]}},{{"action":"write","accessControls":[{}]}}]"#,
            list(200),
            list(200),
            list(last)
        )
    };
    assert!(read(&[("permissions", &permissions(100))]).is_ok());
    refuses(
        &[("permissions", &permissions(101))],
        "permissions",
        "permissions may hold at most 500 principals, found 501",
    );
}

#[test]
fn values_of_associations_at_their_bound() {
    let associations = |last: usize| {
        let entry = |kind: &str, count: usize| {
            let values: Vec<_> = (0..count).map(|number| format!("\"{number}\"")).collect();
            format!(
                r#"{{"associationType":"{kind}","values":[{}]}}"#,
                values.join(",")
            )
        };
        format!("[{},{}]", entry("a", 300), entry("b", last))
    };
    assert!(read(&[("associations", &associations(200))]).is_ok());
    refuses(
        &[("associations", &associations(201))],
        "associations",
        "association values may hold at most 500 elements, found 501",
    );
}

#[test]
fn bytes_of_an_object_at_their_bound() {
    let plain = read(&[("x", r#""""#)]).unwrap().body.len();
    let most = 256 * 1024 - plain;
    let with = |bytes: usize| format!("{:?}", "x".repeat(bytes));
    assert_eq!(read(&[("x", &with(most))]).unwrap().body.len(), 256 * 1024);
    refuses(
        &[("x", &with(most + 1))],
        "",
        "the object must be at most 262144 bytes, found 262145",
    );
    // The sensitive text counts as it will be read back.
    let block = r#"{"customAndSensitiveData":"ab"}"#;
    let with_block = |bytes: usize| read(&[("x", &with(bytes)), (ORG, block)]);
    let rest = r#""customAndSensitiveData":"ab""#.len();
    let object = with_block(most - rest).unwrap();
    let whole = Object::whole(&object.body, object.sensitive.as_deref());
    assert_eq!(whole.len(), 256 * 1024);
    assert!(with_block(most - rest + 1).is_err());
}

#[test]
fn errors_of_an_object_at_their_bound() {
    let entries = |count: usize| format!("[{}]", vec!["7"; count].join(","));
    assert_eq!(problems(&[("permissions", &entries(1_000))]).len(), 1_000);
    let many = problems(&[("permissions", &entries(1_001))]);
    assert_eq!(many.len(), 1_001);
    assert_eq!(many[1_000].1, "only the first 1000 errors are listed");
}
