//! How far a comparison is, on standard error: a line that is redrawn on a terminal, now and then a line elsewhere.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use pipeline_operations::comparison::Tally;

use crate::{output, session, text};

/// A pipe gets a line at most so often.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

/// The display.
pub struct Progress {
    start: Instant,
    /// Providers of the copy in the services that are to be compared.
    expected: i64,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
}

// === impl Progress ===

impl Progress {
    /// Nothing is shown yet.
    pub fn new(start: Instant, expected: i64) -> Self {
        let plain = ProgressStyle::default_spinner;
        let style = plain().template("  {elapsed:>4}  {msg}").unwrap_or_else(|_| plain());
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new_spinner().with_style(style));
        Self { start, expected, bar, last_line: None }
    }

    /// Shows what was compared so far.
    pub fn show(&mut self, tally: &Tally) {
        match &self.bar {
            Some(bar) => bar.set_message(self.line(tally)),
            None if self.last_line.is_none_or(|last| last.elapsed() >= LINE_INTERVAL) => {
                self.last_line = Some(Instant::now());
                session::note(format_args!("{}", self.line(tally)));
            }
            None => {}
        }
    }

    fn line(&self, tally: &Tally) -> String {
        let done = tally.providers.saturating_add(tally.skipped);
        let reached = tally.reached.as_ref().map_or_else(String::new, |cursor| format!(", up to `{cursor}`"));
        format!(
            "{} of {} providers, {}{}{}",
            text::count(done),
            text::count(self.expected.max(done)),
            text::plural(tally.total(), "difference"),
            output::printable(&reached),
            self.left(tally.providers, self.expected.saturating_sub(done)),
        )
    }

    /// As if the rest went as fast as what is done.
    fn left(&self, done: i64, left: i64) -> String {
        let elapsed = self.start.elapsed();
        if done <= 0 || left <= 0 || elapsed < Duration::from_secs(2) {
            return String::new();
        }
        let seconds = elapsed.as_secs_f64() * left as f64 / done as f64;
        format!(", ETA {}", text::seconds(seconds as u64))
    }

    /// Takes the line away.
    pub fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
