//! Bodies that nobody would send, against the whole way of reading objects: the JSON reader, the request,
//! the canonical text, and that text again.
//!
//! `GUILDHALL_FUZZ_ROUNDS` says how many (the long run: `GUILDHALL_FUZZ_ROUNDS=10000000 cargo test --release
//! --package guildhall-domain --test fuzz`), `GUILDHALL_FUZZ_SEED` which. A failure prints its round and its
//! body; round N of a seed is the same body on every machine. Bodies that once broke something stand in
//! `FINDS`. Longer than most files: the check, the mutations and the grammar are of use together only.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use guildhall_domain::connector::{Object, RejectedObject, SetObjects};
use guildhall_domain::json;
use guildhall_domain::limits::{OBJECT_BYTES_MAX, OBJECT_PROBLEMS_MAX, OBJECTS_MAX};
use std::panic::catch_unwind;

/// Bodies that once broke something, and the vendor's examples.
const FINDS: [&str; 3] = [
    include_str!("../src/connector/tests/seeds/customer-org-category.json"),
    include_str!("../src/connector/tests/seeds/customer-org.json"),
    include_str!("../src/connector/tests/seeds/organisation.json"),
];

/// Stands in sensitive texts and nowhere else, so that no message may hold it.
const SECRET: &str = "hunter2";

/// Values that are valid JSON, wherever they stand.
const VALUES: [&str; 31] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "1.0",
    "1e400",
    "1e-400",
    "9223372036854775807",
    "9223372036854775808",
    "1e18",
    "\"1\"",
    "\"\"",
    "{}",
    "[]",
    "[[[[]]]]",
    "{\"a\":{\"a\":{}}}",
    "\"\\ud83d\\ude00\"",
    "\"\\u0041\"",
    "\"e\u{301}\u{323}\"",
    "\"\u{feff}\"",
    "\"NaN\"",
    "\"2024-02-30T00:00:00Z\"",
    "\"2016-12-31T23:59:60Z\"",
    "\"atlassian:customer-org\"",
    "{\"set\":[]}",
    "{\"entityId\":\"x\"}",
    "{\"externalId\":\"u\"}",
    "[{\"externalId\":\"u\"}]",
];

/// Pieces that break the JSON around them, mostly.
const PIECES: [&str; 16] = [
    ",",
    ":",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "\n",
    "\u{0}",
    "NaN",
    "-",
    "e9",
    "\"\\ud800\"",
    "\"\\u0000\"",
    "}}",
];

/// The names of types, right ones first.
const TYPES: [&str; 7] = [
    "atlassian:organisation",
    "atlassian:organization",
    "atlassian:customer-org",
    "atlassian:customer-organization",
    "atlassian:customer-organisation",
    "atlassian:customer-org-category",
    "atlassian:document",
];

/// Member names that mean something somewhere.
const NAMES: [&str; 24] = [
    "id",
    "updateSequenceNumber",
    "displayName",
    "url",
    "createdAt",
    "lastUpdated",
    "lastUpdatedBy",
    "owners",
    "thumbnail",
    "parentKey",
    "permissions",
    "associations",
    "properties",
    "atlassian:organisation",
    "atlassian:document",
    "type",
    "value",
    "entityId",
    "action",
    "principals",
    "values",
    "set",
    "lastActivity",
    "objects",
];

#[test]
fn no_body_breaks_the_reader() {
    let rounds = from_environment("GUILDHALL_FUZZ_ROUNDS", 10_000);
    let seed = from_environment("GUILDHALL_FUZZ_SEED", 1);
    for find in FINDS {
        check(find.as_bytes(), false);
    }
    let mut accepted = 0;
    for round in 0..rounds {
        let mut dice = Dice(seed.wrapping_mul(0xD134_2543_DE82_EF95) ^ round);
        let (body, is_whole) = body(&mut dice);
        match catch_unwind(|| check(&body, is_whole)) {
            Ok(count) => accepted += count,
            Err(_) => panic!("round {round} of seed {seed}: {}", String::from_utf8_lossy(&body)),
        }
    }
    println!("{rounds} bodies, {accepted} objects accepted");
    // Else this would be about the JSON reader only.
    assert!(accepted >= rounds / 10, "{accepted} of {rounds}");
}

fn from_environment(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().unwrap())
}

/// Reads the body, and returns how many of its objects are accepted. In a whole body the secret stands in
/// its member only.
fn check(body: &[u8], is_whole: bool) -> u64 {
    let Ok(node) = json::parse(body) else { return 0 };
    let request = match SetObjects::read(&node) {
        Ok(request) => request,
        Err(fault) => {
            assert!(!fault.error.is_empty() && !fault.errors.is_empty());
            return 0;
        }
    };
    assert!((1..=OBJECTS_MAX).contains(&request.objects.len()));
    let mut accepted = 0;
    for object in request.objects {
        match object {
            Ok(object) => {
                check_object(&object);
                accepted += 1;
            }
            Err(rejected) => check_rejected(&rejected, is_whole),
        }
    }
    accepted
}

fn check_rejected(rejected: &RejectedObject, is_whole: bool) {
    assert!((1..=OBJECT_PROBLEMS_MAX + 1).contains(&rejected.problems.len()));
    for problem in &rejected.problems {
        assert!(!problem.message.is_empty() && problem.message.len() < 2_000);
        assert!(
            !is_whole || !format!("{problem:?}").contains(SECRET),
            "{problem:?}"
        );
    }
}

/// What was accepted is read again as the same object, from its own text.
fn check_object(object: &Object) {
    let whole = Object::whole(&object.body, object.sensitive.as_deref());
    assert!(whole.len() <= OBJECT_BYTES_MAX);
    let mut text = format!("{{\"objects\":[{whole}],\"properties\":{{");
    for (index, (key, value)) in object.tags.iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        json::Node::Text(key.into()).write(&mut text);
        text.push(':');
        json::Node::Text(value.into()).write(&mut text);
    }
    text.push_str("}}");
    let node = json::parse(text.as_bytes()).unwrap();
    let again = SetObjects::read(&node).unwrap().objects.remove(0);
    assert_eq!(again.as_ref(), Ok(object));
    assert!(object.sequence >= 0 && !object.id.is_empty());
}

/// A small generator: the same numbers from the same seed everywhere.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap();
        usize::try_from(self.next() % end).unwrap()
    }

    /// Once in `times`.
    fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }

    /// The value, or once in `times` another in its place.
    fn odd(&mut self, times: usize, value: String) -> String {
        if self.once_in(times) {
            self.of(&VALUES).to_owned()
        } else {
            value
        }
    }
}

/// A body, and whether it is one that only the grammar made.
fn body(dice: &mut Dice) -> (Vec<u8>, bool) {
    let mut body = match dice.below(4) {
        0 => FINDS[dice.below(FINDS.len())].as_bytes().to_vec(),
        _ => request(dice).into_bytes(),
    };
    if dice.once_in(2) {
        return (body, true);
    }
    for _ in 0..=dice.below(4) {
        mutate(&mut body, dice);
    }
    (body, false)
}

fn mutate(body: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.below(body.len());
    let end = (at + dice.below(20)).min(body.len());
    match dice.below(10) {
        0 => {
            if let Some(byte) = body.get_mut(at) {
                *byte ^= 1 << dice.below(8);
            }
        }
        1 => drop(body.drain(at..end)),
        2 => {
            let copy = body[at..end].to_vec();
            body.splice(at..at, copy);
        }
        3 => body.truncate(at),
        4 => {
            let from = dice.below(body.len());
            let to = (from + dice.below(60)).min(body.len());
            let copy = body[from..to].to_vec();
            body.splice(at..end, copy);
        }
        5 => {
            body.splice(at..end, dice.of(&PIECES).bytes());
        }
        _ => replace_member(body, dice),
    }
}

/// Puts a value in the place of the one after some colon, or a name in the place of the one before it.
fn replace_member(body: &mut Vec<u8>, dice: &mut Dice) {
    let start = dice.below(body.len());
    let Some(colon) = body[start..].iter().position(|byte| *byte == b':') else {
        return;
    };
    let colon = start + colon;
    if dice.once_in(2) {
        let rest = &body[colon + 1..];
        let end = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']'));
        let end = colon + 1 + end.unwrap_or(rest.len());
        body.splice(colon + 1..end, dice.of(&VALUES).bytes());
    } else {
        let before = &body[..colon];
        let start = before.iter().rposition(|byte| matches!(byte, b',' | b'{'));
        let start = start.map_or(0, |at| at + 1);
        let name = format!("{:?}", dice.of(&NAMES));
        body.splice(start..colon, name.bytes());
    }
}

/// A request by the grammar, with something odd here and there.
fn request(dice: &mut Dice) -> String {
    let objects: Vec<_> = (0..=dice.below(2)).map(|_| object(dice)).collect();
    let name = if dice.once_in(9) { "entities" } else { "objects" };
    let mut members = vec![(name, format!("[{}]", objects.join(",")))];
    if dice.once_in(5) {
        let tag = format!("{{\"k{}\":{}}}", dice.below(9), text(dice));
        members.push(("properties", dice.odd(20, tag)));
    }
    if dice.once_in(9) {
        members.push(("operationType", dice.odd(5, "\"BACKFILL\"".to_owned())));
    }
    print(&members)
}

type Grammar = (&'static str, fn(&mut Dice) -> String);

const REQUIRED: [Grammar; 6] = [
    ("id", text),
    ("displayName", text),
    ("url", |_| "\"https://example.com/x\"".to_owned()),
    ("createdAt", instant),
    ("lastUpdatedAt", instant),
    ("permissions", permissions),
];

const OPTIONAL: [Grammar; 12] = [
    ("schemaVersion", text),
    ("description", text),
    ("createdBy", person),
    ("lastUpdatedBy", |dice| format!("[{}]", person(dice))),
    ("lastUpdated", instant),
    ("owners", |dice| format!("[{}]", person(dice))),
    ("thumbnail", |dice| format!("{{\"url\":{}}}", text(dice))),
    ("parentKey", key),
    ("containerKey", key),
    ("associations", associations),
    ("properties", |dice| {
        format!("{{\"p{}\":{}}}", dice.below(9), text(dice))
    }),
    ("x", |dice| dice.of(&VALUES).to_owned()),
];

const IN_BLOCK: [Grammar; 9] = [
    ("contacts", |dice| format!("[{},{}]", person(dice), person(dice))),
    ("lastActivity", |dice| {
        format!("{{\"lastActivity\":{},\"event\":{}}}", instant(dice), text(dice))
    }),
    ("customerOrgLifeTimeValue", |dice| {
        let value = f64::from_bits(dice.next());
        let value = if value.is_finite() { value } else { 1.5 };
        format!("{{\"value\":{value:e},\"currencyCode\":{}}}", text(dice))
    }),
    ("websiteUrl", text),
    ("industry", text),
    ("country", text),
    ("key", text),
    ("y", |dice| dice.of(&VALUES).to_owned()),
    ("customAndSensitiveData", secret),
];

fn object(dice: &mut Dice) -> String {
    let sequence = dice.next() >> (1 + dice.below(63));
    let mut members = vec![("updateSequenceNumber", dice.odd(40, sequence.to_string()))];
    for (name, value) in REQUIRED {
        if !dice.once_in(100) {
            let value = value(dice);
            members.push((name, dice.odd(100, value)));
        }
    }
    some_of(&OPTIONAL, dice, &mut members);
    let mut block = Vec::new();
    some_of(&IN_BLOCK, dice, &mut block);
    let known = if dice.once_in(50) { 7 } else { 6 };
    members.push((dice.of(&TYPES[..known]), print(&block)));
    if dice.once_in(50) {
        members.push((dice.of(&NAMES), dice.of(&VALUES).to_owned()));
    }
    let turns = dice.below(members.len());
    members.rotate_left(turns);
    print(&members)
}

fn some_of(grammar: &[Grammar], dice: &mut Dice, members: &mut Vec<(&'static str, String)>) {
    for (name, value) in grammar {
        if dice.once_in(3) {
            let value = value(dice);
            members.push((name, dice.odd(60, value)));
        }
    }
}

fn secret(dice: &mut Dice) -> String {
    match dice.below(40) {
        0 => format!("\"{}\"", SECRET.repeat(10_000)),
        1 => format!("[\"{SECRET}\"]"),
        2 => format!("{{\"{SECRET}\":1}}"),
        _ => format!("\"{SECRET} {{}}}}\""),
    }
}

fn text(dice: &mut Dice) -> String {
    const CHARACTERS: [char; 15] = [
        'a',
        'Z',
        '0',
        ' ',
        '/',
        '{',
        '}',
        '"',
        '\\',
        '\n',
        '\u{1}',
        '\u{7f}',
        'é',
        '\u{301}',
        '\u{1f600}',
    ];
    let length = match dice.below(200) {
        0 => 0,
        1 => 250 + dice.below(12),
        _ => 1 + dice.below(9),
    };
    let text: String = (0..length)
        .map(|_| CHARACTERS[dice.below(CHARACTERS.len())])
        .collect();
    let mut out = String::new();
    json::Node::Text(text.into()).write(&mut out);
    out
}

fn instant(dice: &mut Dice) -> String {
    let fraction = &".123456789"[..[0, 2, 4, 10][dice.below(4)]];
    let zone = dice.of(&["Z", "z", "+00:00", "-23:59", "+05:30"]);
    let (year, month, day) = (dice.below(100), 1 + dice.below(9), 1 + dice.below(28));
    let (hour, second) = (dice.below(24), dice.below(60));
    format!("\"20{year:02}-0{month}-{day:02}T{hour:02}:59:{second:02}{fraction}{zone}\"")
}

fn person(dice: &mut Dice) -> String {
    let names = ["externalId", "accountId", "email", "ari", "name", "avatar", "z"];
    let (first, second) = (dice.below(4), 4 + dice.below(3));
    print(&[(names[first], text(dice)), (names[second], text(dice))])
}

fn key(dice: &mut Dice) -> String {
    let kind = format!("{:?}", dice.of(&TYPES));
    let value = format!("{{\"entityId\":{},\"v\":{}}}", text(dice), dice.of(&VALUES));
    print(&[("type", kind), ("value", dice.odd(40, value))])
}

fn permissions(dice: &mut Dice) -> String {
    const KINDS: [&str; 5] = [
        "\"USER\"",
        "\"group\"",
        "\"EVERYONE\"",
        "\"ATLASSIAN_WORKSPACE\"",
        "\"CONTAINER\"",
    ];
    let mut principals = Vec::new();
    for _ in 0..dice.below(3) {
        let kind = dice.of(&KINDS).to_owned();
        principals.push(print(&[("type", dice.odd(60, kind)), ("id", text(dice))]));
    }
    let control = print(&[("principals", format!("[{}]", principals.join(",")))]);
    let mut entry = vec![("accessControls", format!("[{}]", dice.odd(60, control)))];
    if dice.once_in(2) {
        let action = dice.of(&["\"read\"", "\"READ\"", "\"write\"", "null"]);
        entry.push(("action", action.to_owned()));
    }
    let entry = print(&entry);
    if dice.once_in(4) {
        entry
    } else {
        format!("[{entry}]")
    }
}

fn associations(dice: &mut Dice) -> String {
    let mut entries = Vec::new();
    for _ in 0..=dice.below(3) {
        let kind = dice.of(&["\"a\"", "\"b\"", "\"atlassian:customer-org-category\""]);
        let values = format!("[{},{{\"entityId\":{}}}]", text(dice), text(dice));
        let values = dice.odd(40, values);
        entries.push(print(&[
            ("associationType", kind.to_owned()),
            ("values", values),
            ("w", text(dice)),
        ]));
    }
    let list = format!("[{}]", entries.join(","));
    match dice.below(4) {
        0 => format!("{{\"set\":{list}}}"),
        1 => entries.remove(0),
        _ => list,
    }
}

fn print(members: &[(&str, String)]) -> String {
    let members: Vec<_> = members
        .iter()
        .map(|(name, value)| format!("{name:?}:{value}"))
        .collect();
    format!("{{{}}}", members.join(","))
}
