//! What the process knows about its own state: loops that have to turn, and components that have to be there.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Serialize;

mod work;

pub use work::MAX_WAITING;
use work::Works;

/// The state of one process. All clones are the same state.
#[derive(Clone, Debug)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    service_name: String,
    started: Instant,
    loops: Mutex<BTreeMap<String, Loop>>,
    works: Works,
    components: Mutex<BTreeMap<String, Option<String>>>,
}

#[derive(Debug)]
struct Loop {
    max_silence: Duration,
    /// Milliseconds from the start of the process to the last beat.
    last: Arc<AtomicU64>,
}

/// The right to say that one loop has turned. A beat costs one store.
#[derive(Clone, Debug)]
pub struct Beat {
    health: Health,
    name: String,
    last: Arc<AtomicU64>,
}

/// The right to say whether one component is there.
#[derive(Clone, Debug)]
pub struct Component {
    health: Health,
    name: String,
}

/// The state of a component at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ComponentState {
    pub(super) name: String,
    pub(super) ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
}

/// What is said of a component before it said anything itself.
const STARTING: &str = "starting";

// === impl Health ===

impl Health {
    /// A process that is alive and not ready yet, and whose name is `sluice`.
    pub fn new() -> Self {
        Self::named("sluice")
    }

    /// The same for a process with this name, such as `sluice-bundles`; `/version` tells it.
    pub fn named(service_name: &str) -> Self {
        let shared = Shared {
            service_name: service_name.to_owned(),
            started: Instant::now(),
            loops: Mutex::default(),
            works: Works::default(),
            components: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Watches a loop: when it does not beat for longer than `max_silence`, the process is not alive. Counts from now.
    /// A loop that ends as it should says so with [`Beat::finish`]; one that is dropped or panics goes silent and is
    /// noticed. A second loop of the same name takes the place of the first.
    pub fn register_loop(&self, name: &str, max_silence: Duration) -> Beat {
        let last = Arc::new(AtomicU64::new(self.now()));
        let entry = Loop { max_silence, last: Arc::clone(&last) };
        lock(&self.shared.loops).insert(name.to_owned(), entry);
        Beat { health: self.clone(), name: name.to_owned(), last }
    }

    /// Adds something that the process needs to be ready. It is not ready before it says [`Component::up`]. A second
    /// component of the same name takes the place of the first.
    pub fn component(&self, name: &str) -> Component {
        let component = Component { health: self.clone(), name: name.to_owned() };
        component.down(STARTING);
        component
    }

    /// Whether everything is there; a process that has no components yet is not ready.
    pub fn is_ready(&self) -> bool {
        Self::causes(&self.components()).is_empty()
    }

    pub(super) fn service_name(&self) -> &str {
        &self.shared.service_name
    }

    pub(super) fn components(&self) -> Vec<ComponentState> {
        let components = lock(&self.shared.components);
        let states = components.iter().map(|(name, cause)| ComponentState {
            name: name.clone(),
            ready: cause.is_none(),
            cause: cause.clone(),
        });
        states.collect()
    }

    /// Why the process is not ready; nothing when it is.
    pub(super) fn causes(components: &[ComponentState]) -> Vec<String> {
        if components.is_empty() {
            return vec![STARTING.to_owned()];
        }
        let causes = components.iter().filter_map(|report| {
            let cause = report.cause.as_ref()?;
            Some(format!("{}: {cause}", report.name))
        });
        causes.collect()
    }

    /// Why the process is not alive; nothing when it is.
    pub(super) fn silent_loops(&self) -> Vec<String> {
        self.silent_loops_at(self.now())
    }

    pub(super) fn silent_loops_at(&self, now: u64) -> Vec<String> {
        let loops = lock(&self.shared.loops);
        let silent = loops.iter().filter_map(|(name, entry)| {
            let silence = Duration::from_millis(now.saturating_sub(entry.last.load(Ordering::Relaxed)));
            let seconds = silence.as_secs();
            (silence > entry.max_silence).then(|| format!("{name}: silent for {seconds} s"))
        });
        silent.chain(self.shared.works.stuck_at(now)).collect()
    }

    /// Milliseconds since the start.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.shared.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::new()
    }
}

// === impl Beat ===

impl Beat {
    /// The loop has turned.
    pub fn beat(&self) {
        self.last.store(self.health.now(), Ordering::Relaxed);
    }

    /// The loop has ended as it should, and is not watched any more.
    pub fn finish(self) {
        let mut loops = lock(&self.health.shared.loops);
        // Another loop may have taken the name.
        if loops.get(&self.name).is_some_and(|entry| Arc::ptr_eq(&entry.last, &self.last)) {
            loops.remove(&self.name);
        }
    }
}

// === impl Component ===

impl Component {
    /// The component is there.
    pub fn up(&self) {
        self.put(None);
    }

    /// The component is not there; `cause` is for people, without secrets.
    pub fn down(&self, cause: &str) {
        self.put(Some(cause.to_owned()));
    }

    fn put(&self, cause: Option<String>) {
        lock(&self.health.shared.components).insert(self.name.clone(), cause);
    }
}

/// The maps are whole between any two statements, so a panic elsewhere leaves nothing broken behind.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
