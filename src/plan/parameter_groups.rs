//! Parameter groups: which ones a change of the group goes through, their values, and those that nothing uses any more.
//!
//! AWS never lets `cluster-enabled` of a group in use change: neither by editing the parameter group that is attached nor by
//! attaching another one alone ("The parameter cluster-enabled has a different value in the requested parameter group than
//! the current parameter group. This parameter value cannot be changed for a cache cluster."). Only the call that changes
//! the cluster mode may bring a parameter group with the other value. So each kept group has a name of its own for every
//! family and every value of the flag.

use std::collections::BTreeMap;

use super::types::Pass;
use crate::desired::{Desired, Parameters};
use crate::observed::{Observed, ParameterGroup};
use crate::properties::ClusterMode;
use crate::step::Step;

/// Most parameters that AWS takes in one call.
const PARAMETERS_PER_CALL: usize = 20;

/// The parameter that turns the cluster protocol on; it goes first, because others depend on it.
const CLUSTER_FLAG: &str = "cluster-enabled";

/// What AWS checks of a parameter group before it attaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    family: String,
    clustered: bool,
}

/// The kind that a new group is made with. AWS makes a group with shards or without, and which it is the parameter group
/// says; compatible is a mode that a group without shards is changed to.
fn at_creation(desired: &Desired) -> Kind {
    Kind { family: desired.family(), clustered: desired.cluster_mode == ClusterMode::Enabled }
}

/// The kinds that the group still goes through, the last one being that in which it stays. There are two when the engine
/// family and the cluster flag change in one Update, because AWS takes no call that changes both.
fn kinds(desired: &Desired, observed: &Observed) -> Vec<Kind> {
    let wanted = Kind { family: desired.family(), clustered: desired.is_clustered() };
    let standing = observed.group.as_ref().zip(observed.first_member());
    let Some((mode, member, family)) =
        standing.and_then(|(group, member)| Some((group.cluster_mode, member, member.family()?)))
    else {
        let first = at_creation(desired);
        return if first == wanted { vec![wanted] } else { vec![first, wanted] };
    };
    // What is not upgraded keeps its family, also where it is newer than the template says.
    let last = if member.is_to_become(desired) { wanted } else { Kind { family: family.clone(), ..wanted } };
    let clustered = mode != ClusterMode::Disabled;
    if family == last.family || clustered == last.clustered {
        return vec![last];
    }
    // While cluster mode is compatible AWS upgrades nothing, so the mode changes first; otherwise the engine does.
    let between = match mode {
        ClusterMode::Compatible => Kind { family, clustered: last.clustered },
        ClusterMode::Disabled | ClusterMode::Enabled => Kind { family: last.family.clone(), clustered },
    };
    vec![between, last]
}

fn name(desired: &Desired, kind: &Kind) -> String {
    desired.parameter_group_for(&kind.family, kind.clustered)
}

/// The parameter group in which the group ends.
pub(super) fn parameter_group(desired: &Desired, observed: &Observed) -> String {
    kinds(desired, observed).last().map(|kind| name(desired, kind)).unwrap_or_default()
}

/// The parameter group that a new group is made with.
pub(super) fn for_create(desired: &Desired) -> String {
    name(desired, &at_creation(desired))
}

/// The parameter group that goes with an upgrade to the wanted family: the cluster flag stays as it is.
pub(super) fn for_upgrade(pass: &Pass<'_>) -> String {
    let clustered = pass.group.cluster_mode != ClusterMode::Disabled;
    pass.desired.parameter_group_for(&pass.desired.family(), clustered)
}

/// The parameter group that goes with a change of the cluster mode: the family stays as it is. Where the flag stays too,
/// the attached group does.
pub(super) fn for_mode(pass: &Pass<'_>, mode: ClusterMode) -> Option<String> {
    let member = pass.observed.first_member()?;
    let clustered = mode != ClusterMode::Disabled;
    if clustered == (pass.group.cluster_mode != ClusterMode::Disabled) {
        return Some(member.parameter_group.clone());
    }
    Some(pass.desired.parameter_group_for(&member.family()?, clustered))
}

/// Whether a parameter group of the user's would be needed in two kinds, of which one group can only have one.
pub(super) fn needs_two_of_the_users(desired: &Desired, observed: &Observed) -> bool {
    matches!(desired.parameters, Parameters::Named(_)) && kinds(desired, observed).len() > 1
}

/// Makes and fills the groups of ours that the change goes through.
pub(super) fn steps(desired: &Desired, observed: &Observed) -> Vec<Step> {
    let Parameters::Own(values) = &desired.parameters else { return Vec::new() };
    // Which ones these are only members tell, and a busy group does not show them.
    if observed.group.is_some() && observed.first_member().is_none() {
        return Vec::new();
    }
    let kept = |kind: &Kind| {
        let name = name(desired, kind);
        match observed.parameter_groups.iter().find(|group| group.name == name) {
            None => Some(Step::CreateParameterGroup {
                name,
                family: kind.family.clone(),
                description: format!("Parameters of {}", desired.names.replication_group),
                tags: desired.tags.clone(),
            }),
            Some(group) => set_values(&with_flag(values, kind.clustered), group, observed),
        }
    };
    kinds(desired, observed).iter().filter_map(kept).collect()
}

/// The template's values with the cluster flag of the kind; without cluster mode it is the default, and not set.
fn with_flag(values: &BTreeMap<String, String>, clustered: bool) -> BTreeMap<String, String> {
    let mut values = values.clone();
    values.remove(CLUSTER_FLAG);
    if clustered {
        values.insert(CLUSTER_FLAG.to_owned(), "yes".to_owned());
    }
    values
}

/// The next call towards these values. AWS refuses a second call while the first is pending, so a round holds one call and
/// the next round the rest.
fn set_values(values: &BTreeMap<String, String>, group: &ParameterGroup, observed: &Observed) -> Option<Step> {
    let mut changed: Vec<(&String, &String)> =
        values.iter().filter(|(key, value)| group.values.get(*key) != Some(*value)).collect();
    changed.sort_by_key(|(key, _)| (*key != CLUSTER_FLAG, *key));
    if let Some(first) = changed.chunks(PARAMETERS_PER_CALL).next() {
        let values = first.iter().map(|(key, value)| ((*key).clone(), (*value).clone())).collect();
        return Some(Step::ModifyParameters { name: group.name.clone(), values });
    }
    let stays = |key: &String| values.contains_key(key) || observed.unresettable.contains(key);
    let dropped: Vec<(&String, &String)> = group.values.iter().filter(|(key, _)| !stays(key)).collect();
    let per_call = if observed.resets_singly { 1 } else { PARAMETERS_PER_CALL };
    let first = dropped.chunks(per_call).next()?.iter();
    let values = first.map(|(key, value)| ((*key).clone(), (*value).clone())).collect();
    Some(Step::ResetParameters { name: group.name.clone(), values })
}

/// Removes the groups of ours that nothing uses any more. What waits for the maintenance window still uses the old one: it
/// goes with a later Update or with the Delete.
pub(super) fn unused(desired: &Desired, observed: &Observed) -> Vec<Step> {
    if !desired.apply_immediately {
        return Vec::new();
    }
    let needed: Vec<String> = kinds(desired, observed).iter().map(|kind| name(desired, kind)).collect();
    let used = |name: &String| {
        needed.contains(name) || observed.members.values().any(|member| member.parameter_group == *name)
    };
    let unused = observed.parameter_groups.iter().filter(|group| !used(&group.name) && desired.owner.owns(&group.tags));
    unused.map(|group| Step::DeleteParameterGroup { name: group.name.clone() }).collect()
}
