//! What is written about a run, and what is said before it. Pure.

use std::fmt::Write as _;
use std::time::Duration;

use crate::diagnosis::{Case, Verdict};
use crate::local::RehearsedStep;
use crate::play::{End, Played};
use crate::scenarios::{Need, Scenario};

/// Hours of a month, as AWS counts them.
const MONTH_HOURS: f64 = 730.0;
/// Longest text of AWS in a table.
const SHOWN: usize = 300;

/// What the report begins with.
#[derive(Clone, Debug)]
pub struct Head {
    /// Where it was played.
    pub region: String,
    /// At which address, if not at AWS's own.
    pub endpoint: Option<String>,
    /// The day, such as `2026-11-26`.
    pub date: String,
    /// Id of the run.
    pub run: String,
}

fn minutes(time: Duration) -> u64 {
    time.as_secs().div_ceil(60)
}

fn cost(steps: &[RehearsedStep]) -> Option<f64> {
    let mut total = 0.0;
    let mut monthly = None;
    for step in steps {
        // While the first one is made there is no estimate yet: the one that comes of it.
        monthly = step.monthly_cost.or(monthly);
        let hours = step.takes.as_secs_f64() / 3600.0;
        total += monthly.unwrap_or_default() / MONTH_HOURS * hours;
    }
    monthly.map(|_| total)
}

/// What will be made, how long that takes, and what it costs.
#[must_use]
pub fn announcement(
    plan: &[(&Scenario, &[RehearsedStep])],
    lacking: &[(&Scenario, Vec<Need>)],
    at_once: usize,
) -> String {
    let mut text = String::new();
    let (mut all, mut longest, mut dollars, mut unknown) = (Duration::ZERO, Duration::ZERO, 0.0, false);
    for (scenario, steps) in plan {
        let takes: Duration = steps.iter().map(|step| step.takes).sum();
        (all, longest) = (all + takes, longest.max(takes));
        let cost = cost(steps);
        unknown |= cost.is_none();
        dollars += cost.unwrap_or_default();
        let shown = cost.map_or_else(|| "price unknown".to_owned(), |cost| format!("USD {cost:.2}"));
        // A String takes everything.
        let _ = writeln!(
            text,
            "  {:<15} {:>2} steps, about {:>3} min, {shown}: {}",
            scenario.name,
            steps.len(),
            minutes(takes),
            scenario.about
        );
    }
    for (scenario, needs) in lacking {
        let options: Vec<&str> = needs.iter().map(|need| need.option()).collect();
        let _ = writeln!(text, "  {:<15} left out: needs {}", scenario.name, options.join(", "));
    }
    let wall = longest.max(all / u32::try_from(at_once.max(1)).unwrap_or(1));
    let more = if unknown { ", and what has no known price" } else { "" };
    let _ = writeln!(
        text,
        "Together about {} min ({at_once} stacks at a time), and at most USD {:.2} for nodes{more}; real caches may take longer, \
         and cost as much more.",
        minutes(wall),
        // Real operations take up to three times as long.
        dollars * 3.0
    );
    text
}

/// The report, in Markdown.
#[must_use]
pub fn report(
    head: &Head,
    lines: &[String],
    verdicts: &[Verdict],
    cases: &[Case<'_>],
    lacking: &[(&Scenario, Vec<Need>)],
) -> String {
    let mut text = String::new();
    let place = match &head.endpoint {
        Some(endpoint) => format!("{} at {endpoint}", head.region),
        None => head.region.clone(),
    };
    let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| wanted(verdict)).count();
    let broken = count(|verdict| matches!(verdict, Verdict::DidNotHold(_)));
    let _ = writeln!(
        text,
        "# Acceptance test of {}\n\nPlayed in {place}, run {}. Of {} shapes of `docs/aws-calls.md` {} held, {broken} did not \
         hold, and {} were not reached.\n",
        head.date,
        head.run,
        verdicts.len(),
        count(|verdict| *verdict == Verdict::Held),
        count(|verdict| *verdict == Verdict::NotReached),
    );
    let _ = writeln!(text, "## Shapes\n\n| Shape | Verdict |\n| --- | --- |");
    for (line, verdict) in lines.iter().zip(verdicts) {
        let verdict = match verdict {
            Verdict::Held => "held".to_owned(),
            Verdict::NotReached => "not reached".to_owned(),
            Verdict::DidNotHold(words) => format!("**did not hold**: {}", cell(&words.join("; "))),
        };
        let _ = writeln!(text, "| `{line}` | {verdict} |");
    }
    let _ = writeln!(text, "\n## Assumptions\n\n| Assumption | Verdict |\n| --- | --- |");
    let moved: Vec<bool> = played(cases).filter_map(|step| step.token_date_moved).collect();
    let verdict = match (moved.is_empty(), moved.iter().all(|moved| *moved)) {
        (true, _) => "not reached",
        (_, true) => "held",
        (_, false) => "**did not hold**",
    };
    let _ = writeln!(text, "| `AuthTokenLastModifiedDate` moves with ROTATE | {verdict} |");
    let _ = writeln!(text, "\n## Steps\n\n| Scenario | Step | Minutes | End |\n| --- | --- | --- | --- |");
    for case in cases {
        for step in &case.played.steps {
            let end = match &step.end {
                End::Well => "well".to_owned(),
                End::Failed(reasons) => format!("**failed**: {}", cell(&reasons.join("; "))),
                End::NotReached => "not reached".to_owned(),
            };
            let _ = writeln!(text, "| {} | {} | {} | {end} |", case.played.scenario, step.label, minutes(step.took));
        }
    }
    for (scenario, needs) in lacking {
        let options: Vec<&str> = needs.iter().map(|need| need.option()).collect();
        let _ = writeln!(text, "| {} | | | left out: needs {} |", scenario.name, options.join(", "));
    }
    let left: Vec<&Played> = cases.iter().map(|case| case.played).filter(|played| played.left.is_some()).collect();
    if !left.is_empty() {
        let _ = writeln!(text, "\n## Left behind\n");
        for played in left {
            let _ = writeln!(text, "* {}: {}", played.scenario, cell(played.left.as_deref().unwrap_or_default()));
        }
    }
    text
}

fn played<'a>(cases: &'a [Case<'_>]) -> impl Iterator<Item = &'a crate::play::PlayedStep> {
    cases.iter().flat_map(|case| &case.played.steps)
}

/// A text as it may stand in a cell of a table.
fn cell(text: &str) -> String {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text,
    }
}
