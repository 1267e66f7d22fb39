//! The contract with CloudFormation and Lambda: every event is answered once, whatever happens.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::{Answer, SERVICE_TOKEN, StackStatus, UploadFault, UploadResult};
use simulator::faults::{Fault, Kind};
use simulator::secrets_manager::SecretsManager;

use crate::harness::{
    CACHE, PANIC_TEXT, Setup, calls, event, function, function_that_panics_at, invoke, logged, policy, production,
    project_file, quick_start, with,
};

const LOG_STREAM: &str = "2026/11/22/[$LATEST]0123abcd";

/// The answer shows nothing of the panic, and the invocation ends well, so that Lambda does not try it again.
#[tokio::test(start_paused = true)]
async fn a_panic_in_the_middle_of_an_update_is_answered() {
    let aws = LocalAws::new(1.0, Some(policy()));
    let setup = Setup::with_function(aws.clone(), function_that_panics_at("ModifyReplicationGroup", &aws));
    setup.created(production()).await;
    let token = setup.tokens("production-myapp-valkey").remove(0);
    let outcome =
        setup.update(with(production(), json!({"Description": "changed", "AllowedCidrBlocks": ["10.0.0.0/8"]}))).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    let reason = outcome.answers[0].reason();
    assert!(reason.contains("failed unexpectedly") && reason.contains(LOG_STREAM), "{reason}");
    assert!(reason.len() < 200, "{reason}");
    for secret in [PANIC_TEXT, &token, "harness.rs", "backtrace", "panicked at"] {
        assert!(!reason.contains(secret), "{reason}");
    }
    assert_eq!(outcome.answers[0].physical_id, "production-myapp-valkey");
    assert!(setup.invocations().iter().all(Result::is_ok), "Lambda would deliver again");
    setup.deleted().await;
}

/// A panic in a Create and in a Delete is no other matter.
#[tokio::test(start_paused = true)]
async fn a_panic_in_create_or_delete_is_answered() {
    let aws = LocalAws::new(1.0, Some(policy()));
    let setup = Setup::with_function(aws.clone(), function_that_panics_at("CreateReplicationGroup", &aws));
    let outcome = setup.create(quick_start()).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    assert!(outcome.reason.contains("failed unexpectedly"));
    setup.assert_nothing_left();

    let aws = LocalAws::new(1.0, Some(policy()));
    let setup = Setup::with_function(aws.clone(), function_that_panics_at("DeleteReplicationGroup", &aws));
    setup.created(quick_start()).await;
    let outcome = setup.stack.delete(CACHE).await;
    assert_eq!(outcome.status, StackStatus::DeleteFailed);
    assert!(outcome.reason.contains("failed unexpectedly"));
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_is_tried_again_with_growing_pauses() {
    let setup = Setup::new();
    setup.aws.answers().fail_uploads([UploadFault::Status(503), UploadFault::Reset]);
    setup.created(quick_start()).await;
    let uploads = setup.aws.answers().uploads();
    let results: Vec<UploadResult> = uploads.iter().map(|upload| upload.result).collect();
    assert_eq!(results, [UploadResult::Status(503), UploadResult::Reset, UploadResult::Status(200)]);
    let pauses: Vec<Duration> = uploads.windows(2).map(|pair| pair[1].at.since(pair[0].at)).collect();
    assert!(pauses[0] > Duration::from_millis(100) && pauses[1] > pauses[0], "{pauses:?}");
    assert!(setup.aws.answers().duplicates().is_empty());
    setup.deleted().await;
}

/// A URL that is refused stays refused; the log says so without what signs it.
#[tokio::test(start_paused = true)]
async fn a_refused_upload_is_given_up_and_logged_without_its_signature() {
    let setup = Setup::new();
    setup.aws.answers().fail_uploads([UploadFault::Status(403); 20]);
    let (answer, log) = logged(setup.stack.send("Replace", CACHE, json!({}))).await;
    assert!(answer.unwrap_err().contains("did not receive a response"));
    let tries = setup.aws.answers().uploads().len();
    assert!((2..=8).contains(&tries), "{tries} tries");
    assert_eq!(setup.invocations(), [Ok(())], "another delivery could not answer either");
    assert!(log.contains("answer not delivered") && log.contains("403"), "{log}");
    assert!(!log.contains("X-Amz-"), "{log}");
}

/// A bucket that is down for longer: Lambda brings the event again, and the answer arrives.
#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_delivered_now_is_delivered_by_the_next_try() {
    let setup = Setup::new();
    setup.aws.answers().fail_uploads([UploadFault::Status(503); 10]);
    setup.created(quick_start()).await;
    assert!(setup.invocations()[0].is_err());
    let error = setup.invocations()[0].clone().unwrap_err();
    assert!(!error.contains("X-Amz-"), "{error}");
    assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 1);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_service_error_is_cut_and_keeps_the_log_stream() {
    for filler in ["lorem ipsum ", "\"quoted\" ", "日本語 "] {
        let setup = Setup::new();
        let message = format!("BEGIN {}", filler.repeat(6000 / filler.len()));
        setup.aws.fault(Fault::on("CreateReplicationGroup", 1, Kind::error("InvalidParameterValue", message)));
        let outcome = setup.create(quick_start()).await;
        assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
        let answer = &outcome.answers[0];
        assert!(answer.length <= 4096 && answer.length > 3000, "{} bytes", answer.length);
        let reason = answer.reason();
        assert!(reason.contains("elasticache:CreateReplicationGroup") && reason.contains("BEGIN"), "{reason}");
        assert!(reason.ends_with(LOG_STREAM), "{reason}");
        setup.assert_nothing_left();
    }
}

#[tokio::test(start_paused = true)]
async fn the_physical_id_of_update_and_delete_is_the_one_that_came() {
    let setup = Setup::new();
    let created = setup.created(quick_start()).await;
    let (updated, _) = setup.updated(with(quick_start(), json!({"Description": "changed"}))).await;
    assert_eq!(updated.physical_id, created.physical_id);
    let failed = setup.update(with(quick_start(), json!({"Port": 0, "Env": {"not": "a name"}}))).await;
    assert_eq!(failed.status, StackStatus::UpdateRollbackComplete);
    assert!(failed.answers.iter().all(|answer| answer.physical_id == created.physical_id));
    for id in ["app-Cache-1X2Y3Z4A5B6C7", "Some_Other.Id", "x"] {
        // Not in the properties' own stack, so that nothing of this one is found under them.
        let stray = json!({"PhysicalResourceId": id, "LogicalResourceId": "Stray"});
        let answer = setup.stack.send("Delete", CACHE, stray).await.unwrap();
        assert!(answer.is_success(), "{}", answer.reason());
        assert_eq!(answer.physical_id, id);
    }
    assert!(calls(&setup.writes(), "DeleteReplicationGroup").is_empty());
    let deleted = setup.deleted().await;
    assert_eq!(deleted.answers[0].physical_id, created.physical_id);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_request_type_is_answered_with_a_failure() {
    let setup = Setup::new();
    for kind in ["Replace", "create", "CREATE", ""] {
        let overrides = json!({"RequestType": kind, "ResourceProperties": quick_start()});
        let answer = setup.stack.send("Create", CACHE, overrides).await.unwrap();
        assert!(!answer.is_success());
        assert!(answer.reason().contains("unknown RequestType"), "{}", answer.reason());
    }
    assert!(setup.aws.journal().is_empty());
    setup.assert_nothing_left();
}

/// Broken in any way, but with an address for the answer.
#[tokio::test(start_paused = true)]
async fn an_event_of_the_wrong_shape_is_answered_when_it_says_where() {
    let good = json!({"ResourceProperties": quick_start()});
    for (kind, overrides, named) in [
        ("Create", json!({"RequestType": null}), "RequestType"),
        ("Create", json!({"RequestType": 7}), "RequestType"),
        ("Create", json!({"RequestType": {"a": []}}), "RequestType"),
        ("Create", json!({"ResourceProperties": null}), "ResourceProperties"),
        ("Create", json!({"ResourceProperties": "none"}), "ResourceProperties"),
        ("Create", json!({"ResourceProperties": [quick_start()]}), "ResourceProperties"),
        ("Create", json!({"ResourceProperties": 3}), "ResourceProperties"),
        ("Create", json!({"ResourceProperties": {}}), "Env: is required"),
        ("Create", json!({"RequestId": null}), "RequestId"),
        ("Create", json!({"RequestId": 12}), "RequestId"),
        ("Create", json!({"StackId": null}), "StackId"),
        ("Create", json!({"StackId": ["arn"]}), "StackId"),
        ("Create", json!({"LogicalResourceId": null}), "LogicalResourceId"),
        ("Create", json!({"LogicalResourceId": false}), "LogicalResourceId"),
        ("Create", json!({"ResourceType": 1}), "ResourceType"),
        ("Update", json!({"OldResourceProperties": quick_start()}), "PhysicalResourceId"),
        ("Update", json!({"PhysicalResourceId": "development-myapp-valkey"}), "OldResourceProperties"),
        ("Update", json!({"PhysicalResourceId": 5, "OldResourceProperties": {}}), "PhysicalResourceId"),
        ("Delete", json!({}), "PhysicalResourceId"),
        ("Delete", json!({"PhysicalResourceId": ["a"]}), "PhysicalResourceId"),
    ] {
        let setup = Setup::new();
        let mut event = good.clone();
        event.as_object_mut().unwrap().extend(overrides.as_object().unwrap().clone());
        let answer = setup.stack.send(kind, CACHE, event).await;
        let answer = answer.unwrap_or_else(|error| panic!("{kind} {overrides}: {error}"));
        assert!(!answer.is_success(), "{kind} {overrides}");
        assert!(answer.reason().contains(named), "{named} for {overrides}: {}", answer.reason());
        assert_eq!(setup.invocations(), [Ok(())]);
        assert_eq!(setup.write_names(), Vec::<String>::new(), "{overrides}");
        setup.assert_nothing_left();
    }
}

/// Broken, and nowhere to say so: the invocation fails with a clear line in the log, and AWS is not called.
#[tokio::test(start_paused = true)]
async fn an_event_without_a_usable_address_fails_the_invocation() {
    let request = |url: Value| {
        json!({
            "RequestType": "Create", "RequestId": "r", "StackId": "arn:s", "LogicalResourceId": CACHE,
            "ResourceType": "Custom::ElastiCache", "ResourceProperties": quick_start(), "ResponseURL": url,
        })
    };
    let mut no_url = request(Value::Null);
    no_url.as_object_mut().unwrap().remove("ResponseURL");
    for event in [
        Value::Null,
        json!("an event"),
        json!(7),
        json!([request(json!("https://example.com/?X-Amz-Signature=s"))]),
        json!({}),
        json!({"Records": [{"eventSource": "aws:sqs"}]}),
        event("not-an-event"),
        no_url,
        request(Value::Null),
        request(json!(12)),
        request(json!("")),
        request(json!("not a url")),
        request(json!("http://example.com/key?X-Amz-Signature=s")),
        request(json!("http://169.254.169.254/latest?X-Amz-Signature=s")),
        request(json!("http://localhost.example.com/key?X-Amz-Signature=s")),
        request(json!("file:///etc/passwd")),
    ] {
        let setup = Setup::new();
        let (result, log) = logged(setup.stack.invoke(event.clone())).await;
        assert!(result.is_err(), "{event}");
        assert!(log.contains("the event cannot be answered") && log.contains("ResponseURL"), "{event}: {log}");
        assert!(!log.contains("X-Amz-") && !result.unwrap_err().contains("X-Amz-"), "{event}");
        assert!(setup.aws.journal().is_empty() && setup.aws.answers().uploads().is_empty(), "{event}");
    }
}

/// A Delete has to work whatever became of the properties.
#[tokio::test(start_paused = true)]
async fn a_delete_needs_no_valid_properties() {
    for properties in [
        json!({}),
        json!("none"),
        json!([]),
        json!({"Env": {}, "Port": "many", "FinalSnapshotIdentifier": "-no-", "SecretRecoveryWindowInDays": 3}),
        json!({"OldName": "of an older release", "Env": "other", "ProjectId": "other"}),
    ] {
        let setup = Setup::new();
        setup.created(quick_start()).await;
        let answer = setup.stack.send("Delete", CACHE, json!({"ResourceProperties": properties})).await.unwrap();
        assert!(answer.is_success(), "{properties}: {}", answer.reason());
        assert_eq!(answer.physical_id, "development-myapp-valkey");
        setup.assert_nothing_left();
    }
}

/// What an older release called the properties before is no reason to refuse an Update, and changes nothing by itself.
#[tokio::test(start_paused = true)]
async fn an_update_from_properties_of_an_older_release_is_understood() {
    for old in [
        with(production(), json!({"CacheNodeType": "cache.t4g.small", "NodeType": null})),
        with(production(), json!({"EngineVersion": "5.0.6", "Engine": "redis", "Retired": {"a": [1]}})),
        json!({"Env": "production", "ProjectId": "myapp"}),
        json!({}),
        json!("none"),
        json!([]),
        Value::Null,
    ] {
        let setup = Setup::new();
        let created = setup.created(production()).await;
        let before = setup.writes().len();
        let update = async |properties: Value| {
            let event = json!({"ResourceProperties": properties, "OldResourceProperties": old});
            setup.stack.send("Update", CACHE, event).await
        };
        // CloudFormation always sends them; an event without them is answered too.
        if old.is_null() {
            assert!(update(production()).await.unwrap().reason().contains("OldResourceProperties"));
            continue;
        }
        let answer = update(production()).await.unwrap();
        assert!(answer.is_success(), "{old}: {}", answer.reason());
        assert_eq!(answer.physical_id, created.physical_id);
        assert_eq!(setup.writes().len(), before, "{old}: {:?}", setup.write_names());
        let answer = update(with(production(), json!({"Description": "changed"}))).await.unwrap();
        assert!(answer.is_success(), "{old}: {}", answer.reason());
        assert_eq!(setup.write_names().split_off(before), ["ModifyReplicationGroup"], "{old}");
        setup.deleted().await;
    }
}

/// The rollback of an Update brings properties back that lack what newer releases know.
#[tokio::test(start_paused = true)]
async fn a_rollback_to_properties_of_an_older_release_is_accepted() {
    let setup = Setup::new();
    let bare =
        with(production(), json!({"SnapshotRetentionLimit": null, "Tags": null, "TransitEncryptionEnabled": null}));
    setup.created(bare.clone()).await;
    let refusal = Kind::error("InvalidParameterValue", "This is not possible.");
    setup.aws.fault(Fault::on("ModifyReplicationGroup", 1, refusal));
    let newer = json!({"Description": "changed", "TransitEncryptionMode": "required", "Durability": null,
        "DeletionProtection": true, "ReplacementPolicy": "Refuse", "AllowedCidrBlocks": ["10.0.0.0/8"]});
    let outcome = setup.update(with(production(), newer)).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    assert!(outcome.reason.contains("This is not possible."), "{}", outcome.reason);
    assert!(outcome.answers[1].is_success());
    setup.deleted().await;
}

/// What an event file says.
enum Expected {
    Success,
    /// Refused, with these words in the Reason.
    Refused(&'static [&'static str]),
    /// A step of a rotation, taken without an answer.
    Rotated,
    /// A plan, with this in its text.
    Planned(&'static str),
    /// Not an event that can be answered.
    NoAnswer,
}

fn expected(name: &str) -> Expected {
    match name {
        "create-production"
        | "create-quick-start"
        | "delete"
        | "delete-final-snapshot"
        | "delete-unknown-id"
        | "update-allow-list"
        | "update-no-change"
        | "update-one-node-to-two"
        | "update-replacement"
        | "update-rotate-token" => Expected::Success,
        "rotation-create-secret" => Expected::Rotated,
        "plan" => Expected::Planned("increase replicas of development-myapp-valkey to 1"),
        "many-problems" => Expected::Refused(&[
            "EngineVersion (7.1)",
            "AutomaticFailoverEnabled",
            "MultiAzEnabled",
            "SnapshotRetentionLimit (36)",
            "FinalSnapshotIdentifier (1--final-)",
        ]),
        "node-count-with-shards" => Expected::Refused(&["NumCacheNodes", "NumNodeGroups", "ReplicasPerNodeGroup"]),
        "unknown-property" => Expected::Refused(&["NodeTyp", "did you mean NodeType?"]),
        "wrong-types" => Expected::Refused(&["SubnetIds", "NumCacheNodes (two)", "MultiAzEnabled", "Tags"]),
        "properties-not-a-map" => Expected::Refused(&["ResourceProperties: must be a map"]),
        "unknown-request-type" => Expected::Refused(&["unknown RequestType"]),
        "not-an-event" => Expected::NoAnswer,
        other => panic!("nobody says what events/{other}.json does"),
    }
}

/// Sends an event of a file, with a response URL of the local AWS in place of its own.
async fn send(setup: &Setup, event: &Value, changes: Value) -> Answer {
    let event = with(with(event.clone(), json!({"ResponseURL": null})), changes);
    let kind = event["RequestType"].as_str().unwrap().to_owned();
    setup.stack.send(&kind, CACHE, event).await.unwrap()
}

/// The first step of a rotation that Secrets Manager has announced.
async fn takes_a_step(setup: &Setup, event: Value) {
    setup.created(production()).await;
    let name = "elasticache/production-myapp-valkey/auth-token";
    let version = &event["ClientRequestToken"];
    let rotation = json!({"SecretId": name, "RotationLambdaARN": SERVICE_TOKEN, "ClientRequestToken": version});
    let announced = setup.by_hand(SecretsManager::handle, "RotateSecret", rotation);
    setup.stack.invoke(with(event.clone(), json!({"SecretId": announced["ARN"]}))).await.unwrap();
    let pending = json!({"SecretId": name, "VersionStage": "AWSPENDING"});
    assert_eq!(setup.by_hand(SecretsManager::handle, "GetSecretValue", pending)["VersionId"], *version);
}

/// Every file in `events/` does what its name says.
#[tokio::test(start_paused = true)]
async fn the_event_files_do_what_they_are_named_for() {
    let files: BTreeSet<String> = std::fs::read_dir(project_file("events"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert!(files.len() >= 15, "{files:?}");
    for name in files {
        let setup = Setup::new();
        let event = event(&name);
        match expected(&name) {
            Expected::NoAnswer => {
                assert!(setup.stack.invoke(event).await.is_err());
                continue;
            }
            Expected::Rotated => {
                takes_a_step(&setup, event).await;
                continue;
            }
            Expected::Planned(part) => {
                setup.created(event["Plan"]["OldResourceProperties"].clone()).await;
                let told = invoke(function(&setup.aws), SERVICE_TOKEN.to_owned(), event).await.unwrap();
                assert!(told["text"].as_str().unwrap().contains(part), "{told:#}");
                continue;
            }
            Expected::Success | Expected::Refused(_) => {}
        }
        let kind = event["RequestType"].as_str().unwrap();
        // Update and Delete find what the Create before them made.
        let before = if kind == "Update" { "OldResourceProperties" } else { "ResourceProperties" };
        let life = json!({"RequestType": "Create", "RequestId": "earlier", "PhysicalResourceId": null,
            "OldResourceProperties": null, "ResourceProperties": event[before]});
        if ["Update", "Delete"].contains(&kind) {
            let answer = send(&setup, &event, life).await;
            assert!(answer.is_success(), "{name}: {}", answer.reason());
        }
        let writes = setup.write_names().len();
        let answer = send(&setup, &event, json!({})).await;
        let written = setup.write_names().split_off(writes);
        match expected(&name) {
            Expected::Success => assert!(answer.is_success(), "{name}: {}", answer.reason()),
            Expected::Refused(parts) => {
                assert!(!answer.is_success() && written.is_empty(), "{name}: {written:?}");
                for part in parts {
                    assert!(answer.reason().contains(part), "{name}: {part:?} is not in {}", answer.reason());
                }
            }
            Expected::Rotated | Expected::Planned(_) | Expected::NoAnswer => unreachable!(),
        }
        let did = written.iter().map(String::as_str).collect::<Vec<_>>();
        match name.as_str() {
            "update-allow-list" => {
                assert_eq!(did, ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]);
            }
            "update-no-change" => assert!(did.is_empty(), "{did:?}"),
            "update-one-node-to-two" => assert_eq!(did, ["IncreaseReplicaCount", "ModifyReplicationGroup"]),
            "update-replacement" => assert_eq!(answer.physical_id, "production-myapp-valkey-2"),
            "update-rotate-token" => {
                let modified = did.iter().filter(|action| **action == "ModifyReplicationGroup");
                assert_eq!(modified.count(), 2, "ROTATE and SET: {did:?}");
            }
            "delete-final-snapshot" => {
                let count = setup.aws.with(|world, _| world.elasticache.snapshots.len());
                assert_eq!(count, 1);
            }
            _ => {}
        }
        let replaced = event["PhysicalResourceId"].as_str().filter(|id| *id != answer.physical_id);
        let standing = [replaced, Some(answer.physical_id.as_str())].into_iter().flatten();
        for id in standing.filter(|_| kind != "Delete") {
            let end = json!({"RequestType": "Delete", "RequestId": format!("later {id}"), "OldResourceProperties": null,
                "PhysicalResourceId": id});
            let answer = send(&setup, &event, end).await;
            assert!(answer.is_success(), "{name}: {}", answer.reason());
        }
        setup.aws.with(|world, _| world.elasticache.snapshots.clear());
        setup.assert_nothing_left();
    }
}
