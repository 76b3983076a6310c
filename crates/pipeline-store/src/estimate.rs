//! When a run will end, and each of its stages: a pure function of what the ledger says now and what earlier runs took.
//!
//! The run's own figures count as soon as there are enough of them; before that, those of earlier runs do; without either,
//! the answer is *unknown*. What is still to be planned is guessed from the services that are planned (the fan-out). The
//! range is narrow when the plan is final and many batches were stored, and wide otherwise.
//!
//! Only batches that somebody has to read count as work: a batch that was planned as stored costs nothing. The unit is the
//! provider, since batches differ in size.

use serde::Serialize;

mod kept;
mod ledger;

pub use kept::{Noted, misses};

/// Batches of the last minute that make a rate of its own; with fewer, earlier runs count too.
const ENOUGH: f64 = 8.0;
/// Batches without which the run's own rate says nothing.
const FEWEST: i64 = 2;
/// The rest of a run after its last batch when no earlier run says it, in milliseconds.
const TAIL_MS: f64 = 500.0;

/// What the ledger says about a run at one moment. Times are milliseconds since the run's start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sight {
    /// Now.
    pub elapsed_ms: i64,
    /// When the services were discovered; `None` while they are not.
    pub discovered_ms: Option<i64>,
    /// Services in the ledger.
    pub services: i64,
    /// Services whose plan is in the ledger.
    pub planned_services: i64,
    /// When the last of them was planned.
    pub planned_ms: Option<i64>,
    /// Providers in batches that are, or were, to be read.
    pub providers: i64,
    /// Those of them whose batch is stored.
    pub stored: i64,
    /// When the last batch was stored.
    pub stored_ms: Option<i64>,
    /// Batches stored in the last minute.
    pub recent: Recent,
    /// How much more waits in the fullest partition of the batches' topic than in the mean one that is not empty; 1 when
    /// all are as full, or nobody asked.
    pub skew: f64,
}

/// What was stored in the last minute.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Recent {
    /// Batches.
    pub batches: i64,
    /// Providers in them.
    pub providers: i64,
    /// When the first of them was stored, in milliseconds since the run's start.
    pub first_ms: i64,
}

/// What an earlier run took, in milliseconds since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Earlier {
    /// Services.
    pub services: i64,
    /// Until the services were discovered.
    pub discovered_ms: i64,
    /// Until the last service was planned.
    pub planned_ms: i64,
    /// Providers in batches that were read.
    pub providers: i64,
    /// Until the last batch was stored; 0 when there was none.
    pub stored_ms: i64,
    /// Until its end.
    pub took_ms: i64,
}

/// When something will be done, in milliseconds from now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Span {
    /// At the earliest, if nothing unforeseen happens.
    pub earliest_ms: i64,
    /// Probably.
    pub expected_ms: i64,
    /// At the latest, if nothing unforeseen happens.
    pub latest_ms: i64,
}

/// When each stage of a run will be done, and with the last one the run; `None` while that cannot be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Estimate {
    /// Services discovered.
    pub root: Option<Span>,
    /// Services planned.
    pub providers: Option<Span>,
    /// Batches stored.
    pub bundles: Option<Span>,
    /// The run.
    pub activator: Option<Span>,
}

/// Judges a run by what is seen of it and by runs before it.
pub fn estimate(now: &Sight, earlier: &[Earlier]) -> Estimate {
    let at = now.elapsed_ms as f64;
    let left_of = |of: fn(&Earlier) -> f64| median(earlier.iter().map(of)).map(|took| (took - at).max(0.0));
    let Some(discovered_ms) = now.discovered_ms else {
        return Estimate {
            root: left_of(|run| run.discovered_ms as f64).map(|left| Span::around(left, BY_OTHERS)),
            providers: left_of(|run| run.planned_ms as f64).map(|left| Span::around(left, BY_OTHERS)),
            bundles: left_of(|run| run.stored_ms as f64).map(|left| Span::around(left, BY_OTHERS)),
            activator: left_of(|run| run.took_ms as f64).map(|left| Span::around(left, BY_OTHERS)),
        };
    };
    let planning = planning(now, at - discovered_ms as f64, earlier);
    let storing = storing(now, planning.map(|(left, _)| left), earlier);
    let tail =
        median(earlier.iter().map(|run| (run.took_ms - run.stored_ms.max(run.planned_ms)) as f64)).unwrap_or(TAIL_MS);
    let end = storing.map(|(left, doubt)| {
        // When all is stored, the rest has begun already.
        let begun = now.stored_ms.max(now.planned_ms).filter(|_| left == 0.0).map_or(0.0, |last| at - last as f64);
        (left + (tail - begun).max(0.0), doubt)
    });
    let span = |found: Option<(f64, f64)>| found.map(|(left, doubt)| Span::around(left, doubt));
    let late = |span: Option<Span>| span.map(|span| span.later(now.skew));
    Estimate {
        root: Some(Span::default()),
        providers: span(planning),
        bundles: late(span(storing)),
        activator: late(span(end)),
    }
}

/// Doubt about what only other runs say, as a share of what is left.
const BY_OTHERS: f64 = 0.5;

/// What is left of the planning, and the doubt about it.
fn planning(now: &Sight, since: f64, earlier: &[Earlier]) -> Option<(f64, f64)> {
    let left = now.services - now.planned_services;
    if left <= 0 {
        return Some((0.0, 0.0));
    }
    if now.planned_services > 0 {
        let each = since / now.planned_services as f64;
        return Some((each * left as f64, 0.2 + doubt(now.planned_services as f64)));
    }
    let of_each = |run: &Earlier| (run.planned_ms - run.discovered_ms) as f64 / run.services.max(1) as f64;
    let took = median(earlier.iter().map(of_each))? * now.services as f64;
    Some(((took - since).max(0.0), BY_OTHERS))
}

/// What is left of the storing, and the doubt about it.
fn storing(now: &Sight, planning: Option<f64>, earlier: &[Earlier]) -> Option<(f64, f64)> {
    let is_planned = now.planned_services >= now.services;
    let all = match now.planned_services {
        _ if is_planned => now.providers as f64,
        0 => median(earlier.iter().map(|run| run.providers as f64))?,
        planned => now.providers as f64 * now.services as f64 / planned as f64,
    };
    let left = (all - now.stored as f64).max(0.0);
    if left == 0.0 {
        return planning.map(|planning| (planning, 0.0));
    }
    let batches = now.recent.batches as f64;
    // While services are planned, batches wait for their plan and the rate says little about the rest.
    let weight = (batches / ENOUGH).min(1.0);
    let (own, theirs) = (rate(now), median(earlier.iter().filter_map(Earlier::rate)));
    let rate = match (own, theirs) {
        (Some(own), Some(theirs)) => own.powf(weight) * theirs.powf(1.0 - weight),
        (Some(rate), None) | (None, Some(rate)) => rate,
        (None, None) => return None,
    };
    let unplanned = if is_planned { 0.1 } else { 0.3 };
    let doubt = if own.is_some() { unplanned + doubt(batches) } else { BY_OTHERS };
    Some(((left / rate).max(planning.unwrap_or_default()), doubt.min(0.9)))
}

/// Providers stored per millisecond, from the first batch of the last minute on: that batch itself began before.
fn rate(now: &Sight) -> Option<f64> {
    let Recent { batches, providers, first_ms } = now.recent;
    let span = (now.elapsed_ms - first_ms) as f64;
    if batches < FEWEST || span <= 0.0 {
        return None;
    }
    Some(providers as f64 * (batches - 1) as f64 / batches as f64 / span)
}

/// Doubt about a mean of so many.
fn doubt(of: f64) -> f64 {
    0.5 / of.max(1.0).sqrt()
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len().is_multiple_of(2) {
        values.get(middle.checked_sub(1)?).map(|lower| f64::midpoint(*lower, upper))
    } else {
        Some(upper)
    }
}

// === impl Earlier ===

impl Earlier {
    /// Providers stored per millisecond, from the discovery on; `None` when none was.
    fn rate(&self) -> Option<f64> {
        let span = self.stored_ms - self.discovered_ms;
        (self.providers > 0 && span > 0).then(|| self.providers as f64 / span as f64)
    }
}

// === impl Span ===

impl Span {
    fn around(left: f64, doubt: f64) -> Self {
        Self {
            earliest_ms: (left * (1.0 - doubt)) as i64,
            expected_ms: left as i64,
            latest_ms: (left * (1.0 + doubt)) as i64,
        }
    }

    /// The fullest partition ends last, if workers are no bound.
    fn later(self, skew: f64) -> Self {
        Self { latest_ms: (self.latest_ms as f64 * skew.max(1.0)) as i64, ..self }
    }
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
