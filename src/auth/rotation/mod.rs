//! What a step of a rotation has to do next, given what is there: pure.
//!
//! As with updates everything is observed anew before each step, so that each can be repeated, and what is to be done is
//! said in the same [`Step`]s. How far the cache is stands in a tag on the subnet group (`token_state::Progress`): AWS says when
//! a token was last changed, not which one it is.

pub(crate) mod event;

use self::event::{RotationEvent, RotationStep};
use crate::auth::token_state::{InForce, Origin, Progress, Stage};
use crate::domain::secret::{AuthToken, SecretContent};
use crate::domain::tags::{Owner, TAG_AUTH_CHANGE, TAG_GRACE, TAG_LOGICAL_ID, TAG_STACK_ID, Tags};
use crate::observed::{Group, Secret, Status, SubnetGroup};
use crate::step::{AuthChange, StagedSecret, Step, TagTarget};

/// What was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The secret, with its current content and that of the version to come.
    pub secret: Option<Secret>,
    /// The replication group that the secret names.
    pub group: Option<Group>,
    /// Its subnet group.
    pub subnet_group: Option<SubnetGroup>,
    /// How long ago the step was asked for, in milliseconds.
    pub waited_ms: u64,
    /// Whether the function can connect to caches.
    pub reaches_caches: bool,
    /// What a connection with the new token came to, once one was tried.
    pub connection: Option<Result<(), String>>,
    /// Whether a SET was seen under way since something was last written down or changed.
    pub saw_set: bool,
    /// Whether AWS has agreed to make the new token the only one since this invocation began.
    pub agreed: bool,
    /// Whether AWS has said that the version has a value, which no observation has shown yet.
    pub has_value: bool,
}

impl Seen {
    /// Keeps in mind that AWS has accepted a step, or says that it has nothing to do.
    pub(crate) fn applied(&mut self, step: &Step) {
        self.saw_set = false;
        if let Step::ChangeAuth { change, .. } = step {
            self.agreed = matches!(change, AuthChange::Set { .. });
        }
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The step of the rotation is taken; why, for the log.
    Done(&'static str),
    /// It cannot be taken.
    Fail(String),
    /// Observe again later; what for.
    Wait(&'static str),
    /// It cannot be taken by what was seen, and AWS may show late what it needs: observe again a few times.
    Recheck(String),
    /// Nothing for this many milliseconds.
    Sleep(u64),
    /// Connect to the cache with the new token.
    Connect {
        /// Address of the cache.
        host: String,
        /// Its port.
        port: u16,
        /// The new token.
        token: AuthToken,
    },
    /// Apply a step.
    Apply(Box<Step>),
    /// Ask for the old token to be removed later, then apply a step.
    Schedule {
        /// When, in milliseconds from now.
        after_ms: u64,
        /// The step that gives the new token to readers.
        promote: Box<Step>,
    },
}

impl From<Step> for Decision {
    fn from(step: Step) -> Decision {
        Decision::Apply(Box::new(step))
    }
}

/// Who owns a secret, by its tags.
#[must_use]
pub(crate) fn owner(tags: &Tags) -> Option<Owner> {
    let tag = |key: &str| tags.get(key).cloned();
    Some(Owner { stack_id: tag(TAG_STACK_ID)?, logical_id: tag(TAG_LOGICAL_ID)? })
}

/// The next thing to do for this event.
#[must_use]
pub(crate) fn decide(event: &RotationEvent, seen: &Seen) -> Decision {
    if event.step == RotationStep::Retire && is_over(seen) {
        return Decision::Done("the secret or its cache is gone, and the old token with it");
    }
    Work::new(event, seen).map_or_else(|decision| decision, |work| work.decide())
}

/// Why a secret that somebody broke is not rotated.
fn unreadable(secret: &Secret) -> String {
    let flaw = secret.flaw.as_deref().unwrap_or("it has no value");
    let fix = "give it its JSON with the key password back, which AWSPREVIOUS may hold, or change AuthTokenVersion in the \
               template";
    format!("no password can be read from secret {}: {flaw}: {fix}", secret.name)
}

fn refused(reason: &str) -> String {
    format!(
        "the cache does not take the new token: {reason}: see that the function reaches the cache, and rotate again"
    )
}

/// Whether the stack was deleted, or is being deleted.
fn is_over(seen: &Seen) -> bool {
    seen.secret.as_ref().is_none_or(|secret| secret.deleted)
        || seen.group.as_ref().is_none_or(|group| group.status == Status::Deleting)
}

/// An event that may be worked on.
struct Work<'a> {
    event: &'a RotationEvent,
    seen: &'a Seen,
    secret: &'a Secret,
    group: &'a Group,
    subnet_group: &'a SubnetGroup,
    origin: Origin,
    progress: Option<Progress>,
}

impl<'a> Work<'a> {
    /// Checks that the secret is one of ours with a generated token, and that its cache is the one that belongs to it.
    fn new(event: &'a RotationEvent, seen: &'a Seen) -> Result<Work<'a>, Decision> {
        let name = &event.secret;
        let unscheduled = "remove the rotation schedule, or deploy the cluster's stack again";
        let Some(secret) = &seen.secret else {
            return Err(Decision::Recheck(format!("secret {name} does not exist: {unscheduled}")));
        };
        let Some(owner) = owner(&secret.tags) else {
            let why = format!("it lacks the tags {TAG_STACK_ID} and {TAG_LOGICAL_ID}");
            return Err(Decision::Fail(format!("secret {name} was not made by this function, {why}: {unscheduled}")));
        };
        if secret.deleted {
            let fix = "remove the rotation schedule, or restore the secret";
            return Err(Decision::Fail(format!("secret {name} is scheduled for deletion: {fix}")));
        }
        if event.step != RotationStep::Retire && secret.flaw.is_some() {
            return Err(Decision::Fail(unreadable(secret)));
        }
        let (Some(group), Some(subnet_group)) = (&seen.group, &seen.subnet_group) else {
            return Err(Decision::Recheck(format!("the cache of secret {name} does not exist: {unscheduled}")));
        };
        if !owner.owns(&subnet_group.tags) {
            let other = format!("{} does not belong to the resource that secret {name} belongs to", group.id);
            return Err(Decision::Fail(format!("{other}: {unscheduled}")));
        }
        let origin = match InForce::read(&subnet_group.tags) {
            None => Origin::generated(&secret.name, None),
            Some(record) if matches!(record.origin, Origin::Generated { .. }) && record.origin.is_in(&secret.name) => {
                record.origin
            }
            Some(_) => {
                let reason = "does not have a generated token from it: change the token where it comes from";
                return Err(Decision::Fail(format!("{} {reason}", group.id)));
            }
        };
        Ok(Work { event, seen, secret, group, subnet_group, origin, progress: Progress::read(&subnet_group.tags) })
    }

    fn decide(&self) -> Decision {
        let version = self.event.version.as_str();
        let is_current = self.secret.current() == Some(version);
        if self.event.step == RotationStep::Retire {
            return self.retire(is_current);
        }
        if !self.secret.rotates {
            let name = &self.secret.name;
            let fix = "give it a schedule again";
            return Decision::Recheck(format!("rotation of secret {name} is not enabled: {fix}"));
        }
        if !is_current && self.secret.pending() != Some(version) {
            let why = "most likely the token was changed meanwhile: rotate again";
            return Decision::Recheck(format!(
                "version {version} of secret {} is not pending, {why}",
                self.secret.name
            ));
        }
        match self.event.step {
            RotationStep::Finish => self.finish(is_current),
            _ if is_current => Decision::Done("the version is current already"),
            RotationStep::Create => self.create(),
            RotationStep::Test if self.is_trial() => Decision::Done("a trial of the schedule: it brings no new token"),
            _ if self.new_content().is_none() => self.no_value(),
            RotationStep::Test => self.test(),
            RotationStep::Set | RotationStep::Retire => self.set(),
        }
    }

    fn new_content(&self) -> Option<&SecretContent> {
        self.secret.version(&self.event.version)
    }

    fn no_value(&self) -> Decision {
        let why = "the step that stores the new token came to nothing: rotate again";
        Decision::Recheck(format!(
            "version {} of secret {} has no value yet, {why}",
            self.event.version, self.secret.name
        ))
    }

    /// Stores a new token, pending.
    fn create(&self) -> Decision {
        let version = &self.event.version;
        if self.new_content().is_some() {
            return Decision::Done("the token is stored");
        }
        if self.seen.has_value {
            let why = "has a value already in which no token can be read: cancel the rotation and rotate again";
            return Decision::Recheck(format!("version {version} of secret {} {why}", self.secret.name));
        }
        let Some(content) = &self.secret.content else { return Decision::Recheck(unreadable(self.secret)) };
        // Readers get the new version as it is, so what somebody broke of the current one is put right in it.
        let content = self.group.told_in(content).unwrap_or_else(|| content.clone());
        let (arn, version) = (self.secret.arn.clone(), version.clone());
        Decision::from(Step::StageSecret(Box::new(StagedSecret { arn, version, content, token: None })))
    }

    /// Tries the new token, where the function reaches the cache.
    fn connect(&self) -> Decision {
        let Some(content) = self.new_content() else { return self.no_value() };
        let endpoint = self.group.main_endpoint();
        let port = endpoint.and_then(|endpoint| u16::try_from(endpoint.port).ok());
        match endpoint.zip(port) {
            Some((endpoint, port)) => {
                Decision::Connect { host: endpoint.address.clone(), port, token: content.token() }
            }
            None => Decision::Recheck(format!("{} shows no endpoint", self.group.id)),
        }
    }

    /// Changes what the cache takes.
    fn change(&self, change: impl FnOnce(AuthToken, String) -> AuthChange) -> Decision {
        let Some(content) = self.new_content() else { return self.no_value() };
        let change = change(content.token(), self.event.version.clone());
        Decision::from(Step::ChangeAuth { group: self.group.id.clone(), change })
    }

    fn target(&self) -> TagTarget {
        TagTarget::ElastiCache(self.subnet_group.arn.clone())
    }

    /// Gives the version to readers.
    fn promote(&self) -> Step {
        let from = self.secret.current().map(str::to_owned);
        Step::PromoteSecret { arn: self.secret.arn.clone(), to: self.event.version.clone(), from }
    }

    fn modified(&self) -> String {
        self.group.auth_token_modified.clone().unwrap_or_default()
    }

    /// Writes down how far the cache is.
    fn mark(&self, stage: Stage) -> Decision {
        let (origin, version) = (self.origin.clone(), self.event.version.clone());
        let progress = Progress { stage, first: false, origin, version, modified: self.modified() };
        Decision::from(Step::Tag { target: self.target(), tags: progress.tag() })
    }

    /// The cache is through.
    fn unmark(&self) -> Decision {
        Decision::from(Step::Untag { target: self.target(), keys: [TAG_AUTH_CHANGE.to_owned()].into() })
    }

    /// The tag, if it is about this rotation in this stage.
    fn in_stage(&self, stage: Stage) -> Option<&Progress> {
        self.progress.as_ref().filter(|progress| progress.stage == stage && progress.version == self.event.version)
    }

    /// What has to pass before the cache can be changed.
    fn obstacle(&self) -> Option<Decision> {
        if self.group.status == Status::Deleting {
            let fix = "remove the rotation schedule";
            return Some(Decision::Fail(format!("{} is being deleted: {fix}", self.group.id)));
        }
        if !self.group.is_stable() {
            return Some(Decision::Wait("the replication group to be available with nothing pending"));
        }
        if !self.group.auth_token_enabled {
            let fix = "deploy the cluster's stack again, or remove the rotation schedule";
            return Some(Decision::Fail(format!("{} takes no token: {fix}", self.group.id)));
        }
        None
    }

    fn set(&self) -> Decision {
        if let Some(obstacle) = self.obstacle() {
            return obstacle;
        }
        if self.progress.as_ref().is_some_and(Progress::is_of_an_update) {
            return Decision::Wait("an update of the stack to be done with the token");
        }
        match self.in_stage(Stage::Scheduled) {
            // The end of an earlier rotation's grace time met this one: what was written down no longer tells our ROTATE
            // from that SET.
            Some(_) if self.seen.saw_set => self.mark(Stage::Scheduled),
            Some(progress) if progress.is_through(&self.modified()) => Decision::Done("the cache takes the token"),
            Some(_) if self.seen.reaches_caches && self.seen.connection.is_none() => self.connect(),
            Some(_) if self.seen.connection == Some(Ok(())) => Decision::Done("the cache takes the token already"),
            Some(_) => self.change(|token, version| AuthChange::Rotate { token, version, from_user_groups: false }),
            None => self.mark(Stage::Scheduled),
        }
    }

    /// Whether Secrets Manager only tries a new schedule out: it then has a version tested that nobody made, a copy of the
    /// current one or an empty one. A rotation is tested after its token was stored and given to the cache.
    fn is_trial(&self) -> bool {
        let current = self.secret.content.as_ref().map(SecretContent::token);
        let brings_a_token = self.new_content().is_some_and(|new| Some(new.token()) != current);
        !brings_a_token && self.in_stage(Stage::Scheduled).is_none()
    }

    fn test(&self) -> Decision {
        if self.seen.reaches_caches {
            return match &self.seen.connection {
                None => self.connect(),
                Some(Ok(())) => Decision::Done("a connection with the token works"),
                Some(Err(reason)) => Decision::Fail(refused(reason)),
            };
        }
        if let Some(obstacle) = self.obstacle() {
            return obstacle;
        }
        if self.is_taken() {
            Decision::Done("AWS reports the token as taken; the function has no network access to try it")
        } else {
            self.not_given()
        }
    }

    fn not_given(&self) -> Decision {
        let why = "the step that has the cache take it came to nothing: rotate again";
        Decision::Recheck(format!("{} was not given the token, {why}", self.group.id))
    }

    /// Whether AWS has changed the token since this rotation asked for it.
    fn is_taken(&self) -> bool {
        self.in_stage(Stage::Scheduled).is_some_and(|progress| progress.is_through(&self.modified()))
    }

    fn grace_minutes(&self) -> Option<u64> {
        self.secret.tags.get(TAG_GRACE)?.parse().ok()
    }

    /// Gives the version to readers. What is to come after is written down, and asked for, before: once the version is
    /// current Secrets Manager does not repeat the step.
    fn finish(&self, is_current: bool) -> Decision {
        let grace = self.grace_minutes();
        if is_current {
            return match grace {
                Some(0) if self.in_stage(Stage::Grace).is_some() => self.remove_old(),
                Some(_) if self.in_stage(Stage::Grace).is_some() => {
                    Decision::Done("the old token goes when its time is over")
                }
                _ if self.in_stage(Stage::Scheduled).is_some() => self.unmark(),
                _ => Decision::Done("readers have the token"),
            };
        }
        if self.in_stage(Stage::Grace).is_some() {
            return match grace.filter(|minutes| *minutes > 0) {
                Some(minutes) => Decision::Schedule { after_ms: minutes * 60_000, promote: Box::new(self.promote()) },
                None => self.promote().into(),
            };
        }
        if !self.is_taken() && !self.seen.reaches_caches {
            return self.not_given();
        }
        if self.seen.reaches_caches && self.seen.connection.is_none() {
            return self.connect();
        }
        match (&self.seen.connection, grace) {
            (Some(Err(reason)), _) => Decision::Fail(refused(reason)),
            (_, Some(_)) => self.mark(Stage::Grace),
            (_, None) => self.promote().into(),
        }
    }

    fn retire(&self, is_current: bool) -> Decision {
        if self.in_stage(Stage::Grace).is_none() || !is_current {
            return Decision::Done("another change of the token came in between");
        }
        if self.seen.waited_ms < self.event.after_ms {
            return Decision::Sleep(self.event.after_ms - self.seen.waited_ms);
        }
        self.remove_old()
    }

    fn remove_old(&self) -> Decision {
        match (self.obstacle(), self.in_stage(Stage::Grace)) {
            (Some(obstacle), _) => obstacle,
            // The date may not tell a SET. A process that died after it asks again.
            (None, Some(progress)) if self.seen.agreed || progress.is_through(&self.modified()) => self.unmark(),
            (None, _) => self.change(|token, version| AuthChange::Set { token, version }),
        }
    }
}

#[cfg(test)]
mod tests;
