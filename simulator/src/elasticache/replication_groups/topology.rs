//! How many shards and nodes a new group has, and in which zones.

use crate::clock::Time;
use crate::elasticache::input::Input;
use crate::elasticache::refusals::{invalid_combination, invalid_value};
use crate::world::AwsError;

use super::{Member, MemberStatus, Shard};

/// Key slots of a cluster.
const SLOTS: usize = 16_384;
/// Most nodes of a group without shards.
pub(super) const MAX_NODES: u32 = 6;
/// Most replicas of one shard.
pub(super) const MAX_REPLICAS: u32 = 5;
/// Most nodes of a sharded group before a quota increase.
pub(super) const MAX_CLUSTER_NODES: usize = 90;

/// One shard as asked for.
#[derive(Clone, Debug)]
pub(super) struct ShardLayout {
    pub(super) id: String,
    pub(super) slots: Option<String>,
    /// One zone per node, the primary's first; `None` leaves the choice to the service.
    pub(super) zones: Vec<Option<String>>,
}

/// Whether a request speaks of shards at all.
pub(super) fn asks_for_shards(input: Input<'_>) -> Result<bool, AwsError> {
    let shards = input.number("NumNodeGroups")?.unwrap_or(1);
    let configured = input.items("NodeGroupConfiguration", "NodeGroupConfiguration").map_or(0, |list| list.len());
    Ok(shards > 1 || configured > 1 || input.text("ClusterMode") == Some("enabled"))
}

/// The shards that a Create call asks for.
pub(super) fn read(input: Input<'_>) -> Result<Vec<ShardLayout>, AwsError> {
    let nodes = input.number("NumCacheClusters")?;
    let shards = input.number("NumNodeGroups")?;
    let replicas = input.number("ReplicasPerNodeGroup")?;
    let configured = input.items("NodeGroupConfiguration", "NodeGroupConfiguration").unwrap_or_default();
    let zones = input.texts("PreferredCacheClusterAZs", "AvailabilityZone").unwrap_or_default();
    if replicas.is_some_and(|count| count > MAX_REPLICAS) {
        return Err(invalid_value("The parameter ReplicasPerNodeGroup must be between 0 and 5."));
    }
    if shards == Some(0) {
        return Err(invalid_value("The parameter NumNodeGroups must be at least 1."));
    }
    if nodes.is_some() && (shards.is_some() || replicas.is_some() || !configured.is_empty()) {
        return Err(invalid_combination(
            "NumCacheClusters cannot be used with NumNodeGroups, ReplicasPerNodeGroup or NodeGroupConfiguration.",
        ));
    }
    let layout = if configured.is_empty() {
        let per_shard = replicas.map_or(nodes.unwrap_or(1), |replicas| replicas + 1);
        if !(1..=MAX_NODES).contains(&per_shard) {
            return Err(invalid_value("The parameter NumCacheClusters must be between 1 and 6."));
        }
        (1..=shards.unwrap_or(1))
            .map(|n| ShardLayout { id: format!("{n:04}"), slots: None, zones: vec![None; per_shard as usize] })
            .collect()
    } else {
        read_configured(&configured, shards, replicas)?
    };
    place(layout, &zones)
}

fn read_configured(
    configured: &[Input<'_>],
    shards: Option<u32>,
    replicas: Option<u32>,
) -> Result<Vec<ShardLayout>, AwsError> {
    if shards.is_some_and(|count| count as usize != configured.len()) {
        return Err(invalid_combination("NodeGroupConfiguration must describe as many node groups as NumNodeGroups."));
    }
    let mut layout = Vec::new();
    for (index, one) in configured.iter().enumerate() {
        let id = match one.text("NodeGroupId") {
            None => format!("{:04}", index + 1),
            Some(id) if (1..=4).contains(&id.len()) && id.chars().all(|c| c.is_ascii_digit()) => format!("{id:0>4}"),
            Some(id) => return Err(invalid_value(format!("The NodeGroupId {id} is invalid."))),
        };
        let count = one.number("ReplicaCount")?.or(replicas).unwrap_or(0);
        if count > MAX_REPLICAS {
            return Err(invalid_value("The parameter ReplicaCount must be between 0 and 5."));
        }
        let replica_zones = one.texts("ReplicaAvailabilityZones", "AvailabilityZone").unwrap_or_default();
        if !replica_zones.is_empty() && replica_zones.len() != count as usize {
            return Err(invalid_combination("ReplicaAvailabilityZones must name one zone per replica."));
        }
        let mut zones = vec![one.owned("PrimaryAvailabilityZone")];
        zones.extend(replica_zones.into_iter().map(Some));
        zones.resize(count as usize + 1, None);
        layout.push(ShardLayout { id, slots: one.owned("Slots").filter(|slots| !slots.is_empty()), zones });
    }
    let mut ids: Vec<&str> = layout.iter().map(|shard| shard.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != layout.len() {
        return Err(invalid_value("NodeGroupConfiguration names a NodeGroupId twice."));
    }
    check_slots(&layout)?;
    Ok(layout)
}

/// Slots are given for all shards or for none, and every slot belongs to exactly one.
fn check_slots(layout: &[ShardLayout]) -> Result<(), AwsError> {
    if layout.iter().all(|shard| shard.slots.is_none()) {
        return Ok(());
    }
    let mut taken = vec![false; SLOTS];
    for shard in layout {
        let slots =
            shard.slots.as_deref().ok_or_else(|| invalid_combination("Slots must be given for all node groups."))?;
        for range in slots.split(',') {
            let (low, high) = range.split_once('-').unwrap_or((range, range));
            let bounds = low.trim().parse::<usize>().ok().zip(high.trim().parse::<usize>().ok());
            let Some((low, high)) = bounds.filter(|(low, high)| low <= high && *high < SLOTS) else {
                return Err(invalid_value(format!("The slots {range} are invalid.")));
            };
            for slot in &mut taken[low..=high] {
                if std::mem::replace(slot, true) {
                    return Err(invalid_combination(format!("The slots {range} belong to another node group too.")));
                }
            }
        }
    }
    if taken.contains(&false) {
        return Err(invalid_combination("The node groups must cover all 16384 slots."));
    }
    Ok(())
}

/// Spreads the zones asked for over the nodes in order.
fn place(mut layout: Vec<ShardLayout>, zones: &[String]) -> Result<Vec<ShardLayout>, AwsError> {
    if zones.is_empty() {
        return Ok(layout);
    }
    if layout.len() > 1 {
        return Err(invalid_combination("PreferredCacheClusterAZs can only be specified for one node group."));
    }
    let nodes: usize = layout.iter().map(|shard| shard.zones.len()).sum();
    if zones.len() != nodes {
        return Err(invalid_combination(
            "Must specify the same number of preferred availability zones as requested number of nodes.",
        ));
    }
    let all = layout.iter_mut().flat_map(|shard| &mut shard.zones);
    all.zip(zones).for_each(|(zone, wanted)| *zone = Some(wanted.clone()));
    Ok(layout)
}

/// Makes a shard of its layout; the service fills zones in turn from `offered`, starting with a different one per shard.
pub(super) fn build(
    layout: ShardLayout,
    prefix: &str,
    index: usize,
    count: usize,
    offered: &[String],
    now: Time,
) -> Result<Shard, AwsError> {
    let mut members = Vec::new();
    for (n, zone) in layout.zones.into_iter().enumerate() {
        let zone = match zone {
            None => offered.get((index + n) % offered.len().max(1)).cloned().unwrap_or_default(),
            Some(zone) if offered.contains(&zone) => zone,
            Some(zone) => {
                return Err(invalid_value(format!("The subnet group has no subnet in availability zone {zone}.")));
            }
        };
        members.push(Member {
            id: format!("{prefix}-{:03}", n + 1),
            shard: layout.id.clone(),
            zone,
            primary: n == 0,
            status: MemberStatus::Creating,
            joined: true,
            ready_at: None,
            created: now,
            tags: std::collections::BTreeMap::new(),
        });
    }
    Ok(Shard { slots: layout.slots.unwrap_or_else(|| even_slots(index, count)), id: layout.id, members })
}

/// The slots of one of `count` equal shards.
pub(super) fn even_slots(index: usize, count: usize) -> String {
    let count = count.max(1);
    format!("{}-{}", index * SLOTS / count, (index + 1) * SLOTS / count - 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn slots_must_be_complete_and_apart() {
        let read = |first: &str, second: &str| {
            let tree =
                json!({"NodeGroupConfiguration": {"NodeGroupConfiguration": [{"Slots": first}, {"Slots": second}]}});
            read(Input(&tree)).map(|layout| layout.len())
        };
        assert_eq!(read("0-8191", "8192-16383").unwrap(), 2);
        assert!(read("0-8191", "8191-16383").is_err());
        assert!(read("0-8191", "8193-16383").is_err());
        assert_eq!(even_slots(0, 2), "0-8191");
        assert_eq!(even_slots(2, 3), "10922-16383");
    }

    #[test]
    fn counts_exclude_each_other() {
        let refused = |tree| read(Input(&tree)).unwrap_err().code;
        assert_eq!(refused(json!({"NumCacheClusters": "2", "NumNodeGroups": "1"})), "InvalidParameterCombination");
        assert_eq!(refused(json!({"NumCacheClusters": "7"})), "InvalidParameterValue");
        let zones = json!({"NumCacheClusters": "2", "PreferredCacheClusterAZs": {"AvailabilityZone": ["us-east-1a"]}});
        assert_eq!(refused(zones), "InvalidParameterCombination");
    }
}
