//! Snapshots.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::input::Input;
use super::names::{self, arn};
use super::output::{page, tree};
use super::refusals::{
    cluster_not_found, group_not_found, invalid_combination, invalid_value, missing, snapshot_exists,
    snapshot_not_found,
};
use super::replication_groups::{ClusterMode, ReplicationGroup, Status, Task, Work};
use super::{ElastiCache, tags};
use crate::clock::Time;
use crate::world::{Answer, AwsError, Call, World};

/// Manual snapshots of a node in 24 hours (facts 3.10).
const MAX_A_DAY: usize = 20;

/// A snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Name, in lower case.
    pub name: String,
    /// Id of the group it was taken of.
    pub group: String,
    /// Member it was taken of, when one was named.
    pub member: Option<String>,
    /// Whether somebody asked for it; the others vanish with their group.
    pub manual: bool,
    /// When it was asked for.
    pub created: Time,
    /// When it is done, while it is not.
    pub ready_at: Option<Time>,
    /// When it is gone, once it was deleted.
    pub gone_at: Option<Time>,
    /// Whether a group is being restored from it.
    pub restoring: bool,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// The group as it was, its data included.
    pub source: ReplicationGroup,
}

impl Snapshot {
    /// State.
    #[must_use]
    pub fn status(&self) -> &'static str {
        match self {
            Snapshot { gone_at: Some(_), .. } => "deleting",
            Snapshot { ready_at: Some(_), .. } => "creating",
            Snapshot { restoring: true, .. } => "restoring",
            Snapshot { .. } => "available",
        }
    }

    fn tree(&self, cache: &ElastiCache, show_shards: bool) -> Value {
        let source = &self.source;
        let single = self.member.is_some();
        let nodes: Vec<Value> = source
            .shards
            .iter()
            .filter_map(|shard| {
                let member = shard.members.iter().find(|member| member.primary)?;
                let configuration = show_shards.then(|| json!({ "NodeGroupId": shard.id, "Slots": shard.slots }));
                Some(json!({
                    "CacheClusterId": member.id,
                    "NodeGroupId": shard.id,
                    "CacheNodeId": "0001",
                    "NodeGroupConfiguration": configuration,
                    "CacheSize": format!("{} MB", source.data.len().max(1)),
                    "CacheNodeCreateTime": member.created.iso8601(),
                    "SnapshotCreateTime": self.created.iso8601(),
                }))
            })
            .collect();
        tree(json!({
            "SnapshotName": self.name,
            "ReplicationGroupId": if single { None } else { Some(&self.group) },
            "ReplicationGroupDescription": if single { None } else { Some(&source.description) },
            "CacheClusterId": self.member,
            "SnapshotStatus": self.status(),
            "SnapshotSource": if self.manual { "manual" } else { "automated" },
            "CacheNodeType": source.node_type,
            "Engine": source.engine,
            "EngineVersion": source.engine_version,
            "NumCacheNodes": single.then_some(1),
            "CacheClusterCreateTime": source.created.iso8601(),
            "PreferredMaintenanceWindow": source.maintenance_window,
            "TopicArn": source.notification_topic,
            "Port": source.port,
            "CacheParameterGroupName": source.parameter_group,
            "CacheSubnetGroupName": source.subnet_group,
            "VpcId": cache.subnet_groups.get(&source.subnet_group).map(|group| &group.vpc),
            "AutoMinorVersionUpgrade": source.auto_minor_upgrade,
            "SnapshotRetentionLimit": source.snapshot_retention,
            "SnapshotWindow": source.snapshot_window,
            "NumNodeGroups": source.shards.len(),
            "AutomaticFailover": if source.failover { "enabled" } else { "disabled" },
            "NodeSnapshots": { "NodeSnapshot": nodes },
            "KmsKeyId": source.kms_key,
            "ARN": arn("snapshot", &self.name),
            "DataTiering": if source.data_tiering { "enabled" } else { "disabled" },
            "Durability": source.durability,
        }))
    }
}

/// A manual snapshot of a group, checked but not yet stored.
pub(super) fn of_group(
    cache: &ElastiCache,
    group: &ReplicationGroup,
    member: Option<&str>,
    name: &str,
    now: Time,
) -> Result<Snapshot, AwsError> {
    // The guide's rule ("Taking manual backups"); other tools report that longer names work.
    let name = names::identifier("SnapshotName", name, 40)?;
    if cache.snapshots.contains_key(&name) {
        return Err(snapshot_exists(&name));
    }
    if group.node_type == "cache.t1.micro" {
        let message = "Snapshots are not supported on cache.t1.micro.";
        return Err(AwsError::new("SnapshotFeatureNotSupportedFault", message));
    }
    let day = Duration::from_hours(24);
    let recent = cache.snapshots.values().filter(|snapshot| snapshot.manual && snapshot.group == group.id);
    if recent.filter(|snapshot| now.since(snapshot.created) < day).count() >= MAX_A_DAY {
        let message = format!("At most {MAX_A_DAY} manual snapshots of a node are allowed in 24 hours.");
        return Err(AwsError::new("SnapshotQuotaExceededFault", message));
    }
    Ok(Snapshot {
        name,
        group: group.id.clone(),
        member: member.map(str::to_owned),
        manual: true,
        created: now,
        ready_at: Some(now + cache.pace.snapshot),
        gone_at: None,
        restoring: false,
        tags: BTreeMap::new(),
        source: group.clone(),
    })
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &mut world.elasticache;
    let name = input.required("SnapshotName")?;
    let tags = tags::read(input)?;
    let (group, member) = match (input.text("ReplicationGroupId"), input.text("CacheClusterId")) {
        (Some(_), Some(_)) => {
            return Err(invalid_combination("Give either ReplicationGroupId or CacheClusterId."));
        }
        (Some(id), None) => {
            let group = cache.groups.get(&id.to_ascii_lowercase()).ok_or_else(|| group_not_found(id))?;
            if !group.is_sharded() {
                return Err(invalid_value(
                    "Cannot snapshot a replication group with cluster-mode disabled. Please specify a cache cluster \
                     instead.",
                ));
            }
            (group, None)
        }
        (None, Some(id)) => {
            let id = id.to_ascii_lowercase();
            let group = cache.group_of_member(&id).ok_or_else(|| cluster_not_found(&id))?;
            if group.is_sharded() {
                return Err(invalid_value(
                    "Cannot snapshot a cache cluster with cluster-mode enabled. Please specify a replication group \
                     instead.",
                ));
            }
            // What AWS takes a snapshot of in this mode is not known, so it takes none here.
            if group.cluster_mode == ClusterMode::Compatible {
                return Err(invalid_combination("Finish the change of cluster mode before taking a snapshot."));
            }
            (group, Some(id))
        }
        (None, None) => return Err(missing("ReplicationGroupId")),
    };
    group.require_available("snapshotted")?;
    let id = group.id.clone();
    let mut snapshot = of_group(cache, group, member.as_deref(), name, call.now)?;
    snapshot.tags = tags;
    let due = call.now + cache.pace.snapshot;
    if let Some(group) = cache.groups.get_mut(&id) {
        group.begin(Status::Snapshotting, Task::new(call.now, due, Work::Snapshot));
    }
    let answer = snapshot.tree(cache, false);
    cache.snapshots.insert(snapshot.name.clone(), snapshot);
    Ok(json!({ "Snapshot": answer }))
}

pub(super) fn describe(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &world.elasticache;
    let show_shards = input.flag("ShowNodeGroupConfig")?.unwrap_or(false);
    let lower = |key: &str| input.text(key).map(str::to_ascii_lowercase);
    let (name, group, member) = (lower("SnapshotName"), lower("ReplicationGroupId"), lower("CacheClusterId"));
    let manual = match input.text("SnapshotSource") {
        None => None,
        Some("user" | "manual") => Some(true),
        Some("system" | "automated") => Some(false),
        Some(other) => return Err(invalid_value(format!("The SnapshotSource {other} is invalid."))),
    };
    if let Some(id) = &member {
        // The backups of a cluster outlive it.
        let of_it = |snapshot: &Snapshot| snapshot.member.as_ref() == Some(id);
        if cache.group_of_member(id).is_none() && !cache.snapshots.values().any(of_it) {
            return Err(cluster_not_found(id));
        }
    }
    let found: Vec<Value> = cache
        .snapshots
        .values()
        .filter(|snapshot| name.as_ref().is_none_or(|name| *name == snapshot.name))
        .filter(|snapshot| group.as_ref().is_none_or(|group| *group == snapshot.group))
        .filter(|snapshot| member.is_none() || member == snapshot.member)
        .filter(|snapshot| manual.is_none_or(|manual| manual == snapshot.manual))
        .map(|snapshot| snapshot.tree(cache, show_shards))
        .collect();
    match name {
        Some(name) if found.is_empty() => Err(snapshot_not_found(&name)),
        _ => page(input, "Snapshots", "Snapshot", found, 50),
    }
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &mut world.elasticache;
    let name = input.required("SnapshotName")?.to_ascii_lowercase();
    let gone_at = call.now + cache.pace.delete_snapshot;
    let snapshot = cache.snapshots.get_mut(&name).ok_or_else(|| snapshot_not_found(&name))?;
    if snapshot.status() != "available" {
        let message = format!("Snapshot {name} is in state {} and cannot be deleted.", snapshot.status());
        return Err(AwsError::new("InvalidSnapshotState", message));
    }
    snapshot.gone_at = Some(gone_at);
    let answer = cache.snapshots[&name].tree(cache, false);
    Ok(json!({ "Snapshot": answer }))
}
