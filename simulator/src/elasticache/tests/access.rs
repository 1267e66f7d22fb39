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
