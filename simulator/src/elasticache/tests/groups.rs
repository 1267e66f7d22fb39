//! Subnet groups, parameter groups, rights.

use super::*;

#[test]
fn subnets_in_use_stay() {
    let mut account = Account::new();
    account.create("a", json!({}));
    let only = |subnet: &str| json!({ "CacheSubnetGroupName": "net", "SubnetIds": { "SubnetIdentifier": [subnet] } });
    assert_eq!(account.refused("ModifyCacheSubnetGroup", only(VPC_SUBNETS[1])), "SubnetInUse");
    account.ok("ModifyCacheSubnetGroup", only(VPC_SUBNETS[0]));
    assert_eq!(account.refused("ModifyCacheSubnetGroup", only("subnet-missing")), "InvalidSubnet");
    assert_eq!(account.refused("ModifyCacheSubnetGroup", only("subnet-0b000000000000001")), "InvalidSubnet");
    let missing = account.call("DescribeCacheSubnetGroups", json!({ "CacheSubnetGroupName": "missing" })).unwrap_err();
    assert_eq!((missing.status, missing.code.as_str()), (400, "CacheSubnetGroupNotFoundFault"));
}

#[test]
fn parameters_are_checked_and_take_effect_before_a_reset() {
    let mut account = Account::new();
    account.ok(
        "CreateCacheParameterGroup",
        json!({
            "CacheParameterGroupName": "Custom", "CacheParameterGroupFamily": "valkey8", "Description": "custom",
        }),
    );
    let set = |name: &str, value: &str| {
        json!({
            "CacheParameterGroupName": "custom",
            "ParameterNameValues": { "ParameterNameValue": [{ "ParameterName": name, "ParameterValue": value }] },
        })
    };
    account.ok("ModifyCacheParameterGroup", set("maxmemory-policy", "allkeys-lru"));
    assert_eq!(account.refused("ModifyCacheParameterGroup", set("maxmemory-policy", "any")), "InvalidParameterValue");
    assert_eq!(account.refused("ModifyCacheParameterGroup", set("no-such-thing", "1")), "InvalidParameterValue");
    let user = json!({ "CacheParameterGroupName": "custom", "Source": "user" });
    let listed = account.ok("DescribeCacheParameters", user.clone());
    assert_eq!(listed["Parameters"]["Parameter"][0]["ParameterValue"], "allkeys-lru");
    let reset = json!({
        "CacheParameterGroupName": "custom",
        "ParameterNameValues": { "ParameterNameValue": [{ "ParameterName": "maxmemory-policy" }] },
    });
    let busy = account.call("ResetCacheParameterGroup", reset.clone()).unwrap_err();
    assert_eq!(busy.code, "InvalidCacheParameterGroupState");
    assert!(busy.message.contains("has pending changes"));
    account.wait(30);
    account.ok("ResetCacheParameterGroup", reset);
    assert_eq!(account.ok("DescribeCacheParameters", user)["Parameters"]["Parameter"], json!([]));
    let many: Vec<Value> = (0..21).map(|_| json!({ "ParameterName": "timeout", "ParameterValue": "1" })).collect();
    let many = json!({ "CacheParameterGroupName": "custom", "ParameterNameValues": { "ParameterNameValue": many } });
    assert_eq!(account.refused("ModifyCacheParameterGroup", many), "InvalidParameterValue");
}

#[test]
fn rights_name_everything_a_create_touches() {
    let account = Account::new();
    let params = Account::request(
        "a",
        json!({
            "Tags": { "Tag": [{ "Key": "k", "Value": "v" }] }, "KmsKeyId": "1234", "CacheParameterGroupName": "own",
        }),
    );
    let call = Call { action: "CreateReplicationGroup".to_owned(), params, now: account.now };
    let rights = ElastiCache::rights(&account.world, &call);
    let needs = |action: &str, resource: &str| {
        let is_needed = |right: &Right| right.action == action && right.resource == resource;
        assert!(rights.iter().any(is_needed), "{action} on {resource}: {rights:#?}");
    };
    needs("elasticache:CreateReplicationGroup", &names::arn("replicationgroup", "a"));
    needs("elasticache:CreateReplicationGroup", &names::arn("parametergroup", "own"));
    needs("elasticache:AddTagsToResource", &names::arn("replicationgroup", "a"));
    needs("ec2:CreateNetworkInterface", "arn:aws:ec2:us-east-1:123456789012:network-interface/*");
    needs("ec2:DescribeSubnets", "*");
    needs("kms:CreateGrant", "arn:aws:kms:us-east-1:123456789012:key/1234");
    assert!(rights.iter().any(|right| right.action == "iam:CreateServiceLinkedRole" && !right.context.is_empty()));
}
