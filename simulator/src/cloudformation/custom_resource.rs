//! One request to the function behind a custom resource: an event out, an answer in.

use std::time::Duration;

use serde_json::{Map, Value};

use super::answer::Received;
use super::operation::Operation;
use super::protocol::{Answer, Expected};
use super::stack::{DEFAULT_SERVICE_TIMEOUT, RESOURCE_TYPE, SERVICE_TOKEN, uuid};
use crate::readings::ServiceTimeoutPlace;

/// What one event asks for.
pub(super) struct Ask<'a> {
    pub(super) request_type: &'a str,
    pub(super) resource_type: &'a str,
    pub(super) physical_id: Option<&'a str>,
    pub(super) properties: &'a Value,
    pub(super) old: Option<&'a Value>,
    pub(super) overrides: Value,
}

impl<'a> Ask<'a> {
    pub(super) fn new(request_type: &'a str) -> Ask<'a> {
        Ask {
            request_type,
            resource_type: RESOURCE_TYPE,
            physical_id: None,
            properties: &Value::Null,
            old: None,
            overrides: Value::Null,
        }
    }
}

/// A request that was not answered with SUCCESS.
pub(super) struct Failure {
    pub(super) reason: String,
    /// The id in a FAILED answer.
    pub(super) physical_id: Option<String>,
}

impl Failure {
    pub(super) fn new(reason: impl Into<String>) -> Failure {
        Failure { reason: reason.into(), physical_id: None }
    }
}

impl Operation {
    /// Sends one request of an operation.
    pub(super) async fn request(&self, logical_id: &str, ask: Ask<'_>) -> Result<Answer, Failure> {
        let (result, request_id) = self.exchange_and_log(logical_id, &ask).await;
        match result {
            Ok(answer) if answer.is_success() => Ok(answer),
            Ok(answer) => {
                Err(Failure { reason: failed_answer(&answer, &request_id), physical_id: Some(answer.physical_id) })
            }
            Err(reason) => Err(Failure::new(reason)),
        }
    }

    /// Sends one event, waits for its answer, whatever it says, and writes the history of that.
    pub(super) async fn exchange_and_log(&self, logical_id: &str, ask: &Ask<'_>) -> (Result<Answer, String>, String) {
        let [progress, complete, failed] = match ask.request_type {
            "Create" => ["CREATE_IN_PROGRESS", "CREATE_COMPLETE", "CREATE_FAILED"],
            "Update" => ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED"],
            _ => ["DELETE_IN_PROGRESS", "DELETE_COMPLETE", "DELETE_FAILED"],
        };
        let line = |status, physical_id: Option<&str>, reason: &str| {
            self.log(logical_id, ask.resource_type, status, physical_id, reason, Some(ask.properties));
        };
        line(progress, ask.physical_id, "");
        let (result, request_id) = self.exchange(logical_id, ask).await;
        match &result {
            Ok(answer) if answer.is_success() => {
                let id = answer.physical_id.as_str();
                if ask.request_type == "Create" {
                    line(progress, Some(id), "Resource creation Initiated");
                }
                if ask.request_type == "Update" && ask.physical_id != Some(id) {
                    line(
                        progress,
                        Some(id),
                        "Requested update required the provider to create a new physical resource",
                    );
                }
                line(complete, Some(id), answer.reason());
            }
            Ok(answer) => line(failed, Some(&answer.physical_id), &failed_answer(answer, &request_id)),
            Err(reason) => line(failed, None, reason),
        }
        (result, request_id)
    }

    /// The answer, or why there is none; and the id of the request.
    async fn exchange(&self, logical_id: &str, ask: &Ask<'_>) -> (Result<Answer, String>, String) {
        let (event, response_url) = self.event(logical_id, ask);
        let request_id = event["RequestId"].as_str().unwrap_or_default().to_owned();
        self.history().requests.push(event.clone());
        self.deliveries().deliver(&event);
        (self.answer(ask, &request_id, response_url).await, request_id)
    }

    async fn answer(&self, ask: &Ask<'_>, request_id: &str, response_url: Option<String>) -> Result<Answer, String> {
        let Some(response_url) = response_url else {
            self.deliveries().ended().await;
            return Err("the event has no response URL of this local AWS".to_owned());
        };
        let timeout = service_timeout(ask.properties);
        let received = tokio::select! {
            received = self.aws().answers().wait(&response_url) => received,
            () = self.aws().clock().sleep(timeout) => {
                return Err(format!(
                    "CloudFormation did not receive a response from your Custom Resource. Please check your logs for \
                     requestId [{request_id}]."
                ));
            }
        };
        match received {
            Received::Answer(answer) => {
                self.history().answers.push(answer.clone());
                Ok(answer)
            }
            Received::Broken(problems) => Err(problems),
        }
    }

    /// The event, and its response URL unless an override took it away.
    pub(super) fn event(&self, logical_id: &str, ask: &Ask<'_>) -> (Value, Option<String>) {
        let answers = self.aws().answers();
        let mut event = Map::new();
        let mut set = |key: &str, value: Value| event.insert(key.to_owned(), value);
        set("RequestType", ask.request_type.into());
        set("ServiceToken", ask.properties.get("ServiceToken").cloned().unwrap_or_else(|| SERVICE_TOKEN.into()));
        set("RequestId", uuid(answers.next_number()).into());
        set("StackId", self.stack_id().to_owned().into());
        set("LogicalResourceId", logical_id.into());
        set("ResourceType", ask.resource_type.into());
        let place = self.aws().with(|world, _| world.readings.service_timeout);
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
        let overrides = match ask.overrides.clone() {
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
        let url = answers.open(expected, self.aws().clock().now());
        event.insert("ResponseURL".to_owned(), url.clone().into());
        (event.into(), Some(url))
    }
}

/// What CloudFormation makes of a FAILED.
fn failed_answer(answer: &Answer, request_id: &str) -> String {
    format!(
        "Received response status [FAILED] from custom resource. Message returned: {} (RequestId: {request_id})",
        answer.reason()
    )
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
