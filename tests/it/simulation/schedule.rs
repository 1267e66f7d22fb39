//! From a seed to what happens: which operations, and what goes wrong with them. Everything is drawn from the seed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::UploadFault;
use simulator::faults::{Fault, Kind};
use simulator::readings::{
    GoneResources, Readings, RepeatedSet, ServiceTimeoutPlace, TokenDate, UnlistedTags, ViaService, WayBack,
};

use super::host::{Host, Life};
use crate::harness::{APPS, OPTIONAL, VPC, with};

/// One thing that happens to the stack.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// The stack is made; another resource of it may fail afterwards.
    Create { fails_elsewhere: bool },
    /// The stack is made in vain, is left as it is, and is made once more with these properties.
    CreateAgain { with: Value },
    /// The stack is changed; another resource of it may fail afterwards.
    Update { to: Value, fails_elsewhere: bool },
    /// The stack is changed, and CloudFormation goes back before there is an answer.
    Cancel { to: Value, after: Duration },
    /// The stack is made, and deleted before there is an answer.
    Abandon { after: Duration },
    /// The stack is deleted.
    Delete,
}

/// What a seed stands for.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// Properties of the Create.
    pub(crate) base: Value,
    /// What happens, in order. The last one always deletes.
    pub(crate) operations: Vec<Operation>,
    /// Whether the next operation begins while deliveries of the one before may still go on.
    pub(crate) hurries: bool,
    /// Whether CloudFormation keeps what an Update replaces.
    pub(crate) retains: bool,
    rng: Rng,
    /// Words of failures that were planned so far.
    texts: Vec<String>,
}

impl Schedule {
    pub(crate) fn of(seed: u64) -> Schedule {
        let mut rng = Rng::with_seed(seed);
        let base = base(&mut rng);
        let mut operations = Vec::new();
        if rng.u8(..8) == 0 {
            operations.push(Operation::Abandon { after: Duration::from_secs(rng.u64(0..400)) });
        } else {
            let mut now = base.clone();
            if rng.u8(..8) == 0 {
                now = with(now.clone(), change(&mut rng, &now));
                operations.push(Operation::CreateAgain { with: now.clone() });
            } else {
                operations.push(Operation::Create { fails_elsewhere: rng.u8(..12) == 0 });
            }
            for _ in 0..rng.usize(0..=2) {
                let to = with(now.clone(), change(&mut rng, &now));
                operations.push(match rng.u8(..8) {
                    // Two requests that observe within the same seconds and then both write: the last one wins, see
                    // docs/architecture.md. Nobody cancels that quickly.
                    0 | 1 => Operation::Cancel { to, after: Duration::from_secs(rng.u64(30..900)) },
                    2 => Operation::Update { to, fails_elsewhere: true },
                    _ => {
                        now = to.clone();
                        Operation::Update { to, fails_elsewhere: false }
                    }
                });
            }
            operations.push(Operation::Delete);
        }
        let hurries = rng.u8(..3) == 0;
        let retains = rng.u8(..6) == 0;
        Schedule { base, operations, hurries, retains, rng, texts: Vec::new() }
    }

    /// Quicker or as usual, and later than usual, for the whole run.
    pub(crate) fn set_pace(&mut self, aws: &LocalAws) {
        let rng = &mut self.rng;
        let quicker = [1, 3, 10, 30][rng.usize(..4)];
        aws.with(|world, _| {
            let pace = &mut world.elasticache.pace;
            for span in [
                &mut pace.create,
                &mut pace.create_tls,
                &mut pace.settings,
                &mut pace.engine_version,
                &mut pace.node_type,
                &mut pace.add_replica,
                &mut pace.remove_replica,
                &mut pace.tls,
                &mut pace.auth,
                &mut pace.snapshot,
                &mut pace.delete,
                &mut pace.parameters_apply,
            ] {
                *span /= quicker;
            }
            let mut either = || rng.bool();
            world.readings = Readings {
                token_date: if either() { TokenDate::EveryChange } else { TokenDate::Rotate },
                repeated_set: if either() { RepeatedSet::Refused } else { RepeatedSet::Accepted },
                service_timeout: if either() { ServiceTimeoutPlace::Both } else { ServiceTimeoutPlace::TopLevel },
                way_back: if either() { WayBack::Alone } else { WayBack::WithGroup },
                via_service: if either() { ViaService::Com } else { ViaService::ComCn },
                gone_resources: if either() { GoneResources::Unknown } else { GoneResources::Listed },
                unlisted_tags: if either() { UnlistedTags::InvalidState } else { UnlistedTags::ClusterNotFound },
            };
            world.elasticache.pace.visibility = Duration::from_secs(rng.u64(0..12));
            world.elasticache.pace.member_lag = Duration::from_secs(rng.u64(0..90));
            world.elasticache.pace.interface_release = Duration::from_secs(rng.u64(0..200));
            world.ec2.visibility_lag = Duration::from_secs(rng.u64(0..4));
            world.ec2.write_lag = Duration::from_secs(rng.u64(0..4));
        });
    }

    /// Plans what goes wrong in the next operation. Returns the texts that a failure may give for it.
    pub(crate) fn trouble(&mut self, host: &Host, operation: &Operation) -> Vec<String> {
        let rng = &mut self.rng;
        host.aws.clear_faults();
        let duplicates = rng.u8(..4) == 0;
        host.stack.deliver_twice(duplicates);
        let mut denied = false;
        for _ in 0..rng.usize(0..6) {
            let (nth, times) = (rng.usize(1..120), rng.usize(1..4));
            // A right that one of two duplicates has and the other lacks does not exist.
            let planned = fault(rng, nth, times);
            let is_missing = planned.lasts.is_some_and(|span| span > PASSES);
            // Two that pass, one soon after the other, may seem to be one that does not.
            let is_second = planned.lasts.is_some() && denied;
            denied |= planned.lasts.is_some();
            if !(is_second || duplicates && is_missing) {
                host.aws.fault(planned);
            }
        }
        if rng.u8(..8) == 0 {
            host.aws.fault(Fault::on("DescribeStacks", 1, Kind::Denied).times(usize::MAX));
        }
        for _ in 0..rng.usize(0..6).saturating_sub(3) {
            host.aws.answers().fail_uploads([UploadFault::Redirect(if rng.bool() { 307 } else { 308 }, "")]);
        }
        // Of two duplicates one may see AWS give up and the other try again with success; the first answer counts.
        let in_vain = matches!(operation, Operation::CreateAgain { .. });
        if in_vain || !duplicates && rng.u8(..10) == 0 {
            self.texts.extend(gives_up(rng, &host.aws, operation));
        }
        if let Operation::Update { to, .. } | Operation::Cancel { to, .. } = operation
            && to["EngineVersion"].is_string()
        {
            // The way back from a newer version is closed, and the product says so.
            self.texts.extend(["EngineVersion (8.1): is ", "EngineVersion (8.2): is "].map(str::to_owned));
        }
        if let Operation::Update { to, .. } | Operation::Cancel { to, .. } = operation
            && to["AuthTokenEnabled"] == true
        {
            self.texts.push("AuthTokenEnabled (false): is true".to_owned());
            self.texts.push("TransitEncryptionEnabled (off): is ".to_owned());
        }
        host.set_fate(fate(rng.fork()));
        self.texts.clone()
    }
}

/// A quick start or the production example under one name.
fn base(rng: &mut Rng) -> Value {
    let nodes = rng.usize(1..=3);
    let mut base = json!({
        "Env": "production", "ProjectId": "myapp", "VpcId": VPC, "SubnetIds": crate::harness::SUBNETS,
        "AllowedSecurityGroupIds": [APPS[0]], "NumCacheNodes": nodes,
    });
    if nodes > 1 && rng.bool() {
        base = with(base, json!({"AutomaticFailoverEnabled": true, "MultiAzEnabled": true}));
    }
    match rng.u8(..4) {
        0 => {}
        1 => base = with(base, json!({"TransitEncryptionEnabled": true})),
        _ => base = with(base, json!({"TransitEncryptionEnabled": true, "AuthTokenEnabled": true})),
    }
    if rng.u8(..3) == 0 {
        base = with(base, json!({"Parameters": {"timeout": "30"}}));
    }
    if rng.bool() {
        base = with(base, json!({"Alarms": {}}));
    }
    base
}

/// An update of some kind, legal from where the stack is.
fn change(rng: &mut Rng, now: &Value) -> Value {
    let token = now["AuthTokenEnabled"] == true;
    let failover = now["AutomaticFailoverEnabled"] == true;
    let nodes = if failover { rng.usize(2..=4) } else { rng.usize(1..=4) };
    match rng.u8(..14) {
        0 => json!({"Description": format!("described {}", rng.u8(..))}),
        1 => json!({"NumCacheNodes": nodes}),
        2 => {
            json!({"NodeType": *rng.choice(["cache.t4g.small", "cache.t4g.medium", "cache.t4g.micro"].iter()).unwrap()})
        }
        3 => json!({"AllowedSecurityGroupIds": APPS[..rng.usize(0..=2)].to_vec()}),
        4 => json!({"Tags": [{"Key": "Team", "Value": format!("team {}", rng.u8(..9))}]}),
        5 => json!({"Parameters": {"timeout": rng.u8(..).to_string(), "tcp-keepalive": "60"}}),
        6 => json!({"NumCacheNodes": 3, "AutomaticFailoverEnabled": true, "MultiAzEnabled": true,
            "SnapshotRetentionLimit": rng.usize(1..=9)}),
        7 if !token => json!({"TransitEncryptionEnabled": now["TransitEncryptionEnabled"] != true}),
        8 if !token => json!({"TransitEncryptionEnabled": true, "AuthTokenEnabled": true}),
        9 => json!({"EngineVersion": "9.0", "Description": "newer"}),
        10 if token => json!({"AuthTokenVersion": rng.u16(..).to_string()}),
        // AWS makes the way back in place.
        11 if now["EngineVersion"].is_null() && now["ReplacementPolicy"] != "Empty" => {
            json!({"EngineVersion": "8.1", "ReplacementPolicy": "Empty"})
        }
        11 | 12 => {
            let policy = *rng.choice(["Snapshot", "Empty"].iter()).unwrap();
            json!({"Port": rng.u16(7000..7003), "ReplacementPolicy": policy})
        }
        13 if now["Alarms"].is_null() => json!({"Alarms": {"Swap": 0}}),
        13 => json!({"Alarms": null}),
        _ => json!({"SnapshotRetentionLimit": rng.usize(1..=9), "NumCacheNodes": nodes, "Description": "several",
            "Tags": [{"Key": "Several", "Value": "yes"}]}),
    }
}

/// A denial that lasts no longer is waited for by the function.
pub(crate) const PASSES: Duration = Duration::from_secs(12);

fn fault(rng: &mut Rng, nth: usize, times: usize) -> Fault {
    let kind = match rng.u8(..30) {
        0..6 => Kind::Throttled,
        6..10 => Kind::http_500(),
        10..14 => Kind::CutBefore,
        14..19 => Kind::CutAfter,
        // An answer that takes longer than one try of a hand-over may is none, which `CutAfter` stands for.
        19..23 => Kind::Slow(Duration::from_secs(rng.u64(1..6))),
        23..26 => return Fault::on("*", nth, Kind::Denied).lasting(rng.choice([PASSES / 2, PASSES]).unwrap_or(PASSES)),
        26 => return Fault::on("*", nth, Kind::Denied).lasting(Duration::from_secs(rng.u64(26..90))),
        27 => return Fault::on(OPTIONAL[rng.usize(..OPTIONAL.len())], 1, Kind::Panics).times(usize::MAX),
        _ => Kind::SignedLate,
    };
    Fault::on("*", nth, kind).times(times)
}

/// ElastiCache itself gives up on something: a failure with this text is the truth.
fn gives_up(rng: &mut Rng, aws: &LocalAws, operation: &Operation) -> Option<String> {
    let text = format!("AWS gave up for reason {}", rng.u16(..));
    aws.with(|world, _| match operation {
        Operation::Create { .. } | Operation::CreateAgain { .. } => world.elasticache.fail_next_create(text.clone()),
        Operation::Update { .. } => {
            let action = ["ModifyReplicationGroup", "IncreaseReplicaCount", "DecreaseReplicaCount"];
            world.elasticache.roll_back_next(*rng.choice(action.iter()).unwrap(), text.clone());
        }
        Operation::Cancel { .. } | Operation::Abandon { .. } | Operation::Delete => {}
    });
    let creates = matches!(operation, Operation::Create { .. } | Operation::CreateAgain { .. });
    (creates || matches!(operation, Operation::Update { .. })).then_some(text)
}

/// How invocations live: some start late, some have little time, some die; no event dies so often that Lambda gives up.
fn fate(mut rng: Rng) -> impl FnMut(&Value) -> Life + Send + 'static {
    let short = rng.u8(..3) == 0;
    let deadly = rng.u8(..3) == 0;
    let deaths: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    move |event| {
        let mut deaths = deaths.lock().unwrap();
        let died = deaths.entry(event.to_string()).or_default();
        let is_last = deadly && *died < 2 && rng.u8(..3) == 0;
        *died += u32::from(is_last);
        Life {
            delay: Duration::from_millis(rng.u64(0..8000)),
            timeout: if short { Duration::from_secs(rng.u64(45..200)) } else { Life::CALM.timeout },
            dies_after: is_last.then(|| rng.usize(1..90)),
        }
    }
}
