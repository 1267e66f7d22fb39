//! Properties as CloudFormation sends them. Pure.

use serde_json::{Map, Value};

/// Numbers and booleans become strings at any depth, lists and maps keep their shape (facts 1.1). A null goes, as
/// `AWS::NoValue` does in a template.
pub(super) fn as_sent(value: &Value) -> Value {
    match value {
        Value::Null | Value::String(_) => value.clone(),
        Value::Bool(b) => Value::String(b.to_string()),
        Value::Number(n) => Value::String(n.to_string()),
        Value::Array(items) => items.iter().filter(|item| !item.is_null()).map(as_sent).collect(),
        Value::Object(fields) => Value::Object(fields_as_sent(fields)),
    }
}

fn fields_as_sent(fields: &Map<String, Value>) -> Map<String, Value> {
    fields.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), as_sent(value))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_become_strings_at_any_depth() {
        let declared = json!({"Port": 6379, "On": true, "Gone": null, "Tags": [{"Key": "a", "Value": 1.5}, null], "Map": {"x": {"y": false}}});
        let sent =
            json!({"Port": "6379", "On": "true", "Tags": [{"Key": "a", "Value": "1.5"}], "Map": {"x": {"y": "false"}}});
        assert_eq!(as_sent(&declared), sent);
    }
}
