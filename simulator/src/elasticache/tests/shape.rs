//! What a new group looks like.

use super::*;

#[test]
fn encrypted_groups_have_their_own_host_names() {
    let mut account = Account::new();
    let group = account.create(
        "a",
        json!({
            "NumCacheClusters": "2", "AutomaticFailoverEnabled": "true", "MultiAZEnabled": "true",
            "TransitEncryptionEnabled": "true", "AuthToken": TOKEN_A, "SnapshotRetentionLimit": "7",
        }),
    );
    let shard = &group["NodeGroups"]["NodeGroup"][0];
    assert!(shard["PrimaryEndpoint"]["Address"].as_str().unwrap().starts_with("master.a."));
    assert!(shard["ReaderEndpoint"]["Address"].as_str().unwrap().starts_with("replica.a."));
    assert_eq!(group["AuthTokenEnabled"], true);
    assert_eq!(group["TransitEncryptionMode"], "required");
    assert_eq!(group["SnapshottingClusterId"], "a-002");
    assert_eq!(group["MultiAZ"], "enabled");
    let zones: Vec<&Value> = shard["NodeGroupMembers"]["NodeGroupMember"]
        .as_array()
        .unwrap()
        .iter()
        .map(|member| &member["PreferredAvailabilityZone"])
        .collect();
    assert_eq!(zones, ["us-east-1a", "us-east-1b"]);
    assert!(!group.to_string().contains(TOKEN_A));
}

#[test]
fn a_sharded_group_has_a_configuration_endpoint() {
    let mut account = Account::new();
    let more = json!({ "NumNodeGroups": "2", "ReplicasPerNodeGroup": "1", "AutomaticFailoverEnabled": "true" });
    let group = account.create("a", more);
    assert_eq!(group["ClusterMode"], "enabled");
    assert_eq!(group["MemberClusters"]["ClusterId"], json!(["a-0001-001", "a-0001-002", "a-0002-001", "a-0002-002"]));
    assert!(group["ConfigurationEndpoint"]["Address"].as_str().unwrap().contains(".clustercfg."));
    let shard = &group["NodeGroups"]["NodeGroup"][1];
    assert_eq!(shard["Slots"], "8192-16383");
    assert!(shard.get("PrimaryEndpoint").is_none());
    assert!(shard["NodeGroupMembers"]["NodeGroupMember"][0].get("CurrentRole").is_none());
    assert_eq!(
        account.cluster("a-0001-001")["CacheParameterGroup"]["CacheParameterGroupName"],
        "default.valkey8.cluster.on"
    );
}

#[test]
fn one_shard_with_a_plain_parameter_group_is_not_a_cluster() {
    let mut account = Account::new();
    let more =
        json!({ "NumNodeGroups": "1", "ReplicasPerNodeGroup": "1", "CacheParameterGroupName": "default.valkey8" });
    let group = account.create("a", more);
    assert_eq!(group["ClusterMode"], "disabled");
    assert_eq!(group["MemberClusters"]["ClusterId"], json!(["a-001", "a-002"]));
}
