//! Secrets Manager: the secret with the token. Calls AWS.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use zeroize::Zeroizing;

use super::client::Aws;
use super::convert;
use super::fault::{Class, Fault};
use crate::domain::secret::{AuthToken, OtherKeys, SecretContent, TOKEN_EXCLUDED, TOKEN_LENGTH, external_token};
use crate::domain::tags::Tags;
use crate::observed::{ExternalToken, STAGE_PENDING, Secret};

impl Aws {
    /// The secret of this name, without its content.
    pub(crate) async fn secret(&self, name: &str) -> Result<Option<Secret>, Fault> {
        let output = match self.secrets.describe_secret().secret_id(name).send().await {
            Ok(output) => output,
            Err(error) => return Fault::new("secretsmanager:DescribeSecret", name, &error).unless_missing(),
        };
        Ok(Some(Secret {
            arn: output.arn().unwrap_or_default().to_owned(),
            name: output.name().unwrap_or(name).to_owned(),
            tags: convert::tags(output.tags()),
            deleted: output.deleted_date().is_some(),
            kms_key_id: output.kms_key_id().map(str::to_owned),
            changed: output.last_changed_date().map(ToString::to_string),
            stages: stages(output.version_ids_to_stages()),
            rotates: output.rotation_enabled().unwrap_or(false),
            content: None,
            flaw: None,
            incoming: None,
            description: output.description().unwrap_or_default().to_owned(),
            replicas: output.replication_status().iter().filter_map(|r| r.region().map(str::to_owned)).collect(),
        }))
    }

    /// What this version of our secret says, or why that is not our JSON; `None` when it has no value.
    pub(crate) async fn secret_version(
        &self,
        arn: &str,
        version: &str,
    ) -> Result<Option<Result<SecretContent, String>>, Fault> {
        let read = self.secret_text(arn, Some(version)).await?;
        Ok(read.map(|(text, _)| match text {
            Some(text) => SecretContent::parse(&text),
            None => Err(BINARY.to_owned()),
        }))
    }

    /// The keys that others added to the current version of our secret.
    pub(crate) async fn other_keys(&self, arn: &str) -> Result<OtherKeys, Fault> {
        let text = self.secret_text(arn, None).await?.and_then(|(text, _)| text);
        Ok(text.map(|text| OtherKeys::of(&text)).unwrap_or_default())
    }

    /// The token in a secret that we only read, in its current version or the given one; the inner error says why there is
    /// none.
    pub(crate) async fn external_token(
        &self,
        arn: &str,
        key: Option<&str>,
        version: Option<&str>,
    ) -> Result<Result<ExternalToken, String>, Fault> {
        match self.secret_text(arn, version).await {
            Ok(Some((Some(text), version))) => {
                Ok(external_token(&text, key).map(|token| ExternalToken { token, version }))
            }
            Ok(Some((None, _))) => Ok(Err(BINARY.to_owned())),
            Ok(None) => Ok(Err("the secret does not exist or has no value".to_owned())),
            Err(fault) if matches!(fault.class, Class::Busy | Class::Invalid) => Ok(Err(fault.to_string())),
            Err(fault) => Err(fault),
        }
    }

    /// The text of a secret, if it is text, with the version it is in: the current one, or the given one.
    async fn secret_text(
        &self,
        arn: &str,
        version: Option<&str>,
    ) -> Result<Option<(Option<Zeroizing<String>>, String)>, Fault> {
        let call = self.secrets.get_secret_value().secret_id(arn).set_version_id(version.map(str::to_owned));
        match call.send().await {
            Ok(output) => {
                let version = output.version_id.unwrap_or_default();
                Ok(Some((output.secret_string.map(Zeroizing::new), version)))
            }
            Err(error) => Fault::new("secretsmanager:GetSecretValue", arn, &error).unless_missing(),
        }
    }

    /// A fresh token of the legal alphabet.
    pub(crate) async fn random_token(&self) -> Result<AuthToken, Fault> {
        let call = self.secrets.get_random_password().password_length(TOKEN_LENGTH).exclude_characters(TOKEN_EXCLUDED);
        let output = call.include_space(false).send().await;
        let output = output.map_err(|e| Fault::new("secretsmanager:GetRandomPassword", "a new token", &e))?;
        Ok(AuthToken::new(output.random_password.unwrap_or_default()))
    }

    /// Makes a secret, whose ARN is returned. `version` identifies the version, so that a repeated call makes no second one.
    pub(crate) async fn create_secret(
        &self,
        name: &str,
        description: &str,
        kms_key_id: Option<&str>,
        content: &SecretContent,
        version: &str,
        tags: &Tags,
    ) -> Result<String, Fault> {
        let call = self.secrets.create_secret().name(name).description(description).client_request_token(version);
        let call = call.set_kms_key_id(kms_key_id.map(str::to_owned)).set_tags(Some(convert::tag_list(tags)));
        let result = call.secret_string(content.to_json().as_str()).send().await;
        let output = result.map_err(|e| hidden(Fault::new("secretsmanager:CreateSecret", name, &e), content))?;
        Ok(output.arn().unwrap_or_default().to_owned())
    }

    /// Makes `content` the current version.
    pub(crate) async fn put_secret(&self, arn: &str, content: &SecretContent, version: &str) -> Result<(), Fault> {
        let call = self.secrets.put_secret_value().secret_id(arn).client_request_token(version);
        let result = call.secret_string(content.to_json().as_str()).send().await;
        result.map(drop).map_err(|e| hidden(Fault::new("secretsmanager:PutSecretValue", arn, &e), content))
    }

    /// Stores `content` as a version that readers do not get yet.
    pub(crate) async fn stage_secret(&self, arn: &str, content: &SecretContent, version: &str) -> Result<(), Fault> {
        let call = self.secrets.put_secret_value().secret_id(arn).client_request_token(version);
        let result = call.version_stages(STAGE_PENDING).secret_string(content.to_json().as_str()).send().await;
        result.map(drop).map_err(|e| hidden(Fault::new("secretsmanager:PutSecretValue", arn, &e), content))
    }

    /// Moves a staging label to one version, away from another.
    pub(crate) async fn move_stage(
        &self,
        arn: &str,
        stage: &str,
        to: Option<&str>,
        from: Option<&str>,
    ) -> Result<(), Fault> {
        let call = self.secrets.update_secret_version_stage().secret_id(arn).version_stage(stage);
        let call = call.set_move_to_version_id(to.map(str::to_owned));
        let result = call.set_remove_from_version_id(from.map(str::to_owned)).send().await;
        result.map(drop).map_err(|e| Fault::new("secretsmanager:UpdateSecretVersionStage", arn, &e))
    }

    /// Encrypts the secret with another key.
    pub(crate) async fn set_secret_key(&self, arn: &str, kms_key_id: &str) -> Result<(), Fault> {
        let result = self.secrets.update_secret().secret_id(arn).kms_key_id(kms_key_id).send().await;
        result.map(drop).map_err(|e| Fault::new("secretsmanager:UpdateSecret", arn, &e))
    }

    pub(crate) async fn restore_secret(&self, arn: &str) -> Result<(), Fault> {
        let result = self.secrets.restore_secret().secret_id(arn).send().await;
        result.map(drop).map_err(|e| Fault::new("secretsmanager:RestoreSecret", arn, &e))
    }

    pub(crate) async fn delete_secret(&self, arn: &str, recovery_window_days: i32) -> Result<(), Fault> {
        let call = self.secrets.delete_secret().secret_id(arn);
        let call = match recovery_window_days {
            0 => call.force_delete_without_recovery(true),
            days => call.recovery_window_in_days(days.into()),
        };
        call.send().await.map(drop).map_err(|e| Fault::new("secretsmanager:DeleteSecret", arn, &e))
    }

    pub(crate) async fn tag_secret(&self, arn: &str, tags: &Tags) -> Result<(), Fault> {
        let result = self.secrets.tag_resource().secret_id(arn).set_tags(Some(convert::tag_list(tags))).send().await;
        result.map(drop).map_err(|e| Fault::new("secretsmanager:TagResource", arn, &e))
    }

    pub(crate) async fn untag_secret(&self, arn: &str, keys: &BTreeSet<String>) -> Result<(), Fault> {
        let keys = keys.iter().cloned().collect();
        let result = self.secrets.untag_resource().secret_id(arn).set_tag_keys(Some(keys)).send().await;
        result.map(drop).map_err(|e| Fault::new("secretsmanager:UntagResource", arn, &e))
    }
}

/// Why a secret without text holds no token.
const BINARY: &str = "it is binary and not text";

/// The fault of a call that carried `content`: without the token, also as the URL in it writes that.
fn hidden(fault: Fault, content: &SecretContent) -> Fault {
    fault.without(&content.password).without(&content.token().encoded())
}

/// Versions by label. A label is on one version at a time.
fn stages(by_version: Option<&HashMap<String, Vec<String>>>) -> BTreeMap<String, String> {
    let pairs = by_version.into_iter().flatten();
    pairs.flat_map(|(id, labels)| labels.iter().map(|label| (label.clone(), id.clone()))).collect()
}
