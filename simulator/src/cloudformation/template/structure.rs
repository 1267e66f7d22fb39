//! The structure of a template: what CloudFormation refuses before it makes anything. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Template;
use super::references::{FUNCTIONS, Reference, references};
use super::resolve::unresolved_condition;

const SECTIONS: [&str; 10] = [
    "AWSTemplateFormatVersion",
    "Conditions",
    "Description",
    "Hooks",
    "Mappings",
    "Metadata",
    "Outputs",
    "Parameters",
    "Resources",
    "Rules",
];
const RESOURCE_FIELDS: [&str; 9] = [
    "Condition",
    "CreationPolicy",
    "DeletionPolicy",
    "DependsOn",
    "Metadata",
    "Properties",
    "Type",
    "UpdatePolicy",
    "UpdateReplacePolicy",
];
/// Pseudo parameters.
const PSEUDO: [&str; 8] = [
    "AWS::AccountId",
    "AWS::NoValue",
    "AWS::NotificationARNs",
    "AWS::Partition",
    "AWS::Region",
    "AWS::StackId",
    "AWS::StackName",
    "AWS::URLSuffix",
];

/// Checks everything that needs no parameters.
pub(super) fn check(template: &Template) -> Result<(), String> {
    sections(template)?;
    for (name, resource) in template.section("Resources") {
        resource_fields(name, resource)?;
    }
    for (name, output) in template.section("Outputs") {
        if output.get("Value").is_none() {
            return Err(format!("Template format error: Every Outputs member must contain a Value object ({name})"));
        }
    }
    functions(template)?;
    refer_to_something(template)?;
    no_circle(template)
}

fn sections(template: &Template) -> Result<(), String> {
    let Value::Object(tree) = &template.tree else {
        return Err("Template format error: unsupported structure.".to_owned());
    };
    if let Some(transform) = tree.get("Transform") {
        return Err(format!(
            "the local AWS runs no transforms, and the template asks for {transform}: deploy what it is made into \
             instead (sam build and sam package leave the transform in)"
        ));
    }
    let unknown: Vec<&str> = tree.keys().map(String::as_str).filter(|key| !SECTIONS.contains(key)).collect();
    if !unknown.is_empty() {
        return Err(format!("Invalid template property or properties [{}]", unknown.join(", ")));
    }
    for (name, section) in tree {
        let is_text = ["AWSTemplateFormatVersion", "Description"].contains(&name.as_str());
        if is_text && !section.is_string() || !is_text && !section.is_object() {
            return Err(format!("Template format error: {name} has the wrong structure."));
        }
    }
    if template.section("Resources").is_empty() {
        return Err("Template format error: At least one Resources member must be defined.".to_owned());
    }
    for (name, parameter) in template.section("Parameters") {
        if !parameter["Type"].is_string() {
            return Err(format!("Template format error: Every Parameters object must contain a Type member ({name})."));
        }
    }
    Ok(())
}

fn resource_fields(name: &str, resource: &Value) -> Result<(), String> {
    if !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(format!("Template format error: Resource name {name} is non alphanumeric."));
    }
    let Value::Object(fields) = resource else {
        return Err(format!("Template format error: [/Resources/{name}] resource definition is malformed"));
    };
    if !resource["Type"].is_string() {
        return Err(format!(
            "Template format error: [/Resources/{name}] Every Resources object must contain a Type member."
        ));
    }
    if let Some(field) = fields.keys().find(|field| !RESOURCE_FIELDS.contains(&field.as_str())) {
        return Err(format!("Invalid template resource property '{field}'"));
    }
    for (field, allowed) in [
        ("DeletionPolicy", ["Delete", "Retain", "RetainExceptOnCreate"].as_slice()),
        ("UpdateReplacePolicy", ["Delete", "Retain"].as_slice()),
    ] {
        let policy = &resource[field];
        let known = policy.as_str().is_some_and(|policy| allowed.contains(&policy));
        if !policy.is_null() && !known {
            return Err(format!(
                "Template error: {field} {policy} of resource {name} is not supported: it may be {}",
                allowed.join(" or ")
            ));
        }
    }
    if has_null(&resource["Properties"]) && fields.contains_key("Properties") {
        return Err(format!("[/Resources/{name}/Properties] 'null' values are not allowed in templates"));
    }
    Ok(())
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn functions(template: &Template) -> Result<(), String> {
    for section in ["Conditions", "Resources", "Outputs"] {
        let values = template.section(section).values().flat_map(|value| references(value, None));
        for reference in values {
            if let Reference::Unknown(name) = reference {
                let known = [FUNCTIONS.as_slice(), &["Ref", "Condition"]].concat().join(", ");
                return Err(format!(
                    "Template error: Encountered unsupported function: {name} Supported functions are: [{known}]"
                ));
            }
        }
    }
    Ok(())
}

/// Every `Ref`, `Fn::GetAtt`, condition and `DependsOn` names something of the template.
fn refer_to_something(template: &Template) -> Result<(), String> {
    let (resources, parameters) = (template.section("Resources"), template.section("Parameters"));
    let conditions = template.section("Conditions");
    for section in ["Conditions", "Resources", "Outputs"] {
        let mut unresolved = BTreeSet::new();
        for value in template.section(section).values() {
            for reference in references(value, None) {
                match reference {
                    Reference::Attribute(name, _) if !resources.contains_key(&name) => {
                        return Err(format!(
                            "Template error: instance of Fn::GetAtt references undefined resource {name}"
                        ));
                    }
                    Reference::Name(name) => {
                        let known = PSEUDO.contains(&name.as_str())
                            || parameters.contains_key(&name)
                            || section != "Conditions" && resources.contains_key(&name);
                        if !known {
                            unresolved.insert(name);
                        }
                    }
                    Reference::Condition(name) if !conditions.contains_key(&name) => {
                        return Err(unresolved_condition(&name));
                    }
                    Reference::Attribute(..) | Reference::Condition(_) | Reference::Unknown(_) => {}
                }
            }
            if let Some(name) = value["Condition"].as_str().filter(|name| !conditions.contains_key(*name)) {
                return Err(unresolved_condition(name));
            }
            unresolved.extend(depends_on(value).into_iter().filter(|name| !resources.contains_key(name)));
        }
        if !unresolved.is_empty() {
            let names = unresolved.into_iter().collect::<Vec<_>>().join(", ");
            return Err(format!(
                "Template format error: Unresolved resource dependencies [{names}] in the {section} block of the template"
            ));
        }
    }
    Ok(())
}

fn depends_on(resource: &Value) -> Vec<String> {
    match &resource["DependsOn"] {
        Value::String(name) => vec![name.clone()],
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// What is left when everything went that waits for nothing, or that nothing waits for, is a circle.
fn no_circle(template: &Template) -> Result<(), String> {
    let everything: BTreeMap<String, bool> = BTreeMap::new();
    let resources = template.section("Resources");
    let mut waiting: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, resource) in resources {
        let mut needed: BTreeSet<String> = depends_on(resource).into_iter().collect();
        for reference in references(&resource["Properties"], Some(&everything)) {
            if let Reference::Name(other) | Reference::Attribute(other, _) = reference
                && resources.contains_key(&other)
            {
                needed.insert(other);
            }
        }
        waiting.insert(name, needed);
    }
    loop {
        let needed: BTreeSet<String> = waiting.values().flatten().cloned().collect();
        let names: BTreeSet<String> = waiting.keys().map(|name| (*name).to_owned()).collect();
        let before = waiting.len();
        waiting.retain(|name, needs| needs.iter().any(|need| names.contains(need)) && needed.contains(*name));
        if waiting.is_empty() {
            return Ok(());
        }
        if waiting.len() == before {
            let names: Vec<&str> = waiting.into_keys().collect();
            return Err(format!("Circular dependency between resources: [{}]", names.join(", ")));
        }
    }
}
