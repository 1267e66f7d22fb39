//! Faults on the nth call of an operation.

use std::time::Duration;

use crate::clock::Time;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Refused with this error before it takes effect.
    Error {
        /// HTTP status.
        status: u16,
        /// Error code.
        code: String,
        /// Error text.
        message: String,
    },
    /// Refused for too many calls, with the code of the service.
    Throttled,
    /// Refused as if the policy did not allow it, with the code of the service.
    Denied,
    /// Refused as if it had been signed too long ago, with one of the codes of the service: the first time the first, then
    /// the next.
    SignedLate,
    /// The code of the function that makes the call panics; only in process.
    Panics,
    /// The connection breaks before the call takes effect.
    CutBefore,
    /// The call takes effect, then the connection breaks before the answer.
    CutAfter,
    /// The answer takes this much simulated time longer.
    Slow(Duration),
}

impl Kind {
    /// Refused with this code and status 400.
    pub fn error(code: impl Into<String>, message: impl Into<String>) -> Kind {
        Kind::Error { status: 400, code: code.into(), message: message.into() }
    }

    /// Refused for too many calls, with the code of the service.
    #[must_use]
    pub fn throttled() -> Kind {
        Kind::Throttled
    }

    /// A failure inside AWS.
    #[must_use]
    pub fn http_500() -> Kind {
        let message = "The request processing has failed because of an unknown error, exception or failure.";
        Kind::Error { status: 500, code: "InternalFailure".into(), message: message.into() }
    }
}

/// One planned fault. Faults meet the function only, never the administrator.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Operation name, alone or behind its service as in `ec2:CreateTags`; `*` for every operation of every API.
    pub action: String,
    /// Which matching call, counted from 1 after the fault was added.
    pub nth: usize,
    /// How many matching calls in a row from there.
    pub times: usize,
    /// How long it lasts from there, in simulated time, however many calls come.
    pub lasts: Option<Duration>,
    /// What happens.
    pub kind: Kind,
}

impl Fault {
    /// `kind` on the nth call of `action`.
    pub fn on(action: impl Into<String>, nth: usize, kind: Kind) -> Fault {
        Fault { action: action.into(), nth, times: 1, lasts: None, kind }
    }

    /// The same on `times` calls in a row.
    #[must_use]
    pub fn times(mut self, times: usize) -> Fault {
        self.times = times;
        self
    }

    /// The same on every call of a span of simulated time that begins with the nth.
    #[must_use]
    pub fn lasting(mut self, span: Duration) -> Fault {
        (self.times, self.lasts) = (usize::MAX, Some(span));
        self
    }

    fn concerns(&self, service: &str, action: &str) -> bool {
        match self.action.split_once(':') {
            Some((only, name)) => only == service && name == action,
            None => self.action == "*" || self.action == action,
        }
    }
}

/// Planned faults and what has come of them.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Planned>);

#[derive(Debug)]
struct Planned {
    fault: Fault,
    /// Calls that have come.
    seen: usize,
    /// When it first met a call.
    since: Option<Time>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(Planned { fault, seen: 0, since: None });
    }

    /// Counts one call and says what happens to it: when several faults meet, the one planned first.
    pub(crate) fn meet(&mut self, now: Time, service: &str, action: &str) -> Option<Met> {
        let mut met = None;
        for planned in self.0.iter_mut().filter(|planned| planned.fault.concerns(service, action)) {
            planned.seen += 1;
            let Planned { fault, seen, since } = planned;
            if met.is_none() && (fault.nth..fault.nth.saturating_add(fault.times)).contains(seen) {
                let first = *since.get_or_insert(now);
                if fault.lasts.is_none_or(|span| now.since(first) < span) {
                    met = Some(Met { kind: fault.kind.clone(), before: *seen - fault.nth });
                }
            }
        }
        met
    }
}

/// A fault that a call meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) kind: Kind,
    /// How many calls met it before.
    pub(crate) before: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meet(faults: &mut Faults, service: &str, action: &str) -> Option<Kind> {
        faults.meet(Time::START, service, action).map(|met| met.kind)
    }

    #[test]
    fn a_fault_hits_the_planned_calls_and_no_other() {
        let mut faults = Faults::default();
        faults.add(Fault::on("CreateTags", 2, Kind::throttled()).times(2));
        let hits: Vec<bool> = (0..5).map(|_| meet(&mut faults, "ec2", "CreateTags").is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert_eq!(meet(&mut faults, "ec2", "DeleteTags"), None);
    }

    #[test]
    fn a_fault_may_name_the_service_or_mean_every_api() {
        let mut faults = Faults::default();
        faults.add(Fault::on("ec2:DeleteTags", 1, Kind::CutBefore));
        faults.add(Fault::on("*", 4, Kind::CutAfter));
        assert_eq!(meet(&mut faults, "elasticache", "DeleteTags"), None);
        assert_eq!(meet(&mut faults, "ec2", "DeleteTags"), Some(Kind::CutBefore));
        assert_eq!(meet(&mut faults, "elasticache", "DescribeEvents"), None);
        assert_eq!(meet(&mut faults, "lambda", "Invoke"), Some(Kind::CutAfter));
    }
}
