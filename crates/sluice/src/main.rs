//! The command people type.
//!
//! Standard output holds the answer and nothing else; progress, notes and logs go to standard error. How the command
//! ended is in its exit code ([`exit::Exit`]), and what went wrong is printed in one place ([`failure::Failure`]): for
//! people, or as one line of JSON when the answer was asked for in a format of programs.

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};

mod cli;
mod commands;
mod confirm;
mod exit;
mod failure;
mod follow;
mod global;
mod local;
mod outlook;
mod output;
mod pages;
mod progress;
mod request;
mod session;
mod skew;
mod text;

use crate::{cli::Cli, exit::Exit, failure::Failure, global::Color, output::Format};

fn main() -> ExitCode {
    let format = output::asked_for(std::env::args_os().skip(1));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && format.is_for_programs() => {
            let text = error.render().to_string();
            let what = text.trim_start_matches("error: ").trim_end();
            return failed(&Failure::new(Exit::Usage, what), format);
        }
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand || !error.use_stderr() => {
            error.exit()
        }
        Err(error) => {
            // A terminal that cannot be written to has no other place to be told.
            let _printed = error.print();
            output::say(format_args!("More about it: sluice explain {}", failure::USAGE));
            return Exit::Usage.into();
        }
    };
    match cli.global.color {
        Color::Auto => {}
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&Failure::caused(Exit::Failed, "cannot start the async runtime", &error), format),
    };
    let ended = runtime.block_on(commands::dispatch(cli));
    // Without waiting for a thread that waits for a disk itself: a read of a dead mount never comes back.
    runtime.shutdown_background();
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => failed(&failure, format),
    }
}

/// Prints a failure to standard error, for people or for programs as the answer would have been.
fn failed(failure: &Failure, format: Format) -> ExitCode {
    if format.is_for_programs() {
        output::say_exactly(&failure.document().to_string());
    } else {
        output::ask(format_args!("{}", failure.render()));
    }
    failure.exit.into()
}
