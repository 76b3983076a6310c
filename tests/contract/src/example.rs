//! The smallest sink: texts under keys, as rows of a MariaDB or MySQL table. It is what a new sink begins with.
//!
//! Its table of rows has no unique key on purpose: a record that is written twice stands there twice, and a test sees it.

use pipeline_core::{
    intake::{Delivery, Intake},
    registry::{Codec, DecodeError},
    sink::{Batch, Claim, Limits, Sink, Written},
};
use pipeline_model::{
    disposition::{Classify, Disposition},
    needs::Needs,
    place::Partition,
};
use pipeline_settings::settings::Settings;
use sqlx::{AssertSqlSafe, MySqlPool, QueryBuilder, Row as _, mysql::MySqlPoolOptions};

/// The topic that it follows.
pub const TOPIC: &str = "notes";

/// The tables: what the records say, and how far each partition is written.
const TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS note (
       topic VARCHAR(249) NOT NULL,
       number INT NOT NULL,
       position BIGINT NOT NULL,
       note_key TEXT NOT NULL,
       text MEDIUMTEXT NULL
     )",
    "CREATE TABLE IF NOT EXISTS note_offset (
       topic VARCHAR(249) NOT NULL,
       number INT NOT NULL,
       next_offset BIGINT NOT NULL,
       PRIMARY KEY (topic, number)
     )",
];

/// A text under a key; without a text, the key's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The key.
    pub key: String,
    /// The text.
    pub text: Option<String>,
}

/// The sink.
pub struct NoteSink {
    pool: MySqlPool,
}

/// Why a note could not be written.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing}")]
pub struct Error {
    doing: &'static str,
    #[source]
    source: sqlx::Error,
}

// === impl NoteSink ===

impl NoteSink {
    /// Connects, and creates the tables where they are missing.
    ///
    /// # Errors
    /// When the database does not answer or refuses.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let failed = |source| Error { doing: "connect to the target", source };
        let pool = MySqlPoolOptions::new().max_connections(4).connect(url).await.map_err(failed)?;
        for table in TABLES {
            sqlx::query(AssertSqlSafe(table)).execute(&pool).await.map_err(failed)?;
        }
        Ok(Self { pool })
    }

    async fn offset(&self, partition: &Partition) -> Result<i64, sqlx::Error> {
        // The row of a partition that was never seen; who comes second changes nothing.
        sqlx::query("INSERT IGNORE INTO note_offset (topic, number, next_offset) VALUES (?, ?, 0)")
            .bind(&partition.topic)
            .bind(partition.number)
            .execute(&self.pool)
            .await?;
        let found = sqlx::query("SELECT next_offset FROM note_offset WHERE topic = ? AND number = ?")
            .bind(&partition.topic)
            .bind(partition.number)
            .fetch_one(&self.pool)
            .await?;
        found.try_get(0)
    }

    async fn write(&self, batch: &Batch<Note>) -> Result<Written, sqlx::Error> {
        let Partition { topic, number } = &batch.partition;
        let mut transaction = self.pool.begin().await?;
        // The condition that makes the effect exact: whoever comes late, or a second time, finds another offset.
        let moved =
            sqlx::query("UPDATE note_offset SET next_offset = ? WHERE topic = ? AND number = ? AND next_offset = ?")
                .bind(batch.end)
                .bind(topic)
                .bind(number)
                .bind(batch.begin)
                .execute(&mut *transaction)
                .await?;
        if moved.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(Written::Fenced);
        }
        if !batch.records.is_empty() {
            let mut insert = QueryBuilder::new("INSERT INTO note (topic, number, position, note_key, text) ");
            insert.push_values(&batch.records, |mut row, placed| {
                row.push_bind(topic).push_bind(number).push_bind(placed.offset);
                row.push_bind(&placed.record.key).push_bind(&placed.record.text);
            });
            insert.build().execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(Written::Done)
    }
}

impl Intake for Note {
    fn topics(_: &Settings) -> Vec<String> {
        vec![TOPIC.to_owned()]
    }

    async fn decode(_: &Codec, delivery: &Delivery) -> Result<Self, DecodeError> {
        let text = |bytes: &[u8]| {
            let text =
                std::str::from_utf8(bytes).map_err(|error| DecodeError::Foreign { reason: error.to_string() })?;
            Ok::<_, DecodeError>(text.to_owned())
        };
        let key = text(delivery.key.as_deref().unwrap_or_default())?;
        Ok(Self { key, text: delivery.payload.as_deref().map(text).transpose()? })
    }
}

impl Sink for NoteSink {
    const NAME: &'static str = "notes";
    type Input = Note;
    type Error = Error;

    async fn claim(&self, partitions: &[Partition]) -> Result<Vec<Claim>, Error> {
        let mut claims = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let offset = self.offset(partition).await;
            let offset = offset.map_err(|source| Error { doing: "read how far the target is", source })?;
            claims.push(Claim { partition: partition.clone(), offset });
        }
        Ok(claims)
    }

    async fn write(&self, batch: &Batch<Note>) -> Result<Written, Error> {
        // A failed COMMIT may have succeeded: the next attempt finds another offset then, and claims anew.
        self.write(batch).await.map_err(|source| Error { doing: "write notes", source })
    }

    fn needs(&self) -> impl Needs {
        self
    }

    fn limits(&self) -> Limits {
        Limits { records: 50, ..Limits::default() }
    }
}

impl Needs for NoteSink {
    type Error = Error;

    async fn ready(&self) -> Result<(), Error> {
        let answer = sqlx::query("SELECT 1").execute(&self.pool).await;
        answer.map(drop).map_err(|source| Error { doing: "reach the target", source })
    }
}

impl Classify for Error {
    fn disposition(&self) -> Disposition {
        match &self.source {
            // A value that the table does not take; the database says so by class 22.
            sqlx::Error::Database(error) if error.code().is_some_and(|code| code.starts_with("22")) => {
                Disposition::Reject
            }
            // A deadlock, which is nobody's fault.
            sqlx::Error::Database(error) if error.code().is_some_and(|code| code == "40001") => Disposition::Retry,
            _ => Disposition::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        "SLUICE-EXAMPLE-001"
    }
}
