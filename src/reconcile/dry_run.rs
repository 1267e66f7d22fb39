//! What a Create or an Update would do to this account. Calls AWS, reading only.
//!
//! It takes the way of the request itself as far as that only reads: the desired state, the observation, the checks, the
//! choice of the generation. Then the planner runs against the effects of its own steps instead of applying them.
//!
//! An Update comes with the properties of before. Where they are not given, what only they tell is not in the plan, and
//! a note says so.

use std::time::Duration;

use super::observe;
use super::run::{Run, check, references};
use super::update::{Previous, Update};
use crate::cfn::request::{service_timeout, time_to_answer};
use crate::cost::{CostChange, NodeKind};
use crate::desired::{Desired, Purpose, References, derived_id};
use crate::domain::names::{self, Names};
use crate::domain::problem::Problem;
use crate::domain::tags::{Owner, TAG_LOGICAL_ID, TAG_STACK_ID, Tags};
use crate::error::Error;
use crate::observed::{Group, Observed, Status};
use crate::plan::{self, Direction, Forecast, Generation, Replacing, Transition};
use crate::plan_event::PlanEvent;
use crate::preview::Preview;
use crate::properties::Parsed;

/// What somebody is told who does not say what was wanted before.
const WITHOUT_EARLIER: &str = "OldResourceProperties were not given: what only the template of before tells is not in this \
                               plan (tags and a SecretName that are no longer in it, and whether a difference is drift), and \
                               it may have steps for what has not changed since";

/// Why there is no plan with steps.
enum Unplanned {
    /// The request would be refused.
    Refused(Vec<Problem>),
    /// It cannot be told what it would do.
    Failed(String),
}

impl From<Error> for Unplanned {
    fn from(error: Error) -> Unplanned {
        match error {
            Error::Refused(problems) => Unplanned::Refused(problems),
            Error::TimedOut { waiting_for, last, .. } => {
                Unplanned::Failed(format!("it was in vain to wait for {waiting_for}: {last}"))
            }
            other => Unplanned::Failed(other.to_string()),
        }
    }
}

/// One problem, as a refusal.
fn refused(problem: Problem) -> Unplanned {
    Unplanned::Refused(vec![problem])
}

impl Run<'_> {
    /// What a request with these properties would do now. What would be refused is a forecast too.
    ///
    /// # Errors
    /// Why it cannot be told.
    pub async fn preview(&mut self, event: &PlanEvent) -> Result<Preview, String> {
        let mut notes = Vec::new();
        let parsed = Parsed::read(&event.properties);
        let id = event.physical_id.clone().or_else(|| derived_id(&parsed.values));
        let id = id.filter(|id| names::id_defect(id).is_none()).unwrap_or_else(|| "the cluster".to_owned());
        let time = time_to_answer(service_timeout(&event.properties));
        let forecast = match &event.physical_id {
            None => Box::pin(self.preview_create(event, &parsed, &mut notes)).await,
            Some(id) => Box::pin(self.preview_update(event, id, &parsed, &mut notes)).await,
        };
        let forecast = match forecast {
            Ok(forecast) if event.physical_id.is_none() => forecast,
            Ok(forecast) => forecast.within(&id, time),
            Err(Unplanned::Refused(problems)) if event.physical_id.is_none() => Forecast::not_created(&id, problems),
            Err(Unplanned::Refused(problems)) => Forecast::refused(&id, problems),
            Err(Unplanned::Failed(why)) => return Err(why),
        };
        if Duration::from_mins(forecast.minutes().least) > time {
            notes.push(format!(
                "it takes at least {} min, and CloudFormation gives up before: raise ServiceTimeout",
                forecast.minutes().least
            ));
        }
        let cost = self.priced(forecast.cost()).await;
        let forecast = forecast.with_cost(cost);
        notes.extend(above_limit(&forecast, &parsed));
        Ok(Preview { forecast, notes })
    }

    async fn preview_create(
        &mut self,
        event: &PlanEvent,
        parsed: &Parsed,
        notes: &mut Vec<String>,
    ) -> Result<Forecast, Unplanned> {
        // Nothing is of a stack that does not stand yet.
        let nobody = || Owner { stack_id: "planned".to_owned(), logical_id: "planned".to_owned() };
        let owner = event.owner.clone().unwrap_or_else(nobody);
        let desired = self.wanted_at_creation(parsed, &owner).await?;
        let id = &desired.names.replication_group;
        let transition = Transition::new(&desired);
        let (observed, account) = self.observe_all(transition).await?;
        if observed.group.is_some() {
            notes.push(format!("{id} stands: for an Update of it give PhysicalResourceId (make plan: ID={id})"));
        }
        if observed.was_begun_outside(&desired.vpc_id, &owner) {
            notes.push("what an earlier Create began in another VPC is removed first".to_owned());
        }
        let forecast = Forecast::in_place(transition, &observed, &account);
        match check(transition, &observed, &account) {
            Err(Error::Refused(problems)) => Ok(Forecast::not_created(id, problems).with_cost(forecast.cost().clone())),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(forecast),
        }
    }

    async fn preview_update(
        &mut self,
        event: &PlanEvent,
        physical_id: &str,
        parsed: &Parsed,
        notes: &mut Vec<String>,
    ) -> Result<Forecast, Unplanned> {
        if let Some(problem) = id_problem(physical_id) {
            return Err(refused(problem));
        }
        let owner = self.owner(event, physical_id).await?;
        let purpose = Purpose::Update(physical_id);
        let earlier = event.old_properties.as_ref().map(Parsed::read);
        let read = earlier.as_ref().map(|earlier| Desired::new(earlier, &owner, purpose));
        if let Some(Err(problems)) = read {
            return Err(Unplanned::Refused(problems.into_iter().map(of_earlier).collect()));
        }
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
        let mut desired = match self.wanted(update, purpose).await? {
            Ok(desired) => desired,
            Err(problems) => {
                let all = References::read(parsed, purpose);
                let changed = if earlier.is_some() { update.changed_references() } else { all };
                return Err(self.update_refused(update, &changed, problems).await.into());
            }
        };
        let previous = match &earlier {
            Some(_) => self.previous(update, &mut desired).await?,
            None => Previous { desired: None, guessed: false },
        };
        let renamed = desired.renamed(&parsed.values, &update.earlier.values);
        let transition = Transition {
            desired: &desired,
            previous: previous.desired.as_ref(),
            guessed: previous.guessed,
            renamed: renamed.as_deref(),
            direction: Direction::Forward,
        };
        let (observed, account) = self.observe_all(transition).await?;
        notes.extend(about(physical_id, &observed));
        let assumed = earlier.is_none().then(|| assumed(&desired, &observed));
        let transition = match &assumed {
            Some(assumed) => Transition { previous: Some(assumed), guessed: true, ..transition },
            None => transition,
        };
        let forecast = Forecast::in_place(transition, &observed, &account);
        // Where nothing is known to be as before, all that the properties name is looked at.
        let questioned = if assumed.is_some() { desired.references.clone() } else { references(transition) };
        let mut problems = plan::account_problems(&questioned, &observed, &account);
        let generation = match plan::generation(transition, &observed) {
            Ok(generation) => generation,
            Err(refused) => {
                problems.extend(refused);
                return Ok(forecast.refuse(physical_id, problems));
            }
        };
        if !problems.is_empty() {
            problems.extend(forecast.problems().iter().cloned());
            return Ok(forecast.refuse(physical_id, problems));
        }
        match (generation, &observed.group) {
            (Generation::Same, Some(group)) if !plan::is_final(&group.status) => Err(Unplanned::Failed(format!(
                "{physical_id} is {} now, and what an Update does is decided when that has ended: ask again then",
                group.progress()
            ))),
            (Generation::Same, _) => Ok(forecast),
            (Generation::Next(changes), _) => {
                self.preview_replacement(update, transition, &observed, &changes).await.map_err(Unplanned::from)
            }
        }
    }

    async fn preview_replacement(
        &mut self,
        update: Update<'_>,
        transition: Transition<'_>,
        observed: &Observed,
        changes: &[Replacing],
    ) -> Result<Forecast, Error> {
        let next = self.next_generation(update, transition, observed).await?;
        let (desired, _) = self.wanted_next(update, transition.desired, &next).await?;
        let transition = Transition::new(&desired);
        let (found, account) = self.observe_all(transition).await?;
        check(transition, &found, &account)?;
        let forecast = Forecast::replacement(transition, observed, changes, &account);
        Ok(forecast.unwrap_or_else(|| Forecast::in_place(transition, &found, &account)))
    }

    /// Whose the group of this id is, as the event says or the tags of its subnet group.
    async fn owner(&self, event: &PlanEvent, id: &str) -> Result<Owner, Unplanned> {
        if let Some(owner) = &event.owner {
            return Ok(owner.clone());
        }
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
        Err(refused(Problem::new("PhysicalResourceId", rule, fix).with_value(id)))
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

/// What is wrong with the id of a resource.
fn id_problem(id: &str) -> Option<Problem> {
    let capitals = id.chars().any(|c| c.is_ascii_uppercase()).then_some("AWS keeps ids in lower case");
    let defect = names::id_defect(id).or(capitals)?;
    let rule = format!("is not the id of a replication group: {defect}");
    Some(Problem::new("PhysicalResourceId", rule, "give the id that Ref has in the stack").with_value(id))
}

/// A problem of the properties of before.
fn of_earlier(problem: Problem) -> Problem {
    Problem { property: format!("OldResourceProperties.{}", problem.property), ..problem }
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

/// What should be known when what stands is dearer than the template allows for what it names: auto scaling has added nodes.
fn above_limit(forecast: &Forecast, parsed: &Parsed) -> Option<String> {
    let (limit, after) = (parsed.values.max_monthly_cost?, forecast.cost().after.as_ref()?);
    let cost = after.price.as_ref()?.monthly(after.count);
    (cost > limit && !forecast.is_refused()).then(|| {
        format!(
            "{} nodes stand then and cost more than MaxMonthlyCost ({limit}), which counts those of the template",
            after.count
        )
    })
}

/// What somebody who plans an Update should know of what stands.
fn about(id: &str, observed: &Observed) -> Vec<String> {
    let mut notes = Vec::new();
    match &observed.group {
        None => notes.push(format!("no replication group stands under {id}: an Update makes it again, empty")),
        Some(group) if group.status == Status::Deleting => {
            notes.push(format!("{id} is being deleted: an Update waits for that and makes it again, empty"));
        }
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
