//! The store follows the model: the same calls, one after the other, give the same answers and leave the same state.
//!
//! The calls are drawn at random: most are the next thing to do, some are too early, come again, belong to a run that
//! is over or to another generation, or bring content that was read long ago.

use std::cell::RefCell;

use crate::{
    both::{Answers, Both, runtime},
    ledger::Request,
    real::{Files, Real},
    rows::RUNS,
    script::{Script, Scripts, for_each},
    source::{Document, Read, Source},
};

async fn follow(real: Real, script: &Script) -> Result<Answers, String> {
    let mut both = Both::new(real, script.source(), script.requests());
    both.begin(script).await?;
    for word in &script.words {
        if *word % 256 >= 252 {
            both.order_rollback((*word >> 8) as u8).await;
        } else if let Some(call) = both.choose(*word) {
            both.call(call).await?;
        }
    }
    both.compare_whole().await?;
    both.real.close().await;
    Ok(both.answers)
}

#[test]
fn the_store_answers_every_sequence_of_calls_as_the_model_does() {
    let runtime = runtime();
    let files = runtime.block_on(Files::new());
    let answers = RefCell::new(Answers::default());
    for_each(Scripts(30), 3, 200, |script| {
        answers.borrow_mut().add(runtime.block_on(async { follow(files.open().await, &script).await })?);
        Ok(())
    });
    answers.borrow().require(&["Opened", "Discovered", "Failed", "Planned", "Stored", "Done", "Closed"], 20);
    answers.borrow().require(&["NotInLedger", "Activated", "NotYet", "Ended", "RolledBack", "RunOpen"], 20);
}

/// What can become of something between two runs.
const FATES: [fn(&mut Source); 8] = [
    |source| source.services[1] = Document::Absent,
    |source| source.services[1] = Document::Broken,
    |source| source.services[1] = Document::Sound(1),
    |source| source.providers[1][0] = Document::Absent,
    |source| source.providers[1][0] = Document::Broken,
    |source| source.providers[1][0] = Document::Twice,
    |source| source.contents[1][0] = Read::Rejected,
    |source| source.contents[1][0] = Read::Complete(2),
];

#[test]
fn whatever_becomes_of_a_document_twice_with_a_rollback_or_without_the_store_shows_what_the_model_does() {
    let runtime = runtime();
    let files = runtime.block_on(Files::new());
    let sound = Source::sound(2, 2);
    for (first, second) in (0..FATES.len() * FATES.len()).map(|place| (place % FATES.len(), place / FATES.len())) {
        for rolls_back in [false, true] {
            let whole_run = first.is_multiple_of(2) == second.is_multiple_of(2);
            let followed = runtime.block_on(async {
                let requests = [Request { whole_run, max_providers: Some(9), ..Request::PLAIN }; RUNS];
                let mut both = Both::new(files.open().await, sound, requests);
                both.run_through(0).await?;
                FATES[first](&mut both.source);
                both.run_through(1).await?;
                if rolls_back {
                    both.order_rollback(0).await;
                    both.call(both.ordered()).await?;
                }
                both.source = sound;
                FATES[second](&mut both.source);
                both.run_through(2).await?;
                both.source = sound;
                both.run_through(3).await?;
                both.compare_whole().await?;
                both.real.close().await;
                Ok::<(), String>(())
            });
            followed.unwrap_or_else(|departure| panic!("fates {first} and {second}: {departure}"));
        }
    }
}
