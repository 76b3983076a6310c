//! The ids of one file's documents, with the lines that they stand on: 16 bytes for each beside the id itself.
//!
//! There may be millions of them, and each stage that reads the folder holds them all. So they are one text and one
//! sorted table, without a map, and without an allocation for each. Ids are compared as they are, never by a hash
//! alone, so that no two documents can be taken for each other.

use std::{collections::BTreeMap, ops::Range};

use crate::files::ranges::{AMBIGUOUS, Group, LAST, ORPHAN};

#[cfg(test)]
mod tests;

/// A document that others can belong to: its id could be read, whatever else is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'i> {
    /// Its id.
    pub id: &'i str,
    /// The line that has the id first.
    pub line: u32,
    /// The next line with the same id, if there is one.
    pub repeated_on: Option<u32>,
}

/// Ids that are unique below their parent. The number of a document is its place in the order of (id, parent).
#[derive(Debug, Default)]
pub struct Ids {
    /// All ids, in file order.
    texts: String,
    sorted: Vec<Spot>,
    /// For first lines whose id stands again, the next line with it. There are few, if any.
    repeated: BTreeMap<u32, u32>,
}

/// Collects ids in file order.
#[derive(Debug, Default)]
pub struct IdsBuilder {
    texts: String,
    spots: Vec<Spot>,
}

/// Where the text of an id is, and whose it is.
#[derive(Clone, Copy, Debug)]
struct Spot {
    start: u32,
    parent: Group,
    line: u32,
    /// An id has 255 characters at most, so a thousand bytes.
    length: u16,
}

// === impl IdsBuilder ===

impl IdsBuilder {
    /// Adds the id on a line; `None` when there is no room for another, behind four GiB of them.
    pub fn add(&mut self, parent: Group, id: &str, line: u32) -> Option<()> {
        let start = u32::try_from(self.texts.len()).ok()?;
        let length = u16::try_from(id.len()).ok()?;
        self.texts.push_str(id);
        self.spots.push(Spot { start, parent, line, length });
        Some(())
    }

    /// Sorts, and keeps the first line with each id below a parent.
    pub fn finish(self) -> Ids {
        let Self { mut texts, spots: mut sorted } = self;
        let key = |spot: &Spot| (spot.bytes(&texts), spot.parent);
        sorted.sort_unstable_by(|a, b| key(a).cmp(&key(b)).then(a.line.cmp(&b.line)));
        let mut repeated = BTreeMap::new();
        sorted.dedup_by(|later, first| {
            let repeats = key(later) == key(first);
            if repeats {
                repeated.entry(first.line).or_insert(later.line);
            }
            repeats
        });
        texts.shrink_to_fit();
        sorted.shrink_to_fit();
        Ids { texts, sorted, repeated }
    }
}

// === impl Ids ===

impl Ids {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// The number of the document with an id below a parent.
    pub fn find(&self, parent: Group, id: &str) -> Option<Group> {
        let id = (id.as_bytes(), parent);
        let found = self.sorted.binary_search_by(|spot| (spot.bytes(&self.texts), spot.parent).cmp(&id));
        found.ok().map(number)
    }

    /// The number of the document with an id, whosever it is: [`ORPHAN`] when there is none, [`AMBIGUOUS`] when several
    /// parents have one.
    pub fn find_alone(&self, id: &str) -> Group {
        let id = id.as_bytes();
        let first = self.sorted.partition_point(|spot| spot.bytes(&self.texts) < id);
        let is_it = |index: usize| self.bytes(index) == Some(id);
        match (is_it(first), is_it(first + 1)) {
            (false, _) => ORPHAN,
            (true, false) => number(first),
            (true, true) => AMBIGUOUS,
        }
    }

    /// Whether several parents have a document with the id of this one.
    pub fn is_shared(&self, number: Group) -> bool {
        let index = index(number);
        let id = self.bytes(index);
        id.is_some() && [index.checked_sub(1), index.checked_add(1)].into_iter().flatten().any(|i| self.bytes(i) == id)
    }

    /// The number of a document's parent.
    pub fn parent(&self, number: Group) -> Option<Group> {
        self.sorted.get(index(number)).map(|spot| spot.parent)
    }

    /// What is known of a document.
    pub fn entry(&self, number: Group) -> Option<Entry<'_>> {
        let spot = self.sorted.get(index(number))?;
        let repeated_on = self.repeated.get(&spot.line).copied();
        let id = self.texts.get(spot.range()).unwrap_or_default();
        Some(Entry { id, line: spot.line, repeated_on })
    }

    /// Bytes of memory held, but for what repeated ids cost.
    pub fn memory(&self) -> usize {
        self.texts.capacity() + self.sorted.capacity() * size_of::<Spot>()
    }

    fn bytes(&self, index: usize) -> Option<&[u8]> {
        self.sorted.get(index).map(|spot| spot.bytes(&self.texts))
    }
}

impl Spot {
    fn range(self) -> Range<usize> {
        let start = index(self.start);
        start..start + usize::from(self.length)
    }

    /// The id, to compare: texts are ordered as their bytes are.
    fn bytes(self, texts: &str) -> &[u8] {
        texts.as_bytes().get(self.range()).unwrap_or_default()
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Lines are bounded to what a `u32` holds, and with them the entries of a table.
fn number(index: usize) -> Group {
    Group::try_from(index).unwrap_or(LAST)
}
