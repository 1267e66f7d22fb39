//! Resources without a function behind them: those of EC2, Secrets Manager and ElastiCache are made in the account, where
//! the function finds them; the others are names and attributes without behaviour.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::custom_resource::Failure;
use super::operation::Operation;
use super::state::Resource;
use crate::clock::Time;
use crate::ec2::Ec2;
use crate::elasticache::names::arn;
use crate::elasticache::{Authentication, User};
use crate::secrets_manager::{SecretsManager, rotate_with};
use crate::world::{ACCOUNT, Answer, AwsError, Call, REGION, World};

/// How long such a resource takes to be made, changed or removed. Simulated time.
const DURATION: Duration = Duration::from_secs(2);
/// A resource that always fails, for a stack in which something else does.
pub(super) const FAILING: &str = "Local::CloudFormation::Failure";
/// What it says.
pub(super) const FAILED_ELSEWHERE: &str = "The following resource(s) failed: [Other]";

/// What a resource is known by when it is made.
pub(super) type Made = (String, BTreeMap<String, String>);

/// Types that are names and attributes: the property that may name them, what `Ref` gives, and the attributes that are
/// there, with `{name}` for the name.
type Opaque = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);
const OPAQUE: [Opaque; 26] = [
    ("AWS::SSM::Parameter", "Name", "{name}", &[]),
    ("AWS::Lambda::Function", "FunctionName", "{name}", &[("Arn", "lambda:function:{name}")]),
    ("AWS::Lambda::Permission", "", "{name}", &[]),
    ("AWS::Lambda::EventInvokeConfig", "", "{name}", &[]),
    ("AWS::CloudWatch::Alarm", "AlarmName", "{name}", &[("Arn", "cloudwatch:alarm:{name}")]),
    ("AWS::CloudWatch::Dashboard", "DashboardName", "{name}", &[]),
    (
        "AWS::CloudFormation::WaitConditionHandle",
        "",
        "https://cloudformation-waitcondition-us-east-1.s3.amazonaws.com/{name}",
        &[],
    ),
    ("AWS::Events::Rule", "Name", "{name}", &[("Arn", "events:rule/{name}")]),
    ("AWS::SNS::Topic", "TopicName", "arn:sns:{name}", &[("TopicArn", "sns:{name}"), ("TopicName", "{name}")]),
    ("AWS::SNS::TopicPolicy", "", "{name}", &[("Id", "{name}")]),
    (
        "AWS::SQS::Queue",
        "QueueName",
        "https://sqs.us-east-1.amazonaws.com/123456789012/{name}",
        &[("Arn", "sqs:{name}"), ("QueueName", "{name}")],
    ),
    ("AWS::SQS::QueuePolicy", "", "{name}", &[("Id", "{name}")]),
    ("AWS::IAM::Role", "RoleName", "{name}", &[("Arn", "iam:role/{name}"), ("RoleId", "{name}")]),
    ("AWS::IAM::Policy", "", "{name}", &[]),
    ("AWS::IAM::ManagedPolicy", "ManagedPolicyName", "arn:iam:policy/{name}", &[("PolicyArn", "iam:policy/{name}")]),
    ("AWS::Logs::LogGroup", "LogGroupName", "{name}", &[("Arn", "logs:log-group:{name}:*")]),
    ("AWS::KMS::Key", "", "{name}", &[("Arn", "kms:key/{name}"), ("KeyId", "{name}")]),
    ("AWS::ApplicationAutoScaling::ScalableTarget", "ResourceId", "{name}", &[("Id", "{name}")]),
    ("AWS::ApplicationAutoScaling::ScalingPolicy", "PolicyName", "arn:autoscaling:scalingPolicy:{name}", &[]),
    ("AWS::Route53::HostedZone", "", "{name}", &[("Id", "{name}")]),
    ("AWS::Route53::RecordSet", "Name", "{name}", &[]),
    ("AWS::EC2::VPCEndpoint", "", "{name}", &[("Id", "{name}")]),
    ("AWS::EC2::InternetGateway", "", "{name}", &[("InternetGatewayId", "{name}")]),
    ("AWS::EC2::RouteTable", "", "{name}", &[("RouteTableId", "{name}")]),
    ("AWS::EC2::Route", "", "{name}", &[]),
    ("AWS::EC2::SubnetRouteTableAssociation", "", "{name}", &[("Id", "{name}")]),
];
const MADE: [&str; 8] = [
    "AWS::EC2::VPC",
    "AWS::EC2::Subnet",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::SecretsManager::Secret",
    "AWS::SecretsManager::RotationSchedule",
    "AWS::ElastiCache::User",
    "AWS::ElastiCache::UserGroup",
];

/// Whether resources of this type can be made here.
pub(super) fn knows(resource_type: &str) -> bool {
    MADE.contains(&resource_type) || OPAQUE.iter().any(|(known, ..)| *known == resource_type)
}

/// What a resource of a type without behaviour is known by, without making it.
pub(super) fn without_behaviour(kind: &str, name: &str, properties: &Value) -> Option<Made> {
    OPAQUE.iter().any(|(known, ..)| *known == kind).then(|| opaque(kind, name, properties))
}

pub(super) async fn create(operation: &Operation, name: &str, wanted: Resource) -> Result<Resource, Failure> {
    let line = |status, id: Option<&str>, reason: &str| {
        operation.log(name, &wanted.kind, status, id, reason, Some(&wanted.properties));
    };
    line("CREATE_IN_PROGRESS", None, "");
    if wanted.kind == FAILING {
        line("CREATE_FAILED", None, FAILED_ELSEWHERE);
        return Err(Failure::new(FAILED_ELSEWHERE));
    }
    operation.aws().clock().sleep(DURATION).await;
    let made_up = operation.made_up_id(name);
    let made = operation.aws().with(|world, now| make(world, now, &made_up, &wanted.kind, &wanted.properties));
    let (physical_id, attributes) = made.map_err(|reason| {
        line("CREATE_FAILED", None, &reason);
        Failure::new(reason)
    })?;
    line("CREATE_IN_PROGRESS", Some(&physical_id), "Resource creation Initiated");
    line("CREATE_COMPLETE", Some(&physical_id), "");
    rotate_now(operation, &wanted.kind, &wanted.properties);
    Ok(Resource { physical_id, attributes, failed: false, ..wanted })
}

pub(super) async fn update(
    operation: &Operation,
    name: &str,
    from: &Resource,
    wanted: Resource,
) -> Result<Resource, Failure> {
    let line = |status, id: &str, reason: &str| {
        operation.log(name, &wanted.kind, status, Some(id), reason, Some(&wanted.properties));
    };
    if wanted.kind == FAILING {
        line("UPDATE_FAILED", &from.physical_id, FAILED_ELSEWHERE);
        return Err(Failure::new(FAILED_ELSEWHERE));
    }
    let replaces = replaced(&wanted.kind, &from.properties, &wanted.properties);
    let reason = "Requested update requires the creation of a new physical resource; hence creating one.";
    line("UPDATE_IN_PROGRESS", &from.physical_id, if replaces { reason } else { "" });
    operation.aws().clock().sleep(DURATION).await;
    let made_up = operation.made_up_id(name);
    let changed = operation.aws().with(|world, now| {
        let (kind, properties) = (wanted.kind.as_str(), &wanted.properties);
        if replaces { make(world, now, &made_up, kind, properties) } else { change(world, now, from, properties) }
    });
    let (physical_id, attributes) = changed.map_err(|reason| {
        line("UPDATE_FAILED", &from.physical_id, &reason);
        Failure::new(reason)
    })?;
    line("UPDATE_COMPLETE", &physical_id, "");
    rotate_now(operation, &wanted.kind, &wanted.properties);
    Ok(Resource { physical_id, attributes, ..wanted })
}

pub(super) async fn delete(operation: &Operation, name: &str, id: &str, resource: &Resource) -> Result<(), Failure> {
    let line = |status, reason: &str| {
        operation.log(name, &resource.kind, status, Some(id), reason, Some(&resource.properties));
    };
    line("DELETE_IN_PROGRESS", "");
    if resource.kind != FAILING {
        operation.aws().clock().sleep(DURATION).await;
    }
    let removed = operation.aws().with(|world, now| remove(world, now, id, resource));
    match removed {
        Ok(()) => {
            line("DELETE_COMPLETE", "");
            Ok(())
        }
        Err(reason) => {
            line("DELETE_FAILED", &reason);
            Err(Failure::new(reason))
        }
    }
}

/// A new schedule rotates at once unless it says otherwise.
fn rotate_now(operation: &Operation, kind: &str, properties: &Value) {
    let later = text(properties, "RotateImmediatelyOnUpdate").as_deref() == Some("false");
    if kind != "AWS::SecretsManager::RotationSchedule" || later {
        return;
    }
    let (aws, function) = (operation.aws().clone(), Arc::clone(operation.deliveries().function()));
    let secret = text(properties, "SecretId").unwrap_or_default();
    tokio::spawn(async move {
        if let Err(failure) = rotate_with(&aws, &*function, &secret).await {
            tracing::warn!(secret, failure, "a rotation has not ended");
        }
    });
}

fn make(world: &mut World, now: Time, made_up: &str, kind: &str, properties: &Value) -> Result<Made, String> {
    match kind {
        "AWS::EC2::VPC" => {
            let cidr = required(properties, "CidrBlock")?;
            let id = world.ec2.next_id("vpc");
            world.ec2.add_vpc(&id, &cidr, false);
            tag(world, now, &id, properties)?;
            let default = world.ec2.security_groups().find(|group| group.vpc == id).map(|group| group.id.clone());
            let default = default.unwrap_or_default();
            Ok(made(&id, &[("VpcId", &id), ("CidrBlock", &cidr), ("DefaultSecurityGroup", &default)]))
        }
        "AWS::EC2::Subnet" => make_subnet(world, now, properties),
        "AWS::EC2::SecurityGroup" => {
            let params = json!({
                "GroupName": text(properties, "GroupName").unwrap_or_else(|| made_up.to_owned()),
                "GroupDescription": required(properties, "GroupDescription")?,
                "VpcId": text(properties, "VpcId"),
                "TagSpecification": [{"ResourceType": "security-group", "Tag": properties["Tags"]}],
            });
            let answer = call(world, now, Ec2::handle, "CreateSecurityGroup", params)?;
            let id = answer["groupId"].as_str().unwrap_or_default().to_owned();
            // CloudFormation waits until EC2 knows it everywhere.
            world.ec2.show_security_group(&id, now);
            for rule in properties["SecurityGroupIngress"].as_array().into_iter().flatten() {
                authorize(world, now, &id, rule)?;
            }
            let vpc = world.ec2.security_group_vpc(&id).unwrap_or_default().to_owned();
            Ok(made(&id, &[("GroupId", &id), ("Id", &id), ("VpcId", &vpc)]))
        }
        "AWS::EC2::SecurityGroupIngress" => {
            let group = required(properties, "GroupId")?;
            let id = authorize(world, now, &group, properties)?;
            Ok(made(&id, &[("Id", &id)]))
        }
        "AWS::SecretsManager::Secret" => make_secret(world, now, made_up, properties),
        "AWS::SecretsManager::RotationSchedule" => {
            let id = schedule(world, now, properties)?;
            Ok(made(&id, &[("Id", &id)]))
        }
        "AWS::ElastiCache::User" => {
            let id = required(properties, "UserId")?;
            if world.elasticache.users.contains_key(&id) {
                return Err(said(&AwsError::new("UserAlreadyExists", format!("User {id} already exists."))));
            }
            put_user(world, properties)
        }
        "AWS::ElastiCache::UserGroup" => {
            let id = required(properties, "UserGroupId")?;
            if world.elasticache.user_groups.contains_key(&id) {
                return Err(said(&AwsError::new("UserGroupAlreadyExists", format!("User group {id} already exists."))));
            }
            put_user_group(world, properties)
        }
        _ => Ok(opaque(kind, made_up, properties)),
    }
}

/// Types whose every change, but for tags, needs another one.
fn replaced(kind: &str, from: &Value, to: &Value) -> bool {
    let names: &[&str] = match kind {
        "AWS::EC2::VPC" => &["CidrBlock"],
        "AWS::EC2::Subnet" => &["VpcId", "CidrBlock", "AvailabilityZone"],
        "AWS::EC2::SecurityGroup" => &["GroupName", "GroupDescription", "VpcId"],
        "AWS::SecretsManager::Secret" => &["Name"],
        "AWS::ElastiCache::User" => &["UserId", "UserName"],
        "AWS::ElastiCache::UserGroup" => &["UserGroupId"],
        "AWS::EC2::SecurityGroupIngress" => return from != to,
        _ => OPAQUE.iter().find(|(known, ..)| *known == kind).map_or(&[], |(_, name, ..)| std::slice::from_ref(name)),
    };
    names.iter().any(|name| from[*name] != to[*name])
}

/// A change in place.
fn change(world: &mut World, now: Time, from: &Resource, properties: &Value) -> Result<Made, String> {
    let id = from.physical_id.as_str();
    match from.kind.as_str() {
        "AWS::EC2::SecurityGroup" => {
            let rules = |of: &Value| of["SecurityGroupIngress"].as_array().cloned().unwrap_or_default();
            let (old, new) = (rules(&from.properties), rules(properties));
            for rule in old.iter().filter(|rule| !new.contains(rule)) {
                let params = json!({"GroupId": id, "IpPermissions": [permission(rule)]});
                call(world, now, Ec2::handle, "RevokeSecurityGroupIngress", params)?;
            }
            for rule in new.iter().filter(|rule| !old.contains(rule)) {
                authorize(world, now, id, rule)?;
            }
        }
        "AWS::SecretsManager::Secret" => {
            if let Some(value) = text(properties, "SecretString") {
                let params = json!({"SecretId": id, "SecretString": value});
                call(world, now, SecretsManager::handle, "PutSecretValue", params)?;
            }
        }
        "AWS::SecretsManager::RotationSchedule" => drop(schedule(world, now, properties)?),
        "AWS::ElastiCache::User" => drop(put_user(world, properties)?),
        "AWS::ElastiCache::UserGroup" => drop(put_user_group(world, properties)?),
        kind if OPAQUE.iter().any(|(known, ..)| *known == kind) => {
            let (_, attributes) = opaque(kind, &name_of(from), properties);
            return Ok((id.to_owned(), attributes));
        }
        _ => {}
    }
    if from.kind.starts_with("AWS::EC2::") {
        tag(world, now, id, properties)?;
    }
    Ok((id.to_owned(), from.attributes.clone()))
}

fn remove(world: &mut World, now: Time, id: &str, resource: &Resource) -> Result<(), String> {
    let gone = |answer: Result<Value, String>, code: &str| match answer {
        Err(reason) if !reason.contains(code) => Err(reason),
        _ => Ok(()),
    };
    match resource.kind.as_str() {
        "AWS::EC2::VPC" => world.ec2.remove_vpc(id),
        "AWS::EC2::Subnet" => {
            if world.elasticache.uses_subnet(id) {
                return Err(format!("The subnet '{id}' has dependencies and cannot be deleted."));
            }
            world.ec2.remove_subnet(id);
            Ok(())
        }
        "AWS::EC2::SecurityGroup" => {
            gone(call(world, now, Ec2::handle, "DeleteSecurityGroup", json!({"GroupId": id})), "NotFound")
        }
        "AWS::EC2::SecurityGroupIngress" => {
            let group = text(&resource.properties, "GroupId");
            let params = json!({"GroupId": group, "SecurityGroupRuleId": [id]});
            gone(call(world, now, Ec2::handle, "RevokeSecurityGroupIngress", params), "NotFound")
        }
        "AWS::SecretsManager::Secret" => {
            gone(call(world, now, SecretsManager::handle, "DeleteSecret", json!({"SecretId": id})), "NotFound")
        }
        "AWS::SecretsManager::RotationSchedule" => {
            let answer = call(world, now, SecretsManager::handle, "CancelRotateSecret", json!({"SecretId": id}));
            // The secret, or the schedule, went with the cache.
            if let Err(reason) = answer {
                tracing::debug!(id, reason, "the rotation was over");
            }
            Ok(())
        }
        "AWS::ElastiCache::User" => {
            world.elasticache.remove_user(id);
            Ok(())
        }
        "AWS::ElastiCache::UserGroup" => world.elasticache.remove_user_group(id).map_err(|error| said(&error)),
        _ => Ok(()),
    }
}

fn put_user(world: &mut World, properties: &Value) -> Result<Made, String> {
    let mode = &properties["AuthenticationMode"];
    let passwords = |of: &Value| {
        let all = of["Passwords"].as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let no_password = text(properties, "NoPasswordRequired").as_deref() == Some("true");
    let authentication = match text(mode, "Type").as_deref() {
        Some("iam") => Authentication::Iam,
        Some("password") => Authentication::Passwords(passwords(mode)),
        Some("no-password-required") => Authentication::NoPassword,
        Some(other) => return Err(format!("Properties validation failed: {other} is not a valid enum value")),
        None if no_password => Authentication::NoPassword,
        None => Authentication::Passwords(passwords(properties)),
    };
    let id = required(properties, "UserId")?;
    let (name, engine) = (required(properties, "UserName")?, required(properties, "Engine")?);
    world.elasticache.put_user(User { id: id.clone(), name, engine, authentication }).map_err(|error| said(&error))?;
    Ok(made(&id, &[("Arn", &arn("user", &id)), ("Status", "active")]))
}

fn put_user_group(world: &mut World, properties: &Value) -> Result<Made, String> {
    let (id, engine) = (required(properties, "UserGroupId")?, required(properties, "Engine")?);
    let users = properties["UserIds"].as_array().into_iter().flatten();
    let users = users.filter_map(Value::as_str).map(str::to_owned).collect();
    world.elasticache.put_user_group(&id, &engine, users).map_err(|error| said(&error))?;
    Ok(made(&id, &[("Arn", &arn("usergroup", &id)), ("Status", "active")]))
}

fn make_subnet(world: &mut World, now: Time, properties: &Value) -> Result<Made, String> {
    let (vpc, cidr) = (required(properties, "VpcId")?, required(properties, "CidrBlock")?);
    if world.ec2.vpc_block(&vpc).is_none() {
        return Err(format!("The vpc ID '{vpc}' does not exist"));
    }
    let zone = text(properties, "AvailabilityZone").unwrap_or_else(|| format!("{REGION}a"));
    let id = world.ec2.next_id("subnet");
    world.ec2.add_subnet(&id, &vpc, &zone, &cidr);
    tag(world, now, &id, properties)?;
    let attributes = [("SubnetId", &id), ("AvailabilityZone", &zone), ("VpcId", &vpc), ("CidrBlock", &cidr)];
    Ok(made(&id, &attributes.map(|(name, value)| (name, value.as_str()))))
}

fn make_secret(world: &mut World, now: Time, made_up: &str, properties: &Value) -> Result<Made, String> {
    let name = text(properties, "Name").unwrap_or_else(|| made_up.to_owned());
    let value = match text(properties, "SecretString") {
        Some(value) => value,
        None => generated(world, now, &properties["GenerateSecretString"])?,
    };
    let params = json!({
        "Name": name, "SecretString": value, "Description": text(properties, "Description"),
        "KmsKeyId": text(properties, "KmsKeyId"), "Tags": properties["Tags"],
    });
    let answer = call(world, now, SecretsManager::handle, "CreateSecret", super::state::without_nulls(params))?;
    let arn = answer["ARN"].as_str().unwrap_or_default();
    Ok(made(arn, &[("Id", arn)]))
}

/// A password alone, or in a JSON text.
fn generated(world: &mut World, now: Time, settings: &Value) -> Result<String, String> {
    let mut params = Map::new();
    for (name, value) in settings.as_object().into_iter().flatten() {
        let text = value.as_str().unwrap_or_default();
        let parsed = match text {
            "true" => json!(true),
            "false" => json!(false),
            number if number.parse::<u64>().is_ok() => json!(number.parse::<u64>().unwrap_or_default()),
            _ => value.clone(),
        };
        if !["SecretStringTemplate", "GenerateStringKey"].contains(&name.as_str()) {
            params.insert(name.clone(), parsed);
        }
    }
    let answer = call(world, now, SecretsManager::handle, "GetRandomPassword", params.into())?;
    let password = answer["RandomPassword"].clone();
    let (Some(template), Some(key)) = (text(settings, "SecretStringTemplate"), text(settings, "GenerateStringKey"))
    else {
        return Ok(password.as_str().unwrap_or_default().to_owned());
    };
    let mut secret: Value =
        serde_json::from_str(&template).map_err(|e| format!("SecretStringTemplate is no JSON: {e}"))?;
    secret[key] = password;
    Ok(secret.to_string())
}

fn schedule(world: &mut World, now: Time, properties: &Value) -> Result<String, String> {
    let later = text(properties, "RotateImmediatelyOnUpdate").as_deref() == Some("false");
    let params = json!({
        "SecretId": required(properties, "SecretId")?,
        "RotationLambdaARN": text(properties, "RotationLambdaARN"),
        "RotationRules": properties["RotationRules"],
        "RotateImmediately": !later,
    });
    let answer = call(world, now, SecretsManager::handle, "RotateSecret", params)?;
    Ok(answer["ARN"].as_str().unwrap_or_default().to_owned())
}

/// A rule that lets somebody in; its id.
fn authorize(world: &mut World, now: Time, group: &str, rule: &Value) -> Result<String, String> {
    let params = json!({"GroupId": group, "IpPermissions": [permission(rule)]});
    let answer = call(world, now, Ec2::handle, "AuthorizeSecurityGroupIngress", params)?;
    Ok(answer["securityGroupRuleSet"]["item"][0]["securityGroupRuleId"].as_str().unwrap_or_default().to_owned())
}

fn permission(rule: &Value) -> Value {
    let description = text(rule, "Description");
    let range = |key: &str, name: &str| {
        let source = text(rule, key)?;
        Some(json!([super::state::without_nulls(json!({name: source, "Description": description}))]))
    };
    super::state::without_nulls(json!({
        "IpProtocol": text(rule, "IpProtocol").unwrap_or_else(|| "-1".to_owned()),
        "FromPort": text(rule, "FromPort"),
        "ToPort": text(rule, "ToPort"),
        "IpRanges": range("CidrIp", "CidrIp"),
        "Ipv6Ranges": range("CidrIpv6", "CidrIpv6"),
        "Groups": range("SourceSecurityGroupId", "GroupId"),
    }))
}

fn tag(world: &mut World, now: Time, id: &str, properties: &Value) -> Result<(), String> {
    let Some(tags) = properties["Tags"].as_array().filter(|tags| !tags.is_empty()) else { return Ok(()) };
    call(world, now, Ec2::handle, "CreateTags", json!({"ResourceId": [id], "Tag": tags})).map(|_| ())
}

fn call(
    world: &mut World,
    now: Time,
    service: fn(&mut World, &Call) -> Answer,
    action: &str,
    params: Value,
) -> Result<Value, String> {
    let answer = service(world, &Call { action: action.to_owned(), params, now });
    answer.map_err(|error| said(&error))
}

/// What the history of a stack says of a refusal.
fn said(error: &AwsError) -> String {
    format!("{} (Status Code: {}, Error Code: {})", error.message, error.status, error.code)
}

/// A thing of which only its names are known.
fn opaque(kind: &str, made_up: &str, properties: &Value) -> Made {
    let unknown = ("", "Name", "{name}", &[("Arn", "local:{name}"), ("Id", "{name}")] as &[(&str, &str)]);
    let known = OPAQUE.iter().find(|(known, ..)| *known == kind).copied().unwrap_or(unknown);
    let (_, naming, reference, attributes) = known;
    let name = text(properties, naming).unwrap_or_else(|| made_up.to_owned());
    let filled = |pattern: &str| match pattern.strip_prefix("arn:") {
        Some(arn) => arn_of(arn, &name),
        None => pattern.replace("{name}", &name),
    };
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (attribute, pattern) in attributes {
        let is_arn = attribute.ends_with("Arn");
        found.insert((*attribute).to_owned(), if is_arn { arn_of(pattern, &name) } else { filled(pattern) });
    }
    if kind == "AWS::SSM::Parameter" {
        for attribute in ["Type", "Value"] {
            found.insert(attribute.to_owned(), text(properties, attribute).unwrap_or_default());
        }
    }
    (filled(reference), found)
}

fn name_of(resource: &Resource) -> String {
    resource.physical_id.rsplit([':', '/']).next().unwrap_or_default().to_owned()
}

/// `service:rest` as an ARN of the account.
fn arn_of(pattern: &str, name: &str) -> String {
    let (service, rest) = pattern.split_once(':').unwrap_or((pattern, ""));
    let region = if service == "iam" { "" } else { REGION };
    format!("arn:aws:{service}:{region}:{ACCOUNT}:{}", rest.replace("{name}", name))
}

fn made(id: &str, attributes: &[(&str, &str)]) -> Made {
    (id.to_owned(), attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

/// A scalar property as text.
fn text(properties: &Value, name: &str) -> Option<String> {
    match properties.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn required(properties: &Value, name: &str) -> Result<String, String> {
    text(properties, name).ok_or_else(|| format!("Properties validation failed: required key [{name}] not found"))
}
