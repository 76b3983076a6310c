//! `cargo xtask test`: every test of the workspace against real servers, and one line that sums them up.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::Instant,
};

use crate::{
    command,
    failure::{Failure, Outcome},
    say, setup,
};

/// Sums over all suites.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    passed: u64,
    failed: u64,
    ignored: u64,
    suites: u64,
    failures: Vec<String>,
}

/// Sets up, builds the binaries that tests start, and runs the tests. Fails when any test fails, or none ran.
pub fn run(filter: Option<&str>) -> Outcome {
    setup::run()?;
    say("building the binaries");
    command::run(&mut command::cargo(&["build", "--workspace", "--bins"]))?;
    say("running the tests");
    let begun = Instant::now();
    let mut sums = Sums::default();
    let succeeded = run_tests(filter, &mut sums)?;
    println!();
    for name in &sums.failures {
        println!("failed: {name}");
    }
    let seconds = begun.elapsed().as_secs();
    say(&format!("{} suites in {seconds} s, {} tests ignored", sums.suites, sums.ignored));
    println!("{} passed, {} failed", sums.passed, sums.failed);
    verdict(&sums, succeeded)
}

fn verdict(sums: &Sums, succeeded: bool) -> Outcome {
    match (sums.failed, sums.passed) {
        (0, 0) => Err(Failure::new("no test ran").advise("does the filter match a test's name?")),
        (0, _) if succeeded => Ok(()),
        (0, _) => Err(Failure::new("`cargo test` failed").advise("a test did not compile, or a test process died")),
        (failed, _) => Err(Failure::new(format!("{failed} tests failed"))
            .advise("logs and data of failed test processes stay where their panics say")),
    }
}

/// Runs `cargo test`, copying its output and counting; says whether it succeeded.
fn run_tests(filter: Option<&str>, sums: &mut Sums) -> Outcome<bool> {
    // All suites run, also after a failed one: the whole picture is worth the minutes.
    let mut cargo = command::cargo(&["test", "--workspace", "--no-fail-fast"]);
    let mut child = cargo
        .args(filter)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::new(format!("could not start `cargo test`: {error}")))?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(|error| Failure::new(format!("could not read from `cargo test`: {error}")))?;
            println!("{line}");
            sums.count(&line);
        }
    }
    let status = child.wait().map_err(|error| Failure::new(format!("could not wait for `cargo test`: {error}")))?;
    Ok(status.success())
}

// === impl Sums ===

impl Sums {
    /// Reads one line of the test harness.
    fn count(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            self.suites += 1;
            self.passed += number_before(counts, " passed");
            self.failed += number_before(counts, " failed");
            self.ignored += number_before(counts, " ignored");
        } else if let Some(name) = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED")) {
            self.failures.push(name.to_owned());
        }
    }
}

/// The number in front of a word, as in `12 passed`; 0 without one.
fn number_before(text: &str, word: &str) -> u64 {
    let before = text.split(word).next().filter(|before| before.len() < text.len());
    before.and_then(|before| before.rsplit(' ').next()).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_suites_are_summed() {
        let mut sums = Sums::default();
        for line in [
            "test a::b ... ok",
            "test a::c ... FAILED",
            "test result: FAILED. 1 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.88s",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s",
        ] {
            sums.count(line);
        }
        let failures = vec!["a::c".to_owned()];
        assert_eq!(sums, Sums { passed: 13, failed: 1, ignored: 2, suites: 2, failures });
        assert!(verdict(&sums, false).is_err());
    }

    #[test]
    fn a_run_without_tests_is_no_success() {
        assert!(verdict(&Sums::default(), true).is_err());
    }

    #[test]
    fn a_suite_that_died_is_no_success() {
        assert!(verdict(&Sums { passed: 3, ..Sums::default() }, false).is_err());
        assert!(verdict(&Sums { passed: 3, ..Sums::default() }, true).is_ok());
    }
}
