//! The operations of a stack: create, update, delete, and the way back, over any number of resources.
//!
//! ```text
//! forward ──ok──> finish ──> clean up what was replaced or removed
//!    └──failed──> roll back: updates back, then deletes what was made
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use super::answer::stir;
use super::custom_resource::{Ask, Failure};
use super::deliveries::Deliveries;
use super::graph::{Needs, OnFailure, in_order, reversed};
use super::native;
use super::outcome::{StackEvent, StackStatus};
use super::properties::as_sent;
use super::protocol::Answer;
use super::state::{EventRecord, OnStackFailure, Policies, Resource, ResourceRecord, StackRecord, is_custom};
use super::template::Known;
use crate::local_aws::LocalAws;
use crate::world::World;

/// Type of a stack in its own history.
const STACK_TYPE: &str = "AWS::CloudFormation::Stack";
const CANCELLED_CREATION: &str = "Resource creation cancelled";
const CANCELLED_UPDATE: &str = "Resource update cancelled";

/// Resolves the functions in properties with what has been made so far.
type Resolve = Box<dyn Fn(&Value, &BTreeMap<String, Known>) -> Result<Value, String> + Send + Sync>;
/// What is to be done when all resources are there.
type Finish = Box<dyn Fn(&BTreeMap<String, Known>) -> Result<(), String> + Send + Sync>;

/// What a resource is to be.
#[derive(Clone, Debug)]
pub(super) struct Declared {
    pub(super) resource_type: String,
    pub(super) properties: Value,
    pub(super) needs: BTreeSet<String>,
    pub(super) policies: Policies,
}

/// What an operation makes of its resources. A resource without a declaration is removed.
pub(super) struct Plan {
    pub(super) declared: BTreeMap<String, Declared>,
    pub(super) before: BTreeMap<String, Resource>,
    pub(super) resolve: Resolve,
    pub(super) finish: Finish,
    pub(super) on_failure: OnStackFailure,
    pub(super) cancel: Cancel,
}

/// When an operation is to end early.
pub(super) enum Cancel {
    Never,
    /// When this is over; what ended before that goes back all the same.
    For(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// When this is over, if the update is not.
    When(Pin<Box<dyn Future<Output = ()> + Send>>),
}

/// What an operation did to one resource so far.
#[derive(Clone, Debug)]
pub(super) struct Done {
    before: Option<Resource>,
    /// As it is now, or as far as it came; no id when none is known.
    latest: Resource,
}

/// What a rollback has to take back.
#[derive(Clone, Debug, Default)]
pub(super) struct Unfinished {
    pub(super) creates: bool,
    pub(super) done: BTreeMap<String, Done>,
}

/// One operation under way.
pub(super) struct Operation {
    aws: LocalAws,
    deliveries: Arc<Deliveries>,
    stack_id: String,
    stack_name: String,
    history: Mutex<History>,
}

#[derive(Default)]
pub(super) struct History {
    pub(super) answers: Vec<Answer>,
    pub(super) requests: Vec<Value>,
    pub(super) events: Vec<StackEvent>,
    /// Resources that failed on the way forward or on the way back, and why.
    pub(super) failures: Vec<(String, String)>,
}

impl Operation {
    pub(super) fn new(aws: &LocalAws, deliveries: Arc<Deliveries>, stack_id: &str, stack_name: &str) -> Operation {
        Operation {
            aws: aws.clone(),
            deliveries,
            stack_id: stack_id.to_owned(),
            stack_name: stack_name.to_owned(),
            history: Mutex::default(),
        }
    }

    pub(super) fn aws(&self) -> &LocalAws {
        &self.aws
    }

    pub(super) fn deliveries(&self) -> &Deliveries {
        &self.deliveries
    }

    pub(super) fn stack_id(&self) -> &str {
        &self.stack_id
    }

    pub(super) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes everything that is declared. A failure is rolled back, unless that is disabled.
    pub(super) async fn create(&self, plan: Plan) -> StackStatus {
        self.begin("CREATE_IN_PROGRESS", "User Initiated");
        let on_failure = plan.on_failure;
        let (run, failure) = self.forward(plan).await;
        if self.with_record(|record| record.is_deleted_early) {
            return self.delete_made("User Initiated", run.into_done()).await;
        }
        let Some(reason) = failure else { return self.end(StackStatus::CreateComplete, "") };
        match on_failure {
            OnStackFailure::DoNothing => {
                self.keep_failed(true, run);
                self.end(StackStatus::CreateFailed, &reason)
            }
            OnStackFailure::RollBack => {
                self.begin("ROLLBACK_IN_PROGRESS", &format!("{}Rollback requested by user.", spaced(&reason)));
                self.roll_back_creation(run.into_done()).await
            }
            OnStackFailure::Delete => {
                let reason = format!("{}Delete requested by user.", spaced(&reason));
                self.delete_made(&reason, run.into_done()).await
            }
        }
    }

    /// Changes, makes and removes until everything is as declared. A failure is rolled back, unless that is disabled.
    pub(super) async fn update(&self, plan: Plan) -> StackStatus {
        self.begin("UPDATE_IN_PROGRESS", "User Initiated");
        let (on_failure, before) = (plan.on_failure, plan.before.clone());
        let declared: BTreeSet<String> = plan.declared.keys().cloned().collect();
        let (run, failure) = self.forward(plan).await;
        let Some(reason) = failure else {
            self.begin("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "");
            self.clean_up_after_update(before, &declared, &run.into_done()).await;
            return self.end(StackStatus::UpdateComplete, "");
        };
        if on_failure == OnStackFailure::DoNothing {
            self.keep_failed(false, run);
            return self.end(StackStatus::UpdateFailed, &reason);
        }
        self.begin("UPDATE_ROLLBACK_IN_PROGRESS", &reason);
        self.roll_back_update(run.into_done()).await
    }

    /// Removes everything that is there, in reverse order.
    pub(super) async fn delete(&self, resources: BTreeMap<String, Resource>, retain: &BTreeSet<String>) -> StackStatus {
        self.begin("DELETE_IN_PROGRESS", "User Initiated");
        let failed = self.remove_all(resources, |name, resource| {
            retain.contains(name) || resource.policies.retain_deleted && !resource.failed
        });
        let failed = failed.await;
        if failed.is_empty() {
            return self.end(StackStatus::DeleteComplete, "");
        }
        self.end(StackStatus::DeleteFailed, &following(&failed, "delete"))
    }

    /// Takes back a failed operation that was not rolled back, or not to the end.
    pub(super) async fn roll_back(&self, unfinished: Unfinished, skip: &BTreeSet<String>) -> StackStatus {
        let mut done = unfinished.done;
        if unfinished.creates {
            self.begin("ROLLBACK_IN_PROGRESS", "User Initiated");
            return self.roll_back_creation(done).await;
        }
        self.begin("UPDATE_ROLLBACK_IN_PROGRESS", "User Initiated");
        for name in skip {
            if let Some(Done { before: Some(before), latest }) = done.remove(name) {
                let resource = Resource { physical_id: latest.physical_id, dirty: false, ..before };
                self.log(name, &resource.kind, "UPDATE_COMPLETE", Some(&resource.physical_id), "", None);
                self.put(name, resource);
            }
        }
        self.roll_back_update(done).await
    }

    /// A stack that cannot begin: nothing is made.
    pub(super) fn refuse_creation(&self, reason: &str) -> StackStatus {
        self.begin("CREATE_IN_PROGRESS", "User Initiated");
        self.begin("ROLLBACK_IN_PROGRESS", &format!("{}Rollback requested by user.", spaced(reason)));
        self.end(StackStatus::RollbackComplete, "")
    }

    /// An update that cannot begin: nothing is changed.
    pub(super) fn refuse_update(&self, reason: &str) -> StackStatus {
        self.begin("UPDATE_IN_PROGRESS", "User Initiated");
        self.begin("UPDATE_ROLLBACK_IN_PROGRESS", reason);
        self.begin("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "");
        self.end(StackStatus::UpdateRollbackComplete, "")
    }

    /// The way forward: what was done, and the reason of the stack when it failed.
    async fn forward(&self, plan: Plan) -> (Run, Option<String>) {
        let needs: Needs = plan.declared.iter().map(|(name, d)| (name.clone(), d.needs.clone())).collect();
        let on_failure = if plan.on_failure == OnStackFailure::DoNothing { OnFailure::GoOn } else { OnFailure::Stop };
        let Plan { declared, before, resolve, finish, cancel, .. } = plan;
        let always_back = matches!(cancel, Cancel::For(_));
        let interruption = match cancel {
            Cancel::Never => Box::pin(std::future::pending()),
            Cancel::For(when) | Cancel::When(when) => when,
        };
        let run = Run { declared, before, resolve, state: Mutex::default() };
        let ran = in_order(needs, on_failure, interruption, |name| self.apply(&run, name)).await;
        for name in &ran.given_up {
            self.give_up(&run, name);
        }
        let names = |creates: bool| -> Vec<String> {
            let failed = ran.failed.iter().chain(&ran.given_up);
            failed.filter(|name| run.creates(name) == creates).cloned().collect()
        };
        let mut reason = following(&names(true), "create");
        reason.push_str(&following(&names(false), "update"));
        if ran.failed.is_empty() && !ran.interrupted && !always_back {
            let known = run.state().known.clone();
            match finish(&known) {
                Ok(()) => return (run, None),
                Err(failure) => reason = failure,
            }
        }
        (run, Some(reason))
    }

    /// A resource that was under way when the operation was given up.
    fn give_up(&self, run: &Run, name: &str) {
        let creates = run.creates(name);
        let (status, reason) =
            if creates { ("CREATE_FAILED", CANCELLED_CREATION) } else { ("UPDATE_FAILED", CANCELLED_UPDATE) };
        let id = run.before.get(name).map(|before| before.physical_id.clone());
        let resource_type = run.declared.get(name).map(|d| d.resource_type.clone()).unwrap_or_default();
        self.log(name, &resource_type, status, id.as_deref(), reason, None);
        self.history().failures.push((name.to_owned(), reason.to_owned()));
    }

    /// One resource on the way forward; whether that succeeded.
    async fn apply(&self, run: &Run, name: String) -> bool {
        let Some(declared) = run.declared.get(&name) else { return true };
        let applied = self.make_or_change(run, &name, declared).await;
        match applied {
            Ok(resource) => {
                run.state().known.insert(name.clone(), resource.known());
                self.put(&name, resource);
                true
            }
            Err(failure) => {
                if let (Some(done), Some(id)) = (run.state().done.get_mut(&name), failure.physical_id) {
                    done.latest.physical_id = id;
                }
                self.history().failures.push((name, failure.reason));
                false
            }
        }
    }

    async fn make_or_change(&self, run: &Run, name: &str, declared: &Declared) -> Result<Resource, Failure> {
        let known = run.state().known.clone();
        let resolved = (run.resolve)(&declared.properties, &known);
        let before = run.before.get(name).filter(|before| !before.failed);
        let refuse = |reason: String| {
            let status = if before.is_some() { "UPDATE_FAILED" } else { "CREATE_FAILED" };
            let id = before.map(|before| before.physical_id.as_str());
            self.log(name, &declared.resource_type, status, id, &reason, None);
            Failure::new(reason)
        };
        let properties = match resolved {
            Ok(properties) if is_custom(&declared.resource_type) => as_sent(&properties),
            Ok(properties) => properties,
            Err(reason) => return Err(refuse(reason)),
        };
        let wanted = Resource {
            kind: declared.resource_type.clone(),
            properties,
            needs: declared.needs.clone(),
            policies: declared.policies,
            ..Resource::default()
        };
        let Some(before) = before else {
            let leftover = run.before.get(name).map(|failed| failed.physical_id.clone()).unwrap_or_default();
            return self.make(run, name, Resource { physical_id: leftover, ..wanted }).await;
        };
        if before.kind != wanted.kind {
            return Err(refuse(format!(
                "Update of resource type is not permitted. The new template modifies resource type of the following \
                 resources: [{name}]"
            )));
        }
        if before.properties == wanted.properties && !before.dirty {
            let (physical_id, attributes) = (before.physical_id.clone(), before.attributes.clone());
            return Ok(Resource { physical_id, attributes, ..wanted });
        }
        self.change(run, name, before, wanted).await
    }

    async fn make(&self, run: &Run, name: &str, wanted: Resource) -> Result<Resource, Failure> {
        if wanted.is_custom() {
            // Before it is asked for: an answer that is not waited for has made something all the same.
            run.state().done.insert(name.to_owned(), Done { before: None, latest: wanted.clone() });
            let ask = Ask { resource_type: &wanted.kind, properties: &wanted.properties, ..Ask::new("Create") };
            let answer = self.request(name, ask).await?;
            let made = Resource { physical_id: answer.physical_id, attributes: answer.data, ..wanted };
            run.state().done.insert(name.to_owned(), Done { before: None, latest: made.clone() });
            return Ok(made);
        }
        let made = native::create(self, name, wanted).await?;
        run.state().done.insert(name.to_owned(), Done { before: None, latest: made.clone() });
        Ok(made)
    }

    async fn change(&self, run: &Run, name: &str, before: &Resource, wanted: Resource) -> Result<Resource, Failure> {
        let begun = Resource { physical_id: before.physical_id.clone(), ..wanted.clone() };
        if wanted.is_custom() {
            run.state().done.insert(name.to_owned(), Done { before: Some(before.clone()), latest: begun });
        }
        let changed = self.update_one(name, before, wanted).await?;
        run.state().done.insert(name.to_owned(), Done { before: Some(before.clone()), latest: changed.clone() });
        Ok(changed)
    }

    /// Changes one resource from what it is to what is wanted.
    async fn update_one(&self, name: &str, from: &Resource, wanted: Resource) -> Result<Resource, Failure> {
        if !wanted.is_custom() {
            return native::update(self, name, from, wanted).await;
        }
        let ask = Ask {
            resource_type: &wanted.kind,
            physical_id: Some(&from.physical_id),
            properties: &wanted.properties,
            old: Some(&from.properties),
            ..Ask::new("Update")
        };
        let answer = self.request(name, ask).await?;
        Ok(Resource { physical_id: answer.physical_id, attributes: answer.data, ..wanted })
    }

    /// Removes one resource under this id.
    async fn remove(&self, name: &str, physical_id: &str, resource: &Resource) -> Result<(), Failure> {
        if !resource.is_custom() {
            return native::delete(self, name, physical_id, resource).await;
        }
        let ask = Ask {
            resource_type: &resource.kind,
            physical_id: Some(physical_id),
            properties: &resource.properties,
            ..Ask::new("Delete")
        };
        self.request(name, ask).await.map(|_| ())
    }

    /// Removes resources in reverse order; what may stay is skipped. Names of those that are still there.
    async fn remove_all(
        &self,
        resources: BTreeMap<String, Resource>,
        stays: impl Fn(&str, &Resource) -> bool,
    ) -> Vec<String> {
        let needs: Needs = resources.iter().map(|(name, resource)| (name.clone(), resource.needs.clone())).collect();
        let (resources, stays) = (&resources, &stays);
        let work = |name: String| async move {
            let Some(resource) = resources.get(&name) else { return true };
            let id = resource.physical_id.as_str();
            if stays(&name, resource) {
                self.log(&name, &resource.kind, "DELETE_SKIPPED", Some(id), "", None);
                self.forget(&name);
                return true;
            }
            match self.remove(&name, id, resource).await {
                Ok(()) => {
                    self.forget(&name);
                    true
                }
                Err(failure) => {
                    self.history().failures.push((name, failure.reason));
                    false
                }
            }
        };
        in_order(reversed(&needs), OnFailure::GoOn, std::future::pending(), work).await.failed
    }

    /// Removes what a creation has made so far, and the stack with it.
    async fn delete_made(&self, reason: &str, done: BTreeMap<String, Done>) -> StackStatus {
        self.begin("DELETE_IN_PROGRESS", reason);
        let made: BTreeMap<String, Resource> =
            done.into_iter().map(|(name, done)| (name.clone(), self.identified(&name, done.latest))).collect();
        let failed = self.remove_all(made.clone(), |_, resource| resource.policies.retain_deleted).await;
        if failed.is_empty() {
            return self.end(StackStatus::DeleteComplete, "");
        }
        for (name, resource) in made.into_iter().filter(|(name, _)| failed.contains(name)) {
            self.put(&name, resource);
        }
        self.end(StackStatus::DeleteFailed, &following(&failed, "delete"))
    }

    async fn roll_back_creation(&self, done: BTreeMap<String, Done>) -> StackStatus {
        let made = done.into_iter().map(|(name, done)| (name.clone(), self.identified(&name, done.latest)));
        let made: BTreeMap<String, Resource> = made.collect();
        let stays =
            |_: &str, resource: &Resource| resource.policies.retain_deleted && !resource.policies.except_on_create;
        let failed = self.remove_all(made.clone(), stays).await;
        if failed.is_empty() {
            return self.end(StackStatus::RollbackComplete, "");
        }
        for name in &failed {
            if let Some(resource) = made.get(name) {
                self.put(name, Resource { failed: false, ..resource.clone() });
            }
        }
        self.end(StackStatus::RollbackFailed, &following(&failed, "delete"))
    }

    /// Sends every resource that was changed back, and removes what was made.
    async fn roll_back_update(&self, done: BTreeMap<String, Done>) -> StackStatus {
        let changed = done.iter().filter_map(|(name, done)| Some((name.clone(), done.before.as_ref()?.needs.clone())));
        let (needs, returned): (Needs, Mutex<BTreeMap<String, String>>) = (changed.collect(), Mutex::default());
        let (all, ids) = (&done, &returned);
        let work = |name: String| async move {
            let Some(Done { before: Some(before), latest }) = all.get(&name) else { return true };
            let wanted = Resource { physical_id: String::new(), dirty: false, ..before.clone() };
            match self.update_one(&name, latest, wanted).await {
                Ok(resource) => {
                    ids.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(name.clone(), resource.physical_id.clone());
                    self.put(&name, resource);
                    true
                }
                Err(failure) => {
                    self.history().failures.push((name.clone(), failure.reason));
                    self.put(
                        &name,
                        Resource { physical_id: latest.physical_id.clone(), dirty: true, ..before.clone() },
                    );
                    false
                }
            }
        };
        let failed = in_order(needs, OnFailure::GoOn, std::future::pending(), work).await.failed;
        let returned = returned.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !failed.is_empty() {
            let left = done.into_iter().filter(|(name, _)| !returned.contains_key(name)).collect();
            self.with_record(|record| record.unfinished = Some(Unfinished { creates: false, done: left }));
            return self.end(StackStatus::UpdateRollbackFailed, &following(&failed, "update"));
        }
        self.begin("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "");
        self.clean_up_after_rollback(done, &returned).await;
        self.end(StackStatus::UpdateRollbackComplete, "")
    }

    /// Removes what the update replaced and what the template no longer has. CloudFormation gives up on what cannot be
    /// deleted (facts 1.4).
    async fn clean_up_after_update(
        &self,
        before: BTreeMap<String, Resource>,
        declared: &BTreeSet<String>,
        done: &BTreeMap<String, Done>,
    ) {
        for (name, done) in done {
            let Some(old) = &done.before else { continue };
            if old.physical_id != done.latest.physical_id && !done.latest.policies.retain_replaced {
                self.remove_quietly(name, &old.physical_id, old).await;
            }
        }
        let removed = before.into_iter().filter(|(name, _)| !declared.contains(name)).collect();
        self.remove_all(removed, |_, resource| resource.policies.retain_deleted && !resource.failed).await;
        self.with_record(|record| {
            record.resources.iter_mut().filter(|(name, _)| !declared.contains(*name)).for_each(|(_, r)| r.live = None);
        });
    }

    async fn clean_up_after_rollback(&self, done: BTreeMap<String, Done>, current: &BTreeMap<String, String>) {
        let mut made = BTreeMap::new();
        for (name, done) in done {
            let Some(before) = &done.before else {
                let resource = self.identified(&name, done.latest);
                made.insert(name, resource);
                continue;
            };
            let mut ids = vec![before.physical_id.as_str(), done.latest.physical_id.as_str()];
            ids.retain(|id| current.get(&name).is_some_and(|current| current != id));
            ids.dedup();
            for id in ids {
                self.remove_quietly(&name, id, &done.latest).await;
            }
        }
        let stays =
            |_: &str, resource: &Resource| resource.policies.retain_deleted && !resource.policies.except_on_create;
        self.remove_all(made, stays).await;
    }

    /// Removes a thing that the resource no longer stands for: the record goes on showing the resource.
    async fn remove_quietly(&self, name: &str, physical_id: &str, resource: &Resource) {
        // What is said of it in the history is enough.
        let _ = self.remove(name, physical_id, resource).await;
    }

    /// Notes what a later operation, or a rollback, finds of a failed one.
    fn keep_failed(&self, creates: bool, run: Run) {
        let done = run.into_done();
        for (name, done) in &done {
            match &done.before {
                None if self.is_failed(name) => {
                    self.put(name, Resource { failed: true, ..self.identified(name, done.latest.clone()) });
                }
                Some(before) if self.is_failed(name) => self.put(name, Resource { dirty: true, ..before.clone() }),
                _ => {}
            }
        }
        self.with_record(|record| record.unfinished = Some(Unfinished { creates, done }));
    }

    fn is_failed(&self, name: &str) -> bool {
        self.history().failures.iter().any(|(failed, _)| failed == name)
    }

    /// With an id for what never answered. Which one CloudFormation sends is not documented (facts 1.4); this is the shape
    /// that it gives resources without a name.
    fn identified(&self, name: &str, mut resource: Resource) -> Resource {
        if resource.physical_id.is_empty() {
            resource.physical_id = self.made_up_id(name);
        }
        resource
    }

    /// `<stack>-<logical id>-<12 letters and digits>`.
    pub(super) fn made_up_id(&self, logical_id: &str) -> String {
        const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let bits = stir(self.aws.answers().next_number()).to_be_bytes();
        let random: String = bits.iter().cycle().take(12).map(|b| char::from(ALPHABET[usize::from(*b) % 36])).collect();
        format!("{}-{logical_id}-{random}", self.stack_name)
    }

    /// From now on the resource is this.
    fn put(&self, logical_id: &str, resource: Resource) {
        self.with_record(|record| {
            if let Some(known) = record.resources.get_mut(logical_id) {
                known.physical_id = Some(resource.physical_id.clone());
                known.live = Some(resource);
            }
        });
    }

    fn forget(&self, logical_id: &str) {
        self.with_record(|record| record.resources.get_mut(logical_id).into_iter().for_each(|known| known.live = None));
    }

    /// From now on the stack does this.
    pub(super) fn begin(&self, status: &str, reason: &str) {
        self.with_record_at(|record, now| {
            record.note(status, reason, now);
        });
    }

    fn end(&self, status: StackStatus, reason: &str) -> StackStatus {
        self.with_record_at(|record, now| {
            record.note(&status.to_string(), reason, now);
            if status == StackStatus::DeleteComplete {
                record.deleted = Some(now);
            }
        });
        status
    }

    fn with_record<R>(&self, f: impl FnOnce(&mut StackRecord) -> R) -> R {
        self.with_record_at(|record, _| f(record))
    }

    fn with_record_at<R>(&self, f: impl FnOnce(&mut StackRecord, crate::clock::Time) -> R) -> R {
        self.aws.with(|world, now| f(self.record(world, now), now))
    }

    fn record<'w>(&self, world: &'w mut World, now: crate::clock::Time) -> &'w mut StackRecord {
        world.cloudformation.stack_at(&self.stack_id, &self.stack_name, now)
    }

    /// Writes one line of a resource's history.
    pub(super) fn log(
        &self,
        logical_id: &str,
        resource_type: &str,
        status: &'static str,
        physical_id: Option<&str>,
        reason: &str,
        properties: Option<&Value>,
    ) {
        let physical_id = physical_id.filter(|id| !id.is_empty()).map(str::to_owned);
        let at = self.with_record_at(|record, now| {
            let live = record.resources.remove(logical_id).and_then(|known| known.live);
            let known = ResourceRecord {
                kind: resource_type.to_owned(),
                physical_id: physical_id.clone(),
                status,
                reason: reason.to_owned(),
                since: now,
                live,
            };
            record.resources.insert(logical_id.to_owned(), known);
            record.events.push(EventRecord {
                at: now,
                logical_id: logical_id.to_owned(),
                physical_id: physical_id.clone(),
                resource_type: resource_type.to_owned(),
                status: status.to_owned(),
                reason: reason.to_owned(),
                properties: properties.map(Value::to_string),
            });
            now
        });
        let (logical_id, reason) = (logical_id.to_owned(), reason.to_owned());
        self.history().events.push(StackEvent { at, logical_id, physical_id, status, reason });
    }
}

impl StackRecord {
    /// Writes one line of the stack's own history.
    pub(super) fn note(&mut self, status: &str, reason: &str, now: crate::clock::Time) {
        status.clone_into(&mut self.status);
        reason.trim_end().clone_into(&mut self.reason);
        self.events.push(EventRecord {
            at: now,
            logical_id: self.name.clone(),
            physical_id: Some(self.id.clone()),
            resource_type: STACK_TYPE.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            properties: None,
        });
    }
}

/// The way forward of one operation.
struct Run {
    declared: BTreeMap<String, Declared>,
    before: BTreeMap<String, Resource>,
    resolve: Resolve,
    state: Mutex<RunState>,
}

#[derive(Default)]
struct RunState {
    known: BTreeMap<String, Known>,
    done: BTreeMap<String, Done>,
}

impl Run {
    fn state(&self) -> MutexGuard<'_, RunState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn creates(&self, name: &str) -> bool {
        self.before.get(name).is_none_or(|before| before.failed)
    }

    fn into_done(self) -> BTreeMap<String, Done> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).done
    }
}

/// `The following resource(s) failed to create: [A, B]. `
fn following(names: &[String], what: &str) -> String {
    if names.is_empty() {
        return String::new();
    }
    format!("The following resource(s) failed to {what}: [{}]. ", names.join(", "))
}

fn spaced(reason: &str) -> String {
    format!("{} ", reason.trim_end())
}
