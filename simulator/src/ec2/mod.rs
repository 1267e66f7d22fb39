//! EC2: VPCs, subnets and security groups, as far as a cache needs them.

mod account;
mod filter;
mod group_calls;
mod groups;
mod network;
mod permissions;
mod rights;
mod rule_calls;
mod rules;
mod tags;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use groups::SecurityGroup;
pub(crate) use network::zone_names;
pub use network::{Subnet, Vpc};
pub use rules::{Ports, Rule, Source};

use crate::wire::tree::text;
use crate::world::{ACCOUNT, Answer, AwsError, Call, Right, World};

/// State of the service.
#[derive(Debug)]
pub struct Ec2 {
    vpcs: BTreeMap<String, Vpc>,
    subnets: BTreeMap<String, Subnet>,
    groups: BTreeMap<String, SecurityGroup>,
    peerings: BTreeSet<(String, String)>,
    made: u64,
    /// How long a new security group stays unknown to Describe calls (EC2 is eventually consistent).
    pub visibility_lag: Duration,
    /// How long a new security group stays unknown to the calls that change its rules and tags: they may ask another part of
    /// EC2 than Describe calls do (boto/boto3 #620, aws/aws-sdk-js #318).
    pub write_lag: Duration,
    /// Whether the names of security groups are unique over all accounts that share a VPC, and not in each: AWS says "within
    /// the VPC" and shows participants nothing of each other.
    pub names_are_shared: bool,
    /// Rules of one address family and direction that a security group may have.
    pub rules_per_group: usize,
}

impl Ec2 {
    /// The permissions that `call` needs.
    #[must_use]
    pub fn rights(world: &World, call: &Call) -> Vec<Right> {
        rights::rights(&world.ec2, call)
    }

    /// Handles one call.
    pub fn handle(world: &mut World, call: &Call) -> Answer {
        // A dry run ends after the rights check, which has passed when the call gets here [BC].
        if text(&call.params, "DryRun") == Some("true") {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(AwsError { status: 412, code: "DryRunOperation".into(), message: message.into() });
        }
        let in_use = world.elasticache.security_groups_in_use(call.now);
        let ec2 = &mut world.ec2;
        match call.action.as_str() {
            "DescribeVpcs" => ec2.describe_vpcs(&call.params),
            "DescribeSubnets" => ec2.describe_subnets(&call.params),
            "DescribeAvailabilityZones" => Ec2::describe_zones(&call.params),
            "DescribeNetworkInterfaces" => ec2.describe_interfaces(&call.params, &in_use),
            "DescribeSecurityGroups" => ec2.describe_groups(call),
            "DescribeSecurityGroupRules" => ec2.describe_rules(call),
            "CreateSecurityGroup" => ec2.create_group(call),
            "DeleteSecurityGroup" => ec2.delete_group(&call.params, &in_use),
            "AuthorizeSecurityGroupIngress" => ec2.authorize_ingress(call),
            "RevokeSecurityGroupIngress" => ec2.revoke(call, rules::Direction::Ingress),
            "RevokeSecurityGroupEgress" => ec2.revoke(call, rules::Direction::Egress),
            "UpdateSecurityGroupRuleDescriptionsIngress" => ec2.update_descriptions(call),
            "CreateTags" => ec2.create_tags(call),
            "DeleteTags" => ec2.delete_tags(call),
            "DescribeTags" => ec2.describe_tags(&call.params),
            other => {
                Err(AwsError::new("InvalidAction", format!("The action {other} is not valid for this web service.")))
            }
        }
    }

    /// The subnet with this id.
    #[must_use]
    pub fn subnet(&self, id: &str) -> Option<&Subnet> {
        self.subnets.get(id)
    }

    /// The same, to change it.
    pub fn subnet_mut(&mut self, id: &str) -> Option<&mut Subnet> {
        self.subnets.get_mut(id)
    }

    /// Makes a VPC with all that is in it one that another account shares.
    pub fn share_vpc(&mut self, id: &str, owner: &str) {
        self.vpcs.get_mut(id).into_iter().for_each(|vpc| owner.clone_into(&mut vpc.owner));
        let subnets = self.subnets.values_mut().filter(|subnet| subnet.vpc == id);
        subnets.for_each(|subnet| owner.clone_into(&mut subnet.owner));
    }

    /// Whether the security group is one that can be attached: of this account, or shared by the owner of its VPC.
    #[must_use]
    pub fn can_attach(&self, group: &SecurityGroup) -> bool {
        group.owner == ACCOUNT || self.vpcs.get(&group.vpc).is_some_and(|vpc| vpc.owner == group.owner)
    }

    /// The VPC of the security group with this id.
    #[must_use]
    pub fn security_group_vpc(&self, id: &str) -> Option<&str> {
        self.groups.get(id).map(|group| group.vpc.as_str())
    }

    /// The security group with this id.
    #[must_use]
    pub fn security_group(&self, id: &str) -> Option<&SecurityGroup> {
        self.groups.get(id)
    }

    /// The same, to change it behind the back of the function.
    pub fn security_group_mut(&mut self, id: &str) -> Option<&mut SecurityGroup> {
        self.groups.get_mut(id)
    }

    /// All security groups, by id.
    pub fn security_groups(&self) -> impl Iterator<Item = &SecurityGroup> {
        self.groups.values()
    }

    /// Names and tags of everything that carries a tag with this key.
    #[must_use]
    pub fn tagged(&self, key: &str) -> Vec<(String, BTreeMap<String, String>)> {
        let groups = self.groups.values().map(|group| (&group.id, &group.tags));
        let rules = self.groups.values().flat_map(SecurityGroup::rules).map(|rule| (&rule.id, &rule.tags));
        let vpcs = self.vpcs.values().map(|vpc| (&vpc.id, &vpc.tags));
        let subnets = self.subnets.values().map(|subnet| (&subnet.id, &subnet.tags));
        let all = groups.chain(rules).chain(vpcs).chain(subnets);
        all.filter(|(_, tags)| tags.contains_key(key)).map(|(id, tags)| (id.clone(), tags.clone())).collect()
    }

    /// The next id with this prefix, in the form of AWS and the same in every run.
    pub(crate) fn next_id(&mut self, prefix: &str) -> String {
        self.made += 1;
        // Spread over the digits (multiplied by an odd constant), so that ids do not look like a sequence.
        format!("{prefix}-0{:016x}", self.made.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}
