//! What each request costs in calls, measured where every call is seen, and kept as a table in `docs/architecture.md`.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::cloudformation::StackStatus;
use simulator::journal::{Caller, Entry};

use crate::harness::{CACHE, event, quick_start, with};
use crate::reference::assert_generated;
use crate::simulation::host::Host;
use crate::simulation::in_virtual_time;

/// What one request asked AWS for.
#[derive(Debug, Default)]
struct Calls {
    /// Reads before the first write.
    before: usize,
    /// Writes that AWS accepted.
    writes: usize,
    /// Polls of what is awaited, the checks of the fence meanwhile, and writes that AWS could not take yet.
    polls: usize,
    /// Other reads.
    after: usize,
}

/// What AWS is asked for while something is awaited.
const POLLS: [&str; 4] =
    ["DescribeReplicationGroups", "DescribeCacheClusters", "DescribeSnapshots", "DescribeSecurityGroups"];

/// The price list is asked where prices are not built in: everywhere but in us-east-1.
const ELSEWHERE: &str = "GetProducts";

impl Calls {
    /// Time stands still but while something is awaited: what comes first after that is the poll.
    fn of(journal: &[Entry]) -> Calls {
        let mut calls = Calls::default();
        let mut written = false;
        for moment in journal.chunk_by(|one, next| one.at == next.at) {
            let actions: Vec<&str> = moment.iter().map(|entry| entry.action.as_str()).collect();
            let polled = written && POLLS.contains(&actions[0]);
            let checked = polled && actions[1..].iter().all(|action| *action == "ListTagsForResource");
            for (index, entry) in moment.iter().enumerate() {
                let write = entry.is_write();
                written |= write;
                let kind = match () {
                    () if write && entry.outcome.is_ok() => &mut calls.writes,
                    () if write || checked || polled && index == 0 => &mut calls.polls,
                    () if written => &mut calls.after,
                    () => &mut calls.before,
                };
                *kind += 1;
            }
        }
        calls
    }

    fn without_polls(&self) -> usize {
        self.before + self.writes + self.after
    }

    fn row(&self, name: &str) -> String {
        let Calls { before, writes, polls, after } = self;
        format!("| {name} | {before} | {writes} | {after} | {} | {polls} |\n", self.without_polls())
    }
}

/// What the request that `work` makes costs, a day after the one before.
async fn measured(host: &Host, work: impl Future<Output = ()>) -> Calls {
    fastrand::seed(1);
    host.aws.clock().sleep(Duration::from_hours(24)).await;
    let before = host.aws.journal().len();
    work.await;
    let journal = host.aws.journal().split_off(before);
    let counts = |entry: &Entry| entry.caller == Caller::Function && entry.action != ELSEWHERE;
    let calls: Vec<Entry> = journal.into_iter().filter(counts).collect();
    if std::env::var("SHOW_CALLS").is_ok() {
        for call in &calls {
            println!("{:9.1} {} {:?}", call.at.epoch_seconds() % 100_000.0, call.action, call.outcome.as_ref().err());
        }
    }
    Calls::of(&calls)
}

async fn created(host: &Host, properties: &Value) -> Calls {
    measured(host, async {
        let outcome = host.stack.create(CACHE, properties.clone()).await;
        assert_eq!(outcome.status, StackStatus::CreateComplete, "{}", outcome.reason);
    })
    .await
}

async fn updated(host: &Host, properties: &Value) -> Calls {
    measured(host, async {
        let outcome = host.stack.update(CACHE, properties.clone()).await;
        assert_eq!(outcome.status, StackStatus::UpdateComplete, "{}", outcome.reason);
    })
    .await
}

async fn deleted(host: &Host) -> Calls {
    measured(host, async {
        let outcome = host.stack.delete(CACHE).await;
        assert_eq!(outcome.status, StackStatus::DeleteComplete, "{}", outcome.reason);
    })
    .await
}

/// The properties of `events/create-production.json`.
fn production() -> Value {
    event("create-production")["ResourceProperties"].clone()
}

/// One change each, and from what.
fn changes() -> Vec<(&'static str, Value, Value)> {
    let sharded = json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1});
    let tags = json!([{"Key": "Team", "Value": "payments"}]);
    let plain = quick_start();
    vec![
        ("Update that changes nothing", production(), json!({"ReplacementPolicy": "Snapshot"})),
        ("`Description`", production(), json!({"Description": "Sessions"})),
        ("`Tags`", production(), json!({"Tags": tags})),
        ("`AllowedCidrBlocks`", production(), json!({"AllowedCidrBlocks": ["10.0.9.0/24"]})),
        ("`Parameters`, the first", production(), json!({"Parameters": {"timeout": "30"}})),
        (
            "`Parameters`, another value",
            with(production(), json!({"Parameters": {"timeout": "30"}})),
            json!({"Parameters": {"timeout": "60"}}),
        ),
        ("`NodeType`", production(), json!({"NodeType": "cache.t4g.medium"})),
        ("`EngineVersion`", with(production(), json!({"EngineVersion": "8.1"})), json!({"EngineVersion": "8.2"})),
        ("`NumCacheNodes`, one more", production(), json!({"NumCacheNodes": 3})),
        ("`NumCacheNodes`, one less", with(production(), json!({"NumCacheNodes": 3})), json!({"NumCacheNodes": 2})),
        ("`NumNodeGroups`, one more", with(plain.clone(), sharded), json!({"NumNodeGroups": 3})),
        ("`TransitEncryptionEnabled`", plain.clone(), json!({"TransitEncryptionEnabled": true})),
        ("`AuthTokenVersion`", production(), json!({"AuthTokenVersion": "2"})),
        ("`Alarms`", production(), json!({"Alarms": {}})),
    ]
}

#[test]
fn calls_per_flow_are_those_of_the_table() {
    let mut table = String::from(
        "| Request | Reads before the first write | Writes | Other reads | Together | Polls |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    let create = in_virtual_time(async { created(&Host::new("calls-create"), &production()).await });
    table += &create.row("Create of `events/create-production.json`");
    let mut no_change = None;
    for (number, (name, before, change)) in changes().into_iter().enumerate() {
        let calls = in_virtual_time(async {
            let host = Host::new(&format!("calls-{number}"));
            created(&host, &before).await;
            updated(&host, &with(before.clone(), change)).await
        });
        write!(table, "{}", calls.row(name)).unwrap();
        no_change.get_or_insert(calls);
    }
    let delete = in_virtual_time(async {
        let host = Host::new("calls-delete");
        created(&host, &production()).await;
        deleted(&host).await
    });
    table += &delete.row("Delete, with a final snapshot");
    println!("{table}");
    let most = |calls: &Calls, most: usize| assert!(calls.without_polls() <= most, "{calls:?}");
    most(&create, 20);
    most(no_change.as_ref().unwrap(), 12);
    most(&delete, 20);
    assert_generated("docs/architecture.md", &table);
}
