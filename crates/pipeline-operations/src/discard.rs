//! Going on without a message that was given up: what waits for it is closed, and readers keep what they had.

use pipeline_store::{DeadLetter, Deed, Discarded, LetterFilter};

use crate::{By, Error, Installation, Operation, Step, letters};

/// Which letters.
#[derive(Clone, Debug, Default)]
pub struct Discard {
    /// The letters.
    pub letters: LetterFilter,
}

/// Letters, each with what came of discarding it, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarding {
    /// In the order of their numbers.
    pub letters: Vec<(DeadLetter, Discarded)>,
}

/// What the ledger calls it.
const DEED: Deed<'static> = Deed { who: "", what: "dlq discard", subject: "", why: "", result: "" };

impl Operation for Discard {
    type Answer = Discarding;

    async fn preview(&self, at: &Installation<'_>) -> Result<Discarding, Error> {
        let letters = letters::chosen(at.store, &self.letters, false).await?;
        rehearse(at, letters).await
    }

    /// One letter after the other, each in a transaction of its own.
    async fn carry_out(&self, at: &Installation<'_>, shown: Option<&Discarding>, by: &By) -> Result<Discarding, Error> {
        let now = match shown {
            Some(shown) => {
                let letters = letters::again(at.store, shown.letters.iter().map(|(letter, _)| letter.id)).await?;
                let now = rehearse(at, letters).await?;
                letters::unchanged(&shown.letters, &now.letters)?;
                now
            }
            None => self.preview(at).await?,
        };
        let of = now.letters.len();
        let mut done = Vec::with_capacity(of);
        for (letter, _) in now.letters {
            (at.progress)(Step { done: done.len(), of });
            let subject = letter.id.to_string();
            let deed = Deed { who: &by.who, subject: &subject, why: &by.why, ..DEED };
            let outcome = at.store.discard(&letter, &deed).await?;
            done.push((letter, outcome));
        }
        Ok(Discarding { letters: done })
    }
}

async fn rehearse(at: &Installation<'_>, letters: Vec<DeadLetter>) -> Result<Discarding, Error> {
    let outcomes = at.store.rehearse_discard(&letters, &DEED).await?;
    Ok(Discarding { letters: letters.into_iter().zip(outcomes).collect() })
}
