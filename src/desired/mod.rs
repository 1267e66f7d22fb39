//! What the template wants, parsed, defaulted and cross-checked: pure.
//!
//! [`Desired::new`] is the only way to make one, so whoever holds a `Desired` holds a legal desired state.

mod identity;
mod references;
mod removal;
mod resolve;
pub(crate) mod rules;
mod state;
mod types;

pub use identity::{derived_id, next_generations};
pub use references::References;
pub use removal::Removal;
pub use state::Desired;
pub use types::{
    Auth, LogDelivery, NumberedSecret, Parameters, Purpose, Restore, SecretSettings, Source, Succession, Tls, Topology,
};

#[cfg(test)]
mod tests;
