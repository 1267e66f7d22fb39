//! A CloudFormation template: YAML with intrinsic functions, resolved as far as policies use them.

use serde_json::{Map, Value};

use crate::cloudformation::template;
use crate::world::{ACCOUNT, REGION};

/// The name that the function has in the local AWS.
const FUNCTION_NAME: &str = "elasticache-resource";
/// AWS's policies for what Lambda itself does in the name of a function: logs and network interfaces. The local AWS does
/// not check these.
const LAMBDA_POLICIES: [&str; 2] = ["AWSLambdaBasicExecutionRole", "AWSLambdaVPCAccessExecutionRole"];

/// A template. Short forms of functions (`!Sub`) are held in their long form (`{"Fn::Sub": ..}`).
#[derive(Debug)]
pub(super) struct Template(Value);

impl Template {
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        template::parse(text).map(Template)
    }

    fn resource(&self, name: &str) -> Option<&Value> {
        self.0["Resources"].get(name)
    }

    /// The policy documents of a function, each with the place where it stands: inline ones, those of its role
    /// when the template has it, and those attached to its role.
    pub(super) fn policies(&self, function: &str) -> Result<Vec<(String, &Value)>, String> {
        let resource = self.resource(function).ok_or(format!("there is no resource {function}"))?;
        let mut found = Vec::new();
        for policy in present(&resource["Properties"]["Policies"]) {
            let place = format!("{function}.Policies");
            match policy {
                Value::Object(fields) if fields.contains_key("Statement") => found.push((place, policy)),
                Value::String(name) if LAMBDA_POLICIES.iter().any(|known| name.ends_with(known)) => {}
                other => return Err(format!("{place}: only inline statements can be checked, not {other}")),
            }
        }
        let made_by_sam = format!("{function}Role");
        let role = self.role_of(resource).unwrap_or(&made_by_sam);
        if let Some(declared) = self.resource(role) {
            let properties = &declared["Properties"];
            for arn in self.texts(&properties["ManagedPolicyArns"])? {
                if !LAMBDA_POLICIES.iter().any(|known| arn.ends_with(known)) {
                    return Err(format!("{role}: only inline statements can be checked, not {arn}"));
                }
            }
            for policy in present(&properties["Policies"]) {
                let document = policy.get("PolicyDocument").ok_or(format!("{role}: a policy has no PolicyDocument"))?;
                found.push((format!("{role}.Policies"), document));
            }
        }
        found.extend(self.attached(role));
        Ok(found)
    }

    /// Policies that are resources of their own and name the role.
    fn attached(&self, role: &str) -> Vec<(String, &Value)> {
        let is_role = |value: &Value| value["Ref"] == role;
        let resources = self.0["Resources"].as_object().into_iter().flatten();
        resources
            .filter(|(_, resource)| {
                let properties = &resource["Properties"];
                match resource["Type"].as_str() {
                    Some("AWS::IAM::RolePolicy") => is_role(&properties["RoleName"]),
                    Some("AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy") => {
                        present(&properties["Roles"]).into_iter().any(is_role)
                    }
                    _ => false,
                }
            })
            .map(|(name, resource)| (name.clone(), &resource["Properties"]["PolicyDocument"]))
            .collect()
    }

    fn role_of<'a>(&self, function: &'a Value) -> Option<&'a str> {
        let name = function["Properties"]["Role"].get("Fn::GetAtt")?;
        let name = name.as_str().map_or_else(|| name[0].as_str(), |path| path.split('.').next())?;
        self.resource(name).map(|_| name)
    }

    /// One or many texts, with functions resolved.
    pub(super) fn texts(&self, value: &Value) -> Result<Vec<String>, String> {
        let mut texts = Vec::new();
        for element in present(value) {
            match self.list_parameter(element) {
                Some(list) => texts.extend(list),
                None => texts.push(self.text(element)?),
            }
        }
        Ok(texts)
    }

    fn list_parameter(&self, value: &Value) -> Option<Vec<String>> {
        let parameter = self.0["Parameters"].get(value.get("Ref")?.as_str()?)?;
        let is_list = parameter["Type"].as_str().is_some_and(|kind| kind.contains("List"));
        let default = parameter["Default"].as_str()?;
        is_list.then(|| default.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
    }

    fn text(&self, value: &Value) -> Result<String, String> {
        match value {
            Value::String(text) => Ok(text.clone()),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Object(fields) if fields.len() == 1 => {
                let (function, argument) = fields.iter().next().ok_or("an empty mapping")?;
                self.call(function, argument)
            }
            other => Err(format!("{other} is not a text")),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Result<String, String> {
        let malformed = || format!("{function} with {argument} is malformed");
        match function {
            "Ref" => self.reference(argument.as_str().ok_or_else(malformed)?),
            "Fn::GetAtt" => match argument {
                Value::String(path) => {
                    let (resource, attribute) = path.split_once('.').ok_or_else(malformed)?;
                    self.attribute(resource, attribute)
                }
                parts => {
                    let (resource, attribute) = (parts[0].as_str(), parts[1].as_str());
                    self.attribute(resource.ok_or_else(malformed)?, attribute.ok_or_else(malformed)?)
                }
            },
            "Fn::Sub" => match argument {
                Value::String(text) => self.substitute(text, &Map::new()),
                parts => {
                    let variables = parts[1].as_object().ok_or_else(malformed)?;
                    self.substitute(parts[0].as_str().ok_or_else(malformed)?, variables)
                }
            },
            "Fn::Join" => {
                let separator = argument[0].as_str().ok_or_else(malformed)?;
                Ok(self.texts(&argument[1])?.join(separator))
            }
            _ => Err(format!("{function} is not supported in a policy")),
        }
    }

    /// `${Name}`, `${Resource.Attribute}`; `${!Literal}` stays as `${Literal}`.
    fn substitute(&self, text: &str, variables: &Map<String, Value>) -> Result<String, String> {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, tail) = after.split_once('}').ok_or(format!("Fn::Sub: {text} has no closing brace"))?;
            out.push_str(before);
            match (name.strip_prefix('!'), variables.get(name), name.split_once('.')) {
                (Some(literal), ..) => out.extend(["${", literal, "}"]),
                (None, Some(variable), _) => out.push_str(&self.text(variable)?),
                (None, None, Some((resource, attribute))) => out.push_str(&self.attribute(resource, attribute)?),
                (None, None, None) => out.push_str(&self.reference(name)?),
            }
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn reference(&self, name: &str) -> Result<String, String> {
        let pseudo = match name {
            "AWS::AccountId" => ACCOUNT.to_owned(),
            "AWS::Region" => REGION.to_owned(),
            "AWS::Partition" => "aws".to_owned(),
            "AWS::URLSuffix" => "amazonaws.com".to_owned(),
            "AWS::StackName" => FUNCTION_NAME.to_owned(),
            "AWS::StackId" => format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{FUNCTION_NAME}/0"),
            name if name.starts_with("AWS::") => return Err(format!("the pseudo parameter {name} is not supported")),
            _ => return self.named(name),
        };
        Ok(pseudo)
    }

    /// A parameter's default, or what `Ref` of a resource gives.
    fn named(&self, name: &str) -> Result<String, String> {
        if let Some(parameter) = self.0["Parameters"].get(name) {
            let default = parameter.get("Default").ok_or(format!("the parameter {name} has no default"))?;
            return self.text(default);
        }
        let resource = self.resource(name).ok_or(format!("there is no parameter or resource {name}"))?;
        let properties = &resource["Properties"];
        match resource["Type"].as_str().unwrap_or_default() {
            "AWS::Serverless::Function" | "AWS::Lambda::Function" if name == super::FUNCTION => {
                Ok(FUNCTION_NAME.into())
            }
            kind => {
                let names =
                    ["FunctionName", "LogGroupName", "RoleName", "TopicName", "BucketName", "AliasName", "QueueName"];
                let given = names.iter().find_map(|field| properties.get(*field));
                let given = given.ok_or(format!("Ref of {name} ({kind}) cannot be known before it is made"))?;
                self.text(given)
            }
        }
    }

    fn attribute(&self, name: &str, attribute: &str) -> Result<String, String> {
        let resource = self.resource(name).ok_or(format!("there is no resource {name}"))?;
        let kind = resource["Type"].as_str().unwrap_or_default();
        let unsupported = || format!("the attribute {attribute} of {name} ({kind}) is not supported in a policy");
        if attribute != "Arn" {
            return Err(unsupported());
        }
        let (service, region, path) = match kind {
            "AWS::Serverless::Function" | "AWS::Lambda::Function" => ("lambda", REGION, "function:"),
            "AWS::Logs::LogGroup" => ("logs", REGION, "log-group:"),
            "AWS::IAM::Role" => ("iam", "", "role/"),
            "AWS::SQS::Queue" => ("sqs", REGION, ""),
            _ => return Err(unsupported()),
        };
        let end = if service == "logs" { ":*" } else { "" };
        Ok(format!("arn:aws:{service}:{region}:{ACCOUNT}:{path}{}{end}", self.named(name)?))
    }
}

/// A list, a single element or an `Fn::If` over them as elements; both branches of an `Fn::If` count as present, and
/// `AWS::NoValue` is nothing.
pub(super) fn present(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(elements) => elements.iter().flat_map(present).collect(),
        Value::Object(fields) if fields.get("Ref").is_some_and(|name| name == "AWS::NoValue") => Vec::new(),
        Value::Object(fields) => match fields.get("Fn::If").and_then(Value::as_array) {
            Some(parts) => parts.iter().skip(1).flat_map(present).collect(),
            None => vec![value],
        },
        Value::Bool(_) | Value::Number(_) | Value::String(_) => vec![value],
    }
}
