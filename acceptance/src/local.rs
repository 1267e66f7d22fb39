//! A local AWS in this process with the function in it: what a scenario does is gone through there first.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_async::time::SystemTimeSource;
use aws_smithy_runtime_api::client::http::{SharedHttpClient, SharedHttpConnector, http_client_fn};
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use elasticache_resource::Settings;
use elasticache_resource::aws::Aws;
use lambda_runtime::{Context, LambdaEvent};
use serde_json::Value;
use simulator::LocalAws;
use simulator::cloudformation::SERVICE_TOKEN;
use simulator::elasticache::UserGroup;
use simulator::in_process::InProcess;
use simulator::journal::Caller;
use simulator::lambda::{ByArn, Function};
use simulator::ledger::Ledger;
use simulator::policy::Policy;
use simulator::wire::credential::ADMINISTRATOR_KEY;

use crate::account::Account;
use crate::play::{Played, play};
use crate::scenarios::{Place, Scenario};

/// Between two looks, of the function and of the player. Virtual time.
const PAUSE: Duration = Duration::from_secs(5);
/// Seconds that Lambda lets one invocation run.
const TIMEOUT: Duration = Duration::from_mins(15);
const VPC: &str = "vpc-0a1b2c3d4e5f60001";
const SUBNETS: [&str; 3] = ["subnet-0a000000000000001", "subnet-0a000000000000002", "subnet-0a000000000000003"];
const SHARED: [&str; 4] =
    ["vpc-0a1b2c3d4e5f60002", "subnet-0b000000000000001", "subnet-0b000000000000002", "sg-0e00000000000ee01"];
const OTHER_ACCOUNT: &str = "210987654321";

/// A call of the function that AWS took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Such as `elasticache:CreateReplicationGroup`.
    pub action: String,
    /// The lines of the ledger that it consists of.
    pub lines: Vec<usize>,
}

/// A step as it goes in an AWS that is as the ledger says.
#[derive(Clone, Debug)]
pub struct RehearsedStep {
    /// Its calls, in order.
    pub calls: Vec<Call>,
    /// How long it takes.
    pub takes: Duration,
    /// Monthly cost of the cache afterwards.
    pub monthly_cost: Option<f64>,
}

/// A local AWS, the function, and somebody who may do everything.
pub struct Local {
    /// The local AWS.
    pub aws: LocalAws,
    /// The account as a player sees it.
    pub account: Account,
    ledger: Arc<Ledger>,
    _function: Arc<dyn Function>,
}

/// A call as reasons name it: by the right that it needs.
fn iam_name(service: &str, action: &str) -> String {
    match (service, action) {
        ("lambda", "Invoke") => "lambda:InvokeFunction".to_owned(),
        _ => format!("{service}:{action}"),
    }
}

/// The ledger in a file.
pub fn ledger(page: &Path) -> Result<Ledger, String> {
    let text = std::fs::read_to_string(page).map_err(|e| format!("cannot read {}: {e}", page.display()))?;
    Ledger::parse(&text)
}

fn config(aws: &LocalAws, key: &str) -> (SdkConfig, SharedHttpConnector) {
    let http = SharedHttpConnector::new(InProcess::new(aws.clone()));
    let for_clients = http.clone();
    let credentials = Credentials::new(key, "secret", None, None, "local");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(simulator::world::REGION))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(SharedHttpClient::new(http_client_fn(move |_, _| for_clients.clone())))
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .time_source(SystemTimeSource::new())
        .retry_config(RetryConfig::standard().with_max_attempts(4))
        .build();
    (config, http)
}

async fn invoke(function: elasticache_resource::Function, arn: String, event: Value) -> Result<Value, String> {
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

impl Local {
    /// A local AWS that takes what this ledger has, under the policy of the template.
    #[must_use]
    pub fn new(ledger: Arc<Ledger>, policy: Policy) -> Local {
        // The jitter of the function and of the SDK is the same in every run.
        fastrand::seed(1);
        let aws = LocalAws::new(1.0, Some(policy));
        aws.keep_to(Arc::clone(&ledger));
        let (own, http) = config(&aws, "AKIDFUNCTION");
        let settings = Settings { poll_interval: PAUSE, log_stream: "local".to_owned(), reaches_caches: false };
        let function = elasticache_resource::Function::new(Aws::new(&own), http, settings);
        let by_arn = ByArn(move |arn: String, event: Value| invoke(function.clone(), arn, event));
        let function: Arc<dyn Function> = Arc::new(by_arn);
        aws.lambda().attach(&function);
        let mut account = Account::new(&config(&aws, ADMINISTRATOR_KEY).0, PAUSE);
        account.secrets_as_function = aws_sdk_secretsmanager::Client::new(&own);
        aws.with(|world, _| {
            for (number, id) in SUBNETS.iter().enumerate() {
                if let Some(subnet) = world.ec2.subnet_mut(id) {
                    subnet.ipv6 = Some(format!("2001:db8:0:{number}::/64"));
                }
            }
            for group in ["acceptance-one", "acceptance-two"] {
                world.elasticache.add_user_group(UserGroup::new(group, "valkey", "0123456789abcdef"));
            }
            let [vpc, _, _, group] = SHARED;
            world.ec2.share_vpc(vpc, OTHER_ACCOUNT);
            OTHER_ACCOUNT.clone_into(&mut world.ec2.add_security_group(group, "theirs", vpc).owner);
        });
        Local { aws, account, ledger, _function: function }
    }

    /// Everything that a scenario may need, as every local AWS has it.
    #[must_use]
    pub fn place() -> Place {
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Place {
            service_token: SERVICE_TOKEN.to_owned(),
            vpc: VPC.to_owned(),
            subnets: all(&SUBNETS),
            zones: all(&["us-east-1a", "us-east-1b", "us-east-1c"]),
            clients: all(&["sg-0a00000000000aa01", "sg-0a00000000000aa02"]),
            topic: Some("arn:aws:sns:us-east-1:123456789012:topic".to_owned()),
            keys: all(&[
                "arn:aws:kms:us-east-1:123456789012:key/11111111-0000-4000-8000-000000000001",
                "arn:aws:kms:us-east-1:123456789012:key/11111111-0000-4000-8000-000000000002",
            ]),
            user_groups: all(&["acceptance-one", "acceptance-two"]),
            logs: all(&["/acceptance/slow", "acceptance-engine"]),
            snapshot_file: Some("arn:aws:s3:::bucket/backup.rdb".to_owned()),
            ipv6_subnets: all(&SUBNETS[..2]),
            shared: all(&SHARED),
            large_nodes: true,
        }
    }

    /// Plays a scenario here.
    pub async fn play(&self, run: &str, scenario: &Scenario) -> Played {
        play(&self.account, run, scenario, || self.aws.journal().len(), |_| ()).await
    }

    /// What the steps of a scenario do, and how it ended.
    pub async fn rehearse(&self, run: &str, scenario: &Scenario) -> (Vec<RehearsedStep>, Played) {
        let began = self.aws.journal().len();
        let played = self.play(run, scenario).await;
        let journal = self.aws.journal();
        let mut from = began;
        let steps = played.steps.iter().map(|step| {
            let calls = journal.get(from..step.mark).unwrap_or_default().iter();
            from = step.mark;
            let calls = calls.filter(|call| call.caller == Caller::Function && call.is_write() && call.outcome.is_ok());
            let calls = calls.map(|call| Call {
                action: iam_name(&call.service, &call.action),
                lines: self.ledger.lines_of(&call.service, &call.action, &call.params),
            });
            RehearsedStep { calls: calls.collect(), takes: step.took, monthly_cost: step.monthly_cost }
        });
        (steps.collect(), played)
    }
}
