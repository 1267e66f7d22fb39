//! What AWS says is there, in our own types: pure. One snapshot per pass; not found is a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::auth::token_state::InForce;
use crate::cost::Price;
use crate::desired::{Desired, LogDelivery, Source, Tls};
use crate::domain::alarm::Alarm;
use crate::domain::engine::{Engine, Version};
use crate::domain::secret::{AuthToken, SecretContent};
use crate::domain::tags::{Owner, TAG_ALARMS, TAG_CREATING, TAG_KEPT_VERSION, TAG_REPLACED_BY, TAG_REPLACES, Tags};
use crate::properties::{ClusterMode, Settings};

/// Everything under one generation's names, and what its properties point at.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Replication group.
    pub group: Option<Group>,
    /// Members of the group that could be described, by id. Empty while the group itself is not available.
    pub members: BTreeMap<String, Member>,
    /// Cache subnet group.
    pub subnet_group: Option<SubnetGroup>,
    /// Security group.
    pub security_group: Option<SecurityGroup>,
    /// Parameter groups that carry one of this generation's names.
    pub parameter_groups: Vec<ParameterGroup>,
    /// Secret.
    pub secret: Option<Secret>,
    /// The secret under the name that the template gave it before, if that was another one.
    pub former_secret: Option<Secret>,
    /// The parameter group that this request asked for. One that waits for the maintenance window shows in no pending
    /// change, unlike version and node type.
    pub asked_parameter_group: Option<String>,
    /// The log types that this request asked to be delivered.
    pub asked_logs: BTreeSet<String>,
    /// Parameters that AWS refused to reset for this request.
    pub unresettable: BTreeSet<String>,
    /// Whether AWS refused to reset several parameters without saying which, so that they are reset one by one.
    pub resets_singly: bool,
    /// The version whose token AWS was last asked to make the only one, by this request, and agreed.
    pub required_version: Option<String>,
    /// Our snapshot from which a new generation is made, when one is looked for.
    pub transfer_snapshot: Option<FoundSnapshot>,
    /// The alarms under this generation's name; none are looked for where there can be none, or where nothing is done about
    /// them yet.
    pub alarms: BTreeMap<String, Alarm>,
    /// Why alarms are left as they are for the rest of this request.
    pub alarm_trouble: Option<String>,
    /// What the engine does when its memory is full, where a parameter group of the user's says so and it counts.
    pub maxmemory_policy: Option<String>,
    /// When the request that observes was asked for, in milliseconds since the epoch.
    pub asked_epoch_ms: Option<u64>,
}

/// What AWS may still be working on, or keep for the maintenance window, by the names of its fields.
pub mod pending {
    /// Another token, in `PendingModifiedValues`.
    pub const AUTH_TOKEN: &str = "AuthTokenStatus";
    /// Other user groups.
    pub const USER_GROUPS: &str = "UserGroups";
    /// Log deliveries; AWS also shows these in the deliveries' own status.
    pub const LOGS: &str = "LogDeliveryConfigurations";
    /// Another engine version, of a member.
    pub const ENGINE_VERSION: &str = "EngineVersion";
    /// Another node type, of a member.
    pub const NODE_TYPE: &str = "CacheNodeType";
    /// Another parameter group, which AWS does not show while it waits.
    pub const PARAMETER_GROUP: &str = "CacheParameterGroup";
}

/// A replication group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Id.
    pub id: String,
    /// ARN.
    pub arn: String,
    /// Status of the whole group.
    pub status: Status,
    /// When it was asked for, in milliseconds since the epoch.
    pub created_epoch_ms: Option<u64>,
    /// Description.
    pub description: String,
    /// Member ids.
    pub member_ids: BTreeSet<String>,
    /// Shards.
    pub shards: Vec<Shard>,
    /// Whether it speaks the cluster protocol with more than one shard possible.
    pub cluster_enabled: bool,
    /// Cluster mode.
    pub cluster_mode: ClusterMode,
    /// Configuration endpoint of a sharded group.
    pub configuration_endpoint: Option<Endpoint>,
    /// Whether automatic failover is on, or is being turned on.
    pub automatic_failover: bool,
    /// Whether Multi-AZ is on.
    pub multi_az: bool,
    /// Node type.
    pub node_type: String,
    /// Encryption at rest.
    pub at_rest_encryption: bool,
    /// Customer key.
    pub kms_key_id: Option<String>,
    /// Encryption in transit.
    pub tls: Tls,
    /// Whether a token is needed.
    pub auth_token_enabled: bool,
    /// When the token was last changed, as AWS tells it.
    pub auth_token_modified: Option<String>,
    /// What AWS is doing with the token: `ROTATING` or `SETTING`.
    pub auth_token_status: Option<String>,
    /// RBAC user groups.
    pub user_group_ids: BTreeSet<String>,
    /// Settings that AWS shows on the group; see [`Observed::settings`].
    pub settings: Settings,
    /// `ipv4`, `ipv6`, `dual_stack`.
    pub network_type: Option<String>,
    /// `ipv4`, `ipv6`.
    pub ip_discovery: Option<String>,
    /// Data tiering.
    pub data_tiering: bool,
    /// `sync`, `async`, `disabled` or `default`.
    pub durability: Option<String>,
    /// Log deliveries by type.
    pub logs: BTreeMap<String, LogDelivery>,
    /// Why deliveries that AWS accepted do not work, by type.
    pub log_failures: BTreeMap<String, String>,
    /// What AWS is still working on or keeps for the maintenance window, by field.
    pub pending: BTreeSet<String>,
    /// Tags; `None` while AWS does not list them, which is so while the group changes.
    pub tags: Option<Tags>,
}

/// Status of a group or member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum Status {
    Creating,
    Available,
    Modifying,
    Snapshotting,
    Rebooting,
    Deleting,
    CreateFailed,
    /// A word that we do not know; reported by name.
    Unknown(String),
    /// AWS did not say.
    #[default]
    Unsaid,
}

impl Status {
    /// Reads the API's word.
    #[must_use]
    pub fn parse(word: &str) -> Status {
        match word {
            "creating" => Status::Creating,
            "available" => Status::Available,
            "modifying" => Status::Modifying,
            "snapshotting" => Status::Snapshotting,
            "rebooting cluster nodes" => Status::Rebooting,
            "deleting" => Status::Deleting,
            "create-failed" => Status::CreateFailed,
            other => Status::Unknown(other.to_owned()),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Creating => "creating",
            Status::Available => "available",
            Status::Modifying => "modifying",
            Status::Snapshotting => "snapshotting",
            Status::Rebooting => "rebooting",
            Status::Deleting => "deleting",
            Status::CreateFailed => "create-failed",
            Status::Unknown(word) => word,
            Status::Unsaid => "without status",
        })
    }
}

/// A shard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// Id, such as `0001`.
    pub id: String,
    /// Status.
    pub status: Status,
    /// Endpoint for writes.
    pub primary: Option<Endpoint>,
    /// Endpoint for reads.
    pub reader: Option<Endpoint>,
    /// Members.
    pub member_ids: Vec<String>,
    /// The member that is primary now; known with cluster mode off.
    pub primary_member: Option<String>,
}

/// Host and port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name.
    pub address: String,
    /// Port.
    pub port: i32,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.address, self.port)
    }
}

/// A member node, with what AWS tells only of members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Status.
    pub status: Status,
    /// Engine.
    pub engine: Option<Engine>,
    /// Full version, such as `8.2.0`.
    pub version: Option<Version>,
    /// Node type.
    pub node_type: String,
    /// Parameter group.
    pub parameter_group: String,
    /// Whether some parameters take effect at the next reboot only.
    pub awaits_reboot: bool,
    /// Subnet group.
    pub subnet_group: String,
    /// Attached security groups.
    pub security_groups: BTreeSet<String>,
    /// Settings that AWS shows on members; see [`Observed::settings`].
    pub settings: Settings,
    /// Availability zone.
    pub zone: String,
    /// Fields that wait for the maintenance window or are being applied.
    pub pending: BTreeSet<String>,
}

impl Member {
    /// Whether another engine or a later version is desired than the member runs.
    #[must_use]
    pub fn is_to_become(&self, desired: &Desired) -> bool {
        let (Some(engine), Some(version)) = (self.engine, self.version.as_ref()) else { return false };
        engine != desired.engine || desired.version.is_newer_than(version)
    }

    /// Parameter group family of its engine version.
    #[must_use]
    pub fn family(&self) -> Option<String> {
        Some(self.version.as_ref()?.family(self.engine?))
    }
}

/// A cache subnet group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubnetGroup {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// VPC.
    pub vpc_id: String,
    /// Subnets.
    pub subnet_ids: BTreeSet<String>,
    /// Zones of the subnets, by subnet.
    pub zones: BTreeMap<String, String>,
    /// Tags.
    pub tags: Tags,
}

/// A security group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityGroup {
    /// `sg-...`
    pub id: String,
    /// Name.
    pub name: String,
    /// VPC.
    pub vpc_id: String,
    /// Account that it belongs to; in a shared VPC that may be another one.
    pub owner_id: Option<String>,
    /// Ingress rules.
    pub ingress: BTreeSet<IngressRule>,
    /// Accounts of the security groups that the rules name, where they are others.
    pub source_owners: BTreeMap<String, String>,
    /// Tags.
    pub tags: Tags,
}

/// One ingress rule, one source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IngressRule {
    /// `tcp`, `-1`, ...
    pub protocol: String,
    /// First port; `None` when the protocol has none.
    pub from_port: Option<i32>,
    /// Last port.
    pub to_port: Option<i32>,
    /// Who may come in.
    pub source: Source,
}

impl IngressRule {
    /// TCP on one port.
    #[must_use]
    pub fn tcp(port: i32, source: Source) -> IngressRule {
        IngressRule { protocol: "tcp".to_owned(), from_port: Some(port), to_port: Some(port), source }
    }
}

impl fmt::Display for IngressRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.protocol, self.source)?;
        self.from_port.map_or(Ok(()), |port| write!(f, " port {port}"))
    }
}

/// A parameter group of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterGroup {
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// Family.
    pub family: String,
    /// Values that differ from the family's defaults.
    pub values: BTreeMap<String, String>,
    /// Tags.
    pub tags: Tags,
}

/// A secret under our name.
#[derive(Clone, Debug, Default)]
pub struct Secret {
    /// Full ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// Tags.
    pub tags: Tags,
    /// Whether it waits for its deletion.
    pub deleted: bool,
    /// Customer key.
    pub kms_key_id: Option<String>,
    /// When it was last changed, as AWS tells it.
    pub changed: Option<String>,
    /// Ids of its versions by their staging label.
    pub stages: BTreeMap<String, String>,
    /// What its current version says; `None` when it was not read, is empty, or has no password that a cache takes.
    pub content: Option<SecretContent>,
    /// Why the current version, which has a value, has no such password.
    pub flaw: Option<String>,
    /// The version that a change of the token under way brings in, with what it says.
    pub incoming: Option<(String, SecretContent)>,
    /// Whether Secrets Manager rotates it.
    pub rotates: bool,
    /// Text for people.
    pub description: String,
    /// Regions that it is replicated to.
    pub replicas: Vec<String>,
}

/// Staging label of the version that readers get.
pub const STAGE_CURRENT: &str = "AWSCURRENT";
/// Staging label of the version that a rotation brings in.
pub const STAGE_PENDING: &str = "AWSPENDING";

impl Secret {
    /// Why a secret that nobody needs any more stays: AWS deletes none that has replicas, and what somebody made in other
    /// regions is not this function's to take away.
    #[must_use]
    pub fn kept_for_replicas(&self) -> String {
        let regions = self.replicas.join(", ");
        format!(
            "secret {} was kept because it is replicated to {regions}: remove the replicas, then delete it",
            self.name
        )
    }

    /// Takes over what was read of the current version.
    pub fn read(&mut self, current: Option<Result<SecretContent, String>>) {
        (self.content, self.flaw) = match current {
            Some(Ok(content)) => (Some(content), None),
            Some(Err(flaw)) => (None, Some(flaw)),
            None => (None, None),
        };
    }

    /// Id of the version that readers get.
    #[must_use]
    pub fn current(&self) -> Option<&str> {
        self.stages.get(STAGE_CURRENT).map(String::as_str)
    }

    /// Id of a version that is being brought in and is not current yet.
    #[must_use]
    pub fn pending(&self) -> Option<&str> {
        self.stages.get(STAGE_PENDING).map(String::as_str).filter(|id| Some(*id) != self.current())
    }

    /// What this version says, if it was read.
    #[must_use]
    pub fn version(&self, id: &str) -> Option<&SecretContent> {
        if self.current() == Some(id) {
            return self.content.as_ref();
        }
        self.incoming.as_ref().filter(|(incoming, _)| incoming == id).map(|(_, content)| content)
    }
}

/// A token in a secret that we only read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalToken {
    /// The token.
    pub token: AuthToken,
    /// The version of the secret that it was in.
    pub version: String,
}

impl Group {
    /// Whether the group and all its shards are available and nothing is pending, as far as the group itself tells.
    #[must_use]
    pub fn is_stable(&self) -> bool {
        let in_shards: usize = self.shards.iter().map(|shard| shard.member_ids.len()).sum();
        self.status == Status::Available
            && self.shards.iter().all(|shard| shard.status == Status::Available)
            && in_shards == self.member_ids.len()
            && self.pending.is_empty()
    }

    /// What the group is busy with, for a progress line.
    #[must_use]
    pub fn progress(&self) -> String {
        let mut text = self.status.to_string();
        let busy: Vec<String> = self
            .shards
            .iter()
            .filter(|shard| shard.status != Status::Available && shard.status != self.status)
            .map(|shard| format!("shard {} {}", shard.id, shard.status))
            .collect();
        if !busy.is_empty() {
            text = format!("{text}, {}", busy.join(", "));
        }
        if !self.pending.is_empty() {
            let pending: Vec<&str> = self.pending.iter().map(String::as_str).collect();
            text = format!("{text}, pending: {}", pending.join(", "));
        }
        text
    }

    /// `content` with all that this group decides of it; token and what others added stay.
    #[must_use]
    pub fn told_in(&self, content: &SecretContent) -> Option<SecretContent> {
        let endpoint = self.main_endpoint()?;
        let port = u16::try_from(endpoint.port).unwrap_or_default();
        let token = content.token();
        Some(SecretContent {
            host: endpoint.address.clone(),
            port,
            reader_host: match &self.configuration_endpoint {
                Some(_) => String::new(),
                None => self.reader_endpoint().map(|reader| reader.address.clone()).unwrap_or_default(),
            },
            url: SecretContent::connection_url(&endpoint.address, port, &token),
            others: content.others.clone(),
            ..SecretContent::of_token(&content.engine, &token, &self.id)
        })
    }

    /// Endpoint for writes with cluster mode off.
    #[must_use]
    pub fn primary_endpoint(&self) -> Option<&Endpoint> {
        self.shards.first().and_then(|shard| shard.primary.as_ref())
    }

    /// Endpoint for reads with cluster mode off.
    #[must_use]
    pub fn reader_endpoint(&self) -> Option<&Endpoint> {
        self.shards.first().and_then(|shard| shard.reader.as_ref())
    }

    /// The endpoint that clients should use: the configuration endpoint when there is one.
    #[must_use]
    pub fn main_endpoint(&self) -> Option<&Endpoint> {
        self.configuration_endpoint.as_ref().or_else(|| self.primary_endpoint())
    }

    /// Replicas by shard.
    #[must_use]
    pub fn replicas_per_shard(&self) -> Vec<(String, i32)> {
        let count = |shard: &Shard| i32::try_from(shard.member_ids.len()).unwrap_or(i32::MAX) - 1;
        self.shards.iter().map(|shard| (shard.id.clone(), count(shard))).collect()
    }
}

impl Observed {
    /// The first member that is not available, with what it is doing.
    #[must_use]
    pub fn busy_member(&self) -> Option<(&String, &Member)> {
        self.members.iter().find(|(_, member)| member.status != Status::Available)
    }

    /// Any member, for what only members tell.
    #[must_use]
    pub fn first_member(&self) -> Option<&Member> {
        self.members.values().next()
    }

    /// The settings, as the group and its members show them.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let members = self.first_member().map(|member| member.settings.clone()).unwrap_or_default();
        self.group.as_ref().map_or(members.clone(), |group| group.settings.or(&members))
    }

    /// Whether the first Create has not been answered with success yet.
    #[must_use]
    pub fn is_being_created(&self) -> bool {
        self.subnet_group.as_ref().is_some_and(|group| group.tags.contains_key(TAG_CREATING))
    }

    /// The generation that this one replaces, as long as CloudFormation may still go back to it.
    #[must_use]
    pub fn replaces(&self) -> Option<&str> {
        self.subnet_group.as_ref().and_then(|group| group.tags.get(TAG_REPLACES)).map(String::as_str)
    }

    /// What this generation says about the one that takes over.
    #[must_use]
    pub fn succession_tag(&self) -> Option<&str> {
        self.subnet_group.as_ref().and_then(|group| group.tags.get(TAG_REPLACED_BY)).map(String::as_str)
    }

    /// The newer engine version that a rollback left.
    #[must_use]
    pub fn kept_version(&self) -> Option<&str> {
        self.subnet_group.as_ref().and_then(|group| group.tags.get(TAG_KEPT_VERSION)).map(String::as_str)
    }

    /// Whether there may be alarms, as this generation itself says.
    #[must_use]
    pub fn may_have_alarms(&self) -> bool {
        self.subnet_group.as_ref().is_some_and(|group| group.tags.contains_key(TAG_ALARMS))
    }

    /// Whether there is nothing under any of this generation's names that a new one would collide with. A secret that
    /// waits for its deletion can be taken back.
    #[must_use]
    pub fn is_free(&self, owner: &Owner) -> bool {
        let secret_is_free = self.secret.as_ref().is_none_or(|secret| secret.deleted && owner.owns(&secret.tags));
        self.group.is_none()
            && self.subnet_group.is_none()
            && self.security_group.is_none()
            && self.parameter_groups.is_empty()
            && secret_is_free
    }

    /// Whether anything of this generation carries the owner's tags.
    #[must_use]
    pub fn has_anything_of(&self, owner: &Owner) -> bool {
        (self.group.is_some() && self.owns_group(owner))
            || self.subnet_group.as_ref().is_some_and(|group| owner.owns(&group.tags))
            || self.security_group.as_ref().is_some_and(|group| owner.owns(&group.tags))
            || self.parameter_groups.iter().any(|group| owner.owns(&group.tags))
            || self.secret.as_ref().is_some_and(|secret| !secret.deleted && owner.owns(&secret.tags))
    }

    /// Whether an earlier request was to make the group and never came to its end: CloudFormation knows nothing of it, and
    /// nobody has been told where it is.
    #[must_use]
    pub fn is_left_behind(&self) -> bool {
        self.is_being_created() && self.was_there_before()
    }

    /// Whether the group was asked for before the request that observes.
    #[must_use]
    pub fn was_there_before(&self) -> bool {
        let created = self.group.as_ref().and_then(|group| group.created_epoch_ms);
        created.zip(self.asked_epoch_ms).is_some_and(|(created, asked)| created < asked)
    }

    /// Whether a request that never came to its end began to make this in another VPC. A subnet group cannot move.
    #[must_use]
    pub fn was_begun_outside(&self, vpc_id: &str, owner: &Owner) -> bool {
        let begun = self.subnet_group.as_ref().filter(|group| owner.owns(&group.tags));
        self.is_being_created() && begun.is_some_and(|group| group.vpc_id != vpc_id)
    }

    /// Whether the replication group is ours. Its own tags decide; while AWS does not list them, the tags of the
    /// subnet group or security group of the same name do.
    #[must_use]
    pub fn owns_group(&self, owner: &Owner) -> bool {
        match self.group.as_ref().and_then(|group| group.tags.as_ref()) {
            Some(tags) => owner.owns(tags),
            None => {
                self.subnet_group.as_ref().is_some_and(|group| owner.owns(&group.tags))
                    || self.security_group.as_ref().is_some_and(|group| owner.owns(&group.tags))
            }
        }
    }
}

/// A subnet that the properties name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Id.
    pub id: String,
    /// VPC.
    pub vpc_id: String,
    /// Account that it, and its VPC, belongs to.
    pub owner_id: Option<String>,
    /// Availability zone.
    pub zone: String,
    /// Addresses that are free.
    pub free_addresses: i32,
    /// Whether it has an IPv6 block.
    pub ipv6: bool,
}

/// What the properties point at in the account, looked up before the first write. `None` means that the lookup was
/// not possible, and nothing is refused on its account.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// The subnets that exist.
    pub subnets: Option<Vec<Subnet>>,
    /// The function's account.
    pub id: Option<String>,
    /// The region that everything is in; it decides the built-in price.
    pub region: String,
    /// The security groups that exist, by id.
    pub security_groups: Option<BTreeMap<String, SecurityGroup>>,
    /// The token in the secret of `AuthTokenSecretArn`, or why there is none; `None` when no secret is named.
    pub external_token: Option<Result<ExternalToken, String>>,
    /// The token in force, if it is in a secret that we only read and can still be read there.
    pub token_in_force: Option<(InForce, AuthToken)>,
    /// The group of `ParameterGroupName`.
    pub parameter_group: Lookup<FoundParameterGroup>,
    /// What the parameters of the wanted family may be, by name.
    pub parameter_rules: Option<BTreeMap<String, ParameterRule>>,
    /// Engine of the group in `UserGroupIds`.
    pub user_group: Lookup<String>,
    /// The snapshot of `SnapshotName`.
    pub snapshot: Lookup<FoundSnapshot>,
    /// Versions of the engine that are offered.
    pub engine_versions: Option<Vec<Version>>,
    /// What a node costs, if that is to be limited.
    pub price: Option<Price>,
}

impl Account {
    /// A token that no cache takes counts as one that cannot be read, so that the one in force stays.
    pub fn leave_illegal_token(&mut self) {
        let defect = self.external_token.as_ref().and_then(|found| found.as_ref().ok()?.token.defect());
        if let Some(defect) = defect {
            self.external_token = Some(Err(format!("the token in it {defect}")));
        }
    }
}

/// What a lookup before the first write found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lookup<T> {
    /// There was nothing to look for, or it was not possible.
    #[default]
    NotDone,
    /// It does not exist.
    Missing,
    /// It exists.
    Found(T),
}

/// A parameter group of the user's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundParameterGroup {
    /// Family.
    pub family: String,
    /// Whether it turns cluster mode on, if it says.
    pub cluster_enabled: Option<bool>,
}

/// What a parameter of a family may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterRule {
    /// `integer`, `string`, ...
    pub data_type: String,
    /// Values, as AWS writes them: `yes,no`, `0-100`, `1-`; empty when anything goes.
    pub allowed: String,
}

impl ParameterRule {
    /// Whether AWS would surely refuse this value. What its notation leaves open is for AWS to say.
    #[must_use]
    pub fn refuses(&self, value: &str) -> bool {
        let parts: Vec<&str> = self.allowed.split(',').map(str::trim).collect();
        if self.allowed.is_empty() {
            return false;
        }
        if self.data_type == "integer" {
            let Some(ranges) = parts.iter().map(|part| integers(part)).collect::<Option<Vec<_>>>() else {
                return false;
            };
            return value
                .trim()
                .parse()
                .map_or(true, |n: i64| !ranges.iter().any(|(low, high)| (*low..=*high).contains(&n)));
        }
        let words =
            parts.len() > 1 && parts.iter().all(|part| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
        self.data_type == "string" && words && !parts.contains(&value)
    }
}

/// `n`, `a-b` or `a-`; the first may be negative.
fn integers(text: &str) -> Option<(i64, i64)> {
    if let Ok(number) = text.parse() {
        return Some((number, number));
    }
    let dash = text.char_indices().skip(1).find(|(_, c)| *c == '-')?.0;
    let (low, high) = (&text[..dash], &text[dash + 1..]);
    let high = if high.is_empty() { i64::MAX } else { high.parse().ok()? };
    Some((low.parse().ok()?, high))
}

/// A snapshot to restore.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundSnapshot {
    /// ARN.
    pub arn: String,
    /// `available`, `creating`, ...
    pub status: Status,
    /// Engine of the group it was taken of.
    pub engine: Option<Engine>,
    /// Version of that group.
    pub version: Option<Version>,
    /// Shards of that group, if AWS says.
    pub shards: Option<i32>,
    /// Whether that group has data tiering.
    pub data_tiering: bool,
}

/// Whether a key that AWS reports is the one that a template names: AWS reports a key by its ARN, a template may give its
/// id.
#[must_use]
pub fn same_key(actual: Option<&str>, wanted: Option<&str>) -> bool {
    match (actual, wanted) {
        (Some(actual), Some(wanted)) => {
            actual == wanted || actual.rsplit('/').next() == wanted.rsplit('/').next() || wanted.contains("alias/")
        }
        (None, None) => true,
        // AWS's own key is shown or not, whether it was asked for or not.
        (Some(key), None) | (None, Some(key)) => key.contains("alias/aws/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_values_that_are_surely_wrong_are_refused() {
        let rule = |data_type: &str, allowed: &str| ParameterRule {
            data_type: data_type.to_owned(),
            allowed: allowed.to_owned(),
        };
        for (data_type, allowed, value, refused) in [
            ("integer", "0-100", "100", false),
            ("integer", "0-100", "101", true),
            ("integer", "0-100", "many", true),
            ("integer", "-1-", "-1", false),
            ("integer", "-5--1,1-", "0", true),
            ("integer", "1,2,4", "3", true),
            ("integer", "as you like", "3", false),
            ("string", "yes,no", "maybe", true),
            ("string", "yes,no", "no", false),
            ("string", "", "anything", false),
            ("string", "K,E,g,$", "KEA", false),
        ] {
            assert_eq!(rule(data_type, allowed).refuses(value), refused, "{data_type} {allowed} {value}");
        }
    }
}
