//! ModifyReplicationGroupShardConfiguration.

use serde_json::json;

use super::topology::{self, MAX_CLUSTER_NODES, ShardLayout};
use super::{MemberStatus, ReplicationGroup, Shard, Status, Task, Work, describe};
use crate::clock::Time;
use crate::elasticache::ElastiCache;
use crate::elasticache::input::Input;
use crate::elasticache::refusals::{group_not_found, invalid_combination, invalid_value, missing, no_modifications};
use crate::world::{Answer, AwsError, Call, World};

pub(in crate::elasticache) fn modify(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &mut world.elasticache;
    let id = input.required("ReplicationGroupId")?.to_ascii_lowercase();
    let wanted = input.number("NodeGroupCount")?.ok_or_else(|| missing("NodeGroupCount"))? as usize;
    let immediate = input.flag("ApplyImmediately")?.ok_or_else(|| missing("ApplyImmediately"))?;
    let group = cache.groups.get(&id).ok_or_else(|| group_not_found(&id))?;
    group.require_available("modified")?;
    if !immediate {
        return Err(invalid_value("ApplyImmediately=false is not supported for changes of the shard configuration."));
    }
    if !group.is_sharded() {
        return Err(invalid_combination("Operation is only applicable for cluster mode enabled"));
    }
    if wanted == 0 {
        return Err(invalid_value("The parameter NodeGroupCount must be at least 1."));
    }
    let current = group.shards.len();
    let work = match wanted.cmp(&current) {
        std::cmp::Ordering::Equal => return Err(no_modifications()),
        std::cmp::Ordering::Greater => {
            let added = grow(cache, group, wanted, input, call.now)?;
            let ids = added.iter().map(|shard| shard.id.clone()).collect();
            if let Some(group) = cache.groups.get_mut(&id) {
                group.shards.extend(added);
            }
            Work::AddShards(ids)
        }
        std::cmp::Ordering::Less => {
            let leaving = shrink(group, wanted, input)?;
            if let Some(group) = cache.groups.get_mut(&id) {
                let members = group.members_mut().filter(|member| leaving.contains(&member.shard));
                members.for_each(|member| member.status = MemberStatus::Deleting);
            }
            Work::RemoveShards(leaving)
        }
    };
    let fails = cache.next_roll_back(&call.action);
    let due = call.now + cache.pace.shards;
    if let Some(group) = cache.groups.get_mut(&id) {
        group.begin(Status::Modifying, Task { started: call.now, due, work, fails });
    }
    Ok(json!({ "ReplicationGroup": describe::group_tree(cache, &cache.groups[&id], call.now) }))
}

fn grow(
    cache: &ElastiCache,
    group: &ReplicationGroup,
    wanted: usize,
    input: Input<'_>,
    now: Time,
) -> Result<Vec<Shard>, AwsError> {
    let per_shard = group.fewest_replicas() + 1;
    if group.members().count() + (wanted - group.shards.len()) * per_shard > MAX_CLUSTER_NODES {
        return Err(AwsError::new(
            "NodeGroupsPerReplicationGroupQuotaExceeded",
            format!("A replication group can have at most {MAX_CLUSTER_NODES} nodes."),
        ));
    }
    let offered = cache.zones_of(group);
    let plans = input.items("ReshardingConfiguration", "ReshardingConfiguration").unwrap_or_default();
    let highest = group.shards.iter().filter_map(|shard| shard.id.parse::<usize>().ok()).max().unwrap_or(0);
    let mut added = Vec::new();
    for n in 1..=wanted - group.shards.len() {
        let id = format!("{:04}", highest + n);
        let zones = plans
            .iter()
            .find(|plan| plan.text("NodeGroupId") == Some(&id))
            .and_then(|plan| plan.texts("PreferredAvailabilityZones", "AvailabilityZone"))
            .unwrap_or_default();
        let mut zones: Vec<Option<String>> = zones.into_iter().map(Some).collect();
        zones.resize(per_shard, None);
        let prefix = format!("{}-{id}", group.id);
        let layout = ShardLayout { id, slots: Some(String::new()), zones };
        let mut shard = topology::build(layout, &prefix, highest + n - 1, wanted, &offered, now)?;
        for member in &mut shard.members {
            member.joined = false;
            member.tags.clone_from(&group.tags);
        }
        added.push(shard);
    }
    Ok(added)
}

/// Ids of the shards that go.
fn shrink(group: &ReplicationGroup, wanted: usize, input: Input<'_>) -> Result<Vec<String>, AwsError> {
    let removed = input.texts("NodeGroupsToRemove", "NodeGroupToRemove");
    let retained = input.texts("NodeGroupsToRetain", "NodeGroupToRetain");
    let named = removed.as_ref().or(retained.as_ref());
    let is_strange = |id: &&String| group.shards.iter().all(|shard| shard.id != **id);
    let strangers: Vec<&str> = named.into_iter().flatten().filter(is_strange).map(String::as_str).collect();
    if !strangers.is_empty() {
        let strangers = strangers.join(", ");
        return Err(invalid_value(format!("The following node group ids are invalid: [{strangers}]")));
    }
    let leaving: Vec<String> = match (removed, retained) {
        (Some(removed), None) => removed,
        (None, Some(retained)) => {
            group.shards.iter().map(|shard| shard.id.clone()).filter(|id| !retained.contains(id)).collect()
        }
        _ => {
            return Err(invalid_combination("Exactly one of NodeGroupsToRemove and NodeGroupsToRetain must be given."));
        }
    };
    if group.shards.len() - leaving.len() != wanted {
        return Err(invalid_combination("The node groups named do not lead to NodeGroupCount."));
    }
    Ok(leaving)
}
