//! What the process takes from its environment: all of it is read here, once, and checked before anything else. Pure.

use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use tracing_subscriber::filter::Targets;

use crate::aws::{Connection, Endpoints, SERVICES};
use crate::http::{Network, PROXY_RULE, Proxy, Roots};
use crate::telemetry::logs;

/// What the function takes from its environment.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Longest pause between two polls.
    pub poll_interval: Duration,
    /// Name of the log stream, for the reason of a failure.
    pub log_stream: String,
    /// Whether the function has network access to caches, so that a rotation can try a new token.
    pub reaches_caches: bool,
}

/// Pause between two polls, in milliseconds, when `POLL_INTERVAL_MS` does not say how long it may be.
const POLL_INTERVAL_MS: u64 = 30_000;
/// What it may say. With longer pauses an invocation would miss the moment to hand its work on.
const POLL_INTERVALS_MS: RangeInclusive<u64> = 1..=60_000;
/// Where the function is when nothing says so, which only happens outside Lambda.
const REGION: &str = "us-east-1";
/// More than any name of a region needs.
const LONGEST_REGION: usize = 32;
/// Longest value in a message.
const SHOWN_CHARS: usize = 80;

/// What the value of a variable has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Set by Lambda, and needed.
    Needed,
    /// A number of megabytes, set by Lambda, and needed.
    Memory,
    /// A pause in milliseconds.
    Pause,
    /// `true` or `false`.
    Flag,
    /// Levels of the log.
    Levels,
    /// The name of a region.
    Region,
    /// The URL of a service.
    Endpoint,
    /// The URL of a proxy.
    Proxy,
    /// Anything: names, hosts, paths.
    Text,
    /// Anything, read by the SDK itself with each call: it takes an empty one for one that is not set.
    OfTheSdk,
}

/// Every variable that the process reads.
pub const VARIABLES: [(&str, Kind); 36] = [
    ("AWS_LAMBDA_RUNTIME_API", Kind::Needed),
    ("AWS_LAMBDA_FUNCTION_NAME", Kind::Needed),
    ("AWS_LAMBDA_FUNCTION_VERSION", Kind::Needed),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", Kind::Memory),
    ("AWS_LAMBDA_LOG_STREAM_NAME", Kind::Text),
    ("POLL_INTERVAL_MS", Kind::Pause),
    ("CACHE_NETWORK_ACCESS", Kind::Flag),
    ("RUST_LOG", Kind::Levels),
    ("AWS_REGION", Kind::Region),
    ("AWS_DEFAULT_REGION", Kind::Region),
    ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", Kind::Flag),
    ("AWS_ENDPOINT_URL", Kind::Endpoint),
    ("AWS_ENDPOINT_URL_CLOUDFORMATION", Kind::Endpoint),
    ("AWS_ENDPOINT_URL_CLOUDWATCH", Kind::Endpoint),
    ("AWS_ENDPOINT_URL_EC2", Kind::Endpoint),
    ("AWS_ENDPOINT_URL_ELASTICACHE", Kind::Endpoint),
    ("AWS_ENDPOINT_URL_LAMBDA", Kind::Endpoint),
    ("AWS_ENDPOINT_URL_PRICING", Kind::Endpoint),
    ("AWS_ENDPOINT_URL_SECRETS_MANAGER", Kind::Endpoint),
    ("AWS_USE_FIPS_ENDPOINT", Kind::Flag),
    ("AWS_USE_DUALSTACK_ENDPOINT", Kind::Flag),
    ("HTTPS_PROXY", Kind::Proxy),
    ("https_proxy", Kind::Proxy),
    ("HTTP_PROXY", Kind::Proxy),
    ("http_proxy", Kind::Proxy),
    ("ALL_PROXY", Kind::Proxy),
    ("all_proxy", Kind::Proxy),
    ("NO_PROXY", Kind::Text),
    ("no_proxy", Kind::Text),
    ("SSL_CERT_FILE", Kind::Text),
    ("SSL_CERT_DIR", Kind::Text),
    ("AWS_ACCESS_KEY_ID", Kind::OfTheSdk),
    ("AWS_SECRET_ACCESS_KEY", Kind::OfTheSdk),
    ("AWS_SESSION_TOKEN", Kind::OfTheSdk),
    ("AWS_EXECUTION_ENV", Kind::OfTheSdk),
    ("_X_AMZN_TRACE_ID", Kind::OfTheSdk),
];

/// The environment of the process.
#[derive(Clone, Debug)]
pub struct Environment {
    /// What the function needs.
    pub function: Settings,
    /// What is logged.
    pub levels: Targets,
    /// How AWS is reached.
    pub connection: Connection,
    /// How everything is reached.
    pub network: Network,
}

/// Variables that cannot be as they are, in words: all of them at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct WrongEnvironment(Vec<String>);

impl fmt::Display for WrongEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl Environment {
    /// Reads the environment. What is empty or blank counts as not set.
    ///
    /// # Errors
    /// Names every variable that is wrong, its value unless that is a secret, and what is allowed.
    pub fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Environment, WrongEnvironment> {
        let mut reader = Reader { variable: &variable, problems: Vec::new() };
        reader.expect_lambda();
        let environment = Environment {
            function: Settings {
                poll_interval: reader.poll_interval(),
                log_stream: reader.text("AWS_LAMBDA_LOG_STREAM_NAME").unwrap_or_default(),
                reaches_caches: reader.flag("CACHE_NETWORK_ACCESS"),
            },
            levels: reader.levels(),
            connection: Connection {
                region: reader.region(),
                endpoints: reader.endpoints(),
                use_fips: reader.flag("AWS_USE_FIPS_ENDPOINT"),
                use_dual_stack: reader.flag("AWS_USE_DUALSTACK_ENDPOINT"),
            },
            network: reader.network(),
        };
        if reader.problems.is_empty() { Ok(environment) } else { Err(WrongEnvironment(reader.problems)) }
    }
}

struct Reader<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// The value without blanks around it; `None` when nothing is left.
    fn text(&mut self, name: &str) -> Option<String> {
        let Ok(text) = (self.variable)(name)?.into_string() else {
            self.problems.push(format!("{name} is not text in UTF-8"));
            return None;
        };
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The first of these that is set, and its name.
    fn first<'n>(&mut self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names.iter().find_map(|name| Some((*name, self.text(name)?)))
    }

    fn wrong(&mut self, name: &str, value: &str, rule: &str) {
        self.problems.push(format!("{name} is {}, and {rule}", shown(value)));
    }

    /// Lambda's own variables, without which its runtime would panic.
    fn expect_lambda(&mut self) {
        for name in ["AWS_LAMBDA_RUNTIME_API", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"] {
            if self.text(name).is_none() {
                self.problems.push(format!("{name} is not set: this program is a Lambda function, started by Lambda"));
            }
        }
        let name = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";
        let memory = self.text(name).unwrap_or_default();
        if memory.parse::<i32>().is_err() {
            self.wrong(name, &memory, "Lambda sets it to a number of megabytes");
        }
    }

    fn poll_interval(&mut self) -> Duration {
        let name = "POLL_INTERVAL_MS";
        let poll = self.text(name).map_or(Some(POLL_INTERVAL_MS), |text| {
            let number = text.parse().ok().filter(|number| POLL_INTERVALS_MS.contains(number));
            if number.is_none() {
                let (least, most) = (POLL_INTERVALS_MS.start(), POLL_INTERVALS_MS.end());
                self.wrong(name, &text, &format!("must be a whole number of milliseconds from {least} to {most}"));
            }
            number
        });
        Duration::from_millis(poll.unwrap_or(POLL_INTERVAL_MS))
    }

    fn flag(&mut self, name: &str) -> bool {
        let Some(text) = self.text(name) else { return false };
        match text.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => {
                self.wrong(name, &text, "must be true or false");
                false
            }
        }
    }

    fn levels(&mut self) -> Targets {
        let name = "RUST_LOG";
        let text = self.text(name);
        logs::levels(text.as_deref()).unwrap_or_else(|| {
            self.wrong(name, text.as_deref().unwrap_or_default(), logs::RULE);
            logs::standard()
        })
    }

    fn region(&mut self) -> String {
        let Some((name, region)) = self.first(&["AWS_REGION", "AWS_DEFAULT_REGION"]) else { return REGION.to_owned() };
        // It becomes a part of host names.
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let has_form = region.starts_with(|first: char| first.is_ascii_lowercase())
            && region.ends_with(|last: char| last.is_ascii_digit())
            && region.contains('-');
        if !(region.bytes().all(allowed) && has_form && region.len() <= LONGEST_REGION) {
            self.wrong(name, &region, "must be the name of a region, such as eu-central-1");
        }
        region
    }

    fn endpoints(&mut self) -> Endpoints {
        if self.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS") {
            return Endpoints::default();
        }
        let mut endpoints = Endpoints { all: self.endpoint("AWS_ENDPOINT_URL"), ..Endpoints::default() };
        for service in SERVICES {
            let name = format!("AWS_ENDPOINT_URL_{}", service.to_ascii_uppercase().replace([' ', '-'], "_"));
            endpoints.own.extend(self.endpoint(&name).map(|url| (service, url)));
        }
        endpoints
    }

    fn endpoint(&mut self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        let uri = text.parse::<Uri>().ok();
        let is_url = uri.is_some_and(|uri| {
            matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
        });
        if is_url && !text.contains('@') {
            return Some(text);
        }
        self.wrong(name, &text, "must be an http or https URL without a user, such as https://vpce.example.com");
        None
    }

    fn network(&mut self) -> Network {
        let for_all = self.proxy(&["ALL_PROXY", "all_proxy"]);
        let no_proxy =
            self.first(&["NO_PROXY", "no_proxy"]).map(|(_, text)| text).unwrap_or_default().to_ascii_lowercase();
        // Everybody writes them with a star, which reqwest takes for a part of the name.
        let entries = no_proxy
            .split(',')
            .map(|entry| entry.trim().strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(entry.trim()));
        Network {
            http_proxy: self.proxy(&["HTTP_PROXY", "http_proxy"]).or_else(|| for_all.clone()),
            https_proxy: self.proxy(&["HTTPS_PROXY", "https_proxy"]).or(for_all),
            no_proxy: entries.collect::<Vec<_>>().join(","),
            roots: self.roots(),
        }
    }

    fn proxy(&mut self, names: &[&str]) -> Option<Proxy> {
        let (name, text) = self.first(names)?;
        let proxy = Proxy::read(&text);
        if proxy.is_none() {
            // It may hold a password.
            self.problems.push(format!("{name} (its value is not shown) {PROXY_RULE}"));
        }
        proxy
    }

    fn roots(&mut self) -> Roots {
        let file = self.text("SSL_CERT_FILE").map(PathBuf::from);
        let folders = self.text("SSL_CERT_DIR").unwrap_or_default();
        let folders = std::env::split_paths(&folders).filter(|folder| !folder.as_os_str().is_empty()).collect();
        Roots { file, folders }
    }
}

/// A value for a message: not endless, and without what stands before the host of a URL.
fn shown(value: &str) -> String {
    let (scheme, rest) = value.split_once("://").map_or(("", value), |(scheme, rest)| (scheme, rest));
    let value = match rest.rsplit_once('@') {
        Some((_, rest)) => format!("{scheme}://[redacted]@{rest}"),
        None => value.to_owned(),
    };
    match value.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{:?}...", &value[..end]),
        None => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    type Variables = BTreeMap<&'static str, String>;

    /// What Lambda sets in any case.
    fn lambda() -> Variables {
        let api = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001");
        let function = [("AWS_LAMBDA_FUNCTION_NAME", "f"), ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")];
        let memory = ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
        [api, memory].into_iter().chain(function).map(|(name, value)| (name, value.to_owned())).collect()
    }

    fn read(variables: &Variables) -> Result<Environment, String> {
        Environment::read(|name| variables.get(name).map(OsString::from)).map_err(|wrong| wrong.to_string())
    }

    fn with(name: &'static str, value: &str) -> Result<Environment, String> {
        let mut variables = lambda();
        variables.insert(name, value.to_owned());
        read(&variables)
    }

    fn shape(environment: &Environment) -> String {
        format!("{environment:?}")
    }

    #[test]
    fn the_table_names_all_that_is_read_and_no_more() {
        let asked = RefCell::new(BTreeSet::new());
        let nothing = |name: &str| {
            asked.borrow_mut().insert(name.to_owned());
            None
        };
        assert!(Environment::read(nothing).is_err());
        let table = VARIABLES.iter().filter(|(_, kind)| *kind != Kind::OfTheSdk).map(|(name, _)| (*name).to_owned());
        assert_eq!(asked.into_inner(), table.collect());
    }

    #[test]
    fn the_page_for_operators_tells_every_variable() {
        let page = include_str!("../docs/operations.md");
        for (name, _) in VARIABLES {
            let own = page.contains(&format!("`{name}`"));
            assert!(own || name.starts_with("AWS_ENDPOINT_URL_") || name.starts_with('_'), "{name}");
        }
        assert!(page.contains("`AWS_ENDPOINT_URL_<SERVICE>`"));
    }

    #[test]
    fn empty_and_blank_are_as_not_set() {
        let unset = shape(&read(&lambda()).unwrap());
        for (name, kind) in VARIABLES {
            for value in ["", " ", "\t\n"] {
                let found = with(name, value);
                if matches!(kind, Kind::Needed | Kind::Memory) {
                    assert!(found.unwrap_err().starts_with(name), "{name}");
                } else {
                    assert_eq!(shape(&found.unwrap()), unset, "{name}={value:?}");
                }
            }
        }
        let all = VARIABLES.iter().map(|(name, _)| (*name, String::new())).chain(lambda()).collect();
        assert_eq!(shape(&read(&all).unwrap()), unset);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_by_name() {
        let huge = "9".repeat(400);
        let long = "x".repeat(5000);
        for (name, kind) in VARIABLES {
            let wrong: &[&str] = match kind {
                Kind::Pause => &["0", "-1", "5s", "5000.5", "1e3", "five", "60001", "0x10", &huge, &long],
                Kind::Memory => &["-", "128MB", "lots", &huge, &long],
                Kind::Flag => &["0", "-1", "1", "yes", "ture", "true,false", &huge, &long],
                Kind::Levels => &["-1", "loud", "infoo", "info,debgu", "hyper", &huge, &long],
                Kind::Region => &["0", "-1", "mars", "eu_central_1", "EU-CENTRAL-1", "a b-1", "x.y-1", &huge, &long],
                Kind::Endpoint => &["0", "-1", "localhost", "localhost:4566", "ftp://h", "http://", "http//h", &huge],
                Kind::Proxy => &["0", "-1", "yes", "proxy", "socks5://p:1", "http://", "http://p:99999", &huge],
                Kind::Needed | Kind::Text | Kind::OfTheSdk => &[],
            };
            for value in wrong {
                let text = with(name, value).expect_err(&format!("{name}={value}"));
                assert!(text.starts_with(name), "{text}");
                assert!(!text.contains('\n') && text.len() < 400, "{text}");
                let start: String = value.chars().take(20).collect();
                assert!(kind == Kind::Proxy || text.contains(&start), "{text}");
                let says_how = text.contains("must be") || text.contains("Lambda sets it");
                assert!(says_how && !text.contains("; "), "one problem, and what is allowed: {text}");
            }
        }
    }

    #[test]
    fn all_problems_are_told_at_once_and_no_password() {
        let mut variables = lambda();
        let wrong = [
            ("POLL_INTERVAL_MS", "0"),
            ("HTTPS_PROXY", "socks5://me:hidden@proxy:1"),
            ("AWS_ENDPOINT_URL_EC2", "ftp://me:hidden@h"),
        ];
        variables.extend(wrong.map(|(name, value)| (name, value.to_owned())));
        let text = read(&variables).unwrap_err();
        assert!(wrong.iter().all(|(name, _)| text.contains(name)) && !text.contains("hidden"), "{text}");
        assert!(
            text.contains(r#"POLL_INTERVAL_MS is "0", and must be a whole number of milliseconds from 1 to 60000"#)
        );
    }

    #[test]
    fn what_is_not_text_is_refused() {
        use std::os::unix::ffi::OsStringExt;

        for (name, kind) in VARIABLES {
            let lambda = lambda();
            let read = Environment::read(|asked| {
                if asked == name { Some(OsString::from_vec(vec![0xff])) } else { lambda.get(asked).map(OsString::from) }
            });
            assert_eq!(read.is_err(), kind != Kind::OfTheSdk, "{name}");
        }
    }

    #[test]
    fn what_is_set_counts() {
        let environment = |pairs: &[(&'static str, &str)]| {
            let mut variables = lambda();
            variables.extend(pairs.iter().map(|(name, value)| (*name, (*value).to_owned())));
            read(&variables).unwrap()
        };
        let poll = |value| environment(&[("POLL_INTERVAL_MS", value)]).function.poll_interval.as_millis();
        assert_eq!([poll("1"), poll(" 250\n"), poll("60000"), poll("")], [1, 250, 60_000, 30_000]);
        let region =
            |own, default| environment(&[("AWS_REGION", own), ("AWS_DEFAULT_REGION", default)]).connection.region;
        assert_eq!(region("eu-central-1", "us-gov-west-1"), "eu-central-1");
        assert_eq!(region("", "us-gov-west-1"), "us-gov-west-1");
        assert_eq!(region("", ""), REGION);
        let endpoints =
            [("AWS_ENDPOINT_URL", "http://127.0.0.1:1"), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "https://s:2/a")];
        let found = environment(&endpoints).connection.endpoints;
        assert_eq!(found.all.as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(found.own, BTreeMap::from([("Secrets Manager", "https://s:2/a".to_owned())]));
        let ignored = [endpoints[0], endpoints[1], ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")];
        assert_eq!(environment(&ignored).connection.endpoints, Endpoints::default());
        let network =
            environment(&[("ALL_PROXY", "http://all:1"), ("https_proxy", "own:2"), ("NO_PROXY", "a, *.b,.c,*")])
                .network;
        assert_eq!(
            (network.http_proxy, network.https_proxy),
            (Proxy::read("http://all:1"), Proxy::read("http://own:2"))
        );
        assert_eq!(network.no_proxy, "a,.b,.c,*");
    }
}
