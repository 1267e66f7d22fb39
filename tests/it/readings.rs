//! Where nothing public says what AWS does, the local AWS gives either answer, and the function is right with both. A read
//! that fails is no answer, and decides nothing.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::StackStatus;
use simulator::ec2::{Rule, Source};
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;
use simulator::readings::{
    GoneResources, Readings, RepeatedSet, ServiceTimeoutPlace, TokenDate, UnlistedTags, ViaService, WayBack,
};
use simulator::secrets_manager::{SecretsManager, rotate_with};

use crate::harness::{CACHE, Setup, calls, production, quick_start, with};
use crate::shapes::parameter_group;

const GROUP: &str = "production-myapp-valkey";
const SECRET: &str = "elasticache/production-myapp-valkey/auth-token";

fn under(readings: Readings) -> Setup {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.readings = readings);
    setup
}

/// Everything that AWS may do with the date of a token and with a second SET.
fn of_tokens() -> Vec<Readings> {
    let dates = [TokenDate::EveryChange, TokenDate::Rotate];
    let sets = [RepeatedSet::Refused, RepeatedSet::Accepted];
    let both = |token_date| sets.map(|repeated_set| Readings { token_date, repeated_set, ..Readings::default() });
    dates.into_iter().flat_map(both).collect()
}

fn assert_only_token(setup: &Setup, what: &str) {
    let token = setup.secret(SECRET)["password"].as_str().unwrap().to_owned();
    assert_eq!(setup.tokens(GROUP), [token], "{what}");
    let tags = setup.aws.with(|world, _| world.elasticache.subnet_groups[GROUP].tags.clone());
    assert!(!tags.contains_key("elasticache-resource:auth-change"), "{what}: {tags:?}");
}

fn versioned(version: &str) -> Value {
    with(production(), json!({"AuthTokenVersion": version}))
}

/// Rotations on request one after the other, another source, a first token, and the new token of a new cluster.
#[tokio::test(start_paused = true)]
async fn every_change_of_the_token_ends_with_the_new_one_alone() {
    for readings in of_tokens() {
        let setup = under(readings);
        setup.created(versioned("1")).await;
        for version in ["2", "3"] {
            let old = setup.tokens(GROUP);
            setup.updated(versioned(version)).await;
            assert_ne!(setup.tokens(GROUP), old, "{readings:?}");
            assert_only_token(&setup, &format!("{readings:?}: version {version}"));
        }
        let literal = json!({"AuthTokenEnabled": null, "AuthToken": "A-literal-token-of-the-template-1"});
        setup.updated(with(production(), literal)).await;
        assert_only_token(&setup, &format!("{readings:?}: literal"));
        let moved = with(versioned("4"), json!({"Port": 6390, "ReplacementPolicy": "Empty"}));
        let (outcome, _) = setup.updated(moved).await;
        let next = outcome.physical_id;
        assert_eq!(setup.tokens(&next).len(), 1, "{readings:?}: replaced");
        setup.deleted().await;

        let setup = under(readings);
        let open = with(production(), json!({"AuthTokenEnabled": null}));
        setup.created(open.clone()).await;
        setup.updated(with(open, json!({"AuthTokenEnabled": true}))).await;
        assert_only_token(&setup, &format!("{readings:?}: first token"));
        setup.deleted().await;
    }
}

/// A rotation that dies anywhere goes on with the event that comes again, and one that is rolled back ends too.
#[tokio::test(start_paused = true)]
async fn a_change_of_the_token_ends_wherever_it_is_interrupted() {
    for readings in of_tokens() {
        for seconds in [1, 100, 301, 304, 308, 320, 600, 604, 608] {
            let setup = under(readings);
            setup.created(versioned("1")).await;
            setup.kill_next_after(Duration::from_secs(seconds));
            setup.updated(versioned("2")).await;
            assert_only_token(&setup, &format!("{readings:?}: killed after {seconds} s"));
        }
        let setup = under(readings);
        setup.created(versioned("1")).await;
        setup.stack.fail_elsewhere();
        setup.rolled_back(versioned("2")).await;
        assert_only_token(&setup, &format!("{readings:?}: rolled back"));
        setup.deleted().await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_scheduled_rotation_ends_with_the_new_token_alone() {
    for readings in of_tokens() {
        for minutes in [0, 20] {
            let setup = under(readings);
            setup.created(with(production(), json!({"AuthTokenGraceMinutes": minutes}))).await;
            let rotation = json!({
                "SecretId": SECRET, "RotationLambdaARN": simulator::cloudformation::SERVICE_TOKEN,
                "RotationRules": {"AutomaticallyAfterDays": 30}, "RotateImmediately": false,
            });
            setup.by_hand(SecretsManager::handle, "RotateSecret", rotation);
            for _ in 0..2 {
                let old = setup.tokens(GROUP);
                setup.by_hand(SecretsManager::handle, "RotateSecret", json!({"SecretId": SECRET}));
                rotate_with(&setup.aws, &*setup.aws.lambda().function(), SECRET).await.unwrap();
                setup.aws.clock().sleep(Duration::from_mins(minutes + 15)).await;
                assert_ne!(setup.tokens(GROUP), old, "{readings:?}");
                assert_only_token(&setup, &format!("{readings:?}: grace {minutes} min"));
            }
            setup.deleted().await;
        }
    }
}

/// Back from compatible, also by the rollback of a stack, with and without custom parameters.
#[tokio::test(start_paused = true)]
async fn the_way_back_from_compatible_holds_whether_or_not_a_group_must_come_along() {
    for way_back in [WayBack::Alone, WayBack::WithGroup] {
        for own in [json!({}), json!({"Parameters": {"timeout": "30"}})] {
            let two = json!({"NumCacheNodes": 2, "AutomaticFailoverEnabled": true});
            let base = with(with(quick_start(), two), own);
            let compatible = with(base.clone(), json!({"ClusterMode": "compatible"}));
            let setup = under(Readings { way_back, ..Readings::default() });
            let id = setup.created(base.clone()).await.physical_id;
            let mode = || setup.aws.with(|world, _| world.elasticache.groups[&id].cluster_mode.as_str());
            setup.stack.fail_elsewhere();
            let (_, writes) = setup.rolled_back(compatible.clone()).await;
            assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{writes:?}");
            assert_eq!(mode(), "disabled", "{way_back:?}");
            setup.updated(compatible).await;
            assert_eq!(mode(), "compatible", "{way_back:?}");
            let (_, writes) = setup.updated(base).await;
            assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{writes:?}");
            assert_eq!(mode(), "disabled", "{way_back:?}");
            setup.deleted().await;
        }
    }
}

/// The deadline holds wherever the event says it.
#[tokio::test(start_paused = true)]
async fn the_service_timeout_holds_wherever_it_stands_in_the_event() {
    for service_timeout in [ServiceTimeoutPlace::Properties, ServiceTimeoutPlace::TopLevel, ServiceTimeoutPlace::Both] {
        let setup = under(Readings { service_timeout, ..Readings::default() });
        let outcome = setup.create(with(quick_start(), json!({"ServiceTimeout": "60"}))).await;
        let took = outcome.events[1].at.since(outcome.events[0].at);
        assert!(!outcome.answers[0].is_success());
        assert!(took <= Duration::from_secs(54) && took > Duration::from_secs(48), "{service_timeout:?}: {took:?}");

        let setup = under(Readings { service_timeout, ..Readings::default() });
        setup.created(with(quick_start(), json!({"ServiceTimeout": "3000"}))).await;
        setup.updated(with(quick_start(), json!({"ServiceTimeout": "3000", "Description": "new"}))).await;
        let short = json!({"ServiceTimeout": "60", "NodeType": "cache.t4g.small"});
        let (outcome, _) = setup.rolled_back(with(quick_start(), short)).await;
        assert!(outcome.reason.contains("not finished after 0 min"), "{service_timeout:?}: {}", outcome.reason);
        setup.deleted().await;
    }
}

/// Keys of the user's for data and secret.
#[tokio::test(start_paused = true)]
async fn keys_may_be_used_through_the_services_under_either_name() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    for via_service in [ViaService::Com, ViaService::ComCn] {
        let setup = under(Readings { via_service, ..Readings::default() });
        setup.created(with(production(), json!({"KmsKeyId": key, "SecretKmsKeyId": key}))).await;
        assert!(setup.aws.refusals().is_empty(), "{via_service:?}: {:?}", setup.aws.refusals());
        setup.deleted().await;
    }
}

/// An event that comes again after its resource is gone makes nothing; one that comes for the first time is worked on, also
/// when CloudFormation's API is a moment behind.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_over_makes_nothing_whatever_cloudformation_says_of_what_is_gone() {
    for gone_resources in [GoneResources::Unknown, GoneResources::Listed] {
        for minutes in [0, 1, 5, 130, 350] {
            let setup = under(Readings { gone_resources, ..Readings::default() });
            let created = setup.created(quick_start()).await;
            setup.deleted().await;
            setup.aws.clock().sleep(Duration::from_mins(minutes)).await;
            let writes = setup.writes().len();
            setup.stack.invoke(created.requests[0].clone()).await.unwrap();
            let made = setup.write_names().split_off(writes);
            assert_eq!(made, Vec::<String>::new(), "{gone_resources:?}: {minutes} min");
            setup.assert_nothing_left();
        }
    }
    let setup = Setup::new();
    let unknown = Kind::error("ValidationError", "Resource Cache does not exist for stack app");
    setup.aws.fault(Fault::on("DescribeStackResource", 1, unknown).times(3));
    let outcome = setup.created(quick_start()).await;
    let took = outcome.events[1].at.since(outcome.events[0].at);
    assert!(took < Duration::from_mins(10), "{took:?}");
    setup.deleted().await;
}

/// What a call was and what it said, to compare two runs.
fn shape(writes: &[Entry]) -> Vec<String> {
    let ours = writes.iter().filter(|entry| entry.service != "lambda" && entry.outcome.is_ok());
    let names = ours.map(|entry| {
        let modes = ["ClusterMode", "CacheParameterGroupName", "NumNodeGroups", "NumCacheClusters", "NewReplicaCount"];
        let said = modes.iter().filter_map(|name| entry.params.get(*name).map(|value| format!(" {name}={value}")));
        format!("{}{}", entry.action, said.collect::<String>())
    });
    let mut names: Vec<String> = names.collect();
    // Steps without an order among them run concurrently.
    names.sort();
    names
}

/// One shard under a parameter group of the user's that decides whether it is a cluster.
fn decided_by(group: &str) -> Value {
    let one = json!({"NumNodeGroups": 1, "ReplicasPerNodeGroup": 1, "ParameterGroupName": group});
    with(quick_start(), with(one, json!({"AutomaticFailoverEnabled": true})))
}

/// A life of each kind of group: what the function wrote in it.
async fn life(flow: &str, disturb: impl Fn(&Setup)) -> (Vec<String>, Option<String>) {
    let setup = Setup::new();
    for (name, cluster) in [("plain", "no"), ("clustered", "yes")] {
        parameter_group(&setup, name, "valkey8", &[("cluster-enabled", cluster)]);
    }
    let (base, to) = match flow {
        "plain" => (decided_by("plain"), Some(with(decided_by("plain"), json!({"ReplicasPerNodeGroup": 2})))),
        "clustered" => (decided_by("clustered"), Some(with(decided_by("clustered"), json!({"Description": "new"})))),
        "token" => (versioned("1"), Some(versioned("2"))),
        "parameters" => (
            with(quick_start(), json!({"Parameters": {"timeout": "30"}})),
            Some(with(quick_start(), json!({"Parameters": {"timeout": "60"}, "NumCacheNodes": 2}))),
        ),
        _ => (production(), None),
    };
    let mut writes = 0;
    if let Some(to) = to {
        setup.created(base).await;
        writes = setup.writes().len();
        disturb(&setup);
        let outcome = setup.update(to).await;
        let failed = (outcome.status != StackStatus::UpdateComplete).then_some(outcome.reason);
        return (shape(&setup.writes().split_off(writes)), failed);
    }
    disturb(&setup);
    let outcome = setup.create(base).await;
    let failed = (outcome.status != StackStatus::CreateComplete).then_some(outcome.reason);
    (shape(&setup.writes().split_off(writes)), failed)
}

/// Every read that a flow makes, once throttled, failed inside AWS and denied: the writes are the same, but for a
/// denial that says which right is missing.
#[tokio::test(start_paused = true)]
async fn a_read_that_fails_decides_nothing() {
    for flow in ["create", "plain", "clustered", "token", "parameters"] {
        let (usual, failed) = life(flow, |_| {}).await;
        assert_eq!(failed, None, "{flow}");
        for action in [
            "DescribeReplicationGroups",
            "DescribeCacheClusters",
            "DescribeCacheSubnetGroups",
            "DescribeCacheParameterGroups",
            "DescribeCacheParameters",
            "DescribeEngineDefaultParameters",
            "DescribeCacheEngineVersions",
            "DescribeSecurityGroups",
            "DescribeSubnets",
            "ListTagsForResource",
            "DescribeSecret",
            "GetSecretValue",
        ] {
            for kind in [Kind::Throttled, Kind::http_500(), Kind::Denied] {
                let fault = Fault::on(action, 1, kind.clone());
                let (writes, failed) = life(flow, |setup| setup.aws.fault(fault.clone())).await;
                match (&kind, failed) {
                    (_, None) => assert_eq!(writes, usual, "{flow}: {action} {kind:?}"),
                    (Kind::Denied, Some(reason)) => assert!(reason.contains(action), "{flow}: {action}: {reason}"),
                    (_, Some(reason)) => panic!("{flow}: {action} {kind:?}: {reason}"),
                }
            }
        }
    }
}

/// The same for a read that hangs: what decides about cluster mode is asked again.
#[tokio::test(start_paused = true)]
async fn a_read_that_hangs_does_not_say_what_a_cluster_is() {
    for flow in ["plain", "clustered"] {
        let (usual, _) = life(flow, |_| {}).await;
        for (nth, times) in [(1, 1), (2, 1), (1, 3)] {
            let hang = Fault::on("DescribeCacheParameters", nth, Kind::Slow(Duration::from_secs(20))).times(times);
            let (writes, failed) = life(flow, |setup| setup.aws.fault(hang.clone())).await;
            assert_eq!((writes, failed), (usual.clone(), None), "{flow}: {nth} {times}");
        }
    }
}

/// A right that is missing for good: the failure names it, and nothing has been written.
#[tokio::test(start_paused = true)]
async fn without_the_right_to_read_parameters_a_cluster_is_not_guessed_at() {
    for group in ["plain", "clustered"] {
        let setup = Setup::new();
        for (name, cluster) in [("plain", "no"), ("clustered", "yes")] {
            parameter_group(&setup, name, "valkey8", &[("cluster-enabled", cluster)]);
        }
        setup.created(decided_by(group)).await;
        let writes = setup.writes().len();
        setup.aws.fault(Fault::on("DescribeCacheParameters", 1, Kind::Denied).times(usize::MAX));
        let to = with(decided_by(group), json!({"Description": "new"}));
        let event = json!({"ResourceProperties": to});
        let answer = setup.stack.send("Update", CACHE, event).await.unwrap();
        assert!(!answer.is_success() && answer.reason().contains("DescribeCacheParameters"), "{}", answer.reason());
        assert_eq!(setup.write_names().split_off(writes), Vec::<String>::new(), "{group}");
        assert!(!calls(&setup.aws.journal(), "DescribeCacheParameters").is_empty());
        setup.aws.clear_faults();
        setup.deleted().await;
    }
}

/// While a group is being made or deleted AWS does not list its tags, and may even say that it is not there: that decides
/// nothing, also for a second delivery of the request and for a Delete that comes in the middle.
#[tokio::test(start_paused = true)]
async fn a_group_whose_tags_are_not_listed_is_waited_for() {
    for unlisted_tags in [UnlistedTags::InvalidState, UnlistedTags::ClusterNotFound] {
        let setup = under(Readings { unlisted_tags, ..Readings::default() });
        setup.stack.deliver_twice(true);
        setup.created(quick_start()).await;
        let made = |entry: &&Entry| entry.action == "CreateReplicationGroup" && entry.outcome.is_ok();
        assert_eq!(setup.writes().iter().filter(made).count(), 1, "{unlisted_tags:?}");
        setup.deleted().await;
        setup.assert_nothing_left();
    }
}

/// What changes a security group may learn of it some seconds after what describes it.
#[tokio::test(start_paused = true)]
async fn a_security_group_that_changes_do_not_know_yet_is_waited_for() {
    for seconds in [0, 4, 9] {
        let setup = Setup::new();
        setup.aws.with(|world, _| world.ec2.write_lag = Duration::from_secs(seconds));
        let open =
            with(quick_start(), json!({"AllowedCidrBlocks": ["10.7.0.0/16"], "Tags": [{"Key": "a", "Value": "b"}]}));
        setup.created(open).await;
        let refused =
            setup.writes().iter().filter(|entry| entry.outcome == Err("InvalidGroup.NotFound".into())).count();
        assert_eq!(refused > 0, seconds > 1, "{seconds} s");
        let ingress = setup.aws.with(|world, _| {
            world.ec2.security_groups().find(|group| group.tags.contains_key("a")).unwrap().ingress.clone()
        });
        let open = |rule: &Rule| matches!(&rule.source, Source::Ipv4(block) if block == "10.7.0.0/16");
        assert!(ingress.iter().any(open), "{seconds} s: {ingress:?}");
        setup.deleted().await;
        setup.assert_nothing_left();
    }
}
