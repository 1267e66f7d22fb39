//! What properties point at in the account, read leniently: pure.
//!
//! Whatever could be read is looked up even when other properties are wrong, so that everything that is wrong is said at
//! once.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::Purpose;
use super::rules;
use crate::domain::decimal::Decimal;
use crate::domain::engine::{Engine, Version};
use crate::domain::problem::Problem;
use crate::properties::{ClusterMode, CountPolicy, NetworkType, Parsed, Properties};

/// Things outside the resource that it needs. Only what is well-formed is here; the rules report the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct References {
    /// The VPC, if it is well-formed.
    pub vpc_id: Option<String>,
    /// Subnets.
    pub subnet_ids: BTreeSet<String>,
    /// Subnets that an earlier template listed, if there is one.
    pub subnets_before: Option<BTreeSet<String>>,
    /// Security groups that are let in.
    pub allowed_security_groups: BTreeSet<String>,
    /// Security groups that the nodes get in addition to ours.
    pub security_groups: BTreeSet<String>,
    /// Whether the subnets must lie in two zones.
    pub multi_az: bool,
    /// Whether the subnets need IPv6.
    pub ipv6: bool,
    /// Zones that nodes are wanted in, with the property that says so.
    pub zones: Vec<(String, String)>,
    /// Nodes of the whole group, if the properties say so.
    pub nodes: Option<i32>,
    /// The fewest that its shards and its failover allow.
    pub least_nodes: i32,
    /// Whether more nodes than that are left alone.
    pub more_nodes_stay: bool,
    /// Node type.
    pub node_type: String,
    /// What they may cost in a month, in USD.
    pub max_monthly_cost: Option<Decimal>,
    /// Engine.
    pub engine: Engine,
    /// Version, unless it or the engine is wrong already.
    pub version: Option<Version>,
    /// Parameter group of the user's.
    pub parameter_group: Option<String>,
    /// Cluster mode; `None` when the named parameter group decides it, or when it cannot be told.
    pub cluster_mode: Option<ClusterMode>,
    /// Whether failover is explicitly off.
    pub failover_off: bool,
    /// Parameters of a group of ours.
    pub parameters: BTreeMap<String, String>,
    /// User group.
    pub user_group: Option<String>,
    /// Whether data tiering is wanted.
    pub data_tiering: bool,
    /// Snapshot to restore, on Create.
    pub snapshot: Option<String>,
    /// Snapshot window, if the properties say one.
    pub snapshot_window: Option<String>,
    /// Maintenance window, if the properties say one.
    pub maintenance_window: Option<String>,
    /// Whether files are to be restored into shards without slots, should there be shards.
    pub lacks_slots: bool,
    /// Secret with the token, and its key.
    pub token_secret: Option<(String, Option<String>)>,
}

impl References {
    /// Reads what can be read of properties that need not be right.
    #[must_use]
    pub fn read(parsed: &Parsed, purpose: Purpose<'_>) -> References {
        let wrong = |name: &str| {
            parsed.problems.iter().any(|problem: &Problem| problem.property.split(['[', '.']).next() == Some(name))
        };
        let mut references = References::of(&parsed.values, purpose);
        if wrong("Engine") || wrong("EngineVersion") {
            references.version = None;
        }
        if ["NumCacheNodes", "NumNodeGroups", "ReplicasPerNodeGroup", "NodeGroupConfiguration", "ClusterMode"]
            .into_iter()
            .any(wrong)
        {
            references.cluster_mode = None;
        }
        references
    }

    /// What these properties point at.
    #[must_use]
    pub(super) fn of(p: &Properties, purpose: Purpose<'_>) -> References {
        let formed = |ids: &[String], prefix: &str| ids.iter().filter(|id| id.starts_with(prefix)).cloned().collect();
        let engine = p.engine.unwrap_or(Engine::Valkey);
        let version = match &p.engine_version {
            Some(text) => Version::parse(text).filter(|version| engine.version_defect(version).is_none()),
            None => Some(engine.default_version()),
        };
        let creating = purpose.makes_group();
        References {
            vpc_id: p.vpc_id.clone().filter(|id| id.starts_with("vpc-")),
            subnet_ids: formed(&p.subnet_ids, "subnet-"),
            subnets_before: None,
            allowed_security_groups: formed(&p.allowed_security_group_ids, "sg-"),
            security_groups: formed(&p.security_group_ids, "sg-"),
            multi_az: p.multi_az_enabled == Some(true),
            ipv6: matches!(p.network_type, Some(NetworkType::Ipv6 | NetworkType::DualStack)),
            zones: if creating { zones(p) } else { Vec::new() },
            nodes: Some(rules::topology(p).0.nodes()),
            least_nodes: {
                let fails_over = p.automatic_failover_enabled == Some(true) || p.multi_az_enabled == Some(true);
                rules::topology(p).0.shards() * if fails_over { 2 } else { 1 }
            },
            more_nodes_stay: p.count_policy == Some(CountPolicy::Minimum),
            node_type: p.node_type.clone().unwrap_or_else(|| rules::DEFAULT_NODE_TYPE.to_owned()),
            max_monthly_cost: p.max_monthly_cost,
            engine,
            version,
            parameter_group: p.parameter_group_name.clone(),
            cluster_mode: (!rules::mode_follows_parameter_group(p)).then(|| rules::topology(p).1),
            failover_off: p.automatic_failover_enabled == Some(false),
            parameters: p.parameters.clone().unwrap_or_default().into_iter().collect(),
            user_group: match &p.user_group_ids[..] {
                [id] => Some(id.clone()),
                _ => None,
            },
            data_tiering: p.data_tiering_enabled == Some(true),
            snapshot: p.snapshot_name.clone().filter(|_| purpose == Purpose::Create),
            snapshot_window: p.snapshot_window.clone(),
            maintenance_window: p.maintenance_window.clone(),
            lacks_slots: purpose == Purpose::Create && rules::lacks_slots(p),
            token_secret: p
                .auth_token_secret_arn
                .clone()
                .filter(|arn| arn.starts_with("arn:"))
                .map(|arn| (arn, p.auth_token_secret_key.clone())),
        }
    }

    /// The same without what an earlier desired state pointed at in the same way: that was checked when it was first used, and a
    /// later change of something else must not fail because of it.
    #[must_use]
    pub fn without_unchanged(mut self, earlier: &References) -> References {
        let same_engine = (self.engine, &self.version) == (earlier.engine, &earlier.version);
        if same_engine && self.cluster_mode == earlier.cluster_mode && self.parameter_group == earlier.parameter_group {
            self.parameter_group = None;
        }
        let same_nodes =
            (self.engine, &self.node_type, self.nodes) == (earlier.engine, &earlier.node_type, earlier.nodes);
        if same_nodes && self.max_monthly_cost == earlier.max_monthly_cost {
            self.max_monthly_cost = None;
        }
        if same_engine {
            self.parameters.retain(|name, value| earlier.parameters.get(name) != Some(value));
            self.version = self.version.filter(|_| self.parameter_group.is_some() || !self.parameters.is_empty());
        }
        // Those that stay as they are go together, or a warning has said that one was not set.
        if (&self.snapshot_window, &self.maintenance_window) == (&earlier.snapshot_window, &earlier.maintenance_window)
        {
            (self.snapshot_window, self.maintenance_window) = (None, None);
        }
        self.subnets_before = Some(earlier.subnet_ids.clone());
        if same_engine && self.user_group == earlier.user_group {
            self.user_group = None;
        }
        self
    }

    /// Security groups of both kinds.
    #[must_use]
    pub fn all_security_groups(&self) -> BTreeSet<String> {
        self.allowed_security_groups.union(&self.security_groups).cloned().collect()
    }

    /// Parameter group family of the wanted version.
    #[must_use]
    pub fn family(&self) -> Option<String> {
        self.version.as_ref().map(|version| version.family(self.engine))
    }
}

fn zones(p: &Properties) -> Vec<(String, String)> {
    let at = |property: String| move |zone: &String| (property.clone(), zone.clone());
    let mut zones: Vec<_> =
        p.preferred_availability_zones.iter().map(at("PreferredAvailabilityZones".to_owned())).collect();
    for (index, shard) in p.node_group_configuration.iter().flatten().enumerate() {
        let property = |part: &str| format!("NodeGroupConfiguration[{index}].{part}");
        zones.extend(shard.primary_availability_zone.iter().map(at(property("PrimaryAvailabilityZone"))));
        zones.extend(shard.replica_availability_zones.iter().map(at(property("ReplicaAvailabilityZones"))));
    }
    zones
}
