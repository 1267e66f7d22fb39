//! Waiting: deadline and pauses. Calls AWS, one poll at a time.
//!
//! | Wait | Over when |
//! | --- | --- |
//! | group that was just asked for | as below; while it does not show, for half a minute |
//! | group to be available | status `available`, every shard `available`, members in shards = members listed, nothing pending |
//! | member to be available | its own status; a group may say available while a new member is still being made |
//! | group to be deletable | `available` or `create-failed` |
//! | group to be gone | not found |
//! | AWS to show a change | the same step is no longer planned; after half a minute a change of the group is reported as not achieved, with ElastiCache's events, and anything else is done again |
//!
//! Waiting costs one call per poll, and `polling.rs` says when it is worth one: seldom before AWS can be done, often about
//! when it usually is, no more than six a minute altogether. How long AWS takes comes from the table in
//! `step/duration.rs`, and where this request has waited for such a step before, from how long that took. `POLL_INTERVAL_MS`
//! bounds every pause. Other pauses, before a lookup or a write is tried again, start after half a second and grow to five,
//! with a fifth of jitter. A run that is throttled polls less often, down to every sixteenth part, or to a
//! quarter where AWS is done and little is left to do, until its polls get through again, repeats throttled calls alone, and hands its work over earlier.
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
use crate::continuation::{Memory, Working};
use crate::error::Error;
use crate::observed::{Group, Lookup, Secret, Status};
use crate::plan::Awaited;
use crate::polling::Expected;
use crate::step::duration::Minutes;
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

/// Longest pause before something is tried again, unless AWS asks for fewer calls.
const LONGEST: Duration = Duration::from_secs(5);

/// What it costs the wait about to observe everything, as an invocation does that takes over from another one.
const CALLS_OF_AN_OBSERVATION: u32 = 12;

/// Time that is kept for a last poll.
const LAST_POLL: Duration = Duration::from_millis(500);

/// Longest pause between two polls when AWS asks for fewer calls.
const SLOWEST: Duration = Duration::from_secs(80);

/// The pauses between tries: short at first, because much is done in seconds, and soon the longest.
pub(crate) fn retries(longest: Duration) -> Backoff {
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
        let mut times = lock(&self.0);
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

/// Time between two checks of the fence in a long wait. Nothing depends on it but how long a run goes on waiting that is no
/// longer wanted: each observation reads the fence.
const BETWEEN_FENCE_CHECKS: Duration = Duration::from_mins(2);

/// Where a long wait checks for a newer request.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// ARNs of the subnet groups whose tags tell.
    pub fenced_groups: &'a BTreeSet<String>,
    /// The request that waits.
    pub fence: &'a Fence<'a>,
}

/// What was found out on the way to the first observation, which need not ask for it again. Each is taken once, and only
/// for a moment.
#[derive(Debug, Default)]
pub(super) struct Found {
    secrets: BTreeMap<String, (Instant, Lookup<Secret>)>,
    missing_subnet_groups: BTreeMap<String, Instant>,
}

/// For so long what was found out counts as seen by the same observation.
const MOMENT: Duration = Duration::from_secs(2);

impl Found {
    pub(super) fn secret(&mut self, name: &str, secret: Option<Secret>) {
        self.secrets.insert(name.to_owned(), (Instant::now(), secret.map_or(Lookup::Missing, Lookup::Found)));
    }

    /// The secret of that name, or that there is none, if that was found out just now.
    pub(super) fn take_secret(&mut self, name: &str) -> Lookup<Secret> {
        let found = self.secrets.remove(name).filter(|(at, _)| at.elapsed() <= MOMENT);
        found.map_or(Lookup::NotDone, |(_, secret)| secret)
    }

    pub(super) fn no_subnet_group(&mut self, name: &str) {
        self.missing_subnet_groups.insert(name.to_owned(), Instant::now());
    }

    /// Whether there is no subnet group of that name.
    pub(super) fn takes_missing_subnet_group(&mut self, name: &str) -> bool {
        self.missing_subnet_groups.remove(name).is_some_and(|at| at.elapsed() <= MOMENT)
    }
}

/// Work of AWS that is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Work {
    /// How long it should take.
    minutes: Minutes,
    /// Since when AWS works.
    began: Instant,
    /// Calls that were made while waiting for it.
    pub(super) calls: u32,
}

impl Work {
    /// Work that began just now.
    pub(super) fn of(minutes: Minutes) -> Work {
        Work { minutes, began: Instant::now(), calls: 0 }
    }

    /// Whether to go on asking for the same; after minutes an observation may show what is in the way.
    pub(super) fn is_worth_a_poll(&self) -> bool {
        self.began.elapsed() < BETWEEN_FENCE_CHECKS
    }
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
    /// What AWS was asked for last and works on.
    work: Mutex<Option<Work>>,
    /// How long steps took, by how long they were expected to take.
    took: Mutex<BTreeMap<String, Duration>>,
    /// How often the longest pause is doubled, because AWS asked for fewer calls.
    slower: AtomicU32,
    /// Groups that were asked for and have appeared.
    shown: Mutex<BTreeSet<String>>,
    /// What was found out on the way to the first observation.
    found: Mutex<Found>,
    /// When the fence was read or written last.
    fenced_at: Mutex<Option<Instant>>,
    /// Whether AWS has asked for fewer calls.
    throttled: AtomicBool,
    /// Whether AWS is done with what takes long, so that little is left to do.
    nearly_done: AtomicBool,
    /// How much sooner the work is handed on then.
    sooner: Duration,
    /// What was refused that may pass.
    refusals: Refusals,
    /// Whether a right that is missing may be on its way.
    rights_may_come: bool,
}

/// Most doublings of the pauses: of those of 5 s each is 80 s long then.
const MOST_SLOWER: u32 = 4;

/// The same for a request that is nearly done: it goes first, so that all end soon that could, and make room.
const MOST_SLOWER_NEARLY_DONE: u32 = 2;

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
            work: Mutex::default(),
            took: Mutex::default(),
            slower: AtomicU32::new(0),
            throttled: AtomicBool::new(false),
            nearly_done: AtomicBool::new(false),
            sooner,
            shown: Mutex::default(),
            found: Mutex::default(),
            fenced_at: Mutex::default(),
            refusals: Refusals::default(),
            rights_may_come: true,
        }
    }

    /// Takes what is denied for an answer: somebody wants to know which rights are missing.
    #[must_use]
    pub fn without_waiting_for_rights(self) -> Waiter<'a> {
        Waiter { rights_may_come: false, ..self }
    }

    /// What was found out on the way to the first observation.
    pub(super) fn found(&self) -> MutexGuard<'_, Found> {
        lock(&self.found)
    }

    /// The fence is read or written now.
    pub(super) fn fences(&self) {
        *lock(&self.fenced_at) = Some(Instant::now());
    }

    /// Whether that was no longer ago.
    pub(super) fn is_fenced_within(&self, span: Duration) -> bool {
        lock(&self.fenced_at).is_some_and(|at| at.elapsed() <= span)
    }

    /// Groups that were asked for and have appeared.
    pub(super) fn shown(&self) -> MutexGuard<'_, BTreeSet<String>> {
        lock(&self.shown)
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

    /// Goes on with what an earlier invocation waited for.
    pub(super) fn resume(&self, memory: &Memory) {
        *lock(&self.took) = memory.took.iter().map(|(kind, ms)| (kind.clone(), Duration::from_millis(*ms))).collect();
        *lock(&self.work) = memory.working.as_ref().map(|working| {
            let [least, usual, most] = working.minutes;
            let began = self.deadline.started.checked_add(Duration::from_millis(working.began_ms));
            let began = began.unwrap_or_else(Instant::now);
            Work {
                minutes: Minutes { least, usual, most },
                began,
                calls: working.calls.saturating_add(CALLS_OF_AN_OBSERVATION),
            }
        });
    }

    /// What the next invocation must know of that.
    pub(super) fn memory(&self) -> Memory {
        let took = lock(&self.took).iter().map(|(kind, took)| (kind.clone(), milliseconds(*took))).collect();
        let working = lock(&self.work).map(|work| Working {
            minutes: [work.minutes.least, work.minutes.usual, work.minutes.most],
            began_ms: milliseconds(work.began.saturating_duration_since(self.deadline.started)),
            calls: work.calls,
        });
        Memory { took, working, ..Memory::default() }
    }

    /// By how much pauses are longer, because AWS asked for fewer calls.
    fn factor(&self) -> u32 {
        let slower = self.slower.load(Ordering::Relaxed);
        let nearly_done = self.nearly_done.load(Ordering::Relaxed);
        2_u32.pow(if nearly_done { slower.min(MOST_SLOWER_NEARLY_DONE) } else { slower })
    }

    /// AWS was asked for something that takes so long.
    pub(super) fn expect(&self, minutes: Minutes) {
        self.nearly_done.store(false, Ordering::Relaxed);
        *lock(&self.work) = Some(Work::of(minutes));
    }

    /// Longest pause before something is tried again.
    pub(super) fn longest_retry(&self) -> Duration {
        self.poll_interval.min(LONGEST)
    }

    /// How long AWS has for showing what it has done.
    pub(super) fn time_to_show(&self) -> Duration {
        self.longest_retry() * POLLS_TO_SHOW
    }

    /// Sleeps before try number `tries`, or fails when there is no time for it.
    pub(crate) async fn pause(&self, tries: u32, waiting_for: &str, last: &str) -> Result<(), Error> {
        self.pause_by(retries(self.longest_retry() * self.factor()), tries, waiting_for, last).await
    }

    /// Sleeps before the next poll for this work, or fails when there is no time for it.
    pub(super) async fn pause_for(&self, work: Work, waiting_for: &str, last: &str) -> Result<(), Error> {
        let took = lock(&self.took).get(&work.minutes.to_string()).copied();
        let expected = took.map_or_else(|| expected(work.minutes), Expected::again);
        let mut pause = expected.pause(work.began.elapsed(), work.calls, fastrand::f64());
        if last == NOT_THERE {
            pause = pause.min(self.longest_retry());
        }
        let factor = self.factor();
        let slowed = pause.max((pause * factor).min(SLOWEST)).min(self.poll_interval * factor);
        // A last poll comes shortly before there is no more time for one.
        let left = self.deadline.answer_by.min(self.deadline.hand_over_at).saturating_duration_since(Instant::now());
        let last_one = left.saturating_sub(self.sooner()).saturating_sub(LAST_POLL);
        let pause = if last_one > LAST_POLL { slowed.min(last_one) } else { slowed };
        self.sleep(pause, waiting_for, last).await
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
        self.sleep(backoff.pause(before, fastrand::f64()), waiting_for, last).await
    }

    /// How much sooner than it must the work is handed on: where calls are few.
    fn sooner(&self) -> Duration {
        if self.throttled.load(Ordering::Relaxed) { self.sooner } else { Duration::ZERO }
    }

    async fn sleep(&self, pause: Duration, waiting_for: &str, last: &str) -> Result<(), Error> {
        let sooner = self.sooner();
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

    /// Whether EC2 lists this security group after a pause; one that is `new` may take a few. A right that hangs on its tags
    /// is denied on what has gone, so a step about it that EC2 could not take is tried again only where it is listed.
    pub(super) async fn is_listed(&self, id: &str, new: bool, work: &mut Work, what: &str) -> Result<bool, Error> {
        let ids = BTreeSet::from([id.to_owned()]);
        loop {
            if new {
                self.pause(work.calls, what, "").await?;
            } else {
                self.pause_for(*work, what, "").await?;
            }
            // This one, and the step that it is asked for.
            work.calls += if new { 1 } else { 2 };
            let listed = self.persist(|| self.aws.security_groups_by_id(&ids)).await?.contains_key(id);
            if listed || !new || work.calls >= POLLS_TO_SHOW {
                return Ok(listed);
            }
        }
    }

    /// Polls until what is awaited has happened. Every change of what is seen is a log line. Returns the group as it was
    /// seen last, where that is what was polled and it is there.
    pub(super) async fn until(&self, awaited: &Awaited, group: &str, watch: Watch<'_>) -> Result<Option<Group>, Error> {
        let waiting_for = awaited.to_string();
        // A member is waited for after the work of its group.
        let asked = lock(&self.work).filter(|_| !matches!(awaited, Awaited::MemberAvailable(_)));
        let mut work = asked.unwrap_or_else(|| Work::of(Minutes::default()));
        let (began, mut fenced) = (Instant::now(), Instant::now());
        let mut last = String::new();
        let mut refused: Option<Fault> = None;
        for poll in 0.. {
            match refused.take() {
                Some(fault) => self.pause_after(&fault, poll, &waiting_for).await?,
                None => self.pause_for(work, &waiting_for, &last).await?,
            }
            work.calls += 1;
            let Poll { over, seen, group: found } = match timed(Phase::Observe, self.poll(awaited, group)).await {
                Ok(poll) => {
                    self.adapt_pace(None);
                    if *awaited == Awaited::GroupMade && poll.seen != NOT_THERE {
                        self.shown().insert(group.to_owned());
                    }
                    poll
                }
                Err(fault) if self.passes(&fault, Rights::MayCome) => {
                    self.adapt_pace(Some(&fault));
                    let seen = fault.to_string();
                    refused = Some(fault);
                    Poll { over: false, seen, group: None }
                }
                Err(fault) => return Err(fault.into()),
            };
            let missing = *awaited == Awaited::GroupMade
                && seen == NOT_THERE
                && (began.elapsed() >= self.time_to_show() || self.shown().contains(group));
            if seen != last {
                let seconds = self.deadline.started.elapsed().as_secs();
                info!(group, seen, elapsed_seconds = seconds, "waiting for {waiting_for}");
                last = seen;
            }
            // What was asked for and does not appear is for the next observation.
            if over || missing {
                if over && asked.is_some() {
                    self.learn(work);
                }
                return Ok(found);
            }
            if fenced.elapsed() >= BETWEEN_FENCE_CHECKS {
                fenced = Instant::now();
                work.calls += 1;
                if self.is_superseded(watch.fenced_groups, watch.fence).await {
                    return Err(Error::Superseded);
                }
            }
            if asked.is_some() {
                *lock(&self.work) = Some(work);
            }
        }
        Ok(None)
    }

    /// Keeps in mind how long AWS took. What seems to be over much too early has not begun to show.
    fn learn(&self, work: Work) {
        let took = work.began.elapsed();
        if took >= Duration::from_mins(work.minutes.least) / 2 {
            lock(&self.took).insert(work.minutes.to_string(), took);
            self.nearly_done.store(true, Ordering::Relaxed);
            *lock(&self.work) = None;
        }
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
    async fn poll(&self, awaited: &Awaited, group: &str) -> Result<Poll, Fault> {
        if let Awaited::MemberAvailable(id) = awaited {
            let member = self.aws.member(id).await?;
            let over = member.as_ref().is_none_or(|member| member.status == Status::Available);
            let seen = member.map_or("gone".to_owned(), |member| member.status.to_string());
            return Ok(Poll { over, seen, group: None });
        }
        if let Awaited::SnapshotAvailable(name) = awaited {
            let status = match self.aws.snapshot(name).await? {
                Lookup::Found(snapshot) => snapshot.status,
                // The next observation decides what that means.
                Lookup::Missing | Lookup::NotDone => {
                    return Ok(Poll { over: true, seen: NOT_THERE.to_owned(), group: None });
                }
            };
            return Ok(Poll { over: status == Status::Available, seen: status.to_string(), group: None });
        }
        let group = self.aws.group(group).await?;
        let seen = group.as_ref().map_or(NOT_THERE.to_owned(), Group::progress);
        Ok(Poll { over: awaited.is_over(group.as_ref()), seen, group })
    }
}

/// What one poll told.
struct Poll {
    /// Whether the wait is over.
    over: bool,
    /// What was seen, in words.
    seen: String,
    /// The group, where that was polled and is there.
    group: Option<Group>,
}

/// When the end of a wait is to be expected.
fn expected(minutes: Minutes) -> Expected {
    Expected { least: Duration::from_mins(minutes.least), usual: Duration::from_mins(minutes.usual) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
