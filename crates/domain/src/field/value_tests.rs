//! Which values each type takes: examples with the failing side, and properties.

use super::*;
use crate::FieldId;
use proptest::prelude::*;

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn field(field_type: FieldType) -> Definition {
    let options: &[&str] = if field_type.has_options() {
        &["AU", "EU", "US", "EMEA", "Café"]
    } else {
        &[]
    };
    Definition {
        id: FieldId(321),
        name: "Region".into(),
        key: "region".into(),
        field_type,
        options: texts(options),
        position: 1,
    }
}

fn check(field_type: FieldType, values: &[&str]) -> Result<Vec<String>, String> {
    field(field_type)
        .check(&texts(values), PhoneFormat::Lenient)
        .map(FieldTexts::into_vec)
        .map_err(|refusal| refusal.to_string())
}

/// Each is stored as the second says.
fn stores(field_type: FieldType, cases: &[(&str, &str)]) {
    for (value, stored) in cases {
        assert_eq!(check(field_type, &[value]), Ok(texts(&[stored])), "{value:?}");
    }
}

/// Each is refused in the vendor's words and ours.
fn refuses(field_type: FieldType, values: &[&str], words: &str) {
    for value in values {
        let refusal = check(field_type, &[value]).unwrap_err();
        assert!(
            refusal.starts_with("values: Invalid detail field value "),
            "{refusal}"
        );
        assert!(
            refusal.contains(" for \"Region\": ") && refusal.contains(words),
            "{refusal}"
        );
    }
}

#[test]
fn no_values_clear_any_field() {
    for kind in FieldType::ALL {
        assert_eq!(check(kind, &[]), Ok(vec![]));
    }
}

#[test]
fn only_multiselect_takes_many() {
    for kind in FieldType::ALL
        .into_iter()
        .filter(|kind| *kind != FieldType::MultiSelect)
    {
        assert_eq!(
            check(kind, &["EU", "EU"]).unwrap_err(),
            format!(
                "values: Invalid detail field value for \"Region\": a {} field takes one value, and 2 are given",
                kind.name()
            )
        );
    }
    assert_eq!(
        check(FieldType::MultiSelect, &["US", "EU"]),
        Ok(texts(&["US", "EU"]))
    );
}

#[test]
fn blank_is_a_value_of_text_only() {
    assert_eq!(check(FieldType::Text, &[""]), Ok(texts(&[""])));
    for kind in FieldType::ALL.into_iter().filter(|kind| *kind != FieldType::Text) {
        for blank in ["", " \u{a0}\n"] {
            assert!(
                check(kind, &[blank])
                    .unwrap_err()
                    .contains("Invalid detail field value \""),
                "{kind:?}"
            );
        }
    }
    refuses(
        FieldType::Date,
        &[""],
        "a DATE field takes no blank value; send an empty list of values to clear it",
    );
}

#[test]
fn text_is_kept_as_typed() {
    stores(
        FieldType::Text,
        &[(" a\tb\r\nc ", " a\tb\r\nc "), ("e\u{301}", "e\u{301}")],
    );
    assert!(check(FieldType::Text, &[&"é".repeat(5_000)]).is_ok());
    refuses(
        FieldType::Text,
        &[&"é".repeat(5_001)],
        "at most 5000 characters, and this has 5001",
    );
    refuses(
        FieldType::Text,
        &["a\0", "\u{7f}", "\u{85}"],
        "control characters",
    );
}

#[test]
fn numbers_are_kept_as_typed() {
    stores(
        FieldType::Number,
        &[
            ("1", "1"),
            (" +007.50 ", "+007.50"),
            ("-0", "-0"),
            ("12345678901234567890", "12345678901234567890"),
        ],
    );
    refuses(
        FieldType::Number,
        &["1e3", "1,5", ".5", "5.", "abc", "1 2", "٣", "+"],
        "not a number",
    );
    assert!(check(FieldType::Number, &[&"1".repeat(128)]).is_ok());
    refuses(FieldType::Number, &[&"1".repeat(129)], "at most 128 characters");
}

#[test]
fn booleans_become_true_or_false() {
    stores(
        FieldType::Boolean,
        &[
            ("TRUE", "true"),
            ("Yes", "true"),
            ("no ", "false"),
            ("false", "false"),
        ],
    );
    refuses(
        FieldType::Boolean,
        &["1", "0", "y", "on", "ｔrue"],
        "send \"true\" or \"false\"",
    );
}

#[test]
fn dates_are_days_of_the_calendar() {
    stores(
        FieldType::Date,
        &[("2026-03-01", "2026-03-01"), (" 2024-02-29 ", "2024-02-29")],
    );
    refuses(
        FieldType::Date,
        &[
            "2026-3-1",
            "20260301",
            "2026-03-01T00:00:00Z",
            "+2026-03-0",
            "01.03.2026",
            "2026-W10-1",
            "２026-03-01",
        ],
        "as YYYY-MM-DD, such as",
    );
    refuses(
        FieldType::Date,
        &["2026-02-29", "2026-13-01", "2026-00-10", "2026-04-31"],
        "no such day",
    );
}

#[test]
fn emails_have_a_name_and_a_domain() {
    stores(
        FieldType::Email,
        &[
            ("Ann.O'Neil+x@Example.com", "Ann.O'Neil+x@Example.com"),
            (" a@b.co ", "a@b.co"),
            ("用户@例え.jp", "用户@例え.jp"),
        ],
    );
    refuses(FieldType::Email, &["ann", "a@b@c.com", "@"], "'@'");
    refuses(FieldType::Email, &["@b.co"], "a name before");
    refuses(
        FieldType::Email,
        &["a b@c.com", "a@b .com", "a\u{1}@b.com", "a\u{a0}@b.com"],
        "no spaces",
    );
    refuses(
        FieldType::Email,
        &["a@b", "a@.com", "a@b.", "a@b..c", "a@-b.c", "a@b.c>", "a@b.c,d"],
        "domain",
    );
    let longest = format!("{}@example.com", "a".repeat(242));
    assert!(check(FieldType::Email, &[&longest]).is_ok());
    refuses(
        FieldType::Email,
        &[&format!("a{longest}")],
        "at most 254 characters",
    );
}

#[test]
fn phones_are_lenient_by_default() {
    stores(
        FieldType::Phone,
        &[
            ("0422333111", "0422333111"),
            ("+61 (0)422-333.111", "+61 (0)422-333.111"),
            ("000 ", "000"),
        ],
    );
    assert!(check(FieldType::Phone, &[&"1".repeat(20)]).is_ok());
    refuses(
        FieldType::Phone,
        &[
            "12",
            &"1".repeat(21),
            "+",
            "12+345",
            "++123",
            "123 ext 4",
            "1/23",
            "１２３",
            &format!("123{}", "(".repeat(58)),
        ],
        "3 to 20 digits",
    );
}

#[test]
fn phones_may_have_to_be_e164() {
    let phone = field(FieldType::Phone);
    let check = |value: &str| phone.check(&texts(&[value]), PhoneFormat::E164);
    assert_eq!(check(" +61422333111 "), Ok(texts(&["+61422333111"]).into()));
    assert!(check("+123456789012345").is_ok());
    for refused in [
        "0422333111",
        "61422333111",
        "+0422333111",
        "+61 422",
        "+1234567890123456",
        "+",
        "+12",
    ] {
        let refusal = check(refused).unwrap_err().to_string();
        assert!(
            refusal.starts_with("values: Invalid detail field value") && refusal.contains("E.164"),
            "{refusal}"
        );
    }
}

#[test]
fn plain_addresses_are_known_at_a_glance() {
    for plain in [
        "https://example.com",
        "http://www.acme-2.example/a/b_c.html?x=1&y=-2",
        "https://a.b/",
    ] {
        assert!(is_plain_url(plain), "{plain}");
    }
    for other in [
        "https://EXAMPLE.com",
        "ftp://example.com",
        "https://",
        "https://.com",
        "https://example.",
        "https://1.2.3.4",
        "https://0x7f",
        "https://a.0xf",
        "https://xn--abc.com",
        "https://-a.com",
        "https://example.com:443/",
        "https://ann@example.com/",
        "https://example.com/a b",
        "https://example.com?x=1",
        "https://exämple.com",
    ] {
        assert!(!is_plain_url(other), "{other}");
    }
}

#[test]
fn urls_are_absolute_http() {
    stores(
        FieldType::Url,
        &[
            ("https://example.com", "https://example.com"),
            (" HTTP://Example.com:8080/a?b#c ", "HTTP://Example.com:8080/a?b#c"),
            ("https://münchen.de/ä", "https://münchen.de/ä"),
            ("http://[::1]/", "http://[::1]/"),
        ],
    );
    refuses(
        FieldType::Url,
        &[
            "example.com",
            "//example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "http:example.com",
            "httpé",
        ],
        "does not begin with http:// or https://",
    );
    refuses(
        FieldType::Url,
        &["https://", "http://:80", "http://a:99999", "http://[::1"],
        "not an address",
    );
    // What a browser would forgive or make something else of.
    refuses(
        FieldType::Url,
        &[
            "http:///x",
            "https:///a.com",
            "https://a.com\\b",
            "https://a.com/\"b\"",
            "https://a.com/<b>",
            "https://a.com/{b}|c^`",
        ],
        "is not written as an address is",
    );
    refuses(
        FieldType::Url,
        &[
            "https://*",
            "https://*.a.com",
            "https://.",
            "http://../x",
            "http://-",
        ],
        "has no host",
    );
    refuses(
        FieldType::Url,
        &["https://a b.com", "https://a.com/b c", "https://a.com/\nb"],
        "no spaces",
    );
    refuses(
        FieldType::Url,
        &[&format!("https://a.com/{}", "a".repeat(2_048))],
        "at most 2048 characters",
    );
}

#[test]
fn users_are_account_ids() {
    stores(
        FieldType::User,
        &[
            (" 5b10ac8d82e05b22cc7d4ef5 ", "5b10ac8d82e05b22cc7d4ef5"),
            ("557058:f-1", "557058:f-1"),
        ],
    );
    assert!(check(FieldType::User, &[&"x".repeat(255)]).is_ok());
    refuses(FieldType::User, &[&"x".repeat(256)], "at most 255 characters");
    refuses(FieldType::User, &["a\nb"], "control characters");
}

#[test]
fn select_takes_exactly_one_of_its_options() {
    stores(
        FieldType::Select,
        &[("EU", "EU"), (" AU\n", "AU"), ("Cafe\u{301}", "Café")],
    );
    assert_eq!(
        check(FieldType::Select, &["Eu"]).unwrap_err(),
        "values: Invalid detail field value \"Eu\" for \"Region\": not one of its options. Did you mean \"EU\"?"
    );
    assert_eq!(
        check(FieldType::Select, &["Mars"]).unwrap_err(),
        "values: Invalid detail field value \"Mars\" for \"Region\": not one of its options; its options are \"AU\", \"EU\", \"US\", \"EMEA\", \"Café\""
    );
    let many = Definition {
        options: (0..9).map(|n| format!("o{n}")).collect(),
        ..field(FieldType::Select)
    };
    let refusal = many.check(&texts(&["Mars"]), PhoneFormat::Lenient).unwrap_err();
    assert!(refusal.to_string().ends_with("; it has 9 options"));
}

#[test]
fn multiselect_keeps_the_given_order_without_repeats() {
    assert_eq!(
        check(FieldType::MultiSelect, &["US", " EU", "US ", "AU"]),
        Ok(texts(&["US", "EU", "AU"]))
    );
    assert_eq!(
        check(FieldType::MultiSelect, &["US", "eu"]).unwrap_err(),
        "values[1]: Invalid detail field value \"eu\" for \"Region\": not one of its options. Did you mean \"EU\"?"
    );
    assert!(
        check(FieldType::MultiSelect, &["US", ""])
            .unwrap_err()
            .starts_with("values[1]: Invalid detail field")
    );
    // Many are looked for in another way.
    let many = ["US", " EU", "US ", "AU", "EU", "US", "EU", "AU", "US", "EMEA"];
    assert_eq!(
        check(FieldType::MultiSelect, &many),
        Ok(texts(&["US", "EU", "AU", "EMEA"]))
    );
    let wrong = [&many[..], &["Mars"]].concat();
    assert!(
        check(FieldType::MultiSelect, &wrong)
            .unwrap_err()
            .starts_with("values[10]: Invalid detail field value \"Mars\"")
    );
    let hostile = vec!["US".to_owned(); 500_000];
    assert_eq!(
        field(FieldType::MultiSelect).check(&hostile, PhoneFormat::Lenient),
        Ok(texts(&["US"]).into())
    );
}

#[test]
fn keys_are_what_search_compares() {
    for (kind, left, right) in [
        (FieldType::Text, " Straße", "STRASSE"),
        (FieldType::Select, "EU", "eu"),
        (FieldType::MultiSelect, "Café", "CAFE\u{301}"),
        (FieldType::Email, "Ann@Example.com", "ann@example.COM"),
        (FieldType::Number, "1", "+01.0"),
        (FieldType::Boolean, "true", "YES"),
        (FieldType::Date, "2026-03-01", " 2026-03-01 "),
    ] {
        assert_eq!(
            value_key(kind, left),
            value_key(kind, right),
            "{left:?} {right:?}"
        );
    }
    assert!(value_key(FieldType::Number, "-10") < value_key(FieldType::Number, "9"));
    // A negative number's key, asked for as text, is not that number.
    let key = value_key(FieldType::Number, "-5");
    assert_ne!(value_key(FieldType::Number, &key), key);
    assert_ne!(
        value_key(FieldType::Number, "abc"),
        value_key(FieldType::Number, "abd")
    );
    assert_eq!(value_key(FieldType::Text, &"É".repeat(300)), "é".repeat(255));
}

proptest! {
    /// What is let through at a glance the library takes, too, and with the same host.
    #[test]
    fn a_plain_address_is_an_address(
        host in "([a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?[.]){0,3}[a-z0-9-]{0,4}[a-z]{0,3}",
        path in "(/[A-Za-z0-9._?=&-]{0,12}){0,2}[#%:@]?",
        scheme in "https?",
    ) {
        let value = format!("{scheme}://{host}{path}");
        if is_plain_url(&value) {
            let url = url::Url::parse(&value).map_err(|e| TestCaseError::fail(format!("{value}: {e}")))?;
            prop_assert_eq!(url.host_str(), Some(host.as_str()));
        }
    }

    /// What is taken at a glance is, in ASCII, just what the rules take.
    #[test]
    fn a_plain_email_is_an_email(value in "[a.@ -]{0,9}|[a-c!]{0,2}@([a-c0-9-]{0,3}[.]){0,3}[a-c-]{0,3}|\\PC{0,3}@a[.]b|\\PC{0,9}") {
        let is_email = check_email_in_full(&value).is_ok();
        prop_assert_eq!(is_plain_email(&value), is_email && value.is_ascii());
    }

    #[test]
    fn a_plain_host_is_of_plain_words(host in "[a0.-]{0,9}|([a-z0-9-]{1,4}[.]){0,3}[a-z0-9-]{0,4}|\\PC{0,5}") {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(is_plain) && !word.contains("--") && word.trim_matches('-') == word
        };
        let last = host.rsplit('.').next().unwrap();
        let expected = host.split('.').all(is_word) && last.bytes().all(|byte| byte.is_ascii_lowercase());
        prop_assert_eq!(is_plain_host(host.as_bytes()), expected);
    }

    #[test]
    fn what_is_stored_is_accepted_again(kind in prop::sample::select(&FieldType::ALL[..]), value in "\\PC{0,12}|[-+0-9.@a-c:/ ]{0,12}|https?://[a-c./:]{0,9}") {
        for phone in [PhoneFormat::Lenient, PhoneFormat::E164] {
            if let Ok(stored) = field(kind).check(std::slice::from_ref(&value), phone) {
                prop_assert_eq!(field(kind).check(&stored, phone), Ok(stored.clone()));
                prop_assert_eq!(value_key(kind, &value), value_key(kind, &stored[0]));
            }
        }
    }

    #[test]
    fn keys_are_short(kind in prop::sample::select(&FieldType::ALL[..]), value in "[0-9.]{0,300}|\\PC{0,300}") {
        prop_assert!(value_key(kind, &value).chars().count() <= VALUE_KEY_CHARS_MAX);
    }
}
