//! The AWS Price List: what a node costs where the built-in table ends. Calls AWS, reading only.

use aws_sdk_pricing::types::{Filter, FilterType};

use super::client::Aws;
use super::fault::Fault;
use crate::cost::NodeKind;

const ACTION: &str = "pricing:GetProducts";

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
