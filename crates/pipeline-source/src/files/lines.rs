//! The lines of a file, one after the other, with bounded memory however long a line is.

use std::{io, ops::Range};

use super::input::Input;
use crate::mapping::MAX_DOCUMENT;

const CHUNK: usize = 256 * 1024;
/// What is kept of a line that is too long to read: its ids stand near the beginning, usually.
pub const BEGINNING: usize = 64 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Reads a file, or a part of it. Uses positioned reads, so that any number of readers may share one handle.
#[derive(Debug)]
pub struct Lines<'f> {
    file: &'f Input,
    /// Where the next read begins.
    read_at: u64,
    buffer: Vec<u8>,
    /// What is kept of a line that is too long.
    beginning: Vec<u8>,
    /// Bytes of the buffer that were given out.
    start: usize,
    /// Where in the file the buffer's `start` stands.
    offset: u64,
    /// Where the part ends.
    end: u64,
    number: u64,
    ended: bool,
}

/// One line as it stands in the file.
#[derive(Debug, PartialEq, Eq)]
pub struct Line<'b> {
    /// From 1, at the beginning of the file or of the part.
    pub number: u64,
    /// Of its first byte in the file.
    pub offset: u64,
    /// In bytes, with its line end.
    pub length: u64,
    /// Without its line end and the byte order marks before it; only the beginning when the line is too long.
    pub text: &'b [u8],
    /// Whether it has more than [`MAX_DOCUMENT`] bytes.
    pub too_long: bool,
}

/// Splits what a range holds into lines without their ends and marks; the last may lack its end.
pub fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let ends = memchr::memchr_iter(b'\n', bytes).chain([bytes.len()]);
    ends.scan(0, |start, end| bytes.get(std::mem::replace(start, end + 1)..end)).map(without_mark)
}

/// A line without the byte order marks that it begins with: those of files that were joined stand before any line.
pub fn without_mark(mut text: &[u8]) -> &[u8] {
    while let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK) {
        text = rest;
    }
    text
}

/// Whether a line holds nothing but white space.
pub fn is_blank(text: &[u8]) -> bool {
    text.trim_ascii().is_empty()
}

impl<'f> Lines<'f> {
    /// The lines that begin within this part of a file. It must begin where a line does.
    pub fn within(file: &'f Input, part: Range<u64>) -> Self {
        let (buffer, beginning) = (Vec::with_capacity(CHUNK), Vec::new());
        let Range { start: offset, end } = part;
        Self { file, read_at: offset, buffer, beginning, start: 0, offset, end, number: 0, ended: false }
    }

    /// Where the line that is given next begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line, or `None` behind the last. (An `Iterator` cannot lend out its buffer.)
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let mut searched = 0;
        loop {
            let pending = self.buffer.get(self.start..).unwrap_or_default();
            let found = memchr::memchr(b'\n', pending.get(searched..).unwrap_or_default());
            if let Some(end) = found {
                return Ok(Some(self.take(searched + end, 1)));
            }
            searched = pending.len();
            if self.ended {
                return Ok((searched > 0).then(|| self.take(searched, 0)));
            }
            if searched > MAX_DOCUMENT {
                return self.take_too_long().map(Some);
            }
            self.read()?;
        }
    }

    /// Gives out the line of so many bytes at the buffer's start.
    fn take(&mut self, length: usize, line_end: usize) -> Line<'_> {
        let (start, offset) = (self.start, self.offset);
        self.pass(length + line_end);
        self.number += 1;
        let too_long = length > MAX_DOCUMENT;
        let kept = if too_long { BEGINNING } else { length };
        let text = without_mark(self.buffer.get(start..start + kept).unwrap_or_default());
        Line { number: self.number, offset, length: widened(length + line_end), text, too_long }
    }

    /// Passes over a line that has outgrown the bound, keeping its beginning.
    fn take_too_long(&mut self) -> io::Result<Line<'_>> {
        let offset = self.offset;
        let pending = self.buffer.get(self.start..).unwrap_or_default();
        self.beginning.clear();
        self.beginning.extend_from_slice(pending.get(..BEGINNING).unwrap_or(pending));
        loop {
            let pending = self.buffer.get(self.start..).unwrap_or_default();
            let end = memchr::memchr(b'\n', pending);
            let passed = end.map_or(pending.len(), |end| end + 1);
            self.pass(passed);
            if end.is_some() || self.ended {
                break;
            }
            self.read()?;
        }
        self.number += 1;
        let length = self.offset - offset;
        let text = without_mark(&self.beginning);
        Ok(Line { number: self.number, offset, length, text, too_long: true })
    }

    fn pass(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += widened(bytes);
    }

    /// Appends a chunk to the buffer, after making room where lines were given out.
    fn read(&mut self) -> io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let filled = self.buffer.len();
        self.buffer.resize(filled + CHUNK, 0);
        let read = self.file.read_at(self.buffer.get_mut(filled..).unwrap_or_default(), self.read_at)?;
        self.buffer.truncate(filled + read);
        self.ended = read == 0;
        self.read_at += widened(read);
        Ok(())
    }
}

fn widened(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
