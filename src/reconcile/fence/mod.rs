//! The fence: a run goes on only while its request is the newest. Calls AWS.
//!
//! CloudFormation works on one request for a resource at a time, but Lambda may deliver an event twice, late, or again
//! after an attempt died. So the subnet group of each generation carries a tag, `elasticache-resource:requests`: the
//! id of the newest request, when CloudFormation signed its response URL, and short marks of the last fifteen
//! requests, the newest first. The mark is a hash of stack, request id and response URL, because CloudFormation may
//! use a request id again for another try of a deployment, but never a URL.
//!
//! | A run finds its request | and |
//! | --- | --- |
//! | in front | goes on: a duplicate delivery, a later invocation, or Lambda's next try of the same event |
//! | not in the list | puts it in front before it changes or answers anything; a new subnet group is made with it |
//! | not in the list, but signed before the newest | stops: Lambda held the event back for too long |
//! | behind another | stops, without a change and without an answer |
//! | not in the list although it put itself there | stops; a Delete puts itself in front again, because nothing comes after it but another Delete |
//!
//! Every observation reads the tag, a long wait reads it every two minutes, and a run that failed reads it before it
//! answers. The tag is what an observation reads last. Unless that was just now, a run reads it once more right before it puts
//! itself in front, and an Update observes again afterwards, so that it sees what an older request did in between. Two
//! hours after the older one was asked for nobody works on it any more, and what was seen holds. Tags cannot be compared and set in one call: of two requests
//! that put themselves on in the same moment the last writer wins, and the other one stops at its next observation. A
//! change that was on its way then may still happen; the newer request sees it and goes on from there.
//!
//! Without a subnet group there is nothing to hold the tag. A Create makes it together with its first other things. If
//! it is gone again after that, a Delete has come across: the Create takes away what it made since, and fails. A
//! Delete that sees nothing observes once more a few seconds later. An Update that sees nothing checks the next
//! generations: one that it made itself, or that is newer, tells that it is an old event and the old generation is
//! gone for good.
//!
//! What nothing in the account tells is whether a Create comes for the first time, or again after a Delete has removed
//! everything. So before a run makes a subnet group that it has had no part in, it asks CloudFormation for the status
//! of the resource (`has_ended`). When that says that the request is over, and has said so only since the response URL
//! was signed, the run stops. A resource that was removed, or whose creation failed, "does not exist" for
//! CloudFormation; so does one whose creation has just begun and that the API does not show yet. So within the first
//! minute after the URL was signed the run asks again, and after it this answer means that the request is over. Where
//! CloudFormation cannot be asked, within 15 seconds, the run goes on.

pub mod requests;

use std::time::Duration;

use tracing::info;

use self::requests::FenceDecision;
use crate::aws::{Class, StatusAnswer};
use crate::domain::tags::{Owner, TAG_REQUESTS, Tags};
use crate::error::Error;
use crate::observed::{Observed, SubnetGroup};
use crate::plan::Direction;
use crate::reconcile::observe::Target;
use crate::reconcile::optional::optional;
use crate::reconcile::run::{OBSERVE_BEFORE_REFUSAL, Run};
use crate::reconcile::wait::POLLS_TO_SHOW;

/// Longest that beginning may be held up by asking whether CloudFormation still waits. A function in subnets without a way to
/// CloudFormation's API gets no answer at all.
const PATIENCE: Duration = Duration::from_secs(15);

/// How old a request is at least of which CloudFormation's API must know, if it still waits for it. Lambda delivers an event
/// again after a minute at the earliest, but for duplicates.
const FRESH: Duration = Duration::from_mins(1);

/// How long ago the tag may have been read at most when a claim is written over it.
const JUST_READ: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// The observation, if this request is still the newest. A subnet group that this request put itself on is missing because a
    /// Delete took it away, or because AWS does not show it yet; a few observations tell.
    pub(super) async fn fenced(&mut self, target: Target<'_>, mut observed: Observed) -> Result<Observed, Error> {
        let name = target.names.subnet_group();
        for poll in 1.. {
            match self.fence.decide(&name, &observed, target.owner) {
                FenceDecision::Stop => return Err(Error::Superseded),
                FenceDecision::Proceed | FenceDecision::Claim { .. } => break,
                FenceDecision::Gone if poll > POLLS_TO_SHOW => {
                    self.removed_meanwhile = true;
                    return Err(Error::DeletedMeanwhile { group: target.names.replication_group.clone() });
                }
                FenceDecision::Gone => {
                    self.waiter.pause(poll, "AWS to show the subnet group", "").await?;
                    observed = self.observe_unfenced(target).await?;
                }
            }
        }
        self.watch(target, &observed);
        Ok(observed)
    }

    /// From now on a long wait checks this subnet group, if it is ours.
    pub(super) fn watch(&mut self, target: Target<'_>, observed: &Observed) {
        let own = |group: &&SubnetGroup| target.owner.owns(&group.tags);
        if let Some(group) = observed.subnet_group.as_ref().filter(own) {
            self.fence.seen(group);
            self.fenced_groups.insert(group.arn.clone());
        }
    }

    /// Makes this request the newest one on what was seen, before it changes or answers anything. Returns whether an older one
    /// may have done something after that observation: it was the newest until now, and may still be at work. Where there is nothing yet that could say so,
    /// CloudFormation is asked.
    pub(super) async fn claim(&mut self, target: Target<'_>, observed: &Observed) -> Result<bool, Error> {
        let name = target.names.subnet_group();
        let decision = self.fence.decide(&name, observed, target.owner);
        let (FenceDecision::Claim { arn, .. }, Some(group)) = (decision, &observed.subnet_group) else {
            if self.fence.would_start(&name, observed) && self.has_ended(target.owner).await {
                return Err(Error::Superseded);
            }
            return Ok(false);
        };
        // The tag cannot be compared and set: unless it was read just now, it is read once more right before the write.
        let mut group = group.clone();
        let is_fresh = self.waiter.is_fenced_within(JUST_READ);
        // Without it the claim would be written over what it has not seen.
        if !is_fresh && let Some(tags) = self.waiter.persist(|| self.aws.cache_tags(&arn)).await? {
            group.tags = tags;
        }
        let now = Observed { subnet_group: Some(group.clone()), ..Observed::default() };
        let value = match self.fence.decide(&name, &now, target.owner) {
            FenceDecision::Claim { value, .. } => value,
            FenceDecision::Stop => return Err(Error::Superseded),
            // A duplicate delivery was quicker.
            FenceDecision::Proceed | FenceDecision::Gone => return Ok(true),
        };
        let tags = Tags::from([(TAG_REQUESTS.to_owned(), value)]);
        for tries in 0.. {
            match self.waiter.persist(|| self.aws.tag_cache(&arn, &tags)).await {
                Ok(()) => {
                    self.waiter.fences();
                    self.fence.claimed(&group);
                    break;
                }
                // Gone since the observation; the next one tells what that means.
                Err(Error::Calls(faults)) if faults.iter().all(|fault| fault.class == Class::Missing) => break,
                Err(Error::Calls(faults)) if faults.iter().all(|fault| fault.class == Class::Busy) => {
                    self.waiter.pause(tries, "the subnet group to take a tag", "").await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(!self.fence.is_long_after(&group.tags))
    }

    /// Whether CloudFormation went on after this request: an event that Lambda delivers again must not make anew what a
    /// Delete has removed. A resource that is gone from its stack, or whose creation failed, is not known to it any more;
    /// one whose creation just begins may not be known yet, so a fresh request asks again. What cannot be asked says
    /// nothing.
    async fn has_ended(&self, owner: &Owner) -> bool {
        let Some(signed_at) = self.fence.request().signed_at() else { return false };
        for poll in 0.. {
            let ask = self.waiter.inquire(|| self.aws.resource_status(&owner.stack_id, &owner.logical_id));
            let why = match optional(PATIENCE, ask).await {
                Ok(StatusAnswer::Status(status)) => {
                    return status.ends(signed_at.epoch_seconds())
                        || self.updates.as_deref().is_some_and(|id| status.is_past(id));
                }
                Ok(StatusAnswer::NoResource) if self.waiter.deadline.started.elapsed() >= FRESH => return true,
                Ok(StatusAnswer::NoResource) => {
                    match self.waiter.pause(poll, "CloudFormation to show the resource", "").await {
                        Ok(()) => continue,
                        Err(error) => error.to_string(),
                    }
                }
                Ok(StatusAnswer::Nothing) => return false,
                Err(why) => why,
            };
            info!(why, "CloudFormation does not say whether it waits for this request; going on");
            return false;
        }
        false
    }

    /// Which way CloudFormation goes with the stack. It is asked once for a request.
    pub(super) async fn direction(&mut self, owner: &Owner) -> Direction {
        if self.rolls_back.is_none() {
            // A right that was just given is waited for: what is not known here is refused later.
            let ask = self.waiter.persist(|| self.aws.stack_status(&owner.stack_id));
            let why = match optional(self.waiter.deadline.at_most(PATIENCE), ask).await {
                Ok(status) => {
                    self.rolls_back = match status.as_deref() {
                        Some("UPDATE_IN_PROGRESS") => Some(false),
                        Some("UPDATE_ROLLBACK_IN_PROGRESS") => Some(true),
                        _ => None,
                    };
                    self.no_update = self.rolls_back.is_none() && status.is_some();
                    format!("the stack is in {}", status.as_deref().unwrap_or("no known state"))
                }
                Err(why) => why,
            };
            if self.rolls_back.is_none() {
                info!(
                    why,
                    "CloudFormation does not say whether this is a rollback; what would go back to old data is refused"
                );
            }
        }
        match self.rolls_back {
            Some(false) => Direction::Forward,
            Some(true) => Direction::Rollback,
            None => Direction::Unknown,
        }
    }

    /// Whether a newer request took over, as far as can be told now.
    pub async fn is_superseded(&self) -> bool {
        let poll = async { Ok::<_, Error>(self.waiter.is_superseded(&self.fenced_groups, &self.fence).await) };
        optional(self.waiter.deadline.at_most(OBSERVE_BEFORE_REFUSAL), poll).await.unwrap_or(false)
    }
}
