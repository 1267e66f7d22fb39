//! A connection to a cache, to see that a token opens it. Connects; calls no AWS.

use std::time::Duration;

use redis::{Client, IntoConnectionInfo, RedisConnectionInfo, RedisResult};

use crate::domain::secret::AuthToken;

/// How long a cache may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects with TLS, checks the certificate against the authorities of the system, and logs in.
///
/// # Errors
/// Why that does not work, without the token.
pub(super) async fn try_token(host: &str, port: u16, token: &AuthToken) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE, ping(host, port, token)).await {
        Ok(result) => result.map_err(|error| error.to_string().replace(token.expose(), "[redacted]")),
        Err(_) => Err(format!("no answer of {host}:{port} in {} s", PATIENCE.as_secs())),
    }
}

async fn ping(host: &str, port: u16, token: &AuthToken) -> RedisResult<()> {
    let credentials = RedisConnectionInfo::default().set_password(token.expose());
    let info = format!("rediss://{host}:{port}").into_connection_info()?.set_redis_settings(credentials);
    let mut connection = Client::open(info)?.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}
