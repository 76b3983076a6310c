//! One, two and four workers of the bundles stage, when the source and not this machine is the limit.
//!
//! Every answer of the source takes 200 ms, as from a busy database far away, and a batch is small, so that the workers
//! mostly wait. What is timed is the time from the first planned batch to the last stored one.

use super::{Bench, figure, verdict};
use crate::{
    pipeline::{Pipeline, Plan},
    results::{Figure, Goal, Quantity},
    size::Size,
    statistics::median,
};

/// Providers without much below them, from a slow source.
const SOURCE: &str = "generator:?services=40&providers=6000&bundles=1&fields=1&seed=1&latency_ms=200";
/// The same for the tests of this crate.
const TINY_SOURCE: &str = "generator:?services=2&providers=20&bundles=1&fields=1&seed=1&latency_ms=20";
/// Providers in a batch.
const BATCH: [&str; 2] = ["--batch-size", "5"];

const WORKERS: [usize; 3] = [1, 2, 4];

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let source = if size == Size::Xs { TINY_SOURCE } else { SOURCE };
    let mut times: [Vec<f64>; WORKERS.len()] = Default::default();
    for _ in 0..bench.rounds(size).min(3) {
        for (times, bundles) in times.iter_mut().zip(WORKERS) {
            let plan = Plan { bundles, settings: bench.wanted.settings.clone(), ..Plan::of(source) };
            let pipeline = Pipeline::start(&bench.servers, &plan);
            times.push(pipeline.run_to_stored(&BATCH).seconds);
            pipeline.stop();
        }
    }
    let [one, two, four] = &times;
    let verdicts = vec![
        verdict("as fast with two workers", median(one) / median(two), "×", Goal::AtLeast(1.8)),
        verdict("as fast with four workers", median(one) / median(four), "×", Goal::AtLeast(3.5)),
    ];
    let named = WORKERS.into_iter().zip(times);
    let quantities = named.map(|(workers, times)| Quantity::new(&format!("workers: {workers}"), "s", times)).collect();
    vec![figure("scale", "", verdicts, quantities)]
}
