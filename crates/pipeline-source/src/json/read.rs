//! From JSON text to members and elements as they are written.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, value::RawValue};

use super::{Broken, Member, Object, Objects, Spelling, escapes::unescaped};

/// An object, and the objects in the array that was wanted of it.
pub(super) type WithList<'a> = (Object<'a>, Option<Objects<'a>>);

/// The members of the one object that a text is, with their keys as written.
pub(super) fn members(text: &str, spelling: Spelling) -> Result<Vec<Member<'_>>, Error> {
    only(text, Collect { key: None, spelling }).map(|(members, _)| members)
}

/// The object that a text is, and the objects in the array under `key`, if there is one. `None` when anything is wrong
/// with them.
pub(super) fn object_with_list<'a>(text: &'a str, key: &str, spelling: Spelling) -> Option<WithList<'a>> {
    let (members, list) = only(text, Collect { key: Some(key), spelling }).ok()?;
    Some((Object::of(members, spelling).ok()?, list))
}

/// The elements of the one array that a text is.
pub(super) fn elements(text: &str) -> Result<Vec<&RawValue>, Error> {
    only(text, Elements(PhantomData))
}

/// What a text is, and nothing behind it.
fn only<'a, S: DeserializeSeed<'a>>(text: &'a str, seed: S) -> Result<S::Value, Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Collects members as they are written; the value under `key` as the objects that its elements are.
#[derive(Clone, Copy)]
struct Collect<'k> {
    key: Option<&'k str>,
    spelling: Spelling,
}

/// A sound object in an array.
#[derive(Clone, Copy)]
struct Sound(Spelling);

/// Collects the elements of an array.
struct Elements<S>(S);

// === impl Member ===

impl<'a> Member<'a> {
    /// The next member, with a key and no value yet.
    fn next<A: MapAccess<'a>>(map: &mut A, spelling: Spelling) -> Result<Option<Self>, A::Error> {
        let member = |key, raw_key| Self { key: Cow::Borrowed(key), raw_key, raw_value: "null", taken: true };
        match spelling {
            Spelling::Plain => Ok(map.next_key()?.map(|key| member(key, None))),
            // A key that is decoded here would not be known as it is written.
            Spelling::MayEscape => Ok(map.next_key::<&RawValue>()?.map(|key| match unescaped(key.get()) {
                Some(key) => member(key, None),
                None => member("", Some(key.get())),
            })),
        }
    }
}

// === impl Collect ===

impl Collect<'_> {
    /// Whether its key is the one wanted, written without escapes.
    fn wants(self, member: &Member<'_>) -> bool {
        member.raw_key.is_none() && self.key == Some(&*member.key)
    }
}

impl<'de> DeserializeSeed<'de> for Collect<'_> {
    type Value = (Vec<Member<'de>>, Option<Objects<'de>>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Collect<'_> {
    type Value = (Vec<Member<'de>>, Option<Objects<'de>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut members, mut list) = (Vec::with_capacity(8), None);
        while let Some(member) = Member::next(&mut map, self.spelling)? {
            if list.is_none() && self.wants(&member) {
                list = Some(map.next_value_seed(Elements(Sound(self.spelling)))?);
                // Its value went its own way. It stays, so that its key cannot stand a second time.
                members.push(member);
            } else {
                let raw_value = map.next_value::<&RawValue>()?.get();
                members.push(Member { raw_value, taken: false, ..member });
            }
        }
        Ok((members, list))
    }
}

// === impl Sound, Elements ===

impl<'de> DeserializeSeed<'de> for Sound {
    type Value = Result<Object<'de>, Broken>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let (members, _) = Collect { key: None, spelling: self.0 }.deserialize(deserializer)?;
        Object::of(members, self.0).map(Ok).map_err(|broken| D::Error::custom(broken.reason))
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> DeserializeSeed<'de> for Elements<S> {
    type Value = Vec<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, S: DeserializeSeed<'de> + Copy> Visitor<'de> for Elements<S> {
    type Value = Vec<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::with_capacity(8);
        while let Some(element) = seq.next_element_seed(self.0)? {
            elements.push(element);
        }
        Ok(elements)
    }
}
