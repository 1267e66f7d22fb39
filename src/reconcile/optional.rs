//! Lookups that a request can do without: most check or explain; what CloudFormation is asked decides only where it answers.
//! Calls nothing itself.

use std::fmt::Display;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::timeout;

/// The answer of `call`, or why there is none. Neither a failure of it costs the request anything, nor that it takes longer
/// than that, nor a panic, of which the hook has logged the place.
pub async fn optional<T, E: Display>(longest: Duration, poll: impl Future<Output = Result<T, E>>) -> Result<T, String> {
    match timeout(longest, Box::pin(AssertUnwindSafe(poll).catch_unwind())).await {
        Ok(Ok(answer)) => answer.map_err(|why| why.to_string()),
        Ok(Err(_)) => Err("a panic; please report it".to_owned()),
        Err(_) => Err(format!("no answer within {} s", longest.as_secs())),
    }
}
