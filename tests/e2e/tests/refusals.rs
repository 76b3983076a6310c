//! What cannot work is refused at the start, with an exit code for scripts and a sentence for people.

use testkit::{
    mariadb::Database,
    process::{Ended, Launch},
    registry::Registry,
    stack::Stack,
};

const STAGES: [&str; 4] = ["stage-root", "stage-providers", "stage-bundles", "stage-activator"];
const SOURCE: &str = "generator:?services=1&providers=1&bundles=1&fields=1&seed=1";
/// Nobody listens on the port of the discard service.
const NOBODY: &str = "127.0.0.1:9";

#[test]
fn an_unknown_key_ends_every_stage_with_the_nearest_valid_key() {
    for stage in STAGES {
        let ended = Launch::binary(stage).env("SLUICE__KAFKA__BOOTSTRAP_SERVER", "localhost:9092").run();
        let ended = ended.expect_code(78);
        assert!(ended.stderr.contains("did you mean SLUICE__KAFKA__BOOTSTRAP_SERVERS"), "{}", ended.stderr);
    }
}

#[test]
fn a_stage_does_not_start_without_its_schemas() {
    let stack = Stack::shared();
    let empty = Registry::start();
    let database = migrated_database(stack);
    for stage in STAGES {
        let launch = configured(Launch::binary(stage), stack, &database);
        let ended = launch.env("SLUICE__SCHEMA_REGISTRY__URL", &empty.url()).run();
        let ended = ended.expect_code(100);
        assert!(ended.stderr.contains("sluice schema register"), "{}", ended.stderr);
    }
}

#[test]
fn a_stage_does_not_start_on_a_target_without_tables() {
    let stack = Stack::shared();
    let database = stack.mariadb.fresh_database();
    for stage in STAGES {
        let ended = configured(Launch::binary(stage), stack, &database).run().expect_code(78);
        assert!(ended.stderr.contains("SLUICE-TARGET-009"), "{}", ended.stderr);
    }
}

#[test]
fn a_wrong_password_ends_stages_and_commands_as_a_fault_of_the_configuration() {
    let stack = Stack::shared();
    let database = migrated_database(stack);
    let wrong = database.loader_url().replacen(database.loader.password(), "wrong-horse", 1);
    let calls = STAGES.map(Launch::binary).into_iter().chain([
        Launch::binary("sluice").args(["run", "ls"]),
        Launch::binary("sluice").arg("migrate"),
        Launch::binary("sluice").arg("doctor"),
    ]);
    for call in calls {
        let ended = configured(call, stack, &database).env("SLUICE__TARGET__URL", &wrong).run();
        let ended = ended.expect_code(78);
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains("SLUICE-TARGET-021") || told.contains("does not let the account in"), "{told}");
        assert!(!told.contains("wrong-horse"), "{told}");
    }
}

#[test]
fn the_doctor_finds_each_missing_server_and_says_what_to_do() {
    let stack = Stack::shared();
    let database = migrated_database(stack);
    for (key, value) in [
        ("SLUICE__KAFKA__BOOTSTRAP_SERVERS", NOBODY.to_owned()),
        ("SLUICE__SCHEMA_REGISTRY__URL", format!("http://{NOBODY}")),
        ("SLUICE__TARGET__URL", format!("mysql://nobody@{NOBODY}/nothing")),
    ] {
        let ended = doctor(stack, &database, key, &value).expect_code(75);
        let told = format!("{}{}", ended.stdout, ended.stderr);
        assert!(told.contains(NOBODY), "{told}");
    }
}

fn doctor(stack: Stack, database: &Database, key: &str, value: &str) -> Ended {
    configured(Launch::binary("sluice").arg("doctor"), stack, database).env(key, value).run()
}

fn migrated_database(stack: Stack) -> Database {
    let database = stack.mariadb.fresh_database();
    let migrate = configured(Launch::binary("sluice").arg("migrate"), stack, &database);
    migrate.env("SLUICE__TARGET__URL", &database.url()).run().expect_code(0);
    database
}

fn configured(launch: Launch, stack: Stack, database: &Database) -> Launch {
    launch.envs([
        ("SLUICE__KAFKA__BOOTSTRAP_SERVERS", stack.kafka.bootstrap()),
        ("SLUICE__SCHEMA_REGISTRY__URL", stack.registry.url()),
        ("SLUICE__SOURCE__URL", SOURCE.to_owned()),
        ("SLUICE__TARGET__URL", database.loader_url()),
    ])
}
