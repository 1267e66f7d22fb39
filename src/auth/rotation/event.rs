//! What Secrets Manager asks a rotation function for: pure.

use std::str::FromStr;

use serde_json::{Value, json};
use strum::{EnumString, IntoStaticStr};

/// One step of a rotation, with its name in an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr)]
pub enum RotationStep {
    /// Make the new token, pending.
    #[strum(serialize = "createSecret")]
    Create,
    /// Have the cache take it in addition to the old one.
    #[strum(serialize = "setSecret")]
    Set,
    /// See that the cache takes it.
    #[strum(serialize = "testSecret")]
    Test,
    /// Give it to readers.
    #[strum(serialize = "finishSecret")]
    Finish,
    /// Have the cache take no other one. Not of Secrets Manager: the function sends it to itself for the time after.
    #[strum(serialize = "retireOldToken")]
    Retire,
}

/// A step to take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationEvent {
    /// ARN of the secret.
    pub secret: String,
    /// Id of the version that the rotation brings in.
    pub version: String,
    /// The step.
    pub step: RotationStep,
    /// How long after it was asked for it is to be taken, in milliseconds; only of [`RotationStep::Retire`].
    pub after_ms: u64,
}

impl RotationEvent {
    /// Reads an event: `None` when it is none of a rotation.
    ///
    /// # Errors
    /// It is one of a rotation, and this is wrong with it.
    #[must_use]
    pub fn read(event: &Value) -> Option<Result<RotationEvent, String>> {
        let step = event.get("Step")?.as_str()?;
        let text = |name: &str| match event[name].as_str() {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(format!("a rotation event without {name}")),
        };
        let read = || {
            let step = RotationStep::from_str(step).map_err(|_| "a rotation event with an unknown Step".to_owned())?;
            let after_ms = event["AfterMs"].as_u64().unwrap_or_default();
            Ok(RotationEvent { secret: text("SecretId")?, version: text("ClientRequestToken")?, step, after_ms })
        };
        Some(read())
    }

    /// The event that has the old token of this rotation removed after `after_ms` milliseconds.
    #[must_use]
    pub fn retirement(&self, after_ms: u64) -> Value {
        json!({
            "SecretId": self.secret,
            "ClientRequestToken": self.version,
            "Step": <&str>::from(RotationStep::Retire),
            "AfterMs": after_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_known_by_their_names() {
        let event = |step: &str| json!({"SecretId": "arn", "ClientRequestToken": "v", "Step": step});
        for (name, step) in [
            ("createSecret", RotationStep::Create),
            ("setSecret", RotationStep::Set),
            ("testSecret", RotationStep::Test),
            ("finishSecret", RotationStep::Finish),
        ] {
            assert_eq!(RotationEvent::read(&event(name)).unwrap().unwrap().step, step);
            assert_eq!(<&str>::from(step), name);
        }
        assert!(RotationEvent::read(&event("else")).unwrap().is_err());
        assert!(RotationEvent::read(&json!({"Step": "setSecret", "SecretId": "arn"})).unwrap().is_err());
        assert_eq!(RotationEvent::read(&json!({"RequestType": "Create"})), None);
    }

    #[test]
    fn the_retirement_is_read_back() {
        let event = json!({"SecretId": "arn", "ClientRequestToken": "v", "Step": "finishSecret"});
        let finish = RotationEvent::read(&event).unwrap().unwrap();
        let retire = RotationEvent::read(&finish.retirement(7)).unwrap().unwrap();
        assert_eq!(retire, RotationEvent { step: RotationStep::Retire, after_ms: 7, ..finish });
    }
}
