//! A secret and its versions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::rotation::Rotation;
use super::{invalid_parameter, invalid_request};
use crate::clock::Time;
use crate::wire::tree::text;
use crate::world::AwsError;

/// The stage of the value that readers get.
pub(super) const CURRENT: &str = "AWSCURRENT";
/// The stage of the value before that.
pub(super) const PREVIOUS: &str = "AWSPREVIOUS";
/// The stage of a value that a rotation is bringing in.
pub(super) const PENDING: &str = "AWSPENDING";

/// Versions that a secret keeps (service model).
const VERSIONS_KEPT: usize = 100;
/// No version younger than this is removed (service model).
const VERSION_MIN_AGE: Duration = Duration::from_hours(24);
const VALUE_MAX_BYTES: usize = 65_536;

/// A secret.
#[derive(Clone, Debug)]
pub struct Secret {
    /// Name.
    pub name: String,
    /// Name and six more characters behind the account.
    pub arn: String,
    /// Text for people.
    pub description: Option<String>,
    /// Customer key, if one was given.
    pub kms_key: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// By version id.
    pub versions: BTreeMap<String, Version>,
    /// Regions that it is replicated to.
    pub replicas: BTreeSet<String>,
    /// Whether and when it is going to be deleted.
    pub deletion: Option<Deletion>,
    pub(super) rotation: Option<Rotation>,
    pub(super) created: Time,
    pub(super) changed: Time,
    pub(super) accessed: Option<Time>,
}

/// One version of a secret.
#[derive(Clone, Debug)]
pub struct Version {
    /// `SecretString` or `SecretBinary`; none in a version that a rotation has announced and not yet filled.
    pub value: Option<Payload>,
    /// Staging labels.
    pub stages: BTreeSet<String>,
    pub(super) created: Time,
}

/// A secret value.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// Text.
    Text(String),
    /// Bytes, in base64 as they came.
    Binary(String),
}

/// Values stay out of test output and logs.
impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A scheduled deletion.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// When it was asked for.
    pub requested: Time,
    /// When it happens.
    pub due: Time,
}

impl Payload {
    /// The value in a request, if it has one.
    pub(super) fn requested(params: &Value) -> Result<Option<Payload>, AwsError> {
        let payload = match (text(params, "SecretString"), text(params, "SecretBinary")) {
            (Some(_), Some(_)) => {
                return Err(invalid_parameter(
                    "You can't specify both a binary secret value and a string secret value in the same secret.",
                ));
            }
            (Some(text), None) => Payload::Text(text.into()),
            (None, Some(bytes)) => Payload::Binary(bytes.into()),
            (None, None) => return Ok(None),
        };
        let (Payload::Text(content) | Payload::Binary(content)) = &payload;
        if content.is_empty() || content.len() > VALUE_MAX_BYTES {
            return Err(AwsError::new("ValidationException", "A secret value must be 1 to 65536 bytes long."));
        }
        Ok(Some(payload))
    }

    pub(super) fn describe(&self, into: &mut Map<String, Value>) {
        match self {
            Payload::Text(text) => into.insert("SecretString".into(), json!(text)),
            Payload::Binary(bytes) => into.insert("SecretBinary".into(), json!(bytes)),
        };
    }
}

impl Secret {
    /// The value that readers get, when it is text.
    #[must_use]
    pub fn current_text(&self) -> Option<&str> {
        let version = self.versions.get(self.staged(CURRENT)?)?;
        match version.value.as_ref()? {
            Payload::Text(text) => Some(text),
            Payload::Binary(_) => None,
        }
    }

    /// The version that has this stage.
    #[must_use]
    pub fn staged(&self, stage: &str) -> Option<&str> {
        self.versions.iter().find(|(_, version)| version.stages.contains(stage)).map(|(id, _)| id.as_str())
    }

    pub(super) fn check_alive(&self) -> Result<(), AwsError> {
        match self.deletion {
            Some(_) => Err(invalid_request(
                "You can't perform this operation on the secret because it was marked for deletion.",
            )),
            None => Ok(()),
        }
    }

    /// Gives a stage to one version and takes it from any other; the version that was current becomes the previous one.
    pub(super) fn move_stage(&mut self, stage: &str, version: &str) {
        let holder = self.staged(stage).map(str::to_owned);
        if holder.as_deref() == Some(version) {
            return;
        }
        if let Some(holder) = &holder {
            self.drop_stage(stage, holder);
            if stage == CURRENT {
                self.move_stage(PREVIOUS, holder);
            }
        }
        // A version cannot be its own predecessor.
        if stage == CURRENT {
            self.drop_stage(PREVIOUS, version);
            if holder.is_some() && self.rotation.is_some() {
                self.drop_stage(PENDING, version);
            }
        }
        if let Some(version) = self.versions.get_mut(version) {
            version.stages.insert(stage.into());
        }
    }

    pub(super) fn drop_stage(&mut self, stage: &str, version: &str) {
        if let Some(version) = self.versions.get_mut(version) {
            version.stages.remove(stage);
        }
    }

    /// Adds a version with these stages. The same id with the same value again is ignored, with another value refused:
    /// this is what makes retries safe (service model).
    pub(super) fn add_version(&mut self, id: &str, value: Payload, stages: &[&str], now: Time) -> Result<(), AwsError> {
        match self.versions.get_mut(id) {
            Some(version) if version.value.as_ref() == Some(&value) => return Ok(()),
            Some(Version { value: Some(_), .. }) => {
                return Err(AwsError::new(
                    "ResourceExistsException",
                    "You can't change the value of an existing version: the ClientRequestToken is already used.",
                ));
            }
            // Announced by RotateSecret, filled now.
            Some(version) => version.value = Some(value),
            None => {
                self.make_room(now)?;
                let version = Version { value: Some(value), stages: BTreeSet::new(), created: now };
                self.versions.insert(id.into(), version);
            }
        }
        // The first version is the current one whatever was asked for [BC].
        if self.staged(CURRENT).is_none() {
            self.move_stage(CURRENT, id);
        }
        for stage in stages {
            self.move_stage(stage, id);
        }
        self.changed = now;
        Ok(())
    }

    /// Old versions without stages go when the secret is full.
    fn make_room(&mut self, now: Time) -> Result<(), AwsError> {
        while self.versions.len() >= VERSIONS_KEPT {
            let removable =
                |version: &Version| version.stages.is_empty() && now.since(version.created) >= VERSION_MIN_AGE;
            let mut old: Vec<_> = self.versions.iter().filter(|(_, version)| removable(version)).collect();
            old.sort_by_key(|(_, version)| version.created);
            let Some(oldest) = old.first().map(|(id, _)| (*id).clone()) else {
                return Err(AwsError::new("LimitExceededException", "The secret has as many versions as it can have."));
            };
            self.versions.remove(&oldest);
        }
        Ok(())
    }

    pub(super) fn stages_by_version(&self) -> Value {
        let staged = self.versions.iter().filter(|(_, version)| !version.stages.is_empty());
        staged.map(|(id, version)| (id.clone(), json!(version.stages))).collect::<Map<_, _>>().into()
    }

    /// The fields that DescribeSecret and ListSecrets share; absent ones are left out.
    pub(super) fn summary(&self) -> Map<String, Value> {
        let tags: Vec<Value> = self.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        let mut fields = Map::new();
        fields.insert("ARN".into(), json!(self.arn));
        fields.insert("Name".into(), json!(self.name));
        fields.insert("CreatedDate".into(), json!(self.created.epoch_seconds()));
        fields.insert("LastChangedDate".into(), json!(self.changed.epoch_seconds()));
        fields.insert("Tags".into(), json!(tags));
        if let Some(description) = &self.description {
            fields.insert("Description".into(), json!(description));
        }
        if let Some(key) = &self.kms_key {
            fields.insert("KmsKeyId".into(), json!(key));
        }
        if let Some(accessed) = self.accessed {
            fields.insert("LastAccessedDate".into(), json!(accessed.epoch_seconds()));
        }
        if let Some(deletion) = &self.deletion {
            fields.insert("DeletedDate".into(), json!(deletion.requested.epoch_seconds()));
        }
        if let Some(rotation) = &self.rotation {
            rotation.describe(&mut fields);
        }
        fields
    }
}
