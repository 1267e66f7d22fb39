//! What cannot be granted: things that belong to somebody else, and changes that AWS does not make in place.

use super::engine::is_newer;
use super::surroundings::takes_over;
use super::{Wish, cluster_mode, token, transit};
use crate::desired::{Auth, Desired};
use crate::observed::{Group, Member, Observed};
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
    if let Some(secret) = observed.secret.as_ref().filter(|secret| {
        desired.auth.keeps_secret() && !owner.owns(&secret.tags) && !takes_over(desired, observed, secret)
    }) {
        refuse(
            format!("secret {}", secret.name),
            "set SecretName to a free name, or use AuthTokenSecretArn to read it",
        );
    }
    problems
}

/// Changes of a standing group that AWS does not make in place.
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
    access(wish, group, observed, &mut problems);
    tls(desired, group, &mut problems);
    shape(desired, group, observed, &mut problems);
    problems
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
    // Between sync and async it changes in place; whether there is any is fixed at creation.
    let durable = |durability: Option<&str>| matches!(durability, Some("sync" | "async"));
    if durable(group.durability.as_deref()) != durable(desired.durability.as_deref()) {
        let name = |durability: &Option<String>| durability.clone().unwrap_or_else(|| "off".to_owned());
        problems.push(fixed("Durability", &name(&group.durability), &name(&desired.durability)));
    }
    let network = desired.network_type.map_or("ipv4", crate::properties::NetworkType::as_str);
    if let Some(is) = group.network_type.as_deref().filter(|is| *is != network) {
        problems.push(fixed("NetworkType", is, network));
    }
}

/// AWS reports a key by its ARN; a template may give its id.
pub(super) fn same_key(actual: Option<&str>, wanted: Option<&str>) -> bool {
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

/// Changes of the login that AWS does not make on a standing group.
fn access(wish: Wish<'_>, group: &Group, observed: &Observed, problems: &mut Vec<Problem>) {
    let desired = wish.desired;
    let optional = token::is_optional(group, observed);
    if desired.auth == Auth::Open && optional && transit::actual(group) != desired.tls {
        let rule = "AWS moves TLS only without a token, and cannot take the one away that an earlier update added";
        let fix = "keep TLS required, or switch to UserGroupIds first and remove both in a second update";
        problems.push(Problem::new("TransitEncryptionEnabled", rule, fix).with_value(desired.tls));
    }
    // A token that is not required yet locks nobody out: the rollback of the update that added it may leave it.
    if desired.auth == Auth::Open && group.auth_token_enabled && !optional {
        let rule = "AWS cannot take a token away from a standing group directly";
        let fix = "switch to UserGroupIds first and remove them in a second update, or put the token back";
        problems.push(Problem::new("AuthTokenEnabled", rule, fix));
    }
}

/// TLS changes in place from Valkey 7.2 and Redis OSS 7.0.5 on.
fn tls(desired: &Desired, group: &Group, problems: &mut Vec<Problem>) {
    let actual = transit::actual(group);
    if actual != desired.tls && !desired.version.changes_tls_in_place(desired.engine) {
        problems.push(fixed("TransitEncryptionEnabled", &actual.to_string(), &desired.tls.to_string()));
    }
}

fn changes_nodes(desired: &Desired, group: &Group, member: Option<&Member>) -> bool {
    let upgrades = member.is_some_and(|member| {
        let newer = member.version.as_ref().is_some_and(|actual| is_newer(&desired.version, actual));
        newer || member.engine.is_some_and(|engine| engine != desired.engine)
    });
    upgrades || desired.node_type != group.node_type
}

fn shape(desired: &Desired, group: &Group, observed: &Observed, problems: &mut Vec<Problem>) {
    let (actual, wanted) = (cluster_mode::actual(group), desired.cluster_mode);
    if actual == wanted {
        if actual == ClusterMode::Compatible && changes_nodes(desired, group, observed.first_member()) {
            let rule = "AWS changes neither engine version nor node type while it is compatible";
            let fix = "set it to enabled or disabled together with the change, or first";
            problems.push(Problem::new("ClusterMode", rule, fix).with_value(wanted.as_str()));
        }
        return;
    }
    if actual == ClusterMode::Enabled {
        problems.push(fixed("ClusterMode", actual.as_str(), wanted.as_str()));
    } else if !desired.version.changes_tls_in_place(desired.engine) {
        let rule = "the cluster mode of a standing group changes from Valkey 7.2 and Redis OSS 7 on";
        problems.push(Problem::new("ClusterMode", rule, "raise EngineVersion first").with_value(wanted.as_str()));
    }
}
