//! Host names and addresses.

use serde_json::{Value, json};

use super::{ClusterMode, Member, ReplicationGroup};
use crate::elasticache::ElastiCache;

/// The region as host names spell it.
const REGION: &str = "use1";

/// One address as described.
fn endpoint(host: &str, port: u32) -> Value {
    json!({ "Address": host, "Port": port })
}

/// The group's own endpoints, as far as it has them in its mode.
pub(super) struct GroupEndpoints {
    pub(super) primary: Option<Value>,
    pub(super) reader: Option<Value>,
    pub(super) configuration: Option<Value>,
}

pub(super) fn of_group(cache: &ElastiCache, group: &ReplicationGroup) -> GroupEndpoints {
    let plain = group.cluster_mode != ClusterMode::Enabled;
    let clustered = group.cluster_mode != ClusterMode::Disabled;
    if let Some(real) = &cache.real_nodes {
        let address = |pick: fn(&(std::net::SocketAddr, std::net::SocketAddr)) -> std::net::SocketAddr| {
            let address = real.groups.get(&group.id).map(pick)?;
            Some(endpoint(&address.ip().to_string(), u32::from(address.port())))
        };
        let (primary, reader) = (address(|both| both.0), address(|both| both.1));
        return GroupEndpoints {
            configuration: primary.clone().filter(|_| clustered),
            primary: primary.filter(|_| plain),
            reader: reader.filter(|_| plain),
        };
    }
    let ReplicationGroup { id, host_infix: infix, port, .. } = group;
    let (primary, reader, configuration) = if group.tls_host_names {
        (
            format!("master.{id}.{infix}.{REGION}.cache.amazonaws.com"),
            format!("replica.{id}.{infix}.{REGION}.cache.amazonaws.com"),
            format!("clustercfg.{id}.{infix}.{REGION}.cache.amazonaws.com"),
        )
    } else {
        (
            format!("{id}.{infix}.ng.0001.{REGION}.cache.amazonaws.com"),
            format!("{id}-ro.{infix}.ng.0001.{REGION}.cache.amazonaws.com"),
            format!("{id}.{infix}.clustercfg.{REGION}.cache.amazonaws.com"),
        )
    };
    GroupEndpoints {
        primary: plain.then(|| endpoint(&primary, *port)),
        reader: plain.then(|| endpoint(&reader, *port)),
        configuration: clustered.then(|| endpoint(&configuration, *port)),
    }
}

pub(super) fn of_member(cache: &ElastiCache, group: &ReplicationGroup, member: &Member) -> Option<Value> {
    if let Some(real) = &cache.real_nodes {
        let address = real.members.get(&member.id)?;
        return Some(endpoint(&address.ip().to_string(), u32::from(address.port())));
    }
    let ReplicationGroup { id, host_infix: infix, port, .. } = group;
    let name = &member.id;
    let host = if group.tls_host_names {
        format!("{name}.{id}.{infix}.{REGION}.cache.amazonaws.com")
    } else {
        format!("{name}.{infix}.0001.{REGION}.cache.amazonaws.com")
    };
    Some(endpoint(&host, *port))
}
