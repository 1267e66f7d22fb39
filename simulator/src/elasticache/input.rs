//! Reading the decoded parameters of a call.

use serde_json::Value;

use super::refusals::{invalid_value, missing};
use crate::world::AwsError;

/// One structure of an input tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Input<'a>(pub(super) &'a Value);

impl<'a> Input<'a> {
    /// A string, if given; an empty one counts as given.
    pub(super) fn text(self, key: &str) -> Option<&'a str> {
        self.0.get(key).and_then(Value::as_str)
    }

    /// The same as an owned string.
    pub(super) fn owned(self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    /// A string that the operation demands.
    pub(super) fn required(self, key: &str) -> Result<&'a str, AwsError> {
        self.text(key).filter(|text| !text.is_empty()).ok_or_else(|| missing(key))
    }

    /// A boolean, if given.
    pub(super) fn flag(self, key: &str) -> Result<Option<bool>, AwsError> {
        match self.0.get(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(text)) => match text.to_ascii_lowercase().as_str() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(invalid_value(format!("The value {text} of parameter {key} is not a boolean."))),
            },
            Some(_) => Err(invalid_value(format!("The parameter {key} must be a boolean."))),
        }
    }

    /// A number that is not negative, if given.
    pub(super) fn number(self, key: &str) -> Result<Option<u32>, AwsError> {
        let parsed = match self.0.get(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_u64().and_then(|n| u32::try_from(n).ok()),
        };
        parsed.map(Some).ok_or_else(|| invalid_value(format!("The value of parameter {key} is not a valid number.")))
    }

    /// A nested structure, if given.
    pub(super) fn structure(self, key: &str) -> Option<Input<'a>> {
        self.0.get(key).filter(|value| value.is_object()).map(Input)
    }

    /// The structures in a list whose members arrive under `item` (or under `member`, as some clients send them);
    /// `None` when the list is not there, an empty list when it is there and empty (`Key=`).
    pub(super) fn items(self, key: &str, item: &str) -> Option<Vec<Input<'a>>> {
        let list = self.0.get(key)?;
        let members = match list {
            Value::Object(map) => map.get(item).or_else(|| map.get("member")),
            Value::Array(_) => Some(list),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        };
        Some(match members {
            Some(Value::Array(members)) => members.iter().map(Input).collect(),
            Some(single) => vec![Input(single)],
            None => Vec::new(),
        })
    }

    /// The strings in a list.
    pub(super) fn texts(self, key: &str, item: &str) -> Option<Vec<String>> {
        let items = self.items(key, item)?;
        Some(items.into_iter().filter_map(|item| item.0.as_str()).map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_arrive_under_their_item_name_or_under_member() {
        let tree = json!({"A": {"Item": ["x", "y"]}, "B": {"member": ["z"]}, "C": ""});
        assert_eq!(Input(&tree).texts("A", "Item").unwrap(), ["x", "y"]);
        assert_eq!(Input(&tree).texts("B", "Item").unwrap(), ["z"]);
        assert_eq!(Input(&tree).texts("C", "Item"), Some(Vec::new()));
        assert_eq!(Input(&tree).texts("D", "Item"), None);
    }

    #[test]
    fn booleans_and_numbers_are_checked() {
        let tree = json!({"Yes": "true", "Odd": "perhaps", "Many": "-1", "Few": "3"});
        assert_eq!(Input(&tree).flag("Yes").unwrap(), Some(true));
        assert_eq!(Input(&tree).flag("Odd").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(Input(&tree).number("Many").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(Input(&tree).number("Few").unwrap(), Some(3));
    }
}
