//! Waiting: deadline and pauses. Calls AWS, one look at a time.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, info};

use super::plan::Awaited;
use crate::aws::{Aws, Class, Fault};
use crate::error::Error;
use crate::observed::{Lookup, Status};

/// When a request must have been answered.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// When work on the request began.
    pub started: Instant,
    /// When the answer must be on its way.
    pub answer_by: Instant,
    /// When the invocation must hand the work on.
    pub hand_over_at: Instant,
}

/// Pause before the first look.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The pause before look number `look`, growing to `longest`; `jitter` between 0 and 1 takes away up to a fifth, so that
/// many functions do not look in step.
#[must_use]
pub fn pause(look: u32, longest: Duration, jitter: f64) -> Duration {
    let grown = FIRST_PAUSE.mul_f64(1.5_f64.powi(i32::try_from(look.min(20)).unwrap_or(20)));
    grown.min(longest).mul_f64(1.0 - 0.2 * jitter.clamp(0.0, 1.0))
}

/// Waits and looks for one request.
#[derive(Debug)]
pub struct Waiter<'a> {
    /// Where to look.
    pub aws: &'a Aws,
    /// Longest pause between two looks.
    pub poll_interval: Duration,
    /// Until when.
    pub deadline: Deadline,
}

impl Waiter<'_> {
    /// Sleeps before look number `look`, or fails when there is no time for it.
    pub(super) async fn pause(&self, look: u32, waiting_for: &str, last: &str, done: &[String]) -> Result<(), Error> {
        let pause = pause(look, self.poll_interval, fastrand::f64());
        if Instant::now() + pause >= self.deadline.answer_by {
            return Err(Error::TimedOut {
                waiting_for: waiting_for.to_owned(),
                last: last.to_owned(),
                elapsed: self.deadline.started.elapsed(),
                done: done.to_vec(),
            });
        }
        if Instant::now() + pause >= self.deadline.hand_over_at {
            return Err(Error::HandOver);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// Repeats one look-up until AWS answers it.
    pub(super) async fn persist<T, F>(&self, call: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Fault>>,
    {
        let mut look = 0;
        loop {
            match call().await {
                Err(fault) if matches!(fault.class, Class::Throttled | Class::Unavailable) => {
                    debug!(%fault, "looking again");
                    self.pause(look, &format!("an answer to {}", fault.action), &fault.to_string(), &[]).await?;
                    look += 1;
                }
                result => return result.map_err(Error::from),
            }
        }
    }

    /// Looks until what is awaited has happened. Every change of what is seen is a log line.
    pub(super) async fn until(&self, awaited: &Awaited, group: &str, done: &[String]) -> Result<(), Error> {
        let waiting_for = awaited.to_string();
        let mut last = String::new();
        for look in 0.. {
            self.pause(look, &waiting_for, &last, done).await?;
            let (over, seen) = match self.look(awaited, group).await {
                Ok(result) => result,
                Err(fault) if matches!(fault.class, Class::Throttled | Class::Unavailable) => {
                    (false, fault.to_string())
                }
                Err(fault) => return Err(fault.into()),
            };
            if seen != last {
                let seconds = self.deadline.started.elapsed().as_secs();
                info!(group, seen, elapsed_seconds = seconds, "waiting for {waiting_for}");
                last = seen;
            }
            if over {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One call: whether the wait is over, and what was seen.
    async fn look(&self, awaited: &Awaited, group: &str) -> Result<(bool, String), Fault> {
        if let Awaited::MemberAvailable(id) = awaited {
            let member = self.aws.member(id).await?;
            let over = member.as_ref().is_none_or(|member| member.status == Status::Available);
            return Ok((over, member.map_or("gone".to_owned(), |member| member.status.to_string())));
        }
        if let Awaited::SnapshotAvailable(name) = awaited {
            let status = match self.aws.snapshot(name).await? {
                Lookup::Found(snapshot) => snapshot.status,
                // The next look at everything decides what that means.
                Lookup::Missing | Lookup::NotDone => return Ok((true, "not there".to_owned())),
            };
            return Ok((status == "available", status));
        }
        let group = self.aws.group(group).await?;
        Ok((awaited.is_over(group.as_ref()), group.map_or("not there".to_owned(), |group| group.progress())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_never_beyond() {
        let longest = Duration::from_secs(5);
        let pauses: Vec<Duration> = (0..12).map(|look| pause(look, longest, 0.0)).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!((pauses[0], pauses[11]), (FIRST_PAUSE, longest));
        assert!(pause(11, longest, 1.0) >= longest.mul_f64(0.79));
        assert!(pause(u32::MAX, longest, 0.5) <= longest);
    }
}
