//! Brings the account to what a request asks for. Calls AWS.
//!
//! `run` is the loop that all requests share: observe, plan, act, wait. `create`, `update` and `delete` are one request
//! each, `rotate` one step of a rotation by Secrets Manager, `replacement` is the way from one generation to the next,
//! `dry_run` tells what a request would do, and `fence` keeps an old request from undoing a newer one.

pub mod act;
mod create;
mod delete;
mod dry_run;
pub(crate) mod faults;
pub mod fence;
mod free_names;
pub mod observe;
pub mod optional;
mod replacement;
pub mod rotate;
mod run;
pub mod update;
pub mod wait;

pub use run::{Converged, Run};
