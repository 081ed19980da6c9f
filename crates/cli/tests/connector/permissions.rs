//! Who sees which objects: a table of cases, asked person by person, and what later changes of users,
//! groups, mappings and containers do to it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::world::{CUSTOMER_ORG, Caller, Expect, World, customer_org};

/// The people of the table. Ann is mapped by her account, Ben by the email of his, Cleo by the email of the
/// user itself; Dora is mapped to nobody.
const PEOPLE: [&str; 4] = ["acc-ann", "ben@example.com", "cleo@example.com", "acc-dora"];

/// Objects: the id, the access controls (`,` is OR, `&` is AND), the container, and who sees it.
const CASES: [(&str, &str, &str, &str); 24] = [
    ("everyone", "everyone", "", "ann ben cleo dora"),
    ("workspace", "workspace", "", "ann ben cleo dora"),
    ("nobody", "", "", ""),
    ("empty", "empty", "", ""),
    ("everyone-and-empty", "everyone & empty", "", ""),
    ("user", "user u-ann", "", "ann"),
    ("two-users", "user u-ann, user u-ben", "", "ann ben"),
    ("unknown-user", "user u-nobody", "", ""),
    (
        "unknown-or-everyone",
        "user u-nobody, everyone",
        "",
        "ann ben cleo dora",
    ),
    ("case-counts", "user U-ANN", "", ""),
    ("group", "group inner", "", "ben"),
    ("outer-group", "group outer", "", "ann ben"),
    ("outermost-group", "group outermost", "", "ann ben"),
    ("circle", "group circle-a", "", "cleo"),
    ("group-is-no-user", "user outer", "", ""),
    ("user-is-no-group", "group u-ann", "", ""),
    // The worked example of the vendor: (user OR group) AND group.
    ("example", "user u-cleo, group inner & group circle-b", "", "cleo"),
    ("example-not", "user u-ann, group inner & group circle-b", "", ""),
    ("in-user", "container", "user", "ann"),
    ("in-group-and", "container & user u-ben", "group", "ben"),
    ("in-container-twice", "container", "in-user", "ann"),
    ("in-nothing", "container", "", ""),
    ("in-missing", "container, user u-ben", "missing", "ben"),
    ("in-itself", "container", "in-itself", ""),
];

fn permissions(controls: &str) -> Value {
    let principal = |text: &str| match text.trim().split_once(' ') {
        Some((kind, id)) => json!({ "type": kind.to_uppercase(), "id": id }),
        None if text.trim() == "workspace" => json!({ "type": "ATLASSIAN_WORKSPACE" }),
        None => json!({ "type": text.trim().to_uppercase() }),
    };
    let control = |text: &str| match text.trim() {
        "empty" => json!({ "principals": [] }),
        names => json!({ "principals": names.split(',').map(principal).collect::<Vec<_>>() }),
    };
    let controls = match controls {
        "" => Vec::new(),
        controls => controls.split('&').map(control).collect(),
    };
    // Half of the access controls in an entry of their own: it makes no difference.
    let (first, second) = controls.split_at(controls.len().div_ceil(2));
    json!([{ "action": "read", "accessControls": first }, { "accessControls": second }])
}

fn object(id: &str, controls: &str, container: &str) -> Value {
    let mut object = customer_org(id, 1);
    object["permissions"] = permissions(controls);
    if !container.is_empty() {
        object["containerKey"] = json!({ "type": CUSTOMER_ORG, "value": { "entityId": container } });
    }
    object
}

fn seen_by(person: &Caller) -> BTreeSet<String> {
    let ids = person.visible();
    ids.iter()
        .map(|object| object["id"].as_str().unwrap().to_owned())
        .collect()
}

/// The people who see each object, by their names in the table.
#[track_caller]
fn compare(people: &[Caller], cases: &[(&str, &str, &str, &str)]) {
    for (name, person) in ["ann", "ben", "cleo", "dora"].iter().zip(people) {
        let expected: BTreeSet<String> = cases
            .iter()
            .filter(|(_, _, _, seers)| seers.split(' ').any(|seer| seer == *name))
            .map(|(id, _, _, _)| (*id).to_owned())
            .collect();
        assert_eq!(seen_by(person), expected, "{name}");
    }
}

fn set_people(connector: &Caller) {
    connector.does(
        "/users/bulk",
        &json!({ "users": [
            { "externalId": "u-ann" },
            { "externalId": "u-ben" },
            { "externalId": "u-cleo", "emails": [{ "value": "CLEO@example.com", "primary": true }] },
        ] }),
    );
    connector.does(
        "/groups/bulk",
        &json!({ "groups": [
            { "externalId": "inner", "members": [{ "externalId": "u-ben", "type": "USER" }] },
            { "externalId": "outer", "members": [
                { "externalId": "inner", "type": "GROUP" },
                { "externalId": "u-ann", "type": "USER" },
            ] },
            { "externalId": "outermost", "members": [{ "externalId": "outer", "type": "GROUP" }] },
            { "externalId": "circle-a", "members": [{ "externalId": "circle-b", "type": "GROUP" }] },
            { "externalId": "circle-b", "members": [
                { "externalId": "circle-a", "type": "GROUP" },
                { "externalId": "u-cleo", "type": "USER" },
            ] },
        ] }),
    );
}

fn map_people(connector: &Caller) {
    connector.does(
        "/users/map",
        &json!({ "directMappings": [
            { "externalId": "u-ann", "accountId": "acc-ann", "updateSequenceNumber": 1, "updatedAt": 1 },
            { "externalId": "u-ben", "email": "Ben@example.com", "updateSequenceNumber": 1, "updatedAt": 1 },
        ] }),
    );
}

#[test]
fn the_table() {
    let world = World::new(&[]);
    let tenant = world.tenant();
    let connector = tenant.connector();
    let people = PEOPLE.map(|account| tenant.person(account));
    let objects: Vec<_> = CASES
        .iter()
        .map(|(id, controls, container, _)| object(id, controls, container))
        .collect();
    // Objects first: whom they name comes later.
    connector.set(&objects);
    let everyone = ["everyone", "workspace", "unknown-or-everyone"].map(str::to_owned);
    for person in &people {
        assert_eq!(seen_by(person), BTreeSet::from(everyone.clone()));
    }
    set_people(&connector);
    map_people(&connector);
    compare(&people, &CASES);
    // The connector reads back its own, whatever they say.
    for (id, ..) in CASES {
        connector.object(CUSTOMER_ORG, id).ok();
    }
}

#[test]
fn changes_take_effect_at_once() {
    let world = World::new(&[]);
    let tenant = world.tenant();
    let connector = tenant.connector();
    let ann = tenant.person("acc-ann");
    let sees = |expected: &[&str]| {
        let expected: BTreeSet<String> = expected.iter().map(|id| (*id).to_owned()).collect();
        assert_eq!(seen_by(&ann), expected);
    };
    connector.set(&[
        object("by-user", "user u-ann", ""),
        object("by-group", "group outer", ""),
        object("inside", "container", "by-group"),
    ]);
    set_people(&connector);
    sees(&[]);
    map_people(&connector);
    sees(&["by-user", "by-group", "inside"]);
    // The container is locked, and what is in it with it.
    let mut locked = object("by-group", "user u-ben", "");
    locked["updateSequenceNumber"] = json!(2);
    connector.set(&[locked]);
    sees(&["by-user"]);
    let mut open = object("by-group", "everyone", "");
    open["updateSequenceNumber"] = json!(3);
    connector.set(&[open]);
    sees(&["by-user", "by-group", "inside"]);
    // A container that is gone admits nobody.
    let delete = json!({ "objectType": CUSTOMER_ORG, "externalIds": ["by-group"] });
    connector.does("/objects/delete", &delete);
    sees(&["by-user"]);
    connector.set(&[{
        let mut back = object("by-group", "group outer", "");
        back["updateSequenceNumber"] = json!(4);
        back
    }]);
    sees(&["by-user", "by-group", "inside"]);
    // A membership that is gone.
    let empty = json!({ "groups": [{ "externalId": "outer", "members": [] }] });
    connector.does("/groups/bulk", &empty);
    sees(&["by-user"]);
    // A user that is gone, with its mapping.
    connector.does("/users/delete", &json!({ "externalIds": ["u-ann"] }));
    sees(&[]);
    set_people(&connector);
    sees(&[]);
    map_people(&connector);
    sees(&["by-user", "by-group", "inside"]);
}

/// A principal means a user or a group of the object's own connection.
#[test]
fn connections_do_not_mix() {
    let world = World::new(&[]);
    let tenant = world.tenant();
    let connector = tenant.connector();
    let ann = tenant.person("acc-ann");
    set_people(&connector);
    map_people(&connector);
    let other = tenant.connection();
    let objects = [
        object("by-user", "user u-ann", ""),
        object("by-group", "group outer", ""),
        object("in-user", "container", "by-user"),
        object("by-all", "workspace", ""),
    ];
    connector.does(
        "/objects/bulk",
        &json!({ "objects": objects, "connectionId": other }),
    );
    assert_eq!(seen_by(&ann), BTreeSet::from(["by-all".to_owned()]));
    connector.does(
        "/objects/bulk",
        &json!({ "objects": objects, "connectionId": tenant.connection_id }),
    );
    let ids: Vec<_> = ann.visible().iter().map(|object| object["id"].clone()).collect();
    assert_eq!(ids.len(), 5, "{ids:?}");
    // Another tenant's account of the same name sees nothing of it.
    let stranger = world.tenant().person("acc-ann");
    assert_eq!(seen_by(&stranger), BTreeSet::new());
}

/// A chain of 32 containers is followed, a longer one is not.
#[test]
fn containers_in_containers() {
    let world = World::new(&[]);
    let tenant = world.tenant();
    let connector = tenant.connector();
    let mut objects = vec![object("c-0", "everyone", "")];
    objects.extend(
        (1..40).map(|number| object(&format!("c-{number}"), "container", &format!("c-{}", number - 1))),
    );
    // Children before their parents.
    objects.reverse();
    connector.set(&objects);
    let expected: BTreeSet<_> = (0..=32).map(|number| format!("c-{number}")).collect();
    assert_eq!(seen_by(&tenant.person("acc-dora")), expected);
}

#[test]
fn lists_hold_no_sensitive_text() {
    let world = World::new(&[]);
    let tenant = world.tenant();
    let connector = tenant.connector();
    let mut organisation = customer_org("o", 1);
    organisation.as_object_mut().unwrap().remove(CUSTOMER_ORG);
    organisation["atlassian:organisation"] = json!({ "customAndSensitiveData": "hunter2", "x": 1 });
    // At places where nobody knows it, too.
    organisation["customAndSensitiveData"] = json!({ "a": "hunter2" });
    organisation["CustomAndSensitiveData"] = json!("hunter2");
    organisation["other"] = json!([{ "customandsensitivedata": "hunter2", "y": "customAndSensitiveData" }]);
    connector.set(std::slice::from_ref(&organisation));
    let seen = tenant.person("acc-dora").visible();
    assert_eq!(seen[0]["atlassian:organisation"], json!({ "x": 1 }));
    assert_eq!(seen[0]["other"], json!([{ "y": "customAndSensitiveData" }]));
    assert!(!seen[0].to_string().contains("hunter2"), "{}", seen[0]);
    let read = connector.object("atlassian:organisation", "o").ok();
    for name in [
        "atlassian:organisation",
        "customAndSensitiveData",
        "CustomAndSensitiveData",
        "other",
    ] {
        assert_eq!(read["object"][name], organisation[name]);
    }
    organisation["displayName"] = json!(null);
    let answer = connector.post("/objects/bulk", &json!({ "objects": [organisation] }));
    assert!(!answer.text().contains("hunter2"), "{}", answer.text());
}
