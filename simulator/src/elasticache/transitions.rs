//! How long things take, and what happens when they are done.

use std::time::Duration;

use super::ElastiCache;
use super::replication_groups::{MemberStatus, ReplicationGroup, Status, Task, Work};
use crate::clock::Time;

/// How long operations take.
///
/// The default follows what acceptance tests of public tools show (facts section 6); AWS gives no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A new replication group.
    pub create: Duration,
    /// How much longer a new group takes with transport encryption.
    pub create_tls: Duration,
    /// How long Describe does not find a new group.
    pub visibility: Duration,
    /// Settings such as description, windows, security groups, parameter group.
    pub settings: Duration,
    /// Another engine or engine version.
    pub engine_version: Duration,
    /// Another node type.
    pub node_type: Duration,
    /// More replicas.
    pub add_replica: Duration,
    /// How long a new replica still is creating after its group says available.
    pub member_lag: Duration,
    /// Fewer replicas.
    pub remove_replica: Duration,
    /// One move of transport encryption.
    pub tls: Duration,
    /// One AUTH step, or a change of user groups.
    pub auth: Duration,
    /// One step of cluster mode.
    pub cluster_mode: Duration,
    /// More or fewer shards.
    pub shards: Duration,
    /// A change of tags.
    pub tags: Duration,
    /// A snapshot.
    pub snapshot: Duration,
    /// Removal of a snapshot.
    pub delete_snapshot: Duration,
    /// Removal of a group.
    pub delete: Duration,
    /// How long network interfaces outlive their group.
    pub interface_release: Duration,
    /// How long a parameter group has pending changes after a change.
    pub parameters_apply: Duration,
}

const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            create: minutes(5),
            create_tls: minutes(1),
            visibility: Duration::from_secs(2),
            settings: Duration::from_secs(40),
            engine_version: minutes(12),
            node_type: minutes(12),
            add_replica: minutes(5),
            member_lag: Duration::from_secs(30),
            remove_replica: minutes(4),
            tls: minutes(10),
            auth: minutes(5),
            cluster_mode: minutes(10),
            shards: minutes(15),
            tags: Duration::from_secs(5),
            snapshot: minutes(3),
            delete_snapshot: Duration::from_secs(10),
            delete: minutes(4),
            interface_release: Duration::from_secs(90),
            parameters_apply: Duration::from_secs(30),
        }
    }
}

impl Pace {
    /// Everything happens at once.
    #[must_use]
    pub fn instant() -> Pace {
        let at_once = Duration::ZERO;
        Pace {
            create: at_once,
            create_tls: at_once,
            visibility: at_once,
            settings: at_once,
            engine_version: at_once,
            node_type: at_once,
            add_replica: at_once,
            member_lag: at_once,
            remove_replica: at_once,
            tls: at_once,
            auth: at_once,
            cluster_mode: at_once,
            shards: at_once,
            tags: at_once,
            snapshot: at_once,
            delete_snapshot: at_once,
            delete: at_once,
            interface_release: at_once,
            parameters_apply: at_once,
        }
    }
}

/// Something that is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    SnapshotDone(String),
    SnapshotGone(String),
    TaskDone(String),
    MemberReady(String, String),
    WindowOpens(String),
}

impl ElastiCache {
    /// Everything due by `now` happens, in order of its due date.
    pub(super) fn run_until(&mut self, now: Time) {
        while let Some((at, due)) = self.next_due(now) {
            self.act_on(due, at, now);
        }
        self.interfaces.retain(|interface| interface.until > now);
    }

    fn next_due(&self, now: Time) -> Option<(Time, Due)> {
        let snapshots = self.snapshots.values().flat_map(|snapshot| {
            let name = &snapshot.name;
            let done = snapshot.ready_at.map(|at| (at, Due::SnapshotDone(name.clone())));
            let gone = snapshot.gone_at.map(|at| (at, Due::SnapshotGone(name.clone())));
            done.into_iter().chain(gone)
        });
        let groups = self.groups.values().flat_map(|group| {
            let id = &group.id;
            let task = group.task.as_ref().filter(|task| self.may_finish(group, task));
            let task = task.map(|task| (task.due, Due::TaskDone(id.clone())));
            let window = (group.status == Status::Available)
                .then_some(group.waiting.as_ref())
                .flatten()
                .map(|waiting| (waiting.opens, Due::WindowOpens(id.clone())));
            let members = group.members().filter_map(|member| {
                let at = member.ready_at.filter(|_| self.is_up(&member.id))?;
                Some((at, Due::MemberReady(id.clone(), member.id.clone())))
            });
            task.into_iter().chain(window).chain(members).collect::<Vec<_>>()
        });
        snapshots.chain(groups).filter(|(at, _)| *at <= now).min()
    }

    /// With real nodes a group is not created before its nodes accept connections.
    fn may_finish(&self, group: &ReplicationGroup, task: &Task) -> bool {
        let Some(real) = &self.real_nodes else { return true };
        match &task.work {
            Work::Create if task.fails.is_none() => {
                real.groups.contains_key(&group.id) && group.members().all(|member| self.is_up(&member.id))
            }
            _ => true,
        }
    }

    /// Whether a member accepts connections, as far as real nodes matter.
    fn is_up(&self, member: &str) -> bool {
        self.real_nodes.as_ref().is_none_or(|real| real.members.contains_key(member))
    }

    fn act_on(&mut self, due: Due, at: Time, now: Time) {
        match due {
            Due::SnapshotDone(name) => {
                if let Some(snapshot) = self.snapshots.get_mut(&name) {
                    snapshot.ready_at = None;
                }
            }
            Due::SnapshotGone(name) => {
                self.snapshots.remove(&name);
            }
            Due::MemberReady(group, member) => {
                if let Some(member) = self.groups.get_mut(&group).and_then(|group| group.member_mut(&member)) {
                    member.ready_at = None;
                    member.status = MemberStatus::Available;
                }
            }
            Due::WindowOpens(id) => self.open_window(&id, at),
            Due::TaskDone(id) => {
                self.finish(&id, at, now);
                self.forget_nodes();
            }
        }
    }

    /// The maintenance window opened: what waited for it starts.
    fn open_window(&mut self, id: &str, at: Time) {
        let Some(group) = self.groups.get_mut(id) else { return };
        if let Some(waiting) = group.waiting.take() {
            let due = at + waiting.changes.duration(&self.pace);
            group.begin(Status::Modifying, Task::new(at, due, Work::Modify(Box::new(waiting.changes))));
        }
    }

    /// A group's task is over.
    fn finish(&mut self, id: &str, at: Time, now: Time) {
        let lag = self.pace.member_lag;
        let Some(group) = self.groups.get_mut(id) else { return };
        let Some(task) = group.task.take() else { return };
        // The snapshot is free again however the restore ended.
        let snapshot = group.restoring.take().and_then(|name| self.snapshots.get_mut(&name));
        if let Some(snapshot) = snapshot {
            snapshot.restoring = false;
        }
        if let Some(message) = task.fails {
            group.undo(task.work);
            self.add_event(at, "replication-group", id, message);
            return;
        }
        group.status = Status::Available;
        match task.work {
            Work::Create => {
                group.members_mut().for_each(|member| member.status = MemberStatus::Available);
                self.add_event(at, "replication-group", id, format!("Replication group {id} has been created."));
            }
            Work::Modify(changes) => changes.apply(group, at),
            Work::AddMembers(added) => {
                group.join(&added, at + lag);
                self.add_event(at, "replication-group", id, format!("Added {} to {id}.", added.join(", ")));
            }
            Work::RemoveMembers(removed) => {
                group.drop_members(&removed);
                self.add_event(at, "replication-group", id, format!("Removed {} from {id}.", removed.join(", ")));
            }
            Work::AddShards(added) => {
                let members: Vec<String> = group
                    .members()
                    .filter(|member| added.contains(&member.shard))
                    .map(|member| member.id.clone())
                    .collect();
                group.join(&members, at + lag);
                group.spread_slots();
            }
            Work::RemoveShards(removed) => {
                group.shards.retain(|shard| !removed.contains(&shard.id));
                group.spread_slots();
                group.end_snapshot_of_member();
            }
            Work::Tags | Work::MemberTags | Work::Snapshot | Work::Hold => {}
            Work::Delete { .. } => self.remove_group(id, at, now),
        }
    }

    /// The group is gone; its network interfaces stay for a while.
    pub(super) fn remove_group(&mut self, id: &str, at: Time, now: Time) {
        let Some(group) = self.groups.remove(id) else { return };
        self.forget_nodes();
        let until = at + self.pace.interface_release;
        if until > now {
            self.interfaces.push(super::Interface { security_groups: group.security_groups, until });
        }
        // Automatic snapshots go with their group, manual ones stay.
        self.snapshots.retain(|_, snapshot| snapshot.manual || snapshot.group != id);
        self.add_event(at, "replication-group", id, format!("Replication group {id} has been deleted."));
    }

    /// A node of the same name that comes later has to report anew.
    fn forget_nodes(&mut self) {
        let Some(real) = &mut self.real_nodes else { return };
        let groups = &self.groups;
        real.groups.retain(|id, _| groups.contains_key(id));
        real.members.retain(|id, _| groups.values().any(|group| group.members().any(|member| member.id == *id)));
    }
}
