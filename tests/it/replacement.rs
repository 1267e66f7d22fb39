//! Changes that AWS cannot make in place: refused, or made in a new generation when the template says how.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::{SERVICE_TOKEN, StackStatus};
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;

use crate::harness::{APPS, CACHE, SUBNETS, Setup, calls, names, other_vpc, production, quick_start, with};

const FIRST: &str = "development-myapp-valkey";
const SECOND: &str = "development-myapp-valkey-2";
const THIRD: &str = "development-myapp-valkey-3";

/// The quick start with one key in it.
async fn quick() -> Setup {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    write(&setup, FIRST, "greeting", "hello");
    setup
}

fn write(setup: &Setup, group: &str, key: &str, value: &str) {
    setup.aws.with(|world, _| {
        let data = &mut world.elasticache.groups.get_mut(group).unwrap().data;
        data.insert(key.to_owned(), value.to_owned());
    });
}

fn read(setup: &Setup, group: &str, key: &str) -> Option<String> {
    setup.aws.with(|world, _| world.elasticache.groups[group].data.get(key).cloned())
}

fn groups(setup: &Setup) -> Vec<String> {
    setup.aws.with(|world, _| world.elasticache.groups.keys().cloned().collect())
}

fn snapshots(setup: &Setup) -> Vec<String> {
    setup.aws.with(|world, _| {
        let standing = world.elasticache.snapshots.values().filter(|snapshot| snapshot.manual);
        standing.filter(|snapshot| snapshot.gone_at.is_none()).map(|snapshot| snapshot.name.clone()).collect()
    })
}

/// The quick start on another port.
fn other_port(policy: &str) -> Value {
    with(quick_start(), json!({"Port": 6380, "ReplacementPolicy": policy}))
}

/// Writes to anything of the first generation that are more than bookkeeping.
fn touches_first(writes: &[Entry]) -> Vec<String> {
    let about_first = |entry: &&Entry| {
        let text = entry.params.to_string();
        text.contains(FIRST) && !text.contains(SECOND) && !entry.action.contains("Tags")
    };
    writes.iter().filter(about_first).map(|entry| entry.action.clone()).collect()
}

/// Nobody knows whether the port changed when the earlier properties cannot be read: the group's own counts then.
#[tokio::test(start_paused = true)]
async fn another_port_is_no_in_place_change_when_the_old_properties_cannot_be_read() {
    let setup = quick().await;
    let before = setup.writes().len();
    let token = json!({"ServiceToken": SERVICE_TOKEN});
    let event = json!({
        "ResourceProperties": with(with(quick_start(), json!({"Port": 6380})), token.clone()),
        "OldResourceProperties": with(with(quick_start(), json!({"CacheNodeCount": 1})), token),
    });
    let answer = setup.stack.send("Update", CACHE, event).await.unwrap();
    assert!(!answer.is_success());
    assert!(answer.reason().contains("Port (6380)"), "{}", answer.reason());
    assert_eq!(names(&setup.writes().split_off(before)), Vec::<String>::new());
    setup.deleted().await;
}

/// The refusal is the default; it says what differs and which policy would allow it.
#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_property_both_values_and_the_policies() {
    let setup = quick().await;
    let (outcome, writes) = setup.rolled_back(with(quick_start(), json!({"Port": 6380}))).await;
    for part in ["Port", "6379", "6380", "ReplacementPolicy", "Snapshot", "Empty"] {
        assert!(outcome.reason.contains(part), "{part}: {}", outcome.reason);
    }
    assert_eq!(names(&writes), Vec::<String>::new());
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn the_policy_snapshot_takes_the_data_along_and_leaves_no_snapshot() {
    let setup = quick().await;
    let (outcome, writes) = setup.updated(other_port("Snapshot")).await;
    assert_eq!(outcome.request_types(), ["Update", "Delete"]);
    assert_eq!(outcome.physical_id, SECOND);
    assert_eq!(outcome.get_att("Connection.Port"), Ok("6380"));
    assert!(outcome.get_att("Warnings").unwrap().contains(FIRST), "{:?}", outcome.get_att("Warnings"));
    assert_eq!(read(&setup, SECOND, "greeting").as_deref(), Some("hello"));
    let snapshot = calls(&writes, "CreateSnapshot");
    let name = snapshot[0].params["SnapshotName"].as_str().unwrap();
    // Without shards AWS takes no snapshot of the group, only of a member.
    assert_eq!(snapshot[0].params["CacheClusterId"], format!("{FIRST}-001"));
    assert_eq!(snapshot[0].params["ReplicationGroupId"], Value::Null);
    assert_eq!(calls(&writes, "CreateReplicationGroup")[0].params["SnapshotName"], name);
    assert_eq!(calls(&writes, "DeleteSnapshot")[0].params["SnapshotName"], name);
    assert_eq!((groups(&setup), snapshots(&setup)), (vec![SECOND.to_owned()], Vec::new()));
    setup.deleted().await;
}

/// Of the primary, in which no write is missing; with shards of the whole group; while compatible not at all.
#[tokio::test(start_paused = true)]
async fn the_snapshot_is_taken_of_what_has_all_the_data() {
    let safe = json!({"NumCacheNodes": 3, "AutomaticFailoverEnabled": true});
    let setup = Setup::new();
    setup.created(with(quick_start(), safe.clone())).await;
    setup.aws.with(|world, _| world.elasticache.promote(&format!("{FIRST}-002")));
    let (_, writes) = setup.updated(with(other_port("Snapshot"), safe.clone())).await;
    assert_eq!(calls(&writes, "CreateSnapshot")[0].params["CacheClusterId"], format!("{FIRST}-002"));
    setup.deleted().await;

    let shards = json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 0});
    let setup = Setup::new();
    setup.created(with(quick_start(), shards.clone())).await;
    let (_, writes) = setup.updated(with(other_port("Snapshot"), shards)).await;
    let snapshot = &calls(&writes, "CreateSnapshot")[0].params;
    assert_eq!((&snapshot["ReplicationGroupId"], &snapshot["CacheClusterId"]), (&json!(FIRST), &Value::Null));
    setup.deleted().await;

    let compatible = with(safe, json!({"ClusterMode": "compatible"}));
    let setup = Setup::new();
    setup.created(with(quick_start(), compatible.clone())).await;
    let writes = setup.writes().len();
    let outcome = setup.stack.update(CACHE, with(other_port("Snapshot"), compatible)).await;
    assert!(outcome.reason.contains("ReplacementPolicy (Snapshot)"), "{}", outcome.reason);
    assert_eq!(names(&setup.writes().split_off(writes)), Vec::<String>::new());
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn the_policy_empty_makes_a_new_group_without_data() {
    let setup = quick().await;
    let (outcome, writes) = setup.updated(other_port("Empty")).await;
    assert_eq!(outcome.physical_id, SECOND);
    assert_eq!(read(&setup, SECOND, "greeting"), None);
    assert!(calls(&writes, "CreateSnapshot").is_empty());
    assert_eq!(groups(&setup), [SECOND]);
    setup.deleted().await;
}

/// The network type, TLS of an old Redis OSS, and the rest of what AWS fixes at creation.
#[tokio::test(start_paused = true)]
async fn everything_that_is_fixed_at_creation_is_replaced_with_its_data() {
    let changes = [
        (json!({}), other_vpc()),
        (json!({}), json!({"AtRestEncryptionEnabled": false})),
        (json!({}), json!({"KmsKeyId": "11111111-2222-3333-4444-555555555555"})),
        (json!({"Engine": "redis", "EngineVersion": "6.2"}), json!({"TransitEncryptionEnabled": true})),
        (json!({}), json!({"Env": "staging"})),
        (json!({}), json!({"ReplicationGroupId": "cache"})),
    ];
    for (base, change) in changes {
        let setup = Setup::new();
        let before = with(quick_start(), base);
        let first = setup.created(before.clone()).await.physical_id;
        write(&setup, &first, "greeting", "hello");
        let (outcome, _) =
            setup.updated(with(with(before, change.clone()), json!({"ReplacementPolicy": "Snapshot"}))).await;
        assert_ne!(outcome.physical_id, first, "{change}");
        assert_eq!(read(&setup, &outcome.physical_id, "greeting").as_deref(), Some("hello"), "{change}");
        assert_eq!(groups(&setup), std::slice::from_ref(&outcome.physical_id), "{change}");
        setup.deleted().await;
    }
}

/// What AWS does not restore into the wanted group is refused under `Snapshot`, before anything is done.
#[tokio::test(start_paused = true)]
async fn data_that_cannot_come_along_is_not_left_behind_in_silence() {
    for (base, change) in [
        (json!({}), json!({"EngineVersion": "8.0"})),
        (json!({}), json!({"Engine": "redis"})),
        (json!({"NumNodeGroups": 1}), json!({"NumNodeGroups": null})),
        (
            json!({"NumNodeGroups": 1, "ReplicasPerNodeGroup": 1}),
            json!({
                "NumNodeGroups": null, "ReplicasPerNodeGroup": null, "NumCacheNodes": 2,
                "AutomaticFailoverEnabled": true, "ClusterMode": "compatible",
            }),
        ),
        (json!({"EngineVersion": "7.2"}), json!({"Engine": "redis", "EngineVersion": "7.1", "Port": 6390})),
    ] {
        let setup = Setup::new();
        let before = with(quick_start(), base);
        let first = setup.created(before.clone()).await.physical_id;
        let after = with(before, change.clone());
        let (outcome, writes) = setup.rolled_back(with(after.clone(), json!({"ReplacementPolicy": "Snapshot"}))).await;
        assert!(outcome.reason.contains("Empty"), "{}", outcome.reason);
        assert_eq!(names(&writes), Vec::<String>::new());
        let (outcome, _) = setup.updated(with(after, json!({"ReplacementPolicy": "Empty"}))).await;
        assert_ne!(outcome.physical_id, first, "{change}");
        setup.deleted().await;
    }
}

/// Changes that AWS makes in one direction only, with the property that its rollback leaves, and the line for the template.
fn one_way_changes() -> [(Value, Value, &'static str, &'static str); 4] {
    [
        (
            json!({"EngineVersion": "8.0"}),
            json!({"EngineVersion": "8.1"}),
            "EngineVersion (8.0)",
            "EngineVersion: \"8.1\"",
        ),
        (
            json!({"Engine": "redis", "EngineVersion": "7.1"}),
            json!({"Engine": "valkey", "EngineVersion": "8.0"}),
            "Engine",
            "Engine: valkey and EngineVersion: \"8.0\"",
        ),
        (
            json!({"TransitEncryptionEnabled": true}),
            json!({"AuthTokenEnabled": true}),
            "AuthTokenEnabled (false)",
            "AuthTokenEnabled: true",
        ),
        (
            json!({"NumCacheNodes": 2, "AutomaticFailoverEnabled": true}),
            json!({"NumCacheNodes": null, "NumNodeGroups": 1, "ReplicasPerNodeGroup": 1}),
            "ClusterMode (disabled)",
            "ClusterMode: enabled",
        ),
    ]
}

/// What AWS does not take back stays; the rest of the update is taken back, and no rollback fails or loses data for it.
#[tokio::test(start_paused = true)]
async fn a_rollback_leaves_what_aws_makes_in_one_direction() {
    for policy in ["Refuse", "Snapshot", "Empty"] {
        for (base, change, property, line) in one_way_changes() {
            let setup = Setup::new();
            let before = with(with(quick_start(), base), json!({"ReplacementPolicy": policy, "Description": "before"}));
            let first = setup.created(before.clone()).await.physical_id;
            write(&setup, &first, "greeting", "hello");
            setup.stack.fail_elsewhere();
            let after = with(with(before.clone(), change.clone()), json!({"Description": "after"}));
            let outcome = setup.update(after).await;
            assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{change}: {}", outcome.reason);
            let warnings = outcome.get_att("Warnings").unwrap();
            assert!(warnings.contains(line), "{change}: {warnings}");
            assert_eq!((&outcome.physical_id, groups(&setup)), (&first, vec![first.clone()]), "{change}");
            assert_eq!(read(&setup, &first, "greeting").as_deref(), Some("hello"), "{change}");
            let description = setup.aws.with(|world, _| world.elasticache.groups[&first].description.clone());
            assert_eq!(description, "before", "{change}");
            // Still the old value, and something else new: refused, whatever the policy, and rolled back again.
            let (outcome, writes) = setup.rolled_back(with(before, json!({"Description": "other"}))).await;
            let name = property.split(' ').next().unwrap();
            assert!(
                outcome.reason.contains(name) && outcome.reason.contains("in place"),
                "{change}: {}",
                outcome.reason
            );
            assert_eq!(names(&writes), Vec::<String>::new(), "{change}");
            assert_eq!(groups(&setup), std::slice::from_ref(&first), "{change}");
            assert!(outcome.get_att("Warnings").unwrap().contains(line), "{change}");
        }
    }
}

/// A generation that was replaced and retained is another cluster with old data: only the rollback of the Update that
/// replaced it goes back to it.
#[tokio::test(start_paused = true)]
async fn a_retained_generation_is_not_returned_to() {
    let old = with(quick_start(), json!({"Port": 6379, "ReplacementPolicy": "Snapshot"}));
    let new = with(old.clone(), json!({"Port": 6380}));
    for touched in [false, true] {
        let setup = Setup::new();
        setup.stack.retain_replaced(true);
        setup.created(old.clone()).await;
        let (outcome, _) = setup.updated(new.clone()).await;
        assert_eq!(outcome.physical_id, SECOND);
        if touched {
            // An Update that fails in between, and its rollback, stay with the new one.
            setup.stack.fail_elsewhere();
            let outcome = setup.update(with(old.clone(), json!({"Port": 6381}))).await;
            assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
            assert_eq!(outcome.physical_id, SECOND);
            setup.stack.fail_elsewhere();
            let outcome = setup.update(with(new.clone(), json!({"Description": "other"}))).await;
            assert_eq!(outcome.physical_id, SECOND);
        }
        write(&setup, SECOND, "greeting", "new");
        let (outcome, _) = setup.updated(old.clone()).await;
        assert_eq!(outcome.physical_id, THIRD);
        assert_eq!(read(&setup, THIRD, "greeting").as_deref(), Some("new"));
        assert_eq!(groups(&setup), [FIRST, SECOND, THIRD]);
    }
}

/// The same where CloudFormation cannot be asked: it may be a rollback, so nothing is done.
#[tokio::test(start_paused = true)]
async fn what_may_go_back_to_old_data_is_refused() {
    let old = with(quick_start(), json!({"Port": 6379, "ReplacementPolicy": "Snapshot"}));
    let new = with(old.clone(), json!({"Port": 6380}));
    let setup = Setup::new();
    setup.stack.retain_replaced(true);
    setup.created(old.clone()).await;
    setup.updated(new.clone()).await;
    setup.aws.fault(Fault::on("DescribeStacks", 1, Kind::Denied).times(1000));
    let (outcome, writes) = setup.rolled_back(old).await;
    for part in [FIRST, "cloudformation:DescribeStacks", "still stands"] {
        assert!(outcome.reason.contains(part), "{part}: {}", outcome.reason);
    }
    assert!(calls(&writes, "CreateReplicationGroup").is_empty());
    assert_eq!(groups(&setup), [FIRST, SECOND]);
}

/// With the line that the warning names everything is in order again.
#[tokio::test(start_paused = true)]
async fn the_line_that_a_rollback_asks_for_ends_the_matter() {
    let setup = Setup::new();
    let before = with(quick_start(), json!({"EngineVersion": "8.0"}));
    setup.created(before.clone()).await;
    setup.stack.fail_elsewhere();
    let after = with(before.clone(), json!({"EngineVersion": "8.1"}));
    setup.update(after.clone()).await;
    let (outcome, _) = setup.updated(after).await;
    assert_eq!(outcome.get_att("Warnings").unwrap(), "");
    // Now a newer version is AWS's own doing again.
    setup.aws.with(|world, _| world.elasticache.groups.get_mut(FIRST).unwrap().engine_version = "8.2.0".to_owned());
    let (outcome, _) = setup.updated(with(before, json!({"EngineVersion": "8.1", "Description": "other"}))).await;
    assert!(outcome.get_att("Warnings").unwrap().contains("newer than EngineVersion 8.1"));
    setup.deleted().await;
}

/// CloudFormation cannot be asked, and under a standing `Empty` the rollback of an update in place looks like a change that
/// only an empty cluster can have.
#[tokio::test(start_paused = true)]
async fn a_standing_policy_empty_does_not_lose_the_data_in_what_may_be_a_rollback() {
    for (base, change, property, _) in one_way_changes() {
        let setup = Setup::new();
        setup.aws.fault(Fault::on("DescribeStacks", 1, Kind::Denied).times(1000));
        let before = with(with(quick_start(), base), json!({"ReplacementPolicy": "Empty"}));
        let first = setup.created(before.clone()).await.physical_id;
        write(&setup, &first, "greeting", "hello");
        setup.stack.fail_elsewhere();
        let after = with(before.clone(), change.clone());
        let outcome = setup.update(after.clone()).await;
        assert_eq!(outcome.status, StackStatus::UpdateRollbackFailed, "{change}: {}", outcome.reason);
        let reason = outcome.answers.last().unwrap().reason();
        for part in [property, "rollback", "set ReplacementPolicy to Refuse first"] {
            assert!(reason.contains(part), "{part}: {reason}");
        }
        assert_eq!((&outcome.physical_id, groups(&setup)), (&first, vec![first.clone()]), "{change}");
        assert_eq!(read(&setup, &first, "greeting").as_deref(), Some("hello"), "{change}");
    }
}

/// The way that the refusal names, and none is needed where CloudFormation says that nothing is rolled back.
#[tokio::test(start_paused = true)]
async fn a_downgrade_takes_a_policy_that_is_set_for_it() {
    let standing = with(quick_start(), json!({"ReplacementPolicy": "Empty"}));
    let older = with(standing.clone(), json!({"EngineVersion": "8.0"}));
    let setup = Setup::new();
    setup.created(standing.clone()).await;
    let (outcome, _) = setup.updated(older.clone()).await;
    assert_eq!(outcome.physical_id, SECOND);
    setup.deleted().await;
    let setup = Setup::new();
    setup.aws.fault(Fault::on("DescribeStacks", 1, Kind::Denied).times(1000));
    setup.created(standing.clone()).await;
    let (outcome, writes) = setup.rolled_back(older.clone()).await;
    assert!(outcome.reason.contains("set ReplacementPolicy to Refuse first"), "{}", outcome.reason);
    assert_eq!(names(&writes), Vec::<String>::new());
    setup.updated(with(standing, json!({"ReplacementPolicy": "Refuse"}))).await;
    let (outcome, _) = setup.updated(older).await;
    assert_eq!(outcome.physical_id, SECOND);
    setup.deleted().await;
}

/// AWS takes no token away, but a new group can be made without one; and so can one with another TLS setting.
#[tokio::test(start_paused = true)]
async fn a_token_goes_with_a_replacement() {
    for (token, property) in [
        (json!({"AuthTokenEnabled": true}), "AuthTokenEnabled (false): is true"),
        (json!({"AuthToken": "0123456789abcdef"}), "AuthToken (none): is a token"),
    ] {
        for policy in ["Snapshot", "Empty"] {
            let setup = Setup::new();
            setup.created(with(quick_start(), token.clone())).await;
            write(&setup, FIRST, "greeting", "hello");
            let (outcome, writes) = setup.rolled_back(quick_start()).await;
            for part in [property, "UserGroupIds", "ReplacementPolicy"] {
                assert!(outcome.reason.contains(part), "{part}: {}", outcome.reason);
            }
            assert_eq!(names(&writes), Vec::<String>::new());
            let properties = with(quick_start(), json!({"ReplacementPolicy": policy}));
            let (outcome, _) = setup.updated(properties).await;
            assert_eq!(outcome.get_att("Connection.PasswordRequired"), Ok("false"));
            assert_eq!(read(&setup, SECOND, "greeting").is_some(), policy == "Snapshot");
            assert_eq!((outcome.physical_id.as_str(), setup.tokens(SECOND)), (SECOND, Vec::new()));
            setup.deleted().await;
        }
    }
}

/// The way back from a replacement that took the token away is the old group, not a new token on the new one.
#[tokio::test(start_paused = true)]
async fn a_token_that_went_with_a_replacement_comes_back_with_the_old_generation() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"AuthTokenEnabled": true}))).await;
    write(&setup, FIRST, "greeting", "hello");
    let tokens = setup.tokens(FIRST);
    setup.stack.fail_elsewhere();
    let (outcome, _) = setup.rolled_back(with(quick_start(), json!({"ReplacementPolicy": "Empty"}))).await;
    assert_eq!((outcome.physical_id.as_str(), groups(&setup)), (FIRST, vec![FIRST.to_owned()]));
    assert_eq!((setup.tokens(FIRST), read(&setup, FIRST, "greeting").as_deref()), (tokens, Some("hello")));
    setup.deleted().await;
}

/// Each generation has all of its own, and CloudFormation's Delete of the old one takes nothing of the new one.
#[tokio::test(start_paused = true)]
async fn a_generation_has_its_own_secret_and_groups() {
    let setup = Setup::new();
    let base = with(production(), json!({"SecretName": "elasticache/cache-token", "Parameters": {"timeout": "30"}}));
    let created = setup.created(base.clone()).await;
    let old_tokens = setup.tokens(&created.physical_id);
    let (outcome, _) = setup.updated(with(base, json!({"Port": 6380, "ReplacementPolicy": "Snapshot"}))).await;
    for key in [
        "Security.SecurityGroupId",
        "Security.SubnetGroupName",
        "Security.ParameterGroupName",
        "Security.AuthTokenSecretArn",
        "Identifiers.ReplicationGroupId",
    ] {
        assert_ne!(created.get_att(key), outcome.get_att(key), "{key}");
    }
    let secret = setup.secret("elasticache/cache-token-2");
    let tokens = setup.tokens(&outcome.physical_id);
    assert_eq!(tokens, [secret["password"].as_str().unwrap()]);
    assert_ne!(tokens, old_tokens);
    assert_eq!((&secret["replicationGroupId"], &secret["port"]), (&json!(outcome.physical_id), &json!(6380)));
    setup.deleted().await;
}

/// A rename takes the new name, or a number when a name of the new generation is in use: here that of the secret.
#[tokio::test(start_paused = true)]
async fn a_renamed_generation_does_not_share_a_secret_with_the_old_one() {
    let setup = Setup::new();
    let base = with(production(), json!({"SecretName": "elasticache/cache-token", "ReplicationGroupId": "first"}));
    setup.created(base.clone()).await;
    let renamed = with(base, json!({"ReplicationGroupId": "second", "ReplacementPolicy": "Empty"}));
    let (outcome, _) = setup.updated(renamed).await;
    assert_eq!(outcome.physical_id, "second-2");
    assert_eq!(setup.tokens("second-2"), [setup.secret("elasticache/cache-token-2")["password"].as_str().unwrap()]);
    setup.deleted().await;
}

/// The Delete of the old generation knows the secret by the same SecretName; it must not find that of the new one.
#[tokio::test(start_paused = true)]
async fn a_renamed_generation_keeps_its_secret_when_the_old_one_had_none() {
    let setup = Setup::new();
    let base = with(quick_start(), json!({"SecretName": "elasticache/cache-token"}));
    setup.created(base.clone()).await;
    let change = json!({"ProjectId": "shop", "AuthTokenEnabled": true, "ReplacementPolicy": "Empty"});
    let (outcome, _) = setup.updated(with(base, change)).await;
    let secret = setup.secret("elasticache/cache-token-2");
    assert_eq!(setup.tokens(&outcome.physical_id), [secret["password"].as_str().unwrap()]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_is_passed_over() {
    let setup = quick().await;
    setup.by_hand(
        simulator::elasticache::ElastiCache::handle,
        "CreateCacheSubnetGroup",
        json!({
            "CacheSubnetGroupName": SECOND, "CacheSubnetGroupDescription": "of somebody else",
            "SubnetIds": {"SubnetIdentifier": [SUBNETS[0]]},
        }),
    );
    let (outcome, _) = setup.updated(other_port("Empty")).await;
    assert_eq!(outcome.physical_id, THIRD);
    setup.deleted().await;
    assert!(setup.aws.with(|world, _| world.elasticache.subnet_groups.contains_key(SECOND)));
}

/// A later resource of the stack fails: the old generation comes back with all that it had, also what was written
/// meanwhile, and CloudFormation removes the new one.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_rolled_back_returns_to_the_old_generation() {
    for policy in ["Snapshot", "Empty"] {
        let setup = quick().await;
        setup.stack.fail_elsewhere();
        let (outcome, writes) = setup.rolled_back(other_port(policy)).await;
        assert_eq!(outcome.request_types(), ["Update", "Update", "Delete"]);
        assert_eq!(outcome.physical_id, FIRST);
        assert_eq!(calls(&writes, "CreateReplicationGroup").len(), 1, "no third generation");
        assert!(touches_first(&writes).iter().all(|a| a.ends_with("Snapshot")), "{:?}", touches_first(&writes));
        assert_eq!(read(&setup, FIRST, "greeting").as_deref(), Some("hello"));
        assert_eq!((groups(&setup), snapshots(&setup)), (vec![FIRST.to_owned()], Vec::new()));
        // The next replacement is as good as the first.
        let (outcome, _) = setup.updated(other_port(policy)).await;
        assert_eq!((outcome.physical_id.as_str(), groups(&setup)), (SECOND, vec![SECOND.to_owned()]));
        setup.deleted().await;
    }
}

/// AWS makes some changes in one direction only, and a rollback could go that way on the new group, without the data.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_could_be_undone_in_place_returns_to_the_old_generation() {
    let sharded = json!({"NumNodeGroups": 1, "ReplicasPerNodeGroup": 1});
    let single = json!({"NumNodeGroups": null, "ReplicasPerNodeGroup": null, "NumCacheNodes": 2});
    for (base, change) in [
        (json!({}), json!({"EngineVersion": "8.0"})),
        (json!({}), json!({"Engine": "redis"})),
        (sharded, single),
        (json!({"Engine": "redis", "EngineVersion": "6.2"}), json!({"TransitEncryptionEnabled": true})),
    ] {
        let setup = Setup::new();
        let before = with(quick_start(), base);
        let first = setup.created(before.clone()).await.physical_id;
        write(&setup, &first, "greeting", "hello");
        setup.stack.fail_elsewhere();
        let properties = with(with(before, change.clone()), json!({"ReplacementPolicy": "Empty"}));
        let (outcome, writes) = setup.rolled_back(properties).await;
        assert_eq!(outcome.request_types(), ["Update", "Update", "Delete"], "{change}");
        assert_eq!(calls(&writes, "CreateReplicationGroup").len(), 1, "{change}");
        assert_eq!((&outcome.physical_id, groups(&setup)), (&first, vec![first.clone()]), "{change}");
        assert_eq!(read(&setup, &first, "greeting").as_deref(), Some("hello"), "{change}");
        setup.deleted().await;
    }
}

/// A rename that is rolled back finds the old name again.
#[tokio::test(start_paused = true)]
async fn a_rename_that_is_rolled_back_returns_to_the_old_name() {
    let setup = quick().await;
    setup.stack.fail_elsewhere();
    let renamed = with(quick_start(), json!({"ProjectId": "shop", "ReplacementPolicy": "Snapshot"}));
    let (outcome, _) = setup.rolled_back(renamed).await;
    assert_eq!(outcome.physical_id, FIRST);
    assert_eq!(groups(&setup), [FIRST]);
    setup.deleted().await;
}

/// A replacement that fails half-way leaves the old generation as it was; what it made goes with the rollback.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_fails_half_way_is_cleaned_up() {
    let setup = quick().await;
    setup.aws.with(|world, _| world.elasticache.fail_next_create("Not enough capacity."));
    let (outcome, writes) = setup.rolled_back(other_port("Snapshot")).await;
    assert!(outcome.reason.contains("Not enough capacity."), "{}", outcome.reason);
    assert_eq!(outcome.physical_id, FIRST);
    assert!(touches_first(&writes).iter().all(|action| action.ends_with("Snapshot")), "{:?}", touches_first(&writes));
    assert_eq!((groups(&setup), snapshots(&setup)), (vec![FIRST.to_owned()], Vec::new()));
    let left = setup.aws.leftovers(elasticache_resource::domain::tags::TAG_STACK_ID);
    assert!(!left.iter().any(|name| name.contains(SECOND)), "{left:?}");
    let (outcome, _) = setup.updated(other_port("Snapshot")).await;
    assert_eq!(read(&setup, &outcome.physical_id, "greeting").as_deref(), Some("hello"));
    setup.deleted().await;
}

/// Any one call of a replacement is refused for good: the rollback ends clean every time.
#[tokio::test(start_paused = true)]
async fn whatever_call_of_a_replacement_fails_the_old_generation_is_untouched() {
    for action in [
        "CreateSnapshot",
        "CreateCacheSubnetGroup",
        "CreateSecurityGroup",
        "CreateReplicationGroup",
        "DescribeSnapshots",
    ] {
        let setup = quick().await;
        setup.aws.fault(Fault::on(action, 1, Kind::error("InvalidParameterValue", "This does not work.")));
        let (_, writes) = setup.rolled_back(other_port("Snapshot")).await;
        assert!(
            touches_first(&writes).iter().all(|a| a.ends_with("Snapshot")),
            "{action}: {:?}",
            touches_first(&writes)
        );
        assert_eq!((groups(&setup), snapshots(&setup)), (vec![FIRST.to_owned()], Vec::new()), "{action}");
        let left = setup.aws.leftovers(elasticache_resource::domain::tags::TAG_STACK_ID);
        assert!(!left.iter().any(|name| name.contains(SECOND)), "{action}: {left:?}");
        setup.deleted().await;
    }
}

/// The stack is deleted while the rollback of a failed replacement has not cleaned up.
#[tokio::test(start_paused = true)]
async fn a_delete_takes_an_unfinished_replacement_along() {
    let setup = quick().await;
    setup.aws.with(|world, _| world.elasticache.fail_next_create("Not enough capacity."));
    let answer = setup.stack.send("Update", CACHE, json!({
        "ResourceProperties": with(other_port("Snapshot"), json!({"ServiceToken": simulator::cloudformation::SERVICE_TOKEN})),
        "OldResourceProperties": quick_start(),
    })).await.unwrap();
    assert!(!answer.is_success());
    assert!(groups(&setup).contains(&SECOND.to_owned()));
    setup.deleted().await;
    assert_eq!((groups(&setup), snapshots(&setup)), (Vec::new(), Vec::new()));
}

/// A replacement that failed half-way and was not rolled back.
async fn half_replaced() -> Setup {
    let setup = quick().await;
    setup.aws.with(|world, _| world.elasticache.fail_next_create("Not enough capacity."));
    let answer = setup.stack.send("Update", CACHE, json!({"ResourceProperties": other_port("Empty")})).await.unwrap();
    assert!(!answer.is_success());
    assert!(groups(&setup).contains(&SECOND.to_owned()));
    setup
}

/// The invocation that removed the unfinished replacement ends before the old generation is gone: the next one does not
/// miss what was removed.
#[tokio::test(start_paused = true)]
async fn a_delete_that_takes_an_unfinished_replacement_along_is_handed_on() {
    for minutes in [8, 12] {
        let setup = half_replaced().await;
        setup.aws.with(|world, _| world.elasticache.pace.delete = Duration::from_mins(minutes));
        setup.deleted().await;
        assert_eq!(calls(&setup.aws.journal(), "Invoke").len(), 1);
    }
}

/// The same when the next Update wants the removed replacement's name for another one.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_follows_an_unfinished_one_is_handed_on() {
    let setup = half_replaced().await;
    setup.aws.with(|world, _| {
        world.elasticache.pace.delete = Duration::from_mins(8);
        world.elasticache.pace.snapshot = Duration::from_mins(10);
    });
    let (outcome, _) = setup.updated(with(other_port("Snapshot"), json!({"Port": 6381}))).await;
    assert_eq!(outcome.physical_id, SECOND);
    assert_eq!(calls(&setup.aws.journal(), "Invoke").len(), 1);
    setup.deleted().await;
}

/// Deletion protection keeps the old generation; the new one is not touched by its Delete.
#[tokio::test(start_paused = true)]
async fn a_protected_generation_stays_next_to_the_new_one() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"DeletionProtection": true}))).await;
    let change = with(other_port("Empty"), json!({"DeletionProtection": true}));
    let (outcome, _) = setup.updated(change).await;
    assert_eq!(outcome.physical_id, SECOND);
    assert_eq!(groups(&setup), [FIRST, SECOND]);
    // Going back is a change like any other: the data of the old generation is stale.
    let back = with(quick_start(), json!({"DeletionProtection": false, "ReplacementPolicy": "Empty"}));
    let (outcome, _) = setup.updated(back).await;
    assert_eq!(outcome.physical_id, THIRD);
    assert_eq!(groups(&setup), [FIRST, SECOND, THIRD]);
}

/// The same event again, at once and after the answer, makes no third generation.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_delivered_twice_is_one_replacement() {
    let setup = quick().await;
    setup.stack.deliver_twice(true);
    let (outcome, writes) = setup.updated(other_port("Snapshot")).await;
    assert_eq!(outcome.physical_id, SECOND);
    setup.stack.wait_until_idle().await;
    assert_eq!(groups(&setup), [SECOND]);
    assert!(!writes.iter().any(|entry| entry.params.to_string().contains(THIRD)), "{:?}", names(&writes));
    setup.deleted().await;
}

/// A duplicate delivery that looked before the other one said what it makes, and that goes on after it began, joins it.
#[tokio::test(start_paused = true)]
async fn a_duplicate_that_is_late_makes_no_third_generation() {
    for nth in 1..=12 {
        let setup = quick().await;
        setup.stack.deliver_twice(true);
        setup.aws.fault(Fault::on("DescribeCacheParameterGroups", nth, Kind::Slow(Duration::from_secs(9))));
        setup.updated(other_port("Empty")).await;
        setup.stack.wait_until_idle().await;
        assert_eq!(groups(&setup), [SECOND], "the slow call is number {nth}");
        let writes = setup.writes();
        let third = writes.iter().filter(|entry| entry.params.to_string().contains(THIRD));
        assert_eq!(third.count(), 0, "the slow call is number {nth}: {:?}", names(&writes));
    }
}

/// A duplicate delivery that still waits for the snapshot when the other one has used and removed it takes no second one.
#[tokio::test(start_paused = true)]
async fn a_duplicate_takes_no_second_snapshot() {
    for nth in 1..=16 {
        let setup = quick().await;
        setup.aws.with(|world, _| {
            let pace = &mut world.elasticache.pace;
            (pace.create, pace.snapshot) = (Duration::from_secs(2), Duration::from_secs(5));
        });
        setup.stack.deliver_twice(true);
        setup.aws.fault(Fault::on("DescribeSnapshots", nth, Kind::Slow(Duration::from_secs(15))));
        // The other one removes the snapshot and is not through for a while.
        setup.aws.fault(Fault::on("RemoveTagsFromResource", 1, Kind::Slow(Duration::from_secs(40))));
        setup.updated(other_port("Snapshot")).await;
        setup.stack.wait_until_idle().await;
        let writes = setup.writes();
        let taken = calls(&writes, "CreateSnapshot").iter().filter(|call| call.outcome.is_ok()).count();
        assert_eq!(taken, 1, "the slow call is number {nth}");
        setup.deleted().await;
    }
}

/// A replacement that takes longer than an invocation goes on in the next one, from the same snapshot.
#[tokio::test(start_paused = true)]
async fn a_long_replacement_is_handed_on() {
    let setup = quick().await;
    setup.aws.with(|world, _| {
        world.elasticache.pace.create = Duration::from_mins(20);
        world.elasticache.pace.snapshot = Duration::from_mins(16);
    });
    let (outcome, writes) = setup.updated(other_port("Snapshot")).await;
    assert_eq!(outcome.physical_id, SECOND);
    assert_eq!(calls(&writes, "CreateSnapshot").len(), 1);
    assert_eq!(read(&setup, SECOND, "greeting").as_deref(), Some("hello"));
    setup.deleted().await;
}

/// What a new group could not have is found out before the snapshot is taken.
#[tokio::test(start_paused = true)]
async fn a_replacement_is_checked_like_a_create() {
    let setup = quick().await;
    let wrong = json!({"PreferredAvailabilityZones": ["us-east-1a", "us-east-1b"]});
    let (outcome, writes) = setup.rolled_back(with(other_port("Snapshot"), wrong)).await;
    assert!(outcome.reason.contains("PreferredAvailabilityZones"), "{}", outcome.reason);
    assert_eq!(names(&writes), Vec::<String>::new());
    let missing = json!({"AllowedSecurityGroupIds": [APPS[0], "sg-0a0000000000dead"]});
    let (outcome, writes) = setup.rolled_back(with(other_port("Snapshot"), missing)).await;
    assert!(outcome.reason.contains("sg-0a0000000000dead"), "{}", outcome.reason);
    assert_eq!(names(&writes), Vec::<String>::new());
    setup.deleted().await;
}

/// CloudFormation goes back while the replacement begins: whatever was made by then, nothing of it is left.
#[tokio::test(start_paused = true)]
async fn a_replacement_that_is_cancelled_at_its_beginning_leaves_nothing() {
    for step in 0..30 {
        let setup = quick().await;
        // Response URLs are signed to the second.
        let after = Duration::from_millis(1000 + step * 400);
        setup.aws.fault(Fault::on("DescribeCacheParameterGroups", 1, Kind::Slow(Duration::from_secs(3))));
        let with_parameters = with(other_port("Empty"), json!({"Parameters": {"timeout": "30"}}));
        let outcome = setup.stack.update_and_cancel(CACHE, with_parameters, after).await;
        assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{after:?}: {}", outcome.reason);
        setup.stack.wait_until_idle().await;
        assert_eq!(outcome.physical_id, FIRST);
        let left = setup.aws.leftovers(elasticache_resource::domain::tags::TAG_STACK_ID);
        let of_second: Vec<&String> = left.iter().filter(|name| name.contains(SECOND)).collect();
        assert!(of_second.is_empty(), "{after:?}: {of_second:?}");
        setup.deleted().await;
    }
}
