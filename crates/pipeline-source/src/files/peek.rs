//! The few texts that the index needs of a line, without reading the rest of it into anything.
//!
//! A line that breaks off or breaks a rule behind its ids still gives the ids that stand before the break. That is
//! what attributes a half-written bundle to its provider, which then keeps its last good content instead of losing one
//! bundle.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::mapping::MAX_ID;

/// What stands under a name.
#[derive(Clone, Copy, Debug, Default)]
pub enum Seen<'a> {
    /// Nothing.
    #[default]
    Absent,
    /// This value, as written.
    Once(&'a str),
    /// Several values.
    Repeated,
}

/// Looks for `N` names at the top of the object on a line. Never fails: what cannot be read is [`Seen::Absent`].
pub fn peek<'a, const N: usize>(line: &'a [u8], names: [&str; N]) -> [Seen<'a>; N] {
    read(line, &names, None).0
}

/// As [`peek`], and how many elements the array under `counted` has; 0 when there is none, or another value. In one
/// pass, because that array is most of a document.
pub fn peek_and_count<'a, const N: usize>(line: &'a [u8], names: [&str; N], counted: &str) -> ([Seen<'a>; N], usize) {
    read(line, &names, Some(counted))
}

fn read<'a, const N: usize>(line: &'a [u8], names: &[&str; N], counted: Option<&str>) -> ([Seen<'a>; N], usize) {
    let mut seen = [Seen::Absent; N];
    let mut elements = 0;
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let read_whole = Names { names, seen: &mut seen, counted, elements: &mut elements }.deserialize(&mut deserializer);
    match read_whole {
        // Counting is stricter than passing over, and must not hide whose a broken line is: once more without it.
        Err(_) if counted.is_some() => read(line, names, None),
        // An error means that the line ends here for the index; reading it in full will say why.
        Ok(()) | Err(_) => (seen, elements),
    }
}

impl<'a> Seen<'a> {
    /// The text, when it can be an id: one string, not empty and not longer than ids may be.
    pub fn id(self) -> Option<Cow<'a, str>> {
        let Self::Once(raw) = self else { return None };
        let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
        let text = match memchr::memchr(b'\\', inner.as_bytes()) {
            None => Cow::Borrowed(inner),
            Some(_) => Cow::Owned(serde_json::from_str::<String>(raw).ok()?),
        };
        let length = if text.len() <= MAX_ID { text.len() } else { text.chars().count() };
        (1..=MAX_ID).contains(&length).then_some(text)
    }
}

// === serde ===

struct Names<'n, 's, 'a, const N: usize> {
    names: &'n [&'n str; N],
    seen: &'s mut [Seen<'a>; N],
    counted: Option<&'n str>,
    elements: &'s mut usize,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Names<'_, '_, 'de, N> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Names<'_, '_, 'de, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Key { names: self.names, counted: self.counted })? {
            match key {
                Wanted::Nothing => drop(map.next_value::<IgnoredAny>()?),
                Wanted::Count => *self.elements = map.next_value::<Elements>()?.0,
                Wanted::Name(index) => {
                    let value = map.next_value::<&RawValue>()?;
                    if let Some(slot) = self.seen.get_mut(index) {
                        *slot = match slot {
                            Seen::Absent => Seen::Once(value.get()),
                            Seen::Once(_) | Seen::Repeated => Seen::Repeated,
                        };
                    }
                }
            }
        }
        Ok(())
    }
}

/// What is wanted of the value under a key.
enum Wanted {
    Nothing,
    Count,
    Name(usize),
}

/// What a key stands for.
struct Key<'n, const N: usize> {
    names: &'n [&'n str; N],
    counted: Option<&'n str>,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Key<'_, N> {
    type Value = Wanted;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Key<'_, N> {
    type Value = Wanted;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        if let Some(index) = self.names.iter().position(|name| *name == key) {
            return Ok(Wanted::Name(index));
        }
        Ok(if self.counted == Some(key) { Wanted::Count } else { Wanted::Nothing })
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
    use super::{peek, peek_and_count};

    #[test]
    fn elements_are_counted_in_passing_and_nothing_else_is() {
        let counted = |line: &str| peek_and_count(line.as_bytes(), ["id"], "fields").1;
        assert_eq!(counted(r#"{"fields":[{"id":"x","n":1e400},[],null],"id":"b"}"#), 3);
        assert_eq!(counted(r#"{"fields":{"a":[1,2]},"id":"b","other":[1]}"#), 0);
        assert_eq!(counted(r#"{"id":"b"}"#), 0);
    }

    #[test]
    fn what_cannot_be_counted_does_not_hide_whose_a_line_is() {
        for line in [r#"{"fields":1e400,"id":"b"}"#, r#"{"id":"b","fields":[1,"#] {
            let ([counted], elements) = peek_and_count(line.as_bytes(), ["id"], "fields");
            let [plain] = peek(line.as_bytes(), ["id"]);
            assert_eq!((counted.id().as_deref(), elements), (Some("b"), 0), "{line}");
            assert_eq!(counted.id(), plain.id(), "{line}");
        }
    }
}
