//! What a test process started ends with it, however it ends.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use testkit::{mariadb::MariaDb, wait};

/// Makes the tests below that stand in for other test processes do their part.
const PART: &str = "TESTKIT_PART";

#[test]
fn servers_and_data_of_a_killed_test_process_go_with_it() {
    let (mut process, server) = other_test_process("stays");
    let folder = folder_of(process.id());
    assert!(is_running(server) && folder.exists());
    process.kill().expect("the process can be killed");
    process.wait().expect("the process ends");
    wait::until_blocking("the server is gone", wait::PATIENCE, || (!is_running(server)).then_some(()));
    wait::until_blocking("its data are gone", wait::PATIENCE, || (!folder.exists()).then_some(()));
}

#[test]
fn logs_and_data_of_a_failed_test_stay() {
    let (mut process, server) = other_test_process("fails");
    let folder = folder_of(process.id());
    let status = process.wait().expect("the process ends");
    assert!(!status.success());
    wait::until_blocking("the server is gone", wait::PATIENCE, || (!is_running(server)).then_some(()));
    assert!(folder.join("mariadb-0").join("mariadbd.err").exists());
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
}

#[test]
#[ignore = "plays the other test process in the tests above"]
fn other() {
    let part = std::env::var(PART).unwrap_or_default();
    if part.is_empty() {
        return;
    }
    let server = MariaDb::shared().process_id().expect("a server of our own");
    println!("\nserver {server}");
    assert_ne!(part, "fails", "as asked");
    loop {
        std::thread::park();
    }
}

/// Starts this binary once more, playing a part; gives it and its server's process id.
fn other_test_process(part: &str) -> (Child, u32) {
    let mut process = Command::new(std::env::current_exe().expect("this test has a path"))
        .args(["--exact", "other", "--ignored", "--nocapture"])
        .env(PART, part)
        .env_remove(testkit::mariadb::EXISTING_SERVER)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test can be started once more");
    let lines = BufReader::new(process.stdout.take().expect("stdout is piped")).lines();
    let line =
        lines.map_while(Result::ok).find(|line| line.starts_with("server ")).expect("a line with the server's id");
    let server = line.trim_start_matches("server ").parse().expect("a process id");
    (process, server)
}

fn folder_of(process: u32) -> PathBuf {
    std::env::temp_dir().join("sluice-tests").join(format!("janitor-{process}"))
}

fn is_running(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}
