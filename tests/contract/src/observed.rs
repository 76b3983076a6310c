//! The metrics and spans that every stage and sink shows, whatever it does.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, OnceLock},
};

use pipeline_kafka::{Delivery, Position};
use pipeline_telemetry::{metrics, names};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, Registry, layer::Context, layer::SubscriberExt as _};

/// Metrics with a line for every stage and sink from its start on.
pub const METRICS: [&str; 12] = [
    metrics::CONSUMED,
    metrics::HANDLED,
    metrics::HANDLE_DURATION,
    metrics::IN_FLIGHT,
    metrics::WAITING,
    metrics::REPLACED,
    metrics::FENCED,
    metrics::COMMITTED,
    metrics::COMMIT_FAILURES,
    metrics::TICK_FAILURES,
    metrics::ASSIGNED,
    metrics::PAUSED,
];

/// Attributes of the span of a message or a batch.
const ATTRIBUTES: [&str; 7] = [
    names::SYSTEM,
    names::DESTINATION,
    names::PARTITION,
    names::OFFSET,
    names::GROUP,
    names::OPERATION_NAME,
    names::OPERATION_TYPE,
];

/// The attributes of one span.
type Attribute = BTreeMap<String, String>;

/// All spans that this process has opened, with their attributes.
#[derive(Clone, Default)]
pub struct Spans(Arc<Mutex<Collected>>);

#[derive(Default)]
struct Collected {
    spans: Vec<Attribute>,
    open: HashMap<u64, usize>,
}

struct Fields<'a>(&'a mut Attribute);

// === impl Spans ===

impl Spans {
    /// Collects the spans of this process; every call gives the same ones.
    pub fn install() -> Self {
        static INSTALLED: OnceLock<Spans> = OnceLock::new();
        let install = || {
            let spans = Self::default();
            tracing::subscriber::set_global_default(Registry::default().with(spans.clone())).unwrap();
            spans
        };
        INSTALLED.get_or_init(install).clone()
    }

    /// Fails unless each of these messages stands in a span of `name`, alone or as one of a batch, with what the
    /// conventions want; and each of `failed` in one that says so.
    pub fn assert_cover(&self, name: &str, sent: &[Delivery], failed: &[Delivery]) {
        let collected = self.0.lock().unwrap();
        let of_it: Vec<&Attribute> = collected.spans.iter().filter(|span| is_consumer_of(span, name)).collect();
        for span in &of_it {
            let missing: Vec<&str> = ATTRIBUTES.into_iter().filter(|name| !span.contains_key(*name)).collect();
            assert!(missing.is_empty(), "a span of `{name}` lacks {missing:?}: {span:?}");
        }
        for delivery in sent {
            assert!(
                of_it.iter().any(|span| covers(span, &delivery.position)),
                "no span of `{name}` is of {:?}",
                delivery.position
            );
        }
        for delivery in failed {
            let says = |span: &&&Attribute| covers(span, &delivery.position) && span.contains_key(names::ERROR_TYPE);
            assert!(
                of_it.iter().any(|span| says(&span)),
                "no span of `{name}` says that {:?} failed",
                delivery.position
            );
        }
    }
}

fn is_consumer_of(span: &Attribute, name: &str) -> bool {
    let has = |field: &str, value: &str| span.get(field).is_some_and(|found| found == value);
    has(names::STAGE, name) && has("otel.kind", "consumer")
}

/// A batch begins at its first message and has at most as many offsets behind it as it has messages, where none is missing
/// in between.
fn covers(span: &Attribute, position: &Position) -> bool {
    let number = |name: &str| span.get(name).and_then(|value| value.parse::<i64>().ok());
    let count = number(names::BATCH_COUNT).unwrap_or(1);
    let from = number(names::OFFSET).unwrap_or(i64::MAX);
    span.get(names::DESTINATION) == Some(&position.partition.topic)
        && number(names::PARTITION) == Some(position.partition.number.into())
        && (from..from.saturating_add(count.max(1))).contains(&position.offset)
}

/// Fails unless every required metric has a line of `name`.
pub fn assert_metrics(name: &str) {
    let page = metrics::install().render();
    let label = format!("stage=\"{name}\"");
    for metric in METRICS {
        let has = page.lines().any(|line| line.starts_with(metric) && line.contains(&label));
        assert!(has, "`{metric}` says nothing of `{name}`");
    }
}

/// Fails unless a counter has gone so far at least: a message that is delivered again counts again.
#[track_caller]
pub fn assert_counted(metric: &str, name: &str, holds: &str, least: usize) {
    let counted = counted(metric, name, holds);
    assert!(counted >= least as f64, "`{metric}` of `{name}` is {counted}, and {least} were there");
}

/// The value of a counter's lines of `name` that hold this text.
pub fn counted(metric: &str, name: &str, holds: &str) -> f64 {
    let page = metrics::install().render();
    let label = format!("stage=\"{name}\"");
    let lines = page.lines().filter(|line| line.starts_with(metric) && line.contains(&label) && line.contains(holds));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

impl<S: Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        let mut span = Attribute::new();
        attributes.record(&mut Fields(&mut span));
        let mut collected = self.0.lock().unwrap();
        let index = collected.spans.len();
        collected.spans.push(span);
        collected.open.insert(id.into_u64(), index);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        let mut collected = self.0.lock().unwrap();
        let Some(index) = collected.open.get(&id.into_u64()).copied() else { return };
        if let Some(span) = collected.spans.get_mut(index) {
            values.record(&mut Fields(span));
        }
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
