//! `sluice capacity`: how many of what for how much data, from measured constants, and what the limit is.
//!
//! [`costs`] are the constants. [`model`] is one pure function from this command line to the answer, so that the same
//! question has the same answer, here and in `docs/capacity.md`. [`report`] is how the answer is told.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs},
    session::{self, Session},
    text,
};

mod costs;
mod model;
mod report;
#[cfg(test)]
mod tests;

/// Where the question stood before.
#[derive(Debug, Subcommand)]
pub enum FormerVerb {
    /// The former name of `sluice capacity`
    Capacity(CapacityArgs),
}

/// The question.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The defaults are size M of the published benchmark on its two processors. Times are a model of measured
constants and no promise; docs/capacity.md says how it works and what was never measured.

Exit codes: 0 it fits, 10 it does not keep the time given or cannot be done as asked.

Examples:
  sluice capacity
  sluice capacity --services 200 --providers 1000000 --within 30m --database-cores 16 --stage-cores 16
  sluice capacity --source couchbase --source-latency-ms 20 --source-calls 64 --database-rtt-ms 1
  sluice capacity --from-source --config sluice.yaml --changed 2 --changed-within 10m
  sluice capacity --workers 4 -o json | jq .full.seconds"
)]
pub struct CapacityArgs {
    /// Provider services
    #[arg(long, value_name = "N", default_value_t = 40.0, value_parser = whole::<1, MANY>, help_heading = DATA)]
    services: f64,
    /// Providers of all services
    #[arg(long, value_name = "N", default_value_t = 10_000.0, value_parser = whole::<1, MANY>, help_heading = DATA)]
    providers: f64,
    /// Bundles of a provider, on average
    #[arg(long, value_name = "N", default_value_t = 20.0, value_parser = amount, help_heading = DATA)]
    bundles: f64,
    /// Subscription fields of a bundle, on average
    #[arg(long, value_name = "N", default_value_t = 5.0, value_parser = amount, help_heading = DATA)]
    fields: f64,
    /// Bytes of a bundle with its fields, as JSON [default: as in the benchmark, by the number of fields]
    #[arg(long, value_name = "N", value_parser = amount, help_heading = DATA)]
    document_bytes: Option<f64>,
    /// Percent of all providers that the largest service has [default: all services are equal]
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, hide_default_value = true, value_parser = percent,
        help_heading = DATA)]
    largest_service: f64,
    /// Count services, providers, bundles and fields in the configured source
    #[arg(long, conflicts_with_all = ["services", "providers", "bundles", "fields"], help_heading = DATA)]
    from_source: bool,

    /// A full run should take no longer, such as 30m [default: as fast as the processors allow]
    #[arg(long, value_name = "TIME", value_parser = text::parse_duration, help_heading = GOAL)]
    within: Option<Duration>,
    /// Percent of the providers that are new or changed in the next run
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent, help_heading = GOAL)]
    changed: f64,
    /// The next run should take no longer [default: as the full run]
    #[arg(long, value_name = "TIME", value_parser = text::parse_duration, help_heading = GOAL)]
    changed_within: Option<Duration>,

    /// Kind of the source [default: files, or what `--from-source` finds]
    #[arg(long, value_name = "KIND", value_enum, help_heading = AROUND)]
    source: Option<SourceKind>,
    /// Milliseconds that the source takes for an answer
    #[arg(long, value_name = "MS", default_value_t = 0.0, value_parser = amount, help_heading = AROUND)]
    source_latency_ms: f64,
    /// Calls that a Couchbase source allows at once [default: any number]
    #[arg(long, value_name = "N", value_parser = whole::<1, MANY>, help_heading = AROUND)]
    source_calls: Option<f64>,
    /// Milliseconds to the database and back
    #[arg(long, value_name = "MS", default_value_t = 0.0, value_parser = amount, help_heading = AROUND)]
    database_rtt_ms: f64,
    /// Rows are inserted: the server has `local_infile` off
    #[arg(long, help_heading = AROUND)]
    inserts: bool,
    /// Processors of the database
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = whole::<1, 10_000>, help_heading = AROUND)]
    database_cores: f64,
    /// Megabytes that the disk of the database writes in a second
    #[arg(long, value_name = "N", default_value_t = 500.0, value_parser = whole::<1, MANY>, help_heading = AROUND)]
    database_disk_mb: f64,
    /// Processors of all stages together [default: they share those of the database]
    #[arg(long, value_name = "N", value_parser = whole::<1, 10_000>, help_heading = AROUND)]
    stage_cores: Option<f64>,
    /// Processors that one worker can have
    #[arg(long, value_name = "N", default_value_t = 2.0, value_parser = whole::<1, 10_000>, help_heading = AROUND)]
    worker_cores: f64,
    /// Connections of the database that Sluice may use
    #[arg(long, value_name = "N", default_value_t = 100.0, value_parser = whole::<5, 100_000>, help_heading = AROUND)]
    connections: f64,

    /// Workers of the bundles stage, instead of those worked out
    #[arg(long, value_name = "N", value_parser = whole::<1, 1_000>, help_heading = CHOSEN)]
    workers: Option<f64>,
    /// Providers in a batch, instead of what is worked out
    #[arg(long, value_name = "N", value_parser = whole::<1, 5_000>, help_heading = CHOSEN)]
    batch_size: Option<f64>,

    #[command(flatten)]
    output: OutputArgs,
}

const DATA: &str = "The data";
const GOAL: &str = "The runs";
const AROUND: &str = "What there is";
const CHOSEN: &str = "Choices";
/// More than there is of anything.
const MANY: u64 = 10_000_000_000;

/// Kinds of sources that differ in what they cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SourceKind {
    /// A folder that each stage indexes, or anything that answers a batch in one call.
    Files,
    /// Couchbase, which is asked page by page.
    Couchbase,
}

impl CapacityArgs {
    fn is_couchbase(&self) -> bool {
        self.source == Some(SourceKind::Couchbase)
    }
}

/// Plans.
pub async fn run(session: &Session, mut args: CapacityArgs) -> Result<Exit, Failure> {
    if args.from_source {
        count(session, &mut args).await?;
    }
    if args.source_calls.is_some() && !args.is_couchbase() {
        let what = "`--source-calls` is for a source that is called: a folder is read";
        return Err(Failure::new(Exit::Usage, what).hint("add `--source couchbase`, or leave it out"));
    }
    let costs = serde_json::from_str(costs::CONSTANTS).map_err(|error| {
        Failure::caused(Exit::Failed, "this build cannot work out a capacity: its constants are not complete", &error)
            .hint("build it from a tree with a complete docs/capacity.json")
    })?;
    let report = report::of(costs, &args);
    output::answer(&report, args.output)?;
    Ok(if report.fits { Exit::Ok } else { Exit::NotReady })
}

/// Replaces the numbers of the data by what the configured source has.
async fn count(session: &Session, args: &mut CapacityArgs) -> Result<(), Failure> {
    let settings = session.settings()?.source;
    let source = pipeline_source::open(&settings)?;
    let counts = source.counts().await?;
    session::note(format_args!("the source has {counts}"));
    #[expect(clippy::cast_precision_loss, reason = "2^53 documents are more than there are")]
    let [services, providers, bundles, fields] =
        [counts.services, counts.providers, counts.bundles, counts.subscription_fields].map(|count| count as f64);
    args.services = services.max(1.0);
    args.providers = providers.max(1.0);
    args.bundles = bundles / args.providers;
    args.fields = fields / bundles.max(1.0);
    let found = if settings.url.starts_with("couchbase") { SourceKind::Couchbase } else { SourceKind::Files };
    args.source.get_or_insert(found);
    Ok(())
}

/// A whole number; it is kept as what the model reckons with.
fn whole<const LEAST: u64, const MOST: u64>(text: &str) -> Result<f64, String> {
    let number: u64 = text.parse().map_err(|_| format!("`{text}` is not a whole number"))?;
    let in_range = (LEAST..=MOST).contains(&number);
    if in_range { amount(text) } else { Err(format!("{number} is not in {LEAST}..={MOST}")) }
}

fn amount(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..=1e10).contains(&number) { Ok(number) } else { Err("expected 0 to 10,000,000,000".to_owned()) }
}

fn percent(text: &str) -> Result<f64, String> {
    let number = amount(text.trim_end_matches('%'))?;
    if number <= 100.0 { Ok(number) } else { Err("expected 0 to 100 percent".to_owned()) }
}
