//! The store follows the model: the same calls, one after the other, give the same answers and leave the same state.
//!
//! The calls are drawn at random: most are the next thing to do, some are too early, come again, belong to a run that
//! is over or to another generation, or bring content that was read long ago.

use std::cell::RefCell;

use crate::{
    both::{Answers, Both, runtime},
    calls::{Call, Next, Waive},
    ledger::Request,
    real::{Files, Real},
    rows::RUNS,
    script::{Script, Scripts, for_each},
    source::{Document, PROVIDERS, Read, SERVICES, Source},
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
    if std::env::var_os("SLUICE_MODEL_COUNT").is_some() { println!("{:?}", answers.borrow()); }
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

/// What a person does about a run that does not go on, one after the other; the source has changed by then.
const DECISIONS: [fn(usize) -> Vec<Call>; 6] = [
    |run| vec![Call::Retry { run, seen: None }],
    |run| vec![waive(run, Some(0)), Call::Retry { run, seen: None }],
    |run| vec![waive(run, None), Call::Retry { run, seen: None }],
    |run| vec![Call::Retry { run, seen: None }, waive(run, Some(0))],
    |run| vec![Call::Tolerate { run, max_providers: Some(1) }, Call::Retry { run, seen: None }],
    |run| vec![Call::Accept { run, seen: None }, Call::Retry { run, seen: None }],
];

fn waive(run: usize, batch: Option<usize>) -> Call {
    Call::Waive { run, service: 1, batch, next: Waive::Letter }
}

/// What can be wrong with the second service, or gone from it.
const FAULTS: [fn(&mut Source); 8] = [
    |_| {},
    |source| source.providers[1][0] = Document::Absent,
    |source| source.providers[1][0] = Document::Broken,
    |source| source.providers[1][1] = Document::Twice,
    |source| source.contents[1][0] = Read::Rejected,
    |source| source.contents[1] = [Read::Complete(0), Read::Rejected, Read::Complete(2)],
    |source| source.contents[1] = [Read::Rejected, Read::Complete(1), Read::Complete(0)],
    |source| source.contents[1] = [Read::Complete(1); PROVIDERS],
];

impl Both {
    /// A guarded run that finds one fault, a decision about it, and a second try that finds another.
    async fn decide(&mut self, decisions: &[Call], faults: [fn(&mut Source); 2]) -> Result<(), String> {
        let sound = self.source;
        self.run_through(0).await?;
        faults[0](&mut self.source);
        let waits_for_plan = decisions.iter().any(|call| matches!(call, Call::Waive { batch: None, .. }));
        let waits_for_batch = decisions.first().is_some_and(|call| matches!(call, Call::Waive { .. }));
        let is_left = |call: &Call| match call {
            Call::Plan { service: 1, .. } => waits_for_plan,
            Call::Store { service: 1, .. } => waits_for_batch,
            Call::Activate { .. } => true,
            _ => false,
        };
        self.call(Call::Open { run: 1, request: self.requests[1] }).await?;
        while let Some(call) = self.to_do().into_iter().find(|call| !is_left(call)) {
            self.call(call).await?;
        }
        for decision in decisions {
            self.activate_all().await?;
            self.call(*decision).await?;
            self.source = sound;
            faults[1](&mut self.source);
        }
        while let Some(call) = self.to_do().into_iter().find(|call| !matches!(call, Call::Activate { .. })) {
            if matches!(call, Call::Open { .. }) {
                break;
            }
            self.call(call).await?;
        }
        self.activate_all().await?;
        self.call(Call::Tolerate { run: 1, max_providers: Some(9) }).await?;
        self.activate_all().await?;
        self.call(Call::Accept { run: 1, seen: None }).await?;
        self.activate_all().await?;
        self.compare_whole().await
    }

    async fn activate_all(&mut self) -> Result<(), String> {
        for service in 0..SERVICES {
            self.call(Call::Activate { run: 1, service, next: Next::Look }).await?;
        }
        Ok(())
    }
}

#[test]
fn whatever_a_person_decides_about_a_run_that_waits_the_store_goes_on_as_the_model_does() {
    let runtime = runtime();
    let files = runtime.block_on(Files::new());
    let mut sound = Source::sound(2, 3);
    sound.contents = [[Read::Complete(2); PROVIDERS]; SERVICES];
    let mut answers = Answers::default();
    for (first, second) in (0..FAULTS.len() * FAULTS.len()).map(|place| (place % FAULTS.len(), place / FAULTS.len())) {
        for whole_run in [false, true] {
            let decisions = DECISIONS[(first + second * 3 + usize::from(whole_run)) % DECISIONS.len()](1);
            let requests = [Request { whole_run, guarded: true, ..Request::PLAIN }; RUNS];
            let decided = runtime.block_on(async {
                let mut both = Both::new(files.open().await, sound, requests);
                both.decide(&decisions, [FAULTS[first], FAULTS[second]]).await?;
                both.real.close().await;
                Ok::<Answers, String>(both.answers)
            });
            answers.add(decided.unwrap_or_else(|departure| panic!("faults {first} and {second}: {departure}")));
        }
    }
    if std::env::var_os("SLUICE_MODEL_COUNT").is_some() { println!("{:?}", answers); }
    answers.require(&["StoredAgain", "PlannedAgain", "WaivedBatch", "WaivedPlan", "AcceptedSome", "HeldByGuard"], 5);
}
