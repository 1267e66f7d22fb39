//! The errors of the service, each with its code and status: some codes keep the suffix `Fault`, most do not (facts 3.12).

use super::replication_groups::Status;
use crate::world::AwsError;

pub(super) fn invalid_value(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", message)
}

pub(super) fn invalid_combination(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterCombination", message)
}

pub(super) fn missing(parameter: &str) -> AwsError {
    AwsError::new("MissingParameter", format!("The request must contain the parameter {parameter}."))
}

pub(super) fn group_not_found(id: &str) -> AwsError {
    AwsError::not_found("ReplicationGroupNotFoundFault", format!("ReplicationGroup {id} not found"))
}

pub(super) fn cluster_not_found(id: &str) -> AwsError {
    AwsError::not_found("CacheClusterNotFound", format!("CacheCluster not found: {id}"))
}

/// A call that needs the group to be available came while it is not.
pub(super) fn group_state(id: &str, status: Status, wanted: &str) -> AwsError {
    let message = match wanted {
        "modified" => "Replication group must be in available state to modify.".to_owned(),
        _ => format!(
            "Replication group {id} is in state {} and is not in a valid state to be {wanted}.",
            status.as_str()
        ),
    };
    AwsError::new("InvalidReplicationGroupState", message)
}

/// The group says available, a member does not.
pub(super) fn cluster_state(id: &str, wanted: &str) -> AwsError {
    AwsError::new(
        "InvalidCacheClusterState",
        format!("Cache cluster {id} is not in a valid state to be {wanted}. Its state must be available."),
    )
}

pub(super) fn subnet_group_not_found(name: &str) -> AwsError {
    // Status 400, unlike its siblings.
    AwsError::new("CacheSubnetGroupNotFoundFault", format!("Cache Subnet Group {name} does not exist."))
}

pub(super) fn parameter_group_not_found(name: &str) -> AwsError {
    AwsError::not_found("CacheParameterGroupNotFound", format!("CacheParameterGroup not found: {name}"))
}

pub(super) fn parameter_group_state(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidCacheParameterGroupState", message)
}

pub(super) fn snapshot_not_found(name: &str) -> AwsError {
    AwsError::not_found("SnapshotNotFoundFault", format!("Snapshot {name} not found."))
}

pub(super) fn snapshot_exists(name: &str) -> AwsError {
    AwsError::new("SnapshotAlreadyExistsFault", format!("Snapshot with specified name already exists: {name}"))
}

pub(super) fn user_group_not_found(id: &str) -> AwsError {
    AwsError::not_found("UserGroupNotFound", format!("User group {id} not found."))
}

pub(super) fn no_operation(message: impl Into<String>) -> AwsError {
    AwsError::new("NoOperationFault", message)
}

pub(super) fn no_modifications() -> AwsError {
    invalid_combination("No modifications were requested")
}
