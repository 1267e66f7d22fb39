//! Generations: which group an Update is for, and how one takes over from the other.
//!
//! A change that AWS does not make in place brings a new group under the next name. Two tags on the subnet groups tell
//! the story to whoever comes later: the old generation says by whom it is replaced and for which request, the new one
//! says whom it replaces, until CloudFormation removes the old one. CloudFormation always goes on in one of two ways: it
//! deletes the old generation, or it rolls the Update back, and then the new one returns to the old one.

use super::obstacles::{self, Replacing};
use super::types::{Awaited, Direction, Pass, Plan, Transition, is_stable};
use crate::desired::{Desired, Succession};
use crate::domain::problem::Problem;
use crate::domain::tags::{TAG_REPLACED_BY, TAG_REPLACES, Tags};
use crate::observed::{Group, Observed, Status};
use crate::properties::{ClusterMode, ReplacementPolicy};
use crate::step::{SnapshotSource, Step, TagTarget};

/// Which generation the desired state is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The one that stands under the physical id.
    Same,
    /// A new one, because of these changes.
    Next(Vec<Replacing>),
}

/// Which generation the desired state is for.
///
/// # Errors
/// None does, or the template does not allow a new one.
pub fn generation(transition: Transition<'_>, observed: &Observed) -> Result<Generation, Vec<Problem>> {
    let obstacles = obstacles::obstacles(transition, observed);
    if obstacles.is_none() {
        return Ok(Generation::Same);
    }
    // What only the standing group refuses does not matter to a new one.
    if obstacles.replacing.is_empty() || transition.desired.replacement_policy == ReplacementPolicy::Refuse {
        return Err(obstacles.refused());
    }
    let drifted: Vec<Problem> = obstacles.replacing.iter().filter_map(Replacing::drifted).collect();
    if !drifted.is_empty() {
        return Err(drifted);
    }
    let was_empty = transition.previous.is_none_or(|previous| previous.replacement_policy == ReplacementPolicy::Empty);
    let loses_data: fn(&Replacing) -> Option<Problem> = match transition.desired.replacement_policy {
        ReplacementPolicy::Snapshot => Replacing::without_data,
        ReplacementPolicy::Empty if was_empty && transition.direction == Direction::Unknown => {
            Replacing::maybe_rollback
        }
        ReplacementPolicy::Empty | ReplacementPolicy::Refuse => |_| None,
    };
    let stays_behind: Vec<Problem> = obstacles.replacing.iter().filter_map(loses_data).collect();
    if !stays_behind.is_empty() {
        return Err(stays_behind);
    }
    if let Some(problem) = unclear_snapshot(transition.desired, observed) {
        return Err(vec![problem]);
    }
    Ok(Generation::Next(obstacles.replacing))
}

/// Nothing public says what AWS takes a snapshot of while cluster mode is compatible: the group or a member.
fn unclear_snapshot(desired: &Desired, observed: &Observed) -> Option<Problem> {
    let mode = observed.group.as_ref().map(|group| group.cluster_mode);
    if desired.replacement_policy != ReplacementPolicy::Snapshot || mode != Some(ClusterMode::Compatible) {
        return None;
    }
    let rule =
        "takes a snapshot, and the cluster mode of the group is compatible, in which it is not known how AWS takes one";
    let fix = "set ClusterMode to disabled or enabled first, in an update of its own";
    Some(Problem::new("ReplacementPolicy", rule, fix).with_value("Snapshot"))
}

/// Whether it can be told already which generation the desired state is for: what only members tell is not known while the group
/// changes.
#[must_use]
pub fn is_decided(transition: Transition<'_>, observed: &Observed) -> bool {
    observed.group.as_ref().is_none_or(|group| is_final(&group.status))
        // What a rollback leaves as it is can be told only at rest.
        || (transition.direction != Direction::Rollback && !obstacles::obstacles(transition, observed).is_none())
}

/// Whether the group is in a state that does not pass by itself, or is going.
#[must_use]
pub fn is_final(status: &Status) -> bool {
    matches!(status, Status::Available | Status::CreateFailed | Status::Deleting)
}

/// Whether nothing is under way at the group.
#[must_use]
pub fn is_at_rest(observed: &Observed) -> bool {
    observed.group.as_ref().is_none_or(|group| is_stable(group, true)) && observed.busy_member().is_none()
}

/// The generation whose place the standing one took, if CloudFormation has not removed it yet.
#[must_use]
pub fn previous_generation(observed: &Observed) -> Option<&str> {
    observed.replaces()
}

/// Whether the desired state takes a replacement back: the standing group cannot become what is wanted, or the one before could
/// not become what was wanted until now. The second matters where AWS makes a change in one direction only: the way
/// back would be possible in place, on the group without the data.
#[must_use]
pub fn undoes_replacement(transition: Transition<'_>, standing: &Observed, before: &Observed) -> bool {
    let replacing = |transition, observed| !obstacles::obstacles(transition, observed).replacing.is_empty();
    let there = |earlier| Transition { previous: Some(transition.desired), ..Transition::new(earlier) };
    replacing(transition, standing) || transition.previous.is_some_and(|earlier| replacing(there(earlier), before))
}

/// The return to an earlier generation, refused because its data is old and nobody may want it back.
#[must_use]
pub fn unclear_return(before: &str) -> Problem {
    let rule = "still stands and is as the template says now, and CloudFormation does not say whether it rolls back, which \
                would return to it and to its data";
    let fix = "allow cloudformation:DescribeStacks in the function's role and try again, or delete that cluster";
    Problem::new("ReplicationGroupId", rule, fix).with_value(before)
}

/// Whether a generation stands and is as wanted, but for what changes in place.
#[must_use]
pub fn fits(transition: Transition<'_>, observed: &Observed) -> bool {
    stands(transition, observed) && obstacles::obstacles(transition, observed).is_none()
}

/// Whether a generation stands and is ours.
#[must_use]
pub fn stands(transition: Transition<'_>, observed: &Observed) -> bool {
    let stands = |status: &Status| !matches!(status, Status::Deleting | Status::CreateFailed);
    observed.group.as_ref().is_some_and(|group| stands(&group.status)) && observed.owns_group(&transition.desired.owner)
}

/// The generation has replaced the one before for good.
#[must_use]
pub fn has_replaced(observed: &Observed) -> Vec<Step> {
    without_tag(observed, TAG_REPLACES)
}

/// Whether what is there of a generation never became a finished resource.
#[must_use]
pub fn is_unfinished(observed: &Observed) -> bool {
    observed.subnet_group.is_none() || observed.is_being_created()
}

/// What the old generation needs before the new one is made: to say so, and a snapshot if the data comes along. Nothing
/// about the group itself changes.
#[must_use]
pub fn successor(old: &Observed, succession: &Succession, transfer_snapshot: Option<(&str, &Tags)>) -> Plan {
    let announced = Some(succession.to_string());
    if let Some(subnet_group) = old.subnet_group.as_ref().filter(|_| old.succession_tag() != announced.as_deref()) {
        let tags = Tags::from([(TAG_REPLACED_BY.to_owned(), succession.to_string())]);
        return Plan::Act(vec![Step::Tag { target: TagTarget::ElastiCache(subnet_group.arn.clone()), tags }]);
    }
    let Some((name, tags)) = transfer_snapshot else { return Plan::Done };
    let Some(group) = &old.group else { return Plan::Done };
    match old.transfer_snapshot.as_ref().map(|snapshot| &snapshot.status) {
        Some(Status::Available) => Plan::Done,
        Some(_) => Plan::Wait(Awaited::SnapshotAvailable(name.to_owned())),
        None if !is_stable(group, true) => Plan::Wait(Awaited::GroupStable { pending_counts: true }),
        None => {
            let of = snapshot_source(group);
            Plan::Act(vec![Step::CreateSnapshot { name: name.to_owned(), of, tags: tags.clone() }])
        }
    }
}

/// What a snapshot of the whole group is taken of: without shards the primary, where no write is missing, because AWS takes
/// the group's id only with shards.
pub(super) fn snapshot_source(group: &Group) -> SnapshotSource {
    let member =
        group.shards.iter().find_map(|shard| shard.primary_member.as_ref().or_else(|| shard.member_ids.first()));
    match member.filter(|_| group.cluster_mode != ClusterMode::Enabled) {
        Some(member) => SnapshotSource::Member(member.clone()),
        None => SnapshotSource::Group(group.id.clone()),
    }
}

/// The generation is not replaced any more: the Update that was to do so has failed or is rolled back.
#[must_use]
pub fn not_replaced(observed: &Observed) -> Vec<Step> {
    without_tag(observed, TAG_REPLACED_BY)
}

fn without_tag(observed: &Observed, key: &str) -> Vec<Step> {
    let tagged = observed.subnet_group.as_ref().filter(|group| group.tags.contains_key(key));
    let target = tagged.map(|group| TagTarget::ElastiCache(group.arn.clone()));
    target.map(|target| Step::Untag { target, keys: [key.to_owned()].into() }).into_iter().collect()
}

/// The snapshot that the data came from goes when the new group stands.
pub(super) fn transfer_snapshot_used(pass: &Pass<'_>) -> Vec<Step> {
    pass.desired
        .transfer_snapshot
        .as_ref()
        .map(|name| transfer_snapshot_unused(pass.observed, name))
        .unwrap_or_default()
}

/// The snapshot goes, unless it does already.
#[must_use]
pub fn transfer_snapshot_unused(observed: &Observed, name: &str) -> Vec<Step> {
    let there = observed.transfer_snapshot.as_ref().is_some_and(|snapshot| snapshot.status != Status::Deleting);
    if there { vec![Step::DeleteSnapshot { name: name.to_owned() }] } else { Vec::new() }
}
