//! What one invocation did, as one line in CloudWatch's embedded metric format. Calls nothing.
//!
//! The counts belong to the invocation that makes the calls; a task-local finds it, so that neither the SDK nor the code
//! between needs to pass it on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use strum::{IntoStaticStr, VariantArray};
use tokio::time::Instant;

/// Lines of this target are the message alone: CloudWatch reads metrics only from a line that is nothing else.
pub const TARGET: &str = "elasticache_resource::telemetry::metrics::line";
/// Where CloudWatch keeps the metrics.
pub const NAMESPACE: &str = "ElastiCacheResource";
/// Each set of dimensions makes its own metrics: by outcome for alarms, and by both for detail.
const DIMENSIONS: [&[&str]; 2] = [&["Outcome"], &["RequestType", "Outcome"]];
/// A step of a rotation that fails is tried again, and no stack fails with it: it does not count for the alarms.
const DIMENSIONS_OF_ROTATION: [&[&str]; 2] = [&["RequestType", "Outcome"], &["RequestType", "Step", "Outcome"]];
/// Nor does a plan that somebody asked for.
const DIMENSIONS_OF_PLAN: [&[&str]; 1] = [&["RequestType", "Outcome"]];

tokio::task_local! {
    static METER: Arc<Meter>;
}

/// What the time of an invocation goes into. Phases may overlap: an observation that pauses before a retry counts for both.
/// Its word is the name of its metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(suffix = "Duration")]
pub enum Phase {
    /// Reading what is there.
    Observe,
    /// Applying steps.
    Act,
    /// Pausing between polls and tries.
    Wait,
    /// Sending the answer.
    Answer,
}

/// The counts of one invocation.
#[derive(Debug)]
pub struct Meter {
    started: Instant,
    started_epoch_ms: u64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    calls: BTreeMap<String, u64>,
    tries: u64,
    throttles: u64,
    phases: BTreeMap<Phase, Stopwatch>,
    handed_over: bool,
    denied: BTreeMap<String, String>,
}

/// Time in which at least one of several things that may overlap was going on.
#[derive(Debug, Default)]
struct Stopwatch {
    running: u32,
    since: Option<Instant>,
    total: Duration,
}

impl Stopwatch {
    fn start(&mut self) {
        self.running += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    fn stop(&mut self) {
        self.running = self.running.saturating_sub(1);
        if self.running == 0
            && let Some(since) = self.since.take()
        {
            self.total += since.elapsed();
        }
    }

    fn read(&self) -> Duration {
        self.total + self.since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

/// What an invocation was for and how it ended.
#[derive(Clone, Copy, Debug)]
pub struct Ending<'a> {
    /// What it was for.
    pub work: Work<'a>,
    /// How it ended.
    pub outcome: Ended,
    /// Since the first invocation for the request began.
    pub elapsed: Duration,
}

/// What an invocation was for.
#[derive(Clone, Copy, Debug)]
pub enum Work<'a> {
    /// A request of CloudFormation.
    Request {
        /// `Create`, `Update`, `Delete` or `Unknown`.
        request_type: &'a str,
        /// `RequestId` of the event.
        request_id: &'a str,
        /// `StackId` of the event.
        stack_id: &'a str,
        /// `LogicalResourceId` of the event.
        logical_id: &'a str,
    },
    /// A step of a rotation.
    Rotation {
        /// `Step` of the event.
        step: &'a str,
        /// `SecretId` of the event.
        secret: &'a str,
        /// `ClientRequestToken` of the event.
        version: &'a str,
    },
    /// What a request would do.
    Plan {
        /// `PhysicalResourceId` of the event; empty for a Create.
        physical_id: &'a str,
    },
}

impl Work<'_> {
    /// Name of the work, and what tells it from other work of that name.
    fn fields(&self) -> Vec<(&'static str, &str)> {
        match *self {
            Work::Request { request_type, request_id, stack_id, logical_id } => vec![
                ("RequestType", request_type),
                ("RequestId", request_id),
                ("StackId", stack_id),
                ("LogicalResourceId", logical_id),
            ],
            Work::Rotation { step, secret, version } => {
                vec![("RequestType", "Rotation"), ("Step", step), ("SecretId", secret), ("ClientRequestToken", version)]
            }
            Work::Plan { physical_id } => vec![("RequestType", "Plan"), ("PhysicalResourceId", physical_id)],
        }
    }

    fn dimensions(&self) -> &'static [&'static [&'static str]] {
        match self {
            Work::Request { .. } => &DIMENSIONS,
            Work::Rotation { .. } => &DIMENSIONS_OF_ROTATION,
            Work::Plan { .. } => &DIMENSIONS_OF_PLAN,
        }
    }
}

/// How an invocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// CloudFormation has SUCCESS, a step of a rotation is taken, or a plan is made.
    Success,
    /// CloudFormation has FAILED, or Secrets Manager is told so.
    Failed,
    /// There was an answer that CloudFormation did not get.
    Undelivered,
    /// No answer was due: the next invocation goes on with the work, or it was no longer wanted.
    Open,
}

impl Meter {
    /// A meter of an invocation that begins now.
    #[must_use]
    pub fn start(started_epoch_ms: u64) -> Arc<Meter> {
        Arc::new(Meter { started: Instant::now(), started_epoch_ms, counts: Mutex::default() })
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The actions that AWS did not allow, with what it said first.
    #[must_use]
    pub fn denied(&self) -> BTreeMap<String, String> {
        self.counts().denied.clone()
    }

    /// The line. Only names of actions and numbers, and of the event the ids that every log line has.
    #[must_use]
    pub fn line(&self, ending: &Ending<'_>) -> Value {
        let counts = self.counts();
        let ms = |duration: Duration| json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        let calls: u64 = counts.calls.values().sum();
        let mut values = vec![
            ("Invocations", "Count", json!(1)),
            ("Duration", "Milliseconds", ms(self.started.elapsed())),
            ("RequestDuration", "Milliseconds", ms(ending.elapsed)),
            ("Calls", "Count", json!(calls)),
            ("Retries", "Count", json!(counts.tries.saturating_sub(calls))),
            ("Throttles", "Count", json!(counts.throttles)),
        ];
        let phase = |phase: Phase| counts.phases.get(&phase).map(Stopwatch::read).unwrap_or_default();
        values.extend(Phase::VARIANTS.iter().map(|p| (p.into(), "Milliseconds", ms(phase(*p)))));
        let outcome = match ending.outcome {
            Ended::Success => "SUCCESS",
            Ended::Failed => "FAILED",
            Ended::Undelivered => "UNDELIVERED",
            Ended::Open if counts.handed_over => "HANDED_OVER",
            Ended::Open => "STOPPED",
        };
        let metrics: Vec<Value> = values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let mut line = json!({
            "_aws": {
                "Timestamp": self.started_epoch_ms.saturating_add(ms(self.started.elapsed()).as_u64().unwrap_or_default()),
                "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": ending.work.dimensions(), "Metrics": metrics}],
            },
            "Outcome": outcome,
            "CallsByAction": counts.calls,
        });
        for (name, value) in ending.work.fields() {
            line[name] = json!(value);
        }
        for (name, _, value) in values {
            line[name] = value;
        }
        line
    }
}

/// Runs an invocation; what is counted meanwhile goes to its meter.
pub async fn metered<T>(meter: &Arc<Meter>, invocation: impl Future<Output = T>) -> T {
    METER.scope(Arc::clone(meter), invocation).await
}

/// An action that AWS did not allow, and what it said.
pub fn note_denial(action: &str, said: &str) {
    count(|counts| {
        counts.denied.entry(action.to_owned()).or_insert_with(|| said.to_owned());
    });
}

/// Changes the counts of the invocation that runs; outside of one nothing is counted.
fn count(change: impl FnOnce(&mut Counts)) {
    // There is no meter in tests of single parts.
    METER.try_with(|meter| change(&mut meter.counts())).unwrap_or_default();
}

/// One call of this action, whatever becomes of it.
pub fn count_call(service: &str, action: &str) {
    count(|counts| *counts.calls.entry(format!("{service}:{action}")).or_default() += 1);
}

/// One try of a call; the first counts too.
pub fn count_try() {
    count(|counts| counts.tries += 1);
}

/// One answer that says that there were too many calls.
pub fn count_throttle() {
    count(|counts| counts.throttles += 1);
}

/// The work goes on in the next invocation.
pub fn count_hand_over() {
    count(|counts| counts.handed_over = true);
}

/// Counts the time of `work` into a phase, also when it is given up.
pub async fn timed<T>(phase: Phase, work: impl Future<Output = T>) -> T {
    let _running = Running::new(phase);
    work.await
}

struct Running(Phase);

impl Running {
    fn new(phase: Phase) -> Running {
        count(|counts| counts.phases.entry(phase).or_default().start());
        Running(phase)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        count(|counts| counts.phases.entry(self.0).or_default().stop());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn line(meter: &Meter, outcome: Ended) -> Value {
        let work = Work::Request { request_type: "Create", request_id: "r", stack_id: "s", logical_id: "l" };
        meter.line(&Ending { work, outcome, elapsed: 90 * SECOND })
    }

    #[tokio::test(start_paused = true)]
    async fn time_that_overlaps_counts_once() {
        let meter = Meter::start(0);
        let work = async {
            tokio::join!(
                timed(Phase::Observe, tokio::time::sleep(2 * SECOND)),
                timed(Phase::Observe, tokio::time::sleep(3 * SECOND)),
                timed(Phase::Wait, tokio::time::sleep(SECOND)),
            );
            timed(Phase::Observe, tokio::time::sleep(SECOND)).await;
            // Given up after a second of work.
            let given_up = tokio::time::timeout(SECOND, timed(Phase::Act, tokio::time::sleep(9 * SECOND)));
            assert!(given_up.await.is_err());
        };
        metered(&meter, work).await;
        let line = line(&meter, Ended::Success);
        let read = |name: &str| line[name].as_u64().unwrap();
        assert_eq!(["ObserveDuration", "WaitDuration", "ActDuration"].map(read), [4000, 1000, 1000]);
        assert_eq!(["Duration", "RequestDuration", "AnswerDuration"].map(read), [5000, 90_000, 0]);
    }

    #[tokio::test]
    async fn calls_count_for_the_invocation_that_makes_them() {
        let (one, other) = (Meter::start(0), Meter::start(0));
        let calls = async |times: usize| {
            for _ in 0..times {
                count_call("ec2", "DescribeVpcs");
                count_try();
                tokio::task::yield_now().await;
            }
            count_try();
        };
        tokio::join!(metered(&one, calls(2)), metered(&other, calls(3)));
        count_call("ec2", "Nobody");
        let lines = [&one, &other].map(|meter| line(meter, Ended::Failed));
        assert_eq!(lines.each_ref().map(|line| line["Calls"].as_u64().unwrap()), [2, 3]);
        assert_eq!(lines[0]["Retries"], 1);
        assert_eq!(lines[1]["CallsByAction"], json!({"ec2:DescribeVpcs": 3}));
    }

    #[tokio::test]
    async fn an_end_without_an_answer_says_whether_the_work_goes_on() {
        let meter = Meter::start(0);
        assert_eq!(line(&meter, Ended::Open)["Outcome"], "STOPPED");
        metered(&meter, async { count_hand_over() }).await;
        assert_eq!(line(&meter, Ended::Open)["Outcome"], "HANDED_OVER");
        assert_eq!(line(&meter, Ended::Failed)["Outcome"], "FAILED");
    }
}
