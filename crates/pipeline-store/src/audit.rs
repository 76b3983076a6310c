//! Who changed what, when, why, and what came of it: one row for each thing that a person did.
//!
//! The row of a change to the ledger is written in the change's own transaction, so that there is no change without
//! its row and no row without its change. What happens elsewhere, such as a message that was produced, is written
//! down right after it.

use serde::Serialize;

use crate::{
    Error, Store,
    clock::now_ms,
    database::{Row, Session},
    operation::Operation,
};

/// Something that a person does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed<'a> {
    /// Who, such as `ada@desk`.
    pub who: &'a str,
    /// What, as a verb: `dlq discard`.
    pub what: &'a str,
    /// To what: an id.
    pub subject: &'a str,
    /// Why, in the person's own words.
    pub why: &'a str,
    /// What came of it.
    pub result: &'a str,
}

/// A deed as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Its number; later ones are larger.
    pub id: i64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at_ms: i64,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
    /// To what.
    pub subject: String,
    /// Why.
    pub why: String,
    /// What came of it.
    pub result: String,
}

impl Store {
    /// Writes a deed down.
    pub async fn audit(&self, deed: &Deed<'_>) -> Result<(), Error> {
        let mut session = self.database.begin(Operation::new("write audit of", deed.subject)).await?;
        record(&mut session, deed).await?;
        session.commit().await
    }

    /// The newest deeds, newest first.
    pub async fn audits(&self, limit: u32) -> Result<Vec<Audit>, Error> {
        let mut session = self.database.session(Operation::new("list", "audits")).await?;
        let rows = session
            .fetch_all(
                "SELECT audit_id, at_ms, who, what, subject, why, result FROM sluice_audit \
                 ORDER BY audit_id DESC LIMIT ?",
                &[i64::from(limit).into()],
            )
            .await?;
        rows.into_iter().map(|row| Audit::from_row(&row)).collect()
    }
}

impl Audit {
    fn from_row(row: &Row<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: row.int("audit_id")?,
            at_ms: row.int("at_ms")?,
            who: row.text("who")?,
            what: row.text("what")?,
            subject: row.text("subject")?,
            why: row.text("why")?,
            result: row.text("result")?,
        })
    }
}

/// Writes a deed down in the transaction of what it did.
pub(crate) async fn record(session: &mut Session, deed: &Deed<'_>) -> Result<(), Error> {
    session
        .execute_one(
            "INSERT INTO sluice_audit (at_ms, who, what, subject, why, result) VALUES (?, ?, ?, ?, ?, ?)",
            &[
                now_ms().into(),
                deed.who.into(),
                deed.what.into(),
                deed.subject.into(),
                deed.why.into(),
                deed.result.into(),
            ],
        )
        .await
}
