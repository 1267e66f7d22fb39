//! Rotation of a token by Secrets Manager: looks, decides, acts, until a step is taken. Calls AWS.

mod connection;
pub mod decide;
pub mod event;

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::aws::{Aws, Class, Fault};
use crate::continuation::Continuation;
use crate::desired::TAG_LOGIN;
use crate::group_request::LoginRequest;
use crate::names::Names;
use crate::observed::{STAGE_CURRENT, Secret, SubnetGroup};
use crate::reconcile::wait::pause;
use decide::{Next, Seen};
use event::RotationEvent;

/// What a step is taken with.
#[derive(Debug)]
pub struct Rotation<'a> {
    /// Where.
    pub aws: &'a Aws,
    /// ARN of this function.
    pub function: &'a str,
    /// Longest pause between two looks.
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

impl Rotation<'_> {
    /// Takes a step.
    ///
    /// # Errors
    /// Why it could not be taken; Secrets Manager tries it again.
    pub async fn take(&self, event: &RotationEvent) -> Result<(), String> {
        let mut seen = Seen { reaches_caches: self.reaches_caches, ..Seen::default() };
        let (mut looks, mut was_waiting_for) = (0, "");
        loop {
            let next = match self.look(event, &mut seen).await {
                Ok(()) => decide::next(event, &seen),
                Err(fault) if passes(&fault) => Next::Wait(waiting(&fault, "an answer of AWS")),
                Err(fault) => return Err(fault.to_string()),
            };
            let waiting_for = match next {
                Next::Done(why) => {
                    info!(step = ?event.step, why, "the step is taken");
                    return Ok(());
                }
                Next::Fail(reason) => return Err(reason),
                Next::Wait(what) => what,
                Next::Sleep(rest) => {
                    if self.sleep(rest).await {
                        continue;
                    }
                    return self.hand_over(event).await;
                }
                change => match self.act(event, &mut seen, &change).await {
                    Ok(Some(taken)) => {
                        info!(taken, "changed");
                        seen.saw_set = false;
                        looks = 0;
                        continue;
                    }
                    Ok(None) => continue,
                    Err(fault) if passes(&fault) => waiting(&fault, "AWS to allow the next change"),
                    Err(fault) => return Err(fault.to_string()),
                },
            };
            if waiting_for != was_waiting_for {
                info!(waiting_for, "waiting");
                was_waiting_for = waiting_for;
            }
            let pause = pause(looks, self.poll_interval, fastrand::f64());
            if Instant::now() + pause >= self.end {
                if event.step == event::Step::Retire {
                    return self.hand_over(event).await;
                }
                return Err(format!("not enough time in this invocation: waited for {waiting_for}; try again"));
            }
            looks += 1;
            tokio::time::sleep(pause).await;
        }
    }

    /// How long ago the step was asked for.
    fn waited_ms(&self) -> u64 {
        milliseconds(self.continuation.elapsed(self.now_epoch_ms) + self.started.elapsed())
    }

    async fn look(&self, event: &RotationEvent, seen: &mut Seen) -> Result<(), Fault> {
        seen.waited_ms = self.waited_ms();
        let secret = self.secret(event).await?;
        let group = secret.as_ref().and_then(|secret| secret.content.as_ref()).map(|c| c.replication_group_id.clone());
        seen.secret = secret;
        if let Some(id) = group.filter(|id| !id.is_empty()) {
            let name = Names::of(&id).subnet_group();
            (seen.group, seen.subnet_group) = tokio::try_join!(self.aws.group(&id), self.subnet_group(&name))?;
            let status = seen.group.as_ref().and_then(|group| group.auth_token_status.as_deref());
            seen.saw_set |= status == Some("SETTING");
        }
        Ok(())
    }

    /// The subnet group with its tags, which say whose it is and how far the rotation is.
    async fn subnet_group(&self, name: &str) -> Result<Option<SubnetGroup>, Fault> {
        let Some(group) = self.aws.subnet_group(name).await? else { return Ok(None) };
        let tags = self.aws.cache_tags(&group.arn).await?;
        Ok(tags.map(|tags| SubnetGroup { tags, ..group }))
    }

    /// The secret; its content is read only when it is ours.
    async fn secret(&self, event: &RotationEvent) -> Result<Option<Secret>, Fault> {
        let Some(mut secret) = self.aws.secret(&event.secret).await? else { return Ok(None) };
        if secret.deleted || decide::owner(&secret.tags).is_none() {
            return Ok(Some(secret));
        }
        if let Some(current) = secret.current() {
            secret.content = self.aws.secret_version(&secret.arn, current).await?;
        }
        if secret.pending() == Some(event.version.as_str()) {
            let coming = self.aws.secret_version(&secret.arn, &event.version).await?;
            secret.coming = coming.map(|content| (event.version.clone(), content));
        }
        Ok(Some(secret))
    }

    /// Does one thing. What was done, when it changed something.
    async fn act(&self, event: &RotationEvent, seen: &mut Seen, next: &Next) -> Result<Option<&'static str>, Fault> {
        let (Some(secret), Some(group), Some(subnet_group)) = (&seen.secret, &seen.group, &seen.subnet_group) else {
            return Ok(None);
        };
        let token = secret.version(&event.version).map(crate::secret::SecretContent::token);
        match (next, token) {
            (Next::Store, _) => {
                let Some(content) = &secret.content else { return Ok(None) };
                let content = content.with_token(&self.aws.random_token().await?);
                match self.aws.stage_secret(&secret.arn, &content, &event.version).await {
                    // Another delivery of the event was quicker; its token stays.
                    Err(fault) if fault.class == Class::Exists => Ok(None),
                    result => result.map(|()| Some("stored a new token, pending")),
                }
            }
            (Next::Connect, Some(token)) => {
                let Some(content) = &secret.content else { return Ok(None) };
                let result = connection::try_token(&content.host, content.port, &token).await;
                seen.connection = Some(result);
                Ok(None)
            }
            (Next::Mark(progress), _) => {
                self.aws.tag_cache(&subnet_group.arn, &progress.tag()).await?;
                Ok(Some("wrote down how far the rotation is"))
            }
            (Next::Unmark, _) => {
                self.aws.untag_cache(&subnet_group.arn, &[TAG_LOGIN.to_owned()].into()).await?;
                Ok(Some("the rotation leaves nothing to do"))
            }
            (Next::Rotate | Next::Set, Some(token)) => {
                let strategy = if *next == Next::Rotate { "ROTATE" } else { "SET" };
                let (token, strategy) = (Some(&token), Some(strategy));
                let request = LoginRequest { token, strategy, add: None, remove: &[], remove_all: false };
                match self.aws.change_login(&group.id, &request).await {
                    Err(fault) if *next == Next::Set && fault.says_only_token() => {
                        info!(%fault, "the token is the only one already");
                    }
                    result => result?,
                }
                seen.agreed = *next == Next::Set;
                // AWS may show the change late; until it does, nothing may be concluded.
                tokio::time::sleep(self.poll_interval.min(Duration::from_secs(1))).await;
                Ok(Some(if *next == Next::Rotate {
                    "the cache is to take the new token too"
                } else {
                    "the cache is to take the new token only"
                }))
            }
            (Next::Schedule(after), _) => {
                let now_epoch_ms = self.now_epoch_ms + milliseconds(self.started.elapsed());
                let first = Continuation { hop: 1, started_epoch_ms: now_epoch_ms, ..Continuation::default() };
                // Twice is harmless; what matters is that it is asked for before readers get the token.
                self.aws.invoke(self.function, first.payload(&event.retirement(*after))).await?;
                let from = secret.current();
                self.aws.move_stage(&secret.arn, STAGE_CURRENT, Some(&event.version), from).await?;
                Ok(Some("readers get the new token; the old one goes later"))
            }
            (Next::Promote(from), _) => {
                self.aws.move_stage(&secret.arn, STAGE_CURRENT, Some(&event.version), from.as_deref()).await?;
                Ok(Some("readers get the new token"))
            }
            _ => Ok(None),
        }
    }

    /// Sleeps for so many milliseconds, or until the invocation ends; whether the time is over.
    async fn sleep(&self, rest_ms: u64) -> bool {
        let wake = Instant::now() + Duration::from_millis(rest_ms);
        tokio::time::sleep_until(wake.min(self.end)).await;
        wake < self.end
    }

    async fn hand_over(&self, event: &RotationEvent) -> Result<(), String> {
        let hop = self.continuation.hop + 1;
        let started_epoch_ms = self.continuation.started_epoch_ms;
        let next = Continuation { hop, started_epoch_ms, elapsed_ms: self.waited_ms(), ..Continuation::default() };
        let payload = next.payload(&event.retirement(event.after_ms));
        self.aws.invoke(self.function, payload).await.map_err(|fault| fault.to_string())?;
        info!(hop, "handed on to the next invocation");
        Ok(())
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What a fault that passes makes a step wait for.
fn waiting(fault: &Fault, what: &'static str) -> &'static str {
    warn!(%fault, "a step of the rotation will be tried again");
    what
}

/// Whether the same call may work later.
fn passes(fault: &Fault) -> bool {
    matches!(fault.class, Class::Throttled | Class::Unavailable | Class::Busy)
}
