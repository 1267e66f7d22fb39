//! What the properties point at in the account, checked before the first write.

use std::collections::BTreeSet;

use crate::desired::{Auth, Desired, Source};
use crate::observed::{Account, Observed, Subnet};
use crate::problem::Problem;

/// Everything that is wrong with what the properties name. What a standing group already uses is not questioned
/// again: a rollback must not fail because somebody removed a referenced group in the meantime.
#[must_use]
pub fn problems(desired: &Desired, observed: &Observed, account: &Account) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(found) = &account.subnets {
        subnets(desired, observed, found, &mut problems);
    }
    security_groups(desired, observed, account, &mut problems);
    token(desired, observed, account, &mut problems);
    problems
}

fn subnets(desired: &Desired, observed: &Observed, found: &[Subnet], problems: &mut Vec<Problem>) {
    let in_use = observed.subnet_group.as_ref().map(|group| group.subnet_ids.clone()).unwrap_or_default();
    let mut add = |rule: String, fix: &str, id: &str| {
        problems.push(Problem::new("SubnetIds", rule, fix).with_value(id));
    };
    for id in desired.subnet_ids.difference(&in_use) {
        match found.iter().find(|subnet| subnet.id == *id) {
            None => add("does not exist in this account and region".to_owned(), "name an existing subnet", id),
            Some(subnet) if subnet.vpc_id != desired.vpc_id => {
                let rule = format!("is in {}, not in {}", subnet.vpc_id, desired.vpc_id);
                add(rule, "name subnets of VpcId", id);
            }
            Some(subnet) if subnet.free_addresses == 0 => {
                add("has no free addresses".to_owned(), "free some, or name another subnet", id);
            }
            Some(_) => {}
        }
    }
    let zones: BTreeSet<&str> = found
        .iter()
        .filter(|subnet| desired.subnet_ids.contains(&subnet.id))
        .map(|subnet| subnet.zone.as_str())
        .collect();
    let all_found = desired.subnet_ids.iter().all(|id| found.iter().any(|subnet| subnet.id == *id));
    if desired.multi_az && all_found && zones.len() < 2 {
        let ids: Vec<&str> = desired.subnet_ids.iter().map(String::as_str).collect();
        let only = zones.first().copied().unwrap_or_default();
        add(
            format!("Multi-AZ needs subnets in two availability zones, and all are in {only}"),
            "add a subnet in another zone",
            &ids.join(", "),
        );
    }
    for zone in desired.preferred_zones.iter().filter(|_| observed.group.is_none() && all_found) {
        if !zones.contains(zone.as_str()) {
            let has: Vec<&str> = zones.iter().copied().collect();
            let rule = format!("no subnet of SubnetIds is in this zone (they are in {})", has.join(", "));
            let fix = "name zones of the subnets, or add a subnet there";
            problems.push(Problem::new("PreferredAvailabilityZones", rule, fix).with_value(zone));
        }
    }
}

fn security_groups(desired: &Desired, observed: &Observed, account: &Account, problems: &mut Vec<Problem>) {
    let Some(found) = &account.security_groups else { return };
    let rules = observed.security_group.as_ref().map(|group| &group.ingress);
    let allowed = |source: &Source| rules.is_some_and(|rules| rules.iter().any(|rule| rule.source == *source));
    for source in desired.allowed.iter().filter(|source| !allowed(source)) {
        let Source::SecurityGroup(id) = source else { continue };
        if !found.contains_key(id) {
            let rule = "does not exist in this account and region";
            problems
                .push(Problem::new("AllowedSecurityGroupIds", rule, "name an existing security group").with_value(id));
        }
    }
    let attached = observed.first_member().map(|member| member.security_groups.clone()).unwrap_or_default();
    for id in desired.extra_security_groups.difference(&attached) {
        let rule = match found.get(id) {
            None => "does not exist in this account and region".to_owned(),
            Some(vpc) if *vpc != desired.vpc_id => format!("is in {vpc}, not in {}", desired.vpc_id),
            Some(_) => continue,
        };
        problems.push(Problem::new("SecurityGroupIds", rule, "name a security group of VpcId").with_value(id));
    }
}

fn token(desired: &Desired, observed: &Observed, account: &Account, problems: &mut Vec<Problem>) {
    let Auth::Foreign { arn, .. } = &desired.auth else { return };
    if observed.group.is_some() {
        return;
    }
    let rule = match &account.foreign_token {
        Some(Ok(token)) => token.defect().map(|defect| format!("the token in it {defect}")),
        Some(Err(reason)) => Some(reason.clone()),
        None => None,
    };
    if let Some(rule) = rule {
        let fix = "store a legal token there, set AuthTokenSecretKey to its key, and let the function read the secret";
        problems.push(Problem::new("AuthTokenSecretArn", rule, fix).with_value(arn));
    }
}
