//! How events reach the function that a `ServiceToken` names.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::task::JoinSet;

use super::stack::SERVICE_TOKEN;
use crate::lambda::{Function, deliver};
use crate::local_aws::LocalAws;

/// Delivers events as CloudFormation does and waits for nothing; deliveries end when this is dropped.
pub(super) struct Deliveries {
    aws: LocalAws,
    function: Arc<dyn Function>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: JoinSet<()>,
    twice: bool,
}

impl Deliveries {
    pub(super) fn new(aws: &LocalAws, function: Arc<dyn Function>) -> Deliveries {
        Deliveries { aws: aws.clone(), function, state: Mutex::default() }
    }

    pub(super) fn deliver_twice(&self, twice: bool) {
        self.lock().twice = twice;
    }

    pub(super) fn function(&self) -> &Arc<dyn Function> {
        &self.function
    }

    pub(super) fn deliver(&self, event: &Value) {
        let mut state = self.lock();
        for _ in 0..if state.twice { 2 } else { 1 } {
            let (function, event, aws) = (Arc::clone(&self.function), event.clone(), self.aws.clone());
            state.running.spawn(async move {
                // What the function says matters only to Lambda; CloudFormation looks at the answer alone.
                let arn = event["ServiceToken"].as_str().unwrap_or(SERVICE_TOKEN).to_owned();
                let _ = deliver(&aws, &*function, &arn, event).await;
            });
        }
    }

    /// Waits until every delivery is over: retries and duplicates may run on after the answer.
    pub(super) async fn ended(&self) {
        loop {
            let mut running = std::mem::take(&mut self.lock().running);
            if running.is_empty() {
                return;
            }
            while running.join_next().await.is_some() {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
