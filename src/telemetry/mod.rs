//! What the function says about itself: log lines and metrics.

pub mod logs;
pub mod metrics;
