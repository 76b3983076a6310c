//! The source on disk: a folder for each revision of its documents, and a name that stands for one of them.
//!
//! Nothing is copied: the stages read the name, a symbolic link, which is turned from one folder to the other in one
//! step. Each folder is written when it is shown first, so that one that is not shown takes no room.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Instant,
};

use pipeline_source::{
    Source as _,
    export::{self, Shape},
    generator::Generator,
};
use tokio::runtime::Runtime;

use crate::size::Size;

/// The folders of one size.
pub struct Revisions<'b> {
    folder: PathBuf,
    size: Size,
    runtime: &'b Runtime,
}

// === impl Revisions ===

impl<'b> Revisions<'b> {
    /// In a folder of its own, which is removed in the end.
    pub fn new(folder: PathBuf, size: Size, runtime: &'b Runtime) -> Self {
        fs::create_dir_all(&folder).expect("a folder can be made");
        Self { folder, size, runtime }
    }

    /// The URL of what is shown.
    pub fn url(&self) -> String {
        format!("file://{}", self.shown().display())
    }

    /// Shows a revision from now on. Only between runs.
    pub fn show(&self, revision: u64) {
        let folder = self.folder.join(revision.to_string());
        if !folder.exists() {
            self.write(revision, &folder);
        }
        let new = self.folder.join("new");
        symlink(&folder, &new).expect("a link can be made");
        fs::rename(&new, self.shown()).expect("a link can be replaced");
    }

    fn shown(&self) -> PathBuf {
        self.folder.join("shown")
    }

    /// Writes the documents of a revision, as an export of a document database looks.
    fn write(&self, revision: u64, folder: &Path) {
        let url = self.size.source(revision);
        let (_, query) = url.split_once('?').expect("the generator's URL has parameters");
        let generator = Generator::from_query(query).expect("sound parameters");
        let begun = Instant::now();
        let written = self.runtime.block_on(export::to_folder(&generator, folder, Shape::Nested));
        let counts = written.expect("the documents can be written");
        assert_eq!(Ok(counts), self.runtime.block_on(generator.counts()).map_err(drop));
        println!("bench:   revision {revision} written in {:.0} s", begun.elapsed().as_secs_f64());
    }
}

impl Drop for Revisions<'_> {
    fn drop(&mut self) {
        // What stays in the system's temporary folder does no harm.
        drop(fs::remove_dir_all(&self.folder));
    }
}
