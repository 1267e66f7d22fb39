//! Properties that take one of a few words: pure.
//!
//! The words come from the names of the variants, so that the reader, the schemas and the calls to AWS write the same.

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// One of a few words, which a template may write in any case.
pub(super) trait Choice: Copy + Into<&'static str> + VariantArray {}

impl<T: Copy + Into<&'static str> + VariantArray> Choice for T {}

/// IP versions of the cluster's network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum NetworkType {
    #[default]
    Ipv4,
    Ipv6,
    DualStack,
}

/// IP version that discovery answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum IpDiscovery {
    Ipv4,
    Ipv6,
}

/// Whether the group speaks the cluster protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum ClusterMode {
    #[default]
    Disabled,
    Compatible,
    Enabled,
}

/// Whether plain connections are accepted along with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum TransitEncryptionMode {
    Preferred,
    Required,
}

/// What the counts of the template mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
pub enum CountPolicy {
    /// So many shards and replicas, no more and no fewer.
    #[default]
    Exact,
    /// At least so many; those that something else added stay.
    Minimum,
}

/// What happens on a change that AWS cannot make in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
pub enum ReplacementPolicy {
    /// The update fails before anything is changed.
    Refuse,
    /// A new group is restored from a snapshot of the old one.
    Snapshot,
    /// A new, empty group.
    Empty,
}

/// A log of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum LogType {
    SlowLog,
    EngineLog,
}

/// What takes a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum DestinationType {
    CloudwatchLogs,
    KinesisFirehose,
}

/// How the lines of a log are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum LogFormat {
    Text,
    Json,
}
