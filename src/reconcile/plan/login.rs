//! Tokens and user groups of a standing group.
//!
//! A first token takes two changes: ROTATE adds it, SET makes it the only way in. AWS does not tell afterwards which of
//! them was the last, so a tag on the subnet group does, and a run that finds the tag goes on from there.

use super::Pass;
use super::step::{LoginChange, Step, TagTarget};
use crate::desired::{Auth, Desired, TAG_LOGIN, Tags};
use crate::observed::{Account, Group, Observed};
use crate::secret::{AuthToken, SecretContent};

/// Value of [`TAG_LOGIN`] until the ROTATE is through.
const ROTATING: &str = "rotating";
/// Start of the value of [`TAG_LOGIN`] from then on; the rest is when AWS last changed the token before the SET.
const SETTING: &str = "setting-after:";

/// The token that opens the group, from wherever it is kept.
pub(super) fn token(desired: &Desired, observed: &Observed, account: &Account) -> Option<AuthToken> {
    match &desired.auth {
        Auth::Generated { .. } | Auth::Literal(_) => {
            observed.secret.as_ref().and_then(|secret| secret.content.as_ref()).map(SecretContent::token)
        }
        Auth::Foreign { .. } => account.foreign_token.as_ref()?.as_ref().ok().cloned(),
        Auth::Open | Auth::UserGroup(_) => None,
    }
}

/// Whether the group takes a token but still lets clients in without one: between ROTATE and SET.
pub(super) fn token_is_optional(group: &Group, observed: &Observed) -> bool {
    let progress = observed.subnet_group.as_ref().and_then(|group| group.tags.get(TAG_LOGIN)).map(String::as_str);
    let modified = group.auth_token_modified.as_deref().unwrap_or_default();
    let added_only = progress.is_some_and(|progress| match progress.strip_prefix(SETTING) {
        Some(before) => before == modified,
        None => progress == ROTATING,
    });
    group.auth_token_enabled && added_only
}

/// Logins that must go before TLS can.
pub(super) fn leave(pass: &Pass<'_>) -> Vec<Step> {
    match &pass.desired.auth {
        Auth::Open if !pass.group.user_group_ids.is_empty() => change(pass, LoginChange::RemoveUserGroups),
        _ => Vec::new(),
    }
}

/// The next change towards the wanted login.
pub(super) fn steps(pass: &Pass<'_>) -> Vec<Step> {
    let group = pass.group;
    match &pass.desired.auth {
        Auth::Open => Vec::new(),
        Auth::UserGroup(wanted) => {
            if group.auth_token_enabled {
                return change(pass, LoginChange::TokenToUserGroup(wanted.clone()));
            }
            if group.user_group_ids.contains(wanted) && group.user_group_ids.len() == 1 {
                return Vec::new();
            }
            let remove = group.user_group_ids.iter().filter(|id| *id != wanted).cloned().collect();
            let add = (!group.user_group_ids.contains(wanted)).then(|| wanted.clone());
            change(pass, LoginChange::UserGroups { add, remove })
        }
        Auth::Generated { .. } | Auth::Literal(_) | Auth::Foreign { .. } => first_token(pass),
    }
}

fn first_token(pass: &Pass<'_>) -> Vec<Step> {
    let Some(subnet_group) = &pass.observed.subnet_group else { return Vec::new() };
    let target = || TagTarget::ElastiCache(subnet_group.arn.clone());
    let mark = |value: String| vec![Step::Tag { target: target(), tags: Tags::from([(TAG_LOGIN.to_owned(), value)]) }];
    let progress = subnet_group.tags.get(TAG_LOGIN).map(String::as_str);
    let modified = pass.group.auth_token_modified.clone().unwrap_or_default();
    match progress {
        None if pass.group.auth_token_enabled => Vec::new(),
        None => mark(ROTATING.to_owned()),
        // Left behind by an earlier change that was given up; taken for this one's it would skip the SET.
        Some(value) if !pass.group.auth_token_enabled && value != ROTATING => mark(ROTATING.to_owned()),
        Some(_) if !pass.group.auth_token_enabled => {
            let from_user_groups = !pass.group.user_group_ids.is_empty();
            let rotate = |token| change(pass, LoginChange::Rotate { token, from_user_groups });
            token(pass.desired, pass.observed, pass.account).map(rotate).unwrap_or_default()
        }
        Some(ROTATING) => mark(format!("{SETTING}{modified}")),
        Some(value) if value.strip_prefix(SETTING) == Some(modified.as_str()) => {
            let set = |token| change(pass, LoginChange::Set { token });
            token(pass.desired, pass.observed, pass.account).map(set).unwrap_or_default()
        }
        Some(_) => vec![Step::Untag { target: target(), keys: [TAG_LOGIN.to_owned()].into() }],
    }
}

fn change(pass: &Pass<'_>, change: LoginChange) -> Vec<Step> {
    vec![Step::ChangeLogin { group: pass.group.id.clone(), change }]
}
