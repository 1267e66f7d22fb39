//! Maintenance and snapshot windows, in minutes of the week or day, UTC.

use std::time::Duration;

use super::refusals::invalid_value;
use crate::clock::Time;
use crate::world::AwsError;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY: u32 = 24 * 60;
const WEEK: u32 = 7 * DAY;

/// A span of minutes that may wrap around the end of its day or week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    start: u32,
    length: u32,
}

/// Checks a maintenance window (`ddd:hh24:mi-ddd:hh24:mi`) and returns it as it is stored, in lower case.
pub(super) fn maintenance(text: &str) -> Result<String, AwsError> {
    let stored = text.to_ascii_lowercase();
    match weekly(&stored) {
        Some(span) if span.length >= 60 => Ok(stored),
        _ => Err(invalid_value(format!(
            "Invalid maintenance window {text}. Use ddd:hh24:mi-ddd:hh24:mi with at least 60 minutes."
        ))),
    }
}

/// Checks a snapshot window (`hh24:mi-hh24:mi`).
pub(super) fn snapshot(text: &str) -> Result<String, AwsError> {
    match daily(text) {
        Some(span) if span.length >= 60 => Ok(text.to_owned()),
        _ => {
            Err(invalid_value(format!("Invalid snapshot window {text}. Use hh24:mi-hh24:mi with at least 60 minutes.")))
        }
    }
}

/// Refuses a snapshot window that meets the maintenance window on any day.
pub(super) fn check_apart(maintenance: &str, snapshot: &str) -> Result<(), AwsError> {
    if overlap(maintenance, snapshot) {
        return Err(invalid_value("The snapshot window and maintenance window must not overlap."));
    }
    Ok(())
}

/// The window that the service picks when none is given, apart from the other one.
pub(super) fn default_maintenance(snapshot: Option<&str>) -> String {
    pick(["sun:05:00-sun:06:00", "sun:11:00-sun:12:00"], |window| snapshot.is_some_and(|other| overlap(window, other)))
}

/// The same for the snapshot window.
pub(super) fn default_snapshot(maintenance: &str) -> String {
    pick(["03:00-04:00", "09:00-10:00"], |window| overlap(maintenance, window))
}

/// The next moment at or after `now` at which a maintenance window opens.
pub(super) fn next_opening(window: &str, now: Time) -> Time {
    let millis = |minutes: u32| u64::from(minutes) * 60_000;
    let start = millis(weekly(window).map_or(0, |span| span.start));
    // Day 0 of the epoch was a Thursday, the fourth day of a week that starts on Monday.
    let of_week = (now.epoch_millis() + millis(3 * DAY)) % millis(WEEK);
    now + Duration::from_millis((start + millis(WEEK) - of_week) % millis(WEEK))
}

fn pick<const N: usize>(candidates: [&str; N], taken: impl Fn(&str) -> bool) -> String {
    candidates.into_iter().find(|window| !taken(window)).unwrap_or(candidates[0]).to_owned()
}

fn overlap(maintenance: &str, snapshot: &str) -> bool {
    let (Some(week), Some(day)) = (weekly(maintenance), daily(snapshot)) else { return false };
    (0..7).any(|n| meet(week, Span { start: n * DAY + day.start, length: day.length }))
}

/// Whether two spans of the week share a minute.
fn meet(a: Span, b: Span) -> bool {
    let ahead = |from: u32, to: u32| (to + WEEK - from) % WEEK;
    ahead(a.start, b.start) < a.length || ahead(b.start, a.start) < b.length
}

fn weekly(text: &str) -> Option<Span> {
    let (from, to) = text.split_once('-')?;
    let point = |text: &str| {
        let (day, time) = text.split_once(':')?;
        let day = DAYS.iter().position(|name| *name == day)?;
        Some(u32::try_from(day).ok()? * DAY + minute_of_day(time)?)
    };
    let (start, end) = (point(from)?, point(to)?);
    Some(Span { start, length: (end + WEEK - start) % WEEK })
}

fn daily(text: &str) -> Option<Span> {
    let (from, to) = text.split_once('-')?;
    let (start, end) = (minute_of_day(from)?, minute_of_day(to)?);
    Some(Span { start, length: (end + DAY - start) % DAY })
}

fn minute_of_day(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    if hour.len() != 2 || minute.len() != 2 {
        return None;
    }
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_checked() {
        assert_eq!(maintenance("Sun:23:30-Mon:00:30").unwrap(), "sun:23:30-mon:00:30");
        for bad in ["sun:05:00-sun:05:59", "sunday:05:00-sun:07:00", "05:00-06:00", "sun:24:00-mon:02:00"] {
            assert!(maintenance(bad).is_err(), "{bad}");
        }
        assert!(snapshot("23:30-00:30").is_ok());
        assert!(snapshot("3:00-4:00").is_err());
        assert!(check_apart("sun:05:00-sun:06:00", "05:30-06:30").is_err());
        assert!(check_apart("sun:05:00-sun:06:00", "06:00-07:00").is_ok());
    }

    #[test]
    fn the_next_opening_is_in_the_coming_week() {
        // The start is a Sunday at midnight.
        let five_hours = Duration::from_hours(5);
        assert_eq!(next_opening("sun:05:00-sun:06:00", Time::START), Time::START + five_hours);
        let just_after = Time::START + five_hours + Duration::from_secs(1);
        assert_eq!(
            next_opening("sun:05:00-sun:06:00", just_after),
            Time::START + five_hours + Duration::from_hours(7 * 24)
        );
        assert_eq!(next_opening("mon:00:00-mon:01:00", Time::START), Time::START + Duration::from_hours(24));
    }
}
