//! The API of CloudFormation: calls that look, and calls that begin an operation ([`super::deploy`] runs it).

mod change_sets;
mod describe;
mod input;
mod stacks;

use serde_json::Value;

use super::state::CloudFormation;
use crate::wire::tree::text;
use crate::world::{Answer, AwsError, Call, Right, World};

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::new("ValidationError", message)
}

impl CloudFormation {
    /// What a call needs the right to do.
    pub(crate) fn rights(call: &Call) -> Vec<Right> {
        let stack = text(&call.params, "StackName").unwrap_or_default();
        vec![Right::new(format!("cloudformation:{}", call.action), stack)]
    }

    /// Answers a call.
    pub(crate) fn handle(world: &mut World, call: &Call) -> Answer {
        let gone = world.readings.gone_resources;
        let (service, params, now) = (&mut world.cloudformation, &call.params, call.now);
        match call.action.as_str() {
            "CreateStack" => service.create_stack(params, now),
            "UpdateStack" => service.update_stack(params, now),
            "DeleteStack" => service.delete_stack(params),
            "CancelUpdateStack" => service.cancel_update(params),
            "ContinueUpdateRollback" => service.continue_rollback(params),
            "RollbackStack" => service.roll_back(params),
            "CreateChangeSet" => service.create_change_set(params, now),
            "DescribeChangeSet" => service.describe_change_set(params),
            "ExecuteChangeSet" => service.execute_change_set(params, now),
            "DeleteChangeSet" => {
                service.delete_change_set(params);
                Ok(serde_json::json!({}))
            }
            "ListChangeSets" => service.list_change_sets(params),
            "DescribeStacks" => service.describe_stacks(params),
            "ListStacks" => Ok(service.list_stacks(params)),
            "DescribeStackEvents" => service.describe_events(params),
            "DescribeStackResource" => service.describe_resource(params, gone),
            "DescribeStackResources" => service.describe_resources(params),
            "ListStackResources" => service.list_resources(params),
            "ListExports" => Ok(service.list_exports()),
            "ListImports" => service.list_imports(params),
            "GetTemplate" => service.get_template(params),
            "GetTemplateSummary" | "ValidateTemplate" => service.validate(params),
            other => Err(AwsError::new("InvalidAction", format!("{other} is not played here"))),
        }
    }
}

/// The elements of `Name.member.N`.
fn members<'a>(params: &'a Value, name: &str) -> &'a [Value] {
    crate::wire::tree::items(&params[name], "member")
}
