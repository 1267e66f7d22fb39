//! Modify and tags.

use super::*;

#[test]
fn a_modify_answers_with_old_values_and_takes_its_time() {
    let mut account = Account::new();
    account.create("a", json!({}));
    let answer = account.modify("a", json!({ "ReplicationGroupDescription": "new" })).unwrap();
    assert_eq!(answer["ReplicationGroup"]["Description"], "test");
    assert_eq!(answer["ReplicationGroup"]["Status"], "modifying");
    assert_eq!(
        refusal(account.modify("a", json!({ "SnapshotWindow": "01:00-02:00" }))),
        "InvalidReplicationGroupState"
    );
    account.wait(40);
    assert_eq!(account.group("a")["Description"], "new");
    let unchanged = account.modify("a", json!({ "ReplicationGroupDescription": "new" })).unwrap_err();
    assert_eq!(unchanged.code, "InvalidParameterCombination");
    assert_eq!(unchanged.message, "No modifications were requested");
}

#[test]
fn changes_of_nodes_wait_for_the_window_unless_immediate() {
    let mut account = Account::new();
    account.create("a", json!({ "PreferredMaintenanceWindow": "sun:05:00-sun:06:00" }));
    account.ok("ModifyReplicationGroup", json!({ "ReplicationGroupId": "a", "CacheNodeType": "cache.t4g.small" }));
    assert_eq!(account.group("a")["Status"], "available");
    assert_eq!(account.cluster("a-001")["PendingModifiedValues"]["CacheNodeType"], "cache.t4g.small");
    let upgrade = account.modify("a", json!({ "EngineVersion": "9.0" }));
    assert_eq!(refusal(upgrade), "InvalidParameterCombination");
    account.wait(6 * 3600);
    assert_eq!(account.group("a")["CacheNodeType"], "cache.t4g.small");
}

#[test]
fn engines_move_forward_with_their_default_parameters() {
    let mut account = Account::new();
    account.create("a", json!({ "Engine": "redis", "EngineVersion": "7.1" }));
    account.modified("a", json!({ "Engine": "valkey", "EngineVersion": "8.0" }));
    let member = account.cluster("a-001");
    assert_eq!((&member["Engine"], &member["EngineVersion"]), (&json!("valkey"), &json!("8.0.1")));
    assert_eq!(member["CacheParameterGroup"]["CacheParameterGroupName"], "default.valkey8");
    assert_eq!(refusal(account.modify("a", json!({ "EngineVersion": "7.2" }))), "InvalidParameterCombination");
    let same = account.modify("a", json!({ "EngineVersion": "8.0" })).unwrap_err();
    assert_eq!(same.message, "No modifications were requested");
}

#[test]
fn a_custom_parameter_group_needs_a_successor_of_the_new_family() {
    let mut account = Account::new();
    for (name, family) in [("old", "valkey8"), ("new", "valkey9")] {
        account.ok(
            "CreateCacheParameterGroup",
            json!({
                "CacheParameterGroupName": name, "CacheParameterGroupFamily": family, "Description": "custom",
            }),
        );
    }
    account.create("a", json!({ "CacheParameterGroupName": "old" }));
    assert_eq!(refusal(account.modify("a", json!({ "EngineVersion": "9.0" }))), "InvalidParameterCombination");
    account.modified("a", json!({ "EngineVersion": "9.0", "CacheParameterGroupName": "new" }));
    assert_eq!(account.cluster("a-001")["CacheParameterGroup"]["CacheParameterGroupName"], "new");
    account.ok("DeleteCacheParameterGroup", json!({ "CacheParameterGroupName": "old" }));
    assert_eq!(
        account.refused("DeleteCacheParameterGroup", json!({ "CacheParameterGroupName": "new" })),
        "InvalidCacheParameterGroupState"
    );
}

#[test]
fn a_rolled_back_change_leaves_only_an_event() {
    let mut account = Account::new();
    account.create("a", json!({}));
    account.world.elasticache.roll_back_next("ModifyReplicationGroup", "out of memory");
    let group = account.modified("a", json!({ "CacheNodeType": "cache.t4g.small" }));
    assert_eq!((&group["Status"], &group["CacheNodeType"]), (&json!("available"), &json!("cache.t4g.micro")));
    let events = account.ok("DescribeEvents", json!({ "SourceType": "replication-group", "SourceIdentifier": "a" }));
    assert_eq!(events["Events"]["Event"][0]["Message"], "out of memory");
}

#[test]
fn snapshots_are_turned_on_with_a_live_member() {
    let mut account = Account::new();
    account.create("a", json!({}));
    assert_eq!(refusal(account.modify("a", json!({ "SnapshotRetentionLimit": "5" }))), "InvalidParameterCombination");
    let gone = json!({ "SnapshotRetentionLimit": "5", "SnapshottingClusterId": "a-002" });
    assert_eq!(refusal(account.modify("a", gone)), "CacheClusterNotFound");
    let group = account.modified("a", json!({ "SnapshotRetentionLimit": "5", "SnapshottingClusterId": "a-001" }));
    assert_eq!(group["SnapshotRetentionLimit"], 5);
}

#[test]
fn cluster_mode_goes_through_compatible() {
    let mut account = Account::new();
    account.create("a", json!({ "NumCacheClusters": "2", "AutomaticFailoverEnabled": "true" }));
    assert_eq!(refusal(account.modify("a", json!({ "ClusterMode": "enabled" }))), "InvalidParameterCombination");
    assert_eq!(refusal(account.modify("a", json!({ "ClusterMode": "compatible" }))), "InvalidParameterCombination");
    let alone = account.modify("a", json!({ "CacheParameterGroupName": "default.valkey8.cluster.on" })).unwrap_err();
    assert!(alone.message.starts_with("The parameter cluster-enabled has a different value"), "{}", alone.message);
    let step = json!({ "ClusterMode": "compatible", "CacheParameterGroupName": "default.valkey8.cluster.on" });
    let group = account.modified("a", step);
    assert!(group["ConfigurationEndpoint"].is_object());
    assert_eq!(
        refusal(account.modify("a", json!({ "CacheNodeType": "cache.t4g.small" }))),
        "InvalidParameterCombination"
    );
    let more = json!({ "ReplicationGroupId": "a", "NewReplicaCount": "2", "ApplyImmediately": "true" });
    assert_eq!(account.refused("IncreaseReplicaCount", more), "InvalidParameterCombination");
    let group = account.modified("a", json!({ "ClusterMode": "enabled" }));
    assert_eq!(group["ClusterMode"], "enabled");
    assert!(group["NodeGroups"]["NodeGroup"][0].get("PrimaryEndpoint").is_none());
    assert_eq!(refusal(account.modify("a", json!({ "ClusterMode": "compatible" }))), "InvalidParameterCombination");
}

#[test]
fn tags_reach_members_and_keep_the_group_busy() {
    let mut account = Account::new();
    account.create("a", json!({}));
    let arn = names::arn("replicationgroup", "a");
    let tag = json!({ "Tag": [{ "Key": "team", "Value": "blue" }] });
    account.ok("AddTagsToResource", json!({ "ResourceName": arn, "Tags": tag }));
    assert_eq!(account.refused("ListTagsForResource", json!({ "ResourceName": arn })), "InvalidReplicationGroupState");
    account.wait(5);
    let listed = account.ok("ListTagsForResource", json!({ "ResourceName": names::arn("cluster", "a-001") }));
    assert_eq!(listed["TagList"]["Tag"], json!([{ "Key": "team", "Value": "blue" }]));
    assert_eq!(account.world.elasticache.tagged("team").len(), 2);
    let missing = json!({ "ResourceName": arn, "TagKeys": { "member": ["other"] } });
    assert_eq!(account.refused("RemoveTagsFromResource", missing), "TagNotFound");
}
