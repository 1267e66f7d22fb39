//! The calls that look.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{invalid, members};
use crate::clock::Time;
use crate::cloudformation::state::{CloudFormation, OnStackFailure, ResourceRecord, StackRecord, without_nulls};
use crate::readings::GoneResources;
use crate::wire::tree::text;
use crate::world::{Answer, AwsError};

impl CloudFormation {
    /// The stack that a call looks at: by name while it is there, by id also afterwards.
    fn looked_at(&self, params: &Value) -> Result<&StackRecord, AwsError> {
        let name = text(params, "StackName").unwrap_or_default();
        self.find(name).filter(|stack| !stack.status.is_empty()).ok_or_else(|| missing(name))
    }

    pub(super) fn describe_stacks(&self, params: &Value) -> Answer {
        let stacks: Vec<Value> = match text(params, "StackName") {
            Some(_) => vec![described(self.looked_at(params)?)],
            None => self.stacks.values().filter(|stack| stack.deleted.is_none()).map(described).collect(),
        };
        Ok(json!({"Stacks": {"member": stacks}}))
    }

    pub(super) fn list_stacks(&self, params: &Value) -> Value {
        let statuses: Vec<&str> = members(params, "StackStatusFilter").iter().filter_map(Value::as_str).collect();
        let wanted = |stack: &&StackRecord| statuses.is_empty() || statuses.contains(&stack.status.as_str());
        let listed = self.stacks.values().filter(wanted).map(|stack| {
            without_nulls(json!({
                "StackId": stack.id,
                "StackName": stack.name,
                "TemplateDescription": stack.deployed.template.description(),
                "CreationTime": stack.created.iso8601(),
                "LastUpdatedTime": stack.updated.map(Time::iso8601),
                "DeletionTime": stack.deleted.map(Time::iso8601),
                "StackStatus": stack.status,
                "StackStatusReason": Some(&stack.reason).filter(|reason| !reason.is_empty()),
            }))
        });
        json!({"StackSummaries": {"member": listed.collect::<Vec<_>>()}})
    }

    /// The newest first.
    pub(super) fn describe_events(&self, params: &Value) -> Answer {
        let name = text(params, "StackName").unwrap_or_default();
        let stack = self.find(name).ok_or_else(|| invalid(format!("Stack [{name}] does not exist")))?;
        let events = stack.events.iter().enumerate().rev().map(|(index, event)| {
            without_nulls(json!({
                "StackId": stack.id,
                "StackName": stack.name,
                "EventId": format!("{}-{}-{index}", event.logical_id, event.status),
                "LogicalResourceId": event.logical_id,
                "PhysicalResourceId": event.physical_id.as_deref().unwrap_or_default(),
                "ResourceType": event.resource_type,
                "Timestamp": event.at.iso8601(),
                "ResourceStatus": event.status,
                "ResourceStatusReason": Some(&event.reason).filter(|reason| !reason.is_empty()),
                "ResourceProperties": event.properties,
            }))
        });
        Ok(json!({"StackEvents": {"member": events.collect::<Vec<_>>()}}))
    }

    pub(super) fn describe_resource(&self, params: &Value, gone: GoneResources) -> Answer {
        let name = text(params, "StackName").unwrap_or_default();
        let logical_id = text(params, "LogicalResourceId").unwrap_or_default();
        let stack = self.find(name).filter(|stack| !stack.resources.is_empty());
        let stack = stack.ok_or_else(|| invalid(format!("Stack '{name}' does not exist")))?;
        let shown = |resource: &&ResourceRecord| gone == GoneResources::Listed || resource.status != "DELETE_COMPLETE";
        let Some(resource) = stack.resources.get(logical_id).filter(shown) else {
            return Err(invalid(format!("Resource {logical_id} does not exist for stack {name}")));
        };
        let mut detail = resource_fields(stack, logical_id, resource);
        detail["LastUpdatedTimestamp"] = detail["Timestamp"].take();
        Ok(json!({"StackResourceDetail": without_nulls(detail)}))
    }

    pub(super) fn describe_resources(&self, params: &Value) -> Answer {
        let stack = self.looked_at(params)?;
        let wanted = text(params, "LogicalResourceId");
        let named = stack.resources.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
        let shown = named.filter(|(_, resource)| resource.live.is_some() || resource.status.ends_with("IN_PROGRESS"));
        let resources: Vec<Value> = shown.map(|(name, resource)| resource_fields(stack, name, resource)).collect();
        Ok(json!({"StackResources": {"member": resources}}))
    }

    pub(super) fn list_resources(&self, params: &Value) -> Answer {
        let mut answer = self.describe_resources(params)?;
        for resource in answer["StackResources"]["member"].as_array_mut().into_iter().flatten() {
            resource["LastUpdatedTimestamp"] = resource["Timestamp"].take();
        }
        Ok(json!({"StackResourceSummaries": answer["StackResources"]}))
    }

    pub(super) fn list_exports(&self) -> Value {
        let exports = self
            .all_exports()
            .into_iter()
            .map(|(name, (value, stack_id))| json!({"ExportingStackId": stack_id, "Name": name, "Value": value}));
        json!({"Exports": {"member": exports.collect::<Vec<_>>()}})
    }

    pub(super) fn list_imports(&self, params: &Value) -> Answer {
        let name = text(params, "ExportName").unwrap_or_default();
        let users =
            self.stacks.values().filter(|stack| stack.deleted.is_none() && stack.deployed.imports.contains(name));
        let users: Vec<&str> = users.map(|stack| stack.name.as_str()).collect();
        if users.is_empty() {
            return Err(invalid(format!("Export '{name}' is not imported by any stack.")));
        }
        Ok(json!({"Imports": {"member": users}}))
    }

    pub(super) fn get_template(&mut self, params: &Value) -> Answer {
        let stack = self.looked_at(params)?;
        Ok(json!({
            "TemplateBody": stack.deployed.template.text(),
            "StagesAvailable": {"member": ["Original", "Processed"]},
        }))
    }
}

fn missing(name: &str) -> AwsError {
    invalid(format!("Stack with id {name} does not exist"))
}

fn described(stack: &StackRecord) -> Value {
    let deployed = &stack.deployed;
    let no_echo = |name: &str| {
        let declared = deployed.template.section("Parameters").get(name);
        declared.is_some_and(|declared| declared["NoEcho"] == json!(true) || declared["NoEcho"] == "true")
    };
    let parameters: BTreeMap<&String, String> =
        deployed.parameters.iter().map(|(name, value)| (name, joined(value))).collect();
    let parameters = parameters.into_iter().map(|(name, value)| {
        json!({"ParameterKey": name, "ParameterValue": if no_echo(name) { "****".to_owned() } else { value }})
    });
    // A stack that is not there to be used has none.
    let outputs = deployed.outputs.iter().map(|output| {
        without_nulls(json!({
            "OutputKey": output.key,
            "OutputValue": output.value,
            "Description": output.description,
            "ExportName": output.export,
        }))
    });
    without_nulls(json!({
        "StackId": stack.id,
        "StackName": stack.name,
        "Description": deployed.template.description(),
        "Parameters": {"member": parameters.collect::<Vec<_>>()},
        "CreationTime": stack.created.iso8601(),
        "LastUpdatedTime": stack.updated.map(Time::iso8601),
        "DeletionTime": stack.deleted.map(Time::iso8601),
        "RollbackConfiguration": {},
        "StackStatus": stack.status,
        "StackStatusReason": Some(&stack.reason).filter(|reason| !reason.is_empty()),
        "DisableRollback": stack.on_failure == OnStackFailure::DoNothing,
        "NotificationARNs": {"member": []},
        "Outputs": {"member": outputs.collect::<Vec<_>>()},
        "Tags": {"member": stack.tags},
        "EnableTerminationProtection": false,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }))
}

fn joined(value: &Value) -> String {
    match value {
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

fn resource_fields(stack: &StackRecord, logical_id: &str, resource: &ResourceRecord) -> Value {
    without_nulls(json!({
        "StackName": stack.name,
        "StackId": stack.id,
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.kind,
        "Timestamp": resource.since.iso8601(),
        "ResourceStatus": resource.status,
        "ResourceStatusReason": Some(&resource.reason).filter(|reason| !reason.is_empty()),
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }))
}
