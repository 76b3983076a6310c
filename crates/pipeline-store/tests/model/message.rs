//! The messages of the pipeline, as bits: which were ever emitted, and which are still to be handled.

use crate::source::{PROVIDERS, SERVICES};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    Requested { run: usize },
    Discovered { run: usize, service: usize },
    Planned { run: usize, service: usize, batch: usize },
    Confirmed { run: usize, service: usize },
}

/// Messages of one run: one request, and for each service its discovery, its batches and its confirmation.
const MESSAGES: usize = 1 + SERVICES * (2 + PROVIDERS);

// === impl Message ===

impl Message {
    /// The bits of all confirmations.
    pub const CONFIRMATIONS: u64 = {
        let one_run = ((1 << SERVICES) - 1) << (1 + SERVICES);
        one_run | one_run << MESSAGES | one_run << (2 * MESSAGES) | one_run << (3 * MESSAGES)
    };

    pub fn bit(self) -> u64 {
        let place = match self {
            Self::Requested { run } => run * MESSAGES,
            Self::Discovered { run, service } => run * MESSAGES + 1 + service,
            Self::Confirmed { run, service } => run * MESSAGES + 1 + SERVICES + service,
            Self::Planned { run, service, batch } => run * MESSAGES + 1 + SERVICES * 2 + service * PROVIDERS + batch,
        };
        1 << place
    }

    /// The message of the lowest bit.
    pub fn lowest(bits: u64) -> Self {
        let place = bits.trailing_zeros() as usize;
        let (run, place) = (place / MESSAGES, place % MESSAGES);
        match place.checked_sub(1) {
            None => Self::Requested { run },
            Some(service) if service < SERVICES => Self::Discovered { run, service },
            Some(place) if place < 2 * SERVICES => Self::Confirmed { run, service: place - SERVICES },
            Some(place) => {
                let place = place - 2 * SERVICES;
                Self::Planned { run, service: place / PROVIDERS, batch: place % PROVIDERS }
            }
        }
    }
}
