//! Engines, their versions and parameter group families: pure.
//!
//! Versions are those that ElastiCache offers in the CloudFormation schemas of 2026-10; families follow the user
//! guide's "Engine specific parameters". A version that is newer than this list is accepted when its major version is
//! known, because AWS adds minor versions without notice.

use std::cmp::Ordering;
use std::fmt;

use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// The engine of a replication group; its words are the API's, read in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum Engine {
    /// Valkey, the Linux Foundation's fork of Redis.
    Valkey,
    /// Redis OSS.
    Redis,
}

impl Engine {
    /// Version used when the template names none.
    #[must_use]
    pub fn default_version(self) -> Version {
        match self {
            Engine::Valkey => Version::new(8, 2),
            Engine::Redis => Version::new(7, 1),
        }
    }

    /// Versions that can be created today.
    #[must_use]
    pub fn offered(self) -> &'static [&'static str] {
        match self {
            Engine::Valkey => &["7.2", "8.0", "8.1", "8.2", "9.0", "9.1"],
            Engine::Redis => &["4.0.10", "5.0.6", "6.0", "6.2", "7.0", "7.1"],
        }
    }

    /// Why ElastiCache has no such version of this engine, with what to write instead; `None` when it has.
    #[must_use]
    pub fn version_defect(self, version: &Version) -> Option<(String, String)> {
        let offered = self.offered();
        let known = offered.iter().filter_map(|text| Version::parse(text)).collect::<Vec<_>>();
        let newest_minor = known.iter().filter(|v| v.major == version.major).map(|v| v.minor).max();
        if known.iter().any(|k| version.matches(k) || k.matches(version))
            || newest_minor.is_some_and(|m| version.minor > m)
        {
            return None;
        }
        let other = match self {
            Engine::Valkey => Engine::Redis,
            Engine::Redis => Engine::Valkey,
        };
        let belongs_to_other = other.offered().iter().filter_map(|t| Version::parse(t)).any(|v| v.matches(version));
        let rule = if belongs_to_other {
            format!("ElastiCache has no {self} {version}; {version} is a {} version", other.title())
        } else {
            format!("ElastiCache has no {self} {version}")
        };
        let lowest = offered.first().copied().unwrap_or_default();
        let fix = format!("use {lowest} or a later one of {}", offered.join(", "));
        Some((rule, fix))
    }

    /// Why a new group cannot ask for this version although there is one like it, with what to write instead: ElastiCache
    /// takes the patch number of its oldest versions and chooses that of the others. `None` when it can.
    #[must_use]
    pub fn precision_defect(self, version: &Version) -> Option<(String, String)> {
        let mut offered = self.offered().iter().filter_map(|text| Version::parse(text));
        let like = offered.find(|known| (known.major, known.minor) == (version.major, version.minor));
        let wanted = like.unwrap_or_else(|| Version::new(version.major, version.minor));
        let rule = match (wanted.patch, version.patch) {
            (None, Some(_)) => "names a patch version, which ElastiCache chooses itself".to_owned(),
            (Some(_), patch) if patch != wanted.patch => format!("ElastiCache offers only {wanted} of this version"),
            (_, _) => return None,
        };
        Some((rule, format!("write {wanted}")))
    }

    /// The engine's name in sentences.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Engine::Valkey => "Valkey",
            Engine::Redis => "Redis OSS",
        }
    }
}

/// An engine version as templates give it (`8.2`) or as AWS reports it (`8.2.0`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number, if given.
    pub patch: Option<u32>,
}

impl Version {
    /// Whether this is a later version than `other`, as far as both say.
    #[must_use]
    pub fn is_newer_than(&self, other: &Version) -> bool {
        let later_patch = self.patch.zip(other.patch).is_some_and(|(own, other)| own > other);
        match (self.major, self.minor).cmp(&(other.major, other.minor)) {
            Ordering::Greater => true,
            Ordering::Equal => later_patch,
            Ordering::Less => false,
        }
    }

    /// A version without a patch number.
    #[must_use]
    pub fn new(major: u32, minor: u32) -> Version {
        Version { major, minor, patch: None }
    }

    /// Reads `x.y` or `x.y.z`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Version> {
        let mut parts = text.split('.').map(|part| part.parse::<u32>().ok());
        let (major, minor) = (parts.next()??, parts.next()??);
        let patch = match parts.next() {
            Some(patch) => Some(patch?),
            None => None,
        };
        parts.next().is_none().then_some(Version { major, minor, patch })
    }

    /// Whether `self`, a full or short version, is the `wanted` one: equal as far as `wanted` says.
    #[must_use]
    pub fn matches(&self, wanted: &Version) -> bool {
        (self.major, self.minor) == (wanted.major, wanted.minor)
            && (wanted.patch.is_none() || self.patch == wanted.patch)
    }

    /// Parameter group family of an engine version.
    #[must_use]
    pub fn family(&self, engine: Engine) -> String {
        match (engine, self.major) {
            (Engine::Valkey, major) => format!("valkey{major}"),
            (Engine::Redis, 6) => "redis6.x".to_owned(),
            (Engine::Redis, major @ 7..) => format!("redis{major}"),
            (Engine::Redis, major) => format!("redis{major}.{}", self.minor),
        }
    }

    /// Whether this version of an engine has a feature. Where ElastiCache chooses the patch number, it chooses the newest.
    #[must_use]
    pub fn has(&self, engine: Engine, feature: Feature) -> bool {
        let since = feature.since(engine);
        since.is_some_and(|since| (self.major, self.minor, self.patch.unwrap_or(u32::MAX)) >= since)
    }
}

/// What not every version has, or lets change in a standing group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are named for what the user guide calls them")]
pub enum Feature {
    TlsChange,
    ClusterModeChange,
    Ipv6,
    SlowLog,
    EngineLog,
    DataTiering,
    UserGroups,
    Durability,
}

impl Feature {
    /// The first version of an engine that has it; `None` when no version has. From the user guide: "Enabling in-transit
    /// encryption", "Modifying cluster mode", "Choosing a network type", "Log delivery", "Data tiering", "Role-Based Access
    /// Control", "Durability".
    fn since(self, engine: Engine) -> Option<(u32, u32, u32)> {
        match (engine, self) {
            (Engine::Valkey, Feature::Durability) => Some((9, 0, 0)),
            (Engine::Valkey, _) => Some((7, 2, 0)),
            (Engine::Redis, Feature::TlsChange) => Some((7, 0, 5)),
            (Engine::Redis, Feature::ClusterModeChange) => Some((7, 0, 0)),
            (Engine::Redis, Feature::Ipv6 | Feature::EngineLog | Feature::DataTiering) => Some((6, 2, 0)),
            (Engine::Redis, Feature::SlowLog | Feature::UserGroups) => Some((6, 0, 0)),
            (Engine::Redis, Feature::Durability) => None,
        }
    }

    /// What a message says that it needs, and the versions to raise `EngineVersion` to.
    #[must_use]
    pub fn needs(self) -> String {
        let text = |(major, minor, patch): (u32, u32, u32)| match patch {
            0 => format!("{major}.{minor}"),
            _ => format!("{major}.{minor}.{patch}"),
        };
        match (self.since(Engine::Redis), self.since(Engine::Valkey)) {
            (Some(redis), _) => format!("needs Redis OSS {} or later, or Valkey", text(redis)),
            (None, Some(valkey)) => format!("needs Valkey {} or later", text(valkey)),
            (None, None) => "is in no version".to_owned(),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        self.patch.map_or(Ok(()), |patch| write!(f, ".{patch}"))
    }
}

/// Every family that a parameter group of ours can have, for finding them all again on Delete.
pub const FAMILIES: &[&str] =
    &["valkey7", "valkey8", "valkey9", "redis7", "redis6.x", "redis5.0", "redis4.0", "valkey10", "redis8"];

#[cfg(test)]
mod tests {
    use super::*;

    fn defect(engine: Engine, version: &str) -> Option<(String, String)> {
        engine.version_defect(&Version::parse(version).unwrap())
    }

    #[test]
    fn valkey_7_1_is_refused_as_a_redis_version_with_the_lowest_legal_one() {
        let (rule, fix) = defect(Engine::Valkey, "7.1").unwrap();
        assert!(rule.contains("7.1 is a Redis OSS version"), "{rule}");
        assert!(fix.contains("use 7.2"), "{fix}");
    }

    #[test]
    fn offered_and_newer_minor_versions_pass() {
        for (engine, version) in
            [(Engine::Valkey, "8.2"), (Engine::Valkey, "7.2.6"), (Engine::Valkey, "9.7"), (Engine::Redis, "7.1")]
        {
            assert_eq!(defect(engine, version), None, "{engine} {version}");
        }
        assert!(defect(Engine::Redis, "3.2").is_some());
        assert!(defect(Engine::Valkey, "12.0").is_some());
    }

    #[test]
    fn only_the_oldest_versions_are_asked_for_with_their_patch_number() {
        let fix = |engine: Engine, text: &str| {
            let defect = engine.precision_defect(&Version::parse(text).unwrap());
            defect.map(|(_, fix)| fix)
        };
        let write = |version: &str| Some(format!("write {version}"));
        for (engine, text, expected) in [
            (Engine::Valkey, "7.2", None),
            (Engine::Valkey, "7.2.6", write("7.2")),
            (Engine::Valkey, "9.7.1", write("9.7")),
            (Engine::Redis, "7.0.5", write("7.0")),
            (Engine::Redis, "5.0.6", None),
            (Engine::Redis, "5.0", write("5.0.6")),
            (Engine::Redis, "4.0.9", write("4.0.10")),
        ] {
            assert_eq!(fix(engine, text), expected, "{engine} {text}");
        }
    }

    #[test]
    fn features_come_with_their_version() {
        let has = |engine, text: &str, feature| Version::parse(text).unwrap().has(engine, feature);
        for (feature, without, with) in [
            (Feature::TlsChange, "7.0.4", "7.0"),
            (Feature::ClusterModeChange, "6.2", "7.0"),
            (Feature::Ipv6, "6.0", "6.2"),
            (Feature::SlowLog, "5.0.6", "6.0"),
            (Feature::EngineLog, "6.0", "6.2"),
            (Feature::DataTiering, "6.0", "6.2"),
            (Feature::UserGroups, "5.0.6", "6.0"),
        ] {
            assert!(!has(Engine::Redis, without, feature), "{feature:?}");
            assert!(has(Engine::Redis, with, feature) && has(Engine::Valkey, "7.2", feature), "{feature:?}");
        }
        assert!(!has(Engine::Redis, "7.1", Feature::Durability) && !has(Engine::Valkey, "8.2", Feature::Durability));
        assert!(has(Engine::Valkey, "9.0", Feature::Durability));
        assert_eq!(Feature::EngineLog.needs(), "needs Redis OSS 6.2 or later, or Valkey");
        assert_eq!(Feature::Durability.needs(), "needs Valkey 9.0 or later");
    }

    #[test]
    fn families_follow_the_guide() {
        let family = |engine, text: &str| Version::parse(text).unwrap().family(engine);
        assert_eq!(family(Engine::Valkey, "7.2"), "valkey7");
        assert_eq!(family(Engine::Valkey, "8.2.0"), "valkey8");
        assert_eq!(family(Engine::Redis, "7.1"), "redis7");
        assert_eq!(family(Engine::Redis, "6.2"), "redis6.x");
        assert_eq!(family(Engine::Redis, "5.0.6"), "redis5.0");
    }

    #[test]
    fn a_reported_version_matches_as_far_as_the_wanted_one_says() {
        let v = |text: &str| Version::parse(text).unwrap();
        assert!(v("7.2.6").matches(&v("7.2")));
        assert!(!v("7.2.6").matches(&v("7.2.5")));
        assert!(!v("8.0.1").matches(&v("8.1")));
        assert_eq!(Version::parse("8"), None);
        assert_eq!(Version::parse("8.x"), None);
    }
}
