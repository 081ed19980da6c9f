//! The strict reader against examples, `serde_json` and arbitrary bytes.

use super::*;
use crate::limits::JSON_DEPTH_MAX;
use proptest::prelude::*;

fn problem(document: &str) -> String {
    parse(document.as_bytes()).unwrap_err().to_string()
}

fn canonical(document: &str) -> String {
    let mut out = String::new();
    parse(document.as_bytes()).unwrap().write_canonical(&mut out);
    out
}

#[test]
fn reads_every_kind() {
    let node = parse(br#" {"a": [null, true, false, -1.50e+3, "x\u00e9\ud83d\ude00\n"], "b": {}} "#).unwrap();
    let Node::Object(members) = &node else {
        panic!("{node:?}")
    };
    assert_eq!((members.len(), members.is_empty()), (2, false));
    let kinds: Vec<_> = match members.get("a") {
        Some(Node::Array(items)) => items.iter().map(Node::kind).collect(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kinds, ["null", "a boolean", "a boolean", "a number", "a string"]);
    assert_eq!(members.get("b").map(Node::kind), Some("an object"));
    assert_eq!(members.get("c"), None);
    assert_eq!(
        members.iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["a", "b"]
    );
    let mut out = String::new();
    node.write(&mut out);
    assert_eq!(out, "{\"a\":[null,true,false,-1.50e+3,\"xé😀\\n\"],\"b\":{}}");
}

#[test]
fn borrows_what_has_no_escape() {
    let body = br#"["plain", "with \" one"]"#;
    let Node::Array(items) = parse(body).unwrap() else {
        panic!("no array")
    };
    assert!(matches!(&items[0], Node::Text(Cow::Borrowed("plain"))));
    assert!(matches!(&items[1], Node::Text(Cow::Owned(text)) if text == "with \" one"));
}

#[test]
fn canonical_print_sorts_by_code_point_and_keeps_numbers() {
    assert_eq!(
        canonical(
            "{\"b\": 1.0, \"\u{1f600}\": 1, \"\u{ff5e}\": 2, \"a\\u0062\": [ {\"z\":0,\"A\":\"\\/\\u0001\\u001f\"} ]}"
        ),
        "{\"ab\":[{\"A\":\"/\\u0001\\u001f\",\"z\":0}],\"b\":1.0,\"\u{ff5e}\":2,\"\u{1f600}\":1}"
    );
    assert_ne!(canonical("1"), canonical("1.0"));
}

/// Documents and their faults.
const FAULTS: &[(&str, &str)] = &[
    (
        "",
        "line 1, column 1: the body is empty; a JSON document is expected",
    ),
    (
        " \n ",
        "line 2, column 2: the body is empty; a JSON document is expected",
    ),
    (
        "\u{feff}{}",
        "line 1, column 1: the body begins with a byte order mark (U+FEFF); send plain UTF-8 without it",
    ),
    (
        "{\n  \"é\": 1,\n  \"b\": 2 x}",
        "line 3, column 10: expected a comma or '}' after a member, found 'x'",
    ),
    (
        "[1 2]",
        "line 1, column 4: expected a comma or ']' after an item, found '2'",
    ),
    (
        "[1,]",
        "line 1, column 4: a comma may not stand before ']'; remove it or add an item",
    ),
    (
        "{\"a\":1,}",
        "line 1, column 8: a comma may not stand before '}'; remove it or add a member",
    ),
    (
        "{\"é\" 1}",
        "line 1, column 6: expected a colon after the member name \"é\", found '1'",
    ),
    (
        "{a:1}",
        "line 1, column 2: expected a member name in double quotes, found 'a'",
    ),
    (
        "{\"a\":}",
        "line 1, column 6: expected a value, found '}'; it may not be left out",
    ),
    (
        "['a']",
        "line 1, column 2: expected a value, found '\\''; strings stand in double quotes",
    ),
    (
        "[+1]",
        "line 1, column 2: expected a value, found '+'; a number begins with a digit or '-'",
    ),
    (
        "// hi",
        "line 1, column 1: expected a value, found '/'; JSON has no comments",
    ),
    (
        "[True]",
        "line 1, column 2: expected a value, found \"True\"; text stands in double quotes, and the only words without are true, false and null",
    ),
    (
        "{} {}",
        "line 1, column 4: expected the end of the body after the document, found '{'",
    ),
    (
        "01",
        "line 1, column 2: a number may not begin with 0 and another digit; remove the zero",
    ),
    (
        "-",
        "line 1, column 2: a number needs a digit after '-', found the end of the body",
    ),
    (
        "1.",
        "line 1, column 3: a number needs a digit after its point, found the end of the body",
    ),
    (
        "1e+]",
        "line 1, column 4: a number needs a digit in its exponent, found ']'",
    ),
    (
        "\"abc",
        "line 1, column 5: a string is not closed; a double quote is missing",
    ),
    (
        "{\"ab",
        "line 1, column 5: a member name is not closed; a double quote is missing",
    ),
    (
        "\"a\nb\"",
        "line 1, column 3: a string holds the control character U+000A; write a line break as \\n, or close the string with a double quote",
    ),
    (
        "\"a\0\"",
        "line 1, column 3: a string holds the control character U+0000; U+0000 is not accepted anywhere",
    ),
    (
        "{\"a\\u0000\":1}",
        "line 1, column 4: \\u0000 is not accepted anywhere",
    ),
    (
        "\"\\x\"",
        "line 1, column 3: a backslash must be followed by one of \" \\ / b f n r t u, found 'x'",
    ),
    (
        "\"\\u12é4\"",
        "line 1, column 6: \\u needs four hexadecimal digits, found 'é'",
    ),
    (
        "\"\\ud800\"",
        "line 1, column 2: \\uD800 is half of a surrogate pair; its other half must stand beside it",
    ),
    (
        "\"\\udc00\\ud800\"",
        "line 1, column 2: \\uDC00 is half of a surrogate pair; its other half must stand beside it",
    ),
    (
        "\"\\ud800\\u0041\"",
        "line 1, column 2: \\uD800 is half of a surrogate pair; its other half must stand beside it",
    ),
];

#[test]
fn faults_name_line_column_and_cause() {
    for (document, expected) in FAULTS {
        assert_eq!(problem(document), *expected, "{document:?}");
    }
    let invalid = parse(b"{\n\"\xc3\x28\"}").unwrap_err();
    assert_eq!(
        invalid.to_string(),
        "line 2, column 2: the body is not valid UTF-8: byte 0xC3 cannot stand here"
    );
}

#[test]
fn duplicate_members_are_refused_at_every_level() {
    assert_eq!(
        problem("{\"a\":1,\"\\u0061\":2}"),
        "line 1, column 8: this object has two members named \"a\"; send it once"
    );
    assert_eq!(
        problem("{\"unknown\":[{},{\"x\":{\"b\":1,\n\"b\":1}}]}"),
        "line 2, column 1: unknown[1].x has two members named \"b\"; send it once"
    );
    // Not even names of what no error tells.
    for (document, place) in [
        (
            r#"{"x":{"customAndSensitiveData":{"pin":1,"pin":2}}}"#,
            "x.customAndSensitiveData",
        ),
        (
            r#"{"CUSTOMAndSensitiveData":[{"pin":{"b":1,"b":2}}]}"#,
            "CUSTOMAndSensitiveData",
        ),
    ] {
        let problem = problem(document);
        assert!(
            problem.ends_with(&format!(": {place} has a member twice; send it once")),
            "{problem}"
        );
    }
    assert!(parse(b"[{\"a\":1},{\"a\":1}]").is_ok());
}

#[test]
fn duplicates_are_found_in_objects_of_any_size_in_linear_time() {
    let members: Vec<String> = (0..100_000).map(|number| format!("\"m{number}\":0")).collect();
    let document = format!("{{{}}}", members.join(","));
    assert!(parse(document.as_bytes()).is_ok());
    for size in [2, 15, 16, 17, 18, 40, 100_000] {
        for twice in [0, size / 2, size - 1] {
            let document = format!("{{{},\"m{twice}\":1}}", members[..size].join(","));
            assert!(
                problem(&document).contains(&format!("two members named \"m{twice}\"")),
                "{size} {twice}"
            );
        }
    }
}

#[test]
fn sixty_four_levels_and_no_more() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels: usize| format!("{}0{}", open.repeat(levels), close.repeat(levels));
        assert!(parse(nested(JSON_DEPTH_MAX).as_bytes()).is_ok());
        let refused = problem(&nested(JSON_DEPTH_MAX + 1));
        assert!(
            refused.ends_with("arrays and objects are nested more than 64 levels deep"),
            "{refused}"
        );
        assert!(parse(open.repeat(1_000_000).as_bytes()).is_err());
    }
}

#[test]
fn messages_stay_short() {
    let long = "x".repeat(100_000);
    for document in [
        format!("{{\"{long}\":1,\"{long}\":2}}"),
        format!("{{\"{long}\"}}"),
        long.clone(),
    ] {
        assert!(problem(&document).len() < 300);
    }
}

#[test]
fn paths_are_printed_as_contract_does() {
    let root = At::root();
    assert_eq!(root.to_string(), "");
    let (profiles, strange) = (root.member("organizationProfiles"), root.member("a.b\n"));
    let profile = profiles.index(3);
    let payload = profile.member("payload");
    let details = payload.member("details");
    assert_eq!(
        details.index(0).member("values").to_string(),
        "organizationProfiles[3].payload.details[0].values"
    );
    assert_eq!(
        strange.member("atlassian:customer-org").to_string(),
        "[\"a.b\\n\"].atlassian:customer-org"
    );
    assert_eq!(root.index(2).member("x").to_string(), "[2].x");
}

fn to_serde(node: &Node<'_>) -> serde_json::Value {
    match node {
        Node::Null => serde_json::Value::Null,
        Node::Bool(value) => (*value).into(),
        Node::Number(text) => serde_json::from_str(text).unwrap(),
        Node::Text(text) => text.as_ref().into(),
        Node::Array(items) => items.iter().map(to_serde).collect(),
        Node::Object(members) => members
            .iter()
            .map(|(name, value)| (name.to_owned(), to_serde(value)))
            .collect(),
    }
}

/// Refused by us although it is JSON.
fn is_extra(fault: &Fault) -> bool {
    ["two members named", "nested more than", "\\u0000 is not accepted"]
        .iter()
        .any(|words| fault.problem.contains(words))
}

/// Documents, most of them valid, made of JSON's own pieces.
fn document() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "\"[a-c]{0,2}\"",
        "\"[a-c\u{7f}\u{80}é😀]{0,20}(\\\\[n\"])?[ !#\\[]{0,20}\"",
        "\"(\\\\[\"\\\\/bfnrtu]|\\\\u00(00|41|e9)|\\\\u[dD][89cC]00|é|😀| ){0,3}\""
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        "(true|false)",
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?",
        "[-+]?0?[0-9]*\\.?[0-9]*e?",
        text.clone()
    ];
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let comma = "[ \n\t\r]{0,1},[ \n]{0,1}";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), comma)
                .prop_map(|(items, comma)| format!("[{}]", items.join(&comma))),
            (prop::collection::vec((text.clone(), inner), 0..5), comma).prop_map(|(members, comma)| {
                let members: Vec<_> = members
                    .iter()
                    .map(|(name, value)| format!("{name} :{value}"))
                    .collect();
                format!("{{{}}}", members.join(&comma))
            }),
        ]
    })
}

/// The same with a piece cut out or put in.
fn damaged() -> impl Strategy<Value = String> {
    (
        document(),
        any::<prop::sample::Index>(),
        "[\\[\\]{},:\"0-9eE.\\\\ +-]{0,2}",
        0..3_usize,
    )
        .prop_map(|(document, index, piece, cut)| {
            let mut characters: Vec<char> = document.chars().collect();
            let at = index.index(characters.len() + 1);
            let end = (at + cut).min(characters.len());
            characters.splice(at..end, piece.chars());
            characters.into_iter().collect()
        })
}

fn agrees_with_serde(document: &str) -> Result<(), TestCaseError> {
    let theirs = serde_json::from_str::<serde_json::Value>(document);
    match (parse(document.as_bytes()), theirs) {
        (Ok(node), Ok(theirs)) => {
            prop_assert_eq!(to_serde(&node), theirs);
            let (mut plain, mut sorted) = (String::new(), String::new());
            node.write(&mut plain);
            prop_assert_eq!(parse(plain.as_bytes()), Ok(node.clone()));
            node.write_canonical(&mut sorted);
            let mut again = String::new();
            parse(sorted.as_bytes()).unwrap().write_canonical(&mut again);
            prop_assert_eq!(sorted, again);
        }
        (Ok(_), Err(error)) => {
            // serde_json must turn numbers into doubles; we keep the text.
            prop_assert!(
                error.to_string().contains("number out of range"),
                "{document:?}: {error}"
            );
        }
        (Err(fault), theirs) => prop_assert!(is_extra(&fault) || theirs.is_err(), "{document:?}: {fault}"),
    }
    Ok(())
}

/// The first byte that a string holds in another form, looked for one by one.
fn first_other(bytes: &[u8]) -> Option<usize> {
    bytes
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..b' '))
}

#[test]
fn each_byte_at_each_place_of_a_word_is_found_or_passed() {
    for place in 0..36 {
        for byte in 0..=u8::MAX {
            for (before, after) in [(b'a', b'"'), (0xff, 0), (b'!', b'!'), (0x80, b'\\'), (b'#', b' ')] {
                let mut bytes = [before; 37];
                bytes[place] = byte;
                bytes[place + 1..].fill(after);
                assert_eq!(string::plain_length(&bytes), first_other(&bytes), "{bytes:?}");
            }
        }
    }
}

proptest! {
    #[test]
    fn the_end_of_a_run_is_the_first_other_byte(
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), b' '..=b'#', b'['..=b'^', 0x7f_u8..=0x82], 0..40)
    ) {
        prop_assert_eq!(string::plain_length(&bytes), first_other(&bytes));
    }

    #[test]
    fn accepts_what_serde_accepts_but_for_our_refusals(document in document()) {
        agrees_with_serde(&document)?;
    }

    #[test]
    fn refuses_what_serde_refuses(document in damaged()) {
        agrees_with_serde(&document)?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(fault) = parse(&bytes) {
            prop_assert!(fault.line >= 1 && fault.column >= 1);
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[\\[\\]{}\",:\\\\u0-9a-fé \n-]{0,60}") {
        agrees_with_serde(&text)?;
    }

    #[test]
    fn printed_strings_read_back(text in any::<String>()) {
        let mut out = String::new();
        write_text(&text, &mut out);
        prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }
}
