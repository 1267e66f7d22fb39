//! A rule of a security group, and how rules are shown.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::SecurityGroup;
use super::tags::tag_set;
use crate::world::{ACCOUNT, REGION};

/// Which way traffic goes that a rule allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Ingress,
    Egress,
}

/// One rule: EC2 keeps every source of a permission as a rule of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `sgr-...`
    pub id: String,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a protocol number, or `-1` for all.
    pub protocol: String,
    /// Ports; none for all protocols.
    pub ports: Option<Ports>,
    /// The other end.
    pub source: Source,
    /// Text for people.
    pub description: Option<String>,
    /// Tags of the rule itself.
    pub tags: BTreeMap<String, String>,
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ports {
    /// First.
    pub from: i32,
    /// Last.
    pub to: i32,
}

/// The other end of the traffic that a rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// IPv4 block in canonical form.
    Ipv4(String),
    /// IPv6 block in canonical form.
    Ipv6(String),
    /// Members of a security group; one of another account is `account/id`.
    Group(String),
    /// A managed prefix list.
    PrefixList(String),
}

impl Rule {
    /// Whether both allow the same; ids, descriptions and tags aside.
    pub(super) fn allows_the_same(&self, other: &Rule) -> bool {
        (&self.protocol, self.ports, &self.source) == (&other.protocol, other.ports, &other.source)
    }

    pub(super) fn cidr_ipv4(&self) -> Option<String> {
        if let Source::Ipv4(block) = &self.source { Some(block.clone()) } else { None }
    }

    pub(super) fn cidr_ipv6(&self) -> Option<String> {
        if let Source::Ipv6(block) = &self.source { Some(block.clone()) } else { None }
    }

    pub(super) fn group(&self) -> Option<String> {
        if let Source::Group(name) = &self.source { Some(group_named(name).1.to_owned()) } else { None }
    }

    /// Account of the security group that it names.
    pub(super) fn source_owner(&self) -> &str {
        if let Source::Group(name) = &self.source { group_named(name).0 } else { ACCOUNT }
    }

    fn prefix_list(&self) -> Option<String> {
        if let Source::PrefixList(id) = &self.source { Some(id.clone()) } else { None }
    }

    /// As in `securityGroupRuleSet`.
    pub(super) fn describe(&self, group: &SecurityGroup, direction: Direction) -> Value {
        // -1 stands for "all" here, while permissions leave the ports out.
        let ports = self.ports.unwrap_or(Ports { from: -1, to: -1 });
        json!({
            "securityGroupRuleId": self.id,
            "securityGroupRuleArn": format!("arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/{}", self.id),
            "groupId": group.id,
            "groupOwnerId": ACCOUNT,
            "isEgress": direction == Direction::Egress,
            "ipProtocol": self.protocol,
            "fromPort": ports.from,
            "toPort": ports.to,
            "cidrIpv4": self.cidr_ipv4(),
            "cidrIpv6": self.cidr_ipv6(),
            "prefixListId": self.prefix_list(),
            "referencedGroupInfo": self.group().map(|id| json!({"groupId": id, "userId": self.source_owner()})),
            "description": self.description,
            "tagSet": tag_set(&self.tags),
        })
    }

    /// As in `revokedSecurityGroupRuleSet`.
    pub(super) fn describe_revoked(&self, group: &str, direction: Direction) -> Value {
        let ports = self.ports.unwrap_or(Ports { from: -1, to: -1 });
        json!({
            "securityGroupRuleId": self.id,
            "groupId": group,
            "isEgress": direction == Direction::Egress,
            "ipProtocol": self.protocol,
            "fromPort": ports.from,
            "toPort": ports.to,
            "cidrIpv4": self.cidr_ipv4(),
            "cidrIpv6": self.cidr_ipv6(),
            "prefixListId": self.prefix_list(),
            "referencedGroupId": self.group(),
            "description": self.description,
        })
    }
}

/// Account and id of a security group that a rule names.
pub(super) fn group_named(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or((ACCOUNT, name))
}

/// Rules as `ipPermissions`: one item for each protocol and port range, with the sources of all its rules.
pub(super) fn permissions(rules: &[Rule]) -> Value {
    let mut grouped: BTreeMap<(&str, Option<Ports>), Vec<&Rule>> = BTreeMap::new();
    for rule in rules {
        grouped.entry((rule.protocol.as_str(), rule.ports)).or_default().push(rule);
    }
    let items: Vec<Value> = grouped
        .into_iter()
        .map(|((protocol, ports), rules)| {
            let sources = |name: &str, id: fn(&Rule) -> Option<String>| -> Vec<Value> {
                let found = rules.iter().filter_map(|rule| Some((id(rule)?, &rule.description)));
                found.map(|(id, description)| json!({name: id, "description": description})).collect()
            };
            let groups = rules.iter().filter_map(|rule| Some((rule.group()?, rule)));
            let groups: Vec<Value> = groups
                .map(
                    |(id, rule)| json!({"userId": rule.source_owner(), "groupId": id, "description": rule.description}),
                )
                .collect();
            json!({
                "ipProtocol": protocol,
                "fromPort": ports.map(|ports| ports.from),
                "toPort": ports.map(|ports| ports.to),
                "groups": {"item": groups},
                "ipRanges": {"item": sources("cidrIp", Rule::cidr_ipv4)},
                "ipv6Ranges": {"item": sources("cidrIpv6", Rule::cidr_ipv6)},
                "prefixListIds": {"item": sources("prefixListId", Rule::prefix_list)},
            })
        })
        .collect();
    json!({"item": items})
}
