//! Update: only what differs is changed, in place, and what fails is rolled back.

use std::time::Duration;

use serde_json::{Value, json};
use simulator::ec2::{Ports, Rule, Source};
use simulator::elasticache::{ElastiCache, MemberStatus, ReplicationGroup, Status};
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;

use crate::harness::{
    APPS, CACHE, SUBNETS, Setup, VPC, calls, logged, names, other_vpc, production, quick_start, with,
};

const QUICK: &str = "development-myapp-valkey";
const PRODUCTION: &str = "production-myapp-valkey";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:cache";

/// A standing quick start.
async fn quick() -> Setup {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    setup
}

/// The quick start with more nodes, and failover and Multi-AZ when there are replicas.
fn nodes(count: u32) -> Value {
    let available = count > 1;
    let more = json!({"NumCacheNodes": count, "AutomaticFailoverEnabled": available, "MultiAzEnabled": available});
    with(quick_start(), more)
}

fn tags(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect()
}

fn group(setup: &Setup, id: &str) -> ReplicationGroup {
    setup.aws.with(|world, _| world.elasticache.groups[id].clone())
}

/// The arguments of the only call among these.
fn only<'e>(writes: &'e [Entry], action: &str) -> &'e Value {
    assert_eq!(names(writes), [action]);
    &writes[0].params
}

#[tokio::test(start_paused = true)]
async fn a_new_description_is_one_call_with_that_field_alone() {
    let setup = quick().await;
    let (outcome, writes) = setup.updated(with(quick_start(), json!({"Description": "Sessions of the shop"}))).await;
    let expected = json!({
        "ReplicationGroupId": QUICK,
        "ReplicationGroupDescription": "Sessions of the shop",
        "ApplyImmediately": "true",
    });
    assert_eq!(*only(&writes, "ModifyReplicationGroup"), expected);
    assert_eq!(outcome.physical_id, QUICK);
    assert_eq!(group(&setup, QUICK).description, "Sessions of the shop");
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn two_nodes_become_four_in_one_call_and_the_answer_waits_for_all() {
    let setup = Setup::new();
    setup.created(nodes(2)).await;
    let (outcome, writes) = setup.updated(nodes(4)).await;
    let expected = json!({"ReplicationGroupId": QUICK, "NewReplicaCount": "3", "ApplyImmediately": "true"});
    assert_eq!(*only(&writes, "IncreaseReplicaCount"), expected);
    let group = group(&setup, QUICK);
    assert_eq!(group.members().filter(|member| member.status == MemberStatus::Available).count(), 4);
    assert_eq!(outcome.get_att("Configuration.NumCacheNodes"), Ok("4"));
    assert_eq!(outcome.get_att("Identifiers.MemberClusters").unwrap().split(',').count(), 4);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn one_node_becomes_two_before_failover_is_turned_on() {
    let setup = quick().await;
    let (outcome, writes) = setup.updated(nodes(2)).await;
    assert_eq!(names(&writes), ["IncreaseReplicaCount", "ModifyReplicationGroup"]);
    let expected = json!({
        "ReplicationGroupId": QUICK,
        "AutomaticFailoverEnabled": "true",
        "MultiAZEnabled": "true",
        "ApplyImmediately": "true",
    });
    assert_eq!(writes[1].params, expected);
    assert_eq!(outcome.get_att("HighAvailability.Enabled"), Ok("true"));
    assert_ne!(outcome.get_att("Connection.ReaderEndpoint"), outcome.get_att("Connection.PrimaryEndpoint"));
    setup.deleted().await;
}

/// The way back: what needs the second node goes off first.
#[tokio::test(start_paused = true)]
async fn failover_goes_off_before_the_last_replica_goes() {
    let setup = Setup::new();
    setup.created(nodes(2)).await;
    let (outcome, writes) = setup.updated(nodes(1)).await;
    assert_eq!(names(&writes), ["ModifyReplicationGroup", "DecreaseReplicaCount"]);
    assert_eq!(writes[0].params["AutomaticFailoverEnabled"], "false");
    assert_eq!(writes[1].params["NewReplicaCount"], "0");
    assert_eq!(outcome.get_att("HighAvailability.Enabled"), Ok("false"));
    setup.deleted().await;
}

/// The node that goes is never the primary, wherever that is.
#[tokio::test(start_paused = true)]
async fn a_group_shrinks_around_a_primary_with_the_highest_number() {
    let setup = Setup::new();
    setup.created(nodes(3)).await;
    let primary = format!("{QUICK}-003");
    setup.aws.with(|world, _| world.elasticache.promote(&primary));
    let (outcome, writes) =
        setup.updated(with(nodes(2), json!({"AutomaticFailoverEnabled": true, "MultiAzEnabled": true}))).await;
    let removed = &only(&writes, "DecreaseReplicaCount")["ReplicasToRemove"];
    assert!(!removed.to_string().contains(&primary), "{removed}");
    let group = group(&setup, QUICK);
    let members: Vec<(&str, bool)> = group.members().map(|member| (member.id.as_str(), member.primary)).collect();
    assert_eq!(members.len(), 2);
    assert!(members.contains(&(primary.as_str(), true)), "{members:?}");
    assert!(group.failover && group.multi_az);
    assert_eq!(outcome.get_att("HighAvailability.Enabled"), Ok("true"));
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn other_changes_come_before_nodes_go() {
    let setup = Setup::new();
    setup.created(nodes(4)).await;
    let (_, writes) = setup.updated(with(nodes(2), json!({"Description": "smaller"}))).await;
    assert_eq!(names(&writes), ["ModifyReplicationGroup", "DecreaseReplicaCount"]);
    assert_eq!(writes[1].params["NewReplicaCount"], "1");
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_node_type_is_answered_when_it_is_there() {
    let setup = quick().await;
    for node_type in ["cache.t4g.small", "cache.t4g.micro"] {
        let (outcome, writes) = setup.updated(with(quick_start(), json!({"NodeType": node_type}))).await;
        assert_eq!(only(&writes, "ModifyReplicationGroup")["CacheNodeType"], node_type);
        assert_eq!(group(&setup, QUICK).node_type, node_type);
        assert_eq!(outcome.get_att("Configuration.NodeType"), Ok(node_type));
    }
    setup.deleted().await;
}

/// The security group stays, and the cache is not called.
#[tokio::test(start_paused = true)]
async fn a_changed_allow_list_is_one_authorize_and_one_revoke() {
    let setup = Setup::new();
    let more = json!({"AllowedSecurityGroupIds": APPS, "AllowedCidrBlocks": ["fd00::/64"]});
    let both = with(quick_start(), more);
    setup.created(both.clone()).await;
    let one = json!({"AllowedSecurityGroupIds": [APPS[0]], "AllowedCidrBlocks": ["10.0.64.0/24"]});
    let (outcome, writes) = setup.updated(with(both, one)).await;
    let mut names = names(&writes);
    names.sort();
    assert_eq!(names, ["AuthorizeSecurityGroupIngress", "RevokeSecurityGroupIngress"]);
    let own = outcome.get_att("Security.SecurityGroupId").unwrap();
    assert!(writes.iter().all(|entry| entry.params["GroupId"] == own), "{writes:?}");
    let revoked = calls(&writes, "RevokeSecurityGroupIngress")[0].params.to_string();
    assert!(revoked.contains(APPS[1]) && !revoked.contains(APPS[0]), "{revoked}");
    assert!(revoked.contains("fd00::/64"), "{revoked}");
    assert_eq!(sources(&setup, own), [Source::Ipv4("10.0.64.0/24".to_owned()), Source::Group(APPS[0].to_owned())]);
    setup.deleted().await;
}

fn sources(setup: &Setup, group: &str) -> Vec<Source> {
    setup.aws.with(|world, _| {
        let rules = &world.ec2.security_group(group).unwrap().ingress;
        let mut sources: Vec<Source> = rules.iter().map(|rule| rule.source.clone()).collect();
        sources.sort_by_key(|source| format!("{:?}", std::mem::discriminant(source)) + &format!("{source:?}"));
        sources.sort_by_key(|source| matches!(source, Source::Group(_)));
        sources
    })
}

/// A call that took effect and whose answer was lost is made again, and finds the rules there.
#[tokio::test(start_paused = true)]
async fn a_rule_that_is_there_already_is_no_error() {
    let setup = quick().await;
    setup.aws.fault(Fault::on("AuthorizeSecurityGroupIngress", 1, Kind::CutAfter));
    let cidrs = json!({"AllowedCidrBlocks": ["10.0.64.0/24", "10.0.65.0/24"]});
    let (outcome, writes) = setup.updated(with(quick_start(), cidrs)).await;
    let refused = writes.iter().filter(|entry| entry.outcome == Err("InvalidPermission.Duplicate".to_owned())).count();
    assert!(refused > 0, "the repeated call met no rule: {:?}", names(&writes));
    assert_eq!(sources(&setup, outcome.get_att("Security.SecurityGroupId").unwrap()).len(), 3);
    setup.deleted().await;
}

/// Equal properties, and properties that differ in what is not about the cache.
#[tokio::test(start_paused = true)]
async fn nothing_to_change_means_no_write_and_the_same_attributes() {
    let setup = Setup::new();
    let created = setup.created(production()).await;
    let before = setup.writes().len();
    let answer = setup.stack.send("Update", CACHE, json!({})).await.unwrap();
    assert!(answer.is_success(), "{}", answer.reason());
    assert_eq!((answer.physical_id.as_str(), &answer.data), (PRODUCTION, &created.attributes));
    let outcome = setup.updated(with(production(), json!({"ServiceTimeout": "1800"}))).await.0;
    assert_eq!(outcome.attributes, created.attributes);
    assert_eq!(setup.writes().len(), before);
    setup.deleted().await;
}

/// Tags of everything that the resource made, with a name for each.
fn all_tags(setup: &Setup) -> Vec<(String, std::collections::BTreeMap<String, String>)> {
    let key = elasticache_resource::domain::tags::TAG_STACK_ID;
    setup.aws.with(|world, _| {
        let tagged = world.ec2.tagged(key).into_iter().chain(world.secrets.tagged(key));
        tagged.chain(world.elasticache.tagged(key)).collect()
    })
}

/// Added, changed and removed tags everywhere; tags of others stay.
#[tokio::test(start_paused = true)]
async fn tags_follow_the_template_and_those_of_others_stay() {
    let setup = Setup::new();
    let base = with(production(), json!({"Parameters": {"timeout": "30"}}));
    setup.created(with(base.clone(), json!({"Tags": tags(&[("Kept", "1"), ("Changed", "old"), ("Gone", "x")])}))).await;
    setup.aws.with(|world, _| {
        let group = world.elasticache.groups.get_mut(PRODUCTION).unwrap();
        group.tags.insert("cost-centre".to_owned(), "by hand".to_owned());
    });
    let (_, writes) =
        setup.updated(with(base, json!({"Tags": tags(&[("Kept", "1"), ("Changed", "new"), ("Added", "")])}))).await;
    let mut kinds = names(&writes);
    kinds.sort();
    kinds.dedup();
    let tag_calls =
        ["AddTagsToResource", "CreateTags", "DeleteTags", "RemoveTagsFromResource", "TagResource", "UntagResource"];
    assert_eq!(kinds, tag_calls, "nothing but tags is touched");
    let tagged = all_tags(&setup);
    // Group, two members, subnet group, parameter group, security group, secret.
    assert_eq!(tagged.len(), 7, "{:?}", tagged.iter().map(|(name, _)| name).collect::<Vec<_>>());
    for (name, tags) in tagged {
        let of = |key: &str| tags.get(key).map(String::as_str);
        let seen = [of("Kept"), of("Changed"), of("Added"), of("Gone")];
        assert_eq!(seen, [Some("1"), Some("new"), Some(""), None], "{name}");
    }
    assert_eq!(group(&setup, PRODUCTION).tags["cost-centre"], "by hand");
    setup.deleted().await;
}

/// After a tag call the group is not available for a moment.
#[tokio::test(start_paused = true)]
async fn tags_and_node_count_change_one_after_the_other() {
    let setup = quick().await;
    let (_, writes) = setup.updated(with(nodes(2), json!({"Tags": tags(&[("Team", "shop")])}))).await;
    let grow = writes.iter().position(|entry| entry.action == "IncreaseReplicaCount").unwrap();
    let last_tag = writes.iter().rposition(|entry| entry.action == "AddTagsToResource").unwrap();
    assert!(last_tag < grow, "{:?}", names(&writes));
    assert!(writes.iter().all(|entry| entry.outcome.is_ok()), "{:?}", names(&writes));
    assert!(group(&setup, QUICK).members().all(|member| member.tags["Team"] == "shop"));
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn backups_are_turned_on_with_a_member_that_is_there() {
    let setup = Setup::new();
    let off = with(nodes(3), json!({"SnapshotRetentionLimit": 0}));
    setup.created(off.clone()).await;
    // Member 001 is not there for ever.
    setup.aws.with(|world, _| world.elasticache.promote(&format!("{QUICK}-003")));
    setup.aws.with(|world, _| {
        let group = world.elasticache.groups.get_mut(QUICK).unwrap();
        group.shards[0].members.retain(|member| !member.id.ends_with("001"));
    });
    let (_, writes) = setup.updated(with(nodes(2), json!({"SnapshotRetentionLimit": 7}))).await;
    let expected = json!({
        "ReplicationGroupId": QUICK,
        "SnapshotRetentionLimit": "7",
        "SnapshottingClusterId": format!("{QUICK}-002"),
        "ApplyImmediately": "true",
    });
    assert_eq!(*only(&writes, "ModifyReplicationGroup"), expected);
    assert_eq!(group(&setup, QUICK).snapshot_retention, 7);
    let (_, writes) = setup.updated(with(nodes(2), json!({"SnapshotRetentionLimit": 0}))).await;
    assert_eq!(only(&writes, "ModifyReplicationGroup")["SnapshotRetentionLimit"], "0");
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn windows_change_in_one_call() {
    let setup = quick().await;
    let windows = json!({"MaintenanceWindow": "Sun:05:00-Sun:07:00", "SnapshotWindow": "02:00-03:00"});
    let (_, writes) = setup.updated(with(quick_start(), windows)).await;
    let params = only(&writes, "ModifyReplicationGroup");
    assert_eq!(params["PreferredMaintenanceWindow"], "sun:05:00-sun:07:00");
    assert_eq!(params["SnapshotWindow"], "02:00-03:00");
    // Applied out of the template, a window stays as it is: AWS has no way to ask for its own choice again.
    let (_, writes) = setup.updated(with(quick_start(), json!({"SnapshotWindow": "02:00-03:00"}))).await;
    assert_eq!(names(&writes), Vec::<String>::new());
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn notifications_go_on_and_off() {
    let setup = quick().await;
    let (_, writes) = setup.updated(with(quick_start(), json!({"NotificationTopicArn": TOPIC}))).await;
    let params = only(&writes, "ModifyReplicationGroup");
    assert_eq!(
        (&params["NotificationTopicArn"], &params["NotificationTopicStatus"]),
        (&json!(TOPIC), &json!("active"))
    );
    let (_, writes) = setup.updated(quick_start()).await;
    assert_eq!(only(&writes, "ModifyReplicationGroup")["NotificationTopicStatus"], "inactive");
    let (_, writes) = setup.updated(with(quick_start(), json!({"NotificationTopicArn": TOPIC}))).await;
    assert_eq!(only(&writes, "ModifyReplicationGroup")["NotificationTopicStatus"], "active");
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn further_security_groups_are_attached_in_addition_to_the_own_one() {
    let setup = quick().await;
    let (outcome, writes) = setup.updated(with(quick_start(), json!({"SecurityGroupIds": [APPS[1]]}))).await;
    let own = outcome.get_att("Security.SecurityGroupId").unwrap();
    let mut attached = group(&setup, QUICK).security_groups;
    attached.sort();
    let mut expected = vec![own.to_owned(), APPS[1].to_owned()];
    expected.sort();
    assert_eq!(attached, expected);
    only(&writes, "ModifyReplicationGroup");
    let own = own.to_owned();
    setup.updated(quick_start()).await;
    assert_eq!(group(&setup, QUICK).security_groups, [own]);
    setup.deleted().await;
}

/// 25 parameters that a Valkey 8 group can set at once, at their defaults' neighbours.
fn many_parameters() -> Value {
    let numbers = simulator::elasticache::parameters::of_family("valkey8")
        .filter(|parameter| {
            parameter.modifiable && parameter.data_type == "integer" && parameter.allowed.ends_with('-')
        })
        .filter_map(|parameter| Some((parameter.name, parameter.default.parse::<i64>().ok()? + 1)));
    let yes = ["activedefrag", "lazyfree-lazy-eviction", "lazyfree-lazy-expire", "lazyfree-lazy-server-del"];
    let yes = yes.into_iter().map(|name| (name.to_owned(), json!("yes")));
    let all: serde_json::Map<String, Value> =
        numbers.map(|(name, value)| (name.to_owned(), json!(value.to_string()))).chain(yes).take(25).collect();
    assert_eq!(all.len(), 25);
    Value::Object(all)
}

fn parameter_names(params: &Value) -> Vec<&str> {
    let list = params["ParameterNameValues"]["ParameterNameValue"].as_array().unwrap();
    list.iter().map(|item| item["ParameterName"].as_str().unwrap()).collect()
}

/// Twenty in one call; a changed one is modified and a dropped one reset.
#[tokio::test(start_paused = true)]
async fn own_parameters_come_change_and_go() {
    let setup = quick().await;
    let own = format!("{QUICK}-valkey8");
    let many = many_parameters();
    let (outcome, writes) = setup.updated(with(quick_start(), json!({"Parameters": many}))).await;
    let expected = [
        "CreateCacheParameterGroup",
        "ModifyCacheParameterGroup",
        "ModifyCacheParameterGroup",
        "ModifyReplicationGroup",
    ];
    let accepted: Vec<Entry> = writes.into_iter().filter(|entry| entry.outcome.is_ok()).collect();
    assert_eq!(names(&accepted), expected);
    assert_eq!(accepted[0].params["CacheParameterGroupFamily"], "valkey8");
    assert_eq!([1, 2].map(|call| parameter_names(&accepted[call].params).len()), [20, 5]);
    assert_eq!(accepted[3].params["CacheParameterGroupName"], *own);
    assert_eq!(outcome.get_att("Security.ParameterGroupName"), Ok(own.as_str()));

    let mut fewer = many.clone();
    fewer["activedefrag"] = json!("yes");
    fewer["timeout"] = json!("77");
    fewer.as_object_mut().unwrap().remove("tcp-keepalive").unwrap();
    let changed = usize::from(many["activedefrag"] != "yes") + 1;
    let (_, writes) = setup.updated(with(quick_start(), json!({"Parameters": fewer}))).await;
    let modified = calls(&writes, "ModifyCacheParameterGroup");
    assert_eq!(parameter_names(&modified[0].params).len(), changed);
    let reset = calls(&writes, "ResetCacheParameterGroup");
    let reset = &reset.last().unwrap().params;
    assert_eq!(parameter_names(reset), ["tcp-keepalive"]);
    assert_eq!(reset["ParameterNameValues"]["ParameterNameValue"][0]["ParameterValue"], many["tcp-keepalive"]);
    assert!(reset.get("ResetAllParameters").is_none(), "{reset}");
    assert!(calls(&writes, "ModifyReplicationGroup").is_empty());
    setup.aws.with(|world, _| {
        let group = world.elasticache.parameter_group(&own).unwrap();
        assert_eq!((group.value("timeout"), group.value("tcp-keepalive")), (Some("77"), Some("300")));
    });

    let (outcome, writes) = setup.updated(quick_start()).await;
    let accepted: Vec<Entry> = writes.into_iter().filter(|entry| entry.outcome.is_ok()).collect();
    assert_eq!(names(&accepted), ["ModifyReplicationGroup", "DeleteCacheParameterGroup"]);
    assert_eq!(outcome.get_att("Security.ParameterGroupName"), Ok("default.valkey8"));
    setup.deleted().await;
}

/// ElastiCache refuses changes while it takes a snapshot.
#[tokio::test(start_paused = true)]
async fn an_update_waits_for_a_backup_to_end() {
    let setup = quick().await;
    setup.aws.with(|world, now| {
        world.elasticache.set_status(QUICK, Status::Snapshotting, now, now + Duration::from_mins(3));
    });
    let (_, writes) = setup.updated(with(quick_start(), json!({"Description": "after the backup"}))).await;
    assert!(only(&writes, "ModifyReplicationGroup").is_object());
    assert!(writes[0].outcome.is_ok(), "{:?}", writes[0].outcome);
    setup.deleted().await;
}

/// What AWS cannot change in place is refused before anything is done, and the rollback has nothing to do.
#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_be_made_in_place_changes_nothing() {
    let changes = [
        ("VpcId", other_vpc()),
        ("Port", json!({"Port": 6380})),
        ("AtRestEncryptionEnabled", json!({"AtRestEncryptionEnabled": false})),
        ("KmsKeyId", json!({"KmsKeyId": "11111111-2222-3333-4444-555555555555"})),
        ("EngineVersion", json!({"EngineVersion": "8.0"})),
        ("ReplicationGroupId", json!({"Env": "staging"})),
    ];
    let setup = quick().await;
    for (property, change) in changes {
        let (outcome, writes) =
            setup.rolled_back(with(with(quick_start(), json!({"Description": "not this"})), change)).await;
        assert_eq!(names(&writes), Vec::<String>::new(), "{property}");
        assert!(outcome.reason.contains(property), "{property}: {}", outcome.reason);
        assert_eq!(outcome.physical_id, QUICK);
    }
    setup.deleted().await;
}

/// Logs change in a call of their own, applied immediately.
#[tokio::test(start_paused = true)]
async fn a_changed_log_delivery_goes_alone_and_at_once() {
    let setup = quick().await;
    let log = json!([{"LogType": "slow-log", "DestinationType": "cloudwatch-logs", "Destination": "slow"}]);
    let (_, writes) = setup.updated(with(quick_start(), json!({"LogDelivery": log, "ApplyImmediately": false}))).await;
    assert_eq!(names(&writes), ["ModifyReplicationGroup"]);
    assert_eq!(writes[0].params["ApplyImmediately"], "true");
    let (_, writes) = setup.updated(quick_start()).await;
    let sent = &writes[0].params["LogDeliveryConfigurations"]["LogDeliveryConfigurationRequest"][0];
    assert_eq!((&sent["LogType"], &sent["Enabled"]), (&json!("slow-log"), &json!("false")));
    setup.deleted().await;
}

/// Another resource of the stack fails after this one has been updated.
#[tokio::test(start_paused = true)]
async fn a_finished_update_is_taken_back() {
    let setup = quick().await;
    let before = group(&setup, QUICK);
    setup.stack.fail_elsewhere();
    let more = json!({"Description": "new", "Tags": tags(&[("Team", "shop")]), "AllowedCidrBlocks": ["10.0.64.0/24"]});
    let (outcome, _) = setup.rolled_back(with(nodes(3), more)).await;
    assert_eq!(outcome.request_types(), ["Update", "Update"]);
    let after = group(&setup, QUICK);
    assert_eq!((after.description, after.failover, after.tags), (before.description, before.failover, before.tags));
    assert_eq!(after.shards[0].members.len(), 1);
    assert_eq!(sources(&setup, outcome.get_att("Security.SecurityGroupId").unwrap()).len(), 1);
    setup.deleted().await;
}

/// The new node sits in the new subnet, so the way back has to take the node away first.
#[tokio::test(start_paused = true)]
async fn a_subnet_goes_after_the_nodes_in_it() {
    let setup = Setup::new();
    setup.created(nodes(2)).await;
    setup.stack.fail_elsewhere();
    let (_, writes) = setup.rolled_back(with(nodes(3), json!({"SubnetIds": SUBNETS}))).await;
    let expected = ["ModifyCacheSubnetGroup", "IncreaseReplicaCount", "DecreaseReplicaCount", "ModifyCacheSubnetGroup"];
    assert_eq!(names(&writes), expected);
    let subnets = setup.aws.with(|world, _| world.elasticache.subnet_groups[QUICK].subnets.len());
    assert_eq!(subnets, 2);
    setup.deleted().await;
}

/// Design: `SubnetIds` without a subnet in use is refused, naming it.
#[tokio::test(start_paused = true)]
async fn a_subnet_in_use_cannot_be_taken_away() {
    let setup = Setup::new();
    setup.created(with(nodes(3), json!({"SubnetIds": SUBNETS}))).await;
    let (outcome, writes) = setup.rolled_back(nodes(3)).await;
    assert_eq!(names(&writes), Vec::<String>::new());
    assert!(outcome.reason.contains(SUBNETS[2]), "{}", outcome.reason);
    setup.deleted().await;
}

/// AWS refuses something in the middle of the Update.
#[tokio::test(start_paused = true)]
async fn a_half_done_update_is_taken_back() {
    let setup = quick().await;
    let refusal = "Automatic failover is not available here.";
    // Replicas come first, then failover, which is refused.
    setup.aws.fault(Fault::on("ModifyReplicationGroup", 1, Kind::error("InvalidParameterValue", refusal)));
    let (outcome, writes) = setup.rolled_back(nodes(2)).await;
    assert!(outcome.reason.contains(refusal), "{}", outcome.reason);
    assert_eq!(names(&writes), ["IncreaseReplicaCount", "ModifyReplicationGroup", "DecreaseReplicaCount"]);
    assert_eq!(group(&setup, QUICK).shards[0].members.len(), 1);
    setup.deleted().await;
}

/// The rollback arrives while the group still works on what ran out of time.
#[tokio::test(start_paused = true)]
async fn a_rollback_waits_for_what_is_still_going_on() {
    let setup = quick().await;
    let hurried = with(quick_start(), json!({"NumCacheNodes": 3, "ServiceTimeout": "120"}));
    let (outcome, writes) = setup.rolled_back(hurried).await;
    assert!(outcome.reason.contains("waiting for the replication group"), "{}", outcome.reason);
    assert_eq!(names(&writes), ["IncreaseReplicaCount", "DecreaseReplicaCount"]);
    assert!(writes.iter().all(|entry| entry.outcome.is_ok()));
    assert_eq!(group(&setup, QUICK).shards[0].members.len(), 1);
    setup.deleted().await;
}

/// A FAILED Update is rolled back as a whole, so what cannot be done in time is not begun; the smaller changes are named.
#[tokio::test(start_paused = true)]
async fn a_change_that_cannot_be_done_in_time_is_refused_with_its_parts() {
    let setup = quick().await;
    let change = json!({"TransitEncryptionEnabled": true, "NodeType": "cache.t4g.small", "ServiceTimeout": "900"});
    let (outcome, writes) = setup.rolled_back(with(quick_start(), change.clone())).await;
    for part in ["ServiceTimeout", "NodeType cache.t4g.small, then TransitEncryptionMode preferred, then"] {
        assert!(outcome.reason.contains(part), "{part}: {}", outcome.reason);
    }
    assert_eq!(names(&writes), Vec::<String>::new());
    setup.updated(with(with(quick_start(), change), json!({"ServiceTimeout": null}))).await;
    setup.deleted().await;
}

/// The whole plan is in the log before the first write.
#[tokio::test(start_paused = true)]
async fn an_update_logs_its_plan_first() {
    let setup = quick().await;
    let (_, log) = logged(setup.updated(with(quick_start(), json!({"NodeType": "cache.t4g.small"})))).await;
    let plan = log.find("development-myapp-valkey changes in place").expect("the plan is logged");
    assert!(plan < log.find("applying a step").unwrap());
    assert!(log[plan..].contains("node type: cache.t4g.small [11-21 min]"), "{log}");
    setup.deleted().await;
}

/// AWS accepts a change, works on it and undoes it; only its events say so.
#[tokio::test(start_paused = true)]
async fn a_change_that_aws_rolled_back_fails_with_its_event_and_is_asked_for_once() {
    let event = "Unable to modify the replication group: not enough capacity for cache.t4g.small in us-east-1a.";
    let setup = quick().await;
    setup.aws.with(|world, _| world.elasticache.roll_back_next("ModifyReplicationGroup", event));
    let (outcome, writes) = setup.rolled_back(with(quick_start(), json!({"NodeType": "cache.t4g.small"}))).await;
    assert!(outcome.reason.contains(event), "{}", outcome.reason);
    assert!(outcome.reason.contains("cache.t4g.small"), "{}", outcome.reason);
    assert_eq!(names(&writes), ["ModifyReplicationGroup"], "asked for once, and nothing to take back");

    setup.aws.with(|world, _| world.elasticache.roll_back_next("IncreaseReplicaCount", event));
    let (outcome, writes) = setup.rolled_back(nodes(2)).await;
    assert!(outcome.reason.contains(event), "{}", outcome.reason);
    assert_eq!(names(&writes), ["IncreaseReplicaCount"]);
    setup.deleted().await;
}

/// A group that is busy, throttling, and connections that break before and after the call.
#[tokio::test(start_paused = true)]
async fn faults_that_pass_do_not_fail_an_update() {
    let busy = || Kind::error("InvalidReplicationGroupState", "Replication group is not in a valid state.");
    let internal = Kind::http_500;
    for kind in [Kind::throttled(), Kind::CutBefore, Kind::CutAfter, busy(), internal()] {
        for action in ["ModifyReplicationGroup", "IncreaseReplicaCount"] {
            let setup = quick().await;
            setup.aws.fault(Fault::on(action, 1, kind.clone()));
            let (outcome, _) = setup.updated(nodes(2)).await;
            assert_eq!(outcome.get_att("HighAvailability.Enabled"), Ok("true"), "{action} {kind:?}");
            assert_eq!(outcome.get_att("Configuration.NumCacheNodes"), Ok("2"), "{action} {kind:?}");
            setup.aws.fault(Fault::on("DecreaseReplicaCount", 1, kind.clone()));
            setup.updated(nodes(1)).await;
            setup.deleted().await;
        }
    }
}

/// More throttling than the SDK retries by itself, on writes and on reads.
#[tokio::test(start_paused = true)]
async fn long_throttling_only_delays() {
    let setup = quick().await;
    setup.aws.fault(Fault::on("ModifyReplicationGroup", 1, Kind::throttled()).times(15));
    setup.aws.fault(Fault::on("DescribeReplicationGroups", 2, Kind::throttled()).times(15));
    let (_, writes) = setup.updated(with(quick_start(), json!({"Description": "at last"}))).await;
    assert_eq!(writes.iter().filter(|entry| entry.outcome.is_ok()).count(), 1);
    assert_eq!(group(&setup, QUICK).description, "at last");
    setup.deleted().await;
}

fn token(setup: &Setup, arn: &str) -> String {
    let text =
        setup.aws.with(|world, _| world.secrets.secret(arn).and_then(|s| s.current_text().map(str::to_owned))).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["password"].as_str().unwrap().to_owned()
}

/// Somebody deleted the group: it is made again, empty, with the token that its clients know.
#[tokio::test(start_paused = true)]
async fn a_group_that_is_gone_is_made_again_with_the_same_token() {
    let setup = Setup::new();
    let created = setup.created(production()).await;
    let arn = created.get_att("Security.AuthTokenSecretArn").unwrap();
    let before = token(&setup, arn);
    setup.aws.with(|world, now| world.elasticache.delete_by_hand(PRODUCTION, now));
    let (outcome, writes) = setup.updated(with(production(), json!({"Description": "again"}))).await;
    assert_eq!(calls(&writes, "CreateReplicationGroup").len(), 1);
    assert!(calls(&writes, "CreateSecret").is_empty());
    assert!(outcome.get_att("Warnings").unwrap().contains("deleted by hand"), "{:?}", outcome.get_att("Warnings"));
    assert_eq!((outcome.get_att("Security.AuthTokenSecretArn"), outcome.physical_id.as_str()), (Ok(arn), PRODUCTION));
    assert_eq!(token(&setup, arn), before);
    assert_eq!(group(&setup, PRODUCTION).tokens, [before]);
    setup.deleted().await;
}

/// What counts at creation only was for the first group: its snapshot may be gone, and its zones fit another number of
/// nodes.
#[tokio::test(start_paused = true)]
async fn a_group_that_is_gone_is_made_again_without_what_counted_at_creation() {
    let setup = quick().await;
    setup.by_hand(
        ElastiCache::handle,
        "CreateSnapshot",
        json!({"CacheClusterId": format!("{QUICK}-001"), "SnapshotName": "nightly"}),
    );
    setup.aws.clock().sleep(Duration::from_hours(1)).await;
    setup.deleted().await;
    let zones = json!(["us-east-1a", "us-east-1b", "us-east-1a"]);
    let restored = json!({"SnapshotName": "nightly", "PreferredAvailabilityZones": zones});
    setup.created(with(with(quick_start(), nodes(3)), restored.clone())).await;
    let two = with(with(quick_start(), nodes(2)), restored);
    setup.updated(two.clone()).await;
    setup.by_hand(ElastiCache::handle, "DeleteReplicationGroup", json!({"ReplicationGroupId": QUICK}));
    setup.by_hand(ElastiCache::handle, "DeleteSnapshot", json!({"SnapshotName": "nightly"}));
    setup.aws.clock().sleep(Duration::from_hours(1)).await;
    let (_, writes) = setup.updated(with(two, json!({"Description": "again"}))).await;
    let asked = only(&writes, "CreateReplicationGroup");
    assert_eq!((&asked["SnapshotName"], &asked["PreferredCacheClusterAZs"]), (&Value::Null, &Value::Null));
    setup.deleted().await;
}

/// Changes that somebody made by hand are undone by the next Update, whatever it changes itself.
#[tokio::test(start_paused = true)]
async fn drift_is_brought_back() {
    let setup = quick().await;
    let own = group(&setup, QUICK).security_groups[0].clone();
    setup.aws.with(|world, _| {
        world.elasticache.groups.get_mut(QUICK).unwrap().description = "by hand".to_owned();
        let rules = &mut world.ec2.security_group_mut(&own).unwrap().ingress;
        rules.clear();
        rules.push(Rule {
            id: "sgr-0123456789abcdef0".to_owned(),
            protocol: "tcp".to_owned(),
            ports: Some(Ports { from: 6379, to: 6379 }),
            source: Source::Ipv4("0.0.0.0/0".to_owned()),
            description: None,
            tags: std::collections::BTreeMap::new(),
        });
    });
    let (_, writes) = setup.updated(with(quick_start(), json!({"SnapshotRetentionLimit": 6}))).await;
    assert_eq!(calls(&writes, "ModifyReplicationGroup").len(), 1);
    assert_eq!(group(&setup, QUICK).description, "myapp in development");
    assert_eq!(sources(&setup, &own), [Source::Group(APPS[0].to_owned())]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn subnets_are_added_and_taken_away_while_unused() {
    let setup = quick().await;
    let (_, writes) = setup.updated(with(quick_start(), json!({"SubnetIds": SUBNETS}))).await;
    only(&writes, "ModifyCacheSubnetGroup");
    let (_, writes) = setup.updated(quick_start()).await;
    only(&writes, "ModifyCacheSubnetGroup");
    assert_eq!(quick_start()["VpcId"], VPC);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_subnet_with_nodes_stays_where_aws_keeps_them() {
    let two = &SUBNETS[..2];
    let wide = with(quick_start(), json!({"NumCacheNodes": 4, "SubnetIds": SUBNETS}));
    let setup = Setup::new();
    setup.created(wide.clone()).await;
    // All nodes stay, so those in the third zone do.
    let (outcome, writes) = setup.rolled_back(with(wide.clone(), json!({"SubnetIds": two}))).await;
    assert!(outcome.reason.contains("is in use by nodes in us-east-1c and would be taken away"), "{}", outcome.reason);
    assert!(writes.is_empty());
    // One goes, and AWS chooses which: here one in another zone.
    let fewer = with(wide, json!({"NumCacheNodes": 3, "SubnetIds": two}));
    let warning = "subnet-0a000000000000003 is still in the subnet group, because AWS kept a node in us-east-1c";
    let (outcome, writes) = setup.updated(fewer.clone()).await;
    only(&writes, "DecreaseReplicaCount");
    assert!(outcome.get_att("Warnings").unwrap().contains(warning));
    // What was accepted once is not refused when something else changes.
    let (outcome, writes) = setup.updated(with(fewer, json!({"Description": "other"}))).await;
    only(&writes, "ModifyReplicationGroup");
    assert!(outcome.get_att("Warnings").unwrap().contains(warning));
    setup.deleted().await;
}

/// With `ApplyImmediately` off the answer comes when AWS has accepted, and says what waits.
#[tokio::test(start_paused = true)]
async fn what_waits_for_the_maintenance_window_is_a_warning() {
    let setup = quick().await;
    let later = with(quick_start(), json!({"NodeType": "cache.t4g.small", "ApplyImmediately": false}));
    let (outcome, writes) = setup.updated(later).await;
    assert_eq!(only(&writes, "ModifyReplicationGroup")["ApplyImmediately"], "false");
    assert!(outcome.get_att("Warnings").unwrap().contains("CacheNodeType"), "{:?}", outcome.get_att("Warnings"));
    assert_eq!(group(&setup, QUICK).node_type, "cache.t4g.micro");
    setup.deleted().await;
}

/// What waits is made at once when the template no longer wants it to wait.
#[tokio::test(start_paused = true)]
async fn what_waits_is_applied_when_apply_immediately_comes_back() {
    let base = with(quick_start(), json!({"EngineVersion": "8.0"}));
    for change in [json!({"NodeType": "cache.t4g.small"}), json!({"EngineVersion": "8.1"})] {
        let setup = Setup::new();
        setup.created(base.clone()).await;
        let later = with(with(base.clone(), change.clone()), json!({"ApplyImmediately": false}));
        setup.updated(later.clone()).await;
        let (outcome, writes) = setup.updated(with(later, json!({"ApplyImmediately": true}))).await;
        assert_eq!(only(&writes, "ModifyReplicationGroup")["ApplyImmediately"], "true", "{change}");
        assert_eq!(outcome.get_att("Warnings"), Ok(""), "{change}");
        let group = group(&setup, QUICK);
        let wanted = with(json!({"NodeType": "cache.t4g.micro", "EngineVersion": "8.0"}), change);
        assert_eq!(wanted["NodeType"], group.node_type);
        assert!(group.engine_version.starts_with(wanted["EngineVersion"].as_str().unwrap()), "{wanted}");
        setup.deleted().await;
    }
}

/// AWS upgrades no engine while a node type waits: it comes first, or the properties is refused with the way out.
#[tokio::test(start_paused = true)]
async fn an_upgrade_comes_after_a_node_type_that_waits() {
    let setup = Setup::new();
    let base = with(quick_start(), json!({"EngineVersion": "8.0"}));
    setup.created(base.clone()).await;
    let later = with(base.clone(), json!({"NodeType": "cache.t4g.small", "ApplyImmediately": false}));
    setup.updated(later.clone()).await;
    let upgrade = json!({"EngineVersion": "8.1"});
    for (properties, way_out) in [(later.clone(), "set ApplyImmediately to true"), (base, "set NodeType to the one")] {
        let (outcome, writes) = setup.rolled_back(with(properties, upgrade.clone())).await;
        assert_eq!(names(&writes), Vec::<String>::new());
        assert!(outcome.reason.contains("EngineVersion (8.1)"), "{}", outcome.reason);
        assert!(outcome.reason.contains(way_out), "{}", outcome.reason);
    }
    let (outcome, writes) = setup.updated(with(with(later, upgrade), json!({"ApplyImmediately": true}))).await;
    let modified: Vec<&Value> = calls(&writes, "ModifyReplicationGroup").iter().map(|entry| &entry.params).collect();
    assert_eq!(
        (&modified[0]["CacheNodeType"], &modified[1]["EngineVersion"]),
        (&json!("cache.t4g.small"), &json!("8.1"))
    );
    assert_eq!(outcome.get_att("Warnings"), Ok(""));
    setup.deleted().await;
}

/// AWS does not cancel what waits, so a rolled back change of the node type is told.
#[tokio::test(start_paused = true)]
async fn a_node_type_that_waits_is_told_after_a_rollback() {
    let setup = quick().await;
    setup.stack.fail_elsewhere();
    let later = with(quick_start(), json!({"NodeType": "cache.t4g.small", "ApplyImmediately": false}));
    let (outcome, _) = setup.rolled_back(later).await;
    assert!(outcome.get_att("Warnings").unwrap().contains("CacheNodeType"), "{:?}", outcome.get_att("Warnings"));
    setup.deleted().await;
}

/// A change that changes nothing at AWS is told, each kind once, and only by the Update that makes it.
#[tokio::test(start_paused = true)]
async fn what_is_ignored_is_a_warning() {
    let key = |id: &str| json!({"KmsKeyId": format!("alias/{id}")});
    let shard = |slots: &str, zone: &str| json!({"Slots": slots, "PrimaryAvailabilityZone": zone});
    let layout = |first: &str, second: &str, zone: &str| {
        let shards = [shard(first, zone), shard(second, "us-east-1b")];
        json!({"NodeGroupConfiguration": shards})
    };
    let even = layout("0-8191", "8192-16383", "us-east-1a");
    for (before, after, warning) in [
        (json!({}), json!({"PreferredAvailabilityZones": ["us-east-1a"]}), "PreferredAvailabilityZones counts"),
        (even.clone(), layout("0-4095", "4096-16383", "us-east-1a"), "Slots and zones in NodeGroupConfiguration"),
        (even, layout("0-8191", "8192-16383", "us-east-1b"), "Slots and zones in NodeGroupConfiguration"),
        (json!({"SnapshotWindow": "01:00-02:00"}), json!({"SnapshotWindow": null}), "SnapshotWindow was removed"),
        (
            json!({"MaintenanceWindow": "sun:05:00-sun:06:00"}),
            json!({"MaintenanceWindow": null}),
            "MaintenanceWindow was removed",
        ),
        (key("one"), key("two"), "KmsKeyId names an alias"),
    ] {
        let setup = Setup::new();
        let base = with(quick_start(), before);
        setup.created(base.clone()).await;
        let properties = with(base, after);
        let (outcome, writes) = setup.updated(properties.clone()).await;
        assert_eq!(names(&writes), Vec::<String>::new(), "{warning}");
        let warnings = outcome.get_att("Warnings").unwrap();
        assert!(warnings.contains(warning) && !warnings.contains(';'), "{warning}: {warnings}");
        let (outcome, _) = setup.updated(with(properties, json!({"Description": "next"}))).await;
        assert_eq!(outcome.get_att("Warnings"), Ok(""), "{warning}");
        setup.deleted().await;
    }
}

/// One after the other, the members of a large group would be asked for longer than the answer may take.
#[tokio::test(start_paused = true)]
async fn the_events_of_many_members_are_asked_side_by_side() {
    let shards = with(quick_start(), json!({"NumNodeGroups": 30, "ReplicasPerNodeGroup": 2}));
    let mut took = Vec::new();
    for slow in [Duration::ZERO, Duration::from_secs(1)] {
        let setup = Setup::new();
        setup.created(shards.clone()).await;
        setup.aws.with(|world, _| world.elasticache.roll_back_next("ModifyReplicationGroup", "no capacity"));
        setup.aws.fault(Fault::on("DescribeEvents", 1, Kind::Slow(slow)).times(91));
        let started = tokio::time::Instant::now();
        let (outcome, _) = setup.rolled_back(with(shards.clone(), json!({"NodeType": "cache.t4g.small"}))).await;
        assert!(outcome.reason.contains("no capacity"), "{}", outcome.reason);
        assert_eq!(calls(&setup.aws.journal(), "DescribeEvents").len(), 91);
        took.push(started.elapsed());
    }
    assert!(took[1] < took[0] + Duration::from_secs(30), "{took:?}");
}
