//! The properties of a resource by the one rule for blanks and the one for what is not set: pure.
//!
//! Whoever reads properties reads them from [`ResourceProperties`], so nobody else has to know the rules: new and old
//! properties of an event, of whatever request, and those of a preview.

use std::fmt;

use serde_json::{Map, Value};

/// The properties of a resource.
///
/// - Blanks around a text are not part of it: spaces, line breaks, control characters and characters that show nothing, at
///   any depth, around names too.
/// - `null`, a text without anything but blanks, and a list or a map of nothing but such values are not set. They become
///   `null`: the name of an entry can be wrong all the same, and the items of a list keep their place. A map in a list stays a
///   map, and so does the value of a property: who reads it knows whether an empty one says something.
/// - Of two names that are one but for their blanks and that both say something, one is as it should be and the other as
///   it was sent.
#[derive(Clone, Default, PartialEq)]
pub struct ResourceProperties(Value);

impl ResourceProperties {
    /// Reads what was sent.
    #[must_use]
    pub fn new(sent: &Value) -> ResourceProperties {
        ResourceProperties(match sent {
            Value::Object(map) => Value::Object(entries(map, property)),
            other => other.clone(),
        })
    }

    /// All of them, unless what was sent is no map.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map<String, Value>> {
        self.0.as_object()
    }

    /// The value of one, if it is set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null() && !value.as_object().is_some_and(is_unset))
    }

    /// The same with this value for one of them; `None` unsets it.
    #[must_use]
    pub fn with(mut self, name: &str, value: Option<&Value>) -> ResourceProperties {
        if let Value::Object(map) = &mut self.0 {
            match value.and_then(property) {
                Some(value) => map.insert(name.to_owned(), value),
                None => map.remove(name),
            };
        }
        self
    }
}

/// Names only: a value may be a secret.
impl fmt::Debug for ResourceProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.as_map().into_iter().flat_map(Map::keys)).finish()
    }
}

/// A text without the blanks around it.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || is_invisible(c))
}

/// Whether this character shows nothing and takes no room: those that come along when text is copied from a document or a
/// web page.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
}

/// Whether nothing in this map is set.
#[must_use]
pub fn is_unset(map: &Map<String, Value>) -> bool {
    map.values().all(Value::is_null)
}

/// The value, unless it is not set.
fn meant(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        Value::String(text) => Some(trimmed(text)).filter(|text| !text.is_empty()).map(Value::from),
        Value::Array(items) => {
            let items: Vec<Value> = items.iter().map(item).collect();
            items.iter().any(|item| !item.is_null()).then_some(Value::Array(items))
        }
        Value::Object(map) => Some(entries(map, meant)).filter(|map| !is_unset(map)).map(Value::Object),
    }
}

/// The value of a property, unless it is not set; a map stays one.
fn property(value: &Value) -> Option<Value> {
    match value {
        Value::Object(map) => Some(Value::Object(entries(map, meant))),
        other => meant(other),
    }
}

fn item(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(entries(map, meant)),
        other => meant(other).unwrap_or_default(),
    }
}

/// The entries, each by `meaning`.
fn entries(map: &Map<String, Value>, meaning: fn(&Value) -> Option<Value>) -> Map<String, Value> {
    let (plain, padded): (Vec<_>, Vec<_>) = map
        .iter()
        .map(|(name, value)| (name, meaning(value).unwrap_or_default()))
        .filter(|(name, value)| !(value.is_null() && trimmed(name).is_empty()))
        .partition(|(name, _)| trimmed(name) == *name);
    let mut read: Map<String, Value> = plain.into_iter().map(|(name, value)| (name.clone(), value)).collect();
    for (sent, value) in padded {
        let name = trimmed(sent);
        match read.get(name).filter(|same| !same.is_null()) {
            Some(same) if value.is_null() || *same == value => {}
            Some(_) => {
                read.insert(sent.clone(), value);
            }
            None => {
                read.insert(name.to_owned(), value);
            }
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(sent: &Value) -> Value {
        ResourceProperties::new(sent).0
    }

    #[test]
    fn blanks_around_texts_and_names_are_not_part_of_them() {
        let sent = json!({
            " Env\n": "\n  dev\u{a0}", "Port": "\t6379\r\n", "On": true, "Count": 2, "Text": "\u{feff}a  b\u{200b}",
            "SubnetIds": [" a", "b\u{3000}"], "Parameters": {" timeout ": " 30 "}, "Tags": [{"Key ": " k ", "Value": 1}],
        });
        let meant = json!({
            "Env": "dev", "Port": "6379", "On": true, "Count": 2, "Text": "a  b",
            "SubnetIds": ["a", "b"], "Parameters": {"timeout": "30"}, "Tags": [{"Key": "k", "Value": 1}],
        });
        assert_eq!(read(&sent), meant);
        assert_eq!(read(&meant), meant);
    }

    #[test]
    fn what_says_nothing_is_null() {
        for nothing in [
            json!(null),
            json!(""),
            json!(" \n"),
            json!([]),
            json!([""]),
            json!([null, " "]),
            json!([[]]),
            json!({}),
            json!({"a": null, "b": "", " ": [" "]}),
        ] {
            let properties =
                ResourceProperties::new(&json!({"Env": "dev", "X": nothing, "Map": {"x": nothing, "y": 0}}));
            let map = properties.as_map().unwrap();
            assert_eq!((&map["Env"], &map["Map"]), (&json!("dev"), &json!({"x": null, "y": 0})));
            assert!(map["X"].is_null() || nothing.is_object() && map["X"].as_object().is_some_and(is_unset));
            assert_eq!(properties.get("X"), None);
        }
        assert_eq!(
            read(&json!({"X": ["", "a", null, {"b": ""}, {}]})),
            json!({"X": [null, "a", null, {"b": null}, {}]})
        );
    }

    #[test]
    fn a_name_that_is_there_twice_is_kept_only_if_it_says_something_else() {
        assert_eq!(read(&json!({" Port": "1", "Port": ""})), json!({"Port": "1"}));
        assert_eq!(read(&json!({" Port": " 1", "Port": "1"})), json!({"Port": "1"}));
        assert_eq!(read(&json!({" Port": "1", "Port": "2"})), json!({"Port": "2", " Port": "1"}));
    }

    #[test]
    fn what_is_printed_holds_no_value() {
        let shown = format!("{:?}", ResourceProperties::new(&json!({"AuthToken": "hunter2"})));
        assert!(shown.contains("AuthToken") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn what_is_not_a_map_stays_what_it_is() {
        assert!(ResourceProperties::new(&json!("text")).as_map().is_none());
        assert_eq!(ResourceProperties::new(&json!({})).as_map().map(Map::len), Some(0));
    }
}
