//! The answer box: the bucket behind the presigned response URLs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HeaderValue, LOCATION};
use http::{Request, Response, StatusCode};
use tokio::sync::Notify;

use super::protocol::{Answer, Expected, check};
use crate::clock::Time;
use crate::local_aws::Cut;
use crate::world::REGION;

/// How long a response URL is good for (facts 1.2: `X-Amz-Expires=7200` in observed events).
const URL_LIFETIME: Duration = Duration::from_hours(2);
/// Host of the bucket, `cloudformation-custom-resource-response-<region without dashes>`.
const BUCKET_URL: &str = "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com";
/// Path of the bucket on a loopback server.
const LOOPBACK_PATH: &str = "/cloudformation-custom-resource-response";

/// Where answers to custom resource requests arrive.
#[derive(Debug, Default)]
pub struct AnswerBox {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    base: Option<String>,
    numbers: u64,
    open: BTreeMap<String, Slot>,
    violations: Vec<Violation>,
    duplicates: Vec<Duplicate>,
    uploads: Vec<Upload>,
    faults: VecDeque<UploadFault>,
}

/// One object in the bucket, keyed by the signature of its URL.
#[derive(Debug)]
struct Slot {
    expected: Expected,
    opened: Time,
    received: Option<Received>,
}

/// What CloudFormation found in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// An answer.
    Answer(Answer),
    /// Something that breaks the protocol, in words. CloudFormation fails the resource.
    Broken(String),
}

impl Received {
    /// What differs between two answers, in words.
    fn difference(&self, other: &Received) -> String {
        let (Received::Answer(one), Received::Answer(two)) = (self, other) else {
            return format!("{self:?} and {other:?}");
        };
        if one.status != two.status || one.reason != two.reason {
            return format!("{:?} {} and {:?} {}", one.status, one.reason(), two.status, two.reason());
        }
        let keys = one.data.keys().chain(two.data.keys());
        let differing = keys.filter(|key| one.data.get(*key) != two.data.get(*key));
        let shown = differing.map(|key| format!("{key}: {:?} and {:?}", one.data.get(key), two.data.get(key)));
        shown.collect::<Vec<_>>().join("; ")
    }
}

/// An upload that breaks the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When it came.
    pub at: Time,
    /// The request that it was for.
    pub request_id: String,
    /// Everything that is wrong with it.
    pub problems: Vec<String>,
}

/// A further answer to a request that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// When it came.
    pub at: Time,
    /// The request that it was for.
    pub request_id: String,
    /// Whether it says the same as the first.
    pub agrees: bool,
    /// Status and attributes or reason of both where they differ, for people.
    pub difference: String,
}

/// What goes wrong with an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadFault {
    /// Answered with this status, and not kept.
    Status(u16),
    /// Not kept, and sent with this status to the same object behind this base: `https://` and a host, or nothing for a
    /// `Location` without a host.
    Redirect(u16, &'static str),
    /// The connection breaks before the answer.
    Reset,
}

/// One upload, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// When it came.
    pub at: Time,
    /// The request that its path names.
    pub request_id: Option<String>,
    /// What became of it.
    pub result: UploadResult,
}

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadResult {
    /// Answered with this status.
    Status(u16),
    /// The connection broke.
    Reset,
}

impl AnswerBox {
    /// From now on response URLs point to a loopback server such as `http://127.0.0.1:4566`.
    pub fn serve_at(&self, base: &str) {
        self.lock().base = Some(base.trim_end_matches('/').to_owned());
    }

    /// Opens a slot for the answer to a request and returns its response URL.
    pub fn open(&self, expected: Expected, now: Time) -> String {
        let mut state = self.lock();
        let signature = signature(state.next_number());
        let key = format!("{}|{}|{}", expected.stack_id, expected.logical_id, expected.request_id);
        let base = state.base.as_ref().map_or_else(|| BUCKET_URL.to_owned(), |base| format!("{base}{LOOPBACK_PATH}"));
        let date: String = now.iso8601().chars().filter(|c| !"-:".contains(*c)).collect();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("X-Amz-Algorithm", "AWS4-HMAC-SHA256")
            .append_pair("X-Amz-Date", &format!("{}Z", &date[..15]))
            .append_pair("X-Amz-SignedHeaders", "host")
            .append_pair("X-Amz-Expires", &URL_LIFETIME.as_secs().to_string())
            .append_pair("X-Amz-Credential", &format!("AKIDCLOUDFORMATION/{}/{REGION}/s3/aws4_request", &date[..8]))
            .append_pair("X-Amz-Signature", &signature)
            .finish();
        let path: String = form_urlencoded::byte_serialize(key.as_bytes()).collect();
        state.open.insert(signature, Slot { expected, opened: now, received: None });
        format!("{base}/{path}?{query}")
    }

    /// Handles the PUT of one answer.
    pub fn accept(&self, request: &Request<Bytes>, now: Time) -> Result<Response<Bytes>, Cut> {
        let mut state = self.lock();
        let mut location = None;
        let result = match state.faults.pop_front() {
            Some(UploadFault::Reset) => UploadResult::Reset,
            Some(UploadFault::Status(status)) => UploadResult::Status(status),
            Some(UploadFault::Redirect(status, base)) => {
                let object = request.uri().path_and_query().map_or("/", |object| object.as_str());
                location = HeaderValue::from_str(&format!("{base}{object}")).ok();
                UploadResult::Status(status)
            }
            None => UploadResult::Status(state.keep(request, now)),
        };
        let request_id = object_key(request).and_then(|key| Some(key.rsplit_once('|')?.1.to_owned()));
        state.uploads.push(Upload { at: now, request_id, result });
        drop(state);
        self.arrived.notify_waiters();
        match result {
            UploadResult::Reset => Err(Cut),
            UploadResult::Status(status) => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                response.headers_mut().extend(location.map(|location| (LOCATION, location)));
                Ok(response)
            }
        }
    }

    /// Waits for the first upload to a response URL.
    pub async fn wait(&self, response_url: &str) -> Received {
        loop {
            let arrived = self.arrived.notified();
            if let Some(received) = self.received(response_url) {
                return received;
            }
            arrived.await;
        }
    }

    /// The first upload to a response URL, if there is one.
    #[must_use]
    pub fn received(&self, response_url: &str) -> Option<Received> {
        self.lock().open.get(&signature_of(response_url)?)?.received.clone()
    }

    /// Uploads that broke the protocol.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.lock().violations.clone()
    }

    /// Answers to requests that had one.
    #[must_use]
    pub fn duplicates(&self) -> Vec<Duplicate> {
        self.lock().duplicates.clone()
    }

    /// All uploads in order, failed ones included.
    #[must_use]
    pub fn uploads(&self) -> Vec<Upload> {
        self.lock().uploads.clone()
    }

    /// The next uploads go wrong like this, one fault each.
    pub fn fail_uploads(&self, faults: impl IntoIterator<Item = UploadFault>) {
        self.lock().faults.extend(faults);
    }

    /// A number that this local AWS has not used before; ids are made from it.
    pub(super) fn next_number(&self) -> u64 {
        self.lock().next_number()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Keeps one upload and returns its HTTP status.
    fn keep(&mut self, request: &Request<Bytes>, now: Time) -> u16 {
        // S3 answers a wrong signature and an expired one with 403.
        let signed = signature_of(&request.uri().to_string()).and_then(|signature| self.open.get_mut(&signature));
        let Some(slot) = signed.filter(|slot| slot.is_at(request) && now.since(slot.opened) <= URL_LIFETIME) else {
            return 403;
        };
        let request_id = slot.expected.request_id.clone();
        match (check(request, &slot.expected), &slot.received) {
            (Ok(answer), None) => {
                slot.received = Some(Received::Answer(answer));
                200
            }
            // S3 would overwrite the object; CloudFormation has read the first one.
            (Ok(answer), Some(first)) => {
                let second = Received::Answer(answer);
                let agrees = *first == second;
                let difference = if agrees { String::new() } else { first.difference(&second) };
                self.duplicates.push(Duplicate { at: now, request_id, agrees, difference });
                200
            }
            (Err(problems), first) => {
                if first.is_none() {
                    slot.received = Some(Received::Broken(problems.join("; ")));
                }
                self.violations.push(Violation { at: now, request_id, problems });
                400
            }
        }
    }
}

impl Slot {
    /// Whether the path names this slot's object: the signature covers it.
    fn is_at(&self, request: &Request<Bytes>) -> bool {
        let Expected { stack_id, logical_id, request_id, .. } = &self.expected;
        object_key(request).as_deref() == Some(&format!("{stack_id}|{logical_id}|{request_id}"))
    }
}

/// `<stack>|<logical id>|<request>`, the name of the object that an upload is for.
fn object_key(request: &Request<Bytes>) -> Option<String> {
    let name = request.uri().path().rsplit('/').next()?;
    form_urlencoded::parse(name.as_bytes()).next().map(|(key, _)| key.into_owned())
}

fn signature_of(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    form_urlencoded::parse(query.as_bytes())
        .find_map(|(key, value)| (key == "X-Amz-Signature").then(|| value.into_owned()))
}

/// 64 hexadecimal digits that look like a signature: the number, stirred by the SplitMix64 finaliser.
fn signature(number: u64) -> String {
    let [a, b, c, d] = [0, 1, 2, 3].map(|part| stir(number * 4 + part));
    format!("{a:016x}{b:016x}{c:016x}{d:016x}")
}

/// Spreads a counter over 64 bits, so that ids made from it differ in every digit.
pub(super) fn stir(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const BODY: &str = r#"{"Status":"SUCCESS","PhysicalResourceId":"id","StackId":"arn:s/1","RequestId":"r","LogicalResourceId":"Cache"}"#;

    fn opened(answers: &AnswerBox) -> String {
        let expected = Expected {
            request_type: "Create".to_owned(),
            request_id: "r".to_owned(),
            stack_id: "arn:s/1".to_owned(),
            logical_id: "Cache".to_owned(),
            physical_id: None,
        };
        answers.open(expected, Time::START)
    }

    fn put(url: &str, body: &str) -> Request<Bytes> {
        let body = Bytes::from(body.to_owned());
        Request::put(url).header("content-length", body.len()).body(body).unwrap()
    }

    fn status(answers: &AnswerBox, url: &str, body: &str, after: u64) -> u16 {
        answers.accept(&put(url, body), Time::START + Duration::from_secs(after)).unwrap().status().as_u16()
    }

    #[test]
    fn a_response_url_looks_presigned() {
        let answers = AnswerBox::default();
        let url = opened(&answers);
        assert!(url.starts_with(&format!("{BUCKET_URL}/arn%3As%2F1%7CCache%7Cr?X-Amz-Algorithm=")), "{url}");
        assert!(url.contains("X-Amz-Date=20261101T000000Z&X-Amz-SignedHeaders=host&X-Amz-Expires=7200"), "{url}");
        assert_eq!(signature_of(&url).unwrap().len(), 64);
        assert_ne!(url, opened(&answers));
        answers.serve_at("http://127.0.0.1:4566/");
        assert!(opened(&answers).starts_with("http://127.0.0.1:4566/cloudformation-custom-resource-response/arn%3As"));
    }

    #[test]
    fn the_first_answer_counts_and_a_second_is_compared() {
        let answers = AnswerBox::default();
        let url = opened(&answers);
        assert_eq!(status(&answers, &url, BODY, 1), 200);
        assert_eq!(status(&answers, &url, BODY, 2), 200);
        assert_eq!(status(&answers, &url, &BODY.replace(r#""id""#, r#""other""#), 3), 200);
        let Some(Received::Answer(answer)) = answers.received(&url) else { panic!("no answer") };
        assert_eq!(answer.physical_id, "id");
        assert_eq!(answers.duplicates().iter().map(|d| d.agrees).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn a_wrong_or_expired_signature_is_forbidden() {
        let answers = AnswerBox::default();
        let url = opened(&answers);
        assert_eq!(status(&answers, &url[..url.len() - 1], BODY, 1), 403);
        assert_eq!(status(&answers, &url.replace("Cache", "Other"), BODY, 1), 403);
        assert_eq!(status(&answers, &url, BODY, 7201), 403);
        assert_eq!(answers.received(&url), None);
        assert_eq!(status(&answers, &url, BODY, 7200), 200);
    }

    #[test]
    fn faults_hit_the_next_uploads_in_turn() {
        let answers = AnswerBox::default();
        let url = opened(&answers);
        answers.fail_uploads([UploadFault::Status(503), UploadFault::Reset]);
        assert_eq!(status(&answers, &url, BODY, 1), 503);
        assert!(answers.accept(&put(&url, BODY), Time::START).is_err());
        assert_eq!(answers.received(&url), None);
        assert_eq!(status(&answers, &url, BODY, 2), 200);
        assert_eq!(answers.uploads().len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_breach_is_refused_recorded_and_ends_the_wait() {
        let answers = AnswerBox::default();
        let url = opened(&answers);
        assert_eq!(status(&answers, &url, &json!({"Status": "FAILED"}).to_string(), 1), 400);
        assert_eq!(answers.violations()[0].request_id, "r");
        assert!(matches!(answers.wait(&url).await, Received::Broken(why) if why.contains("StackId is missing")));
    }
}
