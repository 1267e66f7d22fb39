//! Users and user groups, as far as a cache refers to them. Stacks make them, and tests by hand.

use serde_json::{Value, json};

use super::input::Input;
use super::names::arn;
use super::output::{page, tree};
use super::refusals::{invalid_combination, invalid_value, user_group_not_found};
use super::{ElastiCache, names};
use crate::world::{Answer, AwsError, Call, World};

/// The user that is there from the beginning: everybody, without a password, who may do everything.
const DEFAULT: &str = "default";

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Id, in lower case.
    pub id: String,
    /// Name that clients log in with.
    pub name: String,
    /// `valkey` or `redis`.
    pub engine: String,
    /// How clients show who they are.
    pub authentication: Authentication,
}

/// How clients of a user show who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// By a token that IAM gives. Local nodes cannot check it.
    Iam,
    /// By one of these.
    Passwords(Vec<String>),
    /// Not at all.
    NoPassword,
}

impl User {
    /// What AWS refuses in a user. The words about IAM are in issue 65 of terraform-aws-modules/terraform-aws-elasticache,
    /// those about Valkey in templates that met them.
    fn defect(&self) -> Option<AwsError> {
        match &self.authentication {
            Authentication::Iam if self.id != self.name => {
                Some(invalid_combination("User Id and User name must be same for authentication type: iam"))
            }
            Authentication::NoPassword if self.engine == "valkey" => {
                Some(invalid_value("No-password-required is not allowed for a user with engine Valkey"))
            }
            Authentication::Passwords(all)
                if !(1..=2).contains(&all.len()) || all.iter().any(|one| !(16..=128).contains(&one.len())) =>
            {
                Some(invalid_value("A user has one or two passwords of 16 to 128 characters."))
            }
            _ => None,
        }
    }
}

impl ElastiCache {
    /// A user that comes or, by the same id, changes.
    pub fn put_user(&mut self, user: User) -> Result<(), AwsError> {
        if let Some(defect) = user.defect() {
            return Err(defect);
        }
        self.users.insert(user.id.clone(), user);
        let groups: Vec<UserGroup> =
            self.user_groups.values().filter(|group| !group.users.is_empty()).cloned().collect();
        groups.into_iter().try_for_each(|group| self.put_user_group(&group.id, &group.engine, group.users))
    }

    /// A user that goes, out of its groups too.
    pub fn remove_user(&mut self, id: &str) {
        self.users.remove(id);
        self.user_groups.values_mut().for_each(|group| group.users.retain(|user| user != id));
    }

    /// A group of users that comes or, by the same id, changes. The words about the user `default` are in issue 25593 of
    /// hashicorp/terraform-provider-aws; a group for Valkey does without one.
    pub fn put_user_group(&mut self, id: &str, engine: &str, users: Vec<String>) -> Result<(), AwsError> {
        let everybody = User {
            id: DEFAULT.to_owned(),
            name: DEFAULT.to_owned(),
            engine: "redis".to_owned(),
            authentication: Authentication::NoPassword,
        };
        let mut group = UserGroup {
            id: id.to_ascii_lowercase(),
            engine: engine.to_owned(),
            users: Vec::new(),
            passwords: Vec::new(),
            anonymous: false,
        };
        let mut names = Vec::new();
        for user_id in users {
            let user = self.users.get(&user_id).or_else(|| (user_id == DEFAULT).then_some(&everybody));
            let user = user.ok_or_else(|| AwsError::not_found("UserNotFound", format!("User {user_id} not found.")))?;
            if engine == "valkey" && user.authentication == Authentication::NoPassword {
                return Err(invalid_combination("Users of a group for Valkey authenticate with a password or IAM."));
            }
            if engine != "valkey" && user.engine == "valkey" {
                return Err(invalid_combination("A group for Redis OSS has users of that engine."));
            }
            if names.contains(&user.name) {
                let message = format!("The user name {} is in the group twice.", user.name);
                return Err(AwsError::new("DuplicateUserName", message));
            }
            if user.name == DEFAULT {
                match &user.authentication {
                    Authentication::Passwords(all) => group.passwords.clone_from(all),
                    Authentication::NoPassword => group.anonymous = true,
                    Authentication::Iam => {}
                }
            }
            names.push(user.name.clone());
            group.users.push(user_id);
        }
        if engine != "valkey" && !names.iter().any(|name| name == DEFAULT) {
            let message = "User group needs to contain a user with the user name default.";
            return Err(AwsError::new("DefaultUserRequired", message));
        }
        self.user_groups.insert(group.id.clone(), group);
        Ok(())
    }

    /// A group that goes, unless a cache has it.
    pub fn remove_user_group(&mut self, id: &str) -> Result<(), AwsError> {
        let user = self.groups.values().find(|cache| cache.user_groups.iter().any(|group| group == id));
        if let Some(cache) = user {
            let message = format!("User group {id} is associated with {}.", names::arn("replicationgroup", &cache.id));
            return Err(AwsError::new("InvalidUserGroupState", message));
        }
        self.user_groups.remove(id);
        Ok(())
    }
}

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
