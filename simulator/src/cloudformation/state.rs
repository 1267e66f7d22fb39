//! What CloudFormation knows: stacks, their resources and history, change sets and exports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use super::operation::Unfinished;
use super::stack::uuid;
use super::template::{Known, Parameters, Template};
use crate::clock::Time;
use crate::world::{ACCOUNT, AwsError, REGION};

/// State of the service: every stack that ever was, also deleted ones.
#[derive(Debug, Default)]
pub struct CloudFormation {
    pub(super) stacks: BTreeMap<String, StackRecord>,
    pub(super) change_sets: BTreeMap<String, ChangeSet>,
    /// Operations that a call began; whoever handled the call runs them.
    pub(super) begun: Vec<Begun>,
    /// Exports of stacks that are not here.
    exports: BTreeMap<String, String>,
    /// Whether types that are not known are accepted as things without behaviour.
    pub(super) lenient: bool,
    made: u64,
}

/// One stack.
#[derive(Debug)]
pub(super) struct StackRecord {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) created: Time,
    pub(super) updated: Option<Time>,
    pub(super) deleted: Option<Time>,
    pub(super) resources: BTreeMap<String, ResourceRecord>,
    pub(super) events: Vec<EventRecord>,
    pub(super) deployed: Deployed,
    /// What was deployed before the update under way, or that failed.
    pub(super) previous: Option<Deployed>,
    /// What a rollback still has to take back.
    pub(super) unfinished: Option<Unfinished>,
    pub(super) on_failure: OnStackFailure,
    /// Whether the creation under way is given up because the stack is to be deleted.
    pub(super) is_deleted_early: bool,
    pub(super) tags: Vec<Value>,
    /// Ends the operation under way early: an update is cancelled, a creation becomes a deletion.
    pub(super) cancel: Arc<Notify>,
}

/// What becomes of a stack whose operation failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OnStackFailure {
    /// It is taken back.
    #[default]
    RollBack,
    /// It stays as far as it came.
    DoNothing,
    /// The stack is deleted; only of a creation.
    Delete,
}

/// What a stack was asked to be.
#[derive(Clone, Debug)]
pub(super) struct Deployed {
    pub(super) template: Template,
    /// As they were given.
    pub(super) given: BTreeMap<String, String>,
    pub(super) parameters: Parameters,
    pub(super) outputs: Vec<Output>,
    /// Names of exports that it uses.
    pub(super) imports: BTreeSet<String>,
}

/// An output of a stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Output {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) description: Option<String>,
    pub(super) export: Option<String>,
}

/// What CloudFormation says of a resource, and what stands of it.
#[derive(Debug)]
pub(super) struct ResourceRecord {
    pub(super) kind: String,
    pub(super) physical_id: Option<String>,
    pub(super) status: &'static str,
    pub(super) reason: String,
    pub(super) since: Time,
    pub(super) live: Option<Resource>,
}

/// A resource that stands, or that failed half-way and may have left something.
#[derive(Clone, Debug, Default)]
pub(super) struct Resource {
    pub(super) kind: String,
    pub(super) physical_id: String,
    pub(super) properties: Value,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) needs: BTreeSet<String>,
    pub(super) policies: Policies,
    /// Whether its creation failed and was not rolled back: it is made again.
    pub(super) failed: bool,
    /// Whether an update failed and was not rolled back: it is updated whatever its properties.
    pub(super) dirty: bool,
}

/// `DeletionPolicy` and `UpdateReplacePolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policies {
    pub(super) retain_deleted: bool,
    /// The rollback of its creation removes it all the same.
    pub(super) except_on_create: bool,
    pub(super) retain_replaced: bool,
}

/// One line of the history as the API shows it.
#[derive(Debug)]
pub(super) struct EventRecord {
    pub(super) at: Time,
    pub(super) logical_id: String,
    pub(super) physical_id: Option<String>,
    pub(super) resource_type: String,
    pub(super) status: String,
    pub(super) reason: String,
    pub(super) properties: Option<String>,
}

/// A change set.
#[derive(Debug)]
pub(super) struct ChangeSet {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) stack_id: String,
    pub(super) is_create: bool,
    pub(super) status: &'static str,
    pub(super) reason: String,
    pub(super) execution: &'static str,
    pub(super) changes: Vec<Value>,
    pub(super) deployed: Deployed,
    pub(super) on_failure: OnStackFailure,
    pub(super) tags: Vec<Value>,
    pub(super) at: Time,
}

/// An operation that a call began.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(super) stack_id: String,
    pub(super) kind: BegunKind,
}

#[derive(Debug)]
pub(super) enum BegunKind {
    Create,
    Update,
    Delete {
        retain: BTreeSet<String>,
    },
    /// Of a stack whose failed operation was not rolled back.
    Rollback,
    ContinueRollback {
        skip: BTreeSet<String>,
    },
}

impl Resource {
    pub(super) fn is_custom(&self) -> bool {
        is_custom(&self.kind)
    }

    pub(super) fn known(&self) -> Known {
        Known {
            physical_id: self.physical_id.clone(),
            attributes: self.attributes.clone(),
            is_custom: self.is_custom(),
        }
    }
}

/// Whether a function is behind resources of this type.
pub(super) fn is_custom(resource_type: &str) -> bool {
    resource_type.starts_with("Custom::") || resource_type == "AWS::CloudFormation::CustomResource"
}

impl Deployed {
    pub(super) fn nothing() -> Deployed {
        Deployed {
            template: Template::empty(),
            given: BTreeMap::new(),
            parameters: Parameters::new(),
            outputs: Vec::new(),
            imports: BTreeSet::new(),
        }
    }
}

impl StackRecord {
    fn new(id: &str, name: &str, created: Time) -> StackRecord {
        StackRecord {
            id: id.to_owned(),
            name: name.to_owned(),
            status: String::new(),
            reason: String::new(),
            created,
            updated: None,
            deleted: None,
            resources: BTreeMap::new(),
            events: Vec::new(),
            deployed: Deployed::nothing(),
            previous: None,
            unfinished: None,
            on_failure: OnStackFailure::RollBack,
            is_deleted_early: false,
            tags: Vec::new(),
            cancel: Arc::default(),
        }
    }

    /// The resources that stand or failed half-way.
    pub(super) fn live(&self) -> BTreeMap<String, Resource> {
        let live = self.resources.iter().filter_map(|(name, record)| Some((name.clone(), record.live.clone()?)));
        live.collect()
    }
}

impl CloudFormation {
    /// An export that templates can import without a stack here.
    pub fn export(&mut self, name: &str, value: &str) {
        self.exports.insert(name.to_owned(), value.to_owned());
    }

    /// From now on resources of unknown types are accepted and do nothing.
    pub fn accept_unknown_types(&mut self) {
        self.lenient = true;
    }

    /// Exports by name: value, and the stack that it is from. A stack here goes before what is given without one.
    pub(super) fn all_exports(&self) -> BTreeMap<String, (String, String)> {
        let given = self.exports.iter().map(|(name, value)| (name.clone(), (value.clone(), elsewhere())));
        given.chain(self.exports_of_stacks()).collect()
    }

    /// Exports of the stacks here.
    pub(super) fn exports_of_stacks(&self) -> BTreeMap<String, (String, String)> {
        let stacks = self.stacks.values().filter(|stack| stack.deleted.is_none());
        let made = stacks.flat_map(|stack| {
            let outputs = stack.deployed.outputs.iter();
            outputs.filter_map(|output| Some((output.export.clone()?, (output.value.clone(), stack.id.clone()))))
        });
        made.collect()
    }

    /// The record of a stack that runs in this process, made when it is first heard of.
    pub(super) fn stack_at(&mut self, id: &str, name: &str, now: Time) -> &mut StackRecord {
        self.stacks.entry(id.to_owned()).or_insert_with(|| StackRecord::new(id, name, now))
    }

    /// A new stack with this name, which has done nothing yet.
    pub(super) fn new_stack(&mut self, name: &str, now: Time) -> &mut StackRecord {
        let id = format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{name}/{}", self.next_uuid());
        self.stack_at(&id, name, now)
    }

    pub(super) fn next_uuid(&mut self) -> String {
        self.made += 1;
        // Far from the numbers of the answer box, from which the ids of other stacks are made.
        uuid(self.made + (1 << 32))
    }

    /// The stack with this id, or the one that is there with this name.
    pub(super) fn find(&self, name_or_id: &str) -> Option<&StackRecord> {
        let by_name = || self.stacks.values().find(|stack| stack.name == name_or_id && stack.deleted.is_none());
        self.stacks.get(name_or_id).or_else(by_name)
    }

    /// Status of the stack with this id, or of the one that is there with this name.
    #[must_use]
    pub fn stack_status(&self, name_or_id: &str) -> Option<&str> {
        self.find(name_or_id).map(|stack| stack.status.as_str())
    }

    /// The same, as an error of the API when there is none.
    pub(super) fn named(&mut self, params: &Value) -> Result<&mut StackRecord, AwsError> {
        let name = params["StackName"].as_str().unwrap_or_default();
        let missing = || AwsError::new("ValidationError", format!("Stack [{name}] does not exist"));
        let id = self.find(name).filter(|stack| stack.deleted.is_none()).map(|stack| stack.id.clone());
        id.and_then(|id| self.stacks.get_mut(&id)).ok_or_else(missing)
    }

    /// Operations that calls began since this was last asked.
    pub(crate) fn take_begun(&mut self) -> Vec<Begun> {
        std::mem::take(&mut self.begun)
    }
}

fn elsewhere() -> String {
    format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/elasticache-resource/00000000-0000-4000-8000-000000000000")
}

/// Fields of a tree without those that are null.
pub(super) fn without_nulls(tree: Value) -> Value {
    match tree {
        Value::Object(fields) => {
            fields.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<String, Value>>().into()
        }
        other => json!(other),
    }
}
