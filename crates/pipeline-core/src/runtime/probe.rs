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
use pipeline_model::{contracts, disposition::Disposition, needs::Needs as _};
use tokio::time::{sleep, timeout};

use super::{
    driven::Shared, engine::Engine, failure::Dependency, failure::Failure, outage::Waiting, questions::Question,
    work::Work,
};

/// Pause between two questions. How late an outage is noticed at most, the patience aside.
const INTERVAL: Duration = Duration::from_secs(2);

/// How long an answer may take before it counts as none: more than a dependency takes that is busy only.
const PATIENCE: Duration = Duration::from_secs(10);

/// Code of a dependency that hangs.
const NO_ANSWER: &str = "SLUICE-RUNTIME-003";

/// Probes one dependency until it is dropped, or the stage must stop.
pub(crate) async fn watch<W: Work>(shared: Arc<Shared<W>>, dependency: Dependency) {
    let engine = &shared.engine;
    let question = engine.questions.to(dependency);
    let mut outage = None;
    let mut seen = engine.succeeded.load(Ordering::Relaxed);
    loop {
        // Messages prove cluster and registry each time; only what is away needs a look by itself.
        let looks = dependency == Dependency::Stage || outage.is_some();
        let is_wanted = tokio::select! {
            () = question.wanted() => true,
            () = sleep(INTERVAL), if looks => false,
        };
        let succeeded = engine.succeeded.load(Ordering::Relaxed);
        let is_proved = std::mem::replace(&mut seen, succeeded) != succeeded;
        if is_proved && !is_wanted && dependency == Dependency::Stage {
            outage = None;
            continue;
        }
        let answer = ask(engine, dependency, question, &mut outage).await;
        match &answer {
            Ok(()) => outage = None,
            Err(failure) if failure.disposition == Disposition::Halt => {
                engine.events.dependency_unusable(failure.code, failure);
                // The driver is gone only when the stage is ending anyway.
                shared.halts.send(failure.clone()).unwrap_or_default();
                return;
            }
            Err(failure) => away(engine, &mut outage, failure),
        }
        // After the outage has begun or ended: who learns of it can rely on that.
        question.answer(answer);
    }
}

/// One question. One that is not answered in time is still waited for, so that questions to a dependency that hangs do
/// not pile up.
async fn ask<W: Work>(
    engine: &Engine<W>,
    dependency: Dependency,
    question: &Question,
    outage: &mut Option<Waiting>,
) -> Result<(), Failure> {
    let mut asked = pin!(is_there(engine, dependency));
    match timeout(PATIENCE, &mut asked).await {
        Ok(answer) => answer,
        Err(_) => {
            let text = format!("a dependency has not answered for {} s", PATIENCE.as_secs());
            let failure = Failure { disposition: Disposition::Unavailable, ..Failure::halt(NO_ANSWER, text) };
            away(engine, outage, &failure);
            question.hangs(failure);
            asked.await
        }
    }
}

/// Whether a dependency answers. The registry and the cluster are the runtime's own; the rest only the stage knows.
async fn is_there<W: Work>(engine: &Engine<W>, dependency: Dependency) -> Result<(), Failure> {
    match dependency {
        Dependency::Stage => Ok(engine.work.needs().ready().await?),
        Dependency::Registry => Ok(engine.codec.registry().ping().await?),
        Dependency::Cluster => {
            let written = W::writes().into_iter().map(|(topic, _)| topic);
            let topics: Vec<String> = written.chain([contracts::DEAD_LETTERS]).map(str::to_owned).collect();
            Ok(kafka::admin::takes_messages(&engine.settings.kafka, &topics).await?)
        }
    }
}

/// Begins the outage, or shows what is newest of it.
fn away<W: Work>(engine: &Engine<W>, outage: &mut Option<Waiting>, failure: &Failure) {
    if outage.is_none() {
        engine.events.dependency_away(failure.code, failure);
    }
    outage.get_or_insert_with(|| engine.outage.enter(&failure.text));
    engine.outage.still(&failure.text);
}
