//! An Update: in place, on to the next generation, or back to the one before. Calls AWS.
//!
//! The generation under the physical id is never deleted here; that is for CloudFormation, which sends a Delete for it once
//! the stack stands. A next generation that CloudFormation does not know of is removed by the next Update.

use tracing::{info, warn};

use super::observe::Target;
use super::plan::{self, Awaited, Direction, Forecast, Generation, Plan, Replacing, Step, Wish};
use super::{Converged, Run, check};
use crate::cfn::properties::ResourceProperties;
use crate::cfn::request::time_to_answer;
use crate::desired::{Desired, Owner, Purpose, References, Removal, Succession, next_generations};
use crate::error::Error;
use crate::names::hash;
use crate::observed::{Account, Observed};
use crate::problem::Problem;
use crate::properties::ReplacementPolicy;

/// What an Update brings.
#[derive(Clone, Copy, Debug)]
pub struct Update<'a> {
    /// Whose the resource is.
    pub owner: &'a Owner,
    /// The generation that CloudFormation knows.
    pub physical_id: &'a str,
    /// What is wanted.
    pub properties: &'a ResourceProperties,
    /// What was wanted before.
    pub earlier: &'a ResourceProperties,
}

/// What was wanted before an Update.
struct Previous {
    desired: Option<Desired>,
    /// Whether that is a guess, because those properties cannot be read.
    guessed: bool,
}

impl Update<'_> {
    fn purpose(&self) -> Purpose<'_> {
        Purpose::Update(self.physical_id)
    }

    /// What was wanted before. Properties that cannot be read, because another release wrote them, are taken to be the
    /// new ones, but for the port, which nothing that stands tells for sure.
    fn previous(&self) -> Previous {
        let read = |properties: &ResourceProperties| Desired::new(properties, self.owner, self.purpose()).ok();
        if let Some(desired) = read(self.earlier) {
            return Previous { desired: Some(desired), guessed: false };
        }
        let properties = self.properties.clone().with("Port", self.earlier.get("Port"));
        Previous { desired: read(&properties), guessed: true }
    }

    /// The properties that a next generation may have been made from.
    fn templates(&self) -> [&ResourceProperties; 2] {
        [self.earlier, self.properties]
    }
}

/// Next generations that are looked at to tell an old request from a new one: as many replacements within the hours in
/// which Lambda keeps an event are not to be expected.
const GENERATIONS_LOOKED_AT: usize = 3;

/// How often a rollback looks anew what AWS does not take back.
const CONCESSIONS: usize = 3;

impl Run<'_> {
    /// Brings the account to what an Update wants. The generation that stands then may be another one.
    pub async fn update(&mut self, update: Update<'_>) -> Result<(Desired, Converged), Error> {
        self.updates = Some(update.physical_id.to_owned());
        let mut desired = match self.wanted(update, update.purpose()).await? {
            Ok(desired) => desired,
            Err(problems) => return Err(self.update_refused(update, problems).await),
        };
        let Previous { desired: mut previous, guessed } = update.previous();
        if let Some(previous) = &mut previous {
            self.settle_cluster_mode(previous).await?;
            if desired.auth.keeps_secret() && previous.secret.name == desired.secret.usual_name() {
                previous.secret.numbered.clone_from(&desired.secret.numbered);
                previous.secret.name.clone_from(&desired.secret.name);
            } else {
                // What was wanted before is not questioned: it may be what was refused, and this its rollback.
                match self.settle_secret(previous, false).await {
                    Ok(()) | Err(Error::Refused(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            // One that is no longer needed is removed under the name that it has.
            if let Some(numbered) = &previous.secret.numbered
                && numbered.usual == desired.secret.name
            {
                desired.settle_secret(numbered.clone());
            }
        }
        let renamed = desired.renamed(update.properties, update.earlier);
        let direction = self.direction(update.owner).await;
        let wish =
            Wish { desired: &desired, previous: previous.as_ref(), guessed, renamed: renamed.as_deref(), direction };
        let (mut observed, mut account) = self.first_look(wish).await?;
        if self.was_replaced(update, wish, &observed).await? {
            return Err(Error::Overtaken);
        }
        while !plan::is_decided(wish, &observed) {
            let settled = Plan::Wait(Awaited::GroupSettled { pending_counts: desired.apply_immediately });
            self.claim(Target::from(&desired), &observed).await?;
            self.follow(settled, update.physical_id, &observed).await?;
            observed = self.look(Target::from(&desired)).await?;
        }
        if direction == Direction::Forward && plan::way_back(&observed).is_some() {
            // A new template comes only after the Update that replaced has ended. What it replaced was retained.
            self.finish(Target::from(wish), plan::has_replaced).await?;
            observed = self.look(Target::from(wish)).await?;
        }
        if let Some(before) = plan::way_back(&observed)
            && let Some(returned) = Box::pin(self.return_to(update, wish, &observed, before)).await?
        {
            return Ok(returned);
        }
        if direction == Direction::Rollback {
            if let Err(why) = check(wish, &observed, &account) {
                // What stood before is not questioned.
                info!(%why, "rolling back although this is not as it should be");
                account.leave_illegal_token();
            }
            self.clear_way(update, &Generation::Same, Target::from(wish), &mut observed).await?;
            return Box::pin(self.roll_back(wish, observed, &account)).await;
        }
        let generation = plan::generation(wish, &observed).map_err(|problems| self.refuse(&observed, problems))?;
        if generation == Generation::Same {
            check(wish, &observed, &account)?;
            // What is under way already is not refused.
            if plan::is_at_rest(&observed) {
                self.announce(&Forecast::in_place(wish, &observed, &account), update)?;
            }
            observed = self.claimed(wish, observed, &account).await?;
        }
        self.clear_way(update, &generation, Target::from(wish), &mut observed).await?;
        match generation {
            Generation::Same => {
                let converged = Box::pin(self.converge(wish, observed, &account)).await?;
                Ok((desired, converged))
            }
            Generation::Next(changes) => {
                let next = self.next_generation(update, wish, &observed).await?;
                Box::pin(self.replace(update, (&desired, &observed), &next, &changes)).await
            }
        }
    }

    /// A change that is refused. When CloudFormation updates nothing and this request has been at work already, the event is
    /// a late one: what was right while the stack rolled back looks wrong now, and nobody waits for an answer.
    fn refuse(&self, observed: &Observed, problems: Vec<Problem>) -> Error {
        let is_known = observed.subnet_group.as_ref().is_some_and(|group| self.order.has_been_at(&group.tags));
        if self.no_update && is_known { Error::Overtaken } else { Error::Refused(problems) }
    }

    /// Takes back what AWS takes back, and leaves the rest with a warning. What waited for the maintenance window may have
    /// come about meanwhile, so that less is taken back than it seemed.
    async fn roll_back(
        &mut self,
        wish: Wish<'_>,
        mut observed: Observed,
        account: &Account,
    ) -> Result<(Desired, Converged), Error> {
        let mut tries = 0;
        loop {
            tries += 1;
            let granted = plan::concede(wish, &observed);
            let desired = granted.as_ref().map_or(wish.desired, |(desired, _)| desired);
            let granted_wish = Wish { desired, renamed: None, ..wish };
            observed = self.look(Target::from(granted_wish)).await?;
            if plan::is_at_rest(&observed) {
                self.tell(&Forecast::in_place(granted_wish, &observed, account));
            }
            observed = self.claimed(granted_wish, observed, account).await?;
            match Box::pin(self.converge(granted_wish, observed, account)).await {
                Ok(mut converged) => {
                    for stays in granted.iter().flat_map(|(_, kept)| kept).map(Replacing::kept) {
                        warn!(stays, "a rollback leaves this as it is");
                        converged.warnings.push(stays);
                    }
                    return Ok((desired.clone(), converged));
                }
                Err(Error::Refused(_)) if tries < CONCESSIONS => observed = self.look(Target::from(wish)).await?,
                Err(error) => return Err(error),
            }
        }
    }

    /// Logs what is going to be done, and refuses it when it cannot be done in time. Only at the beginning: what a
    /// request has begun it also tries to end.
    fn announce(&self, forecast: &Forecast, update: Update<'_>) -> Result<(), Error> {
        if !self.tell(forecast) {
            return Ok(());
        }
        forecast
            .too_long(time_to_answer(update.properties))
            .map_or(Ok(()), |problem| Err(Error::Refused(vec![problem])))
    }

    /// Logs what is going to be done, before the first of it is done; whether there is anything to log.
    fn tell(&self, forecast: &Forecast) -> bool {
        let is_news = self.done.is_empty() && !forecast.is_empty();
        if is_news {
            info!(%forecast, "the plan");
        }
        is_news
    }

    /// The look, made anew if this request becomes the newest one only now. What is refused claims nothing.
    async fn claimed(&mut self, wish: Wish<'_>, observed: Observed, account: &Account) -> Result<Observed, Error> {
        let refused = matches!(plan::present(wish, &observed, account), Plan::Refuse(_));
        if !refused && self.claim(Target::from(wish), &observed).await? {
            return self.look(Target::from(wish)).await;
        }
        Ok(observed)
    }

    /// Goes back to the generation that was replaced, when it still stands and is as the properties say.
    async fn return_to(
        &mut self,
        update: Update<'_>,
        now: Wish<'_>,
        standing: &Observed,
        before: &str,
    ) -> Result<Option<(Desired, Converged)>, Error> {
        let Ok(desired) = self.wanted(update, Purpose::Update(before)).await? else { return Ok(None) };
        let wish = Wish { previous: Some(&desired), direction: now.direction, ..Wish::new(&desired) };
        let (observed, account) = self.first_look(wish).await?;
        let rolls_back = now.direction == Direction::Rollback;
        let is_there = if rolls_back { plan::stands(wish, &observed) } else { plan::fits(wish, &observed) };
        if !is_there || !plan::undoes_replacement(now, standing, &observed) {
            return Ok(None);
        }
        if !rolls_back {
            return Err(self.refuse(&observed, vec![plan::unclear_return(before)]));
        }
        info!(from = update.physical_id, to = before, "returning to the generation before");
        let (desired, converged) = Box::pin(self.roll_back(wish, observed, &account)).await?;
        self.finish(Target::from(&desired), plan::not_replaced).await?;
        Ok(Some((desired, converged)))
    }

    /// Whether nothing stands because this request is an old one that Lambda delivered again: it has made the next
    /// generation, or something newer has.
    async fn was_replaced(&mut self, update: Update<'_>, wish: Wish<'_>, observed: &Observed) -> Result<bool, Error> {
        if observed.group.is_some() || observed.subnet_group.is_some() {
            return Ok(false);
        }
        for id in next_generations(update.properties, update.physical_id, wish.renamed).take(GENERATIONS_LOOKED_AT) {
            let Ok(desired) = Desired::new(update.properties, update.owner, Purpose::Replace(&id)) else { break };
            let next = self.glance(Target::from(&desired)).await?;
            let ours = next.subnet_group.as_ref().filter(|group| update.owner.owns(&group.tags));
            if ours.is_some_and(|group| self.order.has_been_at(&group.tags)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the next generation that an earlier request began, unless this request goes on with it. Even a finished one:
    /// CloudFormation would ask for that one if it had ever heard of it.
    async fn clear_way(
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
        *observed = self.look(standing).await?;
        Ok(())
    }

    /// Removes a next generation and the snapshot that it was to be made from.
    async fn remove_next(
        &mut self,
        owner: &Owner,
        replaced: &str,
        next: &str,
        templates: [&ResourceProperties; 2],
    ) -> Result<(), Error> {
        let seed = self.seed_name(replaced, next, owner).await?;
        // The name of the secret may differ between the templates, everything else is named after the generation.
        let removals = templates.map(|t| Removal::new(t, owner, next, self.order.request().as_str()).of_unfinished());
        for removal in &removals {
            self.order.removes(&removal.names.subnet_group());
            // Even where nothing shows: what was made last may show late, and `absent` knows that.
            info!(next, "removing what is left of a replacement");
            Box::pin(self.absent(removal)).await?;
        }
        let target = |seed| Target { seed: Some(seed), ..Target::from(&removals[0]) };
        self.finish(target(&seed), |observed| plan::seed_unused(observed, &seed)).await
    }

    /// The next generation: the one that this request has begun already, else the first whose names are free.
    async fn next_generation(
        &mut self,
        update: Update<'_>,
        wish: Wish<'_>,
        observed: &Observed,
    ) -> Result<String, Error> {
        if let Some(begun) = observed.succession_tag().and_then(Succession::parse) {
            return Ok(begun.to);
        }
        let mut ids = next_generations(update.properties, update.physical_id, wish.renamed);
        loop {
            let id = ids.next().unwrap_or_default();
            let desired =
                Desired::new(update.properties, update.owner, Purpose::Replace(&id)).map_err(Error::Refused)?;
            if self.look(Target::from(&desired)).await?.is_free(update.owner) {
                return Ok(id);
            }
            // A twin of this request may have taken it: then it said so before it made anything.
            let now = self.look(Target::from(wish.desired)).await?;
            let begun = now.succession_tag().and_then(Succession::parse);
            if let Some(begun) = begun.filter(|begun| begun.request == self.request_hash()) {
                return Ok(begun.to);
            }
            info!(id, "the name is taken");
        }
    }

    /// Makes the next generation, with the data of the one that stands if the template says so.
    async fn replace(
        &mut self,
        update: Update<'_>,
        (standing, found): (&Desired, &Observed),
        next: &str,
        changes: &[Replacing],
    ) -> Result<(Desired, Converged), Error> {
        let seed = self.seed_name(update.physical_id, next, update.owner).await?;
        let carries_data = standing.replacement_policy == ReplacementPolicy::Snapshot;
        let desired = self.wanted(update, Purpose::Replace(next)).await?.map_err(Error::Refused)?;
        let desired = desired.replacing(update.physical_id, carries_data.then(|| seed.clone()));
        let wish = Wish::new(&desired);
        let (observed, account) = self.first_look(wish).await?;
        check(wish, &observed, &account)?;
        if observed.group.is_none() {
            if let Some(group) = &found.group {
                self.announce(&Forecast::replacement(wish, group, changes, &account), update)?;
            }
            let succession = Succession { to: next.to_owned(), request: self.request_hash() };
            let seed = carries_data.then_some((seed.as_str(), &desired.tags));
            let target = Target { seed: seed.map(|(name, _)| name), ..Target::from(standing) };
            loop {
                let mut old = self.look(target).await?;
                if self.claim(target, &old).await? {
                    old = self.look(target).await?;
                    self.clear_way(update, &Generation::Next(changes.to_vec()), target, &mut old).await?;
                }
                match plan::successor(&old, &succession, seed) {
                    Plan::Done => break,
                    // A twin may have made the group by now, and removed the snapshot that it came from.
                    Plan::Act(_) if self.look(Target::from(&desired)).await?.group.is_some() => break,
                    plan => self.follow(plan, update.physical_id, &old).await?,
                }
            }
        }
        let observed = self.look(Target::from(&desired)).await?;
        let mut converged = Box::pin(self.converge(wish, observed, &account)).await?;
        let data = if carries_data { ", and what was written after the snapshot is lost" } else { " and began empty" };
        converged.warnings.push(format!("{next} replaces {}{data}", update.physical_id));
        Ok((desired, converged))
    }

    /// A Delete of a generation that another one replaces: in the end of an Update the new one has replaced it for good;
    /// after an Update that failed half-way, what is left of the new one goes first.
    pub async fn remove(&mut self, removal: &Removal, properties: &ResourceProperties) -> Result<(), Error> {
        let id = &removal.names.replication_group;
        self.order.removes(&removal.names.subnet_group());
        let observed = self.look(Target::from(removal)).await?;
        let ours = observed.subnet_group.as_ref().is_some_and(|group| removal.owner.owns(&group.tags));
        if let Some(begun) = observed.succession_tag().and_then(Succession::parse).filter(|_| ours) {
            let next = Removal::new(properties, &removal.owner, &begun.to, self.order.request().as_str());
            if plan::is_unfinished(&self.look(Target::from(&next)).await?) {
                self.remove_next(&removal.owner, id, &begun.to, [properties; 2]).await?;
            } else {
                info!(next = begun.to, "replaced for good");
                self.finish(Target::from(&next), plan::has_replaced).await?;
            }
        }
        Box::pin(self.absent(removal)).await
    }

    /// Takes the steps that `plan` sees in a fresh look, until it sees none.
    pub(super) async fn finish(
        &mut self,
        target: Target<'_>,
        plan: impl Fn(&Observed) -> Vec<Step>,
    ) -> Result<(), Error> {
        loop {
            let observed = self.look(target).await?;
            let steps = plan(&observed);
            if steps.is_empty() {
                return Ok(());
            }
            self.claim(target, &observed).await?;
            self.follow(Plan::Act(steps), &target.names.replication_group, &observed).await?;
        }
    }

    fn request_hash(&self) -> String {
        hash(&[self.order.request().as_str()], 8)
    }

    /// A legal wish from the properties of an Update.
    async fn wanted(
        &mut self,
        update: Update<'_>,
        purpose: Purpose<'_>,
    ) -> Result<Result<Desired, Vec<Problem>>, Error> {
        let mut desired = match Desired::new(update.properties, update.owner, purpose) {
            Ok(desired) => desired,
            Err(problems) => return Ok(Err(problems)),
        };
        self.settle(&mut desired, matches!(purpose, Purpose::Replace(_))).await?;
        Ok(Ok(desired))
    }

    /// Everything that is wrong, when the properties are.
    async fn update_refused(&self, update: Update<'_>, problems: Vec<Problem>) -> Error {
        let earlier = References::read(update.earlier, update.purpose());
        let references = References::read(update.properties, update.purpose()).beside(&earlier);
        // Whatever else is wrong, a Removal says what stands under the id.
        let standing = Removal::new(update.earlier, update.owner, update.physical_id, self.order.request().as_str());
        self.refused(problems, &references, Some(Target::from(&standing))).await
    }
}
