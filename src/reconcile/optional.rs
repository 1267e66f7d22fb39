//! Look-ups that a request can do without: most check or explain; what CloudFormation is asked decides only where it answers.
//! Calls nothing itself.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// None came within this time.
    Late(Duration),
    /// The look-up failed unexpectedly; the panic hook has logged where.
    Panicked,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoAnswer::Late(longest) => write!(f, "no answer within {} s", longest.as_secs()),
            NoAnswer::Panicked => f.write_str("a panic; please report it"),
        }
    }
}

/// The answer of `look`, unless it takes longer than that or panics: neither costs the request anything.
pub async fn optional<T>(longest: Duration, look: impl Future<Output = T>) -> Result<T, NoAnswer> {
    match timeout(longest, Box::pin(AssertUnwindSafe(look).catch_unwind())).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(NoAnswer::Panicked),
        Err(_) => Err(NoAnswer::Late(longest)),
    }
}
