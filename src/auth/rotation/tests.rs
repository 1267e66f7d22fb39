//! What each step does next, as tables.

use super::*;
use crate::domain::secret::AuthToken;
use crate::observed::{Endpoint, STAGE_CURRENT, STAGE_PENDING};

const NAME: &str = "elasticache/g/auth-token";

fn event(step: RotationStep) -> RotationEvent {
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
        arn: "arn".into(),
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
        configuration_endpoint: Some(Endpoint { address: "host".into(), port: 6379 }),
        ..Group::default()
    };
    let subnet_group = SubnetGroup { arn: "subnet-group".into(), tags: owner.tags(), ..SubnetGroup::default() };
    Seen { secret: Some(secret), group: Some(group), subnet_group: Some(subnet_group), ..Seen::default() }
}

fn marked(stage: Stage, modified: &str) -> Seen {
    let mut seen = seen();
    seen.subnet_group.as_mut().unwrap().tags.extend(progress(stage, modified).tag());
    seen
}

fn mark(stage: Stage, modified: &str) -> Decision {
    let tags = progress(stage, modified).tag();
    Decision::from(Step::Tag { target: TagTarget::ElastiCache("subnet-group".into()), tags })
}

fn unmark() -> Decision {
    let keys = [TAG_AUTH_CHANGE.to_owned()].into();
    Decision::from(Step::Untag { target: TagTarget::ElastiCache("subnet-group".into()), keys })
}

fn new_token() -> (AuthToken, String) {
    (AuthToken::new("new-token-new-token".into()), "new".to_owned())
}

fn rotate() -> Decision {
    let (token, version) = new_token();
    let change = AuthChange::Rotate { token, version, from_user_groups: false };
    Decision::from(Step::ChangeAuth { group: "g".into(), change })
}

fn set() -> Decision {
    let (token, version) = new_token();
    Decision::from(Step::ChangeAuth { group: "g".into(), change: AuthChange::Set { token, version } })
}

fn connect() -> Decision {
    Decision::Connect { host: "host".into(), port: 6379, token: new_token().0 }
}

fn promote() -> Step {
    Step::PromoteSecret { arn: "arn".into(), to: "new".into(), from: Some("old".into()) }
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
    let set = |seen: &Seen| decide(&event(RotationStep::Set), seen);
    assert_eq!(set(&seen()), mark(Stage::Scheduled, "t1"));
    assert_eq!(set(&marked(Stage::Scheduled, "t1")), rotate());
    assert!(matches!(set(&marked(Stage::Scheduled, "t0")), Decision::Done(_)));
    // The end of another rotation's grace time is not this rotation's ROTATE.
    let raced = Seen { saw_set: true, ..marked(Stage::Scheduled, "t0") };
    assert_eq!(set(&raced), mark(Stage::Scheduled, "t1"));
    assert!(matches!(set(&marked(Stage::Rotate, "t1")), Decision::Wait(_)), "an update has the token");
}

#[test]
fn nothing_is_changed_while_the_cache_is_busy() {
    let mut busy = marked(Stage::Scheduled, "t0");
    busy.group.as_mut().unwrap().pending.insert("AuthTokenStatus".into());
    assert!(matches!(decide(&event(RotationStep::Set), &busy), Decision::Wait(_)));
    assert!(matches!(decide(&event(RotationStep::Test), &busy), Decision::Wait(_)));
}

#[test]
fn a_connection_decides_where_there_is_one() {
    let reaches = |seen: Seen, connection| Seen { reaches_caches: true, connection, ..seen };
    let test = |seen: &Seen| decide(&event(RotationStep::Test), seen);
    assert_eq!(test(&reaches(seen(), None)), connect());
    assert!(matches!(test(&reaches(seen(), Some(Ok(())))), Decision::Done(_)));
    let refused = reaches(marked(Stage::Scheduled, "t0"), Some(Err("WRONGPASS".into())));
    assert!(matches!(test(&refused), Decision::Fail(reason) if reason.contains("WRONGPASS")));
    assert!(matches!(decide(&event(RotationStep::Finish), &refused), Decision::Fail(_)));
    // A token that opens the cache already is not added again.
    assert!(matches!(
        decide(&event(RotationStep::Set), &reaches(marked(Stage::Scheduled, "t1"), Some(Ok(())))),
        Decision::Done(_)
    ));
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
        assert!(matches!(decide(&event(RotationStep::Test), &pending(incoming, seen())), Decision::Done(_)));
        let under_way = pending(incoming, marked(Stage::Scheduled, "t1"));
        assert!(matches!(decide(&event(RotationStep::Test), &under_way), Decision::Recheck(_)));
        assert!(matches!(decide(&event(RotationStep::Finish), &pending(incoming, seen())), Decision::Recheck(_)));
    }
    assert!(matches!(decide(&event(RotationStep::Test), &seen()), Decision::Recheck(_)));
}

#[test]
fn readers_get_only_a_token_that_the_cache_takes() {
    let finish = |seen: &Seen| decide(&event(RotationStep::Finish), seen);
    assert!(matches!(finish(&seen()), Decision::Recheck(_)));
    assert!(matches!(finish(&marked(Stage::Scheduled, "t1")), Decision::Recheck(_)));
    assert_eq!(finish(&marked(Stage::Scheduled, "t0")), Decision::from(promote()));
    assert_eq!(finish(&promoted(marked(Stage::Scheduled, "t0"))), unmark());
    assert!(matches!(finish(&promoted(seen())), Decision::Done(_)));
}

#[test]
fn what_comes_after_is_arranged_before_readers_get_the_token() {
    let finish = |seen: Seen| decide(&event(RotationStep::Finish), &seen);
    for minutes in ["0", "5"] {
        let marked_for_it = mark(Stage::Grace, "t1");
        assert_eq!(finish(with_grace(marked(Stage::Scheduled, "t0"), minutes)), marked_for_it);
    }
    assert_eq!(
        finish(with_grace(marked(Stage::Grace, "t1"), "5")),
        Decision::Schedule { after_ms: 300_000, promote: Box::new(promote()) }
    );
    assert_eq!(finish(with_grace(marked(Stage::Grace, "t1"), "0")), Decision::from(promote()));
    assert_eq!(finish(with_grace(promoted(marked(Stage::Grace, "t1")), "0")), set());
    assert_eq!(finish(with_grace(promoted(marked(Stage::Grace, "t0")), "0")), unmark());
    assert!(matches!(finish(with_grace(promoted(marked(Stage::Grace, "t1")), "5")), Decision::Done(_)));
}

#[test]
fn the_old_token_goes_in_time_unless_something_else_came() {
    let retire = |seen: Seen, waited_ms| decide(&event(RotationStep::Retire), &Seen { waited_ms, ..seen });
    assert_eq!(retire(promoted(marked(Stage::Grace, "t1")), 200_000), Decision::Sleep(400_000));
    assert_eq!(retire(promoted(marked(Stage::Grace, "t1")), 600_000), set());
    assert_eq!(retire(promoted(marked(Stage::Grace, "t0")), 600_000), unmark());
    for other in [promoted(seen()), promoted(marked(Stage::Scheduled, "t1")), marked(Stage::Grace, "t1")] {
        assert!(matches!(retire(other, 600_000), Decision::Done(_)));
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
        assert!(matches!(decide(&event(RotationStep::Retire), &seen), Decision::Done(_)));
        assert!(!matches!(decide(&event(RotationStep::Set), &seen), Decision::Apply(_)));
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
    for step in [RotationStep::Create, RotationStep::Set, RotationStep::Test, RotationStep::Finish] {
        for (change, reason) in &changes {
            let mut seen = marked(Stage::Scheduled, "t0");
            change(&mut seen);
            match decide(&event(step), &seen) {
                Decision::Fail(text) | Decision::Recheck(text) => assert!(text.contains(reason), "{step:?}: {text}"),
                other => panic!("{step:?}, {reason}: {other:?}"),
            }
        }
    }
}
