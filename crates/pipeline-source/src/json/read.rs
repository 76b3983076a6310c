//! From JSON text to members and elements as they are written.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Error, value::RawValue};

use super::{Member, Object, Value};

/// An object, and the objects in the array that was wanted of it.
pub(super) type WithList<'a> = (Object<'a>, Option<Vec<Object<'a>>>);

/// The members of the one object that a text is, with their keys as written.
pub(super) fn members(text: &str) -> Result<Vec<Member<'_>>, Error> {
    serde_json::from_str(text).map(|Members(members)| members)
}

/// The object that a text is, and the objects in the array under `key`, if there is one. `None` when anything is wrong
/// with them.
pub(super) fn object_with_list<'a>(text: &'a str, key: &str) -> Option<WithList<'a>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let (members, list) = Collect { key: Some(key) }.deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    let object = Object::of(members).ok()?;
    let Some(list) = list else { return Some((object, None)) };
    let list = list.into_iter().map(|Members(members)| Object::of(members).ok()).collect::<Option<_>>()?;
    Some((object, Some(list)))
}

/// The elements of the one array that a text is.
pub(super) fn elements(text: &str) -> Result<Vec<&RawValue>, Error> {
    serde_json::from_str(text).map(|Elements(elements)| elements)
}

struct Members<'a>(Vec<Member<'a>>);

struct Elements<T>(Vec<T>);

/// Collects members as they are written; the value under `key` as the objects that its elements are.
struct Collect<'k> {
    key: Option<&'k str>,
}

// === impl Member ===

impl<'a> Member<'a> {
    fn written(key: &'a RawValue, value: &'a RawValue) -> Self {
        let raw_key = key.get();
        Self { key: Cow::Borrowed(raw_key), raw_key, value: Value { raw: value.get() }, taken: false }
    }

    /// A member whose value went its own way. It stays, so that its key cannot stand a second time.
    fn taken(key: &'a RawValue) -> Self {
        let raw_key = key.get();
        Self { key: Cow::Borrowed(raw_key), raw_key, value: Value { raw: "null" }, taken: true }
    }
}

// === impl Collect ===

impl Collect<'_> {
    /// Whether this is the key, written without escapes.
    fn is_wanted(&self, key: &RawValue) -> bool {
        self.key.is_some() && key.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == self.key
    }
}

impl<'de> DeserializeSeed<'de> for Collect<'_> {
    type Value = (Vec<Member<'de>>, Option<Vec<Members<'de>>>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Collect<'_> {
    type Value = (Vec<Member<'de>>, Option<Vec<Members<'de>>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut members, mut list) = (Vec::with_capacity(8), None);
        while let Some(key) = map.next_key()? {
            if list.is_none() && self.is_wanted(key) {
                let Elements(elements) = map.next_value()?;
                list = Some(elements);
                members.push(Member::taken(key));
            } else {
                members.push(Member::written(key, map.next_value()?));
            }
        }
        Ok((members, list))
    }
}

// === impl Members, Elements ===

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Collect { key: None }.deserialize(deserializer).map(|(members, _)| Self(members))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Elements<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Collect<T> {
            type Value = Elements<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut elements = Vec::with_capacity(8);
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }

        deserializer.deserialize_seq(Collect(PhantomData))
    }
}
