//! Secrets Manager: secrets with versions, stages and scheduled deletion.

use crate::clock::Time;
use crate::world::{Answer, AwsError, Call, Right, World};

/// State of the service.
#[derive(Debug, Default)]
pub struct SecretsManager {}

impl SecretsManager {
    /// The permissions that `call` needs.
    #[must_use]
    pub fn rights(_world: &World, _call: &Call) -> Vec<Right> {
        Vec::new()
    }

    /// Handles one call.
    pub fn handle(_world: &mut World, call: &Call) -> Answer {
        Err(AwsError::new("UnknownOperationException", call.action.clone()))
    }

    /// Lets scheduled deletions happen that are due by `now`.
    pub fn advance(_world: &mut World, _now: Time) {}
}
