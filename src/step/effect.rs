//! What a step does at AWS, as far as the plan reads it: pure.
//!
//! The forecast takes the effects of all steps for granted. A run takes over those that AWS's answer tells in full
//! ([`show`]), so that what it has just made need not be asked for; it asks for everything else.

use std::collections::BTreeMap;

use crate::desired::{Tls, Topology};
use crate::domain::alarm::Alarm;
use crate::domain::engine::Version;
use crate::domain::secret::{AuthToken, SecretContent};
use crate::domain::tags::Tags;
use crate::observed::{
    Endpoint, FoundSnapshot, Group, Member, Observed, ParameterGroup, STAGE_CURRENT, STAGE_PENDING, Secret,
    SecurityGroup, Shard, Status, SubnetGroup, pending,
};
use crate::properties::{ClusterMode, NetworkType};
use crate::step::group::{GroupChange, NewGroup, Replicas};
use crate::step::{AuthChange, NewSecret, Step, TagTarget};

/// What AWS answered to a step that it accepted.
#[derive(Debug)]
pub enum Made {
    /// Nothing that is not in the step.
    Nothing,
    /// The ARN or id of what is new.
    Id(String),
    /// The new subnet group, without its tags.
    SubnetGroup(Box<SubnetGroup>),
    /// The new secret with its content.
    Secret(Box<Secret>),
}

/// Where the effect of an accepted step is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It is known, and was added to what was seen.
    Known,
    /// AWS works on the group.
    Works,
    /// In the secret.
    InSecret,
    /// In an observation of everything.
    Elsewhere,
}

/// Adds the effect of a step that AWS accepted to what was seen, where step and answer tell all of it.
#[must_use]
pub fn show(step: &Step, made: &Made, observed: &mut Observed) -> Effect {
    match (step, made) {
        (Step::CreateSubnetGroup { tags, .. }, Made::SubnetGroup(group)) if !group.arn.is_empty() => {
            observed.subnet_group = Some(SubnetGroup { tags: tags.clone(), ..(**group).clone() });
        }
        (Step::CreateSecurityGroup { .. }, Made::Id(id)) if !id.is_empty() => {
            apply(step, "", observed);
            observed.security_group.iter_mut().for_each(|group| group.id.clone_from(id));
        }
        (Step::CreateParameterGroup { .. }, Made::Id(arn)) if !arn.is_empty() => {
            apply(step, "", observed);
            observed.parameter_groups.last_mut().into_iter().for_each(|group| group.arn.clone_from(arn));
        }
        (Step::CreateSecret(_), Made::Secret(secret)) => observed.secret = Some((**secret).clone()),
        (
            Step::Tag { target: TagTarget::ElastiCache(arn), .. }
            | Step::Untag { target: TagTarget::ElastiCache(arn), .. },
            _,
        ) if observed.group.as_ref().is_some_and(|group| group.arn == *arn) => {
            apply(step, "", observed);
            return Effect::Works;
        }
        // What a secret that can be restored looks like is not asked: nobody needs it any more.
        (
            Step::AuthorizeIngress { .. }
            | Step::ModifyParameters { .. }
            | Step::DeleteSubnetGroup { .. }
            | Step::DeleteSecurityGroup { .. }
            | Step::DeleteParameterGroup { .. }
            | Step::DeleteSecret { .. }
            | Step::PutSecret { .. }
            | Step::PutAlarms { .. }
            | Step::DeleteAlarms { .. }
            | Step::Tag { .. }
            | Step::Untag { .. },
            _,
        ) => apply(step, "", observed),
        (Step::CreateGroup(new), _) => {
            // Its tags are listed only when it is available, and then are these.
            observed.group = Some(Group { id: new.id.clone(), tags: Some(new.tags.clone()), ..Group::default() });
            return Effect::Works;
        }
        (Step::DeleteGroup { .. }, _) => return Effect::Works,
        _ if step.changes_group() => return Effect::Works,
        (
            Step::RestoreSecret { .. }
            | Step::StageSecret(_)
            | Step::PromoteSecret { .. }
            | Step::UnstageSecret { .. }
            | Step::SetSecretKey { .. },
            _,
        ) => return Effect::InSecret,
        _ => return Effect::Elsewhere,
    }
    Effect::Known
}

/// Changes `observed` as the step would, at once. `vpc_id` is where a subnet group is made.
pub(crate) fn apply(step: &Step, vpc_id: &str, observed: &mut Observed) {
    match step {
        Step::CreateSubnetGroup { .. }
        | Step::ModifySubnetGroup { .. }
        | Step::DeleteSubnetGroup { .. }
        | Step::CreateSecurityGroup { .. }
        | Step::AuthorizeIngress { .. }
        | Step::RevokeIngress { .. }
        | Step::DeleteSecurityGroup { .. } => network(step, vpc_id, observed),
        Step::CreateParameterGroup { .. }
        | Step::ModifyParameters { .. }
        | Step::ResetParameters { .. }
        | Step::DeleteParameterGroup { .. } => parameters(step, &mut observed.parameter_groups),
        Step::CreateSecret(secret) => observed.secret = Some(stored(secret)),
        Step::DeleteSecret { arn, .. } => {
            observed.secret.take_if(|secret| secret.arn == *arn);
            observed.former_secret.take_if(|secret| secret.arn == *arn);
        }
        Step::RestoreSecret { .. }
        | Step::PutSecret { .. }
        | Step::StageSecret(_)
        | Step::PromoteSecret { .. }
        | Step::UnstageSecret { .. }
        | Step::SetSecretKey { .. } => observed.secret.iter_mut().for_each(|secret| change_secret(step, secret)),
        Step::CreateGroup(new) => create(new, observed),
        Step::DeleteGroup { .. } => observed.group = None,
        Step::CreateSnapshot { .. } => {
            observed.transfer_snapshot = Some(FoundSnapshot { status: Status::Available, ..FoundSnapshot::default() });
        }
        Step::DeleteSnapshot { .. } => observed.transfer_snapshot = None,
        Step::PutAlarms { .. } | Step::DeleteAlarms { .. } => alarms(step, &mut observed.alarms),
        Step::Tag { target, tags } => tags_of(target, observed).into_iter().for_each(|on| on.extend(tags.clone())),
        Step::Untag { target, keys } => {
            if let Some(tags) = tags_of(target, observed) {
                tags.retain(|key, _| !keys.contains(key));
            }
        }
        Step::ModifyGroup(_)
        | Step::ChangeShards { .. }
        | Step::IncreaseReplicas { .. }
        | Step::DecreaseReplicas { .. }
        | Step::SetTransitEncryption { .. }
        | Step::ChangeAuth { .. }
        | Step::DeliverLogs { .. } => change_group(step, observed),
    }
}

fn network(step: &Step, vpc_id: &str, observed: &mut Observed) {
    let rules = observed.security_group.as_mut().map(|group| &mut group.ingress);
    match (step, rules) {
        (Step::CreateSubnetGroup { name, subnet_ids, tags, .. }, _) => {
            observed.subnet_group = Some(SubnetGroup {
                name: name.clone(),
                arn: format!("subnet group {name}"),
                vpc_id: vpc_id.to_owned(),
                subnet_ids: subnet_ids.clone(),
                zones: std::collections::BTreeMap::new(),
                tags: tags.clone(),
            });
        }
        (Step::ModifySubnetGroup { subnet_ids, .. }, _) => {
            observed.subnet_group.iter_mut().for_each(|group| group.subnet_ids.clone_from(subnet_ids));
        }
        (Step::DeleteSubnetGroup { .. }, _) => observed.subnet_group = None,
        (Step::CreateSecurityGroup { name, vpc_id, tags, .. }, _) => {
            observed.security_group = Some(SecurityGroup {
                id: name.clone(),
                name: name.clone(),
                vpc_id: vpc_id.clone(),
                tags: tags.clone(),
                ..SecurityGroup::default()
            });
        }
        (Step::AuthorizeIngress { rules, .. }, Some(ingress)) => ingress.extend(rules.iter().cloned()),
        (Step::RevokeIngress { rules, .. }, Some(ingress)) => ingress.retain(|rule| !rules.contains(rule)),
        (Step::DeleteSecurityGroup { .. }, _) => observed.security_group = None,
        _ => {}
    }
}

fn parameters(step: &Step, groups: &mut Vec<ParameterGroup>) {
    match step {
        Step::CreateParameterGroup { name, family, tags, .. } => groups.push(ParameterGroup {
            name: name.clone(),
            arn: format!("parameter group {name}"),
            family: family.clone(),
            tags: tags.clone(),
            ..ParameterGroup::default()
        }),
        Step::DeleteParameterGroup { name } => groups.retain(|group| group.name != *name),
        Step::ModifyParameters { name, values } => {
            let group = groups.iter_mut().filter(|group| group.name == *name);
            group.for_each(|group| group.values.extend(values.iter().cloned()));
        }
        Step::ResetParameters { name, values } => {
            let group = groups.iter_mut().filter(|group| group.name == *name);
            group.for_each(|group| group.values.retain(|key, _| !values.contains_key(key)));
        }
        _ => {}
    }
}

fn alarms(step: &Step, alarms: &mut BTreeMap<String, Alarm>) {
    match step {
        Step::PutAlarms { alarms: put, .. } => {
            alarms.extend(put.iter().map(|alarm| (alarm.name.clone(), alarm.clone())));
        }
        Step::DeleteAlarms { names } => alarms.retain(|name, _| !names.contains(name)),
        _ => {}
    }
}

/// Which token it will be nobody knows yet; no plan shows one.
fn token_to_be(given: Option<&AuthToken>, version: &str) -> AuthToken {
    given.cloned().unwrap_or_else(|| AuthToken::new(format!("to-be-generated-for-{version}")))
}

fn change_secret(step: &Step, secret: &mut Secret) {
    match step {
        Step::RestoreSecret { .. } => secret.deleted = false,
        Step::PutSecret { content, .. } => secret.content = Some(content.clone()),
        Step::StageSecret(staged) => {
            let token = token_to_be(staged.token.as_ref(), &staged.version);
            secret.incoming = Some((staged.version.clone(), staged.content.with_token(&token)));
            secret.stages.insert(STAGE_PENDING.to_owned(), staged.version.clone());
        }
        Step::PromoteSecret { to, .. } => {
            secret.content = secret.version(to).cloned();
            secret.stages.insert(STAGE_CURRENT.to_owned(), to.clone());
        }
        Step::UnstageSecret { .. } => {
            secret.stages.remove(STAGE_PENDING);
        }
        Step::SetSecretKey { kms_key_id, .. } => secret.kms_key_id = Some(kms_key_id.clone()),
        _ => {}
    }
}

fn stored(secret: &NewSecret) -> Secret {
    let version = secret.version.clone().unwrap_or_else(|| "first".to_owned());
    let token = token_to_be(secret.token.as_ref(), &version);
    Secret {
        arn: secret.name.clone(),
        name: secret.name.clone(),
        tags: secret.tags.clone(),
        deleted: false,
        kms_key_id: secret.kms_key_id.clone(),
        content: Some(SecretContent::of_token(&secret.engine, &token, &secret.replication_group)),
        stages: [(STAGE_CURRENT.to_owned(), version)].into(),
        ..Secret::default()
    }
}

fn tags_of<'o>(target: &TagTarget, observed: &'o mut Observed) -> Option<&'o mut Tags> {
    let Observed { group, subnet_group, security_group, parameter_groups, secret, .. } = observed;
    match target {
        TagTarget::SecurityGroup(_) => security_group.as_mut().map(|group| &mut group.tags),
        TagTarget::Secret(_) => secret.as_mut().map(|secret| &mut secret.tags),
        TagTarget::ElastiCache(arn) => {
            let of_group = group.as_mut().filter(|group| group.arn == *arn).and_then(|group| group.tags.as_mut());
            let of_subnets = subnet_group.as_mut().filter(|group| group.arn == *arn).map(|group| &mut group.tags);
            let of_parameters = parameter_groups.iter_mut().find(|group| group.arn == *arn).map(|g| &mut g.tags);
            of_group.or(of_subnets).or(of_parameters)
        }
    }
}

fn create(new: &NewGroup, observed: &mut Observed) {
    let sharded = matches!(new.topology, Topology::Sharded { .. });
    let (shards, replicas) = match &new.topology {
        Topology::Single { nodes } => (1, vec![nodes - 1]),
        Topology::Sharded { shards, replicas, layout } => {
            (*shards, layout.iter().map(|shard| shard.replica_count.unwrap_or(*replicas)).collect())
        }
    };
    let replicas_of = |index: usize| match (&new.topology, replicas.get(index)) {
        (_, Some(count)) => *count,
        (Topology::Sharded { replicas, .. }, None) => *replicas,
        (Topology::Single { .. }, None) => 0,
    };
    let endpoint = |kind: &str| Endpoint { address: format!("{kind} endpoint of {}", new.id), port: new.port };
    let tls = match (new.transit_encryption, new.transit_encryption_mode) {
        (false, _) => Tls::Off,
        (true, Some(_)) => Tls::Preferred,
        (true, None) => Tls::Required,
    };
    let address_kind = if new.network_type == Some(NetworkType::Ipv6.into()) { "ipv6" } else { "ipv4" };
    observed.group = Some(Group {
        id: new.id.clone(),
        arn: format!("replication group {}", new.id),
        status: Status::Available,
        description: new.description.clone(),
        configuration_endpoint: sharded.then(|| endpoint("configuration")),
        shards: (0..usize::try_from(shards).unwrap_or_default())
            .map(|index| Shard {
                id: format!("{:04}", index + 1),
                status: Status::Available,
                primary: (!sharded).then(|| endpoint("primary")),
                reader: (!sharded).then(|| endpoint("reader")),
                member_ids: member_ids(&new.id, sharded, index, replicas_of(index)),
                primary_member: (!sharded).then(|| format!("{}-001", new.id)),
            })
            .collect(),
        cluster_enabled: sharded,
        cluster_mode: if sharded { ClusterMode::Enabled } else { ClusterMode::Disabled },
        automatic_failover: new.automatic_failover,
        multi_az: new.multi_az,
        node_type: new.node_type.clone(),
        at_rest_encryption: new.at_rest_encryption,
        kms_key_id: new.kms_key_id.clone(),
        tls,
        auth_token_enabled: new.auth_token.is_some(),
        auth_token_modified: new.auth_token.as_ref().map(|_| "at creation".to_owned()),
        user_group_ids: new.user_group.iter().cloned().collect(),
        settings: new.settings.as_shown(),
        network_type: Some(new.network_type.unwrap_or("ipv4").to_owned()),
        ip_discovery: Some(new.ip_discovery.unwrap_or(address_kind).to_owned()),
        data_tiering: new.data_tiering.unwrap_or(false),
        durability: new.durability.clone(),
        logs: new.logs.clone(),
        tags: Some(new.tags.clone()),
        ..Group::default()
    });
    let member = Member {
        status: Status::Available,
        engine: new.engine.parse().ok(),
        version: Version::parse(&new.version),
        node_type: new.node_type.clone(),
        parameter_group: new.parameter_group.clone(),
        subnet_group: new.subnet_group.clone(),
        security_groups: new.security_groups.clone(),
        ..Member::default()
    };
    renumber(observed, &member);
}

fn member_ids(group: &str, sharded: bool, shard: usize, replicas: i32) -> Vec<String> {
    let prefix = if sharded { format!("{group}-{:04}", shard + 1) } else { group.to_owned() };
    (1..=replicas + 1).map(|number| format!("{prefix}-{number:03}")).collect()
}

/// Lists the members of all shards again, each like `member` unless it was there before.
fn renumber(observed: &mut Observed, member: &Member) {
    let Some(group) = &mut observed.group else { return };
    group.member_ids = group.shards.iter().flat_map(|shard| shard.member_ids.clone()).collect();
    let mut before = std::mem::take(&mut observed.members);
    observed.members =
        group.member_ids.iter().map(|id| (id.clone(), before.remove(id).unwrap_or_else(|| member.clone()))).collect();
}

fn change_group(step: &Step, observed: &mut Observed) {
    // Where AWS puts a new member is not known.
    let member = Member { zone: String::new(), ..observed.first_member().cloned().unwrap_or_default() };
    let Some(group) = &mut observed.group else { return };
    match step {
        Step::ModifyGroup(change) => {
            modify(change, group, &mut observed.members);
            if let Some(name) = &change.parameter_group {
                observed.asked_parameter_group = Some(name.clone());
            }
        }
        Step::ChangeShards { shards, remove, .. } => {
            let replicas = group.replicas_per_shard().first().map_or(0, |(_, replicas)| *replicas);
            group.shards.retain(|shard| !remove.contains(&shard.id));
            for index in group.shards.len()..usize::try_from(*shards).unwrap_or_default() {
                let member_ids = member_ids(&group.id, true, index, replicas);
                let id = format!("{:04}", index + 1);
                group.shards.push(Shard { id, status: Status::Available, member_ids, ..Shard::default() });
            }
        }
        Step::IncreaseReplicas { replicas, .. } | Step::DecreaseReplicas { replicas, .. } => {
            let sharded = group.cluster_enabled;
            for (index, shard) in group.shards.iter_mut().enumerate() {
                let count = match replicas {
                    Replicas::Every(count) => Some(*count),
                    Replicas::ByShard(counts) => counts.get(&shard.id).copied(),
                };
                if let Some(count) = count {
                    shard.member_ids = member_ids(&group.id, sharded, index, count);
                }
            }
        }
        Step::SetTransitEncryption { to, .. } => {
            group.tls = *to;
        }
        Step::ChangeAuth { change, .. } => change_auth(change, group),
        Step::DeliverLogs { set, disable, .. } => {
            group.logs.retain(|kind, _| !disable.contains(kind));
            group.logs.extend(set.clone());
            group.log_failures.retain(|kind, _| !disable.contains(kind) && !set.contains_key(kind));
        }
        _ => {}
    }
    renumber(observed, &member);
}

fn change_auth(change: &AuthChange, group: &mut Group) {
    match change {
        AuthChange::Rotate { from_user_groups, .. } => {
            group.auth_token_enabled = true;
            group.auth_token_modified = Some("the ROTATE".to_owned());
            if *from_user_groups {
                group.user_group_ids.clear();
            }
        }
        AuthChange::Set { .. } => {
            group.auth_token_modified = Some("the SET".to_owned());
        }
        AuthChange::TokenToUserGroup(id) => {
            group.auth_token_enabled = false;
            group.user_group_ids = [id.clone()].into();
        }
        AuthChange::UserGroups { add, remove } => {
            group.user_group_ids.retain(|id| !remove.contains(id));
            group.user_group_ids.extend(add.clone());
        }
        AuthChange::RemoveUserGroups(_) => group.user_group_ids.clear(),
    }
}

fn modify(change: &GroupChange, group: &mut Group, members: &mut BTreeMap<String, Member>) {
    // Every field is named here, so that a new one cannot be forgotten.
    let GroupChange {
        id: _,
        apply_immediately,
        description,
        automatic_failover,
        multi_az,
        security_groups,
        settings,
        snapshotting_member: _,
        ip_discovery,
        cluster_mode,
        durability,
        parameter_group,
        node_type,
        engine,
        version,
    } = change;
    set(&mut group.description, description.as_ref());
    set(&mut group.automatic_failover, automatic_failover.as_ref());
    set(&mut group.multi_az, multi_az.as_ref());
    group.settings = settings.or(&group.settings);
    set(&mut group.ip_discovery, ip_discovery.map(|discovery| Some(discovery.to_owned())).as_ref());
    set(&mut group.durability, durability.clone().map(Some).as_ref());
    if let Some(mode) = cluster_mode {
        group.cluster_mode = mode.parse().unwrap_or_default();
        group.cluster_enabled = *mode == <&str>::from(ClusterMode::Enabled);
    }
    for member in members.values_mut() {
        set(&mut member.security_groups, security_groups.as_ref());
    }
    if !apply_immediately {
        let waiting = [(pending::ENGINE_VERSION, version.is_some()), (pending::NODE_TYPE, node_type.is_some())];
        for (name, _) in waiting.into_iter().filter(|(_, asked)| *asked) {
            for member in members.values_mut() {
                member.pending.insert(name.to_owned());
            }
        }
        return;
    }
    set(&mut group.node_type, node_type.as_ref());
    for member in members.values_mut() {
        set(&mut member.parameter_group, parameter_group.as_ref());
        set(&mut member.node_type, node_type.as_ref());
        set(&mut member.engine, engine.as_deref().map(|name| name.parse().ok()).as_ref());
        set(&mut member.version, version.as_deref().map(Version::parse).as_ref());
    }
}

/// Takes over a new value, if there is one.
fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}
