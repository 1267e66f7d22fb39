//! The permissions that each operation needs, those that ElastiCache uses in the caller's name included (facts 7). Each
//! comes with the tags that conditions read: those of what stands, and those of the request for what it makes.

use super::catalog::requested_release;
use super::input::Input;
use super::names::arn;
use crate::world::{ACCOUNT, Call, REGION, Right, World};

/// EC2 actions behind everything that adds, moves or removes nodes, on the interfaces themselves.
const INTERFACES: [&str; 2] = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"];

/// EC2 lookups behind the same; they cannot be limited to a resource.
const NETWORK: [&str; 3] = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DescribeVpcs"];

/// What the delivery of logs needs; the last three let it write into a log group (CloudWatch Logs guide, "Enable logging
/// from AWS services").
const LOG_DELIVERY: [&str; 8] = [
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
];

pub(super) fn of(world: &World, call: &Call) -> Vec<Right> {
    let input = Input(&call.params);
    let action = format!("elasticache:{}", call.action);
    let mut needed = Needed { world, requested: requested_tags(input), rights: Vec::new(), action };
    let named = |kind: &str, key: &str| arn(kind, &input.text(key).unwrap_or("*").to_ascii_lowercase());
    match call.action.as_str() {
        "CreateReplicationGroup" => create_group(input, &mut needed),
        "ModifyReplicationGroup" => {
            needed.on(named("replicationgroup", "ReplicationGroupId"));
            if input.text("CacheParameterGroupName").is_some() {
                needed.on(named("parametergroup", "CacheParameterGroupName"));
            }
            user_groups(input, "UserGroupIdsToAdd", &mut needed);
            user_groups(input, "UserGroupIdsToRemove", &mut needed);
            needed.network();
            log_delivery(input, &mut needed);
        }
        "IncreaseReplicaCount" | "DecreaseReplicaCount" | "ModifyReplicationGroupShardConfiguration" => {
            needed.on(named("replicationgroup", "ReplicationGroupId"));
            needed.network();
        }
        "DeleteReplicationGroup" => {
            let group = named("replicationgroup", "ReplicationGroupId");
            needed.on(group.clone());
            needed.network();
            if input.text("FinalSnapshotIdentifier").is_some() {
                needed.also("elasticache:CreateSnapshot", named("snapshot", "FinalSnapshotIdentifier"));
                needed.also("elasticache:CreateSnapshot", group);
            }
        }
        "DescribeCacheClusters" => needed.on(named("cluster", "CacheClusterId")),
        "ListAllowedNodeTypeModifications" if input.text("CacheClusterId").is_some() => {
            needed.on(named("cluster", "CacheClusterId"));
        }
        "DescribeReplicationGroups" | "ListAllowedNodeTypeModifications" => {
            needed.on(named("replicationgroup", "ReplicationGroupId"));
        }
        "CreateCacheSubnetGroup" | "CreateCacheParameterGroup" => {
            let created = if call.action == "CreateCacheSubnetGroup" {
                named("subnetgroup", "CacheSubnetGroupName")
            } else {
                named("parametergroup", "CacheParameterGroupName")
            };
            needed.on_new(created.clone());
            needed.tag_new(created);
        }
        "DeleteCacheSubnetGroup" => {
            needed.on(named("subnetgroup", "CacheSubnetGroupName"));
            needed.network();
        }
        "ModifyCacheSubnetGroup" | "DescribeCacheSubnetGroups" => {
            needed.on(named("subnetgroup", "CacheSubnetGroupName"));
        }
        "ModifyCacheParameterGroup"
        | "ResetCacheParameterGroup"
        | "DeleteCacheParameterGroup"
        | "DescribeCacheParameterGroups"
        | "DescribeCacheParameters" => needed.on(named("parametergroup", "CacheParameterGroupName")),
        "CreateSnapshot" => create_snapshot(input, &mut needed),
        "DescribeSnapshots" | "DeleteSnapshot" => needed.on(named("snapshot", "SnapshotName")),
        "AddTagsToResource" | "RemoveTagsFromResource" | "ListTagsForResource" => {
            needed.on_new(input.text("ResourceName").unwrap_or("*").to_owned());
        }
        "DescribeUserGroups" => needed.on(named("usergroup", "UserGroupId")),
        // DescribeEvents, DescribeCacheEngineVersions, DescribeEngineDefaultParameters have no resource.
        _ => needed.on("*".to_owned()),
    }
    needed.rights
}

/// Rights being gathered for one call.
struct Needed<'w> {
    world: &'w World,
    /// The tags in the request, as conditions see them.
    requested: Vec<(String, String)>,
    rights: Vec<Right>,
    action: String,
}

impl Needed<'_> {
    /// The call's own action on a resource.
    fn on(&mut self, resource: String) {
        self.also(&self.action.clone(), resource);
    }

    /// The call's own action on what it makes, or tags.
    fn on_new(&mut self, resource: String) {
        self.with_requested(&self.action.clone(), resource);
    }

    /// Tags at creation need the right to tag what is created.
    fn tag_new(&mut self, created: String) {
        if !self.requested.is_empty() {
            self.with_requested("elasticache:AddTagsToResource", created);
        }
    }

    fn with_requested(&mut self, action: &str, resource: String) {
        let mut context = self.tags_of(&resource);
        context.extend(self.requested.clone());
        self.rights.push(Right { context, ..Right::new(action, resource) });
    }

    fn also(&mut self, action: &str, resource: String) {
        self.rights.push(Right { context: self.tags_of(&resource), ..Right::new(action, resource) });
    }

    /// The tags of what stands, as conditions see them.
    fn tags_of(&self, arn: &str) -> Vec<(String, String)> {
        let tags = super::tags::of(&self.world.elasticache, arn);
        tags.into_iter().map(|(key, value)| (format!("aws:ResourceTag/{key}"), value)).collect()
    }

    /// What changes of nodes need of EC2.
    fn network(&mut self) {
        let interfaces = format!("arn:aws:ec2:{REGION}:{ACCOUNT}:network-interface/*");
        self.rights.extend(INTERFACES.iter().map(|action| Right::new(*action, interfaces.clone())));
        self.everywhere(&NETWORK);
    }

    /// The role that a service makes itself with the rights of its caller.
    fn service_linked_role(&mut self, service: &str, role: &str) {
        let role = format!("arn:aws:iam::{ACCOUNT}:role/aws-service-role/{service}/{role}");
        let mut right = Right::new("iam:CreateServiceLinkedRole", role);
        right.context.push(("iam:AWSServiceName".to_owned(), service.to_owned()));
        self.rights.push(right);
    }

    fn everywhere(&mut self, actions: &[&str]) {
        self.rights.extend(actions.iter().map(|action| Right::new(*action, "*")));
    }
}

fn create_group(input: Input<'_>, needed: &mut Needed<'_>) {
    let id = input.text("ReplicationGroupId").unwrap_or_default().to_ascii_lowercase();
    let group = arn("replicationgroup", &id);
    needed.on_new(group.clone());
    needed.on(arn("parametergroup", &parameter_group(input)));
    needed.on(arn("subnetgroup", &input.text("CacheSubnetGroupName").unwrap_or("default").to_ascii_lowercase()));
    // The first member stands for all: they share a prefix.
    needed.on(arn("cluster", &format!("{id}-001")));
    if let Some(snapshot) = input.text("SnapshotName") {
        needed.on(arn("snapshot", &snapshot.to_ascii_lowercase()));
    }
    user_groups(input, "UserGroupIds", needed);
    needed.network();
    needed.tag_new(group);
    log_delivery(input, needed);
    if let Some(key) = input.text("KmsKeyId").filter(|key| !key.is_empty()) {
        for action in ["kms:CreateGrant", "kms:DescribeKey"] {
            let mut right = Right::new(action, key_arn(key));
            let via = needed.world.readings.via_service.of("elasticache", REGION);
            right.context.push(("kms:ViaService".to_owned(), via));
            needed.rights.push(right);
        }
    }
    for file in input.texts("SnapshotArns", "SnapshotArn").unwrap_or_default() {
        let mut right = Right::new("s3:GetObject", file);
        right.context.push(("s3:ResourceAccount".to_owned(), ACCOUNT.to_owned()));
        needed.rights.push(right);
    }
    if !needed.world.elasticache.service_linked_role {
        needed.service_linked_role("elasticache.amazonaws.com", "AWSServiceRoleForElastiCache");
    }
}

/// The parameter group that a new cache uses, named or not.
fn parameter_group(input: Input<'_>) -> String {
    if let Some(name) = input.text("CacheParameterGroupName") {
        return name.to_ascii_lowercase();
    }
    let shards = super::replication_groups::create::asks_for_shards(input);
    requested_release(input.text("Engine").unwrap_or("redis"), input.text("EngineVersion"))
        .map_or_else(|_| "*".to_owned(), |release| release.default_parameter_group(shards))
}

fn create_snapshot(input: Input<'_>, needed: &mut Needed<'_>) {
    let snapshot = arn("snapshot", &input.text("SnapshotName").unwrap_or_default().to_ascii_lowercase());
    needed.on_new(snapshot.clone());
    if let Some(id) = input.text("ReplicationGroupId") {
        needed.on(arn("replicationgroup", &id.to_ascii_lowercase()));
    }
    if let Some(id) = input.text("CacheClusterId") {
        needed.on(arn("cluster", &id.to_ascii_lowercase()));
    }
    needed.tag_new(snapshot);
}

fn user_groups(input: Input<'_>, key: &str, needed: &mut Needed<'_>) {
    for id in input.texts(key, "member").unwrap_or_default() {
        needed.on(arn("usergroup", &id.to_ascii_lowercase()));
    }
}

fn requested_tags(input: Input<'_>) -> Vec<(String, String)> {
    let tags = input.items("Tags", "Tag").unwrap_or_default();
    let keys = tags.iter().filter_map(|tag| Some((tag.text("Key")?, tag.text("Value").unwrap_or_default())));
    keys.flat_map(|(key, value)| {
        [(format!("aws:RequestTag/{key}"), value.to_owned()), ("aws:TagKeys".to_owned(), key.to_owned())]
    })
    .collect()
}

fn log_delivery(input: Input<'_>, needed: &mut Needed<'_>) {
    let deliveries = input.items("LogDeliveryConfigurations", "LogDeliveryConfigurationRequest").unwrap_or_default();
    if !deliveries.is_empty() {
        needed.everywhere(&LOG_DELIVERY);
        if deliveries.iter().any(|delivery| delivery.text("DestinationType") == Some("kinesis-firehose")) {
            let streams = format!("arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/*");
            needed.also("firehose:TagDeliveryStream", streams);
            needed.service_linked_role("delivery.logs.amazonaws.com", "AWSServiceRoleForLogDelivery");
        }
    }
}

fn key_arn(key: &str) -> String {
    if key.starts_with("arn:") {
        key.to_owned()
    } else if let Some(alias) = key.strip_prefix("alias/") {
        // KMS checks rights on the key that an alias stands for, never on the alias.
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/of-{alias}")
    } else {
        format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}")
    }
}
