//! What a cluster costs: pure. A dated table first, then the documents of the AWS Price List; what neither says is not
//! invented.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::decimal::Decimal;
use crate::domain::engine::Engine;

/// When and where the prices below were read.
const BASIS: &str = "us-east-1 on-demand, built-in prices of 2026-10-02, backups and data transfer extra";
/// The region of the prices.
pub const REGION: &str = "us-east-1";
/// Hours of a month, as AWS counts them.
const HOURS: f64 = 730.0;

/// One row of the table below.
struct Row {
    node_type: &'static str,
    /// Memory of a node, in GiB, as the user guide gives it.
    memory_gib: f64,
    /// USD for an hour of Valkey.
    valkey: f64,
    /// USD for an hour of Redis OSS; `None`: not offered.
    redis: Option<f64>,
}

const fn row(node_type: &'static str, memory_gib: f64, valkey: f64, redis: Option<f64>) -> Row {
    Row { node_type, memory_gib, valkey, redis }
}

const TABLE: &[Row] = &[
    row("cache.t4g.micro", 0.50, 0.0128, Some(0.016)),
    row("cache.t4g.small", 1.37, 0.0256, Some(0.032)),
    row("cache.t4g.medium", 3.09, 0.052, Some(0.065)),
    row("cache.t3.micro", 0.50, 0.0136, Some(0.017)),
    row("cache.t3.small", 1.37, 0.0272, Some(0.034)),
    row("cache.t3.medium", 3.09, 0.0544, Some(0.068)),
    row("cache.m7g.large", 6.38, 0.1264, Some(0.158)),
    row("cache.m8g.large", 6.79, 0.1266, None),
    row("cache.r6g.large", 13.07, 0.1648, Some(0.206)),
    row("cache.r7g.large", 13.07, 0.1752, Some(0.219)),
    row("cache.r8g.large", 14.18, 0.1756, None),
    row("cache.c7gn.large", 3.09, 0.204, Some(0.255)),
];

/// Node types with built-in prices, and the memory of each in GiB.
pub fn node_types() -> impl Iterator<Item = (&'static str, f64)> {
    TABLE.iter().map(|row| (row.node_type, row.memory_gib))
}

/// The node type with a built-in price of which `nodes` cost at most `limit` in a month: the one with most memory, and of
/// several the cheapest.
#[must_use]
pub fn affordable(engine: Engine, nodes: i32, limit: Decimal) -> Option<(&'static str, Price)> {
    let priced = TABLE.iter().filter_map(|row| {
        let price = NodeKind { region: REGION, engine, node_type: row.node_type }.built_in_price()?;
        (price.monthly(nodes) <= limit).then_some((row, price))
    });
    let best = priced.max_by(|(one, price), (other, other_price)| {
        let memory = one.memory_gib.total_cmp(&other.memory_gib);
        memory.then(other_price.hourly_usd.total_cmp(&price.hourly_usd))
    });
    best.map(|(row, price)| (row.node_type, price))
}

/// What one node costs, and where that is said.
#[derive(Clone, Debug, PartialEq)]
pub struct Price {
    /// USD for an hour.
    hourly_usd: f64,
    /// Region, source and date.
    pub basis: String,
}

impl Price {
    /// USD for a month of `nodes` nodes.
    #[must_use]
    pub fn monthly(&self, nodes: i32) -> Decimal {
        // To the cent, as it is shown.
        Decimal::parse(&self.monthly_usd(nodes)).unwrap_or_default()
    }

    /// Whether it comes from the table, whose other prices can be compared with it.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.basis == BASIS
    }

    /// USD for a month of `nodes` nodes, with two decimals.
    #[must_use]
    pub fn monthly_usd(&self, nodes: i32) -> String {
        format!("{:.2}", self.hourly_usd * HOURS * f64::from(nodes))
    }
}

/// Nodes of one kind, with what one costs as far as that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Nodes {
    /// How many there are.
    pub count: i32,
    /// What they run.
    pub engine: Engine,
    /// Node type.
    pub node_type: String,
    /// What one costs.
    pub price: Option<Price>,
}

impl Nodes {
    /// USD for a month of them, with two decimals.
    #[must_use]
    pub fn monthly_usd(&self) -> Option<String> {
        Some(self.price.as_ref()?.monthly_usd(self.count))
    }

    /// For programs.
    fn json(&self) -> Value {
        json!({
            "nodes": self.count,
            "node_type": self.node_type,
            "monthly_usd": self.monthly_usd(),
            "basis": self.price.as_ref().map(|price| &price.basis),
        })
    }
}

/// `about 18.69 USD (2 nodes of cache.t4g.micro)`.
impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.monthly_usd() {
            Some(usd) => write!(f, "about {usd} USD")?,
            None => f.write_str("not known")?,
        }
        let word = if self.count == 1 { "node" } else { "nodes" };
        write!(f, " ({} {word} of {})", self.count, self.node_type)
    }
}

/// What a change does to the cost of a month.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CostChange {
    /// What stands; `None` where nothing does.
    pub before: Option<Nodes>,
    /// What will stand.
    pub after: Option<Nodes>,
}

impl CostChange {
    /// Whether nothing of it is known.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.prices().next().is_none()
    }

    fn prices(&self) -> impl Iterator<Item = &Price> {
        [&self.before, &self.after].into_iter().flatten().filter_map(|nodes| nodes.price.as_ref())
    }

    /// For programs: amounts are text in USD with two decimals, null where they are not known.
    #[must_use]
    pub fn json(&self) -> Value {
        let nodes = |nodes: &Option<Nodes>| nodes.as_ref().map(Nodes::json);
        json!({"before": nodes(&self.before), "after": nodes(&self.after)})
    }
}

/// One line: what it costs afterwards, what it costs now, and where that is said.
impl fmt::Display for CostChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cost of a month: ")?;
        match (&self.before, &self.after) {
            (Some(before), Some(after)) if before == after => write!(f, "{after}, as before")?,
            (Some(before), Some(after)) => write!(f, "{after}, before it {before}")?,
            (Some(only), None) | (None, Some(only)) => write!(f, "{only}")?,
            (None, None) => f.write_str("not known")?,
        }
        let bases: BTreeSet<&str> = self.prices().map(|price| price.basis.as_str()).collect();
        bases.into_iter().try_for_each(|basis| write!(f, "; {basis}"))
    }
}

/// The kind of node that a price is wanted for.
#[derive(Clone, Copy, Debug)]
pub struct NodeKind<'a> {
    /// Where it runs.
    pub region: &'a str,
    /// What it runs.
    pub engine: Engine,
    /// Node type.
    pub node_type: &'a str,
}

impl NodeKind<'_> {
    /// The price in the table; `None` when it is not there.
    #[must_use]
    pub fn built_in_price(&self) -> Option<Price> {
        let row = TABLE.iter().find(|row| row.node_type == self.node_type)?;
        let hourly_usd = match self.engine {
            Engine::Valkey => row.valkey,
            Engine::Redis => row.redis?,
        };
        (self.region == REGION).then(|| Price { hourly_usd, basis: BASIS.to_owned() })
    }

    /// The engine as the price list writes it.
    #[must_use]
    pub fn listed_engine(&self) -> &'static str {
        match self.engine {
            Engine::Valkey => "Valkey",
            Engine::Redis => "Redis",
        }
    }

    /// The price in these documents of the AWS Price List. `None` unless exactly one of them is about such nodes on
    /// demand, with one price in USD by the hour and a date.
    #[must_use]
    pub fn listed_price(&self, documents: &[String]) -> Option<Price> {
        let documents: Vec<Document> =
            documents.iter().map(|text| serde_json::from_str(text)).collect::<Result<_, _>>().ok()?;
        let document = only(documents.iter().filter(|document| document.product.is(self)))?;
        let term = only(document.terms.on_demand.values())?;
        let dimension = only(term.price_dimensions.values())?;
        let hourly_usd: f64 = dimension.price_per_unit.get("USD")?.parse().ok()?;
        let date = [&document.publication_date, &term.effective_date].into_iter().flatten().find_map(|text| date(text));
        let basis = format!("{} on-demand, AWS Price List of {}, backups and data transfer extra", self.region, date?);
        (dimension.unit == "Hrs" && hourly_usd.is_finite() && hourly_usd > 0.0).then_some(Price { hourly_usd, basis })
    }
}

/// The only item, if there is exactly one.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let first = items.next()?;
    items.next().is_none().then_some(first)
}

/// The day of a moment such as `2025-06-24T13:06:39Z`.
fn date(moment: &str) -> Option<String> {
    let moment = DateTime::from_str(moment, Format::DateTimeWithOffset).ok()?;
    moment.fmt(Format::DateTime).ok()?.get(..10).map(str::to_owned)
}

/// One document in the answer of `GetProducts`: a product with its terms. Products of other kinds lack fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    product: Product,
    #[serde(default)]
    terms: Terms,
    publication_date: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product {
    #[serde(default)]
    product_family: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
struct Terms {
    #[serde(rename = "OnDemand", default)]
    on_demand: BTreeMap<String, Term>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    effective_date: Option<String>,
    #[serde(default)]
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    #[serde(default)]
    unit: String,
    #[serde(default)]
    price_per_unit: BTreeMap<String, String>,
}

impl Product {
    /// Whether this is the hour of such a node, and not one on an Outpost, in a local zone or on top for an old engine.
    fn is(&self, kind: &NodeKind<'_>) -> bool {
        let has = |name: &str, value: &str| self.attributes.get(name).is_some_and(|given| given == value);
        // `EUW3-NodeUsage:cache.r5.large`, in us-east-1 without the region; `Outpost-NodeUsage:...` is something else.
        let usage = self.attributes.get("usagetype").map(String::as_str).unwrap_or_default();
        let (place, usage) = usage.split_once('-').unwrap_or(("", usage));
        self.product_family == "Cache Instance"
            && has("regionCode", kind.region)
            && has("locationType", "AWS Region")
            && has("instanceType", kind.node_type)
            && has("cacheEngine", kind.listed_engine())
            && usage == format!("NodeUsage:{}", kind.node_type)
            && place.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: NodeKind<'_> = NodeKind { region: "eu-west-3", engine: Engine::Valkey, node_type: "cache.r7g.large" };

    #[test]
    fn known_prices_are_multiplied_and_unknown_ones_left_out() {
        let price = |region, engine, node_type| NodeKind { region, engine, node_type }.built_in_price();
        let monthly = |engine, node_type, nodes| price("us-east-1", engine, node_type).unwrap().monthly_usd(nodes);
        assert_eq!(monthly(Engine::Valkey, "cache.t4g.micro", 2), "18.69");
        assert_eq!(monthly(Engine::Redis, "cache.r7g.large", 1), "159.87");
        assert_eq!(price("eu-west-1", Engine::Valkey, "cache.t4g.micro"), None);
        assert_eq!(price("us-east-1", Engine::Redis, "cache.r8g.large"), None);
        assert_eq!(price("us-east-1", Engine::Valkey, "cache.r7g.16xlarge"), None);
    }

    fn document() -> Value {
        json!({
            "product": {
                "productFamily": "Cache Instance",
                "sku": "S",
                "attributes": {
                    "regionCode": "eu-west-3", "locationType": "AWS Region", "instanceType": "cache.r7g.large",
                    "cacheEngine": "Valkey", "usagetype": "EUW3-NodeUsage:cache.r7g.large",
                },
            },
            "serviceCode": "AmazonElastiCache",
            "terms": {"OnDemand": {"S.J": {"effectiveDate": "2026-10-01T00:00:00Z", "priceDimensions": {"S.J.6": {
                "unit": "Hrs", "pricePerUnit": {"USD": "0.2000000000"},
            }}}}},
            "publicationDate": "2026-10-30T21:03:04Z",
        })
    }

    /// The document with something else at one place.
    fn with(pointer: &str, value: Value) -> Value {
        let mut document = document();
        *document.pointer_mut(pointer).unwrap() = value;
        document
    }

    fn listed(documents: &[Value]) -> Option<Price> {
        KIND.listed_price(&documents.iter().map(Value::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_listed_price_says_region_source_and_date() {
        let basis = "eu-west-3 on-demand, AWS Price List of 2026-10-30, backups and data transfer extra".to_owned();
        assert_eq!(listed(&[document()]), Some(Price { hourly_usd: 0.2, basis }));
        let dated_by_its_term = listed(&[with("/publicationDate", Value::Null)]).unwrap();
        assert!(dated_by_its_term.basis.contains("Price List of 2026-10-01"), "{}", dated_by_its_term.basis);
    }

    #[test]
    fn products_of_other_kinds_do_not_count() {
        for (pointer, other) in [
            ("/product/productFamily", json!("Storage Snapshot")),
            ("/product/attributes/regionCode", json!("eu-west-1")),
            ("/product/attributes/locationType", json!("AWS Outposts")),
            ("/product/attributes/instanceType", json!("cache.r7g.xlarge")),
            ("/product/attributes/cacheEngine", json!("Redis")),
            ("/product/attributes/usagetype", json!("Outpost-NodeUsage:cache.r7g.large")),
            ("/product/attributes/usagetype", json!("EUW3-ExtendedSupport-Yr1-Yr2-NodeUsage:cache.r7g.large")),
            ("/product/attributes/usagetype", json!("EUW3-NodeUsage:cache.r7g.large.old")),
        ] {
            let stray = with(pointer, other.clone());
            assert_eq!(listed(std::slice::from_ref(&stray)), None, "{pointer} {other}");
            assert!(listed(&[stray, document()]).is_some(), "{pointer} {other}");
        }
    }

    #[test]
    fn what_is_not_clear_is_no_price() {
        let dimensions = "/terms/OnDemand/S.J/priceDimensions";
        let price = format!("{dimensions}/S.J.6/pricePerUnit");
        let tier = |usd: &str| json!({"unit": "Hrs", "pricePerUnit": {"USD": usd}});
        assert_eq!(listed(&[]), None);
        assert_eq!(listed(&[document(), document()]), None);
        assert_eq!(listed(&[document(), json!("broken")]), None);
        assert_eq!(KIND.listed_price(&["{".to_owned()]), None);
        for (pointer, unclear) in [
            ("/terms", json!({})),
            ("/terms/OnDemand", json!({})),
            (
                "/terms/OnDemand",
                json!({"A": document()["terms"]["OnDemand"]["S.J"], "B": document()["terms"]["OnDemand"]["S.J"]}),
            ),
            (dimensions, json!({})),
            (dimensions, json!({"A": tier("0.2"), "B": tier("0.1")})),
            (&format!("{dimensions}/S.J.6/unit"), json!("Quantity")),
            (&price, json!({"CNY": "1.2"})),
            (&price, json!({"USD": "0.0000000000"})),
            (&price, json!({"USD": "-0.2"})),
            (&price, json!({"USD": "NaN"})),
            (&price, json!({"USD": "cheap"})),
            (&price, json!({"USD": 0.2})),
        ] {
            assert_eq!(listed(&[with(pointer, unclear.clone())]), None, "{pointer} {unclear}");
        }
        let mut undated = with("/publicationDate", json!("yesterday"));
        undated["terms"]["OnDemand"]["S.J"]["effectiveDate"] = json!("2026/10/01 00:00");
        assert_eq!(listed(&[undated]), None);
    }
}
