//! The calls that create, delete and describe security groups.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::filter::{filtered, page};
use super::permissions::{invalid, is_plain};
use super::tags::{specified, tag_set};
use super::{Ec2, SecurityGroup};
use crate::clock::Time;
use crate::wire::tree::{text, texts};
use crate::world::{ACCOUNT, Answer, AwsError, Call};

pub(super) fn unknown_group(id: &str) -> AwsError {
    AwsError::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
}

impl Ec2 {
    /// The group with this id, whether or not Describe calls know it yet.
    pub(super) fn known_group(&self, id: &str) -> Result<&SecurityGroup, AwsError> {
        let digits = id.strip_prefix("sg-").unwrap_or_default();
        let well_formed = matches!(digits.len(), 8 | 17) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if !well_formed {
            return Err(AwsError::new(
                "InvalidGroupId.Malformed",
                format!("Invalid id: \"{id}\" (expecting \"sg-...\")"),
            ));
        }
        self.groups.get(id).ok_or_else(|| unknown_group(id))
    }

    /// The group that a request is about: by id, or by name in the default VPC.
    pub(super) fn addressed_group(&self, params: &Value) -> Result<&SecurityGroup, AwsError> {
        match (text(params, "GroupId"), text(params, "GroupName")) {
            (Some(id), _) => self.known_group(id),
            (None, Some(name)) => {
                let mut groups = self.groups.values();
                let found = groups.find(|group| self.is_default_vpc(&group.vpc) && group.name == name);
                found.ok_or_else(|| unknown_group(name))
            }
            (None, None) => {
                Err(AwsError::new("MissingParameter", "The request must contain the parameter groupName or groupId"))
            }
        }
    }

    /// The group whose rules a request is to change.
    pub(super) fn changed_group(&self, call: &Call) -> Result<&SecurityGroup, AwsError> {
        let group = self.addressed_group(&call.params)?;
        if group.writable_from > call.now { Err(unknown_group(&group.id)) } else { Ok(group) }
    }

    fn visible_groups(&self, now: Time) -> impl Iterator<Item = &SecurityGroup> {
        self.groups.values().filter(move |group| group.visible_from <= now)
    }

    pub(super) fn describe_groups(&self, call: &Call) -> Answer {
        let ids: Vec<&str> = texts(&call.params, "GroupId").collect();
        let names: Vec<&str> = texts(&call.params, "GroupName").collect();
        for id in &ids {
            if self.known_group(id)?.visible_from > call.now {
                return Err(unknown_group(id));
            }
        }
        // Names without a VPC mean the default VPC [BC].
        let in_default = |group: &SecurityGroup, name: &str| group.name == name && self.is_default_vpc(&group.vpc);
        for name in &names {
            if !self.visible_groups(call.now).any(|group| in_default(group, name)) {
                return Err(unknown_group(name));
            }
        }
        let asked_for = |group: &&SecurityGroup| {
            (ids.is_empty() && names.is_empty())
                || ids.contains(&group.id.as_str())
                || names.iter().any(|name| in_default(group, name))
        };
        if !ids.is_empty() && call.params.get("MaxResults").is_some() {
            let message = "The parameter groupIds cannot be used with the parameter maxResults";
            return Err(AwsError::new("InvalidParameterCombination", message));
        }
        let groups = self.visible_groups(call.now).filter(asked_for);
        let groups = filtered(groups, &call.params, |group, name| group.field(name), |group| &group.tags)?;
        page("securityGroupInfo", groups.iter().map(|group| group.describe()).collect(), &call.params)
    }

    pub(super) fn create_group(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let name = text(params, "GroupName").unwrap_or_default().trim();
        let description = text(params, "GroupDescription").unwrap_or_default();
        check_name(name, description)?;
        let vpc = match text(params, "VpcId") {
            Some(id) => self.known_vpc(id)?.id.clone(),
            None => self.default_vpc()?,
        };
        let counts = |group: &SecurityGroup| group.owner == ACCOUNT || self.names_are_shared;
        let mut in_vpc = self.groups.values().filter(|group| group.vpc == vpc && counts(group));
        if in_vpc.any(|group| group.name.eq_ignore_ascii_case(name)) {
            let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
            return Err(AwsError::new("InvalidGroup.Duplicate", message));
        }
        let tags = specified(params, "security-group")?;
        let id = self.next_id("sg");
        let (visible_from, writable_from) = (call.now + self.visibility_lag, call.now + self.write_lag);
        let group = self.add_security_group(&id, name, &vpc);
        description.clone_into(&mut group.description);
        group.tags = tags;
        (group.visible_from, group.writable_from) = (visible_from, writable_from);
        Ok(json!({
            "return": true,
            "groupId": id,
            "securityGroupArn": SecurityGroup::own_arn(&id),
            "tagSet": tag_set(&group.tags),
        }))
    }

    fn default_vpc(&self) -> Result<String, AwsError> {
        let missing = || AwsError::new("VPCIdNotSpecified", "No default VPC for this user");
        self.vpcs.values().find(|vpc| vpc.is_default).map(|vpc| vpc.id.clone()).ok_or_else(missing)
    }

    pub(super) fn delete_group(&mut self, params: &Value, in_use: &BTreeSet<String>) -> Answer {
        let group = self.addressed_group(params)?;
        let id = group.id.clone();
        if group.name == "default" {
            let message = format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
            return Err(AwsError::new("CannotDelete", message));
        }
        let referenced = self.groups.values().any(|other| other.id != id && other.refers_to(&id));
        if referenced || in_use.contains(&id) {
            return Err(AwsError::new("DependencyViolation", format!("resource {id} has a dependent object")));
        }
        self.groups.remove(&id);
        Ok(json!({"return": true, "groupId": id}))
    }
}

fn check_name(name: &str, description: &str) -> Result<(), AwsError> {
    if name.is_empty() {
        return Err(AwsError::new("MissingParameter", "The request must contain the parameter GroupName"));
    }
    if description.is_empty() {
        return Err(AwsError::new("MissingParameter", "The request must contain the parameter GroupDescription"));
    }
    if name.to_ascii_lowercase().starts_with("sg-") {
        return Err(invalid(format!("Invalid value '{name}' for groupName. Group name must not begin with 'sg-'.")));
    }
    if name.eq_ignore_ascii_case("default") {
        return Err(AwsError::new("InvalidGroup.Reserved", "The security group 'default' is reserved"));
    }
    for (field, value) in [("groupName", name), ("GroupDescription", description)] {
        if !is_plain(value) {
            return Err(invalid(format!(
                "Invalid value '{value}' for {field}. Character sets beyond ASCII are not supported, and at most 255 \
                 characters from a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{{}}!$* are."
            )));
        }
    }
    Ok(())
}
