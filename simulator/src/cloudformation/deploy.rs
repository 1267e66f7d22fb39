//! The operations that calls of the API begin, on whole templates.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde_json::Value;

use super::deliveries::Deliveries;
use super::operation::{Cancel, Declared, Operation, Plan};
use super::outcome::StackStatus;
use super::state::{Begun, BegunKind, Deployed, Output, Policies, Resource, StackRecord};
use super::template::{Known, Scope, StackNames, holds};
use crate::local_aws::LocalAws;
use crate::world::World;

/// Runs what calls have begun, each operation in a task of its own.
pub(crate) fn run_begun(aws: &LocalAws) {
    for begun in aws.with(|world, _| world.cloudformation.take_begun()) {
        let aws = aws.clone();
        tokio::spawn(async move { run(&aws, begun).await });
    }
}

async fn run(aws: &LocalAws, begun: Begun) {
    let Begun { stack_id, kind } = begun;
    let deliveries = Arc::new(Deliveries::new(aws, aws.lambda().function()));
    let name = stack_id.split('/').nth(1).unwrap_or_default().to_owned();
    let operation = Operation::new(aws, Arc::clone(&deliveries), &stack_id, &name);
    match kind {
        BegunKind::Create => {
            let cancel = Cancel::When(cancelled(aws, &stack_id));
            let status = match plan(aws, &stack_id, cancel) {
                Ok(plan) => operation.create(plan).await,
                Err(reason) => operation.refuse_creation(&reason),
            };
            with_stack(aws, &stack_id, |stack| {
                if status == StackStatus::CreateComplete {
                    stack.unfinished = None;
                }
            });
        }
        BegunKind::Update => {
            let cancel = Cancel::When(cancelled(aws, &stack_id));
            let status = match plan(aws, &stack_id, cancel) {
                Ok(plan) => operation.update(plan).await,
                Err(reason) => operation.refuse_update(&reason),
            };
            set_deployed(aws, &stack_id, status);
        }
        BegunKind::Delete { retain } => {
            let resources = with_stack(aws, &stack_id, |stack| stack.live()).unwrap_or_default();
            operation.delete(resources, &retain).await;
        }
        BegunKind::Rollback => {
            let unfinished = with_stack(aws, &stack_id, |stack| stack.unfinished.take()).flatten();
            let status = operation.roll_back(unfinished.unwrap_or_default(), &BTreeSet::new()).await;
            set_deployed(aws, &stack_id, status);
        }
        BegunKind::ContinueRollback { skip } => {
            let unfinished = with_stack(aws, &stack_id, |stack| stack.unfinished.take()).flatten();
            let status = operation.roll_back(unfinished.unwrap_or_default(), &skip).await;
            set_deployed(aws, &stack_id, status);
        }
    }
    // Retries of events end with this task and not before.
    deliveries.ended().await;
}

/// Over when the operation under way is to end early.
fn cancelled(aws: &LocalAws, stack_id: &str) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let cancel = with_stack(aws, stack_id, |stack| Arc::clone(&stack.cancel));
    Box::pin(async move {
        match cancel {
            Some(cancel) => cancel.notified().await,
            None => std::future::pending().await,
        }
    })
}

/// Which template counts after an update or a rollback.
fn set_deployed(aws: &LocalAws, stack_id: &str, status: StackStatus) {
    with_stack(aws, stack_id, |stack| match status {
        StackStatus::UpdateComplete => {
            stack.previous = None;
            stack.unfinished = None;
        }
        StackStatus::UpdateRollbackComplete => {
            if let Some(previous) = stack.previous.take() {
                stack.deployed = previous;
            }
            stack.unfinished = None;
        }
        _ => {}
    });
}

fn with_stack<R>(aws: &LocalAws, stack_id: &str, f: impl FnOnce(&mut StackRecord) -> R) -> Option<R> {
    aws.with(|world, _| world.cloudformation.stacks.get_mut(stack_id).map(f))
}

/// What the template of a stack makes of its resources.
fn plan(aws: &LocalAws, stack_id: &str, cancel: Cancel) -> Result<Plan, String> {
    let (deployed, before, on_failure, name, exports) = aws
        .with(|world, _| {
            let cloudformation = &world.cloudformation;
            let stack = cloudformation.stacks.get(stack_id)?;
            let exports = cloudformation.all_exports();
            Some((stack.deployed.clone(), stack.live(), stack.on_failure, stack.name.clone(), exports))
        })
        .ok_or("the stack is gone")?;
    aws.with(|world, _| network_parameters(world, &deployed))?;
    let values: BTreeMap<String, String> = exports.into_iter().map(|(name, (value, _))| (name, value)).collect();
    let context = Arc::new(Context { deployed, stack_id: stack_id.to_owned(), name, exports: values });
    let declared = context.declared()?;
    // An import that there is not fails the stack before anything is made.
    let imports = context.imports()?;
    with_stack(aws, stack_id, |stack| stack.deployed.imports = imports);
    let (resolving, finishing) = (Arc::clone(&context), context);
    let aws = aws.clone();
    Ok(Plan {
        declared,
        before,
        resolve: Box::new(move |value, known| resolving.with_scope(|scope| scope.resolve(value, known))),
        finish: Box::new(move |known| finishing.publish(&aws, known)),
        on_failure,
        cancel,
    })
}

/// Parameters of AWS's own types name something that is there.
fn network_parameters(world: &World, deployed: &Deployed) -> Result<(), String> {
    for (name, declaration) in deployed.template.section("Parameters") {
        let kind = declaration["Type"].as_str().unwrap_or_default();
        let values = match &deployed.parameters[name] {
            Value::Array(values) => values.clone(),
            value => vec![value.clone()],
        };
        for value in values.iter().filter_map(Value::as_str) {
            let ec2 = &world.ec2;
            let is_there = match kind.trim_start_matches("List<").trim_end_matches('>') {
                "AWS::EC2::VPC::Id" => ec2.vpc_block(value).is_some(),
                "AWS::EC2::Subnet::Id" => ec2.subnet(value).is_some(),
                "AWS::EC2::SecurityGroup::Id" => ec2.security_group(value).is_some(),
                _ => true,
            };
            if !is_there {
                return Err(format!(
                    "Parameter validation failed: parameter value {value} for parameter name {name} does not exist"
                ));
            }
        }
    }
    Ok(())
}

/// What a template is resolved with.
pub(super) struct Context {
    pub(super) deployed: Deployed,
    pub(super) stack_id: String,
    pub(super) name: String,
    pub(super) exports: BTreeMap<String, String>,
}

impl Context {
    pub(super) fn with_scope<R>(&self, f: impl FnOnce(&Scope<'_>) -> Result<R, String>) -> Result<R, String> {
        let names = StackNames { id: &self.stack_id, name: &self.name };
        let exports = |name: &str| self.exports.get(name).cloned();
        f(&Scope::new(&self.deployed.template, &self.deployed.parameters, names, &exports)?)
    }

    pub(super) fn declared(&self) -> Result<BTreeMap<String, Declared>, String> {
        self.with_scope(|scope| {
            let (template, conditions) = (&self.deployed.template, scope.conditions());
            let resources = template.resources(conditions).into_iter();
            Ok(resources
                .map(|(name, resource)| {
                    let deletion = resource["DeletionPolicy"].as_str().unwrap_or_default();
                    let declared = Declared {
                        resource_type: resource["Type"].as_str().unwrap_or_default().to_owned(),
                        properties: match &resource["Properties"] {
                            Value::Null => Value::Object(serde_json::Map::new()),
                            properties => properties.clone(),
                        },
                        needs: template.dependencies(resource, conditions),
                        policies: Policies {
                            retain_deleted: deletion.starts_with("Retain"),
                            except_on_create: deletion == "RetainExceptOnCreate",
                            retain_replaced: resource["UpdateReplacePolicy"] == "Retain",
                        },
                    };
                    (name.to_owned(), declared)
                })
                .collect())
        })
    }

    /// Names of the exports that are used; all of them have to be there.
    fn imports(&self) -> Result<BTreeSet<String>, String> {
        self.with_scope(|scope| {
            let mut found = BTreeSet::new();
            let (template, conditions) = (&self.deployed.template, scope.conditions());
            for resource in template.resources(conditions).values() {
                imported(&resource["Properties"], scope, &mut found)?;
            }
            match found.iter().find(|name| !self.exports.contains_key(*name)) {
                Some(missing) => Err(format!("No export named {missing} found.")),
                None => Ok(found),
            }
        })
    }

    /// Outputs and exports.
    fn publish(&self, aws: &LocalAws, known: &BTreeMap<String, Known>) -> Result<(), String> {
        let outputs = self.with_scope(|scope| {
            let mut outputs = Vec::new();
            for (key, output) in self.deployed.template.section("Outputs") {
                if holds(output, scope.conditions()) {
                    let export = &output["Export"]["Name"];
                    outputs.push(Output {
                        key: key.clone(),
                        value: scope.text(&output["Value"], known)?,
                        description: output["Description"].as_str().map(str::to_owned),
                        export: if export.is_null() { None } else { Some(scope.text(export, known)?) },
                    });
                }
            }
            Ok(outputs)
        })?;
        aws.with(|world, _| {
            let exports = world.cloudformation.exports_of_stacks();
            for name in outputs.iter().filter_map(|output| output.export.as_ref()) {
                if let Some((_, owner)) = exports.get(name).filter(|(_, owner)| *owner != self.stack_id) {
                    let owner = owner.split('/').nth(1).unwrap_or_default();
                    return Err(format!("Export with name {name} is already exported by stack {owner}. "));
                }
            }
            if let Some(stack) = world.cloudformation.stacks.get_mut(&self.stack_id) {
                stack.deployed.outputs = outputs;
            }
            Ok(())
        })
    }
}

/// Names of exports in a value.
fn imported(value: &Value, scope: &Scope<'_>, found: &mut BTreeSet<String>) -> Result<(), String> {
    match value {
        Value::Object(fields) => {
            for (name, child) in fields {
                if name == "Fn::ImportValue" {
                    found.insert(scope.text(child, &BTreeMap::new())?);
                } else {
                    imported(child, scope, found)?;
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| imported(item, scope, found)),
        _ => Ok(()),
    }
}

/// What an update would do, for a change set: the action, and whether the resource is replaced.
pub(super) fn changes(before: &BTreeMap<String, Resource>, context: &Context) -> Result<Vec<Change>, String> {
    let declared = context.declared()?;
    let mut known: BTreeMap<String, Known> =
        before.iter().map(|(name, resource)| (name.clone(), resource.known())).collect();
    let mut changes = Vec::new();
    for (name, wanted) in &declared {
        let kind = wanted.resource_type.clone();
        let Some(resource) = before.get(name).filter(|resource| !resource.failed) else {
            known.remove(name);
            changes.push(Change { action: "Add", name: name.clone(), kind, id: None });
            continue;
        };
        let resolved = context.with_scope(|scope| scope.resolve(&wanted.properties, &known));
        let same = resolved.is_ok_and(|properties| {
            super::properties::as_sent(&properties) == super::properties::as_sent(&resource.properties)
        });
        if !same || resource.dirty {
            changes.push(Change { action: "Modify", name: name.clone(), kind, id: Some(resource.physical_id.clone()) });
        }
    }
    for (name, resource) in before.iter().filter(|(name, _)| !declared.contains_key(*name)) {
        let (kind, id) = (resource.kind.clone(), Some(resource.physical_id.clone()));
        changes.push(Change { action: "Remove", name: name.clone(), kind, id });
    }
    Ok(changes)
}

/// One line of a change set.
pub(super) struct Change {
    pub(super) action: &'static str,
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) id: Option<String>,
}
