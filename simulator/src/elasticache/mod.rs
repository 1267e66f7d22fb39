//! ElastiCache: replication groups as a state machine, with subnet groups, parameter groups, snapshots, events and tags.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use crate::clock::Time;
use crate::nodes::NodeSpec;
use crate::world::{Answer, AwsError, Call, Right, World};

/// State of the service.
#[derive(Debug, Default)]
pub struct ElastiCache {}

impl ElastiCache {
    /// The permissions that `call` needs, those of dependent services included.
    #[must_use]
    pub fn rights(_world: &World, _call: &Call) -> Vec<Right> {
        Vec::new()
    }

    /// Handles one call.
    pub fn handle(_world: &mut World, call: &Call) -> Answer {
        Err(AwsError::new("InvalidAction", format!("Could not find operation {}", call.action)))
    }

    /// Lets everything happen that is due by `now`.
    pub fn advance(_world: &mut World, _now: Time) {}

    /// Security groups that a network interface of a cache holds at `now`; an interface outlives its group for a while.
    #[must_use]
    pub fn security_groups_in_use(&self, _now: Time) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// The cache nodes that should run right now.
    #[must_use]
    pub fn wanted_nodes(&self) -> Vec<NodeSpec> {
        Vec::new()
    }

    /// From now on nodes are real servers: none counts as ready before [`ElastiCache::node_ready`] reports it, and
    /// endpoints are the reported addresses.
    pub fn use_real_nodes(&mut self) {}

    /// A node accepts connections at `address`.
    pub fn node_ready(&mut self, _member: &str, _address: SocketAddr) {}

    /// The group's primary and reader endpoints listen at these addresses.
    pub fn group_ready(&mut self, _group: &str, _primary: SocketAddr, _reader: SocketAddr) {}
}
