//! What the user should know although everything went well.

use std::collections::BTreeSet;

use super::engine::is_newer;
use super::{Wish, token};
use crate::desired::Auth;
use crate::observed::Observed;

/// The warnings about a converged group.
#[must_use]
pub fn warnings(wish: Wish<'_>, observed: &Observed) -> Vec<String> {
    let desired = wish.desired;
    let mut warnings = Vec::new();
    if let Some(previous) = wish.previous
        && previous.restore != desired.restore
    {
        warnings.push("SnapshotName and SnapshotArns count at creation only; their change was ignored".to_owned());
    }
    if desired.auth == Auth::Open && observed.group.as_ref().is_some_and(|group| token::is_optional(group, observed)) {
        warnings.push("the cache also accepts the token of an update that failed; AWS cannot take it away".to_owned());
    }
    if let Some(actual) = observed.first_member().and_then(|member| member.version.as_ref())
        && is_newer(actual, &desired.version)
        && !actual.matches(&desired.version)
    {
        warnings
            .push(format!("the engine runs {actual}, newer than EngineVersion {}; set it to that", desired.version));
    }
    warnings.extend(waiting(observed));
    if observed.members.values().any(|member| member.parameter_status == "pending-reboot") {
        warnings.push("some parameters take effect at the next reboot of the nodes".to_owned());
    }
    warnings
}

/// What waits for the maintenance window, asked for by this wish or by one before.
fn waiting(observed: &Observed) -> Option<String> {
    let mut pending: BTreeSet<String> = observed.group.iter().flat_map(|group| group.pending.clone()).collect();
    pending.extend(observed.members.values().flat_map(|member| member.pending.clone()));
    let asked = observed.asked_parameter_group.as_ref();
    let shows = |name: &String| observed.members.values().any(|member| member.parameter_group == *name);
    pending.extend(asked.filter(|name| !shows(name)).map(|_| "CacheParameterGroup".to_owned()));
    let names: Vec<String> = pending.into_iter().collect();
    (!names.is_empty()).then(|| format!("waiting for the maintenance window: {}", names.join(", ")))
}
