//! Plays a scenario in an account.

use std::time::Duration;

use crate::account::{Account, Failure, PENDING};
use crate::scenarios::{Act, Scenario, Step, template};

/// How long a rotation may take.
const ROTATION: Duration = Duration::from_mins(20);

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As it should.
    Well,
    /// Otherwise: what was said.
    Failed(Vec<String>),
    /// It was not begun.
    NotReached,
}

/// A step that was played.
#[derive(Clone, Debug)]
pub struct PlayedStep {
    /// What it is about.
    pub label: &'static str,
    /// How it ended.
    pub end: End,
    /// How long it took.
    pub took: Duration,
    /// Where it changed the token: whether `AuthTokenLastModifiedDate` moved.
    pub token_date_moved: Option<bool>,
    /// What `mark` said at its end.
    pub mark: usize,
    /// Monthly cost of the cache afterwards, as the function estimates it.
    pub monthly_cost: Option<f64>,
}

/// A scenario that was played.
#[derive(Clone, Debug)]
pub struct Played {
    /// Its name.
    pub scenario: &'static str,
    /// Its steps.
    pub steps: Vec<PlayedStep>,
    /// What could not be removed.
    pub left: Option<String>,
}

/// One stack under way.
struct Life<'a> {
    account: &'a Account,
    run: &'a str,
    stack: String,
    /// Its id, while it is there.
    id: Option<String>,
}

/// The stack of a scenario in a run.
pub(crate) fn stack_name(run: &str, scenario: &str) -> String {
    format!("acceptance-{run}-{scenario}")
}

/// Plays a scenario to its end, or to the first step that does not end well, and removes what it made. `mark` is asked at
/// the end of each step; `say` hears of each step.
pub async fn play(
    account: &Account,
    run: &str,
    scenario: &Scenario,
    mark: impl Fn() -> usize,
    say: impl Fn(&str),
) -> Played {
    let mut life = Life { account, run, stack: stack_name(run, scenario.name), id: None };
    let mut steps = Vec::new();
    let mut goes_on = true;
    for step in &scenario.steps {
        let began = tokio::time::Instant::now();
        let (end, token_date_moved) = if goes_on { life.step(step).await } else { (End::NotReached, None) };
        goes_on = end == End::Well;
        let took = began.elapsed();
        match &end {
            End::Well => say(&format!("{}: {}: well, {} min", scenario.name, step.label, took.as_secs() / 60)),
            End::Failed(reasons) => say(&format!("{}: {}: failed: {}", scenario.name, step.label, reasons.join("; "))),
            End::NotReached => {}
        }
        let monthly_cost = match &life.id {
            Some(id) if goes_on => account.output(id, "Cost").await,
            _ => None,
        };
        let monthly_cost = monthly_cost.and_then(|cost| cost.strip_prefix("cost:")?.parse().ok());
        steps.push(PlayedStep { label: step.label, end, took, token_date_moved, mark: mark(), monthly_cost });
    }
    let left = life.remove().await.err().map(|failure| failure.0);
    Played { scenario: scenario.name, steps, left }
}

impl Life<'_> {
    async fn step(&mut self, step: &Step) -> (End, Option<bool>) {
        let date = async |life: &Self| match &life.id {
            Some(id) if step.changes_token => match life.account.output(id, "Id").await {
                Some(group) => life.account.token_date(&group).await,
                None => None,
            },
            _ => None,
        };
        let before = date(self).await;
        let end = match self.try_step(step).await {
            Ok(failures) if failures.is_empty() => End::Well,
            Ok(failures) => End::Failed(failures),
            Err(failure) => End::Failed(vec![failure.0]),
        };
        let moved = if step.changes_token && end == End::Well { Some(date(self).await != before) } else { None };
        (end, moved)
    }

    /// What failed that should not have.
    async fn try_step(&mut self, step: &Step) -> Result<Vec<String>, Failure> {
        if step.act == Act::GiveUp {
            let id = self.id.as_deref().ok_or_else(|| Failure("there is no stack".to_owned()))?;
            self.account.give_up_version(&self.secret(id).await?).await?;
            return Ok(Vec::new());
        }
        let Some(template) = template(&step.act) else { return self.delete().await };
        let (is_new, since) = match &self.id {
            Some(id) => (false, self.account.events(id).await?.len()),
            None => (true, 0),
        };
        self.account.deploy(&self.stack, self.run, &template, is_new).await?;
        let found = self.account.stack(&self.stack).await?;
        let (id, _) = found.ok_or_else(|| Failure(format!("the stack {} is not there", self.stack)))?;
        self.id = Some(id.clone());
        if let Act::Cancel(_) = step.act {
            self.cancel(&id).await?;
        }
        let ended = self.account.ended(&id, since).await?;
        let expected = match (&step.act, is_new) {
            (Act::Fail(_), true) => "ROLLBACK_COMPLETE",
            (Act::Fail(_) | Act::Cancel(_), _) => "UPDATE_ROLLBACK_COMPLETE",
            (_, true) => "CREATE_COMPLETE",
            (_, false) => "UPDATE_COMPLETE",
        };
        // Where something has to fail, what fails and goes back for that is as it should be.
        let is_meant = |(resource, reason): &(String, String)| {
            matches!(step.act, Act::Fail(_) | Act::Cancel(_)) && (resource == "Broken" || reason.contains("cancelled"))
        };
        let failures: Vec<String> =
            ended.failures.into_iter().filter(|failure| !is_meant(failure)).map(|(_, reason)| reason).collect();
        if failures.is_empty() && ended.status != expected {
            return Ok(vec![format!("the stack is {} and not {expected}", ended.status)]);
        }
        if !failures.is_empty() {
            return Ok(failures);
        }
        match step.act {
            // Nothing but a deletion is possible from there.
            Act::Fail(_) if is_new => self.delete().await,
            Act::Rotate(_) => self.rotate(&id).await,
            _ => Ok(self.refused_silently(&id).await),
        }
    }

    /// What AWS did not take although the stack went well: a warning of the function says so.
    async fn refused_silently(&self, id: &str) -> Vec<String> {
        let warnings = self.account.output(id, "Warnings").await.unwrap_or_default();
        let refused = warnings.split(';').map(str::trim).filter_map(|warning| {
            if warning.contains("does not reset these parameters") {
                return Some(format!("elasticache:ResetCacheParameterGroup on {id}: {warning}"));
            }
            // It names the call.
            warning.contains("the alarms are not as they should be").then(|| warning.to_owned())
        });
        refused.collect()
    }

    async fn secret(&self, id: &str) -> Result<String, Failure> {
        let output = self.account.output(id, "Secret").await.unwrap_or_default();
        let arn = output.strip_prefix("secret:").filter(|arn| !arn.is_empty()).map(str::to_owned);
        arn.ok_or_else(|| Failure("the stack does not say which secret the password is in".to_owned()))
    }

    /// Cancels the update as soon as another password waits.
    async fn cancel(&self, id: &str) -> Result<(), Failure> {
        let secret = self.secret(id).await?;
        let (began, pause) = (tokio::time::Instant::now(), Duration::from_millis(500).min(self.account.pause));
        loop {
            let labels = self.account.labels(&secret).await?;
            let waits = labels.iter().any(|(_, labels)| labels.len() == 1 && labels[0] == PENDING);
            if waits || began.elapsed() > ROTATION {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        let cancelled = self.account.cloudformation.cancel_update_stack().stack_name(&self.stack).send().await;
        cancelled.map(drop).map_err(|e| Failure::of("cannot cancel the update", &e))
    }

    /// Has the secret rotated, and waits until readers get another version.
    async fn rotate(&self, id: &str) -> Result<Vec<String>, Failure> {
        let secret = self.secret(id).await?;
        let current = async || -> Result<Option<String>, Failure> {
            let labels = self.account.labels(&secret).await?;
            Ok(labels
                .into_iter()
                .find(|(_, labels)| labels.iter().any(|l| l == "AWSCURRENT"))
                .map(|(version, _)| version))
        };
        let before = current().await?;
        let asked = self.account.secrets.rotate_secret().secret_id(&secret).send().await;
        asked.map_err(|e| Failure::of("cannot rotate the secret", &e))?;
        let began = tokio::time::Instant::now();
        while current().await? == before {
            if began.elapsed() > ROTATION {
                return Ok(vec![format!("the rotation has not ended within {} minutes", ROTATION.as_secs() / 60)]);
            }
            tokio::time::sleep(self.account.pause).await;
        }
        Ok(Vec::new())
    }

    async fn delete(&mut self) -> Result<Vec<String>, Failure> {
        let Some(id) = self.id.clone() else { return Ok(Vec::new()) };
        // What is under way, when a step did not end, has to.
        self.account.ended(&id, 0).await?;
        let since = self.account.events(&id).await?.len();
        self.account.delete(&id).await?;
        let ended = self.account.ended(&id, since).await?;
        if ended.status == "DELETE_COMPLETE" {
            self.id = None;
            return Ok(Vec::new());
        }
        let failures: Vec<String> = ended.failures.into_iter().map(|(_, reason)| reason).collect();
        Ok(if failures.is_empty() { vec![format!("the stack is {}", ended.status)] } else { failures })
    }

    /// Removes the stack, if it is still there.
    async fn remove(&mut self) -> Result<(), Failure> {
        match self.delete().await? {
            failures if failures.is_empty() => Ok(()),
            failures => Err(Failure(failures.join("; "))),
        }
    }
}
