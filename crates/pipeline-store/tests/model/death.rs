//! A caller that dies leaves the store in a state that the model knows: before the call, after it, or between two of
//! its steps.
//!
//! To die is to drop the call's future at one of the points where it waits, which is where a process can be when it is
//! killed, seen from the database. Where that is in the call depends on the machine's timing, so that a seed repeats
//! the calls, but not always the deaths. So the model answers with all states that a death can leave, and one of them
//! must be what the store shows.

use std::{cell::RefCell, pin::pin, task::Poll};

use pipeline_store::Begin;

use crate::{
    both::{Answers, Both, runtime, told},
    calls::{Call, Next, Outcome, Step},
    ledger::{Ledger, Request, RunState},
    observed::Glance,
    real::{Files, Real},
    rows::RUNS,
    script::{Script, Scripts, for_each},
    source::{Document, SERVICES, Source},
};

/// The states that a death can leave.
fn left_by(before: &Ledger, mut call: Call) -> Vec<Ledger> {
    let mut ledger = *before;
    let mut left = vec![ledger];
    loop {
        let step = ledger.step(call);
        left.push(ledger);
        match step {
            Step::Goes(next) => call = next,
            Step::Ends(_) => return left,
        }
    }
}

impl Real {
    /// Makes a call that dies when it has waited so often; `None` when it died before its answer.
    async fn call_and_die(&self, call: Call, waits: u32) -> Option<Outcome> {
        let mut left = waits;
        let answer = {
            let mut answer = pin!(self.call(&self.other, call));
            std::future::poll_fn(|context| match answer.as_mut().poll(context) {
                Poll::Ready(answer) => Poll::Ready(Some(answer)),
                Poll::Pending if left == 0 => Poll::Ready(None),
                Poll::Pending => {
                    left -= 1;
                    Poll::Pending
                }
            })
            .await
        };
        self.wait_for_the_dead(call.run()).await;
        answer.map(|answer| answer.unwrap())
    }

    /// A commit that was on its way may still arrive. Whoever holds the run's row after that sees what came of it.
    async fn wait_for_the_dead(&self, run: usize) {
        match self.store.begin_discovery(self.runs[run]).await.unwrap() {
            Begin::Work(discovery) => drop(discovery),
            Begin::DoneBefore | Begin::NotOpen | Begin::Rejected => {}
        }
        // The deletion of undone content, which no reader sees, is made up for like this.
        self.store.sweep().await.unwrap();
    }
}

impl Both {
    async fn call_and_die(&mut self, call: Call, waits: u32) -> Result<(), String> {
        let before = self.ledgers.clone();
        match self.real.call_and_die(call, waits).await {
            Some(found) => {
                self.note(&call, &found);
                self.ledgers.retain_mut(|ledger| told(&call, ledger.call(call)) == found);
            }
            None => {
                self.log.push(format!("{call:?}\n    → dies after {waits} waits"));
                self.ledgers = self.ledgers.iter().flat_map(|ledger| left_by(ledger, call)).collect();
                self.glance(call.run()).await?;
                let nothing = self.ledgers.iter().any(|ledger| before.contains(ledger));
                self.answers.count(if nothing { "LeftNothing" } else { "LeftSomething" });
            }
        }
        self.glance(call.run()).await
    }

    /// Everything that there is to do, and then every message once more.
    async fn settle(&mut self) -> Result<(), String> {
        let is_left = |call: &Call| !matches!(call, Call::Open { .. } | Call::Activate { .. });
        while let Some(call) = self.to_do().into_iter().find(is_left) {
            self.call(call).await?;
        }
        for (run, service) in (0..RUNS * SERVICES).map(|place| (place / SERVICES, place % SERVICES)) {
            if self.ledgers.iter().any(|ledger| ledger.runs[run].is_open()) {
                self.call(Call::Activate { run, service, next: Next::Look }).await?;
            }
        }
        Ok(())
    }
}

impl Real {
    async fn tick(&self) {
        for (run, service) in self.store.activatable().await.unwrap().due() {
            self.store.activate(run, &service).await.unwrap();
        }
    }
}

async fn follow(real: Real, script: &Script) -> Result<Answers, String> {
    let mut both = Both::new(real, script.source(), script.requests());
    both.begin(script).await?;
    for word in &script.words {
        let Some(call) = both.choose(*word) else { continue };
        match call {
            Call::RollBack { .. } => {}
            call if word % 3 == 0 => both.call(call).await?,
            call => both.call_and_die(call, u32::from(word >> 8) % 48).await?,
        }
    }
    both.settle().await?;
    both.compare_whole().await?;
    both.real.close().await;
    Ok(both.answers)
}

#[test]
fn a_caller_that_dies_leaves_a_state_that_the_model_knows_and_others_go_on_from_it() {
    let runtime = runtime();
    let files = runtime.block_on(Files::new());
    let answers = RefCell::new(Answers::default());
    for_each(Scripts(24), 5, 100, |script| {
        answers.borrow_mut().add(runtime.block_on(async { follow(files.open().await, &script).await })?);
        Ok(())
    });
    answers.borrow().require(&["LeftNothing", "LeftSomething", "Activated"], 20);
}

#[test]
fn the_timer_ends_a_run_wherever_its_last_activator_died() {
    let runtime = runtime();
    let files = runtime.block_on(Files::new());
    let mut source = Source::sound(2, 0);
    source.services[0] = Document::Broken;
    for waits in 0..1_000 {
        let died = runtime.block_on(async {
            let real = files.open().await;
            let calls = [
                Call::Open { run: 0, request: Request::PLAIN },
                Call::Discover { run: 0, documents: source.services },
                Call::Plan { run: 0, generation: 1, service: 1, documents: source.providers[1], reads: source.read(1) },
            ];
            let mut ledger = Ledger::new();
            for call in calls {
                assert_eq!(real.call(&real.store, call).await.unwrap(), ledger.call(call));
            }
            let last = Call::Activate { run: 0, service: 1, next: Next::Look };
            ledger.call(last);
            assert_eq!(ledger.runs[0].state, RunState::Activated);
            let answer = real.call_and_die(last, waits).await;
            for _ in 0..3 {
                real.tick().await;
            }
            let (expected, found) = (Glance::of(&ledger, 0), Glance::read(&real, 0).await);
            assert_eq!(found, expected, "the activator died after {waits} waits");
            real.close().await;
            answer.is_none()
        });
        if !died {
            return;
        }
    }
    panic!("an activation never comes to its end");
}
