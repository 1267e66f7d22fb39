//! The function against the local AWS, in process and in virtual time; `binary` runs the compiled program over HTTP.
//!
//! Tests are named for the behaviour that they prove. A comment says what the name leaves open: why, or in which case.

#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy excepts test functions and not what they share")]

mod access;
mod alarms;
mod answer;
mod attributes;
mod beforehand;
mod binary;
mod calls;
mod clients;
mod cost;
mod create;
mod delete;
mod deploy;
mod dry_run;
mod examples;
mod fence;
mod free_names;
mod guides;
mod hand_over;
mod harness;
mod in_place;
mod ledger;
mod left_behind;
mod live_rotation;
mod metrics;
mod model;
mod operations;
mod plans;
mod policy;
mod properties;
mod protocol;
mod proxy;
mod readings;
mod reference;
mod refusals;
mod replacement;
mod rollback;
mod scaled;
mod scheduled_rotation;
mod secret_content;
mod shapes;
mod shared_vpc;
mod simulation;
mod structure;
mod token;
mod token_changes;
mod update;
mod values;
mod waits;
mod zones;
