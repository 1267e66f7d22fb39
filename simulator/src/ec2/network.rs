//! VPCs, subnets, zones and network interfaces.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Ec2;
use super::filter::{filtered, page};
use super::tags::tag_set;
use crate::wire::tree::texts;
use crate::world::{ACCOUNT, Answer, AwsError, REGION};

/// Zones of the region, with the ids that are the same in every account.
const ZONES: [(&str, &str); 6] = [
    ("us-east-1a", "use1-az1"),
    ("us-east-1b", "use1-az2"),
    ("us-east-1c", "use1-az4"),
    ("us-east-1d", "use1-az6"),
    ("us-east-1e", "use1-az3"),
    ("us-east-1f", "use1-az5"),
];

/// A virtual network.
#[derive(Clone, Debug)]
pub struct Vpc {
    /// `vpc-...`
    pub id: String,
    /// IPv4 block.
    pub cidr: String,
    /// Account that it belongs to.
    pub owner: String,
    /// Whether it is the default VPC of the region, in which revoking an unknown rule is no error.
    pub is_default: bool,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// `subnet-...`
    pub id: String,
    /// `vpc-...`
    pub vpc: String,
    /// Account that it belongs to.
    pub owner: String,
    /// Availability zone, such as `us-east-1a`.
    pub zone: String,
    /// IPv4 block.
    pub cidr: String,
    /// Free IPv4 addresses.
    pub free_addresses: u32,
    /// IPv6 block, if any.
    pub ipv6: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// The availability zones of the region.
pub(crate) fn zone_names() -> impl Iterator<Item = &'static str> {
    ZONES.iter().map(|(name, _)| *name)
}

fn zone_id(zone: &str) -> Option<&'static str> {
    ZONES.iter().find(|(name, _)| *name == zone).map(|(_, id)| *id)
}

impl Vpc {
    fn describe(&self) -> Value {
        json!({
            "vpcId": self.id,
            "ownerId": self.owner,
            "state": "available",
            "cidrBlock": self.cidr,
            "cidrBlockAssociationSet": {"item": [{
                "associationId": self.id.replace("vpc-", "vpc-cidr-assoc-"),
                "cidrBlock": self.cidr,
                "cidrBlockState": {"state": "associated"},
            }]},
            "dhcpOptionsId": "default",
            "instanceTenancy": "default",
            "isDefault": self.is_default,
            "tagSet": tag_set(&self.tags),
        })
    }

    fn field(&self, filter: &str) -> Option<Vec<String>> {
        let value = match filter {
            "vpc-id" => self.id.clone(),
            "cidr" | "cidr-block-association.cidr-block" => self.cidr.clone(),
            "state" => "available".into(),
            "is-default" | "isDefault" => self.is_default.to_string(),
            "owner-id" => self.owner.clone(),
            _ => return None,
        };
        Some(vec![value])
    }
}

impl Subnet {
    fn describe(&self, default_for_zone: bool) -> Value {
        let ipv6: Vec<Value> = self.ipv6.iter().map(|block| ipv6_association(&self.id, block)).collect();
        json!({
            "subnetId": self.id,
            "subnetArn": format!("arn:aws:ec2:{REGION}:{}:subnet/{}", self.owner, self.id),
            "state": "available",
            "ownerId": self.owner,
            "vpcId": self.vpc,
            "cidrBlock": self.cidr,
            "ipv6CidrBlockAssociationSet": {"item": ipv6},
            "availableIpAddressCount": self.free_addresses,
            "availabilityZone": self.zone,
            "availabilityZoneId": zone_id(&self.zone),
            "defaultForAz": default_for_zone,
            "mapPublicIpOnLaunch": default_for_zone,
            "assignIpv6AddressOnCreation": false,
            "ipv6Native": false,
            "tagSet": tag_set(&self.tags),
        })
    }

    fn field(&self, filter: &str) -> Option<Vec<String>> {
        Some(match filter {
            "subnet-id" => vec![self.id.clone()],
            "vpc-id" => vec![self.vpc.clone()],
            "availability-zone" | "availabilityZone" => vec![self.zone.clone()],
            "availability-zone-id" | "availabilityZoneId" => {
                zone_id(&self.zone).map(str::to_owned).into_iter().collect()
            }
            "cidr-block" | "cidr" | "cidrBlock" => vec![self.cidr.clone()],
            "ipv6-cidr-block-association.ipv6-cidr-block" => self.ipv6.clone().into_iter().collect(),
            "available-ip-address-count" => vec![self.free_addresses.to_string()],
            "state" => vec!["available".into()],
            "owner-id" => vec![self.owner.clone()],
            _ => return None,
        })
    }
}

fn ipv6_association(subnet: &str, block: &str) -> Value {
    json!({
        "associationId": subnet.replace("subnet-", "subnet-cidr-assoc-"),
        "ipv6CidrBlock": block,
        "ipv6CidrBlockState": {"state": "associated"},
    })
}

impl Ec2 {
    /// Whether this is the default VPC.
    pub(super) fn is_default_vpc(&self, vpc: &str) -> bool {
        self.vpcs.get(vpc).is_some_and(|vpc| vpc.is_default)
    }

    pub(super) fn known_vpc(&self, id: &str) -> Result<&Vpc, AwsError> {
        let missing = || AwsError::new("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist"));
        self.vpcs.get(id).ok_or_else(missing)
    }

    pub(super) fn describe_vpcs(&self, params: &Value) -> Answer {
        let wanted: Vec<&str> = texts(params, "VpcId").collect();
        for id in &wanted {
            self.known_vpc(id)?;
        }
        let vpcs = self.vpcs.values().filter(|vpc| wanted.is_empty() || wanted.contains(&vpc.id.as_str()));
        let vpcs = filtered(vpcs, params, |vpc, name| vpc.field(name), |vpc| &vpc.tags)?;
        page("vpcSet", vpcs.iter().map(|vpc| vpc.describe()).collect(), params)
    }

    pub(super) fn describe_subnets(&self, params: &Value) -> Answer {
        let wanted: Vec<&str> = texts(params, "SubnetId").collect();
        if let Some(id) = wanted.iter().find(|id| !self.subnets.contains_key(**id)) {
            return Err(AwsError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")));
        }
        let subnets = self.subnets.values().filter(|subnet| wanted.is_empty() || wanted.contains(&subnet.id.as_str()));
        let subnets = filtered(subnets, params, |subnet, name| subnet.field(name), |subnet| &subnet.tags)?;
        let described = subnets.iter().map(|subnet| subnet.describe(self.is_default_vpc(&subnet.vpc)));
        page("subnetSet", described.collect(), params)
    }

    pub(super) fn describe_zones(params: &Value) -> Answer {
        let wanted: Vec<&str> = texts(params, "ZoneName").collect();
        if let Some(name) = wanted.iter().find(|name| zone_id(name).is_none()) {
            return Err(AwsError::new("InvalidParameterValue", format!("Invalid availability zone: [{name}]")));
        }
        let zones = ZONES.iter().filter(|(name, _)| wanted.is_empty() || wanted.contains(name));
        let described = zones.map(|(name, id)| {
            json!({
                "zoneName": name,
                "zoneId": id,
                "zoneState": "available",
                "zoneType": "availability-zone",
                "regionName": REGION,
                "groupName": "us-east-1-zg-1",
                "networkBorderGroup": REGION,
                "optInStatus": "opt-in-not-required",
            })
        });
        page("availabilityZoneInfo", described.collect(), params)
    }

    /// One interface stands for all that caches hold in a security group: enough to see why it cannot be deleted.
    pub(super) fn describe_interfaces(&self, params: &Value, in_use: &BTreeSet<String>) -> Answer {
        let groups = in_use.iter().filter_map(|id| self.groups.get(id));
        let tags = BTreeMap::new();
        let groups = filtered(
            groups,
            params,
            |group, name| match name {
                "group-id" => Some(vec![group.id.clone()]),
                "vpc-id" => Some(vec![group.vpc.clone()]),
                "status" => Some(vec!["in-use".into()]),
                "requester-id" => Some(vec!["amazon-elasticache".into()]),
                "description" => Some(vec!["ElastiCache".into()]),
                _ => None,
            },
            |_| &tags,
        )?;
        let described = groups.iter().map(|group| {
            json!({
                "networkInterfaceId": group.id.replace("sg-", "eni-"),
                "vpcId": group.vpc,
                "description": "ElastiCache",
                "ownerId": ACCOUNT,
                "requesterId": "amazon-elasticache",
                "requesterManaged": true,
                "status": "in-use",
                "groupSet": {"item": [{"groupId": group.id, "groupName": group.name}]},
                "tagSet": {"item": []},
            })
        });
        page("networkInterfaceSet", described.collect(), params)
    }
}
