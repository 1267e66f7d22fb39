//! Words of the domain, pure: engines and versions, names, secrets, tags, windows, alarms, and what is wrong with an input.

pub mod alarm;
pub mod decimal;
pub mod engine;
pub mod names;
pub(crate) mod node_type;
pub mod problem;
pub mod secret;
pub mod tags;
pub(crate) mod window;
