//! The harness at its smallest: every figure but the one that needs Kafka Connect is measured once.
//!
//! Nothing is said about the values: a test machine is busy. What is held is that each measurement works, does what it
//! says on both sides, and that the page shows it.

use bench::{
    figures::{Bench, MEASUREMENTS, Wanted},
    machine::Machine,
    page,
    results::Results,
    size::Size,
};

#[test]
fn every_figure_can_be_measured_and_is_shown() {
    let mut results = Results::default();
    let wanted = Wanted { size: Some(Size::Xs), without_peers: true, ..Wanted::default() };
    Bench::start(wanted).run(|figures| results.merge(Machine::this(), figures));
    let page = page::markdown(&results);
    for name in MEASUREMENTS.iter().flat_map(|measurement| measurement.figures).filter(|name| **name != "peers") {
        let figure = results.of(name).next().unwrap_or_else(|| panic!("`{name}` was not measured"));
        assert!(!figure.verdicts.is_empty() && figure.verdicts.iter().all(|verdict| verdict.value.is_finite()));
        for quantity in &figure.quantities {
            assert!(!quantity.values.is_empty(), "{name}: no values of {}", quantity.what);
            assert!(page.contains(&format!("| {} | {} |", quantity.what, quantity.unit)), "{name} is not shown");
        }
    }
}
