//! Moving staging labels between versions.

use serde_json::json;

use super::secret::{CURRENT, PENDING};
use super::{SecretsManager, invalid_parameter};
use crate::wire::tree::text;
use crate::world::{Answer, AwsError, Call};

impl SecretsManager {
    /// A label that is attached must be taken from the version that has it, by name, so that two movers cannot undo
    /// each other unseen (service model).
    pub(super) fn update_stage(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let stage = text(params, "VersionStage").unwrap_or_default();
        let (from, to) = (text(params, "RemoveFromVersionId"), text(params, "MoveToVersionId"));
        let secret = self.live_mut(params)?;
        for id in from.iter().chain(&to) {
            if !secret.versions.contains_key(*id) {
                let message = format!("Secrets Manager can't find the specified secret version: {id}");
                return Err(AwsError::new("ResourceNotFoundException", message));
            }
        }
        let holder = secret.staged(stage).map(str::to_owned);
        match (&holder, from, to) {
            (_, None, None) => {
                return Err(invalid_parameter("You must specify MoveToVersionId or RemoveFromVersionId."));
            }
            (_, Some(_), None) if stage == CURRENT => {
                return Err(invalid_parameter(
                    "You can only move staging label AWSCURRENT to a different secret version. It can't be completely \
                     removed.",
                ));
            }
            (Some(holder), from, to) if from != Some(holder) && to != Some(holder) => {
                return Err(invalid_parameter(format!(
                    "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to \
                     version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
                )));
            }
            (None, Some(from), _) => {
                return Err(invalid_parameter(format!("Staging label {stage} is not attached to version {from}.")));
            }
            _ => {}
        }
        // A rotation ends when its pending version becomes the current one.
        if stage == CURRENT
            && to.is_some()
            && to == secret.staged(PENDING)
            && let Some(rotation) = &mut secret.rotation
        {
            rotation.rotated(call.now);
        }
        match (from, to) {
            (_, Some(to)) => secret.move_stage(stage, to),
            (Some(from), None) => secret.drop_stage(stage, from),
            (None, None) => {}
        }
        secret.changed = call.now;
        Ok(json!({"ARN": secret.arn, "Name": secret.name}))
    }
}
