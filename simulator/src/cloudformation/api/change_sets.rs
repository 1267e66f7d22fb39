//! Change sets, as `aws cloudformation deploy` and `sam deploy` use them.

use serde_json::{Value, json};

use super::input::{on_failure, stack_name};
use super::stacks::{check_updatable, same_around};
use super::{invalid, members};
use crate::clock::Time;
use crate::cloudformation::state::{BegunKind, ChangeSet, CloudFormation, OnStackFailure, without_nulls};
use crate::wire::tree::text;
use crate::world::{ACCOUNT, Answer, AwsError, REGION};

impl CloudFormation {
    pub(super) fn create_change_set(&mut self, params: &Value, now: Time) -> Answer {
        let name = text(params, "ChangeSetName").unwrap_or_default().to_owned();
        let is_create = text(params, "ChangeSetType") == Some("CREATE");
        let before = match self.named(params) {
            Ok(stack) if is_create && stack.status != "REVIEW_IN_PROGRESS" => {
                let message = format!(
                    "Stack [{}] already exists and cannot be created again with the changeSet [{name}].",
                    stack.name
                );
                return Err(invalid(message));
            }
            Ok(stack) => {
                if !is_create {
                    check_updatable(stack)?;
                }
                Some((stack.id.clone(), stack.deployed.clone()))
            }
            Err(missing) if !is_create => return Err(missing),
            Err(_) => None,
        };
        let deployed = self.wanted(params, before.as_ref().map(|(_, deployed)| deployed))?;
        let on_failure = on_failure(params)?;
        let stack_id = if let Some((id, _)) = &before {
            id.clone()
        } else {
            let stack = self.new_stack(stack_name(params)?, now);
            stack.note("REVIEW_IN_PROGRESS", "User Initiated", now);
            stack.id.clone()
        };
        let planned = self.planned(&stack_id, &deployed);
        let same = before.as_ref().is_some_and(|(_, before)| same_around(before, &deployed));
        let (status, reason, execution) = match &planned {
            Err(reason) => ("FAILED", reason.as_str(), "UNAVAILABLE"),
            Ok(changes) if changes.is_empty() && same => (
                "FAILED",
                "The submitted information didn't contain changes. Submit different information to create a change set.",
                "UNAVAILABLE",
            ),
            Ok(_) => ("CREATE_COMPLETE", "", "AVAILABLE"),
        };
        let changes = planned.as_ref().map_or_else(|_| Vec::new(), |changes| changes.iter().map(shown).collect());
        let id = format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:changeSet/{name}/{}", self.next_uuid());
        let set = ChangeSet {
            id: id.clone(),
            name,
            stack_id: stack_id.clone(),
            is_create,
            status,
            reason: reason.to_owned(),
            execution,
            changes,
            deployed,
            on_failure,
            tags: members(params, "Tags").to_vec(),
            at: now,
        };
        self.change_sets.insert(id.clone(), set);
        Ok(json!({"Id": id, "StackId": stack_id}))
    }

    /// By ARN, or by its name and that of the stack.
    fn change_set(&mut self, params: &Value) -> Result<&mut ChangeSet, AwsError> {
        let name = text(params, "ChangeSetName").unwrap_or_default();
        let missing = || AwsError::not_found("ChangeSetNotFound", format!("ChangeSet [{name}] does not exist"));
        let id = if let Some(set) = self.change_sets.get(name) {
            Some(set.id.clone())
        } else {
            {
                let stack_id = self.named(params).ok().map(|stack| stack.id.clone());
                let mut sets = self.change_sets.values();
                sets.find(|set| set.name == name && Some(&set.stack_id) == stack_id.as_ref()).map(|set| set.id.clone())
            }
        };
        id.and_then(|id| self.change_sets.get_mut(&id)).ok_or_else(missing)
    }

    pub(super) fn describe_change_set(&mut self, params: &Value) -> Answer {
        let set = self.change_set(params)?;
        let parameters =
            set.deployed.given.iter().map(|(key, value)| json!({"ParameterKey": key, "ParameterValue": value}));
        let mut answer = summary(set);
        answer["Parameters"] = json!({"member": parameters.collect::<Vec<_>>()});
        answer["Changes"] = json!({"member": set.changes});
        answer["Tags"] = json!({"member": set.tags});
        Ok(answer)
    }

    pub(super) fn list_change_sets(&mut self, params: &Value) -> Answer {
        let stack_id = self.named(params)?.id.clone();
        let sets = self.change_sets.values().filter(|set| set.stack_id == stack_id);
        Ok(json!({"Summaries": {"member": sets.map(summary).collect::<Vec<_>>()}}))
    }

    pub(super) fn execute_change_set(&mut self, params: &Value, now: Time) -> Answer {
        let disables_rollback = text(params, "DisableRollback") == Some("true");
        let set = self.change_set(params)?;
        if set.execution != "AVAILABLE" {
            let message = format!(
                "ChangeSet [{}] cannot be executed in its current execution status of [{}]",
                set.id, set.execution
            );
            return Err(AwsError::new("InvalidChangeSetStatus", message));
        }
        let (stack_id, deployed, is_create, tags) =
            (set.stack_id.clone(), set.deployed.clone(), set.is_create, set.tags.clone());
        let on_failure = if disables_rollback { OnStackFailure::DoNothing } else { set.on_failure };
        let done = set.id.clone();
        if let Some(stack) = self.stacks.get_mut(&stack_id) {
            if !is_create {
                check_updatable(stack)?;
            }
            stack.tags = tags;
        }
        if is_create {
            if let Some(stack) = self.stacks.get_mut(&stack_id) {
                stack.begin_with(deployed, on_failure, "CREATE_IN_PROGRESS");
            }
            self.begin(&stack_id, BegunKind::Create);
        } else {
            self.begin_update(&stack_id, deployed, on_failure, now);
        }
        // The others of the stack are out of date; CloudFormation deletes them.
        self.change_sets.retain(|id, set| set.stack_id != stack_id || *id == done);
        if let Some(set) = self.change_sets.get_mut(&done) {
            set.execution = "EXECUTE_COMPLETE";
        }
        Ok(json!({}))
    }

    pub(super) fn delete_change_set(&mut self, params: &Value) {
        if let Ok(set) = self.change_set(params) {
            let id = set.id.clone();
            self.change_sets.remove(&id);
        }
    }
}

fn summary(set: &ChangeSet) -> Value {
    without_nulls(json!({
        "ChangeSetName": set.name,
        "ChangeSetId": set.id,
        "StackId": set.stack_id,
        "StackName": set.stack_id.split('/').nth(1),
        "ExecutionStatus": set.execution,
        "Status": set.status,
        "StatusReason": Some(&set.reason).filter(|reason| !reason.is_empty()),
        "CreationTime": set.at.iso8601(),
    }))
}

fn shown(change: &crate::cloudformation::deploy::Change) -> Value {
    let replacement = (change.action == "Modify").then_some("Conditional");
    json!({"Type": "Resource", "ResourceChange": without_nulls(json!({
        "Action": change.action,
        "LogicalResourceId": change.name,
        "PhysicalResourceId": change.id,
        "ResourceType": change.kind,
        "Replacement": replacement,
    }))})
}
