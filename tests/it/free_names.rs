//! Names that somebody else has: of a secret that waits for its deletion, of a snapshot.

use std::time::Duration;

use elasticache_resource::domain::names::Names;
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::SERVICE_TOKEN;
use simulator::elasticache::{ElastiCache, UserGroup};
use simulator::faults::{Fault, Kind};
use simulator::secrets_manager::{STEPS, SecretsManager};

use crate::harness::{Setup, calls, production, with};

const GROUP: &str = "production-myapp-valkey";
const SECRET: &str = "elasticache/production-myapp-valkey/auth-token";
const MONTH: Duration = Duration::from_hours(31 * 24);

fn other(base: &Value, text: &str) -> Value {
    with(base.clone(), json!({"Description": text}))
}

/// Stacks of these names, each with a cluster of the same name, one after the other; all are deleted.
async fn left_by(stacks: &[&str]) -> LocalAws {
    let first = Setup::new();
    let aws = first.aws.clone();
    for name in stacks {
        let setup = Setup::with_stack_named(aws.clone(), name);
        setup.created(production()).await;
        setup.deleted().await;
    }
    aws
}

/// The secrets that wait for their deletion, as nobody may touch them.
fn waiting(aws: &LocalAws) -> Vec<String> {
    aws.with(|world, _| {
        let waiting = world.secrets.secrets().filter(|secret| secret.deletion.is_some());
        waiting
            .map(|secret| format!("{} {:?} {:?} {:?}", secret.arn, secret.tags, secret.deletion, secret.versions))
            .collect()
    })
}

fn arn(setup: &Setup, name: &str) -> String {
    setup.aws.with(|world, _| world.secrets.secret(name).unwrap_or_else(|| panic!("no secret {name}")).arn.clone())
}

/// The secret of this name, and no other of ours, has the one token.
fn assert_at(setup: &Setup, name: &str, what: &str) {
    let secret = setup.secret(name);
    assert_eq!(setup.tokens(GROUP).last().unwrap(), secret["password"].as_str().unwrap(), "{what}");
    assert_eq!(secret["replicationGroupId"], GROUP, "{what}");
    let alive: Vec<String> = setup.aws.with(|world, _| {
        world.secrets.secrets().filter(|secret| secret.deletion.is_none()).map(|secret| secret.name.clone()).collect()
    });
    assert_eq!(alive, [name], "{what}");
}

async fn rotated(setup: &Setup, name: &str) {
    let rotation =
        json!({"SecretId": name, "RotationLambdaARN": SERVICE_TOKEN, "RotationRules": {"AutomaticallyAfterDays": 30}});
    let announced = setup.by_hand(SecretsManager::handle, "RotateSecret", rotation);
    let (arn, version) = (&announced["ARN"], &announced["VersionId"]);
    for step in STEPS {
        setup.stack.invoke(json!({"SecretId": arn, "ClientRequestToken": version, "Step": step})).await.unwrap();
    }
}

/// The whole life of a cluster whose secret could not have its usual name, before and after that is free again.
#[tokio::test(start_paused = true)]
async fn a_secret_whose_name_is_taken_keeps_the_next_free_one_for_good() {
    for stacks in [&["one"][..], &["one", "two", "three"]] {
        let aws = left_by(stacks).await;
        let theirs = waiting(&aws);
        assert_eq!(theirs.len(), stacks.len());
        let setup = Setup::with_aws(aws);
        let name = format!("{SECRET}-{}", stacks.len() + 1);
        let outcome = setup.created(production()).await;
        assert_at(&setup, &name, "made");
        assert_eq!(outcome.get_att("Security.AuthTokenSecretArn").unwrap(), arn(&setup, &name));
        assert!(outcome.get_att("Warnings").unwrap().contains(&name));
        let mut properties = production();
        for round in ["while they wait", "after they are gone"] {
            let (_, writes) = setup.updated(other(&properties, round)).await;
            assert_eq!(calls(&writes, "ModifyReplicationGroup").len(), writes.len(), "{round}: {writes:?}");
            properties = with(properties, json!({"AuthTokenVersion": round, "Description": round}));
            setup.updated(properties.clone()).await;
            assert_at(&setup, &name, round);
            rotated(&setup, &name).await;
            assert_at(&setup, &name, round);
            let (outcome, _) = setup.updated(other(&properties, "again")).await;
            assert_eq!(outcome.get_att("Security.AuthTokenSecretArn").unwrap(), arn(&setup, &name));
            setup.rolled_back(with(properties.clone(), json!({"EngineVersion": "1.0"}))).await;
            assert_at(&setup, &name, round);
            if round == "while they wait" {
                assert_eq!(waiting(&setup.aws), theirs, "another stack's secret was touched");
                tokio::time::sleep(MONTH).await;
                assert_eq!(waiting(&setup.aws), Vec::<String>::new());
            }
        }
        setup.deleted().await;
        let left = waiting(&setup.aws);
        assert!(left.len() == 1 && left[0].contains(&name), "{left:?}");
    }
}

/// The process dies at each call of the Create and of the Delete: the next delivery finds the same name.
#[tokio::test(start_paused = true)]
async fn the_name_is_found_again_after_a_death_at_every_call() {
    let ways = [
        "CreateCacheSubnetGroup",
        "CreateSecurityGroup",
        "CreateSecret",
        "GetRandomPassword",
        "AddTagsToResource",
        "CreateReplicationGroup",
        "PutSecretValue",
        "RemoveTagsFromResource",
        "DeleteReplicationGroup",
        "DeleteSecret",
        "DeleteCacheSubnetGroup",
        "DeleteSecurityGroup",
    ];
    let aws = left_by(&["one"]).await;
    let theirs = waiting(&aws).remove(0);
    for action in ways {
        for gone_by_then in [false, true] {
            let aws = left_by(&["one"]).await;
            let setup = Setup::with_aws(aws);
            let dies = || {
                setup.aws.fault(Fault::on(action, 1, Kind::Slow(Duration::from_hours(2))));
                setup.kill_next_after(Duration::from_mins(12));
            };
            let deletes = action.starts_with("Delete");
            if !deletes {
                dies();
            }
            setup.created(production()).await;
            assert_at(&setup, &format!("{SECRET}-2"), action);
            if gone_by_then {
                tokio::time::sleep(MONTH).await;
            }
            setup.updated(other(&production(), "other")).await;
            assert_at(&setup, &format!("{SECRET}-2"), action);
            if deletes {
                dies();
            }
            setup.deleted().await;
            assert!(setup.invocations().iter().any(Result::is_err), "{action}: no invocation died");
            let kept =
                waiting(&setup.aws).into_iter().filter(|secret| secret.starts_with(theirs.split(' ').next().unwrap()));
            assert_eq!(kept.count(), usize::from(!gone_by_then), "{action}");
        }
    }
}

/// A Create that fails before anything but the secret is there: its rollback takes that away.
#[tokio::test(start_paused = true)]
async fn a_failed_create_leaves_no_secret_under_the_other_name() {
    for action in ["CreateCacheSubnetGroup", "CreateSecurityGroup", "CreateReplicationGroup"] {
        let setup = Setup::with_aws(left_by(&["one"]).await);
        let theirs = waiting(&setup.aws);
        setup.aws.fault(Fault::on(action, 1, Kind::error("InvalidParameterValue", "refused for this test")));
        let properties = with(production(), json!({"SecretRecoveryWindowInDays": 0}));
        let outcome = setup.create(properties).await;
        assert!(outcome.reason.contains("refused for this test"), "{}", outcome.reason);
        setup.assert_nothing_left();
        assert_eq!(waiting(&setup.aws), theirs, "{action}");
    }
}

/// The token comes to a standing cluster, goes, and comes again.
#[tokio::test(start_paused = true)]
async fn a_token_that_comes_later_and_goes_has_the_other_name_too() {
    let setup = Setup::with_aws(left_by(&["one"]).await);
    setup.aws.with(|world, _| world.elasticache.add_user_group(UserGroup::new("people", "valkey", "p")));
    let theirs = waiting(&setup.aws);
    let name = format!("{SECRET}-2");
    let users = with(production(), json!({"AuthTokenEnabled": null, "UserGroupIds": ["people"]}));
    setup.created(users.clone()).await;
    for round in ["first", "again"] {
        setup.updated(production()).await;
        assert_at(&setup, &name, round);
        setup.updated(users.clone()).await;
        let left = waiting(&setup.aws);
        assert!(left.len() == 2 && left.contains(&theirs[0]) && left[1].contains(&name), "{round}: {left:?}");
    }
    // A rollback of its arrival takes it away, too.
    setup.aws.fault(Fault::on(
        "ModifyReplicationGroup",
        1,
        Kind::error("InvalidParameterValue", "refused for this test"),
    ));
    setup.rolled_back(production()).await;
    assert_eq!(waiting(&setup.aws).len(), 2);
    setup.deleted().await;
}

/// The same for a name that the template gives, as far as the function's role reaches; else it is refused before a write.
#[tokio::test(start_paused = true)]
async fn a_given_name_that_waits_for_deletion_is_numbered_or_refused() {
    for (name, numbered) in [("elasticache/mine/token", true), ("mine/token", false)] {
        let setup = Setup::with_aws(LocalAws::new(1.0, None));
        let secret = json!({"Name": name, "SecretString": "theirs"});
        setup.by_hand(SecretsManager::handle, "CreateSecret", secret);
        setup.by_hand(SecretsManager::handle, "DeleteSecret", json!({"SecretId": name}));
        let theirs = waiting(&setup.aws);
        let properties = with(production(), json!({"SecretName": name}));
        if numbered {
            setup.created(properties.clone()).await;
            assert_at(&setup, &format!("{name}-2"), name);
            setup.updated(with(properties, json!({"SecretName": "elasticache/moved"}))).await;
            assert_at(&setup, "elasticache/moved", name);
            setup.deleted().await;
        } else {
            let outcome = setup.create(properties).await;
            for part in ["SecretName (mine/token)", "waits for its deletion", "--force-delete-without-recovery"] {
                assert!(outcome.reason.contains(part), "{part:?} is not in {}", outcome.reason);
            }
            assert_eq!(setup.write_names(), Vec::<String>::new());
        }
        assert!(waiting(&setup.aws).contains(&theirs[0]));
    }
}

/// An Update to such a name is refused, and its rollback is not.
#[tokio::test(start_paused = true)]
async fn the_rollback_of_a_refused_name_is_not_refused() {
    let setup = Setup::with_aws(LocalAws::new(1.0, None));
    setup.by_hand(SecretsManager::handle, "CreateSecret", json!({"Name": "mine/token", "SecretString": "theirs"}));
    setup.by_hand(SecretsManager::handle, "DeleteSecret", json!({"SecretId": "mine/token"}));
    setup.created(production()).await;
    let (outcome, _) = setup.rolled_back(with(production(), json!({"SecretName": "mine/token"}))).await;
    assert!(outcome.reason.contains("waits for its deletion"), "{}", outcome.reason);
    setup.deleted().await;
}

/// The name of the final snapshot is taken, once or several times.
#[tokio::test(start_paused = true)]
async fn a_final_snapshot_whose_name_is_taken_gets_another() {
    for times in [1, 3] {
        let setup = Setup::new();
        setup
            .created(with(production(), json!({"FinalSnapshotIdentifier": "the-last-of-a-long-name-that-is-cut-off"})))
            .await;
        let taken = || Kind::error("SnapshotAlreadyExistsFault", "Snapshot with specified name already exists");
        setup.aws.fault(Fault::on("DeleteReplicationGroup", 1, taken()).times(times));
        setup.deleted().await;
        let writes = setup.writes();
        let names: Vec<&str> = calls(&writes, "DeleteReplicationGroup")
            .iter()
            .map(|entry| entry.params["FinalSnapshotIdentifier"].as_str().unwrap())
            .collect();
        let different: std::collections::BTreeSet<&&str> = names.iter().collect();
        assert_eq!((names.len(), different.len()), (times + 1, times + 1), "{names:?}");
        assert!(names.iter().all(|name| name.len() <= 40), "{names:?}");
        assert!(setup.aws.with(|world, _| world.elasticache.snapshots.contains_key(*names.last().unwrap())));
    }
}

/// A snapshot of somebody else has the name of the one that carries the data of a replacement: it is neither restored nor
/// deleted.
#[tokio::test(start_paused = true)]
async fn a_transfer_snapshot_whose_name_is_taken_gets_another() {
    let setup = Setup::new();
    let properties = with(production(), json!({"ReplacementPolicy": "Snapshot"}));
    setup.created(properties.clone()).await;
    let names = Names::of(GROUP);
    let (taken, free) =
        (names.transfer_snapshot(&format!("{GROUP}-2"), 1), names.transfer_snapshot(&format!("{GROUP}-2"), 2));
    let by_hand = json!({"SnapshotName": taken, "CacheClusterId": format!("{GROUP}-001")});
    setup.by_hand(ElastiCache::handle, "CreateSnapshot", by_hand);
    tokio::time::sleep(Duration::from_hours(1)).await;
    let (outcome, writes) = setup.updated(with(properties, json!({"AtRestEncryptionEnabled": false}))).await;
    assert_eq!(outcome.physical_id, format!("{GROUP}-2"));
    let field = |action, field: &str| calls(&writes, action)[0].params[field].as_str().unwrap().to_owned();
    assert_eq!(field("CreateSnapshot", "SnapshotName"), free);
    assert_eq!(field("CreateReplicationGroup", "SnapshotName"), free);
    assert_eq!(field("DeleteSnapshot", "SnapshotName"), free);
    assert!(setup.aws.with(|world, _| world.elasticache.snapshots.contains_key(&taken)));
}
