//! When the next rotation is due.

use std::time::Duration;

use serde_json::Value;

use crate::clock::{Time, civil_from_days};
use crate::wire::tree::text;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Hours that are searched for one that a cron expression means: two years.
const HOURS_AHEAD: u64 = 2 * 366 * 24;
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The moment on or before which the next rotation happens after one at `from`; none of rules that say nothing of it.
pub(super) fn next(rules: &Value, from: Time) -> Option<Time> {
    if let Some(days) = rules["AutomaticallyAfterDays"].as_u64().filter(|days| *days > 0) {
        // The window of a schedule in days is the whole day, in UTC (guide, "Rotation schedules").
        let day = from.epoch_millis() / DAY_MS + days;
        return Some(at((day + 1) * DAY_MS - 1000, from));
    }
    let expression = text(rules, "ScheduleExpression")?.trim();
    let inside = |name: &str| expression.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    if let Some(rate) = inside("rate") {
        let (count, unit) = rate.trim().split_once(' ')?;
        let unit = match unit.trim() {
            "hour" | "hours" => HOUR_MS,
            "day" | "days" => DAY_MS,
            _ => return None,
        };
        return Some(from + Duration::from_millis(count.parse::<u64>().ok()?.checked_mul(unit)?));
    }
    let fields: Vec<&str> = inside("cron")?.split_whitespace().collect();
    let cron = Cron::read(&fields)?;
    let first = from.epoch_millis() / HOUR_MS + 1;
    (first..first + HOURS_AHEAD).find(|hour| cron.means(*hour)).map(|hour| at(hour * HOUR_MS, from))
}

/// A moment after `from`.
fn at(ms: u64, from: Time) -> Time {
    from + Duration::from_millis(ms.saturating_sub(from.epoch_millis()))
}

/// `cron(0 hours day-of-month month day-of-week year)`. Secrets Manager opens its windows on the hour.
struct Cron<'a> {
    hours: &'a str,
    days: &'a str,
    months: &'a str,
    weekdays: &'a str,
    years: &'a str,
}

impl<'a> Cron<'a> {
    fn read(fields: &[&'a str]) -> Option<Cron<'a>> {
        match fields {
            ["0", hours, days, months, weekdays, years] => Some(Cron { hours, days, months, weekdays, years }),
            _ => None,
        }
    }

    /// Whether it means this hour, counted from the epoch.
    fn means(&self, hour: u64) -> bool {
        let day_number = hour / 24;
        let (year, month, day) = civil_from_days(day_number);
        // The epoch was a Thursday; Sunday is 1.
        let weekday = (day_number + 4) % 7 + 1;
        let is_last = civil_from_days(day_number + 1).1 != month;
        let nth_weekday = format!("{weekday}#{}", (day - 1) / 7 + 1);
        holds(self.hours, hour % 24, 0, &[])
            && holds(self.months, month, 1, &MONTHS)
            && holds(self.years, year, 1970, &[])
            && (holds(self.days, day, 1, &[]) || (self.days == "L" && is_last))
            && (holds(self.weekdays, weekday, 1, &WEEKDAYS) || self.weekdays == nth_weekday)
    }
}

/// Whether a field holds a value: `*`, `?`, numbers and names, alone or in lists, ranges, and steps.
fn holds(field: &str, value: u64, lowest: u64, names: &[&str]) -> bool {
    let number = |text: &str| {
        let position = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        position.and_then(|position| u64::try_from(position).ok()).map(|n| n + lowest).or_else(|| text.parse().ok())
    };
    field.split(',').any(|part| {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok()),
            None => (part, None),
        };
        let (low, high) = match range.split_once('-') {
            _ if ["", "*", "?"].contains(&range) && !part.is_empty() => (Some(lowest), None),
            Some((low, high)) => (number(low), number(high)),
            // A step from a number goes on to the end.
            None => (number(range), number(range).filter(|_| step.is_none())),
        };
        let step: u64 = step.unwrap_or(1).max(1);
        low.is_some_and(|low| value >= low && (value - low).is_multiple_of(step))
            && high.is_none_or(|high| value <= high)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The start is Sunday, the first of November 2026, at midnight.
    fn after(hours: u64, rules: &Value) -> Option<String> {
        next(rules, Time::START + Duration::from_hours(hours)).map(Time::iso8601)
    }

    #[test]
    fn the_next_rotation_follows_from_the_rules() {
        for (rules, hours, due) in [
            (json!({"AutomaticallyAfterDays": 30}), 5, "2026-12-01T23:59:59.000Z"),
            (json!({"ScheduleExpression": "rate(4 hours)"}), 5, "2026-11-01T09:00:00.000Z"),
            (json!({"ScheduleExpression": "rate(1 day)"}), 5, "2026-11-02T05:00:00.000Z"),
            (json!({"ScheduleExpression": "cron(0 2 1 * ? *)"}), 5, "2026-12-01T02:00:00.000Z"),
            (json!({"ScheduleExpression": "cron(0 8 ? * MON-FRI *)"}), 5, "2026-11-02T08:00:00.000Z"),
            (json!({"ScheduleExpression": "cron(0 16 ? * SUN *)"}), 17, "2026-11-08T16:00:00.000Z"),
            (json!({"ScheduleExpression": "cron(0 /8 * * ? *)"}), 9, "2026-11-01T16:00:00.000Z"),
            (json!({"ScheduleExpression": "cron(0 0 L * ? *)"}), 5, "2026-11-30T00:00:00.000Z"),
            (json!({"ScheduleExpression": "cron(0 10 ? 3,9 2#3 *)"}), 5, "2027-03-15T10:00:00.000Z"),
        ] {
            assert_eq!(after(hours, &rules).as_deref(), Some(due), "{rules}");
        }
        for says_nothing in [json!(null), json!({}), json!({"ScheduleExpression": "cron(every day)"})] {
            assert_eq!(after(0, &says_nothing), None, "{says_nothing}");
        }
    }
}
