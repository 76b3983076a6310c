//! What `sluice demo` answers: what is in the copy now, beside what is in the source.

use std::{borrow::Cow, time::Duration};

use percent_encoding::percent_decode_str;
use pipeline_store::{Counts, Reject};
use serde::Serialize;

use crate::{
    commands::run::report::reject_lines,
    exit::Exit,
    output::{self, Report},
    text,
};

/// Rejects that the text shows; the rest is counted.
const SHOWN_REJECTS: usize = 10;

/// The answer; scripts rely on the names.
#[derive(Clone, Debug, Serialize)]
pub struct DemoReport {
    /// The run.
    pub run_id: String,
    /// State of the run.
    pub state: String,
    /// What readers see now.
    #[serde(flatten)]
    pub counts: Counts,
    /// Sound documents in the source.
    pub source_counts: Counts,
    /// The two are equal.
    pub equal: bool,
    /// The generation that the run filled.
    pub generation: Option<i64>,
    /// Providers whose subtree was the same as before, so that nothing was written for them.
    pub unchanged_providers: i64,
    /// Rows that the run takes out of the views.
    pub removed: Counts,
    /// Rows written to `sluice_content_bundle`.
    pub bundles_written: i64,
    /// Rows written to `sluice_content_field`.
    pub subscription_fields_written: i64,
    /// Where the documents came from.
    pub source: String,
    /// Where the rows are, without a password.
    pub target: String,
    /// Documents that cannot be stored.
    pub rejects: Vec<Reject>,
    /// There are more rejects than those listed.
    pub more_rejects: bool,
    /// Why the run was not activated, when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// From the request to the end of the run.
    pub duration_ms: u64,
    /// The same for each stage, as far as it was seen.
    pub stage_durations_ms: StageDurations,
    /// How the command was called, for the hints.
    #[serde(skip)]
    pub program: String,
    /// Source and target as they were given, as flags for the shell.
    #[serde(skip)]
    pub place: String,
}

/// How long each stage was seen at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StageDurations {
    /// The root stage.
    pub root: Option<u64>,
    /// The providers stage.
    pub providers: Option<u64>,
    /// The bundles stage.
    pub bundles: Option<u64>,
    /// The activator.
    pub activator: Option<u64>,
}

// === impl DemoReport ===

impl DemoReport {
    /// How the demo ends: rejects explain a difference, anything else that is not equal is a failure.
    pub fn exit(&self) -> Exit {
        match (self.state.as_str(), self.rejects.is_empty(), self.equal) {
            ("held", _, _) | ("activated", false, _) => Exit::Rejects,
            ("activated", true, true) => Exit::Ok,
            _ => Exit::Failed,
        }
    }

    fn verdict(&self, in_source: i64, in_copy: i64) -> &'static str {
        match (in_source == in_copy, self.rejects.is_empty()) {
            (true, _) => "equal",
            (false, false) => "differs: see the rejects",
            (false, true) => "DIFFERS",
        }
    }

    fn counts_table(&self) -> String {
        let mut table = output::table(&["", "SOURCE", "COPY", ""]);
        let (source, copy) = (self.source_counts, self.counts);
        for (level, in_source, in_copy) in [
            ("provider services", source.services, copy.services),
            ("providers", source.providers, copy.providers),
            ("bundles", source.bundles, copy.bundles),
            ("subscription fields", source.subscription_fields, copy.subscription_fields),
        ] {
            let verdict = self.verdict(in_source, in_copy);
            table.add_row([level.to_owned(), text::count(in_source), text::count(in_copy), verdict.to_owned()]);
        }
        table.align_right(1..3);
        output::table_text(&table)
    }

    fn rejects_text(&self) -> String {
        if self.rejects.is_empty() {
            return String::new();
        }
        let mut lines = vec!["These documents were rejected; the rest of the copy is complete:".to_owned()];
        lines.extend(reject_lines(&self.rejects, SHOWN_REJECTS, self.more_rejects));
        format!("\n{}\n", lines.join("\n"))
    }

    /// What to do when the run would take too much away.
    fn held_text(&self) -> &'static str {
        if self.state == "held" {
            "\nNothing was removed. If the target holds another data set, choose another with --target.\n"
        } else {
            ""
        }
    }

    fn durations_text(&self) -> String {
        let StageDurations { root, providers, bundles, activator } = self.stage_durations_ms;
        let stages: Vec<String> =
            [("root", root), ("providers", providers), ("bundles", bundles), ("activator", activator)]
                .into_iter()
                // A stage that began and ended between two looks was too fast to be timed.
                .filter_map(|(stage, ms)| Some((stage, ms.filter(|ms| *ms > 0)?)))
                .map(|(stage, ms)| format!("{stage} {}", text::duration(Duration::from_millis(ms))))
                .collect();
        let total = text::duration(Duration::from_millis(self.duration_ms));
        if stages.is_empty() { total } else { format!("{total} ({})", stages.join(", ")) }
    }

    fn looking(&self) -> String {
        let query = "select service_id, provider_id, bundle_id, name from bundles limit 5";
        match sqlite_path(&self.target) {
            Some(path) => format!("  sqlite3 -header -column {} '{query}'", text::quoted(&path)),
            None => format!("  in `{}`: {query};", self.target),
        }
    }

    /// What a newcomer may try next.
    fn next(&self) -> String {
        let (program, place) = (text::quoted(&self.program), &self.place);
        format!(
            "  {program} demo{place}    again: nothing changed, so nothing is written
  {program} dev{place}     keep it running, and start runs from another shell
  {program} demo --source 'generator:?services=40&providers=10000&bundles=20&fields=5&seed=1' --target generated.db"
        )
    }
}

impl Report for DemoReport {
    fn text(&self) -> String {
        let generation = self.generation.map_or_else(|| "-".to_owned(), |generation| generation.to_string());
        format!(
            "\
{}

run         {}
state       {}{}
generation  {generation}
unchanged   {} of {} providers
written     {} bundles, {} subscription fields
removed     {} providers, {} bundles, {} subscription fields
took        {}
source      {}
target      {}
{}{}
Look at it:
{}

Try next:
{}",
            self.counts_table(),
            self.run_id,
            self.state,
            self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default(),
            text::count(self.unchanged_providers),
            text::count(self.counts.providers),
            text::count(self.bundles_written),
            text::count(self.subscription_fields_written),
            text::count(self.removed.providers),
            text::count(self.removed.bundles),
            text::count(self.removed.subscription_fields),
            self.durations_text(),
            self.source,
            self.target,
            self.held_text(),
            self.rejects_text(),
            self.looking(),
            self.next(),
        )
    }
}

/// The path in a `sqlite:` URL.
pub fn sqlite_path(url: &str) -> Option<Cow<'_, str>> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    percent_decode_str(path).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, render};

    fn report() -> DemoReport {
        let counts = Counts { services: 20, providers: 284, bundles: 4_552, subscription_fields: 51_549 };
        DemoReport {
            run_id: "01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10".to_owned(),
            state: "activated".to_owned(),
            counts,
            source_counts: counts,
            equal: true,
            generation: Some(1),
            unchanged_providers: 0,
            removed: Counts::default(),
            bundles_written: 4_552,
            subscription_fields_written: 51_549,
            source: "the sample catalogue".to_owned(),
            target: "sqlite:///home/me/sluice-demo.db".to_owned(),
            rejects: Vec::new(),
            more_rejects: false,
            reason: None,
            duration_ms: 6_420,
            stage_durations_ms: StageDurations { root: Some(12), bundles: Some(1_300), ..StageDurations::default() },
            program: "sluice".to_owned(),
            place: String::new(),
        }
    }

    fn with_rejects(number: usize) -> DemoReport {
        let reject = |line: usize| Reject {
            run_id: pipeline_model::ids::RunId::parse("01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10").unwrap(),
            service_id: None,
            provider_id: None,
            place: format!("providers.jsonl:{line}"),
            level: "provider".to_owned(),
            document_id: None,
            code: "SLUICE-DOCUMENT-003".to_owned(),
            reason: "`id` is missing".to_owned(),
        };
        let counts = Counts { providers: 280, ..report().counts };
        DemoReport { rejects: (1..=number).map(reject).collect(), counts, equal: false, ..report() }
    }

    #[test]
    fn the_text_shows_both_counts_and_how_to_look() {
        insta::assert_snapshot!(render(&report(), Format::Table).unwrap(), @"
                             SOURCE    COPY
        provider services        20      20  equal
        providers               284     284  equal
        bundles               4,552   4,552  equal
        subscription fields  51,549  51,549  equal

        run         01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10
        state       activated
        generation  1
        unchanged   0 of 284 providers
        written     4,552 bundles, 51,549 subscription fields
        removed     0 providers, 0 bundles, 0 subscription fields
        took        6.4 s (root 12 ms, bundles 1.3 s)
        source      the sample catalogue
        target      sqlite:///home/me/sluice-demo.db

        Look at it:
          sqlite3 -header -column /home/me/sluice-demo.db 'select service_id, provider_id, bundle_id, name from bundles limit 5'

        Try next:
          sluice demo    again: nothing changed, so nothing is written
          sluice dev     keep it running, and start runs from another shell
          sluice demo --source 'generator:?services=40&providers=10000&bundles=20&fields=5&seed=1' --target generated.db
        ");
    }

    #[test]
    fn the_json_has_the_names_that_scripts_rely_on() {
        insta::assert_snapshot!(render(&report(), Format::Json).unwrap(), @r#"
        {
          "run_id": "01980f6e-3c5a-7cc1-9b1e-0d2c5e8a4f10",
          "state": "activated",
          "services": 20,
          "providers": 284,
          "bundles": 4552,
          "subscription_fields": 51549,
          "source_counts": {
            "services": 20,
            "providers": 284,
            "bundles": 4552,
            "subscription_fields": 51549
          },
          "equal": true,
          "generation": 1,
          "unchanged_providers": 0,
          "removed": {
            "services": 0,
            "providers": 0,
            "bundles": 0,
            "subscription_fields": 0
          },
          "bundles_written": 4552,
          "subscription_fields_written": 51549,
          "source": "the sample catalogue",
          "target": "sqlite:///home/me/sluice-demo.db",
          "rejects": [],
          "more_rejects": false,
          "duration_ms": 6420,
          "stage_durations_ms": {
            "root": 12,
            "providers": null,
            "bundles": 1300,
            "activator": null
          }
        }
        "#);
    }

    #[test]
    fn rejects_are_shown_up_to_a_bound() {
        insta::assert_snapshot!(with_rejects(12).rejects_text().trim(), @"
        These documents were rejected; the rest of the copy is complete:
          providers.jsonl:1: `id` is missing (SLUICE-DOCUMENT-003)
          providers.jsonl:2: `id` is missing (SLUICE-DOCUMENT-003)
          providers.jsonl:3: `id` is missing (SLUICE-DOCUMENT-003)
          providers.jsonl:4: `id` is missing (SLUICE-DOCUMENT-003)
          providers.jsonl:5: `id` is missing (SLUICE-DOCUMENT-003)
          providers.jsonl:6: `id` is missing (SLUICE-DOCUMENT-003)
          providers.jsonl:7: `id` is missing (SLUICE-DOCUMENT-003)
          providers.jsonl:8: `id` is missing (SLUICE-DOCUMENT-003)
          providers.jsonl:9: `id` is missing (SLUICE-DOCUMENT-003)
          providers.jsonl:10: `id` is missing (SLUICE-DOCUMENT-003)
          and 2 more: see `-o json`
        ");
    }

    #[test]
    fn a_difference_without_rejects_is_a_failure() {
        assert_eq!(report().exit(), Exit::Ok);
        assert_eq!(with_rejects(1).exit(), Exit::Rejects);
        assert_eq!(DemoReport { equal: false, ..report() }.exit(), Exit::Failed);
        assert_eq!(DemoReport { state: "failed".to_owned(), ..report() }.exit(), Exit::Failed);
    }

    #[test]
    fn the_path_is_one_word_for_the_shell() {
        assert_eq!(sqlite_path("sqlite:///a/b.db?mode=rwc").as_deref(), Some("/a/b.db"));
        assert_eq!(sqlite_path("sqlite:///pct%2541.db").as_deref(), Some("/pct%41.db"));
        assert_eq!(sqlite_path("mysql://u@h/db"), None);
    }
}
