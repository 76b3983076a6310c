//! Many interleavings, drawn at random, each held against the invariants at every step.

use std::{cell::RefCell, collections::HashSet};

use crate::{
    invariants::Violation,
    script::{Script, Scripts, for_each},
    system::{Coverage, Message, System},
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
    system.emit(Message::Requested { run: 0 });
    script.words.iter().try_for_each(|word| system.act(*word))?;
    system.settle()
}

#[test]
fn no_interleaving_breaks_an_invariant_and_every_one_comes_to_its_end() {
    let paths = RefCell::new(HashSet::new());
    let sum = RefCell::new(Coverage::default());
    let started = std::time::Instant::now();
    for_each(Scripts(48), 110_000, |script| {
        let system = explore(&script)?;
        paths.borrow_mut().insert(system.path);
        sum.borrow_mut().add(&system.coverage);
        Ok(())
    });
    eprintln!("{:?} {} {:?}", started.elapsed(), paths.borrow().len(), sum.borrow());
    assert!(paths.borrow().len() >= 100_000, "only {} different interleavings", paths.borrow().len());
}
