//! VPCs that another account shares: whose security groups are whose.

use std::time::Duration;

use serde_json::json;
use simulator::cloudformation::StackStatus;
use simulator::ec2::Source;

use crate::harness::{APPS, Setup, VPC, calls, production, with};

/// The account that owns the VPC.
const OWNER: &str = "210987654321";
/// Another one that has a part in it.
const PARTICIPANT: &str = "210987654322";
const NAMESAKE: &str = "sg-0d00000000000dd01";
const SHARED: &str = "sg-0d00000000000dd02";
const NAME: &str = "elasticache-production-myapp-valkey";

/// An account in a VPC of another one.
fn shared() -> Setup {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.ec2.share_vpc(VPC, OWNER));
    setup
}

/// Adds a security group of another account.
fn add_group(setup: &Setup, id: &str, name: &str, owner: &str) {
    setup.aws.with(|world, _| owner.clone_into(&mut world.ec2.add_security_group(id, name, VPC).owner));
}

/// The whole life of a cluster under the policy of the template: the ARNs of VPC and subnets are the owner's.
#[tokio::test(start_paused = true)]
async fn a_cluster_comes_and_goes_in_a_vpc_of_another_account() {
    let setup = shared();
    setup.created(production()).await;
    setup.updated(with(production(), json!({"NodeType": "cache.t4g.medium", "AllowedSecurityGroupIds": []}))).await;
    setup.deleted().await;
}

/// Another account has a security group of our name in the VPC, with our tags even: it is neither ours nor in the way, and
/// nothing is done to it.
#[tokio::test(start_paused = true)]
async fn a_namesake_of_another_account_is_not_ours() {
    let setup = shared();
    setup.aws.with(|world, _| world.ec2.names_are_shared = false);
    setup.created(production()).await;
    let tags = setup.aws.with(|world, _| {
        let mut groups = world.ec2.security_groups();
        groups.find(|group| group.name == NAME).unwrap().tags.clone()
    });
    add_group(&setup, NAMESAKE, NAME, PARTICIPANT);
    setup.aws.with(|world, _| world.ec2.security_group_mut(NAMESAKE).unwrap().tags = tags);
    setup.updated(with(production(), json!({"AllowedCidrBlocks": ["10.9.0.0/16"]}))).await;
    setup.stack.delete(crate::harness::CACHE).await;
    setup.created(production()).await;
    setup.stack.delete(crate::harness::CACHE).await;
    let theirs = setup.aws.with(|world, _| world.ec2.security_group(NAMESAKE).cloned()).unwrap();
    assert!(theirs.ingress.is_empty(), "{:?}", theirs.ingress);
    assert_eq!(setup.aws.leftovers("elasticache-resource:stack-id"), [NAMESAKE]);
    assert!(setup.aws.refusals().is_empty(), "{:?}", setup.aws.refusals());
}

/// Should AWS count the names of all accounts, the answer comes soon and says what to do, whether the other group can be
/// seen or not.
#[tokio::test(start_paused = true)]
async fn a_name_that_another_account_has_taken_is_told_soon() {
    let setup = shared();
    add_group(&setup, NAMESAKE, NAME, PARTICIPANT);
    let outcome = setup.create(production()).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete);
    let reason = outcome.answers[0].reason();
    for part in [NAME, "InvalidGroup.Duplicate", "another account may have it", "set ReplicationGroupId to a free name"]
    {
        assert!(reason.contains(part), "{reason}");
    }
    let took = outcome.events[1].at.since(outcome.events[0].at);
    assert!(took < Duration::from_mins(3), "{took:?}");
    setup.assert_nothing_left();
    assert!(setup.aws.with(|world, _| world.ec2.security_group(NAMESAKE).is_some()));
}

/// Only the owner of a VPC can share its security groups; those of participants are listed to the owner and are of no use.
#[tokio::test(start_paused = true)]
async fn security_groups_of_others_are_attached_only_when_the_owner_of_the_vpc_shares_them() {
    let properties = with(production(), json!({"SecurityGroupIds": [SHARED]}));
    let setup = shared();
    add_group(&setup, SHARED, "base", OWNER);
    setup.created(properties.clone()).await;
    let attached =
        setup.aws.with(|world, _| world.elasticache.groups["production-myapp-valkey"].security_groups.clone());
    assert!(attached.contains(&SHARED.to_owned()), "{attached:?}");
    setup.deleted().await;

    for vpc_is_ours in [true, false] {
        let setup = if vpc_is_ours { Setup::new() } else { shared() };
        add_group(&setup, SHARED, "theirs", PARTICIPANT);
        let outcome = setup.create(properties.clone()).await;
        let reason = outcome.answers[0].reason();
        let said = format!("belongs to account {PARTICIPANT}, and only the account that owns the VPC can share one");
        assert!(reason.contains("1 problem ") && reason.contains(&said), "{reason}");
        assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 0);
        assert_eq!(setup.write_names(), Vec::<String>::new());
    }
}

/// The applications of another account in the VPC are let in, and out again: their groups are named with their account.
#[tokio::test(start_paused = true)]
async fn security_groups_of_other_accounts_are_let_in() {
    let setup = shared();
    add_group(&setup, SHARED, "their-app", OWNER);
    let properties = with(production(), json!({"AllowedSecurityGroupIds": [APPS[0], SHARED]}));
    setup.created(properties.clone()).await;
    let sources = || {
        setup.aws.with(|world, _| {
            let group = world.ec2.security_groups().find(|group| group.name == NAME).unwrap();
            group.ingress.iter().map(|rule| rule.source.clone()).collect::<Vec<_>>()
        })
    };
    let (own, theirs) = (Source::Group(APPS[0].to_owned()), Source::Group(format!("{OWNER}/{SHARED}")));
    assert_eq!(sources(), [own.clone(), theirs]);
    let (_, writes) = setup.updated(with(properties, json!({"Description": "changed"}))).await;
    assert_eq!(calls(&writes, "RevokeSecurityGroupIngress").len(), 0);
    setup.updated(production()).await;
    assert_eq!(sources(), [own]);
    setup.deleted().await;
}
