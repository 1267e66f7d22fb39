//! What `Fn::GetAtt` gives: pure. Always the same keys, all strings; no token in any of them.
//!
//! Each is declared once, in [`ATTRIBUTES`]: `make reference` writes `docs/attributes.md` from there.

use crate::cfn::response::{Data, WARNINGS};
use crate::cost::Price;
use crate::desired::{Auth, Desired, Tls};
use crate::domain::engine::Version;
use crate::observed::{Endpoint, Group, Member, Observed};

/// One attribute.
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// What its reference says of it.
    pub meaning: &'static str,
    room: Room,
    value: fn(&View<'_>) -> String,
}

/// What becomes of an attribute when the answer is full.
enum Room {
    /// It stays.
    Always,
    /// It is emptied after those that are dropped first.
    Optional,
    /// It is emptied first.
    DroppedFirst,
}

/// The attributes of a converged group. `price` is that of one node, if it is known.
#[must_use]
pub fn attributes(desired: &Desired, observed: &Observed, warnings: &[String], price: Option<&Price>) -> Data {
    let view = View { desired, observed, warnings, price };
    let mut data = Data::default();
    for Attribute { name, room, value, .. } in ATTRIBUTES {
        let value = value(&view);
        match room {
            Room::Always => data.add(*name, value),
            Room::Optional => data.optional(name, value),
            Room::DroppedFirst => data.droppable_first(name, value),
        }
    }
    data
}

/// Every attribute, in the order of the reference.
pub const ATTRIBUTES: &[Attribute] = &[
    Attribute {
        name: "ClusterType",
        meaning: "`replication-group`",
        room: Room::Always,
        value: |_| "replication-group".to_owned(),
    },
    Attribute {
        name: "Connection.Endpoint",
        meaning: "`host:port` to connect to: the configuration endpoint with shards, else the primary endpoint",
        room: Room::Always,
        value: |v| v.main().map(ToString::to_string).unwrap_or_default(),
    },
    Attribute {
        name: "Connection.PrimaryEndpoint",
        meaning: "Host for writes; empty with shards",
        room: Room::Always,
        value: |v| address(v.primary()),
    },
    Attribute {
        name: "Connection.ReaderEndpoint",
        meaning: "Host for reads; empty with shards",
        room: Room::Always,
        value: |v| address(v.reader()),
    },
    Attribute {
        name: "Connection.Port",
        meaning: "Port of all endpoints",
        room: Room::Always,
        value: |v| port(v.main()),
    },
    Attribute {
        name: "Connection.PasswordRequired",
        meaning: "`true` or `false`",
        room: Room::Always,
        value: |v| (v.desired.auth.is_required() || v.desired.token_stays).to_string(),
    },
    Attribute {
        name: "Connection.TlsEnabled",
        meaning: "`true` or `false`",
        room: Room::Always,
        value: |v| v.tls().to_string(),
    },
    Attribute {
        name: "Connection.Url",
        meaning: "`redis://host:port`, with TLS `rediss://host:port`; no password",
        room: Room::Always,
        value: url,
    },
    Attribute {
        name: "PrimaryEndPoint.Address",
        meaning: "As the native resource names it; empty with shards",
        room: Room::Always,
        value: |v| address(v.primary()),
    },
    Attribute {
        name: "PrimaryEndPoint.Port",
        meaning: "As the native resource names it; empty with shards",
        room: Room::Always,
        value: |v| port(v.primary()),
    },
    Attribute {
        name: "ReaderEndPoint.Address",
        meaning: "As the native resource names it; empty with shards",
        room: Room::Always,
        value: |v| address(v.reader()),
    },
    Attribute {
        name: "ReaderEndPoint.Port",
        meaning: "As the native resource names it; empty with shards",
        room: Room::Always,
        value: |v| port(v.reader()),
    },
    Attribute {
        name: "ConfigurationEndPoint.Address",
        meaning: "As the native resource names it; empty without shards",
        room: Room::Always,
        value: |v| address(v.configuration()),
    },
    Attribute {
        name: "ConfigurationEndPoint.Port",
        meaning: "As the native resource names it; empty without shards",
        room: Room::Always,
        value: |v| port(v.configuration()),
    },
    Attribute {
        name: "Configuration.Engine",
        meaning: "`valkey` or `redis`",
        room: Room::Always,
        value: |v| v.desired.engine.to_string(),
    },
    Attribute {
        name: "Configuration.EngineVersion",
        meaning: "The version of the template or the default",
        room: Room::Always,
        value: |v| v.desired.version.to_string(),
    },
    Attribute {
        name: "Configuration.EngineVersionActual",
        meaning: "The full version that the nodes run",
        room: Room::Always,
        value: |v| v.member().and_then(|member| member.version.as_ref()).map(Version::to_string).unwrap_or_default(),
    },
    Attribute {
        name: "Configuration.NodeType",
        meaning: "Node type",
        room: Room::Always,
        value: |v| v.desired.node_type.clone(),
    },
    Attribute {
        name: "Configuration.NumCacheNodes",
        meaning: "Number of all nodes",
        room: Room::Always,
        value: |v| v.nodes().to_string(),
    },
    Attribute {
        name: "HighAvailability.Enabled",
        meaning: "Whether a replica can take over",
        room: Room::Always,
        value: |v| v.is_highly_available().to_string(),
    },
    Attribute {
        name: "HighAvailability.AutomaticFailoverEnabled",
        meaning: "`true` or `false`",
        room: Room::Always,
        value: |v| v.desired.automatic_failover.to_string(),
    },
    Attribute {
        name: "HighAvailability.MultiAzEnabled",
        meaning: "`true` or `false`",
        room: Room::Always,
        value: |v| v.desired.multi_az.to_string(),
    },
    Attribute {
        name: "HighAvailability.FailoverTime",
        meaning: "How long AWS says that a failover takes; empty without one",
        room: Room::Always,
        value: |v| if v.is_highly_available() { "typically a few seconds" } else { "" }.to_owned(),
    },
    Attribute {
        name: "EstimatedCost.NodeType",
        meaning: "Node type of the estimate",
        room: Room::Always,
        value: |v| v.desired.node_type.clone(),
    },
    Attribute {
        name: "EstimatedCost.NumNodes",
        meaning: "Nodes of the estimate",
        room: Room::Always,
        value: |v| v.nodes().to_string(),
    },
    Attribute {
        name: "EstimatedCost.MonthlyEstimate",
        meaning: "USD for 730 hours of all nodes on demand, from built-in prices for common node types in us-east-1, else from the AWS Price List; empty when neither knows the price",
        room: Room::Always,
        value: |v| v.price.map(|price| price.monthly_usd(v.nodes())).unwrap_or_default(),
    },
    Attribute {
        name: "EstimatedCost.Basis",
        meaning: "Region, source and date of the price; empty when it is unknown",
        room: Room::Always,
        value: |v| v.price.map(|price| price.basis.clone()).unwrap_or_default(),
    },
    Attribute {
        name: "Identifiers.ReplicationGroupId",
        meaning: "The same as `!Ref`",
        room: Room::Always,
        value: |v| v.desired.names.replication_group.clone(),
    },
    Attribute {
        name: "Identifiers.Arn",
        meaning: "ARN of the replication group",
        room: Room::Always,
        value: |v| v.group().map(|group| group.arn.clone()).unwrap_or_default(),
    },
    Attribute {
        name: "Identifiers.ClusterId",
        meaning: "Id of the first member",
        room: Room::Always,
        value: |v| v.members().first().copied().unwrap_or_default().to_owned(),
    },
    Attribute {
        name: "Identifiers.MemberClusters",
        meaning: "Ids of all members with commas; emptied when the answer is full",
        room: Room::Optional,
        value: |v| v.members().join(","),
    },
    Attribute {
        name: "Security.SecurityGroupId",
        meaning: "The security group that was made",
        room: Room::Always,
        value: |v| v.observed.security_group.as_ref().map(|group| group.id.clone()).unwrap_or_default(),
    },
    Attribute {
        name: "Security.SubnetGroupName",
        meaning: "The subnet group that was made",
        room: Room::Always,
        value: |v| v.desired.names.subnet_group(),
    },
    Attribute {
        name: "Security.ParameterGroupName",
        meaning: "The parameter group in use",
        room: Room::Always,
        value: parameter_group,
    },
    Attribute {
        name: "Security.AuthTokenSecretArn",
        meaning: "The secret with the token, under whatever name it is; empty without one",
        room: Room::Always,
        value: secret_arn,
    },
    Attribute {
        name: "Security.KmsKeyId",
        meaning: "Customer key of encryption at rest; empty without one",
        room: Room::Always,
        value: |v| v.group().and_then(|group| group.kms_key_id.clone()).unwrap_or_default(),
    },
    Attribute {
        name: "AppConfigExamples.NodeJs",
        meaning: "How ioredis connects, with certificate checks; the first to be emptied when the answer is full",
        room: Room::DroppedFirst,
        value: node_js,
    },
    Attribute {
        name: "AppConfigExamples.Python",
        meaning: "How valkey-py connects, with certificate checks; emptied next",
        room: Room::DroppedFirst,
        value: python,
    },
    Attribute {
        name: "AppConfigExamples.EnvironmentVariables",
        meaning: "The same as variables; emptied next",
        room: Room::DroppedFirst,
        value: environment,
    },
    Attribute {
        name: WARNINGS,
        meaning: "What you should know, with `; ` between, attributes that were emptied included; empty when there is nothing",
        room: Room::Optional,
        value: |v| v.warnings.join("; "),
    },
];

/// What attributes are made of.
struct View<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    warnings: &'a [String],
    price: Option<&'a Price>,
}

impl<'a> View<'a> {
    fn group(&self) -> Option<&'a Group> {
        self.observed.group.as_ref()
    }

    fn member(&self) -> Option<&'a Member> {
        self.observed.first_member()
    }

    fn members(&self) -> Vec<&'a str> {
        self.group().iter().flat_map(|group| &group.member_ids).map(String::as_str).collect()
    }

    fn nodes(&self) -> i32 {
        i32::try_from(self.members().len()).unwrap_or(i32::MAX)
    }

    fn configuration(&self) -> Option<&'a Endpoint> {
        self.group()?.configuration_endpoint.as_ref()
    }

    // A sharded group has no endpoints of its own shards to offer, a plain one no configuration endpoint.
    fn primary(&self) -> Option<&'a Endpoint> {
        self.group().filter(|_| self.configuration().is_none())?.primary_endpoint()
    }

    fn reader(&self) -> Option<&'a Endpoint> {
        self.group().filter(|_| self.configuration().is_none())?.reader_endpoint()
    }

    fn main(&self) -> Option<&'a Endpoint> {
        self.configuration().or_else(|| self.primary())
    }

    fn tls(&self) -> bool {
        self.desired.tls != Tls::Off
    }

    fn is_highly_available(&self) -> bool {
        // A shard of one node has nothing to fail over to, however many shards there are.
        let shards = self.group().map(|group| group.shards.as_slice()).unwrap_or_default();
        self.desired.automatic_failover && !shards.is_empty() && shards.iter().all(|shard| shard.member_ids.len() > 1)
    }

    fn host_and_port(&self) -> (&'a str, i32) {
        let endpoint = self.group().and_then(|group| group.main_endpoint());
        endpoint.map(|endpoint| (endpoint.address.as_str(), endpoint.port)).unwrap_or_default()
    }

    fn credentials(&self) -> Credentials {
        match &self.desired.auth {
            Auth::Open => Credentials::None,
            Auth::Generated { .. } | Auth::Literal(_) | Auth::External { .. } => Credentials::Password,
            Auth::UserGroup(_) => Credentials::User,
        }
    }
}

fn address(endpoint: Option<&Endpoint>) -> String {
    endpoint.map(|endpoint| endpoint.address.clone()).unwrap_or_default()
}

fn port(endpoint: Option<&Endpoint>) -> String {
    endpoint.map(|endpoint| endpoint.port.to_string()).unwrap_or_default()
}

fn url(v: &View<'_>) -> String {
    let scheme = if v.tls() { "rediss" } else { "redis" };
    v.main().map(|endpoint| format!("{scheme}://{endpoint}")).unwrap_or_default()
}

fn parameter_group(v: &View<'_>) -> String {
    v.member().map_or_else(|| v.desired.parameter_group_name(), |member| member.parameter_group.clone())
}

fn secret_arn(v: &View<'_>) -> String {
    match &v.desired.auth {
        Auth::External { arn, .. } => arn.clone(),
        auth if auth.keeps_secret() || v.desired.token_stays => {
            v.observed.secret.as_ref().map(|secret| secret.arn.clone()).unwrap_or_default()
        }
        _ => String::new(),
    }
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
fn node_js(v: &View<'_>) -> String {
    let ((host, port), sharded, tls, auth) = (v.host_and_port(), v.configuration().is_some(), v.tls(), v.credentials());
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
fn python(v: &View<'_>) -> String {
    let ((host, port), auth) = (v.host_and_port(), v.credentials());
    let class = if v.configuration().is_some() { "ValkeyCluster" } else { "Valkey" };
    let tls = if v.tls() { ", ssl=True" } else { "" };
    let user = if auth == Credentials::User { ", username=os.environ['REDIS_USERNAME']" } else { "" };
    let password = if auth == Credentials::None { "" } else { ", password=os.environ['REDIS_PASSWORD']" };
    format!("valkey.{class}(host='{host}', port={port}{tls}{user}{password})")
}

fn environment(v: &View<'_>) -> String {
    let credentials = match &v.desired.auth {
        Auth::Open => String::new(),
        Auth::Generated { .. } | Auth::Literal(_) => "\nREDIS_PASSWORD=<key password of the secret>".to_owned(),
        Auth::External { key: Some(key), .. } => format!("\nREDIS_PASSWORD=<key {key} of the secret>"),
        Auth::External { key: None, .. } => "\nREDIS_PASSWORD=<text of the secret>".to_owned(),
        Auth::UserGroup(group) => {
            format!("\nREDIS_USERNAME=<a user of {group}>\nREDIS_PASSWORD=<a password of that user>")
        }
    };
    let ((host, port), tls) = (v.host_and_port(), v.tls());
    format!("REDIS_HOST={host}\nREDIS_PORT={port}\nREDIS_TLS={tls}{credentials}")
}
