//! ElastiCache: replication groups as a state machine, with subnet groups, parameter groups, snapshots, events and tags.
//!
//! A call checks its input as AWS does, and starts a [`replication_groups::Task`] with a due date from [`Pace`]; nothing
//! changes before that date. [`ElastiCache::advance`] makes happen what is due ([`transitions`]).

pub mod catalog;
pub mod events;
mod input;
pub mod names;
pub mod networks;
mod output;
pub mod parameter_groups;
pub mod parameters;
mod pokes;
mod refusals;
pub mod replication_groups;
mod rights;
pub mod snapshots;
pub mod subnet_groups;
mod tags;
pub mod transitions;
pub mod user_groups;
mod windows;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

pub use events::Event;
pub use parameter_groups::ParameterGroup;
pub use replication_groups::{MemberStatus, ReplicationGroup, Status};
pub use snapshots::Snapshot;
pub use subnet_groups::SubnetGroup;
pub use transitions::Pace;
pub use user_groups::{Authentication, User, UserGroup};

use crate::clock::Time;
use crate::nodes::{NodeSpec, ShardCopy};
use crate::world::{Answer, AwsError, Call, Right, World};
use replication_groups::{Work, clusters, create, delete, describe, modify, replicas, shards};

/// State of the service. Fields are open, so that tests can read everything and change it behind the owner's back.
#[derive(Debug)]
pub struct ElastiCache {
    /// How long operations take from now on.
    pub pace: Pace,
    /// Replication groups by id.
    pub groups: BTreeMap<String, ReplicationGroup>,
    /// Subnet groups by name.
    pub subnet_groups: BTreeMap<String, SubnetGroup>,
    /// Parameter groups by name, the default ones included.
    pub parameter_groups: BTreeMap<String, ParameterGroup>,
    /// Snapshots by name.
    pub snapshots: BTreeMap<String, Snapshot>,
    /// Users by id, but for the one that is there from the beginning.
    pub users: BTreeMap<String, User>,
    /// User groups by id.
    pub user_groups: BTreeMap<String, UserGroup>,
    /// Events, oldest first.
    pub events: Vec<Event>,
    /// Whether the account has the service-linked role; the first Create makes it.
    pub service_linked_role: bool,
    /// Network interfaces that outlive their group.
    interfaces: Vec<Interface>,
    /// Event texts of creates that will fail.
    create_failures: VecDeque<String>,
    /// Operations that will be rolled back, with their event texts.
    roll_backs: Vec<(String, String)>,
    /// Log destinations that fail, with AWS's message.
    log_failures: BTreeMap<String, String>,
    /// Parameters that no call resets.
    unresettable: BTreeSet<String>,
    /// Addresses of real nodes, when there are any.
    real_nodes: Option<RealNodes>,
    /// How many groups were ever made, for host names.
    created: u64,
}

/// A network interface whose group is gone.
#[derive(Debug)]
struct Interface {
    security_groups: Vec<String>,
    until: Time,
}

/// Where real nodes listen.
#[derive(Debug, Default)]
struct RealNodes {
    members: BTreeMap<String, SocketAddr>,
    /// Primary and reader of each group.
    groups: BTreeMap<String, (SocketAddr, SocketAddr)>,
}

impl Default for ElastiCache {
    fn default() -> ElastiCache {
        ElastiCache {
            pace: Pace::default(),
            groups: BTreeMap::new(),
            subnet_groups: BTreeMap::new(),
            parameter_groups: parameter_groups::defaults(),
            snapshots: BTreeMap::new(),
            users: BTreeMap::new(),
            user_groups: BTreeMap::new(),
            events: Vec::new(),
            service_linked_role: false,
            interfaces: Vec::new(),
            create_failures: VecDeque::new(),
            roll_backs: Vec::new(),
            log_failures: BTreeMap::new(),
            unresettable: BTreeSet::new(),
            real_nodes: None,
            created: 0,
        }
    }
}

impl ElastiCache {
    /// The permissions that `call` needs, those of dependent services included.
    #[must_use]
    pub fn rights(world: &World, call: &Call) -> Vec<Right> {
        rights::of(world, call)
    }

    /// Whether a subnet group has this subnet.
    pub(crate) fn uses_subnet(&self, id: &str) -> bool {
        self.subnet_groups.values().any(|group| group.subnets.iter().any(|subnet| subnet.id == id))
    }

    /// Handles one call.
    pub fn handle(world: &mut World, call: &Call) -> Answer {
        world.elasticache.run_until(call.now);
        let operation = match call.action.as_str() {
            "CreateReplicationGroup" => create::create,
            "DescribeReplicationGroups" => describe::describe,
            "ModifyReplicationGroup" => modify::modify,
            "IncreaseReplicaCount" => replicas::increase,
            "DecreaseReplicaCount" => replicas::decrease,
            "ModifyReplicationGroupShardConfiguration" => shards::modify,
            "DeleteReplicationGroup" => delete::delete,
            "DescribeCacheClusters" => clusters::describe,
            "CreateCacheSubnetGroup" => subnet_groups::create,
            "ModifyCacheSubnetGroup" => subnet_groups::modify,
            "DeleteCacheSubnetGroup" => subnet_groups::delete,
            "DescribeCacheSubnetGroups" => subnet_groups::describe,
            "CreateCacheParameterGroup" => parameter_groups::create,
            "ModifyCacheParameterGroup" => parameter_groups::modify,
            "ResetCacheParameterGroup" => parameter_groups::reset,
            "DeleteCacheParameterGroup" => parameter_groups::delete,
            "DescribeCacheParameterGroups" => parameter_groups::describe,
            "DescribeCacheParameters" => parameter_groups::describe_parameters,
            "DescribeEngineDefaultParameters" => parameter_groups::describe_engine_defaults,
            "CreateSnapshot" => snapshots::create,
            "DescribeSnapshots" => snapshots::describe,
            "DeleteSnapshot" => snapshots::delete,
            "AddTagsToResource" => tags::add,
            "RemoveTagsFromResource" => tags::remove,
            "ListTagsForResource" => tags::list,
            "DescribeEvents" => events::describe,
            "DescribeCacheEngineVersions" => catalog::describe_engine_versions,
            "ListAllowedNodeTypeModifications" => catalog::list_allowed_node_type_modifications,
            "DescribeUserGroups" => user_groups::describe,
            unknown => {
                let message = format!("Could not find operation {unknown} for version 2015-02-02");
                return Err(AwsError::new("InvalidAction", message));
            }
        };
        operation(world, call)
    }

    /// Lets everything happen that is due by `now`.
    pub fn advance(world: &mut World, now: Time) {
        world.elasticache.run_until(now);
    }

    /// Security groups that a network interface of a cache holds at `now`; an interface outlives its group for a while.
    #[must_use]
    pub fn security_groups_in_use(&self, now: Time) -> BTreeSet<String> {
        let being_made = self.groups.values().filter_map(|group| match group.task.as_ref().map(|task| &task.work) {
            Some(Work::Modify(changes)) => changes.security_groups.as_ref(),
            _ => None,
        });
        let held = self.groups.values().map(|group| &group.security_groups);
        let left = self.interfaces.iter().filter(|interface| interface.until > now);
        held.chain(being_made).chain(left.map(|interface| &interface.security_groups)).flatten().cloned().collect()
    }

    /// The cache nodes that should run right now.
    #[must_use]
    pub fn wanted_nodes(&self) -> Vec<NodeSpec> {
        let alive = |group: &&ReplicationGroup| !matches!(group.status, Status::Deleting | Status::CreateFailed);
        let mut specs = Vec::new();
        for group in self.groups.values().filter(alive) {
            for shard in &group.shards {
                let primary = shard.members.iter().find(|member| member.primary).map(|member| &member.id);
                specs.extend(shard.members.iter().map(|member| {
                    NodeSpec {
                        group: group.id.clone(),
                        member: member.id.clone(),
                        replica_of: primary.filter(|primary| **primary != member.id).cloned(),
                        access: group.access(&self.user_groups),
                        tls: group.tls,
                        restored_from: group
                            .restoring
                            .clone()
                            .filter(|_| member.primary)
                            .map(|snapshot| ShardCopy { snapshot, shard: shard.id.clone() }),
                    }
                }));
            }
        }
        specs
    }

    /// The shards whose data a snapshot must hold, each with its primary member.
    #[must_use]
    pub fn wanted_copies(&self) -> Vec<(ShardCopy, String)> {
        let standing = self.snapshots.values().filter(|snapshot| snapshot.manual && snapshot.gone_at.is_none());
        let copies = standing.flat_map(|snapshot| {
            snapshot.source.shards.iter().filter_map(|shard| {
                let primary = shard.members.iter().find(|member| member.primary)?;
                let copy = ShardCopy { snapshot: snapshot.name.clone(), shard: shard.id.clone() };
                Some((copy, primary.id.clone()))
            })
        });
        copies.collect()
    }

    /// From now on nodes are real servers: none counts as ready before [`ElastiCache::node_ready`] reports it, and
    /// endpoints are the reported addresses.
    pub fn use_real_nodes(&mut self) {
        self.real_nodes.get_or_insert_default();
    }

    /// A node accepts connections at `address`.
    pub fn node_ready(&mut self, member: &str, address: SocketAddr) {
        if let Some(real) = &mut self.real_nodes {
            real.members.insert(member.to_owned(), address);
        }
    }

    /// The group's primary and reader endpoints listen at these addresses.
    pub fn group_ready(&mut self, group: &str, primary: SocketAddr, reader: SocketAddr) {
        if let Some(real) = &mut self.real_nodes {
            real.groups.insert(group.to_owned(), (primary, reader));
        }
    }

    /// A parameter group, default ones included.
    #[must_use]
    pub fn parameter_group(&self, name: &str) -> Option<&ParameterGroup> {
        self.parameter_groups.get(name)
    }

    /// Availability zones that a group can use.
    fn zones_of(&self, group: &ReplicationGroup) -> Vec<String> {
        self.subnet_groups.get(&group.subnet_group).map(SubnetGroup::zones).unwrap_or_default()
    }

    /// The group that a member belongs to.
    #[must_use]
    pub fn group_of_member(&self, id: &str) -> Option<&ReplicationGroup> {
        self.groups.values().find(|group| group.members().any(|member| member.id == id))
    }
}
