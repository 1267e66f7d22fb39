//! Real servers behind real endpoints.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult, TlsCertificates};

use super::fleet::{Fleet, Ready};
use super::tls::Authority;
use super::{Access, NodeSpec, Tls, find_server};

/// The server program; `None` skips the test, which only happens where no server is installed and none is required.
fn program(test: &str) -> Option<PathBuf> {
    let found = find_server(None);
    if found.is_none() {
        assert!(std::env::var_os("REQUIRE_VALKEY").is_none(), "no cache server: set VALKEY_SERVER to its path");
        println!("SKIPPED {test}: no valkey-server or redis-server on the PATH, and VALKEY_SERVER is not set");
    }
    found
}

struct Cache {
    fleet: Fleet,
    authority: Arc<Authority>,
    _dir: tempfile::TempDir,
}

impl Cache {
    fn new(test: &str) -> Option<Cache> {
        let program = program(test)?;
        let dir = tempfile::tempdir().unwrap();
        let authority = Arc::new(Authority::new().unwrap());
        Some(Cache { fleet: Fleet::new(&program, dir.path(), Arc::clone(&authority)), authority, _dir: dir })
    }

    /// Steps until every wanted member is ready.
    async fn run(&mut self, wanted: &[NodeSpec]) -> Ready {
        for _ in 0..200 {
            let ready = self.fleet.step(wanted).await;
            if ready.members.len() == wanted.len() {
                return ready;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the nodes do not get ready");
    }

    async fn plain(&self, address: SocketAddr, password: Option<&str>) -> RedisResult<MultiplexedConnection> {
        let addr = ConnectionAddr::Tcp(address.ip().to_string(), address.port());
        Client::open(addr.into_connection_info()?.set_redis_settings(credentials(password)))?
            .get_multiplexed_async_connection()
            .await
    }

    async fn tls(&self, address: SocketAddr, password: Option<&str>) -> RedisResult<MultiplexedConnection> {
        let url = format!("rediss://{address}").into_connection_info()?.set_redis_settings(credentials(password));
        let root_cert = Some(self.authority.pem().as_bytes().to_vec());
        Client::build_with_tls(url, TlsCertificates { client_tls: None, root_cert })?
            .get_multiplexed_async_connection()
            .await
    }
}

fn credentials(password: Option<&str>) -> RedisConnectionInfo {
    let credentials = RedisConnectionInfo::default();
    password.map_or(credentials.clone(), |password| credentials.set_password(password))
}

async fn set(connection: RedisResult<MultiplexedConnection>, value: &str) -> RedisResult<()> {
    redis::cmd("SET").arg("key").arg(value).query_async(&mut connection?).await
}

async fn get(connection: RedisResult<MultiplexedConnection>) -> RedisResult<String> {
    redis::cmd("GET").arg("key").query_async(&mut connection?).await
}

fn node(member: &str, replica_of: Option<&str>, tokens: &[&str], tls: Tls) -> NodeSpec {
    let access =
        Access { tokens: tokens.iter().map(|&token| token.to_owned()).collect(), anonymous: tokens.is_empty() };
    NodeSpec {
        group: "app".to_owned(),
        member: member.to_owned(),
        replica_of: replica_of.map(str::to_owned),
        access,
        tls,
        restored_from: None,
    }
}

#[tokio::test]
async fn a_tls_group_with_a_token_replicates_and_refuses_everybody_else() {
    let Some(mut cache) = Cache::new("a_tls_group_with_a_token_replicates") else { return };
    let tokens = ["token-of-the-test-1"];
    let primary = node("app-001", None, &tokens, Tls::Required);
    let replica = node("app-002", Some("app-001"), &tokens, Tls::Required);
    let ready = cache.run(&[primary.clone(), replica.clone()]).await;
    let [(_, main, reader)] = ready.groups[..] else { panic!("{ready:?}") };

    let token = Some(tokens[0]);
    set(cache.tls(main, token).await, "v1").await.unwrap();
    assert!(set(cache.tls(reader, token).await, "v2").await.unwrap_err().to_string().contains("replica"));
    let mut copied = String::new();
    while copied != "v1" {
        copied = get(cache.tls(reader, token).await).await.unwrap_or_default();
    }
    assert!(get(cache.tls(main, None).await).await.unwrap_err().to_string().contains("NOAUTH"));
    assert!(cache.tls(main, Some("another-token-1234")).await.is_err());
    assert!(get(cache.plain(main, token).await).await.is_err());

    // The replica takes over, and the old primary follows it.
    let promoted = NodeSpec { replica_of: None, ..replica };
    let demoted = NodeSpec { replica_of: Some("app-002".to_owned()), ..primary };
    cache.run(&[demoted, promoted.clone()]).await;
    set(cache.tls(main, token).await, "v3").await.unwrap();
    // Alone, it serves the reader endpoint too.
    cache.run(&[promoted]).await;
    assert_eq!(get(cache.tls(reader, token).await).await.unwrap(), "v3");
}

#[tokio::test]
async fn a_rotated_token_leaves_the_old_one_valid_until_it_is_set() {
    let Some(mut cache) = Cache::new("a_rotated_token_leaves_the_old_one_valid") else { return };
    let mut spec = node("app-001", None, &["token-number-one"], Tls::Required);
    let ready = cache.run(&[spec.clone()]).await;
    let address = ready.members[0].1;
    spec.access.tokens.push("token-number-two".to_owned());
    cache.run(&[spec.clone()]).await;
    for token in ["token-number-one", "token-number-two"] {
        set(cache.tls(address, Some(token)).await, token).await.unwrap();
    }
    spec.access.tokens.remove(0);
    cache.run(&[spec.clone()]).await;
    assert!(cache.tls(address, Some("token-number-one")).await.is_err());
    get(cache.tls(address, Some("token-number-two")).await).await.unwrap();
}

#[tokio::test]
async fn a_first_token_is_valid_before_it_is_needed() {
    let Some(mut cache) = Cache::new("a_first_token_is_valid_before_it_is_needed") else { return };
    let mut spec = node("app-001", None, &[], Tls::Off);
    let address = cache.run(&[spec.clone()]).await.members[0].1;
    set(cache.plain(address, None).await, "open").await.unwrap();
    assert!(cache.plain(address, Some("token-number-one")).await.is_err(), "no password is set");
    spec.access.tokens.push("token-number-one".to_owned());
    cache.run(&[spec.clone()]).await;
    for password in [None, Some("token-number-one")] {
        assert_eq!(get(cache.plain(address, password).await).await.unwrap(), "open");
    }
    assert!(cache.plain(address, Some("token-number-two")).await.is_err());
    spec.access.anonymous = false;
    cache.run(&[spec]).await;
    assert!(get(cache.plain(address, None).await).await.is_err());
}

#[tokio::test]
async fn tls_moves_through_preferred_and_drops_what_is_no_longer_allowed() {
    let Some(mut cache) = Cache::new("tls_moves_through_preferred") else { return };
    let mut spec = node("app-001", None, &[], Tls::Off);
    let address = cache.run(&[spec.clone()]).await.members[0].1;
    let plain = cache.plain(address, None).await;
    set(plain.clone(), "v").await.unwrap();
    assert!(cache.tls(address, None).await.is_err());

    spec.tls = Tls::Preferred;
    cache.run(&[spec.clone()]).await;
    assert_eq!(get(plain.clone()).await.unwrap(), "v");
    assert_eq!(get(cache.tls(address, None).await).await.unwrap(), "v");
    assert_eq!(get(cache.plain(address, None).await).await.unwrap(), "v");

    spec.tls = Tls::Required;
    cache.run(&[spec.clone()]).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(get(plain).await.is_err(), "the open plain connection is closed");
    assert!(get(cache.plain(address, None).await).await.is_err());
    assert_eq!(get(cache.tls(address, None).await).await.unwrap(), "v");
}
