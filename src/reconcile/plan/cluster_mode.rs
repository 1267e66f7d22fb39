//! From cluster mode disabled over compatible to enabled, and from compatible back.

use super::Pass;
use super::nodes::failover_is_on;
use super::step::{Step, modify};
use crate::group_request::{GroupChange, Replicas};
use crate::observed::Group;
use crate::properties::ClusterMode;

/// What the group is now; older answers only say whether it is sharded.
pub(super) fn actual(group: &Group) -> ClusterMode {
    match (group.cluster_mode.as_str(), group.cluster_enabled) {
        ("compatible", _) => ClusterMode::Compatible,
        ("enabled", _) | ("", true) => ClusterMode::Enabled,
        _ => ClusterMode::Disabled,
    }
}

/// The move out of compatible, in which AWS makes no other change.
pub(super) fn leave_compatible(pass: &Pass<'_>) -> Vec<Step> {
    if actual(pass.group) == ClusterMode::Compatible { steps(pass) } else { Vec::new() }
}

/// The way on to enabled, before shards are added.
pub(super) fn enable(pass: &Pass<'_>) -> Vec<Step> {
    if pass.desired.cluster_mode == ClusterMode::Enabled { steps(pass) } else { Vec::new() }
}

/// The move to compatible, after all that AWS refuses from then on.
pub(super) fn enter_compatible(pass: &Pass<'_>) -> Vec<Step> {
    if pass.desired.cluster_mode == ClusterMode::Compatible { steps(pass) } else { Vec::new() }
}

/// The next move. Each needs what the guide lists for it: a replica, automatic failover, a parameter group with the cluster
/// flag, and only then the mode, one step at a time; AWS refuses to jump from disabled to enabled.
fn steps(pass: &Pass<'_>) -> Vec<Step> {
    let group = pass.group;
    let mut change = GroupChange::of(&group.id, true);
    match (actual(group), pass.desired.cluster_mode) {
        (ClusterMode::Disabled, ClusterMode::Compatible | ClusterMode::Enabled) => {
            if group.member_ids.len() < 2 {
                return vec![Step::IncreaseReplicas { group: group.id.clone(), replicas: Replicas::Every(1) }];
            }
            let parameter_group = pass.desired.parameter_group_name();
            if !failover_is_on(group) {
                change.automatic_failover = Some(true);
            } else if pass.observed.first_member().is_some_and(|member| member.parameter_group != parameter_group) {
                change.parameter_group = Some(parameter_group);
            } else {
                change.cluster_mode = Some(ClusterMode::Compatible.as_str());
            }
        }
        (ClusterMode::Compatible, ClusterMode::Enabled) => change.cluster_mode = Some(ClusterMode::Enabled.as_str()),
        (ClusterMode::Compatible, ClusterMode::Disabled) => change.cluster_mode = Some(ClusterMode::Disabled.as_str()),
        // Enabled stays enabled for ever; `replacement` says so.
        (ClusterMode::Enabled, _)
        | (ClusterMode::Compatible, ClusterMode::Compatible)
        | (ClusterMode::Disabled, ClusterMode::Disabled) => {}
    }
    modify(change)
}
