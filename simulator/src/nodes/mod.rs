//! Real cache servers behind the endpoints of the local AWS.
//!
//! ElastiCache says which nodes it wants ([`NodeSpec`], level-triggered); a driver makes real Valkey processes match and
//! reports each one that accepts connections. Without a driver every node counts as ready at once.
//!
//! ```text
//! client ──TLS or plain──> endpoint (one per member, a primary and a reader per group) ──plain──> valkey process
//! ```

mod driver;
mod endpoint;
mod fleet;
mod tls;
mod valkey;

pub use driver::Driver;
pub use tls::Authority;
pub use valkey::find_server;

/// What one member of a replication group must be right now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Replication group the member belongs to.
    pub group: String,
    /// Member id, such as `prod-app-valkey-001`.
    pub member: String,
    /// Member that this one replicates; `None` for a primary.
    pub replica_of: Option<String>,
    /// Who may connect.
    pub access: Access,
    /// Transport encryption at the endpoints.
    pub tls: Tls,
    /// What a new primary begins with.
    pub restored_from: Option<ShardCopy>,
}

/// The data of one shard in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShardCopy {
    /// Name of the snapshot.
    pub snapshot: String,
    /// Id of the shard.
    pub shard: String,
}

/// Passwords of the default user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Every one of these opens the node.
    pub tokens: Vec<String>,
    /// Whether a connection without a password is accepted.
    pub anonymous: bool,
}

/// Transport encryption of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Plain connections only.
    Off,
    /// Both plain and TLS.
    Preferred,
    /// TLS only.
    Required,
}

#[cfg(test)]
mod tests;
