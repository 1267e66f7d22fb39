//! Replicas and shards.

use super::*;

fn count(account: &mut Account, action: &str, replicas: u32) -> Answer {
    let params = json!({
        "ReplicationGroupId": "a", "NewReplicaCount": replicas.to_string(), "ApplyImmediately": "true",
    });
    account.call(action, params)
}

#[test]
fn a_new_member_is_still_creating_when_the_group_says_available() {
    let mut account = Account::new();
    account.create("a", json!({ "Tags": { "Tag": [{ "Key": "team", "Value": "blue" }] } }));
    let answer = count(&mut account, "IncreaseReplicaCount", 1).unwrap();
    let group = &answer["ReplicationGroup"];
    assert_eq!(group["MemberClusters"]["ClusterId"], json!(["a-001", "a-002"]));
    assert_eq!(group["NodeGroups"]["NodeGroup"][0]["NodeGroupMembers"]["NodeGroupMember"].as_array().unwrap().len(), 1);
    account.wait(300);
    assert_eq!(account.group("a")["Status"], "available");
    assert_eq!(account.cluster("a-002")["CacheClusterStatus"], "creating");
    assert_eq!(refusal(account.modify("a", json!({ "CacheNodeType": "cache.t4g.small" }))), "InvalidCacheClusterState");
    let busy = account.refused("DeleteReplicationGroup", json!({ "ReplicationGroupId": "a" }));
    assert_eq!(busy, "InvalidReplicationGroupState");
    account.wait(30);
    assert_eq!(account.cluster("a-002")["CacheClusterStatus"], "available");
    assert_eq!(account.world.elasticache.tagged("team").len(), 3);
    assert_eq!(refusal(count(&mut account, "IncreaseReplicaCount", 1)), "NoOperationFault");
}

#[test]
fn a_primary_stays_when_replicas_go() {
    let mut account = Account::new();
    account
        .create("a", json!({ "NumCacheClusters": "3", "AutomaticFailoverEnabled": "true", "MultiAZEnabled": "true" }));
    account.world.elasticache.promote("a-003");
    count(&mut account, "DecreaseReplicaCount", 1).unwrap();
    assert_eq!(account.cluster("a-002")["CacheClusterStatus"], "deleting");
    account.wait(240);
    assert_eq!(account.group("a")["MemberClusters"]["ClusterId"], json!(["a-001", "a-003"]));
    assert_eq!(refusal(count(&mut account, "DecreaseReplicaCount", 0)), "InvalidParameterValue");
}

#[test]
fn replicas_go_by_number_or_by_name() {
    let mut account = Account::new();
    account.create("a", json!({ "NumCacheClusters": "3" }));
    let request = json!({
        "ReplicationGroupId": "a", "ApplyImmediately": "true", "ReplicasToRemove": { "member": ["a-002"] },
    });
    let mut both = request.clone();
    merge(&mut both, json!({ "NewReplicaCount": "1" }));
    assert_eq!(account.refused("DecreaseReplicaCount", both), "InvalidParameterCombination");
    account.ok("DecreaseReplicaCount", request);
    account.wait(240);
    assert_eq!(account.group("a")["MemberClusters"]["ClusterId"], json!(["a-001", "a-003"]));
}

#[test]
fn a_rolled_back_increase_removes_what_it_added() {
    let mut account = Account::new();
    account.create("a", json!({}));
    account.world.elasticache.roll_back_next("IncreaseReplicaCount", "no capacity");
    count(&mut account, "IncreaseReplicaCount", 2).unwrap();
    account.wait(300);
    let group = account.group("a");
    assert_eq!((&group["Status"], &group["MemberClusters"]["ClusterId"]), (&json!("available"), &json!(["a-001"])));
}

#[test]
fn shards_come_and_go_with_their_slots() {
    let mut account = Account::new();
    account.create("a", json!({ "NumNodeGroups": "2", "AutomaticFailoverEnabled": "true" }));
    let shards = |account: &mut Account, count: u32, more: Value| {
        let mut request = json!({
            "ReplicationGroupId": "a", "NodeGroupCount": count.to_string(), "ApplyImmediately": "true",
        });
        merge(&mut request, more);
        account.call("ModifyReplicationGroupShardConfiguration", request)
    };
    shards(&mut account, 3, json!({})).unwrap();
    account.wait(450);
    let pending =
        account.group("a")["PendingModifiedValues"]["Resharding"]["SlotMigration"]["ProgressPercentage"].clone();
    assert_eq!(pending, 50.0);
    account.wait(600);
    assert_eq!(account.group("a")["NodeGroups"]["NodeGroup"][2]["Slots"], "10922-16383");
    assert_eq!(refusal(shards(&mut account, 2, json!({}))), "InvalidParameterCombination");
    shards(&mut account, 2, json!({ "NodeGroupsToRemove": { "NodeGroupToRemove": ["0003"] } })).unwrap();
    account.wait(900);
    let group = account.group("a");
    assert_eq!(group["MemberClusters"]["ClusterId"], json!(["a-0001-001", "a-0002-001"]));
    assert_eq!(group["NodeGroups"]["NodeGroup"][1]["Slots"], "8192-16383");
}
