//! Compressed files: unpacked once into a file without a name, because what an index points at is read in any order.
//!
//! A stream counts as read only when all of it was: every member of a gzip file and every frame of a zstd file to its
//! end, with the checksums that they carry, and nothing behind them. A file that was cut off must never look like a
//! shorter one.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
    sync::Arc,
};

use flate2::bufread::GzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use super::{COLLECTIONS, input::Input, ranges::MAX_FILE, threads::waiting};
use crate::Error;

#[cfg(test)]
mod tests;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// gzip, in one or more members.
    Gzip,
    /// Zstandard, in one or more frames.
    Zstd,
}

/// Bytes read or written at once.
const CHUNK: usize = 256 * 1024;
/// Memory that a frame may ask for: what `zstd -19` uses at most is 8 MiB, `--ultra` 128 MiB.
const WINDOW: u64 = 128 * 1024 * 1024;

/// The names that a collection's file may have.
pub fn forms(name: &str) -> impl Iterator<Item = (&'static str, Packing)> {
    let names = COLLECTIONS.into_iter().find(|[plain, ..]| *plain == name);
    names.into_iter().flat_map(|names| names.into_iter().zip([Packing::None, Packing::Gzip, Packing::Zstd]))
}

/// Unpacks a file into one without a name in this folder; gives it and its length.
pub fn unpack(file: &Input, packing: Packing, spool: &Path) -> Result<(Input, u64), Error> {
    into_spool(file, packing, Spool::create(file, spool)?)
}

fn into_spool(file: &Input, packing: Packing, mut output: Spool) -> Result<(Input, u64), Error> {
    let mut input = BufReader::with_capacity(CHUNK, Sequential { file, offset: 0 });
    let unpacked = match packing {
        Packing::None => io::copy(&mut input, &mut output).map(drop),
        Packing::Gzip => gunzip(&mut input, &mut output),
        Packing::Zstd => unzstd(&mut input, &mut output),
    };
    let unpacked = unpacked.and_then(|()| output.flush());
    match (output.fault, unpacked) {
        (Some(fault), _) => Err(fault),
        (None, Err(source)) => Err(Error::Packed { path: file.path().display().to_string(), source }),
        (None, Ok(())) => {
            let text = output.writer.into_inner().map_err(|error| output.place.failed(error.into_error()))?;
            Ok((Input::instead_of(file.path(), text), output.length))
        }
    }
}

/// Each member has a checksum and a length at its end, which are compared.
fn gunzip(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    loop {
        let mut member = GzDecoder::new(&mut *input);
        copy(&mut member, output)?;
        // An empty file has no member, and its end is not that of one.
        if input.fill_buf()?.is_empty() {
            return Ok(());
        }
    }
}

fn copy(input: &mut impl Read, output: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok(()),
            read => output.write_all(buffer.get(..read).unwrap_or_default())?,
        }
    }
}

fn unzstd(input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(WINDOW);
    loop {
        match decoder.reset(&mut *input) {
            Ok(()) => frame(&mut decoder, input, output)?,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                skip(input, length.into())?;
            }
            Err(error) => return Err(invalid(error)),
        }
        if input.fill_buf()?.is_empty() {
            return Ok(());
        }
    }
}

/// One frame, whose checksum and length are compared where it has them.
fn frame(decoder: &mut FrameDecoder, input: &mut impl BufRead, output: &mut impl Write) -> io::Result<()> {
    let mut length = 0_u64;
    while !decoder.is_finished() || decoder.can_collect() > 0 {
        let blocks = BlockDecodingStrategy::UptoBytes(CHUNK);
        if !decoder.is_finished() {
            decoder.decode_blocks(&mut *input, blocks).map_err(invalid)?;
        }
        let collected = decoder.collect_to_writer(&mut *output)?;
        length += u64::try_from(collected).unwrap_or(u64::MAX);
    }
    if decoder.get_checksum_from_data().is_some_and(|said| decoder.get_calculated_checksum() != Some(said)) {
        return Err(invalid("the checksum of a frame is wrong"));
    }
    if decoder.content_size() > 0 && decoder.content_size() != length {
        return Err(invalid("a frame has not the length that it says"));
    }
    Ok(())
}

fn skip(input: &mut impl BufRead, length: u64) -> io::Result<()> {
    let skipped = io::copy(&mut input.take(length), &mut io::sink())?;
    if skipped == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

// === the compressed file ===

/// Reads a file from its beginning to its end.
struct Sequential<'f> {
    file: &'f Input,
    offset: u64,
}

impl Read for Sequential<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += u64::try_from(read).unwrap_or(u64::MAX);
        Ok(read)
    }
}

// === the spool ===

/// A file without a name: gone with its handle, however the process ends.
struct Spool {
    writer: BufWriter<File>,
    place: Place,
    length: u64,
    /// Why it could not be written, since whoever unpacks knows input and output by the same errors.
    fault: Option<Error>,
}

struct Place {
    file: Arc<Path>,
    folder: Arc<Path>,
}

impl Spool {
    fn create(file: &Input, folder: &Path) -> Result<Self, Error> {
        let place = Place::new(file, folder);
        match waiting(&place.folder, || tempfile::tempfile_in(folder)) {
            Ok(created) => Ok(Self::over(created, file, folder)),
            Err(source) => Err(place.failed(source)),
        }
    }

    fn over(spool: File, file: &Input, folder: &Path) -> Self {
        let writer = BufWriter::with_capacity(CHUNK, spool);
        Self { writer, place: Place::new(file, folder), length: 0, fault: None }
    }

    fn failed(&mut self, source: io::Error) -> io::Error {
        self.fault.get_or_insert(self.place.failed(source));
        io::ErrorKind::Other.into()
    }
}

impl Place {
    fn new(file: &Input, folder: &Path) -> Self {
        Self { file: Arc::clone(file.path()), folder: folder.into() }
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Spool { path: self.file.display().to_string(), folder: self.folder.display().to_string(), source }
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = waiting(&self.place.folder, || self.writer.write(bytes)).map_err(|error| self.failed(error))?;
        self.length += u64::try_from(written).unwrap_or(u64::MAX);
        if self.length > MAX_FILE {
            let path = self.place.file.display().to_string();
            self.fault = Some(Error::TooBig { path, limit: "512 GiB" });
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        waiting(&self.place.folder, || self.writer.flush()).map_err(|error| self.failed(error))
    }
}
