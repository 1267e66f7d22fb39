//! Duplicates and order: whatever comes twice, late or across, the newest request decides.

use std::time::Duration;

use elasticache_resource::domain::tags::TAG_STACK_ID;
use serde_json::{Value, json};
use simulator::cloudformation::{Answer, Received, StackStatus, UploadFault};
use simulator::elasticache::Status;
use simulator::faults::{Fault, Kind};

use crate::harness::{CACHE, SUBNETS, Setup, calls, production, quick_start, with};
use crate::simulation::host::Host;

const QUICK: &str = "development-myapp-valkey";

fn properties(properties: &Value) -> Value {
    json!({"ResourceProperties": properties})
}

/// The event of an Update of the quick start under this request id.
fn update(id: &str, from: &Value, to: &Value) -> Value {
    json!({"RequestId": id, "PhysicalResourceId": QUICK, "ResourceProperties": to, "OldResourceProperties": from})
}

async fn send(setup: &Setup, kind: &str, event: Value) -> Answer {
    setup.stack.send(kind, CACHE, event).await.unwrap()
}

async fn after<T>(setup: &Setup, wait: Duration, work: impl Future<Output = T>) -> T {
    setup.aws.clock().sleep(wait).await;
    work.await
}

fn nodes(setup: &Setup) -> usize {
    setup.aws.with(|world, _| world.elasticache.groups[QUICK].members().count())
}

fn description(setup: &Setup) -> String {
    setup.aws.with(|world, _| world.elasticache.groups[QUICK].description.clone())
}

/// Uploads that came for a request, by the end of its URL's path.
fn answers_to(setup: &Setup, request_id: &str) -> usize {
    setup.aws.answers().uploads().iter().filter(|upload| upload.request_id.as_deref() == Some(request_id)).count()
}

/// Lambda delivers every event of a life twice at once; two instances of the function run concurrently.
#[tokio::test(start_paused = true)]
async fn duplicate_deliveries_make_one_set_and_answers_that_agree() {
    for base in [quick_start(), production()] {
        let setup = Setup::new();
        setup.stack.deliver_twice(true);
        setup.created(base.clone()).await;
        let changes = json!({"NumCacheNodes": 3, "Description": "three", "Parameters": {"timeout": "9"}});
        setup.updated(with(base.clone(), changes)).await;
        setup.stack.wait_until_idle().await;
        setup.deleted().await;
        setup.stack.wait_until_idle().await;
        setup.assert_nothing_left();
        let duplicates = setup.aws.answers().duplicates();
        assert!(!duplicates.is_empty() && duplicates.iter().all(|duplicate| duplicate.agrees), "{duplicates:?}");
        let made = |action: &str| calls(&setup.writes(), action).iter().filter(|call| call.outcome.is_ok()).count();
        for action in
            ["CreateReplicationGroup", "CreateSecurityGroup", "CreateCacheSubnetGroup", "IncreaseReplicaCount"]
        {
            assert_eq!(made(action), 1, "{action}");
        }
        assert_eq!(made("CreateSecret"), usize::from(base["AuthTokenEnabled"] == true));
    }
}

/// Nothing is written, and the answer is the same.
#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_after_its_answer_changes_nothing() {
    let setup = Setup::new();
    let created = setup.created(production()).await;
    setup.updated(with(production(), json!({"Description": "new"}))).await;
    let (updated, _) = setup.updated(with(production(), json!({"Description": "newer"}))).await;
    let writes = setup.write_names().len();
    setup.stack.invoke(updated.requests[0].clone()).await.unwrap();
    let duplicates = setup.aws.answers().duplicates();
    assert!(duplicates.len() == 1 && duplicates[0].agrees, "{duplicates:?}");
    // The Create is not the newest request any more: its event is not even answered.
    setup.stack.invoke(created.requests[0].clone()).await.unwrap();
    assert_eq!(setup.aws.answers().duplicates().len(), 1);
    assert_eq!(setup.write_names().len(), writes);
}

#[tokio::test(start_paused = true)]
async fn a_create_that_comes_again_is_answered_with_the_same_attributes() {
    let setup = Setup::new();
    let created = setup.created(production()).await;
    let writes = setup.aws.journal().iter().filter(|entry| entry.is_write()).count();
    setup.stack.invoke(created.requests[0].clone()).await.unwrap();
    let duplicates = setup.aws.answers().duplicates();
    assert!(duplicates.len() == 1 && duplicates[0].agrees, "{duplicates:?}");
    assert_eq!(setup.aws.journal().iter().filter(|entry| entry.is_write()).count(), writes);
}

/// The update is cancelled while it waits for its nodes, and CloudFormation sends the way back under a new id.
#[tokio::test(start_paused = true)]
async fn a_cancelled_update_stops_without_writing_or_answering() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let more = with(quick_start(), json!({"NumCacheNodes": 3, "Description": "cancelled"}));
    let forth = setup.stack.send("Update", CACHE, update("cancelled", &quick_start(), &more));
    let back = after(&setup, Duration::from_mins(1), send(&setup, "Update", update("back", &more, &quick_start())));
    let (forth, back) = tokio::join!(forth, back);
    assert!(back.is_success(), "{}", back.reason());
    assert!(forth.unwrap_err().contains("did not receive a response"));
    assert_eq!(answers_to(&setup, "cancelled"), 0);
    assert_eq!((nodes(&setup), answers_to(&setup, "back")), (1, 1));
    assert_ne!(description(&setup), "cancelled");
    assert!(setup.invocations().iter().all(Result::is_ok), "{:?}", setup.invocations());
    setup.deleted().await;
}

/// The run notices soon, not only when AWS is done.
#[tokio::test(start_paused = true)]
async fn a_long_wait_notices_that_it_was_superseded() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let (more, other) = (with(quick_start(), json!({"NumCacheNodes": 2})), quick_start());
    setup.aws.with(|world, now| {
        world.elasticache.set_status(QUICK, Status::Snapshotting, now, now + Duration::from_mins(40));
    });
    let started = setup.aws.clock().now();
    let forth = async {
        let _ = setup.stack.invoke(setup.event("Update", update("old", &other, &more))).await;
        setup.aws.clock().now()
    };
    let back = after(&setup, Duration::from_mins(5), send(&setup, "Update", update("new", &more, &other)));
    let (ended, back) = tokio::join!(forth, back);
    assert!(back.is_success());
    let waited = ended.since(started);
    assert!(waited < Duration::from_mins(7), "{waited:?}");
}

/// Before the group is asked for, while it is made, and with everything.
#[tokio::test(start_paused = true)]
async fn a_delete_stops_the_create_that_it_supersedes() {
    for (wait, base) in [(1, production()), (3, quick_start()), (60, production()), (200, quick_start())] {
        let setup = Setup::new();
        let id = format!("{}-myapp-valkey", base["Env"].as_str().unwrap());
        let create = with(properties(&base), json!({"RequestId": "create"}));
        let create = setup.stack.send("Create", CACHE, create);
        let gone = with(properties(&base), json!({"PhysicalResourceId": id}));
        let delete = after(&setup, Duration::from_secs(wait), send(&setup, "Delete", gone));
        let (create, delete) = tokio::join!(create, delete);
        assert!(delete.is_success(), "{wait}: {}", delete.reason());
        // Where the Delete was through before the Create could notice, it says so; nobody listens any more.
        assert!(create.is_err() || !create.unwrap().is_success(), "{wait}");
        setup.stack.wait_until_idle().await;
        setup.assert_nothing_left();
    }
}

/// The Delete is through while a call of the Create is still on its way: the Create takes away what it made after it.
#[tokio::test(start_paused = true)]
async fn a_create_that_was_removed_meanwhile_leaves_nothing_behind() {
    let setup = Setup::new();
    setup.aws.fault(Fault::on("CreateSecurityGroup", 1, Kind::throttled()).times(12));
    let create = setup.stack.send("Create", CACHE, properties(&quick_start()));
    let gone = with(properties(&quick_start()), json!({"PhysicalResourceId": QUICK}));
    let delete = after(&setup, Duration::from_millis(500), send(&setup, "Delete", gone));
    let (_, delete) = tokio::join!(create, delete);
    assert!(delete.is_success(), "{}", delete.reason());
    setup.stack.wait_until_idle().await;
    assert!(setup.write_names().iter().filter(|name| *name == "CreateSecurityGroup").count() > 8);
    setup.assert_nothing_left();
}

/// The same when taking it away needs another invocation, and CloudFormation does not say that it is over.
#[tokio::test(start_paused = true)]
async fn a_create_that_was_removed_meanwhile_does_not_begin_anew_in_its_next_invocation() {
    let setup = Setup::new();
    setup.aws.fault(Fault::on("CreateSecurityGroup", 1, Kind::throttled()).times(12));
    setup.aws.fault(Fault::on("DescribeStackResource", 1, Kind::Denied).times(usize::MAX));
    setup.aws.fault(Fault::on("DeleteSecurityGroup", 1, Kind::error("DependencyViolation", "In use.")).times(120));
    let create = setup.stack.send("Create", CACHE, properties(&quick_start()));
    let gone = with(properties(&quick_start()), json!({"PhysicalResourceId": QUICK}));
    let delete = after(&setup, Duration::from_millis(500), send(&setup, "Delete", gone));
    let (_, delete) = tokio::join!(create, delete);
    assert!(delete.is_success(), "{}", delete.reason());
    setup.stack.wait_until_idle().await;
    assert!(!calls(&setup.aws.journal(), "Invoke").is_empty());
    assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 0);
    assert_eq!(setup.aws.leftovers(TAG_STACK_ID), Vec::<String>::new());
}

/// The same, and the Create never says a word once the group is there.
#[tokio::test(start_paused = true)]
async fn a_create_that_waits_for_its_group_is_not_answered_after_a_delete() {
    let setup = Setup::new();
    let create = with(properties(&quick_start()), json!({"RequestId": "create"}));
    let create = setup.stack.send("Create", CACHE, create);
    let gone = with(properties(&quick_start()), json!({"PhysicalResourceId": QUICK}));
    let delete = after(&setup, Duration::from_mins(2), send(&setup, "Delete", gone));
    let (create, delete) = tokio::join!(create, delete);
    assert!(delete.is_success() && create.is_err());
    assert_eq!(answers_to(&setup, "create"), 0);
    assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 1);
    setup.assert_nothing_left();
}

/// CloudFormation uses a request id again when somebody tries a failed deployment again.
#[tokio::test(start_paused = true)]
async fn a_request_id_may_be_used_again_after_a_failure() {
    let setup = Setup::new();
    let create = with(properties(&production()), json!({"RequestId": "same"}));
    setup.aws.fault(Fault::on("CreateReplicationGroup", 1, Kind::error("InsufficientCacheClusterCapacity", "None.")));
    let failed = send(&setup, "Create", create.clone()).await;
    assert!(!failed.is_success());
    let delete =
        with(properties(&production()), json!({"RequestId": "same", "PhysicalResourceId": failed.physical_id}));
    assert!(send(&setup, "Delete", delete).await.is_success());
    let created = send(&setup, "Create", create).await;
    assert!(created.is_success(), "{}", created.reason());

    let setup = Setup::new();
    setup.created(quick_start()).await;
    let more = with(quick_start(), json!({"Description": "more", "NodeType": "cache.t4g.small"}));
    setup.aws.fault(Fault::on("ModifyReplicationGroup", 2, Kind::error("InsufficientCacheClusterCapacity", "None.")));
    assert!(!send(&setup, "Update", update("same", &quick_start(), &more)).await.is_success());
    assert!(send(&setup, "Update", update("back", &more, &quick_start())).await.is_success());
    let again = send(&setup, "Update", update("same", &quick_start(), &more)).await;
    assert!(again.is_success(), "{}", again.reason());
    assert_eq!(description(&setup), "more");
}

/// An attempt died; before Lambda tries its event again, the next request has come and gone.
#[tokio::test(start_paused = true)]
async fn a_dead_requests_event_is_not_taken_up_again_after_a_newer_one() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let more = with(quick_start(), json!({"Description": "dead"}));
    setup.kill_next_after(Duration::from_secs(5));
    let forth = setup.stack.send("Update", CACHE, update("dead", &quick_start(), &more));
    let back = after(&setup, Duration::from_secs(20), send(&setup, "Update", update("back", &more, &quick_start())));
    let (forth, back) = tokio::join!(forth, back);
    assert!(back.is_success() && forth.is_err());
    assert_eq!(setup.invocations().iter().filter(|result| result.is_err()).count(), 1);
    assert_eq!(setup.invocations().len(), 4, "{:?}", setup.invocations());
    assert_ne!(description(&setup), "dead");
    assert_eq!(answers_to(&setup, "dead"), 0);
}

/// Lambda held the event back until CloudFormation had given it up and gone on.
#[tokio::test(start_paused = true)]
async fn an_event_that_comes_after_its_successor_is_too_late() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let more = with(quick_start(), json!({"Description": "late"}));
    let late = setup.event("Update", update("late", &quick_start(), &more));
    setup.aws.clock().sleep(Duration::from_hours(1)).await;
    assert!(send(&setup, "Update", update("back", &more, &quick_start())).await.is_success());
    setup.stack.invoke(late).await.unwrap();
    assert_ne!(description(&setup), "late");
    assert_eq!(answers_to(&setup, "late"), 0);
}

/// The way back arrives while the group still changes and the first run still waits.
#[tokio::test(start_paused = true)]
async fn the_way_back_takes_over_a_run_of_several_steps() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let more = with(
        quick_start(),
        json!({"NumCacheNodes": 3, "AutomaticFailoverEnabled": true, "NodeType": "cache.t4g.small",
            "SubnetIds": SUBNETS, "Tags": [{"Key": "a", "Value": "b"}]}),
    );
    for minutes in [1, 4, 10, 14] {
        let id = format!("forth-{minutes}");
        let forth = setup.stack.send("Update", CACHE, update(&id, &quick_start(), &more));
        let wait = Duration::from_mins(minutes);
        let back = after(&setup, wait, send(&setup, "Update", update("back", &more, &quick_start())));
        let (forth, back) = tokio::join!(forth, back);
        assert!(back.is_success(), "{minutes}: {}", back.reason());
        assert!(forth.is_err(), "{minutes}");
        assert_eq!((nodes(&setup), answers_to(&setup, &id)), (1, 0), "{minutes}");
    }
    let tagged = setup.aws.leftovers(TAG_STACK_ID).len();
    let (_, writes) = setup.updated(with(quick_start(), json!({"Tags": []}))).await;
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(setup.aws.leftovers(TAG_STACK_ID).len(), tagged);
    assert_eq!(setup.stack.delete(CACHE).await.status, StackStatus::DeleteComplete);
}

/// The same Update comes again after its replacement is through and the old generation is gone: it makes nothing.
#[tokio::test(start_paused = true)]
async fn an_update_that_comes_again_after_its_replacement_makes_nothing() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let properties = with(quick_start(), json!({"Port": 6380, "ReplacementPolicy": "Empty"}));
    let (outcome, _) = setup.updated(properties).await;
    assert_eq!(outcome.request_types(), ["Update", "Delete"]);
    let writes = setup.writes().len();
    setup.stack.invoke(outcome.requests[0].clone()).await.unwrap();
    assert_eq!(setup.write_names().split_off(writes), Vec::<String>::new());
    setup.deleted().await;
}

/// What a Delete has removed stays removed, whatever Lambda delivers again afterwards.
#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_after_the_delete_makes_nothing() {
    for base in [quick_start(), production()] {
        let setup = Setup::new();
        let created = setup.created(base.clone()).await;
        let (updated, _) = setup.updated(with(base, json!({"Description": "new"}))).await;
        setup.deleted().await;
        let (writes, answers) = (setup.writes().len(), setup.aws.answers().uploads().len());
        for late in [&created, &updated] {
            setup.stack.invoke(late.requests[0].clone()).await.unwrap();
        }
        assert_eq!(setup.write_names().split_off(writes), Vec::<String>::new());
        assert_eq!(setup.aws.answers().uploads().len(), answers, "nobody waits for an answer");
        setup.assert_nothing_left();
    }
}

/// The same after a Create that failed at once and was rolled back.
#[tokio::test(start_paused = true)]
async fn a_failed_create_that_comes_again_after_its_rollback_makes_nothing() {
    let setup = Setup::new();
    setup.aws.fault(Fault::on("CreateReplicationGroup", 1, Kind::error("InsufficientCacheClusterCapacity", "None.")));
    let failed = setup.create(production()).await;
    assert_eq!(failed.status, StackStatus::RollbackComplete);
    let writes = setup.writes().len();
    setup.stack.invoke(failed.requests[0].clone()).await.unwrap();
    assert_eq!(setup.write_names().split_off(writes), Vec::<String>::new());
    setup.assert_nothing_left();
}

/// The event comes when CloudFormation has given it up for lack of time, and does not say so.
#[tokio::test(start_paused = true)]
async fn a_create_without_time_makes_nothing() {
    for minutes in [59, 61, 110] {
        let host = Host::new(&format!("late-{minutes}"));
        host.aws.fault(Fault::on("DescribeStackResource", 1, Kind::Denied).times(usize::MAX));
        let late = host.stack.event("Create", CACHE, properties(&quick_start()));
        let url = late["ResponseURL"].as_str().unwrap().to_owned();
        host.aws.clock().sleep(Duration::from_mins(minutes)).await;
        host.stack.invoke(late).await.unwrap();
        assert_eq!(host.aws.leftovers(TAG_STACK_ID), Vec::<String>::new(), "{minutes}");
        let Some(Received::Answer(answer)) = host.aws.answers().received(&url) else { panic!("no answer") };
        let reason = answer.reason();
        assert!(reason.contains(&format!("not finished after {minutes} min")), "{reason}");
        assert!(reason.contains("waiting for time to create subnet group"), "{reason}");
    }
}

/// The last try of an event whose work is done has only the answer to give.
#[tokio::test(start_paused = true)]
async fn a_create_without_time_is_answered_when_everything_stands() {
    let host = Host::new("late-and-done");
    let started = host.aws.clock().now();
    let event = host.stack.event("Create", CACHE, properties(&quick_start()));
    let url = event["ResponseURL"].as_str().unwrap().to_owned();
    host.aws.answers().fail_uploads([UploadFault::Reset; 8]);
    assert!(host.stack.invoke(event.clone()).await.is_err());
    let late = Duration::from_secs(59 * 60 + 10);
    host.aws.clock().sleep(late.saturating_sub(host.aws.clock().now().since(started))).await;
    host.stack.invoke(event).await.unwrap();
    let Some(Received::Answer(answer)) = host.aws.answers().received(&url) else { panic!("no answer") };
    assert!(answer.is_success(), "{}", answer.reason());
}

/// The Delete has taken the subnet group away, which tells the order, and waits for the network to let go.
#[tokio::test(start_paused = true)]
async fn a_create_that_comes_again_while_its_delete_goes_on_makes_nothing() {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.elasticache.pace.interface_release = Duration::from_mins(10));
    let created = setup.created(production()).await;
    let late = async {
        loop {
            setup.aws.clock().sleep(Duration::from_secs(1)).await;
            if setup.aws.with(|world, _| world.elasticache.subnet_groups.is_empty()) {
                break;
            }
        }
        let before = calls(&setup.writes(), "CreateCacheSubnetGroup").len();
        setup.stack.invoke(created.requests[0].clone()).await.unwrap();
        assert_eq!(calls(&setup.writes(), "CreateCacheSubnetGroup").len(), before);
    };
    tokio::join!(setup.deleted(), late);
}

/// A resource may come back under its name: CloudFormation's earlier words about it are not about this request.
#[tokio::test(start_paused = true)]
async fn a_resource_may_be_taken_out_of_its_stack_and_put_in_again() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    setup.deleted().await;
    setup.created(quick_start()).await;
    setup.deleted().await;
}

/// Whether CloudFormation waits is asked once, and a Create does not depend on the answer.
#[tokio::test(start_paused = true)]
async fn a_create_goes_on_when_cloudformation_cannot_be_asked() {
    for kind in [
        Kind::Denied,
        Kind::Throttled,
        Kind::http_500(),
        Kind::CutBefore,
        Kind::Slow(Duration::from_mins(5)),
        Kind::error("ValidationError", "Stack 'app' does not exist"),
        Kind::error("ValidationError", "no"),
    ] {
        let setup = Setup::new();
        setup.aws.fault(Fault::on("DescribeStackResource", 1, kind).times(1000));
        setup.created(quick_start()).await;
    }
    let setup = Setup::new();
    setup.created(quick_start()).await;
    assert_eq!(calls(&setup.aws.journal(), "DescribeStackResource").len(), 1);
    setup.updated(with(quick_start(), json!({"Description": "new"}))).await;
    assert_eq!(calls(&setup.aws.journal(), "DescribeStackResource").len(), 1, "only before something is made");
}
