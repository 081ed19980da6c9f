//! Where the vendor's sources contradict each other, each form is accepted and one comes back. Long,
//! because each of the eighteen conflicts has its test here.

use super::*;
use serde_json::json;

const BLOCK: &str = "atlassian:customer-org";

/// A pair of names: either is accepted, the canonical one comes back, and wins where both stand.
fn alias_pair(canonical: &[(&str, &str)], alias: &[(&str, &str)], both: &[(&str, &str)], pointer: &str) {
    let expected = read_back(canonical, pointer);
    assert_ne!(expected, json!(null), "{pointer}");
    assert_eq!(read_back(alias, pointer), expected, "{pointer}");
    assert_eq!(read(alias).unwrap().body, read(canonical).unwrap().body);
    assert_eq!(read(both).unwrap().body, read(canonical).unwrap().body);
}

#[test]
fn c1_last_updated() {
    let instant = r#""2024-03-01T00:00:00Z""#;
    alias_pair(
        &[("lastUpdatedAt", instant)],
        &[("lastUpdatedAt", ""), ("lastUpdated", instant)],
        &[("lastUpdatedAt", instant), ("lastUpdated", "5")],
        "/lastUpdatedAt",
    );
    // A null is no value: the alias counts.
    alias_pair(
        &[("lastUpdatedAt", instant)],
        &[("lastUpdatedAt", "null"), ("lastUpdated", instant)],
        &[("lastUpdatedAt", instant), ("lastUpdated", "null")],
        "/lastUpdatedAt",
    );
    refuses(
        &[("lastUpdatedAt", ""), ("lastUpdated", "5")],
        "lastUpdatedAt",
        "lastUpdatedAt must be an ISO 8601 instant such as 2024-04-16T09:31:32.000Z, found 5",
    );
}

#[test]
fn c2_names_of_the_inner_objects() {
    let activity = r#"{"lastActivityAt":"2024-01-01T00:00:00Z","event":"x"}"#;
    alias_pair(
        &[(BLOCK, &format!(r#"{{"customerOrgLastActivity":{activity}}}"#))],
        &[(BLOCK, &format!(r#"{{"lastActivity":{activity}}}"#))],
        &[(
            BLOCK,
            &format!(r#"{{"lastActivity":7,"customerOrgLastActivity":{activity}}}"#),
        )],
        "/atlassian:customer-org/customerOrgLastActivity/lastActivityAt",
    );
    let value = r#"{"value":1.5,"currencyCode":"EUR"}"#;
    alias_pair(
        &[(BLOCK, &format!(r#"{{"customerOrgLifeTimeValue":{value}}}"#))],
        &[(BLOCK, &format!(r#"{{"lifeTimeValue":{value}}}"#))],
        &[(
            BLOCK,
            &format!(r#"{{"customerOrgLifeTimeValue":{value},"lifeTimeValue":7}}"#),
        )],
        "/atlassian:customer-org/customerOrgLifeTimeValue/value",
    );
}

#[test]
fn c3_name_of_the_instant_of_the_last_activity() {
    let at = r#""2024-01-01T00:00:00Z""#;
    let with = |inner: &str| format!(r#"{{"customerOrgLastActivity":{{{inner},"event":"x"}}}}"#);
    alias_pair(
        &[(BLOCK, &with(&format!(r#""lastActivityAt":{at}"#)))],
        &[(BLOCK, &with(&format!(r#""lastActivity":{at}"#)))],
        &[(
            BLOCK,
            &with(&format!(r#""lastActivity":"no","lastActivityAt":{at}"#)),
        )],
        "/atlassian:customer-org/customerOrgLastActivity/lastActivityAt",
    );
    refuses(
        &[(BLOCK, &format!(r#"{{"lastActivity":{at}}}"#))],
        "atlassian:customer-org.customerOrgLastActivity",
        "atlassian:customer-org.customerOrgLastActivity must be an object, found a string",
    );
}

#[test]
fn c4_one_person_as_a_list() {
    for name in ["createdBy", "lastUpdatedBy"] {
        let pointer = format!("/{name}");
        let expected = json!({"externalId": "u"});
        for form in [r#"{"externalId":"u"}"#, r#"[{"externalId":"u"}]"#] {
            assert_eq!(read_back(&[(name, form)], &pointer), expected, "{form}");
        }
        for form in ["[]", "null"] {
            assert_eq!(read_back(&[(name, form)], &pointer), json!(null), "{form}");
        }
        refuses(
            &[(name, r#"[{"externalId":"u"},{"externalId":"v"}]"#)],
            name,
            &format!("{name} must be one user reference, found 2"),
        );
        refuses(
            &[(name, "[7]")],
            name,
            &format!("{name} must be an object, found a number"),
        );
    }
}

#[test]
fn c5_all_fields_of_people_everywhere() {
    let person = json!({
        "externalId": "e", "accountId": "a", "email": "m", "ari": "r",
        "name": "n", "userName": "", "avatar": "v", "url": "w"
    });
    let text = person.to_string();
    let list = format!("[{text}]");
    for name in ["createdBy", "lastUpdatedBy"] {
        assert_eq!(read_back(&[(name, &text)], &format!("/{name}")), person);
    }
    assert_eq!(read_back(&[("owners", &list)], "/owners/0"), person);
    for name in ["contacts", "contributors"] {
        let block = format!(r#"{{"{name}":{list}}}"#);
        assert_eq!(
            read_back(&[(BLOCK, &block)], &format!("/{BLOCK}/{name}/0")),
            person
        );
    }
    for alone in ["externalId", "accountId", "email", "ari"] {
        let person = json!({ alone: "x" });
        assert_eq!(
            read_back(&[("createdBy", &person.to_string())], "/createdBy"),
            person
        );
    }
    for nobody in ["{}", r#"{"name":"n"}"#, r#"{"externalId":"","email":null}"#] {
        refuses(
            &[("owners", &format!("[{nobody}]"))],
            "owners[0]",
            "owners[0] must have a non-empty externalId, accountId, email or ari",
        );
    }
}

#[test]
fn c6_url_of_the_thumbnail() {
    let with = |inner: &str| format!(r#"{{{inner},"mimeType":"image/png"}}"#);
    alias_pair(
        &[("thumbnail", &with(r#""externalUrl":"http://t""#))],
        &[("thumbnail", &with(r#""url":"http://t""#))],
        &[("thumbnail", &with(r#""url":7,"externalUrl":"http://t""#))],
        "/thumbnail/externalUrl",
    );
    assert_eq!(
        read_back(&[("thumbnail", r#"{"url":"u"}"#)], "/thumbnail"),
        json!({"externalUrl": "u"})
    );
    for neither in ["{}", r#"{"mimeType":"image/png"}"#, r#"{"url":null}"#] {
        refuses(
            &[("thumbnail", neither)],
            "thumbnail.externalUrl",
            "thumbnail.externalUrl is required",
        );
    }
}

#[test]
fn c7_permissions_without_a_list() {
    let entry = r#"{"accessControls":[{"principals":[{"type":"EVERYONE"}]}]}"#;
    let acting = r#"{"action":"READ","accessControls":[{"principals":[{"type":"EVERYONE"}]}]}"#;
    for (single, list) in [(entry, format!("[{entry}]")), (acting, format!("[{acting}]"))] {
        let wrapped = read(&[("permissions", single)]).unwrap();
        assert_eq!(wrapped, read(&[("permissions", &list)]).unwrap());
        assert_eq!(wrapped.readers.access_controls, [[Principal::Everyone]]);
    }
    assert_eq!(
        read_back(&[("permissions", entry)], "/permissions/0/action"),
        json!(null)
    );
    assert_eq!(
        read_back(&[("permissions", acting)], "/permissions/0/action"),
        json!("READ")
    );
    refuses(&[("permissions", "")], "permissions", "permissions is required");
    refuses(
        &[("permissions", "null")],
        "permissions",
        "permissions is required",
    );
    refuses(
        &[("permissions", "[]")],
        "permissions",
        "permissions must hold at least one entry",
    );
    refuses(
        &[("permissions", "7")],
        "permissions",
        "permissions must be an array, found a number",
    );
}

#[test]
fn c8_and_c12_forms_of_associations() {
    let one = r#"{"associationType":"issueKeys","values":["A-1"]}"#;
    let expected = read(&[("associations", &format!("[{one}]"))]).unwrap();
    for form in [one.to_owned(), format!(r#"{{"set":[{one}]}}"#)] {
        assert_eq!(read(&[("associations", &form)]).unwrap(), expected, "{form}");
    }
    refuses(
        &[("associations", &format!(r#"{{"set":[{one}],"add":[]}}"#))],
        "associations",
        "associations must hold nothing beside set",
    );
    refuses(
        &[("associations", r#"{"set":"x"}"#)],
        "associations",
        "associations must be an array, found a string",
    );
    assert_eq!(
        read_back(&[("associations", "null")], "/associations"),
        json!(null)
    );
    assert_eq!(read_back(&[("associations", "[]")], "/associations"), json!([]));
}

#[test]
fn c9_names_of_types() {
    use ObjectType::{CustomerOrg, CustomerOrgCategory, Organisation};
    let names = [
        ("atlassian:organisation", Organisation),
        ("atlassian:organization", Organisation),
        ("atlassian:customer-org", CustomerOrg),
        ("atlassian:customer-organization", CustomerOrg),
        ("atlassian:customer-organisation", CustomerOrg),
        ("atlassian:customer-org-category", CustomerOrgCategory),
    ];
    for (name, object_type) in names {
        assert_eq!(ObjectType::parse(name), Some(object_type));
        let object = read(&[(BLOCK, ""), (name, "{}")]).unwrap();
        assert_eq!(object.object_type, object_type);
        assert!(
            object
                .body
                .ends_with(&format!(r#","{}":{{}}}}"#, object_type.name()))
        );
        let key = format!(r#"{{"type":"{name}","value":{{"entityId":"p"}}}}"#);
        let object = read(&[("parentKey", &key), ("containerKey", &key)]).unwrap();
        let expected = Key {
            object_type: object_type.name().to_owned(),
            entity_id: Some("p".to_owned()),
        };
        assert_eq!(object.parent, Some(expected.clone()));
        assert_eq!(object.container, Some(expected));
        assert!(
            object
                .body
                .contains(&format!(r#"{{"type":"{}","#, object_type.name()))
        );
    }
    for name in [
        "atlassian:customer-organization-category",
        "atlassian:Organisation",
        "atlassian:organisation ",
        "atlassian:",
        "organisation",
        "",
    ] {
        assert_eq!(ObjectType::parse(name), None, "{name}");
    }
    for object_type in ObjectType::ALL {
        assert_eq!(ObjectType::parse(&object_type.to_string()), Some(object_type));
    }
}

#[test]
fn c9_one_block_of_a_type_in_two_spellings() {
    let canonical = ("atlassian:organisation", r#"{"x":1}"#);
    let alias = ("atlassian:organization", "7");
    let object = read(&[(BLOCK, ""), alias, canonical]).unwrap();
    assert_eq!(object, read(&[(BLOCK, ""), canonical]).unwrap());
    refuses(
        &[
            (BLOCK, ""),
            ("atlassian:customer-organization", "{}"),
            ("atlassian:customer-organisation", "{}"),
        ],
        "",
        "exactly one atlassian: type block is required, found 2",
    );
}

#[test]
fn c10_schema_version() {
    for (sent, expected) in [("", "1.0"), ("null", "1.0"), (r#""2.0""#, "2.0")] {
        assert_eq!(
            read_back(&[("schemaVersion", sent)], "/schemaVersion"),
            json!(expected)
        );
    }
    refuses(
        &[("schemaVersion", r#""""#)],
        "schemaVersion",
        "schemaVersion must not be empty",
    );
    refuses(
        &[("schemaVersion", "2")],
        "schemaVersion",
        "schemaVersion must be a string, found a number",
    );
}

#[test]
fn c11_last_updated_by_may_be_absent() {
    assert_eq!(
        read_back(&[("lastUpdatedBy", "null")], "/lastUpdatedBy"),
        json!(null)
    );
}

#[test]
fn c13_case_of_principals() {
    for (sent, canonical) in [
        ("everyone", "EVERYONE"),
        ("User", "USER"),
        ("gRoUp", "GROUP"),
        ("atlassian_workspace", "ATLASSIAN_WORKSPACE"),
        ("container", "CONTAINER"),
    ] {
        let permissions =
            format!(r#"[{{"accessControls":[{{"principals":[{{"type":"{sent}","id":"Id"}}]}}]}}]"#);
        let pointer = "/permissions/0/accessControls/0/principals/0";
        assert_eq!(
            read_back(&[("permissions", &permissions)], pointer),
            json!({"type": canonical, "id": "Id"})
        );
    }
}

#[test]
fn c14_operation_type() {
    let with = |operation: &str| {
        let body = format!(
            r#"{{"objects":[{}],"operationType":{operation}}}"#,
            object_with(&[])
        );
        SetObjects::read(&json::parse(body.as_bytes()).unwrap())
    };
    let plain = with("null").unwrap();
    assert!(!plain.is_backfill);
    assert_eq!(with(r#""NORMAL""#).unwrap(), plain);
    // Nothing else differs by it, and no object keeps it.
    let backfill = SetObjects {
        is_backfill: true,
        ..plain
    };
    assert_eq!(with(r#""BACKFILL""#).unwrap(), backfill);
    for (operation, shown) in [
        (r#""normal""#, r#""normal""#),
        (r#""""#, r#""""#),
        ("1", "1"),
        ("[]", "an array"),
    ] {
        let fault = with(operation).unwrap_err();
        let message = format!("operationType must be NORMAL or BACKFILL, found {shown}");
        assert_eq!(fault, RequestFault::at("operationType", message));
    }
}

#[test]
fn c15_tags_of_objects() {
    let plain = object_with(&[]);
    let own = object_with(&[("properties", r#"{"a":"3","c":"4"}"#)]);
    let body = format!(r#"{{"objects":[{plain},{own}],"properties":{{"a":"1","b":"2"}}}}"#);
    let objects: Vec<_> = set(&body).objects.into_iter().map(Result::unwrap).collect();
    let tags = |pairs: &[(&str, &str)]| -> Tags {
        let owned = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        owned.collect()
    };
    assert_eq!(objects[0].tags, tags(&[("a", "1"), ("b", "2")]));
    assert_eq!(objects[1].tags, tags(&[("a", "3"), ("b", "2"), ("c", "4")]));
    assert_eq!(objects[0].body, objects[1].body);
    assert!(!objects[1].body.contains("properties"));
    assert_ne!(objects[0].digest, objects[1].digest);
    refuses(
        &[("properties", "[]")],
        "properties",
        "properties must be an object, found an array",
    );
}

#[test]
fn c16_connection_id_may_be_absent() {
    let with = |id: &str| {
        let body = format!(r#"{{"objects":[{}],"connectionId":{id}}}"#, object_with(&[]));
        SetObjects::read(&json::parse(body.as_bytes()).unwrap())
    };
    assert_eq!(with("null").unwrap().connection_id, None);
    assert_eq!(with(r#""c-1""#).unwrap().connection_id.as_deref(), Some("c-1"));
    for (id, shown) in [(r#""""#, r#""""#), ("7", "7"), ("{}", "an object")] {
        let message = format!("connectionId must be a non-empty string, found {shown}");
        assert_eq!(with(id).unwrap_err(), RequestFault::at("connectionId", message));
    }
}

#[test]
fn c18_entities() {
    let objects = format!("[{}]", object_with(&[]));
    let plain = set(&format!(r#"{{"objects":{objects}}}"#));
    assert_eq!(set(&format!(r#"{{"entities":{objects}}}"#)), plain);
    assert_eq!(set(&format!(r#"{{"entities":7,"objects":{objects}}}"#)), plain);
    assert_eq!(set(&format!(r#"{{"objects":null,"entities":{objects}}}"#)), plain);
}
