//! Who may connect: AUTH tokens and user groups, and the steps from one to the other (facts 3.6).

use super::{Changes, ReplicationGroup};
use crate::elasticache::input::Input;
use crate::elasticache::refusals::{invalid_combination, invalid_value, user_group_not_found};
use crate::elasticache::{ElastiCache, UserGroup};
use crate::nodes::{Access, Tls};
use crate::readings::{Readings, RepeatedSet};
use crate::world::AwsError;

/// One step of the AUTH token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthStep {
    /// Add this token in addition to the latest one.
    Rotate(String),
    /// Make this token the only one.
    Set(String),
    /// No tokens any more: user groups take over.
    Delete,
}

/// A change of user groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserGroupStep {
    /// Groups that come.
    pub add: Vec<String>,
    /// Groups that go.
    pub remove: Vec<String>,
}

/// Checks a token's length and characters.
pub(super) fn check_token(token: &str) -> Result<(), AwsError> {
    if !(16..=128).contains(&token.len()) {
        return Err(invalid_value("The AUTH token must have 16 to 128 characters."));
    }
    if !token.chars().all(|c| c.is_ascii_alphanumeric() || "!&#$^<>-".contains(c)) {
        return Err(invalid_value(
            "The AUTH token may contain only letters, digits and the symbols ! & # $ ^ < > and -.",
        ));
    }
    Ok(())
}

/// Access control needs transport encryption that nobody can bypass.
pub(super) fn check_encryption(tls: Tls) -> Result<(), AwsError> {
    match tls {
        Tls::Required => Ok(()),
        Tls::Preferred => {
            Err(invalid_combination("Transit encryption preferred is not supported with redis access control."))
        }
        Tls::Off => Err(invalid_combination("AUTH token is only supported when encryption-in-transit is enabled")),
    }
}

/// Checks that user groups exist and fit the engine, and that there is at most one.
pub(super) fn check_user_groups(cache: &ElastiCache, ids: &[String], engine: &str) -> Result<(), AwsError> {
    if ids.len() > 1 {
        return Err(invalid_value("At most 1 user group can be associated with a replication group."));
    }
    for id in ids {
        let group = cache.user_groups.get(id).ok_or_else(|| user_group_not_found(id))?;
        if engine == "redis" && group.engine != "redis" {
            return Err(invalid_combination(format!("User group {id} cannot be used with engine {engine}.")));
        }
    }
    Ok(())
}

/// Reads the access part of a Modify call.
pub(super) fn read_changes(
    cache: &ElastiCache,
    readings: Readings,
    group: &ReplicationGroup,
    input: Input<'_>,
    immediate: bool,
    changes: &mut Changes,
) -> Result<(), AwsError> {
    let lower = |list: Option<Vec<String>>| -> Vec<String> {
        list.unwrap_or_default().iter().map(|id| id.to_ascii_lowercase()).collect()
    };
    let add = lower(input.texts("UserGroupIdsToAdd", "member"));
    let mut remove = lower(input.texts("UserGroupIdsToRemove", "member"));
    if input.flag("RemoveUserGroups")?.unwrap_or(false) {
        if input.text("AuthToken").is_none() {
            return Err(invalid_combination("RemoveUserGroups needs an AUTH token that takes over from user groups."));
        }
        remove.clone_from(&group.user_groups);
    }
    if let Some(stranger) = remove.iter().find(|id| !group.user_groups.contains(id)) {
        return Err(user_group_not_found(stranger));
    }
    let kept: Vec<String> = group.user_groups.iter().filter(|id| !remove.contains(id)).cloned().collect();
    let after: Vec<String> = kept.into_iter().chain(add.iter().cloned()).collect();
    let strategy = input.text("AuthTokenUpdateStrategy").unwrap_or("ROTATE");
    let token = input.text("AuthToken");
    if token.is_some() && group.tls != Tls::Required {
        return Err(invalid_value(
            "The AUTH token modification is only supported when encryption-in-transit is enabled.",
        ));
    }
    if !add.is_empty() {
        check_encryption(group.tls)?;
    }
    // Every change of a token that anybody was seen to make is immediate: the guide's commands, and Terraform's, whatever
    // its `apply_immediately` says. The words are those for transit encryption.
    if token.is_some() && !immediate {
        return Err(invalid_combination("AUTH token modification should be called with applied immediately option."));
    }
    check_user_groups(cache, &after, &group.engine)?;
    changes.auth = read_auth(group, strategy, token, &after, !add.is_empty(), readings.repeated_set)?;
    changes.token_date = readings.token_date;
    if !add.is_empty() && !group.tokens.is_empty() && changes.auth != Some(AuthStep::Delete) {
        return Err(invalid_combination(
            "User group can't be associated with auth token enabled. Pass AuthStrategy delete to proceed.",
        ));
    }
    if !add.is_empty() || !remove.is_empty() {
        changes.user_groups = Some(UserGroupStep { add, remove });
    }
    Ok(())
}

fn read_auth(
    group: &ReplicationGroup,
    strategy: &str,
    token: Option<&str>,
    users_after: &[String],
    adds_users: bool,
    repeated_set: RepeatedSet,
) -> Result<Option<AuthStep>, AwsError> {
    let Some(token) = token else {
        return match strategy {
            "DELETE" if adds_users && !group.tokens.is_empty() => Ok(Some(AuthStep::Delete)),
            "DELETE" => Err(invalid_value("Auth token update strategy delete is not supported currently")),
            "SET" => Err(invalid_combination("The strategy SET needs an AUTH token.")),
            _ => Ok(None),
        };
    };
    check_token(token)?;
    if !users_after.is_empty() {
        return Err(invalid_combination(
            "Auth tokens can't be enabled with a user group already associated. Pass RemoveUserGroups to proceed.",
        ));
    }
    match strategy {
        "ROTATE" => Ok(Some(AuthStep::Rotate(token.to_owned()))),
        "SET" if group.tokens.last().is_none_or(|latest| latest != token) => {
            Err(invalid_combination("The strategy SET is only allowed with the AUTH token of the latest ROTATE."))
        }
        "SET" if repeated_set == RepeatedSet::Refused && group.tokens.len() < 2 && !group.token_optional => {
            Err(invalid_combination("The strategy SET is only allowed after the strategy ROTATE."))
        }
        "SET" => Ok(Some(AuthStep::Set(token.to_owned()))),
        "DELETE" => Err(invalid_combination("The strategy DELETE takes no AUTH token.")),
        _ => Err(invalid_value(format!("Unknown AuthTokenUpdateStrategy {strategy}."))),
    }
}

impl AuthStep {
    pub(super) fn apply(self, group: &mut ReplicationGroup) {
        match self {
            AuthStep::Rotate(token) => {
                group.token_optional = group.tokens.is_empty() || group.token_optional;
                group.tokens.retain(|known| *known != token);
                group.tokens.push(token);
                let oldest = group.tokens.len().saturating_sub(2);
                group.tokens.drain(..oldest);
            }
            AuthStep::Set(token) => {
                group.token_optional = false;
                group.tokens = vec![token];
            }
            AuthStep::Delete => {
                group.token_optional = false;
                group.tokens.clear();
            }
        }
    }
}

impl ReplicationGroup {
    /// Passwords of the default user right now.
    pub(in crate::elasticache) fn access(&self, user_groups: &std::collections::BTreeMap<String, UserGroup>) -> Access {
        if !self.user_groups.is_empty() {
            let groups = || self.user_groups.iter().filter_map(|id| user_groups.get(id));
            return Access {
                tokens: groups().flat_map(|group| group.passwords.clone()).collect(),
                anonymous: groups().any(|group| group.anonymous),
            };
        }
        Access { tokens: self.tokens.clone(), anonymous: self.tokens.is_empty() || self.token_optional }
    }
}
