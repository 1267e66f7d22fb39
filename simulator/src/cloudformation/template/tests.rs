use serde_json::json;

use super::*;

const TEMPLATE: &str = r#"
Parameters:
  VpcId: {Type: "AWS::EC2::VPC::Id"}
  SubnetIds: {Type: "List<AWS::EC2::Subnet::Id>"}
  Nodes: {Type: Number, Default: 2}
  Stage: {Type: String, Default: test, AllowedValues: [test, production]}
Mappings:
  Sizes:
    small: {Memory: 1}
Conditions:
  IsProduction: !Equals [!Ref Stage, production]
  IsSmall: !And [!Not [!Condition IsProduction], !Equals [!Ref Nodes, "2"]]
Resources:
  Topic: {Type: "AWS::SNS::Topic", Condition: IsProduction}
  Cache:
    Type: Custom::ElastiCache
    Properties:
      ServiceToken: !ImportValue elasticache-resource-ServiceToken
      VpcId: !Ref VpcId
      SubnetIds: {Ref: SubnetIds}
      NumCacheNodes: !Ref Nodes
      Port: !FindInMap [Sizes, small, Memory]
      EngineVersion: "8.2"
      Description: !Sub ["${AWS::StackName}${!x}-${Kind}", {Kind: !If [IsSmall, little, big]}]
      NotificationTopicArn: !If [IsProduction, !Ref Topic, !Ref AWS::NoValue]
      Tags: [{Key: Vpc, Value: !Ref VpcId}]
Outputs:
  Id: {Value: !Ref Cache}
"#;

fn given() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([("VpcId", json!("vpc-1")), ("SubnetIds", json!(["a", "b"]))])
}

#[test]
fn intrinsic_functions_are_resolved() {
    let (logical_id, properties) = cache_in(TEMPLATE, &given()).unwrap();
    let expected = json!({"ServiceToken": SERVICE_TOKEN, "VpcId": "vpc-1", "SubnetIds": ["a", "b"], "NumCacheNodes": "2",
        "Port": 1, "EngineVersion": "8.2", "Description": "${x}-little", "Tags": [{"Key": "Vpc", "Value": "vpc-1"}]});
    assert_eq!((logical_id.as_str(), properties), ("Cache", expected));
}

/// One value for a template with the resources `A` and `B`, of which `A` is made.
fn resolved(value: &Value) -> Result<Value, String> {
    let text = json!({"Resources": {"A": {"Type": "AWS::EC2::VPC"}, "B": {"Type": "AWS::SNS::Topic"}}}).to_string();
    let template = Template::read(&text)?;
    let (parameters, exports) = (Parameters::new(), |name: &str| (name == "there").then(|| "imported".to_owned()));
    let scope = Scope::new(&template, &parameters, StackNames { id: "arn:stack", name: "shop" }, &exports)?;
    let attributes = BTreeMap::from([("CidrBlock".to_owned(), "10.0.0.0/16".to_owned())]);
    let made = Known { physical_id: "vpc-1".to_owned(), attributes, is_custom: false };
    scope.resolve(value, &BTreeMap::from([("A".to_owned(), made)]))
}

#[test]
fn each_function_gives_what_it_gives_on_aws() {
    for (value, expected) in [
        (json!({"Ref": "A"}), json!("vpc-1")),
        (json!({"Ref": "AWS::Region"}), json!("us-east-1")),
        (json!({"Fn::GetAtt": "A.CidrBlock"}), json!("10.0.0.0/16")),
        (json!({"Fn::GetAtt": ["A", "CidrBlock"]}), json!("10.0.0.0/16")),
        (json!({"Fn::Sub": "${AWS::StackName}/${A}/${A.CidrBlock}"}), json!("shop/vpc-1/10.0.0.0/16")),
        (json!({"Fn::Join": ["-", ["a", {"Ref": "A"}, 3]]}), json!("a-vpc-1-3")),
        (json!({"Fn::Split": [",", "a,b"]}), json!(["a", "b"])),
        (json!({"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}), json!("b")),
        (json!({"Fn::Select": ["0", {"Fn::GetAZs": ""}]}), json!("us-east-1a")),
        (json!({"Fn::Cidr": [{"Fn::GetAtt": "A.CidrBlock"}, 2, 8]}), json!(["10.0.0.0/24", "10.0.1.0/24"])),
        (json!({"Fn::Cidr": ["2001:db8::/56", 1, 64]}), json!(["2001:db8::/64"])),
        (json!({"Fn::Base64": "hello"}), json!("aGVsbG8=")),
        (json!({"Fn::Base64": "hello!"}), json!("aGVsbG8h")),
        (json!({"Fn::ImportValue": "there"}), json!("imported")),
        (json!([1, {"Ref": "AWS::NoValue"}, {"x": {"Ref": "AWS::NoValue"}}]), json!([1, {}])),
    ] {
        assert_eq!(resolved(&value).unwrap(), expected, "{value}");
    }
}

#[test]
fn what_cannot_be_resolved_is_said_in_the_words_of_cloudformation() {
    for (value, words) in [
        (json!({"Fn::ImportValue": "elsewhere"}), "No export named elsewhere found."),
        (json!({"Fn::Select": [7, ["a"]]}), "cannot select nonexistent value at index 7"),
        (json!({"Fn::FindInMap": ["X", "y", "z"]}), "Unable to get mapping for X::y::z"),
        (json!({"Fn::GetAtt": "A.Size"}), "resource A does not support attribute type Size in Fn::GetAtt"),
        (json!({"Fn::GetAtt": "A"}), "every Fn::GetAtt object requires two non-empty parameters"),
        (json!({"Ref": "B"}), "Unresolved resource dependencies [B]"),
        (json!({"Fn::Cidr": ["10.0.0.0/24", 300, 8]}), "Fn::Cidr cannot make 300 blocks"),
        (json!({"Fn::Sub": "${A"}), "without a closing brace"),
    ] {
        let said = resolved(&value).unwrap_err();
        assert!(said.contains(words), "{value}: {said}");
    }
}

/// The template with this text in place of another.
fn refused(from: &str, to: &str) -> String {
    assert!(TEMPLATE.contains(from), "{from}");
    Template::read(&TEMPLATE.replacen(from, to, 1)).unwrap_err()
}

#[test]
fn a_wrong_structure_is_refused() {
    for (from, to, words) in [
        ("!Ref Nodes\n", "!Frobnicate Nodes\n", "Encountered unsupported function: Fn::Frobnicate Supported functions"),
        ("!Ref Nodes\n", "!Ref Nothing\n", "Unresolved resource dependencies [Nothing] in the Resources block"),
        ("!Ref Nodes\n", "!GetAtt Nothing.X\n", "Fn::GetAtt references undefined resource Nothing"),
        ("!Ref Nodes\n", "!If [Nothing, 1, 2]\n", "Unresolved condition dependency Nothing"),
        ("!Ref Nodes\n", "!Sub '${Cache}'\n", "Circular dependency between resources: [Cache]"),
        ("!Ref Nodes\n", "\n", "'null' values are not allowed in templates"),
        (
            "    Type: Custom::ElastiCache\n",
            "",
            "[/Resources/Cache] Every Resources object must contain a Type member.",
        ),
        ("    Type: Custom::ElastiCache\n", "    Type: A\n    Typ: B\n", "Invalid template resource property 'Typ'"),
        (
            "    Type: Custom::ElastiCache\n",
            "    Type: A\n    DeletionPolicy: Snapshot\n",
            "DeletionPolicy \"Snapshot\"",
        ),
        ("Mappings:", "Mapings:", "Invalid template property or properties [Mapings]"),
        ("Mappings:", "Transform: AWS::Serverless-2016-10-31\nMappings:", "the local AWS runs no transforms"),
        ("!Ref Cache}", "!Ref Other}", "Unresolved resource dependencies [Other] in the Outputs block"),
        ("Id: {Value:", "Id: {Valu:", "Every Outputs member must contain a Value object"),
    ] {
        let said = refused(from, to);
        assert!(said.contains(words), "{to}: {said}");
    }
    let circle = "Resources:\n  A: {Type: T, DependsOn: B}\n  B: {Type: T, Properties: {X: !Ref C}}\n  C: {Type: T, \
                  Properties: {X: !GetAtt A.Arn}}\n  D: {Type: T, DependsOn: A}\n";
    assert_eq!(Template::read(circle).unwrap_err(), "Circular dependency between resources: [A, B, C]");
    assert!(Template::read("Resources: {}").unwrap_err().contains("At least one Resources member must be defined"));
}

#[test]
fn parameters_are_checked() {
    let template = Template::read(TEMPLATE).unwrap();
    let given = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        values(&template, &pairs)
    };
    let read = given(&[("VpcId", "vpc-1"), ("SubnetIds", "a, b"), ("Nodes", "3")]).unwrap();
    assert_eq!((&read["SubnetIds"], &read["Nodes"], &read["Stage"]), (&json!(["a", "b"]), &json!("3"), &json!("test")));
    let said = given(&[("Nodes", "x"), ("Stage", "other")]).unwrap_err();
    for words in [
        "Parameter 'Nodes' must be a number",
        "Parameter 'Stage' must be one of AllowedValues",
        "Parameters: [SubnetIds, VpcId] must have values",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(given(&[("Size", "1")]).unwrap_err(), "Parameters: [Size] do not exist in the template");
    let ssm =
        TEMPLATE.replace("Type: Number", "Type: AWS::SSM::Parameter::Value<String>").replace("Nodes:", "\"Nodes\":");
    let said = values(&Template::read(&ssm).unwrap(), &BTreeMap::new()).unwrap_err();
    assert!(said.contains("Parameter Nodes has the type AWS::SSM::Parameter::Value<String>"), "{said}");
}

#[test]
fn dependencies_are_those_of_the_branches_that_count() {
    let template = Template::read(TEMPLATE).unwrap();
    let conditions = |production: bool| {
        BTreeMap::from([("IsProduction".to_owned(), production), ("IsSmall".to_owned(), !production)])
    };
    let cache = &template.section("Resources")["Cache"];
    assert_eq!(template.dependencies(cache, &conditions(true)), BTreeSet::from(["Topic".to_owned()]));
    assert_eq!(template.dependencies(cache, &conditions(false)), BTreeSet::new());
    assert_eq!(template.resources(&conditions(false)).into_keys().collect::<Vec<_>>(), ["Cache"]);
}

/// The demo deploys a cache alone: what it cannot do is an error and not another stack.
#[test]
fn a_cache_that_needs_other_resources_is_not_taken_for_one_that_does_not() {
    let said = cache_in(
        &TEMPLATE
            .replace("Nodes: !Ref Nodes\n", "Nodes: !GetAtt Topic.Count\n")
            .replace("  Topic: {Type: \"AWS::SNS::Topic\"", "  Topic: {Type: \"AWS::EC2::VPC\"")
            .replace(", Condition: IsProduction", ""),
        &given(),
    );
    assert!(said.unwrap_err().contains("Cache needs other resources of the template (Topic)"));
    let twice = TEMPLATE
        .replace("  Topic: {Type: \"AWS::SNS::Topic\"", "  Topic: {Type: \"Custom::ElastiCache\"")
        .replace(", Condition: IsProduction", "")
        .replace("[IsProduction, !Ref Topic, ", "[IsProduction, x, ");
    assert!(cache_in(&twice, &given()).unwrap_err().contains("there are 2 resources of type Custom::ElastiCache"));
    assert_eq!(cache_in(TEMPLATE, &BTreeMap::new()).unwrap_err(), "Parameters: [SubnetIds, VpcId] must have values");
}
