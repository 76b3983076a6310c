//! Processor time and memory of a process, as the kernel tells them.

use std::fs;

/// Ticks in a second: `USER_HZ`, the same on every Linux.
const TICKS: f64 = 100.0;

/// A number for each of several things, in the order to be shown.
pub type Named = Vec<(&'static str, f64)>;

/// Seconds of processor time, by process.
#[derive(Clone, Debug, Default)]
pub struct Spent(Named);

// === impl Spent ===

impl Spent {
    /// These processes too.
    #[must_use]
    pub fn and(mut self, more: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        self.extend(more);
        self
    }

    /// What was spent since an earlier look.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().map(|(name, seconds)| (*name, seconds - earlier.of(name))).collect())
    }

    /// Of one process; 0 of one that is not among them.
    pub fn of(&self, name: &str) -> f64 {
        self.0.iter().find(|(other, _)| *other == name).map_or(0.0, |(_, seconds)| *seconds)
    }

    /// Of all stages together.
    pub fn of_stages(&self) -> f64 {
        self.0.iter().filter(|(name, _)| name.starts_with("stage-")).map(|(_, seconds)| seconds).sum()
    }

    /// In milliseconds.
    pub fn milliseconds(&self) -> Named {
        self.0.iter().map(|(name, seconds)| (*name, seconds * 1_000.0)).collect()
    }
}

impl Extend<(&'static str, f64)> for Spent {
    /// Several processes of one name are counted together.
    fn extend<I: IntoIterator<Item = (&'static str, f64)>>(&mut self, more: I) {
        for (name, seconds) in more {
            match self.0.iter_mut().find(|(other, _)| *other == name) {
                Some((_, sum)) => *sum += seconds,
                None => self.0.push((name, seconds)),
            }
        }
    }
}

impl FromIterator<(&'static str, f64)> for Spent {
    fn from_iter<I: IntoIterator<Item = (&'static str, f64)>>(all: I) -> Self {
        Self::default().and(all)
    }
}

/// Seconds of processor time that a process has used, in user and kernel mode.
pub fn cpu_seconds(process_id: u32) -> f64 {
    let text = read(process_id, "stat");
    // The second word, the program's name, may hold blanks; it ends with the last parenthesis.
    let (_, rest) = text.rsplit_once(')').expect("a line of /proc/PID/stat");
    let ticks: f64 = rest.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<f64>().ok()).sum();
    ticks / TICKS
}

/// The largest resident size that a process ever had, in MiB.
pub fn peak_mib(process_id: u32) -> f64 {
    let text = read(process_id, "status");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line for the peak");
    let kib: f64 = line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number of KiB");
    kib / 1024.0
}

fn read(process_id: u32, file: &str) -> String {
    let path = format!("/proc/{process_id}/{file}");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("could not read `{path}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_computes_uses_its_processor_and_its_memory() {
        let own = std::process::id();
        let before = cpu_seconds(own);
        let mut filled = vec![0_u8; 64 << 20];
        while cpu_seconds(own) < before + 0.05 {
            filled.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
        }
        assert!(peak_mib(own) >= 64.0);
    }

    #[test]
    fn what_was_spent_is_a_difference_and_workers_of_a_stage_count_together() {
        let earlier = Spent::from_iter([("stage-a", 1.0), ("stage-a", 2.0), ("broker", 5.0)]);
        let later = Spent::from_iter([("stage-a", 2.0), ("stage-a", 2.5), ("broker", 5.25)]);
        let spent = later.since(&earlier);
        assert_eq!(spent.milliseconds(), [("stage-a", 1_500.0), ("broker", 250.0)]);
        assert_eq!((spent.of_stages(), spent.of("broker"), spent.of("database")), (1.5, 0.25, 0.0));
    }
}
