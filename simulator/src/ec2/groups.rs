//! A security group.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::rules::{Rule, permissions};
use super::tags::tag_set;
use crate::clock::Time;
use crate::world::{ACCOUNT, REGION};

/// A security group.
#[derive(Clone, Debug)]
pub struct SecurityGroup {
    /// `sg-...`
    pub id: String,
    /// Name, unique in the VPC whatever its case.
    pub name: String,
    /// Description; can never change.
    pub description: String,
    /// `vpc-...`
    pub vpc: String,
    /// Account that it belongs to: others may have groups in a shared VPC.
    pub owner: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Who may connect.
    pub ingress: Vec<Rule>,
    /// Where connections may go.
    pub egress: Vec<Rule>,
    /// From when on Describe calls know the group.
    pub(super) visible_from: Time,
    /// From when on calls that change rules and tags know the group.
    pub(super) writable_from: Time,
}

impl SecurityGroup {
    /// The ARN of a group of this account with this id.
    pub(super) fn own_arn(id: &str) -> String {
        format!("arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{id}")
    }

    pub(super) fn arn(&self) -> String {
        format!("arn:aws:ec2:{REGION}:{}:security-group/{}", self.owner, self.id)
    }

    /// Rules of both directions.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.ingress.iter().chain(&self.egress)
    }

    /// Whether a rule names this security group.
    #[must_use]
    pub fn refers_to(&self, group: &str) -> bool {
        self.rules().any(|rule| rule.group().as_deref() == Some(group))
    }

    pub(super) fn describe(&self) -> Value {
        json!({
            "groupId": self.id,
            "securityGroupArn": self.arn(),
            "groupName": self.name,
            "groupDescription": self.description,
            "ownerId": self.owner,
            "vpcId": self.vpc,
            "ipPermissions": permissions(&self.ingress),
            "ipPermissionsEgress": permissions(&self.egress),
            "tagSet": tag_set(&self.tags),
        })
    }

    /// Values under a filter's name.
    pub(super) fn field(&self, filter: &str) -> Option<Vec<String>> {
        let of_rules = |rules: &[Rule], value: fn(&Rule) -> Option<String>| rules.iter().filter_map(value).collect();
        let rules = if filter.starts_with("egress.") { &self.egress } else { &self.ingress };
        Some(match filter.strip_prefix("egress.").unwrap_or(filter) {
            "group-id" => vec![self.id.clone()],
            "group-name" => vec![self.name.clone()],
            "description" => vec![self.description.clone()],
            "vpc-id" => vec![self.vpc.clone()],
            "owner-id" => vec![self.owner.clone()],
            "ip-permission.cidr" => of_rules(rules, Rule::cidr_ipv4),
            "ip-permission.ipv6-cidr" => of_rules(rules, Rule::cidr_ipv6),
            "ip-permission.group-id" => of_rules(rules, Rule::group),
            "ip-permission.protocol" => of_rules(rules, |rule| Some(rule.protocol.clone())),
            "ip-permission.from-port" => of_rules(rules, |rule| Some(rule.ports?.from.to_string())),
            "ip-permission.to-port" => of_rules(rules, |rule| Some(rule.ports?.to.to_string())),
            _ => return None,
        })
    }
}
