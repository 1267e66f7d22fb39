//! Delete: everything that is ours goes, in an order that AWS accepts, and nothing else.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::StackStatus;
use simulator::elasticache::Status;
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;

use crate::harness::{APPS, CACHE, Setup, calls, names, production, quick_start, with};

const QUICK: &str = "development-myapp-valkey";
const PRODUCTION: &str = "production-myapp-valkey";
const SECRET: &str = "elasticache/production-myapp-valkey/auth-token";

async fn standing(properties: Value) -> Setup {
    let setup = Setup::new();
    setup.created(properties).await;
    setup
}

/// Deletes, and returns the write calls of the Delete.
async fn delete(setup: &Setup) -> Vec<Entry> {
    let before = setup.writes().len();
    setup.deleted().await;
    setup.writes().split_off(before)
}

fn accepted(writes: &[Entry]) -> Vec<String> {
    writes.iter().filter(|entry| entry.outcome.is_ok()).map(|entry| entry.action.clone()).collect()
}

fn snapshots(setup: &Setup) -> Vec<String> {
    setup.aws.with(|world, _| world.elasticache.snapshots.keys().cloned().collect())
}

/// The token that is stored, deleted or not.
fn token(setup: &Setup) -> String {
    let text = setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().current_text().unwrap().to_owned());
    serde_json::from_str::<Value>(&text).unwrap()["password"].as_str().unwrap().to_owned()
}

/// Security groups stay in use for a while after the group is gone, so a refusal is part of every Delete.
#[tokio::test(start_paused = true)]
async fn everything_goes_in_the_order_of_its_dependencies() {
    let setup = standing(with(production(), json!({"Parameters": {"timeout": "30"}}))).await;
    let in_use = |code: &str| Kind::error(code, "It is in use.");
    setup.aws.fault(Fault::on("DeleteCacheParameterGroup", 1, in_use("InvalidCacheParameterGroupState")));
    setup.aws.fault(Fault::on("DeleteCacheSubnetGroup", 1, in_use("CacheSubnetGroupInUse")).times(3));
    let writes = delete(&setup).await;
    let mut order = accepted(&writes);
    order[1..3].sort();
    let expected = [
        "DeleteReplicationGroup",
        "DeleteCacheParameterGroup",
        "DeleteCacheSubnetGroup",
        "DeleteSecurityGroup",
        "DeleteSecret",
    ];
    assert_eq!(order, expected);
    let refused = |action: &str, code: &str| {
        calls(&writes, action).iter().filter(|entry| entry.outcome == Err(code.to_owned())).count()
    };
    assert_eq!(refused("DeleteCacheSubnetGroup", "CacheSubnetGroupInUse"), 3);
    assert!(refused("DeleteSecurityGroup", "DependencyViolation") > 0);
    let last = writes.last().unwrap();
    assert_eq!((last.action.as_str(), &last.params["RecoveryWindowInDays"]), ("DeleteSecret", &json!(7)));
}

/// The answer to the delete of the security group is lost; asked again, EC2 finds no group, hence no tag, hence no right.
#[tokio::test(start_paused = true)]
async fn a_security_group_that_is_gone_already_is_no_lack_of_rights() {
    let setup = standing(quick_start()).await;
    setup.aws.with(|world, _| world.elasticache.pace.interface_release = Duration::ZERO);
    setup.aws.fault(Fault::on("DeleteSecurityGroup", 1, Kind::CutAfter));
    let outcome = setup.stack.delete(CACHE).await;
    assert_eq!(outcome.status, StackStatus::DeleteComplete, "{}", outcome.reason);
}

/// ElastiCache refuses to delete a group that it works on.
#[tokio::test(start_paused = true)]
async fn a_busy_group_is_waited_for_and_deleted_once() {
    for status in [Status::Creating, Status::Modifying, Status::Snapshotting] {
        let setup = standing(quick_start()).await;
        setup.aws.with(|world, now| {
            world.elasticache.set_status(QUICK, status, now, now + Duration::from_mins(7));
        });
        let writes = delete(&setup).await;
        assert_eq!(calls(&writes, "DeleteReplicationGroup").len(), 1, "{status:?}");
        assert!(writes[0].outcome.is_ok(), "{status:?}: {:?}", writes[0].outcome);
    }
}

/// The group was deletable when observed and no longer at the call; and somebody else deletes it.
#[tokio::test(start_paused = true)]
async fn a_state_fault_on_the_delete_is_retried_and_a_deleting_group_left_to_it() {
    let setup = standing(quick_start()).await;
    let fault = Kind::error("InvalidReplicationGroupState", "Replication group is not in a valid state to be deleted.");
    setup.aws.fault(Fault::on("DeleteReplicationGroup", 1, fault).times(2));
    let writes = delete(&setup).await;
    assert_eq!(calls(&writes, "DeleteReplicationGroup").len(), 3);

    let setup = standing(quick_start()).await;
    setup.aws.with(|world, now| {
        world.elasticache.set_status(QUICK, Status::Deleting, now, now + Duration::from_mins(2));
    });
    setup.aws.fault(Fault::on("DescribeReplicationGroups", 4, Kind::throttled()).times(6));
    let aws = setup.aws.clone();
    let by_hand = async move {
        aws.clock().sleep(Duration::from_mins(1)).await;
        aws.with(|world, now| world.elasticache.delete_by_hand(QUICK, now));
    };
    let (writes, ()) = tokio::join!(delete(&setup), by_hand);
    assert!(calls(&writes, "DeleteReplicationGroup").is_empty());
}

/// CloudFormation rolls back a Create whose group is still being made.
#[tokio::test(start_paused = true)]
async fn the_rollback_of_a_create_that_ran_out_of_time_waits_for_the_group() {
    let setup = Setup::new();
    let hurried = with(production(), json!({"ServiceTimeout": "120", "FinalSnapshotIdentifier": "last"}));
    let answer = setup.stack.send("Create", CACHE, json!({"ResourceProperties": hurried})).await.unwrap();
    assert!(!answer.is_success());
    assert!(answer.reason().contains("waiting for the replication group"), "{}", answer.reason());
    let patient = json!({"ResourceProperties": with(production(), json!({"FinalSnapshotIdentifier": "last"})),
        "PhysicalResourceId": answer.physical_id});
    let answer = setup.stack.send("Delete", CACHE, patient).await.unwrap();
    assert!(answer.is_success(), "{}", answer.reason());
    assert_eq!(calls(&setup.writes(), "DeleteReplicationGroup").len(), 1);
    assert_eq!(snapshots(&setup), Vec::<String>::new());
    setup.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn what_was_never_made_is_deleted_without_a_call() {
    let setup = Setup::new();
    for id in [QUICK, "app-Cache-1A2B3C4D5E6F", "2026/11/22/[$LATEST]0123abcd"] {
        let event = json!({"PhysicalResourceId": id, "ResourceProperties": quick_start()});
        let answer = setup.stack.send("Delete", CACHE, event).await.unwrap();
        assert!(answer.is_success(), "{id:?}: {}", answer.reason());
        assert_eq!(answer.physical_id, id, "the id is echoed");
    }
    assert_eq!(setup.write_names(), Vec::<String>::new());
}

/// A Create that got as far as the dependencies.
#[tokio::test(start_paused = true)]
async fn leftovers_without_a_group_are_removed() {
    let setup = Setup::new();
    let denied = Kind::error("InvalidParameterValue", "No.");
    setup.aws.fault(Fault::on("CreateReplicationGroup", 1, denied).times(100));
    let outcome = setup.create(with(production(), json!({"Parameters": {"timeout": "30"}}))).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    let names = setup.write_names();
    for action in ["CreateCacheSubnetGroup", "CreateSecurityGroup", "CreateSecret", "CreateCacheParameterGroup"] {
        assert!(names.contains(&action.to_owned()), "{names:?}");
        assert!(names.contains(&action.replace("Create", "Delete")), "{names:?}");
    }
    assert!(!names.contains(&"DeleteReplicationGroup".to_owned()), "{names:?}");
    setup.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn final_snapshots_of_one_name_do_not_clash() {
    let named = |env: &str| with(quick_start(), json!({"FinalSnapshotIdentifier": "Last", "Env": env}));
    let first = standing(named("one")).await;
    let second = Setup::with_aws(first.aws.clone());
    second.created(named("two")).await;
    delete_alone(&first).await;
    delete_alone(&second).await;
    // The same cluster, made and deleted again.
    first.created(named("one")).await;
    delete_alone(&first).await;
    let taken = snapshots(&first);
    assert_eq!(taken.len(), 3, "{taken:?}");
    assert!(taken.iter().all(|name| name.starts_with("last-")), "{taken:?}");
    first.assert_nothing_left();
    first.aws.clock().sleep(Duration::from_mins(10)).await;
    let statuses: Vec<&str> = first
        .aws
        .with(|world, _| world.elasticache.snapshots.values().map(simulator::elasticache::Snapshot::status).collect());
    assert_eq!(statuses, ["available"; 3]);
}

/// Deletes while another stack still has a cache.
async fn delete_alone(setup: &Setup) {
    let outcome = setup.stack.delete(CACHE).await;
    assert_eq!(outcome.status, StackStatus::DeleteComplete, "{}", outcome.reason);
}

/// There is nothing to save, and AWS would refuse.
#[tokio::test(start_paused = true)]
async fn a_failed_create_leaves_no_snapshot() {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.elasticache.fail_next_create("Insufficient capacity in us-east-1b."));
    let outcome = setup.create(with(production(), json!({"FinalSnapshotIdentifier": "last"}))).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    assert_eq!(snapshots(&setup), Vec::<String>::new());
    setup.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn a_recovery_window_of_zero_deletes_the_secret_at_once() {
    let setup = standing(with(production(), json!({"SecretRecoveryWindowInDays": 0}))).await;
    let writes = delete(&setup).await;
    let params = &calls(&writes, "DeleteSecret")[0].params;
    assert_eq!(params["ForceDeleteWithoutRecovery"], true);
    assert!(setup.aws.with(|world, _| world.secrets.secret(SECRET).is_none()));
}

/// Within its recovery window the secret still has the name: it is restored, and given a new token (nobody uses the old
/// one any more, and somebody may know it).
#[tokio::test(start_paused = true)]
async fn a_secret_in_its_recovery_window_is_restored_with_a_new_token() {
    let setup = standing(with(production(), json!({"SecretRecoveryWindowInDays": 30}))).await;
    let old = token(&setup);
    let writes = delete(&setup).await;
    assert_eq!(calls(&writes, "DeleteSecret")[0].params["RecoveryWindowInDays"], 30);
    let before = setup.writes().len();
    setup.created(production()).await;
    let writes = setup.writes().split_off(before);
    assert_eq!((calls(&writes, "RestoreSecret").len(), calls(&writes, "CreateSecret").len()), (1, 0));
    let new = token(&setup);
    assert_ne!(new, old);
    let used = setup.aws.with(|world, _| world.elasticache.groups[PRODUCTION].tokens.clone());
    assert_eq!(used, [new]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn deletion_protection_holds_until_it_is_turned_off() {
    let protected = with(quick_start(), json!({"DeletionProtection": true}));
    let setup = standing(protected).await;
    let before = setup.writes().len();
    let outcome = setup.stack.delete(CACHE).await;
    assert_eq!(outcome.status, StackStatus::DeleteFailed);
    assert!(outcome.reason.contains("DeletionProtection"), "{}", outcome.reason);
    assert_eq!(setup.writes().len(), before);
    setup.updated(quick_start()).await;
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn deletion_protection_does_not_hold_back_the_rollback_of_a_create() {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.elasticache.fail_next_create("Insufficient capacity in us-east-1b."));
    let outcome = setup.create(with(quick_start(), json!({"DeletionProtection": true}))).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    setup.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn a_second_delete_finds_nothing_to_do() {
    let setup = standing(production()).await;
    delete(&setup).await;
    let before = setup.writes().len();
    let again = json!({"PhysicalResourceId": PRODUCTION, "ResourceProperties": production()});
    let answer = setup.stack.send("Delete", CACHE, again).await.unwrap();
    assert!(answer.is_success(), "{}", answer.reason());
    assert_eq!(setup.writes().len(), before);
    // Two deliveries of one Delete at the same time.
    setup.created(with(production(), json!({"Env": "duplicates"}))).await;
    setup.stack.deliver_twice(true);
    delete(&setup).await;
    setup.stack.wait_until_idle().await;
    let duplicates = setup.aws.answers().duplicates();
    assert!(!duplicates.is_empty() && duplicates.iter().all(|duplicate| duplicate.agrees), "{duplicates:?}");
    setup.assert_nothing_left();
}

/// What an older release wrote, or nobody can read, does not hold a Delete back.
#[tokio::test(start_paused = true)]
async fn properties_that_no_longer_read_do_not_hold_a_delete_back() {
    let broken = [
        json!({}),
        json!("not a map"),
        json!(null),
        json!({"Env": ["production"], "SubnetIds": {"a": 1}, "NumCacheNodes": "many", "ClusterSize": "2"}),
        json!({"FinalSnapshotIdentifier": "9--", "SecretRecoveryWindowInDays": "-3", "DeletionProtection": "perhaps"}),
        with(production(), json!({"EngineVersion": "1.0", "Nonsense": {"deep": [true]}, "AuthTokenEnabled": null})),
    ];
    for properties in broken {
        let setup = standing(with(production(), json!({"Parameters": {"timeout": "30"}}))).await;
        let answer = setup.stack.send("Delete", CACHE, json!({"ResourceProperties": properties})).await.unwrap();
        assert!(answer.is_success(), "{properties}: {}", answer.reason());
        assert_eq!(answer.physical_id, PRODUCTION);
        setup.assert_nothing_left();
    }
}

/// Things under our names without our tags are somebody else's.
#[tokio::test(start_paused = true)]
async fn what_is_not_ours_is_left_alone() {
    let setup = standing(production()).await;
    let before = setup.writes().len();
    let stranger = Setup::with_aws(setup.aws.clone());
    let event = json!({"PhysicalResourceId": PRODUCTION, "ResourceProperties": production()});
    let answer = stranger.stack.send("Delete", CACHE, event.clone()).await.unwrap();
    assert!(answer.is_success(), "{}", answer.reason());
    let answer = setup.stack.send("Delete", "Other", event).await.unwrap();
    assert!(answer.is_success(), "{}", answer.reason());
    assert_eq!(setup.writes().len(), before, "{:?}", setup.write_names());
    setup.deleted().await;
}

/// Each thing by itself: somebody took our tags off and with them the thing.
#[tokio::test(start_paused = true)]
async fn what_lost_our_tags_stays() {
    let setup = standing(with(production(), json!({"Parameters": {"timeout": "30"}}))).await;
    let parameters = format!("{PRODUCTION}-valkey8");
    setup.aws.with(|world, _| {
        world.elasticache.parameter_groups.get_mut(&parameters).unwrap().tags.clear();
    });
    let writes = delete(&setup).await;
    assert!(calls(&writes, "DeleteCacheParameterGroup").is_empty());
    assert!(setup.aws.with(|world, _| world.elasticache.parameter_group(&parameters).is_some()));
}

/// The id of a resource that another function made, or one that CloudFormation made up: AWS is not asked for names that it
/// does not take.
#[tokio::test(start_paused = true)]
async fn an_id_that_no_cluster_can_have_is_deleted_without_a_call() {
    for id in ["2026/11/22/[$LATEST]0123abcd", "stack-with-a-very-long-name-Cache-1X2Y3Z4A5B6C7", "a--b", "-", "ü b"] {
        for properties in [json!({}), json!("none"), json!({"Env": {"a": 1}, "ProjectId": "myapp"})] {
            let setup = Setup::new();
            let event = json!({"PhysicalResourceId": id, "ResourceProperties": properties});
            let answer = setup.stack.send("Delete", CACHE, event).await.unwrap();
            assert!(answer.is_success(), "{id}: {}", answer.reason());
            assert_eq!(answer.physical_id, id);
            assert!(setup.aws.journal().is_empty(), "{id}: {:?}", names(&setup.aws.journal()));
        }
    }
}

/// No answer of the Create ever arrived, so CloudFormation made an id up.
#[tokio::test(start_paused = true)]
async fn a_delete_under_a_made_up_id_finds_what_the_properties_name() {
    for properties in [production(), with(production(), json!({"ReplicationGroupId": "Sessions"}))] {
        let setup = Setup::new();
        let answer = setup.stack.send("Create", CACHE, json!({"ResourceProperties": properties})).await.unwrap();
        assert!(answer.is_success(), "{}", answer.reason());
        let event = json!({"PhysicalResourceId": "app-Cache-1A2B3C4D5E6F", "ResourceProperties": properties});
        let answer = setup.stack.send("Delete", CACHE, event).await.unwrap();
        assert!(answer.is_success(), "{}", answer.reason());
        assert_eq!(answer.physical_id, "app-Cache-1A2B3C4D5E6F");
        setup.assert_nothing_left();
    }
}

/// Applications of others refer to our security group: it cannot go before they let go.
#[tokio::test(start_paused = true)]
async fn a_security_group_that_others_refer_to_is_waited_for() {
    let setup = standing(quick_start()).await;
    let own = setup.aws.with(|world, _| world.elasticache.groups[QUICK].security_groups[0].clone());
    let refer = |on: bool| {
        setup.aws.with(|world, _| {
            let rules = &mut world.ec2.security_group_mut(APPS[1]).unwrap().egress;
            let same = |rule: &simulator::ec2::Rule| rule.id == "sgr-0000000000000cafe";
            rules.retain(|rule| !same(rule));
            if on {
                rules.push(simulator::ec2::Rule {
                    id: "sgr-0000000000000cafe".to_owned(),
                    protocol: "tcp".to_owned(),
                    ports: Some(simulator::ec2::Ports { from: 6379, to: 6379 }),
                    source: simulator::ec2::Source::Group(own.clone()),
                    description: None,
                    tags: std::collections::BTreeMap::new(),
                });
            }
        });
    };
    refer(true);
    let lets_go = async {
        setup.aws.clock().sleep(Duration::from_mins(12)).await;
        refer(false);
    };
    let (writes, ()) = tokio::join!(delete(&setup), lets_go);
    assert_eq!(names(&writes).last().map(String::as_str), Some("DeleteSecurityGroup"));
}

/// A Create that waits for a group which a Delete took away stops, and makes nothing again.
#[tokio::test(start_paused = true)]
async fn a_create_whose_group_is_deleted_meanwhile_makes_nothing_again() {
    let setup = Setup::new();
    let act = async {
        tokio::time::sleep(Duration::from_mins(2)).await;
        setup.aws.with(|world, now| world.elasticache.delete_by_hand(QUICK, now));
    };
    let (outcome, ()) = tokio::join!(setup.create(quick_start()), act);
    assert!(outcome.answers[0].reason().contains("was deleted while"), "{}", outcome.answers[0].reason());
    assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 1);
    setup.assert_nothing_left();
}

/// What another release or a macro wrote must not cost data.
#[tokio::test(start_paused = true)]
async fn an_illegal_snapshot_name_still_means_a_snapshot() {
    let setup = standing(quick_start()).await;
    let properties = with(quick_start(), json!({"FinalSnapshotIdentifier": "bad--name"}));
    let event = json!({"PhysicalResourceId": QUICK, "ResourceProperties": properties});
    assert!(setup.stack.send("Delete", CACHE, event).await.unwrap().is_success());
    let snapshots: Vec<String> = setup.aws.with(|world, _| world.elasticache.snapshots.keys().cloned().collect());
    assert_eq!(snapshots.len(), 1);
    assert!(snapshots[0].starts_with(&format!("{QUICK}-final-")), "{snapshots:?}");
}
