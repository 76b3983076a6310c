//! One value as it is written: what it is, what it says, and how deep it nests.

use std::borrow::Cow;

use pipeline_model::documents::{DataType, FaultCode};

use super::{Broken, MAX_DEPTH, Spelling, read};

/// A JSON value as written, without the white space around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a> {
    pub(super) raw: &'a str,
    /// Of a text that it is in.
    pub(super) spelling: Spelling,
}

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
        if self.spelling == Spelling::Plain || !has_escapes(inner) {
            return Ok(Cow::Borrowed(inner));
        }
        serde_json::from_str::<String>(self.raw).map(Cow::Owned).map_err(|error| Broken::syntax(&error))
    }

    /// The elements of an array; `None` when it is something else.
    pub fn elements(self) -> Option<Vec<Self>> {
        let elements = read::elements(self.raw).ok()?;
        Some(elements.into_iter().map(|element| Self { raw: element.get(), ..self }).collect())
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

/// The characters of a string that is written without escapes.
pub(super) fn unescaped(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')?.strip_suffix('"').filter(|inner| !has_escapes(inner))
}

fn has_escapes(inner: &str) -> bool {
    memchr::memchr(b'\\', inner.as_bytes()).is_some()
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
