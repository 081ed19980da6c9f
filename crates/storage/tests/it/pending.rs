//! The index of values where SQLite's writer keeps its entries back: what readers find meanwhile, what a kill
//! leaves, and what stands in the table at the end. Long, because one history has many kinds of steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use guildhall_domain::list::{ListKind, Position, Span};
use guildhall_domain::{
    Definitions, EntityKind, FieldId, FieldType, OrganizationId, TenantId, Values, value_key,
};
use guildhall_storage::{Gather, ReadTx, Store, StoreError, Sweep, Swept, Walk};
use guildhall_testkit::{SeededRandom, TempFolder};
use tokio::task::JoinSet;

use crate::backend::{open_with, runtime};
use crate::sample::{NOW, Refused, field, on_purpose, organization, tenant, values, write};

const ORGANIZATIONS: u64 = 40;
const KIND: EntityKind = EntityKind::Organization;

/// What organizations are renamed to, where nobody is called so.
const NEW_NAMES: [&str; 5] = ["n1", "n2", "m", "p", "o39x"];

/// Field, key, number.
type Entries = BTreeSet<(i64, String, i64)>;

/// What stands for the field of an entry that is a name.
const NAME: i64 = 0;

/// What the names and the values of the organizations say.
async fn said(tx: &mut ReadTx<'_>) -> Result<Entries, StoreError> {
    let fields = tx.fields(KIND).await?;
    let mut said = Entries::new();
    for row in tx
        .list_organizations(&(1..=ORGANIZATIONS as i64).collect::<Vec<_>>())
        .await?
    {
        said.insert((NAME, row.thing.name_key.clone(), row.thing.id.0));
        for (id, values) in row.thing.details.iter() {
            let Some(field) = fields.iter().find(|field| field.id == id) else {
                continue;
            };
            let keys = values.iter().map(|value| value_key(field.field_type, value));
            said.extend(keys.map(|key| (id.0, key, row.thing.id.0)));
        }
    }
    Ok(said)
}

/// What the table has, and how many rows wait.
fn kept(path: &Path) -> (Entries, i64) {
    let database = rusqlite::Connection::open(path).unwrap();
    let mut statement = database
        .prepare(
            "SELECT field_id, value_key, entity_number FROM detail_index \
             UNION ALL SELECT 0, name_key, organization_id FROM name_index",
        )
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    let kept = rows.unwrap().map(Result::unwrap).collect();
    let waiting = database.query_row("SELECT COUNT(*) FROM detail_pending", [], |row| row.get(0));
    (kept, waiting.unwrap())
}

/// All numbers of a walk, in pages of two; they must come in their order and once.
async fn walked(tx: &mut ReadTx<'_>, walk: Walk<'_>, descending: bool) -> Result<Vec<i64>, StoreError> {
    let numbers = walked_as_they_come(tx, walk, descending).await?;
    let in_order = numbers.windows(2).all(|two| (two[0] < two[1]) != descending);
    assert!(in_order, "{numbers:?}, descending: {descending}");
    Ok(numbers)
}

async fn walked_as_they_come(
    tx: &mut ReadTx<'_>,
    walk: Walk<'_>,
    descending: bool,
) -> Result<Vec<i64>, StoreError> {
    let mut all: Vec<Position> = Vec::new();
    loop {
        let page = tx.list_walk(walk, all.last(), descending, 2).await?;
        let is_end = page.len() < 2;
        all.extend(page);
        if is_end {
            break;
        }
    }
    Ok(all.iter().map(|position| position.number).collect())
}

/// Who has a name is found by it, nobody by another, and lists have them in their order, whole and from each of them on.
async fn names_are_found(tx: &mut ReadTx<'_>, said: &Entries) -> Result<(), StoreError> {
    let names: Vec<(&str, i64)> = said
        .iter()
        .filter(|(field, ..)| *field == NAME)
        .map(|(_, name, number)| (&**name, *number))
        .collect();
    for (name, number) in &names {
        let found = tx.organization_by_key(name).await?;
        assert_eq!(found.map(|found| found.id.0), Some(*number), "{name}");
    }
    for name in ["o0", "n"].into_iter().chain(NEW_NAMES) {
        let found = tx.organization_by_key(name).await?.map(|found| found.id.0);
        let holder = names.iter().find(|(of, _)| *of == name);
        assert_eq!(found, holder.map(|(_, number)| *number), "{name}");
    }
    let (all, with_n) = (Span::all(), Span::of_prefix("n"));
    let numbers = |from: &[(&str, i64)]| from.iter().map(|(_, number)| *number).collect::<Vec<_>>();
    let n: Vec<(&str, i64)> = names
        .iter()
        .filter(|(name, _)| name.starts_with('n'))
        .copied()
        .collect();
    for (span, wanted) in [(&all, numbers(&names)), (&with_n, numbers(&n))] {
        let walk = Walk::Names(ListKind::Organizations, span);
        assert_eq!(walked_as_they_come(tx, walk, false).await?, wanted);
        let mut backward = walked_as_they_come(tx, walk, true).await?;
        backward.reverse();
        assert_eq!(backward, wanted);
        let limit = 1 + wanted.len() as i64;
        let at_once = tx.list_walk(walk, None, false, limit).await?;
        assert_eq!(at_once.iter().map(|at| at.number).collect::<Vec<_>>(), wanted);
    }
    Ok(())
}

/// Everything that is said is found, by each key and by all keys of a field.
async fn everything_is_found(tx: &mut ReadTx<'_>) -> Result<Entries, StoreError> {
    let said = said(tx).await?;
    names_are_found(tx, &said).await?;
    let mut by_key: BTreeMap<(i64, &str), BTreeSet<i64>> = BTreeMap::new();
    for (field, key, number) in said.iter().filter(|(field, ..)| *field != NAME) {
        by_key.entry((*field, key)).or_default().insert(*number);
    }
    for ((field, key), numbers) in &by_key {
        for descending in [false, true] {
            let walk = Walk::Key(FieldId(*field), key);
            let found = BTreeSet::from_iter(walked(tx, walk, descending).await?);
            let missing: Vec<_> = numbers.difference(&found).collect();
            assert!(
                missing.is_empty(),
                "{field} {key}: {missing:?} of {numbers:?} are not found"
            );
        }
        // The part that begins with this key: all texts of the field from there on.
        let span = Span {
            after: ((*key).to_owned(), i64::MIN),
            ..Span::all()
        };
        let found = tx
            .list_gather(Gather::Values(FieldId(*field), &span), 1_000)
            .await?;
        let found = BTreeSet::from_iter(found.unwrap());
        let wanted = said
            .iter()
            .filter(|(of, other, _)| of == field && **other >= **key);
        let missing: Vec<_> = wanted.filter(|(_, _, number)| !found.contains(number)).collect();
        assert!(missing.is_empty(), "from {field} {key} on: {missing:?}");
    }
    Ok(said)
}

/// The files as a kill would leave them, in a folder of their own.
fn as_after_a_kill(path: &Path, to: &Path) -> PathBuf {
    fs::create_dir_all(to).unwrap();
    for end in ["", "-wal"] {
        let name = format!("guildhall.db{end}");
        fs::copy(path.with_file_name(&name), to.join(name)).unwrap();
    }
    to.join("guildhall.db")
}

/// A change of one organization that may be refused behind all that it did.
async fn change(
    store: Store,
    one: TenantId,
    definitions: Definitions,
    (number, chosen, new): (i64, usize, Vec<String>),
    is_refused: bool,
) -> Result<(), Refused> {
    store
        .write(one, async move |tx| {
            let id = OrganizationId(number);
            let field = definitions.iter().nth(chosen % 7).map(|field| field.id);
            match (tx.organization(id).await?, field) {
                (Some(_), Some(_)) if chosen >= 12 => {
                    let name = NEW_NAMES[chosen % NEW_NAMES.len()];
                    let holder = tx.organization_by_key(name).await?;
                    let given = tx.rename_organization(id, name, name, NOW).await;
                    match holder.filter(|holder| holder.id != id) {
                        None => given?,
                        // As by a unique index. What it did is rolled back.
                        Some(holder) if new.is_empty() => {
                            assert!(matches!(given, Err(StoreError::Conflict { .. })), "{given:?}");
                            return on_purpose(&holder.name);
                        }
                        // In one unit of work: nobody is called so any more, and this one is.
                        Some(holder) => {
                            assert!(matches!(given, Err(StoreError::Conflict { .. })), "{given:?}");
                            tx.delete_organization(&holder, &definitions).await?;
                            tx.rename_organization(id, name, name, NOW).await?;
                        }
                    }
                }
                (Some(found), Some(field)) => {
                    let mut values = found.details.clone();
                    values.set(field, new);
                    tx.put_organization_details(id, &found.details, &values, &definitions, NOW)
                        .await?;
                }
                (None, Some(field)) if !tx.organization_id_used(id).await? => {
                    let mut row = organization(number, &format!("O{number}"));
                    row.details.set(field, new);
                    tx.insert_organization(&row, &definitions, NOW).await?;
                }
                _ => {}
            }
            match is_refused {
                true => on_purpose("it is"),
                false => Ok(()),
            }
        })
        .await
}

async fn sweep_all(store: &Store, tenant: TenantId, sweep: Sweep) {
    let batch = async || {
        write(store, tenant, async move |tx| {
            tx.sweep(sweep, &Definitions::default()).await
        })
        .await
    };
    while batch().await == Swept::More {}
}

#[test]
fn whatever_waits_is_found_and_at_the_end_the_table_has_it() {
    let mut acts = BTreeMap::new();
    for (seed, pending_entries) in [(1, 1), (2, 6), (3, 40), (4, 100_000)] {
        runtime().block_on(history(seed, pending_entries, &mut acts));
    }
    assert!(acts.len() == 9 && acts["refused"] > 100, "{acts:?}");
}

async fn history(seed: u64, pending_entries: usize, acts: &mut BTreeMap<&'static str, usize>) {
    const STEPS: i64 = 250;
    let folder = TempFolder::new();
    let mut path = folder.join("guildhall.db");
    let random = SeededRandom::new(seed);
    let mut store = open_with(&path, true, pending_entries).unwrap();
    let one = tenant(&store, "one").await;
    let types = [FieldType::Text, FieldType::Number, FieldType::MultiSelect];
    let texts = ["1", "1.0", "a", "A", "ß", "SS", " x ", "One", "Two", "Three"];
    for step in 1..=STEPS {
        let fields = store.read(one, async |tx| tx.fields(KIND).await).await.unwrap();
        let act = match random.below(100) {
            _ if fields.is_empty() => "define",
            0..3 => "define",
            3..5 => "delete a field",
            5..8 => "sweep",
            8..10 => "settle",
            10..12 => "close",
            12..14 => "kill",
            14..16 => "delete",
            _ => "change",
        };
        *acts.entry(act).or_default() += 1;
        let definitions = Definitions::new(fields.clone());
        match act {
            "define" => {
                let new = field(step, &format!("Field {step}"), *random.pick(&types));
                write(&store, one, async move |tx| {
                    tx.insert_field(KIND, &new, step).await
                })
                .await;
            }
            "delete a field" => {
                let gone = random.pick(&fields).id;
                write(&store, one, async move |tx| tx.delete_field(gone, step).await).await;
            }
            "sweep" => {
                let waiting = store
                    .system_read(async |tx| tx.waiting_sweeps(100).await)
                    .await
                    .unwrap();
                for (tenant, sweep) in waiting {
                    assert!(matches!(sweep, Sweep::Field(_) | Sweep::Organization(_)));
                    sweep_all(&store, tenant, sweep).await;
                }
            }
            "settle" => {
                store.settle().await.unwrap();
                assert_eq!(kept(&path).1, 0, "step {step}");
            }
            "close" => {
                drop(store);
                assert_eq!(kept(&path).1, 0, "step {step}: an orderly end leaves nothing");
                store = open_with(&path, true, pending_entries).unwrap();
            }
            "kill" => {
                path = as_after_a_kill(&path, &folder.join(format!("killed-{step}")));
                store = open_with(&path, true, pending_entries).unwrap();
            }
            "delete" => {
                let id = OrganizationId(1 + random.below(ORGANIZATIONS) as i64);
                write(&store, one, async move |tx| match tx.organization(id).await? {
                    Some(found) => tx.delete_organization(&found, &definitions).await,
                    None => Ok(()),
                })
                .await;
            }
            _ => {
                // Some at once, so that the writer has them in one group.
                let mut at_once = JoinSet::new();
                for _ in 0..1 + random.below(5) {
                    let count = random.below(3) as usize;
                    let new = (0..count).map(|_| (*random.pick(&texts)).to_owned()).collect();
                    let what = (
                        1 + random.below(ORGANIZATIONS) as i64,
                        random.below(20) as usize,
                        new,
                    );
                    let is_refused = random.below(4) == 0;
                    at_once.spawn(change(store.clone(), one, definitions.clone(), what, is_refused));
                }
                let ended = at_once.join_all().await;
                *acts.entry("refused").or_default() += ended.iter().filter(|ended| ended.is_err()).count();
            }
        }
        let found = store.read(one, async |tx| everything_is_found(tx).await).await;
        assert!(found.is_ok(), "step {step}: {found:?}");
    }
    // What hung on deleted fields is left to their sweeps.
    let waiting = store
        .system_read(async |tx| tx.waiting_sweeps(100).await)
        .await
        .unwrap();
    for (tenant, sweep) in waiting {
        sweep_all(&store, tenant, sweep).await;
    }
    store.settle().await.unwrap();
    let said = store.read(one, async |tx| said(tx).await).await.unwrap();
    assert!(!said.is_empty());
    assert_eq!(kept(&path), (said, 0));
}

/// Whoever reads an old snapshot finds what it has, whatever was changed, brought in and left out since.
#[test]
fn an_old_snapshot_finds_what_it_has() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    let store = open_with(&path, true, 3).unwrap();
    runtime().block_on(async {
        let one = tenant(&store, "one").await;
        let fields = Definitions::new(vec![field(1, "Field", FieldType::Text)]);
        let new = fields.iter().next().unwrap().clone();
        write(&store, one, async move |tx| tx.insert_field(KIND, &new, 1).await).await;
        let put = async |number: i64, value: &'static str| {
            let fields = fields.clone();
            write(&store, one, async move |tx| {
                let new = values(&[(1, &[value])]);
                match tx.organization(OrganizationId(number)).await? {
                    Some(found) => {
                        tx.put_organization_details(found.id, &found.details, &new, &fields, NOW)
                            .await
                    }
                    None => {
                        let mut row = organization(number, &format!("O{number}"));
                        row.details = new;
                        tx.insert_organization(&row, &fields, NOW).await
                    }
                }
            })
            .await;
        };
        let number_of =
            async |tx: &mut ReadTx<'_>, key: &str| walked(tx, Walk::Key(FieldId(1), key), false).await;
        put(1, "old").await;
        put(2, "old").await;
        let seen = store.read(one, async |tx| {
            // The snapshot begins with its first question.
            assert_eq!(
                tx.list_walk(Walk::Numbers(ListKind::Organizations), None, false, 9)
                    .await?
                    .len(),
                2
            );
            for round in 0..20 {
                put(1, if round % 2 == 0 { "new" } else { "newer" }).await;
                put(3 + round, "old").await;
                if round % 5 == 4 {
                    store.settle().await?;
                }
                // Candidates of later commits may be among them; those of its own must be.
                let found = number_of(tx, "old").await?;
                assert!(found.starts_with(&[1, 2]), "round {round}: {found:?}");
                assert_eq!(
                    everything_is_found(tx).await?.len(),
                    4,
                    "two names and two values"
                );
            }
            Ok::<_, StoreError>(())
        });
        seen.await.unwrap();
        store.settle().await.unwrap();
        let now = store
            .read(one, async |tx| number_of(tx, "old").await)
            .await
            .unwrap();
        assert_eq!(now, (2..23).collect::<Vec<_>>());
    });
}

/// Readers on other threads, beside commits that bring entries in and leave batches out: whatever the moment, what a
/// snapshot has is found by its values and its name.
#[test]
fn readers_beside_the_writer_miss_nothing() {
    const WRITES: i64 = 1_500;
    let folder = TempFolder::new();
    let store = open_with(&folder.join("guildhall.db"), true, 4).unwrap();
    let fields = Definitions::new(vec![field(1, "Field", FieldType::Text)]);
    let one = runtime().block_on(async {
        let one = tenant(&store, "one").await;
        let new = fields.iter().next().unwrap().clone();
        write(&store, one, async move |tx| tx.insert_field(KIND, &new, 1).await).await;
        one
    });
    let ended = AtomicBool::new(false);
    let looks: usize = std::thread::scope(|scope| {
        let read = || {
            let mut looks = 0;
            while !ended.load(Ordering::Acquire) {
                let found = runtime().block_on(store.read(one, async |tx| everything_is_found(tx).await));
                looks += usize::from(!found.unwrap().is_empty());
            }
            looks
        };
        let readers: Vec<_> = (0..3).map(|_| scope.spawn(read)).collect();
        let random = SeededRandom::new(7);
        runtime().block_on(async {
            for _ in 0..WRITES {
                let number = 1 + random.below(8) as i64;
                let new = vec![(*random.pick(&["a", "b", "c", "d"])).to_owned()];
                let changed = change(store.clone(), one, fields.clone(), (number, 0, new), false).await;
                assert_eq!(changed, Ok(()));
                // And called otherwise, or as it was called before.
                let name = format!("{}{number}", random.pick(&["o", "r"]));
                let renamed = async move |tx: &mut guildhall_storage::WriteTx<'_>| {
                    tx.rename_organization(OrganizationId(number), &name, &name, NOW)
                        .await
                };
                write(&store, one, renamed).await;
            }
        });
        ended.store(true, Ordering::Release);
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert!(looks > 100, "{looks} looks");
}

/// A search of customers asks them themselves while something of its fields waits, and the index alone afterwards.
#[test]
fn customers_are_found_by_values_that_wait() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    let store = open_with(&path, true, 1_000).unwrap();
    runtime().block_on(async {
        let one = tenant(&store, "one").await;
        let fields = Definitions::new(vec![
            field(1, "Region", FieldType::Text),
            field(2, "Note", FieldType::Text),
        ]);
        let count = 600;
        for number in 1..=count {
            let fields = fields.clone();
            write(&store, one, async move |tx| {
                let mut row = crate::sample::customer(number);
                let note = if number % 3 == 0 { "x" } else { "y" };
                row.details = values(&[(1, &["EU"]), (2, &[note])]);
                tx.insert_customer(&row, &fields, NOW).await?;
                if number % 2 == 0 {
                    // No more in the region: the entry is there, and is none.
                    let (old, none) = (row.details, Values::default());
                    tx.put_customer_details(number, &old, &none, &fields, NOW).await?;
                }
                Ok(())
            })
            .await;
        }
        let wanted = BTreeSet::from([(FieldId(1), "eu".to_owned()), (FieldId(2), "x".to_owned())]);
        let expected: Vec<i64> = (1..=count)
            .filter(|number| number % 3 == 0 && number % 2 == 1)
            .collect();
        for is_settled in [false, true] {
            let mut found = Vec::new();
            for page in 0.. {
                let holds = |customer: &guildhall_domain::Customer| {
                    let has =
                        |field, value: &str| customer.details.get(FieldId(field)).contains(&value.to_owned());
                    has(1, "EU") && has(2, "x")
                };
                let some = store
                    .read(one, async |tx| {
                        tx.customers_with(&wanted, holds, page * 7, 7).await
                    })
                    .await
                    .unwrap();
                let is_end = some.len() < 7;
                found.extend(some.into_iter().map(|customer| customer.number));
                if is_end {
                    break;
                }
            }
            assert_eq!(found, expected, "settled: {is_settled}");
            store.settle().await.unwrap();
            assert_eq!(kept(&path).1, 0);
        }
    });
}

/// Where several keys of one entity are found, a list that was cut off is never taken for all there is.
#[test]
fn what_is_gathered_is_all_or_nothing() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    let store = open_with(&path, true, 100_000).unwrap();
    runtime().block_on(async {
        let one = tenant(&store, "one").await;
        let fields = Definitions::new(vec![field(1, "Regions", FieldType::MultiSelect)]);
        let new = fields.iter().next().unwrap().clone();
        write(&store, one, async move |tx| tx.insert_field(KIND, &new, 1).await).await;
        let add = async |numbers: std::ops::RangeInclusive<i64>| {
            for number in numbers {
                let fields = fields.clone();
                write(&store, one, async move |tx| {
                    let mut row = organization(number, &format!("O{number}"));
                    row.details = values(&[(1, &["One", "Two", "Three"])]);
                    tx.insert_organization(&row, &fields, NOW).await
                })
                .await;
            }
        };
        add(1..=6).await;
        store.settle().await.unwrap();
        for pending in [None, Some(7..=7), Some(8..=9)] {
            if let Some(numbers) = pending {
                add(numbers).await;
            }
            for max in 0..40 {
                let span = Span::all();
                let gather = Gather::Values(FieldId(1), &span);
                let (found, all) = store
                    .read(one, async |tx| {
                        let found = tx.list_gather(gather, max).await?;
                        let mut all = said(tx).await?;
                        all.retain(|(field, ..)| *field != NAME);
                        Ok::<_, StoreError>((found, all))
                    })
                    .await
                    .unwrap();
                let numbers: BTreeSet<i64> = all.iter().map(|(_, _, number)| *number).collect();
                let found = found.map(BTreeSet::from_iter);
                assert_eq!(found, (all.len() <= max).then_some(numbers), "at most {max}");
            }
        }
    });
}

/// When nothing is written, what waits is brought in by itself.
#[test]
fn what_waits_is_brought_in_when_nothing_is_written() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    let store = open_with(&path, true, 100_000).unwrap();
    let one = runtime().block_on(async {
        let one = tenant(&store, "one").await;
        let fields = Definitions::new(vec![field(1, "Field", FieldType::Text)]);
        let new = fields.iter().next().unwrap().clone();
        write(&store, one, async move |tx| tx.insert_field(KIND, &new, 1).await).await;
        let what = (1, 0, vec!["a".to_owned()]);
        assert_eq!(change(store.clone(), one, fields, what, false).await, Ok(()));
        one
    });
    let until = Instant::now() + Duration::from_secs(120);
    while kept(&path).1 > 0 {
        assert!(Instant::now() < until, "nothing is brought in");
        std::thread::yield_now();
    }
    let said = runtime().block_on(store.read(one, async |tx| said(tx).await));
    assert_eq!(kept(&path).0, said.unwrap());
}

/// A row that cannot be read is a reason not to start, and says where it is.
#[test]
fn a_row_that_is_no_list_of_changes_is_told() {
    let folder = TempFolder::new();
    let path = folder.join("guildhall.db");
    drop(open_with(&path, true, 5).unwrap());
    let database = rusqlite::Connection::open(&path).unwrap();
    let insert = "INSERT INTO detail_pending (tenant_id, number, changes) VALUES (1, 1, '[{}]')";
    database.execute(insert, []).unwrap();
    drop(database);
    let words = open_with(&path, true, 5).map(drop).unwrap_err().to_string();
    assert!(
        words.contains("guildhall.db: ") && words.contains("detail_pending.changes: missing field"),
        "{words}"
    );
}
