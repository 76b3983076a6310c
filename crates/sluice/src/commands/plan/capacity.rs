//! `sluice plan capacity`: how many of what for how much data, from measured constants, and what the limit is.
//!
//! | module | holds |
//! |---|---|
//! | [`costs`] | the constants, and where each was measured |
//! | [`model`] | what is asked and answered |
//! | [`load`] | how long a run takes on a deployment |
//! | [`sizing`] | which deployment it takes |
//! | [`space`] | how much memory and disk |
//! | [`advice`], [`report`] | what to say about it |
//!
//! All of it is arithmetic: the same question has the same answer, here and in `docs/capacity.md`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs},
    session::{self, Session},
    text,
};

use costs::Costs;
use load::Load;
use model::{Data, Surroundings};
use report::CapacityReport;
use sizing::{Bounds, Chosen};
use space::Kept;

mod advice;
mod costs;
mod load;
mod model;
mod report;
mod sizing;
mod space;
#[cfg(test)]
mod tests;

/// What the question is about.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The defaults are size M of the published benchmark on its two processors. Times are a model of measured
constants and no promise; docs/capacity.md says how it works and what was never measured.

Exit codes: 0 it fits, 10 it does not keep the time given or cannot be done as asked.

Examples:
  sluice plan capacity
  sluice plan capacity --services 200 --providers 1000000 --within 30m --database-cores 16 --stage-cores 16
  sluice plan capacity --source couchbase --source-latency-ms 20 --source-calls 64 --database-rtt-ms 1
  sluice plan capacity --from-source --config sluice.yaml --changed 2 --changed-within 10m
  sluice plan capacity --workers 4 -o json | jq .full.seconds"
)]
pub struct CapacityArgs {
    /// Provider services
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = at_least_one(), help_heading = DATA)]
    pub services: u64,
    /// Providers of all services
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = at_least_one(), help_heading = DATA)]
    pub providers: u64,
    /// Bundles of a provider, on average
    #[arg(long, value_name = "N", default_value_t = 20.0, value_parser = amount, help_heading = DATA)]
    pub bundles: f64,
    /// Subscription fields of a bundle, on average
    #[arg(long, value_name = "N", default_value_t = 5.0, value_parser = amount, help_heading = DATA)]
    pub fields: f64,
    /// Bytes of a bundle with its fields, as JSON [default: as in the benchmark, by the number of fields]
    #[arg(long, value_name = "N", value_parser = amount, help_heading = DATA)]
    pub document_bytes: Option<f64>,
    /// Percent of all providers that the largest service has [default: all services are equal]
    #[arg(long, value_name = "PERCENT", value_parser = percent, help_heading = DATA)]
    pub largest_service: Option<f64>,
    /// Count services, providers, bundles and fields in the configured source
    #[arg(long, conflicts_with_all = ["services", "providers", "bundles", "fields"], help_heading = DATA)]
    pub from_source: bool,

    /// A full run should take no longer, such as 30m [default: as fast as the processors allow]
    #[arg(long, value_name = "TIME", value_parser = text::parse_duration, help_heading = GOAL)]
    pub within: Option<Duration>,
    /// Percent of the providers that are new or changed in the next run
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0, value_parser = percent, help_heading = GOAL)]
    pub changed: f64,
    /// The next run should take no longer
    #[arg(long, value_name = "TIME", value_parser = text::parse_duration, help_heading = GOAL)]
    pub changed_within: Option<Duration>,

    /// Kind of the source [default: files, or what `--from-source` finds]
    #[arg(long, value_name = "KIND", value_enum, help_heading = AROUND)]
    pub source: Option<SourceKind>,
    /// Milliseconds that the source takes for an answer
    #[arg(long, value_name = "MS", default_value_t = 0.0, value_parser = amount, help_heading = AROUND)]
    pub source_latency_ms: f64,
    /// Calls that a Couchbase source allows at once [default: any number]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), help_heading = AROUND)]
    pub source_calls: Option<u32>,
    /// Milliseconds to the database and back
    #[arg(long, value_name = "MS", default_value_t = 0.0, value_parser = amount, help_heading = AROUND)]
    pub database_rtt_ms: f64,
    /// Rows are inserted: the server has `local_infile` off, or the link to it is encrypted
    #[arg(long, help_heading = AROUND)]
    pub inserts: bool,
    /// Processors of the database
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = processors(), help_heading = AROUND)]
    pub database_cores: u32,
    /// Megabytes that the disk of the database writes in a second
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..),
        help_heading = AROUND)]
    pub database_disk_mb: u32,
    /// Processors of all stages together [default: they share those of the database]
    #[arg(long, value_name = "N", value_parser = processors(), help_heading = AROUND)]
    pub stage_cores: Option<u32>,
    /// Processors that one worker can have
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = processors(), help_heading = AROUND)]
    pub worker_cores: u32,
    /// Connections of the database that Sluice may use
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(5..=100_000),
        help_heading = AROUND)]
    pub connections: u32,
    /// Generations that `sluice prune --keep` leaves
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..),
        help_heading = AROUND)]
    pub keep: u32,
    /// Replicas of each partition
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100),
        help_heading = AROUND)]
    pub replication: u32,
    /// Days that the brokers keep messages, with one run a day
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..),
        help_heading = AROUND)]
    pub retention_days: u32,

    /// Workers of the bundles stage, instead of those worked out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000), help_heading = CHOSEN)]
    pub workers: Option<u32>,
    /// Providers in a batch, instead of what is worked out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5_000), help_heading = CHOSEN)]
    pub batch_size: Option<u32>,
    /// `stage.in_flight` of the bundles stage, instead of what is worked out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_024), help_heading = CHOSEN)]
    pub in_flight: Option<u32>,
    /// `target.max_writers`, instead of what is worked out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000), help_heading = CHOSEN)]
    pub max_writers: Option<u32>,

    #[command(flatten)]
    pub output: OutputArgs,
}

const DATA: &str = "The data";
const GOAL: &str = "The runs";
const AROUND: &str = "What there is";
const CHOSEN: &str = "Choices";

/// Kinds of sources that differ in what they cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SourceKind {
    /// A folder that each stage indexes, or anything that answers a batch in one call.
    Files,
    /// Couchbase, which is asked page by page.
    Couchbase,
}

/// A question, with everything that the arithmetic needs.
#[derive(Clone, Copy, Debug)]
struct Question {
    data: Data,
    around: Surroundings,
    bounds: Bounds,
    chosen: Chosen,
    kept: Kept,
}

/// Plans.
pub async fn run(session: &Session, mut args: CapacityArgs) -> Result<Exit, Failure> {
    if args.from_source {
        count(session, &mut args).await?;
    }
    if args.source_calls.is_some() && args.source != Some(SourceKind::Couchbase) {
        let what = "`--source-calls` is for a source that is called: a folder is read";
        return Err(Failure::new(Exit::Usage, what).hint("add `--source couchbase`, or leave it out"));
    }
    let costs = Costs::measured().map_err(|missing| {
        let failure = Failure::new(Exit::Failed, "this build cannot work out a capacity: it lacks measurements");
        Failure { causes: vec![missing.0], ..failure }.hint("build it from a tree with a complete docs/benchmarks.json")
    })?;
    let report = answer(&costs, &Question::from(&args));
    output::answer(&report, args.output.output)?;
    Ok(if report.fits { Exit::Ok } else { Exit::NotReady })
}

/// Replaces the numbers of the data by what the configured source has.
async fn count(session: &Session, args: &mut CapacityArgs) -> Result<(), Failure> {
    let settings = session.settings()?.source;
    let source = pipeline_source::open(&settings).map_err(|error| session::source_failure(&error))?;
    let counts = source.counts().await.map_err(|error| session::source_failure(&error))?;
    session::note(format_args!("the source has {counts}"));
    let whole = |number: i64| u64::try_from(number).unwrap_or_default();
    (args.services, args.providers) = (whole(counts.services).max(1), whole(counts.providers).max(1));
    args.bundles = number(whole(counts.bundles)) / number(args.providers);
    args.fields = number(whole(counts.subscription_fields)) / number(whole(counts.bundles).max(1));
    let found = if settings.url.starts_with("couchbase") { SourceKind::Couchbase } else { SourceKind::Files };
    args.source.get_or_insert(found);
    Ok(())
}

/// The answer to a question.
fn answer(costs: &Costs, question: &Question) -> CapacityReport {
    let Question { data, around, bounds, chosen, .. } = question;
    let deployment = sizing::deployment(costs, data, around, bounds, chosen);
    let load = |changed| Load { costs, data, around, batch: f64::from(deployment.batch_size), changed };
    let (full, next) = (load(1.0).run(&deployment), load(bounds.changed).run(&deployment));
    report::of(costs, question, &deployment, full, next)
}

impl From<&CapacityArgs> for Question {
    fn from(args: &CapacityArgs) -> Self {
        let seconds = |time: Option<Duration>| time.map_or(0.0, |time| time.as_secs_f64());
        let (services, providers) = (number(args.services), number(args.providers));
        let benchmark = costs::BUNDLE_DOCUMENT + costs::FIELD_DOCUMENT * args.fields;
        Self {
            data: Data {
                services,
                providers,
                bundles_per_provider: args.bundles,
                fields_per_bundle: args.fields,
                document_bytes: args.document_bytes.unwrap_or(benchmark),
                largest_service: (providers * args.largest_service.map_or(0.0, |percent| percent / 100.0))
                    .max(providers / services)
                    .ceil(),
            },
            around: Surroundings {
                couchbase: args.source == Some(SourceKind::Couchbase),
                source_latency: args.source_latency_ms / 1_000.0,
                source_calls: args.source_calls.map_or(0.0, f64::from),
                round_trip: args.database_rtt_ms / 1_000.0,
                inserts: args.inserts,
                database_cores: f64::from(args.database_cores),
                database_disk: f64::from(args.database_disk_mb) * 1e6,
                stage_cores: args.stage_cores.map_or(0.0, f64::from),
                worker_cores: f64::from(args.worker_cores),
            },
            bounds: Bounds {
                within: seconds(args.within),
                changed: args.changed / 100.0,
                changed_within: seconds(args.changed_within),
                connections: args.connections,
            },
            chosen: Chosen {
                workers: args.workers,
                batch_size: args.batch_size,
                in_flight: args.in_flight,
                max_writers: args.max_writers,
            },
            kept: Kept {
                generations: f64::from(args.keep),
                changed: args.changed / 100.0,
                runs_on_topics: f64::from(args.retention_days),
                replicas: f64::from(args.replication),
            },
        }
    }
}

fn at_least_one() -> clap::builder::RangedU64ValueParser {
    clap::value_parser!(u64).range(1..=10_000_000_000)
}

fn processors() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=10_000)
}

fn amount(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("`{text}` is not a number"))?;
    if (0.0..=1e9).contains(&number) { Ok(number) } else { Err("expected 0 to 1,000,000,000".to_owned()) }
}

fn percent(text: &str) -> Result<f64, String> {
    amount(text.trim_end_matches('%'))
        .and_then(|number| if number <= 100.0 { Ok(number) } else { Err("expected 0 to 100 percent".to_owned()) })
}

#[expect(clippy::cast_precision_loss, reason = "2^53 documents are more than there are")]
fn number(count: u64) -> f64 {
    count as f64
}
