//! Deterministic simulation: from one seed an account, a function whose processes die, a Lambda that delivers late and
//! twice, and a CloudFormation that rolls back, cancels and goes on, all in one process and in virtual time.
//!
//! `make test` takes the same seeds every time. `make simulate` takes 2000 from a random one on, `make simulate SEED=7`
//! one of them exactly as before.

mod exhaustive;
pub(crate) mod host;
mod promises;
mod schedule;
mod soak;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::cloudformation::{Outcome, SERVICE_TOKEN, StackStatus};
use simulator::readings::TokenDate;
use simulator::secrets_manager::SecretsManager;

use crate::harness::{CACHE, by_hand, logged, production};
use host::{Host, Life};
use promises::GROUP;
use schedule::{Operation, Schedule};

/// Seeds of a run that nobody asked for more.
const SEEDS: u64 = 300;

/// Each seed is a different life of a stack with different trouble. `SEED` is the first of `SEEDS`, a number or `random`.
/// Without it a run depends on the code alone: it is a change that breaks a test, not the day.
#[test]
fn whatever_happens_the_promises_hold() {
    let given = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let first = match given("SEED").as_deref() {
        None => 0,
        Some("random") => fastrand::u64(..1 << 40),
        Some(number) => number.parse().unwrap(),
    };
    let count = given("SEEDS").map_or(SEEDS, |number| number.parse().unwrap());
    println!("{count} seeds from {first}");
    let started = Instant::now();
    let mut totals = Totals::default();
    for (seed, ran) in (first..).zip(on_all_processors(count, |index| in_virtual_time(run(first + index)))) {
        match ran {
            Some(ran) => totals.add(&ran),
            None => totals.failed.push(seed),
        }
    }
    println!("{totals:?} in {:.1} s", started.elapsed().as_secs_f64());
    assert!(totals.failed.is_empty(), "replay with: make simulate SEED={}", totals.failed[0]);
}

/// What was run, to see that something was.
#[derive(Debug, Default)]
struct Totals {
    seeds: u64,
    operations: usize,
    invocations: usize,
    calls: usize,
    most_calls_in_a_minute: usize,
    refused_for_a_reason: usize,
    failed: Vec<u64>,
}

impl Totals {
    fn add(&mut self, ran: &Totals) {
        self.seeds += 1;
        self.operations += ran.operations;
        self.invocations += ran.invocations;
        self.calls += ran.calls;
        self.most_calls_in_a_minute = self.most_calls_in_a_minute.max(ran.most_calls_in_a_minute);
        self.refused_for_a_reason += ran.refused_for_a_reason;
    }
}

/// The trials `0..count`, one at a time on each processor: what each ended with in this order, `None` when it panicked.
pub(crate) fn on_all_processors<T: Send>(count: u64, trial: impl Fn(u64) -> T + Sync) -> Vec<Option<T>> {
    let (next, ended) = (AtomicU64::new(0), Mutex::new(BTreeMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            // Without optimisation the frames of the SDK and of the function under it are large.
            let thread = std::thread::Builder::new().stack_size(8 << 20);
            let work = || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    if index >= count {
                        return;
                    }
                    let result = catch_unwind(AssertUnwindSafe(|| trial(index))).ok();
                    ended.lock().unwrap().insert(index, result);
                }
            };
            thread.spawn_scoped(scope, work).unwrap();
        }
    });
    ended.into_inner().unwrap().into_values().collect()
}

/// Runs to the end on a clock of its own, which only moves when nothing else is left to do.
pub(crate) fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

async fn run(seed: u64) -> Totals {
    // Jitter of the product and of the SDK.
    fastrand::seed(seed);
    let mut schedule = Schedule::of(seed);
    let host = Host::new(&format!("sim-{seed}"));
    promises::add_lookalikes(&host.aws);
    host.aws.clock().sleep(Duration::from_mins(20)).await;
    let others = promises::of_others(&host.aws);
    schedule.set_pace(&host.aws);
    let mut life = StackLife {
        host,
        id: GROUP.to_owned(),
        now: None,
        tokens: BTreeSet::new(),
        extra_ids: BTreeSet::new(),
        retains: schedule.retains,
        outcomes: Vec::new(),
        refused: 0,
    };
    let ((), log) = logged(async {
        // Of a replayed seed one wants to see what happened up to the failure.
        let shown = std::env::var("SHOW_LOG").is_ok().then(|| tracing_subscriber::fmt().without_time().finish());
        let _guard = shown.map(tracing::subscriber::set_default);
        life.host.stack.retain_replaced(schedule.retains);
        for operation in schedule.operations.clone() {
            let texts = schedule.trouble(&life.host, &operation);
            let expected = life.go_through(&schedule.base, &operation, &texts).await;
            if !schedule.hurries {
                life.host.quiet().await;
            }
            life.check_state(expected, &operation);
        }
        life.end().await;
    })
    .await;
    let StackLife { host, tokens, outcomes, refused, .. } = life;
    assert_eq!(promises::of_others(&host.aws), others, "something of others was touched");
    assert_eq!(promises::leftovers(&host.aws), Vec::<String>::new());
    promises::assert_truthful_answers(&host.aws);
    promises::assert_nothing_shown(&host.aws, &tokens, &log, &outcomes);
    Totals {
        operations: outcomes.len(),
        invocations: host.attempts(),
        calls: host.aws.journal().len(),
        most_calls_in_a_minute: promises::assert_few_calls(&host.aws, host.most_at_once()),
        refused_for_a_reason: refused,
        ..Totals::default()
    }
}

/// A stack and what is known of it from outside.
struct StackLife {
    host: Host,
    /// The physical id that CloudFormation knows.
    id: String,
    /// Properties that CloudFormation believes to be true, when there is a resource.
    now: Option<Value>,
    tokens: BTreeSet<String>,
    /// Ids of generations that CloudFormation lost track of.
    extra_ids: BTreeSet<String>,
    /// Whether CloudFormation keeps what an Update replaces.
    retains: bool,
    outcomes: Vec<Outcome>,
    refused: usize,
}

impl StackLife {
    /// Returns the properties of the resource if CloudFormation is content.
    async fn go_through(&mut self, base: &Value, operation: &Operation, texts: &[String]) -> Option<Value> {
        let before = self.host.aws.journal().len();
        let stack = self.host.stack.clone();
        let expected = match operation {
            Operation::Create { fails_elsewhere } => {
                if *fails_elsewhere {
                    stack.fail_elsewhere();
                }
                let outcome = stack.create(CACHE, base.clone()).await;
                self.judge(outcome, StackStatus::CreateComplete, *fails_elsewhere, texts, before);
                Some(base.clone())
            }
            Operation::CreateAgain { with } => {
                stack.keep_failed(true);
                let outcome = stack.create(CACHE, base.clone()).await;
                stack.keep_failed(false);
                if outcome.status == StackStatus::CreateComplete {
                    self.judge(outcome, StackStatus::CreateComplete, false, texts, before);
                    Some(base.clone())
                } else {
                    self.judge(outcome, StackStatus::CreateFailed, false, texts, before);
                    let outcome = stack.create(CACHE, with.clone()).await;
                    self.judge(outcome, StackStatus::CreateComplete, false, texts, before);
                    Some(with.clone())
                }
            }
            Operation::Update { to, fails_elsewhere } if self.now.is_some() => {
                if *fails_elsewhere {
                    stack.fail_elsewhere();
                }
                let outcome = stack.update(CACHE, to.clone()).await;
                let elsewhere = *fails_elsewhere && Some(to) != self.now.as_ref();
                if self.retains && outcome.status == StackStatus::UpdateComplete && outcome.physical_id != self.id {
                    self.extra_ids.insert(json!(self.id).to_string());
                }
                self.judge(outcome, StackStatus::UpdateComplete, elsewhere, texts, before);
                Some(to.clone())
            }
            Operation::Cancel { to, after } if self.now.is_some() => {
                let outcome = stack.update_and_cancel(CACHE, to.clone(), *after).await;
                let nothing_changes = Some(to) == self.now.as_ref();
                let wanted =
                    if nothing_changes { StackStatus::UpdateComplete } else { StackStatus::UpdateRollbackComplete };
                self.judge(outcome, wanted, false, texts, before);
                self.now.clone()
            }
            Operation::Abandon { after } => {
                self.abandon(base, *after, before).await;
                None
            }
            Operation::Delete => {
                let outcome = stack.delete(CACHE).await;
                self.judge(outcome, StackStatus::DeleteComplete, false, texts, before);
                None
            }
            // The Create came to nothing.
            Operation::Update { .. } | Operation::Cancel { .. } => None,
        };
        self.clean_up().await;
        expected
    }

    /// What CloudFormation says of an operation must be true, and a failure must have its reason in what was planned.
    fn judge(&mut self, outcome: Outcome, wanted: StackStatus, elsewhere: bool, texts: &[String], before: usize) {
        // The first request of an update that is cancelled may stay without an answer.
        let silent = outcome.requests.len() - outcome.answers.len();
        let cancelled = outcome.reason == "Resource update cancelled";
        assert!(silent <= usize::from(cancelled), "{silent} requests without an answer: {}", outcome.reason);
        let calls = self.host.aws.journal().split_off(before);
        for answer in outcome.answers.iter().filter(|answer| !answer.is_success()) {
            let reason = answer.reason();
            let denied = promises::denied(&calls).iter().any(|action| reason.contains(action));
            // Events only explain: without the right to read them the failure stands without its explanation.
            let unread = calls.iter().any(|call| call.action == "DescribeEvents" && call.outcome.is_err());
            let unexplained = reason.contains("gives no reason in its events") && unread;
            let unanswered = reason.contains("CloudFormation does not say whether it rolls back")
                && calls.iter().any(|call| call.action == "DescribeStacks" && call.outcome.is_err());
            let planned = unanswered || texts.iter().any(|text| reason.contains(text.as_str())) || unexplained;
            assert!(denied || planned, "nothing justifies: {reason}");
            self.refused += 1;
        }
        let back = [StackStatus::RollbackComplete, StackStatus::UpdateRollbackComplete];
        let stuck = [StackStatus::RollbackFailed, StackStatus::UpdateRollbackFailed, StackStatus::DeleteFailed];
        match outcome.status {
            status if status == wanted => assert!(!elsewhere, "the failure elsewhere was not noticed"),
            status if back.contains(&status) => {}
            status => assert!(stuck.contains(&status), "{status}"),
        }
        self.id.clone_from(&outcome.physical_id);
        self.outcomes.push(outcome);
    }

    /// Deletes the generations that CloudFormation gave up on, as its users have to: one whose Delete failed at once, and
    /// of two between which it could not go back the other one at the end.
    async fn clean_up(&mut self) {
        let Some(outcome) = self.outcomes.last() else { return };
        let deletes = outcome.requests.iter().skip(1).filter(|request| request["RequestType"] == "Delete");
        let mut given_up: BTreeSet<String> = deletes.map(|delete| delete["PhysicalResourceId"].to_string()).collect();
        let failed = outcome.answers.iter().filter(|answer| !answer.is_success());
        let failed: BTreeSet<String> = failed.map(|answer| json!(answer.physical_id).to_string()).collect();
        given_up.retain(|id| failed.contains(id));
        if outcome.status == StackStatus::UpdateRollbackFailed {
            self.extra_ids.extend(outcome.requests.iter().map(|request| request["PhysicalResourceId"].to_string()));
        }
        if outcome.status == StackStatus::DeleteComplete {
            given_up.append(&mut self.extra_ids);
        }
        for id in given_up {
            self.host.aws.clear_faults();
            self.host.set_fate(|_| Life::CALM);
            let id: Value = serde_json::from_str(&id).unwrap();
            let answer = self.host.stack.send("Delete", CACHE, json!({"PhysicalResourceId": id})).await;
            let answer = answer.unwrap_or_else(|silence| panic!("the Delete: {silence}"));
            assert!(answer.is_success(), "{}", answer.reason());
        }
    }

    /// The stack is deleted as soon as its Create has made something, or later.
    async fn abandon(&mut self, base: &Value, after: Duration, before: usize) {
        let stack = &self.host.stack;
        let create = stack.send("Create", CACHE, json!({"ResourceProperties": base}));
        let delete = async {
            let begun = || self.host.aws.with(|world, _| world.elasticache.subnet_groups.contains_key(GROUP));
            for _ in 0..600 {
                if begun() {
                    break;
                }
                self.host.aws.clock().sleep(Duration::from_secs(1)).await;
            }
            self.host.aws.clock().sleep(after).await;
            stack.send("Delete", CACHE, json!({"ResourceProperties": base, "PhysicalResourceId": GROUP})).await
        };
        let (_, answer) = tokio::join!(create, delete);
        let answer = answer.unwrap_or_else(|silence| panic!("the Delete: {silence}"));
        if !answer.is_success() {
            let calls = self.host.aws.journal().split_off(before);
            let denied = promises::denied(&calls).iter().any(|action| answer.reason().contains(action));
            assert!(denied, "nothing justifies: {}", answer.reason());
            self.host.aws.clear_faults();
            self.host.set_fate(|_| Life::CALM);
            self.host.quiet().await;
            let again = json!({"ResourceProperties": base, "PhysicalResourceId": GROUP});
            assert!(stack.send("Delete", CACHE, again).await.unwrap().is_success());
        }
    }

    /// The account after an operation: as CloudFormation believes it to be.
    fn check_state(&mut self, expected: Option<Value>, operation: &Operation) {
        self.tokens.extend(promises::stored_token(&self.host.aws, &self.id));
        let status = self.outcomes.last().map(|outcome| outcome.status);
        let abandoned = matches!(operation, Operation::Abandon { .. });
        self.now = match status {
            _ if abandoned => None,
            Some(StackStatus::CreateComplete | StackStatus::UpdateComplete) => expected,
            // What AWS does not take back stays, and the user has to say so in the template before anything else.
            Some(StackStatus::UpdateRollbackComplete) if self.keeps_something() => None,
            Some(StackStatus::UpdateRollbackComplete) => self.now.take(),
            // Nothing is known for sure until somebody deploys again.
            _ => None,
        };
        if let Some(now) = &self.now {
            assert_eq!(
                promises::differences(&self.host.aws, &self.id, now),
                Vec::<String>::new(),
                "after {operation:?}"
            );
            if self.extra_ids.is_empty() {
                promises::assert_one_of_each(&self.host.aws);
            }
        }
        if matches!(status, Some(StackStatus::RollbackComplete | StackStatus::DeleteComplete)) {
            assert_eq!(promises::leftovers(&self.host.aws), Vec::<String>::new());
        }
    }

    fn keeps_something(&self) -> bool {
        let warnings = self.outcomes.last().and_then(|outcome| outcome.get_att("Warnings").ok());
        // Where no date tells of a SET, a first token that a rollback leaves may be required although it seems optional.
        let tells = self.host.aws.with(|world, _| world.readings.token_date != TokenDate::Rotate);
        warnings.is_some_and(|warnings| {
            warnings.contains("because AWS does not go back")
                || (!tells && warnings.contains("accepts the token of an update that failed"))
        })
    }

    /// Without any trouble a Delete always succeeds.
    async fn end(&mut self) {
        self.host.aws.clear_faults();
        self.host.set_fate(|_| Life::CALM);
        self.host.stack.deliver_twice(false);
        let outcome = self.host.stack.delete(CACHE).await;
        assert_eq!(outcome.status, StackStatus::DeleteComplete, "{}", outcome.reason);
        self.outcomes.push(outcome);
        self.clean_up().await;
        self.host.quiet().await;
    }
}

/// A step of a rotation that cannot end in its invocation uses the time it has, by the function's own clock, and says
/// then what it waited for.
#[test]
fn a_step_of_a_rotation_ends_before_its_invocation() {
    in_virtual_time(async {
        let host = Host::new("rotation-deadline");
        let outcome = host.stack.create(CACHE, production()).await;
        assert_eq!(outcome.status, StackStatus::CreateComplete, "{}", outcome.reason);
        let secret = json!({"SecretId": format!("elasticache/{GROUP}/auth-token"), "RotationLambdaARN": SERVICE_TOKEN});
        let announced = by_hand(&host.aws, SecretsManager::handle, "RotateSecret", secret);
        let step = |step| {
            let (secret, version) = (&announced["ARN"], &announced["VersionId"]);
            host.stack.invoke(json!({"SecretId": secret, "ClientRequestToken": version, "Step": step}))
        };
        host.aws.with(|world, _| world.elasticache.pace.auth = Duration::from_mins(25));
        host.set_fate(|_| Life { timeout: Duration::from_mins(3), ..Life::CALM });
        assert_eq!(step("createSecret").await, Ok(()));
        let began = host.aws.clock().now();
        let failure = step("setSecret").await.unwrap_err();
        assert!(failure.starts_with("not enough time in this invocation"), "{failure}");
        let took = host.aws.clock().now().since(began);
        assert!(took > Duration::from_mins(2), "{took:?}");
    });
}

/// The same seed is the same run, call by call.
#[test]
fn a_seed_replays_exactly() {
    let calls = |seed, turn| {
        in_virtual_time(async move {
            fastrand::seed(seed);
            let mut schedule = Schedule::of(seed);
            // The SDK's memory of failures belongs to a region, and a second run must not find that of the first.
            let host = Host::new(&format!("replay-{seed}-{turn}"));
            schedule.set_pace(&host.aws);
            let operation = Operation::Create { fails_elsewhere: false };
            schedule.trouble(&host, &operation);
            host.stack.create(CACHE, schedule.base.clone()).await;
            host.quiet().await;
            let told = |entry: simulator::journal::Entry| (entry.at, entry.action, entry.outcome.err());
            host.aws.journal().into_iter().map(told).collect::<Vec<_>>()
        })
    };
    for seed in 0..20 {
        assert_eq!(calls(seed, 1), calls(seed, 2), "seed {seed}");
    }
}
