//! Where progress goes: bars on a terminal, otherwise a line when something changed. Standard error only.

use std::{io::IsTerminal, time::Duration};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    output,
    progress::{Eta, StageLine, View},
    text,
};

/// A pipe gets at most one line in so much time.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// Shows one view after the other.
pub enum Display {
    /// A terminal: one bar per stage and a line for the rest.
    Bars(Box<Bars>),
    /// Anything else: a line for each change, at most one a second.
    Lines(Lines),
}

/// The bars of a terminal.
pub struct Bars {
    stages: Vec<ProgressBar>,
    summary: ProgressBar,
}

/// The lines of a pipe.
#[derive(Debug, Default)]
pub struct Lines {
    shown: Option<(Duration, String)>,
    held_back: Option<(Duration, String)>,
}

// === impl Display ===

impl Display {
    /// Bars when standard error is a terminal, lines otherwise.
    pub fn to_stderr() -> Self {
        if std::io::stderr().is_terminal() { Self::Bars(Box::new(Bars::new())) } else { Self::Lines(Lines::default()) }
    }

    /// Shows a view, taken so long after the start.
    pub fn show(&mut self, at: Duration, view: &View) {
        match self {
            Self::Bars(bars) => bars.show(view),
            Self::Lines(lines) => {
                if let Some(line) = lines.next(at, view.line()) {
                    output::say(format_args!("{line}"));
                }
            }
        }
    }

    /// Leaves the last view standing.
    pub fn finish(self) {
        match self {
            Self::Bars(bars) => bars.finish(),
            Self::Lines(lines) => {
                if let Some(line) = lines.last() {
                    output::say(format_args!("{line}"));
                }
            }
        }
    }
}

// === impl Bars ===

impl Bars {
    fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let bar = |style: &ProgressStyle| all.add(ProgressBar::new(0).with_style(style.clone()));
        let plain = ProgressStyle::default_bar;
        let staged = plain().template("  {prefix:<10}{bar:32} {msg}").unwrap_or_else(|_| plain()).progress_chars("━╸ ");
        let summed = plain().template("  {elapsed:>4}  {msg}").unwrap_or_else(|_| plain());
        Self { stages: (0..4).map(|_| bar(&staged)).collect(), summary: bar(&summed) }
    }

    fn show(&self, view: &View) {
        for (bar, line) in self.stages.iter().zip(&view.stages) {
            // A bar of length 0 would be drawn full.
            let (done, total) = (line.done, line.total.unwrap_or(1));
            bar.set_prefix(line.stage);
            bar.set_message(message(line));
            bar.set_length(u64::try_from(total).unwrap_or(0));
            bar.set_position(u64::try_from(done).unwrap_or(0));
        }
        self.summary.set_message(view.summary());
    }

    fn finish(self) {
        for bar in &self.stages {
            bar.abandon();
        }
        self.summary.abandon();
        // The last bar does not end its line.
        output::say(format_args!(""));
    }
}

fn message(line: &StageLine) -> String {
    let eta = match line.eta {
        Eta::Seconds { seconds, .. } => format!(", done in about {}", text::seconds(seconds)),
        Eta::Unknown | Eta::Done => String::new(),
    };
    format!("{} {}{eta}", line.ratio(), line.unit)
}

// === impl Lines ===

impl Lines {
    /// The line to print now, if any: never the same twice, never two within a second.
    fn next(&mut self, at: Duration, line: String) -> Option<String> {
        let (last_at, same) = match &self.shown {
            None => (None, false),
            Some((last_at, last)) => (Some(*last_at), *last == line),
        };
        if same {
            self.held_back = None;
            return None;
        }
        if last_at.is_some_and(|last_at| at.saturating_sub(last_at) < LINE_INTERVAL) {
            self.held_back = Some((at, line));
            return None;
        }
        self.held_back = None;
        self.shown = Some((at, line.clone()));
        Some(stamped(at, &line))
    }

    /// The line that was held back last.
    fn last(self) -> Option<String> {
        self.held_back.map(|(at, line)| stamped(at, &line))
    }
}

fn stamped(at: Duration, line: &str) -> String {
    format!("[{:>7}] {line}", text::duration(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_gets_changes_only_and_at_most_one_a_second() {
        let mut lines = Lines::default();
        let mut next = |ms, line: &str| lines.next(Duration::from_millis(ms), line.to_owned());
        assert_eq!(next(0, "a"), Some("[   0 ms] a".to_owned()));
        assert_eq!(next(100, "b"), None);
        assert_eq!(next(1_100, "b"), Some("[  1.1 s] b".to_owned()));
        assert_eq!(next(9_000, "b"), None);
        assert_eq!(next(9_100, "c"), Some("[  9.1 s] c".to_owned()));
        assert_eq!(next(9_200, "d"), None);
        assert_eq!(lines.last(), Some("[  9.2 s] d".to_owned()), "the last change is never swallowed");
    }
}
