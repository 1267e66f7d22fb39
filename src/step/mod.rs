//! The steps that a plan is made of. A step carries every argument, so that acting on it decides nothing.

pub mod duration;
pub mod effect;
pub mod group;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::desired::{LogDelivery, Tls};
use crate::domain::alarm::Alarm;
use crate::domain::secret::{AuthToken, OtherKeys, SecretContent};
use crate::domain::tags::Tags;
use crate::observed::IngressRule;
use group::{GroupChange, NewGroup, Replicas, join};

/// One change at AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "fields are the arguments of the call that the variant is named for")]
pub enum Step {
    CreateSubnetGroup { name: String, description: String, subnet_ids: BTreeSet<String>, tags: Tags },
    ModifySubnetGroup { name: String, subnet_ids: BTreeSet<String> },
    DeleteSubnetGroup { name: String },
    CreateSecurityGroup { name: String, description: String, vpc_id: String, tags: Tags },
    AuthorizeIngress { security_group: String, rules: BTreeSet<IngressRule>, owners: BTreeMap<String, String> },
    RevokeIngress { security_group: String, rules: BTreeSet<IngressRule>, owners: BTreeMap<String, String> },
    DeleteSecurityGroup { id: String },
    CreateParameterGroup { name: String, family: String, description: String, tags: Tags },
    ModifyParameters { name: String, values: Vec<(String, String)> },
    ResetParameters { name: String, values: BTreeMap<String, String> },
    DeleteParameterGroup { name: String },
    CreateSecret(Box<NewSecret>),
    RestoreSecret { arn: String },
    PutSecret { arn: String, content: SecretContent },
    StageSecret(Box<StagedSecret>),
    PromoteSecret { arn: String, to: String, from: Option<String> },
    UnstageSecret { arn: String, version: String },
    SetSecretKey { arn: String, kms_key_id: String },
    DeleteSecret { arn: String, recovery_window_days: i32 },
    CreateGroup(Box<NewGroup>),
    ModifyGroup(Box<GroupChange>),
    ChangeShards { group: String, shards: i32, remove: Vec<String> },
    IncreaseReplicas { group: String, replicas: Replicas },
    DecreaseReplicas { group: String, replicas: Replicas },
    SetTransitEncryption { group: String, from: Tls, to: Tls },
    ChangeAuth { group: String, change: AuthChange },
    DeliverLogs { group: String, set: BTreeMap<String, LogDelivery>, disable: BTreeSet<String> },
    DeleteGroup { group: String, final_snapshot: Option<String> },
    CreateSnapshot { name: String, of: SnapshotSource, tags: Tags },
    DeleteSnapshot { name: String },
    PutAlarms { node: String, alarms: Vec<Alarm>, tags: Tags },
    DeleteAlarms { names: BTreeSet<String> },
    Tag { target: TagTarget, tags: Tags },
    Untag { target: TagTarget, keys: BTreeSet<String> },
}

/// What a snapshot is taken of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotSource {
    /// One member of a group without shards; AWS refuses the group's own id there.
    Member(String),
    /// A group with shards.
    Group(String),
}

impl fmt::Display for SnapshotSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotSource::Member(id) | SnapshotSource::Group(id) => f.write_str(id),
        }
    }
}

/// A change of who may log in. Every one is applied immediately, because AWS does not keep them for a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthChange {
    /// Adds a token; the old way in stays open.
    Rotate {
        /// The token to add.
        token: AuthToken,
        /// The version of the secret that it is in.
        version: String,
        /// Whether user groups were the old way in; they go with this.
        from_user_groups: bool,
    },
    /// Makes a token that was added the only one.
    Set {
        /// The token to keep.
        token: AuthToken,
        /// The version of the secret that it is in.
        version: String,
    },
    /// A user group instead of the token.
    TokenToUserGroup(String),
    /// Other user groups.
    UserGroups {
        /// The one to add, unless it is there.
        add: Option<String>,
        /// Those to remove.
        remove: Vec<String>,
    },
    /// No user groups any more; these are the last.
    RemoveUserGroups(Vec<String>),
}

impl fmt::Display for AuthChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthChange::Rotate { version, from_user_groups: false, .. } => {
                write!(f, "add the token of version {version} (ROTATE)")
            }
            AuthChange::Rotate { version, from_user_groups: true, .. } => {
                write!(f, "add the token of version {version} (ROTATE) and remove the user groups")
            }
            AuthChange::Set { version, .. } => write!(f, "require the token of version {version} (SET)"),
            AuthChange::TokenToUserGroup(id) => write!(f, "user group {id} instead of the token"),
            AuthChange::UserGroups { add, remove } => {
                let signs = add.iter().map(|id| format!("+{id}")).chain(remove.iter().map(|id| format!("-{id}")));
                write!(f, "user groups {}", join(signs))
            }
            AuthChange::RemoveUserGroups(_) => f.write_str("remove the user groups"),
        }
    }
}

/// The step that makes a change, unless nothing changes.
pub(crate) fn modify(change: GroupChange) -> Vec<Step> {
    if change.is_empty() { Vec::new() } else { vec![Step::ModifyGroup(Box::new(change))] }
}

/// What tags are on: each service has its own call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagTarget {
    /// Anything of ElastiCache, by ARN.
    ElastiCache(String),
    /// A security group, by id.
    SecurityGroup(String),
    /// A secret, by ARN.
    Secret(String),
}

/// A secret to make.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named for the arguments of CreateSecret")]
pub struct NewSecret {
    pub name: String,
    pub description: String,
    pub engine: String,
    pub replication_group: String,
    pub kms_key_id: Option<String>,
    /// The token to keep; `None` has one generated.
    pub token: Option<AuthToken>,
    /// An existing secret of ours without a usable value, to be given one instead of making a new secret.
    pub existing: Option<String>,
    /// Whether the existing secret is scheduled for deletion and has to be restored first.
    pub restore: bool,
    /// Id of the version to make, when it was decided before; otherwise the request decides it.
    pub version: Option<String>,
    /// What others added to the secret that the token was in before; an existing secret keeps its own.
    pub others: OtherKeys,
    pub tags: Tags,
}

/// A version to store in a standing secret without giving it to readers yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedSecret {
    /// The secret.
    pub arn: String,
    /// Id of the version.
    pub version: String,
    /// What readers get now; all but the token stays.
    pub content: SecretContent,
    /// The token; `None` has one generated.
    pub token: Option<AuthToken>,
}

impl Step {
    /// Whether the step makes something new, which AWS may show late.
    #[must_use]
    pub fn creates(&self) -> bool {
        matches!(
            self,
            Step::CreateSubnetGroup { .. }
                | Step::CreateSecurityGroup { .. }
                | Step::CreateParameterGroup { .. }
                | Step::CreateSecret(_)
                | Step::StageSecret(_)
                | Step::CreateGroup(_)
                | Step::CreateSnapshot { .. }
                | Step::AuthorizeIngress { .. }
        )
    }

    /// Whether the step takes something away; that it is gone already is then no error.
    #[must_use]
    pub fn removes(&self) -> bool {
        matches!(
            self,
            Step::DeleteSubnetGroup { .. }
                | Step::DeleteSecurityGroup { .. }
                | Step::DeleteParameterGroup { .. }
                | Step::DeleteSecret { .. }
                | Step::DeleteGroup { .. }
                | Step::DeleteSnapshot { .. }
                | Step::DeleteAlarms { .. }
                | Step::RevokeIngress { .. }
        )
    }

    /// Whether the step is about alarms, without which a cluster is as good.
    #[must_use]
    pub fn is_about_alarms(&self) -> bool {
        matches!(self, Step::PutAlarms { .. } | Step::DeleteAlarms { .. })
    }

    /// The parameter group that this step asks for.
    #[must_use]
    pub fn asks_for_parameter_group(&self) -> Option<&str> {
        match self {
            Step::ModifyGroup(change) => change.parameter_group.as_deref(),
            _ => None,
        }
    }

    /// The log types whose delivery this step asks for.
    #[must_use]
    pub fn asks_for_logs(&self) -> Vec<String> {
        match self {
            Step::CreateGroup(group) => group.logs.keys().cloned().collect(),
            Step::DeliverLogs { set, .. } => set.keys().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether AWS works on it for a while after it has accepted the step.
    #[must_use]
    pub fn keeps_aws_busy(&self) -> bool {
        self.changes_group()
            || matches!(self, Step::CreateGroup(_) | Step::DeleteGroup { .. } | Step::CreateSnapshot { .. })
    }

    /// Whether the step changes a standing replication group, which AWS may roll back silently.
    #[must_use]
    pub fn changes_group(&self) -> bool {
        matches!(
            self,
            Step::ModifyGroup(_)
                | Step::ChangeShards { .. }
                | Step::IncreaseReplicas { .. }
                | Step::DecreaseReplicas { .. }
                | Step::SetTransitEncryption { .. }
                | Step::ChangeAuth { .. }
                | Step::DeliverLogs { .. }
        )
    }
}

/// A line per step, as logs and plans show it; no secret is in it.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::CreateSubnetGroup { name, subnet_ids, .. } => {
                write!(f, "create subnet group {name} with {}", join(subnet_ids))
            }
            Step::ModifySubnetGroup { name, subnet_ids } => write!(f, "set subnets of {name} to {}", join(subnet_ids)),
            Step::DeleteSubnetGroup { name } => write!(f, "delete subnet group {name}"),
            Step::CreateSecurityGroup { name, vpc_id, .. } => write!(f, "create security group {name} in {vpc_id}"),
            Step::AuthorizeIngress { security_group, rules, .. } => {
                write!(f, "allow {} in {security_group}", join(rules))
            }
            Step::RevokeIngress { security_group, rules, .. } => {
                write!(f, "no longer allow {} in {security_group}", join(rules))
            }
            Step::DeleteSecurityGroup { id } => write!(f, "delete security group {id}"),
            Step::CreateParameterGroup { name, family, .. } => write!(f, "create parameter group {name} of {family}"),
            Step::ModifyParameters { name, values } => {
                write!(f, "set {} in {name}", join(values.iter().map(|(key, value)| format!("{key}={value}"))))
            }
            Step::ResetParameters { name, values } => write!(f, "reset {} in {name}", join(values.keys())),
            Step::DeleteParameterGroup { name } => write!(f, "delete parameter group {name}"),
            Step::CreateSecret(secret) => {
                let what = if secret.restore { "restore" } else { "create" };
                write!(f, "{what} secret {} with {}", secret.name, source(secret.token.as_ref()))
            }
            Step::RestoreSecret { arn } => write!(f, "restore secret {arn}"),
            Step::PutSecret { arn, .. } => write!(f, "complete secret {arn} with the endpoints"),
            Step::StageSecret(staged) => {
                let source = source(staged.token.as_ref());
                write!(f, "store version {} of secret {} with {source}, pending", staged.version, staged.arn)
            }
            Step::PromoteSecret { arn, to, .. } => write!(f, "make version {to} of secret {arn} current"),
            Step::UnstageSecret { arn, version } => write!(f, "drop pending version {version} of secret {arn}"),
            Step::SetSecretKey { arn, kms_key_id } => write!(f, "encrypt secret {arn} with {kms_key_id}"),
            Step::DeleteSecret { arn, recovery_window_days: 0 } => write!(f, "delete secret {arn} at once"),
            Step::DeleteSecret { arn, recovery_window_days: days } => {
                write!(f, "delete secret {arn}, restorable for {days} days")
            }
            Step::CreateGroup(group) => {
                write!(
                    f,
                    "create replication group {} ({} {}, {})",
                    group.id, group.engine, group.version, group.node_type
                )
            }
            Step::ModifyGroup(change) => {
                let fields = change.fields().into_iter().map(|(name, value)| format!("{name}: {value}"));
                write!(f, "modify replication group {}: {}", change.id, join(fields))
            }
            Step::ChangeShards { group, shards, remove } if remove.is_empty() => {
                write!(f, "change shards of {group} to {shards}")
            }
            Step::ChangeShards { group, shards, remove } => {
                write!(f, "change shards of {group} to {shards}, removing {}", join(remove))
            }
            Step::SetTransitEncryption { group, to, .. } => write!(f, "set TLS of {group} to {to}"),
            Step::ChangeAuth { group, change } => write!(f, "change authentication of {group}: {change}"),
            Step::DeliverLogs { group, set, disable } => {
                let signs = set.iter().map(|(kind, log)| format!("{kind} to {}", log.destination));
                write!(
                    f,
                    "deliver logs of {group}: {}",
                    join(signs.chain(disable.iter().map(|kind| format!("{kind} off"))))
                )
            }
            Step::IncreaseReplicas { group, replicas } => write!(f, "increase replicas of {group} to {replicas}"),
            Step::DecreaseReplicas { group, replicas } => write!(f, "decrease replicas of {group} to {replicas}"),
            Step::DeleteGroup { group, final_snapshot: None } => write!(f, "delete replication group {group}"),
            Step::DeleteGroup { group, final_snapshot: Some(name) } => {
                write!(f, "delete replication group {group} after snapshot {name}")
            }
            Step::CreateSnapshot { name, of, .. } => write!(f, "take snapshot {name} of {of}"),
            Step::DeleteSnapshot { name } => write!(f, "delete snapshot {name}"),
            Step::PutAlarms { node, alarms, .. } => write!(f, "put alarms on {node}: {}", join(alarms)),
            Step::DeleteAlarms { names } => write!(f, "delete alarms {}", join(names)),
            Step::Tag { target, tags } => write!(f, "tag {target} with {}", join(words(tags))),
            Step::Untag { target, keys } => write!(f, "remove tags {} from {target}", join(keys)),
        }
    }
}

impl fmt::Display for TagTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TagTarget::ElastiCache(id) | TagTarget::SecurityGroup(id) | TagTarget::Secret(id) => f.write_str(id),
        }
    }
}

/// Where a token comes from.
fn source(given: Option<&AuthToken>) -> &'static str {
    if given.is_some() { "the given token" } else { "a generated token" }
}

fn words(tags: &Tags) -> impl Iterator<Item = String> {
    tags.iter().map(|(key, value)| format!("{key}={value}"))
}
