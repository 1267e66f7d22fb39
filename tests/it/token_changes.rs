//! Changes of the token of a standing cluster: rotation on request, other values, other sources, another secret.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::cloudformation::{Outcome, StackStatus};
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;
use simulator::secrets_manager::SecretsManager;
use tokio::task::JoinHandle;

use crate::harness::{Setup, calls, logged, missing, names, production, with};

const GROUP: &str = "production-myapp-valkey";
const SECRET: &str = "elasticache/production-myapp-valkey/auth-token";
const MODIFY: &str = "ModifyReplicationGroup";
const FIRST: &str = "A-literal-token-of-the-template-1";
const SECOND: &str = "A-literal-token-of-the-template-2";
const THEIRS: &str = "The-token-of-somebody-else-12345";

/// Looks four times a second whether what readers get from our secret opens the cache.
struct Witness {
    failures: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Witness {
    fn of(aws: &LocalAws) -> Witness {
        let failures: Arc<Mutex<Vec<String>>> = Arc::default();
        let (aws, found) = (aws.clone(), Arc::clone(&failures));
        let task = tokio::spawn(async move {
            loop {
                let failure = aws.with(|world, now| {
                    let secret = world.secrets.secret(SECRET).filter(|secret| secret.deletion.is_none())?;
                    let group = world.elasticache.groups.get(GROUP)?;
                    let content: Value = serde_json::from_str(secret.current_text()?).ok()?;
                    let opens = group.tokens.iter().any(|token| content["password"] == *token);
                    (!opens).then(|| format!("{now:?}: the current secret does not open the cache"))
                });
                found.lock().unwrap().extend(failure);
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        });
        Witness { failures, task }
    }

    /// Nothing was ever wrong.
    fn dismiss(self, what: &str) {
        self.task.abort();
        assert_eq!(*self.failures.lock().unwrap(), Vec::<String>::new(), "{what}");
    }
}

/// A cluster with a generated token under `AuthTokenVersion` 1.
async fn standing() -> Setup {
    let setup = Setup::new();
    setup.created(version("1")).await;
    setup
}

fn version(version: &str) -> Value {
    with(production(), json!({"AuthTokenVersion": version}))
}

fn literal(token: &str) -> Value {
    with(production(), json!({"AuthTokenEnabled": null, "AuthToken": token}))
}

fn external(arn: &Value) -> Value {
    with(production(), json!({"AuthTokenEnabled": null, "AuthTokenSecretArn": arn, "AuthTokenSecretKey": "auth"}))
}

/// Somebody else's secret; its ARN.
fn their_secret(setup: &Setup, name: &str, token: &str) -> Value {
    let text = json!({"auth": token, "note": 1}).to_string();
    setup.by_hand(SecretsManager::handle, "CreateSecret", json!({"Name": name, "SecretString": text}))["ARN"].clone()
}

fn their_new_value(setup: &Setup, arn: &Value, token: &str, note: i32) {
    let text = json!({"auth": token, "note": note}).to_string();
    setup.by_hand(SecretsManager::handle, "PutSecretValue", json!({"SecretId": arn, "SecretString": text}));
}

fn password(setup: &Setup) -> String {
    setup.secret(SECRET)["password"].as_str().unwrap().to_owned()
}

/// The token changes and what was done with them, in order.
fn auth_calls(writes: &[Entry]) -> Vec<(String, String)> {
    let field = |entry: &Entry, name: &str| entry.params[name].as_str().map(str::to_owned);
    let auth = |entry: &&Entry| Some((field(entry, "AuthTokenUpdateStrategy")?, field(entry, "AuthToken")?));
    calls(writes, MODIFY).iter().filter_map(auth).collect()
}

/// One new token, first added and then the only one.
fn assert_rotated_once(writes: &[Entry], token: &str) {
    let expected = ["ROTATE", "SET"].map(|strategy| (strategy.to_owned(), token.to_owned()));
    assert_eq!(auth_calls(writes), expected);
}

/// The cache takes the one token in our secret, that secret has all its parts, and nothing is left half-way.
fn assert_stable(setup: &Setup, what: &str) {
    let secret = setup.secret(SECRET);
    let token = secret["password"].as_str().unwrap();
    assert_eq!(setup.tokens(GROUP), [token], "{what}");
    assert!(secret["url"].as_str().unwrap().starts_with("rediss://default:"), "{what}");
    assert!(secret["host"].as_str().unwrap().len() > 10, "{what}");
    setup.aws.with(|world, _| {
        let secret = world.secrets.secret(SECRET).unwrap();
        let (pending, current) = (staged(secret, "AWSPENDING"), staged(secret, "AWSCURRENT"));
        assert!(pending.is_none() || pending == current, "{what}: a version is left pending");
    });
    assert_unmarked(setup, what);
}

fn assert_unmarked(setup: &Setup, what: &str) {
    let tags = setup.aws.with(|world, _| world.elasticache.subnet_groups[GROUP].tags.clone());
    assert!(!tags.contains_key("elasticache-resource:auth-change"), "{what}: {tags:?}");
}

fn staged(secret: &simulator::secrets_manager::Secret, stage: &str) -> Option<String> {
    secret.versions.iter().find(|(_, version)| version.stages.contains(stage)).map(|(id, _)| id.clone())
}

/// Rotation on request. The new value is pending until the cache takes it, both tokens work until readers have the new
/// one, and at the end only that works.
#[tokio::test(start_paused = true)]
async fn a_changed_token_version_rotates_a_generated_token() {
    let setup = standing().await;
    let old = password(&setup);
    let witness = Witness::of(&setup.aws);
    let both = Arc::new(Mutex::new(false));
    let (seen, aws, first) = (Arc::clone(&both), setup.aws.clone(), old.clone());
    let watch = tokio::spawn(async move {
        loop {
            let tokens = aws.with(|world, _| world.elasticache.groups[GROUP].tokens.clone());
            *seen.lock().unwrap() |= tokens.len() == 2 && tokens[0] == first;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let ((outcome, writes), log) = logged(setup.updated(version("2"))).await;
    watch.abort();
    let new = password(&setup);
    assert_ne!(new, old);
    assert_rotated_once(&writes, &new);
    assert!(*both.lock().unwrap(), "the two tokens never worked concurrently");
    let expected = [
        "AddTagsToResource",
        "PutSecretValue",
        MODIFY,
        "UpdateSecretVersionStage",
        "AddTagsToResource",
        MODIFY,
        "AddTagsToResource",
        "RemoveTagsFromResource",
    ];
    assert_eq!(names(&writes), expected);
    assert_eq!(writes[1].params["VersionStages"], json!(["AWSPENDING"]));
    assert_eq!((&writes[3].params["VersionStage"], &writes[2].outcome.is_ok()), (&json!("AWSCURRENT"), &true));
    witness.dismiss("rotation on request");
    assert_stable(&setup, "at the end");
    assert!(!log.contains(&new) && !log.contains(&old), "a token is in the log");
    assert!(!format!("{:?}", outcome.answers).contains(&new));
    setup.deleted().await;
}

/// The same event again, or the same properties: nothing is rotated again.
#[tokio::test(start_paused = true)]
async fn a_rotation_is_done_once() {
    let setup = standing().await;
    setup.updated(version("2")).await;
    let token = password(&setup);
    let (_, writes) = setup.updated(with(version("2"), json!({"Description": "other"}))).await;
    assert_eq!(names(&writes), [MODIFY]);
    assert_eq!(password(&setup), token);
    setup.deleted().await;
}

/// No call changes the access to the cache and nothing is written to a secret.
#[tokio::test(start_paused = true)]
async fn an_unrelated_update_leaves_every_token_alone() {
    let setup = Setup::new();
    let theirs = their_secret(&setup, "elasticache/theirs", THEIRS);
    let property_sets = [production(), version("1"), version("2"), literal(FIRST), external(&theirs)];
    setup.created(production()).await;
    for properties in property_sets {
        setup.updated(properties.clone()).await;
        let (_, writes) = setup.updated(with(properties.clone(), json!({"Description": "other"}))).await;
        assert_eq!(names(&writes), [MODIFY], "{properties}");
        assert_eq!(auth_calls(&writes), []);
        let (_, writes) = setup.updated(properties).await;
        assert_eq!(names(&writes), [MODIFY]);
    }
    setup.deleted().await;
}

/// What an update changes when nothing goes wrong.
async fn usual_calls(before: Value, after: Value) -> Vec<String> {
    let setup = Setup::new();
    setup.created(before).await;
    names(&setup.updated(after).await.1)
}

/// Meets the nth call of each action with `kind` while an update changes `before` to `after`.
async fn disturbed(before: &Value, after: &Value, kind: &Kind, each: impl Fn(&Setup, &Outcome, &str)) {
    let usual = usual_calls(before.clone(), after.clone()).await;
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for action in &usual {
        let nth = seen.entry(action).or_default();
        *nth += 1;
        let what = format!("{kind:?} at call {nth} of {action}");
        let setup = Setup::new();
        setup.created(before.clone()).await;
        let witness = Witness::of(&setup.aws);
        setup.aws.fault(match kind {
            Kind::Denied => missing(action.clone(), *nth),
            kind => Fault::on(action.clone(), *nth, kind.clone()),
        });
        if matches!(kind, Kind::Slow(_)) {
            // The invocation dies while it waits for the answer.
            setup.kill_next_after(Duration::from_mins(14));
        }
        let outcome = setup.update(after.clone()).await;
        let answers: Vec<_> = outcome.answers.iter().map(simulator::cloudformation::Answer::reason).collect();
        let what = format!("{what}: {} {answers:?}", outcome.status);
        witness.dismiss(&what);
        assert_stable(&setup, &what);
        each(&setup, &outcome, &what);
    }
}

/// Whatever passes is overcome, and the token is rotated once.
#[tokio::test(start_paused = true)]
async fn a_rotation_survives_every_failure_that_passes() {
    for kind in [Kind::throttled(), Kind::CutAfter, Kind::error("InvalidReplicationGroupState", "It is busy.")] {
        disturbed(&version("1"), &version("2"), &kind, |setup, outcome, what| {
            assert_eq!(outcome.status, StackStatus::UpdateComplete, "{what}: {}", outcome.reason);
            let put = calls(&setup.writes(), "PutSecretValue").len();
            // One completes the secret after the Create; a lost answer makes one that is refused.
            assert!(put <= 3, "{what}: {put} versions");
        })
        .await;
    }
}

/// An invocation dies right after each call; the next delivery goes on from there.
#[tokio::test(start_paused = true)]
async fn a_rotation_survives_a_death_after_every_call() {
    disturbed(&version("1"), &version("2"), &Kind::Slow(Duration::from_hours(2)), |setup, outcome, what| {
        assert_eq!(outcome.status, StackStatus::UpdateComplete, "{what}: {}", outcome.reason);
        assert!(setup.invocations().iter().any(Result::is_err), "{what}: nothing died");
    })
    .await;
}

/// Half-way refusals: the update fails, and its rollback ends with one token that readers have.
#[tokio::test(start_paused = true)]
async fn a_failed_rotation_is_rolled_back_to_one_token_in_the_secret() {
    disturbed(&version("1"), &version("2"), &Kind::Denied, |_, outcome, what| {
        let status = outcome.status;
        assert!(
            matches!(status, StackStatus::UpdateRollbackComplete | StackStatus::UpdateComplete),
            "{what}: {status}"
        );
    })
    .await;
}

/// The same for a token of the template: its old value is back at the end.
#[tokio::test(start_paused = true)]
async fn a_failed_change_of_a_literal_token_is_rolled_back_to_the_old_one() {
    disturbed(&literal(FIRST), &literal(SECOND), &Kind::Denied, |setup, outcome, what| {
        let expected = if outcome.status == StackStatus::UpdateComplete { SECOND } else { FIRST };
        assert_eq!(setup.tokens(GROUP), [expected], "{what}");
    })
    .await;
}

/// Another resource of the stack fails after the rotation: the rollback is a change of the version too.
#[tokio::test(start_paused = true)]
async fn a_rollback_after_a_rotation_ends_with_one_token_in_the_secret() {
    let setup = standing().await;
    let witness = Witness::of(&setup.aws);
    setup.stack.fail_elsewhere();
    let outcome = setup.update(version("2")).await;
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
    witness.dismiss("rollback");
    assert_stable(&setup, "rollback");
    let (_, writes) = setup.updated(with(version("1"), json!({"Description": "other"}))).await;
    assert_eq!(names(&writes), [MODIFY]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_literal_token_is_added_and_then_required() {
    let setup = Setup::new();
    setup.created(literal(FIRST)).await;
    let witness = Witness::of(&setup.aws);
    let (_, writes) = setup.updated(literal(SECOND)).await;
    assert_rotated_once(&writes, SECOND);
    witness.dismiss("literal");
    assert_eq!(password(&setup), SECOND);
    assert_stable(&setup, "literal");
    assert!(calls(&setup.aws.journal(), "GetRandomPassword").is_empty());
    setup.deleted().await;
}

/// What the sources are, for going from each to each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Generated,
    Literal,
    External,
}

impl Source {
    fn properties(self, theirs: &Value) -> Value {
        match self {
            Source::Generated => production(),
            Source::Literal => literal(FIRST),
            Source::External => external(theirs),
        }
    }

    /// The cache takes what this source says, and the attribute and the secrets are as they should be.
    fn assert_in_force(self, setup: &Setup, outcome: Option<&Outcome>, theirs: &Value, what: &str) {
        if self == Source::External {
            assert_eq!(setup.tokens(GROUP), [THEIRS], "{what}");
            let gone = |world: &simulator::world::World| {
                world.secrets.secret(SECRET).is_none_or(|secret| secret.deletion.is_some())
            };
            assert!(setup.aws.with(|world, _| gone(world)), "{what}: our secret is left");
            assert_unmarked(setup, what);
        } else {
            assert_stable(setup, what);
            let token = password(setup);
            assert_eq!(token == FIRST, self == Source::Literal, "{what}");
            assert_ne!(token, THEIRS, "{what}");
        }
        if let Some(outcome) = outcome {
            let arn = outcome.get_att("Security.AuthTokenSecretArn").unwrap();
            assert_eq!(arn == theirs.as_str().unwrap(), self == Source::External, "{what}");
        }
    }
}

const SOURCES: [Source; 3] = [Source::Generated, Source::Literal, Source::External];

/// From each source to each other one and back; what is not ours is only read.
#[tokio::test(start_paused = true)]
async fn the_token_moves_between_all_sources() {
    for from in SOURCES {
        for to in SOURCES.into_iter().filter(|to| *to != from) {
            let what = format!("{from:?} to {to:?}");
            let setup = Setup::new();
            let theirs = their_secret(&setup, "elasticache/theirs", THEIRS);
            setup.created(from.properties(&theirs)).await;
            let witness = (from != Source::External && to != Source::External).then(|| Witness::of(&setup.aws));
            let (outcome, writes) = setup.updated(to.properties(&theirs)).await;
            assert_eq!(auth_calls(&writes).len(), 2, "{what}");
            to.assert_in_force(&setup, Some(&outcome), &theirs, &what);
            if let Some(witness) = witness {
                witness.dismiss(&what);
            }
            let (_, writes) = setup.updated(with(to.properties(&theirs), json!({"Description": "other"}))).await;
            assert_eq!(names(&writes), [MODIFY], "{what}");
            let (outcome, _) = setup.updated(from.properties(&theirs)).await;
            from.assert_in_force(&setup, Some(&outcome), &theirs, &format!("{what} and back"));
            let touched =
                |entry: &&Entry| entry.params["SecretId"] == theirs || entry.params["Name"] == "elasticache/theirs";
            assert!(setup.writes().iter().filter(touched).count() == 0, "{what}: somebody else's secret was written");
            setup.deleted().await;
        }
    }
}

/// Each move between sources fails half-way at each of its calls, or dies there.
#[tokio::test(start_paused = true)]
async fn a_move_between_sources_is_rolled_back_or_goes_on_from_everywhere() {
    for from in SOURCES {
        for to in SOURCES.into_iter().filter(|to| *to != from) {
            for (action, nth) in [
                ("AddTagsToResource", 1),
                (MODIFY, 1),
                ("AddTagsToResource", 2),
                (MODIFY, 2),
                ("AddTagsToResource", 3),
                ("RemoveTagsFromResource", 1),
            ] {
                let death = (action == MODIFY).then_some(Kind::Slow(Duration::from_hours(2)));
                for kind in [Kind::Denied].into_iter().chain(death) {
                    let what = format!("{from:?} to {to:?}, {kind:?} at call {nth} of {action}");
                    let setup = Setup::new();
                    let theirs = their_secret(&setup, "elasticache/theirs", THEIRS);
                    setup.created(from.properties(&theirs)).await;
                    if matches!(kind, Kind::Slow(_)) {
                        setup.kill_next_after(Duration::from_mins(14));
                    }
                    setup.aws.fault(match kind {
                        Kind::Denied => missing(action, nth),
                        kind => Fault::on(action, nth, kind),
                    });
                    let outcome = setup.update(to.properties(&theirs)).await;
                    let (end, done) = match outcome.status {
                        StackStatus::UpdateComplete => (to, Some(&outcome)),
                        StackStatus::UpdateRollbackComplete => (from, None),
                        other => panic!("{what}: {other} {}", outcome.reason),
                    };
                    end.assert_in_force(&setup, done, &theirs, &what);
                    setup.deleted().await;
                }
            }
        }
    }
}

/// A new value in a secret that we only read is taken over at the next update; a new version with the same value is not a
/// change.
#[tokio::test(start_paused = true)]
async fn a_new_value_in_a_external_secret_is_taken_over() {
    let setup = Setup::new();
    let theirs = their_secret(&setup, "elasticache/theirs", THEIRS);
    setup.created(external(&theirs)).await;
    their_new_value(&setup, &theirs, THEIRS, 2);
    let (_, writes) = setup.updated(with(external(&theirs), json!({"Description": "other"}))).await;
    assert_eq!(auth_calls(&writes), []);
    their_new_value(&setup, &theirs, SECOND, 2);
    let (_, writes) = setup.updated(external(&theirs)).await;
    assert_rotated_once(&writes, SECOND);
    assert_eq!(setup.tokens(GROUP), [SECOND]);
    // An unreadable secret is no reason to change anything.
    setup.aws.fault(Fault::on("GetSecretValue", 1, Kind::Denied).times(usize::MAX));
    let (_, writes) = setup.updated(with(external(&theirs), json!({"Description": "other"}))).await;
    assert_eq!(names(&writes), [MODIFY]);
    setup.aws.clear_faults();
    setup.deleted().await;
}

/// The same token in another place is not changed at the cache.
#[tokio::test(start_paused = true)]
async fn a_token_that_only_moves_is_not_rotated() {
    let setup = Setup::new();
    let theirs = their_secret(&setup, "elasticache/theirs", FIRST);
    setup.created(literal(FIRST)).await;
    for properties in [external(&theirs), literal(FIRST)] {
        let (_, writes) = setup.updated(properties).await;
        assert_eq!(auth_calls(&writes), []);
        assert_eq!(setup.tokens(GROUP), [FIRST]);
    }
    assert_stable(&setup, "back");
    setup.deleted().await;
}

/// A value that no cache takes is said before anything is done.
#[tokio::test(start_paused = true)]
async fn an_illegal_new_value_in_a_external_secret_is_refused() {
    let setup = Setup::new();
    let theirs = their_secret(&setup, "elasticache/theirs", THEIRS);
    setup.created(external(&theirs)).await;
    their_new_value(&setup, &theirs, "not legal at all", 2);
    let before = setup.writes().len();
    let outcome = setup.update(with(external(&theirs), json!({"Description": "other"}))).await;
    assert!(outcome.reason.contains("the token in it may hold only"), "{}", outcome.reason);
    assert!(!outcome.reason.contains("not legal at all"));
    let writes = setup.writes().split_off(before);
    assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete);
    assert_eq!(names(&writes), Vec::<String>::new());
    their_new_value(&setup, &theirs, THEIRS, 3);
    setup.deleted().await;
}

/// A secret under another name gets the same token; the cache does not notice.
#[tokio::test(start_paused = true)]
async fn another_secret_name_moves_the_token() {
    for properties in [production(), literal(FIRST)] {
        let setup = Setup::new();
        setup.created(properties.clone()).await;
        let token = setup.tokens(GROUP);
        let renamed = with(properties.clone(), json!({"SecretName": "elasticache/other"}));
        let (outcome, writes) = setup.updated(renamed).await;
        assert_eq!(auth_calls(&writes), []);
        assert_eq!(setup.secret("elasticache/other")["password"], token[0].as_str());
        assert_eq!(setup.secret("elasticache/other")["host"], setup.secret(SECRET)["host"]);
        assert!(outcome.get_att("Security.AuthTokenSecretArn").unwrap().contains("elasticache/other"));
        assert!(
            setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().deletion.is_some()),
            "the old one stays"
        );
        setup.stack.fail_elsewhere();
        let outcome = setup.update(properties).await;
        assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
        assert_eq!(setup.secret("elasticache/other")["password"], token[0].as_str());
        assert_eq!(setup.tokens(GROUP), token);
        setup.deleted().await;
    }
}

/// Name and version in one update: the new secret never holds a token that does not open the cache.
#[tokio::test(start_paused = true)]
async fn another_secret_name_together_with_a_rotation() {
    let setup = standing().await;
    let old = password(&setup);
    let (_, writes) = setup.updated(with(version("2"), json!({"SecretName": "elasticache/other"}))).await;
    let new = setup.secret("elasticache/other")["password"].as_str().unwrap().to_owned();
    assert_ne!(new, old);
    assert_rotated_once(&writes, &new);
    assert_eq!(setup.tokens(GROUP), [new]);
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn another_key_encrypts_the_secret_in_place() {
    const KEY: &str = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555";
    let setup = Setup::new();
    setup.created(production()).await;
    let key = || setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().kms_key.clone());
    let token = setup.tokens(GROUP);
    let (_, writes) = setup.updated(with(production(), json!({"SecretKmsKeyId": KEY}))).await;
    assert_eq!((names(&writes), key().as_deref()), (vec!["UpdateSecret".to_owned()], Some(KEY)));
    let (_, writes) = setup.updated(production()).await;
    assert_eq!((names(&writes), key().as_deref()), (vec!["UpdateSecret".to_owned()], Some("alias/aws/secretsmanager")));
    let (_, writes) = setup.updated(with(production(), json!({"Description": "other"}))).await;
    assert_eq!(names(&writes), [MODIFY]);
    assert_eq!((setup.tokens(GROUP), password(&setup)), (token.clone(), token[0].clone()));
    setup.deleted().await;
}

/// The secret is gone for good, and AWS gives no token back: a new one is brought in while the old one still works.
#[tokio::test(start_paused = true)]
async fn a_lost_secret_is_made_again_with_a_new_token() {
    let setup = Setup::new();
    setup.created(production()).await;
    let old = setup.tokens(GROUP);
    let gone = json!({"SecretId": SECRET, "ForceDeleteWithoutRecovery": true});
    setup.by_hand(SecretsManager::handle, "DeleteSecret", gone);
    tokio::time::advance(Duration::from_mins(1)).await;
    let (_, writes) = setup.updated(with(production(), json!({"Description": "other"}))).await;
    assert_rotated_once(&writes, &password(&setup));
    assert_ne!(setup.tokens(GROUP), old);
    assert_stable(&setup, "lost");
    setup.deleted().await;
}

/// A grace time is kept where a scheduled rotation finds it, and goes with the property.
#[tokio::test(start_paused = true)]
async fn the_grace_time_is_written_on_the_secret() {
    let setup = Setup::new();
    let grace = |minutes: Value| with(production(), json!({"AuthTokenGraceMinutes": minutes}));
    setup.created(grace(json!(10))).await;
    let tag = || {
        setup.aws.with(|world, _| {
            let tags = &world.secrets.secret(SECRET).unwrap().tags;
            tags.get("elasticache-resource:auth-token-grace-minutes").cloned()
        })
    };
    assert_eq!(tag().as_deref(), Some("10"));
    setup.updated(grace(json!("0"))).await;
    assert_eq!(tag().as_deref(), Some("0"));
    let (_, writes) = setup.updated(production()).await;
    assert_eq!((names(&writes), tag()), (vec!["UntagResource".to_owned()], None));
    setup.deleted().await;
}
