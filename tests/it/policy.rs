//! The policy in `template.yaml`: everything in it is needed, and nothing that is needed is missing.
//!
//! A tour makes the function use every right that it has. Under the whole policy it meets no refusal and leaves nothing
//! unused; under the policy less any one action it meets one.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::Outcome;
use simulator::elasticache::user_groups::UserGroup;
use simulator::policy::Policy;

use crate::harness::{APPS, CACHE, SUBNETS, Setup, policy, production, project_file, with};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555";

/// A cache with everything: keys, logs, a backup to start from, parameters, tags, a token.
fn everything() -> Value {
    let logs = json!([
        {"LogType": "slow-log", "DestinationType": "cloudwatch-logs", "Destination": "slow", "LogFormat": "text"},
        {"LogType": "engine-log", "DestinationType": "kinesis-firehose", "Destination": "engine"},
    ]);
    let more = json!({
        "KmsKeyId": KEY,
        "SecretKmsKeyId": KEY,
        "LogDelivery": logs,
        "SnapshotArns": ["arn:aws:s3:::backups/production/first.rdb"],
        "Parameters": {"timeout": "30", "tcp-keepalive": "200"},
        "FinalSnapshotIdentifier": "last",
    });
    with(production(), more)
}

/// The same, with as much changed as one Update can change.
fn changed() -> Value {
    let more = json!({
        "SubnetIds": SUBNETS,
        "AllowedSecurityGroupIds": [APPS[1]],
        "Parameters": {"timeout": "60"},
        "NumCacheNodes": 3,
        "Description": "changed",
        "Tags": [{"Key": "Environment", "Value": "changed"}],
        "SecretKmsKeyId": null,
        "AuthTokenVersion": "2",
    });
    with(everything(), more)
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Create,
    CreateFromSnapshot,
    Update,
    Back,
    BackWithoutParameters,
    RolledBackByAws,
    Shards,
    Replace,
    Delete,
}

/// In an account that never had a cache, so that the service-linked role is missing. What needs most rights comes first,
/// so that most tours are short.
const STAGES: [Stage; 10] = [
    Stage::Create,
    Stage::Delete,
    Stage::CreateFromSnapshot,
    Stage::Update,
    Stage::Back,
    Stage::BackWithoutParameters,
    Stage::RolledBackByAws,
    Stage::Replace,
    Stage::Delete,
    Stage::Shards,
];

/// A sharded cache that grows, with what a single one cannot have.
async fn shards(setup: &Setup) -> Outcome {
    setup.aws.with(|world, _| world.elasticache.add_user_group(UserGroup::new("people", "valkey", "0123456789abcdef")));
    let wish = |shards: i32| {
        let more = json!({
            "NumCacheNodes": null, "AutomaticFailoverEnabled": null, "AuthTokenEnabled": null,
            "NumNodeGroups": shards, "ReplicasPerNodeGroup": 1, "UserGroupIds": ["people"],
            // No built-in price, so that the price list is read.
            "NodeType": "cache.r7g.xlarge",
        });
        with(production(), more)
    };
    for step in [setup.stack.create("Shards", wish(1)).await, setup.stack.update("Shards", wish(2)).await] {
        if !step.reason.is_empty() {
            return step;
        }
    }
    setup.stack.delete("Shards").await
}

/// Goes through the stages; the first refusal ends the tour. A stage that fails without one is reported.
async fn tour(policy: Policy) -> (Setup, Result<(), String>) {
    let setup = Setup::with_aws(LocalAws::new(1.0, Some(policy)));
    // Longer than an invocation, so that the work is handed on.
    setup.aws.with(|world, _| world.elasticache.pace.create = Duration::from_mins(20));
    for stage in STAGES {
        let outcome = match stage {
            Stage::Create => setup.create(everything()).await,
            Stage::CreateFromSnapshot => {
                let last = setup.aws.with(|world, _| world.elasticache.snapshots.keys().next().cloned());
                setup.create(with(everything(), json!({"SnapshotArns": null, "SnapshotName": last}))).await
            }
            Stage::Update => setup.update(changed()).await,
            Stage::Back => setup.update(everything()).await,
            Stage::BackWithoutParameters => setup.update(with(everything(), json!({"Parameters": null}))).await,
            Stage::RolledBackByAws => {
                let event = "Not enough capacity.";
                setup.aws.with(|world, _| world.elasticache.roll_back_next("ModifyReplicationGroup", event));
                setup.update(with(everything(), json!({"Parameters": null, "NodeType": "cache.t4g.medium"}))).await
            }
            Stage::Replace => {
                let more = json!({"Parameters": null, "Port": 6380, "ReplacementPolicy": "Snapshot"});
                setup.update(with(everything(), more)).await
            }
            Stage::Shards => shards(&setup).await,
            Stage::Delete => setup.stack.delete(CACHE).await,
        };
        if !setup.aws.refusals().is_empty() {
            return (setup, Ok(()));
        }
        let failed = !outcome.reason.is_empty();
        if failed != matches!(stage, Stage::RolledBackByAws) {
            return (setup, Err(format!("{stage:?}: {} {}", outcome.status, outcome.reason)));
        }
    }
    (setup, Ok(()))
}

#[tokio::test(start_paused = true)]
async fn every_action_of_the_policy_is_used_and_no_other_is_needed() {
    let (setup, ended) = tour(policy()).await;
    assert!(setup.aws.refusals().is_empty(), "not allowed: {:#?}", setup.aws.refusals());
    assert_eq!(ended, Ok(()));
    assert_eq!(policy().unused(&setup.aws.used_actions()), Vec::<String>::new(), "allowed and not needed");
    setup.assert_nothing_left();
}

/// The tour notices each missing action, so it would notice one that is missing from the template.
#[tokio::test(start_paused = true)]
async fn without_any_one_action_the_tour_meets_a_refusal() {
    let template = std::fs::read_to_string(project_file("template.yaml")).unwrap();
    let mut unnoticed = Vec::new();
    for action in policy().actions() {
        let item = format!("- {action}");
        let lines = template
            .lines()
            .map(|line| if line.trim() == item { line.replace(&item, "- none:Nothing") } else { line.to_owned() });
        let less = Policy::from_text(&lines.collect::<Vec<_>>().join("\n")).unwrap();
        assert!(!less.actions().contains(&action), "{action} is written in another way");
        let (setup, _) = tour(less).await;
        let refusals = setup.aws.refusals();
        if !refusals.iter().any(|right| right.action == action) {
            unnoticed.push(action);
        }
    }
    assert_eq!(unnoticed, Vec::<String>::new());
}

/// Rights that hang on our tags: with the right actions on somebody else's security group the function can do nothing.
#[test]
fn security_groups_of_others_are_out_of_reach() {
    use simulator::world::Right;
    let group = "arn:aws:ec2:us-east-1:123456789012:security-group/sg-0a00000000000aa01";
    let policy = policy();
    for action in ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "CreateTags", "DeleteTags"] {
        let right = Right::new(format!("ec2:{action}"), group);
        assert!(!policy.allows(&right), "{action}");
        let tag = ("aws:ResourceTag/elasticache-resource:stack-id".to_owned(), "any".to_owned());
        assert!(policy.allows(&Right { context: vec![tag], ..right }), "{action}");
    }
    let secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-AbCdEf";
    assert!(!policy.allows(&Right::new("secretsmanager:GetSecretValue", secret)));
}

/// What a statement allows only in one place: keys through the services, in China under either name; backup files of this
/// account; any alias and version of the function, and no other function.
#[test]
fn rights_end_where_their_conditions_say() {
    use simulator::world::Right;
    let policy = policy();
    let allows = |action: &str, resource: &str, key: &str, value: &str| {
        policy.allows(&Right { context: vec![(key.to_owned(), value.to_owned())], ..Right::new(action, resource) })
    };
    for (end, allowed) in [("amazonaws.com", true), ("amazonaws.com.cn", true), ("example.com", false)] {
        for (service, action) in [("secretsmanager", "kms:Encrypt"), ("elasticache", "kms:CreateGrant")] {
            let via = format!("{service}.us-east-1.{end}");
            assert_eq!(allows(action, KEY, "kms:ViaService", &via), allowed, "{action} {via}");
        }
    }
    let file = "arn:aws:s3:::backups/production/first.rdb";
    assert!(allows("s3:GetObject", file, "s3:ResourceAccount", "123456789012"));
    assert!(!allows("s3:GetObject", file, "s3:ResourceAccount", "210987654321"));
    let function = "arn:aws:lambda:us-east-1:123456789012:function:elasticache-resource";
    for (end, allowed) in [("", true), (":live", true), (":7", true), ("-other", false)] {
        let invoke = Right::new("lambda:InvokeFunction", format!("{function}{end}"));
        assert_eq!(policy.allows(&invoke), allowed, "{end}");
    }
    let shared = Right::new("ec2:CreateSecurityGroup", "arn:aws:ec2:us-east-1:210987654321:vpc/vpc-0a1b2c3d4e5f60001");
    assert!(policy.allows(&shared));
}
