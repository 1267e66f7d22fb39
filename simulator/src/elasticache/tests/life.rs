//! From creation to deletion.

use super::*;

#[test]
fn a_group_is_unseen_then_creating_then_available() {
    let mut account = Account::new();
    let answer = account.ok("CreateReplicationGroup", Account::request("Prod-App", json!({})));
    assert_eq!(answer["ReplicationGroup"]["ReplicationGroupId"], "prod-app");
    assert_eq!(answer["ReplicationGroup"]["Status"], "creating");
    let unseen = account.call("DescribeReplicationGroups", json!({ "ReplicationGroupId": "prod-app" })).unwrap_err();
    assert_eq!((unseen.status, unseen.code.as_str()), (404, "ReplicationGroupNotFoundFault"));
    account.wait(10);
    let group = account.group("prod-app");
    assert_eq!(group["Status"], "creating");
    assert!(group["NodeGroups"]["NodeGroup"][0].get("PrimaryEndpoint").is_none());
    assert_eq!(
        account.refused("DeleteReplicationGroup", json!({ "ReplicationGroupId": "prod-app" })),
        "InvalidReplicationGroupState"
    );
    account.wait(290);
    let group = account.group("prod-app");
    assert_eq!(group["Status"], "available");
    let address = group["NodeGroups"]["NodeGroup"][0]["PrimaryEndpoint"]["Address"].as_str().unwrap();
    assert!(address.starts_with("prod-app.") && address.ends_with(".ng.0001.use1.cache.amazonaws.com"), "{address}");
    assert_eq!(group["AtRestEncryptionEnabled"], true);
    assert!(group.get("EngineVersion").is_none());
    let member = account.cluster("prod-app-001");
    assert_eq!(member["EngineVersion"], "8.2.0");
    assert_eq!(member["CacheParameterGroup"]["CacheParameterGroupName"], "default.valkey8");
}

#[test]
fn a_deleted_group_holds_its_security_group_for_a_while() {
    let mut account = Account::new();
    account.create("a", json!({ "SecurityGroupIds": { "SecurityGroupId": [SECURITY_GROUP] } }));
    account.ok("DeleteReplicationGroup", json!({ "ReplicationGroupId": "a" }));
    assert_eq!(account.group("a")["Status"], "deleting");
    assert_eq!(
        account.refused("DeleteReplicationGroup", json!({ "ReplicationGroupId": "a" })),
        "InvalidReplicationGroupState"
    );
    assert_eq!(
        account.refused("DeleteCacheSubnetGroup", json!({ "CacheSubnetGroupName": "net" })),
        "CacheSubnetGroupInUse"
    );
    account.wait(240);
    assert_eq!(
        account.refused("DescribeReplicationGroups", json!({ "ReplicationGroupId": "a" })),
        "ReplicationGroupNotFoundFault"
    );
    account.ok("DeleteCacheSubnetGroup", json!({ "CacheSubnetGroupName": "net" }));
    assert!(account.world.elasticache.security_groups_in_use(account.now).contains(SECURITY_GROUP));
    account.wait(90);
    assert!(account.world.elasticache.security_groups_in_use(account.now).is_empty());
}

#[test]
fn a_failed_create_tells_why_and_can_only_be_deleted() {
    let mut account = Account::new();
    account.world.elasticache.fail_next_create("no capacity in us-east-1a");
    let group = account.create("a", json!({}));
    assert_eq!(group["Status"], "create-failed");
    let events = account.ok("DescribeEvents", json!({ "SourceType": "replication-group", "SourceIdentifier": "a" }));
    assert_eq!(events["Events"]["Event"][0]["Message"], "no capacity in us-east-1a");
    assert_eq!(
        refusal(account.modify("a", json!({ "ReplicationGroupDescription": "x" }))),
        "InvalidReplicationGroupState"
    );
    account.ok("DeleteReplicationGroup", json!({ "ReplicationGroupId": "a" }));
}

#[test]
fn a_final_snapshot_outlives_the_group_and_restores_its_data() {
    let mut account = Account::new();
    account.create("a", json!({ "Tags": { "Tag": [{ "Key": "owner", "Value": "me" }] } }));
    let data = &mut account.world.elasticache.groups.get_mut("a").unwrap().data;
    data.insert("key".to_owned(), "value".to_owned());
    account.ok("DeleteReplicationGroup", json!({ "ReplicationGroupId": "a", "FinalSnapshotIdentifier": "Last" }));
    assert_eq!(account.cluster("a-001")["CacheClusterStatus"], "snapshotting");
    account.wait(600);
    assert_eq!(account.world.elasticache.tagged("owner"), []);
    let snapshots = account.ok("DescribeSnapshots", json!({ "SnapshotName": "last" }));
    assert_eq!(snapshots["Snapshots"]["Snapshot"][0]["SnapshotStatus"], "available");
    let older = Account::request("b", json!({ "SnapshotName": "last", "EngineVersion": "8.1" }));
    assert_eq!(account.refused("CreateReplicationGroup", older), "InvalidParameterCombination");
    account.create("b", json!({ "SnapshotName": "last" }));
    assert_eq!(account.world.elasticache.groups["b"].data["key"], "value");
    let again = json!({ "ReplicationGroupId": "b", "FinalSnapshotIdentifier": "last" });
    assert_eq!(account.refused("DeleteReplicationGroup", again), "SnapshotAlreadyExistsFault");
}

#[test]
fn nothing_waits_at_instant_pace() {
    let mut account = Account::new();
    account.world.elasticache.pace = Pace::instant();
    account.ok("CreateReplicationGroup", Account::request("a", json!({})));
    assert_eq!(account.group("a")["Status"], "available");
    account.ok("DeleteReplicationGroup", json!({ "ReplicationGroupId": "a" }));
    account.wait(0);
    assert!(account.world.elasticache.groups.is_empty());
    assert!(account.world.elasticache.security_groups_in_use(account.now).is_empty());
}

#[test]
fn with_real_nodes_a_group_waits_for_them() {
    let mut account = Account::new();
    account.world.elasticache.use_real_nodes();
    account.ok("CreateReplicationGroup", Account::request("a", json!({ "NumCacheClusters": "2" })));
    account.wait(900);
    assert_eq!(account.group("a")["Status"], "creating");
    let specs = account.world.elasticache.wanted_nodes();
    assert_eq!(specs[1].replica_of.as_deref(), Some("a-001"));
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    account.world.elasticache.node_ready("a-001", address(7001));
    account.world.elasticache.node_ready("a-002", address(7002));
    account.wait(1);
    assert_eq!(account.group("a")["Status"], "creating");
    account.world.elasticache.group_ready("a", address(8001), address(8002));
    account.wait(1);
    let group = account.group("a");
    assert_eq!(group["Status"], "available");
    assert_eq!(group["NodeGroups"]["NodeGroup"][0]["ReaderEndpoint"]["Port"], 8002);
    assert_eq!(account.cluster("a-002")["CacheNodes"]["CacheNode"][0]["Endpoint"]["Port"], 7002);
}

#[test]
fn a_member_that_comes_back_waits_for_its_own_node() {
    let mut account = Account::new();
    account.create("a", json!({}));
    account.world.elasticache.use_real_nodes();
    let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    account.world.elasticache.group_ready("a", address(8001), address(8002));
    account.world.elasticache.node_ready("a-001", address(7001));
    let increase = json!({ "ReplicationGroupId": "a", "NewReplicaCount": "1", "ApplyImmediately": "true" });
    account.world.elasticache.roll_back_next("IncreaseReplicaCount", "no capacity");
    account.ok("IncreaseReplicaCount", increase.clone());
    account.world.elasticache.node_ready("a-002", address(7002));
    account.wait(600);
    account.ok("IncreaseReplicaCount", increase);
    account.wait(600);
    assert_eq!(account.group("a")["Status"], "available");
    assert_eq!(account.cluster("a-002")["CacheClusterStatus"], "creating");
    account.world.elasticache.node_ready("a-002", address(7003));
    account.wait(0);
    assert_eq!(account.cluster("a-002")["CacheClusterStatus"], "available");
}
