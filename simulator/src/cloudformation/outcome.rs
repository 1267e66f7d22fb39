//! How a stack operation ended.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::protocol::Answer;
use crate::clock::Time;

/// Status of a stack after an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackStatus {
    /// Created.
    CreateComplete,
    /// Creation failed, and what was made stays.
    CreateFailed,
    /// Creation failed, and what was made is gone.
    RollbackComplete,
    /// Creation failed, and what was made could not be deleted.
    RollbackFailed,
    /// Updated, or nothing to update.
    UpdateComplete,
    /// The update failed, and what was changed stays as it is.
    UpdateFailed,
    /// The update failed, and the earlier properties are back.
    UpdateRollbackComplete,
    /// The update failed, and so did going back.
    UpdateRollbackFailed,
    /// Deleted.
    DeleteComplete,
    /// Could not be deleted; the resource is still in the stack.
    DeleteFailed,
}

impl fmt::Display for StackStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StackStatus::CreateComplete => "CREATE_COMPLETE",
            StackStatus::CreateFailed => "CREATE_FAILED",
            StackStatus::RollbackComplete => "ROLLBACK_COMPLETE",
            StackStatus::RollbackFailed => "ROLLBACK_FAILED",
            StackStatus::UpdateComplete => "UPDATE_COMPLETE",
            StackStatus::UpdateFailed => "UPDATE_FAILED",
            StackStatus::UpdateRollbackComplete => "UPDATE_ROLLBACK_COMPLETE",
            StackStatus::UpdateRollbackFailed => "UPDATE_ROLLBACK_FAILED",
            StackStatus::DeleteComplete => "DELETE_COMPLETE",
            StackStatus::DeleteFailed => "DELETE_FAILED",
        })
    }
}

/// One line of a stack's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackEvent {
    /// When.
    pub at: Time,
    /// Which resource.
    pub logical_id: String,
    /// Its id, as far as known.
    pub physical_id: Option<String>,
    /// Status of the resource, such as `CREATE_IN_PROGRESS`.
    pub status: &'static str,
    /// Why.
    pub reason: String,
}

/// What an operation did to one resource.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Status of the stack.
    pub status: StackStatus,
    /// Why it failed, as CloudFormation words it; empty when it did not.
    pub reason: String,
    /// `<StackId>`, for the texts of CloudFormation.
    pub(super) stack_id: String,
    /// The resource.
    pub logical_id: String,
    /// `Ref` of the resource; empty when none is left.
    pub physical_id: String,
    /// What `Fn::GetAtt` reads.
    pub attributes: BTreeMap<String, String>,
    /// All answers in order, those of rollback and clean-up included.
    pub answers: Vec<Answer>,
    /// The events exactly as they were sent, in order.
    pub requests: Vec<Value>,
    /// The history of the operation.
    pub events: Vec<StackEvent>,
}

impl Outcome {
    /// `Fn::GetAtt` of the resource, failing as CloudFormation does (facts 1.2).
    pub fn get_att(&self, key: &str) -> Result<&str, String> {
        self.attributes.get(key).map(String::as_str).ok_or_else(|| {
            format!(
                "CustomResource attribute error: Vendor response doesn't contain {key} attribute in object {}|{}|{}",
                self.stack_id, self.logical_id, self.physical_id
            )
        })
    }

    /// The request types that were sent, in order.
    #[must_use]
    pub fn request_types(&self) -> Vec<&str> {
        self.requests.iter().filter_map(|request| request.get("RequestType")?.as_str()).collect()
    }
}
