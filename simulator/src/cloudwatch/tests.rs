//! What the service answers, by the API reference.

use serde_json::{Value, json};

use super::*;

fn call(world: &mut World, action: &str, params: Value) -> Answer {
    CloudWatch::handle(world, &Call { action: action.to_owned(), params, now: Time::START })
}

fn memory(name: &str) -> Value {
    json!({
        "AlarmName": name, "Namespace": "AWS/ElastiCache", "MetricName": "DatabaseMemoryUsagePercentage",
        "Dimensions": [{"Name": "CacheClusterId", "Value": "app-001"}], "Statistic": "Average", "Period": 300,
        "EvaluationPeriods": 2, "Threshold": 80.0, "ComparisonOperator": "GreaterThanThreshold",
        "Tags": [{"Key": "Team", "Value": "a"}],
    })
}

fn with(mut base: Value, key: &str, value: Value) -> Value {
    base[key] = value;
    base
}

fn names(answer: &Value) -> Vec<&str> {
    items(answer, "MetricAlarms").iter().filter_map(|alarm| text(alarm, "AlarmName")).collect()
}

#[test]
fn an_alarm_is_described_as_it_was_asked_for() {
    let mut world = World::default();
    call(&mut world, "PutMetricAlarm", memory("app/1")).unwrap();
    let answer = call(&mut world, "DescribeAlarms", json!({"AlarmNamePrefix": "app/"})).unwrap();
    let alarm = &answer["MetricAlarms"][0];
    assert_eq!((&alarm["Threshold"], &alarm["Tags"]), (&json!(80.0), &Value::Null));
    assert_eq!(alarm["AlarmArn"], "arn:aws:cloudwatch:us-east-1:123456789012:alarm:app/1");
    assert_eq!(alarm["StateValue"], "INSUFFICIENT_DATA");
}

#[test]
fn a_second_put_replaces_everything_but_the_tags() {
    let mut world = World::default();
    let first = with(memory("app/1"), "OKActions", json!(["arn:aws:sns:us-east-1:123456789012:ops"]));
    call(&mut world, "PutMetricAlarm", first).unwrap();
    let second = with(with(memory("app/1"), "Threshold", json!(90)), "Tags", json!([{"Key": "Team", "Value": "b"}]));
    call(&mut world, "PutMetricAlarm", second).unwrap();
    let answer = call(&mut world, "DescribeAlarms", json!({"AlarmNames": ["app/1"]})).unwrap();
    let alarm = &answer["MetricAlarms"][0];
    assert_eq!((&alarm["Threshold"], &alarm["OKActions"]), (&json!(90.0), &json!([])));
    let arn = json!({"ResourceARN": alarm["AlarmArn"]});
    let tags = call(&mut world, "ListTagsForResource", arn).unwrap();
    assert_eq!(tags["Tags"], json!([{"Key": "Team", "Value": "a"}]));
}

#[test]
fn what_the_reference_forbids_is_refused() {
    let ops = "arn:aws:sns:us-east-1:123456789012:ops";
    for (key, value) in [
        ("AlarmName", json!("")),
        ("AlarmName", json!("x".repeat(256))),
        ("AlarmName", json!("a\nb")),
        ("Period", json!(15)),
        ("Period", json!(90)),
        ("Period", Value::Null),
        ("EvaluationPeriods", json!(0)),
        ("EvaluationPeriods", json!(289)),
        ("DatapointsToAlarm", json!(3)),
        ("Statistic", json!("Median")),
        ("ComparisonOperator", json!("Greater")),
        ("TreatMissingData", json!("fine")),
        ("Threshold", Value::Null),
        ("AlarmActions", json!([ops, ops, ops, ops, ops, ops])),
        ("OKActions", json!(["ops"])),
        ("Dimensions", json!([{"Name": "CacheClusterId", "Value": ""}])),
        ("AlarmDescription", json!("x".repeat(1025))),
    ] {
        let mut world = World::default();
        let refusal = call(&mut world, "PutMetricAlarm", with(memory("app/1"), key, value.clone())).unwrap_err();
        assert_eq!(refusal.code, "ValidationError", "{key} {value}");
        assert!(world.cloudwatch.alarms.is_empty());
    }
    let good = with(with(memory("a"), "Period", json!(10)), "EvaluationPeriods", json!(1));
    call(&mut World::default(), "PutMetricAlarm", good).unwrap();
}

#[test]
fn the_quota_counts_new_alarms_only() {
    let mut world = World::default();
    world.cloudwatch.quota = 1;
    call(&mut world, "PutMetricAlarm", memory("app/1")).unwrap();
    call(&mut world, "PutMetricAlarm", memory("app/1")).unwrap();
    assert_eq!(call(&mut world, "PutMetricAlarm", memory("app/2")).unwrap_err().code, "LimitExceeded");
}

#[test]
fn pages_follow_each_other() {
    let mut world = World::default();
    for number in 0..120 {
        call(&mut world, "PutMetricAlarm", memory(&format!("app/{number:03}"))).unwrap();
    }
    call(&mut world, "PutMetricAlarm", memory("other")).unwrap();
    let first = call(&mut world, "DescribeAlarms", json!({"AlarmNamePrefix": "app/", "MaxRecords": 100})).unwrap();
    assert_eq!((names(&first).len(), &first["NextToken"]), (100, &json!("app/099")));
    let rest = json!({"AlarmNamePrefix": "app/", "MaxRecords": 100, "NextToken": first["NextToken"]});
    let rest = call(&mut world, "DescribeAlarms", rest).unwrap();
    assert_eq!((names(&rest).len(), &rest["NextToken"]), (20, &Value::Null));
    for wrong in [json!({"MaxRecords": 101}), json!({"AlarmNames": ["a"], "AlarmNamePrefix": "a"})] {
        assert_eq!(call(&mut world, "DescribeAlarms", wrong).unwrap_err().code, "ValidationError");
    }
}

#[test]
fn known_alarms_go_whatever_becomes_of_the_others() {
    let mut world = World::default();
    call(&mut world, "PutMetricAlarm", memory("app/1")).unwrap();
    let refusal = call(&mut world, "DeleteAlarms", json!({"AlarmNames": ["app/1", "app/2"]})).unwrap_err();
    assert_eq!((refusal.code.as_str(), refusal.status), ("ResourceNotFound", 404));
    assert!(world.cloudwatch.alarms.is_empty());
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    assert_eq!(call(&mut world, "DeleteAlarms", json!({"AlarmNames": many})).unwrap_err().code, "ValidationError");
}

#[test]
fn a_new_alarm_with_tags_needs_the_right_to_tag() {
    let mut world = World::default();
    let put = Call { action: "PutMetricAlarm".to_owned(), params: memory("app/1"), now: Time::START };
    let actions = |world: &World| -> Vec<String> {
        CloudWatch::rights(world, &put).into_iter().map(|right| right.action).collect()
    };
    assert_eq!(actions(&world), ["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]);
    CloudWatch::handle(&mut world, &put).unwrap();
    assert_eq!(actions(&world), ["cloudwatch:PutMetricAlarm"]);
}
