//! A second run, in which most is known by its tag, is hurt while it is planned: what is unchanged is planned as stored,
//! so that the plan alone decides what is read.

use std::{fs, path::PathBuf};

use chaos::{
    checker,
    world::{Plan, RUN_DEADLINE, World},
};
use e2e::rows::Rows;
use fastrand::Rng;
use serde_json::{Value, json};
use testkit::{process::Process, proxy::Fault, wait};

use super::crash_points::Doomed;

const SERVICES: usize = 24;
/// Providers of each service.
const WIDTH: usize = 10;

/// One provider of so many is changed, or none.
const CHANGES: [Option<usize>; 2] = [None, Some(6)];

/// Slows a run down, so that faults come in the middle of its plan.
const SLOW: Fault = Fault::Latency(std::time::Duration::from_millis(15));

const PROVIDERS: Doomed =
    Doomed { stage: "providers", deployable: "stage-providers", transaction: "plan service", passed: 2 };
const BUNDLES: Doomed = Doomed { stage: "bundles", deployable: "stage-bundles", transaction: "store batch", passed: 1 };

/// Workers of the providers stage that are killed while a run is planned.
const KILLED: usize = 4;

/// A source of files, gone with this value.
struct Catalogue {
    folder: PathBuf,
    /// The revision of each provider's content.
    revisions: Vec<usize>,
}

#[test]
fn a_plan_with_tags_survives_the_death_of_its_workers_at_each_step() {
    let mut catalogue = Catalogue::new("steps");
    let mut world = copied(&catalogue);
    let others = world.one_each(&["stage-root", "stage-activator"]);
    for change in CHANGES {
        let changed = catalogue.change(change);
        world.expected = Rows::of_source(&catalogue.url());
        let mut planners = PROVIDERS.all(&world);
        let mut loaders = if changed > 0 { BUNDLES.all(&world) } else { Vec::new() };
        planners.iter_mut().chain(&mut loaders).for_each(|victim| victim.worker.wait_ready());

        let run_id = world.messenger.request_run(1);
        planners.into_iter().for_each(|victim| victim.assert_dies());
        assert!(unplanned(&world) > 0, "everything was planned before the last of them died");
        let mut living = vec![world.worker("stage-providers")];
        loaders.into_iter().for_each(|victim| victim.assert_dies());
        living.push(world.worker("stage-bundles"));

        assert_whole(&world, &run_id, changed);
        living.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
    }
    others.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

#[test]
fn a_plan_with_tags_survives_killed_workers_and_a_killed_database_in_its_middle() {
    let mut catalogue = Catalogue::new("kills");
    let mut world = copied(&catalogue);
    let others = world.one_each(&["stage-root", "stage-activator"]);
    let mut planners = world.workers("stage-providers", 2);
    let mut loader = world.one_each(&["stage-bundles"]).remove(0);
    let mut rng = Rng::with_seed(32);
    for change in CHANGES {
        // Workers that are killed, whenever.
        let changed = catalogue.change(change);
        let run_id = begin(&mut world, &catalogue);
        for _ in 0..KILLED {
            std::thread::sleep(std::time::Duration::from_millis(rng.u64(0..400)));
            assert!(unplanned(&world) > 0, "everything was planned before the last of them was killed");
            planners.remove(0).kill();
            planners.push(world.worker("stage-providers"));
            wait_for_plans(&world, 1);
        }
        if changed > 0 {
            let before = waiting(&world);
            wait::until_blocking("batches are stored", RUN_DEADLINE, || (waiting(&world) != before).then_some(()));
            loader.kill();
            loader = world.worker("stage-bundles");
        }
        world.database_link.set(Fault::None);
        assert_whole(&world, &run_id, changed);

        // The database, with plans in its transactions.
        let changed = catalogue.change(change);
        let run_id = begin(&mut world, &catalogue);
        world.own_database().kill();
        world.own_database().start();
        world.wait_for_database();
        assert!(unplanned(&world) > 0, "everything was planned before the database was killed");
        world.database_link.set(Fault::None);
        assert_whole(&world, &run_id, changed);
    }
    let all = others.into_iter().chain(planners).chain([loader]);
    all.for_each(|worker: Process| drop(worker.stop().expect_code(0)));
}

/// A world into which the catalogue was copied once, and whose workers from now on plan one service after another.
fn copied(catalogue: &Catalogue) -> World {
    let mut world = World::start(Plan { own_database: true, partitions: 3, ..Plan::of(&catalogue.url()) });
    let workers = world.one_each(&["stage-root", "stage-providers", "stage-bundles", "stage-activator"]);
    let run_id = world.messenger.request_run(10);
    world.wait_for_state(&run_id, "activated");
    checker::assert_whole(&world, &run_id);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
    world.set("SLUICE__STAGE__IN_FLIGHT", "1");
    // Successors of killed workers need not wait for long.
    world.set("SLUICE__KAFKA__SESSION_TIMEOUT_MS", "1500");
    world
}

/// Asks for a run, and waits until it is being planned.
fn begin(world: &mut World, catalogue: &Catalogue) -> String {
    world.expected = Rows::of_source(&catalogue.url());
    world.database_link.set(SLOW);
    let run_id = world.messenger.request_run(1);
    wait::until_blocking("services are discovered", RUN_DEADLINE, || (unplanned(world) > 0).then_some(()));
    wait_for_plans(world, 2);
    run_id
}

/// Waits until so many more services are planned, or all.
fn wait_for_plans(world: &World, more: i64) {
    let before = unplanned(world);
    wait::until_blocking("services are planned", RUN_DEADLINE, || {
        let left = unplanned(world);
        (left == 0 || left <= before - more).then_some(())
    });
}

fn unplanned(world: &World) -> i64 {
    world.number("SELECT COUNT(*) FROM sluice_run_service WHERE state = 'discovered'")
}

/// Batches of the open run that are not stored.
fn waiting(world: &World) -> i64 {
    world.number("SELECT COUNT(*) FROM sluice_run_batch WHERE state = 'planned'")
}

/// The copy is the source, and what had not changed was planned as such and not read.
fn assert_whole(world: &World, run_id: &str, changed: usize) {
    world.wait_for_state(run_id, "activated");
    let sum = |column| world.number(&format!("SELECT SUM({column}) FROM sluice_run_batch WHERE run_id = '{run_id}'"));
    let counts = [sum("stored"), sum("unchanged")];
    let expected = [changed, SERVICES * WIDTH - changed].map(|count| i64::try_from(count).expect("a small number"));
    assert_eq!(counts, expected, "providers that were written, and those that were not");
    checker::assert_whole_after_changes(world, run_id);
}

// === impl Catalogue ===

impl Catalogue {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("sluice-etags-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder can be made");
        let catalogue = Self { folder, revisions: vec![0; SERVICES * WIDTH] };
        catalogue.write();
        catalogue
    }

    fn url(&self) -> String {
        format!("file://{}", self.folder.display())
    }

    /// Changes what is below one provider of so many; gives how many that are.
    fn change(&mut self, one_of: Option<usize>) -> usize {
        let changed: Vec<&mut usize> = self.revisions.iter_mut().step_by(one_of.unwrap_or(usize::MAX)).collect();
        let count = one_of.map_or(0, |_| changed.len());
        changed.into_iter().take(count).for_each(|revision| *revision += 1);
        self.write();
        count
    }

    fn write(&self) {
        let services: Vec<String> = (0..SERVICES).map(|number| format!("s{number}")).collect();
        let documents = self.revisions.iter().enumerate().map(|(number, revision)| {
            let (id, service) = (format!("p{number}"), services.get(number % SERVICES).expect("a service"));
            let bundle = |name: &str| {
                let fields = json!([{ "name": "revision", "value": revision }, { "name": "note", "value": "ünïcödé" }]);
                json!({ "id": format!("{id}-{name}"), "provider_id": id, "service_id": service, "subscription_fields": fields })
            };
            (json!({ "id": id, "service_id": service, "name": id }), [bundle("a"), bundle("b")])
        });
        let (providers, bundles): (Vec<Value>, Vec<[Value; 2]>) = documents.unzip();
        let services: Vec<Value> = services.iter().map(|id| json!({ "id": id, "name": id })).collect();
        self.file("provider_services.jsonl", &services);
        self.file("providers.jsonl", &providers);
        self.file("bundles.jsonl", &bundles.concat());
    }

    /// As files should be replaced: written elsewhere, then renamed.
    fn file(&self, name: &str, documents: &[Value]) {
        let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
        let new = self.folder.join(format!("{name}.new"));
        fs::write(&new, lines).and_then(|()| fs::rename(&new, self.folder.join(name))).expect("a file can be written");
    }
}

impl Drop for Catalogue {
    fn drop(&mut self) {
        // A folder that stays in the system's temporary folder does no harm.
        drop(fs::remove_dir_all(&self.folder));
    }
}
