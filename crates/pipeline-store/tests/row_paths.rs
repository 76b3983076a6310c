//! By which way rows were written, as the metric and the log tell it. Alone in its process: whether a line is logged is
//! decided for all threads at once.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the contract's helpers are used in part")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use metrics_exporter_prometheus::PrometheusBuilder;
use pipeline_settings::settings;
use pipeline_store::{ActivationMode::PerService, Store};
use testkit::mariadb::MariaDb;
use tracing_subscriber::fmt::MakeWriter;

use crate::{driver::sync, target::connect, world::World};

#[path = "contract/driver.rs"]
mod driver;
#[path = "contract/target.rs"]
mod target;
#[path = "contract/world.rs"]
mod world;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Lines that hold the text.
    fn count(&self, text: &str) -> usize {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().filter(|line| line.contains(text)).count()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_row_that_the_server_warns_of_costs_its_batch_and_the_metric_says_so() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let written = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    let path = |path: &str| {
        let start = format!("sluice_rows_written_total{{path=\"{path}\"}} ");
        written.render().lines().find_map(|line| line.strip_prefix(&start)?.parse().ok()).unwrap_or(0_u64)
    };

    let (server, database) = tokio::task::spawn_blocking(|| {
        let server = MariaDb::start_with(&["--local-infile=ON"]);
        let database = server.fresh_database();
        (server, database)
    })
    .await
    .unwrap();
    connect(&server.url(&database.name)).await.migrate().await.unwrap();
    let store = connect(&database.loader_url()).await;
    let mut world = World::new(1, 7, 2, 2);
    world.provider("s0", "p0").bundles[0].name = Some(("x".repeat(1_024) + " ").into());
    sync(&store, &world, PerService).await;
    assert_eq!((path("load_data"), path("insert")), (4 * 6, 3 * 6), "one batch of three");
    assert_eq!(log.count("a batch was inserted, since the server warned"), 1);
    sync(&store, &world, PerService).await;
    assert_eq!((path("load_data"), path("insert")), (4 * 6, 3 * 6), "what did not change is not written");

    // Whoever inserts all of them says why, once.
    world.services.values_mut().flat_map(|it| it.providers.values_mut()).for_each(|it| drop(it.bundles.pop()));
    let url = database.loader_url();
    let settings = settings::Target { url, local_infile: false, ..settings::Target::default() };
    let inserting = Store::connect(&settings).await.unwrap();
    assert_eq!(log.count("`target.local_infile` is off"), 0, "nothing was written yet");
    sync(&inserting, &world, PerService).await;
    assert_eq!((path("load_data"), path("insert")), (4 * 6, 3 * 6 + 7 * 3));
    assert_eq!(log.count("`target.local_infile` is off"), 1);
}
