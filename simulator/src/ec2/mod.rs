//! EC2: VPCs, subnets and security groups, as far as a cache needs them.

use crate::world::{Answer, AwsError, Call, Right, World};

/// State of the service.
#[derive(Debug, Default)]
pub struct Ec2 {}

/// A subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// `subnet-...`
    pub id: String,
    /// `vpc-...`
    pub vpc: String,
    /// Availability zone, such as `us-east-1a`.
    pub zone: String,
    /// Free IPv4 addresses.
    pub free_addresses: u32,
    /// IPv6 block, if any.
    pub ipv6: Option<String>,
}

impl Ec2 {
    /// The permissions that `call` needs.
    #[must_use]
    pub fn rights(_world: &World, _call: &Call) -> Vec<Right> {
        Vec::new()
    }

    /// Handles one call.
    pub fn handle(_world: &mut World, call: &Call) -> Answer {
        Err(AwsError::new("InvalidAction", format!("The action {} is not valid for this web service.", call.action)))
    }

    /// The subnet with this id.
    #[must_use]
    pub fn subnet(&self, _id: &str) -> Option<&Subnet> {
        None
    }

    /// The VPC of the security group with this id.
    #[must_use]
    pub fn security_group_vpc(&self, _id: &str) -> Option<&str> {
        None
    }
}
