//! What is wrong with a property, said so that it can be fixed: pure.

use std::fmt::{self, Write as _};

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

impl Problem {
    /// A problem of one property; the value is added with [`Problem::with_value`].
    pub fn new(property: impl Into<String>, rule: impl Into<String>, fix: impl Into<String>) -> Problem {
        Problem { property: property.into(), value: None, rule: rule.into(), fix: fix.into() }
    }

    /// The same problem with the value that was given, shortened when it is long.
    #[must_use]
    pub fn with_value(mut self, value: impl fmt::Display) -> Problem {
        let text = value.to_string();
        let mut shown: String = text.chars().take(SHOWN_VALUE_CHARS).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        self.value = Some(shown);
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

/// Bytes of the Reason that problems may fill; the rest of a 4096-byte answer is the envelope.
const REASON_BYTES: usize = 2600;

/// All problems as one text, sorted; whole problems are left out when it would not fit into an answer.
#[must_use]
pub fn summary(problems: &[Problem]) -> String {
    let mut sorted: Vec<&Problem> = problems.iter().collect();
    sorted.sort();
    sorted.dedup();
    let count = sorted.len();
    let mut text = format!("{count} problem{} with the properties: ", if count == 1 { "" } else { "s" });
    for (index, problem) in sorted.iter().enumerate() {
        let item = format!("{}{problem}.", if index == 0 { "" } else { " " });
        if text.len() + item.len() > REASON_BYTES {
            let _ = write!(text, " And {} more.", count - index);
            break;
        }
        text.push_str(&item);
    }
    text
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

    #[test]
    fn whole_problems_are_left_out_when_the_answer_is_full() {
        let many: Vec<Problem> = (0..100)
            .map(|i| Problem::new(format!("P{i:03}"), "x".repeat(50), "y".repeat(50)).with_value("ü".repeat(80)))
            .collect();
        let text = summary(&many);
        assert!(text.len() < REASON_BYTES + 20, "{} bytes", text.len());
        assert!(text.ends_with(" more."), "{text}");
    }
}
