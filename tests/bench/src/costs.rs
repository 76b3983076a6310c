//! `docs/capacity.json`: the constants that `sluice capacity` reckons with.
//!
//! Those of speed and memory follow from the results and are written anew with them. The others were measured by hand and
//! stay as they are; `docs/capacity.md` says where.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{
    results::{Figure, Results},
    statistics::median,
};

const FILE: &str = "capacity.json";
/// Rows of sizes S and M.
const ROWS: (f64, f64) = (122_040.0, 1_220_040.0);
/// Share of the content that the second run writes.
const WRITTEN_AGAIN: f64 = 0.01;
/// Bytes of the documents that the bundles stage has in hand: the default of `stage.in_flight` in batches of the default
/// size, of 1,000 bundles.
const IN_HAND: f64 = 8.0 * 1_000.0 * (196.0 + 5.0 * 92.0);
const MEBIBYTE: f64 = 1024.0 * 1024.0;

/// The constants by their names, in seconds and bytes.
type Constants = BTreeMap<String, f64>;

/// The constants with the values that follow from the results, or `None` where these lack a figure.
fn renewed(mut constants: Constants, results: &Results) -> Option<Constants> {
    for (name, value) in measured(&constants, results)? {
        constants.insert(name.to_owned(), four_digits(value));
    }
    Some(constants)
}

fn read(docs: &Path) -> Constants {
    let text = fs::read_to_string(docs.join(FILE)).expect("the constants are there");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("docs/{FILE} does not hold constants: {error}"))
}

/// Writes the file anew, in the folder of documents.
pub fn write(results: &Results, docs: &Path) {
    if let Some(renewed) = renewed(read(docs), results) {
        let text = serde_json::to_string_pretty(&renewed).expect("constants are plain data");
        fs::write(docs.join(FILE), text + "\n").unwrap_or_else(|error| panic!("could not write docs/{FILE}: {error}"));
    }
}

/// What follows from the results.
fn measured(constants: &Constants, results: &Results) -> Option<[(&'static str, f64); 6]> {
    let by_hand = |name: &str| constants.get(name).copied();
    let (load, again) = (at(results, "load", "M")?, at(results, "again", "M")?);
    let (database_row, stages_row) = (of(load, "database CPU, Sluice")? / 1e6, of(load, "CPU of all stages")? / 1e6);
    let (small, large) = (of(at(results, "again", "S")?, "first run")?, of(again, "first run")?);
    let second = of(again, "second run")?;
    // The line through both first runs, at no rows. No run is faster than that, the second one included.
    let intercept = small - (large - small) * ROWS.0 / (ROWS.1 - ROWS.0);
    let start = intercept.clamp(0.0, 0.8 * second);
    let processors = f64::from(u32::try_from(results.machine.processors).ok()?);
    let busy = (second - start) * processors * by_hand("utilisation")?;
    let reading_row = busy / ROWS.1 - WRITTEN_AGAIN * (database_row + stages_row);
    let memory = at(results, "memory", "M")?;
    let (idle, loaded) = (of(memory, "stage-activator")? * MEBIBYTE, of(memory, "stage-bundles")? * MEBIBYTE);
    let index = 10_000.0 * by_hand("index_memory_per_provider")?;
    Some([
        ("database_cpu_per_row", database_row),
        ("stages_cpu_per_row", stages_row),
        ("reading_cpu_per_row", reading_row.clamp(0.0, stages_row)),
        ("start", start),
        ("stage_memory", idle),
        ("memory_per_document_byte", ((loaded - idle - index) / IN_HAND).max(1.0)),
    ])
}

fn at<'r>(results: &'r Results, figure: &'r str, size: &str) -> Option<&'r Figure> {
    results.of(figure).find(|figure| figure.size == size)
}

fn of(figure: &Figure, quantity: &str) -> Option<f64> {
    let values = figure.values(quantity);
    (!values.is_empty()).then(|| median(values))
}

/// A value without digits that no measurement has.
fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_in_step_with_the_results() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let results = Results::read(&docs.join("benchmarks.json"));
        if std::env::var_os("SLUICE_BLESS").is_some() {
            write(&results, &docs);
        }
        let renewed = renewed(read(&docs), &results).expect("all figures that the constants need are published");
        assert_eq!(read(&docs), renewed, "docs/{FILE} is not what the results say: run `cargo xtask generate`");
    }

    #[test]
    fn results_without_a_figure_change_nothing() {
        assert_eq!(renewed(Constants::new(), &Results::default()), None);
    }
}
