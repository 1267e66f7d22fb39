//! An Update: in place, on to the next generation, or back to the one before. Calls AWS.
//!
//! The generation under the physical id is never deleted here; that is for CloudFormation, which sends a Delete for it
//! once the stack stands. A next generation that CloudFormation does not know of is removed by the next Update.
//!
//! A rollback is an Update like any other. CloudFormation is asked which one it is (`DescribeStacks`: the stack is in
//! `UPDATE_ROLLBACK_IN_PROGRESS` while the requests of a rollback are sent), once for a request:
//!
//! | Answer | What it means for the plan |
//! | --- | --- |
//! | goes forward | No return to an earlier generation. A change that needs another cluster is refused or replaces, as `ReplacementPolicy` says, but only if the template has changed: what has drifted is refused |
//! | rolls back | It returns to the generation before if that was replaced. Never a refusal that can be done without, never a new generation: `plan/irreversible.rs` makes what AWS does not take back part of the desired state, and a warning names the line for the template. The engine that stays is decided first, because it may take back more than the one before; an upgrade that waits for the maintenance window goes on waiting. An engine version that stays is noted in the tag `kept-version` of the subnet group, because AWS also upgrades by itself and then an older `EngineVersion` is only a warning |
//! | not known | What would go back to old data or lose data is refused |

use std::time::Duration;

use tracing::{info, warn};

use super::observe::Target;
use super::run::{Converged, Run, check, references};
use crate::desired::{Desired, Purpose, References, Removal};
use crate::domain::problem::Problem;
use crate::domain::tags::Owner;
use crate::error::Error;
use crate::observed::{Account, Observed};
use crate::plan::{self, Awaited, Direction, Forecast, Generation, Plan, Replacing, Transition};
use crate::properties::Parsed;
use crate::step::Step;

/// What an Update brings.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// Whose the resource is.
    pub owner: &'a Owner,
    /// The generation that CloudFormation knows.
    pub physical_id: &'a str,
    /// What is wanted.
    pub properties: &'a Parsed,
    /// What was wanted before.
    pub earlier: &'a Parsed,
    /// Time to answer, from the moment that CloudFormation asked.
    pub time_to_answer: Duration,
}

/// What was wanted before an Update.
pub(super) struct Previous {
    /// It, if those properties can be read or guessed.
    pub(super) desired: Option<Desired>,
    /// Whether that is a guess, because those properties cannot be read.
    pub(super) guessed: bool,
}

impl Update<'_> {
    fn purpose(&self) -> Purpose<'_> {
        Purpose::Update(self.physical_id)
    }

    /// What was wanted before. Properties that cannot be read, because another release wrote them, are taken to be the
    /// new ones, but for the port, which nothing that stands tells for sure.
    fn previous(&self) -> Previous {
        let read = |properties: &Parsed| Desired::new(properties, self.owner, self.purpose()).ok();
        if let Some(desired) = read(self.earlier) {
            return Previous { desired: Some(desired), guessed: false };
        }
        let desired = if self.earlier.problems.iter().any(|problem| problem.property == "Port") {
            None
        } else {
            let mut properties = self.properties.clone();
            properties.values.port = self.earlier.values.port;
            read(&properties)
        };
        Previous { desired, guessed: true }
    }

    /// What the properties name that those of before did not.
    pub(super) fn changed_references(&self) -> References {
        let earlier = References::read(self.earlier, self.purpose());
        References::read(self.properties, self.purpose()).without_unchanged(&earlier)
    }

    /// The properties that a next generation may have been made from.
    pub(super) fn templates(&self) -> [&Parsed; 2] {
        [self.earlier, self.properties]
    }
}

/// These problems of a change, with those of what its properties name.
fn with_account(
    mut problems: Vec<Problem>,
    transition: Transition<'_>,
    observed: &Observed,
    account: &Account,
) -> Vec<Problem> {
    problems.extend(plan::account_problems(&references(transition), observed, account));
    problems
}

/// How often a rollback observes anew what AWS does not take back.
const CONCESSIONS: usize = 3;

impl Run<'_> {
    /// What was wanted before, with what only the account tells of it. `desired` learns the name of a secret that is no longer
    /// needed, because it is removed under the name that it has.
    pub(super) async fn previous(&mut self, update: Update<'_>, desired: &mut Desired) -> Result<Previous, Error> {
        let mut before = update.previous();
        if let Some(previous) = &mut before.desired {
            self.resolve_cluster_mode(previous).await?;
            if desired.auth.keeps_secret() && previous.secret.name == desired.secret.usual_name() {
                previous.secret.numbered.clone_from(&desired.secret.numbered);
                previous.secret.name.clone_from(&desired.secret.name);
            } else {
                // What was wanted before is not questioned: it may be what was refused, and this its rollback.
                match self.resolve_secret_name(previous, false).await {
                    Ok(()) | Err(Error::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if let Some(numbered) = &previous.secret.numbered
                && numbered.usual == desired.secret.name
            {
                desired.resolve_secret_name(numbered.clone());
            }
        }
        Ok(before)
    }

    /// Waits until it can be told which generation the desired state is for, and forgets a replaced one that was retained.
    async fn until_decided(
        &mut self,
        transition: Transition<'_>,
        physical_id: &str,
        mut observed: Observed,
    ) -> Result<Observed, Error> {
        let desired = transition.desired;
        while !plan::is_decided(transition, &observed) {
            let stable = Plan::Wait(Awaited::GroupStable { pending_counts: desired.apply_immediately });
            self.claim(Target::from(desired), &observed).await?;
            self.execute(stable, physical_id, &observed).await?;
            observed = self.observe(Target::from(desired)).await?;
        }
        if transition.direction == Direction::Forward && plan::previous_generation(&observed).is_some() {
            // A new template comes only after the Update that replaced has ended. What it replaced was retained.
            self.finish(Target::from(transition), plan::has_replaced).await?;
            observed = self.observe(Target::from(transition)).await?;
        }
        Ok(observed)
    }

    /// Brings the account to what an Update wants. The generation that stands then may be another one.
    pub async fn update(&mut self, update: Update<'_>) -> Result<(Desired, Converged), Error> {
        self.updates = Some(update.physical_id.to_owned());
        let mut desired = match self.wanted(update, update.purpose()).await? {
            Ok(desired) => desired,
            Err(problems) => return Err(self.update_refused(update, &update.changed_references(), problems).await),
        };
        let Previous { desired: previous, guessed } = self.previous(update, &mut desired).await?;
        let renamed = desired.renamed(&update.properties.values, &update.earlier.values);
        let direction = self.direction(update.owner).await;
        let transition = Transition {
            desired: &desired,
            previous: previous.as_ref(),
            guessed,
            renamed: renamed.as_deref(),
            direction,
        };
        let (mut observed, mut account) = self.observe_all(transition).await?;
        if self.was_replaced(update, transition, &observed).await? {
            return Err(Error::Superseded);
        }
        observed = Box::pin(self.until_decided(transition, update.physical_id, observed)).await?;
        if let Some(before) = plan::previous_generation(&observed)
            && let Some(returned) = Box::pin(self.return_to(update, transition, &observed, before)).await?
        {
            return Ok(returned);
        }
        if direction == Direction::Rollback {
            if let Err(why) = check(transition, &observed, &account) {
                // What stood before is not questioned.
                info!(%why, "rolling back although this is not as it should be");
                account.leave_illegal_token();
            }
            self.remove_abandoned(update, &Generation::Same, Target::from(transition), &mut observed).await?;
            return Box::pin(self.roll_back(transition, observed, &account)).await;
        }
        let generation = plan::generation(transition, &observed)
            .map_err(|problems| self.refuse(&observed, with_account(problems, transition, &observed, &account)))?;
        if generation == Generation::Same {
            check(transition, &observed, &account)?;
            // What is under way already is not refused.
            if plan::is_at_rest(&observed) {
                self.announce(&Forecast::in_place(transition, &observed, &account), update)?;
            }
            observed = self.claimed(transition, observed, &account).await?;
        }
        self.remove_abandoned(update, &generation, Target::from(transition), &mut observed).await?;
        match generation {
            Generation::Same => {
                let converged = Box::pin(self.converge(transition, observed, &account)).await?;
                Ok((desired, converged))
            }
            Generation::Next(changes) => {
                let next = self.next_generation(update, transition, &observed).await?;
                Box::pin(self.replace(update, (&desired, &observed), &next, &changes)).await
            }
        }
    }

    /// A change that is refused. When CloudFormation updates nothing and this request has been at work already, the event is
    /// a late one: what was right while the stack rolled back looks wrong now, and nobody waits for an answer.
    pub(super) fn refuse(&self, observed: &Observed, problems: Vec<Problem>) -> Error {
        let is_known = observed.subnet_group.as_ref().is_some_and(|group| self.fence.has_worked_on(&group.tags));
        if self.no_update && is_known { Error::Superseded } else { Error::Refused(problems) }
    }

    /// Takes back what AWS takes back, and leaves the rest with a warning. What waited for the maintenance window may have
    /// come about meanwhile, so that less is taken back than it seemed.
    pub(super) async fn roll_back(
        &mut self,
        transition: Transition<'_>,
        mut observed: Observed,
        account: &Account,
    ) -> Result<(Desired, Converged), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let granted = plan::adjust_rollback(transition, &observed);
            let desired = granted.as_ref().map_or(transition.desired, |(desired, _)| desired);
            let adjusted_transition = Transition { desired, renamed: None, ..transition };
            observed = self.observe(Target::from(adjusted_transition)).await?;
            if plan::is_at_rest(&observed) {
                self.tell(&Forecast::in_place(adjusted_transition, &observed, account));
            }
            observed = self.claimed(adjusted_transition, observed, account).await?;
            match Box::pin(self.converge(adjusted_transition, observed, account)).await {
                Ok(mut converged) => {
                    for stays in granted.iter().flat_map(|(_, kept)| kept).map(Replacing::kept) {
                        warn!(stays, "a rollback leaves this as it is");
                        converged.warnings.push(stays);
                    }
                    return Ok((desired.clone(), converged));
                }
                Err(Error::Refused(_)) if tries < CONCESSIONS => {
                    observed = self.observe(Target::from(transition)).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Logs what is going to be done, and refuses it when it cannot be done in time. Only at the beginning: what a
    /// request has begun it also tries to end.
    pub(super) fn announce(&self, forecast: &Forecast, update: Update<'_>) -> Result<(), Error> {
        if !self.tell(forecast) {
            return Ok(());
        }
        forecast.too_long(update.time_to_answer).map_or(Ok(()), |problem| Err(Error::Refused(vec![problem])))
    }

    /// Logs what is going to be done, before the first of it is done; whether there is anything to log.
    fn tell(&self, forecast: &Forecast) -> bool {
        let is_news = self.done.is_empty() && !forecast.is_empty();
        if is_news {
            info!(%forecast, "the plan");
        }
        is_news
    }

    /// The observation, made anew if this request becomes the newest one only now. What is refused claims nothing.
    async fn claimed(
        &mut self,
        transition: Transition<'_>,
        observed: Observed,
        account: &Account,
    ) -> Result<Observed, Error> {
        let refused = matches!(plan::next_steps(transition, &observed, account), Plan::Refuse(_));
        if !refused && self.claim(Target::from(transition), &observed).await? {
            return self.observe(Target::from(transition)).await;
        }
        Ok(observed)
    }

    /// Applies the steps that `plan` finds in a fresh observation, until it sees none.
    pub(super) async fn finish(
        &mut self,
        target: Target<'_>,
        plan: impl Fn(&Observed) -> Vec<Step>,
    ) -> Result<(), Error> {
        loop {
            let observed = self.observe(target).await?;
            let steps = plan(&observed);
            if steps.is_empty() {
                return Ok(());
            }
            self.claim(target, &observed).await?;
            self.execute(Plan::Act(steps), &target.names.replication_group, &observed).await?;
        }
    }

    /// A legal desired state from the properties of an Update.
    pub(super) async fn wanted(
        &mut self,
        update: Update<'_>,
        purpose: Purpose<'_>,
    ) -> Result<Result<Desired, Vec<Problem>>, Error> {
        let mut desired = match Desired::new(update.properties, update.owner, purpose) {
            Ok(desired) => desired,
            Err(problems) => return Ok(Err(problems)),
        };
        self.resolve(&mut desired, matches!(purpose, Purpose::Replace(_))).await?;
        Ok(Ok(desired))
    }

    /// Everything that is wrong, when the properties are.
    pub(super) async fn update_refused(
        &self,
        update: Update<'_>,
        references: &References,
        problems: Vec<Problem>,
    ) -> Error {
        // Whatever else is wrong, a Removal says what stands under the id.
        let standing = Removal::new(update.earlier, update.owner, update.physical_id, self.fence.request().as_str());
        let standing = Target { members: true, ..Target::from(&standing) };
        self.refused(problems, references, Some(standing)).await
    }
}
