//! PostgreSQL without the server: databases made and dropped, and the bare client that does the changes of a server
//! as sets, one statement a batch.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rusqlite::types::Value;
use tokio::task::JoinSet;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, NoTls, Statement};

use crate::rows::{Action, Change, Changes, Table};
use crate::{Outcome, problem};

/// Organizations in a statement of the bare client, which is a transaction: as many as a chunk of the server's has at most.
const CHUNK: usize = 100;

/// The URL of another database of the same server.
pub fn other_database(url: &str, name: &str) -> Outcome<String> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| problem(format!("{url}: no URL")))?;
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let host = rest.split_once('/').map_or(rest, |(host, _)| host);
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    Ok(format!("{scheme}://{host}/{name}{query}"))
}

/// Runs statements.
pub fn execute(url: &str, sql: &str) -> Outcome<()> {
    wait(async {
        connect(url).await?.batch_execute(sql).await?;
        Ok(())
    })
}

/// The first column of a query.
pub fn column<T: FromSqlOwned>(url: &str, sql: &str) -> Outcome<Vec<T>> {
    wait(async {
        let rows = connect(url).await?.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    })
}

/// How long a statement takes that does nothing.
pub fn round_trip(url: &str) -> Outcome<Duration> {
    const TRIPS: u32 = 2_000;
    wait(async {
        let client = connect(url).await?;
        let statement = client.prepare("SELECT").await?;
        let start = Instant::now();
        for _ in 0..TRIPS {
            client.execute(&statement, &[]).await?;
        }
        Ok(start.elapsed() / TRIPS)
    })
}

/// Does the changes on one connection, a transaction and a statement for as many organizations as a chunk has;
/// returns organizations a second.
pub fn apply(url: &str, changes: &Changes) -> Outcome<f64> {
    wait(async {
        let mut client = Prepared::open(url).await?;
        let batches: Vec<Batch> = changes
            .items
            .chunks(CHUNK)
            .map(|items| Batch::new(changes, items))
            .collect();
        let start = Instant::now();
        for batch in &batches {
            batch.run(&mut client).await?;
        }
        Ok(changes.items.len() as f64 / start.elapsed().as_secs_f64())
    })
}

/// Does them one organization a statement, on so many connections, for as long; returns organizations a second.
pub fn apply_singly(url: &str, changes: &Changes, connections: usize, lasts: Duration) -> Outcome<f64> {
    wait(async {
        let batches = changes
            .items
            .iter()
            .map(|item| Batch::new(changes, std::slice::from_ref(item)));
        let batches: Arc<Vec<Batch>> = Arc::new(batches.collect());
        let turn = Arc::new(AtomicUsize::new(0));
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(Prepared::open(url).await?);
        }
        let (start, mut running) = (Instant::now(), JoinSet::new());
        for mut client in clients {
            let (batches, turn) = (Arc::clone(&batches), Arc::clone(&turn));
            running.spawn(async move {
                let mut done = 0_u32;
                while start.elapsed() < lasts
                    && let Some(batch) = batches.get(turn.fetch_add(1, Ordering::Relaxed))
                {
                    batch.run(&mut client).await?;
                    done += 1;
                }
                Outcome::Ok(done)
            });
        }
        let mut done = 0;
        while let Some(ended) = running.join_next().await {
            done += ended??;
        }
        Ok(f64::from(done) / start.elapsed().as_secs_f64())
    })
}

fn wait<T>(future: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    // As many threads as the server has: it is a ceiling.
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(future)
}

/// A connection, and the statements that it knows.
struct Prepared {
    client: Client,
    statements: HashMap<String, Statement>,
}

impl Prepared {
    async fn open(url: &str) -> Outcome<Self> {
        Ok(Self {
            client: connect(url).await?,
            statements: HashMap::new(),
        })
    }
}

async fn connect(url: &str) -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// The changes of some organizations as one statement: a set of rows for each table and action.
struct Batch {
    sql: String,
    columns: Vec<Column>,
}

enum Column {
    Numbers(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
}

impl Batch {
    fn new(changes: &Changes, items: &[Vec<Change>]) -> Self {
        let (mut parts, mut columns) = (Vec::new(), Vec::new());
        // Where SQLite has a table of names, PostgreSQL has an index of the rows.
        let tables = changes.tables.iter().enumerate();
        for (index, table) in tables.filter(|(_, table)| table.name != "name_index") {
            for action in [Action::Delete, Action::Update, Action::Insert] {
                let of = |change: &&Change| change.table == index && change.action == action;
                let rows: Vec<&Change> = items.iter().flatten().filter(of).collect();
                if rows.is_empty() {
                    continue;
                }
                let first = columns.len() + 1;
                columns.extend((0..table.columns.len()).map(|at| Column::of(table, &rows, at)));
                parts.push(format!(
                    "part{} AS ({})",
                    parts.len(),
                    statement(table, action, first)
                ));
            }
        }
        Self {
            sql: format!("WITH {} SELECT", parts.join(", ")),
            columns,
        }
    }

    async fn run(&self, connection: &mut Prepared) -> Outcome<()> {
        let values: Vec<&(dyn ToSql + Sync)> = self
            .columns
            .iter()
            .map(|column| -> &(dyn ToSql + Sync) {
                match column {
                    Column::Numbers(numbers) => numbers,
                    Column::Texts(texts) => texts,
                }
            })
            .collect();
        if !connection.statements.contains_key(&self.sql) {
            let statement = connection.client.prepare(&self.sql).await?;
            connection.statements.insert(self.sql.clone(), statement);
        }
        connection
            .client
            .execute(&connection.statements[&self.sql], &values)
            .await?;
        Ok(())
    }
}

impl Column {
    fn of(table: &Table, rows: &[&Change], at: usize) -> Self {
        let values = rows.iter().map(|change| &change.row[at]);
        match table.columns[at].1 {
            true => Self::Texts(
                values
                    .map(|value| match value {
                        Value::Text(text) => Some(text.clone()),
                        _ => None,
                    })
                    .collect(),
            ),
            false => Self::Numbers(
                values
                    .map(|value| match value {
                        Value::Integer(number) => Some(*number),
                        _ => None,
                    })
                    .collect(),
            ),
        }
    }
}

/// A statement over sets, whose parameters begin with this number.
fn statement(table: &Table, action: Action, first: usize) -> String {
    let Table {
        name, columns, key, ..
    } = table;
    let names: Vec<&str> = columns.iter().map(|(column, _)| column.as_str()).collect();
    let arrays = columns.iter().enumerate().map(|(at, (_, is_text))| {
        let array = if *is_text { "text[]" } else { "bigint[]" };
        format!("${}::{array}", first + at)
    });
    let arrays = arrays.collect::<Vec<_>>().join(", ");
    let set = format!("UNNEST({arrays}) AS new ({})", names.join(", "));
    let same: Vec<String> = key
        .iter()
        .map(|at| format!("old.{0} = new.{0}", names[*at]))
        .collect();
    let same = same.join(" AND ");
    match action {
        Action::Insert => format!("INSERT INTO {name} ({0}) SELECT {0} FROM {set}", names.join(", ")),
        Action::Delete => format!("DELETE FROM {name} old USING {set} WHERE {same}"),
        Action::Update => {
            let rest = (0..names.len()).filter(|at| !key.contains(at));
            let rest: Vec<String> = rest.map(|at| format!("{0} = new.{0}", names[at])).collect();
            format!(
                "UPDATE {name} old SET {} FROM {set} WHERE {same}",
                rest.join(", ")
            )
        }
    }
}
