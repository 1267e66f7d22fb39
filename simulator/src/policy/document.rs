//! Policy documents as statements.

use serde_json::Value;

use super::condition::Condition;
use super::template::{Template, present};
use super::{Effect, Statement};

/// The statements of one policy document.
pub(super) fn statements(template: &Template, policy: &Value) -> Result<Vec<Statement>, String> {
    let list = policy.get("Statement").ok_or("a policy has no Statement")?;
    let list = present(list);
    list.iter().enumerate().map(|(index, one)| statement(template, one).map_err(|e| describe(index, one, &e))).collect()
}

fn describe(index: usize, statement: &Value, error: &str) -> String {
    match statement["Sid"].as_str() {
        Some(sid) => format!("statement {sid}: {error}"),
        None => format!("statement {}: {error}", index + 1),
    }
}

fn statement(template: &Template, statement: &Value) -> Result<Statement, String> {
    let fields = statement.as_object().ok_or("is not a mapping")?;
    let known = ["Sid", "Effect", "Action", "Resource", "Condition"];
    if let Some(unknown) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(format!("{unknown} is not understood here"));
    }
    let effect = match fields.get("Effect").and_then(Value::as_str) {
        Some("Allow") => Effect::Allow,
        Some("Deny") => Effect::Deny,
        _ => return Err("Effect must be Allow or Deny".into()),
    };
    let texts = |field: &str| {
        let value = fields.get(field).ok_or(format!("{field} is missing"))?;
        template.texts(value).map_err(|e| format!("{field}: {e}"))
    };
    let (actions, mut resources) = (texts("Action")?, texts("Resource")?);
    if let Some(odd) = actions.iter().find(|action| *action != "*" && !action.contains(':')) {
        return Err(format!("Action: {odd} does not name a service"));
    }
    // A parameter that is not set gives an empty text or list: such a statement is about nothing.
    resources.retain(|resource| !resource.is_empty());
    if let Some(odd) = resources.iter().find(|resource| *resource != "*" && !resource.starts_with("arn:")) {
        return Err(format!("Resource: {odd:?} is neither an ARN nor *"));
    }
    if let Some(odd) = resources.iter().find(|resource| resource.contains("${")) {
        return Err(format!("Resource: policy variables are not supported, as in {odd}"));
    }
    let conditions = match fields.get("Condition") {
        Some(block) => conditions(template, block)?,
        None => Vec::new(),
    };
    Ok(Statement { effect, actions, resources, conditions })
}

fn conditions(template: &Template, block: &Value) -> Result<Vec<Condition>, String> {
    let mut conditions = Vec::new();
    for block in present(block) {
        for (operator, keys) in block.as_object().ok_or("Condition is not a mapping")? {
            for (key, values) in keys.as_object().ok_or(format!("Condition {operator} is not a mapping"))? {
                let values = template.texts(values).map_err(|e| format!("Condition {operator} {key}: {e}"))?;
                conditions.push(Condition::new(operator, key.clone(), values)?);
            }
        }
    }
    Ok(conditions)
}
