//! An account whose function lives in short-lived processes: they start late, run out of time, and die after any call.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use elasticache_resource::Function;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use simulator::LocalAws;
use simulator::clock::Clock;
use simulator::cloudformation::{SERVICE_TOKEN, Stack};
use simulator::in_process::InProcess;
use tokio::sync::Notify;

use crate::harness::{function_over, policy};
use crate::ledger::Kept;

/// How one invocation lives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// How long Lambda takes to start it.
    pub(crate) delay: Duration,
    /// How long Lambda lets it run.
    pub(crate) timeout: Duration,
    /// After which of its calls its process is gone; calls are counted from 1.
    pub(crate) dies_after: Option<usize>,
}

impl Life {
    /// Starts at once, runs as long as it wants, dies of nothing.
    pub(crate) const CALM: Life = Life { delay: Duration::ZERO, timeout: Duration::from_mins(15), dies_after: None };
}

/// What decides how the invocation for an event lives.
pub(crate) type Fate = Box<dyn FnMut(&Value) -> Life + Send>;

/// An account with a stack and the function.
pub(crate) struct Host {
    pub(crate) aws: LocalAws,
    pub(crate) stack: Arc<Stack>,
    fate: Arc<Mutex<Fate>>,
    running: Arc<Running>,
    _kept: Kept,
}

/// Invocations under way.
#[derive(Debug, Default)]
struct Running {
    now: AtomicUsize,
    most: AtomicUsize,
    attempts: AtomicUsize,
}

/// Lambda's pauses between tries are shorter than this, so that a silence of this length means that nothing follows.
const SILENCE: Duration = Duration::from_mins(4);

impl Host {
    /// A fresh account. `region` keeps what the SDK remembers of failures apart from that of other accounts, so that a
    /// run depends on nothing but its seed.
    pub(crate) fn new(region: &str) -> Host {
        let aws = LocalAws::new(1.0, Some(policy()));
        aws.journal_without_outputs();
        Host::in_account(&aws, region, "app")
    }

    /// One more stack in an account.
    pub(crate) fn in_account(aws: &LocalAws, region: &str, name: &str) -> Host {
        CLOCK.with_borrow_mut(|clock| *clock = Some(aws.clock().clone()));
        let connector =
            SharedHttpConnector::new(Mortal { inner: SharedHttpConnector::new(InProcess::new(aws.clone())) });
        let function = function_over(region, connector).with_clock(epoch_ms);
        let fate: Arc<Mutex<Fate>> = Arc::new(Mutex::new(Box::new(|_| Life::CALM)));
        let running = Arc::new(Running::default());
        let (fates, counts, clock) = (Arc::clone(&fate), Arc::clone(&running), aws.clock().clone());
        let invoke = move |event: Value| {
            let life = fates.lock().unwrap()(&event);
            let (function, counts, clock) = (function.clone(), Arc::clone(&counts), clock.clone());
            async move {
                let now = counts.now.fetch_add(1, Ordering::Relaxed) + 1;
                counts.most.fetch_max(now, Ordering::Relaxed);
                counts.attempts.fetch_add(1, Ordering::Relaxed);
                clock.sleep(life.delay).await;
                let result = live(function, event, life).await;
                counts.now.fetch_sub(1, Ordering::Relaxed);
                result
            }
        };
        let stack = Arc::new(Stack::new(aws, invoke, name));
        Host { aws: aws.clone(), stack, fate, running, _kept: Kept::to_the_ledger(aws) }
    }

    /// From now on invocations live as this says.
    pub(crate) fn set_fate(&self, fate: impl FnMut(&Value) -> Life + Send + 'static) {
        *self.fate.lock().unwrap() = Box::new(fate);
    }

    /// Waits until nothing runs and nothing can follow.
    pub(crate) async fn quiet(&self) {
        loop {
            let attempts = self.running.attempts.load(Ordering::Relaxed);
            self.aws.clock().sleep(SILENCE).await;
            let still = self.running.now.load(Ordering::Relaxed) == 0;
            if still && self.running.attempts.load(Ordering::Relaxed) == attempts {
                return;
            }
        }
    }

    /// The most invocations that ran at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.running.most.load(Ordering::Relaxed)
    }

    /// All invocations so far.
    pub(crate) fn attempts(&self) -> usize {
        self.running.attempts.load(Ordering::Relaxed)
    }
}

thread_local! {
    /// Every account on a thread has the same time.
    static CLOCK: RefCell<Option<Clock>> = const { RefCell::new(None) };
}

/// The wall clock of the function: simulated time.
fn epoch_ms() -> u64 {
    CLOCK.with_borrow(|clock| clock.as_ref().map(|clock| clock.now().epoch_millis()).unwrap_or_default())
}

async fn live(function: Function, event: Value, life: Life) -> Result<(), String> {
    let (calls, dead) = (AtomicUsize::new(0), Notify::new());
    let process = Arc::new(Process { calls, dies_after: life.dies_after, dead });
    let mut context = Context::default();
    SERVICE_TOKEN.clone_into(&mut context.invoked_function_arn);
    context.deadline = epoch_ms() + u64::try_from(life.timeout.as_millis()).unwrap();
    let work = PROCESS.scope(Arc::clone(&process), function.handle(LambdaEvent::new(event, context)));
    tokio::select! {
        biased;
        () = process.dead.notified() => Err("Runtime exited with error: signal: killed".to_owned()),
        () = tokio::time::sleep(life.timeout) => Err("Task timed out".to_owned()),
        result = work => result.map(drop).map_err(|error| error.to_string()),
    }
}

/// The process that an invocation runs in.
#[derive(Debug)]
struct Process {
    calls: AtomicUsize,
    dies_after: Option<usize>,
    dead: Notify,
}

tokio::task_local! {
    static PROCESS: Arc<Process>;
}

/// A connection of a process that may die when a call is through.
#[derive(Clone, Debug)]
struct Mortal {
    inner: SharedHttpConnector,
}

impl HttpConnector for Mortal {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.inner.call(request);
        let process = PROCESS.try_with(Arc::clone).ok();
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            if let Some(process) = process {
                let calls = process.calls.fetch_add(1, Ordering::Relaxed) + 1;
                if process.dies_after == Some(calls) {
                    process.dead.notify_one();
                    std::future::pending::<()>().await;
                }
            }
            answer
        })
    }
}
