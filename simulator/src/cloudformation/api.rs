//! The API of CloudFormation: `DescribeStackResource` and `DescribeStacks`, as far as stacks of this local AWS have told what they do.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::RESOURCE_TYPE;
use crate::clock::Time;
use crate::readings::GoneResources;
use crate::wire::tree::text;
use crate::world::{Answer, AwsError, Call, Right, World};

/// State of the service: every resource that was ever in a stack, also after its stack is gone.
#[derive(Debug, Default)]
pub struct CloudFormation {
    resources: BTreeMap<(String, String), Resource>,
    stacks: BTreeMap<String, String>,
}

/// What CloudFormation says of a resource.
#[derive(Debug)]
struct Resource {
    physical_id: Option<String>,
    status: &'static str,
    since: Time,
}

impl CloudFormation {
    /// From now on the resource has this status.
    pub(super) fn note(
        &mut self,
        stack_id: &str,
        logical_id: &str,
        physical_id: Option<&str>,
        status: &'static str,
        since: Time,
    ) {
        let key = (stack_id.to_owned(), logical_id.to_owned());
        self.resources.insert(key, Resource { physical_id: physical_id.map(str::to_owned), status, since });
    }

    /// From now on the stack has this status.
    pub(super) fn note_stack(&mut self, stack_id: &str, status: &str) {
        self.stacks.insert(stack_id.to_owned(), status.to_owned());
    }

    /// What a call needs the right to do.
    pub(crate) fn rights(call: &Call) -> Vec<Right> {
        let stack = text(&call.params, "StackName").unwrap_or_default();
        vec![Right::new(format!("cloudformation:{}", call.action), stack)]
    }

    /// Answers a call.
    pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
        match call.action.as_str() {
            "DescribeStacks" => world.cloudformation.describe_stacks(&call.params),
            "DescribeStackResource" => world.cloudformation.describe(&call.params, world.readings.gone_resources),
            other => Err(AwsError::new("InvalidAction", format!("{other} is not played here"))),
        }
    }

    fn describe_stacks(&self, params: &Value) -> Answer {
        let stack_id = text(params, "StackName").unwrap_or_default();
        let Some(status) = self.stacks.get(stack_id) else {
            return Err(AwsError::new("ValidationError", format!("Stack with id {stack_id} does not exist")));
        };
        Ok(json!({"Stacks": {"member": [{
            "StackId": stack_id,
            "StackName": stack_id.split('/').nth(1),
            "CreationTime": Time::START.iso8601(),
            "StackStatus": status,
        }]}}))
    }

    /// Stacks are known by their ids alone, as the deleted ones are at AWS.
    fn describe(&self, params: &Value, gone: GoneResources) -> Answer {
        let stack_id = text(params, "StackName").unwrap_or_default();
        let logical_id = text(params, "LogicalResourceId").unwrap_or_default();
        if !self.resources.keys().any(|(stack, _)| stack == stack_id) {
            return Err(AwsError::new("ValidationError", format!("Stack '{stack_id}' does not exist")));
        }
        let shown = |resource: &&Resource| gone == GoneResources::Listed || resource.status != "DELETE_COMPLETE";
        let Some(resource) = self.resources.get(&(stack_id.to_owned(), logical_id.to_owned())).filter(shown) else {
            let message = format!("Resource {logical_id} does not exist for stack {stack_id}");
            return Err(AwsError::new("ValidationError", message));
        };
        Ok(json!({"StackResourceDetail": {
            "StackId": stack_id,
            "StackName": stack_id.split('/').nth(1),
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": resource.physical_id,
            "ResourceType": RESOURCE_TYPE,
            "ResourceStatus": resource.status,
            "LastUpdatedTimestamp": resource.since.iso8601(),
        }}))
    }
}
