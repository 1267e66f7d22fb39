//! Identifiers: what they may look like, and the ARNs made of them.

use super::refusals::invalid_value;
use crate::world::{ACCOUNT, AwsError, REGION};

/// The ARN of a resource; `kind` is `replicationgroup`, `cluster`, `subnetgroup`, `parametergroup`, `snapshot` or `usergroup`.
#[must_use]
pub fn arn(kind: &str, id: &str) -> String {
    format!("arn:aws:elasticache:{REGION}:{ACCOUNT}:{kind}:{id}")
}

/// Kind and id in an ARN of this account and region.
pub(super) fn split_arn(arn: &str) -> Option<(&str, &str)> {
    arn.strip_prefix(&format!("arn:aws:elasticache:{REGION}:{ACCOUNT}:"))?.split_once(':')
}

/// Checks an identifier (a letter first, then letters, digits and single hyphens, none at the end) and returns it as it
/// is stored, in lower case.
pub(super) fn identifier(parameter: &str, value: &str, longest: usize) -> Result<String, AwsError> {
    let legal = value.len() <= longest
        && value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !value.ends_with('-')
        && !value.contains("--");
    if legal {
        return Ok(value.to_ascii_lowercase());
    }
    Err(invalid_value(format!(
        "The parameter {parameter} is not a valid identifier. Identifiers must have at most {longest} characters, begin \
         with a letter, contain only ASCII letters, digits, and hyphens, and not end with a hyphen or contain two \
         consecutive hyphens."
    )))
}

/// Checks the name of a subnet group, whose rule is laxer, and returns it as it is stored.
pub(super) fn subnet_group(value: &str) -> Result<String, AwsError> {
    let stored = value.to_ascii_lowercase();
    let legal = !value.is_empty() && value.len() <= 255 && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if legal && stored != "default" {
        return Ok(stored);
    }
    Err(invalid_value(
        "The parameter CacheSubnetGroupName must have at most 255 alphanumeric characters or hyphens and must not be \
         'default'.",
    ))
}

/// Checks a description.
pub(super) fn description(parameter: &str, value: &str) -> Result<String, AwsError> {
    if value.is_empty() || value.chars().count() > 255 {
        return Err(invalid_value(format!("The parameter {parameter} must have 1 to 255 characters.")));
    }
    if value.contains(['<', '>']) {
        return Err(invalid_value(format!("The parameter {parameter} contains illegal characters.")));
    }
    Ok(value.to_owned())
}

/// Six characters that make host names of one cache unlike those of another, the same in every run.
pub(super) fn host_infix(serial: u64) -> String {
    let mut mixed = serial.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x00C0_FFEE_1234_5678;
    (0..6)
        .map(|position| {
            mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let alphabet: &[u8] =
                if position == 0 { b"abcdefghijklmnopqrstuvwxyz" } else { b"abcdefghijklmnopqrstuvwxyz0123456789" };
            let index = usize::try_from(mixed >> 33).unwrap_or(0) % alphabet.len();
            char::from(alphabet[index])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_checked_and_stored_in_lower_case() {
        assert_eq!(identifier("Id", "Prod-App", 40).unwrap(), "prod-app");
        for bad in ["", "1a", "a-", "a--b", "a_b", &"a".repeat(41)] {
            assert_eq!(identifier("Id", bad, 40).unwrap_err().code, "InvalidParameterValue", "{bad}");
        }
    }

    #[test]
    fn arns_split_into_kind_and_id() {
        assert_eq!(split_arn(&arn("subnetgroup", "x")), Some(("subnetgroup", "x")));
        assert_eq!(split_arn("arn:aws:elasticache:eu-west-1:123456789012:cluster:x"), None);
    }
}
