//! Every property: what it does at AWS, and how it is refused. A property that is in neither table fails the tests.

use std::collections::BTreeSet;
use std::time::Duration;

use elasticache_resource::properties::Properties;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::StackStatus;
use simulator::elasticache::UserGroup;
use simulator::secrets_manager::SecretsManager;

use crate::harness::{APPS, CACHE, SUBNETS, Setup, VPC, policy, quick_start, with};
use crate::shapes::parameter_group;

/// Name of a secret that a template may name, and its ARN.
fn external_secret(setup: &Setup) -> String {
    let secret = json!({"Name": "elasticache/external", "SecretString": "{\"t\": \"sixteen-and-more-1\"}"});
    let made = setup.by_hand(SecretsManager::handle, "CreateSecret", secret);
    made["ARN"].as_str().unwrap().to_owned()
}

/// An account with what the rows of [`effects`] name, and the ARN of the secret among it.
pub(crate) fn account() -> (Setup, String) {
    let setup = Setup::new();
    setup.aws.with(|world, _| {
        world.elasticache.add_user_group(UserGroup::new("people", "valkey", "p"));
        for id in SUBNETS {
            world.ec2.subnet_mut(id).unwrap().ipv6 = Some("2001:db8::/64".to_owned());
        }
    });
    parameter_group(&setup, "mine", "valkey8", &[]);
    let arn = external_secret(&setup);
    (setup, arn)
}

const GROUP: &str = "CreateReplicationGroup";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:cache";
const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/1234abcd";

/// Property, what is added to the quick start, the call that shows its effect, where in it, and the value there.
/// `ARN` stands for the external secret.
#[allow(clippy::too_many_lines, reason = "a table with an entry per property")]
pub(crate) fn effects() -> Vec<(&'static str, Value, &'static str, &'static str, Value)> {
    let token = json!({"AuthTokenEnabled": true});
    let plus = |more: Value| with(token.clone(), more);
    let replicas = json!({"NumCacheNodes": 2, "AutomaticFailoverEnabled": true, "MultiAzEnabled": true});
    let durable = json!({"Durability": "sync", "EngineVersion": "9.0", "NodeType": "cache.r7g.large",
        "NumNodeGroups": 2, "ReplicasPerNodeGroup": 1, "MultiAzEnabled": true, "TransitEncryptionEnabled": true});
    let log = json!([{"LogType": "slow-log", "DestinationType": "cloudwatch-logs", "Destination": "/slow"}]);
    let log_at = "/LogDeliveryConfigurations/LogDeliveryConfigurationRequest/0/DestinationDetails\
                  /CloudWatchLogsDetails/LogGroup";
    vec![
        ("Env", json!({"Env": "test"}), GROUP, "/ReplicationGroupId", json!("test-myapp-valkey")),
        ("ProjectId", json!({"ProjectId": "p"}), GROUP, "/ReplicationGroupId", json!("development-p-valkey")),
        ("ReplicationGroupId", json!({"ReplicationGroupId": "My-Id"}), GROUP, "/ReplicationGroupId", json!("my-id")),
        ("Description", json!({"Description": "d"}), GROUP, "/ReplicationGroupDescription", json!("d")),
        (
            "Tags",
            json!({"Tags": [{"Key": "0", "Value": "v"}]}),
            GROUP,
            "/Tags/Tag/0",
            json!({"Key": "0", "Value": "v"}),
        ),
        ("VpcId", json!({}), "CreateSecurityGroup", "/VpcId", json!(VPC)),
        (
            "SubnetIds",
            json!({"SubnetIds": [SUBNETS[2]]}),
            "CreateCacheSubnetGroup",
            "/SubnetIds/SubnetIdentifier",
            json!([SUBNETS[2]]),
        ),
        (
            "AllowedSecurityGroupIds",
            json!({"AllowedSecurityGroupIds": [APPS[1]]}),
            "AuthorizeSecurityGroupIngress",
            "/IpPermissions/0/Groups/0/GroupId",
            json!(APPS[1]),
        ),
        (
            "AllowedCidrBlocks",
            json!({"AllowedSecurityGroupIds": [], "AllowedCidrBlocks": ["10.9.8.7/16"]}),
            "AuthorizeSecurityGroupIngress",
            "/IpPermissions/0/IpRanges/0/CidrIp",
            json!("10.9.0.0/16"),
        ),
        (
            "SecurityGroupIds",
            json!({"SecurityGroupIds": [APPS[1]]}),
            GROUP,
            "/SecurityGroupIds/SecurityGroupId",
            json!(APPS[1]),
        ),
        ("Port", json!({"Port": "7000"}), GROUP, "/Port", json!("7000")),
        ("NetworkType", json!({"NetworkType": "ipv6"}), GROUP, "/NetworkType", json!("ipv6")),
        (
            "IpDiscovery",
            json!({"NetworkType": "dual_stack", "IpDiscovery": "ipv6"}),
            GROUP,
            "/IpDiscovery",
            json!("ipv6"),
        ),
        (
            "PreferredAvailabilityZones",
            json!({"PreferredAvailabilityZones": ["us-east-1b"]}),
            GROUP,
            "/PreferredCacheClusterAZs/AvailabilityZone/0",
            json!("us-east-1b"),
        ),
        ("Engine", json!({"Engine": "redis"}), GROUP, "/Engine", json!("redis")),
        ("EngineVersion", json!({"EngineVersion": "8.0"}), GROUP, "/EngineVersion", json!("8.0")),
        ("NodeType", json!({"NodeType": "cache.m7g.large"}), GROUP, "/CacheNodeType", json!("cache.m7g.large")),
        (
            "Parameters",
            json!({"Parameters": {"timeout": 30}}),
            "ModifyCacheParameterGroup",
            "/ParameterNameValues/ParameterNameValue/0",
            json!({"ParameterName": "timeout", "ParameterValue": "30"}),
        ),
        ("ParameterGroupName", json!({"ParameterGroupName": "mine"}), GROUP, "/CacheParameterGroupName", json!("mine")),
        ("NumCacheNodes", json!({"NumCacheNodes": "3"}), GROUP, "/NumCacheClusters", json!("3")),
        ("AutomaticFailoverEnabled", replicas.clone(), GROUP, "/AutomaticFailoverEnabled", json!("true")),
        ("MultiAzEnabled", replicas, GROUP, "/MultiAZEnabled", json!("true")),
        ("NumNodeGroups", json!({"NumNodeGroups": 3}), GROUP, "/NumNodeGroups", json!("3")),
        ("ReplicasPerNodeGroup", json!({"ReplicasPerNodeGroup": 2}), GROUP, "/ReplicasPerNodeGroup", json!("2")),
        (
            "NodeGroupConfiguration",
            json!({"NodeGroupConfiguration": [{"ReplicaCount": 1}]}),
            GROUP,
            "/NodeGroupConfiguration/NodeGroupConfiguration/0/ReplicaCount",
            json!("1"),
        ),
        ("ClusterMode", json!({"ClusterMode": "enabled", "NumNodeGroups": 1}), GROUP, "/ClusterMode", json!("enabled")),
        (
            "DataTieringEnabled",
            json!({"DataTieringEnabled": true, "NodeType": "cache.r6gd.xlarge"}),
            GROUP,
            "/DataTieringEnabled",
            json!("true"),
        ),
        ("Durability", durable, GROUP, "/Durability", json!("sync")),
        (
            "AtRestEncryptionEnabled",
            json!({"AtRestEncryptionEnabled": false}),
            GROUP,
            "/AtRestEncryptionEnabled",
            json!("false"),
        ),
        ("KmsKeyId", json!({"KmsKeyId": KEY}), GROUP, "/KmsKeyId", json!(KEY)),
        (
            "TransitEncryptionEnabled",
            json!({"TransitEncryptionEnabled": true}),
            GROUP,
            "/TransitEncryptionEnabled",
            json!("true"),
        ),
        (
            "TransitEncryptionMode",
            json!({"TransitEncryptionEnabled": true, "TransitEncryptionMode": "preferred"}),
            GROUP,
            "/TransitEncryptionMode",
            json!("preferred"),
        ),
        (
            "AuthTokenEnabled",
            token.clone(),
            "CreateSecret",
            "/Name",
            json!("elasticache/development-myapp-valkey/auth-token"),
        ),
        ("AuthToken", json!({"AuthToken": "0123456789abcdef"}), GROUP, "/AuthToken", json!("0123456789abcdef")),
        (
            "AuthTokenSecretArn",
            json!({"AuthTokenSecretArn": "ARN", "AuthTokenSecretKey": "t"}),
            GROUP,
            "/AuthToken",
            json!("sixteen-and-more-1"),
        ),
        (
            "AuthTokenSecretKey",
            json!({"AuthTokenSecretArn": "ARN", "AuthTokenSecretKey": "t"}),
            GROUP,
            "/AuthToken",
            json!("sixteen-and-more-1"),
        ),
        ("SecretName", plus(json!({"SecretName": "elasticache/s"})), "CreateSecret", "/Name", json!("elasticache/s")),
        ("SecretKmsKeyId", plus(json!({"SecretKmsKeyId": KEY})), "CreateSecret", "/KmsKeyId", json!(KEY)),
        (
            "SecretRecoveryWindowInDays",
            plus(json!({"SecretRecoveryWindowInDays": 9})),
            "DeleteSecret",
            "/RecoveryWindowInDays",
            json!(9),
        ),
        ("UserGroupIds", json!({"UserGroupIds": ["people"]}), GROUP, "/UserGroupIds/member", json!(["people"])),
        ("SnapshotRetentionLimit", json!({"SnapshotRetentionLimit": 0}), GROUP, "/SnapshotRetentionLimit", json!("0")),
        ("SnapshotWindow", json!({"SnapshotWindow": "02:00-03:00"}), GROUP, "/SnapshotWindow", json!("02:00-03:00")),
        (
            "SnapshotArns",
            json!({"SnapshotArns": ["arn:aws:s3:::b/x.rdb"]}),
            GROUP,
            "/SnapshotArns/SnapshotArn/0",
            json!("arn:aws:s3:::b/x.rdb"),
        ),
        (
            "MaintenanceWindow",
            json!({"MaintenanceWindow": "Sun:05:00-sun:07:00"}),
            GROUP,
            "/PreferredMaintenanceWindow",
            json!("sun:05:00-sun:07:00"),
        ),
        (
            "AutoMinorVersionUpgrade",
            json!({"AutoMinorVersionUpgrade": false}),
            GROUP,
            "/AutoMinorVersionUpgrade",
            json!("false"),
        ),
        ("NotificationTopicArn", json!({"NotificationTopicArn": TOPIC}), GROUP, "/NotificationTopicArn", json!(TOPIC)),
        ("LogDelivery", json!({"LogDelivery": log}), GROUP, log_at, json!("/slow")),
        ("Alarms", json!({"Alarms": {"Actions": [TOPIC]}}), "PutMetricAlarm", "/AlarmActions", json!(TOPIC)),
    ]
}

/// Properties without an effect of their own at Create, and where they are proved instead.
pub(crate) const ELSEWHERE: &[&str] = &[
    "ServiceToken",            // CloudFormation's
    "ServiceTimeout",          // the deadline: protocol
    "FinalSnapshotIdentifier", // a name made unique: delete
    "SnapshotName",            // needs a snapshot: shapes
    "DeletionProtection",      // delete
    "MaxMonthlyCost",          // cost
    "CountPolicy",             // scaled
    "ReplacementPolicy",       // update
    "ApplyImmediately",        // update
    "AuthTokenVersion",        // token
    "AuthTokenGraceMinutes",   // token
];

#[tokio::test(start_paused = true)]
async fn every_property_reaches_aws() {
    for (property, changes, action, pointer, expected) in effects() {
        let (setup, arn) = account();
        let text = with(quick_start(), changes).to_string().replace("\"ARN\"", &format!("\"{arn}\""));
        let properties: Value = serde_json::from_str(&text).unwrap();
        let outcome = setup.create(properties).await;
        assert_eq!(outcome.status, StackStatus::CreateComplete, "{property}: {}", outcome.reason);
        setup.stack.delete(CACHE).await;
        let journal = setup.writes();
        let calls: Vec<_> = journal.iter().filter(|call| call.action == action).map(|call| &call.params).collect();
        // A list without an order of its own holds the value anywhere.
        let holds = |at: &Value| *at == expected || at.as_array().is_some_and(|items| items.contains(&expected));
        let found = calls.iter().any(|params| params.pointer(pointer).is_some_and(holds));
        assert!(found, "{property}: no {action} with {pointer} = {expected} in {calls:#?}");
    }
}

/// Property, what is added to the quick start, and what the reason says about it.
fn refusals() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("Env", json!({"Env": null}), "Env: is required"),
        ("ProjectId", json!({"ProjectId": ["a"]}), "must be a string"),
        ("ReplicationGroupId", json!({"ReplicationGroupId": "9-lives"}), "must start with a letter"),
        ("Description", json!({"Description": "<b>"}), "must not hold angle brackets"),
        ("Tags", json!({"Tags": [{"Key": "aws:x", "Value": "1"}]}), "are reserved"),
        ("VpcId", json!({"VpcId": "main"}), "must be an id that starts with vpc-"),
        ("SubnetIds", json!({"SubnetIds": ["subnet-0b000000000000001"]}), "is in vpc-0a1b2c3d4e5f60002, not in"),
        ("AllowedSecurityGroupIds", json!({"AllowedSecurityGroupIds": ["sg-0dead"]}), "does not exist"),
        ("AllowedCidrBlocks", json!({"AllowedCidrBlocks": ["10.0.0.0/33"]}), "must be an address block"),
        ("SecurityGroupIds", json!({"SecurityGroupIds": ["sg-0b00000000000bb01"]}), "is in vpc-0a1b2c3d4e5f60002"),
        ("Port", json!({"Port": 0}), "must be between"),
        ("NetworkType", json!({"NetworkType": "ipv5"}), "must be one of ipv4, ipv6, dual_stack"),
        ("IpDiscovery", json!({"IpDiscovery": "ipv6"}), "needs a network with IPv6"),
        ("PreferredAvailabilityZones", json!({"PreferredAvailabilityZones": ["us-east-1f"]}), "no subnet of SubnetIds"),
        ("Engine", json!({"Engine": "memcached"}), "must be one of valkey, redis"),
        ("EngineVersion", json!({"EngineVersion": "7.1"}), "7.1 is a Redis OSS version"),
        ("NodeType", json!({"NodeType": "cache.t2.micro"}), "no new t1 and t2"),
        ("Parameters", json!({"Parameters": {"timout": "1"}}), "did you mean timeout?"),
        ("ParameterGroupName", json!({"ParameterGroupName": "none"}), "does not exist"),
        ("NumCacheNodes", json!({"NumCacheNodes": 7}), "must be between 1 and 6"),
        ("AutomaticFailoverEnabled", json!({"AutomaticFailoverEnabled": true}), "needs a replica"),
        ("MultiAzEnabled", json!({"MultiAzEnabled": true}), "needs automatic failover"),
        ("NumNodeGroups", json!({"NumNodeGroups": 0}), "must be between"),
        ("ReplicasPerNodeGroup", json!({"ReplicasPerNodeGroup": 6}), "must be between 0 and 5"),
        ("NodeGroupConfiguration", json!({"NodeGroupConfiguration": [{"Slot": "1"}]}), "did you mean Slots?"),
        ("ClusterMode", json!({"ClusterMode": "compatible"}), "needs automatic failover and a replica"),
        ("DataTieringEnabled", json!({"DataTieringEnabled": true}), "needs a node type"),
        ("Durability", json!({"Durability": "sync"}), "needs Valkey 9.0"),
        ("AtRestEncryptionEnabled", json!({"AtRestEncryptionEnabled": "yes"}), "must be true or false"),
        ("KmsKeyId", json!({"KmsKeyId": KEY, "AtRestEncryptionEnabled": false}), "needs encryption at rest"),
        ("TransitEncryptionEnabled", json!({"TransitEncryptionEnabled": false, "AuthTokenEnabled": true}), "needs TLS"),
        ("TransitEncryptionMode", json!({"TransitEncryptionMode": "preferred"}), "means nothing while"),
        ("AuthTokenEnabled", json!({"AuthTokenEnabled": true, "UserGroupIds": ["people"]}), "excludes UserGroupIds"),
        ("AuthToken", json!({"AuthToken": "short"}), "must have 16 to 128 characters"),
        ("AuthTokenSecretArn", json!({"AuthTokenSecretArn": "name"}), "must be an ARN"),
        ("AuthTokenSecretKey", json!({"AuthTokenSecretKey": "k"}), "means nothing without AuthTokenSecretArn"),
        ("AuthTokenVersion", json!({"AuthTokenVersion": "1"}), "means nothing without AuthTokenEnabled"),
        ("AuthTokenGraceMinutes", json!({"AuthTokenGraceMinutes": 61}), "must be between 0 and 60"),
        ("SecretName", json!({"SecretName": "a b"}), "is not a legal secret name"),
        ("SecretKmsKeyId", json!({"SecretKmsKeyId": {"a": 1}}), "must be a string"),
        ("SecretRecoveryWindowInDays", json!({"SecretRecoveryWindowInDays": 3}), "must be 0 or between 7 and 30"),
        ("UserGroupIds", json!({"UserGroupIds": ["a", "b"]}), "takes one user group"),
        ("SnapshotRetentionLimit", json!({"SnapshotRetentionLimit": 36}), "must be between 0 and 35"),
        ("SnapshotWindow", json!({"SnapshotWindow": "3-4"}), "must be hh:mm-hh:mm"),
        ("FinalSnapshotIdentifier", json!({"FinalSnapshotIdentifier": "a--b"}), "two hyphens in a row"),
        ("SnapshotName", json!({"SnapshotName": "none"}), "does not exist"),
        ("SnapshotArns", json!({"SnapshotArns": ["s3://b/x"]}), "must be the ARN of an object"),
        ("MaintenanceWindow", json!({"MaintenanceWindow": "sunday"}), "must be ddd:hh:mm-ddd:hh:mm"),
        ("AutoMinorVersionUpgrade", json!({"AutoMinorVersionUpgrade": 2}), "must be true or false"),
        ("NotificationTopicArn", json!({"NotificationTopicArn": "topic"}), "must be the ARN of an SNS topic"),
        ("ApplyImmediately", json!({"ApplyImmediately": ["true"]}), "must be true or false"),
        ("LogDelivery", json!({"LogDelivery": [{"LogType": "slow"}]}), "must be one of slow-log"),
        ("Alarms", json!({"Alarms": {"Memry": 80}}), "did you mean Memory?"),
        ("CountPolicy", json!({"CountPolicy": "Minimum"}), "needs a number of nodes"),
        ("DeletionProtection", json!({"DeletionProtection": "on"}), "must be true or false"),
        ("MaxMonthlyCost", json!({"MaxMonthlyCost": -1}), "must be between 0 and"),
        ("ReplacementPolicy", json!({"ReplacementPolicy": "Retain"}), "must be one of Refuse, Snapshot, Empty"),
        ("ServiceTimeout", json!({"ServiceTimeout": 3601}), "must be between 1 and 3600"),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_property_is_refused_with_its_name_its_rule_and_a_fix() {
    for (property, changes, rule) in refusals() {
        let (setup, _) = account();
        let outcome = setup.create(with(quick_start(), changes)).await;
        assert_eq!(outcome.status, StackStatus::RollbackComplete, "{property}");
        assert!(outcome.reason.contains(property) && outcome.reason.contains(rule), "{property}: {}", outcome.reason);
        assert_eq!(setup.write_names(), Vec::<String>::new(), "{property}");
    }
}

#[test]
fn the_tables_know_every_property() {
    let known: BTreeSet<String> =
        Properties::fields().into_iter().map(|field| field.name).filter(|name| !name.contains(['[', '.'])).collect();
    let effects: BTreeSet<String> =
        effects().into_iter().map(|row| row.0.to_owned()).chain(ELSEWHERE.iter().map(|n| (*n).to_owned())).collect();
    assert_eq!(known, effects);
    let refused: BTreeSet<String> =
        refusals().into_iter().map(|row| row.0.to_owned()).chain(["ServiceToken".to_owned()]).collect();
    assert_eq!(known, refused);
}

/// Eight mistakes, in the properties and in the account, in one answer: quickly, and without a write.
#[tokio::test(start_paused = true)]
async fn eight_mistakes_are_named_at_once() {
    let (setup, _) = account();
    let wrong = json!({
        "SubnetIds": ["subnet-0b000000000000001", "subnet-0dead"],
        "AllowedSecurityGroupIds": ["sg-0dead"],
        "Parameters": {"timout": "1"},
        "UserGroupIds": ["nobody"],
        "SnapshotName": "none-such",
        "SnapshotRetentionLimit": 36,
        "FinalSnapshotIdentifier": "9",
        "NodTypes": "cache.t4g.micro",
    });
    let started = tokio::time::Instant::now();
    let outcome = setup.stack.send("Create", CACHE, json!({"ResourceProperties": with(quick_start(), wrong)})).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    let answer = outcome.unwrap();
    let reason = answer.reason();
    for part in [
        "SubnetIds (subnet-0b000000000000001): is in vpc-0a1b2c3d4e5f60002",
        "SubnetIds (subnet-0dead): does not exist",
        "AllowedSecurityGroupIds (sg-0dead): does not exist",
        "Parameters.timout (1): is not a parameter of family valkey8; did you mean timeout?",
        "UserGroupIds (nobody): does not exist",
        "SnapshotName (none-such): does not exist",
        "SnapshotRetentionLimit (36): must be between 0 and 35",
        "FinalSnapshotIdentifier (9): must start with a letter",
        "NodTypes: is not a property of Custom::ElastiCache; did you mean NodeType?",
    ] {
        assert!(reason.contains(part), "{part} in {reason}");
    }
    assert_eq!(setup.write_names(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn more_mistakes_than_fit_are_cut_by_whole_items() {
    let (setup, _) = account();
    let many: serde_json::Map<String, Value> =
        (0..200).map(|n| (format!("Wrong\"{n:03}"), json!("\u{1}\"\\"))).collect();
    let outcome = setup.create(with(quick_start(), many.into())).await;
    assert!(outcome.reason.contains(" more."), "{}", outcome.reason);
    assert!(!outcome.reason.contains('…'), "cut inside an item: {}", outcome.reason);
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => any::<i32>().prop_map(Value::from),
        3 => (0..10_i32).prop_map(|n| json!(n.to_string())),
        3 => any::<bool>().prop_map(Value::from),
        2 => "\\PC{0,12}".prop_map(Value::from),
        1 => (1..3000_usize, prop_oneof![Just("x"), Just("ü"), Just("日本"), Just("\""), Just("\u{1}"), Just("🦀")])
            .prop_map(|(n, text)| json!(text.repeat(n))),
        1 => Just(Value::Null),
        2 => prop::sample::select(vec![
            "valkey", "redis", "8.2", "7.1", "subnet-0a000000000000001", "sg-0a00000000000aa01", "sg-0dead", "enabled",
            "dual_stack", "required", "0.0.0.0/0", "::/0", "arn:aws:s3:::b/x", "03:00-05:00", "Refuse",
        ])
        .prop_map(Value::from),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(3, 12, 4, |inner| {
        let key = prop_oneof![
            3 => prop::sample::select(vec!["Key", "Value", "Slots", "ReplicaCount", "LogType", "Destination", "timeout"])
                .prop_map(str::to_owned),
            1 => "\\PC{0,20}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Property maps: a right one with some things changed to anything, rows of the tables above, or rubbish altogether.
fn maps() -> impl Strategy<Value = Value> {
    let names: Vec<String> =
        Properties::fields().into_iter().map(|f| f.name).filter(|n| !n.contains(['[', '.'])).collect();
    let name = prop_oneof![8 => prop::sample::select(names), 1 => "\\PC{0,200}"];
    let broken = prop::collection::btree_map(name, anything(), 0..6)
        .prop_map(|map| with(quick_start(), Value::Object(map.into_iter().collect())));
    let rows: Vec<Value> =
        effects().into_iter().map(|row| row.1).chain(refusals().into_iter().map(|row| row.1)).collect();
    let combined = prop::collection::vec(prop::sample::select(rows), 1..3)
        .prop_map(|changes| changes.into_iter().fold(quick_start(), with));
    prop_oneof![6 => broken, 3 => combined, 1 => anything()]
}

const CASES: u32 = 10_000;

/// Whatever the properties are: one well-formed answer that fits, no panic, and no write when they are refused. The
/// answer box checks the answer itself.
#[test]
fn any_properties_get_one_good_answer() {
    let config = Config { rng_seed: RngSeed::Fixed(3), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let (maps, policy) = (maps(), policy());
    let (mut created, mut refused) = (0, 0);
    let mut setup = Setup::with_aws(LocalAws::new(1.0, Some(policy.clone())));
    for case in 0..CASES {
        let properties = maps.new_tree(&mut runner).unwrap().current();
        let fresh = &setup;
        let before = fresh.aws.answers().uploads().len();
        let outcome = runtime.block_on(fresh.stack.send("Create", CACHE, json!({"ResourceProperties": properties})));
        let answer = outcome.unwrap_or_else(|error| panic!("case {case}: {error} for {properties}"));
        let uploads = fresh.aws.answers().uploads();
        assert_eq!(uploads.len() - before, 1, "case {case}: {properties}");
        let violations = fresh.aws.answers().violations();
        assert!(violations.is_empty(), "case {case}: {violations:?} for {properties}");
        let reason = answer.reason();
        assert!(!reason.contains("failed unexpectedly"), "case {case}: a panic for {properties}");
        if reason.contains("with the properties: ") {
            refused += 1;
            assert!(fresh.write_names().is_empty(), "case {case}: {reason} after writes for {properties}");
        } else {
            created += usize::from(answer.is_success());
            setup = Setup::with_aws(LocalAws::new(1.0, Some(policy.clone())));
        }
        // The journal is looked through for every case.
        if case % 50 == 49 {
            setup = Setup::with_aws(LocalAws::new(1.0, Some(policy.clone())));
        }
    }
    assert!(created > 100 && refused > 5000, "{created} created, {refused} refused of {CASES}");
}
