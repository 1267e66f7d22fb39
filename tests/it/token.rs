//! The AUTH token and its secret at Create, and that neither gets anywhere else.

use std::time::Duration;

use elasticache_resource::domain::secret::TOKEN_SYMBOLS;
use serde_json::{Value, json};
use simulator::cloudformation::{Outcome, StackStatus};
use simulator::faults::{Fault, Kind};
use simulator::journal::Entry;
use simulator::secrets_manager::SecretsManager;

use crate::harness::{CACHE, Setup, calls, logged, missing, production, quick_start, with};

const GROUP: &str = "production-myapp-valkey";
const SECRET: &str = "elasticache/production-myapp-valkey/auth-token";
const LITERAL: &str = "A-literal-token-of-the-template-0";

fn position(entries: &[Entry], action: &str) -> usize {
    entries.iter().position(|entry| entry.action == action).unwrap_or_else(|| panic!("no {action}"))
}

/// Nothing that went out to CloudFormation holds the token.
fn assert_not_answered(outcome: &Outcome, token: &str) {
    for answer in &outcome.answers {
        let text = format!("{} {:?}", answer.reason(), answer.data);
        assert!(!text.contains(token), "an answer holds the token");
    }
}

/// No log line holds the token or what signs a response URL.
fn assert_not_logged(log: &str, outcome: &Outcome, tokens: &[String]) {
    assert!(log.contains("request_id"), "nothing was logged");
    for request in &outcome.requests {
        let (_, query) = request["ResponseURL"].as_str().unwrap().split_once('?').unwrap();
        let (_, signature) = query.rsplit_once("X-Amz-Signature=").unwrap();
        assert!(!log.contains(signature) && !log.contains("X-Amz-"), "the log holds the signature");
    }
    for token in tokens {
        assert!(!log.contains(token.as_str()), "the log holds the token");
    }
}

/// No answer and no log line holds it.
#[tokio::test(start_paused = true)]
async fn a_generated_token_is_stored_before_the_group_gets_it() {
    let setup = Setup::new();
    let (outcome, log) = logged(setup.created(production())).await;
    let writes = setup.writes();
    assert!(position(&writes, "CreateSecret") < position(&writes, "CreateReplicationGroup"));
    let token = setup.secret(SECRET)["password"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 64);
    assert!(token.chars().all(|c| c.is_ascii_alphanumeric() || TOKEN_SYMBOLS.contains(c)));
    assert_eq!(setup.tokens(GROUP), [token.as_str()]);
    let arn = setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().arn.clone());
    assert_eq!(outcome.get_att("Security.AuthTokenSecretArn").unwrap(), arn);
    assert_not_answered(&outcome, &token);
    assert_not_logged(&log, &outcome, &[token]);
    setup.deleted().await;
}

/// The first delivery dies right after it stored a token.
#[tokio::test(start_paused = true)]
async fn a_token_that_an_earlier_delivery_stored_is_used() {
    let setup = Setup::new();
    setup.aws.fault(Fault::on("CreateSecret", 1, Kind::Slow(Duration::from_hours(2))));
    setup.kill_next_after(Duration::from_mins(12));
    setup.created(production()).await;
    assert!(setup.invocations()[0].is_err(), "the first delivery did not die");
    let writes = setup.writes();
    let creates = calls(&writes, "CreateSecret");
    assert_eq!(creates.len(), 1, "stored again");
    let text = creates[0].params["SecretString"].as_str().unwrap();
    let first: Value = serde_json::from_str(text).unwrap();
    assert_eq!(setup.secret(SECRET)["password"], first["password"]);
    assert_eq!(setup.tokens(GROUP), [first["password"].as_str().unwrap()]);
    setup.deleted().await;
}

/// Host, port and the rest come in one new version, and the token stays.
#[tokio::test(start_paused = true)]
async fn the_secret_is_completed_once_with_the_endpoints() {
    let setup = Setup::new();
    let outcome = setup.created(production()).await;
    let writes = setup.writes();
    let puts = calls(&writes, "PutSecretValue");
    assert_eq!(puts.len(), 1);
    assert!(position(&writes, "CreateReplicationGroup") < position(&writes, "PutSecretValue"));
    let first: Value =
        serde_json::from_str(calls(&writes, "CreateSecret")[0].params["SecretString"].as_str().unwrap()).unwrap();
    let secret = setup.secret(SECRET);
    let host = outcome.get_att("Connection.PrimaryEndpoint").unwrap();
    let token = first["password"].as_str().unwrap();
    let encoded: String = token
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c.to_string() } else { format!("%{:02X}", c as u32) })
        .collect();
    assert_eq!(
        secret,
        json!({
            "engine": "valkey", "host": host, "port": 6379, "username": "default", "password": token, "ssl": true,
            "readerHost": outcome.get_att("Connection.ReaderEndpoint").unwrap(),
            "replicationGroupId": GROUP, "url": format!("rediss://default:{encoded}@{host}:6379"),
        })
    );
    let versions = setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().versions.len());
    assert_eq!(versions, 2);
    setup.deleted().await;
}

/// An empty AuthToken is what a template parameter without a value gives.
#[tokio::test(start_paused = true)]
async fn an_empty_token_is_no_token() {
    let setup = Setup::new();
    let outcome = setup.created(with(quick_start(), json!({"AuthToken": ""}))).await;
    assert_eq!(outcome.get_att("Connection.PasswordRequired").unwrap(), "false");
    assert!(setup.tokens("development-myapp-valkey").is_empty());
    assert!(calls(&setup.writes(), "CreateSecret").is_empty());
    setup.deleted().await;
}

/// The template's own token opens the group and is in the secret, as a generated one would be. TLS follows from it.
#[tokio::test(start_paused = true)]
async fn a_literal_token_is_stored_and_opens_the_group() {
    let setup = Setup::new();
    let properties =
        with(production(), json!({"AuthTokenEnabled": null, "TransitEncryptionEnabled": null, "AuthToken": LITERAL}));
    let (outcome, log) = logged(setup.created(properties)).await;
    assert_eq!(setup.tokens(GROUP), [LITERAL]);
    let secret = setup.secret(SECRET);
    assert_eq!(secret["password"], LITERAL);
    assert_eq!(secret["host"], outcome.get_att("Connection.PrimaryEndpoint").unwrap());
    assert!(calls(&setup.aws.journal(), "GetRandomPassword").is_empty());
    assert_eq!(outcome.get_att("Connection.TlsEnabled").unwrap(), "true");
    assert_not_answered(&outcome, LITERAL);
    assert_not_logged(&log, &outcome, &[LITERAL.to_owned()]);
    setup.deleted().await;
}

/// The name of the secret is the template's to choose, and so is the time until it is gone.
#[tokio::test(start_paused = true)]
async fn name_and_recovery_window_of_the_secret_are_the_templates() {
    let setup = Setup::new();
    let properties = json!({"SecretName": "elasticache/shop/cache", "SecretRecoveryWindowInDays": 0});
    setup.created(with(production(), properties)).await;
    assert_eq!(setup.tokens(GROUP), [setup.secret("elasticache/shop/cache")["password"].as_str().unwrap()]);
    setup.deleted().await;
    assert!(setup.aws.with(|world, _| world.secrets.secret("elasticache/shop/cache").is_none()));
}

/// A secret of a deleted stack still waits for its end under our name; it is ours only by its tags.
#[tokio::test(start_paused = true)]
async fn a_cluster_can_be_made_again_while_its_old_secret_waits_for_deletion() {
    let setup = Setup::new();
    setup.created(production()).await;
    let old = setup.tokens(GROUP);
    setup.deleted().await;
    setup.created(production()).await;
    assert_eq!(setup.tokens(GROUP), [setup.secret(SECRET)["password"].as_str().unwrap()]);
    assert_ne!(setup.tokens(GROUP), old, "the restored secret got no new value");
    setup.deleted().await;
}

/// Somebody scheduled the secret's deletion while the cluster stands: it is restored with the token that is in use.
#[tokio::test(start_paused = true)]
async fn a_secret_deleted_by_hand_under_a_standing_group_keeps_its_token() {
    let setup = Setup::new();
    setup.created(production()).await;
    let before = setup.secret(SECRET);
    setup.by_hand(SecretsManager::handle, "DeleteSecret", json!({"SecretId": SECRET}));
    let (_, writes) = setup.updated(with(production(), json!({"Description": "changed"}))).await;
    assert_eq!(calls(&writes, "RestoreSecret").len(), 1);
    assert!(calls(&writes, "PutSecretValue").is_empty());
    assert_eq!(setup.secret(SECRET), before);
    assert_eq!(setup.tokens(GROUP), [before["password"].as_str().unwrap()]);
    assert!(setup.aws.with(|world, _| world.secrets.secret(SECRET).unwrap().deletion.is_none()));
    setup.deleted().await;
}

/// The same when the invocation dies between taking the secret back and storing a new token in it.
#[tokio::test(start_paused = true)]
async fn a_restored_secret_gets_its_new_token_from_the_next_delivery_if_need_be() {
    let setup = Setup::new();
    setup.created(production()).await;
    let old = setup.tokens(GROUP);
    setup.deleted().await;
    setup.aws.fault(Fault::on("RestoreSecret", 1, Kind::Slow(Duration::from_hours(2))));
    setup.kill_next_after(Duration::from_mins(12));
    setup.created(production()).await;
    assert!(setup.invocations().iter().any(Result::is_err), "no invocation died");
    assert_eq!(setup.tokens(GROUP), [setup.secret(SECRET)["password"].as_str().unwrap()]);
    assert_ne!(setup.tokens(GROUP), old);
    setup.deleted().await;
}

/// A stack that is deleted and made again has another id, and its secret still waits for its deletion.
#[tokio::test(start_paused = true)]
async fn a_stack_made_again_takes_its_secret_back_with_a_new_token() {
    let first = Setup::new();
    first.created(production()).await;
    let old = first.tokens(GROUP);
    first.deleted().await;
    let second = Setup::with_aws(first.aws.clone());
    assert_ne!(first.stack.id(), second.stack.id());
    second.created(production()).await;
    assert_ne!(second.tokens(GROUP), old);
    assert_eq!(second.tokens(GROUP), [second.secret(SECRET)["password"].as_str().unwrap()]);
    second.deleted().await;
}

/// A secret of somebody else is read, never written and never deleted.
#[tokio::test(start_paused = true)]
async fn a_token_in_a_external_secret_is_only_read() {
    let token = "The-token-of-somebody-else-12345";
    for (text, key) in [(token.to_owned(), None), (json!({"auth": token, "n": 1}).to_string(), Some("auth"))] {
        let setup = Setup::new();
        let made = setup.by_hand(
            SecretsManager::handle,
            "CreateSecret",
            json!({"Name": "elasticache/shared/token", "SecretString": text}),
        );
        let arn = made["ARN"].as_str().unwrap();
        let properties = json!({"AuthTokenEnabled": null, "AuthTokenSecretArn": arn, "AuthTokenSecretKey": key});
        let (outcome, log) = logged(setup.created(with(production(), properties))).await;
        assert_eq!(setup.tokens(GROUP), [token]);
        assert_eq!(outcome.get_att("Security.AuthTokenSecretArn").unwrap(), arn);
        assert_not_answered(&outcome, token);
        assert_not_logged(&log, &outcome, &[token.to_owned()]);
        setup.deleted().await;
        assert!(setup.writes().iter().all(|entry| entry.service != "secretsmanager"), "{:?}", setup.write_names());
        setup.aws.with(|world, _| {
            let secret = world.secrets.secret("elasticache/shared/token").unwrap();
            assert_eq!(secret.current_text(), Some(text.as_str()));
            assert!(secret.deletion.is_none() && secret.tags.is_empty() && secret.versions.len() == 1);
        });
    }
}

/// What is wrong with a external secret is said without its content, before anything is made.
#[tokio::test(start_paused = true)]
async fn a_external_secret_without_a_legal_token_is_refused() {
    let text = json!({"auth": "bad token in a external secret"}).to_string();
    for (key, rule) in
        [(Some("auth"), "may hold only"), (Some("other"), "has no key other"), (None, "the token in it may hold only")]
    {
        let setup = Setup::new();
        let secret = json!({"Name": "elasticache/shared/token", "SecretString": text});
        let made = setup.by_hand(SecretsManager::handle, "CreateSecret", secret);
        let properties =
            json!({"AuthTokenEnabled": null, "AuthTokenSecretArn": made["ARN"], "AuthTokenSecretKey": key});
        let outcome = setup.create(with(production(), properties)).await;
        assert_eq!(outcome.status, StackStatus::RollbackComplete);
        let reason = outcome.answers[0].reason();
        assert!(reason.contains("AuthTokenSecretArn") && reason.contains(rule), "{reason}");
        assert!(!reason.contains("bad token"), "{reason}");
        assert_eq!(setup.write_names(), Vec::<String>::new());
        setup.assert_nothing_left();
    }
}

/// A secret that the function's role may not read: the refusal names the missing right.
#[tokio::test(start_paused = true)]
async fn a_external_secret_out_of_reach_is_refused_with_the_missing_right() {
    let setup = Setup::new();
    let secret = json!({"Name": "not-for-us", "SecretString": "The-token-of-somebody-else-12345"});
    let made = setup.by_hand(SecretsManager::handle, "CreateSecret", secret);
    let properties = json!({"AuthTokenEnabled": null, "AuthTokenSecretArn": made["ARN"]});
    let outcome = setup.create(with(production(), properties)).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete);
    let reason = outcome.answers[0].reason();
    assert!(reason.contains("secretsmanager:GetSecretValue"), "{reason}");
    assert_eq!(setup.write_names(), Vec::<String>::new());
}

/// A failing run, and an AWS that repeats the token in its refusal.
#[tokio::test(start_paused = true)]
async fn a_failing_run_shows_the_token_nowhere() {
    for action in ["CreateReplicationGroup", "CreateSecret"] {
        let setup = Setup::new();
        let message = format!("Invalid AuthToken {LITERAL}: refused for this test");
        setup.aws.fault(Fault::on(action, 1, Kind::error("InvalidParameterValue", message)));
        let properties = with(production(), json!({"AuthTokenEnabled": null, "AuthToken": LITERAL}));
        let (outcome, log) = logged(setup.create(properties)).await;
        assert_eq!(outcome.status, StackStatus::RollbackComplete);
        assert!(outcome.answers[0].reason().contains("refused for this test"), "{}", outcome.reason);
        assert!(log.contains("refused for this test"));
        assert_not_answered(&outcome, LITERAL);
        assert_not_logged(&log, &outcome, &[LITERAL.to_owned()]);
        setup.assert_nothing_left();
    }
}

/// The same for a generated token, over the whole life.
#[tokio::test(start_paused = true)]
async fn no_log_line_of_a_whole_life_holds_a_secret() {
    let setup = Setup::new();
    let life = async {
        let mut outcomes = vec![setup.created(production()).await];
        let token = setup.tokens(GROUP);
        outcomes.push(setup.update(with(production(), json!({"Description": "changed"}))).await);
        setup.aws.fault(Fault::on("ModifyReplicationGroup", 1, Kind::error("InvalidParameterValue", "no")));
        outcomes.push(setup.update(with(production(), json!({"Description": "again"}))).await);
        outcomes.push(setup.deleted().await);
        (outcomes, token)
    };
    let ((outcomes, tokens), log) = logged(life).await;
    assert_eq!(outcomes[2].status, StackStatus::UpdateRollbackComplete);
    for outcome in &outcomes {
        assert_not_logged(&log, outcome, &tokens);
        assert_not_answered(outcome, &tokens[0]);
    }
}

/// Tokens in properties that are refused.
#[tokio::test(start_paused = true)]
async fn a_refused_token_is_not_logged() {
    let token = "A-token-with-an-illegal-/-in-it";
    let setup = Setup::new();
    let (outcome, log) = logged(setup.create(with(quick_start(), json!({"AuthToken": token, "Nope": 1})))).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete);
    assert_not_answered(&outcome, token);
    assert_not_logged(&log, &outcome, &[token.to_owned()]);
    setup.assert_nothing_left();
}

/// People put a token where another property belongs; it is not repeated.
#[tokio::test(start_paused = true)]
async fn a_token_in_the_wrong_property_is_not_repeated() {
    for property in ["AuthTokenSecretArn", "AuthTokenEnabled", "AuthTokenVersion", "SecretName"] {
        let setup = Setup::new();
        let properties = json!({"AuthTokenEnabled": null, property: "Mis placed/token%12345678"});
        let (outcome, log) = logged(setup.create(with(production(), properties))).await;
        assert_eq!(outcome.status, StackStatus::RollbackComplete, "{property}");
        assert!(
            !outcome.reason.contains("Mis placed") && !log.contains("Mis placed"),
            "{property}: {}",
            outcome.reason
        );
    }
}

/// A secret under a name that the role does not reach: refused before a write, and nothing of it holds the rollback back.
#[tokio::test(start_paused = true)]
async fn a_secret_name_out_of_reach_is_refused_and_rolled_back() {
    let properties = with(quick_start(), json!({"AuthTokenEnabled": true, "SecretName": "mine"}));
    let assert_refused = |outcome: &Outcome| {
        for part in ["SecretName (mine)", "secretsmanager:DescribeSecret", "AdditionalSecretArns"] {
            assert!(outcome.reason.contains(part), "{}", outcome.reason);
        }
    };
    let setup = Setup::new();
    let outcome = setup.create(properties.clone()).await;
    assert_eq!((outcome.status, setup.write_names()), (StackStatus::RollbackComplete, vec![]), "{}", outcome.reason);
    assert_refused(&outcome);

    for before in [json!({"AuthTokenEnabled": true}), json!({})] {
        let setup = Setup::new();
        setup.created(with(quick_start(), before.clone())).await;
        let count = setup.writes().len();
        let outcome = setup.update(properties.clone()).await;
        assert_eq!(outcome.status, StackStatus::UpdateRollbackComplete, "{}", outcome.reason);
        assert_refused(&outcome);
        assert_eq!(setup.writes().len(), count, "{before}");
        assert_eq!(setup.stack.delete(CACHE).await.status, StackStatus::DeleteComplete, "{before}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_name_out_of_reach_is_no_matter_without_a_token() {
    let setup = Setup::new();
    setup.created(with(quick_start(), json!({"SecretName": "mine"}))).await;
    setup.updated(with(quick_start(), json!({"SecretName": "mine", "Description": "new"}))).await;
    assert_eq!(setup.stack.delete(CACHE).await.status, StackStatus::DeleteComplete);
    assert_eq!(setup.aws.leftovers("elasticache-resource:stack-id"), Vec::<String>::new());
}

/// While anything else is ours, or was when the Delete began, there may be a secret: a denied lookup must not leave it behind.
#[tokio::test(start_paused = true)]
async fn a_denied_lookup_of_the_secret_leaves_none_behind() {
    for nth in 1.. {
        let setup = Setup::new();
        setup.created(production()).await;
        setup.aws.fault(missing("DescribeSecret", nth));
        let outcome = setup.stack.delete(CACHE).await;
        if outcome.status == StackStatus::DeleteComplete {
            assert!(nth > 2, "{nth}");
            setup.assert_nothing_left();
            break;
        }
        assert!(outcome.reason.contains("allow secretsmanager:DescribeSecret"), "{}", outcome.reason);
        assert_eq!(setup.stack.delete(CACHE).await.status, StackStatus::DeleteComplete);
        assert_eq!(setup.aws.leftovers("elasticache-resource:stack-id"), Vec::<String>::new());
    }
}

/// The key of another account: not the call is denied, but what it needs.
#[tokio::test(start_paused = true)]
async fn the_advice_names_the_right_to_a_key() {
    let key = "arn:aws:kms:us-east-1:999999999999:key/other";
    let setup = Setup::new();
    let outcome = setup.create(with(quick_start(), json!({"AuthTokenEnabled": true, "SecretKmsKeyId": key}))).await;
    assert!(outcome.reason.contains("; allow kms:GenerateDataKey in the function's role"), "{}", outcome.reason);
}

/// The same with a token that is written in another way in the secret's URL.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_repeats_the_secret_shows_no_form_of_the_token() {
    let token = "A-literal#token&with$symbols<in>it";
    let encoded = "A-literal%23token%26with%24symbols%3Cin%3Eit";
    let setup = Setup::new();
    let text = format!(r#"{{"password":"{token}","url":"rediss://default:{encoded}@master.cache:6379"}}"#);
    let message = format!("Invalid SecretString {text}: refused for this test");
    setup.aws.fault(Fault::on("PutSecretValue", 1, Kind::error("InvalidParameterException", message)));
    let properties = json!({"AuthTokenEnabled": null, "AuthToken": token});
    let (outcome, log) = logged(setup.create(with(production(), properties))).await;
    assert_eq!(outcome.status, StackStatus::RollbackComplete);
    assert!(outcome.answers[0].reason().contains("refused for this test"), "{}", outcome.reason);
    for form in [token, encoded] {
        assert_not_answered(&outcome, form);
        assert_not_logged(&log, &outcome, &[form.to_owned()]);
    }
}
