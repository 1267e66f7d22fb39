//! The token of a standing group: where it comes from, and the way to another one.
//!
//! Every change takes two calls: ROTATE adds a token in addition to the old one, SET makes it the only one. AWS does not tell
//! which of them was the last, so a tag on the subnet group does (`token_state::Progress`), and a run that finds it goes on from
//! there. The order keeps the current version of our secret valid at every moment:
//!
//! 1. the tag names the version of the secret that the new token is in, or will be in;
//! 2. the version is stored as AWSPENDING; 3. ROTATE; 4. the version becomes AWSCURRENT; 5. SET;
//! 6. another tag records where the token in force comes from (`token_state::InForce`); 7. the first tag goes.
//!
//! A change that AWS has not begun is given up when the desired state changes. One that it has begun is finished first, because a
//! third token would push out the one that readers have.

use crate::auth::token_state::{InForce, Origin, Progress, Stage};
use crate::desired::{Auth, Desired};
use crate::domain::names::hash;
use crate::domain::problem::Problem;
use crate::domain::secret::{AuthToken, SecretContent};
use crate::domain::tags::{TAG_AUTH_CHANGE, TAG_TOKEN_SOURCE};
use crate::observed::{Account, ExternalToken, Group, Observed, Secret, SubnetGroup};
use crate::plan::types::{Pass, Transition};
use crate::step::{AuthChange, NewSecret, StagedSecret, Step, TagTarget};

/// The token that a new group gets, from wherever it is kept.
pub(crate) fn wanted(desired: &Desired, observed: &Observed, account: &Account) -> Option<AuthToken> {
    match &desired.auth {
        Auth::Generated { .. } | Auth::Literal(_) => {
            observed.secret.as_ref().and_then(|secret| secret.content.as_ref()).map(SecretContent::token)
        }
        Auth::External { .. } => external_token(account).map(|external| external.token.clone()),
        Auth::Open | Auth::UserGroup(_) => None,
    }
}

fn external_token(account: &Account) -> Option<&ExternalToken> {
    account.external_token.as_ref()?.as_ref().ok()
}

/// What the subnet group says about the token in force. Without a word it is the usual one, so that the usual cache has no
/// tag that its template does not show.
pub(crate) fn recorded(desired: &Desired, observed: &Observed) -> InForce {
    let read = observed.subnet_group.as_ref().and_then(|group| InForce::read(&group.tags));
    read.unwrap_or_else(|| usual(desired))
}

/// A generated token in the secret that is named for its group.
fn usual(desired: &Desired) -> InForce {
    InForce { origin: Origin::generated(&desired.names.secret(), None), version: None }
}

/// The step that writes down where the token in force comes from, unless that is written already.
pub(crate) fn record(record: &InForce, desired: &Desired, observed: &Observed) -> Option<Step> {
    let subnet_group = observed.subnet_group.as_ref()?;
    let target = TagTarget::ElastiCache(subnet_group.arn.clone());
    if recorded(desired, observed) == *record {
        return None;
    }
    Some(if *record == usual(desired) {
        Step::Untag { target, keys: [TAG_TOKEN_SOURCE.to_owned()].into() }
    } else {
        Step::Tag { target, tags: record.tag() }
    })
}

/// The change of the token under way.
pub(crate) fn progress(observed: &Observed) -> Option<Progress> {
    observed.subnet_group.as_ref().and_then(|group| Progress::read(&group.tags))
}

/// What has to be recorded when the wanted token is in force.
pub(crate) fn wanted_record(desired: &Desired, account: &Account) -> Option<InForce> {
    let origin = desired.origin()?;
    let version = match &desired.auth {
        Auth::External { .. } => Some(external_token(account)?.version.clone()),
        Auth::Open | Auth::Generated { .. } | Auth::Literal(_) | Auth::UserGroup(_) => None,
    };
    Some(InForce { origin, version })
}

/// The token in force, if it can still be read.
fn in_force(desired: &Desired, observed: &Observed, account: &Account) -> Option<AuthToken> {
    let stored = |secret: &Option<Secret>| secret.as_ref()?.content.as_ref().map(SecretContent::token);
    let record = recorded(desired, observed);
    if record.origin.is_in(&desired.secret.name) {
        return stored(&observed.secret);
    }
    if is_moved(desired, observed) {
        return stored(&observed.former_secret);
    }
    account.token_in_force.as_ref().filter(|(read, _)| *read == record).map(|(_, token)| token.clone())
}

/// Whether the token in force is in the secret under its former name.
fn is_moved(desired: &Desired, observed: &Observed) -> bool {
    let record = recorded(desired, observed);
    observed.former_secret.as_ref().is_some_and(|secret| record.origin.is_in(&secret.name))
}

/// The token that our secret has to hold already, although nothing rotates to it: the template's, or the one in force when
/// only the secret's name changes.
pub(crate) fn to_store(transition: Transition<'_>, observed: &Observed, account: &Account) -> Option<AuthToken> {
    match &transition.desired.auth {
        Auth::Literal(token) if !is_to_change(transition, observed, account) => Some(token.clone()),
        Auth::Generated { .. } if is_moved(transition.desired, observed) => {
            in_force(transition.desired, observed, account)
        }
        Auth::Open | Auth::Generated { .. } | Auth::Literal(_) | Auth::External { .. } | Auth::UserGroup(_) => None,
    }
}

/// Whether the token in force, which a standing group has, is not the wanted one.
fn is_to_change(transition: Transition<'_>, observed: &Observed, account: &Account) -> bool {
    let desired = transition.desired;
    let record = recorded(desired, observed);
    let current = in_force(desired, observed, account);
    match &desired.auth {
        Auth::Literal(token) => {
            // A lost secret is written again, unless the template changed the token in the same moment.
            let elsewhere = !record.origin.is_in(&desired.secret.name);
            let differs = |previous: &Desired| !matches!(&previous.auth, Auth::Literal(before) if before == token);
            let unknown = elsewhere || transition.previous.is_some_and(differs);
            current.map_or(unknown, |current| current != *token)
        }
        Auth::External { .. } => {
            let Some(external) = external_token(account) else { return false };
            match current {
                _ if Some(&record) == wanted_record(desired, account).as_ref() => false,
                Some(current) => current != external.token,
                None => true,
            }
        }
        // Somebody broke what the secret says: a new token comes only when it is asked for.
        Auth::Generated { .. } if flaw(desired, observed).is_some() => {
            !made_for_same(&record.origin, desired, is_moved(desired, observed))
        }
        Auth::Generated { .. } => {
            let stored = observed.secret.as_ref().and_then(|secret| secret.content.as_ref());
            let intact = stored.is_some_and(|stored| current.is_none_or(|current| current == stored.token()));
            !(intact && made_for_same(&record.origin, desired, is_moved(desired, observed)))
        }
        Auth::Open | Auth::UserGroup(_) => false,
    }
}

/// The secret that the token in force is in, if that secret has a value and no token can be read from it, with the reason.
pub(crate) fn flaw<'o>(desired: &Desired, observed: &'o Observed) -> Option<(&'o Secret, &'o str)> {
    let record = recorded(desired, observed);
    let secrets = [&observed.secret, &observed.former_secret].into_iter().flatten();
    let holder = secrets.into_iter().find(|secret| record.origin.is_in(&secret.name))?;
    holder.flaw.as_deref().map(|flaw| (holder, flaw))
}

/// What it means for an update that nobody asks for a new generated token and the one in force cannot be read.
pub(crate) fn unreadable(desired: &Desired, group: &Group, observed: &Observed) -> Option<Problem> {
    let (secret, flaw) = flaw(desired, observed)?;
    let record = recorded(desired, observed);
    let asks_for_none = matches!(desired.auth, Auth::Generated { .. })
        && made_for_same(&record.origin, desired, is_moved(desired, observed))
        && progress(observed).is_none_or(|progress| !progress.is_of_an_update());
    if !asks_for_none || !group.auth_token_enabled || secret.deleted {
        return None;
    }
    let rule = format!("is true, and no password can be read from secret {}: {flaw}", secret.name);
    let fix = "give the secret its JSON with the key password back (Secrets Manager keeps what it held before as \
               AWSPREVIOUS), or change AuthTokenVersion to have a new password made";
    Some(Problem::new("AuthTokenEnabled", rule, fix).with_value("true"))
}

/// Whether a recorded token was generated for the wanted `AuthTokenVersion`, here or in the secret's former place.
fn made_for_same(record: &Origin, desired: &Desired, moved: bool) -> bool {
    match (record, desired.origin()) {
        (Origin::Generated { version, .. }, Some(Origin::Generated { version: wanted, .. })) => {
            *version == wanted && (moved || record.is_in(&desired.secret.name))
        }
        _ => false,
    }
}

/// Whether the group takes a token but still lets clients in without one: between ROTATE and SET of a first token.
pub(crate) fn is_optional(group: &Group, observed: &Observed) -> bool {
    let required = |progress: &Progress| progress.stage == Stage::Set && is_through(progress, group, observed);
    group.auth_token_enabled && progress(observed).is_some_and(|progress| progress.first && !required(&progress))
}

/// Whether the stage's change of the cache is through. The date may not tell a SET, which brings in no token: then it is
/// through when AWS has agreed to it. The group is stable here, so that AWS is not at it any more. Whoever does not know
/// whether AWS has agreed, because the process died, asks again; nothing is different then, or AWS says so.
fn is_through(progress: &Progress, group: &Group, observed: &Observed) -> bool {
    let agreed = progress.stage == Stage::Set && observed.required_version.as_ref() == Some(&progress.version);
    // A first token shows by itself.
    let shows = progress.stage == Stage::Rotate && progress.first;
    let modified = group.auth_token_modified.as_deref().unwrap_or_default();
    group.auth_token_enabled && (shows || agreed || progress.is_through(modified))
}

/// The next step towards the wanted token.
pub(crate) fn steps(pass: &Pass<'_>) -> Vec<Step> {
    let Some(subnet_group) = &pass.observed.subnet_group else { return Vec::new() };
    let change = Change { pass, subnet_group, modified: pass.group.auth_token_modified.clone().unwrap_or_default() };
    match progress(pass.observed) {
        Some(progress) if progress.is_of_an_update() => change.go_on(&progress),
        other if !pass.group.auth_token_enabled => change.start(other.as_ref(), true),
        other if is_to_change(change.transition(), pass.observed, pass.account) => change.start(other.as_ref(), false),
        _ => wanted_record(pass.desired, pass.account).map(|record| change.record(&record)).unwrap_or_default(),
    }
}

/// A change of the token, at the point where this pass finds it.
struct Change<'a> {
    pass: &'a Pass<'a>,
    subnet_group: &'a SubnetGroup,
    /// When AWS last changed the token.
    modified: String,
}

impl Change<'_> {
    fn transition(&self) -> Transition<'_> {
        Transition { previous: self.pass.previous, ..Transition::new(self.pass.desired) }
    }

    fn secret(&self) -> Option<&Secret> {
        self.pass.observed.secret.as_ref()
    }

    fn target(&self) -> TagTarget {
        TagTarget::ElastiCache(self.subnet_group.arn.clone())
    }

    fn mark(&self, stage: Stage, first: bool, origin: Origin, version: String) -> Vec<Step> {
        let progress = Progress { stage, first, origin, version, modified: self.modified.clone() };
        vec![Step::Tag { target: self.target(), tags: progress.tag() }]
    }

    fn unmark(&self) -> Vec<Step> {
        vec![Step::Untag { target: self.target(), keys: [TAG_AUTH_CHANGE.to_owned()].into() }]
    }

    fn record(&self, in_force: &InForce) -> Vec<Step> {
        record(in_force, self.pass.desired, self.pass.observed).into_iter().collect()
    }

    /// Begins a change. `before` is a scheduled rotation that may stand in the way.
    fn start(&self, before: Option<&Progress>, first: bool) -> Vec<Step> {
        match before.and_then(|before| self.finish_scheduled(before)) {
            Some(step) => vec![step],
            None => self.begin(Stage::Rotate, first),
        }
    }

    /// Names the version that the new token is in or will be in.
    fn begin(&self, stage: Stage, first: bool) -> Vec<Step> {
        let Some(origin) = self.pass.desired.origin() else { return Vec::new() };
        let version = match &self.pass.desired.auth {
            Auth::External { .. } => external_token(self.pass.account).map(|external| external.version.clone()),
            _ if first => self.stored().map(str::to_owned).or_else(|| Some(self.new_version(&origin))),
            _ => Some(self.new_version(&origin)),
        };
        version.map(|version| self.mark(stage, first, origin, version)).unwrap_or_default()
    }

    /// A scheduled rotation whose token the cache takes already: readers must get that token before a third one comes.
    fn finish_scheduled(&self, before: &Progress) -> Option<Step> {
        let secret = self.secret()?;
        let live = before.stage == Stage::Scheduled && before.is_through(&self.modified);
        let pending = live && secret.pending() == Some(before.version.as_str());
        pending.then(|| promote(secret, &before.version))
    }

    /// The version of our secret that readers get.
    fn stored(&self) -> Option<&str> {
        self.secret().filter(|secret| secret.content.is_some()).and_then(Secret::current)
    }

    /// An id for a version to come. It differs from that of an earlier try, whose version may still exist.
    fn new_version(&self, origin: &Origin) -> String {
        let changed = self.secret().and_then(|secret| secret.changed.as_deref()).unwrap_or_default();
        hash(&[&self.pass.group.arn, &self.modified, changed, &origin.to_string()], 40)
    }

    fn go_on(&self, progress: &Progress) -> Vec<Step> {
        let through = is_through(progress, self.pass.group, self.pass.observed);
        let own = self.secret().filter(|secret| progress.origin.is_in(&secret.name));
        match (progress.stage, through) {
            (Stage::Rotate | Stage::Back, false) => self.rotate(progress, own),
            (Stage::Rotate | Stage::Back, true) => match own {
                Some(secret) if secret.current() == Some(progress.version.as_str()) => self.set_stage(progress),
                Some(secret) if secret.pending() == Some(progress.version.as_str()) => {
                    vec![promote(secret, &progress.version)]
                }
                _ if self.is_wanted_external(progress) => self.set_stage(progress),
                _ => self.restart(progress.first),
            },
            (Stage::Set, false) => match self.token(progress) {
                Some(token) => self.change(AuthChange::Set { token, version: progress.version.clone() }),
                None => self.restart(progress.first),
            },
            (Stage::Set, true) => self.finish(progress),
            (Stage::Scheduled | Stage::Grace, _) => Vec::new(),
        }
    }

    fn set_stage(&self, progress: &Progress) -> Vec<Step> {
        self.mark(Stage::Set, progress.first, progress.origin.clone(), progress.version.clone())
    }

    /// Nothing has happened to the cache yet.
    fn rotate(&self, progress: &Progress, own: Option<&Secret>) -> Vec<Step> {
        let token = self.token(progress);
        if !self.fits(progress, token.as_ref()) || token.is_none() && progress.first {
            return match progress.stage {
                Stage::Back => self.restart(progress.first),
                _ => self.give_up(progress, own),
            };
        }
        match token {
            Some(token) => {
                let from_user_groups = !self.pass.group.user_group_ids.is_empty();
                self.change(AuthChange::Rotate { token, version: progress.version.clone(), from_user_groups })
            }
            None => self.store(progress),
        }
    }

    /// Whether the desired state still needs this change.
    fn fits(&self, progress: &Progress, token: Option<&AuthToken>) -> bool {
        let Pass { desired, observed, account, .. } = *self.pass;
        let readers_have_it = self.stored() == Some(progress.version.as_str());
        let needed = match progress.stage {
            // Back to what readers have is wanted, whatever the template says now.
            Stage::Back if readers_have_it && progress.origin.is_in(&desired.secret.name) => return true,
            Stage::Back => true,
            // Readers without a token were given the new one at once, which the cache does not take yet.
            _ => progress.first || readers_have_it || is_to_change(self.transition(), observed, account),
        };
        let same = match (&desired.auth, token) {
            (Auth::Literal(wanted), Some(token)) => token == wanted,
            (Auth::External { .. }, _) => self.is_wanted_external(progress),
            _ => true,
        };
        needed && same && desired.origin().as_ref() == Some(&progress.origin)
    }

    fn is_wanted_external(&self, progress: &Progress) -> bool {
        let version = external_token(self.pass.account).map(|external| &external.version);
        self.pass.desired.origin().as_ref() == Some(&progress.origin) && version == Some(&progress.version)
    }

    /// The token that the change brings in, if it can be read.
    fn token(&self, progress: &Progress) -> Option<AuthToken> {
        if self.is_wanted_external(progress) {
            return external_token(self.pass.account).map(|external| external.token.clone());
        }
        let secret = self.secret().filter(|secret| progress.origin.is_in(&secret.name))?;
        secret.version(&progress.version).map(SecretContent::token)
    }

    /// Stores the new token; readers do not get it yet, unless they have none at all.
    fn store(&self, progress: &Progress) -> Vec<Step> {
        let desired = self.pass.desired;
        let token = match &desired.auth {
            Auth::Literal(token) => Some(token.clone()),
            Auth::Open | Auth::Generated { .. } | Auth::External { .. } | Auth::UserGroup(_) => None,
        };
        let version = progress.version.clone();
        match self.secret() {
            Some(Secret { content: Some(content), arn, .. }) => {
                let (arn, content) = (arn.clone(), content.clone());
                vec![Step::StageSecret(Box::new(StagedSecret { arn, version, content, token }))]
            }
            other => {
                let existing = other.map(|secret| secret.arn.clone());
                vec![new_secret(desired, self.pass.observed, token, existing, false, Some(version))]
            }
        }
    }

    fn give_up(&self, progress: &Progress, own: Option<&Secret>) -> Vec<Step> {
        match own.filter(|secret| secret.pending() == Some(progress.version.as_str())) {
            // Left there it would look like a rotation that has not ended, and Secrets Manager would begin no other.
            Some(secret) => {
                vec![Step::UnstageSecret { arn: secret.arn.clone(), version: progress.version.clone() }]
            }
            None => self.unmark(),
        }
    }

    /// The cache takes a token that is not wanted any more, or that cannot be read, in addition to the one before. If readers have
    /// that one, the cache goes back to it first.
    fn restart(&self, first: bool) -> Vec<Step> {
        let Pass { desired, observed, account, .. } = *self.pass;
        let known = in_force(desired, observed, account);
        let stored = self.secret().and_then(|secret| secret.content.as_ref()).map(SecretContent::token);
        let readers_have_it = desired.auth.keeps_secret() && stored.is_some() && stored == known;
        let back = self.stored().filter(|_| readers_have_it).map(str::to_owned);
        let recorded = Some(recorded(desired, observed).origin);
        match (back, recorded.filter(|origin| origin.is_in(&desired.secret.name)).or_else(|| desired.origin())) {
            (Some(version), Some(origin)) => self.mark(Stage::Back, first, origin, version),
            _ => self.begin(Stage::Back, first),
        }
    }

    fn finish(&self, progress: &Progress) -> Vec<Step> {
        let wanted = self.pass.desired.origin();
        // A fresh token is as good for another AuthTokenVersion than the one it was begun for.
        let origin = match (&progress.origin, wanted) {
            (Origin::Generated { secret, .. }, Some(Origin::Generated { secret: same, version }))
                if *secret == same =>
            {
                Origin::Generated { secret: same, version }
            }
            (origin, _) => origin.clone(),
        };
        let external = matches!(origin, Origin::External { .. });
        let steps = self.record(&InForce { origin, version: external.then(|| progress.version.clone()) });
        if steps.is_empty() { self.unmark() } else { steps }
    }

    fn change(&self, change: AuthChange) -> Vec<Step> {
        vec![Step::ChangeAuth { group: self.pass.group.id.clone(), change }]
    }
}

/// Gives a version to readers.
fn promote(secret: &Secret, version: &str) -> Step {
    Step::PromoteSecret { arn: secret.arn.clone(), to: version.to_owned(), from: secret.current().map(str::to_owned) }
}

/// The step that makes a secret of ours, or gives a standing one a value.
pub(crate) fn new_secret(
    desired: &Desired,
    observed: &Observed,
    token: Option<AuthToken>,
    existing: Option<String>,
    restore: bool,
    version: Option<String>,
) -> Step {
    let former = observed.former_secret.as_ref().and_then(|secret| secret.content.as_ref());
    Step::CreateSecret(Box::new(NewSecret {
        name: desired.secret.name.clone(),
        description: format!("AUTH token of {}", desired.names.replication_group),
        engine: desired.engine.to_string(),
        replication_group: desired.names.replication_group.clone(),
        kms_key_id: desired.secret.kms_key_id.clone(),
        token,
        existing,
        restore,
        version,
        others: former.map(|content| content.others.clone()).unwrap_or_default(),
        tags: desired.secret_tags(),
    }))
}
