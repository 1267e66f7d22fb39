//! What people do to a secret of ours: they add keys, break values, replicate it to other regions. The password stays,
//! what is theirs stays, what is ours is put right, and what cannot be put right is said.

use serde_json::{Value, json};
use simulator::cloudformation::StackStatus;
use simulator::elasticache::UserGroup;
use simulator::journal::Entry;
use simulator::secrets_manager::{STEPS, SecretsManager};

use crate::harness::{CACHE, Setup, logged, names, production, with};

const GROUP: &str = "production-myapp-valkey";
const SECRET: &str = "elasticache/production-myapp-valkey/auth-token";
const LITERAL: &str = "A-literal-token-of-the-template-1";

fn literal() -> Value {
    with(production(), json!({"AuthTokenEnabled": null, "AuthToken": LITERAL}))
}

fn other(base: Value) -> Value {
    with(base, json!({"Description": "other"}))
}

/// Somebody writes this into the secret.
fn written(setup: &Setup, text: &str) {
    let value = json!({"SecretId": SECRET, "SecretString": text});
    setup.by_hand(SecretsManager::handle, "PutSecretValue", value);
}

fn edited(setup: &Setup, edit: impl FnOnce(&mut Value)) {
    let mut content = setup.secret(SECRET);
    edit(&mut content);
    written(setup, &content.to_string());
}

fn auth_calls(writes: &[Entry]) -> usize {
    writes.iter().filter(|entry| !entry.params["AuthTokenUpdateStrategy"].is_null()).count()
}

fn theirs() -> Value {
    json!({"database": 3, "nested": {"of": ["theirs", null]}, "Password": "unlike ours", "note": "kept"})
}

fn add_theirs(content: &mut Value) {
    content.as_object_mut().unwrap().extend(theirs().as_object().unwrap().clone());
}

fn assert_theirs(setup: &Setup, what: &str) {
    let content = setup.secret(SECRET);
    for (key, value) in theirs().as_object().unwrap() {
        assert_eq!(&content[key], value, "{what}: {key}");
    }
}

/// Every key of ours, lost or of a wrong type in every way: the next update puts it right and leaves the rest alone.
#[tokio::test(start_paused = true)]
async fn broken_keys_of_ours_are_put_right_and_those_of_others_stay() {
    for properties in [production(), literal()] {
        let setup = Setup::new();
        setup.created(properties.clone()).await;
        let whole = setup.secret(SECRET);
        edited(&setup, add_theirs);
        let (_, writes) = setup.updated(other(properties.clone())).await;
        assert_eq!(names(&writes), ["ModifyReplicationGroup"], "their keys are no drift");
        let mut description = 0;
        for key in whole.as_object().unwrap().keys().filter(|key| *key != "password") {
            let as_text = json!(whole[key].to_string());
            for broken in
                [None, Some(json!(null)), Some(json!({"a": 1})), Some(json!([])), Some(json!(false)), Some(as_text)]
            {
                if broken.as_ref() == Some(&whole[key]) {
                    continue;
                }
                edited(&setup, |content| match broken.clone() {
                    Some(broken) => content[key] = broken,
                    None => drop(content.as_object_mut().unwrap().remove(key)),
                });
                description += 1;
                let properties = with(properties.clone(), json!({"Description": format!("number {description}")}));
                let (_, writes) = setup.updated(properties).await;
                assert_eq!(names(&writes), ["ModifyReplicationGroup", "PutSecretValue"], "{key}: {broken:?}");
                assert_theirs(&setup, key);
                for (key, value) in whole.as_object().unwrap() {
                    assert_eq!(&setup.secret(SECRET)[key], value, "{key}: {broken:?}");
                }
            }
        }
        assert_eq!(setup.tokens(GROUP), [whole["password"].as_str().unwrap()]);
        setup.deleted().await;
    }
}

/// Whatever writes a new version of the secret keeps their keys.
#[tokio::test(start_paused = true)]
async fn keys_of_others_live_through_every_change_of_the_token() {
    let moved = "elasticache/moved";
    let changes = [
        ("version", json!({"AuthTokenVersion": "2"}), SECRET),
        ("literal", json!({"AuthTokenEnabled": null, "AuthToken": LITERAL}), SECRET),
        ("port lost", json!({"AuthTokenVersion": "2"}), SECRET),
    ];
    for (what, change, secret) in changes {
        let setup = Setup::new();
        setup.created(production()).await;
        let whole = setup.secret(SECRET);
        edited(&setup, add_theirs);
        if what == "port lost" {
            edited(&setup, |content| content["port"] = json!("6379"));
        }
        setup.updated(with(production(), change)).await;
        assert_theirs(&setup, what);
        let content = setup.secret(secret);
        assert_eq!(setup.tokens(GROUP), [content["password"].as_str().unwrap()], "{what}");
        for key in whole.as_object().unwrap().keys().filter(|key| !["password", "url"].contains(&key.as_str())) {
            assert_eq!(content[key], whole[key], "{what}: {key}");
        }
        setup.deleted().await;
    }
    // A secret of another name is a new one: theirs move along with the token.
    let setup = Setup::new();
    setup.created(production()).await;
    edited(&setup, add_theirs);
    let whole = setup.secret(SECRET);
    setup.updated(with(production(), json!({"SecretName": moved}))).await;
    assert_eq!(setup.secret(moved), whole);
    setup.deleted().await;
}

/// The same for a rotation on schedule, which finds its cache even if the secret no longer names it.
#[tokio::test(start_paused = true)]
async fn a_scheduled_rotation_keeps_their_keys_and_puts_ours_right() {
    for lost in ["port", "host", "replicationGroupId", "engine", "url", ""] {
        for wrong in [None, Some(json!("elsewhere")), Some(json!({}))] {
            let setup = Setup::new();
            setup.created(production()).await;
            let whole = setup.secret(SECRET);
            edited(&setup, |content| {
                add_theirs(content);
                content.as_object_mut().unwrap().remove(lost);
                if let (Some(wrong), true) = (&wrong, !lost.is_empty()) {
                    content[lost] = wrong.clone();
                }
            });
            rotated(&setup).await.unwrap_or_else(|failure| panic!("{lost} {wrong:?}: {failure}"));
            assert_theirs(&setup, lost);
            let content = setup.secret(SECRET);
            assert_ne!(content["password"], whole["password"]);
            assert_eq!(setup.tokens(GROUP).last().unwrap(), content["password"].as_str().unwrap());
            for key in whole.as_object().unwrap().keys() {
                // Which engine it is a rotation does not see; the next update does.
                if !["password", "url", "engine"].contains(&key.as_str()) {
                    assert_eq!(content[key], whole[key], "{lost} {wrong:?}: {key}");
                }
            }
            setup.updated(other(production())).await;
            assert_eq!(setup.secret(SECRET)["engine"], "valkey");
            assert_theirs(&setup, lost);
            setup.deleted().await;
        }
    }
}

/// One whole rotation by Secrets Manager.
async fn rotated(setup: &Setup) -> Result<(), String> {
    let rotation = json!({
        "SecretId": SECRET, "RotationLambdaARN": simulator::cloudformation::SERVICE_TOKEN,
        "RotationRules": {"AutomaticallyAfterDays": 30},
    });
    let announced = setup.by_hand(SecretsManager::handle, "RotateSecret", rotation);
    let (arn, version) = (&announced["ARN"], &announced["VersionId"]);
    for step in STEPS {
        setup.stack.invoke(json!({"SecretId": arn, "ClientRequestToken": version, "Step": step})).await?;
    }
    Ok(())
}

/// What a secret may hold that no password can be read from, and a word of the reason.
fn unreadable() -> Vec<(Value, &'static str)> {
    let text = |text: &str, why| (json!({"SecretString": text}), why);
    vec![
        text("hunter2", "it is not JSON"),
        text(" ", "it is not JSON"),
        text("[\"hunter2\"]", "its JSON is not an object"),
        text("\"hunter2\"", "its JSON is not an object"),
        text("{}", "its JSON has no password"),
        text(r#"{"password":null,"note":"hunter2"}"#, "its JSON has no password"),
        text(r#"{"password":1234567890123456}"#, "its password is not a string"),
        text(r#"{"password":["hunter2"]}"#, "its password is not a string"),
        text(r#"{"password":""}"#, "its password must have 16 to 128 characters"),
        text(r#"{"password":"hunter2"}"#, "its password must have 16 to 128 characters"),
        text(r#"{"password":"hunter2 hunter2 hunter2"}"#, "its password may hold only"),
        (json!({"SecretBinary": "aHVudGVyMg=="}), "it is binary"),
    ]
}

/// The password in force cannot be read any more: nothing is made up, the refusal says why and what to do, and both ways
/// out work.
#[tokio::test(start_paused = true)]
async fn a_secret_without_a_password_is_refused_until_somebody_asks_for_a_new_one() {
    for (value, why) in unreadable() {
        let setup = Setup::new();
        setup.created(production()).await;
        let (before, tokens) = (setup.secret(SECRET), setup.tokens(GROUP));
        setup.by_hand(SecretsManager::handle, "PutSecretValue", with(value.clone(), json!({"SecretId": SECRET})));
        let (outcome, writes) = setup.rolled_back(other(production())).await;
        let reason = outcome.reason;
        for part in [why, SECRET, "AWSPREVIOUS", "change AuthTokenVersion"] {
            assert!(reason.contains(part), "{part:?} is not in {reason}");
        }
        assert!(!reason.contains("hunter2"), "{reason}");
        assert_eq!((names(&writes), setup.tokens(GROUP)), (Vec::new(), tokens.clone()), "{why}");
        let failure = rotated(&setup).await.unwrap_err();
        for part in [why, SECRET, "AWSPREVIOUS", "AuthTokenVersion"] {
            assert!(failure.contains(part), "{part:?} is not in {failure}");
        }
        assert!(!failure.contains("hunter2"), "{failure}");
        assert_eq!(setup.tokens(GROUP), tokens);
        setup.by_hand(SecretsManager::handle, "CancelRotateSecret", json!({"SecretId": SECRET}));
        // Somebody asks for a new one.
        let asked = with(production(), json!({"AuthTokenVersion": "2"}));
        setup.updated(asked.clone()).await;
        let after = setup.secret(SECRET);
        assert_ne!(after["password"], before["password"]);
        assert_eq!(setup.tokens(GROUP), [after["password"].as_str().unwrap()], "{why}");
        assert_eq!(after["host"], before["host"]);
        // Or puts it back.
        setup.by_hand(SecretsManager::handle, "PutSecretValue", with(value, json!({"SecretId": SECRET})));
        setup.rolled_back(other(asked.clone())).await;
        written(&setup, &after.to_string());
        let (_, writes) = setup.updated(other(asked)).await;
        assert_eq!((names(&writes), setup.secret(SECRET)), (vec!["ModifyReplicationGroup".to_owned()], after));
        setup.deleted().await;
    }
}

/// The template knows its own token: the secret is written again, and the cache does not notice.
#[tokio::test(start_paused = true)]
async fn a_broken_secret_of_a_literal_token_is_written_again() {
    for (value, why) in unreadable() {
        let setup = Setup::new();
        setup.created(literal()).await;
        let before = setup.secret(SECRET);
        setup.by_hand(SecretsManager::handle, "PutSecretValue", with(value.clone(), json!({"SecretId": SECRET})));
        let (_, writes) = setup.updated(other(literal())).await;
        assert_eq!((auth_calls(&writes), setup.tokens(GROUP)), (0, vec![LITERAL.to_owned()]), "{why}");
        let after = setup.secret(SECRET);
        for (key, value) in before.as_object().unwrap() {
            assert_eq!(&after[key], value, "{why}: {key}");
        }
        assert!(value["SecretString"].as_str().is_none_or(|text| !text.contains("note")) || after["note"] == "hunter2");
        setup.deleted().await;
    }
}

/// A template that brings its own token where the generated one cannot be read: the cache gets it.
#[tokio::test(start_paused = true)]
async fn a_literal_token_replaces_a_generated_one_that_cannot_be_read() {
    let setup = Setup::new();
    setup.created(production()).await;
    written(&setup, r#"{"note":"kept"}"#);
    setup.updated(literal()).await;
    assert_eq!(setup.tokens(GROUP), [LITERAL]);
    let content = setup.secret(SECRET);
    assert_eq!((&content["password"], &content["note"]), (&json!(LITERAL), &json!("kept")));
    setup.deleted().await;
}

/// A rollback is never refused for it: it says so and leaves password and secret alone.
#[tokio::test(start_paused = true)]
async fn a_rollback_leaves_a_broken_secret_alone_with_a_warning() {
    let setup = Setup::new();
    setup.created(production()).await;
    let tokens = setup.tokens(GROUP);
    written(&setup, "{}");
    let (outcome, _) = setup.rolled_back(with(production(), json!({"EngineVersion": "1.0"}))).await;
    assert_eq!(setup.tokens(GROUP), tokens);
    let answers = format!("{:?}", outcome.answers);
    assert!(answers.contains("no password can be read from secret"), "{answers}");
    assert_eq!(setup.secret(SECRET), json!({}));
    setup.deleted().await;
}

fn replicated(setup: &Setup, secret: &str) {
    let regions = json!({"SecretId": secret, "AddReplicaRegions": [{"Region": "eu-west-1"}, {"Region": "eu-north-1"}]});
    setup.by_hand(SecretsManager::handle, "ReplicateSecretToRegions", regions);
}

/// AWS deletes no secret that has replicas: the Delete succeeds and says what stays; a stack of the same name goes on with it.
#[tokio::test(start_paused = true)]
async fn a_replicated_secret_does_not_hold_a_delete_back() {
    for days in [0, 7] {
        let properties = with(production(), json!({"SecretRecoveryWindowInDays": days}));
        let setup = Setup::new();
        setup.created(properties.clone()).await;
        replicated(&setup, SECRET);
        let (outcome, log) = logged(setup.stack.delete(CACHE)).await;
        assert_eq!(outcome.status, StackStatus::DeleteComplete, "{:?}", outcome.reason);
        let left = setup.aws.leftovers("elasticache-resource:stack-id");
        assert!(left.len() == 1 && left[0].contains(SECRET), "{left:?}");
        for part in ["a secret is left behind", SECRET, "eu-north-1, eu-west-1", "remove the replicas"] {
            assert!(log.contains(part), "{part:?} is not in the log");
        }
        let again = Setup::with_aws(setup.aws.clone());
        again.created(properties.clone()).await;
        let regions = json!({"SecretId": SECRET, "RemoveReplicaRegions": ["eu-west-1", "eu-north-1"]});
        again.by_hand(SecretsManager::handle, "RemoveRegionsFromReplication", regions);
        again.deleted().await;
    }
}

/// The same where an update no longer needs the secret: it is a warning.
#[tokio::test(start_paused = true)]
async fn a_replicated_secret_that_an_update_no_longer_needs_is_kept_with_a_warning() {
    let away =
        [json!({"AuthTokenEnabled": null, "UserGroupIds": ["people"]}), json!({"SecretName": "elasticache/another"})];
    for change in away {
        let setup = Setup::new();
        setup.aws.with(|world, _| world.elasticache.add_user_group(UserGroup::new("people", "valkey", "p")));
        setup.created(production()).await;
        replicated(&setup, SECRET);
        let (outcome, _) = setup.updated(with(production(), change.clone())).await;
        let answers = format!("{:?}", outcome.answers);
        assert!(answers.contains("is replicated to eu-north-1, eu-west-1: remove the replicas"), "{change}: {answers}");
        assert!(setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().deletion.is_none()));
    }
}
