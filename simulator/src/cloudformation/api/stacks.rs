//! The calls that begin an operation on a stack.

use std::sync::Arc;

use serde_json::{Value, json};

use super::input::{names, on_failure, stack_name};
use super::{invalid, members};
use crate::clock::Time;
use crate::cloudformation::state::{Begun, BegunKind, CloudFormation, Deployed, OnStackFailure, StackRecord};
use crate::cloudformation::{deploy, state};
use crate::wire::tree::text;
use crate::world::{Answer, AwsError};

/// Statuses from which a stack can be updated.
const UPDATABLE: [&str; 7] = [
    "CREATE_COMPLETE",
    "CREATE_FAILED",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
];

impl CloudFormation {
    pub(super) fn create_stack(&mut self, params: &Value, now: Time) -> Answer {
        let name = stack_name(params)?;
        if self.find(name).is_some() {
            return Err(AwsError::new("AlreadyExistsException", format!("Stack [{name}] already exists")));
        }
        let (deployed, on_failure) = (self.wanted(params, None)?, on_failure(params)?);
        let stack = self.new_stack(name, now);
        stack.tags = members(params, "Tags").to_vec();
        let id = stack.begin_with(deployed, on_failure, "CREATE_IN_PROGRESS");
        self.begin(&id, BegunKind::Create);
        Ok(json!({"StackId": id}))
    }

    pub(super) fn update_stack(&mut self, params: &Value, now: Time) -> Answer {
        let stack = self.named(params)?;
        check_updatable(stack)?;
        let (id, before) = (stack.id.clone(), stack.deployed.clone());
        let (deployed, on_failure) = (self.wanted(params, Some(&before))?, on_failure(params)?);
        if self.planned(&id, &deployed).map_err(invalid)?.is_empty() && same_around(&before, &deployed) {
            return Err(invalid("No updates are to be performed."));
        }
        self.begin_update(&id, deployed, on_failure, now);
        Ok(json!({"StackId": id}))
    }

    /// The way of a stack from what is deployed to something else.
    pub(super) fn begin_update(&mut self, id: &str, deployed: Deployed, on_failure: OnStackFailure, now: Time) {
        if let Some(stack) = self.stacks.get_mut(id) {
            // What a failed update left goes back to what was there before that one.
            let before = stack.deployed.clone();
            stack.previous.get_or_insert(before);
            stack.unfinished = None;
            stack.updated = Some(now);
            stack.cancel = Arc::default();
            stack.begin_with(deployed, on_failure, "UPDATE_IN_PROGRESS");
        }
        self.begin(id, BegunKind::Update);
    }

    /// What an update of this stack would do.
    pub(super) fn planned(&self, id: &str, deployed: &Deployed) -> Result<Vec<deploy::Change>, String> {
        let Some(stack) = self.stacks.get(id) else { return Ok(Vec::new()) };
        let exports = self.all_exports().into_iter().map(|(name, (value, _))| (name, value)).collect();
        let (stack_id, name) = (stack.id.clone(), stack.name.clone());
        let context = deploy::Context { deployed: deployed.clone(), stack_id, name, exports };
        deploy::changes(&stack.live(), &context)
    }

    pub(super) fn delete_stack(&mut self, params: &Value) -> Answer {
        // What is not there is deleted.
        let Ok(stack) = self.named(params) else { return Ok(json!({})) };
        let (id, status, name) = (stack.id.clone(), stack.status.clone(), stack.name.clone());
        if status == "DELETE_IN_PROGRESS" {
            return Ok(json!({}));
        }
        if status == "CREATE_IN_PROGRESS" {
            stack.is_deleted_early = true;
            stack.cancel.notify_one();
            return Ok(json!({}));
        }
        if status.ends_with("IN_PROGRESS") && status != "REVIEW_IN_PROGRESS" {
            return Err(invalid(format!("Stack [{id}] cannot be deleted while in status {status}")));
        }
        let exported: Vec<&str> = stack.deployed.outputs.iter().filter_map(|output| output.export.as_deref()).collect();
        let exported: Vec<String> = exported.into_iter().map(str::to_owned).collect();
        for export in exported {
            let user =
                self.stacks.values().find(|other| other.deleted.is_none() && other.deployed.imports.contains(&export));
            if let Some(user) = user {
                let user = user.name.clone();
                let reason = format!("Export {export} cannot be deleted as it is in use by {user}");
                if let Some(stack) = self.stacks.get_mut(&id) {
                    stack.reason.clone_from(&reason);
                }
                return Err(invalid(format!("Cannot delete stack {name}: {reason}")));
            }
        }
        let retain = names(params, "RetainResources");
        if !retain.is_empty() && status != "DELETE_FAILED" {
            return Err(invalid(format!(
                "Invalid operation on stack [{id}]. When you delete a stack, specify which resources to retain only when the stack \
                 is in the DELETE_FAILED state."
            )));
        }
        if let Some(stack) = self.stacks.get_mut(&id) {
            "DELETE_IN_PROGRESS".clone_into(&mut stack.status);
        }
        self.begin(&id, BegunKind::Delete { retain });
        Ok(json!({}))
    }

    pub(super) fn cancel_update(&mut self, params: &Value) -> Answer {
        let stack = self.named(params)?;
        if stack.status != "UPDATE_IN_PROGRESS" {
            let status = &stack.status;
            return Err(invalid(format!("CancelUpdateStack cannot be called from current stack status {status}")));
        }
        stack.cancel.notify_one();
        Ok(json!({}))
    }

    pub(super) fn continue_rollback(&mut self, params: &Value) -> Answer {
        let stack = self.named(params)?;
        if stack.status != "UPDATE_ROLLBACK_FAILED" {
            let message = format!("Stack:{} is in {} state and can not continue rollback.", stack.id, stack.status);
            return Err(invalid(message));
        }
        "UPDATE_ROLLBACK_IN_PROGRESS".clone_into(&mut stack.status);
        let (id, skip) = (stack.id.clone(), names(params, "ResourcesToSkip"));
        self.begin(&id, BegunKind::ContinueRollback { skip });
        Ok(json!({}))
    }

    pub(super) fn roll_back(&mut self, params: &Value) -> Answer {
        let stack = self.named(params)?;
        let status = match stack.status.as_str() {
            "CREATE_FAILED" => "ROLLBACK_IN_PROGRESS",
            "UPDATE_FAILED" => "UPDATE_ROLLBACK_IN_PROGRESS",
            other => return Err(invalid(format!("Stack [{}] cannot be rolled back from status {other}", stack.name))),
        };
        status.clone_into(&mut stack.status);
        let id = stack.id.clone();
        self.begin(&id, BegunKind::Rollback);
        Ok(json!({"StackId": id}))
    }

    pub(super) fn begin(&mut self, stack_id: &str, kind: BegunKind) {
        self.begun.push(Begun { stack_id: stack_id.to_owned(), kind });
    }

    pub(super) fn validate(&mut self, params: &Value) -> Answer {
        let before = self.named(params).ok().map(|stack| stack.deployed.clone());
        let template = match (&before, text(params, "TemplateBody"), text(params, "TemplateURL")) {
            (Some(before), None, None) => before.template.clone(),
            _ => self.template(params, before.as_ref())?,
        };
        let declared = template.section("Parameters").iter().map(|(name, declaration)| {
            state::without_nulls(json!({
                "ParameterKey": name,
                "DefaultValue": declaration["Default"],
                "ParameterType": declaration["Type"],
                "NoEcho": declaration["NoEcho"] == json!(true),
                "Description": declaration["Description"],
            }))
        });
        let kinds = template.section("Resources").values().map(|resource| resource["Type"].clone());
        Ok(json!({
            "Description": template.description(),
            "Parameters": {"member": declared.collect::<Vec<_>>()},
            "ResourceTypes": {"member": kinds.collect::<Vec<_>>()},
            "Version": "2010-09-09",
        }))
    }
}

impl StackRecord {
    /// From now on the stack is to be this; its id.
    pub(super) fn begin_with(&mut self, deployed: Deployed, on_failure: OnStackFailure, status: &str) -> String {
        // What it gives and takes stays until the operation has brought other things.
        let Deployed { outputs, imports, .. } = std::mem::replace(&mut self.deployed, Deployed::nothing());
        self.deployed = Deployed { outputs, imports, ..deployed };
        self.on_failure = on_failure;
        self.is_deleted_early = false;
        status.clone_into(&mut self.status);
        self.id.clone()
    }
}

/// Refuses an update of a stack in progress, or one that only a deletion gets out of its status.
pub(super) fn check_updatable(stack: &StackRecord) -> Result<(), AwsError> {
    if UPDATABLE.contains(&stack.status.as_str()) {
        return Ok(());
    }
    let (id, status) = (&stack.id, &stack.status);
    Err(invalid(format!("Stack:{id} is in {status} state and can not be updated.")))
}

/// Whether nothing but resources could have changed, and outputs have not.
pub(super) fn same_around(before: &Deployed, after: &Deployed) -> bool {
    before.template.section("Outputs") == after.template.section("Outputs")
}
