//! The next steps towards a group that is as wanted, and their order. Pure.

use super::types::{Awaited, Direction, Pass, Plan, Transition, is_stable};
use super::{
    alarms, cluster_mode, creation, dependencies, engine_version, generation, irreversible, nodes, obstacles, settings,
    tag_changes, teardown, transit,
};
use crate::auth;
use crate::observed::{Account, Observed, Status};
use crate::step::Step;

/// The phases of an update in their order. Each runs only when the group and all its members are available with nothing
/// pending, and when every earlier one has nothing left to do.
const PHASES: &[fn(&Pass<'_>) -> Vec<Step>] = &[
    tag_changes::steps,
    // Before anything is applied immediately.
    settings::take_back,
    // AWS changes neither failover, version, node type nor the number of nodes while cluster mode is compatible.
    cluster_mode::leave_compatible,
    // Failover and Multi-AZ go off before nodes go, because AWS refuses to shrink below what they need.
    nodes::failover_off,
    engine_version::waiting_node_type,
    engine_version::version,
    // More memory comes before anything that may need it.
    engine_version::node_type_up,
    cluster_mode::enable,
    nodes::shards,
    nodes::more_replicas,
    settings::steps,
    engine_version::node_type_down,
    // TLS cannot change while a token or user group is in place.
    auth::change::leave,
    transit::steps,
    auth::change::steps,
    settings::log_delivery,
    nodes::failover_on,
    nodes::fewer_replicas,
    cluster_mode::enter_compatible,
    // The nodes are those that stay.
    alarms::steps,
    dependencies::clean_up,
    generation::transfer_snapshot_used,
    irreversible::note,
    dependencies::created,
];

/// The next steps towards a group that is as wanted.
#[must_use]
pub fn next_steps(transition: Transition<'_>, observed: &Observed, account: &Account) -> Plan {
    let desired = transition.desired;
    let unowned = obstacles::unowned(desired, observed);
    if !unowned.is_empty() {
        return Plan::Refuse(unowned);
    }
    // Only a Create may find what nobody has been told of: an Update changes what stands.
    let is_left_behind = transition.previous.is_none() && observed.is_left_behind();
    match observed.group.as_ref().map(|group| &group.status) {
        Some(Status::Deleting) => return Plan::Wait(Awaited::GroupGone),
        Some(Status::CreateFailed) if is_left_behind => return teardown::left_behind(observed),
        Some(Status::CreateFailed) => return Plan::CreateFailed,
        _ => {}
    }
    let impossible = obstacles::obstacles(transition, observed).refused();
    if is_left_behind && (!impossible.is_empty() || desired.counts_at_creation()) {
        return teardown::left_behind(observed);
    }
    if !impossible.is_empty() {
        return Plan::Refuse(impossible);
    }
    let around = dependencies::steps(transition, observed, account);
    if !around.is_empty() {
        return Plan::Act(around);
    }
    let mut steps = dependencies::ingress(desired, observed, account);
    let Some(group) = &observed.group else {
        steps.extend(creation::group(transition, observed, account));
        return Plan::Act(steps);
    };
    if !steps.is_empty() {
        return Plan::Act(steps);
    }
    if !is_stable(group, desired.apply_immediately) {
        return Plan::Wait(Awaited::GroupStable { pending_counts: desired.apply_immediately });
    }
    if let Some((id, _)) = observed.busy_member() {
        return Plan::Wait(Awaited::MemberAvailable(id.clone()));
    }
    let Transition { previous, direction, .. } = transition;
    let pass = Pass { desired, previous, group, observed, account, direction };
    // A destination of before may have gone meanwhile; a warning tells.
    if transition.direction != Direction::Rollback
        && let Some(failed) = settings::failed_logs(&pass)
    {
        return failed;
    }
    let next = PHASES.iter().map(|phase| phase(&pass)).find(|steps| !steps.is_empty());
    next.map_or(Plan::Done, Plan::Act)
}
