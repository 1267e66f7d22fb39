//! The function's IAM policy, read from `template.yaml`, and what it allows.

use std::path::Path;

use crate::world::Right;

/// An IAM policy: allowed actions on resources under conditions.
#[derive(Clone, Debug, Default)]
pub struct Policy {}

impl Policy {
    /// Reads the inline policy statements of the function in a SAM template. Intrinsic functions (`!Sub`, `!GetAtt`,
    /// `!Ref`) are resolved for [`crate::world::ACCOUNT`] and [`crate::world::REGION`].
    pub fn from_template(_template: &Path) -> Result<Policy, String> {
        Ok(Policy {})
    }

    /// Whether the policy allows it.
    #[must_use]
    pub fn allows(&self, _right: &Right) -> bool {
        true
    }

    /// Every action that the policy names, sorted.
    #[must_use]
    pub fn actions(&self) -> Vec<String> {
        Vec::new()
    }
}
