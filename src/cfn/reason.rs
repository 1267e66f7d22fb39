//! Why a request failed, in a form that can be shortened to fit into an answer: pure.

use std::fmt;

/// A text that says what failed, then perhaps a list, then perhaps what to do.
///
/// Too long, the list loses whole items from its end and says how many; a text without a list is cut in the middle,
/// because its beginning says what failed and its end what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reason {
    /// What must be said.
    pub head: String,
    /// What may be left out from its end.
    pub items: Vec<String>,
    /// Between two items.
    pub separator: &'static str,
    /// What is said after the last item.
    pub tail: &'static str,
}

impl From<String> for Reason {
    fn from(head: String) -> Reason {
        Reason { head, ..Reason::default() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.head, self.items.join(self.separator), self.tail)
    }
}

/// Said when nothing else fits: CloudFormation takes no FAILED without a reason.
const BARE: &str = "failed";

impl Reason {
    /// At most `bytes` bytes, ending with the name of the log stream, which says where the rest can be read. Where not
    /// even the name fits, only the beginning is said.
    #[must_use]
    pub fn within(&self, bytes: usize, log_stream: &str) -> String {
        let end = match log_stream {
            "" => String::new(),
            stream => format!(" Log stream: {stream}"),
        };
        let room = bytes.saturating_sub(end.len());
        if room < BARE.len() {
            return cut(BARE, bytes.max(1)).to_owned();
        }
        match self.text_within(room).as_str() {
            "" => format!("{BARE}{end}"),
            text => format!("{text}{end}"),
        }
    }

    fn text_within(&self, bytes: usize) -> String {
        let whole = self.to_string();
        if whole.len() <= bytes {
            return whole;
        }
        (1..self.items.len())
            .rev()
            .map(|shown| self.with_items(shown))
            .find(|text| text.len() <= bytes)
            .unwrap_or_else(|| cut_middle(&whole, bytes))
    }

    fn with_items(&self, shown: usize) -> String {
        let Reason { head, items, separator, tail } = self;
        let left_out = items.len() - shown;
        format!("{head}{}{separator}and {left_out} more{tail}", items[..shown].join(separator))
    }
}

/// The longest prefix of at most `bytes` bytes that ends between characters.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// At most `bytes` bytes of `text`: its beginning, and a third of them from its end.
fn cut_middle(text: &str, bytes: usize) -> String {
    const GAP: &str = " … ";
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut start = text.len() - bytes.saturating_sub(GAP.len()) / 3;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    match bytes.checked_sub(text.len() - start + GAP.len()) {
        Some(head) => format!("{}{GAP}{}", cut(text, head), &text[start..]),
        None => cut(text, bytes).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "2026/11/22/[$LATEST]0123abcd";

    fn list(items: usize) -> Reason {
        let items = (0..items).map(|n| format!("P{n:02}: {}", "ü".repeat(20))).collect();
        Reason { head: "Problems: ".to_owned(), items, separator: ". ", tail: "." }
    }

    #[test]
    fn what_fits_is_said_whole() {
        let reason = Reason::from("it broke".to_owned());
        assert_eq!(reason.within(100, STREAM), format!("it broke Log stream: {STREAM}"));
        assert_eq!(reason.within(100, ""), "it broke");
        assert_eq!(list(2).within(200, ""), list(2).to_string());
        assert_eq!(Reason::from(String::new()).within(100, STREAM), format!("failed Log stream: {STREAM}"));
    }

    #[test]
    fn a_text_keeps_its_beginning_and_its_end() {
        for filler in ["x", "ü", "日", "🦀"] {
            let reason = Reason::from(format!("START {} END", filler.repeat(2000)));
            for bytes in 90..120 {
                let text = reason.within(bytes, STREAM);
                assert!(text.len() <= bytes && text.len() > bytes - 8, "{text}");
                assert!(text.starts_with("START") && text.contains(" … ") && text.contains("END Log"), "{text}");
                assert!(text.ends_with(STREAM), "{text}");
            }
        }
    }

    #[test]
    fn a_list_loses_whole_items() {
        let reason = list(40);
        for bytes in 150..400 {
            let text = reason.within(bytes, STREAM);
            assert!(text.len() <= bytes, "{} bytes", text.len());
            let shown = text.matches("ü. ").count();
            assert!(text.contains(&format!(" and {} more. Log stream: ", 40 - shown)), "{text}");
            assert!(text.ends_with(STREAM) && !text.contains('…'), "{text}");
        }
    }

    #[test]
    fn a_single_item_that_is_too_long_is_cut_in_the_middle() {
        let text = list(1).within(30, "");
        assert!(text.starts_with("Problems") && text.contains(" … ") && text.ends_with('.'), "{text}");
    }

    #[test]
    fn some_reason_is_given_however_little_fits() {
        for reason in [list(9), Reason::from("日本語".repeat(100))] {
            for bytes in 0..120 {
                let text = reason.within(bytes, STREAM);
                assert!(!text.is_empty() && text.len() <= bytes.max(1), "{bytes}: {text}");
            }
        }
    }
}
