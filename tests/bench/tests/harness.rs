//! The harness at its smallest: every figure but the one that needs Kafka Connect is measured once.
//!
//! Nothing is said about the values: a test machine is busy. What is held is that each measurement works, does what it
//! says on both sides, and that the page shows it.

use bench::{
    figures::{Bench, MEASUREMENTS, Wanted},
    machine::Machine,
    page,
    results::{CPU_OF, Part, Quantity, Results},
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
            let shown = match quantity.part {
                Part::Main => page.contains(&format!("| {} | {} |", quantity.what, quantity.unit)),
                Part::Processor | Part::Steps => {
                    page.contains(&format!("| {} ", quantity.what.trim_start_matches(CPU_OF)))
                }
            };
            assert!(shown, "{name}: {} is not shown", quantity.what);
        }
    }
    for name in ["load", "again"] {
        let figure = results.of(name).next().expect("a load gives both");
        let spent: Vec<&Quantity> = figure.of(Part::Processor).collect();
        let processes: Vec<&str> = spent.iter().map(|quantity| quantity.what.trim_start_matches(CPU_OF)).collect();
        let stages = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];
        assert_eq!(processes, [&stages[..], &["database", "broker"]].concat(), "{name}");
        assert!(spent.iter().map(|quantity| quantity.median()).sum::<f64>() > 0.0, "{name}: nobody spent anything");
        let step = |what: &str| figure.values(what).first().copied().expect("the ledger has the time of each step");
        let order = ["opened", "discovered", "first planned", "first stored", "last stored", "finished"];
        assert!(order.map(step).is_sorted(), "{name}: {:?}", order.map(step));
        assert!((step("first planned")..=step("last stored")).contains(&step("last planned")), "{name}");
    }
}
