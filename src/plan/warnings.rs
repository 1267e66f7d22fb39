//! What the user should know although everything went well.

use std::collections::BTreeSet;

use super::alarms;
use super::dependencies::subnets_in_use;
use super::types::Transition;
use crate::auth::token;
use crate::desired::{Auth, Desired};
use crate::domain::window::overlap;
use crate::observed::{Observed, Secret, pending};
use crate::properties::NodeGroupProperties;

/// The warnings about a converged group. None holds a semicolon, which is what stands between two of them.
#[must_use]
pub fn warnings(transition: Transition<'_>, observed: &Observed) -> Vec<String> {
    let desired = transition.desired;
    let mut warnings = Vec::new();
    if let Some(previous) = transition.previous {
        warnings.extend(ignored(previous, desired));
    }
    if desired.auth == Auth::Open && observed.group.as_ref().is_some_and(|group| token::is_optional(group, observed)) {
        warnings
            .push("the cache also accepts the token of an update that failed, and AWS cannot take it away".to_owned());
    }
    if let Some(actual) = observed.first_member().and_then(|member| member.version.as_ref())
        && actual.is_newer_than(&desired.version)
        && !actual.matches(&desired.version)
    {
        warnings
            .push(format!("the engine runs {actual}, newer than EngineVersion {}: set it to that", desired.version));
    }
    for (id, zone) in subnets_in_use(desired, observed) {
        warnings.push(format!("{id} is still in the subnet group, because AWS kept a node in {zone}"));
    }
    warnings.extend(secrets(desired, observed));
    warnings.extend(waiting(observed));
    warnings.extend(window_in_the_way(desired, observed));
    warnings.extend(failing_logs(desired, observed));
    warnings.extend(alarms::warnings(desired, observed));
    if !observed.unresettable.is_empty() {
        let names = crate::step::group::join(&observed.unresettable);
        warnings.push(format!("AWS does not reset these parameters, which keep their values: {names}"));
    }
    if observed.members.values().any(|member| member.awaits_reboot) {
        warnings.push("some parameters take effect at the next reboot of the nodes".to_owned());
    }
    warnings
}

/// Secrets that stay as they are although that helps nobody.
fn secrets(desired: &Desired, observed: &Observed) -> Vec<String> {
    let broken = token::flaw(desired, observed).filter(|_| desired.auth.keeps_secret());
    let broken = broken.map(|(secret, flaw)| {
        let name = &secret.name;
        format!("no password can be read from secret {name}: {flaw}: put it back, or change AuthTokenVersion")
    });
    let own = observed.secret.as_ref().filter(|_| !desired.auth.keeps_secret());
    let useless = own.into_iter().chain(&observed.former_secret);
    let ours = useless.filter(|secret| !secret.deleted && desired.owner.owns(&secret.tags));
    let replicated = ours.filter(|secret| !secret.replicas.is_empty()).map(Secret::kept_for_replicas);
    let numbered = desired.secret.numbered.as_ref().map(|numbered| {
        let (name, usual) = (numbered.name(), &numbered.usual);
        format!("the password is in secret {name}, because the secret of a deleted stack had the name {usual}")
    });
    broken.into_iter().chain(replicated).chain(numbered).collect()
}

/// A window that was not set because it overlaps the other one, which the template no longer says and AWS keeps.
fn window_in_the_way(desired: &Desired, observed: &Observed) -> Option<String> {
    let settings = observed.settings();
    let snapshot = settings.snapshot_window.unwrap_or_default();
    let maintenance = settings.maintenance_window.unwrap_or_default();
    let in_the_way = |property, wanted: &str, other, kept| {
        format!("{property} {wanted} was not set: it overlaps {other} {kept}, which AWS keeps: set that one too")
    };
    match (desired.settings.snapshot_window.as_deref(), desired.settings.maintenance_window.as_deref()) {
        (Some(wanted), None) if overlap(wanted, &maintenance) => {
            Some(in_the_way("SnapshotWindow", wanted, "MaintenanceWindow", &maintenance))
        }
        (None, Some(wanted)) if overlap(&snapshot, wanted) => {
            Some(in_the_way("MaintenanceWindow", wanted, "SnapshotWindow", &snapshot))
        }
        (_, _) => None,
    }
}

/// Log deliveries that have ceased to work.
fn failing_logs(desired: &Desired, observed: &Observed) -> Vec<String> {
    let Some(group) = &observed.group else { return Vec::new() };
    let wanted = group.log_failures.iter().filter_map(|(kind, message)| Some((kind, desired.logs.get(kind)?, message)));
    wanted
        .map(|(kind, log, message)| {
            format!("the {kind} is not delivered to {}: {message}", log.destination).replace(';', ",")
        })
        .collect()
}

/// Changes of the template that change nothing at AWS.
fn ignored(previous: &Desired, desired: &Desired) -> Vec<String> {
    let mut ignored = Vec::new();
    let mut warn = |text: &str| ignored.push(text.to_owned());
    if previous.restore != desired.restore {
        warn("SnapshotName and SnapshotArns count at creation only: their change was ignored");
    }
    if previous.preferred_zones != desired.preferred_zones {
        warn("PreferredAvailabilityZones counts at creation only: its change was ignored");
    }
    if is_placed_anew(previous, desired) {
        warn("Slots and zones in NodeGroupConfiguration count at creation only: their change was ignored");
    }
    let by_alias = desired.kms_key_id.as_ref().filter(|key| key.contains("alias/"));
    if by_alias.is_some() && previous.kms_key_id != desired.kms_key_id {
        warn("KmsKeyId names an alias, which AWS does not show: its change was ignored, name the key by its id");
    }
    for property in desired.settings.removed_since(&previous.settings) {
        warn(&format!("{property} was removed, and AWS keeps the last one"));
    }
    ignored
}

/// Whether a shard is wanted with other slots or in other zones than before. A layout names its shards by id or by
/// position.
fn is_placed_anew(previous: &Desired, desired: &Desired) -> bool {
    let (before, after) = (previous.topology.layout(), desired.topology.layout());
    let placement = |shard: &NodeGroupProperties| {
        (shard.slots.clone(), shard.primary_availability_zone.clone(), shard.replica_availability_zones.clone())
    };
    after.iter().enumerate().any(|(index, shard)| {
        let named =
            before.iter().find(|other| shard.node_group_id.is_some() && other.node_group_id == shard.node_group_id);
        let same = named.or_else(|| before.get(index).filter(|_| shard.node_group_id.is_none()));
        same.map(placement).unwrap_or_default() != placement(shard)
    })
}

/// What waits for the maintenance window, asked for now or before.
fn waiting(observed: &Observed) -> Option<String> {
    let mut pending: BTreeSet<String> = observed.group.iter().flat_map(|group| group.pending.clone()).collect();
    pending.extend(observed.members.values().flat_map(|member| member.pending.clone()));
    let asked = observed.asked_parameter_group.as_ref();
    let shows = |name: &String| observed.members.values().any(|member| member.parameter_group == *name);
    pending.extend(asked.filter(|name| !shows(name)).map(|_| pending::PARAMETER_GROUP.to_owned()));
    let names: Vec<String> = pending.into_iter().collect();
    (!names.is_empty()).then(|| format!("waiting for the maintenance window: {}", names.join(", ")))
}
