//! What a Create or an Update would do to this account. Calls AWS, reading only.
//!
//! It takes the way of the request itself as far as that only reads: the desired state, the observation, the checks, the
//! choice of the generation. Then the planner runs against the effects of its own steps instead of applying them.
//!
//! An Update comes with the properties of before. Where they are not given, what only they tell is not in the plan, and
//! a note says so.

use super::observe;
use super::run::{Run, check, refuse_all};
use super::update::{Previous, Update};
use crate::cfn::request::{service_timeout, time_to_answer};
use crate::cost::{CostChange, NodeKind};
use crate::desired::{Desired, Purpose, derived_id};
use crate::domain::names::{self, Names};
use crate::domain::problem::Problem;
use crate::domain::tags::{Owner, TAG_LOGICAL_ID, TAG_STACK_ID, Tags};
use crate::error::Error;
use crate::observed::{Group, Observed};
use crate::plan::{self, Direction, Forecast, Generation, Transition};
use crate::plan_event::PlanEvent;
use crate::preview::Preview;
use crate::properties::Parsed;

/// What somebody is told who does not say what was wanted before.
const WITHOUT_EARLIER: &str = "OldResourceProperties were not given: what only the template of before tells is not in this \
                               plan (tags and a SecretName that are no longer in it, and whether a difference is drift)";

impl Run<'_> {
    /// What a request with these properties would do now. What would be refused is a forecast too.
    ///
    /// # Errors
    /// What must be known could not be read.
    pub async fn preview(&mut self, event: &PlanEvent) -> Result<Preview, Error> {
        let mut notes = Vec::new();
        let parsed = Parsed::read(&event.properties);
        let id = event.physical_id.clone().or_else(|| derived_id(&parsed.values)).unwrap_or_default();
        let forecast = match &event.physical_id {
            None => Box::pin(self.preview_create(event, &parsed, &mut notes)).await,
            Some(id) => Box::pin(self.preview_update(event, id, &parsed, &mut notes)).await,
        };
        let forecast = match forecast {
            Ok(forecast) => forecast.within(&id, time_to_answer(service_timeout(&event.properties))),
            Err(Error::Refused(problems)) if event.physical_id.is_none() => Forecast::not_created(&id, problems),
            Err(Error::Refused(problems)) => Forecast::refused(&id, problems),
            Err(error) => return Err(error),
        };
        let cost = self.priced(forecast.cost()).await;
        Ok(Preview { forecast: forecast.with_cost(cost), notes })
    }

    async fn preview_create(
        &mut self,
        event: &PlanEvent,
        parsed: &Parsed,
        notes: &mut Vec<String>,
    ) -> Result<Forecast, Error> {
        // Nothing is of a stack that does not stand yet.
        let nobody = || Owner { stack_id: "planned".to_owned(), logical_id: "planned".to_owned() };
        let owner = event.owner.clone().unwrap_or_else(nobody);
        let desired = self.wanted_at_creation(parsed, &owner).await?;
        let transition = Transition::new(&desired);
        let (observed, account) = self.observe_all(transition).await?;
        check(transition, &observed, &account)?;
        if observed.was_begun_outside(&desired.vpc_id, &owner) {
            notes.push("what an earlier Create began in another VPC is removed first".to_owned());
        }
        Ok(Forecast::in_place(transition, &observed, &account))
    }

    async fn preview_update(
        &mut self,
        event: &PlanEvent,
        physical_id: &str,
        parsed: &Parsed,
        notes: &mut Vec<String>,
    ) -> Result<Forecast, Error> {
        if let Some(defect) = names::id_defect(physical_id) {
            let rule = format!("is not the id of a replication group: {defect}");
            let fix = "give the id that Ref has in the stack";
            return Err(Error::Refused(vec![Problem::new("PhysicalResourceId", rule, fix).with_value(physical_id)]));
        }
        let owner = match &event.owner {
            Some(owner) => owner.clone(),
            None => self.owner_of(physical_id).await?,
        };
        let earlier = event.old_properties.as_ref().map(Parsed::read);
        let update = Update {
            owner: &owner,
            physical_id,
            properties: parsed,
            earlier: earlier.as_ref().unwrap_or(parsed),
            time_to_answer: time_to_answer(service_timeout(&event.properties)),
        };
        if earlier.is_none() {
            notes.push(WITHOUT_EARLIER.to_owned());
        }
        let mut desired = match self.wanted(update, Purpose::Update(physical_id)).await? {
            Ok(desired) => desired,
            Err(problems) => return Err(self.update_refused(update, problems).await),
        };
        let previous = match &earlier {
            Some(_) => self.previous(update, &mut desired).await?,
            None => Previous { desired: None, guessed: false },
        };
        let transition = Transition {
            desired: &desired,
            previous: previous.desired.as_ref(),
            guessed: previous.guessed,
            renamed: None,
            direction: Direction::Forward,
        };
        let renamed = desired.renamed(&parsed.values, &update.earlier.values);
        let transition = Transition { renamed: renamed.as_deref(), ..transition };
        let (observed, account) = self.observe_all(transition).await?;
        notes.extend(about(physical_id, &observed));
        let assumed = earlier.is_none().then(|| assumed(&desired, &observed));
        let transition = match &assumed {
            Some(assumed) => Transition { previous: Some(assumed), guessed: true, ..transition },
            None => transition,
        };
        match plan::generation(transition, &observed).map_err(Error::Refused)? {
            Generation::Same => {
                match &assumed {
                    // Nothing is known to be as before, so all that the properties name is looked at.
                    Some(_) => {
                        let problems = plan::account_problems(&desired.references, &observed, &account);
                        refuse_all(problems, transition, &observed, &account)?;
                    }
                    None => check(transition, &observed, &account)?,
                }
                Ok(Forecast::in_place(transition, &observed, &account))
            }
            Generation::Next(changes) => {
                let next = self.next_generation(update, transition, &observed).await?;
                let (desired, _) = self.wanted_next(update, &desired, &next).await?;
                let transition = Transition::new(&desired);
                let (found, account) = self.observe_all(transition).await?;
                check(transition, &found, &account)?;
                let forecast = Forecast::replacement(transition, &observed, &changes, &account);
                Ok(forecast.unwrap_or_else(|| Forecast::in_place(transition, &found, &account)))
            }
        }
    }

    /// Whose the group of this id is, as the tags of its subnet group say.
    async fn owner_of(&self, id: &str) -> Result<Owner, Error> {
        let name = Names::of(id).subnet_group();
        let group = self.waiter.persist(|| self.aws.subnet_group(&name)).await?;
        let tags = match &group {
            Some(group) => self.waiter.persist(|| self.aws.cache_tags(&group.arn)).await?.unwrap_or_default(),
            None => Tags::new(),
        };
        if let (Some(stack_id), Some(logical_id)) = (tags.get(TAG_STACK_ID), tags.get(TAG_LOGICAL_ID)) {
            return Ok(Owner { stack_id: stack_id.clone(), logical_id: logical_id.clone() });
        }
        let rule = "no cache that this function made stands under this id";
        let fix = "give the id of one, or StackId and LogicalResourceId of the resource; without PhysicalResourceId a \
                   Create is planned";
        Err(Error::Refused(vec![Problem::new("PhysicalResourceId", rule, fix).with_value(id)]))
    }

    /// The cost with the prices that have to be looked up.
    async fn priced(&self, cost: &CostChange) -> CostChange {
        let mut cost = cost.clone();
        for nodes in [&mut cost.before, &mut cost.after].into_iter().flatten() {
            if nodes.price.is_none() {
                let kind = NodeKind { region: self.aws.region(), engine: nodes.engine, node_type: &nodes.node_type };
                nodes.price = observe::price(self.aws, kind).await;
            }
        }
        cost
    }
}

/// What was wanted before, as far as what stands tells: the rest is taken to be as it is wanted now.
fn assumed(desired: &Desired, observed: &Observed) -> Desired {
    let mut before = desired.clone();
    if let Some(endpoint) = observed.group.as_ref().and_then(Group::main_endpoint) {
        before.port = endpoint.port;
    }
    if let Some((engine, version)) =
        observed.first_member().and_then(|member| member.engine.zip(member.version.clone()))
    {
        (before.engine, before.version) = (engine, version);
    }
    // Nothing of it waits for the maintenance window.
    before.apply_immediately = true;
    before
}

/// What somebody who plans an Update should know of what stands.
fn about(id: &str, observed: &Observed) -> Vec<String> {
    let mut notes = Vec::new();
    match &observed.group {
        None => notes.push(format!("no replication group stands under {id}: an Update makes it again, empty")),
        Some(group) if !plan::is_at_rest(observed) => notes.push(format!(
            "{id} is {} now: an Update first waits for that, and may then have more to do than this plan says",
            group.progress()
        )),
        Some(_) => {}
    }
    if observed.succession_tag().is_some() {
        notes.push("what an Update that failed has left of its next generation is removed first".to_owned());
    }
    notes
}
