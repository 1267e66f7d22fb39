//! The calls that create, describe and tag secrets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::secret::{CURRENT, Payload};
use super::{Secret, SecretsManager, arn_prefix, invalid_parameter, invalid_request};
use crate::wire::tree::{items, text, texts};
use crate::world::{Answer, AwsError, Call, REGION};

const TAGS_PER_SECRET: usize = 50;

impl SecretsManager {
    pub(super) fn create(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let name = text(params, "Name").unwrap_or_default();
        check_name(name)?;
        let value = Payload::requested(params)?;
        let tags = requested_tags(params)?;
        let version = self.version_id(params)?;
        if self.vanishing.contains_key(name) || self.secret(name).is_some_and(|secret| secret.deletion.is_some()) {
            return Err(invalid_request(
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            ));
        }
        if let Some(present) = self.secrets.get(name) {
            // A retry with the same token and value is answered like the first try [BC].
            let retried = present.versions.get(&version).is_some_and(|found| value.is_some() && found.value == value);
            return if retried {
                Ok(json!({"ARN": present.arn, "Name": name, "VersionId": version}))
            } else {
                let message = format!("The operation failed because the secret {name} already exists.");
                Err(AwsError::new("ResourceExistsException", message))
            };
        }
        let mut secret = Secret {
            name: name.into(),
            arn: format!("{}{name}-{}", arn_prefix(), self.random.suffix()),
            description: text(params, "Description").map(str::to_owned),
            kms_key: text(params, "KmsKeyId").map(str::to_owned),
            tags,
            versions: BTreeMap::new(),
            replicas: BTreeSet::new(),
            deletion: None,
            rotation: None,
            created: call.now,
            changed: call.now,
            accessed: None,
        };
        let mut answer = json!({"ARN": secret.arn, "Name": name});
        if let Some(value) = value {
            secret.add_version(&version, value, &[CURRENT], call.now)?;
            answer["VersionId"] = json!(version);
        }
        self.secrets.insert(name.into(), secret);
        Ok(answer)
    }

    /// The id of the version that a request makes: its token, or an id of our own where a client sends none.
    pub(super) fn version_id(&mut self, params: &Value) -> Result<String, AwsError> {
        match text(params, "ClientRequestToken") {
            Some(token) if (32..=64).contains(&token.len()) => Ok(token.into()),
            Some(_) => Err(invalid_parameter("ClientRequestToken must be 32-64 characters long.")),
            None => Ok(self.random.uuid()),
        }
    }

    pub(super) fn describe(&self, call: &Call) -> Answer {
        let secret = self.addressed(&call.params)?;
        let mut fields = secret.summary();
        fields.insert("VersionIdsToStages".into(), secret.stages_by_version());
        if !secret.replicas.is_empty() {
            fields.insert("PrimaryRegion".into(), json!(REGION));
            fields.insert("ReplicationStatus".into(), secret.replication());
        }
        Ok(fields.into())
    }

    /// No secret here has a policy of its own, and then AWS answers without one.
    pub(super) fn resource_policy(&self, call: &Call) -> Answer {
        let secret = self.addressed(&call.params)?;
        Ok(json!({"ARN": secret.arn, "Name": secret.name}))
    }

    pub(super) fn update(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let value = Payload::requested(params)?;
        let version = self.version_id(params)?;
        let secret = self.live_mut(params)?;
        let mut answer = json!({"ARN": secret.arn, "Name": secret.name});
        if let Some(value) = value {
            secret.add_version(&version, value, &[CURRENT], call.now)?;
            answer["VersionId"] = json!(version);
        }
        if let Some(description) = text(params, "Description") {
            secret.description = Some(description.into());
        }
        if let Some(key) = text(params, "KmsKeyId") {
            secret.kms_key = Some(key.into());
        }
        secret.changed = call.now;
        Ok(answer)
    }

    pub(super) fn tag(&mut self, call: &Call) -> Answer {
        let tags = requested_tags(&call.params)?;
        let secret = self.live_mut(&call.params)?;
        let mut after = secret.tags.clone();
        after.extend(tags);
        secret.tags = checked_count(after)?;
        Ok(json!({}))
    }

    pub(super) fn untag(&mut self, call: &Call) -> Answer {
        let secret = self.live_mut(&call.params)?;
        for key in texts(&call.params, "TagKeys") {
            secret.tags.remove(key);
        }
        Ok(json!({}))
    }
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c);
    if name.is_empty() || name.len() > 512 || !name.chars().all(legal) {
        return Err(AwsError::new(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
        ));
    }
    Ok(())
}

fn requested_tags(params: &Value) -> Result<BTreeMap<String, String>, AwsError> {
    let mut tags = BTreeMap::new();
    for tag in items(params, "Tags") {
        let (key, value) = (text(tag, "Key").unwrap_or_default(), text(tag, "Value").unwrap_or_default());
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(invalid_parameter("Tag keys have 1 to 128 characters, tag values at most 256."));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_parameter("Tag keys starting with aws: are reserved for AWS use."));
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(invalid_parameter(format!("Duplicate tag keys found: {key}")));
        }
    }
    checked_count(tags)
}

fn checked_count(tags: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, AwsError> {
    if tags.len() > TAGS_PER_SECRET {
        return Err(AwsError::new("LimitExceededException", "A secret has at most 50 tags."));
    }
    Ok(tags)
}
