//! What is refused before anything is written, with every problem and its fix in one Reason.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::StackStatus;
use simulator::ec2::Ec2;
use simulator::elasticache::ElastiCache;
use simulator::secrets_manager::SecretsManager;

use crate::harness::{APPS, SUBNETS, Setup, VPC, calls, production, quick_start, with};

/// Creates in `setup`, expects a refusal within seconds and without a write, also of the rollback, and returns the Reason.
async fn refused_in(setup: &Setup, properties: Value) -> String {
    let outcome = setup.create(properties).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    assert_eq!(setup.write_names(), Vec::<String>::new());
    let [create, delete] = &outcome.answers[..] else { panic!("{:?}", outcome.answers) };
    assert!(!create.is_success() && delete.is_success());
    assert_eq!(create.physical_id, delete.physical_id);
    let took = outcome.events[1].at.since(outcome.events[0].at);
    assert!(took < Duration::from_secs(5), "{took:?}");
    setup.assert_nothing_left();
    create.reason().to_owned()
}

/// The Reason of a Create that the properties alone forbid.
async fn refused(changes: Value) -> String {
    let setup = Setup::new();
    refused_in(&setup, with(quick_start(), changes)).await
}

/// The Reason of a Create that fails at what the properties point at.
async fn refused_by_the_account(properties: Value) -> String {
    let setup = Setup::new();
    let reason = refused_in(&setup, properties).await;
    assert!(!calls(&setup.aws.journal(), "DescribeSubnets").is_empty());
    reason
}

fn assert_says(reason: &str, parts: &[&str]) {
    for part in parts {
        assert!(reason.contains(part), "{part:?} is not in {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn failover_of_a_single_node_is_refused() {
    let reason = refused(json!({"AutomaticFailoverEnabled": true, "NumCacheNodes": 1})).await;
    assert_says(&reason, &["1 problem ", "AutomaticFailoverEnabled (true)", "set NumCacheNodes to 2 or more"]);
}

#[tokio::test(start_paused = true)]
async fn node_count_and_shards_exclude_each_other() {
    for shards in [
        json!({"NumNodeGroups": 2}),
        json!({"ReplicasPerNodeGroup": 1}),
        json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1}),
        json!({"NodeGroupConfiguration": [{"Slots": "0-16383"}]}),
    ] {
        let reason = refused(with(shards.clone(), json!({"NumCacheNodes": 2}))).await;
        for name in shards.as_object().unwrap().keys() {
            assert_says(&reason, &["NumCacheNodes (2)", &format!("excludes {name}")]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_without_encryption_at_rest_is_refused() {
    let reason = refused(json!({"AtRestEncryptionEnabled": false, "KmsKeyId": "alias/cache"})).await;
    assert_says(&reason, &["KmsKeyId (alias/cache)", "set AtRestEncryptionEnabled to true, or remove KmsKeyId"]);
}

/// Valkey began with 7.2.
#[tokio::test(start_paused = true)]
async fn a_valkey_version_that_never_was_is_refused_with_the_lowest_legal_one() {
    let reason = refused(json!({"Engine": "valkey", "EngineVersion": "7.1"})).await;
    assert_says(&reason, &["EngineVersion (7.1)", "7.1 is a Redis OSS version", "use 7.2 or a later one"]);
}

/// Parameters with an empty default make such lists.
#[tokio::test(start_paused = true)]
async fn an_empty_list_of_subnets_is_refused() {
    for nothing in [json!([]), json!([""]), json!(["", null])] {
        let reason = refused(json!({"SubnetIds": nothing})).await;
        assert_says(&reason, &["1 problem ", "SubnetIds: is required; list at least one subnet"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_to_no_subnets_is_refused_before_a_write() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let before = setup.writes().len();
    let outcome = setup.update(with(quick_start(), json!({"SubnetIds": []}))).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete);
    assert_says(&outcome.reason, &["SubnetIds: is required"]);
    assert_eq!(setup.writes().len(), before);
}

/// One shard with a replica, of an engine that can change its mode.
#[tokio::test(start_paused = true)]
async fn a_compatible_cluster_that_cannot_be_is_refused() {
    let old = json!({"Engine": "redis", "EngineVersion": "6.2", "NumCacheNodes": 2, "AutomaticFailoverEnabled": true});
    for (properties, rule) in [
        (json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1}), "allows one shard and 2 are wanted"),
        (json!({"NumNodeGroups": 1}), "needs a replica"),
        (json!({"NodeGroupConfiguration": [{"ReplicaCount": 0}]}), "needs a replica"),
        (old, "Redis OSS 6.2 knows no compatible mode"),
    ] {
        let reason = refused(with(properties, json!({"ClusterMode": "compatible"}))).await;
        assert_says(&reason, &["1 problem ", "ClusterMode (compatible)", rule]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_aws_takes_in_another_form_is_refused() {
    let reason = refused(json!({"EngineVersion": "7.2.6"})).await;
    assert_says(&reason, &["EngineVersion (7.2.6)", "ElastiCache chooses itself", "write 7.2"]);
    let reason = refused(json!({"Engine": "redis", "EngineVersion": "5.0"})).await;
    assert_says(&reason, &["EngineVersion (5.0)", "offers only 5.0.6", "write 5.0.6"]);
}

#[tokio::test(start_paused = true)]
async fn shards_that_cannot_be_are_refused() {
    for (shards, parts) in [
        (
            json!([{"NodeGroupId": "shard-one"}, {"NodeGroupId": "0002"}]),
            ["NodeGroupConfiguration[0].NodeGroupId", "four digits"],
        ),
        (
            json!([{"NodeGroupId": "0001"}, {"NodeGroupId": 1}]),
            ["NodeGroupConfiguration[1].NodeGroupId (0001)", "given twice"],
        ),
        (
            json!([{"ReplicaCount": 2, "ReplicaAvailabilityZones": ["us-east-1a"]}]),
            ["NodeGroupConfiguration[0].ReplicaAvailabilityZones (us-east-1a)", "names 1 zones for 2 replicas"],
        ),
    ] {
        assert_says(&refused(json!({"NodeGroupConfiguration": shards})).await, &parts);
    }
    let reason = refused(json!({"NumNodeGroups": 500, "ReplicasPerNodeGroup": 5})).await;
    assert_says(&reason, &["NumNodeGroups: makes 3000 nodes", "AWS allows 500"]);
    let reason = refused(json!({"NumNodeGroups": 2, "PreferredAvailabilityZones": ["us-east-1a"]})).await;
    assert_says(&reason, &["PreferredAvailabilityZones (us-east-1a)", "NodeGroupConfiguration"]);
}

#[tokio::test(start_paused = true)]
async fn node_types_that_cannot_be_are_refused() {
    for node_type in
        ["cache..", "cache.foo.bar", "cache.t4g.tiny", "cache.t4g.micro.x", "db.t4g.micro", "cache.r6gd.large"]
    {
        let tiered = node_type.contains("r6gd");
        let reason = refused(json!({"NodeType": node_type, "DataTieringEnabled": tiered})).await;
        assert_says(&reason, &["1 problem ", &format!("NodeType ({node_type})")]);
    }
}

#[tokio::test(start_paused = true)]
async fn arns_of_another_service_are_refused() {
    let reason = refused(json!({"NotificationTopicArn": "arn:aws:s3:::b"})).await;
    assert_says(&reason, &["NotificationTopicArn (arn:aws:s3:::b): must be the ARN of an SNS topic"]);
    let reason = refused(json!({"SnapshotArns": ["arn:aws:sns:us-east-1:123456789012:x"]})).await;
    assert_says(
        &reason,
        &["SnapshotArns[0] (arn:aws:sns:us-east-1:123456789012:x): must be the ARN of an object in S3"],
    );
}

/// Multi-AZ on one subnet is wrong whatever the account holds.
#[tokio::test(start_paused = true)]
async fn multi_az_on_one_subnet_is_refused() {
    let multi_az = json!({"NumCacheNodes": 2, "AutomaticFailoverEnabled": true, "MultiAzEnabled": true});
    for subnets in [json!([SUBNETS[0]]), json!([SUBNETS[0], SUBNETS[0]])] {
        let reason = refused(with(multi_az.clone(), json!({"SubnetIds": subnets}))).await;
        assert_says(&reason, &["SubnetIds", "Multi-AZ", "add a subnet in another availability zone"]);
    }
}

#[tokio::test(start_paused = true)]
async fn multi_az_on_subnets_of_one_zone_is_refused() {
    let subnets = json!([SUBNETS[0], "subnet-0a000000000000004"]);
    let reason = refused_by_the_account(with(production(), json!({"SubnetIds": subnets}))).await;
    assert_says(&reason, &["SubnetIds", "subnet-0a000000000000004", "all are in us-east-1a"]);
}

#[tokio::test(start_paused = true)]
async fn subnets_of_another_vpc_are_refused_each() {
    let others = ["subnet-0b000000000000001", "subnet-0b000000000000002"];
    let reason = refused_by_the_account(with(production(), json!({"SubnetIds": others}))).await;
    assert_says(&reason, &["2 problems", others[0], others[1], "is in vpc-0a1b2c3d4e5f60002, not in", VPC]);
}

#[tokio::test(start_paused = true)]
async fn missing_and_full_subnets_are_refused() {
    let subnets = json!([SUBNETS[0], "subnet-0a000000000000005", "subnet-0f00000000000000f"]);
    let reason = refused_by_the_account(with(quick_start(), json!({"SubnetIds": subnets}))).await;
    assert_says(&reason, &["2 problems", "subnet-0a000000000000005): has no free addresses"]);
    assert_says(&reason, &["subnet-0f00000000000000f): does not exist in this account and region"]);
}

/// Everything that the properties point at is looked up in the same pass.
#[tokio::test(start_paused = true)]
async fn everything_wrong_in_the_account_is_in_one_reason() {
    let properties = json!({
        "SubnetIds": [SUBNETS[0], "subnet-0f00000000000000f"],
        "AllowedSecurityGroupIds": [APPS[0], "sg-0f00000000000000f"],
        "SecurityGroupIds": ["sg-0b00000000000bb01"],
        "AuthTokenEnabled": null,
        "AuthTokenSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:elasticache/none-AbCdEf",
    });
    let reason = refused_by_the_account(with(quick_start(), properties)).await;
    assert_says(&reason, &["4 problems", "subnet-0f00000000000000f", "AllowedSecurityGroupIds (sg-0f00000000000000f)"]);
    assert_says(&reason, &["SecurityGroupIds (sg-0b00000000000bb01): is in vpc-0a1b2c3d4e5f60002"]);
    assert_says(&reason, &["AuthTokenSecretArn", "does not exist or has no value"]);
}

#[tokio::test(start_paused = true)]
async fn every_value_out_of_range_is_listed() {
    for (name, rule) in [
        ("1final", "must start with a letter"),
        ("final-", "must not end with a hyphen"),
        ("fi--nal", "must not hold two hyphens in a row"),
        ("fi_nal", "may hold only"),
    ] {
        let description = format!("<{}>", "x".repeat(254));
        let properties = json!({
            "SnapshotRetentionLimit": 36, "FinalSnapshotIdentifier": name, "Description": description,
        });
        let reason = refused(properties).await;
        assert_says(&reason, &["4 problems", "SnapshotRetentionLimit (36): must be between 0 and 35"]);
        assert_says(&reason, &[&format!("FinalSnapshotIdentifier ({name}): {rule}")]);
        assert_says(&reason, &["at most 255 characters and has 256", "angle brackets"]);
    }
    for properties in [json!({"SnapshotRetentionLimit": -1}), json!({"Port": 0}), json!({"NumCacheNodes": 7})] {
        let name = properties.as_object().unwrap().keys().next().unwrap().clone();
        assert_says(&refused(properties).await, &["1 problem ", &name, "must be between"]);
    }
}

/// Unknown names, wrong types, values out of range and impossible combinations come together.
#[tokio::test(start_paused = true)]
async fn problems_of_every_kind_are_in_one_reason() {
    let properties = json!({
        "NodTypes": "cache.t4g.micro",
        "SubnetIds": SUBNETS[0],
        "NumCacheNodes": "two",
        "MultiAzEnabled": "yes",
        "SnapshotRetentionLimit": 99,
        "Tags": {"Team": "payments"},
        "AllowedCidrBlocks": ["10.0.0.0/33", ["10.0.0.0/8"]],
        "TransitEncryptionEnabled": false,
        "AuthTokenEnabled": true,
        "Engine": "memcached",
        "ProjectId": null,
    });
    let reason = refused(properties).await;
    assert_says(&reason, &["NodTypes: is not a property of Custom::ElastiCache; did you mean NodeType?"]);
    assert_says(&reason, &["SubnetIds (subnet-0a000000000000001): must be a list"]);
    assert_says(&reason, &["NumCacheNodes (two): must be a whole number", "MultiAzEnabled (yes)"]);
    assert_says(&reason, &["SnapshotRetentionLimit (99)", "Tags (", "AllowedCidrBlocks[0] (10.0.0.0/33)"]);
    assert_says(&reason, &["AllowedCidrBlocks[1]", "AuthTokenEnabled needs TLS, which is off"]);
    assert_says(&reason, &["Engine (memcached): must be one of valkey, redis", "ProjectId: is required"]);
}

/// The three ways to a token, and the user group, exclude each other; a bad token is not repeated.
#[tokio::test(start_paused = true)]
async fn tokens_that_cannot_be_are_refused_without_showing_them() {
    let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:elasticache/x-AbCdEf";
    let literal = "A-literal-token-0123456789";
    for (properties, parts) in [
        (json!({"AuthToken": literal, "AuthTokenEnabled": true}), ["AuthToken", "excludes AuthTokenEnabled"]),
        (json!({"AuthToken": literal, "AuthTokenSecretArn": arn}), ["AuthToken", "excludes AuthTokenSecretArn"]),
        (json!({"AuthTokenEnabled": true, "AuthTokenSecretArn": arn}), ["AuthTokenEnabled", "excludes"]),
        (json!({"AuthTokenEnabled": true, "UserGroupIds": ["g"]}), ["AuthTokenEnabled", "excludes UserGroupIds"]),
        (json!({"AuthToken": literal, "TransitEncryptionEnabled": "false"}), ["AuthToken needs TLS", "remove"]),
        (json!({"AuthToken": "Too-short-15-ch"}), ["AuthToken", "16 to 128 characters and has 15"]),
        (json!({"AuthToken": "A-literal@token/0123456789"}), ["AuthToken", "may hold only"]),
        (json!({"AuthToken": ["A-literal-token-0123456789"]}), ["AuthToken", "must be a string"]),
    ] {
        let reason = refused(properties.clone()).await;
        assert_says(&reason, &parts);
        if let Some(token) = properties["AuthToken"].as_str() {
            assert!(!reason.contains(token), "{reason}");
        }
        assert!(!reason.contains(literal), "{reason}");
    }
}

/// More problems than an answer has room for: the first ones whole, the others counted.
#[tokio::test(start_paused = true)]
async fn problems_that_do_not_fit_are_counted() {
    let cidrs: Vec<String> = (0..100).map(|i| format!("network-{i:03}")).collect();
    let reason = refused(json!({"AllowedCidrBlocks": cidrs})).await;
    assert_says(&reason, &["100 problems", "AllowedCidrBlocks[0] (network-000)", " more."]);
}

/// Things under our names that somebody else made: Create refuses, and the Delete that follows leaves them alone.
#[tokio::test(start_paused = true)]
async fn what_belongs_to_somebody_else_is_refused_and_left_alone() {
    type Make = fn(&Setup);
    let group: Make = |setup| {
        let group = json!({
            "ReplicationGroupId": "production-myapp-valkey", "ReplicationGroupDescription": "theirs",
            "Engine": "valkey", "CacheNodeType": "cache.t4g.micro", "NumCacheClusters": "1",
            "CacheSubnetGroupName": "theirs", "TransitEncryptionEnabled": "false",
        });
        let subnets = json!({
            "CacheSubnetGroupName": "theirs", "CacheSubnetGroupDescription": "theirs",
            "SubnetIds": {"SubnetIdentifier": SUBNETS},
        });
        setup.by_hand(ElastiCache::handle, "CreateCacheSubnetGroup", subnets);
        setup.by_hand(ElastiCache::handle, "CreateReplicationGroup", group);
    };
    let subnet_group: Make = |setup| {
        let group = json!({
            "CacheSubnetGroupName": "production-myapp-valkey", "CacheSubnetGroupDescription": "theirs",
            "SubnetIds": {"SubnetIdentifier": SUBNETS},
        });
        setup.by_hand(ElastiCache::handle, "CreateCacheSubnetGroup", group);
    };
    let parameter_group: Make = |setup| {
        let group = json!({
            "CacheParameterGroupName": "production-myapp-valkey-valkey8", "CacheParameterGroupFamily": "valkey8",
            "Description": "theirs",
        });
        setup.by_hand(ElastiCache::handle, "CreateCacheParameterGroup", group);
    };
    let security_group: Make = |setup| {
        let group = json!({
            "GroupName": "elasticache-production-myapp-valkey", "GroupDescription": "theirs", "VpcId": VPC,
        });
        setup.by_hand(Ec2::handle, "CreateSecurityGroup", group);
    };
    let secret: Make = |setup| {
        let secret = json!({"Name": "elasticache/production-myapp-valkey/auth-token", "SecretString": "theirs"});
        setup.by_hand(SecretsManager::handle, "CreateSecret", secret);
    };
    for (what, make) in [
        ("replication group production-myapp-valkey", group),
        ("subnet group production-myapp-valkey", subnet_group),
        ("parameter group production-myapp-valkey-valkey8", parameter_group),
        ("security group elasticache-production-myapp-valkey", security_group),
        ("secret elasticache/production-myapp-valkey/auth-token", secret),
    ] {
        for another_stack in [false, true] {
            let setup = Setup::new();
            make(&setup);
            setup.aws.clock().sleep(Duration::from_mins(10)).await;
            if another_stack {
                take_over(&setup);
            }
            let before = state(&setup);
            let outcome = setup.create(production()).await;
            assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
            assert_eq!(setup.write_names(), Vec::<String>::new(), "{what}");
            let reason = outcome.answers[0].reason();
            assert_says(reason, &["1 problem ", what, "does not belong to this resource"]);
            assert_eq!(state(&setup), before, "{what}");
        }
    }
}

/// Marks everything as the work of this function in another stack.
fn take_over(setup: &Setup) {
    use elasticache_resource::domain::tags::{TAG_LOGICAL_ID, TAG_STACK_ID};
    let tags =
        [(TAG_STACK_ID, "arn:aws:cloudformation:us-east-1:123456789012:stack/other/1"), (TAG_LOGICAL_ID, "Cache")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
    setup.aws.with(|world, _| {
        let cache = &mut world.elasticache;
        cache.groups.values_mut().for_each(|group| group.tags.extend(tags.clone()));
        cache.subnet_groups.values_mut().for_each(|group| group.tags.extend(tags.clone()));
        for group in cache.parameter_groups.values_mut().filter(|group| !group.is_default()) {
            group.tags.extend(tags.clone());
        }
    });
    let pairs: Vec<Value> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    let ids: Vec<String> = setup.aws.with(|world, _| {
        let named = world.ec2.security_groups().filter(|group| group.name.starts_with("elasticache-"));
        named.map(|group| group.id.clone()).collect()
    });
    for id in ids {
        setup.by_hand(Ec2::handle, "CreateTags", json!({"ResourceId": [id], "Tag": pairs}));
    }
    let secrets: Vec<String> = setup.aws.with(|world, _| world.secrets.secrets().map(|s| s.arn.clone()).collect());
    for arn in secrets {
        setup.by_hand(SecretsManager::handle, "TagResource", json!({"SecretId": arn, "Tags": pairs}));
    }
}

/// Everything that stands under the names of the production example, with its tags.
fn state(setup: &Setup) -> String {
    setup.aws.with(|world, _| {
        let cache = &world.elasticache;
        let parameters: Vec<_> = cache.parameter_groups.values().filter(|group| !group.is_default()).collect();
        let secrets: Vec<_> = world
            .secrets
            .secrets()
            .map(|s| (s.name.clone(), s.tags.clone(), s.current_text().map(str::to_owned), s.deletion.is_some()))
            .collect();
        let groups: Vec<_> = world.ec2.security_groups().collect();
        format!("{:?} {:?} {parameters:?} {secrets:?} {groups:?}", cache.groups, cache.subnet_groups)
    })
}

/// What could be a token is not repeated, but a number or a boolean is none.
#[tokio::test(start_paused = true)]
async fn a_wrong_number_about_the_token_is_shown_and_a_wrong_text_is_not() {
    let reason = refused(json!({
        "AuthTokenGraceMinutes": "61", "SecretRecoveryWindowInDays": 3, "AuthTokenEnabled": "correct-horse-battery",
    }))
    .await;
    assert_says(
        &reason,
        &["AuthTokenGraceMinutes (61)", "SecretRecoveryWindowInDays (3)", "AuthTokenEnabled: must be"],
    );
    assert!(!reason.contains("horse"), "{reason}");
}
