//! Secrets Manager: the secret with the token. Calls AWS.

use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::{Aws, Class, Fault, convert};
use crate::desired::Tags;
use crate::observed::Secret;
use crate::secret::{AuthToken, SecretContent, TOKEN_EXCLUDED, TOKEN_LENGTH, foreign_token};

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
            content: None,
        }))
    }

    /// What our secret says now; `None` when it has no value or one that is not our JSON.
    pub(crate) async fn secret_content(&self, arn: &str) -> Result<Option<SecretContent>, Fault> {
        Ok(self.secret_text(arn).await?.and_then(|text| SecretContent::parse(&text)))
    }

    /// The token in a secret that we only read; the inner error says why there is none.
    pub(crate) async fn foreign_token(&self, arn: &str, key: Option<&str>) -> Result<Result<AuthToken, String>, Fault> {
        match self.secret_text(arn).await {
            Ok(Some(text)) => Ok(foreign_token(&text, key)),
            Ok(None) => Ok(Err("the secret does not exist or has no value".to_owned())),
            Err(fault) if matches!(fault.class, Class::Denied | Class::Busy | Class::Invalid) => {
                Ok(Err(fault.to_string()))
            }
            Err(fault) => Err(fault),
        }
    }

    async fn secret_text(&self, arn: &str) -> Result<Option<Zeroizing<String>>, Fault> {
        match self.secrets.get_secret_value().secret_id(arn).send().await {
            Ok(output) => Ok(output.secret_string.map(Zeroizing::new)),
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

    /// Makes a secret. `version` identifies the version, so that a repeated call makes no second one.
    pub(crate) async fn create_secret(
        &self,
        name: &str,
        description: &str,
        kms_key_id: Option<&str>,
        content: &SecretContent,
        version: &str,
        tags: &Tags,
    ) -> Result<(), Fault> {
        let call = self.secrets.create_secret().name(name).description(description).client_request_token(version);
        let call = call.set_kms_key_id(kms_key_id.map(str::to_owned)).set_tags(Some(convert::tag_list(tags)));
        let result = call.secret_string(content.to_json().as_str()).send().await;
        result.map(drop).map_err(|e| Fault::new("secretsmanager:CreateSecret", name, &e).without(&content.password))
    }

    /// Makes `content` the current version.
    pub(crate) async fn put_secret(&self, arn: &str, content: &SecretContent, version: &str) -> Result<(), Fault> {
        let call = self.secrets.put_secret_value().secret_id(arn).client_request_token(version);
        let result = call.secret_string(content.to_json().as_str()).send().await;
        result.map(drop).map_err(|e| Fault::new("secretsmanager:PutSecretValue", arn, &e).without(&content.password))
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
