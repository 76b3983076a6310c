//! Dead letters as the ledger knows them: which message was given up, for which part of which run, and what a person
//! decided about it.
//!
//! ```text
//!  given up ──▶ open ──── its message is produced again ──▶ replayed
//!                ▲  └──── a person gives it up ───────────▶ discarded
//!                └─────── the same message fails again ──── (either)
//! ```
//!
//! The bytes stay in the dead-letter topic; the row says where.

use pipeline_model::{
    code,
    ids::{BatchNo, RunId, ServiceId},
    place::{Partition, Position},
};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Store,
    audit::{self, Deed},
    clock::now_ms,
    database::{Row, Value},
    insert::{IN_LIST, placeholders},
    operation::Operation,
};

mod discard;
mod record;

pub use discard::Discarded;
pub(crate) use discard::{CODE as DISCARDED_CODE, Discard};

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
    /// When it was replayed or discarded last.
    pub settled_at_ms: Option<i64>,
    /// How often it was replayed.
    pub replays: i64,
}

/// A place in a topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: i64,
}

/// Where a dead letter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum LetterState {
    /// Nobody has decided about it.
    Open,
    /// Its message was produced again, or a repair run was started in its place.
    Replayed,
    /// A person gave it up.
    Discarded,
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
    /// With this code, under whichever of its names.
    pub code: Option<String>,
    /// Recorded before this time, in milliseconds since 1970-01-01 UTC.
    pub recorded_before_ms: Option<i64>,
    /// In this state.
    pub state: Option<LetterState>,
}

impl Store {
    /// Dead letters, oldest first.
    pub async fn dead_letters(&self, filter: &LetterFilter, limit: u32) -> Result<Vec<DeadLetter>, Error> {
        let mut session = self.database.session(Operation::new("list", "dead letters")).await?;
        let run_id = filter.run_id.map(|id| id.to_string());
        let codes = filter.codes();
        let (condition, mut values) = filter.condition(run_id.as_deref(), &codes);
        values.push(i64::from(limit).into());
        let sql = format!(
            "SELECT {} FROM sluice_dead_letter WHERE {condition} ORDER BY letter_id LIMIT ?",
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
        let mut session = self.database.begin(Operation::new("mark dead letter as replayed", id.to_string())).await?;
        let marked = session
            .execute(
                "UPDATE sluice_dead_letter SET state = 'replayed', settled_at_ms = ?, replays = replays + 1 \
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

    /// Notes that a retry of the run has produced the messages of these letters again. Called when they are
    /// acknowledged: a letter whose message was never sent must not look as if it were on its way. Gives how many of
    /// the letters were open.
    pub async fn announced_again(&self, run: RunId, letters: &[i64]) -> Result<u64, Error> {
        let mut session = self.database.begin(Operation::new("mark dead letters of run", run.to_string())).await?;
        let mut marked = 0_u64;
        for ids in letters.chunks(IN_LIST) {
            let sql = format!(
                "UPDATE sluice_dead_letter SET state = 'replayed', settled_at_ms = ?, replays = replays + 1 \
                 WHERE state = 'open' AND letter_id IN ({})",
                placeholders(ids.len())
            );
            let values: Vec<Value<'_>> =
                [now_ms().into()].into_iter().chain(ids.iter().map(|id| Value::from(*id))).collect();
            marked = marked.saturating_add(session.execute(sql, &values).await?);
        }
        session.commit().await?;
        Ok(marked)
    }
}

// === impl LetterFilter ===

impl LetterFilter {
    /// The names that the filter's own code has in the ledger: a letter has the one of its time.
    fn codes(&self) -> Vec<String> {
        let today = self.code.as_deref().map(code::today);
        let former = today.as_deref().and_then(code::former);
        today.into_iter().chain(former).collect()
    }

    /// The condition and its values; `run_id` and `codes` are texts of the filter's own.
    fn condition<'a>(&'a self, run_id: Option<&'a str>, codes: &'a [String]) -> (String, Vec<Value<'a>>) {
        let mut parts = vec!["1 = 1".to_owned()];
        let mut values: Vec<Value<'a>> = Vec::new();
        let conditions = [
            ("run_id = ?", run_id.map(Value::from)),
            ("stage = ?", self.stage.as_deref().map(Value::from)),
            ("recorded_at_ms < ?", self.recorded_before_ms.map(Value::from)),
        ];
        for (part, value) in conditions {
            if let Some(value) = value {
                parts.push(part.to_owned());
                values.push(value);
            }
        }
        if let Some(state) = self.state {
            parts.push("state IN (?, ?)".to_owned());
            values.extend(state.words().map(Value::from));
        }
        if !codes.is_empty() {
            parts.push(format!("code IN ({})", placeholders(codes.len())));
            values.extend(codes.iter().map(Value::from));
        }
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
        self.into()
    }

    /// The same, and the word that older programs wrote for it: a migration may not update rows.
    fn words(self) -> [&'static str; 2] {
        [self.as_str(), if self == Self::Discarded { "waived" } else { self.as_str() }]
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Replayed, Self::Discarded].into_iter().find(|state| state.words().contains(&text))
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
            code: code::today(&row.text("code")?),
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
