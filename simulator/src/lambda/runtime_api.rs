//! The Lambda Runtime API: a compiled function asks for its next event and says how it went.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use super::{Lambda, MAX_TIMEOUT};
use crate::clock::Clock;

const PREFIX: &str = "/2018-06-01/runtime/";

impl Lambda {
    /// Handles one request of the Runtime API (`/2018-06-01/runtime/...`); `next` is held until an event is there.
    ///
    /// The deadline that the function is told is real time: a compiled function has no other clock.
    pub async fn runtime_api(&self, request: Request<Bytes>, _clock: &Clock) -> Response<Bytes> {
        let path: Vec<&str> = request.uri().path().strip_prefix(PREFIX).unwrap_or_default().split('/').collect();
        match (request.method(), path.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => {
                let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
                self.next(host.unwrap_or_default()).await
            }
            (&Method::POST, ["invocation", id, "response"]) => self.done(id, Ok(returned(request.body()))),
            (&Method::POST, ["invocation", id, "error"]) => self.done(id, Err(failure(request.body()))),
            (&Method::POST, ["init", "error"]) => self.init_failed(&failure(request.body())),
            _ => refusal(StatusCode::NOT_FOUND, "InvalidPath", request.uri().path()),
        }
    }

    /// Hands out the next event.
    async fn next(&self, api: &str) -> Response<Bytes> {
        self.lock().served = true;
        loop {
            let arrived = self.0.arrived.notified();
            if let Some(response) = self.hand_out(api) {
                return response;
            }
            arrived.await;
        }
    }

    fn hand_out(&self, api: &str) -> Option<Response<Bytes>> {
        let mut state = self.lock();
        let pending = state.queue.pop_front()?;
        let deadline = wall_clock() + MAX_TIMEOUT;
        let response = Response::builder()
            .header("Lambda-Runtime-Aws-Request-Id", &pending.request_id)
            .header("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string())
            .header("Lambda-Runtime-Invoked-Function-Arn", &pending.arn)
            .header("Lambda-Runtime-Trace-Id", format!("Root=1-00000000-{:024x};Sampled=0", state.invocations))
            .header("Content-Type", "application/json")
            .body(Bytes::from(pending.event.to_string()))
            .ok()?;
        state.running.insert(pending.request_id.clone(), (api.to_owned(), pending));
        // A second process may wait for what is still in the queue.
        if !state.queue.is_empty() {
            self.0.arrived.notify_one();
        }
        Some(response)
    }

    fn done(&self, request_id: &str, result: Result<Value, String>) -> Response<Bytes> {
        let Some((_, pending)) = self.lock().running.remove(request_id) else {
            return refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", request_id);
        };
        self.finish(pending, result);
        accepted()
    }

    /// The process could not start: Lambda fails the invocation that it was started for.
    fn init_failed(&self, failure: &str) -> Response<Bytes> {
        let pending = self.lock().queue.pop_front();
        match pending {
            Some(pending) => self.finish(pending, Err(failure.to_owned())),
            None => self.lock().failures.push(failure.to_owned()),
        }
        accepted()
    }
}

/// What a function returns is JSON, or text where it is not.
fn returned(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap_or_else(|_| Value::from(String::from_utf8_lossy(body).into_owned()))
}

/// `errorType: errorMessage` of an error report.
fn failure(body: &Bytes) -> String {
    let report: Value = serde_json::from_slice(body).unwrap_or_default();
    let part = |key: &str| report.get(key).and_then(Value::as_str).unwrap_or("?").to_owned();
    format!("{}: {}", part("errorType"), part("errorMessage"))
}

#[allow(clippy::disallowed_methods, reason = "a compiled function compares its deadline with the real clock")]
fn wall_clock() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn accepted() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(br#"{"status":"OK"}"#));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn refusal(status: StatusCode, kind: &str, message: &str) -> Response<Bytes> {
    let mut response = Response::new(json!({"errorType": kind, "errorMessage": message}).to_string().into());
    *response.status_mut() = status;
    response
}
