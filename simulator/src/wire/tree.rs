//! Reading input trees.

use serde_json::Value;

/// The text under `key`.
#[must_use]
pub fn text<'a>(tree: &'a Value, key: &str) -> Option<&'a str> {
    tree.get(key)?.as_str()
}

/// The elements of the list under `key`; none when it is missing.
#[must_use]
pub fn items<'a>(tree: &'a Value, key: &str) -> &'a [Value] {
    tree.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts in the list under `key`.
pub fn texts<'a>(tree: &'a Value, key: &str) -> impl Iterator<Item = &'a str> {
    items(tree, key).iter().filter_map(Value::as_str)
}
