//! The table of figures, and how each is measured.
//!
//! What is measured together stands in one module: a load gives the rate, the second run and the memory at once.

use std::{cell::OnceCell, path::PathBuf};

use tokio::runtime::Runtime;

use crate::{
    machine,
    results::{Figure, Goal, Quantity, Verdict},
    servers::Servers,
    size::Size,
};

mod activation;
mod again;
mod load;
mod old_way;
mod peers;
mod per_message;
mod scale;
mod start;
mod tls;
mod tracing_cost;

/// A way to measure one or more figures.
type Measure = fn(&Bench, Size) -> Vec<Figure>;

/// What is measured together.
pub struct Measurement {
    /// The figures it gives.
    pub figures: &'static [&'static str],
    /// The sizes it is made at unless one is asked for.
    sizes: &'static [Size],
    measure: Measure,
}

/// In the order of the page.
pub const MEASUREMENTS: [Measurement; 9] = [
    Measurement { figures: &["load", "again", "memory"], sizes: &[Size::S, Size::M, Size::L], measure: load::measure },
    Measurement { figures: &["old-way"], sizes: &[Size::M], measure: old_way::measure },
    Measurement { figures: &["peers"], sizes: &[Size::M], measure: peers::measure },
    Measurement { figures: &["activation"], sizes: &[Size::S, Size::M, Size::L], measure: activation::measure },
    Measurement { figures: &["per-message"], sizes: &[Size::M], measure: per_message::measure },
    Measurement { figures: &["scale"], sizes: &[Size::M], measure: scale::measure },
    Measurement { figures: &["start"], sizes: &[Size::M], measure: start::measure },
    Measurement { figures: &["tracing"], sizes: &[Size::M], measure: tracing_cost::measure },
    Measurement { figures: &["tls"], sizes: &[Size::M], measure: tls::measure },
];

/// What all measurements share.
pub struct Bench {
    servers: Servers,
    runtime: Runtime,
    folder: PathBuf,
    wanted: Wanted,
    /// What is measured; asked before anything is written.
    commit: String,
    warm_up_runs: OnceCell<usize>,
}

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only this figure.
    pub figure: Option<String>,
    /// Only this size.
    pub size: Option<Size>,
    /// How often, instead of what the size says.
    pub rounds: Option<usize>,
    /// Settings for the stages, instead of the defaults.
    pub settings: Vec<(String, String)>,
    /// Leave out what needs programs that the ordinary set-up does not have.
    pub without_peers: bool,
}

// === impl Measurement ===

impl Measurement {
    fn is_wanted(&self, wanted: &Wanted) -> bool {
        let named = wanted.figure.as_deref().is_none_or(|name| self.figures.contains(&name));
        named && !(wanted.without_peers && self.figures.contains(&"peers"))
    }
}

// === impl Bench ===

impl Bench {
    /// Starts the servers. Data on disk goes to a folder that is gone in the end.
    pub fn start(wanted: Wanted) -> Self {
        let folder = std::env::temp_dir().join(format!("sluice-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        let runtime = Runtime::new().expect("a runtime");
        let (commit, servers) = (machine::commit(), Servers::start());
        Self { servers, runtime, folder, wanted, commit, warm_up_runs: OnceCell::new() }
    }

    /// Measures what is wanted and tells each figure to `found` as soon as there is one.
    pub fn run(&self, mut found: impl FnMut(Vec<Figure>)) {
        for measurement in MEASUREMENTS.iter().filter(|measurement| measurement.is_wanted(&self.wanted)) {
            let asked = self.wanted.size;
            let sizes = asked.as_ref().map_or(measurement.sizes, std::slice::from_ref);
            for size in sizes {
                let warm_up_runs = self.warm_up(*size);
                println!("bench: {} at {size}", measurement.figures.join(", "));
                let measured = (measurement.measure)(self, *size).into_iter();
                found(measured.map(|it| Figure { commit: self.commit.clone(), warm_up_runs, ..it }).collect());
            }
        }
    }

    /// Once, before the first measurement that counts.
    fn warm_up(&self, size: Size) -> usize {
        if size == Size::Xs { 0 } else { *self.warm_up_runs.get_or_init(|| self.servers.warm_up()) }
    }

    fn rounds(&self, size: Size) -> usize {
        self.wanted.rounds.unwrap_or_else(|| size.rounds())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // What stays in the system's temporary folder does no harm.
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A figure at a size, measured today; [`Bench::run`] adds on what build and on what broker.
fn figure(name: &str, size: &str, verdicts: Vec<Verdict>, quantities: Vec<Quantity>) -> Figure {
    for verdict in &verdicts {
        let Verdict { what, value, unit, .. } = verdict;
        println!("bench:   {name} {size}: {value:.3} {unit} {what}");
    }
    for quantity in &quantities {
        let Quantity { what, unit, .. } = quantity;
        println!("bench:     {what}: {:.3} {unit}", quantity.median());
    }
    let (commit, warm_up_runs) = (String::new(), 0);
    let (name, size) = (name.to_owned(), size.to_owned());
    Figure { name, size, measured_on: machine::today(), commit, warm_up_runs, verdicts, quantities }
}

fn verdict(what: &str, value: f64, unit: &str, goal: Goal) -> Verdict {
    Verdict { what: what.to_owned(), value, unit: unit.to_owned(), goal }
}

/// A count as a number to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn number(count: i64) -> f64 {
    count as f64
}
