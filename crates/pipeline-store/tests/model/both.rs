//! Two targets side by side, the model's and the store's: the same calls go to both, and both must look the same.

use std::collections::BTreeMap;

use pipeline_store::{Error, Move, Store, Waiting};

use crate::{
    calls::{Back, Call, Discard, Next, Outcome},
    ledger::{Ledger, Request, Run, RunState, ServiceState},
    observed::{Glance, Whole, epochs_of},
    real::Real,
    rows::RUNS,
    script::Script,
    source::{PROVIDERS, SERVICES, Source},
};

/// Two targets side by side: the model's and the store's.
pub struct Both {
    /// What the model's target may be. More than one when calls raced, or died, and nothing seen so far tells which
    /// way it went.
    pub ledgers: Vec<Ledger>,
    pub real: Real,
    pub source: Source,
    /// The source as it was before its last change.
    pub old: Source,
    pub requests: [Request; RUNS],
    /// A rollback that a person has ordered.
    order: Vec<Move>,
    pub log: Vec<String>,
    pub answers: Answers,
}

/// The kinds of answers that were compared, with how often: a comparison that never met one proves nothing about it.
#[derive(Debug, Default)]
pub struct Answers(BTreeMap<String, u32>);

// === impl Answers ===

impl Answers {
    /// Counts an answer under its first word.
    pub fn count(&mut self, answer: &str) {
        let kind = answer.chars().take_while(|letter| letter.is_alphabetic()).collect();
        *self.0.entry(kind).or_default() += 1;
    }

    pub fn add(&mut self, other: Self) {
        other.0.into_iter().for_each(|(kind, times)| *self.0.entry(kind).or_default() += times);
    }

    pub fn require(&self, kinds: &[&str], times: u32) {
        for kind in kinds {
            assert!(self.0.get(*kind).is_some_and(|found| *found >= times), "`{kind}` hardly came up: {self:?}");
        }
    }
}

// === impl Both ===

impl Both {
    pub fn new(real: Real, source: Source, requests: [Request; RUNS]) -> Self {
        Self {
            ledgers: vec![Ledger::new()],
            real,
            source,
            old: source,
            requests,
            order: Vec::new(),
            log: Vec::new(),
            answers: Answers::default(),
        }
    }

    /// What a number means now: a call, or a change of the source, which gives none. Mostly something that there is
    /// to do.
    pub fn choose(&mut self, word: u16) -> Option<Call> {
        let [kind, pick] = word.to_le_bytes();
        let place = usize::from(pick);
        let run = self.ledger().open_run().filter(|_| pick < 200).unwrap_or(place % RUNS);
        let generation = self.ledger().runs[run].generation + u8::from(place % 16 == 15);
        let service = place % SERVICES;
        let batch = place / SERVICES % PROVIDERS;
        match kind {
            0..142 => {
                let next = self.to_do();
                next.get(place % next.len().max(1)).copied()
            }
            142..150 => Some(self.decision(run, place)),
            150..160 => Some(Call::Open { run, request: self.requests[run] }),
            160..168 => Some(Call::Discover { run, documents: self.source.services }),
            168..182 => Some(self.plan(run, generation, service)),
            182..192 => Some(self.store(run, generation, service, batch)),
            192..200 => Some(Call::Activate { run, service, next: Next::Look }),
            200..218 => Some(self.decision(run, usize::from(kind) * 7 + place)),
            218..221 => Some(Call::End { run, state: RunState::Aborted }),
            221 => Some(Call::End { run, state: RunState::Failed }),
            222..240 => {
                self.old = self.source;
                self.source.change(pick, kind.wrapping_mul(41).wrapping_add(pick.wrapping_mul(7)));
                None
            }
            240.. => Some(self.ordered()),
        }
    }

    /// What messages would ask for now, each once.
    pub fn to_do(&self) -> Vec<Call> {
        let Some(run) = self.ledger().open_run() else {
            let unknown = self.ledger().runs.iter().position(|run| run.state == RunState::Unknown);
            return unknown.map(|run| Call::Open { run, request: self.requests[run] }).into_iter().collect();
        };
        let Run { discovered, generation, services, .. } = &self.ledger().runs[run];
        let generation = *generation;
        if !discovered {
            return vec![Call::Discover { run, documents: self.source.services }];
        }
        let mut calls = Vec::new();
        for (service, entry) in services.iter().enumerate().filter(|(_, service)| service.is_left()) {
            if entry.state == ServiceState::Discovered {
                calls.push(self.plan(run, generation, service));
                continue;
            }
            let unstored = entry.batches().iter().enumerate().filter(|(_, batch)| !batch.stored);
            let reads = self.source.read(service);
            calls.extend(unstored.map(|(batch, _)| Call::Store { run, generation, service, batch, reads, seen: None }));
            calls.push(Call::Activate { run, service, next: Next::Look });
        }
        calls
    }

    /// What a person does, about something that waits where there is such a thing.
    pub fn decision(&self, run: usize, place: usize) -> Call {
        let services = &self.ledger().runs[run].services;
        let waits = |service: &usize| services[*service].unstored() > 0 || services[*service].batch_count == 0;
        let service = (0..SERVICES).map(|turn| (place + turn) % SERVICES).find(waits).unwrap_or(place % SERVICES);
        let unstored = services[service].batches().iter().position(|batch| !batch.stored);
        let batch = if place.is_multiple_of(5) { None } else { unstored.or(Some(0)) };
        match place / 3 % 8 {
            0..4 => Call::Retry { run, seen: None },
            4 => Call::Tolerate { run, max_providers: [None, Some(1), Some(2)][place % 3] },
            5 => Call::Accept { run, seen: None },
            _ => Call::Discard { run, service, batch, next: Discard::Letter },
        }
    }

    /// A worker's that read before the last change of the source, and looked at this plan, or at one that was taken
    /// back since.
    fn store(&self, run: usize, generation: u8, service: usize, batch: usize) -> Call {
        let entry = &self.ledger().runs[run].services[service];
        let by_now = entry.batches[batch].providers;
        let stale = if entry.set_back { 1 << batch } else { by_now };
        let seen = [None, Some(by_now), Some(stale)][(batch + service) % 3].filter(|seen| *seen != 0);
        Call::Store { run, generation, service, batch, reads: self.old.read(service), seen }
    }

    fn plan(&self, run: usize, generation: u8, service: usize) -> Call {
        let (documents, reads) = (self.source.providers[service], self.source.read(service));
        Call::Plan { run, generation, service, documents, reads }
    }

    /// One call on both sides, alone; the answers and the states must agree.
    pub async fn call(&mut self, call: Call) -> Result<(), String> {
        self.answer(call).await?;
        self.glance(call.run()).await
    }

    /// One call on both sides, alone; the answers must agree.
    async fn answer(&mut self, call: Call) -> Result<(), String> {
        let found = self.ask(&self.real.store, call).await;
        let found = found.map_err(|error| self.departs(call, &self.ledgers, &error))?;
        self.note(&call, &found);
        let ends = self.ledgers.iter().map(|before| {
            let mut after = *before;
            (told(&call, after.call(call)), after)
        });
        let (answers, ends): (Vec<Outcome>, Vec<Ledger>) = ends.unzip();
        let agreeing = |answer: &Outcome| *answer == found;
        if !answers.iter().any(agreeing) {
            return Err(self.departs(call, &answers, &found));
        }
        self.ledgers =
            ends.into_iter().zip(answers).filter(|(_, answer)| agreeing(answer)).map(|(end, _)| end).collect();
        Ok(())
    }

    /// A run from its request as far as it comes by itself.
    pub async fn run_through(&mut self, run: usize) -> Result<(), String> {
        self.answer(Call::Open { run, request: self.requests[run] }).await?;
        let work = |call: &Call| !matches!(call, Call::Open { .. } | Call::Activate { .. });
        while let Some(call) = self.to_do().into_iter().find(work) {
            self.answer(call).await?;
        }
        for service in 0..SERVICES {
            self.answer(Call::Activate { run, service, next: Next::Look }).await?;
        }
        self.glance(run).await
    }

    /// The store's answer.
    pub async fn ask(&self, handle: &Store, call: Call) -> Result<Outcome, Error> {
        match call {
            Call::RollBack { .. } => self.real.roll_back(handle, &self.order).await,
            call => self.real.call(handle, call).await,
        }
    }

    /// The rollback that was ordered.
    pub fn ordered(&self) -> Call {
        Call::RollBack { epochs: epochs_of(&self.order), next: Back::Look }
    }

    /// Keeps those of the model's states that look like the store; there must be one.
    pub async fn glance(&mut self, run: usize) -> Result<(), String> {
        let found = Glance::read(&self.real, run).await;
        let looks_the_same = |ledger: &Ledger| Glance::of(ledger, run) == found;
        if !self.ledgers.iter().any(looks_the_same) {
            let expected: Vec<Glance> = self.ledgers.iter().map(|ledger| Glance::of(ledger, run)).collect();
            return Err(self.departs("what is seen after that", &expected, &found));
        }
        self.ledgers.retain(looks_the_same);
        Ok(())
    }

    pub fn note(&mut self, call: &Call, found: &Outcome) {
        self.log.push(format!("{call:?}\n    → {found:?}"));
        self.answers.count(&format!("{found:?}"));
        match (call, found) {
            (Call::Store { run, .. }, Outcome::Closed) if self.ledger().runs[*run].is_open() => {
                self.answers.count("StoreClosed");
            }
            (_, Outcome::Retried { batches: 1.., .. }) => self.answers.count("StoredAgain"),
            (_, Outcome::Retried { services: 1.., .. }) => self.answers.count("PlannedAgain"),
            (_, Outcome::Accepted { services: 1.., .. }) => self.answers.count("AcceptedSome"),
            (_, Outcome::NotYet(Waiting::Removals(_) | Waiting::Rest)) => self.answers.count("HeldByGuard"),
            _ => {}
        }
    }

    /// Of the model's states, the first.
    pub fn ledger(&self) -> &Ledger {
        &self.ledgers[0]
    }

    /// What the person sees, and orders to be undone.
    pub async fn order_rollback(&mut self, pick: u8) {
        let services: Vec<_> = (0..SERVICES).filter(|service| pick & (1 << service) != 0).collect();
        let services: Vec<_> = services.into_iter().map(crate::real::service_id).collect();
        self.order = self.real.store.plan_rollback(&services).await.unwrap();
    }

    /// Everything that can be seen at last, and the store's own invariants.
    pub async fn compare_whole(&self) -> Result<(), String> {
        let expected: Vec<Whole> = self.ledgers.iter().map(Whole::of).collect();
        let found = Whole::read(&self.real).await;
        if !expected.contains(&found) {
            return Err(self.departs("the end", &expected, &found));
        }
        let broken = self.real.store.check_invariants().await.unwrap();
        if broken.is_empty() { Ok(()) } else { Err(self.departs("the end", "no broken invariant", &broken)) }
    }

    pub fn departs(
        &self,
        by: impl std::fmt::Debug,
        expected: impl std::fmt::Debug,
        found: impl std::fmt::Debug,
    ) -> String {
        let log = self.log.join("\n");
        format!("{log}\nthe store departs from the model by {by:?}:\nmodel {expected:#?}\nstore {found:#?}")
    }
}

/// What the store tells of an outcome: not what it undid when it ended a run as failed.
pub fn told(call: &Call, outcome: Outcome) -> Outcome {
    match (call, outcome) {
        (Call::End { state: RunState::Failed, .. }, Outcome::Ended { .. }) => {
            Outcome::Ended { kept: 0, undone: 0, deleted: 0 }
        }
        (_, outcome) => outcome,
    }
}

impl Both {
    /// Every other script begins after a run, so that there is something to compare with.
    pub async fn begin(&mut self, script: &Script) -> Result<(), String> {
        if script.earlier_runs() > 0 {
            self.run_through(0).await?;
            self.call(Call::End { run: 0, state: RunState::Aborted }).await?;
        }
        Ok(())
    }
}

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
