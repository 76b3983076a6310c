//! The dead letters that an operation works on.

use pipeline_kafka::{self as kafka, Delivery};
use pipeline_settings::settings::Settings;
use pipeline_store::{DeadLetter, LetterFilter, LetterState, Run, Store};

use crate::Error;

/// Letters that one operation works on at most.
const MOST: u32 = 10_000;

/// The letters chosen. Those named by number are there in whatever state; a filter finds open ones only, unless
/// `settled_too`. The state that the filter names is not looked at.
///
/// # Errors
/// [`Error::NoSuchLetter`] when a number that was named is not among them.
pub async fn chosen(store: &Store, filter: &LetterFilter, settled_too: bool) -> Result<Vec<DeadLetter>, Error> {
    let state = (filter.ids.is_empty() && !settled_too).then_some(LetterState::Open);
    find(store, &LetterFilter { state, ..filter.clone() }).await
}

/// These letters, in whatever state they are by now.
pub(crate) async fn again(store: &Store, ids: impl Iterator<Item = i64>) -> Result<Vec<DeadLetter>, Error> {
    let ids: Vec<i64> = ids.collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    find(store, &LetterFilter { ids, ..LetterFilter::default() }).await
}

async fn find(store: &Store, filter: &LetterFilter) -> Result<Vec<DeadLetter>, Error> {
    let letters = store.dead_letters(filter, MOST).await?;
    match filter.ids.iter().find(|id| !letters.iter().any(|letter| letter.id == **id)) {
        None => Ok(letters),
        Some(id) => Err(Error::NoSuchLetter { id: *id, target: store.describe() }),
    }
}

/// Refuses when a letter, or what would become of it, is not as it was shown any more.
pub(crate) fn unchanged<T: PartialEq>(shown: &[(DeadLetter, T)], now: &[(DeadLetter, T)]) -> Result<(), Error> {
    let differs = |(shown, now): (&(DeadLetter, T), &(DeadLetter, T))| (shown != now).then_some(shown.0.id);
    match shown.iter().zip(now).find_map(differs) {
        None => Ok(()),
        Some(id) => {
            Err(Error::Changed { what: format!("dead letter {id} is not as it was shown any more: nothing was done") })
        }
    }
}

/// The run of a letter, as this ledger has it.
pub async fn run_of(store: &Store, letter: &DeadLetter) -> Result<Option<Run>, Error> {
    match letter.run_id {
        Some(id) => Ok(store.run(id).await?),
        None => Ok(None),
    }
}

/// The message of a letter at the place where it failed. A topic that was deleted and created anew has others there.
pub async fn original(
    settings: &Settings,
    letter: &DeadLetter,
    delivery: &Delivery,
) -> Result<Option<Delivery>, kafka::Error> {
    let found = kafka::read_at(&settings.kafka, &letter.source.position()).await?;
    Ok(found.filter(|found| delivery.key.is_none() || found.key == delivery.key))
}
