//! The few texts that the index needs of a line, without reading the rest of it into anything.
//!
//! A line that breaks off or breaks a rule behind its ids still gives the ids that stand before the break. That is
//! what attributes a half-written bundle to its provider, which then keeps its last good content instead of losing one
//! bundle. It holds only while the line can be nobody else's too: a broken line that spells an owner's name again, or
//! only where it is nested or behind the break, may be two documents that a lost line end made one, and gives nothing.
//!
//! Ids stand near the beginning of a line, usually, and what follows is most of it. So [`Peek`] first searches the line
//! for the last place where one of the names could be spelled, which is done at the speed of memory, and has the JSON
//! reader stop behind that place. No answer depends on it: all that is left unread cannot hold one of the names, so
//! every line, sound or broken, gives what [`peek`] gives, which reads it to the end.

use std::{borrow::Cow, fmt, sync::LazyLock};

use memchr::memmem::Finder;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use self::spelling::{has_own_escapes, spelled};
use crate::mapping::MAX_ID;

mod spelling;
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
    /// Several values, one that breaks off, or one that may be of another document.
    Uncertain,
}

/// An id as a document gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// It gives none, or null.
    Not,
    /// It gives something that cannot be read as one.
    Unreadable,
    /// This one.
    As(Cow<'a, str>),
}

/// Looks for `N` names at the top of the object on a line. Never fails: what cannot be read is not seen.
pub fn peek<'a, const N: usize>(line: &'a [u8], names: [&str; N]) -> [Seen<'a>; N] {
    read(line, &names, 0, line.len()).0
}

/// Like [`peek`], for a document's own id and the names of its owners. Documents that are nested in it may have an id
/// of that name, so how often the first name is spelled says nothing.
pub fn peek_below<'a, const N: usize>(line: &'a [u8], names: [&str; N]) -> [Seen<'a>; N] {
    read(line, &names, 1, line.len()).0
}

/// [`peek`] or [`peek_below`] for many lines.
#[derive(Debug)]
pub struct Peek<'n, const N: usize> {
    names: [&'n str; N],
    /// Where among the names those of the owners begin.
    owners: usize,
    /// How keys with these names begin: with a quote. Two such places never overlap. `None` for a name that is spared.
    spelled: [Option<Finder<'static>>; N],
    /// `\u`, which can spell any name in another way.
    escape: Finder<'static>,
    /// A name that can be spelled with other escapes.
    any_escape: bool,
}

impl<'n, const N: usize> Peek<'n, N> {
    /// Prepares the search for these names.
    pub fn new(names: [&'n str; N]) -> Self {
        Self::with_owners(names, 0)
    }

    /// Prepares the search for a document's own id and the names of its owners.
    pub fn below(names: [&'n str; N]) -> Self {
        Self::with_owners(names, 1)
    }

    fn with_owners(names: [&'n str; N], owners: usize) -> Self {
        let spelled = names.map(|name| Some(Finder::new(&format!("\"{name}")).into_owned()));
        let any_escape = names.iter().any(|name| has_own_escapes(name));
        Self { names, owners, spelled, escape: Finder::new("\\u"), any_escape }
    }

    /// Spares the search for a name that is needed in some cases only, and is not now: what is seen of it then holds
    /// nothing. It is read like the others all the same, so that each line breaks off where it does for [`peek`].
    pub fn without(mut self, name: &str) -> Self {
        for (spelled, _) in self.spelled.iter_mut().zip(self.names).filter(|(_, other)| *other == name) {
            *spelled = None;
        }
        self
    }

    /// What [`peek`] or [`peek_below`] gives for the line.
    pub fn look<'a>(&self, line: &'a [u8]) -> [Seen<'a>; N] {
        let Some((last_key, times)) = self.last_key(line).filter(|_| !could_be_joined(line)) else {
            return read(line, &self.names, self.owners, line.len()).0;
        };
        let (seen, stopped) = read(line, &self.names, self.owners, last_key);
        // Whether the line is sound decides what is seen then, so it is read to its end.
        let elsewhere = |(seen, times): (&Seen<'_>, &usize)| *times > usize::from(*seen != Seen::Absent);
        if stopped && seen.iter().zip(&times).skip(self.owners).any(elsewhere) {
            return read(line, &self.names, self.owners, line.len()).0;
        }
        seen
    }

    /// No key at the top of the object that begins behind this byte has one of the names; and how often each is spelled.
    /// `None` when a name could be spelled in a way that is not searched for.
    fn last_key(&self, line: &[u8]) -> Option<(usize, [usize; N])> {
        // With a backslash, any key could be spelled some other way.
        let escaped = memchr::memrchr(b'\\', line);
        if escaped.is_some() && (self.any_escape || self.escape.find(line).is_some()) {
            return None;
        }
        let (mut last, mut times) = (escaped.unwrap_or_default(), [0; N]);
        for (spelled, times) in self.spelled.iter().zip(&mut times) {
            let Some(spelled) = spelled else { continue };
            for at in spelled.find_iter(line).filter(|at| line.get(at + spelled.needle().len()) == Some(&b'"')) {
                *times += 1;
                // First members do not count: the line's own is read anyway, and the others are those of nested
                // objects. It passes over the ids of nested documents, which tend to begin with them.
                let is_first = at.checked_sub(1).and_then(|before| line.get(before)) == Some(&b'{');
                last = if is_first { last } else { last.max(at) };
            }
        }
        Some((last, times))
    }
}

/// Reads the members of the object up to the first one whose key begins behind the byte `last_key`, and says whether
/// there was such a one.
fn read<'a, const N: usize>(
    line: &'a [u8],
    names: &[&str; N],
    owners: usize,
    last_key: usize,
) -> ([Seen<'a>; N], bool) {
    let (mut seen, mut stopped) = ([Seen::Absent; N], false);
    let last_address = line.as_ptr().addr().saturating_add(last_key);
    let mut deserializer = serde_json::Deserializer::from_slice(line);
    let members = Members { names, last_address, seen: &mut seen, stopped: &mut stopped };
    // An error means that the line ends here for the index; reading it in full will say why.
    let object = members.deserialize(&mut deserializer);
    let has_ended = object.is_ok();
    if object.and_then(|()| deserializer.end()).is_err() && !stopped {
        let behind = deserializer.into_iter::<IgnoredAny>().byte_offset();
        let another = has_ended && could_be_joined(line) && line.get(behind..).is_some_and(|rest| rest.contains(&b'{'));
        let elsewhere = |(name, seen): (&&str, &Seen<'_>)| spelled(line, name, usize::from(*seen != Seen::Absent));
        if another || names.iter().zip(&seen).skip(owners).any(elsewhere) {
            return ([Seen::Uncertain; N], false);
        }
    }
    (seen, stopped)
}

/// Whether a line has what one object alone has not: another end, or an object right behind one. Told without reading it.
fn could_be_joined(line: &[u8]) -> bool {
    static BOTH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("}{"));
    line.trim_ascii_end().last() != Some(&b'}') || BOTH.find(line).is_some()
}

impl<'a> Seen<'a> {
    fn add(&mut self, value: &'a str) {
        *self = if matches!(self, Self::Absent) { Self::Once(value) } else { Self::Uncertain };
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

    /// What the document says: a value that is no id is another matter than none.
    pub fn named(self) -> Named<'a> {
        match (self, self.id()) {
            (_, Some(id)) => Named::As(id),
            (Self::Absent | Self::Once("null"), None) => Named::Not,
            (Self::Once(_) | Self::Uncertain, None) => Named::Unreadable,
        }
    }
}

// === serde ===

struct Members<'n, 's, 'a, const N: usize> {
    names: &'n [&'n str; N],
    last_address: usize,
    seen: &'s mut [Seen<'a>; N],
    /// The reading ended before the object did, because nothing is left to be seen.
    stopped: &'s mut bool,
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
                    let value = map.next_value::<&RawValue>();
                    if let Some(seen) = self.seen.get_mut(index) {
                        match &value {
                            Ok(value) => seen.add(value.get()),
                            Err(_) => *seen = Seen::Uncertain,
                        }
                    }
                    value?;
                }
                Found::Other => drop(map.next_value::<IgnoredAny>()?),
                Found::Behind => {
                    *self.stopped = true;
                    break;
                }
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
