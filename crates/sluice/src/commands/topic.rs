//! `sluice topic`: brokers in production do not create topics by themselves.

use std::{str::FromStr, time::Duration};

use clap::{Args, Subcommand};
use pipeline_kafka::{
    admin,
    provision::{self, NewTopics},
};
use pipeline_model::contracts::DEAD_LETTERS;
use serde::Serialize;

use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    session::{self, Session},
    text,
};

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub enum TopicVerb {
    /// Create the topics that are missing; those that are there stay as they are
    Create(CreateArgs),
}

/// How to create topics.
#[derive(Debug, Args)]
#[command(
    after_help = "More workers of a stage than partitions of its topic stay idle. All replicas but one must have a message before
it counts as written, so that a broker may be away. Ends with 10 when the cluster has too few brokers.

Examples:
  sluice topic create --partitions 24
  sluice topic create --replication 3 --retention 7d --letters-retention 365d
  sluice topic create --dry-run"
)]
pub struct CreateArgs {
    /// Partitions of each new topic
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub partitions: i32,
    /// Replicas of each partition [default: 3, or as many as there are brokers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100))]
    pub replication: Option<i32>,
    /// How long messages between stages are kept, such as 7d, or `forever`
    #[arg(long, default_value = "7d", value_name = "DURATION")]
    pub retention: Kept,
    /// How long dead letters are kept: until people have looked at them
    #[arg(long, default_value = "90d", value_name = "DURATION")]
    pub letters_retention: Kept,
    /// Say what is missing, and create nothing
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How long messages are kept; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept(Option<Duration>);

#[derive(Debug, Serialize)]
struct TopicsReport {
    bootstrap_servers: String,
    dry_run: bool,
    partitions: i32,
    replication: i32,
    min_insync_replicas: i32,
    /// Topics created, or missing in a dry run.
    created: Vec<String>,
    /// Topics that were there.
    present: Vec<String>,
}

/// Creates topics.
pub async fn run(session: &Session, TopicVerb::Create(args): TopicVerb) -> Result<Exit, Failure> {
    let settings = session.settings()?.kafka;
    let topics = settings.names().topics();
    let report = admin::check(&settings, topics.clone()).await?;
    let replicas = replicas(args.replication, report.brokers.len())?;
    let letters = settings.names().topic(DEAD_LETTERS);
    let kept = |topic: &String| if *topic == letters { args.letters_retention.0 } else { args.retention.0 };
    let wanted = NewTopics {
        topics: topics.iter().map(|topic| (topic.clone(), kept(topic))).collect(),
        partitions: args.partitions,
        replicas,
    };
    let created =
        if args.dry_run { report.missing_topics } else { provision::ensure_topics(&settings, &wanted).await? };
    let is_new = |topic: &String| created.iter().any(|created| created == topic);
    let present: Vec<String> = topics.into_iter().filter(|topic| !is_new(topic)).collect();
    if !created.is_empty() && replicas < provision::REPLICAS {
        session::note(format_args!(
            "{} of each partition: a broker that is lost takes messages with it; production wants {} brokers and replicas",
            text::plural(replicas, "replica"),
            provision::REPLICAS
        ));
    }
    if !present.is_empty() {
        session::note(format_args!(
            "topics that were there stay as they are; `sluice doctor` says whether they will do"
        ));
    }
    let report = TopicsReport {
        bootstrap_servers: settings.bootstrap_servers,
        dry_run: args.dry_run,
        partitions: args.partitions,
        replication: replicas,
        min_insync_replicas: wanted.min_in_sync(),
        created,
        present,
    };
    output::answer(&report, args.output)
}

/// As many as were asked for, or what production wants and the cluster can.
fn replicas(asked: Option<i32>, brokers: usize) -> Result<i32, Failure> {
    let brokers = i32::try_from(brokers).unwrap_or(i32::MAX);
    match asked {
        Some(asked) if asked > brokers => {
            let brokers = text::plural(brokers, "broker");
            Err(Failure::new(Exit::NotReady, format!("the cluster has {brokers}, and cannot keep {asked} replicas"))
                .hint("add brokers, or ask for fewer: --replication N"))
        }
        Some(asked) => Ok(asked),
        None => Ok(provision::REPLICAS.min(brokers).max(1)),
    }
}

// === impl Kept ===

impl FromStr for Kept {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "forever" { Ok(Self(None)) } else { text::parse_duration(text).map(|kept| Self(Some(kept))) }
    }
}

impl Report for TopicsReport {
    fn text(&self) -> String {
        let mut table = output::table(&["TOPIC", "STATE"]);
        let new = if self.dry_run { "missing" } else { "created" };
        for (topics, state) in [(&self.created, new), (&self.present, "present")] {
            for topic in topics {
                table.add_row([topic.as_str(), state]);
            }
        }
        output::table_text(&table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_gets_the_replicas_that_it_can_keep_and_no_more() {
        assert_eq!([1, 2, 3, 9].map(|brokers| replicas(None, brokers).unwrap()), [1, 2, 3, 3]);
        assert_eq!(replicas(Some(1), 9).unwrap(), 1);
        let refused = replicas(Some(3), 1).unwrap_err();
        assert_eq!(
            (refused.exit, &*refused.what),
            (Exit::NotReady, "the cluster has 1 broker, and cannot keep 3 replicas")
        );
    }

    #[test]
    fn messages_are_kept_for_a_time_or_for_ever() {
        assert_eq!("forever".parse(), Ok(Kept(None)));
        assert_eq!("7d".parse(), Ok(Kept(Some(Duration::from_secs(604_800)))));
        assert!("7".parse::<Kept>().is_err());
    }
}
