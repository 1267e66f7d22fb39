//! Our AWS: the few calls that we make, in our own types. Calls AWS.
//!
//! `aws_sdk_*` types appear under this folder only.

mod account;
mod client;
mod cloudformation;
mod cloudwatch;
mod connection;
pub mod convert;
mod convert_settings;
mod ec2;
mod elasticache;
pub mod fault;
mod lambda;
mod meter;
mod pricing;
mod secrets;

pub use client::Aws;
pub(crate) use cloudformation::StatusAnswer;
pub use connection::{Connection, Endpoints, SERVICES};
pub use elasticache::Found;
pub use fault::{Class, Fault};
