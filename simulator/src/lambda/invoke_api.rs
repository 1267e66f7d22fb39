//! The Invoke API: events that are delivered later, and requests whose caller waits for what the function returns.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::{Invocation, Lambda, deliver};
use crate::local_aws::LocalAws;

/// The largest asynchronous payload (facts 2.1).
const MAX_EVENT: usize = 1024 * 1024;
/// The largest payload of a call that waits (facts 2.1).
const MAX_REQUEST: usize = 6 * 1024 * 1024;

/// What has come of a call of Invoke.
pub(crate) enum Invoked {
    /// Its answer.
    Answered(Response<Bytes>),
    /// The function runs, and the caller waits for it.
    Running(Invocation),
}

impl Invoked {
    /// The answer, when there is one.
    pub(crate) async fn answered(self) -> Response<Bytes> {
        match self {
            Invoked::Answered(response) => response,
            Invoked::Running(invocation) => returned(invocation.await),
        }
    }

    /// Whether the call was refused, and the status it was refused with.
    pub(crate) fn refusal(&self) -> Option<StatusCode> {
        match self {
            Invoked::Answered(response) => Some(response.status()).filter(|status| !status.is_success()),
            Invoked::Running(_) => None,
        }
    }
}

/// The answer of a function that was waited for. One that fails is answered with 200 too, and says so in a header.
fn returned(result: Result<Value, String>) -> Response<Bytes> {
    let (payload, failed) = match result {
        Ok(value) => (value, false),
        Err(failure) => {
            let (kind, message) = failure.split_once(": ").unwrap_or(("Error", failure.as_str()));
            (json!({"errorType": kind, "errorMessage": message}), true)
        }
    };
    let mut response = answer(StatusCode::OK, payload.to_string().into());
    let headers = response.headers_mut();
    headers.insert("x-amz-executed-version", http::HeaderValue::from_static("$LATEST"));
    if failed {
        headers.insert("x-amz-function-error", http::HeaderValue::from_static("Unhandled"));
    }
    response
}

impl Lambda {
    /// Handles the Invoke API (`/2015-03-31/functions/{name}/invocations`).
    pub(crate) fn invoke(aws: &LocalAws, request: &Request<Bytes>) -> Invoked {
        match Lambda::accept(aws, request) {
            Ok(invoked) => invoked,
            Err(refusal) => Invoked::Answered(*refusal),
        }
    }

    fn accept(aws: &LocalAws, request: &Request<Bytes>) -> Result<Invoked, Box<Response<Bytes>>> {
        let path = request.uri().path();
        let named = path.strip_prefix("/2015-03-31/functions/").and_then(|rest| rest.strip_suffix("/invocations"));
        let name = named.and_then(|name| form_urlencoded::parse(name.as_bytes()).next()).map(|(name, _)| name);
        let name = name.unwrap_or_default();
        let Some(arn) = aws.lambda().known(&name) else {
            let text = format!("Function not found: {name}");
            return Err(error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &text));
        };
        let kind = request.headers().get("x-amz-invocation-type").and_then(|kind| kind.to_str().ok());
        let (waits, largest) = match kind {
            Some("DryRun") => return Ok(Invoked::Answered(answer(StatusCode::NO_CONTENT, Bytes::new()))),
            Some("Event") => (false, MAX_EVENT),
            None | Some("RequestResponse") => (true, MAX_REQUEST),
            Some(other) => {
                let text = format!("{other:?} is none of Event, RequestResponse and DryRun");
                return Err(error(StatusCode::BAD_REQUEST, "InvalidParameterValueException", &text));
            }
        };
        if request.body().len() > largest {
            let kind = kind.unwrap_or("RequestResponse");
            let text = format!("{} byte payload is too large for the {kind} invocation type", request.body().len());
            return Err(error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &text));
        }
        // A call without a payload hands over an empty object.
        let payload: &[u8] = if request.body().is_empty() { b"{}" } else { request.body() };
        let Ok(event) = serde_json::from_slice::<Value>(payload) else {
            let text = "Could not parse request body into json";
            return Err(error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", text));
        };
        if waits {
            if !aws.lambda().is_served() {
                let text = "The local AWS runs no function: none is attached, and no process serves the Runtime API";
                return Err(error(StatusCode::NOT_FOUND, "ResourceNotFoundException", text));
            }
            return Ok(Invoked::Running(aws.lambda().function().invoke_through(&arn, event)));
        }
        let (aws, function) = (aws.clone(), aws.lambda().function());
        tokio::spawn(async move { deliver(&aws, &*function, &arn, event).await });
        Ok(Invoked::Answered(answer(StatusCode::ACCEPTED, Bytes::new())))
    }
}

fn error(status: StatusCode, code: &'static str, message: &str) -> Box<Response<Bytes>> {
    let body = json!({"Type": "User", "Message": message, "message": message}).to_string();
    let mut response = answer(status, body.into());
    response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(code));
    Box::new(response)
}

fn answer(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
