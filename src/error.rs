//! Why a request failed, as the user is told: pure.

use std::fmt;
use std::time::Duration;

use crate::aws::Fault;
use crate::cfn::reason::Reason;
use crate::domain::problem::{self, Problem};

/// Why the account is not as the template says.
#[derive(Debug)]
pub enum Error {
    /// The desired state cannot be reached; nothing was done.
    Refused(Vec<Problem>),
    /// AWS refused one or more calls.
    Calls(Vec<Fault>),
    /// AWS gave up on making the group.
    CreateFailed {
        /// Replication group id.
        group: String,
        /// What its events say, newest first.
        events: Vec<String>,
    },
    /// AWS accepted a change, finished, and the change is not there.
    NotAchieved {
        /// The step that was taken.
        step: String,
        /// What the group's events say, newest first.
        events: Vec<String>,
    },
    /// Somebody deleted the group while it was worked on.
    DeletedMeanwhile {
        /// Replication group id.
        group: String,
    },
    /// A newer request is at work on the resource, or was. Never told to anybody.
    Superseded,
    /// The invocation is about to end, and the work must go on in the next one. Never told to anybody.
    HandOver,
    /// Time ran out.
    TimedOut {
        /// What was being waited for.
        waiting_for: String,
        /// What it looked like last.
        last: String,
        /// How long the request has been worked on.
        elapsed: Duration,
        /// The steps that were taken.
        done: Vec<String>,
    },
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Calls(faults) => faults.first().map(|fault| fault as &(dyn std::error::Error + 'static)),
            Error::Refused(_)
            | Error::CreateFailed { .. }
            | Error::NotAchieved { .. }
            | Error::DeletedMeanwhile { .. }
            | Error::Superseded
            | Error::HandOver
            | Error::TimedOut { .. } => None,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::Calls(vec![fault])
    }
}

/// Events that are worth repeating in a message.
const EVENTS_SHOWN: usize = 3;

impl Error {
    /// What the user is told, in parts.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Error::Refused(problems) => {
                let (head, items) = problem::listed(problems);
                Reason { head, items, separator: ". ", tail: "." }
            }
            Error::TimedOut { waiting_for, last, elapsed, done } => timed_out(waiting_for, last, *elapsed, done),
            Error::Calls(_)
            | Error::CreateFailed { .. }
            | Error::NotAchieved { .. }
            | Error::DeletedMeanwhile { .. }
            | Error::Superseded
            | Error::HandOver => Reason::from(self.to_string()),
        }
    }
}

fn timed_out(waiting_for: &str, last: &str, elapsed: Duration, done: &[String]) -> Reason {
    let (minutes, seconds) = (elapsed.as_secs() / 60, elapsed.as_secs() % 60);
    let last = if last.is_empty() { String::new() } else { format!(" (last seen: {last})") };
    let so_far = if done.is_empty() { "" } else { "; done so far: " };
    let head = format!("not finished after {minutes} min {seconds} s: waiting for {waiting_for}{last}{so_far}");
    Reason { head, items: done.to_vec(), separator: ", ", tail: "; deploy again to go on from there" }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(_) | Error::TimedOut { .. } => self.reason().fmt(f),
            Error::Calls(faults) => {
                let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&texts.join("; "))
            }
            Error::CreateFailed { group, events } => {
                write!(f, "creating replication group {group} failed: {}", Events(events))
            }
            Error::NotAchieved { step, events } => {
                write!(f, "AWS accepted \"{step}\" and did not do it: {}", Events(events))
            }
            Error::DeletedMeanwhile { group } => {
                write!(
                    f,
                    "replication group {group} was deleted while this request was worked on; it is not made again"
                )
            }
            Error::Superseded => f.write_str("a newer request took over"),
            Error::HandOver => f.write_str("the invocation ends before the work is done"),
        }
    }
}

struct Events<'a>(&'a [String]);

impl fmt::Display for Events<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("ElastiCache gives no reason in its events");
        }
        f.write_str(&self.0.iter().take(EVENTS_SHOWN).map(String::as_str).collect::<Vec<_>>().join(" / "))
    }
}
