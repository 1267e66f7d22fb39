//! How long AWS takes for a step: pure. One table.

use std::fmt;

use crate::step::Step;
use crate::step::group::GroupChange;

/// From a good day to a bad one, in minutes, for small nodes with little data. AWS publishes no figures: these are
/// derived from the wall times of the acceptance tests of Terraform's AWS provider, less those of a bare create and
/// delete. Most of them took little more than the least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Minutes {
    /// On a good day.
    pub least: u64,
    /// Most often.
    pub usual: u64,
    /// On a bad one; big data takes longer still.
    pub most: u64,
}

const fn minutes(least: u64, usual: u64, most: u64) -> Minutes {
    Minutes { least, usual, most }
}

/// What takes no time worth mentioning.
const AT_ONCE: Minutes = minutes(0, 0, 0);

impl Minutes {
    /// How long `step` takes.
    #[must_use]
    pub fn of(step: &Step) -> Minutes {
        match step {
            Step::CreateGroup(group) if group.transit_encryption => minutes(5, 6, 11),
            Step::CreateGroup(_) => minutes(4, 5, 8),
            Step::ModifyGroup(change) => of_change(change),
            Step::ChangeShards { remove, .. } if remove.is_empty() => minutes(10, 15, 40),
            Step::ChangeShards { .. } => minutes(15, 16, 40),
            Step::IncreaseReplicas { .. } | Step::DecreaseReplicas { .. } => minutes(5, 5, 12),
            Step::SetTransitEncryption { .. } => minutes(8, 10, 12),
            Step::ChangeAuth { .. } => minutes(5, 5, 8),
            Step::CreateSnapshot { .. } => minutes(3, 3, 8),
            Step::DeliverLogs { .. } => minutes(1, 2, 5),
            Step::DeleteGroup { final_snapshot: None, .. } => minutes(2, 4, 5),
            Step::DeleteGroup { .. } => minutes(5, 7, 13),
            Step::CreateSubnetGroup { .. }
            | Step::ModifySubnetGroup { .. }
            | Step::DeleteSubnetGroup { .. }
            | Step::CreateSecurityGroup { .. }
            | Step::AuthorizeIngress { .. }
            | Step::RevokeIngress { .. }
            | Step::DeleteSecurityGroup { .. }
            | Step::CreateParameterGroup { .. }
            | Step::ModifyParameters { .. }
            | Step::ResetParameters { .. }
            | Step::DeleteParameterGroup { .. }
            | Step::CreateSecret(_)
            | Step::RestoreSecret { .. }
            | Step::PutSecret { .. }
            | Step::StageSecret(_)
            | Step::PromoteSecret { .. }
            | Step::UnstageSecret { .. }
            | Step::SetSecretKey { .. }
            | Step::DeleteSecret { .. }
            | Step::DeleteSnapshot { .. }
            | Step::PutAlarms { .. }
            | Step::DeleteAlarms { .. }
            | Step::Tag { .. }
            | Step::Untag { .. } => AT_ONCE,
        }
    }

    /// Both after one another.
    #[must_use]
    pub fn and_then(self, next: Minutes) -> Minutes {
        minutes(self.least + next.least, self.usual + next.usual, self.most + next.most)
    }

    /// Both at the same time.
    #[must_use]
    pub fn side_by_side(self, other: Minutes) -> Minutes {
        minutes(self.least.max(other.least), self.usual.max(other.usual), self.most.max(other.most))
    }
}

fn of_change(change: &GroupChange) -> Minutes {
    if !change.apply_immediately {
        return AT_ONCE;
    }
    match change {
        GroupChange { engine: Some(_), .. } => minutes(12, 13, 30),
        GroupChange { version: Some(_), .. } => minutes(10, 12, 25),
        GroupChange { node_type: Some(_), .. } => minutes(11, 12, 21),
        GroupChange { cluster_mode: Some(_), .. } => minutes(5, 10, 15),
        GroupChange { automatic_failover: Some(_), .. } | GroupChange { multi_az: Some(_), .. } => minutes(1, 2, 5),
        GroupChange { durability: Some(_), .. } => minutes(2, 5, 10),
        _ => minutes(0, 1, 3),
    }
}

/// `11-21 min`; nothing for what happens at once.
impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (_, 0) => f.write_str("at once"),
            (least, most) if least == most => write!(f, "{least} min"),
            (least, most) => write!(f, "{least}-{most} min"),
        }
    }
}
