//! `guildhall token`.

use guildhall_domain::{Role, Scope, ScopeSet, Timestamp};
use guildhall_service::{NewToken, TokenInfo};
use serde_json::{Value, json};

use super::{Failure, cell, print, say, with_service};
use crate::args::Token;

pub fn run(database: &str, command: &Token) -> Result<(), Failure> {
    with_service(database, false, async |service| match command {
        Token::Create {
            tenant,
            name,
            role,
            scope,
            account,
            expires,
        } => {
            for useless in scope.iter().filter(|scope| scope.least_role() > *role) {
                say(&format!(
                    "guildhall: the role {role} can do nothing with the scope {useless}"
                ));
            }
            let tenant = service.tenant(tenant).await?;
            let new = NewToken {
                name: name.clone(),
                role: *role,
                scopes: (!scope.is_empty()).then(|| scope.clone()),
                account: account.clone(),
                lifetime: *expires,
            };
            let (_, secret) = service.create_token(tenant.id, new).await?;
            print(&format!("{secret}\n"))
        }
        Token::List { tenant, json } => {
            let tenant = service.tenant(tenant).await?;
            let tokens = service.tokens(tenant.id).await?;
            match json {
                true => print(&format!("{}\n", Value::from_iter(tokens.iter().map(as_json)))),
                false => print(&tokens.iter().map(line).collect::<String>()),
            }
        }
        Token::Revoke { tenant, id } => {
            let tenant = service.tenant(tenant).await?;
            Ok(service.revoke_token(tenant.id, id).await?)
        }
    })
}

fn line(token: &TokenInfo) -> String {
    let time = |time: Option<Timestamp>| time.map_or_else(|| "-".to_owned(), Timestamp::to_rfc3339);
    let expiry = match token.revoked_at {
        Some(at) => format!("revoked {}", at.to_rfc3339()),
        None => token.expires_at.to_rfc3339(),
    };
    format!(
        "{}\t{}\t{}\t{}\t{}\t{}\t{}\n",
        token.id,
        cell(&token.name),
        token.role,
        scopes(token),
        token.created_at.to_rfc3339(),
        time(token.last_used_at),
        expiry
    )
}

/// The scopes, or that they are all that the role may use.
fn scopes(token: &TokenInfo) -> String {
    let all = Role::parse(&token.role)
        .map(ScopeSet::all_for)
        .unwrap_or_default();
    match token
        .scopes
        .iter()
        .map(String::as_str)
        .eq(all.iter().map(Scope::name))
    {
        true => "all".to_owned(),
        false => token.scopes.join(","),
    }
}

fn as_json(token: &TokenInfo) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "last4": token.last4,
        "role": token.role,
        "scopes": token.scopes,
        "createdAt": token.created_at.to_rfc3339(),
        "lastUsedAt": token.last_used_at.map(Timestamp::to_rfc3339),
        "expiresAt": token.expires_at.to_rfc3339(),
        "revokedAt": token.revoked_at.map(Timestamp::to_rfc3339),
    })
}
