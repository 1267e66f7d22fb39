//! Many stacks at once in an account that AWS lets do few calls.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use simulator::LocalAws;
use simulator::cloudformation::StackStatus;
use simulator::journal::Caller;

use super::host::Host;
use super::{in_virtual_time, promises};
use crate::harness::{CACHE, policy, quick_start, with};

const STACKS: usize = 200;
const CALLS_PER_SECOND: u32 = 10;

/// Calls that a Create needs at least: everything is looked at before, between and after the writes.
const CALLS_OF_A_CREATE: u32 = 60;

/// How many calls each Create got through decides how long it took beyond the time of its cache.
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
        let mut beyond: Vec<Duration> =
            created.iter().map(|(_, ended)| ended.since(started).saturating_sub(own)).collect();
        beyond.sort();
        let (median, most) = (beyond[STACKS / 2], beyond[STACKS - 1]);
        let calls: Vec<_> = aws.journal().into_iter().filter(|call| call.caller == Caller::Function).collect();
        let refused = |code: &String| {
            ["Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"]
                .contains(&code.as_str())
        };
        let throttled = calls.iter().filter(|call| call.outcome.as_ref().err().is_some_and(refused)).count();
        println!(
            "{STACKS} stacks at {CALLS_PER_SECOND} calls a second: beyond the {} s of the cache itself, the median took \
             {} s and the last {} s; {} calls got through, {throttled} were throttled; {:.1} s of real time",
            own.as_secs(),
            median.as_secs(),
            most.as_secs(),
            calls.len() - throttled,
            real.elapsed().as_secs_f64(),
        );
        // Twice what the calls alone need: pauses cost less than the calls that they wait for.
        let needed = Duration::from_secs(u64::from(CALLS_OF_A_CREATE * 200 / CALLS_PER_SECOND));
        assert!(most < needed * 2, "{most:?}");
    });
}
