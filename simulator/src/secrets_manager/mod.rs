//! Secrets Manager: secrets with versions, stages and scheduled deletion.

mod deletion;
mod lifecycle;
mod listing;
mod password;
mod replication;
mod rights;
mod rotate_with;
mod rotation;
mod schedule;
mod secret;
mod stages;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

pub use rotate_with::{STEPS, rotate_with, try_schedule};
pub use rotation::Trial;
pub use secret::{Deletion, Payload, Secret, Version};

use crate::clock::Time;
use crate::wire::tree::text;
use crate::world::{ACCOUNT, Answer, AwsError, Call, REGION, Right, World};

/// State of the service.
#[derive(Debug)]
pub struct SecretsManager {
    /// By name.
    secrets: BTreeMap<String, Secret>,
    /// Names of force-deleted secrets, each until its deletion is through.
    vanishing: BTreeMap<String, Time>,
    /// How long the name of a force-deleted secret stays taken: deletion is asynchronous (service model).
    pub deletion_lag: Duration,
    /// Whether the tags in a request that makes a secret count as the secret's own while rights are checked. The policies
    /// of AWS's own services need it; no text of AWS says so.
    pub new_secret_has_tags: bool,
    random: password::Random,
}

impl Default for SecretsManager {
    fn default() -> SecretsManager {
        SecretsManager {
            secrets: BTreeMap::new(),
            vanishing: BTreeMap::new(),
            deletion_lag: Duration::from_secs(5),
            new_secret_has_tags: true,
            random: password::Random::new(1),
        }
    }
}

impl SecretsManager {
    /// The permissions that `call` needs.
    #[must_use]
    pub fn rights(world: &World, call: &Call) -> Vec<Right> {
        rights::rights(&world.secrets, call, world.readings.via_service)
    }

    /// Handles one call.
    pub fn handle(world: &mut World, call: &Call) -> Answer {
        let service = &mut world.secrets;
        match call.action.as_str() {
            "CreateSecret" => service.create(call),
            "DescribeSecret" => service.describe(call),
            "GetSecretValue" => service.get_value(call),
            "GetResourcePolicy" => service.resource_policy(call),
            "PutSecretValue" => service.put_value(call),
            "UpdateSecret" => service.update(call),
            "DeleteSecret" => service.delete(call),
            "RestoreSecret" => service.restore(call),
            "ListSecrets" => service.list(call),
            "ListSecretVersionIds" => service.list_versions(call),
            "UpdateSecretVersionStage" => service.update_stage(call),
            "TagResource" => service.tag(call),
            "UntagResource" => service.untag(call),
            "GetRandomPassword" => service.random_password(call),
            "RotateSecret" => service.rotate(call),
            "ReplicateSecretToRegions" => service.replicate(call),
            "RemoveRegionsFromReplication" => service.remove_regions(call),
            "CancelRotateSecret" => service.cancel_rotation(call),
            _ => Err(AwsError::new("UnknownOperationException", String::new())),
        }
    }

    /// Lets scheduled deletions happen that are due by `now`.
    pub fn advance(world: &mut World, now: Time) {
        let service = &mut world.secrets;
        service.vanishing.retain(|_, until| *until > now);
        service.secrets.retain(|_, secret| secret.deletion.as_ref().is_none_or(|deletion| deletion.due > now));
    }

    /// The secret with this name or ARN, scheduled for deletion or not.
    #[must_use]
    pub fn secret(&self, id: &str) -> Option<&Secret> {
        self.secrets.get(&self.name_of(id)?)
    }

    /// All secrets, by name.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets.values()
    }

    /// ARNs and tags of the secrets that carry a tag with this key; those scheduled for deletion are left out.
    #[must_use]
    pub fn tagged(&self, key: &str) -> Vec<(String, BTreeMap<String, String>)> {
        let alive = self.secrets.values().filter(|secret| secret.deletion.is_none());
        let tagged = alive.filter(|secret| secret.tags.contains_key(key));
        tagged.map(|secret| (secret.arn.clone(), secret.tags.clone())).collect()
    }

    /// A secret id may be a name, an ARN, or an ARN without its random suffix.
    fn name_of(&self, id: &str) -> Option<String> {
        if !id.starts_with("arn:") {
            return self.secrets.contains_key(id).then(|| id.to_owned());
        }
        let partial = |secret: &Secret| id == format!("{}{}", arn_prefix(), secret.name);
        self.secrets.values().find(|secret| secret.arn == id || partial(secret)).map(|secret| secret.name.clone())
    }

    fn addressed(&self, params: &Value) -> Result<&Secret, AwsError> {
        self.secret(text(params, "SecretId").unwrap_or_default()).ok_or_else(not_found)
    }

    fn addressed_mut(&mut self, params: &Value) -> Result<&mut Secret, AwsError> {
        let name = self.name_of(text(params, "SecretId").unwrap_or_default());
        name.and_then(|name| self.secrets.get_mut(&name)).ok_or_else(not_found)
    }

    /// The secret, unless it is scheduled for deletion: most calls refuse it then (service model).
    fn live_mut(&mut self, params: &Value) -> Result<&mut Secret, AwsError> {
        let secret = self.addressed_mut(params)?;
        secret.check_alive()?;
        Ok(secret)
    }
}

fn arn_prefix() -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:")
}

fn not_found() -> AwsError {
    AwsError::new("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
}

fn invalid_parameter(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterException", message)
}

fn invalid_request(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidRequestException", message)
}
