//! One observation of everything. Calls AWS, reading only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;
use tracing::{info, warn};

use super::optional::optional;
use super::wait::{Rights, Waiter, retries};
use crate::auth::token_state::{InForce, Progress};
use crate::aws::{Aws, Class, Fault};
use crate::cost::{NodeKind, Price};
use crate::desired::{Auth, Desired, MAXMEMORY_POLICY, References, Removal};
use crate::domain::alarm;
use crate::domain::engine::FAMILIES;
use crate::domain::names::{self, Names};
use crate::domain::problem::Problem;
use crate::domain::secret::AuthToken;
use crate::domain::tags::Owner;
use crate::error::Error;
use crate::observed::{
    Account, ExternalToken, FoundSnapshot, Group, Lookup, Member, Observed, ParameterGroup, Secret, SecurityGroup,
    Status, SubnetGroup,
};
use crate::plan::Transition;
use crate::telemetry::metrics::{Phase, timed};

/// What to look for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Names of the generation.
    pub names: &'a Names,
    /// Name of its secret.
    pub secret_name: &'a str,
    /// Name that its secret had before, if that was another one.
    pub former_secret_name: Option<&'a str>,
    /// Whose it should be.
    pub owner: &'a Owner,
    /// VPC in which the name of the security group is taken; any when `None`.
    pub vpc_id: Option<&'a str>,
    /// Whether the members of the group are needed.
    pub members: bool,
    /// Whether the secret's content is needed.
    pub secret_content: bool,
    /// Parameter groups under its names that may exist, if that is known; they are searched for when it is not.
    pub parameter_groups: Option<&'a BTreeSet<String>>,
    /// Our snapshot from which a new generation is made.
    pub transfer_snapshot: Option<&'a str>,
    /// What there is to do about alarms.
    pub alarms: AlarmsOf<'a>,
    /// What it means when the function may not read the secret.
    pub hidden_secret: HiddenSecret,
}

/// What there is to do about alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmsOf<'a> {
    /// Nothing any more in this request.
    Nobody,
    /// They are kept with the nodes of a group that is available.
    Nodes {
        /// Whether the properties ask for some, or did.
        wanted: bool,
        /// A parameter group of the user's that says what happens when memory is full, if that decides anything.
        parameter_group: Option<&'a str>,
    },
    /// They go when the group is gone.
    Removed {
        /// Whether the properties ask for some.
        wanted: bool,
    },
}

/// What it means when the function may not read the secret of a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenSecret {
    /// The observation fails.
    Fails,
    /// No secret is wanted, so none is missed.
    Absent,
    /// The same where nothing else is ours: whatever was refused because of the secret made none.
    AbsentIfAlone,
}

impl<'a> From<&'a Desired> for Target<'a> {
    fn from(desired: &'a Desired) -> Target<'a> {
        Target {
            names: &desired.names,
            secret_name: &desired.secret.name,
            former_secret_name: None,
            owner: &desired.owner,
            vpc_id: Some(&desired.vpc_id),
            members: true,
            secret_content: true,
            parameter_groups: None,
            transfer_snapshot: desired.transfer_snapshot.as_deref(),
            alarms: AlarmsOf::Nodes {
                wanted: desired.alarms.is_some(),
                parameter_group: desired.alarms.as_ref().and(desired.references.parameter_group.as_deref()),
            },
            hidden_secret: if desired.auth.keeps_secret() { HiddenSecret::Fails } else { HiddenSecret::Absent },
        }
    }
}

impl<'a> From<Transition<'a>> for Target<'a> {
    fn from(transition: Transition<'a>) -> Target<'a> {
        // Another generation's secret is its own.
        let same = |previous: &&Desired| previous.names == transition.desired.names && previous.auth.keeps_secret();
        let former = transition.previous.filter(same).map(|previous| previous.secret.name.as_str());
        let former_secret_name = former.filter(|name| *name != transition.desired.secret.name);
        let target = Target { former_secret_name, ..Target::from(transition.desired) };
        match target.alarms {
            AlarmsOf::Nodes { wanted: false, parameter_group }
                if transition.previous.is_some_and(|previous| previous.alarms.is_some()) =>
            {
                Target { alarms: AlarmsOf::Nodes { wanted: true, parameter_group }, ..target }
            }
            AlarmsOf::Nobody | AlarmsOf::Nodes { .. } | AlarmsOf::Removed { .. } => target,
        }
    }
}

impl<'a> From<&'a Removal> for Target<'a> {
    fn from(removal: &'a Removal) -> Target<'a> {
        Target {
            names: &removal.names,
            secret_name: &removal.secret_name,
            former_secret_name: None,
            owner: &removal.owner,
            vpc_id: None,
            members: false,
            secret_content: false,
            parameter_groups: None,
            transfer_snapshot: None,
            alarms: AlarmsOf::Removed { wanted: removal.has_alarms },
            hidden_secret: if removal.keeps_secret { HiddenSecret::AbsentIfAlone } else { HiddenSecret::Absent },
        }
    }
}

/// Observes everything under the target's names, concurrently. A lookup that is throttled is repeated alone, so that few
/// calls a second are enough for a whole observation.
pub async fn observe(waiter: &Waiter<'_>, target: Target<'_>) -> Result<Observed, Error> {
    let seen = timed(Phase::Observe, Box::pin(everything(waiter, target))).await?;
    // The calls of an observation are not made at one moment: a duplicate delivery may make subnet group and group between them,
    // and then nothing seen tells whose the group is.
    let nobodys = seen.group.as_ref().is_some_and(|group| group.tags.is_none()) && seen.subnet_group.is_none();
    if nobodys { timed(Phase::Observe, Box::pin(everything(waiter, target))).await } else { Ok(seen) }
}

async fn everything(waiter: &Waiter<'_>, target: Target<'_>) -> Result<Observed, Error> {
    let aws = waiter.aws;
    let names = target.names;
    let security_group = names.security_group();
    let former = async {
        match target.former_secret_name {
            Some(name) => secret(waiter, target, name).await,
            None => Ok(Ok(None)),
        }
    };
    let polls = async {
        tokio::try_join!(
            secret(waiter, target, target.secret_name),
            former,
            transfer_snapshot(waiter, target.transfer_snapshot)
        )
    };
    let ((group, members), subnet_group, security_groups, parameter_groups, secrets) = tokio::try_join!(
        group(waiter, target),
        subnet_group(waiter, target),
        waiter.persist(|| aws.security_groups_named(&security_group)),
        parameter_groups(waiter, target),
        polls,
    )?;
    let (secret, former_secret, transfer_snapshot) = secrets;
    // Its tags come last: what was seen before them was seen while this request was the newest, if they say that it is.
    waiter.fences();
    let subnet_group = match subnet_group {
        Some(group) => tagged(waiter, group).await?,
        None => None,
    };
    let home = subnet_group.as_ref().map(|group| group.vpc_id.as_str()).or(target.vpc_id);
    let security_group = choose(security_groups, target, home, waiter.account.as_deref());
    let mut observed = Observed {
        group,
        members,
        subnet_group,
        security_group,
        parameter_groups,
        secret: None,
        // What the function may not see it cannot have used for this resource.
        former_secret: former_secret.unwrap_or_else(|fault| missing(&fault)),
        transfer_snapshot,
        asked_parameter_group: None,
        asked_logs: BTreeSet::new(),
        unresettable: BTreeSet::new(),
        resets_singly: false,
        alarms: BTreeMap::new(),
        alarm_trouble: None,
        maxmemory_policy: None,
        asked_epoch_ms: None,
        required_version: None,
    };
    alarms(waiter, target, &mut observed).await?;
    observed.secret = seen(target, &observed, secret)?;
    incoming_of(waiter, target, &mut observed).await?;
    Ok(observed)
}

/// What is there after AWS has worked on the group, told by the observation before it and by the group as it was polled
/// last. What only this function changes is as it was; asked for is what AWS changes, what others may have changed
/// meanwhile, and whether this request still is the newest. `None` when that is not enough to tell.
pub(super) async fn renewed(
    waiter: &Waiter<'_>,
    target: Target<'_>,
    before: Observed,
    polled: Option<Group>,
    secret_is_new: bool,
) -> Result<Option<Observed>, Error> {
    let (Some(subnet_group), stood) = (before.subnet_group.clone(), before.group.as_ref()) else { return Ok(None) };
    let group = match polled {
        Some(group) => Some(group),
        None => waiter.persist(|| waiter.aws.group(&target.names.replication_group)).await?,
    };
    let tags = stood.and_then(|stood| stood.tags.clone());
    if group.is_some() && tags.is_none() {
        return Ok(None);
    }
    let members = async {
        match &group {
            Some(group) => members_of(waiter, target, group).await,
            None => Ok(BTreeMap::new()),
        }
    };
    let asks = target.secret_content && before.secret.is_some() && !secret_is_new;
    let stored = async { if asks { secret(waiter, target, target.secret_name).await.map(Some) } else { Ok(None) } };
    let snapshot = transfer_snapshot(waiter, target.transfer_snapshot);
    let (members, stored, transfer_snapshot) =
        timed(Phase::Observe, Box::pin(async { tokio::try_join!(members, stored, snapshot) })).await?;
    let Some(subnet_group) = tagged(waiter, subnet_group).await? else { return Ok(None) };
    let group = group.map(|group| Group { tags, ..group });
    let mut observed = Observed { group, members, subnet_group: Some(subnet_group), transfer_snapshot, ..before };
    alarms(waiter, target, &mut observed).await?;
    if let Some(stored) = stored {
        observed.secret = seen(target, &observed, stored)?;
    }
    incoming_of(waiter, target, &mut observed).await?;
    Ok(Some(observed))
}

/// The secret, or that it matters that it cannot be seen.
fn seen(target: Target<'_>, others: &Observed, secret: Result<Option<Secret>, Fault>) -> Result<Option<Secret>, Error> {
    match secret {
        Ok(secret) => Ok(secret),
        Err(fault) if is_missed(target, others) => Err(out_of_reach(target.secret_name, fault)),
        Err(fault) => Ok(missing(&fault)),
    }
}

/// Reads the version that a change of the token under way brings in, if there is one.
async fn incoming_of(waiter: &Waiter<'_>, target: Target<'_>, observed: &mut Observed) -> Result<(), Error> {
    let progress = observed.subnet_group.as_ref().and_then(|group| Progress::read(&group.tags));
    match (&mut observed.secret, progress) {
        (Some(secret), Some(progress)) => incoming(waiter, target, secret, &progress).await,
        _ => Ok(()),
    }
}

/// Longest that alarms may be looked for: no request fails for them.
const ALARMS_AT_MOST: Duration = Duration::from_mins(1);

/// The alarms of the generation, where something is to be done about them now.
async fn alarms(waiter: &Waiter<'_>, target: Target<'_>, observed: &mut Observed) -> Result<(), Error> {
    let (wanted, is_due) = match (target.alarms, &observed.group) {
        (AlarmsOf::Nodes { wanted, .. }, Some(group)) => (wanted, group.status == Status::Available),
        (AlarmsOf::Removed { wanted }, None) => (wanted, true),
        (AlarmsOf::Nobody, _) | (AlarmsOf::Nodes { .. }, None) | (AlarmsOf::Removed { .. }, Some(_)) => return Ok(()),
    };
    if !is_due || !(wanted || observed.may_have_alarms()) {
        return Ok(());
    }
    let prefix = alarm::prefix(&target.names.replication_group);
    let poll = waiter.answered(|| waiter.aws.alarms(&prefix), Rights::MayCome);
    match tokio::time::timeout(waiter.deadline.at_most(ALARMS_AT_MOST), Box::pin(poll)).await {
        Ok(Ok(Ok(alarms))) => observed.alarms = alarms,
        Ok(Ok(Err(fault))) => observed.alarm_trouble = Some(fault.to_string()),
        Ok(Err(Error::TimedOut { last, .. })) => observed.alarm_trouble = Some(last),
        Ok(Err(error)) => return Err(error),
        Err(_) => {
            let seconds = ALARMS_AT_MOST.as_secs();
            observed.alarm_trouble = Some(format!("no answer to cloudwatch:DescribeAlarms within {seconds} s"));
        }
    }
    if let AlarmsOf::Nodes { parameter_group: Some(name), .. } = target.alarms {
        let values = optional(CHECK_AT_MOST, tried_a_few_times(|| waiter.aws.parameter_values(name))).await;
        let values = values.inspect_err(|why| warn!(why, "what happens when memory is full could not be looked up"));
        observed.maxmemory_policy = values.ok().flatten().and_then(|mut values| values.remove(MAXMEMORY_POLICY));
    }
    Ok(())
}

/// Whether a secret that cannot be seen may be there and matter.
fn is_missed(target: Target<'_>, others: &Observed) -> bool {
    match target.hidden_secret {
        HiddenSecret::Fails => true,
        HiddenSecret::Absent => false,
        HiddenSecret::AbsentIfAlone => others.has_anything_of(target.owner),
    }
}

fn missing(fault: &Fault) -> Option<Secret> {
    warn!(%fault, "a secret cannot be seen and is taken as not there");
    None
}

/// The role reaches the names that we give. Another one must be named to it.
fn out_of_reach(name: &str, fault: Fault) -> Error {
    if name.starts_with(names::SECRET_PREFIX) {
        return fault.into();
    }
    let rule = format!("the function's role does not allow {} on this secret", fault.action);
    let fix = format!(
        "list its ARN in AdditionalSecretArns of the function's stack, or begin it with {}",
        names::SECRET_PREFIX
    );
    Error::Refused(vec![Problem::new("SecretName", rule, fix).with_value(name)])
}

/// Parameter groups under the target's names. One list tells which of them there are; a few are asked for by name.
async fn parameter_groups(waiter: &Waiter<'_>, target: Target<'_>) -> Result<Vec<ParameterGroup>, Error> {
    let aws = waiter.aws;
    let found = match target.parameter_groups {
        None => {
            let families = FAMILIES.iter().copied();
            let both = |family| [false, true].map(|clustered| target.names.parameter_group(family, clustered));
            let names: BTreeSet<String> = families.flat_map(both).collect();
            waiter.persist(|| aws.parameter_groups(&names)).await?
        }
        Some(known) => {
            let groups = try_join_all(known.iter().map(|name| waiter.persist(|| aws.parameter_group(name)))).await?;
            groups.into_iter().flatten().collect()
        }
    };
    let whole = try_join_all(found.into_iter().map(|group| whole(waiter, group))).await?;
    Ok(whole.into_iter().flatten().collect())
}

/// A parameter group with its values and tags; `None` when it has gone since it was found.
async fn whole(waiter: &Waiter<'_>, group: ParameterGroup) -> Result<Option<ParameterGroup>, Error> {
    let aws = waiter.aws;
    let (values, tags) = tokio::try_join!(
        waiter.persist(|| aws.parameter_values(&group.name)),
        waiter.persist(|| aws.cache_tags(&group.arn)),
    )?;
    Ok(values.zip(tags).map(|(values, tags)| ParameterGroup { values, tags, ..group }))
}

/// The subnet group, without its tags.
async fn subnet_group(waiter: &Waiter<'_>, target: Target<'_>) -> Result<Option<SubnetGroup>, Error> {
    let name = target.names.subnet_group();
    if waiter.found().takes_missing_subnet_group(&name) {
        return Ok(None);
    }
    waiter.persist(|| waiter.aws.subnet_group(&name)).await
}

/// The subnet group with its tags. One that has gone between the two calls is not there; without its tags it would look
/// like somebody else's.
pub(super) async fn tagged(waiter: &Waiter<'_>, group: SubnetGroup) -> Result<Option<SubnetGroup>, Error> {
    let tags = waiter.persist(|| waiter.aws.cache_tags(&group.arn)).await?;
    waiter.fences();
    Ok(tags.map(|tags| SubnetGroup { tags, ..group }))
}

/// Names of security groups are unique in a VPC only: ours is the one that carries our tags; without one, a group of the
/// same name in our VPC stands in the way. Groups that other accounts have in a shared VPC are listed too and are neither,
/// nor is one of ours that was left outside `home`, the VPC of the rest: a Delete takes it in the end.
fn choose(
    mut groups: Vec<SecurityGroup>,
    target: Target<'_>,
    home: Option<&str>,
    account: Option<&str>,
) -> Option<SecurityGroup> {
    groups.retain(|group| account.is_none() || group.owner_id.is_none() || group.owner_id.as_deref() == account);
    groups.retain(|group| home.is_none_or(|vpc| vpc == group.vpc_id));
    let (mut own, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| target.owner.owns(&group.tags));
    own.pop().or_else(|| others.into_iter().find(|group| Some(group.vpc_id.as_str()) == target.vpc_id))
}

async fn group(waiter: &Waiter<'_>, target: Target<'_>) -> Result<(Option<Group>, BTreeMap<String, Member>), Error> {
    let aws = waiter.aws;
    let id = &target.names.replication_group;
    let Some(group) = waiter.persist(|| aws.group(id)).await? else { return Ok((None, BTreeMap::new())) };
    let (tags, members) =
        tokio::try_join!(waiter.persist(|| aws.cache_tags(&group.arn)), members_of(waiter, target, &group))?;
    Ok((Some(Group { tags, ..group }), members))
}

/// Members of a busy group change under our eyes, and nothing is decided by them before it is available.
async fn members_of(waiter: &Waiter<'_>, target: Target<'_>, group: &Group) -> Result<BTreeMap<String, Member>, Error> {
    let wanted = target.members && group.status == Status::Available;
    let ids: Vec<String> = group.member_ids.iter().filter(|_| wanted).cloned().collect();
    members(waiter, &ids).await
}

/// Members that are cheaper to ask for one by one than to find in the list of all of the account.
const FEW_MEMBERS: usize = 6;

async fn members(waiter: &Waiter<'_>, ids: &[String]) -> Result<BTreeMap<String, Member>, Error> {
    let aws = waiter.aws;
    if ids.len() > FEW_MEMBERS {
        let wanted: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        return waiter.persist(|| aws.members(&wanted)).await;
    }
    let members = try_join_all(ids.iter().map(|id| waiter.persist(|| aws.member(id)))).await?;
    Ok(ids.iter().cloned().zip(members).filter_map(|(id, member)| Some((id, member?))).collect())
}

/// The secret; the inner error says that it may not be looked at.
async fn secret(waiter: &Waiter<'_>, target: Target<'_>, name: &str) -> Result<Result<Option<Secret>, Fault>, Error> {
    let aws = waiter.aws;
    let poll = || aws.secret(name);
    let before = waiter.found().take_secret(name);
    let found = match (before, target.hidden_secret) {
        (Lookup::Found(secret), _) => Ok(Some(secret)),
        (Lookup::Missing, _) => Ok(None),
        // None is missed, so a right that is not there is none that will come.
        (Lookup::NotDone, HiddenSecret::Absent) => waiter.answered(poll, Rights::AsTheyAre).await?,
        (Lookup::NotDone, HiddenSecret::Fails | HiddenSecret::AbsentIfAlone) => {
            waiter.answered(poll, Rights::MayCome).await?
        }
    };
    let mut secret = match found {
        Ok(Some(secret)) => secret,
        Err(fault) if fault.class != Class::Denied => return Err(fault.into()),
        nothing => return Ok(nothing),
    };
    // By its id, so that what is read belongs to the labels that were seen.
    if let Some(current) = secret.current().filter(|_| may_read(target, &secret)) {
        let read = waiter.persist(|| aws.secret_version(&secret.arn, current)).await?;
        secret.read(read);
    }
    Ok(Ok(Some(secret)))
}

fn may_read(target: Target<'_>, secret: &Secret) -> bool {
    let ours = target.owner.owns(&secret.tags) || target.owner.succeeds(&secret.tags);
    target.secret_content && !secret.deleted && ours
}

/// Reads the version that a change of the token under way brings in.
async fn incoming(
    waiter: &Waiter<'_>,
    target: Target<'_>,
    secret: &mut Secret,
    progress: &Progress,
) -> Result<(), Error> {
    let wanted = &progress.version;
    let listed = secret.stages.values().any(|id| id == wanted) && secret.current() != Some(wanted);
    if listed && progress.origin.is_in(&secret.name) && may_read(target, secret) {
        let content = waiter.persist(|| waiter.aws.secret_version(&secret.arn, wanted)).await?;
        secret.incoming = content.and_then(Result::ok).map(|content| (wanted.clone(), content));
    }
    Ok(())
}

/// The token in force, when it is in a secret that we only read and a newer version of that secret may say something else.
/// `transition` names the secret, or did before. A version that cannot be read any more is no error.
pub async fn token_in_force(
    waiter: &Waiter<'_>,
    transition: Transition<'_>,
    observed: &Observed,
    account: &Account,
) -> Result<Option<(InForce, AuthToken)>, Error> {
    let in_force = observed.subnet_group.as_ref().and_then(|group| InForce::read(&group.tags));
    let Some(in_force) = in_force else { return Ok(None) };
    if let Some(Ok(current)) = &account.external_token
        && transition.desired.origin().as_ref() == Some(&in_force.origin)
        && in_force.version.as_ref() == Some(&current.version)
    {
        return Ok(Some((in_force, current.token.clone())));
    }
    let sources = [Some(transition.desired), transition.previous].into_iter().flatten();
    let named = sources.filter(|source| source.origin().as_ref() == Some(&in_force.origin)).find_map(|source| {
        match &source.auth {
            Auth::External { arn, key } => Some((arn.clone(), key.clone())),
            Auth::Open | Auth::Generated { .. } | Auth::Literal(_) | Auth::UserGroup(_) => None,
        }
    });
    let Some((arn, key)) = named else { return Ok(None) };
    let (key, version) = (key.as_deref(), in_force.version.as_deref());
    let read = external_token(waiter, &arn, key, version).await?;
    let read = read.inspect_err(|reason| warn!(reason, "the token in force cannot be read any more"));
    Ok(read.ok().map(|read| (in_force, read.token)))
}

async fn transfer_snapshot(waiter: &Waiter<'_>, name: Option<&str>) -> Result<Option<FoundSnapshot>, Error> {
    let Some(name) = name else { return Ok(None) };
    Ok(match waiter.persist(|| waiter.aws.snapshot(name)).await? {
        Lookup::Found(snapshot) => Some(snapshot),
        Lookup::Missing | Lookup::NotDone => None,
    })
}

/// Looks up what the properties point at, concurrently. What cannot be looked up is not checked, with a log line; only
/// a token that is needed must be readable.
///
/// # Errors
/// There is no time for that token.
pub async fn account(waiter: &Waiter<'_>, references: &References) -> Result<Account, Error> {
    let found = timed(Phase::Observe, Box::pin(referenced(waiter, references))).await?;
    Ok(Account { id: waiter.account.clone(), region: waiter.aws.region().to_owned(), ..found })
}

/// The token in a secret that we only read; the inner error says why there is none.
async fn external_token(
    waiter: &Waiter<'_>,
    arn: &str,
    key: Option<&str>,
    version: Option<&str>,
) -> Result<Result<ExternalToken, String>, Error> {
    match waiter.answered(|| waiter.aws.external_token(arn, key, version), Rights::MayCome).await? {
        Ok(read) => Ok(read),
        Err(fault) if fault.class == Class::Denied => Ok(Err(fault.to_string())),
        Err(fault) => Err(fault.into()),
    }
}

async fn referenced(waiter: &Waiter<'_>, references: &References) -> Result<Account, Error> {
    let aws = waiter.aws;
    let security_groups = references.all_security_groups();
    let external = async {
        match &references.token_secret {
            Some((arn, key)) => external_token(waiter, arn, key.as_deref(), None).await.map(Some),
            None => Ok(None),
        }
    };
    let kind = NodeKind { region: aws.region(), engine: references.engine, node_type: &references.node_type };
    let (subnets, security_groups, external_token, price, offers) = tokio::join!(
        checked(!references.subnet_ids.is_empty(), || aws.subnets(&references.subnet_ids)),
        checked(true, || aws.security_groups_by_id(&security_groups)),
        external,
        checked(references.max_monthly_cost.is_some(), || price_of(aws, kind)),
        Box::pin(offers(aws, references)),
    );
    Ok(Account { subnets, security_groups, external_token: external_token?, price: price.flatten(), ..offers })
}

/// What ElastiCache itself has or offers.
async fn offers(aws: &Aws, references: &References) -> Account {
    let parameter_group = references.parameter_group.as_deref();
    let user_group = references.user_group.as_deref();
    let snapshot = references.snapshot.as_deref();
    let family = references.family().unwrap_or_default();
    let (parameter_group, parameter_rules, user_group, snapshot, engine_versions) = tokio::join!(
        checked(parameter_group.is_some(), || aws.named_parameter_group(parameter_group.unwrap_or_default())),
        checked(!references.parameters.is_empty() && !family.is_empty(), || aws.parameter_rules(&family)),
        checked(user_group.is_some(), || aws.user_group_engine(user_group.unwrap_or_default())),
        checked(snapshot.is_some(), || aws.snapshot(snapshot.unwrap_or_default())),
        checked(references.version.is_some(), || aws.engine_versions(references.engine)),
    );
    Account {
        parameter_group: parameter_group.unwrap_or_default(),
        parameter_rules,
        user_group: user_group.unwrap_or_default(),
        snapshot: snapshot.unwrap_or_default(),
        engine_versions,
        ..Account::default()
    }
}

/// Tries of one lookup that only checks, when AWS answers that it could not now.
const CHECKS: u32 = 4;

/// How long they are begun.
const CHECK_PATIENCE: Duration = Duration::from_secs(3);

/// Longest that a lookup that only checks may hold up the first write.
const CHECK_AT_MOST: Duration = Duration::from_secs(10);

/// A lookup, if it is wanted and possible. One fault that passes must not let through what would be refused.
async fn checked<T, F>(wanted: bool, poll: impl Fn() -> F) -> Option<T>
where
    F: Future<Output = Result<T, Fault>>,
{
    if !wanted {
        return None;
    }
    let found = optional(CHECK_AT_MOST, tried_a_few_times(poll)).await;
    found.inspect_err(|why| warn!(why, "a check before the first write was not possible")).ok()
}

/// What AWS answers one of a few tries in a short time.
async fn tried_a_few_times<T, F>(poll: impl Fn() -> F) -> Result<T, Fault>
where
    F: Future<Output = Result<T, Fault>>,
{
    let began = Instant::now();
    let mut tries = 1;
    loop {
        match poll().await {
            Err(fault) if fault.passes() && tries < CHECKS && began.elapsed() < CHECK_PATIENCE => {
                tokio::time::sleep(retries(CHECK_PATIENCE).pause(tries, fastrand::f64())).await;
                tries += 1;
            }
            result => return result,
        }
    }
}

/// Longest that events may be looked for.
const EVENTS_AT_MOST: Duration = Duration::from_secs(20);

/// The newest events of a group since then, in milliseconds since the epoch; none when they may not be read, because they
/// only explain.
pub async fn events(waiter: &Waiter<'_>, group: &Group, since_epoch_ms: Option<u64>) -> Vec<String> {
    let ask = waiter.inquire(|| waiter.aws.events(group, since_epoch_ms));
    let events = optional(waiter.deadline.at_most(EVENTS_AT_MOST), ask).await;
    events.inspect_err(|why| warn!(why, "the events that would explain this could not be read")).unwrap_or_default()
}

/// Longest that a price may be looked for, all tries and pages together.
const PRICE_AT_MOST: Duration = Duration::from_secs(2);

/// What one node costs: from the built-in table, else from the price list. Not knowing is never a failure.
pub async fn price(aws: &Aws, kind: NodeKind<'_>) -> Option<Price> {
    let price = optional(PRICE_AT_MOST, tried_a_few_times(|| price_of(aws, kind))).await;
    price.inspect_err(|why| info!(why, "the price list could not be read; the cost is not estimated")).ok().flatten()
}

/// The price in the table, else in the price list.
async fn price_of(aws: &Aws, kind: NodeKind<'_>) -> Result<Option<Price>, Fault> {
    match kind.built_in_price() {
        Some(price) => Ok(Some(price)),
        None => Ok(kind.listed_price(&aws.price_documents(kind).await?)),
    }
}
