//! What the service offers: engine versions with their parameter families, and node types.

use serde_json::json;

use super::input::Input;
use super::output::{page, tree};
use super::refusals::{cluster_not_found, group_not_found, invalid_value, missing};
use crate::world::{Answer, AwsError, Call, World};

/// One engine version on offer (facts 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// `valkey` or `redis`.
    pub engine: &'static str,
    /// The version one asks for.
    pub version: &'static str,
    /// The version that members report.
    pub full_version: &'static str,
    /// Parameter group family.
    pub family: &'static str,
}

const fn release(
    engine: &'static str,
    version: &'static str,
    full_version: &'static str,
    family: &'static str,
) -> Release {
    Release { engine, version, full_version, family }
}

/// Every version on offer, oldest first. There is no Valkey before 7.2.
pub const RELEASES: &[Release] = &[
    release("redis", "4.0.10", "4.0.10", "redis4.0"),
    release("redis", "5.0.6", "5.0.6", "redis5.0"),
    release("redis", "6.0", "6.0.5", "redis6.x"),
    release("redis", "6.2", "6.2.6", "redis6.x"),
    release("redis", "7.0", "7.0.7", "redis7"),
    release("redis", "7.1", "7.1.0", "redis7"),
    release("valkey", "7.2", "7.2.6", "valkey7"),
    release("valkey", "8.0", "8.0.1", "valkey8"),
    release("valkey", "8.1", "8.1.0", "valkey8"),
    release("valkey", "8.2", "8.2.0", "valkey8"),
    release("valkey", "9.0", "9.0.0", "valkey9"),
    release("valkey", "9.1", "9.1.0", "valkey9"),
];

impl Release {
    /// The default parameter group of its family.
    #[must_use]
    pub fn default_parameter_group(&self, cluster: bool) -> String {
        format!("default.{}{}", self.family, if cluster { ".cluster.on" } else { "" })
    }

    /// Major, minor and patch for comparisons within an engine.
    #[must_use]
    pub fn number(&self) -> (u32, u32, u32) {
        let mut parts = self.full_version.split('.').map(|part| part.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        (next(), next(), next())
    }

    /// Whether transport encryption and cluster mode can be changed on a running cache (facts 3.6, 3.7).
    #[must_use]
    pub fn changes_encryption_in_place(&self) -> bool {
        self.engine == "valkey" || self.number() >= (7, 0, 5)
    }
}

/// The version that is used when none is given: what AWS picks is not documented, so the newest that has been out for long.
#[must_use]
pub fn default_release(engine: &str) -> Option<Release> {
    let version = if engine == "valkey" { "8.2" } else { "7.1" };
    RELEASES.iter().copied().find(|release| release.engine == engine && release.version == version)
}

/// The release that a request names.
pub(super) fn requested_release(engine: &str, version: Option<&str>) -> Result<Release, AwsError> {
    let of_engine = || RELEASES.iter().copied().filter(|release| release.engine == engine);
    if of_engine().next().is_none() {
        return Err(invalid_value(format!("The parameter Engine must be redis or valkey, not {engine}.")));
    }
    let Some(version) = version else {
        return default_release(engine).ok_or_else(|| missing("EngineVersion"));
    };
    if let Some(found) = of_engine().find(|release| release.version == version) {
        return Ok(found);
    }
    if let Some(found) = of_engine().find(|release| version.starts_with(&format!("{}.", release.version))) {
        return Err(invalid_value(format!(
            "Specific version selection is not allowed for '{version}', please use '{}'.",
            found.version
        )));
    }
    Err(invalid_value(format!("Version {version} is not a valid version for engine {engine}.")))
}

/// The family with this name, as its newest release.
pub(super) fn family(name: &str) -> Option<Release> {
    RELEASES.iter().rev().copied().find(|release| release.family == name)
}

/// Families in order, each once.
pub(super) fn families() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = RELEASES.iter().map(|release| release.family).collect();
    names.dedup();
    names
}

/// A node type on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeType {
    /// `cache.t4g.micro`
    pub name: String,
    /// `t4g`
    pub family: &'static str,
    /// Memory in MiB, for what is bigger than what.
    pub memory_mib: u32,
}

const SIZES: [(&str, u32); 7] =
    [("large", 1), ("xlarge", 2), ("2xlarge", 4), ("4xlarge", 8), ("8xlarge", 16), ("12xlarge", 24), ("16xlarge", 32)];

/// Families that start at `large`, with the memory of that size; bigger sizes are multiples of it.
const LARGE_FAMILIES: [(&str, u32); 9] = [
    ("c7gn", 3164),
    ("m6g", 6533),
    ("m7g", 6533),
    ("m8g", 6953),
    ("r6g", 13384),
    ("r6gd", 13384),
    ("r7g", 13384),
    ("r8g", 14520),
    ("c8gn", 3164),
];

/// Every node type on offer; no new t2 (facts 3.2).
#[must_use]
pub fn node_types() -> Vec<NodeType> {
    let mut all = Vec::new();
    for family in ["t3", "t4g"] {
        for (size, memory_mib) in [("micro", 512), ("small", 1403), ("medium", 3164)] {
            all.push(NodeType { name: format!("cache.{family}.{size}"), family, memory_mib });
        }
    }
    for (family, large) in LARGE_FAMILIES {
        // Data tiering starts at xlarge.
        for (size, factor) in SIZES.into_iter().skip(usize::from(family == "r6gd")) {
            all.push(NodeType { name: format!("cache.{family}.{size}"), family, memory_mib: large * factor });
        }
    }
    all
}

impl NodeType {
    /// Whether part of its data lives on SSD.
    #[must_use]
    pub fn tiers_data(&self) -> bool {
        self.family == "r6gd"
    }

    /// Whether the engine runs on it: the eighth generation came for Valkey only.
    #[must_use]
    pub fn runs(&self, engine: &str) -> bool {
        engine == "valkey" || !matches!(self.family, "m8g" | "r8g" | "c8gn")
    }

    /// Whether durability is offered on it (facts 3.7).
    #[must_use]
    pub fn durable(&self) -> bool {
        matches!(self.family, "r8g" | "r7g" | "r6g" | "m8g" | "m7g" | "m6g" | "c8gn" | "c7gn")
    }
}

/// The node type that a request names.
pub(super) fn requested_node_type(name: &str, engine: &str) -> Result<NodeType, AwsError> {
    node_types()
        .into_iter()
        .find(|node_type| node_type.name == name && node_type.runs(engine))
        .ok_or_else(|| invalid_value(format!("The parameter CacheNodeType is invalid: {name} for engine {engine}.")))
}

pub(super) fn describe_engine_versions(_world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let default_only = input.flag("DefaultOnly")?.unwrap_or(false);
    let fits = |release: &&Release| {
        input.text("Engine").is_none_or(|engine| engine == release.engine)
            && input.text("EngineVersion").is_none_or(|v| v == release.version || v == release.full_version)
            && input.text("CacheParameterGroupFamily").is_none_or(|family| family == release.family)
            && (!default_only || default_release(release.engine) == Some(**release))
    };
    let versions = RELEASES
        .iter()
        .filter(fits)
        .map(|release| {
            let product = if release.engine == "valkey" { "Valkey" } else { "Redis" };
            json!({
                "Engine": release.engine,
                "EngineVersion": release.version,
                "CacheParameterGroupFamily": release.family,
                "CacheEngineDescription": product,
                "CacheEngineVersionDescription": format!("{product} version {}", release.full_version),
            })
        })
        .collect();
    page(input, "CacheEngineVersions", "CacheEngineVersion", versions, 100)
}

pub(super) fn list_allowed_node_type_modifications(world: &mut World, call: &Call) -> Answer {
    let input = Input(&call.params);
    let cache = &world.elasticache;
    let group = match (input.text("ReplicationGroupId"), input.text("CacheClusterId")) {
        (Some(id), _) => cache.groups.get(&id.to_ascii_lowercase()).ok_or_else(|| group_not_found(id))?,
        (None, Some(id)) => cache.group_of_member(&id.to_ascii_lowercase()).ok_or_else(|| cluster_not_found(id))?,
        (None, None) => return Err(missing("ReplicationGroupId")),
    };
    let all = node_types();
    let Some(current) = all.iter().find(|node_type| node_type.name == group.node_type) else {
        return Err(invalid_value(format!("Unknown node type {}.", group.node_type)));
    };
    let names = |bigger: bool| -> Vec<&str> {
        all.iter()
            .filter(|other| other.runs(&group.engine) && other.tiers_data() == current.tiers_data())
            .filter(|other| other.name != current.name && (other.memory_mib >= current.memory_mib) == bigger)
            .map(|other| other.name.as_str())
            .collect()
    };
    Ok(tree(json!({
        "ScaleUpModifications": { "member": names(true) },
        "ScaleDownModifications": { "member": names(false) },
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_on_offer() {
        assert_eq!(requested_release("valkey", Some("8.2")).unwrap().full_version, "8.2.0");
        assert!(requested_release("valkey", Some("7.1")).is_err());
        assert!(requested_release("memcached", None).is_err());
        let specific = requested_release("redis", Some("7.1.0")).unwrap_err();
        assert!(specific.message.contains("please use '7.1'"), "{specific}");
    }

    #[test]
    fn node_types_know_their_engines() {
        assert!(requested_node_type("cache.r8g.large", "valkey").is_ok());
        assert!(requested_node_type("cache.r8g.large", "redis").is_err());
        assert!(requested_node_type("cache.t2.micro", "redis").is_err());
        assert!(requested_node_type("cache.r6gd.large", "redis").is_err());
    }
}
