//! One file of the folder: opened once, read by position, and known again when it has changed.

use std::{
    fs::Metadata,
    io::ErrorKind,
    ops::Range,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use super::{
    digest::Digest,
    input::{self, Input},
    lines::{self, Lines},
    packed::{self, Packing},
    ranges,
};
use crate::Error;

/// A collection's file. The handle stays open, so a file that is replaced by another is still read to its end.
#[derive(Debug)]
pub struct Collection {
    found: Found,
    file: Input,
    /// Where a compressed file is unpacked to.
    spool: Arc<Path>,
    /// What a compressed file holds; unpacked by whoever reads it first.
    unpacked: OnceLock<Unpacked>,
    /// What the last read was read into, for the next one: memory that was just used is cheaper than new memory.
    spare: Mutex<Vec<u8>>,
}

#[derive(Debug)]
struct Unpacked {
    text: Input,
    length: u64,
}

/// A collection's file as it stands in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    path: Arc<Path>,
    /// The file's name, for places.
    name: &'static str,
    packing: Packing,
    fingerprint: Fingerprint,
}

/// Bytes that a digest takes at once.
const AT_ONCE: usize = 256 * 1024;
/// Bytes that may be kept for the next read: as many as a range of several lines has at most.
const SPARE: usize = 2 * 1024 * 1024;

/// What changes when a file is written or replaced. The time of the last status change is among it because tools that
/// keep the time of the last modification are common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    status_changed: (i64, i64),
}

/// Looks for the file of a collection, plain or compressed; `None` when there is none. Two of them are an error: one of
/// them is from yesterday, and nothing says which.
pub fn find(folder: &Path, name: &str) -> Result<Option<Found>, Error> {
    let mut found: Option<Found> = None;
    for (name, packing) in packed::forms(name) {
        let path: Arc<Path> = folder.join(name).into();
        let Some(metadata) = input::metadata(&path)? else { continue };
        let this = Found { path, name, packing, fingerprint: Fingerprint::of(&metadata) };
        if let Some(other) = found {
            return Err(Error::TwoFiles { folder: folder.display().to_string(), one: other.name, other: name });
        }
        found = Some(this);
    }
    Ok(found)
}

impl Fingerprint {
    /// Of the file that the system says this of.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            status_changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Collection {
    /// Opens a file of the folder, plain or compressed; `None` when it is not there.
    pub fn open(folder: &Path, name: &str) -> Result<Option<Self>, Error> {
        let Some(found) = find(folder, name)? else { return Ok(None) };
        // It may have gone since, or become another.
        let Some((file, metadata)) = Input::open(&found.path)? else { return Ok(None) };
        let found = Found { fingerprint: Fingerprint::of(&metadata), ..found };
        let spool = std::env::temp_dir().into();
        Ok(Some(Self { found, file, spool, unpacked: OnceLock::new(), spare: Mutex::default() }))
    }

    /// The same, to be unpacked in this folder if it is compressed.
    pub fn unpacked_in(self, spool: &Arc<Path>) -> Self {
        Self { spool: Arc::clone(spool), ..self }
    }

    /// Where the file was found.
    pub fn path(&self) -> &Path {
        &self.found.path
    }

    /// The file's name.
    pub fn name(&self) -> &'static str {
        self.found.name
    }

    /// What the file was when it was opened.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Bytes of its lines, when it was opened.
    pub fn length(&self) -> Result<u64, Error> {
        match self.unpacked()? {
            None => Ok(self.found.fingerprint.length),
            Some(unpacked) => Ok(unpacked.length),
        }
    }

    /// Bytes of the file as it is stored, when it was opened.
    pub fn stored_bytes(&self) -> u64 {
        self.found.fingerprint.length
    }

    /// The SHA-256 digest of these bytes, in hexadecimal digits.
    pub fn sha256(&self) -> Result<String, Error> {
        let (mut digest, mut buffer, mut offset) = (Digest::default(), vec![0; AT_ONCE], 0);
        loop {
            let read = self.file.read_at(&mut buffer, offset).map_err(Error::read(self.path()))?;
            if read == 0 {
                return Ok(digest.finish());
            }
            digest.update(buffer.get(..read).unwrap_or_default());
            offset += u64::try_from(read).unwrap_or(u64::MAX);
        }
    }

    /// How many lines hold something.
    pub fn documents(&self) -> Result<u64, Error> {
        let (mut documents, mut lines) = (0, self.lines_within(0..u64::MAX)?);
        while let Some(line) = lines.next().map_err(Error::read(self.path()))? {
            documents += u64::from(line.too_long || !lines::is_blank(line.text));
        }
        Ok(documents)
    }

    /// The lines that begin within a part that [`Collection::parts`] gave.
    pub fn lines_within(&self, part: Range<u64>) -> Result<Lines<'_>, Error> {
        Ok(Lines::within(self.text()?, part))
    }

    /// The file cut between lines into up to so many parts of about the same length, in order, none of them empty.
    pub fn parts(&self, most: u64) -> Result<Vec<Range<u64>>, Error> {
        let (text, length) = (self.text()?, self.length()?);
        let mut parts = Vec::new();
        let mut start = 0;
        for end in (1..most).map(|part| length / most * part) {
            // Wherever that is, it is in some line: the part ends behind it.
            let mut lines = Lines::within(text, end..u64::MAX);
            lines.next().map_err(Error::read(self.path()))?;
            let end = lines.offset();
            if (start + 1..length).contains(&end) {
                parts.push(start..end);
                start = end;
            }
        }
        parts.push(start..u64::MAX);
        Ok(parts)
    }

    /// Calls `each` for every line of a range that holds something, with its place. A line that is too long to be read
    /// comes as its beginning.
    pub fn read(&self, range: ranges::Range, mut each: impl FnMut(Place, Text<'_>)) -> Result<(), Error> {
        // Who reads at the same time finds no spare memory, and leaves its own.
        let mut buffer = std::mem::take(&mut *self.spare());
        let bytes = self.bytes(range.offset(), range.length().unwrap_or(lines::BEGINNING), &mut buffer)?;
        let mut place = Place { file: self.name(), line: range.first_line() };
        if range.length().is_none() {
            each(place, Text::TooLong(lines::without_mark(bytes)));
        } else {
            for line in lines::split(bytes) {
                each(place, Text::Whole(line));
                place.line = place.line.saturating_add(1);
            }
        }
        if buffer.len() <= SPARE {
            *self.spare() = buffer;
        }
        Ok(())
    }

    /// Fails when the file was written to since it was opened: what was read may then be of no one state.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        let now = Fingerprint::of(&self.file.metadata()?);
        let opened = self.found.fingerprint;
        // A file that was renamed away or deleted has a new status time and the old content.
        if (now.length, now.modified) == (opened.length, opened.modified) { Ok(()) } else { Err(self.changed()) }
    }

    /// Reads so many bytes to the beginning of a buffer, which grows if it must.
    fn bytes<'b>(&self, offset: u64, length: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Error> {
        buffer.resize(buffer.len().max(length), 0);
        let bytes = buffer.get_mut(..length).unwrap_or_default();
        match self.text()?.read_exact_at(bytes, offset) {
            Ok(()) => Ok(bytes),
            // Shorter than when it was indexed.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => Err(Error::read(self.path())(error)),
        }
    }

    /// The file, or what was unpacked of it.
    fn text(&self) -> Result<&Input, Error> {
        Ok(self.unpacked()?.map_or(&self.file, |unpacked| &unpacked.text))
    }

    fn unpacked(&self) -> Result<Option<&Unpacked>, Error> {
        if self.found.packing == Packing::None {
            return Ok(None);
        }
        if let Some(unpacked) = self.unpacked.get() {
            return Ok(Some(unpacked));
        }
        let (text, length) = packed::unpack(&self.file, self.found.packing, &self.spool)?;
        self.check_unchanged()?;
        // The index is built by one call, so nobody has unpacked it meanwhile; if so, either will do.
        Ok(Some(self.unpacked.get_or_init(|| Unpacked { text, length })))
    }

    fn spare(&self) -> MutexGuard<'_, Vec<u8>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) -> Error {
        Error::Changed { path: self.path().display().to_string() }
    }
}

/// A line of a file, shown as `bundles.jsonl:17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file's name.
    pub file: &'static str,
    /// From 1.
    pub line: u32,
}

/// What was read of a line.
#[derive(Clone, Copy, Debug)]
pub enum Text<'b> {
    /// The line.
    Whole(&'b [u8]),
    /// The beginning of a line that is too long to be read.
    TooLong(&'b [u8]),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
