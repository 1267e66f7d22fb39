//! Taking everything away again.

use super::alarms;
use super::types::{Awaited, Plan, is_deletable};
use crate::desired::Removal;
use crate::domain::problem::Problem;
use crate::observed::{Observed, Secret, Status};
use crate::step::Step;

/// The next steps towards nothing: the group, and when it is gone the alarms on its nodes, parameter group and subnet
/// group, security group, secret. What is not ours stays. The secret goes last, so that a Delete that fails half-way can
/// be tried again with the token still at hand; one that only the subnet group names goes before that.
#[must_use]
pub fn removal_steps(removal: &Removal, observed: &Observed) -> Plan {
    let owner = &removal.owner;
    if removal.deletion_protection
        && observed.group.is_some()
        && !observed.is_being_created()
        && observed.owns_group(owner)
    {
        let rule = "protects the cluster from deletion";
        let fix = "deploy the stack with DeletionProtection false first, then delete it";
        return Plan::Refuse(vec![Problem::new("DeletionProtection", rule, fix).with_value("true")]);
    }
    if let Some(group) = observed.group.as_ref().filter(|_| observed.owns_group(owner)) {
        return match &group.status {
            Status::Deleting => Plan::Wait(Awaited::GroupGone),
            _ if is_deletable(group) => Plan::Act(vec![Step::DeleteGroup {
                group: group.id.clone(),
                final_snapshot: match group.status {
                    // A group that never stood has nothing to save, and AWS refuses to take a snapshot of it.
                    Status::CreateFailed => None,
                    _ if observed.is_being_created() => None,
                    _ => removal.final_snapshot.clone(),
                },
            }]),
            _ => Plan::Wait(Awaited::GroupDeletable),
        };
    }
    // Before the subnet group, which says that there may be some.
    let alarms = alarms::removal(owner, observed);
    if !alarms.is_empty() {
        return Plan::Act(alarms);
    }
    let secret = observed.secret.as_ref().filter(|secret| !secret.deleted && owner.owns(&secret.tags));
    let secret = secret.filter(|secret| secret.replicas.is_empty()).map(|secret| Step::DeleteSecret {
        arn: secret.arn.clone(),
        recovery_window_days: removal.recovery_window_days,
    });
    if let Some(secret) = secret.as_ref().filter(|_| removal.secret_is_numbered) {
        return Plan::Act(vec![secret.clone()]);
    }
    let mut groups: Vec<Step> = observed
        .parameter_groups
        .iter()
        .filter(|group| owner.owns(&group.tags))
        .map(|group| Step::DeleteParameterGroup { name: group.name.clone() })
        .collect();
    groups.extend(
        observed
            .subnet_group
            .iter()
            .filter(|group| owner.owns(&group.tags))
            .map(|group| Step::DeleteSubnetGroup { name: group.name.clone() }),
    );
    if !groups.is_empty() {
        return Plan::Act(groups);
    }
    if let Some(group) = observed.security_group.as_ref().filter(|group| owner.owns(&group.tags)) {
        return Plan::Act(vec![Step::DeleteSecurityGroup { id: group.id.clone() }]);
    }
    secret.map_or(Plan::Done, |secret| Plan::Act(vec![secret]))
}

/// The next steps to be rid of a group that an earlier request left behind: nothing is saved of what nobody has used.
///
/// With `--disable-rollback` CloudFormation sends Create again for a resource whose Create failed, and what the first
/// one made is still there. The tag `creating` on the subnet group says that no request has come to its end, and the
/// group is an earlier request's when it was asked for before this request's response URL was signed
/// (`Observed::is_left_behind`). Such a group is used where it can become what is wanted; a failed one, one with
/// another port or key, or one where restoring or zones are wanted, is deleted without a snapshot and made anew. What
/// was begun in another VPC is removed whole, because subnet groups do not move. A group that was finished once is
/// never removed this way.
pub(super) fn left_behind(observed: &Observed) -> Plan {
    match &observed.group {
        Some(group) if is_deletable(group) => {
            Plan::Act(vec![Step::DeleteGroup { group: group.id.clone(), final_snapshot: None }])
        }
        Some(_) => Plan::Wait(Awaited::GroupDeletable),
        None => Plan::Done,
    }
}

/// Our secret that stays because AWS deletes none that has replicas in other regions.
#[must_use]
pub fn kept_secret<'o>(removal: &Removal, observed: &'o Observed) -> Option<&'o Secret> {
    let secret = observed.secret.as_ref()?;
    (!secret.deleted && removal.owner.owns(&secret.tags) && !secret.replicas.is_empty()).then_some(secret)
}
