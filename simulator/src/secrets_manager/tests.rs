use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const TOKEN_A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const TOKEN_B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// An account in which time only passes when told.
struct Account {
    world: World,
    now: Time,
}

impl Account {
    fn new() -> Account {
        let world = World::default();
        Account { world, now: Time::START }
    }

    fn call(&self, action: &str, params: Value) -> Call {
        Call { action: action.into(), params, now: self.now }
    }

    fn run(&mut self, action: &str, params: Value) -> Answer {
        let call = self.call(action, params);
        SecretsManager::handle(&mut self.world, &call)
    }

    fn ok(&mut self, action: &str, params: Value) -> Value {
        self.run(action, params).unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    fn code(&mut self, action: &str, params: Value) -> String {
        self.run(action, params).expect_err(action).code
    }

    fn pass(&mut self, span: Duration) {
        self.now = self.now + span;
        SecretsManager::advance(&mut self.world, self.now);
    }

    fn create(&mut self, token: &str, value: &str) -> Answer {
        self.run("CreateSecret", json!({"Name": "cache/app", "ClientRequestToken": token, "SecretString": value}))
    }

    fn put(&mut self, token: &str, value: &str, stages: &[&str]) -> Answer {
        let mut params = json!({"SecretId": "cache/app", "ClientRequestToken": token, "SecretString": value});
        if !stages.is_empty() {
            params["VersionStages"] = json!(stages);
        }
        self.run("PutSecretValue", params)
    }

    fn stages(&mut self) -> Value {
        self.ok("DescribeSecret", json!({"SecretId": "cache/app"}))["VersionIdsToStages"].take()
    }
}

#[test]
fn a_create_with_the_same_token_is_idempotent() {
    let mut account = Account::new();
    let made = account.create(TOKEN_A, "one").unwrap();
    assert!(
        made["ARN"].as_str().unwrap().starts_with("arn:aws:secretsmanager:us-east-1:123456789012:secret:cache/app-")
    );
    assert_eq!(account.create(TOKEN_A, "one").unwrap(), made);
    assert_eq!(account.create(TOKEN_A, "two").unwrap_err().code, "ResourceExistsException");
    assert_eq!(account.create(TOKEN_B, "one").unwrap_err().code, "ResourceExistsException");
    let short = json!({"Name": "x", "ClientRequestToken": "short"});
    assert_eq!(account.code("CreateSecret", short), "InvalidParameterException");
    assert_eq!(account.code("CreateSecret", json!({"Name": "a b"})), "ValidationException");
}

#[test]
fn a_new_value_makes_the_old_one_previous() {
    let mut account = Account::new();
    let arn = account.create(TOKEN_A, "one").unwrap()["ARN"].clone();
    account.put(TOKEN_B, "two", &[]).unwrap();
    assert_eq!(account.stages(), json!({TOKEN_A: ["AWSPREVIOUS"], TOKEN_B: ["AWSCURRENT"]}));
    assert_eq!(account.ok("GetSecretValue", json!({"SecretId": arn}))["SecretString"], "two");
    let previous = account.ok("GetSecretValue", json!({"SecretId": arn, "VersionStage": "AWSPREVIOUS"}));
    assert_eq!((&previous["SecretString"], &previous["VersionId"]), (&json!("one"), &json!(TOKEN_A)));
    // Again the same is no change; another value under a used token is refused.
    account.put(TOKEN_A, "one", &[]).unwrap();
    assert_eq!(account.ok("GetSecretValue", json!({"SecretId": arn}))["SecretString"], "two");
    assert_eq!(account.put(TOKEN_B, "three", &[]).unwrap_err().code, "ResourceExistsException");
    let wrong = json!({"SecretId": arn, "VersionId": TOKEN_A, "VersionStage": "AWSCURRENT"});
    assert_eq!(account.code("GetSecretValue", wrong), "InvalidRequestException");
}

#[test]
fn a_stage_moves_only_from_the_version_that_is_named() {
    let mut account = Account::new();
    account.create(TOKEN_A, "one").unwrap();
    account.put(TOKEN_B, "two", &["AWSPENDING"]).unwrap();
    assert_eq!(account.stages(), json!({TOKEN_A: ["AWSCURRENT"], TOKEN_B: ["AWSPENDING"]}));
    let mut params = json!({"SecretId": "cache/app", "VersionStage": "AWSCURRENT", "MoveToVersionId": TOKEN_B});
    assert_eq!(account.code("UpdateSecretVersionStage", params.clone()), "InvalidParameterException");
    params["RemoveFromVersionId"] = json!(TOKEN_A);
    account.ok("UpdateSecretVersionStage", params);
    assert_eq!(account.stages(), json!({TOKEN_A: ["AWSPREVIOUS"], TOKEN_B: ["AWSCURRENT", "AWSPENDING"]}));
    let remove = json!({"SecretId": "cache/app", "VersionStage": "AWSPENDING", "RemoveFromVersionId": TOKEN_B});
    account.ok("UpdateSecretVersionStage", remove);
    let lose = json!({"SecretId": "cache/app", "VersionStage": "AWSCURRENT", "RemoveFromVersionId": TOKEN_B});
    assert_eq!(account.code("UpdateSecretVersionStage", lose), "InvalidParameterException");
}

#[test]
fn a_scheduled_deletion_blocks_the_name_until_it_happens_or_is_undone() {
    let mut account = Account::new();
    account.create(TOKEN_A, "one").unwrap();
    let id = json!({"SecretId": "cache/app"});
    let window = |days: u32| json!({"SecretId": "cache/app", "RecoveryWindowInDays": days});
    assert_eq!(account.code("DeleteSecret", window(6)), "InvalidParameterException");
    account.ok("DeleteSecret", window(7));
    assert_eq!(account.code("GetSecretValue", id.clone()), "InvalidRequestException");
    assert_eq!(account.put(TOKEN_B, "two", &[]).unwrap_err().code, "InvalidRequestException");
    let error = account.create(TOKEN_B, "two").unwrap_err();
    assert!(error.message.contains("already scheduled for deletion"), "{error}");
    assert!(!account.ok("DescribeSecret", id.clone())["DeletedDate"].is_null());
    assert_eq!(account.ok("ListSecrets", json!({}))["SecretList"], json!([]));
    account.ok("RestoreSecret", id.clone());
    assert_eq!(account.ok("GetSecretValue", id.clone())["SecretString"], "one");

    account.ok("DeleteSecret", window(7));
    account.pass(Duration::from_hours(7 * 24));
    assert_eq!(account.code("DescribeSecret", id), "ResourceNotFoundException");
    account.create(TOKEN_B, "two").unwrap();
}

#[test]
fn a_forced_deletion_holds_the_name_for_a_moment() {
    let mut account = Account::new();
    account.create(TOKEN_A, "one").unwrap();
    let force = json!({"SecretId": "cache/app", "ForceDeleteWithoutRecovery": true});
    account.ok("DeleteSecret", json!({"SecretId": "cache/app"}));
    account.ok("DeleteSecret", force.clone());
    assert_eq!(account.code("DescribeSecret", json!({"SecretId": "cache/app"})), "ResourceNotFoundException");
    account.ok("DeleteSecret", force);
    assert_eq!(account.create(TOKEN_B, "two").unwrap_err().code, "InvalidRequestException");
    account.pass(account.world.secrets.deletion_lag);
    account.create(TOKEN_B, "two").unwrap();
}

#[test]
fn random_passwords_honour_the_options() {
    let mut account = Account::new();
    let excluded = r#""%'()*+,./:;=?@[\]_`{|}~"#;
    let params = json!({"PasswordLength": 64, "ExcludeCharacters": excluded});
    let first = account.ok("GetRandomPassword", params.clone())["RandomPassword"].as_str().unwrap().to_owned();
    assert_eq!(first.len(), 64);
    assert!(first.chars().all(|c| c.is_ascii_alphanumeric() || "!&#$^<>-".contains(c)), "{first}");
    let classes: [fn(&char) -> bool; 4] =
        [char::is_ascii_lowercase, char::is_ascii_uppercase, char::is_ascii_digit, char::is_ascii_punctuation];
    assert!(classes.iter().all(|class| first.chars().any(|c| class(&c))));
    assert_ne!(account.ok("GetRandomPassword", params.clone())["RandomPassword"], first.as_str());
    assert_eq!(Account::new().ok("GetRandomPassword", params)["RandomPassword"], first.as_str());
    let digits =
        json!({"PasswordLength": 4, "ExcludeLowercase": true, "ExcludeUppercase": true, "ExcludePunctuation": true});
    let digits = account.ok("GetRandomPassword", digits);
    assert!(digits["RandomPassword"].as_str().unwrap().chars().all(|c| c.is_ascii_digit()));
    assert_eq!(account.code("GetRandomPassword", json!({"PasswordLength": 3})), "InvalidParameterException");
}

#[test]
fn lists_filter_by_prefix_and_show_tags() {
    let mut account = Account::new();
    account.create(TOKEN_A, "one").unwrap();
    account.ok("CreateSecret", json!({"Name": "other", "Tags": [{"Key": "owner", "Value": "me"}]}));
    account.ok(
        "TagResource",
        json!({"SecretId": "cache/app", "Tags": [{"Key": "owner", "Value": "x"}, {"Key": "b", "Value": ""}]}),
    );
    account.ok("UntagResource", json!({"SecretId": "cache/app", "TagKeys": ["b"]}));
    let names = |listed: &Value| -> Vec<String> {
        listed["SecretList"].as_array().unwrap().iter().map(|s| s["Name"].as_str().unwrap().to_owned()).collect()
    };
    let by = |key: &str, value: &str| json!({"Filters": [{"Key": key, "Values": [value]}]});
    assert_eq!(names(&account.ok("ListSecrets", by("name", "cache/"))), ["cache/app"]);
    assert_eq!(names(&account.ok("ListSecrets", by("tag-key", "own"))), ["cache/app", "other"]);
    assert_eq!(names(&account.ok("ListSecrets", by("tag-key", "b"))), [""; 0]);
    assert_eq!(account.world.secrets.tagged("owner").len(), 2);
    account.ok("DeleteSecret", json!({"SecretId": "other"}));
    assert_eq!(account.world.secrets.tagged("owner").len(), 1);
}

#[test]
fn a_rotation_announces_a_version_that_put_fills() {
    let mut account = Account::new();
    account.create(TOKEN_A, "one").unwrap();
    let id = json!({"SecretId": "cache/app", "ClientRequestToken": TOKEN_B});
    assert_eq!(account.code("RotateSecret", id.clone()), "InvalidRequestException");
    let mut first = id;
    first["RotationLambdaARN"] = json!("arn:aws:lambda:us-east-1:123456789012:function:elasticache-resource");
    account.ok("RotateSecret", first);
    assert_eq!(account.stages(), json!({TOKEN_A: ["AWSCURRENT"], TOKEN_B: ["AWSPENDING"]}));
    let pending = json!({"SecretId": "cache/app", "VersionStage": "AWSPENDING"});
    assert_eq!(account.code("GetSecretValue", pending.clone()), "ResourceNotFoundException");
    account.put(TOKEN_B, "two", &["AWSPENDING"]).unwrap();
    assert_eq!(account.ok("GetSecretValue", pending)["SecretString"], "two");
    account.ok(
        "UpdateSecretVersionStage",
        json!({"SecretId": "cache/app", "VersionStage": "AWSCURRENT", "MoveToVersionId": TOKEN_B, "RemoveFromVersionId": TOKEN_A}),
    );
    assert_eq!(account.stages(), json!({TOKEN_A: ["AWSPREVIOUS"], TOKEN_B: ["AWSCURRENT"]}));
}

/// The dates of a schedule: the next one from the rules, the last one when a rotation has ended.
#[test]
fn a_schedule_shows_when_it_rotated_and_when_it_will() {
    let mut account = Account::new();
    account.create(TOKEN_A, "one").unwrap();
    let secret = json!({"SecretId": "cache/app"});
    let dates = |account: &mut Account| {
        let shown = account.ok("DescribeSecret", json!({"SecretId": "cache/app"}));
        (shown["LastRotatedDate"].as_f64(), shown["NextRotationDate"].as_f64())
    };
    assert_eq!(dates(&mut account), (None, None));
    let function = "arn:aws:lambda:us-east-1:123456789012:function:elasticache-resource";
    let scheduled = json!({
        "SecretId": "cache/app", "ClientRequestToken": TOKEN_B, "RotationLambdaARN": function,
        "RotationRules": {"ScheduleExpression": "rate(10 days)"},
    });
    let asked = account.now;
    account.ok("RotateSecret", scheduled);
    let ten_days = Duration::from_hours(240);
    assert_eq!(dates(&mut account), (None, Some((asked + ten_days).epoch_seconds())));
    account.put(TOKEN_B, "two", &["AWSPENDING"]).unwrap();
    account.now = account.now + Duration::from_mins(3);
    let finish = json!({
        "SecretId": "cache/app", "VersionStage": "AWSCURRENT", "MoveToVersionId": TOKEN_B, "RemoveFromVersionId": TOKEN_A,
    });
    account.ok("UpdateSecretVersionStage", finish);
    let ended = account.now;
    assert_eq!(dates(&mut account), (Some(ended.epoch_seconds()), Some((ended + ten_days).epoch_seconds())));
    let listed = account.ok("ListSecrets", json!({}));
    assert_eq!(listed["SecretList"][0]["LastRotatedDate"].as_f64(), Some(ended.epoch_seconds()));
    account.ok("CancelRotateSecret", secret);
    assert_eq!(dates(&mut account), (None, None));
}

#[test]
fn a_secret_without_a_policy_is_shown_without_one() {
    let mut account = Account::new();
    let arn = account.create(TOKEN_A, "one").unwrap()["ARN"].clone();
    let shown = account.ok("GetResourcePolicy", json!({"SecretId": "cache/app"}));
    assert_eq!(shown, json!({"ARN": arn, "Name": "cache/app"}));
    assert_eq!(account.code("GetResourcePolicy", json!({"SecretId": "other"})), "ResourceNotFoundException");
}

#[test]
fn rights_name_the_secret_the_tags_and_the_key() {
    let mut account = Account::new();
    let create = json!({"Name": "elasticache/app", "KmsKeyId": "k-1", "Tags": [{"Key": "owner", "Value": "me"}]});
    let rights = SecretsManager::rights(&account.world, &account.call("CreateSecret", create));
    let named: Vec<String> = rights.iter().map(|right| format!("{} {}", right.action, right.resource)).collect();
    let secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:elasticache/app-AbCdEf";
    let key = "arn:aws:kms:us-east-1:123456789012:key/k-1";
    assert_eq!(
        named,
        [
            format!("secretsmanager:CreateSecret {secret}"),
            format!("secretsmanager:TagResource {secret}"),
            format!("kms:GenerateDataKey {key}"),
            format!("kms:Decrypt {key}"),
        ]
    );
    let own_tag = |right: &Right| right.context.iter().any(|(key, _)| key == "aws:ResourceTag/owner");
    assert!(own_tag(&rights[0]) && own_tag(&rights[1]));
    account.world.secrets.new_secret_has_tags = false;
    let create = json!({"Name": "elasticache/app", "Tags": [{"Key": "owner", "Value": "me"}]});
    let rights = SecretsManager::rights(&account.world, &account.call("CreateSecret", create));
    let requested = ("aws:RequestTag/owner".to_owned(), "me".to_owned());
    assert!(rights.iter().all(|right| !own_tag(right) && right.context.contains(&requested)));
    let arn = account.create(TOKEN_A, "one").unwrap()["ARN"].as_str().unwrap().to_owned();
    let read = account.call("GetSecretValue", json!({"SecretId": "cache/app"}));
    let named = vec![("secretsmanager:SecretId".to_owned(), "cache/app".to_owned())];
    let reading = Right { context: named, ..Right::new("secretsmanager:GetSecretValue", arn) };
    assert_eq!(SecretsManager::rights(&account.world, &read), [reading]);
    let random = account.call("GetRandomPassword", json!({}));
    assert_eq!(SecretsManager::rights(&account.world, &random), [Right::new("secretsmanager:GetRandomPassword", "*")]);
}
