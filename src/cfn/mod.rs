//! The CloudFormation side of the contract; knows nothing of ElastiCache.

pub mod reason;
pub mod request;
pub mod resource_properties;
pub mod response;
pub mod signed_at;
pub mod unresolved;
