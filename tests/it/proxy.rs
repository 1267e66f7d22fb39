//! The way out of the compiled program: proxies, certificates and variables of the environment.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use elasticache_resource::environment::{Kind, VARIABLES};
use serde_json::Value;
use simulator::LocalAws;
use simulator::cloudformation::UploadFault;
use simulator::nodes::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::binary::Account;
use crate::harness::{policy, production, quick_start};

/// Names that nothing resolves: only the proxy leads there.
const AWS: &str = "https://aws.example.test";
const BUCKET: &str = "https://bucket.example.test";
const OTHER_BUCKET: &str = "https://other-bucket.example.test";
const PASSWORD: &str = "proxy-password";

/// What is beyond a proxy: a local AWS with TLS.
struct Outside {
    proxy: SocketAddr,
    front: SocketAddr,
    certificate: String,
    /// Where the local AWS listens.
    behind: Arc<Mutex<Option<SocketAddr>>>,
    /// What the proxy was asked for, and whether with the password.
    asked: Arc<Mutex<BTreeSet<(String, bool)>>>,
    _tasks: JoinSet<()>,
}

impl Outside {
    async fn open(test: &str) -> Outside {
        let names = ["localhost", "aws.example.test", "bucket.example.test", "other-bucket.example.test"];
        let authority = Arc::new(Authority::for_names(&names).unwrap());
        let certificate = format!("{}/{test}-{}.pem", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        std::fs::write(&certificate, authority.pem()).unwrap();
        let mut tasks = JoinSet::new();
        let (behind, asked) = (Arc::new(Mutex::new(None::<SocketAddr>)), Arc::new(Mutex::new(BTreeSet::new())));
        let target = Arc::clone(&behind);
        let front = listen(&mut tasks, move |stream| {
            let (authority, target) = (Arc::clone(&authority), Arc::clone(&target));
            async move {
                // Whoever does not trust the certificate goes away.
                let Ok(mut inside) = authority.acceptor().accept(stream).await else { return };
                let address = target.lock().unwrap().unwrap();
                let mut plain = TcpStream::connect(address).await.unwrap();
                let _ = copy_bidirectional(&mut inside, &mut plain).await;
            }
        })
        .await;
        let seen = Arc::clone(&asked);
        let proxy = listen(&mut tasks, move |stream| tunnel(stream, front, Arc::clone(&seen))).await;
        Outside { proxy, front, certificate, behind, asked, _tasks: tasks }
    }

    /// A program that has to trust the certificate, with these variables, and answers to [`BUCKET`].
    async fn account(&self, variables: &[(&str, &str)]) -> Account {
        let own = [("SSL_CERT_FILE", self.certificate.as_str())];
        let variables = own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let aws = LocalAws::new(crate::binary::SPEED, Some(policy()));
        let account = Account::with(aws, variables.collect()).await;
        account.setup.aws.answers().serve_at(BUCKET);
        *self.behind.lock().unwrap() = Some(account.endpoint().trim_start_matches("http://").parse().unwrap());
        account
    }

    fn asked(&self) -> Vec<(String, bool)> {
        self.asked.lock().unwrap().iter().cloned().collect()
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.certificate);
    }
}

/// Serves every connection with `serve`, on a free port.
async fn listen<F>(tasks: &mut JoinSet<()>, serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(serve(stream));
        }
    });
    address
}

/// One connection to the proxy, which takes all hosts for `front` and knows no method but CONNECT.
async fn tunnel(mut stream: TcpStream, front: SocketAddr, asked: Arc<Mutex<BTreeSet<(String, bool)>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    // me:proxy-password
    let knows =
        head.lines().any(|line| line.eq_ignore_ascii_case("proxy-authorization: basic bWU6cHJveHktcGFzc3dvcmQ="));
    let line = head.lines().next().unwrap();
    let target = line.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    asked.lock().unwrap().insert((target.unwrap_or(line).to_owned(), knows));
    if target.is_none() {
        let _ = stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n").await;
        return;
    }
    let mut onward = TcpStream::connect(front).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    let _ = copy_bidirectional(&mut stream, &mut onward).await;
}

/// Calls, the upload and the places that it is redirected to: all of it goes through the proxy, and the Runtime API does
/// not.
#[tokio::test]
async fn a_create_succeeds_where_a_proxy_is_the_only_way_out() {
    let outside = Outside::open("only-way-out").await;
    let proxy = format!("http://me:{PASSWORD}@{}", outside.proxy);
    let nowhere = "http://127.0.0.1:1";
    let variables =
        [("AWS_ENDPOINT_URL", AWS), ("HTTPS_PROXY", &*proxy), ("HTTP_PROXY", nowhere), ("NO_PROXY", "x.test")];
    let account = outside.account(&variables).await;
    account.setup.aws.answers().fail_uploads([UploadFault::Redirect(307, OTHER_BUCKET)]);
    let created = account.setup.created(production()).await;
    assert_eq!(created.answers.len(), 1);
    let deleted = account.setup.deleted().await;
    account.check_process(&[&created, &deleted], &[PASSWORD]);
    let hosts = ["aws.example.test:443", "bucket.example.test:443", "other-bucket.example.test:443"];
    assert_eq!(outside.asked(), hosts.map(|host| (host.to_owned(), true)));
}

#[tokio::test]
async fn hosts_of_no_proxy_are_reached_directly() {
    let outside = Outside::open("no-proxy").await;
    let (proxy, near) = (outside.proxy.to_string(), format!("https://localhost:{}", outside.front.port()));
    let server = simulator::http::serve(LocalAws::new(1.0, None), (Ipv4Addr::LOCALHOST, 0).into()).await.unwrap();
    *outside.behind.lock().unwrap() = Some(server.address);
    for (spelling, direct) in [
        ("localhost", true),
        ("LOCALHOST, other.test", true),
        ("a.test,  localhost ", true),
        ("alhost", false),
        ("", false),
    ] {
        outside.asked.lock().unwrap().clear();
        let variables = [("AWS_ENDPOINT_URL", &*near), ("ALL_PROXY", &*proxy), ("NO_PROXY", spelling)];
        let request = reach(&outside, &variables, &near).await;
        assert!(request.is_ok(), "{spelling}: {request:?}");
        assert_eq!(outside.asked().is_empty(), direct, "{spelling}: {:?}", outside.asked());
    }
    // The calls go directly, and the upload does not.
    let variables = [("AWS_ENDPOINT_URL", &*near), ("ALL_PROXY", &*proxy), ("NO_PROXY", "localhost")];
    outside.asked.lock().unwrap().clear();
    let account = outside.account(&variables).await;
    let created = account.setup.created(quick_start()).await;
    account.check_process(&[&created], &[]);
    assert_eq!(outside.asked(), [("bucket.example.test:443".to_owned(), false)]);
}

/// One request by the client of the function under these variables; any answer will do.
async fn reach(outside: &Outside, variables: &[(&str, &str)], url: &str) -> Result<(), String> {
    use aws_smithy_runtime_api::client::http::HttpConnector;
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use elasticache_resource::environment::Environment;
    use elasticache_resource::http::Http;

    let lambda =
        [("AWS_LAMBDA_RUNTIME_API", "a"), ("AWS_LAMBDA_FUNCTION_NAME", "f"), ("AWS_LAMBDA_FUNCTION_VERSION", "1")];
    let own = [("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"), ("SSL_CERT_FILE", &*outside.certificate)];
    let find = |name: &str| lambda.iter().chain(&own).chain(variables).find(|(known, _)| *known == name);
    let environment = Environment::read(|name| find(name).map(|(_, value)| value.into())).map_err(|e| e.to_string())?;
    let mut request = HttpRequest::new(Vec::new().into());
    request.set_uri(url).map_err(|e| e.to_string())?;
    Http::new(environment.network).call(request).await.map(drop).map_err(|e| format!("{e:?}"))
}

/// Local endpoints need no proxy, and every variable may be there without a value.
#[tokio::test]
async fn empty_variables_and_proxies_do_not_keep_it_from_a_local_endpoint() {
    let nowhere = "http://127.0.0.1:1".to_owned();
    let needed = ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "POLL_INTERVAL_MS", "RUST_LOG"];
    let variables =
        VARIABLES.iter().filter(|(name, kind)| !matches!(kind, Kind::Needed | Kind::Memory) && !needed.contains(name));
    let variables = variables.map(|(name, kind)| {
        let is_proxy = *kind == Kind::Proxy && name.starts_with(|first: char| first.is_ascii_uppercase());
        ((*name).to_owned(), if is_proxy { nowhere.clone() } else { String::new() })
    });
    let account = Account::with(LocalAws::new(crate::binary::SPEED, Some(policy())), variables.collect()).await;
    let created = account.setup.created(quick_start()).await;
    account.check_process(&[&created], &[]);
}

/// The start ends with one line, before anything is asked of anybody.
#[tokio::test]
async fn a_wrong_variable_ends_the_start_with_one_line() {
    for (name, value, allowed) in [
        ("POLL_INTERVAL_MS", "0", "from 1 to 60000"),
        ("POLL_INTERVAL_MS", "5s", "from 1 to 60000"),
        ("CACHE_NETWORK_ACCESS", "yes", "true or false"),
        ("RUST_LOG", "loud", "must be a level"),
        ("AWS_ENDPOINT_URL_EC2", "localhost:4566", "http or https URL"),
        ("HTTPS_PROXY", "socks5://me:secret@proxy:1", "URL of an HTTP proxy"),
        ("AWS_LAMBDA_RUNTIME_API", "", "started by Lambda"),
    ] {
        let ended = Command::new(env!("CARGO_BIN_EXE_bootstrap"))
            .env_clear()
            .envs([("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"), ("AWS_LAMBDA_FUNCTION_NAME", "f")])
            .envs([("AWS_LAMBDA_FUNCTION_VERSION", "1"), ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")])
            .env(name, value)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(Duration::from_secs(20), ended).await.expect("it ends").unwrap();
        let text = String::from_utf8(ended.stdout).unwrap();
        assert!(!ended.status.success() && ended.stderr.is_empty(), "{name}: {ended:?}", ended = ended.status);
        let [line] = text.lines().collect::<Vec<_>>().try_into().unwrap_or_else(|_| panic!("{name}: {text}"));
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "ERROR");
        assert!([name, allowed].iter().all(|part| text.contains(part)) && !text.contains("secret"), "{text}");
    }
}
