//! Customers and their accounts.

use guildhall_domain::field::{Definitions, Values};
use guildhall_domain::{Customer, Timestamp, text};

use crate::details::{NewValues, from_text, to_text};
use crate::driver::Row;
use crate::error::StoreError;
use crate::sweep::Sweep;
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

pub(crate) fn row(row: &Row<'_>) -> Result<Customer, StoreError> {
    Ok(Customer {
        number: row.int(0)?,
        id: row.text(1)?,
        email: row.text(2)?,
        email_key: row.text(3)?,
        display_name: row.text(4)?,
        details: from_text(&row.text(5)?)?,
    })
}

impl ReadTx<'_> {
    /// The customer with this public id.
    pub async fn customer(&mut self, id: &str) -> Result<Option<Customer>, StoreError> {
        const SQL: &str = "SELECT number, id, email, email_key, display_name, details FROM customer \
             WHERE tenant_id = $1 AND id = $2";
        self.fetch_optional(SQL, &[id.into()], row).await
    }

    /// The internal number of the customer with this public id.
    pub async fn customer_number(&mut self, id: &str) -> Result<Option<i64>, StoreError> {
        const SQL: &str = "SELECT number FROM customer WHERE tenant_id = $1 AND id = $2";
        self.fetch_optional(SQL, &[id.into()], |row| row.int(0)).await
    }

    /// The customer with this compared email.
    pub async fn customer_by_key(&mut self, email_key: &str) -> Result<Option<Customer>, StoreError> {
        const SQL: &str = "SELECT number, id, email, email_key, display_name, details FROM customer \
             WHERE tenant_id = $1 AND email_key = $2";
        self.fetch_optional(SQL, &[email_key.into()], row).await
    }
}

impl WriteTx<'_> {
    /// The customer with this public id, which nobody else changes until the transaction ends.
    pub async fn lock_customer(&mut self, id: &str) -> Result<Option<Customer>, StoreError> {
        const SQL: &str = "SELECT number, id, email, email_key, display_name, details FROM customer \
             WHERE tenant_id = $1 AND id = $2 FOR_UPDATE";
        self.fetch_optional(SQL, &[id.into()], row).await
    }

    /// Adds a customer with its values.
    pub async fn insert_customer(
        &mut self,
        customer: &Customer,
        definitions: &Definitions,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let values = NewValues::of(&customer.details, definitions)?;
        self.insert_customer_with(customer, &values, now).await
    }

    /// Adds a customer; its values are these.
    pub(crate) async fn insert_customer_with(
        &mut self,
        customer: &Customer,
        values: &NewValues,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO customer (tenant_id, number, id, email, email_key, display_name, \
             name_key, details, created_at, updated_at) SELECT $1, r.number, r.id, r.email, r.email_key, \
             r.display_name, r.name_key, r.details, r.now, r.now FROM EACH_ROW(number $2, id $3, email $4, \
             email_key $5, display_name $6, name_key $7, details $8, now $9)";
        self.execute_one_on(
            Touched::Customer(customer.number),
            SQL,
            &[
                customer.number.into(),
                (&customer.id).into(),
                (&customer.email).into(),
                (&customer.email_key).into(),
                (&customer.display_name).into(),
                (&text::key(&customer.display_name)).into(),
                (&values.text).into(),
                now.0.into(),
            ],
        )
        .await?;
        self.index_new_values(customer.number, values).await
    }

    /// Changes the name shown.
    pub async fn rename_customer(
        &mut self,
        number: i64,
        display_name: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE customer SET display_name = $3, name_key = $4, updated_at = $5 \
             WHERE tenant_id = $1 AND number = $2";
        let key = text::key(display_name);
        self.execute_one_on(
            Touched::Customer(number),
            SQL,
            &[number.into(), display_name.into(), (&key).into(), now.0.into()],
        )
        .await
    }

    /// Changes the email.
    pub async fn change_customer_email(
        &mut self,
        number: i64,
        email: &str,
        email_key: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE customer SET email = $3, email_key = $4, updated_at = $5 \
             WHERE tenant_id = $1 AND number = $2";
        self.execute_one_on(
            Touched::Customer(number),
            SQL,
            &[number.into(), email.into(), email_key.into(), now.0.into()],
        )
        .await
    }

    /// Replaces a customer's values.
    pub async fn put_customer_details(
        &mut self,
        number: i64,
        old: &Values,
        new: &Values,
        definitions: &Definitions,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE customer SET details = r.details, updated_at = r.now \
             FROM EACH_ROW(number $2, details $3, now $4) WHERE customer.tenant_id = $1 AND customer.number = r.number";
        let details = to_text(new)?;
        self.execute_one_on(
            Touched::Customer(number),
            SQL,
            &[number.into(), (&details).into(), now.0.into()],
        )
        .await?;
        self.index_values(number, old, new, definitions).await
    }

    /// Removes a customer and hides all that hangs on it.
    pub async fn delete_customer(
        &mut self,
        customer: &Customer,
        definitions: &Definitions,
    ) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM customer WHERE tenant_id = $1 AND number = $2";
        self.execute_one(SQL, &[customer.number.into()]).await?;
        self.index_values(
            customer.number,
            &customer.details,
            &Values::default(),
            definitions,
        )
        .await?;
        self.plan_sweep(Sweep::Customer(customer.number)).await
    }
}
