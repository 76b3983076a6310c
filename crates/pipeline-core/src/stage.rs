//! The one thing a stage has to be: a function from a message to the messages that follow from it.
//!
//! A stage returns what to emit; it does not produce, commit, sleep, retry, or log and drop. All of that is the
//! runtime's, once for all stages, and rests on one promise of the stage: **handling a message twice leaves the same
//! state, and emits the same messages, as handling it once.** Stages keep that promise by writing effect and proof in
//! one transaction of the target and by emitting from the ledger.

use std::{future::Future, time::Duration};

use pipeline_model::{contracts::Message, disposition::Classify, needs::Needs};

use crate::intake::Intake;

/// One step of the pipeline.
pub trait Stage: Send + Sync + 'static {
    /// The stage's name: part of the consumer group, of metrics and of span names, such as `bundles`.
    const NAME: &'static str;

    /// How messages of one key follow each other.
    const ORDER: Order = Order::Free;

    /// What it consumes: a [`Message`], or whatever else is an [`Intake`].
    type Input: Intake;
    /// What it emits: a [`Message`], [`Either`] of two, or [`Nothing`].
    type Output: Outgoing;
    /// What can go wrong, classified by type.
    type Error: Classify;

    /// Handles one message; says what to emit. Called again with the same record after a crash, a rebalance or a
    /// retry.
    fn handle(
        &self,
        record: &Record<Self::Input>,
    ) -> impl Future<Output = Result<Emit<Self::Output>, Self::Error>> + Send;

    /// Called when everything that `handle` or `tick` returned has been acknowledged by the broker, before the offset
    /// is committed.
    fn delivered(&self, emitted: &Emit<Self::Output>) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = emitted;
        async { Ok(()) }
    }

    /// What it needs besides Kafka and the registry.
    fn needs(&self) -> impl Needs;

    /// How often [`Stage::tick`] is wanted; `None` for a stage that only follows messages.
    fn tick_interval(&self) -> Option<Duration> {
        None
    }

    /// Work that no message triggers, such as finding what a lost message should have announced.
    fn tick(&self) -> impl Future<Output = Result<Emit<Self::Output>, Self::Error>> + Send {
        async { Ok(Emit::nothing()) }
    }
}

/// How messages of one partition that have the same key follow each other. Those without a key follow nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Side by side: the ledger makes any order right.
    Free,
    /// One after the other, each of them.
    ByKey,
    /// One after the other, and of those that wait only the newest: the older ones are settled with it, unhandled. For a
    /// stage that asks what is true now, whatever the message says.
    NewestByKey,
}

/// A decoded message and where it came from.
#[derive(Clone, Debug)]
pub struct Record<M> {
    /// The message.
    pub message: M,
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// How often it has been handed to the stage by this process, from 1.
    pub attempt: u32,
}

/// The messages that follow from a handled one, in the order to be produced.
#[derive(Clone, Debug)]
pub struct Emit<O> {
    /// The messages.
    pub messages: Vec<O>,
}

/// Something that can be produced: knows its topic, its key and how to be encoded.
pub trait Outgoing: Clone + Send + Sync + 'static {
    /// Topics that may be produced to, with their schema texts; looked up in the registry before the stage starts.
    fn contracts() -> Vec<(&'static str, &'static str)>;
    /// Calls the visitor with the concrete message.
    fn visit<V: VisitOutgoing>(&self, visitor: V) -> V::Output;
}

/// A function over any [`Message`] type; see [`Outgoing::visit`].
pub trait VisitOutgoing {
    /// What the function gives.
    type Output;
    /// The function.
    fn message<M: Message>(self, message: &M) -> Self::Output;
}

/// One of two kinds of message.
#[derive(Clone, Debug, PartialEq)]
pub enum Either<A, B> {
    /// The first kind.
    Left(A),
    /// The second kind.
    Right(B),
}

/// The output of a stage that emits nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nothing {}

// === impl Emit ===

impl<O> Emit<O> {
    /// Nothing follows.
    pub fn nothing() -> Self {
        Self { messages: Vec::new() }
    }

    /// One message follows.
    pub fn one(message: O) -> Self {
        Self { messages: vec![message] }
    }
}

impl<O> FromIterator<O> for Emit<O> {
    fn from_iter<I: IntoIterator<Item = O>>(messages: I) -> Self {
        Self { messages: messages.into_iter().collect() }
    }
}

// === impl Outgoing ===

impl<M: Message> Outgoing for M {
    fn contracts() -> Vec<(&'static str, &'static str)> {
        vec![(M::TOPIC, M::SCHEMA)]
    }

    fn visit<V: VisitOutgoing>(&self, visitor: V) -> V::Output {
        visitor.message(self)
    }
}

impl<A: Outgoing, B: Outgoing> Outgoing for Either<A, B> {
    fn contracts() -> Vec<(&'static str, &'static str)> {
        [A::contracts(), B::contracts()].concat()
    }

    fn visit<V: VisitOutgoing>(&self, visitor: V) -> V::Output {
        match self {
            Self::Left(message) => message.visit(visitor),
            Self::Right(message) => message.visit(visitor),
        }
    }
}

impl Outgoing for Nothing {
    fn contracts() -> Vec<(&'static str, &'static str)> {
        Vec::new()
    }

    fn visit<V: VisitOutgoing>(&self, _: V) -> V::Output {
        match *self {}
    }
}
