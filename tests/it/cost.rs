//! The estimated cost: built-in prices first, then the price list, and never a failure.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::{Answer, StackStatus};
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

fn limited(properties: Value, limit: &str) -> Value {
    with(properties, json!({"MaxMonthlyCost": limit}))
}

fn of_nodes(nodes: i32) -> Value {
    with(quick_start(), json!({"NumCacheNodes": nodes, "NodeType": "cache.t4g.medium"}))
}

/// A Create that is refused has written nothing; the reason.
async fn refused(setup: &Setup, properties: Value) -> String {
    let outcome = setup.create(properties).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    assert_eq!(setup.write_names(), Vec::<String>::new(), "{}", outcome.reason);
    outcome.reason
}

#[tokio::test(start_paused = true)]
async fn a_create_costs_no_more_than_it_may() {
    // Two of these cost 75.92.
    let reason = refused(&account_in("us-east-1"), limited(of_nodes(2), "75.91")).await;
    for part in [
        "MaxMonthlyCost (75.91): 2 nodes of cache.t4g.medium cost an estimated 75.92 USD a month (us-east-1 on-demand",
        "take cache.t4g.small (37.38 USD), or have no more than 1 in all (37.96 USD), or raise MaxMonthlyCost",
    ] {
        assert!(reason.contains(part), "{part:?} is not in {reason}");
    }
    for enough in ["75.92", "80", " 1e3 "] {
        estimate(&account_in("us-east-1"), limited(of_nodes(2), enough)).await;
    }
    // Nothing fits: what is left is to raise it.
    let reason = refused(&account_in("us-east-1"), limited(of_nodes(1), "0")).await;
    assert!(reason.contains("1 node of cache.t4g.medium") && !reason.contains("take cache"), "{reason}");
    // Whatever else is wrong is said with it.
    let more = json!({"SubnetIds": ["subnet-0b000000000000001"]});
    let reason = refused(&account_in("us-east-1"), with(limited(of_nodes(2), "1"), more)).await;
    assert!(reason.contains("MaxMonthlyCost") && reason.contains("SubnetIds"), "{reason}");
    let wrong = json!({"Port": 0});
    let reason = refused(&account_in("us-east-1"), with(limited(of_nodes(2), "1"), wrong)).await;
    assert!(reason.contains("MaxMonthlyCost") && reason.contains("Port"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn with_a_limit_the_price_must_be_known() {
    let setup = account_in("eu-west-1");
    assert!(refused(&setup, limited(quick_start(), "10.50")).await.contains("an estimated 10.51 USD"));
    estimate(&account_in("eu-west-1"), limited(quick_start(), "10.51")).await;
    for unknown in [
        |setup: &Setup| setup.aws.with(|world, _| world.prices.products.clear()),
        |setup: &Setup| setup.aws.fault(Fault::on("GetProducts", 1, Kind::Denied).times(1000)),
    ] {
        let setup = account_in("eu-west-1");
        unknown(&setup);
        let reason = refused(&setup, limited(quick_start(), "1000")).await;
        for part in ["the price of cache.t4g.micro with Valkey is not known in this region", "pricing:GetProducts"] {
            assert!(reason.contains(part), "{part:?} is not in {reason}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_costs_no_more_than_it_may() {
    let setup = account_in("us-east-1");
    let one = limited(of_nodes(1), "100");
    assert_eq!(setup.stack.create(CACHE, one.clone()).await.status, StackStatus::CreateComplete);
    let writes = setup.write_names();
    let outcome = setup.stack.update(CACHE, limited(of_nodes(6), "100")).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    for part in ["6 nodes of cache.t4g.medium cost an estimated 227.76 USD", "have no more than 2 in all (75.92 USD)"] {
        assert!(outcome.reason.contains(part), "{part:?} is not in {}", outcome.reason);
    }
    assert_eq!(setup.write_names(), writes);
    // A limit below what stands is refused too; another change under the old one is not questioned again.
    let outcome = setup.stack.update(CACHE, limited(of_nodes(1), "10")).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    let described = with(one.clone(), json!({"Description": "changed"}));
    assert_eq!(setup.stack.update(CACHE, described).await.status, StackStatus::UpdateComplete);
    // A replacement is made under the limit too.
    let larger = json!({"NodeType": "cache.r7g.large", "Port": 6380, "ReplacementPolicy": "Empty"});
    let outcome = setup.stack.update(CACHE, with(one.clone(), larger)).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    assert!(outcome.reason.contains("MaxMonthlyCost"), "{}", outcome.reason);
    // And without one it goes.
    assert_eq!(setup.stack.update(CACHE, of_nodes(6)).await.status, StackStatus::UpdateComplete);
    setup.deleted().await;
}

/// What stood before is not refused when it has become dearer than its limit.
#[tokio::test(start_paused = true)]
async fn a_rollback_is_not_refused_for_its_cost() {
    let setup = account_in("eu-west-1");
    let before = limited(quick_start(), "20");
    assert_eq!(setup.stack.create(CACHE, before.clone()).await.status, StackStatus::CreateComplete);
    setup.aws.with(|world, _| world.prices.products.clear());
    let change = json!({"Description": "changed", "MaxMonthlyCost": null});
    setup.stack.fail_elsewhere();
    let outcome = setup.stack.update(CACHE, with(before, change)).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    setup.deleted().await;
}
