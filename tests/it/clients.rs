//! The clients in `examples/clients/`: each lives through a rotation, over TLS with its certificate checks on.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use simulator::wire::credential::ADMINISTRATOR_KEY;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::binary::{connect, tool};
use crate::harness::{production, with};
use crate::live_rotation::Live;

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/clients");

/// A client under way.
struct Client {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Client {
    fn start(live: &Live, program: &Path, arguments: &[&str]) -> Client {
        let arn = live
            .account
            .setup
            .aws
            .with(|world, _| world.secrets.secret(crate::live_rotation::SECRET).unwrap().arn.clone());
        let mut child = Command::new(program)
            .args(arguments)
            .arg(arn)
            .envs([("AWS_ACCESS_KEY_ID", ADMINISTRATOR_KEY), ("AWS_SECRET_ACCESS_KEY", "any")])
            .envs([("AWS_REGION", "us-east-1"), ("AWS_DEFAULT_REGION", "us-east-1")])
            .env("AWS_ENDPOINT_URL", live.account.endpoint())
            .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
            .env("SSL_CERT_FILE", live.certificate())
            .env("NODE_EXTRA_CA_CERTS", live.certificate())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Client { child, lines }
    }

    /// The result of the next command.
    async fn next(&mut self) -> i64 {
        let line = tokio::time::timeout(Duration::from_secs(20), self.lines.next_line()).await;
        let line = line.expect("the client prints something").unwrap().expect("the client goes on");
        line.parse().unwrap()
    }

    async fn ends_well(mut self) {
        drop(self.child.stdin.take());
        while self.lines.next_line().await.unwrap().is_some() {}
        assert!(self.child.wait().await.unwrap().success());
    }
}

/// A client has its password cached, the cache is rotated to another one, and its connection breaks: it goes on.
async fn lives_through_a_rotation(test: &str, program: &Path, arguments: &[&str]) {
    let properties = |version: &str| with(production(), json!({"AuthTokenVersion": version}));
    let Some(live) = Live::open(test, properties("1")).await else { return };
    let mut client = Client::start(&live, program, arguments);
    let mut visits = client.next().await;
    let old = live.password();
    live.account.setup.updated(properties("2")).await;
    let new = live.password();
    assert!(new != old && !live.opens(&old, false).await, "the old token still opens the cache");
    let mut admin = connect(&live.endpoint, true, Some(&new), &live.root).await.unwrap();
    let kill =
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"]).query_async::<i64>(&mut admin).await;
    assert!(kill.unwrap() >= 1, "the client had no connection");
    // Lines that were printed before the rotation come first.
    let until: i64 = redis::cmd("GET").arg("visits").query_async(&mut admin).await.unwrap();
    while visits < until + 5 {
        visits = client.next().await;
    }
    client.ends_well().await;
}

fn python() -> Option<PathBuf> {
    let cli = std::env::var_os("AWS_CLI").filter(|named| !named.is_empty()).map(PathBuf::from)?;
    // The folder that the tests' Python tools are installed in.
    let python = cli.parent()?.join("python");
    python.is_file().then_some(python)
}

fn node() -> Option<PathBuf> {
    let named = std::env::var_os("NODE").filter(|named| !named.is_empty()).map(PathBuf::from)?;
    let installed = Path::new(CLIENTS).join("node/node_modules/iovalkey").is_dir();
    installed.then_some(named)
}

#[tokio::test]
async fn the_python_client_lives_through_a_rotation() {
    let test = "the_python_client_lives_through_a_rotation";
    let Some(python) = tool(python(), "REQUIRE_CLIENTS", test, "Python with boto3 and valkey") else { return };
    lives_through_a_rotation(test, &python, &[&format!("{CLIENTS}/python/client.py")]).await;
}

#[tokio::test]
async fn the_node_client_lives_through_a_rotation() {
    let test = "the_node_client_lives_through_a_rotation";
    let Some(node) = tool(node(), "REQUIRE_CLIENTS", test, "NODE with the client's packages") else { return };
    lives_through_a_rotation(test, &node, &[&format!("{CLIENTS}/node/client.mjs")]).await;
}

#[tokio::test]
async fn the_rust_client_lives_through_a_rotation() {
    let test = "the_rust_client_lives_through_a_rotation";
    let built = Path::new(env!("CARGO_BIN_EXE_bootstrap")).with_file_name("examples").join("rotating-client");
    let Some(program) = tool(Some(built).filter(|path| path.is_file()), "REQUIRE_CLIENTS", test, "the example") else {
        return;
    };
    lives_through_a_rotation(test, &program, &[]).await;
}
