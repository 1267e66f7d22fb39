//! What the product would do, as text: one file for each pair of old and new properties in `snapshots/`.
//!
//! After a change of the plan the new texts are taken over with `INSTA_UPDATE=always`; the difference is for reading.

use elasticache_resource::domain::problem::summary;
use elasticache_resource::preview;
use serde_json::{Value, json};

use crate::harness::{APPS, SUBNETS, production, quick_start, with};

/// Name, what the old properties have beyond the quick start, what the new ones change of that.
pub(crate) fn pairs() -> Vec<(&'static str, Value, Value)> {
    let mut pairs = settings();
    pairs.extend(dependencies());
    pairs.extend(shape());
    pairs.extend(engines());
    pairs.extend(access());
    pairs.extend(replacements());
    pairs.extend(several_at_once());
    pairs
}

fn settings() -> Vec<(&'static str, Value, Value)> {
    let log = |kind: &str| json!({"LogType": kind, "DestinationType": "cloudwatch-logs", "Destination": kind});
    let topic = "arn:aws:sns:us-east-1:123456789012:cache";
    vec![
        ("nothing", json!({}), json!({})),
        (
            "nothing_but_another_spelling",
            json!({"NumCacheNodes": 1}),
            json!({"NumCacheNodes": "1", "Engine": "VALKEY"}),
        ),
        ("description", json!({}), json!({"Description": "Sessions"})),
        ("maintenance_window", json!({}), json!({"MaintenanceWindow": "sun:07:00-sun:08:00"})),
        ("snapshot_window", json!({}), json!({"SnapshotWindow": "01:00-02:00"})),
        ("backups_off", json!({}), json!({"SnapshotRetentionLimit": 0})),
        ("backups_on", json!({"SnapshotRetentionLimit": 0, "NumCacheNodes": 2}), json!({"SnapshotRetentionLimit": 7})),
        ("minor_upgrades_off", json!({}), json!({"AutoMinorVersionUpgrade": false})),
        ("notifications_on", json!({}), json!({"NotificationTopicArn": topic})),
        ("notifications_off", json!({"NotificationTopicArn": topic}), json!({"NotificationTopicArn": null})),
        ("log_on", json!({}), json!({"LogDelivery": [log("slow-log")]})),
        (
            "log_exchanged",
            json!({"LogDelivery": [log("slow-log")]}),
            json!({"LogDelivery": [log("engine-log")], "ApplyImmediately": false}),
        ),
        ("alarms_on", json!({"NumCacheNodes": 2}), json!({"Alarms": {"Evictions": 1, "Cpu": 37.5}})),
        ("alarms_changed", json!({"Alarms": {}}), json!({"Alarms": {"Memory": 90, "Swap": 0}})),
        ("alarms_off", json!({"Alarms": {}}), json!({"Alarms": null})),
        ("alarms_follow_nodes", json!({"Alarms": {}, "NumCacheNodes": 3}), json!({"NumCacheNodes": 1})),
        ("snapshot_name_is_for_creation", json!({}), json!({"SnapshotName": "nightly"})),
        ("deletion_protection_is_ours", json!({}), json!({"DeletionProtection": true})),
        ("later", json!({}), json!({"NodeType": "cache.t4g.small", "ApplyImmediately": false})),
    ]
}

fn dependencies() -> Vec<(&'static str, Value, Value)> {
    let tag = |value: &str| json!([{"Key": "Team", "Value": value}]);
    vec![
        ("source_added", json!({}), json!({"AllowedSecurityGroupIds": APPS})),
        (
            "source_exchanged",
            json!({"AllowedCidrBlocks": ["10.0.0.0/16"]}),
            json!({"AllowedSecurityGroupIds": [], "AllowedCidrBlocks": ["10.1.0.0/16", "fd00::/64"]}),
        ),
        ("security_group_attached", json!({}), json!({"SecurityGroupIds": [APPS[1]]})),
        ("subnet_added", json!({}), json!({"SubnetIds": SUBNETS})),
        ("subnet_removed", json!({"SubnetIds": SUBNETS}), json!({"SubnetIds": [SUBNETS[0], SUBNETS[1]]})),
        ("tag_added", json!({}), json!({"Tags": tag("shop")})),
        ("tag_changed", json!({"Tags": tag("shop")}), json!({"Tags": tag("search")})),
        ("tag_removed", json!({"Tags": tag("shop")}), json!({"Tags": null})),
        ("first_parameter", json!({}), json!({"Parameters": {"timeout": "30"}})),
        (
            "parameters_changed_and_dropped",
            json!({"Parameters": {"timeout": "30", "tcp-keepalive": "200"}}),
            json!({"Parameters": {"timeout": "60"}}),
        ),
        ("no_parameters_any_more", json!({"Parameters": {"timeout": "30"}}), json!({"Parameters": null})),
        (
            "own_parameter_group",
            json!({"Parameters": {"timeout": "30"}}),
            json!({"Parameters": null, "ParameterGroupName": "ours"}),
        ),
    ]
}

fn shape() -> Vec<(&'static str, Value, Value)> {
    let safe = |nodes: u32| json!({"NumCacheNodes": nodes, "AutomaticFailoverEnabled": true, "MultiAzEnabled": true});
    let sharded = |shards: u32, replicas: u32| json!({"NumNodeGroups": shards, "ReplicasPerNodeGroup": replicas});
    vec![
        ("node_added", json!({}), json!({"NumCacheNodes": 2})),
        ("to_high_availability", json!({}), safe(2)),
        (
            "away_from_high_availability",
            safe(3),
            json!({"NumCacheNodes": 1, "AutomaticFailoverEnabled": false, "MultiAzEnabled": false}),
        ),
        ("nodes_removed", safe(4), json!({"NumCacheNodes": 2, "Description": "smaller"})),
        ("multi_az_off", safe(2), json!({"MultiAzEnabled": false})),
        ("shard_added", sharded(2, 1), sharded(3, 1)),
        ("shard_removed", sharded(3, 1), sharded(2, 1)),
        ("replicas_added", sharded(2, 0), sharded(2, 2)),
        ("replicas_removed", sharded(2, 2), sharded(2, 1)),
        ("shards_and_replicas", sharded(2, 1), sharded(4, 2)),
        (
            "to_cluster_mode",
            json!({"NumCacheNodes": 2}),
            json!({"NumCacheNodes": null, "NumNodeGroups": 1, "ReplicasPerNodeGroup": 1}),
        ),
        ("to_compatible", safe(2), json!({"ClusterMode": "compatible"})),
        (
            "back_from_compatible",
            with(safe(2), json!({"ClusterMode": "compatible"})),
            json!({"ClusterMode": "disabled"}),
        ),
        ("single_to_sharded", json!({}), json!({"NumNodeGroups": 3, "ReplicasPerNodeGroup": 1})),
        ("larger_nodes", json!({}), json!({"NodeType": "cache.t4g.medium"})),
        ("smaller_nodes", json!({"NodeType": "cache.r7g.xlarge"}), json!({"NodeType": "cache.r7g.large"})),
    ]
}

fn engines() -> Vec<(&'static str, Value, Value)> {
    let redis = |version: &str| json!({"Engine": "redis", "EngineVersion": version});
    vec![
        ("minor_upgrade", json!({"EngineVersion": "8.0"}), json!({"EngineVersion": "8.2"})),
        ("major_upgrade", json!({"EngineVersion": "7.2"}), json!({"EngineVersion": "9.0"})),
        (
            "major_upgrade_with_parameters",
            json!({"EngineVersion": "7.2", "Parameters": {"timeout": "30"}}),
            json!({"EngineVersion": "8.1"}),
        ),
        ("redis_to_valkey", redis("7.1"), json!({"Engine": "valkey", "EngineVersion": null})),
        ("valkey_72_to_redis_71", json!({"EngineVersion": "7.2"}), redis("7.1")),
        (
            "upgrade_in_the_window",
            json!({"EngineVersion": "8.0"}),
            json!({"EngineVersion": "8.1", "ApplyImmediately": false}),
        ),
        ("patch_version", json!({"EngineVersion": "7.2"}), json!({"EngineVersion": "7.2.6"})),
        ("downgrade", json!({}), json!({"EngineVersion": "8.0"})),
        ("no_such_version", json!({}), json!({"EngineVersion": "7.1"})),
    ]
}

fn access() -> Vec<(&'static str, Value, Value)> {
    let tls = json!({"TransitEncryptionEnabled": true});
    let token = json!({"AuthTokenEnabled": true});
    vec![
        ("tls_on", json!({}), tls.clone()),
        ("tls_off", tls.clone(), json!({"TransitEncryptionEnabled": false})),
        ("tls_preferred", json!({}), json!({"TransitEncryptionEnabled": true, "TransitEncryptionMode": "preferred"})),
        ("first_token", tls.clone(), token.clone()),
        ("tls_and_token", json!({}), token.clone()),
        ("token_to_user_group", token.clone(), json!({"AuthTokenEnabled": null, "UserGroupIds": ["people"]})),
        (
            "user_group_to_token",
            json!({"UserGroupIds": ["people"]}),
            json!({"UserGroupIds": [], "AuthTokenEnabled": true}),
        ),
        ("user_group_exchanged", json!({"UserGroupIds": ["people"]}), json!({"UserGroupIds": ["robots"]})),
        (
            "user_group_and_tls_off",
            json!({"UserGroupIds": ["people"]}),
            json!({"UserGroupIds": [], "TransitEncryptionEnabled": false}),
        ),
        ("token_rotated", with(token.clone(), json!({"AuthTokenVersion": "1"})), json!({"AuthTokenVersion": "2"})),
        ("token_to_literal", token.clone(), json!({"AuthTokenEnabled": null, "AuthToken": "0123456789abcdef"})),
        (
            "token_to_external",
            token.clone(),
            json!({"AuthTokenEnabled": null, "AuthTokenSecretArn": "arn:aws:secretsmanager:us-east-1:1:secret:theirs"}),
        ),
        ("token_under_another_name", token.clone(), json!({"SecretName": "elasticache/other"})),
        ("token_dropped", token.clone(), json!({"AuthTokenEnabled": false})),
        ("literal_token_dropped", json!({"AuthToken": "0123456789abcdef"}), json!({"AuthToken": ""})),
        ("token_with_tls_off", token, json!({"TransitEncryptionEnabled": false})),
        ("tls_on_an_old_redis", json!({"Engine": "redis", "EngineVersion": "6.2"}), tls),
    ]
}

fn replacements() -> Vec<(&'static str, Value, Value)> {
    let policy = |change: Value, policy: &str| with(change, json!({"ReplacementPolicy": policy}));
    vec![
        ("port_refused", json!({}), json!({"Port": 6380})),
        ("port_with_data", json!({}), policy(json!({"Port": 6380}), "Snapshot")),
        ("port_without_data", json!({}), policy(json!({"Port": 6380}), "Empty")),
        (
            "encryption_at_rest_with_data",
            json!({"AtRestEncryptionEnabled": false}),
            policy(json!({"AtRestEncryptionEnabled": true}), "Snapshot"),
        ),
        ("renamed", json!({}), policy(json!({"ProjectId": "shop"}), "Snapshot")),
        ("downgrade_with_data", json!({}), policy(json!({"EngineVersion": "7.2"}), "Snapshot")),
        ("downgrade_without_data", json!({}), policy(json!({"EngineVersion": "7.2"}), "Empty")),
        (
            "several_shards_to_one_node",
            json!({"NumNodeGroups": 2}),
            policy(json!({"NumNodeGroups": null, "NumCacheNodes": 1}), "Snapshot"),
        ),
        ("network_type", json!({}), policy(json!({"NetworkType": "dual_stack"}), "Empty")),
        ("ip_discovery", json!({"NetworkType": "dual_stack"}), json!({"IpDiscovery": "ipv6"})),
        ("policy_without_need", json!({}), policy(json!({"Description": "Sessions"}), "Snapshot")),
    ]
}

fn several_at_once() -> Vec<(&'static str, Value, Value)> {
    let everything = json!({
        "Engine": "valkey", "EngineVersion": "8.2", "NodeType": "cache.r7g.large", "NumCacheNodes": 3,
        "AutomaticFailoverEnabled": true, "MultiAzEnabled": true, "AuthTokenEnabled": true,
        "Parameters": {"timeout": "60"}, "Description": "grown up", "AllowedCidrBlocks": ["10.0.0.0/16"],
    });
    let old = json!({"Engine": "redis", "EngineVersion": "7.0", "Parameters": {"timeout": "30"}});
    let (old_in_a_hurry, everything_in_a_hurry) =
        (old.clone(), with(everything.clone(), json!({"ServiceTimeout": 60})));
    vec![
        ("everything_at_once", old.clone(), everything.clone()),
        ("everything_in_ten_minutes", old, with(everything, json!({"ServiceTimeout": "600"}))),
        ("tls_in_ten_minutes", json!({}), json!({"TransitEncryptionEnabled": true, "ServiceTimeout": "600"})),
        ("node_type_in_five_minutes", json!({}), json!({"NodeType": "cache.t4g.small", "ServiceTimeout": 300})),
        ("everything_in_a_minute", old_in_a_hurry, everything_in_a_hurry),
        (
            "production_made_larger",
            without_names(production()),
            json!({"NodeType": "cache.r7g.large", "NumCacheNodes": 3}),
        ),
        ("two_mistakes", json!({}), json!({"NumCacheNodes": 7, "Nodetype": "cache.t4g.small"})),
    ]
}

/// Properties to lay over the quick start.
fn without_names(properties: Value) -> Value {
    with(properties, json!({"Env": "development", "ProjectId": "myapp"}))
}

#[test]
fn every_plan_reads_as_before() {
    let pairs = pairs();
    assert!(pairs.len() >= 60, "{}", pairs.len());
    for (name, old, change) in pairs {
        let (before, after) =
            (with(quick_start(), old.clone()), with(with(quick_start(), old.clone()), change.clone()));
        let plan = match preview::update(&before, &after) {
            Ok(forecast) => forecast.to_string(),
            Err(problems) => panic!("{name}: the old properties cannot stand: {}", summary(&problems)),
        };
        assert!(!plan.contains("delete replication group"), "{name}: {plan}");
        let text = format!("old:  {old}\nnew:  {change}\n\n{plan}");
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(name, text);
        });
    }
}

/// The program that `make plan` runs.
#[test]
fn the_program_prints_the_plan_and_says_by_its_exit_code_whether_it_would_be_done() {
    let file = |name: &str, text: String| {
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("plan-{name}"));
        std::fs::write(&path, text).unwrap();
        path.into_os_string()
    };
    let old = file("old.json", quick_start().to_string());
    let larger = file("larger.json", with(quick_start(), json!({"NodeType": "cache.t4g.small"})).to_string());
    let moved = file("moved.json", with(quick_start(), json!({"Port": 6380})).to_string());
    let broken = file("broken.json", "{".to_owned());
    let run = |arguments: &[&std::ffi::OsString]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_plan")).args(arguments).output().unwrap();
        let text =
            format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), text)
    };
    let (code, text) = run(&[&old, &larger]);
    assert_eq!((code, text.contains("node type: cache.t4g.small")), (0, true), "{text}");
    let (code, text) = run(&[&old, &moved]);
    assert_eq!((code, text.contains("ReplacementPolicy")), (1, true), "{text}");
    let (code, text) = run(&[&old, &broken]);
    assert_eq!((code, text.contains("is not JSON")), (2, true), "{text}");
    let (code, text) = run(&[&"--help".into()]);
    assert_eq!((code, text.contains("Usage: plan [--json] OLD.json NEW.json")), (0, true), "{text}");
    let (code, text) = run(&[&"--json".into(), &old, &larger]);
    let plan: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &plan["refused"], &plan["problems"]), (0, &json!(false), &json!([])), "{text}");
    assert_eq!(plan["rounds"][0][0]["minutes"], json!({"least": 11, "most": 21}), "{text}");
    assert!(plan["rounds"][0][0]["step"].as_str().unwrap().contains("node type: cache.t4g.small"), "{text}");
    let (code, text) = run(&[&"--json".into(), &old, &moved]);
    let plan: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &plan["problems"][0]["property"], &plan["rounds"]), (1, &json!("Port"), &json!([])), "{text}");
    assert_eq!(run(&[&old]).0, 2);
}

/// What `make plan` runs: the program without an account, or the question to the deployed function.
#[test]
fn make_plan_asks_the_function_only_where_one_is_named() {
    let runs = |arguments: &[&str]| {
        let mut make = std::process::Command::new("make");
        make.current_dir(env!("CARGO_MANIFEST_DIR")).args(["--dry-run", "plan"]).args(arguments);
        let output = make.env_remove("FUNCTION").env_remove("MAKEFLAGS").output().unwrap();
        format!("{}{}", String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let offline = runs(&["OLD=a.json", "NEW=b.json"]);
    assert!(offline.contains("debug/plan\"  \"a.json\" \"b.json\"") && !offline.contains("plan.py"), "{offline}");
    let asked = runs(&["FUNCTION=f", "ID=group", "OLD=a.json", "NEW=b.json"]);
    let said = "plan.py --function \"f\" --id \"group\" --old \"a.json\"  \"b.json\"";
    let said_in_one_line = asked.replace("\\\n", "").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(said_in_one_line.contains(&said.split_whitespace().collect::<Vec<_>>().join(" ")), "{asked}");
    // One that came out empty must not become a Create.
    assert!(runs(&["FUNCTION=f", "ID=", "NEW=b.json"]).contains("--id \"\""));
    assert!(runs(&["FUNCTION=f"]).contains("name the properties: make plan FUNCTION=name"));
    assert!(runs(&[]).contains("name the properties before and after"));
}
