//! What a Create finds that an earlier one left, whose rollback was switched off.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::{Outcome, StackStatus};
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;

use crate::harness::{CACHE, Setup, calls, other_vpc, production, quick_start, with};

const GROUP: &str = "production-myapp-valkey";

/// A stack whose first Create failed for this reason, and was left as it is.
async fn failed(reason: &str, properties: Value) -> (Setup, Outcome) {
    let setup = Setup::new();
    setup.stack.keep_failed(true);
    setup.aws.with(|world, _| world.elasticache.fail_next_create(reason));
    let outcome = setup.create(properties).await;
    assert_eq!(outcome.status, StackStatus::CreateFailed, "{}", outcome.reason);
    assert!(outcome.reason.contains(reason), "{}", outcome.reason);
    (setup, outcome)
}

/// Whatever the new properties are, they count: the group is removed without a snapshot and made anew from them.
#[tokio::test(start_paused = true)]
async fn a_group_that_failed_is_made_anew_from_the_new_properties() {
    for change in [
        json!({}),
        json!({"NodeType": "cache.t4g.medium"}),
        json!({"Port": 7000}),
        json!({"Engine": "redis", "ReplicationGroupId": GROUP}),
        json!({"AuthTokenEnabled": false}),
        json!({"AtRestEncryptionEnabled": false}),
        json!({"FinalSnapshotIdentifier": "last", "DeletionProtection": true}),
    ] {
        let (setup, _) = failed("no capacity", production()).await;
        let outcome = setup.created(with(production(), change.clone())).await;
        assert_eq!(outcome.physical_id, GROUP, "{change}");
        let writes = setup.writes();
        let deletes = calls(&writes, "DeleteReplicationGroup");
        assert_eq!(deletes.len(), 1, "{change}");
        assert!(deletes[0].params.get("FinalSnapshotIdentifier").is_none(), "{change}");
        let is = setup.aws.with(|world, _| {
            let group = &world.elasticache.groups[GROUP];
            (group.node_type.clone(), group.port)
        });
        let wanted = (change["NodeType"].as_str().unwrap_or("cache.t4g.small").to_owned(), change["Port"].as_i64());
        assert_eq!((is.0, i64::from(is.1)), (wanted.0, wanted.1.unwrap_or(6379)), "{change}");
    }
}

/// A second failure is told with its own reason, and never with that of the first.
#[tokio::test(start_paused = true)]
async fn a_second_failure_is_told_with_its_own_reason() {
    let (setup, _) = failed("no capacity in June", production()).await;
    setup.aws.with(|world, _| world.elasticache.fail_next_create("no capacity in July"));
    let outcome = setup.create(production()).await;
    assert!(outcome.reason.contains("July") && !outcome.reason.contains("June"), "{}", outcome.reason);
    setup.stack.keep_failed(false);
    setup.created(production()).await;
    setup.deleted().await;
}

/// The same for a change: what ElastiCache said of an earlier update is no reason of this one's failure.
#[tokio::test(start_paused = true)]
async fn an_update_is_not_told_the_events_of_an_earlier_one() {
    let setup = Setup::new();
    setup.created(production()).await;
    for month in ["June", "July"] {
        let event = format!("rolled back in {month}");
        setup.aws.with(|world, _| world.elasticache.roll_back_next("ModifyReplicationGroup", event.clone()));
        let (outcome, _) = setup.rolled_back(with(production(), json!({"NodeType": "cache.t4g.medium"}))).await;
        let reason = outcome.answers[0].reason();
        assert!(reason.contains(month), "{reason}");
        assert!(month == "June" || !reason.contains("June"), "{reason}");
    }
    setup.deleted().await;
}

/// A Create that ran out of time leaves a group that may yet come: it is used where it fits, else removed and made anew.
#[tokio::test(start_paused = true)]
async fn a_group_that_was_not_waited_for_is_used_or_made_anew() {
    for (change, is_anew) in [
        (json!({}), false),
        (json!({"NumCacheNodes": 3}), false),
        (json!({"Port": 7000}), true),
        (json!({"AtRestEncryptionEnabled": false}), true),
        (other_vpc(), true),
    ] {
        for pause in [Duration::ZERO, Duration::from_mins(30)] {
            let setup = Setup::new();
            setup.stack.keep_failed(true);
            let outcome = setup.create(with(production(), json!({"ServiceTimeout": 60}))).await;
            assert_eq!(outcome.status, StackStatus::CreateFailed, "{}", outcome.reason);
            setup.aws.clock().sleep(pause).await;
            let before = setup.writes().len();
            setup.created(with(production(), change.clone())).await;
            let writes = setup.writes().split_off(before);
            assert_eq!(calls(&writes, "DeleteReplicationGroup").len(), usize::from(is_anew), "{change}");
            assert_eq!(calls(&writes, "CreateReplicationGroup").len(), usize::from(is_anew), "{change}");
            setup.deleted().await;
        }
    }
}

/// What counts only when a group is made, and what a standing one does not tell, is never taken for done.
#[tokio::test(start_paused = true)]
async fn a_group_that_was_not_waited_for_is_not_taken_for_a_restored_one() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"FinalSnapshotIdentifier": "backup"}))).await;
    setup.deleted().await;
    let backup = setup.aws.with(|world, _| world.elasticache.snapshots.keys().next().unwrap().clone());
    for change in [
        json!({"SnapshotName": backup}),
        json!({"PreferredAvailabilityZones": ["us-east-1b"]}),
        json!({"NodeGroupConfiguration": [{"ReplicaCount": 0, "PrimaryAvailabilityZone": "us-east-1b"}]}),
    ] {
        setup.stack.keep_failed(true);
        let outcome = setup.create(with(quick_start(), json!({"ServiceTimeout": 60}))).await;
        assert_eq!(outcome.status, StackStatus::CreateFailed, "{}", outcome.reason);
        let before = setup.writes().len();
        setup.created(with(quick_start(), change.clone())).await;
        let writes = setup.writes().split_off(before);
        assert_eq!(calls(&writes, "CreateReplicationGroup").len(), 1, "{change}");
        setup.deleted().await;
    }
}

/// A Delete that comes across a Create which removes first what was begun in another VPC: nothing is made after it.
#[tokio::test(start_paused = true)]
async fn a_delete_that_comes_across_such_a_create_leaves_nothing() {
    for seconds in (0..60).step_by(3) {
        let setup = Setup::new();
        setup.stack.keep_failed(true);
        let outcome = setup.create(with(production(), json!({"ServiceTimeout": 60}))).await;
        assert_eq!(outcome.status, StackStatus::CreateFailed, "{}", outcome.reason);
        setup.aws.clock().sleep(Duration::from_mins(30)).await;
        let properties = with(production(), other_vpc());
        let create = setup.stack.send("Create", CACHE, json!({"ResourceProperties": properties}));
        let delete = async {
            let gone = || setup.aws.with(|world, _| world.elasticache.groups.is_empty());
            while !gone() {
                setup.aws.clock().sleep(Duration::from_secs(1)).await;
            }
            setup.aws.clock().sleep(Duration::from_secs(seconds)).await;
            let event = json!({"ResourceProperties": properties, "PhysicalResourceId": GROUP});
            setup.stack.send("Delete", CACHE, event).await
        };
        let (_, answer) = tokio::join!(create, delete);
        assert!(answer.unwrap().is_success(), "{seconds}");
        setup.stack.wait_until_idle().await;
        assert_eq!(setup.aws.leftovers("elasticache-resource:stack-id"), Vec::<String>::new(), "{seconds}");
    }
}

/// The same where there is nothing yet that could not move, but a security group: it is in nobody's way.
#[tokio::test(start_paused = true)]
async fn a_security_group_in_another_vpc_goes_with_the_stack() {
    let setup = Setup::new();
    setup.stack.keep_failed(true);
    setup.aws.fault(Fault::on("CreateCacheSubnetGroup", 1, Kind::Denied).times(usize::MAX));
    let outcome = setup.create(production()).await;
    assert_eq!(outcome.status, StackStatus::CreateFailed, "{}", outcome.reason);
    setup.aws.clear_faults();
    setup.created(with(production(), other_vpc())).await;
    assert_eq!(calls(&setup.writes(), "CreateSecurityGroup").len(), 2);
    setup.deleted().await;
}

/// What stands for good is not taken for something left behind, whoever asks with which properties: a Create that finds it
/// is refused where it cannot be changed.
#[tokio::test(start_paused = true)]
async fn a_group_that_was_finished_is_never_removed_by_a_create() {
    let setup = Setup::new();
    setup.created(production()).await;
    for change in [json!({"Port": 7000}), json!({"AtRestEncryptionEnabled": false})] {
        let event = json!({"ResourceProperties": with(production(), change)});
        let answer = setup.stack.send("Create", CACHE, event).await.unwrap();
        assert!(!answer.is_success() && answer.reason().contains("cannot change it in place"), "{}", answer.reason());
    }
    assert!(calls(&setup.writes(), "DeleteReplicationGroup").is_empty());
    setup.deleted().await;
}

/// Every call of the second Create may be cut off after it took effect, or its invocation may die there.
#[tokio::test(start_paused = true)]
async fn a_second_create_may_be_cut_off_anywhere() {
    let (setup, _) = failed("no capacity", production()).await;
    let start = setup.aws.journal().len();
    setup.created(production()).await;
    let writes: Vec<_> = setup.aws.journal().split_off(start).into_iter().filter(Entry::is_write).collect();
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for action in writes.into_iter().map(|call| call.action) {
        let nth = seen.entry(action.clone()).or_default();
        *nth += 1;
        for kind in [Kind::CutAfter, Kind::Slow(Duration::from_hours(2))] {
            let (setup, _) = failed("no capacity", production()).await;
            let dies = matches!(kind, Kind::Slow(_));
            setup.aws.fault(Fault::on(action.clone(), *nth, kind.clone()));
            if dies {
                setup.kill_next_after(Duration::from_mins(14));
            }
            let outcome = setup.create(production()).await;
            assert_eq!(outcome.status, StackStatus::CreateComplete, "{kind:?} at {action} {nth}: {}", outcome.reason);
            setup.deleted().await;
        }
    }
}

/// Whoever stops here has the stack deleted: nothing stays.
#[tokio::test(start_paused = true)]
async fn what_is_left_behind_goes_with_the_stack() {
    let (setup, outcome) = failed("no capacity", quick_start()).await;
    let answer = setup.stack.send("Delete", CACHE, json!({"PhysicalResourceId": outcome.answers[0].physical_id}));
    assert!(answer.await.unwrap().is_success());
    setup.assert_nothing_left();
}
