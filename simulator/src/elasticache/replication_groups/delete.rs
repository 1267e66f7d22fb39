//! DeleteReplicationGroup.

use serde_json::json;

use super::{MemberStatus, Status, Task, Work, describe};
use crate::elasticache::input::Input;
use crate::elasticache::refusals::{group_not_found, group_state, invalid_combination};
use crate::elasticache::snapshots;
use crate::world::{Answer, AwsError, Call, World};

pub(in crate::elasticache) fn delete(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &mut world.elasticache;
    let id = input.required("ReplicationGroupId")?.to_ascii_lowercase();
    let group = cache.groups.get(&id).ok_or_else(|| group_not_found(&id))?;
    if !matches!(group.status, Status::Available | Status::CreateFailed) {
        return Err(group_state(&id, group.status, "deleted"));
    }
    if let Some(member) = group.members().find(|member| member.status != MemberStatus::Available) {
        let message = format!("Cache cluster {} is not in a valid state to be deleted", member.id);
        return Err(AwsError::new("InvalidReplicationGroupState", message));
    }
    if input.flag("RetainPrimaryCluster")?.unwrap_or(false) {
        return Err(invalid_combination("RetainPrimaryCluster is not supported for this replication group."));
    }
    let mut due = call.now + cache.pace.delete;
    let mut snapshot_until = None;
    if let Some(name) = input.text("FinalSnapshotIdentifier").filter(|name| !name.is_empty()) {
        if group.status == Status::CreateFailed {
            return Err(invalid_combination("A failed replication group has nothing to take a snapshot of."));
        }
        let snapshot = snapshots::of_group(cache, group, None, name, call.now)?;
        snapshot_until = snapshot.ready_at;
        cache.snapshots.insert(snapshot.name.clone(), snapshot);
        due = due + cache.pace.snapshot;
    }
    if let Some(group) = cache.groups.get_mut(&id) {
        group.waiting = None;
        group.begin(Status::Deleting, Task::new(call.now, due, Work::Delete { snapshot_until }));
    }
    Ok(json!({ "ReplicationGroup": describe::group_tree(cache, &cache.groups[&id], call.now) }))
}
