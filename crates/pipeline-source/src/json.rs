//! JSON without loss: an object as its members in source order, each value as the exact text it was written with.
//!
//! Nothing here turns a number into a float or writes a value anew, so `1.10` stays `1.10` and `1e400` is a number
//! like any other. In return the text is checked once, as a whole, for what a database would trip over later: bytes
//! that are not UTF-8, surrogates without their other half, nesting beyond [`MAX_DEPTH`]. No function here recurses;
//! input that nests a million levels deep costs a scan and no stack.

use std::{borrow::Cow, collections::HashSet, fmt};

use pipeline_core::documents::{Attributes, DataType, FaultCode};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

#[cfg(test)]
mod tests;

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

/// The members of a JSON object in source order, no key twice.
#[derive(Debug)]
pub struct Object<'a> {
    members: Vec<Member<'a>>,
}

#[derive(Debug)]
struct Member<'a> {
    key: Cow<'a, str>,
    /// As written, with its quotes and escapes.
    raw_key: &'a str,
    value: Value<'a>,
    taken: bool,
}

/// A JSON value as written, without the white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    raw: &'a str,
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

// === impl Object ===

impl<'a> Object<'a> {
    /// Reads one object, and nothing behind it, from the bytes of a document. White space around it is fine.
    pub fn parse(document: &'a [u8]) -> Result<Self, Broken> {
        let text = std::str::from_utf8(document).map_err(|error| {
            Broken::not_json(format!("the text is not UTF-8 from byte {} on", error.valid_up_to() + 1))
        })?;
        let object = Self::parse_text(text)?;
        check_surrogates(text)?;
        Ok(object)
    }

    /// Like [`Object::parse`], for the text of a value within a document that was parsed already.
    pub fn parse_text(text: &'a str) -> Result<Self, Broken> {
        if !text.trim_ascii_start().starts_with('{') {
            return Err(not_an_object(text));
        }
        let Members(members) = serde_json::from_str(text).map_err(|error| Broken::syntax(&error))?;
        let members = members.into_iter().map(Member::read).collect::<Result<Vec<_>, _>>()?;
        match repeated(&members) {
            Some(key) => Err(Broken {
                code: FaultCode::NotAnObject,
                reason: format!("the key {} stands more than once in one object", quoted(key)),
            }),
            None => Ok(Self { members }),
        }
    }

    /// The value under a key, which then does not count as [`Object::rest`] any more.
    pub fn take(&mut self, key: &str) -> Option<Value<'a>> {
        let member = self.members.iter_mut().find(|member| member.key == key)?;
        member.taken = true;
        Some(member.value)
    }

    /// All members that were not taken, as one object with the texts they were written with.
    pub fn rest(&self) -> Result<Attributes, Broken> {
        let mut text = String::from("{");
        for member in self.members.iter().filter(|member| !member.taken) {
            member.value.check_depth()?;
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(member.raw_key);
            text.push(':');
            text.push_str(member.value.raw);
        }
        text.push('}');
        Ok(Attributes(text))
    }
}

impl<'a> Member<'a> {
    fn read((raw_key, raw_value): (&'a RawValue, &'a RawValue)) -> Result<Self, Broken> {
        let raw_key = raw_key.get();
        let key = Value { raw: raw_key }.text()?;
        Ok(Self { key, raw_key, value: Value { raw: raw_value.get() }, taken: false })
    }
}

/// The first key that stands twice, compared as decoded text: `"a"` and `"\u0061"` are the same key.
fn repeated<'o>(members: &'o [Member<'_>]) -> Option<&'o str> {
    const FEW: usize = 16;
    let keys = members.iter().map(|member| &*member.key);
    if members.len() <= FEW {
        return keys.enumerate().find(|(at, key)| members.iter().take(*at).any(|m| m.key == *key)).map(|(_, key)| key);
    }
    let mut seen = HashSet::with_capacity(members.len());
    keys.into_iter().find(|key| !seen.insert(*key))
}

// === impl Value ===

impl<'a> Value<'a> {
    /// The text as written.
    pub fn raw(self) -> &'a str {
        self.raw
    }

    /// Its JSON type.
    pub fn data_type(self) -> DataType {
        match self.raw.as_bytes().first() {
            Some(b'"') => DataType::String,
            Some(b't' | b'f') => DataType::Boolean,
            Some(b'{' | b'[') => DataType::Json,
            Some(b'n') | None => DataType::Null,
            Some(_) => DataType::Number,
        }
    }

    /// The type in words, with its article, for messages.
    pub fn described(self) -> &'static str {
        match self.data_type() {
            DataType::String => "a string",
            DataType::Number => "a number",
            DataType::Boolean => "a boolean",
            DataType::Null => "null",
            DataType::Json if self.raw.starts_with('[') => "an array",
            DataType::Json => "an object",
        }
    }

    /// The characters of a string; the text as written of anything else.
    pub fn text(self) -> Result<Cow<'a, str>, Broken> {
        let Some(inner) = self.raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
            return Ok(Cow::Borrowed(self.raw));
        };
        if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
            return Ok(Cow::Borrowed(inner));
        }
        serde_json::from_str::<String>(self.raw).map(Cow::Owned).map_err(|error| Broken::syntax(&error))
    }

    /// The elements of an array; `None` when it is something else.
    pub fn elements(self) -> Option<Vec<Self>> {
        let elements = serde_json::from_str::<Elements<'a>>(self.raw).ok()?;
        Some(elements.0.into_iter().map(|element| Self { raw: element.get() }).collect())
    }

    /// Refuses a member's value that makes its document nest deeper than [`MAX_DEPTH`].
    pub fn check_depth(self) -> Result<(), Broken> {
        let depth = 1 + self.depth();
        if depth <= MAX_DEPTH {
            return Ok(());
        }
        Err(Broken {
            code: FaultCode::TooDeep,
            reason: format!("the document nests {depth} levels deep; at most {MAX_DEPTH} can be stored"),
        })
    }

    /// Levels of objects and arrays; 0 for anything else.
    fn depth(self) -> usize {
        if self.data_type() != DataType::Json {
            return 0;
        }
        let (mut deepest, mut open) = (0_usize, 0_usize);
        let mut bytes = self.raw.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => skip_string(&mut bytes),
                b'{' | b'[' => {
                    open += 1;
                    deepest = deepest.max(open);
                }
                b'}' | b']' => open = open.saturating_sub(1),
                _ => {}
            }
        }
        deepest
    }
}

fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            // Whatever is escaped cannot end the string.
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

// === impl Broken ===

impl Broken {
    pub(crate) fn not_json(reason: String) -> Self {
        Self { code: FaultCode::NotJson, reason }
    }

    fn syntax(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        Self::not_json(format!("the text is not JSON at byte {}: {what}", error.column()))
    }
}

fn not_an_object(text: &str) -> Broken {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => Broken {
            code: FaultCode::NotAnObject,
            reason: format!("the document is {}, not an object", Value { raw: value.get() }.described()),
        },
        Err(error) => Broken::syntax(&error),
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

// === serde ===

struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

struct Elements<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }

        deserializer.deserialize_seq(Collect)
    }
}
