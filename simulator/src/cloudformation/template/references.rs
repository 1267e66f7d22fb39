//! What the functions in a template refer to. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// Functions of templates (without transforms), in the order in which CloudFormation lists them.
pub(super) const FUNCTIONS: [&str; 15] = [
    "Fn::Base64",
    "Fn::GetAtt",
    "Fn::GetAZs",
    "Fn::ImportValue",
    "Fn::Join",
    "Fn::Split",
    "Fn::FindInMap",
    "Fn::Select",
    "Fn::Equals",
    "Fn::If",
    "Fn::Not",
    "Fn::And",
    "Fn::Or",
    "Fn::Sub",
    "Fn::Cidr",
];

/// One thing that a value refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reference {
    /// `Ref`, or `${Name}` in a `Fn::Sub`.
    Name(String),
    /// `Fn::GetAtt`, or `${Resource.Attribute}` in a `Fn::Sub`.
    Attribute(String, String),
    /// The condition of a `Fn::If`.
    Condition(String),
    /// A function that there is not.
    Unknown(String),
}

/// The function that an object stands for.
pub(super) fn function(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = fields.iter().next()?;
    (fields.len() == 1 && (name == "Ref" || name.starts_with("Fn::"))).then_some((name.as_str(), argument))
}

/// Everything that a value refers to. With the values of the conditions, only what the branches that count refer to.
pub(super) fn references(value: &Value, conditions: Option<&BTreeMap<String, bool>>) -> Vec<Reference> {
    let mut found = Vec::new();
    collect(value, conditions, &mut found);
    found
}

fn collect(value: &Value, conditions: Option<&BTreeMap<String, bool>>, found: &mut Vec<Reference>) {
    match value {
        Value::Object(fields) => match function(fields) {
            Some(("Ref", Value::String(name))) => found.push(Reference::Name(name.clone())),
            Some(("Fn::GetAtt", argument)) => {
                if let Some((resource, attribute)) = attribute_path(argument) {
                    found.push(Reference::Attribute(resource, attribute));
                }
                if let Value::Array(parts) = argument {
                    for part in parts {
                        collect(part, conditions, found);
                    }
                }
            }
            Some(("Fn::Sub", argument)) => substituted(argument, conditions, found),
            Some(("Fn::If", Value::Array(parts))) => chosen(parts, conditions, found),
            Some((name, argument)) => {
                if name != "Ref" && !FUNCTIONS.contains(&name) {
                    found.push(Reference::Unknown(name.to_owned()));
                }
                collect(argument, conditions, found);
            }
            None => fields.values().for_each(|field| collect(field, conditions, found)),
        },
        Value::Array(items) => items.iter().for_each(|item| collect(item, conditions, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn chosen(parts: &[Value], conditions: Option<&BTreeMap<String, bool>>, found: &mut Vec<Reference>) {
    let condition = parts.first().and_then(Value::as_str).unwrap_or_default();
    found.push(Reference::Condition(condition.to_owned()));
    let counts = conditions.and_then(|conditions| conditions.get(condition));
    for (index, branch) in parts.iter().enumerate().skip(1) {
        if counts.is_none_or(|yes| *yes == (index == 1)) {
            collect(branch, conditions, found);
        }
    }
}

fn substituted(argument: &Value, conditions: Option<&BTreeMap<String, bool>>, found: &mut Vec<Reference>) {
    let (text, variables) = match argument {
        Value::Array(parts) => (parts.first(), parts.get(1).and_then(Value::as_object)),
        text => (Some(text), None),
    };
    for part in text.and_then(Value::as_str).and_then(|text| parts(text).ok()).unwrap_or_default() {
        let Part::Variable(name) = part else { continue };
        if variables.is_some_and(|variables| variables.contains_key(name)) {
            continue;
        }
        found.push(match name.split_once('.') {
            Some((resource, attribute)) => Reference::Attribute(resource.to_owned(), attribute.to_owned()),
            None => Reference::Name(name.to_owned()),
        });
    }
    variables.into_iter().flat_map(Map::values).for_each(|value| collect(value, conditions, found));
}

/// Resource and attribute of a `Fn::GetAtt`, in either of its forms.
pub(super) fn attribute_path(argument: &Value) -> Option<(String, String)> {
    match argument {
        Value::String(path) => path.split_once('.').map(|(resource, name)| (resource.to_owned(), name.to_owned())),
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(resource), Value::String(name)] => Some((resource.clone(), name.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// A part of the text of a `Fn::Sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// As it stands.
    Text(&'a str),
    /// `${Name}`.
    Variable(&'a str),
    /// `${!Name}`, which gives `${Name}`.
    Literal(&'a str),
}

/// The parts of the text of a `Fn::Sub`.
pub(super) fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, tail)) = after.split_once('}') else {
            return Err(format!("Template error: Fn::Sub has a variable without a closing brace: {text}"));
        };
        parts.push(Part::Text(before));
        parts.push(match name.strip_prefix('!') {
            Some(literal) => Part::Literal(literal),
            None => Part::Variable(name.trim()),
        });
        rest = tail;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}
