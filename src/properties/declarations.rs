//! Every property, declared once: its field here, its name in a template, how it is read, its default as people say it
//! (or what to write where it is required), and what it means.
//!
//! From this come the reader, the schemas and the tables of `docs/properties.md`; `make reference` writes the last two. What
//! is a plain setting stands in [`Settings`] too, from which it is compared, sent and described.

use super::choices::{
    ClusterMode, CountPolicy, DestinationType, IpDiscovery, LogFormat, LogType, NetworkType, ReplacementPolicy,
    TransitEncryptionMode,
};
use super::reader::{Empty, Presence, Reader};
use crate::cfn::request::MAX_SERVICE_TIMEOUT;
use crate::domain::decimal::Decimal;
use crate::domain::engine::Engine;
use crate::domain::secret::AuthToken;

/// Makes a struct of declared properties, and its `read`. A declaration is
///
/// ```text
/// field: Type = "Name", method of the reader(...), Default("...") or Required("what to write"),
///     "What it means.";
/// ```
///
/// in a section of the reference, or in a map or a list of maps, which stands in the section of its property.
macro_rules! properties {
    (
        $(#[$attribute:meta])*
        $name:ident;
        $($section:literal {
            $($field:ident: $type:ty = $property:literal,
                $method:ident($($argument:tt)*) $(.$after:ident($($more:tt)*))*,
                $presence:ident($text:literal),
                $meaning:literal;)*
        })*
    ) => {
        $(#[$attribute])*
        pub struct $name {
            $($(#[doc = $meaning] pub $field: $type,)*)*
        }

        impl $name {
            pub(super) fn read(r: &mut Reader<'_>) -> $name {
                let read = $name {
                    $($($field: r.$method($property, $($argument)*) $(.$after($($more)*))*,)*)*
                };
                // What is missing is said after what is wrong.
                $($(r.declare($property, $section, &Presence::$presence($text), $meaning);)*)*
                read
            }
        }
    };
    ($(#[$attribute:meta])* $name:ident of $list:literal; $($declarations:tt)*) => {
        properties! { $(#[$attribute])* $name; "" { $($declarations)* } }
    };
}

/// Most shards that a group may have on request (the default quota is 90 nodes).
const MAX_SHARDS: i32 = 500;

/// Largest limit of the cost; more than the largest cluster that AWS makes costs in a month.
const MAX_BUDGET: i32 = 100_000_000;

properties! {
    /// Every property, as given. `None` means not set.
    #[derive(Clone, Debug, Default)]
    Properties;
    "Identity" {
        env: Option<String> = "Env", any_text(), Required("name the environment, such as production"),
            "Environment; first part of the name `<env>-<project>-<engine>`, mended into a legal id of at \
             most 40 characters.";
        project_id: Option<String> = "ProjectId", any_text(), Required("name the project, such as myapp"),
            "Project; second part of the name.";
        replication_group_id: Option<String> = "ReplicationGroupId", string(), Default("derived"),
            "A replication group id of your own instead of the derived one.";
        description: Option<String> = "Description", any_text(), Default("derived"),
            "Up to 255 characters without angle brackets.";
        tags: Vec<TagProperties> = "Tags", objects("Key and Value", Empty::LeftOut,
            TagProperties::read).unwrap_or_default(), Default("none"),
            "On everything that is made, in addition to the ownership tags.";
    }
    "Network" {
        vpc_id: Option<String> = "VpcId", string(), Required("name the VPC that the cluster lives in"),
            "VPC of the cluster. Cannot be changed in place.";
        subnet_ids: Vec<String> = "SubnetIds", strings().unwrap_or_default(),
            Required("list at least one subnet of the VPC, two in different zones for Multi-AZ"),
            "Subnets of the VPC; in two availability zones with Multi-AZ.";
        allowed_security_group_ids: Vec<String> = "AllowedSecurityGroupIds", strings().unwrap_or_default(),
            Default("none"),
            "Security groups that may connect to the port.";
        allowed_cidr_blocks: Vec<String> = "AllowedCidrBlocks", strings().unwrap_or_default(), Default("none"),
            "IPv4 and IPv6 blocks that may connect to the port.";
        security_group_ids: Vec<String> = "SecurityGroupIds", strings().unwrap_or_default(), Default("none"),
            "Further security groups of the nodes, in addition to the one that is made.";
        port: Option<i32> = "Port", integer(1..=65535), Default("6379"),
            "Port of all endpoints. Cannot be changed in place.";
        network_type: Option<NetworkType> = "NetworkType", choice(), Default("`ipv4`"),
            "With IPv6 every subnet needs an IPv6 block. Cannot be changed in place.";
        ip_discovery: Option<IpDiscovery> = "IpDiscovery", choice(), Default("`ipv4`"),
            "Addresses that discovery answers with; must fit NetworkType.";
        preferred_availability_zones: Vec<String> = "PreferredAvailabilityZones", strings().unwrap_or_default(),
            Default("none"),
            "One zone per node, at creation only.";
    }
    "Engine" {
        engine: Option<Engine> = "Engine", choice(),
            Default("`valkey`"),
            "Redis OSS can be moved to Valkey in place.";
        engine_version: Option<String> = "EngineVersion", string(), Default("Valkey 8.2, Redis OSS 7.1"),
            "As ElastiCache offers it, such as `8.2`.";
        node_type: Option<String> = "NodeType", string(), Default("`cache.t4g.micro`"),
            "Size of every node.";
        parameters: Option<Vec<(String, String)>> = "Parameters", map().filter(|values| !values.is_empty()),
            Default("none"),
            "Engine parameters, kept in a parameter group that is made for the cluster.";
        // AWS keeps these names in lower case.
        parameter_group_name: Option<String> = "ParameterGroupName", string().map(|name| name.to_ascii_lowercase()),
            Default("none"),
            "A parameter group of your own, of the right family; excludes Parameters.";
    }
    "Topology" {
        num_cache_nodes: Option<i32> = "NumCacheNodes", integer(1..=6), Default("1"),
            "All nodes with cluster mode off, the primary included.";
        automatic_failover_enabled: Option<bool> = "AutomaticFailoverEnabled", boolean(),
            Default("false; true with shards"),
            "Needs a replica.";
        multi_az_enabled: Option<bool> = "MultiAzEnabled", boolean(), Default("false"),
            "Needs failover and subnets in two zones.";
        num_node_groups: Option<i32> = "NumNodeGroups", integer(1..=MAX_SHARDS), Default("none"),
            "Shards, with cluster mode on; excludes NumCacheNodes.";
        replicas_per_node_group: Option<i32> = "ReplicasPerNodeGroup", integer(0..=5), Default("0"),
            "Replicas of each shard.";
        // So many shards, whether or not each of them has something of its own.
        node_group_configuration: Option<Vec<NodeGroupProperties>> = "NodeGroupConfiguration",
            objects("NodeGroupId, Slots, ReplicaCount, PrimaryAvailabilityZone and ReplicaAvailabilityZones",
            Empty::Counts, NodeGroupProperties::read).filter(|shards| !shards.is_empty()), Default("none"),
            "Shards one by one, at creation.";
        cluster_mode: Option<ClusterMode> = "ClusterMode", choice(), Default("derived"),
            "From the shard properties and the parameter group, unless it is given.";
        data_tiering_enabled: Option<bool> = "DataTieringEnabled", boolean(), Default("none"),
            "For node types with SSD. Cannot be changed in place.";
        durability: Option<String> = "Durability", string(), Default("none"),
            "`default`, `disabled`, `async` or `sync`; Valkey 9.0 and later.";
    }
    "Security" {
        at_rest_encryption_enabled: Option<bool> = "AtRestEncryptionEnabled", boolean(), Default("true"),
            "Cannot be changed in place.";
        kms_key_id: Option<String> = "KmsKeyId", string(), Default("key of AWS"),
            "Customer key for encryption at rest. Cannot be changed in place.";
        transit_encryption_enabled: Option<bool> = "TransitEncryptionEnabled", boolean(),
            Default("false; true with a token or user group"),
            "TLS.";
        transit_encryption_mode: Option<TransitEncryptionMode> = "TransitEncryptionMode", choice(), Default("`required`"),
            "Whether plain connections are accepted too.";
        auth_token_enabled: Option<bool> = "AuthTokenEnabled", boolean(), Default("false"),
            "A token is generated and kept in Secrets Manager.";
        auth_token: Option<AuthToken> = "AuthToken", secret().map(AuthToken::new), Default("none"),
            "A token from the template, kept in Secrets Manager too; 16 to 128 letters, digits and \
             `!&#$^<>-`. Others can read it on its way: see Where AuthToken can be read.";
        auth_token_secret_arn: Option<String> = "AuthTokenSecretArn", string(), Default("none"),
            "A secret of yours that holds the token. It is only read, when the cluster is made and at every \
             update: a new value is taken over then.";
        auth_token_secret_key: Option<String> = "AuthTokenSecretKey", string(), Default("the whole text"),
            "Key of the token in that secret's JSON.";
        auth_token_version: Option<String> = "AuthTokenVersion", string(), Default("none"),
            "A change of it rotates a generated token: the cache takes the new one along with the old, readers \
             get it, then the old one goes.";
        auth_token_grace_minutes: Option<i32> = "AuthTokenGraceMinutes", integer(0..=60),
            Default("until the next rotation"),
            "How long the old token still opens the cache after a scheduled rotation, in minutes.";
        secret_name: Option<String> = "SecretName", string(), Default("derived"),
            "Name of the secret that is made. A change moves the token to a secret of the new name. While the \
             secret of another, deleted stack waits for its deletion under the name, it is `<name>-2` (or the \
             next free number), which the attribute tells; outside `elasticache/*` it is refused. Outside \
             `elasticache/*` its ARN must be in `AdditionalSecretArns` of the function's stack.";
        secret_kms_key_id: Option<String> = "SecretKmsKeyId", string(), Default("key of AWS"),
            "Customer key of that secret. Can be changed in place.";
        secret_recovery_window_in_days: Option<i32> = "SecretRecoveryWindowInDays", integer(0..=30), Default("7"),
            "0 deletes the secret at once; otherwise at least 7.";
        user_group_ids: Vec<String> = "UserGroupIds", strings().map(lower_case).unwrap_or_default(), Default("none"),
            "One user group (RBAC); excludes a token.";
    }
    "Backup" {
        snapshot_retention_limit: Option<i32> = "SnapshotRetentionLimit", integer(0..=35), Default("5"),
            "Days that backups are kept; 0 turns them off.";
        snapshot_window: Option<String> = "SnapshotWindow", string(), Default("chosen by AWS"),
            "UTC, at least an hour, such as `03:00-05:00`; apart from the maintenance window, also one that \
             AWS chose.";
        final_snapshot_identifier: Option<String> = "FinalSnapshotIdentifier", string(), Default("none"),
            "Snapshot to take before a Delete, at most 40 characters; its name is made unique, and numbered \
             if it is taken.";
        snapshot_name: Option<String> = "SnapshotName", string(), Default("none"),
            "Snapshot to restore, at creation only; later changes are ignored with a warning.";
        snapshot_arns: Vec<String> = "SnapshotArns", strings().unwrap_or_default(), Default("none"),
            "RDB files in S3 to restore, at creation only. With shards each shard needs its `Slots`.";
    }
    "Operations" {
        maintenance_window: Option<String> = "MaintenanceWindow", string(), Default("chosen by AWS"),
            "When AWS may maintain the nodes, in UTC: at least an hour, such as `sun:05:00-sun:07:00`.";
        auto_minor_version_upgrade: Option<bool> = "AutoMinorVersionUpgrade", boolean(), Default("true"),
            "Minor versions are installed in the maintenance window.";
        notification_topic_arn: Option<String> = "NotificationTopicArn", string(), Default("none"),
            "SNS topic for events.";
        alarms: Option<AlarmProperties> = "Alarms", object("Actions, OkActions and thresholds", AlarmProperties::read),
            Default("none"),
            "CloudWatch alarms on every node, kept with the nodes and gone with the cluster; `{}` for those with the \
             default thresholds, and a threshold of 0 for none of that kind.";
        apply_immediately: Option<bool> = "ApplyImmediately", boolean(), Default("true"),
            "`false` leaves to the maintenance window what can wait.";
        log_delivery: Vec<LogDeliveryProperties> = "LogDelivery",
            objects("LogType, DestinationType, Destination and LogFormat", Empty::LeftOut,
            LogDeliveryProperties::read).unwrap_or_default(), Default("none"),
            "Slow log (from Redis OSS 6.0) and engine log (from 6.2), each to a destination of its own.";
        count_policy: Option<CountPolicy> = "CountPolicy", choice(), Default("`Exact`"),
            "`Minimum`: the template's numbers of shards and replicas are the least that there must be, and more, as \
             auto scaling makes them, are left alone.";
    }
    "Safety" {
        max_monthly_cost: Option<Decimal> = "MaxMonthlyCost", number(0..=MAX_BUDGET), Default("none"),
            "USD: a Create or an Update is refused before the first write when the estimate for the nodes of the \
             template is above it, or not known.";
        deletion_protection: Option<bool> = "DeletionProtection", boolean(), Default("false"),
            "Makes a Delete fail; not the rollback of a failed Create.";
        replacement_policy: Option<ReplacementPolicy> = "ReplacementPolicy", choice(), Default("`Refuse`"),
            "What to do about a change that AWS cannot make in place: refuse it; replace the cluster by one \
             with its data, through a snapshot; or by an empty one. Only a change of the template replaces; a \
             rollback never does.";
        service_timeout: Option<i32> = "ServiceTimeout", integer(1..=MAX_SERVICE_TIMEOUT.cast_signed()),
            Default("3600"),
            "CloudFormation's own: seconds until it stops waiting.";
    }
}

properties! {
    /// One item of `Tags`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    TagProperties of "Tags";
    key: Option<String> = "Key", string(), Default("none"),
        "At most 128 letters, digits, blanks and `+-=._:/@`; `aws:` and `elasticache-resource:` are \
         reserved.";
    value: Option<String> = "Value", string(), Default("empty"),
        "At most 256 such characters.";
}

properties! {
    /// One item of `NodeGroupConfiguration`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    NodeGroupProperties of "NodeGroupConfiguration";
    // A template may number shards with numbers, which lose their zeros.
    node_group_id: Option<String> = "NodeGroupId", string().map(|id| format!("{id:0>4}")),
        Default("given by AWS"),
        "Up to four digits.";
    // A list in one text, which AWS takes without blanks.
    slots: Option<String> = "Slots", string().map(|slots| slots.split_whitespace().collect()), Default("even"),
        "Ranges such as `0-8191`; all shards together cover 0 to 16383.";
    replica_count: Option<i32> = "ReplicaCount", integer(0..=5), Default("ReplicasPerNodeGroup"),
        "Replicas of this shard.";
    primary_availability_zone: Option<String> = "PrimaryAvailabilityZone", string(), Default("chosen by AWS"),
        "Zone of the primary.";
    replica_availability_zones: Vec<String> = "ReplicaAvailabilityZones", strings().unwrap_or_default(),
        Default("chosen by AWS"),
        "Zones of the replicas.";
}

properties! {
    /// One item of `LogDelivery`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    LogDeliveryProperties of "LogDelivery";
    log_type: Option<LogType> = "LogType", choice(),
        Required("write slow-log or engine-log"),
        "Which log.";
    destination_type: Option<DestinationType> = "DestinationType", choice(), Required("write cloudwatch-logs or kinesis-firehose"),
        "Kind of destination.";
    destination: Option<String> = "Destination", string(), Required("name the log group or the delivery stream"),
        "Name of the log group or delivery stream.";
    log_format: Option<LogFormat> = "LogFormat", choice(),
        Default("`json`"),
        "Format of the lines.";
}

properties! {
    /// What is in `Alarms`.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    AlarmProperties of "Alarms";
    actions: Vec<String> = "Actions", strings().unwrap_or_default(), Default("none"),
        "ARNs of what happens when an alarm rings, such as SNS topics; 5 at most.";
    ok_actions: Vec<String> = "OkActions", strings().unwrap_or_default(), Default("none"),
        "ARNs of what happens when it is over; 5 at most.";
    memory: Option<Decimal> = "Memory", number(0..=100),
        Default("80; none when the engine may evict any key"),
        "DatabaseMemoryUsagePercentage above this, twice 5 minutes.";
    engine_cpu: Option<Decimal> = "EngineCpu", number(0..=100), Default("90"),
        "EngineCPUUtilization above this, 5 minutes; on nodes with 4 vCPUs and more.";
    cpu: Option<Decimal> = "Cpu", number(0..=100), Default("90 divided by the vCPUs"),
        "CPUUtilization above this, 5 minutes; on smaller nodes.";
    connections: Option<Decimal> = "Connections", number(0..=65_000), Default("52000"),
        "CurrConnections above this, 10 minutes.";
    replication_lag: Option<Decimal> = "ReplicationLag", number(0..=86_400), Default("30"),
        "ReplicationLag above this, in seconds, 15 minutes; on nodes that are replicas or may become one.";
    swap: Option<Decimal> = "Swap", number(0..=1_000_000), Default("50"),
        "SwapUsage above this, in megabytes of 1024 x 1024 bytes, 5 minutes.";
    evictions: Option<Decimal> = "Evictions", number(0..=i32::MAX), Default("none"),
        "So many Evictions in 5 minutes.";
    authentication_failures: Option<Decimal> = "AuthenticationFailures", number(0..=i32::MAX), Default("none"),
        "So many AuthenticationFailures in 5 minutes.";
}

/// AWS keeps these ids in lower case.
fn lower_case(ids: Vec<String>) -> Vec<String> {
    ids.into_iter().map(|id| id.to_ascii_lowercase()).collect()
}

/// Makes [`Settings`] of declarations such as
///
/// ```text
/// field: Type = "Name of the property", "words in a plan", value of a desired state from that of the template, text;
/// ```
macro_rules! settings {
    ($($field:ident: $type:ty = $property:literal, $words:literal, $resolve:expr, $text:expr;)*) => {
        /// Settings that AWS takes when a group is made, shows, and changes while it stays up, each without regard to any
        /// other. `None` is what a template leaves to AWS, what AWS does not show, or what does not change.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the names are the properties' own")]
        pub struct Settings {
            $(pub $field: Option<$type>,)*
        }

        impl Settings {
            /// Their names in a template.
            pub const PROPERTIES: &[&str] = &[$($property),*];

            /// What the properties ask for, with defaults.
            #[must_use]
            pub fn of(properties: &Properties) -> Settings {
                Settings { $($field: $resolve(properties.$field.clone()),)* }
            }

            /// Those that are wanted otherwise than AWS shows them.
            #[must_use]
            pub fn unlike(&self, shown: &Settings) -> Settings {
                Settings {
                    $($field: self.$field.clone().filter(|wanted| shown.$field.as_ref().is_some_and(|is| is != wanted)),)*
                }
            }

            /// These, and where they say nothing those of `other`.
            #[must_use]
            pub fn or(&self, other: &Settings) -> Settings {
                Settings { $($field: self.$field.clone().or_else(|| other.$field.clone()),)* }
            }

            /// What AWS shows of a group that was asked for with these: what was left to it has some value.
            #[must_use]
            pub fn as_shown(&self) -> Settings {
                Settings { $($field: Some(self.$field.clone().unwrap_or_default()),)* }
            }

            /// Properties that `earlier` says and this does not.
            #[must_use]
            pub fn removed_since(&self, earlier: &Settings) -> Vec<&'static str> {
                let mut removed = Vec::new();
                $(if earlier.$field.is_some() && self.$field.is_none() {
                    removed.push($property);
                })*
                removed
            }

            /// Each in words, for a plan.
            #[must_use]
            pub fn described(&self) -> Vec<(&'static str, String)> {
                let mut described = Vec::new();
                $(described.extend(self.$field.as_ref().map(|value| ($words, $text(value))));)*
                described
            }
        }
    };
}

settings! {
    snapshot_retention_limit: i32 = "SnapshotRetentionLimit", "snapshot retention",
        |days: Option<i32>| days.or(Some(5)), |days: &i32| format!("{days} days");
    snapshot_window: String = "SnapshotWindow", "snapshot window", std::convert::identity, String::clone;
    // AWS writes the day in lower case.
    maintenance_window: String = "MaintenanceWindow", "maintenance window",
        |window: Option<String>| window.map(|window| window.to_ascii_lowercase()), String::clone;
    auto_minor_version_upgrade: bool = "AutoMinorVersionUpgrade", "automatic minor upgrades",
        |flag: Option<bool>| flag.or(Some(true)), |flag: &bool| if *flag { "on" } else { "off" }.to_owned();
    // No topic turns notifications off.
    notification_topic_arn: Option<String> = "NotificationTopicArn", "notifications",
        Some, |topic: &Option<String>| topic.clone().unwrap_or_else(|| "off".to_owned());
}
