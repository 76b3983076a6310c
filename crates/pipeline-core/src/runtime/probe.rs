//! Asks whether a dependency is there: when a message or a tick that failed wants to know, and while no message tells.
//!
//! A stage without work would otherwise be ready for days beside a database that is gone, and a rollout would believe
//! it. What the probe finds away is an outage: `/readyz` says 503 with the cause, no message is taken up. It ends when
//! the dependency answers again, whoever noticed it first. While messages get through, nothing is asked unless somebody
//! wants to know.

use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use pipeline_kafka as kafka;
use pipeline_model::{contracts, disposition::Disposition};
use tokio::time::{sleep, timeout};

use super::{
    failure::Failure,
    outage::Waiting,
    partition::Shared,
    process::Processor,
    questions::{Dependency, Question},
};
use crate::stage::{Outgoing as _, Stage};

/// Pause between two questions. How late an outage is noticed at most, the patience aside.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long an answer may take before it counts as none: more than a dependency takes that is busy only.
const PATIENCE: Duration = Duration::from_secs(10);

/// Code of a dependency that hangs.
const NO_ANSWER: &str = "SLUICE-RUNTIME-003";

/// Probes one dependency until it is dropped, or the stage must stop.
pub(crate) async fn watch<S: Stage>(shared: Arc<Shared<S>>, dependency: Dependency) {
    let processor = &shared.processor;
    let question = processor.questions.to(dependency);
    let mut outage = None;
    let mut seen = processor.succeeded.load(Ordering::Relaxed);
    loop {
        // Messages prove cluster and registry each time; only what is away needs a look by itself.
        let looks = dependency == Dependency::Stage || outage.is_some();
        let is_wanted = tokio::select! {
            () = question.wanted() => true,
            () = sleep(INTERVAL), if looks => false,
        };
        let succeeded = processor.succeeded.load(Ordering::Relaxed);
        let is_proved = std::mem::replace(&mut seen, succeeded) != succeeded;
        if is_proved && !is_wanted && dependency == Dependency::Stage {
            outage = None;
            continue;
        }
        let answer = ask(processor, dependency, question, &mut outage).await;
        match &answer {
            Ok(()) => outage = None,
            Err(failure) if failure.disposition == Disposition::Halt => {
                tracing::error!(stage = S::NAME, code = failure.code, "a dependency cannot be used: {failure}");
                // The driver is gone only when the stage is ending anyway.
                shared.halts.send(failure.clone()).unwrap_or_default();
                return;
            }
            Err(failure) => away(processor, &mut outage, failure),
        }
        // After the outage has begun or ended: who learns of it can rely on that.
        question.answer(answer);
    }
}

/// One question. One that is not answered in time is still waited for, so that questions to a dependency that hangs do
/// not pile up.
async fn ask<S: Stage>(
    processor: &Processor<S>,
    dependency: Dependency,
    question: &Question,
    outage: &mut Option<Waiting>,
) -> Result<(), Failure> {
    let mut asked = pin!(is_there(processor, dependency));
    match timeout(PATIENCE, &mut asked).await {
        Ok(answer) => answer,
        Err(_) => {
            let text = format!("a dependency has not answered for {} s", PATIENCE.as_secs());
            let failure = Failure { disposition: Disposition::Unavailable, ..Failure::halt(NO_ANSWER, text) };
            away(processor, outage, &failure);
            question.hangs(failure);
            asked.await
        }
    }
}

/// Whether a dependency answers. The registry and the cluster are the runtime's own; the rest only the stage knows.
async fn is_there<S: Stage>(processor: &Processor<S>, dependency: Dependency) -> Result<(), Failure> {
    match dependency {
        Dependency::Stage => Ok(processor.stage.ready().await?),
        Dependency::Registry => Ok(processor.codec.registry().ping().await?),
        Dependency::Cluster => {
            let mut topics: Vec<&'static str> = S::Output::contracts().into_iter().map(|(topic, _)| topic).collect();
            topics.push(contracts::DEAD_LETTERS);
            Ok(kafka::admin::takes_messages(&processor.kafka, &topics).await?)
        }
    }
}

/// Begins the outage, or shows what is newest of it.
fn away<S: Stage>(processor: &Processor<S>, outage: &mut Option<Waiting>, failure: &Failure) {
    if outage.is_none() {
        tracing::warn!(stage = S::NAME, code = failure.code, "a dependency is away: {failure}");
    }
    outage.get_or_insert_with(|| processor.outage.enter(&failure.text));
    processor.outage.still(&failure.text);
}
