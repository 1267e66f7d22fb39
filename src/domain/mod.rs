//! Words of the domain, pure: engines and versions, names, secrets, tags, windows, and what is wrong with an input.

pub mod engine;
pub mod names;
pub mod problem;
pub mod secret;
pub mod tags;
pub(crate) mod window;
