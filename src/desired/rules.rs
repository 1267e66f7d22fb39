//! Which properties go together: pure. One function per group of `docs/properties.md`.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::parts::{Purpose, Topology};
use crate::domain::engine::{Engine, Feature, Version};
use crate::domain::names;
use crate::domain::problem::Problem;
use crate::domain::tags::TAG_PREFIX;
use crate::domain::window::Window;
use crate::properties::{
    ClusterMode, CountPolicy, DestinationType, IpDiscovery, LogType, NetworkType, Properties, TagProperties,
    TransitEncryptionMode,
};

/// Tags that AWS allows on a resource, less those that we add ourselves.
const MAX_TAGS: usize = 50 - 10;
/// Subnets that AWS allows in a subnet group.
const MAX_SUBNETS: usize = 20;
/// Nodes that AWS allows in one group, with the quota raised.
const MAX_NODES: i32 = 500;
/// Hash slots of a sharded group.
const SLOTS: u32 = 16384;

/// Checks everything that can be said without asking AWS.
pub(super) fn check(p: &Properties, purpose: Purpose<'_>, problems: &mut Vec<Problem>) {
    identity(p, problems);
    tags(p, problems);
    network(p, problems);
    engine(p, purpose, problems);
    node_type(p, problems);
    parameters(p, problems);
    counts(p, purpose, problems);
    shards(p, purpose, problems);
    availability(p, problems);
    features(p, problems);
    versions(p, problems);
    at_rest(p, problems);
    token(p, problems);
    transit(p, problems);
    backup(p, purpose, problems);
    restore(p, purpose, problems);
    zones_of_nodes(p, purpose, problems);
    logs(p, problems);
    alarms(p, problems);
    count_policy(p, problems);
}

/// One node is what there is at least in any case.
fn count_policy(p: &Properties, problems: &mut Vec<Problem>) {
    let counts = [p.num_cache_nodes, p.num_node_groups, p.replicas_per_node_group];
    let says_none = counts.iter().all(Option::is_none) && p.node_group_configuration.is_none();
    if p.count_policy == Some(CountPolicy::Minimum) && says_none {
        let fix = "set NumNodeGroups and ReplicasPerNodeGroup, or NumCacheNodes";
        problems
            .push(Problem::new("CountPolicy", "needs a number of nodes to be the least", fix).with_value("Minimum"));
    }
}

fn identity(p: &Properties, problems: &mut Vec<Problem>) {
    if let Some(id) = &p.replication_group_id
        && let Some(defect) = names::id_defect(id)
    {
        let fix = "write 1 to 40 letters, digits and single hyphens, such as prod-app-cache";
        problems.push(Problem::new("ReplicationGroupId", defect, fix).with_value(id));
    }
    if let Some(text) = &p.description {
        let length = text.chars().count();
        if length > 255 {
            let rule = format!("must have at most 255 characters and has {length}");
            problems.push(Problem::new("Description", rule, "shorten it").with_value(text));
        }
        if text.contains(['<', '>']) {
            let rule = "must not hold angle brackets";
            problems.push(Problem::new("Description", rule, "remove < and >").with_value(text));
        }
    }
}

fn tags(p: &Properties, problems: &mut Vec<Problem>) {
    let mut seen = BTreeSet::new();
    for (index, TagProperties { key, value }) in p.tags.iter().enumerate() {
        let at = |part: &str| format!("Tags[{index}].{part}");
        let Some(key) = key else {
            problems.push(Problem::new(at("Key"), "is required", "name the tag"));
            continue;
        };
        for (part, text) in [("Key", Some(key)), ("Value", value.as_ref())] {
            if let Some(text) = text.filter(|text| !text.chars().all(is_tag_character)) {
                let fix = "AWS takes letters, digits, spaces and + - = . _ : / @ only";
                problems.push(Problem::new(at(part), "holds characters that no tag may have", fix).with_value(text));
            }
        }
        if key.chars().count() > 128 {
            problems.push(Problem::new(at("Key"), "must have at most 128 characters", "shorten it").with_value(key));
        }
        if value.as_ref().is_some_and(|value| value.chars().count() > 256) {
            problems.push(Problem::new(at("Value"), "must have at most 256 characters", "shorten it"));
        }
        if key.to_ascii_lowercase().starts_with("aws:") || key.starts_with(TAG_PREFIX) {
            let rule = format!("keys that start with aws: or {TAG_PREFIX} are reserved");
            problems.push(Problem::new(at("Key"), rule, "choose another key").with_value(key));
        }
        if !seen.insert(key) {
            problems.push(Problem::new(at("Key"), "is given twice", "keep one of them").with_value(key));
        }
    }
    if p.tags.len() > MAX_TAGS {
        let rule = format!("at most {MAX_TAGS} tags fit next to the ownership tags");
        problems.push(Problem::new("Tags", rule, "remove some").with_value(p.tags.len()));
    }
}

/// Whether all three services take this character in a tag: letters and digits of any script, spaces, and a few signs.
/// ElastiCache answers to any other that tagging is not available right now.
fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "+-=._:/@".contains(c)
}

fn network(p: &Properties, problems: &mut Vec<Problem>) {
    let prefixed = [
        ("SubnetIds", "subnet-", &p.subnet_ids),
        ("AllowedSecurityGroupIds", "sg-", &p.allowed_security_group_ids),
        ("SecurityGroupIds", "sg-", &p.security_group_ids),
    ];
    for (property, prefix, ids) in prefixed {
        for (index, id) in ids.iter().enumerate().filter(|(_, id)| !id.starts_with(prefix)) {
            let rule = format!("must be an id that starts with {prefix}");
            let fix = "write the id, not the name";
            problems.push(Problem::new(format!("{property}[{index}]"), rule, fix).with_value(id));
        }
    }
    if let Some(vpc) = p.vpc_id.as_ref().filter(|id| !id.starts_with("vpc-")) {
        let rule = "must be an id that starts with vpc-";
        problems.push(Problem::new("VpcId", rule, "write the id, not the name").with_value(vpc));
    }
    if p.subnet_ids.len() > MAX_SUBNETS {
        let rule = format!("a subnet group holds at most {MAX_SUBNETS} subnets");
        problems.push(Problem::new("SubnetIds", rule, "remove some").with_value(p.subnet_ids.len()));
    }
    for (index, text) in p.allowed_cidr_blocks.iter().enumerate().filter(|(_, text)| cidr(text).is_none()) {
        let fix = "write it like 10.0.0.0/16 or 2001:db8::/32";
        let problem = Problem::new(format!("AllowedCidrBlocks[{index}]"), "must be an address block", fix);
        problems.push(problem.with_value(text));
    }
    let ipv6 = matches!(p.network_type, Some(NetworkType::Ipv6 | NetworkType::DualStack));
    if p.ip_discovery == Some(IpDiscovery::Ipv6) && !ipv6 {
        let fix = "set NetworkType to ipv6 or dual_stack";
        problems.push(Problem::new("IpDiscovery", "ipv6 needs a network with IPv6", fix).with_value("ipv6"));
    }
    if p.ip_discovery == Some(IpDiscovery::Ipv4) && p.network_type == Some(NetworkType::Ipv6) {
        let fix = "set IpDiscovery to ipv6, or NetworkType to dual_stack";
        problems.push(Problem::new("IpDiscovery", "ipv4 needs a network with IPv4", fix).with_value("ipv4"));
    }
}

/// An address block without host bits, as EC2 stores it.
pub(super) fn cidr(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().map(|net| net.trunc())
}

/// Engine and version that the properties ask for; `None` when the version cannot be read.
fn version_of(p: &Properties) -> Option<(Engine, Version)> {
    let engine = p.engine.unwrap_or(Engine::Valkey);
    match &p.engine_version {
        Some(text) => Version::parse(text).map(|version| (engine, version)),
        None => Some((engine, engine.default_version())),
    }
}

fn engine(p: &Properties, purpose: Purpose<'_>, problems: &mut Vec<Problem>) {
    let engine = p.engine.unwrap_or(Engine::Valkey);
    if let Some(text) = &p.engine_version {
        match Version::parse(text) {
            None => {
                let fix = format!("write one of {}", engine.offered().join(", "));
                problems.push(Problem::new("EngineVersion", "must be like 8.2", fix).with_value(text));
            }
            Some(version) => {
                // Past the creation the template may say the version as AWS reports it.
                let precise = || purpose.makes_group().then(|| engine.precision_defect(&version)).flatten();
                if let Some((rule, fix)) = engine.version_defect(&version).or_else(precise) {
                    problems.push(Problem::new("EngineVersion", rule, fix).with_value(text));
                }
            }
        }
    }
}

/// Size of nodes unless the template says one.
pub(super) const DEFAULT_NODE_TYPE: &str = "cache.t4g.micro";

/// Whether a name has the form `cache.<family>.<size>`: a family has letters and the number of its generation. Families and
/// most sizes come and go without notice, so only what is surely none is refused.
fn is_node_type(name: &str) -> bool {
    let Some((family, size)) = name.strip_prefix("cache.").and_then(|rest| rest.split_once('.')) else { return false };
    let legal_family = family.starts_with(|c: char| c.is_ascii_alphabetic())
        && family.contains(|c: char| c.is_ascii_digit())
        && family.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let number = size.strip_suffix("xlarge");
    let legal_size = ["nano", "micro", "small", "medium", "large"].contains(&size)
        || number.is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
        || size.strip_prefix("metal").is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    legal_family && legal_size
}

fn node_type(p: &Properties, problems: &mut Vec<Problem>) {
    let engine = p.engine.unwrap_or(Engine::Valkey);
    if let Some(node_type) = &p.node_type {
        if !is_node_type(node_type) {
            let fix = "write it like cache.t4g.micro";
            problems.push(Problem::new("NodeType", "must be a cache node type", fix).with_value(node_type));
        } else if node_type.starts_with("cache.t2.") || node_type.starts_with("cache.t1.") {
            let fix = "use cache.t4g or cache.t3";
            problems.push(Problem::new("NodeType", "AWS makes no new t1 and t2 nodes", fix).with_value(node_type));
        } else if engine == Engine::Redis && VALKEY_ONLY_FAMILIES.iter().any(|f| node_type.starts_with(f)) {
            let fix = "use cache.m7g or cache.r7g, or Engine valkey";
            problems.push(Problem::new("NodeType", "is offered for Valkey only", fix).with_value(node_type));
        } else if node_type.starts_with("cache.r6gd.") && !node_type.ends_with("xlarge") {
            let fix = "use cache.r6gd.xlarge or larger";
            problems.push(Problem::new("NodeType", "r6gd nodes start at xlarge", fix).with_value(node_type));
        }
    }
}

fn parameters(p: &Properties, problems: &mut Vec<Problem>) {
    if let (Some(name), Some(_)) = (&p.parameter_group_name, &p.parameters) {
        let fix = "keep Parameters to have a group made, or ParameterGroupName to bring one";
        problems.push(Problem::new("ParameterGroupName", "excludes Parameters", fix).with_value(name));
    }
    let own_flag = p.parameters.iter().flatten().find(|(name, _)| name == CLUSTER_ENABLED);
    let wanted_flag = if topology(p).1 == ClusterMode::Disabled { "no" } else { "yes" };
    if let Some((name, value)) = own_flag.filter(|(_, value)| value != wanted_flag) {
        let rule = format!("must be {wanted_flag} with this cluster mode");
        let fix = "leave it out; NumNodeGroups and ClusterMode decide it";
        problems.push(Problem::new(format!("Parameters.{name}"), rule, fix).with_value(value));
    }
}

/// The parameter that turns the cluster protocol on.
const CLUSTER_ENABLED: &str = "cluster-enabled";

/// Node families in the price list and the guide for Valkey alone.
const VALKEY_ONLY_FAMILIES: &[&str] = &["cache.m8g.", "cache.r8g.", "cache.c8gn."];

fn counts(p: &Properties, purpose: Purpose<'_>, problems: &mut Vec<Problem>) {
    let sharded = [
        ("NumNodeGroups", p.num_node_groups.is_some()),
        ("ReplicasPerNodeGroup", p.replicas_per_node_group.is_some()),
        ("NodeGroupConfiguration", p.node_group_configuration.is_some()),
    ];
    if let Some(nodes) = p.num_cache_nodes {
        for (property, _) in sharded.iter().filter(|(_, set)| *set) {
            let rule = format!("excludes {property}");
            let fix =
                "keep NumCacheNodes for one shard (cluster mode off), or the shard properties for cluster mode on";
            problems.push(Problem::new("NumCacheNodes", rule, fix).with_value(nodes));
        }
    }
    let nodes = topology(p).0.nodes();
    if nodes > MAX_NODES {
        let property = if p.node_group_configuration.is_some() { "NodeGroupConfiguration" } else { "NumNodeGroups" };
        let rule = format!("makes {nodes} nodes with all replicas, and AWS allows {MAX_NODES}");
        problems.push(Problem::new(property, rule, "use fewer shards or replicas"));
    }
    if matches!(topology(p).0, Topology::Sharded { .. })
        && purpose.makes_group()
        && !mode_follows_parameter_group(p)
        && !p.preferred_availability_zones.is_empty()
    {
        let rule = "is for a cluster without shards";
        let fix = "name the zones of each shard in NodeGroupConfiguration";
        let zones = p.preferred_availability_zones.join(", ");
        problems.push(Problem::new("PreferredAvailabilityZones", rule, fix).with_value(zones));
    }
    if let Topology::Single { nodes } = topology(p).0
        && purpose.makes_group()
        && !p.preferred_availability_zones.is_empty()
        && p.preferred_availability_zones.len() != usize::try_from(nodes).unwrap_or_default()
    {
        let zones = p.preferred_availability_zones.len();
        let rule = format!("names {zones} zones for {nodes} nodes");
        let fix = "name one zone per node, or leave it out";
        problems.push(Problem::new("PreferredAvailabilityZones", rule, fix));
    }
}

/// The arrangement that the properties mean, with the cluster mode that follows.
pub(super) fn topology(p: &Properties) -> (Topology, ClusterMode) {
    let layout = p.node_group_configuration.clone().unwrap_or_default();
    let sharded = p.num_node_groups.is_some() || p.replicas_per_node_group.is_some() || !layout.is_empty();
    let shards = p.num_node_groups.unwrap_or_else(|| i32::try_from(layout.len().max(1)).unwrap_or(i32::MAX));
    // A group of one shard under a parameter group without cluster mode is a plain one, as in the native resource.
    let plain_group = p
        .parameter_group_name
        .as_ref()
        .is_some_and(|name| name.starts_with("default.") && !name.ends_with(".cluster.on"));
    let mode = p.cluster_mode.unwrap_or(match (sharded, shards == 1 && plain_group) {
        (true, false) => ClusterMode::Enabled,
        (false, _) | (true, true) => ClusterMode::Disabled,
    });
    let replicas = p.replicas_per_node_group.unwrap_or(0);
    let topology = match (sharded, mode) {
        (true, ClusterMode::Disabled) if shards == 1 => {
            Topology::Single { nodes: Topology::Sharded { shards, replicas, layout }.nodes() }
        }
        (true, _) => Topology::Sharded { shards, replicas, layout },
        // The cluster protocol with NumCacheNodes: one shard, the rest its replicas.
        (false, ClusterMode::Enabled) => {
            Topology::Sharded { shards: 1, replicas: p.num_cache_nodes.unwrap_or(1) - 1, layout }
        }
        (false, _) => Topology::Single { nodes: p.num_cache_nodes.unwrap_or(1) },
    };
    (topology, mode)
}

/// Whether one shard is asked for under a parameter group whose name does not tell whether it has cluster mode.
pub(super) fn mode_follows_parameter_group(p: &Properties) -> bool {
    let group = p.parameter_group_name.as_ref().is_some_and(|name| !name.starts_with("default."));
    let one_shard = matches!(topology(p).0, Topology::Sharded { shards: 1, .. });
    group && one_shard && p.cluster_mode.is_none()
}

fn shards(p: &Properties, purpose: Purpose<'_>, problems: &mut Vec<Problem>) {
    let (topology, mode) = topology(p);
    if let (Topology::Sharded { shards, .. }, ClusterMode::Disabled) = (&topology, mode) {
        let fix = "set ClusterMode to enabled, or NumNodeGroups to 1";
        problems.push(
            Problem::new("ClusterMode", format!("disabled allows one shard and {shards} are wanted"), fix)
                .with_value("disabled"),
        );
    }
    if mode == ClusterMode::Compatible {
        compatible(p, &topology, problems);
    }
    let Some(layout) = p.node_group_configuration.as_ref().filter(|layout| !layout.is_empty()) else { return };
    if let Some(count) = p.num_node_groups.filter(|count| usize::try_from(*count) != Ok(layout.len())) {
        let rule = format!("has {} shards and NumNodeGroups says {count}", layout.len());
        problems.push(Problem::new("NodeGroupConfiguration", rule, "make them agree, or leave NumNodeGroups out"));
    }
    let mut covered: Vec<(u32, u32, usize)> = Vec::new();
    for (index, shard) in layout.iter().enumerate() {
        let at = |part: &str| format!("NodeGroupConfiguration[{index}].{part}");
        if let Some(id) = &shard.node_group_id {
            if id.len() > 4 || !id.chars().all(|c| c.is_ascii_digit()) {
                let rule = "must be a number of at most four digits";
                problems.push(Problem::new(at("NodeGroupId"), rule, "write it like 0001").with_value(id));
            } else if layout[..index].iter().any(|other| other.node_group_id.as_ref() == Some(id)) {
                let rule = "is given twice";
                problems.push(Problem::new(at("NodeGroupId"), rule, "number the shards").with_value(id));
            }
        }
        let zones = shard.replica_availability_zones.len();
        let replicas = shard.replica_count.or(p.replicas_per_node_group).unwrap_or(0);
        // The zones are for the first replicas: later changes of their number leave them behind.
        if purpose.makes_group() && zones > 0 && usize::try_from(replicas) != Ok(zones) {
            let rule = format!("names {zones} zones for {replicas} replicas");
            let fix = "name one zone per replica, or leave it out";
            let given = shard.replica_availability_zones.join(", ");
            problems.push(Problem::new(at("ReplicaAvailabilityZones"), rule, fix).with_value(given));
        }
        let Some(slots) = &shard.slots else { continue };
        match slot_ranges(slots) {
            Some(ranges) => covered.extend(ranges.into_iter().map(|(low, high)| (low, high, index))),
            None => problems.push(
                Problem::new(at("Slots"), "must be ranges of slots between 0 and 16383", "write it like 0-8191")
                    .with_value(slots),
            ),
        }
    }
    let with_slots = layout.iter().filter(|shard| shard.slots.is_some()).count();
    if with_slots == 0 || covered.is_empty() {
        return;
    }
    if with_slots < layout.len() {
        let rule = "some shards have Slots and others not";
        problems.push(Problem::new("NodeGroupConfiguration", rule, "give Slots to all shards or to none"));
        return;
    }
    covered.sort_unstable();
    let mut next = 0;
    for (low, high, index) in &covered {
        let at = format!("NodeGroupConfiguration[{index}].Slots");
        if *low < next {
            let rule = format!("slot {low} is in two shards");
            problems.push(Problem::new(at, rule, "give every slot to one shard").with_value(format!("{low}-{high}")));
        } else if *low > next {
            let rule = format!("slots {next} to {} are in no shard", low - 1);
            problems.push(Problem::new(at, rule, "cover 0 to 16383").with_value(format!("{low}-{high}")));
        }
        next = next.max(high + 1);
    }
    if next < SLOTS {
        let rule = format!("slots {next} to 16383 are in no shard");
        problems.push(Problem::new("NodeGroupConfiguration", rule, "cover 0 to 16383"));
    }
}

/// What AWS demands of a group whose clients may or may not speak the cluster protocol: one shard with a replica, of an
/// engine that changes its mode in place. What `NumCacheNodes` lacks is said with failover.
fn compatible(p: &Properties, topology: &Topology, problems: &mut Vec<Problem>) {
    let mut add = |rule: String, fix: &str| {
        problems.push(Problem::new("ClusterMode", rule, fix).with_value("compatible"));
    };
    if let Topology::Sharded { shards, .. } = topology {
        if *shards > 1 {
            let rule = format!("compatible allows one shard and {shards} are wanted");
            add(rule, "set ClusterMode to enabled, or NumNodeGroups to 1");
        } else if topology.nodes() < 2 {
            add("compatible needs a replica".to_owned(), "set ReplicasPerNodeGroup to 1 or more");
        }
    }
    if let Some((engine, version)) =
        version_of(p).filter(|(engine, version)| !version.has(*engine, Feature::ClusterModeChange))
    {
        let rule = format!("{} {version} knows no compatible mode", engine.title());
        add(rule, "use Redis OSS 7.0 or later or Valkey, or set ClusterMode to disabled or enabled");
    }
}

fn slot_ranges(text: &str) -> Option<Vec<(u32, u32)>> {
    text.split(',')
        .map(|range| {
            let (low, high) = range.split_once('-')?;
            let (low, high) = (low.parse().ok()?, high.parse().ok()?);
            (low <= high && high < SLOTS).then_some((low, high))
        })
        .collect()
}

fn availability(p: &Properties, problems: &mut Vec<Problem>) {
    let (topology, mode) = topology(p);
    let failover = p.automatic_failover_enabled;
    match &topology {
        Topology::Single { nodes } => {
            if failover == Some(true) && *nodes < 2 {
                let rule = "needs a replica to fail over to, and there is one node";
                let fix = "set NumCacheNodes to 2 or more";
                problems.push(Problem::new("AutomaticFailoverEnabled", rule, fix).with_value("true"));
            }
            if mode == ClusterMode::Compatible && (failover != Some(true) || *nodes < 2) {
                let fix = "set AutomaticFailoverEnabled to true and NumCacheNodes to 2 or more";
                let rule = "compatible needs automatic failover and a replica";
                problems.push(Problem::new("ClusterMode", rule, fix).with_value("compatible"));
            }
        }
        Topology::Sharded { replicas, layout, .. } => {
            if failover == Some(false) && !mode_follows_parameter_group(p) {
                let fix = "set it to true or leave it out";
                let rule = "cluster mode demands automatic failover";
                problems.push(Problem::new("AutomaticFailoverEnabled", rule, fix).with_value("false"));
            }
            let fewest = layout.iter().map(|shard| shard.replica_count.unwrap_or(*replicas)).min().unwrap_or(*replicas);
            if p.multi_az_enabled == Some(true) && fewest < 1 {
                let fix = "set ReplicasPerNodeGroup to 1 or more";
                let rule = "needs a replica in every shard";
                problems.push(Problem::new("MultiAzEnabled", rule, fix).with_value("true"));
            }
        }
    }
    if p.multi_az_enabled != Some(true) {
        return;
    }
    if let Topology::Single { nodes } = &topology {
        if failover != Some(true) {
            let fix = "set AutomaticFailoverEnabled to true";
            problems.push(Problem::new("MultiAzEnabled", "needs automatic failover", fix).with_value("true"));
        }
        if *nodes < 2 {
            let fix = "set NumCacheNodes to 2 or more";
            problems.push(Problem::new("MultiAzEnabled", "needs two nodes", fix).with_value("true"));
        }
    }
    if p.subnet_ids.iter().collect::<BTreeSet<_>>().len() == 1 {
        let fix = "add a subnet in another availability zone";
        problems.push(Problem::new("SubnetIds", "Multi-AZ needs subnets in two zones, and there is one subnet", fix));
    }
}

fn features(p: &Properties, problems: &mut Vec<Problem>) {
    let node_type = p.node_type.as_deref().unwrap_or("cache.t4g.micro");
    let tiered = node_type.starts_with("cache.r6gd.") || node_type.starts_with("cache.r7gd.");
    if p.data_tiering_enabled == Some(true) && !tiered {
        let rule = format!("needs a node type of the r6gd or r7gd family, not {node_type}");
        problems.push(Problem::new("DataTieringEnabled", rule, "set NodeType to cache.r6gd.xlarge or larger"));
    }
    if p.data_tiering_enabled != Some(true) && node_type.starts_with("cache.r6gd.") {
        let rule = "r6gd nodes always use data tiering";
        problems.push(Problem::new("DataTieringEnabled", rule, "set it to true").with_value(node_type));
    }
    durability(p, node_type, problems);
}

/// Features that the version does not have. An upgrade that brings them goes first, so the wanted version decides.
fn versions(p: &Properties, problems: &mut Vec<Problem>) {
    let Some((engine, version)) = version_of(p) else { return };
    let ipv6 = matches!(p.network_type, Some(NetworkType::Ipv6 | NetworkType::DualStack));
    let mut wanted = vec![
        ("NetworkType".to_owned(), ipv6, "IPv6", Feature::Ipv6, "use NetworkType ipv4"),
        (
            "DataTieringEnabled".to_owned(),
            p.data_tiering_enabled == Some(true),
            "data tiering",
            Feature::DataTiering,
            "use another NodeType without it",
        ),
        ("UserGroupIds".to_owned(), !p.user_group_ids.is_empty(), "a user group", Feature::UserGroups, "use a token"),
    ];
    for (index, log) in p.log_delivery.iter().enumerate() {
        let feature = if log.log_type == Some(LogType::SlowLog) { Feature::SlowLog } else { Feature::EngineLog };
        let name = log.log_type.map_or("a log", Into::into);
        wanted.push((format!("LogDelivery[{index}].LogType"), log.log_type.is_some(), name, feature, "remove it"));
    }
    for (property, is_wanted, name, feature, otherwise) in wanted {
        if is_wanted && !version.has(engine, feature) {
            let rule = format!("{name} {}", feature.needs());
            let fix = format!("raise EngineVersion ({version}), or {otherwise}");
            problems.push(Problem::new(property, rule, fix));
        }
    }
}

/// Node families that support durability.
const DURABLE_FAMILIES: &[&str] = &["r8g", "r7g", "r6g", "m8g", "m7g", "m6g", "c8gn", "c7gn"];

fn durability(p: &Properties, node_type: &str, problems: &mut Vec<Problem>) {
    let Some(value) = &p.durability else { return };
    let mut add = |rule: &str, fix: &str| problems.push(Problem::new("Durability", rule, fix).with_value(value));
    if !["default", "disabled", "async", "sync"].contains(&value.as_str()) {
        add("must be one of default, disabled, async, sync", "write one of them");
        return;
    }
    if !["async", "sync"].contains(&value.as_str()) {
        return;
    }
    match version_of(p) {
        Some((engine, version)) if version.has(engine, Feature::Durability) => {}
        Some(_) => add(&Feature::Durability.needs(), "set EngineVersion to 9.0 or later"),
        None => {}
    }
    let family = node_type.strip_prefix("cache.").and_then(|rest| rest.split('.').next()).unwrap_or_default();
    if !DURABLE_FAMILIES.contains(&family) {
        add(
            "is not supported by the node type",
            "use a node of the r, m or c families of Graviton, such as cache.r7g.large",
        );
    }
    if topology(p).1 != ClusterMode::Enabled || p.multi_az_enabled != Some(true) {
        add("needs cluster mode and Multi-AZ", "set NumNodeGroups, ReplicasPerNodeGroup and MultiAzEnabled");
    }
    if p.transit_encryption_enabled != Some(true) && !wants_auth(p) {
        add("needs TLS from the start", "set TransitEncryptionEnabled to true");
    }
}

fn at_rest(p: &Properties, problems: &mut Vec<Problem>) {
    if p.at_rest_encryption_enabled == Some(false)
        && let Some(key) = &p.kms_key_id
    {
        let fix = "set AtRestEncryptionEnabled to true, or remove KmsKeyId";
        problems.push(Problem::new("KmsKeyId", "needs encryption at rest, which is off", fix).with_value(key));
    }
    for (property, key) in [("KmsKeyId", &p.kms_key_id), ("SecretKmsKeyId", &p.secret_kms_key_id)] {
        if let Some(key) = key.as_ref().filter(|key| !is_key(key)) {
            let fix = "write it like arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
            problems.push(Problem::new(property, "must be the ARN or id of a KMS key", fix).with_value(key));
        }
    }
}

/// Whether this can name a key: letters, digits and `:`, `/`, `_`, `-` (API reference of KMS, `KeyId`).
fn is_key(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || ":/_-".contains(c))
}

/// The properties that ask for authentication.
fn auth_properties(p: &Properties) -> Vec<&'static str> {
    [
        ("AuthToken", p.auth_token.is_some()),
        ("AuthTokenEnabled", p.auth_token_enabled == Some(true)),
        ("AuthTokenSecretArn", p.auth_token_secret_arn.is_some()),
        ("UserGroupIds", !p.user_group_ids.is_empty()),
    ]
    .into_iter()
    .filter_map(|(name, set)| set.then_some(name))
    .collect()
}

fn wants_auth(p: &Properties) -> bool {
    !auth_properties(p).is_empty()
}

fn token(p: &Properties, problems: &mut Vec<Problem>) {
    if let [first, second, ..] = auth_properties(p)[..] {
        let fix = format!("keep {first} or {second}");
        problems.push(Problem::new(first, format!("excludes {second}"), fix));
    }
    if let Some(defect) = p.auth_token.as_ref().and_then(crate::domain::secret::AuthToken::defect) {
        problems.push(Problem::new("AuthToken", defect, "choose another, or set AuthTokenEnabled to have one made"));
    }
    let dependent = [
        (
            "AuthTokenSecretKey",
            p.auth_token_secret_key.is_some(),
            "AuthTokenSecretArn",
            p.auth_token_secret_arn.is_some(),
        ),
        ("AuthTokenVersion", p.auth_token_version.is_some(), "AuthTokenEnabled", p.auth_token_enabled == Some(true)),
        (
            "AuthTokenGraceMinutes",
            p.auth_token_grace_minutes.is_some(),
            "AuthTokenEnabled",
            p.auth_token_enabled == Some(true),
        ),
    ];
    for (name, set, needed, has) in dependent {
        if set && !has {
            problems.push(Problem::new(
                name,
                format!("means nothing without {needed}"),
                format!("set {needed}, or remove {name}"),
            ));
        }
    }
    if p.auth_token_secret_arn.as_ref().is_some_and(|arn| !arn.starts_with("arn:")) {
        // What stands there instead may be the token itself.
        problems.push(Problem::new("AuthTokenSecretArn", "must be an ARN", "write the secret's full ARN"));
    }
    if p.user_group_ids.len() > 1 {
        let rule = "a replication group takes one user group";
        problems.push(Problem::new("UserGroupIds", rule, "keep one").with_value(p.user_group_ids.join(", ")));
    }
    if let Some(days) = p.secret_recovery_window_in_days.filter(|days| (1..7).contains(days)) {
        let fix = "write 0 to delete the secret at once, or 7 to 30";
        let problem = Problem::new("SecretRecoveryWindowInDays", "must be 0 or between 7 and 30", fix);
        problems.push(problem.with_value(days));
    }
    if p.secret_name.as_ref().is_some_and(|name| !names::is_secret_name(name)) {
        let fix = "use at most 500 letters, digits and /_+=.@-";
        problems.push(Problem::new("SecretName", "is not a legal secret name", fix));
    }
}

fn transit(p: &Properties, problems: &mut Vec<Problem>) {
    let first_auth = auth_properties(p).first().copied();
    if p.transit_encryption_enabled == Some(false) {
        if let Some(property) = first_auth {
            let rule = format!("{property} needs TLS, which is off");
            let fix = format!("set TransitEncryptionEnabled to true or leave it out, or remove {property}");
            problems.push(Problem::new("TransitEncryptionEnabled", rule, fix).with_value("false"));
        }
        if let Some(mode) = p.transit_encryption_mode {
            let rule = "means nothing while TransitEncryptionEnabled is false";
            let fix = "set TransitEncryptionEnabled to true, or remove it";
            problems.push(Problem::new("TransitEncryptionMode", rule, fix).with_value(<&str>::from(mode)));
        }
    }
    if let (None, Some(mode), None) = (p.transit_encryption_enabled, p.transit_encryption_mode, first_auth) {
        let rule = "means nothing while TransitEncryptionEnabled is not set";
        let fix = "set TransitEncryptionEnabled to true";
        problems.push(Problem::new("TransitEncryptionMode", rule, fix).with_value(<&str>::from(mode)));
    }
    let engine = p.engine.unwrap_or(Engine::Valkey);
    if let (Some(TransitEncryptionMode::Preferred), Some(version)) =
        (p.transit_encryption_mode, p.engine_version.as_deref().and_then(Version::parse))
        && !version.has(engine, Feature::TlsChange)
    {
        let rule = format!("{} {version} knows no TLS mode but required", engine.title());
        let fix = "leave TransitEncryptionMode out, or use Redis OSS 7.1 or Valkey";
        problems.push(Problem::new("TransitEncryptionMode", rule, fix).with_value("preferred"));
    }
    if let (Some(TransitEncryptionMode::Preferred), Some(property)) = (p.transit_encryption_mode, first_auth) {
        let rule = format!("preferred lets plain connections in, which AWS refuses together with {property}");
        let fix = "set TransitEncryptionMode to required or leave it out";
        problems.push(Problem::new("TransitEncryptionMode", rule, fix).with_value("preferred"));
    }
}

fn backup(p: &Properties, purpose: Purpose<'_>, problems: &mut Vec<Problem>) {
    if let Some(name) = &p.final_snapshot_identifier
        // A long one is shortened; what an earlier release took must not hold up an update now.
        && let Some(defect) =
            if purpose.makes_group() { names::snapshot_defect(name) } else { names::name_defect(name) }
    {
        let fix = "write letters, digits and single hyphens, such as final";
        problems.push(Problem::new("FinalSnapshotIdentifier", defect, fix).with_value(name));
    }
    let snapshot = p.snapshot_window.as_ref().map(|text| (text, Window::daily(text)));
    if let Some((text, None)) = snapshot {
        let fix = "write at least an hour like 03:00-05:00 (UTC)";
        problems.push(Problem::new("SnapshotWindow", "must be hh:mm-hh:mm", fix).with_value(text));
    }
    let maintenance = p.maintenance_window.as_ref().map(|text| (text, Window::weekly(text)));
    if let Some((text, None)) = maintenance {
        let fix = "write at least an hour like sun:05:00-sun:07:00 (UTC)";
        problems.push(Problem::new("MaintenanceWindow", "must be ddd:hh:mm-ddd:hh:mm", fix).with_value(text));
    }
    if let (Some((text, Some(daily))), Some((_, Some(weekly)))) = (snapshot, maintenance)
        && daily.overlaps_weekly(weekly)
    {
        let rule = "overlaps MaintenanceWindow";
        problems.push(Problem::new("SnapshotWindow", rule, "move one of them").with_value(text));
    }
    if p.snapshot_name.is_some() && !p.snapshot_arns.is_empty() {
        let fix = "keep one of them";
        problems.push(Problem::new("SnapshotName", "excludes SnapshotArns", fix));
    }
    for (index, arn) in p.snapshot_arns.iter().enumerate().filter(|(_, arn)| !is_arn_of(arn, "s3") || arn.contains(','))
    {
        let fix = "write it like arn:aws:s3:::bucket/backup.rdb";
        let at = format!("SnapshotArns[{index}]");
        problems.push(Problem::new(at, "must be the ARN of an object in S3, without commas", fix).with_value(arn));
    }
    if let Some(arn) = p.notification_topic_arn.as_ref().filter(|arn| !is_topic(arn)) {
        let fix = "write it like arn:aws:sns:us-east-1:123456789012:topic";
        problems.push(Problem::new("NotificationTopicArn", "must be the ARN of an SNS topic", fix).with_value(arn));
    }
}

/// The nodes of a new group with Multi-AZ must not all be put into one zone.
fn zones_of_nodes(p: &Properties, purpose: Purpose<'_>, problems: &mut Vec<Problem>) {
    if p.multi_az_enabled != Some(true) || !purpose.makes_group() {
        return;
    }
    let crowded = |zones: &[&String]| zones.len() > 1 && zones.windows(2).all(|pair| pair[0] == pair[1]);
    let rule = "Multi-AZ needs the nodes of a shard in two zones";
    let fix = "name another zone for a node, or leave the zones out";
    let zones: Vec<&String> = p.preferred_availability_zones.iter().collect();
    if crowded(&zones) {
        problems.push(Problem::new("PreferredAvailabilityZones", rule, fix).with_value(zones[0]));
    }
    for (number, shard) in p.node_group_configuration.iter().flatten().enumerate() {
        let zones: Vec<&String> =
            shard.primary_availability_zone.iter().chain(&shard.replica_availability_zones).collect();
        // Without the zone of the primary, AWS chooses it.
        if shard.primary_availability_zone.is_some() && crowded(&zones) {
            let property = format!("NodeGroupConfiguration[{number}]");
            problems.push(Problem::new(property, rule, fix).with_value(zones[0]));
        }
    }
}

/// What a restore from files needs: AWS does not find out by itself which shard a file belongs to.
fn restore(p: &Properties, purpose: Purpose<'_>, problems: &mut Vec<Problem>) {
    let (topology, _) = topology(p);
    let missing = purpose == Purpose::Create && lacks_slots(p) && matches!(topology, Topology::Sharded { .. });
    if missing && !mode_follows_parameter_group(p) {
        problems.push(no_slots());
    }
}

/// Whether files are to be restored and not every shard says which slots are its own.
pub(super) fn lacks_slots(p: &Properties) -> bool {
    let layout = p.node_group_configuration.as_deref().unwrap_or_default();
    !p.snapshot_arns.is_empty() && (layout.is_empty() || layout.iter().any(|shard| shard.slots.is_none()))
}

/// The problem of a restore from files into shards without slots.
pub(crate) fn no_slots() -> Problem {
    let rule = "needs Slots for every shard when SnapshotArns are restored with cluster mode";
    let fix = "list every shard with its Slots, such as 0-8191 and 8192-16383";
    Problem::new("NodeGroupConfiguration", rule, fix)
}

/// Whether this is the ARN of a topic, with its region, account and name.
fn is_topic(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    is_arn_of(text, "sns") && parts.len() == 6 && parts[3..].iter().all(|part| !part.is_empty())
}

/// Whether this is the ARN of something in a service, in whatever partition.
fn is_arn_of(text: &str, service: &str) -> bool {
    let mut parts = text.split(':');
    parts.next() == Some("arn") && parts.next().is_some() && parts.next() == Some(service)
}

/// Whether this can be the name of a log group (CloudWatch Logs, CreateLogGroup) or of a delivery stream (Firehose,
/// CreateDeliveryStream).
fn is_log_destination(name: &str, kind: Option<DestinationType>) -> bool {
    let (longest, signs) = if kind == Some(DestinationType::KinesisFirehose) { (64, "_.-") } else { (512, ".-_/#") };
    name.len() <= longest && name.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}

/// Most actions that CloudWatch takes for one state of an alarm, and the longest ARN of one.
const MAX_ACTIONS: usize = 5;
const MAX_ACTION: usize = 1024;

fn alarms(p: &Properties, problems: &mut Vec<Problem>) {
    let Some(alarms) = &p.alarms else { return };
    for (name, actions) in [("Actions", &alarms.actions), ("OkActions", &alarms.ok_actions)] {
        if actions.len() > MAX_ACTIONS {
            let rule = format!("must have at most {MAX_ACTIONS} items");
            let fix = "let one topic notify several subscribers";
            problems.push(Problem::new(format!("Alarms.{name}"), rule, fix).with_value(actions.len()));
        }
        for (index, arn) in actions.iter().enumerate().filter(|(_, arn)| !is_action(arn)) {
            let fix = "write the ARN of an SNS topic or another action, such as arn:aws:sns:us-east-1:123456789012:operations";
            let at = format!("Alarms.{name}[{index}]");
            problems.push(Problem::new(at, "must be the ARN of an action", fix).with_value(arn));
        }
    }
}

/// `arn:partition:service:region:account:what`; some actions have no region or no account.
fn is_action(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [arn_word, partition, service, _, _, what] = parts[..] else { return false };
    arn.len() <= MAX_ACTION
        && arn_word == "arn"
        && [partition, service, what].iter().all(|part| !part.is_empty())
        && !arn.contains(char::is_whitespace)
}

fn logs(p: &Properties, problems: &mut Vec<Problem>) {
    for (index, item) in p.log_delivery.iter().enumerate() {
        let before = &p.log_delivery[..index];
        if let Some(name) = item.destination.as_ref().filter(|name| !is_log_destination(name, item.destination_type)) {
            let (rule, fix) = match item.destination_type {
                Some(DestinationType::KinesisFirehose) => (
                    "must be the name of a delivery stream: 1 to 64 letters, digits and _ . -",
                    "write the stream's name",
                ),
                _ => (
                    "must be the name of a log group: 1 to 512 letters, digits and . - _ / #",
                    "write the log group's name",
                ),
            };
            let fix = format!("{fix}, not its ARN");
            problems.push(Problem::new(format!("LogDelivery[{index}].Destination"), rule, fix).with_value(name));
        }
        if item.log_type.is_some() && before.iter().any(|other| other.log_type == item.log_type) {
            let at = format!("LogDelivery[{index}].LogType");
            problems.push(Problem::new(at, "is given twice", "keep one entry per log type"));
        }
        let same = |other: &&crate::properties::LogDeliveryProperties| {
            other.destination.is_some()
                && (&other.destination, other.destination_type) == (&item.destination, item.destination_type)
        };
        if let Some(other) = before.iter().find(same) {
            let at = format!("LogDelivery[{index}].Destination");
            let rule = format!("already receives the {}", other.log_type.map_or("other log", Into::into));
            let problem = Problem::new(at, rule, "use a destination of its own for each log type");
            problems.push(problem.with_value(item.destination.as_deref().unwrap_or_default()));
        }
    }
}
