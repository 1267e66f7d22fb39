//! As much CBOR (RFC 8949) as an error needs.

/// A map of texts.
pub(super) fn text_map(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    head(&mut out, 5, entries.len());
    for text in entries.iter().flat_map(|(key, value)| [key, value]) {
        head(&mut out, 3, text.len());
        out.extend(text.as_bytes());
    }
    out
}

/// The major type of an item and its length, in the fewest bytes.
fn head(out: &mut Vec<u8>, major: u8, length: usize) {
    let bytes = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    match bytes {
        [0, 0, 0, short @ 0..24] => out.push(major << 5 | short),
        [0, 0, 0, one] => out.extend([major << 5 | 0x18, one]),
        [0, 0, high, low] => out.extend([major << 5 | 0x19, high, low]),
        four => {
            out.push(major << 5 | 0x1a);
            out.extend(four);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_take_as_few_bytes_as_they_can() {
        assert_eq!(text_map(&[("a", "b")]), [0xa1, 0x61, b'a', 0x61, b'b']);
        let long = "x".repeat(300);
        assert_eq!(text_map(&[("a", &long)])[..6], [0xa1, 0x61, b'a', 0x79, 0x01, 0x2c]);
        let fair = "x".repeat(24);
        assert_eq!(text_map(&[("a", &fair)])[3..5], [0x78, 24]);
    }
}
