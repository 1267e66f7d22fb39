//! Settings that AWS changes while the group stays up, and log delivery.

use std::collections::{BTreeMap, BTreeSet};

use super::creation::attached;
use super::parameter_groups;
use super::types::{Pass, Plan};
use crate::desired::Desired;
use crate::domain::window::overlap;
use crate::observed::{Group, Member, pending};
use crate::properties::{ClusterMode, IpDiscovery, NetworkType, Settings};
use crate::step::group::GroupChange;
use crate::step::{Step, modify};

/// Everything that AWS applies while the group stays up.
pub(super) fn steps(pass: &Pass<'_>) -> Vec<Step> {
    let (desired, group) = (pass.desired, pass.group);
    let member = pass.observed.first_member();
    let mut change = GroupChange::of(&group.id, desired.apply_immediately);
    change.description = (desired.description != group.description).then(|| desired.description.clone());
    let shown = pass.observed.settings();
    change.settings = desired.settings.unlike(&shown);
    leave_windows_in_the_way(&desired.settings, &shown, &mut change.settings);
    // With one kind of address there is nothing to choose.
    let default = (desired.network_type == Some(NetworkType::DualStack)).then_some(IpDiscovery::Ipv4);
    change.ip_discovery = desired
        .ip_discovery
        .or(default)
        .map(Into::<&str>::into)
        .filter(|wanted| group.ip_discovery.as_deref().is_some_and(|actual| actual != *wanted));
    change.durability = desired
        .durability
        .clone()
        .filter(|wanted| matches!(wanted.as_str(), "sync" | "async") && group.durability.as_ref() != Some(wanted));
    if change.settings.snapshot_retention_limit.is_some() {
        change.snapshotting_member = snapshotting_member(group);
    }
    if let Some(member) = member {
        member_settings(pass, member, &mut change);
    }
    modify(change)
}

/// With cluster mode off AWS wants to know a live member to take backups from when they are turned on; it must not be member
/// 001 by habit, because that one may be gone.
fn snapshotting_member(group: &Group) -> Option<String> {
    if group.settings.snapshot_retention_limit != Some(0) || group.cluster_mode == ClusterMode::Enabled {
        return None;
    }
    let replica = group.shards.iter().flat_map(|shard| {
        let primary = shard.primary_member.as_ref();
        shard.member_ids.iter().filter(move |member| Some(*member) != primary)
    });
    replica.chain(&group.member_ids).next().cloned()
}

/// Only a window that the template has just ceased to say can be in the way of the other one, which AWS keeps: a warning says
/// so. Another is refused before the first write.
fn leave_windows_in_the_way(desired: &Settings, shown: &Settings, change: &mut Settings) {
    if let (None, Some(kept)) = (&desired.maintenance_window, &shown.maintenance_window) {
        change.snapshot_window.take_if(|wanted| overlap(wanted, kept));
    }
    if let (None, Some(kept)) = (&desired.snapshot_window, &shown.snapshot_window) {
        change.maintenance_window.take_if(|wanted| overlap(kept, wanted));
    }
}

/// Settings that AWS shows on members only.
fn member_settings(pass: &Pass<'_>, member: &Member, change: &mut GroupChange) {
    let desired = pass.desired;
    if let Some(own) = &pass.observed.security_group {
        let wanted = attached(desired, &own.id);
        change.security_groups = (wanted != member.security_groups).then_some(wanted);
    }
    let parameter_group = parameter_groups::parameter_group(desired, pass.observed);
    // AWS takes another cluster flag only in the call that changes the mode, which is always immediate.
    let comes_with_mode = pass.group.cluster_mode != desired.cluster_mode;
    let waits =
        member.pending.contains(pending::ENGINE_VERSION) || is_deferred(pass, &parameter_group) || comes_with_mode;
    change.parameter_group = (parameter_group != member.parameter_group && !waits).then_some(parameter_group);
}

/// Takes back another parameter group that an earlier desired state left for the maintenance window, by asking for this one at the
/// same time. Nothing else goes with it: what is applied immediately would take along what waits.
pub(super) fn take_back(pass: &Pass<'_>) -> Vec<Step> {
    let name = parameter_groups::parameter_group(pass.desired, pass.observed);
    // One with another cluster flag has not been left for the window: it goes with the mode.
    let same_flag = |previous: &&Desired| previous.is_clustered() == pass.desired.is_clustered();
    // One of another family waits only together with a version, which shows.
    let same_family = |previous: &&Desired| previous.family() == pass.desired.family();
    let earlier = pass.previous.filter(|previous| !previous.apply_immediately).filter(same_flag).filter(same_family);
    let other = earlier.is_some_and(|previous| parameter_groups::parameter_group(previous, pass.observed) != name);
    let asked = pass.observed.asked_parameter_group.as_ref() == Some(&name);
    // With a version that waits, AWS would take a group of that version's family only.
    let shows = pass
        .observed
        .first_member()
        .is_some_and(|member| member.parameter_group == name && !member.pending.contains(pending::ENGINE_VERSION));
    let mut change = GroupChange::of(&pass.group.id, false);
    change.parameter_group = (other && shows && !asked).then_some(name);
    modify(change)
}

/// Whether AWS has the parameter group for the maintenance window: by this request, or by an earlier one with the same
/// desired state.
fn is_deferred(pass: &Pass<'_>, name: &str) -> bool {
    let earlier = pass.previous.filter(|previous| !previous.apply_immediately);
    let asked_before =
        earlier.is_some_and(|previous| parameter_groups::parameter_group(previous, pass.observed) == name);
    let asked_now = pass.observed.asked_parameter_group.as_deref() == Some(name);
    !pass.desired.apply_immediately && (asked_before || asked_now)
}

/// Log delivery goes in a call of its own, because AWS wants it applied immediately whatever `ApplyImmediately` says. A
/// log that is no longer wanted is sent as disabled.
pub(super) fn log_delivery(pass: &Pass<'_>) -> Vec<Step> {
    let (wanted, actual) = (&pass.desired.logs, &pass.group.logs);
    // One that does not work is tried again when the template has just brought it, an earlier try having failed.
    let before = |kind: &String| pass.previous.is_none_or(|previous| previous.logs.get(kind) == wanted.get(kind));
    let fails = |kind: &String| {
        pass.group.log_failures.contains_key(kind) && !before(kind) && !pass.observed.asked_logs.contains(kind)
    };
    let set: BTreeMap<_, _> = wanted
        .iter()
        .filter(|(kind, log)| actual.get(*kind) != Some(*log) || fails(kind))
        .map(|(k, log)| (k.clone(), log.clone()))
        .collect();
    let disable: BTreeSet<String> = actual.keys().filter(|kind| !wanted.contains_key(*kind)).cloned().collect();
    if set.is_empty() && disable.is_empty() {
        return Vec::new();
    }
    vec![Step::DeliverLogs { group: pass.group.id.clone(), set, disable }]
}

/// Deliveries that this request asked for, that AWS accepted, and that do not work. One that fails later is a warning.
pub(super) fn failed_logs(pass: &Pass<'_>) -> Option<Plan> {
    let (wanted, group, observed) = (&pass.desired.logs, pass.group, pass.observed);
    let asked = |kind: &String| observed.asked_logs.contains(kind) || observed.is_being_created();
    let failed = group
        .log_failures
        .iter()
        .filter(|(kind, _)| asked(kind) && wanted.contains_key(*kind) && wanted.get(*kind) == group.logs.get(*kind));
    let failed: Vec<(&String, &String)> = failed.collect();
    let deliveries =
        failed.iter().filter_map(|(kind, _)| Some(format!("{kind} to {}", wanted.get(*kind)?.destination)));
    let deliveries: Vec<String> = deliveries.collect();
    let reasons = failed.iter().map(|(kind, message)| format!("{kind}: {message}")).collect();
    (!failed.is_empty()).then(|| Plan::NotAchieved {
        step: format!("deliver logs of {}: {}", group.id, deliveries.join(", ")),
        reasons,
    })
}
