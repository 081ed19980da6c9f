//! Finding customers by their detail values, through the index of values.

use std::collections::BTreeSet;

use guildhall_domain::{Customer, FieldId};

use crate::customers::row;
use crate::error::StoreError;
use crate::tx::ReadTx;

impl ReadTx<'_> {
    /// The customers that hold every one of these search keys (`value_key`) in its field, in the order they
    /// were added; none when nothing is asked for.
    ///
    /// The first leads; of each that it finds, the index rows of all are counted. `field_id` and `value_key`
    /// are there for the index to be entered by, the two together are what is asked for.
    pub async fn customers_with(
        &mut self,
        wanted: &BTreeSet<(FieldId, String)>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Customer>, StoreError> {
        const SQL: &str = "SELECT c.number, c.id, c.email, c.email_key, c.display_name, c.details FROM detail_index d \
             JOIN customer c ON c.tenant_id = d.tenant_id AND c.number = d.entity_number \
             WHERE d.tenant_id = $1 AND d.kind = 'CUSTOMER' AND d.field_id = $2 AND d.value_key = $3 \
             AND ($4 = 1 OR $4 = (SELECT COUNT(*) FROM detail_index a WHERE a.tenant_id = $1 \
                 AND a.kind = 'CUSTOMER' AND a.field_id IN EACH_INT($5) AND a.value_key IN EACH_TEXT($6) \
                 AND a.entity_number = d.entity_number AND a.field_id || ':' || a.value_key IN EACH_TEXT($7))) \
             ORDER BY d.entity_number LIMIT $8 OFFSET $9";
        let Some((field, key)) = wanted.first() else {
            return Ok(Vec::new());
        };
        let json = |texts: serde_json::Result<String>| texts.map_err(|e| StoreError::Failed(e.to_string()));
        let fields: Vec<i64> = wanted.iter().map(|(field, _)| field.0).collect();
        let keys: Vec<&String> = wanted.iter().map(|(_, key)| key).collect();
        let pairs: Vec<String> = wanted
            .iter()
            .map(|(field, key)| format!("{field}:{key}"))
            .collect();
        let (fields, keys) = (
            json(serde_json::to_string(&fields))?,
            json(serde_json::to_string(&keys))?,
        );
        let pairs = json(serde_json::to_string(&pairs))?;
        let count = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
        self.fetch(
            SQL,
            &[
                field.0.into(),
                key.into(),
                count.into(),
                (&fields).into(),
                (&keys).into(),
                (&pairs).into(),
                limit.into(),
                offset.into(),
            ],
            row,
        )
        .await
    }
}
