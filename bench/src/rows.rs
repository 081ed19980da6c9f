//! What a work left in the database, row by row, whatever tables there are: the difference between two states of an
//! SQLite file, or, where it is too large for that, what new organizations have. The bare engines are then made to do
//! exactly these changes, so they write the same rows and the same index entries as the server did, also when tables
//! are added.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;

use crate::Outcome;

/// Tables that are the server's own accounts and no data of an organization.
const NOT_DATA: [&str; 11] = [
    "task",
    "task_open",
    "task_item",
    "token",
    "counter",
    "probe",
    "sweep",
    "copying",
    "tenant",
    "migration",
    "detail_pending",
];
/// Columns that say to which organization, or object of a connector, a row belongs; the first that a table has
/// counts.
const OWNERS: [&str; 5] = ["id_key", "organization_id", "entity_number", "id", "number"];

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// Its columns, and whether each holds text.
    pub columns: Vec<(String, bool)>,
    /// The places of its primary key in the columns.
    pub key: Vec<usize>,
    owner: Option<usize>,
}

/// What happens to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It goes; only its key counts.
    Delete,
    /// It changes.
    Update,
    /// It is new.
    Insert,
}

/// A change of a row: the table by its place, and all columns.
#[derive(Clone, Debug)]
pub struct Change {
    /// The place of the table in [`Changes::tables`].
    pub table: usize,
    /// What happens.
    pub action: Action,
    /// The row.
    pub row: Vec<Value>,
}

/// Changes, organization by organization.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The tables.
    pub tables: Vec<Table>,
    /// The changes of each organization.
    pub items: Vec<Vec<Change>>,
}

impl Changes {
    /// All rows of a tenant's organizations with numbers greater than this one, as if they were new: for databases that are too large
    /// to be compared. Rows that belong to none are left out.
    pub fn of_new(path: &Path, tenant: i64, after: i64) -> Outcome<Self> {
        let connection = Connection::open(path)?;
        let tables = tables(&connection)?;
        let mut items: BTreeMap<i64, Vec<Change>> = BTreeMap::new();
        for (index, table) in tables.iter().enumerate() {
            let Some(owner) = table.owner else { continue };
            let column = table.columns[owner].0.as_str();
            let is_organizations = match column {
                "organization_id" | "entity_number" => true,
                _ => (table.name.as_str(), column) == ("organization", "id"),
            };
            if !is_organizations {
                continue;
            }
            let sql = format!(
                "SELECT * FROM {} WHERE tenant_id = ?1 AND {column} > ?2",
                table.name
            );
            let mut statement = connection.prepare(&sql)?;
            let mut cursor = statement.query([tenant, after])?;
            while let Some(row) = cursor.next()? {
                let change = Change {
                    table: index,
                    action: Action::Insert,
                    row: (0..table.columns.len())
                        .map(|at| row.get(at))
                        .collect::<Result<_, _>>()?,
                };
                items.entry(row.get(owner)?).or_default().push(change);
            }
        }
        Ok(Self {
            tables,
            items: items.into_values().collect(),
        })
    }
}

/// The rows of a database.
pub struct Snapshot {
    tables: Vec<Table>,
    rows: Vec<BTreeMap<String, Vec<Value>>>,
}

impl Snapshot {
    /// Reads all data of a file.
    pub fn read(path: &Path) -> Outcome<Self> {
        let connection = Connection::open(path)?;
        let tables = tables(&connection)?;
        let mut rows = Vec::new();
        for table in &tables {
            let mut statement = connection.prepare(&format!("SELECT * FROM {}", table.name))?;
            let count = table.columns.len();
            let mut found = BTreeMap::new();
            let mut cursor = statement.query([])?;
            while let Some(row) = cursor.next()? {
                let row = (0..count)
                    .map(|at| row.get(at))
                    .collect::<Result<Vec<Value>, _>>()?;
                let key: Vec<&Value> = table.key.iter().map(|at| &row[*at]).collect();
                found.insert(format!("{key:?}"), row);
            }
            rows.push(found);
        }
        Ok(Self { tables, rows })
    }

    /// What must happen to `self` so that it becomes `after`, which has the same tables.
    pub fn until(mut self, after: Self) -> Changes {
        let mut items: BTreeMap<(i64, String), Vec<Change>> = BTreeMap::new();
        let mut add = |table: usize, owner: Option<usize>, action: Action, row: Vec<Value>| {
            let item = match owner.and_then(|owner| row.get(owner)) {
                Some(Value::Integer(number)) => (*number, String::new()),
                Some(Value::Text(key)) => (0, key.clone()),
                _ => (0, String::new()),
            };
            items.entry(item).or_default().push(Change { table, action, row });
        };
        for (index, (table, new)) in after.tables.iter().zip(after.rows).enumerate() {
            let mut old = std::mem::take(&mut self.rows[index]);
            for (key, row) in new {
                match old.remove(&key) {
                    None => add(index, table.owner, Action::Insert, row),
                    Some(before) if before != row => add(index, table.owner, Action::Update, row),
                    Some(_) => {}
                }
            }
            for row in old.into_values() {
                add(index, table.owner, Action::Delete, row);
            }
        }
        let mut items: Vec<Vec<Change>> = items.into_values().collect();
        for item in &mut items {
            item.sort_by_key(|change| (change.table, change.action));
        }
        Changes {
            tables: after.tables,
            items,
        }
    }
}

fn tables(connection: &Connection) -> Outcome<Vec<Table>> {
    const ALL: &str =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut statement = connection.prepare(ALL)?;
    let names = statement.query_map([], |row| row.get(0))?;
    let mut tables = Vec::new();
    for name in names.collect::<Result<Vec<String>, _>>()? {
        if NOT_DATA.contains(&name.as_str()) {
            continue;
        }
        let (mut columns, mut key) = (Vec::new(), Vec::new());
        let mut info =
            connection.prepare(&format!("SELECT name, type, pk FROM pragma_table_info('{name}')"))?;
        let mut rows = info.query([])?;
        while let Some(row) = rows.next()? {
            if row.get::<_, i64>(2)? > 0 {
                key.push(columns.len());
            }
            columns.push((row.get(0)?, row.get::<_, String>(1)? == "TEXT"));
        }
        let owner = |name: &&'static str| {
            columns.iter().position(|(column, is_text): &(String, bool)| {
                column == name && (!is_text || column == "id_key")
            })
        };
        let owner = OWNERS.iter().find_map(owner);
        if !key.is_empty() {
            tables.push(Table {
                name,
                columns,
                key,
                owner,
            });
        }
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use guildhall_testkit::TempFolder;

    use super::*;

    #[test]
    fn changes_are_grouped_by_organization_and_nothing_else_is_among_them() {
        let folder = TempFolder::new();
        let path = folder.join("a.db");
        let connection = Connection::open(&path).unwrap();
        let batch = "CREATE TABLE organization (tenant_id BIGINT, id BIGINT, name TEXT, PRIMARY KEY (tenant_id, id));
             CREATE TABLE task (id TEXT PRIMARY KEY);
             CREATE TABLE membership (organization_id BIGINT, position BIGINT, PRIMARY KEY (organization_id, position));
             INSERT INTO organization VALUES (1, 1, 'a'), (1, 2, 'b'), (1, 3, 'c');";
        connection.execute_batch(batch).unwrap();
        let before = Snapshot::read(&path).unwrap();
        let batch = "DELETE FROM organization WHERE id = 1;
             UPDATE organization SET name = 'B' WHERE id = 2; INSERT INTO membership VALUES (2, 7);
             INSERT INTO task VALUES ('t');";
        connection.execute_batch(batch).unwrap();
        let changes = before.until(Snapshot::read(&path).unwrap());
        let said: Vec<Vec<(&str, Action)>> = changes
            .items
            .iter()
            .map(|item| {
                item.iter()
                    .map(|c| (changes.tables[c.table].name.as_str(), c.action))
                    .collect()
            })
            .collect();
        let expected = [
            vec![("organization", Action::Delete)],
            vec![("membership", Action::Insert), ("organization", Action::Update)],
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_belongs_to_new_organizations_is_new() {
        let folder = TempFolder::new();
        let path = folder.join("a.db");
        let connection = Connection::open(&path).unwrap();
        let batch = "CREATE TABLE organization (tenant_id BIGINT, id BIGINT, PRIMARY KEY (tenant_id, id));
             CREATE TABLE connection (tenant_id BIGINT, id BIGINT, PRIMARY KEY (tenant_id, id));
             CREATE TABLE membership (tenant_id BIGINT, organization_id BIGINT, position BIGINT,
                 PRIMARY KEY (tenant_id, organization_id, position));
             INSERT INTO organization VALUES (1, 1), (1, 2), (1, 3), (2, 3); INSERT INTO connection VALUES (1, 9);
             INSERT INTO membership VALUES (1, 1, 5), (1, 3, 7), (1, 3, 8), (2, 3, 7);";
        connection.execute_batch(batch).unwrap();
        let changes = Changes::of_new(&path, 1, 1).unwrap();
        let tables = |item: &Vec<Change>| -> Vec<&str> {
            let names = item.iter().map(|c| changes.tables[c.table].name.as_str());
            names.collect()
        };
        let said: Vec<Vec<&str>> = changes.items.iter().map(tables).collect();
        assert_eq!(
            said,
            [
                vec!["organization"],
                vec!["membership", "membership", "organization"]
            ]
        );
    }
}
