//! CloudWatch, as far as alarms on one metric go. No metric is measured here: an alarm stays without data.

mod checks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::clock::Time;
use crate::wire::tree::{items, text, texts};
use crate::world::{ACCOUNT, Answer, AwsError, Call, REGION, Right, World};

/// Alarms of an account in a region, unless it asked for more.
const QUOTA: usize = 5000;
/// Alarms on one page, when nobody says how many.
const PAGE: usize = 50;
/// Most alarms on one page, and in one deletion.
const MOST_AT_ONCE: usize = 100;

/// State of the service.
#[derive(Debug)]
pub struct CloudWatch {
    /// Alarms by name.
    pub alarms: BTreeMap<String, Alarm>,
    /// How many there may be.
    pub quota: usize,
}

/// An alarm.
#[derive(Clone, Debug)]
pub struct Alarm {
    /// What it was asked for with, without the tags.
    pub settings: Value,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// When it was asked for last.
    pub updated: Time,
}

impl Default for CloudWatch {
    fn default() -> CloudWatch {
        CloudWatch { alarms: BTreeMap::new(), quota: QUOTA }
    }
}

impl CloudWatch {
    /// The permissions that `call` needs.
    #[must_use]
    pub fn rights(world: &World, call: &Call) -> Vec<Right> {
        let params = &call.params;
        let right = |action: &str, resource: String| Right::new(format!("cloudwatch:{action}"), resource);
        match call.action.as_str() {
            "PutMetricAlarm" => {
                let name = text(params, "AlarmName").unwrap_or_default();
                let mut rights = vec![right("PutMetricAlarm", arn(name))];
                let is_new = !world.cloudwatch.alarms.contains_key(name);
                if is_new && !items(params, "Tags").is_empty() {
                    rights.push(right("TagResource", arn(name)));
                }
                let requested = tags(params).into_iter();
                let context: Vec<(String, String)> =
                    requested.map(|(key, value)| (format!("aws:RequestTag/{key}"), value)).collect();
                rights.into_iter().map(|right| Right { context: context.clone(), ..right }).collect()
            }
            "DeleteAlarms" => texts(params, "AlarmNames").map(|name| right("DeleteAlarms", arn(name))).collect(),
            action @ ("TagResource" | "UntagResource" | "ListTagsForResource") => {
                vec![right(action, text(params, "ResourceARN").unwrap_or_default().to_owned())]
            }
            // Alarms that are searched for may be any.
            action => vec![right(action, arn("*"))],
        }
    }

    /// Handles one call.
    pub fn handle(world: &mut World, call: &Call) -> Answer {
        let service = &mut world.cloudwatch;
        let params = &call.params;
        match call.action.as_str() {
            "PutMetricAlarm" => service.put(params, call.now),
            "DescribeAlarms" => service.describe(params),
            "DeleteAlarms" => service.delete(params),
            "ListTagsForResource" => {
                let tags = &service.addressed(params)?.tags;
                let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
                Ok(json!({"Tags": tags}))
            }
            "TagResource" => {
                let more = tags(params);
                let alarm = service.addressed(params)?;
                checks::tags(alarm.tags.keys().chain(more.keys()))?;
                alarm.tags.extend(more);
                Ok(json!({}))
            }
            "UntagResource" => {
                let alarm = service.addressed(params)?;
                texts(params, "TagKeys").for_each(|key| drop(alarm.tags.remove(key)));
                Ok(json!({}))
            }
            action => Err(AwsError::new("InvalidAction", format!("the local AWS does not know {action}"))),
        }
    }

    /// Names and tags of the alarms that carry a tag with this key.
    #[must_use]
    pub fn tagged(&self, key: &str) -> Vec<(String, BTreeMap<String, String>)> {
        let tagged = self.alarms.iter().filter(|(_, alarm)| alarm.tags.contains_key(key));
        tagged.map(|(name, alarm)| (name.clone(), alarm.tags.clone())).collect()
    }

    /// A whole new configuration for an alarm that is there or not. Tags of one that is there stay as they are.
    fn put(&mut self, params: &Value, now: Time) -> Answer {
        checks::alarm(params)?;
        let name = text(params, "AlarmName").unwrap_or_default();
        let standing = self.alarms.get(name).map(|alarm| alarm.tags.clone());
        if standing.is_none() && self.alarms.len() >= self.quota {
            let message = format!("The maximum limit of {} alarms has been exceeded", self.quota);
            return Err(AwsError::new("LimitExceeded", message));
        }
        let mut settings = params.clone();
        if let Some(fields) = settings.as_object_mut() {
            fields.remove("Tags");
        }
        settings["Threshold"] = json!(params["Threshold"].as_f64());
        let tags = standing.unwrap_or_else(|| tags(params));
        self.alarms.insert(name.to_owned(), Alarm { settings, tags, updated: now });
        Ok(json!({}))
    }

    fn describe(&self, params: &Value) -> Answer {
        let names: Vec<&str> = texts(params, "AlarmNames").collect();
        let prefix = text(params, "AlarmNamePrefix");
        if prefix.is_some() && !names.is_empty() {
            return Err(checks::invalid("AlarmNames and AlarmNamePrefix cannot be given together"));
        }
        let most = params["MaxRecords"].as_u64().map_or(PAGE, |most| usize::try_from(most).unwrap_or(usize::MAX));
        if !(1..=MOST_AT_ONCE).contains(&most) {
            return Err(checks::invalid("MaxRecords must be between 1 and 100"));
        }
        let wanted = |name: &str| match prefix {
            Some(prefix) => name.starts_with(prefix),
            None => names.is_empty() || names.contains(&name),
        };
        let after = text(params, "NextToken");
        let found = self.alarms.iter().filter(|(name, _)| wanted(name));
        let rest: Vec<_> = found.filter(|(name, _)| after.is_none_or(|after| name.as_str() > after)).collect();
        let page: Vec<Value> = rest.iter().take(most).map(|(name, alarm)| alarm.described(name)).collect();
        let mut answer = json!({"MetricAlarms": page, "CompositeAlarms": []});
        if rest.len() > most {
            answer["NextToken"] = json!(rest[most - 1].0);
        }
        Ok(answer)
    }

    /// Those that are there go, whatever becomes of the others.
    fn delete(&mut self, params: &Value) -> Answer {
        let names: Vec<&str> = texts(params, "AlarmNames").collect();
        if names.is_empty() || names.len() > MOST_AT_ONCE {
            return Err(checks::invalid("AlarmNames must have between 1 and 100 members"));
        }
        let unknown: Vec<&str> = names.into_iter().filter(|name| self.alarms.remove(*name).is_none()).collect();
        if unknown.is_empty() {
            return Ok(json!({}));
        }
        Err(AwsError::not_found("ResourceNotFound", format!("Unknown alarms: {}", unknown.join(", "))))
    }

    fn addressed(&mut self, params: &Value) -> Result<&mut Alarm, AwsError> {
        let wanted = text(params, "ResourceARN").unwrap_or_default();
        let found = self.alarms.iter_mut().find(|(name, _)| arn(name) == wanted);
        found
            .map(|(_, alarm)| alarm)
            .ok_or_else(|| AwsError::not_found("ResourceNotFoundException", format!("{wanted} does not exist")))
    }
}

impl Alarm {
    fn described(&self, name: &str) -> Value {
        let mut described = self.settings.clone();
        let updated = self.updated.epoch_seconds();
        for (key, value) in [
            ("AlarmArn", json!(arn(name))),
            ("AlarmConfigurationUpdatedTimestamp", json!(updated)),
            ("StateUpdatedTimestamp", json!(updated)),
            ("StateTransitionedTimestamp", json!(updated)),
            ("StateValue", json!("INSUFFICIENT_DATA")),
            ("StateReason", json!("Unchecked: Initial alarm creation")),
        ] {
            described[key] = value;
        }
        for (key, value) in [
            ("ActionsEnabled", json!(true)),
            ("OKActions", json!([])),
            ("AlarmActions", json!([])),
            ("InsufficientDataActions", json!([])),
            ("Dimensions", json!([])),
        ] {
            if described[key].is_null() {
                described[key] = value;
            }
        }
        described
    }
}

fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}")
}

fn tags(params: &Value) -> BTreeMap<String, String> {
    let pair = |tag: &Value| Some((text(tag, "Key")?.to_owned(), text(tag, "Value").unwrap_or_default().to_owned()));
    items(params, "Tags").iter().filter_map(pair).collect()
}
