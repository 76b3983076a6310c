//! A reader who looks at all four views again and again while a run goes on, and remembers every state seen.
//!
//! One look is one statement, so it sees one state of the database. What a service looked like is reduced to a line
//! of counts and checksums over all rows of the four views; the test compares the lines seen with those of the
//! complete old and the complete new data.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use testkit::{
    mariadb::{Database, Session},
    wait,
};

/// Each view with the expression that stands for a row's text.
const VIEWS: [(&str, &str); 4] = [
    ("provider_services", "name, attributes"),
    ("providers", "provider_id, name, attributes"),
    ("bundles", "provider_id, bundle_id, name, attributes"),
    ("subscription_fields", "provider_id, bundle_id, field_id, value, data_type, position, attributes"),
];

/// One look: for each service id, the counts and checksums of its rows.
pub type Look = BTreeMap<String, String>;

/// A reader at work.
pub struct Reader {
    stop: Arc<AtomicBool>,
    looks: Arc<AtomicU64>,
    thread: JoinHandle<Seen>,
}

/// What a reader saw.
pub struct Seen {
    /// The distinct looks, each once, in no order.
    pub looks: BTreeSet<Look>,
    /// For each service, what it looked like, in the order seen, without repetitions.
    pub histories: BTreeMap<String, Vec<String>>,
    /// Number of looks.
    pub count: u64,
    /// Time between the first and the last.
    pub took: Duration,
}

/// What the views look like now.
pub fn look(database: &Database) -> Look {
    look_through(&mut database.session(), &statement())
}

impl Reader {
    /// Starts to read, with the loader's rights, and returns after the first look.
    pub fn start(database: &Database) -> Self {
        let (stop, looks) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let thread = std::thread::spawn({
            let (stop, looks, database) = (stop.clone(), looks.clone(), database.clone());
            move || read(&database, &stop, &looks)
        });
        let reader = Self { stop, looks, thread };
        reader.wait_for_another_look();
        reader
    }

    /// Waits until the views were looked at once more, beginning now.
    pub fn wait_for_another_look(&self) {
        // The look that is under way may have begun before; the one after it has not.
        let enough = self.looks.load(Ordering::SeqCst) + 2;
        wait::until_blocking("the reader looked again", wait::PATIENCE, || {
            let gone = self.thread.is_finished();
            (gone || self.looks.load(Ordering::SeqCst) >= enough).then_some(())
        });
    }

    /// Stops and tells what was seen.
    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the reader read without a failure")
    }
}

impl Seen {
    /// Fails unless every look at every service showed the complete old or the complete new data, never the old after
    /// the new. A service that only one of the two has may be absent.
    #[track_caller]
    pub fn assert_whole_per_service(&self, old: &Look, new: &Look) {
        for look in &self.looks {
            for service in old.keys().chain(new.keys()) {
                let seen = look.get(service);
                let allowed = seen == old.get(service) || seen == new.get(service);
                assert!(allowed, "service `{service}` looked like {seen:?}\nold {old:#?}\nnew {new:#?}");
            }
            let unknown: Vec<&String> =
                look.keys().filter(|id| !old.contains_key(*id) && !new.contains_key(*id)).collect();
            assert!(unknown.is_empty(), "services of neither generation: {unknown:?}");
        }
        for (service, history) in &self.histories {
            assert!(history.len() <= 2, "service `{service}` went back and forth: {history:?}");
        }
    }

    /// Fails unless every look showed the complete old or the complete new data of all services together.
    #[track_caller]
    pub fn assert_whole_at_once(&self, old: &Look, new: &Look) {
        for look in &self.looks {
            assert!(look == old || look == new, "a mixture: {look:#?}\nold {old:#?}\nnew {new:#?}");
        }
    }
}

fn read(database: &Database, stop: &AtomicBool, looks: &AtomicU64) -> Seen {
    let mut session = Session::open(&database.loader, &database.name);
    let statement = statement();
    let begun = Instant::now();
    let mut seen = Seen { looks: BTreeSet::new(), histories: BTreeMap::new(), count: 0, took: Duration::ZERO };
    while !stop.load(Ordering::SeqCst) {
        let look = look_through(&mut session, &statement);
        for (service, state) in &look {
            let history = seen.histories.entry(service.clone()).or_default();
            if history.last() != Some(state) {
                history.push(state.clone());
            }
        }
        seen.looks.insert(look);
        seen.count += 1;
        seen.took = begun.elapsed();
        looks.fetch_add(1, Ordering::SeqCst);
    }
    seen
}

fn look_through(session: &mut Session, statement: &str) -> Look {
    let mut look = Look::new();
    for row in session.rows(statement) {
        let [service, state @ ..] = row.as_slice() else { panic!("an empty row") };
        let line = look.entry(service.clone()).or_default();
        line.push_str(&state.join(" "));
        line.push_str("; ");
    }
    look
}

/// One statement over all views: service id, view, number of rows, checksum over the rows' texts.
fn statement() -> String {
    let selects: Vec<String> = VIEWS
        .iter()
        .map(|(view, columns)| {
            format!(
                "SELECT service_id, '{view}' AS view_name, COUNT(*) AS row_count,
                 SUM(CRC32(CONCAT_WS('|', {columns}))) AS checksum FROM {view} GROUP BY service_id"
            )
        })
        .collect();
    format!("{} ORDER BY service_id, view_name", selects.join(" UNION ALL "))
}
