//! What the tags of a subnet group say about the token of its cache: pure.
//!
//! AWS tells neither which token opens a cache nor which of ROTATE and SET was the last. So one tag says where the token
//! in force comes from, and while it is being changed another one says how far that is. Both change only in steps of their
//! own, so that whoever finds them can go on from there. No token and no hash of one is in them.

use std::fmt;

use crate::domain::names::hash;
use crate::domain::tags::{TAG_AUTH_CHANGE, TAG_TOKEN_SOURCE, Tags};

/// Where a token comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Generated, in a secret of ours.
    Generated {
        /// Hash of that secret's name.
        secret: String,
        /// Hash of the `AuthTokenVersion` that it was made for; empty without one.
        version: String,
    },
    /// The template, in a secret of ours.
    Template {
        /// Hash of that secret's name.
        secret: String,
    },
    /// A secret that we only read.
    External {
        /// Hash of its ARN and key.
        secret: String,
    },
}

impl Origin {
    /// A generated token in the secret of this name.
    #[must_use]
    pub fn generated(secret_name: &str, version: Option<&str>) -> Origin {
        let version = version.map(|version| hash(&[version], 16)).unwrap_or_default();
        Origin::Generated { secret: hash(&[secret_name], 16), version }
    }

    /// A token of the template in the secret of this name.
    #[must_use]
    pub fn template(secret_name: &str) -> Origin {
        Origin::Template { secret: hash(&[secret_name], 16) }
    }

    /// A token in a secret of somebody else.
    #[must_use]
    pub fn external(arn: &str, key: Option<&str>) -> Origin {
        Origin::External { secret: hash(&[arn, key.unwrap_or_default()], 32) }
    }

    /// Whether the token is in the secret of ours with this name.
    #[must_use]
    pub fn is_in(&self, secret_name: &str) -> bool {
        match self {
            Origin::Generated { secret, .. } | Origin::Template { secret } => *secret == hash(&[secret_name], 16),
            Origin::External { .. } => false,
        }
    }

    fn parse(text: &str) -> Option<Origin> {
        let mut parts = text.split(':');
        let (kind, secret, version) = (parts.next()?, parts.next()?.to_owned(), parts.next());
        match (kind, version) {
            ("generated", version) => {
                Some(Origin::Generated { secret, version: version.unwrap_or_default().to_owned() })
            }
            ("template", None) => Some(Origin::Template { secret }),
            ("external", None) => Some(Origin::External { secret }),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Generated { secret, version } if version.is_empty() => write!(f, "generated:{secret}"),
            Origin::Generated { secret, version } => write!(f, "generated:{secret}:{version}"),
            Origin::Template { secret } => write!(f, "template:{secret}"),
            Origin::External { secret } => write!(f, "external:{secret}"),
        }
    }
}

/// The token that the cache was last told to take, as [`TAG_TOKEN_SOURCE`] says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// Where it comes from.
    pub origin: Origin,
    /// The version of a external secret that it was read from. Ours have it in their current version.
    pub version: Option<String>,
}

impl InForce {
    /// What the tags say, if they say anything.
    #[must_use]
    pub fn read(tags: &Tags) -> Option<InForce> {
        let text = tags.get(TAG_TOKEN_SOURCE)?;
        let (origin, version) = match text.split_once('/') {
            Some((origin, version)) => (origin, Some(version.to_owned())),
            None => (text.as_str(), None),
        };
        Some(InForce { origin: Origin::parse(origin)?, version })
    }

    /// The tag that says so.
    #[must_use]
    pub fn tag(&self) -> Tags {
        let version = self.version.as_ref().map(|version| format!("/{version}")).unwrap_or_default();
        Tags::from([(TAG_TOKEN_SOURCE.to_owned(), format!("{}{version}", self.origin))])
    }
}

/// How far a change of the token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The new token is being added.
    Rotate,
    /// The same, while the cache takes a token that is not wanted any more: only a SET takes that one away.
    Back,
    /// The new token is to be the only one.
    Set,
    /// A scheduled rotation is adding the new token.
    Scheduled,
    /// A scheduled rotation is over, and the old token is still to go.
    Grace,
}

/// A change of the token under way, as [`TAG_AUTH_CHANGE`] says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How far it is.
    pub stage: Stage,
    /// Whether the cache had no token before.
    pub first: bool,
    /// Where the new token comes from.
    pub origin: Origin,
    /// The version of the secret that holds it.
    pub version: String,
    /// When AWS had last changed the token when the stage began; empty for never. What differs now is the stage's doing.
    pub modified: String,
}

impl Progress {
    /// What the tags say, if a change is under way.
    #[must_use]
    pub fn read(tags: &Tags) -> Option<Progress> {
        let parts: Vec<&str> = tags.get(TAG_AUTH_CHANGE)?.split('/').collect();
        let [word, origin, version, modified] = parts[..] else { return None };
        let (first, word) = word.strip_prefix("first-").map_or((false, word), |word| (true, word));
        let stage = match word {
            "rotate" => Stage::Rotate,
            "back" => Stage::Back,
            "set" => Stage::Set,
            "scheduled" => Stage::Scheduled,
            "grace" => Stage::Grace,
            _ => return None,
        };
        let (version, modified) = (version.to_owned(), modified.to_owned());
        Some(Progress { stage, first, origin: Origin::parse(origin)?, version, modified })
    }

    /// The tag that says so.
    #[must_use]
    pub fn tag(&self) -> Tags {
        let Progress { stage, first, origin, version, modified } = self;
        let first = if *first { "first-" } else { "" };
        let word = match stage {
            Stage::Rotate => "rotate",
            Stage::Back => "back",
            Stage::Set => "set",
            Stage::Scheduled => "scheduled",
            Stage::Grace => "grace",
        };
        Tags::from([(TAG_AUTH_CHANGE.to_owned(), format!("{first}{word}/{origin}/{version}/{modified}"))])
    }

    /// Whether the stage's change of the cache is through, given when AWS last changed the token.
    #[must_use]
    pub fn is_through(&self, modified: &str) -> bool {
        self.modified != modified
    }

    /// Whether it is an update's; a scheduled rotation goes on by itself.
    #[must_use]
    pub fn is_of_an_update(&self) -> bool {
        matches!(self.stage, Stage::Rotate | Stage::Back | Stage::Set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> [Origin; 4] {
        [
            Origin::generated("elasticache/a", None),
            Origin::generated("elasticache/a", Some("2026: the second / one")),
            Origin::template("elasticache/a"),
            Origin::external("arn:aws:secretsmanager:us-east-1:1:secret:theirs-AbCdEf", Some("key")),
        ]
    }

    #[test]
    fn what_a_tag_says_is_read_back() {
        for origin in origins() {
            for version in [None, Some("0123-4567".to_owned())] {
                let in_force = InForce { origin: origin.clone(), version };
                assert_eq!(InForce::read(&in_force.tag()), Some(in_force));
            }
            for stage in [Stage::Rotate, Stage::Back, Stage::Set, Stage::Scheduled, Stage::Grace] {
                for first in [false, true] {
                    let (version, modified) = ("v".repeat(64), "2026-11-23T00:57:22.123Z".to_owned());
                    let progress = Progress { stage, first, origin: origin.clone(), version, modified };
                    assert_eq!(Progress::read(&progress.tag()), Some(progress));
                }
            }
        }
        assert_eq!(Progress::read(&Tags::from([(TAG_AUTH_CHANGE.to_owned(), "anything".to_owned())])), None);
    }

    #[test]
    fn a_tag_is_what_every_service_takes() {
        for origin in origins() {
            let (version, modified) = ("v".repeat(64), "2026-11-23T00:57:22.123456789Z".to_owned());
            let progress = Progress { stage: Stage::Scheduled, first: true, origin, version, modified };
            let value = progress.tag().remove(TAG_AUTH_CHANGE).unwrap();
            assert!(value.len() <= 256, "{value}");
            assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || "+-=._:/@".contains(c)), "{value}");
        }
    }

    #[test]
    fn a_token_is_known_by_the_secret_it_is_in() {
        assert!(Origin::generated("a", Some("1")).is_in("a"));
        assert!(!Origin::template("a").is_in("b"));
        assert!(!Origin::external("a", None).is_in("a"));
    }
}
