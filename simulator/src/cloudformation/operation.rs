//! One operation of a stack on one resource: events out, answers in, and the history of both.

use std::time::Duration;

use serde_json::{Map, Value};

use super::answer::Received;
use super::outcome::{Outcome, StackEvent, StackStatus};
use super::protocol::{Answer, Expected};
use super::stack::{DEFAULT_SERVICE_TIMEOUT, RESOURCE_TYPE, Resource, SERVICE_TOKEN, Stack, uuid};
use crate::readings::ServiceTimeoutPlace;

/// What one event asks for.
pub(super) struct Ask<'a> {
    pub(super) request_type: &'a str,
    pub(super) physical_id: Option<&'a str>,
    pub(super) properties: &'a Value,
    pub(super) old: Option<&'a Value>,
    pub(super) overrides: Value,
}

impl<'a> Ask<'a> {
    pub(super) fn new(request_type: &'a str) -> Ask<'a> {
        Ask { request_type, physical_id: None, properties: &Value::Null, old: None, overrides: Value::Null }
    }
}

/// A request that was not answered with SUCCESS.
pub(super) struct Failure {
    pub(super) reason: String,
    /// The id in a FAILED answer.
    pub(super) physical_id: Option<String>,
}

/// One operation under way on one resource.
pub(super) struct Operation<'a> {
    stack: &'a Stack,
    logical_id: &'a str,
    answers: Vec<Answer>,
    requests: Vec<Value>,
    events: Vec<StackEvent>,
}

impl<'a> Operation<'a> {
    pub(super) fn new(stack: &'a Stack, logical_id: &'a str) -> Operation<'a> {
        Operation { stack, logical_id, answers: Vec::new(), requests: Vec::new(), events: Vec::new() }
    }

    /// From now on the stack does this.
    pub(super) fn begin(&self, status: &str) {
        self.stack.aws().with(|world, _| world.cloudformation.note_stack(self.stack.id(), status));
    }

    /// Sends one request of an operation.
    pub(super) async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, Failure> {
        match self.request(ask).await {
            Ok(answer) if answer.is_success() => Ok(answer),
            Ok(answer) => Err(Failure { reason: self.failure(&answer), physical_id: Some(answer.physical_id) }),
            Err(reason) => Err(Failure { reason, physical_id: None }),
        }
    }

    /// Sends one event, waits for its answer, whatever it says, and writes the history of that.
    pub(super) async fn request(&mut self, ask: Ask<'_>) -> Result<Answer, String> {
        let [progress, complete, failed] = match ask.request_type {
            "Create" => ["CREATE_IN_PROGRESS", "CREATE_COMPLETE", "CREATE_FAILED"],
            "Update" => ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED"],
            _ => ["DELETE_IN_PROGRESS", "DELETE_COMPLETE", "DELETE_FAILED"],
        };
        self.log(progress, ask.physical_id, "");
        let result = self.exchange(ask).await;
        match &result {
            Ok(answer) if answer.is_success() => self.log(complete, Some(&answer.physical_id), answer.reason()),
            Ok(answer) => self.log(failed, Some(&answer.physical_id), &self.failure(answer)),
            Err(reason) => self.log(failed, None, reason),
        }
        result
    }

    /// What CloudFormation makes of the last request's FAILED.
    fn failure(&self, answer: &Answer) -> String {
        let request_id = self.requests.last().and_then(|request| request["RequestId"].as_str()).unwrap_or_default();
        let reason = answer.reason();
        format!(
            "Received response status [FAILED] from custom resource. Message returned: {reason} (RequestId: {request_id})"
        )
    }

    async fn exchange(&mut self, ask: Ask<'_>) -> Result<Answer, String> {
        let timeout = service_timeout(ask.properties);
        let (event, response_url) = self.event(ask);
        self.requests.push(event.clone());
        self.stack.deliver(&event);
        let Some(response_url) = response_url else {
            self.stack.settle().await;
            return Err("the event has no response URL of this local AWS".to_owned());
        };
        let received = tokio::select! {
            received = self.stack.aws().answers().wait(&response_url) => received,
            () = self.stack.aws().clock().sleep(timeout) => {
                return Err(format!(
                    "CloudFormation did not receive a response from your Custom Resource. Please check your logs for \
                     requestId [{}].",
                    event["RequestId"].as_str().unwrap_or_default()
                ));
            }
        };
        match received {
            Received::Answer(answer) => {
                self.answers.push(answer.clone());
                Ok(answer)
            }
            Received::Broken(problems) => Err(problems),
        }
    }

    /// The event, and its response URL unless an override took it away.
    pub(super) fn event(&self, ask: Ask<'_>) -> (Value, Option<String>) {
        let answers = self.stack.aws().answers();
        let mut event = Map::new();
        let mut set = |key: &str, value: Value| event.insert(key.to_owned(), value);
        set("RequestType", ask.request_type.into());
        set("ServiceToken", ask.properties.get("ServiceToken").cloned().unwrap_or_else(|| SERVICE_TOKEN.into()));
        set("RequestId", uuid(answers.next_number()).into());
        set("StackId", self.stack.id().to_owned().into());
        set("LogicalResourceId", self.logical_id.into());
        set("ResourceType", RESOURCE_TYPE.into());
        let place = self.stack.aws().with(|world, _| world.readings.service_timeout);
        let declared = ask.properties.get(SERVICE_TIMEOUT).filter(|_| place != ServiceTimeoutPlace::Properties);
        if let Some(declared) = declared {
            set(SERVICE_TIMEOUT, declared.clone());
        }
        set("ResourceProperties", placed(ask.properties, place));
        if let Some(id) = ask.physical_id {
            set("PhysicalResourceId", id.into());
        }
        if let Some(old) = ask.old {
            set("OldResourceProperties", placed(old, place));
        }
        let overrides = match ask.overrides {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        let own_url = overrides.contains_key("ResponseURL");
        for (key, value) in overrides {
            if value.is_null() {
                event.remove(&key);
            } else {
                event.insert(key, value);
            }
        }
        if own_url {
            return (event.into(), None);
        }
        let text = |key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
        let expected = Expected {
            request_type: text("RequestType").unwrap_or_default(),
            request_id: text("RequestId").unwrap_or_default(),
            stack_id: text("StackId").unwrap_or_default(),
            logical_id: text("LogicalResourceId").unwrap_or_default(),
            physical_id: text("PhysicalResourceId"),
        };
        let url = answers.open(expected, self.stack.aws().clock().now());
        event.insert("ResponseURL".to_owned(), url.clone().into());
        (event.into(), Some(url))
    }

    /// Deletes the ids that are no longer in use. CloudFormation gives up on one that cannot be deleted (facts 1.4).
    pub(super) async fn clean_up(&mut self, used: &[&str], current: &str, properties: &Value) {
        let mut gone: Vec<&str> = used.iter().copied().filter(|id| *id != current).collect();
        gone.dedup();
        for id in gone {
            let _ = self.ask(Ask { physical_id: Some(id), properties, ..Ask::new("Delete") }).await;
        }
    }

    pub(super) fn keep(&self, answer: &Answer, properties: Value) {
        self.put(Resource { physical_id: answer.physical_id.clone(), properties, attributes: answer.data.clone() });
    }

    pub(super) fn put(&self, resource: Resource) {
        self.stack.remember(self.logical_id, resource);
    }

    fn log(&mut self, status: &'static str, physical_id: Option<&str>, reason: &str) {
        let at = self.stack.aws().with(|world, now| {
            world.cloudformation.note(self.stack.id(), self.logical_id, physical_id, status, now);
            now
        });
        self.events.push(StackEvent {
            at,
            logical_id: self.logical_id.to_owned(),
            physical_id: physical_id.map(str::to_owned),
            status,
            reason: reason.to_owned(),
        });
    }

    pub(super) fn end(self, status: StackStatus, reason: String) -> Outcome {
        self.begin(&status.to_string());
        let resource = self.stack.resource(self.logical_id);
        let (physical_id, attributes) = resource.map(|r| (r.physical_id, r.attributes)).unwrap_or_default();
        Outcome {
            status,
            reason,
            stack_id: self.stack.id().to_owned(),
            logical_id: self.logical_id.to_owned(),
            physical_id,
            attributes,
            answers: self.answers,
            requests: self.requests,
            events: self.events,
        }
    }
}

/// The properties of an event, where its timeout may stand elsewhere.
fn placed(properties: &Value, place: ServiceTimeoutPlace) -> Value {
    let mut placed = properties.clone();
    if let (Value::Object(fields), ServiceTimeoutPlace::TopLevel) = (&mut placed, place) {
        fields.remove(SERVICE_TIMEOUT);
    }
    placed
}

const SERVICE_TIMEOUT: &str = "ServiceTimeout";

fn service_timeout(properties: &Value) -> Duration {
    let declared = properties.get(SERVICE_TIMEOUT).and_then(Value::as_str).and_then(|s| s.parse().ok());
    declared.map_or(DEFAULT_SERVICE_TIMEOUT, Duration::from_secs)
}
