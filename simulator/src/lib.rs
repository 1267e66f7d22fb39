//! A local AWS for the `Custom::ElastiCache` resource.
//!
//! It speaks the wire protocols of ElastiCache, EC2 and CloudFormation (query/XML), CloudWatch (CBOR and JSON), Secrets
//! Manager, Lambda and the Price List (JSON), the Lambda Runtime API, and it plays CloudFormation. The same state machine runs in two ways:
//!
//! * over loopback HTTP ([`http`]), in real time that may be sped up, for compiled binaries and the AWS CLI;
//! * in process ([`in_process`]), under the real SDK client with tokio's virtual time, for tests.
//!
//! ```text
//! http ───────┐                                            ┌─> elasticache ──wanted nodes──> nodes (real Valkey)
//!             ├─> gateway: service, rights, faults, journal ├─> ec2
//! in_process ─┘        (policy)  (faults)  (journal)        ├─> secrets_manager, cloudwatch, price_list
//!                                                           └─> lambda, cloudformation (response URL)
//! ```
//!
//! Every service is synchronous code over [`world::World`]: given a call and the time it changes the state and answers.
//! Nothing in a service sleeps; what takes time is a due date that [`world::World::advance`] acts on.

pub mod aws_cli;
pub mod clock;
pub mod cloudformation;
pub mod cloudwatch;
pub mod ec2;
pub mod elasticache;
pub mod faults;
pub mod gateway;
pub mod http;
pub mod in_process;
pub mod journal;
pub mod lambda;
pub mod ledger;
pub mod local_aws;
pub mod nodes;
pub mod policy;
pub mod price_list;
pub mod readings;
pub mod secrets_manager;
mod sts;
pub mod wire;
pub mod world;

pub use local_aws::LocalAws;
