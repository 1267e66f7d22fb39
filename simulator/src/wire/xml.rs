//! Output trees as the XML of the query protocols.

use serde_json::Value;

use crate::world::AwsError;

/// Namespace of ElastiCache.
pub const ELASTICACHE: &str = "http://elasticache.amazonaws.com/doc/2015-02-02/";
/// Namespace of CloudFormation.
pub const CLOUDFORMATION: &str = "http://cloudformation.amazonaws.com/doc/2010-05-15/";
/// Namespace of STS.
pub const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const EC2_NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// A successful answer in the query protocol.
#[must_use]
pub fn query_response(namespace: &str, action: &str, tree: &Value, request_id: &str) -> String {
    format!(
        "<{action}Response xmlns=\"{namespace}\"><{action}Result>{}</{action}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>",
        elements(tree)
    )
}

/// A successful answer of EC2.
#[must_use]
pub fn ec2_response(action: &str, tree: &Value, request_id: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response xmlns=\"{EC2_NAMESPACE}\">\
         <requestId>{request_id}</requestId>{}</{action}Response>",
        elements(tree)
    )
}

/// An error document in the query protocol.
#[must_use]
pub fn query_error(namespace: &str, error: &AwsError, request_id: &str) -> String {
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{side}</Type><Code>{}</Code>\
         <Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
        escaped(&error.code),
        escaped(&error.message)
    )
}

/// An error document of EC2.
#[must_use]
pub fn ec2_error(error: &AwsError, request_id: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{}</Code><Message>{}</Message>\
         </Error></Errors><RequestID>{request_id}</RequestID></Response>",
        escaped(&error.code),
        escaped(&error.message)
    )
}

/// The children of a tree as elements. An array under key `K` is repeated `<K>`, null is left out.
#[must_use]
pub fn elements(tree: &Value) -> String {
    let mut out = String::new();
    write_content(&mut out, tree);
    out
}

fn write_content(out: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => out.push_str(&escaped(text)),
        Value::Array(items) => items.iter().for_each(|item| write_content(out, item)),
        Value::Object(children) => children.iter().for_each(|(name, child)| write_child(out, name, child)),
    }
}

fn write_child(out: &mut String, name: &str, child: &Value) {
    match child {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| write_element(out, name, item)),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => write_element(out, name, child),
    }
}

fn write_element(out: &mut String, name: &str, content: &Value) {
    out.extend(["<", name, ">"]);
    write_content(out, content);
    out.extend(["</", name, ">"]);
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // A bare carriage return would be read back as a line feed.
            '\r' => out.push_str("&#xD;"),
            // Not allowed in XML 1.0 in any form.
            c if c < ' ' && c != '\n' && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arrays_repeat_their_key_and_null_is_left_out() {
        let tree = json!({
            "Marker": null,
            "Tags": {"Tag": [{"Key": "a&b", "Value": "<1>"}, {"Key": "c", "Value": ""}]},
            "Port": 6379,
            "Enabled": true,
        });
        assert_eq!(
            elements(&tree),
            "<Enabled>true</Enabled><Port>6379</Port><Tags><Tag><Key>a&amp;b</Key><Value>&lt;1&gt;</Value></Tag>\
             <Tag><Key>c</Key><Value></Value></Tag></Tags>"
        );
    }

    #[test]
    fn an_empty_list_keeps_its_wrapper() {
        assert_eq!(elements(&json!({"tagSet": {"item": []}})), "<tagSet></tagSet>");
    }

    #[test]
    fn error_documents_carry_the_code_where_the_sdks_look() {
        let error = AwsError::new("InvalidParameterValue", "a < b");
        assert!(query_error(ELASTICACHE, &error, "r").contains(
            "<Error><Type>Sender</Type><Code>InvalidParameterValue</Code><Message>a &lt; b</Message></Error>"
        ));
        assert!(ec2_error(&error, "r").contains("<Response><Errors><Error><Code>InvalidParameterValue</Code>"));
    }
}
