//! Work that takes longer than one invocation may: what is handed on, what when that does not work, and what when the
//! time of the request runs out.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::{SERVICE_TOKEN, StackStatus, UploadFault};
use simulator::faults::{Fault, Kind};
use simulator::in_process::InProcess;
use simulator::journal::Entry;
use simulator::policy::Policy;

use crate::answer::{Trouble, troubled};
use crate::harness::{CACHE, Setup, calls, function_over, policy, production, project_file, quick_start, with};
use crate::simulation::host::{Host, Life};

const GROUP: &str = "production-myapp-valkey";
const SECRET: &str = "elasticache/production-myapp-valkey/auth-token";
/// Lambda ends an invocation after this time.
const INVOCATION: Duration = Duration::from_mins(15);

/// An account whose groups take this long to come.
fn slow(create: Duration) -> Setup {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.elasticache.pace.create = create);
    setup
}

fn hand_overs(setup: &Setup) -> Vec<Entry> {
    calls(&setup.aws.journal(), "Invoke").into_iter().filter(|entry| entry.outcome.is_ok()).cloned().collect()
}

/// Nearly an hour, over several invocations; the group is asked for once and there is one answer.
#[tokio::test(start_paused = true)]
async fn fifty_five_minutes_pass_over_four_invocations() {
    // A minute comes on top for TLS.
    let setup = slow(Duration::from_mins(54));
    let outcome = setup.created(production()).await;
    let took = outcome.events[1].at.since(outcome.events[0].at);
    assert!((Duration::from_mins(55)..Duration::from_mins(56)).contains(&took), "{took:?}");
    assert_eq!(hand_overs(&setup).len(), 3);
    assert_eq!(setup.invocations(), [Ok(()), Ok(()), Ok(()), Ok(())]);
    assert_eq!(setup.aws.answers().uploads().len(), 1);
    assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 1);
    setup.deleted().await;
}

/// What is handed on is the event as it came, and with it nothing secret.
#[tokio::test(start_paused = true)]
async fn a_hand_over_holds_no_secret_but_the_events_own() {
    let setup = slow(Duration::from_mins(25));
    let created = setup.created(production()).await;
    let generated = setup.secret(SECRET)["password"].as_str().unwrap().to_owned();
    // A first token later takes two changes, whose steps are remembered.
    setup.aws.with(|world, _| world.elasticache.pace.node_type = Duration::from_mins(20));
    let changed = setup.updated(with(production(), json!({"NodeType": "cache.t4g.medium", "Port": null}))).await.0;
    let handed = hand_overs(&setup);
    assert!(handed.len() >= 2, "{}", handed.len());
    for entry in &handed {
        let payload = &entry.params["Payload"];
        let whole = payload.to_string();
        assert!(!whole.contains(&generated), "the generated token was handed on");
        let requests = created.requests.iter().chain(&changed.requests);
        let event = requests.into_iter().find(|request| request["RequestId"] == payload["Event"]["RequestId"]);
        assert_eq!(Some(&payload["Event"]), event, "the event goes on as it came");
        let memory = payload["Continuation"].to_string();
        assert!(!memory.contains("X-Amz-") && !memory.contains("https://"), "{memory}");
        assert!(memory.contains(GROUP), "{memory}");
        assert!(whole.len() < 16 * 1024, "{} bytes", whole.len());
    }
    setup.deleted().await;
}

/// A token that the template gives is in the event, and nowhere else in what is handed on.
#[tokio::test(start_paused = true)]
async fn a_given_token_is_handed_on_within_the_event_only() {
    let literal = "A-literal-token-of-the-template-0";
    let setup = slow(Duration::from_mins(25));
    setup.created(with(production(), json!({"AuthTokenEnabled": null, "AuthToken": literal}))).await;
    let handed = hand_overs(&setup);
    assert_eq!(handed.len(), 1);
    let payload = &handed[0].params["Payload"];
    assert_eq!(payload["Event"]["ResourceProperties"]["AuthToken"], literal);
    assert!(!payload["Continuation"].to_string().contains(literal));
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_fails_for_a_moment_is_tried_again() {
    for kind in [Kind::http_500(), Kind::Throttled, Kind::CutBefore] {
        let setup = slow(Duration::from_mins(20));
        setup.aws.fault(Fault::on("Invoke", 1, kind.clone()).times(5));
        setup.created(quick_start()).await;
        assert_eq!(hand_overs(&setup).len(), 1, "{kind:?}");
        assert_eq!(setup.invocations(), [Ok(()), Ok(())]);
        setup.deleted().await;
    }
}

/// Network on which what is handed on has the form of another version of the function.
#[derive(Clone, Debug)]
struct AnotherVersion {
    inner: SharedHttpConnector,
    rewrite: fn(&mut Value),
}

impl HttpConnector for AnotherVersion {
    fn call(&self, mut request: HttpRequest) -> HttpConnectorFuture {
        if is_invoke(&request) {
            let mut payload: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
            (self.rewrite)(&mut payload["Continuation"]);
            *request.body_mut() = SdkBody::from(payload.to_string());
        }
        self.inner.call(request)
    }
}

/// A deployment exchanges the code between two invocations of a request: an older version knows less to hand on, and a newer
/// one, on the way back, more.
#[tokio::test(start_paused = true)]
async fn what_another_version_of_the_function_handed_on_is_gone_on_with() {
    let older = |continuation: &mut Value| continuation["Memory"] = json!({"Applied": [], "Done": []});
    let newer = |continuation: &mut Value| {
        continuation["Lap"] = json!({"Count": 1});
        continuation["Memory"]["Weather"] = json!("fine");
    };
    for rewrite in [older as fn(&mut Value), newer, |continuation| *continuation = json!("in a form of its own")] {
        let aws = LocalAws::new(1.0, Some(policy()));
        let inner = SharedHttpConnector::new(InProcess::new(aws.clone()));
        let network = SharedHttpConnector::new(AnotherVersion { inner, rewrite });
        let setup = Setup::with_function(aws, function_over("us-east-1", network));
        setup.aws.with(|world, _| world.elasticache.pace.create = Duration::from_mins(25));
        setup.created(production()).await;
        assert!(!hand_overs(&setup).is_empty());
        setup.aws.with(|world, _| world.elasticache.pace.node_type = Duration::from_mins(20));
        setup.updated(with(production(), json!({"NodeType": "cache.t4g.medium"}))).await;
        assert!(hand_overs(&setup).len() >= 2);
        assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 1);
        assert_eq!(calls(&setup.writes(), "ModifyReplicationGroup").len(), 1);
        setup.deleted().await;
    }
}

fn is_invoke(request: &HttpRequest) -> bool {
    request.uri().contains("/2015-03-31/functions/")
}

/// Checks that a Create whose work cannot be handed on is answered in time, and rolled back.
async fn assert_answered(setup: &Setup, said: &str) {
    setup.aws.with(|world, _| world.elasticache.pace.create = Duration::from_mins(20));
    let outcome = setup.create(quick_start()).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    let took = outcome.events[1].at.since(outcome.events[0].at);
    assert!(took + Duration::from_secs(40) > INVOCATION && took < INVOCATION, "{took:?}");
    let reason = outcome.answers[0].reason();
    assert!(reason.contains("the work could not be handed on") && reason.contains(said), "{reason}");
    assert!(reason.starts_with("after 8"), "{reason}");
    assert_eq!(setup.invocations()[0], Ok(()), "Lambda would deliver again");
    setup.assert_nothing_left();
}

#[tokio::test(start_paused = true)]
async fn work_that_cannot_be_handed_on_is_answered_as_failed() {
    for (kind, said) in [
        (Kind::http_500(), "lambda:InvokeFunction"),
        (Kind::Throttled, "TooManyRequestsException"),
        (Kind::CutBefore, "deploy again later"),
        (Kind::Denied, "allow lambda:InvokeFunction in the function's role"),
    ] {
        let setup = Setup::new();
        setup.aws.fault(Fault::on("Invoke", 1, kind.clone()).times(usize::MAX));
        assert_answered(&setup, said).await;
        let tries = calls(&setup.aws.journal(), "Invoke").len();
        assert!(tries > 4, "{tries} for {kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_gets_no_answer_is_answered_as_failed_in_time() {
    let aws = LocalAws::new(1.0, Some(policy()));
    let setup = Setup::with_function(aws.clone(), troubled(&aws, is_invoke, &[Trouble::Hang; 100]));
    assert_answered(&setup, "no answer in time").await;
}

/// Neither the next invocation nor the bucket can be reached: the invocation ends by itself, and Lambda's next try finds
/// the group.
#[tokio::test(start_paused = true)]
async fn when_nothing_can_be_reached_at_the_end_lambda_tries_again() {
    let setup = slow(Duration::from_mins(14) + Duration::from_secs(50));
    setup.aws.fault(Fault::on("Invoke", 1, Kind::CutBefore).times(usize::MAX));
    setup.aws.answers().fail_uploads([UploadFault::Reset; 8]);
    setup.created(quick_start()).await;
    let invocations = setup.invocations();
    assert!(invocations[0].clone().unwrap_err().contains("could not be delivered"), "{invocations:?}");
    assert_eq!(invocations[1], Ok(()));
    setup.deleted().await;
}

/// An event that died three times waits in the dead-letter queue; sent again while CloudFormation still waits, it ends well.
#[tokio::test(start_paused = true)]
async fn an_event_that_died_three_times_can_be_sent_again() {
    let setup = Setup::new();
    setup.aws.fault(Fault::on("DescribeReplicationGroups", 1, Kind::Slow(Duration::from_hours(2))).times(3));
    let redrive = async {
        // Lambda waits a minute and two minutes between its tries.
        for minutes in [1, 2, 47] {
            setup.kill_next_after(Duration::from_secs(30));
            setup.aws.clock().sleep(Duration::from_mins(minutes)).await;
        }
        assert_eq!(setup.invocations().len(), 3);
        assert!(setup.invocations().iter().all(Result::is_err));
        assert!(setup.writes().is_empty());
        let event = setup.last_event();
        setup.stack.invoke(event).await.unwrap();
    };
    let (outcome, ()) = tokio::join!(setup.create(quick_start()), redrive);
    assert_eq!(outcome.status, StackStatus::CreateComplete, "{}", outcome.reason);
    setup.deleted().await;
}

/// After an hour the answer says what was waited for, what was seen last, how long it took in all, and what was done,
/// also by invocations before.
#[tokio::test(start_paused = true)]
async fn the_answer_after_an_hour_says_what_happened_in_all_of_it() {
    let setup = slow(Duration::from_hours(2));
    let outcome = setup.create(production()).await;
    let took = outcome.events[1].at.since(outcome.events[0].at);
    assert!(took <= Duration::from_mins(59) && took > Duration::from_secs(59 * 60 - 10), "{took:?}");
    let reason = outcome.answers[0].reason();
    for part in [
        "not finished after 58 min 5",
        "waiting for the replication group to be available",
        "(last seen: creating",
        "done so far: ",
        "create secret elasticache/production-myapp-valkey/auth-token with a generated token",
        "create replication group production-myapp-valkey (valkey 8.2, cache.t4g.small)",
        "; deploy again to go on from there",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert!(setup.invocations().iter().all(Result::is_ok));
}

/// AWS takes ever longer to answer: the invocation does not wait until Lambda ends it, and the request is answered in time.
#[tokio::test(start_paused = true)]
async fn calls_that_are_not_answered_hold_up_no_answer() {
    for (begins, service_timeout) in [(0, 3600), (180, 3600), (840, 3600), (3530, 3600), (40, 60), (500, 600)] {
        let setup = slow(Duration::from_hours(2));
        let trouble = async {
            setup.aws.clock().sleep(Duration::from_secs(begins)).await;
            // As long as four tries of twenty seconds each.
            let slow = Kind::Slow(Duration::from_secs(84));
            setup.aws.fault(Fault::on("DescribeReplicationGroups", 1, slow).times(usize::MAX));
        };
        let properties = with(quick_start(), json!({"ServiceTimeout": service_timeout}));
        let create = setup.stack.send("Create", CACHE, json!({"ResourceProperties": properties}));
        let (answer, ()) = tokio::join!(create, trouble);
        let answer = answer.unwrap_or_else(|error| panic!("{begins} of {service_timeout}: {error}"));
        let reason = answer.reason();
        assert!(reason.contains("not finished after") && reason.contains("waiting for"), "{reason}");
        setup.stack.wait_until_idle().await;
        let invocations = setup.invocations();
        assert!(invocations.iter().all(Result::is_ok), "{begins} of {service_timeout}: {invocations:?}");
    }
}

/// However short an invocation is, a part of it is left to work and wait in: handing on at once, again and again, would only
/// bring Lambda to break the chain.
#[tokio::test(start_paused = true)]
async fn a_short_invocation_does_not_hand_on_at_once() {
    for seconds in [10, 20, 30, 60] {
        let host = Host::new(&format!("short-{seconds}"));
        let life = Life { timeout: Duration::from_secs(seconds), ..Life::CALM };
        host.set_fate(move |_| life);
        let outcome = host.stack.create(CACHE, quick_start()).await;
        assert_eq!(outcome.status, StackStatus::CreateComplete, "{seconds}: {}", outcome.reason);
        let took = outcome.events[1].at.since(outcome.events[0].at);
        let each = took / u32::try_from(host.attempts()).unwrap();
        assert!(each > Duration::from_secs(seconds) / 8, "{seconds}: {} invocations", host.attempts());
    }
}

/// A continuation that does not read is no reason to be silent: the event in it still says where to answer.
#[tokio::test(start_paused = true)]
async fn a_continuation_of_another_release_is_taken_up() {
    let setup = Setup::new();
    let created = setup.created(quick_start()).await;
    for continuation in
        [json!({}), json!({"Hop": "many", "Memory": 7}), json!({"Hop": 1, "NewThing": {"a": 1}}), json!(3)]
    {
        let before = setup.aws.answers().duplicates().len();
        let event = &created.requests[0];
        let result = setup.stack.invoke(json!({"Continuation": continuation, "Event": event})).await;
        assert_eq!(result, Ok(()), "{continuation}");
        let answers = setup.aws.answers().duplicates();
        assert!(answers.len() == before + 1 && answers[before].agrees, "{continuation}: {answers:?}");
    }
    assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 1);
    setup.deleted().await;
}

/// A template may name an alias or a version of the function: all the work is done by that one.
#[tokio::test(start_paused = true)]
async fn the_work_goes_on_through_the_same_alias_or_version() {
    for qualifier in ["live", "3", "$LATEST"] {
        let setup = slow(Duration::from_mins(20));
        setup.aws.lambda().publish(qualifier);
        let arn = format!("{SERVICE_TOKEN}:{qualifier}");
        setup.created(with(production(), json!({"ServiceToken": arn}))).await;
        let handed = hand_overs(&setup);
        assert_eq!(handed.len(), 1);
        assert_eq!(handed[0].params["FunctionName"], arn);
        assert_eq!(setup.invoked_arns(), [arn.clone(), arn.clone()]);
        assert_eq!(handed[0].params["Payload"]["Event"]["ServiceToken"], arn);
        setup.deleted().await;
    }
}

/// The right for the function alone is none for its aliases and versions, and the other way round.
#[tokio::test(start_paused = true)]
async fn a_hand_over_that_the_role_does_not_allow_is_answered_with_the_right_that_is_missing() {
    let template = std::fs::read_to_string(project_file("template.yaml")).unwrap();
    let function = "function:${FunctionName}";
    for (end, qualifier) in [("\n", ""), (":*\n", ":live")] {
        let line = template.lines().find(|line| format!("{line}\n").ends_with(&format!("{function}{end}"))).unwrap();
        let less = Policy::from_text(&template.replacen(&format!("{line}\n"), "", 1)).unwrap();
        let setup = Setup::with_aws(LocalAws::new(1.0, Some(less)));
        setup.aws.with(|world, _| world.elasticache.pace.create = Duration::from_mins(20));
        setup.aws.lambda().publish("live");
        let arn = format!("{SERVICE_TOKEN}{qualifier}");
        let outcome = setup.create(with(production(), json!({"ServiceToken": arn}))).await;
        assert_eq!(outcome.status, StackStatus::RollbackComplete);
        let reason = outcome.answers[0].reason();
        let (action, advice) = (format!("lambda:InvokeFunction on {arn}: AccessDenied"), "allow lambda:InvokeFunction");
        assert!(reason.contains(&action) && reason.contains(advice), "{reason}");
    }
}

/// An alias that somebody removed: the answer names it.
#[tokio::test(start_paused = true)]
async fn an_alias_that_is_gone_is_named() {
    let setup = slow(Duration::from_mins(20));
    let arn = format!("{SERVICE_TOKEN}:gone");
    let outcome = setup.create(with(production(), json!({"ServiceToken": arn}))).await;
    let reason = outcome.answers[0].reason();
    assert!(reason.contains(&format!("Function not found: {arn}")), "{reason}");
}
