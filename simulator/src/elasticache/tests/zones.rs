//! Multi-AZ needs the nodes themselves in two zones, not only the subnets.

use super::*;

const COMBINATION: &str = "InvalidParameterCombination";

fn multi_az(more: Value) -> Value {
    let mut request = json!({ "AutomaticFailoverEnabled": "true", "MultiAZEnabled": "true" });
    merge(&mut request, more);
    Account::request("a", request)
}

fn two_nodes(zones: [&str; 2]) -> Value {
    json!({ "NumCacheClusters": "2", "PreferredCacheClusterAZs": { "AvailabilityZone": zones } })
}

fn two_shards(second: [&str; 2]) -> Value {
    let shard = |[primary, replica]: [&str; 2]| {
        json!({
            "ReplicaCount": "1",
            "PrimaryAvailabilityZone": primary,
            "ReplicaAvailabilityZones": { "AvailabilityZone": [replica] },
        })
    };
    let both = [shard(["us-east-1a", "us-east-1b"]), shard(second)];
    json!({ "NumNodeGroups": "2", "NodeGroupConfiguration": { "NodeGroupConfiguration": both } })
}

#[test]
fn multi_az_is_refused_at_create_when_the_nodes_of_a_shard_are_in_one_zone() {
    let mut account = Account::new();
    for crowded in [two_nodes(["us-east-1a", "us-east-1a"]), two_shards(["us-east-1b", "us-east-1b"])] {
        let refusal = account.call("CreateReplicationGroup", multi_az(crowded)).unwrap_err();
        assert_eq!(refusal.code, COMBINATION, "{refusal}");
        assert!(refusal.message.contains("two availability zones"), "{refusal}");
    }
    account.ok("CreateReplicationGroup", multi_az(two_shards(["us-east-1b", "us-east-1a"])));
}

#[test]
fn multi_az_is_refused_at_modify_until_a_node_is_in_another_zone() {
    let mut account = Account::new();
    account.create("a", two_nodes(["us-east-1a", "us-east-1a"]));
    let on = json!({ "AutomaticFailoverEnabled": "true", "MultiAZEnabled": "true" });
    assert_eq!(refusal(account.modify("a", on.clone())), COMBINATION);
    // Without Multi-AZ the nodes may be where they are.
    assert_eq!(account.modified("a", json!({ "AutomaticFailoverEnabled": "true" }))["AutomaticFailover"], "enabled");
    let more = json!({ "ReplicationGroupId": "a", "NewReplicaCount": "2", "ApplyImmediately": "true" });
    account.ok("IncreaseReplicaCount", more);
    account.wait(1800);
    assert_eq!(account.modified("a", on)["MultiAZ"], "enabled");
}

#[test]
fn zones_of_single_nodes_are_for_one_shard() {
    let mut account = Account::new();
    let zones = json!({ "AvailabilityZone": ["us-east-1a", "us-east-1b"] });
    for (more, words) in [
        (
            json!({ "NumNodeGroups": "2", "AutomaticFailoverEnabled": "true" }),
            "PreferredCacheClusterAZs can only be specified for one node group.",
        ),
        (
            json!({ "NumCacheClusters": "3" }),
            "Must specify the same number of preferred availability zones as requested number of nodes.",
        ),
    ] {
        let mut request = Account::request("a", more);
        merge(&mut request, json!({ "PreferredCacheClusterAZs": zones }));
        let refusal = account.call("CreateReplicationGroup", request).unwrap_err();
        assert_eq!((refusal.code.as_str(), refusal.message.as_str()), (COMBINATION, words));
    }
}
