//! Rotation by Secrets Manager: the four steps, each repeated, each call failed, and the time after.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::{SERVICE_TOKEN, StackStatus};
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;
use simulator::secrets_manager::{STEPS, SecretsManager, Trial, rotate_with, try_schedule};

use crate::harness::{Setup, calls, logged, names, production, with};

const GROUP: &str = "production-myapp-valkey";
const SECRET: &str = "elasticache/production-myapp-valkey/auth-token";
const MODIFY: &str = "ModifyReplicationGroup";

/// A cluster whose secret has a rotation schedule.
async fn scheduled(properties: Value) -> Setup {
    let setup = Setup::new();
    setup.created(properties).await;
    schedule(&setup);
    setup
}

fn schedule(setup: &Setup) {
    schedule_through(setup, SERVICE_TOKEN);
}

fn schedule_through(setup: &Setup, function: &str) {
    let rotation = json!({
        "SecretId": SECRET, "RotationLambdaARN": function,
        "RotationRules": {"AutomaticallyAfterDays": 30}, "RotateImmediately": false,
    });
    setup.by_hand(SecretsManager::handle, "RotateSecret", rotation);
}

/// Announces a rotation, as its schedule does; the id of the version to come.
fn announced(setup: &Setup) -> String {
    let answer = setup.by_hand(SecretsManager::handle, "RotateSecret", json!({"SecretId": SECRET}));
    answer["VersionId"].as_str().unwrap().to_owned()
}

/// One whole rotation.
async fn rotated(setup: &Setup) -> String {
    let version = announced(setup);
    rotate_with(&setup.aws, &*setup.aws.lambda().function(), SECRET).await.unwrap();
    version
}

async fn step(setup: &Setup, step: &str, version: &str) -> Result<(), String> {
    let arn = setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().arn.clone());
    setup.stack.invoke(json!({"SecretId": arn, "ClientRequestToken": version, "Step": step})).await
}

fn password(setup: &Setup) -> String {
    setup.secret(SECRET)["password"].as_str().unwrap().to_owned()
}

/// What a version of the secret says, if it says anything.
fn value(setup: &Setup, version: &str) -> Option<String> {
    let value = json!({"SecretId": SECRET, "VersionId": version});
    let has_value = setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().versions[version].value.is_some());
    let read = has_value.then(|| setup.by_hand(SecretsManager::handle, "GetSecretValue", value))?;
    let content: Value = serde_json::from_str(read["SecretString"].as_str().unwrap()).unwrap();
    content["password"].as_str().map(str::to_owned)
}

fn strategies(entries: &[Entry]) -> Vec<String> {
    let strategy = |entry: &&Entry| entry.params["AuthTokenUpdateStrategy"].as_str().map(str::to_owned);
    calls(entries, MODIFY).iter().filter_map(strategy).collect()
}

fn writes_since(setup: &Setup, count: usize) -> Vec<Entry> {
    setup.writes().split_off(count)
}

fn auth_change_tag(setup: &Setup) -> Option<String> {
    setup
        .aws
        .with(|world, _| world.elasticache.subnet_groups[GROUP].tags.get("elasticache-resource:auth-change").cloned())
}

/// Step by step: who can log in, and what readers get.
#[tokio::test(start_paused = true)]
async fn the_four_steps_bring_in_a_token_in_addition_to_the_old_one() {
    let setup = scheduled(production()).await;
    let (old, version) = (password(&setup), announced(&setup));
    let count = setup.writes().len();

    step(&setup, "createSecret", &version).await.unwrap();
    let new = value(&setup, &version).unwrap();
    assert_ne!(new, old);
    assert_eq!((password(&setup), setup.tokens(GROUP)), (old.clone(), vec![old.clone()]));

    step(&setup, "setSecret", &version).await.unwrap();
    assert_eq!((password(&setup), setup.tokens(GROUP)), (old.clone(), vec![old.clone(), new.clone()]));

    step(&setup, "testSecret", &version).await.unwrap();
    step(&setup, "finishSecret", &version).await.unwrap();
    assert_eq!((password(&setup), setup.tokens(GROUP)), (new.clone(), vec![old, new.clone()]));
    let writes = writes_since(&setup, count);
    let expected =
        ["PutSecretValue", "AddTagsToResource", MODIFY, "UpdateSecretVersionStage", "RemoveTagsFromResource"];
    assert_eq!(names(&writes), expected);
    assert_eq!(strategies(&writes), ["ROTATE"]);
    assert_eq!(auth_change_tag(&setup), None);
    let content = setup.secret(SECRET);
    assert_eq!(content["replicationGroupId"], GROUP);
    assert!(content["url"].as_str().unwrap().ends_with(&format!("@{}:6379", content["host"].as_str().unwrap())));
    setup.deleted().await;
}

/// Afterwards an update sees no drift, and the next rotation pushes the oldest token out.
#[tokio::test(start_paused = true)]
async fn a_scheduled_rotation_is_no_drift() {
    let setup = scheduled(production()).await;
    for round in 0..3 {
        let before = password(&setup);
        rotated(&setup).await;
        let after = password(&setup);
        assert_eq!(setup.tokens(GROUP), [before, after.clone()]);
        let (_, writes) = setup.updated(with(production(), json!({"Description": format!("round {round}")}))).await;
        assert_eq!(names(&writes), [MODIFY]);
        assert_eq!((strategies(&writes), password(&setup)), (vec![], after));
    }
    setup.deleted().await;
}

/// Every step again after every step, and the whole rotation again: nothing more is changed.
#[tokio::test(start_paused = true)]
async fn every_step_can_be_repeated() {
    for minutes in [Value::Null, json!(0), json!(5)] {
        let setup = scheduled(with(production(), json!({"AuthTokenGraceMinutes": minutes}))).await;
        let version = announced(&setup);
        for (at, name) in STEPS.iter().enumerate() {
            step(&setup, name, &version).await.unwrap();
            let (count, token) = (setup.writes().len(), value(&setup, &version));
            for again in &STEPS[..=at] {
                step(&setup, again, &version).await.unwrap();
            }
            assert_eq!(names(&writes_since(&setup, count)), Vec::<String>::new(), "after {name}, {minutes}");
            assert_eq!(value(&setup, &version), token);
        }
        let expected = if minutes == json!(0) { vec!["ROTATE", "SET"] } else { vec!["ROTATE"] };
        assert_eq!(strategies(&setup.writes()), expected);
        setup.deleted().await;
    }
}

/// A step that comes too early, for a version that is none, or for something that is not ours, changes nothing.
#[tokio::test(start_paused = true)]
async fn steps_out_of_turn_are_refused() {
    let setup = scheduled(production()).await;
    let version = announced(&setup);
    let count = setup.writes().len();
    for (name, version, reason) in [
        ("setSecret", version.as_str(), "has no value yet"),
        ("finishSecret", &version, "was not given the token"),
        ("createSecret", "11111111-2222-3333-4444-555555555555", "is not pending"),
        ("rotateAll", &version, "unknown Step"),
    ] {
        let failure = step(&setup, name, version).await.unwrap_err();
        assert!(failure.contains(reason), "{name}: {failure}");
    }
    step(&setup, "createSecret", &version).await.unwrap();
    assert!(step(&setup, "testSecret", &version).await.unwrap_err().contains("was not given the token"));
    let untagged = json!({"SecretId": SECRET, "TagKeys": ["elasticache-resource:stack-id"]});
    setup.by_hand(SecretsManager::handle, "UntagResource", untagged);
    for name in STEPS {
        assert!(step(&setup, name, &version).await.unwrap_err().contains("was not made by this function"));
    }
    assert_eq!(names(&writes_since(&setup, count)), ["PutSecretValue"]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_without_rotation_is_not_rotated() {
    let setup = scheduled(production()).await;
    let version = announced(&setup);
    setup.by_hand(SecretsManager::handle, "CancelRotateSecret", json!({"SecretId": SECRET}));
    assert!(step(&setup, "createSecret", &version).await.unwrap_err().contains("is not enabled"));
    setup.deleted().await;
}

/// With `RotateImmediatelyOnUpdate: false` Secrets Manager tries the schedule out, in the function and at no cache.
#[tokio::test(start_paused = true)]
async fn a_schedule_that_does_not_rotate_at_once_passes_its_trial() {
    let setup = scheduled(production()).await;
    let (old, count) = (password(&setup), setup.writes().len());
    for trial in [Trial::Copy, Trial::Empty] {
        let tried = try_schedule(&setup.aws, &*setup.aws.lambda().function(), SECRET, trial).await;
        assert_eq!(tried, Ok(()), "{trial:?}");
    }
    assert_eq!(names(&writes_since(&setup, count)), Vec::<String>::new());
    rotated(&setup).await;
    assert_eq!(setup.tokens(GROUP), [old, password(&setup)]);
    setup.deleted().await;
}

/// A rotation of the template's token would be undone by the next update.
#[tokio::test(start_paused = true)]
async fn a_token_of_the_template_is_not_rotated() {
    let properties = json!({"AuthTokenEnabled": null, "AuthToken": "A-literal-token-of-the-template-0"});
    let setup = scheduled(with(production(), properties)).await;
    let version = announced(&setup);
    let failure = step(&setup, "createSecret", &version).await.unwrap_err();
    assert!(failure.contains("change the token where it comes from"), "{failure}");
    setup.deleted().await;
}

/// Each call of a rotation fails in turn, in every way that passes: the rotation ends, with one ROTATE that took effect.
#[tokio::test(start_paused = true)]
async fn a_rotation_survives_a_failure_of_each_of_its_calls() {
    for minutes in [json!(0), json!(60)] {
        let properties = with(production(), json!({"AuthTokenGraceMinutes": minutes}));
        let setup = scheduled(properties.clone()).await;
        let start = setup.aws.journal().len();
        rotated(&setup).await;
        let used = setup.aws.journal().split_off(start);
        let used = used.iter().map(|entry| entry.action.as_str()).filter(|action| {
            // What all ways have in common is tried in one of them.
            minutes == json!(0) || matches!(*action, "Invoke" | "UpdateSecretVersionStage")
        });
        let mut seen = std::collections::BTreeMap::<&str, usize>::new();
        for action in used {
            let nth = seen.entry(action).or_default();
            *nth += 1;
            let busy = Kind::error("InvalidReplicationGroupState", "It is busy.");
            let kinds = match action {
                MODIFY => vec![Kind::CutAfter, busy, Kind::Slow(Duration::from_hours(1))],
                // A read is a read: the first of each kind stands for all.
                _ if ["Describe", "Get", "List"].iter().any(|read| action.starts_with(read)) => {
                    if *nth == 1 {
                        vec![Kind::Denied]
                    } else {
                        vec![]
                    }
                }
                _ => vec![Kind::CutAfter, Kind::Slow(Duration::from_hours(1))],
            };
            for kind in kinds {
                let what = format!("{kind:?} at call {nth} of {action}, {minutes}");
                let setup = scheduled(properties.clone()).await;
                let old = password(&setup);
                setup.aws.fault(Fault::on(action, *nth, kind));
                rotated(&setup).await;
                let new = password(&setup);
                assert_ne!(new, old, "{what}");
                let expected = if minutes == json!(0) { vec![new] } else { vec![old, new] };
                assert_eq!(setup.tokens(GROUP), expected, "{what}");
            }
        }
    }
}

/// With no grace time the last step waits until only the new token works.
#[tokio::test(start_paused = true)]
async fn without_a_grace_time_the_old_token_goes_with_the_last_step() {
    let setup = scheduled(with(production(), json!({"AuthTokenGraceMinutes": 0}))).await;
    rotated(&setup).await;
    assert_eq!(setup.tokens(GROUP), [password(&setup)]);
    assert_eq!(auth_change_tag(&setup), None);
    setup.deleted().await;
}

/// The old token goes when its time is over, over as many invocations as that takes, whatever a repeated step does.
#[tokio::test(start_paused = true)]
async fn the_old_token_goes_after_its_grace_time() {
    for minutes in [1, 13, 60] {
        let setup = scheduled(with(production(), json!({"AuthTokenGraceMinutes": minutes}))).await;
        let old = password(&setup);
        let version = rotated(&setup).await;
        let new = password(&setup);
        step(&setup, "finishSecret", &version).await.unwrap();
        let ended = setup.aws.clock().now();
        let whole = Duration::from_secs(60 * minutes);
        tokio::time::sleep(whole.saturating_sub(Duration::from_secs(10))).await;
        assert_eq!(setup.tokens(GROUP), [old, new.clone()], "{minutes}");
        tokio::time::sleep(Duration::from_mins(11)).await;
        assert_eq!(setup.tokens(GROUP), [new], "{minutes}");
        let journal = setup.aws.journal();
        let set = journal.iter().find(|entry| entry.params["AuthTokenUpdateStrategy"] == "SET").unwrap();
        let late = set.at.since(ended).saturating_sub(whole);
        assert!(late < Duration::from_secs(20), "{minutes}: {late:?} late");
        assert_eq!(
            (strategies(&journal), auth_change_tag(&setup)),
            (vec!["ROTATE".to_owned(), "SET".to_owned()], None)
        );
        setup.deleted().await;
    }
}

/// The stack is deleted within the grace time: its end, in the function's own time, is no error that rings an alarm.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_grace_time_after_the_delete_is_no_failure() {
    let setup = scheduled(with(production(), json!({"AuthTokenGraceMinutes": 30}))).await;
    rotated(&setup).await;
    setup.deleted().await;
    tokio::time::sleep(Duration::from_mins(45)).await;
    let failed: Vec<_> = setup.invocations().into_iter().filter(Result::is_err).collect();
    assert_eq!(failed, Vec::<Result<(), String>>::new());
    let arn = setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().arn.clone());
    let event = json!({"SecretId": arn, "ClientRequestToken": "v", "Step": "retireOldToken", "AfterMs": 1});
    assert_eq!(setup.stack.invoke(event).await, Ok(()));
}

/// Another rotation before the grace time is over: it pushes the old token out itself, and the end of the first grace time
/// takes nothing away from the second.
#[tokio::test(start_paused = true)]
async fn a_rotation_within_the_grace_time_of_another_keeps_both_of_its_tokens() {
    let setup = scheduled(with(production(), json!({"AuthTokenGraceMinutes": 20}))).await;
    rotated(&setup).await;
    let first = password(&setup);
    tokio::time::sleep(Duration::from_mins(10)).await;
    rotated(&setup).await;
    let second = password(&setup);
    tokio::time::sleep(Duration::from_mins(8)).await;
    assert_eq!(setup.tokens(GROUP), [first, second.clone()]);
    tokio::time::sleep(Duration::from_mins(30)).await;
    assert_eq!(setup.tokens(GROUP), [second]);
    setup.deleted().await;
}

/// An update in the grace time changes no token, and the old one still goes in time.
#[tokio::test(start_paused = true)]
async fn an_update_in_the_grace_time_leaves_the_tokens_alone() {
    let properties = with(production(), json!({"AuthTokenGraceMinutes": 30}));
    let setup = scheduled(properties.clone()).await;
    rotated(&setup).await;
    let (_, writes) = setup.updated(with(properties, json!({"Description": "other"}))).await;
    assert_eq!((names(&writes), setup.tokens(GROUP).len()), (vec![MODIFY.to_owned()], 2));
    tokio::time::sleep(Duration::from_mins(45)).await;
    assert_eq!(setup.tokens(GROUP), [password(&setup)]);
    setup.deleted().await;
}

/// An unrelated update between two steps leaves the rotation to go on.
#[tokio::test(start_paused = true)]
async fn an_update_between_two_steps_leaves_the_rotation_alone() {
    for done in 1..STEPS.len() {
        let setup = scheduled(production()).await;
        let version = announced(&setup);
        for name in &STEPS[..done] {
            step(&setup, name, &version).await.unwrap();
        }
        let new = value(&setup, &version).unwrap();
        let (_, writes) = setup.updated(with(production(), json!({"Description": "other"}))).await;
        assert_eq!(names(&writes), [MODIFY], "after {done} steps");
        for name in &STEPS[done..] {
            step(&setup, name, &version).await.unwrap();
        }
        assert_eq!(password(&setup), new);
        assert!(setup.tokens(GROUP).contains(&new));
        setup.deleted().await;
    }
}

/// A rotation on request between two steps of a scheduled one: what readers have always opens the cache, and the scheduled
/// one gives up or goes on.
#[tokio::test(start_paused = true)]
async fn a_rotation_on_request_between_two_steps_wins() {
    for done in 0..STEPS.len() {
        let setup = scheduled(with(production(), json!({"AuthTokenVersion": "1"}))).await;
        let version = announced(&setup);
        for name in &STEPS[..done] {
            step(&setup, name, &version).await.unwrap();
        }
        let update = setup.update(with(production(), json!({"AuthTokenVersion": "2"})));
        tokio::pin!(update);
        let outcome = loop {
            tokio::select! {
                outcome = &mut update => break outcome,
                () = tokio::time::sleep(Duration::from_millis(500)) => {
                    assert!(setup.tokens(GROUP).contains(&password(&setup)), "after {done} steps");
                }
            }
        };
        assert_eq!(outcome.status, StackStatus::UpdateComplete, "{}", outcome.reason);
        assert_eq!(setup.tokens(GROUP), [password(&setup)]);
        for name in &STEPS[done..] {
            let gone_on = step(&setup, name, &version).await;
            assert!(gone_on.is_ok() || gone_on.unwrap_err().contains("is not pending"), "after {done} steps, {name}");
            assert!(setup.tokens(GROUP).contains(&password(&setup)));
        }
        rotated(&setup).await;
        assert!(setup.tokens(GROUP).contains(&password(&setup)));
        setup.deleted().await;
    }
}

/// A cache that is busy for longer than an invocation: the step says so, and another try goes on.
#[tokio::test(start_paused = true)]
async fn a_step_without_time_says_what_it_waited_for() {
    let setup = scheduled(production()).await;
    setup.aws.with(|world, _| world.elasticache.pace.auth = Duration::from_mins(25));
    let version = announced(&setup);
    step(&setup, "createSecret", &version).await.unwrap();
    let failure = step(&setup, "setSecret", &version).await.unwrap_err();
    assert!(failure.contains("waited for the replication group to be available"), "{failure}");
    step(&setup, "setSecret", &version).await.unwrap();
    assert_eq!(strategies(&setup.writes()), ["ROTATE"]);
    step(&setup, "finishSecret", &version).await.unwrap();
    setup.deleted().await;
}

/// AWS repeats the token in its refusal of a step; neither the step's error nor the log does.
#[tokio::test(start_paused = true)]
async fn a_refused_step_repeats_no_token() {
    let setup = scheduled(production()).await;
    let version = announced(&setup);
    step(&setup, "createSecret", &version).await.unwrap();
    let new = value(&setup, &version).unwrap();
    let message = format!("Invalid AuthToken {new}: refused for this test");
    setup.aws.fault(Fault::on(MODIFY, 1, Kind::error("InvalidParameterValue", message)));
    let (failure, log) = logged(step(&setup, "setSecret", &version)).await;
    let failure = failure.unwrap_err();
    for text in [&failure, &log] {
        assert!(text.contains("refused for this test") && !text.contains(&new), "a token is shown");
    }
}

/// No line of a rotation holds a token.
#[tokio::test(start_paused = true)]
async fn no_log_line_of_a_rotation_holds_a_token() {
    let setup = scheduled(with(production(), json!({"AuthTokenGraceMinutes": 1}))).await;
    let message = "Invalid AuthToken: refused for this test";
    setup.aws.fault(Fault::on(MODIFY, 1, Kind::error("InvalidParameterValue", message)));
    let life = async {
        rotated(&setup).await;
        tokio::time::sleep(Duration::from_mins(20)).await;
    };
    let ((), log) = logged(life).await;
    assert!(log.contains("refused for this test") && log.contains("the step is taken"), "{log}");
    let versions =
        setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().versions.keys().cloned().collect::<Vec<_>>());
    for version in versions {
        assert!(!log.contains(&value(&setup, &version).unwrap()), "a token is in the log");
    }
}

/// A rotation through an alias: what is left to do later is handed to the same alias.
#[tokio::test(start_paused = true)]
async fn a_rotation_through_an_alias_stays_there() {
    let setup = Setup::new();
    setup.created(with(production(), json!({"AuthTokenGraceMinutes": 30}))).await;
    let arn = format!("{SERVICE_TOKEN}:live");
    setup.aws.lambda().publish("live");
    schedule_through(&setup, &arn);
    let before = setup.invoked_arns().len();
    rotated(&setup).await;
    setup.aws.clock().sleep(Duration::from_mins(45)).await;
    let invoked = setup.invoked_arns().split_off(before);
    assert!(invoked.len() > 4 && invoked.iter().all(|through| *through == arn), "{invoked:?}");
    assert_eq!(setup.tokens(GROUP), [password(&setup)]);
    setup.deleted().await;
}

/// What AWS shows late is looked at again within the invocation: the value of a version, its label, the schedule itself.
#[tokio::test(start_paused = true)]
async fn a_version_that_cannot_be_read_at_first_is_looked_at_again() {
    let missing = || {
        Kind::error(
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for VersionId: v",
        )
    };
    let faults = [("GetSecretValue", 1), ("GetSecretValue", 2), ("DescribeSecret", 1)];
    for (action, nth) in faults {
        for late in STEPS {
            let setup = scheduled(production()).await;
            let (old, version) = (password(&setup), announced(&setup));
            for name in STEPS {
                if name == late {
                    setup.aws.fault(Fault::on(action, nth, missing()).times(3));
                }
                step(&setup, name, &version).await.unwrap_or_else(|why| panic!("{name} after {action} {nth}: {why}"));
            }
            assert_ne!(password(&setup), old);
            assert_eq!(setup.tokens(GROUP), [old, password(&setup)], "{late} after {action} {nth}");
            setup.deleted().await;
        }
    }
}

/// The label is not on the version yet when the step comes.
#[tokio::test(start_paused = true)]
async fn a_version_that_is_not_pending_at_first_is_looked_at_again() {
    let label = |setup: &Setup, version: &str, on: bool| {
        let change = if on { "MoveToVersionId" } else { "RemoveFromVersionId" };
        let params = json!({"SecretId": SECRET, "VersionStage": "AWSPENDING", change: version});
        setup.by_hand(SecretsManager::handle, "UpdateSecretVersionStage", params);
    };
    for late in STEPS {
        let setup = scheduled(production()).await;
        let version = announced(&setup);
        for name in STEPS {
            if name != late {
                step(&setup, name, &version).await.unwrap();
                continue;
            }
            label(&setup, &version, false);
            let shows = async {
                tokio::time::sleep(Duration::from_secs(4)).await;
                label(&setup, &version, true);
            };
            let (taken, ()) = tokio::join!(step(&setup, name, &version), shows);
            taken.unwrap_or_else(|why| panic!("{name}: {why}"));
        }
        assert_eq!(setup.tokens(GROUP).last(), Some(&password(&setup)));
        setup.deleted().await;
    }
}

/// What never shows ends the step soon, with the cause and what to do.
#[tokio::test(start_paused = true)]
async fn a_version_that_never_shows_ends_the_step_soon() {
    let setup = scheduled(production()).await;
    let version = announced(&setup);
    for (name, of, reason) in [
        ("setSecret", version.as_str(), "has no value yet"),
        ("testSecret", "never-heard-of-0123456789abcdef012", "is not pending"),
        ("finishSecret", "never-heard-of-0123456789abcdef012", "is not pending"),
    ] {
        let began = tokio::time::Instant::now();
        let failure = step(&setup, name, of).await.unwrap_err();
        for part in [reason, "rotate again", SECRET] {
            assert!(failure.contains(part), "{part:?} is not in {failure}");
        }
        assert!((5..60).contains(&began.elapsed().as_secs()), "{name}: {:?}", began.elapsed());
    }
}

/// Somebody else filled the version that is being rotated in: no endless tries.
#[tokio::test(start_paused = true)]
async fn a_pending_version_of_somebody_else_ends_the_step() {
    let setup = scheduled(production()).await;
    let version = announced(&setup);
    let value = json!({
        "SecretId": SECRET, "ClientRequestToken": version, "SecretString": "hunter2", "VersionStages": ["AWSPENDING"],
    });
    setup.by_hand(SecretsManager::handle, "PutSecretValue", value);
    let before = setup.aws.journal().len();
    let failure = step(&setup, "createSecret", &version).await.unwrap_err();
    assert!(
        failure.contains("has a value already in which no token can be read") && !failure.contains("hunter2"),
        "{failure}"
    );
    assert!(setup.aws.journal().len() - before < 100);
}

/// The rights of a new role take some seconds to be known everywhere; a right that is missing is named.
#[tokio::test(start_paused = true)]
async fn a_first_denial_of_a_step_is_tried_again() {
    let denied = || Kind::error("AccessDeniedException", "not authorized");
    for action in
        ["DescribeSecret", "GetSecretValue", "GetRandomPassword", "PutSecretValue", "DescribeReplicationGroups"]
    {
        let setup = scheduled(production()).await;
        let version = announced(&setup);
        setup.aws.fault(Fault::on(action, 1, denied()).times(3));
        step(&setup, "createSecret", &version).await.unwrap();
        assert!(value(&setup, &version).is_some());
        setup.aws.fault(Fault::on("DescribeSecret", 1, denied()).times(99));
        let failure = step(&setup, "setSecret", &version).await.unwrap_err();
        assert!(failure.contains("allow secretsmanager:DescribeSecret in the function's role"), "{failure}");
    }
}
