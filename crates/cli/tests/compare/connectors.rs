//! Bodies of what connectors send. Ids, sequence numbers and tags are few, so that requests meet each other.

use guildhall_testkit::SeededRandom;
use serde_json::{Map, Value, json};

use crate::requests::Requests;
use crate::texts;

const ORGANISATION: &str = "atlassian:organisation";
const CUSTOMER_ORG: &str = "atlassian:customer-org";
const CATEGORY: &str = "atlassian:customer-org-category";

/// Accounts that tokens stand for.
pub const ACCOUNTS: [&str; 2] = ["acc-ann", "ann@example.com"];

/// The name of a type, mostly the canonical one.
pub fn object_type(random: &SeededRandom) -> String {
    let name: &str = match random.below(16) {
        0 => random.pick::<&str>(&[
            "atlassian:organization",
            "atlassian:customer-organization",
            "atlassian:customer-organisation",
        ]),
        1 => random.pick::<&str>(&[
            "atlassian:work-item",
            "ATLASSIAN:CUSTOMER-ORG",
            "customer-org",
            "",
        ]),
        2..=5 => ORGANISATION,
        6..=9 => CATEGORY,
        _ => CUSTOMER_ORG,
    };
    name.to_owned()
}

/// The id of an object: one of a few, of which two are longer than an index takes and begin alike.
pub fn object_id(random: &SeededRandom) -> String {
    const IDS: [&str; 10] = ["a", "A", "b", "1", "10", "2", "é", "e\u{301}", "名前/?#&", " a "];
    match random.below(60) {
        0 => texts::odd(random),
        // Whose history becomes long.
        4..=18 => "1".to_owned(),
        1 | 2 => format!("{}{}", "x".repeat(1_000), random.below(2)),
        3 => format!("{}{}", "é".repeat(900), random.below(2)),
        _ => (*random.pick(&IDS)).to_owned(),
    }
}

/// The id of a user.
pub fn user_id(random: &SeededRandom) -> String {
    match random.below(30) {
        0 => texts::odd(random),
        1 => format!("u-{}{}", "x".repeat(1_000), random.below(2)),
        2 => group_id(random),
        _ => format!("u-{}", random.below(5)),
    }
}

/// The id of a group.
pub fn group_id(random: &SeededRandom) -> String {
    match random.below(30) {
        0 => texts::odd(random),
        1 => format!("g-{}{}", "x".repeat(1_000), random.below(2)),
        _ => format!("g-{}", random.below(5)),
    }
}

/// Sequence numbers that one request chooses from.
const SEQUENCES: u64 = 8;

fn sequence(random: &SeededRandom) -> Value {
    match random.below(400) {
        0 => json!(i64::MAX),
        1..=3 => json!("3"),
        4..=6 => json!(2.0),
        7..=9 => json!(-1),
        10..=12 => json!(1.5),
        13..=15 => json!(9_223_372_036_854_775_808_u64),
        _ => json!(random.below(SEQUENCES)),
    }
}

/// Sequence numbers go up in time, or in the end none would be great enough.
fn go_on(value: &mut Value, by: u64) {
    let number = value.get("updateSequenceNumber").and_then(Value::as_u64);
    if let Some(small) = number.filter(|number| *number < SEQUENCES) {
        value["updateSequenceNumber"] = json!(small + by);
    }
}

fn instant(random: &SeededRandom) -> &'static str {
    match random.below(50) {
        0 => "2024-02-30T00:00:00Z",
        _ => random.pick::<&str>(&[
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.123456789+02:00",
            "2023-12-31T23:59:59.999-11:30",
            "2024-06-01T12:00:00Z",
            "2024-06-01T12:00:00.5Z",
        ]),
    }
}

fn account(random: &SeededRandom) -> String {
    match random.chance(0.5) {
        true => (*random.pick(&ACCOUNTS)).to_owned(),
        false => texts::email(random),
    }
}

fn tags(random: &SeededRandom, count: u64) -> Value {
    let key = || match random.below(60) {
        0 => *random.pick(&["_a", "a:b", ""]),
        _ => *random.pick(&["tier", "tier", "tier", "region", "region", "名前", "Tier"]),
    };
    let value = || *random.pick(&["gold", "gold", "silver", "Gold", "é", "e\u{301}", "100%_"]);
    let tags: Map<String, Value> = (0..count).map(|_| (key().to_owned(), json!(value()))).collect();
    Value::Object(tags)
}

fn key(random: &SeededRandom) -> Value {
    match random.below(12) {
        0 => json!({ "type": "atlassian:document", "value": { "entityId": "1", "more": [1e2] } }),
        _ => json!({ "type": object_type(random), "value": { "entityId": object_id(random) } }),
    }
}

fn principal(random: &SeededRandom) -> Value {
    match random.below(12) {
        0 => json!({ "type": "EVERYONE" }),
        1 => json!({ "type": "Atlassian_Workspace" }),
        2 | 3 => json!({ "type": "CONTAINER" }),
        4..=7 => json!({ "type": "USER", "id": user_id(random) }),
        _ => json!({ "type": "group", "id": group_id(random) }),
    }
}

fn permissions(random: &SeededRandom) -> Value {
    if random.chance(0.4) {
        return json!([{ "accessControls": [{ "principals": [{ "type": "EVERYONE" }] }] }]);
    }
    let control = |_| {
        let count = *random.pick(&[0, 1, 1, 1, 2, 3]);
        json!({ "principals": (0..count).map(|_| principal(random)).collect::<Vec<_>>() })
    };
    let entry = |_| {
        let controls: Vec<Value> = (0..random.below(3)).map(control).collect();
        match random.below(4) {
            0 => json!({ "action": "write", "accessControls": controls }),
            1 => json!({ "action": "READ", "accessControls": controls }),
            _ => json!({ "accessControls": controls }),
        }
    };
    let entries: Vec<Value> = (0..1 + random.below(2)).map(entry).collect();
    json!(entries)
}

fn person(random: &SeededRandom) -> Value {
    match random.below(3) {
        0 => json!({ "externalId": user_id(random) }),
        1 => json!({ "email": texts::email(random), "name": texts::name(random) }),
        _ => json!({ "accountId": "acc-ann" }),
    }
}

fn block(random: &SeededRandom, of: &str) -> Value {
    let mut block = json!({});
    if random.chance(0.3) {
        block["customAndSensitiveData"] = json!(texts::name(random));
    }
    match of {
        CUSTOMER_ORG if random.chance(0.6) => {
            let number: &str =
                random.pick::<&str>(&["0.1", "1e300", "-0.0", "12.50", "9007199254740993", "1e400"]);
            let number: Value = serde_json::from_str(number).unwrap_or(Value::Null);
            block["lifeTimeValue"] = json!({ "value": number, "currencyCode": "EUR" });
            block["contacts"] = (0..random.below(3)).map(|_| person(random)).collect();
            block["customerOrgLastActivity"] = json!({ "lastActivityAt": instant(random), "event": "call" });
        }
        CATEGORY if random.chance(0.6) => {
            block["key"] = json!(texts::name(random));
            block["categoryType"] = json!("segment");
        }
        _ => {}
    }
    block
}

fn object(random: &SeededRandom) -> Value {
    let of = object_type(random);
    let mut object = json!({
        "id": object_id(random),
        "updateSequenceNumber": sequence(random),
        "displayName": texts::name(random),
        "url": "https://example.com/org",
        "createdAt": instant(random),
        "lastUpdatedAt": instant(random),
        "permissions": permissions(random),
    });
    object[&of] = block(random, &of);
    if random.chance(0.5) {
        object["parentKey"] = key(random);
    }
    if random.chance(0.5) {
        object["containerKey"] = key(random);
    }
    if random.chance(0.4) {
        let values: Vec<String> = (0..1 + random.below(3)).map(|_| object_id(random)).collect();
        object["associations"] = json!([{ "associationType": CATEGORY, "values": values }]);
    }
    if random.chance(0.5) {
        object["properties"] = tags(random, *random.pick(&[0, 1, 2, 2, 3, 6]));
    }
    if random.chance(0.2) {
        object["owners"] = json!([person(random)]);
        object["unheardOf"] = json!({ "b": 1.50, "a": texts::name(random) });
    }
    // Often the same to the byte as one before.
    if random.chance(0.4) {
        object["displayName"] = json!("Acme");
        object["createdAt"] = json!("2024-01-01T00:00:00Z");
        object["lastUpdatedAt"] = json!("2024-01-01T00:00:00Z");
    }
    object
}

fn user(random: &SeededRandom) -> Value {
    let mut user = json!({ "externalId": user_id(random) });
    if random.chance(0.6) {
        user["updateSequenceNumber"] = sequence(random);
    }
    if random.chance(0.7) {
        let count = random.below(3);
        let emails = (0..count).map(|_| json!({ "value": account(random), "primary": true }));
        user["emails"] = emails.collect();
    }
    if random.chance(0.4) {
        user["displayName"] = json!(texts::name(random));
        user["more"] = json!([null, 1.0, { "b": 1, "a": 2 }]);
    }
    user
}

fn group(random: &SeededRandom) -> Value {
    let mut group = json!({ "externalId": group_id(random) });
    if random.chance(0.6) {
        group["updateSequenceNumber"] = sequence(random);
    }
    if random.chance(0.8) {
        let member = |_| match random.chance(0.4) {
            true => json!({ "externalId": group_id(random), "type": "GROUP" }),
            false => json!({ "externalId": user_id(random) }),
        };
        group["members"] = (0..random.below(5)).map(member).collect();
    }
    if random.chance(0.4) {
        group["displayName"] = json!(texts::name(random));
    }
    group
}

fn mapping(random: &SeededRandom) -> Value {
    let mut mapping = json!({
        "externalId": user_id(random),
        "updateSequenceNumber": sequence(random),
        "updatedAt": 1_700_000_000_000_u64 + random.below(3),
    });
    let name = *random.pick(&["accountId", "accountId", "email", "externalEmailAddress"]);
    mapping[name] = json!(account(random));
    mapping
}

impl Requests {
    /// A body for this operation of connectors.
    pub fn connector_body(&mut self, path: &'static str) -> Value {
        let random = &self.random.clone();
        let count = match random.below(80) {
            0 => 100,
            1 => 101,
            2 => 0,
            _ => 1 + random.below(5),
        };
        let some = |one: fn(&SeededRandom) -> Value| -> Value { (0..count).map(|_| one(random)).collect() };
        let ids = |one: fn(&SeededRandom) -> String| -> Value {
            (0..1 + count / 2).map(|_| json!(one(random))).collect()
        };
        let mut body = match path {
            "/objects/bulk" => {
                let mut body = json!({ "objects": some(object) });
                if random.chance(0.4) {
                    body["properties"] = tags(random, 1 + random.below(2));
                }
                if random.chance(0.1) {
                    body["operationType"] = json!(random.pick(&["NORMAL", "BACKFILL", "BACKFILL", "normal"]));
                }
                body
            }
            "/objects/delete" => {
                let mut body = json!({ "objectType": object_type(random), "externalIds": ids(object_id) });
                if random.chance(0.5) {
                    body["updateSequenceNumber"] = sequence(random);
                }
                body
            }
            "/objects/by-properties" | "/objects/delete-by-properties" => {
                let count = *random.pick(&[1, 1, 1, 1, 1, 1, 0, 2]);
                json!({ "objectType": object_type(random), "properties": tags(random, count) })
            }
            "/users/bulk" => json!({ "users": some(user) }),
            "/users/map" => json!({ "directMappings": some(mapping) }),
            "/groups/bulk" => json!({ "groups": some(group) }),
            "/users/delete" => json!({ "externalIds": ids(user_id) }),
            "/groups/delete" => json!({ "externalIds": ids(group_id) }),
            other => panic!("connectors.rs must say what a body for {other} is"),
        };
        self.pushes += 1;
        let by = self.pushes / 16;
        for list in ["objects", "users", "groups", "directMappings"] {
            let items = body.get_mut(list).and_then(Value::as_array_mut);
            items.into_iter().flatten().for_each(|item| go_on(item, by));
        }
        go_on(&mut body, by);
        if self.random.chance(0.93) {
            body["connectionId"] = json!(self.id("connectionId"));
        }
        body
    }
}
