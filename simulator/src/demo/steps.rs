//! The steps of the demo. Each one is checked; the first that is not as it should be ends it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use simulator::LocalAws;
use simulator::aws_cli;
use simulator::cloudformation::{Outcome, Stack, StackStatus};

use super::console::{self, items, text};
use super::feed::Feed;
use super::screen::{Failure, Screen};
use super::{APP_GROUP, OFFICE_BLOCK, WORKERS_GROUP};
use crate::client::{Cache, get, set};
use crate::secret;

/// Everything that the function makes carries this tag.
const OWNER_TAG: &str = "elasticache-resource:stack-id";
/// Replication takes a moment; real time.
const REPLICATION_LOOKS: u32 = 60;
const REPLICATION_PAUSE: Duration = Duration::from_millis(50);

pub(super) struct Demo {
    pub(super) screen: Screen,
    pub(super) aws: LocalAws,
    pub(super) stack: Stack,
    pub(super) feed: Feed,
    pub(super) endpoint: String,
    pub(super) authority: String,
    pub(super) certificate: PathBuf,
    pub(super) aws_cli: Option<PathBuf>,
    pub(super) keep: bool,
    pub(super) logical_id: String,
    pub(super) properties: Value,
    pub(super) example: String,
    pub(super) wanted: Wanted,
}

/// What the properties of an example ask for, as far as the demo looks at it.
pub(super) struct Wanted {
    tls: bool,
    password: bool,
    nodes: u32,
    /// With shards, how many there are.
    shards: Option<u32>,
    final_snapshot: bool,
}

impl Wanted {
    pub(super) fn of(properties: &Value) -> Wanted {
        let said = |name: &str| match &properties[name] {
            Value::String(said) => said.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let password = said("AuthTokenEnabled") == "true";
        let number = |name: &str| said(name).parse::<u32>().ok();
        let shards = number("NumNodeGroups");
        let in_shards = shards.map(|shards| shards * (number("ReplicasPerNodeGroup").unwrap_or(0) + 1));
        Wanted {
            tls: password || said("TransitEncryptionEnabled") == "true",
            password,
            nodes: in_shards.or_else(|| number("NumCacheNodes")).unwrap_or(1),
            shards,
            final_snapshot: !said("FinalSnapshotIdentifier").is_empty(),
        }
    }
}

impl Wanted {
    /// Where clients begin.
    fn first_endpoint(&self) -> &'static str {
        if self.shards.is_some() { "ConfigurationEndPoint" } else { "PrimaryEndPoint" }
    }
}

impl Demo {
    pub(super) async fn run(&self) -> Result<(), Failure> {
        let started = self.aws.clock().now();
        let created = self.create().await?;
        let cache = self.connect(&created).await?;
        let properties = self.allow_more(&created).await?;
        let properties = self.add_a_node(&created, &cache, properties).await?;
        self.look_with_the_cli(&created).await?;
        if self.keep {
            self.wait_for_enter(&created, &cache).await;
        }
        self.delete(&created, &properties).await?;
        let took = self.aws.clock().now().since(started);
        self.screen.heading(&format!("All as it should be, in {} simulated minutes", took.as_secs() / 60));
        Ok(())
    }

    async fn create(&self) -> Result<Outcome, Failure> {
        self.screen.heading(&format!("Create: {}", self.example));
        let created = self.stack.create(&self.logical_id, self.properties.clone()).await;
        self.ended("the stack is created", &created, StackStatus::CreateComplete).await?;
        self.screen.heading("Attributes");
        self.screen.fact("Ref", &created.physical_id);
        for (key, value) in &created.attributes {
            self.screen.fact(key, value);
        }
        let attribute = |key: &str| created.get_att(key).map(str::to_owned);
        let Wanted { tls, password, nodes, .. } = &self.wanted;
        let (on, needed) = (if *tls { "on" } else { "off" }, if *password { "" } else { "no " });
        self.screen.check(&format!("TLS is {on}"), &Ok(tls.to_string()), &attribute("Connection.TlsEnabled"))?;
        let required = attribute("Connection.PasswordRequired");
        self.screen.check(&format!("{needed}password is needed"), &Ok(password.to_string()), &required)?;
        let found = attribute("Configuration.NumCacheNodes");
        self.screen.check(&format!("nodes: {nodes}"), &Ok(nodes.to_string()), &found)?;
        Ok(created)
    }

    /// Uses the cache as an application does: password from the secret, certificate checked.
    async fn connect(&self, created: &Outcome) -> Result<Cache, Failure> {
        self.screen.heading("Connect");
        let cache = Cache { authority: self.authority.clone(), password: self.password(created).await? };
        let primary = endpoint(created, self.wanted.first_endpoint())?;
        let tls = self.wanted.tls;
        let scheme = if tls { "rediss" } else { "redis" };

        expect_ok(
            &format!("SET on the primary, {primary}"),
            set(cache.connect(&primary, tls).await, "greeting", "hello").await,
        )?;
        self.screen.checked(&format!("SET on the primary, {scheme}://{primary}"));
        let read = get(cache.connect(&primary, tls).await, "greeting").await;
        let read = expect_ok("GET on the primary", read)?;
        self.screen.check("GET on the primary", &Some("hello".to_owned()), &read)?;
        if self.wanted.shards.is_none() {
            let reader = endpoint(created, "ReaderEndPoint")?;
            let what = format!("GET on the reader endpoint, {scheme}://{reader}");
            self.replicated(&cache, &reader, "hello", &what).await?;
        }

        if self.wanted.password {
            let nobody = get(cache.without_password().connect(&primary, tls).await, "greeting").await;
            let refusal = nobody.as_ref().map_err(|error| error.code().unwrap_or_default().to_owned());
            self.screen.check("without the password the cache says NOAUTH", &Err("NOAUTH".to_owned()), &refusal)?;
        }
        if tls {
            match get(cache.connect(&primary, false).await, "greeting").await {
                Err(_) => self.screen.checked(&format!("without TLS the connection is closed, redis://{primary}")),
                Ok(read) => {
                    return Err(Failure::new("connect without TLS", "a closed connection", format!("{read:?}")));
                }
            }
        }
        Ok(cache)
    }

    /// The password in the secret, where the example asks for one.
    async fn password(&self, created: &Outcome) -> Result<Option<String>, Failure> {
        if !self.wanted.password {
            return Ok(None);
        }
        let arn = attribute(created, "Security.AuthTokenSecretArn")?;
        let secret = secret::read(&self.endpoint, &arn)
            .await
            .map_err(|found| Failure::new("read the secret over the wire", "a JSON object", found))?;
        self.feed.flush().await;
        let password = text(&secret, "password").to_owned();
        self.screen.check("the secret holds a password of 64 characters", &64, &password.len())?;
        Ok(Some(password))
    }

    /// A further security group and an address block may connect.
    async fn allow_more(&self, created: &Outcome) -> Result<Value, Failure> {
        self.screen.heading("Update: the allow list");
        let group = attribute(created, "Security.SecurityGroupId")?;
        let port = text(&self.properties, "Port");
        let port = if port.is_empty() { "6379" } else { port };
        let rules = |sources: &[&str]| {
            let mut rules: Vec<String> = sources.iter().map(|source| format!("{port} from {source}")).collect();
            rules.sort();
            rules
        };
        let before = console::ingress(&self.aws, &group);
        self.screen.check(&format!("{group} lets the application in"), &rules(&[APP_GROUP]), &before)?;

        let mut properties = self.properties.clone();
        properties["AllowedSecurityGroupIds"] = json!([APP_GROUP, WORKERS_GROUP]);
        properties["AllowedCidrBlocks"] = json!([OFFICE_BLOCK]);
        if properties.get("DeletionProtection").is_some() {
            // The demo deletes what it made.
            properties["DeletionProtection"] = json!(false);
        }
        let calls_before = self.aws.journal().len();
        self.update(created, &properties).await?;

        let after = console::ingress(&self.aws, &group);
        for rule in &after {
            self.screen.fact(&group, rule);
        }
        let wanted = rules(&[APP_GROUP, WORKERS_GROUP, OFFICE_BLOCK]);
        self.screen.check(&format!("{group} lets all three in"), &wanted, &after)?;
        let journal = self.aws.journal();
        let group_calls = journal.iter().skip(calls_before).filter(|call| {
            call.is_write() && ["ReplicationGroup", "ReplicaCount"].iter().any(|part| call.action.contains(part))
        });
        self.screen.check("the cache itself was not touched", &0, &group_calls.count())?;
        Ok(properties)
    }

    async fn add_a_node(&self, created: &Outcome, cache: &Cache, mut properties: Value) -> Result<Value, Failure> {
        let Wanted { nodes, shards, tls, .. } = self.wanted;
        let (property, before) = shards.map_or(("NumCacheNodes", nodes), |shards| ("NumNodeGroups", shards));
        let wanted = nodes / before * (before + 1);
        self.screen.heading(&format!("Update: {property} from {before} to {}", before + 1));
        properties[property] = json!(before + 1);
        let updated = self.update(created, &properties).await?;
        let found = attribute(&updated, "Configuration.NumCacheNodes")?;
        self.screen.check(&format!("nodes: {wanted}"), &wanted.to_string(), &found)?;
        if shards.is_some() {
            return Ok(properties);
        }
        let primary = endpoint(&updated, "PrimaryEndPoint")?;
        expect_ok("SET on the primary", set(cache.connect(&primary, tls).await, "greeting", "hello again").await)?;
        let members = attribute(&updated, "Identifiers.MemberClusters")?;
        let newest = members.rsplit(',').next().unwrap_or_default().trim().to_owned();
        let address = self.member_endpoint(&newest)?;
        let what = format!("GET on the new node, {newest}, {address}");
        self.replicated(cache, &address, "hello again", &what).await?;
        Ok(properties)
    }

    /// The same resources, seen by a client that was not made for this.
    async fn look_with_the_cli(&self, created: &Outcome) -> Result<(), Failure> {
        self.screen.heading("The AWS CLI sees it too");
        let Some(program) = &self.aws_cli else {
            self.screen.line("  no aws on the PATH: skipped");
            return Ok(());
        };
        let group = attribute(created, "Security.SecurityGroupId")?;
        let arn = created.get_att("Security.AuthTokenSecretArn").unwrap_or_default();
        let own_group = ["ec2", "describe-security-groups", "--group-ids", &group];
        let mut looks: Vec<(&[&str], &str, &[&str], &str)> = vec![
            (
                &["elasticache", "describe-replication-groups"],
                "ReplicationGroups",
                &["ReplicationGroupId", "Status", "Engine", "TransitEncryptionMode"],
                &created.physical_id,
            ),
            (&own_group, "SecurityGroups", &["GroupId", "GroupName", "VpcId"], &group),
        ];
        if !arn.is_empty() {
            looks.push((&["secretsmanager", "list-secrets"], "SecretList", &["ARN", "Name"], arn));
        }
        for (arguments, list, columns, id) in looks {
            let command = format!("aws {}", arguments.join(" "));
            let seen = aws_cli::run(program, &self.endpoint, arguments)
                .await
                .map_err(|found| Failure::new(&command, "exit code 0", found))?;
            self.feed.flush().await;
            let found: Vec<&str> = items(&seen, list).map(|item| text(item, columns[0])).collect();
            if !found.contains(&id) {
                return Err(Failure::new(&command, id, format!("{found:?}")));
            }
            self.screen.checked(&command);
            for item in items(&seen, list).filter(|item| text(item, columns[0]) == id) {
                let line = columns.iter().map(|column| text(item, column)).filter(|cell| !cell.is_empty());
                self.screen.line(&format!("      {}", line.collect::<Vec<_>>().join("  ")));
            }
        }
        Ok(())
    }

    async fn wait_for_enter(&self, created: &Outcome, cache: &Cache) {
        self.screen.heading("Yours, until you press Enter");
        self.screen.fact("export AWS_ENDPOINT_URL", &self.endpoint);
        self.screen.fact("certificate to trust", &self.certificate.display().to_string());
        self.screen.fact("endpoint", &endpoint(created, self.wanted.first_endpoint()).unwrap_or_default());
        self.screen.fact("password", cache.password.as_deref().unwrap_or("none"));
        // A thread of its own: a pending read of the runtime would hold up the end after an interrupt.
        let (entered, enter) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            // The end of the input is as good as a line.
            let _ = std::io::stdin().read_line(&mut line);
            let _ = entered.send(());
        });
        let _ = enter.await;
    }

    async fn delete(&self, created: &Outcome, properties: &Value) -> Result<(), Failure> {
        let wanted = self.wanted.final_snapshot;
        self.screen.heading(if wanted { "Delete, with a final snapshot" } else { "Delete" });
        let deleted = self.stack.delete(&self.logical_id).await;
        self.ended("the stack is deleted", &deleted, StackStatus::DeleteComplete).await?;
        self.screen.heading("What is left");
        let left: Vec<String> =
            self.aws.leftovers(OWNER_TAG).into_iter().filter(|name| !name.contains(":snapshot:")).collect();
        self.screen.check("nothing with our tags, apart from the snapshot", &Vec::<String>::new(), &left)?;
        let groups = console::elasticache(&self.aws, "DescribeReplicationGroups", json!({}));
        self.screen.check("no replication group", &0, &items(&groups, "ReplicationGroups").count())?;
        let snapshots = console::elasticache(&self.aws, "DescribeSnapshots", json!({}));
        let stem = text(properties, "FinalSnapshotIdentifier");
        let ours: Vec<&Value> = items(&snapshots, "Snapshots")
            .filter(|snapshot| !stem.is_empty() && text(snapshot, "SnapshotName").starts_with(stem))
            .collect();
        for snapshot in &ours {
            let of = format!("{} of {}", text(snapshot, "SnapshotStatus"), created.physical_id);
            self.screen.fact(text(snapshot, "SnapshotName"), &of);
        }
        let statuses: Vec<&str> = ours.iter().map(|snapshot| text(snapshot, "SnapshotStatus")).collect();
        let (what, expected) = if wanted { ("one final snapshot", vec!["available"]) } else { ("no snapshot", vec![]) };
        self.screen.check(what, &expected, &statuses)?;
        let broken: Vec<String> =
            self.aws.answers().violations().into_iter().flat_map(|violation| violation.problems).collect();
        self.screen.check("every answer kept to the protocol", &Vec::<String>::new(), &broken)
    }

    async fn update(&self, created: &Outcome, properties: &Value) -> Result<Outcome, Failure> {
        let updated = self.stack.update(&self.logical_id, properties.clone()).await;
        self.ended("the stack is updated", &updated, StackStatus::UpdateComplete).await?;
        self.screen.check("it is the same cache", &created.physical_id, &updated.physical_id)?;
        Ok(updated)
    }

    /// Checks how an operation ended.
    async fn ended(&self, what: &str, outcome: &Outcome, expected: StackStatus) -> Result<(), Failure> {
        self.feed.flush().await;
        if outcome.status == expected {
            self.screen.checked(&format!("{what}: {expected}"));
            return Ok(());
        }
        Err(Failure::new(what, expected.to_string(), format!("{}: {}", outcome.status, outcome.reason)))
    }

    /// Checks that a value arrives at a replica.
    async fn replicated(&self, cache: &Cache, replica: &str, value: &str, what: &str) -> Result<(), Failure> {
        let mut read = None;
        for _ in 0..REPLICATION_LOOKS {
            read = expect_ok(what, get(cache.connect(replica, self.wanted.tls).await, "greeting").await)?;
            if read.as_deref() == Some(value) {
                break;
            }
            tokio::time::sleep(REPLICATION_PAUSE).await;
        }
        self.screen.check(what, &Some(value.to_owned()), &read)
    }

    /// `host:port` of a member.
    fn member_endpoint(&self, member: &str) -> Result<String, Failure> {
        let params = json!({"CacheClusterId": member, "ShowCacheNodeInfo": "true"});
        let clusters = console::elasticache(&self.aws, "DescribeCacheClusters", params);
        let node = items(&clusters, "CacheClusters").flat_map(|cluster| items(cluster, "CacheNodes")).next();
        let endpoint = node.map(|node| &node["Endpoint"]);
        let found = endpoint.and_then(|endpoint| {
            let port = endpoint["Port"].as_u64().map(|port| port.to_string());
            let port = port.or_else(|| endpoint["Port"].as_str().map(str::to_owned))?;
            Some(format!("{}:{port}", endpoint["Address"].as_str()?))
        });
        found.ok_or_else(|| Failure::new(format!("find member {member}"), "an endpoint", clusters.to_string()))
    }
}

fn attribute(outcome: &Outcome, key: &str) -> Result<String, Failure> {
    match outcome.get_att(key) {
        Ok(value) if !value.is_empty() => Ok(value.to_owned()),
        Ok(_) => Err(Failure::new(format!("attribute {key}"), "a value", "an empty one")),
        Err(found) => Err(Failure::new(format!("attribute {key}"), "a value", found)),
    }
}

/// `host:port` of `PrimaryEndPoint` or `ReaderEndPoint`.
fn endpoint(outcome: &Outcome, name: &str) -> Result<String, Failure> {
    let [host, port] = ["Address", "Port"].map(|part| attribute(outcome, &format!("{name}.{part}")));
    Ok(format!("{}:{}", host?, port?))
}

fn expect_ok<T>(what: &str, result: redis::RedisResult<T>) -> Result<T, Failure> {
    result.map_err(|error| Failure::new(what, "success", error.to_string()))
}
