//! From what is wanted and what is there to the next steps: pure, and the one place that knows the order.
//!
//! A plan is made anew after every round, from a fresh look. Steps of one round do not depend on each other.
//!
//! To make a property change in place: compare it in the phase that it belongs to and return the step; to make it
//! refuse: `replacement`.

mod account;
mod cluster_mode;
mod create;
mod duration;
mod effect;
mod engine;
mod forecast;
mod generation;
mod login;
mod nodes;
mod one_way;
mod parameter_groups;
mod removal;
mod replacement;
mod settings;
mod step;
mod surroundings;
mod tags;
mod token;
mod transit;
mod warnings;

use std::fmt;

pub use account::{network_problems, problems as account_problems};
pub use forecast::Forecast;
pub use generation::{
    Generation, fits, generation, has_replaced, is_at_rest, is_decided, is_unfinished, not_replaced, seed_unused,
    stands, successor, unclear_return, undoes_replacement, way_back,
};
pub use one_way::concede;
pub use removal::{absent, kept_secret};
pub use replacement::Replacing;
pub use step::{LoginChange, NewSecret, SnapshotSource, StagedSecret, Step, TagTarget};
pub use warnings::warnings;

use crate::desired::Desired;
use crate::observed::{Account, Group, Observed, PENDING_LOGS, Status};
use crate::problem::Problem;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Take these steps side by side, then look again.
    Act(Vec<Step>),
    /// Nothing can be done before this has happened.
    Wait(Awaited),
    /// Everything is as it should be.
    Done,
    /// The wish cannot be granted; nothing of it was done.
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
    GroupSettled {
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
            (Awaited::GroupSettled { pending_counts }, Some(group)) => {
                is_settled(group, *pending_counts) || matches!(group.status, Status::CreateFailed | Status::Deleting)
            }
            (Awaited::GroupMade, Some(group)) => {
                is_settled(group, true) || matches!(group.status, Status::CreateFailed | Status::Deleting)
            }
            (Awaited::GroupDeletable, Some(group)) => is_deletable(group) || group.status == Status::Deleting,
            (Awaited::GroupSettled { .. } | Awaited::GroupDeletable | Awaited::GroupGone, None) => true,
            (Awaited::MemberAvailable(_) | Awaited::SnapshotAvailable(_), _)
            | (Awaited::GroupGone, Some(_))
            | (Awaited::GroupMade, None) => false,
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Awaited::GroupSettled { .. } | Awaited::GroupMade => f.write_str("the replication group to be available"),
            Awaited::MemberAvailable(id) => write!(f, "member {id} to be available"),
            Awaited::GroupDeletable => f.write_str("the replication group to be deletable"),
            Awaited::GroupGone => f.write_str("the replication group to be gone"),
            Awaited::SnapshotAvailable(name) => write!(f, "snapshot {name} to be available"),
        }
    }
}

fn is_settled(group: &Group, pending_counts: bool) -> bool {
    let mut group = group.clone();
    if !pending_counts {
        // A change of the login or of log delivery never waits for the window, so it is under way.
        group.pending.retain(|field| matches!(field.as_str(), "AuthTokenStatus" | "UserGroups" | PENDING_LOGS));
    }
    group.is_settled()
}

fn is_deletable(group: &Group) -> bool {
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

/// A wish with what it was before, as an Update brings it.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
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

impl<'a> Wish<'a> {
    /// For a group that did not stand before.
    #[must_use]
    pub fn new(desired: &'a Desired) -> Wish<'a> {
        Wish { desired, previous: None, guessed: false, renamed: None, direction: Direction::Forward }
    }
}

/// One look at a standing group, for the phases of an update.
#[derive(Clone, Copy, Debug)]
struct Pass<'a> {
    desired: &'a Desired,
    previous: Option<&'a Desired>,
    group: &'a Group,
    observed: &'a Observed,
    account: &'a Account,
}

/// The phases of an update in their order. Each runs only when the group and all its members are available with nothing
/// pending, and when every earlier one has nothing left to do.
const PHASES: &[fn(&Pass<'_>) -> Vec<Step>] = &[
    tags::steps,
    // Before anything is applied immediately.
    settings::take_back,
    // AWS changes neither failover, version, node type nor the number of nodes while cluster mode is compatible.
    cluster_mode::leave_compatible,
    // Failover and Multi-AZ go off before nodes go, because AWS refuses to shrink below what they need.
    nodes::failover_off,
    engine::waiting_node_type,
    engine::version,
    // More memory comes before anything that may need it.
    engine::node_type_up,
    cluster_mode::enable,
    nodes::shards,
    nodes::more_replicas,
    settings::steps,
    engine::node_type_down,
    // TLS cannot change while a login is in place.
    login::leave,
    transit::steps,
    login::steps,
    settings::log_delivery,
    nodes::failover_on,
    nodes::fewer_replicas,
    cluster_mode::enter_compatible,
    surroundings::tidy,
    generation::seed_used,
    one_way::note,
    surroundings::created,
];

/// The next steps towards a group that is as wanted.
#[must_use]
pub fn present(wish: Wish<'_>, observed: &Observed, account: &Account) -> Plan {
    let desired = wish.desired;
    let foreign = replacement::foreign(desired, observed);
    if !foreign.is_empty() {
        return Plan::Refuse(foreign);
    }
    // Only a Create may find what nobody has been told of: an Update changes what stands.
    let is_left_behind = wish.previous.is_none() && observed.is_left_behind();
    match observed.group.as_ref().map(|group| &group.status) {
        Some(Status::Deleting) => return Plan::Wait(Awaited::GroupGone),
        Some(Status::CreateFailed) if is_left_behind => return removal::left_behind(observed),
        Some(Status::CreateFailed) => return Plan::CreateFailed,
        _ => {}
    }
    let impossible = replacement::obstacles(wish, observed).refused();
    if is_left_behind && (!impossible.is_empty() || desired.counts_at_creation()) {
        return removal::left_behind(observed);
    }
    if !impossible.is_empty() {
        return Plan::Refuse(impossible);
    }
    let around = surroundings::steps(wish, observed, account);
    if !around.is_empty() {
        return Plan::Act(around);
    }
    let mut steps = surroundings::ingress(desired, observed, account);
    let Some(group) = &observed.group else {
        steps.extend(create::group(wish, observed, account));
        return Plan::Act(steps);
    };
    if !steps.is_empty() {
        return Plan::Act(steps);
    }
    if !is_settled(group, desired.apply_immediately) {
        return Plan::Wait(Awaited::GroupSettled { pending_counts: desired.apply_immediately });
    }
    if let Some((id, _)) = observed.busy_member() {
        return Plan::Wait(Awaited::MemberAvailable(id.clone()));
    }
    let pass = Pass { desired, previous: wish.previous, group, observed, account };
    // A destination of before may have gone meanwhile; a warning tells.
    if wish.direction != Direction::Rollback
        && let Some(failed) = settings::failed_logs(&pass)
    {
        return failed;
    }
    let next = PHASES.iter().map(|phase| phase(&pass)).find(|steps| !steps.is_empty());
    next.map_or(Plan::Done, Plan::Act)
}

#[cfg(test)]
mod tests;
