//! Reads a CloudFormation property map leniently and collects everything that is wrong with it: pure.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::problem::{Problem, nearest};

/// Reads one map of properties. Each reading method marks its name as known; [`Reader::finish`] refuses the rest.
///
/// CloudFormation sends numbers and booleans as strings, and templates leave optional parameters empty: a scalar may be
/// a string, a number or a boolean, and an empty string or null counts as not set.
pub(super) struct Reader<'a> {
    path: String,
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
    /// What is read, when that is of interest.
    fields: Option<Vec<Field>>,
}

/// One property as its reference describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name; inside a list of maps it is written like `Tags[].Key`.
    pub name: String,
    /// What it takes.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
}

/// What a property takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A whole number in this range.
    Integer(RangeInclusive<i32>),
    /// One of these words.
    Choice(Vec<&'static str>),
    /// A list of texts.
    Strings,
    /// Names with values.
    Map,
    /// A list of maps, whose fields follow.
    Objects,
}

impl<'a> Reader<'a> {
    /// A reader for `map`, whose property names are reported with `path` in front.
    pub(super) fn new(path: impl Into<String>, map: &'a Map<String, Value>, problems: &'a mut Vec<Problem>) -> Self {
        Reader { path: path.into(), map, known: Vec::new(), problems, fields: None }
    }

    /// The same, keeping note of all that is read.
    pub(super) fn noting(self) -> Self {
        Reader { fields: Some(Vec::new()), ..self }
    }

    /// What was read.
    pub(super) fn into_fields(self) -> Vec<Field> {
        self.fields.unwrap_or_default()
    }

    fn note(&mut self, name: &str, kind: impl FnOnce() -> Kind) {
        if let Some(fields) = &mut self.fields {
            fields.push(Field { name: format!("{}{name}", self.path), kind: kind(), required: false });
        }
    }

    fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.map.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    fn problem(&mut self, name: &str, value: Option<&Value>, rule: impl Into<String>, fix: impl Into<String>) {
        let problem = Problem::new(format!("{}{name}", self.path), rule, fix);
        self.problems.push(match value {
            // People put tokens into the wrong property; what may be one is never repeated.
            Some(value) if is_about_tokens(name) && !is_number_or_boolean(value) => problem,
            Some(Value::String(text)) => problem.with_value(text),
            Some(value) => problem.with_value(value),
            None => problem,
        });
    }

    /// Accepts a name without reading it.
    pub(super) fn ignore(&mut self, name: &'static str) {
        self.known.push(name);
        self.note(name, || Kind::String);
    }

    /// Any scalar as text.
    pub(super) fn string(&mut self, name: &'static str) -> Option<String> {
        self.note(name, || Kind::String);
        let value = self.get(name)?;
        let text = scalar(value);
        if text.is_none() {
            self.problem(name, Some(value), "must be a string", "write one value, not a list or a map");
        }
        text
    }

    /// Text that must not be repeated in a message.
    pub(super) fn secret(&mut self, name: &'static str) -> Option<String> {
        self.note(name, || Kind::String);
        let value = self.get(name)?;
        let text = scalar(value);
        if text.is_none() {
            self.problem(name, None, "must be a string", "write one value, not a list or a map");
        }
        text
    }

    /// `true` or `false`, in any case, as text or not.
    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.note(name, || Kind::Boolean);
        let value = self.get(name)?;
        match scalar(value).map(|text| text.trim().to_ascii_lowercase()).as_deref() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => {
                self.problem(name, Some(value), "must be true or false", "write true or false");
                None
            }
        }
    }

    /// A whole number in a range.
    pub(super) fn integer(&mut self, name: &'static str, range: RangeInclusive<i32>) -> Option<i32> {
        self.note(name, || Kind::Integer(range.clone()));
        let value = self.get(name)?;
        let (low, high) = (range.start(), range.end());
        match scalar(value).and_then(|text| text.trim().parse::<i32>().ok()) {
            Some(number) if range.contains(&number) => Some(number),
            Some(_) => {
                let rule = format!("must be between {low} and {high}");
                self.problem(name, Some(value), rule, format!("write a number from {low} to {high}"));
                None
            }
            None => {
                let fix = format!("write a number from {low} to {high}");
                self.problem(name, Some(value), "must be a whole number", fix);
                None
            }
        }
    }

    /// One of a few words, in any case.
    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&'static str, T)]) -> Option<T> {
        self.note(name, || Kind::Choice(choices.iter().map(|(word, _)| *word).collect()));
        let value = self.get(name)?;
        let text = scalar(value);
        let chosen = text.as_deref().and_then(|t| choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(t.trim())));
        if let Some((_, choice)) = chosen {
            return Some(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let list = words.join(", ");
        let fix = match text.as_deref().and_then(|t| nearest(t, &words)) {
            Some(word) => format!("write {word}"),
            None => format!("write one of {list}"),
        };
        self.problem(name, Some(value), format!("must be one of {list}"), fix);
        None
    }

    /// A list of scalars. Empty items are left out: `Fn::Split` and parameters with an empty default make them.
    pub(super) fn strings(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.note(name, || Kind::Strings);
        let value = self.get(name)?;
        let Value::Array(items) = value else {
            self.problem(name, Some(value), "must be a list of strings", "write a list, even for one value");
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match scalar(item) {
                Some(text) if text.is_empty() => {}
                Some(text) => texts.push(text),
                None if item.is_null() => {}
                None => self.problem(&format!("{name}[{index}]"), Some(item), "must be a string", "write one value"),
            }
        }
        Some(texts)
    }

    /// A map of scalars.
    pub(super) fn map(&mut self, name: &'static str) -> Option<Vec<(String, String)>> {
        self.note(name, || Kind::Map);
        let value = self.get(name)?;
        let Value::Object(entries) = value else {
            self.problem(name, Some(value), "must be a map of names to values", "write `name: value` pairs");
            return None;
        };
        let mut pairs = Vec::with_capacity(entries.len());
        for (key, item) in entries {
            match scalar(item) {
                Some(text) => pairs.push((key.clone(), text)),
                None => self.problem(&format!("{name}.{key}"), Some(item), "must be a string", "write one value"),
            }
        }
        Some(pairs)
    }

    /// A list of maps, each read by `read`.
    pub(super) fn objects<T>(
        &mut self,
        name: &'static str,
        keys: &str,
        mut read: impl FnMut(&mut Reader<'_>) -> T,
    ) -> Option<Vec<T>> {
        self.note(name, || Kind::Objects);
        if let Some(fields) = &mut self.fields {
            let (empty, mut unheard) = (Map::new(), Vec::new());
            let mut item = Reader::new(format!("{}{name}[].", self.path), &empty, &mut unheard).noting();
            read(&mut item);
            fields.extend(item.into_fields());
        }
        let value = self.get(name)?;
        let Value::Array(items) = value else {
            self.problem(name, Some(value), format!("must be a list of maps with {keys}"), "write a list of maps");
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            if let Value::Object(map) = item {
                let mut reader = Reader::new(format!("{}{name}[{index}].", self.path), map, self.problems);
                list.push(read(&mut reader));
                reader.finish();
            } else {
                let rule = format!("must be a map with {keys}");
                self.problem(&format!("{name}[{index}]"), Some(item), rule, "write a map");
            }
        }
        Some(list)
    }

    /// Reports that a property which must be there is not, unless it is there but wrong. A list must hold something.
    pub(super) fn require(&mut self, name: &'static str, fix: &str) {
        let path = format!("{}{name}", self.path);
        if let Some(field) = self.fields.iter_mut().flatten().find(|field| field.name == path) {
            field.required = true;
        }
        if self.get(name).is_none_or(holds_nothing) {
            self.problem(name, None, "is required", fix);
        }
    }

    /// Refuses every name that was not read, with the nearest known one.
    pub(super) fn finish(self) {
        let Reader { path, map, known, problems, fields: _ } = self;
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            let fix = match nearest(name, &known) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "remove it".to_owned(),
            };
            problems.push(Problem::new(format!("{path}{name}"), "is not a property of Custom::ElastiCache", fix));
        }
    }
}

/// Whether this is a list without an item that says something.
fn holds_nothing(value: &Value) -> bool {
    let items = value.as_array();
    items.is_some_and(|items| items.iter().all(|item| item.is_null() || item.as_str() == Some("")))
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn is_about_tokens(name: &str) -> bool {
    name.starts_with("AuthToken") || name.starts_with("Secret")
}

/// Whether this is too short for a token: those have sixteen characters at least.
fn is_number_or_boolean(value: &Value) -> bool {
    scalar(value).is_some_and(|text| text.parse::<i32>().is_ok() || text.parse::<bool>().is_ok())
}
