//! Templates: reading them, checking their structure, and resolving their functions. Pure, apart from reading files.
//!
//! ```text
//! text ──yaml──> tree ──structure──> Template ──(parameters, what is made so far) resolve──> properties, outputs
//! ```

mod parameters;
mod references;
mod resolve;
mod structure;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::native::without_behaviour;
use super::stack::{RESOURCE_TYPE, SERVICE_TOKEN};
pub(crate) use parameters::{Parameters, values};
use references::{Reference, references};
pub(crate) use resolve::{Known, Scope, StackNames};
pub(crate) use yaml::parse;

/// A template whose structure is right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    text: String,
    tree: Value,
}

/// What stands for a section that is not there.
static NOTHING: LazyLock<Map<String, Value>> = LazyLock::new(Map::new);

impl Template {
    /// Reads a template. The error is CloudFormation's, as far as its words are known.
    pub(crate) fn read(text: &str) -> Result<Template, String> {
        let template = Template { text: text.to_owned(), tree: parse(text)? };
        structure::check(&template)?;
        Ok(template)
    }

    /// A template with nothing in it.
    pub(crate) fn empty() -> Template {
        Template { text: String::new(), tree: Value::Object(Map::new()) }
    }

    /// As it was given.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A section such as `Resources`; an empty one when it is missing.
    pub(crate) fn section(&self, name: &str) -> &Map<String, Value> {
        self.tree.get(name).and_then(Value::as_object).unwrap_or(&NOTHING)
    }

    /// The section `Description`.
    pub(crate) fn description(&self) -> Option<&str> {
        self.tree["Description"].as_str()
    }

    /// The resources that there are under these conditions, by logical id.
    pub(crate) fn resources<'t>(&'t self, conditions: &BTreeMap<String, bool>) -> BTreeMap<&'t str, &'t Value> {
        let all = self.section("Resources").iter().map(|(name, resource)| (name.as_str(), resource));
        all.filter(|(_, resource)| holds(resource, conditions)).collect()
    }

    /// The resources that a resource waits for.
    pub(crate) fn dependencies(&self, resource: &Value, conditions: &BTreeMap<String, bool>) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for reference in references(&resource["Properties"], Some(conditions)) {
            match reference {
                Reference::Name(name) | Reference::Attribute(name, _) => drop(found.insert(name)),
                Reference::Condition(_) | Reference::Unknown(_) => {}
            }
        }
        match &resource["DependsOn"] {
            Value::String(name) => drop(found.insert(name.clone())),
            Value::Array(names) => found.extend(names.iter().filter_map(Value::as_str).map(str::to_owned)),
            _ => {}
        }
        let resources = self.resources(conditions);
        found.retain(|name| resources.contains_key(name.as_str()));
        found
    }
}

/// Whether a resource or an output is there under these conditions.
pub(crate) fn holds(declared: &Value, conditions: &BTreeMap<String, bool>) -> bool {
    let condition = declared["Condition"].as_str();
    condition.is_none_or(|condition| conditions.get(condition).copied().unwrap_or_default())
}

/// Logical id and properties of the one cache in a template, for these parameters, where it needs no other resource.
pub fn cache(path: &Path, parameters: &BTreeMap<&str, Value>) -> Result<(String, Value), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    cache_in(&text, parameters).map_err(|e| format!("{}: {e}", path.display()))
}

fn cache_in(text: &str, given: &BTreeMap<&str, Value>) -> Result<(String, Value), String> {
    let template = Template::read(text)?;
    let mut given: BTreeMap<String, String> =
        given.iter().map(|(name, value)| ((*name).to_owned(), parameters::scalar_text(value))).collect();
    given.insert("ServiceToken".to_owned(), SERVICE_TOKEN.to_owned());
    given.retain(|name, _| template.section("Parameters").contains_key(name));
    let parameters = values(&template, &given)?;
    let exports = |_: &str| Some(SERVICE_TOKEN.to_owned());
    let names = StackNames { id: "", name: "" };
    let scope = Scope::new(&template, &parameters, names, &exports)?;
    let resources = template.resources(scope.conditions());
    let mut caches = resources.iter().filter(|(_, resource)| resource["Type"] == RESOURCE_TYPE);
    let (logical_id, resource) = match (caches.next(), caches.count()) {
        (None, _) => return Err(format!("there is no resource of type {RESOURCE_TYPE}")),
        (Some(found), 0) => found,
        (Some(_), more) => return Err(format!("there are {} resources of type {RESOURCE_TYPE}, not one", more + 1)),
    };
    // What has no behaviour is as good as made.
    let (mut known, mut needed) = (BTreeMap::new(), Vec::new());
    for name in template.dependencies(resource, scope.conditions()) {
        let declared = &template.section("Resources")[&name];
        let properties = scope.resolve(&declared["Properties"], &BTreeMap::new());
        let made = properties.ok().and_then(|properties| {
            without_behaviour(declared["Type"].as_str().unwrap_or_default(), &name, &properties)
        });
        match made {
            Some((physical_id, attributes)) => {
                known.insert(name, Known { physical_id, attributes, is_custom: false });
            }
            None => needed.push(name),
        }
    }
    if !needed.is_empty() {
        return Err(format!(
            "{logical_id} needs other resources of the template ({}): a whole template is deployed through the API of \
             CloudFormation, with local-aws serve",
            needed.join(", ")
        ));
    }
    Ok(((*logical_id).to_owned(), scope.resolve(&resource["Properties"], &known)?))
}

/// Names of the resources of a template without one of them.
pub fn other_resources(path: &Path, logical_id: &str) -> Result<Vec<String>, String> {
    let all = read(path)?;
    let names = all["Resources"].as_object().into_iter().flat_map(Map::keys);
    Ok(names.filter(|name| *name != logical_id).cloned().collect())
}

/// A template as JSON, with intrinsic functions in their long form.
pub fn read(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    parse(&text).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests;
