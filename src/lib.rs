//! One ElastiCache cluster as one CloudFormation resource.
//!
//! The function behind `Custom::ElastiCache`: it brings an AWS account to what a template says about one Valkey or
//! Redis OSS replication group and everything around it, waits until that is true, and answers CloudFormation.
//!
//! ```text
//! event ──cfn::request──> properties ──> Desired ──┐
//!                                                  ├──> reconcile::plan (pure) ──> Steps ──act──┐
//! AWS ──aws──> reconcile::observe ──> Observed ────┘            ^                               │
//!                                                               └──────────── wait <────────────┘
//!                                     until nothing is left to do ──> attributes ──cfn::response──> CloudFormation
//! ```
//!
//! There is no state but AWS's own and the event, so that a repeated event, a crash after any call and a rollback all
//! continue from what is there.

pub mod attributes;
pub mod aws;
pub mod cfn;
pub mod continuation;
pub mod cost;
pub mod desired;
pub mod engine;
pub mod error;
pub mod group_request;
pub mod handler;
pub mod http;
pub mod login;
pub mod logs;
pub mod metrics;
pub mod names;
pub mod observed;
pub mod preview;
pub mod problem;
pub mod properties;
pub mod reconcile;
pub mod rotation;
pub mod secret;
pub mod settings;

pub use handler::{Function, Settings};
