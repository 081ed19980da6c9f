//! `guildhall connection`.

use guildhall_service::ConnectionRow;
use serde_json::{Value, json};

use super::{Failure, cell, print, with_service};
use crate::args::Connection;

pub fn run(database: &str, command: &Connection) -> Result<(), Failure> {
    with_service(database, false, async |service| match command {
        Connection::Create { tenant, name } => {
            let tenant = service.tenant(tenant).await?;
            let connection = service.create_connection(tenant.id, name).await?;
            print(&format!("{}\n", connection.id))
        }
        Connection::List { tenant, json } => {
            let tenant = service.tenant(tenant).await?;
            let connections = service.connections(tenant.id).await?;
            match json {
                true => print(&format!(
                    "{}\n",
                    Value::from_iter(connections.iter().map(as_json))
                )),
                false => print(&connections.iter().map(line).collect::<String>()),
            }
        }
        Connection::Delete { tenant, id } => {
            let tenant = service.tenant(tenant).await?;
            Ok(service.delete_connection(tenant.id, id).await?)
        }
    })
}

fn line(connection: &ConnectionRow) -> String {
    let created = connection.created_at.to_rfc3339();
    format!("{}\t{}\t{created}\n", connection.id, cell(&connection.name))
}

fn as_json(connection: &ConnectionRow) -> Value {
    json!({
        "id": connection.id,
        "name": connection.name,
        "createdAt": connection.created_at.to_rfc3339(),
    })
}
