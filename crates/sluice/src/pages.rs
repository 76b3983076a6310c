//! What there is to say about every error code, gathered from the crates that have them.

use pipeline_core::registry;
use pipeline_model::error_pages::{self, ErrorPage};

/// All pages, crate by crate.
pub fn all() -> impl Iterator<Item = &'static ErrorPage> {
    error_pages::ERRORS.iter().chain(registry::ERRORS).chain(pipeline_source::ERRORS).chain(pipeline_store::ERRORS)
}

/// The page of a code.
pub fn find(code: &str) -> Option<&'static ErrorPage> {
    all().find(|page| page.code == code)
}

/// The page as a document.
#[cfg(test)]
fn markdown(page: &ErrorPage) -> String {
    let ErrorPage { code, title, cause, remedy } = page;
    format!("# {code}: {title}\n\n## Why it happens\n\n{cause}\n\n## What to do\n\n{remedy}\n")
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
                fs::write(&path, markdown(page)).unwrap();
            }
            let written = fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(written, markdown(page), "`SLUICE_BLESS=1 cargo test -p sluice in_step` rewrites `{path:?}`");
        }
    }
}
