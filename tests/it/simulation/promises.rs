//! What is promised whatever happens, checked on the account and on everything that was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use elasticache_resource::domain::tags::TAG_STACK_ID;
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::clock::Time;
use simulator::cloudformation::{Duplicate, Outcome};
use simulator::ec2::{Ec2, SecurityGroup, Source};
use simulator::elasticache::{ElastiCache, ReplicationGroup};
use simulator::journal::{Caller, Entry};
use simulator::nodes::Tls;
use simulator::secrets_manager::SecretsManager;
use simulator::world::World;

use super::schedule::PASSES;
use crate::harness::{SUBNETS, by_hand, with};

/// Id of the first generation under test; everything of it is named after it.
pub(crate) const GROUP: &str = "production-myapp-valkey";

/// Most calls in a simulated minute by one invocation. A calm one makes fifty in its first minute and six in each minute of a wait.
/// What goes wrong makes it observe anew, up to thirteen calls each time, after pauses that grow to five seconds; where
/// ElastiCache is thirty times as quick as usual, a minute also holds the observations of the next request or of another
/// generation; and where rights are missing, the tries of every lookup every two seconds.
const CALLS_PER_MINUTE: usize = 400;

/// Codes with which the services refuse for lack of rights.
const DENIED: [&str; 3] = ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"];

/// Things of other people that look like ours: the same names in another place, or names that begin like ours.
pub(crate) fn add_lookalikes(aws: &LocalAws) {
    let name = "production-myapp-valkey-blue";
    let subnets = json!({"SubnetIdentifier": [SUBNETS[0]]});
    let subnets = json!({"CacheSubnetGroupName": name, "CacheSubnetGroupDescription": "theirs", "SubnetIds": subnets});
    by_hand(aws, ElastiCache::handle, "CreateCacheSubnetGroup", subnets);
    let group = json!({"ReplicationGroupId": name, "ReplicationGroupDescription": "theirs", "Engine": "valkey",
        "CacheNodeType": "cache.t4g.micro", "TransitEncryptionEnabled": "false", "CacheSubnetGroupName": name});
    by_hand(aws, ElastiCache::handle, "CreateReplicationGroup", group);
    let group = json!({"CacheParameterGroupName": "production-myapp-valkey-valkey8-blue",
        "CacheParameterGroupFamily": "valkey8", "Description": "theirs"});
    by_hand(aws, ElastiCache::handle, "CreateCacheParameterGroup", group);
    let group = json!({"GroupName": format!("elasticache-{GROUP}"), "GroupDescription": "theirs",
        "VpcId": "vpc-0a1b2c3d4e5f60002"});
    by_hand(aws, Ec2::handle, "CreateSecurityGroup", group);
    let secret = json!({"Name": "elasticache/production-myapp-valkey-blue/auth-token", "SecretString": "theirs"});
    by_hand(aws, SecretsManager::handle, "CreateSecret", secret);
}

/// Everything in the account that does not carry our tags, in words.
pub(crate) fn of_others(aws: &LocalAws) -> BTreeSet<String> {
    aws.with(|world, _| {
        let unowned = |tags: &BTreeMap<String, String>| !tags.contains_key(TAG_STACK_ID);
        let cache = &world.elasticache;
        let groups = cache.groups.values().filter(|g| unowned(&g.tags)).map(|g| format!("{g:?}"));
        let subnets = cache.subnet_groups.values().filter(|g| unowned(&g.tags)).map(|g| format!("{g:?}"));
        let security = world.ec2.security_groups().filter(|g| unowned(&g.tags)).map(|g| format!("{g:?}"));
        let secrets = world.secrets.secrets().filter(|s| unowned(&s.tags)).map(|s| format!("{s:?}"));
        let parameters = cache.parameter_group("production-myapp-valkey-valkey8-blue");
        let parameters = parameters.map(|group| format!("{group:?}"));
        groups.chain(subnets).chain(security).chain(secrets).chain(parameters).collect()
    })
}

/// The token that is stored for a generation, if a secret is there and not deleted.
pub(crate) fn stored_token(aws: &LocalAws, id: &str) -> Option<String> {
    let text = aws.with(|world, _| {
        let name = format!("elasticache/{id}/auth-token");
        let secret = world.secrets.secret(&name).filter(|secret| secret.deletion.is_none())?;
        secret.current_text().map(str::to_owned)
    })?;
    let content: Value = serde_json::from_str(&text).ok()?;
    content["password"].as_str().map(str::to_owned)
}

/// What differs between a generation in the account and the properties of the template.
pub(crate) fn differences(aws: &LocalAws, id: &str, properties: &Value) -> Vec<String> {
    let token = stored_token(aws, id);
    let alarms_count = !may_leave_alarms(aws);
    aws.with(|world, _| {
        let Some(group) = world.elasticache.groups.get(id) else { return vec![format!("there is no group {id}")] };
        let mut differing = Vec::new();
        let mut compare = |what: &str, is: Value, wanted: Value| {
            if is != wanted {
                differing.push(format!("{what} is {is} and should be {wanted}"));
            }
        };
        let wants = with(defaults(), properties.clone());
        compare("status", json!(group.status.as_str()), json!("available"));
        compare("nodes", json!(group.members().count()), wants["NumCacheNodes"].clone());
        compare("port", json!(group.port), wants["Port"].clone());
        compare("description", json!(group.description), wants["Description"].clone());
        compare("node type", json!(group.node_type), wants["NodeType"].clone());
        let version = wants["EngineVersion"].as_str().unwrap();
        compare("version", json!(group.engine_version.starts_with(version)), json!(true));
        compare("failover", json!(group.failover), wants["AutomaticFailoverEnabled"].clone());
        compare("zones", json!(group.multi_az), wants["MultiAzEnabled"].clone());
        compare("backups", json!(group.snapshot_retention), wants["SnapshotRetentionLimit"].clone());
        let tls = wants["TransitEncryptionEnabled"] == true || wants["AuthTokenEnabled"] == true;
        compare("TLS", json!(group.tls == Tls::Required), json!(tls));
        compare("no TLS", json!(group.tls == Tls::Off), json!(!tls));
        compare("token", json!(is_locked_by(group, token.as_deref())), wants["AuthTokenEnabled"].clone());
        // AWS cannot take a token away again; one that is not required locks nobody out.
        let open = group.tokens.is_empty() || group.token_optional;
        compare("open", json!(open), json!(wants["AuthTokenEnabled"] == false));
        compare("sources", json!(sources(world, group)), sorted(&wants["AllowedSecurityGroupIds"]));
        compare("parameters", json!(parameters(world, group)), wants["Parameters"].clone());
        let tags: BTreeMap<&String, &String> =
            group.tags.iter().filter(|(key, _)| !key.starts_with("elasticache-resource:")).collect();
        compare("tags", json!(tags), pairs(&wants["Tags"]));
        if alarms_count {
            compare("alarms", json!(alarms(world, id)), json!(alarms_of(group, id, &wants["Alarms"])));
        }
        differing
    })
}

/// The alarms of a generation by name.
fn alarms(world: &World, id: &str) -> BTreeSet<String> {
    let prefix = format!("{id}/");
    world.cloudwatch.alarms.keys().filter(|name| name.starts_with(&prefix)).cloned().collect()
}

/// The alarms that its nodes should have; all node types of the schedules have two vCPUs.
fn alarms_of(group: &ReplicationGroup, id: &str, wanted: &Value) -> BTreeSet<String> {
    let several = group.members().count() > 1;
    let metrics = [
        ("CPUUtilization", !wanted.is_null()),
        ("DatabaseMemoryUsagePercentage", !wanted.is_null()),
        ("CurrConnections", !wanted.is_null()),
        ("ReplicationLag", !wanted.is_null() && several),
        ("SwapUsage", !wanted.is_null() && wanted["Swap"] != 0),
    ];
    let metrics = metrics.iter().filter(|(_, counts)| *counts).map(|(name, _)| name);
    let of = |metric: &&str| {
        let names = group.members().map(|member| format!("{id}/{}/{metric}", member.id));
        names.collect::<Vec<_>>()
    };
    metrics.flat_map(of).collect()
}

/// Whether a right over alarms was missing for so long that the function went on without them.
pub(crate) fn may_leave_alarms(aws: &LocalAws) -> bool {
    denied(&aws.journal()).iter().any(|action| action.ends_with("Alarms") || action == "PutMetricAlarm")
}

/// What is left of ours: nothing, but alarms that the function had no right to delete.
pub(crate) fn leftovers(aws: &LocalAws) -> Vec<String> {
    let may_leave_alarms = may_leave_alarms(aws);
    let left = aws.leftovers(TAG_STACK_ID).into_iter();
    // Everything else has an ARN or an id.
    left.filter(|name| !(may_leave_alarms && name.contains('/') && !name.contains(':'))).collect()
}

/// The properties' defaults, as far as schedules change them.
fn defaults() -> Value {
    json!({
        "NumCacheNodes": 1, "Description": "myapp in production", "NodeType": "cache.t4g.micro",
        "EngineVersion": "8.2", "AutomaticFailoverEnabled": false, "MultiAzEnabled": false,
        "SnapshotRetentionLimit": 5, "TransitEncryptionEnabled": false, "AuthTokenEnabled": false,
        "AllowedSecurityGroupIds": [], "Parameters": {}, "Tags": [], "Port": 6379, "Alarms": null,
    })
}

/// Whether the stored token is the only way in.
fn is_locked_by(group: &ReplicationGroup, token: Option<&str>) -> bool {
    token.is_some_and(|token| group.tokens == [token]) && !group.token_optional
}

fn sources(world: &World, group: &ReplicationGroup) -> BTreeSet<String> {
    let own = |id: &String| world.ec2.security_group(id).filter(|group| group.tags.contains_key(TAG_STACK_ID));
    let rules = group.security_groups.iter().filter_map(own).flat_map(SecurityGroup::rules);
    let source = |source: &Source| match source {
        Source::Group(id) => Some(id.clone()),
        Source::Ipv4(_) | Source::Ipv6(_) | Source::PrefixList(_) => None,
    };
    rules.filter_map(|rule| source(&rule.source)).collect()
}

fn parameters(world: &World, group: &ReplicationGroup) -> BTreeMap<String, String> {
    world.elasticache.parameter_group(&group.parameter_group).map(|group| group.values.clone()).unwrap_or_default()
}

fn sorted(list: &Value) -> Value {
    let texts: BTreeSet<&str> = list.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    json!(texts)
}

fn pairs(tags: &Value) -> Value {
    let tags = tags.as_array().into_iter().flatten();
    json!(tags.map(|tag| (tag["Key"].as_str().unwrap(), &tag["Value"])).collect::<BTreeMap<_, _>>())
}

/// One set for one generation: no second security group, and parameter groups of no more than this version.
pub(crate) fn assert_one_of_each(aws: &LocalAws) {
    let left = aws.leftovers(TAG_STACK_ID);
    for kind in [":replicationgroup:", ":subnetgroup:", "sg-", ":secret:", ":parametergroup:"] {
        let found: Vec<&String> = left.iter().filter(|name| name.contains(kind)).collect();
        assert!(found.len() <= 1, "{found:?}");
    }
}

/// CloudFormation got nothing that breaks its protocol, and no two answers that differ, with two exceptions in which the
/// second answer comes from a late delivery and CloudFormation has long gone on with the first: what was denied once is
/// allowed now, and what was made is being deleted by CloudFormation's next request.
pub(crate) fn assert_truthful_answers(aws: &LocalAws) {
    let answers = aws.answers();
    assert!(answers.violations().is_empty(), "{:?}", answers.violations());
    let journal = aws.journal();
    let deleted_at = journal.iter().find(|entry| entry.action == "DeleteReplicationGroup").map(|entry| entry.at);
    let late = |duplicate: &Duplicate| {
        duplicate.difference.contains("not authorized to perform") || deleted_at.is_some_and(|at| at < duplicate.at)
    };
    let differing: Vec<_> =
        answers.duplicates().into_iter().filter(|duplicate| !duplicate.agrees && !late(duplicate)).collect();
    assert!(differing.is_empty(), "{differing:?}");
}

/// No token and nothing of a response URL's query in logs and answers; no token in what is handed on.
pub(crate) fn assert_nothing_shown(aws: &LocalAws, tokens: &BTreeSet<String>, log: &str, outcomes: &[Outcome]) {
    let answers = outcomes.iter().flat_map(|outcome| &outcome.answers).map(|answer| format!("{answer:?}"));
    for text in answers.chain([log.to_owned()]) {
        assert!(!text.contains("X-Amz-"), "part of a response URL is shown");
        assert!(!tokens.iter().any(|token| text.contains(token.as_str())), "a token is shown");
    }
    for entry in aws.journal().iter().filter(|entry| entry.action == "Invoke") {
        let payload = entry.params.to_string();
        assert!(!tokens.iter().any(|token| payload.contains(token.as_str())), "a token is handed on");
    }
}

/// The calls of the function in every minute stay within the bound for as many invocations as ran at once.
pub(crate) fn assert_few_calls(aws: &LocalAws, at_once: usize) -> usize {
    let calls: Vec<Entry> = aws.journal().into_iter().filter(|call| call.caller == Caller::Function).collect();
    let (mut first, mut most) = (0, 0..0);
    for last in 0..calls.len() {
        while calls[last].at.since(calls[first].at) >= Duration::from_mins(1) {
            first += 1;
        }
        if last + 1 - first > most.len() {
            most = first..last + 1;
        }
    }
    if most.len() > CALLS_PER_MINUTE * at_once {
        let mut counts: BTreeMap<(&str, Option<&String>), usize> = BTreeMap::new();
        for call in &calls[most.clone()] {
            *counts.entry((&call.action, call.outcome.as_ref().err())).or_default() += 1;
        }
        panic!("{} calls in a minute by {at_once} invocations: {counts:?}", most.len());
    }
    most.len()
}

/// The actions that were refused for lack of rights for longer than the function waits for one.
pub(crate) fn denied(calls: &[Entry]) -> BTreeSet<String> {
    let refused = |entry: &&Entry| entry.outcome.as_ref().err().is_some_and(|code| DENIED.contains(&code.as_str()));
    let mut spans: BTreeMap<&str, (Time, Time)> = BTreeMap::new();
    for entry in calls.iter().filter(refused) {
        spans.entry(&entry.action).or_insert((entry.at, entry.at)).1 = entry.at;
    }
    let long = spans.into_iter().filter(|(_, (first, last))| last.since(*first) > PASSES);
    long.map(|(action, _)| action.to_owned()).collect()
}
