//! RPC v2 with CBOR (RFC 8949): requests and answers of CloudWatch, and what a service that is not here is answered.
//!
//! A tree has no type for a moment: a number under a name that ends in `Timestamp` is one, in seconds since the epoch.

use bytes::Bytes;
use http::Request;
use minicbor::data::{Tag, Type};
use minicbor::decode::Error as Unreadable;
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Number, Value};

use crate::world::AwsError;

/// What ends the name of a moment.
const MOMENT: &str = "Timestamp";

/// Whether a request speaks this protocol.
pub(super) fn is_spoken(request: &Request<Bytes>) -> bool {
    request.headers().get("smithy-protocol").is_some_and(|protocol| protocol == "rpc-v2-cbor")
}

/// Operation (`/service/<service>/operation/<operation>`) and input of a request.
pub(super) fn decode(request: &Request<Bytes>, service: &str) -> Result<(String, Value), AwsError> {
    let path = request.uri().path();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let ["service", name, "operation", action] = parts[..] else {
        return Err(AwsError::not_found("UnknownOperationException", format!("no operation is at {path:?}")));
    };
    if name != service {
        return Err(AwsError::not_found("UnknownOperationException", format!("no service {name:?} is here")));
    }
    let input = if request.body().is_empty() {
        Value::Object(Map::new())
    } else {
        value(&mut Decoder::new(request.body())).map_err(|e| AwsError::new("SerializationException", e.to_string()))?
    };
    Ok((action.to_owned(), input))
}

/// A tree in the fewest bytes.
pub(super) fn encode(tree: &Value) -> Vec<u8> {
    let mut encoder = Encoder::new(Vec::new());
    // A `Vec` takes everything.
    let written = write(&mut encoder, "", tree);
    debug_assert!(written.is_ok(), "{written:?}");
    encoder.into_writer()
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn write(encoder: &mut Encoder<Vec<u8>>, name: &str, value: &Value) -> Written {
    match value {
        Value::Null => encoder.null()?,
        Value::Bool(flag) => encoder.bool(*flag)?,
        Value::String(text) => encoder.str(text)?,
        Value::Number(number) if name.ends_with(MOMENT) => {
            encoder.tag(Tag::new(1))?.f64(number.as_f64().unwrap_or_default())?
        }
        Value::Number(number) => match number.as_i64() {
            Some(whole) => encoder.i64(whole)?,
            None => encoder.f64(number.as_f64().unwrap_or_default())?,
        },
        Value::Array(items) => {
            encoder.array(items.len() as u64)?;
            return items.iter().try_for_each(|item| write(encoder, "", item));
        }
        Value::Object(fields) => {
            encoder.map(fields.len() as u64)?;
            return fields.iter().try_for_each(|(name, field)| write(encoder.str(name)?, name, field));
        }
    };
    Ok(())
}

/// The next item as a tree.
fn value(decoder: &mut Decoder<'_>) -> Result<Value, Unreadable> {
    Ok(match decoder.datatype()? {
        Type::Null | Type::Undefined => {
            decoder.skip()?;
            Value::Null
        }
        Type::Bool => Value::Bool(decoder.bool()?),
        Type::String | Type::StringIndef => Value::String(decoder.str_iter()?.collect::<Result<String, _>>()?),
        Type::F16 | Type::F32 | Type::F64 => {
            let number = match decoder.datatype()? {
                Type::F32 => f64::from(decoder.f32()?),
                _ => decoder.f64()?,
            };
            Number::from_f64(number).map_or(Value::Null, Value::Number)
        }
        Type::Tag => {
            decoder.tag()?;
            value(decoder)?
        }
        Type::Array | Type::ArrayIndef => {
            let length = decoder.array()?;
            let mut items = Vec::new();
            while more(decoder, length, items.len())? {
                items.push(value(decoder)?);
            }
            Value::Array(items)
        }
        Type::Map | Type::MapIndef => {
            let length = decoder.map()?;
            let (mut fields, mut read) = (Map::new(), 0);
            while more(decoder, length, read)? {
                let name = decoder.str()?.to_owned();
                fields.insert(name, value(decoder)?);
                read += 1;
            }
            Value::Object(fields)
        }
        _ => Value::Number(decoder.i64()?.into()),
    })
}

/// Whether another item follows; one of unknown length ends with a mark, which is read.
fn more(decoder: &mut Decoder<'_>, length: Option<u64>, read: usize) -> Result<bool, Unreadable> {
    match length {
        Some(length) => Ok((read as u64) < length),
        None if decoder.datatype()? == Type::Break => decoder.skip().map(|()| false),
        None => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn trees_come_back_as_they_were() {
        let tree = json!({
            "Name": "x".repeat(300), "Threshold": 80.0, "Period": 300, "Below": -1, "Enabled": true, "Nothing": null,
            "Actions": ["a", "b"], "Dimensions": [{"Name": "n", "Value": ""}],
        });
        assert_eq!(value(&mut Decoder::new(&encode(&tree))).unwrap(), tree);
    }

    #[test]
    fn a_moment_is_marked_as_one() {
        let bytes = encode(&json!({"UpdatedTimestamp": 1.5}));
        assert_eq!(bytes[bytes.len() - 10..bytes.len() - 8], [0xc1, 0xfb]);
    }

    #[test]
    fn maps_of_unknown_length_are_read() {
        let bytes = [0xbf, 0x61, b'a', 0x9f, 0x01, 0xff, 0xff];
        assert_eq!(value(&mut Decoder::new(&bytes)).unwrap(), json!({"a": [1]}));
    }

    #[test]
    fn the_path_names_the_operation() {
        let request = |path: &str| Request::post(path).body(Bytes::from(encode(&json!({"A": 1})))).unwrap();
        let decoded = decode(&request("/service/Granite/operation/PutMetricAlarm"), "Granite");
        assert_eq!(decoded.unwrap(), ("PutMetricAlarm".to_owned(), json!({"A": 1})));
        for path in ["/", "/service/Other/operation/X", "/service/Granite/X"] {
            assert_eq!(decode(&request(path), "Granite").unwrap_err().status, 404, "{path}");
        }
    }
}
