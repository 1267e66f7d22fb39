//! Taking turns: a run goes on only while its request is the newest. Calls AWS.

use std::time::Duration;

use tracing::info;

use super::observe::Target;
use super::optional::optional;
use super::order::Turn;
use super::plan::Direction;
use super::{LOOK_BEFORE_REFUSAL, LOOKS_TO_SHOW, Run};
use crate::aws::{Class, Told};
use crate::desired::{Owner, TAG_REQUESTS, Tags};
use crate::error::Error;
use crate::observed::{Observed, SubnetGroup};

/// Longest that beginning may be held up by asking whether CloudFormation still waits. A function in subnets without a way to
/// CloudFormation's API gets no answer at all.
const PATIENCE: Duration = Duration::from_secs(15);

/// How old a request is at least of which CloudFormation's API must know, if it still waits for it. Lambda delivers an event
/// again after a minute at the earliest, but for duplicates.
const FRESH: Duration = Duration::from_mins(1);

impl Run<'_> {
    /// The look, if it is still this request's turn. A subnet group that this request put itself on is missing because a
    /// Delete took it away, or because AWS does not show it yet; a few looks tell.
    pub(super) async fn in_turn(&mut self, target: Target<'_>, mut observed: Observed) -> Result<Observed, Error> {
        let name = target.names.subnet_group();
        for look in 1.. {
            match self.order.turn(&name, &observed, target.owner) {
                Turn::Stop => return Err(Error::Overtaken),
                Turn::GoOn | Turn::Claim { .. } => break,
                Turn::Gone if look > LOOKS_TO_SHOW => {
                    self.swept_away = true;
                    return Err(Error::DeletedMeanwhile { group: target.names.replication_group.clone() });
                }
                Turn::Gone => {
                    self.waiter.pause(look, "AWS to show the subnet group", "").await?;
                    observed = self.glance(target).await?;
                }
            }
        }
        let own = |group: &&SubnetGroup| target.owner.owns(&group.tags);
        if let Some(group) = observed.subnet_group.as_ref().filter(own) {
            self.order.saw(group);
            self.order_kept_at.insert(group.arn.clone());
        }
        Ok(observed)
    }

    /// Makes this request the newest one on what was seen, before it changes or answers anything. Returns whether it was
    /// not yet: then an older one may have done something after that look. Where there is nothing yet that could say so,
    /// CloudFormation is asked.
    pub(super) async fn claim(&mut self, target: Target<'_>, observed: &Observed) -> Result<bool, Error> {
        let name = target.names.subnet_group();
        let turn = self.order.turn(&name, observed, target.owner);
        let (Turn::Claim { arn, .. }, Some(group)) = (turn, &observed.subnet_group) else {
            if self.order.would_begin(&name, observed) && self.has_ended(target.owner).await {
                return Err(Error::Overtaken);
            }
            return Ok(false);
        };
        // A look takes its time, and the tag cannot be compared and set: read it once more right before the write.
        let mut group = group.clone();
        // Without it the claim would be written over what it has not seen.
        if let Some(tags) = self.waiter.persist(|| self.aws.cache_tags(&arn)).await? {
            group.tags = tags;
        }
        let now = Observed { subnet_group: Some(group.clone()), ..Observed::default() };
        let value = match self.order.turn(&name, &now, target.owner) {
            Turn::Claim { value, .. } => value,
            Turn::Stop => return Err(Error::Overtaken),
            // A twin was quicker.
            Turn::GoOn | Turn::Gone => return Ok(true),
        };
        let tags = Tags::from([(TAG_REQUESTS.to_owned(), value)]);
        for tries in 0.. {
            match self.waiter.persist(|| self.aws.tag_cache(&arn, &tags)).await {
                Ok(()) => {
                    self.order.claimed(&group);
                    break;
                }
                // Gone since the look; the next one tells what that means.
                Err(Error::Calls(faults)) if faults.iter().all(|fault| fault.class == Class::Missing) => break,
                Err(Error::Calls(faults)) if faults.iter().all(|fault| fault.class == Class::Busy) => {
                    self.waiter.pause(tries, "the subnet group to take a tag", "").await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Whether CloudFormation went on after this request: an event that Lambda delivers again must not make anew what a
    /// Delete has removed. A resource that is gone from its stack, or whose creation failed, is not known to it any more;
    /// one whose creation just begins may not be known yet, so a fresh request asks again. What cannot be asked says
    /// nothing.
    async fn has_ended(&self, owner: &Owner) -> bool {
        let Some(issued) = self.order.request().issued() else { return false };
        for look in 0.. {
            let ask = self.waiter.inquire(|| self.aws.resource_status(&owner.stack_id, &owner.logical_id));
            let why = match optional(PATIENCE, ask).await {
                Ok(Told::Status(status)) => {
                    return status.ends(issued) || self.updates.as_deref().is_some_and(|id| status.is_past(id));
                }
                Ok(Told::NoResource) if self.waiter.deadline.started.elapsed() >= FRESH => return true,
                Ok(Told::NoResource) => {
                    match self.waiter.pause(look, "CloudFormation to show the resource", "").await {
                        Ok(()) => continue,
                        Err(error) => error.to_string(),
                    }
                }
                Ok(Told::Nothing) => return false,
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
    pub async fn is_overtaken(&self) -> bool {
        let look = async { Ok::<_, Error>(self.waiter.is_overtaken(&self.order_kept_at, &self.order).await) };
        optional(self.waiter.deadline.at_most(LOOK_BEFORE_REFUSAL), look).await.unwrap_or(false)
    }
}
