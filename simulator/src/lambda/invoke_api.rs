//! The Invoke API, as far as a function uses it on itself.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use super::{Lambda, deliver};
use crate::local_aws::LocalAws;

/// The largest asynchronous payload (facts 2.1).
const MAX_EVENT: usize = 1024 * 1024;

impl Lambda {
    /// Handles the Invoke API (`/2015-03-31/functions/{name}/invocations`).
    pub(crate) fn invoke(aws: &LocalAws, request: &Request<Bytes>) -> Response<Bytes> {
        let path = request.uri().path();
        let named = path.strip_prefix("/2015-03-31/functions/").and_then(|rest| rest.strip_suffix("/invocations"));
        let name = named.and_then(|name| form_urlencoded::parse(name.as_bytes()).next()).map(|(name, _)| name);
        let name = name.unwrap_or_default();
        let Some(arn) = aws.lambda().known(&name) else {
            let text = format!("Function not found: {name}");
            return error(StatusCode::NOT_FOUND, "ResourceNotFoundException", &text);
        };
        let kind = request.headers().get("x-amz-invocation-type").and_then(|kind| kind.to_str().ok());
        if kind == Some("DryRun") {
            return answer(StatusCode::NO_CONTENT, Bytes::new());
        }
        if kind != Some("Event") {
            // The function never waits for itself; answering would need the result of a run that may take an hour.
            let text = "only InvocationType Event is played by the local AWS";
            return error(StatusCode::BAD_REQUEST, "InvalidParameterValueException", text);
        }
        if request.body().len() > MAX_EVENT {
            let text = format!("{} byte payload is too large for the Event invocation type", request.body().len());
            return error(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", &text);
        }
        let Ok(event) = serde_json::from_slice::<Value>(request.body()) else {
            let text = "Could not parse request body into json";
            return error(StatusCode::BAD_REQUEST, "InvalidRequestContentException", text);
        };
        let (aws, function) = (aws.clone(), aws.lambda().function());
        tokio::spawn(async move { deliver(&aws, &*function, &arn, event).await });
        answer(StatusCode::ACCEPTED, Bytes::new())
    }
}

fn error(status: StatusCode, code: &'static str, message: &str) -> Response<Bytes> {
    let body = json!({"Type": "User", "Message": message, "message": message}).to_string();
    let mut response = answer(status, body.into());
    response.headers_mut().insert("x-amzn-errortype", http::HeaderValue::from_static(code));
    response
}

fn answer(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
    response
}
