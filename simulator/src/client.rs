//! A client of a cache: over TLS the certificate is checked, against the one that is trusted.

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
    /// Password of the default user, where one is needed.
    pub(crate) password: Option<String>,
}

impl Cache {
    /// With the password.
    pub(crate) async fn connect(&self, endpoint: &str, tls: bool) -> RedisResult<MultiplexedConnection> {
        let scheme = if tls { "rediss" } else { "redis" };
        let credentials = RedisConnectionInfo::default();
        let credentials = self.password.iter().fold(credentials, RedisConnectionInfo::set_password);
        let info = format!("{scheme}://{endpoint}").into_connection_info()?.set_redis_settings(credentials);
        let certificates = TlsCertificates { client_tls: None, root_cert: Some(self.authority.clone().into_bytes()) };
        let client = if tls { Client::build_with_tls(info, certificates)? } else { Client::open(info)? };
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// The same cache for somebody who does not know the password.
    pub(crate) fn without_password(&self) -> Cache {
        Cache { password: None, ..self.clone() }
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
