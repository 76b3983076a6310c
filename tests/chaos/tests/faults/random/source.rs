//! A folder of documents for one seed, which can be renamed away.

use std::{fs, path::PathBuf, sync::OnceLock};

use testkit::process::Launch;

const DOCUMENTS: &str = "generator:?services=15&providers=600&bundles=2&fields=2&seed=17";

/// A folder, gone with this value.
pub(super) struct Source {
    folder: PathBuf,
    was_away: bool,
}

// === impl Source ===

impl Source {
    pub(super) fn of(seed: u64) -> Self {
        let folder = std::env::temp_dir().join(format!("sluice-random-{}-{seed}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        for (name, content) in documents() {
            fs::write(folder.join(name), content).expect("a file can be written");
        }
        Self { folder, was_away: false }
    }

    pub(super) fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    pub(super) fn rename_away(&mut self) {
        self.was_away = true;
        fs::rename(&self.folder, self.folder.with_extension("away")).expect("a folder can be renamed");
    }

    /// Whether it ever was.
    pub(super) fn was_away(&self) -> bool {
        self.was_away
    }

    pub(super) fn rename_back(&self) {
        fs::rename(self.folder.with_extension("away"), &self.folder).expect("a folder can be renamed back");
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // A folder that stays in the system's temporary folder does no harm.
        drop(fs::remove_dir_all(&self.folder));
    }
}

/// The files of a folder, by name: the same for every seed, so made once.
fn documents() -> &'static [(String, Vec<u8>)] {
    static DOCUMENTS_OF_ALL: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    DOCUMENTS_OF_ALL.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("sluice-random-{}", std::process::id()));
        let export = Launch::binary("sluice").args(["source", "export"]).arg(&folder.display().to_string());
        export.env("SLUICE__SOURCE__URL", DOCUMENTS).run().expect_code(0);
        let files = fs::read_dir(&folder).expect("a folder with files").flatten();
        let read = |file: fs::DirEntry| {
            let content = fs::read(file.path()).expect("a file can be read");
            (file.file_name().to_string_lossy().into_owned(), content)
        };
        let files = files.map(read).collect();
        fs::remove_dir_all(&folder).expect("a folder can be removed");
        files
    })
}
