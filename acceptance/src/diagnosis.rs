//! From how the steps ended to a verdict on every line of the ledger. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::local::{Call, RehearsedStep};
use crate::play::{End, Played};

/// How long the function runs at most before it hands its work on.
const HAND_OVER: Duration = Duration::from_secs(14 * 60 + 30);

/// In place of an action where a reason names none.
const UNNAMED: &str = "";

/// What was found of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// AWS took it.
    Held,
    /// AWS did not take it, in these words.
    DidNotHold(Vec<String>),
    /// Nothing was found: no step that sends it was played, or none ended well.
    NotReached,
}

/// A scenario: what it does, and how it ended.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// What its steps do.
    pub rehearsed: &'a [RehearsedStep],
    /// How they ended.
    pub played: &'a Played,
}

/// A call that failed, as far as it is known which one it was.
struct Failed<'a> {
    action: &'a str,
    /// Lines of which one is to blame.
    lines: BTreeSet<usize>,
    words: String,
}

/// A verdict for each line.
///
/// Whether a line holds shows in calls that consist of several. What AWS took once is not to blame for a refusal; what is
/// left in a refused call is, and where several calls of an action were refused, what they have in common.
#[must_use]
pub fn verdicts(lines: &[String], cases: &[Case<'_>]) -> Vec<Verdict> {
    let mut held = BTreeSet::new();
    let mut failed = Vec::new();
    for case in cases {
        for (rehearsed, played) in case.rehearsed.iter().zip(&case.played.steps) {
            match &played.end {
                End::Well => held.extend(taken(&rehearsed.calls, played.took)),
                End::Failed(reasons) => {
                    let (before, blamed) = blamed(&rehearsed.calls, reasons);
                    held.extend(taken(before, played.took));
                    failed.extend(blamed);
                }
                End::NotReached => {}
            }
        }
    }
    let mut by_action: BTreeMap<&str, Vec<&Failed<'_>>> = BTreeMap::new();
    for one in &failed {
        by_action.entry(one.action).or_default().push(one);
    }
    let mut broken: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    // What names no action comes last: what is known by then may be behind it too.
    let unnamed = by_action.remove(UNNAMED).unwrap_or_default();
    for group in by_action.values() {
        blame(group, &held, &mut broken);
    }
    let unexplained: Vec<&Failed<'_>> =
        unnamed.into_iter().filter(|one| !one.lines.iter().any(|line| broken.contains_key(line))).collect();
    blame(&unexplained, &held, &mut broken);
    let verdict = |line: usize| match broken.get(&line) {
        Some(words) => Verdict::DidNotHold(words.iter().cloned().collect()),
        None if held.contains(&line) => Verdict::Held,
        None => Verdict::NotReached,
    };
    (0..lines.len()).map(verdict).collect()
}

/// Finds who is to blame for failures of one kind.
fn blame(group: &[&Failed<'_>], held: &BTreeSet<usize>, broken: &mut BTreeMap<usize, BTreeSet<String>>) {
    let suspects: Vec<BTreeSet<usize>> = group.iter().map(|one| &one.lines - held).collect();
    let Some(first) = suspects.first() else { return };
    let common = suspects.iter().skip(1).fold(first.clone(), |common, more| &common & more);
    for (one, own) in group.iter().zip(&suspects) {
        for line in if common.is_empty() { own } else { &common } {
            broken.entry(*line).or_default().insert(one.words.clone());
        }
    }
}

/// The lines of calls that AWS took.
fn taken(calls: &[Call], took: Duration) -> impl Iterator<Item = usize> + use<'_> {
    // Work is handed on only by a function that runs out of time, and how long something takes is AWS's.
    let was_sent = move |call: &&Call| call.action != "lambda:InvokeFunction" || took > HAND_OVER;
    calls.iter().filter(was_sent).flat_map(|call| call.lines.iter().copied())
}

/// The calls before the one that failed, and which that may be.
fn blamed<'a>(calls: &'a [Call], reasons: &[String]) -> (&'a [Call], Vec<Failed<'a>>) {
    let mut failed = Vec::new();
    let mut first = calls.len();
    for reason in reasons {
        let mut by_action: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
        for (index, call) in
            calls.iter().enumerate().filter(|(_, call)| reason.contains(&format!("{} on ", call.action)))
        {
            first = first.min(index);
            by_action.entry(call.action.as_str()).or_default().extend(&call.lines);
        }
        if by_action.is_empty() {
            // Who names no call may mean any.
            first = 0;
            by_action.insert(UNNAMED, calls.iter().flat_map(|call| call.lines.iter().copied()).collect());
        }
        failed.extend(by_action.into_iter().map(|(action, lines)| Failed { action, lines, words: reason.clone() }));
    }
    (&calls[..first.min(calls.len())], failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::play::PlayedStep;

    fn step(calls: &[(&str, &[usize])]) -> RehearsedStep {
        let calls = calls.iter().map(|(action, lines)| Call { action: (*action).to_owned(), lines: lines.to_vec() });
        RehearsedStep { calls: calls.collect(), takes: Duration::ZERO, monthly_cost: None }
    }

    fn played(ends: &[End]) -> Played {
        let steps = ends.iter().map(|end| PlayedStep {
            label: "x",
            end: end.clone(),
            took: Duration::ZERO,
            token_date_moved: None,
            mark: 0,
            monthly_cost: None,
        });
        Played { scenario: "x", steps: steps.collect(), left: None }
    }

    fn lines(count: usize) -> Vec<String> {
        (0..count).map(|number| number.to_string()).collect()
    }

    fn refused(action: &str) -> End {
        End::Failed(vec![format!("{action} on a: InvalidParameterValue: no")])
    }

    #[test]
    fn what_was_taken_elsewhere_is_not_to_blame() {
        let (one, two) = ([step(&[("e:Make", &[0, 1])])], [step(&[("e:Make", &[0, 2]), ("e:Tag", &[3])])]);
        let (well, bad) = (played(&[End::Well]), played(&[refused("e:Make")]));
        let cases = [Case { rehearsed: &one, played: &well }, Case { rehearsed: &two, played: &bad }];
        let found = verdicts(&lines(4), &cases);
        assert_eq!((&found[0], &found[1], &found[3]), (&Verdict::Held, &Verdict::Held, &Verdict::NotReached));
        assert!(matches!(&found[2], Verdict::DidNotHold(words) if words[0].contains("InvalidParameterValue")));
    }

    #[test]
    fn what_refused_calls_have_in_common_is_to_blame() {
        let (one, two) = ([step(&[("e:Make", &[0, 1])])], [step(&[("e:Net", &[3]), ("e:Make", &[0, 2])])]);
        let bad = played(&[refused("e:Make")]);
        let found =
            verdicts(&lines(4), &[Case { rehearsed: &one, played: &bad }, Case { rehearsed: &two, played: &bad }]);
        assert!(matches!(found[0], Verdict::DidNotHold(_)));
        assert_eq!(found[1..], [Verdict::NotReached, Verdict::NotReached, Verdict::Held]);
    }

    #[test]
    fn a_hand_over_shows_only_where_time_ran_out() {
        let rehearsed = [step(&[("lambda:InvokeFunction", &[0]), ("e:Make", &[1])])];
        let mut quick = played(&[End::Well]);
        let case = |played: &Played| verdicts(&lines(2), &[Case { rehearsed: &rehearsed, played }]);
        assert_eq!(case(&quick), [Verdict::NotReached, Verdict::Held]);
        quick.steps[0].took = Duration::from_mins(20);
        assert_eq!(case(&quick), [Verdict::Held, Verdict::Held]);
    }
}
