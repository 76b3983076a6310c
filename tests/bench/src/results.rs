//! What was measured: kept as JSON beside the page, so that one figure can be measured again and the page be written
//! anew without measuring.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{machine::Machine, statistics, usage::Named};

/// Everything that was measured on one machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Where.
    pub machine: Machine,
    /// What, in the order of the table.
    pub figures: Vec<Figure>,
}

/// One figure at one size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Its name in the table, such as `load`.
    pub name: String,
    /// Size of the data, such as `M`; empty where there is none.
    pub size: String,
    /// The day, such as 2026-01-31.
    pub measured_on: String,
    /// The commit, such as `1a2b3c4`, or `1a2b3c4+` with changes; empty when that is not known.
    #[serde(default)]
    pub commit: String,
    /// Runs that the broker had done before, as one in service has.
    #[serde(default)]
    pub warm_up_runs: usize,
    /// What came out, against what is wanted.
    pub verdicts: Vec<Verdict>,
    /// The numbers behind it.
    pub quantities: Vec<Quantity>,
}

/// A result and its goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it is, such as `of the floor`.
    pub what: String,
    /// The result.
    pub value: f64,
    /// `×`, `ms`, `MiB`, or empty for a plain ratio.
    pub unit: String,
    /// What is wanted.
    pub goal: Goal,
}

/// What is wanted of a result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Goal {
    /// This or more.
    AtLeast(f64),
    /// This or less.
    AtMost(f64),
}

/// Values of one kind, one for each time it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// What was measured, such as `Sluice`.
    pub what: String,
    /// Its unit, such as `rows/s`.
    pub unit: String,
    /// Where it is shown.
    #[serde(default, skip_serializing_if = "Part::is_main")]
    pub part: Part,
    /// In the order measured.
    pub values: Vec<f64>,
}

/// Begins the name of a quantity of [`Part::Processor`].
pub const CPU_OF: &str = "CPU of ";

/// The tables of a figure: a row for each quantity in the first, a column in the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// What the figure is about.
    #[default]
    Main,
    /// Where the processor time goes.
    Processor,
    /// When the steps of a run are made.
    Steps,
}

// === impl Results ===

impl Results {
    /// Reads what was kept; nothing when there is no file.
    pub fn read(path: &Path) -> Self {
        let Ok(text) = fs::read_to_string(path) else { return Self::default() };
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("`{}` does not hold results: {error}", path.display()))
    }

    /// Keeps the results.
    pub fn write(&self, path: &Path) {
        let text = serde_json::to_string_pretty(self).expect("results are plain data");
        fs::write(path, text + "\n").unwrap_or_else(|error| panic!("could not write `{}`: {error}", path.display()));
    }

    /// Replaces figures by newer ones. Those of another machine are dropped: a table never mixes two.
    pub fn merge(&mut self, machine: Machine, newer: Vec<Figure>) {
        if !self.machine.is_same_hardware(&machine) {
            self.figures.clear();
        }
        self.machine = machine;
        for figure in newer {
            self.figures.retain(|old| (&old.name, &old.size) != (&figure.name, &figure.size));
            self.figures.push(figure);
        }
    }

    /// The figures of one name, in the order of their sizes.
    pub fn of<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r Figure> {
        let sizes = ["", "XS", "S", "M", "L"];
        sizes
            .into_iter()
            .flat_map(move |size| self.figures.iter().filter(move |figure| figure.name == name && figure.size == size))
    }
}

// === impl Figure ===

impl Figure {
    /// The quantities that are shown in one table.
    pub fn of(&self, part: Part) -> impl Iterator<Item = &Quantity> {
        self.quantities.iter().filter(move |quantity| quantity.part == part)
    }

    /// The values of one quantity.
    pub fn values(&self, what: &str) -> &[f64] {
        let found = self.quantities.iter().find(|quantity| quantity.what == what);
        found.map_or(&[], |quantity| quantity.values.as_slice())
    }
}

// === impl Part ===

impl Part {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
    fn is_main(&self) -> bool {
        *self == Self::Main
    }
}

// === impl Verdict ===

impl Verdict {
    /// Whether the result is as wanted.
    pub fn is_met(&self) -> bool {
        match self.goal {
            Goal::AtLeast(bound) => self.value >= bound,
            Goal::AtMost(bound) => self.value <= bound,
        }
    }
}

// === impl Quantity ===

impl Quantity {
    /// A quantity with its values.
    pub fn new(what: &str, unit: &str, values: Vec<f64>) -> Self {
        Self { what: what.to_owned(), unit: unit.to_owned(), part: Part::Main, values }
    }

    /// One quantity for each name, with its values in all rounds.
    pub fn of_rounds(part: Part, unit: &str, rounds: &[Named]) -> Vec<Self> {
        let names = rounds.first().into_iter().flatten().map(|(name, _)| *name);
        let of = |name: &str| -> Vec<f64> {
            rounds.iter().flatten().filter(|(other, _)| *other == name).map(|(_, value)| *value).collect()
        };
        names.map(|name| Self { part, ..Self::new(name, unit, of(name)) }).collect()
    }

    /// The middle value.
    pub fn median(&self) -> f64 {
        statistics::median(&self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_was_kept_before_commits_were_is_still_read() {
        let kept = r#"{"name": "load", "size": "M", "measured_on": "2026-01-31", "verdicts": [],
            "quantities": [{"what": "Sluice", "unit": "rows/s", "values": [1.0]}]}"#;
        let figure: Figure = serde_json::from_str(kept).expect("an old figure");
        assert_eq!((figure.commit.as_str(), figure.warm_up_runs), ("", 0));
        assert_eq!(figure.quantities, [Quantity::new("Sluice", "rows/s", vec![1.0])]);
    }

    #[test]
    fn rounds_become_one_quantity_for_each_name() {
        let rounds = [vec![("a", 1.0), ("b", 2.0)], vec![("a", 3.0), ("b", 4.0)]];
        let quantities = Quantity::of_rounds(Part::Steps, "ms", &rounds);
        let found: Vec<(&str, &[f64])> = quantities.iter().map(|q| (q.what.as_str(), q.values.as_slice())).collect();
        assert_eq!(found, [("a", &[1.0, 3.0][..]), ("b", &[2.0, 4.0][..])]);
        assert!(quantities.iter().all(|quantity| quantity.part == Part::Steps));
    }
}
