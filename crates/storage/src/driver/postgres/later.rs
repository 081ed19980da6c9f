//! Writes that nobody waits for yet, and how statements are sent without waiting for each other.
//!
//! A statement over `EACH_ROW` that comes again before it was sent, and before one wrote the same table that it may not
//! pass, is one statement with a row more: so a unit of work writes its rows set by set, however the code
//! above it is written.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use deadpool_postgres::Client;
use tokio_postgres::Statement;
use tokio_postgres::types::{ToSql, Type};

use super::connection::without_zero;
use crate::driver::Param;
use crate::error::StoreError;

/// Rows that wait at most: then they are sent, so that memory is bounded.
const ROWS_MAX: usize = 2_000;

pub(super) enum Answer {
    Rows(Vec<tokio_postgres::Row>),
    Count(u64),
}

type Answered = Result<Answer, tokio_postgres::Error>;
pub(super) type Sent<'a> = Pin<Box<dyn Future<Output = Answered> + Send + 'a>>;

/// A parameter that is kept until it is sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Int(Option<i64>),
    Text(Option<String>),
}

impl From<&Param<'_>> for Value {
    fn from(param: &Param<'_>) -> Self {
        match *param {
            Param::Int(number) => Self::Int(Some(number)),
            Param::OptInt(number) => Self::Int(number),
            Param::Text(text) => Self::Text(Some(without_zero(text).into_owned())),
            Param::OptText(text) => Self::Text(text.map(|text| without_zero(text).into_owned())),
        }
    }
}

/// A statement with its parameters, or with those of several rows.
#[derive(Debug)]
pub(super) struct Write {
    sql: &'static str,
    table: &'static str,
    of_rows: bool,
    rows: Vec<Vec<Value>>,
    one: bool,
}

impl Write {
    pub(super) fn sql(&self) -> &'static str {
        self.sql
    }

    /// The value of a parameter, counted from 0, where that is one integer for all rows.
    pub(super) fn known(&self, place: usize) -> Option<i64> {
        let [row] = self.rows.as_slice() else { return None };
        row.get(place).and_then(Value::int)
    }

    /// Whether this statement can do the row too. One that is updated twice is so in two statements.
    fn takes(&self, sql: &'static str, row: &[Value]) -> bool {
        let is_updated =
            || sql.starts_with("UPDATE ") && self.rows.iter().any(|each| each.get(1) == row.get(1));
        let of_same_tenant = || self.rows.first().and_then(|first| first.first()) == row.first();
        is_same(self.sql, sql) && self.of_rows && of_same_tenant() && !is_updated()
    }

    /// Whether it comes to the same if this row of the same table is written before: both remove or add rows by
    /// the same columns, the keys, and this is none of them; or both add rows of things, which come first, and this is of another thing.
    fn commutes(&self, sql: &str, row: &[Value]) -> bool {
        let is_of_another = || self.rows.iter().all(|each| each.get(1) != row.get(1));
        if self.sql != sql
            && adds_to(self.sql).is_some_and(|thing| adds_to(sql) == Some(thing))
            && is_of_another()
        {
            return true;
        }
        // From the end, where rows differ most.
        let is_there = || {
            self.rows
                .iter()
                .any(|each| each.iter().rev().eq(row.iter().rev()))
        };
        let columns = columns(sql);
        columns.is_some()
            && columns == self::columns(self.sql)
            && !sql.starts_with("UPDATE ")
            && !self.sql.starts_with("UPDATE ")
            && !is_there()
    }

    /// Entries of the index of values, of which a set of entities has some at each of many places, come in the order of the index: those
    /// of a place after one another. Sets have no order.
    fn sort_entries(&mut self) {
        if self.of_rows && self.table == "detail_index" {
            self.rows.sort_unstable();
        }
    }

    /// The first parameter is the tenant; over `EACH_ROW` the others are the columns of the rows.
    pub(super) fn types(&self) -> Vec<Type> {
        let of_rows = self.of_rows;
        let first = self.rows.first().into_iter().flatten().enumerate();
        first
            .map(|(place, value)| match (value, of_rows && place > 0) {
                (Value::Int(_), false) => Type::INT8,
                (Value::Text(_), false) => Type::TEXT,
                (Value::Int(_), true) => Type::INT8_ARRAY,
                (Value::Text(_), true) => Type::TEXT_ARRAY,
            })
            .collect()
    }

    fn params(&self) -> Vec<Box<dyn ToSql + Sync + Send + '_>> {
        let of_rows = self.of_rows;
        let first = self.rows.first().into_iter().flatten().enumerate();
        first
            .map(|(place, value)| -> Box<dyn ToSql + Sync + Send + '_> {
                let column = || self.rows.iter().map(move |row| &row[place]);
                match (value, of_rows && place > 0) {
                    (Value::Int(number), false) => Box::new(number),
                    (Value::Text(text), false) => Box::new(text),
                    (Value::Int(_), true) => Box::new(column().map(Value::int).collect::<Vec<_>>()),
                    (Value::Text(_), true) => Box::new(column().map(Value::text).collect::<Vec<_>>()),
                }
            })
            .collect()
    }

    pub(super) async fn send(&self, client: &Client, statement: &Statement) -> Answered {
        let params = self.params();
        let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| &**param as _).collect();
        client.execute(statement, &params).await.map(Answer::Count)
    }

    /// Whether it changed what it must.
    pub(super) fn check(&self, count: u64) -> Result<(), StoreError> {
        let wanted = self.rows.len() as u64;
        match self.one && count != wanted {
            false => Ok(()),
            true => Err(StoreError::inconsistent(format!(
                "{count} rows changed instead of {wanted} by: {}",
                self.sql
            ))),
        }
    }
}

impl Value {
    fn int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => *number,
            Self::Text(_) => None,
        }
    }

    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_deref(),
            Self::Int(_) => None,
        }
    }
}

/// Writes in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Later {
    writes: Vec<Write>,
    rows: usize,
}

impl Later {
    pub(super) fn add(&mut self, sql: &'static str, params: &[Param<'_>], one: bool) {
        let row: Vec<Value> = params.iter().map(Value::from).collect();
        let table = table(sql);
        self.rows += 1;
        let mut earlier = self.writes.iter_mut().rev();
        // What takes it is looked for first: it is one comparison, and whether rows pass each other one with each of them.
        let is_passed = |write: &Write| write.table != table || write.commutes(sql, &row);
        let place = earlier.find(|write| write.takes(sql, &row) || !is_passed(write));
        match place {
            Some(write) if write.takes(sql, &row) => write.rows.push(row),
            _ => self.writes.push(Write {
                sql,
                table,
                of_rows: sql.contains("EACH_ROW("),
                rows: vec![row],
                one,
            }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= ROWS_MAX
    }

    /// Whether what they changed must be counted before it may be committed. What is inserted is there, or
    /// the statement fails.
    pub(super) fn must_be_checked(&self) -> bool {
        self.writes
            .iter()
            .any(|write| write.one && !write.sql.starts_with("INSERT"))
    }

    pub(super) fn take(&mut self) -> Vec<Write> {
        self.rows = 0;
        let mut writes = std::mem::take(&mut self.writes);
        for write in &mut writes {
            write.sort_entries();
        }
        writes
    }
}

/// Whether it is the same statement, which mostly is the same text in the same place.
fn is_same(sql: &'static str, other: &'static str) -> bool {
    std::ptr::eq(sql, other) || sql == other
}

/// The columns of the rows that a statement writes, where it writes such.
fn columns(sql: &str) -> Option<&str> {
    let (_, list) = sql.split_once("EACH_ROW(")?;
    list.split_once(')').map(|(columns, _)| columns)
}

/// The first column of the rows that a statement adds, where it does so.
fn adds_to(sql: &str) -> Option<&str> {
    let columns = columns(sql).filter(|_| sql.starts_with("INSERT "))?;
    columns.split(' ').next()
}

/// The table that a statement writes.
fn table(sql: &'static str) -> &'static str {
    let mut words = sql.split(' ');
    match words.next() {
        Some("UPDATE") => words.next().unwrap_or_default(),
        // INSERT INTO, DELETE FROM
        _ => words.nth(1).unwrap_or_default(),
    }
}

/// Puts all on their way in their order, and returns their answers in the same.
pub(super) async fn in_order(mut sent: Vec<Sent<'_>>) -> Vec<Answered> {
    let mut answers: Vec<Option<Answered>> = sent.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut all = true;
        for (sent, answer) in sent.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match sent.as_mut().poll(context) {
                    Poll::Ready(ready) => *answer = Some(ready),
                    Poll::Pending => all = false,
                }
            }
        }
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: &str = "INSERT INTO a (tenant_id, x) SELECT $1, r.x FROM EACH_ROW(x $2)";
    const OTHER: &str = "INSERT INTO b (tenant_id, x) SELECT $1, r.x FROM EACH_ROW(x $2)";

    fn shape(later: &mut Later) -> Vec<(&'static str, usize)> {
        let writes = later.take();
        writes.iter().map(|write| (write.sql, write.rows.len())).collect()
    }

    #[test]
    fn rows_of_a_table_are_one_statement() {
        let mut later = Later::default();
        for x in [1, 2] {
            later.add(ROWS, &[Param::Int(7), Param::Int(x)], true);
            later.add(OTHER, &[Param::Int(7), Param::Int(x)], true);
        }
        assert_eq!(shape(&mut later), [(ROWS, 2), (OTHER, 2)]);
        assert!(later.is_empty());
    }

    #[test]
    fn another_tenants_rows_and_what_writes_the_table_between_keep_their_order() {
        const UPDATE: &str = "UPDATE a SET x = $2 WHERE tenant_id = $1";
        let mut later = Later::default();
        later.add(ROWS, &[Param::Int(7), Param::Int(1)], true);
        later.add(ROWS, &[Param::Int(8), Param::Int(1)], true);
        later.add(UPDATE, &[Param::Int(8), Param::Int(2)], true);
        later.add(UPDATE, &[Param::Int(8), Param::Int(3)], true);
        later.add(ROWS, &[Param::Int(8), Param::Int(4)], true);
        assert_eq!(
            shape(&mut later),
            [(ROWS, 1), (ROWS, 1), (UPDATE, 1), (UPDATE, 1), (ROWS, 1)]
        );
    }

    #[test]
    fn what_may_change_nothing_is_checked_before_the_commit() {
        let mut later = Later::default();
        later.add(ROWS, &[Param::Int(7), Param::Int(1)], true);
        assert!(!later.must_be_checked());
        later.add("DELETE FROM a WHERE tenant_id = $1", &[Param::Int(7)], false);
        assert!(!later.must_be_checked());
        later.add("DELETE FROM a WHERE tenant_id = $1", &[Param::Int(7)], true);
        assert!(later.must_be_checked());
    }

    const ADD: &str = "INSERT INTO c (tenant_id, x, y) SELECT $1, r.x, r.y FROM EACH_ROW(x $2, y $3)";
    const REMOVE: &str =
        "DELETE FROM c USING EACH_ROW(x $2, y $3) WHERE c.tenant_id = $1 AND c.x = r.x AND c.y = r.y";
    const CHANGE: &str =
        "UPDATE c SET y = r.y FROM EACH_ROW(x $2, y $3) WHERE c.tenant_id = $1 AND c.x = r.x";

    fn row(x: i64, y: i64) -> [Param<'static>; 3] {
        [Param::Int(7), Param::Int(x), Param::Int(y)]
    }

    #[test]
    fn rows_that_are_removed_and_added_are_two_statements() {
        let mut later = Later::default();
        for x in 1..=3 {
            later.add(REMOVE, &row(x, 1), false);
            later.add(ADD, &row(x, 2), false);
        }
        assert_eq!(shape(&mut later), [(REMOVE, 3), (ADD, 3)]);
    }

    #[test]
    fn a_row_that_is_removed_after_it_was_added_stays_removed() {
        let mut later = Later::default();
        later.add(REMOVE, &row(1, 1), false);
        later.add(ADD, &row(1, 2), false);
        // The same thing once more: from 2 to 3, and back.
        later.add(REMOVE, &row(1, 2), false);
        later.add(ADD, &row(1, 3), false);
        later.add(REMOVE, &row(1, 3), false);
        later.add(ADD, &row(1, 2), false);
        assert_eq!(
            shape(&mut later),
            [(REMOVE, 1), (ADD, 2), (REMOVE, 2), (ADD, 1)],
            "2 is added before it is removed, 3 too, and 2 is added in the end"
        );
    }

    #[test]
    fn rows_that_are_new_and_rows_that_may_be_there_are_two_statements() {
        const KEEP: &str = "INSERT INTO c (tenant_id, x, y) SELECT $1, r.x, r.y FROM EACH_ROW(x $2, y $3) ON CONFLICT DO NOTHING";
        let mut later = Later::default();
        for x in [1, 3, 5] {
            later.add(ADD, &row(x, 1), true);
            later.add(KEEP, &row(x + 1, 1), false);
        }
        assert_eq!(shape(&mut later), [(ADD, 3), (KEEP, 3)]);
        // The same row keeps its place.
        later.add(KEEP, &row(1, 1), false);
        later.add(ADD, &row(2, 1), true);
        later.add(KEEP, &row(2, 1), false);
        assert_eq!(shape(&mut later), [(KEEP, 1), (ADD, 1), (KEEP, 1)]);
    }

    #[test]
    fn entries_come_in_the_order_of_their_index() {
        const ENTRY: &str = "INSERT INTO detail_index (tenant_id, field_id, value_key) SELECT $1, r.f, r.v FROM EACH_ROW(f $2, v $3)";
        let mut later = Later::default();
        for (field, value) in [(2, "a"), (10, "b"), (2, "B"), (10, "a")] {
            later.add(
                ENTRY,
                &[Param::Int(7), Param::Int(field), Param::Text(value)],
                true,
            );
            later.add(ADD, &row(-field, 1), true);
        }
        let writes = later.take();
        let first = |write: &Write| -> Vec<_> { write.rows.iter().map(|row| row[1..].to_vec()).collect() };
        let entry = |field, value: &str| vec![Value::Int(Some(field)), Value::Text(Some(value.to_owned()))];
        assert_eq!(
            first(&writes[0]),
            [entry(2, "B"), entry(2, "a"), entry(10, "a"), entry(10, "b")]
        );
        let numbers: Vec<_> = writes[1].rows.iter().map(|row| row[1].int()).collect();
        assert_eq!(numbers, [-2, -10, -2, -10].map(Some), "others as they came");
    }

    /// As links of what is new and links of what is there already.
    #[test]
    fn rows_of_different_things_pass_each_other_and_those_of_one_do_not() {
        const AT: &str =
            "INSERT INTO c (tenant_id, x, y, z) SELECT $1, r.x, r.y, r.z FROM EACH_ROW(x $2, y $3, z $4)";
        let at = |x, y, z| [Param::Int(7), Param::Int(x), Param::Int(y), Param::Int(z)];
        let mut later = Later::default();
        for x in [1, 3, 5] {
            later.add(AT, &at(x, 1, 1), true);
            later.add(AT, &at(x, 2, 2), true);
            later.add(ADD, &row(x + 1, 1), true);
        }
        assert_eq!(shape(&mut later), [(AT, 6), (ADD, 3)]);
        later.add(ADD, &row(2, 1), true);
        later.add(AT, &at(1, 1, 1), true);
        // Of the same thing: it may not join the first statement, which comes before the second one.
        later.add(ADD, &row(1, 2), true);
        assert_eq!(shape(&mut later), [(ADD, 1), (AT, 1), (ADD, 1)]);
    }

    #[test]
    fn a_row_that_is_updated_twice_is_so_in_turn() {
        let mut later = Later::default();
        later.add(CHANGE, &row(1, 1), true);
        later.add(CHANGE, &row(2, 1), true);
        later.add(CHANGE, &row(1, 2), true);
        later.add(CHANGE, &row(2, 2), true);
        // What a row becomes and what is added or removed do not pass each other.
        later.add(ADD, &row(3, 1), true);
        later.add(CHANGE, &row(3, 2), true);
        assert_eq!(
            shape(&mut later),
            [(CHANGE, 2), (CHANGE, 2), (ADD, 1), (CHANGE, 1)]
        );
    }
}
