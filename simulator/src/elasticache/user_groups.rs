//! User groups, as far as a cache refers to them; tests add them by hand.

use serde_json::{Value, json};

use super::input::Input;
use super::names::arn;
use super::output::{page, tree};
use super::refusals::user_group_not_found;
use crate::world::{Answer, Call, World};

/// A user group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserGroup {
    /// Id, in lower case.
    pub id: String,
    /// `valkey` or `redis`.
    pub engine: String,
    /// Ids of its users.
    pub users: Vec<String>,
    /// Passwords of its default user.
    pub passwords: Vec<String>,
    /// Whether its default user needs no password.
    pub anonymous: bool,
}

impl UserGroup {
    /// A group whose default user has one password.
    #[must_use]
    pub fn new(id: &str, engine: &str, password: &str) -> UserGroup {
        UserGroup {
            id: id.to_ascii_lowercase(),
            engine: engine.to_owned(),
            users: vec!["default".to_owned()],
            passwords: vec![password.to_owned()],
            anonymous: false,
        }
    }
}

pub(super) fn describe(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &world.elasticache;
    let wanted = input.text("UserGroupId").map(str::to_ascii_lowercase);
    let groups: Vec<Value> = cache
        .user_groups
        .values()
        .filter(|group| wanted.as_ref().is_none_or(|id| *id == group.id))
        .map(|group| {
            let users_of = cache.groups.values().filter(|cache| cache.user_groups.contains(&group.id));
            tree(json!({
                "UserGroupId": group.id,
                "Status": "active",
                "Engine": group.engine,
                "UserIds": { "member": group.users },
                "ReplicationGroups": { "member": users_of.map(|cache| &cache.id).collect::<Vec<_>>() },
                "ARN": arn("usergroup", &group.id),
            }))
        })
        .collect();
    match wanted {
        Some(id) if groups.is_empty() => Err(user_group_not_found(&id)),
        _ => page(input, "UserGroups", "member", groups, 100),
    }
}
