//! The calls that read and write secret values.

use serde_json::{Value, json};

use super::secret::{CURRENT, Payload};
use super::{Secret, SecretsManager, invalid_parameter, invalid_request};
use crate::wire::tree::{text, texts};
use crate::world::{Answer, AwsError, Call};

impl SecretsManager {
    pub(super) fn get_value(&mut self, call: &Call) -> Answer {
        let secret = self.live_mut(&call.params)?;
        let id = wanted_version(secret, &call.params)?;
        let version = &secret.versions[&id];
        let mut fields = json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": id,
            "VersionStages": version.stages,
            "CreatedDate": version.created.epoch_seconds(),
        });
        if let (Some(value), Some(fields)) = (&version.value, fields.as_object_mut()) {
            value.describe(fields);
        }
        secret.accessed = Some(call.now);
        Ok(fields)
    }

    pub(super) fn put_value(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let missing = || invalid_request("You must provide either SecretString or SecretBinary.");
        let value = Payload::requested(params)?.ok_or_else(missing)?;
        let mut stages: Vec<&str> = texts(params, "VersionStages").collect();
        if stages.is_empty() {
            stages.push(CURRENT);
        }
        if stages.len() > 20 {
            return Err(invalid_parameter("A version has at most 20 staging labels."));
        }
        let id = self.version_id(params)?;
        let secret = self.live_mut(params)?;
        secret.add_version(&id, value, &stages, call.now)?;
        Ok(json!({
            "ARN": secret.arn,
            "Name": secret.name,
            "VersionId": id,
            "VersionStages": secret.versions[&id].stages,
        }))
    }

    pub(super) fn list_versions(&self, call: &Call) -> Answer {
        let secret = self.addressed(&call.params)?;
        let deprecated = call.params["IncludeDeprecated"] == json!(true);
        let listed = secret.versions.iter().filter(|(_, version)| deprecated || !version.stages.is_empty());
        let versions: Vec<Value> = listed
            .map(|(id, version)| {
                json!({
                    "VersionId": id,
                    "VersionStages": version.stages,
                    "CreatedDate": version.created.epoch_seconds(),
                })
            })
            .collect();
        Ok(json!({"ARN": secret.arn, "Name": secret.name, "Versions": versions}))
    }
}

/// By id, by stage, or both, which must then agree; the current version when neither is given. A version that has no
/// value yet cannot be read.
fn wanted_version(secret: &Secret, params: &Value) -> Result<String, AwsError> {
    let (id, stage) = (text(params, "VersionId"), text(params, "VersionStage"));
    let missing = |what: String| {
        let message = format!("Secrets Manager can't find the specified secret value for {what}");
        AwsError::new("ResourceNotFoundException", message)
    };
    let found = match (id, stage) {
        (Some(id), stage) => {
            let version = secret.versions.get(id).ok_or_else(|| missing(format!("VersionId: {id}")))?;
            if stage.is_some_and(|stage| !version.stages.contains(stage)) {
                return Err(invalid_request(
                    "You provided a VersionStage that is not associated to the provided VersionId.",
                ));
            }
            id.to_owned()
        }
        (None, stage) => {
            let stage = stage.unwrap_or(CURRENT);
            secret.staged(stage).ok_or_else(|| missing(format!("staging label: {stage}")))?.to_owned()
        }
    };
    match secret.versions[&found].value {
        Some(_) => Ok(found),
        None => Err(missing(format!("VersionId: {found}"))),
    }
}
