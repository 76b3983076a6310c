//! How many subscription fields are nested in a bundle, without reading them into anything.
//!
//! Only who asks for the number of all documents needs it, so it is no part of the index.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How many elements the array has that stands under a name at the top of the object on a line. 0 when there is none,
/// when something else stands there, or when the line is broken.
pub fn elements(line: &[u8], name: &str) -> usize {
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    Members { name }.deserialize(&mut deserializer).unwrap_or(0)
}

// === serde ===

struct Members<'n> {
    name: &'n str,
}

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut elements = 0;
        while let Some(counts) = map.next_key_seed(Is(self.name))? {
            if counts {
                elements = map.next_value::<Elements>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(elements)
    }
}

/// Whether a key is this one.
struct Is<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

/// The number of elements of an array; 0 for any other value.
struct Elements(usize);

impl<'de> Deserialize<'de> for Elements {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Each element is skipped where it stands; nothing is collected.
        deserializer.deserialize_any(Counter).map(Self)
    }
}

struct Counter;

impl<'de> Visitor<'de> for Counter {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<usize, A::Error> {
        let mut count = 0;
        while elements.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(0)
    }

    fn visit_bool<E>(self, _: bool) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_i64<E>(self, _: i64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_u64<E>(self, _: u64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_f64<E>(self, _: f64) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_str<E>(self, _: &str) -> Result<usize, E> {
        Ok(0)
    }

    fn visit_unit<E>(self) -> Result<usize, E> {
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn only_the_elements_of_a_sound_array_at_the_top_of_a_line_are_counted() {
        for (line, expected) in [
            (r#"{"fields":[{"id":"x","n":1e400},[],null],"id":"b"}"#, 3),
            (r#"{"f\u0069elds":[1],"id":"b"}"#, 1),
            (r#"{"fields":{"a":[1,2]},"id":"b","other":[1]}"#, 0),
            (r#"{"other":{"fields":[1,2]}}"#, 0),
            (r#"{"id":"b"}"#, 0),
            (r#"{"fields":1e400,"id":"b"}"#, 0),
            (r#"{"id":"b","fields":[1,"#, 0),
        ] {
            assert_eq!(elements(line.as_bytes(), "fields"), expected, "{line}");
        }
    }
}
