//! What each call must be allowed to do.

use std::collections::BTreeMap;

use super::{Ec2, SecurityGroup};
use crate::wire::tree::{items, text, texts};
use crate::world::{ACCOUNT, Call, REGION, Right};

/// Stands for a security group that does not exist yet.
const NEW_GROUP: &str = "*";

pub(super) fn rights(ec2: &Ec2, call: &Call) -> Vec<Right> {
    let action = format!("ec2:{}", call.action);
    match call.action.as_str() {
        // Describe calls have no resource-level permissions.
        describe if describe.starts_with("Describe") => vec![Right::new(action, "*")],
        "CreateSecurityGroup" => create_group(ec2, call),
        "CreateTags" | "DeleteTags" => tagging(ec2, call, &action),
        _ => {
            let mut rights = vec![on_group(ec2, call, action)];
            rights.extend(tags_at_create(call, "security-group-rule"));
            rights
        }
    }
}

fn on_group(ec2: &Ec2, call: &Call, action: String) -> Right {
    match ec2.addressed_group(&call.params) {
        Ok(group) => {
            let mut context = resource_tags(&group.tags);
            context.push(("ec2:Vpc".into(), vpc_arn(ec2, &group.vpc)));
            Right { action, resource: group.arn(), context }
        }
        Err(_) => Right::new(action, SecurityGroup::own_arn(text(&call.params, "GroupId").unwrap_or(NEW_GROUP))),
    }
}

fn create_group(ec2: &Ec2, call: &Call) -> Vec<Right> {
    let default_vpc = || ec2.vpcs.values().find(|vpc| vpc.is_default).map(|vpc| vpc.id.as_str());
    let vpc = text(&call.params, "VpcId").or_else(default_vpc).unwrap_or_default();
    let vpc_tags = ec2.vpcs.get(vpc).map(|vpc| resource_tags(&vpc.tags)).unwrap_or_default();
    let vpc_arn = vpc_arn(ec2, vpc);
    let action = "ec2:CreateSecurityGroup";
    let mut of_group = specified_tags(call);
    of_group.push(("ec2:Vpc".into(), vpc_arn.clone()));
    let mut rights = vec![
        Right { action: action.into(), resource: vpc_arn, context: vpc_tags },
        Right { action: action.into(), resource: SecurityGroup::own_arn(NEW_GROUP), context: of_group },
    ];
    rights.extend(tags_at_create(call, "security-group"));
    rights
}

/// Tags given in a create call need `ec2:CreateTags` as well, which a policy can limit to that create call.
fn tags_at_create(call: &Call, kind: &str) -> Option<Right> {
    let mut context = specified_tags(call);
    if context.is_empty() {
        return None;
    }
    context.push(("ec2:CreateAction".into(), call.action.clone()));
    Some(Right { action: "ec2:CreateTags".into(), resource: arn(kind, NEW_GROUP), context })
}

fn tagging(ec2: &Ec2, call: &Call, action: &str) -> Vec<Right> {
    let requested = request_tags(items(&call.params, "Tag").iter());
    texts(&call.params, "ResourceId")
        .map(|id| {
            let (kind, tags) =
                ec2.tags_of(id).map_or(("security-group", Vec::new()), |(kind, tags)| (kind, resource_tags(tags)));
            let context = tags.into_iter().chain(requested.clone()).collect();
            Right { action: action.into(), resource: arn(kind, id), context }
        })
        .collect()
}

fn specified_tags(call: &Call) -> Vec<(String, String)> {
    request_tags(items(&call.params, "TagSpecification").iter().flat_map(|specification| items(specification, "Tag")))
}

fn request_tags<'a>(tags: impl Iterator<Item = &'a serde_json::Value>) -> Vec<(String, String)> {
    tags.flat_map(|tag| {
        let (key, value) = (text(tag, "Key").unwrap_or_default(), text(tag, "Value").unwrap_or_default());
        [(format!("aws:RequestTag/{key}"), value.to_owned()), ("aws:TagKeys".into(), key.to_owned())]
    })
    .collect()
}

fn resource_tags(tags: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let names = ["aws:ResourceTag", "ec2:ResourceTag"];
    tags.iter().flat_map(|(key, value)| names.map(|name| (format!("{name}/{key}"), value.clone()))).collect()
}

/// A shared VPC has the account of its owner in its ARN.
fn vpc_arn(ec2: &Ec2, id: &str) -> String {
    let owner = ec2.vpcs.get(id).map_or(ACCOUNT, |vpc| vpc.owner.as_str());
    format!("arn:aws:ec2:{REGION}:{owner}:vpc/{id}")
}

fn arn(kind: &str, id: &str) -> String {
    format!("arn:aws:ec2:{REGION}:{ACCOUNT}:{kind}/{id}")
}
