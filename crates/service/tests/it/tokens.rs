//! The life of a token, with the clock moved.

use std::time::Duration;

use guildhall_domain::{Rejection, Role, Scope, Thing, Timestamp};
use guildhall_service::{Error, Lifetime, NewToken};

use super::world::{START, World, assert_not_found, new_token};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_token_lives_as_long_as_it_was_told() {
    for (lifetime, wanted) in [
        (Lifetime::default(), 90 * DAY),
        ("365d".parse().unwrap(), 365 * DAY),
        ("1s".parse().unwrap(), Duration::from_secs(1)),
    ] {
        let world = World::new().await;
        let new = NewToken {
            lifetime,
            ..new_token("short")
        };
        let (_, secret) = world.service.create_token(world.tenant, new).await.unwrap();
        assert!(world.service.authenticate(&secret).await.unwrap().is_some());
        world.clock.advance(wanted - Duration::from_millis(1));
        assert!(
            world.service.authenticate(&secret).await.unwrap().is_some(),
            "alive to the last"
        );
        world.clock.advance(Duration::from_millis(1));
        let late = world.service.authenticate(&secret).await.unwrap();
        assert!(late.is_none(), "expired, although it was recognised a moment ago");
        world.clock.advance(DAY);
        assert!(world.service.authenticate(&secret).await.unwrap().is_none());
    }
    for wrong in [
        "366d",
        "0d",
        "-1d",
        "1",
        "d",
        "",
        "9999999999999999999d",
        "1.5h",
        "8761h",
    ] {
        assert!(wrong.parse::<Lifetime>().is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn a_revocation_is_seen_within_half_a_second_everywhere() {
    let world = World::new().await;
    let (id, secret) = world
        .service
        .create_token(world.tenant, new_token("doomed"))
        .await
        .unwrap();
    let others = [world.another(2).await, world.another(3).await];
    assert!(world.service.authenticate(&secret).await.unwrap().is_some());
    assert!(others[0].authenticate(&secret).await.unwrap().is_some());
    others[1]
        .revoke_token(world.tenant, &id.to_uppercase())
        .await
        .unwrap();
    assert!(
        others[1].authenticate(&secret).await.unwrap().is_none(),
        "never asked before"
    );
    world.clock.advance(Duration::from_millis(499));
    for remembers in [&world.service, &others[0]] {
        assert!(
            remembers.authenticate(&secret).await.unwrap().is_some(),
            "remembered"
        );
    }
    world.clock.advance(Duration::from_millis(1));
    for remembers in [&world.service, &others[0]] {
        assert!(
            remembers.authenticate(&secret).await.unwrap().is_none(),
            "forgotten"
        );
    }
    // Revoking twice is no error, and nobody else's token is found.
    others[0].revoke_token(world.tenant, &id).await.unwrap();
    let nobodys = world.service.revoke_token(world.tenant, "nobody's").await;
    assert_not_found(nobodys, Thing::Token);
    let stranger = super::world::stranger(&world).await;
    assert_not_found(
        world.service.revoke_token(stranger.tenant, &id).await,
        Thing::Token,
    );
}

#[tokio::test]
async fn memory_follows_the_monotonic_clock() {
    let world = World::new().await;
    let (id, secret) = world
        .service
        .create_token(world.tenant, new_token("doomed"))
        .await
        .unwrap();
    assert!(world.service.authenticate(&secret).await.unwrap().is_some());
    world.service.revoke_token(world.tenant, &id).await.unwrap();
    // Somebody sets the wall clock back: what was remembered is forgotten all the same.
    world.clock.jump_wall(-3_600_000);
    world.clock.advance(Duration::from_millis(500));
    assert!(world.service.authenticate(&secret).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_token_is_refused_alike() {
    let world = World::new().await;
    let (_, secret) = world
        .service
        .create_token(world.tenant, new_token("real"))
        .await
        .unwrap();
    let swapped = secret.replacen('_', "-", 1);
    let cut = &secret[..secret.len() - 1];
    let unknown = guildhall_domain::access::token_from([7; 32]);
    for wrong in [
        "",
        "guild_",
        "x",
        &swapped,
        cut,
        &unknown,
        &secret.to_uppercase(),
        &format!("{secret} "),
    ] {
        let answer = world.service.authenticate(wrong).await.unwrap();
        assert!(answer.is_none(), "{wrong:?}");
    }
}

#[tokio::test]
async fn a_token_says_who_calls() {
    let world = World::new().await;
    let new = NewToken {
        role: Role::Agent,
        scopes: Some(vec![Scope::ReadOrganization, Scope::ReadCustomer]),
        account: Some("account:1".into()),
        ..new_token(" an agent ")
    };
    let (id, secret) = world.service.create_token(world.tenant, new).await.unwrap();
    let who = world.service.authenticate(&secret).await.unwrap().unwrap();
    let scopes: Vec<_> = who.caller.scopes.iter().collect();
    assert_eq!(scopes, [Scope::ReadOrganization, Scope::ReadCustomer]);
    assert_eq!((who.caller.tenant, &who.caller.token_id), (world.tenant, &id));
    assert_eq!(
        (who.caller.role, who.caller.account.as_deref()),
        (Role::Agent, Some("account:1"))
    );
    assert_eq!(who.cloud_id, world.who.cloud_id);

    let listed = world.service.tokens(world.tenant).await.unwrap();
    let listed = listed.iter().find(|token| token.id == id).unwrap();
    assert_eq!(
        (listed.name.as_str(), listed.role.as_str()),
        ("an agent", "agent")
    );
    assert!(secret.ends_with(&listed.last4) && listed.last4.len() == 4);
    assert!(!format!("{listed:?}").contains(&secret), "never the secret");
    assert_eq!(
        (listed.created_at, listed.expires_at),
        (START, START.plus(90 * DAY))
    );
    let blank = world.service.create_token(world.tenant, new_token(" ")).await;
    assert!(matches!(blank, Err(Error::Rejected(Rejection::Invalid { .. }))));
}

#[tokio::test]
async fn the_last_use_is_recorded_when_it_is_told_to() {
    let world = World::new().await;
    let (id, secret) = world
        .service
        .create_token(world.tenant, new_token("used"))
        .await
        .unwrap();
    let last_used = async || {
        let tokens = world.service.tokens(world.tenant).await.unwrap();
        tokens
            .into_iter()
            .find(|token| token.id == id)
            .unwrap()
            .last_used_at
    };
    world.service.record_token_use().await.unwrap();
    assert_eq!(last_used().await, None);
    world.clock.advance(Duration::from_secs(10));
    world.service.authenticate(&secret).await.unwrap().unwrap();
    assert_eq!(last_used().await, None, "using it writes nothing");
    world.service.record_token_use().await.unwrap();
    assert_eq!(last_used().await, Some(Timestamp(START.0 + 10_000)));
    world.clock.advance(Duration::from_secs(60));
    world.service.record_token_use().await.unwrap();
    assert_eq!(
        last_used().await,
        Some(Timestamp(START.0 + 10_000)),
        "not used since"
    );
    world.service.authenticate(&secret).await.unwrap().unwrap();
    world.service.record_token_use().await.unwrap();
    assert_eq!(last_used().await, Some(Timestamp(START.0 + 70_000)));
}
