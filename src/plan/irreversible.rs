//! What a rollback cannot take back: changes that AWS makes in one direction only.
//!
//! A rollback that fails leaves the stack in `UPDATE_ROLLBACK_FAILED`, and a new cluster would lose data. So what stands
//! stays, everything else is taken back, and a warning says what to write into the template.

use super::obstacles::{self, Replacing};
use super::types::{Direction, Pass, Transition};
use crate::desired::{Auth, Desired, Parameters, Topology};
use crate::domain::tags::{TAG_KEPT_VERSION, Tags};
use crate::observed::{Group, Member, Observed, pending};
use crate::properties::{ClusterMode, NetworkType};
use crate::step::{Step, TagTarget};

/// The desired state of a rollback as far as AWS allows it, and what stays as it is; `None` when nothing stands against it.
#[must_use]
pub fn adjust_rollback(transition: Transition<'_>, observed: &Observed) -> Option<(Desired, Vec<Replacing>)> {
    if transition.direction != Direction::Rollback {
        return None;
    }
    let group = observed.group.as_ref()?;
    let mut desired = transition.desired.clone();
    // What is applied at once takes along an upgrade that waits, and AWS takes back none.
    let upgrade_waits = observed.members.values().any(|member| member.pending.contains(pending::ENGINE_VERSION));
    if upgrade_waits && !observed.first_member().is_some_and(|member| member.is_to_become(&desired)) {
        desired.apply_immediately = false;
    }
    let mut kept: Vec<Replacing> = Vec::new();
    loop {
        let obstacles = obstacles::obstacles(Transition { desired: &desired, ..transition }, observed);
        let refused = obstacles.refused.iter().map(|problem| problem.property.as_str());
        let refused: Vec<Replacing> =
            refused.filter_map(|property| refused_change(property, &desired, observed)).collect();
        let is_new = |change: &Replacing| kept.iter().all(|known| known.property != change.property);
        let mut changes: Vec<Replacing> = obstacles.replacing.into_iter().chain(refused).filter(is_new).collect();
        // The engine that stays may take back more than the one that was asked for.
        if changes.iter().any(is_engine) {
            changes.retain(is_engine);
        }
        if changes.is_empty() {
            break;
        }
        for change in &changes {
            keep(change.property, transition.previous, group, observed, &mut desired);
        }
        kept.extend(changes);
    }
    (desired != *transition.desired).then_some((desired, kept))
}

fn is_engine(change: &Replacing) -> bool {
    matches!(change.property, "EngineVersion" | "Engine")
}

/// What has to stay because AWS refuses it for now.
fn refused_change(property: &str, desired: &Desired, observed: &Observed) -> Option<Replacing> {
    let group = observed.group.as_ref()?;
    let change = |property, is: &dyn ToString, wanted: &dyn ToString| Some(Replacing::new(property, is, wanted));
    match property {
        "EngineVersion" => change("EngineVersion", observed.first_member()?.version.as_ref()?, &desired.version),
        "ClusterMode" | "ApplyImmediately" | "ParameterGroupName" => {
            change("ClusterMode", &group.cluster_mode, &desired.cluster_mode)
        }
        _ => None,
    }
}

/// Makes the standing group's value of a property the wanted one.
fn keep(property: &str, previous: Option<&Desired>, group: &Group, observed: &Observed, desired: &mut Desired) {
    match property {
        "VpcId" => {
            if let Some(subnet_group) = &observed.subnet_group {
                desired.vpc_id.clone_from(&subnet_group.vpc_id);
                desired.subnet_ids.clone_from(&subnet_group.subnet_ids);
            }
        }
        "Port" => desired.port = group.main_endpoint().map_or(desired.port, |endpoint| endpoint.port),
        "AtRestEncryptionEnabled" | "KmsKeyId" => {
            desired.at_rest_encryption = group.at_rest_encryption;
            desired.kms_key_id.clone_from(&group.kms_key_id);
        }
        "Durability" => desired.durability.clone_from(&group.durability),
        "NetworkType" => {
            desired.network_type = match group.network_type.as_deref() {
                Some("ipv6") => Some(NetworkType::Ipv6),
                Some("dual_stack") => Some(NetworkType::DualStack),
                _ => None,
            };
        }
        "DataTieringEnabled" => desired.data_tiering = Some(group.data_tiering),
        "EngineVersion" | "Engine" => keep_version(observed.first_member(), desired),
        "TransitEncryptionEnabled" => desired.tls = group.tls,
        "ClusterMode" => keep_shape(group, observed, desired),
        "AuthTokenEnabled" | "AuthToken" | "AuthTokenSecretArn" => {
            match previous.map(|previous| &previous.auth) {
                Some(auth @ (Auth::Generated { .. } | Auth::Literal(_) | Auth::External { .. })) => {
                    desired.auth.clone_from(auth);
                }
                // Neither template names it: an earlier rollback left it.
                Some(Auth::Open | Auth::UserGroup(_)) | None => desired.token_stays = true,
            }
            desired.tls = group.tls;
        }
        // The name: what stands keeps its own.
        _ => {}
    }
}

fn keep_version(member: Option<&Member>, desired: &mut Desired) {
    let Some(member) = member else { return };
    let Some((engine, version)) = member.engine.zip(member.version.clone()) else { return };
    let family_stays = version.family(engine) == desired.family();
    (desired.engine, desired.version) = (engine, version);
    if !family_stays && matches!(desired.parameters, Parameters::Named(_)) {
        // It is of the family of before.
        desired.parameters = Parameters::Named(member.parameter_group.clone());
    }
    desired.kept_version = Some(desired.version.clone());
}

fn keep_shape(group: &Group, observed: &Observed, desired: &mut Desired) {
    let mode = group.cluster_mode;
    desired.cluster_mode = mode;
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let nodes = count(observed.members.len().max(group.member_ids.len()));
    desired.topology = if mode == ClusterMode::Enabled {
        let largest = group.shards.iter().map(|shard| shard.member_ids.len()).max().unwrap_or(1);
        Topology::Sharded {
            shards: count(group.shards.len()),
            replicas: count(largest).saturating_sub(1),
            layout: Vec::new(),
        }
    } else {
        Topology::Single { nodes }
    };
    desired.multi_az &= group.shards.iter().all(|shard| shard.member_ids.len() > 1);
    if mode != ClusterMode::Disabled {
        desired.node_type.clone_from(&group.node_type);
        desired.automatic_failover = true;
    }
    if let (Parameters::Named(_), Some(member)) = (&desired.parameters, observed.first_member()) {
        desired.parameters = Parameters::Named(member.parameter_group.clone());
    }
}

/// Notes that a rollback left a newer engine, so that the next Update that asks for the older one is refused. An older
/// version in the template alone says nothing: AWS upgrades by itself too.
pub(super) fn note(pass: &Pass<'_>) -> Vec<Step> {
    let Some(group) = &pass.observed.subnet_group else { return Vec::new() };
    let target = TagTarget::ElastiCache(group.arn.clone());
    let wanted = pass.desired.kept_version.as_ref().map(ToString::to_string);
    match (wanted, group.tags.get(TAG_KEPT_VERSION)) {
        (Some(version), noted) if noted != Some(&version) => {
            vec![Step::Tag { target, tags: Tags::from([(TAG_KEPT_VERSION.to_owned(), version)]) }]
        }
        (None, Some(_)) => vec![Step::Untag { target, keys: [TAG_KEPT_VERSION.to_owned()].into() }],
        _ => Vec::new(),
    }
}
