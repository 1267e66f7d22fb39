//! Tags of EC2 resources.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Ec2;
use super::filter::{filtered, page};
use super::group_calls::unknown_group;
use crate::wire::tree::{items, text, texts};
use crate::world::{Answer, AwsError, Call};

/// Tags that one resource can have.
const TAGS_PER_RESOURCE: usize = 50;

/// `{"item": [{"key", "value"}]}`.
pub(super) fn tag_set(tags: &BTreeMap<String, String>) -> Value {
    let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({"item": tags})
}

/// The tags under `Tag.N`, checked.
pub(super) fn requested(tree: &Value) -> Result<BTreeMap<String, String>, AwsError> {
    let invalid = |message: String| Err(AwsError::new("InvalidParameterValue", message));
    let mut tags = BTreeMap::new();
    for tag in items(tree, "Tag") {
        let (key, value) = (text(tag, "Key").unwrap_or_default(), text(tag, "Value").unwrap_or_default());
        if key.is_empty() || key.chars().count() > 128 {
            return invalid("Tag keys must be 1 to 128 characters long.".into());
        }
        if value.chars().count() > 256 {
            return invalid("Tag values must be at most 256 characters long.".into());
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return invalid("Tag keys starting with 'aws:' are reserved for internal use".into());
        }
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return invalid(format!("Duplicate tag key '{key}' specified."));
        }
    }
    Ok(tags)
}

/// The tags of `TagSpecification.N` for one kind of resource; another kind is an error.
pub(super) fn specified(params: &Value, kind: &str) -> Result<BTreeMap<String, String>, AwsError> {
    let mut tags = BTreeMap::new();
    for specification in items(params, "TagSpecification") {
        let found = text(specification, "ResourceType").unwrap_or_default();
        if found != kind {
            let message = format!("'{found}' is not a valid taggable resource type for this operation.");
            return Err(AwsError::new("InvalidParameterValue", message));
        }
        tags.extend(requested(specification)?);
    }
    checked_count(tags)
}

fn checked_count(tags: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, AwsError> {
    if tags.len() > TAGS_PER_RESOURCE {
        return Err(AwsError::new("TagLimitExceeded", "The maximum number of tags for a resource has been reached."));
    }
    Ok(tags)
}

impl Ec2 {
    /// Kind and tags of everything that can be tagged, by id.
    fn taggable(&self) -> impl Iterator<Item = (&str, &'static str, &BTreeMap<String, String>)> {
        let vpcs = self.vpcs.values().map(|vpc| (vpc.id.as_str(), "vpc", &vpc.tags));
        let subnets = self.subnets.values().map(|subnet| (subnet.id.as_str(), "subnet", &subnet.tags));
        let groups = self.groups.values().map(|group| (group.id.as_str(), "security-group", &group.tags));
        vpcs.chain(subnets).chain(groups)
    }

    /// Kind and tags of one resource.
    pub(super) fn tags_of(&self, id: &str) -> Option<(&'static str, &BTreeMap<String, String>)> {
        self.taggable().find(|(found, ..)| *found == id).map(|(_, kind, tags)| (kind, tags))
    }

    fn tags_of_mut(&mut self, id: &str) -> Option<&mut BTreeMap<String, String>> {
        if let Some(group) = self.groups.get_mut(id) {
            return Some(&mut group.tags);
        }
        if let Some(subnet) = self.subnets.get_mut(id) {
            return Some(&mut subnet.tags);
        }
        self.vpcs.get_mut(id).map(|vpc| &mut vpc.tags)
    }

    fn taggable_ids<'a>(&self, call: &'a Call) -> Result<Vec<&'a str>, AwsError> {
        let ids: Vec<&str> = texts(&call.params, "ResourceId").collect();
        for id in &ids {
            if self.groups.get(*id).is_some_and(|group| group.writable_from > call.now) {
                return Err(unknown_group(id));
            }
            if self.tags_of(id).is_none() {
                let code = match id.split('-').next() {
                    Some("sg") => "InvalidGroup.NotFound",
                    Some("subnet") => "InvalidSubnetID.NotFound",
                    Some("vpc") => "InvalidVpcID.NotFound",
                    _ => "InvalidID",
                };
                return Err(AwsError::new(code, format!("The ID '{id}' does not exist")));
            }
        }
        if ids.is_empty() {
            return Err(AwsError::new("MissingParameter", "The request must contain the parameter resourceIdSet"));
        }
        Ok(ids)
    }

    pub(super) fn create_tags(&mut self, call: &Call) -> Answer {
        let tags = requested(&call.params)?;
        let ids = self.taggable_ids(call)?;
        for id in &ids {
            let mut after = self.tags_of(id).map(|(_, tags)| tags.clone()).unwrap_or_default();
            after.extend(tags.clone());
            checked_count(after)?;
        }
        for id in ids {
            if let Some(present) = self.tags_of_mut(id) {
                present.extend(tags.clone());
            }
        }
        Ok(json!({"return": true}))
    }

    /// Without a tag list all tags go; a tag that names a value goes only when the value is the same (service model).
    pub(super) fn delete_tags(&mut self, call: &Call) -> Answer {
        let ids = self.taggable_ids(call)?;
        let doomed = items(&call.params, "Tag");
        for id in ids {
            let Some(present) = self.tags_of_mut(id) else { continue };
            present.retain(|key, value| {
                let named = |tag: &Value| {
                    text(tag, "Key") == Some(key) && text(tag, "Value").is_none_or(|wanted| wanted == value)
                };
                !doomed.is_empty() && !doomed.iter().any(named)
            });
        }
        Ok(json!({"return": true}))
    }

    pub(super) fn describe_tags(&self, params: &Value) -> Answer {
        let none = BTreeMap::new();
        let all = self.taggable().flat_map(|(id, kind, tags)| {
            tags.iter()
                .map(move |(key, value)| json!({"resourceId": id, "resourceType": kind, "key": key, "value": value}))
        });
        let wanted = filtered(
            all,
            params,
            |tag, name| {
                let field = match name {
                    "resource-id" => "resourceId",
                    "resource-type" => "resourceType",
                    "key" | "value" => name,
                    _ => return None,
                };
                Some(text(tag, field).map(str::to_owned).into_iter().collect())
            },
            |_| &none,
        )?;
        page("tagSet", wanted, params)
    }
}
