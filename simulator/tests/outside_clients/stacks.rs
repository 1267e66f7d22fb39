//! Whole stacks, driven by the AWS CLI. The function behind the custom resource is a few lines that do as the properties say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::SERVICE_TOKEN;
use simulator::http::Server;
use simulator::lambda::Function;

use crate::{Cli, named, served, skip};

/// Real time before a test gives up on a stack.
const PATIENCE: Duration = Duration::from_mins(3);
/// The clock: what takes most of an hour must outlast several calls of the CLI on a busy machine.
const SPEED: f64 = 30.0;
const LOOK: Duration = Duration::from_millis(20);

/// A local AWS with a function, a folder for templates, and the CLI.
struct Account {
    cli: Cli,
    aws: LocalAws,
    folder: tempfile::TempDir,
    _server: Server,
    _function: Arc<dyn Function>,
}

impl Account {
    /// Without the CLI there is none, and the test is skipped.
    async fn open(test: &str) -> Option<Account> {
        let given = named("AWS_CLI");
        let Some(program) = simulator::aws_cli::find(given.as_deref()) else {
            skip(test, "AWS CLI", "REQUIRE_AWS_CLI");
            return None;
        };
        let (aws, server) = served(SPEED).await;
        aws.answers().serve_at(&server.endpoint());
        let function = obedient(&aws);
        aws.lambda().attach(&function);
        let cli = Cli { program, endpoint: server.endpoint() };
        let folder = tempfile::tempdir().unwrap();
        Some(Account { cli, aws, folder, _server: server, _function: function })
    }

    /// A file with this template, as the CLI takes it.
    fn template(&self, name: &str, template: &Value) -> String {
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, template.to_string()).unwrap();
        format!("file://{}", path.display())
    }

    async fn begin(&self, command: &str, stack: &str, template: &Value) -> Result<Value, String> {
        let body = self.template(&format!("{stack}.json"), template);
        self.cli.run(&format!("cloudformation {command} --stack-name {stack} --template-body {body}")).await
    }

    fn status(&self, stack: &str) -> Option<String> {
        self.aws.with(|world, _| world.cloudformation.stack_status(stack).map(str::to_owned))
    }

    /// Waits until nothing is under way; the status that there is then, and none of a stack that is gone.
    async fn ended(&self, stack: &str) -> Option<String> {
        let ended = async {
            loop {
                match self.status(stack) {
                    Some(status) if status.ends_with("IN_PROGRESS") => tokio::time::sleep(LOOK).await,
                    status => return status,
                }
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("{stack} is {:?}", self.status(stack)))
    }

    async fn reaches(&self, stack: &str, status: &str) {
        let reached = async {
            while self.status(stack).as_deref() != Some(status) {
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, reached).await;
        waited.unwrap_or_else(|_| panic!("{stack} is {:?}, not {status}", self.status(stack)));
    }

    /// The history, oldest first: logical id, status and reason.
    async fn events(&self, stack: &str) -> Vec<(String, String, String)> {
        let shown = self.cli.ok(&format!("cloudformation describe-stack-events --stack-name {stack}")).await;
        let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
        let events = shown["StackEvents"].as_array().unwrap().iter().rev().map(|event| {
            (
                text(event, "LogicalResourceId"),
                text(event, "ResourceStatus"),
                text(event, "ResourceStatusReason").trim().to_owned(),
            )
        });
        events.collect()
    }
}

/// A function whose answers stand in the properties: `Fail` has the request types that it fails, `Seconds` how long it takes,
/// and a change of `Name` makes another thing.
fn obedient(aws: &LocalAws) -> Arc<dyn Function> {
    let aws = aws.clone();
    Arc::new(move |event: Value| {
        let aws = aws.clone();
        async move {
            let properties = event["ResourceProperties"].clone();
            let text = |key: &str| properties[key].as_str().unwrap_or_default().to_owned();
            aws.clock().sleep(Duration::from_secs(text("Seconds").parse().unwrap_or(10))).await;
            let request_type = event["RequestType"].as_str().unwrap();
            let fails = text("Fail").contains(request_type);
            let name = if text("Name").is_empty() { "thing".to_owned() } else { text("Name") };
            let id = if request_type == "Delete" { event["PhysicalResourceId"].clone() } else { name.clone().into() };
            let mut answer = json!({"Status": if fails { "FAILED" } else { "SUCCESS" }, "Reason": "as told",
                "PhysicalResourceId": id});
            for key in ["RequestId", "StackId", "LogicalResourceId"] {
                answer[key] = event[key].clone();
            }
            if request_type != "Delete" {
                answer["Data"] = json!({"Name": name});
            }
            let body = Bytes::from(answer.to_string());
            let url = event["ResponseURL"].as_str().unwrap();
            let request = http::Request::put(url).header("content-length", body.len()).body(body).unwrap();
            aws.answers().accept(&request, aws.clock().now()).unwrap();
            Ok::<Value, String>(Value::Null)
        }
    })
}

fn thing(properties: Value) -> Value {
    let mut properties = properties;
    properties["ServiceToken"] = json!(SERVICE_TOKEN);
    json!({"Type": "Custom::Thing", "Properties": properties})
}

fn only(properties: Value) -> Value {
    json!({"Resources": {"Thing": thing(properties)}})
}

fn triple<'a>(logical_id: &'a str, status: &'a str, reason: &'a str) -> (String, String, String) {
    (logical_id.to_owned(), status.to_owned(), reason.to_owned())
}

/// What is made, when, and what is said of it.
#[tokio::test]
async fn a_stack_lives_as_the_aws_cli_shows_it() {
    let Some(account) = Account::open("a_stack_lives_as_the_aws_cli_shows_it").await else { return };
    let template = |name: &str| {
        json!({
            "Parameters": {"Size": {"Type": "Number", "Default": 1}},
            "Resources": {
                "Thing": thing(json!({"Name": name, "Vpc": {"Ref": "Vpc"}, "Size": {"Ref": "Size"}})),
                "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.9.0.0/16"}},
                "Note": {"Type": "AWS::SSM::Parameter",
                    "Properties": {"Type": "String", "Value": {"Fn::GetAtt": ["Thing", "Name"]}}},
            },
            "Outputs": {"Note": {"Value": {"Fn::GetAtt": ["Note", "Value"]}, "Export": {"Name": "the-note"}}},
        })
    };
    account.begin("create-stack", "app", &template("one")).await.unwrap();
    assert_eq!(account.ended("app").await.as_deref(), Some("CREATE_COMPLETE"));
    let events = account.events("app").await;
    let expected = [
        triple("app", "CREATE_IN_PROGRESS", "User Initiated"),
        triple("Vpc", "CREATE_IN_PROGRESS", ""),
        triple("Vpc", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        triple("Vpc", "CREATE_COMPLETE", ""),
        triple("Thing", "CREATE_IN_PROGRESS", ""),
        triple("Thing", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        triple("Thing", "CREATE_COMPLETE", "as told"),
        triple("Note", "CREATE_IN_PROGRESS", ""),
        triple("Note", "CREATE_IN_PROGRESS", "Resource creation Initiated"),
        triple("Note", "CREATE_COMPLETE", ""),
        triple("app", "CREATE_COMPLETE", ""),
    ];
    assert_eq!(events, expected);

    // Who imports keeps the exporting stack from going.
    let mut user = only(json!({}));
    user["Resources"]["Thing"]["Properties"]["From"] = json!({"Fn::ImportValue": "the-note"});
    account.begin("create-stack", "user", &user).await.unwrap();
    assert_eq!(account.ended("user").await.as_deref(), Some("CREATE_COMPLETE"));
    let refusal = account.cli.refused("cloudformation delete-stack --stack-name app").await;
    assert!(refusal.contains("Export the-note cannot be deleted as it is in use by user"), "{refusal}");
    account.cli.ok("cloudformation delete-stack --stack-name user").await;
    assert_eq!(account.ended("user").await, None);

    // A replacement: the new thing first, then what depends on it, and the old thing last.
    account.begin("update-stack", "app", &template("two")).await.unwrap();
    // Until that has happened the stack exports what it did.
    let exports = account.cli.ok("cloudformation list-exports").await;
    assert!(exports["Exports"].as_array().unwrap().iter().any(|export| export["Name"] == "the-note"), "{exports}");
    assert_eq!(account.ended("app").await.as_deref(), Some("UPDATE_COMPLETE"));
    let update = account.events("app").await.split_off(expected.len());
    let moves: Vec<(&str, &str)> = update.iter().map(|(id, status, _)| (id.as_str(), status.as_str())).collect();
    let expected = [
        ("app", "UPDATE_IN_PROGRESS"),
        ("Thing", "UPDATE_IN_PROGRESS"),
        ("Thing", "UPDATE_IN_PROGRESS"),
        ("Thing", "UPDATE_COMPLETE"),
        ("Note", "UPDATE_IN_PROGRESS"),
        ("Note", "UPDATE_COMPLETE"),
        ("app", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"),
        ("Thing", "DELETE_IN_PROGRESS"),
        ("Thing", "DELETE_COMPLETE"),
        ("app", "UPDATE_COMPLETE"),
    ];
    assert_eq!(moves, expected);
    let stack = account.cli.ok("cloudformation describe-stacks --stack-name app").await["Stacks"][0].clone();
    assert_eq!(stack["Outputs"][0]["OutputValue"], "two");
    let refusal = account.begin("update-stack", "app", &template("two")).await.unwrap_err();
    assert!(refusal.contains("No updates are to be performed."), "{refusal}");

    account.cli.ok("cloudformation delete-stack --stack-name app").await;
    assert_eq!(account.ended("app").await, None);
    let id = stack["StackId"].as_str().unwrap();
    let deleted = account.events(id).await;
    let gone: Vec<&str> =
        deleted.iter().filter(|(_, status, _)| status == "DELETE_COMPLETE").map(|(name, ..)| name.as_str()).collect();
    assert_eq!(gone, ["Thing", "Note", "Thing", "Vpc", "app"]);
}

/// What failed is taken back, kept, or deleted, as was asked for; and a stack can be left on every one of these ways.
#[tokio::test]
async fn failures_end_as_the_caller_asked() {
    let Some(account) = Account::open("failures_end_as_the_caller_asked").await else { return };
    let failing = only(json!({"Fail": "Create"}));
    account.begin("create-stack", "plain", &failing).await.unwrap();
    account.begin("create-stack --on-failure DELETE", "deleted", &failing).await.unwrap();
    account.begin("create-stack --disable-rollback", "kept", &failing).await.unwrap();

    assert_eq!(account.ended("plain").await.as_deref(), Some("ROLLBACK_COMPLETE"));
    let failed = triple(
        "plain",
        "ROLLBACK_IN_PROGRESS",
        "The following resource(s) failed to create: [Thing]. Rollback requested by user.",
    );
    assert!(account.events("plain").await.contains(&failed));
    let refusal = account.begin("update-stack", "plain", &only(json!({}))).await.unwrap_err();
    assert!(refusal.contains("is in ROLLBACK_COMPLETE state and can not be updated."), "{refusal}");
    assert_eq!(account.ended("deleted").await, None);

    // Kept as far as it came, and then made.
    assert_eq!(account.ended("kept").await.as_deref(), Some("CREATE_FAILED"));
    account.begin("update-stack", "kept", &only(json!({}))).await.unwrap();
    assert_eq!(account.ended("kept").await.as_deref(), Some("UPDATE_COMPLETE"));

    // An update that is kept half-way, and taken back later.
    account.begin("update-stack --disable-rollback", "kept", &only(json!({"Fail": "Update"}))).await.unwrap();
    assert_eq!(account.ended("kept").await.as_deref(), Some("UPDATE_FAILED"));
    account.cli.ok("cloudformation rollback-stack --stack-name kept").await;
    assert_eq!(account.ended("kept").await.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));

    // An update that is cancelled.
    account.begin("update-stack", "kept", &only(json!({"Seconds": "3500"}))).await.unwrap();
    let refusal = account.begin("update-stack", "kept", &only(json!({"Name": "x"}))).await.unwrap_err();
    assert!(refusal.contains("is in UPDATE_IN_PROGRESS state and can not be updated."), "{refusal}");
    let refusal = account.cli.refused("cloudformation delete-stack --stack-name kept").await;
    assert!(refusal.contains("cannot be deleted while in status UPDATE_IN_PROGRESS"), "{refusal}");
    account.cli.ok("cloudformation cancel-update-stack --stack-name kept").await;
    assert_eq!(account.ended("kept").await.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));
    assert!(account.events("kept").await.contains(&triple("Thing", "UPDATE_FAILED", "Resource update cancelled")));

    // A rollback that fails, goes on, fails, and goes on without the resource.
    let was = json!({"Resources": {"Thing": thing(json!({"Fail": "Update"})), "Other": thing(json!({}))}});
    account.begin("create-stack", "stuck", &was).await.unwrap();
    assert_eq!(account.ended("stuck").await.as_deref(), Some("CREATE_COMPLETE"));
    let mut change = was.clone();
    change["Resources"]["Thing"] = thing(json!({"Size": "2"}));
    change["Resources"]["Other"] = thing(json!({"Fail": "Update", "Seconds": "60"}));
    account.begin("update-stack", "stuck", &change).await.unwrap();
    assert_eq!(account.ended("stuck").await.as_deref(), Some("UPDATE_ROLLBACK_FAILED"));
    account.cli.ok("cloudformation continue-update-rollback --stack-name stuck").await;
    assert_eq!(account.ended("stuck").await.as_deref(), Some("UPDATE_ROLLBACK_FAILED"));
    account.cli.ok("cloudformation continue-update-rollback --stack-name stuck --resources-to-skip Thing").await;
    assert_eq!(account.ended("stuck").await.as_deref(), Some("UPDATE_ROLLBACK_COMPLETE"));

    // A stack that is deleted while it is being made.
    account.begin("create-stack", "early", &only(json!({"Seconds": "3500"}))).await.unwrap();
    account.reaches("early", "CREATE_IN_PROGRESS").await;
    account.cli.ok("cloudformation delete-stack --stack-name early").await;
    account.reaches("early", "DELETE_IN_PROGRESS").await;
}

/// Everything that is wrong with a call is refused, and makes nothing.
#[tokio::test]
async fn bad_input_is_refused_and_makes_nothing() {
    let Some(account) = Account::open("bad_input_is_refused_and_makes_nothing").await else { return };
    let other = |key: &str, value: Value| {
        let mut template = only(json!({}));
        template["Resources"]["Thing"]["Properties"][key] = value;
        template
    };
    let circle = json!({"Resources": {"A": {"DependsOn": "B", "Type": "AWS::SNS::Topic"},
        "B": {"DependsOn": "A", "Type": "AWS::SNS::Topic"}}});
    let missing = json!({"Parameters": {"Size": {"Type": "Number"}, "Place": {"Type": "String"}},
        "Resources": {"A": {"Type": "AWS::SNS::Topic"}}});
    let secret = json!({"Parameters": {"Size": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/size"}},
        "Resources": {"A": {"Type": "AWS::SNS::Topic"}}});
    let unknown = json!({"Resources": {"A": {"Type": "AWS::RDS::DBInstance"}, "B": {"Type": "AWS::S3::Bucket"}}});
    let cases = BTreeMap::from([
        ("function", (other("Size", json!({"Fn::Sum": [1, 2]})), "unsupported function: Fn::Sum")),
        ("reference", (other("Size", json!({"Ref": "Nothing"})), "Unresolved resource dependencies [Nothing]")),
        ("circle", (circle, "Circular dependency between resources: [A, B]")),
        ("missing", (missing, "Parameters: [Place, Size] must have values")),
        ("secret", (secret, "which the local AWS does not read")),
        ("types", (unknown, "Unrecognized resource types: [AWS::RDS::DBInstance, AWS::S3::Bucket]")),
    ]);
    for (name, (template, said)) in &cases {
        let refusal = account.begin("create-stack", name, template).await.unwrap_err();
        assert!(refusal.contains("ValidationError") && refusal.contains(said), "{name}: {refusal}");
    }
    // An import and a VPC that are not there are found when the stack begins: it fails, and nothing is made.
    let import = other("Size", json!({"Fn::ImportValue": "no-such-export"}));
    account.begin("create-stack", "import", &import).await.unwrap();
    assert_eq!(account.ended("import").await.as_deref(), Some("ROLLBACK_COMPLETE"));
    let events = account.events("import").await;
    let said = "No export named no-such-export found. Rollback requested by user.";
    assert!(events.contains(&triple("import", "ROLLBACK_IN_PROGRESS", said)), "{events:?}");
    assert!(events.iter().all(|(id, ..)| id == "import"), "{events:?}");

    let nowhere = Cli { program: account.cli.program.clone(), endpoint: "http://127.0.0.1:1".to_owned() };
    assert!(nowhere.refused("cloudformation describe-stacks").await.contains("Could not connect to the endpoint URL"));
    let unsigned = account.cli.refused("cloudformation describe-stacks --no-sign-request").await;
    assert!(unsigned.contains("MissingAuthenticationToken"), "{unsigned}");
    let elsewhere = account.cli.refused("cloudformation describe-stacks --region eu-west-1").await;
    assert!(elsewhere.contains("the local AWS has no region eu-west-1, only us-east-1"), "{elsewhere}");
    let stacks = account.cli.ok("cloudformation describe-stacks").await;
    assert_eq!(stacks["Stacks"].as_array().unwrap().len(), 1, "{stacks}");
}
