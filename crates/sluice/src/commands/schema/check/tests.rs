//! The page about schemas shows what the command prints.

use std::path::Path;

use schema_gate::rules::rule_ids;

use super::*;

const PAGE: &str = "docs/schemas.md";

/// What the command prints for the working tree of an example.
fn answer_for(before: &str, after: &str) -> String {
    let (then, now) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (folder, text) in [(&then, before), (&now, after)] {
        std::fs::write(folder.path().join("orders.v1.avsc"), text).unwrap();
    }
    let check = Check {
        paths: vec![now.path().to_owned()],
        against: Against::Folder(then.path().to_owned()),
        level: None,
        policy: None,
        topics: None,
        today: "2026-11-22".to_owned(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut verdict = runtime.block_on(check.run(None)).unwrap().verdict;
    verdict.against = "before".to_owned();
    for entry in &mut verdict.entries {
        entry.file = "schemas/orders.v1.avsc".to_owned();
        entry.versions.iter_mut().for_each(|version| *version = "before/orders.v1.avsc".to_owned());
    }
    anstream::adapter::strip_str(&report::render(&verdict, Format::Text).unwrap()).to_string()
}

#[test]
fn the_examples_of_the_page_are_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let (mut before, mut after, mut fresh, mut checked) = (String::new(), String::new(), String::new(), 0);
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        fresh.push_str(line);
        fresh.push('\n');
        let Some(kind) = line.strip_prefix("```").filter(|kind| !kind.is_empty()) else { continue };
        let block: String = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match kind {
            "json before" => before.clone_from(&block),
            "json after" => after.clone_from(&block),
            _ => {}
        }
        if kind == "text check" {
            fresh.push_str(&answer_for(&before, &after));
            checked += 1;
        } else {
            fresh.push_str(&block);
        }
        fresh.push_str("```\n");
    }
    assert!(checked >= 10, "{checked} examples");
    if std::env::var_os("SLUICE_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let said = "out of step with what the command prints; `cargo xtask generate` rewrites it";
    assert!(page == fresh || std::env::var_os("SLUICE_BLESS").is_some(), "{PAGE}: {said}");
}

#[test]
fn the_page_names_every_rule() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(PAGE)).unwrap();
    for rule in rule_ids() {
        assert!(page.contains(&format!("`{rule}`")), "{rule}");
    }
}
