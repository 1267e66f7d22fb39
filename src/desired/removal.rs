//! What a Delete needs to know. Pure.

use super::identity::generation;
use super::parts::NumberedSecret;
use crate::domain::names::{self, Names};
use crate::domain::tags::Owner;
use crate::properties::Parsed;

/// Days that a deleted secret can still be restored, unless the template says otherwise.
pub(super) const DEFAULT_RECOVERY_DAYS: i32 = 7;

/// What a Delete needs to know; read leniently, because bad properties must never block a Delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Names of what is removed.
    pub names: Names,
    /// Whose they must be.
    pub owner: Owner,
    /// Snapshot to take first.
    pub final_snapshot: Option<String>,
    /// Secret's name.
    pub secret_name: String,
    /// Whether that is not the usual one: then only the subnet group knows it, which has to outlive the secret.
    pub secret_is_numbered: bool,
    /// Whether the template asks for a token that we keep.
    pub keeps_secret: bool,
    /// Days until the secret is gone; 0 deletes at once.
    pub recovery_window_days: i32,
    /// Whether the template asks for alarms.
    pub has_alarms: bool,
    /// Whether the template forbids it.
    pub deletion_protection: bool,
}

impl Removal {
    /// The removal of everything under `replication_group`.
    #[must_use]
    pub fn new(parsed: &Parsed, owner: &Owner, replication_group: &str, request_id: &str) -> Removal {
        let properties = &parsed.values;
        let names = Names::of(replication_group);
        let number = generation(properties, replication_group).map_or(1, |(_, number)| number);
        // Bad properties never hold a Delete back, but they must not cost data either: a name that is set and illegal
        // still means a snapshot.
        let legal_snapshot = properties
            .final_snapshot_identifier
            .clone()
            .filter(|name| names::name_defect(name).is_none())
            .or_else(|| parsed.is_set("FinalSnapshotIdentifier").then(|| format!("{replication_group}-final")))
            .filter(|name| names::name_defect(name).is_none());
        Removal {
            final_snapshot: legal_snapshot.map(|name| names.final_snapshot(&name, request_id)),
            secret_name: match properties.secret_name.as_ref().filter(|given| names::is_secret_name(given)) {
                Some(given) => names::given_secret(given, number),
                None => names.secret(),
            },
            secret_is_numbered: false,
            keeps_secret: parsed.is_set("AuthToken")
                || (parsed.is_set("AuthTokenEnabled") && properties.auth_token_enabled != Some(false)),
            recovery_window_days: properties
                .secret_recovery_window_in_days
                .filter(|days| *days == 0 || *days >= 7)
                .unwrap_or(DEFAULT_RECOVERY_DAYS),
            has_alarms: properties.alarms.is_some() || parsed.is_set("Alarms"),
            deletion_protection: properties.deletion_protection.unwrap_or(false),
            names,
            owner: owner.clone(),
        }
    }

    /// The same with the secret under another name than the usual one.
    #[must_use]
    pub fn with_secret(self, numbered: &NumberedSecret) -> Removal {
        Removal { secret_name: numbered.name(), secret_is_numbered: true, ..self }
    }

    /// The same for a generation that was never put to use: nobody's data and nobody's token are in it.
    #[must_use]
    pub fn of_unfinished(self) -> Removal {
        Removal { final_snapshot: None, deletion_protection: false, recovery_window_days: 0, ..self }
    }
}
