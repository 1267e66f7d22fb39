//! Cache parameter groups.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::catalog::{families, family};
use super::input::Input;
use super::names::{self, arn};
use super::output::{page, tree};
use super::parameters::{self, ChangeType, Parameter};
use super::refusals::{invalid_combination, invalid_value, missing, parameter_group_not_found, parameter_group_state};
use super::{ElastiCache, ReplicationGroup, tags};
use crate::clock::Time;
use crate::world::{Answer, AwsError, Call, World};

/// Custom groups per account, before a quota increase.
const MAX_GROUPS: usize = 300;
/// Parameters per call (facts 3.11).
const MAX_PARAMETERS: usize = 20;

/// A parameter group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterGroup {
    /// Name, in lower case.
    pub name: String,
    /// Family, such as `valkey8`.
    pub family: String,
    /// Description.
    pub description: String,
    /// Values that the owner set.
    pub values: BTreeMap<String, String>,
    /// When they last changed.
    pub changed: Option<Time>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// The read-only groups that every account has.
pub(super) fn defaults() -> BTreeMap<String, ParameterGroup> {
    let mut groups = BTreeMap::new();
    for family in families() {
        for suffix in ["", ".cluster.on"] {
            let name = format!("default.{family}{suffix}");
            let description = format!("Default parameter group for {family}{}", suffix.replace('.', " "));
            let group = ParameterGroup {
                name: name.clone(),
                family: family.to_owned(),
                description,
                values: BTreeMap::new(),
                changed: None,
                tags: BTreeMap::new(),
            };
            groups.insert(name, group);
        }
    }
    groups
}

impl ParameterGroup {
    /// Whether it is one of the read-only groups.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.name.starts_with("default.")
    }

    /// The value of a parameter, set or default; `None` when the family has no such parameter.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.values.get(name) {
            return Some(value);
        }
        parameters::of_family(&self.family)
            .find(|parameter| parameter.name == name)
            .map(|parameter| self.default_of(parameter))
    }

    fn default_of(&self, parameter: &Parameter) -> &'static str {
        if parameter.name == "cluster-enabled" && self.name.ends_with(".cluster.on") {
            return "yes";
        }
        parameter.default
    }

    /// Refuses a group of another family.
    pub(super) fn check_family(&self, expected: &str) -> Result<(), AwsError> {
        if self.family == expected {
            return Ok(());
        }
        let found = &self.family;
        if found.starts_with("valkey") && expected.starts_with("redis") {
            return Err(invalid_combination("valkey parameter group is not applicable to engine redis"));
        }
        Err(invalid_combination(format!(
            "Expected a parameter group of family {expected} but found one of family {found}"
        )))
    }

    fn tree(&self) -> Value {
        json!({
            "CacheParameterGroupName": self.name,
            "CacheParameterGroupFamily": self.family,
            "Description": self.description,
            "IsGlobal": false,
            "ARN": arn("parametergroup", &self.name),
        })
    }
}

/// Caches that use a group, or are about to.
fn users<'a>(cache: &'a ElastiCache, name: &'a str) -> impl Iterator<Item = &'a ReplicationGroup> {
    cache.groups.values().filter(move |group| group.uses_parameter_group(name))
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let name = names::identifier("CacheParameterGroupName", input.required("CacheParameterGroupName")?, 255)?;
    let wanted = input.required("CacheParameterGroupFamily")?;
    let description = input.required("Description")?.to_owned();
    let tags = tags::read(input)?;
    let family = family(wanted)
        .ok_or_else(|| {
            invalid_value(format!("CacheParameterGroupFamily {wanted} is not a valid parameter group family."))
        })?
        .family
        .to_owned();
    let cache = &mut world.elasticache;
    if cache.parameter_groups.contains_key(&name) {
        let message = format!("Cache parameter group {name} already exists.");
        return Err(AwsError::new("CacheParameterGroupAlreadyExists", message));
    }
    if cache.parameter_groups.values().filter(|group| !group.is_default()).count() >= MAX_GROUPS {
        let message = format!("At most {MAX_GROUPS} cache parameter groups are allowed.");
        return Err(AwsError::new("CacheParameterGroupQuotaExceeded", message));
    }
    let group = ParameterGroup { name, family, description, values: BTreeMap::new(), changed: None, tags };
    let answer = group.tree();
    cache.parameter_groups.insert(group.name.clone(), group);
    Ok(json!({ "CacheParameterGroup": answer }))
}

/// The group that a call changes: it exists and is not a default one.
fn changeable<'a>(cache: &'a ElastiCache, name: &str) -> Result<&'a ParameterGroup, AwsError> {
    let group = cache.parameter_groups.get(name).ok_or_else(|| parameter_group_not_found(name))?;
    if group.is_default() {
        return Err(parameter_group_state(format!("The default parameter group {name} cannot be changed.")));
    }
    Ok(group)
}

fn named_parameters(input: Input<'_>) -> Result<Vec<(&str, Option<&str>)>, AwsError> {
    let items = input.items("ParameterNameValues", "ParameterNameValue").unwrap_or_default();
    if items.len() > MAX_PARAMETERS {
        return Err(invalid_value(format!("At most {MAX_PARAMETERS} parameters can be changed in one request.")));
    }
    items.into_iter().map(|item| Ok((item.required("ParameterName")?, item.text("ParameterValue")))).collect()
}

/// What decides about the cluster protocol never changes under a cache that uses it.
fn check_cluster_flag<'a>(
    cache: &ElastiCache,
    name: &str,
    mut parameters: impl Iterator<Item = &'a str>,
) -> Result<(), AwsError> {
    if parameters.any(|parameter| parameter == "cluster-enabled") && users(cache, name).next().is_some() {
        return Err(invalid_value("The parameter cluster-enabled cannot be modified."));
    }
    Ok(())
}

pub(super) fn modify(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let name = input.required("CacheParameterGroupName")?.to_ascii_lowercase();
    let named = named_parameters(input)?;
    if named.is_empty() {
        return Err(missing("ParameterNameValues"));
    }
    let group = changeable(&world.elasticache, &name)?;
    let mut values = group.values.clone();
    let mut at_restart = false;
    check_cluster_flag(&world.elasticache, &name, named.iter().map(|(parameter, _)| *parameter))?;
    for (parameter, value) in named {
        let known = parameters::find(&group.family, parameter)?;
        let value = value.ok_or_else(|| missing("ParameterValue"))?;
        known.check(value)?;
        at_restart |= known.change == ChangeType::RequiresReboot && group.value(parameter) != Some(value);
        values.insert(parameter.to_owned(), value.to_owned());
    }
    Ok(store(world, &name, values, at_restart, call.now))
}

pub(super) fn reset(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let name = input.required("CacheParameterGroupName")?.to_ascii_lowercase();
    let named = named_parameters(input)?;
    let all = input.flag("ResetAllParameters")?.unwrap_or(false);
    if all != named.is_empty() {
        return Err(invalid_combination("Give either ParameterNameValues or ResetAllParameters=true."));
    }
    let group = changeable(&world.elasticache, &name)?;
    let applied = group.changed.is_none_or(|at| call.now.since(at) >= world.elasticache.pace.parameters_apply);
    if !applied {
        return Err(parameter_group_state(format!("Parameter group {name} has pending changes.")));
    }
    let mut values = group.values.clone();
    let mut at_restart = false;
    let resets = group.values.keys().map(String::as_str).filter(|_| all);
    check_cluster_flag(&world.elasticache, &name, resets.chain(named.iter().map(|(parameter, _)| *parameter)))?;
    if all {
        values.clear();
    }
    for (parameter, _) in named {
        if world.elasticache.unresettable.contains(parameter) {
            return Err(invalid_value(format!("Parameter {parameter} doesn't exist")));
        }
        let known = parameters::find(&group.family, parameter)?;
        at_restart |= known.change == ChangeType::RequiresReboot && values.contains_key(parameter);
        values.remove(parameter);
    }
    Ok(store(world, &name, values, at_restart, call.now))
}

fn store(world: &mut World, name: &str, values: BTreeMap<String, String>, at_restart: bool, now: Time) -> Value {
    let cache = &mut world.elasticache;
    if let Some(group) = cache.parameter_groups.get_mut(name) {
        group.values = values;
        group.changed = Some(now);
    }
    if at_restart {
        let affected = cache.groups.values_mut().filter(|group| group.parameter_group == name);
        affected.for_each(|group| group.parameters_need_reboot = true);
    }
    json!({ "CacheParameterGroupName": name })
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let name = input.required("CacheParameterGroupName")?.to_ascii_lowercase();
    changeable(&world.elasticache, &name)?;
    if let Some(user) = users(&world.elasticache, &name).next() {
        return Err(parameter_group_state(format!(
            "One or more cache clusters are still members of this parameter group {name}, among them those of {}, so the \
             group cannot be deleted.",
            user.id
        )));
    }
    world.elasticache.parameter_groups.remove(&name);
    Ok(json!({}))
}

pub(super) fn describe(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let all = &world.elasticache.parameter_groups;
    let groups = match input.text("CacheParameterGroupName") {
        Some(name) => {
            vec![all.get(&name.to_ascii_lowercase()).ok_or_else(|| parameter_group_not_found(name))?.tree()]
        }
        None => all.values().map(ParameterGroup::tree).collect(),
    };
    page(input, "CacheParameterGroups", "CacheParameterGroup", groups, 100)
}

pub(super) fn describe_parameters(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let name = input.required("CacheParameterGroupName")?.to_ascii_lowercase();
    let group = world.elasticache.parameter_groups.get(&name).ok_or_else(|| parameter_group_not_found(&name))?;
    let wanted = input.text("Source");
    if let Some(other) = wanted.filter(|source| !["user", "system", "engine-default"].contains(source)) {
        return Err(invalid_value(format!("The Source {other} is invalid.")));
    }
    let parameters = parameters::of_family(&group.family)
        .filter_map(|parameter| {
            let set = group.values.get(parameter.name);
            let source = if set.is_some() { "user" } else { "system" };
            let value = set.map_or_else(|| group.default_of(parameter), String::as_str);
            wanted.is_none_or(|wanted| wanted == source).then(|| parameter_tree(parameter, value, source))
        })
        .collect();
    page(input, "Parameters", "Parameter", parameters, 100)
}

pub(super) fn describe_engine_defaults(_world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let wanted = input.required("CacheParameterGroupFamily")?;
    let family = family(wanted)
        .ok_or_else(|| {
            invalid_value(format!("CacheParameterGroupFamily {wanted} is not a valid parameter group family."))
        })?
        .family;
    let parameters = parameters::of_family(family).map(default_tree).collect();
    let mut defaults = page(input, "Parameters", "Parameter", parameters, 100)?;
    defaults["CacheParameterGroupFamily"] = json!(family);
    Ok(json!({ "EngineDefaults": defaults }))
}

/// As the defaults of a family show it: some that a custom group can set are not modifiable there (seen of redis5.0).
fn default_tree(parameter: &Parameter) -> Value {
    let mut shown = *parameter;
    shown.modifiable &= !["activerehashing", "cluster-enabled", "databases"].contains(&parameter.name);
    parameter_tree(&shown, parameter.default, "system")
}

fn parameter_tree(parameter: &Parameter, value: &str, source: &str) -> Value {
    tree(json!({
        "ParameterName": parameter.name,
        "ParameterValue": value,
        "Description": parameter.name.replace('-', " "),
        "Source": source,
        "DataType": parameter.data_type,
        "AllowedValues": parameter.allowed,
        "IsModifiable": parameter.modifiable,
        "MinimumEngineVersion": parameter.since,
        "ChangeType": parameter.change.as_str(),
    }))
}
