//! Rotations of the compiled program with real servers: who gets in before, between and after, and whether a client that
//! reads its secret once a second ever notices.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use redis::RedisResult;
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::nodes::{Driver, find_server};
use simulator::secrets_manager::{STEPS, SecretsManager, rotate_with};

use crate::binary::{Account, connect, tool};
use crate::harness::{policy, production, with};

pub(crate) const SECRET: &str = "elasticache/production-myapp-valkey/auth-token";

/// An auth change takes five minutes in the local AWS, so five seconds here: enough for a client that reads its secret once
/// a second to have the new token before the old one goes.
const SPEED: f64 = 60.0;

/// A cluster of real servers with a rotation schedule, and a program that can reach it.
pub(crate) struct Live {
    pub(crate) account: Account,
    pub(crate) endpoint: String,
    pub(crate) root: String,
    driver: Driver,
}

impl Live {
    pub(crate) async fn open(test: &str, properties: Value) -> Option<Live> {
        let program = tool(find_server(None), "REQUIRE_VALKEY", test, "valkey-server or redis-server")?;
        let aws = LocalAws::new(SPEED, Some(policy()));
        aws.with(|world, _| world.elasticache.pace.create = Duration::from_secs(30));
        let driver = Driver::start(&aws, &program).unwrap();
        let certificate = driver.certificate().to_str().unwrap().to_owned();
        let variables = [("CACHE_NETWORK_ACCESS", "true".to_owned()), ("SSL_CERT_FILE", certificate)];
        let variables = variables.map(|(name, value)| (name.to_owned(), value));
        let account = Account::with(aws, variables.into()).await;
        let created = account.setup.created(properties).await;
        let endpoint = created.get_att("Connection.Endpoint").unwrap().to_owned();
        let root = driver.authority().pem().to_owned();
        let live = Live { account, endpoint, root, driver };
        let function = "arn:aws:lambda:us-east-1:123456789012:function:elasticache-resource";
        let schedule = json!({"SecretId": SECRET, "RotationLambdaARN": function, "RotateImmediately": false});
        live.account.setup.by_hand(SecretsManager::handle, "RotateSecret", schedule);
        Some(live)
    }

    fn announced(&self) -> String {
        let announced = json!({"SecretId": SECRET});
        let answer = self.account.setup.by_hand(SecretsManager::handle, "RotateSecret", announced);
        answer["VersionId"].as_str().unwrap().to_owned()
    }

    fn aws(&self) -> &LocalAws {
        &self.account.setup.aws
    }

    /// File with the certificate that clients have to trust.
    pub(crate) fn certificate(&self) -> &Path {
        self.driver.certificate()
    }

    pub(crate) fn password(&self) -> String {
        password(self.aws())
    }

    /// Whether a new connection with this token can read. The servers learn of a change a moment after AWS says it is done.
    pub(crate) async fn opens(&self, token: &str, expected: bool) -> bool {
        let until = Instant::now() + Duration::from_secs(5);
        loop {
            let opens = ping(&self.endpoint, token, &self.root).await.is_ok();
            if opens == expected || Instant::now() > until {
                return opens;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn password(aws: &LocalAws) -> String {
    let text = aws.with(|world, _| world.secrets.secret(SECRET).unwrap().current_text().unwrap().to_owned());
    serde_json::from_str::<Value>(&text).unwrap()["password"].as_str().unwrap().to_owned()
}

async fn ping(endpoint: &str, token: &str, root: &str) -> RedisResult<()> {
    let mut connection = connect(endpoint, true, Some(token), root).await?;
    redis::cmd("SET").arg("seen").arg(1).query_async(&mut connection).await
}

/// Before, between and after each step: the old and the new token open the cache exactly as promised.
#[tokio::test]
async fn each_step_opens_the_cache_to_whom_it_should() {
    let test = "each_step_opens_the_cache_to_whom_it_should";
    let properties = with(production(), json!({"AuthTokenGraceMinutes": 0}));
    let Some(live) = Live::open(test, properties).await else { return };
    let old = live.password();
    let version = live.announced();
    let arn = live.aws().with(|world, _| world.secrets.secret(SECRET).unwrap().arn.clone());
    let mut new = None;
    for (step, (old_opens, new_opens)) in
        STEPS.into_iter().zip([(true, false), (true, true), (true, true), (false, true)])
    {
        let event = json!({"SecretId": arn, "ClientRequestToken": version, "Step": step});
        live.account.setup.stack.invoke(event).await.unwrap();
        let new = new.get_or_insert_with(|| {
            let value = json!({"SecretId": SECRET, "VersionId": version});
            let value = live.account.setup.by_hand(SecretsManager::handle, "GetSecretValue", value);
            let content: Value = serde_json::from_str(value["SecretString"].as_str().unwrap()).unwrap();
            content["password"].as_str().unwrap().to_owned()
        });
        assert_eq!(live.opens(&old, old_opens).await, old_opens, "the old token after {step}");
        assert_eq!(live.opens(new, new_opens).await, new_opens, "the new token after {step}");
    }
    let printed = live.account.printed().join("\n");
    assert!(printed.contains("a connection with the token works"), "testSecret did not connect");
    assert!(!printed.contains(&old) && !printed.contains(&new.unwrap()), "a token is in the logs");
    live.account.setup.deleted().await;
}

/// The new token is pending and the cache was not told: a real connection finds that out.
#[tokio::test]
async fn a_token_that_does_not_open_the_cache_fails_the_test_step() {
    let test = "a_token_that_does_not_open_the_cache_fails_the_test_step";
    let Some(live) = Live::open(test, production()).await else { return };
    let version = live.announced();
    let arn = live.aws().with(|world, _| world.secrets.secret(SECRET).unwrap().arn.clone());
    let step = |step: &str| {
        live.account.setup.stack.invoke(json!({"SecretId": arn, "ClientRequestToken": version, "Step": step}))
    };
    step("createSecret").await.unwrap();
    for name in ["testSecret", "finishSecret"] {
        let failure = step(name).await.unwrap_err();
        assert!(failure.contains("does not take the new token"), "{name}: {failure}");
    }
}

/// A client that reads the secret once a second, connects anew for every command, and keeps one connection open.
struct Client {
    stop: Arc<AtomicBool>,
    commands: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Client {
    fn start(live: &Live) -> Client {
        let (stop, commands) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&commands));
        let (aws, endpoint, root) = (live.aws().clone(), live.endpoint.clone(), live.root.clone());
        let task = tokio::spawn(async move {
            let mut failures = Vec::new();
            let (mut token, mut read) = (password(&aws), Instant::now());
            let mut kept = connect(&endpoint, true, Some(&token), &root).await.unwrap();
            while !stopped.load(Ordering::Relaxed) {
                if read.elapsed() >= Duration::from_secs(1) {
                    (token, read) = (password(&aws), Instant::now());
                }
                let alone: RedisResult<()> = redis::cmd("INCR").arg("kept").query_async(&mut kept).await;
                for result in [ping(&endpoint, &token, &root).await, alone] {
                    count.fetch_add(1, Ordering::Relaxed);
                    failures.extend(result.err().map(|error| error.to_string()));
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            failures
        });
        Client { stop, commands, task }
    }

    /// How many commands there were; none failed.
    async fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        assert_eq!(self.task.await.unwrap(), Vec::<String>::new());
        self.commands.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn a_client_that_reads_its_secret_every_second_never_fails() {
    let test = "a_client_that_reads_its_secret_every_second_never_fails";
    let properties =
        |version: &str| with(production(), json!({"AuthTokenGraceMinutes": 0, "AuthTokenVersion": version}));
    let Some(live) = Live::open(test, properties("1")).await else { return };
    let client = Client::start(&live);
    let first = live.password();

    live.announced();
    rotate_with(live.aws(), &*live.aws().lambda().function(), SECRET).await.unwrap();
    let second = live.password();
    assert!(!live.opens(&first, false).await, "the first token still opens the cache");

    live.account.setup.updated(properties("2")).await;
    let third = live.password();
    assert!(!live.opens(&second, false).await, "the second token still opens the cache");
    assert!(live.opens(&third, true).await);
    assert!(first != second && second != third);

    let commands = client.stop().await;
    assert!(commands > 50, "only {commands} commands");
    println!("{commands} commands, none failed");
    live.account.setup.deleted().await;
}
