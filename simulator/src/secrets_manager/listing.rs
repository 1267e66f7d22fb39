//! ListSecrets.

use serde_json::{Value, json};

use super::{Secret, SecretsManager, invalid_parameter};
use crate::wire::tree::{items, text, texts};
use crate::world::{Answer, AwsError, Call};

/// Secrets on a page unless the request says otherwise.
const PAGE: usize = 100;

impl SecretsManager {
    pub(super) fn list(&self, call: &Call) -> Answer {
        let params = &call.params;
        let planned = params["IncludePlannedDeletion"] == json!(true);
        let mut listed = Vec::new();
        for secret in self.secrets.values().filter(|secret| planned || secret.deletion.is_none()) {
            if passes(secret, params)? {
                let mut fields = secret.summary();
                fields.insert("SecretVersionsToStages".into(), secret.stages_by_version());
                listed.push(Value::from(fields));
            }
        }
        let size = params["MaxResults"].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(PAGE);
        let start = match text(params, "NextToken") {
            Some(token) => token
                .parse()
                .map_err(|_| AwsError::new("InvalidNextTokenException", "The NextToken value is invalid."))?,
            None => 0,
        };
        let more = start + size < listed.len();
        let page: Vec<Value> = listed.into_iter().skip(start).take(size).collect();
        let mut answer = json!({"SecretList": page});
        if more {
            answer["NextToken"] = json!((start + size).to_string());
        }
        Ok(answer)
    }
}

/// Filters match by prefix; a `!` in front of a value excludes (service model).
fn passes(secret: &Secret, params: &Value) -> Result<bool, AwsError> {
    for filter in items(params, "Filters") {
        let fields: Vec<&str> = match text(filter, "Key").unwrap_or_default() {
            "name" => vec![&secret.name],
            "description" => secret.description.as_deref().into_iter().collect(),
            "tag-key" => secret.tags.keys().map(String::as_str).collect(),
            "tag-value" => secret.tags.values().map(String::as_str).collect(),
            other => return Err(invalid_parameter(format!("the filter key {other} is not known here"))),
        };
        let starts = |prefix: &str| fields.iter().any(|field| field.starts_with(prefix));
        let matches = |value: &str| match value.strip_prefix('!') {
            Some(excluded) => !starts(excluded),
            None => starts(value),
        };
        if !texts(filter, "Values").any(matches) {
            return Ok(false);
        }
    }
    Ok(true)
}
