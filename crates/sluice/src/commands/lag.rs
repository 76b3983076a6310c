//! `sluice lag`: how far each stage is behind on what it reads, also when none of its workers is there to say so.

use std::time::{Duration, Instant};

use clap::Args;
use pipeline_kafka::{
    lag::{self, GroupLag},
    local, survey,
};
use pipeline_settings::settings;

use self::{
    behind::{Bound, Look, StageBehind, Verdict},
    report::LagReport,
};
use super::doctor::STAGES;
use crate::{
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs},
    session::{self, Session},
    text,
};

mod behind;
mod report;

/// How to look.
#[derive(Debug, Args)]
#[command(
    after_help = "Asks the cluster, not the stages: what each group has committed, where each partition ends, and when the oldest
message that waits was produced. It joins no group and changes nothing. The second look tells the rates and the trend.
A partition is `hot` when twice as much waits in it as in the mean one of its topic.
Exit codes: 0 nothing is in danger; 10 a topic is missing, or a message was lost or soon will be: the oldest one that
waits is older than four fifths of `retention.ms`; 75 the cluster cannot be reached.

Examples:
  sluice lag
  sluice lag --every 0s -o json | jq '.[] | {stage, messages, seconds}'"
)]
pub struct LagArgs {
    /// Time between the two looks; `0s` looks once, and tells no trend
    #[arg(long, default_value = "5s", value_name = "DURATION", value_parser = text::parse_duration)]
    pub every: Duration,
    /// How to answer.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Looks twice and tells what changed.
pub async fn run(session: &Session, args: LagArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?.kafka;
    let failed = |error| session::kafka_failure(&error);
    let bounds = bounds(&settings).await.map_err(failed)?;
    let first = if args.every.is_zero() {
        None
    } else {
        let begun = Instant::now();
        let looks = look(&settings).await.map_err(failed)?;
        tokio::time::sleep(args.every).await;
        Some((begun, looks))
    };
    let begun = Instant::now();
    let looks = look(&settings).await.map_err(failed)?;
    let now_ms = text::now_ms();
    let mut stages = Vec::new();
    for (index, (((_, word, topic), bound), now)) in STAGES.iter().zip(bounds).zip(&looks).enumerate() {
        let before = first.as_ref().and_then(|(at, looks)| {
            Some(Look { partitions: &looks.get(index)?.partitions, ago: begun.saturating_duration_since(*at) })
        });
        let (group, topic) = (settings.group(word), settings.names().topic(topic));
        stages.push(StageBehind::new((word, group, topic), now, before, bound, now_ms));
    }
    let is_fine = stages.iter().all(|stage| stage.verdict == Verdict::Fine);
    let shown = output::answer(&LagReport(stages), args.output)?;
    Ok(if is_fine { shown } else { Exit::NotReady })
}

async fn look(settings: &settings::Kafka) -> Result<Vec<GroupLag>, pipeline_kafka::Error> {
    let asked = STAGES.map(async |(_, word, topic)| lag::look(settings, &settings.group(word), topic).await);
    futures::future::try_join_all(asked).await
}

/// What bounds the waiting on each stage's topic.
async fn bounds(settings: &settings::Kafka) -> Result<Vec<Bound>, pipeline_kafka::Error> {
    if local::is_local(settings).await? {
        return Ok(vec![Bound::Bytes(local::PARTITION_LIMIT); STAGES.len()]);
    }
    let names: Vec<String> = STAGES.iter().map(|(_, _, topic)| settings.names().topic(topic)).collect();
    let topics = survey::topics(settings, names.clone()).await?;
    let bound = |name: &String| {
        let topic = topics.iter().find(|topic| topic.name == *name)?;
        Some(topic.settings.as_ref()?.retention.map_or(Bound::None, Bound::Age))
    };
    Ok(names.iter().map(|name| bound(name).unwrap_or(Bound::Unknown)).collect())
}
