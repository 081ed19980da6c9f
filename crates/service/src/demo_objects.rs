//! The demo world's connection, and the objects that a connector might have pushed over it: an organization
//! and its parent, and two customer organizations in a category.

use guildhall_domain::connector::{EqualSequence, SetObjects};
use guildhall_domain::{Rejection, Timestamp, json};
use guildhall_storage::{ConnectionRow, Counter, WriteTx};

use crate::Error;
use crate::objects::apply;

/// What the demo's connection is called.
const CONNECTION_NAME: &str = "Demo CRM";

/// What the connector sends, as connectors send it.
const OBJECTS: &str = r#"{
  "objects": [
    {
      "id": "acme-holding", "updateSequenceNumber": 1, "displayName": "Acme Holding",
      "url": "https://crm.example.com/organisations/acme-holding",
      "createdAt": "2026-01-05T09:00:00Z", "lastUpdatedAt": "2026-01-05T09:00:00Z",
      "permissions": [{ "accessControls": [{ "principals": [{ "type": "EVERYONE" }] }] }],
      "atlassian:organisation": {}
    },
    {
      "id": "acme", "updateSequenceNumber": 1, "displayName": "Acme",
      "url": "https://crm.example.com/organisations/acme",
      "createdAt": "2026-01-05T09:00:00Z", "lastUpdatedAt": "2026-02-01T10:30:00Z",
      "permissions": [{ "accessControls": [{ "principals": [{ "type": "EVERYONE" }] }] }],
      "parentKey": { "type": "atlassian:organisation", "value": { "entityId": "acme-holding" } },
      "atlassian:organisation": {}
    },
    {
      "id": "key-accounts", "updateSequenceNumber": 1, "displayName": "Key accounts",
      "url": "https://crm.example.com/categories/key-accounts",
      "createdAt": "2026-01-05T09:00:00Z", "lastUpdatedAt": "2026-01-05T09:00:00Z",
      "permissions": [{ "accessControls": [{ "principals": [{ "type": "EVERYONE" }] }] }],
      "atlassian:customer-org-category": { "key": "key-accounts", "categoryType": "segment" }
    },
    {
      "id": "acme", "updateSequenceNumber": 1, "displayName": "Acme",
      "url": "https://crm.example.com/customers/acme",
      "createdAt": "2026-01-05T09:00:00Z", "lastUpdatedAt": "2026-03-01T08:00:00Z",
      "permissions": [{ "accessControls": [{ "principals": [{ "type": "EVERYONE" }] }] }],
      "containerKey": { "type": "atlassian:customer-org-category", "value": { "entityId": "key-accounts" } },
      "atlassian:customer-org": {
        "websiteUrl": "https://acme.example.com", "industry": "Technology", "country": "USA", "accountType": "Gold",
        "customerOrgLifeTimeValue": { "value": 1250000.5, "currencyCode": "USD" }
      }
    },
    {
      "id": "globex", "updateSequenceNumber": 1, "displayName": "Globex",
      "url": "https://crm.example.com/customers/globex",
      "createdAt": "2026-01-05T09:00:00Z", "lastUpdatedAt": "2026-03-01T08:00:00Z",
      "permissions": [{ "accessControls": [{ "principals": [{ "type": "ATLASSIAN_WORKSPACE" }] }] }],
      "containerKey": { "type": "atlassian:customer-org-category", "value": { "entityId": "key-accounts" } },
      "atlassian:customer-org": { "industry": "Energy", "country": "AUS", "accountType": "Bronze" }
    }
  ],
  "properties": { "source": "demo" }
}"#;

/// Makes the connection and its objects.
pub(crate) async fn connection(tx: &mut WriteTx<'_>, id: String, now: Timestamp) -> Result<(), Error> {
    let wrong = |problem: String| Error::from(Rejection::invalid("demo objects", problem));
    let node = json::parse(OBJECTS.as_bytes()).map_err(|fault| wrong(fault.to_string()))?;
    let request = SetObjects::read(&node).map_err(|fault| wrong(fault.error))?;
    let objects: Result<Vec<_>, _> = request.objects.into_iter().collect();
    let objects = objects.map_err(|rejected| wrong(format!("{:?}", rejected.problems)))?;
    let connection = ConnectionRow {
        number: tx.take_numbers(Counter::Connection, 1).await?,
        id,
        name: CONNECTION_NAME.to_owned(),
        created_at: now,
    };
    tx.insert_connection(&connection).await?;
    apply(tx, connection.number, &objects, EqualSequence::Keep, now).await
}
