//! The first run against the floor: the same rows into the same tables by `LOAD DATA LOCAL INFILE` on four connections.
//!
//! The source is a folder on disk, read and indexed anew by every stage; the floor reads files that hold nothing but the
//! rows. Both begin with empty tables on the same server, with everything started and connected. The second run, after
//! one percent of the providers changed, and the peak memory of each stage come from the same processes.

use super::{Bench, again, figure, number, verdict};
use crate::{
    pipeline::{Pipeline, Plan, Ran},
    results::{CPU_OF, Figure, Goal, Part, Quantity},
    revisions::Revisions,
    rows::{self, Dump},
    servers::drop_database,
    size::Size,
    statistics::median,
    usage::{Named, Spent},
};

/// What the rounds gave.
#[derive(Default)]
struct Rounds {
    /// Rows that each first run stored, in millions.
    millions: f64,
    first: Vec<Measured>,
    second: Vec<Measured>,
    peaks: Vec<Named>,
    floor: Vec<f64>,
    floor_cpu: Vec<f64>,
}

/// A run, the processor time that was spent while it lasted, and its course.
pub(super) struct Measured {
    pub(super) ran: Ran,
    spent: Spent,
    steps: Named,
}

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let source = Revisions::new(bench.folder.join("source"), size, &bench.runtime);
    let mut rounds = Rounds::default();
    let mut dump = None;
    for _ in 0..bench.rounds(size) {
        source.show(1);
        let plan = Plan { settings: bench.wanted.settings.clone(), ..Plan::of(&source.url()) };
        let pipeline = Pipeline::start(&bench.servers, &plan);
        let first = Measured::run(bench, &pipeline, "first");
        let loaded = rows::count(&mut pipeline.database.session());
        let dump = dump.get_or_insert_with(|| Dump::write(&pipeline.database, &bench.folder.join("dump")));
        assert_eq!(loaded, dump.rows, "every round loads the same rows");
        source.show(2);
        let second = Measured::run(bench, &pipeline, "again");
        rounds.peaks.push(pipeline.peaks());
        pipeline.stop();
        rounds.millions = number(loaded) / 1e6;
        rounds.first.push(first);
        rounds.second.push(second);
        rounds.floor(bench, dump);
    }
    rounds.figures(size)
}

// === impl Measured ===

impl Measured {
    fn run(bench: &Bench, pipeline: &Pipeline, name: &str) -> Self {
        let before = bench.servers.spent(pipeline);
        let ran = pipeline.run(&[]);
        let spent = bench.servers.spent(pipeline).since(&before);
        let steps = pipeline.steps(&ran);
        println!("bench:   {name}: CPU {} ms", listed(&spent.milliseconds()));
        println!("bench:   {name}: {} ms", listed(&steps));
        Self { ran, spent, steps }
    }

    /// What the tables below those of the figures show.
    pub(super) fn details(runs: &[Self]) -> Vec<Quantity> {
        let spent: Vec<Named> = runs.iter().map(|run| run.spent.milliseconds()).collect();
        let steps: Vec<Named> = runs.iter().map(|run| run.steps.clone()).collect();
        let mut processor = Quantity::of_rounds(Part::Processor, "ms", &spent);
        processor.iter_mut().for_each(|quantity| quantity.what.insert_str(0, CPU_OF));
        [processor, Quantity::of_rounds(Part::Steps, "ms", &steps)].concat()
    }
}

// === impl Rounds ===

impl Rounds {
    fn floor(&mut self, bench: &Bench, dump: &Dump) {
        let database = bench.servers.migrated_database();
        let cpu = bench.servers.database_cpu();
        let took = dump.load(&database);
        self.floor.push(number(dump.rows) / took);
        self.floor_cpu.push((bench.servers.database_cpu() - cpu) / self.millions);
        drop_database(&database);
    }

    fn figures(self, size: Size) -> Vec<Figure> {
        let of_first = |value: fn(&Measured) -> f64| self.first.iter().map(value);
        let per_million = |value: fn(&Measured) -> f64| of_first(value).map(|spent| spent / self.millions).collect();
        let rates: Vec<f64> = of_first(|run| run.ran.seconds).map(|seconds| self.millions * 1e6 / seconds).collect();
        let share = median(&rates) / median(&self.floor);
        let quantities = vec![
            Quantity::new("Sluice", "rows/s", rates),
            Quantity::new("floor", "rows/s", self.floor),
            Quantity::new("database CPU, Sluice", "s per million rows", per_million(|run| run.spent.of("database"))),
            Quantity::new("database CPU, floor", "s per million rows", self.floor_cpu),
            Quantity::new("CPU of all stages", "s per million rows", per_million(|run| run.spent.of_stages())),
        ];
        let load = figure(
            "load",
            size.name(),
            vec![verdict("of the floor", share, "", Goal::AtLeast(0.5))],
            [quantities, Measured::details(&self.first)].concat(),
        );
        vec![load, again::figure_of(size, &self.first, &self.second), memory(size, &self.peaks)]
    }
}

fn memory(size: Size, rounds: &[Named]) -> Figure {
    let quantities = Quantity::of_rounds(Part::Main, "MiB", rounds);
    let largest = quantities.iter().flat_map(|quantity| &quantity.values).fold(0.0, |a, b| f64::max(a, *b));
    let verdicts = vec![verdict("the largest stage", largest, "MiB", Goal::AtMost(64.0))];
    figure("memory", size.name(), verdicts, quantities)
}

fn listed(values: &Named) -> String {
    values.iter().map(|(name, value)| format!("{name} {value:.0}")).collect::<Vec<String>>().join(", ")
}
