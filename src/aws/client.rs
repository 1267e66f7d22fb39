//! The clients of the AWS SDK, from one configuration. Calls AWS.

use aws_config::{Region, SdkConfig};

use super::meter::Counting;

/// The services that a cluster lives in, CloudWatch for its alarms, Lambda for handing work on, CloudFormation for what it
/// waits for, and the price list.
#[derive(Clone, Debug)]
pub struct Aws {
    pub(super) cloudformation: aws_sdk_cloudformation::Client,
    pub(super) cloudwatch: aws_sdk_cloudwatch::Client,
    pub(super) elasticache: aws_sdk_elasticache::Client,
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) lambda: aws_sdk_lambda::Client,
    pub(super) pricing: Option<aws_sdk_pricing::Client>,
    pub(super) secrets: aws_sdk_secretsmanager::Client,
    pub(super) region: String,
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
            cloudwatch: client!(aws_sdk_cloudwatch),
            elasticache: client!(aws_sdk_elasticache),
            ec2: client!(aws_sdk_ec2),
            lambda: client!(aws_sdk_lambda),
            pricing: pricing_client(config),
            secrets: client!(aws_sdk_secretsmanager),
            region: config.region().map(Region::to_string).unwrap_or_default(),
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

/// A client, where there is an API.
fn pricing_client(config: &SdkConfig) -> Option<aws_sdk_pricing::Client> {
    let region = api_region(config.region().map(Region::as_ref).unwrap_or_default())?;
    let config = aws_sdk_pricing::config::Builder::from(config)
        .region(Region::from_static(region))
        .interceptor(Counting)
        .build();
    Some(aws_sdk_pricing::Client::from_conf(config))
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
