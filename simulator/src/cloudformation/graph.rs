//! Work on resources that wait for each other, side by side where they do not.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

/// What each resource waits for.
pub(super) type Needs = BTreeMap<String, BTreeSet<String>>;

/// What a failure means for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFailure {
    /// Nothing more is begun, and what is under way is given up.
    Stop,
    /// What does not wait for it goes on.
    GoOn,
}

/// How it went.
#[derive(Debug, Default)]
pub(super) struct Ran {
    /// What failed.
    pub(super) failed: Vec<String>,
    /// What was under way when it was given up.
    pub(super) given_up: Vec<String>,
    /// Whether the interruption came first.
    pub(super) interrupted: bool,
}

/// Does `work` for every resource, after the work for all that it waits for has succeeded.
pub(super) async fn in_order<Work>(
    mut needs: Needs,
    on_failure: OnFailure,
    interruption: impl Future<Output = ()>,
    work: impl Fn(String) -> Work,
) -> Ran
where
    Work: Future<Output = bool>,
{
    let names: BTreeSet<String> = needs.keys().cloned().collect();
    for needed in needs.values_mut() {
        needed.retain(|name| names.contains(name));
    }
    let (mut ran, mut running, mut under_way) = (Ran::default(), FuturesUnordered::new(), BTreeSet::new());
    tokio::pin!(interruption);
    loop {
        let ready: Vec<String> =
            needs.iter().filter(|(_, needed)| needed.is_empty()).map(|(name, _)| name.clone()).collect();
        for name in ready {
            needs.remove(&name);
            under_way.insert(name.clone());
            let work = work(name.clone());
            running.push(async move { (name, work.await) });
        }
        let ended = tokio::select! {
            biased;
            ended = running.next() => ended,
            () = &mut interruption => {
                ran.interrupted = true;
                None
            }
        };
        let Some((name, succeeded)) = ended else { break };
        under_way.remove(&name);
        if succeeded {
            for needed in needs.values_mut() {
                needed.remove(&name);
            }
            continue;
        }
        ran.failed.push(name);
        if on_failure == OnFailure::Stop {
            break;
        }
    }
    ran.given_up.extend(under_way);
    ran
}

/// The other way round: everything waits for what needs it.
pub(super) fn reversed(needs: &Needs) -> Needs {
    let mut reversed: Needs = needs.keys().map(|name| (name.clone(), BTreeSet::new())).collect();
    for (name, needed) in needs {
        for other in needed {
            if let Some(waiting) = reversed.get_mut(other) {
                waiting.insert(name.clone());
            }
        }
    }
    reversed
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;

    fn needs(of: &[(&str, &[&str])]) -> Needs {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        of.iter().map(|(name, needed)| ((*name).to_owned(), texts(needed))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_comes_later_and_the_rest_side_by_side() {
        let (needs, log) =
            (needs(&[("a", &[]), ("b", &["a"]), ("c", &["a", "x"]), ("d", &["b", "c"])]), Mutex::default());
        let work = |name: String| {
            let log: &Mutex<Vec<String>> = &log;
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                log.lock().unwrap().push(name.clone());
                name != "c"
            }
        };
        let began = tokio::time::Instant::now();
        let ran = in_order(needs.clone(), OnFailure::GoOn, std::future::pending(), work).await;
        assert_eq!((ran.failed, began.elapsed()), (vec!["c".to_owned()], Duration::from_secs(2)));
        assert_eq!(*log.lock().unwrap(), ["a", "b", "c"]);
        assert_eq!(reversed(&needs)["a"], BTreeSet::from(["b".to_owned(), "c".to_owned()]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_or_an_interruption_gives_up_what_is_under_way() {
        let needs = needs(&[("quick", &[]), ("slow", &[]), ("later", &["slow"])]);
        let work = |name: String| async move {
            tokio::time::sleep(Duration::from_secs(if name == "quick" { 1 } else { 10 })).await;
            name != "quick"
        };
        let ran = in_order(needs.clone(), OnFailure::Stop, std::future::pending(), work).await;
        assert_eq!((ran.failed, ran.given_up), (vec!["quick".to_owned()], vec!["slow".to_owned()]));
        let soon = tokio::time::sleep(Duration::from_millis(5));
        let ran = in_order(needs, OnFailure::Stop, soon, work).await;
        assert!(ran.interrupted && ran.given_up.len() == 2, "{ran:?}");
    }
}
