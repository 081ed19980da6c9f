//! What only the inside can see: commits that fail, whatever had been done for them.

use guildhall_testkit::{SeededRandom, TempFolder};

use super::*;
use crate::driver::sqlite::tests::open_to_write;

const TENANT: TenantId = TenantId(1);
const PLACE: Place = (TENANT, FieldId(1));
const FIELDS: [FieldId; 3] = [NAMES, FieldId(1), FieldId(2)];

fn change(key: &str, number: i64, is_there: bool) -> Change {
    change_of(PLACE, key, number, is_there)
}

fn change_of((tenant, field): Place, key: &str, number: i64, is_there: bool) -> Change {
    Change {
        entry: Entry {
            tenant,
            field,
            key: key.into(),
            number,
        },
        is_there,
    }
}

/// Tenants, fields, keys and numbers, names as those of [`NAMES`].
fn index(connection: &mut Connection) -> Vec<(i64, i64, String, i64)> {
    let sql = "SELECT tenant_id, 0, name_key, organization_id FROM name_index \
         UNION ALL SELECT tenant_id, field_id, value_key, entity_number FROM detail_index ORDER BY 1, 2, 3, 4";
    let row = |row: &rusqlite::Row<'_>| {
        let texts = (row.get(2).unwrap(), row.get(3).unwrap());
        Ok((row.get(0).unwrap(), row.get(1).unwrap(), texts.0, texts.1))
    };
    connection.fetch(sql, &[], row).unwrap()
}

/// What is noted of each place is what all of it says.
fn check_noted(keeper: &Keeper) {
    for place in [1, 2]
        .map(TenantId)
        .into_iter()
        .flat_map(|tenant| FIELDS.map(|field| (tenant, field)))
    {
        let of_all = keeper.noted().iter().map(|change| &change.entry);
        let of_all: Vec<_> = of_all.filter(|entry| entry.place() == place).collect();
        assert_eq!(keeper.noted_of(place).collect::<Vec<_>>(), of_all);
    }
}

fn is_there(keeper: &mut Keeper) -> Vec<Vec<(Value, bool)>> {
    let of = |gathered: &Gathered| {
        let entries = gathered.batch.entries();
        let all = entries.after(None);
        all.map(|(_, value, is_there)| (value.clone(), is_there))
            .collect()
    };
    keeper.batches.iter().map(of).collect()
}

/// A commit as the writer makes it, that fails at its end or does not.
fn commit(connection: &mut Connection, share: Share, fails: bool) {
    let bringing = connection.bring_in(share).unwrap();
    let end = if fails { "ROLLBACK" } else { "COMMIT" };
    connection.statement(end).unwrap();
    let _ended = connection.brought_in(bringing, !fails);
}

#[test]
fn a_commit_that_fails_leaves_what_was_pending() {
    let folder = TempFolder::new();
    let mut connection = open_to_write(&folder.join("guildhall.db"));
    let keeper = Keeper::read(&mut connection, 100).unwrap();
    connection.keep_back(keeper);
    connection.statement("BEGIN IMMEDIATE").unwrap();
    connection.keeper().unwrap().note(change("a", 1, true));
    commit(&mut connection, Share::OfBusy, false);
    let before = is_there(connection.keeper().unwrap());
    connection.statement("BEGIN IMMEDIATE").unwrap();
    for change in [change("a", 1, false), change("b", 1, true), change("b", 1, false)] {
        connection.keeper().unwrap().note(change);
    }
    commit(&mut connection, Share::OfBusy, true);
    assert_eq!(is_there(connection.keeper().unwrap()), before);
    assert_eq!(connection.keeper().unwrap().noted(), []);
    let hold = connection.keeper().unwrap().shared().hold();
    assert_eq!(hold.in_span(PLACE, &Span::all(), 9), [("a".into(), 1)]);
}

/// Commits that fail, units that are refused or in a hurry, and pieces that are brought in, in any order.
#[test]
fn whatever_fails_the_index_comes_to_what_was_committed() {
    for seed in 1..40 {
        let folder = TempFolder::new();
        let path = folder.join("guildhall.db");
        let mut connection = open_to_write(&path);
        let random = SeededRandom::new(seed);
        let keeper = Keeper::read(&mut connection, 1 + random.below(40) as usize).unwrap();
        connection.keep_back(keeper);
        let mut committed = BTreeMap::new();
        for _ in 0..60 {
            let mut decided = committed.clone();
            connection.statement("BEGIN IMMEDIATE").unwrap();
            for _ in 0..random.below(4) {
                let noted = connection.keeper().unwrap().noted().len();
                connection.statement("SAVEPOINT unit").unwrap();
                let mut of_unit = decided.clone();
                // More than are added at a stretch, at times.
                for _ in 0..random.below(40) {
                    if random.below(12) == 0 {
                        connection.hurry_entries();
                    }
                    let (tenant, key) = (random.pick(&[1, 2]), random.pick(&["a", "\"b\\", "ж\n"]));
                    let number = random.below(20) as i64;
                    let field = *random.pick(&FIELDS);
                    let change = change_of((TenantId(*tenant), field), key, number, random.below(2) == 0);
                    of_unit.insert((*tenant, field.0, (*key).to_owned(), number), change.is_there);
                    connection.keeper().unwrap().note(change);
                }
                match random.below(3) {
                    0 => {
                        connection.statement("ROLLBACK TO unit").unwrap();
                        connection.keeper().unwrap().back_to(noted);
                    }
                    _ => decided = of_unit,
                }
                connection.statement("RELEASE unit").unwrap();
                check_noted(connection.keeper().unwrap());
            }
            let fails = random.below(4) == 0;
            let shares = match connection.keeper().unwrap().noted() {
                [] => [Share::Nothing, Share::OfIdle],
                _ => [Share::OfBusy, Share::OfIdle],
            };
            let share = *random.pick(&shares);
            commit(&mut connection, share, fails);
            check_noted(connection.keeper().unwrap());
            if !fails {
                committed = decided;
            }
            // A kill: what is in memory is gone. A field of which nothing was pending, which a sweep may have removed, does not
            // come back.
            if random.below(10) == 0 {
                let pending = |keeper: &Keeper| {
                    let of = |tenant| FIELDS.map(|field| keeper.has(TenantId(tenant), field));
                    [of(1), of(2)].concat()
                };
                let was_pending = pending(connection.keeper().unwrap());
                let keeper = Keeper::read(&mut connection, 1 + random.below(40) as usize).unwrap();
                let is_pending = pending(&keeper);
                assert!(
                    was_pending.iter().zip(is_pending).all(|(was, is)| *was || !is),
                    "seed {seed}"
                );
                connection.keep_back(keeper);
            }
        }
        while !connection.keeper().unwrap().is_empty() {
            connection.statement("BEGIN IMMEDIATE").unwrap();
            commit(&mut connection, Share::OfIdle, false);
        }
        let there = committed.into_iter().filter(|(_, is_there)| *is_there);
        let there: Vec<_> = there.map(|(entry, _)| entry).collect();
        assert_eq!(index(&mut connection), there, "seed {seed}");
        let rows = connection.fetch("SELECT number FROM detail_pending", &[], |_| Ok(()));
        assert_eq!(rows, Ok(Vec::new()), "seed {seed}");
    }
}

/// What is changed back and forth has few entries and many rows: these do not gather without end.
#[test]
fn one_entry_that_is_changed_again_and_again_is_brought_in_too() {
    let folder = TempFolder::new();
    let mut connection = open_to_write(&folder.join("guildhall.db"));
    let keeper = Keeper::read(&mut connection, 10 * (1 + ROW_WEIGHT)).unwrap();
    connection.keep_back(keeper);
    for round in 0..200 {
        connection.statement("BEGIN IMMEDIATE").unwrap();
        connection.keeper().unwrap().note(change("a", 1, round % 2 == 0));
        commit(&mut connection, Share::OfBusy, false);
        let rows = connection.fetch("SELECT number FROM detail_pending", &[], |_| Ok(()));
        assert!(rows.unwrap().len() <= 21, "round {round}");
    }
}
