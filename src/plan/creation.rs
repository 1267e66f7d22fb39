//! The call that makes the group.

use std::collections::BTreeSet;

use super::parameter_groups;
use super::types::Transition;
use crate::auth::token;
use crate::desired::{Auth, Desired, Restore, Tls};
use crate::observed::{Account, Observed};
use crate::properties::ClusterMode;
use crate::step::Step;
use crate::step::group::NewGroup;

/// The call that makes the group; `None` while something it needs is not there yet.
pub(super) fn group(transition: Transition<'_>, observed: &Observed, account: &Account) -> Option<Step> {
    let desired = transition.desired;
    // In an Update the group is made again because somebody deleted it. What counts at creation only was for the first
    // one, and may fit no more.
    let again = transition.previous.is_some();
    let zone_per_node = i32::try_from(desired.preferred_zones.len()) == Ok(desired.topology.nodes());
    let security_group = observed.security_group.as_ref()?;
    // Before the group has the token: afterwards a newer version of a external secret could be taken for the one used.
    let record = token::wanted_record(desired, account);
    if let Some(step) = record.and_then(|record| token::record(&record, desired, observed)) {
        return Some(step);
    }
    let auth_token = match &desired.auth {
        Auth::Open | Auth::UserGroup(_) => None,
        Auth::Generated { .. } | Auth::Literal(_) | Auth::External { .. } => {
            Some(token::wanted(desired, observed, account)?)
        }
    };
    Some(Step::CreateGroup(Box::new(NewGroup {
        id: desired.names.replication_group.clone(),
        description: desired.description.clone(),
        engine: desired.engine.to_string(),
        version: desired.version.to_string(),
        node_type: desired.node_type.clone(),
        topology: desired.topology.clone(),
        // Nobody has been seen to make a group that is compatible: it is made without shards and changed afterwards.
        // Nor has anybody said the mode along with a layout, where shards and parameter group say it.
        cluster_mode: (desired.cluster_mode == ClusterMode::Enabled && desired.topology.layout().is_empty())
            .then(|| desired.cluster_mode.into()),
        automatic_failover: desired.automatic_failover,
        multi_az: desired.multi_az,
        preferred_zones: if again && !zone_per_node { Vec::new() } else { desired.preferred_zones.clone() },
        port: desired.port,
        parameter_group: parameter_groups::for_create(desired),
        subnet_group: desired.names.subnet_group(),
        security_groups: attached(desired, &security_group.id),
        network_type: desired.network_type.map(Into::into),
        ip_discovery: desired.ip_discovery.map(Into::into),
        at_rest_encryption: desired.at_rest_encryption,
        kms_key_id: desired.kms_key_id.clone(),
        transit_encryption: desired.tls != Tls::Off,
        transit_encryption_mode: (desired.tls == Tls::Preferred).then_some("preferred"),
        auth_token,
        user_group: match &desired.auth {
            Auth::UserGroup(id) => Some(id.clone()),
            Auth::Open | Auth::Generated { .. } | Auth::Literal(_) | Auth::External { .. } => None,
        },
        settings: desired.settings.clone(),
        restore: if again { Restore::default() } else { desired.restore.clone() },
        logs: desired.logs.clone(),
        data_tiering: desired.data_tiering,
        durability: desired.durability.clone(),
        tags: desired.tags.clone(),
    })))
}

/// Security groups of the nodes: ours and those that the template adds.
pub(super) fn attached(desired: &Desired, own: &str) -> BTreeSet<String> {
    desired.extra_security_groups.iter().cloned().chain([own.to_owned()]).collect()
}
