//! Serves a folder of documents as Couchbase, to try Sluice without a cluster:
//! `cargo run -p testkit --example couchbase_double -- FOLDER`.
#![expect(clippy::print_stdout, reason = "a program of its own")]

use std::{env, path::PathBuf, process::ExitCode, thread};

use testkit::couchbase::{CouchbaseDouble, Options};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        eprintln!("usage: couchbase_double FOLDER (with provider_services.jsonl, providers.jsonl, bundles.jsonl)");
        return ExitCode::FAILURE;
    };
    let double = CouchbaseDouble::start(Options { folder: Some(folder), ..Options::default() });
    let Options { user, password, .. } = double.options();
    println!("source.url {}, user {user}, password {password}", double.url());
    println!("query service http://{}/query/service; end with Ctrl-C", double.http_address());
    loop {
        thread::park();
    }
}
