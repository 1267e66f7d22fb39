//! The desired state of one generation. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::{derived_id, generation};
use super::parts::{Auth, LogDelivery, NumberedSecret, Parameters, Restore, SecretSettings, Source, Tls, Topology};
use super::references::References;
use crate::auth::token_state::Origin;
use crate::domain::alarm::Alarms;
use crate::domain::engine::{Engine, Version};
use crate::domain::names::Names;
use crate::domain::tags::{Owner, TAG_ALARMS, TAG_GRACE, TAG_REPLACES, Tags};
use crate::properties::{
    ClusterMode, CountPolicy, IpDiscovery, NetworkType, NodeGroupProperties, Properties, ReplacementPolicy, Settings,
};

/// The parameter that says what the engine does when its memory is full.
pub const MAXMEMORY_POLICY: &str = "maxmemory-policy";

/// A legal desired state for one generation of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are named for the properties they come from")]
pub struct Desired {
    pub names: Names,
    pub owner: Owner,
    /// `Env` and `ProjectId` as given, for the description.
    pub title: String,
    pub description: String,
    /// The template's tags and the ownership tags.
    pub tags: Tags,
    pub vpc_id: String,
    pub subnet_ids: BTreeSet<String>,
    pub allowed: BTreeSet<Source>,
    pub extra_security_groups: BTreeSet<String>,
    pub port: i32,
    pub network_type: Option<NetworkType>,
    pub ip_discovery: Option<IpDiscovery>,
    pub preferred_zones: Vec<String>,
    pub engine: Engine,
    pub version: Version,
    pub node_type: String,
    pub parameters: Parameters,
    pub topology: Topology,
    pub cluster_mode: ClusterMode,
    pub automatic_failover: bool,
    pub multi_az: bool,
    pub data_tiering: Option<bool>,
    pub durability: Option<String>,
    pub at_rest_encryption: bool,
    pub kms_key_id: Option<String>,
    pub tls: Tls,
    pub auth: Auth,
    pub secret: SecretSettings,
    pub settings: Settings,
    pub restore: Restore,
    pub apply_immediately: bool,
    pub logs: BTreeMap<String, LogDelivery>,
    pub alarms: Option<Alarms>,
    pub deletion_protection: bool,
    pub replacement_policy: ReplacementPolicy,
    pub count_policy: CountPolicy,
    /// The generation that this one replaces.
    pub replaces: Option<String>,
    /// Our snapshot of that generation, from which this one is made.
    pub transfer_snapshot: Option<String>,
    /// The engine version that stays although a rollback asks for an older one.
    pub kept_version: Option<Version>,
    /// Whether the cache goes on demanding a token although a rollback asks for none.
    pub token_stays: bool,
    /// What has to exist for it.
    pub references: References,
    pub(super) mode_follows_group: Option<ModeFollowsGroup>,
}

/// One shard under a parameter group of the user's: that group decides about cluster mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ModeFollowsGroup {
    /// What the template says about failover.
    pub(super) failover: Option<bool>,
}

impl Desired {
    /// Whether anything is wanted that counts only when a group is made, and that a standing one does not tell: what it is
    /// restored from, and where its nodes are put.
    #[must_use]
    pub fn counts_at_creation(&self) -> bool {
        self.restore != Restore::default() || !self.preferred_zones.is_empty() || !self.topology.layout().is_empty()
    }

    /// Tags of the subnet group: those of everything, and what the generation has to be known by.
    #[must_use]
    pub fn subnet_group_tags(&self) -> Tags {
        let mut tags = self.tags.clone();
        tags.extend(self.replaces.iter().map(|id| (TAG_REPLACES.to_owned(), id.clone())));
        tags.extend(self.secret.numbered.iter().flat_map(NumberedSecret::tag));
        tags.extend(self.alarms.iter().map(|_| (TAG_ALARMS.to_owned(), "true".to_owned())));
        tags
    }

    /// Whether the engine makes room for new keys by evicting any, so that a full memory is how it should be. `elsewhere` is
    /// the policy of a parameter group of the user's.
    #[must_use]
    pub fn may_be_full(&self, elsewhere: Option<&str>) -> bool {
        let policy = match &self.parameters {
            // ElastiCache's own groups evict what expires anyway, and refuse writes when nothing does.
            Parameters::Default => None,
            Parameters::Named(_) => elsewhere,
            Parameters::Own(values) => values.get(MAXMEMORY_POLICY).map(String::as_str),
        };
        policy.is_some_and(|policy| policy.starts_with("allkeys-"))
    }

    /// Takes over under which name the secret is.
    pub fn resolve_secret_name(&mut self, numbered: NumberedSecret) {
        self.secret.name = numbered.name();
        self.secret.numbered = Some(numbered);
    }

    /// Where the token comes from, if there is one.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match &self.auth {
            Auth::Generated { version } => Some(Origin::generated(&self.secret.name, version.as_deref())),
            Auth::Literal(_) => Some(Origin::template(&self.secret.name)),
            Auth::External { arn, key } => Some(Origin::external(arn, key.as_deref())),
            Auth::Open | Auth::UserGroup(_) => None,
        }
    }

    /// Tags of the secret: those of everything, and what a scheduled rotation must know.
    #[must_use]
    pub fn secret_tags(&self) -> Tags {
        let mut tags = self.tags.clone();
        tags.extend(self.secret.grace_minutes.map(|minutes| (TAG_GRACE.to_owned(), minutes.to_string())));
        tags
    }

    /// The parameter group that decides whether this is a sharded group of one shard or a plain one.
    #[must_use]
    pub fn mode_decided_by(&self) -> Option<&str> {
        self.mode_follows_group.and(self.references.parameter_group.as_deref())
    }

    /// Takes over what the parameter group of [`Desired::mode_decided_by`] says: as in the native resource, one shard
    /// under a group without cluster mode is a plain group.
    pub fn resolve_cluster_mode(&mut self, cluster_enabled: bool) {
        let Some(ModeFollowsGroup { failover }) = self.mode_follows_group else { return };
        if !cluster_enabled && let Topology::Sharded { layout, .. } = &self.topology {
            let nodes = self.topology.nodes();
            if self.preferred_zones.is_empty() {
                self.preferred_zones = zones_of(layout, nodes);
            }
            self.topology = Topology::Single { nodes };
            self.cluster_mode = ClusterMode::Disabled;
            self.automatic_failover = failover.unwrap_or(self.multi_az);
        }
    }

    /// Nodes in the whole group.
    #[must_use]
    pub fn node_count(&self) -> i32 {
        self.topology.nodes()
    }

    /// Parameter group family of the wanted version.
    #[must_use]
    pub fn family(&self) -> String {
        self.version.family(self.engine)
    }

    /// Whether clients may speak the cluster protocol, which needs a parameter group with `cluster-enabled`.
    #[must_use]
    pub fn is_clustered(&self) -> bool {
        self.cluster_mode != ClusterMode::Disabled
    }

    /// The parameter group that a new replication group uses.
    #[must_use]
    pub fn parameter_group_name(&self) -> String {
        self.parameter_group_for(&self.family(), self.is_clustered())
    }

    /// The parameter group for a replication group of this family, with or without the cluster protocol.
    #[must_use]
    pub fn parameter_group_for(&self, family: &str, clustered: bool) -> String {
        match &self.parameters {
            Parameters::Default if clustered => format!("default.{family}.cluster.on"),
            Parameters::Default => format!("default.{family}"),
            Parameters::Named(name) => name.clone(),
            Parameters::Own(_) => self.names.parameter_group(family, clustered),
        }
    }

    /// What these properties name the resource, when they do not name it as it is called. `earlier` are the properties
    /// before: an explicit name that changed means another resource even where the new one could be read as the stem of
    /// the old one.
    #[must_use]
    pub fn renamed(&self, properties: &Properties, earlier: &Properties) -> Option<String> {
        let explicit = |p: &Properties| p.replication_group_id.as_ref().map(|id| id.to_ascii_lowercase());
        let other_name = explicit(earlier).is_some_and(|before| explicit(properties).is_some_and(|now| now != before));
        if !other_name && generation(properties, &self.names.replication_group).is_some() {
            return None;
        }
        // The rollback of a new name that was refused names it as it is called.
        derived_id(properties).filter(|stem| *stem != self.names.replication_group)
    }

    /// The same desired state as a generation that replaces `before`; `transfer_snapshot` is our snapshot of that one. What the template says
    /// about a first restore was for the first generation.
    #[must_use]
    pub fn replacing(mut self, before: &str, transfer_snapshot: Option<String>) -> Desired {
        self.replaces = Some(before.to_owned());
        self.restore = Restore { snapshot_name: transfer_snapshot.clone(), snapshot_arns: Vec::new() };
        self.transfer_snapshot = transfer_snapshot;
        self
    }
}

/// The zones of a plain group of so many nodes that is laid out as a shard. AWS takes one for each node or none.
pub(super) fn zones_of(layout: &[NodeGroupProperties], nodes: i32) -> Vec<String> {
    let zones = layout
        .iter()
        .flat_map(|shard| shard.primary_availability_zone.iter().chain(&shard.replica_availability_zones).cloned());
    Some(zones.collect::<Vec<_>>()).filter(|zones| usize::try_from(nodes) == Ok(zones.len())).unwrap_or_default()
}
