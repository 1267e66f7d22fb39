//! One ElastiCache cluster as one CloudFormation resource.
//!
//! The function behind `Custom::ElastiCache`: it brings an AWS account to what a template says about one Valkey or
//! Redis OSS replication group and everything around it, waits until that is true, and answers CloudFormation.
//!
//! ```text
//! event ──cfn::request──> properties ──> Desired ──┐
//!                                                  ├──> plan (pure) ──> Steps ──act──┐
//! AWS ──aws──> reconcile::observe ──> Observed ────┘            ^                               │
//!                                                               └──────────── wait <────────────┘
//!                                     until nothing is left to do ──> attributes ──cfn::response──> CloudFormation
//! ```
//!
//! There is no state but AWS's own and the event, so that a repeated event, a crash after any call and a rollback all
//! continue from what is there.

pub mod attributes;
pub mod auth;
pub mod aws;
mod backoff;
pub mod cfn;
pub mod continuation;
pub mod cost;
pub mod desired;
pub mod domain;
pub mod environment;
pub mod error;
pub mod handler;
pub mod http;
mod invocation;
pub mod observed;
pub mod plan;
pub mod plan_event;
mod polling;
pub mod preview;
pub mod properties;
pub mod reconcile;
pub mod step;
pub mod telemetry;

pub use environment::Settings;
pub use handler::Function;

/// The Rust in the guides has to compile.
#[cfg(doctest)]
#[doc = include_str!("../docs/connecting.md")]
struct Connecting;
