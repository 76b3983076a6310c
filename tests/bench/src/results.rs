//! What was measured: kept as JSON beside the page, so that one figure can be measured again and the page be written
//! anew without measuring.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{machine::Machine, statistics};

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
    /// In the order measured.
    pub values: Vec<f64>,
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
    /// The values of one quantity.
    pub fn values(&self, what: &str) -> &[f64] {
        let found = self.quantities.iter().find(|quantity| quantity.what == what);
        found.map_or(&[], |quantity| quantity.values.as_slice())
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
        Self { what: what.to_owned(), unit: unit.to_owned(), values }
    }

    /// The middle value.
    pub fn median(&self) -> f64 {
        statistics::median(&self.values)
    }
}
