//! The properties of `Custom::ElastiCache` as a template gives them: pure.
//!
//! Nothing is defaulted or compared here; [`crate::desired`] does that. To add a property: its declaration in
//! `declarations.rs`, then what it means in `desired`.

mod choices;
mod declarations;
mod reader;

use std::collections::BTreeSet;

use serde_json::Map;

use crate::cfn::resource_properties::ResourceProperties;
use crate::domain::problem::Problem;
pub use choices::{
    ClusterMode, CountPolicy, DestinationType, IpDiscovery, LogFormat, LogType, NetworkType, ReplacementPolicy,
    TransitEncryptionMode,
};
pub use declarations::{
    AlarmProperties, LogDeliveryProperties, NodeGroupProperties, Properties, Settings, TagProperties,
};
use reader::Reader;
pub use reader::{Field, Kind};

/// The properties of one template, read once: nobody after this sees JSON.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// What could be read.
    pub values: Properties,
    /// Everything that is wrong with the rest.
    pub problems: Vec<Problem>,
    /// The names that are set, whether or not their values could be read.
    set: BTreeSet<String>,
}

impl Parsed {
    /// Whether the template sets this property, legally or not.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.set.contains(name)
    }

    /// Reads the properties; whatever is misspelt, of the wrong type or out of range goes into the problems.
    #[must_use]
    pub fn read(value: &ResourceProperties) -> Parsed {
        let mut problems = Vec::new();
        let empty = Map::new();
        let map = value.as_map().unwrap_or_else(|| {
            problems.push(Problem::new("ResourceProperties", "must be a map", "write the properties of the resource"));
            &empty
        });
        let mut r = Reader::new("", map, &mut problems);
        r.ignore("ServiceToken");
        let values = Properties::read(&mut r);
        r.finish();
        let is_set = |name: &&String| value.get(name).is_some();
        let set = map.keys().filter(is_set).cloned().collect();
        Parsed { values, problems, set }
    }
}

impl Properties {
    /// Every property that there is, in the order of its reference.
    #[must_use]
    pub fn fields() -> Vec<Field> {
        let (empty, mut unheard) = (Map::new(), Vec::new());
        let mut r = Reader::new("", &empty, &mut unheard).noting();
        r.ignore("ServiceToken");
        Properties::read(&mut r);
        r.into_fields()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(value: &Value) -> (Properties, Vec<Problem>) {
        let Parsed { values, problems, .. } = Parsed::read(&ResourceProperties::new(value));
        (values, problems)
    }

    fn problems(value: &Value) -> Vec<String> {
        read(value).1.iter().map(ToString::to_string).collect()
    }

    fn minimal(extra: &Value) -> Value {
        let mut value = json!({"Env": "dev", "ProjectId": "app", "VpcId": "vpc-1", "SubnetIds": ["subnet-1"]});
        let (Value::Object(map), Value::Object(more)) = (&mut value, extra) else { unreachable!() };
        map.extend(more.clone());
        value
    }

    #[test]
    fn scalars_may_arrive_as_strings_or_not() {
        for (port, flag) in [(json!(6380), json!(true)), (json!("6380"), json!("true"))] {
            let (properties, problems) = read(&minimal(&json!({"Port": port, "MultiAzEnabled": flag})));
            assert_eq!((properties.port, properties.multi_az_enabled), (Some(6380), Some(true)));
            assert!(problems.is_empty(), "{problems:?}");
        }
    }

    #[test]
    fn empty_means_not_set() {
        let (properties, problems) =
            read(&minimal(&json!({"AuthToken": "", "EngineVersion": null, "AllowedCidrBlocks": [""]})));
        assert!(properties.auth_token.is_none() && properties.engine_version.is_none());
        assert!(properties.allowed_cidr_blocks.is_empty());
        assert!(problems.is_empty(), "{problems:?}");
    }

    #[test]
    fn a_misspelt_name_gets_the_nearest_right_one() {
        let found = problems(&minimal(&json!({"NodTypes": "x", "Zzz": 1, "Tags": [{"key": "a"}]})));
        assert!(found.iter().any(|p| p.starts_with("NodTypes:") && p.contains("did you mean NodeType?")), "{found:?}");
        assert!(found.iter().any(|p| p.starts_with("Zzz:") && p.contains("remove it")), "{found:?}");
        assert!(found.iter().any(|p| p.starts_with("Tags[0].key:") && p.contains("did you mean Key?")), "{found:?}");
    }

    #[test]
    fn wrong_types_at_any_depth_are_reported_each() {
        let found = problems(&json!({
            "Env": ["x"], "ProjectId": {"a": 1}, "VpcId": "vpc-1", "SubnetIds": "subnet-1", "Port": "many",
            "Tags": ["x"], "Parameters": ["x"], "LogDelivery": [{"LogType": "slow"}],
        }));
        for start in ["Env", "ProjectId", "SubnetIds", "Port", "Tags[0]", "Parameters", "LogDelivery[0].LogType"] {
            assert!(found.iter().any(|p| p.starts_with(start)), "{start} in {found:#?}");
        }
    }

    #[test]
    fn a_bad_token_is_not_repeated() {
        let found = problems(&minimal(&json!({"AuthToken": ["hunter2hunter2"]})));
        assert!(found[0].starts_with("AuthToken:") && !found[0].contains("hunter2"), "{found:?}");
    }
}
