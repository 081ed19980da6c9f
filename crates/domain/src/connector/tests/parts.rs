//! Parts of objects: unknown members, nulls, keys of other objects, associations, categories.

use super::*;
use serde_json::json;

const BLOCK: &str = "atlassian:customer-org";

#[test]
fn unknown_members_stay_in_their_place() {
    let unknown = r#"{"b":[1.50,null,1e400,-0],"a":{"z":"\u00e9\n","y":{}}}"#;
    let with = |known: &str| format!(r#"{{"x":{unknown},{known},"w":null}}"#);
    let permissions = with(&format!(
        r#""accessControls":[{}]"#,
        with(&format!(
            r#""principals":[{}]"#,
            with(r#""type":"USER","id":"u""#)
        ))
    ));
    let key = with(&format!(
        r#""type":"{BLOCK}","value":{}"#,
        with(r#""entityId":"e""#)
    ));
    let sent = [
        ("x", unknown.to_owned()),
        ("w", "null".to_owned()),
        ("createdBy", with(r#""email":"e""#)),
        ("thumbnail", with(r#""url":"u""#)),
        ("parentKey", key),
        ("permissions", format!("[{permissions}]")),
        (
            "associations",
            format!("[{}]", with(r#""associationType":"t","values":[{"q":1.50}]"#)),
        ),
        (
            BLOCK,
            with(&format!(
                r#""lastActivity":{}"#,
                with(r#""event":"e","lastActivity":"2024-01-01T00:00:00Z""#)
            )),
        ),
    ];
    let changes: Vec<_> = sent.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let object = read(&changes).unwrap();
    let kept = r#""x":{"b":[1.50,null,1e400,-0],"a":{"z":"é\n","y":{}}},"w":null"#;
    for place in [
        format!(r#""createdBy":{{"email":"e",{kept}}}"#),
        format!(r#""thumbnail":{{"externalUrl":"u",{kept}}}"#),
        format!(r#""parentKey":{{"type":"{BLOCK}","value":{{"entityId":"e",{kept}}},{kept}}}"#),
        format!(
            r#""permissions":[{{"accessControls":[{{"principals":[{{"type":"USER","id":"u",{kept}}}],{kept}}}],{kept}}}]"#
        ),
        format!(r#""associations":[{{"associationType":"t","values":[{{"q":1.50}}],{kept}}}],{kept},"#),
        format!(
            r#""{BLOCK}":{{"customerOrgLastActivity":{{"lastActivityAt":"2024-01-01T00:00:00.000Z","event":"e",{kept}}},{kept}}}}}"#
        ),
    ] {
        assert!(object.body.contains(&place), "{place}\n{}", object.body);
    }
    assert_eq!(first(&request(std::slice::from_ref(&object.body))), object);
}

#[test]
fn null_is_absence() {
    let optional = [
        "schemaVersion",
        "description",
        "createdBy",
        "lastUpdatedBy",
        "owners",
        "thumbnail",
        "parentKey",
        "containerKey",
        "associations",
        "properties",
    ];
    let nulls: Vec<_> = optional.iter().map(|name| (*name, "null")).collect();
    let block = [
        "contacts",
        "customerOrgLastActivity",
        "lastActivity",
        "customerOrgLifeTimeValue",
        "websiteUrl",
        "industry",
        "contributors",
        "country",
        "accountType",
        "customAndSensitiveData",
    ];
    let block = block.map(|name| format!("{name:?}:null")).join(",");
    let block = format!("{{{block}}}");
    let mut changes = nulls;
    changes.push((BLOCK, &block));
    assert_eq!(read(&changes).unwrap(), read(&[]).unwrap());
}

#[test]
fn keys_of_other_objects() {
    let read_key = |text: &str| read(&[("containerKey", text)]).unwrap().container.unwrap();
    let key = |object_type: &str, entity_id: Option<&str>| Key {
        object_type: object_type.to_owned(),
        entity_id: entity_id.map(str::to_owned),
    };
    // Other types keep their own keys.
    let commit = r#"{"type":"atlassian:commit","value":{"repositoryId":"r","commitHash":"h"}}"#;
    assert_eq!(read_key(commit), key("atlassian:commit", None));
    assert!(read(&[("containerKey", commit)]).unwrap().body.contains(commit));
    let other = r#"{"type":"x","value":{"entityId":"e"}}"#;
    assert_eq!(read_key(other), key("x", Some("e")));
    for odd in [
        r#"{"type":"x","value":{"entityId":7}}"#,
        r#"{"type":"x","value":{"entityId":""}}"#,
    ] {
        assert_eq!(read_key(odd), key("x", None));
    }
    for (wrong, path, message) in [
        (r#"{"type":"x"}"#, "containerKey.value", "is required"),
        (
            r#"{"type":"x","value":"e"}"#,
            "containerKey.value",
            "must be an object, found a string",
        ),
        (r#"{"value":{}}"#, "containerKey.type", "is required"),
        (
            r#"{"type":"atlassian:organization","value":{}}"#,
            "containerKey.value.entityId",
            "is required",
        ),
        (
            r#"{"type":"atlassian:organisation","value":{"entityId":7}}"#,
            "containerKey.value.entityId",
            "must be a string, found a number",
        ),
    ] {
        refuses(&[("containerKey", wrong)], path, &format!("{path} {message}"));
    }
    refuses(
        &[("parentKey", r#""p""#)],
        "parentKey",
        "parentKey must be an object, found a string",
    );
    // An object may be its own parent; whoever walks must stop.
    let own = format!(r#"{{"type":"{BLOCK}","value":{{"entityId":"o-1"}}}}"#);
    assert!(read(&[("parentKey", &own)]).is_ok());
}

#[test]
fn associations_of_one_type_are_merged() {
    let sent = r#"[
        {"associationType":"a","values":["1",{"x":1,"y":2}],"n":1},
        {"associationType":"b","values":["1"]},
        {"associationType":"a","values":["2","1",{"y":2,"x":1}],"n":2,"m":3}
    ]"#;
    assert_eq!(
        read_back(&[("associations", sent)], "/associations"),
        json!([
            {"associationType": "a", "values": ["1", {"x": 1, "y": 2}, "2"], "n": 1, "m": 3},
            {"associationType": "b", "values": ["1"]}
        ])
    );
    for (wrong, path, message) in [
        (
            r#"[{"values":["x"]}]"#,
            "associations[0].associationType",
            "is required",
        ),
        (
            r#"[{"associationType":"a"}]"#,
            "associations[0].values",
            "is required",
        ),
        (
            r#"[{"associationType":"a","values":[]}]"#,
            "associations[0].values",
            "must hold at least one value",
        ),
        (
            r#"[{"associationType":"a","values":"x"}]"#,
            "associations[0].values",
            "must be an array, found a string",
        ),
        (
            r#"[{"associationType":"a","values":["x",7]}]"#,
            "associations[0].values[1]",
            "must be a string or an object, found a number",
        ),
        ("[7]", "associations[0]", "must be an object, found a number"),
    ] {
        refuses(&[("associations", wrong)], path, &format!("{path} {message}"));
    }
}

#[test]
fn categories_in_three_ways() {
    let category = ObjectType::CustomerOrgCategory.name();
    let key = |id: &str| format!(r#"{{"type":"{category}","value":{{"entityId":"{id}"}}}}"#);
    let associations = format!(
        r#"[{{"associationType":"{category}","values":["a",{{"entityId":"b"}},{{"entityId":"a"}},"",{{"entityId":7}},{{}}]}},
            {{"associationType":"other","values":["no"]}}]"#
    );
    let (a, b) = (key("a"), key("c"));
    let all = [
        ("associations", associations.as_str()),
        ("containerKey", &b),
        ("parentKey", &a),
    ];
    assert_eq!(read(&all).unwrap().categories, ["a", "b", "c"]);
    assert_eq!(read(&all[..1]).unwrap().categories, ["a", "b"]);
    assert_eq!(read(&all[1..2]).unwrap().categories, ["c"]);
    assert_eq!(read(&all[2..]).unwrap().categories, ["a"]);
    let organisation = r#"{"type":"atlassian:organisation","value":{"entityId":"c"}}"#;
    assert_eq!(
        read(&[("containerKey", organisation)]).unwrap().categories,
        [""; 0]
    );
    // Only customer-orgs are in categories.
    for other in [category, "atlassian:organisation"] {
        let mut changes = all.to_vec();
        changes.extend([(BLOCK, ""), (other, "{}")]);
        assert_eq!(read(&changes).unwrap().categories, [""; 0]);
    }
}
