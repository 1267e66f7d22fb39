//! A client that lives through rotations of its password: `rotating-client <ARN of the secret>`
//!
//! The password is read from Secrets Manager and kept. When the cache refuses it, it was rotated: it is read again, and the
//! command is sent once more. Prints the result of each command, until its input ends.

use std::error::Error;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use redis::aio::MultiplexedConnection;
use redis::{Client, Cmd, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError};

type Failure = Box<dyn Error>;

struct Cache {
    secrets: aws_sdk_secretsmanager::Client,
    secret_id: String,
    connection: Option<MultiplexedConnection>,
}

impl Cache {
    async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        let value = self.secrets.get_secret_value().secret_id(&self.secret_id).send().await?;
        let secret: serde_json::Value = serde_json::from_str(value.secret_string().unwrap_or_default())?;
        let text = |key: &str| secret[key].as_str().unwrap_or_default();
        let credentials = RedisConnectionInfo::default().set_username(text("username")).set_password(text("password"));
        // `rediss` checks certificate and host name.
        let place = format!("rediss://{}:{}", text("host"), secret["port"]);
        let client = Client::open(place.into_connection_info()?.set_redis_settings(credentials))?;
        Ok(client.get_multiplexed_async_connection().await?)
    }

    async fn command(&mut self, command: &Cmd) -> Result<i64, Failure> {
        let mut tries = 0;
        loop {
            let failure = match self.try_command(command).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            tries += 1;
            if tries == 3 || !needs_new_connection(&*failure) {
                return Err(failure);
            }
            self.connection = None;
        }
    }

    async fn try_command(&mut self, command: &Cmd) -> Result<i64, Failure> {
        let mut connection = match &self.connection {
            Some(connection) => connection.clone(),
            None => self.connect().await?,
        };
        let value = command.query_async(&mut connection).await?;
        self.connection = Some(connection);
        Ok(value)
    }
}

/// A refused password comes with a rotation, a broken connection with a failover.
fn needs_new_connection(failure: &(dyn Error + 'static)) -> bool {
    let failure = failure.downcast_ref::<RedisError>();
    failure.is_some_and(|error| {
        let refused = error.kind() == ErrorKind::AuthenticationFailed;
        refused || error.code() == Some("NOAUTH") || error.is_io_error() || error.is_connection_dropped()
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let region = std::env::var("AWS_REGION").ok().map(Region::new);
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(region)
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .http_client(
            aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https(),
        )
        .load()
        .await;
    let secret_id = std::env::args().nth(1).ok_or("name the secret")?;
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    let mut cache = Cache { secrets, secret_id, connection: None };
    let ended = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&ended);
    std::thread::spawn(move || {
        // However the input ends, the client does.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        seen.store(true, Ordering::Relaxed);
    });
    let mut out = std::io::stdout();
    while !ended.load(Ordering::Relaxed) {
        let visits = cache.command(redis::cmd("INCR").arg("visits")).await?;
        writeln!(out, "{visits}")?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
