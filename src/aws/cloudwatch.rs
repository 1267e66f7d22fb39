//! CloudWatch: the alarms on the nodes. Calls AWS.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, Statistic, Tag};

use super::client::Aws;
use super::fault::Fault;
use crate::domain::alarm::{Alarm, NAMESPACE};
use crate::domain::decimal::Decimal;
use crate::domain::tags::Tags;

/// The most on one page.
const PAGE: i32 = 100;

impl Aws {
    /// The alarms whose names begin like this, by name.
    pub(crate) async fn alarms(&self, prefix: &str) -> Result<BTreeMap<String, Alarm>, Fault> {
        let call = self.cloudwatch.describe_alarms().alarm_name_prefix(prefix).max_records(PAGE);
        let mut pages = call.into_paginator().send();
        let mut alarms = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| Fault::new("cloudwatch:DescribeAlarms", prefix, &e))?;
            alarms.extend(page.metric_alarms().iter().map(|alarm| {
                let alarm = described(alarm);
                (alarm.name.clone(), alarm)
            }));
        }
        Ok(alarms)
    }

    /// Makes an alarm, or makes one that is there what it should be; AWS gives tags to new ones only.
    pub(crate) async fn put_alarm(&self, alarm: &Alarm, tags: &Tags) -> Result<(), Fault> {
        // Every field is named here, so that a new one cannot be forgotten.
        let Alarm {
            name,
            description,
            metric,
            dimensions,
            statistic,
            period,
            periods,
            datapoints,
            threshold,
            operator,
            missing_data,
            actions,
            ok_actions,
        } = alarm;
        let dimensions = dimensions.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build());
        let tags = tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build());
        let some = |actions: &[String]| (!actions.is_empty()).then(|| actions.to_vec());
        let call = self.cloudwatch.put_metric_alarm().alarm_name(name).alarm_description(description);
        let call = call.namespace(NAMESPACE).metric_name(metric).set_dimensions(Some(dimensions.collect()));
        let call = call.statistic(Statistic::from(statistic.as_str())).period(*period).evaluation_periods(*periods);
        let call = call.set_datapoints_to_alarm(*datapoints).threshold(threshold.get());
        let call = call.comparison_operator(ComparisonOperator::from(operator.as_str()));
        let call = call.treat_missing_data(missing_data).set_tags(Some(tags.collect()));
        let call = call.set_alarm_actions(some(actions)).set_ok_actions(some(ok_actions));
        call.send().await.map(drop).map_err(|e| Fault::new("cloudwatch:PutMetricAlarm", name, &e))
    }

    /// Deletes alarms, a hundred at most.
    pub(crate) async fn delete_alarms(&self, names: &BTreeSet<String>) -> Result<(), Fault> {
        let result =
            self.cloudwatch.delete_alarms().set_alarm_names(Some(names.iter().cloned().collect())).send().await;
        let on = names.first().map(String::as_str).unwrap_or_default();
        result.map(drop).map_err(|e| Fault::new("cloudwatch:DeleteAlarms", on, &e))
    }
}

/// What is not there is of no alarm of ours, and compares as different.
fn described(alarm: &MetricAlarm) -> Alarm {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let pair = |dimension: &Dimension| Some((dimension.name()?.to_owned(), dimension.value()?.to_owned()));
    Alarm {
        name: text(alarm.alarm_name()),
        description: text(alarm.alarm_description()),
        metric: text(alarm.metric_name().filter(|_| alarm.namespace() == Some(NAMESPACE))),
        dimensions: alarm.dimensions().iter().filter_map(pair).collect(),
        statistic: text(alarm.statistic().map(Statistic::as_str)),
        period: alarm.period().unwrap_or_default(),
        periods: alarm.evaluation_periods().unwrap_or_default(),
        datapoints: alarm.datapoints_to_alarm().filter(|counted| Some(*counted) != alarm.evaluation_periods()),
        threshold: alarm.threshold().and_then(Decimal::new).unwrap_or_default(),
        operator: text(alarm.comparison_operator().map(ComparisonOperator::as_str)),
        missing_data: alarm.treat_missing_data().unwrap_or("missing").to_owned(),
        actions: alarm.alarm_actions().to_vec(),
        ok_actions: alarm.ok_actions().to_vec(),
    }
}
