//! Tokens, user groups, encryption.

use super::*;

fn encrypted(account: &mut Account, more: Value) {
    let mut request = json!({ "TransitEncryptionEnabled": "true" });
    merge(&mut request, more);
    account.create("a", request);
}

fn tokens(account: &Account) -> (Vec<String>, bool) {
    let access = account.world.elasticache.wanted_nodes().remove(0).access;
    (access.tokens, access.anonymous)
}

#[test]
fn rotate_adds_a_token_and_set_makes_it_the_only_one() {
    let mut account = Account::new();
    encrypted(&mut account, json!({ "AuthToken": TOKEN_A }));
    let set = json!({ "AuthToken": TOKEN_B, "AuthTokenUpdateStrategy": "SET" });
    assert_eq!(refusal(account.modify("a", set.clone())), "InvalidParameterCombination");
    let rotate = json!({ "AuthToken": TOKEN_B, "AuthTokenUpdateStrategy": "ROTATE" });
    let answer = account.modify("a", rotate).unwrap();
    assert_eq!(answer["ReplicationGroup"]["PendingModifiedValues"]["AuthTokenStatus"], "ROTATING");
    assert_eq!(tokens(&account), (vec![TOKEN_A.to_owned()], false));
    account.wait(300);
    assert_eq!(tokens(&account), (vec![TOKEN_A.to_owned(), TOKEN_B.to_owned()], false));
    account.modified("a", set);
    assert_eq!(tokens(&account), (vec![TOKEN_B.to_owned()], false));
}

#[test]
fn a_first_token_is_optional_until_it_is_set() {
    let mut account = Account::new();
    encrypted(&mut account, json!({}));
    let rotate = json!({ "AuthToken": TOKEN_A, "AuthTokenUpdateStrategy": "ROTATE" });
    assert_eq!(account.modified("a", rotate)["AuthTokenEnabled"], true);
    assert_eq!(tokens(&account), (vec![TOKEN_A.to_owned()], true));
    account.modified("a", json!({ "AuthToken": TOKEN_A, "AuthTokenUpdateStrategy": "SET" }));
    assert_eq!(tokens(&account), (vec![TOKEN_A.to_owned()], false));
}

#[test]
fn tokens_give_way_to_user_groups_and_come_back() {
    let mut account = Account::new();
    account.world.elasticache.add_user_group(UserGroup::new("people", "valkey", "user-password"));
    encrypted(&mut account, json!({ "AuthToken": TOKEN_A }));
    let plain = json!({ "UserGroupIdsToAdd": { "member": ["people"] } });
    assert_eq!(refusal(account.modify("a", plain.clone())), "InvalidParameterCombination");
    assert_eq!(refusal(account.modify("a", json!({ "AuthTokenUpdateStrategy": "DELETE" }))), "InvalidParameterValue");
    let mut take_over = plain;
    take_over["AuthTokenUpdateStrategy"] = json!("DELETE");
    let group = account.modified("a", take_over);
    assert_eq!((&group["AuthTokenEnabled"], &group["UserGroupIds"]["member"]), (&json!(false), &json!(["people"])));
    assert_eq!(tokens(&account).0, ["user-password"]);
    assert_eq!(refusal(account.modify("a", json!({ "RemoveUserGroups": "true" }))), "InvalidParameterCombination");
    let back = json!({ "RemoveUserGroups": "true", "AuthToken": TOKEN_B, "AuthTokenUpdateStrategy": "ROTATE" });
    let group = account.modified("a", back);
    assert_eq!(group["AuthTokenEnabled"], true);
    assert_eq!(group["UserGroupIds"]["member"], json!([]));
}

#[test]
fn encryption_moves_one_step_at_a_time() {
    let mut account = Account::new();
    account.create("a", json!({}));
    let preferred = json!({ "TransitEncryptionEnabled": "true", "TransitEncryptionMode": "preferred" });
    let required = json!({ "TransitEncryptionEnabled": "true", "TransitEncryptionMode": "required" });
    let off = json!({ "TransitEncryptionEnabled": "false" });
    assert_eq!(refusal(account.modify("a", required.clone())), "InvalidParameterCombination");
    let mut later = preferred.clone();
    later["ApplyImmediately"] = json!("false");
    assert_eq!(refusal(account.modify("a", later)), "InvalidParameterCombination");
    account.modified("a", preferred.clone());
    assert_eq!(account.world.elasticache.wanted_nodes()[0].tls, Tls::Preferred);
    account.modified("a", required);
    assert_eq!(refusal(account.modify("a", off.clone())), "InvalidParameterCombination");
    // While it is on the mode goes alone: the pair has been seen on the way on only.
    assert_eq!(refusal(account.modify("a", preferred)), "InvalidParameterCombination");
    account.modified("a", json!({ "TransitEncryptionMode": "preferred" }));
    let group = account.modified("a", off);
    assert_eq!(group["TransitEncryptionEnabled"], false);
    assert!(group.get("TransitEncryptionMode").is_none());
}

#[test]
fn access_control_holds_encryption_still() {
    let mut account = Account::new();
    encrypted(&mut account, json!({ "AuthToken": TOKEN_A }));
    let unchanged = account.modify("a", json!({ "TransitEncryptionEnabled": "true" })).unwrap_err();
    assert!(unchanged.message.contains("not supported for access control enabled clusters"), "{unchanged}");
}

fn user(id: &str, name: &str, engine: &str, authentication: Authentication) -> User {
    User { id: id.to_owned(), name: name.to_owned(), engine: engine.to_owned(), authentication }
}

fn passwords(all: &[&str]) -> Authentication {
    Authentication::Passwords(all.iter().map(|one| (*one).to_owned()).collect())
}

#[test]
fn users_have_what_their_engine_and_their_authentication_need() {
    let mut account = Account::new();
    let cache = &mut account.world.elasticache;
    let put = |cache: &mut ElastiCache, user| cache.put_user(user).map_err(|refusal| refusal.code);
    let combination = Err("InvalidParameterCombination".to_owned());
    let value = Err("InvalidParameterValue".to_owned());
    assert_eq!(put(cache, user("a", "b", "valkey", Authentication::Iam)), combination);
    assert_eq!(put(cache, user("a", "b", "valkey", Authentication::NoPassword)), value);
    assert_eq!(put(cache, user("a", "b", "redis", passwords(&["short"]))), value);
    assert_eq!(put(cache, user("a", "b", "redis", passwords(&[TOKEN_A; 3]))), value);
    for well in [
        user("app", "app", "valkey", Authentication::Iam),
        user("again", "app", "valkey", passwords(&[TOKEN_A])),
        user("open", "open", "redis", Authentication::NoPassword),
        user("own-default", "default", "redis", passwords(&[TOKEN_A, TOKEN_B])),
    ] {
        assert_eq!(put(cache, well), Ok(()));
    }

    let mut group = |engine: &str, users: &[&str]| {
        let users = users.iter().map(|user| (*user).to_owned()).collect();
        cache.put_user_group("People", engine, users).map_err(|refusal| refusal.code)
    };
    for (engine, users, refusal) in [
        ("valkey", vec!["nobody"], "UserNotFound"),
        ("valkey", vec!["open"], "InvalidParameterCombination"),
        ("valkey", vec!["default"], "InvalidParameterCombination"),
        ("valkey", vec!["app", "again"], "DuplicateUserName"),
        ("redis", vec!["open"], "DefaultUserRequired"),
        ("redis", vec!["default", "app"], "InvalidParameterCombination"),
        ("redis", vec!["default", "own-default"], "DuplicateUserName"),
    ] {
        assert_eq!(group(engine, &users), Err(refusal.to_owned()), "{engine} {users:?}");
    }
    for (engine, users) in
        [("valkey", vec!["app"]), ("valkey", vec!["own-default"]), ("redis", vec!["default", "open"])]
    {
        assert_eq!(group(engine, &users), Ok(()), "{engine} {users:?}");
    }
}

#[test]
fn a_group_follows_its_users_and_stays_while_a_cache_has_it() {
    let mut account = Account::new();
    let cache = &mut account.world.elasticache;
    cache.put_user(user("own", "default", "redis", passwords(&[TOKEN_A]))).unwrap();
    cache.put_user_group("people", "redis", vec!["own".to_owned()]).unwrap();
    encrypted(&mut account, json!({ "UserGroupIds": { "member": ["people"] } }));
    assert_eq!(tokens(&account), (vec![TOKEN_A.to_owned()], false));
    let cache = &mut account.world.elasticache;
    cache.put_user(user("own", "default", "redis", passwords(&[TOKEN_B]))).unwrap();
    assert_eq!(cache.remove_user_group("people").unwrap_err().code, "InvalidUserGroupState");
    assert_eq!(tokens(&account), (vec![TOKEN_B.to_owned()], false));
    account.call("DeleteReplicationGroup", json!({ "ReplicationGroupId": "a" })).unwrap();
    account.wait(3600);
    account.world.elasticache.remove_user_group("people").unwrap();
    assert!(account.world.elasticache.user_groups.is_empty());
}
