//! A stack of custom resources, one operation on one resource at a time, for tests and the demo: the same operations that the
//! API runs on whole templates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::answer::stir;
use super::custom_resource::Ask;
use super::deliveries::Deliveries;
use super::native::FAILING;
use super::operation::{Cancel, Declared, Operation, Plan};
use super::outcome::{Outcome, StackStatus};
use super::properties::as_sent;
use super::protocol::Answer;
use super::state::{OnStackFailure, Policies, Resource};
use crate::lambda::{FUNCTION_ARN, Function};
use crate::local_aws::LocalAws;
use crate::world::{ACCOUNT, REGION};

/// How long CloudFormation waits for an answer when the template does not say (facts 1.3).
pub const DEFAULT_SERVICE_TIMEOUT: Duration = Duration::from_hours(1);
/// The ARN that templates give as `ServiceToken`.
pub const SERVICE_TOKEN: &str = FUNCTION_ARN;
/// The type that templates declare.
pub const RESOURCE_TYPE: &str = "Custom::ElastiCache";

/// Logical id of the resource that fails in place of another one of the stack.
const OTHER: &str = "Other";

/// A stack whose resources are all of type [`RESOURCE_TYPE`]. Operations may run at the same time.
pub struct Stack {
    aws: LocalAws,
    deliveries: Arc<Deliveries>,
    name: String,
    id: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    fails_elsewhere: bool,
    retains: bool,
    keeps_failed: bool,
}

impl Stack {
    /// An empty stack whose resources are handled by `function`. Continuations that the function sends to itself through
    /// the Invoke API reach the same function as long as the stack exists.
    pub fn new(aws: &LocalAws, function: impl Function, name: &str) -> Stack {
        let function: Arc<dyn Function> = Arc::new(function);
        aws.lambda().attach(&function);
        let uuid = uuid(aws.answers().next_number());
        let id = format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{uuid}");
        let deliveries = Arc::new(Deliveries::new(aws, function));
        Stack { aws: aws.clone(), deliveries, name: name.to_owned(), id, state: Mutex::default() }
    }

    /// `StackId`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether each event is delivered a second time, as Lambda's queue may do (facts 2.1).
    pub fn deliver_twice(&self, twice: bool) {
        self.deliveries.deliver_twice(twice);
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

    /// Makes a resource. A failure is rolled back with a Delete.
    pub async fn create(&self, logical_id: &str, properties: Value) -> Outcome {
        let operation = self.operation();
        let before = self.resource(logical_id).map(|resource| Resource { failed: true, ..resource });
        let keeps_failed = self.lock().keeps_failed;
        let on_failure = if keeps_failed { OnStackFailure::DoNothing } else { OnStackFailure::RollBack };
        let plan = Plan { on_failure, ..self.plan(logical_id, &properties, before) };
        let status = operation.create(plan).await;
        self.outcome(&operation, logical_id, status)
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
        let operation = self.operation();
        let Some(before) = self.resource(logical_id) else {
            let missing = format!("Resource {logical_id} does not exist");
            operation.history().failures.push((logical_id.to_owned(), missing));
            operation.begin("UPDATE_ROLLBACK_COMPLETE", "");
            return self.outcome(&operation, logical_id, StackStatus::UpdateRollbackComplete);
        };
        let mut plan = self.plan(logical_id, &properties, Some(Resource { dirty: false, ..before }));
        if let Some(after) = cancelled {
            let clock = self.aws.clock().clone();
            plan.cancel = Cancel::For(Box::pin(async move { clock.sleep(after).await }));
        }
        let status = operation.update(plan).await;
        self.outcome(&operation, logical_id, status)
    }

    /// Takes a resource out of the stack.
    pub async fn delete(&self, logical_id: &str) -> Outcome {
        let operation = self.operation();
        let resources: BTreeMap<String, Resource> =
            self.resource(logical_id).map(|resource| (logical_id.to_owned(), resource)).into_iter().collect();
        let status = operation.delete(resources, &BTreeSet::new()).await;
        self.outcome(&operation, logical_id, status)
    }

    /// Deletes every resource, in reverse order of their names; one outcome each.
    pub async fn delete_stack(&self) -> Vec<Outcome> {
        let names: Vec<String> = self.resources().into_keys().rev().collect();
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
        let known = self.resource(logical_id).filter(|resource| !resource.failed);
        let bare = with_token(&json!({}));
        let ask = known_ask(known.as_ref(), &bare, request_type, overrides);
        self.operation().exchange_and_log(logical_id, &ask).await.0
    }

    /// The event that [`Stack::send`] would send, to be delivered whenever and as often as wanted.
    #[must_use]
    pub fn event(&self, request_type: &str, logical_id: &str, overrides: Value) -> Value {
        let known = self.resource(logical_id).filter(|resource| !resource.failed);
        let bare = with_token(&json!({}));
        self.operation().event(logical_id, &known_ask(known.as_ref(), &bare, request_type, overrides)).0
    }

    /// Delivers an event once, whatever it is, and waits until the function is done with it.
    pub async fn invoke(&self, event: Value) -> Result<(), String> {
        self.deliveries.function().invoke(event).await.map(drop)
    }

    /// Waits until every delivery is over: retries and duplicates may run on after the answer.
    pub async fn wait_until_idle(&self) {
        self.deliveries.ended().await;
    }

    /// Delivers an event as CloudFormation does, through what its `ServiceToken` names, and waits for nothing.
    pub fn deliver(&self, event: &Value) {
        self.deliveries.deliver(event);
    }

    fn operation(&self) -> Operation {
        Operation::new(&self.aws, Arc::clone(&self.deliveries), &self.id, &self.name)
    }

    /// One resource that is to have these properties, and another one that fails after it when that was asked for.
    fn plan(&self, logical_id: &str, properties: &Value, before: Option<Resource>) -> Plan {
        let mut state = self.lock();
        let policies = Policies { retain_replaced: state.retains, ..Policies::default() };
        let declared = Declared {
            resource_type: RESOURCE_TYPE.to_owned(),
            properties: with_token(properties),
            needs: BTreeSet::new(),
            policies,
        };
        let mut all = BTreeMap::from([(logical_id.to_owned(), declared)]);
        if std::mem::take(&mut state.fails_elsewhere) {
            let failing = Declared {
                resource_type: FAILING.to_owned(),
                properties: Value::Null,
                needs: BTreeSet::from([logical_id.to_owned()]),
                policies: Policies::default(),
            };
            all.insert(OTHER.to_owned(), failing);
        }
        Plan {
            declared: all,
            before: before.map(|before| (logical_id.to_owned(), before)).into_iter().collect(),
            // Whatever a test puts into properties is sent as it is.
            resolve: Box::new(|value, _| Ok(value.clone())),
            finish: Box::new(|_| Ok(())),
            on_failure: OnStackFailure::RollBack,
            cancel: Cancel::Never,
        }
    }

    /// What an operation did to one resource.
    fn outcome(&self, operation: &Operation, logical_id: &str, status: StackStatus) -> Outcome {
        let resource = self.resource(logical_id).filter(|resource| !resource.failed);
        let (physical_id, attributes) = resource.map(|r| (r.physical_id, r.attributes)).unwrap_or_default();
        let history = std::mem::take(&mut *operation.history());
        let failed =
            !matches!(status, StackStatus::CreateComplete | StackStatus::UpdateComplete | StackStatus::DeleteComplete);
        let reason = history.failures.into_iter().next().map(|(_, reason)| reason).filter(|_| failed);
        Outcome {
            status,
            reason: reason.unwrap_or_else(|| if failed { CANCELLED.to_owned() } else { String::new() }),
            stack_id: self.id.clone(),
            logical_id: logical_id.to_owned(),
            physical_id,
            attributes,
            answers: history.answers,
            requests: history.requests,
            events: history.events.into_iter().filter(|event| event.logical_id == logical_id).collect(),
        }
    }

    fn resource(&self, logical_id: &str) -> Option<Resource> {
        self.resources().remove(logical_id)
    }

    fn resources(&self) -> BTreeMap<String, Resource> {
        self.aws
            .with(|world, _| world.cloudformation.find(&self.id).map(super::state::StackRecord::live))
            .unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said when nothing failed and an update was cancelled.
const CANCELLED: &str = "Resource update cancelled";

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
