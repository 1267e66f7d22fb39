//! When CloudFormation signed a response URL: pure. Written as a signature writes it, `20261101T000000Z`.

use std::fmt;
use std::str::FromStr;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

/// The moment of a signature, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SignedAt(DateTime);

impl SignedAt {
    /// Seconds since the epoch.
    #[must_use]
    pub fn epoch_seconds(self) -> i64 {
        self.0.secs()
    }

    /// Milliseconds since the epoch; `None` before it.
    #[must_use]
    pub fn epoch_ms(self) -> Option<u64> {
        u64::try_from(self.0.to_millis().ok()?).ok()
    }
}

/// The text is not a date of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoDate;

impl FromStr for SignedAt {
    type Err = NoDate;

    fn from_str(text: &str) -> Result<SignedAt, NoDate> {
        let part = |range: std::ops::Range<usize>| text.get(range).ok_or(NoDate);
        let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
        let (hour, minute, second) = (part(9..11)?, part(11..13)?, part(13..15)?);
        let date = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
        let signed_at = SignedAt(DateTime::from_str(&date, Format::DateTime).map_err(|_| NoDate)?);
        // What stands between the numbers is right when the same text comes of it.
        if signed_at.to_string() == text { Ok(signed_at) } else { Err(NoDate) }
    }
}

impl fmt::Display for SignedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = self.0.fmt(Format::DateTime).map_err(|_| fmt::Error)?;
        f.write_str(&date.replace(['-', ':'], ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_and_written_as_in_a_signature() {
        for (text, epoch_ms) in [("20261101T000000Z", 1_793_491_200_000), ("20240229T120001Z", 1_709_208_001_000)] {
            let signed_at: SignedAt = text.parse().unwrap();
            assert_eq!((signed_at.epoch_ms(), signed_at.to_string()), (Some(epoch_ms), text.to_owned()));
            assert_eq!(signed_at.epoch_seconds() * 1000, i64::try_from(epoch_ms).unwrap());
        }
        let signed_at = |text: &str| text.parse::<SignedAt>().unwrap();
        assert!(signed_at("20261101T000000Z") < signed_at("20261101T000001Z"));
    }

    #[test]
    fn everything_else_is_no_date() {
        for text in [
            "",
            "-",
            "20261301T000000Z",
            "20260229T000000Z",
            "20261101T240000Z",
            "2026-11-01T00:00",
            "20261101T000000",
            "20261101T000000Z ",
            "20261101x000000Z",
            "2026110aT000000Z",
            "+2261101T000000Z",
            "\u{fc}026110T000000Z",
        ] {
            assert_eq!(text.parse::<SignedAt>(), Err(NoDate), "{text}");
        }
    }
}
