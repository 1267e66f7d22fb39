//! Changes of a standing group that take several moves, or minutes: each in place, in order, and asked for once.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::{Outcome, StackStatus};
use simulator::elasticache::{ElastiCache, MemberStatus, ReplicationGroup, Status, UserGroup};
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;
use simulator::nodes::Tls;

use crate::harness::{CACHE, Setup, calls, names, quick_start, with};

const ID: &str = "development-myapp-valkey";
const MODIFY: &str = "ModifyReplicationGroup";

/// A standing group with these properties over the quick start, in an account with two user groups.
async fn standing(changes: Value) -> (Setup, Value) {
    let setup = Setup::new();
    setup.aws.with(|world, _| {
        for id in ["g0", "g1"] {
            world.elasticache.add_user_group(UserGroup::new(id, "valkey", "a-long-enough-password"));
        }
    });
    let properties = with(quick_start(), changes);
    setup.created(properties.clone()).await;
    (setup, properties)
}

/// An Update that succeeds, after which the same properties make no write. Returns its writes, without hand-overs.
async fn changed(setup: &Setup, properties: Value) -> (Outcome, Vec<Entry>) {
    let (outcome, writes) = setup.updated(properties).await;
    quiet(setup).await;
    (outcome, without_hand_overs(writes))
}

fn without_hand_overs(writes: Vec<Entry>) -> Vec<Entry> {
    writes.into_iter().filter(|entry| entry.service != "lambda").collect()
}

fn hand_overs(setup: &Setup) -> usize {
    calls(&setup.writes(), "Invoke").len()
}

/// The properties as they are make no write, and give the same attributes.
async fn quiet(setup: &Setup) {
    let before = setup.writes().len();
    let answer = setup.stack.send("Update", CACHE, json!({})).await.unwrap();
    assert!(answer.is_success(), "{}", answer.reason());
    assert_eq!(setup.write_names().split_off(before), Vec::<String>::new(), "unchanged properties caused a write");
}

async fn rolled_back(setup: &Setup, properties: Value) -> (Outcome, Vec<Entry>) {
    let (outcome, writes) = setup.rolled_back(properties).await;
    quiet(setup).await;
    (outcome, without_hand_overs(writes))
}

fn group(setup: &Setup) -> ReplicationGroup {
    setup.aws.with(|world, _| world.elasticache.groups[ID].clone())
}

/// The fields of the Modify calls, each without the id and the immediacy, which must be on.
fn modifications(writes: &[Entry]) -> Vec<Value> {
    let fields = |entry: &&Entry| {
        let mut params = entry.params.clone();
        let map = params.as_object_mut().unwrap();
        assert_eq!(map.remove("ReplicationGroupId"), Some(json!(ID)));
        assert_eq!(map.remove("ApplyImmediately"), Some(json!("true")), "{entry:?}");
        if map.contains_key("AuthToken") {
            map.insert("AuthToken".to_owned(), json!("token"));
        }
        params
    };
    calls(writes, MODIFY).iter().map(fields).collect()
}

fn strategies(writes: &[Entry]) -> Vec<String> {
    let strategy = |entry: &&Entry| entry.params["AuthTokenUpdateStrategy"].as_str().map(str::to_owned);
    calls(writes, MODIFY).iter().filter_map(strategy).collect()
}

/// The group takes exactly the token in the secret, and nobody comes in without.
fn assert_token_alone(setup: &Setup, outcome: &Outcome) {
    let group = group(setup);
    let secret = setup.secret(outcome.get_att("Security.AuthTokenSecretArn").unwrap());
    assert_eq!(group.tokens, [secret["password"].as_str().unwrap()]);
    assert!(!group.token_optional, "a client without a password still comes in");
    assert!(group.user_groups.is_empty());
    assert_eq!((&secret["host"], secret["ssl"].as_bool()), (&json!(host(outcome)), Some(true)));
    assert_eq!(outcome.get_att("Connection.PasswordRequired"), Ok("true"));
}

fn host(outcome: &Outcome) -> String {
    let endpoint = outcome.get_att("Connection.Endpoint").unwrap();
    endpoint.rsplit_once(':').unwrap().0.to_owned()
}

fn tls_on() -> Value {
    json!({"TransitEncryptionEnabled": true})
}

/// The first call adds the token along with access without one, the second requires it.
#[tokio::test(start_paused = true)]
async fn a_first_token_is_added_and_then_required() {
    let (setup, plain) = standing(tls_on()).await;
    let (outcome, writes) = changed(&setup, with(plain, json!({"AuthTokenEnabled": true}))).await;
    assert_eq!(
        modifications(&writes),
        [
            json!({"AuthToken": "token", "AuthTokenUpdateStrategy": "ROTATE"}),
            json!({"AuthToken": "token", "AuthTokenUpdateStrategy": "SET"}),
        ]
    );
    let tokens: Vec<&Value> = calls(&writes, MODIFY).iter().map(|entry| &entry.params["AuthToken"]).collect();
    assert_eq!(tokens[0], tokens[1]);
    assert_token_alone(&setup, &outcome);
    setup.deleted().await;
}

/// Wherever an invocation dies, the event is tried again and goes on.
#[tokio::test(start_paused = true)]
async fn a_first_token_survives_the_death_of_an_invocation() {
    for milliseconds in [300, 900, 2_000, 60_000, 299_000, 302_000, 304_000, 306_000, 310_000, 500_000, 595_000] {
        let (setup, plain) = standing(tls_on()).await;
        setup.kill_next_after(Duration::from_millis(milliseconds));
        let before = setup.invocations().len();
        let (outcome, writes) = changed(&setup, with(plain, json!({"AuthTokenEnabled": true}))).await;
        assert_eq!(setup.invocations()[before], Err("killed".to_owned()), "after {milliseconds} ms");
        assert_token_alone(&setup, &outcome);
        assert_eq!(strategies(&writes), ["ROTATE", "SET"], "after {milliseconds} ms");
        setup.deleted().await;
    }
}

/// A failed Update leaves a mark behind; it must not make a later one believe that the token is required already.
#[tokio::test(start_paused = true)]
async fn a_token_that_never_became_required_is_set_by_the_next_update() {
    let (setup, plain) = standing(tls_on()).await;
    let properties = with(plain.clone(), json!({"AuthTokenEnabled": true}));
    let refusal = Kind::error("InvalidParameterValue", "not now");
    setup.aws.fault(Fault::on(MODIFY, 2, refusal));
    // Once a token is there AWS has no way back to none, so the rollback leaves it as a second way in.
    let (outcome, _) = rolled_back(&setup, properties.clone()).await;
    assert!(outcome.reason.contains("not now"), "{}", outcome.reason);
    assert!(group(&setup).token_optional, "clients without a password must still come in");
    let (outcome, writes) = changed(&setup, properties).await;
    assert_eq!(strategies(&writes), ["SET"]);
    assert_token_alone(&setup, &outcome);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn another_user_group_comes_and_the_old_one_goes_in_one_call() {
    let (setup, with_g0) = standing(json!({"UserGroupIds": ["g0"]})).await;
    let (_, writes) = changed(&setup, with(with_g0, json!({"UserGroupIds": ["g1"]}))).await;
    assert_eq!(names(&writes), [MODIFY]);
    let expected = json!({"UserGroupIdsToAdd": {"member": ["g1"]}, "UserGroupIdsToRemove": {"member": ["g0"]}});
    assert_eq!(modifications(&writes), [expected]);
    assert_eq!(group(&setup).user_groups, ["g1"]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_token_gives_way_to_a_user_group_and_comes_back() {
    let (setup, token) = standing(json!({"AuthTokenEnabled": true})).await;
    let users = with(quick_start(), json!({"UserGroupIds": ["g0"]}));
    let (outcome, writes) = changed(&setup, users).await;
    let expected = json!({"AuthTokenUpdateStrategy": "DELETE", "UserGroupIdsToAdd": {"member": ["g0"]}});
    assert_eq!(modifications(&writes), [expected]);
    assert_eq!(calls(&writes, "DeleteSecret").len(), 1);
    assert!(group(&setup).tokens.is_empty());
    assert_eq!(outcome.get_att("Security.AuthTokenSecretArn"), Ok(""));
    assert_eq!(outcome.get_att("Connection.PasswordRequired"), Ok("true"));

    let (outcome, writes) = changed(&setup, token).await;
    assert_eq!(
        modifications(&writes),
        [
            json!({"AuthToken": "token", "AuthTokenUpdateStrategy": "ROTATE", "RemoveUserGroups": "true"}),
            json!({"AuthToken": "token", "AuthTokenUpdateStrategy": "SET"}),
        ]
    );
    assert_token_alone(&setup, &outcome);
    setup.deleted().await;
}

/// A mark that an abandoned change of the authentication left behind does not let a later one skip the SET.
#[tokio::test(start_paused = true)]
async fn an_abandoned_first_token_does_not_leave_the_next_one_optional() {
    let (setup, plain) = standing(tls_on()).await;
    let token = with(plain.clone(), json!({"AuthTokenEnabled": true}));
    setup.aws.fault(Fault::on(MODIFY, 2, Kind::error("InvalidParameterValue", "not now")));
    rolled_back(&setup, token.clone()).await;
    changed(&setup, with(plain, json!({"UserGroupIds": ["g0"]}))).await;
    let (outcome, writes) = changed(&setup, token).await;
    assert_eq!(strategies(&writes), ["ROTATE", "SET"]);
    assert_token_alone(&setup, &outcome);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_user_group_gives_way_to_nobody() {
    let (setup, _) = standing(json!({"UserGroupIds": ["g0"]})).await;
    let (outcome, writes) = changed(&setup, with(quick_start(), tls_on())).await;
    assert_eq!(modifications(&writes), [json!({"UserGroupIdsToRemove": {"member": ["g0"]}})]);
    assert_eq!(outcome.get_att("Connection.PasswordRequired"), Ok("false"));
    setup.deleted().await;
}

/// User group and TLS go in one Update: the user group goes first, because AWS moves TLS only without one.
#[tokio::test(start_paused = true)]
async fn a_user_group_and_tls_go_together() {
    let (setup, _) = standing(json!({"UserGroupIds": ["g0"]})).await;
    let (outcome, writes) = changed(&setup, quick_start()).await;
    assert_eq!(
        modifications(&writes),
        [
            json!({"UserGroupIdsToRemove": {"member": ["g0"]}}),
            json!({"TransitEncryptionMode": "preferred"}),
            json!({"TransitEncryptionEnabled": "false"}),
        ]
    );
    assert_eq!(outcome.get_att("Connection.TlsEnabled"), Ok("false"));
    setup.deleted().await;
}

/// A token cannot be dropped; said before anything else is changed.
#[tokio::test(start_paused = true)]
async fn a_token_cannot_be_dropped_without_a_user_group() {
    let (setup, _) = standing(json!({"AuthTokenEnabled": true})).await;
    let properties = with(quick_start(), json!({"TransitEncryptionEnabled": true, "Description": "not this"}));
    let (outcome, writes) = rolled_back(&setup, properties).await;
    assert_eq!(names(&writes), Vec::<String>::new());
    assert!(
        outcome.reason.contains("AuthTokenEnabled") && outcome.reason.contains("UserGroupIds"),
        "{}",
        outcome.reason
    );
    setup.deleted().await;
}

/// From off over preferred to required and back, each waited for; the group is never replaced.
#[tokio::test(start_paused = true)]
async fn tls_moves_one_step_at_a_time_in_both_directions() {
    for engine in [json!({}), json!({"EngineVersion": "7.2"})] {
        let (setup, off) = standing(engine).await;
        let (outcome, writes) = changed(&setup, with(off.clone(), tls_on())).await;
        let preferred = json!({"TransitEncryptionEnabled": "true", "TransitEncryptionMode": "preferred"});
        let required = json!({"TransitEncryptionMode": "required"});
        assert_eq!(modifications(&writes), [preferred, required]);
        assert_eq!(group(&setup).tls, Tls::Required);
        assert!(outcome.get_att("Connection.Url").unwrap().starts_with("rediss://"));
        let (outcome, writes) = changed(&setup, off).await;
        let back = json!({"TransitEncryptionMode": "preferred"});
        assert_eq!(modifications(&writes), [back, json!({"TransitEncryptionEnabled": "false"})]);
        assert_eq!(group(&setup).tls, Tls::Off);
        assert!(outcome.get_att("Connection.Url").unwrap().starts_with("redis://"));
        setup.deleted().await;
    }
}

/// With a token in place TLS cannot go, and nothing is begun.
#[tokio::test(start_paused = true)]
async fn tls_cannot_go_while_a_token_is_in_place() {
    let (setup, _) = standing(json!({"AuthTokenEnabled": true})).await;
    for tls in [json!({"TransitEncryptionEnabled": false}), tls_on()] {
        let mode = json!({"TransitEncryptionMode": if tls == tls_on() { json!("preferred") } else { Value::Null }});
        let (_, writes) = rolled_back(&setup, with(with(quick_start(), tls), mode)).await;
        assert_eq!(names(&writes), Vec::<String>::new());
    }
    setup.deleted().await;
}

/// TLS and a first token in one Update, over several invocations: four moves of 30 minutes.
#[tokio::test(start_paused = true)]
async fn tls_and_a_first_token_come_in_one_update() {
    let (setup, off) = standing(json!({})).await;
    let before = setup.invocations().len();
    let (outcome, writes) = changed(&setup, with(off, json!({"AuthTokenEnabled": true}))).await;
    assert_eq!(
        modifications(&writes),
        [
            json!({"TransitEncryptionEnabled": "true", "TransitEncryptionMode": "preferred"}),
            json!({"TransitEncryptionMode": "required"}),
            json!({"AuthToken": "token", "AuthTokenUpdateStrategy": "ROTATE"}),
            json!({"AuthToken": "token", "AuthTokenUpdateStrategy": "SET"}),
        ]
    );
    assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{:?}", names(&writes));
    assert_token_alone(&setup, &outcome);
    let invocations = &setup.invocations()[before..];
    assert_eq!(hand_overs(&setup), 2);
    assert!(invocations.iter().all(Result::is_ok), "{invocations:?}");
    assert_eq!(outcome.answers.len(), 1);
    setup.deleted().await;
}

/// No call changes the access to the cache and nothing is written to the secret.
#[tokio::test(start_paused = true)]
async fn a_new_description_leaves_the_token_alone() {
    let (setup, token) = standing(json!({"AuthTokenEnabled": true})).await;
    let (_, writes) = changed(&setup, with(token, json!({"Description": "sessions"}))).await;
    assert_eq!(names(&writes), [MODIFY]);
    assert_eq!(modifications(&writes), [json!({"ReplicationGroupDescription": "sessions"})]);
    setup.deleted().await;
}

/// Up goes before, down after what else changes.
#[tokio::test(start_paused = true)]
async fn a_larger_node_type_comes_before_and_a_smaller_one_after_the_rest() {
    let (setup, small) = standing(json!({})).await;
    let larger = with(small.clone(), json!({"NodeType": "cache.m7g.large", "Description": "large"}));
    let (outcome, writes) = changed(&setup, larger).await;
    let large = json!({"CacheNodeType": "cache.m7g.large"});
    assert_eq!(modifications(&writes), [large, json!({"ReplicationGroupDescription": "large"})]);
    assert_eq!(outcome.get_att("Configuration.NodeType"), Ok("cache.m7g.large"));
    let (_, writes) = changed(&setup, small).await;
    assert_eq!(modifications(&writes)[1], json!({"CacheNodeType": "cache.t4g.micro"}));
    setup.deleted().await;
}

fn nodes(count: u32) -> Value {
    json!({"NumCacheNodes": count, "AutomaticFailoverEnabled": count > 1, "MultiAzEnabled": count > 1})
}

/// Replicas are removed when everything else is done.
#[tokio::test(start_paused = true)]
async fn nodes_go_last() {
    let (setup, four) = standing(nodes(4)).await;
    let properties = with(with(four, nodes(2)), json!({"Description": "smaller", "NodeType": "cache.t4g.small"}));
    let (_, writes) = changed(&setup, properties).await;
    assert_eq!(names(&writes), [MODIFY, MODIFY, "DecreaseReplicaCount"]);
    assert_eq!(writes[2].params["NewReplicaCount"], "1");
    setup.deleted().await;
}

/// The node that goes is never the primary.
#[tokio::test(start_paused = true)]
async fn a_primary_with_the_highest_number_stays() {
    for going in [2, 1] {
        let (setup, three) = standing(nodes(3)).await;
        let primary = format!("{ID}-003");
        setup.aws.with(|world, _| world.elasticache.promote(&primary));
        let (_, writes) = changed(&setup, with(three, nodes(going))).await;
        assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{writes:?}");
        let group = group(&setup);
        let primaries: Vec<&str> =
            group.members().filter(|member| member.primary).map(|member| member.id.as_str()).collect();
        assert_eq!(primaries, [primary.as_str()]);
        assert_eq!((group.shards[0].members.len(), group.failover), (going as usize, going > 1));
        setup.deleted().await;
    }
}

/// The group is available before its new member is.
#[tokio::test(start_paused = true)]
async fn a_member_that_is_still_being_made_holds_back_the_next_change() {
    let (setup, two) = standing(nodes(2)).await;
    setup.aws.with(|world, now| {
        let group = world.elasticache.groups.get_mut(ID).unwrap();
        let member = &mut group.shards[0].members[1];
        member.status = MemberStatus::Creating;
        member.ready_at = Some(now + Duration::from_mins(2));
    });
    let start = setup.aws.clock().now();
    let state = || Kind::error("InvalidReplicationGroupState", "Cache cluster is not in a valid state.");
    setup.aws.fault(Fault::on(MODIFY, 1, state()).times(2));
    let properties = with(with(two, nodes(3)), json!({"NodeType": "cache.t4g.small"}));
    let (_, writes) = changed(&setup, properties).await;
    assert!(writes[0].at.since(start) >= Duration::from_mins(2), "{:?}", names(&writes));
    let accepted: Vec<Entry> = writes.into_iter().filter(|entry| entry.outcome.is_ok()).collect();
    assert_eq!(names(&accepted), [MODIFY, "IncreaseReplicaCount"]);
    setup.deleted().await;
}

fn shards(count: u32, replicas: u32) -> Value {
    json!({"NumNodeGroups": count, "ReplicasPerNodeGroup": replicas})
}

/// New members carry the tags. Which shards go is read from AWS: their ids may have gaps.
#[tokio::test(start_paused = true)]
async fn shards_come_and_the_highest_go() {
    let tags = json!({"Tags": [{"Key": "Team", "Value": "shop"}]});
    let (setup, two) = standing(with(shards(2, 1), tags)).await;
    let (outcome, writes) = changed(&setup, with(two.clone(), shards(3, 1))).await;
    assert_eq!(calls(&writes, "ModifyReplicationGroupShardConfiguration").len(), 1);
    let params = &writes[0].params;
    assert_eq!((&params["NodeGroupCount"], &params["NodeGroupsToRemove"]), (&json!("3"), &Value::Null));
    assert!(group(&setup).members().all(|member| member.tags["Team"] == "shop"));
    assert_eq!(outcome.get_att("Configuration.NumCacheNodes"), Ok("6"));
    // Ids have gaps when shards came and went.
    setup.aws.with(|world, _| world.elasticache.groups.get_mut(ID).unwrap().shards[1].id = "0007".to_owned());
    let (_, writes) = changed(&setup, two).await;
    let params = &calls(&writes, "ModifyReplicationGroupShardConfiguration")[0].params;
    assert_eq!(params["NodeGroupCount"], "2");
    assert_eq!(params["NodeGroupsToRemove"], json!({"NodeGroupToRemove": ["0007"]}));
    setup.deleted().await;
}

/// Shards that are not alike get and lose replicas one by one, in one call.
#[tokio::test(start_paused = true)]
async fn replicas_change_shard_by_shard() {
    let layout = |first: u32, second: u32| {
        json!({"NodeGroupConfiguration": [
            {"NodeGroupId": "0001", "Slots": "0-8191", "ReplicaCount": first},
            {"NodeGroupId": "0002", "Slots": "8192-16383", "ReplicaCount": second},
        ]})
    };
    let (setup, base) = standing(layout(1, 1)).await;
    let (_, writes) = changed(&setup, with(base.clone(), layout(3, 1))).await;
    let expected = json!([{"NodeGroupId": "0001", "NewReplicaCount": "3"}]);
    assert_eq!(writes[0].params["ReplicaConfiguration"]["ConfigureShard"], expected);
    assert_eq!(names(&writes), ["IncreaseReplicaCount"]);
    let (_, writes) = changed(&setup, with(base.clone(), layout(0, 2))).await;
    assert_eq!(names(&writes), ["IncreaseReplicaCount", "DecreaseReplicaCount"]);
    let (_, writes) = changed(&setup, with(base, layout(2, 2))).await;
    assert_eq!(names(&writes), ["IncreaseReplicaCount"]);
    let counts: Vec<usize> = group(&setup).shards.iter().map(|shard| shard.members.len()).collect();
    assert_eq!(counts, [3, 3]);
    setup.deleted().await;
}

/// Shards that the layout names stay, and keep their replicas whatever their place in the list.
#[tokio::test(start_paused = true)]
async fn a_layout_with_ids_says_which_shards_stay() {
    let shard = |id: &str, replicas: u32| json!({"NodeGroupId": id, "ReplicaCount": replicas});
    let layout = |shards: Value| json!({"NodeGroupConfiguration": shards});
    let (setup, base) = standing(layout(json!([shard("0001", 1), shard("0002", 1), shard("0003", 2)]))).await;
    let properties = with(base.clone(), layout(json!([shard("0001", 1), shard("0003", 2)])));
    let (_, writes) = changed(&setup, properties).await;
    assert_eq!(names(&writes), ["ModifyReplicationGroupShardConfiguration"]);
    assert_eq!(writes[0].params["NodeGroupsToRemove"], json!({"NodeGroupToRemove": ["0002"]}));
    let sizes = |setup: &Setup| -> Vec<(String, usize)> {
        group(setup).shards.iter().map(|shard| (shard.id.clone(), shard.members.len())).collect()
    };
    assert_eq!(sizes(&setup), [("0001".to_owned(), 2), ("0003".to_owned(), 3)]);

    // AWS has no shards of these names: they keep what they have.
    let (_, writes) = changed(&setup, with(base, layout(json!([shard("0005", 1), shard("0006", 2)])))).await;
    assert_eq!(names(&writes), Vec::<String>::new());
    assert_eq!(sizes(&setup), [("0001".to_owned(), 2), ("0003".to_owned(), 3)]);
    setup.deleted().await;
}

/// More shards with fewer replicas, Multi-AZ off, and back.
#[tokio::test(start_paused = true)]
async fn shards_and_replicas_change_together() {
    let (setup, wide) = standing(with(shards(2, 2), json!({"MultiAzEnabled": true}))).await;
    let flat = with(with(wide.clone(), shards(3, 0)), json!({"MultiAzEnabled": null}));
    let (_, writes) = changed(&setup, flat).await;
    assert_eq!(names(&writes).last().unwrap(), "DecreaseReplicaCount");
    assert_eq!(group(&setup).members().count(), 3);
    let (_, writes) = changed(&setup, wide).await;
    assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{writes:?}");
    assert!(group(&setup).multi_az);
    assert_eq!(group(&setup).members().count(), 6);
    setup.deleted().await;
}

/// One call for each mode, together with the parameter group that fits it.
#[tokio::test(start_paused = true)]
async fn cluster_mode_goes_through_compatible_to_enabled() {
    let (setup, off) = standing(nodes(2)).await;
    let parameters = json!({"CacheParameterGroupName": "default.valkey8.cluster.on"});
    let (outcome, writes) = changed(&setup, with(off.clone(), json!({"ClusterMode": "compatible"}))).await;
    assert_eq!(modifications(&writes), [with(parameters.clone(), json!({"ClusterMode": "compatible"}))]);
    assert_ne!(outcome.get_att("Connection.Endpoint"), Ok(""));
    let (outcome, writes) = changed(&setup, with(off.clone(), json!({"ClusterMode": "enabled"}))).await;
    assert_eq!(modifications(&writes), [with(parameters, json!({"ClusterMode": "enabled"}))]);
    assert_ne!(outcome.get_att("ConfigurationEndPoint.Address"), Ok(""));
    setup.deleted().await;

    // In one Update, from a single node, with custom parameters, and on to two shards.
    let own = json!({"Parameters": {"timeout": "30"}});
    let (setup, single) = standing(own).await;
    let (_, writes) = changed(&setup, with(single, shards(2, 0))).await;
    let modes: Vec<Value> = modifications(&writes).into_iter().filter(|m| m.get("ClusterMode").is_some()).collect();
    let clustered = json!({"CacheParameterGroupName": "development-myapp-valkey-valkey8-cluster"});
    let both = ["compatible", "enabled"].map(|mode| with(clustered.clone(), json!({"ClusterMode": mode})));
    assert_eq!(modes, both);
    let group = group(&setup);
    assert_eq!((group.shards.len(), group.members().count()), (2, 2));
    setup.aws.with(|world, _| {
        let parameters = world.elasticache.parameter_group(&group.parameter_group).unwrap();
        assert_eq!((parameters.value("timeout"), parameters.value("cluster-enabled")), (Some("30"), Some("yes")));
    });
    setup.deleted().await;
}

/// The way back from compatible, also when failover and nodes go with it and when parameters are kept.
#[tokio::test(start_paused = true)]
async fn cluster_mode_goes_back_from_compatible() {
    let kept = json!({"Parameters": {"timeout": "30"}});
    for (own, parameters) in [(json!({}), "default.valkey8"), (kept, "development-myapp-valkey-valkey8")] {
        for count in [2, 1] {
            let (setup, base) = standing(with(nodes(2), own.clone())).await;
            let compatible = with(base.clone(), json!({"ClusterMode": "compatible"}));
            changed(&setup, compatible).await;
            let (outcome, writes) = changed(&setup, with(base, nodes(count))).await;
            let off = &modifications(&writes)[0];
            assert_eq!(off["ClusterMode"], "disabled", "{:?}", names(&writes));
            assert_eq!(off["CacheParameterGroupName"], parameters, "{:?}", names(&writes));
            assert_eq!(outcome.get_att("ConfigurationEndPoint.Address"), Ok(""));
            assert_eq!(group(&setup).members().count(), count as usize);
            setup.deleted().await;
        }
    }
}

/// Parameter groups of ours that are there, with their cluster flag.
fn kept_groups(setup: &Setup) -> Vec<(String, bool)> {
    setup.aws.with(|world, _| {
        let own = world.elasticache.parameter_groups.values().filter(|group| !group.is_default());
        own.map(|group| (group.name.clone(), group.value("cluster-enabled") == Some("yes"))).collect()
    })
}

/// AWS never changes `cluster-enabled` of a group in use: with the mode comes another parameter group, and the old one goes.
#[tokio::test(start_paused = true)]
async fn kept_parameters_move_between_two_groups_with_the_cluster_mode() {
    let own = json!({"Parameters": {"timeout": "30"}});
    let (off, on) = ("development-myapp-valkey-valkey8", "development-myapp-valkey-valkey8-cluster");
    let (setup, base) = standing(with(nodes(2), own)).await;
    for (mode, there, flag, gone) in [("compatible", on, true, off), ("disabled", off, false, on)] {
        let (_, writes) = changed(&setup, with(base.clone(), json!({"ClusterMode": mode}))).await;
        assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{writes:?}");
        assert_eq!(modifications(&writes), [json!({"ClusterMode": mode, "CacheParameterGroupName": there})]);
        let deleted = calls(&writes, "DeleteCacheParameterGroup");
        assert_eq!(deleted[0].params["CacheParameterGroupName"], gone);
        assert_eq!(kept_groups(&setup), [(there.to_owned(), flag)]);
        setup.aws.with(|world, _| {
            assert_eq!(world.elasticache.parameter_group(there).unwrap().value("timeout"), Some("30"));
        });
    }
    setup.deleted().await;
}

/// Whatever call of a change of the cluster mode AWS refuses, or gives up after it accepted it: the rollback ends where it
/// began.
#[tokio::test(start_paused = true)]
async fn a_change_of_cluster_mode_is_rolled_back_from_any_point() {
    let own = json!({"Parameters": {"timeout": "30"}});
    for (from, to) in [("disabled", "compatible"), ("compatible", "disabled")] {
        let base = with(with(nodes(2), own.clone()), json!({"ClusterMode": from}));
        let (setup, before) = standing(base.clone()).await;
        let kept = kept_groups(&setup);
        let (_, writes) = changed(&setup, with(before, json!({"ClusterMode": to}))).await;
        setup.deleted().await;
        let mut seen = std::collections::BTreeMap::new();
        for action in names(&writes) {
            let nth = *seen.entry(action.clone()).and_modify(|n| *n += 1).or_insert(1);
            let (setup, before) = standing(base.clone()).await;
            setup.aws.fault(Fault::on(&action, nth, Kind::error("InvalidParameterValue", "not now")));
            let outcome = setup.stack.update(CACHE, with(before, json!({"ClusterMode": to}))).await;
            let status = outcome.status;
            assert_eq!(status, StackStatus::UpdateRollbackComplete, "{to}: {action} {nth}: {}", outcome.reason);
            let now = group(&setup);
            assert_eq!((now.cluster_mode.as_str(), kept_groups(&setup)), (from, kept.clone()), "{action} {nth}");
            setup.deleted().await;
        }
        let (setup, before) = standing(base).await;
        setup.aws.with(|world, _| world.elasticache.roll_back_next(MODIFY, "no capacity"));
        let (outcome, _) = rolled_back(&setup, with(before, json!({"ClusterMode": to}))).await;
        assert!(outcome.reason.contains("no capacity"), "{}", outcome.reason);
        assert_eq!((group(&setup).cluster_mode.as_str(), kept_groups(&setup)), (from, kept));
        setup.deleted().await;
    }
}

/// An upgrade to another family keeps the cluster flag, and the mode keeps the family: each has a call of its own.
#[tokio::test(start_paused = true)]
async fn an_upgrade_and_another_cluster_mode_take_two_calls() {
    let group = |family: &str| format!("development-myapp-valkey-{family}");
    for own in [false, true] {
        let name = |family: &str, cluster: bool| match (own, cluster) {
            (true, true) => group(&format!("{family}-cluster")),
            (true, false) => group(family),
            (false, true) => format!("default.{family}.cluster.on"),
            (false, false) => format!("default.{family}"),
        };
        let parameters = if own { json!({"timeout": "30"}) } else { Value::Null };
        let old = json!({"EngineVersion": "7.2", "Parameters": parameters});
        let version =
            |cluster: bool| json!({"EngineVersion": "8.1", "CacheParameterGroupName": name("valkey8", cluster)});
        let mode = |mode: &str, family: &str| json!({"ClusterMode": mode, "CacheParameterGroupName": name(family, mode != "disabled")});
        let cases = [
            ("disabled", "compatible", vec![version(false), mode("compatible", "valkey8")]),
            ("disabled", "enabled", vec![version(false), mode("compatible", "valkey8"), mode("enabled", "valkey8")]),
            // While compatible AWS upgrades nothing.
            ("compatible", "disabled", vec![mode("disabled", "valkey7"), version(false)]),
            ("compatible", "enabled", vec![mode("enabled", "valkey7"), version(true)]),
        ];
        for (from, to, expected) in cases {
            let (setup, base) = standing(with(with(nodes(2), old.clone()), json!({"ClusterMode": from}))).await;
            let (_, writes) = changed(&setup, with(base, json!({"ClusterMode": to, "EngineVersion": "8.1"}))).await;
            assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{from} {to}: {writes:?}");
            assert_eq!(modifications(&writes), expected, "{from} {to}");
            let left: Vec<String> = kept_groups(&setup).into_iter().map(|(name, _)| name).collect();
            let last = name("valkey8", to != "disabled");
            assert_eq!(left, if own { vec![last] } else { Vec::new() }, "{from} {to}");
            setup.deleted().await;
        }
    }
}

/// One group of the user's cannot have both kinds that an upgrade and another mode need.
#[tokio::test(start_paused = true)]
async fn an_upgrade_and_another_mode_under_a_parameter_group_of_the_users_are_refused() {
    let (setup, base) = standing(with(nodes(2), json!({"EngineVersion": "7.2"}))).await;
    crate::shapes::parameter_group(&setup, "mine", "valkey8", &[("cluster-enabled", "yes")]);
    let both = json!({"EngineVersion": "8.1", "ClusterMode": "compatible", "ParameterGroupName": "mine"});
    let (outcome, writes) = rolled_back(&setup, with(base, both)).await;
    assert_eq!(names(&writes), Vec::<String>::new());
    assert!(outcome.reason.contains("ParameterGroupName (mine): AWS takes no upgrade"), "{}", outcome.reason);
    setup.deleted().await;
}

/// A group that somebody upgraded by hand keeps the family that it has: the parameters follow.
#[tokio::test(start_paused = true)]
async fn parameters_follow_an_engine_that_was_upgraded_by_hand() {
    let (setup, base) = standing(json!({"EngineVersion": "7.2", "Parameters": {"timeout": "30"}})).await;
    let id = group(&setup).id;
    setup.by_hand(
        ElastiCache::handle,
        "ModifyReplicationGroup",
        json!({"ReplicationGroupId": id, "EngineVersion": "8.1", "CacheParameterGroupName": "default.valkey8",
            "ApplyImmediately": "true"}),
    );
    setup.aws.clock().sleep(std::time::Duration::from_hours(1)).await;
    let (_, writes) = changed(&setup, with(base, json!({"Description": "unrelated"}))).await;
    assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{writes:?}");
    assert_eq!(kept_groups(&setup), [("development-myapp-valkey-valkey8".to_owned(), false)]);
    assert_eq!(group(&setup).parameter_group, "development-myapp-valkey-valkey8");
    setup.deleted().await;
}

/// Replicas go by their number alone, whichever AWS takes, and never the primary.
#[tokio::test(start_paused = true)]
async fn replicas_go_by_number_without_names() {
    let (setup, base) = standing(nodes(4)).await;
    let id = group(&setup).id;
    setup.aws.with(|world, _| world.elasticache.promote(&format!("{id}-004")));
    let (_, writes) = changed(&setup, with(base, nodes(2))).await;
    let decrease = calls(&writes, "DecreaseReplicaCount");
    let expected = json!({"ReplicationGroupId": id, "NewReplicaCount": "1", "ApplyImmediately": "true"});
    assert_eq!((decrease.len(), &decrease[0].params), (1, &expected));
    assert!(group(&setup).members().any(|member| member.primary && member.id.ends_with("-004")));
    setup.deleted().await;
}

/// While compatible, AWS changes neither version, node type nor the number of nodes: the mode is changed first, or the
/// change refused.
#[tokio::test(start_paused = true)]
async fn nothing_else_changes_while_cluster_mode_is_compatible() {
    let (setup, base) = standing(with(nodes(2), json!({"ClusterMode": "compatible", "EngineVersion": "8.0"}))).await;
    for change in [json!({"NodeType": "cache.t4g.small"}), json!({"EngineVersion": "8.2"}), nodes(3)] {
        let (outcome, writes) = rolled_back(&setup, with(base.clone(), change)).await;
        assert_eq!(names(&writes), Vec::<String>::new());
        assert!(outcome.reason.contains("ClusterMode"), "{}", outcome.reason);
    }
    let on = json!({"ClusterMode": "enabled", "NodeType": "cache.t4g.small", "EngineVersion": "8.2"});
    let (_, writes) = changed(&setup, with(base, on)).await;
    let enabled = json!({"ClusterMode": "enabled", "CacheParameterGroupName": "default.valkey8.cluster.on"});
    assert_eq!(modifications(&writes)[0], enabled);
    setup.deleted().await;
}

/// All that AWS refuses while compatible comes before it, also with custom parameters and fewer nodes.
#[tokio::test(start_paused = true)]
async fn cluster_mode_becomes_compatible_last() {
    for own in [json!({}), json!({"Parameters": {"timeout": "30"}})] {
        for (before, after) in [(1, 3), (4, 2)] {
            let base = with(nodes(before), json!({"EngineVersion": "8.0", "NodeType": "cache.m7g.xlarge"}));
            let (setup, base) = standing(with(base, own.clone())).await;
            let change = json!({
                "ClusterMode": "compatible", "EngineVersion": "8.1", "NodeType": "cache.m7g.large", "Description": "x",
            });
            let (_, writes) = changed(&setup, with(with(base, nodes(after)), change)).await;
            assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{:?}", names(&writes));
            let last = writes.iter().rposition(|entry| entry.action.contains("Replica")).unwrap();
            assert_eq!(writes[last].params["ClusterMode"], "compatible", "{:?}", names(&writes));
            assert_eq!(group(&setup).members().count(), after as usize);
            setup.deleted().await;
        }
    }
}

/// What waits for the window would be refused then.
#[tokio::test(start_paused = true)]
async fn nothing_waits_while_cluster_mode_becomes_compatible() {
    let (setup, base) = standing(nodes(2)).await;
    let later = json!({"ClusterMode": "compatible", "NodeType": "cache.t4g.small", "ApplyImmediately": false});
    let (outcome, writes) = rolled_back(&setup, with(base.clone(), later)).await;
    assert!(outcome.reason.contains("ApplyImmediately (false)"), "{}", outcome.reason);
    assert!(writes.iter().all(|entry| entry.params.get("CacheNodeType").is_none()), "{:?}", names(&writes));
    let alone = json!({"ClusterMode": "compatible", "ApplyImmediately": false, "Parameters": {"timeout": "30"}});
    changed(&setup, with(base, alone)).await;
    setup.deleted().await;
}

/// Enabled stays enabled; said before anything is changed.
#[tokio::test(start_paused = true)]
async fn cluster_mode_never_goes_back_from_enabled() {
    let (setup, _) = standing(shards(1, 1)).await;
    let (outcome, writes) = rolled_back(&setup, with(quick_start(), nodes(2))).await;
    assert_eq!(names(&writes), Vec::<String>::new());
    assert!(outcome.reason.contains("ClusterMode"), "{}", outcome.reason);
    setup.deleted().await;
}

fn redis(changes: Value) -> Value {
    with(json!({"Engine": "redis", "EngineVersion": "7.1"}), changes)
}

/// With a version given or ours by default, and with the user's parameters in a group of the new family.
#[tokio::test(start_paused = true)]
async fn redis_becomes_valkey_in_one_call_under_the_same_id() {
    let id = "development-myapp-redis";
    for (parameters, version) in [(None, Some("7.2")), (None, None), (Some(json!({"timeout": "30"})), None)] {
        let setup = Setup::new();
        let kept = json!({"Parameters": parameters});
        let before = with(quick_start(), with(redis(json!({})), kept.clone()));
        setup.created(before).await;
        let valkey = with(quick_start(), with(json!({"Engine": "valkey", "EngineVersion": version}), kept));
        let (outcome, writes) = setup.updated(valkey).await;
        quiet(&setup).await;
        let modified = calls(&writes, MODIFY);
        let wanted = version.unwrap_or("8.2");
        let family = if wanted == "7.2" { "valkey7" } else { "valkey8" };
        let group = if parameters.is_some() { format!("{id}-{family}") } else { format!("default.{family}") };
        let expected = json!({
            "ReplicationGroupId": id, "ApplyImmediately": "true",
            "Engine": "valkey", "EngineVersion": wanted, "CacheParameterGroupName": group,
        });
        assert_eq!(modified.iter().map(|entry| &entry.params).collect::<Vec<_>>(), [&expected]);
        assert_eq!(outcome.physical_id, id);
        assert_eq!(outcome.get_att("Configuration.Engine"), Ok("valkey"));
        let old = calls(&writes, "DeleteCacheParameterGroup");
        assert_eq!(old.len(), usize::from(parameters.is_some()), "the group of the old family goes");
        setup.deleted().await;
    }
}

/// The one way back that AWS offers; and versions up.
#[tokio::test(start_paused = true)]
async fn valkey_7_2_goes_back_to_redis_7_1() {
    let (setup, valkey) = standing(json!({"EngineVersion": "7.2", "Parameters": {"timeout": "30"}})).await;
    let (outcome, writes) = changed(&setup, with(valkey.clone(), redis(json!({})))).await;
    assert_eq!(modifications(&writes).len(), 1);
    assert_eq!(outcome.get_att("Configuration.EngineVersion"), Ok("7.1"));
    assert_eq!(outcome.physical_id, ID);
    let (outcome, _) = changed(&setup, with(valkey, json!({"EngineVersion": "9.0"}))).await;
    assert_eq!(outcome.get_att("Security.ParameterGroupName").unwrap(), format!("{ID}-valkey9"));
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_by_hand_that_the_template_follows_is_no_change() {
    let (setup, old) = standing(redis(json!({"EngineVersion": "7.0", "ReplicationGroupId": ID}))).await;
    setup.aws.with(|world, _| "7.1.0".clone_into(&mut world.elasticache.groups.get_mut(ID).unwrap().engine_version));
    let (_, writes) = changed(&setup, with(old, json!({"EngineVersion": "7.1"}))).await;
    assert_eq!(names(&writes), Vec::<String>::new());
    setup.deleted().await;
}

/// AWS says that nothing changes.
#[tokio::test(start_paused = true)]
async fn nothing_to_modify_is_no_failure() {
    let (setup, base) = standing(json!({})).await;
    let nothing = Kind::error("InvalidParameterCombination", "No modifications were requested");
    setup.aws.fault(Fault::on(MODIFY, 1, nothing));
    setup.aws.with(|world, _| "by hand".clone_into(&mut world.elasticache.groups.get_mut(ID).unwrap().description));
    let update = setup.update(with(base, json!({"Description": "wanted"})));
    let by_hand = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        setup.aws.with(|world, _| "wanted".clone_into(&mut world.elasticache.groups.get_mut(ID).unwrap().description));
    };
    let (outcome, ()) = tokio::join!(update, by_hand);
    assert_eq!(outcome.status, StackStatus::UpdateComplete, "{}", outcome.reason);
    setup.deleted().await;
}

fn log(kind: &str, destination: &str) -> Value {
    json!({"LogType": kind, "DestinationType": "cloudwatch-logs", "Destination": destination})
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_no_longer_wanted_is_disabled_in_a_call_of_its_own() {
    let both = json!({"LogDelivery": [log("slow-log", "slow"), log("engine-log", "engine")]});
    let (setup, base) = standing(both).await;
    let one = json!({
        "LogDelivery": [log("engine-log", "engine")], "ApplyImmediately": false, "Description": "one log",
    });
    let (_, writes) = changed(&setup, with(base, one)).await;
    assert_eq!(names(&writes), [MODIFY, MODIFY]);
    assert_eq!(writes[0].params["ReplicationGroupDescription"], "one log");
    let expected = json!({
        "ReplicationGroupId": ID,
        "ApplyImmediately": "true",
        "LogDeliveryConfigurations": {"LogDeliveryConfigurationRequest": [{"LogType": "slow-log", "Enabled": "false"}]},
    });
    assert_eq!(writes[1].params, expected);
    let kept: Vec<String> = group(&setup).logs.into_iter().map(|log| log.log_type).collect();
    assert_eq!(kept, ["engine-log"]);
    setup.deleted().await;
}

/// Two logs change places, which AWS refuses when it sees only one of them.
#[tokio::test(start_paused = true)]
async fn logs_change_destination_and_format() {
    let (setup, base) = standing(json!({"LogDelivery": [log("slow-log", "a"), log("engine-log", "b")]})).await;
    let swapped = json!({"LogDelivery": [log("slow-log", "b"), log("engine-log", "a")]});
    let (_, writes) = changed(&setup, with(base.clone(), swapped)).await;
    assert_eq!(names(&writes), [MODIFY]);
    let text = with(log("slow-log", "a"), json!({"LogFormat": "text"}));
    changed(&setup, with(base, json!({"LogDelivery": [text]}))).await;
    assert_eq!(group(&setup).logs[0].format, "text");
    setup.deleted().await;
}

/// Slow logs came with Redis OSS 6.
#[tokio::test(start_paused = true)]
async fn an_upgrade_comes_before_the_logs_that_need_it() {
    let (setup, old) = standing(redis(json!({"EngineVersion": "5.0.6", "ReplicationGroupId": ID}))).await;
    let properties = json!({"EngineVersion": "7.1", "LogDelivery": [log("slow-log", "slow")]});
    let (_, writes) = changed(&setup, with(old, properties)).await;
    let order: Vec<bool> =
        modifications(&writes).iter().map(|call| call.get("LogDeliveryConfigurations").is_some()).collect();
    assert_eq!(order, [false, true]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn tags_come_while_available_and_new_members_have_them() {
    let (setup, two) = standing(with(nodes(2), json!({"Tags": [{"Key": "Old", "Value": "1"}]}))).await;
    let properties = with(with(two, nodes(3)), json!({"Tags": [{"Key": "New", "Value": "2"}]}));
    let (_, writes) = changed(&setup, properties).await;
    assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{writes:?}");
    assert_eq!(names(&writes).last().unwrap(), "IncreaseReplicaCount");
    for member in group(&setup).members() {
        assert!(member.tags.contains_key("New") && !member.tags.contains_key("Old"), "{:?}", member.tags);
    }
    setup.deleted().await;
}

/// Also a change that is not a plain Modify.
#[tokio::test(start_paused = true)]
async fn every_kind_of_change_waits_for_a_backup() {
    let changes =
        [nodes(2), tls_on(), json!({"LogDelivery": [log("slow-log", "slow")]}), json!({"EngineVersion": "9.0"})];
    for change in changes {
        let (setup, base) = standing(json!({})).await;
        setup.aws.with(|world, now| {
            world.elasticache.set_status(ID, Status::Snapshotting, now, now + Duration::from_mins(3));
        });
        let (_, writes) = changed(&setup, with(base, change)).await;
        assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{writes:?}");
        setup.deleted().await;
    }
}

/// Replicas were added, then the node type is refused; the rollback meets a busy group.
#[tokio::test(start_paused = true)]
async fn a_half_done_update_is_taken_back_while_the_group_is_busy() {
    let (setup, two) = standing(nodes(2)).await;
    let refusal = "cache.t4g.micro is not supported here.";
    setup.aws.fault(Fault::on(MODIFY, 1, Kind::error("InvalidParameterValue", refusal)));
    // The description comes after the replicas.
    let properties = with(with(two, nodes(4)), json!({"Description": "refused"}));
    let mut entries = setup.aws.subscribe();
    let update = setup.update(properties);
    let backup = async {
        while entries.recv().await.unwrap().action != MODIFY {}
        setup.aws.with(|world, now| {
            world.elasticache.set_status(ID, Status::Modifying, now, now + Duration::from_mins(2));
        });
    };
    let (outcome, ()) = tokio::join!(update, backup);
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    assert!(outcome.reason.contains(refusal), "{}", outcome.reason);
    quiet(&setup).await;
    assert_eq!(group(&setup).members().count(), 2);
    setup.deleted().await;
}

/// AWS accepts, works and undoes: noticed, told with its event, asked for once, also over a hand-over.
#[tokio::test(start_paused = true)]
async fn silent_roll_backs_are_told_and_not_repeated() {
    let event = "The change was rolled back: not enough free memory.";
    let cases = [
        ("ModifyReplicationGroupShardConfiguration", shards(2, 1), shards(3, 1)),
        ("ModifyReplicationGroupShardConfiguration", shards(2, 1), shards(1, 1)),
        ("IncreaseReplicaCount", shards(2, 1), shards(2, 2)),
        ("DecreaseReplicaCount", shards(2, 2), shards(2, 1)),
        ("DecreaseReplicaCount", nodes(3), nodes(2)),
        (MODIFY, json!({}), tls_on()),
        (MODIFY, json!({}), json!({"EngineVersion": "9.0"})),
    ];
    for (action, before, after) in cases {
        let (setup, base) = standing(before).await;
        setup.aws.with(|world, _| world.elasticache.roll_back_next(action, event));
        let (outcome, writes) = rolled_back(&setup, with(base, after)).await;
        assert!(outcome.reason.contains(event), "{action}: {}", outcome.reason);
        assert_eq!(names(&writes), [action]);
        setup.deleted().await;
    }
}

/// A change that takes longer than one invocation may is handed on, asked for once and answered once.
#[tokio::test(start_paused = true)]
async fn an_update_of_an_hour_goes_on_over_several_invocations() {
    let (setup, base) = standing(redis(json!({"ReplicationGroupId": ID}))).await;
    let properties = json!({
        "Engine": "valkey", "EngineVersion": "8.2", "NodeType": "cache.t4g.small", "TransitEncryptionEnabled": true,
    });
    let (outcome, writes) = changed(&setup, with(base, properties)).await;
    let expected = ["engine", "node type", "preferred", "required"];
    assert_eq!(modifications(&writes).len(), expected.len(), "{writes:?}");
    assert_eq!(hand_overs(&setup), 3);
    assert_eq!(outcome.answers.len(), 1);
    setup.deleted().await;
}

/// With the cluster protocol AWS does not say which member is the primary, so none is named to go.
#[tokio::test(start_paused = true)]
async fn a_single_node_becomes_a_shard_without_replicas() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let (_, writes) = setup.updated(with(quick_start(), json!({"NumNodeGroups": 1, "ReplicasPerNodeGroup": 0}))).await;
    let decrease = calls(&writes, "DecreaseReplicaCount");
    assert_eq!((decrease.len(), decrease[0].params.get("ReplicasToRemove")), (1, None));
    setup.deleted().await;
}

/// A parameter group that waits for the maintenance window shows nowhere; it is asked for once, and the old one stays.
#[tokio::test(start_paused = true)]
async fn a_parameter_group_for_the_maintenance_window_is_asked_for_once() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"Parameters": {"timeout": "30"}, "EngineVersion": "7.2"}))).await;
    let later = with(quick_start(), json!({"EngineVersion": "7.2", "ApplyImmediately": false}));
    let (outcome, writes) = setup.updated(later.clone()).await;
    assert_eq!(names(&writes), ["ModifyReplicationGroup"]);
    assert!(outcome.get_att("Warnings").unwrap().contains("CacheParameterGroup"), "{:?}", outcome.get_att("Warnings"));
    let (_, writes) = setup.updated(with(later, json!({"DeletionProtection": false}))).await;
    assert_eq!(names(&writes), Vec::<String>::new());
    setup.deleted().await;
}

/// What waits for the maintenance window is taken back when the template no longer asks for it.
#[tokio::test(start_paused = true)]
async fn a_parameter_group_that_waits_is_taken_back() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let later = json!({"Parameters": {"timeout": "30"}, "ApplyImmediately": false});
    setup.updated(with(quick_start(), later)).await;
    setup.updated(quick_start()).await;
    let group = setup.aws.with(|world, _| world.elasticache.groups["development-myapp-valkey"].clone());
    let waiting = group.waiting.and_then(|waiting| waiting.changes.parameter_group);
    assert_eq!((group.parameter_group.as_str(), waiting.as_deref()), ("default.valkey8", Some("default.valkey8")));
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn each_setting_goes_in_one_call_without_the_others() {
    let durable = json!({"Durability": "sync", "EngineVersion": "9.0", "NodeType": "cache.r7g.large",
        "NumNodeGroups": 1, "ReplicasPerNodeGroup": 1, "MultiAzEnabled": true, "TransitEncryptionEnabled": true});
    let firehose = json!([{"LogType": "slow-log", "DestinationType": "kinesis-firehose", "Destination": "logs"}]);
    let cases = [
        (json!({}), json!({"AutoMinorVersionUpgrade": false}), json!({"AutoMinorVersionUpgrade": "false"})),
        (durable, json!({"Durability": "async"}), json!({"Durability": "async"})),
        (
            json!({"NumCacheNodes": 2, "AutomaticFailoverEnabled": true}),
            json!({"AutomaticFailoverEnabled": false}),
            json!({"AutomaticFailoverEnabled": "false"}),
        ),
        (tls_on(), json!({"UserGroupIds": ["g0"]}), json!({"UserGroupIdsToAdd": {"member": ["g0"]}})),
        (
            json!({}),
            json!({"LogDelivery": firehose}),
            json!({"LogDeliveryConfigurations": {"LogDeliveryConfigurationRequest": [{
                "LogType": "slow-log", "LogFormat": "json", "Enabled": "true", "DestinationType": "kinesis-firehose",
                "DestinationDetails": {"KinesisFirehoseDetails": {"DeliveryStream": "logs"}},
            }]}}),
        ),
    ];
    for (before, change, call) in cases {
        let (setup, properties) = standing(before).await;
        let (_, writes) = changed(&setup, with(properties, change.clone())).await;
        assert_eq!(modifications(&writes), [call], "{change}");
        setup.deleted().await;
    }
}
