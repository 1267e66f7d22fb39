//! The properties of `Custom::ElastiCache` as a template gives them: pure.
//!
//! Nothing is defaulted or compared here; [`crate::desired`] does that. To add a property: a field here and its line in
//! `Properties::from_reader`, then what it means in `desired`.

mod reader;

use std::collections::BTreeSet;

use serde_json::Map;

use crate::cfn::request::MAX_SERVICE_TIMEOUT;
use crate::cfn::resource_properties::ResourceProperties;
use crate::domain::engine::Engine;
use crate::domain::problem::Problem;
use crate::domain::secret::AuthToken;
use reader::{Empty, Reader};
pub use reader::{Field, Kind};

/// Every property, as given. `None` means not set.
#[derive(Clone, Debug, Default)]
#[allow(missing_docs, reason = "the names are the properties' own, and docs/properties.md is their reference")]
pub struct Properties {
    pub env: Option<String>,
    pub project_id: Option<String>,
    pub replication_group_id: Option<String>,
    pub description: Option<String>,
    pub tags: Vec<(Option<String>, Option<String>)>,
    pub vpc_id: Option<String>,
    pub subnet_ids: Vec<String>,
    pub allowed_security_group_ids: Vec<String>,
    pub allowed_cidr_blocks: Vec<String>,
    pub security_group_ids: Vec<String>,
    pub port: Option<i32>,
    pub network_type: Option<NetworkType>,
    pub ip_discovery: Option<IpDiscovery>,
    pub preferred_availability_zones: Vec<String>,
    pub engine: Option<Engine>,
    pub engine_version: Option<String>,
    pub node_type: Option<String>,
    pub parameters: Option<Vec<(String, String)>>,
    pub parameter_group_name: Option<String>,
    pub num_cache_nodes: Option<i32>,
    pub automatic_failover_enabled: Option<bool>,
    pub multi_az_enabled: Option<bool>,
    pub num_node_groups: Option<i32>,
    pub replicas_per_node_group: Option<i32>,
    pub node_group_configuration: Option<Vec<NodeGroupProperties>>,
    pub cluster_mode: Option<ClusterMode>,
    pub data_tiering_enabled: Option<bool>,
    pub durability: Option<String>,
    pub at_rest_encryption_enabled: Option<bool>,
    pub kms_key_id: Option<String>,
    pub transit_encryption_enabled: Option<bool>,
    pub transit_encryption_mode: Option<TransitEncryptionMode>,
    pub auth_token_enabled: Option<bool>,
    pub auth_token: Option<AuthToken>,
    pub auth_token_secret_arn: Option<String>,
    pub auth_token_secret_key: Option<String>,
    pub auth_token_version: Option<String>,
    pub auth_token_grace_minutes: Option<i32>,
    pub secret_name: Option<String>,
    pub secret_kms_key_id: Option<String>,
    pub secret_recovery_window_in_days: Option<i32>,
    pub user_group_ids: Vec<String>,
    pub snapshot_retention_limit: Option<i32>,
    pub snapshot_window: Option<String>,
    pub final_snapshot_identifier: Option<String>,
    pub snapshot_name: Option<String>,
    pub snapshot_arns: Vec<String>,
    pub maintenance_window: Option<String>,
    pub auto_minor_version_upgrade: Option<bool>,
    pub notification_topic_arn: Option<String>,
    pub apply_immediately: Option<bool>,
    pub log_delivery: Vec<LogDeliveryProperties>,
    pub deletion_protection: Option<bool>,
    pub replacement_policy: Option<ReplacementPolicy>,
    pub service_timeout: Option<i32>,
}

/// IP versions of the cluster's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum NetworkType {
    Ipv4,
    Ipv6,
    DualStack,
}

/// IP version that discovery answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum IpDiscovery {
    Ipv4,
    Ipv6,
}

/// Whether the group speaks the cluster protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum ClusterMode {
    #[default]
    Disabled,
    Compatible,
    Enabled,
}

/// Whether plain connections are accepted along with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the API's values")]
pub enum TransitEncryptionMode {
    Preferred,
    Required,
}

/// What happens on a change that AWS cannot make in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacementPolicy {
    /// The update fails before anything is changed.
    Refuse,
    /// A new group is seeded from a snapshot of the old one.
    Snapshot,
    /// A new, empty group.
    Empty,
}

/// One item of `NodeGroupConfiguration`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the API's")]
pub struct NodeGroupProperties {
    pub node_group_id: Option<String>,
    pub slots: Option<String>,
    pub replica_count: Option<i32>,
    pub primary_availability_zone: Option<String>,
    pub replica_availability_zones: Vec<String>,
}

/// One item of `LogDelivery`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the API's")]
pub struct LogDeliveryProperties {
    pub log_type: Option<&'static str>,
    pub destination_type: Option<&'static str>,
    pub destination: Option<String>,
    pub log_format: Option<&'static str>,
}

impl NetworkType {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            NetworkType::Ipv4 => "ipv4",
            NetworkType::Ipv6 => "ipv6",
            NetworkType::DualStack => "dual_stack",
        }
    }
}

impl IpDiscovery {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            IpDiscovery::Ipv4 => "ipv4",
            IpDiscovery::Ipv6 => "ipv6",
        }
    }
}

impl ClusterMode {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ClusterMode::Disabled => "disabled",
            ClusterMode::Compatible => "compatible",
            ClusterMode::Enabled => "enabled",
        }
    }
}

impl TransitEncryptionMode {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TransitEncryptionMode::Preferred => "preferred",
            TransitEncryptionMode::Required => "required",
        }
    }
}

/// Most shards that a group may have on request (the default quota is 90 nodes).
const MAX_SHARDS: i32 = 500;

/// The properties of one template, read once: nobody after this sees JSON.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What could be read.
    pub values: Properties,
    /// Everything that is wrong with the rest.
    pub problems: Vec<Problem>,
    /// The names that are set, whether or not their values could be read.
    set: BTreeSet<String>,
}

impl Parsed {
    /// Whether the template sets this property, legally or not.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    /// Reads the properties; whatever is misspelt, of the wrong type or out of range goes into the problems.
    #[must_use]
    pub fn read(value: &ResourceProperties) -> Parsed {
        let mut problems = Vec::new();
        let empty = Map::new();
        let map = value.as_map().unwrap_or_else(|| {
            problems.push(Problem::new("ResourceProperties", "must be a map", "write the properties of the resource"));
            &empty
        });
        let mut r = Reader::new("", map, &mut problems);
        let values = Properties::from_reader(&mut r);
        r.finish();
        let is_set = |name: &&String| value.get(name).is_some();
        let set = map.keys().filter(is_set).cloned().collect();
        Parsed { values, problems, set }
    }
}

impl Properties {
    /// Every property that there is, in the order of its reference.
    #[must_use]
    pub fn fields() -> Vec<Field> {
        let (empty, mut unheard) = (Map::new(), Vec::new());
        let mut r = Reader::new("", &empty, &mut unheard).noting();
        Properties::from_reader(&mut r);
        r.into_fields()
    }

    fn from_reader(r: &mut Reader<'_>) -> Properties {
        r.ignore("ServiceToken");
        let properties = Properties {
            env: r.any_text("Env"),
            project_id: r.any_text("ProjectId"),
            replication_group_id: r.string("ReplicationGroupId"),
            description: r.any_text("Description"),
            tags: r
                .objects("Tags", "Key and Value", Empty::LeftOut, |t| (t.string("Key"), t.string("Value")))
                .unwrap_or_default(),
            vpc_id: r.string("VpcId"),
            subnet_ids: r.strings("SubnetIds").unwrap_or_default(),
            allowed_security_group_ids: r.strings("AllowedSecurityGroupIds").unwrap_or_default(),
            allowed_cidr_blocks: r.strings("AllowedCidrBlocks").unwrap_or_default(),
            security_group_ids: r.strings("SecurityGroupIds").unwrap_or_default(),
            port: r.integer("Port", 1..=65535),
            network_type: r.choice(
                "NetworkType",
                &[("ipv4", NetworkType::Ipv4), ("ipv6", NetworkType::Ipv6), ("dual_stack", NetworkType::DualStack)],
            ),
            ip_discovery: r.choice("IpDiscovery", &[("ipv4", IpDiscovery::Ipv4), ("ipv6", IpDiscovery::Ipv6)]),
            preferred_availability_zones: r.strings("PreferredAvailabilityZones").unwrap_or_default(),
            engine: r.choice("Engine", &[("valkey", Engine::Valkey), ("redis", Engine::Redis)]),
            engine_version: r.string("EngineVersion"),
            node_type: r.string("NodeType"),
            parameters: r.map("Parameters").filter(|values| !values.is_empty()),
            // AWS keeps these names in lower case.
            parameter_group_name: r.string("ParameterGroupName").map(|name| name.to_ascii_lowercase()),
            num_cache_nodes: r.integer("NumCacheNodes", 1..=6),
            automatic_failover_enabled: r.boolean("AutomaticFailoverEnabled"),
            multi_az_enabled: r.boolean("MultiAzEnabled"),
            num_node_groups: r.integer("NumNodeGroups", 1..=MAX_SHARDS),
            replicas_per_node_group: r.integer("ReplicasPerNodeGroup", 0..=5),
            node_group_configuration: r
                .objects(
                    "NodeGroupConfiguration",
                    "NodeGroupId, Slots, ReplicaCount, PrimaryAvailabilityZone and ReplicaAvailabilityZones",
                    // So many shards, whether or not each of them has something of its own.
                    Empty::Counts,
                    node_group,
                )
                .filter(|shards| !shards.is_empty()),
            cluster_mode: r.choice(
                "ClusterMode",
                &[
                    ("disabled", ClusterMode::Disabled),
                    ("compatible", ClusterMode::Compatible),
                    ("enabled", ClusterMode::Enabled),
                ],
            ),
            data_tiering_enabled: r.boolean("DataTieringEnabled"),
            durability: r.string("Durability"),
            at_rest_encryption_enabled: r.boolean("AtRestEncryptionEnabled"),
            kms_key_id: r.string("KmsKeyId"),
            transit_encryption_enabled: r.boolean("TransitEncryptionEnabled"),
            transit_encryption_mode: r.choice(
                "TransitEncryptionMode",
                &[("preferred", TransitEncryptionMode::Preferred), ("required", TransitEncryptionMode::Required)],
            ),
            auth_token_enabled: r.boolean("AuthTokenEnabled"),
            auth_token: r.secret("AuthToken").map(AuthToken::new),
            auth_token_secret_arn: r.string("AuthTokenSecretArn"),
            auth_token_secret_key: r.string("AuthTokenSecretKey"),
            auth_token_version: r.string("AuthTokenVersion"),
            auth_token_grace_minutes: r.integer("AuthTokenGraceMinutes", 0..=60),
            secret_name: r.string("SecretName"),
            secret_kms_key_id: r.string("SecretKmsKeyId"),
            secret_recovery_window_in_days: r.integer("SecretRecoveryWindowInDays", 0..=30),
            user_group_ids: lower_case(r.strings("UserGroupIds").unwrap_or_default()),
            snapshot_retention_limit: r.integer("SnapshotRetentionLimit", 0..=35),
            snapshot_window: r.string("SnapshotWindow"),
            final_snapshot_identifier: r.string("FinalSnapshotIdentifier"),
            snapshot_name: r.string("SnapshotName"),
            snapshot_arns: r.strings("SnapshotArns").unwrap_or_default(),
            maintenance_window: r.string("MaintenanceWindow"),
            auto_minor_version_upgrade: r.boolean("AutoMinorVersionUpgrade"),
            notification_topic_arn: r.string("NotificationTopicArn"),
            apply_immediately: r.boolean("ApplyImmediately"),
            log_delivery: r
                .objects(
                    "LogDelivery",
                    "LogType, DestinationType, Destination and LogFormat",
                    Empty::LeftOut,
                    log_delivery,
                )
                .unwrap_or_default(),
            deletion_protection: r.boolean("DeletionProtection"),
            replacement_policy: r.choice(
                "ReplacementPolicy",
                &[
                    ("Refuse", ReplacementPolicy::Refuse),
                    ("Snapshot", ReplacementPolicy::Snapshot),
                    ("Empty", ReplacementPolicy::Empty),
                ],
            ),
            service_timeout: r.integer("ServiceTimeout", 1..=MAX_SERVICE_TIMEOUT.cast_signed()),
        };
        r.require("Env", "name the environment, such as production");
        r.require("ProjectId", "name the project, such as myapp");
        r.require("VpcId", "name the VPC that the cluster lives in");
        r.require("SubnetIds", "list at least one subnet of the VPC, two in different zones for Multi-AZ");
        properties
    }
}

/// AWS keeps these ids in lower case.
fn lower_case(ids: Vec<String>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_ascii_lowercase()).collect()
}

fn node_group(r: &mut Reader<'_>) -> NodeGroupProperties {
    NodeGroupProperties {
        // A template may number shards with numbers, which lose their zeros.
        node_group_id: r.string("NodeGroupId").map(|id| format!("{id:0>4}")),
        // A list in one text, which AWS takes without blanks.
        slots: r.string("Slots").map(|slots| slots.split_whitespace().collect()),
        replica_count: r.integer("ReplicaCount", 0..=5),
        primary_availability_zone: r.string("PrimaryAvailabilityZone"),
        replica_availability_zones: r.strings("ReplicaAvailabilityZones").unwrap_or_default(),
    }
}

fn log_delivery(r: &mut Reader<'_>) -> LogDeliveryProperties {
    let item = LogDeliveryProperties {
        log_type: r.choice("LogType", &[("slow-log", "slow-log"), ("engine-log", "engine-log")]),
        destination_type: r.choice(
            "DestinationType",
            &[("cloudwatch-logs", "cloudwatch-logs"), ("kinesis-firehose", "kinesis-firehose")],
        ),
        destination: r.string("Destination"),
        log_format: r.choice("LogFormat", &[("text", "text"), ("json", "json")]),
    };
    r.require("LogType", "write slow-log or engine-log");
    r.require("DestinationType", "write cloudwatch-logs or kinesis-firehose");
    r.require("Destination", "name the log group or the delivery stream");
    item
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: &Value) -> (Properties, Vec<Problem>) {
        let Parsed { values, problems, .. } = Parsed::read(&ResourceProperties::new(value));
        (values, problems)
    }

    fn problems(value: &Value) -> Vec<String> {
        read(value).1.iter().map(ToString::to_string).collect()
    }

    fn minimal(extra: &Value) -> Value {
        let mut value = json!({"Env": "dev", "ProjectId": "app", "VpcId": "vpc-1", "SubnetIds": ["subnet-1"]});
        let (Value::Object(map), Value::Object(more)) = (&mut value, extra) else { unreachable!() };
        map.extend(more.clone());
        value
    }

    #[test]
    fn scalars_may_arrive_as_strings_or_not() {
        for (port, flag) in [(json!(6380), json!(true)), (json!("6380"), json!("true"))] {
            let (properties, problems) = read(&minimal(&json!({"Port": port, "MultiAzEnabled": flag})));
            assert_eq!((properties.port, properties.multi_az_enabled), (Some(6380), Some(true)));
            assert!(problems.is_empty(), "{problems:?}");
        }
    }

    #[test]
    fn empty_means_not_set() {
        let (properties, problems) =
            read(&minimal(&json!({"AuthToken": "", "EngineVersion": null, "AllowedCidrBlocks": [""]})));
        assert!(properties.auth_token.is_none() && properties.engine_version.is_none());
        assert!(properties.allowed_cidr_blocks.is_empty());
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn a_misspelt_name_gets_the_nearest_right_one() {
        let found = problems(&minimal(&json!({"NodTypes": "x", "Zzz": 1, "Tags": [{"key": "a"}]})));
        assert!(found.iter().any(|p| p.starts_with("NodTypes:") && p.contains("did you mean NodeType?")), "{found:?}");
        assert!(found.iter().any(|p| p.starts_with("Zzz:") && p.contains("remove it")), "{found:?}");
        assert!(found.iter().any(|p| p.starts_with("Tags[0].key:") && p.contains("did you mean Key?")), "{found:?}");
    }

    #[test]
    fn wrong_types_at_any_depth_are_reported_each() {
        let found = problems(&json!({
            "Env": ["x"], "ProjectId": {"a": 1}, "VpcId": "vpc-1", "SubnetIds": "subnet-1", "Port": "many",
            "Tags": ["x"], "Parameters": ["x"], "LogDelivery": [{"LogType": "slow"}],
        }));
        for start in ["Env", "ProjectId", "SubnetIds", "Port", "Tags[0]", "Parameters", "LogDelivery[0].LogType"] {
            assert!(found.iter().any(|p| p.starts_with(start)), "{start} in {found:#?}");
        }
    }

    #[test]
    fn a_bad_token_is_not_repeated() {
        let found = problems(&minimal(&json!({"AuthToken": ["hunter2hunter2"]})));
        assert!(found[0].starts_with("AuthToken:") && !found[0].contains("hunter2"), "{found:?}");
    }
}
