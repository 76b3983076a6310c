//! What a worker says of itself, as probes and dashboards see it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use testkit::{
    http,
    process::Process,
    wait::{self, PATIENCE},
};

/// Waits until `/readyz` answers 503 and names the cause; `/livez` must answer 200 then.
pub fn wait_not_ready(worker: &Process, cause: &str) {
    let what = format!("/readyz says 503 because of `{cause}`");
    wait::until_blocking(&what, PATIENCE, || {
        let answer = http::get(worker.admin(), "/readyz").ok()?;
        (answer.status == 503 && answer.body.contains(cause)).then_some(())
    });
    assert_alive(worker);
}

/// Waits until a message of the worker waits by itself for this cause; the worker is ready meanwhile.
pub fn wait_alone(worker: &Process, cause: &str) {
    wait::until_blocking(&format!("a message waits by itself because of `{cause}`"), PATIENCE, || {
        let is_told = worker.stderr().lines().any(|line| line.contains("waits by itself") && line.contains(cause));
        (is_told && worker.metric("sluice_waiting_messages") > 0.0).then_some(())
    });
    assert_ready(worker);
}

/// Waits until no message of the worker waits by itself.
pub fn wait_for_none_alone(worker: &Process) {
    wait::until_blocking("no message waits by itself", PATIENCE, || {
        (worker.metric("sluice_waiting_messages") == 0.0).then_some(())
    });
}

/// Fails unless `/readyz` answers 200.
pub fn assert_ready(worker: &Process) {
    let answer = http::get(worker.admin(), "/readyz").expect("a live worker answers");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Waits until `/readyz` answers 200.
pub fn wait_ready(worker: &Process) {
    wait::until_blocking("/readyz says 200", PATIENCE, || {
        http::get(worker.admin(), "/readyz").is_ok_and(|answer| answer.status == 200).then_some(())
    });
}

/// Fails unless `/livez` answers 200.
pub fn assert_alive(worker: &Process) {
    let answer = http::get(worker.admin(), "/livez").expect("a live worker answers");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Asks `/livez` of every worker all the time while `work` is done; each answer must be 200.
pub fn assert_alive_while<T>(workers: &[Process], work: impl FnOnce() -> T) -> T {
    /// Ends the questions also when `work` panics, so that the panic is not waited out.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                workers.iter().for_each(assert_alive);
                thread::sleep(Duration::from_millis(50));
            }
        });
        let _over = Over(&over);
        work()
    })
}
