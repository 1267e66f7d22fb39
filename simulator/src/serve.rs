//! `local-aws serve`: a local AWS for whoever wants to talk to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use simulator::LocalAws;
use simulator::cloudformation::SERVICE_TOKEN;
use simulator::lambda::{Environment, Workers};
use simulator::nodes::Driver;
use simulator::policy::Policy;
use simulator::wire::credential::ADMINISTRATOR_KEY;
use simulator::world::REGION;

use crate::ServerOption;

/// What the examples import, and the template of the function exports under its default name.
const SERVICE_TOKEN_EXPORT: &str = "elasticache-resource-ServiceToken";
/// Simulated time between two looks of the function, so that a fast clock does not make it look rarely.
pub(crate) const SIMULATED_POLL: Duration = Duration::from_secs(5);
/// And never more often than this in real time.
pub(crate) const SHORTEST_POLL: Duration = Duration::from_millis(20);

#[derive(Args)]
pub(crate) struct Options {
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// How many times faster than real time the clock runs
    #[arg(long, default_value_t = 60.0, value_parser = positive)]
    speed: f64,
    /// SAM template whose policy says what the function may do [default: everything]
    #[arg(long, value_name = "PATH")]
    template: Option<PathBuf>,
    /// Run a real cache server for every node
    #[arg(long)]
    nodes: bool,
    /// The compiled function: stacks and Invoke reach it
    #[arg(long, value_name = "PATH")]
    bootstrap: Option<PathBuf>,
    /// Let templates have resources of unknown types, which then do nothing
    #[arg(long)]
    lenient: bool,
    #[command(flatten)]
    server: ServerOption,
    /// How the AWS CLI is called in what is shown
    #[arg(long, value_name = "PATH", default_value = "aws")]
    aws_cli: PathBuf,
}

/// The network that the examples are shown to be deployed into, which every local AWS has.
const NETWORK: &str = "VpcId=vpc-0a1b2c3d4e5f60001 SubnetIds=subnet-0a000000000000001,subnet-0a000000000000002 \
                       AppSecurityGroupId=sg-0a00000000000aa01";

/// A speed has to move the clock.
pub(crate) fn positive(text: &str) -> Result<f64, String> {
    let speed: f64 = text.parse().map_err(|_| format!("{text:?} is not a number"))?;
    if speed.is_finite() && speed > 0.0 { Ok(speed) } else { Err("it must be greater than 0".to_owned()) }
}

/// How many events the function handles at the same time.
const WORKERS: usize = 8;

/// The compiled function; what it says goes to standard error.
async fn function(aws: &LocalAws, program: &Path, speed: f64, endpoint: &str) -> Result<Workers, String> {
    let environment = Environment {
        endpoint: endpoint.to_owned(),
        poll_interval: SIMULATED_POLL.div_f64(speed).max(SHORTEST_POLL),
        extra: vec![("RUST_LOG".to_owned(), "info".to_owned())],
    };
    let (workers, mut lines) = Workers::start(aws, program, &environment, WORKERS)
        .await
        .map_err(|e| format!("{} does not start: {e}", program.display()))?;
    tokio::spawn(async move {
        while let Some(line) = lines.recv().await {
            eprintln!("{}", line.text);
        }
    });
    Ok(workers)
}

pub(crate) async fn run(options: &Options) -> Result<(), String> {
    let policy = options.template.as_deref().map(Policy::from_template).transpose()?;
    let aws = LocalAws::new(options.speed, policy);
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let server =
        simulator::http::serve(aws.clone(), address).await.map_err(|e| format!("cannot listen on {address}: {e}"))?;
    aws.answers().serve_at(&server.endpoint());
    let driver = if options.nodes {
        let program = options.server.find()?;
        Some(Driver::start(&aws, &program).map_err(|e| format!("cannot run cache nodes: {e}"))?)
    } else {
        None
    };
    aws.with(|world, _| {
        world.cloudformation.export(SERVICE_TOKEN_EXPORT, SERVICE_TOKEN);
        if options.lenient {
            world.cloudformation.accept_unknown_types();
        }
    });
    // Lives as long as the server does.
    let _function = match &options.bootstrap {
        Some(program) => Some(function(&aws, program, options.speed, &server.endpoint()).await?),
        None => None,
    };
    show(options, &server.endpoint(), driver.as_ref());
    std::future::pending().await
}

/// What somebody needs to know to use it.
fn show(options: &Options, endpoint: &str, driver: Option<&Driver>) {
    println!("A local AWS at {endpoint}, with time {} times as fast as real time. In another shell:", options.speed);
    println!();
    println!("    export AWS_ENDPOINT_URL={endpoint}");
    println!("    export AWS_ACCESS_KEY_ID={ADMINISTRATOR_KEY} AWS_SECRET_ACCESS_KEY=any");
    // Version 1 of the CLI reads only the second one.
    println!("    export AWS_REGION={REGION} AWS_DEFAULT_REGION={REGION}");
    println!();
    let aws = options.aws_cli.display();
    if options.bootstrap.is_none() {
        println!("There is no function (--bootstrap), so stacks with caches wait for one. Look around:");
        println!();
        println!("    {aws} elasticache describe-replication-groups");
        return;
    }
    println!("Deploy an example, and see what it made:");
    println!();
    println!("    {aws} cloudformation deploy --stack-name demo --template-file examples/quick-start.yaml \\");
    println!("        --parameter-overrides {NETWORK}");
    println!("    {aws} cloudformation describe-stacks --stack-name demo --query 'Stacks[0].Outputs' --output table");
    if let Some(driver) = driver {
        let program = std::env::args().next().unwrap_or_else(|| "local-aws".to_owned());
        println!();
        println!("Connect to the Endpoint, or with a password and TLS:");
        println!();
        println!("    {program} cli ENDPOINT");
        println!(
            "    {program} cli --secret AUTHTOKENSECRETARN --certificate {} ENDPOINT",
            driver.certificate().display()
        );
    }
    println!();
    println!("Ctrl-C ends it with everything in it.");
}
