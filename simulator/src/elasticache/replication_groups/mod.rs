//! Replication groups: their state, and one file per operation.

mod access;
mod changes;
pub(super) mod clusters;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod describe;
mod endpoints;
mod logs;
pub(super) mod modify;
mod protection;
pub(super) mod replicas;
pub(super) mod shards;
mod topology;

use std::collections::{BTreeMap, BTreeSet};

pub use access::{AuthStep, UserGroupStep};
pub use changes::{Changes, Waiting};
pub use logs::LogDelivery;

use super::catalog::{RELEASES, Release};
use super::refusals::{cluster_state, group_state};
use crate::clock::Time;
use crate::nodes::Tls;
use crate::world::AwsError;

/// State of a group as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being made.
    Creating,
    /// Ready for any call.
    Available,
    /// Being changed.
    Modifying,
    /// A snapshot is being taken.
    Snapshotting,
    /// On its way out.
    Deleting,
    /// Could not be made; only deletion is left.
    CreateFailed,
}

impl Status {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Creating => "creating",
            Status::Available => "available",
            Status::Modifying => "modifying",
            Status::Snapshotting => "snapshotting",
            Status::Deleting => "deleting",
            Status::CreateFailed => "create-failed",
        }
    }
}

/// State of one member beyond what follows from its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberStatus {
    /// Being made.
    Creating,
    /// Serving.
    Available,
    /// Being removed.
    Deleting,
}

/// Whether keys are spread over shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterMode {
    /// One shard, plain clients.
    Disabled,
    /// Both kinds of clients, on the way to enabled.
    Compatible,
    /// Cluster clients only.
    Enabled,
}

impl ClusterMode {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ClusterMode::Disabled => "disabled",
            ClusterMode::Compatible => "compatible",
            ClusterMode::Enabled => "enabled",
        }
    }
}

/// One cache node of a group.
#[derive(Clone, Debug)]
pub struct Member {
    /// `prod-app-001`, or `prod-app-0001-001` in a sharded group.
    pub id: String,
    /// Shard it belongs to.
    pub shard: String,
    /// Availability zone.
    pub zone: String,
    /// Whether it takes writes.
    pub primary: bool,
    /// State.
    pub status: MemberStatus,
    /// Whether it is listed under its node group; a member that is being added is only a cluster at first.
    pub joined: bool,
    /// When it becomes available, if it joined before it was.
    pub ready_at: Option<Time>,
    /// When it was asked for.
    pub created: Time,
    /// Tags: those of the group, and what was added to it alone.
    pub tags: BTreeMap<String, String>,
}

/// One shard.
#[derive(Clone, Debug)]
pub struct Shard {
    /// Four digits.
    pub id: String,
    /// Key slots, such as `0-8191`.
    pub slots: String,
    /// Members in order of their ids.
    pub members: Vec<Member>,
}

/// What a group is busy with.
#[derive(Clone, Debug)]
pub struct Task {
    /// When it began.
    pub started: Time,
    /// When it is done.
    pub due: Time,
    /// What it does in the end.
    pub work: Work,
    /// The event that is left behind when it fails; it then changes nothing.
    pub fails: Option<String>,
}

impl Task {
    /// A task that succeeds.
    #[must_use]
    pub fn new(started: Time, due: Time, work: Work) -> Task {
        Task { started, due, work, fails: None }
    }
}

/// Kinds of tasks.
#[derive(Clone, Debug)]
pub enum Work {
    /// Make the group.
    Create,
    /// Change settings.
    Modify(Box<Changes>),
    /// Add these members.
    AddMembers(Vec<String>),
    /// Remove these members.
    RemoveMembers(Vec<String>),
    /// Add these shards.
    AddShards(Vec<String>),
    /// Remove these shards.
    RemoveShards(Vec<String>),
    /// Change the tags of the group and of all members.
    Tags,
    /// Change the tags of members.
    MemberTags,
    /// Take a snapshot.
    Snapshot,
    /// Nothing: the state was set by hand.
    Hold,
    /// Remove the group, after a last snapshot that takes until then.
    Delete {
        /// End of the final snapshot.
        snapshot_until: Option<Time>,
    },
}

/// A replication group. Fields are open, so that tests can change things behind the owner's back.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the API's own shape")]
pub struct ReplicationGroup {
    /// Id, in lower case.
    pub id: String,
    /// Description.
    pub description: String,
    /// State.
    pub status: Status,
    /// What it is busy with.
    pub task: Option<Task>,
    /// Changes that wait for the maintenance window.
    pub waiting: Option<Waiting>,
    /// When it was asked for.
    pub created: Time,
    /// From when Describe finds it.
    pub visible_from: Time,
    /// Six characters in its host names.
    pub host_infix: String,
    /// Whether host names are of the kind that certificates fit, which is decided at creation.
    pub tls_host_names: bool,
    /// `valkey` or `redis`.
    pub engine: String,
    /// Full version, such as `8.2.0`.
    pub engine_version: String,
    /// Node type.
    pub node_type: String,
    /// Parameter group.
    pub parameter_group: String,
    /// Whether a changed parameter waits for a restart of the nodes.
    pub parameters_need_reboot: bool,
    /// Subnet group.
    pub subnet_group: String,
    /// Security groups.
    pub security_groups: Vec<String>,
    /// Port.
    pub port: u32,
    /// Automatic failover.
    pub failover: bool,
    /// Multi-AZ.
    pub multi_az: bool,
    /// Cluster mode.
    pub cluster_mode: ClusterMode,
    /// Shards with their members.
    pub shards: Vec<Shard>,
    /// Maintenance window.
    pub maintenance_window: String,
    /// Snapshot window.
    pub snapshot_window: String,
    /// Days that automatic snapshots are kept.
    pub snapshot_retention: u32,
    /// Member that automatic snapshots are taken of.
    pub snapshotting_member: Option<String>,
    /// Topic for notifications.
    pub notification_topic: Option<String>,
    /// Whether notifications are on.
    pub notification_active: bool,
    /// Minor version upgrades.
    pub auto_minor_upgrade: bool,
    /// Encryption at rest.
    pub at_rest: bool,
    /// Key for encryption at rest.
    pub kms_key: Option<String>,
    /// Transport encryption.
    pub tls: Tls,
    /// AUTH tokens that are valid, oldest first, at most two.
    pub tokens: Vec<String>,
    /// Whether connections without a token are still accepted along with `tokens`.
    pub token_optional: bool,
    /// When tokens last changed.
    pub token_changed: Option<Time>,
    /// User groups.
    pub user_groups: Vec<String>,
    /// Log delivery.
    pub logs: Vec<LogDelivery>,
    /// `ipv4`, `ipv6` or `dual_stack`.
    pub network_type: String,
    /// `ipv4` or `ipv6`.
    pub ip_discovery: String,
    /// Data tiering.
    pub data_tiering: bool,
    /// Durability as asked for.
    pub durability: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Snapshot that it is being restored from.
    pub restoring: Option<String>,
    /// Keys and values, as far as a simulation has them: kept over changes in place, lost with the group.
    pub data: BTreeMap<String, String>,
}

impl ReplicationGroup {
    /// All members.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.shards.iter().flat_map(|shard| &shard.members)
    }

    /// All members.
    pub fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.shards.iter_mut().flat_map(|shard| &mut shard.members)
    }

    /// One member.
    pub fn member_mut(&mut self, id: &str) -> Option<&mut Member> {
        self.members_mut().find(|member| member.id == id)
    }

    /// Whether the keys may be spread over shards.
    #[must_use]
    pub fn is_sharded(&self) -> bool {
        self.cluster_mode == ClusterMode::Enabled
    }

    /// Whether there is a token or a user group.
    #[must_use]
    pub fn has_access_control(&self) -> bool {
        !self.tokens.is_empty() || !self.user_groups.is_empty()
    }

    /// The release that it runs.
    pub(super) fn release(&self) -> Option<Release> {
        let same = |release: &&Release| release.engine == self.engine && release.full_version == self.engine_version;
        RELEASES.iter().find(same).copied()
    }

    /// Whether it uses a parameter group, or is about to.
    pub(super) fn uses_parameter_group(&self, name: &str) -> bool {
        let running = match self.task.as_ref().map(|task| &task.work) {
            Some(Work::Modify(changes)) => changes.parameter_group.as_deref(),
            _ => None,
        };
        let waiting = self.waiting.as_ref().and_then(|waiting| waiting.changes.parameter_group.as_deref());
        self.parameter_group == name || running == Some(name) || waiting == Some(name)
    }

    /// Fewest replicas in any shard.
    pub(super) fn fewest_replicas(&self) -> usize {
        self.shards.iter().map(|shard| shard.members.len().saturating_sub(1)).min().unwrap_or(0)
    }

    pub(super) fn begin(&mut self, status: Status, task: Task) {
        self.status = status;
        self.task = Some(task);
    }

    /// A change needs the group and all members available.
    pub(super) fn require_available(&self, wanted: &str) -> Result<(), AwsError> {
        if self.status != Status::Available {
            return Err(group_state(&self.id, self.status, wanted));
        }
        match self.members().find(|member| member.status != MemberStatus::Available) {
            Some(member) => Err(cluster_state(&member.id, wanted)),
            None => Ok(()),
        }
    }

    /// A task failed: back to how it was, or to a failed creation.
    pub(super) fn undo(&mut self, work: Work) {
        self.status = Status::Available;
        match work {
            Work::Create => {
                self.status = Status::CreateFailed;
                self.shards.clear();
            }
            Work::AddMembers(added) => self.drop_members(&added),
            Work::RemoveMembers(kept) => {
                let kept: BTreeSet<String> = kept.into_iter().collect();
                let back = self.members_mut().filter(|member| kept.contains(&member.id));
                back.for_each(|member| member.status = MemberStatus::Available);
            }
            Work::AddShards(added) => self.shards.retain(|shard| !added.contains(&shard.id)),
            Work::RemoveShards(kept) => {
                let back = self.members_mut().filter(|member| kept.contains(&member.shard));
                back.for_each(|member| member.status = MemberStatus::Available);
            }
            Work::Modify(_) | Work::Tags | Work::MemberTags | Work::Snapshot | Work::Hold | Work::Delete { .. } => {}
        }
    }

    /// New members are listed under their node groups and become available at `at`.
    pub(super) fn join(&mut self, added: &[String], at: Time) {
        for member in self.members_mut().filter(|member| added.contains(&member.id)) {
            member.joined = true;
            member.ready_at = Some(at);
        }
    }

    pub(super) fn drop_members(&mut self, removed: &[String]) {
        for shard in &mut self.shards {
            shard.members.retain(|member| !removed.contains(&member.id));
            if !shard.members.iter().any(|member| member.primary)
                && let Some(first) = shard.members.first_mut()
            {
                first.primary = true;
            }
        }
        self.end_snapshot_of_member();
    }

    /// The member that snapshots are taken of must exist.
    pub(super) fn end_snapshot_of_member(&mut self) {
        let Some(current) = &self.snapshotting_member else { return };
        if self.members().all(|member| member.id != *current) {
            self.snapshotting_member = self.members().last().map(|member| member.id.clone());
        }
    }

    /// Spreads the key slots evenly over the shards.
    pub(super) fn spread_slots(&mut self) {
        let count = self.shards.len();
        for (index, shard) in self.shards.iter_mut().enumerate() {
            shard.slots = topology::even_slots(index, count);
        }
    }
}
