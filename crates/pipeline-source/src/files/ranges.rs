//! Where in a file the documents of each parent stand: 16 bytes for each run of neighbours, however long they are.
//!
//! An export that keeps the children of one parent together costs one entry for each parent; one in random order costs
//! one for each document.

use crate::mapping::MAX_DOCUMENT;

/// Number of a parent in its table, or one of the groups below for documents that have none.
pub type Group = u32;

/// Lines whose parent cannot be read.
pub const UNREADABLE: Group = Group::MAX;
/// Lines whose parent does not exist.
pub const ORPHAN: Group = Group::MAX - 1;
/// Lines whose parent's id is that of several documents.
pub const AMBIGUOUS: Group = Group::MAX - 2;
/// The highest number a parent can have.
pub const LAST: Group = Group::MAX - 3;

const LENGTH_BITS: u32 = 25;
/// Bytes that a file may have: 512 GiB.
pub const MAX_FILE: u64 = 1 << (64 - LENGTH_BITS);
/// Neighbours are merged up to this size, so that one read stays small.
const MERGED: u64 = 1024 * 1024;
/// Stands for a line that is too long to be read.
const TOO_LONG: u64 = (1 << LENGTH_BITS) - 1;

/// Lines of one parent that stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    group: Group,
    first_line: u32,
    /// Offset and length in one number: the sizes are bounded, and there may be millions of these.
    place: u64,
}

/// All lines of a file that hold something, by parent.
#[derive(Debug, Default)]
pub struct Ranges {
    sorted: Vec<Range>,
}

/// Collects ranges in file order.
#[derive(Debug, Default)]
pub struct RangesBuilder {
    ranges: Vec<Range>,
}

impl Range {
    /// The parent.
    pub fn group(self) -> Group {
        self.group
    }

    /// Number of its first line, from 1.
    pub fn first_line(self) -> u32 {
        self.first_line
    }

    /// Of its first byte.
    pub fn offset(self) -> u64 {
        self.place >> LENGTH_BITS
    }

    /// In bytes; `None` for one line that is too long to be read.
    pub fn length(self) -> Option<usize> {
        let length = self.place & TOO_LONG;
        if length == TOO_LONG { None } else { usize::try_from(length).ok() }
    }

    fn end(self) -> Option<u64> {
        let length = u64::try_from(self.length()?).ok()?;
        Some(self.offset() + length)
    }
}

impl RangesBuilder {
    /// Adds a line of so many bytes, with its line end; the caller bounds offset and number.
    pub fn add(&mut self, group: Group, line: u32, offset: u64, length: u64, too_long: bool) {
        let most = u64::try_from(MAX_DOCUMENT).unwrap_or(u64::MAX) + 2;
        let length = if too_long || length > most { TOO_LONG } else { length };
        if let Some(last) = self.ranges.last_mut()
            && last.group == group
            && last.end() == Some(offset)
            && length < TOO_LONG
            && last.place & TOO_LONG < MERGED
            && length < MERGED
        {
            last.place += length;
            return;
        }
        self.ranges.push(Range { group, first_line: line, place: offset << LENGTH_BITS | length });
    }

    /// Adds those of a later part of the file, which began behind so many lines; `None` when there are too many.
    pub fn append(&mut self, later: Self, lines: u32) -> Option<()> {
        if self.ranges.is_empty() && lines == 0 {
            *self = later;
            return Some(());
        }
        self.ranges.reserve_exact(later.ranges.len());
        for range in later.ranges {
            let first_line = range.first_line.checked_add(lines)?;
            self.ranges.push(Range { first_line, ..range });
        }
        Some(())
    }

    /// Sorts by parent, then by line.
    pub fn finish(mut self) -> Ranges {
        self.ranges.sort_unstable_by_key(|range| (range.group, range.first_line));
        self.ranges.shrink_to_fit();
        Ranges { sorted: self.ranges }
    }
}

impl Ranges {
    /// The ranges of one parent, in file order.
    pub fn of(&self, group: Group) -> &[Range] {
        let from = self.sorted.partition_point(|range| range.group < group);
        let tail = self.sorted.get(from..).unwrap_or_default();
        tail.get(..tail.partition_point(|range| range.group == group)).unwrap_or_default()
    }

    /// The ranges of all lines that some parent will ask for.
    pub fn with_parent(&self) -> &[Range] {
        self.sorted.get(..self.parents_end()).unwrap_or_default()
    }

    /// The ranges of all lines that no parent will ask for.
    pub fn without_parent(&self) -> &[Range] {
        self.sorted.get(self.parents_end()..).unwrap_or_default()
    }

    fn parents_end(&self) -> usize {
        self.sorted.partition_point(|range| range.group <= LAST)
    }

    /// Bytes of memory held.
    pub fn memory(&self) -> usize {
        self.sorted.capacity() * size_of::<Range>()
    }
}
