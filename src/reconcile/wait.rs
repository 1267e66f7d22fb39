//! Waiting: deadline and pauses. Calls AWS, one poll at a time.
//!
//! | Wait | Over when |
//! | --- | --- |
//! | group that was just asked for | as below; while it does not show, for six polls |
//! | group to be available | status `available`, every shard `available`, members in shards = members listed, nothing pending |
//! | member to be available | its own status; a group may say available while a new member is still being made |
//! | group to be deletable | `available` or `create-failed` |
//! | group to be gone | not found |
//! | AWS to show a change | the same step is no longer planned; after six polls a change of the group is reported as not achieved, with ElastiCache's events, and anything else is done again |
//!
//! Waiting costs one call per poll. Polls start after half a second and grow to `POLL_INTERVAL_MS`, with a fifth of
//! jitter. A run that is throttled polls less often, down to every sixteenth part, until its polls get through again,
//! repeats throttled calls alone, and hands its work over earlier.
//!
//! The policy of a new role, and a change of one, takes seconds to reach every service, and a call that was signed
//! before a sandbox was frozen is not taken for one of the function's. So what is denied or not authenticated is tried
//! again every two seconds at most, for 25 s from the first refusal of the action; then the answer names action and
//! resource. A step is tried again after an observation, because a right that hangs on a tag is denied on what has
//! gone. lookups that a request can do without (`optional.rs`) cost it what they would have said: a hang is given up
//! after some seconds, a panic is caught, and a denial is not waited for, but for the question which way the stack
//! goes (15 s).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info};

use super::fence::requests::Fence;
use crate::aws::{Aws, Class, Fault};
use crate::backoff::Backoff;
use crate::error::Error;
use crate::observed::{Lookup, Status};
use crate::plan::Awaited;
use crate::telemetry::metrics::{Phase, timed};

/// When a request must have been answered.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// When work on the request began.
    pub started: Instant,
    /// When the answer must be on its way.
    pub answer_by: Instant,
    /// When the invocation must hand the work on.
    pub hand_over_at: Instant,
    /// When a call that AWS has not answered is given up for the answer: soon after `answer_by`.
    pub give_up_at: Instant,
    /// The same for handing on: soon after `hand_over_at`.
    pub interrupt_at: Instant,
}

impl Deadline {
    /// When work ends, whatever it waits for.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.give_up_at.min(self.interrupt_at)
    }

    /// `longest`, or less where the answer, or handing on, would come too late.
    #[must_use]
    pub fn at_most(&self, longest: Duration) -> Duration {
        longest.min(self.end().saturating_duration_since(Instant::now()))
    }
}

/// What is seen of a group that AWS does not know.
const NOT_THERE: &str = "not there";

/// Polls within which AWS has to show a finished change.
pub(crate) const POLLS_TO_SHOW: u32 = 6;

/// The pauses between polls: short at first, because much is done in seconds, and soon the longest.
pub(crate) fn polling(longest: Duration) -> Backoff {
    Backoff { first: Duration::from_millis(500), factor: 1.5, longest, jitter: 0.2 }
}

/// What a lookup takes a denial for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// The right may be on its way.
    MayCome,
    /// It is not there.
    AsTheyAre,
}

/// How long a call is tried again whose right is missing, or whose signature is not accepted: so long may the policy of a
/// new role, or a change of one, take to reach every service (reports are of seconds).
pub(super) const ACCESS_PATIENCE: Duration = Duration::from_secs(25);

/// Pause between two such tries; a shorter one at first would only cost calls, because rights take seconds.
const ACCESS_PAUSE: Duration = Duration::from_secs(2);

/// All of them are of that length.
const ACCESS: Backoff = Backoff { first: ACCESS_PAUSE, factor: 1.0, longest: ACCESS_PAUSE, jitter: 0.2 };

/// So long after the last refusal of an action another one is a new one: tries follow each other more closely.
const ACCESS_SILENCE: Duration = Duration::from_secs(10);

/// When each action was refused first and last, by whether a right was missing or the signature was not accepted.
#[derive(Debug, Default)]
struct Refusals(Mutex<BTreeMap<(&'static str, bool), Refused>>);

#[derive(Debug)]
struct Refused {
    first: Instant,
    last: Instant,
}

impl Refusals {
    /// Whether the call may work in a moment. The time counts from the first refusal of an action on; one long after the
    /// last is a first one again.
    fn may_pass(&self, fault: &Fault) -> bool {
        if !matches!(fault.class, Class::Denied | Class::Unauthenticated) {
            return false;
        }
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let key = (fault.action, fault.class == Class::Denied);
        let refused = times.entry(key).or_insert(Refused { first: now, last: now });
        if refused.last.elapsed() > ACCESS_SILENCE {
            refused.first = now;
        }
        refused.last = now;
        refused.first.elapsed() + ACCESS_PAUSE < ACCESS_PATIENCE
    }
}

/// Polls between two checks of the fence: about a minute at the usual pause.
const POLLS_PER_FENCE_CHECK: u32 = 12;

/// Where a long wait checks for a newer request.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// ARNs of the subnet groups whose tags tell.
    pub fenced_groups: &'a BTreeSet<String>,
    /// The request that waits.
    pub fence: &'a Fence<'a>,
}

/// Waits and polls for one request.
#[derive(Debug)]
pub struct Waiter<'a> {
    /// Where to ask.
    pub aws: &'a Aws,
    /// The function's account, if that is known.
    pub account: Option<String>,
    /// Longest pause between two polls.
    pub poll_interval: Duration,
    /// Until when.
    pub deadline: Deadline,
    /// How often the longest pause is doubled, because AWS asked for fewer calls.
    slower: AtomicU32,
    /// Groups that were asked for and have appeared.
    shown: Mutex<BTreeSet<String>>,
    /// Whether AWS has asked for fewer calls.
    throttled: AtomicBool,
    /// How much sooner the work is handed on then.
    sooner: Duration,
    /// What was refused that may pass.
    refusals: Refusals,
    /// Whether a right that is missing may be on its way.
    rights_may_come: bool,
}

/// Most doublings of the longest pause: at the usual 5 s a poll comes every 80 s then.
const MOST_SLOWER: u32 = 4;

/// Largest part of an invocation that is given up when calls are few, so that many functions do not all hand on in the same
/// few seconds and each has the time to get its call through.
const SOONER: f64 = 0.25;

impl<'a> Waiter<'a> {
    /// Waits for one request.
    #[must_use]
    pub fn new(aws: &'a Aws, poll_interval: Duration, deadline: Deadline) -> Waiter<'a> {
        let left = deadline.hand_over_at.saturating_duration_since(Instant::now());
        let sooner = left.mul_f64(SOONER * (1.0 + fastrand::f64()) / 2.0);
        Waiter {
            aws,
            account: None,
            poll_interval,
            deadline,
            slower: AtomicU32::new(0),
            throttled: AtomicBool::new(false),
            sooner,
            shown: Mutex::default(),
            refusals: Refusals::default(),
            rights_may_come: true,
        }
    }

    /// Takes what is denied for an answer: somebody wants to know which rights are missing.
    #[must_use]
    pub fn without_waiting_for_rights(self) -> Waiter<'a> {
        Waiter { rights_may_come: false, ..self }
    }

    /// Groups that were asked for and have appeared.
    pub(super) fn shown(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Many functions may share what AWS lets an account do in a second: whoever is throttled polls less often until
    /// polls get through again.
    pub(crate) fn adapt_pace(&self, fault: Option<&Fault>) {
        let slower = self.slower.load(Ordering::Relaxed);
        let next = match fault.map(|fault| fault.class) {
            Some(Class::Throttled) => {
                self.throttled.store(true, Ordering::Relaxed);
                (slower + 1).min(MOST_SLOWER)
            }
            Some(_) => slower,
            None => slower.saturating_sub(1),
        };
        self.slower.store(next, Ordering::Relaxed);
    }

    /// Whether a call that was refused for lack of a right, or for its signature, is worth another try.
    pub(crate) fn may_pass(&self, fault: &Fault) -> bool {
        (self.rights_may_come || fault.class != Class::Denied) && self.refusals.may_pass(fault)
    }

    /// Sleeps before poll number `poll`, or fails when there is no time for it.
    pub(crate) async fn pause(&self, poll: u32, waiting_for: &str, last: &str) -> Result<(), Error> {
        let slower = self.slower.load(Ordering::Relaxed);
        self.pause_by(polling(self.poll_interval * 2_u32.pow(slower)), poll, waiting_for, last).await
    }

    /// Sleeps before another try of a call that failed, or fails when there is no time for it.
    pub(crate) async fn pause_after(&self, fault: &Fault, tries: u32, waiting_for: &str) -> Result<(), Error> {
        let last = fault.to_string();
        if matches!(fault.class, Class::Denied | Class::Unauthenticated) {
            return self.pause_by(ACCESS, tries, waiting_for, &last).await;
        }
        self.pause(tries, waiting_for, &last).await
    }

    async fn pause_by(&self, backoff: Backoff, before: u32, waiting_for: &str, last: &str) -> Result<(), Error> {
        let sooner = if self.throttled.load(Ordering::Relaxed) { self.sooner } else { Duration::ZERO };
        let pause = backoff.pause(before, fastrand::f64());
        if Instant::now() + pause >= self.deadline.answer_by {
            return Err(Error::TimedOut {
                waiting_for: waiting_for.to_owned(),
                last: last.to_owned(),
                elapsed: self.deadline.started.elapsed(),
                done: Vec::new(),
            });
        }
        if Instant::now() + pause + sooner >= self.deadline.hand_over_at {
            return Err(Error::HandOver);
        }
        timed(Phase::Wait, tokio::time::sleep(pause)).await;
        Ok(())
    }

    /// Repeats one lookup until AWS answers it: as long as it takes where AWS cannot now, for a while where it may not.
    pub(crate) async fn persist<T, F>(&self, call: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        self.answered(call, Rights::MayCome).await?.map_err(Error::from)
    }

    /// The same for a lookup that the work can do without: what is denied is not waited for.
    pub(super) async fn inquire<T, F>(&self, call: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        self.answered(call, Rights::AsTheyAre).await?.map_err(Error::from)
    }

    /// The same as either, with the fault that stays as a value.
    pub(super) async fn answered<T, F>(&self, call: impl Fn() -> F, rights: Rights) -> Result<Result<T, Fault>, Error>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut tries = 0;
        loop {
            match call().await {
                Err(fault) if self.passes(&fault, rights) => {
                    debug!(%fault, "looking again");
                    self.adapt_pace(Some(&fault));
                    self.pause_after(&fault, tries, &format!("an answer to {}", fault.action)).await?;
                    tries += 1;
                }
                result => return Ok(result),
            }
        }
    }

    /// Whether the same lookup may be answered later.
    fn passes(&self, fault: &Fault, rights: Rights) -> bool {
        match fault.class {
            Class::Throttled | Class::Unavailable => true,
            Class::Denied if rights == Rights::AsTheyAre => false,
            _ => self.may_pass(fault),
        }
    }

    /// Polls until what is awaited has happened. Every change of what is seen is a log line.
    pub(super) async fn until(&self, awaited: &Awaited, group: &str, watch: Watch<'_>) -> Result<(), Error> {
        let waiting_for = awaited.to_string();
        let mut last = String::new();
        let mut refused: Option<Fault> = None;
        for poll in 0.. {
            match refused.take() {
                Some(fault) => self.pause_after(&fault, poll, &waiting_for).await?,
                None => self.pause(poll, &waiting_for, &last).await?,
            }
            let (over, seen) = match timed(Phase::Observe, self.observe(awaited, group)).await {
                Ok(result) => {
                    self.adapt_pace(None);
                    if *awaited == Awaited::GroupMade && result.1 != NOT_THERE {
                        self.shown().insert(group.to_owned());
                    }
                    result
                }
                Err(fault) if self.passes(&fault, Rights::MayCome) => {
                    self.adapt_pace(Some(&fault));
                    let seen = fault.to_string();
                    refused = Some(fault);
                    (false, seen)
                }
                Err(fault) => return Err(fault.into()),
            };
            let missing = *awaited == Awaited::GroupMade
                && seen == NOT_THERE
                && (poll >= POLLS_TO_SHOW || self.shown().contains(group));
            if seen != last {
                let seconds = self.deadline.started.elapsed().as_secs();
                info!(group, seen, elapsed_seconds = seconds, "waiting for {waiting_for}");
                last = seen;
            }
            // What was asked for and does not appear is for the next observation.
            if over || missing {
                return Ok(());
            }
            if poll % POLLS_PER_FENCE_CHECK == POLLS_PER_FENCE_CHECK - 1
                && self.is_superseded(watch.fenced_groups, watch.fence).await
            {
                return Err(Error::Superseded);
            }
        }
        Ok(())
    }

    /// Whether one of these subnet groups says that a newer request took over. What cannot be read now says nothing; the
    /// next observation reads it.
    pub(super) async fn is_superseded(&self, fenced_groups: &BTreeSet<String>, fence: &Fence<'_>) -> bool {
        for arn in fenced_groups {
            if let Ok(Some(tags)) = self.aws.cache_tags(arn).await
                && fence.is_superseded(&tags)
            {
                return true;
            }
        }
        false
    }

    /// One call: whether the wait is over, and what was seen.
    async fn observe(&self, awaited: &Awaited, group: &str) -> Result<(bool, String), Fault> {
        if let Awaited::MemberAvailable(id) = awaited {
            let member = self.aws.member(id).await?;
            let over = member.as_ref().is_none_or(|member| member.status == Status::Available);
            return Ok((over, member.map_or("gone".to_owned(), |member| member.status.to_string())));
        }
        if let Awaited::SnapshotAvailable(name) = awaited {
            let status = match self.aws.snapshot(name).await? {
                Lookup::Found(snapshot) => snapshot.status,
                // The next observation decides what that means.
                Lookup::Missing | Lookup::NotDone => return Ok((true, "not there".to_owned())),
            };
            return Ok((status == Status::Available, status.to_string()));
        }
        let group = self.aws.group(group).await?;
        Ok((awaited.is_over(group.as_ref()), group.map_or(NOT_THERE.to_owned(), |group| group.progress())))
    }
}
