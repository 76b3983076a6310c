//! The command people type.
//!
//! Standard output holds the answer and nothing else; progress, notes and logs go to standard error. How the command
//! ended is in its exit code ([`exit::Exit`]), and what went wrong is printed in one place ([`failure::Failure`]).

use std::process::ExitCode;

use clap::Parser;

mod cli;
mod commands;
mod compare;
mod confirm;
mod exit;
mod failure;
mod follow;
mod local;
mod outlook;
mod output;
mod pages;
mod progress;
mod request;
mod session;
mod text;

use crate::{
    cli::{Cli, Color},
    exit::Exit,
    failure::Failure,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.global.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Failure::caused(Exit::Failed, "cannot start the async runtime", &error)),
    };
    let ended = runtime.block_on(commands::dispatch(cli));
    // Without waiting for a thread that waits for a disk itself: a read of a dead mount never comes back.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> ExitCode {
    failure.print();
    failure.exit.into()
}
