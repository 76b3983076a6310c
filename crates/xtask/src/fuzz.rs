//! `cargo xtask fuzz`: the fuzz targets, each for so long. Bytes of any kind must give a value or an error.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    command,
    failure::{Failure, Outcome},
    location, say, tool,
};
use clap::{Args, ValueEnum};

/// Bytes of one input, at most. What a parser does with more of the same is the bounds' matter and has tests.
const MAX_LEN: u32 = 4096;

/// What to run, and for how long.
#[derive(Args)]
pub struct FuzzArgs {
    /// Only this target; may be repeated.
    #[arg(long = "target", value_enum)]
    targets: Vec<Target>,
    /// Run each target for so many minutes.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
}

/// A parser of bytes that strangers write; each has a file in `tests/fuzz/fuzz_targets`.
#[derive(Clone, Copy, ValueEnum)]
enum Target {
    /// The wire format of a message, with each contract.
    Wire,
    /// The datum in it, with every kind of schema.
    Datum,
    /// A schema as a registry hands it out.
    Schema,
    /// A document of each level.
    Document,
    /// The headers of a message and of a dead letter.
    Envelope,
    /// A configuration file.
    Configuration,
}

/// Runs the targets one after another, from the kept corpus and what earlier runs on this machine found.
pub fn run(args: &FuzzArgs) -> Outcome {
    let Some(cargo_fuzz) = tool::find("cargo-fuzz") else {
        return Err(Failure::new("`cargo-fuzz` is not installed").advise(tool::advice("cargo-fuzz")));
    };
    let targets = if args.targets.is_empty() { Target::value_variants() } else { &args.targets };
    for target in targets {
        say(&format!("fuzzing {} for {} min", target.name(), args.minutes));
        let mut fuzz = Command::new(&cargo_fuzz);
        // The pinned toolchain is a stable one; coverage is all that is used of what it calls unstable.
        fuzz.env("RUSTC_BOOTSTRAP", "1").current_dir(command::root());
        fuzz.args(["run", "--fuzz-dir", "tests/fuzz", "--sanitizer", "none", &target.name()]).args(target.corpora()?);
        fuzz.args(["--", &format!("-max_total_time={}", args.minutes * 60), &format!("-max_len={MAX_LEN}")]);
        command::run(&mut fuzz).map_err(|_| {
            Failure::new(format!("`{}` has a finding, or could not be built", target.name())).advise(
                "a finding lies in `tests/fuzz/artifacts`: mend the parser, and put the input into `tests/fuzz/corpus`",
            )
        })?;
    }
    Ok(())
}

// === impl Target ===

impl Target {
    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Where finds go, outside the checkout, and the corpus that is kept in it.
    fn corpora(self) -> Outcome<[PathBuf; 2]> {
        let found = location::cache_folder().join("fuzz").join(self.name());
        fs::create_dir_all(&found)
            .map_err(|error| Failure::new(format!("could not make `{}`: {error}", found.display())))?;
        Ok([found, command::root().join("tests/fuzz/corpus").join(self.name())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_a_file_and_a_corpus_and_the_other_way_round() {
        let mut named: Vec<String> = Target::value_variants().iter().map(|target| target.name()).collect();
        named.sort();
        let list = |folder: &str| {
            let entries = fs::read_dir(command::root().join("tests/fuzz").join(folder)).unwrap();
            let stem = |entry: fs::DirEntry| entry.path().file_stem().unwrap().to_string_lossy().into_owned();
            let mut names: Vec<String> = entries.map(|entry| stem(entry.unwrap())).collect();
            names.sort();
            names
        };
        assert_eq!(list("fuzz_targets"), named);
        assert_eq!(list("corpus"), named);
    }
}
