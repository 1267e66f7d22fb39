//! `Filter.N` and pages, the same for every Describe call.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::wire::pattern;
use crate::wire::tree::{items, text, texts};
use crate::world::{Answer, AwsError};

/// The things that pass every filter of the request. `field` gives the values of a thing under a filter's name, `None`
/// for a name that the call does not know; `tag:<key>` and `tag-key` are known everywhere.
pub(super) fn filtered<'a, T>(
    things: impl Iterator<Item = T>,
    params: &Value,
    field: impl Fn(&T, &str) -> Option<Vec<String>>,
    tags: impl Fn(&T) -> &'a BTreeMap<String, String>,
) -> Result<Vec<T>, AwsError> {
    let mut passed = Vec::new();
    'things: for thing in things {
        for filter in items(params, "Filter") {
            let name = text(filter, "Name").unwrap_or_default();
            let values = if let Some(key) = name.strip_prefix("tag:") {
                tags(&thing).get(key).cloned().into_iter().collect()
            } else if name == "tag-key" {
                tags(&thing).keys().cloned().collect()
            } else {
                field(&thing, name).ok_or_else(|| invalid_filter(name))?
            };
            let wanted = |value: &String| texts(filter, "Value").any(|pattern| pattern::matches(pattern, value));
            if !values.iter().any(wanted) {
                continue 'things;
            }
        }
        passed.push(thing);
    }
    Ok(passed)
}

fn invalid_filter(name: &str) -> AwsError {
    AwsError::new("InvalidParameterValue", format!("The filter '{name}' is invalid"))
}

/// One page of a Describe answer: `{<set>: {item: [..]}, nextToken}`.
pub(super) fn page(set: &str, described: Vec<Value>, params: &Value) -> Answer {
    let start = match text(params, "NextToken") {
        Some(token) => token
            .strip_prefix("page-")
            .and_then(|start| start.parse().ok())
            .ok_or_else(|| AwsError::new("InvalidNextToken", "The token is invalid."))?,
        None => 0,
    };
    let size: usize = match text(params, "MaxResults") {
        Some(size) => size.parse().ok().filter(|size| (5..=1000).contains(size)).ok_or_else(|| {
            AwsError::new("InvalidParameterValue", "Value for parameter MaxResults must be 5 to 1000.")
        })?,
        None => described.len(),
    };
    let more = start + size < described.len();
    let shown: Vec<Value> = described.into_iter().skip(start).take(size).collect();
    Ok(json!({set: {"item": shown}, "nextToken": more.then(|| format!("page-{}", start + size))}))
}
