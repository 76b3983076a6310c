//! Schema files on disk, and the subject that each belongs to.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use pipeline_schema::{Completed, Library, Schema};
use pipeline_settings::files;

use crate::Error;

const EXTENSION: &str = "avsc";

/// A schema file.
#[derive(Clone, Debug)]
pub struct SchemaFile {
    /// As it was named, or found below a folder that was named.
    pub path: PathBuf,
    /// The same below that folder.
    pub inside: PathBuf,
    /// The registry's subject.
    pub subject: String,
    /// What is in it; `None` when it was named and is not there.
    pub text: Option<String>,
    /// Why what is in it is no text, or could not be read.
    pub fault: Option<String>,
    /// The text with the types that it takes from the other files, when it takes any.
    pub whole: Option<Completed>,
}

/// The schema files among the paths: a folder stands for all below it. Each may use the types of the others.
pub fn find(paths: &[PathBuf]) -> Result<Vec<SchemaFile>, Error> {
    read_all(paths, |path| read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source }))
}

/// The schema files of a folder that lies in the past: one that cannot be read is among them, with the reason.
pub fn find_past(folder: &Path) -> Result<Vec<SchemaFile>, Error> {
    read_all(&[folder.to_owned()], |path| {
        Ok(match read(path) {
            Ok((None, _)) => (Some(String::new()), Some("the link leads to no file".to_owned())),
            Ok(read) => read,
            Err(error) => (Some(String::new()), Some(error.to_string())),
        })
    })
}

type Content = (Option<String>, Option<String>);

fn read_all(paths: &[PathBuf], read: impl Fn(&Path) -> Result<Content, Error>) -> Result<Vec<SchemaFile>, Error> {
    let mut found: BTreeSet<(PathBuf, PathBuf)> = BTreeSet::new();
    for path in paths {
        let root = if path.is_dir() { path.as_path() } else { path.parent().unwrap_or(Path::new("")) };
        let mut below = BTreeSet::new();
        collect(path, &mut below).map_err(|source| Error::NotSchemas { path: path.clone(), source })?;
        for file in below {
            let inside = file.strip_prefix(root).unwrap_or(&file).to_owned();
            if !found.iter().any(|(known, _)| *known == file) {
                found.insert((file, inside));
            }
        }
    }
    let mut files = Vec::with_capacity(found.len());
    for (path, inside) in found {
        let (text, fault) = read(&path)?;
        files.push(SchemaFile { subject: subject_of(&path), path, inside, text, fault, whole: None });
    }
    complete(&mut files);
    Ok(files)
}

fn collect(path: &Path, found: &mut BTreeSet<PathBuf>) -> io::Result<()> {
    if path.extension().is_some_and(|extension| extension == EXTENSION) && !path.is_dir() {
        // Also one that is not there: it may be a deleted one.
        found.insert(path.to_owned());
        return Ok(());
    }
    if path.is_file() {
        // Hooks hand over every changed file of the folder.
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?.path();
        let hidden = entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if entry.is_dir() && !hidden || entry.extension().is_some_and(|extension| extension == EXTENSION) {
            collect(&entry, found)?;
        }
    }
    Ok(())
}

/// What is in a file, and why that is no text.
fn read(path: &Path) -> io::Result<Content> {
    match files::read(path, files::WRITTEN_BY_HAND) {
        Ok(bytes) => Ok(match text_of(bytes) {
            Ok(text) => (Some(text), None),
            Err(fault) => (Some(String::new()), Some(fault)),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((None, None)),
        Err(error) => Err(error),
    }
}

/// Bytes as a text, or why they are none.
pub fn text_of(bytes: Vec<u8>) -> Result<String, String> {
    let fault = match bytes.as_slice() {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "the file begins with a byte order mark of UTF-16: save it as UTF-8",
        _ => "the file is not UTF-8 text",
    };
    String::from_utf8(bytes).map_err(|_| fault.to_owned())
}

/// Puts in what files take from each other.
fn complete(files: &mut [SchemaFile]) {
    let library = Library::new(files.iter().filter_map(|file| file.text.as_deref()));
    for file in files {
        file.whole = file.text.as_deref().and_then(|text| library.complete(text));
    }
}

/// The subject of a schema file: its name without the extension, and `-value` unless it says `-key` or `-value`.
pub fn subject_of(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    if stem.ends_with("-key") || stem.ends_with("-value") { stem.into_owned() } else { format!("{stem}-value") }
}

/// Whether two texts are the same JSON; white space and the order of an object's members do not count.
pub fn same_schema(one: &str, other: &str) -> bool {
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    one == other || json(one).is_some_and(|one| Some(one) == json(other))
}

/// What a text calls its outermost type; `None` when it cannot be read.
pub fn record_of(text: &str) -> Option<String> {
    Schema::parse_lenient(text).ok().map(|read| read.schema.describe(read.schema.root()))
}

// === impl SchemaFile ===

impl SchemaFile {
    /// The text with everything that it uses.
    pub fn whole(&self) -> Option<&str> {
        self.whole.as_ref().map(|whole| whole.text.as_str()).or(self.text.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_subject_follows_the_file_name() {
        assert_eq!(subject_of(Path::new("x/orders.v1.avsc")), "orders.v1-value");
        assert_eq!(subject_of(Path::new("orders-key.avsc")), "orders-key");
    }

    #[test]
    fn a_folder_stands_for_all_schemas_below_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("in/.git")).unwrap();
        for name in ["a.avsc", "in/b.avsc", "in/.git/c.avsc", "compatibility.toml"] {
            fs::write(folder.path().join(name), "{}").unwrap();
        }
        let paths = [folder.path().to_owned(), folder.path().join("compatibility.toml"), "gone.avsc".into()];
        let found: Vec<(String, bool)> =
            find(&paths).unwrap().into_iter().map(|file| (file.subject, file.text.is_some())).collect();
        let expected = [("a-value", true), ("b-value", true), ("gone-value", false)];
        assert_eq!(found.iter().map(|(s, t)| (s.as_str(), *t)).collect::<Vec<_>>().len(), 3);
        for (subject, there) in expected {
            assert!(found.contains(&(subject.to_owned(), there)), "{found:?}");
        }
        assert!(matches!(find(&["nowhere".into()]), Err(Error::NotSchemas { .. })));
    }
}
