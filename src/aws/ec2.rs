//! EC2: subnets and security groups. Calls AWS.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, ResourceType, Tag, TagSpecification};

use super::client::Aws;
use super::convert;
use super::fault::{Class, Fault};
use crate::domain::tags::Tags;
use crate::observed::{IngressRule, SecurityGroup, Subnet};

fn filter(name: &str, values: impl IntoIterator<Item = String>) -> Filter {
    Filter::builder().name(name).set_values(Some(values.into_iter().collect())).build()
}

impl Aws {
    /// The subnets that exist among `ids`. Asked by filter, so that a missing one is just absent.
    pub(crate) async fn subnets(&self, ids: &BTreeSet<String>) -> Result<Vec<Subnet>, Fault> {
        let output = self.ec2.describe_subnets().filters(filter("subnet-id", ids.iter().cloned())).send().await;
        let output = output.map_err(|e| Fault::new("ec2:DescribeSubnets", &list(ids), &e))?;
        Ok(output.subnets().iter().map(convert::subnet).collect())
    }

    /// The security groups that exist among `ids`, by id.
    pub(crate) async fn security_groups_by_id(
        &self,
        ids: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, SecurityGroup>, Fault> {
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let groups = self.security_groups(filter("group-id", ids.iter().cloned()), &list(ids)).await?;
        Ok(groups.into_iter().map(|group| (group.id.clone(), group)).collect())
    }

    /// All security groups of this name, in any VPC and of any account that shares one.
    pub(crate) async fn security_groups_named(&self, name: &str) -> Result<Vec<SecurityGroup>, Fault> {
        self.security_groups(filter("group-name", [name.to_owned()]), name).await
    }

    async fn security_groups(&self, filter: Filter, on: &str) -> Result<Vec<SecurityGroup>, Fault> {
        let output = self.ec2.describe_security_groups().filters(filter).send().await;
        let output = output.map_err(|e| Fault::new("ec2:DescribeSecurityGroups", on, &e))?;
        Ok(output.security_groups().iter().map(convert::security_group).collect())
    }

    /// Makes a security group, whose id is returned.
    pub(crate) async fn create_security_group(
        &self,
        name: &str,
        description: &str,
        vpc_id: &str,
        tags: &Tags,
    ) -> Result<String, Fault> {
        let tags = TagSpecification::builder()
            .resource_type(ResourceType::SecurityGroup)
            .set_tags(Some(convert::tag_list(tags)))
            .build();
        let call = self.ec2.create_security_group().group_name(name).description(description).vpc_id(vpc_id);
        let result = call.tag_specifications(tags).send().await;
        let output = result.map_err(|e| Fault::new("ec2:CreateSecurityGroup", name, &e))?;
        Ok(output.group_id().unwrap_or_default().to_owned())
    }

    /// Adds rules. One rule that is there already makes EC2 refuse the whole call; then they go one by one.
    /// `owners` are the accounts of security groups in the rules that belong to others.
    pub(crate) async fn authorize_ingress(
        &self,
        id: &str,
        rules: &BTreeSet<IngressRule>,
        owners: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        match self.authorize(id, rules.iter(), owners).await {
            Err(fault) if fault.class == Class::Exists && rules.len() > 1 => {
                for rule in rules {
                    match self.authorize(id, [rule], owners).await {
                        Err(fault) if fault.class != Class::Exists => return Err(fault),
                        _ => {}
                    }
                }
                Ok(())
            }
            result => result,
        }
    }

    async fn authorize(
        &self,
        id: &str,
        rules: impl IntoIterator<Item = &IngressRule>,
        owners: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let permissions = rules.into_iter().map(|rule| convert::permission(rule, owners)).collect();
        let call = self.ec2.authorize_security_group_ingress().group_id(id).set_ip_permissions(Some(permissions));
        call.send().await.map(drop).map_err(|e| Fault::new("ec2:AuthorizeSecurityGroupIngress", id, &e))
    }

    /// Removes rules. The next observation tells whether they are gone: in a default VPC EC2 does not say.
    pub(crate) async fn revoke_ingress(
        &self,
        id: &str,
        rules: &BTreeSet<IngressRule>,
        owners: &BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let permissions = rules.iter().map(|rule| convert::permission(rule, owners)).collect();
        let call = self.ec2.revoke_security_group_ingress().group_id(id).set_ip_permissions(Some(permissions));
        call.send().await.map(drop).map_err(|e| Fault::new("ec2:RevokeSecurityGroupIngress", id, &e))
    }

    pub(crate) async fn delete_security_group(&self, id: &str) -> Result<(), Fault> {
        let result = self.ec2.delete_security_group().group_id(id).send().await;
        result.map(drop).map_err(|e| Fault::new("ec2:DeleteSecurityGroup", id, &e))
    }

    pub(crate) async fn tag_security_group(&self, id: &str, tags: &Tags) -> Result<(), Fault> {
        let result = self.ec2.create_tags().resources(id).set_tags(Some(convert::tag_list(tags))).send().await;
        result.map(drop).map_err(|e| Fault::new("ec2:CreateTags", id, &e))
    }

    pub(crate) async fn untag_security_group(&self, id: &str, keys: &BTreeSet<String>) -> Result<(), Fault> {
        let tags = keys.iter().map(|key| Tag::builder().key(key).build()).collect();
        let result = self.ec2.delete_tags().resources(id).set_tags(Some(tags)).send().await;
        result.map(drop).map_err(|e| Fault::new("ec2:DeleteTags", id, &e))
    }
}

fn list(ids: &BTreeSet<String>) -> String {
    ids.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}
