//! Finding customers by their detail values, through the index of values.

use std::collections::BTreeSet;

use guildhall_domain::{Customer, FieldId};

use crate::customers::row;
use crate::error::StoreError;
use crate::lists::Walk;
use crate::tx::ReadTx;

/// Candidates that are read at once at most.
const BLOCK_MAX: i64 = 250;

impl ReadTx<'_> {
    /// The customers that hold every one of these search keys (`value_key`) in its field, in the order they
    /// were added; none when nothing is asked for.
    ///
    /// The first leads; of each that it finds, the index rows of all are counted. `field_id` and `value_key`
    /// are there for the index to be entered by, the two together are what is asked for.
    ///
    /// Where one of these entries is pending, the index alone does not know: then the customers are asked
    /// themselves, by `holds`, which says of one whether it holds them all.
    pub async fn customers_with(
        &mut self,
        wanted: &BTreeSet<(FieldId, String)>,
        holds: impl Fn(&Customer) -> bool,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Customer>, StoreError> {
        const SQL: &str = "SELECT c.number, c.id, c.email, c.email_key, c.display_name, c.details FROM detail_index d \
             JOIN customer c ON c.tenant_id = d.tenant_id AND c.number = d.entity_number \
             WHERE d.tenant_id = $1 AND d.field_id = $2 AND d.value_key = $3 \
             AND ($4 = 1 OR $4 = (SELECT COUNT(*) FROM detail_index a WHERE a.tenant_id = $1 \
                 AND a.field_id IN EACH_INT($5) AND a.value_key IN EACH_TEXT($6) \
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
        // What is pending before is so behind; what becomes so meanwhile is asked for behind.
        if !self.is_pending(wanted) {
            let found = self
                .fetch(
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
                .await?;
            if !self.is_pending(wanted) {
                return Ok(found);
            }
        }
        self.customers_that((*field, key), holds, offset, limit).await
    }

    /// Whether an entry that is asked for is pending of whatever customer.
    fn is_pending(&mut self, wanted: &BTreeSet<(FieldId, String)>) -> bool {
        let tenant = self.tenant();
        wanted.iter().any(|(field, key)| {
            let place = (tenant, *field);
            let pending = self.pending(
                place,
                |hold| hold.with_key(place, key, (i64::MIN, false), 1),
                |entry| (*entry.key == **key).then_some(entry.number),
            );
            !pending.is_empty()
        })
    }

    /// Those with a key, in the index or pending, that hold what is asked for.
    async fn customers_that(
        &mut self,
        (field, key): (FieldId, &str),
        holds: impl Fn(&Customer) -> bool,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<Customer>, StoreError> {
        let walk = Walk::Key(field, key);
        let (mut found, mut to_skip, mut last) = (Vec::new(), offset, None);
        // As many as fill the page where all pass, and more each time where they do not.
        let mut block = offset.saturating_add(limit).clamp(1, BLOCK_MAX);
        while (found.len() as i64) < limit {
            let positions = self.list_walk(walk, last.as_ref(), false, block).await?;
            let numbers: Vec<i64> = positions.iter().map(|position| position.number).collect();
            let mut customers = self.list_customers(&numbers).await?;
            customers.sort_unstable_by_key(|customer| customer.thing.number);
            for customer in customers.into_iter().filter(|customer| holds(&customer.thing)) {
                match to_skip {
                    0 if (found.len() as i64) < limit => found.push(customer.thing),
                    0 => break,
                    _ => to_skip -= 1,
                }
            }
            last = positions.into_iter().next_back();
            if (numbers.len() as i64) < block {
                break;
            }
            block = (block * 2).min(BLOCK_MAX);
        }
        Ok(found)
    }
}
