//! One local AWS: its state, clock, rights, faults and journal in one handle that everybody shares.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::{Clock, Time};
use crate::cloudformation::AnswerBox;
use crate::faults::{Fault, Faults};
use crate::gateway;
use crate::journal::{Entry, is_write};
use crate::lambda::Lambda;
use crate::ledger::{Ledger, Shape};
use crate::policy::Policy;
use crate::world::{AwsError, Call, Right, World};

/// The queue that events go into that died three times.
const DEAD_LETTERS: &str = "arn:aws:sqs:us-east-1:123456789012:elasticache-resource-dead-letters";

/// A handle on a local AWS; clones share it.
#[derive(Clone, Debug)]
pub struct LocalAws(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    /// Locked alone or inside `world`, never around it.
    checks: Mutex<Checks>,
    clock: Clock,
    answers: AnswerBox,
    lambda: Lambda,
}

/// What stands between a request and the state, and what is remembered of it.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    policy: Option<Policy>,
    pub(crate) faults: Faults,
    limit: Option<RateLimit>,
    used_actions: BTreeSet<String>,
    refusals: Vec<Right>,
    journal: Vec<Entry>,
    ledger: Option<Arc<Ledger>>,
    unlisted: Vec<Shape>,
    without_outputs: bool,
    observers: Vec<UnboundedSender<Entry>>,
    requests: u64,
    dead_letters: Vec<Value>,
}

impl Checks {
    /// The first of these permissions that the policy does not give.
    pub(crate) fn missing(&mut self, rights: Vec<Right>) -> Option<Right> {
        let mut missing = None;
        for right in rights {
            if self.policy.as_ref().is_none_or(|policy| policy.allows(&right)) {
                self.used_actions.insert(right.action);
            } else {
                missing.get_or_insert_with(|| right.clone());
                self.refusals.push(right);
            }
        }
        missing
    }

    /// Whether a call at this moment is within the request rate.
    pub(crate) fn within_limit(&mut self, now: Time) -> bool {
        self.limit.as_mut().is_none_or(|limit| limit.take(now))
    }

    /// Refuses a write whose shape is not in the ledger.
    pub(crate) fn admit_shape(&mut self, service: &str, call: &Call) -> Result<(), AwsError> {
        let Some(ledger) = self.ledger.as_ref().filter(|_| is_write(&call.action)) else { return Ok(()) };
        ledger.admits(service, &call.action, &call.params).map_err(|shape| {
            let message = format!("nobody has seen AWS accept this call: {shape}");
            self.unlisted.push(shape);
            AwsError::new("UnlistedCall", message)
        })
    }

    /// Writes one call into the journal and tells those who watch.
    pub(crate) fn record(&mut self, entry: Entry) {
        self.observers.retain(|observer| observer.send(entry.clone()).is_ok());
        self.journal.push(entry);
    }

    /// Ids look like those of AWS and are the same in every run.
    pub(crate) fn next_request_id(&mut self) -> String {
        self.requests += 1;
        format!("5d0c0000-0000-4000-8000-{:012x}", self.requests)
    }
}

/// A token bucket in simulated time that holds one second's worth of calls.
#[derive(Debug)]
struct RateLimit {
    per_second: f64,
    tokens: f64,
    filled: Time,
}

impl RateLimit {
    fn take(&mut self, now: Time) -> bool {
        let earned = now.since(self.filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + earned).min(self.per_second);
        self.filled = now;
        let allowed = self.tokens >= 1.0;
        if allowed {
            self.tokens -= 1.0;
        }
        allowed
    }
}

/// The connection broke: the caller gets no HTTP answer.
#[derive(Debug, thiserror::Error)]
#[error("connection reset by the local AWS")]
pub struct Cut;

impl LocalAws {
    /// A local AWS whose clock runs `speed` times as fast as tokio's; `policy` says what the function may do, and
    /// `None` lets it do everything. Callers with the access key
    /// [`ADMINISTRATOR_KEY`](crate::wire::credential::ADMINISTRATOR_KEY) are not the function and may do everything.
    #[must_use]
    pub fn new(speed: f64, policy: Option<Policy>) -> LocalAws {
        let world = World::default();
        LocalAws(Arc::new(Inner {
            world: Mutex::new(world),
            checks: Mutex::new(Checks { policy, ..Checks::default() }),
            clock: Clock::new(speed),
            answers: AnswerBox::default(),
            lambda: Lambda::default(),
        }))
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where answers to CloudFormation arrive.
    #[must_use]
    pub fn answers(&self) -> &AnswerBox {
        &self.0.answers
    }

    /// The Lambda service.
    #[must_use]
    pub fn lambda(&self) -> &Lambda {
        &self.0.lambda
    }

    /// Reads or changes the state directly, as of now, past rights, faults and journal.
    pub fn with<R>(&self, f: impl FnOnce(&mut World, Time) -> R) -> R {
        let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.0.clock.now();
        world.advance(now);
        f(&mut world, now)
    }

    pub(crate) fn checks(&self) -> MutexGuard<'_, Checks> {
        self.0.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All API calls so far.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.checks().journal.clone()
    }

    /// The calls from now on, as they happen.
    #[must_use]
    pub fn subscribe(&self) -> UnboundedReceiver<Entry> {
        let (observer, entries) = unbounded_channel();
        self.checks().observers.push(observer);
        entries
    }

    /// From now on the journal says that a call succeeded and not with what: for runs of very many calls.
    pub fn journal_without_outputs(&self) {
        self.checks().without_outputs = true;
    }

    pub(crate) fn keeps_outputs(&self) -> bool {
        !self.checks().without_outputs
    }

    /// Plans a fault.
    pub fn fault(&self, fault: Fault) {
        self.checks().faults.add(fault);
    }

    /// Forgets the planned faults that have not happened.
    pub fn clear_faults(&self) {
        self.checks().faults = Faults::default();
    }

    /// From now on the function gets at most `n` calls per simulated second through, all services together; more are
    /// throttled.
    pub fn limit_calls_per_second(&self, n: u32) {
        let per_second = f64::from(n);
        self.checks().limit = Some(RateLimit { per_second, tokens: per_second, filled: self.0.clock.now() });
    }

    /// Every IAM action that the function needed and was allowed so far.
    #[must_use]
    pub fn used_actions(&self) -> BTreeSet<String> {
        self.checks().used_actions.clone()
    }

    /// Every permission that the function needed and the policy did not give, in order.
    #[must_use]
    pub fn refusals(&self) -> Vec<Right> {
        self.checks().refusals.clone()
    }

    /// An event died three times: Lambda puts it into the queue, if the function's role may do that.
    pub(crate) fn bury(&self, event: Value) {
        let mut checks = self.checks();
        if checks.missing(vec![Right::new("sqs:SendMessage", DEAD_LETTERS)]).is_none() {
            checks.dead_letters.push(event);
        }
    }

    /// Events that died three times and are in the queue for them.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<Value> {
        self.checks().dead_letters.clone()
    }

    /// From now on the function's writes are refused unless the ledger has their shape.
    pub fn keep_to(&self, ledger: Arc<Ledger>) {
        self.checks().ledger = Some(ledger);
    }

    /// Shapes of the writes that were refused because the ledger lacks them.
    #[must_use]
    pub fn unlisted(&self) -> Vec<Shape> {
        self.checks().unlisted.clone()
    }

    /// What is still there and carries a tag with this key, in any service. A secret that is scheduled for deletion
    /// counts as gone.
    #[must_use]
    pub fn leftovers(&self, tag_key: &str) -> Vec<String> {
        self.with(|world, _| {
            let tagged = world.ec2.tagged(tag_key).into_iter().chain(world.secrets.tagged(tag_key));
            let tagged = tagged.chain(world.elasticache.tagged(tag_key)).chain(world.cloudwatch.tagged(tag_key));
            tagged.map(|(name, _)| name).collect()
        })
    }

    /// Handles one HTTP request to any service: APIs by the service name in the SigV4 credential scope, response
    /// URLs by host or path, the Lambda Runtime API by path.
    pub async fn handle(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Cut> {
        gateway::handle(self, request).await
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_rate_limit_refills_in_simulated_time() {
        let mut limit = RateLimit { per_second: 2.0, tokens: 2.0, filled: Time::START };
        assert!(limit.take(Time::START));
        assert!(limit.take(Time::START));
        assert!(!limit.take(Time::START));
        assert!(limit.take(Time::START + Duration::from_millis(500)));
        assert!(!limit.take(Time::START + Duration::from_millis(501)));
    }
}
