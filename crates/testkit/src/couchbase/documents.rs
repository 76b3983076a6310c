//! The bucket: collections, documents with their CAS, and indexes that follow every change at once.
//!
//! Documents are text that is never parsed for storing, so a number comes back as it was written. Keys are in the order
//! of their bytes, as the server orders `META().id`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::value::RawValue;

use super::Index;

/// The id of the first collection that is not `_default`.
const FIRST_COLLECTION_ID: u32 = 8;

/// One bucket.
#[derive(Debug, Default)]
pub(super) struct Bucket {
    collections: BTreeMap<(String, String), Collection>,
    last_cas: u64,
}

/// The documents and indexes of one collection.
#[derive(Debug)]
pub(super) struct Collection {
    pub id: u32,
    pub documents: BTreeMap<String, Document>,
    pub indexes: Vec<Entries>,
}

/// A document as it was stored.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub text: Arc<str>,
    pub cas: u64,
    /// Whether it is JSON; the server keeps anything else as binary.
    pub is_json: bool,
}

/// An index and what it holds.
#[derive(Debug)]
pub(super) struct Entries {
    pub index: Index,
    /// Keys by the comparable values of the index's fields, each ended by [`END`].
    keys: BTreeMap<String, BTreeSet<String>>,
}

/// What an index is asked for.
#[derive(Clone, Debug)]
pub(super) enum Sought {
    /// Everything that is in it.
    All,
    /// These keys, in order.
    Keys(Vec<String>),
    /// What begins with these comparable values.
    Prefixes(Vec<String>),
}

/// Ends a comparable value within an index.
const END: char = '\0';

// === impl Bucket ===

impl Bucket {
    /// Makes a collection unless it is there.
    pub fn create(&mut self, scope: &str, collection: &str) {
        let name = (scope.to_owned(), collection.to_owned());
        let is_default = (scope, collection) == ("_default", "_default");
        let next = self.collections.values().map(|known| known.id + 1).max().unwrap_or(0).max(FIRST_COLLECTION_ID);
        let id = if is_default { 0 } else { next };
        let empty = Collection { id, documents: BTreeMap::new(), indexes: Vec::new() };
        self.collections.entry(name).or_insert(empty);
    }

    /// Removes a collection with all that is in it.
    pub fn drop_collection(&mut self, scope: &str, collection: &str) {
        self.collections.remove(&(scope.to_owned(), collection.to_owned()));
    }

    /// Drops the index of this name; whether there was one.
    pub fn drop_index(&mut self, name: &str) -> bool {
        let mut found = false;
        for collection in self.collections.values_mut() {
            let before = collection.indexes.len();
            collection.indexes.retain(|entries| entries.index.name != name);
            found |= collection.indexes.len() < before;
        }
        found
    }

    pub fn has_scope(&self, scope: &str) -> bool {
        scope == "_default" || self.collections.keys().any(|(known, _)| known == scope)
    }

    pub fn collection(&self, scope: &str, collection: &str) -> Option<&Collection> {
        self.collections.get(&(scope.to_owned(), collection.to_owned()))
    }

    pub fn collection_mut(&mut self, scope: &str, collection: &str) -> Option<&mut Collection> {
        self.collections.get_mut(&(scope.to_owned(), collection.to_owned()))
    }

    pub fn by_id(&mut self, id: u32) -> Option<(String, &mut Collection)> {
        let mut all = self.collections.iter_mut();
        all.find(|(_, collection)| collection.id == id).map(|((_, name), collection)| (name.clone(), collection))
    }

    /// Scope, name and content of all collections.
    pub fn collections(&self) -> impl Iterator<Item = (&str, &str, &Collection)> {
        self.collections.iter().map(|((scope, name), collection)| (scope.as_str(), name.as_str(), collection))
    }

    /// The next CAS: nanoseconds, and always more than the last.
    pub fn next_cas(&mut self) -> u64 {
        let nanoseconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
        let clock = u64::try_from(nanoseconds).unwrap_or(u64::MAX) & !0xffff;
        self.last_cas = clock.max(self.last_cas + 1);
        self.last_cas
    }
}

// === impl Collection ===

impl Collection {
    /// Stores a document under a CAS from [`Bucket::next_cas`].
    pub fn set(&mut self, key: &str, text: &str, cas: u64) {
        self.remove(key);
        let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
        if is_json {
            let fields = fields(text);
            for entries in &mut self.indexes {
                entries.insert(key, &fields);
            }
        }
        self.documents.insert(key.to_owned(), Document { text: text.into(), cas, is_json });
    }

    /// Whether there was a document to remove.
    pub fn remove(&mut self, key: &str) -> bool {
        let Some(document) = self.documents.remove(key) else { return false };
        let fields = fields(&document.text);
        for entries in &mut self.indexes {
            entries.remove(key, &fields);
        }
        true
    }

    /// Builds an index over what is there.
    pub fn add_index(&mut self, index: Index) {
        let mut entries = Entries { index, keys: BTreeMap::new() };
        if !entries.index.fields.is_empty() {
            for (key, document) in &self.documents {
                entries.insert(key, &fields(&document.text));
            }
        }
        self.indexes.push(entries);
    }

    /// At most so many keys after one, in order, from the index at a place in [`Self::indexes`].
    pub fn keys(&self, index: usize, sought: &Sought, after: Option<&str>, limit: usize) -> Vec<String> {
        let Some(entries) = self.indexes.get(index) else { return Vec::new() };
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut found = BTreeSet::new();
        match sought {
            Sought::Keys(keys) => {
                let is_after = |key: &&String| after.is_none_or(|after| key.as_str() > after);
                found.extend(keys.iter().filter(is_after).filter(|key| self.documents.contains_key(*key)));
            }
            Sought::All if entries.index.fields.is_empty() => {
                return self.documents.range::<str, _>(range).take(limit).map(|(key, _)| key.clone()).collect();
            }
            Sought::All => {
                for keys in entries.keys.values() {
                    found.extend(keys.range::<str, _>(range).take(limit));
                }
            }
            Sought::Prefixes(prefixes) => {
                for prefix in prefixes {
                    let from = entries.keys.range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded));
                    for (_, keys) in from.take_while(|(value, _)| value.starts_with(prefix)) {
                        found.extend(keys.range::<str, _>(range).take(limit));
                    }
                }
            }
        }
        found.into_iter().take(limit).cloned().collect()
    }
}

// === impl Entries ===

impl Entries {
    fn insert(&mut self, key: &str, fields: &Fields<'_>) {
        if let Some(value) = self.value(fields) {
            self.keys.entry(value).or_default().insert(key.to_owned());
        }
    }

    fn remove(&mut self, key: &str, fields: &Fields<'_>) {
        let Some(value) = self.value(fields) else { return };
        if let Some(keys) = self.keys.get_mut(&value) {
            keys.remove(key);
            if keys.is_empty() {
                self.keys.remove(&value);
            }
        }
    }

    /// Only documents with the leading field are in an index; any other may be missing.
    fn value(&self, fields: &Fields<'_>) -> Option<String> {
        let (leading, others) = self.index.fields.split_first()?;
        let mut value = ended(&comparable(&field_of(fields, leading)?));
        for path in others {
            value.push_str(&ended(&field_of(fields, path).map(|value| comparable(&value)).unwrap_or_default()));
        }
        Some(value)
    }
}

// === Values ===

/// The fields of an object by name; none if the text is no object.
type Fields<'a> = HashMap<String, &'a RawValue>;

fn fields(text: &str) -> Fields<'_> {
    serde_json::from_str(text).unwrap_or_default()
}

fn field_of(fields: &Fields<'_>, path: &[String]) -> Option<String> {
    let (name, rest) = path.split_first()?;
    let value = fields.get(name)?.get();
    if rest.is_empty() { Some(value.to_owned()) } else { field(value, rest) }
}

/// The text of a field of an object, however deep; `None` if it is missing.
pub(super) fn field(text: &str, path: &[String]) -> Option<String> {
    field_of(&fields(text), path)
}

/// A text that is the same for values that the server holds to be equal: strings by content, numbers by value.
pub(super) fn comparable(json: &str) -> String {
    let json = json.trim();
    if json.starts_with('"') {
        return serde_json::from_str::<String>(json).map_or_else(|_| json.to_owned(), |text| format!("s{text}"));
    }
    match json.parse::<f64>() {
        Ok(number) if number.abs() < 9e15 => format!("n{number}"),
        _ => json.to_owned(),
    }
}

/// A comparable value as it stands within an index.
pub(super) fn ended(comparable: &str) -> String {
    format!("{comparable}{END}")
}
