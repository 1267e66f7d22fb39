//! Tags on everything that we made.

use super::types::Pass;
use crate::domain::tags::{TAG_GRACE, Tags};
use crate::step::{Step, TagTarget};

/// Adds missing and changed tags, and removes those that the template no longer has. Tags that somebody else put on are
/// left alone: only what an earlier version of the template asked for is taken away.
pub(super) fn steps(pass: &Pass<'_>) -> Vec<Step> {
    let Pass { group, observed, .. } = *pass;
    let mut steps = Vec::new();
    if let Some(subnet_group) = &observed.subnet_group {
        let target = TagTarget::ElastiCache(subnet_group.arn.clone());
        steps.extend(differences(pass, &pass.desired.subnet_group_tags(), &target, &subnet_group.tags));
    }
    let mut targets: Vec<(TagTarget, &Tags)> = Vec::new();
    if let Some(tags) = &group.tags {
        targets.push((TagTarget::ElastiCache(group.arn.clone()), tags));
    }
    targets.extend(observed.parameter_groups.iter().map(|g| (TagTarget::ElastiCache(g.arn.clone()), &g.tags)));
    targets.extend(observed.security_group.iter().map(|g| (TagTarget::SecurityGroup(g.id.clone()), &g.tags)));
    if pass.desired.auth.keeps_secret()
        && let Some(secret) = &observed.secret
    {
        let target = TagTarget::Secret(secret.arn.clone());
        steps.extend(differences(pass, &pass.desired.secret_tags(), &target, &secret.tags));
    }
    let wanted = &pass.desired.tags;
    steps.extend(targets.into_iter().flat_map(|(target, tags)| differences(pass, wanted, &target, tags)));
    steps
}

fn differences(pass: &Pass<'_>, wanted: &Tags, target: &TagTarget, actual: &Tags) -> Vec<Step> {
    let missing: Tags = wanted
        .iter()
        .filter(|(key, value)| actual.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let dropped = pass.previous.map(|previous| &previous.tags).into_iter().flatten();
    // What only a scheduled rotation reads is nobody else's.
    let ours = TAG_GRACE.to_owned();
    let dropped = dropped
        .map(|(key, _)| key)
        .chain([&ours])
        .filter(|key| !wanted.contains_key(*key) && actual.contains_key(*key));
    let dropped: std::collections::BTreeSet<String> = dropped.cloned().collect();
    let mut steps = Vec::new();
    if !missing.is_empty() {
        steps.push(Step::Tag { target: target.clone(), tags: missing });
    }
    // AWS refuses a second call on a group while the first one is applied, so the other way round is for the next round.
    if !dropped.is_empty() && steps.is_empty() {
        steps.push(Step::Untag { target: target.clone(), keys: dropped });
    }
    steps
}
