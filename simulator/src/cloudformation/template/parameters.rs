//! The values of a template's parameters, checked as CloudFormation checks them. Pure.

use std::collections::BTreeMap;

use regex_lite::Regex;
use serde_json::Value;

use super::Template;

/// Values by name: a text, or a list of texts for a list type.
pub(crate) type Parameters = BTreeMap<String, Value>;

/// The values of all parameters: what is given, else their defaults. Everything that is wrong is said at once.
pub(crate) fn values(template: &Template, given: &BTreeMap<String, String>) -> Result<Parameters, String> {
    let declared = template.section("Parameters");
    let unknown: Vec<&str> = given.keys().filter(|name| !declared.contains_key(*name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(format!("Parameters: [{}] do not exist in the template", unknown.join(", ")));
    }
    let (mut values, mut missing, mut problems) = (Parameters::new(), Vec::new(), Vec::new());
    for (name, declaration) in declared {
        let kind = declaration["Type"].as_str().unwrap_or_default();
        if kind.starts_with("AWS::SSM::Parameter::") {
            problems.push(format!(
                "Parameter {name} has the type {kind}, which the local AWS does not read: declare it as String and give the value"
            ));
            continue;
        }
        let default = declaration.get("Default").map(scalar_text);
        let Some(text) = given.get(name).cloned().or(default) else {
            missing.push(name.as_str());
            continue;
        };
        match checked(name, kind, declaration, &text) {
            Ok(value) => drop(values.insert(name.clone(), value)),
            Err(problem) => problems.push(problem),
        }
    }
    if !missing.is_empty() {
        problems.push(format!("Parameters: [{}] must have values", missing.join(", ")));
    }
    if problems.is_empty() { Ok(values) } else { Err(problems.join("; ")) }
}

/// A text, or the texts of a list.
fn checked(name: &str, kind: &str, declaration: &Value, text: &str) -> Result<Value, String> {
    let is_list = kind == "CommaDelimitedList" || kind.starts_with("List<");
    let elements: Vec<&str> = match (is_list, text) {
        (true, "") => Vec::new(),
        (true, text) => text.split(',').map(str::trim).collect(),
        (false, text) => vec![text],
    };
    for element in &elements {
        constraints(name, kind, declaration, element)?;
    }
    Ok(if is_list { elements.into() } else { text.into() })
}

fn constraints(name: &str, kind: &str, declaration: &Value, text: &str) -> Result<(), String> {
    let said = |fallback: String| {
        let described = declaration["ConstraintDescription"].as_str();
        Err(match described {
            Some(described) => format!("Parameter {name} failed to satisfy constraint: {described}"),
            None => fallback,
        })
    };
    if let Some(allowed) = declaration["AllowedValues"].as_array() {
        let allowed: Vec<String> = allowed.iter().map(scalar_text).collect();
        if !allowed.iter().any(|value| value == text) {
            return said(format!("Parameter '{name}' must be one of AllowedValues"));
        }
    }
    if let Some(pattern) = declaration["AllowedPattern"].as_str() {
        let whole = Regex::new(&format!("^(?:{pattern})$"))
            .map_err(|error| format!("Template format error: AllowedPattern of {name} cannot be read: {error}"))?;
        if !whole.is_match(text) {
            return said(format!("Parameter '{name}' must match pattern {pattern}"));
        }
    }
    let limit = |key: &str| scalar_text(&declaration[key]).parse::<f64>().ok();
    if kind == "Number" || kind == "List<Number>" {
        let Ok(number) = text.parse::<f64>() else {
            return Err(format!("Parameter '{name}' must be a number"));
        };
        if limit("MinValue").is_some_and(|least| number < least) {
            return said(format!("Parameter '{name}' must be a number not less than {}", declaration["MinValue"]));
        }
        if limit("MaxValue").is_some_and(|most| number > most) {
            return said(format!("Parameter '{name}' must be a number not greater than {}", declaration["MaxValue"]));
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "the length of a parameter is at most 4096")]
    let length = text.chars().count() as f64;
    if limit("MinLength").is_some_and(|least| length < least) {
        return said(format!("Parameter '{name}' must contain at least {} characters", declaration["MinLength"]));
    }
    if limit("MaxLength").is_some_and(|most| length > most) {
        return said(format!("Parameter '{name}' must contain at most {} characters", declaration["MaxLength"]));
    }
    Ok(())
}

/// A scalar as text; a list, as some templates give a default, with commas.
pub(super) fn scalar_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(scalar_text).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
