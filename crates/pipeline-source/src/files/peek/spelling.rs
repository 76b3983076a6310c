//! How often a broken line spells a name: its structure is lost, so every place counts.

use std::borrow::Cow;

use memchr::memmem;

/// Whether a name has characters that are written as an escape of their own.
pub(super) fn has_own_escapes(name: &str) -> bool {
    name.contains(|c: char| c.is_control() || "\"\\/".contains(c))
}

/// Whether a key with this name could begin at more places of a line than so many, however it is written.
pub(super) fn spelled(line: &[u8], name: &str, times: usize) -> bool {
    let key = format!("\"{name}\"");
    let line = unescaped(line, has_own_escapes(name));
    memmem::find_iter(&line, key.as_bytes()).nth(times).is_some()
}

/// The bytes with escapes replaced by what they stand for, wherever they stand: those with digits, or all.
fn unescaped(line: &[u8], all: bool) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', line).is_none() {
        return Cow::Borrowed(line);
    }
    let mut text = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, escape) = rest.split_at(at);
        text.extend_from_slice(before);
        let (length, character) = escaped(escape);
        let written = escape.get(..length).unwrap_or(escape);
        if all || written.get(1) == Some(&b'u') {
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            text.extend_from_slice(written);
        }
        rest = escape.get(length..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
    Cow::Owned(text)
}

/// The length of the escape that some bytes begin with, and its character.
fn escaped(bytes: &[u8]) -> (usize, char) {
    match bytes.get(1) {
        Some(b'u') => by_digits(bytes),
        Some(b'b') => (2, '\u{8}'),
        Some(b'f') => (2, '\u{c}'),
        Some(b'n') => (2, '\n'),
        Some(b'r') => (2, '\r'),
        Some(b't') => (2, '\t'),
        Some(byte) => (2, char::from(*byte)),
        None => (1, '\\'),
    }
}

/// One code unit, or a pair of surrogates.
fn by_digits(bytes: &[u8]) -> (usize, char) {
    let character = |units: &[u16]| char::decode_utf16(units.iter().copied()).next().and_then(Result::ok);
    let (first, second) = (unit(bytes), bytes.get(6..).and_then(unit_escaped));
    let pair = first.zip(second).and_then(|(first, second)| character(&[first, second]));
    match (first.and_then(|unit| character(&[unit])), pair) {
        (Some(one), _) => (6, one),
        (None, Some(pair)) => (12, pair),
        (None, None) if first.is_some() => (6, char::REPLACEMENT_CHARACTER),
        // It broke off: what stands where its digits should may be the beginning of another document.
        (None, None) => (2, char::REPLACEMENT_CHARACTER),
    }
}

fn unit_escaped(bytes: &[u8]) -> Option<u16> {
    bytes.starts_with(b"\\u").then(|| unit(bytes)).flatten()
}

/// The code unit of the `\uXXXX` that some bytes begin with.
fn unit(bytes: &[u8]) -> Option<u16> {
    u16::from_str_radix(std::str::from_utf8(bytes.get(2..6)?).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::spelled;

    #[test]
    fn a_name_is_counted_however_it_is_written() {
        for (line, twice) in [
            (r#"{"id":"b","id"#, false),
            (r#"{"id":"b","id""#, true),
            (r#"{"id":"b","\u0069d":1"#, true),
            (r#"{"\u0069\u0064":"b","i\u0064":1"#, true),
            (r#"{"id":"b","\u00e9\n\"":"\ud83e\udd5d"}}"#, false),
            (r#"{"id":"b","fields":[{"id":1}"#, true),
            (r#"{"id":"b","x":"\u00"#, false),
            (r#"{"id":"b","x":"\u{"id":"c"}"#, true),
            (r#"{"id":"b","x":"\u00"id":"c"}"#, true),
            (r#"{"id":"b","x":"\"id"#, false),
            (r#"{"id":"b","x":"\"id\""#, false),
            ("\\", false),
        ] {
            assert_eq!(spelled(line.as_bytes(), "id", 1), twice, "{line}");
        }
        assert!(spelled(br#"{"a\"b/":1,"a\u0022b\/":2"#, "a\"b/", 1));
        assert!(spelled("{\"🥝\":1,\"\\ud83e\\udd5d\"".as_bytes(), "🥝", 1));
    }
}
