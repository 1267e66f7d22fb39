//! Engine version and node type.

use super::parameter_groups;
use super::types::Pass;
use crate::desired::Desired;
use crate::observed::{Member, Observed, pending};
use crate::step::group::GroupChange;
use crate::step::{Step, modify};

/// A new version, or redis to valkey, together with the parameter group of the new family. With `ApplyImmediately`
/// off the change waits for the maintenance window, and what is pending is not asked for again.
pub(super) fn version(pass: &Pass<'_>) -> Vec<Step> {
    let (desired, group) = (pass.desired, pass.group);
    let Some(member) = pass.observed.first_member().filter(|member| is_to_upgrade(desired, member)) else {
        return Vec::new();
    };
    let mut change = GroupChange::of(&group.id, desired.apply_immediately);
    change.engine = (member.engine != Some(desired.engine)).then(|| desired.engine.to_string());
    change.version = Some(desired.version.to_string());
    let family_changes = member.family() != Some(desired.family());
    change.parameter_group = family_changes.then(|| parameter_groups::for_upgrade(pass));
    modify(change)
}

/// Whether the engine of the group has to be changed by a call.
pub(super) fn is_to_upgrade(desired: &Desired, member: &Member) -> bool {
    let waits = !desired.apply_immediately && member.pending.contains(pending::ENGINE_VERSION);
    member.is_to_become(desired) && !waits
}

/// Whether another node type waits for the maintenance window. Until then AWS upgrades no engine.
pub(super) fn node_type_waits(observed: &Observed) -> bool {
    observed.members.values().any(|member| member.pending.contains(pending::NODE_TYPE))
}

/// A node type that waits comes first when nothing is to wait any more.
pub(super) fn waiting_node_type(pass: &Pass<'_>) -> Vec<Step> {
    let (desired, group) = (pass.desired, pass.group);
    if !desired.apply_immediately || desired.node_type == group.node_type || !node_type_waits(pass.observed) {
        return Vec::new();
    }
    let mut change = GroupChange::of(&group.id, true);
    change.node_type = Some(desired.node_type.clone());
    modify(change)
}

/// More memory comes before anything that may need it.
pub(super) fn node_type_up(pass: &Pass<'_>) -> Vec<Step> {
    node_type(pass, true)
}

/// Less memory comes after everything else has changed.
pub(super) fn node_type_down(pass: &Pass<'_>) -> Vec<Step> {
    node_type(pass, false)
}

fn node_type(pass: &Pass<'_>, up: bool) -> Vec<Step> {
    let (desired, group) = (pass.desired, pass.group);
    let waits = !desired.apply_immediately && node_type_waits(pass.observed);
    let first = size_rank(&desired.node_type) >= size_rank(&group.node_type);
    if desired.node_type == group.node_type || waits || first != up {
        return Vec::new();
    }
    let mut change = GroupChange::of(&group.id, desired.apply_immediately);
    change.node_type = Some(desired.node_type.clone());
    modify(change)
}

/// Orders the sizes of one family: micro, small, medium, large, xlarge, 2xlarge, ... Between families this is a guess
/// that decides only the order of steps.
fn size_rank(node_type: &str) -> u32 {
    let size = node_type.rsplit('.').next().unwrap_or_default();
    match size {
        "micro" => 1,
        "small" => 2,
        "medium" => 3,
        "large" => 4,
        "xlarge" => 5,
        other => other.strip_suffix("xlarge").and_then(|n| n.parse::<u32>().ok()).map_or(4, |n| 4 + n),
    }
}
