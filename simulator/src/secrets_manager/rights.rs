//! What each call must be allowed to do.

use serde_json::Value;

use super::{Secret, SecretsManager, arn_prefix};
use crate::readings::ViaService;
use crate::wire::tree::{items, text};
use crate::world::{ACCOUNT, Call, REGION, Right};

/// Ends the ARN of a secret that does not exist, in place of the random characters that it would get.
const SUFFIX: &str = "-AbCdEf";

pub(super) fn rights(service: &SecretsManager, call: &Call, via_service: ViaService) -> Vec<Right> {
    let params = &call.params;
    let action = format!("secretsmanager:{}", call.action);
    if matches!(call.action.as_str(), "GetRandomPassword" | "ListSecrets") {
        return vec![Right::new(action, "*")];
    }
    let id = text(params, "SecretId").or(text(params, "Name")).unwrap_or_default();
    let creates = call.action == "CreateSecret";
    // One that is to be made has nothing of one that has the name already.
    let secret = service.secret(id).filter(|_| !creates);
    let resource = match secret {
        Some(secret) => secret.arn.clone(),
        None if id.starts_with("arn:") => id.to_owned(),
        None => format!("{}{id}{SUFFIX}", arn_prefix()),
    };
    let mut context = context(secret, params);
    if creates && service.new_secret_has_tags {
        context.extend(tags_of(requested_tags(params)));
    }
    let mut rights = vec![Right { action, resource: resource.clone(), context: context.clone() }];
    if creates && !items(params, "Tags").is_empty() {
        rights.push(Right { action: "secretsmanager:TagResource".into(), resource, context });
    }
    rights.extend(key_rights(secret, call, via_service));
    rights
}

fn context(secret: Option<&Secret>, params: &Value) -> Vec<(String, String)> {
    let standing = secret.iter().flat_map(|secret| &secret.tags);
    let mut context = tags_of(standing.map(|(key, value)| (key.as_str(), value.as_str())));
    for (key, value) in requested_tags(params) {
        context.push((format!("aws:RequestTag/{key}"), value.into()));
        context.push(("aws:TagKeys".into(), key.into()));
    }
    for option in
        ["SecretId", "Name", "VersionId", "VersionStage", "RecoveryWindowInDays", "ForceDeleteWithoutRecovery"]
    {
        match &params[option] {
            Value::Null => {}
            Value::String(value) => context.push((format!("secretsmanager:{option}"), value.clone())),
            value => context.push((format!("secretsmanager:{option}"), value.to_string())),
        }
    }
    context
}

fn requested_tags(params: &Value) -> impl Iterator<Item = (&str, &str)> {
    let tags = items(params, "Tags").iter();
    tags.map(|tag| (text(tag, "Key").unwrap_or_default(), text(tag, "Value").unwrap_or_default()))
}

/// Tags of a secret, as conditions see them.
fn tags_of<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    let names = ["aws:ResourceTag", "secretsmanager:ResourceTag"];
    tags.flat_map(|(key, value)| names.map(|name| (format!("{name}/{key}"), value.to_owned()))).collect()
}

/// With a customer key the service uses the caller's rights on that key; with the key of AWS none are needed.
fn key_rights(secret: Option<&Secret>, call: &Call, via_service: ViaService) -> Vec<Right> {
    let writes_value = call.params.get("SecretString").or(call.params.get("SecretBinary")).is_some();
    let needed: &[&str] = match call.action.as_str() {
        "GetSecretValue" => &["kms:Decrypt"],
        "CreateSecret" | "PutSecretValue" => &["kms:GenerateDataKey", "kms:Decrypt"],
        // Another key: the stored versions are encrypted anew [BC].
        "UpdateSecret" if text(&call.params, "KmsKeyId").is_some() => {
            &["kms:GenerateDataKey", "kms:Encrypt", "kms:Decrypt"]
        }
        "UpdateSecret" if writes_value => &["kms:GenerateDataKey", "kms:Decrypt"],
        _ => &[],
    };
    let key = text(&call.params, "KmsKeyId").or(secret.and_then(|secret| secret.kms_key.as_deref()));
    let Some(key) = key.filter(|key| !key.ends_with("alias/aws/secretsmanager")) else { return Vec::new() };
    let arn = match key {
        arn if arn.starts_with("arn:") => arn.to_owned(),
        alias if alias.starts_with("alias/") => format!("arn:aws:kms:{REGION}:{ACCOUNT}:{alias}"),
        id => format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}"),
    };
    let via = ("kms:ViaService".to_owned(), via_service.of("secretsmanager", REGION));
    let right = |action: &&str| Right { action: (*action).into(), resource: arn.clone(), context: vec![via.clone()] };
    needed.iter().map(right).collect()
}
