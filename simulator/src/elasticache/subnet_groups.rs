//! Cache subnet groups.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::input::Input;
use super::names::{self, arn};
use super::networks::{self, GroupSubnet};
use super::output::{page, tree};
use super::refusals::{invalid_value, no_modifications, subnet_group_not_found};
use super::{ElastiCache, tags};
use crate::world::{Answer, AwsError, Call, World};

/// Subnet groups per account and subnets per group, before a quota increase (facts 3.5).
const MAX_GROUPS: usize = 300;
const MAX_SUBNETS: usize = 20;

/// A subnet group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubnetGroup {
    /// Name, in lower case.
    pub name: String,
    /// Description.
    pub description: String,
    /// VPC of all its subnets.
    pub vpc: String,
    /// Subnets in the order given.
    pub subnets: Vec<GroupSubnet>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

impl SubnetGroup {
    /// Its availability zones, sorted, each once.
    #[must_use]
    pub fn zones(&self) -> Vec<String> {
        let mut zones: Vec<String> = self.subnets.iter().map(|subnet| subnet.zone.clone()).collect();
        zones.sort();
        zones.dedup();
        zones
    }

    /// Network types that all its subnets support.
    #[must_use]
    pub fn network_types(&self) -> &'static [&'static str] {
        if self.subnets.iter().all(|subnet| subnet.ipv6) { &["ipv4", "ipv6", "dual_stack"] } else { &["ipv4"] }
    }

    /// Whether a node sits in the subnet: nodes go to the first subnet of their zone.
    fn holds_node(&self, cache: &ElastiCache, subnet: &GroupSubnet) -> bool {
        let is_first = self.subnets.iter().find(|other| other.zone == subnet.zone) == Some(subnet);
        let mut members = cache.groups.values().filter(|group| group.subnet_group == self.name);
        is_first && members.any(|group| group.members().any(|member| member.zone == subnet.zone))
    }

    fn tree(&self) -> Value {
        let subnets: Vec<Value> = self
            .subnets
            .iter()
            .map(|subnet| {
                json!({
                    "SubnetIdentifier": subnet.id,
                    "SubnetAvailabilityZone": { "Name": subnet.zone },
                    "SupportedNetworkTypes": {
                        "member": if subnet.ipv6 { vec!["ipv4", "ipv6", "dual_stack"] } else { vec!["ipv4"] },
                    },
                })
            })
            .collect();
        tree(json!({
            "CacheSubnetGroupName": self.name,
            "CacheSubnetGroupDescription": self.description,
            "VpcId": self.vpc,
            "Subnets": { "Subnet": subnets },
            "ARN": arn("subnetgroup", &self.name),
            "SupportedNetworkTypes": { "member": self.network_types() },
        }))
    }
}

pub(super) fn create(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let name = names::subnet_group(input.required("CacheSubnetGroupName")?)?;
    let description = read_description(input.required("CacheSubnetGroupDescription")?)?;
    let tags = tags::read(input)?;
    if world.elasticache.subnet_groups.contains_key(&name) {
        let message = format!("Cache subnet group {name} already exists.");
        return Err(AwsError::new("CacheSubnetGroupAlreadyExists", message));
    }
    if world.elasticache.subnet_groups.len() >= MAX_GROUPS {
        let message = format!("At most {MAX_GROUPS} cache subnet groups are allowed.");
        return Err(AwsError::new("CacheSubnetGroupQuotaExceeded", message));
    }
    let (vpc, subnets) = read_subnets(world, input)?;
    let group = SubnetGroup { name, description, vpc, subnets, tags };
    let answer = group.tree();
    world.elasticache.subnet_groups.insert(group.name.clone(), group);
    Ok(json!({ "CacheSubnetGroup": answer }))
}

fn read_description(text: &str) -> Result<String, AwsError> {
    if text.chars().count() > 255 {
        return Err(invalid_value("The parameter CacheSubnetGroupDescription must have at most 255 characters."));
    }
    Ok(text.to_owned())
}

fn read_subnets(world: &World, input: Input<'_>) -> Result<(String, Vec<GroupSubnet>), AwsError> {
    let ids = input.texts("SubnetIds", "SubnetIdentifier").unwrap_or_default();
    if ids.len() > MAX_SUBNETS {
        let message = format!("At most {MAX_SUBNETS} subnets are allowed in a cache subnet group.");
        return Err(AwsError::new("CacheSubnetQuotaExceededFault", message));
    }
    networks::subnets(&world.ec2, &ids)
}

pub(super) fn modify(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let name = input.required("CacheSubnetGroupName")?.to_ascii_lowercase();
    let group = world.elasticache.subnet_groups.get(&name).ok_or_else(|| subnet_group_not_found(&name))?;
    let mut changed = group.clone();
    if let Some(description) = input.text("CacheSubnetGroupDescription") {
        changed.description = read_description(description)?;
    }
    if input.texts("SubnetIds", "SubnetIdentifier").is_some_and(|ids| !ids.is_empty()) {
        let (vpc, subnets) = read_subnets(world, input)?;
        if vpc != group.vpc {
            return Err(AwsError::new("InvalidSubnet", format!("The subnets must be in VPC {}.", group.vpc)));
        }
        let removed = group.subnets.iter().filter(|subnet| subnets.iter().all(|kept| kept.id != subnet.id));
        if let Some(used) = removed.into_iter().find(|subnet| group.holds_node(&world.elasticache, subnet)) {
            return Err(AwsError::new("SubnetInUse", format!("Subnet {} is in use by a cache.", used.id)));
        }
        changed.subnets = subnets;
    } else if input.text("CacheSubnetGroupDescription").is_none() {
        return Err(no_modifications());
    }
    let answer = changed.tree();
    world.elasticache.subnet_groups.insert(name, changed);
    Ok(json!({ "CacheSubnetGroup": answer }))
}

pub(super) fn delete(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let name = input.required("CacheSubnetGroupName")?.to_ascii_lowercase();
    let cache = &mut world.elasticache;
    if !cache.subnet_groups.contains_key(&name) {
        return Err(subnet_group_not_found(&name));
    }
    if let Some(user) = cache.groups.values().find(|group| group.subnet_group == name) {
        let message = format!("Cache subnet group {name} is currently in use by {}.", user.id);
        return Err(AwsError::new("CacheSubnetGroupInUse", message));
    }
    cache.subnet_groups.remove(&name);
    Ok(json!({}))
}

pub(super) fn describe(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let all = &world.elasticache.subnet_groups;
    let groups = match input.text("CacheSubnetGroupName") {
        Some(name) => {
            let group = all.get(&name.to_ascii_lowercase()).ok_or_else(|| subnet_group_not_found(name))?;
            vec![group.tree()]
        }
        None => all.values().map(SubnetGroup::tree).collect(),
    };
    page(input, "CacheSubnetGroups", "CacheSubnetGroup", groups, 100)
}
