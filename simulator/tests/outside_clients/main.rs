//! Clients that others wrote, against the local AWS over HTTP: the AWS CLI, and Terraform's AWS provider where it is at hand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy excepts test functions and not what they share")]

mod stacks;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::lambda::Function;
use simulator::wire::credential::ADMINISTRATOR_KEY;
use simulator::{LocalAws, aws_cli};
use tokio::process::Command;

/// A local AWS on a free port, and where.
async fn served(speed: f64) -> (LocalAws, simulator::http::Server) {
    let aws = LocalAws::new(speed, None);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = simulator::http::serve(aws.clone(), address).await.unwrap();
    (aws, server)
}

/// A path in the environment; empty means none.
fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Without a tool the test is skipped, unless `required` is set.
fn skip(test: &str, what: &str, required: &str) {
    assert!(named(required).is_none_or(|value| value == Path::new("0")), "{required} is set and there is no {what}");
    println!("SKIPPED {test}: no {what}");
}

struct Cli {
    program: PathBuf,
    endpoint: String,
}

impl Cli {
    async fn run(&self, arguments: &str) -> Result<Value, String> {
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        aws_cli::run(&self.program, &self.endpoint, &arguments).await
    }

    async fn ok(&self, arguments: &str) -> Value {
        self.run(arguments).await.unwrap_or_else(|e| panic!("{arguments}: {e}"))
    }

    async fn refused(&self, arguments: &str) -> String {
        self.run(arguments).await.expect_err(arguments)
    }
}

#[tokio::test]
async fn the_aws_cli_reads_answers_and_refusals() {
    let given = named("AWS_CLI");
    let Some(program) = aws_cli::find(given.as_deref()) else {
        return skip("the_aws_cli_reads_answers_and_refusals", "AWS CLI", "REQUIRE_AWS_CLI");
    };
    let (aws, server) = served(600.0).await;
    let cli = Cli { program, endpoint: server.endpoint() };

    assert_eq!(cli.ok("sts get-caller-identity").await["Account"], "123456789012");
    // Services that are not here: JSON 1.1, REST with JSON, and the query protocol.
    for unknown in ["logs describe-log-groups", "scheduler list-schedules", "sqs list-queues"] {
        let refusal = cli.refused(unknown).await;
        assert!(refusal.contains("the local AWS has no service"), "{unknown}: {refusal}");
    }

    let refusal = cli.refused("cloudwatch list-metrics").await;
    assert!(refusal.contains("the local AWS does not know ListMetrics"), "{refusal}");
    cli.ok(
        "cloudwatch put-metric-alarm --alarm-name a/b --namespace AWS/ElastiCache --metric-name SwapUsage --statistic Maximum \
         --period 60 --evaluation-periods 5 --threshold 0.5 --comparison-operator GreaterThanThreshold --tags Key=k,Value=v",
    )
    .await;
    let found = cli.ok("cloudwatch describe-alarms --alarm-names a/b").await;
    let alarm = &found["MetricAlarms"][0];
    assert_eq!((&alarm["Threshold"], &alarm["StateValue"]), (&json!(0.5), &json!("INSUFFICIENT_DATA")));
    assert!(!alarm["AlarmConfigurationUpdatedTimestamp"].is_null(), "{alarm}");
    let tags = format!("cloudwatch list-tags-for-resource --resource-arn {}", alarm["AlarmArn"].as_str().unwrap());
    assert_eq!(cli.ok(&tags).await["Tags"], json!([{"Key": "k", "Value": "v"}]));
    assert!(cli.refused("cloudwatch delete-alarms --alarm-names a/c").await.contains("ResourceNotFound"));
    cli.ok("cloudwatch delete-alarms --alarm-names a/b").await;

    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("out.json");
    let invoke = format!("lambda invoke --function-name elasticache-resource {}", out.display());
    assert!(cli.refused(&invoke).await.contains("runs no function"));
    let function: Arc<dyn Function> = Arc::new(|event: Value| async move { Ok::<_, String>(json!({"got": event})) });
    aws.lambda().attach(&function);
    assert_eq!(cli.ok(&invoke).await["StatusCode"], 200);
    assert_eq!(std::fs::read_to_string(&out).unwrap(), r#"{"got":{}}"#);

    cli.ok("secretsmanager create-secret --name s --secret-string v").await;
    assert!(cli.ok("secretsmanager get-resource-policy --secret-id s").await.get("ResourcePolicy").is_none());
    cli.ok(
        "secretsmanager rotate-secret --secret-id s --no-rotate-immediately --rotation-rules AutomaticallyAfterDays=30 \
         --rotation-lambda-arn arn:aws:lambda:us-east-1:123456789012:function:elasticache-resource",
    )
    .await;
    let shown = cli.ok("secretsmanager describe-secret --secret-id s").await;
    assert!(shown.get("NextRotationDate").is_some() && shown.get("LastRotatedDate").is_none(), "{shown}");

    cli.ok("elasticache create-cache-subnet-group --cache-subnet-group-name net --cache-subnet-group-description d \
         --subnet-ids subnet-0a000000000000001 subnet-0a000000000000002")
        .await;
    let create = "elasticache create-replication-group --replication-group-id a --replication-group-description d \
                  --engine valkey --cache-node-type cache.t4g.micro --num-cache-clusters 2 --cache-subnet-group-name net \
                  --no-transit-encryption-enabled";
    let crowded = format!(
        "{create} --automatic-failover-enabled --multi-az-enabled \
         --preferred-cache-cluster-a-zs us-east-1a us-east-1a"
    );
    assert!(cli.refused(&crowded).await.contains("InvalidParameterCombination"));
    cli.ok(create).await;
    let member = |number: u32| format!("arn:aws:elasticache:us-east-1:123456789012:cluster:a-00{number}");
    loop {
        let shown = cli.ok("elasticache describe-replication-groups --replication-group-id a").await;
        if shown["ReplicationGroups"][0]["Status"] == "available" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The second call comes while the group is still busy with the first.
    aws.with(|world, _| world.elasticache.pace.tags = Duration::from_hours(24));
    for number in [1, 2] {
        cli.ok(&format!("elasticache add-tags-to-resource --tags Key=a,Value=b --resource-name {}", member(number)))
            .await;
    }
    assert!(
        cli.refused("elasticache describe-snapshots --cache-cluster-id b-001").await.contains("CacheClusterNotFound")
    );
}

/// Terraform, in a folder of its own.
struct Terraform {
    program: PathBuf,
    folder: tempfile::TempDir,
    endpoint: String,
}

impl Terraform {
    /// Terraform with its provider from a folder laid out as a filesystem mirror; nothing is fetched.
    fn find(endpoint: String) -> Option<Terraform> {
        let plugins = named("TERRAFORM_PLUGINS").filter(|folder| folder.is_dir())?;
        let program = named("TERRAFORM").unwrap_or_else(|| PathBuf::from("terraform"));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("main.tf"), include_str!("terraform/main.tf")).unwrap();
        let plugins = plugins.display();
        let mirror = format!("provider_installation {{\n  filesystem_mirror {{ path = \"{plugins}\" }}\n}}\n");
        std::fs::write(folder.path().join("cli.tfrc"), mirror).unwrap();
        Some(Terraform { program, folder, endpoint })
    }

    /// Runs one command; its status and what it printed.
    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(&self.program)
            .args(arguments)
            .current_dir(self.folder.path())
            .env("TF_CLI_CONFIG_FILE", self.folder.path().join("cli.tfrc"))
            .envs([("CHECKPOINT_DISABLE", "1"), ("TF_IN_AUTOMATION", "1"), ("AWS_EC2_METADATA_DISABLED", "true")])
            .envs([("AWS_ACCESS_KEY_ID", ADMINISTRATOR_KEY), ("AWS_SECRET_ACCESS_KEY", "any")])
            .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
            .env("AWS_ENDPOINT_URL", &self.endpoint)
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN")
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }

    async fn ok(&self, arguments: &[&str]) {
        let (status, text) = self.run(arguments).await;
        assert_eq!(status, Some(0), "terraform {arguments:?}: {text}");
    }
}

/// A cache with what it stands among, made, found as it was made, changed, found as it was changed, and removed.
#[tokio::test]
async fn terraform_keeps_a_cache() {
    let (aws, server) = served(300.0).await;
    let Some(terraform) = Terraform::find(server.endpoint()) else {
        return skip("terraform_keeps_a_cache", "folder with Terraform's AWS provider", "REQUIRE_TERRAFORM");
    };
    terraform.ok(&["init", "-no-color", "-input=false"]).await;
    for values in [["-var=team=one", "-var=nodes=2"], ["-var=team=two", "-var=nodes=3"]] {
        let with = |command: &[&'static str]| [command, &["-no-color", "-input=false"], &values].concat();
        terraform.ok(&with(&["apply", "-auto-approve"])).await;
        // Nothing left to change, or the exit status would be 2.
        terraform.ok(&with(&["plan", "-detailed-exitcode"])).await;
    }
    let nodes = aws.with(|world, _| world.elasticache.groups["terraform-cache"].members().count());
    assert_eq!(nodes, 3);
    terraform.ok(&["destroy", "-auto-approve", "-no-color", "-input=false", "-var=team=two", "-var=nodes=3"]).await;
    assert!(aws.with(|world, _| world.elasticache.groups.is_empty() && world.secrets.secrets().next().is_none()));
}
