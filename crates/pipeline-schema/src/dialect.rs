//! What Java's reader of schemas takes and JSON does not have: a byte order mark in front, and comments.
//!
//! Both change nothing of the schema. They are blanked out, character by character, so that every place stays what it
//! is; who has to write JSON is told of them.

use std::borrow::Cow;

use crate::{parse::Fault, schema::Place};

/// The byte order mark, as a character.
const MARK: char = '\u{feff}';

/// A text without what JSON does not have, and what that was.
#[derive(Debug)]
pub(crate) struct Plain<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) found: Vec<Fault>,
}

/// The text as JSON.
pub(crate) fn plain(text: &str) -> Plain<'_> {
    if !text.starts_with(MARK) && !text.contains("//") && !text.contains("/*") {
        return Plain { text: Cow::Borrowed(text), found: Vec::new() };
    }
    let mut blank = Blank { out: String::with_capacity(text.len()), line: 1, column: 1, found: Vec::new() };
    let mut rest = text;
    if let Some(behind) = rest.strip_prefix(MARK) {
        blank.note("the text begins with a byte order mark (U+FEFF), which JSON does not have");
        blank.hide(&MARK.to_string());
        rest = behind;
    }
    while !rest.is_empty() {
        let (length, hidden) = token(rest);
        let (part, behind) = rest.split_at(length);
        if hidden {
            blank.note("a comment, which JSON does not have");
            blank.hide(part);
        } else {
            blank.keep(part);
        }
        rest = behind;
    }
    Plain { text: Cow::Owned(blank.out), found: blank.found }
}

/// The length of the next part of a text, and whether it is a comment: a text in quotes, a comment, or what stands
/// before the next of these. A comment without an end is none.
fn token(text: &str) -> (usize, bool) {
    if text.starts_with('"') {
        let mut escaped = false;
        let end = text.char_indices().skip(1).find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        return (end.map_or(text.len(), |(at, _)| at + 1), false);
    }
    if text.starts_with("//") {
        return (text.find(['\n', '\r']).unwrap_or(text.len()), true);
    }
    if text.starts_with("/*")
        && let Some(end) = text.get(2..).and_then(|behind| behind.find("*/"))
    {
        return (end + 4, true);
    }
    let starts = |(_, c): &(usize, char)| *c == '"' || *c == '/';
    (text.char_indices().skip(1).find(starts).map_or(text.len(), |(at, _)| at), false)
}

struct Blank {
    out: String,
    line: usize,
    column: usize,
    found: Vec<Fault>,
}

// === impl Blank ===

impl Blank {
    fn note(&mut self, problem: &str) {
        let place = Place { line: self.line, column: self.column, length: 1 };
        self.found.push(Fault { place, problem: problem.to_owned() });
    }

    fn keep(&mut self, part: &str) {
        self.out.push_str(part);
        self.pass(part);
    }

    fn hide(&mut self, part: &str) {
        self.out.extend(part.chars().map(|c| if c == '\n' || c == '\r' { c } else { ' ' }));
        self.pass(part);
    }

    fn pass(&mut self, part: &str) {
        for c in part.chars() {
            (self.line, self.column) = if c == '\n' { (self.line + 1, 1) } else { (self.line, self.column + 1) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_comments_are_blanked_and_texts_are_kept() {
        let text = "\u{feff}/* a\nb */ {\"u\": \"http://x/*y*/\\\"//\"} // end";
        let plain = plain(text);
        assert_eq!(plain.text, "     \n     {\"u\": \"http://x/*y*/\\\"//\"}       ");
        let places: Vec<(usize, usize)> =
            plain.found.iter().map(|fault| (fault.place.line, fault.place.column)).collect();
        assert_eq!(places, [(1, 1), (1, 2), (2, 33)]);
    }

    #[test]
    fn what_is_no_comment_stays() {
        for text in ["", "/", "{\"a\": \"//\"}", "/* no end", "\"no end //"] {
            assert_eq!((plain(text).text.as_ref(), plain(text).found.len()), (text, 0));
        }
    }
}
