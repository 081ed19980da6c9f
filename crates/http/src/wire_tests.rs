//! Bodies that are read without a tree are what they are by their trees, whatever is done to them.

use std::fmt::Debug;

use guildhall_domain::json::{At, parse};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::{In, taken, taken_canonical};
use crate::api::bulk::{BulkOrganizationDetailsRequest, BulkOrganizationProfilesRequest};
use crate::api::customer_profiles::CreateCustomerProfileRequest;
use crate::api::fields::CreateDetailFieldRequest;
use crate::api::profiles::{CreateOrganizationProfileRequest, ProfileDetailFieldValueRequest};

const ORGANIZATION: &str = r#" {"name": "Acme \"EU\" \u00e9\ud83d\ude00", "details": [{"name": "Region", "values": ["EU"]},
    {"values": [], "name": "Notes\\"}], "associateCustomers": {"customerIds": ["a", "b"]}, "associateProducts": {}} "#;
const CUSTOMER: &str = r#"{"displayName":null,"email":"ann@example.com","associateOrganizations":{"organizationIds":["7",-12.50e+3,0]}}"#;
const BULK: &str = r#"{"organizationProfiles":[{"operationType":"UPSERT","payload":{"id":"7","details":null}},
	{"payload":{"name":"Ünïcode","associateProducts":{"productIds":["x"]}},"operationType":"CREATE"}]}"#;
const EDITS: &str =
    r#"{"organizations":[{"id":"1","operations":[{"operationType":"DELETE","payload":{"name":"Region"}}]}]}"#;
const FIELD: &str = r#"{"name":"Region","type":{"name":"SELECT","options":["EU","US"]}}"#;

/// What a body is by its tree.
fn read<T: In>(body: &[u8]) -> Option<T> {
    T::read(&parse(body).ok()?, &At::root()).ok()
}

/// What its fingerprint is made of, by its tree.
fn canonical(body: &[u8]) -> Option<String> {
    let mut canonical = String::new();
    parse(body).ok()?.write_canonical(&mut canonical);
    Some(canonical)
}

/// Fails where a body is taken for what it is not, or another one is given for it.
fn compare<T: In + PartialEq + Debug>(body: &[u8]) -> Result<(), TestCaseError> {
    let with_text = taken_canonical::<T>(body);
    let (taken_too, text) = with_text.unzip();
    let taken = taken::<T>(body);
    prop_assert_eq!(&taken, &taken_too);
    if taken.is_some() {
        prop_assert_eq!(taken, read(body), "{}", String::from_utf8_lossy(body));
        prop_assert_eq!(text, canonical(body), "{}", String::from_utf8_lossy(body));
    }
    Ok(())
}

fn compare_all(body: &[u8]) -> Result<(), TestCaseError> {
    compare::<CreateOrganizationProfileRequest>(body)?;
    compare::<CreateCustomerProfileRequest>(body)?;
    compare::<BulkOrganizationProfilesRequest>(body)?;
    compare::<BulkOrganizationDetailsRequest>(body)?;
    compare::<CreateDetailFieldRequest>(body)?;
    compare::<ProfileDetailFieldValueRequest>(body)?;
    compare::<Option<Vec<Option<String>>>>(body)
}

#[test]
fn bodies_as_they_should_be_are_read_without_a_tree() {
    fn is_taken<T: In + PartialEq + Debug>(body: &str) {
        let taken = taken::<T>(body.as_bytes());
        assert!(taken.is_some(), "{body}");
        assert_eq!(taken, read(body.as_bytes()), "{body}");
        let text = taken_canonical::<T>(body.as_bytes()).map(|(_, text)| text);
        assert_eq!(text, canonical(body.as_bytes()), "{body}");
    }
    is_taken::<CreateOrganizationProfileRequest>(ORGANIZATION);
    is_taken::<CreateCustomerProfileRequest>(CUSTOMER);
    is_taken::<BulkOrganizationProfilesRequest>(BULK);
    is_taken::<BulkOrganizationDetailsRequest>(EDITS);
    is_taken::<CreateDetailFieldRequest>(FIELD);
    is_taken::<Option<Vec<Option<String>>>>(" null ");
    is_taken::<Option<Vec<Option<String>>>>("[null, \"null\"]");
}

#[test]
fn others_are_left_to_the_tree() {
    let is_left = |body: &str| {
        assert_eq!(
            taken::<ProfileDetailFieldValueRequest>(body.as_bytes()),
            None,
            "{body}"
        );
    };
    // Right by the tree, which looks at members that nobody knows.
    is_left(r#"{"name":"a","values":[],"more":{}}"#);
    // Wrong.
    is_left(r#"{"name":"a","name":"a","values":[]}"#);
    is_left(r#"{"name":"a"}"#);
    is_left(r#"{"name":null,"values":[]}"#);
    is_left(r#"{"name":"a","values":[]} x"#);
    is_left(r#"{"name":"a","values":[],}"#);
    is_left(r#"{"name":"a","values":["\u0000"]}"#);
    is_left("");
    let is_left = |body: &str| {
        assert_eq!(
            taken::<CreateCustomerProfileRequest>(body.as_bytes()),
            None,
            "{body}"
        );
    };
    // What a string that is not closed leaves behind is no number, and the other way round.
    is_left(r#"{"email":"a","associateOrganizations":{"organizationIds":["\u-12]}}"#);
    is_left(r#"{"email":"a","associateOrganizations":{"organizationIds":[-"12"]}}"#);
}

/// What is put into bodies; a `~` stands for a byte that is no UTF-8.
const TOKENS: &str = r#"null nul true 0 -1 1e5 01 " "x" \ \u \u0041 \u0000 \ud800 { } [ ] , : ~ é {}, -"1"
    "name": "name":"y", "values":[], "values":null, "email":"b", "more":[{}], "details":[],"#;

fn token() -> impl Strategy<Value = Vec<u8>> {
    let words = TOKENS.split_whitespace().chain([" ", "\n", "\0", "\u{feff}"]);
    let bytes = |word: &str| {
        word.bytes()
            .map(|byte| if byte == b'~' { 0xff } else { byte })
            .collect()
    };
    select(words.map(bytes).collect::<Vec<Vec<u8>>>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]

    #[test]
    fn whatever_is_taken_is_what_the_tree_says(
        body in select(&[ORGANIZATION, CUSTOMER, BULK, EDITS, FIELD, r#"["a", null]"#][..]),
        changes in prop::collection::vec((any::<Index>(), 0_usize..6, token()), 0..4),
    ) {
        let mut body = body.as_bytes().to_vec();
        for (at, removed, token) in changes {
            let at = at.index(body.len() + 1);
            let end = (at + removed).min(body.len());
            body.splice(at..end, token);
        }
        compare_all(&body)?;
    }

    #[test]
    fn texts_of_tokens_too(tokens in prop::collection::vec(token(), 0..12)) {
        compare_all(&tokens.concat())?;
    }
}
