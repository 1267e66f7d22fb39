//! JSON logs, and lines of metrics between them. Calls nothing.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{Format, Json, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::telemetry::metrics;

/// The name under which our own lines are logged.
const OWN: &str = "elasticache_resource";

/// What is logged when `RUST_LOG` is this: a level for our own lines, or the usual directives such as
/// `warn,elasticache_resource::reconcile=debug`. Lines of libraries never go below `warn` detail, because at `debug` and
/// `trace` they print whole requests, and those carry the token. Nothing is `info`; `None` is what cannot be read.
#[must_use]
pub fn levels(rust_log: Option<&str>) -> Option<Targets> {
    let Some(text) = rust_log.map(str::trim).filter(|text| !text.is_empty()) else { return Some(standard()) };
    // A name alone would be a target at every level. That is rather a misspelt level, unless it is ours.
    let is_meant = |directive: &str| match directive.split_once('=') {
        Some((target, level)) => !target.trim().is_empty() && !level.trim().is_empty(),
        None => directive.parse::<LevelFilter>().is_ok() || is_own(directive),
    };
    // An empty one would be read as `error`.
    let directives: Vec<&str> = text.split(',').map(str::trim).filter(|directive| !directive.is_empty()).collect();
    if directives.is_empty() {
        return Some(standard());
    }
    let asked: Targets =
        directives.iter().all(|directive| is_meant(directive)).then(|| directives.join(",").parse().ok())??;
    Some(limited(&asked, asked.default_level().unwrap_or(LevelFilter::INFO)))
}

/// What is logged when nothing is said.
#[must_use]
pub fn standard() -> Targets {
    limited(&Targets::new(), LevelFilter::INFO)
}

/// What `RUST_LOG` has to be.
pub const RULE: &str = "must be a level (off, error, warn, info, debug, trace) or directives such as \
    warn,elasticache_resource::reconcile=debug";

fn is_own(target: &str) -> bool {
    target.strip_prefix(OWN).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn limited(asked: &Targets, own: LevelFilter) -> Targets {
    let mut levels = Targets::new().with_default(own.min(LevelFilter::WARN)).with_target(OWN, own);
    for (target, level) in asked {
        levels = levels.with_target(target, if is_own(target) { level } else { level.min(LevelFilter::WARN) });
    }
    // Alarms live on them.
    levels.with_target(metrics::TARGET, LevelFilter::INFO)
}

/// The lines, written to `writer`.
pub fn lines<S, W>(writer: W) -> impl Layer<S> + use<S, W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let json = format().json().flatten_event(true).with_current_span(true).with_span_list(false);
    let lines = Lines(json.with_target(false).without_time());
    tracing_subscriber::fmt::layer().event_format(lines).fmt_fields(JsonFields::new()).with_writer(writer)
}

/// Starts logging.
pub fn init(levels: Targets) {
    tracing_subscriber::registry().with(levels).with(lines(std::io::stdout)).init();
    // The default hook prints the panic's message, which may hold anything.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

/// Log lines as JSON; a line of metrics is its message and nothing else, as CloudWatch wants it.
struct Lines(Format<Json, ()>);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if event.metadata().target() != metrics::TARGET {
            return self.0.format_event(context, writer, event);
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        writeln!(writer, "{}", message.0)
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    /// The most detailed level that is logged for a target.
    fn level(rust_log: Option<&str>, target: &str) -> Option<Level> {
        let levels = levels(rust_log).unwrap();
        let all = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
        all.into_iter().find(|level| levels.would_enable(target, level))
    }

    #[test]
    fn a_level_is_for_our_own_lines() {
        for (rust_log, own, others) in [
            (None, Level::INFO, Level::WARN),
            (Some(""), Level::INFO, Level::WARN),
            (Some("debug"), Level::DEBUG, Level::WARN),
            (Some(" TRACE "), Level::TRACE, Level::WARN),
            (Some("warn"), Level::WARN, Level::WARN),
            (Some("error"), Level::ERROR, Level::ERROR),
            (Some("3"), Level::INFO, Level::WARN),
            (Some("info,"), Level::INFO, Level::WARN),
            (Some(","), Level::INFO, Level::WARN),
        ] {
            let found = ["elasticache_resource", "elasticache_resource::handler", "hyper", "aws_smithy_runtime"]
                .map(|target| level(rust_log, target));
            assert_eq!(found, [Some(own), Some(own), Some(others), Some(others)], "{rust_log:?}");
        }
    }

    #[test]
    fn directives_are_for_targets_and_never_open_a_library() {
        let directives = Some(
            "warn,elasticache_resource::reconcile=debug,hyper=trace,aws_smithy_runtime=off,elasticache_resourceful=trace",
        );
        assert_eq!(level(directives, "elasticache_resource::reconcile::wait"), Some(Level::DEBUG));
        assert_eq!(level(directives, "elasticache_resource::handler"), Some(Level::WARN));
        assert_eq!(level(directives, "hyper::client"), Some(Level::WARN));
        assert_eq!(level(directives, "aws_smithy_runtime"), None);
        assert_eq!(level(directives, "elasticache_resourceful"), Some(Level::WARN));
        assert_eq!(level(Some("hyper=trace"), "elasticache_resource"), Some(Level::INFO));
        assert_eq!(level(Some("elasticache_resource=trace"), "elasticache_resource::aws"), Some(Level::TRACE));
    }

    #[test]
    fn what_cannot_be_meant_is_no_level() {
        for rust_log in [
            "loud",
            "infoo",
            "info,debgu",
            "7",
            "-1",
            "no such level = 7",
            "hyper",
            "a=b=c",
            "hyper=loud",
            "=",
            "a=",
            "=info",
        ] {
            assert!(levels(Some(rust_log)).is_none(), "{rust_log}");
        }
        for rust_log in
            ["", " ", ",", "info,", "elasticache_resource", "warn, elasticache_resource::reconcile", "a=off"]
        {
            assert!(levels(Some(rust_log)).is_some(), "{rust_log}");
        }
    }

    #[test]
    fn metrics_are_always_written() {
        for rust_log in ["off", "error", "elasticache_resource=off", "elasticache_resource::telemetry::metrics=off"] {
            assert_eq!(level(Some(rust_log), metrics::TARGET), Some(Level::INFO), "{rust_log}");
        }
    }
}
