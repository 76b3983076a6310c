//! Why an open run will not go on by itself, in the words of the store: the same judgement, written down once more.

use pipeline_store::{
    Exceeded, Waiting, guard,
    proof::{self, RejectFacts},
};

use crate::{
    ledger::{Run, Service, ServiceState},
    real::service_id,
};

/// What a service that is not switched yet waits for.
#[derive(Clone, Debug, PartialEq)]
enum Wait {
    Moving,
    Letters(i64),
    Rejects(String),
    Removals,
    Complete,
}

impl Run {
    /// Why nothing of the run will move by itself; without the numbers of letters and runs.
    pub fn held(&self) -> Option<String> {
        if !self.is_open() || !self.discovered {
            return None;
        }
        let rejects = self.rejects();
        let left: Vec<(usize, &Service)> =
            self.services.iter().enumerate().filter(|(_, service)| service.is_left()).collect();
        let mut waits: Vec<Wait> = left.iter().map(|(_, service)| self.wait(service, &rejects)).collect();
        if waits.is_empty() || waits.contains(&Wait::Moving) {
            return None;
        }
        let exceeded = self.holds_removals(&left, &mut waits);
        if !self.request.whole_run && waits.contains(&Wait::Complete) {
            return None;
        }
        let parts = [letters(&waits), self.too_many(&waits, &rejects), exceeded.map(|exceeded| removals(&exceeded))];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; and "))
    }

    fn wait(&self, service: &Service, rejects: &RejectFacts) -> Wait {
        let given_up = |(number, _): &(usize, _)| service.letters & (1 << number) != 0;
        match proof::service_closes(&service.facts(), rejects, &self.request.tolerance()) {
            Ok(()) => Wait::Complete,
            Err(waiting @ Waiting::Rejects { .. }) => Wait::Rejects(waiting.to_string()),
            Err(Waiting::Plans { .. }) if service.plan_is_given_up() => Wait::Letters(1),
            Err(Waiting::Batches { batches }) => {
                let unstored = service.batches().iter().enumerate().filter(|(_, batch)| !batch.stored);
                let letters = unstored.filter(given_up).count() as i64;
                if letters >= batches { Wait::Letters(letters) } else { Wait::Moving }
            }
            Err(_) => Wait::Moving,
        }
    }

    /// Marks what the guard holds; gives the bound that it is about.
    fn holds_removals(&self, left: &[(usize, &Service)], waits: &mut [Wait]) -> Option<Exceeded> {
        let bounds = self.request.max_removed()?;
        let in_all = self.removed_in_all();
        let mut first = None;
        for (wait, (place, service)) in waits.iter_mut().zip(left).filter(|(wait, _)| **wait == Wait::Complete) {
            let facts = service.facts();
            let takes_away = self.request.whole_run || !facts.unaccepted().is_zero();
            let own = guard::service(&bounds, &service_id(*place), &facts);
            if let Some(exceeded) = own.or_else(|| in_all.clone().filter(|_| takes_away)) {
                *wait = Wait::Removals;
                first.get_or_insert(exceeded);
            }
        }
        in_all.filter(|_| first.is_some()).or(first)
    }

    fn too_many(&self, waits: &[Wait], rejects: &RejectFacts) -> Option<String> {
        let own = waits.iter().find_map(|wait| if let Wait::Rejects(why) = wait { Some(why.clone()) } else { None });
        let all = self.request.whole_run && !proof::tolerated(&self.request.tolerance(), rejects);
        let RejectFacts { rejected, planned, unreachable, .. } = *rejects;
        own.or_else(|| all.then(|| Waiting::Rejects { rejected, planned, unreachable }.to_string()))
    }

    /// Whether nothing of it moves although something of it is left.
    pub fn is_held(&self) -> bool {
        self.held().is_some()
    }

    /// Whether somebody is still to work for it: a part is neither complete nor given up.
    pub fn is_in_work(&self) -> bool {
        self.services.iter().any(|service| service.state == ServiceState::Discovered || service.unstored() > 0)
    }
}

fn letters(waits: &[Wait]) -> Option<String> {
    let count: i64 = waits.iter().map(|wait| if let Wait::Letters(count) = wait { *count } else { 0 }).sum();
    match count {
        0 => None,
        1 => Some("1 dead letter holds what is left (see: sluice dlq show N)".to_owned()),
        _ => Some(format!("{count} dead letters hold what is left (see: sluice dlq show N)")),
    }
}

fn removals(exceeded: &Exceeded) -> String {
    format!("{exceeded} (see: sluice run accept-removals N --dry-run)")
}

/// The store's words without the numbers of letters and runs.
pub fn without_numbers(reason: &str) -> String {
    let mut last = "";
    let words = reason.split(' ').map(|word| {
        let number_is_next = matches!(std::mem::replace(&mut last, word), "show" | "accept-removals");
        let rest = word.trim_start_matches(|letter: char| letter.is_ascii_hexdigit() || letter == '-');
        if number_is_next { format!("N{rest}") } else { word.to_owned() }
    });
    words.collect::<Vec<String>>().join(" ")
}
