//! Writing down that a message was given up.
//!
//! The row is written after the letter is acknowledged and before the offset is committed, so a crash repeats both: the
//! row is found by the place of the original message, and keeps the newest letter. A place that comes again with
//! another run or key means that the topic was made anew; the old message is gone, and so is its row.
//!
//! A key is only a hint, since anybody can produce to a topic: a service or batch that the ledger does not have holds
//! nothing and is changed by nothing.

use std::time::UNIX_EPOCH;

use pipeline_model::{
    contracts::{BatchPlanned, Confirmed, Message, ServiceDiscovered},
    ids::{BatchNo, RunId, ServiceId},
    letter::GivenUp,
    place::{Partition, Position},
};

use crate::{
    Error, Store,
    clock::now_ms,
    database::{Session, Value},
    error::fault::is_duplicate,
    operation::Operation,
};

/// Characters of an id column; a longer text is no id.
const MAX_ID: usize = 255;

/// What a key says about where a message belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Belongs {
    service_id: Option<ServiceId>,
    batch_no: Option<BatchNo>,
}

impl Store {
    /// Writes down that a stage gave a message up. The same message again changes nothing but the place of its letter;
    /// one that fails again after it was replayed or discarded is open again.
    pub async fn record_dead_letter(&self, stage: &str, letter: &GivenUp<'_>) -> Result<(), Error> {
        let operation =
            Operation::new("record dead letter of", format!("{}@{}", letter.source.partition, letter.source.offset));
        // A second turn finds the row that another worker inserted in between.
        loop {
            let mut session = self.database.begin(operation.clone()).await?;
            if renew(&mut session, letter).await? {
                return session.commit().await;
            }
            match insert(&mut session, stage, letter).await {
                Ok(()) => return session.commit().await,
                Err(error) if is_duplicate(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Renews the row of a message that was given up before; `false` when there is none.
async fn renew(session: &mut Session, letter: &GivenUp<'_>) -> Result<bool, Error> {
    let source = place_values(letter.source);
    let row = session
        .fetch_optional(
            format!(
                "SELECT letter_id, run_id, message_key, settled_at_ms FROM sluice_dead_letter \
                 WHERE source_topic = ? AND source_partition = ? AND source_offset = ?{}",
                session.dialect().exclusive_lock()
            ),
            &source,
        )
        .await?;
    let Some(row) = row else { return Ok(false) };
    let id = row.int("letter_id")?;
    let same = row.optional_text("run_id")? == run_id(letter).map(|id| id.to_string())
        && row.optional_text("message_key")?.as_deref() == letter.key;
    let settled_at_ms = row.optional_int("settled_at_ms")?;
    if !same {
        session.execute_one("DELETE FROM sluice_dead_letter WHERE letter_id = ?", &[id.into()]).await?;
        return Ok(false);
    }
    let again = settled_at_ms.is_some_and(|settled| first_failed_at_ms(letter) > settled);
    let [topic, partition, offset] = place_values(letter.dead_letter);
    let state = if again { "'open'" } else { "state" };
    session
        .execute_one(
            format!(
                "UPDATE sluice_dead_letter SET letter_topic = ?, letter_partition = ?, letter_offset = ?, code = ?, \
                 reason = ?, attempts = ?, state = {state} WHERE letter_id = ?"
            ),
            &[
                topic,
                partition,
                offset,
                letter.code.into(),
                letter.reason.into(),
                i64::from(letter.attempts).into(),
                id.into(),
            ],
        )
        .await?;
    Ok(true)
}

async fn insert(session: &mut Session, stage: &str, letter: &GivenUp<'_>) -> Result<(), Error> {
    let run_id = run_id(letter).map(|id| id.to_string());
    let belongs = letter.key.map(|key| Belongs::read(&letter.source.partition.topic, key)).unwrap_or_default();
    let [source_topic, source_partition, source_offset] = place_values(letter.source);
    let [letter_topic, letter_partition, letter_offset] = place_values(letter.dead_letter);
    session
        .execute_one(
            "INSERT INTO sluice_dead_letter (run_id, stage, service_id, batch_no, source_topic, source_partition, \
             source_offset, letter_topic, letter_partition, letter_offset, message_key, code, reason, attempts, \
             first_failed_at_ms, recorded_at_ms, state, replays) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', 0)",
            &[
                run_id.as_deref().into(),
                stage.into(),
                belongs.service_id.as_ref().map(ServiceId::as_str).into(),
                belongs.batch_no.into(),
                source_topic,
                source_partition,
                source_offset,
                letter_topic,
                letter_partition,
                letter_offset,
                letter.key.into(),
                letter.code.into(),
                letter.reason.into(),
                i64::from(letter.attempts).into(),
                first_failed_at_ms(letter).into(),
                now_ms().into(),
            ],
        )
        .await
}

fn place_values(position: &Position) -> [Value<'_>; 3] {
    let Partition { topic, number } = &position.partition;
    [topic.into(), i64::from(*number).into(), position.offset.into()]
}

/// The run, unless what the message calls one is none.
fn run_id(letter: &GivenUp<'_>) -> Option<RunId> {
    letter.run_id.and_then(|text| RunId::parse(text).ok())
}

fn first_failed_at_ms(letter: &GivenUp<'_>) -> i64 {
    let since = letter.first_failed_at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

// === impl Belongs ===

impl Belongs {
    /// Reads a key as the contract of its topic writes it. Service ids may hold slashes themselves.
    fn read(topic: &str, key: &str) -> Self {
        let (service, batch) = match topic {
            ServiceDiscovered::TOPIC => (Some(key), None),
            BatchPlanned::TOPIC => {
                let parts = key.rsplit_once('/').and_then(|(service, batch)| Some((service, batch.parse().ok()?)));
                match parts.filter(|(_, batch): &(&str, i32)| *batch >= 0) {
                    Some((service, batch)) => (Some(service), Some(BatchNo(batch))),
                    None => (None, None),
                }
            }
            Confirmed::TOPIC => (key.split_once('/').map(|(_, service)| service), None),
            _ => (None, None),
        };
        let service = service.filter(|id| !id.is_empty() && id.chars().count() <= MAX_ID);
        Self { service_id: service.map(ServiceId::from), batch_no: batch.filter(|_| service.is_some()) }
    }
}

#[cfg(test)]
mod tests {
    use pipeline_model::contracts::{BatchPlanned, Confirmed, Message, RunRequested, ServiceDiscovered};

    use super::Belongs;

    #[test]
    fn a_key_says_what_its_topic_means_by_it_and_never_more() {
        let read = |topic, key| {
            let belongs = Belongs::read(topic, key);
            (belongs.service_id.map(|id| id.0), belongs.batch_no.map(|batch| batch.0))
        };
        let service = |id: &str| Some(id.to_owned());
        assert_eq!(read(ServiceDiscovered::TOPIC, "a/b"), (service("a/b"), None));
        assert_eq!(read(BatchPlanned::TOPIC, "a/b/12"), (service("a/b"), Some(12)));
        assert_eq!(read(Confirmed::TOPIC, "run/a/b"), (service("a/b"), None));
        let too_long = "x".repeat(256);
        for (topic, key) in [
            (RunRequested::TOPIC, "run"),
            (BatchPlanned::TOPIC, "a"),
            (BatchPlanned::TOPIC, "a/-1"),
            (BatchPlanned::TOPIC, "a/x"),
            (BatchPlanned::TOPIC, "/3"),
            (BatchPlanned::TOPIC, "a/99999999999"),
            (ServiceDiscovered::TOPIC, ""),
            (ServiceDiscovered::TOPIC, too_long.as_str()),
            (Confirmed::TOPIC, "run"),
            ("foreign", "a/1"),
        ] {
            assert_eq!(read(topic, key), (None, None), "{topic} {key}");
        }
    }
}
