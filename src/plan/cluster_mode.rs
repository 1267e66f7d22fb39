//! From cluster mode disabled over compatible to enabled, and from compatible back.

use super::parameter_groups;
use super::types::Pass;
use crate::properties::ClusterMode;
use crate::step::group::{GroupChange, Replicas};
use crate::step::{Step, modify};

/// The move out of compatible, in which AWS makes no other change.
pub(super) fn leave_compatible(pass: &Pass<'_>) -> Vec<Step> {
    if pass.group.cluster_mode == ClusterMode::Compatible { steps(pass) } else { Vec::new() }
}

/// The way on to enabled, before shards are added.
pub(super) fn enable(pass: &Pass<'_>) -> Vec<Step> {
    if pass.desired.cluster_mode == ClusterMode::Enabled { steps(pass) } else { Vec::new() }
}

/// The move to compatible, after all that AWS refuses from then on.
pub(super) fn enter_compatible(pass: &Pass<'_>) -> Vec<Step> {
    if pass.desired.cluster_mode == ClusterMode::Compatible { steps(pass) } else { Vec::new() }
}

/// The next move. Each needs what the guide lists for it: a replica, automatic failover, and then the mode together with a
/// parameter group that has its cluster flag, one move at a time. AWS refuses to jump from disabled to enabled, and nothing
/// but the parameter group may go with the mode.
fn steps(pass: &Pass<'_>) -> Vec<Step> {
    let group = pass.group;
    let mode = match (group.cluster_mode, pass.desired.cluster_mode) {
        (ClusterMode::Disabled, ClusterMode::Compatible | ClusterMode::Enabled) => {
            if group.member_ids.len() < 2 {
                return vec![Step::IncreaseReplicas { group: group.id.clone(), replicas: Replicas::Every(1) }];
            }
            if !group.automatic_failover {
                let change = GroupChange::of(&group.id, true);
                return modify(GroupChange { automatic_failover: Some(true), ..change });
            }
            ClusterMode::Compatible
        }
        (ClusterMode::Compatible, ClusterMode::Enabled) => ClusterMode::Enabled,
        (ClusterMode::Compatible, ClusterMode::Disabled) => ClusterMode::Disabled,
        // Enabled stays enabled for ever; `replacement` says so.
        (ClusterMode::Enabled, _)
        | (ClusterMode::Compatible, ClusterMode::Compatible)
        | (ClusterMode::Disabled, ClusterMode::Disabled) => return Vec::new(),
    };
    let parameter_group = parameter_groups::for_mode(pass, mode);
    let change = GroupChange::of(&group.id, true);
    modify(GroupChange { cluster_mode: Some(mode.into()), parameter_group, ..change })
}
