//! The event: what an answer needs is read first and leniently, the rest afterwards. Pure.

use std::fmt;
use std::time::Duration;

use aws_lambda_events::event::cloudformation::CloudFormationCustomResourceRequest;
use http::Uri;
use reqwest::Url;
use serde_json::Value;

use super::resource_properties::ResourceProperties;
use super::signed_at::SignedAt;

/// The presigned URL that the answer goes to. Whoever holds it can answer, so only its host and path print.
#[derive(Clone, PartialEq, Eq)]
pub struct ResponseUrl(String);

impl ResponseUrl {
    /// Accepts an https URL; plain http only to a loopback address, for a local AWS.
    ///
    /// # Errors
    /// Says what is wrong with it, without the URL.
    pub fn new(url: &str) -> Result<ResponseUrl, &'static str> {
        let uri: Uri = url.parse().map_err(|_| "ResponseURL is not a URL")?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("ResponseURL is not an https URL");
        }
        let host = uri.host().unwrap_or_default();
        let loopback = host == "localhost"
            || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        match uri.scheme_str() {
            Some("https") if !host.is_empty() => Ok(ResponseUrl(url.to_owned())),
            Some("http") if loopback => Ok(ResponseUrl(url.to_owned())),
            _ => Err("ResponseURL is not an https URL"),
        }
    }

    /// Where a redirect to `target`, which may be relative, leads. It keeps to the rules of [`ResponseUrl::new`], and
    /// never leaves https.
    ///
    /// # Errors
    /// Says what is wrong with the target, without its text.
    pub fn redirected(&self, target: &str) -> Result<ResponseUrl, &'static str> {
        let from = Url::parse(&self.0).map_err(|_| "leads nowhere")?;
        let to = from.join(target).map_err(|_| "leads to what is not a URL")?;
        if from.scheme() == "https" && to.scheme() != "https" {
            return Err("leads away from https");
        }
        ResponseUrl::new(to.as_str()).map_err(|_| "leads to what is not an https URL")
    }

    /// The whole URL, for the request that answers.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// When CloudFormation signed it; `None` when the URL does not say.
    #[must_use]
    pub fn signed_at(&self) -> Option<SignedAt> {
        let url = Url::parse(&self.0).ok()?;
        let (_, date) = url.query_pairs().find(|(name, _)| name == "X-Amz-Date")?;
        date.parse().ok()
    }
}

impl fmt::Debug for ResponseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.split(['?', '#']).next().unwrap_or_default();
        write!(f, "{shown}?[redacted]")
    }
}

/// What is needed to answer, whatever else is wrong with the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyTo {
    /// Where the answer goes.
    pub url: ResponseUrl,
    /// Copied into the answer.
    pub request_id: String,
    /// Copied into the answer.
    pub stack_id: String,
    /// Copied into the answer.
    pub logical_id: String,
    /// Id of the resource, on Update and Delete.
    pub physical_id: Option<String>,
}

impl ReplyTo {
    /// Reads it from an event of any shape.
    ///
    /// # Errors
    /// Says why the event cannot be answered.
    pub fn read(event: &Value) -> Result<ReplyTo, &'static str> {
        let text = |name: &str| event.get(name).and_then(Value::as_str);
        let url = text("ResponseURL").ok_or("the event has no ResponseURL: it is not from CloudFormation")?;
        Ok(ReplyTo {
            url: ResponseUrl::new(url)?,
            request_id: text("RequestId").unwrap_or_default().to_owned(),
            stack_id: text("StackId").unwrap_or_default().to_owned(),
            logical_id: text("LogicalResourceId").unwrap_or_default().to_owned(),
            physical_id: text("PhysicalResourceId").filter(|id| !id.is_empty()).map(str::to_owned),
        })
    }
}

/// What CloudFormation asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A new resource.
    Create {
        /// Properties of the template.
        properties: ResourceProperties,
    },
    /// A change, or the rollback of one.
    Update {
        /// Id that was answered last.
        physical_id: String,
        /// Properties of the template.
        properties: ResourceProperties,
        /// Properties before.
        old_properties: ResourceProperties,
    },
    /// The end.
    Delete {
        /// Id that was answered last, or one that CloudFormation made up.
        physical_id: String,
        /// Properties of the template.
        properties: ResourceProperties,
    },
}

impl Request {
    /// Reads the request.
    ///
    /// # Errors
    /// Says which part of the protocol the event breaks; the text holds no value of the event but the request type.
    pub fn read(event: &Value) -> Result<Request, String> {
        let kind = event.get("RequestType").and_then(Value::as_str).unwrap_or("none");
        if !["Create", "Update", "Delete"].contains(&kind) {
            let shown: String = kind.chars().take(40).collect();
            return Err(format!("unknown RequestType {shown:?}; CloudFormation sends Create, Update or Delete"));
        }
        let mut whole = event.clone();
        if let (Value::Object(fields), "Delete") = (&mut whole, kind) {
            // A Delete is possible without: what is ours carries our tags.
            fields.entry("ResourceProperties").or_insert_with(|| Value::Object(serde_json::Map::new()));
        }
        let request: CloudFormationCustomResourceRequest =
            serde_json::from_value(whole).map_err(|error| missing(event, &error))?;
        let of_template = |sent: &Value| {
            let properties = ResourceProperties::new(sent);
            // Events have been seen with it in both places. What is among the properties is what the template says.
            match (properties.get(SERVICE_TIMEOUT), event.get(SERVICE_TIMEOUT)) {
                (None, Some(timeout)) => properties.with(SERVICE_TIMEOUT, Some(timeout)),
                _ => properties,
            }
        };
        match request {
            CloudFormationCustomResourceRequest::Create(request) => {
                Ok(Request::Create { properties: of_template(&request.resource_properties) })
            }
            CloudFormationCustomResourceRequest::Update(request) => Ok(Request::Update {
                physical_id: request.physical_resource_id,
                properties: of_template(&request.resource_properties),
                old_properties: ResourceProperties::new(&request.old_resource_properties),
            }),
            CloudFormationCustomResourceRequest::Delete(request) => Ok(Request::Delete {
                physical_id: request.physical_resource_id,
                properties: of_template(&request.resource_properties),
            }),
            _ => Err(format!("unknown RequestType {kind}")),
        }
    }

    /// The properties of the template.
    #[must_use]
    pub fn properties(&self) -> &ResourceProperties {
        match self {
            Request::Create { properties }
            | Request::Update { properties, .. }
            | Request::Delete { properties, .. } => properties,
        }
    }
}

/// How long CloudFormation waits for an answer.
const SERVICE_TIMEOUT: &str = "ServiceTimeout";

/// CloudFormation's default for `ServiceTimeout`, and its greatest value, in seconds.
pub const MAX_SERVICE_TIMEOUT: u32 = 3600;

/// Time to answer when CloudFormation waits for so long: all of it, less [`margin`].
#[must_use]
pub fn time_to_answer(service_timeout: Duration) -> Duration {
    service_timeout.saturating_sub(margin(service_timeout))
}

/// What is kept of the time that CloudFormation waits, for the way of the answer.
#[must_use]
pub fn margin(service_timeout: Duration) -> Duration {
    (service_timeout / 10).min(Duration::from_mins(1))
}

/// How long CloudFormation waits for the answer to a request with these properties. A value that is wrong is taken for the
/// default: the problem is reported with the others.
#[must_use]
pub fn service_timeout(properties: &ResourceProperties) -> Duration {
    let seconds = match properties.get(SERVICE_TIMEOUT) {
        Some(Value::String(text)) => text.parse::<u64>().ok(),
        Some(Value::Number(number)) => number.as_u64(),
        _ => None,
    };
    let longest = u64::from(MAX_SERVICE_TIMEOUT);
    Duration::from_secs(seconds.filter(|seconds| (1..=longest).contains(seconds)).unwrap_or(longest))
}

/// Names the fields that an event lacks; the parser's own text could repeat values.
fn missing(event: &Value, error: &serde_json::Error) -> String {
    let always = ["RequestId", "StackId", "LogicalResourceId", "ResourceType"];
    let mut fields: Vec<&str> =
        always.into_iter().filter(|name| !event.get(*name).is_some_and(Value::is_string)).collect();
    if event.get("RequestType").and_then(Value::as_str) != Some("Create")
        && !event.get("PhysicalResourceId").is_some_and(Value::is_string)
    {
        fields.push("PhysicalResourceId");
    }
    fields.extend(event.get("ResourceProperties").is_none().then_some("ResourceProperties"));
    fields.extend(
        (event.get("RequestType").and_then(Value::as_str) == Some("Update")
            && event.get("OldResourceProperties").is_none())
        .then_some("OldResourceProperties"),
    );
    if fields.is_empty() {
        format!("the event is not a custom resource request ({:?} error)", error.classify())
    } else {
        format!("the event is not a custom resource request: {} missing or not a string", fields.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_response_url_prints_without_its_signature() {
        let url = ResponseUrl::new("https://bucket.s3.amazonaws.com/key?X-Amz-Signature=abc").unwrap();
        assert_eq!(format!("{url:?}"), "https://bucket.s3.amazonaws.com/key?[redacted]");
    }

    #[test]
    fn a_response_url_tells_when_it_was_signed() {
        let signed_at = |query: &str| ResponseUrl::new(&format!("https://h/k?{query}")).unwrap().signed_at();
        let date = "20261101T000000Z".parse().ok();
        assert_eq!(signed_at("X-Amz-Expires=7200&X-Amz-Date=20261101T000000Z&X-Amz-Signature=abc"), date);
        for other in ["", "X-Amz-Date=", "X-Amz-Date=yesterday", "x=X-Amz-Date=20261101T000000Z"] {
            assert_eq!(signed_at(other), None, "{other}");
        }
    }

    #[test]
    fn plain_http_goes_to_loopback_only() {
        assert!(ResponseUrl::new("http://127.0.0.1:4566/x").is_ok());
        assert!(ResponseUrl::new("http://[::1]:4566/x").is_ok());
        assert!(ResponseUrl::new("http://example.com/x").is_err());
        assert!(ResponseUrl::new("ftp://127.0.0.1/x").is_err());
        assert!(ResponseUrl::new("not a url").is_err());
    }

    #[test]
    fn a_redirect_never_leaves_https() {
        let bucket = ResponseUrl::new("https://bucket.s3.amazonaws.com/a/key?X-Amz-Signature=abc").unwrap();
        let to = |target: &str| bucket.redirected(target).map(|url| url.expose().to_owned());
        for (target, whole) in [
            (
                "https://bucket.s3.eu-west-1.amazonaws.com/a/key?X=1",
                "https://bucket.s3.eu-west-1.amazonaws.com/a/key?X=1",
            ),
            ("/b?X=1", "https://bucket.s3.amazonaws.com/b?X=1"),
            ("//other.example.com/b%7Cc", "https://other.example.com/b%7Cc"),
            ("", "https://bucket.s3.amazonaws.com/a/key?X-Amz-Signature=abc"),
        ] {
            assert_eq!(to(target).as_deref(), Ok(whole), "{target}");
        }
        for target in [
            "http://bucket.s3.amazonaws.com/key",
            "http://127.0.0.1/key",
            "ftp://h/key",
            "file:///etc/passwd",
            "https://",
            "https://h:99999/",
            "https://user@h/",
            "javascript:0",
        ] {
            assert!(to(target).is_err(), "{target}");
        }
        let local = ResponseUrl::new("http://127.0.0.1:4566/key").unwrap();
        assert!(local.redirected("http://localhost:4567/key").is_ok());
        assert!(local.redirected("https://example.com/key").is_ok());
        assert!(local.redirected("http://example.com/key").is_err());
    }

    #[test]
    fn an_answer_is_possible_whatever_else_is_wrong() {
        let event = json!({"ResponseURL": "https://h/k?s", "RequestId": 7, "RequestType": "Explode"});
        let reply_to = ReplyTo::read(&event).unwrap();
        assert_eq!((reply_to.request_id.as_str(), reply_to.physical_id), ("", None));
        assert!(Request::read(&event).unwrap_err().contains("Explode"));
        assert!(ReplyTo::read(&json!({"hello": "world"})).is_err());
        assert!(ReplyTo::read(&json!("text")).is_err());
    }

    #[test]
    fn missing_fields_are_named() {
        let event = json!({"RequestType": "Update", "RequestId": "r", "ResponseURL": "https://h/?secret"});
        let text = Request::read(&event).unwrap_err();
        assert!(text.contains("StackId") && text.contains("PhysicalResourceId"), "{text}");
        assert!(!text.contains("secret"));
    }

    #[test]
    fn the_service_timeout_is_an_hour_unless_given() {
        let seconds = |sent: Value| service_timeout(&ResourceProperties::new(&sent)).as_secs();
        assert_eq!(seconds(json!({})), 3600);
        assert_eq!(seconds(json!({"ServiceTimeout": "90"})), 90);
        assert_eq!(seconds(json!({"ServiceTimeout ": "\u{a0}90\n"})), 90);
        assert_eq!(seconds(json!({"ServiceTimeout": 99999})), 3600);
        assert_eq!(seconds(json!("broken")), 3600);
    }

    #[test]
    fn the_answer_goes_out_before_the_timeout() {
        let seconds = |sent: Value| time_to_answer(service_timeout(&ResourceProperties::new(&sent))).as_secs();
        assert_eq!(seconds(json!({})), 3540);
        assert_eq!(seconds(json!({"ServiceTimeout": 100})), 90);
    }
}
