//! The calls that change and describe the rules of security groups.

use serde_json::{Value, json};

use super::filter::{filtered, page};
use super::permissions::{Blocks, invalid, requested};
use super::rules::{Direction, Ports, Rule, Source, group_named, permissions};
use super::tags::specified;
use super::{Ec2, SecurityGroup};
use crate::wire::tree::{items, text, texts};
use crate::world::{Answer, AwsError, Call};

impl Ec2 {
    /// What every new security group allows its members to reach.
    pub(super) fn allow_all_egress(&mut self) -> Vec<Rule> {
        let everywhere = Source::Ipv4("0.0.0.0/0".into());
        vec![Rule {
            id: self.next_id("sgr"),
            protocol: "-1".into(),
            ports: None,
            source: everywhere,
            description: None,
            tags: std::collections::BTreeMap::new(),
        }]
    }

    fn rules_mut(&mut self, group: &str, direction: Direction) -> Option<&mut Vec<Rule>> {
        let group = self.groups.get_mut(group)?;
        Some(match direction {
            Direction::Ingress => &mut group.ingress,
            Direction::Egress => &mut group.egress,
        })
    }

    /// One bad or duplicate rule fails the whole call (inferred: no partial success is documented).
    pub(super) fn authorize_ingress(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let group = self.changed_group(call)?;
        let mut rules = requested(params, Blocks::Canonicalise)?;
        for (index, rule) in rules.iter().enumerate() {
            if rules[..index].iter().any(|earlier| earlier.allows_the_same(rule)) {
                return Err(invalid("The same permission must not appear multiple times"));
            }
            self.check_source_group(group, rule)?;
            if group.ingress.iter().any(|present| present.allows_the_same(rule)) {
                return Err(duplicate(rule));
            }
        }
        let tags = specified(params, "security-group-rule")?;
        let id = group.id.clone();
        self.check_rule_count(group, &rules)?;
        for rule in &mut rules {
            rule.id = self.next_id("sgr");
            rule.tags.clone_from(&tags);
        }
        if let Some(present) = self.rules_mut(&id, Direction::Ingress) {
            present.extend(rules.clone());
        }
        let group = self.known_group(&id)?;
        let described: Vec<Value> = rules.iter().map(|rule| rule.describe(group, Direction::Ingress)).collect();
        Ok(json!({"return": true, "securityGroupRuleSet": {"item": described}}))
    }

    /// A rule may name groups of its own VPC and of peered ones.
    fn check_source_group(&self, group: &SecurityGroup, rule: &Rule) -> Result<(), AwsError> {
        let Source::Group(name) = &rule.source else { return Ok(()) };
        let (owner, id) = group_named(name);
        let source = self.known_group(id)?;
        // A group of another account is named as `account/id` (VPC guide, shared VPCs).
        if source.owner != owner {
            let message = format!("The security group '{id}' does not exist");
            return Err(AwsError::new("InvalidGroup.NotFound", message));
        }
        let reachable = source.vpc == group.vpc || self.peerings.contains(&(group.vpc.clone(), source.vpc.clone()));
        if !reachable {
            let message = "You have specified two resources that belong to different networks.";
            return Err(AwsError::new("InvalidGroup.NotFound", message));
        }
        Ok(())
    }

    /// The quota holds for IPv4 and IPv6 apart; rules that name groups or lists count for both.
    fn check_rule_count(&self, group: &SecurityGroup, added: &[Rule]) -> Result<(), AwsError> {
        let count = |excluded: fn(&Source) -> bool| {
            group.ingress.iter().chain(added).filter(|rule| !excluded(&rule.source)).count()
        };
        let (ipv4, ipv6) =
            (count(|source| matches!(source, Source::Ipv6(_))), count(|source| matches!(source, Source::Ipv4(_))));
        if ipv4.max(ipv6) > self.rules_per_group {
            let message = "The maximum number of rules per security group has been reached.";
            return Err(AwsError::new("RulesPerSecurityGroupLimitExceeded", message));
        }
        Ok(())
    }

    /// In the default VPC a rule that is not there is returned as unknown; elsewhere it fails the whole call (service model).
    pub(super) fn revoke(&mut self, call: &Call, direction: Direction) -> Answer {
        let params = &call.params;
        let group = self.changed_group(call)?;
        let (id, forgiving) = (group.id.clone(), self.is_default_vpc(&group.vpc));
        let present = match direction {
            Direction::Ingress => &group.ingress,
            Direction::Egress => &group.egress,
        };
        let (doomed, unknown) = match texts(params, "SecurityGroupRuleId").collect::<Vec<_>>() {
            ids if ids.is_empty() => named_by_value(present, requested(params, Blocks::Verbatim)?),
            ids => (named_by_id(present, &ids)?, Vec::new()),
        };
        if !unknown.is_empty() && !forgiving {
            let message = "The specified rule does not exist in this security group.";
            return Err(AwsError::new("InvalidPermission.NotFound", message));
        }
        let mut revoked = Vec::new();
        if let Some(rules) = self.rules_mut(&id, direction) {
            revoked = rules.extract_if(.., |rule| doomed.contains(&rule.id)).collect();
        }
        let revoked: Vec<Value> = revoked.iter().map(|rule| rule.describe_revoked(&id, direction)).collect();
        Ok(json!({
            "return": true,
            "unknownIpPermissionSet": permissions(&unknown),
            "revokedSecurityGroupRuleSet": {"item": revoked},
        }))
    }

    pub(super) fn update_descriptions(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let group = self.changed_group(call)?;
        let id = group.id.clone();
        let not_found =
            || AwsError::new("InvalidPermission.NotFound", "The specified rule does not exist in this security group.");
        let mut changes: Vec<(String, Option<String>)> = Vec::new();
        let by_id = items(params, "SecurityGroupRuleDescription");
        for change in by_id {
            let rule = text(change, "SecurityGroupRuleId").unwrap_or_default();
            named_by_id(&group.ingress, &[rule])?;
            changes.push((rule.to_owned(), text(change, "Description").map(str::to_owned)));
        }
        if by_id.is_empty() {
            for wanted in requested(params, Blocks::Verbatim)? {
                let mut rules = group.ingress.iter();
                let found = rules.find(|present| present.allows_the_same(&wanted)).ok_or_else(not_found)?;
                changes.push((found.id.clone(), wanted.description));
            }
        }
        for rule in self.rules_mut(&id, Direction::Ingress).into_iter().flatten() {
            if let Some((_, description)) = changes.iter().find(|(changed, _)| *changed == rule.id) {
                rule.description.clone_from(description);
            }
        }
        Ok(json!({"return": true}))
    }

    pub(super) fn describe_rules(&self, call: &Call) -> Answer {
        let visible = self.groups.values().filter(|group| group.visible_from <= call.now);
        let rules: Vec<(&SecurityGroup, &Rule, Direction)> = visible
            .flat_map(|group| {
                let ingress = group.ingress.iter().map(move |rule| (group, rule, Direction::Ingress));
                ingress.chain(group.egress.iter().map(move |rule| (group, rule, Direction::Egress)))
            })
            .collect();
        let wanted: Vec<&str> = texts(&call.params, "SecurityGroupRuleId").collect();
        if let Some(id) = wanted.iter().find(|id| !rules.iter().any(|(_, rule, _)| rule.id == **id)) {
            return Err(unknown_rule(id));
        }
        let asked_for = rules.iter().filter(|(_, rule, _)| wanted.is_empty() || wanted.contains(&rule.id.as_str()));
        let rules = filtered(
            asked_for,
            &call.params,
            |(group, rule, _), name| match name {
                "group-id" => Some(vec![group.id.clone()]),
                "security-group-rule-id" => Some(vec![rule.id.clone()]),
                _ => None,
            },
            |(_, rule, _)| &rule.tags,
        )?;
        let described = rules.iter().map(|(group, rule, direction)| rule.describe(group, *direction));
        page("securityGroupRuleSet", described.collect(), &call.params)
    }
}

/// Ids of the present rules that are named, and the named rules that are not present.
fn named_by_value(present: &[Rule], named: Vec<Rule>) -> (Vec<String>, Vec<Rule>) {
    let mut ids = Vec::new();
    let mut unknown = Vec::new();
    for rule in named {
        match present.iter().find(|present| present.allows_the_same(&rule)) {
            Some(found) => ids.push(found.id.clone()),
            None => unknown.push(rule),
        }
    }
    (ids, unknown)
}

fn named_by_id(present: &[Rule], ids: &[&str]) -> Result<Vec<String>, AwsError> {
    match ids.iter().find(|id| !present.iter().any(|rule| rule.id == **id)) {
        Some(id) => Err(unknown_rule(id)),
        None => Ok(ids.iter().map(|id| (*id).to_owned()).collect()),
    }
}

fn unknown_rule(id: &str) -> AwsError {
    AwsError::new("InvalidSecurityGroupRuleId.NotFound", format!("The security group rule ID '{id}' does not exist"))
}

fn duplicate(rule: &Rule) -> AwsError {
    let peer = match &rule.source {
        Source::Ipv4(source) | Source::Ipv6(source) | Source::Group(source) | Source::PrefixList(source) => source,
    };
    let protocol = if rule.protocol == "-1" { "ALL".into() } else { rule.protocol.to_uppercase() };
    let ports = match rule.ports {
        Some(Ports { from, to }) => format!(", from port: {from}, to port: {to}"),
        None => String::new(),
    };
    let message = format!("the specified rule \"peer: {peer}, {protocol}{ports}, ALLOW\" already exists");
    AwsError::new("InvalidPermission.Duplicate", message)
}
