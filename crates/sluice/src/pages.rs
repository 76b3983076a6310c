//! What there is to say about every error code: the pages of `docs/errors`, as they were when this program was built.

use include_dir::{Dir, include_dir};

static PAGES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../docs/errors");

/// A page of `docs/errors`; `cargo xtask check` holds each to this shape.
#[derive(Clone, Copy, Debug)]
pub struct ErrorPage {
    /// The stable code, such as `SLUICE-REGISTRY-001`.
    pub code: &'static str,
    /// What happened, in a few words.
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// All pages, in the order of their codes.
pub fn all() -> impl Iterator<Item = ErrorPage> {
    let mut pages: Vec<ErrorPage> =
        PAGES.files().filter_map(|file| file.contents_utf8()).filter_map(ErrorPage::parse).collect();
    pages.sort_by_key(|page| page.code);
    pages.into_iter()
}

/// The page of a code.
pub fn find(code: &str) -> Option<ErrorPage> {
    PAGES.get_file(format!("{code}.md"))?.contents_utf8().and_then(ErrorPage::parse)
}

impl ErrorPage {
    fn parse(text: &'static str) -> Option<Self> {
        let (title, text) = text.strip_prefix("# ")?.split_once("\n\n## Why it happens\n\n")?;
        let ((code, title), (cause, remedy)) = (title.split_once(": ")?, text.split_once("\n\n## What to do\n\n")?);
        Some(Self { code, title, cause, remedy: remedy.trim_end() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_can_be_told() {
        let codes: Vec<String> = all().map(|page| format!("{}.md", page.code)).collect();
        let mut files: Vec<String> = PAGES.files().map(|file| file.path().display().to_string()).collect();
        files.sort();
        assert_eq!(codes, files);
        assert_eq!(find("SLUICE-DOCUMENT-001").unwrap().title, "a document is not JSON");
    }
}
