//! People decide about a run that waits, and the store goes on as the model does: the same decision about every fault,
//! and after it another fault.

use crate::{
    both::{Answers, Both, runtime},
    calls::{Call, Discard, Next},
    ledger::Request,
    real::Files,
    rows::RUNS,
    source::{Document, PROVIDERS, Read, SERVICES, Source},
};

/// What a person does about a run that does not go on, one after the other; the source has changed by then.
const DECISIONS: [fn(usize) -> Vec<Call>; 6] = [
    |run| vec![Call::Retry { run, seen: None }],
    |run| vec![discard(run, Some(0)), Call::Retry { run, seen: None }],
    |run| vec![discard(run, None), Call::Retry { run, seen: None }],
    |run| vec![Call::Retry { run, seen: None }, discard(run, Some(0))],
    |run| vec![Call::Tolerate { run, max_providers: Some(1) }, Call::Retry { run, seen: None }],
    |run| vec![Call::Accept { run, seen: None }, Call::Retry { run, seen: None }],
];

fn discard(run: usize, batch: Option<usize>) -> Call {
    Call::Discard { run, service: 1, batch, next: Discard::Letter }
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
        let waits_for_plan = decisions.iter().any(|call| matches!(call, Call::Discard { batch: None, .. }));
        let waits_for_batch = decisions.first().is_some_and(|call| matches!(call, Call::Discard { .. }));
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
            if let Some(stale) = self.of_another_plan(call) {
                self.call(stale).await?;
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

    /// The same batch by a worker that slept over the plan that was taken back, and has read other providers.
    fn of_another_plan(&self, call: Call) -> Option<Call> {
        let Call::Store { run, generation, service, batch, reads, .. } = call else { return None };
        let entry = &self.ledger().runs[run].services[service];
        let other = entry.batches[batch].providers ^ 1;
        let seen = Some(if other == 0 { 2 } else { other });
        entry.set_back.then_some(Call::Store { run, generation, service, batch, reads, seen })
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
    answers.require(&["StoredAgain", "PlannedAgain", "DiscardedBatch", "DiscardedPlan", "StoreClosed"], 5);
    answers.require(&["AcceptedSome", "HeldByGuard"], 5);
}
