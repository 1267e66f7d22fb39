//! What the properties point at in the account, checked before the first write.

use std::collections::BTreeSet;

use crate::auth::token_state::{InForce, Origin};
use crate::cost::{self, affordable};
use crate::desired::{References, Source};
use crate::domain::engine::Engine;
use crate::domain::problem::{Problem, nearest};
use crate::domain::window::overlap;
use crate::observed::{Account, Lookup, Observed, SecurityGroup, Status, Subnet};
use crate::properties::ClusterMode;

/// What is not there.
const NOT_THERE: &str = "does not exist in this account and region";

/// Everything that is wrong with what the properties name. What a standing group already uses is not questioned
/// again: a rollback must not fail because somebody removed a referenced group in the meantime.
#[must_use]
pub fn problems(references: &References, observed: &Observed, account: &Account) -> Vec<Problem> {
    let mut problems = network_problems(references, observed, account);
    version(references, observed, account, &mut problems);
    parameter_group(references, account, &mut problems);
    parameters(references, account, &mut problems);
    user_group(references, account, &mut problems);
    windows(references, observed, &mut problems);
    monthly_cost(references, account, &mut problems);
    if observed.group.is_none() {
        snapshot(references, account, &mut problems);
    }
    problems
}

/// The part about subnets, security groups and the secret with the token.
#[must_use]
pub fn network_problems(references: &References, observed: &Observed, account: &Account) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(found) = &account.subnets {
        subnets(references, observed, found, &mut problems);
        subnets_in_use(references, observed, found, &mut problems);
        zones(references, observed, found, &mut problems);
    }
    security_groups(references, observed, account, &mut problems);
    token(references, observed, account, &mut problems);
    problems
}

/// What an Update has to look up of what its properties name: what already is as they say is not questioned.
#[must_use]
pub fn questioned(references: References, observed: &Observed, before: &References) -> References {
    let rules = observed.security_group.iter().flat_map(|group| &group.ingress).map(|rule| &rule.source);
    let let_in: BTreeSet<&Source> = rules.collect();
    let attached = observed.first_member().map(|member| &member.security_groups);
    let mut asked = references;
    asked.allowed_security_groups.retain(|id| !let_in.contains(&Source::SecurityGroup(id.clone())));
    asked.security_groups.retain(|id| !attached.is_some_and(|attached| attached.contains(id)));
    let stands = observed.group.is_some()
        && asked.multi_az == before.multi_az
        && observed.subnet_group.as_ref().is_some_and(|group| group.subnet_ids == asked.subnet_ids);
    // Whose a security group is depends on whose the VPC is.
    if stands && asked.all_security_groups().is_empty() {
        asked.subnet_ids.clear();
    }
    asked
}

/// What the nodes cost in a month must be known, and no more than is allowed.
fn monthly_cost(references: &References, account: &Account, problems: &mut Vec<Problem>) {
    let (Some(limit), Some(nodes)) = (references.max_monthly_cost, references.nodes) else { return };
    let node_type = &references.node_type;
    let mut add = |rule: String, fix: String| {
        problems.push(Problem::new("MaxMonthlyCost", rule, fix).with_value(limit));
    };
    let Some(price) = &account.price else {
        let rule = format!("the price of {node_type} with {} is not known in this region", references.engine.title());
        let fix = "name a NodeType that the AWS Price List has for it, see that the function may call \
                   pricing:GetProducts, or take MaxMonthlyCost away";
        return add(rule, fix.to_owned());
    };
    if price.monthly(nodes) <= limit {
        return;
    }
    let rule = format!(
        "{nodes} {} of {node_type} {} an estimated {} USD a month ({})",
        if nodes == 1 { "node" } else { "nodes" },
        if nodes == 1 { "costs" } else { "cost" },
        price.monthly_usd(nodes),
        price.basis
    );
    let mut ways_out = Vec::new();
    let is_of_the_table = price.is_built_in() || account.region == cost::REGION;
    let smaller = is_of_the_table.then(|| affordable(references.engine, nodes, limit)).flatten();
    ways_out.extend(smaller.map(|(name, price)| format!("take {name} ({} USD)", price.monthly_usd(nodes))));
    let fewer = (references.least_nodes.max(1)..nodes).rev().find(|fewer| price.monthly(*fewer) <= limit);
    ways_out.extend(fewer.map(|fewer| format!("have no more than {fewer} in all ({} USD)", price.monthly_usd(fewer))));
    ways_out.push("raise MaxMonthlyCost".to_owned());
    add(rule, ways_out.join(", or "));
}

fn subnets(references: &References, observed: &Observed, found: &[Subnet], problems: &mut Vec<Problem>) {
    let in_use = observed.subnet_group.as_ref().map(|group| group.subnet_ids.clone()).unwrap_or_default();
    let mut add = |rule: String, fix: &str, id: &str| {
        problems.push(Problem::new("SubnetIds", rule, fix).with_value(id));
    };
    for id in references.subnet_ids.difference(&in_use) {
        let vpc = references.vpc_id.as_ref();
        match found.iter().find(|subnet| subnet.id == *id) {
            None => add(NOT_THERE.to_owned(), "name an existing subnet", id),
            Some(subnet) if vpc.is_some_and(|vpc| subnet.vpc_id != *vpc) => {
                let rule = format!("is in {}, not in {}", subnet.vpc_id, vpc.map(String::as_str).unwrap_or_default());
                add(rule, "name subnets of VpcId", id);
            }
            Some(subnet) if subnet.free_addresses == 0 => {
                add("has no free addresses".to_owned(), "free some, or name another subnet", id);
            }
            Some(subnet) if references.ipv6 && !subnet.ipv6 => {
                add("has no IPv6 block, which NetworkType needs".to_owned(), "give it one, or name another subnet", id);
            }
            Some(_) => {}
        }
    }
}

/// A subnet stays as long as nodes are in it. AWS tells their zones only: where no subnet of a zone is left, the ones
/// of before are surely in use. Which nodes go when there are to be fewer is for AWS to choose; what is certain is that the
/// primary stays, and how many do.
fn subnets_in_use(references: &References, observed: &Observed, found: &[Subnet], problems: &mut Vec<Problem>) {
    let Some(group) = observed.subnet_group.as_ref().filter(|group| references.vpc_id.as_ref() == Some(&group.vpc_id))
    else {
        return;
    };
    let Some(nodes) = references.nodes.and_then(|nodes| usize::try_from(nodes).ok()) else { return };
    let going = if references.more_nodes_stay { 0 } else { observed.members.len().saturating_sub(nodes) };
    let wanted = found.iter().filter(|subnet| references.subnet_ids.contains(&subnet.id));
    let left: BTreeSet<&str> = wanted.map(|subnet| subnet.zone.as_str()).collect();
    let outside: Vec<(&String, &str)> = observed
        .members
        .iter()
        .map(|(id, member)| (id, member.zone.as_str()))
        .filter(|(_, zone)| !zone.is_empty() && !left.contains(zone))
        .collect();
    let shards = observed.group.iter().flat_map(|group| &group.shards);
    let primaries: BTreeSet<&String> = shards.filter_map(|shard| shard.primary_member.as_ref()).collect();
    let surely = |(id, _): &&(&String, &str)| outside.len() > going || primaries.contains(id);
    let used: BTreeSet<&str> = outside.iter().filter(surely).map(|(_, zone)| *zone).collect();
    // One that an earlier template gave up already is said in a warning.
    let listed = |id: &&String| references.subnets_before.as_ref().is_none_or(|before| before.contains(*id));
    for id in group.subnet_ids.difference(&references.subnet_ids).filter(listed) {
        if let Some(zone) = group.zones.get(id).filter(|zone| used.contains(zone.as_str())) {
            let rule = format!("is in use by nodes in {zone} and would be taken away");
            problems.push(Problem::new("SubnetIds", rule, "keep it in the list").with_value(id));
        }
    }
}

fn zones(references: &References, observed: &Observed, found: &[Subnet], problems: &mut Vec<Problem>) {
    let ids = &references.subnet_ids;
    let all_found = ids.iter().all(|id| found.iter().any(|subnet| subnet.id == *id));
    if !all_found {
        return;
    }
    let zones: BTreeSet<&str> =
        found.iter().filter(|subnet| ids.contains(&subnet.id)).map(|subnet| subnet.zone.as_str()).collect();
    // One subnet alone is refused by the rules already.
    if references.multi_az && ids.len() > 1 && zones.len() < 2 {
        let only = zones.first().copied().unwrap_or_default();
        let rule = format!("Multi-AZ needs subnets in two availability zones, and all are in {only}");
        let named = crate::step::group::join(ids);
        problems.push(Problem::new("SubnetIds", rule, "add a subnet in another zone").with_value(named));
    }
    for (property, zone) in references.zones.iter().filter(|_| observed.group.is_none()) {
        if !zones.contains(zone.as_str()) {
            let rule =
                format!("no subnet of SubnetIds is in this zone (they are in {})", crate::step::group::join(&zones));
            let fix = "name zones of the subnets, or add a subnet there";
            problems.push(Problem::new(property, rule, fix).with_value(zone));
        }
    }
}

fn security_groups(references: &References, observed: &Observed, account: &Account, problems: &mut Vec<Problem>) {
    let Some(found) = &account.security_groups else { return };
    let rules = observed.security_group.as_ref().map(|group| &group.ingress);
    let allowed = |id: &str| {
        let source = Source::SecurityGroup(id.to_owned());
        rules.is_some_and(|rules| rules.iter().any(|rule| rule.source == source))
    };
    for id in references.allowed_security_groups.iter().filter(|id| !found.contains_key(*id) && !allowed(id)) {
        let fix = "name an existing security group";
        problems.push(Problem::new("AllowedSecurityGroupIds", NOT_THERE, fix).with_value(id));
    }
    let attached = observed.first_member().map(|member| member.security_groups.clone()).unwrap_or_default();
    for id in references.security_groups.difference(&attached) {
        let (rule, fix) = match (found.get(id), &references.vpc_id) {
            (None, _) => (NOT_THERE.to_owned(), "name a security group of VpcId"),
            (Some(group), Some(wanted)) if group.vpc_id != *wanted => {
                (format!("is in {}, not in {wanted}", group.vpc_id), "name a security group of VpcId")
            }
            (Some(group), _) => match stranger(group, account) {
                Some(stranger) => (
                    format!("belongs to account {stranger}, and only the account that owns the VPC can share one"),
                    "name a security group of this account, or one that the owner of the VPC shares",
                ),
                None => continue,
            },
        };
        problems.push(Problem::new("SecurityGroupIds", rule, fix).with_value(id));
    }
}

/// The account that a security group belongs to, if it is neither this one nor the one that owns the VPC: EC2 lists the
/// groups of participants in a shared VPC, and nobody else can attach them.
fn stranger<'a>(group: &'a SecurityGroup, account: &Account) -> Option<&'a str> {
    let (owner, here) = (group.owner_id.as_deref()?, account.id.as_deref()?);
    let subnets = account.subnets.as_ref()?;
    let owns_the_vpc = subnets.iter().any(|subnet| subnet.owner_id.as_deref() == Some(owner));
    (owner != here && !owns_the_vpc).then_some(owner)
}

fn token(references: &References, observed: &Observed, account: &Account, problems: &mut Vec<Problem>) {
    let Some((arn, key)) = &references.token_secret else { return };
    let standing = observed.subnet_group.as_ref().filter(|_| observed.group.is_some());
    let in_force = standing.and_then(|group| InForce::read(&group.tags));
    let in_force = in_force.filter(|record| record.origin == Origin::external(arn, key.as_deref()));
    let rule = match &account.external_token {
        // The token that the cache has already, wherever it may have gone in the meantime.
        Some(Ok(found)) if in_force.as_ref().is_some_and(|record| record.version.as_ref() == Some(&found.version)) => {
            None
        }
        Some(Err(_)) if in_force.is_some() => None,
        Some(Ok(found)) => found.token.defect().map(|defect| format!("the token in it {defect}")),
        Some(Err(reason)) => Some(reason.clone()),
        None => None,
    };
    if let Some(rule) = rule {
        let fix = "store a legal token there, set AuthTokenSecretKey to its key, and let the function read the secret";
        problems.push(Problem::new("AuthTokenSecretArn", rule, fix).with_value(arn));
    }
}

/// AWS may offer less in one region than elsewhere. A version that the group has already is not questioned.
fn version(references: &References, observed: &Observed, account: &Account, problems: &mut Vec<Problem>) {
    let (Some(wanted), Some(offered)) = (&references.version, &account.engine_versions) else { return };
    let runs = observed.members.values().filter_map(|member| member.version.as_ref());
    let known = offered.iter().chain(runs).any(|version| version.matches(wanted) || wanted.matches(version));
    if offered.is_empty() || known {
        return;
    }
    let rule = format!("ElastiCache does not offer this version of {} here", references.engine.title());
    let fix = format!("use one of {}", crate::step::group::join(offered));
    problems.push(Problem::new("EngineVersion", rule, fix).with_value(wanted));
}

fn parameter_group(references: &References, account: &Account, problems: &mut Vec<Problem>) {
    let Some(name) = &references.parameter_group else { return };
    let mut add = |rule: String, fix: &str| {
        problems.push(Problem::new("ParameterGroupName", rule, fix).with_value(name));
    };
    let group = match &account.parameter_group {
        Lookup::NotDone => return,
        Lookup::Missing => {
            return add(NOT_THERE.to_owned(), "name an existing group, or use Parameters to have one made");
        }
        Lookup::Found(group) => group,
    };
    if let (Some(version), Some(family)) = (&references.version, references.family())
        && family != group.family
    {
        let rule = format!("is of family {}, and {} {version} needs family {family}", group.family, references.engine);
        add(rule, "name a group of that family, or use Parameters to have one made");
    }
    match (references.cluster_mode, group.cluster_enabled) {
        (Some(ClusterMode::Enabled | ClusterMode::Compatible), Some(false)) => {
            let rule = "has cluster-enabled=no, and cluster mode is wanted".to_owned();
            add(rule, "set cluster-enabled to yes in it, or name another group");
        }
        (Some(ClusterMode::Disabled), Some(true)) => {
            let rule = "has cluster-enabled=yes, and cluster mode is not wanted".to_owned();
            add(rule, "set NumNodeGroups instead of NumCacheNodes, or name another group");
        }
        (None, Some(true)) if references.failover_off => {
            let rule = "has cluster-enabled=yes, and cluster mode demands automatic failover".to_owned();
            add(rule, "leave AutomaticFailoverEnabled out, or name another group");
        }
        (None, Some(true)) if references.lacks_slots => problems.push(crate::desired::rules::no_slots()),
        (_, _) => {}
    }
}

/// The windows that are going to hold, those that AWS chose or kept included, must not overlap. Windows that stay as they
/// are go together.
fn windows(references: &References, observed: &Observed, problems: &mut Vec<Problem>) {
    let settings = observed.settings();
    let (snapshot, maintenance) = (&references.snapshot_window, &references.maintenance_window);
    let (property, wanted, shown) = match (snapshot, maintenance) {
        (Some(wanted), None) => ("SnapshotWindow", wanted, settings.maintenance_window),
        (None, Some(wanted)) => ("MaintenanceWindow", wanted, settings.snapshot_window),
        // Two new ones are held against each other by the rules.
        (Some(_), Some(_)) | (None, None) => return,
    };
    let Some(shown) = shown else { return };
    let (overlaps, other) = match property {
        "SnapshotWindow" => (overlap(wanted, &shown), "MaintenanceWindow"),
        _ => (overlap(&shown, wanted), "SnapshotWindow"),
    };
    if overlaps {
        let rule = format!("overlaps the {other} {shown}, which AWS chose or kept");
        let fix = format!("move it, or set {other} to another time");
        problems.push(Problem::new(property, rule, fix).with_value(wanted));
    }
}

fn parameters(references: &References, account: &Account, problems: &mut Vec<Problem>) {
    let (Some(rules), Some(family)) = (&account.parameter_rules, references.family()) else { return };
    if rules.is_empty() {
        return;
    }
    let names: Vec<&str> = rules.keys().map(String::as_str).collect();
    for (name, value) in &references.parameters {
        let (rule, fix) = match rules.get(name) {
            None => {
                let fix = match nearest(name, &names) {
                    Some(meant) => format!("did you mean {meant}?"),
                    None => "remove it".to_owned(),
                };
                (format!("is not a parameter of family {family}"), fix)
            }
            Some(rule) if rule.refuses(value) => {
                ("has no such value".to_owned(), format!("write a value of {}", rule.allowed))
            }
            Some(_) => continue,
        };
        problems.push(Problem::new(format!("Parameters.{name}"), rule, fix).with_value(value));
    }
}

fn user_group(references: &References, account: &Account, problems: &mut Vec<Problem>) {
    let Some(id) = &references.user_group else { return };
    let mut add = |rule: &str, fix: &str| problems.push(Problem::new("UserGroupIds", rule, fix).with_value(id));
    match &account.user_group {
        Lookup::Missing => add(NOT_THERE, "name an existing user group"),
        // Groups of the engine redis serve both, so that a move to Valkey can be undone.
        Lookup::Found(engine) if engine == "valkey" && references.engine != crate::domain::engine::Engine::Valkey => {
            add("is for Valkey, and Engine is redis", "name a user group of the engine redis");
        }
        Lookup::NotDone | Lookup::Found(_) => {}
    }
}

fn snapshot(references: &References, account: &Account, problems: &mut Vec<Problem>) {
    let Some(name) = &references.snapshot else { return };
    let mut add = |rule: String, fix: &str| problems.push(Problem::new("SnapshotName", rule, fix).with_value(name));
    let found = match &account.snapshot {
        Lookup::NotDone => return,
        Lookup::Missing => return add(NOT_THERE.to_owned(), "name an existing snapshot"),
        Lookup::Found(found) => found,
    };
    if found.status != Status::Available {
        add(format!("is {}, not available", found.status), "wait until it is available");
    }
    if found.data_tiering != references.data_tiering {
        let (has, wants) = if found.data_tiering { ("has", "with") } else { ("has no", "without") };
        let rule = format!("{has} data tiering, and AWS restores it only into a cluster {wants} it");
        add(rule, "set DataTieringEnabled accordingly, or name another snapshot");
    }
    if let (Some(shards @ 2..), Some(ClusterMode::Disabled)) = (found.shards, references.cluster_mode) {
        let rule = format!("holds {shards} shards, whose data does not go into a cluster without cluster mode");
        add(rule, "set NumNodeGroups, or name another snapshot");
    }
    if (found.engine, references.engine) == (Some(Engine::Valkey), Engine::Redis) {
        let version = found.version.as_ref().map(|taken| format!(" {taken}")).unwrap_or_default();
        add(format!("was taken of Valkey{version}, and AWS restores it to no Redis OSS"), "set Engine to valkey");
    }
    if let (Some(engine), Some(taken), Some(wanted)) = (found.engine, &found.version, &references.version)
        && engine == references.engine
        && (taken.major, taken.minor) > (wanted.major, wanted.minor)
    {
        let rule = format!("was taken of version {taken}, newer than EngineVersion {wanted}");
        add(rule, "raise EngineVersion, or name another snapshot");
    }
}
