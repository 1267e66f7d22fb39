//! When tags may be listed and changed.

use super::*;
use crate::elasticache::names::arn;
use crate::readings::UnlistedTags;

const STATE: &str = "InvalidReplicationGroupState";

fn tag(kind: &str, id: &str) -> Value {
    json!({ "ResourceName": arn(kind, id), "Tags": { "Tag": [{ "Key": "team", "Value": "x" }] } })
}

fn list(kind: &str, id: &str) -> Value {
    json!({ "ResourceName": arn(kind, id) })
}

/// Terraform's provider went through the members, one call right after the other.
#[test]
fn members_are_tagged_one_after_the_other() {
    let mut account = Account::new();
    account.create("a", json!({ "NumCacheClusters": "3" }));
    for member in ["a-001", "a-002", "a-003"] {
        account.ok("AddTagsToResource", tag("cluster", member));
    }
    // The group itself, and every other change, have to wait.
    let refusal = account.call("AddTagsToResource", tag("replicationgroup", "a")).unwrap_err();
    let words = "Cluster not in available state to perform tagging operations.";
    assert_eq!((refusal.code.as_str(), refusal.message.as_str()), (STATE, words));
    assert_eq!(refusal_of_modify(&mut account), STATE);
    account.wait(120);
    for member in ["a-001", "a-002", "a-003"] {
        assert_eq!(account.ok("ListTagsForResource", list("cluster", member))["TagList"]["Tag"][0]["Key"], "team");
    }
    assert_eq!(account.ok("ListTagsForResource", list("replicationgroup", "a"))["TagList"]["Tag"], json!([]));
    // While the whole group is tagged, its members are not.
    account.ok("AddTagsToResource", tag("replicationgroup", "a"));
    assert_eq!(account.refused("AddTagsToResource", tag("cluster", "a-001")), STATE);
}

fn refusal_of_modify(account: &mut Account) -> String {
    refusal(account.modify("a", json!({ "ReplicationGroupDescription": "other" })))
}

#[test]
fn tags_of_a_group_that_is_being_made_are_not_listed() {
    for (reading, code) in
        [(UnlistedTags::InvalidState, STATE), (UnlistedTags::ClusterNotFound, "CacheClusterNotFound")]
    {
        let mut account = Account::new();
        account.world.readings.unlisted_tags = reading;
        account.ok("CreateReplicationGroup", Account::request("a", json!({})));
        assert_eq!(account.refused("ListTagsForResource", list("replicationgroup", "a")), code);
        assert_eq!(account.refused("ListTagsForResource", list("cluster", "a-001")), code);
        account.wait(600);
        account.ok("ListTagsForResource", list("replicationgroup", "a"));
        // A group that is changed is known, whatever is said of one that is made.
        account.modify("a", json!({ "ReplicationGroupDescription": "other" })).unwrap();
        assert_eq!(account.refused("ListTagsForResource", list("replicationgroup", "a")), STATE);
    }
}
