//! Shapes of a group at Create: cluster mode, layouts, keys, networks, logs, parameters, restored snapshots.

use serde_json::{Value, json};
use simulator::cloudformation::StackStatus;
use simulator::elasticache::{ElastiCache, UserGroup};

use crate::harness::{APPS, CACHE, SUBNETS, Setup, calls, names, production, quick_start, with};

/// What CreateReplicationGroup was asked.
fn asked(setup: &Setup) -> Value {
    let writes = setup.writes();
    let [create] = calls(&writes, "CreateReplicationGroup")[..] else { panic!("{:?}", names(&writes)) };
    create.params.clone()
}

/// Why these properties are refused; nothing is written for them.
async fn refused(setup: &Setup, properties: Value) -> String {
    let outcome = setup.create(properties).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{:?}", outcome.attributes);
    assert_eq!(setup.write_names(), Vec::<String>::new());
    outcome.reason
}

/// A snapshot by hand of a group by hand.
async fn snapshot(setup: &Setup, name: &str, version: &str) {
    let group = json!({"ReplicationGroupId": "donor", "ReplicationGroupDescription": "donor", "Engine": "valkey",
        "EngineVersion": version, "CacheNodeType": "cache.t4g.micro", "NumCacheClusters": "1",
        "TransitEncryptionEnabled": "false", "CacheSubnetGroupName": "donor"});
    let subnets = json!({"CacheSubnetGroupName": "donor", "CacheSubnetGroupDescription": "donor",
        "SubnetIds": {"SubnetIdentifier": [SUBNETS[0]]}});
    setup.by_hand(ElastiCache::handle, "CreateCacheSubnetGroup", subnets);
    setup.by_hand(ElastiCache::handle, "CreateReplicationGroup", group);
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
    let wanted = json!({"SnapshotName": name, "CacheClusterId": "donor-001"});
    setup.by_hand(ElastiCache::handle, "CreateSnapshot", wanted);
    tokio::time::sleep(std::time::Duration::from_hours(1)).await;
}

/// A parameter group by hand.
pub(crate) fn parameter_group(setup: &Setup, name: &str, family: &str, values: &[(&str, &str)]) {
    let group = json!({"CacheParameterGroupName": name, "CacheParameterGroupFamily": family, "Description": "by hand"});
    setup.by_hand(ElastiCache::handle, "CreateCacheParameterGroup", group);
    for (key, value) in values {
        let pair = json!([{"ParameterName": key, "ParameterValue": value}]);
        let change = json!({"CacheParameterGroupName": name, "ParameterNameValues": {"ParameterNameValue": pair}});
        setup.by_hand(ElastiCache::handle, "ModifyCacheParameterGroup", change);
    }
}

#[tokio::test(start_paused = true)]
async fn one_shard_without_replicas_has_failover_that_no_update_touches() {
    let setup = Setup::new();
    let one = with(quick_start(), json!({"NumNodeGroups": 1, "ReplicasPerNodeGroup": 0}));
    let outcome = setup.created(one.clone()).await;
    assert_eq!(asked(&setup)["AutomaticFailoverEnabled"], "true");
    assert_eq!(outcome.get_att("Connection.PrimaryEndpoint").unwrap(), "");
    assert_ne!(outcome.get_att("ConfigurationEndPoint.Address").unwrap(), "");
    let (_, writes) = setup.updated(with(one, json!({"AllowedSecurityGroupIds": [APPS[1]]}))).await;
    let mut sent = names(&writes);
    sent.retain(|name| name != "AddTagsToResource" && name != "RemoveTagsFromResource");
    sent.sort();
    assert_eq!(sent, ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]);
    setup.deleted().await;
}

/// With a default group and with one of the user's.
#[tokio::test(start_paused = true)]
async fn one_shard_under_a_group_without_cluster_mode_is_a_plain_group() {
    for name in ["default.valkey8", "plain"] {
        let setup = Setup::new();
        parameter_group(&setup, "plain", "valkey8", &[]);
        let wanted = json!({"NumNodeGroups": 1, "ReplicasPerNodeGroup": 1, "ParameterGroupName": name});
        let outcome = setup.created(with(quick_start(), wanted)).await;
        let att = |key: &str| outcome.get_att(key).unwrap().to_owned();
        assert_ne!(att("PrimaryEndPoint.Address"), "");
        assert_eq!(att("ConfigurationEndPoint.Address"), "");
        assert_eq!(att("Configuration.NumCacheNodes"), "2");
        assert_eq!(asked(&setup)["NumCacheClusters"], "2", "{name}");
        setup.deleted().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_shard_under_a_group_with_cluster_mode_is_sharded() {
    let setup = Setup::new();
    parameter_group(&setup, "sharded", "valkey8", &[("cluster-enabled", "yes")]);
    let wanted = json!({"NumNodeGroups": 1, "ReplicasPerNodeGroup": 1, "ParameterGroupName": "sharded"});
    let outcome = setup.created(with(quick_start(), wanted)).await;
    assert_ne!(outcome.get_att("ConfigurationEndPoint.Address").unwrap(), "");
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_parameter_group_that_contradicts_the_cluster_mode_is_refused() {
    for (flag, wanted, rule) in [
        ("no", json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 0}), "has cluster-enabled=no"),
        ("yes", json!({"NumCacheNodes": 1}), "has cluster-enabled=yes"),
        ("yes", json!({"NumNodeGroups": 1, "AutomaticFailoverEnabled": false}), "demands automatic failover"),
    ] {
        let setup = Setup::new();
        parameter_group(&setup, "mine", "valkey8", &[("cluster-enabled", flag)]);
        let reason = refused(&setup, with(with(quick_start(), wanted), json!({"ParameterGroupName": "mine"}))).await;
        assert!(reason.contains("ParameterGroupName (mine)") && reason.contains(rule), "{reason}");
    }
}

/// Slots, replicas and zones; slots that overlap or are left out are refused before.
#[tokio::test(start_paused = true)]
async fn a_layout_by_shard_is_passed_on_unchanged() {
    let layout = |second: &str| {
        json!({"NodeGroupConfiguration": [
            {"NodeGroupId": "0001", "Slots": "0-8191", "ReplicaCount": 1, "PrimaryAvailabilityZone": "us-east-1a",
             "ReplicaAvailabilityZones": ["us-east-1b"]},
            {"NodeGroupId": "0002", "Slots": second, "ReplicaCount": 1, "PrimaryAvailabilityZone": "us-east-1b",
             "ReplicaAvailabilityZones": ["us-east-1a"]},
        ]})
    };
    let setup = Setup::new();
    for (slots, rule) in [("8000-16383", "slot 8000 is in two shards"), ("8192-16000", "slots 16001 to 16383")] {
        let reason = refused(&setup, with(quick_start(), layout(slots))).await;
        assert!(reason.contains(rule), "{reason}");
    }
    let mut elsewhere = layout("8192-16383");
    elsewhere["NodeGroupConfiguration"][1]["ReplicaAvailabilityZones"] = json!(["us-east-1f"]);
    let reason = refused(&setup, with(quick_start(), elsewhere)).await;
    assert!(reason.contains("NodeGroupConfiguration[1].ReplicaAvailabilityZones (us-east-1f)"), "{reason}");

    setup.created(with(quick_start(), layout("8192-16383"))).await;
    let asked = asked(&setup);
    assert_eq!(asked["NumNodeGroups"], "2");
    let shards = asked.pointer("/NodeGroupConfiguration/NodeGroupConfiguration").unwrap();
    let expected = |id, slots, primary, replica| {
        json!({"NodeGroupId": id, "Slots": slots, "ReplicaCount": "1", "PrimaryAvailabilityZone": primary,
            "ReplicaAvailabilityZones": {"AvailabilityZone": [replica]}})
    };
    let both = [
        expected("0001", "0-8191", "us-east-1a", "us-east-1b"),
        expected("0002", "8192-16383", "us-east-1b", "us-east-1a"),
    ];
    assert_eq!(shards, &json!(both));
    setup.deleted().await;
}

/// A key without encryption at rest is refused.
#[tokio::test(start_paused = true)]
async fn a_customer_key_is_sent_with_encryption_and_reported() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd";
    let setup = Setup::new();
    let off = json!({"KmsKeyId": key, "AtRestEncryptionEnabled": false});
    let reason = refused(&setup, with(quick_start(), off)).await;
    assert!(reason.contains("KmsKeyId") && reason.contains("needs encryption at rest"), "{reason}");
    let outcome = setup.created(with(quick_start(), json!({"KmsKeyId": key}))).await;
    assert_eq!((&asked(&setup)["KmsKeyId"], &asked(&setup)["AtRestEncryptionEnabled"]), (&json!(key), &json!("true")));
    assert_eq!(outcome.get_att("Security.KmsKeyId").unwrap(), key);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn data_tiering_needs_a_fitting_node_type() {
    let setup = Setup::new();
    let reason = refused(&setup, with(quick_start(), json!({"DataTieringEnabled": true}))).await;
    assert!(reason.contains("DataTieringEnabled") && reason.contains("r6gd"), "{reason}");
    let fitting = json!({"DataTieringEnabled": true, "NodeType": "cache.r6gd.xlarge"});
    let outcome = setup.created(with(quick_start(), fitting)).await;
    assert_eq!(asked(&setup)["DataTieringEnabled"], "true");
    assert_eq!(outcome.get_att("Configuration.NodeType").unwrap(), "cache.r6gd.xlarge");
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_dual_stack_network_needs_subnets_with_ipv6() {
    let dual = with(quick_start(), json!({"NetworkType": "dual_stack", "IpDiscovery": "ipv6"}));
    let setup = Setup::new();
    let reason = refused(&setup, dual.clone()).await;
    assert!(reason.contains(SUBNETS[0]) && reason.contains("has no IPv6 block"), "{reason}");
    setup.aws.with(|world, _| {
        for (index, id) in SUBNETS.iter().enumerate() {
            let subnet = world.ec2.subnet_mut(id).unwrap();
            subnet.ipv6 = Some(format!("2001:db8:0:{index}::/64"));
        }
    });
    setup.created(dual).await;
    assert_eq!((&asked(&setup)["NetworkType"], &asked(&setup)["IpDiscovery"]), (&json!("dual_stack"), &json!("ipv6")));
    setup.deleted().await;
}

/// Without `IpDiscovery` it is ipv4 again.
#[tokio::test(start_paused = true)]
async fn ip_discovery_goes_back_to_its_default() {
    let setup = Setup::new();
    for id in SUBNETS {
        setup.aws.with(|world, _| world.ec2.subnet_mut(id).unwrap().ipv6 = Some("2001:db8::/64".to_owned()));
    }
    let base = with(quick_start(), json!({"NetworkType": "dual_stack"}));
    setup.created(base.clone()).await;
    for (properties, expected) in [(with(base.clone(), json!({"IpDiscovery": "ipv6"})), "ipv6"), (base, "ipv4")] {
        let (_, writes) = setup.updated(properties).await;
        assert_eq!(calls(&writes, "ModifyReplicationGroup")[0].params["IpDiscovery"], expected);
    }
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn everything_carries_the_tags_of_the_template_and_the_owner() {
    let setup = Setup::new();
    let tags = json!([{"Key": "A", "Value": "1"}, {"Key": "B", "Value": "2"}, {"Key": "C", "Value": "ü"}]);
    setup.created(with(production(), json!({"Tags": tags, "Parameters": {"maxmemory-policy": "allkeys-lru"}}))).await;
    for key in ["A", "B", "C", "elasticache-resource:stack-id", "elasticache-resource:logical-id"] {
        let tagged = setup.aws.leftovers(key);
        // Group, two members, subnet group, parameter group, security group, secret.
        assert_eq!(tagged.len(), 7, "{key} on {tagged:?}");
    }
    setup.deleted().await;
}

/// Two logs into one destination are refused.
#[tokio::test(start_paused = true)]
async fn logs_go_where_the_template_says() {
    let slow = json!({"LogType": "slow-log", "DestinationType": "cloudwatch-logs", "Destination": "/cache/slow",
        "LogFormat": "text"});
    let engine = json!({"LogType": "engine-log", "DestinationType": "kinesis-firehose", "Destination": "stream",
        "LogFormat": "json"});
    let setup = Setup::new();
    let mut same = slow.clone();
    same["LogType"] = json!("engine-log");
    let reason = refused(&setup, with(quick_start(), json!({"LogDelivery": [slow, same]}))).await;
    assert!(reason.contains("LogDelivery[1].Destination (/cache/slow): already receives the slow-log"), "{reason}");

    setup.created(with(quick_start(), json!({"LogDelivery": [slow, engine]}))).await;
    let asked = asked(&setup);
    let sent = asked.pointer("/LogDeliveryConfigurations/LogDeliveryConfigurationRequest").unwrap();
    let expected = json!([
        {"LogType": "engine-log", "DestinationType": "kinesis-firehose", "LogFormat": "json", "Enabled": "true",
         "DestinationDetails": {"KinesisFirehoseDetails": {"DeliveryStream": "stream"}}},
        {"LogType": "slow-log", "DestinationType": "cloudwatch-logs", "LogFormat": "text", "Enabled": "true",
         "DestinationDetails": {"CloudWatchLogsDetails": {"LogGroup": "/cache/slow"}}},
    ]);
    assert_eq!(sent, &expected);
    setup.deleted().await;
}

fn custom_parameters(count: usize) -> Value {
    let numbers = simulator::elasticache::parameters::PARAMETERS
        .iter()
        .filter(|p| p.modifiable && p.name != "cluster-enabled" && !p.default.is_empty() && p.since < "8");
    numbers.take(count).map(|p| (p.name.to_owned(), json!(p.default))).collect::<serde_json::Map<_, _>>().into()
}

/// AWS takes no more in one call.
#[tokio::test(start_paused = true)]
async fn parameters_are_set_twenty_at_a_time() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"Parameters": custom_parameters(25)}))).await;
    let writes = setup.writes();
    assert_eq!(calls(&writes, "CreateCacheParameterGroup")[0].params["CacheParameterGroupFamily"], "valkey8");
    let sizes: Vec<usize> = calls(&writes, "ModifyCacheParameterGroup")
        .iter()
        .map(|call| call.params.pointer("/ParameterNameValues/ParameterNameValue").unwrap().as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [20, 5]);
    assert_eq!(asked(&setup)["CacheParameterGroupName"], "development-myapp-valkey-valkey8");
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn the_cluster_flag_is_set_before_other_parameters() {
    let setup = Setup::new();
    let sharded = json!({"Parameters": custom_parameters(25), "NumNodeGroups": 2, "ReplicasPerNodeGroup": 0});
    setup.created(with(quick_start(), sharded)).await;
    let writes = setup.writes();
    let first = &calls(&writes, "ModifyCacheParameterGroup")[0].params;
    let first = first.pointer("/ParameterNameValues/ParameterNameValue/0/ParameterName").unwrap();
    assert_eq!(first, "cluster-enabled");
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn parameters_are_checked_against_the_family() {
    let setup = Setup::new();
    let wrong = json!({"maxmemory-polcy": "x", "maxmemory-policy": "random", "zzz": "1",
        "cluster-enabled": "yes"});
    let reason = refused(&setup, with(quick_start(), json!({"Parameters": wrong}))).await;
    for part in [
        "Parameters.maxmemory-polcy (x): is not a parameter of family valkey8; did you mean maxmemory-policy?",
        "Parameters.maxmemory-policy (random): has no such value; write a value of volatile-lru",
        "Parameters.zzz (1): is not a parameter",
        "Parameters.cluster-enabled (yes): must be no with this cluster mode",
    ] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
}

/// They have to fit the nodes then; an Update ignores them.
#[tokio::test(start_paused = true)]
async fn preferred_zones_count_at_creation_only() {
    let three = json!(["us-east-1a", "us-east-1b", "us-east-1c"]);
    let zones =
        |nodes: i32| json!({"SubnetIds": SUBNETS, "NumCacheNodes": nodes, "PreferredAvailabilityZones": three.clone()});
    let setup = Setup::new();
    let reason = refused(&setup, with(quick_start(), zones(2))).await;
    assert!(reason.contains("PreferredAvailabilityZones: names 3 zones for 2 nodes"), "{reason}");
    let reason = refused(&setup, with(with(quick_start(), zones(3)), json!({"SubnetIds": [SUBNETS[0]]}))).await;
    assert!(reason.contains("PreferredAvailabilityZones (us-east-1c): no subnet"), "{reason}");
    let two = with(quick_start(), json!({"SubnetIds": SUBNETS, "NumCacheNodes": 2}));
    setup.created(two).await;
    let (_, writes) = setup.updated(with(quick_start(), zones(3))).await;
    assert_eq!(calls(&writes, "IncreaseReplicaCount").len(), 1);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_parameter_group_of_another_family_is_refused() {
    let setup = Setup::new();
    parameter_group(&setup, "old", "valkey7", &[]);
    let reason =
        refused(&setup, with(quick_start(), json!({"EngineVersion": "8.0", "ParameterGroupName": "old"}))).await;
    assert!(reason.contains("is of family valkey7") && reason.contains("needs family valkey8"), "{reason}");
    let reason = refused(&setup, with(quick_start(), json!({"ParameterGroupName": "none-such"}))).await;
    assert!(reason.contains("ParameterGroupName (none-such): does not exist"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn user_groups_are_checked() {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.elasticache.add_user_group(UserGroup::new("people", "valkey", "p")));
    let reason = refused(&setup, with(quick_start(), json!({"UserGroupIds": ["nobody"]}))).await;
    assert!(reason.contains("UserGroupIds (nobody): does not exist"), "{reason}");
    let redis = json!({"UserGroupIds": ["people"], "Engine": "redis"});
    let reason = refused(&setup, with(quick_start(), redis)).await;
    assert!(reason.contains("UserGroupIds (people): is for Valkey"), "{reason}");
    setup.created(with(quick_start(), json!({"UserGroupIds": ["people"]}))).await;
    assert_eq!(asked(&setup)["UserGroupIds"], json!({"member": ["people"]}));
    setup.deleted().await;
}

/// A later Update that drops or changes it makes no call and replaces nothing.
#[tokio::test(start_paused = true)]
async fn a_snapshot_is_restored_at_creation_and_ignored_later() {
    let setup = Setup::new();
    let from = |name: &str| with(quick_start(), json!({"SnapshotName": name}));
    let reason = refused(&setup, from("none-such")).await;
    assert!(reason.contains("SnapshotName (none-such): does not exist"), "{reason}");
    snapshot(&setup, "backup", "8.1").await;
    let older = with(from("backup"), json!({"EngineVersion": "8.0"}));
    let reason = refused(&setup, older).await;
    assert!(reason.contains("was taken of version 8.1.0, newer than EngineVersion 8.0"), "{reason}");
    let outcome = setup.created(from("backup")).await;
    assert_eq!(asked(&setup)["SnapshotName"], "backup");
    let id = outcome.physical_id;
    for later in [quick_start(), from("gone-since")] {
        let (outcome, writes) = setup.updated(later).await;
        let changes: Vec<_> = names(&writes).into_iter().filter(|name| name != "AddTagsToResource").collect();
        assert_eq!(changes, Vec::<String>::new());
        assert_eq!(outcome.physical_id, id);
        assert!(outcome.get_att("Warnings").unwrap().contains("SnapshotName"), "{:?}", outcome.attributes);
    }
    setup.stack.delete(CACHE).await;
}

/// Files in S3.
#[tokio::test(start_paused = true)]
async fn snapshot_files_are_passed_on() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"SnapshotArns": ["arn:aws:s3:::bucket/backup.rdb"]}))).await;
    assert_eq!(asked(&setup)["SnapshotArns"], json!({"SnapshotArn": ["arn:aws:s3:::bucket/backup.rdb"]}));
    setup.deleted().await;
}

/// What cannot be looked up is for AWS to judge.
#[tokio::test(start_paused = true)]
async fn checks_that_are_not_possible_refuse_nothing() {
    use simulator::faults::{Fault, Kind};
    for kind in [Kind::Denied, Kind::throttled(), Kind::http_500(), Kind::CutBefore] {
        let setup = Setup::new();
        parameter_group(&setup, "mine", "valkey8", &[]);
        for action in ["DescribeCacheEngineVersions", "DescribeEngineDefaultParameters", "DescribeUserGroups"] {
            setup.aws.fault(Fault::on(action, 1, kind.clone()).times(20));
        }
        setup.created(with(quick_start(), json!({"Parameters": {"maxmemory-policy": "allkeys-lru"}}))).await;
    }
}

/// A group that turns out a plain one has the nodes and the zones of its only shard.
#[tokio::test(start_paused = true)]
async fn the_layout_of_a_plain_group_counts() {
    for mode in [
        json!({"ClusterMode": "disabled"}),
        json!({"ParameterGroupName": "default.valkey8"}),
        json!({"ParameterGroupName": "mine"}),
    ] {
        for (zones, wanted) in [(json!(["us-east-1b"]), json!(["us-east-1a", "us-east-1b"])), (json!([]), Value::Null)]
        {
            let setup = Setup::new();
            parameter_group(&setup, "mine", "valkey8", &[]);
            let shard =
                json!({"ReplicaCount": 1, "PrimaryAvailabilityZone": "us-east-1a", "ReplicaAvailabilityZones": zones});
            let properties = with(mode.clone(), json!({"NodeGroupConfiguration": [shard]}));
            setup.created(with(quick_start(), properties)).await;
            let asked = asked(&setup);
            assert_eq!(asked["NumCacheClusters"], "2", "{mode}");
            assert_eq!(asked["PreferredCacheClusterAZs"]["AvailabilityZone"], wanted, "{mode}");
        }
    }
}

/// Redis OSS 4.0.10 is the oldest.
#[tokio::test(start_paused = true)]
async fn the_oldest_version_on_offer_is_made() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"Engine": "redis", "EngineVersion": "4.0.10"}))).await;
    assert_eq!(asked(&setup)["EngineVersion"], "4.0.10");
}

/// Parameters of a template that are left empty.
#[tokio::test(start_paused = true)]
async fn an_empty_map_or_list_counts_as_not_set() {
    for properties in [
        json!({"ParameterGroupName": "mine", "Parameters": {}}),
        json!({"NumCacheNodes": 2, "NodeGroupConfiguration": []}),
    ] {
        let setup = Setup::new();
        parameter_group(&setup, "mine", "valkey8", &[]);
        setup.created(with(quick_start(), properties)).await;
    }
}

/// AWS keeps names in lower case and numbers of shards with their zeros; neither is a difference to an Update.
#[tokio::test(start_paused = true)]
async fn names_in_another_form_are_no_drift() {
    let setup = Setup::new();
    parameter_group(&setup, "mine", "valkey8", &[("cluster-enabled", "yes")]);
    setup.aws.with(|world, _| world.elasticache.add_user_group(UserGroup::new("people", "valkey", "p")));
    let shards = json!([{"NodeGroupId": 1}, {"NodeGroupId": "0002"}]);
    let properties = with(
        quick_start(),
        json!({"ParameterGroupName": "Mine", "UserGroupIds": ["People"], "NodeGroupConfiguration": shards}),
    );
    let outcome = setup.created(properties.clone()).await;
    assert_eq!(outcome.get_att("Security.ParameterGroupName").unwrap(), "mine");
    let (_, writes) = setup.updated(with(properties, json!({"Description": "new"}))).await;
    assert_eq!(names(&writes), ["ModifyReplicationGroup"]);
}
