//! JSON without loss: an object as its members in source order, each value as the exact text it was written with.
//!
//! Nothing here turns a number into a float or writes a value anew, so `1.10` stays `1.10` and `1e400` is a number
//! like any other. In return the text is checked once, as a whole, for what a database would trip over later: bytes
//! that are not UTF-8, surrogates without their other half, nesting beyond [`MAX_DEPTH`]. No function here recurses;
//! input that nests a million levels deep costs a scan and no stack.

use std::{borrow::Cow, collections::HashSet};

use pipeline_model::documents::{Attributes, FaultCode};
use serde_json::value::RawValue;

pub use self::value::Value;

mod encoding;
mod read;
#[cfg(test)]
mod tests;
mod value;

/// Levels that a document may nest, itself included. MariaDB's JSON functions give up at 32.
pub const MAX_DEPTH: usize = 30;

/// Why bytes are not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The rule that they break.
    pub code: FaultCode,
    /// One sentence that says what was found and what was expected.
    pub reason: String,
}

/// The elements of an array that ought to be objects: each as the object that it is, or what else it is.
pub type Objects<'a> = Vec<Result<Object<'a>, Broken>>;

/// The members of a JSON object in source order, no key twice.
#[derive(Debug)]
pub struct Object<'a> {
    members: Vec<Member<'a>>,
    spelling: Spelling,
}

#[derive(Debug)]
struct Member<'a> {
    /// Its characters, once the object is complete; of a key with escapes nothing until then.
    key: Cow<'a, str>,
    /// As written, with its quotes, when it has escapes; otherwise it is written as it is.
    raw_key: Option<&'a str>,
    /// As written.
    raw_value: &'a str,
    taken: bool,
}

/// Whether there can be escapes in a text. Most documents have none at all, which one look at the whole text finds
/// sooner than a look at each of its strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// No backslash is in it.
    Plain,
    /// Strings may be written in other characters than they have.
    MayEscape,
}

/// Shows a text from a document in a message: in backticks, without control characters, at most 80 characters.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown = String::with_capacity(text.len().min(SHOWN) + 2);
    shown.push('`');
    for (index, character) in text.chars().enumerate() {
        if index == SHOWN {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown.push('`');
    shown
}

/// Where in a list stand those whose text is that of an earlier one.
pub(crate) fn repeats<T>(list: &[T], text: impl Fn(&T) -> &str) -> Vec<usize> {
    // Comparing a few is quicker than hashing them.
    const FEW: usize = 16;
    let mut seen = HashSet::new();
    let mut is_first = |index: usize, item| {
        if list.len() <= FEW {
            !list.iter().take(index).any(|earlier| text(earlier) == text(item))
        } else {
            seen.insert(text(item))
        }
    };
    list.iter().enumerate().filter(|(index, item)| !is_first(*index, item)).map(|(index, _)| index).collect()
}

// === impl Object ===

impl<'a> Object<'a> {
    /// Reads one object, and nothing behind it, from the bytes of a document. White space around it is fine.
    pub fn parse(document: &'a [u8]) -> Result<Self, Broken> {
        let parsed = utf8(document).and_then(|text| {
            let spelling = Spelling::of(text);
            let object = Self::parse_spelled(text, spelling)?;
            spelling.check(text)?;
            Ok(object)
        });
        parsed.map_err(|broken| broken.explained(document))
    }

    /// Like [`Object::parse`], and reads the array of objects under `key` in the same pass, because it may be most of
    /// the document; it counts as taken then, and all of its elements are sound. `None` when no such array was found,
    /// or not everything in it is a sound object: [`Object::take`] then gives what there is.
    pub fn parse_with_list(document: &'a [u8], key: &str) -> Result<(Self, Option<Objects<'a>>), Broken> {
        let text = utf8(document).map_err(|broken| broken.explained(document))?;
        let spelling = Spelling::of(text);
        // Whatever breaks a rule is read once more, one thing after the other, for the exact reason.
        let Some((object, list)) = read::object_with_list(text, key, spelling) else {
            return Ok((Self::parse(document)?, None));
        };
        spelling.check(text)?;
        Ok((object, list))
    }

    /// Like [`Object::parse`], for the text of a value within a document that was parsed already.
    pub fn parse_text(text: &'a str) -> Result<Self, Broken> {
        Self::parse_spelled(text, Spelling::of(text))
    }

    fn parse_spelled(text: &'a str, spelling: Spelling) -> Result<Self, Broken> {
        if !text.trim_ascii_start().starts_with('{') {
            return Err(not_an_object(text));
        }
        Self::of(read::members(text, spelling).map_err(|error| Broken::syntax(&error))?, spelling)
    }

    /// The object of members whose keys may have escapes still.
    fn of(mut members: Vec<Member<'a>>, spelling: Spelling) -> Result<Self, Broken> {
        for member in &mut members {
            if let Some(raw) = member.raw_key {
                member.key = Value { raw, spelling }.text()?;
            }
        }
        // Compared as decoded text: `"a"` and `"\u0061"` are the same key.
        match repeats(&members, |member| &member.key).first().and_then(|index| members.get(*index)) {
            Some(Member { key, .. }) => Err(Broken {
                code: FaultCode::NotAnObject,
                reason: format!("the key {} stands more than once in one object", quoted(key)),
            }),
            None => Ok(Self { members, spelling }),
        }
    }

    /// The value under a key, which then does not count as [`Object::rest`] any more.
    pub fn take(&mut self, key: &str) -> Option<Value<'a>> {
        let member = self.members.iter_mut().find(|member| member.key == key)?;
        member.taken = true;
        Some(Value { raw: member.raw_value, spelling: self.spelling })
    }

    /// All members that were not taken, as one object with the texts they were written with.
    pub fn rest(&self) -> Result<Attributes, Broken> {
        let rest = || self.members.iter().filter(|member| !member.taken);
        if rest().next().is_none() {
            return Ok(Attributes::empty());
        }
        let mut text = String::with_capacity("{}".len() + rest().map(Member::length).sum::<usize>());
        text.push('{');
        for member in rest() {
            Value { raw: member.raw_value, spelling: self.spelling }.check_depth()?;
            if text.len() > 1 {
                text.push(',');
            }
            match member.raw_key {
                Some(raw) => text.push_str(raw),
                None => text.extend(["\"", &member.key, "\""]),
            }
            text.push(':');
            text.push_str(member.raw_value);
        }
        text.push('}');
        Ok(Attributes(text))
    }
}

impl Member<'_> {
    /// Bytes of its text with a colon and a comma.
    fn length(&self) -> usize {
        self.raw_key.map_or(self.key.len() + "\"\"".len(), str::len) + self.raw_value.len() + ":,".len()
    }
}

// === impl Broken ===

impl Broken {
    pub(crate) fn not_json(reason: String) -> Self {
        Self { code: FaultCode::NotJson, reason }
    }

    /// With what a person can do about it, where the whole file is written in another way.
    fn explained(self, document: &[u8]) -> Self {
        match encoding::other_than_utf8_lines(document) {
            Some(advice) if self.code == FaultCode::NotJson => {
                Self { reason: format!("{advice} ({})", self.reason), ..self }
            }
            Some(_) | None => self,
        }
    }

    fn syntax(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        Self::not_json(format!("the text is not JSON at byte {}: {what}", error.column()))
    }
}

fn utf8(document: &[u8]) -> Result<&str, Broken> {
    std::str::from_utf8(document)
        .map_err(|error| Broken::not_json(format!("the text is not UTF-8 from byte {} on", error.valid_up_to() + 1)))
}

fn not_an_object(text: &str) -> Broken {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => {
            let value = Value { raw: value.get(), spelling: Spelling::of(text) };
            let reason = format!("the document is {}, not an object", value.described());
            Broken { code: FaultCode::NotAnObject, reason }
        }
        Err(error) => Broken::syntax(&error),
    }
}

// === impl Spelling ===

impl Spelling {
    fn of(text: &str) -> Self {
        if memchr::memchr(b'\\', text.as_bytes()).is_none() { Self::Plain } else { Self::MayEscape }
    }

    /// [`check_surrogates`], where there is something to check.
    fn check(self, text: &str) -> Result<(), Broken> {
        match self {
            Self::Plain => Ok(()),
            Self::MayEscape => check_surrogates(text),
        }
    }
}

/// Refuses `\ud800` without its other half: JSON's grammar allows it, no database can store it. Takes text that is
/// JSON already, where backslashes stand in strings only.
fn check_surrogates(text: &str) -> Result<(), Broken> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(next) = bytes.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
        let escape = at + next;
        at = match (unicode_escape(bytes, escape), unicode_escape(bytes, escape + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => escape + 12,
            (Some(0xD800..=0xDFFF), _) => {
                return Err(Broken::not_json(format!("a surrogate without its other half is at byte {}", escape + 1)));
            }
            (Some(_), _) => escape + 6,
            (None, _) => escape + 2,
        };
    }
    Ok(())
}

/// The code unit of the `\uXXXX` that begins at a byte.
fn unicode_escape(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
