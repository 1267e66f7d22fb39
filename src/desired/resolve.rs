//! From legal properties to a desired state: every default stands here.

use std::collections::BTreeSet;

use super::identity::{derived_id, generation};
use super::parts::{Auth, LogDelivery, Parameters, Purpose, Restore, SecretSettings, Source, Tls, Topology};
use super::references::References;
use super::removal::DEFAULT_RECOVERY_DAYS;
use super::rules;
use super::state::{Desired, ModeFollowsGroup, zones_of};
use crate::domain::alarm::{Alarms, Metric};
use crate::domain::engine::{Engine, Version};
use crate::domain::names::{self, Names};
use crate::domain::problem::Problem;
use crate::domain::tags::Owner;
use crate::properties::{
    AlarmProperties, LogFormat, Parsed, Properties, ReplacementPolicy, Settings, TransitEncryptionMode,
};

impl Desired {
    /// Reads, defaults and checks; all problems at once.
    ///
    /// # Errors
    /// Every property that is wrong, with its fix.
    pub fn new(parsed: &Parsed, owner: &Owner, purpose: Purpose<'_>) -> Result<Desired, Vec<Problem>> {
        let mut problems = parsed.problems.clone();
        rules::check(&parsed.values, purpose, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(resolve(parsed.values.clone(), owner, purpose))
    }
}

/// Fills in the defaults of properties that passed the rules.
fn resolve(p: Properties, owner: &Owner, purpose: Purpose<'_>) -> Desired {
    let stem = derived_id(&p).unwrap_or_default();
    let names = Names::of(match purpose {
        Purpose::Create => stem.as_str(),
        Purpose::Update(id) | Purpose::Replace(id) => id,
    });
    let number = generation(&p, &names.replication_group).map_or(1, |(_, number)| number);
    let engine = p.engine.unwrap_or(Engine::Valkey);
    let version = p.engine_version.as_deref().and_then(Version::parse).unwrap_or_else(|| engine.default_version());
    let (topology, cluster_mode) = rules::topology(&p);
    let references = References::of(&p, purpose);
    let settings = Settings::of(&p);
    let mode_follows_group =
        rules::mode_follows_parameter_group(&p).then_some(ModeFollowsGroup { failover: p.automatic_failover_enabled });
    let sharded = matches!(topology, Topology::Sharded { .. });
    let mut preferred_zones = p.preferred_availability_zones.clone();
    if !sharded && preferred_zones.is_empty() {
        preferred_zones = zones_of(p.node_group_configuration.as_deref().unwrap_or_default(), topology.nodes());
    }
    let auth = auth(&p);
    let title = format!("{} in {}", p.project_id.as_deref().unwrap_or_default(), p.env.as_deref().unwrap_or_default());
    let mut tags = owner.tags();
    tags.extend(p.tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))));
    Desired {
        description: p.description.unwrap_or_else(|| default_description(&title)),
        title,
        tags,
        vpc_id: p.vpc_id.unwrap_or_default(),
        subnet_ids: p.subnet_ids.into_iter().collect(),
        allowed: sources(&p.allowed_security_group_ids, &p.allowed_cidr_blocks),
        extra_security_groups: p.security_group_ids.into_iter().collect(),
        port: p.port.unwrap_or(6379),
        network_type: p.network_type,
        ip_discovery: p.ip_discovery,
        preferred_zones,
        engine,
        version,
        node_type: p.node_type.unwrap_or_else(|| rules::DEFAULT_NODE_TYPE.to_owned()),
        parameters: match (p.parameter_group_name, p.parameters) {
            (Some(name), _) => Parameters::Named(name),
            (None, Some(values)) if !values.is_empty() => Parameters::Own(values.into_iter().collect()),
            (None, _) => Parameters::Default,
        },
        automatic_failover: p.automatic_failover_enabled.unwrap_or(sharded),
        multi_az: p.multi_az_enabled.unwrap_or(false),
        topology,
        cluster_mode,
        data_tiering: p.data_tiering_enabled,
        durability: p.durability,
        at_rest_encryption: p.at_rest_encryption_enabled.unwrap_or(true),
        kms_key_id: p.kms_key_id,
        tls: match (p.transit_encryption_enabled, p.transit_encryption_mode) {
            (Some(false), _) => Tls::Off,
            (None, None) if !auth.is_required() => Tls::Off,
            (_, Some(TransitEncryptionMode::Preferred)) => Tls::Preferred,
            (_, _) => Tls::Required,
        },
        auth,
        secret: SecretSettings {
            name: match &p.secret_name {
                Some(given) => names::given_secret(given, number),
                None => names.secret(),
            },
            numbered: None,
            kms_key_id: p.secret_kms_key_id,
            recovery_window_days: p.secret_recovery_window_in_days.unwrap_or(DEFAULT_RECOVERY_DAYS),
            grace_minutes: p.auth_token_grace_minutes,
        },
        settings,
        restore: Restore { snapshot_name: p.snapshot_name, snapshot_arns: p.snapshot_arns },
        apply_immediately: p.apply_immediately.unwrap_or(true),
        logs: p.log_delivery.into_iter().filter_map(log).collect(),
        alarms: p.alarms.map(alarms),
        deletion_protection: p.deletion_protection.unwrap_or(false),
        count_policy: p.count_policy.unwrap_or_default(),
        replacement_policy: p.replacement_policy.unwrap_or(ReplacementPolicy::Refuse),
        replaces: None,
        transfer_snapshot: None,
        kept_version: None,
        token_stays: false,
        references,
        mode_follows_group,
        names,
        owner: owner.clone(),
    }
}

fn auth(p: &Properties) -> Auth {
    if let Some(token) = &p.auth_token {
        Auth::Literal(token.clone())
    } else if let Some(arn) = &p.auth_token_secret_arn {
        Auth::External { arn: arn.clone(), key: p.auth_token_secret_key.clone() }
    } else if p.auth_token_enabled == Some(true) {
        Auth::Generated { version: p.auth_token_version.clone() }
    } else if let Some(group) = p.user_group_ids.first() {
        Auth::UserGroup(group.clone())
    } else {
        Auth::Open
    }
}

fn sources(groups: &[String], cidrs: &[String]) -> BTreeSet<Source> {
    let groups = groups.iter().map(|id| Source::SecurityGroup(id.clone()));
    let cidrs = cidrs.iter().filter_map(|text| rules::cidr(text)).map(Source::Cidr);
    groups.chain(cidrs).collect()
}

fn alarms(p: AlarmProperties) -> Alarms {
    // Every field is named here, so that a new one cannot be forgotten.
    let AlarmProperties {
        actions,
        ok_actions,
        memory,
        engine_cpu,
        cpu,
        connections,
        replication_lag,
        swap,
        evictions,
        authentication_failures,
    } = p;
    let thresholds = [
        (Metric::Memory, memory),
        (Metric::EngineCpu, engine_cpu),
        (Metric::Cpu, cpu),
        (Metric::Connections, connections),
        (Metric::ReplicationLag, replication_lag),
        (Metric::Swap, swap),
        (Metric::Evictions, evictions),
        (Metric::AuthenticationFailures, authentication_failures),
    ];
    let thresholds = thresholds.into_iter().filter_map(|(metric, threshold)| Some((metric, threshold?))).collect();
    Alarms { actions, ok_actions, thresholds }
}

fn log(item: crate::properties::LogDeliveryProperties) -> Option<(String, LogDelivery)> {
    let delivery = LogDelivery {
        destination_type: item.destination_type?.to_string(),
        destination: item.destination?,
        format: item.log_format.unwrap_or(LogFormat::Json).to_string(),
    };
    Some((item.log_type?.to_string(), delivery))
}

/// A description for people; whatever AWS refuses in one is left out.
fn default_description(title: &str) -> String {
    title.chars().filter(|c| !matches!(c, '<' | '>')).take(255).collect()
}
