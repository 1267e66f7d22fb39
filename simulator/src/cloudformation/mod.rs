//! The CloudFormation side: stacks that send events, check answers against the protocol, and roll back; and the API that
//! tells how their resources are.
//!
//! ```text
//! stack ──event──> function ──PUT──> answer box ──protocol──> answer ──> stack
//! ```

mod answer;
mod api;
mod operation;
mod outcome;
mod properties;
mod protocol;
mod stack;
pub mod template;

pub use answer::{AnswerBox, Duplicate, Received, Upload, UploadFault, UploadResult, Violation};
pub use api::CloudFormation;
pub use outcome::{Outcome, StackEvent, StackStatus};
pub use protocol::{Answer, AnswerStatus, Expected};
pub use stack::{DEFAULT_SERVICE_TIMEOUT, RESOURCE_TYPE, SERVICE_TOKEN, Stack};

#[cfg(test)]
mod tests;
