//! Users, groups and mappings of connectors, and what is known of an account through them. Each set
//! brings an id once and sorted; what stands under an id is replaced unless it is newer, and a write
//! without a number always replaces.

use std::collections::BTreeSet;

use guildhall_domain::Timestamp;
use guildhall_domain::connector::{EqualSequence, Group, Mapping, Member, Membership, User};
use serde::Serialize;
use serde_json::json as value;

use crate::connections::{index_key, json, keys};
use crate::driver::Row;
use crate::error::StoreError;
use crate::tx::{ReadTx, WriteTx};
use crate::versions::Touched;

/// A user or a group as it is read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// The payload as JSON; that of a group without its members.
    pub body: String,
    /// When it came into being.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A user of some connection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectorUser {
    /// The connection's number.
    pub connection: i64,
    /// The external id.
    pub id: String,
}

#[derive(Serialize)]
struct Person<'a> {
    key: &'a str,
    id: &'a str,
    sequence: Option<i64>,
    body: &'a str,
}

fn member_key(member: &Member) -> (&'static str, &str) {
    match member {
        Member::User(id) => ("USER", id),
        Member::Group(id) => ("GROUP", id),
    }
}

fn person(row: &Row<'_>) -> Result<PersonRow, StoreError> {
    Ok(PersonRow {
        body: row.text(0)?,
        created_at: Timestamp(row.int(1)?),
        updated_at: Timestamp(row.int(2)?),
    })
}

fn connector_user(row: &Row<'_>) -> Result<ConnectorUser, StoreError> {
    Ok(ConnectorUser {
        connection: row.int(0)?,
        id: row.text(1)?,
    })
}

fn flag(equal: EqualSequence) -> i64 {
    i64::from(equal == EqualSequence::Replace)
}

impl WriteTx<'_> {
    /// Writes these users, and the emails by which they are found.
    pub async fn put_users(
        &mut self,
        connection: i64,
        users: &[&User],
        equal: EqualSequence,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO connector_user (tenant_id, connection_number, id_key, id, sequence, body, \
             created_at, updated_at) \
             SELECT $1, $2, value->>'key', value->>'id', CAST(value->>'sequence' AS BIGINT), value->>'body', $4, $4 \
             FROM EACH_OBJECT($3) WHERE TRUE ON CONFLICT (tenant_id, connection_number, id_key) DO UPDATE SET \
             sequence = COALESCE(excluded.sequence, connector_user.sequence), deleted_at = NULL, \
             body = excluded.body, created_at = CASE WHEN connector_user.deleted_at IS NULL \
             THEN connector_user.created_at ELSE excluded.created_at END, updated_at = excluded.updated_at \
             WHERE excluded.sequence IS NULL OR connector_user.sequence IS NULL \
             OR excluded.sequence > connector_user.sequence OR (excluded.sequence = connector_user.sequence \
             AND (connector_user.deleted_at IS NOT NULL OR KNOWN($5) = 1)) RETURNING id";
        const CLEAR: &str = "DELETE FROM connector_user_email WHERE tenant_id = $1 AND connection_number = $2 \
             AND user_key IN EACH_TEXT($3)";
        const EMAILS: &str = "INSERT INTO connector_user_email (tenant_id, connection_number, user_key, email_key, \
             user_id) SELECT $1, $2, value->>'key', value->>'email', value->>'id' FROM EACH_OBJECT($3) WHERE TRUE";
        let id_keys: Vec<_> = users.iter().map(|user| index_key(&user.id)).collect();
        let rows = users.iter().zip(&id_keys).map(|(user, key)| Person {
            key,
            id: &user.id,
            sequence: user.sequence,
            body: &user.body,
        });
        let rows = json(&rows.collect::<Vec<_>>())?;
        let params = [
            connection.into(),
            (&rows).into(),
            now.0.into(),
            flag(equal).into(),
        ];
        let written: BTreeSet<String> = self
            .fetch_on(Touched::Nothing, SQL, &params, |row| row.text(0))
            .await?
            .into_iter()
            .collect();
        if written.is_empty() {
            return Ok(());
        }
        let written: Vec<&&User> = users.iter().filter(|user| written.contains(&user.id)).collect();
        let ids: Vec<String> = written.iter().map(|user| user.id.clone()).collect();
        self.execute_on(
            Touched::Nothing,
            CLEAR,
            &[connection.into(), (&keys(&ids)?).into()],
        )
        .await?;
        let emails: Vec<_> = written
            .iter()
            .flat_map(|user| user.email_keys.iter().map(move |email| (user, email)))
            .map(|(user, email)| value!({ "key": index_key(&user.id), "email": email, "id": user.id }))
            .collect();
        if !emails.is_empty() {
            self.execute_on(
                Touched::Nothing,
                EMAILS,
                &[connection.into(), (&json(&emails)?).into()],
            )
            .await?;
        }
        Ok(())
    }

    /// Writes these groups; the members of those that bring some replace those that they had.
    pub async fn put_groups(
        &mut self,
        connection: i64,
        groups: &[&Group],
        equal: EqualSequence,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO connector_group (tenant_id, connection_number, id_key, id, sequence, body, \
             created_at, updated_at) \
             SELECT $1, $2, value->>'key', value->>'id', CAST(value->>'sequence' AS BIGINT), value->>'body', $4, $4 \
             FROM EACH_OBJECT($3) WHERE TRUE ON CONFLICT (tenant_id, connection_number, id_key) DO UPDATE SET \
             sequence = COALESCE(excluded.sequence, connector_group.sequence), deleted_at = NULL, \
             body = excluded.body, created_at = CASE WHEN connector_group.deleted_at IS NULL \
             THEN connector_group.created_at ELSE excluded.created_at END, updated_at = excluded.updated_at \
             WHERE excluded.sequence IS NULL OR connector_group.sequence IS NULL \
             OR excluded.sequence > connector_group.sequence OR (excluded.sequence = connector_group.sequence \
             AND (connector_group.deleted_at IS NOT NULL OR KNOWN($5) = 1)) RETURNING id";
        const CLEAR: &str = "DELETE FROM connector_member WHERE tenant_id = $1 AND connection_number = $2 \
             AND group_key IN EACH_TEXT($3)";
        const MEMBERS: &str = "INSERT INTO connector_member (tenant_id, connection_number, group_key, member_type, \
             member_key, group_id, member_id, position, body) \
             SELECT $1, $2, value->>'group_key', value->>'type', value->>'key', value->>'group', value->>'id', \
             CAST(value->>'position' AS BIGINT), value->>'body' FROM EACH_OBJECT($3) WHERE TRUE";
        let id_keys: Vec<_> = groups.iter().map(|group| index_key(&group.id)).collect();
        let rows = groups.iter().zip(&id_keys).map(|(group, key)| Person {
            key,
            id: &group.id,
            sequence: group.sequence,
            body: &group.body,
        });
        let rows = json(&rows.collect::<Vec<_>>())?;
        let params = [
            connection.into(),
            (&rows).into(),
            now.0.into(),
            flag(equal).into(),
        ];
        let written: BTreeSet<String> = self
            .fetch_on(Touched::Nothing, SQL, &params, |row| row.text(0))
            .await?
            .into_iter()
            .collect();
        let mut ids = Vec::new();
        let mut rows = Vec::new();
        for group in groups.iter().filter(|group| written.contains(&group.id)) {
            let Some(members) = &group.members else { continue };
            ids.push(group.id.clone());
            rows.extend(members.iter().enumerate().map(|(position, entry)| {
                let (member_type, id) = member_key(&entry.member);
                value!({
                    "group_key": index_key(&group.id), "group": group.id, "type": member_type,
                    "key": index_key(id), "id": id, "position": position, "body": entry.body,
                })
            }));
        }
        if !ids.is_empty() {
            self.execute_on(
                Touched::Nothing,
                CLEAR,
                &[connection.into(), (&keys(&ids)?).into()],
            )
            .await?;
        }
        if !rows.is_empty() {
            self.execute_on(
                Touched::Nothing,
                MEMBERS,
                &[connection.into(), (&json(&rows)?).into()],
            )
            .await?;
        }
        Ok(())
    }

    /// Writes these mappings.
    pub async fn put_mappings(
        &mut self,
        connection: i64,
        mappings: &[&Mapping],
        equal: EqualSequence,
    ) -> Result<(), StoreError> {
        const SQL: &str = "INSERT INTO connector_mapping (tenant_id, connection_number, user_key, user_id, sequence, \
             account, email, email_key, mapped_at) \
             SELECT $1, $2, value->>'key', value->>'id', CAST(value->>'sequence' AS BIGINT), value->>'account', \
             value->>'email', value->>'email_key', CAST(value->>'at' AS BIGINT) FROM EACH_OBJECT($3) WHERE TRUE \
             ON CONFLICT (tenant_id, connection_number, user_key) DO UPDATE SET sequence = excluded.sequence, \
             deleted_at = NULL, account = excluded.account, email = excluded.email, \
             email_key = excluded.email_key, mapped_at = excluded.mapped_at \
             WHERE excluded.sequence > connector_mapping.sequence OR (excluded.sequence = connector_mapping.sequence \
             AND (connector_mapping.deleted_at IS NOT NULL OR KNOWN($4) = 1))";
        let rows: Vec<_> = mappings
            .iter()
            .map(|mapping| {
                value!({
                    "key": index_key(&mapping.user_id), "id": mapping.user_id, "sequence": mapping.sequence,
                    "account": mapping.account, "email": mapping.email, "email_key": mapping.email_key(),
                    "at": mapping.mapped_at,
                })
            })
            .collect();
        let rows = json(&rows)?;
        let params = [connection.into(), (&rows).into(), flag(equal).into()];
        self.execute_on(Touched::Nothing, SQL, &params).await.map(drop)
    }

    /// Deletes users, and with them their emails, mappings and memberships; the ids of those that were
    /// there as users or in mappings.
    pub async fn delete_users(
        &mut self,
        connection: i64,
        ids: &[String],
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError> {
        const USERS: &str = "UPDATE connector_user SET deleted_at = $4, body = '', updated_at = $4 \
             WHERE tenant_id = $1 AND connection_number = $2 AND id_key IN EACH_TEXT($3) AND deleted_at IS NULL \
             RETURNING id";
        const MAPPINGS: &str = "UPDATE connector_mapping SET deleted_at = $4, account = NULL, email = NULL, \
             email_key = NULL WHERE tenant_id = $1 AND connection_number = $2 AND user_key IN EACH_TEXT($3) \
             AND deleted_at IS NULL RETURNING user_id";
        const EMAILS: &str = "DELETE FROM connector_user_email WHERE tenant_id = $1 AND connection_number = $2 \
             AND user_key IN EACH_TEXT($3)";
        let wanted = keys(ids)?;
        let params = [connection.into(), (&wanted).into(), now.0.into()];
        let users = self
            .fetch_on(Touched::Nothing, USERS, &params, |row| row.text(0))
            .await?;
        let mapped = self
            .fetch_on(Touched::Nothing, MAPPINGS, &params, |row| row.text(0))
            .await?;
        // Of those only that were there: one that comes back at this moment keeps what it brings.
        let gone = keys(&users)?;
        self.execute_on(Touched::Nothing, EMAILS, &[connection.into(), (&gone).into()])
            .await?;
        self.end_memberships(connection, "USER", &wanted).await?;
        Ok(users.into_iter().chain(mapped).collect())
    }

    /// Deletes groups, and with them their members and their memberships in others; the ids of those
    /// that were there.
    pub async fn delete_groups(
        &mut self,
        connection: i64,
        ids: &[String],
        now: Timestamp,
    ) -> Result<BTreeSet<String>, StoreError> {
        const GROUPS: &str = "UPDATE connector_group SET deleted_at = $4, body = '', updated_at = $4 \
             WHERE tenant_id = $1 AND connection_number = $2 AND id_key IN EACH_TEXT($3) AND deleted_at IS NULL \
             RETURNING id";
        const MEMBERS: &str = "DELETE FROM connector_member WHERE tenant_id = $1 AND connection_number = $2 \
             AND group_key IN EACH_TEXT($3)";
        let wanted = keys(ids)?;
        let params = [connection.into(), (&wanted).into(), now.0.into()];
        let found = self
            .fetch_on(Touched::Nothing, GROUPS, &params, |row| row.text(0))
            .await?;
        // Of those only that were there: one that comes back at this moment keeps what it brings.
        let gone = keys(&found)?;
        self.execute_on(Touched::Nothing, MEMBERS, &[connection.into(), (&gone).into()])
            .await?;
        self.end_memberships(connection, "GROUP", &wanted).await?;
        Ok(found.into_iter().collect())
    }

    async fn end_memberships(
        &mut self,
        connection: i64,
        member_type: &str,
        keys: &str,
    ) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM connector_member WHERE tenant_id = $1 AND connection_number = $2 \
             AND member_type = $3 AND member_key IN EACH_TEXT($4)";
        self.execute_on(
            Touched::Nothing,
            SQL,
            &[connection.into(), member_type.into(), keys.into()],
        )
        .await
        .map(drop)
    }
}

impl ReadTx<'_> {
    /// A user, unless it was deleted.
    pub async fn connector_user(
        &mut self,
        connection: i64,
        id: &str,
    ) -> Result<Option<PersonRow>, StoreError> {
        const SQL: &str = "SELECT body, created_at, updated_at FROM connector_user WHERE tenant_id = $1 \
             AND connection_number = $2 AND id_key = $3 AND deleted_at IS NULL";
        let key = index_key(id);
        self.fetch_optional(SQL, &[connection.into(), key.as_ref().into()], person)
            .await
    }

    /// A group, unless it was deleted.
    pub async fn connector_group(
        &mut self,
        connection: i64,
        id: &str,
    ) -> Result<Option<PersonRow>, StoreError> {
        const SQL: &str = "SELECT body, created_at, updated_at FROM connector_group WHERE tenant_id = $1 \
             AND connection_number = $2 AND id_key = $3 AND deleted_at IS NULL";
        let key = index_key(id);
        self.fetch_optional(SQL, &[connection.into(), key.as_ref().into()], person)
            .await
    }

    /// The members of a group as they were sent, each as JSON.
    pub async fn connector_members(
        &mut self,
        connection: i64,
        group: &str,
    ) -> Result<Vec<String>, StoreError> {
        const SQL: &str = "SELECT body FROM connector_member WHERE tenant_id = $1 AND connection_number = $2 \
             AND group_key = $3 ORDER BY position";
        let key = index_key(group);
        self.fetch(SQL, &[connection.into(), key.as_ref().into()], |row| row.text(0))
            .await
    }

    /// The users, of any connection of the tenant, that an account with these emails is. A mapping decides
    /// for its user; the emails of users are asked only where there is none.
    pub async fn users_of_account(
        &mut self,
        account: &str,
        email_keys: &[String],
    ) -> Result<BTreeSet<ConnectorUser>, StoreError> {
        const BY_ACCOUNT: &str = "SELECT connection_number, user_id FROM connector_mapping WHERE tenant_id = $1 \
             AND account = $2 AND account IS NOT NULL AND deleted_at IS NULL";
        const BY_EMAIL: &str = "SELECT connection_number, user_id FROM connector_mapping WHERE tenant_id = $1 \
             AND email_key = $2 AND email_key IS NOT NULL AND deleted_at IS NULL";
        const BY_USER: &str = "SELECT e.connection_number, e.user_id FROM connector_user_email e \
             WHERE e.tenant_id = $1 AND e.email_key = $2 AND NOT EXISTS (SELECT 1 FROM connector_mapping m \
             WHERE m.tenant_id = $1 AND m.connection_number = e.connection_number AND m.user_key = e.user_key \
             AND m.deleted_at IS NULL)";
        let mut found: BTreeSet<_> = self
            .fetch(BY_ACCOUNT, &[account.into()], connector_user)
            .await?
            .into_iter()
            .collect();
        for email in email_keys {
            for sql in [BY_EMAIL, BY_USER] {
                found.extend(self.fetch(sql, &[email.into()], connector_user).await?);
            }
        }
        Ok(found)
    }

    /// The memberships of these members of a connection.
    pub async fn connector_memberships(
        &mut self,
        connection: i64,
        members: &[Member],
    ) -> Result<Vec<Membership>, StoreError> {
        const SQL: &str = "SELECT group_id, member_type, member_id FROM connector_member WHERE tenant_id = $1 \
             AND connection_number = $2 AND member_type = $3 AND member_key IN EACH_TEXT($4)";
        let mut found = Vec::new();
        for wanted in ["USER", "GROUP"] {
            let ids: Vec<String> = members
                .iter()
                .map(member_key)
                .filter(|(member_type, _)| *member_type == wanted)
                .map(|(_, id)| id.to_owned())
                .collect();
            if ids.is_empty() {
                continue;
            }
            let keys = keys(&ids)?;
            let rows = self
                .fetch(SQL, &[connection.into(), wanted.into(), (&keys).into()], |row| {
                    let id = row.text(2)?;
                    Ok(Membership {
                        group: row.text(0)?,
                        member: match row.text(1)?.as_str() {
                            "GROUP" => Member::Group(id),
                            _ => Member::User(id),
                        },
                    })
                })
                .await?;
            found.extend(rows);
        }
        Ok(found)
    }
}
