//! Any change and back: Create(A), Update(B), Update(A), Delete, for random pairs of legal property sets.
//!
//! Each Update ends with what its properties say, or is refused with a reason and nothing changed. Data that must
//! survive does, no Update deletes a group that stands, and in the end nothing is left.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Map, Value, json};
use simulator::LocalAws;
use simulator::cloudformation::{SERVICE_TOKEN, StackStatus};
use simulator::elasticache::replication_groups::ClusterMode;
use simulator::elasticache::{Pace, ReplicationGroup, UserGroup};
use simulator::nodes::Tls;
use simulator::policy::Policy;

use crate::harness::{APPS, CACHE, SUBNETS, Setup, VPC, policy};

/// Nodes of the group.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Single { nodes: usize, failover: bool, multi_az: bool },
    Sharded { shards: usize, replicas: usize },
    Compatible { nodes: usize, multi_az: bool },
}

#[derive(Clone, Debug, PartialEq)]
enum AuthKind {
    Nobody,
    Generated,
    Literal(&'static str),
    UserGroup(&'static str),
}

/// A legal property set, as far as the model goes.
#[derive(Clone, Debug, PartialEq)]
struct Transition {
    project: &'static str,
    engine: (&'static str, &'static str),
    node_type: &'static str,
    shape: Shape,
    tls: &'static str,
    auth: AuthKind,
    port: u32,
    at_rest: bool,
    parameters: Option<Vec<(&'static str, &'static str)>>,
    /// Properties that are passed through and change in place.
    settings: Map<String, Value>,
    policy: &'static str,
    immediately: bool,
}

impl Transition {
    fn properties(&self) -> Value {
        let mut map = self.settings.clone();
        let mut set = |key: &str, value: Value| map.insert(key.to_owned(), value);
        set("ServiceToken", json!(SERVICE_TOKEN));
        set("Env", json!("test"));
        set("ProjectId", json!(self.project));
        set("VpcId", json!(VPC));
        set("Engine", json!(self.engine.0));
        set("EngineVersion", json!(self.engine.1));
        set("NodeType", json!(self.node_type));
        set("Port", json!(self.port));
        set("AtRestEncryptionEnabled", json!(self.at_rest));
        set("ReplacementPolicy", json!(self.policy));
        set("ApplyImmediately", json!(self.immediately));
        match &self.shape {
            Shape::Single { nodes, failover, multi_az } => {
                set("NumCacheNodes", json!(nodes));
                set("AutomaticFailoverEnabled", json!(failover));
                set("MultiAzEnabled", json!(multi_az));
            }
            Shape::Sharded { shards, replicas } => {
                set("NumNodeGroups", json!(shards));
                set("ReplicasPerNodeGroup", json!(replicas));
            }
            Shape::Compatible { nodes, multi_az } => {
                set("NumCacheNodes", json!(nodes));
                set("AutomaticFailoverEnabled", json!(true));
                set("MultiAzEnabled", json!(multi_az));
                set("ClusterMode", json!("compatible"));
            }
        }
        if self.tls != "off" {
            set("TransitEncryptionEnabled", json!(true));
            set("TransitEncryptionMode", json!(self.tls));
        }
        match &self.auth {
            AuthKind::Nobody => None,
            AuthKind::Generated => set("AuthTokenEnabled", json!(true)),
            AuthKind::Literal(token) => set("AuthToken", json!(token)),
            AuthKind::UserGroup(id) => set("UserGroupIds", json!([id])),
        };
        if let Some(parameters) = &self.parameters {
            let parameters: Map<String, Value> =
                parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
            set("Parameters", parameters.into());
        }
        map.into()
    }

    /// What of the group is not as the properties say.
    fn differences(&self, group: &ReplicationGroup, setup: &Setup) -> Vec<String> {
        let mut differences = Vec::new();
        let mut same = |what: &str, is: Value, wanted: Value| {
            if is != wanted {
                differences.push(format!("{what} is {is}, not {wanted}"));
            }
        };
        same("port", json!(group.port), json!(self.port));
        same("encryption at rest", json!(group.at_rest), json!(self.at_rest));
        let (shards, members, mode) = match self.shape {
            Shape::Single { nodes, .. } => (1, nodes, ClusterMode::Disabled),
            Shape::Sharded { shards, replicas } => (shards, shards * (1 + replicas), ClusterMode::Enabled),
            Shape::Compatible { nodes, .. } => (1, nodes, ClusterMode::Compatible),
        };
        same("shards", json!(group.shards.len()), json!(shards));
        same("members", json!(group.members().count()), json!(members));
        same("cluster mode", json!(group.cluster_mode.as_str()), json!(mode.as_str()));
        if let Shape::Single { failover, multi_az, .. } = self.shape {
            same("failover", json!([group.failover, group.multi_az]), json!([failover, multi_az]));
        }
        let tls = match group.tls {
            Tls::Off => "off",
            Tls::Preferred => "preferred",
            Tls::Required => "required",
        };
        same("TLS", json!(tls), json!(self.tls));
        let users: Vec<&str> = match &self.auth {
            AuthKind::UserGroup(id) => vec![*id],
            _ => Vec::new(),
        };
        same("user groups", json!(group.user_groups), json!(users));
        let tokens = match &self.auth {
            AuthKind::Literal(token) => vec![(*token).to_owned()],
            AuthKind::Generated => {
                let derived = format!("elasticache/{}/auth-token", group.id);
                let number = group.id.rsplit_once('-').and_then(|(_, n)| n.parse::<u32>().ok());
                let name = match (self.settings.get("SecretName"), number) {
                    (None, _) => derived,
                    (Some(name), None) => name.as_str().unwrap_or_default().to_owned(),
                    (Some(name), Some(number)) => format!("{}-{number}", name.as_str().unwrap_or_default()),
                };
                vec![setup.secret(&name)["password"].as_str().unwrap_or_default().to_owned()]
            }
            AuthKind::Nobody | AuthKind::UserGroup(_) => Vec::new(),
        };
        if self.auth != AuthKind::Nobody || !group.token_optional {
            same("tokens", json!(group.tokens), json!(tokens));
        }
        if let Some(description) = self.settings.get("Description") {
            same("description", json!(group.description), description.clone());
        }
        if let Some(days) = self.settings.get("SnapshotRetentionLimit") {
            same("backups", json!(group.snapshot_retention), days.clone());
        }
        if self.immediately {
            let version = &group.engine_version;
            let fits = version == self.engine.1 || version.starts_with(&format!("{}.", self.engine.1));
            same("engine", json!([group.engine, fits]), json!([self.engine.0, true]));
            same("node type", json!(group.node_type), json!(self.node_type));
        }
        differences
    }
}

fn settings() -> impl Strategy<Value = Map<String, Value>> {
    let topic = "arn:aws:sns:us-east-1:123456789012:cache";
    let log = |kind: &str| json!({"LogType": kind, "DestinationType": "cloudwatch-logs", "Destination": kind});
    let choices: Vec<(&'static str, Vec<Value>)> = vec![
        ("Description", vec![json!("one"), json!("two")]),
        ("AllowedSecurityGroupIds", vec![json!([APPS[0]]), json!(APPS)]),
        ("AllowedCidrBlocks", vec![json!(["10.0.0.0/16"]), json!(["10.0.0.0/16", "10.1.0.0/16"])]),
        ("SecurityGroupIds", vec![json!([APPS[1]])]),
        ("SnapshotRetentionLimit", vec![json!(0), json!(7)]),
        ("SnapshotWindow", vec![json!("01:00-02:00"), json!("03:00-04:00")]),
        ("MaintenanceWindow", vec![json!("sun:05:00-sun:06:00"), json!("mon:05:00-mon:06:00")]),
        ("AutoMinorVersionUpgrade", vec![json!(false)]),
        ("NotificationTopicArn", vec![json!(topic)]),
        ("LogDelivery", vec![json!([log("slow-log")]), json!([log("engine-log")])]),
        ("Tags", vec![json!([{"Key": "Team", "Value": "shop"}]), json!([{"Key": "Team", "Value": "search"}])]),
        ("SecretName", vec![json!("elasticache/other")]),
    ];
    let strategies: Vec<_> = choices
        .into_iter()
        .map(|(name, values)| {
            prop::option::weighted(0.3, prop::sample::select(values))
                .prop_map(move |value| value.map(|value| (name.to_owned(), value)))
        })
        .collect();
    let subnets = prop::sample::select(vec![json!([SUBNETS[0], SUBNETS[1]]), json!(SUBNETS)]);
    (subnets, strategies)
        .prop_map(|(subnets, pairs)| pairs.into_iter().flatten().chain([("SubnetIds".to_owned(), subnets)]).collect())
}

fn shapes() -> impl Strategy<Value = Shape> {
    let single = (1..=4_usize, any::<bool>(), any::<bool>()).prop_map(|(nodes, failover, multi_az)| {
        let failover = failover && nodes > 1;
        Shape::Single { nodes, failover, multi_az: multi_az && failover }
    });
    let sharded = (1..=3_usize, 0..=2_usize).prop_map(|(shards, replicas)| Shape::Sharded { shards, replicas });
    let compatible = (2..=3_usize, any::<bool>()).prop_map(|(nodes, multi_az)| Shape::Compatible { nodes, multi_az });
    prop_oneof![6 => single, 2 => sharded, 1 => compatible]
}

fn property_sets() -> impl Strategy<Value = Transition> {
    let engine = prop_oneof![
        4 => prop::sample::select(vec![("valkey", "7.2"), ("valkey", "8.0"), ("valkey", "8.2"), ("valkey", "9.0")]),
        1 => prop::sample::select(vec![("redis", "6.2"), ("redis", "7.0"), ("redis", "7.1")]),
    ];
    let node_type = prop::sample::select(vec!["cache.t4g.micro", "cache.t4g.medium", "cache.m7g.large"]);
    let auth = prop_oneof![
        3 => Just(AuthKind::Nobody),
        2 => Just(AuthKind::Generated),
        1 => prop::sample::select(vec!["a-literal-token-0001", "a-literal-token-0002"]).prop_map(AuthKind::Literal),
        1 => prop::sample::select(vec!["people", "robots"]).prop_map(AuthKind::UserGroup),
    ];
    let parameters = prop::option::weighted(
        0.3,
        prop::sample::select(vec![vec![("timeout", "30")], vec![("timeout", "60"), ("tcp-keepalive", "200")]]),
    );
    let tls = prop::sample::select(vec!["off", "off", "preferred", "required"]);
    let policy = prop::sample::select(vec!["Refuse", "Snapshot", "Snapshot", "Empty"]);
    let parts = (engine, node_type, shapes(), tls, auth, parameters, settings(), policy);
    let fixed = (rare("app", "shop"), rare(6379, 6380), rare(true, false), rare(true, false));
    (parts, fixed).prop_map(|(parts, (project, port, at_rest, immediately))| {
        let (engine, node_type, shape, tls, auth, parameters, settings, policy) = parts;
        let shape = match shape {
            // It knows no such mode.
            Shape::Compatible { nodes, multi_az } if engine == ("redis", "6.2") => {
                Shape::Single { nodes, failover: true, multi_az }
            }
            shape => shape,
        };
        let old = engine == ("redis", "6.2") && tls == "preferred";
        let tls = if auth == AuthKind::Nobody && !old { tls } else { "required" };
        Transition {
            project,
            engine,
            node_type,
            shape,
            tls,
            auth,
            port,
            at_rest,
            parameters,
            settings,
            policy,
            immediately,
        }
    })
}

/// Mostly the usual.
fn rare<T: Clone + std::fmt::Debug + 'static>(usual: T, other: T) -> impl Strategy<Value = T> {
    prop_oneof![9 => Just(usual), 1 => Just(other)]
}

/// A pair: mostly properties and a neighbour that differs in some parts.
fn pairs() -> impl Strategy<Value = (Transition, Transition)> {
    (property_sets(), property_sets(), prop::array::uniform10(prop::bool::weighted(0.3))).prop_map(
        |(a, other, takes)| {
            let mut b = a.clone();
            let [engine, node_type, shape, access, port, at_rest, parameters, settings, project, immediately] = takes;
            b.policy = other.policy;
            if engine {
                b.engine = other.engine;
            }
            if node_type {
                b.node_type = other.node_type;
            }
            if shape {
                b.shape = other.shape;
            }
            if access {
                (b.tls, b.auth) = (other.tls, other.auth);
            }
            if port {
                b.port = other.port;
            }
            if at_rest {
                b.at_rest = other.at_rest;
            }
            if parameters {
                b.parameters = other.parameters;
            }
            if settings {
                b.settings = other.settings;
            }
            if project {
                b.project = other.project;
            }
            if immediately {
                b.immediately = other.immediately;
            }
            // Which nodes of a sharded group go, and so which subnet becomes free, is for AWS to choose.
            if let (Shape::Sharded { .. }, _) | (_, Shape::Sharded { .. }) = (&a.shape, &b.shape) {
                b.settings.insert("SubnetIds".to_owned(), a.settings["SubnetIds"].clone());
            }
            // What waits for the window is not there yet, and AWS applies it with the next change that does not wait.
            if !(a.immediately && b.immediately) {
                (b.engine, b.node_type) = (a.engine, a.node_type);
            }
            (a, b)
        },
    )
}

fn the_group(setup: &Setup, id: &str) -> ReplicationGroup {
    setup.aws.with(|world, _| world.elasticache.groups[id].clone())
}

/// What a refused Update must not change: everything but the bookkeeping in tags.
fn state(setup: &Setup) -> String {
    setup.aws.with(|world, _| {
        let groups: Vec<_> = world.elasticache.groups.values().collect();
        let parameters: Vec<_> = world.elasticache.parameter_groups.keys().cloned().collect();
        format!("{groups:?} {parameters:?}")
    })
}

/// One Update and everything that must hold after it. Returns the physical id.
async fn update(setup: &Setup, from: &Transition, to: &Transition, id: &str) -> Result<(String, bool), String> {
    let marker = format!("{id}-data");
    setup.aws.with(|world, _| {
        let data = &mut world.elasticache.groups.get_mut(id).unwrap().data;
        data.insert("marker".to_owned(), marker.clone());
    });
    let before = (state(setup), setup.writes().len());
    let outcome = setup.stack.update(CACHE, to.properties()).await;
    let deletes = setup.writes().split_off(before.1);
    let deletes = deletes.iter().filter(|e| e.action == "DeleteReplicationGroup" && e.outcome.is_ok());
    let deletes: Vec<String> =
        deletes.map(|e| e.params["ReplicationGroupId"].as_str().unwrap_or("?").to_owned()).collect();
    if outcome.status == StackStatus::UpdateRollbackComplete {
        let refused = outcome.reason.contains("with the properties: ");
        let unchanged = before.0 == state(setup);
        if refused && unchanged && outcome.physical_id == id && deletes.is_empty() {
            return Ok((outcome.physical_id, false));
        }
        return Err(format!("refused: {refused}, unchanged: {unchanged}, deleted {deletes:?}: {}", outcome.reason));
    }
    if outcome.status != StackStatus::UpdateComplete {
        return Err(format!("{}: {}", outcome.status, outcome.reason));
    }
    let replaced = outcome.physical_id != id;
    if deletes != (if replaced { vec![id.to_owned()] } else { Vec::new() }) {
        return Err(format!("the update deleted {deletes:?}"));
    }
    let group = the_group(setup, &outcome.physical_id);
    let differences = to.differences(&group, setup);
    if !differences.is_empty() {
        return Err(format!("after SUCCESS: {differences:?}"));
    }
    let carried = group.data.get("marker") == Some(&marker);
    if carried == (replaced && to.policy == "Empty") {
        return Err(format!("data carried: {carried}, replaced: {replaced}"));
    }
    let writes = setup.writes().len();
    let fields = json!({"ResourceProperties": to.properties(), "OldResourceProperties": to.properties()});
    let again = setup.stack.send("Update", CACHE, fields).await.map_err(|error| format!("again: {error}"))?;
    let writes = setup.writes().split_off(writes);
    if !again.is_success() || !writes.is_empty() || from == to && replaced {
        let names: Vec<String> = writes.iter().map(|entry| entry.action.clone()).collect();
        return Err(format!("again: {} {names:?}", again.reason()));
    }
    Ok((outcome.physical_id, true))
}

async fn created(policy: &Policy, a: &Transition) -> Result<(Setup, String), String> {
    let setup = Setup::with_aws(LocalAws::new(1.0, Some(policy.clone())));
    setup.aws.with(|world, _| {
        for id in ["people", "robots"] {
            world.elasticache.add_user_group(UserGroup::new(id, "redis", "0123456789abcdef"));
        }
    });
    // Quicker than AWS ever is: whatever is not refused beforehand then also ends in time, after few observations.
    setup.aws.with(|world, _| world.elasticache.pace = quick_pace());
    let created = setup.create(a.properties()).await;
    if created.status != StackStatus::CreateComplete {
        return Err(format!("create: {}", created.reason));
    }
    let differences = a.differences(&the_group(&setup, &created.physical_id), &setup);
    if !differences.is_empty() {
        return Err(format!("create: {differences:?}"));
    }
    Ok((setup, created.physical_id))
}

async fn there_and_back(policy: &Policy, a: &Transition, b: &Transition) -> Result<bool, String> {
    let (setup, id) = created(policy, a).await?;
    let (id, forth) = update(&setup, a, b, &id).await.map_err(|error| format!("to b: {error}"))?;
    let now = if forth { b } else { a };
    update(&setup, now, a, &id).await.map_err(|error| format!("back: {error}"))?;
    setup.deleted().await;
    Ok(forth)
}

/// The update succeeds, another resource of the stack fails, and CloudFormation goes back: that never fails. What AWS does
/// not take back stays, with a warning, and everything else is as it was.
async fn rolled_back(policy: &Policy, a: &Transition, b: &Transition) -> Result<bool, String> {
    let (setup, id) = created(policy, a).await?;
    setup.stack.fail_elsewhere();
    let outcome = setup.stack.update(CACHE, b.properties()).await;
    if a.properties() == b.properties() {
        setup.deleted().await;
        return Ok(false);
    }
    if outcome.status != StackStatus::UpdateRollbackComplete || outcome.physical_id != id {
        return Err(format!("{} of {}: {}", outcome.status, outcome.physical_id, outcome.reason));
    }
    let stays = outcome.get_att("Warnings").is_ok_and(|warnings| warnings.contains("AWS does not go back"));
    let differences = a.differences(&the_group(&setup, &id), &setup);
    if !stays && !differences.is_empty() {
        return Err(format!("after the rollback: {differences:?}"));
    }
    setup.deleted().await;
    Ok(outcome.answers[0].is_success())
}

fn quick_pace() -> Pace {
    let usual = Pace::default();
    Pace {
        create: usual.create / 20,
        settings: usual.settings / 20,
        engine_version: usual.engine_version / 20,
        node_type: usual.node_type / 20,
        add_replica: usual.add_replica / 20,
        remove_replica: usual.remove_replica / 20,
        tls: usual.tls / 20,
        auth: usual.auth / 20,
        cluster_mode: usual.cluster_mode / 20,
        shards: usual.shards / 20,
        snapshot: usual.snapshot / 20,
        delete: usual.delete / 20,
        ..usual
    }
}

/// Pairs of one part.
const PAIRS: u32 = 1250;

/// Runs so many pairs through `check`, which says whether the update was accepted.
fn check_pairs(seed: u64, count: u32, check: &impl AsyncFn(&Policy, &Transition, &Transition) -> Result<bool, String>) {
    let mut runner = TestRunner::new(Config {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: 200,
        rng_seed: RngSeed::Fixed(seed),
        ..Config::default()
    });
    let policy = policy();
    let accepted = std::cell::Cell::new(0);
    let result = runner.run(&pairs(), |(a, b)| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        match runtime.block_on(check(&policy, &a, &b)) {
            Ok(done) => {
                accepted.set(accepted.get() + u32::from(done));
                Ok(())
            }
            Err(error) => Err(TestCaseError::fail(error)),
        }
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    assert!(accepted.get() > count / 2, "only {} of {count} updates were granted", accepted.get());
}

/// In parts, so that a machine with several processors runs them concurrently.
mod parts {
    use super::{PAIRS, check_pairs, rolled_back, there_and_back};

    #[test]
    fn any_change_may_be_rolled_back() {
        check_pairs(5, PAIRS / 2, &rolled_back);
    }

    #[test]
    fn any_change_and_back_first_part() {
        check_pairs(1, PAIRS, &there_and_back);
    }

    #[test]
    fn any_change_and_back_second_part() {
        check_pairs(2, PAIRS, &there_and_back);
    }

    #[test]
    fn any_change_and_back_third_part() {
        check_pairs(3, PAIRS, &there_and_back);
    }

    #[test]
    fn any_change_and_back_fourth_part() {
        check_pairs(4, PAIRS, &there_and_back);
    }
}
