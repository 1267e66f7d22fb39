//! Tags: how what is made tells whose it is, and what a request notes for those that come after it.

use std::collections::BTreeMap;

/// Tag key: the stack that owns a resource.
pub const TAG_STACK_ID: &str = "elasticache-resource:stack-id";
/// Tag key: the logical id in that stack.
pub const TAG_LOGICAL_ID: &str = "elasticache-resource:logical-id";
/// Tag key on the subnet group: the resource has not been created successfully yet.
pub const TAG_CREATING: &str = "elasticache-resource:creating";
/// Tag key on the subnet group: the requests that worked on it, newest first.
pub const TAG_REQUESTS: &str = "elasticache-resource:requests";
/// Tag key on the subnet group: the generation that takes over, and the request that it is made for.
pub const TAG_REPLACED_BY: &str = "elasticache-resource:replaced-by";
/// Tag key on the subnet group: the generation that this one replaces, until that is deleted.
pub const TAG_REPLACES: &str = "elasticache-resource:replaces";
/// Tag key on the subnet group: the engine version that a rollback left, newer than the template's.
pub const TAG_KEPT_VERSION: &str = "elasticache-resource:kept-version";
/// Tag key on the subnet group: how far a change of the authentication has come.
pub const TAG_AUTH_CHANGE: &str = "elasticache-resource:auth-change";
/// Tag key on the secret: how long a token stays valid after a scheduled rotation, in minutes.
pub const TAG_GRACE: &str = "elasticache-resource:auth-token-grace-minutes";
/// Tag key on the subnet group: where the token in force comes from.
pub const TAG_TOKEN_SOURCE: &str = "elasticache-resource:auth-token-source";
/// Tag key on the subnet group: under which number the secret is, when a deleted stack's secret had its usual name.
pub const TAG_SECRET: &str = "elasticache-resource:secret";
/// Tag key on the subnet group: there may be alarms on the nodes, from before the first is made until the last is gone.
pub const TAG_ALARMS: &str = "elasticache-resource:alarms";
/// What all keys of our own tags start with; templates may not use it.
pub const TAG_PREFIX: &str = "elasticache-resource:";

/// Who owns what is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Stack ARN.
    pub stack_id: String,
    /// Logical id of the resource in the stack.
    pub logical_id: String,
}

impl Owner {
    /// The tags that say so.
    #[must_use]
    pub fn tags(&self) -> Tags {
        Tags::from([
            (TAG_STACK_ID.to_owned(), self.stack_id.clone()),
            (TAG_LOGICAL_ID.to_owned(), self.logical_id.clone()),
        ])
    }

    /// Whether something with these tags belonged to this resource in a deleted stack of the same name. Names of living
    /// stacks are unique in an account and region, so another stack id under our name is one that is gone.
    #[must_use]
    pub fn succeeds(&self, tags: &Tags) -> bool {
        let name = |stack_id: &str| stack_id.rsplit_once('/').map(|(name, _)| name.to_owned());
        let before = tags.get(TAG_STACK_ID).filter(|id| **id != self.stack_id).and_then(|id| name(id));
        before.is_some() && before == name(&self.stack_id) && tags.get(TAG_LOGICAL_ID) == Some(&self.logical_id)
    }

    /// Whether something with these tags is ours.
    #[must_use]
    pub fn owns(&self, tags: &Tags) -> bool {
        tags.get(TAG_STACK_ID) == Some(&self.stack_id) && tags.get(TAG_LOGICAL_ID) == Some(&self.logical_id)
    }
}

/// Tags by key.
pub type Tags = BTreeMap<String, String>;
