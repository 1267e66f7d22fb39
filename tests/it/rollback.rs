//! Rollbacks: none wedges the stack, loses data, or ends anywhere but where the stack was before, as far as AWS goes back.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::{Outcome, StackStatus};
use simulator::faults::{Fault, Kind};

use crate::harness::{CACHE, Setup, calls, names, quick_start, with};

const FIRST: &str = "development-myapp-valkey";

/// An Update after which something else in the stack fails.
async fn failed_elsewhere(setup: &Setup, properties: Value) -> Outcome {
    setup.stack.fail_elsewhere();
    let outcome = setup.update(properties.clone()).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{properties}: {}", outcome.reason);
    outcome
}

fn warnings(outcome: &Outcome) -> &str {
    outcome.get_att("Warnings").unwrap()
}

fn groups(setup: &Setup) -> Vec<String> {
    setup.aws.with(|world, _| world.elasticache.groups.keys().cloned().collect())
}

/// What an earlier rollback left on a generation does not keep a later one from going back to it.
#[tokio::test(start_paused = true)]
async fn a_replacement_is_taken_back_also_where_something_stayed_before() {
    let redis = json!({"Engine": "redis", "EngineVersion": "7.1"});
    for (base, irreversible) in [
        (json!({"EngineVersion": "8.0"}), json!({"EngineVersion": "8.1"})),
        (json!({"TransitEncryptionEnabled": true}), json!({"AuthTokenEnabled": true})),
        (redis, json!({"Engine": "valkey", "EngineVersion": "8.0"})),
    ] {
        for policy in ["Empty", "Snapshot"] {
            let setup = Setup::new();
            let base = with(with(quick_start(), base.clone()), json!({"ReplacementPolicy": policy}));
            let first = setup.created(base.clone()).await.physical_id;
            setup.aws.with(|world, _| {
                let data = &mut world.elasticache.groups.get_mut(&first).unwrap().data;
                data.insert("greeting".to_owned(), "hello".to_owned());
            });
            failed_elsewhere(&setup, with(base.clone(), irreversible.clone())).await;
            // The line that was asked for, and a change that needs another cluster.
            let moved = with(with(base.clone(), irreversible.clone()), json!({"Port": 6380}));
            let outcome = failed_elsewhere(&setup, moved).await;
            assert_eq!((&outcome.physical_id, groups(&setup)), (&first, vec![first.clone()]), "{irreversible}");
            assert!(
                warnings(&outcome).contains("because AWS does not go back"),
                "{irreversible}: {}",
                warnings(&outcome)
            );
            let greeting = setup.aws.with(|world, _| world.elasticache.groups[&first].data.get("greeting").cloned());
            assert_eq!(greeting.as_deref(), Some("hello"), "{irreversible}");
        }
    }
}

/// The rollback of a new name that was refused names the cluster as it is called.
#[tokio::test(start_paused = true)]
async fn the_rollback_of_a_refused_name_changes_nothing() {
    for denied in [false, true] {
        for policy in ["Refuse", "Empty", "Snapshot"] {
            let setup = Setup::new();
            if denied {
                setup.aws.fault(Fault::on("DescribeStacks", 1, Kind::Denied).times(1000));
            }
            let base = with(quick_start(), json!({"ReplicationGroupId": "first", "ReplacementPolicy": policy}));
            setup.created(base.clone()).await;
            let wrong = json!({"ReplicationGroupId": "second", "SecurityGroupIds": ["sg-0a0000000000fffff"]});
            let (outcome, writes) = setup.rolled_back(with(base, wrong)).await;
            assert_eq!((outcome.physical_id.as_str(), groups(&setup)), ("first", vec!["first".to_owned()]));
            assert_eq!(names(&writes), Vec::<String>::new());
            assert_eq!(warnings(&outcome), "");
        }
    }
}

/// An upgrade that waits for the maintenance window cannot be taken back; nothing brings it forward.
#[tokio::test(start_paused = true)]
async fn an_upgrade_that_waits_goes_on_waiting() {
    for parameters in [json!({}), json!({"Parameters": {"timeout": 7}})] {
        let setup = Setup::new();
        let base = with(with(quick_start(), json!({"EngineVersion": "7.2", "Description": "before"})), parameters);
        setup.created(base.clone()).await;
        let later = json!({"EngineVersion": "8.0", "Description": "after", "ApplyImmediately": false});
        failed_elsewhere(&setup, with(base.clone(), later)).await;
        let (version, description) = setup.aws.with(|world, _| {
            let group = &world.elasticache.groups[FIRST];
            (group.engine_version.clone(), group.description.clone())
        });
        assert!(version.starts_with("7.2"), "{version}");
        assert_eq!(description, "before");
        setup.deleted().await;
    }
}

#[tokio::test(start_paused = true)]
async fn shards_without_replicas_stay_without_multi_az() {
    let nodes = json!({"NumCacheNodes": 2, "AutomaticFailoverEnabled": true, "MultiAzEnabled": true});
    let shards = json!({"NumCacheNodes": null, "MultiAzEnabled": null, "NumNodeGroups": 2, "ReplicasPerNodeGroup": 0});
    let setup = Setup::new();
    let base = with(quick_start(), nodes);
    setup.created(base.clone()).await;
    let outcome = failed_elsewhere(&setup, with(base, shards)).await;
    let line = "ClusterMode: enabled, NumNodeGroups: 2 and ReplicasPerNodeGroup: 0 (no NumCacheNodes)";
    assert!(warnings(&outcome).contains(line), "{}", warnings(&outcome));
    let shards = setup.aws.with(|world, _| world.elasticache.groups[FIRST].shards.len());
    assert_eq!(shards, 2);
    setup.deleted().await;
}

/// A destination of before that has gone meanwhile is a warning.
#[tokio::test(start_paused = true)]
async fn a_log_delivery_of_before_that_fails_holds_nothing_up() {
    let log = |name: &str| {
        let delivery = json!({"LogType": "slow-log", "DestinationType": "cloudwatch-logs", "Destination": name});
        json!({"LogDelivery": [delivery]})
    };
    let setup = Setup::new();
    let base = with(quick_start(), log("old"));
    setup.created(base.clone()).await;
    setup.aws.with(|world, _| world.elasticache.fail_log_delivery("old", "The log group does not exist"));
    let outcome = failed_elsewhere(&setup, with(base, log("new"))).await;
    assert!(warnings(&outcome).contains("the slow-log is not delivered to old"), "{}", warnings(&outcome));
    setup.deleted().await;
}

/// The engine that stays takes back what the one of before could not.
#[tokio::test(start_paused = true)]
async fn what_the_newer_engine_takes_back_is_taken_back() {
    let setup = Setup::new();
    let base = with(quick_start(), json!({"Engine": "redis", "EngineVersion": "6.2"}));
    let id = setup.created(base.clone()).await.physical_id;
    let outcome =
        failed_elsewhere(&setup, with(base, json!({"EngineVersion": "7.1", "TransitEncryptionEnabled": true}))).await;
    assert!(!warnings(&outcome).contains("TransitEncryption"), "{}", warnings(&outcome));
    assert!(warnings(&outcome).contains("EngineVersion: \"7.1\""));
    let tls = setup.aws.with(|world, _| format!("{:?}", world.elasticache.groups[&id].tls));
    assert_eq!(tls, "Off");
    setup.deleted().await;
}

/// A template that catches up with AWS's own upgrades asks for no downgrade, even when it does not catch up all the way.
#[tokio::test(start_paused = true)]
async fn a_version_that_is_raised_never_replaces() {
    for policy in ["Refuse", "Empty"] {
        let setup = Setup::new();
        let base = with(quick_start(), json!({"EngineVersion": "8.0", "ReplacementPolicy": policy}));
        setup.created(base.clone()).await;
        let version = |to: &str| {
            setup.aws.with(|world, _| world.elasticache.groups.get_mut(FIRST).unwrap().engine_version = to.to_owned());
        };
        version("8.2.0");
        let (outcome, _) = setup.updated(with(base, json!({"EngineVersion": "8.1"}))).await;
        assert_eq!(groups(&setup), [FIRST]);
        assert!(warnings(&outcome).contains("newer than EngineVersion 8.1"));
        setup.deleted().await;
    }
}

/// Properties of before that cannot be read do not make a change look like drift.
#[tokio::test(start_paused = true)]
async fn unreadable_properties_of_before_hold_up_no_replacement() {
    let setup = Setup::new();
    let base = with(quick_start(), json!({"ReplacementPolicy": "Empty"}));
    setup.created(base.clone()).await;
    let new = with(base.clone(), json!({"AtRestEncryptionEnabled": false}));
    let old = with(base, json!({"NodeType": "no-node"}));
    let fields = json!({"ResourceProperties": new, "OldResourceProperties": old});
    let answer = setup.stack.send("Update", CACHE, fields).await.unwrap();
    assert!(answer.is_success(), "{}", answer.reason());
    assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 2);
}

/// The right to ask which way the stack goes comes some seconds after the function: the rollback is known all the same.
#[tokio::test(start_paused = true)]
async fn a_rollback_waits_some_seconds_for_the_right_to_know_that_it_is_one() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"EngineVersion": "8.0"}))).await;
    setup.aws.fault(Fault::on("DescribeStacks", 2, Kind::Denied).lasting(Duration::from_secs(10)));
    let outcome = failed_elsewhere(&setup, with(quick_start(), json!({"EngineVersion": "8.1"}))).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    assert!(warnings(&outcome).contains("EngineVersion"), "{}", warnings(&outcome));
    setup.deleted().await;
}
