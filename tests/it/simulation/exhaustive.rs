//! Every call of an operation, failed in every way, one run each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::cloudformation::{Answer, Outcome, StackStatus};
use simulator::faults::{Fault, Kind};
use simulator::journal::Caller;

use super::host::{Host, Life};
use super::{in_virtual_time, promises};
use crate::harness::{CACHE, production, quick_start, with};

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
    let tags = json!([{"Key": "Team", "Value": "payments"}]);
    vec![
        Case { name: "Create", kind: Operation::Create, before: production(), after: production() },
        update(
            "Update of settings",
            plain.clone(),
            json!({"Description": "new", "AllowedSecurityGroupIds": [], "Tags": tags}),
        ),
        update("Update of nodes", production(), json!({"NumCacheNodes": 3, "Parameters": {"timeout": "30"}})),
        // A larger node type, a second node, TLS preferred, TLS required.
        update(
            "Update in four steps",
            plain,
            json!({"NodeType": "cache.t4g.small", "NumCacheNodes": 2, "TransitEncryptionEnabled": true}),
        ),
        Case { name: "Delete", kind: Operation::Delete, before: production(), after: production() },
    ]
}

/// The stack as the operation finds it.
async fn host(case: &Case, region: &str) -> Host {
    let host = Host::new(region);
    // Short, so that a run has few looks that are all alike.
    host.aws.with(|world, _| {
        let pace = &mut world.elasticache.pace;
        for span in [
            &mut pace.create,
            &mut pace.node_type,
            &mut pace.add_replica,
            &mut pace.tls,
            &mut pace.auth,
            &mut pace.delete,
        ] {
            *span /= 300;
        }
        pace.create_tls = Duration::ZERO;
        pace.interface_release = Duration::from_secs(1);
        pace.settings = Duration::from_secs(1);
        pace.member_lag = Duration::from_secs(1);
        pace.parameters_settle = Duration::from_secs(1);
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

fn calls(host: &Host) -> Vec<String> {
    let journal = host.aws.journal();
    journal.into_iter().filter(|entry| entry.caller == Caller::Function).map(|entry| entry.action).collect()
}

/// Calls of the operation when nothing happens.
async fn clean_run(case: &Case) -> usize {
    let host = host(case, "clean").await;
    let before = calls(&host).len();
    let outcome = operate(&host, case).await;
    assert!(outcome.answers.iter().all(Answer::is_success), "{}: {}", case.name, outcome.reason);
    calls(&host).len() - before
}

/// One run in which one call is harmed. Every other one has invocations of 45 seconds.
async fn harmed_run(case: &Case, nth: usize, harm: Harm, run: usize) {
    let host = host(case, &format!("run-{run}")).await;
    let before = calls(&host).len();
    let mut first = true;
    let short = run.is_multiple_of(2);
    host.set_fate(move |_| Life {
        timeout: if short { Duration::from_secs(45) } else { Life::CALM.timeout },
        dies_after: (std::mem::take(&mut first) && harm == Harm::KilledAfter).then_some(nth),
        ..Life::CALM
    });
    let fault = match harm {
        Harm::Throttled => Some(Kind::Throttled),
        Harm::Failed => Some(Kind::http_500()),
        Harm::CutBefore => Some(Kind::CutBefore),
        Harm::CutAfter => Some(Kind::CutAfter),
        Harm::Denied => Some(Kind::Denied),
        Harm::KilledAfter => None,
    };
    if let Some(kind) = fault {
        host.aws.fault(Fault::on("*", nth, kind));
    }
    let outcome = operate(&host, case).await;
    let what = format!(
        "{} with call {nth} ({}) {harm:?}",
        case.name,
        calls(&host)[before..].get(nth - 1).map_or("none", String::as_str)
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
    match case.kind {
        Operation::Update => {
            let wanted = if outcome.status == back[0] { &case.after } else { &case.before };
            assert_eq!(promises::differences(&host.aws, wanted), Vec::<String>::new(), "{what}");
            promises::assert_one_of_each(&host.aws);
        }
        Operation::Create if outcome.status == back[0] => {
            assert_eq!(promises::differences(&host.aws, &case.after), Vec::<String>::new(), "{what}");
        }
        Operation::Create | Operation::Delete => {}
    }
    if matches!(case.kind, Operation::Delete) && outcome.status == back[1] {
        let again = host.stack.delete(CACHE).await;
        assert_eq!(again.status, StackStatus::DeleteComplete, "{what}: {}", again.reason);
    }
    if matches!(case.kind, Operation::Delete) || outcome.status == StackStatus::RollbackComplete {
        assert_eq!(host.aws.leftovers("elasticache-resource:stack-id"), Vec::<String>::new(), "{what}");
    }
}

/// Create, three updates and Delete: every call, throttled, failed, cut before and after it took effect, its process
/// killed after it, and denied. All end as promised.
#[test]
fn every_call_of_every_operation_may_fail_in_every_way() {
    let started = Instant::now();
    let mut runs: Vec<(Case, usize, Harm)> = Vec::new();
    for case in cases() {
        let calls = in_virtual_time(clean_run(&case));
        println!("{}: {calls} calls", case.name);
        assert!(calls > 20, "{}: {calls}", case.name);
        runs.extend((1..=calls).flat_map(|nth| HARMS.map(|harm| (case.clone(), nth, harm))));
    }
    let (next, broken) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    let Some((case, nth, harm)) = runs.get(run) else { return };
                    fastrand::seed(run as u64);
                    let result = std::panic::catch_unwind(|| in_virtual_time(harmed_run(case, *nth, *harm, run)));
                    if result.is_err() {
                        broken.lock().unwrap().push((case.name, *nth, *harm));
                    }
                }
            });
        }
    });
    println!("{} runs in {:.1} s", runs.len(), started.elapsed().as_secs_f64());
    let broken = broken.into_inner().unwrap();
    assert!(broken.is_empty(), "{} of {} runs broke a promise: {broken:?}", broken.len(), runs.len());
}
