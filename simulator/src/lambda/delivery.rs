//! Asynchronous delivery of an event to a function.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

use super::Lambda;
use crate::clock::Clock;

/// How long Lambda waits before it tries a failed asynchronous invocation again (facts 2.1).
pub const RETRY_WAITS: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// An invocation under way: nothing, or the error that the function failed with.
pub type Invocation = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// What handles events: an async closure in process, or [`Lambda`] for a compiled function at the Runtime API.
pub trait Function: Send + Sync + 'static {
    /// Hands over one event, once.
    fn invoke(&self, event: Value) -> Invocation;
}

impl<F, Running> Function for F
where
    F: Fn(Value) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<(), String>> + Send + 'static,
{
    fn invoke(&self, event: Value) -> Invocation {
        Box::pin(self(event))
    }
}

impl Function for Lambda {
    fn invoke(&self, event: Value) -> Invocation {
        let result = self.enqueue(event);
        Box::pin(async move { result.await.unwrap_or_else(|_| Err("the local AWS is gone".to_owned())) })
    }
}

/// Invokes asynchronously: a failed invocation is tried twice more with the same event.
pub async fn deliver(function: &dyn Function, event: Value, clock: &Clock) -> Result<(), String> {
    let mut waits = RETRY_WAITS.into_iter();
    loop {
        match (function.invoke(event.clone()).await, waits.next()) {
            (Err(_), Some(wait)) => clock.sleep(wait).await,
            (result, _) => return result,
        }
    }
}
