//! `guildhall tenant`.

use serde_json::json;

use super::{Failure, cell, print, with_service};
use crate::args::Tenant;

pub fn run(database: &str, command: &Tenant) -> Result<(), Failure> {
    let create = matches!(command, Tenant::Create { .. });
    with_service(database, create, async |service| match command {
        Tenant::Create { name, cloud_id } => {
            let tenant = service.create_tenant(name, cloud_id.as_deref()).await?;
            print(&format!("{}\n", tenant.cloud_id))
        }
        Tenant::List { json: true } => {
            let tenants = service.tenants().await?;
            let list: Vec<_> = tenants
                .iter()
                .map(|t| json!({ "cloudId": t.cloud_id, "name": t.name }))
                .collect();
            print(&format!("{}\n", json!(list)))
        }
        Tenant::List { json: false } => {
            let tenants = service.tenants().await?;
            print(
                &tenants
                    .iter()
                    .map(|t| format!("{}\t{}\n", t.cloud_id, cell(&t.name)))
                    .collect::<String>(),
            )
        }
    })
}
