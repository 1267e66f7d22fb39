//! Events: what happened, for people who look later.

use std::time::Duration;

use serde_json::{Value, json};

use super::ElastiCache;
use super::input::Input;
use super::output::page;
use super::refusals::{invalid_combination, invalid_value};
use crate::clock::Time;
use crate::world::{Answer, Call, World};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Time,
    /// `replication-group`, `cache-cluster`, ...
    pub source_type: String,
    /// Id of the source.
    pub source: String,
    /// Text.
    pub message: String,
}

/// Minutes in the 14 days that events are kept.
const KEPT_MINUTES: u32 = 14 * 24 * 60;

impl ElastiCache {
    /// Records an event.
    pub fn add_event(&mut self, at: Time, source_type: &str, source: &str, message: impl Into<String>) {
        let message = message.into();
        self.events.push(Event { at, source_type: source_type.to_owned(), source: source.to_owned(), message });
    }
}

pub(super) fn describe(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let source = input.text("SourceIdentifier");
    let source_type = input.text("SourceType");
    if source.is_some() && source_type.is_none() {
        return Err(invalid_combination("SourceType must be given with SourceIdentifier."));
    }
    let minutes = input.number("Duration")?.unwrap_or(60);
    if minutes > KEPT_MINUTES {
        return Err(invalid_value("Events are kept for 14 days."));
    }
    let span = Duration::from_secs(u64::from(minutes) * 60);
    let start = input.text("StartTime");
    let in_time = |event: &Event| {
        let date = event.at.iso8601();
        match start {
            // Fixed-width UTC dates compare as texts.
            Some(start) => comparable(start) <= comparable(&date),
            None => call.now.since(event.at) <= span,
        }
    };
    let before_end =
        |event: &Event| input.text("EndTime").is_none_or(|end| comparable(&event.at.iso8601()) <= comparable(end));
    let events: Vec<Value> = world
        .elasticache
        .events
        .iter()
        .rev()
        .filter(|event| source_type.is_none_or(|wanted| wanted == event.source_type))
        .filter(|event| source.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&event.source)))
        .filter(|event| in_time(event) && before_end(event))
        .map(|event| {
            json!({
                "SourceIdentifier": event.source,
                "SourceType": event.source_type,
                "Message": event.message,
                "Date": event.at.iso8601(),
            })
        })
        .collect();
    page(input, "Events", "Event", events, 100)
}

/// A date to the second, whatever precision it was sent with.
fn comparable(date: &str) -> &str {
    date.get(..19).unwrap_or(date)
}
