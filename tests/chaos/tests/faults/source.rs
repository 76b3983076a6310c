//! The source folder goes away, cannot be read, does not answer, is written to, or loses a part of a file, in the middle of a run.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use chaos::{
    checker,
    observe::{self, wait_not_ready},
    world::{Plan, RUN_DEADLINE, World},
};
use e2e::{folder::Folder, rows::Rows};
use nix::{sys::stat::Mode, unistd::mkfifo};
use pipeline_model::contracts::DEAD_LETTERS;
use testkit::{process::Process, proxy::Fault, wait};

const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];
const FILES: [&str; 3] = ["provider_services.jsonl", "providers.jsonl", "bundles.jsonl"];
const BUNDLES: &str = "bundles.jsonl";

/// Providers of each of three services.
const WIDTH: usize = 80;

/// Longer than all attempts that an error which may pass gets, so that a wrong class of error would end in dead
/// letters.
const OUTAGE: Duration = Duration::from_secs(8);

/// Slows a run down, so that faults come in the middle of it.
const SLOW: Fault = Fault::Latency(Duration::from_millis(30));

#[test]
fn a_source_that_goes_away_or_is_written_to_in_mid_run_heals_by_itself() {
    let source = Folder::new("source-faults", WIDTH);
    let folder = PathBuf::from(source.url().trim_start_matches("file://"));
    let mut world = World::start(Plan::of(&source.url()));
    // Whatever is taken for removed holds a run.
    world.set("SLUICE__RUN__MAX_REMOVED__PERCENT", "0");
    world.set("SLUICE__RUN__MAX_REMOVED__BUNDLES", "0");
    let workers = world.one_each(&STAGES);
    let [_, _, bundles, _] = workers.as_slice() else { panic!("four workers") };

    // The mount is gone, and comes back.
    let run_id = begin(&world, 5);
    let away = folder.with_extension("away");
    fs::rename(&folder, &away).expect("a folder can be renamed");
    wait_not_ready(bundles, "could not find");
    observe::assert_alive_while(&workers, || thread::sleep(OUTAGE));
    fs::rename(&away, &folder).expect("a folder can be renamed back");
    end(&world, &run_id, &workers);

    // The files are there and nobody can read them: what permissions do to others, a link to itself does to root too.
    let run_id = begin(&world, 5);
    for file in FILES {
        fs::rename(folder.join(file), folder.join(file).with_extension("kept")).expect("a file can be renamed");
        symlink(folder.join(file), folder.join(file)).expect("a link can be made");
    }
    wait_not_ready(bundles, "could not read");
    observe::assert_alive_while(&workers, || thread::sleep(OUTAGE));
    for file in FILES {
        fs::rename(folder.join(file).with_extension("kept"), folder.join(file)).expect("a file can be renamed back");
    }
    end(&world, &run_id, &workers);

    // A pipe that nobody writes to has the name of a file.
    let run_id = begin(&world, 5);
    let bundles_file = folder.join(BUNDLES);
    fs::rename(&bundles_file, bundles_file.with_extension("kept")).expect("a file can be renamed");
    mkfifo(&bundles_file, Mode::S_IRWXU).expect("a pipe can be made");
    wait_not_ready(bundles, "a named pipe");
    observe::assert_alive_while(&workers, || thread::sleep(OUTAGE));
    fs::rename(bundles_file.with_extension("kept"), &bundles_file).expect("a file can be renamed back");
    end(&world, &run_id, &workers);

    // Somebody writes into the files all the time; an empty line is no document.
    let run_id = begin(&world, 5);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut writers = FILES.map(|file| appender(&folder.join(file)));
            while !over.load(Ordering::SeqCst) {
                writers.iter_mut().for_each(|file| file.write_all(b"\n").expect("a file can be written to"));
                thread::sleep(Duration::from_millis(1));
            }
        });
        observe::wait_alone(bundles, "changed meanwhile");
        over.store(true, Ordering::SeqCst);
    });
    end(&world, &run_id, &workers);

    cut_off(&world, &folder);
    workers.into_iter().for_each(|worker| drop(worker.stop().expect_code(0)));
}

#[test]
fn a_worker_whose_source_never_answers_says_so_loses_nothing_and_ends_when_it_is_told_to() {
    let source = Folder::new("source-hangs", 8);
    let folder = PathBuf::from(source.url().trim_start_matches("file://"));
    let mut world = World::start(Plan::of(&source.url()));
    let others = world.one_each(&["stage-root", "stage-providers", "stage-activator"]);
    world.set("SLUICE__STAGE__DRAIN_TIMEOUT_MS", "2000");

    // While it is being built: the folder itself does not answer.
    let building = world.failing_worker("stage-bundles", "source::read=pause");
    wait_not_ready(&building, "connecting to source and target");
    building.stop().expect_code(0);
    world.set("SLUICE__SOURCE__READ_TIMEOUT_MS", "500");
    let building = world.failing_worker("stage-bundles", "source::read=pause");
    wait_not_ready(&building, "gave no answer");
    building.stop().expect_code(0);

    // With messages in hand, one read of which hangs: at first it says so, and then it waits for long.
    let hangs = format!("source::read {}=pause", folder.join(BUNDLES).display());
    let run_id = world.messenger.request_run(5);
    let says_so = world.failing_worker("stage-bundles", &hangs);
    // While few reads hang, their messages wait by themselves; with more, nothing of the folder can be read any more.
    wait::until_blocking("it says which file gives no answer", RUN_DEADLINE, || {
        says_so.stderr().lines().any(|line| line.contains("bundles.jsonl`: it gave no answer")).then_some(())
    });
    says_so.stop().expect_code(0);
    world.set("SLUICE__SOURCE__READ_TIMEOUT_MS", "3600000");
    let waits = world.failing_worker("stage-bundles", &hangs);
    wait::until_blocking("it has messages in hand", RUN_DEADLINE, || {
        (waits.metric("sluice_in_flight_messages") > 0.0).then_some(())
    });
    waits.stop().expect_code(0);
    assert_eq!(world.messenger.count(DEAD_LETTERS), 0);

    let healthy = world.one_each(&["stage-bundles"]);
    world.wait_for_state(&run_id, "activated");
    checker::assert_whole(&world, &run_id);
    others.into_iter().chain(healthy).for_each(|worker| drop(worker.stop().expect_code(0)));
}

/// A file that was cut off in place is no outage: it can be read, and says less. The document at the cut rejects its
/// provider, which keeps what it has. What is missing altogether looks as if it were removed, and holds the run: nothing
/// leaves the views, and the run after it is whole.
fn cut_off(world: &World, folder: &Path) {
    let path = folder.join(BUNDLES);
    let whole = fs::read(&path).expect("a file of this folder");
    let run_id = begin(world, 5);
    appender(&path).set_len(in_a_line(&whole)).expect("a file can be cut off");
    let rejected = format!(
        "SELECT COUNT(DISTINCT provider_id) FROM sluice_run_reject WHERE run_id = '{run_id}' \
         AND provider_id IS NOT NULL"
    );
    wait::until_blocking("the provider at the cut is rejected", RUN_DEADLINE, || {
        (world.number(&rejected) > 0).then_some(())
    });
    world.database_link.set(Fault::None);
    // As files should be replaced: written elsewhere, then renamed.
    let new = path.with_extension("new");
    fs::write(&new, &whole).and_then(|()| fs::rename(&new, &path)).expect("a file can be replaced");
    wait::until_blocking("nothing but the rejected one is waited for", RUN_DEADLINE, || {
        let waiting = "SELECT COUNT(*) FROM sluice_run_batch WHERE state <> 'stored'";
        let planned = "SELECT COUNT(*) FROM sluice_run_service WHERE state = 'discovered'";
        (world.number(waiting) == 0 && world.number(planned) == 0).then_some(())
    });
    assert_eq!(world.number(&rejected), 1, "the cut is in one document");
    world.sluice(&["run", "retry", &run_id, "--yes"]);
    wait::until_blocking("the guard holds the run", RUN_DEADLINE, || {
        let held = format!("SELECT COUNT(*) FROM sluice_run WHERE run_id = '{run_id}' AND held_at_ms IS NOT NULL");
        (world.number(&held) > 0).then_some(())
    });
    Rows::of_views(&world.database).assert_equals(&world.expected);
    world.sluice(&["run", "abort", &run_id, "--yes"]);
    let run_id = world.messenger.request_run(10);
    world.wait_for_state(&run_id, "activated");
    Rows::of_views(&world.database).assert_equals(&world.expected);
    checker::assert_ledger_closes(world, &run_id);
    assert_eq!(world.messenger.count(DEAD_LETTERS), 0);
}

/// Length of most of a file, ending shortly before the end of a line, where the document has said whose it is. It and
/// those behind belong to the last providers, whose batches come long after the first few.
fn in_a_line(file: &[u8]) -> u64 {
    let most = file.get(..file.len() / 10 * 9).expect("most of a file");
    let end_of_last_line = most.iter().rposition(|byte| *byte == b'\n').expect("a file of several lines");
    u64::try_from(end_of_last_line - 3).expect("a small file")
}

/// Asks for a run and waits until so many of its batches are stored. Nothing is known by its tag, so that each run reads
/// everything, and is long enough to be hurt in its middle.
fn begin(world: &World, batches: i64) -> String {
    world.database.session().run("UPDATE sluice_provider_content SET etag = NULL");
    world.database_link.set(SLOW);
    let before = world.stored_batches();
    let run_id = world.messenger.request_run(1);
    world.wait_for_stored_batches(before + batches);
    run_id
}

/// Waits until the run has ended by itself, whole.
fn end(world: &World, run_id: &str, workers: &[Process]) {
    let open = format!("SELECT COUNT(*) FROM sluice_run WHERE run_id = '{run_id}' AND state = 'running'");
    assert_eq!(world.number(&open), 1, "the fault came too late");
    world.database_link.set(Fault::None);
    world.wait_for_state(run_id, "activated");
    workers.iter().for_each(observe::wait_ready);
    checker::assert_whole(world, run_id);
}

fn appender(path: &Path) -> File {
    OpenOptions::new().append(true).open(path).expect("a file of this folder")
}
