//! From the desired and the observed state to the next steps: pure, and the one place that knows their order.
//!
//! A plan is made anew after every round, from a fresh observation. Steps of one round do not depend on each other.
//!
//! To make a property change in place: compare it in the phase that it belongs to and return the step; to have a change
//! refused: `obstacles`.

mod account_checks;
mod alarms;
mod cluster_mode;
mod creation;
mod dependencies;
mod engine_version;
mod forecast;
mod generation;
mod irreversible;
mod nodes;
mod obstacles;
mod parameter_groups;
mod phases;
mod settings;
mod tag_changes;
mod teardown;
mod transit;
pub mod types;
mod warnings;

pub use account_checks::{network_problems, problems as account_problems, questioned};
pub use forecast::Forecast;
pub use generation::{
    Generation, fits, generation, has_replaced, is_at_rest, is_decided, is_final, is_unfinished, not_replaced,
    previous_generation, stands, successor, transfer_snapshot_unused, unclear_return, undoes_replacement,
};
pub use irreversible::adjust_rollback;
pub use obstacles::Replacing;
pub use phases::next_steps;
pub use teardown::{kept_secret, removal_steps};
pub use types::{Awaited, Direction, Plan, Transition};
pub use warnings::warnings;
