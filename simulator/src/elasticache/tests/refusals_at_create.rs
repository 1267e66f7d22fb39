//! What a create must not ask for.

use super::*;

#[test]
fn impossible_requests_are_refused() {
    let zones = |zones: &[&str]| json!({ "AvailabilityZone": zones });
    let cases = [
        (json!({ "EngineVersion": "7.1" }), "InvalidParameterValue"),
        (json!({ "CacheParameterGroupName": "default.valkey7" }), "InvalidParameterCombination"),
        (json!({ "CacheParameterGroupName": "missing" }), "CacheParameterGroupNotFound"),
        (json!({ "CacheSubnetGroupName": "missing" }), "CacheSubnetGroupNotFoundFault"),
        (json!({ "AutomaticFailoverEnabled": "true" }), "InvalidParameterCombination"),
        (json!({ "NumCacheClusters": "2", "MultiAZEnabled": "true" }), "InvalidParameterCombination"),
        (json!({ "NumNodeGroups": "2" }), "InvalidParameterCombination"),
        (json!({ "NumNodeGroups": "2", "NumCacheClusters": "2" }), "InvalidParameterCombination"),
        (json!({ "AuthToken": TOKEN_A }), "InvalidParameterCombination"),
        (
            json!({ "AuthToken": TOKEN_A, "TransitEncryptionEnabled": "true", "TransitEncryptionMode": "preferred" }),
            "InvalidParameterCombination",
        ),
        (json!({ "AuthToken": "short", "TransitEncryptionEnabled": "true" }), "InvalidParameterValue"),
        (json!({ "AuthToken": "sixteen@characters", "TransitEncryptionEnabled": "true" }), "InvalidParameterValue"),
        (json!({ "UserGroupIds": { "member": ["g"] }, "TransitEncryptionEnabled": "true" }), "UserGroupNotFound"),
        (json!({ "AtRestEncryptionEnabled": "false", "KmsKeyId": "k" }), "InvalidParameterCombination"),
        (json!({ "DataTieringEnabled": "true" }), "InvalidParameterCombination"),
        (json!({ "Durability": "sync" }), "InvalidParameterCombination"),
        (json!({ "SnapshotRetentionLimit": "36" }), "InvalidParameterValue"),
        (json!({ "SnapshotWindow": "05:00-05:30" }), "InvalidParameterValue"),
        (json!({ "SecurityGroupIds": { "SecurityGroupId": ["sg-unknown"] } }), "InvalidParameterValue"),
        (json!({ "PreferredCacheClusterAZs": zones(&["us-east-1a", "us-east-1b"]) }), "InvalidParameterCombination"),
        (json!({ "PreferredCacheClusterAZs": zones(&["us-east-1c"]) }), "InvalidParameterValue"),
        (json!({ "NetworkType": "dual_stack" }), "InvalidParameterCombination"),
        (json!({ "PrimaryClusterId": "other" }), "CacheClusterNotFound"),
        (json!({ "Tags": { "Tag": [{ "Key": "aws:x", "Value": "" }] } }), "InvalidParameterValue"),
        (json!({ "ReplicationGroupId": "two--hyphens" }), "InvalidParameterValue"),
    ];
    let mut account = Account::new();
    for (more, code) in cases {
        assert_eq!(account.refused("CreateReplicationGroup", Account::request("a", more.clone())), code, "{more}");
    }
    assert!(account.world.elasticache.groups.is_empty());
}

#[test]
fn multi_az_needs_two_zones() {
    let mut account = Account::new();
    account.ok(
        "ModifyCacheSubnetGroup",
        json!({
            "CacheSubnetGroupName": "net",
            "SubnetIds": { "SubnetIdentifier": ["subnet-0a000000000000001", "subnet-0a000000000000004"] },
        }),
    );
    let more = json!({ "NumCacheClusters": "2", "AutomaticFailoverEnabled": "true", "MultiAZEnabled": "true" });
    assert_eq!(account.refused("CreateReplicationGroup", Account::request("a", more)), "InvalidParameterCombination");
}
