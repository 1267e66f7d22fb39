//! Numbers that may have a fraction: pure.

use std::fmt;

/// A finite number.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Decimal(f64);

// It is never NaN.
impl Eq for Decimal {}

impl Decimal {
    /// This number, if it is finite.
    #[must_use]
    pub fn new(number: f64) -> Option<Decimal> {
        number.is_finite().then_some(Decimal(number))
    }

    /// Reads a number as people and JSON write one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Decimal> {
        text.parse().ok().and_then(Decimal::new)
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl From<i32> for Decimal {
    fn from(number: i32) -> Decimal {
        Decimal(number.into())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
