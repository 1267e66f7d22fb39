use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::clock::Time;
use crate::wire::query;

const VPC: &str = "vpc-0a1b2c3d4e5f60001";
const APP: &str = "sg-0a00000000000aa01";

/// An account in which time only passes when told.
struct Account {
    world: World,
    now: Time,
}

impl Account {
    fn new() -> Account {
        let world = World::default();
        Account { world, now: Time::START }
    }

    fn call(&self, body: &str) -> Call {
        let (action, params) = query::decode(None, format!("Action={body}").as_bytes()).unwrap();
        Call { action, params, now: self.now }
    }

    fn run(&mut self, body: &str) -> Answer {
        let call = self.call(body);
        Ec2::handle(&mut self.world, &call)
    }

    fn ok(&mut self, body: &str) -> Value {
        self.run(body).unwrap_or_else(|error| panic!("{body}: {error}"))
    }

    fn code(&mut self, body: &str) -> String {
        self.run(body).expect_err(body).code
    }

    fn group(&mut self, name: &str) -> String {
        let made = self.ok(&format!("CreateSecurityGroup&GroupName={name}&GroupDescription=d&VpcId={VPC}"));
        self.now = self.now + Duration::from_secs(1);
        made["groupId"].as_str().unwrap().to_owned()
    }

    fn ingress(&mut self, group: &str) -> Value {
        self.ok(&format!("DescribeSecurityGroups&GroupId.1={group}"))["securityGroupInfo"]["item"][0]["ipPermissions"]
            .take()
    }
}

fn rule(group: &str, source: &str) -> String {
    format!(
        "GroupId={group}&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=6379&IpPermissions.1.ToPort=6379\
         &IpPermissions.1.{source}"
    )
}

#[test]
fn a_new_group_is_unknown_to_describe_for_a_moment() {
    let mut account = Account::new();
    let made = account.ok(&format!(
        "CreateSecurityGroup&GroupName=cache&GroupDescription=d&VpcId={VPC}&TagSpecification.1.ResourceType=security-group\
         &TagSpecification.1.Tag.1.Key=owner&TagSpecification.1.Tag.1.Value=me"
    ));
    let id = made["groupId"].as_str().unwrap().to_owned();
    let by_id = format!("DescribeSecurityGroups&GroupId.1={id}");
    let by_tag = "DescribeSecurityGroups&Filter.1.Name=tag:owner&Filter.1.Value.1=m*";
    assert_eq!(account.code(&by_id), "InvalidGroup.NotFound");
    assert_eq!(account.ok(by_tag)["securityGroupInfo"]["item"], json!([]));
    account.now = account.now + account.world.ec2.visibility_lag;
    let found = account.ok(&by_id);
    assert_eq!(found, account.ok(by_tag));
    let group = &found["securityGroupInfo"]["item"][0];
    assert_eq!(group["vpcId"], VPC);
    assert_eq!(group["tagSet"]["item"], json!([{"key": "owner", "value": "me"}]));
    assert_eq!(group["ipPermissionsEgress"]["item"][0]["ipRanges"]["item"][0]["cidrIp"], "0.0.0.0/0");
    assert_eq!(account.world.ec2.tagged("owner").len(), 1);
}

/// What changes a group may know it later than what describes it.
#[test]
fn a_new_group_is_unknown_to_changes_for_a_moment() {
    let mut account = Account::new();
    account.world.ec2.write_lag = Duration::from_secs(3);
    let id = account.group("cache");
    account.ok(&format!("DescribeSecurityGroups&GroupId.1={id}"));
    let source = rule(&id, "IpRanges.1.CidrIp=10.0.0.0/16");
    let changes = [
        format!("CreateTags&ResourceId.1={id}&Tag.1.Key=owner&Tag.1.Value=me"),
        format!("AuthorizeSecurityGroupIngress&{source}"),
        format!("UpdateSecurityGroupRuleDescriptionsIngress&{source}&IpPermissions.1.IpRanges.1.Description=office"),
        format!("RevokeSecurityGroupIngress&{source}"),
        format!(
            "RevokeSecurityGroupEgress&GroupId={id}&IpPermissions.1.IpProtocol=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0"
        ),
        format!("DeleteTags&ResourceId.1={id}"),
    ];
    for change in &changes {
        assert_eq!(account.code(change), "InvalidGroup.NotFound", "{change}");
    }
    account.now = account.now + account.world.ec2.write_lag;
    for change in &changes {
        account.ok(change);
    }
}

#[test]
fn group_names_are_checked_and_unique_in_their_vpc() {
    let mut account = Account::new();
    account.group("Cache");
    let create = |name: &str, vpc: &str| format!("CreateSecurityGroup&GroupName={name}&GroupDescription=d&VpcId={vpc}");
    assert_eq!(account.code(&create("cache", VPC)), "InvalidGroup.Duplicate");
    account.ok(&create("cache", "vpc-0a1b2c3d4e5f60002"));
    assert_eq!(account.code(&create("sg-cache", VPC)), "InvalidParameterValue");
    assert_eq!(account.code(&create("c%C3%A4che", VPC)), "InvalidParameterValue");
    assert_eq!(account.code(&create("c", "vpc-0")), "InvalidVpcID.NotFound");
    assert_eq!(account.code("DescribeSecurityGroups&GroupId.1=sg-app-servers"), "InvalidGroupId.Malformed");
    assert_eq!(account.code("DescribeSecurityGroups&GroupId.1=sg-0123456789abcdef0"), "InvalidGroup.NotFound");
}

#[test]
fn stored_blocks_are_canonical_and_grouped() {
    let mut account = Account::new();
    let id = account.group("cache");
    account.ok(&format!(
        "AuthorizeSecurityGroupIngress&{}&IpPermissions.1.IpRanges.1.Description=office\
         &IpPermissions.1.Ipv6Ranges.1.CidrIpv6=2001:DB8:0:1::1/48&IpPermissions.1.Groups.1.GroupId={APP}",
        rule(&id, "IpRanges.1.CidrIp=100.68.0.18/18")
    ));
    let permissions = account.ingress(&id);
    assert_eq!(
        permissions["item"],
        json!([{
            "ipProtocol": "tcp", "fromPort": 6379, "toPort": 6379,
            "groups": {"item": [{"userId": "123456789012", "groupId": APP, "description": null}]},
            "ipRanges": {"item": [{"cidrIp": "100.68.0.0/18", "description": "office"}]},
            "ipv6Ranges": {"item": [{"cidrIpv6": "2001:db8::/48", "description": null}]},
            "prefixListIds": {"item": []},
        }])
    );
}

#[test]
fn one_bad_rule_fails_the_whole_authorize() {
    let mut account = Account::new();
    let id = account.group("cache");
    let first = rule(&id, "IpRanges.1.CidrIp=10.0.0.0/16");
    account.ok(&format!("AuthorizeSecurityGroupIngress&{first}"));
    let before = account.ingress(&id);
    let also = |range: &str| format!("AuthorizeSecurityGroupIngress&{first}&IpPermissions.1.IpRanges.2.CidrIp={range}");
    let new = |range: &str, more: &str| {
        let rule = rule(&id, &format!("IpRanges.1.CidrIp={range}"));
        format!("AuthorizeSecurityGroupIngress&{rule}&IpPermissions.1.{more}")
    };
    assert_eq!(account.code(&also("10.9.0.0/16")), "InvalidPermission.Duplicate");
    assert_eq!(account.code(&new("10.1.0.0/16", "IpRanges.2.CidrIp=10.1.9.9/16")), "InvalidParameterValue");
    assert_eq!(account.code(&new("10.1.0.0/16", "IpRanges.2.CidrIp=10.2.0.0/33")), "InvalidParameterValue");
    assert_eq!(account.code(&new("10.1.0.0/16", "Groups.1.GroupId=sg-0123456789abcdef0")), "InvalidGroup.NotFound");
    assert_eq!(account.code(&new("10.1.0.0/16", "Groups.1.GroupId=sg-0b00000000000bb01")), "InvalidGroup.NotFound");
    assert_eq!(account.ingress(&id), before);
    account.world.ec2.peer(VPC, "vpc-0a1b2c3d4e5f60002");
    account.ok(&new("10.1.0.0/16", "Groups.1.GroupId=sg-0b00000000000bb01"));
}

#[test]
fn a_revoke_must_match_except_in_the_default_vpc() {
    let mut account = Account::new();
    let id = account.group("cache");
    account.ok(&format!("AuthorizeSecurityGroupIngress&{}", rule(&id, "IpRanges.1.CidrIp=10.0.0.0/16")));
    let revoke = |source: &str| format!("RevokeSecurityGroupIngress&{}", rule(&id, source));
    assert_eq!(account.code(&revoke("IpRanges.1.CidrIp=10.0.0.1/16")), "InvalidPermission.NotFound");
    let both = revoke("IpRanges.1.CidrIp=10.0.0.0/16&IpPermissions.1.IpRanges.2.CidrIp=10.1.0.0/16");
    assert_eq!(account.code(&both), "InvalidPermission.NotFound");
    let revoked = account.ok(&revoke("IpRanges.1.CidrIp=10.0.0.0/16"));
    assert_eq!(revoked["revokedSecurityGroupRuleSet"]["item"][0]["cidrIpv4"], "10.0.0.0/16");
    assert_eq!(account.ingress(&id)["item"], json!([]));

    let forgiving = account.ok("CreateSecurityGroup&GroupName=d&GroupDescription=d");
    let forgiving = forgiving["groupId"].as_str().unwrap();
    account.now = account.now + account.world.ec2.write_lag;
    let body = format!("RevokeSecurityGroupIngress&{}", rule(forgiving, "IpRanges.1.CidrIp=10.0.0.0/16"));
    let unknown = account.ok(&body);
    assert_eq!(unknown["unknownIpPermissionSet"]["item"][0]["ipRanges"]["item"][0]["cidrIp"], "10.0.0.0/16");
}

#[test]
fn the_rule_quota_counts_address_families_apart() {
    let mut account = Account::new();
    account.world.ec2.rules_per_group = 1;
    let id = account.group("cache");
    account.ok(&format!("AuthorizeSecurityGroupIngress&{}", rule(&id, "IpRanges.1.CidrIp=10.0.0.0/16")));
    account.ok(&format!("AuthorizeSecurityGroupIngress&{}", rule(&id, "Ipv6Ranges.1.CidrIpv6=2001:db8::/32")));
    let more = format!("AuthorizeSecurityGroupIngress&{}", rule(&id, &format!("Groups.1.GroupId={APP}")));
    assert_eq!(account.code(&more), "RulesPerSecurityGroupLimitExceeded");
}

#[test]
fn descriptions_change_without_touching_the_rule() {
    let mut account = Account::new();
    let id = account.group("cache");
    let source = format!("Groups.1.GroupId={APP}");
    account.ok(&format!("AuthorizeSecurityGroupIngress&{}", rule(&id, &source)));
    let described = format!("{}&IpPermissions.1.Groups.1.Description=app", rule(&id, &source));
    account.ok(&format!("UpdateSecurityGroupRuleDescriptionsIngress&{described}"));
    assert_eq!(account.ingress(&id)["item"][0]["groups"]["item"][0]["description"], "app");
    let missing = rule(&id, "IpRanges.1.CidrIp=10.0.0.0/16");
    assert_eq!(
        account.code(&format!("UpdateSecurityGroupRuleDescriptionsIngress&{missing}")),
        "InvalidPermission.NotFound"
    );
    let rules = account.ok(&format!("DescribeSecurityGroupRules&Filter.1.Name=group-id&Filter.1.Value.1={id}"));
    let ends: Vec<&Value> =
        rules["securityGroupRuleSet"]["item"].as_array().unwrap().iter().map(|r| &r["isEgress"]).collect();
    assert_eq!(ends, [&json!(false), &json!(true)]);
}

#[test]
fn a_group_that_another_one_names_cannot_go() {
    let mut account = Account::new();
    let (id, other) = (account.group("cache"), account.group("other"));
    account.ok(&format!("AuthorizeSecurityGroupIngress&{}", rule(&id, &format!("Groups.1.GroupId={id}"))));
    let reference = rule(&other, &format!("Groups.1.GroupId={id}"));
    account.ok(&format!("AuthorizeSecurityGroupIngress&{reference}"));
    let delete = format!("DeleteSecurityGroup&GroupId={id}");
    assert_eq!(account.code(&delete), "DependencyViolation");
    account.ok(&format!("RevokeSecurityGroupIngress&{reference}"));
    assert_eq!(account.code(&format!("{delete}&DryRun=true")), "DryRunOperation");
    assert_eq!(account.ok(&delete)["groupId"], id.as_str());
    assert_eq!(account.code(&delete), "InvalidGroup.NotFound");
}

#[test]
fn tags_are_added_and_removed_by_key_and_value() {
    let mut account = Account::new();
    account.ok(&format!("CreateTags&ResourceId.1={APP}&Tag.1.Key=a&Tag.1.Value=1&Tag.2.Key=b&Tag.2.Value=2"));
    account.ok(&format!("DeleteTags&ResourceId.1={APP}&Tag.1.Key=a&Tag.2.Key=b&Tag.2.Value=other"));
    let tags = account.ok("DescribeTags&Filter.1.Name=resource-type&Filter.1.Value.1=security-group");
    let expected = json!([{"resourceId": APP, "resourceType": "security-group", "key": "b", "value": "2"}]);
    assert_eq!(tags["tagSet"]["item"], expected);
    assert_eq!(account.code("CreateTags&ResourceId.1=sg-0123456789abcdef0&Tag.1.Key=a"), "InvalidGroup.NotFound");
    assert_eq!(account.code(&format!("CreateTags&ResourceId.1={APP}&Tag.1.Key=aws:x")), "InvalidParameterValue");
}

#[test]
fn subnets_show_zone_and_free_addresses_page_by_page() {
    let mut account = Account::new();
    let subnets = account.ok("DescribeSubnets&SubnetId.1=subnet-0a000000000000005");
    let subnet = &subnets["subnetSet"]["item"][0];
    assert_eq!((&subnet["availabilityZone"], &subnet["availableIpAddressCount"]), (&json!("us-east-1b"), &json!(0)));
    assert_eq!(account.code("DescribeSubnets&SubnetId.1=subnet-1"), "InvalidSubnetID.NotFound");
    let first = account.ok("DescribeSubnets&MaxResults=5");
    assert_eq!(first["subnetSet"]["item"].as_array().unwrap().len(), 5);
    let token = first["nextToken"].as_str().unwrap().to_owned();
    let second = account.ok(&format!("DescribeSubnets&MaxResults=5&NextToken={token}"));
    assert_eq!(second["subnetSet"]["item"].as_array().unwrap().len(), 4);
    assert_eq!(second["nextToken"], Value::Null);
    assert_eq!(account.code("DescribeSubnets&Filter.1.Name=nope&Filter.1.Value.1=x"), "InvalidParameterValue");
    let default = account.ok("DescribeVpcs&Filter.1.Name=is-default&Filter.1.Value.1=true");
    assert_eq!(default["vpcSet"]["item"][0]["vpcId"], "vpc-0a1b2c3d4e5f60003");
}

#[test]
fn rights_name_the_resources_and_the_tags() {
    let mut account = Account::new();
    let create = account.call(&format!(
        "CreateSecurityGroup&GroupName=c&GroupDescription=d&VpcId={VPC}&TagSpecification.1.ResourceType=security-group\
         &TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v"
    ));
    let rights = Ec2::rights(&account.world, &create);
    let named: Vec<String> = rights.iter().map(|right| format!("{} {}", right.action, right.resource)).collect();
    assert_eq!(
        named,
        [
            format!("ec2:CreateSecurityGroup arn:aws:ec2:us-east-1:123456789012:vpc/{VPC}"),
            "ec2:CreateSecurityGroup arn:aws:ec2:us-east-1:123456789012:security-group/*".into(),
            "ec2:CreateTags arn:aws:ec2:us-east-1:123456789012:security-group/*".into(),
        ]
    );
    assert!(rights[2].context.contains(&("ec2:CreateAction".into(), "CreateSecurityGroup".into())));
    assert!(rights[2].context.contains(&("aws:RequestTag/k".into(), "v".into())));

    account.ok(&format!("CreateTags&ResourceId.1={APP}&Tag.1.Key=owner&Tag.1.Value=me"));
    let delete = account.call(&format!("DeleteSecurityGroup&GroupId={APP}"));
    let rights = Ec2::rights(&account.world, &delete);
    assert_eq!(rights[0].resource, format!("arn:aws:ec2:us-east-1:123456789012:security-group/{APP}"));
    assert!(rights[0].context.contains(&("aws:ResourceTag/owner".into(), "me".into())));
    assert_eq!(Ec2::rights(&account.world, &account.call("DescribeVpcs")), [Right::new("ec2:DescribeVpcs", "*")]);
}
