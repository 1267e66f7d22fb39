//! The CloudFormation side of the contract; knows nothing of ElastiCache.

pub mod properties;
pub mod reason;
pub mod request;
pub mod response;
pub mod unresolved;
