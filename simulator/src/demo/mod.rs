//! `local-aws demo`: an example, through the compiled function, with real cache nodes.

mod console;
mod feed;
mod screen;
mod steps;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Args;
use serde_json::json;
use simulator::LocalAws;
use simulator::aws_cli;
use simulator::cloudformation::{Stack, template};
use simulator::lambda::{Environment, Process};
use simulator::nodes::Driver;
use simulator::policy::Policy;

use self::feed::Feed;
use self::screen::Screen;
use self::steps::{Demo, Wanted};
use crate::ServerOption;
use crate::serve::{SHORTEST_POLL, SIMULATED_POLL, positive};

/// The network of the demo is one that every local AWS starts with.
const VPC: &str = "vpc-0a1b2c3d4e5f60001";
const SUBNETS: [&str; 3] = ["subnet-0a000000000000001", "subnet-0a000000000000002", "subnet-0a000000000000003"];
/// Security group of the application, allowed from the start.
const APP_GROUP: &str = "sg-0a00000000000aa01";
/// Security group that the update of the allow list adds.
const WORKERS_GROUP: &str = "sg-0a00000000000aa02";
/// Address block that the update of the allow list adds.
const OFFICE_BLOCK: &str = "10.0.64.0/24";

#[derive(Args)]
pub(crate) struct Options {
    /// The compiled function
    #[arg(long, value_name = "PATH")]
    bootstrap: PathBuf,
    /// SAM template whose policy says what the function may do
    #[arg(long, value_name = "PATH", default_value = "template.yaml")]
    template: PathBuf,
    /// Template with the resource to deploy
    #[arg(long, value_name = "PATH", default_value = "examples/production.yaml")]
    example: PathBuf,
    #[command(flatten)]
    server: ServerOption,
    /// AWS CLI to look at the local AWS with [default: aws on the PATH, if there is one]
    #[arg(long, value_name = "PATH")]
    aws_cli: Option<PathBuf>,
    /// How many times faster than real time the clock runs
    #[arg(long, default_value_t = 60.0, value_parser = positive)]
    speed: f64,
    /// Port of the local AWS; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Before deleting, keep everything running until Enter is pressed
    #[arg(long)]
    keep: bool,
}

pub(crate) async fn run(options: &Options) -> Result<(), String> {
    let screen = Screen::new();
    let program = options.server.find()?;
    let policy = Policy::from_template(&options.template)?;
    let parameters = BTreeMap::from([
        ("VpcId", json!(VPC)),
        ("SubnetIds", json!(SUBNETS)),
        ("AppSecurityGroupId", json!(APP_GROUP)),
    ]);
    let (logical_id, properties) = template::cache(&options.example, &parameters)?;

    let aws = LocalAws::new(options.speed, Some(policy));
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let server =
        simulator::http::serve(aws.clone(), address).await.map_err(|e| format!("cannot listen on {address}: {e}"))?;
    aws.answers().serve_at(&server.endpoint());
    let driver = Driver::start(&aws, &program).map_err(|e| format!("cannot run cache nodes: {e}"))?;
    let environment = Environment {
        endpoint: server.endpoint(),
        poll_interval: SIMULATED_POLL.div_f64(options.speed).max(SHORTEST_POLL),
        extra: vec![("RUST_LOG".to_owned(), "info".to_owned())],
    };
    let (_process, lines) = Process::start(aws.lambda(), &options.bootstrap, &environment)
        .map_err(|e| format!("{} does not start: {e}", options.bootstrap.display()))?;
    let feed = Feed::start(&aws, screen, lines);

    screen.heading("A local AWS");
    screen.fact("endpoint", &server.endpoint());
    screen.fact("clock", &format!("{} times as fast as real time", options.speed));
    screen.fact("function", &options.bootstrap.display().to_string());
    screen.fact("rights", &format!("policy in {}", options.template.display()));
    screen.fact("cache nodes", &program.display().to_string());
    let others = template::other_resources(&options.example, &logical_id)?;
    if !others.is_empty() {
        screen.fact("left out", &format!("{}: make local deploys whole templates", others.join(", ")));
    }

    let stack = Stack::new(&aws, aws.lambda().clone(), "demo");
    let demo = Demo {
        screen,
        aws,
        stack,
        feed,
        endpoint: server.endpoint(),
        authority: driver.authority().pem().to_owned(),
        certificate: driver.certificate().to_owned(),
        aws_cli: aws_cli::find(options.aws_cli.as_deref()),
        keep: options.keep,
        example: options.example.display().to_string(),
        wanted: Wanted::of(&properties),
        logical_id,
        properties,
    };
    let ended = demo.run().await;
    demo.feed.flush().await;
    if let Err(failure) = &ended {
        screen.failed(failure);
        for failure in demo.aws.lambda().failures() {
            screen.fact("failed invocation", &failure);
        }
        return Err("the demo did not go as it should".to_owned());
    }
    Ok(())
}
