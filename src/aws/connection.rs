//! How AWS is reached: everything that the SDK would take from the environment itself is said here. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::service_config::{LoadServiceConfig, ServiceConfigKey};

/// The services that the function calls, as the SDK names them.
pub const SERVICES: [&str; 7] =
    ["CloudFormation", "CloudWatch", "EC2", "ElastiCache", "Lambda", "Pricing", "Secrets Manager"];

/// Most tries of one call by the SDK.
const MAX_TRIES: u32 = 4;
/// Longest that one of them may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(20);

/// How AWS is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The region that everything is in.
    pub region: String,
    /// Addresses in place of AWS's own.
    pub endpoints: Endpoints,
    /// Whether the addresses with validated cryptography are called.
    pub use_fips: bool,
    /// Whether the addresses with IPv6 are called.
    pub use_dual_stack: bool,
}

/// Addresses in place of AWS's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// For every service without its own.
    pub all: Option<String>,
    /// For one of [`SERVICES`].
    pub own: BTreeMap<&'static str, String>,
}

impl Connection {
    /// The configuration of the SDK's clients. Nothing of it is looked up: not in the environment, where an empty
    /// variable would break a client, and not in files, of which a function has none. Only the credentials are read when
    /// they are needed.
    #[must_use]
    pub fn config(&self, http: &SharedHttpConnector) -> SdkConfig {
        let http = http.clone();
        let credentials = EnvironmentVariableCredentialsProvider::new();
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .service_config(self.endpoints.clone())
            .use_fips(self.use_fips)
            .use_dual_stack(self.use_dual_stack)
            .http_client(SharedHttpClient::new(http_client_fn(move |_, _| http.clone())))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .time_source(SystemTimeSource::new())
            .retry_config(RetryConfig::standard().with_max_attempts(MAX_TRIES))
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(TRY_TIMEOUT).build())
            .build()
    }
}

impl LoadServiceConfig for Endpoints {
    fn load_config(&self, key: ServiceConfigKey<'_>) -> Option<String> {
        let wanted = (key.env() == "AWS_ENDPOINT_URL").then_some(self)?;
        wanted.own.get(key.service_id()).or(wanted.all.as_ref()).cloned()
    }
}
