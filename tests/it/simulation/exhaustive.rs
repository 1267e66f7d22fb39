//! Every call of an operation, failed in every way, one run each.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::{Answer, Outcome, SERVICE_TOKEN, StackStatus};
use simulator::faults::{Fault, Kind};
use simulator::journal::Caller;
use simulator::secrets_manager::{SecretsManager, rotate_with};

use super::host::{Host, Life};
use super::promises::GROUP;
use super::{in_virtual_time, on_all_processors, promises};
use crate::harness::{CACHE, by_hand, missing, production, quick_start, with};

/// What happens to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Harm {
    Throttled,
    Failed,
    CutBefore,
    CutAfter,
    KilledAfter,
    Denied,
}

const HARMS: [Harm; 6] =
    [Harm::Throttled, Harm::Failed, Harm::CutBefore, Harm::CutAfter, Harm::KilledAfter, Harm::Denied];

/// An operation, from where it starts.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Create,
    Update,
    Delete,
}

#[derive(Clone, Debug)]
struct Case {
    name: &'static str,
    kind: Operation,
    before: Value,
    after: Value,
}

fn cases() -> Vec<Case> {
    let update = |name, before: Value, changes: Value| {
        let after = with(before.clone(), changes);
        Case { name, kind: Operation::Update, before, after }
    };
    let plain = with(quick_start(), json!({"Env": "production"}));
    let watched = with(plain.clone(), json!({"Alarms": {}}));
    let tags = json!([{"Key": "Team", "Value": "payments"}]);
    vec![
        Case { name: "Create", kind: Operation::Create, before: production(), after: production() },
        update(
            "Update of settings",
            plain.clone(),
            json!({"Description": "new", "AllowedSecurityGroupIds": [], "Tags": tags}),
        ),
        update("Update of nodes", production(), json!({"NumCacheNodes": 3, "Parameters": {"timeout": "30"}})),
        update("Update of alarms", plain.clone(), json!({"Alarms": {}})),
        update(
            "Update of nodes with alarms",
            with(plain.clone(), json!({"NumCacheNodes": 2, "Alarms": {}})),
            json!({"NumCacheNodes": 1}),
        ),
        // A larger node type, a second node, TLS preferred, TLS required.
        update(
            "Update in four steps",
            plain.clone(),
            json!({"NodeType": "cache.t4g.small", "NumCacheNodes": 2, "TransitEncryptionEnabled": true}),
        ),
        update("Rotation", with(production(), json!({"AuthTokenVersion": "1"})), json!({"AuthTokenVersion": "2"})),
        update("Replacement", plain, json!({"Port": 6380, "ReplacementPolicy": "Snapshot"})),
        Case { name: "Delete", kind: Operation::Delete, before: production(), after: production() },
        Case { name: "Delete with alarms", kind: Operation::Delete, before: watched.clone(), after: watched },
    ]
}

/// The stack as the operation finds it.
async fn host(case: &Case, region: &str) -> Host {
    let host = Host::new(region);
    // Short, so that a run has few polls that are all alike.
    host.aws.with(|world, _| {
        let pace = &mut world.elasticache.pace;
        for span in [
            &mut pace.create,
            &mut pace.node_type,
            &mut pace.add_replica,
            &mut pace.tls,
            &mut pace.auth,
            &mut pace.snapshot,
            &mut pace.delete,
        ] {
            *span /= 300;
        }
        pace.create_tls = Duration::ZERO;
        pace.interface_release = Duration::from_secs(1);
        pace.settings = Duration::from_secs(1);
        pace.member_lag = Duration::from_secs(1);
        pace.parameters_apply = Duration::from_secs(1);
        pace.tags = Duration::from_secs(1);
    });
    if !matches!(case.kind, Operation::Create) {
        let outcome = host.stack.create(CACHE, case.before.clone()).await;
        assert_eq!(outcome.status, StackStatus::CreateComplete, "{}", outcome.reason);
    }
    host
}

async fn operate(host: &Host, case: &Case) -> Outcome {
    match case.kind {
        Operation::Create => host.stack.create(CACHE, case.after.clone()).await,
        Operation::Update => host.stack.update(CACHE, case.after.clone()).await,
        Operation::Delete => host.stack.delete(CACHE).await,
    }
}

fn calls(aws: &LocalAws) -> Vec<String> {
    let journal = aws.journal();
    journal.into_iter().filter(|entry| entry.caller == Caller::Function).map(|entry| entry.action).collect()
}

/// Calls of the operation when nothing happens.
async fn clean_run(case: &Case) -> usize {
    let host = host(case, "clean").await;
    let before = calls(&host.aws).len();
    let outcome = operate(&host, case).await;
    assert!(outcome.answers.iter().all(Answer::is_success), "{}: {}", case.name, outcome.reason);
    calls(&host.aws).len() - before
}

/// The generation whose Delete after a replacement failed: CloudFormation gives it up, and its users delete it.
fn given_up(outcome: &Outcome) -> Option<&Value> {
    let delete = outcome.requests.last().filter(|request| request["RequestType"] == "Delete")?;
    let failed = !outcome.answers.last()?.is_success() && outcome.status == StackStatus::UpdateComplete;
    Some(&delete["PhysicalResourceId"]).filter(|_| failed)
}

/// Plans what happens to the nth call from now on.
fn do_harm(host: &Host, nth: usize, harm: Harm, timeout: Duration) {
    let (aws, before) = (host.aws.clone(), calls(&host.aws).len());
    host.set_fate(move |_| {
        let left = || (before + nth).checked_sub(calls(&aws).len()).filter(|left| *left > 0);
        let dies_after = (harm == Harm::KilledAfter).then(left).flatten();
        Life { timeout, dies_after, ..Life::CALM }
    });
    let kind = match harm {
        Harm::Throttled => Kind::Throttled,
        Harm::Failed => Kind::http_500(),
        Harm::CutBefore => Kind::CutBefore,
        Harm::CutAfter => Kind::CutAfter,
        Harm::Denied => {
            host.aws.fault(missing("*", nth));
            return;
        }
        Harm::KilledAfter => return,
    };
    host.aws.fault(Fault::on("*", nth, kind));
}

/// One run in which one call is harmed. Every other one has invocations of 45 seconds.
async fn harmed_run(case: &Case, nth: usize, harm: Harm, run: usize) {
    let host = host(case, &format!("run-{run}")).await;
    let before = calls(&host.aws).len();
    let timeout = if run.is_multiple_of(2) { Duration::from_secs(45) } else { Life::CALM.timeout };
    do_harm(&host, nth, harm, timeout);
    let outcome = operate(&host, case).await;
    let what = format!(
        "{} with call {nth} ({}) {harm:?}",
        case.name,
        calls(&host.aws)[before..].get(nth - 1).map_or("none", String::as_str)
    );
    let back = match case.kind {
        Operation::Create => [StackStatus::CreateComplete, StackStatus::RollbackComplete],
        Operation::Update => [StackStatus::UpdateComplete, StackStatus::UpdateRollbackComplete],
        Operation::Delete => [StackStatus::DeleteComplete, StackStatus::DeleteFailed],
    };
    if harm == Harm::Denied && outcome.status == back[1] {
        let denied = promises::denied(&host.aws.journal());
        let reason = outcome.answers[0].reason();
        assert!(denied.iter().any(|action| reason.contains(action.as_str())), "{what}: {reason}");
    } else {
        assert_eq!(outcome.status, back[0], "{what}: {}", outcome.reason);
    }
    promises::assert_truthful_answers(&host.aws);
    if let Some(id) = given_up(&outcome) {
        let again = host.stack.send("Delete", CACHE, json!({"PhysicalResourceId": id})).await.unwrap();
        assert!(again.is_success(), "{what}: {}", again.reason());
    }
    match case.kind {
        Operation::Update => {
            let wanted = if outcome.status == back[0] { &case.after } else { &case.before };
            assert_eq!(promises::differences(&host.aws, &outcome.physical_id, wanted), Vec::<String>::new(), "{what}");
            promises::assert_one_of_each(&host.aws);
        }
        Operation::Create if outcome.status == back[0] => {
            assert_eq!(
                promises::differences(&host.aws, &outcome.physical_id, &case.after),
                Vec::<String>::new(),
                "{what}"
            );
        }
        Operation::Create | Operation::Delete => {}
    }
    if matches!(case.kind, Operation::Delete) && outcome.status == back[1] {
        let again = host.stack.delete(CACHE).await;
        assert_eq!(again.status, StackStatus::DeleteComplete, "{what}: {}", again.reason);
    }
    if matches!(case.kind, Operation::Delete) || outcome.status == StackStatus::RollbackComplete {
        assert_eq!(promises::leftovers(&host.aws), Vec::<String>::new(), "{what}");
    }
}

/// Create, five updates and Delete: every call, throttled, failed, cut before and after it took effect, its process
/// killed after it, and denied. All end as promised.
#[test]
fn every_call_of_every_operation_may_fail_in_every_way() {
    let mut runs: Vec<(&str, usize, Harm)> = Vec::new();
    for case in cases() {
        let calls = in_virtual_time(clean_run(&case));
        println!("{}: {calls} calls", case.name);
        assert!(calls > 10, "{}: {calls}", case.name);
        runs.extend((1..=calls).flat_map(|nth| HARMS.map(|harm| (case.name, nth, harm))));
    }
    let cases = cases();
    try_all(&runs, |(name, nth, harm), run| {
        let case = cases.iter().find(|case| case.name == *name).unwrap();
        in_virtual_time(harmed_run(case, *nth, *harm, run));
    });
}

/// All runs, told which of them broke a promise.
fn try_all<R: Sync + Debug>(runs: &[R], one: impl Fn(&R, usize) + Sync) {
    let started = Instant::now();
    let ended = on_all_processors(runs.len() as u64, |number| {
        fastrand::seed(number);
        let number = usize::try_from(number).unwrap();
        one(&runs[number], number);
    });
    println!("{} runs in {:.1} s", runs.len(), started.elapsed().as_secs_f64());
    let broken: Vec<&R> = runs.iter().zip(ended).filter(|(_, ended)| ended.is_none()).map(|(run, _)| run).collect();
    assert!(broken.is_empty(), "{} of {} runs broke a promise: {broken:?}", broken.len(), runs.len());
}

/// A rotation by Secrets Manager in which the nth call is harmed. Returns how many calls it made.
async fn harmed_rotation(harm: Option<(usize, Harm)>, run: usize) -> usize {
    let properties = with(production(), json!({"AuthTokenGraceMinutes": 0}));
    let case =
        Case { name: "scheduled rotation", kind: Operation::Update, before: properties.clone(), after: properties };
    let host = host(&case, &format!("rotation-{run}")).await;
    let before = calls(&host.aws).len();
    let (old, secret) = (promises::stored_token(&host.aws, GROUP), format!("elasticache/{GROUP}/auth-token"));
    let rotation = json!({"SecretId": secret, "RotationLambdaARN": SERVICE_TOKEN});
    by_hand(&host.aws, SecretsManager::handle, "RotateSecret", rotation);
    if let Some((nth, harm)) = harm {
        do_harm(&host, nth, harm, Life::CALM.timeout);
    }
    let rotated = rotate_with(&host.aws, &*host.aws.lambda().function(), &secret).await;
    let what = format!("call and harm {harm:?}");
    assert_eq!(rotated, Ok(()), "{what}");
    let new = promises::stored_token(&host.aws, GROUP);
    assert_ne!(new, old, "{what}");
    let tokens = host.aws.with(|world, _| world.elasticache.groups[GROUP].tokens.clone());
    assert_eq!(Some(tokens), new.map(|new| vec![new]), "{what}");
    calls(&host.aws).len() - before
}

/// The four steps of a rotation by Secrets Manager, in the same six ways: one new token in the end, and only that.
#[test]
fn every_call_of_a_scheduled_rotation_may_fail_in_every_way() {
    let calls = in_virtual_time(harmed_rotation(None, 0));
    assert!(calls > 20, "{calls}");
    let runs: Vec<(usize, Harm)> = (1..=calls).flat_map(|nth| HARMS.map(|harm| (nth, harm))).collect();
    try_all(&runs, |harm, run| {
        in_virtual_time(harmed_rotation(Some(*harm), run));
    });
}
