//! What was read of a source and waits to be written: in memory while it is little, beyond that in a file.
//!
//! A stage reads first and writes then, so that nothing waits for a source while a lock or a transaction is held. What
//! lies between has to be kept, however much it is. The file has no name: it is gone with the process.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, IntoInnerError, Seek, Write},
    marker::PhantomData,
    path::{Path, PathBuf},
    vec,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::Error;

/// Bytes that are kept in memory: the documents of thousands of providers.
const IN_MEMORY: usize = 4 * 1024 * 1024;

/// Keeps items in the order in which they come.
#[derive(Debug)]
pub struct Spool<T> {
    held: Vec<T>,
    bytes: usize,
    limit: usize,
    folder: PathBuf,
    file: Option<BufWriter<File>>,
}

/// The items of a spool, in the order in which they came.
#[derive(Debug)]
pub enum Items<T> {
    /// From memory.
    Held(vec::IntoIter<T>),
    /// From the file, a line for each.
    Filed(BufReader<File>, PathBuf, PhantomData<T>),
}

// === impl Spool ===

impl<T: Serialize + DeserializeOwned> Spool<T> {
    /// An empty one, whose file would be in this folder.
    pub fn new(folder: PathBuf) -> Self {
        Self::with_limit(folder, IN_MEMORY)
    }

    fn with_limit(folder: PathBuf, limit: usize) -> Self {
        Self { held: Vec::new(), bytes: 0, limit, folder, file: None }
    }

    /// Adds an item of about so many bytes.
    pub fn push(&mut self, item: T, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(file) = &mut self.file {
            return write(file, &item).map_err(failed_in(&self.folder));
        }
        self.held.push(item);
        if self.bytes > self.limit {
            let mut file = BufWriter::new(tempfile::tempfile_in(&self.folder).map_err(failed_in(&self.folder))?);
            self.held.drain(..).try_for_each(|item| write(&mut file, &item)).map_err(failed_in(&self.folder))?;
            self.held.shrink_to_fit();
            self.file = Some(file);
        }
        Ok(())
    }

    /// Everything that was added.
    pub fn into_items(self) -> Result<Items<T>, Error> {
        let Some(file) = self.file else { return Ok(Items::Held(self.held.into_iter())) };
        let written = file.into_inner().map_err(IntoInnerError::into_error);
        let rewound = written.and_then(|mut file| file.rewind().map(|()| file));
        let file = rewound.map_err(failed_in(&self.folder))?;
        Ok(Items::Filed(BufReader::new(file), self.folder, PhantomData))
    }
}

// === impl Items ===

impl<T: DeserializeOwned> Iterator for Items<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Held(items) => items.next().map(Ok),
            Self::Filed(file, folder, _) => {
                let mut line = Vec::new();
                let item = match file.read_until(b'\n', &mut line) {
                    Ok(0) => return None,
                    Ok(_) => serde_json::from_slice(&line).map_err(io::Error::from),
                    Err(error) => Err(error),
                };
                Some(item.map_err(failed_in(folder)))
            }
        }
    }
}

fn write<T: Serialize>(file: &mut BufWriter<File>, item: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *file, item)?;
    file.write_all(b"\n")
}

fn failed_in(folder: &Path) -> impl FnOnce(io::Error) -> Error {
    |source| Error::Write { path: format!("{}, the folder for temporary files", folder.display()), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_to_is_named() {
        let mut spool = Spool::with_limit(PathBuf::from("/nowhere/at/all"), 0);
        let error = spool.push("item".to_owned(), 4).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }

    #[test]
    fn items_come_back_in_order_from_memory_and_from_a_file() {
        for limit in [0, 10, 1_000] {
            let mut spool = Spool::with_limit(std::env::temp_dir(), limit);
            let items: Vec<String> = (0..20).map(|number| format!("item {number}\nof\u{0}20")).collect();
            for item in &items {
                spool.push(item.clone(), item.len()).unwrap();
            }
            assert_eq!(spool.file.is_some(), limit < 1_000);
            assert!(spool.file.is_none() || spool.held.capacity() == 0, "nothing is held beside the file");
            let back: Vec<String> = spool.into_items().unwrap().collect::<Result<_, _>>().unwrap();
            assert_eq!(back, items);
        }
    }
}
