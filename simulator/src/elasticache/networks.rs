//! What the service asks EC2: whether subnets and security groups exist, and where.

use super::refusals::invalid_value;
use super::subnet_groups::SubnetGroup;
use crate::ec2::Ec2;
use crate::world::AwsError;

/// A subnet as a subnet group remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSubnet {
    /// `subnet-...`
    pub id: String,
    /// Availability zone.
    pub zone: String,
    /// Whether it has an IPv6 block.
    pub ipv6: bool,
}

/// The VPC of these subnets and the subnets themselves; they must exist and share one VPC.
pub(super) fn subnets(ec2: &Ec2, ids: &[String]) -> Result<(String, Vec<GroupSubnet>), AwsError> {
    let mut vpc: Option<&str> = None;
    let mut found = Vec::new();
    for id in ids {
        let subnet =
            ec2.subnet(id).ok_or_else(|| invalid_subnet(format!("Some input subnets in :[{id}] are invalid.")))?;
        if vpc.is_some_and(|vpc| vpc != subnet.vpc) {
            return Err(invalid_subnet("All subnets of a cache subnet group must be in the same VPC."));
        }
        vpc = Some(&subnet.vpc);
        if !found.iter().any(|known: &GroupSubnet| known.id == subnet.id) {
            found.push(GroupSubnet { id: id.clone(), zone: subnet.zone.clone(), ipv6: subnet.ipv6.is_some() });
        }
    }
    match vpc {
        Some(vpc) => Ok((vpc.to_owned(), found)),
        None => Err(invalid_subnet("A cache subnet group needs at least one subnet.")),
    }
}

/// Checks that the subnets of a group have room for so many more nodes.
pub(super) fn check_addresses(ec2: &Ec2, group: &SubnetGroup, nodes: usize) -> Result<(), AwsError> {
    let free = |subnet: &GroupSubnet| ec2.subnet(&subnet.id).map_or(0, |subnet| subnet.free_addresses as usize);
    if group.subnets.iter().map(free).sum::<usize>() >= nodes {
        return Ok(());
    }
    let message = format!("The subnets of {} have too few free addresses.", group.name);
    Err(AwsError::new("InvalidVPCNetworkStateFault", message))
}

/// Checks that all security groups exist in `vpc`.
pub(super) fn check_security_groups(ec2: &Ec2, ids: &[String], vpc: &str) -> Result<(), AwsError> {
    for id in ids {
        match ec2.security_group(id) {
            Some(group) if group.vpc == vpc && ec2.can_attach(group) => {}
            Some(group) if group.vpc == vpc => {
                return Err(invalid_value(format!("Some security group Ids are invalid: {id}")));
            }
            Some(_) => return Err(invalid_value(format!("Security group {id} is not in VPC {vpc}."))),
            None => return Err(invalid_value(format!("Some security group Ids are invalid: {id}"))),
        }
    }
    Ok(())
}

fn invalid_subnet(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidSubnet", message)
}
