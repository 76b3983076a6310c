//! One file of the folder: opened once, read by position, and known again when it has changed.

use std::{
    fs::{File, Metadata},
    io::{self, ErrorKind},
    ops::Range,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    lines::{self, Lines},
    ranges,
};
use crate::Error;

/// A collection's file. The handle stays open, so a file that is replaced by another is still read to its end.
#[derive(Debug)]
pub struct Collection {
    path: PathBuf,
    /// The file's name, for places.
    name: &'static str,
    file: File,
    fingerprint: Fingerprint,
    /// What the last read was read into, for the next one: memory that was just used is cheaper than new memory.
    spare: Mutex<Vec<u8>>,
}

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

/// The fingerprint of the file that has this path now; `None` when there is none.
pub fn fingerprint(path: &Path) -> Result<Option<Fingerprint>, Error> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(Fingerprint::of(&metadata))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(path)(error)),
    }
}

impl Fingerprint {
    fn of(metadata: &Metadata) -> Self {
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
    /// Opens a file of the folder; `None` when it is not there.
    pub fn open(folder: &Path, name: &'static str) -> Result<Option<Self>, Error> {
        let path = folder.join(name);
        let opened = File::open(&path).and_then(|file| {
            let metadata = file.metadata()?;
            if metadata.is_file() { Ok((file, metadata)) } else { Err(io::Error::other("it is not a file")) }
        });
        match opened {
            Ok((file, metadata)) => {
                let (fingerprint, spare) = (Fingerprint::of(&metadata), Mutex::default());
                Ok(Some(Self { path, name, file, fingerprint, spare }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::read(&path)(error)),
        }
    }

    /// Where the file was found.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file was when it was opened.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// In bytes, when it was opened.
    pub fn length(&self) -> u64 {
        self.fingerprint.length
    }

    /// The lines that begin within a part that [`Collection::parts`] gave.
    pub fn lines_within(&self, part: Range<u64>) -> Lines<'_> {
        Lines::within(&self.file, part)
    }

    /// The file cut between lines into up to so many parts of about the same length, in order, none of them empty.
    pub fn parts(&self, most: u64) -> Result<Vec<Range<u64>>, Error> {
        let length = self.length();
        let mut parts = Vec::new();
        let mut start = 0;
        for end in (1..most).map(|part| length / most * part) {
            // Wherever that is, it is in some line: the part ends behind it.
            let mut lines = Lines::within(&self.file, end..u64::MAX);
            lines.next().map_err(Error::read(&self.path))?;
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
        let mut place = Place { file: self.name, line: range.first_line() };
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
        let metadata = self.file.metadata().map_err(Error::read(&self.path))?;
        let now = Fingerprint::of(&metadata);
        // A file that was renamed away or deleted has a new status time and the old content.
        if (now.length, now.modified) == (self.fingerprint.length, self.fingerprint.modified) {
            Ok(())
        } else {
            Err(self.changed())
        }
    }

    /// Reads so many bytes to the beginning of a buffer, which grows if it must.
    fn bytes<'b>(&self, offset: u64, length: usize, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], Error> {
        buffer.resize(buffer.len().max(length), 0);
        let bytes = buffer.get_mut(..length).unwrap_or_default();
        match self.file.read_exact_at(bytes, offset) {
            Ok(()) => Ok(bytes),
            // Shorter than when it was indexed.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(self.changed()),
            Err(error) => Err(Error::read(&self.path)(error)),
        }
    }

    fn spare(&self) -> MutexGuard<'_, Vec<u8>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) -> Error {
        Error::Changed { path: self.path.display().to_string() }
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
