//! What an Update from one set of properties to another would do, told without AWS: pure.
//!
//! What stands is taken to be exactly what the old properties say. What only the account knows (subnets, parameter groups
//! of the user's, secrets) is taken to be in order.

use serde_json::Value;

use crate::cfn::properties::ResourceProperties;
use crate::cfn::request::time_to_answer;
use crate::desired::{Desired, Owner, Purpose, next_generations};
use crate::observed::{Account, ForeignToken, Observed};
use crate::problem::Problem;
use crate::properties::ReplacementPolicy;
use crate::reconcile::plan::{self, Direction, Forecast, Generation, Wish};
use crate::secret::AuthToken;

/// The forecast of an Update from `old` to `new`.
///
/// # Errors
/// The old properties could not stand, and why.
pub fn update(old: &Value, new: &Value) -> Result<Forecast, Vec<Problem>> {
    let (old, new) = (&ResourceProperties::new(old), &ResourceProperties::new(new));
    let owner = Owner { stack_id: "stack".to_owned(), logical_id: "Cache".to_owned() };
    // Any token will do: none is shown.
    let token = AuthToken::new("in-the-foreign-secret".to_owned());
    let foreign = ForeignToken { token, version: "current".to_owned() };
    let account = Account { foreign_token: Some(Ok(foreign)), ..Account::default() };
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
    let renamed = desired.renamed(new, old);
    let wish = Wish {
        desired: &desired,
        previous: previous.as_ref(),
        guessed: false,
        renamed: renamed.as_deref(),
        direction: Direction::Forward,
    };
    match plan::generation(wish, &observed) {
        Err(problems) => Ok(Forecast::refused(&id, problems)),
        Ok(Generation::Same) => Ok(in_time(&id, Forecast::in_place(wish, &observed, &account), new)),
        Ok(Generation::Next(changes)) => {
            let next = next_generations(new, &id, renamed.as_deref()).next().unwrap_or_default();
            let seed = (desired.replacement_policy == ReplacementPolicy::Snapshot)
                .then(|| desired.names.seed_snapshot(&next, 1));
            let desired = match Desired::new(new, &owner, Purpose::Replace(&next)) {
                Ok(desired) => desired.replacing(&id, seed),
                Err(problems) => return Ok(Forecast::refused(&id, problems)),
            };
            let wish = Wish::new(&desired);
            let Some(group) = &observed.group else { return Ok(Forecast::refused(&id, Vec::new())) };
            Ok(in_time(&id, Forecast::replacement(wish, group, &changes, &account), new))
        }
    }
}

fn in_time(id: &str, forecast: Forecast, new: &ResourceProperties) -> Forecast {
    match forecast.too_long(time_to_answer(new)) {
        Some(problem) => Forecast::refused(id, vec![problem]),
        None => forecast,
    }
}

/// What stands after a Create with these properties.
fn standing(desired: &Desired, account: &Account) -> Observed {
    let wish = Wish::new(desired);
    Forecast::end(wish, &Observed::default(), account)
}
