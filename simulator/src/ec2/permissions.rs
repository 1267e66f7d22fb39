//! `IpPermissions` of a request as rules.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::rules::{Ports, Rule, Source};
use crate::wire::tree::{items, text};
use crate::world::{ACCOUNT, AwsError};

/// How CIDR blocks of a request are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blocks {
    /// Host bits are cleared, as EC2 does when it stores a rule (service model).
    Canonicalise,
    /// Taken to the letter: a revoke must name the stored values exactly (service model).
    Verbatim,
}

pub(super) fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("InvalidParameterValue", message)
}

/// The rules that a request names, in `IpPermissions.N` or in the older parameters at its top. They have no ids yet.
pub(super) fn requested(params: &Value, blocks: Blocks) -> Result<Vec<Rule>, AwsError> {
    let mut rules = Vec::new();
    for permission in items(params, "IpPermissions") {
        read_permission(permission, blocks, &mut rules)?;
    }
    if let Some(block) = text(params, "CidrIp") {
        rules.push(rule(params, block_source(block, blocks, Family::V4)?, None)?);
    }
    if rules.is_empty() {
        return Err(AwsError::new("MissingParameter", "The request must contain the parameter ipPermissions"));
    }
    Ok(rules)
}

fn read_permission(permission: &Value, blocks: Blocks, rules: &mut Vec<Rule>) -> Result<(), AwsError> {
    let before = rules.len();
    for range in items(permission, "IpRanges") {
        let source = block_source(required(range, "CidrIp")?, blocks, Family::V4)?;
        rules.push(rule(permission, source, description(range)?)?);
    }
    for range in items(permission, "Ipv6Ranges") {
        let source = block_source(required(range, "CidrIpv6")?, blocks, Family::V6)?;
        rules.push(rule(permission, source, description(range)?)?);
    }
    for pair in items(permission, "Groups") {
        let text = description(pair)?;
        // The one place where the character set is smaller [BC].
        if text.as_ref().is_some_and(|text| text.contains('&')) {
            return Err(invalid("Invalid rule description: '&' is not allowed for a security group pair."));
        }
        let id = required(pair, "GroupId")?;
        let name = match self::text(pair, "UserId").filter(|owner| *owner != ACCOUNT) {
            Some(owner) => format!("{owner}/{id}"),
            None => id.to_owned(),
        };
        rules.push(rule(permission, Source::Group(name), text)?);
    }
    for list in items(permission, "PrefixListIds") {
        let source = Source::PrefixList(required(list, "PrefixListId")?.into());
        rules.push(rule(permission, source, description(list)?)?);
    }
    if rules.len() == before {
        return Err(AwsError::new("MissingParameter", "A permission must name a source."));
    }
    Ok(())
}

fn required<'a>(tree: &'a Value, key: &str) -> Result<&'a str, AwsError> {
    let missing = || AwsError::new("MissingParameter", format!("The request must contain the parameter {key}"));
    text(tree, key).filter(|value| !value.is_empty()).ok_or_else(missing)
}

fn rule(permission: &Value, source: Source, description: Option<String>) -> Result<Rule, AwsError> {
    let protocol = protocol(required(permission, "IpProtocol")?)?;
    let ports = ports(permission, &protocol)?;
    Ok(Rule { id: String::new(), protocol, ports, source, description, tags: BTreeMap::new() })
}

/// Names for the protocols that have one, numbers for the rest.
fn protocol(given: &str) -> Result<String, AwsError> {
    let given = given.to_ascii_lowercase();
    Ok(match given.as_str() {
        "tcp" | "6" => "tcp".into(),
        "udp" | "17" => "udp".into(),
        "icmp" | "1" => "icmp".into(),
        "icmpv6" | "58" => "icmpv6".into(),
        "-1" | "all" => "-1".into(),
        number if number.parse::<u8>().is_ok() => given,
        _ => return Err(invalid(format!("Invalid value '{given}' for IP protocol. Unknown protocol."))),
    })
}

fn ports(permission: &Value, protocol: &str) -> Result<Option<Ports>, AwsError> {
    let port = |key: &str| {
        let number = text(permission, key).map(|port| port.parse::<i32>().map_err(|_| port));
        number.transpose().map_err(|port| invalid(format!("Invalid value '{port}' for {key}. Must be a number.")))
    };
    let (from, to) = (port("FromPort")?, port("ToPort")?);
    match (protocol, from, to) {
        ("tcp" | "udp", Some(from), Some(to)) if 0 <= from && from <= to && to <= 65_535 => {
            Ok(Some(Ports { from, to }))
        }
        ("tcp" | "udp", Some(from), Some(to)) => {
            Err(invalid(format!("Invalid {} port range ({from}-{to}).", protocol.to_uppercase())))
        }
        ("tcp" | "udp", ..) => {
            Err(invalid("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."))
        }
        ("icmp" | "icmpv6", from, to) => Ok(Some(Ports { from: from.unwrap_or(-1), to: to.unwrap_or(-1) })),
        // All ports, whatever was given [BC].
        _ => Ok(None),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

fn block_source(given: &str, blocks: Blocks, family: Family) -> Result<Source, AwsError> {
    let malformed = || invalid(format!("CIDR block {given} is malformed"));
    let net: IpNet = given.parse().map_err(|_| malformed())?;
    let block = match blocks {
        Blocks::Canonicalise => net.trunc().to_string(),
        Blocks::Verbatim => given.to_owned(),
    };
    match (family, net.addr()) {
        (Family::V4, IpAddr::V4(_)) => Ok(Source::Ipv4(block)),
        (Family::V6, IpAddr::V6(_)) => Ok(Source::Ipv6(block)),
        _ => Err(malformed()),
    }
}

fn description(source: &Value) -> Result<Option<String>, AwsError> {
    match text(source, "Description") {
        Some(text) if !is_plain(text) => Err(invalid(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set: \
             a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        )),
        // An empty description is none.
        Some(text) => Ok(Some(text.to_owned()).filter(|text| !text.is_empty())),
        None => Ok(None),
    }
}

/// At most 255 characters of those that names and descriptions may hold (service model).
pub(super) fn is_plain(text: &str) -> bool {
    text.len() <= 255 && text.chars().all(|c| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c))
}
