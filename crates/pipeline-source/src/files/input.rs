//! A file that is read without being waited for in vain: a regular one, and each operation on it noted.

use std::{
    fs::{File, FileType, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

use pipeline_settings::files;

use super::threads::waiting;
use crate::Error;

/// Bytes that one read asks for at most, so that a slow disk shows that it goes on.
const AT_ONCE: usize = 256 * 1024;

/// An open file.
#[derive(Debug)]
pub struct Input {
    path: Arc<Path>,
    file: File,
}

/// What the system says of the file that has this path now; `None` when there is none.
pub fn metadata(path: &Arc<Path>) -> Result<Option<Metadata>, Error> {
    match waiting(path, || std::fs::metadata(path)) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::read(path)(error)),
    }
}

/// Refuses what is read in another way than a file, or never ends.
fn check_regular(path: &Path, file_type: FileType) -> Result<(), Error> {
    match files::other_than_file(file_type) {
        None => Ok(()),
        Some(found) => Err(Error::NotAFile { path: path.display().to_string(), found }),
    }
}

impl Input {
    /// Opens a regular file; `None` when it is not there.
    pub fn open(path: &Arc<Path>) -> Result<Option<(Self, Metadata)>, Error> {
        // Opening a device may have effects, so it is asked for what it is first.
        let Some(metadata) = metadata(path)? else { return Ok(None) };
        check_regular(path, metadata.file_type())?;
        let file = match waiting(path, || files::without_waiting().open(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::read(path)(error)),
        };
        let input = Self { path: Arc::clone(path), file };
        let metadata = input.metadata()?;
        check_regular(path, metadata.file_type())?;
        Ok(Some((input, metadata)))
    }

    /// A file without a name that stands for the one at this path.
    pub fn instead_of(path: &Arc<Path>, file: File) -> Self {
        Self { path: Arc::clone(path), file }
    }

    /// Where the file was found.
    pub fn path(&self) -> &Arc<Path> {
        &self.path
    }

    /// What the system says of the open file.
    pub fn metadata(&self) -> Result<Metadata, Error> {
        waiting(&self.path, || self.file.metadata()).map_err(Error::read(&self.path))
    }

    /// Reads from a place in the file; 0 bytes at its end.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        waiting(&self.path, || self.file.read_at(buffer, offset))
    }

    /// Fills a buffer from a place in the file.
    pub fn read_exact_at(&self, buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        for part in buffer.chunks_mut(AT_ONCE) {
            waiting(&self.path, || self.file.read_exact_at(part, offset))?;
            offset += u64::try_from(part.len()).unwrap_or(u64::MAX);
        }
        Ok(())
    }
}
