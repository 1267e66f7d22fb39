//! Faults on the nth call of an operation.

use std::time::Duration;

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
    /// The connection breaks before the call takes effect.
    CutBefore,
    /// The call takes effect, then the connection breaks before the answer.
    CutAfter,
    /// The answer takes this much simulated time longer.
    Slow(Duration),
}

/// One planned fault.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Operation name, or `*` for every operation.
    pub action: String,
    /// Which matching call, counted from 1 after the fault was added.
    pub nth: usize,
    /// How many matching calls in a row from there.
    pub times: usize,
    /// What happens.
    pub kind: Kind,
}

impl Fault {
    /// `kind` on the nth call of `action`.
    pub fn on(action: impl Into<String>, nth: usize, kind: Kind) -> Fault {
        Fault { action: action.into(), nth, times: 1, kind }
    }

    /// The same on `times` calls in a row.
    #[must_use]
    pub fn times(mut self, times: usize) -> Fault {
        self.times = times;
        self
    }
}
