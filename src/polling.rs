//! When to poll for something that AWS works on: pure.
//!
//! A poll costs a call, and all functions of an account share the calls that AWS takes. So a wait has a budget, six calls
//! for each minute that it has lasted, and spends it where the end is likely:
//!
//! | How long AWS has worked on it | Pause |
//! | --- | --- |
//! | too short a time for it to be over | grows to 25 s: long enough to save calls, short enough to see a failure |
//! | about as long as usual | what was saved is spent, the more of it the nearer the usual time is, down to a second |
//! | longer | as the budget allows, a poll in ten seconds |
//!
//! Nobody can tell the end of a wait from outside, and six calls a minute are not enough to ask all the time: of a change that
//! takes five to eleven minutes a minute or so around the usual time is polled densely, and elsewhere the end is seen up to
//! ten seconds late. The table in `docs/architecture.md` has the figures.

use std::time::Duration;

/// Calls that a wait may cost for each second that it has lasted.
const CALLS_PER_SECOND: f64 = 0.1;

/// So many it may cost from the beginning: those of its first minute.
const FIRST_CALLS: f64 = 6.0;

/// Pause, in seconds, while it is too early.
const EARLY_PAUSE: f64 = 25.0;

/// The part of the least time that is too early.
const EARLY: f64 = 0.9;

/// The shortest pause, in seconds.
const SHORTEST: f64 = 1.0;

/// The first pause, in seconds: much is done in moments.
const FIRST: f64 = 2.0;

/// Within so many seconds of the usual time the end is most likely.
const AROUND: f64 = 20.0;

/// How much less likely it is further away: what was saved would last for so many times the distance.
const AWAY: f64 = 6.0;

/// How long AWS is expected to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// On a good day.
    pub(crate) least: Duration,
    /// Most often.
    pub(crate) usual: Duration,
}

impl Expected {
    /// As long as it took before, give or take a few parts in a hundred.
    pub(crate) fn again(took: Duration) -> Expected {
        Expected { least: took, usual: took }
    }

    /// The pause before the next call, when AWS has worked for `elapsed` and `calls` were made while waiting for that.
    /// `chance`, between 0 and 1, makes it up to a tenth longer or shorter, so that many functions do not poll in step.
    pub(crate) fn pause(&self, elapsed: Duration, calls: u32, chance: f64) -> Duration {
        let (now, calls) = (elapsed.as_secs_f64(), f64::from(calls));
        let too_early = self.least.as_secs_f64() * EARLY;
        let wanted = if now < too_early {
            EARLY_PAUSE.min((too_early - now).max(FIRST))
        } else {
            // The last one is kept: what is saved is never all spent.
            let saved = (CALLS_PER_SECOND * now).max(FIRST_CALLS) - calls - 1.0;
            let distance = (now - self.usual.as_secs_f64()).abs();
            let lasts = (AWAY * distance).max(AROUND);
            1.0 / (CALLS_PER_SECOND + saved.max(0.0) / lasts)
        };
        let growing = (2.0 * now).max(FIRST);
        let wanted = wanted.max(SHORTEST).min(growing) * (1.1 - 0.2 * chance.clamp(0.0, 1.0));
        // When those before are paid for.
        let paid = if calls < FIRST_CALLS { 0.0 } else { calls / CALLS_PER_SECOND };
        Duration::from_secs_f64(wanted.max(paid - now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    /// When such a wait polls, in seconds.
    fn polls(expected: Expected, until: Duration, chance: f64) -> Vec<f64> {
        let mut polls = Vec::new();
        let mut now = Duration::ZERO;
        while now < until {
            now += expected.pause(now, u32::try_from(polls.len()).unwrap(), chance);
            polls.push(now.as_secs_f64());
        }
        polls
    }

    fn waits() -> impl Iterator<Item = Expected> {
        [(0, 0), (0, 1), (2, 4), (5, 6), (8, 10), (11, 12), (10, 15), (60, 60)]
            .into_iter()
            .map(|(least, usual)| Expected { least: MINUTE * least, usual: MINUTE * usual })
    }

    #[test]
    fn no_wait_costs_more_than_six_calls_a_minute() {
        for expected in waits() {
            for chance in [0.0, 0.5, 1.0] {
                for (index, poll) in (0_u32..).zip(polls(expected, MINUTE * 60, chance)).skip(6) {
                    let paid = poll * CALLS_PER_SECOND + 1e-6;
                    assert!(f64::from(index) <= paid, "{expected:?}: call {index} at {poll} s");
                }
            }
        }
    }

    #[test]
    fn no_failure_stays_unseen_for_half_a_minute() {
        for expected in waits() {
            let polls = polls(expected, MINUTE * 60, 0.0);
            assert!(polls.windows(2).all(|pair| pair[1] - pair[0] < 30.0), "{expected:?}: {polls:?}");
        }
    }

    /// What ends about when it usually does is seen within seconds.
    #[test]
    fn the_usual_end_is_seen_soon() {
        for expected in waits().filter(|expected| expected.usual >= MINUTE * 6) {
            for chance in [0.0, 0.5, 1.0] {
                let polls = polls(expected, MINUTE * 70, chance);
                let usual = expected.usual.as_secs_f64();
                let mut delays: Vec<f64> = (-10..=10)
                    .map(|offset| usual + f64::from(offset))
                    .map(|end| polls.iter().find(|poll| **poll >= end).unwrap() - end)
                    .collect();
                delays.sort_by(f64::total_cmp);
                assert!(delays[10] < 2.0 && delays[20] < 6.0, "{expected:?}: {delays:?}");
            }
        }
    }
}
