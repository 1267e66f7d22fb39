//! Who may log in to a standing group: user groups, and the way from and to a token.

use crate::auth::token;
use crate::desired::Auth;
use crate::domain::tags::TAG_AUTH_CHANGE;
use crate::plan::types::Pass;
use crate::step::{AuthChange, Step, TagTarget};

/// The authentication that must be taken away before TLS can be switched off.
pub(crate) fn leave(pass: &Pass<'_>) -> Vec<Step> {
    match &pass.desired.auth {
        // By their names, as the guide does it: to remove all of them goes only with a token that takes over.
        Auth::Open if !pass.group.user_group_ids.is_empty() => {
            change(pass, AuthChange::RemoveUserGroups(pass.group.user_group_ids.iter().cloned().collect()))
        }
        _ => Vec::new(),
    }
}

/// The next change towards the desired authentication.
pub(crate) fn steps(pass: &Pass<'_>) -> Vec<Step> {
    match &pass.desired.auth {
        Auth::Open if pass.group.auth_token_enabled => Vec::new(),
        Auth::Open => forget_token(pass),
        Auth::UserGroup(wanted) => user_group(pass, wanted),
        Auth::Generated { .. } | Auth::Literal(_) | Auth::External { .. } => token::steps(pass),
    }
}

fn user_group(pass: &Pass<'_>, wanted: &String) -> Vec<Step> {
    let group = pass.group;
    if group.auth_token_enabled {
        return change(pass, AuthChange::TokenToUserGroup(wanted.clone()));
    }
    if group.user_group_ids.contains(wanted) && group.user_group_ids.len() == 1 {
        return forget_token(pass);
    }
    let remove = group.user_group_ids.iter().filter(|id| *id != wanted).cloned().collect();
    let add = (!group.user_group_ids.contains(wanted)).then(|| wanted.clone());
    change(pass, AuthChange::UserGroups { add, remove })
}

/// A change of a token that the group no longer has is over.
fn forget_token(pass: &Pass<'_>) -> Vec<Step> {
    let marked = pass.observed.subnet_group.as_ref().filter(|group| group.tags.contains_key(TAG_AUTH_CHANGE));
    let untag = |arn: &String| Step::Untag {
        target: TagTarget::ElastiCache(arn.clone()),
        keys: [TAG_AUTH_CHANGE.to_owned()].into(),
    };
    marked.map(|group| untag(&group.arn)).into_iter().collect()
}

fn change(pass: &Pass<'_>, change: AuthChange) -> Vec<Step> {
    vec![Step::ChangeAuth { group: pass.group.id.clone(), change }]
}
