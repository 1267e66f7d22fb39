//! What CloudWatch refuses of an alarm (API reference, PutMetricAlarm).

use serde_json::Value;

use crate::wire::tree::{items, text, texts};
use crate::world::AwsError;

/// Most actions for one state.
const ACTIONS: usize = 5;
/// Most dimensions of a metric.
const DIMENSIONS: usize = 30;
/// Most tags of an alarm.
const TAGS: usize = 50;
/// A day, which all periods of an evaluation may take together, unless one takes an hour or more.
const DAY: u64 = 86_400;

const OPERATORS: [&str; 4] =
    ["GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"];
const STATISTICS: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];
const MISSING_DATA: [&str; 4] = ["breaching", "notBreaching", "ignore", "missing"];

pub(super) fn invalid(message: &str) -> AwsError {
    AwsError::new("ValidationError", message)
}

/// An alarm on one metric.
pub(super) fn alarm(params: &Value) -> Result<(), AwsError> {
    let name = text(params, "AlarmName").unwrap_or_default();
    if !(1..=255).contains(&name.chars().count()) || name.chars().any(|c| c.is_ascii_control()) {
        return Err(invalid("AlarmName must have 1 to 255 characters, and no control characters"));
    }
    if text(params, "AlarmDescription").is_some_and(|text| text.chars().count() > 1024) {
        return Err(invalid("AlarmDescription must have at most 1024 characters"));
    }
    for key in ["MetricName", "Namespace"] {
        if text(params, key).is_none_or(str::is_empty) {
            return Err(invalid("MetricName and Namespace are needed for an alarm on one metric"));
        }
    }
    let one_of = |key: &str, words: &[&str]| text(params, key).is_some_and(|word| words.contains(&word));
    if !one_of("ComparisonOperator", &OPERATORS) {
        return Err(invalid("ComparisonOperator is needed, and is one of a few words"));
    }
    if !one_of("Statistic", &STATISTICS) {
        return Err(invalid("Statistic is needed for an alarm on one metric, and is one of a few words"));
    }
    if text(params, "TreatMissingData").is_some() && !one_of("TreatMissingData", &MISSING_DATA) {
        return Err(invalid("TreatMissingData must be breaching, notBreaching, ignore or missing"));
    }
    if !params["Threshold"].is_number() {
        return Err(invalid("Threshold is needed for an alarm on one metric"));
    }
    periods(params)?;
    for key in ["AlarmActions", "OKActions", "InsufficientDataActions"] {
        let is_wrong = |action: &str| !action.starts_with("arn:") || action.len() > 1024;
        if items(params, key).len() > ACTIONS || texts(params, key).any(is_wrong) {
            return Err(invalid("there may be up to 5 actions for a state, each an ARN of at most 1024 characters"));
        }
    }
    let dimensions = items(params, "Dimensions");
    let is_wrong =
        |dimension: &Value| ["Name", "Value"].iter().any(|key| text(dimension, key).is_none_or(str::is_empty));
    if dimensions.len() > DIMENSIONS || dimensions.iter().any(is_wrong) {
        return Err(invalid("there may be up to 30 dimensions, each with a name and a value"));
    }
    let keys: Vec<String> = super::tags(params).into_keys().collect();
    tags(keys.iter())
}

fn periods(params: &Value) -> Result<(), AwsError> {
    let number = |key: &str| params[key].as_u64().filter(|number| *number > 0);
    let period = number("Period").filter(|period| matches!(period, 10 | 20 | 30) || period % 60 == 0);
    let Some(period) = period else {
        return Err(invalid("Period must be 10, 20, 30 or a multiple of 60"));
    };
    let Some(periods) = number("EvaluationPeriods") else {
        return Err(invalid("EvaluationPeriods must be 1 or more"));
    };
    let longest = if period < 3600 { DAY } else { 7 * DAY };
    if period * periods > longest {
        return Err(invalid("Metrics cannot be checked across more than a day, or a week with periods of an hour"));
    }
    let counted = &params["DatapointsToAlarm"];
    if !counted.is_null() && number("DatapointsToAlarm").is_none_or(|counted| counted > periods) {
        return Err(invalid("DatapointsToAlarm must be between 1 and EvaluationPeriods"));
    }
    Ok(())
}

/// All tags that an alarm would have.
pub(super) fn tags<'k>(keys: impl Iterator<Item = &'k String>) -> Result<(), AwsError> {
    let keys: std::collections::BTreeSet<&String> = keys.collect();
    if keys.len() > TAGS
        || keys.iter().any(|key| key.is_empty() || key.chars().count() > 128 || key.starts_with("aws:"))
    {
        return Err(invalid(
            "there may be up to 50 tags, with keys of 1 to 128 characters that do not begin with aws:",
        ));
    }
    Ok(())
}
