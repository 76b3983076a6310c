//! What there is to say about every error code, gathered from the crates that have them.

use pipeline_core::{error_pages, registry};

/// What there is to say about one code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The code, such as `SLUICE-STORE-003`.
    pub code: &'static str,
    /// What happened, in a few words.
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Makes pages of a crate's own type into pages of ours.
macro_rules! pages {
    ($errors:expr) => {
        $errors.iter().map(|page| Page { code: page.code, title: page.title, cause: page.cause, remedy: page.remedy })
    };
}

/// All pages, crate by crate.
pub fn all() -> impl Iterator<Item = Page> {
    pages!(error_pages::ERRORS)
        .chain(pages!(registry::ERRORS))
        .chain(pages!(pipeline_source::ERRORS))
        .chain(pages!(pipeline_store::ERRORS))
}

/// The page of a code.
pub fn find(code: &str) -> Option<Page> {
    all().find(|page| page.code == code)
}

// === impl Page ===

impl Page {
    /// The page as a document.
    #[cfg(test)]
    fn markdown(&self) -> String {
        let Self { code, title, cause, remedy } = self;
        format!("# {code}: {title}\n\n## Why it happens\n\n{cause}\n\n## What to do\n\n{remedy}\n")
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, env, fs, path::Path};

    use super::*;

    #[test]
    fn every_code_has_one_page() {
        let codes: Vec<&str> = all().map(|page| page.code).collect();
        let distinct: BTreeSet<&str> = codes.iter().copied().collect();
        assert_eq!(codes.len(), distinct.len(), "{codes:?}");
        assert!(find("SLUICE-DOC-001").is_some());
    }

    /// `SLUICE_BLESS=1` writes the pages.
    #[test]
    fn docs_errors_is_in_step() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        for page in all() {
            let path = folder.join(format!("{}.md", page.code));
            if env::var_os("SLUICE_BLESS").is_some() {
                fs::create_dir_all(&folder).unwrap();
                fs::write(&path, page.markdown()).unwrap();
            }
            let written = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(written, page.markdown(), "`SLUICE_BLESS=1 cargo test -p sluice in_step` rewrites `{path:?}`");
        }
    }
}
