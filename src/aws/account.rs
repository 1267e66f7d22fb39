//! Lookups of what the properties name, before the first write. Calls AWS, reading only.
//!
//! Each is tried once and for a short time: a check that is not possible right now is left out, and AWS itself refuses
//! what is wrong later.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticache::config::Builder;
use aws_sdk_elasticache::config::retry::RetryConfig;
use aws_sdk_elasticache::config::timeout::TimeoutConfig;
use aws_sdk_elasticache::types::{DataTieringStatus, Parameter};

use super::client::Aws;
use super::convert;
use super::fault::{Class, Fault};
use crate::domain::engine::{Engine, Version};
use crate::observed::{FoundParameterGroup, FoundSnapshot, Lookup, ParameterRule};

/// Longest that one lookup may hold the first write up.
const PATIENCE: Duration = Duration::from_secs(3);

fn once() -> Builder {
    let timeout = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
    Builder::new().retry_config(RetryConfig::disabled()).timeout_config(timeout)
}

fn missing<T>(fault: Fault, code: &str) -> Result<Lookup<T>, Fault> {
    if fault.code == code || fault.class == Class::Missing { Ok(Lookup::Missing) } else { Err(fault) }
}

impl Aws {
    /// A parameter group of the user's, and whether it turns cluster mode on.
    pub(crate) async fn named_parameter_group(&self, name: &str) -> Result<Lookup<FoundParameterGroup>, Fault> {
        let call = self.elasticache.describe_cache_parameter_groups().cache_parameter_group_name(name);
        let described = async {
            let output = call.customize().config_override(once()).send().await;
            output.map_err(|e| Fault::new("elasticache:DescribeCacheParameterGroups", name, &e))
        };
        let (described, cluster_enabled) = tokio::join!(described, self.cluster_enabled(name));
        let output = match described {
            Ok(output) => output,
            Err(fault) => return missing(fault, "CacheParameterGroupNotFound"),
        };
        let Some(group) = output.cache_parameter_groups().first() else { return Ok(Lookup::Missing) };
        if let Err(fault) = &cluster_enabled
            && fault.passes()
        {
            return Err(fault.clone());
        }
        Ok(Lookup::Found(FoundParameterGroup {
            family: group.cache_parameter_group_family().unwrap_or_default().to_owned(),
            cluster_enabled: cluster_enabled.unwrap_or_default(),
        }))
    }

    /// Whether a parameter group turns cluster mode on; `None` when it does not say.
    pub(crate) async fn cluster_enabled(&self, name: &str) -> Result<Option<bool>, Fault> {
        let mut marker = None;
        loop {
            let call = self.elasticache.describe_cache_parameters().cache_parameter_group_name(name).set_marker(marker);
            let output = call.customize().config_override(once()).send().await;
            let output = output.map_err(|e| Fault::new("elasticache:DescribeCacheParameters", name, &e))?;
            let parameter = output.parameters().iter().find(|p| p.parameter_name() == Some("cluster-enabled"));
            if let Some(value) = parameter.and_then(Parameter::parameter_value) {
                return Ok(Some(value == "yes"));
            }
            marker = output.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if marker.is_none() {
                return Ok(None);
            }
        }
    }

    /// What the parameters of a family may be, by name.
    pub(crate) async fn parameter_rules(&self, family: &str) -> Result<BTreeMap<String, ParameterRule>, Fault> {
        let mut rules = BTreeMap::new();
        let mut marker = None;
        loop {
            let call = self.elasticache.describe_engine_default_parameters().cache_parameter_group_family(family);
            let output = call.set_marker(marker).customize().config_override(once()).send().await;
            let output = output.map_err(|e| Fault::new("elasticache:DescribeEngineDefaultParameters", family, &e))?;
            let Some(defaults) = output.engine_defaults() else { return Ok(rules) };
            // `IsModifiable` is not asked: it is false here for parameters that a group of one's own can set.
            let rule = |p: &Parameter| {
                let rule = ParameterRule {
                    data_type: p.data_type().unwrap_or_default().to_owned(),
                    allowed: p.allowed_values().unwrap_or_default().to_owned(),
                };
                Some((p.parameter_name()?.to_owned(), rule))
            };
            rules.extend(defaults.parameters().iter().filter_map(rule));
            marker = defaults.marker().filter(|marker| !marker.is_empty()).map(str::to_owned);
            if marker.is_none() {
                return Ok(rules);
            }
        }
    }

    /// Engine of a user group.
    pub(crate) async fn user_group_engine(&self, id: &str) -> Result<Lookup<String>, Fault> {
        let call = self.elasticache.describe_user_groups().user_group_id(id);
        match call.customize().config_override(once()).send().await {
            Ok(output) => Ok(match output.user_groups().first() {
                Some(group) => Lookup::Found(group.engine().unwrap_or_default().to_owned()),
                None => Lookup::Missing,
            }),
            Err(e) => missing(Fault::new("elasticache:DescribeUserGroups", id, &e), "UserGroupNotFound"),
        }
    }

    /// A snapshot by name.
    pub(crate) async fn snapshot(&self, name: &str) -> Result<Lookup<FoundSnapshot>, Fault> {
        let call = self.elasticache.describe_snapshots().snapshot_name(name);
        match call.customize().config_override(once()).send().await {
            Ok(output) => Ok(match output.snapshots().first() {
                Some(snapshot) => Lookup::Found(FoundSnapshot {
                    arn: snapshot.arn().unwrap_or_default().to_owned(),
                    status: convert::status(snapshot.snapshot_status()),
                    engine: snapshot.engine().and_then(|name| name.parse().ok()),
                    version: snapshot.engine_version().and_then(Version::parse),
                    shards: snapshot.num_node_groups(),
                    data_tiering: snapshot.data_tiering() == Some(&DataTieringStatus::Enabled),
                }),
                None => Lookup::Missing,
            }),
            Err(e) => missing(Fault::new("elasticache:DescribeSnapshots", name, &e), "SnapshotNotFoundFault"),
        }
    }

    /// The versions of an engine that are offered here and now.
    pub(crate) async fn engine_versions(&self, engine: Engine) -> Result<Vec<Version>, Fault> {
        let call = self.elasticache.describe_cache_engine_versions().engine(engine.to_string());
        let output = call.customize().config_override(once()).send().await;
        let output = output.map_err(|e| Fault::new("elasticache:DescribeCacheEngineVersions", engine.into(), &e))?;
        // Versions on further pages are not known then, and nothing is said about the wanted one.
        if output.marker().is_some_and(|marker| !marker.is_empty()) {
            return Ok(Vec::new());
        }
        Ok(output.cache_engine_versions().iter().filter_map(|v| Version::parse(v.engine_version()?)).collect())
    }
}
