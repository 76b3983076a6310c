//! Calls that race leave what some interleaving of their steps leaves, and answer as they do in it.
//!
//! Three calls are made at once, by two processes' handles: the same batch twice with different content, activators
//! of the same service, a plan and an abort. The model tries every interleaving of their steps; the store's answers
//! and its state afterwards must be those of at least one. So every call behaves as if each of its steps happened at
//! one moment, although the store takes many statements for it.

use std::cell::RefCell;

use futures::future::join_all;

use crate::{
    both::{Answers, Both, runtime, told},
    calls::{Call, Next, Outcome, Step},
    ledger::{Ledger, Request, RunState},
    real::{Files, Real},
    rows::RUNS,
    script::{Script, Scripts, for_each},
    source::{Document, Read, SERVICES, Source},
};

const RACERS: usize = 3;

/// A call that still goes on, or its answer.
type Racer = Result<Call, Outcome>;

/// All states that an interleaving with these answers can leave.
fn left_by(before: &Ledger, calls: &[Call; RACERS], answers: &[Outcome; RACERS]) -> Vec<Ledger> {
    let mut left = Vec::new();
    interleave(before, &calls.map(Ok), calls, answers, &mut left);
    left
}

fn interleave(
    ledger: &Ledger,
    racers: &[Racer; RACERS],
    calls: &[Call; RACERS],
    answers: &[Outcome; RACERS],
    left: &mut Vec<Ledger>,
) {
    if racers.iter().all(Result::is_err) && !left.contains(ledger) {
        left.push(*ledger);
    }
    for place in 0..RACERS {
        let Ok(call) = racers[place] else { continue };
        if let Call::Activate { run, service, next: Next::Look } = call {
            // What it looked at was several moments, and the switch alone decides.
            let mut racers = racers.clone();
            racers[place] = Ok(Call::Activate { run, service, next: Next::Switch });
            interleave(ledger, &racers, calls, answers, left);
        }
        let mut next = *ledger;
        let racer = match next.step(call) {
            Step::Goes(call) => Ok(call),
            Step::Ends(answer) if agree(told(&calls[place], answer.clone()), &answers[place]) => Err(answer),
            // Not what the store answered: no way leads on from here.
            Step::Ends(_) => continue,
        };
        let mut racers = racers.clone();
        racers[place] = racer;
        interleave(&next, &racers, calls, answers, left);
    }
}

/// Whether two answers are the same. The reason of a wait is for people: the store asks for missing batches first and
/// reads its facts a moment later, so that a plan in between can give a reason that was the first of none. A run that
/// was opened is read back after the commit, so that the answer shows an abort in between.
fn agree(expected: Outcome, found: &Outcome) -> bool {
    let later = matches!(
        (&expected, found),
        (Outcome::NotYet(_), Outcome::NotYet(_))
            | (Outcome::Opened(RunState::Running), Outcome::Opened(RunState::Aborted | RunState::Failed))
    );
    later || expected == *found
}

impl Both {
    /// Three calls to be made at once: one that is to be done, then the same, a rival or another.
    fn choose_race(&self, word: u16) -> [Call; RACERS] {
        let [kind, pick] = word.to_le_bytes();
        let place = usize::from(pick);
        let run = self.ledger().open_run().unwrap_or(place % 2);
        let activate = |place: usize| Call::Activate { run, service: place % SERVICES, next: Next::Look };
        let to_do = self.to_do();
        let nth = |place: usize| to_do.get(place % to_do.len().max(1)).copied().unwrap_or(activate(place));
        let first = nth(place);
        let second = match (kind % 4, first) {
            (0, Call::Store { run, generation, service, batch, .. }) => {
                Call::Store { run, generation, service, batch, reads: self.old.read(service), seen: None }
            }
            (0 | 1, call) => call,
            _ => nth(place / 3),
        };
        let third = match kind / 4 % 12 {
            0 => Call::End { run, state: RunState::Aborted },
            1 => Call::Open { run: place % 4, request: self.requests[place % 4] },
            2 => first,
            3 => nth(place / 7),
            4 => self.ordered(),
            5..10 => self.decision(run, place),
            _ => activate(place / 5),
        };
        [first, second, third]
    }

    async fn race(&mut self, calls: [Call; RACERS]) -> Result<(), String> {
        let handles = [&self.real.store, &self.real.other, &self.real.store];
        let made = calls.iter().zip(handles).map(|(call, handle)| self.ask(handle, *call));
        let answers = join_all(made).await.into_iter().collect::<Result<Vec<_>, _>>();
        let answers = answers.map_err(|error| self.departs(calls, "no error", error))?;
        calls.iter().zip(&answers).for_each(|(call, answer)| self.note(call, answer));
        self.log.push("all three at once".to_owned());
        let answers: [Outcome; RACERS] = answers.try_into().expect("an answer to each");
        let left: Vec<Ledger> = self.ledgers.iter().flat_map(|before| left_by(before, &calls, &answers)).collect();
        if left.is_empty() {
            return Err(self.departs(calls, "answers of an interleaving", answers));
        }
        self.ledgers = left;
        for call in &calls {
            self.glance(call.run()).await?;
        }
        Ok(())
    }
}

async fn follow(real: Real, script: &Script) -> Result<Answers, String> {
    let mut both = Both::new(real, script.source(), script.requests());
    both.begin(script).await?;
    for word in &script.words {
        if word % 16 == 15 {
            both.order_rollback((*word >> 8) as u8).await;
        } else if word % 5 < 3 {
            both.race(both.choose_race(word >> 3)).await?;
        } else if let Some(call) = both.choose(*word) {
            both.call(call).await?;
        }
    }
    both.compare_whole().await?;
    both.real.close().await;
    Ok(both.answers)
}

/// Every answer that shows that somebody was first.
const ANSWERS: [&str; 6] = ["Activated", "Done", "Stored", "Ended", "Closed", "RunOpen"];

#[test]
fn racing_calls_leave_what_one_of_their_interleavings_leaves_on_sqlite() {
    let runtime = runtime();
    let files = runtime.block_on(Files::new());
    let answers = RefCell::new(Answers::default());
    for_each(Scripts(20), 7, 100, |script| {
        answers.borrow_mut().add(runtime.block_on(async { follow(files.open().await, &script).await })?);
        Ok(())
    });
    answers.borrow().require(&ANSWERS, 20);
}

#[test]
fn racing_calls_leave_what_one_of_their_interleavings_leaves_on_a_server() {
    let runtime = runtime();
    let answers = RefCell::new(Answers::default());
    for_each(Scripts(20), 11, 30, |script| {
        answers.borrow_mut().add(runtime.block_on(async { follow(Real::mysql().await, &script).await })?);
        Ok(())
    });
    answers.borrow().require(&ANSWERS, 5);
}

/// Runs that are complete, with a reject that they tolerate, so that a retry has something to set back. What an activator
/// saw before the retry must not be switched after it.
async fn retried_while_activators_look(real: Real, whole_run: bool) -> Result<Answers, String> {
    let mut source = Source::sound(2, 2);
    source.contents[0][0] = Read::Rejected;
    source.providers[1][0] = Document::Broken;
    let request = Request { whole_run, max_providers: Some(2), ..Request::PLAIN };
    let mut both = Both::new(real, source, [request; RUNS]);
    for run in 0..RUNS {
        both.call(Call::Open { run, request }).await?;
        for service in [0, 1, 0, 1] {
            while let Some(call) = both.to_do().into_iter().find(|call| !matches!(call, Call::Activate { .. })) {
                if matches!(call, Call::Open { .. }) {
                    break;
                }
                both.call(call).await?;
            }
            let activate = Call::Activate { run, service, next: Next::Look };
            both.race([activate, Call::Retry { run, seen: None }, activate]).await?;
        }
        both.call(Call::End { run, state: RunState::Aborted }).await?;
    }
    both.compare_whole().await?;
    both.real.close().await;
    Ok(both.answers)
}

#[test]
fn what_activators_saw_before_a_retry_is_not_switched_after_it_on_a_server() {
    let runtime = runtime();
    let mut answers = Answers::default();
    for round in 0..4 {
        let followed =
            runtime.block_on(async { retried_while_activators_look(Real::mysql().await, round % 2 == 0).await });
        answers.add(followed.unwrap_or_else(|departure| panic!("{departure}")));
    }
    // Who comes first is the server's to decide: an activator may always come too late, or never.
    answers.require(&["NotYet", "StoredAgain"], 3);
}
