//! Shards and replicas that something else than the template adds or takes away, as auto scaling does: `CountPolicy`.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::StackStatus;
use simulator::elasticache::ElastiCache;

use crate::harness::{CACHE, Setup, quick_start, with};

const ID: &str = "development-myapp-valkey";

fn sharded(shards: u32, replicas: u32) -> Value {
    with(
        quick_start(),
        json!({"NumNodeGroups": shards, "ReplicasPerNodeGroup": replicas, "NodeType": "cache.m7g.large", "CountPolicy": "Minimum"}),
    )
}

fn plain(nodes: u32) -> Value {
    with(quick_start(), json!({"NumCacheNodes": nodes, "CountPolicy": "Minimum"}))
}

async fn standing(properties: Value) -> Setup {
    let setup = Setup::new();
    setup.created(properties).await;
    setup
}

/// Nodes of each shard.
fn nodes(setup: &Setup) -> Vec<usize> {
    setup.aws.with(|world, _| world.elasticache.groups[ID].shards.iter().map(|shard| shard.members.len()).collect())
}

/// What auto scaling calls, to its end.
async fn scale(setup: &Setup, shards: u32, replicas: u32) {
    if nodes(setup).len() != shards as usize {
        let call = json!({"ReplicationGroupId": ID, "NodeGroupCount": shards.to_string(), "ApplyImmediately": "true"});
        setup.by_hand(ElastiCache::handle, "ModifyReplicationGroupShardConfiguration", call);
        setup.aws.clock().sleep(Duration::from_hours(2)).await;
    }
    if nodes(setup)[0] != replicas as usize + 1 {
        let action =
            if nodes(setup)[0] > replicas as usize + 1 { "DecreaseReplicaCount" } else { "IncreaseReplicaCount" };
        let call =
            json!({"ReplicationGroupId": ID, "NewReplicaCount": replicas.to_string(), "ApplyImmediately": "true"});
        setup.by_hand(ElastiCache::handle, action, call);
        setup.aws.clock().sleep(Duration::from_hours(2)).await;
    }
}

fn described(properties: &Value) -> Value {
    with(properties.clone(), json!({"Description": "changed"}))
}

#[tokio::test(start_paused = true)]
async fn what_auto_scaling_added_stays_under_minimum_and_goes_under_exact() {
    for (properties, grown) in [(sharded(2, 1), vec![3; 4]), (plain(1), vec![3])] {
        let setup = standing(properties.clone()).await;
        scale(&setup, u32::try_from(grown.len()).unwrap(), 2).await;
        assert_eq!(nodes(&setup), grown);
        let (outcome, _) = setup.updated(described(&properties)).await;
        assert_eq!(nodes(&setup), grown);
        let all: usize = grown.iter().sum();
        assert_eq!(outcome.get_att("Configuration.NumCacheNodes"), Ok(all.to_string().as_str()));
        // Nothing is left to do.
        let (_, writes) = setup.updated(described(&properties)).await;
        assert!(writes.is_empty(), "{writes:?}");
        let exact = with(described(&properties), json!({"CountPolicy": null}));
        setup.updated(exact).await;
        let before = if grown.len() > 1 { vec![2, 2] } else { vec![1] };
        assert_eq!(nodes(&setup), before);
        setup.deleted().await;
    }
}

#[tokio::test(start_paused = true)]
async fn fewer_than_the_least_are_brought_back_and_more_of_one_kind_do_not_hinder_the_other() {
    let setup = standing(sharded(3, 1)).await;
    // More shards with fewer replicas each.
    scale(&setup, 4, 1).await;
    scale(&setup, 4, 0).await;
    assert_eq!(nodes(&setup), [1, 1, 1, 1]);
    setup.updated(described(&sharded(3, 1))).await;
    assert_eq!(nodes(&setup), [2, 2, 2, 2]);
    // The template asks for more than there is.
    setup.updated(sharded(5, 1)).await;
    assert_eq!(nodes(&setup), [2; 5]);
    // It asks for less: what is there stays.
    setup.updated(sharded(2, 0)).await;
    assert_eq!(nodes(&setup), [2; 5]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_update_added_goes_with_its_rollback() {
    for (before, after) in [(sharded(2, 1), sharded(3, 2)), (plain(1), plain(3))] {
        let setup = standing(before.clone()).await;
        let stood = nodes(&setup);
        setup.stack.fail_elsewhere();
        let outcome = setup.stack.update(CACHE, after.clone()).await;
        assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
        assert_eq!(nodes(&setup), stood);
        setup.deleted().await;
    }
    // What auto scaling made of it stays.
    let setup = standing(plain(1)).await;
    scale(&setup, 1, 3).await;
    setup.stack.fail_elsewhere();
    let outcome = setup.stack.update(CACHE, described(&plain(2))).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    assert_eq!(nodes(&setup), [4]);
    setup.deleted().await;
}

/// A subnet without nodes goes at once, although there are more nodes than the template's.
#[tokio::test(start_paused = true)]
async fn more_nodes_do_not_hold_back_other_changes() {
    let subnets =
        json!({"SubnetIds": ["subnet-0a000000000000001", "subnet-0a000000000000002", "subnet-0a000000000000003"]});
    let properties = with(plain(1), subnets);
    let setup = standing(properties.clone()).await;
    scale(&setup, 1, 1).await;
    let zones: Vec<String> =
        setup.aws.with(|world, _| world.elasticache.groups[ID].members().map(|member| member.zone.clone()).collect());
    let unused = ["a", "b", "c"].into_iter().position(|zone| !zones.iter().any(|at| at.ends_with(zone))).unwrap();
    let mut fewer = properties.clone();
    fewer["SubnetIds"].as_array_mut().unwrap().remove(unused);
    setup.updated(fewer).await;
    assert_eq!(nodes(&setup), [2]);
    let left =
        setup.aws.with(|world, _| world.elasticache.subnet_groups.values().map(|group| group.subnets.len()).max());
    assert_eq!(left, Some(2));
    // One that such a node is in does not go: the node stays.
    let used = ["a", "b", "c"].into_iter().position(|zone| zones[1].ends_with(zone)).unwrap();
    let mut without = properties.clone();
    without["SubnetIds"].as_array_mut().unwrap().remove(used);
    let outcome = setup.stack.update(CACHE, without).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    assert!(outcome.reason.contains("is in use by nodes in"), "{}", outcome.reason);
    setup.deleted().await;
}
