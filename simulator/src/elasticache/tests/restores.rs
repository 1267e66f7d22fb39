//! What a snapshot is called, where it may be restored to, and how it is found.

use super::*;

const COMBINATION: &str = "InvalidParameterCombination";

/// Makes a group and a snapshot of it.
fn snapshot_of(account: &mut Account, id: &str, more: Value, of: Value) {
    account.create(id, more);
    let mut request = json!({ "SnapshotName": format!("of-{id}") });
    merge(&mut request, of);
    account.ok("CreateSnapshot", request);
    account.wait(1800);
}

#[test]
fn a_snapshot_with_cluster_mode_goes_into_no_group_without() {
    let mut account = Account::new();
    for (id, shards) in [("one", "1"), ("two", "2")] {
        let sharded = json!({
            "NumNodeGroups": shards, "ReplicasPerNodeGroup": "0", "AutomaticFailoverEnabled": "true",
            "CacheParameterGroupName": "default.valkey8.cluster.on",
        });
        snapshot_of(&mut account, id, sharded.clone(), json!({ "ReplicationGroupId": id }));
        let restore = json!({ "SnapshotName": format!("of-{id}") });
        let plain = Account::request("plain", restore.clone());
        assert_eq!(account.refused("CreateReplicationGroup", plain), COMBINATION, "{shards}");
        let mut again = Account::request(&format!("{id}-again"), sharded);
        merge(&mut again, restore);
        account.ok("CreateReplicationGroup", again);
    }
}

#[test]
fn a_snapshot_of_valkey_goes_into_no_redis() {
    let mut account = Account::new();
    for (id, version) in [("seven", "7.2"), ("eight", "8.0")] {
        let member = json!({ "CacheClusterId": format!("{id}-001") });
        snapshot_of(&mut account, id, json!({ "EngineVersion": version }), member);
        let redis = json!({ "Engine": "redis", "EngineVersion": "7.1", "SnapshotName": format!("of-{id}") });
        assert_eq!(account.refused("CreateReplicationGroup", Account::request("r", redis)), COMBINATION, "{version}");
    }
    let redis = json!({ "Engine": "redis", "EngineVersion": "7.1" });
    snapshot_of(&mut account, "redis", redis, json!({ "CacheClusterId": "redis-001" }));
    account.ok("CreateReplicationGroup", Account::request("v", json!({ "SnapshotName": "of-redis" })));
}

#[test]
fn a_snapshot_has_a_name_of_at_most_forty_characters() {
    let mut account = Account::new();
    account.create("a", json!({}));
    let (fits, long) = ("s".repeat(40), "s".repeat(41));
    let snapshot = |name: &str| json!({ "SnapshotName": name, "CacheClusterId": "a-001" });
    assert_eq!(account.refused("CreateSnapshot", snapshot(&long)), "InvalidParameterValue");
    account.ok("CreateSnapshot", snapshot(&fits));
    account.wait(1800);
    let last = json!({ "ReplicationGroupId": "a", "FinalSnapshotIdentifier": long });
    assert_eq!(account.refused("DeleteReplicationGroup", last), "InvalidParameterValue");
}

#[test]
fn snapshots_of_a_member_that_never_was_are_not_listed_but_refused() {
    let mut account = Account::new();
    snapshot_of(&mut account, "a", json!({}), json!({ "CacheClusterId": "a-001" }));
    let of = |id: &str| json!({ "CacheClusterId": id });
    let refusal = account.call("DescribeSnapshots", of("b-001")).unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), ("CacheClusterNotFound", 404));
    let names = |answer: &Value| answer["Snapshots"]["Snapshot"].as_array().map(Vec::len);
    assert_eq!(names(&account.ok("DescribeSnapshots", of("a-001"))), Some(1));
    account.ok("DeleteReplicationGroup", json!({ "ReplicationGroupId": "a" }));
    account.wait(1800);
    assert_eq!(names(&account.ok("DescribeSnapshots", of("a-001"))), Some(1), "a snapshot outlives its cluster");
}
