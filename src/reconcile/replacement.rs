//! From one generation to the next, and back. Calls AWS.
//!
//! What AWS does not change in place needs another group (`plan/obstacles.rs` lists it). With a `ReplacementPolicy`
//! that allows it, an Update makes the next generation: its id is the physical id with the next free number, and
//! group, subnet group, security group, parameter group and secret are all named after it. No Update deletes the
//! generation that CloudFormation knows; CloudFormation sends a Delete for whichever of the two it does not keep. Two
//! tags tell later runs what happened:
//!
//! * `replaced-by` on the old subnet group: the next generation, and a hash of the request that makes it. It is
//!   written before anything of the next generation is made, so that whatever dies on the way is found again. The
//!   same request goes on; another Update removes the next generation first, even a finished one, because
//!   CloudFormation would name that one if it had heard of it; a Delete removes an unfinished one and leaves a
//!   finished one alone, because it is the one in use.
//! * `replaces` on the new subnet group, until the Delete of the old one, or the next Update that goes forward: then
//!   the old one was retained. A rollback returns to the old one, provided that it still stands and fits.
//!
//! The transfer snapshot has a name made from both ids and goes as soon as the new group stands. It is taken of the
//! primary member where there are no shards, because AWS takes the group's own id only with shards, and not at all
//! while cluster mode is compatible: what AWS takes then is not known, and the change is refused with the way out.

use tracing::info;

use super::observe::Target;
use super::run::{Converged, Run, check};
use super::update::Update;
use crate::desired::{Desired, Purpose, Removal, Succession, next_generations};
use crate::domain::names::hash;
use crate::domain::tags::Owner;
use crate::error::Error;
use crate::observed::Observed;
use crate::plan::{self, Direction, Forecast, Generation, Plan, Replacing, Transition};
use crate::properties::{Parsed, ReplacementPolicy};

/// Next generations that are looked at to tell an old request from a new one: as many replacements within the hours in
/// which Lambda keeps an event are not to be expected.
const GENERATIONS_OBSERVED: usize = 3;

impl Run<'_> {
    /// Goes back to the generation that was replaced, when it still stands and is as the properties say.
    pub(super) async fn return_to(
        &mut self,
        update: Update<'_>,
        now: Transition<'_>,
        standing: &Observed,
        before: &str,
    ) -> Result<Option<(Desired, Converged)>, Error> {
        let Ok(desired) = self.wanted(update, Purpose::Update(before)).await? else { return Ok(None) };
        let transition = Transition { previous: Some(&desired), direction: now.direction, ..Transition::new(&desired) };
        let (observed, account) = self.observe_all(transition).await?;
        let rolls_back = now.direction == Direction::Rollback;
        let is_there = if rolls_back { plan::stands(transition, &observed) } else { plan::fits(transition, &observed) };
        if !is_there || !plan::undoes_replacement(now, standing, &observed) {
            return Ok(None);
        }
        if !rolls_back {
            return Err(self.refuse(&observed, vec![plan::unclear_return(before)]));
        }
        info!(from = update.physical_id, to = before, "returning to the generation before");
        let (desired, converged) = Box::pin(self.roll_back(transition, observed, &account)).await?;
        self.finish(Target::from(&desired), plan::not_replaced).await?;
        Ok(Some((desired, converged)))
    }

    /// Whether nothing stands because this request is an old one that Lambda delivered again: it has made the next
    /// generation, or something newer has.
    pub(super) async fn was_replaced(
        &mut self,
        update: Update<'_>,
        transition: Transition<'_>,
        observed: &Observed,
    ) -> Result<bool, Error> {
        if observed.group.is_some() || observed.subnet_group.is_some() {
            return Ok(false);
        }
        for id in next_generations(&update.properties.values, update.physical_id, transition.renamed)
            .take(GENERATIONS_OBSERVED)
        {
            let Ok(desired) = Desired::new(update.properties, update.owner, Purpose::Replace(&id)) else { break };
            let next = self.observe_unfenced(Target::from(&desired)).await?;
            let ours = next.subnet_group.as_ref().filter(|group| update.owner.owns(&group.tags));
            if ours.is_some_and(|group| self.fence.has_worked_on(&group.tags)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the next generation that an earlier request began, unless this request goes on with it. Even a finished one:
    /// CloudFormation would ask for that one if it had ever heard of it.
    pub(super) async fn remove_abandoned(
        &mut self,
        update: Update<'_>,
        generation: &Generation,
        standing: Target<'_>,
        observed: &mut Observed,
    ) -> Result<(), Error> {
        let Some(begun) = observed.succession_tag().and_then(Succession::parse) else { return Ok(()) };
        if *generation != Generation::Same && begun.request == self.request_hash() {
            return Ok(());
        }
        self.remove_next(update.owner, update.physical_id, &begun.to, update.templates()).await?;
        self.finish(standing, plan::not_replaced).await?;
        *observed = self.observe(standing).await?;
        Ok(())
    }

    /// Removes a next generation and the snapshot that it was to be made from.
    pub(super) async fn remove_next(
        &mut self,
        owner: &Owner,
        replaced: &str,
        next: &str,
        templates: [&Parsed; 2],
    ) -> Result<(), Error> {
        let transfer_snapshot = self.transfer_snapshot_name(replaced, next, owner).await?;
        // The name of the secret may differ between the templates, everything else is named after the generation.
        let removals = templates.map(|t| Removal::new(t, owner, next, self.fence.request().as_str()).of_unfinished());
        for removal in &removals {
            self.fence.removes(&removal.names.subnet_group());
            // Even where nothing shows: what was made last may show late, and `absent` knows that.
            info!(next, "removing what is left of a replacement");
            Box::pin(self.remove_all(removal)).await?;
        }
        let target =
            |transfer_snapshot| Target { transfer_snapshot: Some(transfer_snapshot), ..Target::from(&removals[0]) };
        self.finish(target(&transfer_snapshot), |observed| plan::transfer_snapshot_unused(observed, &transfer_snapshot))
            .await
    }

    /// The next generation: the one that this request has begun already, else the first whose names are free.
    pub(super) async fn next_generation(
        &mut self,
        update: Update<'_>,
        transition: Transition<'_>,
        observed: &Observed,
    ) -> Result<String, Error> {
        if let Some(begun) = observed.succession_tag().and_then(Succession::parse) {
            return Ok(begun.to);
        }
        let mut ids = next_generations(&update.properties.values, update.physical_id, transition.renamed);
        loop {
            let id = ids.next().unwrap_or_default();
            let desired =
                Desired::new(update.properties, update.owner, Purpose::Replace(&id)).map_err(Error::Refused)?;
            if self.observe(Target::from(&desired)).await?.is_free(update.owner) {
                return Ok(id);
            }
            // A duplicate delivery of this request may have taken it: then it said so before it made anything.
            let now = self.observe(Target::from(transition.desired)).await?;
            let begun = now.succession_tag().and_then(Succession::parse);
            if let Some(begun) = begun.filter(|begun| begun.request == self.request_hash()) {
                return Ok(begun.to);
            }
            info!(id, "the name is taken");
        }
    }

    /// The desired state of the next generation, and the name of the snapshot that would carry the data to it.
    pub(super) async fn wanted_next(
        &mut self,
        update: Update<'_>,
        standing: &Desired,
        next: &str,
    ) -> Result<(Desired, String), Error> {
        let transfer_snapshot = self.transfer_snapshot_name(update.physical_id, next, update.owner).await?;
        let carries_data = standing.replacement_policy == ReplacementPolicy::Snapshot;
        let desired = self.wanted(update, Purpose::Replace(next)).await?.map_err(Error::Refused)?;
        let desired = desired.replacing(update.physical_id, carries_data.then(|| transfer_snapshot.clone()));
        Ok((desired, transfer_snapshot))
    }

    /// Makes the next generation, with the data of the one that stands if the template says so.
    pub(super) async fn replace(
        &mut self,
        update: Update<'_>,
        (standing, found): (&Desired, &Observed),
        next: &str,
        changes: &[Replacing],
    ) -> Result<(Desired, Converged), Error> {
        let (desired, transfer_snapshot) = self.wanted_next(update, standing, next).await?;
        let carries_data = standing.replacement_policy == ReplacementPolicy::Snapshot;
        let transition = Transition::new(&desired);
        let (observed, account) = self.observe_all(transition).await?;
        check(transition, &observed, &account)?;
        if observed.group.is_none() {
            if let Some(forecast) = Forecast::replacement(transition, found, changes, &account) {
                self.announce(&forecast, update)?;
            }
            let succession = Succession { to: next.to_owned(), request: self.request_hash() };
            let transfer_snapshot = carries_data.then_some((transfer_snapshot.as_str(), &desired.tags));
            let target =
                Target { transfer_snapshot: transfer_snapshot.map(|(name, _)| name), ..Target::from(standing) };
            loop {
                let mut old = self.observe(target).await?;
                if self.claim(target, &old).await? {
                    old = self.observe(target).await?;
                    self.remove_abandoned(update, &Generation::Next(changes.to_vec()), target, &mut old).await?;
                }
                match plan::successor(&old, &succession, transfer_snapshot) {
                    Plan::Done => break,
                    // A duplicate delivery may have made the group by now, and removed the snapshot that it came from.
                    Plan::Act(_) if self.observe(Target::from(&desired)).await?.group.is_some() => break,
                    plan => drop(self.execute(plan, update.physical_id, &old).await?),
                }
            }
        }
        let observed = self.observe(Target::from(&desired)).await?;
        let mut converged = Box::pin(self.converge(transition, observed, &account)).await?;
        let data = if carries_data { ", and what was written after the snapshot is lost" } else { " and began empty" };
        converged.warnings.push(format!("{next} replaces {}{data}", update.physical_id));
        Ok((desired, converged))
    }

    pub(super) fn request_hash(&self) -> String {
        hash(&[self.fence.request().as_str()], 8)
    }
}
