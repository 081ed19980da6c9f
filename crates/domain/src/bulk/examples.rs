//! Examples of what becomes of items, over the small model of the state that the [law](super::law) has; and
//! of the form that items must have.

use super::law::World;
use super::{DetailEdit, DetailsItem, Edit, FieldValues, Item, Manage, ManageItem};
use crate::field::Values;
use crate::id::FieldId;
use crate::subject::{Subject, SubjectKind};
use crate::task::Receipt;

fn item(operation: Manage, id: Option<&str>, handle: Option<&str>) -> ManageItem {
    ManageItem {
        operation,
        id: id.map(Into::into),
        handle: handle.map(Into::into),
        display_name: None,
        details: Vec::new(),
        associated_ids: Vec::new(),
        product_ids: Vec::new(),
    }
}

/// `id/name -> outcome` of each item, over a state with organizations 1 Acme and 2 Globex, and 3 spent.
fn outcomes(items: Vec<ManageItem>) -> Vec<String> {
    let mut world = World::new(SubjectKind::Organization, 1);
    let start = ["Acme", "Globex"].map(|name| Item::Manage(item(Manage::Create, None, Some(name))));
    world.run(&start, 2);
    world.spent.insert(3);
    world.next_id = 4;
    let items: Vec<Item> = items.into_iter().map(Item::Manage).collect();
    let show = |receipt: Receipt| {
        let failed = receipt.failures.len();
        format!("{} {} {failed}", receipt.entity_id, receipt.outcome.name())
    };
    world.run(&items, 100).into_iter().map(show).collect()
}

#[test]
fn ids_that_are_wished_for() {
    use Manage::{Create, Upsert};
    let found = outcomes(vec![
        item(Create, Some("9"), Some("A")),
        item(Create, Some("9"), Some("B")),
        item(Create, Some("3"), Some("C")),
        item(Create, Some("007"), Some("D")),
        item(Upsert, Some("8"), Some("E")),
        item(Upsert, Some("8"), None),
        item(Upsert, Some("77"), None),
    ]);
    // 9 is free; then it is taken; 3 was another's once; 007 is no id; 8 is free and then known.
    assert_eq!(
        found,
        [
            "9 created 0",
            "10 created 0",
            "11 created 0",
            "12 created 0",
            "8 created 0",
            "8 unchanged 0",
            "77 failed 1"
        ]
    );
}

#[test]
fn names_that_are_taken() {
    use Manage::{Create, Update, Upsert};
    let found = outcomes(vec![
        item(Create, None, Some("acme")),
        item(Update, Some("1"), Some("Globex")),
        item(Update, Some("1"), Some("ACME")),
        item(Upsert, Some("50"), Some("Globex")),
        item(Update, None, Some("Nobody")),
        item(Update, Some("1"), Some("Initech")),
        item(Create, None, Some("Acme")),
    ]);
    assert_eq!(
        found,
        [
            "acme failed 1",
            "1 failed 1",
            "1 updated 0",
            "Globex failed 1",
            "Nobody failed 1",
            "1 updated 0",
            "4 created 0",
        ]
    );
}

#[test]
fn the_parts_of_an_item_fail_alone() {
    let mut upsert = item(Manage::Upsert, None, Some("New"));
    upsert.details = vec![
        FieldValues {
            name: "Region".into(),
            values: vec!["EU".into()].into(),
        },
        FieldValues {
            name: "Nothing".into(),
            values: vec!["EU".into()].into(),
        },
    ];
    upsert.associated_ids = vec!["qm:a".into(), "qm:no".into(), "qm:a".into()];
    upsert.product_ids = vec!["p-1".into(), "p-no".into()];
    let mut world = World::new(SubjectKind::Organization, 1);
    let receipts = world.run(&[Item::Manage(upsert)], 1);
    let failures: Vec<_> = receipts[0]
        .failures
        .iter()
        .map(|f| (f.operated_on.name(), f.operated_on_ids.join(",")))
        .collect();
    assert_eq!(
        failures,
        [
            ("DETAIL_FIELD", "Nothing".into()),
            ("MEMBERSHIP", "qm:no".into()),
            ("ENTITLEMENT", "p-no".to_owned()),
        ]
    );
    assert_eq!(receipts[0].outcome.name(), "created");
    assert_eq!((world.members.len(), world.entitled.len()), (1, 1));
}

#[test]
fn edits_of_several_values() {
    let edit = |operation, name: &str, values: Option<&[&str]>| DetailEdit {
        operation,
        name: name.into(),
        values: values.map(|values| values.iter().map(|value| (*value).to_owned()).collect()),
    };
    let mut world = World::new(SubjectKind::Organization, 1);
    world.run(&[Item::Manage(item(Manage::Create, None, Some("Acme")))], 1);
    let mut run = |edits: Vec<DetailEdit>| {
        let receipts = world.run(
            &[Item::Details(DetailsItem {
                id: "1".into(),
                operations: edits,
            })],
            1,
        );
        let values: Values = world.subjects[&1].details().clone();
        (
            receipts[0].outcome.name(),
            values.get(FieldId(2)).join(","),
            receipts[0].failures.len(),
        )
    };
    assert_eq!(
        run(vec![edit(Edit::Update, "Tags", Some(&["y", "x"]))]),
        ("updated", "y,x".into(), 0)
    );
    assert_eq!(
        run(vec![edit(Edit::Patch, "Tags", Some(&["z", "x"]))]),
        ("updated", "y,x,z".into(), 0)
    );
    assert_eq!(
        run(vec![edit(Edit::Patch, "Tags", Some(&[]))]),
        ("unchanged", "y,x,z".into(), 0)
    );
    assert_eq!(
        run(vec![edit(Edit::Delete, "Tags", Some(&["x", "no"]))]),
        ("updated", "y,z".into(), 0)
    );
    // What is removed is compared as what is set: trimmed, and however its characters are composed.
    assert_eq!(
        run(vec![
            edit(Edit::Patch, "Tags", Some(&["e\u{301}", "x"])),
            edit(Edit::Delete, "Tags", Some(&[" x ", "e\u{301} "])),
        ]),
        ("unchanged", "y,z".into(), 0)
    );
    assert_eq!(
        run(vec![edit(Edit::Update, "Tags", Some(&["no"]))]),
        ("failed", "y,z".into(), 1)
    );
    assert_eq!(
        run(vec![edit(Edit::Delete, "Tags", None)]),
        ("updated", String::new(), 0)
    );
    // One goes wrong between two that go well.
    let found = run(vec![
        edit(Edit::Update, "Tags", Some(&["x"])),
        edit(Edit::Update, "Nothing", Some(&["x"])),
        edit(Edit::Patch, "Tags", Some(&["y"])),
    ]);
    assert_eq!(found, ("updated", "x,y".into(), 1));
}

/// Over a state with the customers qm:1 Ann and qm:2 Bob: what becomes of each item, and the names in
/// the end.
#[test]
fn customers_are_found_by_id_or_email_and_keep_their_email() {
    use Manage::{Create, Update, Upsert};
    let called = |operation, id, email, shown: Option<&str>| {
        let mut item = item(operation, id, email);
        item.display_name = shown.map(Into::into);
        Item::Manage(item)
    };
    let mut world = World::new(SubjectKind::Customer, 1);
    let (ann, bob) = (Some("ann@a.example"), Some("bob@a.example"));
    world.run(
        &[
            called(Create, None, ann, None),
            called(Create, None, bob, Some("Bob")),
        ],
        2,
    );
    let receipts = world.run(
        &[
            called(Create, None, Some("ANN@a.example"), None),
            called(Update, None, Some("ANN@A.example"), Some("Ann Lee")),
            called(Upsert, Some("qm:2"), ann, Some("Robert")),
            called(Update, Some("qm:2"), Some("Bob@A.Example"), None),
            called(Upsert, Some("qm:wish"), Some("eve@a.example"), None),
            called(Upsert, Some("qm:wish"), Some("eve@a.example"), None),
            called(Upsert, Some("qm:wish"), None, None),
            called(Update, None, Some("nobody"), None),
        ],
        100,
    );
    let told: Vec<_> = receipts
        .iter()
        .map(|receipt| {
            let failed = receipt.failures.iter().map(|f| f.operated_on.name());
            let ids = receipt.failures.iter().flat_map(|f| f.operated_on_ids.clone());
            (
                receipt.entity_id.as_str(),
                receipt.outcome.name(),
                failed.collect::<Vec<_>>().join(","),
                ids.collect::<Vec<_>>().join(","),
            )
        })
        .collect();
    let (none, whole) = (String::new(), "CUSTOMER_PROFILE".to_owned());
    assert_eq!(
        told,
        [
            ("ANN@a.example", "failed", whole.clone(), none.clone()),
            ("qm:1", "updated", none.clone(), none.clone()),
            // The id finds; another email is a part that fails, and the name is changed all the same.
            (
                "qm:2",
                "updated",
                "CUSTOMER_ACCOUNT".into(),
                "ann@a.example".into()
            ),
            ("qm:2", "unchanged", none.clone(), none.clone()),
            // No id can be wished for.
            ("qm:3", "created", none.clone(), none.clone()),
            ("eve@a.example", "failed", whole.clone(), none.clone()),
            ("qm:wish", "failed", whole.clone(), none.clone()),
            ("nobody", "failed", whole, none),
        ]
    );
    let names: Vec<_> = world.subjects.values().map(Subject::name).collect();
    assert_eq!(names, ["Ann Lee", "Robert", "eve"]);
    assert!(
        receipts[2].failures[0].error.contains("cannot be changed"),
        "{receipts:?}"
    );
}

/// Open tasks of an earlier release stand in databases: they can be read, and what is written of
/// organizations is still read by that release.
#[test]
fn items_are_stored_in_the_form_that_they_had() {
    let stored = concat!(
        r#"[{"Manage":{"operation":"UPSERT","id":"7","name":"Acme","details":[{"name":"Region","values":["EU"]}],"#,
        r#""customer_ids":["qm:a"],"product_ids":["p-1"]}},"#,
        r#"{"Manage":{"operation":"CREATE","id":null,"name":"Globex","details":[],"customer_ids":[],"product_ids":[]}},"#,
        r#"{"Details":{"id":"7","operations":[{"operation":"DELETE","name":"Tags","values":null}]}},"#,
        r#"{"Definition":{"name":"Tier","type_name":"SELECT","options":["Free"]}}]"#,
    );
    let items: Vec<Item> = serde_json::from_str(stored).unwrap();
    let mut first = item(Manage::Upsert, Some("7"), Some("Acme"));
    first.details = vec![FieldValues {
        name: "Region".into(),
        values: vec!["EU".into()].into(),
    }];
    first.associated_ids = vec!["qm:a".into()];
    first.product_ids = vec!["p-1".into()];
    assert_eq!(items[0], Item::Manage(first));
    assert_eq!(items[1], Item::Manage(item(Manage::Create, None, Some("Globex"))));
    assert_eq!(serde_json::to_string(&items).unwrap(), stored);
}

/// Whoever looks for the closest option walks through them all: an item pays for that a few times only.
#[test]
fn only_the_first_failures_of_an_item_name_what_is_near() {
    let mut world = World::new(SubjectKind::Organization, 1);
    let edit = DetailEdit {
        operation: Edit::Update,
        name: "Region".into(),
        values: Some(vec!["EX".into()]),
    };
    world.run(&[Item::Manage(item(Manage::Create, None, Some("Acme")))], 1);
    let edits = Item::Details(DetailsItem {
        id: "1".into(),
        operations: vec![edit; 12],
    });
    let hinted = |receipt: &Receipt| -> Vec<bool> {
        let failures = receipt.failures.iter();
        failures
            .map(|failure| failure.error.contains("Did you mean"))
            .collect()
    };
    // Each item has its own.
    let receipts = world.run(&[edits.clone(), edits], 2);
    let wanted = [vec![true; 10], vec![false; 2]].concat();
    assert_eq!(
        [hinted(&receipts[0]), hinted(&receipts[1])],
        [wanted.clone(), wanted]
    );
}

/// The form of an item is checked before it becomes part of a task.
#[test]
fn what_the_form_of_an_item_refuses() {
    let refused = |kind: SubjectKind, item: ManageItem| item.check(kind).unwrap_err().to_string();
    for blank in ["", " \t"] {
        for (kind, at, handle) in [
            (SubjectKind::Organization, "payload.id: must not be blank", "Acme"),
            (
                SubjectKind::Customer,
                "payload.customerId: must not be blank",
                "ann@a.example",
            ),
        ] {
            for operation in [Manage::Create, Manage::Update, Manage::Upsert] {
                let words = refused(kind, item(operation, Some(blank), Some(handle)));
                assert!(words.starts_with(at), "{words}");
            }
            let edits = DetailsItem {
                id: blank.into(),
                operations: vec![DetailEdit {
                    operation: Edit::Delete,
                    name: "Note".into(),
                    values: None,
                }],
            };
            let words = edits.check(kind).unwrap_err().to_string();
            assert!(words.starts_with(at.trim_start_matches("payload.")), "{words}");
        }
    }
    let mut shown = item(Manage::Upsert, None, Some("ann@a.example"));
    shown.display_name = Some(" ".into());
    let words = refused(SubjectKind::Customer, shown);
    assert!(
        words.starts_with("payload.displayName: must not be blank"),
        "{words}"
    );
}

/// Values count over all fields of a payload, and over all operations of an item.
#[test]
fn one_payload_holds_five_thousand_values() {
    let values = |count: usize| FieldValues {
        name: format!("Field {count}"),
        values: vec!["x".into(); count].into(),
    };
    for (counts, fits) in [
        ([2_500, 2_499], true),
        ([2_501, 2_499], true),
        ([2_501, 2_500], false),
    ] {
        let mut managed = item(Manage::Upsert, None, Some("Acme"));
        managed.details = counts.map(values).into();
        let operations = managed.details.iter().map(|detail| DetailEdit {
            operation: Edit::Patch,
            name: detail.name.clone(),
            values: Some(detail.values.to_vec()),
        });
        let edits = DetailsItem {
            id: "1".into(),
            operations: operations.collect(),
        };
        let kind = SubjectKind::Organization;
        for (at, checked) in [
            ("payload.details: ", managed.check(kind).map(drop)),
            ("operations: ", edits.check(kind).map(drop)),
        ] {
            match (fits, checked) {
                (true, checked) => assert_eq!(checked, Ok(()), "{counts:?}"),
                (false, Ok(())) => panic!("{at}{counts:?} fit"),
                (false, Err(refused)) => {
                    let words = refused.to_string();
                    assert!(words.starts_with(at) && words.contains("5001 values"), "{words}");
                }
            }
        }
    }
}
