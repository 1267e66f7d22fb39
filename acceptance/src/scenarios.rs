//! What is played: scenarios that together send every shape of the ledger. Pure.

use serde_json::{Value, json};

use crate::account::TAG;

/// Logical id of the resource in every stack.
pub(crate) const CACHE: &str = "Cache";

/// Where caches are placed, and what else of the account scenarios may use.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// ARN of the function.
    pub service_token: String,
    /// The VPC.
    pub vpc: String,
    /// Subnets in three zones.
    pub subnets: Vec<String>,
    /// Their zones.
    pub zones: Vec<String>,
    /// Two security groups of clients.
    pub clients: Vec<String>,
    /// ARN of a topic.
    pub topic: Option<String>,
    /// Two keys.
    pub keys: Vec<String>,
    /// Two user groups for Valkey.
    pub user_groups: Vec<String>,
    /// Log group and delivery stream.
    pub logs: Vec<String>,
    /// ARN of a snapshot file in S3.
    pub snapshot_file: Option<String>,
    /// Two subnets with IPv6 blocks.
    pub ipv6_subnets: Vec<String>,
    /// A VPC that another account shares, two subnets in it, and the security group of a client in that account.
    pub shared: Vec<String>,
    /// Whether caches on large nodes may be made.
    pub large_nodes: bool,
}

/// Something of the account without which a scenario cannot be played, and the option that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A topic.
    Topic,
    /// Two keys.
    Keys,
    /// Two user groups.
    UserGroups,
    /// A log group and a delivery stream.
    Logs,
    /// A file in S3.
    SnapshotFile,
    /// Subnets with IPv6.
    Ipv6,
    /// A VPC that another account shares.
    SharedVpc,
    /// Large nodes, which cost more.
    LargeNodes,
}

impl Need {
    /// The option that gives it.
    #[must_use]
    pub fn option(self) -> &'static str {
        match self {
            Need::Topic => "--topic",
            Need::Keys => "--keys",
            Need::UserGroups => "--user-groups",
            Need::Logs => "--logs",
            Need::SnapshotFile => "--snapshot-file",
            Need::Ipv6 => "--ipv6-subnets",
            Need::SharedVpc => "--shared",
            Need::LargeNodes => "--large-nodes",
        }
    }

    fn is_met(self, place: &Place) -> bool {
        match self {
            Need::Topic => place.topic.is_some(),
            Need::Keys => place.keys.len() == 2,
            Need::UserGroups => place.user_groups.len() == 2,
            Need::Logs => place.logs.len() == 2,
            Need::SnapshotFile => place.snapshot_file.is_some(),
            Need::Ipv6 => place.ipv6_subnets.len() == 2,
            Need::SharedVpc => place.shared.len() == 4,
            Need::LargeNodes => place.large_nodes,
        }
    }
}

/// What happens in one step.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// The stack is made, or changed, so that the cache has these properties.
    Deploy(Value),
    /// The same, next to a resource that fails: the stack has to go back.
    Fail(Value),
    /// The stack has a rotation schedule now, and its secret is rotated at once.
    Rotate(Value),
    /// The stack is changed, and the update is cancelled as soon as another password waits in the secret.
    Cancel(Value),
    /// Another password is stored in the secret, and given up before the cache takes it, by the calls that the function has
    /// for that. It makes them only when AWS fails at the wrong moment, which nothing here can bring about.
    GiveUp,
    /// The stack is deleted.
    Delete,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// What it is about.
    pub label: &'static str,
    /// What is done.
    pub act: Act,
    /// Whether the token of the cache is another one afterwards.
    pub changes_token: bool,
}

/// The life of one stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// By this it is picked.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What it needs of the account.
    pub needs: Vec<Need>,
    /// Its steps, in order. A Delete may be followed by another Deploy of a stack of the same name.
    pub steps: Vec<Step>,
}

impl Scenario {
    /// What of its needs the account lacks.
    #[must_use]
    pub fn lacks(&self, place: &Place) -> Vec<Need> {
        self.needs.iter().copied().filter(|need| !need.is_met(place)).collect()
    }
}

/// A scenario under construction: properties are given as changes of those before.
struct Draft {
    scenario: Scenario,
    properties: Value,
}

impl Draft {
    fn needs(mut self, needs: &[Need]) -> Draft {
        self.scenario.needs.extend_from_slice(needs);
        self
    }

    fn step(mut self, label: &'static str, change: &Value, act: fn(Value) -> Act) -> Draft {
        self.properties = changed(&self.properties, change);
        let act = act(self.properties.clone());
        self.scenario.steps.push(Step { label, act, changes_token: false });
        self
    }

    fn deploy(self, label: &'static str, change: &Value) -> Draft {
        self.step(label, change, Act::Deploy)
    }

    /// The last step changed the token.
    fn changing_the_token(mut self) -> Draft {
        self.scenario.steps.last_mut().into_iter().for_each(|step| step.changes_token = true);
        self
    }

    /// Does not change the properties of the steps after it.
    fn fail(mut self, label: &'static str, change: &Value) -> Draft {
        let properties = changed(&self.properties, change);
        self.scenario.steps.push(Step { label, act: Act::Fail(properties), changes_token: false });
        self
    }

    /// Does not change the properties of the steps after it.
    fn cancel(mut self, label: &'static str, change: &Value) -> Draft {
        let properties = changed(&self.properties, change);
        self.scenario.steps.push(Step { label, act: Act::Cancel(properties), changes_token: false });
        self
    }

    fn give_up(mut self, label: &'static str) -> Draft {
        self.scenario.steps.push(Step { label, act: Act::GiveUp, changes_token: false });
        self
    }

    fn delete(mut self) -> Scenario {
        self.scenario.steps.push(Step { label: "delete", act: Act::Delete, changes_token: false });
        self.scenario
    }

    /// The stack goes and comes again under its name.
    fn again(mut self, label: &'static str) -> Draft {
        self.scenario.steps.push(Step { label: "delete", act: Act::Delete, changes_token: false });
        self.deploy(label, &json!({}))
    }
}

/// Properties with some changed; `null` takes one away.
fn changed(properties: &Value, change: &Value) -> Value {
    let mut properties = properties.clone();
    if let (Value::Object(fields), Value::Object(change)) = (&mut properties, change) {
        for (name, value) in change {
            if value.is_null() {
                fields.remove(name);
            } else {
                fields.insert(name.clone(), value.clone());
            }
        }
    }
    properties
}

/// All scenarios, for a run with this id.
#[must_use]
#[allow(clippy::too_many_lines, reason = "a list")]
pub fn all(place: &Place, run: &str) -> Vec<Scenario> {
    let first = |list: &[String]| list.first().cloned().unwrap_or_default();
    let at = |list: &[String], index: usize| list.get(index).cloned().unwrap_or_default();
    let two_subnets: Vec<String> = place.subnets.iter().take(2).cloned().collect();
    let draft = |name: &'static str, about: &'static str| Draft {
        scenario: Scenario { name, about, needs: Vec::new(), steps: Vec::new() },
        properties: json!({
            "ServiceToken": place.service_token, "Env": format!("a{run}"), "ProjectId": name,
            "VpcId": place.vpc, "SubnetIds": two_subnets, "SnapshotRetentionLimit": 0, "SecretRecoveryWindowInDays": 0,
            "Tags": [{"Key": TAG, "Value": run}],
        }),
    };
    let client = |index: usize| at(&place.clients, index);
    let tags = |more: &[&str]| {
        let more = more.iter().map(|key| json!({"Key": key, "Value": "x"}));
        Value::from([vec![json!({"Key": TAG, "Value": run})], more.collect()].concat())
    };
    let log = |kind: &str, destination: usize, format: &str| {
        let to = ["cloudwatch-logs", "kinesis-firehose"][destination];
        json!({"LogType": kind, "DestinationType": to, "Destination": at(&place.logs, destination), "LogFormat": format})
    };
    let zones = |primary: usize, replica: usize| {
        json!({"ReplicaCount": 1, "PrimaryAvailabilityZone": at(&place.zones, primary),
            "ReplicaAvailabilityZones": [at(&place.zones, replica)]})
    };
    vec![
        draft("plain", "one node without TLS, its rules, settings, parameters and tags")
            .deploy("create", &json!({"AllowedSecurityGroupIds": [client(0)], "AllowedCidrBlocks": ["10.9.0.0/16"]}))
            .deploy("other rules", &json!({"AllowedSecurityGroupIds": [client(1)], "AllowedCidrBlocks": ["2001:db8::/64"]}))
            .deploy("no rules", &json!({"AllowedSecurityGroupIds": null, "AllowedCidrBlocks": null}))
            .deploy("description", &json!({"Description": "changed"}))
            .deploy("windows", &json!({"MaintenanceWindow": "sun:05:00-sun:06:00", "SnapshotWindow": "02:00-03:00"}))
            .deploy("maintenance window alone", &json!({"MaintenanceWindow": "sun:06:00-sun:07:00"}))
            .deploy("minor versions", &json!({"AutoMinorVersionUpgrade": false}))
            .deploy("backups come", &json!({"SnapshotRetentionLimit": 1}))
            .deploy("longer backups", &json!({"SnapshotRetentionLimit": 2}))
            .deploy("backup window alone", &json!({"SnapshotWindow": "03:00-04:00"}))
            .deploy("another security group", &json!({"SecurityGroupIds": [client(0)]}))
            .deploy("description, in the maintenance window", &json!({"Description": "later", "ApplyImmediately": false}))
            .deploy("a tag", &json!({"Tags": tags(&["extra"]), "ApplyImmediately": null}))
            .deploy("no such tag", &json!({"Tags": tags(&[])}))
            .deploy("a third subnet", &json!({"SubnetIds": place.subnets}))
            .deploy("own parameters", &json!({"Parameters": {"timeout": "30", "maxmemory-policy": "allkeys-lru"}}))
            .deploy("other parameters", &json!({"Parameters": {"timeout": "60"}}))
            .deploy("default parameters", &json!({"Parameters": null}))
            .delete(),
        draft("later", "changes that wait for the maintenance window")
            .deploy("create", &json!({"Engine": "redis", "EngineVersion": "7.0"}))
            .deploy("description", &json!({"Description": "later", "ApplyImmediately": false}))
            .deploy("version", &json!({"EngineVersion": "7.1"}))
            .delete(),
        draft("nodes", "nodes come and go, with failover and zones")
            .deploy("create", &json!({"AllowedSecurityGroupIds": [client(0)]}))
            .deploy("no rules", &json!({"AllowedSecurityGroupIds": null}))
            .deploy("a second node, failover and zones", &json!({"NumCacheNodes": 2, "AutomaticFailoverEnabled": true, "MultiAzEnabled": true}))
            .deploy("a third node", &json!({"NumCacheNodes": 3}))
            .deploy("back to two", &json!({"NumCacheNodes": 2}))
            .deploy("zones go", &json!({"MultiAzEnabled": false}))
            .deploy("zones come", &json!({"MultiAzEnabled": true}))
            .deploy("both go", &json!({"MultiAzEnabled": null, "AutomaticFailoverEnabled": null}))
            .deploy("failover comes", &json!({"AutomaticFailoverEnabled": true}))
            .deploy("failover goes", &json!({"AutomaticFailoverEnabled": null}))
            .deploy("larger nodes", &json!({"NodeType": "cache.t4g.small"}))
            .deploy("smaller nodes, in the maintenance window", &json!({"NodeType": "cache.t4g.micro", "ApplyImmediately": false}))
            .delete(),
        draft("token", "two nodes in two zones with a password that changes, and a final snapshot")
            .deploy("create", &json!({
                "NumCacheNodes": 2, "AutomaticFailoverEnabled": true, "MultiAzEnabled": true, "AuthTokenEnabled": true,
                "PreferredAvailabilityZones": [at(&place.zones, 0), at(&place.zones, 1)], "SnapshotRetentionLimit": 1,
                "SnapshotWindow": "03:00-04:00", "MaintenanceWindow": "sun:05:00-sun:06:00",
                "FinalSnapshotIdentifier": format!("a{run}-final"), "AllowedSecurityGroupIds": [client(0)],
            }))
            .deploy("another password", &json!({"AuthTokenVersion": "2"}))
            .changing_the_token()
            .deploy("a tag", &json!({"Tags": tags(&["extra"])}))
            .deploy("no such tag", &json!({"Tags": tags(&[])}))
            .cancel("another password, cancelled", &json!({"AuthTokenVersion": "3"}))
            .give_up("another password, given up")
            .delete(),
        draft("secret", "a password whose secret waits for its deletion and is taken back")
            .deploy("create", &json!({
                "AuthTokenEnabled": true, "SecretRecoveryWindowInDays": 7, "SnapshotRetentionLimit": 1, "SnapshotWindow": "03:00-04:00",
            }))
            .again("create again")
            .deploy("delete the secret at once", &json!({"SecretRecoveryWindowInDays": 0}))
            .delete(),
        draft("schedule", "a password that Secrets Manager rotates")
            .deploy("create", &json!({"AuthTokenEnabled": true}))
            .step("rotation on schedule", &json!({}), Act::Rotate)
            .changing_the_token()
            .delete(),
        draft("first-password", "TLS without a password, and then one")
            .deploy("create", &json!({"TransitEncryptionEnabled": true, "MaintenanceWindow": "sun:05:00-sun:06:00"}))
            .deploy("a password", &json!({"AuthTokenEnabled": true}))
            .changing_the_token()
            .delete(),
        draft("tls", "TLS comes and goes")
            .deploy("create", &json!({"TransitEncryptionEnabled": true, "TransitEncryptionMode": "preferred"}))
            .deploy("required", &json!({"TransitEncryptionMode": "required"}))
            .deploy("preferred", &json!({"TransitEncryptionMode": "preferred"}))
            .deploy("off", &json!({"TransitEncryptionEnabled": false, "TransitEncryptionMode": null}))
            .deploy("preferred again", &json!({"TransitEncryptionEnabled": true, "TransitEncryptionMode": "preferred"}))
            .delete(),
        draft("users", "user groups, passwords, and the ways between them")
            .needs(&[Need::UserGroups])
            .deploy("create", &json!({"UserGroupIds": [first(&place.user_groups)]}))
            .deploy("another user group", &json!({"UserGroupIds": [at(&place.user_groups, 1)]}))
            .deploy("a password", &json!({"UserGroupIds": null, "AuthTokenEnabled": true}))
            .changing_the_token()
            .deploy("a user group", &json!({"UserGroupIds": [first(&place.user_groups)], "AuthTokenEnabled": null}))
            .deploy("nobody", &json!({"UserGroupIds": null, "TransitEncryptionEnabled": true}))
            .deploy("a user group again", &json!({"UserGroupIds": [first(&place.user_groups)]}))
            .delete(),
        draft("engine", "from Redis OSS 6.2 to Valkey")
            .deploy("create", &json!({"Engine": "redis", "EngineVersion": "6.2"}))
            .deploy("another version of another family", &json!({"EngineVersion": "7.0"}))
            .deploy("another version", &json!({"EngineVersion": "7.1"}))
            .deploy("another engine", &json!({"Engine": "valkey", "EngineVersion": "8.0"}))
            .deploy("another version, in the maintenance window", &json!({"EngineVersion": "8.1", "ApplyImmediately": false}))
            .delete(),
        draft("mode", "cluster mode from disabled to enabled")
            .deploy("create", &json!({"ClusterMode": "disabled", "NumCacheNodes": 2, "AutomaticFailoverEnabled": true}))
            .deploy("compatible", &json!({"ClusterMode": "compatible"}))
            .deploy("disabled", &json!({"ClusterMode": "disabled"}))
            .deploy("compatible again", &json!({"ClusterMode": "compatible"}))
            .deploy("enabled", &json!({"ClusterMode": "enabled", "NumCacheNodes": null, "NumNodeGroups": 1, "ReplicasPerNodeGroup": 1}))
            .delete(),
        draft("shards", "shards come and go; a replacement with the data of all of them")
            .deploy("create", &json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1}))
            .deploy("a third shard", &json!({"NumNodeGroups": 3}))
            .deploy("back to two", &json!({"NumNodeGroups": 2}))
            .deploy("another cache with its data", &json!({"AtRestEncryptionEnabled": false, "ReplacementPolicy": "Snapshot"}))
            .delete(),
        draft("layout", "shards one by one, of different sizes")
            .deploy("create", &json!({"NodeGroupConfiguration": [
                changed(&zones(0, 1), &json!({"NodeGroupId": "0001", "Slots": "0-8191"})),
                changed(&zones(1, 0), &json!({"NodeGroupId": "0002", "Slots": "8192-16383"})),
            ]}))
            .deploy("more replicas of one", &json!({"NodeGroupConfiguration": [
                {"NodeGroupId": "0001", "ReplicaCount": 2}, {"NodeGroupId": "0002", "ReplicaCount": 1}]}))
            .deploy("fewer replicas of one", &json!({"NodeGroupConfiguration": [
                {"NodeGroupId": "0001", "ReplicaCount": 1}, {"NodeGroupId": "0002", "ReplicaCount": 1}]}))
            .delete(),
        draft("replacement", "another cache with the data of the one before")
            .deploy("create", &json!({}))
            .deploy("another cache with its data", &json!({"AtRestEncryptionEnabled": false, "ReplacementPolicy": "Snapshot"}))
            .delete(),
        draft("rollback", "a creation and an update that fail and go back")
            .fail("create, and fail", &json!({}))
            .deploy("create", &json!({}))
            .fail("change, and fail", &json!({"Description": "changed"}))
            .delete(),
        draft("hand-over", "an update that takes longer than the function may run")
            .deploy("create", &json!({"Engine": "redis", "EngineVersion": "6.2", "NumCacheNodes": 2}))
            .deploy("engine, nodes and their type at once", &json!({
                "Engine": "valkey", "EngineVersion": "8.0", "NodeType": "cache.t4g.small", "NumCacheNodes": 3,
                "AutomaticFailoverEnabled": true, "MultiAzEnabled": true,
            }))
            .delete(),
        draft("topic", "notifications")
            .needs(&[Need::Topic])
            .deploy("create", &json!({"NotificationTopicArn": place.topic}))
            .deploy("no topic", &json!({"NotificationTopicArn": null}))
            .deploy("a topic", &json!({"NotificationTopicArn": place.topic}))
            .delete(),
        draft("alarms", "alarms of the nodes, which come, change and go")
            .needs(&[Need::Topic])
            .deploy("create", &json!({"Alarms": {}}))
            .deploy("another threshold", &json!({"Alarms": {"Memory": 70}}))
            .deploy("an action", &json!({"Alarms": {"Actions": [place.topic]}}))
            .deploy("an action for both states", &json!({"Alarms": {"Actions": [place.topic], "OkActions": [place.topic]}}))
            .deploy("one alarm less", &json!({"Alarms": {"Actions": [place.topic], "OkActions": [place.topic], "Swap": 0}}))
            .deploy("no alarms", &json!({"Alarms": null}))
            .delete(),
        draft("logs", "logs that come and change")
            .needs(&[Need::Logs])
            .deploy("create", &json!({"LogDelivery": [log("slow-log", 0, "text")]}))
            .deploy("another log", &json!({"LogDelivery": [log("slow-log", 0, "text"), log("engine-log", 1, "json")]}))
            .deploy("another format", &json!({"LogDelivery": [log("slow-log", 0, "json"), log("engine-log", 1, "json")]}))
            .delete(),
        draft("no-logs", "logs that go")
            .needs(&[Need::Logs])
            .deploy("create", &json!({"LogDelivery": [log("slow-log", 0, "text"), log("engine-log", 1, "json")]}))
            .deploy("no logs", &json!({"LogDelivery": []}))
            .delete(),
        draft("keys", "keys of the account's")
            .needs(&[Need::Keys])
            .deploy("create", &json!({"KmsKeyId": first(&place.keys), "AuthTokenEnabled": true, "SecretKmsKeyId": first(&place.keys)}))
            .deploy("another key of the secret", &json!({"SecretKmsKeyId": at(&place.keys, 1)}))
            .delete(),
        draft("files", "a cache from a file in S3")
            .needs(&[Need::SnapshotFile])
            .deploy("create", &json!({"SnapshotArns": [place.snapshot_file]}))
            .delete(),
        draft("ipv6", "a dual stack network")
            .needs(&[Need::Ipv6])
            .deploy("create", &json!({"SubnetIds": place.ipv6_subnets, "NetworkType": "dual_stack"}))
            .deploy("discovery by IPv6", &json!({"IpDiscovery": "ipv6"}))
            .again("create with discovery by IPv6")
            .delete(),
        draft("shared", "a network of another account, whose security groups may connect")
            .needs(&[Need::SharedVpc])
            .deploy("create", &json!({
                "VpcId": first(&place.shared), "SubnetIds": [at(&place.shared, 1), at(&place.shared, 2)],
                "AllowedSecurityGroupIds": [at(&place.shared, 3)],
            }))
            .deploy("no rules", &json!({"AllowedSecurityGroupIds": null}))
            .delete(),
        draft("tiering", "data on disks")
            .needs(&[Need::LargeNodes])
            .deploy("create", &json!({"DataTieringEnabled": true, "NodeType": "cache.r6gd.xlarge"}))
            .delete(),
        draft("durability", "a cache that keeps what was written")
            .needs(&[Need::LargeNodes])
            .deploy("create", &json!({
                "Durability": "sync", "EngineVersion": "9.0", "NodeType": "cache.r7g.large", "NumNodeGroups": 1,
                "ReplicasPerNodeGroup": 1, "MultiAzEnabled": true, "TransitEncryptionEnabled": true,
            }))
            .deploy("later", &json!({"Durability": "async"}))
            .delete(),
    ]
}

/// The template of a step that has one.
pub(crate) fn template(act: &Act) -> Option<String> {
    let properties = match act {
        Act::Deploy(of) | Act::Fail(of) | Act::Rotate(of) | Act::Cancel(of) => of,
        Act::GiveUp | Act::Delete => return None,
    };
    let mut template = json!({
        "Resources": {CACHE: {"Type": "Custom::ElastiCache", "Properties": properties}},
        "Outputs": {
            "Id": {"Value": {"Ref": CACHE}},
            "Endpoint": {"Value": {"Fn::GetAtt": [CACHE, "Connection.Endpoint"]}},
            "Cost": {"Value": {"Fn::Join": ["", ["cost:", {"Fn::GetAtt": [CACHE, "EstimatedCost.MonthlyEstimate"]}]]}},
            "Secret": {"Value": {"Fn::Join": ["", ["secret:", {"Fn::GetAtt": [CACHE, "Security.AuthTokenSecretArn"]}]]}},
            "Warnings": {"Value": {"Fn::Join": ["", ["warnings:", {"Fn::GetAtt": [CACHE, "Warnings"]}]]}},
        },
    });
    match act {
        Act::Fail(_) => {
            // Refused before its first call: it has none of the properties that it needs.
            template["Resources"]["Broken"] = json!({"Type": "Custom::ElastiCache", "DependsOn": CACHE,
                "Properties": {"ServiceToken": properties["ServiceToken"]}});
        }
        Act::Rotate(_) => {
            template["Resources"]["Rotation"] = json!({"Type": "AWS::SecretsManager::RotationSchedule", "Properties": {
                "SecretId": {"Fn::GetAtt": [CACHE, "Security.AuthTokenSecretArn"]},
                "RotationLambdaARN": properties["ServiceToken"], "RotateImmediatelyOnUpdate": false,
                "RotationRules": {"AutomaticallyAfterDays": 30}}});
        }
        Act::Deploy(_) | Act::Cancel(_) | Act::GiveUp | Act::Delete => {}
    }
    Some(template.to_string())
}
