//! The program: a local AWS on a loopback port, the demo, and a client for the caches.

mod cli;
mod client;
mod demo;
mod secret;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// A local AWS for the Custom::ElastiCache resource: real wire protocols, real cache nodes, time that runs faster.
#[derive(Parser)]
#[command(name = "local-aws", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve a local AWS on a loopback port until interrupted.
    Serve(serve::Options),
    /// Deploy an example through the compiled function with real cache nodes, use it, change it, delete it.
    Demo(demo::Options),
    /// Send commands to a cache.
    Cli(cli::Options),
}

/// Where the cache server is.
#[derive(Args, Clone)]
struct ServerOption {
    /// Cache server to run nodes with [default: VALKEY_SERVER, or valkey-server or redis-server on the PATH]
    #[arg(long, value_name = "PATH")]
    valkey_server: Option<PathBuf>,
}

impl ServerOption {
    fn find(&self) -> Result<PathBuf, String> {
        simulator::nodes::find_server(self.valkey_server.as_deref()).ok_or_else(|| {
            "no cache server: give --valkey-server, set VALKEY_SERVER, or put valkey-server or redis-server on the PATH"
                .to_owned()
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_max_level(tracing::Level::WARN).init();
    let command = Cli::parse().command;
    // What runs is dropped when the interrupt wins, and every child process with it.
    let ended = tokio::select! {
        ended = run(command) => ended,
        () = interrupted() => return ExitCode::from(130),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local-aws: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Serve(options) => serve::run(&options).await,
        Command::Demo(options) => demo::run(&options).await,
        Command::Cli(options) => cli::run(&options).await,
    }
}

/// An interrupt from the terminal, or a request to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
