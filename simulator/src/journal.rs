//! The journal: every API call that reached the local AWS, in order.

use serde_json::Value;

use crate::clock::Time;

/// One call and how it ended.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When the call arrived.
    pub at: Time,
    /// Signing name of the service: `elasticache`, `ec2`, `secretsmanager`, `lambda`.
    pub service: String,
    /// Operation.
    pub action: String,
    /// Input as a tree, as in [`crate::world::Call::params`].
    pub params: Value,
    /// `Ok` with the output tree, or the error code.
    pub outcome: Result<Value, String>,
}

impl Entry {
    /// Whether the call may change something: not a Describe, Get or List.
    #[must_use]
    pub fn is_write(&self) -> bool {
        !["Describe", "Get", "List"].iter().any(|read| self.action.starts_with(read))
    }
}
