//! What is wrong with a property, said so that it can be fixed: pure.

use std::fmt;

/// One thing that is wrong with the properties, or with what they name in the account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Property, with the place inside it, such as `AllowedCidrBlocks[1]`.
    pub property: String,
    /// The value as it was given; `None` when it is missing or secret.
    pub value: Option<String>,
    /// The rule that it breaks.
    pub rule: String,
    /// What to write instead.
    pub fix: String,
}

/// Longest part of a bad value that is worth repeating.
const SHOWN_VALUE_CHARS: usize = 60;

/// Longest part of a property's name that is worth repeating; a misspelt one can be anything.
const SHOWN_NAME_CHARS: usize = 100;

/// The beginning of a text from the template, fit for one line.
fn shown(text: &str, chars: usize) -> String {
    let mut shown: String = text.chars().take(chars).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(chars).is_some() {
        shown.push('…');
    }
    shown
}

impl Problem {
    /// A problem of one property; the value is added with [`Problem::with_value`].
    pub fn new(property: impl Into<String>, rule: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem { property: shown(&property.into(), SHOWN_NAME_CHARS), value: None, rule: rule.into(), fix: fix.into() }
    }

    /// The same problem with the value that was given, shortened when it is long.
    #[must_use]
    pub fn with_value(mut self, value: impl fmt::Display) -> Problem {
        self.value = Some(shown(&value.to_string(), SHOWN_VALUE_CHARS));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.property)?;
        if let Some(value) = &self.value {
            write!(f, " ({value})")?;
        }
        write!(f, ": {}; {}", self.rule, self.fix)
    }
}

/// The known name that was probably meant.
#[must_use]
pub fn nearest<'n>(given: &str, known: &[&'n str]) -> Option<&'n str> {
    // Similarity is quadratic in the length; no name is longer than this.
    let given: String = given.chars().take(64).collect::<String>().to_ascii_lowercase();
    known
        .iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(&given, &name.to_ascii_lowercase()), *name))
        .filter(|(similarity, _)| *similarity >= SIMILAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// Similarity above which a name is offered as what was meant.
const SIMILAR: f64 = 0.55;

/// What a list of problems begins with, and the problems, sorted and each once.
#[must_use]
pub fn listed(problems: &[Problem]) -> (String, Vec<String>) {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort();
    sorted.dedup();
    let count = sorted.len();
    let head = format!("{count} problem{} with the properties: ", if count == 1 { "" } else { "s" });
    (head, sorted.into_iter().map(Problem::to_string).collect())
}

/// All problems as one text.
#[must_use]
pub fn summary(problems: &[Problem]) -> String {
    let (head, items) = listed(problems);
    format!("{head}{}.", items.join(". "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_listed_in_order_and_each_once() {
        let port = Problem::new("Port", "must be between 1 and 65535", "write 6379").with_value("0");
        let env = Problem::new("Env", "is required", "set it");
        let text = summary(&[port.clone(), env, port]);
        assert_eq!(
            text,
            "2 problems with the properties: Env: is required; set it. Port (0): must be between 1 and 65535; write 6379."
        );
    }
}
