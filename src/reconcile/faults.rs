//! What a failed step means for the run: one table over the step and the class of the fault. Pure.
//!
//! `aws::fault` turns AWS's codes into classes; together with it this is all that is decided about errors of writes.
//! Lookups have a rule of their own: not found is a value, throttling and outages are tried again
//! ([`Waiter::persist`](super::wait::Waiter)), lookups that only check or explain are given up with a log line.
//!
//! | Class | making something | changing something | taking something away |
//! | --- | --- | --- | --- |
//! | missing | try again a few times: what it needs is not visible everywhere yet | the same | as good as done |
//! | exists | as good as done: the next observation shows whose it is | fail | fail |
//! | unchanged | as good as done | as good as done | as good as done |
//! | busy, throttled, unavailable | try again until time runs out | the same | the same |
//! | denied, unauthenticated | try again for a while: rights and credentials take seconds to reach every service | the same | the same |
//! | quota, capacity, invalid | fail, naming action and remedy | the same | the same |
//!
//! A step about alarms never ends the request: what would fail it, or would be tried for too long, is a warning instead
//! (`run`).
//!
//! Two exceptions: a SET of a token that is the only one already is as good as done, and a parameter group that the template
//! names is not going to appear by waiting. Every new try is made after an observation, so that a right which hangs on the tag of
//! something, and is denied on what has gone, ends with it.

use crate::aws::{Class, Fault};
use crate::step::{AuthChange, Step};

/// What a failed step means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// The state that the step wanted is there; the next observation shows whose it is.
    AsGoodAsDone,
    /// It may work in a moment; a few tries show.
    TryAFewTimes,
    /// It may work within [`ACCESS_PATIENCE`](super::wait::ACCESS_PATIENCE).
    TryForAWhile,
    /// It will work later.
    TryAgain,
    /// It will not work.
    Fail,
}

impl Reaction {
    pub(crate) fn to(step: &Step, fault: &Fault) -> Reaction {
        match fault.class {
            Class::Unchanged => Reaction::AsGoodAsDone,
            _ if makes_the_only_token(step) && fault.says_only_token() => Reaction::AsGoodAsDone,
            Class::Missing if step.removes() => Reaction::AsGoodAsDone,
            Class::Missing if fault.code == "CacheParameterGroupNotFound" && names_parameters_of_others(step) => {
                Reaction::Fail
            }
            Class::Missing => Reaction::TryAFewTimes,
            Class::Exists if step.creates() => Reaction::AsGoodAsDone,
            Class::Busy | Class::Throttled | Class::Unavailable => Reaction::TryAgain,
            Class::Denied | Class::Unauthenticated => Reaction::TryForAWhile,
            Class::Exists | Class::Quota | Class::Capacity | Class::Invalid => Reaction::Fail,
        }
    }
}

/// Whether the step makes a token the only one. The plan asks for it only after AWS has added that token.
fn makes_the_only_token(step: &Step) -> bool {
    matches!(step, Step::ChangeAuth { change: AuthChange::Set { .. }, .. })
}

fn names_parameters_of_others(step: &Step) -> bool {
    match step {
        Step::CreateGroup(group) => !group.parameter_group.starts_with(&format!("{}-", group.id)),
        Step::ModifyGroup(change) => {
            change.parameter_group.as_ref().is_some_and(|name| !name.starts_with(&format!("{}-", change.id)))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::tags::Tags;

    fn making() -> Step {
        let (name, description) = ("g".to_owned(), String::new());
        Step::CreateSubnetGroup { name, description, subnet_ids: BTreeSet::new(), tags: Tags::new() }
    }

    fn changing() -> Step {
        Step::ModifySubnetGroup { name: "g".to_owned(), subnet_ids: BTreeSet::new() }
    }

    fn removing() -> Step {
        Step::DeleteSubnetGroup { name: "g".to_owned() }
    }

    use Reaction::{AsGoodAsDone as Done, Fail, TryAFewTimes as Few, TryAgain as Again, TryForAWhile as While};

    /// Every code that ElastiCache, EC2, Secrets Manager and CloudWatch are documented to answer a write with, by what
    /// becomes of a step that makes, changes, or removes something.
    const TABLE: &[(&[&str], [Reaction; 3])] = &[
        (
            &[
                "ReplicationGroupNotFoundFault",
                "CacheClusterNotFound",
                "CacheSubnetGroupNotFoundFault",
                "CacheParameterGroupNotFound",
                "ServiceLinkedRoleNotFoundFault",
                "InvalidGroup.NotFound",
                "ResourceNotFoundException",
                "ResourceNotFound",
            ],
            [Few, Few, Done],
        ),
        (
            &[
                "ReplicationGroupAlreadyExists",
                "CacheSubnetGroupAlreadyExists",
                "CacheParameterGroupAlreadyExists",
                "SnapshotAlreadyExistsFault",
                "InvalidGroup.Duplicate",
                "InvalidPermission.Duplicate",
                "ResourceExistsException",
            ],
            [Done, Fail, Fail],
        ),
        (&["NoOperationFault", "InvalidPermission.NotFound", "TagNotFound"], [Done; 3]),
        (
            &[
                "InvalidReplicationGroupState",
                "InvalidCacheClusterState",
                "InvalidCacheParameterGroupState",
                "InvalidUserGroupState",
                "CacheSubnetGroupInUse",
                "DependencyViolation",
                "ConcurrentTagAccess",
                "Throttling",
                "ThrottlingException",
                "RequestLimitExceeded",
                "APICallRateForCustomerExceeded",
                "InternalFailure",
                "InternalServiceError",
                "ServiceUnavailable",
            ],
            [Again; 3],
        ),
        (
            &[
                "AccessDenied",
                "AccessDeniedException",
                "UnauthorizedOperation",
                "NotAuthorized",
                "AuthFailure",
                "ExpiredToken",
                "ExpiredTokenException",
                "IncompleteSignature",
                "InvalidClientTokenId",
                "InvalidSignatureException",
                "RequestExpired",
                "SignatureDoesNotMatch",
                "UnrecognizedClientException",
            ],
            [While; 3],
        ),
        (
            &[
                "InsufficientCacheClusterCapacity",
                "ClusterQuotaForCustomerExceeded",
                "NodeQuotaForClusterExceeded",
                "NodeQuotaForCustomerExceeded",
                "NodeGroupsPerReplicationGroupQuotaExceeded",
                "CacheSubnetGroupQuotaExceeded",
                "CacheSubnetQuotaExceededFault",
                "CacheParameterGroupQuotaExceeded",
                "TagQuotaPerResourceExceeded",
                "SnapshotQuotaExceededFault",
                "LimitExceeded",
                "LimitExceededException",
                "SecurityGroupLimitExceeded",
                "RulesPerSecurityGroupLimitExceeded",
                "InvalidParameterValue",
                "InvalidParameterCombination",
                "InvalidSubnet",
                "SubnetNotAllowedFault",
                "SubnetInUse",
                "InvalidVPCNetworkStateFault",
                "InvalidKMSKeyFault",
                "UserGroupNotFound",
                "SnapshotFeatureNotSupportedFault",
                "InvalidPermission.Malformed",
                "InvalidVpcID.NotFound",
                "ValidationError",
            ],
            [Fail; 3],
        ),
    ];

    #[test]
    fn every_documented_code_has_its_reaction() {
        for (codes, expected) in TABLE {
            for code in *codes {
                let fault = Fault::answered("elasticache:Action", "g", code, "", 400);
                let reactions = [making(), changing(), removing()].map(|step| Reaction::to(&step, &fault));
                assert_eq!(reactions, *expected, "{code}");
            }
        }
    }

    /// The cause decides, not the step: a subnet group that is not visible yet is waited for, whatever parameter group
    /// the cache is to have.
    #[test]
    fn only_a_missing_parameter_group_of_the_template_ends_the_wait_for_what_is_missing() {
        let change = crate::step::group::GroupChange {
            id: "g".to_owned(),
            parameter_group: Some("default.valkey8".to_owned()),
            ..crate::step::group::GroupChange::default()
        };
        let step = Step::ModifyGroup(Box::new(change));
        let reaction = |code| Reaction::to(&step, &Fault::answered("a", "g", code, "", 404));
        assert_eq!(reaction("CacheParameterGroupNotFound"), Reaction::Fail);
        assert_eq!(reaction("CacheClusterNotFound"), Reaction::TryAFewTimes);
        assert_eq!(reaction("ServiceLinkedRoleNotFoundFault"), Reaction::TryAFewTimes);
    }
}
