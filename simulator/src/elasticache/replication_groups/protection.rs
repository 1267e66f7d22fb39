//! Encryption and access of a new group.

use super::access;
use crate::elasticache::ElastiCache;
use crate::elasticache::catalog::Release;
use crate::elasticache::input::Input;
use crate::elasticache::refusals::{invalid_combination, invalid_value};
use crate::nodes::Tls;
use crate::world::AwsError;

/// Transport encryption of a new group.
pub(super) fn transit(input: Input<'_>, release: Release) -> Result<Tls, AwsError> {
    let Some(enabled) = input.flag("TransitEncryptionEnabled")? else {
        if release.engine == "valkey" {
            // The field is required for Valkey (facts 3.6).
            return Err(invalid_value("TransitEncryptionEnabled must be given explicitly for engine valkey."));
        }
        return no_mode(input);
    };
    if !enabled {
        return no_mode(input);
    }
    match input.text("TransitEncryptionMode") {
        None | Some("required") => Ok(Tls::Required),
        Some("preferred") if !release.changes_encryption_in_place() => {
            Err(invalid_combination("Transit encryption mode preferred needs a newer engine version."))
        }
        Some("preferred") => Ok(Tls::Preferred),
        Some(other) => Err(invalid_value(format!("The TransitEncryptionMode {other} is invalid."))),
    }
}

fn no_mode(input: Input<'_>) -> Result<Tls, AwsError> {
    if input.text("TransitEncryptionMode").is_some() {
        return Err(invalid_combination("TransitEncryptionMode needs TransitEncryptionEnabled."));
    }
    Ok(Tls::Off)
}

/// Token or user groups of a new group.
pub(super) fn access(
    cache: &ElastiCache,
    input: Input<'_>,
    engine: &str,
    tls: Tls,
) -> Result<(Vec<String>, Vec<String>), AwsError> {
    let token = input.text("AuthToken");
    let users: Vec<String> =
        input.texts("UserGroupIds", "member").unwrap_or_default().iter().map(|id| id.to_ascii_lowercase()).collect();
    if token.is_some() && !users.is_empty() {
        return Err(invalid_combination("An AUTH token and user groups cannot be used together."));
    }
    if token.is_some() || !users.is_empty() {
        access::check_encryption(tls)?;
    }
    if let Some(token) = token {
        access::check_token(token)?;
    }
    access::check_user_groups(cache, &users, engine)?;
    Ok((token.map(str::to_owned).into_iter().collect(), users))
}

/// Encryption at rest of a new group, and its key.
pub(super) fn at_rest(input: Input<'_>, engine: &str) -> Result<(bool, Option<String>), AwsError> {
    // The default differs by engine (facts 3.6).
    let at_rest = input.flag("AtRestEncryptionEnabled")?.unwrap_or(engine == "valkey");
    let key = input.owned("KmsKeyId").filter(|key| !key.is_empty());
    if key.is_some() && !at_rest {
        return Err(invalid_combination("A KMS key needs encryption at rest to be enabled."));
    }
    Ok((at_rest, key))
}
