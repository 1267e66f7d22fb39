//! Our AWS: the few calls that we make, in our own types. Calls AWS.
//!
//! `aws_sdk_*` types appear under this folder only.

mod account;
mod cloudformation;
mod connection;
pub mod convert;
mod ec2;
mod elasticache;
pub mod fault;
mod lambda;
mod meter;
mod pricing;
mod secrets;

use aws_config::{Region, SdkConfig};

pub(crate) use cloudformation::Told;
pub use connection::{Connection, Endpoints, SERVICES};
pub use elasticache::Found;
pub use fault::{Class, Fault};
use meter::Counting;

/// The services that a cluster lives in, Lambda for handing work on, CloudFormation for what it waits for, and the price
/// list.
#[derive(Clone, Debug)]
pub struct Aws {
    cloudformation: aws_sdk_cloudformation::Client,
    elasticache: aws_sdk_elasticache::Client,
    ec2: aws_sdk_ec2::Client,
    lambda: aws_sdk_lambda::Client,
    pricing: Option<aws_sdk_pricing::Client>,
    secrets: aws_sdk_secretsmanager::Client,
    region: String,
}

impl Aws {
    /// Clients from one configuration; nothing is looked up before the first call.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Aws {
        macro_rules! client {
            ($sdk:ident) => {
                $sdk::Client::from_conf($sdk::config::Builder::from(config).interceptor(Counting).build())
            };
        }
        Aws {
            cloudformation: client!(aws_sdk_cloudformation),
            elasticache: client!(aws_sdk_elasticache),
            ec2: client!(aws_sdk_ec2),
            lambda: client!(aws_sdk_lambda),
            pricing: pricing::client(config),
            secrets: client!(aws_sdk_secretsmanager),
            region: config.region().map(Region::to_string).unwrap_or_default(),
        }
    }

    /// The region that everything is in.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }
}
