//! The parts of a desired state. Pure.

use std::collections::BTreeMap;
use std::fmt;

use ipnet::IpNet;

use crate::domain::names;
use crate::domain::secret::AuthToken;
use crate::domain::tags::{TAG_SECRET, Tags};
use crate::properties::NodeGroupProperties;

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

    /// Number of shards; one without cluster mode.
    pub(crate) fn shards(&self) -> i32 {
        match self {
            Topology::Single { .. } => 1,
            Topology::Sharded { shards, .. } => *shards,
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
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// None.
    #[default]
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
    External {
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
    /// Reads the value of `TAG_REPLACED_BY`.
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
