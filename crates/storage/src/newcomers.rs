//! What new organizations or customers rest on, one or many of them: asked in one round trip.

use std::collections::{BTreeSet, HashMap, HashSet};

use guildhall_domain::SubjectKind;
use guildhall_domain::bulk::organization_numbers;

use crate::driver::{Ask, Lock};
use crate::error::StoreError;
use crate::facts::{OTHER_CUSTOMERS, OTHER_ORGANIZATIONS, PRODUCTS, ask, json, texts};
use crate::organizations::ID_USED;
use crate::tx::WriteTx;

/// What those of one kind would have and be linked to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Newcomers<'a> {
    /// Which kind.
    pub kind: SubjectKind,
    /// Their handles as compared: names or emails.
    pub keys: BTreeSet<&'a str>,
    /// The ids that they would have; customers' are new for certain, and not among them.
    pub ids: BTreeSet<i64>,
    /// Public ids of customers for organizations, of organizations for customers.
    pub associated_ids: BTreeSet<String>,
    /// Public ids of products, in lower case.
    pub product_ids: BTreeSet<String>,
    /// Whether they rest on definitions: these stay as they are until the transaction ends then.
    pub defined: bool,
}

/// What there is of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ground {
    /// By a handle as compared, the public id of who has it.
    pub holders: HashMap<String, String>,
    /// Ids that organizations have or had.
    pub used_ids: HashSet<i64>,
    /// By public id the numbers of what shall be linked, which nobody removes until the transaction ends;
    /// unknown ones are left out.
    pub associated: HashMap<String, i64>,
    /// Likewise of products, with their names.
    pub products: HashMap<String, (i64, String)>,
    /// The tenant's cloudId, where something rests on definitions.
    pub cloud_id: String,
}

const TENANT: &str = "SELECT definitions_stamp, cloud_id FROM tenant WHERE tenant_id = $1";
const ORGANIZATION_BY_KEY: &str = "SELECT id FROM organization WHERE tenant_id = $1 AND name_key = $2";
const CUSTOMER_BY_KEY: &str = "SELECT id FROM customer WHERE tenant_id = $1 AND email_key = $2";
const CUSTOMERS_BY_KEYS: &str =
    "SELECT email_key, id FROM customer WHERE tenant_id = $1 AND email_key IN EACH_TEXT($2)";
/// Ids that are, and that were.
const TAKEN_IDS: &str = "SELECT id FROM organization WHERE tenant_id = $1 AND id IN EACH_INT($2) \
     UNION ALL SELECT id FROM organization_spent WHERE tenant_id = $1 AND id IN EACH_INT($2)";
/// Names with who has them, where they have no index of their own; ids that are, and that were, without a name. One statement, since
/// statements cost more than what they find.
const TAKEN: &str = "SELECT CAST(0 AS BIGINT), id, name_key FROM organization WHERE tenant_id = $1 AND name_key IN EACH_TEXT($2) \
     UNION ALL SELECT CAST(1 AS BIGINT), id, '' FROM organization WHERE tenant_id = $1 AND id IN EACH_INT($3) \
     UNION ALL SELECT CAST(1 AS BIGINT), id, '' FROM organization_spent WHERE tenant_id = $1 AND id IN EACH_INT($3)";

impl WriteTx<'_> {
    /// What newcomers rest on. What shall be linked to them is locked until the transaction ends, and the tenant
    /// before it, as by [`Self::share_tenant`], where they rest on definitions.
    pub async fn ground(&mut self, new: &Newcomers<'_>) -> Result<Ground, StoreError> {
        let numbers: BTreeSet<i64> = match new.kind {
            SubjectKind::Organization => BTreeSet::new(),
            SubjectKind::Customer => organization_numbers(&new.associated_ids),
        };
        // One is found by itself: a set costs more, on SQLite more than all else here.
        let single = new.keys.first().copied();
        let single = single.filter(|_| new.keys.len() == 1 && new.ids.len() <= 1);
        let (keys, ids) = match single {
            Some(_) => Default::default(),
            None => (json(&new.keys)?, json(&new.ids)?),
        };
        let others = match new.kind {
            SubjectKind::Organization => texts(&new.associated_ids)?,
            SubjectKind::Customer => json(&numbers)?,
        };
        let product_ids = texts(&new.product_ids)?;
        let has_name_index = new.kind == SubjectKind::Organization && self.has_name_index();
        let (mut stamp, mut cloud_id) = (None, String::new());
        let (mut holders, mut used_ids) = (HashMap::new(), HashSet::new());
        let (mut associated, mut products) = (HashMap::new(), HashMap::new());
        let mut asks = Vec::new();
        if new.defined {
            // It goes along before the questions; what was committed before it is had is seen by them.
            self.take(Lock::Shared).await?;
            asks.push(Ask::new(TENANT, [], |row| {
                stamp = Some(row.int(0)?);
                cloud_id = row.text(1)?;
                Ok(())
            }));
        }
        match (new.kind, single) {
            (SubjectKind::Organization, Some(key)) => {
                if !has_name_index {
                    asks.push(Ask::new(ORGANIZATION_BY_KEY, [key.into()], |row| {
                        holders.insert(key.to_owned(), row.int(0)?.to_string());
                        Ok(())
                    }));
                }
                if let Some(id) = new.ids.first().copied() {
                    let used_ids = &mut used_ids;
                    asks.push(Ask::new(ID_USED, [id.into()], move |_| {
                        used_ids.insert(id);
                        Ok(())
                    }));
                }
            }
            (SubjectKind::Organization, None) if has_name_index => {
                asks.push(Ask::new(TAKEN_IDS, [(&ids).into()], |row| {
                    used_ids.insert(row.int(0)?);
                    Ok(())
                }));
            }
            (SubjectKind::Organization, None) => {
                asks.push(Ask::new(TAKEN, [(&keys).into(), (&ids).into()], |row| {
                    let id = row.int(1)?;
                    match row.int(0)? {
                        0 => drop(holders.insert(row.text(2)?, id.to_string())),
                        _ => drop(used_ids.insert(id)),
                    }
                    Ok(())
                }));
            }
            (SubjectKind::Customer, Some(key)) => {
                asks.push(Ask::new(CUSTOMER_BY_KEY, [key.into()], |row| {
                    holders.insert(key.to_owned(), row.text(0)?);
                    Ok(())
                }));
            }
            (SubjectKind::Customer, None) => {
                asks.push(Ask::new(CUSTOMERS_BY_KEYS, [(&keys).into()], |row| {
                    holders.insert(row.text(0)?, row.text(1)?);
                    Ok(())
                }));
            }
        }
        // In the order of locks: organizations, customers, products.
        match new.kind {
            SubjectKind::Organization => {
                ask(&mut asks, OTHER_CUSTOMERS, &new.associated_ids, &others, |row| {
                    associated.insert(row.text(0)?, row.int(1)?);
                    Ok(())
                });
            }
            SubjectKind::Customer => {
                ask(&mut asks, OTHER_ORGANIZATIONS, &numbers, &others, |row| {
                    let id = row.int(0)?;
                    associated.insert(id.to_string(), id);
                    Ok(())
                });
            }
        }
        ask(&mut asks, PRODUCTS, &new.product_ids, &product_ids, |row| {
            products.insert(row.text(0)?, (row.int(1)?, row.text(2)?));
            Ok(())
        });
        self.fetch_all(asks).await?;
        if has_name_index {
            let named = self.named_or_free(&new.keys).await?;
            holders.extend(named.into_iter().map(|(key, id)| (key, id.to_string())));
        }
        if new.defined {
            let stamp =
                stamp.ok_or_else(|| StoreError::inconsistent("a transaction's tenant does not exist"))?;
            self.note_lock(stamp);
        }
        Ok(Ground {
            holders,
            used_ids,
            associated,
            products,
            cloud_id,
        })
    }
}
