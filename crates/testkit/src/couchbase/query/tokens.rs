//! A statement in words.

use super::failure::Failure;

/// A word of a statement, and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub kind: Kind,
    /// Offset in bytes.
    pub at: usize,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// A name or keyword; the flag says that it stood in backticks and is no keyword.
    Word(String, bool),
    /// A literal, as JSON.
    Literal(String),
    /// A parameter with its `$`.
    Parameter(String),
    /// A sign.
    Sign(char),
}

/// Cuts a statement into words.
pub(super) fn tokens(statement: &str) -> Result<Vec<Token>, Failure> {
    let mut found = Vec::new();
    let mut rest = statement;
    loop {
        rest = rest.trim_start();
        let at = statement.len() - rest.len();
        let Some(first) = rest.chars().next() else { return Ok(found) };
        let length = match first {
            '`' => quoted(rest, '`'),
            '"' | '\'' => quoted(rest, first),
            '$' => Some(1 + word_length(rest.get(1..).unwrap_or_default())),
            '0'..='9' => Some(rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len())),
            first if is_word(first) => Some(word_length(rest)),
            '(' | ')' | ',' | '.' | '*' | '=' | '>' | ':' => Some(1),
            _ => None,
        };
        let Some((text, after)) = length.and_then(|length| rest.split_at_checked(length)) else {
            return Err(syntax_error(statement, at));
        };
        found.push(Token { kind: kind(first, text), at });
        rest = after;
    }
}

/// The server's syntax error at a place.
pub(super) fn syntax_error(statement: &str, at: usize) -> Failure {
    let (before, rest) = statement.split_at_checked(at).unwrap_or((statement, ""));
    let line = before.matches('\n').count() + 1;
    let column = at - before.rfind('\n').map_or(0, |end| end + 1) + 1;
    let near = before.char_indices().rev().nth(11).map_or(before, |(start, _)| before.get(start..).unwrap_or(before));
    let found = rest.split_whitespace().next().unwrap_or("end of input");
    Failure::syntax(line, column, near, found)
}

fn kind(first: char, text: &str) -> Kind {
    let inner = || text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    match first {
        '`' => Kind::Word(inner().replace("``", "`"), true),
        '"' => Kind::Literal(text.to_owned()),
        '\'' => Kind::Literal(serde_json::Value::from(inner()).to_string()),
        '$' => Kind::Parameter(text.to_owned()),
        '0'..='9' => Kind::Literal(text.to_owned()),
        _ if is_word(first) => Kind::Word(text.to_owned(), false),
        sign => Kind::Sign(sign),
    }
}

/// Length of a text in quotes, both included; a doubled quote is part of the text.
fn quoted(text: &str, quote: char) -> Option<usize> {
    let mut length = 1;
    loop {
        length += text.get(length..)?.find(quote)? + 1;
        if !text.get(length..)?.starts_with(quote) {
            return Some(length);
        }
        length += 1;
    }
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !is_word(c)).unwrap_or(text.len())
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}
