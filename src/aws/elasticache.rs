//! ElastiCache: the replication group with its subnet and parameter groups. Calls AWS.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticache::types::{
    AuthTokenUpdateStrategyType, CloudWatchLogsDestinationDetails, ClusterMode, ConfigureShard, DestinationDetails,
    DestinationType, Durability, Event, IpDiscovery, KinesisFirehoseDestinationDetails,
    LogDeliveryConfigurationRequest, LogFormat, LogType, NetworkType, NodeGroupConfiguration, ParameterNameValue,
    SourceType, TransitEncryptionMode,
};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use super::client::Aws;
use super::convert;
use super::convert_settings;
use super::fault::{Class, Fault};
use crate::desired::{LogDelivery, Tls, Topology};
use crate::domain::tags::Tags;
use crate::observed::{Group, Member, ParameterGroup, SubnetGroup};
use crate::properties::NodeGroupProperties;
use crate::step::group::{AuthRequest, GroupChange, NewGroup, Replicas};

/// The result of a lookup: not found is a value.
pub type Found<T> = Result<Option<T>, Fault>;

fn list(ids: &BTreeSet<String>) -> Vec<String> {
    ids.iter().cloned().collect()
}

/// Minutes of events that a failed creation is explained from.
const EVENT_MINUTES: i32 = 120;
/// Members whose events are asked for concurrently: a group may have ninety, and AWS counts calls.
const EVENT_CALLS_AT_ONCE: usize = 8;

impl Aws {
    /// The group, without its tags.
    pub(crate) async fn group(&self, id: &str) -> Found<Group> {
        match self.elasticache.describe_replication_groups().replication_group_id(id).send().await {
            Ok(output) => Ok(output.replication_groups().first().map(convert::group)),
            Err(e) => Fault::new("elasticache:DescribeReplicationGroups", id, &e).unless_missing(),
        }
    }

    /// One member of a group.
    pub(crate) async fn member(&self, id: &str) -> Found<Member> {
        match self.elasticache.describe_cache_clusters().cache_cluster_id(id).send().await {
            Ok(output) => Ok(output.cache_clusters().first().map(convert::member)),
            Err(e) => Fault::new("elasticache:DescribeCacheClusters", id, &e).unless_missing(),
        }
    }

    /// Those of these members that exist, by id, from the list of the whole account; it is read only as far as needed.
    pub(crate) async fn members(&self, ids: &BTreeSet<&str>) -> Result<BTreeMap<String, Member>, Fault> {
        let mut pages = self.elasticache.describe_cache_clusters().into_paginator().send();
        let mut members = BTreeMap::new();
        while members.len() < ids.len()
            && let Some(page) = pages.next().await
        {
            let page = page.map_err(|e| Fault::new("elasticache:DescribeCacheClusters", "all members", &e))?;
            let wanted = page.cache_clusters().iter().filter_map(|member| Some((member.cache_cluster_id()?, member)));
            let wanted = wanted.filter(|(id, _)| ids.contains(id));
            members.extend(wanted.map(|(id, member)| (id.to_owned(), convert::member(member))));
        }
        Ok(members)
    }

    /// Tags of anything of ElastiCache; `None` while AWS does not list them.
    pub(crate) async fn cache_tags(&self, arn: &str) -> Found<Tags> {
        match self.elasticache.list_tags_for_resource().resource_name(arn).send().await {
            Ok(output) => Ok(Some(convert::tags(output.tag_list()))),
            Err(e) => {
                let fault = Fault::new("elasticache:ListTagsForResource", arn, &e);
                if matches!(fault.class, Class::Missing | Class::Busy) { Ok(None) } else { Err(fault) }
            }
        }
    }

    /// The subnet group, without its tags.
    pub(crate) async fn subnet_group(&self, name: &str) -> Found<SubnetGroup> {
        let output = match self.elasticache.describe_cache_subnet_groups().cache_subnet_group_name(name).send().await {
            Ok(output) => output,
            Err(e) => return Fault::new("elasticache:DescribeCacheSubnetGroups", name, &e).unless_missing(),
        };
        Ok(output.cache_subnet_groups().first().map(|group| convert::subnet_group(name, group)))
    }

    /// The parameter groups among `names` that exist, without values and tags.
    pub(crate) async fn parameter_groups(&self, names: &BTreeSet<String>) -> Result<Vec<ParameterGroup>, Fault> {
        let on = "all parameter groups";
        let mut pages = self.elasticache.describe_cache_parameter_groups().into_paginator().send();
        let mut groups = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| Fault::new("elasticache:DescribeCacheParameterGroups", on, &e))?;
            for group in page.cache_parameter_groups() {
                let name = group.cache_parameter_group_name().unwrap_or_default();
                if names.contains(name) {
                    groups.push(convert::parameter_group(group));
                }
            }
        }
        Ok(groups)
    }

    /// One parameter group, without values and tags.
    pub(crate) async fn parameter_group(&self, name: &str) -> Found<ParameterGroup> {
        match self.elasticache.describe_cache_parameter_groups().cache_parameter_group_name(name).send().await {
            Ok(output) => Ok(output.cache_parameter_groups().first().map(convert::parameter_group)),
            Err(e) => Fault::new("elasticache:DescribeCacheParameterGroups", name, &e).unless_missing(),
        }
    }

    /// The values of a parameter group that differ from its family's defaults.
    pub(crate) async fn parameter_values(&self, name: &str) -> Found<BTreeMap<String, String>> {
        let call = self.elasticache.describe_cache_parameters().cache_parameter_group_name(name).source("user");
        let mut pages = call.into_paginator().send();
        let mut values = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(e) => return Fault::new("elasticache:DescribeCacheParameters", name, &e).unless_missing(),
            };
            let pair = |p: &aws_sdk_elasticache::types::Parameter| {
                Some((p.parameter_name()?.to_owned(), p.parameter_value()?.to_owned()))
            };
            values.extend(page.parameters().iter().filter_map(pair));
        }
        Ok(Some(values))
    }

    /// The newest events of a group and its members, newest first. What came about before `since_epoch_ms` belongs to an
    /// earlier request, or to a group that had the name before.
    pub(crate) async fn events(&self, group: &Group, since_epoch_ms: Option<u64>) -> Result<Vec<String>, Fault> {
        let since = group.created_epoch_ms.max(since_epoch_ms);
        let sources = [(SourceType::ReplicationGroup, group.id.as_str())].into_iter();
        let members = group.member_ids.iter().map(|id| (SourceType::CacheCluster, id.as_str()));
        let looks: Vec<_> = sources.chain(members).map(|(kind, id)| self.events_of(kind, id)).collect();
        let found: Vec<Vec<_>> = stream::iter(looks).buffer_unordered(EVENT_CALLS_AT_ONCE).try_collect().await?;
        let mut texts: Vec<_> = found.into_iter().flatten().collect();
        texts.retain(|(at, _)| at.is_none() || *at >= since);
        texts.sort_by(|a, b| b.cmp(a));
        Ok(texts.into_iter().map(|(_, text)| text).collect())
    }

    /// Texts with their dates, in milliseconds since the epoch.
    async fn events_of(&self, kind: SourceType, id: &str) -> Result<Vec<(Option<u64>, String)>, Fault> {
        let call = self.elasticache.describe_events().source_type(kind).source_identifier(id);
        let output = call.duration(EVENT_MINUTES).send().await;
        let output = output.map_err(|e| Fault::new("elasticache:DescribeEvents", id, &e))?;
        let dated = |event: &Event| Some((event.date().and_then(convert::epoch_ms), event.message()?.to_owned()));
        Ok(output.events().iter().filter_map(dated).collect())
    }

    /// Makes a subnet group, which is returned without its tags.
    pub(crate) async fn create_subnet_group(
        &self,
        name: &str,
        description: &str,
        subnet_ids: &BTreeSet<String>,
        tags: &Tags,
    ) -> Result<SubnetGroup, Fault> {
        let call = self.elasticache.create_cache_subnet_group().cache_subnet_group_name(name);
        let call = call.cache_subnet_group_description(description).set_subnet_ids(Some(list(subnet_ids)));
        let result = call.set_tags(Some(convert::tag_list(tags))).send().await;
        let output = result.map_err(|e| Fault::new("elasticache:CreateCacheSubnetGroup", name, &e))?;
        Ok(output.cache_subnet_group().map(|group| convert::subnet_group(name, group)).unwrap_or_default())
    }

    pub(crate) async fn modify_subnet_group(&self, name: &str, subnet_ids: &BTreeSet<String>) -> Result<(), Fault> {
        let call = self.elasticache.modify_cache_subnet_group().cache_subnet_group_name(name);
        let result = call.set_subnet_ids(Some(list(subnet_ids))).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:ModifyCacheSubnetGroup", name, &e))
    }

    pub(crate) async fn delete_subnet_group(&self, name: &str) -> Result<(), Fault> {
        let result = self.elasticache.delete_cache_subnet_group().cache_subnet_group_name(name).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:DeleteCacheSubnetGroup", name, &e))
    }

    /// Makes a parameter group, whose ARN is returned.
    pub(crate) async fn create_parameter_group(
        &self,
        name: &str,
        family: &str,
        description: &str,
        tags: &Tags,
    ) -> Result<String, Fault> {
        let call = self.elasticache.create_cache_parameter_group().cache_parameter_group_name(name);
        let call = call.cache_parameter_group_family(family).description(description);
        let result = call.set_tags(Some(convert::tag_list(tags))).send().await;
        let output = result.map_err(|e| Fault::new("elasticache:CreateCacheParameterGroup", name, &e))?;
        Ok(output.cache_parameter_group().and_then(|group| group.arn()).unwrap_or_default().to_owned())
    }

    pub(crate) async fn modify_parameters(&self, name: &str, values: &[(String, String)]) -> Result<(), Fault> {
        let values = values.iter().map(|(key, value)| name_and_value((key, value))).collect();
        let call = self.elasticache.modify_cache_parameter_group().cache_parameter_group_name(name);
        let result = call.set_parameter_name_values(Some(values)).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:ModifyCacheParameterGroup", name, &e))
    }

    /// The values change nothing; Terraform and the AWS controllers for Kubernetes send them, and not the flag for all.
    pub(crate) async fn reset_parameters(&self, name: &str, values: &BTreeMap<String, String>) -> Result<(), Fault> {
        let named = values.iter().map(name_and_value).collect();
        let call = self.elasticache.reset_cache_parameter_group().cache_parameter_group_name(name);
        let result = call.set_parameter_name_values(Some(named)).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:ResetCacheParameterGroup", name, &e))
    }

    pub(crate) async fn delete_parameter_group(&self, name: &str) -> Result<(), Fault> {
        let result = self.elasticache.delete_cache_parameter_group().cache_parameter_group_name(name).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:DeleteCacheParameterGroup", name, &e))
    }

    pub(crate) async fn create_group(&self, group: &NewGroup) -> Result<(), Fault> {
        // Every field is named here, so that a new one cannot be forgotten.
        let NewGroup {
            id,
            description,
            engine,
            version,
            node_type,
            topology,
            cluster_mode,
            automatic_failover,
            multi_az,
            preferred_zones,
            port,
            parameter_group,
            subnet_group,
            security_groups,
            network_type,
            ip_discovery,
            at_rest_encryption,
            kms_key_id,
            transit_encryption,
            transit_encryption_mode,
            auth_token,
            user_group,
            settings,
            restore,
            logs,
            data_tiering,
            durability,
            tags,
        } = group;
        let mut call = self
            .elasticache
            .create_replication_group()
            .replication_group_id(id)
            .replication_group_description(description)
            .engine(engine)
            .engine_version(version)
            .cache_node_type(node_type)
            .set_cluster_mode(cluster_mode.map(ClusterMode::from))
            .automatic_failover_enabled(*automatic_failover)
            // What is off by default is not said, as Terraform does it.
            .set_multi_az_enabled(multi_az.then_some(true))
            .port(*port)
            .cache_parameter_group_name(parameter_group)
            .cache_subnet_group_name(subnet_group)
            .set_security_group_ids(Some(list(security_groups)))
            .set_network_type(network_type.map(NetworkType::from))
            .set_ip_discovery(ip_discovery.map(IpDiscovery::from))
            .at_rest_encryption_enabled(*at_rest_encryption)
            .set_kms_key_id(kms_key_id.clone())
            .transit_encryption_enabled(*transit_encryption)
            .set_transit_encryption_mode(transit_encryption_mode.map(TransitEncryptionMode::from))
            .set_auth_token(auth_token.as_ref().map(|token| token.expose().to_owned()))
            .set_user_group_ids(user_group.clone().map(|id| vec![id]))
            .set_snapshot_name(restore.snapshot_name.clone())
            .set_data_tiering_enabled(data_tiering.filter(|tiered| *tiered))
            .set_durability(durability.as_deref().map(Durability::from))
            .set_tags(Some(convert::tag_list(tags)));
        call = convert_settings::create(call, settings);
        if !restore.snapshot_arns.is_empty() {
            call = call.set_snapshot_arns(Some(restore.snapshot_arns.clone()));
        }
        if !preferred_zones.is_empty() {
            call = call.set_preferred_cache_cluster_azs(Some(preferred_zones.clone()));
        }
        if !logs.is_empty() {
            call = call.set_log_delivery_configurations(Some(logs.iter().map(log_request).collect()));
        }
        call = match topology {
            Topology::Single { nodes } => call.num_cache_clusters(*nodes),
            Topology::Sharded { shards, replicas, layout } if layout.is_empty() => {
                call.num_node_groups(*shards).replicas_per_node_group(*replicas)
            }
            Topology::Sharded { shards, replicas, layout } => {
                let shard = |item| node_group(item, *replicas);
                call.num_node_groups(*shards).set_node_group_configuration(Some(layout.iter().map(shard).collect()))
            }
        };
        call.send().await.map(drop).map_err(|e| {
            let fault = Fault::new("elasticache:CreateReplicationGroup", id, &e);
            auth_token.as_ref().map_or(fault.clone(), |token| fault.without(token.expose()))
        })
    }

    pub(crate) async fn modify_group(&self, change: &GroupChange) -> Result<(), Fault> {
        let GroupChange {
            id,
            apply_immediately,
            description,
            automatic_failover,
            multi_az,
            security_groups,
            settings,
            snapshotting_member,
            ip_discovery,
            cluster_mode,
            durability,
            parameter_group,
            node_type,
            engine,
            version,
        } = change;
        let mut call = self
            .elasticache
            .modify_replication_group()
            .replication_group_id(id)
            .apply_immediately(*apply_immediately)
            .set_replication_group_description(description.clone())
            .set_automatic_failover_enabled(*automatic_failover)
            .set_multi_az_enabled(*multi_az)
            .set_security_group_ids(security_groups.as_ref().map(list))
            .set_snapshotting_cluster_id(snapshotting_member.clone())
            .set_ip_discovery(ip_discovery.map(IpDiscovery::from))
            .set_cluster_mode(cluster_mode.map(ClusterMode::from))
            .set_durability(durability.as_deref().map(Durability::from))
            .set_cache_parameter_group_name(parameter_group.clone())
            .set_cache_node_type(node_type.clone())
            .set_engine(engine.clone())
            .set_engine_version(version.clone());
        call = convert_settings::modify(call, settings);
        call.send().await.map(drop).map_err(|e| Fault::new("elasticache:ModifyReplicationGroup", id, &e))
    }

    /// One move of TLS. While it is on only the mode is sent: nobody has been seen to send the flag with it then.
    pub(crate) async fn set_transit_encryption(&self, group: &str, from: Tls, to: Tls) -> Result<(), Fault> {
        let call = self.elasticache.modify_replication_group().replication_group_id(group).apply_immediately(true);
        let mode = match to {
            Tls::Off => None,
            Tls::Preferred => Some(TransitEncryptionMode::Preferred),
            Tls::Required => Some(TransitEncryptionMode::Required),
        };
        let on = to != Tls::Off;
        let switched = on != (from != Tls::Off);
        let call = call.set_transit_encryption_enabled(switched.then_some(on)).set_transit_encryption_mode(mode);
        call.send().await.map(drop).map_err(|e| Fault::new("elasticache:ModifyReplicationGroup", group, &e))
    }

    pub(crate) async fn change_auth(&self, group: &str, change: &AuthRequest<'_>) -> Result<(), Fault> {
        let call = self.elasticache.modify_replication_group().replication_group_id(group).apply_immediately(true);
        let AuthRequest { token, strategy, add, remove, remove_all } = change;
        let call = call
            .set_auth_token(token.map(|token| token.expose().to_owned()))
            .set_auth_token_update_strategy(strategy.map(AuthTokenUpdateStrategyType::from))
            .set_user_group_ids_to_add(add.map(|id| vec![id.to_owned()]))
            .set_user_group_ids_to_remove((!remove.is_empty()).then(|| remove.to_vec()))
            .set_remove_user_groups(remove_all.then_some(true));
        call.send().await.map(drop).map_err(|e| {
            let fault = Fault::new("elasticache:ModifyReplicationGroup", group, &e);
            token.map_or(fault.clone(), |token| fault.without(token.expose()))
        })
    }

    pub(crate) async fn deliver_logs(
        &self,
        group: &str,
        set: &BTreeMap<String, LogDelivery>,
        disable: &BTreeSet<String>,
    ) -> Result<(), Fault> {
        let off = |kind: &String| {
            LogDeliveryConfigurationRequest::builder().log_type(LogType::from(kind.as_str())).enabled(false).build()
        };
        let requests = set.iter().map(log_request).chain(disable.iter().map(off)).collect();
        let call = self.elasticache.modify_replication_group().replication_group_id(group).apply_immediately(true);
        let result = call.set_log_delivery_configurations(Some(requests)).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:ModifyReplicationGroup", group, &e))
    }

    pub(crate) async fn change_shards(&self, group: &str, shards: i32, remove: &[String]) -> Result<(), Fault> {
        let call = self.elasticache.modify_replication_group_shard_configuration().replication_group_id(group);
        let remove = (!remove.is_empty()).then(|| remove.to_vec());
        let call = call.node_group_count(shards).set_node_groups_to_remove(remove).apply_immediately(true);
        let result = call.send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:ModifyReplicationGroupShardConfiguration", group, &e))
    }

    pub(crate) async fn increase_replicas(&self, group: &str, replicas: &Replicas) -> Result<(), Fault> {
        let call = self.elasticache.increase_replica_count().replication_group_id(group).apply_immediately(true);
        let call = match replicas {
            Replicas::Every(count) => call.new_replica_count(*count),
            Replicas::ByShard(counts) => call.set_replica_configuration(Some(by_shard(counts))),
        };
        call.send().await.map(drop).map_err(|e| Fault::new("elasticache:IncreaseReplicaCount", group, &e))
    }

    /// Which replicas go is for AWS to choose: it takes a number or names but never both, and how names are written is not
    /// known ("decrease-replica-count" in the guide).
    pub(crate) async fn decrease_replicas(&self, group: &str, replicas: &Replicas) -> Result<(), Fault> {
        let call = self.elasticache.decrease_replica_count().replication_group_id(group).apply_immediately(true);
        let call = match replicas {
            Replicas::Every(count) => call.new_replica_count(*count),
            Replicas::ByShard(counts) => call.set_replica_configuration(Some(by_shard(counts))),
        };
        call.send().await.map(drop).map_err(|e| Fault::new("elasticache:DecreaseReplicaCount", group, &e))
    }

    pub(crate) async fn delete_group(&self, group: &str, final_snapshot: Option<&str>) -> Result<(), Fault> {
        let call = self.elasticache.delete_replication_group().replication_group_id(group);
        let result = call.set_final_snapshot_identifier(final_snapshot.map(str::to_owned)).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:DeleteReplicationGroup", group, &e))
    }

    /// Takes a snapshot of one member of a group without shards.
    pub(crate) async fn create_snapshot_of_member(&self, name: &str, member: &str, tags: &Tags) -> Result<(), Fault> {
        let call = self.elasticache.create_snapshot().snapshot_name(name).cache_cluster_id(member);
        let result = call.set_tags(Some(convert::tag_list(tags))).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:CreateSnapshot", name, &e))
    }

    /// Takes a snapshot of a group with shards.
    pub(crate) async fn create_snapshot_of_group(&self, name: &str, group: &str, tags: &Tags) -> Result<(), Fault> {
        let call = self.elasticache.create_snapshot().snapshot_name(name).replication_group_id(group);
        let result = call.set_tags(Some(convert::tag_list(tags))).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:CreateSnapshot", name, &e))
    }

    pub(crate) async fn delete_snapshot(&self, name: &str) -> Result<(), Fault> {
        let result = self.elasticache.delete_snapshot().snapshot_name(name).send().await;
        result.map(drop).map_err(|e| Fault::new("elasticache:DeleteSnapshot", name, &e))
    }

    pub(crate) async fn tag_cache(&self, arn: &str, tags: &Tags) -> Result<(), Fault> {
        let call = self.elasticache.add_tags_to_resource().resource_name(arn).set_tags(Some(convert::tag_list(tags)));
        call.send().await.map(drop).map_err(|e| Fault::new("elasticache:AddTagsToResource", arn, &e))
    }

    pub(crate) async fn untag_cache(&self, arn: &str, keys: &BTreeSet<String>) -> Result<(), Fault> {
        let call = self.elasticache.remove_tags_from_resource().resource_name(arn).set_tag_keys(Some(list(keys)));
        call.send().await.map(drop).map_err(|e| Fault::new("elasticache:RemoveTagsFromResource", arn, &e))
    }
}

fn by_shard(counts: &BTreeMap<String, i32>) -> Vec<ConfigureShard> {
    let shard =
        |(id, count): (&String, &i32)| ConfigureShard::builder().node_group_id(id).new_replica_count(*count).build();
    counts.iter().map(shard).collect()
}

fn name_and_value((name, value): (&String, &String)) -> ParameterNameValue {
    ParameterNameValue::builder().parameter_name(name).parameter_value(value).build()
}

fn node_group(item: &NodeGroupProperties, replicas: i32) -> NodeGroupConfiguration {
    let zones = (!item.replica_availability_zones.is_empty()).then(|| item.replica_availability_zones.clone());
    NodeGroupConfiguration::builder()
        .set_node_group_id(item.node_group_id.clone())
        .set_slots(item.slots.clone())
        .replica_count(item.replica_count.unwrap_or(replicas))
        .set_primary_availability_zone(item.primary_availability_zone.clone())
        .set_replica_availability_zones(zones)
        .build()
}

fn log_request((log_type, delivery): (&String, &LogDelivery)) -> LogDeliveryConfigurationRequest {
    let details = DestinationDetails::builder();
    let details = if delivery.destination_type == "cloudwatch-logs" {
        let group = CloudWatchLogsDestinationDetails::builder().log_group(&delivery.destination).build();
        details.cloud_watch_logs_details(group)
    } else {
        let stream = KinesisFirehoseDestinationDetails::builder().delivery_stream(&delivery.destination).build();
        details.kinesis_firehose_details(stream)
    };
    LogDeliveryConfigurationRequest::builder()
        .log_type(LogType::from(log_type.as_str()))
        .destination_type(DestinationType::from(delivery.destination_type.as_str()))
        .destination_details(details.build())
        .log_format(LogFormat::from(delivery.format.as_str()))
        .enabled(true)
        .build()
}
