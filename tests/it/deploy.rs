//! Templates deployed by the AWS CLI to the local AWS, with the compiled function behind them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use simulator::nodes::find_server;
use simulator::{LocalAws, aws_cli};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::binary::{Account, find_cli, tool};
use crate::harness::{APPS, SUBNETS, VPC, policy, project_file};

/// Real time before a test gives up on a stack.
const PATIENCE: Duration = Duration::from_mins(2);
const LOOK: Duration = Duration::from_millis(50);
/// The stacks of all examples are made at the same time, and CloudFormation waits an hour for each.
const PROCESSES: usize = 6;
const SPEED: f64 = 100.0;
/// What the template of the function exports.
const EXPORT: &str = "elasticache-resource-ServiceToken";

/// An account with the function, and the CLI.
struct Shop {
    account: Account,
    program: PathBuf,
    /// Where its templates are written.
    folder: PathBuf,
}

impl Shop {
    async fn open(test: &str) -> Option<Shop> {
        let program = tool(find_cli().await, "REQUIRE_AWS_CLI", test, "AWS CLI")?;
        let aws = LocalAws::new(SPEED, Some(policy()));
        aws.with(|world, _| world.cloudformation.export(EXPORT, simulator::cloudformation::SERVICE_TOKEN));
        let account = Account::with_processes(aws, Vec::new(), PROCESSES).await;
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        std::fs::create_dir_all(&folder).unwrap();
        Some(Shop { account, program, folder })
    }

    async fn aws(&self, arguments: &[&str]) -> Result<Value, String> {
        let arguments = [&["cloudformation"], arguments].concat();
        aws_cli::run(&self.program, &self.account.endpoint(), &arguments).await
    }

    /// `create-stack` or `update-stack` with this template, in the usual network where it asks for one.
    async fn begin(&self, command: &str, stack: &str, template: &str) {
        let path = self.folder.join(format!("{stack}.yaml"));
        std::fs::write(&path, template).unwrap();
        let body = format!("file://{}", path.display());
        let subnets = SUBNETS.join("\\,");
        let parameters = [
            format!("ParameterKey=VpcId,ParameterValue={VPC}"),
            format!("ParameterKey=SubnetIds,ParameterValue={subnets}"),
            format!("ParameterKey=AppSecurityGroupId,ParameterValue={}", APPS[0]),
        ];
        let unprotected = "ParameterKey=Protected,ParameterValue=false";
        let mut arguments = vec![command, "--stack-name", stack, "--template-body", &body];
        if template.contains("AppSecurityGroupId") {
            arguments.push("--parameters");
            arguments.extend(parameters.iter().map(String::as_str));
            // What is protected has to lose that before it can be deleted.
            if template.contains("  Protected:") && command == "update-stack" {
                arguments.push(unprotected);
            }
        }
        self.aws(&arguments).await.unwrap_or_else(|e| panic!("{command} {stack}: {e}"));
    }

    /// Waits for the end of what is under way; none of a stack that is gone.
    async fn ended(&self, stack: &str) -> Option<String> {
        let status =
            || self.account.setup.aws.with(|world, _| world.cloudformation.stack_status(stack).map(str::to_owned));
        let ended = async {
            loop {
                match status() {
                    Some(status) if status.ends_with("IN_PROGRESS") => tokio::time::sleep(LOOK).await,
                    status => return status,
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("{stack} is {:?}", status()))
    }

    /// Waits for this end, and shows the history where there is another one.
    async fn ends(&self, stack: &str, expected: &str) {
        let status = self.ended(stack).await;
        if status.as_deref() != Some(expected) {
            let events = self.aws(&["describe-stack-events", "--stack-name", stack]).await;
            panic!("{stack} is {status:?}, not {expected}: {events:#?}");
        }
    }

    /// Outputs by name.
    async fn outputs(&self, stack: &str) -> Value {
        let shown = self.aws(&["describe-stacks", "--stack-name", stack]).await.unwrap();
        let outputs = shown["Stacks"][0]["Outputs"].as_array().unwrap().clone();
        let pairs = outputs
            .iter()
            .map(|output| (output["OutputKey"].as_str().unwrap_or_default().to_owned(), output["OutputValue"].clone()));
        pairs.collect::<serde_json::Map<_, _>>().into()
    }

    fn assert_nothing_left(&self) {
        let aws = &self.account.setup.aws;
        assert_eq!(aws.answers().violations().len(), 0);
        assert_eq!(aws.lambda().failures(), Vec::<String>::new());
        let left = aws.leftovers(elasticache_resource::domain::tags::TAG_STACK_ID);
        let left: Vec<String> = left.into_iter().filter(|name| !name.contains(":snapshot:")).collect();
        assert_eq!(left, Vec::<String>::new());
    }
}

/// Names of the examples, without `.yaml`. What has to be transformed is for SAM.
fn examples() -> Vec<String> {
    let names = std::fs::read_dir(project_file("examples")).unwrap().filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".yaml").map(str::to_owned)
    });
    let is_plain = |name: &String| {
        !std::fs::read_to_string(project_file(&format!("examples/{name}.yaml"))).unwrap().contains("\nTransform:")
    };
    let mut names: Vec<String> = names.filter(is_plain).collect();
    names.sort();
    names
}

/// Each example is a stack that comes, changes and goes, all at the same time.
#[tokio::test]
async fn every_example_is_deployed_changed_and_deleted() {
    let Some(shop) = Shop::open("every_example_is_deployed_changed_and_deleted").await else { return };
    let names = examples();
    assert!(names.len() >= 7, "{names:?}");
    let template = |name: &str| std::fs::read_to_string(project_file(&format!("examples/{name}.yaml"))).unwrap();
    join_all(names.iter().map(async |name| shop.begin("create-stack", name, &template(name)).await)).await;
    for name in &names {
        shop.ends(name, "CREATE_COMPLETE").await;
    }
    let change = async |name: &String| {
        let changed = template(name).replacen("      VpcId:", "      Description: changed\n      VpcId:", 1);
        assert_ne!(changed, template(name));
        shop.begin("update-stack", name, &changed).await;
    };
    join_all(names.iter().map(change)).await;
    for name in &names {
        shop.ends(name, "UPDATE_COMPLETE").await;
    }
    let shown = shop.aws(&["describe-stacks"]).await.unwrap();
    let stacks = shown["Stacks"].as_array().unwrap();
    assert_eq!(stacks.len(), names.len());
    for output in stacks.iter().flat_map(|stack| stack["Outputs"].as_array().unwrap()) {
        assert!(output["OutputValue"] != "", "{output}");
    }
    let described =
        shop.account.setup.aws.with(|world, _| {
            world.elasticache.groups.values().map(|group| group.description.clone()).collect::<Vec<_>>()
        });
    assert_eq!(described, vec!["changed"; names.len()]);
    let delete = async |name: &String| shop.aws(&["delete-stack", "--stack-name", name]).await.unwrap();
    join_all(names.iter().map(delete)).await;
    for name in &names {
        assert_eq!(shop.ended(name).await, None, "{name}");
    }
    shop.assert_nothing_left();
}

/// A template with its own network, a cache in it, and a parameter that applications read.
const OWN: &str = r#"
Parameters:
  Nodes: {Type: Number, Default: 2}
Resources:
  Vpc:
    Type: AWS::EC2::VPC
    Properties: {CidrBlock: 10.20.0.0/16}
  First:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [0, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]
      AvailabilityZone: !Select [0, !GetAZs ""]
  Second:
    Type: AWS::EC2::Subnet
    Properties:
      VpcId: !Ref Vpc
      CidrBlock: !Select [1, !Cidr [!GetAtt Vpc.CidrBlock, 4, 8]]
      AvailabilityZone: !Select [1, !GetAZs ""]
  App:
    Type: AWS::EC2::SecurityGroup
    Properties: {GroupDescription: the application, VpcId: !Ref Vpc}
  Cache:
    Type: Custom::ElastiCache
    DeletionPolicy: Delete
    Properties:
      ServiceToken: !ImportValue elasticache-resource-ServiceToken
      Env: own
      ProjectId: !Sub "${AWS::StackName}"
      VpcId: !Ref Vpc
      SubnetIds: [!Ref First, !Ref Second]
      AllowedSecurityGroupIds: [!GetAtt App.GroupId]
      NumCacheNodes: !Ref Nodes
      AutomaticFailoverEnabled: true
      AuthTokenEnabled: true
  Endpoint:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Name: /own/cache, Value: !GetAtt Cache.Connection.Endpoint}
Outputs:
  Shown: {Value: !GetAtt Endpoint.Value}
  Endpoint: {Value: !GetAtt Cache.Connection.Endpoint}
  Nodes: {Value: !GetAtt Cache.Configuration.NumCacheNodes}
"#;

#[tokio::test]
async fn a_template_of_ones_own_is_deployed_changed_and_deleted() {
    let Some(shop) = Shop::open("a_template_of_ones_own_is_deployed_changed_and_deleted").await else { return };
    shop.begin("create-stack", "own", OWN).await;
    shop.ends("own", "CREATE_COMPLETE").await;
    let outputs = shop.outputs("own").await;
    assert_eq!((&outputs["Shown"], &outputs["Nodes"]), (&outputs["Endpoint"], &json!("2")));

    // Nothing was begun before what it needs was there.
    let shown = shop.aws(&["describe-stack-events", "--stack-name", "own"]).await.unwrap();
    let events: Vec<(&str, &str)> = shown["StackEvents"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|event| (event["LogicalResourceId"].as_str().unwrap(), event["ResourceStatus"].as_str().unwrap()))
        .collect();
    let at =
        |wanted: (&str, &str)| events.iter().position(|event| *event == wanted).unwrap_or_else(|| panic!("{wanted:?}"));
    for (first, then) in [("Vpc", "First"), ("Vpc", "App"), ("First", "Cache"), ("App", "Cache"), ("Cache", "Endpoint")]
    {
        assert!(at((first, "CREATE_COMPLETE")) < at((then, "CREATE_IN_PROGRESS")), "{first} before {then}: {events:?}");
    }
    assert_eq!((events[0], events[events.len() - 1]), (("own", "CREATE_IN_PROGRESS"), ("own", "CREATE_COMPLETE")));

    let changed = OWN.replace("Default: 2", "Default: 3");
    shop.begin("update-stack", "own", &changed).await;
    shop.ends("own", "UPDATE_COMPLETE").await;
    assert_eq!(shop.outputs("own").await["Nodes"], "3");
    // A change that the function refuses: the stack goes back, with the reason in its history.
    shop.begin("update-stack", "own", &changed.replace("Env: own", "Env: own\n      Port: 6380")).await;
    shop.ends("own", "UPDATE_ROLLBACK_COMPLETE").await;
    let shown = shop.aws(&["describe-stack-events", "--stack-name", "own"]).await.unwrap();
    let failed =
        shown["StackEvents"].as_array().unwrap().iter().find(|event| event["ResourceStatus"] == "UPDATE_FAILED");
    let reason = failed.unwrap()["ResourceStatusReason"].as_str().unwrap();
    assert!(reason.contains("Port") && reason.contains("ReplacementPolicy"), "{reason}");

    // A node type that AWS does not offer here: nothing stays half-made.
    let nowhere = changed.replace("Env: own", "Env: nowhere\n      NodeType: cache.q9.large").replace("/own/", "/no/");
    shop.begin("create-stack", "nowhere", &nowhere).await;
    shop.ends("nowhere", "ROLLBACK_COMPLETE").await;
    let shown = shop.aws(&["describe-stack-events", "--stack-name", "nowhere"]).await.unwrap();
    assert!(shown.to_string().contains("cache.q9.large"), "{shown:#}");

    for stack in ["own", "nowhere"] {
        shop.aws(&["delete-stack", "--stack-name", stack]).await.unwrap();
        assert_eq!(shop.ended(stack).await, None, "{stack}");
    }
    shop.assert_nothing_left();
    let networks = shop
        .account
        .setup
        .aws
        .with(|world, _| world.ec2.security_groups().filter(|group| group.name.contains("own")).count());
    assert_eq!(networks, 0);
}

/// The commands in a section of the README, as a shell reads them.
fn commands(section: &str) -> Vec<String> {
    let text = std::fs::read_to_string(project_file("README.md")).unwrap();
    let (_, rest) = text.split_once(&format!("## {section}\n")).unwrap();
    let section = rest.split_once("\n## ").unwrap().0;
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

/// "Try it" in the README, word for word: it ends with a cache that answers, and Ctrl-C leaves nothing.
#[tokio::test]
async fn the_readme_can_be_followed() {
    let test = "the_readme_can_be_followed";
    let Some(cli) = tool(find_cli().await, "REQUIRE_AWS_CLI", test, "AWS CLI") else { return };
    let Some(server) = tool(find_server(None), "REQUIRE_VALKEY", test, "valkey-server or redis-server") else { return };
    let bootstrap = Path::new(env!("CARGO_BIN_EXE_bootstrap"));
    let program = bootstrap.with_file_name("local-aws");
    let Some(program) = tool(Some(program).filter(|path| path.is_file()), "REQUIRE_CLIENTS", test, "local-aws") else {
        return;
    };
    let lines = commands("Try it");
    let [first, rest @ ..] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(first, "make local");

    // What that target starts, on a free port.
    let mut local = Command::new(&program)
        .arg("serve")
        .arg("--bootstrap")
        .arg(bootstrap)
        .args(["--template", "template.yaml", "--nodes", "--port", "0", "--valkey-server"])
        .arg(server)
        .args(["--aws-cli", ".venv/bin/aws"])
        .current_dir(project_file("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut shown = BufReader::new(local.stdout.take().unwrap()).lines();
    let mut printed = Vec::new();
    while let Some(line) = shown.next_line().await.unwrap() {
        let is_last = line.starts_with("Ctrl-C");
        printed.push(line.trim().to_owned());
        if is_last {
            break;
        }
    }
    let export = printed.iter().find_map(|line| line.strip_prefix("export AWS_ENDPOINT_URL=")).expect("an endpoint");
    for line in rest.iter().filter(|line| line.starts_with("export") && !line.contains("ENDPOINT_URL")) {
        assert!(printed.contains(line), "{line} is in the README and not in {printed:#?}");
    }
    let script =
        rest.join("\n").replace("http://127.0.0.1:4566", export).replace(".venv/bin/aws", &cli.display().to_string());
    let script = script.replace("target/debug/local-aws", &program.display().to_string());
    let typed = Command::new("sh")
        .args(["-e", "-c", &format!("{script}\necho \"at $ENDPOINT\"")])
        .current_dir(project_file("."))
        .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let typed = tokio::time::timeout(Duration::from_mins(3), typed).await.expect("three minutes are enough").unwrap();
    let output = String::from_utf8_lossy(&typed.stdout);
    assert!(typed.status.success(), "{output}{}", String::from_utf8_lossy(&typed.stderr));
    assert!(output.contains("\nOK\n"), "{output}");
    let cache = output.trim_end().rsplit_once("at ").unwrap().1;
    TcpStream::connect(cache).await.unwrap();

    let pid = local.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
    tokio::time::timeout(Duration::from_secs(20), local.wait()).await.expect("it ends").unwrap();
    let gone = async {
        while TcpStream::connect(cache).await.is_ok() {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the cache is gone");
    assert!(TcpStream::connect(export.trim_start_matches("http://")).await.is_err());
}
