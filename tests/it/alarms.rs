//! `Alarms`: one set for each node, kept with the nodes, and never a reason to fail a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};
use simulator::cloudformation::{Outcome, StackStatus};
use simulator::cloudwatch::CloudWatch;
use simulator::faults::{Fault, Kind};

use crate::harness::{CACHE, SUBNETS, Setup, calls, production, quick_start, with};
use crate::shapes::parameter_group;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:operations";
const FIRST: &str = "development-myapp-valkey";
const SECOND: &str = "development-myapp-valkey-2";

/// What alarms at their defaults watch on a node of two vCPUs that is alone.
const ALONE: [&str; 4] = ["CPUUtilization", "CurrConnections", "DatabaseMemoryUsagePercentage", "SwapUsage"];
/// The same where another node may take over.
const OF_SEVERAL: [&str; 5] =
    ["CPUUtilization", "CurrConnections", "DatabaseMemoryUsagePercentage", "ReplicationLag", "SwapUsage"];

/// The quick start with this as its `Alarms`.
fn watched(alarms: Value) -> Value {
    with(quick_start(), Value::Object(Map::from_iter([("Alarms".to_owned(), alarms)])))
}

/// A sharded cache with alarms.
fn shards(shards: i32, replicas: i32) -> Value {
    with(watched(json!({})), json!({"NumNodeGroups": shards, "ReplicasPerNodeGroup": replicas}))
}

/// What is watched on every node, by `<group>/<node>`.
fn by_node(setup: &Setup) -> BTreeMap<String, Vec<String>> {
    let mut nodes = BTreeMap::<String, Vec<String>>::new();
    for name in setup.aws.with(|world, _| world.cloudwatch.alarms.keys().cloned().collect::<Vec<_>>()) {
        let (node, metric) = name.rsplit_once('/').unwrap();
        nodes.entry(node.to_owned()).or_default().push(metric.to_owned());
    }
    nodes
}

/// The settings of an alarm.
fn settings(setup: &Setup, name: &str) -> Value {
    setup.aws.with(|world, _| world.cloudwatch.alarms[name].settings.clone())
}

/// Every node that there is has alarms on these metrics, and nothing else has any.
fn assert_watched(setup: &Setup, metrics: &[&str]) {
    let nodes = setup.aws.with(|world, _| {
        let groups = world.elasticache.groups.iter();
        let names = groups.flat_map(|(id, group)| group.members().map(move |member| format!("{id}/{}", member.id)));
        names.collect::<BTreeSet<_>>()
    });
    assert!(!nodes.is_empty());
    let metrics: Vec<String> = metrics.iter().map(|metric| (*metric).to_owned()).collect();
    assert_eq!(by_node(setup), nodes.into_iter().map(|node| (node, metrics.clone())).collect());
}

fn warnings(outcome: &Outcome) -> &str {
    outcome.get_att("Warnings").unwrap()
}

/// Calls of CloudWatch so far.
fn asked(setup: &Setup) -> usize {
    let journal = setup.aws.journal();
    ["PutMetricAlarm", "DeleteAlarms", "DescribeAlarms"].iter().map(|action| calls(&journal, action).len()).sum()
}

#[tokio::test(start_paused = true)]
async fn alarms_are_made_with_the_cluster_and_go_with_it() {
    let setup = Setup::new();
    let alarms = json!({"Actions": [TOPIC], "OkActions": [TOPIC], "Swap": 0, "Evictions": 1, "Cpu": "37.5"});
    let outcome = setup.created(with(watched(alarms), json!({"Tags": [{"Key": "Team", "Value": "a"}]}))).await;
    assert_eq!(warnings(&outcome), "");
    assert_watched(&setup, &["CPUUtilization", "CurrConnections", "DatabaseMemoryUsagePercentage", "Evictions"]);
    let node = format!("{FIRST}-001");
    let name = format!("{FIRST}/{node}/CPUUtilization");
    let cpu = settings(&setup, &name);
    let dimensions = json!([{"Name": "CacheClusterId", "Value": node}, {"Name": "CacheNodeId", "Value": "0001"}]);
    let expected = json!({
        "AlarmName": name, "AlarmDescription": cpu["AlarmDescription"], "Namespace": "AWS/ElastiCache",
        "MetricName": "CPUUtilization", "Dimensions": dimensions, "Statistic": "Average", "Period": 60,
        "EvaluationPeriods": 5, "Threshold": 37.5, "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "missing", "AlarmActions": [TOPIC], "OKActions": [TOPIC],
    });
    assert_eq!(cpu, expected);
    let evictions = settings(&setup, &format!("{FIRST}/{node}/Evictions"));
    assert_eq!((&evictions["Statistic"], &evictions["Period"]), (&json!("Sum"), &json!(300)));
    let memory = settings(&setup, &format!("{FIRST}/{node}/DatabaseMemoryUsagePercentage"));
    assert_eq!((&memory["Threshold"], &memory["EvaluationPeriods"]), (&json!(80.0), &json!(2)));
    setup.aws.with(|world, _| {
        for alarm in world.cloudwatch.alarms.values() {
            assert_eq!(alarm.tags.get("Team").map(String::as_str), Some("a"));
            assert_eq!(alarm.tags.get("elasticache-resource:logical-id").map(String::as_str), Some(CACHE));
        }
    });
    setup.deleted().await;
    assert_eq!(by_node(&setup), BTreeMap::new());
}

/// Neither a call nor a right more than before.
#[tokio::test(start_paused = true)]
async fn without_the_property_cloudwatch_is_never_asked() {
    let setup = Setup::new();
    setup.aws.fault(Fault::on("DescribeAlarms", 1, Kind::Denied).times(usize::MAX));
    setup.created(quick_start()).await;
    setup.updated(with(quick_start(), json!({"NumCacheNodes": 2}))).await;
    setup.updated(with(quick_start(), json!({"Port": 6380, "ReplacementPolicy": "Empty"}))).await;
    setup.deleted().await;
    assert_eq!(asked(&setup), 0);
}

#[tokio::test(start_paused = true)]
async fn alarms_follow_the_nodes() {
    let setup = Setup::new();
    let nodes = |count: i32| with(watched(json!({})), json!({"NumCacheNodes": count}));
    setup.created(nodes(1)).await;
    assert_watched(&setup, &ALONE);
    setup.updated(nodes(3)).await;
    assert_watched(&setup, &OF_SEVERAL);
    setup.updated(nodes(2)).await;
    assert_watched(&setup, &OF_SEVERAL);
    setup.updated(nodes(1)).await;
    assert_watched(&setup, &ALONE);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn alarms_follow_the_shards() {
    let setup = Setup::new();
    setup.created(shards(2, 1)).await;
    assert_watched(&setup, &OF_SEVERAL);
    setup.updated(shards(3, 1)).await;
    assert_watched(&setup, &OF_SEVERAL);
    setup.updated(shards(3, 2)).await;
    assert_watched(&setup, &OF_SEVERAL);
    setup.updated(shards(2, 1)).await;
    assert_watched(&setup, &OF_SEVERAL);
    setup.updated(shards(2, 0)).await;
    assert_watched(&setup, &ALONE);
    setup.deleted().await;
}

/// With four vCPUs the engine's thread counts, not the machine.
#[tokio::test(start_paused = true)]
async fn the_node_type_decides_which_processor_counts() {
    let setup = Setup::new();
    let of = |node_type: &str| with(watched(json!({})), json!({"NodeType": node_type}));
    setup.created(of("cache.m7g.large")).await;
    assert_watched(&setup, &ALONE);
    setup.updated(of("cache.m7g.xlarge")).await;
    let rest = ["CurrConnections", "DatabaseMemoryUsagePercentage", "EngineCPUUtilization", "SwapUsage"];
    assert_watched(&setup, &rest);
    setup.updated(of("cache.m7g.large")).await;
    assert_watched(&setup, &ALONE);
    setup.deleted().await;
}

/// A cache that evicts any key is meant to be full: by its own parameters or by those of a group of the user's.
#[tokio::test(start_paused = true)]
async fn memory_is_not_watched_where_it_may_be_full() {
    let without_memory = ["CPUUtilization", "CurrConnections", "SwapUsage"];
    let setup = Setup::new();
    parameter_group(&setup, "full", "valkey8", &[("maxmemory-policy", "allkeys-lru")]);
    parameter_group(&setup, "careful", "valkey8", &[("maxmemory-policy", "noeviction")]);
    let own = json!({"Parameters": {"maxmemory-policy": "allkeys-lfu"}});
    setup.created(with(watched(json!({})), own.clone())).await;
    assert_watched(&setup, &without_memory);
    setup.updated(with(watched(json!({"Memory": 95})), own)).await;
    assert_watched(&setup, &ALONE);
    setup.updated(with(watched(json!({})), json!({"ParameterGroupName": "full"}))).await;
    assert_watched(&setup, &without_memory);
    setup.updated(with(watched(json!({})), json!({"ParameterGroupName": "careful"}))).await;
    assert_watched(&setup, &ALONE);
    setup.deleted().await;
}

/// An Update makes what differs, and nothing where nothing does.
#[tokio::test(start_paused = true)]
async fn alarms_become_what_the_template_says() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let (_, writes) = setup.updated(watched(json!({}))).await;
    assert_eq!(calls(&writes, "PutMetricAlarm").len(), ALONE.len());
    assert_watched(&setup, &ALONE);
    let (_, writes) = setup.updated(with(watched(json!({})), json!({"Description": "another"}))).await;
    assert_eq!((calls(&writes, "PutMetricAlarm").len(), calls(&writes, "DeleteAlarms").len()), (0, 0));
    let (_, writes) = setup.updated(watched(json!({"Memory": 70, "Swap": 0, "Connections": 52000}))).await;
    let put: Vec<&Value> = calls(&writes, "PutMetricAlarm").iter().map(|call| &call.params["Threshold"]).collect();
    assert_eq!(put, [70.0]);
    assert_watched(&setup, &ALONE[..3]);
    setup.updated(quick_start()).await;
    assert_eq!(by_node(&setup), BTreeMap::new());
    // Nobody looks for them any more.
    let before = asked(&setup);
    setup.updated(with(quick_start(), json!({"Description": "again"}))).await;
    setup.deleted().await;
    assert_eq!(asked(&setup), before);
}

/// What somebody changed or deleted by hand is put back by the next Update of anything.
#[tokio::test(start_paused = true)]
async fn drift_is_mended() {
    let setup = Setup::new();
    setup.created(watched(json!({}))).await;
    let names: Vec<String> = setup.aws.with(|world, _| world.cloudwatch.alarms.keys().cloned().collect());
    setup.by_hand(CloudWatch::handle, "DeleteAlarms", json!({"AlarmNames": [names[0]]}));
    let was = settings(&setup, &names[1]);
    setup.by_hand(CloudWatch::handle, "PutMetricAlarm", with(was.clone(), json!({"Threshold": 1})));
    setup.updated(with(watched(json!({})), json!({"Description": "another"}))).await;
    assert_watched(&setup, &ALONE);
    assert_eq!(settings(&setup, &names[1]), was);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn the_next_generation_has_alarms_of_its_own() {
    for policy in ["Snapshot", "Empty"] {
        let setup = Setup::new();
        setup.created(watched(json!({}))).await;
        let moved = with(watched(json!({})), json!({"Port": 6380, "ReplacementPolicy": policy}));
        let (outcome, _) = setup.updated(moved).await;
        assert_eq!(outcome.physical_id, SECOND);
        assert_watched(&setup, &ALONE);
        setup.deleted().await;
        assert_eq!(by_node(&setup), BTreeMap::new());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_takes_alarms_back() {
    let setup = Setup::new();
    setup.created(watched(json!({}))).await;
    for changes in [
        json!({"NumCacheNodes": 3}),
        json!({"Alarms": null}),
        json!({"Alarms": {"Memory": 0}}),
        json!({"NodeType": "cache.m7g.xlarge"}),
        json!({"Port": 6380, "ReplacementPolicy": "Empty"}),
    ] {
        setup.stack.fail_elsewhere();
        let outcome = setup.update(with(watched(json!({})), changes.clone())).await;
        assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{changes}: {}", outcome.reason);
        assert_watched(&setup, &ALONE);
    }
    setup.deleted().await;
    // A stack without alarms that gets some in vain.
    let setup = Setup::new();
    setup.created(quick_start()).await;
    setup.stack.fail_elsewhere();
    setup.update(watched(json!({}))).await;
    assert_eq!(by_node(&setup), BTreeMap::new());
    setup.deleted().await;
    // A Create in vain.
    let setup = Setup::new();
    setup.stack.fail_elsewhere();
    let outcome = setup.create(watched(json!({}))).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    assert_eq!(by_node(&setup), BTreeMap::new());
    setup.assert_nothing_left();
}

/// Denied for good, over the quota, refused, broken: the cluster stands, a warning says what AWS said, and how to go on.
#[tokio::test(start_paused = true)]
async fn what_goes_wrong_with_alarms_is_a_warning() {
    for (action, kind, says) in [
        ("DescribeAlarms", Kind::Denied, "cloudwatch:DescribeAlarms"),
        ("PutMetricAlarm", Kind::Denied, "cloudwatch:PutMetricAlarm"),
        ("PutMetricAlarm", Kind::http_500(), "cloudwatch:PutMetricAlarm"),
        ("PutMetricAlarm", Kind::Throttled, "cloudwatch:PutMetricAlarm"),
        ("DescribeAlarms", Kind::Slow(Duration::from_mins(10)), "cloudwatch:DescribeAlarms"),
    ] {
        let setup = Setup::new();
        setup.aws.fault(Fault::on(action, 1, kind.clone()).times(usize::MAX));
        let started = tokio::time::Instant::now();
        let outcome = setup.created(watched(json!({}))).await;
        assert!(started.elapsed() < Duration::from_mins(30), "{action} {kind:?}: {:?}", started.elapsed());
        let said = warnings(&outcome);
        assert!(said.contains("alarms") && said.contains(says), "{action} {kind:?}: {said}");
        // The next Update tries again.
        setup.aws.clear_faults();
        let (outcome, _) = setup.updated(with(watched(json!({})), json!({"Description": "another"}))).await;
        assert_eq!(warnings(&outcome), "", "{action} {kind:?}");
        assert_watched(&setup, &ALONE);
        assert_eq!(setup.stack.delete(CACHE).await.status, StackStatus::DeleteComplete);
        assert_eq!(setup.aws.leftovers("elasticache-resource:stack-id"), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_full_of_alarms_gets_its_cluster() {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.cloudwatch.quota = 2);
    let outcome = setup.created(watched(json!({}))).await;
    let said = warnings(&outcome);
    assert!(said.contains("cloudwatch:PutMetricAlarm") && said.contains("LimitExceeded"), "{said}");
    assert_eq!(by_node(&setup)[&format!("{FIRST}/{FIRST}-001")].len(), 2);
    setup.deleted().await;
}

/// Nothing but alarms is left by a Delete that may not delete them.
#[tokio::test(start_paused = true)]
async fn a_delete_without_the_right_ends_well() {
    let setup = Setup::new();
    setup.created(watched(json!({}))).await;
    setup.aws.fault(Fault::on("DeleteAlarms", 1, Kind::Denied).times(usize::MAX));
    let outcome = setup.stack.delete(CACHE).await;
    assert_eq!(outcome.status, StackStatus::DeleteComplete, "{}", outcome.reason);
    let left = setup.aws.leftovers("elasticache-resource:stack-id");
    assert_eq!(left.len(), ALONE.len(), "{left:?}");
}

/// Alarms that a person called as ours would be.
#[tokio::test(start_paused = true)]
async fn alarms_of_others_are_left_alone() {
    let setup = Setup::new();
    let name = format!("{FIRST}/{FIRST}-001/SwapUsage");
    let theirs = json!({
        "AlarmName": name, "AlarmDescription": "mine", "Namespace": "AWS/ElastiCache", "MetricName": "SwapUsage",
        "Statistic": "Maximum", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    });
    setup.by_hand(CloudWatch::handle, "PutMetricAlarm", theirs.clone());
    let outcome = setup.created(watched(json!({}))).await;
    assert!(warnings(&outcome).contains(&format!("alarm {name} was left as it is")), "{}", warnings(&outcome));
    assert_watched(&setup, &ALONE);
    assert_eq!(settings(&setup, &name), theirs);
    setup.deleted().await;
    assert_eq!(by_node(&setup).into_values().collect::<Vec<_>>(), [vec!["SwapUsage"]]);
}

#[tokio::test(start_paused = true)]
async fn wrong_alarms_are_refused_with_all_that_is_wrong() {
    let setup = Setup::new();
    let wrong = json!({
        "Actions": ["operations", TOPIC], "OkActions": [TOPIC, TOPIC, TOPIC, TOPIC, TOPIC, TOPIC],
        "Memory": -1, "Cpu": "a lot", "EngineCPU": 90, "Lag": 3, "Swap": "NaN",
    });
    let outcome = setup.create(with(watched(wrong), json!({"SubnetIds": [SUBNETS[0], "subnet-0dead"]}))).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete);
    for part in [
        "Alarms.Actions[0] (operations): must be the ARN of an action",
        "Alarms.OkActions (6): must have at most 5 items",
        "Alarms.Memory (-1): must be between 0 and 100",
        "Alarms.Cpu (a lot): must be a number",
        "Alarms.EngineCPU: is not a property of Custom::ElastiCache; did you mean EngineCpu?",
        "Alarms.Lag: is not a property",
        "Alarms.Swap (NaN): must be a number",
        "SubnetIds (subnet-0dead): does not exist",
    ] {
        assert!(outcome.reason.contains(part), "{part} in {}", outcome.reason);
    }
    assert_eq!(setup.write_names(), Vec::<String>::new());
    for (alarms, said) in
        [(json!("yes"), "Alarms (yes): must be a map"), (json!([1]), "Alarms ([\"1\"]): must be a map")]
    {
        let outcome = setup.create(watched(alarms)).await;
        assert!(outcome.reason.contains(said), "{}", outcome.reason);
    }
}

/// More alarms than fit on a page or into one deletion.
#[tokio::test(start_paused = true)]
async fn a_large_cluster_has_all_its_alarms() {
    let setup = Setup::new();
    setup.created(shards(15, 1)).await;
    assert_eq!(setup.aws.with(|world, _| world.cloudwatch.alarms.len()), 150);
    assert_watched(&setup, &OF_SEVERAL);
    setup.deleted().await;
    let deletions = setup.writes();
    assert_eq!(calls(&deletions, "DeleteAlarms").len(), 2);
}

/// A password, TLS, two nodes in two zones: alarms go with everything else.
#[tokio::test(start_paused = true)]
async fn a_production_cluster_has_alarms_too() {
    let setup = Setup::new();
    setup.created(with(production(), json!({"Alarms": {"AuthenticationFailures": 1}}))).await;
    let mut expected = OF_SEVERAL.to_vec();
    expected.insert(0, "AuthenticationFailures");
    assert_watched(&setup, &expected);
    setup.deleted().await;
}
