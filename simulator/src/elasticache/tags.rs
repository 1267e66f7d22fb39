//! Tags.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::ElastiCache;
use super::input::Input;
use super::names::split_arn;
use super::refusals::{
    cluster_not_found, group_not_found, invalid_value, missing, parameter_group_not_found, snapshot_not_found,
    subnet_group_not_found,
};
use super::replication_groups::{ReplicationGroup, Status, Task, Work};
use crate::readings::UnlistedTags;
use crate::world::{Answer, AwsError, Call, World};

type Tags = BTreeMap<String, String>;

/// Tags per resource (facts 3.11).
const MAX_TAGS: usize = 50;

/// The `Tags` of a request, checked.
pub(super) fn read(input: Input<'_>) -> Result<Tags, AwsError> {
    let mut tags = Tags::new();
    for tag in input.items("Tags", "Tag").unwrap_or_default() {
        let (key, value) = (tag.required("Key")?, tag.text("Value").unwrap_or_default());
        check(key, value)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(invalid_value(format!("The tag key {key} is given twice.")));
        }
    }
    check_quota(&tags)?;
    Ok(tags)
}

fn check(key: &str, value: &str) -> Result<(), AwsError> {
    let legal = |text: &str| {
        text.chars().all(|c| c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "+-=._:/@".contains(c))
    };
    if key.chars().count() > 128 || value.chars().count() > 256 {
        return Err(invalid_value("Tag keys have at most 128 characters, tag values at most 256."));
    }
    if !legal(key) || !legal(value) {
        return Err(invalid_value("Tagging not available right now. Please try your query without tags."));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(invalid_value("Tag keys must not begin with aws:."));
    }
    Ok(())
}

fn check_quota(tags: &Tags) -> Result<(), AwsError> {
    if tags.len() > MAX_TAGS {
        let message = format!("At most {MAX_TAGS} tags are allowed on a resource.");
        return Err(AwsError::new("TagQuotaPerResourceExceeded", message));
    }
    Ok(())
}

/// What an ARN names.
enum Target {
    Group(String),
    /// Id of the group, id of the member.
    Member(String, String),
    SubnetGroup(String),
    ParameterGroup(String),
    Snapshot(String),
}

fn target(cache: &ElastiCache, arn: &str) -> Result<Target, AwsError> {
    let invalid = || AwsError::new("InvalidARN", format!("The ARN {arn} is invalid."));
    let (kind, id) = split_arn(arn).ok_or_else(invalid)?;
    let owned = id.to_owned();
    match kind {
        "replicationgroup" => {
            let group = cache.groups.get(id).ok_or_else(|| group_not_found(id))?;
            require_available(group)?;
            Ok(Target::Group(owned))
        }
        "cluster" => {
            let group = cache.group_of_member(id).ok_or_else(|| cluster_not_found(id))?;
            // Terraform's provider tagged a group member by member for years, one call right after the other.
            let only_tagged = matches!(group.task.as_ref().map(|task| &task.work), Some(Work::MemberTags));
            if !only_tagged {
                require_available(group)?;
            }
            Ok(Target::Member(group.id.clone(), owned))
        }
        "subnetgroup" if cache.subnet_groups.contains_key(id) => Ok(Target::SubnetGroup(owned)),
        "subnetgroup" => Err(subnet_group_not_found(id)),
        "parametergroup" => match cache.parameter_groups.get(id) {
            Some(group) if group.is_default() => Err(invalid_value("Default parameter groups have no tags.")),
            Some(_) => Ok(Target::ParameterGroup(owned)),
            None => Err(parameter_group_not_found(id)),
        },
        "snapshot" if cache.snapshots.contains_key(id) => Ok(Target::Snapshot(owned)),
        "snapshot" => Err(snapshot_not_found(id)),
        _ => Err(invalid()),
    }
}

/// Tags can neither be changed nor listed while the group is busy (facts 3.9).
fn require_available(group: &ReplicationGroup) -> Result<(), AwsError> {
    if group.status == Status::Available {
        return Ok(());
    }
    let message = "Cluster not in available state to perform tagging operations.";
    Err(AwsError::new("InvalidReplicationGroupState", message))
}

/// The tags of what an ARN names, in any state; none of what is not there.
pub(super) fn of(cache: &ElastiCache, arn: &str) -> Tags {
    let Some((kind, id)) = split_arn(arn) else { return Tags::new() };
    let id = id.to_owned();
    let target = match kind {
        "replicationgroup" => Target::Group(id),
        "cluster" => match cache.group_of_member(&id) {
            Some(group) => Target::Member(group.id.clone(), id),
            None => return Tags::new(),
        },
        "subnetgroup" => Target::SubnetGroup(id),
        "parametergroup" => Target::ParameterGroup(id),
        "snapshot" => Target::Snapshot(id),
        _ => return Tags::new(),
    };
    current(cache, &target)
}

fn current(cache: &ElastiCache, target: &Target) -> Tags {
    let found = match target {
        Target::Group(id) => cache.groups.get(id).map(|group| &group.tags),
        Target::Member(group, id) => cache
            .groups
            .get(group)
            .and_then(|group| group.members().find(|member| member.id == *id))
            .map(|member| &member.tags),
        Target::SubnetGroup(name) => cache.subnet_groups.get(name).map(|group| &group.tags),
        Target::ParameterGroup(name) => cache.parameter_groups.get(name).map(|group| &group.tags),
        Target::Snapshot(name) => cache.snapshots.get(name).map(|snapshot| &snapshot.tags),
    };
    found.cloned().unwrap_or_default()
}

/// Changes the tags; those of a group also on all its members, and the group is busy for a while.
fn change(cache: &mut ElastiCache, target: &Target, call: &Call, change: impl Fn(&mut Tags)) {
    let due = call.now + cache.pace.tags;
    match target {
        Target::Group(id) => {
            if let Some(group) = cache.groups.get_mut(id) {
                change(&mut group.tags);
                group.members_mut().for_each(|member| change(&mut member.tags));
                group.begin(Status::Modifying, Task::new(call.now, due, Work::Tags));
            }
        }
        Target::Member(group, id) => {
            if let Some(group) = cache.groups.get_mut(group) {
                if let Some(member) = group.member_mut(id) {
                    change(&mut member.tags);
                }
                group.begin(Status::Modifying, Task::new(call.now, due, Work::MemberTags));
            }
        }
        Target::SubnetGroup(name) => {
            cache.subnet_groups.get_mut(name).into_iter().for_each(|group| change(&mut group.tags));
        }
        Target::ParameterGroup(name) => {
            cache.parameter_groups.get_mut(name).into_iter().for_each(|group| change(&mut group.tags));
        }
        Target::Snapshot(name) => {
            cache.snapshots.get_mut(name).into_iter().for_each(|snapshot| change(&mut snapshot.tags));
        }
    }
}

fn answer(tags: &Tags) -> Value {
    let list: Vec<Value> = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    json!({ "TagList": { "Tag": list } })
}

pub(super) fn add(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &mut world.elasticache;
    let target = target(cache, input.required("ResourceName")?)?;
    let added = read(input)?;
    if added.is_empty() {
        return Err(missing("Tags"));
    }
    let mut after = current(cache, &target);
    after.extend(added.clone());
    check_quota(&after)?;
    change(cache, &target, call, |tags| tags.extend(added.clone()));
    Ok(answer(&after))
}

pub(super) fn remove(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &mut world.elasticache;
    let target = target(cache, input.required("ResourceName")?)?;
    let keys = input.texts("TagKeys", "member").filter(|keys| !keys.is_empty()).ok_or_else(|| missing("TagKeys"))?;
    let mut after = current(cache, &target);
    if let Some(stranger) = keys.iter().find(|key| !after.contains_key(*key)) {
        return Err(AwsError::not_found("TagNotFound", format!("The tag {stranger} was not found on this resource.")));
    }
    after.retain(|key, _| !keys.contains(key));
    change(cache, &target, call, |tags| tags.retain(|key, _| !keys.contains(key)));
    Ok(answer(&after))
}

pub(super) fn list(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &world.elasticache;
    let arn = input.required("ResourceName")?;
    if let (UnlistedTags::ClusterNotFound, Some(("replicationgroup" | "cluster", id))) =
        (world.readings.unlisted_tags, split_arn(arn))
    {
        let being_made = |group: &ReplicationGroup| matches!(group.status, Status::Creating | Status::Deleting);
        if cache.groups.get(id).or_else(|| cache.group_of_member(id)).is_some_and(being_made) {
            return Err(cluster_not_found(id));
        }
    }
    let target = target(cache, arn)?;
    Ok(answer(&current(cache, &target)))
}
