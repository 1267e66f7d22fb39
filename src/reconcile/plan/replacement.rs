//! What cannot be granted: things that belong to somebody else, and changes that AWS does not make in place.

use super::engine::is_newer;
use super::surroundings::takes_over;
use super::{Wish, cluster_mode, login, transit};
use crate::desired::{Auth, Desired, TAG_TOKEN_SOURCE, TAG_TOKEN_VERSION};
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

/// Changes of the login that AWS or this version does not make on a standing group.
fn access(wish: Wish<'_>, group: &Group, observed: &Observed, problems: &mut Vec<Problem>) {
    let desired = wish.desired;
    let optional = login::token_is_optional(group, observed);
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
    if group.auth_token_enabled {
        token_source(wish, observed, problems);
    }
    let lost = |secret: &Secret| secret.content.is_none() && !secret.deleted;
    if group.auth_token_enabled && desired.auth.keeps_secret() && observed.secret.as_ref().is_some_and(lost) {
        let rule = "the secret no longer holds the token in the documented form";
        let fix = "put the last version of the secret back as AWSCURRENT";
        problems.push(Problem::new("SecretName", rule, fix).with_value(&desired.secret.name));
    }
    let made_for = observed.secret.as_ref().filter(|_| group.auth_token_enabled).map(|s| s.tags.get(TAG_TOKEN_VERSION));
    if let (Auth::Generated { version }, Some(made_for)) = (&desired.auth, made_for)
        && made_for != version.as_ref()
    {
        let was = made_for.map_or("not set", String::as_str);
        let rule = format!("was {was}, and this version of the resource cannot rotate the token of a standing group");
        let problem = Problem::new("AuthTokenVersion", rule, "put it back");
        problems.push(problem.with_value(version.as_deref().unwrap_or("not set")));
    }
    let stored = observed.secret.as_ref().and_then(|secret| secret.content.as_ref());
    if let (true, Auth::Literal(token), Some(content)) = (group.auth_token_enabled, &desired.auth, stored)
        && content.token() != *token
    {
        let rule =
            "differs from the token in use, and this version of the resource cannot change it on a standing group";
        problems.push(Problem::new("AuthToken", rule, "put the old one back"));
    }
}

/// Where the token of a standing group is kept. AWS never gives a token back, so the secret that holds it is the only
/// one that can; another source would look right and not open the cache.
fn token_source(wish: Wish<'_>, observed: &Observed, problems: &mut Vec<Problem>) {
    let desired = wish.desired;
    let own = observed.secret.as_ref().filter(|secret| desired.owner.owns(&secret.tags) && !secret.deleted);
    let renamed = wish.previous.is_some_and(|previous| previous.secret.name != desired.secret.name);
    match &desired.auth {
        Auth::Generated { .. } | Auth::Literal(_) if observed.secret.is_none() => {
            // A literal token can be stored again, unless the secret was only renamed and the old one still stands.
            if matches!(desired.auth, Auth::Generated { .. }) || renamed {
                let rule = "there is no such secret, and the token of a standing cluster cannot be read back from AWS";
                let fix = "put SecretName and the source of the token back, or restore the secret";
                problems.push(Problem::new("SecretName", rule, fix));
            }
        }
        Auth::Foreign { .. } => {
            let tags = observed.subnet_group.as_ref().map(|group| &group.tags);
            let read_from = tags.and_then(|tags| tags.get(TAG_TOKEN_SOURCE));
            let elsewhere = read_from.is_some_and(|source| Some(source) != desired.token_source().as_ref());
            if own.is_some() || elsewhere {
                let rule = "the standing cluster has its token from another source, and this version cannot change it";
                problems.push(Problem::new("AuthTokenSecretArn", rule, "put the old source of the token back"));
            }
        }
        Auth::Open | Auth::Generated { .. } | Auth::Literal(_) | Auth::UserGroup(_) => {}
    }
    if let Some(secret) = own.filter(|_| desired.auth.keeps_secret())
        && !same_key(secret.kms_key_id.as_deref(), desired.secret.kms_key_id.as_deref())
    {
        let name = |key: &Option<String>| key.clone().unwrap_or_else(|| "AWS's own key".to_owned());
        let rule = format!("is {}, and this version cannot change it", name(&secret.kms_key_id));
        let problem = Problem::new("SecretKmsKeyId", rule, "put it back");
        problems.push(problem.with_value(name(&desired.secret.kms_key_id)));
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
