//! What the template wants, parsed, defaulted and cross-checked: pure.
//!
//! [`Desired::new`] is the only way to make one, so whoever holds a `Desired` holds a legal desired state.

mod identity;
mod parts;
mod references;
mod removal;
mod resolve;
pub(crate) mod rules;
mod state;

pub use identity::{derived_id, next_generations};
pub use parts::{
    Auth, LogDelivery, NumberedSecret, Parameters, Purpose, Restore, SecretSettings, Source, Succession, Tls, Topology,
};
pub use references::References;
pub use removal::Removal;
pub use state::{Desired, MAXMEMORY_POLICY};

#[cfg(test)]
mod tests;
