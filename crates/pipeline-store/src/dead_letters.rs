//! Dead letters as the ledger knows them: which message was given up, for which part of which run, and what a person
//! decided about it.
//!
//! ```text
//!  given up ──▶ open ──── its message is produced again ──▶ replayed
//!                ▲  └──── a person gives it up ───────────▶ waived
//!                └─────── the same message fails again ──── (either)
//! ```
//!
//! The bytes stay in the dead-letter topic; the row says where. It is written after the letter is acknowledged and
//! before the offset is committed, so a crash repeats both: the row is found by the place of the original message, and
//! keeps the newest letter. A place that comes again with another run or key means that the topic was made anew; the
//! old message is gone, and so is its row.
//!
//! A key is only a hint, since anybody can produce to a topic: a service or batch that the ledger does not have holds
//! nothing and is changed by nothing.

use std::time::UNIX_EPOCH;

use pipeline_core::{
    contracts::{BatchPlanned, Confirmed, Message, ServiceDiscovered},
    ids::{BatchNo, RunId, ServiceId},
    kafka::{Partition, Position},
    stage::GivenUp,
};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Store,
    audit::{self, Deed},
    clock::now_ms,
    database::{Context, Row, Session, Value},
    error::fault::is_duplicate,
    insert::placeholders,
};

mod waive;

pub use waive::Waived;
pub(crate) use waive::{CODE as WAIVED_CODE, Waiver};

/// Characters of an id column; a longer text is no id.
const MAX_ID: usize = 255;

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Its number in this ledger.
    pub id: i64,
    /// The run that it belongs to, when its headers or its record name one.
    pub run_id: Option<RunId>,
    /// The stage that gave it up.
    pub stage: String,
    /// The service, when its key names one.
    pub service_id: Option<ServiceId>,
    /// The batch, when its key names one.
    pub batch_no: Option<BatchNo>,
    /// Where the message lies.
    pub source: Place,
    /// Where its dead letter lies.
    pub letter: Place,
    /// The message's key, when that is text.
    pub key: Option<String>,
    /// The failure's code.
    pub code: String,
    /// The failure and its causes.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it failed first, in milliseconds since 1970-01-01 UTC.
    pub first_failed_at_ms: i64,
    /// When the ledger learnt of it.
    pub recorded_at_ms: i64,
    /// Where it stands.
    pub state: LetterState,
    /// When it was replayed or waived last.
    pub settled_at_ms: Option<i64>,
    /// How often it was replayed.
    pub replays: i64,
}

/// A place in a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// Where a dead letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterState {
    /// Nobody has decided about it.
    Open,
    /// Its message was produced again, or a repair run was started in its place.
    Replayed,
    /// A person gave it up.
    Waived,
}

/// Which dead letters; everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LetterFilter {
    /// These, by number; empty means any.
    pub ids: Vec<i64>,
    /// Of this run.
    pub run_id: Option<RunId>,
    /// Given up by this stage.
    pub stage: Option<String>,
    /// With this code.
    pub code: Option<String>,
    /// Recorded before this time, in milliseconds since 1970-01-01 UTC.
    pub recorded_before_ms: Option<i64>,
    /// In this state.
    pub state: Option<LetterState>,
}

/// What a key says about where a message belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Belongs {
    service_id: Option<ServiceId>,
    batch_no: Option<BatchNo>,
}

impl Store {
    /// Writes down that a stage gave a message up. The same message again changes nothing but the place of its letter;
    /// one that fails again after it was replayed or waived is open again.
    pub async fn record_dead_letter(&self, stage: &str, letter: &GivenUp<'_>) -> Result<(), Error> {
        let context = Context::new("record dead letter of", format!("{}@{}", letter.source.partition, letter.source.offset));
        // A second turn finds the row that another worker inserted in between.
        loop {
            let mut session = self.database.begin(context.clone()).await?;
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

    /// Dead letters, oldest first.
    pub async fn dead_letters(&self, filter: &LetterFilter, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        let mut session = self.database.session(Context::new("list", "dead letters")).await?;
        let run_id = filter.run_id.map(|id| id.to_string());
        let (condition, mut values) = filter.condition(run_id.as_deref());
        values.push(i64::from(limit).into());
        let sql = format!(
            "SELECT {} FROM sync_dead_letter WHERE {condition} ORDER BY letter_id LIMIT ?",
            DeadLetter::COLUMNS
        );
        let rows = session.fetch_all(sql, &values).await?;
        rows.into_iter().map(|row| DeadLetter::from_row(&row)).collect()
    }

    /// One dead letter.
    pub async fn dead_letter(&self, id: i64) -> Result<Option<DeadLetter>, Error> {
        let filter = LetterFilter { ids: vec![id], ..LetterFilter::default() };
        Ok(self.dead_letters(&filter, 1).await?.pop())
    }

    /// Notes that the letter's message is on its way again, with the deed; `false` when there is no such letter.
    pub async fn mark_replayed(&self, id: i64, deed: &Deed<'_>) -> Result<bool, Error> {
        let mut session = self.database.begin(Context::new("mark dead letter as replayed", id.to_string())).await?;
        let marked = session
            .execute(
                "UPDATE sync_dead_letter SET state = 'replayed', settled_at_ms = ?, replays = replays + 1 \
                 WHERE letter_id = ?",
                &[now_ms().into(), id.into()],
            )
            .await?;
        if marked == 0 {
            return Ok(false);
        }
        audit::record(&mut session, deed).await?;
        session.commit().await?;
        Ok(true)
    }
}

/// Renews the row of a message that was given up before; `false` when there is none.
async fn renew(session: &mut Session, letter: &GivenUp<'_>) -> Result<bool, Error> {
    let source = place_values(letter.source);
    let row = session
        .fetch_optional(
            format!(
                "SELECT letter_id, run_id, message_key, settled_at_ms FROM sync_dead_letter \
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
        session.execute_one("DELETE FROM sync_dead_letter WHERE letter_id = ?", &[id.into()]).await?;
        return Ok(false);
    }
    let again = settled_at_ms.is_some_and(|settled| first_failed_at_ms(letter) > settled);
    let [topic, partition, offset] = place_values(letter.dead_letter);
    let state = if again { "'open'" } else { "state" };
    session
        .execute_one(
            format!(
                "UPDATE sync_dead_letter SET letter_topic = ?, letter_partition = ?, letter_offset = ?, code = ?, \
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
            "INSERT INTO sync_dead_letter (run_id, stage, service_id, batch_no, source_topic, source_partition, \
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

// === impl LetterFilter ===

impl LetterFilter {
    /// The condition and its values; `run_id` is the text of the filter's own.
    fn condition<'a>(&'a self, run_id: Option<&'a str>) -> (String, Vec<Value<'a>>) {
        let mut parts = vec!["1 = 1".to_owned()];
        let mut values: Vec<Value<'a>> = Vec::new();
        let mut add = |part: &str, value: Option<Value<'a>>| {
            if let Some(value) = value {
                parts.push(part.to_owned());
                values.push(value);
            }
        };
        add("run_id = ?", run_id.map(Value::from));
        add("stage = ?", self.stage.as_deref().map(Value::from));
        add("code = ?", self.code.as_deref().map(Value::from));
        add("recorded_at_ms < ?", self.recorded_before_ms.map(Value::from));
        add("state = ?", self.state.map(|state| Value::from(state.as_str())));
        if !self.ids.is_empty() {
            parts.push(format!("letter_id IN ({})", placeholders(self.ids.len())));
            values.extend(self.ids.iter().map(|id| Value::from(*id)));
        }
        (parts.join(" AND "), values)
    }
}

// === impl LetterState ===

impl LetterState {
    /// The word that the ledger uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Replayed => "replayed",
            Self::Waived => "waived",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Replayed, Self::Waived].into_iter().find(|state| state.as_str() == text)
    }
}

// === impl DeadLetter ===

impl DeadLetter {
    const COLUMNS: &'static str = "letter_id, run_id, stage, service_id, batch_no, source_topic, source_partition, \
        source_offset, letter_topic, letter_partition, letter_offset, message_key, code, reason, attempts, \
        first_failed_at_ms, recorded_at_ms, state, settled_at_ms, replays";

    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        let number = |column| {
            let number = row.optional_int(column)?.map(i32::try_from).transpose();
            number.map_err(|error| row.broken(error.to_string()))
        };
        let state = row.text("state")?;
        Ok(Self {
            id: row.int("letter_id")?,
            run_id: row.optional_text("run_id")?.and_then(|id| RunId::parse(&id).ok()),
            stage: row.text("stage")?,
            service_id: row.optional_text("service_id")?.map(ServiceId),
            batch_no: number("batch_no")?.map(BatchNo),
            source: Place {
                topic: row.text("source_topic")?,
                partition: number("source_partition")?.unwrap_or_default(),
                offset: row.int("source_offset")?,
            },
            letter: Place {
                topic: row.text("letter_topic")?,
                partition: number("letter_partition")?.unwrap_or_default(),
                offset: row.int("letter_offset")?,
            },
            key: row.optional_text("message_key")?,
            code: row.text("code")?,
            reason: row.text("reason")?,
            attempts: row.int("attempts")?,
            first_failed_at_ms: row.int("first_failed_at_ms")?,
            recorded_at_ms: row.int("recorded_at_ms")?,
            state: LetterState::parse(&state)
                .ok_or_else(|| row.broken(format!("`{state}` is not a state of a dead letter")))?,
            settled_at_ms: row.optional_int("settled_at_ms")?,
            replays: row.int("replays")?,
        })
    }
}

// === impl Place ===

impl Place {
    /// The place as Kafka clients name it.
    pub fn position(&self) -> Position {
        Position { partition: Partition { topic: self.topic.clone(), number: self.partition }, offset: self.offset }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]@{}", self.topic, self.partition, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use pipeline_core::contracts::{BatchPlanned, Confirmed, Message, RunRequested, ServiceDiscovered};

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
