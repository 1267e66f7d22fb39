//! The text of a template, YAML or JSON, as a tree: short forms of functions are held in their long form. Pure.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// Functions whose long form has no prefix.
const WITHOUT_PREFIX: [&str; 2] = ["Ref", "Condition"];

/// Reads YAML, of which JSON is a part. `!Ref x` becomes `{"Ref": "x"}`, `!Name x` becomes `{"Fn::Name": x}`.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    // JSON has a reader of its own, because that one says best what is wrong.
    let json = text.trim_start().starts_with('{').then(|| serde_json::from_str::<Value>(text));
    if let Some(Ok(tree)) = json {
        return Ok(tree);
    }
    let documents = Yaml::load_from_str(text).map_err(|error| {
        if let Some(Err(error)) = &json {
            let (line, column) = (error.line(), error.column());
            return format!("Template format error: JSON not well-formed. (line {line}, column {column})");
        }
        let (at, info) = (error.marker(), error.info());
        format!("Template format error: YAML not well-formed. (line {}, column {}): {info}", at.line(), at.col() + 1)
    })?;
    match documents.as_slice() {
        [document] => tree(document),
        [] => Err("Template format error: unsupported structure.".to_owned()),
        [_, _, ..] => Err("Template format error: YAML not well-formed: there is more than one document".to_owned()),
    }
}

fn tree(node: &Yaml) -> Result<Value, String> {
    Ok(match node {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(flag) => json!(flag),
            Scalar::Integer(number) => json!(number),
            Scalar::FloatingPoint(number) => json!(number.into_inner()),
            Scalar::String(text) => json!(text),
        },
        Yaml::Sequence(items) => items.iter().map(tree).collect::<Result<Vec<_>, _>>()?.into(),
        Yaml::Mapping(entries) => {
            let mut fields = Map::new();
            for (key, child) in entries {
                let key = match tree(key)? {
                    Value::String(key) => key,
                    other => other.to_string(),
                };
                fields.insert(key, tree(child)?);
            }
            fields.into()
        }
        Yaml::Tagged(tag, inner) => {
            let function = match tag.suffix.as_str() {
                name if WITHOUT_PREFIX.contains(&name) => name.to_owned(),
                name => format!("Fn::{name}"),
            };
            json!({ function: tree(inner)? })
        }
        Yaml::Representation(text, ..) => json!(text),
        Yaml::Alias(_) | Yaml::BadValue => {
            return Err("Template format error: an alias or a bad value in the YAML".to_owned());
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_become_long_ones_and_json_is_read_as_it_is() {
        let yaml = "A: !Sub '${B}-c'\nB: !GetAtt C.D\nC: !If [E, !Ref F, !Ref AWS::NoValue]\nD: !Condition G\nE: 012\n\
                    F: 2012-10-17\nG: [on, true, 1.5]\n";
        let expected = json!({"A": {"Fn::Sub": "${B}-c"}, "B": {"Fn::GetAtt": "C.D"},
            "C": {"Fn::If": ["E", {"Ref": "F"}, {"Ref": "AWS::NoValue"}]}, "D": {"Condition": "G"}, "E": 12,
            "F": "2012-10-17", "G": ["on", true, 1.5]});
        assert_eq!(parse(yaml).unwrap(), expected);
        assert_eq!(parse(&expected.to_string()).unwrap(), expected);
    }

    #[test]
    fn what_is_broken_is_said_with_its_place() {
        let broken = parse("A: b\n  c: d\n").unwrap_err();
        assert!(broken.starts_with("Template format error: YAML not well-formed. (line 2, column "), "{broken}");
        let broken = parse("{\n \"A\": [1}").unwrap_err();
        assert!(broken.starts_with("Template format error: JSON not well-formed. (line 2, column "), "{broken}");
        assert!(parse("").is_err());
    }
}
