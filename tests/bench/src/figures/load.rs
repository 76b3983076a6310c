//! The first run against the floor: the same rows into the same tables by `LOAD DATA LOCAL INFILE` on four connections.
//!
//! The source is a folder on disk, read and indexed anew by every stage; the floor reads files that hold nothing but the
//! rows. Both begin with empty tables on the same server, with everything started and connected. The second run, after
//! one percent of the providers changed, and the peak memory of each stage come from the same processes.

use std::{fs, path::Path, time::Instant};

use pipeline_source::{
    Source as _,
    export::{self, Shape},
    generator::Generator,
};

use super::{Bench, again, figure, number, verdict};
use crate::{
    results::{Figure, Goal, Quantity},
    rows::{self, Dump},
    servers::{Plan, drop_database},
    size::Size,
    statistics::median,
};

/// What the rounds gave.
#[derive(Default)]
struct Rounds {
    sluice: Vec<f64>,
    floor: Vec<f64>,
    database_cpu: Vec<f64>,
    floor_cpu: Vec<f64>,
    stages_cpu: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    peaks: Vec<Vec<(&'static str, f64)>>,
}

pub(super) fn measure(bench: &Bench, size: Size) -> Vec<Figure> {
    let (old, new, current) = (bench.folder.join("1"), bench.folder.join("2"), bench.folder.join("source"));
    write_source(bench, size, 1, &old);
    write_source(bench, size, 2, &new);
    let mut rounds = Rounds::default();
    let mut dump = None;
    for _ in 0..bench.rounds(size) {
        copy(&old, &current);
        let plan =
            Plan { settings: bench.wanted.settings.clone(), ..Plan::of(&format!("file://{}", current.display())) };
        let pipeline = bench.servers.pipeline(&plan);
        let (database_cpu, stages_cpu) = (bench.servers.database_cpu(), pipeline.cpu());
        let first = pipeline.run(&[]);
        let (database_cpu, stages_cpu) = (bench.servers.database_cpu() - database_cpu, pipeline.cpu() - stages_cpu);
        let loaded = rows::count(&mut pipeline.database.session());
        let dump = dump.get_or_insert_with(|| Dump::write(&pipeline.database, &bench.folder.join("dump")));
        assert_eq!(loaded, dump.rows, "every round loads the same rows");
        copy(&new, &current);
        let second = pipeline.run(&[]);
        rounds.peaks.push(pipeline.peaks());
        println!("bench:   first: {} ms", pipeline.timeline(&first));
        println!("bench:   again: {} ms", pipeline.timeline(&second));
        pipeline.stop();
        let millions = number(loaded) / 1e6;
        rounds.sluice.push(number(loaded) / first.seconds);
        rounds.database_cpu.push(database_cpu / millions);
        rounds.stages_cpu.push(stages_cpu / millions);
        rounds.first.push(first.seconds);
        rounds.second.push(second.seconds);
        rounds.floor(bench, dump);
        println!(
            "bench:   {:.2} s, again {:.2} s, {:.0} rows/s, floor {:.0} rows/s",
            first.seconds,
            second.seconds,
            number(loaded) / first.seconds,
            rounds.floor.last().copied().unwrap_or_default()
        );
    }
    rounds.figures(size)
}

impl Rounds {
    fn floor(&mut self, bench: &Bench, dump: &Dump) {
        let database = bench.servers.migrated_database();
        let cpu = bench.servers.database_cpu();
        let took = dump.load(&database);
        let millions = number(dump.rows) / 1e6;
        self.floor.push(number(dump.rows) / took);
        self.floor_cpu.push((bench.servers.database_cpu() - cpu) / millions);
        drop_database(&database);
    }

    fn figures(self, size: Size) -> Vec<Figure> {
        let share = median(&self.sluice) / median(&self.floor);
        let load = figure(
            "load",
            size.name(),
            vec![verdict("of the floor", share, "", Goal::AtLeast(0.5))],
            vec![
                Quantity::new("Sluice", "rows/s", self.sluice),
                Quantity::new("floor", "rows/s", self.floor),
                Quantity::new("database CPU, Sluice", "s per million rows", self.database_cpu),
                Quantity::new("database CPU, floor", "s per million rows", self.floor_cpu),
                Quantity::new("CPU of all stages", "s per million rows", self.stages_cpu),
            ],
        );
        vec![load, again::figure_of(size, self.first, self.second), memory(size, &self.peaks)]
    }
}

fn memory(size: Size, rounds: &[Vec<(&'static str, f64)>]) -> Figure {
    let stages = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];
    let of = |stage: &str| rounds.iter().flatten().filter(|(name, _)| *name == stage).map(|(_, peak)| *peak).collect();
    let quantities: Vec<Quantity> = stages.into_iter().map(|stage| Quantity::new(stage, "MiB", of(stage))).collect();
    let largest = quantities.iter().flat_map(|quantity| &quantity.values).fold(0.0, |a, b| f64::max(a, *b));
    let verdicts = vec![verdict("the largest stage", largest, "MiB", Goal::AtMost(64.0))];
    figure("memory", size.name(), verdicts, quantities)
}

/// Writes the documents of a revision into a folder, as an export of a document database looks.
fn write_source(bench: &Bench, size: Size, revision: u64, folder: &Path) {
    let url = size.source(revision);
    let (_, query) = url.split_once('?').expect("the generator's URL has parameters");
    let generator = Generator::from_query(query).expect("sound parameters");
    let begun = Instant::now();
    let written = bench.runtime.block_on(export::to_folder(&generator, folder, Shape::Nested));
    let counts = written.expect("the documents can be written");
    assert_eq!(Ok(counts), bench.runtime.block_on(generator.counts()).map_err(drop));
    println!("bench:   revision {revision} written in {:.0} s", begun.elapsed().as_secs_f64());
}

/// Makes the files of one folder those of another. Only between runs.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("a file can be copied");
    }
}
