//! `sluice dlq replay`: what was given up is tried again.
//!
//! While the run of a letter is open, its message is produced again to the topic that it came from: key, bytes and
//! foreign headers as they were. The stages find in the ledger what is missing, and do only that, so that a message
//! that is replayed twice changes nothing the second time.
//!
//! When the run has ended, its message is of no use: no stage writes for a closed run, so that an old letter never
//! overwrites newer data. Instead, one repair run is asked for, with a generation of its own, over the services of all
//! such letters; it reads what the source has now.

use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroU32,
    time::{Duration, Instant},
};

use clap::Args;
use pipeline_core::{registry::Registry, runtime};
use pipeline_kafka as kafka;
use pipeline_kafka::{Delivery, Partition, PlaceReader, Position, Producer};
use pipeline_model::{
    contracts::{Confirmed, Message, RunRequested, batch_of},
    ids::RunId,
};
use pipeline_settings::settings::Settings;
use pipeline_store::{DeadLetter, Deed, LetterState, RunState, Store};
use serde::Serialize;

use super::{SelectArgs, message::original, part, show::run_of};
use crate::{
    confirm::ConfirmArgs,
    exit::Exit,
    failure::Failure,
    output::{self, OutputArgs, Report},
    request::{self, Mode, Tolerate, Wanted},
    session::{self, Session},
    text,
};

/// Progress gets a line so often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// What to replay, and how.
#[derive(Debug, Args)]
#[command(
    after_help = "While its run is open, a letter's message is produced again where it came from. When its run has ended,
one repair run is started over the services of all such letters, so that an old letter never overwrites
newer data. Ends with 1 when a letter could not be replayed.

Examples:
  sluice dlq replay 17
  sluice dlq replay --run @latest --code SLUICE-TARGET-004 --dry-run
  sluice dlq replay --all --rate 50/s --yes"
)]
pub struct ReplayArgs {
    #[command(flatten)]
    pub select: SelectArgs,
    /// Also those that were replayed or waived before
    #[arg(long)]
    pub again: bool,
    /// At most so many messages in a second
    #[arg(long, value_name = "N/s", value_parser = rate)]
    pub rate: Option<NonZeroU32>,
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", default_value = "replayed by command")]
    pub reason: String,
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What became of the letters.
#[derive(Debug, Serialize)]
pub struct ReplayReport {
    /// Nothing was done.
    pub dry_run: bool,
    /// The run that repairs services of runs that have ended.
    pub repair_run: Option<String>,
    /// Each letter.
    pub letters: Vec<Replayed>,
}

/// What became of one letter.
#[derive(Debug, Serialize)]
pub struct Replayed {
    /// The letter.
    pub id: i64,
    /// What it is about.
    pub part: String,
    /// How it is replayed.
    #[serde(flatten)]
    pub route: Route,
}

/// How a letter can be replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "route", content = "detail")]
pub enum Route {
    /// Its message is produced again to this topic.
    Produce(String),
    /// Its run has ended: this service is synchronised again.
    Repair(String),
    /// It cannot be replayed: why, and what helps.
    Skip(String),
}

/// Replays letters.
pub async fn run(session: &Session, args: ReplayArgs) -> Result<Exit, Failure> {
    let settings = session.settings()?;
    let store = session.migrated_store(&settings).await?;
    let report = replay(&store, &settings, &args).await?;
    output::answer(&report, args.output.output)?;
    Ok(report.exit())
}

/// Plans, asks when there is more than one, and does it.
pub async fn replay(store: &Store, settings: &Settings, args: &ReplayArgs) -> Result<ReplayReport, Failure> {
    let letters = args.select.find(store, args.again).await?;
    if letters.is_empty() {
        session::note(format_args!("no such open dead letter in `{}`", store.describe()));
    }
    let mut routed = Vec::with_capacity(letters.len());
    let mut states: HashMap<Option<RunId>, Option<RunState>> = HashMap::new();
    let open = request::open_run(store).await?.map(|run| run.run_id.to_string());
    for letter in letters {
        let state = match states.get(&letter.run_id) {
            Some(state) => *state,
            None => {
                let state = run_of(store, &letter).await?.map(|run| run.state);
                states.insert(letter.run_id, state);
                state
            }
        };
        let route = route(&letter, state, args.again).unless_open(open.as_deref());
        routed.push((letter, route));
    }
    let dry_run = args.confirm.dry_run;
    let count = routed.iter().filter(|(_, route)| !matches!(route, Route::Skip(_))).count();
    if count > 1 && !dry_run {
        args.confirm.confirm(&format!("Replay {count} dead letters?"))?;
    }
    let by = By { who: request::who(), why: &args.reason };
    let mut repair_run = None;
    if !dry_run {
        produce(store, settings, &mut routed, &by, args.rate).await?;
        repair_run = repair(store, settings, &routed, &by).await?;
    }
    let replayed = |(letter, route): (DeadLetter, Route)| Replayed { id: letter.id, part: part(&letter), route };
    Ok(ReplayReport { dry_run, repair_run, letters: routed.into_iter().map(replayed).collect() })
}

/// Who replays, and why.
struct By<'a> {
    who: String,
    why: &'a str,
}

/// How a letter can be replayed when its run is in this state; `None` when the ledger does not have the run.
fn route(letter: &DeadLetter, run: Option<RunState>, again: bool) -> Route {
    let topic = letter.source.topic.as_str();
    if letter.state != LetterState::Open && !again {
        return Route::Skip(format!("it is {} already; once more: --again", letter.state.as_str()));
    }
    match (run, &letter.service_id) {
        (Some(RunState::Running), _) => Route::Produce(topic.to_owned()),
        // The run is opened by this very message, with the next generation.
        (None, _) if topic == RunRequested::TOPIC => Route::Produce(topic.to_owned()),
        (None, _) => Route::Skip("it belongs to no run of this target; waive it, or: sluice run start".to_owned()),
        (Some(_), _) if topic == Confirmed::TOPIC => {
            Route::Skip("its run has ended, and a confirmation is only a hint; waive it".to_owned())
        }
        (Some(_), Some(service)) => Route::Repair(service.to_string()),
        (Some(_), None) => Route::Skip("its run has ended, and it names no service: sluice run start".to_owned()),
    }
}

/// Produces what can be produced, partition by partition in the order of offsets, so that one client reads each
/// partition once; each letter is noted as soon as the broker has it.
async fn produce(
    store: &Store,
    settings: &Settings,
    routed: &mut [(DeadLetter, Route)],
    by: &By<'_>,
    rate: Option<NonZeroU32>,
) -> Result<(), Failure> {
    let producer = Producer::new(&settings.kafka, batch_of, None).map_err(|error| session::kafka_failure(&error))?;
    let mut pace = rate.map(|rate| tokio::time::interval(Duration::from_secs(1) / rate.get()));
    let mut wanted: Vec<_> = routed.iter_mut().filter(|(_, route)| matches!(route, Route::Produce(_))).collect();
    wanted.sort_by(|(one, _), (other, _)| one.letter.cmp(&other.letter));
    let total = wanted.len();
    let mut last_line = Instant::now();
    let mut reader: Option<(Partition, PlaceReader)> = None;
    for (done, (letter, route)) in wanted.into_iter().enumerate() {
        let Route::Produce(topic) = route else { continue };
        if let Some(pace) = &mut pace {
            pace.tick().await;
        }
        if last_line.elapsed() >= LINE_INTERVAL {
            last_line = Instant::now();
            session::note(format_args!("{done} of {total} dead letters replayed"));
        }
        let Position { partition, offset } = letter.letter.position();
        let mut current = match reader.take() {
            Some((place, current)) if place == partition => current,
            _ => {
                PlaceReader::open(&settings.kafka, partition.clone()).map_err(|error| session::kafka_failure(&error))?
            }
        };
        let read = current.read(offset).await;
        reader = Some((partition, current));
        let Some(delivery) = read.map_err(|error| session::kafka_failure(&error))? else {
            *route = Route::Skip(format!("{} is gone: abort the run or waive the letter", letter.letter));
            continue;
        };
        let Some(delivery) = whole(settings, letter, delivery).await? else {
            *route = Route::Skip(format!(
                "the letter was too large and goes without its value, and {} is gone: abort the run or waive the letter",
                letter.source
            ));
            continue;
        };
        let message = runtime::replayed(delivery, topic, letter.id);
        let positions = match producer.send_all(vec![message]).await {
            Ok(positions) => positions,
            Err(error @ kafka::Error::TooLarge { .. }) => {
                *route =
                    Route::Skip(format!("{error}: raise its max.message.bytes, abort the run or waive the letter"));
                continue;
            }
            Err(error) => return Err(session::kafka_failure(&error)),
        };
        let place = positions.first().map_or_else(String::new, |place| format!("{}@{}", place.partition, place.offset));
        note(store, letter, by, &format!("produced again at {place}")).await?;
    }
    Ok(())
}

/// The message itself, where its letter lacks something of it; `None` when its topic no longer keeps it.
async fn whole(settings: &Settings, letter: &DeadLetter, delivery: Delivery) -> Result<Option<Delivery>, Failure> {
    if !runtime::is_incomplete(&delivery) {
        return Ok(Some(delivery));
    }
    original(settings, letter, &delivery).await.map_err(|error| session::kafka_failure(&error))
}

/// Asks for one run over the services of all letters whose runs have ended.
async fn repair(
    store: &Store,
    settings: &Settings,
    routed: &[(DeadLetter, Route)],
    by: &By<'_>,
) -> Result<Option<String>, Failure> {
    let service = |route: &Route| match route {
        Route::Repair(service) => Some(service.clone()),
        Route::Produce(_) | Route::Skip(_) => None,
    };
    let scope: BTreeSet<String> = routed.iter().filter_map(|(_, route)| service(route)).collect();
    if scope.is_empty() {
        return Ok(None);
    }
    let wanted = Wanted {
        by: "sluice dlq replay",
        mode: Mode::PerService,
        scope: scope.into_iter().collect(),
        batch_size: settings.stage.batch_size,
        tolerate: Tolerate::None,
    };
    let message = wanted.into_message(request::identity(store).await?);
    let registry = Registry::new(&settings.schema_registry).map_err(|error| session::registry_failure(&error))?;
    request::send(settings, &registry, None, &message).await?;
    for (letter, _) in routed.iter().filter(|(_, route)| service(route).is_some()) {
        note(store, letter, by, &format!("repair run {}", message.run_id)).await?;
    }
    Ok(Some(message.run_id))
}

async fn note(store: &Store, letter: &DeadLetter, by: &By<'_>, result: &str) -> Result<(), Failure> {
    let subject = letter.id.to_string();
    let deed = Deed { who: &by.who, what: "dlq replay", subject: &subject, why: by.why, result };
    store.mark_replayed(letter.id, &deed).await.map(drop).map_err(|error| session::store_failure(&error))
}

fn rate(text: &str) -> Result<NonZeroU32, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).trim();
    number.parse().map_err(|_| format!("`{text}` is not a rate: expected a number from 1, such as 50/s"))
}

// === impl Route ===

impl Route {
    /// A repair run has to wait for the run that is open.
    fn unless_open(self, open: Option<&str>) -> Self {
        match (self, open) {
            (Self::Repair(_), Some(run)) => {
                Self::Skip(format!("its run has ended, and a repair has to wait until run {run} has: sluice run wait"))
            }
            (route, _) => route,
        }
    }
}

// === impl ReplayReport ===

impl ReplayReport {
    /// How the command ends.
    pub fn exit(&self) -> Exit {
        let skipped = self.letters.iter().any(|letter| matches!(letter.route, Route::Skip(_)));
        if skipped { Exit::Failed } else { Exit::Ok }
    }
}

impl Report for ReplayReport {
    fn text(&self) -> String {
        let would = if self.dry_run { "would be " } else { "" };
        let line = |letter: &Replayed| match &letter.route {
            Route::Produce(topic) => format!("{}  {}  {would}produced again to {topic}", letter.id, letter.part),
            Route::Repair(_) => format!("{}  {}  {would}repaired by a run of its own", letter.id, letter.part),
            Route::Skip(reason) => format!("{}  {}  not replayed: {reason}", letter.id, letter.part),
        };
        let mut lines: Vec<String> = self.letters.iter().map(line).collect();
        lines.extend(
            self.repair_run.as_ref().map(|run| format!("repair run {run}; wait for it: sluice run wait {run}")),
        );
        let skipped = self.letters.iter().filter(|letter| matches!(letter.route, Route::Skip(_))).count();
        if self.letters.len() > 1 {
            let done = i64::try_from(self.letters.len() - skipped).unwrap_or(i64::MAX);
            lines.push(format!("{} {would}replayed, {skipped} not", text::plural(done, "dead letter")));
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use pipeline_model::{
        contracts::BatchPlanned,
        ids::{BatchNo, ServiceId},
    };
    use pipeline_store::Place;

    use super::*;

    fn letter(topic: &str, service: Option<&str>, state: LetterState) -> DeadLetter {
        let place = Place { topic: topic.to_owned(), partition: 0, offset: 0 };
        DeadLetter {
            id: 1,
            run_id: Some(RunId::new()),
            stage: "bundles".to_owned(),
            service_id: service.map(ServiceId::from),
            batch_no: service.map(|_| BatchNo(0)),
            source: place.clone(),
            letter: place,
            key: None,
            code: "SLUICE-TARGET-004".to_owned(),
            reason: String::new(),
            attempts: 1,
            first_failed_at_ms: 0,
            recorded_at_ms: 0,
            state,
            settled_at_ms: None,
            replays: 0,
        }
    }

    #[test]
    fn an_old_letter_is_never_produced_again() {
        let batch = letter(BatchPlanned::TOPIC, Some("s"), LetterState::Open);
        let produce = Route::Produce(BatchPlanned::TOPIC.to_owned());
        assert_eq!(route(&batch, Some(RunState::Running), false), produce);
        for ended in [RunState::Activated, RunState::Aborted, RunState::Failed, RunState::Refused] {
            assert_eq!(route(&batch, Some(ended), false), Route::Repair("s".to_owned()), "{ended:?}");
            let unknown = letter(BatchPlanned::TOPIC, None, LetterState::Open);
            assert!(matches!(route(&unknown, Some(ended), false), Route::Skip(reason) if reason.contains("run start")));
            let hint = letter(Confirmed::TOPIC, Some("s"), LetterState::Open);
            assert!(matches!(route(&hint, Some(ended), false), Route::Skip(_)));
            let request = letter(RunRequested::TOPIC, None, LetterState::Open);
            assert!(matches!(route(&request, Some(ended), false), Route::Skip(_)));
        }
        assert!(matches!(route(&batch, None, false), Route::Skip(_)));
        let request = letter(RunRequested::TOPIC, None, LetterState::Open);
        assert_eq!(route(&request, None, false), Route::Produce(RunRequested::TOPIC.to_owned()));
        assert!(matches!(Route::Repair("s".to_owned()).unless_open(Some("r")), Route::Skip(_)));
        assert_eq!(produce.clone().unless_open(Some("r")), produce);
    }

    #[test]
    fn a_settled_letter_is_replayed_only_on_demand() {
        for state in [LetterState::Replayed, LetterState::Waived] {
            let batch = letter(BatchPlanned::TOPIC, Some("s"), state);
            assert!(
                matches!(route(&batch, Some(RunState::Running), false), Route::Skip(why) if why.contains("--again"))
            );
            assert!(matches!(route(&batch, Some(RunState::Running), true), Route::Produce(_)));
        }
    }

    #[test]
    fn a_rate_is_a_number_per_second() {
        assert_eq!(rate("50/s").unwrap().get(), 50);
        assert_eq!(rate("1").unwrap().get(), 1);
        for wrong in ["0", "0/s", "5/m", "", "-1/s"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
