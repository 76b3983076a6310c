//! Many interleavings, drawn at random, each held against the invariants at every step.

use std::{cell::RefCell, collections::HashSet};

use crate::{
    coverage::Coverage,
    invariants::Violation,
    script::{Script, Scripts, for_each},
    system::System,
};

fn explore(script: &Script) -> Result<System, String> {
    let mut system = System::new(script.source(), script.requests());
    match play(&mut system, script) {
        Ok(()) => Ok(system),
        Err(_) => {
            // Once more, to tell what happened.
            let mut system = System { log: Some(Vec::new()), ..System::new(script.source(), script.requests()) };
            let violation = play(&mut system, script).expect_err("the same script breaks the same invariant");
            Err(format!("{}\n{}", system.log.unwrap_or_default().join("\n"), violation.0))
        }
    }
}

fn play(system: &mut System, script: &Script) -> Result<(), Violation> {
    system.begin_after(script.earlier_runs(), script.world)?;
    script.words.iter().try_for_each(|word| system.act(*word))?;
    system.settle()
}

/// Explores so many scripts, and sees that they went where it is interesting.
fn explore_many(seed: u64, cases: u32) {
    let paths = RefCell::new(HashSet::new());
    let sum = RefCell::new(Coverage::default());
    for_each(Scripts(48), seed, cases, |script| {
        let system = explore(&script)?;
        paths.borrow_mut().insert(system.path);
        sum.borrow_mut().add(&system.coverage);
        Ok(())
    });
    let (paths, sum) = (paths.into_inner().len(), sum.into_inner());
    assert!(paths > cases as usize * 95 / 100, "only {paths} different interleavings");
    sum.require(30);
}

// Two halves, side by side: more than 100,000 different interleavings in all.

#[test]
fn no_interleaving_breaks_an_invariant_and_every_one_comes_to_its_end() {
    explore_many(1, 55_000);
}

#[test]
fn no_other_interleaving_breaks_an_invariant_and_every_one_comes_to_its_end() {
    explore_many(2, 55_000);
}
