//! What a request would do, as somebody who asks is told: pure.
//!
//! Without AWS, what stands is taken to be exactly what the old properties say, and what only the account knows (subnets,
//! parameter groups of the user's, secrets) to be in order. `reconcile/dry_run.rs` asks the account.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use crate::cfn::request::{service_timeout, time_to_answer};
use crate::cfn::resource_properties::ResourceProperties;
use crate::cost::{self, NodeKind};
use crate::desired::{Desired, Purpose, next_generations};
use crate::domain::problem::Problem;
use crate::domain::secret::AuthToken;
use crate::domain::tags::Owner;
use crate::observed::{Account, ExternalToken, Observed};
use crate::plan::{self, Direction, Forecast, Generation, Transition};
use crate::properties::{Parsed, ReplacementPolicy};
use crate::step::Step;
use crate::step::duration::Minutes;

/// The forecast of an Update from `old` to `new`.
///
/// # Errors
/// The old properties could not stand, and why.
pub fn update(old: &Value, new: &Value) -> Result<Forecast, Vec<Problem>> {
    let new = ResourceProperties::new(new);
    let time = time_to_answer(service_timeout(&new));
    let (old, new) = (&Parsed::read(&ResourceProperties::new(old)), &Parsed::read(&new));
    let owner = Owner { stack_id: "stack".to_owned(), logical_id: "Cache".to_owned() };
    // Any token will do: none is shown.
    let token = AuthToken::new("in-the-external-secret".to_owned());
    let external = ExternalToken { token, version: "current".to_owned() };
    // The only region whose prices can be told offline; the plan says that they are of it.
    let region = cost::REGION.to_owned();
    let account = Account { external_token: Some(Ok(external)), region, ..Account::default() };
    let first = Desired::new(old, &owner, Purpose::Create)?;
    let id = first.names.replication_group.clone();
    let mut observed = standing(&first, &account);
    let desired = match Desired::new(new, &owner, Purpose::Update(&id)) {
        Ok(desired) => desired,
        Err(problems) => return Ok(Forecast::refused(&id, problems)),
    };
    let previous = Desired::new(old, &owner, Purpose::Update(&id)).ok();
    if first.secret.name != desired.secret.name {
        observed.former_secret = observed.secret.take();
    }
    let renamed = desired.renamed(&new.values, &old.values);
    let transition = Transition {
        desired: &desired,
        previous: previous.as_ref(),
        guessed: false,
        renamed: renamed.as_deref(),
        direction: Direction::Forward,
    };
    let references = desired.references.clone();
    let references = match &previous {
        Some(previous) => references.without_unchanged(&previous.references),
        None => references,
    };
    let kind = NodeKind { region: cost::REGION, engine: desired.engine, node_type: &desired.node_type };
    // A price that is not known here may be known where it counts.
    if let Some(price) = kind.built_in_price() {
        let priced = Account { price: Some(price), ..Account::default() };
        let problems = plan::account_problems(&references, &observed, &priced);
        if !problems.is_empty() {
            return Ok(Forecast::in_place(transition, &observed, &account).refuse(&id, problems));
        }
    }
    match plan::generation(transition, &observed) {
        Err(problems) => Ok(Forecast::refused(&id, problems)),
        Ok(Generation::Same) => Ok(Forecast::in_place(transition, &observed, &account).within(&id, time)),
        Ok(Generation::Next(changes)) => {
            let next = next_generations(&new.values, &id, renamed.as_deref()).next().unwrap_or_default();
            let transfer_snapshot = (desired.replacement_policy == ReplacementPolicy::Snapshot)
                .then(|| desired.names.transfer_snapshot(&next, 1));
            let desired = match Desired::new(new, &owner, Purpose::Replace(&next)) {
                Ok(desired) => desired.replacing(&id, transfer_snapshot),
                Err(problems) => return Ok(Forecast::refused(&id, problems)),
            };
            let transition = Transition::new(&desired);
            let forecast = Forecast::replacement(transition, &observed, &changes, &account);
            Ok(forecast.map_or_else(|| Forecast::refused(&id, Vec::new()), |forecast| forecast.within(&id, time)))
        }
    }
}

/// A forecast for programs: what its text says, in fields. Durations are in minutes.
#[must_use]
pub fn as_json(forecast: &Forecast) -> Value {
    let minutes = |minutes: Minutes| json!({"least": minutes.least, "most": minutes.most});
    let rounds = forecast.rounds().iter().map(|round| {
        let step = |step: &Step| json!({"step": step.to_string(), "minutes": minutes(Minutes::of(step))});
        Value::from(round.iter().map(step).collect::<Vec<_>>())
    });
    let problem = |problem: &Problem| {
        let Problem { property, value, rule, fix } = problem;
        json!({"property": property, "value": value, "rule": rule, "fix": fix})
    };
    json!({
        "heading": forecast.heading(),
        "refused": forecast.is_refused(),
        "problems": forecast.problems().iter().map(problem).collect::<Vec<_>>(),
        "rounds": rounds.collect::<Vec<_>>(),
        "minutes": minutes(forecast.minutes()),
        "replacement": forecast.is_replacement(),
        "cost": forecast.cost().json(),
    })
}

/// What a request would do to an account.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The steps, or why there are none.
    pub forecast: Forecast,
    /// What else should be known.
    pub notes: Vec<String>,
}

impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.forecast)?;
        self.notes.iter().try_for_each(|note| write!(f, "\nNote: {note}."))
    }
}

/// What somebody who asked the function is told: the text, and the same in fields. `denied` are the actions that AWS did
/// not allow meanwhile, with what it said.
#[must_use]
pub fn answer(preview: &Result<Preview, String>, denied: &BTreeMap<String, String>) -> Value {
    let (mut answer, text) = match preview {
        Ok(preview) => {
            let mut fields = as_json(&preview.forecast);
            fields["notes"] = json!(preview.notes);
            (fields, preview.to_string())
        }
        Err(why) => (json!({"failed": why}), format!("The plan could not be made: {why}")),
    };
    let rights = denied.iter().map(|(action, said)| format!("\nMissing right: {action}. AWS said: {said}"));
    answer["missing_rights"] = json!(denied);
    answer["text"] = json!(format!("{text}{}", rights.collect::<String>()));
    answer
}

/// What stands after a Create with these properties.
fn standing(desired: &Desired, account: &Account) -> Observed {
    let transition = Transition::new(desired);
    Forecast::end(transition, &Observed::default(), account)
}
