//! A stack of custom resources, from the first Create to the last Delete.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::answer::stir;
use super::operation::{Ask, Failure, Operation};
use super::outcome::{Outcome, StackStatus};
use super::properties::as_sent;
use super::protocol::Answer;
use crate::lambda::{FUNCTION_ARN, Function, deliver};
use crate::local_aws::LocalAws;
use crate::world::{ACCOUNT, REGION};

/// How long CloudFormation waits for an answer when the template does not say (facts 1.3).
pub const DEFAULT_SERVICE_TIMEOUT: Duration = Duration::from_hours(1);
/// The ARN that templates give as `ServiceToken`.
pub const SERVICE_TOKEN: &str = FUNCTION_ARN;
/// The type that templates declare.
pub const RESOURCE_TYPE: &str = "Custom::ElastiCache";

/// A stack whose resources are all of type [`RESOURCE_TYPE`]. Operations may run at the same time.
pub struct Stack {
    aws: LocalAws,
    function: Arc<dyn Function>,
    name: String,
    id: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    resources: BTreeMap<String, Resource>,
    deliveries: JoinSet<()>,
    twice: bool,
    fails_elsewhere: bool,
    retains: bool,
    keeps_failed: bool,
}

/// What CloudFormation knows of a resource.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) physical_id: String,
    pub(super) properties: Value,
    pub(super) attributes: BTreeMap<String, String>,
}

impl Stack {
    /// An empty stack whose resources are handled by `function`. Continuations that the function sends to itself through
    /// the Invoke API reach the same function as long as the stack exists.
    pub fn new(aws: &LocalAws, function: impl Function, name: &str) -> Stack {
        let function: Arc<dyn Function> = Arc::new(function);
        aws.lambda().attach(&function);
        let uuid = uuid(aws.answers().next_number());
        let id = format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{uuid}");
        Stack { aws: aws.clone(), function, name: name.to_owned(), id, state: Mutex::default() }
    }

    /// `StackId`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether each event is delivered a second time, as Lambda's queue may do (facts 2.1).
    pub fn deliver_twice(&self, twice: bool) {
        self.lock().twice = twice;
    }

    /// In the next Create or Update another resource of the stack fails after this one succeeded, so that CloudFormation
    /// rolls back.
    pub fn fail_elsewhere(&self) {
        self.lock().fails_elsewhere = true;
    }

    /// What an Update replaces is kept, as with `UpdateReplacePolicy: Retain`: no Delete comes for it.
    pub fn retain_replaced(&self, retains: bool) {
        self.lock().retains = retains;
    }

    /// A Create that fails is not rolled back, as with `--disable-rollback`: what it made stays, and the next Create of the
    /// resource finds it.
    pub fn keep_failed(&self, keeps: bool) {
        self.lock().keeps_failed = keeps;
    }

    pub(super) fn retains_replaced(&self) -> bool {
        self.lock().retains
    }

    /// Makes a resource. A failure is rolled back with a Delete.
    pub async fn create(&self, logical_id: &str, properties: Value) -> Outcome {
        let mut operation = Operation::new(self, logical_id);
        let properties = with_token(&properties);
        operation.begin("CREATE_IN_PROGRESS");
        let created = operation.ask(Ask { properties: &properties, ..Ask::new("Create") }).await;
        let (physical_id, reason) = match created {
            Ok(answer) if !self.take_failure_elsewhere() => {
                operation.keep(&answer, properties);
                return operation.end(StackStatus::CreateComplete, String::new());
            }
            Ok(answer) => (answer.physical_id, ELSEWHERE.to_owned()),
            // Which id CloudFormation sends here is not documented (facts 1.4); this is the shape it gives resources
            // that have no name.
            Err(failure) => (failure.physical_id.unwrap_or_else(|| self.made_up_id(logical_id)), failure.reason),
        };
        if self.lock().keeps_failed {
            return operation.end(StackStatus::CreateFailed, reason);
        }
        operation.begin("ROLLBACK_IN_PROGRESS");
        let rollback = Ask { physical_id: Some(&physical_id), properties: &properties, ..Ask::new("Delete") };
        if operation.ask(rollback).await.is_ok() {
            return operation.end(StackStatus::RollbackComplete, reason);
        }
        operation.put(Resource { physical_id, properties, attributes: BTreeMap::new() });
        operation.end(StackStatus::RollbackFailed, reason)
    }

    /// Changes a resource. Nothing is sent when the properties are the same; a failure is rolled back with an Update to
    /// the earlier properties; ids that are no longer in use are deleted afterwards.
    pub async fn update(&self, logical_id: &str, properties: Value) -> Outcome {
        self.change(logical_id, properties, None).await
    }

    /// Changes a resource, and goes back after a while, whether the change is through by then or not: an answer that has
    /// not come by then is not heard any more.
    pub async fn update_and_cancel(&self, logical_id: &str, properties: Value, after: Duration) -> Outcome {
        self.change(logical_id, properties, Some(after)).await
    }

    async fn change(&self, logical_id: &str, properties: Value, cancelled: Option<Duration>) -> Outcome {
        let mut operation = Operation::new(self, logical_id);
        let Some(before) = self.resource(logical_id) else {
            return operation.end(StackStatus::UpdateRollbackComplete, format!("Resource {logical_id} does not exist"));
        };
        let properties = with_token(&properties);
        if properties == before.properties {
            return operation.end(StackStatus::UpdateComplete, String::new());
        }
        operation.begin("UPDATE_IN_PROGRESS");
        let forth = Ask {
            physical_id: Some(&before.physical_id),
            properties: &properties,
            old: Some(&before.properties),
            ..Ask::new("Update")
        };
        let answer = match cancelled {
            None => operation.ask(forth).await,
            Some(after) => tokio::select! {
                answer = operation.ask(forth) => answer,
                () = self.aws.clock().sleep(after) => Err(Failure { reason: CANCELLED.to_owned(), physical_id: None }),
            },
        };
        let fails_elsewhere = self.take_failure_elsewhere();
        let (latest, reason) = match answer {
            Ok(answer) if cancelled.is_none() && !fails_elsewhere => {
                operation.keep(&answer, properties.clone());
                operation.begin("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS");
                if !self.retains_replaced() {
                    operation.clean_up(&[&before.physical_id], &answer.physical_id, &before.properties).await;
                }
                return operation.end(StackStatus::UpdateComplete, String::new());
            }
            Ok(answer) => (answer.physical_id, if fails_elsewhere { ELSEWHERE } else { CANCELLED }.to_owned()),
            Err(failure) => (failure.physical_id.unwrap_or_else(|| before.physical_id.clone()), failure.reason),
        };
        operation.begin("UPDATE_ROLLBACK_IN_PROGRESS");
        let back = Ask {
            physical_id: Some(&latest),
            properties: &before.properties,
            old: Some(&properties),
            ..Ask::new("Update")
        };
        if let Ok(answer) = operation.ask(back).await {
            operation.keep(&answer, before.properties.clone());
            operation.begin("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS");
            operation.clean_up(&[&before.physical_id, &latest], &answer.physical_id, &properties).await;
            return operation.end(StackStatus::UpdateRollbackComplete, reason);
        }
        operation.put(Resource { physical_id: latest, ..before });
        operation.end(StackStatus::UpdateRollbackFailed, reason)
    }

    /// Takes a resource out of the stack.
    pub async fn delete(&self, logical_id: &str) -> Outcome {
        let mut operation = Operation::new(self, logical_id);
        let Some(resource) = self.resource(logical_id) else {
            return operation.end(StackStatus::DeleteComplete, String::new());
        };
        let ask =
            Ask { physical_id: Some(&resource.physical_id), properties: &resource.properties, ..Ask::new("Delete") };
        operation.begin("DELETE_IN_PROGRESS");
        match operation.ask(ask).await {
            Ok(_) => {
                self.lock().resources.remove(logical_id);
                operation.end(StackStatus::DeleteComplete, String::new())
            }
            Err(failure) => operation.end(StackStatus::DeleteFailed, failure.reason),
        }
    }

    /// Deletes every resource, in reverse order of their names; one outcome each.
    pub async fn delete_stack(&self) -> Vec<Outcome> {
        let names: Vec<String> = self.lock().resources.keys().rev().cloned().collect();
        let mut outcomes = Vec::new();
        for name in names {
            outcomes.push(self.delete(&name).await);
        }
        outcomes
    }

    /// Sends one request outside any operation and waits for the answer. `overrides` replaces fields of the event that
    /// CloudFormation would send for the resource as it is known; `null` removes a field. The stack does not remember
    /// what comes of it. The error says why there is no answer.
    pub async fn send(&self, request_type: &str, logical_id: &str, overrides: Value) -> Result<Answer, String> {
        let known = self.resource(logical_id);
        let bare = with_token(&json!({}));
        Operation::new(self, logical_id).request(known_ask(known.as_ref(), &bare, request_type, overrides)).await
    }

    /// The event that [`Stack::send`] would send, to be delivered whenever and as often as wanted.
    #[must_use]
    pub fn event(&self, request_type: &str, logical_id: &str, overrides: Value) -> Value {
        let known = self.resource(logical_id);
        let bare = with_token(&json!({}));
        Operation::new(self, logical_id).event(known_ask(known.as_ref(), &bare, request_type, overrides)).0
    }

    /// Delivers an event once, whatever it is, and waits until the function is done with it.
    pub async fn invoke(&self, event: Value) -> Result<(), String> {
        self.function.invoke(event).await.map(drop)
    }

    /// Waits until every delivery is over: retries and twins may run on after the answer.
    pub async fn settle(&self) {
        loop {
            let mut running = std::mem::take(&mut self.lock().deliveries);
            if running.is_empty() {
                return;
            }
            while running.join_next().await.is_some() {}
        }
    }

    pub(super) fn resource(&self, logical_id: &str) -> Option<Resource> {
        self.lock().resources.get(logical_id).cloned()
    }

    fn take_failure_elsewhere(&self) -> bool {
        std::mem::take(&mut self.lock().fails_elsewhere)
    }

    /// `<stack>-<logical id>-<12 letters and digits>`.
    fn made_up_id(&self, logical_id: &str) -> String {
        const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let bits = stir(self.aws.answers().next_number()).to_be_bytes();
        let random: String = bits.iter().cycle().take(12).map(|b| char::from(ALPHABET[usize::from(*b) % 36])).collect();
        format!("{}-{logical_id}-{random}", self.name)
    }

    /// Delivers an event as CloudFormation does, through what its `ServiceToken` names, and waits for nothing.
    pub fn deliver(&self, event: &Value) {
        let mut state = self.lock();
        for _ in 0..if state.twice { 2 } else { 1 } {
            let (function, event, aws) = (Arc::clone(&self.function), event.clone(), self.aws.clone());
            state.deliveries.spawn(async move {
                // What the function says matters only to Lambda; CloudFormation looks at the answer alone.
                let arn = event["ServiceToken"].as_str().unwrap_or(SERVICE_TOKEN).to_owned();
                let _ = deliver(&aws, &*function, &arn, event).await;
            });
        }
    }

    pub(super) fn aws(&self) -> &LocalAws {
        &self.aws
    }

    pub(super) fn remember(&self, logical_id: &str, resource: Resource) {
        self.lock().resources.insert(logical_id.to_owned(), resource);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is asked for outside any operation, from what is known of the resource.
fn known_ask<'a>(known: Option<&'a Resource>, bare: &'a Value, request_type: &'a str, overrides: Value) -> Ask<'a> {
    Ask {
        physical_id: known.filter(|_| request_type != "Create").map(|known| known.physical_id.as_str()),
        properties: known.map_or(bare, |known| &known.properties),
        old: known.filter(|_| request_type == "Update").map(|known| &known.properties),
        overrides,
        ..Ask::new(request_type)
    }
}

const CANCELLED: &str = "Resource update cancelled";
const ELSEWHERE: &str = "The following resource(s) failed: [Other]";

/// Properties as they stand in an event: `ServiceToken` is one of them (facts 1.1).
fn with_token(properties: &Value) -> Value {
    let mut sent = as_sent(properties);
    if let Value::Object(fields) = &mut sent {
        fields.entry("ServiceToken").or_insert_with(|| SERVICE_TOKEN.into());
    }
    sent
}

pub(super) fn uuid(number: u64) -> String {
    let (a, b) = (stir(number * 2), stir(number * 2 + 1));
    let digits = format!("{a:016x}{b:016x}");
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}
