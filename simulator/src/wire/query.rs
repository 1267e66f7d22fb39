//! The query protocols' form bodies as trees.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::world::AwsError;

/// A tree under construction: a leaf or named children.
#[derive(Debug)]
enum Node {
    Leaf(String),
    Branch(BTreeMap<String, Node>),
}

/// Operation and input tree from the form fields of URL and body.
pub fn decode(url_query: Option<&str>, body: &[u8]) -> Result<(String, Value), AwsError> {
    let mut root = BTreeMap::new();
    let mut action = None;
    let fields = form_urlencoded::parse(url_query.unwrap_or_default().as_bytes()).chain(form_urlencoded::parse(body));
    for (name, value) in fields {
        match name.as_ref() {
            "Action" => action = Some(value.into_owned()),
            "Version" => {}
            _ => insert(&mut root, &name, value.into_owned())?,
        }
    }
    let action = action.ok_or_else(|| AwsError::new("MissingAction", "The request has no Action parameter."))?;
    Ok((action, tree(Node::Branch(root))))
}

fn insert(root: &mut BTreeMap<String, Node>, name: &str, value: String) -> Result<(), AwsError> {
    let clash =
        || AwsError::new("MalformedQueryString", format!("The parameter {name} is both a value and a structure."));
    let mut branch = root;
    let (parents, last) = match name.rsplit_once('.') {
        Some((parents, last)) => (Some(parents), last),
        None => (None, name),
    };
    for part in parents.iter().flat_map(|parents| parents.split('.')) {
        match branch.entry(part.into()).or_insert_with(|| Node::Branch(BTreeMap::new())) {
            Node::Branch(children) => branch = children,
            Node::Leaf(_) => return Err(clash()),
        }
    }
    match branch.insert(last.into(), Node::Leaf(value)) {
        Some(Node::Branch(_)) => Err(clash()),
        Some(Node::Leaf(_)) | None => Ok(()),
    }
}

/// Branches whose children are all numbered become lists.
fn tree(node: Node) -> Value {
    let children = match node {
        Node::Leaf(text) => return Value::String(text),
        Node::Branch(children) => children,
    };
    let numbered: Option<Vec<u32>> = children.keys().map(|key| key.parse().ok()).collect();
    match numbered {
        Some(indexes) if !indexes.is_empty() => {
            let mut items: Vec<(u32, Value)> = indexes.into_iter().zip(children.into_values().map(tree)).collect();
            items.sort_by_key(|(index, _)| *index);
            Value::Array(items.into_iter().map(|(_, item)| item).collect())
        }
        _ => Value::Object(children.into_iter().map(|(key, child)| (key, tree(child))).collect::<Map<_, _>>()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbered_names_become_lists_in_index_order() {
        let body = b"Action=CreateReplicationGroup&Version=2015-02-02&Tags.Tag.10.Key=z&Tags.Tag.2.Key=b&Tags.Tag.2.Value=x%20y%26z\
            &Tags.Tag.1.Key=a&ReplicationGroupId=app&LogDeliveryConfigurations.LogDeliveryConfigurationRequest.1.\
            DestinationDetails.CloudWatchLogsDetails.LogGroup=g";
        let (action, params) = decode(None, body).unwrap();
        assert_eq!(action, "CreateReplicationGroup");
        assert_eq!(
            params,
            json!({
                "ReplicationGroupId": "app",
                "Tags": {"Tag": [{"Key": "a"}, {"Key": "b", "Value": "x y&z"}, {"Key": "z"}]},
                "LogDeliveryConfigurations": {"LogDeliveryConfigurationRequest": [
                    {"DestinationDetails": {"CloudWatchLogsDetails": {"LogGroup": "g"}}}
                ]},
            })
        );
    }

    #[test]
    fn broken_bodies_are_refused() {
        assert_eq!(decode(None, b"A=1").unwrap_err().code, "MissingAction");
        assert_eq!(decode(None, b"Action=X&A=1&A.B=2").unwrap_err().code, "MalformedQueryString");
        assert_eq!(decode(None, b"Action=X&A.B=2&A=1").unwrap_err().code, "MalformedQueryString");
    }

    #[test]
    fn a_call_without_input_is_an_empty_tree() {
        assert_eq!(decode(Some("Action=DescribeVpcs"), b"").unwrap(), ("DescribeVpcs".into(), json!({})));
    }
}
