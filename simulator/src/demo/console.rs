//! Looking into the account past rights and journal, as a person in the console would.

use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::ec2::Ec2;
use simulator::elasticache::ElastiCache;
use simulator::world::{AwsError, Call, World};

/// A look at what ElastiCache holds.
pub(crate) fn elasticache(aws: &LocalAws, action: &str, params: Value) -> Value {
    ask(aws, ElastiCache::handle, action, params)
}

fn ask(
    aws: &LocalAws,
    service: fn(&mut World, &Call) -> Result<Value, AwsError>,
    action: &str,
    params: Value,
) -> Value {
    // Nothing found is nothing to show.
    aws.with(|world, now| service(world, &Call { action: action.to_owned(), params, now })).unwrap_or_default()
}

/// The elements of a list in an answer: lists are arrays, alone or as the one field of an object.
pub(crate) fn items<'a>(tree: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let list = &tree[list];
    let array = list.as_array().or_else(|| list.as_object()?.values().find_map(Value::as_array));
    array.into_iter().flatten()
}

/// A text in an answer.
pub(crate) fn text<'a>(tree: &'a Value, key: &str) -> &'a str {
    tree[key].as_str().unwrap_or_default()
}

/// Ids and statuses of groups, members and snapshots.
pub(crate) fn statuses(aws: &LocalAws) -> Vec<(String, String)> {
    let kinds = [
        ("DescribeReplicationGroups", "ReplicationGroups", "ReplicationGroupId", "Status"),
        ("DescribeCacheClusters", "CacheClusters", "CacheClusterId", "CacheClusterStatus"),
        ("DescribeSnapshots", "Snapshots", "SnapshotName", "SnapshotStatus"),
    ];
    let mut statuses = Vec::new();
    for (action, list, id, status) in kinds {
        let answer = elasticache(aws, action, json!({}));
        statuses.extend(items(&answer, list).map(|item| (text(item, id).to_owned(), text(item, status).to_owned())));
    }
    statuses
}

/// Who may connect, by a security group's rules: `<port> from <source>`, sorted.
pub(crate) fn ingress(aws: &LocalAws, security_group: &str) -> Vec<String> {
    let answer = ask(aws, Ec2::handle, "DescribeSecurityGroups", json!({"GroupId": [security_group]}));
    let mut rules = Vec::new();
    for permission in items(&answer, "securityGroupInfo").flat_map(|group| items(group, "ipPermissions")) {
        let port = permission["fromPort"].as_u64().map(|port| port.to_string());
        let port = port.unwrap_or_else(|| text(permission, "fromPort").to_owned());
        for (list, source) in [("groups", "groupId"), ("ipRanges", "cidrIp"), ("ipv6Ranges", "cidrIpv6")] {
            rules.extend(items(permission, list).map(|item| format!("{port} from {}", text(item, source))));
        }
    }
    rules.sort();
    rules
}
