//! A stack whose resource is the function, wired to a local AWS without sockets.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::retry::RetryConfig;
use elasticache_resource::aws::Aws;
use elasticache_resource::domain::tags::{TAG_REQUESTS, TAG_STACK_ID};
use elasticache_resource::telemetry::logs;
use elasticache_resource::{Function, Settings};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::{Outcome, Stack, StackStatus};
use simulator::faults::{Fault, Kind};
use simulator::in_process::InProcess;
use simulator::journal::{Caller, Entry};
use simulator::lambda::ByArn;
use simulator::policy::Policy;
use simulator::world::{Answer, Call, World};
use tracing_subscriber::layer::SubscriberExt;

use crate::ledger::Kept;

/// Logical id of the resource in all tests.
pub(crate) const CACHE: &str = "Cache";
/// VPC of the local AWS with room for everything.
pub(crate) const VPC: &str = "vpc-0a1b2c3d4e5f60001";
/// Its subnets in three zones.
pub(crate) const SUBNETS: [&str; 3] =
    ["subnet-0a000000000000001", "subnet-0a000000000000002", "subnet-0a000000000000003"];
/// Security groups of applications in it.
pub(crate) const APPS: [&str; 2] = ["sg-0a00000000000aa01", "sg-0a00000000000aa02"];

/// Lookups that a request can do without, whatever comes of them.
pub(crate) const OPTIONAL: [&str; 8] = [
    "DescribeCacheEngineVersions",
    "DescribeEngineDefaultParameters",
    "DescribeEvents",
    "DescribeStackResource",
    "DescribeStacks",
    "DescribeSubnets",
    "DescribeUserGroups",
    "GetProducts",
];

/// A local AWS with a stack in it.
pub(crate) struct Setup {
    pub(crate) aws: LocalAws,
    pub(crate) stack: Stack,
    invocations: Arc<Mutex<Vec<Result<(), String>>>>,
    invoked_arns: Arc<Mutex<Vec<String>>>,
    last_event: Arc<Mutex<Value>>,
    kill: Arc<Mutex<Option<Duration>>>,
    _kept: Kept,
}

impl Setup {
    /// A fresh account under the policy of `template.yaml`.
    pub(crate) fn new() -> Setup {
        Setup::with_aws(LocalAws::new(1.0, Some(policy())))
    }

    pub(crate) fn with_aws(aws: LocalAws) -> Setup {
        let function = function(&aws);
        Setup::with_function(aws, function)
    }

    /// A stack of another name in this account.
    pub(crate) fn with_stack_named(aws: LocalAws, name: &str) -> Setup {
        let function = function(&aws);
        Setup::with_function_and_stack(aws, function, name)
    }

    pub(crate) fn with_function(aws: LocalAws, function: Function) -> Setup {
        Setup::with_function_and_stack(aws, function, "app")
    }

    fn with_function_and_stack(aws: LocalAws, function: Function, name: &str) -> Setup {
        // The jitter of the function and of the SDK is the same in every run.
        fastrand::seed(1);
        let invocations = Arc::new(Mutex::new(Vec::new()));
        let kill = Arc::new(Mutex::new(None::<Duration>));
        let (ended, planned) = (Arc::clone(&invocations), Arc::clone(&kill));
        let invoked_arns = Arc::new(Mutex::new(Vec::new()));
        let arns = Arc::clone(&invoked_arns);
        let last_event = Arc::new(Mutex::new(Value::Null));
        let last = Arc::clone(&last_event);
        let deliver = move |arn: String, event: Value| {
            *last.lock().unwrap() = event.clone();
            arns.lock().unwrap().push(arn.clone());
            let (function, ended) = (function.clone(), Arc::clone(&ended));
            let lifetime = planned.lock().unwrap().take();
            async move {
                let work = invoke(function, arn, event);
                let result = match lifetime {
                    Some(lifetime) => tokio::time::timeout(lifetime, work).await.unwrap_or(Err("killed".to_owned())),
                    None => work.await,
                };
                ended.lock().unwrap().push(result.clone().map(drop));
                result
            }
        };
        let stack = Stack::new(&aws, ByArn(deliver), name);
        Setup { _kept: Kept::to_the_ledger(&aws), aws, stack, invocations, invoked_arns, last_event, kill }
    }

    /// The next invocation dies after this time; Lambda tries its event again.
    pub(crate) fn kill_next_after(&self, lifetime: Duration) {
        *self.kill.lock().unwrap() = Some(lifetime);
    }

    /// A stack whose function is a compiled program behind the Runtime API.
    pub(crate) fn over_runtime_api(aws: LocalAws) -> Setup {
        let stack = Stack::new(&aws, aws.lambda().clone(), "app");
        Setup {
            _kept: Kept::to_the_ledger(&aws),
            aws,
            stack,
            invocations: Arc::default(),
            invoked_arns: Arc::default(),
            last_event: Arc::default(),
            kill: Arc::default(),
        }
    }

    /// What the function was invoked with last.
    pub(crate) fn last_event(&self) -> Value {
        self.last_event.lock().unwrap().clone()
    }

    /// How the invocations of the function ended, as Lambda sees it.
    pub(crate) fn invocations(&self) -> Vec<Result<(), String>> {
        self.invocations.lock().unwrap().clone()
    }

    /// The ARNs that the function was invoked through.
    pub(crate) fn invoked_arns(&self) -> Vec<String> {
        self.invoked_arns.lock().unwrap().clone()
    }

    /// What [`by_hand`] does, in this account.
    pub(crate) fn by_hand(&self, service: fn(&mut World, &Call) -> Answer, action: &str, params: Value) -> Value {
        by_hand(&self.aws, service, action, params)
    }

    /// The JSON in a secret.
    pub(crate) fn secret(&self, name: &str) -> Value {
        self.aws.with(|world, _| {
            let secret = world.secrets.secret(name).unwrap_or_else(|| panic!("no secret {name}"));
            serde_json::from_str(secret.current_text().unwrap()).unwrap()
        })
    }

    /// Tokens that open a replication group.
    pub(crate) fn tokens(&self, group: &str) -> Vec<String> {
        self.aws.with(|world, _| world.elasticache.groups[group].tokens.clone())
    }

    /// An event that nobody has delivered yet.
    pub(crate) fn event(&self, kind: &str, overrides: Value) -> Value {
        self.stack.event(kind, CACHE, overrides)
    }

    pub(crate) async fn create(&self, properties: Value) -> Outcome {
        self.stack.create(CACHE, properties).await
    }

    /// Creates, and fails the test when that does.
    pub(crate) async fn created(&self, properties: Value) -> Outcome {
        let outcome = self.create(properties).await;
        assert_eq!(outcome.status, StackStatus::CreateComplete, "{:?}", outcome.reason);
        outcome
    }

    pub(crate) async fn update(&self, properties: Value) -> Outcome {
        self.stack.update(CACHE, properties).await
    }

    /// Updates, and fails the test when that does. Returns the write calls of the update too.
    pub(crate) async fn updated(&self, properties: Value) -> (Outcome, Vec<Entry>) {
        let before = self.aws.journal().len();
        let outcome = self.update(properties).await;
        assert_eq!(outcome.status, StackStatus::UpdateComplete, "{:?}", outcome.reason);
        (outcome, self.writes().split_off(self.count_writes(before)))
    }

    /// Updates to what fails, and fails the test when that is not rolled back. Returns the write calls of both too.
    pub(crate) async fn rolled_back(&self, properties: Value) -> (Outcome, Vec<Entry>) {
        let before = self.writes().len();
        let outcome = self.update(properties).await;
        assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{:?}", outcome.reason);
        (outcome, self.writes().split_off(before))
    }

    /// Deletes, and checks that nothing of ours is left and that every answer kept to the protocol.
    pub(crate) async fn deleted(&self) -> Outcome {
        let outcome = self.stack.delete(CACHE).await;
        assert_eq!(outcome.status, StackStatus::DeleteComplete, "{:?}", outcome.reason);
        self.assert_nothing_left();
        outcome
    }

    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.aws.leftovers(TAG_STACK_ID), Vec::<String>::new());
        assert!(self.aws.answers().violations().is_empty(), "{:?}", self.aws.answers().violations());
        assert!(self.aws.refusals().is_empty(), "the policy refused {:?}", self.aws.refusals());
    }

    /// Calls of the function that may change something.
    pub(crate) fn writes(&self) -> Vec<Entry> {
        self.aws.journal().into_iter().filter(is_change).collect()
    }

    fn count_writes(&self, entries: usize) -> usize {
        self.aws.journal().iter().take(entries).filter(|entry| is_change(entry)).count()
    }

    /// Names of the write calls so far.
    pub(crate) fn write_names(&self) -> Vec<String> {
        names(&self.writes())
    }
}

/// A right that is missing from the nth call of `action` on, for longer than the function waits for one, and is there again
/// when the stack goes on.
pub(crate) fn missing(action: impl Into<String>, nth: usize) -> Fault {
    Fault::on(action, nth, Kind::Denied).lasting(Duration::from_secs(26))
}

/// What somebody else does in an account: past rights, faults and journal.
pub(crate) fn by_hand(aws: &LocalAws, service: fn(&mut World, &Call) -> Answer, action: &str, params: Value) -> Value {
    let call = |now| Call { action: action.to_owned(), params, now };
    aws.with(|world, now| service(world, &call(now))).unwrap_or_else(|error| panic!("{action}: {error}"))
}

/// Whether the function changes something with this call. That a request puts itself into the list of requests is
/// bookkeeping.
fn is_change(entry: &Entry) -> bool {
    let tag = &entry.params["Tags"]["Tag"];
    let bookkeeping = entry.action == "AddTagsToResource"
        && tag.as_array().is_some_and(|tags| tags.iter().all(|tag| tag["Key"] == TAG_REQUESTS));
    entry.caller == Caller::Function && entry.is_write() && !bookkeeping
}

/// Names of calls, in order.
pub(crate) fn names(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.action.clone()).collect()
}

/// Calls of one operation.
pub(crate) fn calls<'e>(entries: &'e [Entry], action: &str) -> Vec<&'e Entry> {
    entries.iter().filter(|entry| entry.action == action).collect()
}

/// The policy of the product.
pub(crate) fn policy() -> Policy {
    Policy::from_template(&project_file("template.yaml")).unwrap()
}

/// The function under the real SDK, with the local AWS in place of the network.
pub(crate) fn function(aws: &LocalAws) -> Function {
    function_in("us-east-1", aws)
}

/// The same, told that it runs in another region; the local AWS is where it always is.
pub(crate) fn function_in(region: &'static str, aws: &LocalAws) -> Function {
    function_over(region, SharedHttpConnector::new(InProcess::new(aws.clone())))
}

/// The function with this connector in place of the network. Clients of one region share what they may retry.
pub(crate) fn function_over(region: &str, http: SharedHttpConnector) -> Function {
    let for_clients = http.clone();
    let config = aws_types::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(Credentials::new(
            "AKIDFUNCTION",
            "secret",
            None,
            None,
            "test",
        )))
        .http_client(SharedHttpClient::new(http_client_fn(move |_, _| for_clients.clone())))
        .sleep_impl(aws_smithy_async::rt::sleep::SharedAsyncSleep::new(aws_smithy_async::rt::sleep::TokioSleep::new()))
        .time_source(aws_smithy_async::time::SystemTimeSource::new())
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .build();
    let settings = Settings {
        poll_interval: Duration::from_secs(30),
        log_stream: "2026/11/22/[$LATEST]0123abcd".into(),
        reaches_caches: false,
    };
    Function::new(Aws::new(&config), http, settings)
}

/// The function with a bug: it panics at its first call of `action`.
pub(crate) fn function_that_panics_at(action: &'static str, aws: &LocalAws) -> Function {
    let inner = SharedHttpConnector::new(InProcess::new(aws.clone()));
    function_over("us-east-1", SharedHttpConnector::new(Panicking { inner, action, calls: Arc::default() }))
}

/// What the panic of [`function_that_panics_at`] says; it belongs into no answer.
pub(crate) const PANIC_TEXT: &str = "details that nobody should read";

#[derive(Clone, Debug)]
struct Panicking {
    inner: SharedHttpConnector,
    action: &'static str,
    calls: Arc<AtomicUsize>,
}

impl HttpConnector for Panicking {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let meant = body.starts_with(&format!("Action={}&", self.action));
        assert!(!meant || self.calls.fetch_add(1, Ordering::Relaxed) > 0, "{PANIC_TEXT}");
        self.inner.call(request)
    }
}

/// Seconds that Lambda lets one invocation run.
const TIMEOUT: Duration = Duration::from_mins(15);

/// What Lambda's caller gets from an invocation of `function` under this ARN.
pub(crate) async fn invoke(function: Function, arn: String, event: Value) -> Result<Value, String> {
    #[allow(clippy::disallowed_methods, reason = "Lambda tells the deadline in wall-clock time")]
    let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut context = Context::default();
    context.invoked_function_arn = arn;
    context.deadline = u64::try_from((now + TIMEOUT).as_millis()).unwrap_or(u64::MAX);
    match tokio::time::timeout(TIMEOUT, function.handle(LambdaEvent::new(event, context))).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("Task timed out after 900.00 seconds".to_owned()),
    }
}

/// A network in another VPC, as properties.
pub(crate) fn other_vpc() -> Value {
    json!({
        "VpcId": "vpc-0a1b2c3d4e5f60002",
        "SubnetIds": ["subnet-0b000000000000001", "subnet-0b000000000000002"],
        "AllowedSecurityGroupIds": [],
    })
}

/// The module's quick start: one Valkey node without a password.
pub(crate) fn quick_start() -> Value {
    json!({
        "Env": "development",
        "ProjectId": "myapp",
        "VpcId": VPC,
        "SubnetIds": [SUBNETS[0], SUBNETS[1]],
        "AllowedSecurityGroupIds": [APPS[0]],
    })
}

/// The module's production example, as AWS can grant it.
pub(crate) fn production() -> Value {
    json!({
        "Env": "production",
        "ProjectId": "myapp",
        "Engine": "valkey",
        "NodeType": "cache.t4g.small",
        "VpcId": VPC,
        "SubnetIds": [SUBNETS[0], SUBNETS[1]],
        "AllowedSecurityGroupIds": [APPS[0]],
        "NumCacheNodes": 2,
        "AutomaticFailoverEnabled": true,
        "MultiAzEnabled": true,
        "AuthTokenEnabled": true,
        "TransitEncryptionEnabled": true,
        "SnapshotRetentionLimit": 7,
        "Tags": [{"Key": "Environment", "Value": "production"}, {"Key": "Critical", "Value": "true"}],
    })
}

/// `base` with `changes` laid over it; null removes a property.
pub(crate) fn with(mut base: Value, changes: Value) -> Value {
    let (Value::Object(map), Value::Object(changes)) = (&mut base, changes) else { panic!("both are maps") };
    for (key, value) in changes {
        if value.is_null() {
            map.remove(&key);
        } else {
            map.insert(key, value);
        }
    }
    base
}

/// What the function logs at level debug while `work` runs, through the program's own filter.
pub(crate) async fn logged<T>(work: impl Future<Output = T>) -> (T, String) {
    let buffer = Arc::new(Mutex::new(Vec::new()));
    let writer = Buffer(buffer.clone());
    let lines = logs::lines(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(logs::levels(Some("debug")).unwrap()).with(lines);
    let result = {
        let _guard = tracing::subscriber::set_default(subscriber);
        work.await
    };
    let bytes = buffer.lock().unwrap().clone();
    (result, String::from_utf8(bytes).unwrap())
}

/// A file of the project.
pub(crate) fn project_file(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The event in `events/<name>.json`.
pub(crate) fn event(name: &str) -> Value {
    let text = std::fs::read_to_string(project_file(&format!("events/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[derive(Clone)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
