//! Who may see an object, as far as it can be said without its container.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn readers_of(permissions: &str) -> Readers {
    read(&[("permissions", permissions)]).unwrap().readers
}

fn entry(principals: &str) -> String {
    format!(r#"{{"accessControls":[{{"principals":[{principals}]}}]}}"#)
}

fn named(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn reader(users: &[&str], groups: &[&str]) -> Reader {
    Reader {
        users: named(users),
        groups: named(groups),
        member_of_workspace: false,
    }
}

/// (user-123 OR group-456) AND group-789.
#[test]
fn the_worked_example() {
    let first = entry(r#"{"type":"USER","id":"user-123"},{"type":"GROUP","id":"group-456"}"#);
    let second = entry(r#"{"type":"GROUP","id":"group-789"}"#);
    let readers = readers_of(&format!("[{first},{second}]"));
    for (users, groups, expected) in [
        (vec!["user-123"], vec!["group-789"], true),
        (vec!["user-9"], vec!["group-456", "group-789"], true),
        (vec!["user-123"], vec![], false),
        (vec!["user-123"], vec!["group-456"], false),
        (vec!["user-9"], vec!["group-789"], false),
        (vec![], vec![], false),
        // Ids mean what their kind says, and case counts.
        (vec!["group-456", "group-789"], vec!["user-123"], false),
        (vec!["USER-123"], vec!["group-789"], false),
    ] {
        let reader = reader(&users, &groups);
        assert_eq!(readers.admits(&reader, || true), expected, "{users:?} {groups:?}");
    }
}

#[test]
fn every_kind_of_principal() {
    let everyone = readers_of(&entry(r#"{"type":"EVERYONE"}"#));
    let workspace = readers_of(&entry(r#"{"type":"ATLASSIAN_WORKSPACE"}"#));
    let container = readers_of(&entry(r#"{"type":"CONTAINER"}"#));
    let nobody = Reader::default();
    let member = Reader {
        member_of_workspace: true,
        ..Reader::default()
    };
    assert!(everyone.admits(&nobody, || panic!("not asked")));
    assert!(!workspace.admits(&nobody, || panic!("not asked")));
    assert!(workspace.admits(&member, || panic!("not asked")));
    for answer in [true, false] {
        assert_eq!(container.admits(&member, || answer), answer);
    }
    assert_eq!(container.verdict(&member), Verdict::AsContainer);
}

#[test]
fn what_grants_nothing() {
    let member = Reader {
        member_of_workspace: true,
        ..reader(&["u"], &["g"])
    };
    let everyone = entry(r#"{"type":"EVERYONE"}"#);
    let acting = |action: &str| everyone.replacen('{', &format!(r#"{{"action":{action:?},"#), 1);
    for (permissions, expected) in [
        (r#"[{"accessControls":[]}]"#.to_owned(), false),
        (format!("[{}]", entry("")), false),
        (format!("[{everyone},{}]", entry("")), false),
        (acting("write"), false),
        (acting(""), false),
        (acting("read"), true),
        (acting("Read"), true),
        (acting("null").replace(r#""null""#, "null"), true),
        // An entry of another action neither grants nor forbids.
        (format!("[{everyone},{}]", acting("write")), true),
        (format!("[{},{}]", acting("write"), acting("delete")), false),
    ] {
        let admits = readers_of(&permissions).admits(&member, || true);
        assert_eq!(admits, expected, "{permissions}");
    }
}

#[test]
fn principals_that_are_refused() {
    let at = "permissions[0].accessControls[0].principals[0]";
    for (principal, key, message) in [
        (r#"{"type":"USER"}"#, ".id", "is required"),
        (r#"{"type":"group","id":null}"#, ".id", "is required"),
        (r#"{"type":"USER","id":""}"#, ".id", "must not be empty"),
        (
            r#"{"type":"USER","id":7}"#,
            ".id",
            "must be a string, found a number",
        ),
        (
            r#"{"type":"EVERYONE","id":7}"#,
            ".id",
            "must be a string, found a number",
        ),
        (r#"{"id":"u"}"#, ".type", "is required"),
        (r#"{"type":7}"#, ".type", "must be a string, found a number"),
        (
            r#"{"type":"TEAM","id":"t"}"#,
            ".type",
            r#"must be one of USER, GROUP, ATLASSIAN_WORKSPACE, CONTAINER, EVERYONE, found "TEAM""#,
        ),
        (r#""EVERYONE""#, "", "must be an object, found a string"),
    ] {
        let key = format!("{at}{key}");
        refuses(
            &[("permissions", &entry(principal))],
            &key,
            &format!("{key} {message}"),
        );
    }
    for (permissions, key, message) in [
        ("[{}]", "permissions[0].accessControls", "is required"),
        (
            r#"[{"accessControls":{}}]"#,
            "permissions[0].accessControls",
            "must be an array, found an object",
        ),
        (
            r#"[{"accessControls":[{}]}]"#,
            "permissions[0].accessControls[0].principals",
            "is required",
        ),
        (
            r#"[{"accessControls":[{"principals":{}}]}]"#,
            "permissions[0].accessControls[0].principals",
            "must be an array, found an object",
        ),
        (
            r#"[{"action":7,"accessControls":[]}]"#,
            "permissions[0].action",
            "must be a string, found a number",
        ),
        ("[7]", "permissions[0]", "must be an object, found a number"),
    ] {
        refuses(&[("permissions", permissions)], key, &format!("{key} {message}"));
    }
}

#[test]
fn text_of_readers() {
    let readers = Readers {
        access_controls: vec![
            vec![Principal::Everyone, Principal::Workspace, Principal::Container],
            vec![],
            vec![
                Principal::User("a:\"b".to_owned()),
                Principal::Group(String::new()),
            ],
        ],
    };
    let text = r#"[["everyone","workspace","container"],[],["user:a:\"b","group:"]]"#;
    assert_eq!(readers.to_text(), text);
    assert_eq!(Readers::from_text(text), Some(readers));
    for wrong in [
        "",
        "{}",
        "[7]",
        r#"[["x"]]"#,
        "[[7]]",
        r#"["everyone"]"#,
        r#"[["team:t"]]"#,
    ] {
        assert_eq!(Readers::from_text(wrong), None, "{wrong}");
    }
}

fn membership(group: &str, member: Member) -> Membership {
    Membership {
        group: group.to_owned(),
        member,
    }
}

#[test]
fn groups_in_groups_and_in_circles() {
    let user = |group, user: &str| membership(group, Member::User(user.to_owned()));
    let group = |group, inner: &str| membership(group, Member::Group(inner.to_owned()));
    let memberships = [
        user("a", "u"),
        group("b", "a"),
        group("c", "b"),
        group("a", "c"),
        group("self", "self"),
        user("other", "v"),
        group("b", "other"),
        group("dangling", "nowhere"),
    ];
    assert_eq!(groups_of(&named(&["u"]), &memberships), named(&["a", "b", "c"]));
    assert_eq!(
        groups_of(&named(&["v"]), &memberships),
        named(&["a", "b", "c", "other"])
    );
    assert_eq!(groups_of(&named(&["a", "nowhere"]), &memberships), named(&[]));
    // A long chain in the worst order takes neither the stack nor the square of its length.
    let chain: Vec<_> = (0..20_000)
        .rev()
        .map(|number| {
            group(
                Box::leak(format!("g{}", number + 1).into_boxed_str()),
                &format!("g{number}"),
            )
        })
        .chain([user("g0", "u")])
        .collect();
    assert_eq!(groups_of(&named(&["u"]), &chain).len(), 20_001);
}

fn principals() -> impl Strategy<Value = Principal> {
    prop_oneof![
        1 => Just(Principal::Everyone),
        2 => Just(Principal::Workspace),
        4 => "[uvw]".prop_map(Principal::User),
        4 => "[ghi]".prop_map(Principal::Group),
        5 => Just(Principal::Container),
    ]
}

pub(super) fn some_readers() -> impl Strategy<Value = Readers> {
    let access_control = prop::collection::vec(principals(), 0..4);
    prop::collection::vec(access_control, 0..4).prop_map(|access_controls| Readers { access_controls })
}

pub(super) fn some_reader() -> impl Strategy<Value = Reader> {
    let users = prop::collection::btree_set("[uvw]", 0..3);
    let groups = prop::collection::btree_set("[ghi]", 0..3);
    (users, groups, any::<bool>()).prop_map(|(users, groups, member_of_workspace)| Reader {
        users,
        groups,
        member_of_workspace,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn admits_is_the_rule_of_one_object(readers in some_readers(), reader in some_reader(), container in any::<bool>()) {
        let mut asked = 0;
        let admits = readers.admits(&reader, || { asked += 1; container });
        let is = |principal: &Principal| match principal {
            Principal::Everyone => true,
            Principal::Workspace => reader.member_of_workspace,
            Principal::User(id) => reader.users.contains(id),
            Principal::Group(id) => reader.groups.contains(id),
            Principal::Container => container,
        };
        let all = readers.access_controls.iter().filter(|principals| principals.iter().any(is)).count();
        let expected = !readers.access_controls.is_empty() && all == readers.access_controls.len();
        prop_assert_eq!(admits, expected);
        prop_assert!(asked <= 1);
    }

    #[test]
    fn readers_survive_their_text(readers in some_readers(), id in any::<String>()) {
        prop_assert_eq!(Readers::from_text(&readers.to_text()), Some(readers));
        let id = id.replace('\0', "");
        let odd = Readers { access_controls: vec![vec![Principal::User(id.clone()), Principal::Group(id)]] };
        prop_assert_eq!(Readers::from_text(&odd.to_text()), Some(odd));
    }

    #[test]
    fn any_text_of_readers_is_survived(text in any::<String>()) {
        let _ = Readers::from_text(&text);
    }

    /// The closure against one that repeats until nothing changes.
    #[test]
    fn groups_are_closed(edges in prop::collection::vec(("[a-h]", any::<bool>(), "[a-h]"), 0..30), users in prop::collection::btree_set("[a-h]", 0..3)) {
        let memberships: Vec<_> = edges.iter().map(|(group, of_group, member)| {
            let member = member.clone();
            membership(group, if *of_group { Member::Group(member) } else { Member::User(member) })
        }).collect();
        let mut expected = BTreeSet::new();
        loop {
            let more: BTreeSet<String> = memberships.iter().filter(|edge| match &edge.member {
                Member::User(user) => users.contains(user),
                Member::Group(group) => expected.contains(group),
            }).map(|edge| edge.group.clone()).collect();
            if more == expected { break; }
            expected = more;
        }
        prop_assert_eq!(groups_of(&users, &memberships), expected);
    }
}
