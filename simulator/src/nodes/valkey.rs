//! One real server process.

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, RedisConnectionInfo, RedisResult};
use tokio::process::{Child, Command};

use super::Access;

/// User that the driver and the replicas log in as; what clients may do does not concern it.
const DRIVER: &str = "local-aws";
/// Password of [`DRIVER`], and the one that endpoints use to let everybody in. The servers listen on loopback only and
/// hold nothing that is worth more.
pub(super) const DRIVER_PASSWORD: &str = "local-aws-driver-password";
/// How long a server may take for one command before it counts as not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The server program: the given one, else `VALKEY_SERVER`, else `valkey-server` or `redis-server` on the `PATH`.
#[must_use]
pub fn find_server(given: Option<&Path>) -> Option<PathBuf> {
    if let Some(given) = given {
        return Some(given.to_owned());
    }
    if let Some(named) = std::env::var_os("VALKEY_SERVER").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let programs = ["valkey-server", "redis-server"].into_iter();
    programs.flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|program| program.is_file())
}

/// A server process, killed when this is dropped.
pub(super) struct Server {
    child: Child,
    address: SocketAddr,
    connection: Option<MultiplexedConnection>,
}

impl Server {
    /// Starts a server that keeps its files in `dir`, on a free port. It lets nobody in yet.
    pub(super) fn start(program: &Path, dir: &Path) -> io::Result<Server> {
        std::fs::create_dir_all(dir)?;
        // The port is free now; should somebody take it first, the server ends and is started on another one.
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let config = dir.join("server.conf");
        std::fs::write(&config, configuration(port, dir))?;
        // The server stays in this program's process group, so that an interrupt from the terminal reaches it too.
        let child = Command::new(program)
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Server { child, address: (Ipv4Addr::LOCALHOST, port).into(), connection: None })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Sets the passwords of the default user. `admit_all` adds the one that endpoints log in with.
    pub(super) async fn set_access(&mut self, access: &Access, admit_all: bool) -> RedisResult<()> {
        let mut command = redis::cmd("ACL");
        command.arg("SETUSER").arg("default").arg("on").arg("resetpass").arg("~*").arg("&*").arg("+@all");
        if access.tokens.is_empty() && access.anonymous {
            command.arg("nopass");
        }
        for token in access.tokens.iter().map(String::as_str).chain(admit_all.then_some(DRIVER_PASSWORD)) {
            command.arg(format!(">{token}"));
        }
        self.run::<()>(&command).await
    }

    /// Makes it a replica of the server at `primary`, or a primary.
    pub(super) async fn replicate(&mut self, primary: Option<SocketAddr>) -> RedisResult<()> {
        let mut command = redis::cmd("REPLICAOF");
        match primary {
            Some(primary) => command.arg(primary.ip().to_string()).arg(primary.port()),
            None => command.arg("NO").arg("ONE"),
        };
        self.run::<()>(&command).await
    }

    /// Writes everything into its file.
    pub(super) async fn save(&mut self) -> RedisResult<()> {
        self.run::<()>(&redis::cmd("SAVE")).await
    }

    /// Whether a replica holds what its primary holds.
    pub(super) async fn is_in_sync(&mut self) -> RedisResult<bool> {
        let info: String = self.run(redis::cmd("INFO").arg("replication")).await?;
        Ok(info.lines().any(|line| line == "master_link_status:up"))
    }

    async fn run<T: redis::FromRedisValue>(&mut self, command: &Cmd) -> RedisResult<T> {
        let mut connection = match &self.connection {
            Some(connection) => connection.clone(),
            None => self.connection.insert(connect(self.address).await?).clone(),
        };
        let result = command.query_async(&mut connection).await;
        if let Err(error) = &result {
            let error: &redis::RedisError = error;
            if error.is_io_error() || error.is_timeout() {
                self.connection = None;
            }
        }
        result
    }
}

async fn connect(address: SocketAddr) -> RedisResult<MultiplexedConnection> {
    let credentials = RedisConnectionInfo::default().set_username(DRIVER).set_password(DRIVER_PASSWORD);
    let info = ConnectionAddr::Tcp(address.ip().to_string(), address.port()).into_connection_info()?;
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
    let client = Client::open(info.set_redis_settings(credentials))?;
    client.get_multiplexed_async_connection_with_config(&config).await
}

/// A configuration file: memory only, loopback only, and replication that starts at once.
fn configuration(port: u16, dir: &Path) -> String {
    let dir = dir.display();
    let mut text = String::new();
    let lines = [
        format!("port {port}"),
        "bind 127.0.0.1".to_owned(),
        "protected-mode no".to_owned(),
        "daemonize no".to_owned(),
        "save \"\"".to_owned(),
        "appendonly no".to_owned(),
        // Waits five seconds for further replicas otherwise.
        "repl-diskless-sync yes".to_owned(),
        "repl-diskless-sync-delay 0".to_owned(),
        format!("dir \"{dir}\""),
        format!("logfile \"{dir}/server.log\""),
        format!("user {DRIVER} on >{DRIVER_PASSWORD} ~* &* +@all"),
        "user default off".to_owned(),
        format!("masteruser {DRIVER}"),
        format!("masterauth {DRIVER_PASSWORD}"),
    ];
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    text
}
