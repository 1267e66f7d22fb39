//! Names that somebody else may have: of secrets and snapshots. Calls AWS, reading only.
//!
//! A secret that waits for its deletion keeps its name for up to 30 days. If it was this resource's, by its tags or by
//! those of a deleted stack of the same name, it is taken back. If it was another stack's, the next free name is used:
//! the usual one with `-2`, `-3` and so on. Nothing tells later which one that was, because names become free again,
//! so it is noted first: the tag `elasticache-resource:secret` of the subnet group holds the number and a hash of the
//! usual name. It comes with the subnet group, or before the secret where that stands already. Every request reads it
//! before anything else is decided; from then on the secret is one like that of a `SecretName`. A Delete removes such
//! a secret before the subnet group, which knows its name. Outside `elasticache/*` the role may not reach another
//! name, and the request is refused.
//!
//! The name of a final snapshot is made from the request; AWS refuses a taken one, and the next number is tried. The
//! snapshot between two generations carries our tags: one of its name without them is somebody else's and is neither
//! restored nor deleted.

use tracing::info;

use super::run::Run;
use super::wait::{POLLS_TO_SHOW, Rights};
use crate::aws::Class;
use crate::desired::{Desired, NumberedSecret, Removal};
use crate::domain::names::{self, Names};
use crate::domain::problem::Problem;
use crate::domain::tags::Owner;
use crate::error::Error;
use crate::observed::{Lookup, Observed, Secret};

/// Names for one secret that may all wait for their deletion: as many as are left by several stacks a day.
const SECRET_NAMES: u32 = 200;

/// Numbers in between that may have become free again.
const GAPS: u32 = 3;

/// Names for one snapshot that may all be taken.
const SNAPSHOT_NAMES: u32 = 20;

impl Run<'_> {
    /// Decides under which name the secret is: the next free one where the secret of another, deleted stack still has the
    /// usual one, and for good where it was made so before. `is_new` says that a secret of a deleted stack of our name may
    /// be taken over, because no group stands.
    ///
    /// # Errors
    /// The usual name waits for its deletion, and the function's role reaches no other.
    pub(super) async fn resolve_secret_name(&self, desired: &mut Desired, is_new: bool) -> Result<(), Error> {
        if !desired.auth.keeps_secret() {
            return Ok(());
        }
        let usual = desired.secret.name.clone();
        let owner = desired.owner.clone();
        let present = match self.seen_secret(&usual).await? {
            Some(present) if owner.owns(&present.tags) => return Ok(()),
            present => present,
        };
        if let Some(numbered) = self.noted_secret(&desired.names, &owner, &usual, is_new).await? {
            desired.resolve_secret_name(numbered);
            return Ok(());
        }
        let waits = present.filter(|secret| secret.deleted && !(is_new && owner.succeeds(&secret.tags)));
        if waits.is_none() {
            return Ok(());
        }
        if !usual.starts_with(names::SECRET_PREFIX) {
            return Err(Error::Refused(vec![waits_for_deletion(&usual)]));
        }
        for number in 2..=SECRET_NAMES {
            let numbered = NumberedSecret { usual: usual.clone(), number };
            let present = self.seen_secret(&numbered.name()).await?;
            let takes_over = |secret: &Secret| is_new && secret.deleted && owner.succeeds(&secret.tags);
            if present.is_none_or(|secret| owner.owns(&secret.tags) || takes_over(&secret)) {
                info!(
                    usual,
                    name = numbered.name(),
                    "the secret of another stack waits for its deletion under this name"
                );
                desired.resolve_secret_name(numbered);
                return Ok(());
            }
        }
        Err(Error::Refused(vec![waits_for_deletion(&usual)]))
    }

    /// What the subnet group of a generation says about the name of its secret.
    ///
    /// Where a cluster stands, one observation that does not show the subnet group decides nothing: another secret would mean
    /// another password.
    async fn noted_secret(
        &self,
        names: &Names,
        owner: &Owner,
        usual: &str,
        is_new: bool,
    ) -> Result<Option<NumberedSecret>, Error> {
        let name = names.subnet_group();
        let mut tags = None;
        for poll in 0..=POLLS_TO_SHOW {
            match self.waiter.persist(|| self.aws.subnet_group(&name)).await? {
                Some(group) => tags = self.waiter.persist(|| self.aws.cache_tags(&group.arn)).await?,
                None => self.waiter.found().no_subnet_group(&name),
            }
            if is_new || tags.is_some() || poll == POLLS_TO_SHOW {
                break;
            }
            self.waiter.pause(poll, "AWS to show the subnet group", "").await?;
        }
        Ok(tags.filter(|tags| owner.owns(tags)).and_then(|tags| NumberedSecret::read(usual, &tags)))
    }

    /// The secret of this name; none when it may not be looked at, which the observation reports.
    async fn seen_secret(&self, name: &str) -> Result<Option<Secret>, Error> {
        match self.waiter.answered(|| self.aws.secret(name), Rights::MayCome).await? {
            Err(fault) if fault.class == Class::Denied => Ok(None),
            Ok(secret) => {
                self.waiter.found().secret(name, secret.clone());
                Ok(secret)
            }
            Err(fault) => Err(fault.into()),
        }
    }

    /// The secret that has to be removed under another name than the usual one: the subnet group says so, or the usual name
    /// is another stack's and the subnet group was never made.
    pub(super) async fn numbered_secret(
        &self,
        removal: &Removal,
        observed: &Observed,
    ) -> Result<Option<NumberedSecret>, Error> {
        let (owner, usual) = (&removal.owner, &removal.secret_name);
        if observed.secret.as_ref().is_some_and(|secret| owner.owns(&secret.tags)) {
            return Ok(None);
        }
        let ours = observed.subnet_group.as_ref().filter(|group| owner.owns(&group.tags));
        if let Some(numbered) = ours.and_then(|group| NumberedSecret::read(usual, &group.tags)) {
            return Ok(Some(numbered));
        }
        if observed.secret.as_ref().is_none_or(|secret| !secret.deleted) || ours.is_some() {
            return Ok(None);
        }
        let mut gaps = 0;
        for number in 2..=SECRET_NAMES {
            let numbered = NumberedSecret { usual: usual.clone(), number };
            match self.seen_secret(&numbered.name()).await? {
                None if gaps == GAPS => break,
                None => gaps += 1,
                Some(secret) if owner.owns(&secret.tags) => return Ok(Some(numbered)),
                Some(_) => {}
            }
        }
        Ok(None)
    }

    /// The name of the snapshot from which generation `next` is made: the first that no snapshot of somebody else has.
    pub(super) async fn transfer_snapshot_name(&self, of: &str, next: &str, owner: &Owner) -> Result<String, Error> {
        let names = Names::of(of);
        for number in 1..=SNAPSHOT_NAMES {
            let name = names.transfer_snapshot(next, number);
            let found = self.waiter.persist(|| self.aws.snapshot(&name)).await?;
            let Lookup::Found(snapshot) = found else { return Ok(name) };
            let tags = self.waiter.persist(|| self.aws.cache_tags(&snapshot.arn)).await?;
            // What lists no tags now may be ours, on its way.
            if tags.is_none_or(|tags| owner.owns(&tags)) {
                return Ok(name);
            }
            info!(name, "a snapshot of somebody else has this name");
        }
        let rule = "cannot be made anew: every name for the snapshot that its data would come from is somebody else's";
        let fix = "delete the manual snapshots of that name";
        Err(Error::Refused(vec![
            Problem::new("ReplacementPolicy", rule, fix).with_value(names.transfer_snapshot(next, 1)),
        ]))
    }
}

fn waits_for_deletion(name: &str) -> Problem {
    let rule = "is the name of a secret of another stack that waits for its deletion";
    let fix = "set SecretName to another name, or delete that secret for good (aws secretsmanager delete-secret \
               --force-delete-without-recovery)";
    Problem::new("SecretName", rule, fix).with_value(name)
}
