//! What lies around the group: security group, subnet group, parameter group, secret.

use std::collections::{BTreeMap, BTreeSet};

use super::parameter_groups;
use super::types::{Pass, Transition, is_stable};
use crate::auth::token;
use crate::desired::{Auth, Desired, NumberedSecret};
use crate::domain::secret::SecretContent;
use crate::domain::tags::{TAG_CREATING, TAG_REPLACES};
use crate::observed::{Account, Group, IngressRule, Observed, Secret, same_key};
use crate::properties::CountPolicy;
use crate::step::{Step, TagTarget};

/// Everything that must be there before the group, or that changes without it.
pub(super) fn steps(transition: Transition<'_>, observed: &Observed, account: &Account) -> Vec<Step> {
    let desired = transition.desired;
    let mut steps = Vec::new();
    steps.extend(subnet_group(desired, observed));
    steps.extend(security_group(desired, observed));
    steps.extend(parameter_groups::steps(desired, observed));
    steps.extend(secret(transition, observed, account));
    steps
}

fn subnet_group(desired: &Desired, observed: &Observed) -> Option<Step> {
    let name = desired.names.subnet_group();
    match &observed.subnet_group {
        None => {
            let mut tags = desired.subnet_group_tags();
            if observed.group.is_none() {
                tags.insert(TAG_CREATING.to_owned(), "true".to_owned());
            }
            let description = format!("Subnets of {}", desired.names.replication_group);
            Some(Step::CreateSubnetGroup { name, description, subnet_ids: desired.subnet_ids.clone(), tags })
        }
        Some(group) => {
            let mut subnet_ids = desired.subnet_ids.clone();
            if may_lose_nodes(desired, observed) {
                subnet_ids.extend(group.subnet_ids.iter().cloned());
            } else {
                subnet_ids.extend(subnets_in_use(desired, observed).into_iter().map(|(id, _)| id.clone()));
            }
            (subnet_ids != group.subnet_ids).then_some(Step::ModifySubnetGroup { name, subnet_ids })
        }
    }
}

/// Whether nodes are still going to be removed, as far as can be seen. A subnet cannot go before the nodes in it, which
/// is so when an Update that added both is rolled back.
fn may_lose_nodes(desired: &Desired, observed: &Observed) -> bool {
    let more = |group: &Group| {
        let more = i32::try_from(group.member_ids.len()).is_ok_and(|actual| actual > desired.node_count());
        more && desired.count_policy == CountPolicy::Exact
    };
    observed.group.as_ref().is_some_and(|group| !is_stable(group, desired.apply_immediately) || more(group))
}

/// Subnets that the template no longer lists and AWS would not let go, with their zones: nodes are there, and no other
/// subnet of the zone is listed. So it is when of many nodes AWS has removed others than the template meant.
pub(super) fn subnets_in_use<'o>(desired: &Desired, observed: &'o Observed) -> Vec<(&'o String, &'o String)> {
    let Some(group) = &observed.subnet_group else { return Vec::new() };
    // The zone of a subnet that is not there yet is not known; it goes in first.
    if desired.subnet_ids.iter().any(|id| !group.zones.contains_key(id)) {
        return Vec::new();
    }
    let listed = |zone: &String| group.zones.iter().any(|(id, of)| of == zone && desired.subnet_ids.contains(id));
    let used = |zone: &String| observed.members.values().any(|member| member.zone == *zone);
    group.zones.iter().filter(|(_, zone)| used(zone) && !listed(zone)).collect()
}

fn security_group(desired: &Desired, observed: &Observed) -> Option<Step> {
    if observed.security_group.is_some() {
        return None;
    }
    Some(Step::CreateSecurityGroup {
        name: desired.names.security_group(),
        description: format!("Access to {}", desired.names.replication_group),
        vpc_id: desired.vpc_id.clone(),
        tags: desired.tags.clone(),
    })
}

/// Makes the ingress rules exactly those of the allow lists. New rules come before old ones go, so that a source that
/// is named in two ways never loses access in between.
pub(super) fn ingress(desired: &Desired, observed: &Observed, account: &Account) -> Vec<Step> {
    let Some(group) = &observed.security_group else { return Vec::new() };
    let wanted: BTreeSet<IngressRule> =
        desired.allowed.iter().map(|source| IngressRule::tcp(desired.port, source.clone())).collect();
    let security_group = || group.id.clone();
    let missing: BTreeSet<IngressRule> = wanted.difference(&group.ingress).cloned().collect();
    let surplus: BTreeSet<IngressRule> = group.ingress.difference(&wanted).cloned().collect();
    let mut steps = Vec::new();
    if !missing.is_empty() {
        steps.push(Step::AuthorizeIngress {
            security_group: security_group(),
            rules: missing,
            owners: owners(account),
        });
    }
    if !surplus.is_empty() {
        steps.push(Step::RevokeIngress {
            security_group: security_group(),
            rules: surplus,
            owners: group.source_owners.clone(),
        });
    }
    steps
}

/// The accounts of security groups that belong to others, in a shared VPC.
fn owners(account: &Account) -> BTreeMap<String, String> {
    let Some(here) = &account.id else { return BTreeMap::new() };
    let groups = account.security_groups.iter().flatten();
    let owners = groups.filter_map(|(id, group)| Some((id.clone(), group.owner_id.clone()?)));
    owners.filter(|(_, owner)| owner != here).collect()
}

fn secret(transition: Transition<'_>, observed: &Observed, account: &Account) -> Option<Step> {
    let desired = transition.desired;
    if !desired.auth.keeps_secret() {
        return None;
    }
    // Before it is made, so that it is found again whatever happens then.
    if let (Some(numbered), Some(group)) = (&desired.secret.numbered, &observed.subnet_group)
        && NumberedSecret::read(&numbered.usual, &group.tags).as_ref() != Some(numbered)
    {
        return Some(Step::Tag { target: TagTarget::ElastiCache(group.arn.clone()), tags: numbered.tag() });
    }
    let given = match &desired.auth {
        Auth::Literal(token) => Some(token.clone()),
        Auth::Generated { .. } | Auth::Open | Auth::External { .. } | Auth::UserGroup(_) => None,
    };
    let create = |existing: Option<String>, restore: bool| {
        Some(token::new_secret(desired, observed, given.clone(), existing, restore, None))
    };
    // A ROTATE that AWS works on shows in the group's pending changes before the token shows as enabled.
    let unused = observed.group.as_ref().is_none_or(|group| group.pending.is_empty() && !group.auth_token_enabled);
    match &observed.secret {
        None if unused => create(None, false),
        // A secret that outlived its stack, mostly because it waits for its deletion, goes on as ours.
        Some(secret) if takes_over(desired, observed, secret) => create(Some(secret.arn.clone()), secret.deleted),
        // No group uses the old token any more, and whoever could read the secret knows it.
        Some(Secret { deleted: true, arn, .. }) if observed.group.is_none() => create(Some(arn.clone()), true),
        Some(Secret { deleted: true, arn, .. }) => Some(Step::RestoreSecret { arn: arn.clone() }),
        // As long as no group uses the stored token an empty secret is given one.
        Some(Secret { content: None, arn, .. }) if unused => create(Some(arn.clone()), false),
        // As long as no group uses it, a literal token wins over what a failed earlier try stored. A new cluster does not
        // take over the token of an earlier one, whose endpoints are still in the secret: a restored secret whose new
        // value did not get stored, say.
        Some(Secret { content: Some(content), arn, .. }) if unused => {
            let stale = match &given {
                Some(given) => content.token() != *given,
                None => observed.group.is_none() && transition.previous.is_none() && !content.host.is_empty(),
            };
            stale.then(|| create(Some(arn.clone()), false)).flatten().or_else(|| secret_key(desired, observed))
        }
        Some(_) | None => secret_in_use(transition, observed, account).or_else(|| secret_key(desired, observed)),
    }
}

/// The secret of a token in use. A lost generated token is not made up here: the steps of `auth` bring in a new one.
fn secret_in_use(transition: Transition<'_>, observed: &Observed, account: &Account) -> Option<Step> {
    let name = &transition.desired.secret.name;
    if token::progress(observed).is_some_and(|progress| progress.origin.is_in(name)) {
        return None;
    }
    let token = token::to_store(transition, observed, account)?;
    let secret = observed.secret.as_ref();
    let stored = secret.and_then(|secret| secret.content.as_ref()).is_some_and(|content| content.token() == token);
    let existing = secret.map(|secret| secret.arn.clone());
    (!stored).then(|| token::new_secret(transition.desired, observed, Some(token), existing, false, None))
}

/// Another key for a standing secret.
fn secret_key(desired: &Desired, observed: &Observed) -> Option<Step> {
    let secret = observed.secret.as_ref().filter(|secret| !secret.deleted)?;
    let wanted = desired.secret.kms_key_id.as_deref();
    (!same_key(secret.kms_key_id.as_deref(), wanted))
        .then(|| Step::SetSecretKey { arn: secret.arn.clone(), kms_key_id: wanted.unwrap_or(AWS_KEY).to_owned() })
}

/// The key that AWS keeps for the secrets of an account.
const AWS_KEY: &str = "alias/aws/secretsmanager";

/// Whether a secret was left by a deleted stack of the same name and can go on as ours: it waits for its deletion, or was
/// only just taken back for a cluster of this id that does not stand yet.
pub(super) fn takes_over(desired: &Desired, observed: &Observed, secret: &Secret) -> bool {
    let id = &desired.names.replication_group;
    let just_taken_back = || secret.content.as_ref().is_some_and(|content| content.replication_group_id == *id);
    desired.owner.succeeds(&secret.tags) && observed.group.is_none() && (secret.deleted || just_taken_back())
}

/// What is left to do when the group stands: the secret's endpoints, and parameter groups that nothing uses any more.
pub(super) fn clean_up(pass: &Pass<'_>) -> Vec<Step> {
    let Pass { desired, group, observed, .. } = *pass;
    let mut steps = Vec::new();
    steps.extend(complete_secret(desired, group, observed));
    steps.extend(useless_secrets(desired, group, observed));
    steps.extend(parameter_groups::unused(desired, observed));
    steps
}

fn complete_secret(desired: &Desired, group: &Group, observed: &Observed) -> Option<Step> {
    if !desired.auth.keeps_secret() {
        return None;
    }
    let secret = observed.secret.as_ref()?;
    let stored = secret.content.as_ref()?;
    let complete = SecretContent { engine: desired.engine.to_string(), ..group.told_in(stored)? };
    (complete != *stored).then(|| Step::PutSecret { arn: secret.arn.clone(), content: complete })
}

/// Secrets of tokens that the group no longer takes, and the one under a former name.
fn useless_secrets(desired: &Desired, group: &Group, observed: &Observed) -> Vec<Step> {
    let recovery_window_days = desired.secret.recovery_window_days;
    // A token that an update added and its rollback could not take away opens the cache still. What its secret holds may
    // be all that there is of it.
    let moved = !desired.auth.keeps_secret() || observed.secret.as_ref().is_some_and(|secret| secret.content.is_some());
    let done = !group.auth_token_enabled || (desired.auth.is_required() && moved);
    let own = observed.secret.as_ref().filter(|_| !desired.auth.keeps_secret());
    let secrets = own.into_iter().chain(&observed.former_secret).filter(|_| done);
    // AWS deletes no secret that has replicas; a warning tells.
    let removable = |secret: &&Secret| !secret.deleted && secret.replicas.is_empty();
    let ours = secrets.filter(removable).filter(|secret| desired.owner.owns(&secret.tags));
    ours.map(|secret| Step::DeleteSecret { arn: secret.arn.clone(), recovery_window_days }).collect()
}

/// The very last step for a new generation: from here on a Delete is no longer a rollback. CloudFormation does not update
/// a generation that it may still roll back, so one that is updated in place has replaced the one before for good.
pub(super) fn created(pass: &Pass<'_>) -> Vec<Step> {
    let Some(group) = &pass.observed.subnet_group else { return Vec::new() };
    let over = |key: &&str| match *key {
        TAG_REPLACES => pass.desired.replaces.is_none(),
        _ => true,
    };
    let keys = [TAG_CREATING, TAG_REPLACES].into_iter().filter(|key| group.tags.contains_key(*key)).filter(over);
    let keys: BTreeSet<String> = keys.map(str::to_owned).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    vec![Step::Untag { target: TagTarget::ElastiCache(group.arn.clone()), keys }]
}
