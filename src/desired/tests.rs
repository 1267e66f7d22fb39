use serde_json::{Value, json};

use super::*;
use crate::cfn::resource_properties::ResourceProperties;
use crate::domain::engine::Engine;
use crate::domain::tags::Owner;
use crate::properties::{ClusterMode, Parsed};

fn owner() -> Owner {
    Owner { stack_id: "arn:aws:cloudformation:us-east-1:1:stack/s/g".into(), logical_id: "Cache".into() }
}

fn with(extra: &Value) -> Parsed {
    let mut value = json!({
        "Env": "dev", "ProjectId": "app", "VpcId": "vpc-1", "SubnetIds": ["subnet-1", "subnet-2"],
    });
    let (Value::Object(map), Value::Object(more)) = (&mut value, extra) else { unreachable!() };
    map.extend(more.clone());
    Parsed::read(&ResourceProperties::new(&value))
}

fn desired(extra: &Value) -> Desired {
    Desired::new(&with(extra), &owner(), Purpose::Create).unwrap()
}

/// The one problem that these properties have, as text.
fn problem(extra: &Value) -> String {
    let problems = Desired::new(&with(extra), &owner(), Purpose::Create).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:#?}");
    problems[0].to_string()
}

#[test]
fn defaults_are_the_modules_as_far_as_aws_allows() {
    let d = desired(&json!({}));
    assert_eq!(d.names.replication_group, "dev-app-valkey");
    assert_eq!((d.engine, d.version.to_string()), (Engine::Valkey, "8.2".into()));
    assert_eq!((d.node_type.as_str(), d.port, d.node_count()), ("cache.t4g.micro", 6379, 1));
    assert_eq!((d.tls, d.auth.clone(), d.at_rest_encryption), (Tls::Off, Auth::Open, true));
    assert_eq!(
        (d.settings.snapshot_retention_limit, d.settings.auto_minor_version_upgrade, d.apply_immediately),
        (Some(5), Some(true), true)
    );
    assert_eq!(d.parameter_group_name(), "default.valkey8");
    assert_eq!(desired(&json!({"Engine": "redis"})).version.to_string(), "7.1");
}

#[test]
fn a_token_turns_tls_on() {
    assert_eq!(desired(&json!({"AuthTokenEnabled": "true"})).tls, Tls::Required);
    assert_eq!(desired(&json!({"UserGroupIds": ["ug"]})).tls, Tls::Required);
}

#[test]
fn cluster_mode_follows_from_the_shards() {
    let sharded = desired(&json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1}));
    assert_eq!(
        (sharded.cluster_mode, sharded.automatic_failover, sharded.node_count()),
        (ClusterMode::Enabled, true, 4)
    );
    assert_eq!(sharded.parameter_group_name(), "default.valkey8.cluster.on");
    let plain = desired(&json!({
        "NumNodeGroups": 1, "ReplicasPerNodeGroup": 1, "ParameterGroupName": "default.valkey8",
    }));
    assert_eq!((plain.cluster_mode, plain.topology), (ClusterMode::Disabled, Topology::Single { nodes: 2 }));
}

#[test]
fn address_blocks_lose_their_host_bits() {
    let d = desired(&json!({"AllowedCidrBlocks": ["100.68.0.18/18", "2001:db8::1/32"]}));
    let texts: Vec<String> = d.allowed.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["100.68.0.0/18", "2001:db8::/32"]);
}

#[test]
fn impossible_combinations_are_refused_with_their_fix() {
    let cases = [
        (json!({"AutomaticFailoverEnabled": true}), "AutomaticFailoverEnabled (true)", "NumCacheNodes to 2"),
        (json!({"NumCacheNodes": 2, "NumNodeGroups": 2}), "NumCacheNodes (2): excludes NumNodeGroups", "keep"),
        (json!({"EngineVersion": "7.1"}), "EngineVersion (7.1)", "use 7.2"),
        (json!({"AtRestEncryptionEnabled": false, "KmsKeyId": "k"}), "KmsKeyId (k)", "AtRestEncryptionEnabled"),
        (json!({"AuthTokenEnabled": true, "TransitEncryptionEnabled": false}), "TransitEncryptionEnabled", "true"),
        (json!({"AuthTokenEnabled": true, "TransitEncryptionMode": "preferred"}), "TransitEncryptionMode", "required"),
        (json!({"AuthTokenEnabled": true, "UserGroupIds": ["u"]}), "AuthTokenEnabled: excludes UserGroupIds", "keep"),
        (json!({"SnapshotRetentionLimit": 36}), "SnapshotRetentionLimit (36)", "0 to 35"),
        (json!({"FinalSnapshotIdentifier": "1st"}), "FinalSnapshotIdentifier (1st): must start with a letter", "final"),
        (json!({"FinalSnapshotIdentifier": "a-"}), "must not end with a hyphen", "final"),
        (json!({"FinalSnapshotIdentifier": "a--b"}), "two hyphens", "final"),
        (json!({"Description": "x".repeat(256)}), "at most 255 characters", "shorten"),
        (json!({"Description": "a <b>"}), "angle brackets", "remove < and >"),
        (json!({"SecretRecoveryWindowInDays": 3}), "SecretRecoveryWindowInDays (3)", "0"),
        (json!({"NumNodeGroups": 2, "AutomaticFailoverEnabled": false}), "AutomaticFailoverEnabled", "leave it out"),
        (json!({"DataTieringEnabled": true}), "DataTieringEnabled", "cache.r6gd.xlarge"),
        (json!({"PreferredAvailabilityZones": ["a", "b"]}), "2 zones for 1 nodes", "one zone per node"),
        (json!({"AuthTokenVersion": "2"}), "AuthTokenVersion: means nothing without AuthTokenEnabled", "set"),
        (json!({"SnapshotWindow": "03:00-05:00", "MaintenanceWindow": "sun:04:00-sun:05:00"}), "overlaps", "move"),
    ];
    for (extra, start, fix) in cases {
        let text = problem(&extra);
        assert!(text.contains(start) && text.contains(fix), "{extra}: {text}");
    }
}

#[test]
fn all_problems_come_at_once() {
    let extra = json!({
        "Port": "many", "NodeType": "t4g", "EngineVersion": "7.1", "Descripton": "x", "SnapshotRetentionLimit": 99,
        "AllowedCidrBlocks": ["10.0.0.0/40"],
    });
    let problems = Desired::new(&with(&extra), &owner(), Purpose::Create).unwrap_err();
    assert_eq!(problems.len(), 6, "{problems:#?}");
}

#[test]
fn slots_must_cover_everything_once() {
    let slots = |a: &str, b: &str| json!({"NodeGroupConfiguration": [{"Slots": a}, {"Slots": b}]});
    assert_eq!(desired(&slots("0-8191", "8192-16383")).node_count(), 2);
    assert!(problem(&slots("0-8191", "8191-16383")).contains("in two shards"));
    assert!(problem(&slots("0-8190", "8192-16383")).contains("in no shard"));
    assert!(problem(&slots("0-8191", "8192-16000")).contains("16001 to 16383"));
}

#[test]
fn preferred_zones_bind_only_a_new_group() {
    let value = with(&json!({"PreferredAvailabilityZones": ["a", "b", "c"], "NumCacheNodes": 2}));
    assert!(Desired::new(&value, &owner(), Purpose::Create).is_err());
    assert!(Desired::new(&value, &owner(), Purpose::Update("dev-app-valkey")).is_ok());
}

#[test]
fn an_engine_change_keeps_the_id_and_a_rename_does_not() {
    let redis =
        Desired::new(&with(&json!({"Engine": "valkey"})), &owner(), Purpose::Update("dev-app-redis-2")).unwrap();
    let before = with(&json!({"Engine": "redis"}));
    assert_eq!(redis.renamed(&with(&json!({"Engine": "valkey"})).values, &before.values), None);
    assert_eq!(
        redis.renamed(&with(&json!({"Env": "prod"})).values, &before.values),
        Some("prod-app-valkey".to_owned())
    );
}

#[test]
fn a_removal_reads_what_it_can_of_broken_properties() {
    let value = json!({"Env": ["x"], "SecretRecoveryWindowInDays": "0", "FinalSnapshotIdentifier": "final", "Old": 1});
    let value = Parsed::read(&ResourceProperties::new(&value));
    let removal = Removal::new(&value, &owner(), "dev-app-valkey", "r1");
    assert_eq!(removal.recovery_window_days, 0);
    assert!(removal.final_snapshot.as_deref().unwrap().starts_with("final-"));
    let again = Removal::new(&value, &owner(), "dev-app-valkey", "r2");
    assert_ne!(removal.final_snapshot, again.final_snapshot);
}
