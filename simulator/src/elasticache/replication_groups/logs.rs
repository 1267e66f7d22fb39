//! Log delivery.

use serde_json::{Value, json};

use crate::elasticache::catalog::Release;
use crate::elasticache::input::Input;
use crate::elasticache::refusals::{invalid_combination, invalid_value};
use crate::world::AwsError;

/// Where one kind of log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDelivery {
    /// `slow-log` or `engine-log`.
    pub log_type: String,
    /// `cloudwatch-logs` or `kinesis-firehose`.
    pub destination_type: String,
    /// Log group or delivery stream.
    pub destination: String,
    /// `text` or `json`.
    pub format: String,
}

/// The deliveries that hold after a request, from those before; `None` when the request names none.
pub(super) fn read(
    input: Input<'_>,
    before: &[LogDelivery],
    release: Option<Release>,
) -> Result<Option<Vec<LogDelivery>>, AwsError> {
    let Some(requests) = input.items("LogDeliveryConfigurations", "LogDeliveryConfigurationRequest") else {
        return Ok(None);
    };
    let mut after = before.to_vec();
    let mut named: Vec<&str> = Vec::new();
    for request in requests {
        let log_type = one_of(request, "LogType", &["slow-log", "engine-log"])?;
        if named.contains(&log_type) {
            return Err(invalid_value(format!("The log type {log_type} is named twice.")));
        }
        named.push(log_type);
        after.retain(|delivery| delivery.log_type != log_type);
        if request.flag("Enabled")? != Some(false) {
            check_release(log_type, release)?;
            after.push(read_one(request, log_type)?);
        }
    }
    after.sort_by(|a, b| a.log_type.cmp(&b.log_type));
    if let [first, second] = after.as_slice()
        && (&first.destination_type, &first.destination) == (&second.destination_type, &second.destination)
    {
        return Err(invalid_combination("Two log types cannot be delivered to the same destination."));
    }
    Ok(Some(after))
}

/// The slow log came with Redis OSS 6.0, the engine log with 6.2; every Valkey has both.
fn check_release(log_type: &str, release: Option<Release>) -> Result<(), AwsError> {
    let since = if log_type == "slow-log" { (6, 0, 0) } else { (6, 2, 0) };
    if release.is_some_and(|release| release.engine == "redis" && release.number() < since) {
        return Err(invalid_combination(format!("The log type {log_type} is not supported by this engine version.")));
    }
    Ok(())
}

fn read_one(request: Input<'_>, log_type: &str) -> Result<LogDelivery, AwsError> {
    let destination_type = one_of(request, "DestinationType", &["cloudwatch-logs", "kinesis-firehose"])?;
    let format = one_of(request, "LogFormat", &["text", "json"])?;
    let (details, name) = match destination_type {
        "cloudwatch-logs" => ("CloudWatchLogsDetails", "LogGroup"),
        _ => ("KinesisFirehoseDetails", "DeliveryStream"),
    };
    let destination = request
        .structure("DestinationDetails")
        .and_then(|destination| destination.structure(details))
        .and_then(|details| details.owned(name))
        .filter(|destination| !destination.is_empty())
        .ok_or_else(|| {
            invalid_combination(format!("The destination type {destination_type} needs {details}.{name}."))
        })?;
    Ok(LogDelivery {
        log_type: log_type.to_owned(),
        destination_type: destination_type.to_owned(),
        destination,
        format: format.to_owned(),
    })
}

fn one_of<'a>(request: Input<'a>, key: &str, choices: &[&str]) -> Result<&'a str, AwsError> {
    let value = request.required(key)?;
    if choices.contains(&value) {
        return Ok(value);
    }
    Err(invalid_value(format!("The value {value} of {key} is not one of {}.", choices.join(", "))))
}

impl LogDelivery {
    /// As described; `status` only where the delivery is in effect, `message` where it fails.
    pub(super) fn tree(&self, status: Option<&str>, message: Option<&str>) -> Value {
        let details = if self.destination_type == "cloudwatch-logs" {
            json!({ "CloudWatchLogsDetails": { "LogGroup": self.destination } })
        } else {
            json!({ "KinesisFirehoseDetails": { "DeliveryStream": self.destination } })
        };
        json!({
            "LogType": self.log_type,
            "DestinationType": self.destination_type,
            "DestinationDetails": details,
            "LogFormat": self.format,
            "Status": status,
            "Message": message,
        })
    }
}
