//! What nothing public says about AWS, and where the function must be right either way.
//!
//! Each field is one such question. Its default is what the rest of the tests run on; tests of the matter itself run every
//! answer. They are set in [`World::readings`](crate::world::World::readings).

/// The answers that this local AWS gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    /// Which changes of a token move `AuthTokenLastModifiedDate`.
    pub token_date: TokenDate,
    /// What a SET with the only token, which clients need already, is answered with.
    pub repeated_set: RepeatedSet,
    /// Where an event carries `ServiceTimeout`.
    pub service_timeout: ServiceTimeoutPlace,
    /// What the way back from cluster mode compatible needs.
    pub way_back: WayBack,
    /// How `kms:ViaService` names a service.
    pub via_service: ViaService,
    /// What `DescribeStackResource` says of a resource that is gone.
    pub gone_resources: GoneResources,
    /// What `ListTagsForResource` says of a group that is being made or deleted.
    pub unlisted_tags: UnlistedTags,
}

/// What `ListTagsForResource` says of a group that is being made or deleted. Both were seen, the second of clusters on their
/// way out (ansible-collections/community.aws #1777).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnlistedTags {
    /// `InvalidReplicationGroupState`.
    #[default]
    InvalidState,
    /// `CacheClusterNotFound`.
    ClusterNotFound,
}

/// What the way back from cluster mode compatible to disabled needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WayBack {
    /// `ClusterMode` alone is enough where the parameter group fits.
    #[default]
    Alone,
    /// The call must name a parameter group too.
    WithGroup,
}

/// How `kms:ViaService` names a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ViaService {
    /// `<service>.<region>.amazonaws.com`.
    #[default]
    Com,
    /// `<service>.<region>.amazonaws.com.cn`, as other names in China.
    ComCn,
}

impl ViaService {
    /// The value of the condition key.
    #[must_use]
    pub fn of(self, service: &str, region: &str) -> String {
        let end = match self {
            ViaService::Com => "amazonaws.com",
            ViaService::ComCn => "amazonaws.com.cn",
        };
        format!("{service}.{region}.{end}")
    }
}

/// What `DescribeStackResource` says of a resource that is gone from its stack. Recorded runs say that it does not exist,
/// of stacks that stand; of deleted stacks, which are known by id for 90 days, there is no record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GoneResources {
    /// It does not exist.
    #[default]
    Unknown,
    /// It is shown as `DELETE_COMPLETE`.
    Listed,
}

/// Which changes of a token move `AuthTokenLastModifiedDate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenDate {
    /// ROTATE and SET.
    #[default]
    EveryChange,
    /// ROTATE alone: a SET brings in no token.
    Rotate,
}

/// What a SET with the only token is answered with. The guide allows a SET after a ROTATE only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RepeatedSet {
    /// `InvalidParameterCombination`.
    #[default]
    Refused,
    /// As the first one; it changes nothing.
    Accepted,
}

/// Where an event carries `ServiceTimeout`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceTimeoutPlace {
    /// Among the properties, like everything else that the template says.
    #[default]
    Properties,
    /// Next to `ResourceProperties` only.
    TopLevel,
    /// In both places.
    Both,
}
