//! The few texts that the index needs of a line, without reading the rest of it into anything.
//!
//! A line that breaks off or breaks a rule behind its ids still gives the ids that stand before the break. That is
//! what attributes a half-written bundle to its provider, which then keeps its last good content instead of losing one
//! bundle.
//!
//! Ids stand near the beginning of a line, usually, and what follows is most of it. So [`Peek`] first searches the line
//! for the last place where one of the names could be spelled, which is done at the speed of memory, and has the JSON
//! reader stop behind that place. No answer depends on it: all that is left unread cannot hold one of the names, so
//! every line, sound or broken, gives what [`peek`] gives, which reads it to the end.

use std::{borrow::Cow, fmt};

use memchr::memmem::Finder;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::mapping::MAX_ID;

#[cfg(test)]
mod tests;

/// What stands under a name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    read(line, &names, line.len())
}

/// [`peek`] for many lines.
#[derive(Debug)]
pub struct Peek<'n, const N: usize> {
    names: [&'n str; N],
    /// How keys with these names begin: with a quote. Two such places never overlap.
    spelled: Vec<Finder<'static>>,
}

impl<'n, const N: usize> Peek<'n, N> {
    /// Prepares the search for these names.
    pub fn new(names: [&'n str; N]) -> Self {
        let spelled = names.iter().map(|name| Finder::new(&format!("\"{name}")).into_owned()).collect();
        Self { names, spelled }
    }

    /// Spares the search for a name that is needed in some cases only, and is not now: what is seen of it then holds
    /// nothing. It is read like the others all the same, so that each line breaks off where it does for [`peek`].
    pub fn without(mut self, name: &str) -> Self {
        self.spelled.retain(|spelled| spelled.needle().strip_prefix(b"\"") != Some(name.as_bytes()));
        self
    }

    /// What [`peek`] gives for the line.
    pub fn look<'a>(&self, line: &'a [u8]) -> [Seen<'a>; N] {
        read(line, &self.names, self.last_key(line))
    }

    /// No key at the top of the object that begins behind this byte has one of the names.
    fn last_key(&self, line: &[u8]) -> usize {
        // With a backslash, any key could be spelled some other way.
        let escaped = memchr::memrchr(b'\\', line);
        let spelled = self.spelled.iter().filter_map(|name| last_behind_another(name, line));
        spelled.chain(escaped).max().unwrap_or(0)
    }
}

/// Where a key is spelled last, not counting first members: the line's own is read anyway, and the others are those of
/// nested objects. It passes over the ids of nested documents, which tend to begin with them.
fn last_behind_another(spelled: &Finder<'_>, line: &[u8]) -> Option<usize> {
    let is_key = |at: &usize| {
        let before = at.checked_sub(1).and_then(|before| line.get(before));
        let behind = line.get(at + spelled.needle().len());
        before != Some(&b'{') && behind == Some(&b'"')
    };
    spelled.find_iter(line).filter(is_key).last()
}

/// Reads the members of the object up to the first one whose key begins behind the byte `last_key`.
fn read<'a, const N: usize>(line: &'a [u8], names: &[&str; N], last_key: usize) -> [Seen<'a>; N] {
    let mut seen = [Seen::Absent; N];
    let last_address = line.as_ptr().addr().saturating_add(last_key);
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    // An error means that the line ends here for the index; reading it in full will say why.
    match (Members { names, last_address, seen: &mut seen }).deserialize(&mut deserializer) {
        Ok(()) | Err(_) => seen,
    }
}

impl<'a> Seen<'a> {
    fn add(&mut self, value: &'a str) {
        *self = if matches!(self, Self::Absent) { Self::Once(value) } else { Self::Repeated };
    }

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

struct Members<'n, 's, 'a, const N: usize> {
    names: &'n [&'n str; N],
    last_address: usize,
    seen: &'s mut [Seen<'a>; N],
}

impl<'de, const N: usize> DeserializeSeed<'de> for Members<'_, '_, 'de, N> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, '_, 'de, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut last_address = None;
        while let Some(key) = map.next_key_seed(Key { names: self.names, last_address })? {
            match key {
                Found::Name(index) => {
                    let value = map.next_value::<&RawValue>()?;
                    if let Some(seen) = self.seen.get_mut(index) {
                        seen.add(value.get());
                    }
                }
                Found::Other => drop(map.next_value::<IgnoredAny>()?),
                Found::Behind => break,
            }
            // The first member is read wherever it stands.
            last_address = Some(self.last_address);
        }
        Ok(())
    }
}

/// What a key is.
enum Found {
    /// One of the names.
    Name(usize),
    /// None of them.
    Other,
    /// The first behind the last that could be one.
    Behind,
}

struct Key<'n, const N: usize> {
    names: &'n [&'n str; N],
    last_address: Option<usize>,
}

impl<'de, const N: usize> DeserializeSeed<'de> for Key<'_, N> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Key<'_, N> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    /// A key as it stands in the line, so its place in memory is its place there; it begins with the quote before it.
    fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Found, E> {
        let quote = key.as_ptr().addr().saturating_sub(1);
        if self.last_address.is_some_and(|last| quote > last) { Ok(Found::Behind) } else { self.visit_str(key) }
    }

    fn visit_str<E>(self, key: &str) -> Result<Found, E> {
        Ok(self.names.iter().position(|name| *name == key).map_or(Found::Other, Found::Name))
    }
}
