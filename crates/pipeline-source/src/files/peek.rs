//! The few texts that the index needs of a line, without reading the rest of it into anything.
//!
//! A line that breaks off or breaks a rule behind its ids still gives the ids that stand before the break. That is
//! what attributes a half-written bundle to its provider, which then keeps its last good content instead of losing one
//! bundle.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
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
    let mut seen = [Seen::Absent; N];
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    // An error means that the line ends here for the index; reading it in full will say why.
    drop(Names { names: &names, seen: &mut seen }.deserialize(&mut deserializer));
    seen
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

    /// How many elements it has, when it is one array; 0 otherwise.
    pub fn elements(self) -> usize {
        match self {
            Self::Once(raw) if raw.starts_with('[') => {
                serde_json::from_str::<Vec<IgnoredAny>>(raw).map_or(0, |elements| elements.len())
            }
            _ => 0,
        }
    }
}

// === serde ===

struct Names<'n, 's, 'a, const N: usize> {
    names: &'n [&'n str; N],
    seen: &'s mut [Seen<'a>; N],
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
        while let Some(index) = map.next_key_seed(Key { names: self.names })? {
            match index.and_then(|index| self.seen.get_mut(index)) {
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
                Some(slot) => {
                    let value = map.next_value::<&RawValue>()?;
                    *slot = match slot {
                        Seen::Absent => Seen::Once(value.get()),
                        Seen::Once(_) | Seen::Repeated => Seen::Repeated,
                    };
                }
            }
        }
        Ok(())
    }
}

/// The index of a key among the names.
struct Key<'n, const N: usize> {
    names: &'n [&'n str; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for Key<'_, N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Key<'_, N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.names.iter().position(|name| *name == key))
    }
}
