//! `sluice plan`: what a deployment needs, worked out before there is one.

use clap::Subcommand;

use crate::{exit::Exit, failure::Failure, session::Session};

pub mod capacity;

/// What to plan.
#[derive(Debug, Subcommand)]
pub enum PlanVerb {
    /// Work out partitions, workers, connections, memory and disk for so much data
    Capacity(capacity::CapacityArgs),
}

/// Plans.
pub async fn run(session: &Session, verb: PlanVerb) -> Result<Exit, Failure> {
    match verb {
        PlanVerb::Capacity(args) => capacity::run(session, args).await,
    }
}
