//! The process around the function: logs, connections, the Lambda runtime. Nothing is looked up before the first event.

use std::sync::OnceLock;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use elasticache_resource::aws::Aws;
use elasticache_resource::{Function, Settings, logs};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;

/// Longest pause between two looks when `POLL_INTERVAL_MS` is not set.
const POLL_INTERVAL_MS: u64 = 5000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logs::init();
    let http = SharedHttpConnector::new(LazyConnector::default());
    let for_clients = http.clone();
    let config = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned())))
        .credentials_provider(aws_config::environment::EnvironmentVariableCredentialsProvider::new())
        .http_client(http_client_fn(move |_, _| for_clients.clone()))
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(20)).build())
        .load()
        .await;
    let poll = variable("POLL_INTERVAL_MS").and_then(|text| text.parse().ok()).unwrap_or(POLL_INTERVAL_MS);
    let settings = Settings {
        poll_interval: Duration::from_millis(poll),
        log_stream: variable("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_default(),
        reaches_caches: variable("CACHE_NETWORK_ACCESS").is_some_and(|text| text == "true"),
    };
    let function = Function::new(Aws::new(&config), http, settings);
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| function.handle(event))).await
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The one HTTP client of the process, made at its first use: loading the root certificates takes longer than everything
/// else at start.
#[derive(Debug, Default)]
struct LazyConnector(OnceLock<Connector>);

impl HttpConnector for LazyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let make = || Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
        self.0.get_or_init(make).call(request)
    }
}
