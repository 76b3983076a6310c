//! The switch of readers, at each size: is it as short for much data as for little?
//!
//! A pipeline without an activator stores all batches; then each service is activated here, one after another, and the
//! whole call is timed: proof, switch and end of the run. Later runs over unchanged data give more switches. Rolling
//! back moves the pointers of all services in one transaction.

use std::time::Instant;

use pipeline_model::ids::{RunId, ServiceId};
use pipeline_store::{Outcome, RolledBack, Store};

use super::{Bench, figure, verdict};
use crate::{
    pipeline::{Pipeline, Plan},
    results::{Figure, Goal, Quantity},
    size::Size,
    statistics::percentile,
};

/// Runs at each size: 40 switches each.
const RUNS: usize = 5;

/// Moves of all pointers there and back.
const ROLLBACKS: usize = 100;

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let plan = Plan { activators: 0, settings: bench.wanted.settings.clone(), ..Plan::of(&size.source(1)) };
    let pipeline = Pipeline::start(&bench.servers, &plan);
    let (mut switches, mut rollbacks) = (Vec::new(), Vec::new());
    bench.runtime.block_on(async {
        let target = bench.servers.settings(&pipeline.database).target;
        let store = Store::connect(&target).await.expect("the database answers");
        for _ in 0..RUNS {
            let run = pipeline.run_to_stored(&[]);
            switch_all(&store, &pipeline, &run.id, &mut switches).await;
        }
        for _ in 0..ROLLBACKS {
            let moves = store.plan_rollback(&[]).await.expect("a plan");
            let begun = Instant::now();
            let moved = store.roll_back(&moves, "bench", "to measure").await.expect("the pointers are moved");
            rollbacks.push(milliseconds(begun));
            assert_eq!(moved, RolledBack::Done);
        }
        store.close().await;
    });
    pipeline.stop();
    let slowest = percentile(&switches, 0.99).max(percentile(&rollbacks, 0.99));
    vec![figure(
        "activation",
        size.name(),
        vec![verdict("at the 99th percentile", slowest, "ms", Goal::AtMost(50.0))],
        vec![Quantity::new("one service", "ms", switches), Quantity::new("all services, back", "ms", rollbacks)],
    )]
}

async fn switch_all(store: &Store, pipeline: &Pipeline, run: &str, switches: &mut Vec<f64>) {
    let run_id = RunId::parse(run).expect("the id of a run");
    let services = pipeline
        .database
        .session()
        .rows(&format!("SELECT service_id FROM sluice_run_service WHERE run_id = '{run}' ORDER BY service_id"));
    for service in services.into_iter().flatten().map(ServiceId) {
        let begun = Instant::now();
        let outcome = store.activate(run_id, &service).await.expect("the service is activated");
        switches.push(milliseconds(begun));
        assert!(matches!(outcome, Outcome::Activated(_)), "`{service}` was not activated: {outcome:?}");
    }
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1_000.0
}
