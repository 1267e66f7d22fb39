//! Errors of AWS calls, and the one table that says what each means to us: pure.

use std::error::Error;
use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::domain::tags::TAG_STACK_ID;
use crate::telemetry::metrics;

/// What an error means for the step that met it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The thing is not there.
    Missing,
    /// A thing of that name is there already.
    Exists,
    /// The thing, or one that holds it, is in a state that forbids the call for now.
    Busy,
    /// Everything is already as asked.
    Unchanged,
    /// Too many calls.
    Throttled,
    /// AWS failed, or could not be reached.
    Unavailable,
    /// The function's role may not do that, or not yet: a new role, and a change of one, takes seconds to reach every
    /// service.
    Denied,
    /// AWS does not take the call for one of this function's, because it was signed too long ago (in a sandbox that was
    /// frozen, by a clock that has since been set) or with credentials that are too old or too new.
    Unauthenticated,
    /// A quota of the account is used up.
    Quota,
    /// AWS has no capacity of that kind now.
    Capacity,
    /// AWS refuses what was asked.
    Invalid,
}

/// A failed call: what was attempted, on what, and what AWS said.
///
/// It says everything itself and keeps no source: the SDK's error holds the whole answer, in which AWS may repeat a token
/// that the call carried ([`Fault::without`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// IAM name of the action, such as `elasticache:CreateReplicationGroup`.
    pub action: &'static str,
    /// The id or name that it was about.
    pub on: String,
    /// AWS's code; empty when there was no answer.
    pub code: String,
    /// AWS's text, or the kind of failure.
    pub message: String,
    /// AWS's request id, for support.
    pub request_id: Option<String>,
    /// What it means.
    pub class: Class,
}

impl Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}: ", self.action, self.on)?;
        match self.code.as_str() {
            "" => f.write_str(&self.message)?,
            code => write!(f, "{code}: {}", self.message)?,
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        match self.advice() {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl Fault {
    /// The fault behind an SDK error. A right that is missing is noted for the invocation.
    pub fn new<E>(action: &'static str, on: &str, error: &SdkError<E, HttpResponse>) -> Fault
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        let code = error.code().unwrap_or_default().to_owned();
        let status = error.raw_response().map(|response| response.status().as_u16());
        let message = match error.message() {
            Some(message) => message.to_owned(),
            None => innermost(error),
        };
        let request_id = error.raw_response().and_then(|response| {
            let headers = response.headers();
            headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id")).map(str::to_owned)
        });
        let class = classify(&code, &message, status);
        let fault = Fault { action, on: on.to_owned(), code, message, request_id, class };
        if class == Class::Denied {
            metrics::note_denial(fault.denied_action(), &fault.message);
        }
        fault
    }

    /// What AWS answered an attempt with.
    #[cfg(test)]
    pub(crate) fn answered(action: &'static str, on: &str, code: &str, message: &str, status: u16) -> Fault {
        let class = classify(code, message, Some(status));
        let (on, code, message) = (on.to_owned(), code.to_owned(), message.to_owned());
        Fault { action, on, code, message, request_id: None, class }
    }

    /// The fault of a call that could not even be put together.
    pub fn unsent(action: &'static str, on: &str, error: &dyn Error) -> Fault {
        let (code, message) = (String::new(), error.to_string());
        Fault { action, on: on.to_owned(), code, message, request_id: None, class: Class::Invalid }
    }

    /// Whether AWS refuses a SET because no ROTATE comes before it. The guide allows a SET with two tokens, or with one that
    /// clients may leave out, so that the token is the only one already. AWS's words are not known: it has to speak of
    /// the strategies, and of nothing else that a SET may be refused for, in one of the two codes that ElastiCache has for
    /// values that do not fit.
    pub(crate) fn says_only_token(&self) -> bool {
        let words = self.message.to_ascii_lowercase();
        let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
        matches!(self.code.as_str(), "InvalidParameterValue" | "InvalidParameterCombination")
            && says(&["rotate", "rotation", "strategy"])
            && !says(&["latest", "match", "transit", "user group"])
    }

    /// Whether the same call may be answered a little later.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.class, Class::Throttled | Class::Unavailable | Class::Unauthenticated)
    }

    /// Not found is a value; everything else stays an error.
    pub(crate) fn unless_missing<T>(self) -> Result<Option<T>, Fault> {
        if self.class == Class::Missing { Ok(None) } else { Err(self) }
    }

    /// The same fault without `secret` in its text, should AWS have repeated it.
    #[must_use]
    pub fn without(mut self, secret: &str) -> Fault {
        if !secret.is_empty() && self.message.contains(secret) {
            self.message = self.message.replace(secret, "[redacted]");
        }
        self
    }

    /// Whether the denied action is one that `template.yaml` allows only on what carries our tag. AWS denies it on what has
    /// gone, too: there is no tag then.
    pub(crate) fn hangs_on_a_tag(&self) -> bool {
        self.class == Class::Denied && ALLOWED_BY_TAG.contains(&self.denied_action())
    }

    /// The action that was denied: AWS's text names it where it is another one that the call needs in addition to its own.
    fn denied_action(&self) -> &str {
        let named = self.message.split_once(DENIED_ACTION).and_then(|(_, rest)| rest.split_whitespace().next());
        named.map(|action| action.trim_end_matches(['.', ','])).filter(|a| a.contains(':')).unwrap_or(self.action)
    }

    /// What the user can do about it.
    fn advice(&self) -> Option<String> {
        match self.class {
            Class::Denied if self.hangs_on_a_tag() => {
                let (action, on) = (self.denied_action(), &self.on);
                Some(format!(
                    "allow {action} in the function's role; it is allowed only on what has the tag {TAG_STACK_ID}: put that \
                     back on {on} if it is missing"
                ))
            }
            Class::Denied => Some(format!("allow {} in the function's role", self.denied_action())),
            Class::Exists if self.action == "ec2:CreateSecurityGroup" => {
                Some("another account may have it in a shared VPC: set ReplicationGroupId to a free name".to_owned())
            }
            Class::Quota => Some("raise the quota, or remove what is not needed".to_owned()),
            Class::Capacity => Some("try later, another node type or another availability zone".to_owned()),
            Class::Throttled | Class::Unavailable => Some("deploy again later".to_owned()),
            Class::Unauthenticated => Some(
                "AWS does not accept the function's clock or credentials: deploy again later, and set no AWS_ variables of \
                 credentials in its environment"
                    .to_owned(),
            ),
            Class::Missing | Class::Exists | Class::Busy | Class::Unchanged | Class::Invalid => None,
        }
    }
}

/// Actions that `template.yaml` allows only on what carries our tag; a test compares the two.
const ALLOWED_BY_TAG: [&str; 18] = [
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateTags",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteTags",
    "ec2:RevokeSecurityGroupIngress",
    "elasticache:CreateSnapshot",
    "elasticache:DecreaseReplicaCount",
    "elasticache:DeleteReplicationGroup",
    "elasticache:IncreaseReplicaCount",
    "elasticache:ModifyReplicationGroup",
    "elasticache:ModifyReplicationGroupShardConfiguration",
    "secretsmanager:DeleteSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    "secretsmanager:TagResource",
    "secretsmanager:UntagResource",
    "secretsmanager:UpdateSecret",
    "secretsmanager:UpdateSecretVersionStage",
];

/// What AWS puts before the action that it denies.
const DENIED_ACTION: &str = "not authorized to perform: ";

/// The cause at the bottom, which says most about a broken connection.
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Whether a code says that there were too many calls: the SDK's own list, and the last one, which ElastiCache declares.
pub(super) fn is_throttling_code(code: &str) -> bool {
    matches!(
        code,
        "Throttling"
            | "ThrottlingException"
            | "RequestLimitExceeded"
            | "ThrottledException"
            | "EC2ThrottledException"
            | "TooManyRequestsException"
            | "RequestThrottled"
            | "RequestThrottledException"
            | "PriorRequestNotComplete"
            | "TransactionInProgressException"
            | "BandwidthLimitExceeded"
            | "SlowDown"
            | "APICallRateForCustomerExceeded"
    )
}

/// What the services answer a call that they cannot tell for one of this function's: ElastiCache and the others of the
/// query protocol (EC2-UG and EC-API "Common errors"), those of the JSON protocols, which end in `Exception`, and S3's.
const UNAUTHENTICATED: [&str; 16] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "RequestExpired",
    "RequestInTheFutureException",
    "RequestTimeTooSkewed",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// What each code means. Codes are the strings on the wire, which only partly end in `Fault`.
fn classify(code: &str, message: &str, status: Option<u16>) -> Class {
    match code {
        "ReplicationGroupNotFoundFault"
        | "CacheClusterNotFound"
        | "CacheSubnetGroupNotFoundFault"
        | "CacheParameterGroupNotFound"
        | "SnapshotNotFoundFault"
        | "InvalidGroup.NotFound"
        | "ResourceNotFoundException"
        | "ResourceNotFound"
        // The first cache of an account makes ElastiCache's role, which takes a moment to be there.
        | "ServiceLinkedRoleNotFoundFault" => Class::Missing,
        "ReplicationGroupAlreadyExists"
        | "CacheSubnetGroupAlreadyExists"
        | "CacheParameterGroupAlreadyExists"
        | "SnapshotAlreadyExistsFault"
        | "InvalidGroup.Duplicate"
        | "InvalidPermission.Duplicate"
        | "ResourceExistsException" => Class::Exists,
        "InvalidReplicationGroupState"
        | "InvalidCacheClusterState"
        | "InvalidCacheParameterGroupState"
        | "InvalidUserGroupState"
        | "InvalidSnapshotState"
        | "CacheSubnetGroupInUse"
        | "DependencyViolation"
        | "InvalidGroup.InUse"
        | "ConcurrentTagAccess" => Class::Busy,
        // Secrets Manager's word for a secret that waits for its deletion, among other things.
        "InvalidRequestException" if message.contains("deletion") || message.contains("deleted") => Class::Busy,
        "NoOperationFault" | "InvalidPermission.NotFound" | "TagNotFound" => Class::Unchanged,
        "InvalidParameterCombination" if message.contains("No modifications were requested") => Class::Unchanged,
        code if is_throttling_code(code) => Class::Throttled,
        code if UNAUTHENTICATED.contains(&code) => Class::Unauthenticated,
        "AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation" | "NotAuthorized" => Class::Denied,
        "InsufficientCacheClusterCapacity" => Class::Capacity,
        "LimitExceeded"
        | "LimitExceededException"
        | "SecurityGroupLimitExceeded"
        | "RulesPerSecurityGroupLimitExceeded" => Class::Quota,
        "InternalFailure"
        | "InternalServiceError"
        | "InternalError"
        | "ServiceUnavailable"
        | "Unavailable"
        | "RequestTimeout"
        | "RequestTimeoutException"
        | "RequestAbortedException" => Class::Unavailable,
        _ if code.contains("Quota") && code.contains("Exceeded") => Class::Quota,
        _ => match status {
            Some(429) => Class::Throttled,
            Some(403) => Class::Denied,
            Some(status) if status < 500 => Class::Invalid,
            Some(_) | None => Class::Unavailable,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_the_action_that_is_missing() {
        let advice = |message: &str| {
            let fault = Fault::answered("secretsmanager:CreateSecret", "s", "AccessDeniedException", message, 400);
            fault.advice().unwrap()
        };
        let depends = "User: u is not authorized to perform: kms:GenerateDataKey on resource: k";
        assert_eq!(advice(depends), "allow kms:GenerateDataKey in the function's role");
        for says_nothing in ["", "You are not authorized to perform this operation.", "not authorized to perform: "] {
            assert_eq!(advice(says_nothing), "allow secretsmanager:CreateSecret in the function's role");
        }
    }

    #[test]
    fn the_table_knows_the_uneven_codes() {
        let cases = [
            ("ReplicationGroupNotFoundFault", Class::Missing),
            ("CacheSubnetGroupInUse", Class::Busy),
            ("TagNotFound", Class::Unchanged),
            ("NodeQuotaForCustomerExceeded", Class::Quota),
            ("ClusterQuotaForCustomerExceeded", Class::Quota),
            ("APICallRateForCustomerExceeded", Class::Throttled),
            ("InvalidParameterValue", Class::Invalid),
            ("RequestTimeoutException", Class::Unavailable),
            ("NotAuthorized", Class::Denied),
        ];
        for (code, class) in cases {
            assert_eq!(classify(code, "", Some(400)), class, "{code}");
        }
        assert_eq!(classify("", "", Some(500)), Class::Unavailable);
        assert_eq!(classify("", "", None), Class::Unavailable);
        let nothing = "No modifications were requested";
        assert_eq!(classify("InvalidParameterCombination", nothing, Some(400)), Class::Unchanged);
    }
}
