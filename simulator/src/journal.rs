//! The journal: every API call that reached the local AWS, in order.

use serde_json::Value;

use crate::clock::Time;

/// On whose behalf a call came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The function: its policy and the planned faults apply.
    Function,
    /// Somebody who may do everything, such as a person with the AWS CLI.
    Administrator,
}

/// One call and how it ended.
#[derive(Clone, Debug)]
pub struct Entry {
    /// When the call arrived.
    pub at: Time,
    /// Who called.
    pub caller: Caller,
    /// Prefix of the service's IAM actions: `elasticache`, `ec2`, `secretsmanager`, `cloudwatch`, `lambda`, `pricing`,
    /// `cloudformation`.
    pub service: String,
    /// Operation.
    pub action: String,
    /// Input as a tree, as in [`crate::world::Call::params`].
    pub params: Value,
    /// `Ok` with the output tree, or the error code. A cut connection is `CutBefore` or `CutAfter`.
    pub outcome: Result<Value, String>,
}

impl Entry {
    /// Whether the call may change something: not a Describe, Get or List.
    #[must_use]
    pub fn is_write(&self) -> bool {
        is_write(&self.action)
    }
}

/// Whether an operation may change something.
pub(crate) fn is_write(action: &str) -> bool {
    !["Describe", "Get", "List"].iter().any(|read| action.starts_with(read))
}
