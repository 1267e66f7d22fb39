//! The clients of the AWS SDK, from one configuration. Calls AWS.

use std::sync::{Arc, LazyLock};

use aws_config::{Region, SdkConfig};

use super::meter::Counting;

/// A client that is made at its first call: each reads a table of AWS's regions of its own, which together take more time
/// than everything else at the start of the function, and no request needs them all.
type OnCall<C> = Arc<LazyLock<C, Box<dyn FnOnce() -> C + Send>>>;

/// The services that a cluster lives in, CloudWatch for its alarms, Lambda for handing work on, CloudFormation for what it
/// waits for, and the price list.
#[derive(Clone, Debug)]
pub struct Aws {
    pub(super) cloudformation: OnCall<aws_sdk_cloudformation::Client>,
    pub(super) cloudwatch: OnCall<aws_sdk_cloudwatch::Client>,
    pub(super) elasticache: OnCall<aws_sdk_elasticache::Client>,
    pub(super) ec2: OnCall<aws_sdk_ec2::Client>,
    pub(super) lambda: OnCall<aws_sdk_lambda::Client>,
    pub(super) pricing: Option<OnCall<aws_sdk_pricing::Client>>,
    pub(super) secrets: OnCall<aws_sdk_secretsmanager::Client>,
    pub(super) region: String,
}

/// Makes a client of `$sdk` when it is called, where `$config` says.
macro_rules! on_call {
    ($sdk:ident, $config:expr) => {{
        let config = $sdk::config::Builder::from($config).interceptor(Counting);
        Arc::new(LazyLock::new(Box::new(move || $sdk::Client::from_conf(config.build())) as Box<_>))
    }};
}

impl Aws {
    /// Clients from one configuration; nothing is looked up before the first call.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Aws {
        let region = config.region().map(Region::to_string).unwrap_or_default();
        Aws {
            cloudformation: on_call!(aws_sdk_cloudformation, config),
            cloudwatch: on_call!(aws_sdk_cloudwatch, config),
            elasticache: on_call!(aws_sdk_elasticache, config),
            ec2: on_call!(aws_sdk_ec2, config),
            lambda: on_call!(aws_sdk_lambda, config),
            pricing: api_region(&region).map(|nearest| {
                on_call!(aws_sdk_pricing, &config.to_builder().region(Region::from_static(nearest)).build())
            }),
            secrets: on_call!(aws_sdk_secretsmanager, config),
            region,
        }
    }

    /// The region that everything is in.
    pub(crate) fn region(&self) -> &str {
        &self.region
    }
}

/// The nearest of the three regions that have the API; each knows the prices of all. `None` outside the partition `aws`:
/// GovCloud has no such API and its credentials are not good elsewhere, and the others list prices in other currencies or
/// not for the public.
fn api_region(region: &str) -> Option<&'static str> {
    let is_in = |places: &[&str]| places.iter().any(|place| region.starts_with(place));
    if region.is_empty() || is_in(&["cn-", "us-gov-", "us-iso", "eu-iso", "eusc-"]) {
        return None;
    }
    Some(match region {
        _ if is_in(&["eu-", "me-", "af-", "il-"]) => "eu-central-1",
        _ if is_in(&["ap-"]) => "ap-south-1",
        _ => "us-east-1",
    })
}

#[cfg(test)]
mod tests {
    use super::api_region;

    #[test]
    fn the_price_list_is_asked_nearby_and_only_where_there_is_one() {
        for (region, api) in [
            ("us-east-1", Some("us-east-1")),
            ("ca-central-1", Some("us-east-1")),
            ("sa-east-1", Some("us-east-1")),
            ("eu-west-3", Some("eu-central-1")),
            ("il-central-1", Some("eu-central-1")),
            ("ap-southeast-2", Some("ap-south-1")),
            ("cn-north-1", None),
            ("us-gov-west-1", None),
            ("us-iso-east-1", None),
            ("us-isob-east-1", None),
            ("eu-isoe-west-1", None),
            ("eusc-de-east-1", None),
            ("", None),
        ] {
            assert_eq!(api_region(region), api, "{region}");
        }
    }
}
