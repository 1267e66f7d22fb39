//! `docs/operations.md` knows every message, metric and alarm.

use std::collections::BTreeSet;
use std::time::Duration;

use elasticache_resource::aws::{Class, Fault};
use elasticache_resource::cfn::request::{ReplyTo, Request};
use elasticache_resource::domain::problem::Problem;
use elasticache_resource::error::Error;
use elasticache_resource::telemetry::metrics::{Ended, Ending, Meter, NAMESPACE, Work};
use serde_json::{Value, json};

use crate::harness::project_file;
use crate::structure::sources;

fn page() -> String {
    std::fs::read_to_string(project_file("docs/operations.md")).unwrap()
}

/// The words of a message that do not change; `None` when nobody is told. A new kind of error does not compile here
/// until it has a line in the page.
fn words(error: &Error) -> Option<&'static str> {
    match error {
        Error::Refused(_) => Some("problems with the properties: "),
        // The action and what it was about differ; what each class is told is tested below.
        Error::Calls(_) | Error::HandOver | Error::Superseded => None,
        Error::CreateFailed { .. } => Some("creating replication group "),
        Error::NotAchieved { .. } => Some("AWS accepted \""),
        Error::DeletedMeanwhile { .. } => Some(" was deleted while this request was worked on"),
        Error::TimedOut { .. } => Some("not finished after "),
    }
}

#[test]
fn every_kind_of_error_is_explained() {
    let page = page();
    let problem = || Problem::new("Port", "must be a number", "write 6379");
    let text = || "text".to_owned();
    let errors = [
        Error::Refused(vec![problem(), Problem::new("Env", "is required", "set it")]),
        Error::CreateFailed { group: text(), events: Vec::new() },
        Error::NotAchieved { step: text(), events: Vec::new() },
        Error::DeletedMeanwhile { group: text() },
        Error::TimedOut { waiting_for: text(), last: text(), elapsed: Duration::ZERO, done: vec![text()] },
    ];
    for error in errors {
        let words = words(&error).unwrap();
        assert!(error.to_string().contains(words), "{words:?} is not in {error}");
        assert!(page.contains(words), "{words:?} is not in the page");
    }
    assert!(page.contains("ElastiCache gives no reason in its events"));
}

#[test]
fn every_advice_is_explained() {
    let page = page();
    let classes = [
        Class::Missing,
        Class::Exists,
        Class::Busy,
        Class::Unchanged,
        Class::Throttled,
        Class::Unavailable,
        Class::Denied,
        Class::Quota,
        Class::Capacity,
        Class::Invalid,
    ];
    let mut advised = 0;
    for class in classes {
        let fault = Fault {
            action: "<action>",
            on: "it".to_owned(),
            code: "Code".to_owned(),
            message: "text".to_owned(),
            request_id: None,
            class,
        };
        let text = fault.to_string();
        assert!(text.starts_with("<action> on it: Code: text"), "{text}");
        if let Some((_, advice)) = text.split_once("; ") {
            advised += 1;
            assert!(page.contains(&format!("`{advice}`")), "{advice:?} is not in the page");
        }
    }
    assert!(advised >= 4);
}

#[test]
fn every_word_about_a_wrong_event_is_explained() {
    let page = page();
    let about_address = |url: Value| ReplyTo::read(&json!({ "ResponseURL": url })).unwrap_err().to_owned();
    let about_request = |event: Value| Request::read(&event).unwrap_err();
    for (text, stable) in [
        (about_address(Value::Null), None),
        (about_address(json!("not a url")), None),
        (about_address(json!("http://example.com")), None),
        (about_request(json!({"RequestType": "Replace"})), Some("unknown RequestType")),
        (about_request(json!({"RequestType": "Create"})), Some("the event is not a custom resource request")),
    ] {
        let stable = stable.unwrap_or(&text);
        assert!(text.contains(stable) && page.contains(stable), "{text:?} is not in the page");
    }
}

/// The last text in the arguments that begin here.
fn last_text(arguments: &str) -> Option<String> {
    let (mut depth, mut text, mut last, mut escaped) = (0_i32, None::<String>, None, false);
    for c in arguments.chars() {
        match (&mut text, c) {
            (Some(text), _) if escaped => {
                text.push(c);
                escaped = false;
            }
            (Some(_), '\\') => escaped = true,
            (Some(_), '"') => last = text.take(),
            (Some(text), _) => text.push(c),
            (None, '"') => text = Some(String::new()),
            (None, '(') => depth += 1,
            (None, ')') if depth == 0 => break,
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
    }
    last
}

fn warnings_and_errors() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for source in sources() {
        let code = source.text.split("#[cfg(test)]").next().unwrap();
        for call in ["warn!(", "error!("] {
            found.extend(code.split(call).skip(1).filter_map(last_text));
        }
    }
    found
}

#[test]
fn every_warning_and_error_in_the_log_is_explained() {
    let page = page();
    let lines = warnings_and_errors();
    assert!(lines.len() >= 10 && lines.contains("answer not delivered"), "{lines:?}");
    for line in lines {
        assert!(page.contains(&format!("| `{line}` |")), "{line:?} is not in the page");
    }
}

#[test]
fn what_else_is_said_is_explained() {
    let page = page();
    let said = ["src/handler.rs", "src/invocation.rs"].map(|file| std::fs::read_to_string(project_file(file)).unwrap());
    for words in [
        "the work could not be handed on",
        "the function failed unexpectedly; its log says where. Please report it",
        "PhysicalResourceId is not the id of a replication group",
        "answering SUCCESS",
    ] {
        assert!(said.iter().any(|file| file.contains(words)), "{words:?} is no longer said");
        assert!(page.contains(words), "{words:?} is not in the page");
    }
}

#[test]
fn every_metric_and_outcome_is_explained_and_no_other() {
    let page = page();
    let section = page.split("## Metrics").nth(1).unwrap().split("\n## ").next().unwrap();
    let names = |header: &str| -> BTreeSet<String> {
        let table = section.split(header).nth(1).unwrap().split("\n\n").next().unwrap();
        let cells = table.lines().skip(2).filter_map(|line| line.split('|').nth(1));
        cells.flat_map(|cell| cell.split(',')).map(|name| name.trim().trim_matches('`').to_owned()).collect()
    };
    let meter = meter();
    let line = line(&meter, Ended::Success);
    let printed: BTreeSet<String> = line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|metric| metric["Name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names("| Metric | Unit | Meaning |"), printed);
    let ends = [Ended::Success, Ended::Failed, Ended::Undelivered, Ended::Open];
    let mut outcomes: BTreeSet<String> = ends.into_iter().map(|end| line_outcome(&meter, end)).collect();
    outcomes.insert("HANDED_OVER".to_owned());
    assert_eq!(names("| `Outcome` | Meaning |"), outcomes);
}

fn meter() -> std::sync::Arc<Meter> {
    // A meter reads tokio's clock, which runs without a runtime too.
    Meter::start(0)
}

fn line(meter: &Meter, outcome: Ended) -> Value {
    let (request_id, stack_id, logical_id) = ("r", "s", "l");
    let elapsed = Duration::ZERO;
    let work = Work::Request { request_type: "Create", request_id, stack_id, logical_id };
    meter.line(&Ending { work, outcome, elapsed })
}

fn line_outcome(meter: &Meter, outcome: Ended) -> String {
    line(meter, outcome)["Outcome"].as_str().unwrap().to_owned()
}

/// One alarm of the template, as its lines.
fn alarms() -> Vec<(String, String)> {
    let template = std::fs::read_to_string(project_file("template.yaml")).unwrap();
    let resources = template.split("\nResources:\n").nth(1).unwrap().split("\nOutputs:\n").next().unwrap();
    let mut alarms: Vec<(String, String)> = Vec::new();
    for line in resources.lines() {
        match line.strip_prefix("  ").filter(|rest| !rest.starts_with([' ', '#'])) {
            Some(name) => alarms.push((name.trim_end_matches(':').to_owned(), String::new())),
            None => {
                if let Some((_, text)) = alarms.last_mut() {
                    text.push_str(line.trim());
                    text.push('\n');
                }
            }
        }
    }
    alarms.retain(|(_, text)| text.contains("Type: AWS::CloudWatch::Alarm"));
    alarms
}

/// Every alarm has its line in the page, and those on our own metrics watch something that is printed.
#[test]
fn every_alarm_is_explained_and_can_ring() {
    let page = page();
    let alarms = alarms();
    assert!(alarms.len() >= 5, "{alarms:?}");
    let section = page.split("## Alarms").nth(1).unwrap().split("\n## ").next().unwrap();
    let line = line(&meter(), Ended::Failed);
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    let mut own = 0;
    for (name, text) in &alarms {
        assert!(section.contains(&format!("| `{name}` |")), "{name} is not in the page");
        assert!(text.contains("AlarmDescription: "), "{name}");
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().to_owned();
        if value("Namespace: ") == NAMESPACE {
            own += 1;
            let metric = value("MetricName: ");
            assert!(directive["Metrics"].as_array().unwrap().iter().any(|m| m["Name"] == metric.as_str()), "{metric}");
            let dimension = value("- Name: ");
            assert!(directive["Dimensions"].as_array().unwrap().contains(&json!([dimension])), "{dimension}");
            let outcome = value("Value: ");
            let known = [Ended::Success, Ended::Failed, Ended::Undelivered].map(|end| line_outcome(&meter(), end));
            assert!(known.contains(&outcome), "{outcome}");
        }
    }
    assert!(own >= 2, "nothing watches our own metrics");
    assert_eq!(section.matches("Alarm` |").count(), alarms.len(), "the page knows an alarm that does not exist");
}

/// The scanner of messages sees what it should.
#[test]
fn the_last_text_of_a_call_is_its_message() {
    assert_eq!(last_text(r#"a = f("x"), "the message")); more("#), Some("the message".to_owned()));
    assert_eq!(last_text(r#"%fault, "say \"no\" (once)") => g("other")"#), Some("say \"no\" (once)".to_owned()));
    assert_eq!(last_text("reason) + \"later\""), None);
}

/// Every word with which a step of a rotation may fail.
#[test]
fn every_failure_of_a_rotation_is_explained() {
    let (_, section) =
        page().split_once("### Failures of a rotation").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let source = std::fs::read_to_string(project_file("src/auth/rotation/mod.rs")).unwrap();
    let mut known = 0;
    for call in ["Fail(format!(", "Recheck(format!(", "NotShown(format!(", "let reason = ", "    format!("] {
        for text in source.split(call).skip(1).filter_map(|arguments| last_text(arguments.split(';').next()?)) {
            let without_values = text.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after));
            let words: Vec<&str> =
                without_values.map(|part| part.trim_matches([' ', ':', ','])).filter(|w| w.len() > 8).collect();
            let explained = words.is_empty() || words.iter().any(|words| section.contains(words));
            assert!(explained, "{text:?} is not in the page");
            known += 1;
        }
    }
    assert!(known >= 10, "{known}");
}
