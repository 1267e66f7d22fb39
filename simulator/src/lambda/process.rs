//! A compiled function as a process, started as Lambda starts it.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{FUNCTION_NAME, Lambda};
use crate::http::{self, Server};
use crate::local_aws::LocalAws;
use crate::world::REGION;

/// Real time before a process that ended is started again, so that one that cannot start does not spin.
const RESTART_PAUSE: Duration = Duration::from_millis(200);

/// Where the runtime finds its API.
const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// What the process is started with.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where the local AWS listens, such as `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// `POLL_INTERVAL_MS`, in real time.
    pub poll_interval: Duration,
    /// Further variables, which win over the others.
    pub extra: Vec<(String, String)>,
}

impl Environment {
    /// Where the process reaches the Runtime API.
    fn runtime_api(&self) -> String {
        let own = self.extra.iter().rev().find(|(name, _)| name == RUNTIME_API).map(|(_, api)| api.clone());
        own.unwrap_or_else(|| self.endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned())
    }
}

/// One line that the process printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where to.
    pub stream: Stream,
    /// Without the line end.
    pub text: String,
}

/// An output of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A function process, started again whenever it ends, killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    supervisor: JoinHandle<()>,
}

impl Process {
    /// Starts `bootstrap` at the Runtime API of `lambda`. The receiver gets every line that it prints.
    pub fn start(
        lambda: &Lambda,
        bootstrap: &Path,
        environment: &Environment,
    ) -> io::Result<(Process, mpsc::UnboundedReceiver<Line>)> {
        let (lines, receiver) = mpsc::unbounded_channel();
        Ok((Process::start_with(lambda, bootstrap, environment, lines)?, receiver))
    }

    fn start_with(
        lambda: &Lambda,
        bootstrap: &Path,
        environment: &Environment,
        lines: mpsc::UnboundedSender<Line>,
    ) -> io::Result<Process> {
        let (lambda, bootstrap, environment) = (lambda.clone(), bootstrap.to_owned(), environment.clone());
        // The first start is not left to the supervisor: a wrong path is the caller's error.
        let first = spawn(&bootstrap, &environment, &lines)?;
        Ok(Process { supervisor: tokio::spawn(supervise(lambda, bootstrap, environment, lines, first)) })
    }
}

/// Several processes of the function, as Lambda starts them when events come at the same time: each handles one at a time.
#[derive(Debug)]
pub struct Workers {
    _processes: Vec<Process>,
    // The Runtime API of each, by whose address it is known.
    _servers: Vec<Server>,
}

impl Workers {
    /// Starts `count` processes of `bootstrap`. The receiver gets every line that they print.
    pub async fn start(
        aws: &LocalAws,
        bootstrap: &Path,
        environment: &Environment,
        count: usize,
    ) -> io::Result<(Workers, mpsc::UnboundedReceiver<Line>)> {
        let (lines, receiver) = mpsc::unbounded_channel();
        let (mut processes, mut servers) = (Vec::new(), Vec::new());
        for _ in 0..count {
            let server = http::serve(aws.clone(), (Ipv4Addr::LOCALHOST, 0).into()).await?;
            let mut environment = environment.clone();
            environment.extra.push((RUNTIME_API.to_owned(), server.address.to_string()));
            processes.push(Process::start_with(aws.lambda(), bootstrap, &environment, lines.clone())?);
            servers.push(server);
        }
        Ok((Workers { _processes: processes, _servers: servers }, receiver))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

async fn supervise(
    lambda: Lambda,
    bootstrap: PathBuf,
    environment: Environment,
    lines: mpsc::UnboundedSender<Line>,
    mut child: Child,
) {
    loop {
        lambda.runtime_exited(&environment.runtime_api(), &ended(child.wait().await));
        tokio::time::sleep(RESTART_PAUSE).await;
        match spawn(&bootstrap, &environment, &lines) {
            Ok(next) => child = next,
            Err(e) => {
                let text = format!("{} does not start again: {e}", bootstrap.display());
                // Nobody reads any more when the receiver is gone.
                let _ = lines.send(Line { stream: Stream::Stderr, text });
                return;
            }
        }
    }
}

fn ended(status: io::Result<ExitStatus>) -> String {
    status.map_or_else(|e| e.to_string(), |status| status.to_string())
}

fn spawn(bootstrap: &Path, environment: &Environment, lines: &mpsc::UnboundedSender<Line>) -> io::Result<Child> {
    let api = environment.runtime_api();
    let mut child = Command::new(bootstrap)
        .env_clear()
        .envs([
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
            (RUNTIME_API, api.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_DEFAULT_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "AKIDFUNCTION"),
            ("AWS_SECRET_ACCESS_KEY", "function-secret-key"),
            ("AWS_SESSION_TOKEN", "function-session-token"),
            ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_FUNCTION_NAME", FUNCTION_NAME),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/elasticache-resource"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/01/[$LATEST]0123456789abcdef0123456789abcdef"),
            ("AWS_ENDPOINT_URL", environment.endpoint.as_str()),
            ("POLL_INTERVAL_MS", &environment.poll_interval.as_millis().to_string()),
        ])
        .envs(environment.extra.iter().map(|(key, value)| (key, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    read_lines(child.stdout.take(), Stream::Stdout, lines);
    read_lines(child.stderr.take(), Stream::Stderr, lines);
    Ok(child)
}

fn read_lines(
    output: Option<impl AsyncRead + Send + Unpin + 'static>,
    stream: Stream,
    lines: &mpsc::UnboundedSender<Line>,
) {
    let Some(output) = output else { return };
    let (mut reader, lines) = (BufReader::new(output).lines(), lines.clone());
    tokio::spawn(async move {
        while let Ok(Some(text)) = reader.next_line().await {
            // Read on without a receiver, so that the process does not block on a full pipe.
            let _ = lines.send(Line { stream, text });
        }
    });
}
