//! What is refused: things that belong to somebody else, and changes that AWS does not make in place.

use super::dependencies::takes_over;
use super::types::{Direction, Transition};
use super::{engine_version, nodes, parameter_groups};
use crate::auth::token;
use crate::desired::{Auth, Desired, Parameters, Tls};
use crate::domain::engine::{Engine, Feature};
use crate::domain::problem::Problem;
use crate::domain::tags::{Owner, TAG_LOGICAL_ID, TAG_STACK_ID};
use crate::observed::{Group, Member, Observed, Status, same_key};
use crate::properties::ClusterMode;

/// Things under our names that are not ours.
pub(super) fn unowned(desired: &Desired, observed: &Observed) -> Vec<Problem> {
    let owner = &desired.owner;
    let id = &desired.names.replication_group;
    let mut problems = Vec::new();
    // Where the rest is ours, somebody may have removed the tags.
    let tag_again = observed.has_anything_of(owner).then(|| {
        let Owner { stack_id, logical_id } = owner;
        format!(
            "if it is this resource's and lost its tags, put {TAG_STACK_ID} = {stack_id} and {TAG_LOGICAL_ID} = \
             {logical_id} back on it; else "
        )
    });
    let tag_again = tag_again.unwrap_or_default();
    let mut refuse = |what: String, fix: &str| {
        let rule = format!("{what} exists already and does not belong to this resource");
        let fix = format!("{tag_again}{fix}");
        problems.push(Problem::new("ReplicationGroupId", rule, fix).with_value(id));
    };
    let rename = "set ReplicationGroupId to a free name, or remove what is there";
    if observed.group.is_some() && !observed.owns_group(owner) {
        refuse(format!("replication group {id}"), rename);
    }
    if let Some(group) = observed.subnet_group.as_ref().filter(|group| !owner.owns(&group.tags)) {
        refuse(format!("subnet group {}", group.name), rename);
    }
    if let Some(group) = observed.security_group.as_ref().filter(|group| !owner.owns(&group.tags)) {
        refuse(format!("security group {} ({})", group.name, group.id), rename);
    }
    for group in observed.parameter_groups.iter().filter(|group| !owner.owns(&group.tags)) {
        refuse(format!("parameter group {}", group.name), rename);
    }
    if let Some(secret) = observed.secret.as_ref().filter(|secret| {
        desired.auth.keeps_secret() && !owner.owns(&secret.tags) && !takes_over(desired, observed, secret)
    }) {
        refuse(
            format!("secret {}", secret.name),
            "set SecretName to a free name, or use AuthTokenSecretArn to read it",
        );
    }
    problems
}

/// A change that AWS does not make in place: only another group can have the wanted value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacing {
    /// Property.
    pub property: &'static str,
    /// What the group has.
    pub is: String,
    /// What is wanted.
    pub wanted: String,
    /// Why a snapshot of the group cannot be restored into one with the wanted value.
    pub unrestorable: Option<&'static str>,
    /// Whether AWS makes the opposite change in place, so that this one may be the rollback of it.
    pub irreversible: bool,
    /// What the template can do to get there in several updates of the same group.
    pub detour: Option<&'static str>,
    /// Whether the template has not changed, but the group has.
    pub is_drift: bool,
    /// What makes the template say what the group has.
    pub line: String,
}

impl Replacing {
    pub(super) fn new(property: &'static str, is: &dyn ToString, wanted: &dyn ToString) -> Replacing {
        let (is, wanted) = (is.to_string(), wanted.to_string());
        let line = format!("{property}: {is}");
        Replacing { line, property, is, wanted, unrestorable: None, irreversible: false, detour: None, is_drift: false }
    }

    /// A change whose opposite AWS makes in place.
    fn irreversible(property: &'static str, is: &dyn ToString, wanted: &dyn ToString) -> Replacing {
        Replacing { irreversible: true, ..Replacing::new(property, is, wanted) }
    }

    fn line(mut self, line: String) -> Replacing {
        self.line = line;
        self
    }

    fn unrestorable(mut self, why: Option<&'static str>) -> Replacing {
        self.unrestorable = why;
        self
    }

    fn detour(mut self, way: Option<&'static str>) -> Replacing {
        self.detour = way;
        self
    }

    /// How to do without a replacement.
    fn ways_out(&self) -> String {
        let detour = self.detour.map(|way| format!(", {way}")).unwrap_or_default();
        format!("put {} back{detour}", self.is)
    }

    /// The change, refused because the template does not allow a replacement.
    pub(super) fn refused(&self) -> Problem {
        let rule = format!("is {} and AWS cannot change it in place", self.is);
        let ways_out = self.ways_out();
        let fix = match self.unrestorable {
            None => {
                format!(
                    "{ways_out}, or set ReplacementPolicy to Snapshot (a new cluster with the data of this one) or \
                     Empty (a new one without)"
                )
            }
            Some(why) => {
                format!("{ways_out}, or set ReplacementPolicy to Empty (a new cluster without the data: {why})")
            }
        };
        Problem::new(self.property, rule, fix).with_value(&self.wanted)
    }

    /// The change, refused because the data cannot come along as the template demands.
    pub(super) fn without_data(&self) -> Option<Problem> {
        let why = self.unrestorable?;
        let rule = format!("is {}, and {why}, as ReplacementPolicy Snapshot demands", self.is);
        let fix = format!("{}, or set ReplacementPolicy to Empty and move the data yourself", self.ways_out());
        Some(Problem::new(self.property, rule, fix).with_value(&self.wanted))
    }

    /// The change, refused because nobody asked for it: a new cluster comes from a change of the template only.
    pub(super) fn drifted(&self) -> Option<Problem> {
        let rule = format!(
            "is {} and AWS cannot change it in place; the template has not changed here, so this does not replace the cluster",
            self.is
        );
        let fix = format!("put {} into the template; to get a new cluster, change it in a second update", self.line);
        self.is_drift.then(|| Problem::new(self.property, rule, fix).with_value(&self.wanted))
    }

    /// What a rollback leaves as it is, with the line for the template.
    #[must_use]
    pub fn kept(&self) -> String {
        format!(
            "{} stays {}, because AWS does not go back to {}: write {} into the template, else the next update is refused",
            self.property, self.is, self.wanted, self.line
        )
    }

    /// The change, refused because it may be the rollback of an update that went the other way in place: that one kept
    /// the data, and an empty cluster would lose it.
    pub(super) fn maybe_rollback(&self) -> Option<Problem> {
        let rule = format!(
            "is {} and AWS cannot change it in place; the rollback of an update looks the same, and a ReplacementPolicy \
             that was Empty before must not lose the data then",
            self.is
        );
        let fix = format!(
            "{}, or set ReplacementPolicy to Refuse first, then to Empty together with this change",
            self.ways_out()
        );
        self.irreversible.then(|| Problem::new(self.property, rule, fix).with_value(&self.wanted))
    }
}

/// What stands against the desired state on the group that stands.
#[derive(Debug, Default)]
pub(super) struct Obstacles {
    /// Changes that a new group would bring.
    pub(super) replacing: Vec<Replacing>,
    /// What the group refuses for now, or unless the template says more. A new group would not.
    pub(super) refused: Vec<Problem>,
}

impl Obstacles {
    /// Whether nothing stands against it.
    pub(super) fn is_none(&self) -> bool {
        self.replacing.is_empty() && self.refused.is_empty()
    }

    /// All of it as problems, for a template that allows no replacement.
    pub(super) fn refused(mut self) -> Vec<Problem> {
        self.refused.extend(self.replacing.iter().map(|change| change.drifted().unwrap_or_else(|| change.refused())));
        self.refused
    }
}

/// Everything that AWS does not do with the standing group.
pub(super) fn obstacles(transition: Transition<'_>, observed: &Observed) -> Obstacles {
    let desired = transition.desired;
    let mut obstacles = Obstacles::default();
    let Some(group) = &observed.group else { return obstacles };
    let replacing = &mut obstacles.replacing;
    if let Some(renamed) = transition.renamed {
        replacing.push(Replacing::new("ReplicationGroupId", &group.id, &renamed));
    }
    create_only(transition, observed, group, replacing);
    if let Some(member) = observed.first_member() {
        downgrade(transition, observed, member, replacing);
    }
    tls(desired, group, observed, replacing);
    dropped_token(transition, group, observed, replacing);
    shape(desired, group, observed, &mut obstacles);
    if observed.first_member().and_then(|member| member.engine) == Some(Engine::Valkey)
        && desired.engine == Engine::Redis
    {
        // In place it may go back; a new group would have to be restored from a snapshot.
        for change in &mut obstacles.replacing {
            change.unrestorable.get_or_insert("AWS restores no snapshot of Valkey into Redis OSS");
        }
    }
    if let Some(previous) =
        transition.previous.filter(|_| transition.direction != Direction::Rollback && !transition.guessed)
    {
        for change in &mut obstacles.replacing {
            change.is_drift = is_unchanged(change.property, desired, previous);
        }
    }
    obstacles.refused.extend(upgrade_while_node_type_waits(desired, group, observed));
    obstacles.refused.extend(features_that_would_wait(desired, group, observed));
    if transition.direction != Direction::Rollback {
        obstacles.refused.extend(multi_az_in_one_zone(desired, group, observed));
        obstacles.refused.extend(token::unreadable(desired, group, observed));
    }
    obstacles
}

/// AWS turns Multi-AZ on only where the nodes of every shard are in two zones. Nodes that the update adds go where there are
/// fewest.
fn multi_az_in_one_zone(desired: &Desired, group: &Group, observed: &Observed) -> Option<Problem> {
    let wanted = usize::try_from(desired.topology.nodes()).unwrap_or(usize::MAX);
    if !desired.multi_az || group.multi_az || wanted > group.member_ids.len() {
        return None;
    }
    let one_zone = |ids: &[String]| {
        let mut zones = ids.iter().map(|id| observed.members.get(id).map(|member| member.zone.as_str()));
        let first = zones.next()?.filter(|zone| !zone.is_empty())?;
        (ids.len() > 1 && zones.all(|zone| zone == Some(first))).then_some(first)
    };
    let (shard, zone) = group.shards.iter().find_map(|shard| Some((&shard.id, one_zone(&shard.member_ids)?)))?;
    let rule = format!("needs nodes in two availability zones, and all nodes of shard {shard} are in {zone}");
    let fix = "add a node in the same update, with SubnetIds in another zone, where AWS puts it";
    Some(Problem::new("MultiAzEnabled", rule, fix).with_value("true"))
}

/// Whether two transitions want the same of a property.
fn is_unchanged(property: &str, one: &Desired, other: &Desired) -> bool {
    match property {
        "VpcId" => one.vpc_id == other.vpc_id,
        "AtRestEncryptionEnabled" => one.at_rest_encryption == other.at_rest_encryption,
        "KmsKeyId" => one.kms_key_id == other.kms_key_id,
        "Durability" => one.durability == other.durability,
        "NetworkType" => one.network_type == other.network_type,
        "DataTieringEnabled" => one.data_tiering == other.data_tiering,
        "EngineVersion" | "Engine" => (one.engine, &one.version) == (other.engine, &other.version),
        "TransitEncryptionEnabled" => one.tls == other.tls && one.auth == other.auth,
        "AuthTokenEnabled" | "AuthToken" | "AuthTokenSecretArn" => one.auth == other.auth,
        "ClusterMode" => one.cluster_mode == other.cluster_mode,
        // A name and a port are compared with the template of before already.
        _ => false,
    }
}

fn create_only(transition: Transition<'_>, observed: &Observed, group: &Group, replacing: &mut Vec<Replacing>) {
    let desired = transition.desired;
    let mut add = |property, is: &dyn ToString, wanted: &dyn ToString| {
        replacing.push(Replacing::new(property, is, wanted));
    };
    if let Some(vpc) = observed.subnet_group.as_ref().map(|group| &group.vpc_id).filter(|vpc| **vpc != desired.vpc_id) {
        add("VpcId", vpc, &desired.vpc_id);
    }
    // A rollback carries the port that the group has, whatever the previous desired state was, so both must differ.
    let port = group.main_endpoint().map(|endpoint| endpoint.port);
    if let Some(port) = port
        && port != desired.port
        && transition.previous.map_or(observed.was_there_before(), |previous| previous.port != desired.port)
    {
        add("Port", &port, &desired.port);
    }
    if group.at_rest_encryption != desired.at_rest_encryption {
        add("AtRestEncryptionEnabled", &group.at_rest_encryption, &desired.at_rest_encryption);
    }
    if !same_key(group.kms_key_id.as_deref(), desired.kms_key_id.as_deref()) {
        add("KmsKeyId", &key_name(group.kms_key_id.as_ref()), &key_name(desired.kms_key_id.as_ref()));
    }
    // Between sync and async it changes in place; whether there is any is fixed at creation.
    let durable = |durability: Option<&str>| matches!(durability, Some("sync" | "async"));
    if durable(group.durability.as_deref()) != durable(desired.durability.as_deref()) {
        let name = |durability: &Option<String>| durability.clone().unwrap_or_else(|| "off".to_owned());
        add("Durability", &name(&group.durability), &name(&desired.durability));
    }
    let network = <&str>::from(desired.network_type.unwrap_or_default());
    if let Some(is) = group.network_type.as_deref().filter(|is| *is != network) {
        add("NetworkType", &is, &network);
    }
    if desired.data_tiering.unwrap_or(false) != group.data_tiering {
        let change = Replacing::new("DataTieringEnabled", &group.data_tiering, &!group.data_tiering);
        let why = "AWS restores a snapshot with data tiering only into a cluster with it";
        replacing.push(change.unrestorable(group.data_tiering.then_some(why)));
    }
}

fn key_name(key: Option<&String>) -> String {
    key.cloned().unwrap_or_else(|| "AWS's own key".to_owned())
}

fn downgrade(transition: Transition<'_>, observed: &Observed, member: &Member, replacing: &mut Vec<Replacing>) {
    let desired = transition.desired;
    let (Some(engine), Some(version)) = (member.engine, member.version.as_ref()) else { return };
    let noted = observed.kept_version().is_some();
    // Whoever raises the version wants no older one, however far AWS is already.
    let raised = |before: &Desired| before.engine == desired.engine && desired.version.is_newer_than(&before.version);
    let unchanged = transition
        .previous
        .map_or(!noted, |previous| raised(previous) || (!noted && previous.version == desired.version));
    if engine == desired.engine {
        let older = (desired.version.major, desired.version.minor) < (version.major, version.minor);
        // An unchanged EngineVersion below the actual one means that AWS upgraded by itself; that is a warning.
        if older && !unchanged {
            let why = "AWS restores no snapshot into an older version";
            let change = Replacing::irreversible("EngineVersion", version, &desired.version).unrestorable(Some(why));
            replacing.push(change.line(format!("EngineVersion: \"{}.{}\"", version.major, version.minor)));
        }
    } else if engine == Engine::Valkey
        && !((version.major, version.minor) == (7, 2) && (desired.version.major, desired.version.minor) == (7, 1))
    {
        // The only way back that AWS offers is valkey 7.2 to redis 7.1.
        let (is, wanted) = (format!("{engine} {version}"), format!("{} {}", desired.engine, desired.version));
        let why = "Redis OSS does not read the data of this version of Valkey";
        let line = format!("Engine: {engine} and EngineVersion: \"{}.{}\"", version.major, version.minor);
        replacing.push(Replacing::irreversible("Engine", &is, &wanted).unrestorable(Some(why)).line(line));
    }
}

/// TLS changes in place from Valkey 7.2 and Redis OSS 7.0.5 on, and only without a token.
fn tls(desired: &Desired, group: &Group, observed: &Observed, replacing: &mut Vec<Replacing>) {
    let actual = group.tls;
    if actual == desired.tls {
        return;
    }
    if !desired.version.has(desired.engine, Feature::TlsChange) {
        replacing.push(Replacing::new("TransitEncryptionEnabled", &actual, &desired.tls).line(tls_line(actual)));
    } else if desired.auth == Auth::Open && token::is_optional(group, observed) {
        let change = Replacing::irreversible("TransitEncryptionEnabled", &actual, &desired.tls);
        let way = "switch to UserGroupIds, which take away the token that an earlier update added, and remove them in a \
                   second update";
        replacing.push(change.detour(Some(way)).line(tls_line(actual)));
    }
}

fn tls_line(actual: Tls) -> String {
    match actual {
        Tls::Off => "TransitEncryptionEnabled: false".to_owned(),
        Tls::Preferred | Tls::Required => {
            format!("TransitEncryptionEnabled: true and TransitEncryptionMode: {actual}")
        }
    }
}

/// The shape of a group with cluster mode.
fn shards_line(group: &Group) -> String {
    let replicas = group.shards.iter().map(|shard| shard.member_ids.len().saturating_sub(1)).max().unwrap_or_default();
    let shards = group.shards.len();
    format!("ClusterMode: enabled, NumNodeGroups: {shards} and ReplicasPerNodeGroup: {replicas} (no NumCacheNodes)")
}

/// AWS takes no token away. One that is not required yet locks nobody out: the rollback of the update that added it may
/// leave it.
fn dropped_token(transition: Transition<'_>, group: &Group, observed: &Observed, replacing: &mut Vec<Replacing>) {
    if transition.desired.auth != Auth::Open
        || transition.desired.token_stays
        || !group.auth_token_enabled
        || token::is_optional(group, observed)
    {
        return;
    }
    let (property, is, wanted) = match transition.previous.map(|previous| &previous.auth) {
        Some(Auth::Literal(_)) => ("AuthToken", "a token", "none"),
        Some(Auth::External { arn, .. }) => ("AuthTokenSecretArn", arn.as_str(), "none"),
        Some(Auth::Generated { .. } | Auth::UserGroup(_) | Auth::Open) | None => ("AuthTokenEnabled", "true", "false"),
    };
    let way = "switch to UserGroupIds and remove them in a second update";
    let change = Replacing::irreversible(property, &is, &wanted).detour(Some(way));
    let line = match property {
        "AuthToken" => "the AuthToken of the failed update".to_owned(),
        _ => change.line.clone(),
    };
    replacing.push(change.line(line));
}

/// AWS upgrades no engine while another node type waits for the maintenance window, and takes back no such change. A
/// node type shows as pending also while it is being changed, so this can be told only at rest.
fn upgrade_while_node_type_waits(desired: &Desired, group: &Group, observed: &Observed) -> Option<Problem> {
    let upgrade = observed.first_member().is_some_and(|member| engine_version::is_to_upgrade(desired, member));
    let wanted = desired.node_type != group.node_type;
    let at_rest = group.status == Status::Available && observed.busy_member().is_none();
    if !at_rest || !upgrade || !engine_version::node_type_waits(observed) || (desired.apply_immediately && wanted) {
        return None;
    }
    let rule = "AWS does not upgrade while another NodeType waits for the maintenance window";
    let fix = if wanted {
        "set ApplyImmediately to true, which changes the node type first, or upgrade after the window"
    } else {
        "upgrade after the window, or set NodeType to the one that waits and ApplyImmediately to true"
    };
    Some(Problem::new("EngineVersion", rule, fix).with_value(&desired.version))
}

/// TLS, logs and user groups change at once, whatever `ApplyImmediately` says; an upgrade that brings them does not.
fn features_that_would_wait(desired: &Desired, group: &Group, observed: &Observed) -> Vec<Problem> {
    let member = observed.first_member().filter(|member| member.is_to_become(desired));
    let Some((engine, version)) = member.and_then(|member| member.engine.zip(member.version.as_ref())) else {
        return Vec::new();
    };
    if desired.apply_immediately {
        return Vec::new();
    }
    let user_group = matches!(&desired.auth, Auth::UserGroup(id) if !group.user_group_ids.contains(id));
    let log = |kind: &str| desired.logs.get(kind).is_some_and(|log| group.logs.get(kind) != Some(log));
    let wanted = [
        ("TransitEncryptionEnabled", desired.tls != group.tls, Feature::TlsChange),
        ("UserGroupIds", user_group, Feature::UserGroups),
        ("LogDelivery", log("slow-log"), Feature::SlowLog),
        ("LogDelivery", log("engine-log"), Feature::EngineLog),
    ];
    let lacking = wanted.into_iter().filter(|(_, is_wanted, feature)| *is_wanted && !version.has(engine, *feature));
    let problem = |(property, _, feature): (&str, bool, Feature)| {
        let rule = format!(
            "does not wait for the maintenance window, {}, and the upgrade waits (ApplyImmediately is false)",
            feature.needs()
        );
        Problem::new(property, rule, "set ApplyImmediately to true, or make this change after the window")
    };
    lacking.map(problem).collect()
}

/// Whether something changes that AWS does not change while cluster mode is compatible.
fn changes_nodes(desired: &Desired, group: &Group, observed: &Observed) -> bool {
    observed.first_member().is_some_and(|member| member.is_to_become(desired)) || desired.node_type != group.node_type
}

fn shape(desired: &Desired, group: &Group, observed: &Observed, obstacles: &mut Obstacles) {
    let (actual, wanted) = (group.cluster_mode, desired.cluster_mode);
    let nodes_change = wanted == ClusterMode::Compatible && changes_nodes(desired, group, observed);
    if actual == wanted {
        if nodes_change || (wanted == ClusterMode::Compatible && nodes::changes_count(desired, group)) {
            let rule =
                "AWS changes neither engine version nor node type nor the number of nodes while it is compatible";
            let fix = "set it to enabled or disabled together with the change, or first";
            obstacles.refused.push(Problem::new("ClusterMode", rule, fix).with_value(<&str>::from(wanted)));
        }
        return;
    }
    let upgrade = observed.first_member().is_some_and(|member| member.is_to_become(desired));
    let waits = nodes_change || (upgrade && actual == ClusterMode::Disabled);
    if waits && !desired.apply_immediately {
        let rule = "a change of ClusterMode does not wait for the maintenance window, and what waits there cannot be \
                    changed any more afterwards";
        let fix = "set it to true, or change ClusterMode after the window";
        obstacles.refused.push(Problem::new("ApplyImmediately", rule, fix).with_value(false));
    }
    if parameter_groups::needs_two_of_the_users(desired, observed) {
        let rule = "AWS takes no upgrade to another family together with another cluster mode, and for either alone this \
                    group does not fit";
        let fix = "make the two changes in two updates, each with a group of its own, or use Parameters";
        let problem = Problem::new("ParameterGroupName", rule, fix);
        obstacles.refused.push(match &desired.parameters {
            Parameters::Named(name) => problem.with_value(name),
            Parameters::Default | Parameters::Own(_) => problem,
        });
    }
    if actual == ClusterMode::Enabled {
        let why = "AWS restores a snapshot taken with cluster mode only into a cluster with it";
        let change = Replacing::irreversible("ClusterMode", &actual, &wanted);
        obstacles.replacing.push(change.unrestorable(Some(why)).line(shards_line(group)));
    } else if !desired.version.has(desired.engine, Feature::ClusterModeChange) {
        let rule = "the cluster mode of a standing group changes from Valkey 7.2 and Redis OSS 7 on";
        let problem = Problem::new("ClusterMode", rule, "raise EngineVersion first");
        obstacles.refused.push(problem.with_value(<&str>::from(wanted)));
    }
}
