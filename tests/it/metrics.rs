//! The line of metrics that each invocation prints, held against the specification of CloudWatch's embedded metric
//! format.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::{SERVICE_TOKEN, UploadFault};
use simulator::faults::{Fault, Kind};
use simulator::journal::Caller;
use simulator::secrets_manager::{STEPS, SecretsManager, rotate_with};

use crate::harness::{
    CACHE, PANIC_TEXT, Setup, function_that_panics_at, logged, policy, production, quick_start, with,
};

const UNITS: [&str; 3] = ["Milliseconds", "Count", "None"];

/// Every rule of the specification for one line.
fn assert_embedded_metrics(line: &Value) {
    let aws = line["_aws"].as_object().unwrap();
    assert_eq!(aws.keys().collect::<Vec<_>>(), ["CloudWatchMetrics", "Timestamp"]);
    assert!(aws["Timestamp"].as_u64().unwrap() > 1_600_000_000_000, "milliseconds: {line}");
    let directives = aws["CloudWatchMetrics"].as_array().unwrap();
    assert_eq!(directives.len(), 1);
    for directive in directives {
        assert_eq!(directive["Namespace"], "ElastiCacheResource");
        let sets = directive["Dimensions"].as_array().unwrap();
        assert!(!sets.is_empty());
        for name in sets.iter().flat_map(|set| set.as_array().unwrap()) {
            let value = line[name.as_str().unwrap()].as_str().unwrap_or_else(|| panic!("{name} is no text in {line}"));
            assert!(!value.is_empty() && value.len() <= 255);
        }
        assert!(sets.iter().all(|set| set.as_array().unwrap().len() <= 9));
        let metrics = directive["Metrics"].as_array().unwrap();
        assert!((1..=100).contains(&metrics.len()));
        for metric in metrics {
            let value = &line[metric["Name"].as_str().unwrap()];
            assert!(value.is_u64(), "{metric} is {value}");
            assert!(UNITS.contains(&metric["Unit"].as_str().unwrap()), "{metric}");
            assert!(metric.as_object().unwrap().keys().all(|key| ["Name", "Unit"].contains(&key.as_str())));
        }
    }
    assert!(line.to_string().len() < 256 * 1024);
}

/// The lines of metrics in a log; each of them stands alone.
fn metrics(log: &str) -> Vec<Value> {
    let lines: Vec<Value> =
        log.lines().filter(|line| line.contains("\"_aws\"")).map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.iter().for_each(assert_embedded_metrics);
    lines
}

fn number(line: &Value, name: &str) -> u64 {
    line[name].as_u64().unwrap_or_else(|| panic!("no {name} in {line}"))
}

fn dimensions(line: &Value) -> (&str, &str) {
    (line["RequestType"].as_str().unwrap(), line["Outcome"].as_str().unwrap())
}

#[tokio::test(start_paused = true)]
async fn each_invocation_prints_one_line_of_metrics() {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.elasticache.pace.create = Duration::from_mins(20));
    let ((), log) = logged(async {
        setup.created(production()).await;
        setup.deleted().await;
    })
    .await;
    let lines = metrics(&log);
    let ends: Vec<(&str, &str)> = lines.iter().map(dimensions).collect();
    assert_eq!(ends, [("Create", "HANDED_OVER"), ("Create", "SUCCESS"), ("Delete", "SUCCESS")]);
    assert_eq!(lines.len(), setup.invocations().len());
    // Each try is an entry in the journal of AWS.
    let entries = setup.aws.journal().iter().filter(|entry| entry.caller == Caller::Function).count();
    let counted: u64 = lines.iter().map(|line| number(line, "Calls") + number(line, "Retries")).sum();
    assert_eq!(counted, entries as u64);
    for line in &lines {
        let by_action = line["CallsByAction"].as_object().unwrap();
        assert_eq!(by_action.values().map(|n| n.as_u64().unwrap()).sum::<u64>(), number(line, "Calls"));
        assert!(by_action.contains_key("elasticache:DescribeReplicationGroups"), "{by_action:?}");
        assert_eq!(number(line, "Throttles"), 0);
    }
    assert_eq!(lines[0]["CallsByAction"]["lambda:Invoke"], 1);
    assert_eq!(lines[0]["CallsByAction"]["secretsmanager:CreateSecret"], 1);
    assert_eq!(lines[0]["CallsByAction"]["ec2:CreateSecurityGroup"], 1);
    // Most of the time is waiting, and a request's time goes on over its invocations.
    let minutes = |line: &Value, name: &str| number(line, name) / 60_000;
    assert_eq!((minutes(&lines[0], "Duration"), minutes(&lines[0], "RequestDuration")), (14, 14));
    assert_eq!(minutes(&lines[0], "WaitDuration"), 14);
    assert!(minutes(&lines[1], "Duration") < 7 && minutes(&lines[1], "RequestDuration") >= 20);
    let token = setup.aws.with(|world, _| {
        let secret = world.secrets.secrets().next().unwrap();
        serde_json::from_str::<Value>(secret.current_text().unwrap()).unwrap()["password"].as_str().unwrap().to_owned()
    });
    for line in &lines {
        let text = line.to_string();
        assert!(!text.contains(&token) && !text.contains("X-Amz-") && !text.contains("https://"), "{text}");
    }
}

/// The time that a slow call takes is in the phase that it belongs to.
#[tokio::test(start_paused = true)]
async fn the_phases_tell_what_took_the_time() {
    for (action, phase) in [("DescribeCacheSubnetGroups", "ObserveDuration"), ("CreateReplicationGroup", "ActDuration")]
    {
        let setup = Setup::new();
        setup.aws.fault(Fault::on(action, 1, Kind::Slow(Duration::from_mins(2))));
        let (_, log) = logged(setup.created(quick_start())).await;
        let line = &metrics(&log)[0];
        assert!((120_000..130_000).contains(&number(line, phase)), "{action}: {line}");
        assert!(number(line, "AnswerDuration") < 1000);
    }
    let setup = Setup::new();
    setup.aws.answers().fail_uploads([UploadFault::Status(503); 5]);
    let (_, log) = logged(setup.created(quick_start())).await;
    assert!(number(&metrics(&log)[0], "AnswerDuration") > 5000);
}

/// In every protocol a refusal for too many calls is known as such, and what was tried again shows.
#[tokio::test(start_paused = true)]
async fn throttles_and_retries_are_counted_in_every_protocol() {
    for action in ["DescribeReplicationGroups", "DescribeSecurityGroups", "DescribeSecret", "Invoke"] {
        let setup = Setup::new();
        setup.aws.with(|world, _| world.elasticache.pace.create = Duration::from_mins(16));
        setup.aws.fault(Fault::on(action, 1, Kind::Throttled).times(2));
        let (_, log) = logged(setup.created(production())).await;
        let first = &metrics(&log)[0];
        // A hand-over is tried again by the function itself, as a call of its own.
        let retries = if action == "Invoke" { 0 } else { 2 };
        assert_eq!((number(first, "Throttles"), number(first, "Retries")), (2, retries), "{action}: {first}");
    }
    let setup = Setup::new();
    setup.aws.fault(Fault::on("DescribeReplicationGroups", 1, Kind::http_500()).times(2));
    let (_, log) = logged(setup.created(production())).await;
    let first = &metrics(&log)[0];
    assert_eq!((number(first, "Throttles"), number(first, "Retries")), (0, 2));
}

#[tokio::test(start_paused = true)]
async fn the_outcome_is_that_of_the_answer() {
    let setup = Setup::new();
    let ends = async |work: Box<dyn Future<Output = ()> + '_>| {
        let ((), log) = logged(Box::into_pin(work)).await;
        let lines = metrics(&log);
        lines.iter().map(|line| (line["RequestType"].to_string(), line["Outcome"].to_string())).collect::<Vec<_>>()
    };
    let end = |kind: &str, outcome: &str| (json!(kind).to_string(), json!(outcome).to_string());
    let failing = async {
        setup.stack.send("Create", CACHE, json!({"ResourceProperties": {}})).await.unwrap();
    };
    assert_eq!(ends(Box::new(failing)).await, [end("Create", "FAILED")]);
    let unknown = async {
        setup.stack.send("Replace me", CACHE, json!({})).await.unwrap();
    };
    assert_eq!(ends(Box::new(unknown)).await, [end("Unknown", "FAILED")]);
    setup.aws.answers().fail_uploads([UploadFault::Status(403); 3]);
    let refused = async {
        setup.stack.send("Create", CACHE, json!({"ResourceProperties": {}})).await.unwrap_err();
    };
    assert_eq!(ends(Box::new(refused)).await, [end("Create", "UNDELIVERED")]);
    setup.aws.answers().fail_uploads([UploadFault::Status(503); 8]);
    let twice = async {
        setup.stack.send("Create", CACHE, json!({"ResourceProperties": {}})).await.unwrap();
    };
    assert_eq!(ends(Box::new(twice)).await, [end("Create", "UNDELIVERED"), end("Create", "FAILED")]);
}

/// Each step of a rotation prints a line too, which no alarm about answers counts.
#[tokio::test(start_paused = true)]
async fn each_step_of_a_rotation_prints_one_line_of_metrics() {
    let setup = Setup::new();
    setup.created(with(production(), json!({"AuthTokenGraceMinutes": 30}))).await;
    let secret = setup.aws.with(|world, _| world.secrets.secrets().next().unwrap().arn.clone());
    let rotation = json!({
        "SecretId": secret, "RotationLambdaARN": SERVICE_TOKEN, "RotationRules": {"AutomaticallyAfterDays": 30},
    });
    setup.by_hand(SecretsManager::handle, "RotateSecret", rotation);
    let before = setup.aws.journal().len();
    let (result, log) = logged(async {
        rotate_with(&setup.aws, &*setup.aws.lambda().function(), &secret).await.unwrap();
        tokio::time::sleep(Duration::from_hours(1)).await;
        let late = json!({"SecretId": secret, "ClientRequestToken": "no-version-of-it", "Step": "setSecret"});
        setup.stack.invoke(late).await
    })
    .await;
    assert!(result.unwrap_err().contains("is not pending"));
    let lines = metrics(&log);
    let ends: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|line| {
            assert_eq!(line["RequestType"], "Rotation");
            assert_eq!(line["SecretId"], secret.as_str());
            assert!(!line["_aws"].to_string().contains(r#"["Outcome"]"#), "an alarm about answers counts it");
            (
                line["Step"].as_str().unwrap(),
                line["Outcome"].as_str().unwrap(),
                line["ClientRequestToken"].as_str().unwrap(),
            )
        })
        .collect();
    let version = ends[0].2;
    let retire = |outcome| ("retireOldToken", outcome, version);
    let mut expected: Vec<_> = STEPS.into_iter().map(|step| (step, "SUCCESS", version)).collect();
    expected.extend([retire("HANDED_OVER"), retire("HANDED_OVER"), retire("SUCCESS")]);
    expected.push(("setSecret", "FAILED", "no-version-of-it"));
    assert_eq!(ends, expected);
    let entries = setup.aws.journal().split_off(before).into_iter().filter(|entry| entry.caller == Caller::Function);
    let counted: u64 = lines.iter().map(|line| number(line, "Calls") + number(line, "Retries")).sum();
    assert_eq!(counted, entries.count() as u64);
    let minutes = |line: &Value, name: &str| number(line, name) / 60_000;
    assert_eq!((minutes(&lines[5], "Duration"), minutes(&lines[5], "RequestDuration")), (14, 29));
    assert!(number(&lines[7], "WaitDuration") > 5000 && number(&lines[7], "AnswerDuration") == 0);
}

/// A bug in a step of a rotation prints its line, too, and tells nothing of itself.
#[tokio::test(start_paused = true)]
async fn a_panic_in_a_rotation_prints_its_line() {
    let aws = LocalAws::new(1.0, Some(policy()));
    let setup = Setup::with_function(aws.clone(), function_that_panics_at("DescribeReplicationGroups", &aws));
    let event = json!({"SecretId": "elasticache/a/auth-token", "ClientRequestToken": "v", "Step": "setSecret"});
    let tags = json!([
        {"Key": "elasticache-resource:stack-id", "Value": "s"}, {"Key": "elasticache-resource:logical-id", "Value": "l"},
    ]);
    let secret = json!({"Name": "elasticache/a/auth-token", "SecretString": "{}", "Tags": tags});
    setup.by_hand(SecretsManager::handle, "CreateSecret", secret);
    let (result, log) = logged(setup.stack.invoke(event)).await;
    assert!(!result.unwrap_err().contains(PANIC_TEXT));
    assert_eq!(dimensions(&metrics(&log)[0]), ("Rotation", "FAILED"));
}
