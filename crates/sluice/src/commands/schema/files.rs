//! Schema files on disk, and the subject that each belongs to.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{exit::Exit, failure::Failure};

const EXTENSION: &str = "avsc";

/// A schema file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaFile {
    /// As it was named, or found below a folder that was named.
    pub path: PathBuf,
    /// The registry's subject.
    pub subject: String,
    /// What is in it; `None` when it was named and is not there.
    pub text: Option<String>,
}

/// The schema files among the paths: a folder stands for all below it.
pub fn find(paths: &[PathBuf]) -> Result<Vec<SchemaFile>, Failure> {
    let mut found = BTreeSet::new();
    for path in paths {
        collect(path, &mut found).map_err(|error| {
            Failure::caused(Exit::BadConfiguration, format!("cannot read `{}`", path.display()), &error)
                .hint("name folders or files: sluice schema check schemas")
        })?;
    }
    found.into_iter().map(read).collect()
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

fn read(path: PathBuf) -> Result<SchemaFile, Failure> {
    let text = match fs::read(&path) {
        Ok(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => {
            let what = format!("cannot read `{}`", path.display());
            return Err(Failure::caused(Exit::BadConfiguration, what, &error));
        }
    };
    Ok(SchemaFile { subject: subject_of(&path), path, text })
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
        assert_eq!(find(&["nowhere".into()]).unwrap_err().exit, Exit::BadConfiguration);
    }
}
