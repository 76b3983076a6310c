//! The messages that lie in a topic, partition by partition.

use pipeline_kafka::{Delivery, Partition, PlaceReader, admin};
use pipeline_settings::settings;

use crate::Error;

/// Hands the retained messages of a topic to `visit`, or only the last of each partition, in order of their offsets.
/// A topic that is not there has none.
pub async fn each(
    settings: &settings::Kafka,
    topic: &str,
    last: Option<i64>,
    mut visit: impl AsyncFnMut(Delivery) -> Result<(), Error>,
) -> Result<(), Error> {
    let report = admin::check(settings, settings.names().topics()).await?;
    let there = settings.names().topic(topic);
    if report.missing_topics.contains(&there) {
        return Ok(());
    }
    let (asked, name) = (settings.clone(), topic.to_owned());
    let marks = tokio::task::spawn_blocking(move || admin::watermarks(&asked, &name)).await;
    let marks = marks.map_err(Error::Offsets)?;
    for (number, (first, next)) in (0..).zip(marks?) {
        let partition = Partition { topic: topic.to_owned(), number };
        let begin = last.map_or(first, |last| first.max(next - last));
        let mut reader = PlaceReader::open(settings, partition)?;
        for offset in begin..next {
            // Compaction, retention and transaction markers leave holes.
            if let Some(delivery) = reader.read(offset).await? {
                visit(delivery).await?;
            }
        }
    }
    Ok(())
}
