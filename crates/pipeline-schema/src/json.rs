//! JSON that knows where it stands.
//!
//! serde_json does the reading, one level at a time, and lends each value as a slice of the text: the slice's address
//! is the value's place. So what is JSON here is JSON everywhere, and no second parser has to agree with the first.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::schema::Place;

/// The text of a schema, with its places.
#[derive(Debug)]
pub(crate) struct Text<'a> {
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// A value somewhere in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Json<'a> {
    raw: &'a RawValue,
}

/// A value, one level deep.
#[derive(Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool,
    Number(&'a str),
    Text(String),
    List(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// The members of an object, in order; a key may occur twice.
#[derive(Debug)]
pub(crate) struct Object<'a>(pub Vec<(String, Json<'a>)>);

// === impl Text ===

impl<'a> Text<'a> {
    /// The places of a text.
    pub(crate) fn new(text: &'a str) -> Self {
        let lines = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self { text, lines }
    }

    /// The outermost value, or why the text is not JSON.
    pub(crate) fn json(&self) -> Result<Json<'a>, (Place, String)> {
        serde_json::from_str(self.text).map(|raw| Json { raw }).map_err(|error: serde_json::Error| {
            // Reading it in earnest gives better reasons than skipping over it.
            let error = serde_json::from_str::<serde_json::Value>(self.text).err().unwrap_or(error);
            let place = Place { line: error.line().max(1), column: error.column().max(1), length: 1 };
            let said = error.to_string();
            // The place is told apart from the sentence.
            let problem = said.rsplit_once(" at line ").map_or(said.as_str(), |(problem, _)| problem);
            (place, format!("not JSON: {problem}"))
        })
    }

    /// Bytes of the text before a value.
    pub(crate) fn offset(&self, of: Json<'_>) -> usize {
        of.raw.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }

    /// Where a value stands.
    pub(crate) fn place(&self, of: Json<'_>) -> Place {
        let (part, offset) = (of.raw.get(), self.offset(of));
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
        Place {
            line,
            column: self.text.get(start..offset).unwrap_or_default().chars().count() + 1,
            length: part.lines().next().unwrap_or_default().chars().count().max(1),
        }
    }
}

// === impl Json ===

impl<'a> Json<'a> {
    /// The value as it is written.
    pub(crate) fn text(self) -> &'a str {
        self.raw.get()
    }

    /// The value, one level deep. The whole text has been read once, so its parts cannot fail; were one to, it would
    /// be taken for a null.
    pub(crate) fn value(self) -> Value<'a> {
        let text = self.raw.get();
        let read = match text.bytes().next() {
            Some(b'{') => serde_json::from_str(text).map(Value::Object),
            Some(b'[') => serde_json::from_str::<Vec<&'a RawValue>>(text)
                .map(|items| Value::List(items.into_iter().map(|raw| Json { raw }).collect())),
            Some(b'"') => serde_json::from_str(text).map(Value::Text),
            Some(b't' | b'f') => Ok(Value::Bool),
            Some(b'n') | None => Ok(Value::Null),
            Some(_) => Ok(Value::Number(text)),
        };
        read.unwrap_or(Value::Null)
    }

    /// The text that the value is, if it is one.
    pub(crate) fn as_text(self) -> Option<String> {
        match self.value() {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

// === impl Value ===

impl Value<'_> {
    /// How a sentence calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a truth value",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

// === impl Object ===

impl<'a> Object<'a> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<Json<'a>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| *value)
    }

    /// The first key that occurs twice, with its second value.
    pub(crate) fn doubled(&self) -> Option<&(String, Json<'a>)> {
        let twice = |(place, (key, _)): &(usize, &(String, Json<'a>))| {
            self.0.iter().take(*place).any(|(earlier, _)| earlier == key)
        };
        self.0.iter().enumerate().find(twice).map(|(_, member)| member)
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((key, raw)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((key, Json { raw }));
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_line_and_column_in_characters() {
        let text = Text::new("{\n\t\"größe\": [1,\n  \"x\"]}");
        let Value::Object(object) = text.json().unwrap().value() else { panic!("an object") };
        let list = object.get("größe").unwrap();
        assert_eq!(text.place(list), Place { line: 2, column: 11, length: 3 });
        let Value::List(items) = list.value() else { panic!("a list") };
        assert_eq!(text.place(items[1]), Place { line: 3, column: 3, length: 3 });
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        let (place, problem) = Text::new("{\n  \"a\": [1,\n]}").json().unwrap_err();
        assert_eq!((place.line, problem.as_str()), (3, "not JSON: trailing comma"));
    }
}
