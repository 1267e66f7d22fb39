//! What cannot be granted: things that belong to somebody else, and changes that AWS does not make in place.

use std::collections::BTreeMap;

use super::Wish;
use crate::desired::{Auth, Desired, LogDelivery, Tls, Topology};
use crate::observed::{Group, Member, Observed, Secret};
use crate::problem::Problem;
use crate::properties::ClusterMode;

/// Things under our names that are not ours.
pub(super) fn foreign(desired: &Desired, observed: &Observed) -> Vec<Problem> {
    let owner = &desired.owner;
    let id = &desired.names.replication_group;
    let mut problems = Vec::new();
    let mut refuse = |what: String, fix: &str| {
        let rule = format!("{what} exists already and does not belong to this resource");
        problems.push(Problem::new("ReplicationGroupId", rule, fix).with_value(id));
    };
    let rename = "set ReplicationGroupId to a free name, or remove what is there";
    if observed.group.is_some() && !observed.owns_group(owner) {
        refuse(format!("replication group {id}"), rename);
    }
    if let Some(group) = observed.subnet_group.as_ref().filter(|group| !owner.owns(&group.tags)) {
        refuse(format!("subnet group {}", group.name), rename);
    }
    if let Some(group) = observed.security_group.as_ref().filter(|group| !owner.owns(&group.tags)) {
        refuse(format!("security group {} ({})", group.name, group.id), rename);
    }
    for group in observed.parameter_groups.iter().filter(|group| !owner.owns(&group.tags)) {
        refuse(format!("parameter group {}", group.name), rename);
    }
    if let Some(secret) =
        observed.secret.as_ref().filter(|secret| desired.auth.keeps_secret() && !owner.owns(&secret.tags))
    {
        refuse(
            format!("secret {}", secret.name),
            "set SecretName to a free name, or use AuthTokenSecretArn to read it",
        );
    }
    problems
}

/// Changes of a standing group that AWS does not make in place, or that this version does not.
pub(super) fn problems(wish: Wish<'_>, observed: &Observed) -> Vec<Problem> {
    let desired = wish.desired;
    let Some(group) = &observed.group else { return Vec::new() };
    let mut problems = Vec::new();
    if !wish.keeps_name {
        let rule = format!("the replication group is {} and cannot be renamed", group.id);
        let fix = "keep Env, ProjectId and ReplicationGroupId, or add a second resource with the new name";
        problems.push(Problem::new("ReplicationGroupId", rule, fix));
    }
    create_only(wish, observed, group, &mut problems);
    if let Some(member) = observed.first_member() {
        downgrade(wish, member, &mut problems);
    }
    login(desired, group, observed, &mut problems);
    shape(desired, group, &mut problems);
    if group.logs != desired.logs {
        problems.push(unsupported("LogDelivery", &log_types(&group.logs), &log_types(&desired.logs)));
    }
    problems
}

fn log_types(logs: &BTreeMap<String, LogDelivery>) -> String {
    if logs.is_empty() {
        return "off".to_owned();
    }
    let one = |(kind, log): (&String, &LogDelivery)| format!("{kind} to {} as {}", log.destination, log.format);
    logs.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A change of a property that AWS fixes at creation.
fn fixed(property: &str, is: &str, wanted: &str) -> Problem {
    let rule = format!("is {is} and AWS cannot change it in place");
    let fix = format!("put {is} back, or make a second resource with {wanted} and move the data over");
    Problem::new(property, rule, fix).with_value(wanted)
}

fn create_only(wish: Wish<'_>, observed: &Observed, group: &Group, problems: &mut Vec<Problem>) {
    let desired = wish.desired;
    if let Some(vpc) = observed.subnet_group.as_ref().map(|group| &group.vpc_id).filter(|vpc| **vpc != desired.vpc_id) {
        problems.push(fixed("VpcId", vpc, &desired.vpc_id));
    }
    // A rollback carries the port that the group has, whatever the previous wish was, so both must differ.
    let port = group.main_endpoint().map(|endpoint| endpoint.port);
    if let (Some(port), Some(previous)) = (port, wish.previous)
        && port != desired.port
        && previous.port != desired.port
    {
        problems.push(fixed("Port", &port.to_string(), &desired.port.to_string()));
    }
    if group.at_rest_encryption != desired.at_rest_encryption {
        let (is, wanted) = (group.at_rest_encryption.to_string(), desired.at_rest_encryption.to_string());
        problems.push(fixed("AtRestEncryptionEnabled", &is, &wanted));
    }
    if !same_key(group.kms_key_id.as_deref(), desired.kms_key_id.as_deref()) {
        let name = |key: &Option<String>| key.clone().unwrap_or_else(|| "AWS's own key".to_owned());
        problems.push(fixed("KmsKeyId", &name(&group.kms_key_id), &name(&desired.kms_key_id)));
    }
    if desired.data_tiering.unwrap_or(false) != group.data_tiering {
        problems.push(fixed("DataTieringEnabled", &group.data_tiering.to_string(), &(!group.data_tiering).to_string()));
    }
    let network = desired.network_type.map_or("ipv4", crate::properties::NetworkType::as_str);
    if let Some(is) = group.network_type.as_deref().filter(|is| *is != network) {
        problems.push(fixed("NetworkType", is, network));
    }
}

/// AWS reports a key by its ARN; a template may give its id.
fn same_key(actual: Option<&str>, wanted: Option<&str>) -> bool {
    match (actual, wanted) {
        (Some(actual), Some(wanted)) => {
            actual == wanted || actual.rsplit('/').next() == wanted.rsplit('/').next() || wanted.contains("alias/")
        }
        (None, None) => true,
        // Some groups show AWS's own key although none was asked for.
        (Some(actual), None) => actual.contains("alias/aws/"),
        (None, Some(_)) => false,
    }
}

fn downgrade(wish: Wish<'_>, member: &Member, problems: &mut Vec<Problem>) {
    let desired = wish.desired;
    let (Some(engine), Some(version)) = (member.engine, member.version.as_ref()) else { return };
    let unchanged = wish.previous.is_none_or(|previous| previous.version == desired.version);
    if engine == desired.engine {
        let older = (desired.version.major, desired.version.minor) < (version.major, version.minor);
        // An unchanged EngineVersion below the actual one means that AWS upgraded by itself; that is a warning.
        if older && !unchanged {
            problems.push(fixed("EngineVersion", &version.to_string(), &desired.version.to_string()));
        }
    } else if engine == crate::engine::Engine::Valkey
        && !((version.major, version.minor) == (7, 2) && (desired.version.major, desired.version.minor) == (7, 1))
    {
        // The only way back that AWS offers is valkey 7.2 to redis 7.1.
        problems.push(fixed(
            "Engine",
            &format!("{engine} {version}"),
            &format!("{} {}", desired.engine, desired.version),
        ));
    }
}

/// A change that AWS can make but this version of the resource cannot.
fn unsupported(property: &str, is: &str, wanted: &str) -> Problem {
    let rule = format!("is {is}, and this version of the resource cannot change it on a standing group");
    Problem::new(property, rule, format!("put {is} back")).with_value(wanted)
}

fn login(desired: &Desired, group: &Group, observed: &Observed, problems: &mut Vec<Problem>) {
    let tls = match (group.transit_encryption, group.transit_encryption_mode.as_deref()) {
        (false, _) => Tls::Off,
        (true, Some("preferred")) => Tls::Preferred,
        (true, _) => Tls::Required,
    };
    if tls != desired.tls && group.pending.is_empty() {
        problems.push(unsupported("TransitEncryptionEnabled", tls_name(tls), tls_name(desired.tls)));
    }
    let is = match (group.auth_token_enabled, group.user_group_ids.first()) {
        (true, _) => "a token",
        (false, Some(_)) => "a user group",
        (false, None) => "open",
    };
    let wanted = match &desired.auth {
        Auth::Open => "open",
        Auth::UserGroup(_) => "a user group",
        Auth::Generated { .. } | Auth::Literal(_) | Auth::Foreign { .. } => "a token",
    };
    if is != wanted {
        problems.push(unsupported("AuthTokenEnabled", is, wanted));
    }
    let lost = |secret: &Secret| secret.content.is_none() && !secret.deleted;
    if desired.auth.keeps_secret() && observed.secret.as_ref().is_some_and(lost) {
        let rule = "the secret no longer holds the token in the documented form";
        let fix = "put the last version of the secret back as AWSCURRENT";
        problems.push(Problem::new("SecretName", rule, fix).with_value(&desired.secret.name));
    }
    if let (Auth::Literal(token), Some(content)) =
        (&desired.auth, observed.secret.as_ref().and_then(|secret| secret.content.as_ref()))
        && content.token() != *token
    {
        let rule =
            "differs from the token in use, and this version of the resource cannot change it on a standing group";
        problems.push(Problem::new("AuthToken", rule, "put the old one back"));
    }
}

fn tls_name(tls: Tls) -> &'static str {
    match tls {
        Tls::Off => "off",
        Tls::Preferred => "preferred",
        Tls::Required => "required",
    }
}

fn shape(desired: &Desired, group: &Group, problems: &mut Vec<Problem>) {
    let wanted = desired.cluster_mode != ClusterMode::Disabled;
    if group.cluster_enabled != wanted {
        let name = |on: bool| if on { "on" } else { "off" };
        problems.push(unsupported("ClusterMode", name(group.cluster_enabled), name(wanted)));
        return;
    }
    let Topology::Sharded { shards, replicas, layout } = &desired.topology else { return };
    if usize::try_from(*shards) != Ok(group.shards.len()) {
        problems.push(unsupported("NumNodeGroups", &group.shards.len().to_string(), &shards.to_string()));
    } else if layout.is_empty()
        && let Some((_, actual)) = group.replicas_per_shard().into_iter().find(|(_, actual)| actual != replicas)
    {
        problems.push(unsupported("ReplicasPerNodeGroup", &actual.to_string(), &replicas.to_string()));
    }
}
