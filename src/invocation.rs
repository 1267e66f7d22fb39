//! One invocation by Lambda: how long it may work, and handing the work over to the next one. Calls Lambda.
//!
//! An invocation ends after 15 minutes, CloudFormation waits an hour. Thirty seconds before the invocation ends the
//! function invokes itself with the same event and the little that AWS cannot tell (`src/continuation.rs`). Should
//! that fail, it is tried again until twelve seconds are left, and then the request is answered as FAILED. Shortly
//! before `ServiceTimeout` the function answers FAILED with what it was waiting for. A call that AWS does not answer
//! is given up for either, eight seconds after the work should have been handed over, or half of the margin after the
//! request should have been answered. Of an invocation shorter than forty seconds all these parts are smaller, so that
//! some of it is left to work in. A run without time left, of an event that comes too late, makes nothing new.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::Aws;
use crate::backoff::Backoff;
use crate::cfn::request::{margin, time_to_answer};
use crate::continuation::{Continuation, Memory};
use crate::reconcile::wait::Deadline;
use crate::telemetry::metrics;

/// One run of the function by Lambda.
#[derive(Debug)]
pub(crate) struct Invocation {
    /// ARN under which the function was invoked.
    pub(crate) function: String,
    /// Wall clock at its start.
    pub(crate) now_epoch_ms: u64,
    /// When it began.
    pub(crate) began: Instant,
    /// When Lambda ends it.
    pub(crate) end: Instant,
    /// When CloudFormation asked, as far as the response URL tells.
    pub(crate) signed_epoch_ms: Option<u64>,
    /// What the one before handed on.
    pub(crate) continuation: Continuation,
}

/// How long a response URL is good for (seen in events; not documented). A date that is further away is not this
/// request's age but another clock.
const URL_LIFETIME: Duration = Duration::from_hours(2);

/// Kept of an invocation for handing the work on, or for sending the answer.
pub(crate) const LAST_PART: Duration = Duration::from_secs(30);

/// Kept of that when AWS has not answered a call by then, which is given up.
const INTERRUPT_PART: Duration = Duration::from_secs(22);

/// Kept of that for sending the answer, should handing on fail.
const ANSWER_PART: Duration = Duration::from_secs(12);

/// Kept of that for saying that the answer could not be sent; Lambda then tries the event again.
pub(crate) const LAST_SECOND: Duration = Duration::from_secs(1);

/// Length of an invocation from which on these parts are kept in full.
const WHOLE: Duration = Duration::from_secs(40);

/// Longest that AWS may take to accept the work.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(6);

/// The pauses between tries to hand the work on: there are seconds for them all.
const HAND_OVER: Backoff =
    Backoff { first: Duration::from_secs(1), factor: 2.0, longest: Duration::from_secs(2), jitter: 0.5 };

impl Invocation {
    /// When the first invocation for this request began.
    pub(crate) fn started(&self) -> Instant {
        self.began.checked_sub(self.elapsed()).unwrap_or(self.began)
    }

    /// How long the request had been worked on when this invocation began.
    fn elapsed(&self) -> Duration {
        // An attempt that died left no word of when it began; CloudFormation has been waiting since it signed the URL.
        let age = self.signed_epoch_ms.and_then(|signed| self.now_epoch_ms.checked_sub(signed));
        let age = age.map(Duration::from_millis).filter(|age| *age <= URL_LIFETIME).unwrap_or_default();
        self.continuation.elapsed(self.now_epoch_ms).max(age)
    }

    pub(crate) fn before_end(&self, part: Duration) -> Instant {
        // Of a shorter invocation less is kept, so that something is left to work in.
        let whole = self.end.saturating_duration_since(self.began);
        let part = part.mul_f64((whole.as_secs_f64() / WHOLE.as_secs_f64()).min(1.0));
        self.end.checked_sub(part).unwrap_or(self.end)
    }

    /// When a request must be answered for which CloudFormation waits so long, and when this invocation must hand on.
    pub(crate) fn deadline(&self, service_timeout: Duration) -> Deadline {
        let left = time_to_answer(service_timeout).saturating_sub(self.elapsed());
        let answer_by = self.began + left;
        Deadline {
            started: self.started(),
            answer_by,
            hand_over_at: self.before_end(LAST_PART),
            give_up_at: answer_by + margin(service_timeout) / 2,
            interrupt_at: self.before_end(INTERRUPT_PART),
        }
    }

    /// Has the function invoked again with the same event and what this one remembers.
    ///
    /// # Errors
    /// It was not possible, and why.
    pub(crate) async fn hand_over(
        &self,
        aws: &Aws,
        event: &Value,
        memory: Memory,
        deadline: Deadline,
    ) -> Result<(), String> {
        let before = &self.continuation;
        let next = Continuation {
            hop: before.hop + 1,
            started_epoch_ms: match before.started_epoch_ms {
                0 => self.now_epoch_ms,
                started => started,
            },
            elapsed_ms: u64::try_from(deadline.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            memory,
        };
        let payload = next.payload(event);
        // Time must be left to say that it did not work.
        let give_up = self.before_end(ANSWER_PART);
        for tries in 0.. {
            let failure = match self.invoke_next(aws, &payload, give_up).await {
                Ok(()) => {
                    metrics::count_hand_over();
                    info!(hop = next.hop, "handed the work on to the next invocation");
                    return Ok(());
                }
                Err(failure) => failure,
            };
            let pause = HAND_OVER.pause(tries, fastrand::f64());
            if Instant::now() + pause >= give_up {
                let elapsed = deadline.started.elapsed().as_secs();
                return Err(format!("after {elapsed} s the work could not be handed on: {failure}"));
            }
            warn!(tries = tries + 1, failure, "handing on failed");
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// One try to hand the work on, which may not take for ever.
    async fn invoke_next(&self, aws: &Aws, payload: &str, give_up: Instant) -> Result<(), String> {
        let until = give_up.min(Instant::now() + HAND_OVER_TIMEOUT);
        match tokio::time::timeout_at(until, aws.invoke(&self.function, payload.to_owned())).await {
            Ok(result) => result.map_err(|fault| fault.to_string()),
            Err(_) => Err("lambda:InvokeFunction: no answer in time".to_owned()),
        }
    }
}
