//! Failover, shards and replicas.

use std::collections::BTreeMap;

use super::types::{Direction, Pass};
use crate::desired::{Desired, Topology};
use crate::observed::Group;
use crate::properties::CountPolicy;
use crate::step::group::{GroupChange, Replicas};
use crate::step::{Step, modify};

/// Multi-AZ and failover go off before nodes go, because AWS refuses to shrink below what they need.
pub(super) fn failover_off(pass: &Pass<'_>) -> Vec<Step> {
    let (desired, group) = (pass.desired, pass.group);
    let mut change = GroupChange::of(&group.id, true);
    change.automatic_failover = (!desired.automatic_failover && group.automatic_failover).then_some(false);
    change.multi_az = (!desired.multi_az && group.multi_az).then_some(false);
    modify(change)
}

/// Failover and Multi-AZ come on when the nodes that they need are there.
pub(super) fn failover_on(pass: &Pass<'_>) -> Vec<Step> {
    let (desired, group) = (pass.desired, pass.group);
    let mut change = GroupChange::of(&group.id, true);
    change.automatic_failover = (desired.automatic_failover && !group.automatic_failover).then_some(true);
    change.multi_az = (desired.multi_az && !group.multi_az).then_some(true);
    modify(change)
}

/// Shards are added with room made before. Applied away are those that the layout does not name, from the highest id
/// down; which ones is read from a fresh observation.
pub(super) fn shards(pass: &Pass<'_>) -> Vec<Step> {
    let Topology::Sharded { shards, layout, .. } = &pass.desired.topology else { return Vec::new() };
    let actual = pass.group.shards.len();
    let wanted = usize::try_from(*shards).unwrap_or_default();
    let asked_for = |previous: &Desired| usize::try_from(previous.topology.shards()).is_ok_and(|asked| actual <= asked);
    let stay = wanted < actual && more_stay(pass, asked_for);
    if wanted == actual || stay || !pass.group.cluster_enabled {
        return Vec::new();
    }
    let mut ids: Vec<String> = pass.group.shards.iter().map(|shard| shard.id.clone()).collect();
    let is_named = |id: &String| layout.iter().any(|item| item.node_group_id.as_ref() == Some(id));
    ids.sort_by_cached_key(|id| (!is_named(id), id.clone()));
    let mut remove = ids.split_off(wanted.min(ids.len()));
    remove.sort();
    vec![Step::ChangeShards { group: pass.group.id.clone(), shards: *shards, remove }]
}

/// Nodes are added before failover is turned on, which needs them.
pub(super) fn more_replicas(pass: &Pass<'_>) -> Vec<Step> {
    let grow = replica_changes(pass.desired, pass.group, |wanted, actual| wanted > actual);
    grow.map(|replicas| Step::IncreaseReplicas { group: pass.group.id.clone(), replicas }).into_iter().collect()
}

/// Nodes go last. AWS chooses which, and keeps the primary.
pub(super) fn fewer_replicas(pass: &Pass<'_>) -> Vec<Step> {
    let group = pass.group;
    let asked_for = |previous: &Desired| {
        let asked = wanted_replicas(previous, group);
        group.replicas_per_shard().iter().all(|(shard, actual)| asked.get(shard).is_some_and(|asked| actual <= asked))
    };
    if more_stay(pass, asked_for) {
        return Vec::new();
    }
    let shrink = replica_changes(pass.desired, group, |wanted, actual| wanted < actual);
    shrink.map(|replicas| Step::DecreaseReplicas { group: group.id.clone(), replicas }).into_iter().collect()
}

/// Whether there are to be more or fewer nodes.
pub(super) fn changes_count(desired: &Desired, group: &Group) -> bool {
    let counts = match desired.count_policy {
        CountPolicy::Minimum => |wanted, actual| wanted > actual,
        CountPolicy::Exact => |wanted, actual| wanted != actual,
    };
    replica_changes(desired, group, counts).is_some()
}

/// Whether what is there beyond the template's numbers is left alone. What an Update that failed has added goes with its
/// rollback all the same: `asked_for` says whether a desired state asked for all that is there.
fn more_stay(pass: &Pass<'_>, asked_for: impl Fn(&Desired) -> bool) -> bool {
    let undone = pass.direction == Direction::Rollback && pass.previous.is_some_and(asked_for);
    pass.desired.count_policy == CountPolicy::Minimum && !undone
}

/// The changes of replica counts for which `counts` says that they are meant.
fn replica_changes(desired: &Desired, group: &Group, counts: fn(i32, i32) -> bool) -> Option<Replicas> {
    let wanted = wanted_replicas(desired, group);
    let changes: BTreeMap<String, i32> = group
        .replicas_per_shard()
        .into_iter()
        .filter_map(|(shard, actual)| {
            let wanted = *wanted.get(&shard)?;
            counts(wanted, actual).then_some((shard, wanted))
        })
        .collect();
    let first = *changes.values().next()?;
    let alike = changes.len() == group.shards.len() && changes.values().all(|count| *count == first);
    Some(if alike { Replicas::Every(first) } else { Replicas::ByShard(changes) })
}

/// Wanted replicas by shard id. A layout names its shards by id or by position; a shard that it does not name keeps what
/// it has.
fn wanted_replicas(desired: &Desired, group: &Group) -> BTreeMap<String, i32> {
    let mut shards = group.replicas_per_shard();
    shards.sort();
    let count = |index: usize, id: &str, actual: i32| match &desired.topology {
        Topology::Single { nodes } => nodes - 1,
        Topology::Sharded { replicas, layout, .. } if layout.is_empty() => *replicas,
        Topology::Sharded { replicas, layout, .. } => layout
            .iter()
            .find(|item| item.node_group_id.as_deref() == Some(id))
            .or_else(|| layout.get(index).filter(|item| item.node_group_id.is_none()))
            .map_or(actual, |item| item.replica_count.unwrap_or(*replicas)),
    };
    let wanted = |(index, (id, actual)): (usize, (String, i32))| {
        let wanted = count(index, &id, actual);
        (id, wanted)
    };
    shards.into_iter().enumerate().map(wanted).collect()
}
