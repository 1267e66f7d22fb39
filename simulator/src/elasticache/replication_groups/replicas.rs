//! IncreaseReplicaCount and DecreaseReplicaCount.

use serde_json::json;

use super::topology::{MAX_CLUSTER_NODES, MAX_REPLICAS};
use super::{ClusterMode, Member, MemberStatus, ReplicationGroup, Shard, Status, Task, Work, describe};
use crate::clock::Time;
use crate::elasticache::input::Input;
use crate::elasticache::networks;
use crate::elasticache::refusals::{
    cluster_not_found, group_not_found, invalid_combination, invalid_value, missing, no_operation,
};
use crate::world::{Answer, AwsError, Call, World};

/// What a call wants of one shard.
struct ShardCount {
    shard: usize,
    replicas: usize,
    zones: Vec<String>,
}

pub(in crate::elasticache) fn increase(world: &mut World, call: &Call) -> Answer {
    change(world, call, true)
}

pub(in crate::elasticache) fn decrease(world: &mut World, call: &Call) -> Answer {
    change(world, call, false)
}

fn change(world: &mut World, call: &Call, grow: bool) -> Answer {
    let cache = &mut world.elasticache;
    let input = Input(&call.params);
    let id = input.required("ReplicationGroupId")?.to_ascii_lowercase();
    let immediate = input.flag("ApplyImmediately")?.ok_or_else(|| missing("ApplyImmediately"))?;
    let group = cache.groups.get(&id).ok_or_else(|| group_not_found(&id))?;
    group.require_available("modified")?;
    if !immediate {
        return Err(invalid_value("ApplyImmediately=false is not supported for changes of the replica count."));
    }
    // facts 3.7
    if group.cluster_mode == ClusterMode::Compatible {
        return Err(invalid_combination("Finish the change of cluster mode before scaling."));
    }
    let counts = read_counts(group, input, grow)?;
    if let Some(subnets) = cache.subnet_groups.get(&group.subnet_group).filter(|_| grow) {
        let more = |count: &ShardCount| (count.replicas + 1).saturating_sub(group.shards[count.shard].members.len());
        networks::check_addresses(&world.ec2, subnets, counts.iter().map(more).sum())?;
    }
    let (work, duration) = if grow {
        let zones = cache.zones_of(group);
        let Some(group) = cache.groups.get_mut(&id) else { return Err(group_not_found(&id)) };
        (Work::AddMembers(add(group, &counts, &zones, call.now)?), cache.pace.add_replica)
    } else {
        let named = input.texts("ReplicasToRemove", "member").unwrap_or_default();
        let Some(group) = cache.groups.get_mut(&id) else { return Err(group_not_found(&id)) };
        (Work::RemoveMembers(remove(group, &counts, &named)?), cache.pace.remove_replica)
    };
    let fails = cache.next_roll_back(&call.action);
    if let Some(group) = cache.groups.get_mut(&id) {
        group.begin(Status::Modifying, Task { started: call.now, due: call.now + duration, work, fails });
    }
    Ok(json!({ "ReplicationGroup": describe::group_tree(cache, &cache.groups[&id], call.now) }))
}

/// The replica counts that are asked for, per shard, checked against how many there are and must be.
fn read_counts(group: &ReplicationGroup, input: Input<'_>, grow: bool) -> Result<Vec<ShardCount>, AwsError> {
    let everywhere = input.number("NewReplicaCount")?;
    let configured = input.items("ReplicaConfiguration", "ConfigureShard").unwrap_or_default();
    let named = input.texts("ReplicasToRemove", "member").unwrap_or_default();
    let given = [everywhere.is_some(), !configured.is_empty(), !named.is_empty()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(invalid_combination(
            "Give only one of NewReplicaCount, ReplicaConfiguration and ReplicasToRemove.",
        ));
    }
    let mut counts = Vec::new();
    if !configured.is_empty() {
        for one in configured {
            counts.push(read_count(group, one)?);
        }
    } else if let Some(replicas) = everywhere {
        let replicas = replicas as usize;
        counts.extend((0..group.shards.len()).map(|shard| ShardCount { shard, replicas, zones: Vec::new() }));
    } else if !grow && !named.is_empty() {
        // With shards the guide only shows ReplicaConfiguration and NewReplicaCount.
        if group.is_sharded() {
            return Err(invalid_combination("ReplicasToRemove cannot be used with cluster mode enabled."));
        }
        for (shard, members) in group.shards.iter().map(|shard| &shard.members).enumerate() {
            let leaving = members.iter().filter(|member| named.contains(&member.id)).count();
            if leaving > 0 {
                counts.push(ShardCount {
                    shard,
                    replicas: (members.len() - 1).saturating_sub(leaving),
                    zones: Vec::new(),
                });
            }
        }
        if counts.is_empty() {
            return Err(cluster_not_found(&named[0]));
        }
    } else {
        return Err(missing("NewReplicaCount"));
    }
    check_counts(group, &counts, grow)?;
    Ok(counts)
}

fn read_count(group: &ReplicationGroup, one: Input<'_>) -> Result<ShardCount, AwsError> {
    let id = one.required("NodeGroupId")?;
    let shard = group.shards.iter().position(|shard| shard.id == id).ok_or_else(|| {
        AwsError::not_found("NodeGroupNotFoundFault", format!("Node group {id} not found in {}.", group.id))
    })?;
    let replicas = one.number("NewReplicaCount")?.ok_or_else(|| missing("NewReplicaCount"))? as usize;
    let zones = one.texts("PreferredAvailabilityZones", "PreferredAvailabilityZone").unwrap_or_default();
    if !zones.is_empty() && zones.len() != replicas + 1 {
        return Err(invalid_value("PreferredAvailabilityZones must name one zone more than NewReplicaCount."));
    }
    Ok(ShardCount { shard, replicas, zones })
}

fn check_counts(group: &ReplicationGroup, counts: &[ShardCount], grow: bool) -> Result<(), AwsError> {
    let current = |count: &ShardCount| group.shards[count.shard].members.len().saturating_sub(1);
    if counts.iter().all(|count| count.replicas == current(count)) {
        return Err(no_operation("The replica count is already as requested."));
    }
    if counts.iter().any(|count| (count.replicas > current(count)) != grow && count.replicas != current(count)) {
        let direction = if grow { "greater" } else { "less" };
        return Err(invalid_value(format!("NewReplicaCount must be {direction} than the current count.")));
    }
    if counts.iter().any(|count| count.replicas > MAX_REPLICAS as usize) {
        return Err(invalid_value("The parameter NewReplicaCount must be between 0 and 5."));
    }
    let leaves_none = counts.iter().any(|count| count.replicas == 0);
    if group.multi_az && leaves_none {
        return Err(invalid_value("Must have at least 1 replica for Multi-AZ enabled Replication Group"));
    }
    if group.failover && !group.is_sharded() && leaves_none {
        return Err(invalid_value(
            "Must have at least 1 replica when cluster mode is disabled with auto failover enabled.",
        ));
    }
    let added: usize = counts.iter().map(|count| count.replicas.saturating_sub(current(count))).sum();
    if group.members().count() + added > MAX_CLUSTER_NODES {
        return Err(AwsError::new(
            "NodeGroupsPerReplicationGroupQuotaExceeded",
            format!("A replication group can have at most {MAX_CLUSTER_NODES} nodes."),
        ));
    }
    Ok(())
}

fn add(
    group: &mut ReplicationGroup,
    counts: &[ShardCount],
    offered: &[String],
    now: Time,
) -> Result<Vec<String>, AwsError> {
    if let Some(zone) = counts.iter().flat_map(|count| &count.zones).find(|zone| !offered.contains(zone)) {
        return Err(invalid_value(format!("The subnet group has no subnet in availability zone {zone}.")));
    }
    let tags = group.tags.clone();
    let mut added = Vec::new();
    for count in counts {
        let shard = &mut group.shards[count.shard];
        let mut zones = count.zones.clone();
        for member in &shard.members {
            if let Some(taken) = zones.iter().position(|zone| *zone == member.zone) {
                zones.remove(taken);
            }
        }
        while shard.members.len() <= count.replicas {
            let zone = if zones.is_empty() { emptiest_zone(shard, offered) } else { zones.remove(0) };
            let id = next_member_id(shard);
            added.push(id.clone());
            shard.members.push(Member {
                id,
                shard: shard.id.clone(),
                zone,
                primary: false,
                status: MemberStatus::Creating,
                joined: false,
                ready_at: None,
                created: now,
                tags: tags.clone(),
            });
        }
    }
    Ok(added)
}

/// The zone with the fewest members of the shard.
fn emptiest_zone(shard: &Shard, offered: &[String]) -> String {
    let load = |zone: &&String| shard.members.iter().filter(|member| member.zone == **zone).count();
    offered.iter().min_by_key(load).cloned().unwrap_or_default()
}

/// One above the highest number in use.
fn next_member_id(shard: &Shard) -> String {
    let split = |member: &Member| {
        let (prefix, number) = member.id.rsplit_once('-')?;
        Some((prefix.to_owned(), number.parse::<u32>().ok()?))
    };
    let highest = shard.members.iter().filter_map(split).max_by_key(|(_, number)| *number);
    let (prefix, number) = highest.unwrap_or_else(|| (shard.id.clone(), 0));
    format!("{prefix}-{:03}", number + 1)
}

/// Marks the members that go: those named, then replicas with the highest numbers; never a primary.
fn remove(group: &mut ReplicationGroup, counts: &[ShardCount], named: &[String]) -> Result<Vec<String>, AwsError> {
    for id in named {
        match group.members().find(|member| member.id == *id) {
            None => return Err(cluster_not_found(id)),
            Some(member) if member.primary => {
                return Err(invalid_value(format!("The primary {id} cannot be removed.")));
            }
            Some(_) => {}
        }
    }
    let mut leaving: Vec<String> = Vec::new();
    for count in counts {
        let members = &group.shards[count.shard].members;
        let surplus = (members.len() - 1).saturating_sub(count.replicas);
        let mut candidates: Vec<&Member> = members.iter().rev().filter(|member| !member.primary).collect();
        candidates.sort_by_key(|member| !named.contains(&member.id));
        leaving.extend(candidates.into_iter().take(surplus).map(|member| member.id.clone()));
    }
    for member in group.members_mut().filter(|member| leaving.contains(&member.id)) {
        member.status = MemberStatus::Deleting;
    }
    Ok(leaving)
}
