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

#[cfg(test)]
mod tests;

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
