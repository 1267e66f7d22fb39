//! Maintenance and snapshot windows: pure.

/// Minutes of a week.
const WEEK: u32 = 7 * DAY;
/// Minutes of a day.
const DAY: u32 = 24 * 60;
/// Shortest window that AWS accepts, in minutes.
const SHORTEST: u32 = 60;

/// A span of minutes that may wrap around its period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    start: u32,
    length: u32,
}

impl Window {
    /// Reads `hh:mm-hh:mm`, the daily snapshot window.
    pub(crate) fn daily(text: &str) -> Option<Window> {
        let (start, end) = text.split_once('-')?;
        Window::between(time(start)?, time(end)?, DAY)
    }

    /// Reads `ddd:hh:mm-ddd:hh:mm`, the weekly maintenance window.
    pub(crate) fn weekly(text: &str) -> Option<Window> {
        let (start, end) = text.split_once('-')?;
        Window::between(day_time(start)?, day_time(end)?, WEEK)
    }

    fn between(start: u32, end: u32, period: u32) -> Option<Window> {
        let length = (end + period - start) % period;
        (length >= SHORTEST).then_some(Window { start, length })
    }

    /// Whether this daily window and a weekly one share a moment on any day.
    pub(crate) fn overlaps_weekly(self, weekly: Window) -> bool {
        (0..7).any(|day| {
            let start = day * DAY + self.start;
            let ahead = (weekly.start + WEEK - start) % WEEK;
            let behind = (start + WEEK - weekly.start) % WEEK;
            ahead < self.length || behind < weekly.length
        })
    }
}

/// Whether a snapshot window and a maintenance window share a moment; what cannot be read does not.
pub(crate) fn overlap(snapshot: &str, maintenance: &str) -> bool {
    let windows = Window::daily(snapshot).zip(Window::weekly(maintenance));
    windows.is_some_and(|(daily, weekly)| daily.overlaps_weekly(weekly))
}

fn time(text: &str) -> Option<u32> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |part: &str| (part.len() == 2).then(|| part.parse::<u32>().ok()).flatten();
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
}

fn day_time(text: &str) -> Option<u32> {
    let (day, rest) = text.split_once(':')?;
    let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].iter().position(|d| d.eq_ignore_ascii_case(day))?;
    Some(u32::try_from(day).ok()? * DAY + time(rest)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_at_least_an_hour_and_may_wrap() {
        assert!(Window::daily("23:30-00:30").is_some());
        assert!(Window::daily("02:00-02:59").is_none());
        assert!(Window::daily("2:00-3:00").is_none());
        assert!(Window::daily("24:00-01:00").is_none());
        assert!(Window::weekly("sun:23:30-mon:01:00").is_some());
        assert!(Window::weekly("funday:01:00-mon:02:00").is_none());
    }

    #[test]
    fn a_daily_window_overlaps_a_weekly_one_on_its_day_only_in_time() {
        let daily = |text| Window::daily(text).unwrap();
        let weekly = |text| Window::weekly(text).unwrap();
        assert!(daily("03:00-05:00").overlaps_weekly(weekly("sun:04:00-sun:06:00")));
        assert!(!daily("03:00-05:00").overlaps_weekly(weekly("sun:05:00-sun:06:00")));
        assert!(daily("23:30-00:30").overlaps_weekly(weekly("mon:00:00-mon:01:00")));
    }
}
