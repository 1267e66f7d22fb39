//! The acceptance test of `Custom::ElastiCache`: plays its life in an AWS account, through CloudFormation, and reports what
//! holds of `docs/aws-calls.md`.
//!
//! ```text
//! scenarios ──rehearse (local AWS in process, virtual time)──> which calls each step makes, how long, what it costs
//!     └──────play (any account, any endpoint)────────────────> how each step ended
//!                                                                     └──diagnosis──> a verdict on each line ──> report
//! ```
//!
//! An account does not show which calls the function makes. So each scenario is gone through on the local AWS first, which
//! does: a step that ends well in the account has made the same calls there, and AWS took them.

pub mod account;
pub mod clean;
pub mod diagnosis;
pub mod function;
pub mod local;
pub mod play;
pub mod report;
pub mod scenarios;
