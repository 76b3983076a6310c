//! One pass over a file, which finds out for each line whose it is.
//!
//! A line's ids are all that is read of it, but there may be gigabytes of lines, and while they are indexed the stages
//! have little else to do. So where a line can be told without those before it, all processors read a part each.

use std::{num::NonZero, ops::Range, panic::resume_unwind, thread};

use crate::{
    Error,
    files::{
        collection::Collection,
        lines::is_blank,
        ranges::{Group, MAX_FILE, Ranges, RangesBuilder},
        threads::{current, on_behalf_of},
    },
};

#[cfg(test)]
mod tests;

/// Bytes of a part at least: starting a thread costs less than reading them.
const PART: u64 = 4 * 1024 * 1024;
/// Parts at most, and so the memory of a pass: a buffer for each.
const PARTS: u64 = 8;

/// Calls `group` with the number and text of each line that holds something, and keeps where the lines of each group
/// stand. A line that is too long comes as its beginning.
pub(super) fn in_order(
    collection: &Collection,
    group: impl FnMut(u32, &[u8]) -> Result<Group, Error>,
) -> Result<Ranges, Error> {
    let (ranges, _) = read(collection, 0..u64::MAX, group)?;
    collection.check_unchanged()?;
    Ok(ranges.finish())
}

/// The same without an order: parts of the file are read at the same time. Each part has a value of its own for `group`
/// to work with; they are given back in file order.
pub(super) fn side_by_side<P: Send>(
    collection: &Collection,
    new: impl Fn() -> P + Sync,
    group: impl Fn(&mut P, &[u8]) -> Group + Sync,
) -> Result<(Ranges, Vec<P>), Error> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let most = u64::try_from(processors).unwrap_or(PARTS).min(PARTS);
    in_parts(collection, most.min(collection.length()? / PART + 1), new, group)
}

fn in_parts<P: Send>(
    collection: &Collection,
    most: u64,
    new: impl Fn() -> P + Sync,
    group: impl Fn(&mut P, &[u8]) -> Group + Sync,
) -> Result<(Ranges, Vec<P>), Error> {
    let parts = collection.parts(most)?;
    let read_part = |part| {
        let mut value = new();
        let (ranges, lines) = read(collection, part, |_, text| Ok(group(&mut value, text)))?;
        Ok((ranges, lines, value))
    };
    let waits = current();
    let parts: Vec<Result<_, Error>> = thread::scope(|scope| {
        let start = |part| {
            let waits = waits.clone();
            scope.spawn(|| on_behalf_of(waits, || read_part(part)))
        };
        let threads: Vec<_> = parts.into_iter().map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    collection.check_unchanged()?;

    let (mut all, mut lines_before, mut values) = (RangesBuilder::default(), 0, Vec::new());
    for part in parts {
        let (ranges, lines, value) = part?;
        all.append(ranges, lines_before).ok_or_else(|| too_many_lines(collection))?;
        lines_before = lines_before.checked_add(lines).ok_or_else(|| too_many_lines(collection))?;
        values.push(value);
    }
    Ok((all.finish(), values))
}

/// Reads one part; gives where its lines stand, numbered within it, and how many there are.
fn read(
    collection: &Collection,
    part: Range<u64>,
    mut group: impl FnMut(u32, &[u8]) -> Result<Group, Error>,
) -> Result<(RangesBuilder, u32), Error> {
    let mut ranges = RangesBuilder::default();
    let mut lines = collection.lines_within(part)?;
    let mut read = 0;
    while let Some(line) = lines.next().map_err(Error::read(collection.path()))? {
        read = u32::try_from(line.number).map_err(|_| too_many_lines(collection))?;
        if !line.too_long && is_blank(line.text) {
            continue;
        }
        if line.offset + line.length > MAX_FILE {
            return Err(too_big(collection, "512 GiB"));
        }
        ranges.add(group(read, line.text)?, read, line.offset, line.length, line.too_long);
    }
    Ok((ranges, read))
}

fn too_many_lines(collection: &Collection) -> Error {
    too_big(collection, "four thousand million lines")
}

pub(super) fn too_big(collection: &Collection, limit: &'static str) -> Error {
    Error::TooBig { path: collection.path().display().to_string(), limit }
}
