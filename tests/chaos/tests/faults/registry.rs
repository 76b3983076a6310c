//! Something else answers where the registry was: a page of a proxy, an error of its own, half an answer.

use std::time::Duration;

use chaos::{
    checker,
    observe::{wait_not_ready, wait_ready},
    world::{Plan, World},
};
use testkit::proxy::Fault;

const SOURCE: &str = "generator:?services=20&providers=400&bundles=2&fields=2&seed=23";

/// Slows a run down, so that the nonsense comes in the middle of it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(10));

/// What answers, and the cause that a worker gives which wants its schemas.
const ANSWERS: [(&str, &str); 6] = [
    (
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><body>Welcome</body></html>",
        "did not answer as a schema registry does",
    ),
    (
        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n\
         {\"error_code\": 50001, \"message\": \"Error in the backend data store\"}",
        "failed with 50001: Error in the backend data store",
    ),
    ("HTTP/1.1 502 Bad Gateway\r\nConnection: close\r\n\r\n<html>no upstream</html>", "failed with 502"),
    (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[\"sluice.sync.run-requ",
        "did not answer as a schema registry does (EOF while parsing",
    ),
    // Sound where subjects are listed, nonsense where a schema is looked up.
    (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n[]",
        "did not answer as a schema registry does",
    ),
    ("220 mail.example.org ESMTP\r\n", "is not reachable"),
];

#[test]
fn nonsense_from_the_registry_in_mid_run_is_an_outage_for_the_worker_that_starts() {
    let world = World::start(Plan::of(SOURCE));
    let workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles", "stage-activator"]);
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(2);
    world.wait_for_stored_batches(10);

    world.registry_link.set(Fault::Refuse);
    world.registry_link.cut();
    let late = world.worker("stage-bundles");
    wait_not_ready(&late, "is not reachable");
    for (answer, cause) in ANSWERS {
        world.registry_link.set(Fault::Answer(answer));
        wait_not_ready(&late, cause);
        // In between, so that the next cause is that of the next answer.
        world.registry_link.set(Fault::Refuse);
        wait_not_ready(&late, "tcp connect error");
    }
    world.wait_for_state(&run_id, "activated");
    world.registry_link.set(Fault::None);
    wait_ready(&late);
    checker::assert_whole(&world, &run_id);
    workers.into_iter().chain([late]).for_each(|worker| drop(worker.stop().expect_code(0)));
}
