//! DescribeReplicationGroups, and how a group looks in every answer.

use serde_json::{Value, json};

use super::{AuthStep, Changes, ClusterMode, LogDelivery, Member, ReplicationGroup, Shard, Status, Work, endpoints};
use crate::clock::Time;
use crate::elasticache::ElastiCache;
use crate::elasticache::input::Input;
use crate::elasticache::names::arn;
use crate::elasticache::output::{page, tree};
use crate::elasticache::refusals::group_not_found;
use crate::nodes::Tls;
use crate::world::{Answer, Call, World};

pub(in crate::elasticache) fn describe(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &world.elasticache;
    // Right after Create the group is not found yet (facts 3.11).
    let visible = |group: &&ReplicationGroup| group.visible_from <= call.now;
    let groups: Vec<Value> = match input.text("ReplicationGroupId") {
        Some(id) => {
            let group = cache.groups.get(&id.to_ascii_lowercase()).filter(visible);
            vec![group_tree(cache, group.ok_or_else(|| group_not_found(id))?, call.now)]
        }
        None => cache.groups.values().filter(visible).map(|group| group_tree(cache, group, call.now)).collect(),
    };
    page(input, "ReplicationGroups", "ReplicationGroup", groups, 100)
}

/// The group as `ReplicationGroup`.
pub(super) fn group_tree(cache: &ElastiCache, group: &ReplicationGroup, now: Time) -> Value {
    let endpoints = endpoints::of_group(cache, group);
    let ready = !matches!(group.status, Status::Creating | Status::CreateFailed);
    let shards: Vec<Value> = group
        .shards
        .iter()
        .map(|shard| shard_tree(cache, group, shard, endpoints.primary.as_ref(), endpoints.reader.as_ref()))
        .collect();
    tree(json!({
        "ReplicationGroupId": group.id,
        "Description": group.description,
        "Status": group.status.as_str(),
        "PendingModifiedValues": pending_tree(group, now),
        "MemberClusters": { "ClusterId": group.members().map(|member| member.id.as_str()).collect::<Vec<_>>() },
        "NodeGroups": { "NodeGroup": shards },
        "SnapshottingClusterId": group.snapshotting_member,
        "AutomaticFailover": failover(group),
        "MultiAZ": on_off(group.multi_az),
        "ConfigurationEndpoint": endpoints.configuration.filter(|_| ready),
        "SnapshotRetentionLimit": group.snapshot_retention,
        "SnapshotWindow": group.snapshot_window,
        "ClusterEnabled": group.cluster_mode != ClusterMode::Disabled,
        "CacheNodeType": group.node_type,
        "AuthTokenEnabled": !group.tokens.is_empty(),
        "AuthTokenLastModifiedDate": group.token_changed.filter(|_| !group.tokens.is_empty()).map(Time::iso8601),
        "TransitEncryptionEnabled": group.tls != Tls::Off,
        "TransitEncryptionMode": tls_mode(group.tls),
        "AtRestEncryptionEnabled": group.at_rest,
        "KmsKeyId": group.kms_key,
        "StorageEncryptionType": storage_encryption(group),
        "ARN": arn("replicationgroup", &group.id),
        "UserGroupIds": { "member": group.user_groups },
        "LogDeliveryConfigurations": { "LogDeliveryConfiguration": logs_tree(cache, group) },
        "ReplicationGroupCreateTime": group.created.iso8601(),
        "DataTiering": on_off(group.data_tiering),
        "AutoMinorVersionUpgrade": group.auto_minor_upgrade,
        "NetworkType": group.network_type,
        "IpDiscovery": group.ip_discovery,
        "ClusterMode": group.cluster_mode.as_str(),
        "Engine": group.engine,
        "Durability": group.durability,
        "EffectiveDurability": group.durability.as_deref().map(effective_durability),
    }))
}

fn on_off(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

pub(super) fn tls_mode(tls: Tls) -> Option<&'static str> {
    match tls {
        Tls::Off => None,
        Tls::Preferred => Some("preferred"),
        Tls::Required => Some("required"),
    }
}

fn storage_encryption(group: &ReplicationGroup) -> &'static str {
    match (&group.kms_key, group.at_rest || group.data_tiering) {
        (Some(_), _) => "sse-kms",
        (None, true) => "sse-elasticache",
        (None, false) => "none",
    }
}

fn effective_durability(asked: &str) -> &str {
    if asked == "default" { "disabled" } else { asked }
}

/// The changes that are being made, if that is what the group is busy with.
pub(super) fn current_changes(group: &ReplicationGroup) -> Option<&Changes> {
    match group.task.as_ref().map(|task| &task.work) {
        Some(Work::Modify(changes)) => Some(changes),
        _ => None,
    }
}

fn failover(group: &ReplicationGroup) -> &'static str {
    match current_changes(group).and_then(|changes| changes.failover) {
        Some(true) => "enabling",
        Some(false) => "disabling",
        None => on_off(group.failover),
    }
}

pub(super) fn logs_tree(cache: &ElastiCache, group: &ReplicationGroup) -> Vec<Value> {
    let after = current_changes(group).and_then(|changes| changes.logs.as_ref());
    let status = |delivery: &LogDelivery| match after {
        Some(after) if after.iter().all(|kept| kept.log_type != delivery.log_type) => "disabling",
        Some(after) if !after.contains(delivery) => "modifying",
        _ if group.status == Status::Creating => "enabling",
        _ => "active",
    };
    let tree = |delivery: &LogDelivery| match (status(delivery), cache.log_failures.get(&delivery.destination)) {
        ("active", Some(message)) => delivery.tree(Some("error"), Some(message)),
        (status, _) => delivery.tree(Some(status), None),
    };
    group.logs.iter().map(tree).collect()
}

fn pending_tree(group: &ReplicationGroup, now: Time) -> Value {
    let resharding = group.task.as_ref().filter(|task| matches!(task.work, Work::AddShards(_) | Work::RemoveShards(_)));
    let progress = resharding.map(|task| {
        let (done, whole) = (now.since(task.started).as_secs_f64(), task.due.since(task.started).as_secs_f64());
        if whole > 0.0 { (100.0 * done / whole).min(100.0).floor() } else { 100.0 }
    });
    let resharding = progress.map(|percent| json!({ "SlotMigration": { "ProgressPercentage": percent } }));
    let Some(changes) = current_changes(group) else { return json!({ "Resharding": resharding }) };
    json!({
        "PrimaryClusterId": changes.primary,
        "AutomaticFailoverStatus": changes.failover.map(on_off),
        "AuthTokenStatus": auth_status(changes),
        "UserGroups": changes.user_groups.as_ref().map(|step| json!({
            "UserGroupIdsToAdd": { "member": step.add },
            "UserGroupIdsToRemove": { "member": step.remove },
        })),
        "LogDeliveryConfigurations": pending_logs(group, changes),
        "TransitEncryptionEnabled": changes.tls.map(|tls| tls != Tls::Off),
        "TransitEncryptionMode": changes.tls.and_then(tls_mode),
        "ClusterMode": changes.cluster_mode.map(ClusterMode::as_str),
    })
}

pub(super) fn auth_status(changes: &Changes) -> Option<&'static str> {
    match changes.auth {
        Some(AuthStep::Rotate(_)) => Some("ROTATING"),
        Some(AuthStep::Set(_)) => Some("SETTING"),
        Some(AuthStep::Delete) | None => None,
    }
}

pub(super) fn pending_logs(group: &ReplicationGroup, changes: &Changes) -> Option<Value> {
    let after = changes.logs.as_ref()?;
    let pending: Vec<Value> = after
        .iter()
        .filter(|delivery| !group.logs.contains(delivery))
        .map(|delivery| delivery.tree(None, None))
        .collect();
    Some(json!({ "member": pending }))
}

fn shard_tree(
    cache: &ElastiCache,
    group: &ReplicationGroup,
    shard: &Shard,
    primary: Option<&Value>,
    reader: Option<&Value>,
) -> Value {
    let ready = group.status != Status::Creating;
    let members: Vec<Value> =
        shard.members.iter().filter(|member| member.joined).map(|member| node_tree(cache, group, member)).collect();
    json!({
        "NodeGroupId": shard.id,
        "Status": shard_status(group, shard),
        "PrimaryEndpoint": primary.filter(|_| ready),
        "ReaderEndpoint": reader.filter(|_| ready),
        "Slots": group.is_sharded().then_some(shard.slots.as_str()).filter(|slots| !slots.is_empty()),
        "NodeGroupMembers": { "NodeGroupMember": members },
    })
}

fn shard_status(group: &ReplicationGroup, shard: &Shard) -> &'static str {
    let work = group.task.as_ref().map(|task| &task.work);
    match (group.status, work) {
        (Status::Creating, _) => "creating",
        (Status::Deleting, _) => "deleting",
        (Status::Modifying, Some(Work::AddShards(added))) if added.contains(&shard.id) => "creating",
        (Status::Modifying, Some(Work::RemoveShards(removed))) if removed.contains(&shard.id) => "deleting",
        (Status::Modifying, _) => "modifying",
        _ => "available",
    }
}

fn node_tree(cache: &ElastiCache, group: &ReplicationGroup, member: &Member) -> Value {
    // Roles and addresses of single nodes are told only without cluster mode.
    let plain = group.cluster_mode == ClusterMode::Disabled;
    let address =
        if plain && group.status != Status::Creating { endpoints::of_member(cache, group, member) } else { None };
    json!({
        "CacheClusterId": member.id,
        "CacheNodeId": "0001",
        "ReadEndpoint": address,
        "PreferredAvailabilityZone": member.zone,
        "CurrentRole": plain.then_some(if member.primary { "primary" } else { "replica" }),
    })
}
