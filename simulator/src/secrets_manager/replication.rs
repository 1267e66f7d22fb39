//! Replicas of secrets in other regions, as far as they show in the region of the primary.

use serde_json::{Value, json};

use super::{Secret, SecretsManager, invalid_parameter};
use crate::wire::tree::{items, text, texts};
use crate::world::{Answer, AwsError, Call, REGION};

impl SecretsManager {
    pub(super) fn replicate(&mut self, call: &Call) -> Answer {
        let regions: Vec<&str> =
            items(&call.params, "AddReplicaRegions").iter().filter_map(|region| text(region, "Region")).collect();
        if regions.is_empty() || regions.contains(&REGION) {
            return Err(invalid_parameter("Invalid replica region."));
        }
        let secret = self.live_mut(&call.params)?;
        secret.replicas.extend(regions.into_iter().map(str::to_owned));
        Ok(json!({"ARN": secret.arn, "ReplicationStatus": secret.replication()}))
    }

    pub(super) fn remove_regions(&mut self, call: &Call) -> Answer {
        let secret = self.live_mut(&call.params)?;
        for region in texts(&call.params, "RemoveReplicaRegions") {
            secret.replicas.remove(region);
        }
        Ok(json!({"ARN": secret.arn, "ReplicationStatus": secret.replication()}))
    }
}

impl Secret {
    pub(super) fn replication(&self) -> Value {
        self.replicas.iter().map(|region| json!({"Region": region, "Status": "InSync"})).collect()
    }

    /// A secret with replicas is not deleted, in AWS's words (gruntwork-io/cloud-nuke#435, rebuy-de/aws-nuke#1127).
    pub(super) fn check_unreplicated(&self) -> Result<(), AwsError> {
        if self.replicas.is_empty() {
            return Ok(());
        }
        let regions = self.replicas.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("You can't delete secret {} that still has replica regions [{regions}].", self.arn);
        Err(invalid_parameter(message))
    }
}
