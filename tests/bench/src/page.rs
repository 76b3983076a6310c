//! `docs/benchmarks.md`, made from the results. What is said about each figure stands here; every number comes from the
//! results, so that the page cannot claim what was not measured.

use std::{fmt::Write as _, fs, path::Path};

use crate::{
    plot,
    results::{Figure, Goal, Quantity, Results, Verdict},
    statistics::{percentile, span},
};

/// A figure's heading, what is measured, and what there is to say about the results.
struct Section {
    name: &'static str,
    title: &'static str,
    how: &'static str,
    remarks: &'static str,
}

const SECTIONS: [Section; 10] = [
    Section {
        name: "load",
        title: "Load",
        how: "The first run into empty tables: four stages as processes over one Kafka broker, source as files on disk, \
              timed from the request to the last activation. The floor is `LOAD DATA LOCAL INFILE` of the same rows \
              into the same tables and indexes of the same server, on four connections, from files that hold nothing \
              else. Rows are those of all five data tables.",
        remarks: "Clients and server share the processors, so what a row costs decides: more in the database by \
                  prepared inserts than by `LOAD DATA`, and nearly as much again in the stages. Where those spend it \
                  was not profiled in this state; earlier profiles had the index pass over the folder, the parsing of \
                  every line, and the digests at the top. The floor reads rows that somebody else has parsed. In all \
                  rounds but the first, about a second passes before the root stage is given the request; why is not \
                  known yet, and may be the harness, which starts all stages anew.",
    },
    Section {
        name: "old-way",
        title: "Against the old way",
        how: "A source that answers in 2 ms per call. The old way is a sequential script: one call for each parent, one \
              upsert for each document, each its own transaction. It runs over a part of 12,104 documents, since its \
              rate does not depend on their number, and is compiled, so that its language costs it nothing. Sluice \
              runs over the whole.",
        remarks: "",
    },
    Section {
        name: "peers",
        title: "Against Kafka Connect",
        how: "Kafka Connect with the Debezium JDBC sink, which writes the same rows into the same tables. Its rows lie \
              on topics before it starts, as JSON without schemas inside; batches of 2,000, four tasks for each table, \
              the driver's bulk protocol; timed from its first row to its last. Mode `upsert` survives the repetitions \
              that its delivery allows, as Sluice does; mode `insert` stops at the first one. Sluice is timed from the \
              request to the activation, with reading the source, planning and proving.",
        remarks: "In mode `insert` the sink's bulk protocol costs the database about as much for a row as our \
                  statements do: the rows and their indexes are the same. What it takes longer for is its own side, \
                  which the CPU of Kafka Connect shows.",
    },
    Section {
        name: "again",
        title: "Again",
        how: "A second run after one percent of the providers got new content, against the first run. All documents are \
              read, parsed and compared; only what changed is written.",
        remarks: "Next to nothing of this time is writing: the second run reads, parses and digests every document \
                  as the first does. What would help, and is not tried yet, is a digest over the bytes of documents \
                  as they stand in the file, so that unchanged ones need not be parsed.",
    },
    Section {
        name: "activation",
        title: "Activation",
        how: "The whole call that switches one service to its new generation (proof, switch, end of the run), 200 times, \
              and the move of all pointers by a rollback, 100 times. The verdict is the 99th percentile of the slower.",
        remarks: "",
    },
    Section {
        name: "per-message",
        title: "Per message",
        how: "Messages of 1 kB through the runtime with a stage that does nothing, against a bare loop of the same Kafka \
              client with the same guarantees that passes the bytes on undecoded.",
        remarks: "A message is a task of its own, with a span, a decoding, an encoding and a place in the order of \
                  commits. The ratio was 0.37 before the consumer, which holds few messages to spare memory, was told \
                  not to pause for a second whenever it holds enough (`fetch.queue.backoff.ms`).",
    },
    Section {
        name: "scale",
        title: "Scale",
        how: "One, two and four workers of the bundles stage with a source that takes 200 ms for each answer, timed from \
              the first planned batch to the last stored one.",
        remarks: "",
    },
    Section {
        name: "memory",
        title: "Memory",
        how: "The largest resident size that each stage ever had, over a first and a second run with the source as files.",
        remarks: "",
    },
    Section {
        name: "start",
        title: "Start",
        how: "From the start of the process to the first poll of a stage with everything it needs running, and to the \
              end of a command.",
        remarks: "",
    },
    Section {
        name: "tracing",
        title: "Tracing",
        how: "A load with spans sent to a collector, at the default sampling and log filter, against one without spans \
              and without logs, in turns.",
        remarks: "Single rounds differ by more than the two medians do, so that the difference is small rather than \
                  exactly known.",
    },
];

/// Writes page and plot into the folder of documents.
pub fn write(results: &Results, docs: &Path) {
    for (name, text) in [("benchmarks.md", markdown(results)), ("benchmarks.svg", plot::svg(results))] {
        fs::write(docs.join(name), text).unwrap_or_else(|error| panic!("could not write docs/{name}: {error}"));
    }
}

/// The page.
pub fn markdown(results: &Results) -> String {
    let mut page = String::from(
        "# Benchmarks\n\n<!-- Generated by `cargo xtask bench` from docs/benchmarks.json. Do not edit. -->\n\n\
         Every figure is a ratio of two things measured in one run on one machine; it is the ratio of their medians.\n\
         Absolute numbers stand beside it: they tell about this machine, the ratios about Sluice. Figures are measured one\n\
         by one, not all on the same build; how often, the column `times` says, and where it says 1 nothing is known\n\
         about the spread.\n\n\
         ![Rows per second](benchmarks.svg)\n\n",
    );
    table(&mut page, results);
    machine(&mut page, results);
    for section in &SECTIONS {
        let figures: Vec<&Figure> = results.of(section.name).collect();
        if !figures.is_empty() {
            self::section(&mut page, section, &figures);
        }
    }
    page.push_str(REPEAT);
    page
}

const REPEAT: &str = "## To repeat\n\n\
    `cargo xtask bench` measures the whole table, which takes the better part of an hour on such a machine;\n\
    `cargo xtask bench --figure load --size M` measures one figure and keeps the others. The machine must have nothing\n\
    else to do. `docs/benchmarks.json` has every single value. `--size XS` takes seconds, and is there to try the\n\
    harness, not Sluice.\n\n\
    Sizes: S has 1,000 providers, M 10,000 and L 100,000, in 40 services; each provider has 20 bundles of 5 fields, so\n\
    that M has 200,000 bundles and 1,000,000 fields.\n";

fn table(page: &mut String, results: &Results) {
    page.push_str("| figure | size | result | goal | |\n|---|---|---|---|---|\n");
    for section in &SECTIONS {
        for figure in results.of(section.name) {
            for verdict in &figure.verdicts {
                let Verdict { what, value, unit, goal } = verdict;
                let (result, goal) = (with_unit(*value, unit), goal_text(*goal, unit));
                let met = if verdict.is_met() { "met" } else { "**missed**" };
                let title = section.title;
                line(page, &format!("| {title} | {} | {result} {what} | {goal} | {met} |", figure.size));
            }
        }
    }
    page.push('\n');
}

fn machine(page: &mut String, results: &Results) {
    let machine = &results.machine;
    page.push_str("## Machine\n\n");
    let crate::machine::Machine { processor, processors, memory_gib, kernel, versions } = machine;
    line(page, &format!("{processors} × {processor}, {memory_gib} GiB, {kernel}. Clients and servers share it."));
    page.push('\n');
    for (program, version) in versions {
        line(page, &format!("- {program}: {version}"));
    }
    page.push_str(
        "\nMariaDB: every commit is on disk before it is answered (`innodb_flush_log_at_trx_commit=1`), buffer pool 2 GiB,\n\
         redo log 1 GiB, no binary log; else its defaults. Stages: one process each, default settings, unless said\n\
         otherwise.\n\n",
    );
}

fn section(page: &mut String, section: &Section, figures: &[&Figure]) {
    line(page, &format!("## {}\n\n{}\n", section.title, wrapped(section.how)));
    page.push_str(
        "| size | what | unit | median | least | most | 99th percentile | times |\n|---|---|---|---|---|---|---|---|\n",
    );
    for figure in figures {
        for Quantity { what, unit, values } in &figure.quantities {
            let (least, most) = span(values);
            // Of a few values it would be the largest.
            let tail = if values.len() >= 100 { digits(percentile(values, 0.99)) } else { String::new() };
            let median = digits(crate::statistics::median(values));
            let (least, most, times) = (digits(least), digits(most), values.len());
            let size = &figure.size;
            line(page, &format!("| {size} | {what} | {unit} | {median} | {least} | {most} | {tail} | {times} |"));
        }
    }
    page.push('\n');
    if !section.remarks.is_empty() {
        line(page, &format!("{}\n", wrapped(section.remarks)));
    }
    let days: std::collections::BTreeSet<&str> = figures.iter().map(|figure| figure.measured_on.as_str()).collect();
    let days: Vec<&str> = days.into_iter().collect();
    line(page, &format!("Measured on {}.\n", days.join(", ")));
}

fn line(page: &mut String, text: &str) {
    // Writing to a string cannot fail.
    writeln!(page, "{text}").unwrap_or_default();
}

/// A number with three significant digits, and blanks between thousands.
fn digits(value: f64) -> String {
    let places = match value.abs() {
        0.0..0.1 => 4,
        0.1..1.0 => 3,
        1.0..10.0 => 2,
        10.0..100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.places$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), ""), |(whole, rest)| (whole, rest));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if rest.is_empty() { grouped } else { format!("{grouped}.{rest}") }
}

fn with_unit(value: f64, unit: &str) -> String {
    let value = digits(value);
    if unit.is_empty() { value } else { format!("{value} {unit}") }
}

fn goal_text(goal: Goal, unit: &str) -> String {
    let (words, bound) = match goal {
        Goal::AtLeast(bound) => ("at least", bound),
        Goal::AtMost(bound) => ("at most", bound),
    };
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    format!("{words} {bound}{unit}")
}

/// Lines of at most 120 characters, as everywhere in the documents.
fn wrapped(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 120 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += length;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_the_plot_are_in_step_with_the_results() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let results = Results::read(&docs.join("benchmarks.json"));
        if std::env::var_os("SLUICE_BLESS").is_some() {
            write(&results, &docs);
        }
        for (name, text) in [("benchmarks.md", markdown(&results)), ("benchmarks.svg", plot::svg(&results))] {
            let found = fs::read_to_string(docs.join(name)).unwrap_or_default();
            assert!(found == text, "docs/{name} is not what the results say: run `cargo xtask generate`");
        }
    }

    #[test]
    fn numbers_are_short_and_grouped() {
        let shown = [0.0123, 0.5234, 3.25, 47.21, 123.4, 1_234_567.0].map(digits);
        assert_eq!(shown, ["0.0123", "0.523", "3.25", "47.2", "123", "1,234,567"]);
    }

    #[test]
    fn every_figure_has_a_section() {
        for name in crate::figures::MEASUREMENTS.iter().flat_map(|measurement| measurement.figures) {
            assert!(SECTIONS.iter().any(|section| section.name == *name), "nothing is said about `{name}`");
        }
    }
}
