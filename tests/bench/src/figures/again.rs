//! The second run, after one percent of the providers changed, against the first.

use super::{figure, load::Measured, verdict};
use crate::{
    results::{Figure, Goal, Quantity},
    size::Size,
    statistics::median,
};

pub(super) fn figure_of(size: Size, first: &[Measured], second: &[Measured]) -> Figure {
    let seconds = |runs: &[Measured]| -> Vec<f64> { runs.iter().map(|run| run.ran.seconds).collect() };
    let details = Measured::details(second);
    let (first, second) = (seconds(first), seconds(second));
    let share = median(&second) / median(&first);
    let verdicts = vec![verdict("of the first run", share, "", Goal::AtMost(0.05))];
    let quantities = vec![Quantity::new("first run", "s", first), Quantity::new("second run", "s", second)];
    figure("again", size.name(), verdicts, [quantities, details].concat())
}
