//! ModifyReplicationGroup.

use std::collections::BTreeSet;

use serde_json::json;

use super::create::{check_multi_az, check_retention, check_topic, check_zones_of_nodes};
use super::{Changes, ClusterMode, ReplicationGroup, Status, Task, Waiting, Work, access, describe, logs};
use crate::elasticache::catalog::{Release, node_types, requested_node_type, requested_release};
use crate::elasticache::input::Input;
use crate::elasticache::refusals::{
    cluster_not_found, group_not_found, invalid_combination, invalid_value, no_modifications, parameter_group_not_found,
};
use crate::elasticache::{ElastiCache, names, networks, windows};
use crate::nodes::Tls;
use crate::readings::WayBack;
use crate::world::{Answer, AwsError, Call, World};

pub(in crate::elasticache) fn modify(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let id = input.required("ReplicationGroupId")?.to_ascii_lowercase();
    let group = world.elasticache.groups.get(&id).ok_or_else(|| group_not_found(&id))?;
    group.require_available("modified")?;
    let immediate = input.flag("ApplyImmediately")?.unwrap_or(false);
    let mut changes = read(world, group, input, immediate)?;
    if changes == Changes::default() && !(immediate && group.waiting.is_some()) {
        return Err(no_modifications());
    }
    let cache = &mut world.elasticache;
    let fails = cache.next_roll_back("ModifyReplicationGroup");
    let Some(group) = cache.groups.get_mut(&id) else { return Err(group_not_found(&id)) };
    if immediate {
        // An immediate call also brings what waits for the window (facts 3.4).
        if let Some(waiting) = group.waiting.take() {
            changes.absorb(waiting.changes);
        }
    } else {
        let mut later = changes.split_off_node_changes();
        if later != Changes::default() {
            if let Some(waiting) = group.waiting.take() {
                later.absorb(waiting.changes);
            }
            let opens = windows::next_opening(&group.maintenance_window, call.now);
            group.waiting = Some(Waiting { opens, changes: later });
        }
    }
    if changes != Changes::default() {
        let due = call.now + changes.duration(&cache.pace);
        group.begin(Status::Modifying, Task { started: call.now, due, work: Work::Modify(Box::new(changes)), fails });
    }
    // The answer still shows the old values (facts 3.4).
    let group = &cache.groups[&id];
    Ok(json!({ "ReplicationGroup": describe::group_tree(cache, group, call.now) }))
}

fn read(world: &World, group: &ReplicationGroup, input: Input<'_>, immediate: bool) -> Result<Changes, AwsError> {
    let cache = &world.elasticache;
    let mut changes = Changes::default();
    read_settings(group, input, &mut changes)?;
    read_security_groups(world, group, input, &mut changes)?;
    read_backup(group, input, &mut changes)?;
    read_engine(cache, group, input, &mut changes)?;
    read_tls(group, input, immediate, &mut changes)?;
    access::read_changes(cache, world.readings, group, input, immediate, &mut changes)?;
    read_availability(cache, group, input, &mut changes)?;
    read_cluster_mode(cache, world.readings.way_back, group, input, &mut changes)?;
    if let Some(after) = logs::read(input, &group.logs, group.release())? {
        if !immediate {
            return Err(invalid_combination("Log delivery changes need ApplyImmediately."));
        }
        changes.logs = differs(after, &group.logs);
    }
    Ok(changes)
}

/// The new value, unless it is the old one.
fn differs<T: PartialEq>(new: T, old: &T) -> Option<T> {
    (new != *old).then_some(new)
}

fn read_settings(group: &ReplicationGroup, input: Input<'_>, changes: &mut Changes) -> Result<(), AwsError> {
    if let Some(text) = input.text("ReplicationGroupDescription") {
        let description = names::description("ReplicationGroupDescription", text)?;
        changes.description = differs(description, &group.description);
    }
    if let Some(flag) = input.flag("AutoMinorVersionUpgrade")? {
        changes.auto_minor_upgrade = differs(flag, &group.auto_minor_upgrade);
    }
    if let Some(arn) = input.text("NotificationTopicArn") {
        let topic = if arn.is_empty() { None } else { Some(check_topic(arn)?) };
        changes.notification_topic = differs(topic, &group.notification_topic);
    }
    if let Some(status) = input.text("NotificationTopicStatus") {
        let active = match status {
            "active" => true,
            "inactive" => false,
            other => return Err(invalid_value(format!("The NotificationTopicStatus {other} is invalid."))),
        };
        let has_topic = changes.notification_topic.as_ref().unwrap_or(&group.notification_topic).is_some();
        if has_topic {
            changes.notification_active = differs(active, &group.notification_active);
        }
    }
    if let Some(discovery) = input.text("IpDiscovery") {
        if discovery != group.ip_discovery && group.network_type != "dual_stack" {
            return Err(invalid_combination("IpDiscovery can only be changed with NetworkType dual_stack."));
        }
        if !["ipv4", "ipv6"].contains(&discovery) {
            return Err(invalid_value(format!("The IpDiscovery {discovery} is invalid.")));
        }
        changes.ip_discovery = differs(discovery.to_owned(), &group.ip_discovery);
    }
    if let Some(durability) = input.text("Durability").filter(|new| Some(*new) != group.durability.as_deref()) {
        let is_durable = |value: &str| ["sync", "async"].contains(&value);
        match (group.durability.as_deref().is_some_and(is_durable), is_durable(durability)) {
            (true, true) => {}
            (true, false) => {
                return Err(invalid_combination("Durability cannot currently be disabled on durable clusters"));
            }
            (false, _) => {
                return Err(invalid_combination("Durability cannot currently be enabled on non-durable clusters"));
            }
        }
        changes.durability = Some(durability.to_owned());
    }
    Ok(())
}

fn read_security_groups(
    world: &World,
    group: &ReplicationGroup,
    input: Input<'_>,
    changes: &mut Changes,
) -> Result<(), AwsError> {
    let Some(ids) = input.texts("SecurityGroupIds", "SecurityGroupId").filter(|ids| !ids.is_empty()) else {
        return Ok(());
    };
    if let Some(subnet_group) = world.elasticache.subnet_groups.get(&group.subnet_group) {
        networks::check_security_groups(&world.ec2, &ids, &subnet_group.vpc)?;
    }
    let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
    changes.security_groups = (set(&ids) != set(&group.security_groups)).then_some(ids);
    Ok(())
}

fn read_backup(group: &ReplicationGroup, input: Input<'_>, changes: &mut Changes) -> Result<(), AwsError> {
    if let Some(window) = input.text("PreferredMaintenanceWindow") {
        changes.maintenance_window = differs(windows::maintenance(window)?, &group.maintenance_window);
    }
    if let Some(window) = input.text("SnapshotWindow") {
        changes.snapshot_window = differs(windows::snapshot(window)?, &group.snapshot_window);
    }
    windows::check_apart(
        changes.maintenance_window.as_ref().unwrap_or(&group.maintenance_window),
        changes.snapshot_window.as_ref().unwrap_or(&group.snapshot_window),
    )?;
    if let Some(days) = input.number("SnapshotRetentionLimit")? {
        changes.snapshot_retention = differs(check_retention(days)?, &group.snapshot_retention);
    }
    if let Some(member) = input.text("SnapshottingClusterId") {
        if group.is_sharded() {
            return Err(invalid_combination(
                "Cannot set snapshotting cluster for cluster mode enabled replication group",
            ));
        }
        let member = live_member(group, member).map_err(|missing| AwsError {
            message: "Specified snapshotting cluster does not exist".into(),
            ..missing
        })?;
        changes.snapshotting_member = (Some(&member) != group.snapshotting_member.as_ref()).then_some(member);
    }
    let turns_on = changes.snapshot_retention.is_some_and(|days| days > 0) && group.snapshot_retention == 0;
    let has_source = group.snapshotting_member.is_some() || changes.snapshotting_member.is_some();
    if turns_on && !group.is_sharded() && !has_source {
        return Err(invalid_combination(
            "Must specify both SnapshotRetentionLimit and SnapshottingClusterId to turn on snapshots",
        ));
    }
    Ok(())
}

fn live_member(group: &ReplicationGroup, id: &str) -> Result<String, AwsError> {
    let id = id.to_ascii_lowercase();
    if group.members().any(|member| member.id == id) { Ok(id) } else { Err(cluster_not_found(&id)) }
}

fn read_engine(
    cache: &ElastiCache,
    group: &ReplicationGroup,
    input: Input<'_>,
    changes: &mut Changes,
) -> Result<(), AwsError> {
    let engine = input.text("Engine").map_or_else(|| group.engine.clone(), str::to_ascii_lowercase);
    let current = group.release();
    let version = input.text("EngineVersion");
    let target = match (version, current) {
        // A full version that is the current one is no change.
        (Some(version), Some(current)) if engine == current.engine && version == current.full_version => current,
        (None, Some(current)) if engine == group.engine => current,
        _ => requested_release(&engine, version)?,
    };
    if current != Some(target) {
        check_upgrade(group, current, target)?;
        changes.engine = Some((target.engine.to_owned(), target.full_version.to_owned()));
    }
    if let Some(name) = input.text("CacheNodeType").filter(|name| *name != group.node_type) {
        let node_type = requested_node_type(name, &engine)?;
        let current = node_types().into_iter().find(|current| current.name == group.node_type);
        if current.is_some_and(|current| current.tiers_data() != node_type.tiers_data()) {
            return Err(invalid_combination(format!("A cache on {} cannot move to {name}.", group.node_type)));
        }
        changes.node_type = Some(node_type.name);
    }
    read_parameter_group(cache, group, input, target, changes)
}

/// Upgrades only, with the one documented way back (facts 3.8).
fn check_upgrade(group: &ReplicationGroup, current: Option<Release>, target: Release) -> Result<(), AwsError> {
    if group.waiting.as_ref().is_some_and(|waiting| waiting.changes.node_type.is_some()) {
        return Err(invalid_combination("The engine cannot be upgraded while a change of the node type is pending."));
    }
    let Some(current) = current else { return Ok(()) };
    let allowed = match (current.engine, target.engine) {
        ("redis", "valkey") => current.number() >= (5, 0, 6),
        ("valkey", "redis") => current.version == "7.2" && target.version == "7.1",
        _ => target.number() > current.number(),
    };
    if allowed {
        return Ok(());
    }
    Err(invalid_combination(format!(
        "The engine cannot be changed from {} {} to {} {}.",
        current.engine, current.version, target.engine, target.version
    )))
}

fn read_parameter_group(
    cache: &ElastiCache,
    group: &ReplicationGroup,
    input: Input<'_>,
    target: Release,
    changes: &mut Changes,
) -> Result<(), AwsError> {
    if let Some(name) = input.text("CacheParameterGroupName") {
        let name = name.to_ascii_lowercase();
        let parameters = cache.parameter_group(&name).ok_or_else(|| parameter_group_not_found(&name))?;
        parameters.check_family(target.family)?;
        let clustered = parameters.value("cluster-enabled") == Some("yes");
        if clustered != (group.cluster_mode != ClusterMode::Disabled) && !changes_mode(group, input) {
            return Err(invalid_combination(
                "The parameter cluster-enabled has a different value in the requested parameter group than the current \
                 parameter group. This parameter value cannot be changed for a cache cluster.",
            ));
        }
        // One that waits for the window is what the group is going to have; asking for the present one takes it back.
        let waiting = group.waiting.as_ref().and_then(|waiting| waiting.changes.parameter_group.as_ref());
        changes.parameter_group = differs(name, waiting.unwrap_or(&group.parameter_group));
        return Ok(());
    }
    let family = cache.parameter_group(&group.parameter_group).map(|parameters| parameters.family.clone());
    if family.as_deref() == Some(target.family) || changes.engine.is_none() {
        return Ok(());
    }
    // Only from Redis OSS to Valkey a default group has been seen to be exchanged by itself.
    let current = group.release().map(|release| release.engine);
    if !group.parameter_group.starts_with("default.") || current == Some(target.engine) {
        return Err(invalid_combination(format!(
            "Expected a parameter group of family {} but found one of family {}",
            target.family,
            family.unwrap_or_default()
        )));
    }
    changes.parameter_group = Some(target.default_parameter_group(group.cluster_mode != ClusterMode::Disabled));
    Ok(())
}

fn changes_mode(group: &ReplicationGroup, input: Input<'_>) -> bool {
    input.text("ClusterMode").is_some_and(|mode| mode != group.cluster_mode.as_str())
}

/// The moves of facts 3.6: off, preferred and required are neighbours in this order, and access control holds them still.
fn read_tls(
    group: &ReplicationGroup,
    input: Input<'_>,
    immediate: bool,
    changes: &mut Changes,
) -> Result<(), AwsError> {
    let enabled = input.flag("TransitEncryptionEnabled")?;
    let mode = input.text("TransitEncryptionMode");
    if enabled.is_none() && mode.is_none() {
        return Ok(());
    }
    if group.has_access_control() {
        // Also when the value would not change.
        return Err(invalid_combination(
            "Modification of transit encryption is not supported for access control enabled clusters.",
        ));
    }
    if !immediate {
        return Err(invalid_combination(
            "Transit encryption modification should be called with applied immediately option.",
        ));
    }
    if enabled.is_none() && group.tls == Tls::Off {
        return Err(invalid_combination("To modify transit encryption mode, set encryption-in-transit as enabled."));
    }
    let wanted = match (enabled.unwrap_or(group.tls != Tls::Off), mode) {
        (false, None) => Tls::Off,
        (false, Some(_)) => return Err(invalid_combination("TransitEncryptionMode needs TransitEncryptionEnabled.")),
        (true, Some("preferred")) => Tls::Preferred,
        (true, Some("required")) => Tls::Required,
        (true, None) if group.tls == Tls::Off => Tls::Required,
        (true, None) => group.tls,
        (true, Some(other)) => return Err(invalid_value(format!("The TransitEncryptionMode {other} is invalid."))),
    };
    if wanted == group.tls {
        return Ok(());
    }
    if (group.tls, wanted) == (Tls::Required, Tls::Preferred) && enabled.is_some() {
        return Err(invalid_combination("Encryption in transit is enabled already: send TransitEncryptionMode alone."));
    }
    if !group.release().is_none_or(|release| release.changes_encryption_in_place()) {
        return Err(invalid_combination("Transit encryption cannot be changed with this engine version."));
    }
    match (group.tls, wanted) {
        (Tls::Off, Tls::Required) => Err(invalid_combination(
            "Direct transition from transit-encryption-disabled to transit-encryption-enabled is not allowed. Update the \
             cluster to transit-encryption-mode preferred prior to enabling transit encryption.",
        )),
        (Tls::Required, Tls::Off) => {
            Err(invalid_combination("To disable transit encryption, set TransitEncryptionMode to preferred first."))
        }
        _ => {
            changes.tls = Some(wanted);
            Ok(())
        }
    }
}

fn read_availability(
    cache: &ElastiCache,
    group: &ReplicationGroup,
    input: Input<'_>,
    changes: &mut Changes,
) -> Result<(), AwsError> {
    if let Some(failover) = input.flag("AutomaticFailoverEnabled")? {
        changes.failover = differs(failover, &group.failover);
    }
    if let Some(multi_az) = input.flag("MultiAZEnabled")? {
        changes.multi_az = differs(multi_az, &group.multi_az);
    }
    let failover = changes.failover.unwrap_or(group.failover);
    let multi_az = changes.multi_az.unwrap_or(group.multi_az);
    let replicas = group.fewest_replicas();
    // Also when it is on already, as it is in shards without replicas.
    if input.flag("AutomaticFailoverEnabled")? == Some(true) && replicas == 0 {
        return Err(invalid_combination(
            "Replication group must have at least one read replica to enable autofailover.",
        ));
    }
    if changes.failover == Some(false) && group.cluster_mode != ClusterMode::Disabled {
        return Err(invalid_combination(
            "Turning off automatic failover for replication group with cluster mode enabled is not supported.",
        ));
    }
    if multi_az && (changes.multi_az.is_some() || changes.failover.is_some()) {
        let zones = cache.zones_of(group);
        check_multi_az(failover, replicas, &zones)?;
        check_zones_of_nodes(&group.shards)?;
    }
    if let Some(primary) = input.text("PrimaryClusterId") {
        let primary = live_member(group, primary)?;
        if group.failover || group.multi_az {
            return Err(invalid_combination("PrimaryClusterId cannot be changed while automatic failover is enabled."));
        }
        let is_new = group.members().any(|member| member.id == primary && !member.primary);
        changes.primary = is_new.then_some(primary);
    }
    Ok(())
}

/// disabled -> compatible -> enabled, and back from compatible (facts 3.7).
fn read_cluster_mode(
    cache: &ElastiCache,
    way_back: WayBack,
    group: &ReplicationGroup,
    input: Input<'_>,
    changes: &mut Changes,
) -> Result<(), AwsError> {
    let Some(mode) = input.text("ClusterMode") else {
        let only_compatible = group.cluster_mode == ClusterMode::Compatible;
        if only_compatible && (changes.engine.is_some() || changes.node_type.is_some()) {
            return Err(invalid_combination("Finish the change of cluster mode before scaling or upgrading."));
        }
        return Ok(());
    };
    let wanted = match mode {
        "disabled" => ClusterMode::Disabled,
        "compatible" => ClusterMode::Compatible,
        "enabled" => ClusterMode::Enabled,
        other => return Err(invalid_value(format!("The ClusterMode {other} is invalid."))),
    };
    if wanted == group.cluster_mode {
        return Ok(());
    }
    let others = Changes { parameter_group: None, ..changes.clone() };
    if others != Changes::default() {
        return Err(invalid_combination("ClusterMode can be changed only together with CacheParameterGroupName."));
    }
    let release_fits = group.release().is_none_or(|release| release.number() >= (7, 0, 0));
    let name = changes.parameter_group.as_ref().unwrap_or(&group.parameter_group);
    let clustered = cache.parameter_group(name).is_some_and(|group| group.value("cluster-enabled") == Some("yes"));
    match (group.cluster_mode, wanted) {
        (ClusterMode::Disabled, ClusterMode::Compatible) => {
            if !release_fits || !group.failover || group.fewest_replicas() == 0 || !clustered {
                return Err(invalid_combination(
                    "Cluster mode compatible needs engine version 7 or later, automatic failover, at least one replica \
                     and a parameter group with cluster-enabled=yes.",
                ));
            }
        }
        (ClusterMode::Compatible, ClusterMode::Enabled) if clustered => {}
        (ClusterMode::Compatible, ClusterMode::Enabled) => {
            return Err(invalid_combination("Cluster mode needs a parameter group with cluster-enabled=yes."));
        }
        (ClusterMode::Compatible, ClusterMode::Disabled) if clustered => {
            return Err(invalid_combination("Cluster mode disabled needs a parameter group with cluster-enabled=no."));
        }
        (ClusterMode::Compatible, ClusterMode::Disabled)
            if way_back == WayBack::WithGroup && input.text("CacheParameterGroupName").is_none() =>
        {
            return Err(invalid_combination("ClusterMode disabled needs CacheParameterGroupName in the same request."));
        }
        (ClusterMode::Compatible, ClusterMode::Disabled) => {}
        _ => {
            return Err(invalid_combination(format!(
                "Cluster mode cannot be changed from {} to {mode}. Set it to compatible first.",
                group.cluster_mode.as_str()
            )));
        }
    }
    changes.cluster_mode = Some(wanted);
    Ok(())
}
