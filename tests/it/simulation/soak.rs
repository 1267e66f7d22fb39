//! Many stacks at once in an account that AWS lets do few calls.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use simulator::LocalAws;
use simulator::cloudformation::StackStatus;
use simulator::journal::{Caller, Entry};

use super::host::Host;
use super::{in_virtual_time, promises};
use crate::harness::{CACHE, policy, quick_start, with};

const STACKS: usize = 200;
const CALLS_PER_SECOND: u32 = 10;

/// Longest that a Create may go on after its cache is available.
const AFTER_ITS_CACHE: Duration = Duration::from_mins(5);

/// How many calls each Create got through decides when its cache is asked for, and how long it goes on afterwards.
#[test]
fn two_hundred_stacks_share_ten_calls_a_second() {
    let real = Instant::now();
    in_virtual_time(async {
        fastrand::seed(1);
        let aws = LocalAws::new(1.0, Some(policy()));
        aws.journal_without_outputs();
        aws.limit_calls_per_second(CALLS_PER_SECOND);
        let hosts: Vec<Host> =
            (0..STACKS).map(|number| Host::in_account(&aws, "soak", &format!("app-{number}"))).collect();
        let started = aws.clock().now();
        let created = hosts.iter().enumerate().map(|(number, host)| async move {
            let own = json!({"ProjectId": format!("app{number}"), "AuthTokenEnabled": true});
            let outcome = host.stack.create(CACHE, with(quick_start(), own)).await;
            (outcome, host.aws.clock().now())
        });
        let created = join_all(created).await;
        for (outcome, _) in &created {
            assert_eq!(outcome.status, StackStatus::CreateComplete, "{}", outcome.reason);
        }
        promises::assert_truthful_answers(&aws);
        let pace = aws.with(|world, _| world.elasticache.pace.clone());
        let own = pace.create + pace.create_tls;
        let calls: Vec<_> = aws.journal().into_iter().filter(|call| call.caller == Caller::Function).collect();
        let mut beyond: Vec<(Duration, Duration)> = created
            .iter()
            .map(|(outcome, ended)| {
                let of = |call: &&Entry| call.params["ReplicationGroupId"] == json!(outcome.physical_id);
                let made = |call: &&Entry| call.action == "CreateReplicationGroup" && call.outcome.is_ok();
                let asked = calls.iter().filter(of).find(made).unwrap().at;
                (ended.since(asked + own), asked.since(started))
            })
            .collect();
        beyond.sort();
        let (median, most) = (beyond[STACKS / 2].0, beyond[STACKS - 1].0);
        let begun = beyond.iter().map(|(_, begun)| *begun).max().unwrap();
        let refused = |code: &String| {
            ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"]
                .contains(&code.as_str())
        };
        let throttled = calls.iter().filter(|call| call.outcome.as_ref().err().is_some_and(refused)).count();
        println!(
            "{STACKS} stacks at {CALLS_PER_SECOND} calls a second: the last cache was asked for after {} s; a Create ended \
             {} s after its cache was there in the median, and {} s at most; {} calls got through, {throttled} were \
             throttled; {:.1} s of real time",
            begun.as_secs(),
            median.as_secs(),
            most.as_secs(),
            calls.len() - throttled,
            real.elapsed().as_secs_f64(),
        );
        assert!(most < AFTER_ITS_CACHE, "{most:?}");
        // None starves at the beginning: the reads and writes of all of them take a third of that.
        assert!(begun < Duration::from_mins(15), "{begun:?}");
    });
}
