//! Properties that take one of a few words: pure.

/// IP versions of the cluster's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum NetworkType {
    Ipv4,
    Ipv6,
    DualStack,
}

/// IP version that discovery answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum IpDiscovery {
    Ipv4,
    Ipv6,
}

/// Whether the group speaks the cluster protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum ClusterMode {
    #[default]
    Disabled,
    Compatible,
    Enabled,
}

/// Whether plain connections are accepted along with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum TransitEncryptionMode {
    Preferred,
    Required,
}

/// What happens on a change that AWS cannot make in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacementPolicy {
    /// The update fails before anything is changed.
    Refuse,
    /// A new group is restored from a snapshot of the old one.
    Snapshot,
    /// A new, empty group.
    Empty,
}

impl NetworkType {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            NetworkType::Ipv4 => "ipv4",
            NetworkType::Ipv6 => "ipv6",
            NetworkType::DualStack => "dual_stack",
        }
    }
}

impl IpDiscovery {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            IpDiscovery::Ipv4 => "ipv4",
            IpDiscovery::Ipv6 => "ipv6",
        }
    }
}

impl ClusterMode {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ClusterMode::Disabled => "disabled",
            ClusterMode::Compatible => "compatible",
            ClusterMode::Enabled => "enabled",
        }
    }
}

impl TransitEncryptionMode {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TransitEncryptionMode::Preferred => "preferred",
            TransitEncryptionMode::Required => "required",
        }
    }
}
