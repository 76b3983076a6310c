//! What was given up is tried again.
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
    time::Duration,
};

use pipeline_core::runtime;
use pipeline_kafka::{self as kafka, Delivery, Partition, PlaceReader, Position, Producer};
use pipeline_model::{
    contracts::{Activation, Confirmed, Message, RunRequested, batch_of},
    ids::RunId,
};
use pipeline_store::{DeadLetter, Deed, LetterFilter, LetterState, RunState, Tolerance};
use serde::Serialize;

use crate::{
    By, Error, Installation, Operation, Step,
    letters::{self, original, run_of},
    open,
    start::{self, Start},
};

/// Which letters, and how.
#[derive(Clone, Debug, Default)]
pub struct Replay {
    /// The letters.
    pub letters: LetterFilter,
    /// Also those that were settled before.
    pub again: bool,
    /// At most so many messages in a second.
    pub rate: Option<NonZeroU32>,
    /// Who asks for a repair run, as that run shows it.
    pub requested_by: String,
}

/// Letters, each with what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaying {
    /// The run that repairs services of runs that have ended; nothing in a preview.
    pub repair_run: Option<String>,
    /// In the order of their numbers.
    pub letters: Vec<(DeadLetter, Route)>,
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

impl Operation for Replay {
    type Answer = Replaying;

    async fn preview(&self, at: &Installation<'_>) -> Result<Replaying, Error> {
        let letters = letters::chosen(at.store, &self.letters, self.again).await?;
        self.route(at, letters).await
    }

    /// Each letter is noted as soon as the broker has its message. A failure ends it: letters noted until then are
    /// replayed, the others are as they were.
    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Replaying>, by: &By) -> Result<Replaying, Error> {
        let mut now = match shown {
            Some(shown) => {
                let letters = letters::again(at.store, shown.letters.iter().map(|(letter, _)| letter.id)).await?;
                let now = self.route(at, letters).await?;
                letters::unchanged(&shown.letters, &now.letters)?;
                now
            }
            None => self.preview(at).await?,
        };
        self.produce(at, &mut now.letters, by).await?;
        now.repair_run = self.repair(at, &now.letters, by).await?;
        Ok(now)
    }
}

// === impl Replay ===

impl Replay {
    async fn route(&self, at: &Installation<'_>, letters: Vec<DeadLetter>) -> Result<Replaying, Error> {
        let mut routed = Vec::with_capacity(letters.len());
        let mut states: HashMap<Option<RunId>, Option<RunState>> = HashMap::new();
        let open = open::run(at.store).await?.map(|run| run.run_id.to_string());
        for letter in letters {
            let state = match states.get(&letter.run_id) {
                Some(state) => *state,
                None => {
                    let state = run_of(at.store, &letter).await?.map(|run| run.state);
                    states.insert(letter.run_id, state);
                    state
                }
            };
            let route = route(&letter, state, self.again).unless_open(open.as_deref());
            routed.push((letter, route));
        }
        Ok(Replaying { repair_run: None, letters: routed })
    }

    /// Produces what can be produced, partition by partition in the order of offsets, so that one client reads each
    /// partition once.
    async fn produce(&self, at: &Installation<'_>, routed: &mut [(DeadLetter, Route)], by: &By) -> Result<(), Error> {
        let producer = Producer::new(&at.settings.kafka, batch_of, at.budget.cloned())?;
        let mut pace = self.rate.map(|rate| tokio::time::interval(Duration::from_secs(1) / rate.get()));
        let mut wanted: Vec<_> = routed.iter_mut().filter(|(_, route)| matches!(route, Route::Produce(_))).collect();
        wanted.sort_by(|(one, _), (other, _)| one.letter.cmp(&other.letter));
        let of = wanted.len();
        let mut reader: Option<(Partition, PlaceReader)> = None;
        for (done, (letter, route)) in wanted.into_iter().enumerate() {
            let Route::Produce(topic) = route else { continue };
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            (at.progress)(Step { done, of });
            let Position { partition, offset } = letter.letter.position();
            let mut current = match reader.take() {
                Some((place, current)) if place == partition => current,
                _ => PlaceReader::open(&at.settings.kafka, partition.clone())?,
            };
            let read = current.read(offset).await;
            reader = Some((partition, current));
            match produce_one(at, &producer, letter, topic, read?).await? {
                Ok(place) => note(at, letter, by, &format!("produced again at {place}")).await?,
                Err(reason) => *route = Route::Skip(reason),
            }
        }
        Ok(())
    }

    /// Asks for one run over the services of all letters whose runs have ended.
    async fn repair(
        &self,
        at: &Installation<'_>,
        routed: &[(DeadLetter, Route)],
        by: &By,
    ) -> Result<Option<String>, Error> {
        let services: BTreeSet<String> = routed.iter().filter_map(|(_, route)| route.repaired().cloned()).collect();
        if services.is_empty() {
            return Ok(None);
        }
        let repair = Start {
            requested_by: self.requested_by.clone(),
            activation: Activation::PerService,
            services: services.into_iter().collect(),
            batch_size: at.settings.stage.batch_size,
            tolerance: Tolerance::default(),
        };
        let request = repair.request(at.store.identity().await?);
        start::send(at, &request).await?;
        for (letter, _) in routed.iter().filter(|(_, route)| route.repaired().is_some()) {
            note(at, letter, by, &format!("repair run {}", request.run_id)).await?;
        }
        Ok(Some(request.run_id))
    }
}

/// Produces the message of one letter, if there is one; gives where it lies then, or why there is nothing to produce.
async fn produce_one(
    at: &Installation<'_>,
    producer: &Producer,
    letter: &DeadLetter,
    topic: &str,
    read: Option<Delivery>,
) -> Result<Result<String, String>, Error> {
    let Some(delivery) = read else {
        return Ok(Err(format!("{} is gone: abort the run or discard the letter", letter.letter)));
    };
    let delivery = if runtime::is_incomplete(&delivery) {
        original(at.settings, letter, &delivery).await?
    } else {
        Some(delivery)
    };
    let Some(delivery) = delivery else {
        return Ok(Err(format!(
            "the letter was too large and goes without its value, and {} is gone: abort the run or discard the letter",
            letter.source
        )));
    };
    match producer.send_all(vec![runtime::replayed(delivery, topic, letter.id)]).await {
        Ok(places) => {
            Ok(Ok(places.first().map_or_else(String::new, |place| format!("{}@{}", place.partition, place.offset))))
        }
        Err(error @ kafka::Error::TooLarge { .. }) => {
            Ok(Err(format!("{error}: raise its max.message.bytes, abort the run or discard the letter")))
        }
        Err(error) => Err(error.into()),
    }
}

async fn note(at: &Installation<'_>, letter: &DeadLetter, by: &By, result: &str) -> Result<(), Error> {
    let subject = letter.id.to_string();
    let deed = Deed { who: &by.who, what: "dlq replay", subject: &subject, why: &by.why, result };
    at.store.mark_replayed(letter.id, &deed).await?;
    Ok(())
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
        (None, _) => Route::Skip("it belongs to no run of this target; discard it, or: sluice run start".to_owned()),
        (Some(_), _) if topic == Confirmed::TOPIC => {
            Route::Skip("its run has ended, and a confirmation is only a hint; discard it".to_owned())
        }
        (Some(_), Some(service)) => Route::Repair(service.to_string()),
        (Some(_), None) => Route::Skip("its run has ended, and it names no service: sluice run start".to_owned()),
    }
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

    /// The service that a repair run synchronises.
    fn repaired(&self) -> Option<&String> {
        match self {
            Self::Repair(service) => Some(service),
            Self::Produce(_) | Self::Skip(_) => None,
        }
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
        for state in [LetterState::Replayed, LetterState::Discarded] {
            let batch = letter(BatchPlanned::TOPIC, Some("s"), state);
            assert!(
                matches!(route(&batch, Some(RunState::Running), false), Route::Skip(why) if why.contains("--again"))
            );
            assert!(matches!(route(&batch, Some(RunState::Running), true), Route::Produce(_)));
        }
    }
}
