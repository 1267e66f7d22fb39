//! Create: what AWS is asked for, and what the template gets back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use elasticache_resource::domain::tags::{TAG_LOGICAL_ID, TAG_REQUESTS, TAG_STACK_ID};
use serde_json::{Value, json};
use simulator::cloudformation::{Outcome, SERVICE_TOKEN, StackStatus, UploadFault, template};
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;

use crate::harness::{
    APPS, CACHE, SUBNETS, Setup, VPC, calls, event, names, production, project_file, quick_start, with,
};

const QUICK: &str = "development-myapp-valkey";
const PRODUCTION: &str = "production-myapp-valkey";

fn get(outcome: &Outcome, key: &str) -> String {
    outcome.get_att(key).unwrap().to_owned()
}

/// The arguments of the one successful CreateReplicationGroup.
fn create_call(setup: &Setup) -> Value {
    let writes = setup.writes();
    let creates: Vec<&Entry> =
        calls(&writes, "CreateReplicationGroup").into_iter().filter(|call| call.outcome.is_ok()).collect();
    assert_eq!(creates.len(), 1);
    creates[0].params.clone()
}

#[tokio::test(start_paused = true)]
async fn the_quick_start_makes_one_open_node() {
    let setup = Setup::new();
    let outcome = setup.created(quick_start()).await;
    assert_eq!(outcome.physical_id, QUICK);
    assert_eq!(get(&outcome, "Connection.PasswordRequired"), "false");
    assert_eq!(get(&outcome, "Connection.TlsEnabled"), "false");
    assert_eq!(get(&outcome, "Configuration.NumCacheNodes"), "1");
    assert_eq!(get(&outcome, "Configuration.Engine"), "valkey");
    assert_eq!(get(&outcome, "Configuration.EngineVersion"), "8.2");
    assert_eq!(get(&outcome, "Security.AuthTokenSecretArn"), "");
    assert!(create_call(&setup).get("MultiAZEnabled").is_none(), "off is the default");
    // EC2 may need a moment before it knows the new security group.
    let mut writes = setup.writes();
    writes.retain(|write| write.outcome.is_ok());
    let writes = names(&writes);
    let expected = [
        "CreateCacheSubnetGroup",
        "CreateSecurityGroup",
        "AuthorizeSecurityGroupIngress",
        "CreateReplicationGroup",
        "RemoveTagsFromResource",
    ];
    assert_eq!(writes.iter().collect::<BTreeSet<_>>(), expected.map(str::to_owned).iter().collect());
    assert_eq!(writes.len(), expected.len());
    setup.deleted().await;
}

/// The production example: two nodes, TLS, a generated token.
#[tokio::test(start_paused = true)]
async fn the_production_example_is_made_whole() {
    let setup = Setup::new();
    let outcome = setup.created(production()).await;
    assert_eq!(outcome.physical_id, PRODUCTION);
    assert_eq!(get(&outcome, "Connection.PasswordRequired"), "true");
    assert_eq!(get(&outcome, "Connection.TlsEnabled"), "true");
    assert_eq!(get(&outcome, "Configuration.NumCacheNodes"), "2");
    let host = get(&outcome, "Connection.PrimaryEndpoint");
    assert_eq!(get(&outcome, "Connection.Endpoint"), format!("{host}:6379"));
    assert_eq!(get(&outcome, "Connection.Url"), format!("rediss://{host}:6379"));
    assert_eq!(get(&outcome, "Identifiers.MemberClusters"), format!("{PRODUCTION}-001,{PRODUCTION}-002"));
    assert_eq!(get(&outcome, "Identifiers.ClusterId"), format!("{PRODUCTION}-001"));
    let asked = create_call(&setup);
    assert_eq!(asked["TransitEncryptionEnabled"], "true");
    assert_eq!(asked["SnapshotRetentionLimit"], "7");
    assert_eq!(asked["MultiAZEnabled"], "true");
    setup.deleted().await;
}

/// Every Create answers with the same keys, whatever is turned on.
#[tokio::test(start_paused = true)]
async fn the_attributes_have_the_same_keys_in_every_mode() {
    let mut keys: Vec<BTreeSet<String>> = Vec::new();
    for properties in [quick_start(), production()] {
        let setup = Setup::new();
        keys.push(setup.created(properties).await.attributes.into_keys().collect());
        setup.deleted().await;
    }
    assert_eq!(keys[0], keys[1]);
}

/// The group carries no version, so the patch version is read from a member.
#[tokio::test(start_paused = true)]
async fn engine_and_version_are_sent_as_given_and_the_patch_is_read_from_a_member() {
    let setup = Setup::new();
    let outcome = setup.created(with(quick_start(), json!({"Engine": "redis", "EngineVersion": "7.1"}))).await;
    let asked = create_call(&setup);
    assert_eq!((&asked["Engine"], &asked["EngineVersion"]), (&json!("redis"), &json!("7.1")));
    assert_eq!(outcome.physical_id, "development-myapp-redis");
    assert_eq!(get(&outcome, "Configuration.EngineVersion"), "7.1");
    let actual = get(&outcome, "Configuration.EngineVersionActual");
    let runs = setup.aws.with(|world, _| world.elasticache.groups["development-myapp-redis"].engine_version.clone());
    assert_eq!(actual, runs);
    assert!(actual.starts_with("7.1."), "{actual}");
    assert!(!calls(&setup.aws.journal(), "DescribeCacheClusters").is_empty());
    setup.deleted().await;
}

/// Primary and reader endpoints are both there and differ, in a group with Multi-AZ and backups.
#[tokio::test(start_paused = true)]
async fn two_nodes_with_failover_have_a_reader_endpoint_of_their_own() {
    let setup = Setup::new();
    let properties = json!({
        "NumCacheNodes": 2, "AutomaticFailoverEnabled": true, "MultiAzEnabled": true,
        "SnapshotWindow": "02:00-03:00", "SnapshotRetentionLimit": 7,
    });
    let outcome = setup.created(with(quick_start(), properties)).await;
    let asked = create_call(&setup);
    assert_eq!(asked["NumCacheClusters"], "2");
    assert_eq!(asked["AutomaticFailoverEnabled"], "true");
    assert_eq!(asked["MultiAZEnabled"], "true");
    assert_eq!(asked["SnapshotWindow"], "02:00-03:00");
    assert_eq!(asked["SnapshotRetentionLimit"], "7");
    let (primary, reader) = (get(&outcome, "Connection.PrimaryEndpoint"), get(&outcome, "Connection.ReaderEndpoint"));
    assert!(!primary.is_empty() && primary != reader);
    assert!(reader.contains("-ro."), "{reader}");
    assert!(!primary.contains("-ro."), "{primary}");
    assert_eq!(get(&outcome, "HighAvailability.Enabled"), "true");
    assert_eq!(get(&outcome, "HighAvailability.MultiAzEnabled"), "true");
    assert_eq!(get(&outcome, "ConfigurationEndPoint.Address"), "");
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_customer_key_is_sent_with_encryption_at_rest_and_reported() {
    let key = "arn:aws:kms:us-east-1:123456789012:key/0c0ffee0-1111-2222-3333-444455556666";
    let setup = Setup::new();
    let outcome = setup.created(with(quick_start(), json!({"KmsKeyId": key}))).await;
    let asked = create_call(&setup);
    assert_eq!((&asked["AtRestEncryptionEnabled"], &asked["KmsKeyId"]), (&json!("true"), &json!(key)));
    assert_eq!(get(&outcome, "Security.KmsKeyId"), key);
    setup.deleted().await;
}

/// Also the members of the group, which ElastiCache tags by itself.
#[tokio::test(start_paused = true)]
async fn everything_that_is_made_carries_the_tags_of_template_and_owner() {
    let setup = Setup::new();
    let tags = json!([
        {"Key": "Team", "Value": "payments"}, {"Key": "Cost", "Value": "42"}, {"Key": "Empty", "Value": ""},
    ]);
    let properties = json!({"Tags": tags, "Parameters": {"maxmemory-policy": "allkeys-lru"}});
    setup.created(with(production(), properties)).await;
    let expected = BTreeMap::from(
        [
            ("Team", "payments"),
            ("Cost", "42"),
            ("Empty", ""),
            (TAG_STACK_ID, setup.stack.id()),
            (TAG_LOGICAL_ID, CACHE),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    let made = setup.aws.with(|world, _| {
        let cache = world.elasticache.tagged(TAG_STACK_ID).into_iter();
        cache.chain(world.ec2.tagged(TAG_STACK_ID)).chain(world.secrets.tagged(TAG_STACK_ID)).collect::<Vec<_>>()
    });
    for (arn, tags) in &made {
        let mut tags = tags.clone();
        // The list of requests is bookkeeping.
        assert_eq!(tags.remove(TAG_REQUESTS).is_some(), arn.contains(":subnetgroup:"));
        assert_eq!(tags, expected, "{arn}");
    }
    for kind in [":replicationgroup:", ":subnetgroup:", ":parametergroup:", ":cluster:", "sg-", ":secret:"] {
        let count = made.iter().filter(|(arn, _)| arn.contains(kind)).count();
        assert_eq!(count, if kind == ":cluster:" { 2 } else { 1 }, "{kind} in {made:?}");
    }
    setup.deleted().await;
}

/// The allow lists become rules on the port, in both IP versions, and nothing else is let in.
#[tokio::test(start_paused = true)]
async fn exactly_the_allow_lists_are_let_in_on_the_port() {
    let setup = Setup::new();
    let properties = json!({
        "Port": 6380, "AllowedSecurityGroupIds": APPS, "AllowedCidrBlocks": ["10.0.9.0/24", "2001:db8::/32"],
    });
    let outcome = setup.created(with(quick_start(), properties)).await;
    assert_eq!(get(&outcome, "Connection.Port"), "6380");
    let id = get(&outcome, "Security.SecurityGroupId");
    let rules = setup.aws.with(|world, _| {
        let group = world.ec2.security_group(&id).unwrap();
        group.ingress.iter().map(|rule| format!("{rule:?}")).collect::<Vec<_>>()
    });
    assert_eq!(rules.len(), 4, "{rules:#?}");
    for source in [APPS[0], APPS[1], "10.0.9.0/24", "2001:db8::/32"] {
        assert!(rules.iter().any(|rule| rule.contains(source) && rule.contains("6380")), "{source} in {rules:#?}");
    }
    setup.deleted().await;
}

/// The stack learns at once what ElastiCache says, and nothing stays behind.
#[tokio::test(start_paused = true)]
async fn a_group_that_cannot_be_made_fails_with_its_event_and_leaves_nothing() {
    let setup = Setup::new();
    let event = "Cache node could not be created: no capacity for cache.t4g.small in us-east-1b.";
    setup.aws.with(|world, _| world.elasticache.fail_next_create(event));
    let properties = json!({"Parameters": {"maxmemory-policy": "allkeys-lru"}, "FinalSnapshotIdentifier": "final"});
    let outcome = setup.create(with(production(), properties)).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    let [create, delete] = &outcome.answers[..] else { panic!("{:?}", outcome.answers) };
    assert!(create.reason().contains(event), "{}", create.reason());
    assert_eq!(create.physical_id, PRODUCTION);
    assert!(delete.is_success());
    let took = outcome.events[1].at.since(outcome.events[0].at);
    assert!(took < Duration::from_mins(15), "{took:?}");
    for step in ["DeleteReplicationGroup", "DeleteCacheSubnetGroup", "DeleteCacheParameterGroup", "DeleteSecret"] {
        assert_eq!(calls(&setup.writes(), step).len(), 1, "{step}");
    }
    setup.assert_nothing_left();
}

/// The answer to the Create never arrives, so CloudFormation deletes under an id that it made up.
#[tokio::test(start_paused = true)]
async fn a_rollback_under_a_made_up_id_finds_what_the_properties_name() {
    for fails in [true, false] {
        let setup = Setup::new();
        if fails {
            setup.aws.with(|world, _| world.elasticache.fail_next_create("no capacity"));
        }
        setup.aws.answers().fail_uploads([UploadFault::Status(403); 3]);
        let outcome = setup.create(production()).await;
        assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
        assert!(outcome.reason.contains("did not receive a response"), "{}", outcome.reason);
        assert!(outcome.requests[1]["PhysicalResourceId"].as_str().unwrap().starts_with("app-Cache-"));
        assert_eq!(calls(&setup.writes(), "DeleteReplicationGroup").len(), 1);
        setup.assert_nothing_left();
    }
}

/// The rollback of a Create that went well itself: another resource of the stack failed.
#[tokio::test(start_paused = true)]
async fn a_stack_that_fails_elsewhere_takes_the_cluster_with_it() {
    let setup = Setup::new();
    setup.stack.fail_elsewhere();
    let outcome = setup.create(production()).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    assert_eq!(calls(&setup.writes(), "DeleteReplicationGroup").len(), 1);
    setup.assert_nothing_left();
}

/// Lambda's queue may bring the event again when it has been answered long ago.
#[tokio::test(start_paused = true)]
async fn the_same_create_again_changes_nothing_and_answers_the_same() {
    for properties in [quick_start(), production()] {
        let setup = Setup::new();
        let outcome = setup.created(properties).await;
        let writes = setup.write_names();
        let again = json!({"RequestId": outcome.requests[0]["RequestId"]});
        let answer = setup.stack.send("Create", CACHE, again).await.unwrap();
        assert!(answer.is_success(), "{}", answer.reason());
        assert_eq!(answer.physical_id, outcome.physical_id);
        assert_eq!(answer.data, outcome.attributes);
        assert_eq!(setup.write_names(), writes);
        setup.deleted().await;
    }
}

/// Both deliveries run concurrently: one of everything, and answers that agree.
#[tokio::test(start_paused = true)]
async fn duplicate_deliveries_make_one_of_everything() {
    let setup = Setup::new();
    setup.stack.deliver_twice(true);
    let properties = json!({"Parameters": {"maxmemory-policy": "allkeys-lru"}});
    setup.created(with(production(), properties)).await;
    setup.stack.wait_until_idle().await;
    assert_one_of_everything(&setup, PRODUCTION);
    let duplicates = setup.aws.answers().duplicates();
    assert!(!duplicates.is_empty() && duplicates.iter().all(|duplicate| duplicate.agrees), "{duplicates:?}");
    assert!(setup.invocations().iter().all(Result::is_ok), "{:?}", setup.invocations());
    setup.deleted().await;
    setup.stack.wait_until_idle().await;
    setup.assert_nothing_left();
}

fn assert_one_of_everything(setup: &Setup, group: &str) {
    setup.aws.with(|world, _| {
        assert_eq!(world.elasticache.groups.keys().collect::<Vec<_>>(), [group]);
        assert_eq!(world.elasticache.subnet_groups.len(), 1);
        assert_eq!(world.ec2.tagged(TAG_STACK_ID).len(), 1);
        assert_eq!(world.secrets.secrets().count(), 1);
    });
    let token = setup.secret(&format!("elasticache/{group}/auth-token"))["password"].as_str().unwrap().to_owned();
    assert_eq!(setup.tokens(group), [token]);
}

/// The production example with a parameter group, and the operations that its Create needs.
async fn rich_create() -> (Value, BTreeSet<String>, BTreeSet<String>) {
    let properties = with(production(), json!({"Parameters": {"maxmemory-policy": "allkeys-lru"}}));
    let setup = Setup::new();
    setup.created(properties.clone()).await;
    let writes: BTreeSet<String> = setup.write_names().into_iter().collect();
    let all: BTreeSet<String> = names(&setup.aws.journal()).into_iter().collect();
    for needed in ["CreateReplicationGroup", "CreateSecret", "CreateSecurityGroup", "PutSecretValue"] {
        assert!(writes.contains(needed), "{writes:?}");
    }
    let reads = all.difference(&writes).cloned().collect();
    (properties, reads, writes)
}

/// Creates while `action` fails like this so often in a row, expects one of everything, and deletes.
async fn create_despite(properties: &Value, action: &str, kind: &Kind, times: usize) {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.elasticache.pace.create = Duration::from_secs(20));
    setup.aws.fault(Fault::on(action, 1, kind.clone()).times(times));
    let outcome = setup.create(properties.clone()).await;
    let case = format!("{kind:?} x {times} on {action}");
    assert_eq!(outcome.status, StackStatus::CreateComplete, "{case}: {}", outcome.reason);
    assert_one_of_everything(&setup, PRODUCTION);
    setup.deleted().await;
}

/// Throttling and broken connections, more often in a row than the SDK tries.
#[tokio::test(start_paused = true)]
async fn no_passing_fault_of_a_lookup_keeps_a_create_from_its_end() {
    let (properties, reads, _) = rich_create().await;
    assert!(reads.contains("DescribeReplicationGroups") && reads.contains("GetRandomPassword"), "{reads:?}");
    for action in reads {
        for kind in [Kind::throttled(), Kind::CutBefore] {
            create_despite(&properties, &action, &kind, 5).await;
        }
    }
}

/// The same for writes.
#[tokio::test(start_paused = true)]
async fn no_passing_refusal_of_a_write_keeps_a_create_from_its_end() {
    let (properties, _, writes) = rich_create().await;
    for action in writes {
        for kind in [Kind::throttled(), Kind::http_500()] {
            create_despite(&properties, &action, &kind, 5).await;
        }
    }
}

/// Writes whose effect is there although the answer never came: once, which the SDK mends, and more often than it tries.
#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_not_done_twice() {
    let (properties, _, writes) = rich_create().await;
    for action in writes {
        for times in [1, 5] {
            create_despite(&properties, &action, &Kind::CutAfter, times).await;
        }
    }
}

/// All calls together, at the rate of a small quota.
#[tokio::test(start_paused = true)]
async fn a_low_request_rate_slows_a_create_and_does_not_fail_it() {
    let setup = Setup::new();
    setup.aws.limit_calls_per_second(2);
    setup.created(production()).await;
    let throttled = |entry: &&Entry| entry.outcome.as_ref().is_err_and(|code| code.contains("Throttling"));
    assert!(setup.aws.journal().iter().filter(throttled).count() > 0, "nothing was throttled");
    setup.deleted().await;
}

/// What the role lacks is named by its IAM action, and what was made before is removed.
#[tokio::test(start_paused = true)]
async fn a_denied_call_is_named_with_its_action() {
    for (action, iam) in [
        ("CreateReplicationGroup", "elasticache:CreateReplicationGroup"),
        ("CreateSecret", "secretsmanager:CreateSecret"),
        ("CreateSecurityGroup", "ec2:CreateSecurityGroup"),
        ("AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupIngress"),
        ("CreateCacheSubnetGroup", "elasticache:CreateCacheSubnetGroup"),
    ] {
        let setup = Setup::new();
        setup.aws.fault(Fault::on(action, 1, Kind::Denied).times(usize::MAX));
        let outcome = setup.create(production()).await;
        assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
        let reason = outcome.answers[0].reason();
        assert!(reason.contains(&format!("allow {iam} in the function's role")), "{reason}");
        setup.assert_nothing_left();
    }
}

/// Lookups that only check or explain may be denied.
#[tokio::test(start_paused = true)]
async fn a_create_goes_on_without_the_looks_that_only_check() {
    let setup = Setup::new();
    setup.aws.fault(Fault::on("DescribeSubnets", 1, Kind::Denied).times(1000));
    setup.created(production()).await;
    assert!(!calls(&setup.aws.journal(), "DescribeSubnets").is_empty());
    setup.deleted().await;

    let setup = Setup::new();
    setup.aws.fault(Fault::on("DescribeEvents", 1, Kind::Denied).times(1000));
    setup.aws.with(|world, _| world.elasticache.fail_next_create("no capacity"));
    let outcome = setup.create(production()).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete, "{}", outcome.reason);
    assert!(outcome.reason.contains("creating replication group"), "{}", outcome.reason);
    setup.assert_nothing_left();
}

/// Whatever the time went into, an observation, a try or a wait: the answer says which steps were taken before, and comes in time.
#[tokio::test(start_paused = true)]
async fn a_time_out_names_the_steps_that_were_taken() {
    let actions = [
        "DescribeReplicationGroups",
        "DescribeCacheClusters",
        "DescribeCacheSubnetGroups",
        "DescribeCacheParameterGroups",
        "DescribeSecurityGroups",
        "DescribeSecret",
        "ListTagsForResource",
        "AddTagsToResource",
        "RemoveTagsFromResource",
        "PutSecretValue",
    ];
    let mut failed = 0;
    for action in actions {
        for kind in [Kind::Throttled, Kind::http_500(), Kind::CutBefore, Kind::Slow(Duration::from_hours(3))] {
            let setup = Setup::new();
            // Once the group is asked for.
            setup.aws.with(|world, _| world.elasticache.pace.create = Duration::from_secs(100));
            let troubled = async {
                let asked = || setup.aws.with(|world, _| !world.elasticache.groups.is_empty());
                while !asked() {
                    setup.aws.clock().sleep(Duration::from_secs(1)).await;
                }
                setup.aws.clock().sleep(Duration::from_secs(20)).await;
                setup.aws.fault(Fault::on(action, 1, kind.clone()).times(usize::MAX));
                setup.aws.clock().now()
            };
            let properties = with(production(), json!({"ServiceTimeout": 300}));
            let create = setup.stack.send("Create", CACHE, json!({"ResourceProperties": properties}));
            let started = tokio::time::Instant::now();
            let (answer, at) = tokio::join!(create, troubled);
            let what = format!("{action}, {kind:?}");
            let answer = answer.unwrap_or_else(|silence| panic!("{what}: {silence}"));
            let took = started.elapsed();
            assert!(took < Duration::from_mins(5), "{what}: {took:?}");
            if answer.is_success() {
                assert_eq!(setup.aws.journal().iter().filter(|call| call.action == action && call.at > at).count(), 0);
                continue;
            }
            failed += 1;
            let reason = answer.reason();
            let done = reason.split_once("done so far: ").map(|(_, done)| done);
            assert!(done.is_some_and(|done| done.contains("create replication group")), "{what}: {reason}");
        }
    }
    assert!(failed > 15, "{failed}");
}

/// The function ends by itself before CloudFormation gives up, and says what it was waiting for.
#[tokio::test(start_paused = true)]
async fn a_create_that_takes_too_long_says_what_it_waited_for() {
    let setup = Setup::new();
    let outcome = setup.create(with(quick_start(), json!({"ServiceTimeout": 60}))).await;
    let create = &outcome.answers[0];
    let took = outcome.events[1].at.since(outcome.events[0].at);
    assert!(!create.is_success());
    // A tenth of the time is kept for the answer, and at most one pause is lost.
    assert!(took <= Duration::from_secs(54) && took > Duration::from_secs(48), "{took:?}");
    let reason = create.reason();
    for part in ["waiting for the replication group to be available", "last seen: creating", "not finished after 0 min"]
    {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    assert_eq!(create.physical_id, QUICK);
    // The Delete of the rollback has no more time; when the group stands it can be deleted.
    assert_eq!(outcome.status, StackStatus::RollbackFailed);
    assert!(outcome.answers[1].reason().contains("waiting for the replication group to be deletable"));
    setup.aws.clock().sleep(Duration::from_mins(6)).await;
    setup.aws.with(|world, _| {
        world.elasticache.pace.delete = Duration::from_secs(10);
        world.elasticache.pace.interface_release = Duration::from_secs(5);
    });
    setup.deleted().await;
}

/// A Create whose invocation dies goes on in the next delivery of the same event.
#[tokio::test(start_paused = true)]
async fn an_invocation_that_dies_after_any_write_is_continued_by_the_next() {
    let reference = Setup::new();
    reference.created(production()).await;
    let writes: BTreeSet<String> = reference.write_names().into_iter().collect();
    for action in writes {
        let setup = Setup::new();
        // The call takes effect, and the invocation dies while it waits for the answer.
        setup.aws.fault(Fault::on(&action, 1, Kind::Slow(Duration::from_hours(2))));
        setup.kill_next_after(Duration::from_mins(12));
        setup.created(production()).await;
        assert_eq!(setup.invocations().iter().filter(|result| result.is_err()).count(), 1, "{action}");
        assert_one_of_everything(&setup, PRODUCTION);
        setup.deleted().await;
    }
}

/// `examples/production.yaml` and `examples/quick-start.yaml` say what the events of the same name say.
#[tokio::test(start_paused = true)]
async fn the_examples_ask_for_what_their_events_ask_for() {
    let parameters = BTreeMap::from([
        ("VpcId", json!(VPC)),
        ("SubnetIds", json!([SUBNETS[0], SUBNETS[1]])),
        ("AppSecurityGroupId", json!(APPS[0])),
    ]);
    for name in ["production", "quick-start"] {
        let example = project_file(&format!("examples/{name}.yaml"));
        let (logical_id, properties) = template::cache(&example, &parameters).unwrap();
        let event = event(&format!("create-{name}"));
        assert_eq!(event["LogicalResourceId"], logical_id.as_str());
        let setup = Setup::new();
        let outcome = setup.created(properties).await;
        // Compared as CloudFormation sends them: scalars as strings.
        let sent = &outcome.requests[0]["ResourceProperties"];
        assert_eq!(sent["ServiceToken"], SERVICE_TOKEN);
        assert_eq!(*sent, event["ResourceProperties"], "{name}");
        assert_eq!(setup.stack.delete(CACHE).await.status, StackStatus::DeleteComplete);
        setup.aws.with(|world, _| world.elasticache.snapshots.clear());
        setup.assert_nothing_left();
    }
}
