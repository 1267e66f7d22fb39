//! SDK types to ours: pure. The only file that knows both.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types as ec2;
use aws_sdk_elasticache::types as ec;
use aws_smithy_types::DateTime;

use super::convert_settings;
use crate::desired::{LogDelivery, Source, Tls};
use crate::domain::engine::Version;
use crate::domain::tags::Tags;
use crate::observed::{
    Endpoint, Group, IngressRule, Member, ParameterGroup, SecurityGroup, Shard, Status, Subnet, SubnetGroup, pending,
};
use crate::properties::ClusterMode;

/// The tag of one service; each has a type of its own for the same thing.
pub(super) trait ServiceTag: Sized {
    fn of(key: &str, value: &str) -> Self;
    fn parts(&self) -> (Option<&str>, Option<&str>);
}

macro_rules! service_tag {
    ($tag:ty) => {
        impl ServiceTag for $tag {
            fn of(key: &str, value: &str) -> Self {
                Self::builder().key(key).value(value).build()
            }

            fn parts(&self) -> (Option<&str>, Option<&str>) {
                (self.key(), self.value())
            }
        }
    };
}

service_tag!(ec::Tag);
service_tag!(ec2::Tag);
service_tag!(aws_sdk_secretsmanager::types::Tag);

/// Tags as we keep them.
pub(super) fn tags(tags: &[impl ServiceTag]) -> Tags {
    let pair =
        |(key, value): (Option<&str>, Option<&str>)| Some((key?.to_owned(), value.unwrap_or_default().to_owned()));
    tags.iter().filter_map(|tag| pair(tag.parts())).collect()
}

/// Tags as a service takes them.
pub(super) fn tag_list<T: ServiceTag>(tags: &Tags) -> Vec<T> {
    tags.iter().map(|(key, value)| T::of(key, value)).collect()
}

fn endpoint(endpoint: &ec::Endpoint) -> Option<Endpoint> {
    Some(Endpoint { address: endpoint.address()?.to_owned(), port: endpoint.port().unwrap_or_default() })
}

pub(super) fn status(word: Option<&str>) -> Status {
    word.map_or(Status::Unsaid, Status::parse)
}

/// A replication group, without its tags.
pub(super) fn group(group: &ec::ReplicationGroup) -> Group {
    Group {
        id: group.replication_group_id().unwrap_or_default().to_owned(),
        arn: group.arn().unwrap_or_default().to_owned(),
        status: status(group.status()),
        created_epoch_ms: group.replication_group_create_time().and_then(epoch_ms),
        description: group.description().unwrap_or_default().to_owned(),
        member_ids: group.member_clusters().iter().cloned().collect(),
        shards: group.node_groups().iter().map(shard).collect(),
        cluster_enabled: group.cluster_enabled().unwrap_or(false),
        cluster_mode: cluster_mode(group),
        configuration_endpoint: group.configuration_endpoint().and_then(endpoint),
        automatic_failover: matches!(
            group.automatic_failover(),
            Some(ec::AutomaticFailoverStatus::Enabled | ec::AutomaticFailoverStatus::Enabling)
        ),
        multi_az: group.multi_az() == Some(&ec::MultiAzStatus::Enabled),
        node_type: group.cache_node_type().unwrap_or_default().to_owned(),
        at_rest_encryption: group.at_rest_encryption_enabled().unwrap_or(false),
        kms_key_id: group.kms_key_id().map(str::to_owned),
        tls: tls(group),
        auth_token_enabled: group.auth_token_enabled().unwrap_or(false),
        auth_token_modified: group.auth_token_last_modified_date().map(ToString::to_string),
        auth_token_status: group
            .pending_modified_values()
            .and_then(|pending| pending.auth_token_status())
            .map(|status| status.as_str().to_owned()),
        user_group_ids: group.user_group_ids().iter().cloned().collect(),
        settings: convert_settings::of_group(group),
        network_type: group.network_type().map(|t| t.as_str().to_owned()),
        ip_discovery: group.ip_discovery().map(|d| d.as_str().to_owned()),
        data_tiering: group.data_tiering() == Some(&ec::DataTieringStatus::Enabled),
        durability: group.durability().map(|durability| durability.as_str().to_owned()),
        logs: logs(group.log_delivery_configurations()),
        log_failures: log_failures(group.log_delivery_configurations()),
        pending: pending(group),
        tags: None,
    }
}

/// Cluster mode; older answers only say whether the group is sharded.
fn cluster_mode(group: &ec::ReplicationGroup) -> ClusterMode {
    match (group.cluster_mode(), group.cluster_enabled()) {
        (Some(ec::ClusterMode::Compatible), _) => ClusterMode::Compatible,
        (Some(ec::ClusterMode::Enabled), _) | (None, Some(true)) => ClusterMode::Enabled,
        _ => ClusterMode::Disabled,
    }
}

fn tls(group: &ec::ReplicationGroup) -> Tls {
    match (group.transit_encryption_enabled(), group.transit_encryption_mode()) {
        (Some(true), Some(ec::TransitEncryptionMode::Preferred)) => Tls::Preferred,
        (Some(true), _) => Tls::Required,
        (_, _) => Tls::Off,
    }
}

/// A moment in milliseconds since the epoch.
pub(super) fn epoch_ms(date: &DateTime) -> Option<u64> {
    date.to_millis().ok().and_then(|ms| u64::try_from(ms).ok())
}

fn shard(node_group: &ec::NodeGroup) -> Shard {
    let members = node_group.node_group_members();
    let id = |member: &ec::NodeGroupMember| member.cache_cluster_id().unwrap_or_default().to_owned();
    Shard {
        id: node_group.node_group_id().unwrap_or_default().to_owned(),
        status: status(node_group.status()),
        primary: node_group.primary_endpoint().and_then(endpoint),
        reader: node_group.reader_endpoint().and_then(endpoint),
        member_ids: members.iter().map(id).collect(),
        primary_member: members.iter().find(|member| member.current_role() == Some("primary")).map(id),
    }
}

fn logs(configurations: &[ec::LogDeliveryConfiguration]) -> BTreeMap<String, LogDelivery> {
    let delivery = |item: &ec::LogDeliveryConfiguration| {
        let details = item.destination_details()?;
        let group = details.cloud_watch_logs_details().and_then(|d| d.log_group());
        let stream = details.kinesis_firehose_details().and_then(|d| d.delivery_stream());
        let delivery = LogDelivery {
            destination_type: item.destination_type()?.as_str().to_owned(),
            destination: group.or(stream)?.to_owned(),
            format: item.log_format()?.as_str().to_owned(),
        };
        Some((item.log_type()?.as_str().to_owned(), delivery))
    };
    configurations.iter().filter_map(delivery).collect()
}

/// What AWS says of deliveries that it accepted and that do not work.
fn log_failures(configurations: &[ec::LogDeliveryConfiguration]) -> BTreeMap<String, String> {
    let failed = configurations.iter().filter(|item| item.status() == Some(&ec::LogDeliveryConfigurationStatus::Error));
    let message = |item: &ec::LogDeliveryConfiguration| item.message().unwrap_or("AWS gives no reason").to_owned();
    failed.filter_map(|item| Some((item.log_type()?.as_str().to_owned(), message(item)))).collect()
}

fn pending(group: &ec::ReplicationGroup) -> BTreeSet<String> {
    use ec::LogDeliveryConfigurationStatus::{Disabling, Enabling, Modifying};
    let mut pending = group.pending_modified_values().map(group_pending).unwrap_or_default();
    let is_under_way =
        |item: &ec::LogDeliveryConfiguration| matches!(item.status(), Some(Enabling | Modifying | Disabling));
    if group.log_delivery_configurations().iter().any(is_under_way) {
        pending.insert(pending::LOGS.to_owned());
    }
    pending
}

fn group_pending(pending: &ec::ReplicationGroupPendingModifiedValues) -> BTreeSet<String> {
    let fields = [
        ("PrimaryClusterId", pending.primary_cluster_id().is_some()),
        ("AutomaticFailoverStatus", pending.automatic_failover_status().is_some()),
        ("Resharding", pending.resharding().is_some()),
        (pending::AUTH_TOKEN, pending.auth_token_status().is_some()),
        (pending::USER_GROUPS, pending.user_groups().is_some()),
        (pending::LOGS, !pending.log_delivery_configurations().is_empty()),
        ("TransitEncryptionEnabled", pending.transit_encryption_enabled().is_some()),
        ("TransitEncryptionMode", pending.transit_encryption_mode().is_some()),
        ("ClusterMode", pending.cluster_mode().is_some()),
    ];
    fields.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned()).collect()
}

/// A member of a group.
pub(super) fn member(cluster: &ec::CacheCluster) -> Member {
    let parameters = cluster.cache_parameter_group();
    Member {
        status: status(cluster.cache_cluster_status()),
        engine: cluster.engine().and_then(|name| name.parse().ok()),
        version: cluster.engine_version().and_then(Version::parse),
        node_type: cluster.cache_node_type().unwrap_or_default().to_owned(),
        parameter_group: parameters.and_then(|p| p.cache_parameter_group_name()).unwrap_or_default().to_owned(),
        awaits_reboot: parameters.and_then(|p| p.parameter_apply_status()) == Some("pending-reboot"),
        subnet_group: cluster.cache_subnet_group_name().unwrap_or_default().to_owned(),
        security_groups: cluster
            .security_groups()
            .iter()
            .filter_map(|g| g.security_group_id().map(str::to_owned))
            .collect(),
        settings: convert_settings::of_member(cluster),
        zone: cluster.preferred_availability_zone().unwrap_or_default().to_owned(),
        pending: cluster.pending_modified_values().map(member_pending).unwrap_or_default(),
    }
}

/// A subnet group, without its tags.
pub(super) fn subnet_group(name: &str, group: &ec::CacheSubnetGroup) -> SubnetGroup {
    SubnetGroup {
        name: name.to_owned(),
        arn: group.arn().unwrap_or_default().to_owned(),
        vpc_id: group.vpc_id().unwrap_or_default().to_owned(),
        subnet_ids: group.subnets().iter().filter_map(|s| s.subnet_identifier().map(str::to_owned)).collect(),
        zones: group.subnets().iter().filter_map(subnet_zone).collect(),
        tags: Tags::new(),
    }
}

/// A subnet's id with its zone.
pub(super) fn subnet_zone(subnet: &ec::Subnet) -> Option<(String, String)> {
    Some((subnet.subnet_identifier()?.to_owned(), subnet.subnet_availability_zone()?.name()?.to_owned()))
}

fn member_pending(pending: &ec::PendingModifiedValues) -> BTreeSet<String> {
    let fields = [
        (pending::ENGINE_VERSION, pending.engine_version().is_some()),
        (pending::NODE_TYPE, pending.cache_node_type().is_some()),
        ("NumCacheNodes", pending.num_cache_nodes().is_some()),
    ];
    fields.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned()).collect()
}

/// A security group. Rules whose source is a prefix list are not ours to keep and are left out.
pub(super) fn parameter_group(group: &ec::CacheParameterGroup) -> ParameterGroup {
    ParameterGroup {
        name: group.cache_parameter_group_name().unwrap_or_default().to_owned(),
        arn: group.arn().unwrap_or_default().to_owned(),
        family: group.cache_parameter_group_family().unwrap_or_default().to_owned(),
        ..ParameterGroup::default()
    }
}

pub(super) fn security_group(group: &ec2::SecurityGroup) -> SecurityGroup {
    SecurityGroup {
        id: group.group_id().unwrap_or_default().to_owned(),
        name: group.group_name().unwrap_or_default().to_owned(),
        vpc_id: group.vpc_id().unwrap_or_default().to_owned(),
        owner_id: group.owner_id().map(str::to_owned),
        ingress: group.ip_permissions().iter().flat_map(ingress).collect(),
        source_owners: source_owners(group),
        tags: tags(group.tags()),
    }
}

fn source_owners(group: &ec2::SecurityGroup) -> BTreeMap<String, String> {
    let pairs = group.ip_permissions().iter().flat_map(ec2::IpPermission::user_id_group_pairs);
    let others = pairs.filter(|pair| pair.user_id() != group.owner_id());
    others.filter_map(|pair| Some((pair.group_id()?.to_owned(), pair.user_id()?.to_owned()))).collect()
}

fn ingress(permission: &ec2::IpPermission) -> Vec<IngressRule> {
    let groups = permission.user_id_group_pairs().iter().filter_map(|pair| pair.group_id());
    let ipv4 = permission.ip_ranges().iter().filter_map(|range| range.cidr_ip());
    let ipv6 = permission.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6());
    let cidrs = ipv4.chain(ipv6).filter_map(|text| text.parse().ok()).map(Source::Cidr);
    let sources = groups.map(|id| Source::SecurityGroup(id.to_owned())).chain(cidrs);
    sources
        .map(|source| IngressRule {
            protocol: permission.ip_protocol().unwrap_or_default().to_owned(),
            from_port: permission.from_port(),
            to_port: permission.to_port(),
            source,
        })
        .collect()
}

/// A rule as EC2 takes it. A security group of another account is named together with that.
pub(super) fn permission(rule: &IngressRule, owners: &BTreeMap<String, String>) -> ec2::IpPermission {
    let permission = ec2::IpPermission::builder()
        .ip_protocol(&rule.protocol)
        .set_from_port(rule.from_port)
        .set_to_port(rule.to_port);
    match &rule.source {
        Source::SecurityGroup(id) => {
            let pair = ec2::UserIdGroupPair::builder().group_id(id).set_user_id(owners.get(id).cloned());
            permission.user_id_group_pairs(pair.build())
        }
        Source::Cidr(ipnet::IpNet::V4(net)) => {
            permission.ip_ranges(ec2::IpRange::builder().cidr_ip(net.to_string()).build())
        }
        Source::Cidr(ipnet::IpNet::V6(net)) => {
            permission.ipv6_ranges(ec2::Ipv6Range::builder().cidr_ipv6(net.to_string()).build())
        }
    }
    .build()
}

/// A subnet.
pub(super) fn subnet(subnet: &ec2::Subnet) -> Subnet {
    Subnet {
        id: subnet.subnet_id().unwrap_or_default().to_owned(),
        vpc_id: subnet.vpc_id().unwrap_or_default().to_owned(),
        owner_id: subnet.owner_id().map(str::to_owned),
        zone: subnet.availability_zone().unwrap_or_default().to_owned(),
        free_addresses: subnet.available_ip_address_count().unwrap_or(i32::MAX),
        ipv6: !subnet.ipv6_cidr_block_association_set().is_empty(),
    }
}
