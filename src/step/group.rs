//! What is asked of AWS about a replication group: all of it when it is made, changed fields afterwards. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::desired::{LogDelivery, Restore, Topology};
use crate::domain::secret::AuthToken;
use crate::domain::tags::Tags;
use crate::properties::Settings;

/// A replication group to make.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named for the arguments of CreateReplicationGroup")]
pub struct NewGroup {
    pub id: String,
    pub description: String,
    pub engine: String,
    pub version: String,
    pub node_type: String,
    pub topology: Topology,
    pub cluster_mode: Option<&'static str>,
    pub automatic_failover: bool,
    pub multi_az: bool,
    pub preferred_zones: Vec<String>,
    pub port: i32,
    pub parameter_group: String,
    pub subnet_group: String,
    pub security_groups: BTreeSet<String>,
    pub network_type: Option<&'static str>,
    pub ip_discovery: Option<&'static str>,
    pub at_rest_encryption: bool,
    pub kms_key_id: Option<String>,
    pub transit_encryption: bool,
    pub transit_encryption_mode: Option<&'static str>,
    pub auth_token: Option<AuthToken>,
    pub user_group: Option<String>,
    pub settings: Settings,
    pub restore: Restore,
    pub logs: BTreeMap<String, LogDelivery>,
    pub data_tiering: Option<bool>,
    pub durability: Option<String>,
    pub tags: Tags,
}

/// Changed fields of a replication group; only these are sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named for the arguments of ModifyReplicationGroup")]
pub struct GroupChange {
    pub id: String,
    pub apply_immediately: bool,
    pub description: Option<String>,
    pub automatic_failover: Option<bool>,
    pub multi_az: Option<bool>,
    pub security_groups: Option<BTreeSet<String>>,
    pub settings: Settings,
    /// Member that backups are taken from; AWS wants it when backups are turned on with cluster mode off.
    pub snapshotting_member: Option<String>,
    pub ip_discovery: Option<&'static str>,
    pub cluster_mode: Option<&'static str>,
    pub durability: Option<String>,
    pub parameter_group: Option<String>,
    pub node_type: Option<String>,
    pub engine: Option<String>,
    pub version: Option<String>,
}

impl GroupChange {
    /// A change of nothing yet.
    #[must_use]
    pub fn of(id: &str, apply_immediately: bool) -> GroupChange {
        GroupChange { id: id.to_owned(), apply_immediately, ..GroupChange::default() }
    }

    /// Each changed field with its new value.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        // Every field is named here, so that a new one cannot be forgotten in the plan's text.
        let GroupChange {
            id: _,
            apply_immediately: _,
            description,
            automatic_failover,
            multi_az,
            security_groups,
            settings,
            snapshotting_member,
            ip_discovery,
            cluster_mode,
            durability,
            parameter_group,
            node_type,
            engine,
            version,
        } = self;
        let mut fields = Vec::new();
        let mut add = |name: &'static str, value: Option<String>| fields.extend(value.map(|value| (name, value)));
        add("description", description.clone());
        add("automatic failover", automatic_failover.map(on_off));
        add("Multi-AZ", multi_az.map(on_off));
        add("security groups", security_groups.as_ref().map(join));
        for (name, value) in settings.described() {
            add(name, Some(value));
        }
        add("snapshots from", snapshotting_member.clone());
        add("IP discovery", ip_discovery.map(str::to_owned));
        add("cluster mode", cluster_mode.map(str::to_owned));
        add("durability", durability.clone());
        add("parameter group", parameter_group.clone());
        add("node type", node_type.clone());
        add("engine", engine.clone());
        add("version", version.clone());
        fields
    }

    /// Whether nothing is changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields().is_empty()
    }
}

/// New numbers of replicas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replicas {
    /// The same in every shard.
    Every(i32),
    /// By shard id, only those that change.
    ByShard(BTreeMap<String, i32>),
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Replicas::Every(count) => write!(f, "{count}"),
            Replicas::ByShard(counts) => {
                f.write_str(&join(counts.iter().map(|(shard, count)| format!("{count} in shard {shard}"))))
            }
        }
    }
}

/// A change of who may log in, as the call takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthRequest<'a> {
    /// Token to add or keep.
    pub token: Option<&'a AuthToken>,
    /// What to do with it: `ROTATE`, `SET` or `DELETE`.
    pub strategy: Option<&'static str>,
    /// User group to add.
    pub add: Option<&'a str>,
    /// User groups to remove.
    pub remove: &'a [String],
    /// Whether all user groups give way to the token.
    pub remove_all: bool,
}

fn on_off(flag: bool) -> String {
    if flag { "on" } else { "off" }.to_owned()
}

/// Items with commas between them.
pub(crate) fn join<T: fmt::Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}
