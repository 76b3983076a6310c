//! What a step of the pipeline stands on besides Kafka and the registry: its target, its source.
//!
//! Written once for each of them, and put together as a pair where a step needs both, so that no step says again how to
//! ask whether they are there, nor where a loss is noted.

use std::{fmt, time::Duration};

use crate::{
    disposition::{Classify, Disposition},
    letter::GivenUp,
};

/// Something that a step needs, and that may be away.
pub trait Needs: Send + Sync {
    /// Why it cannot be used.
    type Error: Classify;

    /// Whether it answers. Cheap, writes nothing, and ends by itself. The runtime asks every few seconds while no message
    /// proves it, so that a step without work notices an outage too; and when a message fails with *unavailable*, to
    /// tell an outage from a message that is slow by itself. So it should fail whenever no message at all could be
    /// handled.
    fn ready(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Takes note of a message that `step` gave up, so that whoever waits for the run learns of the loss. Called again
    /// after a crash, with another place of the dead letter. What keeps no such notes does nothing.
    fn given_up(
        &self,
        step: &'static str,
        letter: &GivenUp<'_>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = (step, letter);
        async { Ok(()) }
    }
}

/// Why one of two cannot be used.
#[derive(Debug)]
pub enum OneOf<A, B> {
    /// The first.
    First(A),
    /// The second.
    Second(B),
}

/// Nothing is needed.
impl Needs for () {
    type Error = Never;

    async fn ready(&self) -> Result<(), Never> {
        Ok(())
    }
}

/// Both are needed, and both take note.
impl<A: Needs, B: Needs> Needs for (A, B) {
    type Error = OneOf<A::Error, B::Error>;

    async fn ready(&self) -> Result<(), Self::Error> {
        self.0.ready().await.map_err(OneOf::First)?;
        self.1.ready().await.map_err(OneOf::Second)
    }

    async fn given_up(&self, step: &'static str, letter: &GivenUp<'_>) -> Result<(), Self::Error> {
        self.0.given_up(step, letter).await.map_err(OneOf::First)?;
        self.1.given_up(step, letter).await.map_err(OneOf::Second)
    }
}

impl<N: Needs + ?Sized> Needs for &N {
    type Error = N::Error;

    async fn ready(&self) -> Result<(), Self::Error> {
        (**self).ready().await
    }

    async fn given_up(&self, step: &'static str, letter: &GivenUp<'_>) -> Result<(), Self::Error> {
        (**self).given_up(step, letter).await
    }
}

/// The error of what cannot fail.
#[derive(Debug)]
pub enum Never {}

// === impl Never ===

impl fmt::Display for Never {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl std::error::Error for Never {}

impl Classify for Never {
    fn disposition(&self) -> Disposition {
        match *self {}
    }

    fn code(&self) -> &'static str {
        match *self {}
    }
}

// === impl OneOf ===

impl<A: Classify, B: Classify> OneOf<A, B> {
    fn get(&self) -> &dyn Classify {
        match self {
            Self::First(error) => error,
            Self::Second(error) => error,
        }
    }
}

impl<A: fmt::Display, B: fmt::Display> fmt::Display for OneOf<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(error) => error.fmt(f),
            Self::Second(error) => error.fmt(f),
        }
    }
}

impl<A: Classify, B: Classify> std::error::Error for OneOf<A, B> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.get().source()
    }
}

impl<A: Classify, B: Classify> Classify for OneOf<A, B> {
    fn disposition(&self) -> Disposition {
        self.get().disposition()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.get().retry_after()
    }

    fn code(&self) -> &'static str {
        self.get().code()
    }
}
