//! The policy in `template.yaml`: everything in it is needed, and nothing that is needed is missing.
//!
//! A tour makes the function use every right that it has. Under the whole policy it meets no refusal and leaves nothing
//! unused; under the policy less any one action it meets one.

use std::time::Duration;

use elasticache_resource::aws::Class;
use elasticache_resource::domain::tags::{TAG_LOGICAL_ID, TAG_STACK_ID};
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::Outcome;
use simulator::elasticache::ElastiCache;
use simulator::elasticache::user_groups::UserGroup;
use simulator::policy::Policy;
use simulator::secrets_manager::SecretsManager;
use simulator::world::{Call, Right, World};

use crate::harness::{APPS, CACHE, SUBNETS, Setup, missing, policy, production, project_file, with};

const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555";

/// A cache with everything: keys, logs, a backup to start from, parameters, tags, a token, alarms.
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
        "Alarms": {},
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
    DeadLetter,
}

/// In an account that never had a cache, so that the service-linked role is missing. What needs most rights comes first,
/// so that most tours are short.
const STAGES: [Stage; 11] = [
    Stage::DeadLetter,
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
    let properties = |shards: i32| {
        let more = json!({
            "NumCacheNodes": null, "AutomaticFailoverEnabled": null, "AuthTokenEnabled": null,
            "NumNodeGroups": shards, "ReplicasPerNodeGroup": 1, "UserGroupIds": ["people"],
            // No built-in price, so that the price list is read.
            "NodeType": "cache.r7g.xlarge",
        });
        with(production(), more)
    };
    for step in [setup.stack.create("Shards", properties(1)).await, setup.stack.update("Shards", properties(2)).await] {
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
            Stage::DeadLetter => {
                setup.stack.deliver(&json!({"RequestType": "Create"}));
                setup.stack.wait_until_idle().await;
                if setup.aws.refusals().is_empty() {
                    assert_eq!(setup.aws.dead_letters().len(), 1, "an event without an address cannot be answered");
                    continue;
                }
                return (setup, Ok(()));
            }
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

/// A tag that makes a thing ours, in the context of a request.
fn tag(kind: &str) -> (String, String) {
    (format!("aws:{kind}Tag/elasticache-resource:stack-id"), "any".to_owned())
}

/// Rights that hang on our tags: with the right actions on somebody else's security group the function can do nothing.
#[test]
fn security_groups_of_others_are_out_of_reach() {
    let group = "arn:aws:ec2:us-east-1:123456789012:security-group/sg-0a00000000000aa01";
    let policy = policy();
    for action in ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress", "CreateTags", "DeleteTags"] {
        let right = Right::new(format!("ec2:{action}"), group);
        assert!(!policy.allows(&right), "{action}");
        assert!(policy.allows(&Right { context: vec![tag("Resource")], ..right }), "{action}");
    }
    let secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-AbCdEf";
    assert!(!policy.allows(&Right::new("secretsmanager:GetSecretValue", secret)));
}

/// What a call needs that the policy does not allow.
fn denied(setup: &Setup, rights: fn(&World, &Call) -> Vec<Right>, action: &str, params: &Value) -> Vec<Right> {
    let rights = setup.aws.with(|world, now| {
        let call = Call { action: action.to_owned(), params: params.clone(), now };
        rights(world, &call)
    });
    rights.into_iter().filter(|right| !policy().allows(right)).collect()
}

/// A group without our tag, and one that does not exist, cannot be changed, whatever is asked of it. What the calls name
/// in addition needs no tag.
#[tokio::test(start_paused = true)]
async fn groups_of_others_are_out_of_reach() {
    let setup = Setup::new();
    setup.created(with(production(), json!({"Parameters": {"timeout": "30"}}))).await;
    let calls = |id: &str| {
        [
            ("ModifyReplicationGroup", json!({"ReplicationGroupId": id, "CacheNodeType": "cache.t4g.medium"})),
            (
                "ModifyReplicationGroup",
                json!({
                    "ReplicationGroupId": id, "CacheParameterGroupName": "default.valkey8",
                    "UserGroupIdsToAdd": {"member": ["people"]},
                }),
            ),
            (
                "ModifyReplicationGroup",
                json!({"ReplicationGroupId": id, "AuthToken": "t", "AuthTokenUpdateStrategy": "SET"}),
            ),
            ("IncreaseReplicaCount", json!({"ReplicationGroupId": id, "NewReplicaCount": "3"})),
            ("DecreaseReplicaCount", json!({"ReplicationGroupId": id, "NewReplicaCount": "1"})),
            ("ModifyReplicationGroupShardConfiguration", json!({"ReplicationGroupId": id, "NodeGroupCount": "2"})),
            ("DeleteReplicationGroup", json!({"ReplicationGroupId": id})),
            ("DeleteReplicationGroup", json!({"ReplicationGroupId": id, "FinalSnapshotIdentifier": "last"})),
            ("CreateSnapshot", json!({"ReplicationGroupId": id, "SnapshotName": "s"})),
        ]
    };
    let denied = |id: &str| {
        let of =
            |(action, params): (&'static str, Value)| (action, denied(&setup, ElastiCache::rights, action, &params));
        calls(id).map(of)
    };
    let group = "production-myapp-valkey";
    for (action, denied) in denied(group) {
        assert_eq!(denied, [], "{action} on our own group");
    }
    let is_tag = |key: &String| key.starts_with("elasticache-resource:");
    setup.aws.with(|world, _| {
        let tags = &mut world.elasticache.groups.get_mut(group).unwrap().tags;
        tags.retain(|key, _| !is_tag(key));
    });
    for id in [group, "not-there"] {
        for (action, denied) in denied(id) {
            let arn = format!("arn:aws:elasticache:us-east-1:123456789012:replicationgroup:{id}");
            assert!(!denied.is_empty() && denied.iter().all(|right| right.resource == arn), "{action}: {denied:?}");
        }
    }
}

/// A new group needs our tag from the start.
#[test]
fn a_group_is_made_with_our_tag_only() {
    let group = "arn:aws:elasticache:us-east-1:123456789012:replicationgroup:some";
    let right = Right::new("elasticache:CreateReplicationGroup", group);
    assert!(!policy().allows(&right));
    assert!(!policy().allows(&Right { context: vec![tag("Resource")], ..right.clone() }));
    assert!(policy().allows(&Right { context: vec![tag("Request")], ..right }));
}

/// Somebody removed the tags of a group: nothing is changed, and the answer says how to put them back.
#[tokio::test(start_paused = true)]
async fn a_group_that_lost_its_tags_is_refused_with_the_tags_to_put_back() {
    let setup = Setup::new();
    setup.created(production()).await;
    let kept = setup.aws.with(|world, _| {
        let group = world.elasticache.groups.get_mut("production-myapp-valkey").unwrap();
        std::mem::take(&mut group.tags)
    });
    let changed = with(production(), json!({"NodeType": "cache.t4g.medium"}));
    let before = setup.writes().len();
    let outcome = setup.update(changed.clone()).await;
    assert_eq!(setup.writes().len(), before);
    let stack_id = &kept[TAG_STACK_ID];
    for part in [&format!("put {TAG_STACK_ID} = {stack_id}"), &format!("{TAG_LOGICAL_ID} = {CACHE} back on it")] {
        assert!(outcome.answers[0].reason().contains(part.as_str()), "{}", outcome.answers[0].reason());
    }
    let group = json!({
        "ResourceName": "arn:aws:elasticache:us-east-1:123456789012:replicationgroup:production-myapp-valkey",
        "Tags": {"Tag": [{"Key": TAG_STACK_ID, "Value": stack_id}, {"Key": TAG_LOGICAL_ID, "Value": CACHE}]},
    });
    setup.by_hand(ElastiCache::handle, "AddTagsToResource", group);
    setup.aws.clock().sleep(Duration::from_mins(5)).await;
    setup.updated(changed).await;
    setup.deleted().await;
}

/// An observation saw the tag and the call is denied all the same: the answer names the tag as well as the right.
#[tokio::test(start_paused = true)]
async fn a_right_that_hangs_on_the_tag_is_denied_with_a_word_about_it() {
    let setup = Setup::new();
    setup.created(production()).await;
    setup.aws.fault(missing("ModifyReplicationGroup", 1));
    let (outcome, _) = setup.rolled_back(with(production(), json!({"Description": "changed"}))).await;
    let reason = outcome.answers[0].reason();
    let advice = "allow elasticache:ModifyReplicationGroup in the function's role; it is allowed only on what has the tag \
                  elasticache-resource:stack-id: put that back on production-myapp-valkey if it is missing";
    assert!(reason.contains(advice), "{reason}");
    setup.deleted().await;
}

/// The words about the tag belong to those actions that the template allows by tag.
#[test]
fn the_advice_about_the_tag_knows_the_template() {
    let by_tag = policy().actions_under("aws:ResourceTag/");
    assert!(by_tag.len() > 10, "{by_tag:?}");
    for action in policy().actions() {
        let text = elasticache_resource::aws::Fault {
            action: String::leak(action.clone()),
            on: "it".to_owned(),
            code: "AccessDenied".to_owned(),
            message: String::new(),
            request_id: None,
            class: Class::Denied,
        }
        .to_string();
        assert_eq!(text.contains(TAG_STACK_ID), by_tag.contains(&action), "{text}");
    }
}

/// What a statement allows only in one place: keys through the services, in China under either name; backup files of this
/// account; any alias and version of the function, and no other function.
#[test]
fn rights_end_where_their_conditions_say() {
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

/// AWS may or may not take the requested tags for those of a secret that is being made: a secret is made in both cases.
#[tokio::test(start_paused = true)]
async fn a_secret_is_made_with_its_tags_however_aws_sees_them() {
    for new_secret_has_tags in [true, false] {
        let setup = Setup::new();
        setup.aws.with(|world, _| world.secrets.new_secret_has_tags = new_secret_has_tags);
        setup.created(production()).await;
        setup.updated(with(production(), json!({"AuthTokenVersion": "2", "Tags": []}))).await;
        setup.deleted().await;
        assert!(setup.aws.refusals().is_empty(), "{:?}", setup.aws.refusals());
    }
}

/// A secret of somebody else, in our folder or listed for the function, cannot be changed, and not be made ours by tagging.
#[tokio::test(start_paused = true)]
async fn secrets_of_others_cannot_be_claimed() {
    let setup = Setup::new();
    let ours = [json!({"Key": TAG_STACK_ID, "Value": "any"}), json!({"Key": TAG_LOGICAL_ID, "Value": CACHE})];
    for (id, tags) in [("theirs", json!([])), ("ours", json!(ours))] {
        let secret = json!({"Name": format!("elasticache/{id}"), "SecretString": "s", "Tags": tags});
        setup.by_hand(SecretsManager::handle, "CreateSecret", secret);
    }
    let changes = |id: &str| {
        let id = format!("elasticache/{id}");
        [
            ("TagResource", json!({"SecretId": id, "Tags": ours})),
            ("UntagResource", json!({"SecretId": id, "TagKeys": ["Environment"]})),
            ("PutSecretValue", json!({"SecretId": id, "SecretString": "other"})),
            ("UpdateSecret", json!({"SecretId": id, "KmsKeyId": "alias/aws/secretsmanager"})),
            ("UpdateSecretVersionStage", json!({"SecretId": id, "VersionStage": "AWSCURRENT"})),
            ("DeleteSecret", json!({"SecretId": id})),
            ("RestoreSecret", json!({"SecretId": id})),
        ]
    };
    for new_secret_has_tags in [true, false] {
        setup.aws.with(|world, _| world.secrets.new_secret_has_tags = new_secret_has_tags);
        for (action, params) in changes("theirs") {
            assert_eq!(denied(&setup, SecretsManager::rights, action, &params).len(), 1, "{action}");
        }
        for (action, params) in changes("ours") {
            assert_eq!(denied(&setup, SecretsManager::rights, action, &params), [], "{action}");
        }
        let untagged = json!({"Name": "elasticache/new", "SecretString": "s"});
        assert_eq!(denied(&setup, SecretsManager::rights, "CreateSecret", &untagged).len(), 1);
    }
}

/// What holds for secrets in our folder holds for those that the parameter lists.
#[test]
fn listed_secrets_have_the_same_limits_as_those_in_our_folder() {
    let template = std::fs::read_to_string(project_file("template.yaml")).unwrap();
    let listed = "arn:aws:secretsmanager:us-east-1:123456789012:secret:database-AbCdEf";
    let parameter = "  AdditionalSecretArns:\n    Type: CommaDelimitedList\n    Default: ";
    assert!(template.contains(parameter));
    let policy =
        Policy::from_text(&template.replace(&format!("{parameter}\"\""), &format!("{parameter}{listed}"))).unwrap();
    let named = ("secretsmanager:SecretId".to_owned(), "database".to_owned());
    let contexts = [vec![], vec![tag("Request")], vec![tag("Request"), named], vec![tag("Resource")]];
    let actions = policy.actions().into_iter().filter(|action| action.starts_with("secretsmanager:"));
    for action in actions.filter(|action| action != "secretsmanager:GetRandomPassword") {
        for context in &contexts {
            let allows =
                |secret: &str| policy.allows(&Right { context: context.clone(), ..Right::new(action.clone(), secret) });
            let folder = "arn:aws:secretsmanager:us-east-1:123456789012:secret:elasticache/any-AbCdEf";
            assert_eq!(allows(listed), allows(folder), "{action} {context:?}");
        }
    }
}
