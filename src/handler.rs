//! One invocation: read the event, do what it asks for, always answer. The only place that turns an error into FAILED.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use futures_util::FutureExt;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use crate::attributes::attributes;
use crate::aws::{Aws, Class};
use crate::cfn::request::{ReplyTo, Request, time_to_answer};
use crate::cfn::response::{self, Answer, Data, Outcome};
use crate::continuation::Continuation;
use crate::desired::{Desired, Owner, Purpose, References, Removal};
use crate::error::Error;
use crate::names;
use crate::reconcile::Run;
use crate::reconcile::observe::Target;
use crate::reconcile::plan::Wish;
use crate::reconcile::update::Update;
use crate::reconcile::wait::Deadline;
use crate::rotation::Rotation;
use crate::rotation::event::RotationEvent;

/// What the function takes from its environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Longest pause between two looks.
    pub poll_interval: Duration,
    /// Name of the log stream, for the reason of a failure.
    pub log_stream: String,
    /// Whether the function has network access to caches, so that a rotation can try a new token.
    pub reaches_caches: bool,
}

/// The function behind `Custom::ElastiCache`.
#[derive(Clone, Debug)]
pub struct Function {
    aws: Aws,
    http: SharedHttpConnector,
    settings: Settings,
}

/// Kept of an invocation for handing the work on, or for sending the answer.
const LAST_PART: Duration = Duration::from_secs(30);
/// Tries to hand the work on.
const HAND_OVER_TRIES: u32 = 4;

impl Function {
    /// A function with its connections.
    #[must_use]
    pub fn new(aws: Aws, http: SharedHttpConnector, settings: Settings) -> Function {
        Function { aws, http, settings }
    }

    /// Handles one event.
    ///
    /// # Errors
    /// The event cannot be answered, or the answer could not be delivered and Lambda should try the event again.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<(), lambda_runtime::Error> {
        let (event, context) = event.into_parts();
        let (event, continuation) = Continuation::split(event);
        if let Some(rotation) = RotationEvent::read(&event) {
            return self.rotate(rotation?, &context, &continuation).await;
        }
        let reply_to = ReplyTo::read(&event).inspect_err(|reason| error!(reason, "the event cannot be answered"))?;
        let span = info_span!(
            "request",
            request_id = reply_to.request_id,
            stack_id = reply_to.stack_id,
            logical_id = reply_to.logical_id,
        );
        let now_epoch_ms = epoch_ms();
        let invocation = Invocation {
            function: context.invoked_function_arn,
            now_epoch_ms,
            end: Instant::now() + Duration::from_millis(context.deadline.saturating_sub(now_epoch_ms)),
            continuation,
        };
        self.answer(&event, &reply_to, &invocation).instrument(span).await
    }

    /// Takes one step of a rotation. What fails is Lambda's and Secrets Manager's to try again.
    async fn rotate(
        &self,
        event: RotationEvent,
        context: &Context,
        continuation: &Continuation,
    ) -> Result<(), lambda_runtime::Error> {
        let now_epoch_ms = epoch_ms();
        let now = Instant::now();
        let rest = Duration::from_millis(context.deadline.saturating_sub(now_epoch_ms));
        let rotation = Rotation {
            aws: &self.aws,
            function: &context.invoked_function_arn,
            poll_interval: self.settings.poll_interval,
            reaches_caches: self.settings.reaches_caches,
            now_epoch_ms,
            started: now,
            end: now + rest.saturating_sub(LAST_PART),
            continuation,
        };
        let span = info_span!("rotation", secret = event.secret, version = event.version, step = ?event.step);
        let work = Box::pin(rotation.take(&event)).instrument(span.clone());
        work.await.map_err(|reason| {
            span.in_scope(|| error!(reason, "failed"));
            lambda_runtime::Error::from(reason)
        })
    }

    async fn answer(
        &self,
        event: &Value,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), lambda_runtime::Error> {
        let request = Request::read(event);
        let physical_id = physical_id(reply_to, &request);
        let outcome = match &request {
            Ok(request) => {
                // A panic must not leave the stack waiting for an hour; the hook has logged where it happened.
                let work = AssertUnwindSafe(Box::pin(self.work(event, request, reply_to, &physical_id, invocation)));
                work.catch_unwind().await.unwrap_or_else(|_| {
                    Err("the function failed unexpectedly; its log says where. Please report it".to_owned())
                })
            }
            Err(reason) => Err(reason.clone()),
        };
        let answer = match outcome {
            Ok(None) => return Ok(()),
            Ok(Some(Done { physical_id, data })) => {
                info!(physical_id, "succeeded");
                Answer { physical_id, outcome: Outcome::Success(data) }
            }
            Err(reason) => {
                error!(physical_id, reason, "failed");
                Answer { physical_id, outcome: Outcome::Failed(reason) }
            }
        };
        let body = answer.body(reply_to, &self.settings.log_stream);
        match response::deliver(&self.http, reply_to, &body, invocation.end).await {
            Err(undelivered) if !undelivered.refused => Err(undelivered.into()),
            // An expired URL stays expired; another try of the event could not answer either.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Does what the request asks for: what to answer, `None` when the next invocation goes on with it, or why it failed.
    async fn work(
        &self,
        event: &Value,
        request: &Request,
        reply_to: &ReplyTo,
        physical_id: &str,
        invocation: &Invocation,
    ) -> Result<Option<Done>, String> {
        let owner = Owner { stack_id: reply_to.stack_id.clone(), logical_id: reply_to.logical_id.clone() };
        let deadline = invocation.deadline(time_to_answer(request.properties()));
        let request_key = format!("{}|{}", reply_to.stack_id, reply_to.request_id);
        let mut run = Run::new(&self.aws, &request_key, self.settings.poll_interval, deadline)
            .resumed(&invocation.continuation.memory);
        let result = match request {
            Request::Create { properties } => match Desired::new(properties, &owner, Purpose::Create) {
                Ok(mut desired) => {
                    run.settle_cluster_mode(&mut desired).await;
                    let converged = run.present(Wish { desired: &desired, previous: None, renamed: None }).await;
                    converged.map(|converged| (desired, converged))
                }
                Err(problems) => {
                    let references = References::read(properties, Purpose::Create);
                    Err(run.refused(problems, &references, None).await)
                }
            },
            Request::Update { .. } if names::id_defect(physical_id).is_some() => {
                return Err(format!("PhysicalResourceId is not the id of a replication group: {physical_id:?}"));
            }
            Request::Update { properties, old_properties, .. } => {
                Box::pin(run.update(Update { owner: &owner, physical_id, properties, earlier: old_properties })).await
            }
            Request::Delete { properties, .. } => {
                let removed = absent(&mut run, properties, &owner, physical_id, &request_key).await;
                return self
                    .ended(removed.map(|()| Done::removed(physical_id)), event, &run, invocation, deadline)
                    .await;
            }
        };
        let done = result.map(|(desired, converged)| Done {
            physical_id: desired.names.replication_group.clone(),
            data: attributes(&desired, &converged.observed, &converged.warnings),
        });
        self.ended(done, event, &run, invocation, deadline).await
    }

    /// What the end of a run means: work that does not fit into this invocation is handed on.
    async fn ended(
        &self,
        result: Result<Done, Error>,
        event: &Value,
        run: &Run<'_>,
        invocation: &Invocation,
        deadline: Deadline,
    ) -> Result<Option<Done>, String> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(Error::HandOver) => self.hand_over(event, run, invocation, deadline).await.map(|()| None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Has the function invoked again with the same event and what this run remembers.
    async fn hand_over(
        &self,
        event: &Value,
        run: &Run<'_>,
        invocation: &Invocation,
        deadline: Deadline,
    ) -> Result<(), String> {
        let before = &invocation.continuation;
        let next = Continuation {
            hop: before.hop + 1,
            started_epoch_ms: match before.started_epoch_ms {
                0 => invocation.now_epoch_ms,
                started => started,
            },
            elapsed_ms: u64::try_from(deadline.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            memory: run.memory(),
        };
        let payload = next.payload(event);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.aws.invoke(&invocation.function, payload.clone()).await {
                Ok(()) => {
                    info!(hop = next.hop, "handed the work on to the next invocation");
                    return Ok(());
                }
                Err(fault) if tries >= HAND_OVER_TRIES || fault.class == Class::Denied => {
                    let elapsed = deadline.started.elapsed().as_secs();
                    return Err(format!("after {elapsed} s the work could not be handed on: {fault}"));
                }
                Err(fault) => warn!(tries, %fault, "handing on failed"),
            }
            tokio::time::sleep(Duration::from_secs(1) * tries).await;
        }
    }
}

/// One run of the function by Lambda.
#[derive(Debug)]
struct Invocation {
    /// ARN under which the function was invoked.
    function: String,
    /// Wall clock at its start.
    now_epoch_ms: u64,
    /// When Lambda ends it.
    end: Instant,
    /// What the one before handed on.
    continuation: Continuation,
}

impl Invocation {
    /// When the request must be answered, before CloudFormation stops waiting; and when this invocation must hand on.
    fn deadline(&self, time_to_answer: Duration) -> Deadline {
        let elapsed = self.continuation.elapsed(self.now_epoch_ms);
        let now = Instant::now();
        Deadline {
            started: now.checked_sub(elapsed).unwrap_or(now),
            answer_by: now + time_to_answer.saturating_sub(elapsed),
            hand_over_at: self.end.checked_sub(LAST_PART).unwrap_or(self.end),
        }
    }
}

/// What a request ended with.
#[derive(Debug)]
struct Done {
    physical_id: String,
    data: Data,
}

impl Done {
    fn removed(physical_id: &str) -> Done {
        Done { physical_id: physical_id.to_owned(), data: Data::default() }
    }
}

/// Removes what stands under the physical id. When CloudFormation never got an answer to a Create it makes an id up; then
/// what the properties name is removed, if it is this resource's.
async fn absent(
    run: &mut Run<'_>,
    properties: &Value,
    owner: &Owner,
    physical_id: &str,
    request_key: &str,
) -> Result<(), Error> {
    let removal = Removal::new(properties, owner, physical_id, request_key);
    let derived = Desired::derived_id(properties).filter(|stem| names::generation(physical_id, stem).is_none());
    if let Some(stem) = derived
        && !(names::id_defect(physical_id).is_none() && run.owns_anything(Target::from(&removal)).await?)
    {
        info!(physical_id, stem, "nothing of ours has this id; removing what the properties name");
        return run.remove(&Removal::new(properties, owner, &stem, request_key), properties).await;
    }
    run.remove(&removal, properties).await
}

/// The id to answer with: the one that came in, else the one that the properties derive, else a made-up legal one.
fn physical_id(reply_to: &ReplyTo, request: &Result<Request, String>) -> String {
    let derived = || request.as_ref().ok().and_then(|request| Desired::derived_id(request.properties()));
    match (&reply_to.physical_id, request) {
        (Some(id), Ok(Request::Update { .. } | Request::Delete { .. }) | Err(_)) => id.clone(),
        _ => derived().unwrap_or_else(|| names::fallback_id(&reply_to.logical_id, &reply_to.stack_id)),
    }
}

/// Milliseconds since the epoch; Lambda tells its deadline in them.
#[allow(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
fn epoch_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
