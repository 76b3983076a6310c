//! Processor time and memory of a process, as the kernel tells them.

use std::fs;

/// Ticks in a second: `USER_HZ`, the same on every Linux.
const TICKS: f64 = 100.0;

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
}
