//! What can be seen of a target from outside: told by the model, and read from the store and its views.

use pipeline_model::ids::ServiceId;
use pipeline_store::{Counts, Progress, proof};
use sqlx::{AssertSqlSafe, Row};

use crate::{
    hold::without_numbers,
    ledger::{Ledger, Pointer, Run, RunState, ServiceState, Set},
    real::{Reader, Real, bit, number, run_state, service_id, small},
    rows::{RUNS, View},
    source::{PROVIDERS, SERVICES, Sums, shape},
};

/// What every step is followed by: the readers' view, the pointers, the timer's list, and one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    views: [View; SERVICES],
    pointers: [Pointer; SERVICES],
    /// Which services the timer would try; only whether, when it is to end a run.
    activatable: Vec<(usize, Option<usize>)>,
    /// Rows that readers should not see as they do.
    wrong_rows: Vec<String>,
    run: Option<ObservedRun>,
}

/// Everything else, once the history is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    runs: [Option<ObservedRun>; RUNS],
    latest: Option<usize>,
    discovered: [Vec<usize>; RUNS],
    /// For each service of each run its batches: their providers, and whether they are stored.
    batches: [[Vec<(Set, bool)>; SERVICES]; RUNS],
    /// What is still to be announced: run, service, epoch, removed, providers, rows.
    unannounced: Vec<(usize, usize, u8, bool, u8, Sums)>,
}

/// One run, as `progress` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ObservedRun {
    state: RunState,
    generation: u8,
    discovered: bool,
    /// Expected, discovered, planned, activated and removed services.
    services: (Option<u8>, u8, u8, u8, u8),
    /// Planned and stored batches.
    batches: (u8, u8),
    /// Planned, stored, unchanged, rejected and skipped providers.
    providers: (u8, u8, u8, u8, u8),
    rows: Sums,
    written: Sums,
    removed: Counts,
    held: Option<String>,
    planning_complete: bool,
}

// === impl Glance ===

impl Glance {
    pub fn of(ledger: &Ledger, run: usize) -> Self {
        let mut views = [View::default(); SERVICES];
        (0..SERVICES).for_each(|service| views[service] = ledger.view(service));
        let ends = |run: usize| ledger.runs[run].left().next().is_none();
        let found = ledger.activatable().into_iter();
        Self {
            views,
            pointers: ledger.pointers,
            activatable: found.map(|(run, service)| (run, (!ends(run)).then_some(service))).collect(),
            wrong_rows: Vec::new(),
            run: ObservedRun::of(&ledger.runs[run]),
        }
    }

    pub async fn read(real: &Real, run: usize) -> Self {
        let run = ObservedRun::read(real, run).await;
        let mut pointers = [Pointer::default(); SERVICES];
        let all = [0, 1, 2].map(service_id);
        for each in real.store.plan_rollback(&all).await.unwrap() {
            pointers[number(each.service_id.as_str())] =
                Pointer { generation: small(each.from.0), previous: small(each.to.0), epoch: small(each.epoch) };
        }
        let (views, wrong_rows) = views(real, &pointers).await;
        let mut activatable = Vec::new();
        for (id, service) in real.store.activatable().await.unwrap().due() {
            let run = real.runs.iter().position(|run| *run == id).unwrap();
            let progress = real.store.progress(id).await.unwrap().unwrap().services;
            let ends = progress.expected.is_some() && progress.activated == progress.discovered;
            activatable.push((run, (!ends).then_some(number(service.as_str()))));
        }
        Self { views, pointers, activatable, wrong_rows, run }
    }
}

/// The four views, and their rows that are not of the generation that the pointer says, or that lack others.
async fn views(real: &Real, pointers: &[Pointer; SERVICES]) -> ([View; SERVICES], Vec<String>) {
    let sql = "SELECT service_id, '', name, CAST(generation AS CHAR), 'service' FROM provider_services \
        UNION ALL SELECT service_id, provider_id, name, CAST(generation AS CHAR), 'provider' FROM providers \
        UNION ALL SELECT service_id, provider_id, name, CAST(generation AS CHAR), 'bundle' FROM bundles \
        UNION ALL SELECT service_id, provider_id, value, CAST(generation AS CHAR), 'field' FROM subscription_fields";
    let mut views = [View::default(); SERVICES];
    let mut counted = [[Sums::default(); PROVIDERS]; SERVICES];
    let mut wrong = Vec::new();
    let mut rows = rows_of(real, sql).await;
    rows.sort_by_key(|row| ["service", "provider", "bundle", "field"].iter().position(|level| *level == row[4]));
    for row in rows {
        let service = number(&row[0]);
        let provider = row[1].get(1..).map_or(0, |_| number(&row[1]));
        if row[3] != pointers[service].generation.to_string() {
            wrong.push(format!("{row:?} is of another generation"));
        }
        match (row[4].as_str(), &mut views[service].providers[provider]) {
            ("service", _) => views[service].service = Some(says(&row[2])),
            ("provider", shown) => *shown = Some((says(&row[2]), 0)),
            ("bundle", Some(shown)) => {
                shown.1 = says(&row[2]);
                counted[service][provider].bundles += 1;
            }
            ("field", Some(_)) => counted[service][provider].fields += 1,
            _ => wrong.push(format!("{row:?} is shown without its provider")),
        }
    }
    for (service, view) in views.iter().enumerate() {
        for (shown, counted) in view.providers.iter().zip(counted[service]) {
            if counted != shown.map(|(_, content)| shape(content)).unwrap_or_default() {
                wrong.push(format!("service {service} shows {counted:?} of {shown:?}"));
            }
        }
    }
    (views, wrong)
}

async fn rows_of(real: &Real, sql: &'static str) -> Vec<[String; 5]> {
    match &mut *real.reader.lock().await {
        Reader::Sqlite(connection) => {
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
            rows.iter().map(|row| [0, 1, 2, 3, 4].map(|column| row.get_unchecked(column))).collect()
        }
        Reader::MySql(connection) => {
            let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await.unwrap();
            rows.iter().map(|row| [0, 1, 2, 3, 4].map(|column| row.get_unchecked(column))).collect()
        }
    }
}

fn says(text: &str) -> u8 {
    u8::try_from(number(text)).unwrap()
}

// === impl Whole ===

impl Whole {
    pub fn of(ledger: &Ledger) -> Self {
        let by_generation = |run: &usize| ledger.runs[*run].generation;
        let latest = (0..RUNS).max_by_key(by_generation).filter(|run| by_generation(run) != 0);
        let mut whole = Self { latest, ..Self::empty() };
        for (number, run) in ledger.runs.iter().enumerate() {
            whole.runs[number] = ObservedRun::of(run);
            for (place, service) in run.services.iter().enumerate() {
                if !matches!(service.state, ServiceState::Absent | ServiceState::Rejected) {
                    whole.discovered[number].push(place);
                }
                let batches = service.batches().iter();
                whole.batches[number][place] = batches.map(|batch| (batch.providers, batch.stored)).collect();
                if service.unannounced {
                    let Run { services, .. } = run;
                    let told = &services[place];
                    whole.unannounced.push((number, place, told.epoch, told.removed, told.providers, told.rows()));
                }
            }
        }
        whole
    }

    pub async fn read(real: &Real) -> Self {
        let latest = real.store.latest_run().await.unwrap();
        let place = |id| real.runs.iter().position(|run| *run == id).unwrap();
        let mut whole = Self { latest: latest.map(|run| place(run.run_id)), ..Self::empty() };
        for run in 0..RUNS {
            whole.runs[run] = ObservedRun::read(real, run).await;
            let discovered = real.store.discovered_services(real.runs[run]).await.unwrap();
            whole.discovered[run] = discovered.iter().map(|service| number(service.as_str())).collect();
            for service in 0..SERVICES {
                let planned = real.store.planned_batches(real.runs[run], &service_id(service)).await.unwrap();
                let set = |ids: &[pipeline_model::ids::ProviderId]| {
                    ids.iter().fold(0, |set, id| set | (1 << number(id.as_str())))
                };
                whole.batches[run][service] =
                    planned.iter().map(|batch| (set(&batch.provider_ids), batch.stored)).collect();
            }
        }
        for told in real.store.unannounced(None).await.unwrap() {
            let rows = Sums { bundles: small(told.bundles), fields: small(told.subscription_fields) };
            let ServiceId(service) = &told.service_id;
            let run = place(told.run_id);
            assert_eq!(small(told.generation.0), whole.runs[run].as_ref().unwrap().generation);
            let providers = small(told.providers);
            whole.unannounced.push((run, number(service), small(told.epoch), told.removed, providers, rows));
        }
        whole.unannounced.sort_unstable_by_key(|told| (told.0, told.1));
        whole
    }

    fn empty() -> Self {
        Self {
            runs: [const { None }; RUNS],
            latest: None,
            discovered: Default::default(),
            batches: Default::default(),
            unannounced: Vec::new(),
        }
    }
}

// === impl ObservedRun ===

impl ObservedRun {
    fn of(run: &Run) -> Option<Self> {
        if run.state == RunState::Unknown {
            return None;
        }
        let parts = || {
            run.services
                .iter()
                .filter(|service| !matches!(service.state, ServiceState::Absent | ServiceState::Rejected))
        };
        let count = |of: fn(&crate::ledger::Service) -> bool| parts().filter(|service| of(service)).count() as u8;
        let sum = |of: fn(&proof::ServiceFacts) -> i64| parts().map(|service| of(&service.facts())).sum::<i64>() as u8;
        let discovered = count(|_| true);
        let planned = count(crate::ledger::Service::planned);
        let mut observed = Self {
            state: run.state,
            generation: run.generation,
            discovered: run.discovered,
            services: (
                run.discovered.then_some(discovered),
                discovered,
                planned,
                count(|service| service.state == ServiceState::Activated),
                count(|service| service.removed),
            ),
            batches: (sum(|facts| facts.batches), sum(|facts| facts.batches_stored)),
            providers: (
                sum(|facts| facts.expected_providers),
                sum(|facts| facts.stored),
                sum(|facts| facts.unchanged),
                sum(proof::ServiceFacts::all_rejected),
                sum(|facts| facts.skipped),
            ),
            rows: Sums::default(),
            written: Sums::default(),
            removed: Counts::default(),
            held: run.held(),
            planning_complete: run.discovered && planned == discovered,
        };
        for service in parts() {
            observed.rows.add(service.rows());
            observed.written.add(service.written());
            observed.removed = observed.removed.plus(service.taken().counts());
        }
        Some(observed)
    }

    async fn read(real: &Real, run: usize) -> Option<Self> {
        let told = real.store.progress(real.runs[run]).await.unwrap()?;
        let Progress { run, services, batches, providers, .. } = told;
        Some(Self {
            state: run_state(run.state),
            generation: run.generation.map_or(0, |generation| small(generation.0)),
            discovered: run.discovered,
            services: (
                services.expected.map(small),
                small(services.discovered),
                small(services.planned),
                small(services.activated),
                small(services.removed),
            ),
            batches: (small(batches.planned), small(batches.stored)),
            providers: (
                small(providers.planned),
                small(providers.stored),
                small(providers.unchanged),
                small(providers.rejected),
                small(providers.skipped),
            ),
            rows: Sums { bundles: small(told.bundles), fields: small(told.subscription_fields) },
            written: Sums { bundles: small(told.bundles_written), fields: small(told.fields_written) },
            removed: told.removed,
            held: told.held.as_deref().map(without_numbers),
            planning_complete: told.planning_complete,
        })
    }
}

/// The services that an order is about, for the model.
pub fn epochs_of(order: &[pipeline_store::Move]) -> [u8; SERVICES] {
    let mut epochs = [0; SERVICES];
    for each in order {
        epochs[bit(&each.service_id).trailing_zeros() as usize] = small(each.epoch);
    }
    epochs
}
