//! The one HTTP client of the process, under the AWS SDK and under the upload of answers: one TLS stack, one set of root
//! certificates, one set of proxies. Calls whatever it is told to.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, NoProxy, Url};
use rustls::{ClientConfig, RootCertStore};
use tracing::warn;

/// Longest that a connection may take to come about, proxy and TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// No proxy leads to a local endpoint.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// How the network is reached: proxies and trusted certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// The proxy for `http` addresses.
    pub http_proxy: Option<Proxy>,
    /// The proxy for `https` addresses.
    pub https_proxy: Option<Proxy>,
    /// Hosts that are reached without a proxy, as in `NO_PROXY`. The machine itself needs no mention for `http`.
    pub no_proxy: String,
    /// Where the root certificates are.
    pub roots: Roots,
}

/// Where the root certificates are; the usual places of the system when nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// A file with certificates.
    pub file: Option<PathBuf>,
    /// Folders with files of certificates.
    pub folders: Vec<PathBuf>,
}

/// The address of a proxy. It may hold a password, so it never prints.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

/// What the address of a proxy has to be.
pub const PROXY_RULE: &str = "must be the URL of an HTTP proxy, such as http://proxy.example.com:3128";

impl Proxy {
    /// Reads the address as other programs do: without a scheme it is `http`.
    #[must_use]
    pub fn read(text: &str) -> Option<Proxy> {
        let url = match text.split_once("://") {
            Some(_) => Url::parse(text),
            // A word alone is rather a switch that somebody meant to turn.
            None if text.contains(':') && !text.starts_with('/') => Url::parse(&format!("http://{text}")),
            None => return None,
        };
        url.ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host()).map(Proxy)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The client, made at its first use: loading the root certificates takes longer than everything else at start.
#[derive(Clone, Debug)]
pub struct Http(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    network: Network,
    client: OnceLock<Result<Client, String>>,
}

impl Http {
    /// A client that goes this network.
    #[must_use]
    pub fn new(network: Network) -> Http {
        Http(Arc::new(Inner { network, client: OnceLock::new() }))
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let client = self.0.client.get_or_init(|| client(&self.0.network));
        let client = client.as_ref().map_err(|text| ConnectorError::user(text.clone().into()))?;
        let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
        let (mut parts, body) = request.into_parts();
        let body = body.bytes().map(Bytes::copy_from_slice);
        let body = body.ok_or_else(|| ConnectorError::user("a streaming body is not supported".into()))?;
        // The SDK copies the variable into every request; the header is not part of the signature.
        if parts.headers.get(TRACE_ID).is_some_and(HeaderValue::is_empty) {
            parts.headers.remove(TRACE_ID);
        }
        let request = reqwest::Request::try_from(http::Request::from_parts(parts, body)).map_err(failure)?;
        let mut response = client.execute(request).await.map_err(failure)?;
        let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
        let mut answer = http::Response::new(SdkBody::from(response.bytes().await.map_err(failure)?));
        *answer.status_mut() = status;
        *answer.headers_mut() = headers;
        HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
    }
}

const TRACE_ID: &str = "x-amzn-trace-id";

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request))
    }
}

/// What failed, without the URL: that of an answer is a secret.
fn failure(error: reqwest::Error) -> ConnectorError {
    let error = error.without_url();
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

/// Redirects are the caller's: AWS's APIs have none, and an answer must keep its body and never leave https.
fn client(network: &Network) -> Result<Client, String> {
    let builder = Client::builder()
        .tls_backend_preconfigured(tls(&network.roots)?)
        .http1_only()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        // Those that the environment names were read and checked at start.
        .no_proxy();
    let proxies = [(&network.http_proxy, true), (&network.https_proxy, false)];
    let mut proxies = proxies.into_iter().filter_map(|(proxy, plain)| Some((proxy.as_ref()?.0.clone(), plain)));
    let builder = proxies.try_fold(builder, |builder, (url, plain)| {
        let (proxy, no_proxy) = if plain {
            (reqwest::Proxy::http(url), format!("{LOOPBACK},{}", network.no_proxy))
        } else {
            (reqwest::Proxy::https(url), network.no_proxy.clone())
        };
        proxy.map(|proxy| builder.proxy(proxy.no_proxy(NoProxy::from_string(&no_proxy))))
    });
    let client = builder.and_then(reqwest::ClientBuilder::build);
    client.map_err(|error| format!("the HTTP client cannot be made: {}", error.without_url()))
}

fn tls(roots: &Roots) -> Result<ClientConfig, String> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates(roots));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| format!("TLS cannot be set up: {error}"))?;
    Ok(config.with_root_certificates(store).with_no_client_auth())
}

fn certificates(roots: &Roots) -> Vec<rustls::pki_types::CertificateDer<'static>> {
    let found;
    let (file, folders) = if roots.file.is_none() && roots.folders.is_empty() {
        found = openssl_probe::probe();
        // The system's file has them all; its folder has each in a file of its own, which takes longer to read.
        let folders = if found.cert_file.is_some() { &[] } else { found.cert_dir.as_slice() };
        (&found.cert_file, folders)
    } else {
        (&roots.file, roots.folders.as_slice())
    };
    let from_file = rustls_native_certs::load_certs_from_paths(file.as_deref(), None);
    let from_folders = folders.iter().map(|folder| rustls_native_certs::load_certs_from_paths(None, Some(folder)));
    let mut certificates = Vec::new();
    for result in std::iter::once(from_file).chain(from_folders) {
        for error in &result.errors {
            warn!(%error, "a root certificate could not be loaded");
        }
        certificates.extend(result.certs);
    }
    if certificates.is_empty() {
        warn!("there are no root certificates, so that no server can be trusted; SSL_CERT_FILE names a file with some");
    }
    certificates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_url_with_a_host() {
        for (text, url) in [
            ("http://proxy.example.com:3128", "http://proxy.example.com:3128/"),
            ("https://user:p%40ss@proxy.example.com", "https://user:p%40ss@proxy.example.com/"),
            ("proxy.example.com:3128", "http://proxy.example.com:3128/"),
            ("10.0.0.1:8080", "http://10.0.0.1:8080/"),
            ("http://[fd00::1]:3128/", "http://[fd00::1]:3128/"),
            ("HTTP://PROXY:1", "http://proxy:1/"),
        ] {
            assert_eq!(Proxy::read(text).map(|proxy| proxy.0.to_string()).as_deref(), Some(url), "{text}");
        }
        for text in [
            "yes",
            "proxy",
            "socks5://proxy:1080",
            "ftp://proxy",
            "http://",
            "http://:3128",
            "http://proxy:99999",
            "//p:1",
            "a b:1",
        ] {
            assert_eq!(Proxy::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_proxy_never_prints() {
        let network = Network { https_proxy: Proxy::read("http://user:password@proxy:3128"), ..Network::default() };
        let shown = format!("{network:?} {:?}", Http::new(network.clone()));
        assert!(!shown.contains("password") && !shown.contains("user"), "{shown}");
    }

    /// A signature covers the address as it is written.
    #[test]
    fn addresses_are_sent_as_they_are_written() {
        for text in [
            "https://bucket.s3.us-east-1.amazonaws.com/arn%3Aaws%3Acf%3A%3A1%3Astack/s/1%7CCache%7Cr-1?X-Amz-Algorithm=\
             AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20261101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Signature=0a",
            "https://lambda.us-east-1.amazonaws.com/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/\
             invocations?Qualifier=%24LATEST",
        ] {
            let request = http::Request::put(text).body(Bytes::new()).unwrap();
            assert_eq!(reqwest::Request::try_from(request).unwrap().url().as_str(), text);
        }
    }
}
