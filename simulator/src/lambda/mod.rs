//! Lambda: the Runtime API for a compiled function, and Invoke.
//!
//! An event reaches the function either as a call ([`Function`], in process) or through the Runtime API, where a
//! compiled function ([`Process`]) fetches it. Asynchronous delivery, with Lambda's retries, is the same for both.

mod delivery;
mod invoke_api;
mod process;
mod runtime_api;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Notify, oneshot};

pub(crate) use invoke_api::Invoked;

pub use delivery::{ByArn, Function, Invocation, RETRY_WAITS, deliver};
pub use process::{Environment, Line, Process, Stream, Workers};

/// Name of the function.
pub const FUNCTION_NAME: &str = "elasticache-resource";
/// Its ARN, without alias or version.
pub const FUNCTION_ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:elasticache-resource";
/// The version that changes with the code; there is always one.
const LATEST: &str = "$LATEST";
/// The longest that a function may run (facts 2.1).
pub const MAX_TIMEOUT: Duration = Duration::from_mins(15);

/// The service around one function; clones share it.
#[derive(Clone, Default)]
pub struct Lambda(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    invocations: u64,
    queue: VecDeque<Pending>,
    /// With the address at which the process that has it reaches the Runtime API: each has its own.
    running: BTreeMap<String, (String, Pending)>,
    failures: Vec<String>,
    attached: Option<Weak<dyn Function>>,
    /// Whether something has asked the Runtime API for events and not ended since.
    served: bool,
    /// Aliases and versions.
    qualifiers: BTreeSet<String>,
}

/// An invocation that waits for the function, or runs in it.
struct Pending {
    request_id: String,
    /// ARN that the function is invoked through.
    arn: String,
    event: Value,
    done: oneshot::Sender<Result<Value, String>>,
}

impl Lambda {
    /// Calls of the Invoke API go to `function` as long as it lives; without one they wait for the Runtime API.
    pub fn attach(&self, function: &Arc<dyn Function>) {
        self.lock().attached = Some(Arc::downgrade(function));
    }

    /// What handles events now: the attached function, else whatever serves the Runtime API.
    #[must_use]
    pub fn function(&self) -> Arc<dyn Function> {
        let attached = self.lock().attached.as_ref().and_then(Weak::upgrade);
        attached.unwrap_or_else(|| Arc::new(self.clone()))
    }

    /// Whether events get anywhere: a function is attached, or a process serves the Runtime API.
    #[must_use]
    pub fn is_served(&self) -> bool {
        let state = self.lock();
        state.served || state.attached.as_ref().is_some_and(|function| function.strong_count() > 0)
    }

    /// Makes an alias or a version of the function.
    pub fn publish(&self, qualifier: &str) {
        self.lock().qualifiers.insert(qualifier.to_owned());
    }

    /// The ARN of the function that a name, a partial ARN or an ARN means, with its qualifier; none of what is not there.
    fn known(&self, name: &str) -> Option<String> {
        let after = name.rsplit_once("function:").map_or(name, |(_, after)| after);
        let qualifier = match after.split_once(':') {
            Some((function, qualifier)) => (function == FUNCTION_NAME).then_some(Some(qualifier)),
            None => (after == FUNCTION_NAME).then_some(None),
        }?;
        match qualifier {
            None => Some(FUNCTION_ARN.to_owned()),
            Some(qualifier) if qualifier == LATEST || self.lock().qualifiers.contains(qualifier) => {
                Some(format!("{FUNCTION_ARN}:{qualifier}"))
            }
            Some(_) => None,
        }
    }

    /// What invocations through the Runtime API failed with, in order.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        self.lock().failures.clone()
    }

    /// The process that reached the Runtime API at this address is gone: what ran in it has failed.
    pub fn runtime_exited(&self, api: &str, how: &str) {
        let lost: Vec<Pending> = {
            let mut state = self.lock();
            state.served = false;
            let (lost, others) = std::mem::take(&mut state.running).into_iter().partition(|(_, (at, _))| at == api);
            state.running = others;
            let lost: BTreeMap<String, (String, Pending)> = lost;
            lost.into_values().map(|(_, pending)| pending).collect()
        };
        for pending in lost {
            let failure = format!("RequestId: {} Error: Runtime exited: {how}", pending.request_id);
            self.finish(pending, Err(failure));
        }
    }

    /// Puts an event before the function that the Runtime API serves; the receiver gets its result.
    fn enqueue(&self, arn: &str, event: Value) -> oneshot::Receiver<Result<Value, String>> {
        let (done, result) = oneshot::channel();
        let mut state = self.lock();
        state.invocations += 1;
        let request_id = format!("00000000-0000-4000-8000-{:012x}", state.invocations);
        state.queue.push_back(Pending { request_id, arn: arn.to_owned(), event, done });
        drop(state);
        self.0.arrived.notify_one();
        result
    }

    fn finish(&self, pending: Pending, result: Result<Value, String>) {
        if let Err(failure) = &result {
            self.lock().failures.push(failure.clone());
        }
        // Nobody waits any more when the stack is gone.
        let _ = pending.done.send(result);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Lambda {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Lambda").field("queued", &state.queue.len()).field("running", &state.running.len()).finish()
    }
}

#[cfg(test)]
mod tests;
