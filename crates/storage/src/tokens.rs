//! Access tokens: never the secret, only its hash.

use guildhall_domain::{TenantId, Timestamp};

use crate::driver::Row;
use crate::error::StoreError;
use crate::tx::{ReadTx, SystemTx, WriteTx};
use crate::versions::Touched;

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The public id of that tenant.
    pub cloud_id: String,
    /// Its id, a UUID; not secret.
    pub id: String,
    /// SHA-256 of the whole token, in hexadecimal.
    pub hash: String,
    /// The token's last four characters, to recognise it by.
    pub last4: String,
    /// What its maker calls it.
    pub name: String,
    /// The name of its role.
    pub role: String,
    /// The names of its scopes, separated by spaces.
    pub scopes: String,
    /// The account it stands for, where it stands for one.
    pub account: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working by itself.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

fn row(row: &Row<'_>) -> Result<TokenRow, StoreError> {
    Ok(TokenRow {
        tenant: TenantId(row.int(0)?),
        cloud_id: row.text(1)?,
        id: row.text(2)?,
        hash: row.text(3)?,
        last4: row.text(4)?,
        name: row.text(5)?,
        role: row.text(6)?,
        scopes: row.text(7)?,
        account: row.opt_text(8)?,
        created_at: Timestamp(row.int(9)?),
        expires_at: Timestamp(row.int(10)?),
        last_used_at: row.opt_int(11)?.map(Timestamp),
        revoked_at: row.opt_int(12)?.map(Timestamp),
    })
}

impl SystemTx<'_> {
    /// The token with this hash, of whichever tenant: before it is found, the tenant is unknown.
    pub async fn token_by_hash(&mut self, hash: &str) -> Result<Option<TokenRow>, StoreError> {
        const SQL: &str = "SELECT k.tenant_id, t.cloud_id, k.id, k.hash, k.last4, k.name, k.role, k.scopes, \
             k.account, k.created_at, k.expires_at, k.last_used_at, k.revoked_at \
             FROM token k JOIN tenant t ON t.tenant_id = k.tenant_id WHERE k.hash = $1";
        self.fetch_optional(SQL, &[hash.into()], row).await
    }
}

impl ReadTx<'_> {
    /// The tenant's tokens, oldest first, revoked ones included.
    pub async fn tokens(&mut self) -> Result<Vec<TokenRow>, StoreError> {
        const SQL: &str = "SELECT k.tenant_id, t.cloud_id, k.id, k.hash, k.last4, k.name, k.role, k.scopes, \
             k.account, k.created_at, k.expires_at, k.last_used_at, k.revoked_at \
             FROM token k JOIN tenant t ON t.tenant_id = k.tenant_id \
             WHERE k.tenant_id = $1 ORDER BY k.created_at, k.id";
        self.fetch(SQL, &[], row).await
    }
}

impl WriteTx<'_> {
    /// Adds a token.
    pub async fn insert_token(&mut self, token: &TokenRow) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO token (tenant_id, id, hash, last4, name, role, scopes, account, \
             created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        self.execute_one_on(
            Touched::Nothing,
            SQL,
            &[
                (&token.id).into(),
                (&token.hash).into(),
                (&token.last4).into(),
                (&token.name).into(),
                (&token.role).into(),
                (&token.scopes).into(),
                token.account.as_deref().into(),
                token.created_at.0.into(),
                token.expires_at.0.into(),
            ],
        )
        .await
    }

    /// Revokes a token; whether there was one that still worked or was revoked before.
    pub async fn revoke_token(&mut self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        const SQL: &str =
            "UPDATE token SET revoked_at = COALESCE(revoked_at, $3) WHERE tenant_id = $1 AND id = $2";
        Ok(self
            .execute_on(Touched::Nothing, SQL, &[id.into(), now.0.into()])
            .await?
            == 1)
    }

    /// Records a use.
    pub async fn touch_token(&mut self, id: &str, used_at: Timestamp) -> Result<(), StoreError> {
        const SQL: &str = "UPDATE token SET last_used_at = $3 WHERE tenant_id = $1 AND id = $2";
        self.execute_any_on(Touched::Nothing, SQL, &[id.into(), used_at.0.into()])
            .await
    }
}
