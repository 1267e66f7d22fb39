//! Pauses between tries that grow: pure. Every loop that tries again takes them from here, with numbers of its own.

use std::time::Duration;

/// How long to pause between tries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Backoff {
    /// The first pause.
    pub(crate) first: Duration,
    /// What each further one is multiplied by.
    pub(crate) factor: f64,
    /// The longest, to which they grow.
    pub(crate) longest: Duration,
    /// The part of a pause that chance may take away, so that many functions do not try in step.
    pub(crate) jitter: f64,
}

/// From there on the pauses grow no more: whatever the factor, they are longer than every longest one.
const MOST_GROWTH: u32 = 64;

impl Backoff {
    /// The pause after so many others; `chance` is between 0 and 1.
    #[must_use]
    pub(crate) fn pause(&self, before: u32, chance: f64) -> Duration {
        let growth = self.factor.powi(i32::try_from(before.min(MOST_GROWTH)).unwrap_or_default());
        let grown = (self.first.as_secs_f64() * growth).min(self.longest.as_secs_f64());
        Duration::from_secs_f64(grown).mul_f64(1.0 - self.jitter * chance.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_never_beyond() {
        let first = Duration::from_millis(500);
        for (factor, longest) in [(1.5, 5), (2.0, 3600), (1.0, 1)] {
            let backoff = Backoff { first, factor, longest: Duration::from_secs(longest), jitter: 0.2 };
            let pauses: Vec<Duration> = (0..20).map(|before| backoff.pause(before, 0.0)).collect();
            assert!(pauses.is_sorted() && pauses[19] <= backoff.longest, "{pauses:?}");
            assert_eq!(pauses[0], first);
            assert!(
                factor > 1.0 && pauses[19] == backoff.longest || factor <= 1.0 && pauses[19] == first,
                "{pauses:?}"
            );
            for before in [0, 7, u32::MAX] {
                let (all, least) = (backoff.pause(before, 0.0), backoff.pause(before, 1.0));
                assert!(least < all && least >= all.mul_f64(0.79), "{least:?} {all:?}");
            }
        }
        let less = Backoff { first, factor: 2.0, longest: Duration::from_millis(50), jitter: 0.0 };
        assert_eq!(less.pause(0, 0.5), less.longest);
    }
}
