//! The whole state of one local AWS account in one region.

use serde_json::Value;

use crate::clock::Time;
use crate::cloudformation::CloudFormation;
use crate::cloudwatch::CloudWatch;
use crate::ec2::Ec2;
use crate::elasticache::ElastiCache;
use crate::price_list::PriceList;
use crate::readings::Readings;
use crate::secrets_manager::SecretsManager;

/// The account that everything belongs to.
pub const ACCOUNT: &str = "123456789012";
/// The region that everything is in.
pub const REGION: &str = "us-east-1";

/// One API call, decoded from its wire form.
#[derive(Clone, Debug)]
pub struct Call {
    /// The operation, such as `CreateReplicationGroup`.
    pub action: String,
    /// Input as a tree. Query parameters `A.B.1.C=x` become `{"A": {"B": [{"C": "x"}]}}`, all leaves strings; a JSON
    /// body is taken as it is.
    pub params: Value,
    /// The moment at which AWS handles the call.
    pub now: Time,
}

/// What a service answers: the output as a tree (an array under key `K` is rendered in XML as repeated `<K>`
/// elements, so `{"Tags": {"Tag": [..]}}`), or an error.
pub type Answer = Result<Value, AwsError>;

/// An error as AWS sends it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} ({status}): {message}")]
pub struct AwsError {
    /// HTTP status.
    pub status: u16,
    /// The string in `<Code>` or `__type`.
    pub code: String,
    /// The text for people.
    pub message: String,
}

impl AwsError {
    /// An error with status 400, as almost all are.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> AwsError {
        AwsError { status: 400, code: code.into(), message: message.into() }
    }

    /// An error with status 404, which some not-found codes use.
    pub fn not_found(code: impl Into<String>, message: impl Into<String>) -> AwsError {
        AwsError { status: 404, code: code.into(), message: message.into() }
    }
}

/// One permission that a call needs: the policy must allow `action` on `resource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Right {
    /// IAM action, such as `elasticache:CreateReplicationGroup`.
    pub action: String,
    /// ARN, or `*` for actions without resource-level permissions.
    pub resource: String,
    /// Condition keys present in the request, such as `iam:AWSServiceName`.
    pub context: Vec<(String, String)>,
}

impl Right {
    /// A permission without condition keys.
    pub fn new(action: impl Into<String>, resource: impl Into<String>) -> Right {
        Right { action: action.into(), resource: resource.into(), context: Vec::new() }
    }
}

/// All services of the account. A call may look into other services (a replication group holds a security group, a
/// subnet group names subnets), so services get the whole world.
#[derive(Debug, Default)]
pub struct World {
    /// ElastiCache.
    pub elasticache: ElastiCache,
    /// EC2: networks and security groups.
    pub ec2: Ec2,
    /// Secrets Manager.
    pub secrets: SecretsManager,
    /// CloudWatch: alarms.
    pub cloudwatch: CloudWatch,
    /// The Price List.
    pub prices: PriceList,
    /// What CloudFormation's API tells.
    pub cloudformation: CloudFormation,
    /// What nothing public says, as this account has it.
    pub readings: Readings,
}

impl World {
    /// Everything that has become due by `now` happens, in order of its due date.
    pub fn advance(&mut self, now: Time) {
        ElastiCache::advance(self, now);
        SecretsManager::advance(self, now);
    }
}
