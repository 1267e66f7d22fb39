//! Which request is the newest: pure.
//!
//! CloudFormation works on one request for a resource at a time, but its events may be late, come twice, or be tried
//! again by Lambda long after CloudFormation went on. So the subnet group of a generation carries, as a tag, the requests
//! that worked on it, the newest first. A request that is not in the list has just begun and puts itself in front; one
//! that is in the list behind another is over, whatever woke it up again.

use std::collections::{BTreeMap, BTreeSet};

use crate::cfn::signed_at::SignedAt;
use crate::domain::names::hash;
use crate::domain::tags::{Owner, TAG_REQUESTS};
use crate::observed::{Observed, SubnetGroup};

use crate::step::Step;

/// Characters of a request's mark in the tag.
const MARK: usize = 12;

/// Longest request id that is shown; CloudFormation's are UUIDs.
const SHOWN_ID: usize = 36;

/// Requests that are remembered. With id and date of the newest they fit into the 256 characters of a tag's value; a run that lasts longer
/// than this many later requests does not exist.
const REMEMBERED: usize = 15;

/// A response URL is good for two hours; nothing waits for an answer later.
const ANSWERABLE_MS: u64 = 2 * 60 * 60 * 1000;

/// One request, told from all others.
///
/// CloudFormation may use a request id again when a failed deployment is tried again, but it signs a new response URL for
/// it; so it takes both to tell a new request from a repeated delivery of an old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestKey {
    id: String,
    full: String,
    signed_at: Option<SignedAt>,
}

impl RequestKey {
    /// The key of the request with this id in this stack, to be answered at this URL, which was signed then.
    #[must_use]
    pub fn new(stack_id: &str, request_id: &str, response_url: &str, signed_at: Option<SignedAt>) -> RequestKey {
        let shown = request_id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(SHOWN_ID);
        RequestKey { id: shown.collect(), full: hash(&[stack_id, request_id, response_url], 40), signed_at }
    }

    /// The key as one word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.full
    }

    /// When CloudFormation signed its response URL.
    #[must_use]
    pub fn signed_at(&self) -> Option<SignedAt> {
        self.signed_at
    }

    /// The same in milliseconds since the epoch.
    #[must_use]
    pub fn signed_epoch_ms(&self) -> Option<u64> {
        self.signed_at.and_then(SignedAt::epoch_ms)
    }

    fn mark(&self) -> &str {
        &self.full[..MARK]
    }
}

/// How a request stands to the others that worked on the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It is the newest.
    Newest,
    /// Another one came after it.
    Superseded,
    /// It is not in the list.
    Unseen,
}

/// The value of the tag: id of the newest request, when it was signed (`-` when its URL does not say), and the marks of
/// all that are remembered, the newest first. The id is for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Requests {
    signed_at: Option<SignedAt>,
    marks: Vec<String>,
}

impl Requests {
    fn parse(value: &str) -> Requests {
        let mut words = value.split_whitespace().skip(1);
        let signed_at = words.next().and_then(|word| word.parse().ok());
        Requests { signed_at, marks: words.map(str::to_owned).collect() }
    }

    fn standing(&self, request: &RequestKey) -> Standing {
        match self.marks.iter().position(|mark| mark == request.mark()) {
            Some(0) => Standing::Newest,
            Some(_) => Standing::Superseded,
            // An event that Lambda held back for longer than CloudFormation waited has never run, but it is not new.
            None if matches!((request.signed_at, self.signed_at), (Some(own), Some(newest)) if own < newest) => {
                Standing::Superseded
            }
            None => Standing::Unseen,
        }
    }

    fn value_with(&self, request: &RequestKey) -> String {
        let id = if request.id.is_empty() { "-" } else { &request.id };
        let signed_at = request.signed_at.map_or("-".to_owned(), |date| date.to_string());
        let mut words = vec![id, &signed_at, request.mark()];
        words.extend(self.marks.iter().take(REMEMBERED - 1).map(String::as_str));
        words.join(" ")
    }
}

/// What a run has to do about the order before it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FenceDecision {
    /// Nothing.
    Proceed,
    /// Put this value into the tag of the subnet group with this ARN before anything is changed.
    Claim {
        /// The subnet group.
        arn: String,
        /// The new value of the tag.
        value: String,
    },
    /// Stop without a change and without an answer: a newer request is at work, or was.
    Stop,
    /// The subnet group that this request put itself on is not there.
    Gone,
}

/// The claims of one request: which subnet groups it put itself on, and what it found there before.
#[derive(Debug)]
pub struct Fence<'a> {
    request: &'a RequestKey,
    claims: BTreeMap<String, String>,
    /// Subnet groups that the request removes: nothing comes after that but another removal.
    removed: BTreeSet<String>,
}

impl<'a> Fence<'a> {
    /// A request that has claimed nothing yet.
    #[must_use]
    pub fn new(request: &'a RequestKey) -> Fence<'a> {
        Fence { request, claims: BTreeMap::new(), removed: BTreeSet::new() }
    }

    /// The request removes this subnet group and all that belongs to it.
    pub fn removes(&mut self, group: &str) {
        self.removed.insert(group.to_owned());
    }

    /// What was removed is over, and the request begins with nothing.
    pub fn restarts(&mut self) {
        for name in std::mem::take(&mut self.removed) {
            self.claims.remove(&name);
        }
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &'a RequestKey {
        self.request
    }

    /// Every subnet group that the request put itself on.
    #[must_use]
    pub fn claims(&self) -> &BTreeMap<String, String> {
        &self.claims
    }

    /// The claims on subnet groups that the request does not remove.
    #[must_use]
    pub fn kept_claims(&self) -> BTreeMap<String, String> {
        let kept = self.claims.iter().filter(|(group, _)| !self.removed.contains(*group));
        kept.map(|(group, before)| (group.clone(), before.clone())).collect()
    }

    /// Goes on with the claims of an earlier invocation.
    pub fn resume(&mut self, claims: &BTreeMap<String, String>) {
        self.claims.clone_from(claims);
    }

    /// What this observation means for the request. `group` names the subnet group that was looked for.
    #[must_use]
    pub fn decide(&self, group: &str, observed: &Observed, owner: &Owner) -> FenceDecision {
        let claimed_over = self.claims.get(group);
        match observed.subnet_group.as_ref().filter(|group| owner.owns(&group.tags)) {
            Some(group) => self.decide_at(group, claimed_over),
            None if observed.subnet_group.is_none() && claimed_over.is_some() && !self.removed.contains(group) => {
                FenceDecision::Gone
            }
            None => FenceDecision::Proceed,
        }
    }

    /// Whether the request would make this subnet group: it is not there, and the request has had no part in it yet.
    #[must_use]
    pub fn would_start(&self, group: &str, observed: &Observed) -> bool {
        observed.subnet_group.is_none() && !self.claims.contains_key(group) && !self.removed.contains(group)
    }

    fn decide_at(&self, group: &SubnetGroup, claimed_over: Option<&String>) -> FenceDecision {
        let value = group.tags.get(TAG_REQUESTS).map(String::as_str).unwrap_or_default();
        let requests = Requests::parse(value);
        match (requests.standing(self.request), claimed_over) {
            (Standing::Newest, _) => FenceDecision::Proceed,
            (Standing::Superseded, _) => FenceDecision::Stop,
            // AWS does not show the claim yet.
            (Standing::Unseen, Some(before)) if before == value => FenceDecision::Proceed,
            // Somebody put himself on it without seeing this request, which was there first.
            (Standing::Unseen, Some(_)) if !self.removed.contains(&group.name) => FenceDecision::Stop,
            (Standing::Unseen, _) => {
                FenceDecision::Claim { arn: group.arn.clone(), value: requests.value_with(self.request) }
            }
        }
    }

    /// An observation that let the request go on found this subnet group: whoever sees it gone later knows that it was there.
    pub fn seen(&mut self, group: &SubnetGroup) {
        if self.standing(&group.tags) == Standing::Newest {
            self.claims.entry(group.name.clone()).or_default();
        }
    }

    /// The claim on the subnet group was written.
    pub fn claimed(&mut self, group: &SubnetGroup) {
        let before = group.tags.get(TAG_REQUESTS).cloned().unwrap_or_default();
        self.claims.insert(group.name.clone(), before);
    }

    /// Whether a subnet group with this tag belongs to a newer request.
    #[must_use]
    pub fn is_superseded(&self, tags: &BTreeMap<String, String>) -> bool {
        self.standing(tags) == Standing::Superseded
    }

    /// Whether nobody can be at work any more on the requests in this tag: the newest was signed so long before this one
    /// that its answer is not taken any more.
    #[must_use]
    pub fn is_long_after(&self, tags: &BTreeMap<String, String>) -> bool {
        let newest = Requests::parse(tags.get(TAG_REQUESTS).map(String::as_str).unwrap_or_default()).signed_at;
        let dates = newest.and_then(SignedAt::epoch_ms).zip(self.request.signed_epoch_ms());
        dates.is_some_and(|(newest, own)| own.saturating_sub(newest) > ANSWERABLE_MS)
    }

    /// Whether this request, or one that is newer than it, worked on a subnet group with this tag.
    #[must_use]
    pub fn has_worked_on(&self, tags: &BTreeMap<String, String>) -> bool {
        self.standing(tags) != Standing::Unseen
    }

    fn standing(&self, tags: &BTreeMap<String, String>) -> Standing {
        let requests = Requests::parse(tags.get(TAG_REQUESTS).map(String::as_str).unwrap_or_default());
        requests.standing(self.request)
    }

    /// A new subnet group is born with the claim on it.
    pub fn stamp(&self, step: &mut Step) {
        if let Step::CreateSubnetGroup { tags, .. } = step {
            tags.insert(TAG_REQUESTS.to_owned(), Requests::default().value_with(self.request));
        }
    }

    /// A step was taken: the subnet group that it made carries the claim.
    pub fn applied(&mut self, step: &Step) {
        if let Step::CreateSubnetGroup { name, .. } = step {
            self.claims.insert(name.clone(), String::new());
            self.removed.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str, signed_at: Option<&str>) -> RequestKey {
        let signed_at = signed_at.map(|date| date.parse().unwrap());
        RequestKey::new("stack", id, "https://h/?s", signed_at)
    }

    fn owner() -> Owner {
        Owner { stack_id: "stack".to_owned(), logical_id: "Cache".to_owned() }
    }

    /// An observation of a subnet group with this value of the tag.
    fn poll(value: &str) -> Observed {
        let mut tags = owner().tags();
        tags.insert(TAG_REQUESTS.to_owned(), value.to_owned());
        let subnet_group =
            SubnetGroup { name: "g".to_owned(), arn: "arn:g".to_owned(), tags, ..SubnetGroup::default() };
        Observed { subnet_group: Some(subnet_group), ..Observed::default() }
    }

    fn claim(fence: &mut Fence<'_>, observed: &Observed) -> String {
        let FenceDecision::Claim { value, .. } = fence.decide("g", observed, &owner()) else { panic!("no claim") };
        fence.claimed(observed.subnet_group.as_ref().unwrap());
        value
    }

    #[test]
    fn whoever_comes_anew_goes_in_front_and_whoever_was_superseded_stops_for_good() {
        let (first, second, third) = (key("1", None), key("2", None), key("3", None));
        let (mut one, mut two, mut three) = (Fence::new(&first), Fence::new(&second), Fence::new(&third));
        let value = claim(&mut one, &poll(""));
        assert_eq!(one.decide("g", &poll(&value), &owner()), FenceDecision::Proceed);
        let value = claim(&mut two, &poll(&value));
        assert_eq!(one.decide("g", &poll(&value), &owner()), FenceDecision::Stop);
        let value = claim(&mut three, &poll(&value));
        for late in [&first, &second] {
            assert_eq!(
                Fence::new(late).decide("g", &poll(&value), &owner()),
                FenceDecision::Stop,
                "tried again by Lambda"
            );
        }
        assert_eq!(
            Fence::new(&third).decide("g", &poll(&value), &owner()),
            FenceDecision::Proceed,
            "tried again by Lambda"
        );
    }

    #[test]
    fn a_claim_that_is_not_shown_yet_holds_and_a_lost_one_stops() {
        let request = key("1", None);
        let mut fence = Fence::new(&request);
        let before = poll("0 - aaaaaaaaaaaa");
        claim(&mut fence, &before);
        assert_eq!(fence.decide("g", &before, &owner()), FenceDecision::Proceed);
        assert_eq!(fence.decide("g", &poll("2 - bbbbbbbbbbbb aaaaaaaaaaaa"), &owner()), FenceDecision::Stop);
        assert_eq!(fence.decide("g", &Observed::default(), &owner()), FenceDecision::Gone);
        fence.removes("g");
        assert!(matches!(fence.decide("g", &poll("2 - bbbbbbbbbbbb"), &owner()), FenceDecision::Claim { .. }));
        assert_eq!(fence.decide("g", &Observed::default(), &owner()), FenceDecision::Proceed);
    }

    #[test]
    fn an_event_that_was_held_back_is_not_new() {
        let late = key("1", Some("20261101T000000Z"));
        let newest = "2 20261101T010000Z bbbbbbbbbbbb";
        assert_eq!(Fence::new(&late).decide("g", &poll(newest), &owner()), FenceDecision::Stop);
        let same_second = key("1", Some("20261101T010000Z"));
        assert!(matches!(Fence::new(&same_second).decide("g", &poll(newest), &owner()), FenceDecision::Claim { .. }));
        let unknown = key("1", None);
        assert!(matches!(Fence::new(&unknown).decide("g", &poll(newest), &owner()), FenceDecision::Claim { .. }));
    }

    #[test]
    fn who_comes_hours_later_comes_alone() {
        let request = key("1", Some("20261101T030000Z"));
        let fence = Fence::new(&request);
        let alone = |value| fence.is_long_after(&poll(value).subnet_group.unwrap().tags);
        assert!(alone("2 20261101T005959Z bbbbbbbbbbbb"));
        for other in ["2 20261101T010000Z bbbbbbbbbbbb", "2 20261101T040000Z bbbbbbbbbbbb", "2 - bbbbbbbbbbbb", ""] {
            assert!(!alone(other), "{other}");
        }
        assert!(!Fence::new(&key("1", None)).is_long_after(&poll("2 20261101T005959Z b").subnet_group.unwrap().tags));
    }

    #[test]
    fn the_tag_keeps_to_the_length_of_a_value() {
        let mut value = String::new();
        for number in 0..40 {
            let id = format!("{number:036}");
            value = Requests::parse(&value).value_with(&key(&id, Some("20261101T000000Z")));
        }
        assert!(value.len() <= 256, "{} characters", value.len());
        assert_eq!(Requests::parse(&value).standing(&key(&format!("{:036}", 30), None)), Standing::Superseded);
        assert!(value.starts_with(&format!("{:036} ", 39)), "{value}");
    }

    #[test]
    fn a_request_id_that_is_used_again_is_a_new_request() {
        let one = RequestKey::new("stack", "id", "https://h/?a", None);
        assert_ne!(one, RequestKey::new("stack", "id", "https://h/?b", None));
    }
}
