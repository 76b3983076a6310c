//! Why an open run will not go on by itself: what is left of it waits for people.
//!
//! A run is held when nothing of it can move any more without a decision: each service that is not switched yet waits
//! for open dead letters, or is complete and held by rejects or by the guard on removals, or was announced again and
//! again and nobody took it. One part that can still move is enough for a run not to be held. The judgement errs on that
//! side: letters and announcements are read after the facts, so that a part that moved in between shows as moving.
//!
//! What was announced in vain goes on by itself as soon as somebody takes it; the others need a decision.

use std::collections::HashMap;

use pipeline_model::{
    contracts::{BatchPlanned, Message, RunRequested, ServiceDiscovered},
    ids::{RunId, ServiceId},
};
use pipeline_settings::settings::MaxRemoved;

use crate::{
    ActivationMode, Error, Exceeded, Part, Run, RunState, Waiting,
    announcing::InVain,
    database::{Session, Value},
    facts::{self, Service, State},
    guard,
    proof::{self, RejectFacts},
};

#[cfg(test)]
mod tests;

/// What parts of a run wait for: open dead letters, and announcements that nobody takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Letters {
    /// Of the request, while the services are not discovered.
    request: Option<i64>,
    /// For each service that is not planned, a letter of its discovery.
    plans: HashMap<ServiceId, i64>,
    /// For each service, its batches that are not stored and have letters, and one of these.
    batches: HashMap<ServiceId, Batches>,
    /// What was announced in vain.
    in_vain: InVain,
}

#[derive(Clone, Copy, Debug)]
struct Batches {
    count: i64,
    example: i64,
}

/// What a service that is not switched yet waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wait {
    /// Only for itself: it moves, or will.
    Moving,
    /// For people to decide about so many dead letters.
    Letters { count: i64, example: i64 },
    /// For somebody to take so many messages, which were announced often enough.
    Unanswered { part: Part, count: i64 },
    /// It is complete, and rejects hold it.
    Rejects(Waiting),
    /// It is complete, and the guard holds it.
    Removals,
    /// It is complete, and nothing of its own holds it.
    Complete,
}

/// What holds an open run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// In words, with what to do next.
    pub reason: String,
    /// The bound on removals that it would pass, when that is among it.
    pub exceeded: Option<Exceeded>,
    /// Open dead letters are among it.
    pub letters: bool,
    /// Rejects are among it.
    pub rejects: bool,
    /// Messages that nobody takes are among it: it goes on by itself when somebody does.
    pub unanswered: bool,
}

/// Why the run is held; `None` while anything of it moves.
pub(crate) fn hold(run: &Run, services: &[Service], letters: &Letters) -> Option<Hold> {
    if run.state != RunState::Running {
        return None;
    }
    if !run.discovered {
        return undiscovered(letters);
    }
    let rejects = facts::rejects(run, services);
    let open = services.iter().filter(|service| matches!(service.state, State::Discovered | State::Planned));
    let mut waits: Vec<Wait> = open.clone().map(|service| wait(run, service, &rejects, letters)).collect();
    if waits.is_empty() || waits.contains(&Wait::Moving) {
        return None;
    }
    let exceeded = run.max_removed.and_then(|bounds| removals(run, &bounds, services, &mut waits, open));
    // In a whole run a complete service waits for the others; else it is switched.
    if run.mode == ActivationMode::PerService && waits.contains(&Wait::Complete) {
        return None;
    }
    let count: i64 = waits.iter().map(Wait::letters).sum();
    let example = waits.iter().filter_map(Wait::example).min();
    let unanswered = by_silence(&waits, &letters.in_vain);
    let letters = example.map(|example| by_letters(count, example));
    let rejected = waits.iter().find_map(Wait::rejected).or_else(|| too_many(run, &rejects));
    let removed = exceeded.as_ref().map(|exceeded| by_removals(run.run_id, exceeded));
    let parts = [&unanswered, &letters, &rejected, &removed];
    let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    let (letters, rejects, unanswered) = (letters.is_some(), rejected.is_some(), unanswered.is_some());
    (!parts.is_empty()).then(|| Hold { reason: parts.join("; and "), exceeded, letters, rejects, unanswered })
}

/// Why a run without services is held: only its request can help it on.
fn undiscovered(letters: &Letters) -> Option<Hold> {
    let held = Hold { reason: String::new(), exceeded: None, letters: false, rejects: false, unanswered: false };
    if let Some(example) = letters.request {
        return Some(Hold { reason: by_letters(1, example), letters: true, ..held });
    }
    let reason = letters.in_vain.reason(InVain::REQUEST, 1)?;
    Some(Hold { reason, unanswered: true, ..held })
}

/// Why nobody seems to take what is left.
fn by_silence(waits: &[Wait], in_vain: &InVain) -> Option<String> {
    let count = |wanted: Part| -> i64 { waits.iter().map(|wait| wait.unanswered(wanted)).sum() };
    let (services, batches) = (count(Part::Services), count(Part::Batches));
    let services = in_vain.reason(InVain::SERVICES, services).filter(|_| services > 0);
    let batches = in_vain.reason(InVain::BATCHES, batches).filter(|_| batches > 0);
    let both: Vec<String> = [services, batches].into_iter().flatten().collect();
    (!both.is_empty()).then(|| both.join("; and "))
}

/// Marks the complete services that the guard holds; gives the bound that it is about. To be asked when nothing moves:
/// then it is known how much goes in all.
fn removals<'s>(
    run: &Run,
    bounds: &MaxRemoved,
    services: &[Service],
    waits: &mut [Wait],
    open: impl Iterator<Item = &'s Service>,
) -> Option<Exceeded> {
    let in_all = guard::in_all(bounds, services.iter().map(|service| &service.facts));
    let mut first = None;
    for (wait, service) in waits.iter_mut().zip(open).filter(|(wait, _)| **wait == Wait::Complete) {
        let own = guard::service(bounds, &service.service_id, &service.facts);
        let takes_away = run.mode == ActivationMode::WholeRun || !service.facts.unaccepted().is_zero();
        if let Some(exceeded) = own.or_else(|| in_all.clone().filter(|_| takes_away)) {
            *wait = Wait::Removals;
            first.get_or_insert(exceeded);
        }
    }
    in_all.filter(|_| first.is_some()).or(first)
}

fn wait(run: &Run, service: &Service, rejects: &RejectFacts, letters: &Letters) -> Wait {
    let unstored = service.facts.batches.saturating_sub(service.facts.batches_stored);
    match proof::service_closes(&service.facts, rejects, &run.tolerance) {
        Ok(()) => Wait::Complete,
        Err(waiting @ Waiting::Rejects { .. }) => Wait::Rejects(waiting),
        Err(Waiting::Plans { .. }) => {
            let letter = letters.plans.get(&service.service_id);
            let unlettered = letters.in_vain.or_moving(Part::Services, 1);
            letter.map_or(unlettered, |example| Wait::Letters { count: 1, example: *example })
        }
        Err(Waiting::Batches { .. }) => match letters.batches.get(&service.service_id) {
            Some(Batches { count, example }) if *count >= unstored => {
                Wait::Letters { count: *count, example: *example }
            }
            some => {
                let lettered = some.map_or(0, |batches| batches.count);
                letters.in_vain.or_moving(Part::Batches, unstored.saturating_sub(lettered))
            }
        },
        Err(Waiting::Discovery | Waiting::Rest | Waiting::Removals(_) | Waiting::Unaccounted { .. }) => Wait::Moving,
    }
}

/// In a whole run, rejects hold services that have none of their own.
fn too_many(run: &Run, rejects: &RejectFacts) -> Option<String> {
    let tolerated = run.mode == ActivationMode::PerService || proof::tolerated(&run.tolerance, rejects);
    let RejectFacts { rejected, planned, unreachable, .. } = *rejects;
    let waiting = Waiting::Rejects { rejected, planned, unreachable };
    (!tolerated).then(|| waiting.to_string())
}

fn by_letters(count: i64, example: i64) -> String {
    let letters = if count == 1 { "1 dead letter holds".to_owned() } else { format!("{count} dead letters hold") };
    format!("{letters} what is left (see: sluice dlq show {example})")
}

fn by_removals(run: RunId, exceeded: &Exceeded) -> String {
    format!("{exceeded} (see: sluice run accept-removals {run} --dry-run)")
}

// === impl Wait ===

impl Wait {
    fn letters(&self) -> i64 {
        match self {
            Self::Letters { count, .. } => *count,
            _ => 0,
        }
    }

    fn unanswered(&self, wanted: Part) -> i64 {
        match self {
            Self::Unanswered { part, count } if *part == wanted => *count,
            _ => 0,
        }
    }

    fn example(&self) -> Option<i64> {
        match self {
            Self::Letters { example, .. } => Some(*example),
            _ => None,
        }
    }

    fn rejected(&self) -> Option<String> {
        match self {
            Self::Rejects(waiting) => Some(waiting.to_string()),
            _ => None,
        }
    }
}

// === impl InVain ===

impl InVain {
    /// What so many items that are not done wait for.
    fn or_moving(&self, part: Part, count: i64) -> Wait {
        if self.of(part).is_some() { Wait::Unanswered { part, count } } else { Wait::Moving }
    }
}

// === impl Letters ===

impl Letters {
    /// The letters of an open run, and what of it was announced in vain. To be read after its facts.
    pub(crate) async fn read(session: &mut Session, run: RunId) -> Result<Self, Error> {
        let run_id = run.to_string();
        let mut letters = Self { in_vain: InVain::read(session, &run_id).await?, ..Self::default() };
        let which = |topic: &'static str| -> [Value<'_>; 2] { [(&run_id).into(), topic.into()] };
        letters.request = session
            .fetch_one(
                "SELECT MIN(letter_id) AS example FROM sluice_dead_letter \
                 WHERE run_id = ? AND state = 'open' AND source_topic = ?",
                &which(RunRequested::TOPIC),
            )
            .await?
            .optional_int("example")?;
        let rows = session
            .fetch_all(
                "SELECT d.service_id, MIN(d.letter_id) AS example FROM sluice_dead_letter d JOIN sluice_run_service s \
                 ON s.run_id = d.run_id AND s.service_id = d.service_id AND s.state = 'discovered' \
                 WHERE d.run_id = ? AND d.state = 'open' AND d.source_topic = ? GROUP BY d.service_id",
                &which(ServiceDiscovered::TOPIC),
            )
            .await?;
        for row in rows.into_iter() {
            letters.plans.insert(ServiceId(row.text("service_id")?), row.int("example")?);
        }
        let rows = session
            .fetch_all(
                "SELECT d.service_id, COUNT(DISTINCT d.batch_no) AS batches, MIN(d.letter_id) AS example \
                 FROM sluice_dead_letter d JOIN sluice_run_batch b ON b.run_id = d.run_id \
                 AND b.service_id = d.service_id \
                 AND b.batch_no = d.batch_no AND b.state = 'planned' \
                 WHERE d.run_id = ? AND d.state = 'open' AND d.source_topic = ? GROUP BY d.service_id",
                &which(BatchPlanned::TOPIC),
            )
            .await?;
        for row in rows.into_iter() {
            let batches = Batches { count: row.int("batches")?, example: row.int("example")? };
            letters.batches.insert(ServiceId(row.text("service_id")?), batches);
        }
        Ok(letters)
    }
}
