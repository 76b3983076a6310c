//! Measures and writes the page: `cargo xtask bench` builds what it needs and runs it.
#![expect(clippy::print_stdout, reason = "progress is for the person who measures")]

use std::path::PathBuf;

use bench::{
    costs,
    figures::{Bench, MEASUREMENTS, Wanted},
    machine::Machine,
    page,
    results::Results,
    size::Size,
};
use clap::Parser;

/// Measures Sluice against its counterparts.
#[derive(Parser)]
struct Arguments {
    /// Only this figure; the others keep their last results.
    #[arg(long)]
    figure: Option<String>,
    /// Only this size: XS, S, M or L.
    #[arg(long)]
    size: Option<Size>,
    /// How often each is measured, instead of what the size says.
    #[arg(long)]
    rounds: Option<usize>,
    /// A setting for the stages, instead of its default; such a result is only shown, not kept.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    settings: Vec<(String, String)>,
    /// Only show the results.
    #[arg(long)]
    dry_run: bool,
    /// Leave out the comparison with Kafka Connect.
    #[arg(long)]
    without_peers: bool,
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(name) = &arguments.figure {
        let names: Vec<&str> = MEASUREMENTS.iter().flat_map(|measurement| measurement.figures).copied().collect();
        assert!(names.contains(&name.as_str()), "`{name}` is not a figure: {}", names.join(", "));
    }
    let keep = !arguments.dry_run && arguments.settings.is_empty();
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let kept = docs.join("benchmarks.json");
    let mut results = Results::read(&kept);
    let bench = Bench::start(Wanted {
        figure: arguments.figure,
        size: arguments.size,
        rounds: arguments.rounds,
        settings: arguments.settings,
        without_peers: arguments.without_peers,
    });
    bench.run(|figures| {
        results.merge(Machine::this(), figures);
        if keep {
            // After each, so that a long run that is cut off keeps what it has.
            results.write(&kept);
            page::write(&results, &docs);
            costs::write(&results, &docs);
        }
    });
    println!("bench: done");
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
