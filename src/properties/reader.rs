//! Reads a CloudFormation property map leniently and collects everything that is wrong with it: pure.
//!
//! [`crate::cfn::resource_properties`] has taken blanks away and what is not set. What nobody resolved on the way is refused here, in
//! every place that takes a value.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::choices::Choice;
use crate::cfn::resource_properties::{is_invisible, is_unset, trimmed};
use crate::cfn::unresolved::Unresolved;
use crate::domain::decimal::Decimal;
use crate::domain::problem::{Problem, nearest};

/// Reads one map of properties. Each reading method marks its name as known; [`Reader::finish`] refuses the rest.
///
/// CloudFormation sends numbers and booleans as strings: a scalar may be a string, a number or a boolean.
pub(super) struct Reader<'a> {
    path: String,
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
    /// Lists that turned out to have no items.
    without_items: Vec<&'static str>,
    problems: &'a mut Vec<Problem>,
    /// What is read, when that is of interest.
    fields: Option<Vec<Field>>,
}

/// One property as its reference describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name; inside a list of maps it is written like `Tags[].Key`, inside a map like `Alarms.Cpu`.
    pub name: String,
    /// What it takes.
    pub kind: Kind,
    /// Whether it must be there.
    pub required: bool,
    /// Section of the reference; empty inside of a map or a list of maps, which stands in that of its property.
    pub section: &'static str,
    /// What it is when it is not set, as people say it.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// What holds where a property is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It must be set; what to write.
    Required(&'static str),
    /// The default, as people say it.
    Default(&'static str),
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
    /// A number in this range.
    Number(RangeInclusive<i32>),
    /// One of these words.
    Choice(Vec<&'static str>),
    /// A list of texts.
    Strings,
    /// Names with values.
    Map,
    /// A map whose fields follow. An empty one is set.
    Object,
    /// A list of maps, whose fields follow.
    Objects,
}

/// What an empty map in a list of maps means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Empty {
    /// Nothing, as everywhere else.
    LeftOut,
    /// One more of them, without anything of its own.
    Counts,
}

/// Which characters a text may hold, and who may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    /// What AWS compares: it holds nothing that one cannot see.
    Value,
    /// For people, who may need marks that show nothing; they join and part characters in some scripts.
    Any,
    /// As a value, and in no message.
    Secret,
}

impl<'a> Reader<'a> {
    /// A reader for `map`, whose property names are reported with `path` in front.
    pub(super) fn new(path: impl Into<String>, map: &'a Map<String, Value>, problems: &'a mut Vec<Problem>) -> Self {
        Reader { path: path.into(), map, known: Vec::new(), without_items: Vec::new(), problems, fields: None }
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
            let name = format!("{}{name}", self.path);
            fields.push(Field { name, kind: kind(), required: false, section: "", default: "", meaning: "" });
        }
    }

    /// The value, unless it is not set.
    fn set(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.map.get(name).filter(|value| !says_no_value(value))
    }

    /// The value, unless it is not set or nobody resolved it.
    fn get(&mut self, name: &'static str) -> Option<&'a Value> {
        let value = self.set(name)?;
        self.resolved(name, value).then_some(value)
    }

    /// Whether this is a value and not what something should have replaced; that is a problem.
    fn resolved(&mut self, place: &str, value: &Value) -> bool {
        let found = Unresolved::find(value);
        if let Some(Unresolved { rule, fix }) = &found {
            let fix = match place {
                "AuthToken" => format!("{fix}. Or name the secret that holds it in AuthTokenSecretArn"),
                _ => (*fix).to_owned(),
            };
            self.problem(place, Some(value), rule, fix);
        }
        found.is_none()
    }

    /// The text of a scalar at some place.
    fn text(&mut self, place: &str, value: &Value, kind: Text) -> Option<String> {
        if !self.resolved(place, value) {
            return None;
        }
        let shown = Some(value).filter(|_| kind != Text::Secret);
        let Some(text) = scalar(value) else {
            self.problem(place, shown, "must be a string", "write one value, not a list or a map");
            return None;
        };
        if let Some(c) = text.chars().find(|c| kind != Text::Any && is_invisible(*c)) {
            let rule = format!("holds a character that shows nothing (U+{:04X})", u32::from(c));
            self.problem(place, None, rule, "type it anew instead of copying it");
            return None;
        }
        Some(text)
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
        self.scalar(name, Text::Value)
    }

    /// Text for people, or what a name is made of that AWS takes.
    pub(super) fn any_text(&mut self, name: &'static str) -> Option<String> {
        self.scalar(name, Text::Any)
    }

    /// Text that must not be repeated in a message.
    pub(super) fn secret(&mut self, name: &'static str) -> Option<String> {
        self.scalar(name, Text::Secret)
    }

    fn scalar(&mut self, name: &'static str, kind: Text) -> Option<String> {
        self.note(name, || Kind::String);
        let value = self.set(name)?;
        self.text(name, value, kind)
    }

    /// `true` or `false`, in any case, as text or not.
    pub(super) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.note(name, || Kind::Boolean);
        let value = self.get(name)?;
        match scalar(value).map(|text| text.to_ascii_lowercase()).as_deref() {
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
        self.within(name, &range, "must be a whole number", |text| text.parse().ok())
    }

    /// A number in a range, with or without a fraction.
    pub(super) fn number(&mut self, name: &'static str, range: RangeInclusive<i32>) -> Option<Decimal> {
        self.note(name, || Kind::Number(range.clone()));
        self.within(name, &range, "must be a number", Decimal::parse)
    }

    /// What `parse` makes of a value, if that is in the range; `kind` says what it has to be.
    fn within<T: From<i32> + PartialOrd>(
        &mut self,
        name: &'static str,
        range: &RangeInclusive<i32>,
        kind: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(name)?;
        let (low, high) = (*range.start(), *range.end());
        let number = scalar(value).and_then(|text| parse(&text));
        let rule = match number {
            Some(number) if (T::from(low)..=T::from(high)).contains(&number) => return Some(number),
            Some(_) => format!("must be between {low} and {high}"),
            None => kind.to_owned(),
        };
        self.problem(name, Some(value), rule, format!("write a number from {low} to {high}"));
        None
    }

    /// One of a few words, in any case.
    pub(super) fn choice<T: Choice>(&mut self, name: &'static str) -> Option<T> {
        let words = T::VARIANTS.iter().map(|choice| (*choice).into()).collect::<Vec<&'static str>>();
        self.note(name, || Kind::Choice(words.clone()));
        let value = self.get(name)?;
        let text = scalar(value);
        let chosen = text.as_deref().and_then(|t| words.iter().position(|word| word.eq_ignore_ascii_case(t)));
        if let Some(index) = chosen {
            return Some(T::VARIANTS[index]);
        }
        let list = words.join(", ");
        let fix = match text.as_deref().and_then(|t| nearest(t, &words)) {
            Some(word) => format!("write {word}"),
            None => format!("write one of {list}"),
        };
        self.problem(name, Some(value), format!("must be one of {list}"), fix);
        None
    }

    /// A list of scalars. Empty items are left out: `Fn::Split` and parameters with an empty default make them. No item of
    /// any list has a comma, so an item with commas is several, and a text with commas is a list: `Fn::Join` and parameters
    /// make those.
    pub(super) fn strings(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.note(name, || Kind::Strings);
        let value = self.get(name)?;
        let mut texts = Vec::new();
        match value {
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate().filter(|(_, item)| !says_nothing(item)) {
                    let text = self.text(&format!("{name}[{index}]"), item, Text::Value);
                    texts.extend(text.as_deref().into_iter().flat_map(parts).map(str::to_owned));
                }
                if items.iter().all(says_nothing) {
                    self.without_items.push(name);
                }
            }
            Value::String(text) if text.contains(',') => {
                let text = self.text(name, value, Text::Value)?;
                texts.extend(parts(&text).map(str::to_owned));
                if texts.is_empty() {
                    self.without_items.push(name);
                }
            }
            _ => {
                self.problem(name, Some(value), "must be a list of strings", "write a list, even for one value");
                return None;
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
        for (key, item) in entries.iter().filter(|(_, item)| !item.is_null()) {
            let place = format!("{name}.{key}");
            if let Some(Unresolved { rule, fix }) = Unresolved::in_name(key) {
                self.problem(&place, None, rule, fix);
            } else if trimmed(key) != key {
                self.problem(&place, None, GIVEN_TWICE, KEEP_ONE);
            } else if let Some(text) = self.text(&place, item, Text::Value) {
                pairs.push((key.clone(), text));
            }
        }
        Some(pairs)
    }

    /// Notes the fields that `read` reads of a map at `place`.
    fn note_inside<T>(&mut self, place: &str, read: &mut impl FnMut(&mut Reader<'_>) -> T) {
        if let Some(fields) = &mut self.fields {
            let (empty, mut unheard) = (Map::new(), Vec::new());
            let mut inner = Reader::new(format!("{}{place}.", self.path), &empty, &mut unheard).noting();
            read(&mut inner);
            fields.extend(inner.into_fields());
        }
    }

    /// A map of `keys`, read by `read`. One in which nothing is set is set all the same.
    pub(super) fn object<T>(
        &mut self,
        name: &'static str,
        keys: &str,
        mut read: impl FnMut(&mut Reader<'_>) -> T,
    ) -> Option<T> {
        self.note(name, || Kind::Object);
        self.note_inside(name, &mut read);
        self.known.push(name);
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        if !self.resolved(name, value) {
            return None;
        }
        let Value::Object(map) = value else {
            self.problem(
                name,
                Some(value),
                format!("must be a map with {keys}"),
                "write a map, or {} for the defaults",
            );
            return None;
        };
        let mut reader = Reader::new(format!("{}{name}.", self.path), map, self.problems);
        let read = read(&mut reader);
        reader.finish();
        Some(read)
    }

    /// A list of maps, each read by `read`.
    pub(super) fn objects<T>(
        &mut self,
        name: &'static str,
        keys: &str,
        empty: Empty,
        mut read: impl FnMut(&mut Reader<'_>) -> T,
    ) -> Option<Vec<T>> {
        self.note(name, || Kind::Objects);
        self.note_inside(&format!("{name}[]"), &mut read);
        let value = self.get(name)?;
        let Value::Array(items) = value else {
            self.problem(name, Some(value), format!("must be a list of maps with {keys}"), "write a list of maps");
            return None;
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate().filter(|(_, item)| !item.is_null()) {
            let place = format!("{name}[{index}]");
            if !self.resolved(&place, item) {
                continue;
            }
            if let Value::Object(map) = item {
                if is_unset(map) && empty == Empty::LeftOut {
                    continue;
                }
                let mut reader = Reader::new(format!("{}{name}[{index}].", self.path), map, self.problems);
                list.push(read(&mut reader));
                reader.finish();
            } else {
                let rule = format!("must be a map with {keys}");
                self.problem(&place, Some(item), rule, "write a map");
            }
        }
        Some(list)
    }

    /// Notes what is declared of a property, and reports one that must be there and is not, unless it is there but wrong. A
    /// list must hold something.
    pub(super) fn declare(
        &mut self,
        name: &'static str,
        section: &'static str,
        presence: &Presence,
        meaning: &'static str,
    ) {
        let path = format!("{}{name}", self.path);
        if let Some(field) = self.fields.iter_mut().flatten().find(|field| field.name == path) {
            (field.section, field.meaning) = (section, meaning);
            match presence {
                Presence::Required(_) => (field.required, field.default) = (true, "required"),
                Presence::Default(text) => field.default = text,
            }
        }
        if let Presence::Required(fix) = presence
            && (self.set(name).is_none() || self.without_items.contains(&name))
        {
            self.problem(name, None, "is required", *fix);
        }
    }

    /// Refuses every name that was not read, with the nearest known one.
    pub(super) fn finish(self) {
        let Reader { path, map, known, without_items: _, problems, fields: _ } = self;
        for name in map.keys().filter(|name| !known.contains(&name.as_str())) {
            let mut add = |rule: &str, fix: &str| problems.push(Problem::new(format!("{path}{name}"), rule, fix));
            if known.contains(&trimmed(name)) {
                add(GIVEN_TWICE, KEEP_ONE);
                continue;
            }
            if let Some(Unresolved { rule, fix }) = Unresolved::in_name(name) {
                add(&rule, fix);
                continue;
            }
            let fix = match nearest(name, &known) {
                Some(meant) => format!("did you mean {meant}?"),
                None => "remove it".to_owned(),
            };
            add("is not a property of Custom::ElastiCache", &fix);
        }
    }
}

/// The rule and the fix about two names that are one but for the blanks around them.
const GIVEN_TWICE: &str = "is given twice, with and without blanks around its name";
const KEEP_ONE: &str = "keep one of them";

/// Whether this is `null`, or a map in which nothing is set.
fn says_no_value(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(is_unset)
}

/// Whether an item of a list of texts brings none.
fn says_nothing(item: &Value) -> bool {
    match item {
        Value::Null => true,
        Value::Object(map) => is_unset(map),
        Value::String(text) => parts(text).next().is_none(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => false,
    }
}

/// The items of a list in one text.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(trimmed).filter(|part| !part.is_empty())
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
