//! Alarms on the nodes: made with them, gone with them.
//!
//! A cluster never waits for its alarms nor fails for them: what goes wrong is a warning. An alarm is ours when its
//! description says so; one of our names that somebody else made is left alone. The tag `alarms` on the subnet group says
//! that there may be some, so that nobody looks for them where there are none, and they are found when the template no
//! longer asks for them.

use std::collections::{BTreeMap, BTreeSet};

use super::types::Pass;
use crate::desired::Desired;
use crate::domain::alarm::{Alarm, Node};
use crate::domain::tags::{Owner, TAG_ALARMS};
use crate::observed::{Group, Observed};
use crate::step::{Step, TagTarget};

/// Most names that AWS takes in one deletion.
const NAMES_PER_CALL: usize = 100;
/// Nodes whose alarms are put at the same time: AWS takes three calls a second.
const NODES_AT_ONCE: usize = 3;

/// Deletes what is not wanted, then puts what is missing or different. When none is wanted and none is left, nobody has to
/// look for them any more.
pub(super) fn steps(pass: &Pass<'_>) -> Vec<Step> {
    let Pass { desired, group, observed, .. } = *pass;
    if observed.alarm_trouble.is_some() {
        return Vec::new();
    }
    let wanted = wanted(desired, group, observed);
    let is_wanted = |name: &String| wanted.values().flatten().any(|alarm| alarm.name == *name);
    let owner = &desired.owner;
    let surplus = observed.alarms.values().filter(|alarm| alarm.is_of(owner) && !is_wanted(&alarm.name));
    let surplus = deletion(surplus);
    if !surplus.is_empty() {
        return surplus;
    }
    let is_missing = |alarm: &Alarm| match observed.alarms.get(&alarm.name) {
        Some(there) => there != alarm && there.is_of(owner),
        None => true,
    };
    let missing = wanted.into_iter().filter_map(|(node, alarms)| {
        let alarms: Vec<Alarm> = alarms.into_iter().filter(is_missing).collect();
        (!alarms.is_empty()).then(|| Step::PutAlarms { node: node.clone(), alarms, tags: desired.tags.clone() })
    });
    let missing: Vec<Step> = missing.take(NODES_AT_ONCE).collect();
    if !missing.is_empty() || desired.alarms.is_some() || !observed.may_have_alarms() {
        return missing;
    }
    let target = observed.subnet_group.iter().map(|group| TagTarget::ElastiCache(group.arn.clone()));
    target.map(|target| Step::Untag { target, keys: [TAG_ALARMS.to_owned()].into() }).collect()
}

/// The alarms of every node.
fn wanted<'o>(desired: &Desired, group: &Group, observed: &'o Observed) -> BTreeMap<&'o String, Vec<Alarm>> {
    let Some(alarms) = &desired.alarms else { return BTreeMap::new() };
    let may_be_full = desired.may_be_full(observed.maxmemory_policy.as_deref());
    // A failover, of which nobody tells this function, makes the primary one of the replicas.
    let is_alone = |id: &String| {
        let shard = group.shards.iter().find(|shard| shard.member_ids.contains(id));
        shard.is_none_or(|shard| shard.member_ids.len() < 2)
    };
    let of_node = |id: &'o String, node_type: &str| {
        let may_be_replica = !is_alone(id);
        let node = Node { group: &group.id, id, node_type, may_be_replica, may_be_full };
        (id, alarms.of(node, &desired.owner).collect())
    };
    observed.members.iter().map(|(id, member)| of_node(id, &member.node_type)).collect()
}

fn deletion<'a>(alarms: impl Iterator<Item = &'a Alarm>) -> Vec<Step> {
    let names: Vec<&String> = alarms.map(|alarm| &alarm.name).collect();
    let calls = names.chunks(NAMES_PER_CALL);
    calls.map(|names| Step::DeleteAlarms { names: names.iter().map(|name| (*name).clone()).collect() }).collect()
}

/// What is left to delete when the group has gone.
pub(super) fn removal(owner: &Owner, observed: &Observed) -> Vec<Step> {
    if observed.alarm_trouble.is_some() {
        return Vec::new();
    }
    deletion(observed.alarms.values().filter(|alarm| alarm.is_of(owner)))
}

pub(super) fn warnings(desired: &Desired, observed: &Observed) -> Vec<String> {
    let trouble = observed.alarm_trouble.iter().map(|why| {
        let rest = "the alarms are not as they should be, and the next update tries again";
        format!("{rest}: {why}").replace(';', ",")
    });
    let wanted = observed.group.as_ref().map(|group| wanted(desired, group, observed)).unwrap_or_default();
    let names: BTreeSet<&String> = wanted.values().flatten().map(|alarm| &alarm.name).collect();
    let others = observed.alarms.values().filter(|alarm| names.contains(&alarm.name) && !alarm.is_of(&desired.owner));
    let others = others.map(|alarm| {
        format!("alarm {} was left as it is, because this stack did not make it: rename or delete it", alarm.name)
    });
    trouble.chain(others).collect()
}
