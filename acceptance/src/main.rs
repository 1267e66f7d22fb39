//! The program: plays the acceptance test in the account that the environment leads to, or removes what runs left there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use acceptance::account::{Account, Failure};
use acceptance::clean::clean;
use acceptance::diagnosis::{Case, Verdict, verdicts};
use acceptance::function;
use acceptance::local::{self, Local, RehearsedStep};
use acceptance::play::{Played, play};
use acceptance::report::{Head, announcement, report};
use acceptance::scenarios::{Need, Place, Scenario, all};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use clap::{Args, Parser, Subcommand};
use elasticache_resource::environment::Environment;
use elasticache_resource::http::Http;
use futures_util::StreamExt as _;
use futures_util::stream;
use simulator::policy::Policy;

/// What the template of the function exports.
const EXPORT: &str = "elasticache-resource-ServiceToken";

/// Plays the life of Custom::ElastiCache in an account, at what AWS_ENDPOINT_URL names or at AWS, and reports what holds of
/// docs/aws-calls.md.
#[derive(Parser)]
#[command(name = "acceptance", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play scenarios, after saying what that makes and costs.
    Run(Box<Options>),
    /// Remove everything that runs left, by its tag.
    Clean(Looks),
    /// List the scenarios.
    List,
}

#[derive(Args, Clone, Copy)]
struct Looks {
    /// Seconds between two looks at a stack
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pause: f64,
}

#[derive(Args)]
struct Options {
    /// VPC for the caches
    #[arg(long)]
    vpc: String,
    /// Three subnets of it, in three zones
    #[arg(long, value_delimiter = ',')]
    subnets: Vec<String>,
    /// Two security groups of it, which are let in
    #[arg(long, value_delimiter = ',')]
    clients: Vec<String>,
    /// ARN of the function [default: what its stack exports]
    #[arg(long, value_name = "ARN")]
    service_token: Option<String>,
    /// Deploy the function from this, which `aws cloudformation package` wrote, and remove it at the end
    #[arg(long, value_name = "PATH", conflicts_with = "service_token")]
    function: Option<PathBuf>,
    /// ARN of an SNS topic, for notifications
    #[arg(long, value_name = "ARN")]
    topic: Option<String>,
    /// ARNs of two keys
    #[arg(long, value_delimiter = ',')]
    keys: Vec<String>,
    /// Two user groups for Valkey
    #[arg(long, value_delimiter = ',')]
    user_groups: Vec<String>,
    /// A log group and a delivery stream of Firehose
    #[arg(long, value_delimiter = ',')]
    logs: Vec<String>,
    /// ARN of a snapshot file in S3
    #[arg(long, value_name = "ARN")]
    snapshot_file: Option<String>,
    /// Two subnets of the VPC with IPv6 blocks
    #[arg(long, value_delimiter = ',')]
    ipv6_subnets: Vec<String>,
    /// A VPC that another account shares, two subnets of it, and a security group of that account
    #[arg(long, value_delimiter = ',')]
    shared: Vec<String>,
    /// Make caches on large nodes too
    #[arg(long)]
    large_nodes: bool,
    /// Only these scenarios; `plain` alone takes about half an hour and costs less than a dollar
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// How many stacks at a time
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Where the report is written
    #[arg(long, default_value = "acceptance-report.md", value_name = "PATH")]
    report: PathBuf,
    #[command(flatten)]
    looks: Looks,
    /// Template of the function, for its rights
    #[arg(long, default_value = "template.yaml", value_name = "PATH")]
    template: PathBuf,
    /// The ledger
    #[arg(long, default_value = "docs/aws-calls.md", value_name = "PATH")]
    ledger: PathBuf,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("acceptance: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    let runtime = || tokio::runtime::Runtime::new().map_err(|e| Failure(format!("cannot start: {e}")));
    match command {
        Command::List => {
            for scenario in all(&Local::place(), "0000") {
                let needs: Vec<&str> = scenario.needs.iter().map(|need| need.option()).collect();
                println!("{:<15} {} {}", scenario.name, scenario.about, needs.join(" "));
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Clean(looks) => {
            let (account, _) = account(looks)?;
            runtime()?.block_on(clean(&account, None, |said| println!("{said}")))?;
            println!("nothing is left");
            Ok(ExitCode::SUCCESS)
        }
        Command::Run(options) => {
            let id = format!("{:04x}", fastrand::u16(..));
            let rehearsed = rehearse(&options, &id)?;
            runtime()?.block_on(play_all(&options, &id, &rehearsed))
        }
    }
}

/// The account that the environment leads to, and where that is.
fn account(looks: Looks) -> Result<(Account, (String, Option<String>)), Failure> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    if set("AWS_REGION").or_else(|| set("AWS_DEFAULT_REGION")).is_none() {
        return Err(Failure("AWS_REGION is not set: which region is it to be?".to_owned()));
    }
    if set("AWS_ACCESS_KEY_ID").is_none() {
        let way_out = "eval $(aws configure export-credentials --format env)";
        return Err(Failure(format!("there are no credentials in the environment: {way_out}")));
    }
    // Its own variables come from Lambda, which starts no program like this one.
    let read = |name: &str| match name {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE" => Some(OsString::from("128")),
        name if name.starts_with("AWS_LAMBDA_") => Some(OsString::from("none")),
        name => std::env::var_os(name),
    };
    let environment = Environment::read(read).map_err(|wrong| Failure(wrong.to_string()))?;
    let http = SharedHttpConnector::new(Http::new(environment.network));
    let place = (environment.connection.region.clone(), environment.connection.endpoints.all.clone());
    let pause = Duration::try_from_secs_f64(looks.pause).map_err(|e| Failure(format!("--pause: {e}")))?;
    Ok((Account::new(&environment.connection.config(&http), pause), place))
}

type Rehearsed = BTreeMap<&'static str, Vec<RehearsedStep>>;

/// Goes through the scenarios on a local AWS in this process, in virtual time.
fn rehearse(options: &Options, id: &str) -> Result<Rehearsed, Failure> {
    let policy = Policy::from_template(&options.template).map_err(Failure)?;
    let ledger = Arc::new(local::ledger(&options.ledger).map_err(Failure)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.map_err(|e| Failure(format!("cannot start: {e}")))?;
    runtime.block_on(async {
        let mut rehearsed = Rehearsed::new();
        for scenario in all(&Local::place(), id).iter().filter(|scenario| is_meant(options, scenario)) {
            let local = Local::new(Arc::clone(&ledger), policy.clone());
            rehearsed.insert(scenario.name, local.rehearse(id, scenario).await.0);
        }
        Ok(rehearsed)
    })
}

fn is_meant(options: &Options, scenario: &Scenario) -> bool {
    options.only.is_empty() || options.only.iter().any(|name| name == scenario.name)
}

async fn place(options: &Options, account: &Account) -> Result<Place, Failure> {
    if options.subnets.len() != 3 || options.clients.len() != 2 {
        return Err(Failure("--subnets needs three subnets, --clients two security groups".to_owned()));
    }
    let service_token = match (&options.service_token, &options.function) {
        (Some(arn), _) => arn.clone(),
        // Known when it is deployed.
        (None, Some(_)) => String::new(),
        (None, None) => account.export(EXPORT).await?.ok_or_else(|| {
            let way_out = "deploy the function, or name it with --service-token, or its template with --function";
            Failure(format!("nothing exports {EXPORT}: {way_out}"))
        })?,
    };
    let zones = account.zones(&options.subnets).await?;
    Ok(Place {
        service_token,
        vpc: options.vpc.clone(),
        subnets: options.subnets.clone(),
        zones,
        clients: options.clients.clone(),
        topic: options.topic.clone(),
        keys: options.keys.clone(),
        user_groups: options.user_groups.clone(),
        logs: options.logs.clone(),
        snapshot_file: options.snapshot_file.clone(),
        ipv6_subnets: options.ipv6_subnets.clone(),
        shared: options.shared.clone(),
        large_nodes: options.large_nodes,
    })
}

async fn play_all(options: &Options, id: &str, rehearsed: &Rehearsed) -> Result<ExitCode, Failure> {
    let (account, (region, endpoint)) = account(options.looks)?;
    let place = place(options, &account).await?;
    let function = options.function.as_deref().map(read_template).transpose()?;
    let scenarios: Vec<Scenario> = all(&place, id).into_iter().filter(|s| is_meant(options, s)).collect();
    if let Some(unknown) = options.only.iter().find(|name| !scenarios.iter().any(|s| s.name == *name)) {
        return Err(Failure(format!("there is no scenario {unknown}: `acceptance list` has them all")));
    }
    let (able, unable): (Vec<&Scenario>, Vec<&Scenario>) = scenarios.iter().partition(|s| s.lacks(&place).is_empty());
    let lacking: Vec<(&Scenario, Vec<Need>)> = unable.into_iter().map(|s| (s, s.lacks(&place))).collect();
    let plan: Vec<(&Scenario, &[RehearsedStep])> =
        able.iter().filter_map(|s| Some((*s, rehearsed.get(s.name)?.as_slice()))).collect();
    let shown = endpoint.as_deref().unwrap_or("AWS");
    println!("In {region} at {shown}, stacks acceptance-{id}-...:");
    print!("{}", announcement(&plan, &lacking, options.at_once));
    if !options.yes && !agreed()? {
        return Ok(ExitCode::FAILURE);
    }
    let (account, say) = (&account, |said: &str| println!("{said}"));
    let playing = async {
        let mut place = place;
        if let Some(template) = &function {
            say("deploying the function");
            place.service_token = function::deploy(account, id, template).await?;
        }
        let able: Vec<Scenario> =
            all(&place, id).into_iter().filter(|s| is_meant(options, s) && s.lacks(&place).is_empty()).collect();
        let playing = stream::iter(&able).map(|scenario| play(account, id, scenario, || 0, say));
        Ok::<_, Failure>(playing.buffer_unordered(options.at_once.max(1)).collect::<Vec<Played>>().await)
    };
    let played = tokio::select! {
        played = playing => played,
        _ = tokio::signal::ctrl_c() => {
            println!("interrupted: removing what was made");
            clean(account, Some(id), say).await?;
            return Ok(ExitCode::from(130));
        }
    };
    // What a stack left, such as a final snapshot.
    let cleaned = clean(account, Some(id), say).await;
    let played = played?;

    let ledger = local::ledger(&options.ledger).map_err(Failure)?;
    let cases: Vec<Case<'_>> =
        played.iter().filter_map(|played| Some(Case { rehearsed: rehearsed.get(played.scenario)?, played })).collect();
    let lines = ledger.texts();
    let verdicts = verdicts(&lines, &cases);
    let head = Head { region, endpoint, date: today(), run: id.to_owned() };
    let text = report(&head, &lines, &verdicts, &cases, &lacking);
    std::fs::write(&options.report, text)
        .map_err(|e| Failure(format!("cannot write {}: {e}", options.report.display())))?;
    println!("the report is in {}", options.report.display());
    cleaned?;
    let broken = verdicts.iter().any(|verdict| matches!(verdict, Verdict::DidNotHold(_)));
    Ok(if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn read_template(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|e| Failure(format!("cannot read {}: {e}", path.display())))
}

fn agreed() -> Result<bool, Failure> {
    print!("Go on? [yes/no] ");
    let failed = |e: std::io::Error| Failure(format!("cannot ask: {e}"));
    std::io::stdout().flush().map_err(failed)?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(failed)?;
    Ok(line.trim() == "yes")
}

#[allow(clippy::disallowed_methods, reason = "the report has the day of the real clock")]
fn today() -> String {
    let now = DateTime::from(std::time::SystemTime::now());
    now.fmt(Format::DateTime).unwrap_or_default().chars().take(10).collect()
}
