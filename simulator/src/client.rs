//! A client of the cache: TLS with the run's authority trusted and certificates checked.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, RedisConnectionInfo, RedisResult, TlsCertificates};

/// How long one command may take. Real time.
const PATIENCE: Duration = Duration::from_secs(3);

/// How to connect.
#[derive(Clone)]
pub(crate) struct Cache {
    /// Certificate to trust, in PEM.
    pub(crate) authority: String,
    /// Password of the default user.
    pub(crate) password: String,
}

impl Cache {
    /// Over TLS with the password.
    pub(crate) async fn connect(&self, endpoint: &str) -> RedisResult<MultiplexedConnection> {
        self.open(&format!("rediss://{endpoint}"), RedisConnectionInfo::default().set_password(&self.password)).await
    }

    /// Over TLS without a password.
    pub(crate) async fn connect_without_password(&self, endpoint: &str) -> RedisResult<MultiplexedConnection> {
        self.open(&format!("rediss://{endpoint}"), RedisConnectionInfo::default()).await
    }

    /// Without TLS.
    pub(crate) async fn connect_plain(&self, endpoint: &str) -> RedisResult<MultiplexedConnection> {
        self.open(&format!("redis://{endpoint}"), RedisConnectionInfo::default().set_password(&self.password)).await
    }

    async fn open(&self, url: &str, login: RedisConnectionInfo) -> RedisResult<MultiplexedConnection> {
        let info = url.into_connection_info()?.set_redis_settings(login);
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(self.authority.clone().into_bytes()) };
        let client =
            if url.starts_with("rediss:") { Client::build_with_tls(info, certificates)? } else { Client::open(info)? };
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        client.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// SET over a fresh connection.
pub(crate) async fn set(connection: RedisResult<MultiplexedConnection>, key: &str, value: &str) -> RedisResult<()> {
    redis::cmd("SET").arg(key).arg(value).query_async(&mut connection?).await
}

/// GET over a fresh connection.
pub(crate) async fn get(connection: RedisResult<MultiplexedConnection>, key: &str) -> RedisResult<Option<String>> {
    redis::cmd("GET").arg(key).query_async(&mut connection?).await
}
