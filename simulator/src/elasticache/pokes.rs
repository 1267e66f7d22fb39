//! What tests do past the API: plan failures, and change things behind the owner's back.

use std::collections::BTreeMap;

use super::replication_groups::{Status, Task, Work};
use super::{ElastiCache, ReplicationGroup, UserGroup, names};
use crate::clock::Time;

impl ElastiCache {
    /// The next replication group takes its time, then is `create-failed`, with this event.
    pub fn fail_next_create(&mut self, event: impl Into<String>) {
        self.create_failures.push_back(event.into());
    }

    /// The next accepted call of `action` (ModifyReplicationGroup, IncreaseReplicaCount, DecreaseReplicaCount or
    /// ModifyReplicationGroupShardConfiguration) takes its time and changes nothing; this event tells why.
    pub fn roll_back_next(&mut self, action: impl Into<String>, event: impl Into<String>) {
        self.roll_backs.push((action.into(), event.into()));
    }

    pub(super) fn next_roll_back(&mut self, action: &str) -> Option<String> {
        let position = self.roll_backs.iter().position(|(planned, _)| planned == action)?;
        Some(self.roll_backs.remove(position).1)
    }

    /// Deliveries of logs to this destination are accepted and fail, from now on or as soon as there is one.
    pub fn fail_log_delivery(&mut self, destination: impl Into<String>, message: impl Into<String>) {
        self.log_failures.insert(destination.into(), message.into());
    }

    /// Deliveries to this destination work again.
    pub fn mend_log_delivery(&mut self, destination: &str) {
        self.log_failures.remove(destination);
    }

    /// No call resets this parameter: AWS says that it does not exist, as it does of `reserved-memory`.
    pub fn refuse_reset(&mut self, parameter: impl Into<String>) {
        self.unresettable.insert(parameter.into());
    }

    /// Somebody deleted the group, and it is already gone.
    pub fn delete_by_hand(&mut self, group: &str, now: Time) {
        self.remove_group(group, now, now);
    }

    /// A failover made this member the primary of its shard.
    pub fn promote(&mut self, member: &str) {
        self.groups.values_mut().for_each(|group| group.promote(member));
    }

    /// The group is in this state until then, and available afterwards.
    pub fn set_status(&mut self, group: &str, status: Status, now: Time, until: Time) {
        if let Some(group) = self.groups.get_mut(group) {
            group.begin(status, Task::new(now, until, Work::Hold));
        }
    }

    /// The account has this user group.
    pub fn add_user_group(&mut self, group: UserGroup) {
        self.user_groups.insert(group.id.clone(), group);
    }

    /// Every existing resource that carries this tag key, by ARN.
    #[must_use]
    pub fn tagged(&self, key: &str) -> Vec<(String, BTreeMap<String, String>)> {
        let groups = self.groups.values().map(|group| (names::arn("replicationgroup", &group.id), &group.tags));
        let members = self.groups.values().flat_map(ReplicationGroup::members);
        let members = members.map(|member| (names::arn("cluster", &member.id), &member.tags));
        let subnets = self.subnet_groups.values().map(|group| (names::arn("subnetgroup", &group.name), &group.tags));
        let parameters =
            self.parameter_groups.values().map(|group| (names::arn("parametergroup", &group.name), &group.tags));
        let snapshots =
            self.snapshots.values().map(|snapshot| (names::arn("snapshot", &snapshot.name), &snapshot.tags));
        groups
            .chain(members)
            .chain(subnets)
            .chain(parameters)
            .chain(snapshots)
            .filter(|(_, tags)| tags.contains_key(key))
            .map(|(arn, tags)| (arn, tags.clone()))
            .collect()
    }
}
