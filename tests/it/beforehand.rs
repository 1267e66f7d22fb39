//! What AWS says only after a write, and is known before one; and what AWS accepts and then does not do.

use serde_json::{Value, json};
use simulator::cloudformation::StackStatus;

use crate::harness::{CACHE, Setup, calls, quick_start, with};

const ID: &str = "development-myapp-valkey";
const RESET: &str = "ResetCacheParameterGroup";

async fn standing(changes: Value) -> (Setup, Value) {
    let setup = Setup::new();
    let properties = with(quick_start(), changes);
    setup.created(properties.clone()).await;
    (setup, properties)
}

/// The Reason of a Create that makes no write.
async fn refused(changes: Value) -> String {
    let setup = Setup::new();
    let outcome = setup.create(with(quick_start(), changes)).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    assert_eq!(setup.write_names(), Vec::<String>::new());
    outcome.answers[0].reason().to_owned()
}

/// The Reason of an Update of a standing group that makes no write, nor does its rollback.
async fn refused_update(setup: &Setup, properties: Value) -> String {
    let (outcome, writes) = setup.rolled_back(properties).await;
    assert!(writes.is_empty(), "{writes:?}");
    outcome.reason
}

fn assert_says(reason: &str, parts: &[&str]) {
    for part in parts {
        assert!(reason.contains(part), "{part:?} is not in {reason}");
    }
}

fn log(kind: &str, destination: &str) -> Value {
    json!({"LogType": kind, "DestinationType": "cloudwatch-logs", "Destination": destination})
}

#[tokio::test(start_paused = true)]
async fn everything_that_is_wrong_is_said_at_once() {
    let reason = refused(json!({
        "Engine": "redis", "EngineVersion": "5.0.6", "NumNodeGroups": 2, "SubnetIds": ["subnet-0a00000000000ffff"],
        "SnapshotArns": ["arn:aws:s3:::backups/one.rdb", "arn:aws:s3:::backups/two.rdb"],
        "LogDelivery": [log("slow-log", "slow")], "Tags": [{"Key": "team", "Value": "{a}"}],
        "SnapshotWindow": "03:30-04:30", "MaintenanceWindow": "sun:04:00-sun:05:00",
    }))
    .await;
    assert_says(
        &reason,
        &[
            "NodeGroupConfiguration: needs Slots for every shard",
            "LogDelivery[0].LogType: slow-log needs Redis OSS 6.0 or later, or Valkey; raise EngineVersion (5.0.6)",
            "Tags[0].Value ({a}): holds characters that no tag may have",
            "SnapshotWindow (03:30-04:30): overlaps MaintenanceWindow",
            "SubnetIds (subnet-0a00000000000ffff): does not exist",
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn features_that_a_version_lacks_are_refused() {
    for (properties, part) in [
        (json!({"EngineVersion": "6.0", "LogDelivery": [log("engine-log", "e")]}), "engine-log needs Redis OSS 6.2"),
        (json!({"EngineVersion": "6.0", "NetworkType": "dual_stack"}), "IPv6 needs Redis OSS 6.2"),
        (json!({"EngineVersion": "5.0.6", "UserGroupIds": ["g"]}), "a user group needs Redis OSS 6.0"),
        (
            json!({"EngineVersion": "6.0", "NodeType": "cache.r6gd.xlarge", "DataTieringEnabled": true}),
            "data tiering needs Redis OSS 6.2",
        ),
    ] {
        assert_says(&refused(with(properties, json!({"Engine": "redis"}))).await, &[part]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_brings_what_the_old_version_lacks() {
    let (setup, _) = standing(json!({"Engine": "redis", "EngineVersion": "5.0.6"})).await;
    let properties = json!({"Engine": "redis", "EngineVersion": "7.1", "LogDelivery": [log("slow-log", "slow")]});
    setup.updated(with(quick_start(), properties)).await;
    setup.deleted().await;
}

/// What changes at once does not come with an upgrade that waits.
#[tokio::test(start_paused = true)]
async fn a_feature_of_an_upgrade_that_waits_is_refused() {
    for (from, to, properties, part) in [
        ("6.0", "6.2", json!({"LogDelivery": [log("engine-log", "e")]}), "LogDelivery: does not wait"),
        ("6.2", "7.1", json!({"TransitEncryptionEnabled": true}), "TransitEncryptionEnabled: does not wait"),
        (
            "5.0.6",
            "6.2",
            json!({"TransitEncryptionEnabled": false, "LogDelivery": [log("slow-log", "e")]}),
            "LogDelivery: does not wait",
        ),
    ] {
        let (setup, base) = standing(json!({"Engine": "redis", "EngineVersion": from})).await;
        let upgrade = with(with(base, json!({"EngineVersion": to})), properties);
        let waits = with(upgrade.clone(), json!({"ApplyImmediately": false}));
        assert_says(&refused_update(&setup, waits).await, &[part, "set ApplyImmediately to true"]);
        setup.updated(upgrade).await;
        setup.deleted().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_name_a_key_is_refused() {
    let reason = refused(json!({"KmsKeyId": "not a key", "SecretKmsKeyId": "alias/é", "AuthTokenEnabled": true})).await;
    assert_says(&reason, &["KmsKeyId (not a key): must be", "SecretKmsKeyId (alias/é): must be"]);
}

#[tokio::test(start_paused = true)]
async fn tags_in_any_script_are_taken() {
    let tags = json!([{"Key": "équipe/日本語", "Value": "a b+c-d=e.f_g:h/i@j 7"}, {"Key": "empty"}]);
    let (setup, _) = standing(json!({"Tags": tags})).await;
    setup.deleted().await;
    for bad in ["a,b", "a(b)", "tab\there", "*"] {
        let reason = refused(json!({"Tags": [{"Key": bad, "Value": "x"}]})).await;
        assert_says(&reason, &["Tags[0].Key", "holds characters that no tag may have"]);
    }
}

/// A family's defaults call these not modifiable, and a group of one's own can set them.
#[tokio::test(start_paused = true)]
async fn aws_decides_what_a_parameter_group_can_set() {
    let (setup, _) = standing(json!({"Parameters": {"databases": 32, "activerehashing": "no"}})).await;
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn files_are_restored_into_shards_with_slots() {
    let arns = json!(["arn:aws:s3:::backups/one.rdb"]);
    let halves = json!([{"Slots": "0-8191"}, {"Slots": "8192-16383"}]);
    let reason = refused(json!({"SnapshotArns": arns, "NodeGroupConfiguration": [{}, {}]})).await;
    assert_says(&reason, &["needs Slots for every shard", "0-8191 and 8192-16383"]);
    let (setup, _) = standing(json!({"SnapshotArns": arns, "NodeGroupConfiguration": halves})).await;
    setup.deleted().await;
    let (setup, _) = standing(json!({"SnapshotArns": arns})).await;
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_goes_only_where_its_data_goes() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"NumNodeGroups": 2, "FinalSnapshotIdentifier": "two-shards"}))).await;
    setup.stack.delete(CACHE).await;
    let name = setup.aws.with(|world, _| world.elasticache.snapshots.keys().next().cloned().unwrap());
    for (properties, part) in [
        (json!({}), "holds 2 shards, whose data does not go into a cluster without cluster mode"),
        (json!({"Engine": "redis", "NumNodeGroups": 2}), "was taken of Valkey 8.2"),
    ] {
        let outcome = setup.create(with(with(quick_start(), json!({"SnapshotName": name})), properties)).await;
        assert_says(outcome.answers[0].reason(), &["1 problem ", &format!("SnapshotName ({name})"), part]);
    }
}

/// The simulator chooses sun:05:00-sun:06:00 and 03:00-04:00.
#[tokio::test(start_paused = true)]
async fn a_window_is_held_against_the_one_that_aws_chose() {
    let (setup, base) = standing(json!({})).await;
    for (properties, part) in [
        (
            json!({"SnapshotWindow": "05:30-06:30"}),
            "SnapshotWindow (05:30-06:30): overlaps the MaintenanceWindow sun:05:00",
        ),
        (json!({"MaintenanceWindow": "wed:02:30-wed:03:30"}), "overlaps the SnapshotWindow 03:00-04:00"),
        (json!({"MaintenanceWindow": "sat:23:00-sun:03:30"}), "overlaps the SnapshotWindow 03:00-04:00"),
    ] {
        // With everything else that is wrong.
        let wrong = with(properties.clone(), json!({"SnapshotRetentionLimit": 36}));
        assert_says(&refused_update(&setup, with(base.clone(), wrong)).await, &["2 problems", part]);
        assert_says(&refused_update(&setup, with(base.clone(), properties)).await, &["1 problem ", part]);
    }
    let both = json!({"SnapshotWindow": "05:30-06:30", "MaintenanceWindow": "sun:03:00-sun:04:00"});
    let (_, writes) = setup.updated(with(base, both)).await;
    assert_eq!(calls(&writes, "ModifyReplicationGroup").len(), 1);
    setup.deleted().await;
}

/// AWS keeps a window that the template no longer says, and says so only when another one overlaps it.
#[tokio::test(start_paused = true)]
async fn a_window_that_the_template_gives_up_still_counts() {
    let (setup, base) = standing(json!({"SnapshotWindow": "10:00-11:00"})).await;
    let moved = json!({"SnapshotWindow": "20:00-21:00", "MaintenanceWindow": "sun:10:30-sun:11:30"});
    setup.updated(with(base.clone(), moved)).await;
    assert_says(&refused_update(&setup, base.clone()).await, &["SnapshotWindow (10:00-11:00)", "sun:10:30-sun:11:30"]);
    setup.updated(with(base, json!({"MaintenanceWindow": "sun:12:00-sun:13:00"}))).await;
    setup.deleted().await;
}

/// The rollback of an update that brought such a window does not fail by it, nor does what comes after.
#[tokio::test(start_paused = true)]
async fn a_window_of_before_is_in_no_rollbacks_way() {
    let (setup, base) = standing(json!({"SnapshotWindow": "10:00-11:00"})).await;
    setup.stack.fail_elsewhere();
    let moved = json!({"SnapshotWindow": "20:00-21:00", "MaintenanceWindow": "sun:10:30-sun:11:30"});
    let outcome = setup.update(with(base.clone(), moved)).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    let warning = "SnapshotWindow 10:00-11:00 was not set: it overlaps MaintenanceWindow sun:10:30";
    assert_says(outcome.get_att("Warnings").unwrap(), &[warning]);
    let (outcome, _) = setup.updated(with(base, json!({"Description": "other"}))).await;
    assert_says(outcome.get_att("Warnings").unwrap(), &[warning]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_name_of_a_final_snapshot_stays_within_what_aws_takes() {
    let long = "a-final-snapshot-of-a-very-long-name-x";
    let (setup, _) = standing(json!({"FinalSnapshotIdentifier": long})).await;
    setup.deleted().await;
    let names: Vec<String> = setup.aws.with(|world, _| world.elasticache.snapshots.keys().cloned().collect());
    assert!(names.len() == 1 && names[0].len() <= 40 && names[0].starts_with("a-final-snapshot"), "{names:?}");
    let reason = refused(json!({"FinalSnapshotIdentifier": "a".repeat(41)})).await;
    assert_says(&reason, &["FinalSnapshotIdentifier", "at most 40 characters"]);
}

#[tokio::test(start_paused = true)]
async fn arns_where_names_belong_are_refused() {
    let group = "arn:aws:logs:us-east-1:123456789012:log-group:slow";
    let reason =
        refused(json!({"LogDelivery": [log("slow-log", group)], "NotificationTopicArn": "arn:aws:sns:topic"})).await;
    assert_says(&reason, &["LogDelivery[0].Destination", "not its ARN", "NotificationTopicArn (arn:aws:sns:topic)"]);
}

const DENIED: &str = "Resource policy on log group 'slow' denies it";

#[tokio::test(start_paused = true)]
async fn a_log_delivery_that_fails_fails_the_create_that_asked_for_it() {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.elasticache.fail_log_delivery("slow", DENIED));
    let outcome = setup.create(with(quick_start(), json!({"LogDelivery": [log("slow-log", "slow")]}))).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete);
    assert_says(outcome.answers[0].reason(), &["slow-log to slow", DENIED]);
    setup.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn a_log_delivery_that_fails_fails_the_update_that_asked_for_it() {
    let (setup, base) = standing(json!({"LogDelivery": [log("engine-log", "engine")]})).await;
    setup.aws.with(|world, _| world.elasticache.fail_log_delivery("slow", DENIED));
    let both = json!({"LogDelivery": [log("engine-log", "engine"), log("slow-log", "slow")]});
    let (outcome, _) = setup.rolled_back(with(base.clone(), both.clone())).await;
    assert_says(&outcome.reason, &["slow-log to slow", DENIED]);
    setup.aws.with(|world, _| {
        world.elasticache.mend_log_delivery("slow");
        assert_eq!(world.elasticache.groups[ID].logs.len(), 1);
    });
    setup.updated(with(base, both)).await;
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_log_delivery_that_fails_later_is_a_warning() {
    let (setup, base) = standing(json!({"LogDelivery": [log("slow-log", "slow")]})).await;
    setup.aws.with(|world, _| world.elasticache.fail_log_delivery("slow", "gone; twice"));
    let (outcome, _) = setup.updated(with(base.clone(), json!({"Description": "other"}))).await;
    assert_says(outcome.get_att("Warnings").unwrap(), &["the slow-log is not delivered to slow: gone, twice"]);
    // Also when another one is asked for.
    let both = json!({"LogDelivery": [log("engine-log", "engine"), log("slow-log", "slow")]});
    let (outcome, _) = setup.updated(with(base, both)).await;
    assert_says(outcome.get_att("Warnings").unwrap(), &["the slow-log is not delivered"]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_aws_does_not_reset_holds_nothing_up() {
    let set = json!({"Parameters": {"timeout": 7, "tcp-keepalive": 70, "databases": 32, "maxmemory-samples": 5}});
    let (setup, _) = standing(set).await;
    setup.aws.with(|world, _| world.elasticache.refuse_reset("tcp-keepalive"));
    let fewer = with(quick_start(), json!({"Parameters": {"maxmemory-samples": 6}}));
    let (outcome, writes) = setup.updated(fewer).await;
    let values = setup.aws.with(|world, _| {
        world.elasticache.parameter_group(&format!("{ID}-valkey8")).unwrap().values.keys().cloned().collect::<Vec<_>>()
    });
    assert_eq!(values, ["maxmemory-samples", "tcp-keepalive"]);
    let resets = calls(&writes, RESET).iter().filter(|call| call.outcome.is_ok()).count();
    assert_eq!(resets, 1);
    assert_says(outcome.get_att("Warnings").unwrap(), &["AWS does not reset these parameters", "tcp-keepalive"]);
    setup.deleted().await;
}
