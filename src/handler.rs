//! One invocation: read the event, do what it asks for, always answer. The only place that turns an error into FAILED.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use futures_util::FutureExt;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use tokio::time::Instant;
use tracing::{Instrument, error, info, info_span, warn};

use crate::attributes::attributes;
use crate::aws::Aws;
use crate::cfn::properties::ResourceProperties;
use crate::cfn::reason::Reason;
use crate::cfn::request::{ReplyTo, Request, margin, time_to_answer};
use crate::cfn::response::{self, Answer, Data, Outcome};
use crate::continuation::Continuation;
use crate::cost::Price;
use crate::desired::{Desired, Owner, Purpose, References, Removal};
use crate::error::{Error, Message};
use crate::metrics::{self, Ended, Ending, Meter, Phase, Work, timed};
use crate::names;
use crate::reconcile::Run;
use crate::reconcile::observe::{self, Target};
use crate::reconcile::order::RequestKey;
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
    epoch_ms: fn() -> u64,
}

/// Kept of an invocation for handing the work on, or for sending the answer.
const LAST_PART: Duration = Duration::from_secs(30);
/// Kept of that when AWS has not answered a call by then, which is given up.
const BREAK_OFF_PART: Duration = Duration::from_secs(22);
/// Kept of that for sending the answer, should handing on fail.
const ANSWER_PART: Duration = Duration::from_secs(12);
/// Kept of that for saying that the answer could not be sent; Lambda then tries the event again.
const LAST_SECOND: Duration = Duration::from_secs(1);
/// Length of an invocation from which on these parts are kept in full.
const WHOLE: Duration = Duration::from_secs(40);
/// Longest that AWS may take to accept the work.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(6);
/// Longest pause between two tries to hand the work on.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(2);
/// What CloudFormation is told after a panic; the hook has logged where it happened.
const PANICKED: &str = "the function failed unexpectedly; its log says where. Please report it";
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
        let now_epoch_ms = (self.epoch_ms)();
        let invocation = Invocation {
            function: context.invoked_function_arn,
            now_epoch_ms,
            began: Instant::now(),
            end: Instant::now() + Duration::from_millis(context.deadline.saturating_sub(now_epoch_ms)),
            issued_epoch_ms: reply_to.url.issued_epoch_ms(),
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
        let work = AssertUnwindSafe(Box::pin(rotation.take(&event)).instrument(span.clone())).catch_unwind();
        let result = metrics::metered(&meter, work).await.unwrap_or_else(|_| Err(PANICKED.to_owned()));
        let ending = Ending {
            work: Work::Rotation { step: event.step.name(), secret: &event.secret, version: &event.version },
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
        let deadline = invocation.deadline(request.properties());
        let url = &reply_to.url;
        let request_key = RequestKey::new(&reply_to.stack_id, &reply_to.request_id, url.expose(), url.issued());
        let account = invocation.function.split(':').nth(4).filter(|id| !id.is_empty());
        let mut run = Run::new(&self.aws, &request_key, self.settings.poll_interval, deadline)
            .in_account(account)
            .resumed(&invocation.continuation.memory);
        // A call may take longer than the time that is left. What it does then, the next look shows.
        let work = Box::pin(self.done(request, reply_to, physical_id, &request_key, &mut run));
        let worked = tokio::time::timeout_at(deadline.end(), work).await;
        let result = worked.unwrap_or_else(|_| Err(run.broken_off()));
        self.ended(result, event, &run, invocation, deadline).await
    }

    /// Brings the account to what the request asks for.
    async fn done(
        &self,
        request: &Request,
        reply_to: &ReplyTo,
        physical_id: &str,
        request_key: &RequestKey,
        run: &mut Run<'_>,
    ) -> Result<Done, Error> {
        let owner = Owner { stack_id: reply_to.stack_id.clone(), logical_id: reply_to.logical_id.clone() };
        let (desired, converged, price) = match request {
            Request::Create { properties } => {
                let mut desired = match Desired::new(properties, &owner, Purpose::Create) {
                    Ok(desired) => desired,
                    Err(problems) => {
                        let references = References::read(properties, Purpose::Create);
                        return Err(run.refused(problems, &references, None).await);
                    }
                };
                run.settle(&mut desired, true).await?;
                let made = &desired.names.replication_group;
                let removal = Removal::new(properties, &owner, made, request_key.as_str());
                let work = Box::pin(run.present(Wish::new(&desired), removal.clone()));
                let converged = self.priced(Some(&desired), work).await;
                if converged.is_err() && run.is_swept_away() {
                    // The Delete that came across did not see what this run was just making, and none will follow.
                    run.absent(&removal).await?;
                }
                let (converged, price) = converged?;
                (desired, converged, price)
            }
            Request::Update { properties, old_properties, .. } => {
                let update = Update { owner: &owner, physical_id, properties, earlier: old_properties };
                let desired = Desired::new(properties, &owner, Purpose::Update(physical_id)).ok();
                let ((desired, converged), price) = self.priced(desired.as_ref(), Box::pin(run.update(update))).await?;
                (desired, converged, price)
            }
            Request::Delete { properties, .. } => {
                Box::pin(absent(run, properties, &owner, physical_id, request_key.as_str())).await?;
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
                Some(desired) => Ok(observe::price(&self.aws, desired).await),
                None => Ok(None),
            }
        };
        tokio::try_join!(Box::pin(work), Box::pin(price))
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
            Err(Error::HandOver) => self.hand_over(event, run, invocation, deadline).await.map(|()| None),
            Err(Error::Overtaken) => Ok(overtaken()),
            // What failed may have failed because of a newer request, and nobody waits for this answer any more.
            Err(_) if run.is_overtaken().await => Ok(overtaken()),
            Err(error) => Err(reason(run.explained(error).message())),
        }
    }

    /// Has the function invoked again with the same event and what this run remembers.
    async fn hand_over(
        &self,
        event: &Value,
        run: &Run<'_>,
        invocation: &Invocation,
        deadline: Deadline,
    ) -> Result<(), Reason> {
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
        // Time must be left to say that it did not work.
        let give_up = invocation.before_end(ANSWER_PART);
        for tries in 1.. {
            let failure = match self.invoke_next(invocation, &payload, give_up).await {
                Ok(()) => {
                    metrics::count_hand_over();
                    info!(hop = next.hop, "handed the work on to the next invocation");
                    return Ok(());
                }
                Err(failure) => failure,
            };
            let pause = (Duration::from_secs(1) * tries).min(HAND_OVER_PAUSE).mul_f64(1.0 - 0.5 * fastrand::f64());
            if Instant::now() + pause >= give_up {
                let elapsed = deadline.started.elapsed().as_secs();
                return Err(format!("after {elapsed} s the work could not be handed on: {failure}").into());
            }
            warn!(tries, failure, "handing on failed");
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// One try to hand the work on, which may not take for ever.
    async fn invoke_next(&self, invocation: &Invocation, payload: &str, give_up: Instant) -> Result<(), String> {
        let until = give_up.min(Instant::now() + HAND_OVER_TIMEOUT);
        match tokio::time::timeout_at(until, self.aws.invoke(&invocation.function, payload.to_owned())).await {
            Ok(result) => result.map_err(|fault| fault.to_string()),
            Err(_) => Err("lambda:InvokeFunction: no answer in time".to_owned()),
        }
    }
}

/// The result, or what to say after a panic.
fn caught<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| PANICKED.to_owned())
}

fn reason(message: Message) -> Reason {
    let Message { head, items, separator, tail } = message;
    Reason { head, items, separator, tail }
}

/// One run of the function by Lambda.
#[derive(Debug)]
struct Invocation {
    /// ARN under which the function was invoked.
    function: String,
    /// Wall clock at its start.
    now_epoch_ms: u64,
    /// When it began.
    began: Instant,
    /// When Lambda ends it.
    end: Instant,
    /// When CloudFormation asked, as far as the response URL tells.
    issued_epoch_ms: Option<u64>,
    /// What the one before handed on.
    continuation: Continuation,
}

/// How long a response URL is good for (seen in events; not documented). A date that is further away is not this
/// request's age but another clock.
const URL_LIFETIME: Duration = Duration::from_hours(2);

impl Invocation {
    /// When the first invocation for this request began.
    fn started(&self) -> Instant {
        self.began.checked_sub(self.elapsed()).unwrap_or(self.began)
    }

    /// How long the request had been worked on when this invocation began.
    fn elapsed(&self) -> Duration {
        // An attempt that died left no word of when it began; CloudFormation has been waiting since it signed the URL.
        let age = self.issued_epoch_ms.and_then(|issued| self.now_epoch_ms.checked_sub(issued));
        let age = age.map(Duration::from_millis).filter(|age| *age <= URL_LIFETIME).unwrap_or_default();
        self.continuation.elapsed(self.now_epoch_ms).max(age)
    }

    fn before_end(&self, part: Duration) -> Instant {
        // Of a shorter invocation less is kept, so that something is left to work in.
        let whole = self.end.saturating_duration_since(self.began);
        let part = part.mul_f64((whole.as_secs_f64() / WHOLE.as_secs_f64()).min(1.0));
        self.end.checked_sub(part).unwrap_or(self.end)
    }

    /// When a request with these properties must be answered, before CloudFormation stops waiting; and when this
    /// invocation must hand on.
    fn deadline(&self, properties: &ResourceProperties) -> Deadline {
        let left = time_to_answer(properties).saturating_sub(self.elapsed());
        let answer_by = self.began + left;
        Deadline {
            started: self.started(),
            answer_by,
            hand_over_at: self.before_end(LAST_PART),
            give_up_at: answer_by + margin(properties) / 2,
            break_off_at: self.before_end(BREAK_OFF_PART),
        }
    }
}

/// A run that is no longer the newest ends without an answer: its request is not waited for any more.
fn overtaken() -> Option<Done> {
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

/// Removes what stands under the physical id. When CloudFormation never got an answer to a Create it makes an id up; then
/// what the properties name is removed, if it is this resource's.
async fn absent(
    run: &mut Run<'_>,
    properties: &ResourceProperties,
    owner: &Owner,
    physical_id: &str,
    request_key: &str,
) -> Result<(), Error> {
    let removal = Removal::new(properties, owner, physical_id, request_key);
    let derived = Desired::derived_id(properties).filter(|stem| names::generation(physical_id, stem).is_none());
    let is_possible = names::id_defect(physical_id).is_none();
    match derived {
        Some(stem) if !(is_possible && run.owns_anything(Target::from(&removal)).await?) => {
            info!(physical_id, stem, "nothing of ours has this id; removing what the properties name");
            let removal = Removal::new(properties, owner, &stem, request_key);
            Box::pin(run.remove(&removal, properties)).await
        }
        // AWS refuses to look for such a name.
        None if !is_possible => {
            info!(physical_id, "nothing of ours can have this id, and the properties name nothing");
            Ok(())
        }
        Some(_) | None => Box::pin(run.remove(&removal, properties)).await,
    }
}

/// The id to answer with: the one that came in, else the one that the properties derive, else a made-up legal one.
fn physical_id(reply_to: &ReplyTo, request: &Result<Request, String>) -> String {
    let derived = || request.as_ref().ok().and_then(|request| Desired::derived_id(request.properties()));
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
