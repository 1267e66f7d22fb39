//! Building answers: fields without a value are left out, long lists come in pages.

use serde_json::{Value, json};

use super::input::Input;
use super::refusals::invalid_value;
use crate::world::AwsError;

/// Drops every null: a field without a value has no element.
pub(super) fn tree(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            map.into_iter().filter(|(_, field)| !field.is_null()).map(|(key, field)| (key, tree(field))).collect()
        }
        Value::Array(items) => items.into_iter().map(tree).collect(),
        leaf @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => leaf,
    }
}

/// An answer with one page of `all` as `{list: {item: [...]}}`, and a `Marker` when more follow.
pub(super) fn page(input: Input<'_>, list: &str, item: &str, all: Vec<Value>, max: u32) -> Result<Value, AwsError> {
    let size = input.number("MaxRecords")?.unwrap_or(max);
    if !(20..=max).contains(&size) {
        return Err(invalid_value(format!("The parameter MaxRecords must be between 20 and {max}.")));
    }
    let start: usize = match input.text("Marker").filter(|marker| !marker.is_empty()) {
        None => 0,
        Some(marker) => marker
            .strip_prefix("after-")
            .and_then(|position| position.parse().ok())
            .ok_or_else(|| invalid_value("The parameter Marker is invalid."))?,
    };
    let end = start.saturating_add(size as usize);
    let marker = (end < all.len()).then(|| format!("after-{end}"));
    let items: Vec<Value> = all.into_iter().skip(start).take(size as usize).collect();
    Ok(tree(json!({ "Marker": marker, list: { item: items } })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_until_the_list_ends() {
        let all: Vec<Value> = (0..45).map(Value::from).collect();
        let first = page(Input(&json!({"MaxRecords": "20"})), "Ns", "N", all.clone(), 100).unwrap();
        assert_eq!(first["Ns"]["N"].as_array().unwrap().len(), 20);
        let last = json!({"MaxRecords": "30", "Marker": "after-20"});
        let last = page(Input(&last), "Ns", "N", all.clone(), 100).unwrap();
        assert_eq!(last["Ns"]["N"].as_array().unwrap().len(), 25);
        assert!(last.get("Marker").is_none());
        assert!(page(Input(&json!({"MaxRecords": "19"})), "Ns", "N", all, 100).is_err());
    }
}
