//! The compiled program, started as Lambda starts it, over loopback HTTP and on a fast clock.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, IntoConnectionInfo, RedisConnectionInfo, RedisResult, TlsCertificates};
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::aws_cli;
use simulator::cloudformation::{Outcome, StackStatus};
use simulator::elasticache::UserGroup;
use simulator::http::Server;
use simulator::lambda::{Environment, Workers};
use simulator::nodes::{Driver, find_server};
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::harness::{APPS, CACHE, Setup, policy, production, quick_start, with};

/// How much faster than real time the clock runs: an hour, after which CloudFormation gives up, must be long enough for
/// a busy machine.
pub(crate) const SPEED: f64 = 200.0;
const PRODUCTION: &str = "production-myapp-valkey";

/// A local AWS on a port, with the program at its Runtime API.
pub(crate) struct Account {
    pub(crate) setup: Setup,
    server: Server,
    printed: Arc<Mutex<Vec<String>>>,
    _processes: Workers,
    _reader: JoinHandle<()>,
}

impl Account {
    async fn open() -> Account {
        Account::with(LocalAws::new(SPEED, Some(policy())), Vec::new()).await
    }

    /// The program at this local AWS, with these variables in addition to the usual ones.
    pub(crate) async fn with(aws: LocalAws, variables: Vec<(String, String)>) -> Account {
        Account::with_processes(aws, variables, 1).await
    }

    /// The same with several processes, each of which handles one event at a time.
    pub(crate) async fn with_processes(aws: LocalAws, variables: Vec<(String, String)>, count: usize) -> Account {
        let server = simulator::http::serve(aws.clone(), (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
        aws.answers().serve_at(&server.endpoint());
        let environment = Environment {
            endpoint: server.endpoint(),
            poll_interval: Duration::from_millis(25),
            extra: [("RUST_LOG".to_owned(), "debug".to_owned())].into_iter().chain(variables).collect(),
        };
        let program = Path::new(env!("CARGO_BIN_EXE_bootstrap"));
        let (processes, mut lines) = Workers::start(&aws, program, &environment, count).await.unwrap();
        let printed = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&printed);
        let reader = tokio::spawn(async move {
            while let Some(line) = lines.recv().await {
                log.lock().unwrap().push(line.text);
            }
        });
        Account { setup: Setup::over_runtime_api(aws), server, printed, _processes: processes, _reader: reader }
    }

    /// Where the local AWS listens.
    pub(crate) fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// Everything that the program printed so far.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    /// Checks at the end of each test: logs, and that the process lived on.
    pub(crate) fn check_process(&self, outcomes: &[&Outcome], secrets: &[&str]) {
        assert_eq!(self.setup.aws.lambda().failures(), Vec::<String>::new());
        let printed = self.printed();
        for line in &printed {
            let parsed: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            assert!(!line.contains("X-Amz-Signature"), "{line}");
            // Metrics stand alone in their line.
            if parsed["_aws"].is_object() {
                continue;
            }
            let span = &parsed["span"];
            for field in ["request_id", "stack_id", "logical_id"] {
                assert!(span[field].is_string(), "no {field} in {line}");
            }
        }
        let metrics = printed.iter().filter(|line| line.contains(r#""_aws":{"#)).count();
        // They come after the answer: the last line may still be on its way.
        assert!(metrics + 1 >= outcomes.len(), "{metrics} lines of metrics");
        let text = printed.join("\n");
        assert!(text.contains("applying a step") && text.contains("waiting for"), "{text}");
        for secret in secrets {
            assert!(!text.contains(secret), "a secret is in the logs");
        }
        for request in outcomes.iter().flat_map(|outcome| &outcome.requests) {
            let url = request["ResponseURL"].as_str().unwrap();
            let (_, signature) = url.split_once("X-Amz-Signature=").unwrap();
            assert!(!text.contains(&signature[..64]), "a signature is in the logs");
            assert!(text.contains(request["RequestId"].as_str().unwrap()), "nothing about a request is in the logs");
        }
    }

    fn token(&self, secret: &str) -> String {
        let text = self.setup.aws.with(|world, _| {
            let secret = world.secrets.secret(secret).unwrap();
            secret.current_text().unwrap().to_owned()
        });
        serde_json::from_str::<Value>(&text).unwrap()["password"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn the_quick_start_comes_changes_and_goes() {
    let account = Account::open().await;
    // A type without a built-in price: the price list is found under the one address of the local AWS too.
    let quick_start = || with(quick_start(), json!({"NodeType": "cache.r7g.xlarge"}));
    let created = account.setup.created(quick_start()).await;
    assert_eq!(created.get_att("EstimatedCost.MonthlyEstimate"), Ok("255.21"));
    assert_eq!(created.physical_id, "development-myapp-valkey");
    assert_eq!(created.get_att("Connection.TlsEnabled"), Ok("false"));
    let endpoint = created.get_att("Connection.Endpoint").unwrap();
    assert!(endpoint.ends_with(":6379"), "{endpoint}");
    let change = json!({"AllowedSecurityGroupIds": APPS, "Description": "changed"});
    let (updated, writes) = account.setup.updated(with(quick_start(), change)).await;
    assert_eq!(updated.physical_id, created.physical_id);
    assert_eq!(writes.len(), 2);
    let deleted = account.setup.deleted().await;
    account.check_process(&[&created, &updated, &deleted], &[]);
}

#[tokio::test]
async fn the_production_example_keeps_its_token_to_itself() {
    let account = Account::open().await;
    let created = account.setup.created(production()).await;
    let arn = created.get_att("Security.AuthTokenSecretArn").unwrap();
    let token = account.token(arn);
    assert_eq!(token.len(), 64);
    assert!(!format!("{:?}", created.answers).contains(&token));
    assert_eq!(created.get_att("HighAvailability.Enabled"), Ok("true"));
    let (updated, _) = account.setup.updated(with(production(), json!({"NumCacheNodes": 3}))).await;
    assert_eq!(updated.get_att("Configuration.NumCacheNodes"), Ok("3"));
    let deleted = account.setup.deleted().await;
    account.check_process(&[&created, &updated, &deleted], &[&token]);
}

/// AWS has no capacity: the reason is that of its event, and the Delete that follows removes everything.
#[tokio::test]
async fn a_failed_create_is_rolled_back() {
    let account = Account::open().await;
    let event = "Insufficient capacity for cache.t4g.small in us-east-1b.";
    account.setup.aws.with(|world, _| world.elasticache.fail_next_create(event));
    let outcome = account.setup.create(production()).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    assert!(outcome.reason.contains(event), "{}", outcome.reason);
    assert_eq!(outcome.events[0].physical_id, None);
    assert_eq!(outcome.requests[1]["PhysicalResourceId"], PRODUCTION);
    account.setup.assert_nothing_left();
    account.check_process(&[&outcome], &[]);
}

/// What nobody should send is a failed invocation with a log line, and the next event is handled by the same process.
#[tokio::test]
async fn payloads_that_are_no_requests_do_not_end_the_process() {
    let account = Account::open().await;
    let lambda = account.setup.aws.lambda();
    for payload in [json!("text"), json!(null), json!([1, 2]), json!({"hello": "world"}), json!({"ResponseURL": 7})] {
        let failure = account.setup.stack.invoke(payload.clone()).await.unwrap_err();
        assert!(failure.contains("ResponseURL"), "{payload}: {failure}");
    }
    assert!(!account.printed().is_empty(), "nothing was logged");
    let many = json!({"ResourceProperties": {"Env": ["a"], "SubnetIds": 7, "Nonsense": {}}});
    let answer = account.setup.stack.send("Create", CACHE, many).await.unwrap();
    assert!(!answer.is_success());
    for name in ["Env", "SubnetIds", "Nonsense", "ProjectId", "VpcId"] {
        assert!(answer.reason().contains(name), "{name}: {}", answer.reason());
    }
    assert!(account.setup.writes().is_empty());
    assert!(!account.printed().iter().any(|line| line.contains("panicked")), "{:?}", account.printed());
    // A restart would have lost the invocation that ran and said so.
    assert!(lambda.failures().iter().all(|failure| !failure.contains("Runtime exited")), "{:?}", lambda.failures());
}

/// Bytes that are not JSON at all, at the Runtime API itself: the process says so and asks for the next event.
#[tokio::test]
async fn a_payload_that_is_not_json_does_not_end_the_process() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
        .envs([("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "AKIDFUNCTION"), ("AWS_SECRET_ACCESS_KEY", "s")])
        .envs([("AWS_LAMBDA_FUNCTION_NAME", "f"), ("AWS_LAMBDA_FUNCTION_VERSION", "1")])
        .envs([("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"), ("AWS_LAMBDA_LOG_STREAM_NAME", "stream")])
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "group")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut asked, mut reported) = (0, Vec::new());
    let talk = async {
        while asked < 3 {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut text = String::new();
            let mut buffer = vec![0; 65_536];
            loop {
                let read = stream.read(&mut buffer).await.unwrap();
                text.push_str(&String::from_utf8_lossy(&buffer[..read]));
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    assert!(read > 0, "the request ends early: {text}");
                    continue;
                };
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
                });
                let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
                if body.len() >= length.unwrap_or(0) && (!chunked || body.ends_with("0\r\n\r\n")) || read == 0 {
                    break;
                }
            }
            let answer = if text.starts_with("GET") {
                asked += 1;
                let body = "{this is not JSON";
                format!(
                    "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r{asked}\r\nLambda-Runtime-Deadline-Ms: \
                     4102444800000\r\nLambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:1:function:f\r\n\
                     Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                )
            } else {
                reported.push(text.lines().next().unwrap_or_default().to_owned());
                "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}".to_owned()
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(20), talk).await.expect("the process asks again and again");
    assert!(child.try_wait().unwrap().is_none(), "the process has ended");
    assert!(reported[0].contains("/invocation/r1/error"), "{reported:?}");
    assert!(reported[1].contains("/invocation/r2/error"), "{reported:?}");
}

/// A tool that a test needs: `None` skips the test, which only happens where the tool is not required.
pub(crate) fn tool(found: Option<PathBuf>, required: &str, test: &str, what: &str) -> Option<PathBuf> {
    if found.is_none() {
        let must = std::env::var(required).is_ok_and(|value| !value.is_empty() && value != "0");
        assert!(!must, "{required} is set and there is no {what}");
        println!("SKIPPED {test}: no {what}");
    }
    found
}

pub(crate) async fn connect(
    endpoint: &str,
    tls: bool,
    password: Option<&str>,
    root: &str,
) -> RedisResult<MultiplexedConnection> {
    let credentials = RedisConnectionInfo::default();
    let credentials = password.map_or(credentials.clone(), |password| credentials.set_password(password));
    let scheme = if tls { "rediss" } else { "redis" };
    let info = format!("{scheme}://{endpoint}").into_connection_info()?.set_redis_settings(credentials);
    let root_cert = Some(root.as_bytes().to_vec());
    let client = if tls {
        Client::build_with_tls(info, TlsCertificates { client_tls: None, root_cert })?
    } else {
        Client::open(info)?
    };
    tokio::time::timeout(Duration::from_secs(5), client.get_multiplexed_async_connection())
        .await
        .map_err(|_| redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)))?
}

/// With real servers behind the endpoints: what the answer and the secret say is what opens the cache.
#[tokio::test]
async fn the_answer_and_the_secret_open_the_cache() {
    let test = "the_answer_and_the_secret_open_the_cache";
    let Some(program) = tool(find_server(None), "REQUIRE_VALKEY", test, "valkey-server or redis-server") else {
        return;
    };
    let account = Account::open().await;
    let driver = Driver::start(&account.setup.aws, &program).unwrap();
    let root = driver.authority().pem().to_owned();
    let created = account.setup.created(production()).await;
    let token = account.token(created.get_att("Security.AuthTokenSecretArn").unwrap());

    let endpoint = created.get_att("Connection.Endpoint").unwrap();
    let mut writer = connect(endpoint, true, Some(&token), &root).await.unwrap();
    let () = redis::cmd("SET").arg("greeting").arg("hello").query_async(&mut writer).await.unwrap();
    let read: String = redis::cmd("GET").arg("greeting").query_async(&mut writer).await.unwrap();
    assert_eq!(read, "hello");

    let port = created.get_att("ReaderEndPoint.Port").unwrap();
    let reader = format!("{}:{port}", created.get_att("Connection.ReaderEndpoint").unwrap());
    let mut reader = connect(&reader, true, Some(&token), &root).await.unwrap();
    let mut copied: Option<String> = None;
    for _ in 0..100 {
        copied = redis::cmd("GET").arg("greeting").query_async(&mut reader).await.unwrap();
        if copied.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(copied.as_deref(), Some("hello"));
    let refused: RedisResult<()> = redis::cmd("SET").arg("greeting").arg("no").query_async(&mut reader).await;
    assert!(refused.unwrap_err().to_string().contains("replica"), "the reader endpoint takes writes");

    for (tls, password) in [(true, None), (true, Some("another-token-0123")), (false, Some(token.as_str()))] {
        let answer = async {
            let mut connection = connect(endpoint, tls, password, &root).await?;
            redis::cmd("GET").arg("greeting").query_async::<Option<String>>(&mut connection).await
        };
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
        assert!(!matches!(answer, Ok(Ok(_))), "open with tls {tls} and {}", password.map_or("no password", |_| "one"));
    }
    let deleted = account.setup.deleted().await;
    account.check_process(&[&created, &deleted], &[&token]);
}

/// A replacement from a snapshot, with a real server on both sides: what was written before is there after it.
#[tokio::test]
async fn a_replacement_carries_the_data_of_a_real_server_over() {
    let test = "a_replacement_carries_the_data_of_a_real_server_over";
    let Some(program) = tool(find_server(None), "REQUIRE_VALKEY", test, "valkey-server or redis-server") else {
        return;
    };
    let account = Account::open().await;
    let driver = Driver::start(&account.setup.aws, &program).unwrap();
    let root = driver.authority().pem().to_owned();
    let created = account.setup.created(quick_start()).await;
    let endpoint = created.get_att("Connection.Endpoint").unwrap();
    let mut before = connect(endpoint, false, None, &root).await.unwrap();
    let () = redis::cmd("SET").arg("greeting").arg("hello").query_async(&mut before).await.unwrap();
    let change = json!({"AtRestEncryptionEnabled": false, "ReplacementPolicy": "Snapshot"});
    let (updated, _) = account.setup.updated(with(quick_start(), change)).await;
    assert_eq!(updated.physical_id, "development-myapp-valkey-2");
    assert_ne!(updated.get_att("Connection.Endpoint").unwrap(), endpoint);
    let mut after = connect(updated.get_att("Connection.Endpoint").unwrap(), false, None, &root).await.unwrap();
    let read: Option<String> = redis::cmd("GET").arg("greeting").query_async(&mut after).await.unwrap();
    assert_eq!(read.as_deref(), Some("hello"));
    let deleted = account.setup.deleted().await;
    account.check_process(&[&created, &updated, &deleted], &[]);
}

/// Changes that take several steps, each in one Update, by the program over HTTP.
#[tokio::test]
async fn changes_of_several_steps_are_made_by_the_program_too() {
    let account = Account::open().await;
    account.setup.aws.with(|world, _| {
        world.elasticache.add_user_group(UserGroup::new("people", "redis", "0123456789abcdef"));
    });
    let nothing = || json!({});
    // What the quick start has beyond its own, what changes, and an attribute that says so afterwards.
    let changes = [
        (nothing(), json!({"TransitEncryptionEnabled": true}), ("Connection.TlsEnabled", "true")),
        (nothing(), json!({"AuthTokenEnabled": true}), ("Connection.PasswordRequired", "true")),
        (
            json!({"AuthTokenEnabled": true}),
            json!({"AuthTokenEnabled": null, "UserGroupIds": ["people"]}),
            ("Security.AuthTokenSecretArn", ""),
        ),
        (nothing(), json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1}), ("Configuration.NumCacheNodes", "4")),
        (
            json!({"Engine": "redis", "Parameters": {"timeout": "30"}}),
            json!({"Engine": "valkey", "NodeType": "cache.t4g.small"}),
            ("Security.ParameterGroupName", "development-myapp-redis-valkey8"),
        ),
        (
            json!({"NumCacheNodes": 3, "AutomaticFailoverEnabled": true, "MultiAzEnabled": true}),
            json!({"NumCacheNodes": 1, "AutomaticFailoverEnabled": null, "MultiAzEnabled": null}),
            ("HighAvailability.Enabled", "false"),
        ),
    ];
    for (old, change, (attribute, value)) in changes {
        let before = with(quick_start(), old);
        let created = account.setup.created(before.clone()).await;
        let (updated, writes) = account.setup.updated(with(before, change.clone())).await;
        assert_eq!(updated.get_att(attribute), Ok(value), "{change}");
        assert_eq!(updated.physical_id, created.physical_id);
        assert!(writes.len() > 1, "{change}: {writes:?}");
        let deleted = account.setup.deleted().await;
        account.check_process(&[&created, &updated, &deleted], &[]);
    }
}

/// `AWS_CLI`, else `aws` on the `PATH`, if it runs.
pub(crate) async fn find_cli() -> Option<PathBuf> {
    let named = std::env::var_os("AWS_CLI").filter(|named| !named.is_empty()).map(PathBuf::from);
    let program = aws_cli::find(named.as_deref())?;
    let version = Command::new(&program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().await;
    version.is_ok_and(|status| status.success()).then_some(program)
}

/// The AWS CLI reads the local AWS as it reads AWS.
#[tokio::test]
async fn the_aws_cli_sees_what_was_made() {
    let Some(program) = tool(find_cli().await, "REQUIRE_AWS_CLI", "the_aws_cli_sees_what_was_made", "AWS CLI") else {
        return;
    };
    let account = Account::open().await;
    let topic = "arn:aws:sns:us-east-1:123456789012:operations";
    let created = account.setup.created(with(production(), json!({"Alarms": {"Actions": [topic]}}))).await;
    let endpoint = account.server.endpoint();
    let (groups, security_groups, secrets) = tokio::join!(
        aws_cli::run(&program, &endpoint, &["elasticache", "describe-replication-groups"]),
        aws_cli::run(&program, &endpoint, &["ec2", "describe-security-groups"]),
        aws_cli::run(&program, &endpoint, &["secretsmanager", "list-secrets"]),
    );
    let (groups, security_groups, secrets) = (groups.unwrap(), security_groups.unwrap(), secrets.unwrap());
    let group = &groups["ReplicationGroups"][0];
    assert_eq!((&group["ReplicationGroupId"], &group["Status"]), (&json!(PRODUCTION), &json!("available")));
    let primary = &group["NodeGroups"][0]["PrimaryEndpoint"];
    assert_eq!(primary["Address"].as_str(), created.get_att("Connection.PrimaryEndpoint").ok());
    assert_eq!(primary["Port"], 6379);
    assert_eq!(group["MemberClusters"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&group["AuthTokenEnabled"], &group["MultiAZ"], &group["TransitEncryptionEnabled"]),
        (&json!(true), &json!("enabled"), &json!(true))
    );

    let own = created.get_att("Security.SecurityGroupId").unwrap();
    let all = security_groups["SecurityGroups"].as_array().unwrap();
    let own = all.iter().find(|group| group["GroupId"] == own).unwrap();
    let rule = &own["IpPermissions"][0];
    assert_eq!((&rule["FromPort"], &rule["UserIdGroupPairs"][0]["GroupId"]), (&json!(6379), &json!(APPS[0])));

    let secret = &secrets["SecretList"][0];
    assert_eq!(secret["ARN"].as_str(), created.get_att("Security.AuthTokenSecretArn").ok());
    let tags = secret["Tags"].as_array().unwrap();
    assert!(tags.contains(&json!({"Key": "Environment", "Value": "production"})), "{tags:?}");

    let prefix = format!("{PRODUCTION}/");
    let alarms = ["cloudwatch", "describe-alarms", "--alarm-name-prefix", &prefix];
    let found = aws_cli::run(&program, &endpoint, &alarms).await.unwrap();
    let found = found["MetricAlarms"].as_array().unwrap();
    assert_eq!(found.len(), 10);
    let name = format!("{PRODUCTION}/{PRODUCTION}-002/ReplicationLag");
    let lag = found.iter().find(|alarm| alarm["AlarmName"] == name).unwrap();
    let dimension = json!([{"Name": "CacheClusterId", "Value": format!("{PRODUCTION}-002")}]);
    assert_eq!(
        (&lag["Threshold"], &lag["Dimensions"], &lag["AlarmActions"]),
        (&json!(30.0), &dimension, &json!([topic]))
    );
    assert_eq!((&lag["EvaluationPeriods"], &lag["TreatMissingData"]), (&json!(15), &json!("notBreaching")));
    let tags = ["cloudwatch", "list-tags-for-resource", "--resource-arn", lag["AlarmArn"].as_str().unwrap()];
    let tags = aws_cli::run(&program, &endpoint, &tags).await.unwrap();
    let production = json!({"Key": "Environment", "Value": "production"});
    assert!(tags["Tags"].as_array().unwrap().contains(&production), "{tags}");
    account.setup.deleted().await;
    assert_eq!(aws_cli::run(&program, &endpoint, &alarms).await.unwrap()["MetricAlarms"], json!([]));
}
