//! Lambda: the Runtime API for a compiled function, and Invoke.

use bytes::Bytes;

use crate::clock::Clock;

/// The service around one function.
#[derive(Debug, Default)]
pub struct Lambda {}

impl Lambda {
    /// Handles one request of the Runtime API (`/2018-06-01/runtime/...`); `next` is held until an event is there.
    pub async fn runtime_api(&self, _request: http::Request<Bytes>, _clock: &Clock) -> http::Response<Bytes> {
        http::Response::new(Bytes::new())
    }

    /// Handles the Invoke API (`/2015-03-31/functions/{name}/invocations`).
    pub fn invoke(&self, _request: &http::Request<Bytes>, _clock: &Clock) -> http::Response<Bytes> {
        http::Response::new(Bytes::new())
    }
}
