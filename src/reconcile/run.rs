//! One request's work: observe, plan, act and wait until nothing is left to do or time is up. Calls AWS.
//!
//! All state is in AWS, so a run that dies anywhere is continued by the next one. What a run remembers is only which
//! steps it has applied, to tell a change that AWS shows late from one that it did not make.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tracing::{info, warn};

use super::act::act;
use super::faults::Reaction;
use super::fence::requests::{Fence, RequestKey};
use super::observe::{self, AlarmsOf, HiddenSecret, Target};
use super::optional::optional;
use super::wait::{Deadline, POLLS_TO_SHOW, Waiter, Watch, Work};
use crate::aws::{Aws, Class, Fault};
use crate::continuation::Memory;
use crate::desired::{Desired, References};
use crate::domain::problem::Problem;
use crate::error::Error;
use crate::observed::{Account, Group, Observed, Status};
use crate::plan::{self, Awaited, Plan, Transition};
use crate::step::duration::Minutes;
use crate::step::effect::{self, Effect, Made};
use crate::step::{AuthChange, Step};

/// Tries of a throttled step before everything is looked at again.
const TRIES_WITHOUT_OBSERVING: u32 = 8;

/// Longest that steps about alarms are tried in vain.
const ALARMS_IN_VAIN: Duration = Duration::from_mins(3);

/// Longest that an answer about wrong properties is held up to say what is wrong in the account too.
pub(super) const OBSERVE_BEFORE_REFUSAL: Duration = Duration::from_secs(28);

/// One request's work.
#[derive(Debug)]
pub struct Run<'a> {
    pub(super) aws: &'a Aws,
    pub(super) fence: Fence<'a>,
    pub(super) waiter: Waiter<'a>,
    applied: BTreeMap<String, Applied>,
    pub(super) done: Vec<String>,
    pub(super) retries: u32,
    /// Rounds in a row in which something that a step needs was not there.
    pub(super) misses: u32,
    /// Steps that make what AWS says is there, and no observation shows.
    pub(super) hidden: BTreeSet<String>,
    /// Groups that were seen standing while this request was worked on.
    pub(super) seen: BTreeSet<String>,
    /// Parameter groups that may exist, by the replication group that they are named after.
    pub(super) parameter_groups: BTreeMap<String, BTreeSet<String>>,
    /// Whether the subnet group that this request put itself on was taken away.
    pub(super) removed_meanwhile: bool,
    /// The subnet groups of ours that were seen, by ARN: their tags tell the newest request.
    pub(super) fenced_groups: BTreeSet<String>,
    /// Parameter group that was asked for last.
    pub(super) asked_parameter_group: Option<String>,
    /// Log types whose delivery was asked for.
    pub(super) asked_logs: BTreeSet<String>,
    /// Parameters that AWS does not reset.
    pub(super) unresettable: BTreeSet<String>,
    /// Whether AWS refused to reset several parameters without saying which.
    pub(super) resets_singly: bool,
    /// Whether an Update is the rollback of one, as far as CloudFormation said.
    pub(super) rolls_back: Option<bool>,
    /// Whether CloudFormation said that it updates nothing.
    pub(super) no_update: bool,
    /// The physical id that an Update came with.
    pub(super) updates: Option<String>,
    /// The version whose token AWS was last asked to make the only one, and agreed.
    pub(super) required_version: Option<String>,
    /// Names that AWS refused for a final snapshot, because another has them.
    pub(super) taken_snapshots: BTreeSet<String>,
    /// Why alarms are left as they are from now on.
    pub(super) alarm_trouble: Option<String>,
    /// Since when steps about alarms have been tried in vain.
    alarms_fail_since: Option<Instant>,
    /// Whether this request made a security group that no other call has shown to be known yet.
    unproven: bool,
    /// Whether this request made the secret: until it is answered nobody else knows of it.
    made_secret: bool,
}

/// What is remembered of a step that was taken.
#[derive(Debug, Default)]
struct Applied {
    /// Whether it changed a standing group, which AWS may roll back later.
    changes_group: bool,
    /// When the plan first asked for it again although it had succeeded.
    asked_again: Option<Instant>,
    /// Whether AWS said that what it makes is there already.
    existed: bool,
}

impl Applied {
    fn of(step: &Step) -> Applied {
        Applied { changes_group: step.changes_group(), ..Applied::default() }
    }
}

/// How long nothing needs to be asked about the fence after it was read.
const FENCE_HOLDS: Duration = Duration::from_secs(2);

/// What carrying out a plan came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// AWS accepted all of these steps.
    Taken(Vec<(Step, Made)>),
    /// What was waited for has happened; the group as it was polled last.
    Waited(Option<Box<Group>>),
    /// Only an observation tells.
    Unclear,
}

/// What the steps of one round came to, beyond those that succeeded.
#[derive(Debug, Default)]
struct Round {
    /// Faults that end the request.
    fatal: Vec<Fault>,
    /// One that may pass.
    passing: Option<Fault>,
    /// Whether something that a step needs was not there.
    missed: bool,
}

/// What a run ended with when everything is as it should be.
#[derive(Debug)]
pub struct Converged {
    /// The last observation.
    pub observed: Observed,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl<'a> Run<'a> {
    /// Work on one request.
    #[must_use]
    pub fn new(aws: &'a Aws, request: &'a RequestKey, poll_interval: Duration, deadline: Deadline) -> Run<'a> {
        let waiter = Waiter::new(aws, poll_interval, deadline);
        Run {
            aws,
            fence: Fence::new(request),
            waiter,
            applied: BTreeMap::new(),
            done: Vec::new(),
            retries: 0,
            misses: 0,
            hidden: BTreeSet::new(),
            seen: BTreeSet::new(),
            parameter_groups: BTreeMap::new(),
            removed_meanwhile: false,
            fenced_groups: BTreeSet::new(),
            asked_parameter_group: None,
            asked_logs: BTreeSet::new(),
            unresettable: BTreeSet::new(),
            resets_singly: false,
            rolls_back: None,
            no_update: false,
            updates: None,
            required_version: None,
            taken_snapshots: BTreeSet::new(),
            alarm_trouble: None,
            alarms_fail_since: None,
            unproven: false,
            made_secret: false,
        }
    }

    /// In which account the work is done.
    #[must_use]
    pub fn in_account(mut self, id: Option<&str>) -> Run<'a> {
        self.waiter.account = id.map(str::to_owned);
        self
    }

    /// Takes what is denied for an answer, and does not wait for the right.
    #[must_use]
    pub fn without_waiting_for_rights(mut self) -> Run<'a> {
        self.waiter = self.waiter.without_waiting_for_rights();
        self
    }

    /// Goes on from what an earlier invocation remembered.
    #[must_use]
    pub fn resumed(mut self, memory: &Memory) -> Run<'a> {
        let applied = |step: &String| (step.clone(), Applied { changes_group: true, ..Applied::default() });
        self.applied = memory.applied.iter().map(applied).collect();
        self.done.clone_from(&memory.done);
        self.seen.clone_from(&memory.seen);
        self.fence.resume(&memory.claims);
        self.asked_parameter_group.clone_from(&memory.asked_parameter_group);
        self.asked_logs.clone_from(&memory.asked_logs);
        self.rolls_back = memory.rolls_back;
        self.required_version.clone_from(&memory.required_version);
        self.waiter.resume(memory);
        self
    }

    /// What the next invocation must know.
    #[must_use]
    pub fn memory(&self) -> Memory {
        let changes = self.applied.iter().filter(|(_, applied)| applied.changes_group).map(|(step, _)| step.clone());
        // What was removed may be gone when the next invocation observes. A request that was removed meanwhile itself must not begin
        // anew there.
        let claims = if self.removed_meanwhile { self.fence.claims().clone() } else { self.fence.kept_claims() };
        Memory {
            applied: changes.collect(),
            done: self.done.clone(),
            seen: self.seen.union(&self.waiter.shown()).cloned().collect(),
            claims,
            asked_parameter_group: self.asked_parameter_group.clone(),
            asked_logs: self.asked_logs.clone(),
            rolls_back: self.rolls_back,
            required_version: self.required_version.clone(),
            ..self.waiter.memory()
        }
    }

    /// Goes on from one observation until everything is as wanted.
    pub(super) async fn converge(
        &mut self,
        transition: Transition<'_>,
        first: Observed,
        account: &Account,
    ) -> Result<Converged, Error> {
        let mut observed = first;
        let mut plan = plan::next_steps(transition, &observed, account);
        let was_there = observed.group.is_some();
        let group = transition.desired.names.replication_group.clone();
        loop {
            // A Delete that superseded this run must not be undone by it.
            let stands = observed.group.as_ref().is_some_and(|group| group.status != Status::Deleting);
            if stands {
                // One that an earlier request left behind may have to go.
                if !observed.is_left_behind() {
                    self.seen.insert(group.clone());
                }
            } else if self.seen.contains(&group) || self.waiter.shown().contains(&group) {
                return Err(Error::DeletedMeanwhile { group });
            }
            if !matches!(plan, Plan::Refuse(_)) {
                self.claim(Target::from(transition.desired), &observed).await?;
            }
            if plan == Plan::Done {
                let mut warnings = plan::warnings(transition, &observed);
                if transition.previous.is_some() && !was_there {
                    warnings
                        .push("the replication group had been deleted by hand and was made again, empty".to_owned());
                }
                return Ok(Converged { observed, warnings });
            }
            if matches!(plan, Plan::Act(_)) && observed.subnet_group.is_some() && !self.is_fenced() {
                // What was looked up meanwhile took its time.
                observed = Box::pin(self.still_newest(Target::from(transition), observed)).await?;
                plan = plan::next_steps(transition, &observed, account);
                continue;
            }
            let outcome = self.execute(plan, &group, &observed).await?;
            let pending_counts = transition.desired.apply_immediately;
            let proceed = self.proceed(Target::from(transition), observed, outcome, pending_counts);
            observed = Box::pin(proceed).await?;
            plan = plan::next_steps(transition, &observed, account);
        }
    }

    /// What is there after a plan was carried out, told by what was seen before, by what AWS answered and by the last poll, as
    /// far as these tell it. What does not is asked for. `pending_counts` says that changes which are left for the
    /// maintenance window hold a wait up.
    pub(super) async fn proceed(
        &mut self,
        target: Target<'_>,
        before: Observed,
        outcome: Outcome,
        pending_counts: bool,
    ) -> Result<Observed, Error> {
        let mut known = before;
        let polled = match outcome {
            Outcome::Unclear => return Box::pin(self.observe(target)).await,
            Outcome::Waited(polled) => polled,
            Outcome::Taken(steps) => {
                let mut effects = BTreeSet::new();
                for (step, made) in &steps {
                    effects.insert(effect::show(step, made, &mut known));
                    self.made_secret |= matches!(made, Made::Secret(_)) && self.updates.is_none();
                    match step {
                        Step::CreateSecurityGroup { .. } => self.unproven = true,
                        Step::AuthorizeIngress { .. } => self.unproven = false,
                        _ => {}
                    }
                }
                if effects.contains(&Effect::Elsewhere) {
                    return Box::pin(self.observe(target)).await;
                }
                if effects.contains(&Effect::Works) {
                    let awaited = awaited(&steps, pending_counts);
                    let group = &target.names.replication_group;
                    match Box::pin(self.execute(Plan::Wait(awaited), group, &known)).await? {
                        Outcome::Waited(polled) => polled,
                        Outcome::Taken(_) | Outcome::Unclear => None,
                    }
                } else if effects.contains(&Effect::InSecret) {
                    known.group.clone().map(Box::new)
                } else {
                    self.watch(target, &known);
                    let known = self.remembered(known);
                    return Box::pin(self.still_newest(target, known)).await;
                }
            }
        };
        let renewed =
            observe::renewed(&self.waiter, self.known(target), known, polled.map(|group| *group), self.made_secret);
        match Box::pin(renewed).await? {
            Some(observed) => {
                self.knows(target, &observed);
                let observed = self.remembered(observed);
                Box::pin(self.fenced(target, observed)).await
            }
            None => Box::pin(self.observe(target)).await,
        }
    }

    /// Whether the fence was read a moment ago.
    fn is_fenced(&self) -> bool {
        self.waiter.is_fenced_within(FENCE_HOLDS)
    }

    /// What is known, if this request is still the newest: a moment after the fence was read it is.
    async fn still_newest(&mut self, target: Target<'_>, known: Observed) -> Result<Observed, Error> {
        if self.is_fenced() {
            return Ok(known);
        }
        let Some(group) = known.subnet_group.clone() else { return Ok(known) };
        match observe::tagged(&self.waiter, group).await? {
            Some(group) => self.fenced(target, Observed { subnet_group: Some(group), ..known }).await,
            None => self.observe(target).await,
        }
    }

    /// What of a desired state only the account tells: the cluster mode that a parameter group decides, and the name of the secret.
    /// `is_new` says that no group stands yet.
    ///
    /// # Errors
    /// It cannot be read, or the secret can have no name.
    pub async fn resolve(&mut self, desired: &mut Desired, is_new: bool) -> Result<(), Error> {
        self.resolve_cluster_mode(desired).await?;
        Box::pin(self.resolve_secret_name(desired, is_new)).await
    }

    /// Asks the parameter group that decides about cluster mode, if one does, until it answers: a fault must not decide what
    /// a standing cluster is. One that is not there is for the checks before the first write.
    ///
    /// # Errors
    /// The group cannot be read.
    pub(super) async fn resolve_cluster_mode(&mut self, desired: &mut Desired) -> Result<(), Error> {
        let Some(name) = desired.mode_decided_by() else { return Ok(()) };
        let ask = || async { self.aws.cluster_enabled(name).await.or_else(Fault::unless_missing) };
        if let Some(enabled) = self.waiter.persist(ask).await? {
            desired.resolve_cluster_mode(enabled);
        }
        Ok(())
    }

    /// Everything that is wrong: these problems of the properties and those of what they name in the account. `standing`
    /// is what is there already, whose references are not questioned again.
    pub async fn refused(
        &self,
        problems: Vec<Problem>,
        references: &References,
        standing: Option<Target<'_>>,
    ) -> Error {
        let standing = async {
            match standing {
                Some(target) => Box::pin(observe::observe(&self.waiter, target)).await,
                None => Ok(Observed::default()),
            }
        };
        let account = Box::pin(observe::account(&self.waiter, references));
        let polls = async { tokio::try_join!(standing, account) };
        let mut problems = problems;
        match optional(self.waiter.deadline.at_most(OBSERVE_BEFORE_REFUSAL), polls).await {
            Ok((observed, account)) => problems.extend(plan::account_problems(references, &observed, &account)),
            Err(why) => warn!(why, "the account could not be checked too"),
        }
        Error::Refused(problems)
    }

    /// What it means that AWS did not answer a call until [`Deadline::end`].
    #[must_use]
    pub fn interrupted(&self) -> Error {
        let deadline = self.waiter.deadline;
        if deadline.interrupt_at < deadline.give_up_at {
            return Error::HandOver;
        }
        self.timed_out("AWS to answer a call".to_owned())
    }

    pub(super) fn timed_out(&self, waiting_for: String) -> Error {
        let elapsed = self.waiter.deadline.started.elapsed();
        Error::TimedOut { waiting_for, last: String::new(), elapsed, done: Vec::new() }
    }

    /// The error with the steps that were taken before it, where they help to understand it.
    #[must_use]
    pub fn explained(&self, error: Error) -> Error {
        match error {
            Error::TimedOut { waiting_for, last, elapsed, done: _ } => {
                Error::TimedOut { waiting_for, last, elapsed, done: self.done.clone() }
            }
            other => other,
        }
    }

    pub(super) async fn execute(&mut self, plan: Plan, group: &str, observed: &Observed) -> Result<Outcome, Error> {
        match plan {
            Plan::Done => Ok(Outcome::Unclear),
            Plan::Refuse(problems) => Err(Error::Refused(problems)),
            Plan::NotAchieved { step, reasons } => Err(Error::NotAchieved { step, events: reasons }),
            Plan::CreateFailed => {
                Err(Error::CreateFailed { group: group.to_owned(), events: self.events(observed).await })
            }
            Plan::Wait(awaited) => {
                info!(group, "waiting for {awaited}");
                let watch = Watch { fenced_groups: &self.fenced_groups, fence: &self.fence };
                let polled = self.waiter.until(&awaited, group, watch).await?;
                Ok(Outcome::Waited(polled.map(Box::new)))
            }
            Plan::Act(steps) => self.apply(steps, observed).await,
        }
    }

    /// Applies the steps of one round that have not been applied yet.
    async fn apply(&mut self, steps: Vec<Step>, observed: &Observed) -> Result<Outcome, Error> {
        let (repeated, mut fresh): (Vec<Step>, Vec<Step>) =
            steps.into_iter().partition(|step| self.applied.contains_key(&step.to_string()));
        if fresh.is_empty() {
            self.await_effect(&repeated, observed).await?;
            return Ok(Outcome::Unclear);
        }
        // ElastiCache refuses a security group that it does not see yet. One that takes rules, or that EC2 lists, is there.
        if self.unproven {
            fresh.retain(|step| !matches!(step, Step::CreateGroup(_)));
            if fresh.is_empty() {
                return Ok(Outcome::Unclear);
            }
        }
        // An event that comes when nobody waits any more, a repeated one most likely, must not begin anything.
        if Instant::now() >= self.waiter.deadline.answer_by && fresh.iter().any(Step::creates) {
            let steps: Vec<String> = fresh.iter().map(Step::to_string).collect();
            return Err(self.timed_out(format!("time to {}", steps.join(", "))));
        }
        for step in &mut fresh {
            self.fence.stamp(step);
            info!(step = %step, "applying a step");
        }
        let results = join_all(fresh.iter().map(|step| self.apply_step(step))).await;
        let mut round = Round::default();
        let mut taken = Vec::new();
        for (step, result) in fresh.iter().zip(results) {
            let made = self.conclude(step, result, &mut round);
            taken.extend(made.map(|made| (step.clone(), made)));
        }
        if !round.fatal.is_empty() {
            return Err(Error::Calls(round.fatal));
        }
        let works = taken.iter().map(|(step, _)| step).filter(|step| step.keeps_aws_busy()).map(Minutes::of);
        if let Some(minutes) = works.reduce(Minutes::side_by_side) {
            self.waiter.expect(minutes);
        }
        self.misses = if round.missed { self.misses + 1 } else { 0 };
        if let Some(fault) = round.passing {
            match self.retry_pause(&fault).await {
                Err(Error::TimedOut { .. }) if fresh.iter().all(Step::is_about_alarms) => self.leave_alarms(&fault),
                paused => paused?,
            }
            return Ok(Outcome::Unclear);
        }
        self.retries = 0;
        let all = repeated.is_empty() && taken.len() == fresh.len();
        Ok(if all { Outcome::Taken(taken) } else { Outcome::Unclear })
    }

    /// Takes down what the result of a step means for the round and for the rest of the request. Returns what AWS answered, if
    /// it accepted the step.
    fn conclude(&mut self, step: &Step, result: Result<Made, Fault>, round: &mut Round) -> Option<Made> {
        if let Some(name) = step.asks_for_parameter_group() {
            self.asked_parameter_group = Some(name.to_owned());
        }
        self.asked_logs.extend(step.asks_for_logs());
        let fault = match result {
            Ok(made) => {
                self.fence.applied(step);
                self.done.push(step.to_string());
                self.alarms_fail_since.take_if(|_| step.is_about_alarms());
                self.remember(step, Applied::of(step));
                return Some(made);
            }
            Err(fault) => fault,
        };
        let exists = fault.class == Class::Exists;
        match Reaction::to(step, &fault) {
            _ if exists && final_snapshot(step).is_some() => {
                info!(step = %step, %fault, "another name will be tried");
                self.taken_snapshots.extend(final_snapshot(step).map(str::to_owned));
                round.passing = Some(fault);
            }
            Reaction::AsGoodAsDone if !(exists && self.hidden.contains(&step.to_string())) => {
                info!(step = %step, %fault, "nothing to do");
                self.remember(step, Applied { existed: exists, ..Applied::of(step) });
            }
            reaction if self.is_worth_a_try(reaction, &fault) && !self.has_tried_enough(step) => {
                info!(step = %step, %fault, "will be tried again");
                round.missed |= reaction == Reaction::TryAFewTimes;
                // What is refused for lack of a right is tried again soonest.
                if reaction == Reaction::TryForAWhile || round.passing.is_none() {
                    round.passing = Some(fault);
                }
            }
            _ if matches!(step, Step::ResetParameters { .. }) && fault.class == Class::Invalid => {
                warn!(step = %step, %fault, "AWS does not reset this");
                self.leave_parameters(step, &fault);
            }
            _ if step.is_about_alarms() => self.leave_alarms(&fault),
            _ => {
                warn!(step = %step, %fault, "failed");
                round.fatal.push(fault);
            }
        }
        None
    }

    /// Whether a step that a request can do without has been tried for long enough.
    fn has_tried_enough(&mut self, step: &Step) -> bool {
        let is_about_alarms = step.is_about_alarms();
        is_about_alarms && self.alarms_fail_since.get_or_insert_with(Instant::now).elapsed() > ALARMS_IN_VAIN
    }

    /// Leaves the alarms as they are for the rest of the request: a warning tells.
    fn leave_alarms(&mut self, why: &dyn Display) {
        if self.alarm_trouble.is_none() {
            warn!(%why, "the alarms are left as they are");
            self.alarm_trouble = Some(why.to_string());
        }
    }

    /// Keeps in mind a step whose effect is there, or will be.
    fn remember(&mut self, step: &Step, applied: Applied) {
        self.remember_required_version(step);
        self.may_exist(step);
        self.applied.insert(step.to_string(), applied);
    }

    /// What ElastiCache says about the group since this request was asked for.
    async fn events(&self, observed: &Observed) -> Vec<String> {
        match &observed.group {
            Some(group) => observe::events(&self.waiter, group, self.fence.request().signed_epoch_ms()).await,
            None => Vec::new(),
        }
    }

    /// Whether a step that failed may work later, after an observation.
    fn is_worth_a_try(&self, reaction: Reaction, fault: &Fault) -> bool {
        match reaction {
            Reaction::TryAgain => true,
            Reaction::TryAFewTimes => self.misses < POLLS_TO_SHOW,
            Reaction::TryForAWhile => self.waiter.may_pass(fault),
            Reaction::AsGoodAsDone | Reaction::Fail => false,
        }
    }

    /// Applies a step. One that is throttled is asked for again alone: nothing has changed by it, and a whole observation for
    /// every try would cost more calls than AWS gives.
    async fn apply_step(&self, step: &Step) -> Result<Made, Fault> {
        let mut tries = 0;
        let mut work = Work::of(Minutes::default());
        loop {
            match Box::pin(act(self.aws, step, self.fence.request().as_str())).await {
                Err(fault) if fault.class == Class::Throttled && tries < TRIES_WITHOUT_OBSERVING => {
                    info!(step = %step, %fault, "throttled");
                    self.waiter.adapt_pace(Some(&fault));
                    // Without time for another try the run decides what comes next.
                    if self.waiter.pause(tries, fault.action, "").await.is_err() {
                        return Err(fault);
                    }
                    tries += 1;
                }
                Err(fault) if work.is_worth_a_poll() => {
                    let Some((id, new)) = self.needs_time(step, &fault) else { return Err(fault) };
                    let what = format!("{} to be possible", fault.action);
                    match self.waiter.is_listed(id, new, &mut work, &what).await {
                        Ok(true) => {}
                        Ok(false) if !new => return Ok(Made::Nothing),
                        Ok(false) | Err(_) => return Err(fault),
                    }
                }
                result => return result,
            }
        }
    }

    /// The security group that the step is about, and whether it is new, where only time is missing: EC2 does not know a new
    /// group everywhere at once, and network interfaces hold an old one for a minute or two after their cache is gone.
    fn needs_time<'s>(&self, step: &'s Step, fault: &Fault) -> Option<(&'s str, bool)> {
        match step {
            Step::AuthorizeIngress { security_group, .. } => {
                (fault.class == Class::Missing && self.unproven).then_some((security_group, true))
            }
            Step::DeleteSecurityGroup { id } => (fault.class == Class::Busy).then_some((id, false)),
            _ => None,
        }
    }

    /// Steps that succeeded and are planned again: AWS shows their effect late, or did not do what it accepted.
    async fn await_effect(&mut self, repeated: &[Step], observed: &Observed) -> Result<(), Error> {
        let patience = self.waiter.time_to_show();
        for step in repeated {
            let text = step.to_string();
            let applied = self.applied.entry(text.clone()).or_default();
            let asked_again = *applied.asked_again.get_or_insert_with(Instant::now);
            if asked_again.elapsed() < patience {
                continue;
            }
            if step.changes_group() {
                return Err(Error::NotAchieved { step: text, events: self.events(observed).await });
            }
            // The name is taken by another account, which shows in no observation of ours.
            if applied.existed && matches!(step, Step::CreateSecurityGroup { .. }) {
                self.hidden.insert(text.clone());
            }
            self.applied.remove(&text);
        }
        let waiting_for =
            format!("AWS to show: {}", repeated.iter().map(Step::to_string).collect::<Vec<_>>().join(", "));
        self.retries += 1;
        self.waiter.pause(self.retries, &waiting_for, "").await
    }

    /// What is there, and what the properties point at.
    pub(super) async fn observe_all(&mut self, transition: Transition<'_>) -> Result<(Observed, Account), Error> {
        let references = references(transition);
        let observe = observe::observe(&self.waiter, self.known(Target::from(transition)));
        let (observed, mut account) = match transition.previous {
            None => {
                let both = async { tokio::try_join!(observe, observe::account(&self.waiter, &references)) };
                Box::pin(both).await?
            }
            Some(previous) => {
                let observed = Box::pin(observe).await?;
                let asked = plan::questioned(references, &observed, &previous.references);
                let account = Box::pin(observe::account(&self.waiter, &asked)).await?;
                (observed, account)
            }
        };
        self.knows(Target::from(transition), &observed);
        let observed = self.remembered(observed);
        let observed = self.fenced(Target::from(transition), observed).await?;
        account.token_in_force = observe::token_in_force(&self.waiter, transition, &observed, &account).await?;
        Ok((observed, account))
    }

    /// The target with what this run knows: parameter groups under its names are searched for only once.
    fn known<'t>(&'t self, target: Target<'t>) -> Target<'t> {
        let hidden_secret = match target.hidden_secret {
            // What this request removed may have had a secret.
            HiddenSecret::AbsentIfAlone if !(self.applied.is_empty() && self.done.is_empty()) => HiddenSecret::Fails,
            meaning => meaning,
        };
        let parameter_groups = self.parameter_groups.get(&target.names.replication_group);
        let alarms = if self.alarm_trouble.is_some() { AlarmsOf::Nobody } else { target.alarms };
        Target { parameter_groups, alarms, hidden_secret, ..target }
    }

    fn may_exist(&mut self, step: &Step) {
        if let Step::CreateParameterGroup { name, .. } = step {
            for names in self.parameter_groups.values_mut() {
                names.insert(name.clone());
            }
        }
    }

    fn knows(&mut self, target: Target<'_>, observed: &Observed) {
        let known = self.parameter_groups.entry(target.names.replication_group.clone()).or_default();
        known.extend(observed.parameter_groups.iter().map(|group| group.name.clone()));
        if let Some(why) = &observed.alarm_trouble {
            self.leave_alarms(why);
        }
    }

    pub(super) async fn observe(&mut self, target: Target<'_>) -> Result<Observed, Error> {
        let observed = self.observe_unfenced(target).await?;
        self.fenced(target, observed).await
    }

    pub(super) async fn observe_unfenced(&mut self, target: Target<'_>) -> Result<Observed, Error> {
        let observed = Box::pin(observe::observe(&self.waiter, self.known(target))).await?;
        self.unproven = false;
        self.knows(target, &observed);
        Ok(self.remembered(observed))
    }

    /// What was seen, with what this request knows in addition.
    fn remembered(&self, observed: Observed) -> Observed {
        Observed {
            asked_parameter_group: self.asked_parameter_group.clone(),
            asked_logs: self.asked_logs.clone(),
            unresettable: self.unresettable.clone(),
            resets_singly: self.resets_singly,
            required_version: self.required_version.clone(),
            alarm_trouble: self.alarm_trouble.clone(),
            asked_epoch_ms: self.fence.request().signed_epoch_ms(),
            ..observed
        }
    }

    /// Leaves out of further resets what AWS refused: the parameters that its message names, else they are tried one by
    /// one. One name that AWS does not know fails a whole call.
    fn leave_parameters(&mut self, step: &Step, fault: &Fault) {
        let Step::ResetParameters { values, .. } = step else { return };
        let named = |key: &&String| {
            let words = fault.message.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            words.into_iter().any(|word| word == key.as_str())
        };
        let named: BTreeSet<String> = values.keys().filter(named).cloned().collect();
        match (values.len(), named.is_empty()) {
            (1, _) => self.unresettable.extend(values.keys().cloned()),
            (_, false) => self.unresettable.extend(named),
            (_, true) => self.resets_singly = true,
        }
    }

    /// Keeps in mind which token AWS agreed to make the only one.
    fn remember_required_version(&mut self, step: &Step) {
        match step {
            Step::ChangeAuth { change: AuthChange::Set { version, .. }, .. } => {
                self.required_version = Some(version.clone());
            }
            Step::ChangeAuth { .. } => self.required_version = None,
            _ => {}
        }
    }

    /// Pauses after a failure that may pass.
    async fn retry_pause(&mut self, fault: &Fault) -> Result<(), Error> {
        self.retries += 1;
        self.waiter.pause_after(fault, self.retries, &format!("{} to be possible", fault.action)).await
    }
}

/// What there is to wait for when AWS works on a group after these steps.
fn awaited(steps: &[(Step, Made)], pending_counts: bool) -> Awaited {
    let any = |is: fn(&Step) -> bool| steps.iter().any(|(step, _)| is(step));
    if any(|step| matches!(step, Step::CreateGroup(_))) {
        Awaited::GroupMade
    } else if any(|step| matches!(step, Step::DeleteGroup { .. })) {
        Awaited::GroupGone
    } else {
        Awaited::GroupStable { pending_counts }
    }
}

/// The name of the snapshot that this step has AWS take before it deletes a group.
fn final_snapshot(step: &Step) -> Option<&str> {
    match step {
        Step::DeleteGroup { final_snapshot, .. } => final_snapshot.as_deref(),
        _ => None,
    }
}

/// What has to be looked up in the account for a desired state.
pub(super) fn references(transition: Transition<'_>) -> References {
    match transition.previous {
        Some(previous) => transition.desired.references.clone().without_unchanged(&previous.references),
        None => transition.desired.references.clone(),
    }
}

/// Everything that is wrong before the first write: with what the properties point at, and with the change itself.
///
/// # Errors
/// All of it.
pub(super) fn check(transition: Transition<'_>, observed: &Observed, account: &Account) -> Result<(), Error> {
    let references = references(transition);
    let mut problems = match (transition.previous, &observed.group) {
        // A Create that finds its group checked everything before it made it.
        (None, Some(_)) if !observed.is_left_behind() => plan::network_problems(&references, observed, account),
        _ => plan::account_problems(&references, observed, account),
    };
    if problems.is_empty() {
        return Ok(());
    }
    if let Plan::Refuse(more) = plan::next_steps(transition, observed, account) {
        problems.extend(more);
    }
    Err(Error::Refused(problems))
}
