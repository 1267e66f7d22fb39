//! The ledger of write calls, read from `docs/aws-calls.md`: which shapes of a call somebody has seen AWS accept.
//!
//! What a shape is, and how a line is written, stands at the top of that page. [`Ledger::admits`] finds the lines that make
//! up a call.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// An action with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shape {
    service: String,
    action: String,
    parameters: BTreeSet<String>,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service, self.action)?;
        self.parameters.iter().try_for_each(|parameter| write!(f, " {parameter}"))
    }
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Parameters of every call of this action in this table.
    Always,
    /// One of the sets of parameters between which a call chooses.
    Form,
    /// Parameters that a call may carry in addition to its form.
    Added,
}

#[derive(Clone, Debug)]
struct Line {
    table: usize,
    role: Role,
    service: &'static str,
    action: String,
    parameters: Vec<Pattern>,
    is_assumed: bool,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.service, self.action)?;
        self.parameters.iter().try_for_each(|parameter| write!(f, " {}", parameter.text))
    }
}

/// A parameter as a line writes it.
#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    /// Without the members that may be missing.
    required: String,
    /// Members of the items of a list that may be missing.
    optional: BTreeSet<String>,
}

/// The lines of the page, and what was sent so far.
#[derive(Debug)]
pub struct Ledger {
    lines: Vec<Line>,
    /// Parameters whose value belongs to the shape, with the values that the page knows. No other value is ever written
    /// down: it could be a secret.
    values: BTreeMap<String, BTreeSet<String>>,
    sent: Mutex<BTreeSet<Shape>>,
    /// A line that this AWS does not keep to.
    broken: Option<usize>,
    record: Option<PathBuf>,
}

impl Ledger {
    /// Reads the page.
    pub fn parse(page: &str) -> Result<Ledger, String> {
        let (mut lines, mut service, mut table) = (Vec::new(), None, 0);
        for text in page.lines() {
            if let Some(title) = text.strip_prefix("## ") {
                service = signing_name(title);
            }
            let Some(row) = text.strip_prefix("| `") else {
                table += 1;
                continue;
            };
            let Some(service) = service else { continue };
            lines.push(line(service, table, row).ok_or_else(|| format!("not a line of the ledger: {text}"))?);
        }
        let mut values = BTreeMap::<String, BTreeSet<String>>::new();
        for pattern in lines.iter().flat_map(|line: &Line| &line.parameters) {
            let words = pattern.text.split([' ', '[', ']']);
            for (path, value) in words.filter_map(|word| word.trim_end_matches('?').split_once('=')) {
                let name = path.rsplit('.').next().unwrap_or(path);
                values.entry(name.to_owned()).or_default().insert(value.to_owned());
            }
        }
        Ok(Ledger { lines, values, sent: Mutex::default(), broken: None, record: None })
    }

    /// From now on every shape is written to a file of this process in `folder` when it is sent for the first time.
    #[must_use]
    pub fn recorded_in(self, folder: &Path) -> Ledger {
        Ledger { record: Some(folder.join(std::process::id().to_string())), ..self }
    }

    /// From now on calls are refused that need this line: an AWS that is not as the page says.
    #[must_use]
    pub fn with_broken_line(self, number: usize) -> Ledger {
        Ledger { broken: Some(number), ..self }
    }

    /// The lines that make up a call, by number; none of a call that is not in the ledger.
    pub fn lines_of(&self, service: &str, action: &str, params: &Value) -> Vec<usize> {
        let (service, action) = (service.to_owned(), action.to_owned());
        self.parts(&Shape { service, action, parameters: self.parameters(params) }).unwrap_or_default()
    }

    /// All lines as text, by number.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.lines.iter().map(ToString::to_string).collect()
    }

    /// How many lines there are, and how many of them rest on an assumption.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        (self.lines.len(), self.lines.iter().filter(|line| line.is_assumed).count())
    }

    /// Whether the shape of this call is in the ledger; otherwise the shape.
    pub fn admits(&self, service: &str, action: &str, params: &Value) -> Result<(), Shape> {
        let parameters = self.parameters(params);
        let shape = Shape { service: service.to_owned(), action: action.to_owned(), parameters };
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if !sent.contains(&shape) {
            let parts = self.parts(&shape);
            if parts.is_none_or(|parts| self.broken.is_some_and(|broken| parts.contains(&broken))) {
                return Err(shape);
            }
            if let Some(record) = &self.record
                && let Err(error) = append(record, &shape)
            {
                tracing::error!(%error, record = %record.display(), "a shape could not be recorded");
            }
            sent.insert(shape);
        }
        Ok(())
    }

    /// The lines that none of the calls in `folder` needs, and the calls there that are in no line.
    pub fn compare(&self, folder: &Path) -> std::io::Result<(Vec<String>, Vec<String>)> {
        let (mut used, mut unknown) = (BTreeSet::new(), BTreeSet::new());
        for file in std::fs::read_dir(folder)? {
            for text in std::fs::read_to_string(file?.path())?.lines() {
                match Shape::parse(text).and_then(|shape| self.parts(&shape)) {
                    Some(parts) => used.extend(parts),
                    None => drop(unknown.insert(text.to_owned())),
                }
            }
        }
        let unused = self.lines.iter().enumerate().filter(|(number, _)| !used.contains(number));
        Ok((unused.map(|(_, line)| line.to_string()).collect(), unknown.into_iter().collect()))
    }

    /// The lines that make up a call: what every call of the table has, one of its forms, and any of what may be added,
    /// each parameter in one of them.
    fn parts(&self, shape: &Shape) -> Option<Vec<usize>> {
        let about = |line: &Line| line.service == shape.service && line.action == shape.action;
        let mut lines: Vec<(usize, &Line)> = self.lines.iter().enumerate().filter(|(_, line)| about(line)).collect();
        // Of two that fit the one that says more.
        lines.sort_by_key(|(_, line)| std::cmp::Reverse(line.parameters.len()));
        let tables: BTreeSet<usize> = lines.iter().map(|(_, line)| line.table).collect();
        tables.into_iter().find_map(|table| {
            let of = |role: Role| -> Vec<(usize, &Line)> {
                lines.iter().filter(|(_, line)| line.table == table && line.role == role).copied().collect()
            };
            let (forms, added) = (of(Role::Form), of(Role::Added));
            let mut parts = Vec::new();
            let mut rest: BTreeSet<&str> = shape.parameters.iter().map(String::as_str).collect();
            for (number, always) in of(Role::Always) {
                rest = without(&rest, always)?;
                parts.push(number);
            }
            if forms.is_empty() {
                // What always goes is no call by itself when there are things to add.
                let more = divided(&rest, &added).filter(|more| !more.is_empty() || added.is_empty())?;
                return Some([parts, more].concat());
            }
            forms.into_iter().find_map(|(number, form)| {
                let more = divided(&without(&rest, form)?, &added)?;
                Some([parts.clone(), vec![number], more].concat())
            })
        })
    }

    /// The parameters of an input tree: names, and values where those count.
    fn parameters(&self, input: &Value) -> BTreeSet<String> {
        let Value::Object(fields) = input else { return BTreeSet::new() };
        fields.iter().flat_map(|(name, value)| self.parameter(name, value)).collect()
    }

    fn parameter(&self, name: &str, value: &Value) -> Vec<String> {
        match value {
            Value::Null => Vec::new(),
            Value::Bool(flag) => vec![self.with_value(name, &flag.to_string())],
            Value::String(text) => vec![self.with_value(name, text)],
            Value::Number(_) => vec![name.to_owned()],
            Value::Array(items) if items.is_empty() => vec![name.to_owned()],
            Value::Array(items) => items.iter().flat_map(|item| self.item(name, item)).collect(),
            // The event that a function is invoked with is no parameter of Lambda.
            Value::Object(_) if name == "Payload" => vec![name.to_owned()],
            Value::Object(fields) => match fields.values().next() {
                // The query protocol names the members of a list: they are the list.
                Some(list @ Value::Array(_)) if fields.len() == 1 => self.parameter(name, list),
                _ => self.parameters(value).into_iter().map(|inner| format!("{name}.{inner}")).collect(),
            },
        }
    }

    fn with_value(&self, name: &str, value: &str) -> String {
        match self.values.get(name) {
            None => name.to_owned(),
            Some(known) if known.contains(value) => format!("{name}={value}"),
            Some(_) => format!("{name}=other"),
        }
    }

    fn item(&self, list: &str, item: &Value) -> Vec<String> {
        if item.is_object() {
            let inner: Vec<String> = self.parameters(item).into_iter().collect();
            vec![format!("{list}[{}]", inner.join(" "))]
        } else {
            self.parameter(list, item)
        }
    }
}

impl Shape {
    /// The opposite of its text.
    fn parse(text: &str) -> Option<Shape> {
        let (service, rest) = text.split_once(' ')?;
        let (action, parameters) = rest.split_once(' ').unwrap_or((rest, ""));
        let parameters = words(parameters).into_iter().map(str::to_owned).collect();
        Some(Shape { service: service.to_owned(), action: action.to_owned(), parameters })
    }
}

impl Pattern {
    fn new(text: &str) -> Pattern {
        let (name, inner) = in_brackets(text).unwrap_or((text, Vec::new()));
        let (optional, required): (Vec<&str>, Vec<&str>) = inner.into_iter().partition(|member| member.ends_with('?'));
        let optional = optional.into_iter().map(|member| member.trim_end_matches('?').to_owned()).collect();
        Pattern { text: text.to_owned(), required: joined(name, required), optional }
    }

    fn fits(&self, parameter: &str) -> bool {
        let Some((name, inner)) = in_brackets(parameter) else { return self.required == parameter };
        joined(name, inner.into_iter().filter(|member| !self.optional.contains(*member)).collect()) == self.required
    }
}

fn signing_name(title: &str) -> Option<&'static str> {
    match title {
        "ElastiCache" => Some("elasticache"),
        "EC2" => Some("ec2"),
        "Secrets Manager" => Some("secretsmanager"),
        "CloudWatch" => Some("cloudwatch"),
        "Lambda" => Some("lambda"),
        _ => None,
    }
}

/// A row of four cells: action and role, parameters, when it is sent, evidence.
fn line(service: &'static str, table: usize, row: &str) -> Option<Line> {
    let cells: Vec<&str> = row.strip_suffix(" |")?.split(" | ").collect();
    let [action, parameters, when, evidence] = cells.try_into().ok()?;
    let (action, role) = action.split_once('`')?;
    let role = match role {
        "" => Role::Form,
        " always" => Role::Always,
        " +" => Role::Added,
        _ => return None,
    };
    if when.is_empty() || evidence.is_empty() {
        return None;
    }
    // Every other piece stands between backticks.
    let parameters = parameters.split('`').skip(1).step_by(2).flat_map(words).map(Pattern::new).collect();
    Some(Line {
        table,
        role,
        service,
        action: action.to_owned(),
        parameters,
        is_assumed: evidence.starts_with("*assumed*"),
    })
}

/// Words between blanks that stand in no brackets.
fn words(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let words = text.split(|letter| {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ' ' && depth == 0
    });
    words.filter(|word| !word.is_empty()).collect()
}

/// The name of a list and the members of its items.
fn in_brackets(text: &str) -> Option<(&str, Vec<&str>)> {
    let (name, inner) = text.strip_suffix(']')?.split_once('[')?;
    Some((name, words(inner)))
}

/// The opposite, with the members in order. One without members is not told from a plain parameter.
fn joined(name: &str, mut members: Vec<&str>) -> String {
    members.sort_unstable();
    if members.is_empty() { name.to_owned() } else { format!("{name}[{}]", members.join(" ")) }
}

/// What is left of a call without the parameters of a line, all of which must be in it.
fn without<'s>(all: &BTreeSet<&'s str>, line: &Line) -> Option<BTreeSet<&'s str>> {
    let has = |pattern: &Pattern| all.iter().any(|parameter| pattern.fits(parameter));
    let is_left = |parameter: &&&str| !line.parameters.iter().any(|pattern| pattern.fits(parameter));
    line.parameters.iter().all(has).then(|| all.iter().filter(is_left).copied().collect())
}

/// Which of `lines` make up `all` exactly.
fn divided(all: &BTreeSet<&str>, lines: &[(usize, &Line)]) -> Option<Vec<usize>> {
    let Some(first) = all.first() else { return Some(Vec::new()) };
    let has_first = |(_, line): &&(usize, &Line)| line.parameters.iter().any(|pattern| pattern.fits(first));
    lines.iter().filter(has_first).find_map(|(number, line)| {
        let more = divided(&without(all, line)?, lines)?;
        Some([vec![*number], more].concat())
    })
}

fn append(file: &Path, shape: &Shape) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
    writeln!(file, "{shape}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PAGE: &str = "
## How

| `Sign` | Meaning |
| --- | --- |
| `x` | no line of the ledger |

## ElastiCache

| Call | Parameters | When | Evidence |
| --- | --- | --- | --- |
| `Make` always | `Id` `Failover=false` | x | guide |
| `Make` | `Count` | one shard | guide |
| `Make` | `Shards` `Replicas` | shards | *assumed*: refused otherwise |
| `Make` | `Shards` `Layout[Replicas Slots? Zone?]` | a layout | guide |
| `Make` + | `Tls=true` `Token` | x | guide |
| `Make` + | `Tls=true` | x | guide |
| `Make` + | `Tls=true` `Mode=preferred` | x | guide |
| `Make` + | `Tags[Value Key]` | x | guide |
| `Make` + | `Logs[To.Group Kind=slow]` | x | guide |

| Call | Parameters | When | Evidence |
| --- | --- | --- | --- |
| `Change` always | `Id` | x | guide |
| `Change` + | `Name` | x | guide |
| `Change` + | `Window` | x | guide |

| Call | Parameters | When | Evidence |
| --- | --- | --- | --- |
| `Change` | `Id` `Version` | x | guide |
| `Drop` | `Id` | x | guide |
";

    fn ledger() -> Ledger {
        Ledger::parse(PAGE).unwrap()
    }

    fn is_known(action: &str, params: &Value) -> bool {
        ledger().admits("elasticache", action, params).is_ok()
    }

    fn make(more: Value) -> bool {
        let (mut params, Value::Object(more)) = (json!({"Id": "a", "Failover": "false"}), more) else { return false };
        params.as_object_mut().unwrap().extend(more);
        is_known("Make", &params)
    }

    #[test]
    fn lines_are_counted() {
        assert_eq!(ledger().count(), (14, 1));
    }

    #[test]
    fn a_call_is_one_form_with_what_may_be_added() {
        assert!(make(json!({"Count": "1"})));
        assert!(make(json!({"Shards": "1", "Replicas": "1"})));
        assert!(make(json!({"Count": "1", "Tls": "true"})));
        assert!(make(json!({"Count": "1", "Tls": "true", "Token": "t", "Tags": {"Tag": [{"Key": "k", "Value": ""}]}})));
        assert!(!make(json!({})));
        assert!(!make(json!({"Count": "1", "Shards": "1", "Replicas": "1"})));
        assert!(!make(json!({"Shards": "1"})));
        assert!(!make(json!({"Count": "1", "Token": "t"})));
        assert!(!make(json!({"Count": "1", "Tls": "true", "Token": "t", "Mode": "preferred"})));
    }

    #[test]
    fn a_value_counts_where_a_line_names_one() {
        assert!(make(json!({"Count": "1", "Tls": true, "Mode": "preferred"})));
        assert!(!make(json!({"Count": "1", "Tls": "true", "Mode": "required"})));
        assert!(!make(json!({"Count": "1", "Tls": "false"})));
        assert!(!is_known("Make", &json!({"Id": "a", "Failover": "true", "Count": "1"})));
    }

    #[test]
    fn each_item_of_a_list_has_a_shape() {
        let slow = json!({"Kind": "slow", "To": {"Group": "g"}});
        let engine = json!({"Kind": "engine", "To": {"Group": "g"}});
        assert!(make(json!({"Count": "1", "Logs": {"Request": [slow, slow]}})));
        assert!(!make(json!({"Count": "1", "Logs": {"Request": [slow, engine]}})));
    }

    #[test]
    fn members_of_items_may_be_optional() {
        let layout = |items: Value| make(json!({"Shards": "2", "Layout": {"Item": items}}));
        assert!(layout(json!([{"Replicas": "1"}])));
        assert!(layout(json!([{"Replicas": "1", "Zone": "z"}, {"Replicas": "1", "Slots": "0-1"}])));
        assert!(!layout(json!([{"Slots": "0-1"}])));
        assert!(!layout(json!([{"Replicas": "1"}, {"Replicas": "1", "Name": "n"}])));
    }

    #[test]
    fn tables_do_not_mix() {
        assert!(is_known("Change", &json!({"Id": "a", "Name": "n", "Window": "w"})));
        assert!(is_known("Change", &json!({"Id": "a", "Version": "v"})));
        assert!(!is_known("Change", &json!({"Id": "a", "Version": "v", "Name": "n"})));
        assert!(!is_known("Change", &json!({"Id": "a"})), "nothing to change");
        assert!(!is_known("Drop", &json!({})));
        assert!(ledger().admits("ec2", "Drop", &json!({"Id": "a"})).is_err());
    }

    #[test]
    fn lines_that_nothing_sends_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = ledger().recorded_in(folder.path());
        let layout = json!([{"Slots": "s", "Replicas": "1"}]);
        let call = json!({"Id": "a", "Failover": "false", "Shards": "1", "Layout": layout, "Tags": [{"Value": "v", "Key": "k"}]});
        recorded.admits("elasticache", "Make", &call).unwrap();
        recorded.admits("elasticache", "Drop", &json!({"Id": "a"})).unwrap();
        std::fs::write(folder.path().join("other"), "elasticache Change Id Name\nec2 Drop Id\n").unwrap();
        let (unsent, unknown) = ledger().compare(folder.path()).unwrap();
        let expected = [
            "elasticache Make Count",
            "elasticache Make Shards Replicas",
            "elasticache Make Tls=true Token",
            "elasticache Make Tls=true",
            "elasticache Make Tls=true Mode=preferred",
            "elasticache Make Logs[To.Group Kind=slow]",
            "elasticache Change Window",
            "elasticache Change Id Version",
        ];
        assert_eq!(unsent, expected);
        assert_eq!(unknown, ["ec2 Drop Id"]);
    }

    #[test]
    fn no_value_but_those_of_the_page_is_written_down() {
        let folder = tempfile::tempdir().unwrap();
        let recorded = ledger().recorded_in(folder.path());
        let call = json!({"Id": "hush", "Failover": "false", "Count": "1", "Tls": "true", "Token": "hush",
            "Tags": [{"Key": "hush", "Value": "hush"}]});
        recorded.admits("elasticache", "Make", &call).unwrap();
        let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap();
        let written = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(written, "elasticache Make Count Failover=false Id Tags[Key Value] Tls=true Token\n");
        // In the refusal that a test shows there is none either, also not where values count.
        let refused = recorded.admits("elasticache", "Make", &json!({"Id": "hush", "Mode": "hush"})).unwrap_err();
        assert_eq!(refused.to_string(), "elasticache Make Id Mode=other");
    }

    #[test]
    fn a_line_without_evidence_is_none() {
        assert!(Ledger::parse("## EC2\n| `Drop` | `Id` | always |  |").is_err());
        assert!(Ledger::parse("## EC2\n| `Drop` sometimes | `Id` | x | guide |").is_err());
    }
}
