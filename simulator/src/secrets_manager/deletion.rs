//! Deleting and restoring secrets.

use std::time::Duration;

use serde_json::{Value, json};

use super::secret::Deletion;
use super::{SecretsManager, arn_prefix, invalid_parameter, invalid_request};
use crate::wire::tree::text;
use crate::world::{Answer, AwsError, Call};

const DAY: Duration = Duration::from_hours(24);

impl SecretsManager {
    pub(super) fn delete(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let force = params["ForceDeleteWithoutRecovery"] == json!(true);
        let window = &params["RecoveryWindowInDays"];
        if force && !window.is_null() {
            return Err(invalid_parameter(
                "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
            ));
        }
        if let Some(secret) = self.secret(text(params, "SecretId").unwrap_or_default()) {
            secret.check_unreplicated()?;
        }
        if force { Ok(self.force_delete(call)) } else { self.schedule_deletion(call, recovery_window(window)?) }
    }

    fn schedule_deletion(&mut self, call: &Call, days: u32) -> Answer {
        let secret = self.addressed_mut(&call.params)?;
        if secret.deletion.is_some() {
            return Err(invalid_request(
                "You can't perform this operation on the secret because it was already scheduled for deletion.",
            ));
        }
        let deletion = Deletion { requested: call.now, due: call.now + DAY * days };
        let answer = json!({"ARN": secret.arn, "Name": secret.name, "DeletionDate": deletion.due.epoch_seconds()});
        secret.deletion = Some(deletion);
        Ok(answer)
    }

    /// Gone for every call at once, while its name stays taken for a moment. A secret that is not there is no error,
    /// so that a retry succeeds (service model).
    fn force_delete(&mut self, call: &Call) -> Value {
        let id = text(&call.params, "SecretId").unwrap_or_default();
        let date = call.now.epoch_seconds();
        let Some(secret) = self.name_of(id).and_then(|name| self.secrets.remove(&name)) else {
            let name = id.strip_prefix(arn_prefix().as_str()).unwrap_or(id);
            return json!({"ARN": format!("{}{name}", arn_prefix()), "Name": name, "DeletionDate": date});
        };
        let answer = json!({"ARN": secret.arn, "Name": secret.name, "DeletionDate": date});
        self.vanishing.insert(secret.name, call.now + self.deletion_lag);
        answer
    }

    pub(super) fn restore(&mut self, call: &Call) -> Answer {
        let secret = self.addressed_mut(&call.params)?;
        secret.deletion = None;
        Ok(json!({"ARN": secret.arn, "Name": secret.name}))
    }
}

fn recovery_window(days: &Value) -> Result<u32, AwsError> {
    let out_of_range =
        || invalid_parameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).");
    match days {
        Value::Null => Ok(30),
        days => {
            let days = days.as_u64().and_then(|days| u32::try_from(days).ok());
            days.filter(|days| (7..=30).contains(days)).ok_or_else(out_of_range)
        }
    }
}
