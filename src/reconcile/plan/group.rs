//! The replication group itself: one function per phase of an update, in the order in which they run.

use std::collections::BTreeSet;

use super::Wish;
use super::step::Step;
use crate::desired::{Auth, Desired, Tls, Topology};
use crate::engine::Version;
use crate::group_request::{GroupChange, NewGroup};
use crate::observed::{Account, Group, Member, Observed};
use crate::properties::{ClusterMode, IpDiscovery, NetworkType};
use crate::secret::{AuthToken, SecretContent};

/// The call that makes the group; `None` while something it needs is not there yet.
pub(super) fn create(desired: &Desired, observed: &Observed, account: &Account) -> Option<Step> {
    let security_group = observed.security_group.as_ref()?;
    let auth_token: Option<AuthToken> = match &desired.auth {
        Auth::Generated { .. } | Auth::Literal(_) => {
            Some(observed.secret.as_ref().and_then(|secret| secret.content.as_ref()).map(SecretContent::token)?)
        }
        Auth::Foreign { .. } => Some(account.foreign_token.as_ref()?.as_ref().ok()?.clone()),
        Auth::Open | Auth::UserGroup(_) => None,
    };
    Some(Step::CreateGroup(Box::new(NewGroup {
        id: desired.names.replication_group.clone(),
        description: desired.description.clone(),
        engine: desired.engine.to_string(),
        version: desired.version.to_string(),
        node_type: desired.node_type.clone(),
        topology: desired.topology.clone(),
        cluster_mode: (desired.cluster_mode != ClusterMode::Disabled).then(|| desired.cluster_mode.as_str()),
        automatic_failover: desired.automatic_failover,
        multi_az: desired.multi_az,
        preferred_zones: desired.preferred_zones.clone(),
        port: desired.port,
        parameter_group: desired.parameter_group_name(),
        subnet_group: desired.names.subnet_group(),
        security_groups: attached(desired, &security_group.id),
        network_type: desired.network_type.map(NetworkType::as_str),
        ip_discovery: desired.ip_discovery.map(IpDiscovery::as_str),
        at_rest_encryption: desired.at_rest_encryption,
        kms_key_id: desired.kms_key_id.clone(),
        transit_encryption: desired.tls != Tls::Off,
        transit_encryption_mode: (desired.tls == Tls::Preferred).then_some("preferred"),
        auth_token,
        user_group: match &desired.auth {
            Auth::UserGroup(id) => Some(id.clone()),
            Auth::Open | Auth::Generated { .. } | Auth::Literal(_) | Auth::Foreign { .. } => None,
        },
        snapshot_retention: desired.snapshot_retention,
        snapshot_window: desired.snapshot_window.clone(),
        restore: desired.restore.clone(),
        maintenance_window: desired.maintenance_window.clone(),
        auto_minor_version_upgrade: desired.auto_minor_version_upgrade,
        notification_topic: desired.notification_topic.clone(),
        logs: desired.logs.clone(),
        data_tiering: desired.data_tiering,
        durability: desired.durability.clone(),
        tags: desired.tags.clone(),
    })))
}

/// Security groups of the nodes: ours and those that the template adds.
fn attached(desired: &Desired, own: &str) -> BTreeSet<String> {
    desired.extra_security_groups.iter().cloned().chain([own.to_owned()]).collect()
}

fn modify(change: GroupChange) -> Vec<Step> {
    if change.is_empty() { Vec::new() } else { vec![Step::ModifyGroup(Box::new(change))] }
}

fn failover_is_on(group: &Group) -> bool {
    matches!(group.automatic_failover.as_str(), "enabled" | "enabling")
}

/// Multi-AZ and failover go off before nodes go, because AWS refuses to shrink below what they need.
pub(super) fn failover_off(wish: Wish<'_>, group: &Group, _: &Observed) -> Vec<Step> {
    let desired = wish.desired;
    let mut change = GroupChange::of(&group.id, true);
    change.automatic_failover = (!desired.automatic_failover && failover_is_on(group)).then_some(false);
    change.multi_az = (!desired.multi_az && group.multi_az).then_some(false);
    modify(change)
}

/// A new version, or redis to valkey, together with the parameter group of the new family. With `ApplyImmediately`
/// off the change waits for the maintenance window, and what is pending is not asked for again.
pub(super) fn engine_version(wish: Wish<'_>, group: &Group, observed: &Observed) -> Vec<Step> {
    let desired = wish.desired;
    let Some(member) = observed.first_member() else { return Vec::new() };
    let (Some(engine), Some(version)) = (member.engine, member.version.as_ref()) else { return Vec::new() };
    let engine_changes = engine != desired.engine;
    let version_rises = !version.matches(&desired.version) && (engine_changes || is_newer(&desired.version, version));
    if !(engine_changes || version_rises) || member.pending.contains("EngineVersion") {
        return Vec::new();
    }
    let mut change = GroupChange::of(&group.id, desired.apply_immediately);
    change.engine = engine_changes.then(|| desired.engine.to_string());
    change.version = Some(desired.version.to_string());
    let family_changes = version.family(engine) != desired.family();
    change.parameter_group = family_changes.then(|| desired.parameter_group_name());
    modify(change)
}

/// Whether `wanted` is a later version than `actual`, as far as `wanted` says.
fn is_newer(wanted: &Version, actual: &Version) -> bool {
    (wanted.major, wanted.minor, wanted.patch) > (actual.major, actual.minor, wanted.patch.and(actual.patch))
}

/// More memory comes before anything that may need it.
pub(super) fn node_type_up(wish: Wish<'_>, group: &Group, observed: &Observed) -> Vec<Step> {
    node_type(wish, group, observed, true)
}

/// Less memory comes after everything else has changed.
pub(super) fn node_type_down(wish: Wish<'_>, group: &Group, observed: &Observed) -> Vec<Step> {
    node_type(wish, group, observed, false)
}

fn node_type(wish: Wish<'_>, group: &Group, observed: &Observed, up: bool) -> Vec<Step> {
    let desired = wish.desired;
    let pending = observed.members.values().any(|member| member.pending.contains("CacheNodeType"));
    let grows = size_rank(&desired.node_type) >= size_rank(&group.node_type);
    if desired.node_type == group.node_type || pending || grows != up {
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

/// Nodes are added before failover is turned on, which needs them.
pub(super) fn more_replicas(wish: Wish<'_>, group: &Group, _: &Observed) -> Vec<Step> {
    let Some((wanted, actual)) = replicas(wish.desired, group) else { return Vec::new() };
    if wanted <= actual {
        return Vec::new();
    }
    vec![Step::IncreaseReplicas { group: group.id.clone(), replicas: wanted }]
}

/// Nodes go last. The primary is never among them: AWS picks the nodes to remove unless told, and with failover off it
/// refuses to remove a primary.
pub(super) fn fewer_replicas(wish: Wish<'_>, group: &Group, _: &Observed) -> Vec<Step> {
    let Some((wanted, actual)) = replicas(wish.desired, group) else { return Vec::new() };
    if wanted >= actual {
        return Vec::new();
    }
    let shard = group.shards.first();
    let primary = shard.and_then(|shard| shard.primary_member.as_ref());
    let mut candidates: Vec<&String> =
        shard.iter().flat_map(|shard| &shard.member_ids).filter(|member| Some(*member) != primary).collect();
    candidates.sort();
    let surplus = usize::try_from(actual - wanted).unwrap_or_default();
    let remove = candidates.into_iter().rev().take(surplus).cloned().collect();
    vec![Step::DecreaseReplicas { group: group.id.clone(), replicas: wanted, remove }]
}

/// Wanted and actual number of replicas, with cluster mode off.
fn replicas(desired: &Desired, group: &Group) -> Option<(i32, i32)> {
    let Topology::Single { nodes } = desired.topology else { return None };
    let actual = i32::try_from(group.member_ids.len()).ok()?;
    Some((nodes - 1, actual - 1))
}

/// Everything that AWS applies while the group stays up.
pub(super) fn settings(wish: Wish<'_>, group: &Group, observed: &Observed) -> Vec<Step> {
    let desired = wish.desired;
    let member = observed.first_member();
    let mut change = GroupChange::of(&group.id, desired.apply_immediately);
    change.description = (desired.description != group.description).then(|| desired.description.clone());
    change.auto_minor_version_upgrade = (group.auto_minor_version_upgrade == Some(!desired.auto_minor_version_upgrade))
        .then_some(desired.auto_minor_version_upgrade);
    change.ip_discovery = desired
        .ip_discovery
        .map(IpDiscovery::as_str)
        .filter(|wanted| group.ip_discovery.as_deref().is_some_and(|actual| actual != *wanted));
    snapshots(desired, group, &mut change);
    if let Some(member) = member {
        member_settings(desired, observed, member, &mut change);
    }
    modify(change)
}

fn snapshots(desired: &Desired, group: &Group, change: &mut GroupChange) {
    if desired.snapshot_retention != group.snapshot_retention {
        change.snapshot_retention = Some(desired.snapshot_retention);
        // With cluster mode off AWS wants to know a live member to take backups from when they are turned on; it must
        // not be member 001 by habit, because that one may be gone.
        if group.snapshot_retention == 0 && !group.cluster_enabled {
            let replica = group.shards.iter().flat_map(|shard| {
                let primary = shard.primary_member.as_ref();
                shard.member_ids.iter().filter(move |member| Some(*member) != primary)
            });
            change.snapshotting_member = replica.chain(&group.member_ids).next().cloned();
        }
    }
    change.snapshot_window =
        desired.snapshot_window.clone().filter(|wanted| group.snapshot_window.as_ref() != Some(wanted));
}

/// Settings that AWS shows on members only.
fn member_settings(desired: &Desired, observed: &Observed, member: &Member, change: &mut GroupChange) {
    if let Some(own) = &observed.security_group {
        let wanted = attached(desired, &own.id);
        change.security_groups = (wanted != member.security_groups).then_some(wanted);
    }
    change.maintenance_window =
        desired.maintenance_window.clone().filter(|wanted| !member.maintenance_window.eq_ignore_ascii_case(wanted));
    change.notification_topic =
        (desired.notification_topic != member.notification_topic).then(|| desired.notification_topic.clone());
    let parameter_group = desired.parameter_group_name();
    change.parameter_group = (parameter_group != member.parameter_group && !member.pending.contains("EngineVersion"))
        .then_some(parameter_group);
}

/// Failover and Multi-AZ come on when the nodes that they need are there.
pub(super) fn failover_on(wish: Wish<'_>, group: &Group, _: &Observed) -> Vec<Step> {
    let desired = wish.desired;
    let mut change = GroupChange::of(&group.id, true);
    change.automatic_failover = (desired.automatic_failover && !failover_is_on(group)).then_some(true);
    change.multi_az = (desired.multi_az && !group.multi_az).then_some(true);
    modify(change)
}

/// What the user should know although everything went well.
#[must_use]
pub fn warnings(wish: Wish<'_>, observed: &Observed) -> Vec<String> {
    let desired = wish.desired;
    let mut warnings = Vec::new();
    if let Some(previous) = wish.previous
        && previous.restore != desired.restore
    {
        warnings.push("SnapshotName and SnapshotArns count at creation only; their change was ignored".to_owned());
    }
    if let Some(actual) = observed.first_member().and_then(|member| member.version.as_ref())
        && is_newer(actual, &desired.version)
        && !actual.matches(&desired.version)
    {
        warnings
            .push(format!("the engine runs {actual}, newer than EngineVersion {}; set it to that", desired.version));
    }
    if !desired.apply_immediately {
        let mut pending: BTreeSet<String> = observed.group.iter().flat_map(|group| group.pending.clone()).collect();
        pending.extend(observed.members.values().flat_map(|member| member.pending.clone()));
        if !pending.is_empty() {
            let names: Vec<String> = pending.into_iter().collect();
            warnings.push(format!("waiting for the maintenance window: {}", names.join(", ")));
        }
    }
    if observed.members.values().any(|member| member.parameter_status == "pending-reboot") {
        warnings.push("some parameters take effect at the next reboot of the nodes".to_owned());
    }
    warnings
}
