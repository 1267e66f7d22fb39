//! The AWS Price List: what a node costs where the built-in table ends. Calls AWS, reading only.

use aws_config::{Region, SdkConfig};
use aws_sdk_pricing::config::Builder;
use aws_sdk_pricing::types::{Filter, FilterType};

use super::meter::Counting;
use super::{Aws, Fault};
use crate::cost::NodeKind;

const ACTION: &str = "pricing:GetProducts";

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
pub(super) fn client(config: &SdkConfig) -> Option<aws_sdk_pricing::Client> {
    let region = api_region(config.region().map(Region::as_ref).unwrap_or_default())?;
    let config = Builder::from(config).region(Region::from_static(region)).interceptor(Counting).build();
    Some(aws_sdk_pricing::Client::from_conf(config))
}

impl Aws {
    /// The documents of the price list about nodes of this kind; none where there is no price list.
    pub(crate) async fn price_documents(&self, kind: NodeKind<'_>) -> Result<Vec<String>, Fault> {
        let Some(client) = &self.pricing else { return Ok(Vec::new()) };
        let wanted = [
            ("regionCode", kind.region),
            ("locationType", "AWS Region"),
            ("instanceType", kind.node_type),
            ("cacheEngine", kind.listed_engine()),
        ];
        let mut call = client.get_products().service_code("AmazonElastiCache");
        for (field, value) in wanted {
            let filter = Filter::builder().r#type(FilterType::TermMatch).field(field).value(value).build();
            call = call.filters(filter.map_err(|error| Fault::unsent(ACTION, kind.node_type, &error))?);
        }
        let mut pages = call.into_paginator().send();
        let mut documents = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| Fault::new(ACTION, kind.node_type, &e))?;
            documents.extend_from_slice(page.price_list());
        }
        Ok(documents)
    }
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
