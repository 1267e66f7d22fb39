//! The templates in `examples/`: each is deployed and deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use simulator::cloudformation::template;

use crate::harness::{APPS, SUBNETS, Setup, VPC, project_file};

/// The templates that need nothing but CloudFormation, in order of their names. What SAM has to expand first is checked with
/// SAM.
pub(crate) fn templates() -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(project_file("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.retain(|path| !std::fs::read_to_string(path).unwrap().contains("\nTransform: AWS::Serverless"));
    paths.sort();
    paths
}

pub(crate) fn parameters() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("VpcId", json!(VPC)),
        ("SubnetIds", json!(SUBNETS)),
        ("AppSecurityGroupId", json!(APPS[0])),
        // What is protected could not be deleted here.
        ("Protected", json!("false")),
        // Resources next to the cache, which are not made here.
        ("SlowLog", json!("/elasticache/staging-logged/slow")),
        ("EngineLog", json!("/elasticache/staging-logged/engine")),
        ("People", json!("arn:aws:sns:us-east-1:123456789012:people")),
    ])
}

pub(crate) async fn deployed_and_deleted(path: &Path, parameters: &BTreeMap<&str, Value>) {
    let (_, properties) = match template::cache(path, parameters) {
        Ok(cache) => cache,
        // Only a whole stack has them.
        Err(reason) if reason.contains("needs other resources") => return,
        Err(reason) => panic!("{reason}"),
    };
    let setup = Setup::new();
    let outcome = setup.created(properties).await;
    let read = template::read(path).unwrap();
    for output in read["Outputs"].as_object().unwrap().values() {
        if let Some(Value::String(attribute)) = output["Value"].get("Fn::GetAtt") {
            let key = attribute.split_once('.').unwrap().1;
            assert_ne!(outcome.get_att(key).unwrap(), "", "{key} of {}", path.display());
        }
    }
    setup.deleted().await;
}

#[tokio::test(start_paused = true)]
async fn each_example_is_deployed_and_deleted() {
    let templates = templates();
    assert!(templates.len() >= 6, "{templates:?}");
    for path in templates {
        deployed_and_deleted(&path, &parameters()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn every_environment_of_the_example_works() {
    for environment in ["development", "staging", "production"] {
        let mut parameters = parameters();
        parameters.insert("Environment", json!(environment));
        deployed_and_deleted(&project_file("examples/environments.yaml"), &parameters).await;
    }
}

/// Everything under `key`, at any depth.
fn under<'v>(value: &'v Value, key: &str, found: &mut Vec<&'v Value>) {
    let children: Vec<(Option<&str>, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, child)| (Some(name.as_str()), child)).collect(),
        Value::Array(items) => items.iter().map(|item| (None, item)).collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        if name == Some(key) {
            found.push(child);
        }
        under(child, key, found);
    }
}

/// What the examples import is what the function's template exports under its default name; under another one it can be
/// deployed a second time.
#[test]
fn the_examples_import_what_is_exported() {
    let function = template::read(&project_file("template.yaml")).unwrap();
    let name = function["Parameters"]["FunctionName"]["Default"].as_str().unwrap();
    let exports = function["Outputs"].as_object().unwrap().values().filter_map(|output| output.get("Export"));
    let exported: Vec<String> =
        exports.map(|export| export["Name"]["Fn::Sub"].as_str().unwrap().replace("${FunctionName}", name)).collect();
    for path in templates() {
        let (template, mut imported) = (template::read(&path).unwrap(), Vec::new());
        under(&template, "Fn::ImportValue", &mut imported);
        assert!(!imported.is_empty(), "{}", path.display());
        for import in imported {
            assert!(exported.iter().any(|export| import == export), "{import} of {}: {exported:?}", path.display());
        }
    }
}
