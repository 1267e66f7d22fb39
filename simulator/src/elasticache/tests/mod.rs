//! The service against its behaviour: calls in, answers out, time between them.

mod access;
mod aws_words;
mod changes;
mod groups;
mod life;
mod refusals_at_create;
mod restores;
mod scaling;
mod shape;
mod tagging;
mod zones;

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::nodes::Tls;

const TOKEN_A: &str = "first-token-of-the-cache";
const TOKEN_B: &str = "second-token-of-the-cache";
const VPC_SUBNETS: [&str; 2] = ["subnet-0a000000000000001", "subnet-0a000000000000002"];
const SECURITY_GROUP: &str = "sg-0a00000000000aa01";

/// A world and its time.
struct Account {
    world: World,
    now: Time,
}

impl Account {
    /// An account with a subnet group over two zones.
    fn new() -> Account {
        let world = World::default();
        let mut account = Account { world, now: Time::START };
        account.ok(
            "CreateCacheSubnetGroup",
            json!({
                "CacheSubnetGroupName": "Net",
                "CacheSubnetGroupDescription": "two zones",
                "SubnetIds": { "SubnetIdentifier": VPC_SUBNETS },
            }),
        );
        account
    }

    fn call(&mut self, action: &str, params: Value) -> Answer {
        let call = Call { action: action.to_owned(), params, now: self.now };
        ElastiCache::handle(&mut self.world, &call)
    }

    fn ok(&mut self, action: &str, params: Value) -> Value {
        self.call(action, params).unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    /// The code of the refusal.
    fn refused(&mut self, action: &str, params: Value) -> String {
        self.call(action, params).expect_err(action).code
    }

    fn wait(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        ElastiCache::advance(&mut self.world, self.now);
    }

    /// A request for a Valkey group with one node and no frills, and these fields on top.
    fn request(id: &str, more: Value) -> Value {
        let mut request = json!({
            "ReplicationGroupId": id,
            "ReplicationGroupDescription": "test",
            "Engine": "valkey",
            "EngineVersion": "8.2",
            "CacheNodeType": "cache.t4g.micro",
            "CacheSubnetGroupName": "net",
            "TransitEncryptionEnabled": "false",
        });
        merge(&mut request, more);
        request
    }

    /// Creates it and waits until it is available.
    fn create(&mut self, id: &str, more: Value) -> Value {
        self.ok("CreateReplicationGroup", Account::request(id, more));
        self.wait(600);
        self.group(id)
    }

    fn group(&mut self, id: &str) -> Value {
        let answer = self.ok("DescribeReplicationGroups", json!({ "ReplicationGroupId": id }));
        answer["ReplicationGroups"]["ReplicationGroup"][0].clone()
    }

    fn cluster(&mut self, id: &str) -> Value {
        let answer = self.ok("DescribeCacheClusters", json!({ "CacheClusterId": id, "ShowCacheNodeInfo": "true" }));
        answer["CacheClusters"]["CacheCluster"][0].clone()
    }

    /// An immediate Modify.
    fn modify(&mut self, id: &str, more: Value) -> Answer {
        let mut request = json!({ "ReplicationGroupId": id, "ApplyImmediately": "true" });
        merge(&mut request, more);
        self.call("ModifyReplicationGroup", request)
    }

    /// The same, accepted and waited for.
    fn modified(&mut self, id: &str, more: Value) -> Value {
        self.modify(id, more).unwrap_or_else(|error| panic!("{error}"));
        self.wait(1800);
        self.group(id)
    }
}

fn merge(into: &mut Value, more: Value) {
    if let Value::Object(more) = more {
        more.into_iter().for_each(|(key, value)| into[key] = value);
    }
}

fn refusal(answer: Answer) -> String {
    answer.expect_err("a refusal").code
}
