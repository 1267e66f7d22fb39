//! Every attribute, in cluster mode off and on, and the size of the answer.

use serde_json::{Value, json};
use simulator::cloudformation::Outcome;
use simulator::elasticache::{ElastiCache, UserGroup};

use crate::harness::{CACHE, Setup, production, quick_start, with};

/// The group as AWS describes it.
fn described(setup: &Setup, id: &str) -> Value {
    let all = setup.by_hand(ElastiCache::handle, "DescribeReplicationGroups", json!({"ReplicationGroupId": id}));
    all.pointer("/ReplicationGroups/ReplicationGroup/0").unwrap().clone()
}

fn text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// Checks every attribute of the answer against `expected`; neither may have one more than the other.
fn compare(outcome: &Outcome, expected: &[(&str, String)]) {
    for (key, value) in expected {
        assert_eq!(outcome.get_att(key).unwrap(), value, "{key}");
    }
    let keys: Vec<&str> = outcome.attributes.keys().map(String::as_str).collect();
    let mut named: Vec<&str> = expected.iter().map(|(key, _)| *key).collect();
    named.sort_unstable();
    assert_eq!(keys, named);
}

#[tokio::test(start_paused = true)]
async fn every_attribute_with_cluster_mode_off() {
    let setup = Setup::new();
    let outcome = setup.created(production()).await;
    let group = described(&setup, "production-myapp-valkey");
    let primary = text(group.pointer("/NodeGroups/NodeGroup/0/PrimaryEndpoint/Address"));
    let reader = text(group.pointer("/NodeGroups/NodeGroup/0/ReaderEndpoint/Address"));
    assert!(!primary.is_empty() && !reader.is_empty() && primary != reader);
    let secret = setup.aws.with(|world, _| world.secrets.secrets().next().unwrap().arn.clone());
    let security_group = outcome.get_att("Security.SecurityGroupId").unwrap().to_owned();
    let known = setup.aws.with(|world, _| world.ec2.security_group_vpc(&security_group).is_some());
    assert!(known, "{security_group}");
    let node_js =
        format!("new Redis({{ host: '{primary}', port: 6379, tls: {{}}, password: process.env.REDIS_PASSWORD }})");
    let python = format!("valkey.Valkey(host='{primary}', port=6379, ssl=True, password=os.environ['REDIS_PASSWORD'])");
    let environment =
        format!("REDIS_HOST={primary}\nREDIS_PORT=6379\nREDIS_TLS=true\nREDIS_PASSWORD=<key password of the secret>");
    let s = str::to_owned;
    compare(
        &outcome,
        &[
            ("ClusterType", s("replication-group")),
            ("Connection.Endpoint", format!("{primary}:6379")),
            ("Connection.PrimaryEndpoint", primary.clone()),
            ("Connection.ReaderEndpoint", reader.clone()),
            ("Connection.Port", s("6379")),
            ("Connection.PasswordRequired", s("true")),
            ("Connection.TlsEnabled", s("true")),
            ("Connection.Url", format!("rediss://{primary}:6379")),
            ("PrimaryEndPoint.Address", primary.clone()),
            ("PrimaryEndPoint.Port", s("6379")),
            ("ReaderEndPoint.Address", reader),
            ("ReaderEndPoint.Port", s("6379")),
            ("ConfigurationEndPoint.Address", s("")),
            ("ConfigurationEndPoint.Port", s("")),
            ("Configuration.Engine", s("valkey")),
            ("Configuration.EngineVersion", s("8.2")),
            ("Configuration.EngineVersionActual", s("8.2.0")),
            ("Configuration.NodeType", s("cache.t4g.small")),
            ("Configuration.NumCacheNodes", s("2")),
            ("HighAvailability.Enabled", s("true")),
            ("HighAvailability.AutomaticFailoverEnabled", s("true")),
            ("HighAvailability.MultiAzEnabled", s("true")),
            ("HighAvailability.FailoverTime", s("typically a few seconds")),
            ("EstimatedCost.NodeType", s("cache.t4g.small")),
            ("EstimatedCost.NumNodes", s("2")),
            ("EstimatedCost.MonthlyEstimate", s("37.38")),
            (
                "EstimatedCost.Basis",
                s("us-east-1 on-demand, built-in prices of 2026-10-02, backups and data transfer extra"),
            ),
            ("Identifiers.ReplicationGroupId", s("production-myapp-valkey")),
            ("Identifiers.Arn", text(group.get("ARN"))),
            ("Identifiers.ClusterId", s("production-myapp-valkey-001")),
            ("Identifiers.MemberClusters", s("production-myapp-valkey-001,production-myapp-valkey-002")),
            ("Security.SecurityGroupId", security_group),
            ("Security.SubnetGroupName", s("production-myapp-valkey")),
            ("Security.ParameterGroupName", s("default.valkey8")),
            ("Security.AuthTokenSecretArn", secret),
            ("Security.KmsKeyId", s("")),
            ("AppConfigExamples.NodeJs", node_js),
            ("AppConfigExamples.Python", python),
            ("AppConfigExamples.EnvironmentVariables", environment),
            ("Warnings", s("")),
        ],
    );
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn every_attribute_with_cluster_mode_on() {
    let sharded = json!({"NumNodeGroups": 2, "ReplicasPerNodeGroup": 1, "TransitEncryptionEnabled": true,
        "NodeType": "cache.m7g.xlarge", "Engine": "redis"});
    let setup = Setup::new();
    let outcome = setup.created(with(quick_start(), sharded)).await;
    let id = "development-myapp-redis";
    let group = described(&setup, id);
    let host = text(group.pointer("/ConfigurationEndpoint/Address"));
    assert!(!host.is_empty(), "{group:#}");
    let node_js = format!(
        "new Redis.Cluster([{{ host: '{host}', port: 6379 }}], \
         {{ dnsLookup: (address, callback) => callback(null, address), redisOptions: {{ tls: {{}} }} }})"
    );
    let members: Vec<String> =
        ["0001-001", "0001-002", "0002-001", "0002-002"].iter().map(|m| format!("{id}-{m}")).collect();
    let s = str::to_owned;
    compare(
        &outcome,
        &[
            ("ClusterType", s("replication-group")),
            ("Connection.Endpoint", format!("{host}:6379")),
            ("Connection.PrimaryEndpoint", s("")),
            ("Connection.ReaderEndpoint", s("")),
            ("Connection.Port", s("6379")),
            ("Connection.PasswordRequired", s("false")),
            ("Connection.TlsEnabled", s("true")),
            ("Connection.Url", format!("rediss://{host}:6379")),
            ("PrimaryEndPoint.Address", s("")),
            ("PrimaryEndPoint.Port", s("")),
            ("ReaderEndPoint.Address", s("")),
            ("ReaderEndPoint.Port", s("")),
            ("ConfigurationEndPoint.Address", host.clone()),
            ("ConfigurationEndPoint.Port", s("6379")),
            ("Configuration.Engine", s("redis")),
            ("Configuration.EngineVersion", s("7.1")),
            ("Configuration.EngineVersionActual", s("7.1.0")),
            ("Configuration.NodeType", s("cache.m7g.xlarge")),
            ("Configuration.NumCacheNodes", s("4")),
            ("HighAvailability.Enabled", s("true")),
            ("HighAvailability.AutomaticFailoverEnabled", s("true")),
            ("HighAvailability.MultiAzEnabled", s("false")),
            ("HighAvailability.FailoverTime", s("typically a few seconds")),
            ("EstimatedCost.NodeType", s("cache.m7g.xlarge")),
            ("EstimatedCost.NumNodes", s("4")),
            // No price of this type is known.
            ("EstimatedCost.MonthlyEstimate", s("")),
            ("EstimatedCost.Basis", s("")),
            ("Identifiers.ReplicationGroupId", s(id)),
            ("Identifiers.Arn", text(group.get("ARN"))),
            ("Identifiers.ClusterId", members[0].clone()),
            ("Identifiers.MemberClusters", members.join(",")),
            ("Security.SecurityGroupId", outcome.get_att("Security.SecurityGroupId").unwrap().to_owned()),
            ("Security.SubnetGroupName", s(id)),
            ("Security.ParameterGroupName", s("default.redis7.cluster.on")),
            ("Security.AuthTokenSecretArn", s("")),
            ("Security.KmsKeyId", s("")),
            ("AppConfigExamples.NodeJs", node_js),
            ("AppConfigExamples.Python", format!("valkey.ValkeyCluster(host='{host}', port=6379, ssl=True)")),
            ("AppConfigExamples.EnvironmentVariables", format!("REDIS_HOST={host}\nREDIS_PORT=6379\nREDIS_TLS=true")),
            ("Warnings", s("")),
        ],
    );
    setup.deleted().await;
}

/// Ninety members with long names and a secret with the longest name.
#[tokio::test(start_paused = true)]
async fn a_full_answer_keeps_all_keys_and_drops_the_examples_first() {
    let setup = Setup::new();
    let long = json!({
        "ReplicationGroupId": "a-replication-group-with-a-very-long-id",
        "NumNodeGroups": 15, "ReplicasPerNodeGroup": 5, "AuthTokenEnabled": true,
        "SecretName": format!("elasticache/{}", "s".repeat(480)),
    });
    let small = Setup::new().created(quick_start()).await;
    let outcome = setup.created(with(quick_start(), long)).await;
    assert_eq!(setup.aws.answers().violations(), []);
    let keys = |outcome: &Outcome| outcome.attributes.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&outcome), keys(&small));
    for dropped in ["AppConfigExamples.NodeJs", "AppConfigExamples.Python", "AppConfigExamples.EnvironmentVariables"] {
        assert_eq!(outcome.get_att(dropped).unwrap(), "", "{dropped}");
    }
    for kept in ["Connection.Endpoint", "Identifiers.Arn", "Identifiers.ClusterId", "Security.AuthTokenSecretArn"] {
        assert_ne!(outcome.get_att(kept).unwrap(), "", "{kept}");
    }
    assert_eq!(outcome.get_att("Configuration.NumCacheNodes").unwrap(), "90");
    let told = outcome.get_att("Warnings").unwrap();
    assert!(told.contains("empty for lack of room: AppConfigExamples.NodeJs, "), "{told}");
    setup.stack.delete(CACHE).await;
}

#[tokio::test(start_paused = true)]
async fn shards_without_replicas_are_not_highly_available() {
    let outcome = Setup::new().created(with(quick_start(), json!({"NumNodeGroups": 2}))).await;
    assert_eq!(outcome.get_att("HighAvailability.Enabled").unwrap(), "false");
    assert_eq!(outcome.get_att("HighAvailability.FailoverTime").unwrap(), "");
    assert_eq!(outcome.get_att("HighAvailability.AutomaticFailoverEnabled").unwrap(), "true");
}

/// Users of a group have names and passwords of their own, and no secret of ours holds them.
#[tokio::test(start_paused = true)]
async fn examples_for_a_user_group_log_in_as_a_user() {
    let setup = Setup::new();
    setup.aws.with(|world, _| world.elasticache.add_user_group(UserGroup::new("people", "valkey", "p")));
    let outcome = setup.created(with(quick_start(), json!({"UserGroupIds": ["people"]}))).await;
    let example = |name: &str| outcome.get_att(&format!("AppConfigExamples.{name}")).unwrap().to_owned();
    let environment = example("EnvironmentVariables");
    assert!(environment.contains("REDIS_USERNAME=<a user of people>") && !environment.contains("secret"));
    let (node_js, python) = (example("NodeJs"), example("Python"));
    assert!(
        node_js.contains("username: process.env.REDIS_USERNAME, password: process.env.REDIS_PASSWORD"),
        "{node_js}"
    );
    let options = "username=os.environ['REDIS_USERNAME'], password=os.environ['REDIS_PASSWORD']";
    assert!(python.contains(options), "{python}");
}
