//! The Price List: `GetProducts` with documents of the shape that AWS publishes. The prices in them are examples; those of
//! AWS differ and change.

use serde_json::{Value, json};

use crate::wire::tree::text;
use crate::world::{Answer, AwsError, Call, Right, World};

/// The one service whose prices are known here.
const SERVICE: &str = "AmazonElastiCache";
/// Products on one page: the default and the most that AWS gives.
const MAX_RESULTS: usize = 100;

/// State of the service.
#[derive(Debug)]
pub struct PriceList {
    /// All products with their terms.
    pub products: Vec<Value>,
    /// What the next answers hold, whatever is asked for; `None` for the products that match.
    pub instead: Option<Vec<String>>,
    /// Products on one page.
    pub page_size: usize,
}

impl Default for PriceList {
    fn default() -> PriceList {
        let mut products = Vec::new();
        for (region, prefix, location, factor) in
            [("us-east-1", "", "US East (N. Virginia)", 1.0), ("eu-west-1", "EU-", "EU (Ireland)", 1.125)]
        {
            let place = Place { region, prefix, location };
            for (node_type, redis) in [("cache.t4g.micro", 0.016), ("cache.r7g.xlarge", 0.437)] {
                products.push(place.node(node_type, "Redis", redis * factor));
                products.push(place.node(node_type, "Memcached", redis * factor));
                products.push(place.node(node_type, "Valkey", redis * 0.8 * factor));
                products.push(place.extended_support(node_type, redis * 0.8 * factor));
            }
        }
        PriceList { products, instead: None, page_size: MAX_RESULTS }
    }
}

impl PriceList {
    /// The permissions that `call` needs.
    #[must_use]
    pub fn rights(call: &Call) -> Vec<Right> {
        vec![Right::new(format!("pricing:{}", call.action), "*")]
    }

    /// Handles one call.
    pub fn handle(world: &mut World, call: &Call) -> Answer {
        match call.action.as_str() {
            "GetProducts" => world.prices.products(&call.params),
            other => Err(AwsError::new("UnknownOperationException", format!("{other} is not played here"))),
        }
    }

    /// Every filter must match; the documents are texts within the answer. `NextToken` is where the next page starts.
    fn products(&self, params: &Value) -> Answer {
        let service = text(params, "ServiceCode").unwrap_or_default();
        if service != SERVICE {
            return Err(AwsError::new("InvalidParameterException", format!("Service code {service} is invalid.")));
        }
        if let Some(documents) = &self.instead {
            return Ok(json!({"FormatVersion": "aws_v1", "PriceList": documents}));
        }
        let filters = params["Filters"].as_array().cloned().unwrap_or_default();
        let matching = self.products.iter().filter(|product| filters.iter().all(|filter| matches(product, filter)));
        let found: Vec<Value> = matching.map(|product| json!(product.to_string())).collect();
        let start: usize = match text(params, "NextToken") {
            Some(token) => token
                .parse()
                .map_err(|_| AwsError::new("InvalidNextTokenException", "The pagination token is invalid."))?,
            None => 0,
        };
        let page: Vec<&Value> = found.iter().skip(start).take(self.page_size).collect();
        let mut answer = json!({"FormatVersion": "aws_v1", "PriceList": page});
        if start + self.page_size < found.len() {
            answer["NextToken"] = json!((start + self.page_size).to_string());
        }
        Ok(answer)
    }
}

fn matches(product: &Value, filter: &Value) -> bool {
    let (field, value) = (text(filter, "Field").unwrap_or_default(), &filter["Value"]);
    match field {
        "ServiceCode" => *value == SERVICE,
        "productFamily" => product["product"]["productFamily"] == *value,
        attribute => product["product"]["attributes"][attribute] == *value,
    }
}

/// A region as price lists write it.
#[derive(Clone, Copy)]
struct Place {
    region: &'static str,
    /// In front of usage types; nothing in the oldest region.
    prefix: &'static str,
    location: &'static str,
}

impl Place {
    /// A node on demand, and reserved for a year.
    fn node(self, node_type: &str, engine: &str, hourly: f64) -> Value {
        let Place { region, prefix, location } = self;
        let sku = sku(&format!("{region}{node_type}{engine}"));
        let attributes = json!({
            "servicecode": SERVICE, "servicename": "Amazon ElastiCache", "location": location,
            "locationType": "AWS Region", "regionCode": region, "instanceType": node_type, "currentGeneration": "Yes",
            "cacheEngine": engine, "usagetype": format!("{prefix}NodeUsage:{node_type}"),
            "operation": format!("CreateCacheCluster:{engine}"),
        });
        let description = format!("${hourly:.4} per {node_type} node hour running {engine}");
        let upfront = [dimension("Upfront Fee", "Quantity", hourly * 5000.0)];
        document(
            &sku,
            "Cache Instance",
            &attributes,
            &json!({
                "OnDemand": {format!("{sku}.JRTCKXETXF"): term(&[dimension(&description, "Hrs", hourly)])},
                "Reserved": {format!("{sku}.6QCMYABX3D"): term(&upfront)},
            }),
        )
    }

    /// What an old version of Redis OSS costs on top.
    fn extended_support(self, node_type: &str, hourly: f64) -> Value {
        let Place { region, prefix, location } = self;
        let sku = sku(&format!("{region}{node_type}ExtendedSupport"));
        let attributes = json!({
            "servicecode": SERVICE, "servicename": "Amazon ElastiCache", "location": location,
            "locationType": "AWS Region", "regionCode": region, "instanceType": node_type, "cacheEngine": "Redis",
            "usagetype": format!("{prefix}ExtendedSupport-NodeUsage:{node_type}"),
        });
        let terms =
            json!({"OnDemand": {format!("{sku}.JRTCKXETXF"): term(&[dimension("Extended Support", "Hrs", hourly)])}});
        document(&sku, "Cache Instance", &attributes, &terms)
    }
}

fn document(sku: &str, family: &str, attributes: &Value, terms: &Value) -> Value {
    json!({
        "product": {"productFamily": family, "attributes": attributes, "sku": sku},
        "serviceCode": SERVICE,
        "terms": terms,
        "version": "20261030210304",
        "publicationDate": "2026-10-30T21:03:04Z",
    })
}

fn dimension(description: &str, unit: &str, usd: f64) -> Value {
    json!({
        "unit": unit, "beginRange": "0", "endRange": "Inf", "description": description, "appliesTo": [],
        "pricePerUnit": {"USD": format!("{usd:.10}")},
    })
}

fn term(dimensions: &[Value]) -> Value {
    let named = dimensions.iter().enumerate().map(|(n, dimension)| (format!("RATE{n}"), dimension.clone()));
    json!({
        "effectiveDate": "2026-10-01T00:00:00Z",
        "priceDimensions": named.collect::<serde_json::Map<_, _>>(),
        "termAttributes": {},
    })
}

/// Sixteen letters and digits that look like a SKU.
fn sku(of: &str) -> String {
    let number = of
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{number:016X}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(list: &PriceList, filters: &[(&str, &str)], token: Option<&str>) -> Answer {
        let filters: Vec<Value> = filters
            .iter()
            .map(|(field, value)| json!({"Type": "TERM_MATCH", "Field": field, "Value": value}))
            .collect();
        list.products(&json!({"ServiceCode": SERVICE, "Filters": filters, "NextToken": token}))
    }

    #[test]
    fn products_match_every_filter() {
        let list = PriceList::default();
        let filters = [("regionCode", "eu-west-1"), ("instanceType", "cache.t4g.micro"), ("cacheEngine", "Valkey")];
        let answer = ask(&list, &filters, None).unwrap();
        let documents = answer["PriceList"].as_array().unwrap();
        assert_eq!(documents.len(), 1);
        let document: Value = serde_json::from_str(documents[0].as_str().unwrap()).unwrap();
        assert_eq!(document["product"]["attributes"]["usagetype"], "EU-NodeUsage:cache.t4g.micro");
        let redis = [("instanceType", "cache.t4g.micro"), ("cacheEngine", "Redis"), ("regionCode", "us-east-1")];
        assert_eq!(ask(&list, &redis, None).unwrap()["PriceList"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn pages_follow_each_other() {
        let list = PriceList { page_size: 10, ..PriceList::default() };
        let first = ask(&list, &[], None).unwrap();
        assert_eq!((first["PriceList"].as_array().unwrap().len(), &first["NextToken"]), (10, &json!("10")));
        let second = ask(&list, &[], Some("10")).unwrap();
        assert_eq!((second["PriceList"].as_array().unwrap().len(), &second["NextToken"]), (6, &Value::Null));
        assert_eq!(ask(&list, &[], Some("x")).unwrap_err().code, "InvalidNextTokenException");
        assert_eq!(list.products(&json!({"ServiceCode": "AmazonEC2"})).unwrap_err().code, "InvalidParameterException");
    }
}
