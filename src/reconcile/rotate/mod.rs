//! Rotation of a token by Secrets Manager: observe, decide, apply, until a step of the rotation is taken. Calls AWS.

mod test_connection;

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::auth::rotation::event::{RotationEvent, RotationStep};
use crate::auth::rotation::{self as decision, Decision, Seen};
use crate::aws::{Aws, Class, Fault};
use crate::continuation::Continuation;
use crate::domain::names::{self, Names};
use crate::error::Error;
use crate::observed::{Group, Secret, SubnetGroup};
use crate::reconcile::act::act;
use crate::reconcile::faults::Reaction;
use crate::reconcile::wait::{Deadline, POLLS_TO_SHOW, Waiter};
use crate::step::Step;
use crate::telemetry::metrics::{self, Ended, Phase, timed};

/// What a step is taken with.
#[derive(Debug)]
pub struct Rotation<'a> {
    /// Where.
    pub aws: &'a Aws,
    /// ARN of this function.
    pub function: &'a str,
    /// Longest pause between two polls.
    pub poll_interval: Duration,
    /// Whether the function can connect to caches.
    pub reaches_caches: bool,
    /// Wall clock at the start, in milliseconds since the epoch.
    pub now_epoch_ms: u64,
    /// When that was.
    pub started: Instant,
    /// When the invocation has to be done.
    pub end: Instant,
    /// What the invocation before handed on, for a step that takes longer than one.
    pub continuation: &'a Continuation,
}

/// How long AWS may take to show what a step of a rotation needs, however closely the observations follow each other:
/// Secrets Manager calls the function right after it made the version.
const TIME_TO_SHOW: Duration = Duration::from_secs(15);

/// How long a change of what the cache takes may stay unseen; until AWS shows it, nothing may be concluded.
const CHANGE_TO_SHOW: Duration = Duration::from_secs(1);

/// After the end of every invocation: what is due then never is.
const NEVER: Duration = Duration::from_hours(1);

/// Why the work on a step ends before the step is taken.
enum Stop {
    /// It goes on in the next invocation.
    HandOver,
    /// It failed.
    Failed(String),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        match error {
            Error::HandOver => Stop::HandOver,
            Error::TimedOut { waiting_for, .. } => {
                Stop::Failed(format!("not enough time in this invocation: waited for {waiting_for}; try again"))
            }
            other => Stop::Failed(other.to_string()),
        }
    }
}

impl Rotation<'_> {
    /// Takes a step.
    ///
    /// # Errors
    /// Why it could not be taken; Secrets Manager tries it again.
    pub async fn run(&self, event: &RotationEvent) -> Result<Ended, String> {
        let mut work = Work {
            rotation: self,
            event,
            waiter: Waiter::new(self.aws, self.poll_interval, self.deadline(event.step)),
            seen: Seen { reaches_caches: self.reaches_caches, ..Seen::default() },
            polls: 0,
            rechecks: 0,
            rechecked_since: None,
            waiting_for: "",
        };
        match Box::pin(work.converge()).await {
            Ok(why) => {
                info!(step = ?event.step, why, "the step is taken");
                Ok(Ended::Success)
            }
            Err(Stop::HandOver) => self.hand_over(event).await,
            Err(Stop::Failed(reason)) => Err(reason),
        }
    }

    /// What Secrets Manager asked for fails when the invocation ends, and is asked for again. The end of a grace time is the
    /// function's own, and is handed on.
    fn deadline(&self, step: RotationStep) -> Deadline {
        let never = self.end + NEVER;
        let (answer_by, hand_over_at) =
            if step == RotationStep::Retire { (never, self.end) } else { (self.end, never) };
        Deadline { started: self.started, answer_by, hand_over_at, give_up_at: answer_by, interrupt_at: hand_over_at }
    }

    /// How long ago the step was asked for.
    fn waited_ms(&self) -> u64 {
        milliseconds(self.continuation.elapsed(self.now_epoch_ms) + self.started.elapsed())
    }

    async fn hand_over(&self, event: &RotationEvent) -> Result<Ended, String> {
        let hop = self.continuation.hop + 1;
        let started_epoch_ms = self.continuation.started_epoch_ms;
        let next = Continuation { hop, started_epoch_ms, elapsed_ms: self.waited_ms(), ..Continuation::default() };
        let payload = next.payload(&event.retirement(event.after_ms));
        self.aws.invoke(self.function, payload).await.map_err(|fault| fault.to_string())?;
        metrics::count_hand_over();
        info!(hop, "handed on to the next invocation");
        Ok(Ended::Open)
    }
}

/// Work on one step of a rotation.
struct Work<'a> {
    rotation: &'a Rotation<'a>,
    event: &'a RotationEvent,
    waiter: Waiter<'a>,
    seen: Seen,
    /// Observations since something was changed last.
    polls: u32,
    /// Those of them that lacked what the step needs, and since when.
    rechecks: u32,
    rechecked_since: Option<Instant>,
    /// What was last waited for.
    waiting_for: &'static str,
}

impl Work<'_> {
    /// Goes on until the step is taken; why it is, for the log.
    async fn converge(&mut self) -> Result<&'static str, Stop> {
        loop {
            let decision = match timed(Phase::Observe, Box::pin(self.observe())).await {
                Ok(()) => {
                    self.waiter.adapt_pace(None);
                    decision::decide(self.event, &self.seen)
                }
                // Something has begun to go since it was found; the next observation shows what.
                Err(Error::Calls(faults)) if faults.iter().all(|fault| fault.class == Class::Busy) => {
                    warn!(?faults, "a step of the rotation will be tried again");
                    Decision::Wait("an answer of AWS")
                }
                Err(error) => return Err(error.into()),
            };
            match decision {
                Decision::Done(why) => return Ok(why),
                Decision::Fail(reason) => return Err(Stop::Failed(reason)),
                Decision::Wait(what) => self.wait(what).await?,
                Decision::Recheck(reason) => self.recheck(reason).await?,
                Decision::Sleep(rest_ms) => self.sleep(rest_ms).await?,
                Decision::Connect { host, port, token } => {
                    self.seen.connection = Some(test_connection::try_token(&host, port, &token).await);
                }
                Decision::Apply(step) => {
                    let result = self.apply(&step).await;
                    self.heard(&step, result).await?;
                }
                Decision::Schedule { after_ms, promote } => {
                    // Twice is harmless; what matters is that it is asked for before readers get the token.
                    let result = match self.ask_for_retirement(after_ms).await {
                        Ok(()) => self.apply(&promote).await,
                        Err(fault) => Err(fault),
                    };
                    self.heard(&promote, result).await?;
                }
            }
        }
    }

    async fn apply(&self, step: &Step) -> Result<(), Fault> {
        info!(step = %step, "applying a step");
        Box::pin(act(self.rotation.aws, step, &self.event.version)).await.map(drop)
    }

    /// What the outcome of a step means.
    async fn heard(&mut self, step: &Step, result: Result<(), Fault>) -> Result<(), Stop> {
        match result.map_err(|fault| (Reaction::to(step, &fault), fault)) {
            Ok(()) => self.applied(step).await,
            Err((Reaction::AsGoodAsDone, fault)) => {
                info!(step = %step, %fault, "nothing to do");
                self.seen.has_value |= fault.class == Class::Exists;
                self.applied(step).await;
            }
            Err((Reaction::TryAFewTimes, fault)) => self.recheck(fault.to_string()).await?,
            Err((Reaction::TryAgain, fault)) => self.wait_after(&fault).await?,
            Err((Reaction::TryForAWhile, fault)) if self.waiter.may_pass(&fault) => self.wait_after(&fault).await?,
            Err((Reaction::TryForAWhile | Reaction::Fail, fault)) => return Err(Error::from(fault).into()),
        }
        Ok(())
    }

    async fn applied(&mut self, step: &Step) {
        self.seen.applied(step);
        (self.polls, self.rechecks, self.rechecked_since) = (0, 0, None);
        if step.changes_group() {
            tokio::time::sleep(self.rotation.poll_interval.min(CHANGE_TO_SHOW)).await;
        }
    }

    /// Pauses before the next observation.
    async fn wait(&mut self, what: &'static str) -> Result<(), Stop> {
        if what != self.waiting_for {
            info!(waiting_for = what, "waiting");
            self.waiting_for = what;
        }
        self.polls += 1;
        Ok(self.waiter.pause(self.polls - 1, what, "").await?)
    }

    /// The same after a fault that passes.
    async fn wait_after(&mut self, fault: &Fault) -> Result<(), Stop> {
        warn!(%fault, "a step of the rotation will be tried again");
        self.waiter.adapt_pace(Some(fault));
        self.polls += 1;
        Ok(self.waiter.pause_after(fault, self.polls - 1, "AWS to allow the next change").await?)
    }

    /// The same a few times; then the step fails for this reason.
    async fn recheck(&mut self, reason: String) -> Result<(), Stop> {
        self.rechecks += 1;
        let since = *self.rechecked_since.get_or_insert_with(Instant::now);
        let is_enough = self.rechecks > POLLS_TO_SHOW && since.elapsed() >= TIME_TO_SHOW;
        if is_enough || self.wait("AWS to show what the step needs").await.is_err() {
            return Err(Stop::Failed(reason));
        }
        Ok(())
    }

    /// Sleeps for so many milliseconds, or until the work must be handed on.
    async fn sleep(&self, rest_ms: u64) -> Result<(), Stop> {
        let (wake, end) = (Instant::now() + Duration::from_millis(rest_ms), self.rotation.end);
        timed(Phase::Wait, tokio::time::sleep_until(wake.min(end))).await;
        if wake < end { Ok(()) } else { Err(Stop::HandOver) }
    }

    /// Has this function invoked again to remove the old token after so many milliseconds.
    async fn ask_for_retirement(&self, after_ms: u64) -> Result<(), Fault> {
        let Rotation { aws, function, now_epoch_ms, started, .. } = self.rotation;
        let started_epoch_ms = now_epoch_ms + milliseconds(started.elapsed());
        let first = Continuation { hop: 1, started_epoch_ms, ..Continuation::default() };
        timed(Phase::Act, aws.invoke(function, first.payload(&self.event.retirement(after_ms)))).await
    }

    async fn observe(&mut self) -> Result<(), Error> {
        self.seen.waited_ms = self.rotation.waited_ms();
        self.seen.secret = self.secret().await?;
        if let Some(secret) = &self.seen.secret {
            (self.seen.group, self.seen.subnet_group) = self.cache_of(secret).await?;
            let status = self.seen.group.as_ref().and_then(|group| group.auth_token_status.as_deref());
            self.seen.saw_set |= status == Some("SETTING");
        }
        Ok(())
    }

    /// The cache that a secret of ours belongs to: what the secret says of it is for people to change, so its name and its
    /// description tell too. The tags of the subnet group tell which is right.
    async fn cache_of(&self, secret: &Secret) -> Result<(Option<Group>, Option<SubnetGroup>), Error> {
        let Some(owner) = decision::owner(&secret.tags).filter(|_| !secret.deleted) else { return Ok((None, None)) };
        let said = secret.content.as_ref().map(|content| content.replication_group_id.as_str());
        let described = secret.description.rsplit(' ').next();
        let mut found = (None, None);
        let mut tried: Vec<&str> = Vec::new();
        for id in [said, names::group_of_secret(&secret.name), described].into_iter().flatten() {
            if names::id_defect(id).is_some() || tried.contains(&id) {
                continue;
            }
            let name = Names::of(id).subnet_group();
            let cache =
                tokio::try_join!(self.waiter.persist(|| self.rotation.aws.group(id)), self.subnet_group(&name))?;
            if cache.1.as_ref().is_some_and(|group| owner.owns(&group.tags)) {
                return Ok(cache);
            }
            if tried.is_empty() {
                found = cache;
            }
            tried.push(id);
        }
        Ok(found)
    }

    /// The subnet group with its tags, which say whose it is and how far the rotation is.
    async fn subnet_group(&self, name: &str) -> Result<Option<SubnetGroup>, Error> {
        let aws = self.rotation.aws;
        let Some(group) = self.waiter.persist(|| aws.subnet_group(name)).await? else { return Ok(None) };
        let tags = self.waiter.persist(|| aws.cache_tags(&group.arn)).await?;
        Ok(tags.map(|tags| SubnetGroup { tags, ..group }))
    }

    /// The secret; its content is read only when it is ours.
    async fn secret(&self) -> Result<Option<Secret>, Error> {
        let (aws, event) = (self.rotation.aws, self.event);
        let Some(mut secret) = self.waiter.persist(|| aws.secret(&event.secret)).await? else { return Ok(None) };
        if secret.deleted || decision::owner(&secret.tags).is_none() {
            return Ok(Some(secret));
        }
        if let Some(current) = secret.current() {
            let current = self.waiter.persist(|| aws.secret_version(&secret.arn, current)).await?;
            secret.read(current);
        }
        if secret.pending() == Some(event.version.as_str()) {
            let incoming = self.waiter.persist(|| aws.secret_version(&secret.arn, &event.version)).await?;
            secret.incoming = incoming.and_then(Result::ok).map(|content| (event.version.clone(), content));
        }
        Ok(Some(secret))
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
