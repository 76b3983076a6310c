//! Every error code in the sources has a page in `docs/errors` that says why it happens and what to do, and every page has
//! a code. The pages are written by hand; `sluice explain` has them as they are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use super::{
    sources::{self, SourceFile},
    verdict,
};
use crate::{
    command,
    failure::{Failure, Outcome},
};

/// What every code begins with.
const PREFIX: &str = "SLUICE-";

/// Checks this repository.
pub fn check() -> Outcome {
    let codes = sources::rust_files()?.iter().filter(|file| is_product(&file.path)).flat_map(codes).collect();
    let pages = pages()?;
    let faults = pages.iter().filter_map(|(code, text)| fault(code, text));
    let mut all = differences(&codes, &pages.keys().cloned().collect());
    all.extend(faults);
    verdict(&all)
}

/// Tests and this tool may speak of codes that do not exist.
fn is_product(path: &str) -> bool {
    let is_tool = ["crates/xtask/", "crates/testkit/", "tests/"].iter().any(|folder| path.starts_with(folder));
    !is_tool && !path.ends_with("tests.rs") && !path.contains("/tests/")
}

/// The codes that a file gives to errors: string literals that are a code and nothing else.
fn codes(file: &SourceFile) -> Vec<String> {
    let code = file.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or("");
    code.split('"').filter(|literal| is_code(literal)).map(str::to_owned).collect()
}

/// Whether a text looks like `SLUICE-TARGET-003`.
fn is_code(text: &str) -> bool {
    let rest = text.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('-'));
    rest.is_some_and(|(area, number)| {
        let is_area = !area.is_empty() && area.chars().all(|c| c.is_ascii_uppercase() || c == '-');
        is_area && number.len() == 3 && number.chars().all(|c| c.is_ascii_digit())
    })
}

/// The pages by their names: `docs/errors/CODE.md`.
fn pages() -> Outcome<BTreeMap<String, String>> {
    let folder = command::root().join("docs").join("errors");
    let failed = |error| Failure::new(format!("could not read `{}`: {error}", folder.display()));
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(&folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        pages.insert(name, fs::read_to_string(&path).map_err(failed)?);
    }
    Ok(pages)
}

/// What is wrong with a page: it has a title with its code, and whole sentences below each of two headings.
fn fault(code: &str, text: &str) -> Option<String> {
    let parts = text.strip_prefix(&format!("# {code}: ")).and_then(|text| {
        let (title, text) = text.split_once("\n\n## Why it happens\n\n")?;
        let (cause, remedy) = text.split_once("\n\n## What to do\n\n")?;
        Some((title, cause, remedy))
    });
    let is_sound = parts.is_some_and(|(title, cause, remedy)| {
        !title.is_empty() && !title.contains('\n') && cause.ends_with('.') && remedy.ends_with(".\n")
    });
    let shape = "`# CODE: TITLE`, `## Why it happens`, `## What to do`, and whole sentences below each";
    (!is_sound).then(|| format!("docs/errors/{code}.md is not {shape}"))
}

fn differences(codes: &BTreeSet<String>, pages: &BTreeSet<String>) -> Vec<String> {
    let without_page = codes.difference(pages).map(|code| format!("{code} has no page docs/errors/{code}.md"));
    let without_code = pages.difference(codes).map(|code| format!("docs/errors/{code}.md: no error has this code"));
    without_page.chain(without_code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_in_code_and_not_in_its_tests() {
        let text = "fn code() { \"SLUICE-DOCUMENT-001\" }\n// \"SLUICE-x\"\n#[cfg(test)]\nmod tests { \"SLUICE-DOCUMENT-999\" }";
        let file = SourceFile { path: "crates/x/src/lib.rs".to_owned(), text: text.to_owned() };
        assert_eq!(codes(&file), ["SLUICE-DOCUMENT-001"]);
    }

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_found() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let found = differences(&set(&["SLUICE-A-001", "SLUICE-A-002"]), &set(&["SLUICE-A-002", "SLUICE-A-003"]));
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_page_that_does_not_say_why_or_what_to_do_is_found() {
        let whole = "# SLUICE-A-001: it broke\n\n## Why it happens\n\nIt is old.\n\n## What to do\n\nBuy another.\n";
        assert_eq!(fault("SLUICE-A-001", whole), None);
        for (from, to) in
            [("A-001", "A-002"), ("It is old.", ""), ("Buy another.", ""), ("## What", "# What"), ("old.", "old")]
        {
            assert!(fault("SLUICE-A-001", &whole.replace(from, to)).is_some(), "{from}");
        }
    }
}
