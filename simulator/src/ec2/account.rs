//! What the account holds: the networks every local AWS starts with, and ways to add more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Ec2, SecurityGroup, Subnet, Vpc};
use crate::clock::Time;
use crate::world::ACCOUNT;

impl Default for Ec2 {
    /// Two ordinary VPCs and the default one, each with subnets and a default security group.
    fn default() -> Ec2 {
        let mut ec2 = Ec2 {
            vpcs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            groups: BTreeMap::new(),
            peerings: BTreeSet::new(),
            made: 0,
            visibility_lag: Duration::from_secs(1),
            write_lag: Duration::from_secs(1),
            names_are_shared: true,
            rules_per_group: 60,
        };
        let vpc = "vpc-0a1b2c3d4e5f60001";
        ec2.add_vpc(vpc, "10.0.0.0/16", false);
        ec2.add_subnet("subnet-0a000000000000001", vpc, "us-east-1a", "10.0.0.0/24");
        ec2.add_subnet("subnet-0a000000000000002", vpc, "us-east-1b", "10.0.1.0/24");
        ec2.add_subnet("subnet-0a000000000000003", vpc, "us-east-1c", "10.0.2.0/24");
        ec2.add_subnet("subnet-0a000000000000004", vpc, "us-east-1a", "10.0.3.0/24");
        ec2.add_subnet("subnet-0a000000000000005", vpc, "us-east-1b", "10.0.4.0/28").free_addresses = 0;
        ec2.add_security_group("sg-0a00000000000aa01", "app", vpc);
        ec2.add_security_group("sg-0a00000000000aa02", "workers", vpc);

        let vpc = "vpc-0a1b2c3d4e5f60002";
        ec2.add_vpc(vpc, "10.1.0.0/16", false);
        ec2.add_subnet("subnet-0b000000000000001", vpc, "us-east-1a", "10.1.0.0/24");
        ec2.add_subnet("subnet-0b000000000000002", vpc, "us-east-1b", "10.1.1.0/24");
        ec2.add_security_group("sg-0b00000000000bb01", "app", vpc);

        let vpc = "vpc-0a1b2c3d4e5f60003";
        ec2.add_vpc(vpc, "172.31.0.0/16", true);
        ec2.add_subnet("subnet-0c000000000000001", vpc, "us-east-1a", "172.31.0.0/20");
        ec2.add_subnet("subnet-0c000000000000002", vpc, "us-east-1b", "172.31.16.0/20");
        ec2
    }
}

impl Ec2 {
    /// Adds a VPC with its default security group.
    pub fn add_vpc(&mut self, id: &str, cidr: &str, is_default: bool) {
        let vpc = Vpc { id: id.into(), cidr: cidr.into(), is_default, owner: ACCOUNT.into(), tags: BTreeMap::new() };
        self.vpcs.insert(id.into(), vpc);
        let group = self.next_id("sg");
        self.add_security_group(&group, "default", id);
    }

    /// Removes a VPC with its default security group, when nothing else is in it.
    pub(crate) fn remove_vpc(&mut self, id: &str) -> Result<(), String> {
        let subnets = self.subnets.values().any(|subnet| subnet.vpc == id);
        let groups = self.groups.values().any(|group| group.vpc == id && group.name != "default");
        if subnets || groups {
            return Err(format!("The vpc '{id}' has dependencies and cannot be deleted."));
        }
        self.groups.retain(|_, group| group.vpc != id);
        self.vpcs.remove(id);
        Ok(())
    }

    /// Removes a subnet.
    pub(crate) fn remove_subnet(&mut self, id: &str) {
        self.subnets.remove(id);
    }

    /// The IPv4 block of a VPC.
    pub(crate) fn vpc_block(&self, id: &str) -> Option<&str> {
        self.vpcs.get(id).map(|vpc| vpc.cidr.as_str())
    }

    /// Adds a subnet with as many free addresses as its block has apart from the five that AWS keeps.
    pub fn add_subnet(&mut self, id: &str, vpc: &str, zone: &str, cidr: &str) -> &mut Subnet {
        let prefix: u32 = cidr.rsplit_once('/').and_then(|(_, bits)| bits.parse().ok()).unwrap_or(24);
        let free_addresses = 2_u32.saturating_pow(32_u32.saturating_sub(prefix)).saturating_sub(5);
        self.subnets
            .entry(id.into())
            .insert_entry(Subnet {
                id: id.into(),
                vpc: vpc.into(),
                owner: ACCOUNT.into(),
                zone: zone.into(),
                cidr: cidr.into(),
                free_addresses,
                ipv6: None,
                tags: BTreeMap::new(),
            })
            .into_mut()
    }

    /// Adds a security group, visible at once, without ingress rules.
    pub fn add_security_group(&mut self, id: &str, name: &str, vpc: &str) -> &mut SecurityGroup {
        let egress = self.allow_all_egress();
        self.groups
            .entry(id.into())
            .insert_entry(SecurityGroup {
                id: id.into(),
                name: name.into(),
                description: format!("{name} security group"),
                vpc: vpc.into(),
                owner: ACCOUNT.into(),
                tags: BTreeMap::new(),
                ingress: Vec::new(),
                egress,
                visible_from: Time::START,
                writable_from: Time::START,
            })
            .into_mut()
    }

    /// From now on a security group is known everywhere, however young it is.
    pub(crate) fn show_security_group(&mut self, id: &str, now: Time) {
        if let Some(group) = self.groups.get_mut(id) {
            (group.visible_from, group.writable_from) = (now, now);
        }
    }

    /// Peers two VPCs, so that rules in one may name security groups of the other.
    pub fn peer(&mut self, vpc: &str, other: &str) {
        self.peerings.insert((vpc.into(), other.into()));
        self.peerings.insert((other.into(), vpc.into()));
    }
}
