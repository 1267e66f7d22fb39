//! Prints what an Update between two sets of properties would do, without AWS.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use elasticache_resource::domain::problem;
use elasticache_resource::preview;
use serde_json::Value;

const USAGE: &str = "\
Prints what an Update of a Custom::ElastiCache from one set of properties to another would do, without AWS.

Usage: plan [--json] OLD.json NEW.json

Each file holds the properties of the resource as a JSON object: what stands under Properties in a template, with
references replaced by values. With --json the plan is printed as JSON: rounds of steps that are made concurrently, each
with the minutes that it takes, and what is wrong. Ends with 0 when the Update would be made, with 1 when it would be
refused, with 2 when the files cannot be read or OLD could not stand.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [flag] if flag == "--help" || flag == "-h" => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        [flag, old, new] if flag == "--json" => code(show(old, new, true)),
        [old, new] => code(show(old, new, false)),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn code(shown: Result<bool, String>) -> ExitCode {
    match shown {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::from(2)
        }
    }
}

/// Prints the forecast. Returns whether the Update would be made.
fn show(old: &str, new: &str, json: bool) -> Result<bool, String> {
    let forecast = preview::update(&read(old)?, &read(new)?)
        .map_err(|problems| format!("{old} is not a resource that could stand: {}", problem::summary(&problems)))?;
    let text = if json { format!("{:#}", preview::as_json(&forecast)) } else { forecast.to_string() };
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(format!("printing the plan: {error}")),
        Err(_) | Ok(()) => {}
    }
    Ok(!forecast.is_refused())
}

fn read(path: &str) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("reading {path}: {error}"))?;
    let value: Value = serde_json::from_str(&text).map_err(|error| format!("{path} is not JSON: {error}"))?;
    if value.is_object() { Ok(value) } else { Err(format!("{path} does not hold a JSON object")) }
}
