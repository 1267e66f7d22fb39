//! The templates in `examples/`: each is deployed and deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use simulator::cloudformation::template;

use crate::harness::{APPS, SUBNETS, Setup, VPC, project_file};

/// The templates, in order of their names.
pub(crate) fn templates() -> Vec<PathBuf> {
    let mut paths: Vec<_> =
        std::fs::read_dir(project_file("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

fn parameters() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([("VpcId", json!(VPC)), ("SubnetIds", json!(SUBNETS)), ("AppSecurityGroupId", json!(APPS[0]))])
}

async fn deployed_and_deleted(path: &Path, parameters: &BTreeMap<&str, Value>) {
    let (_, properties) = template::cache(path, parameters).unwrap();
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
