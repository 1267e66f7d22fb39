//! Asynchronous delivery of an event to a function.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;

use super::{FUNCTION_ARN, Lambda};
use crate::local_aws::LocalAws;

/// How long Lambda waits before it tries a failed asynchronous invocation again (facts 2.1).
pub const RETRY_WAITS: [Duration; 2] = [Duration::from_mins(1), Duration::from_mins(2)];

/// An invocation under way: what the function returned, or the error that it failed with.
pub type Invocation = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

/// What handles events: an async closure in process, or [`Lambda`] for a compiled function at the Runtime API.
pub trait Function: Send + Sync + 'static {
    /// Hands over one event, once, to the function as this ARN names it: through an alias, a version, or without either.
    fn invoke_through(&self, arn: &str, event: Value) -> Invocation;

    /// Hands over one event, once.
    fn invoke(&self, event: Value) -> Invocation {
        self.invoke_through(FUNCTION_ARN, event)
    }
}

impl<F, Running, Returned> Function for F
where
    F: Fn(Value) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<Returned, String>> + Send + 'static,
    Returned: Into<Value>,
{
    fn invoke_through(&self, _arn: &str, event: Value) -> Invocation {
        let running = self(event);
        Box::pin(async move { running.await.map(Into::into) })
    }
}

/// A closure that wants to know the ARN that it is invoked through.
#[derive(Clone, Copy, Debug)]
pub struct ByArn<F>(pub F);

impl<F, Running, Returned> Function for ByArn<F>
where
    F: Fn(String, Value) -> Running + Send + Sync + 'static,
    Running: Future<Output = Result<Returned, String>> + Send + 'static,
    Returned: Into<Value>,
{
    fn invoke_through(&self, arn: &str, event: Value) -> Invocation {
        let running = self.0(arn.to_owned(), event);
        Box::pin(async move { running.await.map(Into::into) })
    }
}

impl Function for Lambda {
    fn invoke_through(&self, arn: &str, event: Value) -> Invocation {
        let result = self.enqueue(arn, event);
        Box::pin(async move { result.await.unwrap_or_else(|_| Err("the local AWS is gone".to_owned())) })
    }
}

/// Invokes asynchronously: a failed invocation is tried twice more with the same event, which then is a dead letter.
pub async fn deliver(aws: &LocalAws, function: &dyn Function, arn: &str, event: Value) -> Result<(), String> {
    let mut waits = RETRY_WAITS.into_iter();
    loop {
        match (function.invoke_through(arn, event.clone()).await, waits.next()) {
            (Ok(_), _) => return Ok(()),
            (Err(_), Some(wait)) => aws.clock().sleep(wait).await,
            (Err(failure), None) => {
                aws.bury(event);
                return Err(failure);
            }
        }
    }
}
