//! Texts that names and values are made of, and some that neither may be.

use std::collections::BTreeSet;

use guildhall_testkit::SeededRandom;

/// Names that are somebody's already, sooner or later, in one spelling or another.
const NAMES: [&str; 30] = [
    "Acme",
    "ACME",
    " acme ",
    "Globex",
    "Straße",
    "STRASSE",
    "İstanbul",
    "istanbul",
    "ǰ",
    "J\u{30c}",
    "Café",
    "Cafe\u{301}",
    "名前",
    "👩‍👩‍👧",
    "O'Neil & \"Sons\"",
    "100%_\\",
    "a\u{a0}b",
    "-- '; DROP TABLE organization; --",
    "{\"a\":1}",
    "$1",
    "null",
    "Ω",
    "Ω",
    "ﬁ",
    "~",
    "\u{10ffff}",
    "Zoë",
    "zoë",
    "é",
    "z",
];

/// What is too long, blank, or holds what no text here may.
const ODD: [&str; 14] = [
    "",
    " ",
    "\u{3000}",
    "\u{0}",
    "a\u{0}b",
    "\u{1}",
    "\u{7f}",
    "line\nbreak",
    "tab\there",
    "\u{85}",
    "\u{feff}",
    "\u{200b}",
    "%00",
    "../..",
];

/// A name, mostly one that can be.
pub fn name(random: &SeededRandom) -> String {
    match random.below(24) {
        0 => odd(random),
        1..=6 => format!("{} {}", random.pick(&NAMES), random.below(4)),
        7 => random.pick(&NAMES).to_lowercase(),
        8 => random.pick(&NAMES).to_uppercase(),
        _ => (*random.pick(&NAMES)).to_owned(),
    }
}

/// A text of which something is wrong, for most purposes.
pub fn odd(random: &SeededRandom) -> String {
    let longest: &[usize] = &[199, 200, 201, 254, 255, 256, 257, 2_048, 2_049, 5_000, 5_001];
    match random.below(5) {
        0 => "x".repeat(*random.pick(longest)),
        1 => "é".repeat(*random.pick(longest)),
        2 => (*random.pick(&[
            "9223372036854775807",
            "9223372036854775808",
            "-1",
            "01",
            "1e3",
            "٣",
            "1.0",
        ]))
        .to_owned(),
        _ => (*random.pick(&ODD)).to_owned(),
    }
}

/// The name of a field, mostly one of a few.
pub fn field(random: &SeededRandom) -> String {
    const FIELDS: [&str; 14] = [
        "Region", "region", "REGION ", "Tags", "Note", "Size", "Since", "Größe", "GRÖSSE", "A/B", "bulk",
        "Mail", "Active", "Owner",
    ];
    match random.below(30) {
        0 => odd(random),
        1 => format!("{} {}", random.pick(&FIELDS), random.below(60)),
        2 => "Regoin".to_owned(),
        _ => (*random.pick(&FIELDS)).to_owned(),
    }
}

/// The name of a field's type.
pub fn field_type(random: &SeededRandom) -> &'static str {
    const TYPES: [&str; 14] = [
        "TEXT",
        "TEXT",
        "NUMBER",
        "BOOLEAN",
        "DATE",
        "EMAIL",
        "PHONE",
        "URL",
        "SELECT",
        "SELECT",
        "MULTISELECT",
        "MULTISELECT",
        "MULTISELECT",
        "USER",
    ];
    match random.below(20) {
        0 => random.pick::<&str>(&["ASSETS_OBJECT", "text", "", "SELCT"]),
        _ => random.pick::<&str>(&TYPES),
    }
}

/// Options of a field: seldom more than there may be.
pub fn options(random: &SeededRandom) -> Vec<String> {
    if random.chance(0.004) {
        let count = *random.pick(&[2_000, 2_001]);
        return (0..count).map(|number| format!("Option {number}")).collect();
    }
    let mut options: Vec<String> = (0..random.below(6)).map(|_| option(random)).collect();
    if random.chance(0.8) {
        // No two are the same when compared.
        let mut seen = BTreeSet::new();
        options.retain(|option| seen.insert(option.to_lowercase()));
    }
    options
}

fn option(random: &SeededRandom) -> String {
    const OPTIONS: [&str; 10] = ["EU", "US", "eu", "Asia", "Größe", "x", "y", "z", "A, B", "\"q\""];
    match random.below(40) {
        0 => odd(random),
        _ => (*random.pick(&OPTIONS)).to_owned(),
    }
}

/// The values of a field, of whichever type: mostly some type's.
pub fn values(random: &SeededRandom) -> Vec<String> {
    const VALUES: [&str; 26] = [
        "0042",
        "-1.50",
        "+7",
        "1,5",
        "true",
        "No",
        "FALSE",
        "2026-02-28",
        "2026-02-30",
        "0000-01-01",
        "ann@example.com",
        "ann@localhost",
        "Ünï@example.com",
        "+49 (30) 12-34.5",
        "0123",
        "https://example.com/?q=a b",
        "HTTP://EXAMPLE.COM",
        "ftp://example.com",
        "user-1",
        "free text",
        "two\nlines",
        " padded ",
        "名前",
        "e\u{301}",
        "é",
        "Ä",
    ];
    let count = *random.pick(&[0, 1, 1, 1, 1, 1, 2, 3]);
    let value = |_| match random.below(16) {
        0 => odd(random),
        1..=8 => option(random),
        _ => (*random.pick(&VALUES)).to_owned(),
    };
    (0..count).map(value).collect()
}

/// An email, mostly one that can be.
pub fn email(random: &SeededRandom) -> String {
    const LOCAL: [&str; 8] = [
        "ann", "Ann", "bob", "o'neil", "a.b+c", "straße", "STRASSE", "müller",
    ];
    match random.below(40) {
        0 => odd(random),
        1 => "no email".to_owned(),
        _ => format!("{}{}@Example.com", random.pick(&LOCAL), random.below(6)),
    }
}

/// Values of a type with these options: mostly such as it takes.
pub fn values_of(random: &SeededRandom, field_type: Option<&str>, options: &[&str]) -> Vec<String> {
    let some: &[&str] = match field_type {
        Some("SELECT" | "MULTISELECT") => options,
        Some("NUMBER") => &["0042", "-1.50", "+7", "00042", "7"],
        Some("BOOLEAN") => &["true", "No", "FALSE", "yes"],
        Some("DATE") => &["2026-02-28", "2024-02-29", "0001-01-01"],
        Some("EMAIL") => &["ann@example.com", "ANN@EXAMPLE.COM", "bob@example.org"],
        Some("PHONE") => &["+49 (30) 12-34.5", "0123", "004930123"],
        Some("URL") => &[
            "https://example.com/?q=a",
            "HTTP://EXAMPLE.COM",
            "http://[::1]:80/",
        ],
        Some("USER") => &["user-1", "USER-1", "qm:x:y"],
        _ => &[
            "free text",
            "two\nlines",
            " padded ",
            "名前",
            "e\u{301}",
            "é",
            "",
            "\t",
        ],
    };
    let most = if field_type == Some("MULTISELECT") { 5 } else { 2 };
    match random.below(12) {
        0 => values(random),
        1 => Vec::new(),
        _ if some.is_empty() => values(random),
        _ => (0..1 + random.below(most) * random.below(2))
            .map(|_| (*random.pick(some)).to_owned())
            .collect(),
    }
}
