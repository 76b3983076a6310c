//! `sluice generation diff`: what differs between two generations, or between one and what readers see now.

use clap::Args;
use pipeline_compare::changes::{Change, Changes, Preview, Row};
use pipeline_model::ids::{Generation, ServiceId};
use pipeline_operations::generations::{Difference, ServiceDifference};
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report, printable},
    session::Session,
    text,
};

/// What to compare.
#[derive(Debug, Args)]
#[command(
    after_help = "Counts the rows of each level, service by service: + added, ~ changed, - removed. A service that is the same is
not listed. Both generations have to be kept: sluice generation ls. The exit code is 0 either way.

Examples:
  sluice generation diff 41 42
  sluice generation diff 41                       against what readers see now
  sluice generation diff 41 42 --service payments --rows
  sluice generation diff 41 42 --rows -o json | jq '.rows[] | select(.change == \"removed\")'"
)]
pub struct DiffArgs {
    /// The generation to begin with
    #[arg(value_name = "A", value_parser = clap::value_parser!(i64).range(1..))]
    pub from: i64,
    /// The generation to end with [default: what readers see now]
    #[arg(value_name = "B", value_parser = clap::value_parser!(i64).range(1..))]
    pub to: Option<i64>,
    /// Only this service; may be repeated. Without it, all services
    #[arg(long, value_name = "ID")]
    pub service: Vec<String>,
    /// List the rows, too
    #[arg(long)]
    pub rows: bool,
    /// With --rows: at most so many; all are counted
    #[arg(long, value_name = "N", default_value_t = 1_000, requires = "rows")]
    pub limit: usize,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Debug, Serialize)]
struct DiffReport {
    from: Generation,
    /// Absent for what readers see now.
    to: Option<Generation>,
    /// Rows of all services.
    changes: Preview,
    /// The services that differ.
    services: Vec<ServiceDifference>,
    /// The first rows, when they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<Line>>,
    /// There are more rows than those listed.
    more: bool,
}

/// One row.
#[derive(Debug, Serialize)]
struct Line {
    change: Change,
    level: &'static str,
    service_id: ServiceId,
    provider_id: Option<String>,
    bundle_id: Option<String>,
    field_id: Option<String>,
    /// The columns with another value.
    columns: Vec<&'static str>,
}

/// Compares.
pub async fn run(session: &Session, args: DiffArgs) -> Result<Exit, Failure> {
    let store = session.migrated_store(&session.settings()?).await?;
    let difference = Difference {
        from: Generation(args.from),
        to: args.to.map(Generation),
        services: args.service.iter().map(|id| ServiceId(id.clone())).collect(),
    };
    let limit = if args.rows { args.limit } else { 0 };
    let (mut rows, mut changes, mut more) = (Vec::new(), Preview::default(), false);
    let services = difference
        .read(&store, &mut |service, row| {
            changes.add(row);
            if rows.len() < limit {
                rows.push(Line::of(service, row));
            } else {
                more = args.rows;
            }
        })
        .await?;
    let (from, to) = (difference.from, difference.to);
    let report = DiffReport { from, to, changes, services, rows: args.rows.then_some(rows), more };
    output::answer(&report, args.output)
}

// === impl Line ===

impl Line {
    fn of(service: &ServiceId, row: &Row<'_>) -> Self {
        Self {
            change: row.change,
            level: row.level.as_str(),
            service_id: service.clone(),
            provider_id: row.provider_id.map(ToString::to_string),
            bundle_id: row.bundle_id.map(str::to_owned),
            field_id: row.field_id.map(str::to_owned),
            columns: row.columns.clone(),
        }
    }

    fn text(&self) -> String {
        let sign = match self.change {
            Change::Added => '+',
            Change::Changed => '~',
            Change::Removed => '-',
        };
        let below = [&self.provider_id, &self.bundle_id, &self.field_id].into_iter().flatten();
        let path = below.fold(self.service_id.to_string(), |path, id| format!("{path}/{id}"));
        let columns = if self.columns.is_empty() { String::new() } else { format!(": {}", self.columns.join(", ")) };
        printable(&format!("{sign} {path}{columns}"))
    }
}

/// `+3 ~1 -2`, without what is zero.
fn counts(changes: Changes) -> String {
    let Changes { added, changed, removed } = changes;
    let parts = [('+', added), ('~', changed), ('-', removed)].into_iter().filter(|(_, number)| *number > 0);
    let parts: Vec<String> = parts.map(|(sign, number)| format!("{sign}{}", text::count(number))).collect();
    if parts.is_empty() { "=".to_owned() } else { parts.join(" ") }
}

impl Report for DiffReport {
    fn text(&self) -> String {
        let to = self.to.map_or_else(|| "what readers see now".to_owned(), |to| format!("generation {to}"));
        if self.services.is_empty() {
            return format!("generation {} and {to} are the same", self.from);
        }
        let mut table = output::table(&["SERVICE", "OWN ROW", "PROVIDERS", "BUNDLES", "SUBSCRIPTION FIELDS"]);
        let cells = |name: String, changes: &Preview| {
            let Preview { services, providers, bundles, subscription_fields } = *changes;
            [name, counts(services), counts(providers), counts(bundles), counts(subscription_fields)]
        };
        for each in &self.services {
            table.add_row(cells(each.service_id.to_string(), &each.changes));
        }
        let differ = text::plural(self.services.len(), "service");
        let mut lines = vec![output::table_text(&table)];
        if let Some(rows) = &self.rows {
            lines.push(String::new());
            lines.extend(rows.iter().map(Line::text));
            if self.more {
                lines.push("and more: see --limit".to_owned());
            }
        }
        let [_, own, providers, bundles, fields] = cells(String::new(), &self.changes);
        lines.push(format!(
            "from generation {} to {to}: services {own}, providers {providers}, bundles {bundles}, subscription fields {fields}, in {differ}",
            self.from
        ));
        lines.join("\n")
    }
}
