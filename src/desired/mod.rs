//! What the template wants, parsed, defaulted and cross-checked: pure.
//!
//! [`Desired::new`] is the only way to make one, so whoever holds a `Desired` holds a legal wish.

mod references;
mod resolve;
pub(crate) mod rules;
pub(crate) mod tags;
pub(crate) mod window;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use ipnet::IpNet;

use crate::cfn::properties::ResourceProperties;
use crate::engine::{Engine, Version};
use crate::login::Origin;
use crate::names::{self, Names};
use crate::problem::Problem;
use crate::properties::{ClusterMode, IpDiscovery, NetworkType, NodeGroupProperties, Properties, ReplacementPolicy};
use crate::secret::AuthToken;
pub use references::References;
use resolve::{DEFAULT_RECOVERY_DAYS, resolve, zones_of};
pub use tags::{
    Owner, TAG_CREATING, TAG_GRACE, TAG_KEPT_VERSION, TAG_LOGICAL_ID, TAG_LOGIN, TAG_PREFIX, TAG_REPLACED_BY,
    TAG_REPLACES, TAG_REQUESTS, TAG_SECRET, TAG_STACK_ID, TAG_TOKEN_SOURCE, Tags,
};

/// Whom the security group lets in on the port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Members of another security group.
    SecurityGroup(String),
    /// An address block, IPv4 or IPv6, without host bits, as EC2 stores it.
    Cidr(IpNet),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::SecurityGroup(id) => f.write_str(id),
            Source::Cidr(net) => write!(f, "{net}"),
        }
    }
}

/// Number and arrangement of nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Cluster mode disabled: one primary, the rest replicas.
    Single {
        /// All nodes, the primary included.
        nodes: i32,
    },
    /// Shards with replicas each.
    Sharded {
        /// Number of shards.
        shards: i32,
        /// Replicas of each shard without a layout of its own.
        replicas: i32,
        /// Slots, zones and replicas shard by shard; empty when all are alike.
        layout: Vec<NodeGroupProperties>,
    },
}

impl Topology {
    /// Shards that are laid out one by one.
    #[must_use]
    pub fn layout(&self) -> &[NodeGroupProperties] {
        match self {
            Topology::Single { .. } => &[],
            Topology::Sharded { layout, .. } => layout,
        }
    }

    /// Nodes of all shards.
    pub(crate) fn nodes(&self) -> i32 {
        match self {
            Topology::Single { nodes } => *nodes,
            Topology::Sharded { shards, replicas, layout } if layout.is_empty() => {
                shards.saturating_mul(replicas.saturating_add(1))
            }
            Topology::Sharded { replicas, layout, .. } => layout
                .iter()
                .map(|shard| shard.replica_count.unwrap_or(*replicas).saturating_add(1))
                .fold(0, i32::saturating_add),
        }
    }
}

/// Encryption in transit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Off,
    /// Plain connections too.
    Preferred,
    /// TLS only.
    Required,
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tls::Off => "off",
            Tls::Preferred => "preferred",
            Tls::Required => "required",
        })
    }
}

/// Who may log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Anybody who gets through the security group.
    Open,
    /// A token that we generate and keep.
    Generated {
        /// `AuthTokenVersion`; a change asks for a rotation.
        version: Option<String>,
    },
    /// A token from the template; kept in our secret too.
    Literal(AuthToken),
    /// A token in a secret that we only read.
    Foreign {
        /// The secret.
        arn: String,
        /// Key in its JSON; the whole text when `None`.
        key: Option<String>,
    },
    /// RBAC.
    UserGroup(String),
}

impl Auth {
    /// Whether clients need a password.
    #[must_use]
    pub fn is_required(&self) -> bool {
        !matches!(self, Auth::Open)
    }

    /// Whether a secret of ours holds the token.
    #[must_use]
    pub fn keeps_secret(&self) -> bool {
        matches!(self, Auth::Generated { .. } | Auth::Literal(_))
    }
}

/// Where the group's parameters come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameters {
    /// AWS's default group of the family.
    Default,
    /// A group of the user's.
    Named(String),
    /// A group that we make, with these values.
    Own(BTreeMap<String, String>),
}

/// How the secret is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretSettings {
    /// Name.
    pub name: String,
    /// What it is instead of, when that name was not free.
    pub numbered: Option<NumberedSecret>,
    /// Customer key, if any.
    pub kms_key_id: Option<String>,
    /// Days between deletion and disappearance; 0 deletes at once.
    pub recovery_window_days: i32,
    /// Minutes that the old token stays valid after a scheduled rotation; `None` until the next one.
    pub grace_minutes: Option<i32>,
}

impl SecretSettings {
    /// The name that the secret has unless that was not free.
    #[must_use]
    pub fn usual_name(&self) -> &str {
        self.numbered.as_ref().map_or(&self.name, |numbered| &numbered.usual)
    }
}

/// A secret under another name than the usual one, which the secret of a deleted stack had when it was made. The subnet
/// group says so from before it is made, so that it is found for good, however long the usual name is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberedSecret {
    /// The usual name.
    pub usual: String,
    /// What comes behind it.
    pub number: u32,
}

impl NumberedSecret {
    /// The name.
    #[must_use]
    pub fn name(&self) -> String {
        names::numbered_secret(&self.usual, self.number)
    }

    /// Tags of the subnet group that say so.
    #[must_use]
    pub fn tag(&self) -> Tags {
        // A name may be longer than a tag's value.
        Tags::from([(TAG_SECRET.to_owned(), format!("{} {}", self.number, names::hash(&[&self.usual], 8)))])
    }

    /// What the tags say about the secret with this usual name.
    #[must_use]
    pub fn read(usual: &str, tags: &Tags) -> Option<NumberedSecret> {
        let number = tags.get(TAG_SECRET)?.split_whitespace().next()?.parse().ok()?;
        let numbered = NumberedSecret { usual: usual.to_owned(), number };
        (numbered.tag().get(TAG_SECRET) == tags.get(TAG_SECRET)).then_some(numbered)
    }
}

/// Delivery of one log type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDelivery {
    /// `cloudwatch-logs` or `kinesis-firehose`.
    pub destination_type: String,
    /// Log group or delivery stream.
    pub destination: String,
    /// `text` or `json`.
    pub format: String,
}

/// Where the first data comes from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Restore {
    /// Snapshot of ElastiCache.
    pub snapshot_name: Option<String>,
    /// RDB files in S3.
    pub snapshot_arns: Vec<String>,
}

/// A legal wish for one generation of the resource.
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
    pub snapshot_retention: i32,
    pub snapshot_window: Option<String>,
    pub restore: Restore,
    pub maintenance_window: Option<String>,
    pub auto_minor_version_upgrade: bool,
    pub notification_topic: Option<String>,
    pub apply_immediately: bool,
    pub logs: BTreeMap<String, LogDelivery>,
    pub deletion_protection: bool,
    pub replacement_policy: ReplacementPolicy,
    /// The generation that this one replaces.
    pub replaces: Option<String>,
    /// Our snapshot of that generation, from which this one is made.
    pub seed: Option<String>,
    /// The engine version that stays although a rollback asks for an older one.
    pub kept_version: Option<Version>,
    /// Whether the cache goes on demanding a token although a rollback asks for none.
    pub token_stays: bool,
    /// What has to exist for it.
    pub references: References,
    mode_follows_group: Option<ModeFollowsGroup>,
}

/// One shard under a parameter group of the user's: that group decides about cluster mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ModeFollowsGroup {
    /// What the template says about failover.
    failover: Option<bool>,
}

/// What a template wants, before it is known which generation it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// A new group; rules that only bind a new group apply.
    Create,
    /// The group with this physical id.
    Update(&'a str),
    /// A new group with this id, in place of another one.
    Replace(&'a str),
}

impl Purpose<'_> {
    /// Whether the rules for new groups apply.
    pub(crate) fn makes_group(self) -> bool {
        matches!(self, Purpose::Create | Purpose::Replace(_))
    }
}

/// Who takes over from a generation, and for which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succession {
    /// Id of the new generation.
    pub to: String,
    /// The request that asked for it, as a hash.
    pub request: String,
}

impl Succession {
    /// Reads the value of [`TAG_REPLACED_BY`].
    #[must_use]
    pub fn parse(tag: &str) -> Option<Succession> {
        let (to, request) = tag.split_once(' ')?;
        Some(Succession { to: to.to_owned(), request: request.to_owned() })
    }
}

impl fmt::Display for Succession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to, self.request)
    }
}

impl Desired {
    /// Whether anything is wanted that counts only when a group is made, and that a standing one does not tell: what it is
    /// restored from, and where its nodes are put.
    #[must_use]
    pub fn counts_at_creation(&self) -> bool {
        self.restore != Restore::default() || !self.preferred_zones.is_empty() || !self.topology.layout().is_empty()
    }

    /// Reads, defaults and checks; all problems at once.
    ///
    /// # Errors
    /// Every property that is wrong, with its fix.
    pub fn new(value: &ResourceProperties, owner: &Owner, purpose: Purpose<'_>) -> Result<Desired, Vec<Problem>> {
        let (properties, mut problems) = Properties::read(value);
        rules::check(&properties, purpose, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(resolve(properties, owner, purpose))
    }

    /// Physical id of a new resource with these properties, when one can be derived even if they are not all right.
    #[must_use]
    pub fn derived_id(value: &ResourceProperties) -> Option<String> {
        let (properties, _) = Properties::read(value);
        derived_stem(&properties)
    }

    /// Tags of the subnet group: those of everything, and what it replaces.
    #[must_use]
    pub fn subnet_group_tags(&self) -> Tags {
        let mut tags = self.tags.clone();
        tags.extend(self.replaces.iter().map(|id| (TAG_REPLACES.to_owned(), id.clone())));
        tags.extend(self.secret.numbered.iter().flat_map(NumberedSecret::tag));
        tags
    }

    /// Takes over under which name the secret is.
    pub fn settle_secret(&mut self, numbered: NumberedSecret) {
        self.secret.name = numbered.name();
        self.secret.numbered = Some(numbered);
    }

    /// Where the token comes from, if there is one.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        match &self.auth {
            Auth::Generated { version } => Some(Origin::generated(&self.secret.name, version.as_deref())),
            Auth::Literal(_) => Some(Origin::template(&self.secret.name)),
            Auth::Foreign { arn, key } => Some(Origin::foreign(arn, key.as_deref())),
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
    pub fn settle_cluster_mode(&mut self, cluster_enabled: bool) {
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
    pub fn renamed(&self, value: &ResourceProperties, earlier: &ResourceProperties) -> Option<String> {
        let (properties, _) = Properties::read(value);
        let (before, _) = Properties::read(earlier);
        let explicit = |p: &Properties| p.replication_group_id.as_ref().map(|id| id.to_ascii_lowercase());
        let other_name = explicit(&before).is_some_and(|before| explicit(&properties).is_some_and(|now| now != before));
        if !other_name && generation(&properties, &self.names.replication_group).is_some() {
            return None;
        }
        // The rollback of a new name that was refused names it as it is called.
        derived_stem(&properties).filter(|stem| *stem != self.names.replication_group)
    }

    /// The same wish as a generation that replaces `before`; `seed` is our snapshot of that one. What the template says
    /// about a first restore was for the first generation.
    #[must_use]
    pub fn replacing(mut self, before: &str, seed: Option<String>) -> Desired {
        self.replaces = Some(before.to_owned());
        self.restore = Restore { snapshot_name: seed.clone(), snapshot_arns: Vec::new() };
        self.seed = seed;
        self
    }
}

/// The stem that `id` is a generation of, with its number, if these properties name it.
fn generation(p: &Properties, id: &str) -> Option<(String, u32)> {
    let stems = match (&p.replication_group_id, &p.env, &p.project_id) {
        (Some(given), _, _) => vec![given.to_ascii_lowercase()],
        // An engine change keeps the id, so the other engine's stem is as good.
        (None, Some(env), Some(project)) => {
            [Engine::Valkey, Engine::Redis].iter().map(|engine| names::stem(env, project, *engine)).collect()
        }
        _ => Vec::new(),
    };
    stems.into_iter().find_map(|stem| names::generation(id, &stem).map(|number| (stem, number)))
}

/// Ids for the next generation after `physical_id`, the first choice first: the numbers above its own, or when the
/// properties name the resource anew (`renamed`), that name and the numbers from two on.
pub fn next_generations<'a>(
    value: &ResourceProperties,
    physical_id: &'a str,
    renamed: Option<&'a str>,
) -> impl Iterator<Item = String> + use<'a> {
    let (properties, _) = Properties::read(value);
    let (stem, number) = match renamed {
        // Under one SecretName the number alone keeps the secrets of two generations apart.
        Some(stem) if properties.secret_name.is_some() => (stem.to_owned(), names::trailing_number(physical_id)),
        Some(stem) => (stem.to_owned(), 0),
        None => generation(&properties, physical_id).unwrap_or_else(|| (physical_id.to_owned(), 1)),
    };
    (number + 1..).map(move |number| names::of_generation(&stem, number))
}

fn derived_stem(p: &Properties) -> Option<String> {
    if let Some(given) = &p.replication_group_id {
        return names::id_defect(given).is_none().then(|| given.to_ascii_lowercase());
    }
    Some(names::stem(p.env.as_ref()?, p.project_id.as_ref()?, p.engine.unwrap_or(Engine::Valkey)))
}

/// What a Delete needs to know; read leniently, because bad properties must never block a Delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Names of what is removed.
    pub names: Names,
    /// Whose they must be.
    pub owner: Owner,
    /// Snapshot to take first.
    pub final_snapshot: Option<String>,
    /// Secret's name.
    pub secret_name: String,
    /// Whether that is not the usual one: then only the subnet group knows it, which has to outlive the secret.
    pub secret_is_numbered: bool,
    /// Whether the template asks for a token that we keep.
    pub keeps_secret: bool,
    /// Days until the secret is gone; 0 deletes at once.
    pub recovery_window_days: i32,
    /// Whether the template forbids it.
    pub deletion_protection: bool,
}

impl Removal {
    /// The removal of everything under `replication_group`.
    #[must_use]
    pub fn new(value: &ResourceProperties, owner: &Owner, replication_group: &str, request_id: &str) -> Removal {
        let (properties, _) = Properties::read(value);
        let names = Names::of(replication_group);
        let number = generation(&properties, replication_group).map_or(1, |(_, number)| number);
        // Bad properties never hold a Delete back, but they must not cost data either: a name that is set and illegal
        // still means a snapshot.
        let is_set = |name: &str| value.get(name).is_some();
        let legal_snapshot = properties
            .final_snapshot_identifier
            .filter(|name| names::name_defect(name).is_none())
            .or_else(|| is_set("FinalSnapshotIdentifier").then(|| format!("{replication_group}-final")))
            .filter(|name| names::name_defect(name).is_none());
        Removal {
            final_snapshot: legal_snapshot.map(|name| names.final_snapshot(&name, request_id)),
            secret_name: match properties.secret_name.filter(|given| names::is_secret_name(given)) {
                Some(given) => names::given_secret(&given, number),
                None => names.secret(),
            },
            secret_is_numbered: false,
            keeps_secret: is_set("AuthToken")
                || (is_set("AuthTokenEnabled") && properties.auth_token_enabled != Some(false)),
            recovery_window_days: properties
                .secret_recovery_window_in_days
                .filter(|days| *days == 0 || *days >= 7)
                .unwrap_or(DEFAULT_RECOVERY_DAYS),
            deletion_protection: properties.deletion_protection.unwrap_or(false),
            names,
            owner: owner.clone(),
        }
    }

    /// The same with the secret under another name than the usual one.
    #[must_use]
    pub fn with_secret(self, numbered: &NumberedSecret) -> Removal {
        Removal { secret_name: numbered.name(), secret_is_numbered: true, ..self }
    }

    /// The same for a generation that was never put to use: nobody's data and nobody's token are in it.
    #[must_use]
    pub fn of_unfinished(self) -> Removal {
        Removal { final_snapshot: None, deletion_protection: false, recovery_window_days: 0, ..self }
    }
}

#[cfg(test)]
mod tests;
