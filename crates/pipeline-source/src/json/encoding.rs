//! Texts that are not JSON because their whole file is written in another way, told by what they look like.

/// Says what a text is instead of lines of UTF-8, and what to do. It is one that could not be read.
pub(super) fn other_than_utf8_lines(text: &[u8]) -> Option<&'static str> {
    if is_utf16(text) {
        return Some("the text is UTF-16: convert the file to UTF-8, for instance with `iconv -f UTF-16 -t UTF-8`");
    }
    let holds_return = memchr::memchr(b'\r', text.trim_ascii()).is_some();
    holds_return.then_some("the text holds a carriage return, which ends no line: end lines with a line feed")
}

/// With its mark, or as most of it is: ASCII, so every second byte is NUL. A line that is cut out of such a file may
/// begin with the second half of a character. No text in UTF-8 has a NUL byte: JSON escapes it.
fn is_utf16(text: &[u8]) -> bool {
    if text.starts_with(b"\xFF\xFE") || text.starts_with(b"\xFE\xFF") {
        return true;
    }
    let nuls = |parity: usize| text.iter().skip(parity).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (nuls(0), nuls(1));
    even.min(odd) == 0 && even.max(odd) * 4 >= text.len() && even.max(odd) > 0
}

#[cfg(test)]
mod tests {
    use super::other_than_utf8_lines;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn utf16_is_known_by_its_mark_and_by_every_line_without_it() {
        let texts = ["\u{FEFF}{\"id\":\"b1\"}", "{\"id\":\"b1\",\"name\":\"Ж\"}"];
        for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
            for text in texts {
                let text = utf16(text, bytes);
                for part in [&text[..], &text[1..], &text[..text.len() - 1]] {
                    assert!(other_than_utf8_lines(part).unwrap().contains("UTF-16"), "{part:?}");
                }
            }
        }
        assert!(other_than_utf8_lines(b"\0").is_some(), "the second half of the last line end");
    }

    #[test]
    fn a_carriage_return_within_a_line_is_named_and_nothing_else_is() {
        let returns = other_than_utf8_lines(b"{\"id\":\"a\"}\r{\"id\":\"b\"}\r").unwrap();
        assert!(returns.contains("carriage return"), "{returns}");
        for text in [&b"{\"id\":\"a\""[..], b"{\"id\":\"a\"\r", b"\0\0\0\0", b"{\"id\":\"a\0b\"}", b"", b"\xff"] {
            assert_eq!(other_than_utf8_lines(text), None, "{text:?}");
        }
    }
}
