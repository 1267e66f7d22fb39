//! What each step does next, as tables.

use super::*;
use crate::domain::secret::AuthToken;
use crate::observed::{STAGE_CURRENT, STAGE_PENDING};

const NAME: &str = "elasticache/g/auth-token";

fn event(step: Step) -> RotationEvent {
    RotationEvent { secret: "arn".into(), version: "new".into(), step, after_ms: 600_000 }
}

fn content(token: &str) -> SecretContent {
    SecretContent::of_token("valkey", &AuthToken::new(token.into()), "g")
}

fn progress(stage: Stage, modified: &str) -> Progress {
    let origin = Origin::generated(NAME, None);
    Progress { stage, first: false, origin, version: "new".into(), modified: modified.into() }
}

/// A cache that was last given a token at `t1`, and a secret with a version `new` pending.
fn seen() -> Seen {
    let owner = Owner { stack_id: "stack".into(), logical_id: "Cache".into() };
    let secret = Secret {
        name: NAME.into(),
        tags: owner.tags(),
        stages: [(STAGE_CURRENT.into(), "old".into()), (STAGE_PENDING.into(), "new".into())].into(),
        content: Some(content("old-token-old-token")),
        incoming: Some(("new".into(), content("new-token-new-token"))),
        rotates: true,
        ..Secret::default()
    };
    let group = Group {
        id: "g".into(),
        status: Status::Available,
        auth_token_enabled: true,
        auth_token_modified: Some("t1".into()),
        ..Group::default()
    };
    let subnet_group = SubnetGroup { tags: owner.tags(), ..SubnetGroup::default() };
    Seen { secret: Some(secret), group: Some(group), subnet_group: Some(subnet_group), ..Seen::default() }
}

fn marked(stage: Stage, modified: &str) -> Seen {
    let mut seen = seen();
    seen.subnet_group.as_mut().unwrap().tags.extend(progress(stage, modified).tag());
    seen
}

fn promoted(mut seen: Seen) -> Seen {
    let secret = seen.secret.as_mut().unwrap();
    secret.stages = [(STAGE_CURRENT.into(), "new".into())].into();
    secret.content = Some(content("new-token-new-token"));
    seen
}

fn with_grace(mut seen: Seen, minutes: &str) -> Seen {
    seen.secret.as_mut().unwrap().tags.insert(TAG_GRACE.into(), minutes.into());
    seen
}

#[test]
fn the_set_step_adds_the_token_once() {
    let set = |seen: &Seen| next(&event(Step::Set), seen);
    assert_eq!(set(&seen()), Next::Mark(progress(Stage::Scheduled, "t1")));
    assert_eq!(set(&marked(Stage::Scheduled, "t1")), Next::Rotate);
    assert!(matches!(set(&marked(Stage::Scheduled, "t0")), Next::Done(_)));
    // The end of another rotation's grace time is not this rotation's ROTATE.
    let raced = Seen { saw_set: true, ..marked(Stage::Scheduled, "t0") };
    assert_eq!(set(&raced), Next::Mark(progress(Stage::Scheduled, "t1")));
    assert!(matches!(set(&marked(Stage::Rotate, "t1")), Next::Wait(_)), "an update has the token");
}

#[test]
fn nothing_is_changed_while_the_cache_is_busy() {
    let mut busy = marked(Stage::Scheduled, "t0");
    busy.group.as_mut().unwrap().pending.insert("AuthTokenStatus".into());
    assert!(matches!(next(&event(Step::Set), &busy), Next::Wait(_)));
    assert!(matches!(next(&event(Step::Test), &busy), Next::Wait(_)));
}

#[test]
fn a_connection_decides_where_there_is_one() {
    let reaches = |seen: Seen, connection| Seen { reaches_caches: true, connection, ..seen };
    let test = |seen: &Seen| next(&event(Step::Test), seen);
    assert_eq!(test(&reaches(seen(), None)), Next::Connect);
    assert!(matches!(test(&reaches(seen(), Some(Ok(())))), Next::Done(_)));
    let refused = reaches(marked(Stage::Scheduled, "t0"), Some(Err("WRONGPASS".into())));
    assert!(matches!(test(&refused), Next::Fail(reason) if reason.contains("WRONGPASS")));
    assert!(matches!(next(&event(Step::Finish), &refused), Next::Fail(_)));
    // A token that opens the cache already is not added again.
    assert!(matches!(next(&event(Step::Set), &reaches(marked(Stage::Scheduled, "t1"), Some(Ok(())))), Next::Done(_)));
}

/// A schedule that does not rotate at once is tried out with a version that brings nothing.
#[test]
fn the_trial_of_a_schedule_passes_and_nothing_else_does() {
    let pending = |incoming: Option<&str>, seen: Seen| {
        let mut seen = seen;
        seen.secret.as_mut().unwrap().incoming = incoming.map(|token| ("new".into(), content(token)));
        seen
    };
    for incoming in [Some("old-token-old-token"), None] {
        assert!(matches!(next(&event(Step::Test), &pending(incoming, seen())), Next::Done(_)));
        let under_way = pending(incoming, marked(Stage::Scheduled, "t1"));
        assert!(matches!(next(&event(Step::Test), &under_way), Next::Recheck(_)));
        assert!(matches!(next(&event(Step::Finish), &pending(incoming, seen())), Next::Recheck(_)));
    }
    assert!(matches!(next(&event(Step::Test), &seen()), Next::Recheck(_)));
}

#[test]
fn readers_get_only_a_token_that_the_cache_takes() {
    let finish = |seen: &Seen| next(&event(Step::Finish), seen);
    assert!(matches!(finish(&seen()), Next::Recheck(_)));
    assert!(matches!(finish(&marked(Stage::Scheduled, "t1")), Next::Recheck(_)));
    assert_eq!(finish(&marked(Stage::Scheduled, "t0")), Next::Promote(Some("old".into())));
    assert_eq!(finish(&promoted(marked(Stage::Scheduled, "t0"))), Next::Unmark);
    assert!(matches!(finish(&promoted(seen())), Next::Done(_)));
}

#[test]
fn what_comes_after_is_arranged_before_readers_get_the_token() {
    let finish = |seen: Seen| next(&event(Step::Finish), &seen);
    for minutes in ["0", "5"] {
        let marked_for_it = Next::Mark(progress(Stage::Grace, "t1"));
        assert_eq!(finish(with_grace(marked(Stage::Scheduled, "t0"), minutes)), marked_for_it);
    }
    assert_eq!(finish(with_grace(marked(Stage::Grace, "t1"), "5")), Next::Schedule(300_000));
    assert_eq!(finish(with_grace(marked(Stage::Grace, "t1"), "0")), Next::Promote(Some("old".into())));
    assert_eq!(finish(with_grace(promoted(marked(Stage::Grace, "t1")), "0")), Next::Set);
    assert_eq!(finish(with_grace(promoted(marked(Stage::Grace, "t0")), "0")), Next::Unmark);
    assert!(matches!(finish(with_grace(promoted(marked(Stage::Grace, "t1")), "5")), Next::Done(_)));
}

#[test]
fn the_old_token_goes_in_time_unless_something_else_came() {
    let retire = |seen: Seen, waited_ms| next(&event(Step::Retire), &Seen { waited_ms, ..seen });
    assert_eq!(retire(promoted(marked(Stage::Grace, "t1")), 200_000), Next::Sleep(400_000));
    assert_eq!(retire(promoted(marked(Stage::Grace, "t1")), 600_000), Next::Set);
    assert_eq!(retire(promoted(marked(Stage::Grace, "t0")), 600_000), Next::Unmark);
    for other in [promoted(seen()), promoted(marked(Stage::Scheduled, "t1")), marked(Stage::Grace, "t1")] {
        assert!(matches!(retire(other, 600_000), Next::Done(_)));
    }
}

#[test]
fn the_end_of_a_grace_time_after_a_delete_has_nothing_to_do() {
    type Change = fn(&mut Seen);
    let changes: [Change; 4] = [
        |seen| seen.secret = None,
        |seen| seen.secret.as_mut().unwrap().deleted = true,
        |seen| seen.group = None,
        |seen| seen.group.as_mut().unwrap().status = Status::Deleting,
    ];
    for change in changes {
        let mut seen = promoted(marked(Stage::Grace, "t1"));
        change(&mut seen);
        assert!(matches!(next(&event(Step::Retire), &seen), Next::Done(_)));
        assert!(!matches!(next(&event(Step::Set), &seen), Next::Rotate | Next::Set));
    }
}

#[test]
fn what_is_not_ours_is_left_alone() {
    type Change = fn(&mut Seen);
    let changes: [(Change, &str); 7] = [
        (|seen| seen.secret.as_mut().unwrap().read(Some(Err("it is not JSON".into()))), "no password can be read"),
        (|seen| seen.secret = None, "does not exist"),
        (|seen| seen.secret.as_mut().unwrap().tags.clear(), "was not made by this function"),
        (|seen| seen.subnet_group.as_mut().unwrap().tags.clear(), "does not belong"),
        (|seen| seen.group = None, "does not exist"),
        (|seen| seen.secret.as_mut().unwrap().rotates = false, "is not enabled"),
        (
            |seen| {
                let record = InForce { origin: Origin::template(NAME), version: None };
                seen.subnet_group.as_mut().unwrap().tags.extend(record.tag());
            },
            "change the token where it comes from",
        ),
    ];
    for step in [Step::Create, Step::Set, Step::Test, Step::Finish] {
        for (change, reason) in &changes {
            let mut seen = marked(Stage::Scheduled, "t0");
            change(&mut seen);
            match next(&event(step), &seen) {
                Next::Fail(text) | Next::Recheck(text) => assert!(text.contains(reason), "{step:?}: {text}"),
                other => panic!("{step:?}, {reason}: {other:?}"),
            }
        }
    }
}
