//! Work that goes on in the next invocation: what is carried over. Pure.
//!
//! The event itself is sent again, and with it only what AWS cannot tell: how long the request has been worked on and
//! which changes of the group were already asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What one invocation tells the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Continuation {
    /// Invocations before this one.
    pub hop: u32,
    /// When the first one began, in milliseconds since the epoch.
    pub started_epoch_ms: u64,
    /// How long the work had taken when it was handed on, in milliseconds.
    pub elapsed_ms: u64,
    /// What the work so far has shown.
    pub memory: Memory,
}

/// What AWS cannot tell about the work on one request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Memory {
    /// Changes of the group that AWS accepted, as the plan prints them.
    pub applied: Vec<String>,
    /// All steps so far, for the message when time runs out.
    pub done: Vec<String>,
    /// Groups that were seen standing.
    pub seen: BTreeSet<String>,
    /// Subnet groups that the request put itself on, and what their tag said before.
    pub claims: BTreeMap<String, String>,
    /// Parameter group that was asked for last; AWS does not show one that waits for the maintenance window.
    pub asked_parameter_group: Option<String>,
    /// Log types whose delivery was asked for.
    pub asked_logs: BTreeSet<String>,
    /// Whether an Update is the rollback of one, as far as CloudFormation said.
    pub rolls_back: Option<bool>,
    /// Version of the secret whose token AWS was last asked to make the only one, and agreed.
    pub required_version: Option<String>,
    /// How long steps took, in milliseconds, by how long they were expected to take.
    pub took: BTreeMap<String, u64>,
    /// What AWS works on.
    pub working: Option<Working>,
}

/// Work of AWS that is waited for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Working {
    /// Minutes that it takes: on a good day, most often, on a bad one.
    pub minutes: [u64; 3],
    /// When it began, in milliseconds since work on the request did.
    pub began_ms: u64,
    /// Calls that were made while waiting for it.
    pub calls: u32,
}

impl Continuation {
    /// Splits an event into the original event and what was handed on with it.
    #[must_use]
    pub fn split(mut event: Value) -> (Value, Continuation) {
        let Some(continuation) = event.get("Continuation").cloned() else { return (event, Continuation::default()) };
        let continuation = serde_json::from_value(continuation).unwrap_or_default();
        (event.get_mut("Event").map(Value::take).unwrap_or_default(), continuation)
    }

    /// The payload of the next invocation.
    #[must_use]
    pub fn payload(&self, event: &Value) -> String {
        json!({ "Continuation": self, "Event": event }).to_string()
    }

    /// How long the request has been worked on when the wall clock shows `now_epoch_ms`. The time between two invocations
    /// counts; a clock that went backwards does not.
    #[must_use]
    pub fn elapsed(&self, now_epoch_ms: u64) -> Duration {
        let by_clock = match self.started_epoch_ms {
            0 => 0,
            started => now_epoch_ms.saturating_sub(started),
        };
        Duration::from_millis(self.elapsed_ms.max(by_clock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_on_arrives() {
        let event = json!({"RequestType": "Create", "ResponseURL": "https://h/?s"});
        let sent = Continuation { hop: 2, started_epoch_ms: 1000, elapsed_ms: 5000, ..Continuation::default() };
        let (inner, received) = Continuation::split(serde_json::from_str(&sent.payload(&event)).unwrap());
        assert_eq!((inner, received), (event.clone(), sent));
        assert_eq!(Continuation::split(event.clone()), (event, Continuation::default()));
    }

    #[test]
    fn elapsed_time_counts_the_pause_between_invocations() {
        let continuation = Continuation { started_epoch_ms: 1000, elapsed_ms: 5000, ..Continuation::default() };
        assert_eq!(continuation.elapsed(9000).as_millis(), 8000);
        assert_eq!(continuation.elapsed(2000).as_millis(), 5000);
        assert_eq!(Continuation::default().elapsed(9000).as_millis(), 0);
    }
}
