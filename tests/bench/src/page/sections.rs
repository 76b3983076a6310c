//! What is said about each figure. Text that stands here says nothing that depends on a number; what does is made of
//! the numbers, so that it is true of those beside it.

use crate::{
    page::text::digits,
    results::Figure,
    statistics::{median, span},
};

/// A figure's heading, what is measured, and what there is to say about the results.
pub(super) struct Section {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) how: &'static str,
    pub(super) remarks: &'static str,
    /// Remarks made of the numbers; may be empty.
    pub(super) computed: fn(&[&Figure]) -> String,
}

pub(super) const SECTIONS: [Section; 11] = [
    Section {
        name: "load",
        title: "Load",
        how: "The first run into empty tables: four stages as processes over one Kafka broker, source as files on disk, \
              timed from the request to the last activation. The floor is `LOAD DATA LOCAL INFILE` of the same rows \
              into the same tables and indexes of the same server, on four connections, from files that hold nothing \
              else. Rows are those of all five data tables. Stages have their partitions before a run is asked for, as \
              in service.",
        remarks: "Clients, broker and database share the processors, so what a row costs all of them together decides. \
                  The floor reads rows that somebody else has parsed, and no broker takes part in it. Both load rows by \
                  `LOAD DATA LOCAL`; Sluice does it from memory, in the transaction that locks a batch and records what \
                  was stored. What a row costs whom, and what would bring the load nearer to the floor: [where the time \
                  goes](performance.md).",
        computed: nothing,
    },
    Section {
        name: "old-way",
        title: "Against the old way",
        how: "A source that answers in 2 ms per call. The old way is a sequential script: one call for each parent, one \
              upsert for each document, each its own transaction. It runs over a part of 12,104 documents, since its \
              rate does not depend on their number, and is compiled, so that its language costs it nothing. Sluice \
              runs over the whole.",
        remarks: "",
        computed: nothing,
    },
    Section {
        name: "peers",
        title: "Against Kafka Connect",
        how: "Kafka Connect with the Debezium JDBC sink, which writes the same rows into the same tables. Its rows lie \
              on topics before it starts, as JSON without schemas inside; batches of 2,000, four tasks for each table, \
              the driver's bulk protocol; timed from its first row to its last. Mode `upsert` survives the repetitions \
              that its delivery allows, as Sluice does; mode `insert` stops at the first one. Sluice is timed from the \
              request to the activation, with reading the source, planning and proving.",
        remarks: "Both put the same rows into the same tables and indexes. That alone, done as the floor of the load does \
                  it, takes the database more than half of what the sink takes in mode `insert`, so that no way of \
                  writing rows would keep that part of the goal. Reading, decoding and sending are each side's own, and \
                  are in its own CPU.",
        computed: nothing,
    },
    Section {
        name: "again",
        title: "Again",
        how: "A second run after one percent of the providers got new content, against the first run. The whole folder \
              is read again and every provider's lines are held against their tag; only what changed is parsed and \
              written.",
        remarks: "A provider that has not changed is planned as stored ([decision \
                  012](decisions/012-unchanged-providers-are-planned-as-stored.md)). What is left, and what would spare \
                  it: [where the time goes](performance.md).",
        computed: nothing,
    },
    Section {
        name: "activation",
        title: "Activation",
        how: "The whole call that switches one service to its new generation (proof, switch, end of the run), 200 times, \
              and the move of all pointers by a rollback, 100 times. The verdict is the 99th percentile of the slower.",
        remarks: "",
        computed: nothing,
    },
    Section {
        name: "per-message",
        title: "Per message",
        how: "Messages of 1 kB through the runtime with a stage that does nothing, against a bare loop of the same Kafka \
              client with the same guarantees that passes the bytes on undecoded.",
        remarks: "A message is a task of its own, with a span, a decoding, an encoding and a place in the order of \
                  commits. The consumer holds few messages to spare memory; it is told not to pause for a second, the \
                  client's default, whenever it holds enough (`fetch.queue.backoff.ms`).",
        computed: nothing,
    },
    Section {
        name: "scale",
        title: "Scale",
        how: "One, two and four workers of the bundles stage with a source that takes 200 ms for each answer, timed from \
              the first planned batch to the last stored one.",
        remarks: "Each worker has its partitions before the run is asked for, and the batches of a service are dealt to \
                  the partitions in turn ([decision 011](decisions/011-batches-dealt-to-partitions.md)). What keeps it \
                  from the number of workers: the plans of the services, which one worker makes in either case, wait \
                  for the same slow source; at the end a worker that has done its part does not take over another's; \
                  and all of them share the processors.",
        computed: nothing,
    },
    Section {
        name: "memory",
        title: "Memory",
        how: "The largest resident size that each stage ever had, over a first and a second run with the source as files.",
        remarks: "What grows with the data is the index of the folder and the plan of a service: they know providers by \
                  their ids. Documents are never held. [Capacity](capacity.md) has the numbers.",
        computed: growth,
    },
    Section {
        name: "start",
        title: "Start",
        how: "From the start of the process to the first poll of a stage with everything it needs running, and to the \
              end of a command.",
        remarks: "",
        computed: nothing,
    },
    Section {
        name: "tracing",
        title: "Tracing",
        how: "A load with spans sent to a collector, at the default sampling and log filter, against one without spans \
              and without logs, in turns.",
        remarks: "",
        computed: spread,
    },
    Section {
        name: "tls",
        title: "TLS to the database",
        how: "A load with the stages' links to the database over TLS, certificate and name verified, against one in plain \
              text on the same server, in turns. Both load rows by `LOAD DATA LOCAL`.",
        remarks: "",
        computed: nothing,
    },
];

fn nothing(_: &[&Figure]) -> String {
    String::new()
}

/// How much more the largest stage takes for more data.
fn growth(figures: &[&Figure]) -> String {
    let largest = |figure: &Figure| figure.verdicts.first().map(|verdict| verdict.value);
    let steps = figures.iter().zip(figures.iter().skip(1)).filter_map(|(less, more)| {
        let ratio = digits(largest(more)? / largest(less)?);
        Some(format!("{ratio} × as much at {} as at {}", more.size, less.size))
    });
    let steps: Vec<String> = steps.collect();
    if steps.is_empty() {
        return String::new();
    }
    format!("The largest stage takes {}; each size has ten times the data of the one before.", steps.join(", "))
}

/// Whether the difference of the medians is more than noise.
fn spread(figures: &[&Figure]) -> String {
    let of = |figure: &Figure| {
        let (on, off) = (figure.values("with traces"), figure.values("without"));
        let width = |values: &[f64]| span(values).1 - span(values).0;
        let (noise, difference) = (width(on).max(width(off)), (median(on) - median(off)).abs());
        let (noise_shown, shown) = (digits(noise), digits(difference));
        (noise > difference).then(|| {
            format!(
                "Single rounds differ by up to {noise_shown} s, the medians by {shown} s: what traces cost is less than \
                 the noise, and not exactly known."
            )
        })
    };
    figures.iter().filter_map(|figure| of(figure)).collect::<Vec<String>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{Goal, Quantity, Verdict};

    fn figure(size: &str, largest: f64, on: &[f64], off: &[f64]) -> Figure {
        let quantities = vec![Quantity::new("with traces", "s", on.into()), Quantity::new("without", "s", off.into())];
        let goal = Goal::AtMost(64.0);
        let verdicts = vec![Verdict { what: String::new(), value: largest, unit: String::new(), goal }];
        let (name, size, measured_on, commit) = (String::new(), size.to_owned(), String::new(), String::new());
        Figure { name, size, measured_on, commit, warm_up_runs: 0, verdicts, quantities }
    }

    #[test]
    fn growth_is_told_from_each_size_to_the_next() {
        let [s, m, l] = [("S", 40.0), ("M", 50.0), ("L", 60.0)].map(|(size, peak)| figure(size, peak, &[], &[]));
        assert_eq!(growth(&[&s]), "");
        let told = growth(&[&s, &m, &l]);
        assert!(told.contains("1.25 × as much at M as at S, 1.20 × as much at L as at M;"), "{told}");
    }

    #[test]
    fn noise_is_told_only_where_it_is_larger_than_the_difference() {
        let noisy = figure("M", 0.0, &[1.0, 2.0, 3.0], &[1.5, 1.9, 2.0]);
        assert!(spread(&[&noisy]).contains("by up to 2.00 s, the medians by 0.100 s"));
        assert_eq!(spread(&[&figure("M", 0.0, &[2.0, 2.1], &[1.0, 1.1])]), "");
    }
}
