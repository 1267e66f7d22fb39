//! Rotation, as far as its state shows; the function's steps are run by the gateway (`rotate_with`).

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::secret::{CURRENT, PENDING, Version};
use super::{SecretsManager, invalid_request, schedule};
use crate::clock::Time;
use crate::wire::tree::text;
use crate::world::{Answer, Call};

/// Rotation settings of a secret.
#[derive(Clone, Debug)]
pub(super) struct Rotation {
    enabled: bool,
    function: Option<String>,
    rules: Value,
    /// When the last rotation ended.
    last: Option<Time>,
    /// When the next one is due, if the rules tell.
    next: Option<Time>,
}

impl Rotation {
    /// ARN of the function that rotates the secret.
    pub(super) fn function(&self) -> Option<String> {
        self.function.clone()
    }

    /// A rotation has ended.
    pub(super) fn rotated(&mut self, now: Time) {
        self.last = Some(now);
        self.next = schedule::next(&self.rules, now);
    }

    pub(super) fn describe(&self, fields: &mut Map<String, Value>) {
        // Neither date is given once rotation is off (service model).
        for (name, date) in [("LastRotatedDate", self.last), ("NextRotationDate", self.next)] {
            if let Some(date) = date.filter(|_| self.enabled) {
                fields.insert(name.into(), json!(date.epoch_seconds()));
            }
        }
        fields.insert("RotationEnabled".into(), json!(self.enabled));
        if let Some(function) = &self.function {
            fields.insert("RotationLambdaARN".into(), json!(function));
        }
        if !self.rules.is_null() {
            fields.insert("RotationRules".into(), self.rules.clone());
        }
    }
}

/// What is pending while Secrets Manager tries a new schedule out. The documentation says no more than that there is such
/// a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// A copy of the current value.
    Copy,
    /// A version without a value.
    Empty,
}

impl SecretsManager {
    /// Begins the trial of a schedule that does not rotate at once: a pending version that no rotation made. Gives the
    /// ARNs of the secret and of the function.
    pub(super) fn begin_trial(&mut self, name: &str, id: &str, trial: Trial, now: Time) -> Option<(String, String)> {
        let secret = self.secrets.get_mut(name)?;
        let function = secret.rotation.as_ref()?.function()?;
        let current = secret.staged(CURRENT).and_then(|current| secret.versions.get(current));
        let value = current.and_then(|current| current.value.clone()).filter(|_| trial == Trial::Copy);
        let version = Version { value, stages: BTreeSet::new(), created: now };
        secret.versions.insert(id.to_owned(), version);
        secret.move_stage(PENDING, id);
        Some((secret.arn.clone(), function))
    }

    /// Ends the trial: its version goes.
    pub(super) fn end_trial(&mut self, name: &str, id: &str) {
        if let Some(secret) = self.secrets.get_mut(name) {
            secret.versions.remove(id);
        }
    }

    /// Announces a version without a value under AWSPENDING, which is what the rotation function finds.
    pub(super) fn rotate(&mut self, call: &Call) -> Answer {
        let params = &call.params;
        let id = self.version_id(params)?;
        let secret = self.live_mut(params)?;
        let before = secret.rotation.take();
        let function = text(params, "RotationLambdaARN").map(str::to_owned);
        let function = function.or_else(|| before.as_ref().and_then(|rotation| rotation.function.clone()));
        if function.is_none() {
            secret.rotation = before;
            return Err(invalid_request("No Lambda rotation function ARN is associated with this secret."));
        }
        let last = before.as_ref().and_then(|rotation| rotation.last);
        let rules = match (&params["RotationRules"], before) {
            (Value::Null, Some(before)) => before.rules,
            (rules, _) => rules.clone(),
        };
        let next = schedule::next(&rules, call.now);
        secret.rotation = Some(Rotation { enabled: true, function, rules, last, next });
        if params["RotateImmediately"] != json!(false) {
            let pending = secret.staged(PENDING).filter(|pending| Some(*pending) != secret.staged(CURRENT));
            if pending.is_some_and(|pending| pending != id) {
                return Err(invalid_request("A previous rotation isn't complete. That rotation will be reattempted."));
            }
            let announced = Version { value: None, stages: BTreeSet::new(), created: call.now };
            secret.versions.entry(id.clone()).or_insert(announced);
            secret.move_stage(PENDING, &id);
        }
        Ok(json!({"ARN": secret.arn, "Name": secret.name, "VersionId": id}))
    }

    /// Turns rotation off; a pending version stays as it is (service model).
    pub(super) fn cancel_rotation(&mut self, call: &Call) -> Answer {
        let secret = self.live_mut(&call.params)?;
        let Some(rotation) = &mut secret.rotation else {
            return Err(invalid_request("You tried to cancel a rotation that was never configured for the secret."));
        };
        rotation.enabled = false;
        let mut answer = json!({"ARN": secret.arn, "Name": secret.name});
        if let Some(pending) = secret.staged(PENDING) {
            answer["VersionId"] = json!(pending);
        }
        Ok(answer)
    }
}
