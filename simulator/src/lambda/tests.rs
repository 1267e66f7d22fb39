//! The Runtime API and Invoke, request by request.

use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::{Environment, FUNCTION_ARN, Function, Invoked, Lambda, Process, Stream};
use crate::clock::Clock;
use crate::local_aws::LocalAws;

async fn runtime(lambda: &Lambda, method: &str, path: &str, body: &str) -> Response<Bytes> {
    let uri = format!("http://127.0.0.1/2018-06-01/runtime/{path}");
    let request = Request::builder().method(method).uri(uri).body(Bytes::from(body.to_owned())).unwrap();
    lambda.runtime_api(request, &Clock::new(1.0)).await
}

fn header(response: &Response<Bytes>, name: &str) -> String {
    response.headers()[name].to_str().unwrap().to_owned()
}

fn invocation(name: &str, kind: &str, body: &str) -> Request<Bytes> {
    let uri = format!("https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/{name}/invocations");
    Request::post(uri).header("x-amz-invocation-type", kind).body(Bytes::from(body.to_owned())).unwrap()
}

/// Status of a call that is answered at once.
fn answered(aws: &LocalAws, request: &Request<Bytes>) -> u16 {
    match Lambda::invoke(aws, request) {
        Invoked::Answered(response) => response.status().as_u16(),
        Invoked::Running(_) => panic!("it waits for the function"),
    }
}

/// Somebody who invokes the function and waits gets what it returns, or what it fails with.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_gets_what_the_function_returns() {
    let aws = LocalAws::new(1.0, None);
    let call = |body: &str| Lambda::invoke(&aws, &invocation("elasticache-resource", "RequestResponse", body));
    assert_eq!(call("{}").refusal().map(|status| status.as_u16()), Some(404), "no function is there");
    let function: Arc<dyn Function> = Arc::new(|event: Value| async move {
        match event["ok"].as_bool() {
            Some(true) => Ok(json!({"plan": event})),
            _ => Err("Runtime.Error: it broke: badly".to_owned()),
        }
    });
    aws.lambda().attach(&function);
    let good = call(r#"{"ok":true}"#).answered().await;
    assert_eq!((good.status().as_u16(), good.body().as_ref()), (200, br#"{"plan":{"ok":true}}"#.as_slice()));
    assert!(!good.headers().contains_key("x-amz-function-error"));
    let bad = call("{}").answered().await;
    assert_eq!((bad.status().as_u16(), header(&bad, "x-amz-function-error").as_str()), (200, "Unhandled"));
    let report: Value = serde_json::from_slice(bad.body()).unwrap();
    assert_eq!(report, json!({"errorType": "Runtime.Error", "errorMessage": "it broke: badly"}));
    assert!(aws.dead_letters().is_empty(), "only an event is delivered again");
}

/// The same through the Runtime API, as a compiled function is reached.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_reaches_a_process() {
    let aws = LocalAws::new(1.0, None);
    let lambda = aws.lambda();
    let polling = tokio::spawn({
        let lambda = lambda.clone();
        async move { runtime(&lambda, "GET", "invocation/next", "").await }
    });
    tokio::task::yield_now().await;
    let call = Lambda::invoke(&aws, &invocation("elasticache-resource", "RequestResponse", r#"{"Plan":{}}"#));
    let event = polling.await.unwrap();
    assert_eq!(event.body(), r#"{"Plan":{}}"#);
    let id = header(&event, "Lambda-Runtime-Aws-Request-Id");
    runtime(lambda, "POST", &format!("invocation/{id}/response"), r#"["a step"]"#).await;
    assert_eq!(call.answered().await.body(), r#"["a step"]"#);
    lambda.runtime_exited("", "exit status: 1");
    assert!(!lambda.is_served());
}

#[tokio::test(start_paused = true)]
async fn an_event_goes_out_by_next_and_its_result_comes_back() {
    let lambda = Lambda::default();
    let polling = tokio::spawn({
        let lambda = lambda.clone();
        async move { runtime(&lambda, "GET", "invocation/next", "").await }
    });
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(!polling.is_finished(), "next is held while there is no event");

    let invoked = Function::invoke(&lambda, json!({"n": 1}));
    let event = polling.await.unwrap();
    assert_eq!(event.body(), r#"{"n":1}"#);
    assert!(header(&event, "Lambda-Runtime-Invoked-Function-Arn").ends_with(":function:elasticache-resource"));
    assert!(header(&event, "Lambda-Runtime-Deadline-Ms").parse::<u64>().unwrap() > 1_700_000_000_000);
    let id = header(&event, "Lambda-Runtime-Aws-Request-Id");
    assert_eq!(runtime(&lambda, "POST", &format!("invocation/{id}/response"), "null").await.status(), 202);
    assert_eq!(invoked.await, Ok(Value::Null));
    assert_eq!(runtime(&lambda, "POST", &format!("invocation/{id}/response"), "null").await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn errors_and_a_lost_process_fail_the_invocation() {
    let lambda = Lambda::default();
    let invoked = Function::invoke(&lambda, json!(1));
    let id = header(&runtime(&lambda, "GET", "invocation/next", "").await, "Lambda-Runtime-Aws-Request-Id");
    let report = r#"{"errorType":"Boom","errorMessage":"it broke"}"#;
    runtime(&lambda, "POST", &format!("invocation/{id}/error"), report).await;
    assert_eq!(invoked.await, Err("Boom: it broke".to_owned()));

    let invoked = Function::invoke(&lambda, json!(2));
    runtime(&lambda, "GET", "invocation/next", "").await;
    lambda.runtime_exited("", "signal: 9");
    assert!(invoked.await.unwrap_err().ends_with("Runtime exited: signal: 9"));

    let invoked = Function::invoke(&lambda, json!(3));
    runtime(&lambda, "POST", "init/error", report).await;
    assert!(invoked.await.is_err());
    assert_eq!(lambda.failures().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn invoke_takes_events_for_our_function_only() {
    let aws = LocalAws::new(1.0, None);
    let lambda = aws.lambda();
    let status = |request| answered(&aws, &request);
    assert_eq!(status(invocation("other", "Event", "{}")), 404);
    assert_eq!(status(invocation("elasticache-resource", "Sometimes", "{}")), 400);
    assert_eq!(status(invocation("elasticache-resource", "Event", "{")), 400);
    assert_eq!(status(invocation("elasticache-resource", "Event", &format!("\"{}\"", "x".repeat(1 << 20)))), 413);
    let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Aelasticache-resource%3A%24LATEST";
    assert_eq!(status(invocation(arn, "Event", r#"{"leg":2}"#)), 202);
    assert_eq!(runtime(lambda, "GET", "invocation/next", "").await.body(), r#"{"leg":2}"#);
}

/// An alias or a version has to be there, and the function learns which one it was invoked through.
#[tokio::test(start_paused = true)]
async fn invoke_knows_aliases_and_versions() {
    let aws = LocalAws::new(1.0, None);
    let lambda = aws.lambda();
    let status = |name: &str| answered(&aws, &invocation(name, "Event", "{}"));
    for qualifier in ["live", "3"] {
        let arn = format!("{FUNCTION_ARN}:{qualifier}");
        let by_name = format!("elasticache-resource:{qualifier}");
        assert_eq!((status(&arn), status(&by_name)), (404, 404));
        lambda.publish(qualifier);
        for name in [&arn, &by_name] {
            assert_eq!(status(name), 202, "{name}");
            let event = runtime(lambda, "GET", "invocation/next", "").await;
            assert_eq!(header(&event, "Lambda-Runtime-Invoked-Function-Arn"), arn);
        }
    }
    assert_eq!(status("elasticache-resource-other:live"), 404);
}

#[tokio::test(start_paused = true)]
async fn invoke_reaches_the_attached_function_and_retries_it() {
    let aws = LocalAws::new(1.0, None);
    let (lambda, clock) = (aws.lambda(), aws.clock());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let started = clock.now();
    let times = clock.clone();
    let function: Arc<dyn Function> = Arc::new(move |event: Value| {
        log.lock().unwrap().push((event, times.now().since(started).as_secs()));
        async { Err::<Value, _>("no".to_owned()) }
    });
    lambda.attach(&function);
    assert_eq!(answered(&aws, &invocation("elasticache-resource", "Event", "7")), 202);
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert_eq!(*seen.lock().unwrap(), [(json!(7), 0), (json!(7), 60), (json!(7), 180)]);
    assert_eq!(aws.dead_letters(), [json!(7)]);
}

#[tokio::test]
async fn a_process_has_the_environment_of_a_function_and_is_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let bootstrap = dir.path().join("bootstrap");
    let script = "#!/bin/sh\necho \"$AWS_LAMBDA_RUNTIME_API $AWS_LAMBDA_FUNCTION_NAME $POLL_INTERVAL_MS ${HOME-none} $RUST_LOG\"\necho oops >&2\n";
    std::fs::write(&bootstrap, script).unwrap();
    std::fs::set_permissions(&bootstrap, std::fs::Permissions::from_mode(0o755)).unwrap();
    let environment = Environment {
        endpoint: "http://127.0.0.1:1".to_owned(),
        poll_interval: Duration::from_millis(20),
        extra: vec![("RUST_LOG".to_owned(), "debug".to_owned())],
    };
    let (process, mut lines) = Process::start(&Lambda::default(), &bootstrap, &environment).unwrap();
    let mut texts = Vec::new();
    while texts.len() < 4 {
        texts.push(lines.recv().await.unwrap());
    }
    drop(process);
    let printed = texts.iter().filter(|l| l.text == "127.0.0.1:1 elasticache-resource 20 none debug").count();
    let complaints = texts.iter().filter(|l| l.stream == Stream::Stderr && l.text == "oops").count();
    assert_eq!((printed, complaints), (2, 2), "{texts:?}");
    assert!(Process::start(&Lambda::default(), &dir.path().join("missing"), &environment).is_err());
}
