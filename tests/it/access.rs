//! Rights that take their time to reach AWS, signatures that come too late, and lookups that a request can do without.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::{Answer, Outcome, StackStatus};
use simulator::elasticache::UserGroup;
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;

use crate::harness::{CACHE, OPTIONAL, Setup, calls, missing, names, production, quick_start, with};

/// The longest that a function may take to say that a right is missing.
const AT_MOST: Duration = Duration::from_secs(30);

/// One request of a life that makes, changes and removes something of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Flow {
    Create,
    Update,
    Delete,
}

const FLOWS: [Flow; 3] = [Flow::Create, Flow::Update, Flow::Delete];

fn before() -> Value {
    let parameters = json!({"timeout": "30"});
    with(production(), json!({"Parameters": parameters, "AuthTokenVersion": "1", "FinalSnapshotIdentifier": "last"}))
}

fn after() -> Value {
    let more = json!({"NodeType": "cache.t4g.medium", "NumCacheNodes": 3, "AllowedSecurityGroupIds": []});
    let others = json!({"Parameters": {"timeout": "60"}, "AuthTokenVersion": "2", "Tags": []});
    with(with(before(), more), others)
}

/// An account in which `flow` comes next.
async fn standing(flow: Flow) -> Setup {
    let setup = Setup::new();
    if flow != Flow::Create {
        setup.created(before()).await;
    }
    setup
}

async fn run(setup: &Setup, flow: Flow) -> Outcome {
    match flow {
        Flow::Create => setup.create(before()).await,
        Flow::Update => setup.update(after()).await,
        Flow::Delete => setup.stack.delete(CACHE).await,
    }
}

fn well(flow: Flow) -> StackStatus {
    match flow {
        Flow::Create => StackStatus::CreateComplete,
        Flow::Update => StackStatus::UpdateComplete,
        Flow::Delete => StackStatus::DeleteComplete,
    }
}

/// What was written, as often as AWS took it, in the order of names: steps without an order among them run concurrently.
fn written(entries: &[Entry]) -> Vec<String> {
    let taken: Vec<Entry> = entries.iter().filter(|entry| entry.outcome.is_ok()).cloned().collect();
    let mut names = names(&taken);
    names.sort();
    names
}

/// What each flow calls when nothing is wrong, and what it writes.
async fn usual(flow: Flow) -> (BTreeSet<String>, Vec<String>) {
    let setup = standing(flow).await;
    let (start, writes) = (setup.aws.journal().len(), setup.writes().len());
    let outcome = run(&setup, flow).await;
    assert_eq!(outcome.status, well(flow), "{flow:?}: {}", outcome.reason);
    let calls = setup.aws.journal().split_off(start);
    (names(&calls).into_iter().collect(), written(&setup.writes().split_off(writes)))
}

/// Every action of every flow, disturbed in one way: the flow ends as without it.
async fn each_passes(fault: impl Fn(&str) -> Fault) {
    let mut tried = BTreeSet::new();
    for flow in FLOWS {
        let (actions, writes) = usual(flow).await;
        for action in actions {
            let setup = standing(flow).await;
            let before = setup.writes().len();
            setup.aws.fault(fault(&action));
            let outcome = run(&setup, flow).await;
            assert_eq!(outcome.status, well(flow), "{flow:?}, {action}: {}", outcome.reason);
            assert_eq!(written(&setup.writes().split_off(before)), writes, "{flow:?}, {action}");
            tried.insert(action);
        }
    }
    assert!(tried.len() > 35, "{tried:?}");
}

/// The policy of a new role, or a change of one, takes seconds to reach every service.
#[tokio::test(start_paused = true)]
async fn a_right_that_comes_after_ten_seconds_is_waited_for() {
    each_passes(|action| Fault::on(action, 1, Kind::Denied).lasting(Duration::from_secs(10))).await;
}

/// The same for all of them at once.
#[tokio::test(start_paused = true)]
async fn rights_that_all_come_after_ten_seconds_are_waited_for() {
    for flow in FLOWS {
        let setup = standing(flow).await;
        setup.aws.fault(Fault::on("*", 1, Kind::Denied).lasting(Duration::from_secs(10)));
        let outcome = run(&setup, flow).await;
        assert_eq!(outcome.status, well(flow), "{flow:?}: {}", outcome.reason);
    }
}

/// A call that is not taken for one of the function's is signed anew, whatever the service says: each of its codes comes.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_signed_too_late_is_tried_again() {
    each_passes(|action| Fault::on(action, 1, Kind::SignedLate).times(5)).await;
}

/// What is missing for good is said soon, with the action and what it was about; nothing hangs and nothing is half said.
async fn each_fails_soon(kind: Kind, says: impl Fn(&Answer, &Entry)) {
    for flow in FLOWS {
        let (actions, _) = usual(flow).await;
        for action in actions.into_iter().filter(|action| !OPTIONAL.contains(&action.as_str())) {
            let setup = standing(flow).await;
            let start = setup.aws.journal().len();
            setup.aws.fault(Fault { kind: kind.clone(), ..missing(action.clone(), 1) });
            let outcome = run(&setup, flow).await;
            let answer = &outcome.answers[0];
            // What a long wait asks about the fence says nothing where it is refused, and the right is there when it counts.
            let only_watched = action == "ListTagsForResource" && matches!(flow, Flow::Create);
            if only_watched && answer.is_success() {
                continue;
            }
            assert!(!answer.is_success(), "{flow:?}, {action}");
            let calls: Vec<Entry> = setup.aws.journal().split_off(start);
            let refused = calls.iter().find(|call| call.action == action).unwrap();
            let told = outcome.events[1].at.since(refused.at);
            assert!(told <= AT_MOST, "{flow:?}, {action}: told after {told:?}");
            says(answer, refused);
        }
    }
}

/// IAM's name of the action behind a call.
fn iam(call: &Entry) -> String {
    let name = if call.action == "Invoke" { "InvokeFunction" } else { &call.action };
    format!("{}:{name}", call.service)
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_for_good_is_named_within_half_a_minute() {
    each_fails_soon(Kind::Denied, |answer, refused| {
        let reason = answer.reason();
        let named = format!("{} on ", iam(refused));
        assert!(reason.contains(&named), "{reason}");
        let advised = reason.split("allow ").nth(1).unwrap_or_default();
        assert!(advised.starts_with(&refused.service), "{reason}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_not_accepted_for_good_are_named_within_half_a_minute() {
    each_fails_soon(Kind::SignedLate, |answer, refused| {
        let reason = answer.reason();
        assert!(reason.contains(&format!("{} on ", iam(refused))), "{reason}");
        assert!(reason.contains("AWS does not accept the function's clock or credentials"), "{reason}");
    })
    .await;
}

/// A Create that makes the lookup: one that only checks what is named, that says what it costs, or why AWS gave up.
async fn looked_up(action: &str, disturb: impl Fn(&Setup)) -> Outcome {
    let setup = Setup::new();
    let properties = match action {
        "DescribeUserGroups" => {
            let people = UserGroup::new("people", "valkey", "a-long-enough-password");
            setup.aws.with(|world, _| world.elasticache.add_user_group(people));
            with(quick_start(), json!({"UserGroupIds": ["people"]}))
        }
        "DescribeSnapshots" => {
            setup.created(with(quick_start(), json!({"FinalSnapshotIdentifier": "last"}))).await;
            setup.deleted().await;
            let last = setup.aws.with(|world, _| world.elasticache.snapshots.keys().next().unwrap().clone());
            with(quick_start(), json!({"SnapshotName": last}))
        }
        // A node type without a price of our own.
        "GetProducts" => with(quick_start(), json!({"NodeType": "cache.r7g.xlarge"})),
        "DescribeStacks" => {
            setup.created(quick_start()).await;
            with(quick_start(), json!({"Description": "other"}))
        }
        _ => with(quick_start(), json!({"Parameters": {"timeout": "30"}, "EngineVersion": "8.1"})),
    };
    if action == "DescribeEvents" {
        setup.aws.with(|world, _| world.elasticache.fail_next_create("no capacity"));
    }
    disturb(&setup);
    let start = setup.aws.journal().len();
    let outcome =
        if action == "DescribeStacks" { setup.update(properties).await } else { setup.create(properties).await };
    assert!(!calls(&setup.aws.journal().split_off(start), action).is_empty(), "{action} is not called");
    outcome
}

/// Neither a panic nor a hang of what only checks or explains is more than what it would have said.
#[tokio::test(start_paused = true)]
async fn a_lookup_that_only_checks_or_explains_costs_nothing() {
    // A snapshot to restore is only checked; others are waited for.
    for action in OPTIONAL.into_iter().chain(["DescribeSnapshots"]) {
        let usual = looked_up(action, |_| {}).await;
        let expected = match action {
            "DescribeEvents" => StackStatus::RollbackComplete,
            "DescribeStacks" => StackStatus::UpdateComplete,
            _ => StackStatus::CreateComplete,
        };
        assert_eq!(usual.status, expected, "{action}: {}", usual.reason);
        for kind in [Kind::Panics, Kind::Slow(Duration::from_hours(3)), Kind::Denied, Kind::SignedLate] {
            let fault = Fault::on(action, 1, kind.clone()).times(usize::MAX);
            let outcome = looked_up(action, |setup| setup.aws.fault(fault.clone())).await;
            assert_eq!(outcome.status, usual.status, "{action}, {kind:?}: {}", outcome.reason);
            let took = |outcome: &Outcome| outcome.events[1].at.since(outcome.events[0].at);
            let longer = match kind {
                // Which way the stack goes is worth some seconds.
                Kind::Denied if action == "DescribeStacks" => Duration::from_secs(16),
                Kind::Denied | Kind::Panics => Duration::from_secs(2),
                _ => AT_MOST,
            };
            assert!(took(&outcome) <= took(&usual) + longer, "{action}, {kind:?}: {:?}", took(&outcome));
            let gave_up = "creating replication group development-myapp-valkey failed";
            assert!(action != "DescribeEvents" || outcome.answers[0].reason().contains(gave_up), "{}", outcome.reason);
        }
    }
}

/// The same in the middle of a whole life, with a panic.
#[tokio::test(start_paused = true)]
async fn a_panic_of_an_optional_lookup_changes_nothing() {
    for flow in FLOWS {
        let (_, writes) = usual(flow).await;
        for action in OPTIONAL {
            let setup = standing(flow).await;
            let before = setup.writes().len();
            setup.aws.fault(Fault::on(action, 1, Kind::Panics).times(usize::MAX));
            let outcome = run(&setup, flow).await;
            assert_eq!(outcome.status, well(flow), "{flow:?}, {action}: {}", outcome.reason);
            assert_eq!(written(&setup.writes().split_off(before)), writes, "{flow:?}, {action}");
        }
    }
}
