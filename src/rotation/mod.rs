//! Rotation of a token by Secrets Manager: observe, decide, act, until a step is done. Calls AWS.

mod test_connection;

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::auth::rotation::event::{RotationEvent, Step};
use crate::auth::rotation::{self as decision, Next, Seen};
use crate::aws::{Aws, Class, Fault};
use crate::continuation::Continuation;
use crate::domain::names::{self, Names};
use crate::domain::tags::TAG_AUTH_CHANGE;
use crate::observed::{Group, STAGE_CURRENT, Secret, SubnetGroup};
use crate::reconcile::wait::pause;
use crate::step::group::AuthRequest;
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

/// Observations within which AWS has to show what a step needs.
const POLLS_TO_SHOW: u32 = 8;
/// And the time, however closely they follow each other.
const TIME_TO_SHOW: Duration = Duration::from_secs(15);

/// What one thing that was done came to.
enum Acted {
    /// It changed something.
    Changed(&'static str),
    /// It changed nothing, and something more is known.
    Nothing,
    /// What is there already does not show; the reason to give if it never does.
    NotShown(String),
}

impl Rotation<'_> {
    /// Takes a step.
    ///
    /// # Errors
    /// Why it could not be taken; Secrets Manager tries it again.
    pub async fn run(&self, event: &RotationEvent) -> Result<Ended, String> {
        let mut seen = Seen { reaches_caches: self.reaches_caches, ..Seen::default() };
        let (mut polls, mut rechecks, mut was_waiting_for) = (0, 0, "");
        let mut rechecked_since = None;
        loop {
            let next = match timed(Phase::Observe, Box::pin(self.observe(event, &mut seen))).await {
                Ok(()) => decision::next(event, &seen),
                Err(fault) if passes(&fault) => Next::Wait(waiting(&fault, "an answer of AWS")),
                Err(fault) if may_come(&fault) => Next::Recheck(fault.to_string()),
                Err(fault) => return Err(fault.to_string()),
            };
            let mut recheck = None;
            let waiting_for = match next {
                Next::Done(why) => {
                    info!(step = ?event.step, why, "the step is taken");
                    return Ok(Ended::Success);
                }
                Next::Fail(reason) => return Err(reason),
                Next::Wait(what) => what,
                Next::Recheck(reason) => {
                    recheck = Some(reason);
                    SHOW
                }
                Next::Sleep(rest) => {
                    if self.sleep(rest).await {
                        continue;
                    }
                    return self.hand_over(event).await;
                }
                change => match timed(Phase::Act, Box::pin(self.act(event, &mut seen, &change))).await {
                    Ok(Acted::Changed(taken)) => {
                        info!(taken, "changed");
                        seen.saw_set = false;
                        (polls, rechecks, rechecked_since) = (0, 0, None);
                        continue;
                    }
                    Ok(Acted::Nothing) => continue,
                    Ok(Acted::NotShown(reason)) => {
                        recheck = Some(reason);
                        SHOW
                    }
                    Err(fault) if passes(&fault) => waiting(&fault, "AWS to allow the next change"),
                    Err(fault) if may_come(&fault) => {
                        recheck = Some(fault.to_string());
                        "AWS to allow the next change"
                    }
                    Err(fault) => return Err(fault.to_string()),
                },
            };
            if waiting_for != was_waiting_for {
                info!(waiting_for, "waiting");
                was_waiting_for = waiting_for;
            }
            let pause = pause(polls, self.poll_interval, fastrand::f64());
            if let Some(reason) = recheck {
                rechecks += 1;
                let since: Instant = *rechecked_since.get_or_insert_with(Instant::now);
                let is_enough = rechecks > POLLS_TO_SHOW && since.elapsed() >= TIME_TO_SHOW;
                if is_enough || Instant::now() + pause >= self.end {
                    return Err(reason);
                }
            }
            if Instant::now() + pause >= self.end {
                if event.step == Step::Retire {
                    return self.hand_over(event).await;
                }
                return Err(format!("not enough time in this invocation: waited for {waiting_for}; try again"));
            }
            polls += 1;
            timed(Phase::Wait, tokio::time::sleep(pause)).await;
        }
    }

    /// How long ago the step was asked for.
    fn waited_ms(&self) -> u64 {
        milliseconds(self.continuation.elapsed(self.now_epoch_ms) + self.started.elapsed())
    }

    async fn observe(&self, event: &RotationEvent, seen: &mut Seen) -> Result<(), Fault> {
        seen.waited_ms = self.waited_ms();
        seen.secret = self.secret(event).await?;
        if let Some(secret) = &seen.secret {
            (seen.group, seen.subnet_group) = self.cache_of(secret).await?;
            let status = seen.group.as_ref().and_then(|group| group.auth_token_status.as_deref());
            seen.saw_set |= status == Some("SETTING");
        }
        Ok(())
    }

    /// The cache that a secret of ours belongs to: what the secret says of it is for people to change, so its name and its
    /// description tell too. The tags of the subnet group tell which is right.
    async fn cache_of(&self, secret: &Secret) -> Result<(Option<Group>, Option<SubnetGroup>), Fault> {
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
            let cache = tokio::try_join!(self.aws.group(id), self.subnet_group(&name))?;
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
    async fn subnet_group(&self, name: &str) -> Result<Option<SubnetGroup>, Fault> {
        let Some(group) = self.aws.subnet_group(name).await? else { return Ok(None) };
        let tags = self.aws.cache_tags(&group.arn).await?;
        Ok(tags.map(|tags| SubnetGroup { tags, ..group }))
    }

    /// The secret; its content is read only when it is ours.
    async fn secret(&self, event: &RotationEvent) -> Result<Option<Secret>, Fault> {
        let Some(mut secret) = self.aws.secret(&event.secret).await? else { return Ok(None) };
        if secret.deleted || decision::owner(&secret.tags).is_none() {
            return Ok(Some(secret));
        }
        if let Some(current) = secret.current() {
            let current = self.aws.secret_version(&secret.arn, current).await?;
            secret.read(current);
        }
        if secret.pending() == Some(event.version.as_str()) {
            let incoming = self.aws.secret_version(&secret.arn, &event.version).await?;
            secret.incoming = incoming.and_then(Result::ok).map(|content| (event.version.clone(), content));
        }
        Ok(Some(secret))
    }

    /// Does one thing.
    async fn act(&self, event: &RotationEvent, seen: &mut Seen, next: &Next) -> Result<Acted, Fault> {
        let (Some(secret), Some(group), Some(subnet_group)) = (&seen.secret, &seen.group, &seen.subnet_group) else {
            return Ok(Acted::NotShown("the cache of the secret does not show".to_owned()));
        };
        let token = secret.version(&event.version).map(crate::domain::secret::SecretContent::token);
        match (next, token) {
            (Next::Store, _) => {
                let Some(content) = &secret.content else {
                    return Ok(Acted::NotShown(decision::unreadable(secret)));
                };
                // Readers get the new version as it is, so what somebody broke of the current one is put right in it.
                let content = group.told_in(content).unwrap_or_else(|| content.clone());
                let content = content.with_token(&self.aws.random_token().await?);
                match self.aws.stage_secret(&secret.arn, &content, &event.version).await {
                    // Another delivery of the event was quicker; its token stays.
                    Err(fault) if fault.class == Class::Exists => {
                        let why =
                            "has a value already in which no token can be read: cancel the rotation and rotate again";
                        Ok(Acted::NotShown(format!("version {} of secret {} {why}", event.version, secret.name)))
                    }
                    result => result.map(|()| Acted::Changed("stored a new token, pending")),
                }
            }
            (Next::Connect, Some(token)) => {
                let endpoint = group.main_endpoint();
                let port = endpoint.and_then(|endpoint| u16::try_from(endpoint.port).ok());
                let Some((endpoint, port)) = endpoint.zip(port) else {
                    return Ok(Acted::NotShown(format!("{} shows no endpoint", group.id)));
                };
                let result = test_connection::try_token(&endpoint.address, port, &token).await;
                seen.connection = Some(result);
                Ok(Acted::Nothing)
            }
            (Next::Mark(progress), _) => {
                self.aws.tag_cache(&subnet_group.arn, &progress.tag()).await?;
                Ok(Acted::Changed("wrote down how far the rotation is"))
            }
            (Next::Unmark, _) => {
                self.aws.untag_cache(&subnet_group.arn, &[TAG_AUTH_CHANGE.to_owned()].into()).await?;
                Ok(Acted::Changed("the rotation leaves nothing to do"))
            }
            (Next::Rotate | Next::Set, Some(token)) => {
                let strategy = if *next == Next::Rotate { "ROTATE" } else { "SET" };
                let (token, strategy) = (Some(&token), Some(strategy));
                let request = AuthRequest { token, strategy, add: None, remove: &[], remove_all: false };
                match self.aws.change_auth(&group.id, &request).await {
                    Err(fault) if *next == Next::Set && fault.says_only_token() => {
                        info!(%fault, "the token is the only one already");
                    }
                    result => result?,
                }
                seen.agreed = *next == Next::Set;
                // AWS may show the change late; until it does, nothing may be concluded.
                tokio::time::sleep(self.poll_interval.min(Duration::from_secs(1))).await;
                Ok(Acted::Changed(if *next == Next::Rotate {
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
                Ok(Acted::Changed("readers get the new token; the old one goes later"))
            }
            (Next::Promote(from), _) => {
                self.aws.move_stage(&secret.arn, STAGE_CURRENT, Some(&event.version), from.as_deref()).await?;
                Ok(Acted::Changed("readers get the new token"))
            }
            _ => Ok(Acted::NotShown(format!("version {} of secret {} has no value yet", event.version, secret.name))),
        }
    }

    /// Sleeps for so many milliseconds, or until the invocation ends; whether the time is over.
    async fn sleep(&self, rest_ms: u64) -> bool {
        let wake = Instant::now() + Duration::from_millis(rest_ms);
        timed(Phase::Wait, tokio::time::sleep_until(wake.min(self.end))).await;
        wake < self.end
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

/// What a step waits for that AWS may show late.
const SHOW: &str = "AWS to show what the step needs";

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// What a fault that passes makes a step wait for.
fn waiting(fault: &Fault, what: &'static str) -> &'static str {
    warn!(%fault, "a step of the rotation will be tried again");
    what
}

/// Whether the call may be allowed in some seconds: the rights of a new role take so long to be known everywhere, and a call
/// that was signed too late is signed anew.
fn may_come(fault: &Fault) -> bool {
    matches!(fault.class, Class::Denied | Class::Unauthenticated)
}

/// Whether the same call may work later.
fn passes(fault: &Fault) -> bool {
    matches!(fault.class, Class::Throttled | Class::Unavailable | Class::Busy)
}
