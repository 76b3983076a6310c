//! One service with very many documents: what a stage holds of them does not grow with their size.
#![expect(clippy::expect_used, reason = "test code outside of test functions")]

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::Path,
};

use e2e::pipeline::Pipeline;
use testkit::process::Process;

/// Providers of the service.
const PROVIDERS: usize = 60_000;
/// Bytes of each provider's document, about.
const DOCUMENT: usize = 2_000;
/// Bytes that a stage may hold at its peak: less than the documents have together.
const MOST: usize = 100 * 1024 * 1024;

#[test]
fn a_stage_holds_less_than_the_documents_that_it_reads_before_it_writes() {
    let folder = std::env::temp_dir().join(format!("sluice-e2e-very-many-{}", std::process::id()));
    write(&folder);
    let pipeline = Pipeline::start(&format!("file://{}", folder.display()));
    let report = pipeline.run(&["--batch-size", "5000"]);
    assert_eq!(report.pointer("/providers/stored").and_then(serde_json::Value::as_u64), Some(PROVIDERS as u64));
    for (name, worker) in [("root", &pipeline.workers.root), ("providers", &pipeline.workers.providers)] {
        let peak = peak(worker);
        println!("{name}: {} MiB at its peak", peak / 1024 / 1024);
        assert!(peak < MOST, "{name} held {peak} bytes");
    }
    const { assert!(PROVIDERS * DOCUMENT > MOST, "the documents are larger than what may be held") };
    pipeline.stop();
    fs::remove_dir_all(folder).expect("the folder can be removed");
}

/// The most memory that a process has had.
fn peak(worker: &Process) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", worker.id())).expect("the worker runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel tells it");
    let kilobytes: usize = line.trim().trim_end_matches("kB").trim().parse().expect("a number of kB");
    kilobytes * 1024
}

fn write(folder: &Path) {
    fs::create_dir_all(folder).expect("a folder can be made");
    let open = |name: &str| BufWriter::new(File::create(folder.join(name)).expect("a file can be made"));
    writeln!(open("provider_services.jsonl"), r#"{{"id":"s0"}}"#).expect("a file can be written");
    open("bundles.jsonl").flush().expect("a file can be written");
    let (mut providers, padding) = (open("providers.jsonl"), "x".repeat(DOCUMENT));
    for number in 0..PROVIDERS {
        writeln!(providers, r#"{{"id":"p{number}","service_id":"s0","padding":"{padding}"}}"#)
            .expect("a file can be written");
    }
    providers.flush().expect("a file can be written");
}
