//! The estimated cost: built-in prices first, then the price list, and never a failure.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::Answer;
use simulator::faults::{Fault, Kind};

use crate::harness::{CACHE, Setup, calls, function_in, policy, quick_start, with};

fn account_in(region: &'static str) -> Setup {
    let aws = LocalAws::new(1.0, Some(policy()));
    Setup::with_function(aws.clone(), function_in(region, &aws))
}

/// A node type without a built-in price.
fn larger() -> Value {
    with(quick_start(), json!({"NodeType": "cache.r7g.xlarge"}))
}

async fn estimate(setup: &Setup, properties: Value) -> (String, String) {
    let outcome = setup.created(properties).await;
    let attribute = |name: &str| outcome.get_att(&format!("EstimatedCost.{name}")).unwrap().to_owned();
    let estimate = (attribute("MonthlyEstimate"), attribute("Basis"));
    setup.deleted().await;
    estimate
}

fn lookups(setup: &Setup) -> usize {
    calls(&setup.aws.journal(), "GetProducts").len()
}

#[tokio::test(start_paused = true)]
async fn built_in_prices_need_no_lookup() {
    let setup = account_in("us-east-1");
    let (monthly, basis) = estimate(&setup, quick_start()).await;
    assert_eq!(monthly, "9.34");
    assert!(basis.starts_with("us-east-1 on-demand, built-in prices of 20"), "{basis}");
    assert_eq!(lookups(&setup), 0);
}

#[tokio::test(start_paused = true)]
async fn another_region_has_its_own_price() {
    let setup = account_in("eu-west-1");
    let basis = "eu-west-1 on-demand, AWS Price List of 2026-10-30, backups and data transfer extra";
    assert_eq!(estimate(&setup, quick_start()).await, ("10.51".to_owned(), basis.to_owned()));
    let asked = calls(&setup.aws.journal(), "GetProducts")[0].params.clone();
    assert_eq!(asked["ServiceCode"], "AmazonElastiCache");
    let filters: Vec<(&Value, &Value)> =
        asked["Filters"].as_array().unwrap().iter().map(|f| (&f["Field"], &f["Value"])).collect();
    assert!(filters.contains(&(&json!("regionCode"), &json!("eu-west-1"))), "{filters:?}");
    assert!(filters.contains(&(&json!("cacheEngine"), &json!("Valkey"))), "{filters:?}");
}

#[tokio::test(start_paused = true)]
async fn a_type_without_a_built_in_price_is_looked_up() {
    let setup = account_in("us-east-1");
    // Apart from the node itself, the list has what an old version of this engine costs on top.
    let redis = with(larger(), json!({"Engine": "redis"}));
    let (monthly, basis) = estimate(&setup, redis.clone()).await;
    assert_eq!(monthly, "319.01");
    assert!(basis.starts_with("us-east-1 on-demand, AWS Price List of 2026-10-30"), "{basis}");
    setup.aws.with(|world, _| world.prices.page_size = 1);
    assert_eq!(estimate(&setup, redis).await.0, "319.01", "page by page");
    assert_eq!(lookups(&setup), 3);
}

#[tokio::test(start_paused = true)]
async fn nodes_and_shards_multiply_the_price() {
    let setup = account_in("us-east-1");
    assert_eq!(estimate(&setup, larger()).await.0, "255.21");
    assert_eq!(estimate(&setup, with(larger(), json!({"NumCacheNodes": 3}))).await.0, "765.62");
    let shards = json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1});
    assert_eq!(estimate(&setup, with(larger(), shards)).await.0, "1020.83");
}

/// The list's own text for a node of `engine` that costs `usd` an hour.
fn listed(setup: &Setup, engine: &str, usd: &str) -> String {
    let products = setup.aws.with(|world, _| world.prices.products.clone());
    let usage = "NodeUsage:cache.r7g.xlarge";
    let is_it = |p: &&Value| {
        let attributes = &p["product"]["attributes"];
        attributes["usagetype"] == usage && attributes["cacheEngine"] == engine
    };
    let mut product = products.iter().find(is_it).unwrap().clone();
    let term = product["terms"]["OnDemand"].as_object_mut().unwrap().values_mut().next().unwrap();
    term["priceDimensions"]["RATE0"]["pricePerUnit"] = json!({ "USD": usd });
    product.to_string()
}

/// Neither a refusal nor an outage of the price list, nor anything odd that it says, is more than an empty attribute.
#[tokio::test(start_paused = true)]
async fn without_a_clear_price_the_estimate_is_empty_and_the_request_succeeds() {
    let always = |kind| Fault::on("GetProducts", 1, kind).times(1000);
    let setup = account_in("us-east-1");
    let price = |usd| listed(&setup, "Valkey", usd);
    assert_eq!(
        {
            let usual = account_in("us-east-1");
            usual.aws.with(|world, _| world.prices.instead = Some(vec![price("0.5")]));
            estimate(&usual, larger()).await.0
        },
        "365.00"
    );
    for kind in [
        Kind::Denied,
        Kind::Throttled,
        Kind::http_500(),
        Kind::CutBefore,
        Kind::CutAfter,
        Kind::Slow(Duration::from_secs(3)),
        Kind::error("InvalidParameterException", "no"),
    ] {
        let setup = account_in("us-east-1");
        setup.aws.fault(always(kind.clone()));
        assert_eq!(estimate(&setup, larger()).await, (String::new(), String::new()), "{kind:?}");
        assert!(lookups(&setup) > 0);
    }
    for documents in [
        vec![],
        vec!["{".to_owned()],
        vec!["[]".to_owned()],
        vec![price("0.3"), "null".to_owned()],
        vec![price("0.3"), price("0.3")],
        vec![price("0.0000000000")],
        vec![listed(&setup, "Redis", "0.3")],
    ] {
        let setup = account_in("us-east-1");
        setup.aws.with(|world, _| world.prices.instead = Some(documents.clone()));
        assert_eq!(estimate(&setup, larger()).await, (String::new(), String::new()), "{documents:?}");
        assert_eq!(lookups(&setup), 1);
    }
}

/// A price list that does not answer holds an answer up for two seconds, and a refusal not at all.
#[tokio::test(start_paused = true)]
async fn a_slow_price_list_holds_nothing_up_for_long() {
    let setup = account_in("us-east-1");
    let created = setup.created(larger()).await;
    let send = async |properties: Value| -> (Answer, Duration) {
        let started = tokio::time::Instant::now();
        let update = json!({"PhysicalResourceId": created.physical_id, "ResourceProperties": properties,
            "OldResourceProperties": larger()});
        (setup.stack.send("Update", CACHE, update).await.unwrap(), started.elapsed())
    };
    setup.aws.fault(Fault::on("GetProducts", 1, Kind::Slow(Duration::from_mins(5))).times(1000));
    let (answer, took) = send(larger()).await;
    assert!(answer.is_success() && answer.data["EstimatedCost.MonthlyEstimate"].is_empty());
    assert!((Duration::from_secs(2)..Duration::from_millis(2500)).contains(&took), "{took:?}");
    let (answer, took) = send(with(larger(), json!({"AllowedSecurityGroupIds": ["sg-0dead"]}))).await;
    assert!(answer.reason().contains("AllowedSecurityGroupIds"), "{}", answer.reason());
    assert!(took < Duration::from_secs(1), "{took:?}");
    setup.deleted().await;
}

/// The other partitions have no price list in USD that the function could read.
#[tokio::test(start_paused = true)]
async fn outside_the_partition_aws_nothing_is_asked() {
    for region in ["cn-north-1", "us-gov-west-1", "eusc-de-east-1"] {
        let setup = account_in(region);
        assert_eq!(estimate(&setup, larger()).await, (String::new(), String::new()), "{region}");
        assert_eq!(lookups(&setup), 0, "{region}");
    }
}
