//! Alarms of CloudWatch on the nodes of a cluster: what they measure, how they are called, and whose they are. Pure.
//!
//! A node has one for each metric that counts on it, `<group>/<node>/<metric>`. CloudWatch tells tags one alarm at a time
//! and descriptions of a hundred at once, so the description says whose an alarm is, as the tags do.

use std::collections::BTreeMap;
use std::fmt;

use super::decimal::Decimal;
use super::node_type::vcpus;
use super::tags::{Owner, TAG_LOGICAL_ID, TAG_STACK_ID, Tags};

/// Namespace of the metrics.
pub const NAMESPACE: &str = "AWS/ElastiCache";

/// What an alarm may measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are those of the thresholds in a template")]
pub enum Metric {
    EngineCpu,
    Cpu,
    Memory,
    Connections,
    ReplicationLag,
    Swap,
    Evictions,
    AuthenticationFailures,
}

/// How a metric is measured.
struct Measure {
    name: &'static str,
    statistic: &'static str,
    period: i32,
    periods: i32,
    operator: &'static str,
    /// What a period without data counts as.
    missing_data: &'static str,
    /// Whether ElastiCache gives it for each server of a node, of which there is one.
    of_server: bool,
}

const ABOVE: &str = "GreaterThanThreshold";
const AT_LEAST: &str = "GreaterThanOrEqualToThreshold";
/// Bytes of a megabyte, in which the threshold of the swap is given.
const MEGABYTE: f64 = 1_048_576.0;
/// vCPUs from which on a node has a free one while the engine's only thread is busy, so that the node's own load says
/// nothing.
const VCPUS_WITH_ENGINE_CPU: i32 = 4;

impl Metric {
    /// All of them.
    pub const ALL: [Metric; 8] = [
        Metric::EngineCpu,
        Metric::Cpu,
        Metric::Memory,
        Metric::Connections,
        Metric::ReplicationLag,
        Metric::Swap,
        Metric::Evictions,
        Metric::AuthenticationFailures,
    ];

    /// AWS's recommended alarms, and for memory that of the module.
    fn measure(self) -> Measure {
        let usual = Measure {
            name: "",
            statistic: "Average",
            period: 60,
            periods: 5,
            operator: ABOVE,
            missing_data: "missing",
            of_server: false,
        };
        let count = Measure {
            statistic: "Sum",
            period: 300,
            periods: 1,
            operator: AT_LEAST,
            missing_data: "notBreaching",
            ..usual
        };
        match self {
            Metric::EngineCpu => Measure { name: "EngineCPUUtilization", ..usual },
            Metric::Cpu => Measure { name: "CPUUtilization", of_server: true, ..usual },
            Metric::Memory => Measure { name: "DatabaseMemoryUsagePercentage", period: 300, periods: 2, ..usual },
            Metric::Connections => Measure { name: "CurrConnections", periods: 10, of_server: true, ..usual },
            Metric::ReplicationLag => {
                Measure { name: "ReplicationLag", periods: 15, missing_data: "notBreaching", ..usual }
            }
            Metric::Swap => Measure { name: "SwapUsage", statistic: "Maximum", ..usual },
            Metric::Evictions => Measure { name: "Evictions", ..count },
            Metric::AuthenticationFailures => Measure { name: "AuthenticationFailures", ..count },
        }
    }

    /// The threshold where the template says none; `None`: no alarm then.
    fn default_on(self, node: Node<'_>) -> Option<Decimal> {
        match self {
            Metric::EngineCpu => Some(90.into()),
            Metric::Cpu => Some(Decimal::new(90.0 / f64::from(vcpus(node.node_type)?))?),
            Metric::Memory => (!node.may_be_full).then(|| 80.into()),
            Metric::Connections => Some(52_000.into()),
            Metric::ReplicationLag => Some(30.into()),
            Metric::Swap => Some(50.into()),
            Metric::Evictions | Metric::AuthenticationFailures => None,
        }
    }

    /// Whether it says anything about this node.
    fn counts_on(self, node: Node<'_>) -> bool {
        let engine_cpu = vcpus(node.node_type).is_none_or(|vcpus| vcpus >= VCPUS_WITH_ENGINE_CPU);
        match self {
            Metric::EngineCpu => engine_cpu,
            Metric::Cpu => !engine_cpu,
            Metric::ReplicationLag => node.may_be_replica,
            Metric::Memory
            | Metric::Connections
            | Metric::Swap
            | Metric::Evictions
            | Metric::AuthenticationFailures => true,
        }
    }
}

/// A node, as far as alarms go.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    /// The group it is in.
    pub group: &'a str,
    /// Its id.
    pub id: &'a str,
    /// Its type.
    pub node_type: &'a str,
    /// Whether it is a replica, or becomes one when another node of its shard takes over.
    pub may_be_replica: bool,
    /// Whether a full memory is how it should be, because the engine then makes room by itself.
    pub may_be_full: bool,
}

/// Which alarms the nodes of a cluster have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    /// What happens when one rings.
    pub actions: Vec<String>,
    /// What happens when it is over.
    pub ok_actions: Vec<String>,
    /// Thresholds that are not the default ones; 0 is none.
    pub thresholds: BTreeMap<Metric, Decimal>,
}

impl Alarms {
    /// The alarms of a node.
    pub fn of<'a>(&'a self, node: Node<'a>, owner: &'a Owner) -> impl Iterator<Item = Alarm> + 'a {
        let counting = Metric::ALL.into_iter().filter(move |metric| metric.counts_on(node));
        counting.filter_map(move |metric| {
            let threshold = match self.thresholds.get(&metric) {
                Some(threshold) => Some(*threshold).filter(|threshold| threshold.get() > 0.0),
                None => metric.default_on(node),
            };
            Some(self.alarm(metric, threshold?, node, owner))
        })
    }

    fn alarm(&self, metric: Metric, threshold: Decimal, node: Node<'_>, owner: &Owner) -> Alarm {
        let Measure { name, statistic, period, periods, operator, missing_data, of_server } = metric.measure();
        let mut dimensions = BTreeMap::from([("CacheClusterId".to_owned(), node.id.to_owned())]);
        if of_server {
            dimensions.insert("CacheNodeId".to_owned(), "0001".to_owned());
        }
        let threshold = match metric {
            Metric::Swap => Decimal::new(threshold.get() * MEGABYTE).unwrap_or(threshold),
            _ => threshold,
        };
        Alarm {
            name: format!("{}{}/{name}", prefix(node.group), node.id),
            description: format!("{name} of {}. {}", node.id, mark(owner)),
            metric: name.to_owned(),
            dimensions,
            statistic: statistic.to_owned(),
            period,
            periods,
            datapoints: None,
            threshold,
            operator: operator.to_owned(),
            missing_data: missing_data.to_owned(),
            actions: self.actions.clone(),
            ok_actions: self.ok_actions.clone(),
        }
    }
}

/// What the names of all alarms of a group begin with. No group has a slash in its id.
#[must_use]
pub fn prefix(group: &str) -> String {
    format!("{group}/")
}

/// An alarm, wanted or there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named for the arguments of PutMetricAlarm")]
pub struct Alarm {
    pub name: String,
    pub description: String,
    pub metric: String,
    pub dimensions: BTreeMap<String, String>,
    pub statistic: String,
    pub period: i32,
    pub periods: i32,
    /// How many of the periods have to be beyond the threshold; all of them when nobody says.
    pub datapoints: Option<i32>,
    pub threshold: Decimal,
    pub operator: String,
    pub missing_data: String,
    pub actions: Vec<String>,
    pub ok_actions: Vec<String>,
}

impl Alarm {
    /// Whether the owner made it, or a deleted stack whose place the owner's has taken.
    #[must_use]
    pub fn is_of(&self, owner: &Owner) -> bool {
        let Some((_, marked)) = self.description.rsplit_once(MARK) else { return false };
        let Some((logical_id, stack_id)) = marked.split_once(BETWEEN) else { return false };
        let tags = Tags::from([
            (TAG_STACK_ID.to_owned(), stack_id.to_owned()),
            (TAG_LOGICAL_ID.to_owned(), logical_id.to_owned()),
        ]);
        owner.owns(&tags) || owner.succeeds(&tags)
    }
}

const MARK: &str = "Kept by elasticache-resource for ";
const BETWEEN: &str = " of ";

/// What the description of an alarm says of its owner.
fn mark(owner: &Owner) -> String {
    format!("{MARK}{}{BETWEEN}{}", owner.logical_id, owner.stack_id)
}

/// As a plan shows it, next to the node.
impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.operator == AT_LEAST { ">=" } else { ">" };
        write!(f, "{} {sign} {}", self.metric, self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner {
            stack_id: "arn:aws:cloudformation:us-east-1:123456789012:stack/app/1".to_owned(),
            logical_id: "Cache".to_owned(),
        }
    }

    fn node(node_type: &str) -> Node<'_> {
        Node { group: "app", id: "app-001", node_type, may_be_replica: false, may_be_full: false }
    }

    fn texts(alarms: &Alarms, node: Node<'_>) -> Vec<String> {
        alarms.of(node, &owner()).map(|alarm| alarm.to_string()).collect()
    }

    #[test]
    fn the_node_decides_what_counts() {
        let rest = ["CurrConnections > 52000", "SwapUsage > 52428800"];
        let alarms = Alarms::default();
        let small = ["CPUUtilization > 45", "DatabaseMemoryUsagePercentage > 80"];
        assert_eq!(texts(&alarms, node("cache.t4g.micro")), [small, rest].concat());
        let large = ["EngineCPUUtilization > 90", "DatabaseMemoryUsagePercentage > 80"];
        for node_type in ["cache.r7g.xlarge", "cache.new.huge"] {
            assert_eq!(texts(&alarms, node(node_type)), [large, rest].concat(), "{node_type}");
        }
        assert_eq!(texts(&alarms, node("cache.t2.micro"))[0], "CPUUtilization > 90");
        let full = Node { may_be_full: true, ..node("cache.t4g.micro") };
        assert_eq!(texts(&alarms, full), [&small[..1], &rest].concat());
        let replica = Node { may_be_replica: true, ..node("cache.t4g.micro") };
        assert!(texts(&alarms, replica).contains(&"ReplicationLag > 30".to_owned()));
    }

    #[test]
    fn a_threshold_may_be_another_or_none() {
        let thresholds = [(Metric::Memory, 0), (Metric::Cpu, 70), (Metric::EngineCpu, 60), (Metric::Evictions, 1)];
        let thresholds = thresholds.map(|(metric, number)| (metric, number.into())).into();
        let alarms = Alarms { thresholds, ..Alarms::default() };
        let expected = ["CPUUtilization > 70", "CurrConnections > 52000", "SwapUsage > 52428800", "Evictions >= 1"];
        assert_eq!(texts(&alarms, node("cache.t4g.micro")), expected);
        // Who says a number for the memory wants to know, whatever the engine does then.
        let alarms = Alarms { thresholds: [(Metric::Memory, 95.into())].into(), ..Alarms::default() };
        let full = Node { may_be_full: true, ..node("cache.t4g.micro") };
        assert!(texts(&alarms, full).contains(&"DatabaseMemoryUsagePercentage > 95".to_owned()));
    }

    #[test]
    fn the_description_tells_the_owner() {
        let alarm = Alarms::default().of(node("cache.t4g.micro"), &owner()).next().unwrap();
        assert_eq!(alarm.name, "app/app-001/CPUUtilization");
        assert!(alarm.is_of(&owner()));
        let stack = |id: &str| Owner { stack_id: owner().stack_id.replace("app/1", id), ..owner() };
        assert!(alarm.is_of(&stack("app/2")), "the stack of that name was deleted");
        assert!(!alarm.is_of(&stack("other/1")));
        assert!(!alarm.is_of(&Owner { logical_id: "Other".to_owned(), ..owner() }));
        assert!(!Alarm { description: "mine".to_owned(), ..alarm }.is_of(&owner()));
    }

    /// Ids have at most 40 characters and stacks at most 128.
    #[test]
    fn names_and_descriptions_fit() {
        let long = "g".repeat(40);
        let id = format!("{long}-0500-006");
        let owner = Owner { stack_id: "s".repeat(255), logical_id: "l".repeat(255) };
        let node = Node { group: &long, id: &id, node_type: "", may_be_replica: true, may_be_full: false };
        for alarm in Alarms::default().of(node, &owner) {
            assert!(alarm.name.len() <= 255 && alarm.description.len() <= 1024, "{alarm:?}");
        }
    }
}
