//! What was read of a source and waits to be written: in memory while it is little, beyond that in a file.
//!
//! A stage reads first and writes then, so that nothing waits for a source while a lock or a transaction is held. What
//! lies between has to be kept, however much it is. The file has no name: it is gone with the process.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, Seek, Write},
    marker::PhantomData,
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
    file: Option<BufWriter<File>>,
}

/// The items of a spool, in the order in which they came.
#[derive(Debug)]
pub enum Items<T> {
    /// From memory.
    Held(vec::IntoIter<T>),
    /// From the file, a line for each.
    Filed(BufReader<File>, PhantomData<T>),
}

// === impl Spool ===

impl<T: Serialize + DeserializeOwned> Default for Spool<T> {
    fn default() -> Self {
        Self::with_limit(IN_MEMORY)
    }
}

impl<T: Serialize + DeserializeOwned> Spool<T> {
    fn with_limit(limit: usize) -> Self {
        Self { held: Vec::new(), bytes: 0, limit, file: None }
    }

    /// Adds an item of about so many bytes.
    pub fn push(&mut self, item: T, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(file) = &mut self.file {
            return write(file, &item);
        }
        self.held.push(item);
        if self.bytes > self.limit {
            let mut file = BufWriter::new(tempfile::tempfile().map_err(failed)?);
            self.held.drain(..).try_for_each(|item| write(&mut file, &item))?;
            self.held.shrink_to_fit();
            self.file = Some(file);
        }
        Ok(())
    }

    /// Everything that was added.
    pub fn into_items(self) -> Result<Items<T>, Error> {
        let Some(file) = self.file else { return Ok(Items::Held(self.held.into_iter())) };
        let mut file = file.into_inner().map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        Ok(Items::Filed(BufReader::new(file), PhantomData))
    }
}

// === impl Items ===

impl<T: DeserializeOwned> Iterator for Items<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Held(items) => items.next().map(Ok),
            Self::Filed(file, _) => {
                let mut line = Vec::new();
                match file.read_until(b'\n', &mut line) {
                    Ok(0) => None,
                    Ok(_) => Some(serde_json::from_slice(&line).map_err(|error| failed(error.into()))),
                    Err(error) => Some(Err(failed(error))),
                }
            }
        }
    }
}

fn write<T: Serialize>(file: &mut BufWriter<File>, item: &T) -> Result<(), Error> {
    serde_json::to_writer(&mut *file, item).map_err(|error| failed(error.into()))?;
    file.write_all(b"\n").map_err(failed)
}

fn failed(source: std::io::Error) -> Error {
    let folder = std::env::temp_dir();
    Error::Write { path: format!("{}, the folder for temporary files", folder.display()), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back_in_order_from_memory_and_from_a_file() {
        for limit in [0, 10, 1_000] {
            let mut spool = Spool::with_limit(limit);
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
