//! Simulated time: tokio's clock (virtual when a test pauses it), times a speed.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment of simulated time, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

/// 2026-11-01T00:00:00Z. A fixed start keeps runs in virtual time identical.
const START_MS: u64 = 1_793_491_200_000;

impl Time {
    /// The moment every local AWS starts at.
    pub const START: Time = Time(START_MS);

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn epoch_millis(self) -> u64 {
        self.0
    }

    /// Seconds since the Unix epoch, with a fraction, as the JSON protocols send timestamps.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of this century fit in 52 bits")]
    pub fn epoch_seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// How long after `earlier` this moment is; zero when it is not later.
    #[must_use]
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// `2026-11-01T00:00:00.000Z`, as the query protocols send timestamps.
    #[must_use]
    pub fn iso8601(self) -> String {
        let (days, ms_of_day) = (self.0 / 86_400_000, self.0 % 86_400_000);
        let (year, month, day) = civil_from_days(days);
        let (s, ms) = (ms_of_day / 1000, ms_of_day % 1000);
        format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z", s / 3600, s / 60 % 60, s % 60)
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, d: Duration) -> Time {
        Time(self.0 + u64::try_from(d.as_millis()).unwrap_or(u64::MAX / 4))
    }
}

impl Sub for Time {
    type Output = Duration;
    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

/// Days since the epoch to a date, by the usual shift to a year that starts in March.
pub(crate) fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    (yoe + era * 400 + u64::from(month <= 2), month, day)
}

/// The clock of one local AWS.
#[derive(Clone, Debug)]
pub struct Clock {
    started: tokio::time::Instant,
    speed: f64,
}

impl Clock {
    /// A clock that starts now at [`Time::START`] and runs `speed` times as fast as tokio's.
    #[must_use]
    pub fn new(speed: f64) -> Clock {
        Clock { started: tokio::time::Instant::now(), speed }
    }

    /// The simulated moment.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::START + self.started.elapsed().mul_f64(self.speed)
    }

    /// Waits for a span of simulated time.
    pub async fn sleep(&self, simulated: Duration) {
        tokio::time::sleep(simulated.div_f64(self.speed)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_prints_as_its_utc_date() {
        assert_eq!(Time::START.iso8601(), "2026-11-01T00:00:00.000Z");
        let leap = Time(1_709_208_000_000);
        assert_eq!(leap.iso8601(), "2024-02-29T12:00:00.000Z");
    }
}
