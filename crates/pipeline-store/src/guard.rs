//! The guard against shrinkage: how much a run may take away by itself.
//!
//! A run compares the source with the copy, and what is not in the source leaves the views. A source that is cut,
//! emptied or half mounted looks like one from which much was deleted; no pipeline can tell the two apart, but a person
//! can. So a run may take away only so much by itself:
//!
//! > In one service, and in the whole run, at most `percent` of the rows of a level, or so many rows of it if that is
//! > more; and never the last row of a level of the whole run.
//!
//! More than that *holds* the run: nothing of it that takes rows away is switched until a person has accepted the
//! counts or ended the run. The number is there for small data sets, of which a few rows are a large share. A first run
//! takes nothing away.
//!
//! **What is counted.** Rows that readers see at the moment and would not see afterwards, whatever the open rows say: a
//! run after a rollback is held to what the rollback shows. A removed provider counts with all that is below it. One in a
//! batch that keeps its content counts too where readers see another: after a rollback, and when an earlier try of the run has
//! written what is kept.
//!
//! **When.** A service that takes nothing away is switched as soon as it is complete. One that does waits until nothing
//! of the run moves any more, because only then it is known how much goes in all.
//!
//! Pure functions over the ledger's facts: activation, progress and the checker of invariants decide by the same ones.

use pipeline_model::{documents::Level, ids::ServiceId};
use pipeline_settings::settings::MaxRemoved;
use serde::Serialize;

use crate::{Counts, facts::Service, proof::ServiceFacts};

/// A bound that a run would pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exceeded {
    /// The service that would lose too much; none when it is the run in all.
    pub service_id: Option<ServiceId>,
    /// The level of the rows: `provider_service`, `provider`, `bundle` or `subscription_field`.
    #[serde(serialize_with = "word")]
    pub level: Level,
    /// Rows that would leave the views and that nobody has accepted.
    pub removed: i64,
    /// Rows that readers see now.
    pub visible: i64,
    /// Rows that may leave the views by themselves.
    pub allowed: i64,
}

impl ServiceFacts {
    /// What the service would take out of the views and nobody has accepted.
    pub fn unaccepted(&self) -> Counts {
        self.removed.without(self.accepted)
    }
}

/// The bound that a service passes by itself.
pub fn service(bounds: &MaxRemoved, id: &ServiceId, facts: &ServiceFacts) -> Option<Exceeded> {
    let allowed = |level| allowed(bounds, level, facts.visible.of(level));
    let exceeded = exceeded(&facts.unaccepted(), &facts.visible, allowed)?;
    Some(Exceeded { service_id: Some(id.clone()), ..exceeded })
}

/// The bound that all services of a run pass together.
pub fn in_all<'f>(bounds: &MaxRemoved, services: impl IntoIterator<Item = &'f ServiceFacts>) -> Option<Exceeded> {
    let (mut removed, mut visible) = (Counts::default(), Counts::default());
    for facts in services {
        removed = removed.plus(facts.unaccepted());
        visible = visible.plus(facts.visible);
    }
    if bounds.is_off() {
        return None;
    }
    // Not the last row of a level, however few there are.
    let allowed = |level| allowed(bounds, level, visible.of(level)).min(visible.of(level).saturating_sub(1)).max(0);
    exceeded(&removed, &visible, allowed)
}

/// The first bound that a whole run passes: of one of its services, or in all.
pub(crate) fn of_whole_run(bounds: &MaxRemoved, services: &[Service]) -> Option<Exceeded> {
    let own = services.iter().find_map(|each| service(bounds, &each.service_id, &each.facts));
    own.or_else(|| in_all(bounds, services.iter().map(|each| &each.facts)))
}

fn exceeded(removed: &Counts, visible: &Counts, allowed: impl Fn(Level) -> i64) -> Option<Exceeded> {
    Counts::LEVELS.into_iter().find_map(|level| {
        let (removed, visible, allowed) = (removed.of(level), visible.of(level), allowed(level));
        (removed > allowed).then_some(Exceeded { service_id: None, level, removed, visible, allowed })
    })
}

/// Rows of a level that may go, of so many.
fn allowed(bounds: &MaxRemoved, level: Level, visible: i64) -> i64 {
    if bounds.is_off() {
        return i64::MAX;
    }
    let number = match level {
        Level::Service => bounds.services,
        Level::Provider => bounds.providers,
        Level::Bundle => bounds.bundles,
        Level::SubscriptionField => bounds.subscription_fields,
    };
    let share = visible.saturating_mul(i64::from(bounds.percent)) / 100;
    share.max(i64::from(number))
}

impl std::fmt::Display for Exceeded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { service_id, level, removed, visible, allowed } = self;
        let rows = match level {
            Level::Service => "services",
            Level::Provider => "providers",
            Level::Bundle => "bundles",
            Level::SubscriptionField => "subscription fields",
        };
        match service_id {
            Some(id) => write!(f, "service `{id}` would lose {removed} of {visible} {rows}")?,
            None => write!(f, "the run would take away {removed} of {visible} {rows} in all")?,
        }
        write!(f, ", and only {allowed} may go without acceptance")
    }
}

fn word<S: serde::Serializer>(level: &Level, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(level.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: MaxRemoved =
        MaxRemoved { percent: 20, services: 10, providers: 10, bundles: 50, subscription_fields: 500 };

    fn counts(services: i64, providers: i64, bundles: i64, subscription_fields: i64) -> Counts {
        Counts { services, providers, bundles, subscription_fields }
    }

    fn facts(visible: Counts, removed: Counts) -> ServiceFacts {
        ServiceFacts { visible, removed, ..ServiceFacts::default() }
    }

    fn held(visible: Counts, removed: Counts) -> Option<Exceeded> {
        service(&BOUNDS, &"s".into(), &facts(visible, removed))
    }

    #[test]
    fn a_service_may_lose_its_share_or_its_number_and_no_more() {
        let visible = counts(1, 105, 1_000, 20_000);
        assert_eq!(held(visible, counts(0, 21, 200, 4_000)), None);
        let exceeded = held(visible, counts(0, 22, 200, 4_000)).unwrap();
        assert_eq!((exceeded.level, exceeded.removed, exceeded.allowed), (Level::Provider, 22, 21));
        assert_eq!(held(visible, counts(0, 0, 201, 0)).unwrap().level, Level::Bundle);
        assert_eq!(held(visible, counts(0, 0, 0, 4_001)).unwrap().level, Level::SubscriptionField);
    }

    #[test]
    fn a_small_service_may_be_emptied_and_a_small_run_may_not() {
        let small = facts(counts(1, 3, 6, 12), counts(1, 3, 6, 12));
        assert_eq!(service(&BOUNDS, &"s".into(), &small), None);
        let other = facts(counts(1, 1, 1, 1), Counts::default());
        assert_eq!(in_all(&BOUNDS, [&small, &other]), None);
        assert_eq!(in_all(&BOUNDS, [&small]).unwrap().level, Level::Service);
        let emptied = facts(counts(1, 3, 6, 12), counts(0, 0, 6, 12));
        let other = facts(counts(1, 1, 0, 0), Counts::default());
        let exceeded = in_all(&BOUNDS, [&emptied, &other]).unwrap();
        assert_eq!((exceeded.level, exceeded.removed, exceeded.allowed), (Level::Bundle, 6, 5));
    }

    #[test]
    fn services_that_lose_little_each_are_counted_together() {
        let each = facts(counts(1, 20, 40, 80), counts(0, 9, 18, 36));
        assert_eq!(service(&BOUNDS, &"s".into(), &each), None);
        assert_eq!(in_all(&BOUNDS, [each; 2].iter()).unwrap().level, Level::Provider);
    }

    #[test]
    fn a_first_run_takes_nothing_away() {
        let first = facts(Counts::default(), Counts::default());
        assert_eq!((service(&BOUNDS, &"s".into(), &first), in_all(&BOUNDS, [&first])), (None, None));
    }

    #[test]
    fn what_a_person_accepted_no_longer_counts_and_what_comes_later_does() {
        let mut facts = facts(counts(1, 100, 0, 0), counts(0, 95, 0, 0));
        facts.accepted = counts(0, 95, 0, 0);
        assert_eq!((service(&BOUNDS, &"s".into(), &facts), in_all(&BOUNDS, [&facts])), (None, None));
        facts.removed.providers = 96;
        assert_eq!(facts.unaccepted().providers, 1);
        facts.removed.providers = 100;
        facts.accepted.providers = 60;
        assert_eq!(service(&BOUNDS, &"s".into(), &facts).unwrap().removed, 40);
    }

    #[test]
    fn all_of_it_may_go_when_the_share_is_everything() {
        let off = MaxRemoved { percent: 100, ..BOUNDS };
        let all = facts(counts(1, 500, 900, 9_000), counts(1, 500, 900, 9_000));
        assert_eq!((service(&off, &"s".into(), &all), in_all(&off, [&all])), (None, None));
    }
}
