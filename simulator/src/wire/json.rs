//! JSON 1.1 of Secrets Manager and the Price List, and the one REST call of Lambda.

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::world::AwsError;

/// Operation (`X-Amz-Target: <prefix>.<operation>`) and input of a JSON 1.1 request.
pub fn decode(request: &Request<Bytes>, prefix: &str) -> Result<(String, Value), AwsError> {
    let target = request.headers().get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let action = target
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('.'))
        .ok_or_else(|| AwsError::new("UnknownOperationException", format!("unknown target {target:?}")))?;
    let body: &[u8] = if request.body().is_empty() { b"{}" } else { request.body() };
    let params = serde_json::from_slice(body).map_err(|e| AwsError::new("SerializationException", e.to_string()))?;
    Ok((action.into(), params))
}

/// Lambda's Invoke: `POST /2015-03-31/functions/{name}/invocations`, the payload as body.
pub fn decode_invoke(request: &Request<Bytes>) -> Result<(String, Value), AwsError> {
    let name = request
        .uri()
        .path()
        .strip_prefix("/2015-03-31/functions/")
        .and_then(|rest| rest.strip_suffix("/invocations"))
        .ok_or_else(|| AwsError::not_found("UnknownOperationException", "only Invoke is known here"))?;
    let kind = request.headers().get("x-amz-invocation-type").and_then(|kind| kind.to_str().ok());
    let payload: Value = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
    let params = json!({
        "FunctionName": percent_decoded(name),
        "InvocationType": kind.unwrap_or("RequestResponse"),
        "Payload": payload,
    });
    Ok(("Invoke".into(), params))
}

/// An ARN in a path arrives with its colons escaped.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped =
            tail.get(..2).and_then(|hex| str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let (b'%', Some(byte)) = (first, escaped) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_header_names_the_operation() {
        let request = |target: &str, body: &'static str| {
            Request::builder().header("x-amz-target", target).body(Bytes::from(body)).unwrap()
        };
        let decoded = decode(&request("secretsmanager.GetSecretValue", r#"{"SecretId":"s"}"#), "secretsmanager");
        assert_eq!(decoded.unwrap(), ("GetSecretValue".into(), json!({"SecretId": "s"})));
        assert_eq!(decode(&request("other.X", ""), "secretsmanager").unwrap_err().code, "UnknownOperationException");
        assert_eq!(
            decode(&request("secretsmanager.X", "{"), "secretsmanager").unwrap_err().code,
            "SerializationException"
        );
    }

    #[test]
    fn invoke_takes_a_name_or_an_escaped_arn() {
        let request = Request::post(
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af/invocations",
        )
        .header("x-amz-invocation-type", "Event")
        .body(Bytes::from("{}"))
        .unwrap();
        let (action, params) = decode_invoke(&request).unwrap();
        assert_eq!(action, "Invoke");
        assert_eq!(params["FunctionName"], "arn:aws:lambda:us-east-1:123456789012:function:f");
        assert_eq!(params["InvocationType"], "Event");
    }
}
