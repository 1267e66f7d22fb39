//! The protocol of an answer: what CloudFormation accepts from a custom resource. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, header};
use serde_json::{Map, Value};

/// The whole body, in bytes (facts 1.2).
const MAX_BODY: usize = 4096;
/// The physical id, in bytes (facts 1.2).
const MAX_PHYSICAL_ID: usize = 1024;
/// Every field that an answer may have (facts 1.2).
const FIELDS: [&str; 8] =
    ["Status", "Reason", "PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId", "NoEcho", "Data"];

/// The request that an answer has to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `Create`, `Update`, `Delete`, or what a test made up.
    pub request_type: String,
    /// To be copied into the answer.
    pub request_id: String,
    /// To be copied into the answer.
    pub stack_id: String,
    /// To be copied into the answer.
    pub logical_id: String,
    /// The physical id in the request, which a Delete has to repeat.
    pub physical_id: Option<String>,
}

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerStatus {
    /// `SUCCESS`
    Success,
    /// `FAILED`
    Failed,
}

/// An answer that keeps to the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the operation succeeded.
    pub status: AnswerStatus,
    /// Why it failed; successful answers may say something too.
    pub reason: Option<String>,
    /// The id of what the resource stands for.
    pub physical_id: String,
    /// What `Fn::GetAtt` reads.
    pub data: BTreeMap<String, String>,
    /// Whether `Fn::GetAtt` values are masked.
    pub no_echo: bool,
    /// Length of the body in bytes.
    pub length: usize,
}

impl Answer {
    /// Whether the status is `SUCCESS`.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status == AnswerStatus::Success
    }

    /// The reason, empty when there is none.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }
}

/// Reads one upload: the answer, or everything that is wrong with it.
pub(super) fn check(request: &Request<Bytes>, expected: &Expected) -> Result<Answer, Vec<String>> {
    let mut wrong = transport(request);
    let body = request.body();
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(fields)) => {
            wrong.extend(envelope(&fields, expected));
            wrong.extend(result(&fields, expected));
            if wrong.is_empty() { Ok(answer(&fields, body.len())) } else { Err(wrong) }
        }
        Ok(_) => Err(with(wrong, "the body is not a JSON object".to_owned())),
        Err(e) => Err(with(wrong, format!("the body is not JSON: {e}"))),
    }
}

fn with(mut wrong: Vec<String>, more: String) -> Vec<String> {
    wrong.push(more);
    wrong
}

/// Method, headers and size.
fn transport(request: &Request<Bytes>) -> Vec<String> {
    let mut wrong = Vec::new();
    if request.method() != Method::PUT {
        wrong.push(format!("the method is {}, not PUT", request.method()));
    }
    // The content type is part of an older URL's signature, and was empty when CloudFormation signed it; no header at
    // all signs the same (facts 1.2).
    if let Some(kind) = request.headers().get(header::CONTENT_TYPE).filter(|kind| !kind.is_empty()) {
        wrong.push(format!("the content type is {kind:?}, not empty"));
    }
    // S3 refuses a chunked upload to a presigned URL, so the length has to be said.
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|l| l.to_str().ok()).map(str::parse::<usize>);
    match length {
        Some(Ok(length)) if length == request.body().len() => {}
        Some(_) => wrong.push("the content length is not that of the body".to_owned()),
        None => wrong.push("there is no content length".to_owned()),
    }
    if request.body().len() > MAX_BODY {
        wrong.push(format!("Response object is too long: {} bytes, at most {MAX_BODY}", request.body().len()));
    }
    wrong
}

/// The fields that tie the answer to its request.
fn envelope(fields: &Map<String, Value>, expected: &Expected) -> Vec<String> {
    let mut wrong: Vec<String> =
        fields.keys().filter(|key| !FIELDS.contains(&key.as_str())).map(|key| format!("unknown field {key}")).collect();
    let copied = [
        ("RequestId", &expected.request_id),
        ("StackId", &expected.stack_id),
        ("LogicalResourceId", &expected.logical_id),
    ];
    for (key, value) in copied {
        if fields.get(key).and_then(Value::as_str) != Some(value) {
            wrong.push(format!("{key} is {}, not {value:?}", shown(fields.get(key))));
        }
    }
    match fields.get("PhysicalResourceId") {
        Some(Value::String(id)) if id.is_empty() => wrong.push("PhysicalResourceId is empty".to_owned()),
        Some(Value::String(id)) if id.len() > MAX_PHYSICAL_ID => {
            wrong.push(format!("PhysicalResourceId has {} bytes, at most {MAX_PHYSICAL_ID}", id.len()));
        }
        Some(Value::String(id)) => {
            if let Some(asked) = expected.physical_id.as_ref().filter(|asked| expected.deletes() && *asked != id) {
                wrong.push(format!("PhysicalResourceId is {id:?}, but this Delete is for {asked:?}"));
            }
        }
        other => wrong.push(format!("PhysicalResourceId is {}, not a string", shown(other))),
    }
    wrong
}

/// The fields that say how it went.
fn result(fields: &Map<String, Value>, expected: &Expected) -> Vec<String> {
    let mut wrong = Vec::new();
    let failed = match fields.get("Status").and_then(Value::as_str) {
        Some("SUCCESS") => false,
        Some("FAILED") => true,
        _ => {
            wrong.push(format!("Status is {}, not SUCCESS or FAILED", shown(fields.get("Status"))));
            false
        }
    };
    match fields.get("Reason") {
        Some(Value::String(reason)) if !reason.is_empty() || !failed => {}
        None if !failed => {}
        other => wrong.push(format!("Reason is {}, not a text", shown(other))),
    }
    for key in ["Data", "NoEcho"] {
        if fields.contains_key(key) && !expected.makes() {
            wrong.push(format!("{key} in the answer to a {}", expected.request_type));
        }
    }
    match fields.get("NoEcho") {
        None | Some(Value::Bool(_)) => {}
        other => wrong.push(format!("NoEcho is {}, not a boolean", shown(other))),
    }
    match fields.get("Data") {
        None => {}
        Some(Value::Object(data)) => {
            let odd = data.iter().filter(|(_, value)| !value.is_string());
            wrong.extend(odd.map(|(key, value)| format!("Data.{key} is {}, not a string", shown(Some(value)))));
        }
        other => wrong.push(format!("Data is {}, not a map", shown(other))),
    }
    wrong
}

impl Expected {
    fn deletes(&self) -> bool {
        self.request_type == "Delete"
    }

    fn makes(&self) -> bool {
        ["Create", "Update"].contains(&self.request_type.as_str())
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "missing".to_owned(), Value::to_string)
}

/// The answer in a body without fault.
fn answer(fields: &Map<String, Value>, length: usize) -> Answer {
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
    let data = fields.get("Data").and_then(Value::as_object).into_iter().flatten();
    Answer {
        status: if text("Status").as_deref() == Some("SUCCESS") { AnswerStatus::Success } else { AnswerStatus::Failed },
        reason: text("Reason"),
        physical_id: text("PhysicalResourceId").unwrap_or_default(),
        data: data.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
        no_echo: fields.get("NoEcho").and_then(Value::as_bool).unwrap_or_default(),
        length,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expected(request_type: &str) -> Expected {
        Expected {
            request_type: request_type.to_owned(),
            request_id: "r".to_owned(),
            stack_id: "s".to_owned(),
            logical_id: "Cache".to_owned(),
            physical_id: (request_type != "Create").then(|| "id".to_owned()),
        }
    }

    fn put(body: &str) -> Request<Bytes> {
        let body = Bytes::from(body.to_owned());
        Request::put("https://example.com/")
            .header("content-type", "")
            .header("content-length", body.len())
            .body(body)
            .unwrap()
    }

    fn problems(request_type: &str, overrides: &Value) -> String {
        let mut body = json!({"Status": "SUCCESS", "PhysicalResourceId": "id", "StackId": "s", "RequestId": "r", "LogicalResourceId": "Cache"});
        for (key, value) in overrides.as_object().unwrap() {
            if value.is_null() {
                body.as_object_mut().unwrap().remove(key);
            } else {
                body[key] = value.clone();
            }
        }
        check(&put(&body.to_string()), &expected(request_type)).err().unwrap_or_default().join("; ")
    }

    #[test]
    fn a_fitting_answer_is_read() {
        let body = json!({"Status": "SUCCESS", "PhysicalResourceId": "id", "StackId": "s", "RequestId": "r", "LogicalResourceId": "Cache",
            "NoEcho": true, "Data": {"Connection.Port": "6379"}});
        let answer = check(&put(&body.to_string()), &expected("Create")).unwrap();
        assert!(answer.is_success() && answer.no_echo);
        assert_eq!(answer.data["Connection.Port"], "6379");
    }

    #[test]
    fn each_breach_of_the_protocol_is_named() {
        let cases = [
            ("Create", json!({"Status": "success"}), "Status is"),
            ("Create", json!({"Status": "FAILED"}), "Reason is missing"),
            ("Create", json!({"Status": "FAILED", "Reason": ""}), "Reason is \"\""),
            ("Create", json!({"RequestId": "other"}), "RequestId is"),
            ("Create", json!({"StackId": null}), "StackId is missing"),
            ("Create", json!({"PhysicalResourceId": ""}), "PhysicalResourceId is empty"),
            ("Create", json!({"PhysicalResourceId": "x".repeat(1025)}), "1025 bytes"),
            ("Create", json!({"Data": {"Port": 6379}}), "Data.Port is 6379"),
            ("Create", json!({"Data": {"A": {"B": "c"}}}), "Data.A is"),
            ("Create", json!({"Extra": "x"}), "unknown field Extra"),
            ("Create", json!({"Data": {"A": "ä".repeat(2048)}}), "Response object is too long"),
            ("Delete", json!({"Data": {}}), "Data in the answer to a Delete"),
            ("Delete", json!({"PhysicalResourceId": "other"}), "this Delete is for \"id\""),
            ("Update", json!({"PhysicalResourceId": "other"}), ""),
        ];
        for (request_type, overrides, problem) in cases {
            let found = problems(request_type, &overrides);
            assert!(found.contains(problem) && found.is_empty() == problem.is_empty(), "{overrides}: {found}");
        }
    }

    #[test]
    fn method_and_headers_count() {
        let mut request = put("{}");
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        request.headers_mut().remove("content-length");
        let wrong = check(&request, &expected("Create")).unwrap_err().join("; ");
        for part in ["POST", "application/json", "no content length"] {
            assert!(wrong.contains(part), "{wrong}");
        }
        assert!(check(&put("[]"), &expected("Create")).unwrap_err()[0].contains("not a JSON object"));
    }
}
