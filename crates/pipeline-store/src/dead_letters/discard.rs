//! Giving a dead letter up, so that its run can come to its end without it.
//!
//! What waits for the letter is closed, in one transaction behind the fence, together with the letter's state and the
//! audit row:
//!
//! - **a batch**: its providers count as rejected and discarded, the batch as stored. Each keeps its last good content;
//! - **a service that was to be planned**: its plan is closed without a provider, and nothing is removed, so that what
//!   readers had stays. The service is activated with the run's generation and its old content;
//! - **a request whose discovery did not succeed** cannot be discarded: nobody knows which services the run has, and a
//!   run that closes what it did not see would remove everything. Such a run is replayed or aborted;
//! - **anything else** (a confirmation, a foreign message, a part that is stored by now, a run that has ended) holds
//!   nothing. The letter is marked, no more.
//!
//! Discarded providers are a person's decision and do not count against the run's tolerance, which is for what nobody has
//! looked at. They are among the rejects all the same: the run ends with rejects.

use std::collections::HashSet;

use pipeline_model::{
    contracts::{BatchPlanned, Message, RunRequested, ServiceDiscovered},
    ids::{BatchNo, Generation, RunId, ServiceId},
};

use super::{DeadLetter, LetterState};
use crate::{
    BatchKey, Error, Run, RunState, Store,
    audit::{self, Deed},
    clock::now_ms,
    database::Session,
    operation::Operation,
};

/// The code of a provider or service that was given up with its dead letter.
pub(crate) const CODE: &str = "SLUICE-STAGE-002";

/// What giving a letter up came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Discarded {
    /// Its batch is closed with so many providers discarded.
    Batch {
        /// Providers that nobody had rejected before.
        providers: i64,
    },
    /// The plan of its service is closed without a provider; nothing was removed.
    Plan,
    /// Nothing waited for it.
    Nothing,
    /// It was replayed or discarded before; nothing was done.
    NotOpen,
    /// Its run knows no services yet; nothing was done.
    Undiscovered,
}

/// What is written when a letter is given up, in whichever transaction closes what waits for it.
pub(crate) struct Discard<'a> {
    pub(crate) letter_id: i64,
    /// For each reject: where to look.
    pub(crate) place: String,
    /// For each reject: who, and why.
    pub(crate) reason: String,
    deed: &'a Deed<'a>,
    /// Everything is done but the commit.
    pub(crate) rehearsal: bool,
}

impl Store {
    /// Gives an open letter up and closes what waits for it. `deed.result` is replaced by what came of it.
    pub async fn discard(&self, letter: &DeadLetter, deed: &Deed<'_>) -> Result<Discarded, Error> {
        self.close_for(letter, deed, false).await.map(|(discarded, _)| discarded)
    }

    /// What [`Store::discard`] would come to for each of these letters, one after the other: the same transactions,
    /// rolled back. What one of them closes holds nothing any more for the next.
    pub async fn rehearse_discard(&self, letters: &[DeadLetter], deed: &Deed<'_>) -> Result<Vec<Discarded>, Error> {
        let mut closed = HashSet::new();
        let mut outcomes = Vec::with_capacity(letters.len());
        for letter in letters {
            let (discarded, part) = self.close_for(letter, deed, true).await?;
            let again = part.is_some_and(|part| !closed.insert(part));
            outcomes.push(if again { Discarded::Nothing } else { discarded });
        }
        Ok(outcomes)
    }

    /// Gives the part that was closed, too.
    async fn close_for(
        &self,
        letter: &DeadLetter,
        deed: &Deed<'_>,
        rehearsal: bool,
    ) -> Result<(Discarded, Option<Part>), Error> {
        if letter.state != LetterState::Open {
            return Ok((Discarded::NotOpen, None));
        }
        let discard = Discard {
            letter_id: letter.id,
            place: format!("dead letter {}", letter.id),
            reason: format!("discarded by {}: {}", deed.who, deed.why),
            deed,
            rehearsal,
        };
        let run = match letter.run_id {
            Some(id) => self.run(id).await?.filter(|run| run.state == RunState::Running),
            None => None,
        };
        let held = match &run {
            Some(run) => Held::by(letter, run),
            None => Held::Nothing,
        };
        let closed = match held {
            Held::Undiscovered => return Ok((Discarded::Undiscovered, None)),
            Held::Nothing => None,
            Held::Batch(key) => self.discard_batch(&key, &discard).await?,
            Held::Plan(run, generation, service) => {
                self.discard_plan(run.run_id, generation, service, &discard).await?.then_some(Discarded::Plan)
            }
        };
        match closed {
            Some(discarded) => Ok((discarded, Some((letter.run_id, letter.service_id.clone(), letter.batch_no)))),
            None => {
                let mut session =
                    self.database.begin(Operation::new("discard dead letter", letter.id.to_string())).await?;
                discard.settle(&mut session, Discarded::Nothing).await?;
                discard.commit(session).await?;
                Ok((Discarded::Nothing, None))
            }
        }
    }
}

/// What a letter was about: once closed, it holds no other letter of it either.
type Part = (Option<RunId>, Option<ServiceId>, Option<BatchNo>);

/// What may wait for a letter; its transaction decides.
enum Held<'a> {
    Batch(BatchKey),
    Plan(&'a Run, Generation, &'a ServiceId),
    Undiscovered,
    Nothing,
}

// === impl Held ===

impl<'a> Held<'a> {
    fn by(letter: &'a DeadLetter, run: &'a Run) -> Self {
        let topic = letter.source.topic.as_str();
        let Some(generation) = run.generation else { return Self::Nothing };
        match (&letter.service_id, letter.batch_no) {
            (Some(service_id), Some(batch_no)) if topic == BatchPlanned::TOPIC => {
                Self::Batch(BatchKey { run_id: run.run_id, generation, service_id: service_id.clone(), batch_no })
            }
            (Some(service_id), None) if topic == ServiceDiscovered::TOPIC => Self::Plan(run, generation, service_id),
            _ if topic == RunRequested::TOPIC && !run.discovered => Self::Undiscovered,
            _ => Self::Nothing,
        }
    }
}

// === impl Discard ===

impl Discard<'_> {
    /// Marks the letter and writes the deed down.
    pub(crate) async fn settle(&self, session: &mut Session, discarded: Discarded) -> Result<(), Error> {
        session
            .execute_one(
                "UPDATE sluice_dead_letter SET state = 'discarded', settled_at_ms = ? WHERE letter_id = ?",
                &[now_ms().into(), self.letter_id.into()],
            )
            .await?;
        audit::record(session, &Deed { result: &discarded.to_string(), ..*self.deed }).await
    }

    /// Ends the transaction; a rehearsal's is rolled back.
    pub(crate) async fn commit(&self, session: Session) -> Result<(), Error> {
        if self.rehearsal {
            return Ok(());
        }
        session.commit().await
    }
}

// === impl Discarded ===

impl std::fmt::Display for Discarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Batch { providers } => write!(f, "its batch is closed, {providers} providers keep what they had"),
            Self::Plan => f.write_str("its service is closed as it was, nothing is removed"),
            Self::Nothing => f.write_str("nothing waited for it"),
            Self::NotOpen => f.write_str("it was replayed or discarded before"),
            Self::Undiscovered => f.write_str("its run knows no services yet, so that it cannot end without it"),
        }
    }
}
