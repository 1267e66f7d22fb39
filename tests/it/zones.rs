//! Multi-AZ and the zones of the nodes themselves: what AWS refuses there is said before the first write.

use serde_json::{Value, json};
use simulator::cloudformation::StackStatus;

use crate::harness::{Setup, quick_start, with};

/// Multi-AZ with nodes in these zones.
fn two_nodes(zones: [&str; 2]) -> Value {
    let more = json!({"NumCacheNodes": 2, "AutomaticFailoverEnabled": true, "PreferredAvailabilityZones": zones});
    with(quick_start(), more)
}

fn multi_az(properties: Value) -> Value {
    with(properties, json!({"MultiAzEnabled": true}))
}

fn one_shard(primary: &str, replica: &str) -> Value {
    let shard = json!({"PrimaryAvailabilityZone": primary, "ReplicaAvailabilityZones": [replica], "ReplicaCount": 1});
    with(quick_start(), json!({"NodeGroupConfiguration": [shard], "ClusterMode": "enabled"}))
}

#[tokio::test(start_paused = true)]
async fn a_new_cache_with_multi_az_has_its_nodes_in_two_zones() {
    for (crowded, property) in [
        (two_nodes(["us-east-1a", "us-east-1a"]), "PreferredAvailabilityZones (us-east-1a)"),
        (one_shard("us-east-1b", "us-east-1b"), "NodeGroupConfiguration[0] (us-east-1b)"),
    ] {
        let setup = Setup::new();
        let outcome = setup.create(multi_az(crowded)).await;
        assert_eq!(outcome.status, StackStatus::RollbackComplete);
        let reason = outcome.answers[0].reason();
        assert!(reason.contains(property) && reason.contains("two zones"), "{reason}");
        assert_eq!(setup.write_names(), Vec::<String>::new());
    }
    for spread in [two_nodes(["us-east-1b", "us-east-1a"]), one_shard("us-east-1a", "us-east-1b")] {
        let setup = Setup::new();
        setup.created(multi_az(spread)).await;
        setup.deleted().await;
    }
}

#[tokio::test(start_paused = true)]
async fn multi_az_comes_with_a_node_in_another_zone() {
    let setup = Setup::new();
    let crowded = two_nodes(["us-east-1a", "us-east-1a"]);
    setup.created(crowded.clone()).await;
    let (outcome, writes) = setup.rolled_back(multi_az(crowded.clone())).await;
    for part in ["MultiAzEnabled (true)", "all nodes of shard 0001 are in us-east-1a", "add a node"] {
        assert!(outcome.reason.contains(part), "{part:?} is not in {}", outcome.reason);
    }
    assert!(writes.iter().all(|entry| !entry.action.starts_with("Modify")), "{writes:?}");
    setup.updated(with(multi_az(crowded), json!({"NumCacheNodes": 3, "PreferredAvailabilityZones": null}))).await;
    let group = setup.aws.with(|world, _| world.elasticache.groups.values().next().cloned().unwrap());
    assert!(group.multi_az && group.members().any(|member| member.zone == "us-east-1b"));
    setup.deleted().await;
}
