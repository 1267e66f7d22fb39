//! Names of everything that is made for one generation of a resource: pure.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::domain::engine::Engine;

/// What the names of our secrets begin with, unless the template names them; the function's role reaches these.
pub(crate) const SECRET_PREFIX: &str = "elasticache/";

/// What they end with.
const SECRET_SUFFIX: &str = "auth-token";

/// Longest replication group id that AWS accepts.
const MAX_ID: usize = 40;
/// Longest name of a snapshot that the guide allows.
const MAX_SNAPSHOT: usize = 40;
/// Room that a generation suffix such as `-12` may need.
const GENERATION_ROOM: usize = 3;
/// Characters of a hash that keeps shortened names apart.
const HASH_CHARS: usize = 6;

/// The names of one generation: the replication group id and all that is called after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Replication group id, and CloudFormation's physical id.
    pub replication_group: String,
}

impl Names {
    /// Names after a replication group id.
    pub fn of(replication_group: impl Into<String>) -> Names {
        Names { replication_group: replication_group.into() }
    }

    /// Cache subnet group; it also carries the tags that say whose this generation is.
    #[must_use]
    pub fn subnet_group(&self) -> String {
        self.replication_group.clone()
    }

    /// Security group; the prefix keeps an id like `sg-app` from making a name that EC2 refuses.
    #[must_use]
    pub fn security_group(&self) -> String {
        format!("elasticache-{}", self.replication_group)
    }

    /// Parameter group of one family, with or without the cluster protocol. Both are part of the name: a change of either
    /// needs the old and the new group at once, and AWS lets neither change in a group that is in use.
    #[must_use]
    pub fn parameter_group(&self, family: &str, clustered: bool) -> String {
        let cluster = if clustered { "-cluster" } else { "" };
        format!("{}-{}{cluster}", self.replication_group, family.replace('.', "-"))
    }

    /// Secret with the AUTH token, unless the template gives a name.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("{SECRET_PREFIX}{}/{SECRET_SUFFIX}", self.replication_group)
    }

    /// Our snapshot of this generation, from which generation `next` is made; `number` is 1 unless that name is not free.
    #[must_use]
    pub fn transfer_snapshot(&self, next: &str, number: u32) -> String {
        let made_of = format!("-transfer-{}", hash(&[&self.replication_group, next], 8));
        let number = if number > 1 { format!("-{number}") } else { String::new() };
        snapshot(&self.replication_group, &format!("{made_of}{number}"))
    }

    /// A final snapshot's name: the given one, made unique for the request, because snapshot names are unique in an
    /// account and a second stack or a repeated Delete must not clash.
    #[must_use]
    pub fn final_snapshot(&self, given: &str, request_id: &str) -> String {
        let given = given.to_ascii_lowercase();
        snapshot(&given, &format!("-{}", hash(&[&self.replication_group, request_id], 8)))
    }
}

/// A snapshot's name: what makes it unique stays, and a long beginning makes way for it.
fn snapshot(head: &str, tail: &str) -> String {
    let head: String = head.chars().take(MAX_SNAPSHOT.saturating_sub(tail.len())).collect();
    format!("{}{tail}", head.trim_end_matches('-'))
}

/// The stem of a resource: `<env>-<project>-<engine>` as a legal replication group id.
#[must_use]
pub fn stem(env: &str, project_id: &str, engine: Engine) -> String {
    let wanted = format!("{env}-{project_id}-{engine}");
    let legal = legal_id(&wanted);
    let limit = MAX_ID - GENERATION_ROOM;
    // Mended characters can make two different names equal, shortening too: a hash of the original keeps them apart.
    let mended = legal != wanted.to_ascii_lowercase();
    if !mended && legal.len() <= limit {
        return legal;
    }
    let tail = hash(&[env, project_id], HASH_CHARS);
    let mut head: String = legal.chars().take(limit - HASH_CHARS - 1).collect();
    while head.ends_with('-') {
        head.pop();
    }
    format!("{head}-{tail}")
}

/// A legal id when none can be derived from the properties; it names nothing that exists, so its Delete succeeds.
#[must_use]
pub fn fallback_id(logical_id: &str, stack_id: &str) -> String {
    let head: String = legal_id(logical_id).chars().take(MAX_ID - GENERATION_ROOM - HASH_CHARS - 1).collect();
    format!("{}-{}", head.trim_end_matches('-'), hash(&[stack_id, logical_id], HASH_CHARS))
}

/// The id of generation `number` of `stem`; the first one is the stem itself. An explicit name may leave no room for a
/// number; then its end makes way for a hash.
#[must_use]
pub fn of_generation(stem: &str, number: u32) -> String {
    let suffix = format!("-{number}");
    if number <= 1 {
        return stem.to_owned();
    }
    if stem.len() + suffix.len() <= MAX_ID {
        return format!("{stem}{suffix}");
    }
    let tail = hash(&[stem], HASH_CHARS);
    let head: String = stem.chars().take(MAX_ID - suffix.len() - tail.len() - 1).collect();
    format!("{}-{tail}{suffix}", head.trim_end_matches('-'))
}

/// Which generation of `stem` the id is; `None` when it is none.
#[must_use]
pub fn generation(id: &str, stem: &str) -> Option<u32> {
    if id == stem {
        return Some(1);
    }
    let number = id.rsplit_once('-')?.1.parse().ok().filter(|number| *number >= 2)?;
    (of_generation(stem, number) == id).then_some(number)
}

/// The number at the end of an id, which may be that of a generation; 1 when there is none.
#[must_use]
pub fn trailing_number(id: &str) -> u32 {
    id.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
}

/// The secret name that the template gave, for one generation: two generations never share a secret.
#[must_use]
pub fn given_secret(given: &str, generation: u32) -> String {
    if generation > 1 { format!("{given}-{generation}") } else { given.to_owned() }
}

/// The replication group that a secret is named for, unless the template named it.
#[must_use]
pub fn group_of_secret(name: &str) -> Option<&str> {
    let (id, rest) = name.strip_prefix(SECRET_PREFIX)?.split_once('/')?;
    rest.starts_with(SECRET_SUFFIX).then_some(id)
}

/// Another name for a secret whose usual one is not free.
#[must_use]
pub fn numbered_secret(usual: &str, number: u32) -> String {
    format!("{usual}-{number}")
}

/// Another name for a snapshot whose own one is not free.
#[must_use]
pub fn numbered_snapshot(name: &str, number: u32) -> String {
    snapshot(name, &format!("-{number}"))
}

/// Why `id` is not a legal replication group id: 1 to 40 letters, digits and single hyphens, first a letter, last not
/// a hyphen.
#[must_use]
pub fn id_defect(id: &str) -> Option<&'static str> {
    name_defect(id).or((id.len() > MAX_ID).then_some("must have at most 40 characters"))
}

/// Why a snapshot cannot be called `name`.
#[must_use]
pub fn snapshot_defect(name: &str) -> Option<&'static str> {
    name_defect(name).or((name.len() > MAX_SNAPSHOT).then_some("must have at most 40 characters"))
}

/// The part of ElastiCache's naming rule that does not depend on the length.
#[must_use]
pub fn name_defect(name: &str) -> Option<&'static str> {
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some("must start with a letter")
    } else if name.chars().any(|c| !c.is_ascii_alphanumeric() && c != '-') {
        Some("may hold only ASCII letters, digits and hyphens")
    } else if name.ends_with('-') {
        Some("must not end with a hyphen")
    } else if name.contains("--") {
        Some("must not hold two hyphens in a row")
    } else {
        None
    }
}

/// Whether Secrets Manager takes this name, with room for the suffix of a later generation.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    (1..=500).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "/_+=.@-".contains(c))
}

/// `text` with everything illegal in an id turned into single hyphens, lower-cased, starting with a letter.
fn legal_id(text: &str) -> String {
    let mut id = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            id.push(c.to_ascii_lowercase());
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
    }
    let id = id.trim_end_matches('-');
    if id.starts_with(|c: char| c.is_ascii_alphabetic()) { id.to_owned() } else { format!("c{id}") }
}

/// The first `chars` hex digits of a hash over `parts`.
#[must_use]
pub fn hash(parts: &[&str], chars: usize) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let mut hex = String::new();
    for byte in hasher.finalize() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex.truncate(chars);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_stem_is_just_its_parts() {
        assert_eq!(stem("Production", "myapp", Engine::Valkey), "production-myapp-valkey");
    }

    #[test]
    fn illegal_characters_are_mended_and_kept_apart() {
        let (a, b) = (stem("dev", "my_app", Engine::Valkey), stem("dev", "my.app", Engine::Valkey));
        for id in [&a, &b] {
            assert!(id.starts_with("dev-my-app-valkey-"), "{id}");
            assert_eq!(id_defect(id), None, "{id}");
        }
        assert_ne!(a, b);
        assert_eq!(id_defect(&stem("1", "ünïcode", Engine::Redis)), None);
    }

    #[test]
    fn long_stems_fit_with_a_generation_and_differ() {
        let long = "a-very-long-project-name-that-goes-on-and-on";
        let (a, b) =
            (stem("production", long, Engine::Valkey), stem("production", &format!("{long}2"), Engine::Valkey));
        assert!(a.len() <= 37, "{a}");
        assert_eq!(id_defect(&a), None);
        assert_ne!(a, b);
    }

    #[test]
    fn generations_are_told_from_other_ids() {
        assert_eq!(generation("dev-app-valkey", "dev-app-valkey"), Some(1));
        assert_eq!(generation("dev-app-valkey-12", "dev-app-valkey"), Some(12));
        assert_eq!(generation("dev-app-valkey-1", "dev-app-valkey"), None);
        assert_eq!(generation("dev-app-valkey-02", "dev-app-valkey"), None);
        assert_eq!(generation("dev-app-valkey-blue", "dev-app-valkey"), None);
    }

    #[test]
    fn every_generation_of_any_name_is_legal_and_recognised() {
        for stem in ["a".to_owned(), "x".repeat(37), "x".repeat(40), format!("{}-{}", "x".repeat(29), "y".repeat(10))] {
            for number in [1, 2, 9, 10, 123] {
                let id = of_generation(&stem, number);
                assert_eq!(id_defect(&id), None, "{id}");
                assert_eq!(generation(&id, &stem), Some(number), "{id}");
            }
        }
    }

    #[test]
    fn a_fallback_id_is_legal_whatever_the_logical_id() {
        for logical in ["Cache", "9Lives", "AVeryLongLogicalIdThatIsLongerThanFortyCharactersByFar"] {
            let id = fallback_id(logical, "arn:aws:cloudformation:us-east-1:1:stack/s/g");
            assert_eq!(id_defect(&id), None, "{id}");
        }
    }
}
