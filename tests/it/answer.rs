//! The way of an answer to CloudFormation: uploads that go wrong in every way, and reasons that are too long.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use elasticache_resource::Function;
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::{StackStatus, UploadFault};
use simulator::faults::{Fault, Kind};
use simulator::in_process::InProcess;

use crate::harness::{CACHE, PANIC_TEXT, Setup, calls, function_over, logged, policy, quick_start, with};

const LOG_STREAM: &str = "2026/11/22/[$LATEST]0123abcd";

/// What a connection does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Never answers.
    Hang,
    /// Panics.
    Panic,
}

/// Requests that `concerns` picks meet the troubles in turn; the others, and those after the last trouble, go through.
#[derive(Clone, Debug)]
struct Troubled {
    inner: SharedHttpConnector,
    concerns: fn(&HttpRequest) -> bool,
    troubles: Arc<Mutex<VecDeque<Trouble>>>,
}

impl HttpConnector for Troubled {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let trouble = if (self.concerns)(&request) { self.troubles.lock().unwrap().pop_front() } else { None };
        match trouble {
            Some(Trouble::Hang) => HttpConnectorFuture::new(pending()),
            Some(Trouble::Panic) => HttpConnectorFuture::new(async { panic!("{PANIC_TEXT}") }),
            None => self.inner.call(request),
        }
    }
}

/// The function with connections that make trouble.
pub(crate) fn troubled(aws: &LocalAws, concerns: fn(&HttpRequest) -> bool, troubles: &[Trouble]) -> Function {
    let inner = SharedHttpConnector::new(InProcess::new(aws.clone()));
    let troubles = Arc::new(Mutex::new(troubles.iter().copied().collect()));
    function_over("us-east-1", SharedHttpConnector::new(Troubled { inner, concerns, troubles }))
}

pub(crate) fn is_upload(request: &HttpRequest) -> bool {
    request.method() == "PUT"
}

/// Passes everything on, and keeps what was asked of whom.
#[derive(Clone, Debug)]
struct Seen {
    inner: SharedHttpConnector,
    /// Method, address and body of every upload, and of whatever else is no call of AWS.
    uploads: Arc<Mutex<Vec<(String, String, String)>>>,
}

impl Seen {
    fn setup() -> (Setup, Seen) {
        let aws = LocalAws::new(1.0, Some(policy()));
        let seen = Seen { inner: SharedHttpConnector::new(InProcess::new(aws.clone())), uploads: Arc::default() };
        let function = function_over("us-east-1", SharedHttpConnector::new(seen.clone()));
        (Setup::with_function(aws, function), seen)
    }

    fn uploads(&self) -> Vec<(String, String, String)> {
        self.uploads.lock().unwrap().clone()
    }

    /// Where the uploads went.
    fn bases(&self) -> Vec<String> {
        let base = |url: String| url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
        self.uploads().into_iter().map(|(_, url, _)| base(url)).collect()
    }
}

impl HttpConnector for Seen {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.headers().get("authorization").is_none() {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap()).into_owned();
            self.uploads.lock().unwrap().push((request.method().to_owned(), request.uri().to_owned(), body));
        }
        self.inner.call(request)
    }
}

const BUCKET: &str = "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com";
const FRANKFURT: &str = "https://cloudformation-custom-resource-response-useast1.s3.eu-central-1.amazonaws.com";
const DUBLIN: &str = "https://cloudformation-custom-resource-response-useast1.s3.eu-west-1.amazonaws.com";

/// A young bucket and one in another region say where they are: the same answer goes there, within the same try.
#[tokio::test(start_paused = true)]
async fn a_redirect_that_keeps_the_body_is_followed() {
    let cases: [&[(u16, &str, &str)]; 6] = [
        &[(307, FRANKFURT, FRANKFURT)],
        &[(308, FRANKFURT, FRANKFURT)],
        &[(307, "", BUCKET)],
        &[(307, FRANKFURT, FRANKFURT), (307, "", FRANKFURT), (308, DUBLIN, DUBLIN)],
        &[(307, FRANKFURT, FRANKFURT), (307, BUCKET, BUCKET)],
        &[(307, FRANKFURT, FRANKFURT), (308, DUBLIN, DUBLIN), (307, "", DUBLIN), (307, "", DUBLIN), (308, "", DUBLIN)],
    ];
    for hops in cases {
        let (setup, seen) = Seen::setup();
        setup.aws.answers().fail_uploads(hops.iter().map(|(status, to, _)| UploadFault::Redirect(*status, to)));
        let (answer, log) = logged(setup.stack.send("Replace", CACHE, json!({}))).await;
        assert!(answer.unwrap().reason().contains("unknown RequestType"));
        let bases = std::iter::once(BUCKET).chain(hops.iter().map(|(_, _, at)| *at));
        assert_eq!(seen.bases(), bases.collect::<Vec<_>>(), "{hops:?}");
        let uploads = seen.uploads();
        assert!(uploads.iter().all(|(method, _, body)| method == "PUT" && *body == uploads[0].2), "{uploads:?}");
        assert!(log.contains(r#""tries":1"#) && !log.contains("X-Amz-"), "{log}");
    }
}

/// What does not keep the body, leaves https, goes in circles or leads nowhere is not followed; the next try starts anew.
#[tokio::test(start_paused = true)]
async fn other_redirects_are_not_followed() {
    let to = |status, base| vec![UploadFault::Redirect(status, base)];
    let plain = "http://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com";
    let loopback = "http://127.0.0.1:80/cloudformation-custom-resource-response";
    let cases = [
        (to(300, FRANKFURT), "HTTP status 300"),
        (to(301, FRANKFURT), "HTTP status 301"),
        (to(302, FRANKFURT), "HTTP status 302"),
        (to(303, FRANKFURT), "HTTP status 303"),
        (vec![UploadFault::Status(304)], "HTTP status 304"),
        (vec![UploadFault::Status(307)], "HTTP status 307 does not say where to"),
        (to(307, plain), "HTTP status 307 leads away from https"),
        (to(308, loopback), "HTTP status 308 leads away from https"),
        (to(307, "ftp://bucket.example.com"), "HTTP status 307 leads away from https"),
        (to(307, "https://me:hidden@bucket.example.com"), "HTTP status 307 leads to what is not an https URL"),
        (to(307, "https://"), "HTTP status 307"),
        (vec![UploadFault::Redirect(307, ""); 6], "more than 5 redirects"),
        ([FRANKFURT, BUCKET].repeat(3).into_iter().map(|to| UploadFault::Redirect(308, to)).collect(), "more than 5"),
    ];
    for (faults, told) in cases {
        let (setup, seen) = Seen::setup();
        let count = faults.len();
        setup.aws.answers().fail_uploads(faults.clone());
        let (answer, log) = logged(setup.stack.send("Replace", CACHE, json!({}))).await;
        assert!(!answer.unwrap().is_success());
        assert_eq!(setup.invocations(), [Ok(())], "{faults:?}");
        assert!(log.contains(told) && log.contains(r#""tries":2"#), "{faults:?}: {log}");
        assert!(!log.contains("X-Amz-") && !log.contains("hidden"), "{log}");
        let (uploads, bases) = (seen.uploads(), seen.bases());
        assert_eq!(
            (uploads.len(), bases[0].as_str(), bases[count].as_str()),
            (count + 1, BUCKET, BUCKET),
            "{faults:?}"
        );
        assert!(uploads.iter().all(|(method, _, body)| method == "PUT" && *body == uploads[0].2), "{uploads:?}");
    }
}

/// A bucket that redirects without end costs a bounded number of tries, and the next delivery brings the answer.
#[tokio::test(start_paused = true)]
async fn redirects_without_end_are_left_to_the_next_delivery() {
    let (setup, seen) = Seen::setup();
    setup.aws.answers().fail_uploads([UploadFault::Redirect(307, ""); 48]);
    let answer = setup.stack.send("Replace", CACHE, json!({})).await.unwrap();
    assert!(!answer.is_success());
    let [first, second] = setup.invocations().try_into().unwrap();
    assert!(first.unwrap_err().contains("could not be delivered in 8 tries: more than 5 redirects"));
    assert_eq!((second, seen.uploads().len()), (Ok(()), 49));
}

/// The upload itself may hang or panic; the next try brings the same answer.
#[tokio::test(start_paused = true)]
async fn an_upload_that_hangs_or_panics_is_tried_again() {
    let aws = LocalAws::new(1.0, Some(policy()));
    let setup = Setup::with_function(aws.clone(), troubled(&aws, is_upload, &[Trouble::Hang, Trouble::Panic]));
    let (created, log) = logged(setup.created(quick_start())).await;
    assert_eq!(setup.invocations(), [Ok(())]);
    assert_eq!(created.answers.len(), 1);
    assert_eq!(setup.aws.answers().uploads().len(), 1, "the others never arrived");
    assert_eq!(calls(&setup.writes(), "CreateReplicationGroup").len(), 1);
    for part in ["no answer in time", "the upload failed unexpectedly", "answer delivered"] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert!(!log.contains(PANIC_TEXT) && !log.contains("X-Amz-"), "{log}");
    setup.deleted().await;
}

/// Tries are bounded in number and in time; then the invocation fails, so that Lambda brings the event again.
#[tokio::test(start_paused = true)]
async fn an_upload_that_never_answers_is_left_to_the_next_delivery() {
    let aws = LocalAws::new(1.0, Some(policy()));
    let setup = Setup::with_function(aws.clone(), troubled(&aws, is_upload, &[Trouble::Hang; 8]));
    let started = tokio::time::Instant::now();
    let answer = setup.stack.send("Replace", CACHE, json!({})).await.unwrap();
    assert!(answer.reason().contains("unknown RequestType"), "{}", answer.reason());
    let [first, second] = setup.invocations().try_into().unwrap();
    assert!(first.unwrap_err().contains("could not be delivered in 8 tries: no answer in time"));
    assert_eq!(second, Ok(()));
    // Eight tries of ten seconds with pauses, and the minute that Lambda waits.
    let took = started.elapsed();
    assert!((Duration::from_secs(140)..Duration::from_secs(200)).contains(&took), "{took:?}");
}

/// After every kind of refusal there are few tries, close to each other.
#[tokio::test(start_paused = true)]
async fn a_refused_url_is_given_up_within_seconds() {
    for status in [400, 403, 404] {
        let setup = Setup::new();
        setup.aws.answers().fail_uploads([UploadFault::Status(status); 20]);
        let started = tokio::time::Instant::now();
        let event = json!({"RequestType": "Replace"});
        let work = setup.stack.send("Create", CACHE, event);
        // CloudFormation waits its hour; the function does not.
        assert!(work.await.is_err());
        assert_eq!(setup.invocations(), [Ok(())]);
        let uploads = setup.aws.answers().uploads();
        assert_eq!(uploads.len(), 3, "{status}");
        assert!(uploads[2].at.since(uploads[0].at) < Duration::from_secs(3));
        assert!(started.elapsed() > Duration::from_mins(59));
    }
}

/// Too many requests and a slow bucket are no refusal.
#[tokio::test(start_paused = true)]
async fn a_busy_bucket_is_tried_until_it_takes_the_answer() {
    for status in [408, 429, 500, 503] {
        let setup = Setup::new();
        setup.aws.answers().fail_uploads([UploadFault::Status(status); 6]);
        let answer = setup.stack.send("Replace", CACHE, json!({})).await.unwrap();
        assert!(!answer.is_success());
        assert_eq!(setup.invocations(), [Ok(())], "{status}");
        assert_eq!(setup.aws.answers().uploads().len(), 7);
    }
}

/// A list of problems loses whole items, says how many, and ends with the log stream's name.
#[tokio::test(start_paused = true)]
async fn a_list_of_problems_is_cut_between_items() {
    for filler in ["x", "ü", "日", "\""] {
        let setup = Setup::new();
        let many: serde_json::Map<String, Value> =
            (0..150).map(|n| (format!("Wrong{n:03}{}", filler.repeat(10)), json!(1))).collect();
        let outcome = setup.create(with(quick_start(), many.into())).await;
        let answer = &outcome.answers[0];
        let reason = answer.reason();
        assert!(answer.length <= 4096 && answer.length > 3600, "{} bytes for {filler}", answer.length);
        assert!(reason.starts_with("150 problems with the properties: Wrong000"), "{reason}");
        assert!(reason.ends_with(&format!(" more. Log stream: {LOG_STREAM}")), "{reason}");
        let (listed, rest) = reason.rsplit_once(". and ").unwrap();
        let left_out: usize = rest.split(' ').next().unwrap().parse().unwrap();
        let shown = listed.matches("is not a property of").count();
        assert_eq!(shown + left_out, 150, "{reason}");
        assert!(!reason.contains('…'), "{reason}");
    }
}

/// Several long errors of one round: the beginning of the first and the advice of the last are there.
#[tokio::test(start_paused = true)]
async fn a_service_error_is_cut_in_the_middle() {
    let setup = Setup::new();
    let message = format!("BEGIN {} FINISH", "日本語 ".repeat(600));
    let denied = Kind::Error { status: 403, code: "AccessDenied".into(), message };
    setup.aws.fault(Fault::on("CreateReplicationGroup", 1, denied).times(usize::MAX));
    let outcome = setup.create(quick_start()).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    let answer = &outcome.answers[0];
    assert!(answer.length <= 4096 && answer.length > 4080, "{} bytes", answer.length);
    let reason = answer.reason();
    assert!(reason.starts_with("elasticache:CreateReplicationGroup on development-myapp-valkey"), "{reason}");
    for part in
        ["AccessDenied: BEGIN", " … ", "FINISH", "allow elasticache:CreateReplicationGroup in the function's role"]
    {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert!(reason.ends_with(LOG_STREAM), "{reason}");
    setup.assert_nothing_left();
}

/// For each answer one line says what it is and why.
#[tokio::test(start_paused = true)]
async fn the_log_says_why_each_answer_was_given() {
    let setup = Setup::new();
    let ((), log) = logged(async {
        setup.created(quick_start()).await;
        setup.update(with(quick_start(), json!({"Port": 0}))).await;
        setup.deleted().await;
    })
    .await;
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answers: Vec<(&str, &str)> = lines
        .iter()
        .filter_map(|line| Some((line["message"].as_str()?.strip_prefix("answering ")?, line["why"].as_str()?)))
        .collect();
    let outcomes: Vec<&str> = answers.iter().map(|(outcome, _)| *outcome).collect();
    assert_eq!(outcomes, ["SUCCESS", "FAILED", "SUCCESS", "SUCCESS"]);
    assert!(answers[1].1.contains("Port (0): must be between"), "{answers:?}");
    for line in lines.iter().filter(|line| line["message"].as_str().is_some_and(|m| m.starts_with("answering "))) {
        assert_eq!(line["physical_id"], "development-myapp-valkey");
        assert!(line["elapsed_seconds"].is_u64() && line["span"]["request_id"].is_string(), "{line}");
    }
}
