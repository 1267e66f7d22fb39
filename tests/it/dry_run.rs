//! The Plan event: what a person is told who asks the deployed function what a request would do.

use elasticache_resource::preview;
use serde_json::{Value, json};
use simulator::cloudformation::SERVICE_TOKEN;
use simulator::elasticache::{ElastiCache, Status, UserGroup};
use simulator::faults::{Fault, Kind};
use simulator::secrets_manager::SecretsManager;

use crate::harness::{CACHE, SUBNETS, Setup, function, invoke, logged, production, quick_start, with};
use crate::plans;

const GROUP: &str = "development-myapp-valkey";

/// What the function answers to a Plan event.
async fn asked(setup: &Setup, plan: Value) -> Result<Value, String> {
    invoke(function(&setup.aws), SERVICE_TOKEN.to_owned(), json!({"Plan": plan})).await
}

/// The plan, without a write and without anything that the policy refuses.
async fn planned(setup: &Setup, plan: Value) -> Value {
    let before = setup.aws.journal().len();
    let answer = asked(setup, plan).await.unwrap();
    let calls = setup.aws.journal().split_off(before);
    let writes: Vec<&str> = calls.iter().filter(|call| call.is_write()).map(|call| call.action.as_str()).collect();
    assert_eq!(writes, Vec::<&str>::new(), "{answer}");
    assert!(!calls.is_empty());
    answer
}

/// An Update of what stands, by the stack that made it.
fn update(setup: &Setup, properties: &Value) -> Value {
    let sent = setup.event("Update", json!({}));
    json!({
        "StackId": sent["StackId"], "LogicalResourceId": CACHE, "PhysicalResourceId": sent["PhysicalResourceId"],
        "ResourceProperties": properties,
    })
}

/// An account in which the pairs of the plan snapshots can stand, and the ARN of the secret that they only read.
fn account() -> (Setup, String) {
    let setup = Setup::new();
    setup.aws.with(|world, _| {
        for id in ["people", "robots"] {
            world.elasticache.add_user_group(UserGroup::new(id, "valkey", "a-long-enough-password"));
        }
        for id in SUBNETS {
            world.ec2.subnet_mut(id).unwrap().ipv6 = Some("2001:db8::/64".to_owned());
        }
    });
    let group =
        json!({"CacheParameterGroupName": "ours", "CacheParameterGroupFamily": "valkey8", "Description": "ours"});
    setup.by_hand(ElastiCache::handle, "CreateCacheParameterGroup", group);
    let secret = json!({"Name": "elasticache/theirs", "SecretString": "The-token-of-somebody-else-12345"});
    let secret = setup.by_hand(SecretsManager::handle, "CreateSecret", secret);
    (setup, secret["ARN"].as_str().unwrap().to_owned())
}

/// The steps of a plan, round by round, with names in place of what only an account decides: ids, ARNs, versions.
fn steps(plan: &Value, setup: &Setup) -> Vec<Vec<String>> {
    let mut of_account: Vec<(String, String)> = setup.aws.with(|world, _| {
        let groups = world.ec2.security_groups().map(|group| (group.id.clone(), group.name.clone()));
        let secrets = world.secrets.secrets().map(|secret| (secret.arn.clone(), secret.name.clone()));
        groups.chain(secrets).collect()
    });
    for (kind, word) in [
        ("subnetgroup", "subnet group"),
        ("replicationgroup", "replication group"),
        ("parametergroup", "parameter group"),
    ] {
        of_account.push((format!("arn:aws:elasticache:us-east-1:123456789012:{kind}:"), format!("{word} ")));
    }
    let named = |text: &str| {
        let text = of_account.iter().fold(text.to_owned(), |text, (id, name)| text.replace(id, name));
        text.split_inclusive([' ', '/', ',']).map(neutral).collect::<String>().replace("at creation", "MOMENT")
    };
    let rounds = plan["rounds"].as_array().unwrap_or_else(|| panic!("{plan}"));
    let step = |step: &Value| named(step["step"].as_str().unwrap());
    rounds.iter().map(|round| round.as_array().unwrap().iter().map(step).collect()).collect()
}

/// A word without what is different in every account: versions of secrets, and when a token was changed.
fn neutral(word: &str) -> String {
    let core = word.trim_end_matches([' ', '/', ',']);
    let is_version = core.len() >= 36 && core.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let is_moment = core.len() > 20 && core.starts_with("20") && core.ends_with('Z');
    match core {
        _ if is_version => word.replace(core, "current"),
        _ if is_moment => word.replace(core, "MOMENT"),
        _ => word.to_owned(),
    }
}

/// What is wrong, without the words: an account says `8.2.0` where a template says `8.2`.
fn wrong(plan: &Value) -> Vec<(Value, Value)> {
    let problems = plan["problems"].as_array().unwrap_or_else(|| panic!("{plan}"));
    problems.iter().map(|problem| (problem["property"].clone(), problem["value"].clone())).collect()
}

fn wrong_names(plan: &Value) -> Vec<String> {
    wrong(plan).into_iter().map(|(property, _)| property.as_str().unwrap().to_owned()).collect()
}

/// Pairs that are planned otherwise when only what stands tells what was wanted before: the note of such a plan says what
/// it cannot know.
const ONLY_THE_TEMPLATE_TELLS: [&str; 3] = ["tag_removed", "token_under_another_name", "literal_token_dropped"];

#[tokio::test(start_paused = true)]
async fn every_pair_is_planned_as_without_an_account() {
    let (mut differing, mut unlike_without) = (Vec::new(), Vec::new());
    for (name, old, change) in plans::pairs() {
        let (setup, arn) = account();
        let there = |properties: Value| -> Value {
            let text = properties.to_string().replace("arn:aws:secretsmanager:us-east-1:1:secret:theirs", &arn);
            serde_json::from_str(&text).unwrap()
        };
        let before = there(with(quick_start(), old.clone()));
        let after = there(with(with(quick_start(), old), change));
        setup.created(before.clone()).await;
        let steps = |plan: &Value| steps(plan, &setup);
        let offline = preview::as_json(&preview::update(&before, &after).unwrap());
        let whole = planned(&setup, with(update(&setup, &after), json!({"OldResourceProperties": before}))).await;
        if (steps(&whole), wrong(&whole)) != (steps(&offline), wrong(&offline)) {
            differing.push(format!("{name}: {whole:#} instead of {offline:#}"));
        }
        assert_eq!(whole["replacement"], offline["replacement"], "{name}");
        let notes = whole["notes"].as_array().unwrap();
        assert!(notes.iter().all(|note| note.as_str().unwrap().starts_with("it takes at least")), "{name}: {notes:?}");
        let without = planned(&setup, update(&setup, &after)).await;
        if (steps(&without), wrong(&without)) != (steps(&whole), wrong(&whole)) {
            unlike_without.push(name);
        }
        assert!(without["notes"][0].as_str().unwrap().contains("OldResourceProperties were not given"), "{without}");
        for plan in [&whole, &without] {
            assert_eq!(plan["missing_rights"], json!({}), "{name}");
        }
        assert!(setup.aws.refusals().is_empty(), "{name}: {:?}", setup.aws.refusals());
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert_eq!(unlike_without, ONLY_THE_TEMPLATE_TELLS);
}

#[tokio::test(start_paused = true)]
async fn a_create_is_planned_with_all_that_is_wrong_and_what_it_costs() {
    let setup = Setup::new();
    let answer = planned(&setup, json!({"ResourceProperties": production()})).await;
    let create = "create replication group production-myapp-valkey (valkey 8.2, cache.t4g.small)";
    assert!(steps(&answer, &setup).concat().contains(&create.to_owned()), "{answer:#}");
    assert_eq!((&answer["refused"], &answer["replacement"]), (&json!(false), &json!(false)));
    assert_eq!((&answer["cost"]["before"], &answer["cost"]["after"]["monthly_usd"]), (&Value::Null, &json!("37.38")));
    let text = answer["text"].as_str().unwrap();
    for part in [
        "production-myapp-valkey is created (5-11 min):",
        "Cost of a month: about 37.38 USD (2 nodes of cache.t4g.small)",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let wrong = json!({"SubnetIds": ["subnet-0dead", "subnet-0a000000000000002"], "Port": 0, "NodeTyp": "x"});
    let answer = planned(&setup, json!({"ResourceProperties": with(production(), wrong)})).await;
    let named: Vec<&str> =
        answer["problems"].as_array().unwrap().iter().map(|problem| problem["property"].as_str().unwrap()).collect();
    assert_eq!((named, &answer["refused"]), (vec!["Port", "NodeTyp", "SubnetIds"], &json!(true)), "{answer:#}");
    assert_eq!(answer["heading"], "production-myapp-valkey is not created");
    assert!(answer["problems"].as_array().unwrap().iter().all(|problem| problem["fix"] != ""), "{answer:#}");
    // A cluster that stands is somebody else's for a Create; most likely an Update was meant.
    setup.created(production()).await;
    let answer = planned(&setup, json!({"ResourceProperties": production()})).await;
    let text = answer["text"].as_str().unwrap();
    for part in ["is not created. It is refused", "does not belong to this resource", "give PhysicalResourceId"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replacement_is_told_with_the_next_free_name_and_both_costs() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let taken = json!({"CacheSubnetGroupName": format!("{GROUP}-2"), "CacheSubnetGroupDescription": "theirs",
        "SubnetIds": {"SubnetIdentifier": SUBNETS}});
    setup.by_hand(ElastiCache::handle, "CreateCacheSubnetGroup", taken);
    let change = json!({"Port": 6380, "NumCacheNodes": 2, "ReplacementPolicy": "Empty"});
    let answer = planned(&setup, update(&setup, &with(quick_start(), change))).await;
    assert_eq!(answer["replacement"], true);
    let text = answer["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("{GROUP} is replaced by {GROUP}-3 without its data")), "{text}");
    assert!(text.contains("about 18.69 USD (2 nodes of cache.t4g.micro), before it about 9.34 USD (1 node"), "{text}");
}

/// What is known of the account only: prices of the list, a limit, a cache that is busy or gone, another owner.
#[tokio::test(start_paused = true)]
async fn the_account_is_asked() {
    let setup = Setup::new();
    setup.created(quick_start()).await;
    let unlisted = json!({"NodeType": "cache.r7g.xlarge", "MaxMonthlyCost": "10"});
    let answer = planned(&setup, update(&setup, &with(quick_start(), unlisted))).await;
    assert_eq!(answer["problems"][0]["property"], "MaxMonthlyCost", "{answer:#}");
    assert_eq!(answer["cost"]["before"]["nodes"], 1);
    // All at once, whether the properties of before are known or not, and whether the change itself is refused or not.
    let wrong = json!({"SubnetIds": ["subnet-0dead", SUBNETS[1]], "MaxMonthlyCost": "1"});
    for (change, more) in
        [(json!({"Port": 70_000}), "Port"), (json!({"Port": 6381}), "Port"), (json!({"Foo": 1}), "Foo")]
    {
        for earlier in [quick_start(), Value::Null] {
            let plan = update(&setup, &with(with(quick_start(), wrong.clone()), change.clone()));
            let answer = planned(&setup, with(plan, json!({"OldResourceProperties": earlier}))).await;
            let named = wrong_names(&answer);
            for property in ["SubnetIds", "MaxMonthlyCost", more] {
                assert!(named.iter().any(|name| name == property), "{property} is not in {answer:#}");
            }
        }
    }
    let before = json!({"OldResourceProperties": with(quick_start(), json!({"Port": "abc", "VpcId": {"Ref": "V"}}))});
    let answer = asked(&setup, with(update(&setup, &quick_start()), before)).await.unwrap();
    assert!(wrong_names(&answer).contains(&"OldResourceProperties.Port".to_owned()), "{answer:#}");
    let slow = with(quick_start(), json!({"NodeType": "cache.t4g.small", "ServiceTimeout": 60}));
    let answer = planned(&setup, update(&setup, &slow)).await;
    assert!(answer["notes"][1].as_str().unwrap().contains("it takes at least 11 min"), "{answer:#}");
    // By the id alone, as `make plan` sends it.
    let by_id = |id: &str| json!({"PhysicalResourceId": id, "ResourceProperties": quick_start()});
    let answer = planned(&setup, by_id(GROUP)).await;
    assert_eq!((&answer["rounds"], &answer["refused"]), (&json!([]), &json!(false)), "{answer:#}");
    assert!(answer["text"].as_str().unwrap().starts_with(&format!("{GROUP} changes in place: nothing to do.")));
    for (id, said) in [
        ("nobodys", "no cache that this function made"),
        ("not an id\nFAKE", "is not the id of a replication group"),
        ("Development-Myapp-Valkey", "AWS keeps ids in lower case"),
    ] {
        let answer = asked(&setup, by_id(id)).await.unwrap();
        assert!(answer["problems"][0]["rule"].as_str().unwrap().contains(said), "{answer:#}");
        assert!(!answer["text"].as_str().unwrap().contains("\nFAKE"), "{answer:#}");
    }
    let stranger = json!({"StackId": "arn:aws:cloudformation:us-east-1:1:stack/other/1", "LogicalResourceId": "Cache"});
    let answer = planned(&setup, with(by_id(GROUP), stranger)).await;
    assert!(answer["text"].as_str().unwrap().contains("does not belong to this resource"), "{answer:#}");
    let grow = json!({"ReplicationGroupId": GROUP, "NewReplicaCount": 1, "ApplyImmediately": "true"});
    setup.by_hand(ElastiCache::handle, "IncreaseReplicaCount", grow);
    // What members tell is not known while the group changes, so whatever is wanted cannot be decided.
    let busy =
        with(by_id(GROUP), json!({"ResourceProperties": with(quick_start(), json!({"NodeType": "cache.t4g.medium"}))}));
    let answer = planned(&setup, busy).await;
    assert!(answer["failed"].as_str().unwrap().contains("is modifying"), "{answer:#}");
    let wrong = json!({"ResourceProperties": with(quick_start(), json!({"SubnetIds": ["subnet-0dead", SUBNETS[1]]}))});
    let answer = planned(&setup, with(by_id(GROUP), wrong)).await;
    assert_eq!(answer["problems"][0]["property"], "SubnetIds", "{answer:#}");
    setup.aws.with(|world, _| world.elasticache.groups.get_mut(GROUP).unwrap().status = Status::Deleting);
    let answer = planned(&setup, by_id(GROUP)).await;
    assert!(answer["heading"].as_str().unwrap().contains("is being deleted and is created anew, empty"), "{answer:#}");
    assert!(steps(&answer, &setup).concat().iter().any(|step| step.starts_with("create replication group")));
    setup.aws.with(|world, _| world.elasticache.groups.get_mut(GROUP).unwrap().status = Status::CreateFailed);
    let answer = planned(&setup, by_id(GROUP)).await;
    assert!(answer["text"].as_str().unwrap().contains("AWS gave up on making this cluster"), "{answer:#}");
    setup.aws.with(|world, _| world.elasticache.groups.remove(GROUP));
    let answer = planned(&setup, by_id(GROUP)).await;
    assert!(answer["notes"][1].as_str().unwrap().contains("makes it again, empty"), "{answer:#}");
    assert!(steps(&answer, &setup).concat()[0].starts_with("create replication group"), "{answer:#}");
}

/// What the function may not do is told at once, whether the plan can do without it or not.
#[tokio::test(start_paused = true)]
async fn rights_that_are_missing_are_told() {
    let setup = Setup::new();
    setup.created(production()).await;
    let properties = with(production(), json!({"NumCacheNodes": 3, "EngineVersion": "8.2"}));
    let change = json!({"StackId": null, "LogicalResourceId": null, "PhysicalResourceId": "production-myapp-valkey"});
    let plan = with(json!({"ResourceProperties": properties}), change);
    for (action, right, is_needed) in [
        ("DescribeSubnets", "ec2:DescribeSubnets", false),
        ("DescribeCacheEngineVersions", "elasticache:DescribeCacheEngineVersions", false),
        ("DescribeReplicationGroups", "elasticache:DescribeReplicationGroups", true),
        ("DescribeSecret", "secretsmanager:DescribeSecret", true),
    ] {
        setup.aws.fault(Fault::on(action, 1, Kind::Denied).times(1000));
        let began = setup.aws.clock().now();
        let answer = planned(&setup, plan.clone()).await;
        setup.aws.clear_faults();
        assert!(setup.aws.clock().now().since(began) < std::time::Duration::from_secs(5), "{action}");
        assert!(answer["missing_rights"].as_object().unwrap().contains_key(right), "{action}: {answer:#}");
        assert!(answer["text"].as_str().unwrap().contains(&format!("Missing right: {right}")), "{answer:#}");
        assert_eq!(answer["failed"].is_string(), is_needed, "{action}: {answer:#}");
        assert_eq!(answer["rounds"].is_array(), !is_needed, "{action}: {answer:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_answered_before_the_command_line_gives_up() {
    let setup = Setup::new();
    let began = setup.aws.clock().now();
    setup
        .aws
        .fault(Fault::on("DescribeReplicationGroups", 1, Kind::Slow(std::time::Duration::from_hours(2))).times(1000));
    let answer = planned(&setup, json!({"ResourceProperties": quick_start()})).await;
    assert!(answer["failed"].as_str().unwrap().contains("AWS did not answer"), "{answer:#}");
    let took = setup.aws.clock().now().since(began);
    assert!((45..60).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_planned_is_refused_and_asks_nothing() {
    let setup = Setup::new();
    let answer = asked(&setup, json!({"Properties": {}, "PhysicalResourceId": 7})).await.unwrap();
    let (refused, text) = (answer["failed"].as_str().unwrap(), answer["text"].as_str().unwrap());
    assert!(text.contains(refused) && answer.get("refused").is_none(), "{answer:#}");
    for part in
        ["did you mean ResourceProperties?", "PhysicalResourceId is not a text", "ResourceProperties are missing"]
    {
        assert!(refused.contains(part), "{part:?} is not in {refused}");
    }
    assert!(setup.aws.journal().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_plan_is_counted_apart_and_holds_no_secret() {
    let setup = Setup::new();
    setup.created(production()).await;
    let token = setup.tokens("production-myapp-valkey").remove(0);
    let plan = json!({"PhysicalResourceId": "production-myapp-valkey",
        "ResourceProperties": with(production(), json!({"AuthToken": "A-literal-token-of-the-template-1", "AuthTokenEnabled": null}))});
    let (answer, log) = logged(planned(&setup, plan)).await;
    assert!(!steps(&answer, &setup).is_empty(), "{answer:#}");
    for secret in [token.as_str(), "A-literal-token-of-the-template-1"] {
        assert!(!answer.to_string().contains(secret) && !log.contains(secret));
    }
    let line = log.lines().find(|line| line.contains("\"RequestType\":\"Plan\"")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["RequestType", "Outcome"]]));
    assert_eq!((&line["Outcome"], &line["PhysicalResourceId"]), (&json!("SUCCESS"), &json!("production-myapp-valkey")));
}
