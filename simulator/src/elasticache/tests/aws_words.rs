//! Refusals in the words that AWS has been seen to use.

use super::*;

/// A call that AWS refuses, with the code and the words.
fn refuses(account: &mut Account, action: &str, id: &str, more: &Value, code: &str, words: &str) {
    let mut request = json!({ "ReplicationGroupId": id, "ApplyImmediately": "true" });
    merge(&mut request, more.clone());
    let refusal = account.call(action, request).expect_err(action);
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), (code, words), "{action} {more}");
}

#[test]
fn modifications_of_a_group_without_shards() {
    let mut account = Account::new();
    account.world.elasticache.add_user_group(UserGroup::new("people", "valkey", "user-password"));
    account.create("a", json!({}));
    account.create("token", json!({ "TransitEncryptionEnabled": "true", "AuthToken": TOKEN_A }));
    let people = json!({ "TransitEncryptionEnabled": "true", "UserGroupIds": { "member": ["people"] } });
    account.create("users", people);
    let combination = "InvalidParameterCombination";
    for (id, more, code, words) in [
        (
            "a",
            json!({ "SnapshotRetentionLimit": "5" }),
            combination,
            "Must specify both SnapshotRetentionLimit and SnapshottingClusterId to turn on snapshots",
        ),
        (
            "a",
            json!({ "SnapshotRetentionLimit": "5", "SnapshottingClusterId": "a-002" }),
            "CacheClusterNotFound",
            "Specified snapshotting cluster does not exist",
        ),
        (
            "a",
            json!({ "AutomaticFailoverEnabled": "true" }),
            combination,
            "Replication group must have at least one read replica to enable autofailover.",
        ),
        (
            "a",
            json!({ "TransitEncryptionMode": "required" }),
            combination,
            "To modify transit encryption mode, set encryption-in-transit as enabled.",
        ),
        (
            "a",
            json!({ "Durability": "sync" }),
            combination,
            "Durability cannot currently be enabled on non-durable clusters",
        ),
        (
            "token",
            json!({ "UserGroupIdsToAdd": { "member": ["people"] } }),
            combination,
            "User group can't be associated with auth token enabled. Pass AuthStrategy delete to proceed.",
        ),
        (
            "a",
            json!({ "TransitEncryptionEnabled": "true", "TransitEncryptionMode": "required" }),
            combination,
            "Direct transition from transit-encryption-disabled to transit-encryption-enabled is not allowed. Update the \
             cluster to transit-encryption-mode preferred prior to enabling transit encryption.",
        ),
        (
            "a",
            json!({ "AuthToken": TOKEN_A }),
            "InvalidParameterValue",
            "The AUTH token modification is only supported when encryption-in-transit is enabled.",
        ),
        (
            "users",
            json!({ "AuthToken": TOKEN_A }),
            combination,
            "Auth tokens can't be enabled with a user group already associated. Pass RemoveUserGroups to proceed.",
        ),
        (
            "token",
            json!({ "AuthToken": TOKEN_B, "ApplyImmediately": "false" }),
            combination,
            "AUTH token modification should be called with applied immediately option.",
        ),
        (
            "token",
            json!({ "AuthTokenUpdateStrategy": "DELETE" }),
            "InvalidParameterValue",
            "Auth token update strategy delete is not supported currently",
        ),
    ] {
        refuses(&mut account, "ModifyReplicationGroup", id, &more, code, words);
    }
    refuses(
        &mut account,
        "ModifyReplicationGroupShardConfiguration",
        "a",
        &json!({ "NodeGroupCount": "2" }),
        combination,
        "Operation is only applicable for cluster mode enabled",
    );
}

#[test]
fn modifications_of_shards() {
    let mut account = Account::new();
    account.create("a", json!({ "NumNodeGroups": "2", "AutomaticFailoverEnabled": "true" }));
    let combination = "InvalidParameterCombination";
    for (more, words) in [
        (
            json!({ "SnapshottingClusterId": "a-0001-001" }),
            "Cannot set snapshotting cluster for cluster mode enabled replication group",
        ),
        // It is on already.
        (
            json!({ "AutomaticFailoverEnabled": "true" }),
            "Replication group must have at least one read replica to enable autofailover.",
        ),
        (
            json!({ "AutomaticFailoverEnabled": "false" }),
            "Turning off automatic failover for replication group with cluster mode enabled is not supported.",
        ),
    ] {
        refuses(&mut account, "ModifyReplicationGroup", "a", &more, combination, words);
    }
    refuses(
        &mut account,
        "ModifyReplicationGroupShardConfiguration",
        "a",
        &json!({ "NodeGroupCount": "1", "NodeGroupsToRemove": { "NodeGroupToRemove": ["0010"] } }),
        "InvalidParameterValue",
        "The following node group ids are invalid: [0010]",
    );
}

#[test]
fn a_durable_group_stays_durable() {
    let mut account = Account::new();
    let durable = json!({
        "EngineVersion": "9.0", "CacheNodeType": "cache.r7g.large", "NumNodeGroups": "2", "ReplicasPerNodeGroup": "1",
        "AutomaticFailoverEnabled": "true", "MultiAZEnabled": "true", "TransitEncryptionEnabled": "true",
        "Durability": "sync",
    });
    account.create("a", durable);
    account.modified("a", json!({ "Durability": "async" }));
    let words = "Durability cannot currently be disabled on durable clusters";
    let off = json!({ "Durability": "disabled" });
    refuses(&mut account, "ModifyReplicationGroup", "a", &off, "InvalidParameterCombination", words);
    let words = "Must have at least 1 replica for Multi-AZ enabled Replication Group";
    let none = json!({ "NewReplicaCount": "0" });
    refuses(&mut account, "DecreaseReplicaCount", "a", &none, "InvalidParameterValue", words);
}

#[test]
fn a_parameter_group_of_valkey_fits_no_redis() {
    let mut account = Account::new();
    account.create("a", json!({ "Engine": "redis", "EngineVersion": "7.1" }));
    let words = "valkey parameter group is not applicable to engine redis";
    let group = json!({ "CacheParameterGroupName": "default.valkey8" });
    refuses(&mut account, "ModifyReplicationGroup", "a", &group, "InvalidParameterCombination", words);
}
