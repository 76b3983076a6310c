//! A question to the cluster by a client of its own: it ends with the answer, or as soon as the client is refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use pipeline_settings::settings;
use rdkafka::{
    config::FromClientConfigAndContext,
    consumer::BaseConsumer,
    error::{KafkaError, KafkaResult},
};

use super::{
    Error, admission, client_config,
    told::{Common, Refusal, Told, next},
};

/// How long one look at the client's own queue waits. Also what a question takes more than its answer, at most.
const SERVE: Duration = Duration::from_millis(20);

/// A client to ask with: it joins no group and subscribes to nothing.
pub(super) type Asker = BaseConsumer<Common>;

/// Puts a question, which blocks a thread of its own. `group` is one that the question is about.
///
/// # Errors
/// [`Error::Client`], a refusal, or [`Error::Unreachable`].
pub(super) async fn ask<T: Send + 'static>(
    settings: &settings::Kafka,
    group: Option<&str>,
    question: impl FnOnce(&Asker) -> KafkaResult<T> + Send + 'static,
) -> Result<T, Error> {
    let (client, told) = client(settings, group)?;
    let client = Arc::new(client);
    let mut asked = tokio::task::spawn_blocking(move || served(&client, question));
    let mut words = told.words();
    let mut has_looked = false;
    let answer = loop {
        tokio::select! {
            answer = &mut asked => break answer.unwrap_or(Err(KafkaError::Canceled)),
            refusal = next(&mut words) => {
                let hung_up = matches!(refusal, Refusal::HungUp(_));
                if hung_up && std::mem::replace(&mut has_looked, true) {
                    continue;
                }
                // The thread of the question ends when that has timed out; nobody waits for it.
                if let Some(error) = admission::refused(settings, refusal).await {
                    return Err(error);
                }
            }
        }
    };
    answer.map_err(|source| Error::Unreachable { bootstrap_servers: settings.bootstrap_servers.clone(), source })
}

/// The same on this thread, which it blocks, and without a second look at a broker's certificate.
///
/// # Errors
/// As [`ask`].
pub(super) fn ask_blocking<T>(
    settings: &settings::Kafka,
    group: Option<&str>,
    question: impl FnOnce(&Asker) -> KafkaResult<T>,
) -> Result<T, Error> {
    let (client, told) = client(settings, group)?;
    served(&client, question).map_err(|source| match told.last() {
        Some(refusal) => admission::of(settings, refusal),
        None => Error::Unreachable { bootstrap_servers: settings.bootstrap_servers.clone(), source },
    })
}

fn client(settings: &settings::Kafka, group: Option<&str>) -> Result<(Asker, Told), Error> {
    let mut config = client_config(settings, "sluice-admin");
    if let Some(group) = group {
        config.set("group.id", group).set("enable.auto.commit", "false");
    }
    let common = Common::new("asking", settings);
    let told = common.told();
    let client = BaseConsumer::from_config_and_context(&config, common)
        .map_err(|source| Error::Client { bootstrap_servers: settings.bootstrap_servers.clone(), source })?;
    Ok((client, told))
}

/// Puts the question while another thread serves the client's own queue, by which errors and the wish for a token come.
fn served<T>(client: &Asker, question: impl FnOnce(&Asker) -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // Without a subscription no message comes, and errors have been heard by then.
                drop(client.poll(SERVE));
            }
        });
        let answer = question(client);
        is_over.store(true, Ordering::Relaxed);
        answer
    })
}
