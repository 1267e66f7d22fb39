//! What an Update is going to do, from its first step to its last: pure. The plan is made round by round as in a run,
//! with each step taken to do what it should.

use std::fmt;
use std::time::Duration;

use super::generation::snapshot_source;
use super::obstacles::Replacing;
use super::phases::next_steps;
use super::types::{Plan, Transition};
use crate::cfn::request::MAX_SERVICE_TIMEOUT;
use crate::cost::{CostChange, NodeKind, Nodes};
use crate::desired::Desired;
use crate::domain::engine::Engine;
use crate::domain::problem::Problem;
use crate::observed::{Account, FoundSnapshot, Group, Observed, Status};
use crate::properties::ReplacementPolicy;
use crate::step::Step;
use crate::step::duration::Minutes;
use crate::step::effect::apply;
use crate::step::group::{GroupChange, join};

/// What remains of the longest `ServiceTimeout`.
const LONGEST: Duration = Duration::from_secs(MAX_SERVICE_TIMEOUT as u64 - 60);

/// Rounds after which a plan is taken to have no end; the longest known one has a third of them.
const MAX_ROUNDS: usize = 100;

/// The steps of an Update, round by round.
#[derive(Clone, Debug)]
pub struct Forecast {
    /// What it is about, in one line.
    heading: String,
    /// Steps that are taken concurrently, one round after the other.
    rounds: Vec<Vec<Step>>,
    /// Why it will not be done, if it will not.
    refused: Vec<Problem>,
    /// Whether another group takes the place of the one that stands.
    replaces: bool,
    /// What the nodes cost, as far as the built-in prices and the account tell.
    cost: CostChange,
}

impl Forecast {
    /// The steps from what is there to what is wanted under the same id.
    #[must_use]
    pub fn in_place(transition: Transition<'_>, observed: &Observed, account: &Account) -> Forecast {
        let (forecast, end) = Forecast::run(transition, observed, account);
        let id = &transition.desired.names.replication_group;
        let group = observed.group.as_ref();
        let goes = group.is_some_and(|group| group.status == Status::Deleting);
        let heading = match group {
            None if transition.previous.is_none() => format!("{id} is created"),
            None => format!("{id} does not stand and is created anew, empty"),
            Some(_) if goes => format!("{id} is being deleted and is created anew, empty"),
            Some(_) => format!("{id} changes in place"),
        };
        let cost = cost(observed, &end, transition.desired, account);
        let mut forecast = Forecast { heading, cost, ..forecast };
        let refused = std::mem::take(&mut forecast.refused);
        if refused.is_empty() {
            return forecast;
        }
        if transition.previous.is_none() {
            return Forecast { cost: forecast.cost, ..Forecast::not_created(id, refused) };
        }
        forecast.refuse(id, refused)
    }

    /// The steps to a new generation; `transition` is for that.
    #[must_use]
    pub fn replacement(
        transition: Transition<'_>,
        standing: &Observed,
        changes: &[Replacing],
        account: &Account,
    ) -> Option<Forecast> {
        let now = standing;
        let standing = now.group.as_ref()?;
        let next = &transition.desired.names.replication_group;
        let transfer_snapshot = transition.desired.transfer_snapshot.as_ref().map(|name| Step::CreateSnapshot {
            name: name.clone(),
            of: snapshot_source(standing),
            tags: transition.desired.tags.clone(),
        });
        let standing = &standing.id;
        let snapshot =
            transfer_snapshot.is_some().then(|| FoundSnapshot { status: Status::Available, ..Default::default() });
        let nothing = Observed { transfer_snapshot: snapshot, ..Observed::default() };
        let (forecast, end) = Forecast::run(transition, &nothing, account);
        let why = join(changes.iter().map(|change| format!("{} {} to {}", change.property, change.is, change.wanted)));
        let data = match transition.desired.replacement_policy {
            ReplacementPolicy::Snapshot => "with its data",
            ReplacementPolicy::Empty | ReplacementPolicy::Refuse => "without its data",
        };
        let afterwards = if transition.desired.deletion_protection {
            format!("{standing} stays because of DeletionProtection, and goes on to cost what it does now")
        } else {
            format!("CloudFormation deletes {standing} afterwards, unless UpdateReplacePolicy keeps it")
        };
        let heading =
            format!("{standing} is replaced by {next} {data}, because AWS cannot change in place: {why}. {afterwards}");
        let rounds = transfer_snapshot.map(|step| vec![step]).into_iter().chain(forecast.rounds).collect();
        let cost = cost(now, &end, transition.desired, account);
        Some(Forecast { heading, rounds, refused: forecast.refused, replaces: true, cost })
    }

    /// An Update that is refused.
    #[must_use]
    pub fn refused(id: &str, problems: Vec<Problem>) -> Forecast {
        Forecast { refused: problems, ..Forecast::nothing(format!("{id} does not change")) }
    }

    /// The same change, refused for these problems.
    #[must_use]
    pub fn refuse(self, id: &str, problems: Vec<Problem>) -> Forecast {
        Forecast { cost: self.cost, ..Forecast::refused(id, problems) }
    }

    /// A Create that is refused.
    #[must_use]
    pub fn not_created(id: &str, problems: Vec<Problem>) -> Forecast {
        Forecast { refused: problems, ..Forecast::nothing(format!("{id} is not created")) }
    }

    fn nothing(heading: String) -> Forecast {
        Forecast { heading, rounds: Vec::new(), refused: Vec::new(), replaces: false, cost: CostChange::default() }
    }

    /// The same, refused if it cannot be done in so much time.
    #[must_use]
    pub fn within(self, id: &str, limit: Duration) -> Forecast {
        match self.too_long(limit) {
            Some(problem) => Forecast::refused(id, vec![problem]),
            None => self,
        }
    }

    /// What is there after the last step.
    #[must_use]
    pub fn end(transition: Transition<'_>, observed: &Observed, account: &Account) -> Observed {
        Forecast::run(transition, observed, account).1
    }

    fn run(transition: Transition<'_>, observed: &Observed, account: &Account) -> (Forecast, Observed) {
        let mut state = observed.clone();
        let mut forecast = Forecast::nothing(String::new());
        for _ in 0..MAX_ROUNDS {
            match next_steps(transition, &state, account) {
                Plan::Act(steps) => {
                    for step in &steps {
                        apply(step, &transition.desired.vpc_id, &mut state);
                    }
                    forecast.rounds.push(steps);
                }
                Plan::Wait(_) => stabilize(&mut state),
                Plan::Refuse(problems) => {
                    forecast.refused = problems;
                    break;
                }
                Plan::CreateFailed => {
                    let id = &transition.desired.names.replication_group;
                    let fix = "delete that cluster, then update: it is made again";
                    let problem = Problem::new("ReplicationGroupId", "AWS gave up on making this cluster", fix);
                    forecast.refused = vec![problem.with_value(id)];
                    break;
                }
                Plan::NotAchieved { step, reasons } => {
                    let rule = format!("AWS accepted \"{step}\" and did not do it: {}", reasons.join(" / "));
                    let fix = "correct what the destination or its policy lacks";
                    forecast.refused = vec![Problem::new("LogDelivery", rule, fix)];
                    break;
                }
                Plan::Done => break,
            }
        }
        (forecast, state)
    }

    /// Whether nothing of it will be done.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }

    /// What it is about, in one line.
    #[must_use]
    pub fn heading(&self) -> &str {
        &self.heading
    }

    /// The steps, those of one round concurrently.
    #[must_use]
    pub fn rounds(&self) -> &[Vec<Step>] {
        &self.rounds
    }

    /// Why nothing of it will be done; empty where it will.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.refused
    }

    /// Whether another group takes the place of the one that stands.
    #[must_use]
    pub fn is_replacement(&self) -> bool {
        self.replaces
    }

    /// What the nodes cost before and after.
    #[must_use]
    pub fn cost(&self) -> &CostChange {
        &self.cost
    }

    /// The same forecast by prices that were looked up.
    #[must_use]
    pub fn with_cost(self, cost: CostChange) -> Forecast {
        Forecast { cost, ..self }
    }

    /// The steps in their order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.rounds.iter().flatten()
    }

    /// How long all of it takes.
    #[must_use]
    pub fn minutes(&self) -> Minutes {
        self.rounds.iter().map(|round| of_round(round)).fold(Minutes::default(), Minutes::and_then)
    }

    /// What is wrong when even on a good day all of it takes longer than `limit`, and smaller changes would not:
    /// CloudFormation would roll back what was reached by then. A change that has no parts is tried all the same.
    #[must_use]
    pub fn too_long(&self, limit: Duration) -> Option<Problem> {
        let least = self.minutes().least;
        if Duration::from_mins(least) <= limit {
            return None;
        }
        let long: Vec<&Step> = self.steps().filter(|step| Minutes::of(step).least > 0).collect();
        let parts = join(long.iter().map(|step| format!("{} for {}", Minutes::of(step).least, part(step))));
        let mut names: Vec<String> = long.into_iter().map(part).collect();
        names.dedup();
        if names.len() < 2 {
            return None;
        }
        let longer = (limit < LONGEST).then(|| format!("raise it (to {MAX_SERVICE_TIMEOUT} at most)"));
        let smaller = format!("deploy one after the other: {}", names.join(", then "));
        let fix = longer.into_iter().chain([smaller]).collect::<Vec<_>>().join(", or ");
        let left = match limit.as_secs() {
            seconds @ ..120 => format!("{seconds} seconds"),
            seconds => (seconds / 60).to_string(),
        };
        let rule = format!("the change takes at least {least} minutes ({parts}), and {left} are left for it");
        Some(Problem::new("ServiceTimeout", rule, fix))
    }
}

/// What the nodes cost now and at the end, without asking anybody. A price that was looked up is of the nodes that are
/// wanted.
fn cost(now: &Observed, end: &Observed, desired: &Desired, account: &Account) -> CostChange {
    let price = |engine: Engine, node_type: &str| {
        let is_wanted = engine == desired.engine && node_type == desired.node_type;
        let looked_up = account.price.clone().filter(|_| is_wanted);
        looked_up.or_else(|| NodeKind { region: &account.region, engine, node_type }.built_in_price())
    };
    let count = |observed: &Observed| i32::try_from(observed.group.as_ref()?.member_ids.len()).ok();
    let nodes = |count: i32, engine: Engine, node_type: &str| Nodes {
        count,
        engine,
        node_type: node_type.to_owned(),
        price: price(engine, node_type),
    };
    let stands = |group: &&Group| group.status != Status::Deleting;
    let standing = now.group.as_ref().filter(stands).zip(count(now)).map(|(group, count)| {
        let engine = now.first_member().and_then(|member| member.engine).unwrap_or(desired.engine);
        nodes(count, engine, &group.node_type)
    });
    // What waits for the maintenance window counts as done.
    let wanted = count(end).map(|count| nodes(count, desired.engine, &desired.node_type));
    CostChange { before: standing, after: wanted }
}

fn of_round(round: &[Step]) -> Minutes {
    round.iter().map(Minutes::of).fold(Minutes::default(), Minutes::side_by_side)
}

/// The property whose change takes this step, for somebody who wants to make the changes one by one.
fn part(step: &Step) -> String {
    match step {
        Step::ModifyGroup(change) => match &**change {
            GroupChange { engine: Some(engine), .. } => format!("Engine {engine}"),
            GroupChange { version: Some(version), .. } => format!("EngineVersion {version}"),
            GroupChange { node_type: Some(node_type), .. } => format!("NodeType {node_type}"),
            GroupChange { cluster_mode: Some(mode), .. } => format!("ClusterMode {mode}"),
            GroupChange { automatic_failover: Some(on), .. } => format!("AutomaticFailoverEnabled {on}"),
            GroupChange { multi_az: Some(on), .. } => format!("MultiAzEnabled {on}"),
            _ => "the other settings".to_owned(),
        },
        Step::ChangeShards { shards, .. } => format!("NumNodeGroups {shards}"),
        Step::IncreaseReplicas { replicas, .. } | Step::DecreaseReplicas { replicas, .. } => {
            format!("the number of replicas ({replicas})")
        }
        Step::SetTransitEncryption { to: crate::desired::Tls::Off, .. } => "TransitEncryptionEnabled false".to_owned(),
        Step::SetTransitEncryption { to, .. } => format!("TransitEncryptionMode {to}"),
        Step::ChangeAuth { .. } => "authentication".to_owned(),
        Step::DeliverLogs { .. } => "LogDelivery".to_owned(),
        Step::CreateSnapshot { .. } | Step::CreateGroup(_) => "the replacement".to_owned(),
        other => other.to_string(),
    }
}

/// Lets everything end that is under way.
fn stabilize(observed: &mut Observed) {
    if observed.group.as_ref().is_some_and(|group| group.status == Status::Deleting) {
        observed.group = None;
        observed.members.clear();
    }
    if let Some(group) = &mut observed.group {
        group.status = Status::Available;
        group.pending.clear();
        group.shards.iter_mut().for_each(|shard| shard.status = Status::Available);
    }
    observed.members.values_mut().for_each(|member| member.status = Status::Available);
}

/// A line for the whole, then one for each step; what happens concurrently has one number.
impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.heading)?;
        if !self.refused.is_empty() {
            f.write_str(". It is refused:")?;
            self.refused.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))?;
            return self.write_cost(f);
        }
        if self.is_empty() {
            f.write_str(": nothing to do.")?;
            return self.write_cost(f);
        }
        write!(f, " ({}):", self.minutes())?;
        for (index, round) in self.rounds.iter().enumerate() {
            for (place, step) in round.iter().enumerate() {
                let number = if place == 0 { format!("{}.", index + 1) } else { String::new() };
                let minutes = Minutes::of(step);
                let minutes = if minutes.most > 0 { format!(" [{minutes}]") } else { String::new() };
                write!(f, "\n  {number:3} {step}{minutes}")?;
            }
        }
        self.write_cost(f)
    }
}

impl Forecast {
    fn write_cost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cost.is_unknown() { Ok(()) } else { write!(f, "\n{}", self.cost) }
    }
}
