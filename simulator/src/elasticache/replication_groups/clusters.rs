//! DescribeCacheClusters: the members of groups, with what the group's own shape does not show (facts 3.7).

use serde_json::{Value, json};

use super::describe::{auth_status, current_changes, logs_tree, pending_logs, tls_mode};
use super::{Changes, Member, MemberStatus, ReplicationGroup, Status, Work, endpoints};
use crate::clock::Time;
use crate::elasticache::ElastiCache;
use crate::elasticache::input::Input;
use crate::elasticache::names::arn;
use crate::elasticache::output::{page, tree};
use crate::elasticache::refusals::cluster_not_found;
use crate::nodes::Tls;
use crate::world::{Answer, Call, World};

pub(in crate::elasticache) fn describe(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &world.elasticache;
    let show_nodes = input.flag("ShowCacheNodeInfo")?.unwrap_or(false);
    if input.flag("ShowCacheClustersNotInReplicationGroups")?.unwrap_or(false) {
        // There are no standalone clusters here.
        return page(input, "CacheClusters", "CacheCluster", Vec::new(), 100);
    }
    let wanted = input.text("CacheClusterId").map(str::to_ascii_lowercase);
    let clusters: Vec<Value> = cache
        .groups
        .values()
        .filter(|group| group.visible_from <= call.now)
        .flat_map(|group| group.members().map(move |member| (group, member)))
        .filter(|(_, member)| wanted.as_ref().is_none_or(|id| *id == member.id))
        .map(|(group, member)| cluster_tree(cache, group, member, show_nodes, call.now))
        .collect();
    match wanted {
        Some(id) if clusters.is_empty() => Err(cluster_not_found(&id)),
        _ => page(input, "CacheClusters", "CacheCluster", clusters, 100),
    }
}

fn cluster_tree(cache: &ElastiCache, group: &ReplicationGroup, member: &Member, show_nodes: bool, now: Time) -> Value {
    let security_groups: Vec<Value> = group
        .security_groups
        .iter()
        .map(|id| json!({ "SecurityGroupId": id, "Status": security_group_status(group) }))
        .collect();
    let topic = group.notification_topic.as_ref().map(|topic| {
        json!({ "TopicArn": topic, "TopicStatus": if group.notification_active { "active" } else { "inactive" } })
    });
    let is_snapshotted = group.snapshotting_member.as_ref() == Some(&member.id);
    tree(json!({
        "CacheClusterId": member.id,
        "ClientDownloadLandingPage": "https://console.aws.amazon.com/elasticache/home#client-download:",
        "CacheNodeType": group.node_type,
        "Engine": group.engine,
        "EngineVersion": group.engine_version,
        "CacheClusterStatus": status(group, member, now),
        "NumCacheNodes": 1,
        "PreferredAvailabilityZone": member.zone,
        "CacheClusterCreateTime": member.created.iso8601(),
        "PreferredMaintenanceWindow": group.maintenance_window,
        "PendingModifiedValues": pending_tree(group),
        "NotificationConfiguration": topic,
        "CacheSecurityGroups": {},
        "CacheParameterGroup": {
            "CacheParameterGroupName": group.parameter_group,
            "ParameterApplyStatus": parameter_status(group),
            "CacheNodeIdsToReboot": { "CacheNodeId": group.parameters_need_reboot.then_some(["0001"]) },
        },
        "CacheSubnetGroupName": group.subnet_group,
        "CacheNodes": show_nodes.then(|| json!({ "CacheNode": [node_tree(cache, group, member, now)] })),
        "AutoMinorVersionUpgrade": group.auto_minor_upgrade,
        "SecurityGroups": { "member": security_groups },
        "ReplicationGroupId": group.id,
        "SnapshotRetentionLimit": if is_snapshotted { group.snapshot_retention } else { 0 },
        "SnapshotWindow": group.snapshot_window,
        "AuthTokenEnabled": !group.tokens.is_empty(),
        "AuthTokenLastModifiedDate": group.token_changed.filter(|_| !group.tokens.is_empty()).map(Time::iso8601),
        "TransitEncryptionEnabled": group.tls != Tls::Off,
        "TransitEncryptionMode": tls_mode(group.tls),
        "AtRestEncryptionEnabled": group.at_rest,
        "ARN": arn("cluster", &member.id),
        "ReplicationGroupLogDeliveryEnabled": !group.logs.is_empty(),
        "LogDeliveryConfigurations": { "LogDeliveryConfiguration": logs_tree(cache, group) },
        "NetworkType": group.network_type,
        "IpDiscovery": group.ip_discovery,
    }))
}

/// `CacheClusterStatus`: its own state first, then what its group is doing.
fn status(group: &ReplicationGroup, member: &Member, now: Time) -> &'static str {
    match member.status {
        MemberStatus::Creating => return "creating",
        MemberStatus::Deleting => return "deleting",
        MemberStatus::Available => {}
    }
    let work = group.task.as_ref().map(|task| &task.work);
    match (group.status, work) {
        (Status::Creating, _) => "creating",
        (Status::Deleting, Some(Work::Delete { snapshot_until: Some(until) })) if now < *until => {
            if member.primary {
                "snapshotting"
            } else {
                "available"
            }
        }
        (Status::Deleting, _) => "deleting",
        (Status::Snapshotting, _) => "snapshotting",
        // Members that stay serve on while others come and go.
        (Status::Modifying, Some(Work::AddMembers(_) | Work::RemoveMembers(_)))
        | (Status::Available | Status::CreateFailed, _) => "available",
        (Status::Modifying, _) => "modifying",
    }
}

fn security_group_status(group: &ReplicationGroup) -> &'static str {
    if current_changes(group).is_some_and(|changes| changes.security_groups.is_some()) { "modifying" } else { "active" }
}

fn parameter_status(group: &ReplicationGroup) -> &'static str {
    if current_changes(group).is_some_and(|changes| changes.parameter_group.is_some()) {
        "applying"
    } else if group.parameters_need_reboot {
        "pending-reboot"
    } else {
        "in-sync"
    }
}

/// What is being changed now, and what waits for the maintenance window.
fn pending_tree(group: &ReplicationGroup) -> Value {
    let none = Changes::default();
    let now = current_changes(group).unwrap_or(&none);
    let later = group.waiting.as_ref().map_or(&none, |waiting| &waiting.changes);
    let engine = now.engine.as_ref().or(later.engine.as_ref());
    json!({
        "EngineVersion": engine.map(|(_, version)| version),
        "CacheNodeType": now.node_type.as_ref().or(later.node_type.as_ref()),
        "AuthTokenStatus": auth_status(now),
        "LogDeliveryConfigurations": pending_logs(group, now),
        "TransitEncryptionEnabled": now.tls.map(|tls| tls != Tls::Off),
        "TransitEncryptionMode": now.tls.and_then(tls_mode),
    })
}

fn node_tree(cache: &ElastiCache, group: &ReplicationGroup, member: &Member, now: Time) -> Value {
    let status = status(group, member, now);
    let endpoint = if status == "creating" { None } else { endpoints::of_member(cache, group, member) };
    json!({
        "CacheNodeId": "0001",
        "CacheNodeStatus": status,
        "CacheNodeCreateTime": member.created.iso8601(),
        "Endpoint": endpoint,
        "ParameterGroupStatus": parameter_status(group),
        "CustomerAvailabilityZone": member.zone,
    })
}
