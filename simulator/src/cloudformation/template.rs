//! The caches in a template, and their properties as CloudFormation resolves them.

use std::collections::BTreeMap;
use std::path::Path;

use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

use super::stack::{RESOURCE_TYPE, SERVICE_TOKEN};

/// Logical id and properties of the first cache in a template, for these parameters.
pub fn cache(path: &Path, parameters: &BTreeMap<&str, Value>) -> Result<(String, Value), String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    cache_in(&text, parameters).map_err(|e| format!("{}: {e}", path.display()))
}

fn cache_in(text: &str, parameters: &BTreeMap<&str, Value>) -> Result<(String, Value), String> {
    let template = parse(text)?;
    let resources = template["Resources"].as_object().ok_or("there are no Resources")?;
    let found = resources.iter().find(|(_, resource)| resource["Type"] == RESOURCE_TYPE);
    let (logical_id, resource) = found.ok_or_else(|| format!("there is no resource of type {RESOURCE_TYPE}"))?;
    let scope = Scope { parameters, declared: &template["Parameters"], mappings: &template["Mappings"] };
    Ok((logical_id.clone(), scope.resolve(&resource["Properties"])?))
}

/// A template as JSON, with intrinsic functions in their long form.
pub fn read(path: &Path) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    parse(&text).map_err(|e| format!("{}: {e}", path.display()))
}

fn parse(text: &str) -> Result<Value, String> {
    let documents = YamlOwned::load_from_str(text).map_err(|e| e.to_string())?;
    long_form(documents.first().ok_or("there is no template")?)
}

/// YAML as JSON; `!Ref x` becomes `{"Ref": "x"}`, `!Name x` becomes `{"Fn::Name": x}`.
fn long_form(node: &YamlOwned) -> Result<Value, String> {
    Ok(match node {
        YamlOwned::Value(ScalarOwned::Null) => Value::Null,
        YamlOwned::Value(ScalarOwned::Boolean(b)) => json!(b),
        YamlOwned::Value(ScalarOwned::Integer(n)) => json!(n),
        YamlOwned::Value(ScalarOwned::FloatingPoint(n)) => json!(n.into_inner()),
        YamlOwned::Value(ScalarOwned::String(s)) => json!(s),
        YamlOwned::Sequence(items) => items.iter().map(long_form).collect::<Result<_, _>>()?,
        YamlOwned::Mapping(fields) => {
            let mut object = Map::new();
            for (key, value) in fields {
                object.insert(key.as_str().ok_or("a key is not a text")?.to_owned(), long_form(value)?);
            }
            object.into()
        }
        YamlOwned::Tagged(tag, value) if tag.suffix == "Ref" => json!({"Ref": long_form(value)?}),
        YamlOwned::Tagged(tag, value) => json!({format!("Fn::{}", tag.suffix): long_form(value)?}),
        YamlOwned::Representation(..) | YamlOwned::Alias(_) | YamlOwned::BadValue => {
            return Err("unreadable YAML".to_owned());
        }
    })
}

/// What intrinsic functions can refer to.
struct Scope<'a> {
    parameters: &'a BTreeMap<&'a str, Value>,
    declared: &'a Value,
    mappings: &'a Value,
}

impl Scope<'_> {
    fn resolve(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::Object(fields) => match function(fields) {
                Some(("Ref", Value::String(name))) => self.parameter(name),
                Some(("Fn::ImportValue", _)) => Ok(SERVICE_TOKEN.into()),
                Some(("Fn::FindInMap", Value::Array(keys))) => self.mapped(keys),
                Some((name, _)) => Err(format!("{name} is not known to the local AWS")),
                None => {
                    let resolved = fields.iter().map(|(key, value)| Ok((key.clone(), self.resolve(value)?)));
                    resolved.collect::<Result<Map<_, _>, String>>().map(Value::Object)
                }
            },
            Value::Array(items) => items.iter().map(|item| self.resolve(item)).collect(),
            scalar => Ok(scalar.clone()),
        }
    }

    fn mapped(&self, keys: &[Value]) -> Result<Value, String> {
        let mut value = self.mappings;
        for key in keys {
            let key = self.resolve(key)?;
            value = key.as_str().and_then(|key| value.get(key)).ok_or_else(|| format!("no mapping has {key}"))?;
        }
        Ok(value.clone())
    }

    fn parameter(&self, name: &str) -> Result<Value, String> {
        if name == "ServiceToken" {
            return Ok(SERVICE_TOKEN.into());
        }
        let default = || self.declared.get(name)?.get("Default");
        self.parameters.get(name).or_else(default).cloned().ok_or_else(|| format!("parameter {name} has no value"))
    }
}

/// The intrinsic function that an object stands for.
fn function(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, argument) = fields.iter().next()?;
    (fields.len() == 1 && (name == "Ref" || name.starts_with("Fn::"))).then_some((name.as_str(), argument))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = r#"
Parameters:
  VpcId: {Type: String}
  Nodes: {Type: Number, Default: 2}
Mappings:
  Sizes:
    small: {Memory: 1}
Resources:
  Topic: {Type: AWS::SNS::Topic}
  Cache:
    Type: Custom::ElastiCache
    Properties:
      ServiceToken: !ImportValue elasticache-resource-ServiceToken
      VpcId: !Ref VpcId
      SubnetIds: {Ref: SubnetIds}
      NumCacheNodes: !Ref Nodes
      Port: !FindInMap [Sizes, small, Memory]
      EngineVersion: "8.2"
      Tags: [{Key: Vpc, Value: !Ref VpcId}]
"#;

    #[test]
    fn intrinsic_functions_are_resolved() {
        let parameters = BTreeMap::from([("VpcId", json!("vpc-1")), ("SubnetIds", json!(["a", "b"]))]);
        let (logical_id, properties) = cache_in(TEMPLATE, &parameters).unwrap();
        let expected = json!({"ServiceToken": SERVICE_TOKEN, "VpcId": "vpc-1", "SubnetIds": ["a", "b"], "NumCacheNodes": 2,
            "Port": 1,
            "EngineVersion": "8.2", "Tags": [{"Key": "Vpc", "Value": "vpc-1"}]});
        assert_eq!((logical_id.as_str(), properties), ("Cache", expected));
    }

    #[test]
    fn what_cannot_be_resolved_is_named() {
        assert_eq!(cache_in(TEMPLATE, &BTreeMap::new()).unwrap_err(), "parameter SubnetIds has no value");
        let odd = TEMPLATE.replace("!Ref Nodes", "!GetAtt Topic.Count");
        let parameters = BTreeMap::from([("VpcId", json!("v")), ("SubnetIds", json!([]))]);
        assert_eq!(cache_in(&odd, &parameters).unwrap_err(), "Fn::GetAtt is not known to the local AWS");
    }
}
