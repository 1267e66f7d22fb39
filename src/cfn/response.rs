//! The answer: body, size limit, and the upload with bounded retries. Calls CloudFormation's bucket.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use futures_util::FutureExt;
use serde::Serialize;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::reason::Reason;
use super::request::{ReplyTo, ResponseUrl};
use crate::backoff::Backoff;

/// Longest answer that CloudFormation accepts, in bytes.
pub const MAX_BYTES: usize = 4096;

/// The attribute that tells what else the user should know.
pub const WARNINGS: &str = "Warnings";

/// Attributes with the order in which they go when the answer is full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    values: BTreeMap<String, String>,
    /// Keys to empty, the first to go first.
    droppable: Vec<String>,
    first: usize,
}

impl Data {
    /// An attribute that is always there.
    pub fn add(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.values.insert(key.into(), value.into());
    }

    /// An attribute that may be emptied when the answer is full, after those added before it.
    pub fn optional(&mut self, key: &str, value: impl Into<String>) {
        self.droppable.push(key.to_owned());
        self.add(key, value);
    }

    /// An attribute that goes before every [`Data::optional`] one.
    pub fn droppable_first(&mut self, key: &str, value: impl Into<String>) {
        self.droppable.insert(self.first, key.to_owned());
        self.first += 1;
        self.add(key, value);
    }

    /// The value of an attribute.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything is as the template says.
    Success(Data),
    /// It is not, and why.
    Failed(Reason),
}

/// An answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Id of the resource.
    pub physical_id: String,
    /// How it ended.
    pub outcome: Outcome,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a BTreeMap<String, String>>,
}

impl Answer {
    /// The JSON body, at most [`MAX_BYTES`] long: droppable attributes are emptied in their order, and a reason is
    /// shortened. The ids are echoed as they came; when they alone are too long, nothing can be done about it.
    #[must_use]
    pub fn body(&self, reply_to: &ReplyTo, log_stream: &str) -> String {
        match &self.outcome {
            Outcome::Success(data) => self.success(data, reply_to),
            Outcome::Failed(reason) => self.failure(reason, reply_to, log_stream),
        }
    }

    /// Whatever an answer says: one status with either a reason or data.
    fn render(
        &self,
        reply_to: &ReplyTo,
        status: &'static str,
        reason: Option<String>,
        data: Option<&BTreeMap<String, String>>,
    ) -> String {
        let body = Body {
            status,
            reason,
            physical_resource_id: &self.physical_id,
            stack_id: &reply_to.stack_id,
            request_id: &reply_to.request_id,
            logical_resource_id: &reply_to.logical_id,
            data,
        };
        serde_json::to_string(&body).unwrap_or_default()
    }

    fn success(&self, data: &Data, reply_to: &ReplyTo) -> String {
        let render = |values: Option<&BTreeMap<String, String>>| self.render(reply_to, "SUCCESS", None, values);
        // A Delete has no attributes, and CloudFormation takes none.
        if data.values.is_empty() {
            return render(None);
        }
        let mut values = data.values.clone();
        let mut body = render(Some(&values));
        let mut emptied = Vec::new();
        for key in &data.droppable {
            if body.len() <= MAX_BYTES {
                break;
            }
            warn!(attribute = key, bytes = body.len(), "emptied, because the answer would be too long");
            values.insert(key.clone(), String::new());
            emptied.push(key.as_str());
            body = render(Some(&values));
        }
        // Somebody may have made himself depend on them. Where there is no room for this, the log has it.
        if let Some(warnings) = values.get_mut(WARNINGS).filter(|_| !emptied.is_empty()) {
            let told = format!("empty for lack of room: {}", emptied.join(", "));
            *warnings = if warnings.is_empty() { told } else { format!("{warnings}; {told}") };
            let telling = render(Some(&values));
            if telling.len() <= MAX_BYTES {
                return telling;
            }
        }
        body
    }

    fn failure(&self, reason: &Reason, reply_to: &ReplyTo, log_stream: &str) -> String {
        let within = |bytes| self.render(reply_to, "FAILED", Some(reason.within(bytes, log_stream)), None);
        // Quotes and control characters grow when they are written as JSON, so the room is searched for.
        let (mut fits, mut too_long) = (0, MAX_BYTES);
        while too_long - fits > 1 {
            let room = usize::midpoint(fits, too_long);
            if within(room).len() <= MAX_BYTES { fits = room } else { too_long = room }
        }
        within(fits)
    }
}

/// The answer did not arrive.
#[derive(Debug, thiserror::Error)]
#[error("the answer could not be delivered in {tries} tries: {last}")]
pub struct Undelivered {
    tries: u32,
    last: String,
    /// Whether the URL itself is refused, so that trying again later is of no use.
    pub refused: bool,
}

/// Most tries of an upload.
const MAX_TRIES: u32 = 8;
/// Most tries when the URL is refused, which happens once it has expired.
const MAX_REFUSALS: u32 = 3;
/// The pauses between tries: short for a connection that broke, long in the end for a bucket that is down.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(450), factor: 2.0, longest: Duration::from_secs(14), jitter: 0.3 };
/// Longest that one try may take.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);
/// Most redirects that one try follows: a bucket has one or two to tell.
const MAX_REDIRECTS: u32 = 5;

/// Sends the answer, again and again with growing pauses until it is accepted, refused for good, or `give_up` is near.
///
/// # Errors
/// The answer was not accepted. The error holds nothing of the URL's query.
pub async fn deliver(
    http: &SharedHttpConnector,
    reply_to: &ReplyTo,
    body: &str,
    give_up: Instant,
) -> Result<(), Undelivered> {
    let mut refusals = 0;
    for tries in 1.. {
        let last = match put_in_time(http, reply_to, body, give_up).await {
            Ok(status) if (200..300).contains(&status) => {
                info!(tries, bytes = body.len(), "answer delivered");
                return Ok(());
            }
            Ok(status) => {
                refusals += u32::from((400..500).contains(&status) && !matches!(status, 408 | 429));
                format!("HTTP status {status}")
            }
            Err(text) => text,
        };
        let pause = BACKOFF.pause(tries - 1, fastrand::f64());
        let refused = refusals >= MAX_REFUSALS;
        if refused || tries >= MAX_TRIES || Instant::now() + pause >= give_up {
            error!(tries, last, url = ?reply_to.url, "answer not delivered");
            return Err(Undelivered { tries, last, refused });
        }
        warn!(tries, last, url = ?reply_to.url, "answer not delivered yet");
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// One upload within its time. One that panics has failed like any other, and the next try may do better.
async fn put_in_time(
    http: &SharedHttpConnector,
    reply_to: &ReplyTo,
    body: &str,
    give_up: Instant,
) -> Result<u16, String> {
    let until = give_up.min(Instant::now() + TRY_TIMEOUT);
    let upload = AssertUnwindSafe(put(http, reply_to, body)).catch_unwind();
    match tokio::time::timeout_at(until, upload).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err("the upload failed unexpectedly; the log says where".to_owned()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// One upload, wherever the bucket sends it: a young bucket, or one in another region, is reached by way of others. Only
/// the redirects that keep method and body are followed.
async fn put(http: &SharedHttpConnector, reply_to: &ReplyTo, body: &str) -> Result<u16, String> {
    let mut url = reply_to.url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let response = put_at(http, &url, body).await?;
        let status = response.status().as_u16();
        if !matches!(status, 307 | 308) {
            return Ok(status);
        }
        let target = response.headers().get("location");
        let target = target.ok_or_else(|| format!("HTTP status {status} does not say where to"))?;
        url = url.redirected(target).map_err(|defect| format!("HTTP status {status} {defect}"))?;
        info!(status, to = ?url, "the upload is redirected");
    }
    Err(format!("more than {MAX_REDIRECTS} redirects"))
}

/// One request. The content type is empty because older presigned URLs sign an empty one.
async fn put_at(http: &SharedHttpConnector, url: &ResponseUrl, body: &str) -> Result<HttpResponse, String> {
    let mut request = HttpRequest::new(SdkBody::from(body));
    let unusable = |_| "the ResponseURL cannot be used".to_owned();
    request.set_method("PUT").map_err(|_| "PUT is not possible".to_owned())?;
    request.set_uri(url.expose()).map_err(unusable)?;
    request.headers_mut().insert("content-type", "");
    request.headers_mut().insert("content-length", body.len().to_string());
    match http.call(request).await {
        Ok(response) => Ok(response),
        // The error's own text may hold the URL; its kind is enough.
        Err(error) if error.is_timeout() => Err("timed out".to_owned()),
        Err(error) if error.is_io() => Err("the connection broke".to_owned()),
        Err(_) => Err("the request could not be sent".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::ResponseUrl;
    use super::*;

    fn reply_to() -> ReplyTo {
        ReplyTo {
            url: ResponseUrl::new("https://h/k?s").unwrap(),
            request_id: "r".into(),
            stack_id: "s".into(),
            logical_id: "l".into(),
            physical_id: None,
        }
    }

    fn failed(reason: &str) -> String {
        let answer = Answer { physical_id: "p".into(), outcome: Outcome::Failed(reason.to_owned().into()) };
        answer.body(&reply_to(), "2026/11/22/[$LATEST]abc")
    }

    #[test]
    fn a_long_reason_keeps_its_beginning_and_the_log_stream() {
        for filler in ["x", "ü", "\"", "\u{1}", "日"] {
            let body = failed(&format!("START {}", filler.repeat(6000)));
            assert!(body.len() <= MAX_BYTES && body.len() > MAX_BYTES - 600, "{filler}: {} bytes", body.len());
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            let reason = value["Reason"].as_str().unwrap();
            assert!(reason.starts_with("START") && reason.ends_with("]abc"), "{filler}");
        }
    }

    #[test]
    fn attributes_go_in_their_order_and_keep_their_keys() {
        let mut data = Data::default();
        data.add("Needed", "n".repeat(1500));
        data.optional("Later", "l".repeat(1500));
        data.droppable_first("First", "f".repeat(1500));
        let answer = Answer { physical_id: "p".into(), outcome: Outcome::Success(data) };
        let body = answer.body(&reply_to(), "");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        let length = |key: &str| value["Data"][key].as_str().unwrap().len();
        assert_eq!((length("Needed"), length("Later"), length("First")), (1500, 1500, 0));
        assert!(body.len() <= MAX_BYTES);
    }

    #[test]
    fn what_was_emptied_is_told_where_that_fits() {
        let warnings = |needed: usize, warning: &str| {
            let mut data = Data::default();
            data.add("Needed", "n".repeat(needed));
            data.optional("Later", "l".repeat(1000));
            data.optional(WARNINGS, warning);
            let body = Answer { physical_id: "p".into(), outcome: Outcome::Success(data) }.body(&reply_to(), "");
            assert!(body.len() <= MAX_BYTES);
            let value: serde_json::Value = serde_json::from_str(&body).unwrap();
            value["Data"][WARNINGS].as_str().unwrap().to_owned()
        };
        assert_eq!(warnings(2000, ""), "");
        assert_eq!(warnings(3500, ""), "empty for lack of room: Later");
        assert_eq!(warnings(3500, "mind the gap"), "mind the gap; empty for lack of room: Later");
        assert_eq!(warnings(3920, "mind the gap"), "mind the gap");
    }

    #[test]
    fn ids_are_echoed_and_leave_the_rest_to_the_reason() {
        let long = |bytes| ReplyTo { logical_id: "l".repeat(bytes), ..reply_to() };
        let answer = Answer { physical_id: "p".repeat(1100), outcome: Outcome::Failed("why ".repeat(500).into()) };
        let body = |bytes| answer.body(&long(bytes), "stream");
        for bytes in [10, 1000, 2700, 5000] {
            let value: serde_json::Value = serde_json::from_str(&body(bytes)).unwrap();
            assert_eq!(value["LogicalResourceId"].as_str().unwrap().len(), bytes);
            assert_eq!(value["PhysicalResourceId"].as_str().unwrap().len(), 1100);
            assert!(!value["Reason"].as_str().unwrap().is_empty());
        }
        assert!((MAX_BYTES - 8..=MAX_BYTES).contains(&body(1500).len()));
        assert!(body(2700).len() <= MAX_BYTES);
        assert!(body(5000).len() < 5000 + 1100 + 140, "the reason takes no room that is not there");
    }
}
