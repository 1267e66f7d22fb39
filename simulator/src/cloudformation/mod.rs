//! The CloudFormation side: stacks that send events, check answers against the protocol, and roll back; and the API that
//! tells how their resources are.
//!
//! ```text
//! stack ──event──> function ──PUT──> answer box ──protocol──> answer ──> stack
//! ```

mod answer;
mod api;
mod custom_resource;
mod deliveries;
mod deploy;
mod graph;
mod native;
mod operation;
mod outcome;
mod properties;
mod protocol;
mod stack;
mod state;
pub mod template;

pub use answer::{AnswerBox, Duplicate, Received, Upload, UploadFault, UploadResult, Violation};
pub(crate) use deploy::run_begun;
pub use outcome::{Outcome, StackEvent, StackStatus};
pub use protocol::{Answer, AnswerStatus, Expected};
pub use stack::{DEFAULT_SERVICE_TIMEOUT, RESOURCE_TYPE, SERVICE_TOKEN, Stack};
pub use state::CloudFormation;

#[cfg(test)]
mod tests;
