//! The references in `docs/` and `schema/` are what the code says. `UPDATE_REFERENCE=1` writes the schema anew.

use std::collections::BTreeMap;

use elasticache_resource::domain::problem::listed;
use elasticache_resource::preview;
use elasticache_resource::properties::{Field, Kind, Properties};
use serde_json::{Map, Value, json};
use simulator::cloudformation::{RESOURCE_TYPE, template};

use crate::examples::templates;
use crate::harness::{Setup, project_file, quick_start, with};

/// Rows of the tables in a document whose first cell is a name in backticks.
fn rows(name: &str) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(project_file(name)).unwrap();
    text.lines()
        .filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"))
        .map(|line| {
            let mut cells = line.split(" | ").map(str::to_owned);
            let name = cells.next().unwrap();
            (name.trim_end_matches('`').to_owned(), cells.collect())
        })
        .collect()
}

fn kind(kind: &Kind) -> String {
    match kind {
        Kind::String => "string".to_owned(),
        Kind::Boolean => "boolean".to_owned(),
        Kind::Integer(range) => format!("{} to {}", range.start(), range.end()),
        Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Strings => "list of strings".to_owned(),
        Kind::Map => "map".to_owned(),
        Kind::Objects => "list of maps".to_owned(),
    }
}

#[test]
fn the_property_reference_has_each_property_with_its_type() {
    let documented: Vec<(String, String, bool)> = rows("docs/properties.md")
        .into_iter()
        .map(|(name, cells)| (name, cells[0].clone(), cells[1] == "required"))
        .collect();
    let read: Vec<(String, String, bool)> = Properties::fields()
        .into_iter()
        .filter(|field| field.name != "ServiceToken")
        .map(|field| (field.name, kind(&field.kind), field.required))
        .collect();
    let (mut documented, mut read) = (documented, read);
    documented.sort();
    read.sort();
    assert_eq!(documented, read);
}

#[tokio::test(start_paused = true)]
async fn the_attribute_reference_has_each_attribute() {
    let outcome = Setup::new().created(quick_start()).await;
    let mut documented: Vec<String> = rows("docs/attributes.md").into_iter().map(|(name, _)| name).collect();
    documented.sort();
    assert_eq!(documented, outcome.attributes.keys().cloned().collect::<Vec<_>>());
}

/// Any of these words, in any case, with blanks around them.
fn words_with_blanks(words: &[&str]) -> String {
    let any_case = |c: char| {
        if c.is_ascii_alphabetic() {
            format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase())
        } else {
            c.into()
        }
    };
    let words: Vec<String> = words.iter().map(|word| word.chars().map(any_case).collect()).collect();
    format!("^\\s*({})\\s*$", words.join("|"))
}

/// What a field takes in a template: the plain value, as text too, a function of CloudFormation, or what says nothing.
fn schema_of(field: &Field, all: &[Field], texts: &BTreeMap<String, Vec<String>>) -> Value {
    let mut taken = match &field.kind {
        Kind::String => vec![json!({"type": ["string", "number", "boolean"]})],
        Kind::Boolean => vec![
            json!({"enum": [true, false, "true", "false"]}),
            json!({"type": "string", "pattern": words_with_blanks(&["true", "false"])}),
        ],
        Kind::Integer(range) => {
            vec![json!({"type": ["integer", "string"], "minimum": range.start(), "maximum": range.end()})]
        }
        Kind::Choice(words) => vec![
            json!({"type": "string", "enum": words}),
            json!({"type": "string", "pattern": words_with_blanks(words)}),
        ],
        Kind::Strings => {
            let mut list = json!({"type": "array", "items": {"type": ["string", "object", "null"]}});
            if field.required {
                list["minItems"] = json!(1);
            }
            vec![list, json!({"type": "string", "pattern": ","})]
        }
        Kind::Map => vec![json!({"type": "object"})],
        Kind::Objects => {
            let item = object(&format!("{}[].", field.name), all, texts);
            let items = json!({"anyOf": [item, {"$ref": "#/definitions/function"}, {"$ref": "#/definitions/unset"}]});
            vec![json!({"type": "array", "items": items})]
        }
    };
    if field.kind != Kind::Map {
        taken.push(json!({"$ref": "#/definitions/function"}));
    }
    if !field.required {
        taken.push(json!({"$ref": "#/definitions/unset"}));
    }
    let mut schema = json!({"anyOf": taken});
    if let Some(cells) = texts.get(&field.name) {
        schema["description"] = json!(cells[2].replace('`', ""));
    }
    schema
}

fn object(prefix: &str, all: &[Field], texts: &BTreeMap<String, Vec<String>>) -> Value {
    let own = |field: &&Field| field.name.strip_prefix(prefix).is_some_and(|rest| !rest.contains('.'));
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in all.iter().filter(own).filter(|field| !field.name[prefix.len()..].contains("[]")) {
        let name = &field.name[prefix.len()..];
        properties.insert(name.to_owned(), schema_of(field, all, texts));
        if field.required {
            required.push(name.to_owned());
        }
    }
    json!({"type": "object", "additionalProperties": false, "properties": properties, "required": required})
}

fn schema() -> Value {
    let texts = rows("docs/properties.md").into_iter().collect();
    let mut schema = object("", &Properties::fields(), &texts);
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["typeName"] = json!(RESOURCE_TYPE);
    schema["description"] = json!("One ElastiCache cluster as one resource");
    // What `Fn::GetAtt` gives. Validators ignore it; the rules for cfn-lint and the construct of the CDK go by it.
    let attributes = rows("docs/attributes.md").into_iter();
    schema["attributes"] = attributes.map(|(name, cells)| (name, json!(cells[0].replace('`', "")))).collect();
    let blank = json!({"type": ["string", "null"], "pattern": BLANK});
    schema["definitions"] = json!({
        "function": {
            "description": "A function of CloudFormation in its long form",
            "type": "object",
            "patternProperties": {"^(Ref|Fn::.+)$": {}},
            "additionalProperties": false,
            "minProperties": 1,
        },
        "unset": {
            "description": "Counts as not set",
            "anyOf": [blank, {"type": "array", "items": blank}, {"type": "object", "maxProperties": 0}],
        },
    });
    schema
}

/// A schema for whole templates, as editors take it. There a function in its short form is whatever stands after its tag:
/// `!Ref SubnetIds` is a text, `!If [...]` a list.
fn template_schema() -> Value {
    let mut resource = schema();
    let fields = resource.as_object_mut().unwrap();
    for keyword in ["$schema", "typeName", "attributes"] {
        fields.remove(keyword);
    }
    let mut definitions = fields.remove("definitions").unwrap();
    // Without descriptions, which an editor would show in place of the property's. It would show nothing where one
    // alternative has alternatives of its own, so that each form stands by itself.
    for definition in ["function", "unset"] {
        definitions[definition].as_object_mut().unwrap().remove("description");
    }
    let named = "^[A-Z][A-Za-z0-9]*(\\.[A-Za-z0-9.]+)?$|^AWS::|\\$\\{";
    definitions["shortFunction"] = json!({"type": "string", "pattern": named});
    definitions["shortFunctionOfMany"] =
        json!({"type": "array", "minItems": 2, "items": [{"type": ["string", "integer"]}]});
    take_short_forms(&mut resource["properties"]);
    // The function does not read it, but CloudFormation does.
    resource["required"].as_array_mut().unwrap().insert(0, json!("ServiceToken"));
    definitions["properties"] = resource;
    let of_our_type = json!({"properties": {"Type": {"const": RESOURCE_TYPE}}, "required": ["Type"]});
    let properties =
        json!({"properties": {"Properties": {"$ref": "#/definitions/properties"}}, "required": ["Properties"]});
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "CloudFormation template with Custom::ElastiCache",
        "type": "object",
        "properties": {
            "Resources": {
                "type": "object",
                "additionalProperties": {"type": "object", "if": of_our_type, "then": properties},
            },
        },
        "definitions": definitions,
    })
}

/// Lets each field, at any depth, and each item of a list be a function in its short form too.
fn take_short_forms(fields: &mut Value) {
    let forms = ["function", "shortFunction", "shortFunctionOfMany"];
    let forms = forms.map(|form| json!({"$ref": format!("#/definitions/{form}")}));
    for field in fields.as_object_mut().unwrap().values_mut() {
        let taken = field["anyOf"].as_array_mut().unwrap();
        taken.retain(|one| *one != forms[0]);
        for items in taken.iter_mut().filter_map(|one| one.get_mut("items")) {
            if let Some(kinds) = items.get_mut("type") {
                kinds.as_array_mut().unwrap().push(json!("array"));
            } else {
                let alternatives = items["anyOf"].as_array_mut().unwrap();
                take_short_forms(&mut alternatives[0]["properties"]);
                alternatives.extend(forms[1..].iter().cloned());
            }
        }
        taken.extend(forms.clone());
    }
}

/// Compares a schema with what the code says, or with `UPDATE_REFERENCE` writes it anew.
fn assert_current(name: &str, schema: &Value) {
    let path = project_file(name);
    let current = serde_json::to_string_pretty(schema).unwrap() + "\n";
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == current, "{name} is old; run the tests with UPDATE_REFERENCE=1");
}

const BLANK: &str = "^\\s*$";

/// Whether a text fits one of the patterns that [`schema`] writes.
fn fits(text: &str, pattern: &str) -> bool {
    if pattern == "," {
        return text.contains(',');
    }
    let words = pattern.strip_prefix("^\\s*").and_then(|rest| rest.strip_suffix('$')).unwrap();
    let Some(words) = words.strip_prefix('(') else { return text.trim().is_empty() };
    words.strip_suffix(")\\s*").unwrap().split('|').any(|word| {
        // Of `[aA]` the first letter.
        let mut plain = String::new();
        let mut rest = word.chars();
        while let Some(c) = rest.next() {
            let letter = if c == '[' { rest.next() } else { Some(c) };
            plain.extend(letter);
            if c == '[' {
                rest.nth(1);
            }
        }
        plain.eq_ignore_ascii_case(text.trim())
    })
}

#[test]
fn the_schema_is_what_the_code_reads() {
    assert_current("schema/custom-elasticache.json", &schema());
    // The rules for cfn-lint have it in their own folder, so that this can be copied.
    assert_current("lint/custom-elasticache.json", &schema());
    assert_current("schema/template.json", &template_schema());
}

/// The first thing that `value` breaks of `schema`, for the few keywords that the schema uses.
pub(crate) fn defect(schema: &Value, value: &Value, root: &Value, at: &str) -> Option<String> {
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type {other}"),
    };
    let empty = Map::new();
    let members = value.as_object().unwrap_or(&empty);
    for (keyword, rule) in schema.as_object().unwrap() {
        let broken = match keyword.as_str() {
            "$schema" | "typeName" | "description" | "attributes" | "definitions" | "patternProperties" => None,
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                defect(target, value, root, at)
            }
            "type" => {
                let kinds = rule.as_array().cloned().unwrap_or_else(|| vec![rule.clone()]);
                let fits = kinds.iter().any(|kind| is(kind.as_str().unwrap()));
                (!fits).then(|| format!("{at} is not {rule}"))
            }
            "enum" => (!rule.as_array().unwrap().contains(value)).then(|| format!("{at} is not in {rule}")),
            "minimum" => value.as_i64().filter(|n| *n < rule.as_i64().unwrap()).map(|n| format!("{at}: {n} is small")),
            "maximum" => value.as_i64().filter(|n| *n > rule.as_i64().unwrap()).map(|n| format!("{at}: {n} is large")),
            "pattern" => {
                let wrong = value.as_str().filter(|text| !fits(text, rule.as_str().unwrap()));
                wrong.map(|_| format!("{at} is not like {rule}"))
            }
            "maxProperties" => (!members.is_empty()).then(|| format!("{at} is not empty")),
            "minProperties" => members.is_empty().then(|| format!("{at} is empty")),
            "minItems" => value.as_array().filter(|items| items.is_empty()).map(|_| format!("{at} is empty")),
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .find(|name| !members.contains_key(name.as_str().unwrap()))
                .map(|name| format!("{at} lacks {name}")),
            "properties" => members.iter().find_map(|(name, member)| {
                rule.get(name).and_then(|schema| defect(schema, member, root, &format!("{at}.{name}")))
            }),
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
                .find_map(|(index, item)| defect(rule, item, root, &format!("{at}[{index}]"))),
            "additionalProperties" => {
                let function = schema.get("patternProperties").is_some();
                let known = |name: &str| match schema.get("properties") {
                    Some(properties) => properties.get(name).is_some(),
                    None => function && (name == "Ref" || name.starts_with("Fn::")),
                };
                members.keys().find(|name| !known(name)).map(|name| format!("{at} has no {name}"))
            }
            "anyOf" => {
                let defects: Vec<_> = rule.as_array().unwrap().iter().map(|one| defect(one, value, root, at)).collect();
                if defects.iter().any(Option::is_none) { None } else { defects.into_iter().flatten().next() }
            }
            other => panic!("the keyword {other} is not checked here"),
        };
        if broken.is_some() {
            return broken;
        }
    }
    None
}

/// The schema as it is published.
pub(crate) fn written() -> Value {
    serde_json::from_str(&std::fs::read_to_string(project_file("schema/custom-elasticache.json")).unwrap()).unwrap()
}

#[test]
fn the_schema_accepts_every_example() {
    let schema = written();
    for path in templates() {
        let template = template::read(&path).unwrap();
        let resources = template["Resources"].as_object().unwrap().values();
        for resource in resources.filter(|resource| resource["Type"] == RESOURCE_TYPE) {
            let found = defect(&schema, &resource["Properties"], &schema, "Properties");
            assert_eq!(found, None, "{}", path.display());
        }
    }
}

#[test]
fn the_schema_refuses_what_is_misspelt_missing_or_of_the_wrong_type() {
    let schema = written();
    let right = json!({"ServiceToken": "t", "Env": "e", "ProjectId": "p", "VpcId": {"Ref": "V"}, "SubnetIds": ["s"]});
    assert_eq!(defect(&schema, &right, &schema, "it"), None);
    for (name, value, expected) in [
        ("NodTypes", json!("x"), "it has no NodTypes"),
        ("Port", json!(70_000), "it.Port: 70000 is large"),
        ("MultiAzEnabled", json!("yes"), "it.MultiAzEnabled is not in"),
        ("Engine", json!("memcached"), "it.Engine is not in"),
        ("SubnetIds", json!("subnet-1"), "it.SubnetIds is not \"array\""),
        ("SubnetIds", json!([]), "it.SubnetIds is empty"),
        ("Tags", json!([{"key": "a"}]), "it.Tags[0] has no key"),
        ("Env", json!({"Fn": 1}), "it.Env is not"),
    ] {
        let mut wrong = right.clone();
        wrong[name] = value;
        let found = defect(&schema, &wrong, &schema, "it").unwrap_or_default();
        assert!(found.starts_with(expected), "{name}: {found}");
    }
}

/// What the construct of the CDK says at synthesis is what the function would say: its tests go through the same file.
#[test]
fn the_construct_refuses_in_the_words_of_the_function() {
    let path = "cdk/test/refusals.json";
    let mut cases: Value = serde_json::from_str(&std::fs::read_to_string(project_file(path)).unwrap()).unwrap();
    let rest = json!({"Env": "dev", "ProjectId": "app", "VpcId": "vpc-1", "SubnetIds": ["subnet-1", "subnet-2"]});
    for case in cases.as_array_mut().unwrap() {
        let properties = with(rest.clone(), case["properties"].clone());
        let problems = preview::update(&properties, &properties).err().unwrap_or_default();
        case["problems"] = json!(listed(&problems).1);
    }
    assert_current(path, &cases);
}
