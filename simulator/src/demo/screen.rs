//! What the demo prints.

use std::fmt::Debug;
use std::io::{IsTerminal, Write};

use simulator::clock::Time;

/// Something is not as it should be.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n  expected: {expected}\n  found:    {found}")]
pub(crate) struct Failure {
    what: String,
    expected: String,
    found: String,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Failure {
        Failure { what: what.into(), expected: expected.into(), found: found.into() }
    }
}

/// Standard output, coloured on a terminal unless `NO_COLOR` is set.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    colours: bool,
}

/// How a text stands out.
#[derive(Clone, Copy)]
pub(crate) enum Style {
    Plain,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
    Cyan,
}

impl Screen {
    pub(crate) fn new() -> Screen {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Screen { colours: !plain && std::io::stdout().is_terminal() }
    }

    /// A step begins.
    pub(crate) fn heading(self, text: &str) {
        self.line("");
        self.line(&self.paint(Style::Bold, &format!("── {text}")));
    }

    /// A line with its simulated time.
    pub(crate) fn event(self, at: Time, style: Style, text: &str) {
        let seconds = at.since(Time::START).as_secs();
        let time = self.paint(Style::Dim, &format!("+{:02}:{:02}", seconds / 60, seconds % 60));
        self.line(&format!("  {time}  {}", self.paint(style, text)));
    }

    /// A name and its value.
    pub(crate) fn fact(self, name: &str, value: &str) {
        // Values of several lines (code examples) stay in one block.
        let value = value.trim_end().replace('\n', &format!("\n  {:36}", ""));
        self.line(&format!("  {} {value}", self.paint(Style::Cyan, &format!("{name:<35}"))));
    }

    /// Something that was looked at and is right.
    pub(crate) fn checked(self, what: &str) {
        self.line(&format!("  {} {what}", self.paint(Style::Green, "✓")));
    }

    /// Checks that something is as expected.
    pub(crate) fn check<T: PartialEq + Debug>(self, what: &str, expected: &T, found: &T) -> Result<(), Failure> {
        if expected == found {
            self.checked(what);
            return Ok(());
        }
        Err(Failure::new(what, format!("{expected:?}"), format!("{found:?}")))
    }

    pub(crate) fn failed(self, failure: &Failure) {
        self.line(&format!("  {} {failure}", self.paint(Style::Red, "✗")));
    }

    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Plain => return text.to_owned(),
            Style::Bold => 1,
            Style::Dim => 2,
            Style::Red => 31,
            Style::Green => 32,
            Style::Yellow => 33,
            Style::Cyan => 36,
        };
        if self.colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    #[allow(clippy::unused_self, reason = "printing goes through the screen, whether a line has colours or not")]
    pub(crate) fn line(self, text: &str) {
        // A reader that went away (`| head`) is no reason to stop half-way.
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }
}
