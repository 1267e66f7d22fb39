//! Condition blocks of policy statements.

use crate::wire::pattern;

/// One line of a condition block: an operator, a key, and the values that satisfy it.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    key: String,
    values: Vec<String>,
    quantifier: Quantifier,
    test: Test,
    negated: bool,
    if_exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    Single,
    ForAnyValue,
    ForAllValues,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Equals,
    EqualsIgnoreCase,
    Like,
    /// Whether the key is absent.
    Null,
}

impl Condition {
    /// An operator outside this list is an error: guessing could allow what AWS refuses.
    pub(super) fn new(operator: &str, key: String, values: Vec<String>) -> Result<Condition, String> {
        let (quantifier, rest) = match operator.split_once(':') {
            None => (Quantifier::Single, operator),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAnyValue, rest),
            Some(("ForAllValues", rest)) => (Quantifier::ForAllValues, rest),
            Some(_) => return Err(format!("condition operator {operator} is not known")),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let (test, negated) = match name {
            "StringEquals" => (Test::Equals, false),
            "StringNotEquals" => (Test::Equals, true),
            "StringEqualsIgnoreCase" | "Bool" => (Test::EqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Test::EqualsIgnoreCase, true),
            "StringLike" | "ArnLike" | "ArnEquals" => (Test::Like, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Test::Like, true),
            "Null" if !if_exists => (Test::Null, false),
            _ => return Err(format!("condition operator {operator} is not known")),
        };
        Ok(Condition { key, values, quantifier, test, negated, if_exists })
    }

    /// Whether it holds for a request with this context, in which a key may occur several times.
    pub(super) fn holds(&self, context: &[(String, String)]) -> bool {
        let present = context.iter().filter(|(key, _)| key.eq_ignore_ascii_case(&self.key)).map(|(_, value)| value);
        let present: Vec<&String> = present.collect();
        if self.test == Test::Null {
            return self.values.iter().any(|absent| absent.eq_ignore_ascii_case("true") == present.is_empty());
        }
        if present.is_empty() {
            // A negated test holds for a key that is not there, and so does one over all of no values.
            return self.if_exists || self.quantifier == Quantifier::ForAllValues || self.single_negated();
        }
        let passes = |value: &&String| self.values.iter().any(|wanted| self.matches(wanted, value)) != self.negated;
        match self.quantifier {
            Quantifier::ForAllValues => present.iter().all(passes),
            Quantifier::Single | Quantifier::ForAnyValue => present.iter().any(passes),
        }
    }

    /// Whether it reads a key that begins like this.
    pub(super) fn is_about(&self, key: &str) -> bool {
        self.key.starts_with(key)
    }

    fn single_negated(&self) -> bool {
        self.negated && self.quantifier == Quantifier::Single
    }

    fn matches(&self, wanted: &str, value: &str) -> bool {
        match self.test {
            Test::Equals => wanted == value,
            Test::EqualsIgnoreCase => wanted.eq_ignore_ascii_case(value),
            Test::Like => pattern::matches(wanted, value),
            Test::Null => false,
        }
    }
}
