//! The acceptance test against the local AWS, in virtual time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy excepts test functions and not what they share")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use acceptance::account::TAG;
use acceptance::clean::clean;
use acceptance::diagnosis::{Case, Verdict, verdicts};
use acceptance::function;
use acceptance::local::{Local, RehearsedStep, ledger};
use acceptance::play::{End, Played};
use acceptance::report::{Head, announcement, report};
use acceptance::scenarios::{Place, Scenario, all};
use simulator::policy::Policy;

const RUN: &str = "1a2b";

static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::from_template(&project_file("template.yaml")).unwrap());
static LINES: LazyLock<Vec<String>> = LazyLock::new(|| ledger(&page()).unwrap().texts());

fn project_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn page() -> PathBuf {
    project_file("docs/aws-calls.md")
}

/// A local AWS that is as the ledger says, but for one line.
fn local(broken: Option<usize>) -> Local {
    let ledger = ledger(&page()).unwrap();
    let ledger = match broken {
        Some(line) => ledger.with_broken_line(line),
        None => ledger,
    };
    Local::new(Arc::new(ledger), POLICY.clone())
}

/// Does all of this, with as many threads as there are processors, each in its own virtual time.
fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl AsyncFn(&T) -> R + Sync) -> Vec<R> {
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
                    let result = runtime.unwrap().block_on(work(item));
                    results.lock().unwrap().insert(index, result);
                }
            });
        }
    });
    results.into_inner().unwrap().into_values().collect()
}

type Rehearsed = (Vec<RehearsedStep>, Played);

/// All scenarios on a local AWS without fault.
fn rehearsed(scenarios: &[Scenario]) -> Vec<Rehearsed> {
    side_by_side(scenarios, async |scenario| local(None).rehearse(RUN, scenario).await)
}

fn failures(played: &[&Played]) -> Vec<String> {
    let steps = played.iter().flat_map(|played| played.steps.iter().map(move |step| (played.scenario, step)));
    let failed = steps.filter(|(_, step)| step.end != End::Well);
    let mut found: Vec<String> =
        failed.map(|(scenario, step)| format!("{scenario}: {}: {:?}", step.label, step.end)).collect();
    found.extend(played.iter().filter_map(|played| Some(format!("{} left {}", played.scenario, played.left.clone()?))));
    found
}

/// Every line of the page is sent, and holds here. Where the local AWS refuses one of them, the report names that one and no
/// other, and nothing is left behind that could be removed.
#[test]
fn a_line_that_does_not_hold_is_named_and_no_other() {
    let scenarios = all(&Local::place(), RUN);
    let rehearsed = rehearsed(&scenarios);
    let played: Vec<&Played> = rehearsed.iter().map(|(_, played)| played).collect();
    assert_eq!(failures(&played), Vec::<String>::new());
    let cases: Vec<Case<'_>> = rehearsed.iter().map(|(steps, played)| Case { rehearsed: steps, played }).collect();
    let found = verdicts(&LINES, &cases);
    let with = |wanted: Verdict| -> Vec<&str> {
        let all = LINES.iter().zip(&found).filter(|(_, verdict)| **verdict == wanted);
        all.map(|(line, _)| line.as_str()).collect()
    };
    assert_eq!(with(Verdict::NotReached), Vec::<&str>::new());

    let lines: Vec<usize> = (0..LINES.len()).collect();
    let wrong = side_by_side(&lines, async |line| {
        let mut again = Vec::new();
        for (scenario, (steps, clean)) in scenarios.iter().zip(&rehearsed) {
            // The others do not send it, and go as before.
            let sends = steps.iter().any(|step| step.calls.iter().any(|call| call.lines.contains(line)));
            again.push(if sends { local(Some(*line)).play(RUN, scenario).await } else { clean.clone() });
        }
        let cases = rehearsed.iter().zip(&again).map(|((steps, _), played)| Case { rehearsed: steps, played });
        let verdicts = verdicts(&LINES, &cases.collect::<Vec<_>>());
        let named: Vec<&str> = verdicts
            .iter()
            .zip(LINES.iter())
            .filter(|(verdict, _)| matches!(verdict, Verdict::DidNotHold(_)))
            .map(|(_, text)| text.as_str())
            .collect();
        let expected = [LINES[*line].as_str()];
        let played: Vec<&Played> = again.iter().collect();
        (named != expected).then(|| format!("{}: named {named:#?} for {:#?}", LINES[*line], failures(&played)))
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert_eq!(wrong, Vec::<String>::new());
}

/// A run with a function of its own makes it first and removes it last.
#[tokio::test(start_paused = true)]
async fn a_function_is_deployed_for_the_run_and_removed_after_it() {
    let local = local(None);
    let packaged = r#"
        Parameters: {FunctionName: {Type: String}}
        Resources:
            Function:
                Type: AWS::Lambda::Function
                Properties: {FunctionName: !Ref FunctionName, Code: {S3Bucket: bucket, S3Key: zip}, Role: "arn:aws:iam::123456789012:role/a"}
        Outputs: {ServiceToken: {Value: !GetAtt Function.Arn}}"#;
    let service_token = function::deploy(&local.account, RUN, packaged).await.unwrap();
    assert!(service_token.ends_with(":function:acceptance-1a2b"), "{service_token}");
    let scenarios = all(&Place { service_token, ..Local::place() }, RUN);
    let scenario = scenarios.iter().find(|scenario| scenario.name == "topic").unwrap();
    let quarter = local.rehearse("ffff", scenario).await.0.iter().map(|step| step.takes).sum::<Duration>() / 4;
    tokio::time::timeout(quarter, local.play(RUN, scenario)).await.expect_err("it is killed");
    let order = Mutex::new(Vec::new());
    clean(&local.account, Some(RUN), |said| order.lock().unwrap().push(said.to_owned())).await.unwrap();
    let order = order.into_inner().unwrap();
    let at = |name: &str| order.iter().position(|said| said.contains(name)).unwrap();
    assert!(at("acceptance-1a2b-topic") < at("acceptance-1a2b-function"), "{order:?}");
    let left = local.aws.with(|world, _| {
        ["topic", "function"]
            .map(|name| world.cloudformation.stack_status(&format!("acceptance-{RUN}-{name}")).is_some())
    });
    assert_eq!((left, local.aws.leftovers(TAG)), ([false, false], Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn a_function_that_cannot_be_deployed_is_said_with_its_reason() {
    let local = local(None);
    let huge = "#".repeat(60_000);
    let elsewhere = "{\"Resources\": {\"Handle\": {\"Type\": \"AWS::CloudFormation::WaitConditionHandle\"}}, \
                      \"Parameters\": {\"FunctionName\": {\"Type\": \"String\"}}}";
    for (template, expected) in
        [("Resources: {}", "cannot create the stack"), (&huge, "60000 bytes"), (elsewhere, "no output")]
    {
        let failure = function::deploy(&local.account, RUN, template).await.unwrap_err();
        assert!(failure.0.contains(expected), "{failure}");
    }
}

/// What is said before and after it.
#[tokio::test(start_paused = true)]
async fn a_run_is_announced_and_reported() {
    let place = Place { keys: Vec::new(), ..Local::place() };
    let scenarios = all(&place, RUN);
    let find = |name: &str| scenarios.iter().find(|scenario| scenario.name == name).unwrap();
    let (steps, played) = local(None).rehearse(RUN, find("rollback")).await;
    let lacking = vec![(find("keys"), find("keys").lacks(&place))];
    let said = announcement(&[(find("rollback"), &steps)], &lacking, 4);
    for part in ["rollback", "4 steps", "USD 0.", "keys            left out: needs --keys", "at most USD"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let cases = [Case { rehearsed: &steps, played: &played }];
    let verdicts = verdicts(&LINES, &cases);
    let head =
        Head { region: "us-east-1".to_owned(), endpoint: None, date: "2026-11-26".to_owned(), run: RUN.to_owned() };
    let text = report(&head, &LINES, &verdicts, &cases, &lacking);
    for part in [
        "# Acceptance test of 2026-11-26",
        "| `elasticache DeleteReplicationGroup ReplicationGroupId` | held |",
        "| `elasticache CreateReplicationGroup KmsKeyId` | not reached |",
        "| rollback | change, and fail |",
        "| keys | | | left out: needs --keys |",
        "| `AuthTokenLastModifiedDate` moves with ROTATE | not reached |",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

/// Killed anywhere, a run leaves what the clean-up removes; what others made stays.
#[tokio::test(start_paused = true)]
async fn after_a_killed_run_nothing_is_left() {
    let scenarios = all(&Local::place(), RUN);
    for (name, quarters) in
        [("token", 1), ("token", 2), ("token", 3), ("shards", 3), ("replacement", 2), ("users", 2), ("alarms", 2)]
    {
        let scenario = scenarios.iter().find(|scenario| scenario.name == name).unwrap();
        let (whole, _) = local(None).rehearse(RUN, scenario).await;
        let lifetime = whole.iter().map(|step| step.takes).sum::<Duration>() * quarters / 4;
        let local = local(None);
        let killed = tokio::time::timeout(lifetime, local.play(RUN, scenario)).await;
        assert!(killed.is_err(), "{name} ended within {lifetime:?}");
        let others = local.aws.with(|world, _| world.ec2.security_groups().count());
        clean(&local.account, Some("ffff"), |_| ()).await.unwrap();
        assert_eq!(local.aws.with(|world, _| world.ec2.security_groups().count()), others, "of another run");
        clean(&local.account, None, |_| ()).await.unwrap();
        assert_eq!(local.aws.leftovers(TAG), Vec::<String>::new(), "{name} after {lifetime:?}");
        let left = local.aws.with(|world, _| {
            (
                world.elasticache.groups.len(),
                world.elasticache.snapshots.len(),
                world.cloudformation.stack_status(&format!("acceptance-{RUN}-{name}")).is_some(),
            )
        });
        assert_eq!(left, (0, 0, false), "{name} after {lifetime:?}");
    }
}
