//! What one Modify call changes: how long it takes, and what it does in the end.

use std::time::Duration;

use super::{AuthStep, ClusterMode, LogDelivery, ReplicationGroup, UserGroupStep};
use crate::clock::Time;
use crate::elasticache::transitions::Pace;
use crate::nodes::Tls;
use crate::readings::TokenDate;

/// New values; `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Description.
    pub description: Option<String>,
    /// Member that becomes primary.
    pub primary: Option<String>,
    /// Member that snapshots are taken of.
    pub snapshotting_member: Option<String>,
    /// Automatic failover.
    pub failover: Option<bool>,
    /// Multi-AZ.
    pub multi_az: Option<bool>,
    /// Security groups.
    pub security_groups: Option<Vec<String>>,
    /// Maintenance window.
    pub maintenance_window: Option<String>,
    /// Topic for notifications; the inner `None` removes it.
    pub notification_topic: Option<Option<String>>,
    /// Whether notifications are on.
    pub notification_active: Option<bool>,
    /// Parameter group.
    pub parameter_group: Option<String>,
    /// Engine and full version.
    pub engine: Option<(String, String)>,
    /// Minor version upgrades.
    pub auto_minor_upgrade: Option<bool>,
    /// Days that automatic snapshots are kept.
    pub snapshot_retention: Option<u32>,
    /// Snapshot window.
    pub snapshot_window: Option<String>,
    /// Node type.
    pub node_type: Option<String>,
    /// AUTH token.
    pub auth: Option<AuthStep>,
    /// Which changes of the token its date tells.
    pub token_date: TokenDate,
    /// User groups.
    pub user_groups: Option<UserGroupStep>,
    /// All log deliveries that then hold.
    pub logs: Option<Vec<LogDelivery>>,
    /// IP discovery.
    pub ip_discovery: Option<String>,
    /// Transport encryption.
    pub tls: Option<Tls>,
    /// Cluster mode.
    pub cluster_mode: Option<ClusterMode>,
    /// Durability.
    pub durability: Option<String>,
}

/// Changes that wait for the maintenance window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// When the window opens.
    pub opens: Time,
    /// What then changes.
    pub changes: Changes,
}

impl Changes {
    /// Takes out what changes the nodes and therefore waits for the window when it need not be immediate.
    pub(super) fn split_off_node_changes(&mut self) -> Changes {
        Changes {
            engine: self.engine.take(),
            node_type: self.node_type.take(),
            parameter_group: self.parameter_group.take(),
            ..Changes::default()
        }
    }

    /// Adds what an earlier call left waiting, unless this one changes it again.
    pub(super) fn absorb(&mut self, waiting: Changes) {
        self.engine = self.engine.take().or(waiting.engine);
        self.node_type = self.node_type.take().or(waiting.node_type);
        self.parameter_group = self.parameter_group.take().or(waiting.parameter_group);
    }

    /// The longest of its parts.
    pub(in crate::elasticache) fn duration(&self, pace: &Pace) -> Duration {
        [
            (self.engine.is_some(), pace.engine_version),
            (self.node_type.is_some(), pace.node_type),
            (self.tls.is_some(), pace.tls),
            (self.auth.is_some() || self.user_groups.is_some(), pace.auth),
            (self.cluster_mode.is_some(), pace.cluster_mode),
        ]
        .into_iter()
        .filter_map(|(part, duration)| part.then_some(duration))
        .fold(pace.settings, Duration::max)
    }

    /// Makes the changes.
    pub(in crate::elasticache) fn apply(self, group: &mut ReplicationGroup, at: Time) {
        // Without `..`: a field that is not applied does not compile.
        let Changes {
            description,
            primary,
            snapshotting_member,
            failover,
            multi_az,
            security_groups,
            maintenance_window,
            notification_topic,
            notification_active,
            parameter_group,
            engine,
            auto_minor_upgrade,
            snapshot_retention,
            snapshot_window,
            node_type,
            auth,
            token_date,
            user_groups,
            logs,
            ip_discovery,
            tls,
            cluster_mode,
            durability,
        } = self;
        set(&mut group.description, description);
        set(&mut group.failover, failover);
        set(&mut group.multi_az, multi_az);
        set(&mut group.security_groups, security_groups);
        set(&mut group.maintenance_window, maintenance_window);
        set(&mut group.notification_topic, notification_topic);
        set(&mut group.notification_active, notification_active);
        set(&mut group.auto_minor_upgrade, auto_minor_upgrade);
        set(&mut group.snapshot_retention, snapshot_retention);
        set(&mut group.snapshot_window, snapshot_window);
        set(&mut group.logs, logs);
        set(&mut group.ip_discovery, ip_discovery);
        set(&mut group.tls, tls);
        set(&mut group.cluster_mode, cluster_mode);
        set(&mut group.snapshotting_member, snapshotting_member.map(Some));
        set(&mut group.durability, durability.map(Some));
        // New nodes start with the parameters as they then are.
        if engine.is_some() || node_type.is_some() || parameter_group.is_some() {
            group.parameters_need_reboot = false;
        }
        set(&mut group.parameter_group, parameter_group);
        set(&mut group.node_type, node_type);
        if let Some((engine, version)) = engine {
            group.engine = engine;
            group.engine_version = version;
        }
        if let Some(step) = user_groups {
            group.user_groups.retain(|id| !step.remove.contains(id));
            group.user_groups.extend(step.add);
        }
        if let Some(step) = auth {
            if token_date == TokenDate::EveryChange || !matches!(step, AuthStep::Set(_)) {
                group.token_changed = Some(at);
            }
            step.apply(group);
        }
        if let Some(primary) = primary {
            group.promote(&primary);
        }
        if group.is_sharded() {
            // Automatic snapshots of a sharded group are not tied to one member.
            group.snapshotting_member = None;
        }
    }
}

fn set<T>(field: &mut T, change: Option<T>) {
    if let Some(value) = change {
        *field = value;
    }
}

impl ReplicationGroup {
    /// Makes a member the primary of its shard.
    pub fn promote(&mut self, id: &str) {
        let home = |shard: &&mut super::Shard| shard.members.iter().any(|member| member.id == id);
        if let Some(shard) = self.shards.iter_mut().find(home) {
            shard.members.iter_mut().for_each(|member| member.primary = member.id == id);
        }
    }
}
