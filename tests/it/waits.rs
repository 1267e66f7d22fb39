//! How soon the end of a wait is noticed, and what waiting costs, with AWS quick, usual, slow and stuck.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::elasticache::Pace;
use simulator::journal::{Caller, Entry};

use crate::harness::{CACHE, production, quick_start, with};
use crate::simulation::host::Host;
use crate::simulation::{in_virtual_time, on_all_processors};

/// What is waited for.
struct Wait {
    name: &'static str,
    before: Value,
    /// What changes; nothing for a Create, null for a Delete.
    change: Option<Value>,
    /// The call after which AWS works.
    action: &'static str,
    /// Minutes that this takes, as `step/duration.rs` expects: on a good day, most often, on a bad one.
    minutes: [u64; 3],
    set: fn(&mut Pace, Duration),
}

fn waits() -> Vec<Wait> {
    let sharded = with(quick_start(), json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1}));
    let wait = |name, before, change, action, minutes, set| Wait { name, before, change, action, minutes, set };
    let modify = "ModifyReplicationGroup";
    vec![
        wait("create", production(), None, "CreateReplicationGroup", [5, 6, 11], |pace, time| pace.create = time),
        wait(
            "node type",
            quick_start(),
            Some(json!({"NodeType": "cache.t4g.small"})),
            modify,
            [11, 12, 21],
            |pace, time| {
                pace.node_type = time;
            },
        ),
        wait(
            "one replica more",
            production(),
            Some(json!({"NumCacheNodes": 3})),
            "IncreaseReplicaCount",
            [5, 5, 12],
            |pace, time| {
                pace.add_replica = time;
            },
        ),
        wait(
            "one shard more",
            sharded,
            Some(json!({"NumNodeGroups": 3})),
            "ModifyReplicationGroupShardConfiguration",
            [10, 15, 40],
            |pace, time| pace.shards = time,
        ),
        wait(
            "TLS, two moves",
            quick_start(),
            Some(json!({"TransitEncryptionEnabled": true})),
            modify,
            [8, 10, 12],
            |pace, time| {
                pace.tls = time;
            },
        ),
        wait(
            "token, two steps",
            production(),
            Some(json!({"AuthTokenVersion": "2"})),
            modify,
            [5, 5, 8],
            |pace, time| {
                pace.auth = time;
            },
        ),
        wait("delete", quick_start(), Some(Value::Null), "DeleteReplicationGroup", [2, 4, 5], |pace, time| {
            pace.delete = time;
        }),
    ]
}

/// What the waits of one run came to.
#[derive(Default)]
struct Measured {
    /// Seconds from the end of the work until it was noticed.
    delays: Vec<f64>,
    /// Most calls a minute on average, while AWS worked.
    calls_per_minute: f64,
}

impl Measured {
    fn add(&mut self, other: Measured) {
        self.delays.extend(other.delays);
        self.calls_per_minute = self.calls_per_minute.max(other.calls_per_minute);
    }

    fn cells(&mut self) -> String {
        self.delays.sort_by(f64::total_cmp);
        let (median, most) = (self.delays[self.delays.len() / 2], self.delays[self.delays.len() - 1]);
        format!("{median:.1} / {most:.1}, {:.1}", self.calls_per_minute)
    }
}

/// Waits of a run in which AWS needs so long.
async fn waited(wait: &Wait, needs: Duration, seed: u64) -> Measured {
    fastrand::seed(seed);
    let host = Host::new(&format!("wait-{seed}"));
    let set = |time| host.aws.with(|world, _| (wait.set)(&mut world.elasticache.pace, time));
    host.aws.with(|world, _| {
        let pace = &mut world.elasticache.pace;
        (pace.create, pace.create_tls, pace.member_lag) = (Duration::from_secs(10), Duration::ZERO, Duration::ZERO);
    });
    if wait.change.is_some() {
        host.stack.create(CACHE, wait.before.clone()).await;
        host.aws.clock().sleep(Duration::from_hours(3)).await;
    }
    let before = host.aws.journal().len();
    set(needs);
    match &wait.change {
        None => drop(host.stack.create(CACHE, wait.before.clone()).await),
        Some(Value::Null) => drop(host.stack.delete(CACHE).await),
        Some(change) => drop(host.stack.update(CACHE, with(wait.before.clone(), change.clone())).await),
    }
    let journal = host.aws.journal().split_off(before);
    measured(&journal, wait.action, needs)
}

/// The waits after each accepted call of this action.
fn measured(journal: &[Entry], action: &str, needs: Duration) -> Measured {
    let calls: Vec<&Entry> = journal.iter().filter(|entry| entry.caller == Caller::Function).collect();
    let mut measured = Measured::default();
    for begun in calls.iter().filter(|entry| entry.action == action && entry.outcome.is_ok()) {
        // What a stack is rolled back with is another wait.
        let end = begun.at + needs;
        let during = calls.iter().filter(|entry| entry.at > begun.at && entry.at < end).count();
        let noticed = calls.iter().find(|entry| entry.at >= end);
        let lasted = noticed.map_or(Duration::from_mins(50), |entry| entry.at.since(begun.at));
        measured.calls_per_minute = measured
            .calls_per_minute
            .max((f64::from(u32::try_from(during).unwrap()) + 1.0) * 60.0 / lasted.as_secs_f64());
        measured.delays.extend(noticed.map(|entry| entry.at.since(end).as_secs_f64()));
    }
    measured
}

/// Calls a minute in the first fifty minutes of a wait that does not end.
async fn stuck(wait: &Wait) -> f64 {
    fastrand::seed(1);
    let host = Host::new(&format!("stuck-{}", wait.action.len() + wait.name.len()));
    host.aws.with(|world, _| world.elasticache.pace.create = Duration::from_secs(10));
    if wait.change.is_some() {
        host.stack.create(CACHE, wait.before.clone()).await;
        host.aws.clock().sleep(Duration::from_hours(3)).await;
    }
    let before = host.aws.journal().len();
    host.aws.with(|world, _| (wait.set)(&mut world.elasticache.pace, Duration::from_hours(9)));
    let request = async {
        match &wait.change {
            None => drop(host.stack.create(CACHE, wait.before.clone()).await),
            Some(Value::Null) => drop(host.stack.delete(CACHE).await),
            Some(change) => drop(host.stack.update(CACHE, with(wait.before.clone(), change.clone())).await),
        }
    };
    let span = Duration::from_mins(50);
    let _ = tokio::time::timeout(span + Duration::from_mins(2), request).await;
    let journal = host.aws.journal().split_off(before);
    let begun = journal.iter().find(|entry| entry.action == wait.action).unwrap().at;
    let calls = journal.iter().filter(|entry| entry.at > begun && entry.at.since(begun) <= span);
    let count = calls.filter(|entry| entry.caller == Caller::Function).count();
    f64::from(u32::try_from(count).unwrap()) / 50.0
}

/// Seconds by which a time that is told in minutes is missed, for each run another.
const OFFSETS: [i64; 5] = [-9, -4, 1, 6, 11];

/// Median and longest delay in seconds, and most calls a minute.
#[test]
fn the_end_of_a_wait_is_noticed_soon_and_at_little_cost() {
    let waits = waits();
    let runs: Vec<(usize, usize, i64)> = (0..waits.len())
        .flat_map(|wait| (0..3).flat_map(move |pace| OFFSETS.map(move |offset| (wait, pace, offset))))
        .collect();
    let ended = on_all_processors(runs.len() as u64, |number| {
        let (wait, pace, offset) = runs[usize::try_from(number).unwrap()];
        let needs = waits[wait].minutes[pace] * 60;
        let needs = Duration::from_secs(needs.saturating_add_signed(offset));
        in_virtual_time(waited(&waits[wait], needs, number))
    });
    let stuck = on_all_processors(waits.len() as u64, |number| {
        in_virtual_time(stuck(&waits[usize::try_from(number).unwrap()]))
    });
    let mut table = String::from(
        "Delay in seconds (median / longest), calls a minute (most)\n\n\
         | Waiting for | quick | usual | slow | stuck |\n| --- | --- | --- | --- | --- |\n",
    );
    let mut ended = ended.into_iter().map(Option::unwrap);
    let mut missed = Vec::new();
    for (wait, stuck) in waits.iter().zip(stuck) {
        let mut cells = Vec::new();
        for pace in 0..3 {
            let mut all = Measured::default();
            ended.by_ref().take(OFFSETS.len()).for_each(|measured| all.add(measured));
            cells.push(format!("{} min: {}", wait.minutes[pace], all.cells()));
            let most = if pace == 1 { 8.0 } else { 30.0 };
            if all.calls_per_minute > 6.1 || all.delays.iter().any(|delay| *delay > most) {
                missed.push((wait.name, pace, all.calls_per_minute, all.delays));
            }
        }
        let stuck = stuck.unwrap();
        if stuck > 6.1 {
            missed.push((wait.name, 3, stuck, Vec::new()));
        }
        writeln!(table, "| {} | {} | {stuck:.1} |", wait.name, cells.join(" | ")).unwrap();
    }
    println!("{table}");
    assert!(missed.is_empty(), "{missed:?}");
    insta::assert_snapshot!(table);
}
