//! What a call that makes or changes a stack brings: template, parameters, tags.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{invalid, members};
use crate::cloudformation::native;
use crate::cloudformation::state::{CloudFormation, Deployed, OnStackFailure, is_custom};
use crate::cloudformation::template::{Template, values};
use crate::wire::tree::{text, texts};
use crate::world::AwsError;

/// The largest template in a call.
const MAX_BODY: usize = 51_200;

impl CloudFormation {
    /// The template of a call.
    pub(super) fn template(&self, params: &Value, before: Option<&Deployed>) -> Result<Template, AwsError> {
        if text(params, "UsePreviousTemplate") == Some("true") {
            let before = before.ok_or_else(|| invalid("There is no previous template to use"))?;
            return Ok(before.template.clone());
        }
        if let Some(url) = text(params, "TemplateURL") {
            return Err(invalid(format!(
                "The local AWS has no S3 to read {url} from: give the template itself (up to {MAX_BODY} bytes)"
            )));
        }
        let body = text(params, "TemplateBody")
            .ok_or_else(|| invalid("Either Template URL or Template Body must be specified."))?;
        if body.len() > MAX_BODY {
            return Err(invalid(format!(
                "1 validation error detected: Value at 'templateBody' failed to satisfy constraint: Member must have length less than \
                 or equal to {MAX_BODY}"
            )));
        }
        let template = Template::read(body).map_err(invalid)?;
        let kinds = template.section("Resources").values().filter_map(|resource| resource["Type"].as_str());
        let mut unknown: Vec<&str> = kinds.filter(|kind| !is_custom(kind) && !native::knows(kind)).collect();
        unknown.dedup();
        if !self.lenient && !unknown.is_empty() {
            return Err(invalid(format!(
                "Template format error: Unrecognized resource types: [{}] (the local AWS takes unknown types when it is \
                 started with --lenient)",
                unknown.join(", ")
            )));
        }
        Ok(template)
    }

    /// What a stack is asked to be.
    pub(super) fn wanted(&self, params: &Value, before: Option<&Deployed>) -> Result<Deployed, AwsError> {
        let template = self.template(params, before)?;
        let mut given = BTreeMap::new();
        for parameter in members(params, "Parameters") {
            let key = text(parameter, "ParameterKey").unwrap_or_default().to_owned();
            let value = if text(parameter, "UsePreviousValue") == Some("true") {
                match before.and_then(|before| before.given.get(&key)) {
                    Some(value) => value.clone(),
                    // It had its default, and has that again.
                    None if before.is_some_and(|before| before.parameters.contains_key(&key)) => continue,
                    None => {
                        return Err(invalid(format!(
                            "Invalid input for parameter key {key}. Cannot specify \
                                                        usePreviousValue as true for a parameter key not in the previous template"
                        )));
                    }
                }
            } else {
                text(parameter, "ParameterValue").unwrap_or_default().to_owned()
            };
            given.insert(key, value);
        }
        let parameters = values(&template, &given).map_err(invalid)?;
        Ok(Deployed { template, given, parameters, ..Deployed::nothing() })
    }
}

/// What is to happen when the operation fails.
pub(super) fn on_failure(params: &Value) -> Result<OnStackFailure, AwsError> {
    // Change sets have their own name for it.
    let named = text(params, "OnFailure").or_else(|| text(params, "OnStackFailure"));
    match (named, text(params, "DisableRollback")) {
        (Some(_), Some(_)) => Err(invalid("Either DisableRollback or OnFailure can be specified, not both.")),
        (Some("DO_NOTHING"), None) | (None, Some("true")) => Ok(OnStackFailure::DoNothing),
        (Some("DELETE"), None) => Ok(OnStackFailure::Delete),
        (None | Some("ROLLBACK"), _) => Ok(OnStackFailure::RollBack),
        (Some(other), None) => Err(invalid(format!(
            "1 validation error detected: Value '{other}' at 'onFailure' failed to satisfy constraint: Member must satisfy enum \
             value set: [ROLLBACK, DELETE, DO_NOTHING]"
        ))),
    }
}

/// A legal name for a new stack.
pub(super) fn stack_name(params: &Value) -> Result<&str, AwsError> {
    let name = text(params, "StackName").unwrap_or_default();
    let legal = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.len() <= 128
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if legal {
        return Ok(name);
    }
    Err(invalid(format!(
        "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: Member must satisfy regular \
         expression pattern: [a-zA-Z][-a-zA-Z0-9]*"
    )))
}

/// `RetainResources`, `ResourcesToSkip` and the like.
pub(super) fn names(params: &Value, list: &str) -> std::collections::BTreeSet<String> {
    texts(&params[list], "member").map(str::to_owned).collect()
}
