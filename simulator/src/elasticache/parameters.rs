//! Engine parameters: names, defaults and legal values.

use super::refusals::invalid_value;
use crate::world::AwsError;

/// When a new value works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeType {
    /// At once.
    Immediate,
    /// After the nodes restart.
    RequiresReboot,
}

impl ChangeType {
    /// As the API spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeType::Immediate => "immediate",
            ChangeType::RequiresReboot => "requires-reboot",
        }
    }
}

/// One parameter of the engine.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Name.
    pub name: &'static str,
    /// Default value.
    pub default: &'static str,
    /// `integer` or `string`.
    pub data_type: &'static str,
    /// A range `a-b`, an open range `a-`, a list `a,b,c`, or nothing for any text.
    pub allowed: &'static str,
    /// Whether a parameter group can set it.
    pub modifiable: bool,
    /// When a new value works.
    pub change: ChangeType,
    /// First engine version that has it.
    pub since: &'static str,
}

const fn number(name: &'static str, default: &'static str, allowed: &'static str, since: &'static str) -> Parameter {
    Parameter { name, default, data_type: "integer", allowed, modifiable: true, change: ChangeType::Immediate, since }
}

const fn text(name: &'static str, default: &'static str, allowed: &'static str, since: &'static str) -> Parameter {
    Parameter { name, default, data_type: "string", allowed, modifiable: true, change: ChangeType::Immediate, since }
}

const fn at_restart(parameter: Parameter) -> Parameter {
    Parameter { change: ChangeType::RequiresReboot, ..parameter }
}

const fn fixed(parameter: Parameter) -> Parameter {
    Parameter { modifiable: false, change: ChangeType::RequiresReboot, ..parameter }
}

const YES_NO: &str = "yes,no";
const POLICIES: &str =
    "volatile-lru,allkeys-lru,volatile-lfu,allkeys-lfu,volatile-random,allkeys-random,volatile-ttl,noeviction";

/// Every parameter, in order of its name.
pub const PARAMETERS: &[Parameter] = &[
    text("acllog-max-len", "128", "", "6.0.0"),
    text("active-expire-effort", "1", "1,2,3,4,5,6,7,8,9,10", "6.0.0"),
    text("activedefrag", "no", YES_NO, "5.0.0"),
    number("active-defrag-cycle-max", "75", "1-75", "5.0.0"),
    number("active-defrag-cycle-min", "5", "1-75", "5.0.0"),
    number("active-defrag-ignore-bytes", "104857600", "1048576-", "5.0.0"),
    number("active-defrag-max-scan-fields", "1000", "1-1000000", "5.0.0"),
    number("active-defrag-threshold-lower", "10", "1-100", "5.0.0"),
    number("active-defrag-threshold-upper", "100", "1-100", "5.0.0"),
    text("activerehashing", "yes", YES_NO, "2.6.13"),
    fixed(text("appendonly", "no", YES_NO, "2.6.13")),
    fixed(text("appendfsync", "everysec", "always,everysec,no", "2.6.13")),
    number("client-output-buffer-limit-normal-hard-limit", "0", "0-", "2.6.13"),
    number("client-output-buffer-limit-normal-soft-limit", "0", "0-", "2.6.13"),
    number("client-output-buffer-limit-normal-soft-seconds", "0", "0-", "2.6.13"),
    number("client-output-buffer-limit-pubsub-hard-limit", "33554432", "0-", "2.6.13"),
    number("client-output-buffer-limit-pubsub-soft-limit", "8388608", "0-", "2.6.13"),
    number("client-output-buffer-limit-pubsub-soft-seconds", "60", "0-", "2.6.13"),
    at_restart(text("close-on-replica-write", "yes", YES_NO, "5.0.0")),
    text("cluster-allow-pubsubshard-when-down", "yes", YES_NO, "7.0.0"),
    text("cluster-allow-reads-when-down", "no", YES_NO, "6.0.0"),
    // Fixed once a cache uses it; settable in a custom group, which is how cluster mode is chosen.
    at_restart(text("cluster-enabled", "no", YES_NO, "3.2.4")),
    text("cluster-require-full-coverage", "no", YES_NO, "3.2.4"),
    at_restart(number("databases", "16", "1-1200000", "2.6.13")),
    number("hash-max-listpack-entries", "512", "0-", "7.0.0"),
    number("hash-max-listpack-value", "64", "0-", "7.0.0"),
    number("hll-sparse-max-bytes", "3000", "1-16000", "2.8.6"),
    number("latency-tracking", "1", "0-1", "7.0.0"),
    text("lazyfree-lazy-eviction", "no", YES_NO, "4.0.10"),
    text("lazyfree-lazy-expire", "no", YES_NO, "4.0.10"),
    text("lazyfree-lazy-server-del", "no", YES_NO, "4.0.10"),
    number("lfu-decay-time", "1", "0-", "4.0.10"),
    number("lfu-log-factor", "10", "1-", "4.0.10"),
    number("list-compress-depth", "0", "0-", "3.2.4"),
    number("list-max-listpack-size", "-2", "-5--1,1-", "7.0.0"),
    fixed(number("maxclients", "65000", "1-65000", "2.6.13")),
    number("maxmemory-clients", "0", "0-", "7.0.0"),
    text("maxmemory-policy", "volatile-lru", POLICIES, "2.6.13"),
    number("maxmemory-samples", "3", "1-", "2.6.13"),
    fixed(number("min-replicas-max-lag", "10", "0-", "5.0.0")),
    text("notify-keyspace-events", "", "", "2.8.6"),
    number("proto-max-bulk-len", "536870912", "1048576-536870912", "4.0.10"),
    number("repl-backlog-size", "1048576", "16384-", "2.6.13"),
    number("repl-backlog-ttl", "3600", "0-", "2.6.13"),
    at_restart(number("reserved-memory-percent", "25", "0-100", "2.6.13")),
    number("set-max-intset-entries", "512", "0-", "2.6.13"),
    number("slowlog-log-slower-than", "10000", "-1-", "2.6.13"),
    number("slowlog-max-len", "128", "0-", "2.6.13"),
    number("stream-node-max-bytes", "4096", "0-", "5.0.0"),
    number("stream-node-max-entries", "100", "0-", "5.0.0"),
    number("tcp-keepalive", "300", "0-", "2.6.13"),
    number("timeout", "0", "0-", "2.6.13"),
    number("tracking-table-max-keys", "1000000", "1-100000000", "6.0.0"),
    number("zset-max-listpack-entries", "128", "0-", "7.0.0"),
    number("zset-max-listpack-value", "64", "0-", "7.0.0"),
];

/// Parameters that only Valkey 9 has.
const VALKEY_9: &[Parameter] = &[at_restart(number("cluster-databases", "1", "1-10000", "9.0.0"))];

/// The parameters of a family.
pub fn of_family(family: &str) -> impl Iterator<Item = &'static Parameter> {
    let major: u32 = family
        .trim_start_matches(|c: char| c.is_ascii_alphabetic())
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .unwrap_or(0);
    let introduced = |parameter: &Parameter| -> u32 {
        parameter.since.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
    };
    PARAMETERS.iter().chain(VALKEY_9).filter(move |parameter| introduced(parameter) <= major)
}

/// The parameter with this name in a family.
pub(super) fn find(family: &str, name: &str) -> Result<&'static Parameter, AwsError> {
    of_family(family)
        .find(|parameter| parameter.name == name)
        .ok_or_else(|| invalid_value(format!("Parameter {name} doesn't exist")))
}

impl Parameter {
    /// Refuses what cannot be set, and values outside the legal ones.
    pub(super) fn check(&self, value: &str) -> Result<(), AwsError> {
        if !self.modifiable {
            return Err(invalid_value(format!("The parameter {} cannot be modified.", self.name)));
        }
        if self.is_legal(value) {
            return Ok(());
        }
        let allowed = self.allowed;
        Err(invalid_value(format!(
            "The value {value} of parameter {} is not in the allowed values: {allowed}",
            self.name
        )))
    }

    fn is_legal(&self, value: &str) -> bool {
        if self.allowed.is_empty() {
            return true;
        }
        if self.data_type == "string" {
            return self.allowed.split(',').any(|choice| choice == value);
        }
        let Ok(value) = value.parse::<i64>() else { return false };
        self.allowed.split(',').filter_map(range).any(|(low, high)| low <= value && value <= high)
    }
}

/// `a-b` or `a-`, both possibly negative.
fn range(text: &str) -> Option<(i64, i64)> {
    let dash = text.char_indices().skip(1).find(|(_, c)| *c == '-')?.0;
    let (low, high) = (&text[..dash], &text[dash + 1..]);
    let high = if high.is_empty() { i64::MAX } else { high.parse().ok()? };
    Some((low.parse().ok()?, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_against_the_legal_ones() {
        let check = |name, value| find("valkey8", name).and_then(|parameter| parameter.check(value));
        assert!(check("maxmemory-policy", "allkeys-lru").is_ok());
        assert!(check("maxmemory-policy", "random").is_err());
        assert!(check("slowlog-log-slower-than", "-1").is_ok());
        assert!(check("slowlog-log-slower-than", "-2").is_err());
        assert!(check("list-max-listpack-size", "-5").is_ok());
        assert!(check("list-max-listpack-size", "0").is_err());
        assert!(check("maxclients", "10").is_err());
        assert!(check("reserved-memory", "1").is_err());
    }

    #[test]
    fn families_differ() {
        assert!(find("valkey9", "cluster-databases").is_ok());
        assert!(find("valkey8", "cluster-databases").is_err());
        assert!(find("redis6.x", "maxmemory-clients").is_err());
    }
}
