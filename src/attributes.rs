//! What `Fn::GetAtt` gives: pure. Always the same keys, all strings; no token in any of them.

use crate::cfn::response::{Data, WARNINGS};
use crate::cost::Price;
use crate::desired::{Auth, Desired, Tls};
use crate::domain::engine::Version;
use crate::observed::{Endpoint, Observed};

/// The attributes of a converged group, in the order of `docs/attributes.md`. The application examples are marked as the
/// first to go when the answer is full, then the warnings. `price` is that of one node, if it is known.
#[must_use]
pub fn attributes(desired: &Desired, observed: &Observed, warnings: &[String], price: Option<&Price>) -> Data {
    let mut data = Data::default();
    connection(desired, observed, &mut data);
    configuration(desired, observed, price, &mut data);
    identifiers(desired, observed, &mut data);
    examples(desired, observed, &mut data);
    data.optional(WARNINGS, warnings.join("; "));
    data
}

fn connection(desired: &Desired, observed: &Observed, data: &mut Data) {
    let group = observed.group.as_ref();
    let configuration = group.and_then(|group| group.configuration_endpoint.as_ref());
    // A sharded group has no endpoints of its own shards to offer, a plain one no configuration endpoint.
    let primary = group.filter(|_| configuration.is_none()).and_then(|group| group.primary_endpoint());
    let reader = group.filter(|_| configuration.is_none()).and_then(|group| group.reader_endpoint());
    let main = configuration.or(primary);
    let scheme = if desired.tls == Tls::Off { "redis" } else { "rediss" };
    data.add("ClusterType", "replication-group");
    data.add("Connection.Endpoint", main.map(ToString::to_string).unwrap_or_default());
    data.add("Connection.PrimaryEndpoint", address(primary));
    data.add("Connection.ReaderEndpoint", address(reader));
    data.add("Connection.Port", port(main));
    data.add("Connection.PasswordRequired", (desired.auth.is_required() || desired.token_stays).to_string());
    data.add("Connection.TlsEnabled", (desired.tls != Tls::Off).to_string());
    data.add("Connection.Url", main.map(|endpoint| format!("{scheme}://{endpoint}")).unwrap_or_default());
    for (name, endpoint) in
        [("PrimaryEndPoint", primary), ("ReaderEndPoint", reader), ("ConfigurationEndPoint", configuration)]
    {
        data.add(format!("{name}.Address"), address(endpoint));
        data.add(format!("{name}.Port"), port(endpoint));
    }
}

fn address(endpoint: Option<&Endpoint>) -> String {
    endpoint.map(|endpoint| endpoint.address.clone()).unwrap_or_default()
}

fn port(endpoint: Option<&Endpoint>) -> String {
    endpoint.map(|endpoint| endpoint.port.to_string()).unwrap_or_default()
}

fn configuration(desired: &Desired, observed: &Observed, price: Option<&Price>, data: &mut Data) {
    let group = observed.group.as_ref();
    let nodes = group.map_or(0, |group| i32::try_from(group.member_ids.len()).unwrap_or(i32::MAX));
    let actual = observed.first_member().and_then(|member| member.version.as_ref()).map(Version::to_string);
    data.add("Configuration.Engine", desired.engine.to_string());
    data.add("Configuration.EngineVersion", desired.version.to_string());
    data.add("Configuration.EngineVersionActual", actual.unwrap_or_default());
    data.add("Configuration.NodeType", desired.node_type.clone());
    data.add("Configuration.NumCacheNodes", nodes.to_string());
    let failover = desired.automatic_failover;
    // A shard of one node has nothing to fail over to, however many shards there are.
    let shards = group.map(|group| group.shards.as_slice()).unwrap_or_default();
    let highly_available = failover && !shards.is_empty() && shards.iter().all(|shard| shard.member_ids.len() > 1);
    data.add("HighAvailability.Enabled", highly_available.to_string());
    data.add("HighAvailability.AutomaticFailoverEnabled", failover.to_string());
    data.add("HighAvailability.MultiAzEnabled", desired.multi_az.to_string());
    let failover_time = if highly_available { "typically a few seconds" } else { "" };
    data.add("HighAvailability.FailoverTime", failover_time);
    data.add("EstimatedCost.NodeType", desired.node_type.clone());
    data.add("EstimatedCost.NumNodes", nodes.to_string());
    data.add("EstimatedCost.MonthlyEstimate", price.map(|price| price.monthly_usd(nodes)).unwrap_or_default());
    data.add("EstimatedCost.Basis", price.map(|price| price.basis.clone()).unwrap_or_default());
}

fn identifiers(desired: &Desired, observed: &Observed, data: &mut Data) {
    let group = observed.group.as_ref();
    let members: Vec<&str> = group.iter().flat_map(|group| &group.member_ids).map(String::as_str).collect();
    let secret = match &desired.auth {
        Auth::External { arn, .. } => Some(arn.clone()),
        auth if auth.keeps_secret() || desired.token_stays => observed.secret.as_ref().map(|secret| secret.arn.clone()),
        _ => None,
    };
    data.add("Identifiers.ReplicationGroupId", desired.names.replication_group.clone());
    data.add("Identifiers.Arn", group.map(|group| group.arn.clone()).unwrap_or_default());
    data.add("Identifiers.ClusterId", members.first().copied().unwrap_or_default());
    data.optional("Identifiers.MemberClusters", members.join(","));
    let security_group = observed.security_group.as_ref().map(|group| group.id.clone());
    data.add("Security.SecurityGroupId", security_group.unwrap_or_default());
    data.add("Security.SubnetGroupName", desired.names.subnet_group());
    let attached = observed.first_member().map(|member| member.parameter_group.clone());
    data.add("Security.ParameterGroupName", attached.unwrap_or_else(|| desired.parameter_group_name()));
    data.add("Security.AuthTokenSecretArn", secret.unwrap_or_default());
    data.add("Security.KmsKeyId", group.and_then(|group| group.kms_key_id.clone()).unwrap_or_default());
}

fn examples(desired: &Desired, observed: &Observed, data: &mut Data) {
    let group = observed.group.as_ref();
    let (host, port) = group
        .and_then(|group| group.main_endpoint())
        .map(|endpoint| (endpoint.address.as_str(), endpoint.port))
        .unwrap_or_default();
    let sharded = group.is_some_and(|group| group.configuration_endpoint.is_some());
    let tls = desired.tls != Tls::Off;
    let auth = match &desired.auth {
        Auth::Open => Credentials::None,
        Auth::Generated { .. } | Auth::Literal(_) | Auth::External { .. } => Credentials::Password,
        Auth::UserGroup(_) => Credentials::User,
    };
    data.droppable_first("AppConfigExamples.NodeJs", node_js(host, port, sharded, tls, auth));
    data.droppable_first("AppConfigExamples.Python", python(host, port, sharded, tls, auth));
    let credentials = match &desired.auth {
        Auth::Open => String::new(),
        Auth::Generated { .. } | Auth::Literal(_) => "\nREDIS_PASSWORD=<key password of the secret>".to_owned(),
        Auth::External { key: Some(key), .. } => format!("\nREDIS_PASSWORD=<key {key} of the secret>"),
        Auth::External { key: None, .. } => "\nREDIS_PASSWORD=<text of the secret>".to_owned(),
        Auth::UserGroup(group) => {
            format!("\nREDIS_USERNAME=<a user of {group}>\nREDIS_PASSWORD=<a password of that user>")
        }
    };
    let environment = format!("REDIS_HOST={host}\nREDIS_PORT={port}\nREDIS_TLS={tls}{credentials}");
    data.droppable_first("AppConfigExamples.EnvironmentVariables", environment);
}

/// What clients log in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    /// Nothing.
    None,
    /// The password of the default user.
    Password,
    /// A user's name and password.
    User,
}

/// For ioredis and iovalkey; `tls: {}` checks the certificate against the public authorities.
fn node_js(host: &str, port: i32, sharded: bool, tls: bool, auth: Credentials) -> String {
    let mut options = Vec::new();
    options.extend(tls.then_some("tls: {}"));
    options.extend((auth == Credentials::User).then_some("username: process.env.REDIS_USERNAME"));
    options.extend((auth != Credentials::None).then_some("password: process.env.REDIS_PASSWORD"));
    let options = options.join(", ");
    if sharded {
        // ElastiCache certificates name hosts, so nodes must be reached by name, not by the address that DNS gives.
        let lookup = "dnsLookup: (address, callback) => callback(null, address)";
        return format!(
            "new Redis.Cluster([{{ host: '{host}', port: {port} }}], {{ {lookup}, redisOptions: {{ {options} }} }})"
        );
    }
    let options = if options.is_empty() { String::new() } else { format!(", {options}") };
    format!("new Redis({{ host: '{host}', port: {port}{options} }})")
}

/// For valkey-py; `ssl=True` checks the certificate by default.
fn python(host: &str, port: i32, sharded: bool, tls: bool, auth: Credentials) -> String {
    let class = if sharded { "ValkeyCluster" } else { "Valkey" };
    let tls = if tls { ", ssl=True" } else { "" };
    let user = if auth == Credentials::User { ", username=os.environ['REDIS_USERNAME']" } else { "" };
    let password = if auth == Credentials::None { "" } else { ", password=os.environ['REDIS_PASSWORD']" };
    format!("valkey.{class}(host='{host}', port={port}{tls}{user}{password})")
}
