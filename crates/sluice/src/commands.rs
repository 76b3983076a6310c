//! The verbs, one file for each group.

use clap::CommandFactory as _;

use crate::{
    cli::{Cli, Verb},
    exit::Exit,
    failure::Failure,
    session::Session,
};

pub mod audit;
pub mod capacity;
pub mod config;
pub mod demo;
pub mod dev;
pub mod dlq;
pub mod doctor;
pub mod explain;
pub mod generate;
pub mod generation;
pub mod lag;
pub mod migrate;
pub mod run;
pub mod schema;
pub mod source;
pub mod topic;
pub mod verify;

/// Does what the command line says.
pub async fn dispatch(cli: Cli) -> Result<Exit, Failure> {
    let session = Session::new(cli.global);
    match cli.verb {
        Verb::Demo(args) => demo::run(&session, args).await,
        Verb::Dev(args) => dev::run(&session, args).await,
        Verb::Run(verb) => run::run(&session, verb).await,
        Verb::Schema(verb) => schema::run(&session, verb).await,
        Verb::Source(verb) => source::run(&session, verb).await,
        Verb::Topic(verb) => topic::run(&session, verb).await,
        Verb::Generation(verb) => generation::run(&session, verb).await,
        Verb::Config(verb) => config::run(&session, verb),
        Verb::Dlq(verb) => dlq::run(&session, verb).await,
        Verb::Doctor(args) => doctor::run(&session, args).await,
        Verb::Lag(args) => lag::run(&session, args).await,
        Verb::Migrate(args) => migrate::run(&session, args).await,
        Verb::Capacity(args) | Verb::Plan(capacity::FormerVerb::Capacity(args)) => capacity::run(&session, args).await,
        Verb::Audit(verb) => audit::run(&session, verb).await,
        Verb::Prune(args) => generation::prune::run(&session, args).await,
        Verb::Generate(verb) => generate::run(Cli::command(), &verb),
        Verb::Verify(args) => verify::run(&session, args).await,
        Verb::Explain(args) => explain::run(&args),
    }
}
