//! The faults of a storm, and how often each comes.

use std::{
    ops::Range,
    time::{Duration, Instant},
};

use chaos::world::World;
use pipeline_kafka::Outbound;
use pipeline_model::contracts::{BatchPlanned, Confirmed, Message, RunRequested, ServiceDiscovered};
use testkit::{
    mariadb::Session,
    process::{Process, Signal},
    proxy::{Direction, Fault, Proxy},
};

use super::storm::{SLOW, STAGES, Storm};

/// Milliseconds from one fault to the next.
pub(super) const BETWEEN: Range<u64> = 50..500;

/// Milliseconds of a fault; every fourth time perhaps for longer than a session.
const SHORT: Range<u64> = 300..1_500;
const LONG: Range<u64> = 300..4_500;

/// How long a row is held: longer than a stage waits for a lock.
const HELD: Duration = Duration::from_secs(11);

/// As large as a client sends.
const LARGE: usize = 999_000;
const LARGE_KEY: &str = "a large record of the storm";
/// What a letter says of a statement that the database refused; never the words of who refused it.
const REFUSED: &str = "SLUICE-TARGET-019";

/// Makes one fault.
type Make = fn(&mut Storm);

/// Of all faults on average, how many are of this kind.
const KINDS: [(u32, Make); 17] = [
    (4, kill_worker),
    (2, stop_worker),
    (3, stop_and_continue_worker),
    (4, |storm| hurt(storm, Link::Database)),
    (4, |storm| hurt(storm, Link::Broker)),
    (1, |storm| hurt(storm, Link::Registry)),
    (1, stop_and_continue_broker),
    (1, restart_broker),
    (1, restart_database),
    (2, lose_messages),
    (2, lock_tables),
    (1, hold_a_row),
    (2, jump_clock),
    (2, rename_source_away),
    (3, interfere),
    (2, refuse_batches),
    (1, send_large_record),
];

/// A link from every worker to a server.
#[derive(Clone, Copy)]
enum Link {
    Broker,
    Database,
    Registry,
}

/// One fault, from its beginning to its end; a few last on while others come.
pub(super) fn one(storm: &mut Storm) {
    let all: u32 = KINDS.iter().map(|(share, _)| share).sum();
    let mut chosen = storm.rng.u32(0..all);
    for (share, fault) in KINDS {
        if chosen < share {
            return fault(storm);
        }
        chosen -= share;
    }
}

fn kill_worker(storm: &mut Storm) {
    replace(storm, "killed", |worker| drop(worker.kill()));
}

fn stop_worker(storm: &mut Storm) {
    replace(storm, "asked to stop", |worker| drop(worker.stop().expect_code(0)));
}

fn replace(storm: &mut Storm, how: &str, end: impl FnOnce(Process)) {
    let victim = victim(storm, "worker ended and replaced", how);
    end(storm.workers.remove(victim));
    let successor = storm.worker(victim);
    storm.workers.insert(victim, successor);
}

fn stop_and_continue_worker(storm: &mut Storm) {
    let victim = victim(storm, "worker stopped and continued", "by signal");
    let signal = |storm: &Storm, signal| storm.workers.get(victim).expect("a worker").signal(signal);
    signal(storm, Signal::SIGSTOP);
    last(storm);
    signal(storm, Signal::SIGCONT);
}

fn victim(storm: &mut Storm, kind: &'static str, how: &str) -> usize {
    let victim = storm.rng.usize(0..storm.workers.len());
    storm.note(kind, &format!("{} {victim} {how}", STAGES.get(victim).unwrap_or(&"")));
    victim
}

fn stop_and_continue_broker(storm: &mut Storm) {
    let node = broker(storm, "broker stopped and continued");
    storm.world.broker_number(node).signal(Signal::SIGSTOP);
    last(storm);
    storm.world.broker_number(node).signal(Signal::SIGCONT);
}

pub(super) fn restart_broker(storm: &mut Storm) {
    let node = broker(storm, "broker killed and restarted");
    storm.world.broker_number(node).kill();
    storm.pause(0..2_000);
    storm.world.broker_number(node).start();
}

/// One of the brokers, by its node id.
fn broker(storm: &mut Storm, kind: &'static str) -> i32 {
    let brokers = 1 + i32::try_from(storm.world.other_brokers.len()).expect("a few brokers");
    let node = storm.rng.i32(1..=brokers);
    storm.note(kind, &format!("{node} of {brokers}"));
    node
}

fn restart_database(storm: &mut Storm) {
    storm.note("database killed and restarted", "by signal");
    storm.world.own_database().kill();
    storm.pause(0..2_000);
    storm.world.own_database().start();
    storm.world.wait_for_database();
}

fn hurt(storm: &mut Storm, link: Link) {
    let fault = fault(storm);
    storm.note(link.kind(), &format!("{fault:?}"));
    link.of(&storm.world).set(fault);
    if matches!(fault, Fault::Refuse | Fault::Answer(_)) {
        link.of(&storm.world).cut();
    }
    last(storm);
    // A registry keeps its connections; to the others, what was held back may never arrive.
    if !matches!(link, Link::Registry) {
        link.of(&storm.world).cut();
    }
    link.of(&storm.world).set(if matches!(link, Link::Database) { SLOW } else { Fault::None });
}

fn fault(storm: &mut Storm) -> Fault {
    match storm.rng.u32(0..7) {
        0 => Fault::Latency(Duration::from_millis(storm.rng.u64(20..300))),
        1 => Fault::Bandwidth(storm.rng.u32(5_000..100_000)),
        2 => Fault::Refuse,
        3 => Fault::HalfOpen,
        4 => Fault::OneWay(Direction::ToServer),
        5 => Fault::OneWay(Direction::ToClient),
        _ => Fault::Answer("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>Welcome</html>"),
    }
}

/// Not the topic of requests: a run whose request is lost before anybody read it never was.
fn lose_messages(storm: &mut Storm) {
    let topics = [ServiceDiscovered::TOPIC, BatchPlanned::TOPIC, Confirmed::TOPIC];
    let topic = topics.get(storm.rng.usize(0..topics.len())).expect("one of them");
    storm.note("messages lost", topic);
    storm.world.lose_messages(topic);
}

fn lock_tables(storm: &mut Storm) {
    storm.note("tables locked", "FLUSH TABLES WITH READ LOCK");
    let mut session = impatient(storm);
    // Statements of others may be under way for too long: then nothing was locked.
    if session.try_rows("FLUSH TABLES WITH READ LOCK").is_ok() {
        last(storm);
    }
}

/// Goes on while other faults come; once in a storm.
fn hold_a_row(storm: &mut Storm) {
    if storm.hold.is_some() {
        return;
    }
    let rows = [
        "SELECT state FROM sluice_run WHERE state = 'running' FOR UPDATE",
        "SELECT batch_no FROM sluice_run_batch WHERE state = 'planned' LIMIT 1 FOR UPDATE",
        "SELECT state FROM sluice_run_service WHERE state <> 'activated' LIMIT 1 FOR UPDATE",
    ];
    let row = rows.get(storm.rng.usize(0..rows.len())).expect("one of them");
    storm.note("row held by another session", row);
    let mut session = impatient(storm);
    session.run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED");
    session.run("START TRANSACTION");
    if session.try_rows(row).is_ok() {
        storm.hold = Some((session, Instant::now() + HELD));
    }
}

/// The worker's clock stays wrong until the next jump.
fn jump_clock(storm: &mut Storm) {
    let seconds = if storm.rng.bool() { 3_600 } else { -3_600 };
    let (worker, clock) = &storm.clock;
    clock.set(seconds);
    let what = format!("{} {worker} is wrong by {seconds} s", STAGES.get(*worker).unwrap_or(&""));
    storm.note("clock of a worker jumped", &what);
}

fn rename_source_away(storm: &mut Storm) {
    storm.note("source away", "renamed");
    storm.source.rename_away();
    last(storm);
    storm.source.rename_back();
}

/// A person retries or tolerates at a moment that may be the one in which an activator looks.
fn interfere(storm: &mut Storm) {
    let commands: [&[&str]; 3] = [
        &["run", "retry", "@latest", "--yes"],
        &["run", "tolerate", "@latest", "5%"],
        &["run", "tolerate", "@latest", "none"],
    ];
    let command = commands.get(storm.rng.usize(0..commands.len())).expect("one of them");
    storm.note("person interferes", &command.join(" "));
    let begun = storm.world.begin_command(command);
    storm.commands.push(begun);
}

/// A trigger of somebody else's.
fn refuse_batches(storm: &mut Storm) {
    storm.note("batches refused", "by a trigger");
    let mut session = impatient(storm);
    let create = "CREATE TRIGGER storm BEFORE INSERT ON sluice_content_bundle FOR EACH ROW \
                  SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'refused by the storm'";
    if session.try_rows(create).is_ok() {
        storm.causes.push(REFUSED);
        storm.refused = true;
        storm.pause(100..800);
        session.run("SET SESSION lock_wait_timeout = 100; DROP TRIGGER storm");
    }
}

fn send_large_record(storm: &mut Storm) {
    let topics = [RunRequested::TOPIC, ServiceDiscovered::TOPIC, BatchPlanned::TOPIC, Confirmed::TOPIC];
    let topic = *topics.get(storm.rng.usize(0..topics.len())).expect("one of them");
    storm.note("large record", topic);
    let payload = (0..LARGE).map(|_| storm.rng.u8(..)).collect();
    let key = Some(LARGE_KEY.as_bytes().to_vec());
    let record = Outbound { topic: topic.to_owned(), key, payload: Some(payload), headers: Vec::new() };
    // A broker that is starting may take longer than a client waits, and have the record all the same.
    if let Err(error) = storm.world.messenger.try_send_bytes(vec![record]) {
        storm.note("large record", &format!("not acknowledged: {error}"));
    }
    storm.causes.push(LARGE_KEY);
}

/// An administrator's session that gives up soon, as the storm must go on.
fn impatient(storm: &Storm) -> Session {
    let mut session = storm.world.database.session();
    session.run("SET SESSION lock_wait_timeout = 5, SESSION innodb_lock_wait_timeout = 5");
    session
}

/// How long a fault lasts.
fn last(storm: &mut Storm) {
    let length = if storm.rng.u32(0..4) == 0 { LONG } else { SHORT };
    storm.pause(length);
}

// === impl Link ===

impl Link {
    fn of(self, world: &World) -> &Proxy {
        match self {
            Self::Broker => world.broker_link(),
            Self::Database => &world.database_link,
            Self::Registry => &world.registry_link,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Broker => "link to the broker hurt",
            Self::Database => "link to the database hurt",
            Self::Registry => "link to the registry hurt",
        }
    }
}
