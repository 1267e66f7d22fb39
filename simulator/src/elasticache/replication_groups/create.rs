//! CreateReplicationGroup.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::topology::{self, MAX_CLUSTER_NODES};
use super::{ClusterMode, ReplicationGroup, Shard, Status, Task, Work, describe, logs, protection};
use crate::elasticache::catalog::{NodeType, Release, requested_node_type, requested_release};
use crate::elasticache::input::Input;
use crate::elasticache::refusals::{
    cluster_not_found, invalid_combination, invalid_value, missing, parameter_group_not_found, subnet_group_not_found,
};
use crate::elasticache::snapshots::Snapshot;
use crate::elasticache::subnet_groups::SubnetGroup;
use crate::elasticache::{ElastiCache, names, networks, tags, windows};
use crate::nodes::Tls;
use crate::world::{Answer, AwsError, Call, World};

/// Nodes per account before a quota increase.
const MAX_ACCOUNT_NODES: usize = 300;

pub(in crate::elasticache) fn create(world: &mut World, call: &Call) -> Answer {
    let mut group = read(world, call)?;
    let cache = &mut world.elasticache;
    let mut duration = cache.pace.create;
    if group.tls != Tls::Off {
        duration += cache.pace.create_tls;
    }
    let fails = cache.create_failures.pop_front();
    group.task = Some(Task { started: call.now, due: call.now + duration, work: Work::Create, fails });
    if let Some(snapshot) = group.restoring.as_ref().and_then(|name| cache.snapshots.get_mut(name)) {
        snapshot.restoring = true;
    }
    cache.service_linked_role = true;
    cache.created += 1;
    let answer = describe::group_tree(cache, &group, call.now);
    cache.groups.insert(group.id.clone(), group);
    Ok(json!({ "ReplicationGroup": answer }))
}

/// Whether a request will have cluster mode, as far as that can be told without looking at its parameter group.
pub(in crate::elasticache) fn asks_for_shards(input: Input<'_>) -> bool {
    topology::asks_for_shards(input).unwrap_or(false)
}

fn read(world: &World, call: &Call) -> Result<ReplicationGroup, AwsError> {
    let input = Input(&call.params);
    let cache = &world.elasticache;
    let id = names::identifier("ReplicationGroupId", input.required("ReplicationGroupId")?, 40)?;
    let description = input.required("ReplicationGroupDescription")?;
    let description = names::description("ReplicationGroupDescription", description)?;
    if cache.groups.contains_key(&id) {
        return Err(AwsError::new("ReplicationGroupAlreadyExists", format!("Replication group {id} already exists.")));
    }
    refuse_origins_of_others(input)?;
    let snapshot = restored_snapshot(cache, input)?;
    let engine = input.text("Engine").map_or_else(
        || snapshot.map_or("redis".to_owned(), |snapshot| snapshot.source.engine.clone()),
        str::to_ascii_lowercase,
    );
    let release = read_release(input, &engine, snapshot)?;
    let node_type = match (input.text("CacheNodeType"), snapshot) {
        (Some(name), _) => requested_node_type(name, &engine)?,
        (None, Some(snapshot)) => requested_node_type(&snapshot.source.node_type, &engine)?,
        (None, None) => return Err(missing("CacheNodeType")),
    };
    let (cluster_mode, parameter_group) = read_cluster_mode(cache, input, release)?;
    let subnet_group = read_subnet_group(cache, input)?;
    let shards = read_shards(input, &id, cluster_mode, subnet_group, call)?;
    let (failover, multi_az) = read_failover(input, cluster_mode, &shards, subnet_group)?;
    let security_groups = input.texts("SecurityGroupIds", "SecurityGroupId").unwrap_or_default();
    networks::check_security_groups(&world.ec2, &security_groups, &subnet_group.vpc)?;
    check_quota(cache, &shards)?;
    networks::check_addresses(&world.ec2, subnet_group, shards.iter().map(|shard| shard.members.len()).sum())?;
    let tls = protection::transit(input, release)?;
    let (tokens, user_groups) = protection::access(cache, input, &engine, tls)?;
    let (at_rest, kms_key) = protection::at_rest(input, &engine)?;
    let (network_type, ip_discovery) = read_network(input, release, &node_type, subnet_group)?;
    let data_tiering = read_data_tiering(input, &node_type)?;
    check_release(release, data_tiering, &user_groups)?;
    check_restore(input, cluster_mode, &engine, snapshot)?;
    if snapshot.is_some_and(|snapshot| snapshot.source.data_tiering != data_tiering) {
        return Err(invalid_combination("Snapshots with data tiering can only be restored to groups with it."));
    }
    let (maintenance_window, snapshot_window) = read_windows(input)?;
    let snapshot_retention = read_retention(input)?;
    let mut tag_map = tags::read(input)?;
    if input.items("Tags", "Tag").is_none()
        && let Some(snapshot) = snapshot
    {
        // A restored group takes the snapshot's tags when it gets none of its own (facts 3.10).
        tag_map.clone_from(&snapshot.tags);
    }
    let last_member = shards.last().and_then(|shard| shard.members.last()).map(|member| member.id.clone());
    let mut group = ReplicationGroup {
        id,
        description,
        status: Status::Creating,
        task: None,
        waiting: None,
        created: call.now,
        visible_from: call.now + cache.pace.visibility,
        host_infix: names::host_infix(cache.created),
        tls_host_names: tls != Tls::Off,
        engine,
        engine_version: release.full_version.to_owned(),
        node_type: node_type.name.clone(),
        parameter_group,
        parameters_need_reboot: false,
        subnet_group: subnet_group.name.clone(),
        security_groups,
        port: read_port(input)?,
        failover,
        multi_az,
        cluster_mode,
        shards,
        maintenance_window,
        snapshot_window,
        snapshot_retention,
        snapshotting_member: last_member.filter(|_| snapshot_retention > 0 && cluster_mode != ClusterMode::Enabled),
        notification_topic: read_topic(input)?,
        notification_active: true,
        auto_minor_upgrade: input.flag("AutoMinorVersionUpgrade")?.unwrap_or(true),
        at_rest,
        kms_key,
        tls,
        token_changed: (!tokens.is_empty()).then_some(call.now),
        tokens,
        token_optional: false,
        user_groups,
        logs: logs::read(input, &[], Some(release))?.unwrap_or_default(),
        network_type,
        ip_discovery,
        data_tiering,
        durability: None,
        tags: tag_map.clone(),
        restoring: snapshot.map(|snapshot| snapshot.name.clone()),
        data: snapshot.map_or_else(BTreeMap::new, |snapshot| snapshot.source.data.clone()),
    };
    group.durability = read_durability(input, &group, release, &node_type)?;
    group.members_mut().for_each(|member| member.tags.clone_from(&tag_map));
    Ok(group)
}

/// What this account does not have: global datastores, standalone clusters, networks before VPCs.
fn refuse_origins_of_others(input: Input<'_>) -> Result<(), AwsError> {
    if let Some(id) = input.text("GlobalReplicationGroupId") {
        let message = format!("Global Replication Group {id} does not exist.");
        return Err(AwsError::not_found("GlobalReplicationGroupNotFoundFault", message));
    }
    if let Some(id) = input.text("PrimaryClusterId") {
        return Err(cluster_not_found(id));
    }
    if input.texts("CacheSecurityGroupNames", "CacheSecurityGroupName").is_some_and(|names| !names.is_empty()) {
        return Err(invalid_combination("Use of cache security groups is not permitted in this account."));
    }
    Ok(())
}

fn restored_snapshot<'a>(cache: &'a ElastiCache, input: Input<'_>) -> Result<Option<&'a Snapshot>, AwsError> {
    if let Some(arns) = input.texts("SnapshotArns", "SnapshotArn") {
        if arns.iter().any(|arn| !arn.starts_with("arn:aws:s3:::") || arn.contains(',')) {
            return Err(invalid_value("SnapshotArns must be ARNs of RDB files in S3, without commas."));
        }
        if !arns.is_empty() && input.text("SnapshotName").is_some() {
            return Err(invalid_combination("SnapshotArns and SnapshotName cannot be used together."));
        }
    }
    let Some(name) = input.text("SnapshotName") else { return Ok(None) };
    let snapshot = cache
        .snapshots
        .get(&name.to_ascii_lowercase())
        .ok_or_else(|| invalid_value(format!("Snapshot {name} not found.")))?;
    if snapshot.status() != "available" {
        return Err(invalid_value(format!("Snapshot {name} is in state {}, not available.", snapshot.status())));
    }
    Ok(Some(snapshot))
}

/// Files go to their shards by slots. A backup of a cluster with cluster mode goes into no cluster without, however many
/// shards it has (guide, "Restoring from a backup into a new cache"). Nobody has been seen to restore Valkey's data into
/// Redis OSS; the one way back that the guide has, from Valkey 7.2 to Redis OSS 7.1, is a change in place.
fn check_restore(
    input: Input<'_>,
    mode: ClusterMode,
    engine: &str,
    snapshot: Option<&Snapshot>,
) -> Result<(), AwsError> {
    let files = input.texts("SnapshotArns", "SnapshotArn").is_some_and(|arns| !arns.is_empty());
    let shards = input.items("NodeGroupConfiguration", "NodeGroupConfiguration").unwrap_or_default();
    let with_slots = !shards.is_empty() && shards.iter().all(|shard| shard.text("Slots").is_some());
    if files && mode == ClusterMode::Enabled && !with_slots {
        return Err(invalid_combination(
            "Slots must be provided when restoring from snapshot ARNs with cluster mode enabled",
        ));
    }
    let Some(source) = snapshot.map(|snapshot| &snapshot.source) else { return Ok(()) };
    if source.is_sharded() && mode == ClusterMode::Disabled {
        return Err(invalid_combination(
            "A snapshot of a cluster with cluster mode enabled cannot be restored to one with cluster mode disabled.",
        ));
    }
    if source.engine == "valkey" && engine == "redis" {
        return Err(invalid_combination("A snapshot of Valkey cannot be restored to Redis OSS."));
    }
    Ok(())
}

/// Data tiering came with Redis OSS 6.2, user groups with 6.0.
fn check_release(release: Release, data_tiering: bool, user_groups: &[String]) -> Result<(), AwsError> {
    let before = |version| release.engine == "redis" && release.number() < version;
    if (data_tiering && before((6, 2, 0))) || (!user_groups.is_empty() && before((6, 0, 0))) {
        return Err(invalid_combination("This feature is not supported by the engine version."));
    }
    Ok(())
}

/// The version asked for, not older than the snapshot's; without one, the snapshot's.
fn read_release(input: Input<'_>, engine: &str, snapshot: Option<&Snapshot>) -> Result<Release, AwsError> {
    let source = snapshot.and_then(|snapshot| snapshot.source.release()).filter(|source| source.engine == engine);
    match (input.text("EngineVersion"), source) {
        (None, Some(source)) => Ok(source),
        (version, source) => {
            let release = requested_release(engine, version)?;
            if source.is_some_and(|source| source.number() > release.number()) {
                return Err(invalid_combination("A snapshot cannot be restored to an older engine version."));
            }
            Ok(release)
        }
    }
}

/// Cluster mode follows the parameter group; a request that says otherwise is refused.
fn read_cluster_mode(
    cache: &ElastiCache,
    input: Input<'_>,
    release: Release,
) -> Result<(ClusterMode, String), AwsError> {
    let shards = topology::asks_for_shards(input)?;
    let asked = match input.text("ClusterMode") {
        None => None,
        Some("disabled") => Some(ClusterMode::Disabled),
        // A mode to change a standing group to; nobody has been seen to make a group in it.
        Some("compatible") => return Err(invalid_combination("ClusterMode compatible needs an existing group.")),
        Some("enabled") => Some(ClusterMode::Enabled),
        Some(other) => return Err(invalid_value(format!("The ClusterMode {other} is invalid."))),
    };
    let default = release.default_parameter_group(shards);
    let name = input.text("CacheParameterGroupName").map_or(default, str::to_ascii_lowercase);
    let parameters = cache.parameter_group(&name).ok_or_else(|| parameter_group_not_found(&name))?;
    parameters.check_family(release.family)?;
    let clustered = parameters.value("cluster-enabled") == Some("yes");
    match (asked, clustered) {
        (Some(ClusterMode::Disabled), true) => Err(invalid_combination(
            "A parameter group with cluster-enabled=yes cannot be used with ClusterMode disabled.",
        )),
        (Some(ClusterMode::Compatible | ClusterMode::Enabled), false) => {
            Err(invalid_combination("Cluster mode needs a parameter group with cluster-enabled=yes."))
        }
        (_, false) if shards => {
            Err(invalid_combination("More than one node group needs a parameter group with cluster-enabled=yes."))
        }
        (Some(mode), _) => Ok((mode, name)),
        (None, true) => Ok((ClusterMode::Enabled, name)),
        (None, false) => Ok((ClusterMode::Disabled, name)),
    }
}

fn read_subnet_group<'a>(cache: &'a ElastiCache, input: Input<'_>) -> Result<&'a SubnetGroup, AwsError> {
    let name = input.text("CacheSubnetGroupName").unwrap_or("default").to_ascii_lowercase();
    cache.subnet_groups.get(&name).ok_or_else(|| subnet_group_not_found(&name))
}

fn read_shards(
    input: Input<'_>,
    id: &str,
    mode: ClusterMode,
    subnet_group: &SubnetGroup,
    call: &Call,
) -> Result<Vec<Shard>, AwsError> {
    let layout = topology::read(input)?;
    if mode == ClusterMode::Enabled && input.number("NumCacheClusters")?.is_some_and(|nodes| nodes > 1) {
        return Err(invalid_combination(
            "Use ReplicasPerNodeGroup instead of NumCacheClusters with cluster mode enabled.",
        ));
    }
    let zones = subnet_group.zones();
    let count = layout.len();
    let shards: Vec<Shard> = layout
        .into_iter()
        .enumerate()
        .map(|(index, layout)| {
            let prefix = if mode == ClusterMode::Enabled { format!("{id}-{}", layout.id) } else { id.to_owned() };
            topology::build(layout, &prefix, index, count, &zones, call.now)
        })
        .collect::<Result<_, _>>()?;
    if shards.iter().map(|shard| shard.members.len()).sum::<usize>() > MAX_CLUSTER_NODES {
        return Err(AwsError::new(
            "NodeGroupsPerReplicationGroupQuotaExceeded",
            format!("A replication group can have at most {MAX_CLUSTER_NODES} nodes."),
        ));
    }
    Ok(shards)
}

fn read_failover(
    input: Input<'_>,
    mode: ClusterMode,
    shards: &[Shard],
    subnet_group: &SubnetGroup,
) -> Result<(bool, bool), AwsError> {
    let failover = input.flag("AutomaticFailoverEnabled")?.unwrap_or(false);
    let multi_az = input.flag("MultiAZEnabled")?.unwrap_or(false);
    let replicas = shards.iter().map(|shard| shard.members.len() - 1).min().unwrap_or(0);
    if mode != ClusterMode::Disabled && !failover {
        return Err(invalid_combination("Cluster mode enabled needs automatic failover to be enabled."));
    }
    if mode != ClusterMode::Enabled && failover && replicas == 0 {
        return Err(invalid_combination(
            "Automatic failover is not supported for replication groups with less than two cache clusters.",
        ));
    }
    if multi_az {
        check_multi_az(failover, replicas, &subnet_group.zones())?;
        check_zones_of_nodes(shards)?;
    }
    Ok((failover, multi_az))
}

/// Multi-AZ needs failover, a replica in every shard, and somewhere else to put it.
pub(super) fn check_multi_az(failover: bool, replicas: usize, zones: &[String]) -> Result<(), AwsError> {
    if !failover {
        return Err(invalid_combination("Multi-AZ needs automatic failover to be enabled."));
    }
    if replicas == 0 {
        return Err(invalid_combination("Multi-AZ needs at least one replica in every node group."));
    }
    if zones.iter().collect::<BTreeSet<_>>().len() < 2 {
        return Err(invalid_combination(
            "Multi-AZ needs a subnet group with subnets in at least two availability zones.",
        ));
    }
    Ok(())
}

/// Multi-AZ needs the nodes of every shard in more than one zone: a replica in another zone is what becomes primary (guide,
/// "Minimizing downtime with Multi-AZ"). AWS's words are not known.
pub(super) fn check_zones_of_nodes(shards: &[Shard]) -> Result<(), AwsError> {
    let zones = |shard: &Shard| shard.members.iter().map(|member| member.zone.clone()).collect::<BTreeSet<_>>();
    match shards.iter().find(|shard| zones(shard).len() < 2) {
        None => Ok(()),
        Some(shard) => Err(invalid_combination(format!(
            "Multi-AZ needs nodes in at least two availability zones, and all nodes of node group {} are in one.",
            shard.id
        ))),
    }
}

fn check_quota(cache: &ElastiCache, shards: &[Shard]) -> Result<(), AwsError> {
    let existing: usize = cache.groups.values().map(|group| group.members().count()).sum();
    if existing + shards.iter().map(|shard| shard.members.len()).sum::<usize>() > MAX_ACCOUNT_NODES {
        return Err(AwsError::new(
            "NodeQuotaForCustomerExceeded",
            format!("At most {MAX_ACCOUNT_NODES} cache nodes are allowed in this account."),
        ));
    }
    Ok(())
}

fn read_network(
    input: Input<'_>,
    release: Release,
    node_type: &NodeType,
    subnet_group: &SubnetGroup,
) -> Result<(String, String), AwsError> {
    let network = input.text("NetworkType").unwrap_or("ipv4");
    let default_discovery = if network == "ipv6" { "ipv6" } else { "ipv4" };
    let discovery = input.text("IpDiscovery").unwrap_or(default_discovery);
    if !["ipv4", "ipv6", "dual_stack"].contains(&network) {
        return Err(invalid_value(format!("The NetworkType {network} is invalid.")));
    }
    if !["ipv4", "ipv6"].contains(&discovery) {
        return Err(invalid_value(format!("The IpDiscovery {discovery} is invalid.")));
    }
    if network != "dual_stack" && discovery != network {
        return Err(invalid_combination(format!("IpDiscovery {discovery} cannot be used with NetworkType {network}.")));
    }
    if network != "ipv4" {
        if release.engine == "redis" && release.number() < (6, 2, 0) {
            return Err(invalid_combination("IPv6 needs Redis OSS 6.2 or later."));
        }
        if !subnet_group.network_types().contains(&network) {
            return Err(invalid_combination(format!("The subnet group does not support NetworkType {network}.")));
        }
        if node_type.family == "t2" {
            return Err(invalid_combination("IPv6 needs node types on the Nitro system."));
        }
    }
    Ok((network.to_owned(), discovery.to_owned()))
}

fn read_data_tiering(input: Input<'_>, node_type: &NodeType) -> Result<bool, AwsError> {
    let asked = input.flag("DataTieringEnabled")?.unwrap_or(false);
    match (asked, node_type.tiers_data()) {
        (true, false) => Err(invalid_combination(format!("Data tiering is not supported on {}.", node_type.name))),
        (false, true) => Err(invalid_combination(format!("Data tiering must be enabled on {}.", node_type.name))),
        (tiering, _) => Ok(tiering),
    }
}

fn read_durability(
    input: Input<'_>,
    group: &ReplicationGroup,
    release: Release,
    node_type: &NodeType,
) -> Result<Option<String>, AwsError> {
    let Some(durability) = input.text("Durability") else { return Ok(None) };
    match durability {
        "default" | "disabled" => {}
        "sync" | "async" => {
            let fits = release.engine == "valkey"
                && release.number() >= (9, 0, 0)
                && group.is_sharded()
                && group.multi_az
                && group.tls != Tls::Off
                && node_type.durable();
            if !fits {
                return Err(invalid_combination(
                    "Durability needs Valkey 9.0 or later, cluster mode enabled, Multi-AZ, encryption in transit and a \
                     supported node type.",
                ));
            }
        }
        other => return Err(invalid_value(format!("The Durability {other} is invalid."))),
    }
    Ok(Some(durability.to_owned()))
}

fn read_windows(input: Input<'_>) -> Result<(String, String), AwsError> {
    let snapshot =
        input.text("SnapshotWindow").filter(|window| !window.is_empty()).map(windows::snapshot).transpose()?;
    let maintenance = match input.text("PreferredMaintenanceWindow").filter(|window| !window.is_empty()) {
        Some(window) => windows::maintenance(window)?,
        None => windows::default_maintenance(snapshot.as_deref()),
    };
    let snapshot = snapshot.unwrap_or_else(|| windows::default_snapshot(&maintenance));
    windows::check_apart(&maintenance, &snapshot)?;
    Ok((maintenance, snapshot))
}

/// Days that automatic snapshots are kept; none when not given.
fn read_retention(input: Input<'_>) -> Result<u32, AwsError> {
    let days = input.number("SnapshotRetentionLimit")?.unwrap_or(0);
    check_retention(days)
}

pub(super) fn check_retention(days: u32) -> Result<u32, AwsError> {
    if days > 35 {
        return Err(invalid_value("The parameter SnapshotRetentionLimit must be between 0 and 35."));
    }
    Ok(days)
}

fn read_topic(input: Input<'_>) -> Result<Option<String>, AwsError> {
    input.text("NotificationTopicArn").filter(|arn| !arn.is_empty()).map(check_topic).transpose()
}

pub(super) fn check_topic(arn: &str) -> Result<String, AwsError> {
    // The topic's owner must own the cache too (facts 3.7).
    let ours = format!("arn:aws:sns:{}:{}:", crate::world::REGION, crate::world::ACCOUNT);
    if arn.starts_with(&ours) {
        return Ok(arn.to_owned());
    }
    Err(invalid_value(format!("The NotificationTopicArn {arn} is invalid.")))
}

fn read_port(input: Input<'_>) -> Result<u32, AwsError> {
    let port = input.number("Port")?.unwrap_or(6379);
    if (1024..=65_535).contains(&port) {
        return Ok(port);
    }
    Err(invalid_value("The parameter Port must be between 1024 and 65535."))
}
