//! The service against its behaviour: calls in, answers out, time between them.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::ec2::Ec2;
use crate::nodes::Tls;
use crate::secrets_manager::SecretsManager;

const TOKEN_A: &str = "first-token-of-the-cache";
const TOKEN_B: &str = "second-token-of-the-cache";
const VPC_SUBNETS: [&str; 2] = ["subnet-0a000000000000001", "subnet-0a000000000000002"];
const SECURITY_GROUP: &str = "sg-0a00000000000aa01";

/// A world and its time.
struct Account {
    world: World,
    now: Time,
}

impl Account {
    /// An account with a subnet group over two zones.
    fn new() -> Account {
        let world =
            World { elasticache: ElastiCache::default(), ec2: Ec2::default(), secrets: SecretsManager::default() };
        let mut account = Account { world, now: Time::START };
        account.ok(
            "CreateCacheSubnetGroup",
            json!({
                "CacheSubnetGroupName": "Net",
                "CacheSubnetGroupDescription": "two zones",
                "SubnetIds": { "SubnetIdentifier": VPC_SUBNETS },
            }),
        );
        account
    }

    fn call(&mut self, action: &str, params: Value) -> Answer {
        let call = Call { action: action.to_owned(), params, now: self.now };
        ElastiCache::handle(&mut self.world, &call)
    }

    fn ok(&mut self, action: &str, params: Value) -> Value {
        self.call(action, params).unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    /// The code of the refusal.
    fn refused(&mut self, action: &str, params: Value) -> String {
        self.call(action, params).expect_err(action).code
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        ElastiCache::advance(&mut self.world, self.now);
    }

    /// A request for a Valkey group with one node and no frills, and these fields on top.
    fn request(id: &str, more: Value) -> Value {
        let mut request = json!({
            "ReplicationGroupId": id,
            "ReplicationGroupDescription": "test",
            "Engine": "valkey",
            "EngineVersion": "8.2",
            "CacheNodeType": "cache.t4g.micro",
            "CacheSubnetGroupName": "net",
            "TransitEncryptionEnabled": "false",
        });
        merge(&mut request, more);
        request
    }

    /// Creates it and waits until it is available.
    fn create(&mut self, id: &str, more: Value) -> Value {
        self.ok("CreateReplicationGroup", Account::request(id, more));
        self.wait(600);
        self.group(id)
    }

    fn group(&mut self, id: &str) -> Value {
        let answer = self.ok("DescribeReplicationGroups", json!({ "ReplicationGroupId": id }));
        answer["ReplicationGroups"]["ReplicationGroup"][0].clone()
    }

    fn cluster(&mut self, id: &str) -> Value {
        let answer = self.ok("DescribeCacheClusters", json!({ "CacheClusterId": id, "ShowCacheNodeInfo": "true" }));
        answer["CacheClusters"]["CacheCluster"][0].clone()
    }

    /// An immediate Modify.
    fn modify(&mut self, id: &str, more: Value) -> Answer {
        let mut request = json!({ "ReplicationGroupId": id, "ApplyImmediately": "true" });
        merge(&mut request, more);
        self.call("ModifyReplicationGroup", request)
    }

    /// The same, accepted and waited for.
    fn modified(&mut self, id: &str, more: Value) -> Value {
        self.modify(id, more).unwrap_or_else(|error| panic!("{error}"));
        self.wait(1800);
        self.group(id)
    }
}

fn merge(into: &mut Value, more: Value) {
    if let Value::Object(more) = more {
        more.into_iter().for_each(|(key, value)| into[key] = value);
    }
}

fn refusal(answer: Answer) -> String {
    answer.expect_err("a refusal").code
}

mod life {
    use super::*;

    #[test]
    fn a_group_is_unseen_then_creating_then_available() {
        let mut account = Account::new();
        let answer = account.ok("CreateReplicationGroup", Account::request("Prod-App", json!({})));
        assert_eq!(answer["ReplicationGroup"]["ReplicationGroupId"], "prod-app");
        assert_eq!(answer["ReplicationGroup"]["Status"], "creating");
        let unseen =
            account.call("DescribeReplicationGroups", json!({ "ReplicationGroupId": "prod-app" })).unwrap_err();
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
        assert!(
            address.starts_with("prod-app.") && address.ends_with(".ng.0001.use1.cache.amazonaws.com"),
            "{address}"
        );
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
        let events =
            account.ok("DescribeEvents", json!({ "SourceType": "replication-group", "SourceIdentifier": "a" }));
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
}

mod refusals_at_create {
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
            (
                json!({ "PreferredCacheClusterAZs": zones(&["us-east-1a", "us-east-1b"]) }),
                "InvalidParameterCombination",
            ),
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
        assert_eq!(
            account.refused("CreateReplicationGroup", Account::request("a", more)),
            "InvalidParameterCombination"
        );
    }
}

mod shape {
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
        assert_eq!(
            group["MemberClusters"]["ClusterId"],
            json!(["a-0001-001", "a-0001-002", "a-0002-001", "a-0002-002"])
        );
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
}

mod changes {
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
        let events =
            account.ok("DescribeEvents", json!({ "SourceType": "replication-group", "SourceIdentifier": "a" }));
        assert_eq!(events["Events"]["Event"][0]["Message"], "out of memory");
    }

    #[test]
    fn snapshots_are_turned_on_with_a_live_member() {
        let mut account = Account::new();
        account.create("a", json!({}));
        assert_eq!(
            refusal(account.modify("a", json!({ "SnapshotRetentionLimit": "5" }))),
            "InvalidParameterCombination"
        );
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
        let step = json!({ "ClusterMode": "compatible", "CacheParameterGroupName": "default.valkey8.cluster.on" });
        let group = account.modified("a", step);
        assert!(group["ConfigurationEndpoint"].is_object());
        assert_eq!(
            refusal(account.modify("a", json!({ "CacheNodeType": "cache.t4g.small" }))),
            "InvalidParameterCombination"
        );
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
        assert_eq!(
            account.refused("ListTagsForResource", json!({ "ResourceName": arn })),
            "InvalidReplicationGroupState"
        );
        account.wait(5);
        let listed = account.ok("ListTagsForResource", json!({ "ResourceName": names::arn("cluster", "a-001") }));
        assert_eq!(listed["TagList"]["Tag"], json!([{ "Key": "team", "Value": "blue" }]));
        assert_eq!(account.world.elasticache.tagged("team").len(), 2);
        let missing = json!({ "ResourceName": arn, "TagKeys": { "member": ["other"] } });
        assert_eq!(account.refused("RemoveTagsFromResource", missing), "TagNotFound");
    }
}

mod access {
    use super::*;

    fn encrypted(account: &mut Account, more: Value) {
        let mut request = json!({ "TransitEncryptionEnabled": "true" });
        merge(&mut request, more);
        account.create("a", request);
    }

    fn tokens(account: &Account) -> (Vec<String>, bool) {
        let access = account.world.elasticache.wanted_nodes().remove(0).access;
        (access.tokens, access.anonymous)
    }

    #[test]
    fn rotate_adds_a_token_and_set_makes_it_the_only_one() {
        let mut account = Account::new();
        encrypted(&mut account, json!({ "AuthToken": TOKEN_A }));
        let set = json!({ "AuthToken": TOKEN_B, "AuthTokenUpdateStrategy": "SET" });
        assert_eq!(refusal(account.modify("a", set.clone())), "InvalidParameterCombination");
        let rotate = json!({ "AuthToken": TOKEN_B, "AuthTokenUpdateStrategy": "ROTATE" });
        let answer = account.modify("a", rotate).unwrap();
        assert_eq!(answer["ReplicationGroup"]["PendingModifiedValues"]["AuthTokenStatus"], "ROTATING");
        assert_eq!(tokens(&account), (vec![TOKEN_A.to_owned()], false));
        account.wait(300);
        assert_eq!(tokens(&account), (vec![TOKEN_A.to_owned(), TOKEN_B.to_owned()], false));
        account.modified("a", set);
        assert_eq!(tokens(&account), (vec![TOKEN_B.to_owned()], false));
    }

    #[test]
    fn a_first_token_is_optional_until_it_is_set() {
        let mut account = Account::new();
        encrypted(&mut account, json!({}));
        let rotate = json!({ "AuthToken": TOKEN_A, "AuthTokenUpdateStrategy": "ROTATE" });
        assert_eq!(account.modified("a", rotate)["AuthTokenEnabled"], true);
        assert_eq!(tokens(&account), (vec![TOKEN_A.to_owned()], true));
        account.modified("a", json!({ "AuthToken": TOKEN_A, "AuthTokenUpdateStrategy": "SET" }));
        assert_eq!(tokens(&account), (vec![TOKEN_A.to_owned()], false));
    }

    #[test]
    fn tokens_give_way_to_user_groups_and_come_back() {
        let mut account = Account::new();
        account.world.elasticache.add_user_group(UserGroup::new("people", "valkey", "user-password"));
        encrypted(&mut account, json!({ "AuthToken": TOKEN_A }));
        let plain = json!({ "UserGroupIdsToAdd": { "member": ["people"] } });
        assert_eq!(refusal(account.modify("a", plain.clone())), "InvalidParameterCombination");
        assert_eq!(
            refusal(account.modify("a", json!({ "AuthTokenUpdateStrategy": "DELETE" }))),
            "InvalidParameterCombination"
        );
        let mut take_over = plain;
        take_over["AuthTokenUpdateStrategy"] = json!("DELETE");
        let group = account.modified("a", take_over);
        assert_eq!((&group["AuthTokenEnabled"], &group["UserGroupIds"]["member"]), (&json!(false), &json!(["people"])));
        assert_eq!(tokens(&account).0, ["user-password"]);
        let back = json!({ "RemoveUserGroups": "true", "AuthToken": TOKEN_B, "AuthTokenUpdateStrategy": "ROTATE" });
        let group = account.modified("a", back);
        assert_eq!(group["AuthTokenEnabled"], true);
        assert_eq!(group["UserGroupIds"]["member"], json!([]));
    }

    #[test]
    fn encryption_moves_one_step_at_a_time() {
        let mut account = Account::new();
        account.create("a", json!({}));
        let preferred = json!({ "TransitEncryptionEnabled": "true", "TransitEncryptionMode": "preferred" });
        let required = json!({ "TransitEncryptionEnabled": "true", "TransitEncryptionMode": "required" });
        let off = json!({ "TransitEncryptionEnabled": "false" });
        assert_eq!(refusal(account.modify("a", required.clone())), "InvalidParameterCombination");
        let mut later = preferred.clone();
        later["ApplyImmediately"] = json!("false");
        assert_eq!(refusal(account.modify("a", later)), "InvalidParameterCombination");
        account.modified("a", preferred.clone());
        assert_eq!(account.world.elasticache.wanted_nodes()[0].tls, Tls::Preferred);
        account.modified("a", required);
        assert_eq!(refusal(account.modify("a", off.clone())), "InvalidParameterCombination");
        account.modified("a", preferred);
        let group = account.modified("a", off);
        assert_eq!(group["TransitEncryptionEnabled"], false);
        assert!(group.get("TransitEncryptionMode").is_none());
    }

    #[test]
    fn access_control_holds_encryption_still() {
        let mut account = Account::new();
        encrypted(&mut account, json!({ "AuthToken": TOKEN_A }));
        let unchanged = account.modify("a", json!({ "TransitEncryptionEnabled": "true" })).unwrap_err();
        assert!(unchanged.message.contains("not supported for access control enabled clusters"), "{unchanged}");
    }
}

mod scaling {
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
        assert_eq!(
            group["NodeGroups"]["NodeGroup"][0]["NodeGroupMembers"]["NodeGroupMember"].as_array().unwrap().len(),
            1
        );
        account.wait(300);
        assert_eq!(account.group("a")["Status"], "available");
        assert_eq!(account.cluster("a-002")["CacheClusterStatus"], "creating");
        assert_eq!(
            refusal(account.modify("a", json!({ "CacheNodeType": "cache.t4g.small" }))),
            "InvalidCacheClusterState"
        );
        account.wait(30);
        assert_eq!(account.cluster("a-002")["CacheClusterStatus"], "available");
        assert_eq!(account.world.elasticache.tagged("team").len(), 3);
        assert_eq!(refusal(count(&mut account, "IncreaseReplicaCount", 1)), "NoOperationFault");
    }

    #[test]
    fn a_primary_stays_when_replicas_go() {
        let mut account = Account::new();
        account.create(
            "a",
            json!({ "NumCacheClusters": "3", "AutomaticFailoverEnabled": "true", "MultiAZEnabled": "true" }),
        );
        account.world.elasticache.promote("a-003");
        count(&mut account, "DecreaseReplicaCount", 1).unwrap();
        assert_eq!(account.cluster("a-002")["CacheClusterStatus"], "deleting");
        account.wait(240);
        assert_eq!(account.group("a")["MemberClusters"]["ClusterId"], json!(["a-001", "a-003"]));
        assert_eq!(refusal(count(&mut account, "DecreaseReplicaCount", 0)), "InvalidParameterCombination");
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
}

mod groups {
    use super::*;

    #[test]
    fn subnets_in_use_stay() {
        let mut account = Account::new();
        account.create("a", json!({}));
        let only =
            |subnet: &str| json!({ "CacheSubnetGroupName": "net", "SubnetIds": { "SubnetIdentifier": [subnet] } });
        assert_eq!(account.refused("ModifyCacheSubnetGroup", only(VPC_SUBNETS[1])), "SubnetInUse");
        account.ok("ModifyCacheSubnetGroup", only(VPC_SUBNETS[0]));
        assert_eq!(account.refused("ModifyCacheSubnetGroup", only("subnet-missing")), "InvalidSubnet");
        assert_eq!(account.refused("ModifyCacheSubnetGroup", only("subnet-0b000000000000001")), "InvalidSubnet");
        let missing =
            account.call("DescribeCacheSubnetGroups", json!({ "CacheSubnetGroupName": "missing" })).unwrap_err();
        assert_eq!((missing.status, missing.code.as_str()), (400, "CacheSubnetGroupNotFoundFault"));
    }

    #[test]
    fn parameters_are_checked_and_settle_before_a_reset() {
        let mut account = Account::new();
        account.ok(
            "CreateCacheParameterGroup",
            json!({
                "CacheParameterGroupName": "Custom", "CacheParameterGroupFamily": "valkey8", "Description": "custom",
            }),
        );
        let set = |name: &str, value: &str| {
            json!({
                "CacheParameterGroupName": "custom",
                "ParameterNameValues": { "ParameterNameValue": [{ "ParameterName": name, "ParameterValue": value }] },
            })
        };
        account.ok("ModifyCacheParameterGroup", set("maxmemory-policy", "allkeys-lru"));
        assert_eq!(
            account.refused("ModifyCacheParameterGroup", set("maxmemory-policy", "any")),
            "InvalidParameterValue"
        );
        assert_eq!(account.refused("ModifyCacheParameterGroup", set("no-such-thing", "1")), "InvalidParameterValue");
        let user = json!({ "CacheParameterGroupName": "custom", "Source": "user" });
        let listed = account.ok("DescribeCacheParameters", user.clone());
        assert_eq!(listed["Parameters"]["Parameter"][0]["ParameterValue"], "allkeys-lru");
        let reset = json!({
            "CacheParameterGroupName": "custom",
            "ParameterNameValues": { "ParameterNameValue": [{ "ParameterName": "maxmemory-policy" }] },
        });
        let busy = account.call("ResetCacheParameterGroup", reset.clone()).unwrap_err();
        assert_eq!(busy.code, "InvalidCacheParameterGroupState");
        assert!(busy.message.contains("has pending changes"));
        account.wait(30);
        account.ok("ResetCacheParameterGroup", reset);
        assert_eq!(account.ok("DescribeCacheParameters", user)["Parameters"]["Parameter"], json!([]));
        let many: Vec<Value> = (0..21).map(|_| json!({ "ParameterName": "timeout", "ParameterValue": "1" })).collect();
        let many =
            json!({ "CacheParameterGroupName": "custom", "ParameterNameValues": { "ParameterNameValue": many } });
        assert_eq!(account.refused("ModifyCacheParameterGroup", many), "InvalidParameterValue");
    }

    #[test]
    fn rights_name_everything_a_create_touches() {
        let account = Account::new();
        let params = Account::request(
            "a",
            json!({
                "Tags": { "Tag": [{ "Key": "k", "Value": "v" }] }, "KmsKeyId": "1234", "CacheParameterGroupName": "own",
            }),
        );
        let call = Call { action: "CreateReplicationGroup".to_owned(), params, now: account.now };
        let rights = ElastiCache::rights(&account.world, &call);
        let needs = |action: &str, resource: &str| {
            assert!(rights.contains(&Right::new(action, resource)), "{action} on {resource}: {rights:#?}");
        };
        needs("elasticache:CreateReplicationGroup", &names::arn("replicationgroup", "a"));
        needs("elasticache:CreateReplicationGroup", &names::arn("parametergroup", "own"));
        needs("elasticache:AddTagsToResource", &names::arn("replicationgroup", "a"));
        needs("ec2:CreateNetworkInterface", "*");
        needs("kms:CreateGrant", "arn:aws:kms:us-east-1:123456789012:key/1234");
        assert!(rights.iter().any(|right| right.action == "iam:CreateServiceLinkedRole" && !right.context.is_empty()));
    }
}
