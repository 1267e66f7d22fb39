//! One invocation: read the event, do what it asks for, always answer. The only place that turns an error into FAILED.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use futures_util::FutureExt;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use crate::attributes::attributes;
use crate::auth::rotation::event::RotationEvent;
use crate::aws::Aws;
use crate::cfn::reason::Reason;
use crate::cfn::request::{ReplyTo, Request, service_timeout, time_to_answer};
use crate::cfn::response::{self, Answer, Data, Outcome};
use crate::cfn::signed_at::SignedAt;
use crate::continuation::Continuation;
use crate::cost::{NodeKind, Price};
use crate::desired::{Desired, Purpose, derived_id};
use crate::domain::names;
use crate::domain::tags::Owner;
use crate::environment::Settings;
use crate::error::Error;
use crate::invocation::{Invocation, LAST_PART, LAST_SECOND};
use crate::plan_event::PlanEvent;
use crate::preview;
use crate::properties::Parsed;
use crate::reconcile::Run;
use crate::reconcile::fence::requests::RequestKey;
use crate::reconcile::observe;
use crate::reconcile::rotate::Rotation;
use crate::reconcile::update::Update;
use crate::reconcile::wait::Deadline;
use crate::telemetry::metrics::{self, Ended, Ending, Meter, Phase, Work, timed};

/// The function behind `Custom::ElastiCache`.
#[derive(Clone, Debug)]
pub struct Function {
    aws: Aws,
    http: SharedHttpConnector,
    settings: Settings,
    epoch_ms: fn() -> u64,
}

/// What CloudFormation is told after a panic; the hook has logged where it happened.
const PANICKED: &str = "the function failed unexpectedly; its log says where. Please report it";
/// Longest that somebody who asks for a plan waits: by then the AWS CLI would give up.
const PLAN_AT_MOST: Duration = Duration::from_secs(50);
/// Longest reason in a log line.
const LOGGED_BYTES: usize = 8192;

impl Function {
    /// A function with its connections.
    #[must_use]
    pub fn new(aws: Aws, http: SharedHttpConnector, settings: Settings) -> Function {
        Function { aws, http, settings, epoch_ms }
    }

    /// The same function by another wall clock, in milliseconds since the epoch: tests have their own time.
    #[must_use]
    pub fn with_clock(self, epoch_ms: fn() -> u64) -> Function {
        Function { epoch_ms, ..self }
    }

    /// Handles one event. Returns what its sender is told: a plan where one was asked for, else null.
    ///
    /// # Errors
    /// The event cannot be answered, or the answer could not be delivered and Lambda should try the event again.
    pub async fn handle(&self, event: LambdaEvent<Value>) -> Result<Value, lambda_runtime::Error> {
        let (event, context) = event.into_parts();
        if let Some(plan) = PlanEvent::read(&event) {
            return match plan {
                Ok(plan) => self.plan(&plan, &context).boxed().await,
                Err(why) => {
                    warn!(why, "no plan could be made");
                    Ok(preview::answer(&Err(why), &BTreeMap::new()))
                }
            };
        }
        self.react(event, context).await.map(|()| Value::Null)
    }

    /// Does what the event of a service asks for.
    async fn react(&self, event: Value, context: Context) -> Result<(), lambda_runtime::Error> {
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
        let now_epoch_ms = (self.epoch_ms)();
        let invocation = Invocation {
            function: context.invoked_function_arn,
            now_epoch_ms,
            began: Instant::now(),
            end: Instant::now() + Duration::from_millis(context.deadline.saturating_sub(now_epoch_ms)),
            signed_epoch_ms: reply_to.url.signed_at().and_then(SignedAt::epoch_ms),
            continuation,
        };
        self.metered(&event, &reply_to, &invocation).instrument(span).await
    }

    /// Handles the event, and says at the end what that took.
    async fn metered(
        &self,
        event: &Value,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<(), lambda_runtime::Error> {
        let meter = Meter::start(invocation.now_epoch_ms);
        let result = metrics::metered(&meter, self.answer(event, reply_to, invocation)).await;
        let known = |kind: &&str| ["Create", "Update", "Delete"].contains(kind);
        let work = Work::Request {
            request_type: event.get("RequestType").and_then(Value::as_str).filter(known).unwrap_or("Unknown"),
            request_id: &reply_to.request_id,
            stack_id: &reply_to.stack_id,
            logical_id: &reply_to.logical_id,
        };
        let outcome = *result.as_ref().unwrap_or(&Ended::Undelivered);
        let ending = Ending { work, outcome, elapsed: invocation.started().elapsed() };
        info!(target: metrics::TARGET, "{}", meter.line(&ending));
        result.map(drop)
    }

    /// Takes one step of a rotation. What fails is Lambda's and Secrets Manager's to try again.
    async fn rotate(
        &self,
        event: RotationEvent,
        context: &Context,
        continuation: &Continuation,
    ) -> Result<(), lambda_runtime::Error> {
        let now_epoch_ms = (self.epoch_ms)();
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
        let meter = Meter::start(now_epoch_ms);
        let work = AssertUnwindSafe(Box::pin(rotation.run(&event)).instrument(span.clone())).catch_unwind();
        let result = metrics::metered(&meter, work).await.unwrap_or_else(|_| Err(PANICKED.to_owned()));
        let ending = Ending {
            work: Work::Rotation { step: event.step.into(), secret: &event.secret, version: &event.version },
            outcome: *result.as_ref().unwrap_or(&Ended::Failed),
            elapsed: continuation.elapsed(now_epoch_ms) + now.elapsed(),
        };
        let _entered = span.entered();
        info!(target: metrics::TARGET, "{}", meter.line(&ending));
        result.map(drop).map_err(|reason| {
            error!(reason, "failed");
            lambda_runtime::Error::from(reason)
        })
    }

    /// What a request with these properties would do to this account. Nothing is written, and no right waited for.
    async fn plan(&self, event: &PlanEvent, context: &Context) -> Result<Value, lambda_runtime::Error> {
        let (now_epoch_ms, now) = ((self.epoch_ms)(), Instant::now());
        let end = now + Duration::from_millis(context.deadline.saturating_sub(now_epoch_ms));
        let answer_by = end.checked_sub(LAST_SECOND).unwrap_or(end).min(now + PLAN_AT_MOST);
        let deadline =
            Deadline { started: now, answer_by, hand_over_at: end, give_up_at: answer_by, interrupt_at: end };
        let nobody = RequestKey::new("", "", "", None);
        let account = context.invoked_function_arn.split(':').nth(4).filter(|id| !id.is_empty());
        let mut run = Run::new(&self.aws, &nobody, self.settings.poll_interval, deadline)
            .in_account(account)
            .without_waiting_for_rights();
        let span = info_span!("plan", physical_id = event.physical_id);
        let meter = Meter::start(now_epoch_ms);
        let work = AssertUnwindSafe(Box::pin(run.preview(event)).instrument(span.clone())).catch_unwind();
        let preview = match metrics::metered(&meter, tokio::time::timeout_at(answer_by, work)).await {
            Ok(Ok(preview)) => preview,
            Ok(Err(_)) => return Err(PANICKED.into()),
            Err(_) => Err(format!("AWS did not answer a call within {} s", now.elapsed().as_secs())),
        };
        let _entered = span.entered();
        if let Err(why) = &preview {
            warn!(why, "no plan could be made");
        }
        let ending = Ending {
            work: Work::Plan { physical_id: event.physical_id.as_deref().unwrap_or_default() },
            outcome: if preview.is_ok() { Ended::Success } else { Ended::Failed },
            elapsed: now.elapsed(),
        };
        info!(target: metrics::TARGET, "{}", meter.line(&ending));
        Ok(preview::answer(&preview, &meter.denied()))
    }

    async fn answer(
        &self,
        event: &Value,
        reply_to: &ReplyTo,
        invocation: &Invocation,
    ) -> Result<Ended, lambda_runtime::Error> {
        // A panic anywhere must not leave the stack waiting for an hour.
        let request = caught(|| Request::read(event)).and_then(|request| request);
        let physical_id = caught(|| physical_id(reply_to, &request)).unwrap_or_else(|_| unread_id(reply_to));
        let outcome = match &request {
            Ok(request) => {
                let work = self.work(event, request, reply_to, &physical_id, invocation);
                AssertUnwindSafe(work.boxed()).catch_unwind().await.unwrap_or_else(|_| Err(PANICKED.to_owned().into()))
            }
            Err(reason) => Err(reason.clone().into()),
        };
        let elapsed_seconds = invocation.started().elapsed().as_secs();
        let (answer, ended) = match outcome {
            Ok(None) => return Ok(Ended::Open),
            Ok(Some(Done { physical_id, data })) => {
                info!(physical_id, elapsed_seconds, why = "nothing is left to do", "answering SUCCESS");
                (Answer { physical_id, outcome: Outcome::Success(data) }, Ended::Success)
            }
            Err(reason) => {
                error!(physical_id, elapsed_seconds, why = reason.within(LOGGED_BYTES, ""), "answering FAILED");
                (Answer { physical_id, outcome: Outcome::Failed(reason) }, Ended::Failed)
            }
        };
        let body = answer.body(reply_to, &self.settings.log_stream);
        let give_up = invocation.before_end(LAST_SECOND);
        match timed(Phase::Answer, response::deliver(&self.http, reply_to, &body, give_up)).await {
            Ok(()) => Ok(ended),
            // An expired URL stays expired; another try of the event could not answer either.
            Err(undelivered) if undelivered.refused => Ok(Ended::Undelivered),
            Err(undelivered) => Err(undelivered.into()),
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
    ) -> Result<Option<Done>, Reason> {
        if let Request::Update { .. } = request
            && names::id_defect(physical_id).is_some()
        {
            let defect = format!("PhysicalResourceId is not the id of a replication group: {physical_id:?}");
            return Err(defect.into());
        }
        let deadline = invocation.deadline(service_timeout(request.properties()));
        let url = &reply_to.url;
        let request_key = RequestKey::new(&reply_to.stack_id, &reply_to.request_id, url.expose(), url.signed_at());
        let account = invocation.function.split(':').nth(4).filter(|id| !id.is_empty());
        let mut run = Run::new(&self.aws, &request_key, self.settings.poll_interval, deadline)
            .in_account(account)
            .resumed(&invocation.continuation.memory);
        // A call may take longer than the time that is left. What it does then, the next observation shows.
        let work = Box::pin(self.done(request, reply_to, physical_id, &mut run));
        let worked = tokio::time::timeout_at(deadline.end(), work).await;
        let result = worked.unwrap_or_else(|_| Err(run.interrupted()));
        self.ended(result, event, &run, invocation, deadline).await
    }

    /// Brings the account to what the request asks for.
    async fn done(
        &self,
        request: &Request,
        reply_to: &ReplyTo,
        physical_id: &str,
        run: &mut Run<'_>,
    ) -> Result<Done, Error> {
        let owner = Owner { stack_id: reply_to.stack_id.clone(), logical_id: reply_to.logical_id.clone() };
        let parsed = Parsed::read(request.properties());
        let ((desired, converged), price) = match request {
            Request::Create { .. } => {
                let desired = Desired::new(&parsed, &owner, Purpose::Create).ok();
                self.priced(desired.as_ref(), Box::pin(run.create(&parsed, &owner))).await?
            }
            Request::Update { old_properties, .. } => {
                let desired = Desired::new(&parsed, &owner, Purpose::Update(physical_id)).ok();
                let update = Update {
                    owner: &owner,
                    physical_id,
                    properties: &parsed,
                    earlier: &Parsed::read(old_properties),
                    time_to_answer: time_to_answer(service_timeout(request.properties())),
                };
                self.priced(desired.as_ref(), Box::pin(run.update(update))).await?
            }
            Request::Delete { .. } => {
                Box::pin(run.delete(&parsed, &owner, physical_id)).await?;
                return Ok(Done::removed(physical_id));
            }
        };
        Ok(Done {
            physical_id: desired.names.replication_group.clone(),
            data: attributes(&desired, &converged.observed, &converged.warnings, price.as_ref()),
        })
    }

    /// Work towards what is wanted, with the price of a node looked up meanwhile; it is no longer wanted when the work fails.
    async fn priced<T>(
        &self,
        desired: Option<&Desired>,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<(T, Option<Price>), Error> {
        let price = async {
            match desired {
                Some(desired) => Ok(observe::price(&self.aws, self.kind(desired)).await),
                None => Ok(None),
            }
        };
        tokio::try_join!(Box::pin(work), Box::pin(price))
    }

    /// The kind of node that is wanted.
    fn kind<'d>(&'d self, desired: &'d Desired) -> NodeKind<'d> {
        NodeKind { region: self.aws.region(), engine: desired.engine, node_type: &desired.node_type }
    }

    /// What the end of a run means: work that does not fit into this invocation is handed on.
    async fn ended(
        &self,
        result: Result<Done, Error>,
        event: &Value,
        run: &Run<'_>,
        invocation: &Invocation,
        deadline: Deadline,
    ) -> Result<Option<Done>, Reason> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(Error::HandOver) => {
                let handed_over = invocation.hand_over(&self.aws, event, run.memory(), deadline).await;
                handed_over.map(|()| None).map_err(Reason::from)
            }
            Err(Error::Superseded) => Ok(superseded()),
            // What failed may have failed because of a newer request, and nobody waits for this answer any more.
            Err(_) if run.is_superseded().await => Ok(superseded()),
            Err(error) => Err(run.explained(error).reason()),
        }
    }
}

/// The result, or what to say after a panic.
fn caught<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| PANICKED.to_owned())
}

/// A run that is no longer the newest ends without an answer: its request is not waited for any more.
fn superseded() -> Option<Done> {
    info!("a newer request took over; stopping without an answer");
    None
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

/// The id to answer with: the one that came in, else the one that the properties derive, else a made-up legal one.
fn physical_id(reply_to: &ReplyTo, request: &Result<Request, String>) -> String {
    let derived = || request.as_ref().ok().and_then(|request| derived_id(&Parsed::read(request.properties()).values));
    match (&reply_to.physical_id, request) {
        (Some(id), Ok(Request::Update { .. } | Request::Delete { .. }) | Err(_)) => id.clone(),
        _ => derived().unwrap_or_else(|| names::fallback_id(&reply_to.logical_id, &reply_to.stack_id)),
    }
}

/// The id to answer with when the request cannot be looked into.
fn unread_id(reply_to: &ReplyTo) -> String {
    let made_up = || names::fallback_id(&reply_to.logical_id, &reply_to.stack_id);
    reply_to.physical_id.clone().unwrap_or_else(made_up)
}

/// Milliseconds since the epoch; Lambda tells its deadline in them.
#[allow(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
fn epoch_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
