//! The words of the planner: what it is asked for, what it answers, what a wait waits for. Pure.

use std::fmt;

use crate::desired::Desired;
use crate::domain::problem::Problem;
use crate::observed::{Account, Group, Observed, Status, pending};
use crate::step::Step;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Apply these steps concurrently, then observe again.
    Act(Vec<Step>),
    /// Nothing can be done before this has happened.
    Wait(Awaited),
    /// Everything is as it should be.
    Done,
    /// The desired state cannot be reached; nothing of it was done.
    Refuse(Vec<Problem>),
    /// AWS gave up on the group; its events say why.
    CreateFailed,
    /// AWS accepted this and says that it does not work.
    NotAchieved {
        /// What was asked for.
        step: String,
        /// What AWS says.
        reasons: Vec<String>,
    },
}

/// What a wait waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The group and its shards are available and nothing is pending.
    GroupStable {
        /// Whether changes that are left for the maintenance window hold the wait up.
        pending_counts: bool,
    },
    /// The group that was just asked for has appeared and is available, or never will be.
    GroupMade,
    /// This member is available.
    MemberAvailable(String),
    /// The group is in a state that AWS deletes from.
    GroupDeletable,
    /// The group is gone.
    GroupGone,
    /// This snapshot can be restored from.
    SnapshotAvailable(String),
}

impl Awaited {
    /// Whether the group as it is now ends the wait; members and snapshots are waited for by themselves.
    #[must_use]
    pub fn is_over(&self, group: Option<&Group>) -> bool {
        match (self, group) {
            (Awaited::GroupStable { pending_counts }, Some(group)) => {
                is_stable(group, *pending_counts) || matches!(group.status, Status::CreateFailed | Status::Deleting)
            }
            (Awaited::GroupMade, Some(group)) => {
                is_stable(group, true) || matches!(group.status, Status::CreateFailed | Status::Deleting)
            }
            (Awaited::GroupDeletable, Some(group)) => is_deletable(group) || group.status == Status::Deleting,
            (Awaited::GroupStable { .. } | Awaited::GroupDeletable | Awaited::GroupGone, None) => true,
            (Awaited::MemberAvailable(_) | Awaited::SnapshotAvailable(_), _)
            | (Awaited::GroupGone, Some(_))
            | (Awaited::GroupMade, None) => false,
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Awaited::GroupStable { .. } | Awaited::GroupMade => f.write_str("the replication group to be available"),
            Awaited::MemberAvailable(id) => write!(f, "member {id} to be available"),
            Awaited::GroupDeletable => f.write_str("the replication group to be deletable"),
            Awaited::GroupGone => f.write_str("the replication group to be gone"),
            Awaited::SnapshotAvailable(name) => write!(f, "snapshot {name} to be available"),
        }
    }
}

pub(super) fn is_stable(group: &Group, pending_counts: bool) -> bool {
    let mut group = group.clone();
    if !pending_counts {
        // A change of the authentication or of log delivery never waits for the window, so it is under way.
        group
            .pending
            .retain(|field| matches!(field.as_str(), pending::AUTH_TOKEN | pending::USER_GROUPS | pending::LOGS));
    }
    group.is_stable()
}

pub(super) fn is_deletable(group: &Group) -> bool {
    // A state that we do not know may be one to delete from; AWS says no if it is not.
    matches!(group.status, Status::Available | Status::CreateFailed | Status::Unknown(_))
}

/// Which way CloudFormation goes with the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The template is new.
    Forward,
    /// Back to the template of before, after something failed.
    Rollback,
    /// CloudFormation could not be asked.
    Unknown,
}

/// What is desired, with what it was before, as an Update brings it.
#[derive(Clone, Copy, Debug)]
pub struct Transition<'a> {
    /// What is wanted now.
    pub desired: &'a Desired,
    /// What was wanted before this Update, if its properties can still be read.
    pub previous: Option<&'a Desired>,
    /// Whether `previous` is only a guess, because those properties cannot be read.
    pub guessed: bool,
    /// What the properties name the resource now, when that is not what its physical id says.
    pub renamed: Option<&'a str>,
    /// Whether this is an Update or the rollback of one.
    pub direction: Direction,
}

impl<'a> Transition<'a> {
    /// For a group that did not stand before.
    #[must_use]
    pub fn new(desired: &'a Desired) -> Transition<'a> {
        Transition { desired, previous: None, guessed: false, renamed: None, direction: Direction::Forward }
    }
}

/// One observation of a standing group, for the phases of an update.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass<'a> {
    pub(crate) desired: &'a Desired,
    pub(crate) previous: Option<&'a Desired>,
    pub(crate) group: &'a Group,
    pub(crate) observed: &'a Observed,
    pub(crate) account: &'a Account,
    pub(crate) direction: Direction,
}
