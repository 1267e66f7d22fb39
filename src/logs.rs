//! JSON logs. Calls nothing.

use std::str::FromStr;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// What is logged at the level that `RUST_LOG` names: our own lines. Those of libraries never go below `warn` detail,
/// because at `debug` and `trace` they print whole requests, and those carry the token.
#[must_use]
pub fn levels(rust_log: Option<&str>) -> Targets {
    let own = rust_log.and_then(|text| Level::from_str(text.trim()).ok()).unwrap_or(Level::INFO);
    Targets::new().with_default(Level::WARN.min(own)).with_target("elasticache_resource", own)
}

/// Starts logging.
pub fn init() {
    let levels = levels(std::env::var("RUST_LOG").ok().as_deref());
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .without_time();
    tracing_subscriber::registry().with(levels).with(lines).init();
    // The default hook prints the panic's message, which may hold anything.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}
