//! What a row, a batch, a provider and a message cost: every constant of the model, and where it was measured.
//!
//! Constants of speed and memory are read from the published measurements, `docs/benchmarks.json`, as they were when this
//! program was built, so that the two can never disagree. The others stand below, each with its origin. Whoever measures
//! one again changes it here and nowhere else.

use serde::{Deserialize, Serialize};

/// The published measurements.
const PUBLISHED: &str = include_str!("../../../../../../docs/benchmarks.json");

/// The size that most constants are taken from.
const SIZE: &str = "M";
/// Rows and providers of that size: 40 services, 10,000 providers with 20 bundles of 5 fields each.
pub const ROWS_OF_M: f64 = 1_220_040.0;
/// Rows of size S, a tenth of the providers in as many services.
pub const ROWS_OF_S: f64 = 122_040.0;
/// Share of the content that the second run of the benchmark writes.
const WRITTEN_AGAIN: f64 = 0.01;
/// Bundles of one of its batches: 50 providers with 20 each.
const BUNDLES_OF_A_BATCH: f64 = 1_000.0;
/// Bytes of a bundle in it without its fields, and of each field: documents of the generator with 1 and with 5 fields.
pub const BUNDLE_DOCUMENT: f64 = 196.0;
/// See [`BUNDLE_DOCUMENT`].
pub const FIELD_DOCUMENT: f64 = 92.0;

/// Rows of one statement and ids of one query at most; they are the store's (`pipeline-store/src/insert.rs`).
pub const ROWS_PER_STATEMENT: f64 = 64.0;
/// Bytes of one load, about (`pipeline-store/src/load.rs`).
pub const BYTES_PER_LOAD: f64 = 65_536.0;
/// See [`ROWS_PER_STATEMENT`].
pub const IDS_PER_QUERY: f64 = 256.0;
/// Documents of one page of Couchbase, `source.couchbase.page_size` by default.
pub const DOCUMENTS_PER_PAGE: f64 = 500.0;

/// A constant of the model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Constant {
    /// Its name, which is stable.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Where it was measured.
    pub origin: &'static str,
}

/// All constants. Seconds and bytes, for one of each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// Processor time of the database for a row that is written.
    pub database_row: f64,
    /// Processor time of all stages for a row that is read, compared and written.
    pub stages_row: f64,
    /// The part of it that a row costs even when nothing is written.
    pub reading_row: f64,
    /// What the database needs more for a row that is inserted, and not loaded.
    pub database_insert: f64,
    /// What the stages need more for it.
    pub stages_insert: f64,
    /// Share of the processors that a run makes use of.
    pub utilisation: f64,
    /// What a run takes besides its rows.
    pub start: f64,
    /// Bytes on disk, with indexes.
    pub provider_disk: f64,
    /// Of a version of a provider's content.
    pub content_disk: f64,
    /// Of a bundle.
    pub bundle_disk: f64,
    /// Of a subscription field.
    pub field_disk: f64,
    /// Bytes of the redo log for a row.
    pub log_row: f64,
    /// How often a page of a table goes to the disk: once into the doublewrite buffer, once to its place.
    pub page_writes: f64,
    /// What is added on disk for each byte that documents have more than those measured.
    pub more_disk: f64,
    /// Bytes of the ledger for each provider of a run.
    pub ledger_provider: f64,
    /// Bytes of the ledger for each service of a run.
    pub ledger_service: f64,
    /// Memory of a stage with nothing in hand.
    pub stage_memory: f64,
    /// Memory of the bundles stage for each byte of the documents that it has in hand.
    pub document_memory: f64,
    /// Memory of the index of a folder, for each provider.
    pub index_memory: f64,
    /// Memory of a plan, for each provider.
    pub plan_memory: f64,
    /// Bytes of a message that plans a batch, without the ids in it.
    pub batch_message: f64,
    /// Bytes of a provider's id in it.
    pub id_message: f64,
    /// Bytes of any other message.
    pub other_message: f64,
    /// Bytes of a bundle's document without its fields.
    pub bundle_document: f64,
    /// Bytes of a field in it.
    pub field_document: f64,
}

/// What the model needs and the published measurements do not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing(pub String);

/// The part of the published measurements that is read here; their shape is that of `tests/bench/src/results.rs`.
#[derive(Debug, Deserialize)]
pub struct Published {
    machine: Machine,
    figures: Vec<Figure>,
}

#[derive(Debug, Deserialize)]
struct Machine {
    processors: f64,
}

#[derive(Debug, Deserialize)]
struct Figure {
    name: String,
    size: String,
    quantities: Vec<Quantity>,
}

#[derive(Debug, Deserialize)]
struct Quantity {
    what: String,
    values: Vec<f64>,
}

// === impl Costs ===

impl Costs {
    /// The constants as measured. An error is a fault of this build, which a test shows before anybody has it.
    pub fn measured() -> Result<Self, Missing> {
        let published = Published::read()?;
        let at = |figure, size, what| published.needed(figure, size, what);
        let load = |what| at("load", SIZE, what);
        let memory = |what| at("memory", SIZE, what).map(|mebibytes| mebibytes * 1024.0 * 1024.0);
        let stages_row = load("CPU of all stages")? / 1e6;
        let database_row = load("database CPU, Sluice")? / 1e6;
        let utilisation = 0.75;
        let again = at("again", SIZE, "second run")?;
        let (small, large) = (at("again", "S", "first run")?, at("again", SIZE, "first run")?);
        // The line through both first runs, at no rows. No run is faster than that, the second one included.
        let intercept = small - (large - small) * ROWS_OF_S / (ROWS_OF_M - ROWS_OF_S);
        let start = intercept.clamp(0.0, 0.8 * again);
        let written = WRITTEN_AGAIN * ROWS_OF_M * (database_row + stages_row);
        let reading = ((again - start) * published.machine.processors * utilisation - written).max(0.0) / ROWS_OF_M;
        let stage_memory = memory("stage-activator")?;
        // The default of `stage.in_flight` in batches of the default size.
        let in_hand = 8.0 * BUNDLES_OF_A_BATCH * (BUNDLE_DOCUMENT + 5.0 * FIELD_DOCUMENT);
        let (index_memory, plan_memory) = (54.0, 230.0);
        let index = 10_000.0 * index_memory;
        Ok(Self {
            database_row,
            stages_row,
            database_insert: 0.57e-6,
            stages_insert: 0.52e-6,
            reading_row: reading.min(stages_row),
            utilisation,
            start,
            provider_disk: 264.0,
            content_disk: 369.0,
            bundle_disk: 221.0,
            field_disk: 112.0,
            log_row: 141.0,
            page_writes: 2.0,
            more_disk: 1.2,
            ledger_provider: 28.0,
            ledger_service: 16_384.0,
            stage_memory,
            document_memory: ((memory("stage-bundles")? - stage_memory - index) / in_hand).max(1.0),
            index_memory,
            plan_memory,
            batch_message: 227.0,
            id_message: 17.0,
            other_message: 285.0,
            bundle_document: BUNDLE_DOCUMENT,
            field_document: FIELD_DOCUMENT,
        })
    }

    /// Every constant with its origin.
    pub fn table(&self) -> Vec<Constant> {
        const LOAD: &str = "benchmark `load`, size M";
        const INSERT: &str = "more than a row that is loaded: benchmark `load`, size M, once with `target.local_infile` off (decision 010)";
        const MEMORY: &str = "benchmark `memory`, size M";
        const DISK: &str = "`information_schema` after a first run of size M, MariaDB 10.11, data and indexes";
        const LEDGER: &str = "growth of `sync_batch` by runs over 1,000,000 providers in 1 service and 10,000 in 40";
        const BROKER: &str = "the broker's log after runs over 10,000 to 1,000,000 providers";
        let us = |seconds: f64| seconds * 1e6;
        let row = |name, value, unit, origin| Constant { name, value, unit, origin };
        vec![
            row("database_cpu_per_row", us(self.database_row), "µs", LOAD),
            row("stages_cpu_per_row", us(self.stages_row), "µs", LOAD),
            row(
                "reading_cpu_per_row",
                us(self.reading_row),
                "µs",
                "benchmark `again`, size M: its second run, with what the database looks up",
            ),
            row("database_cpu_per_insert", us(self.database_insert), "µs", INSERT),
            row("stages_cpu_per_insert", us(self.stages_insert), "µs", INSERT),
            row(
                "utilisation",
                self.utilisation,
                "",
                "chosen: what stages and database used in benchmark `load` was 0.71 of the time at S, 0.82 at M",
            ),
            row(
                "start",
                self.start,
                "s",
                "benchmark `again`: the line through the first runs of sizes S and M, at no rows",
            ),
            row("provider_disk", self.provider_disk, "B", DISK),
            row("provider_content_disk", self.content_disk, "B", DISK),
            row("bundle_disk", self.bundle_disk, "B", DISK),
            row("subscription_field_disk", self.field_disk, "B", DISK),
            row("log_per_row", self.log_row, "B", "`Innodb_os_log_written`, first run of size M"),
            row("page_writes", self.page_writes, "", "not measured: InnoDB's doublewrite, as it is by default"),
            row("more_disk", self.more_disk, "B", "assumed, not measured: pages that are not full"),
            row("ledger_per_provider", self.ledger_provider, "B", LEDGER),
            row("ledger_per_service", self.ledger_service, "B", LEDGER),
            row("stage_memory", self.stage_memory, "B", MEMORY),
            row("memory_per_document_byte", self.document_memory, "B", MEMORY),
            row(
                "index_memory_per_provider",
                self.index_memory,
                "B",
                "resident size of the index of 100,000 providers whose ids have 16 letters",
            ),
            row(
                "plan_memory_per_provider",
                self.plan_memory,
                "B",
                "peak of the providers stage, 1,000,000 providers in 1 service",
            ),
            row("batch_message", self.batch_message, "B", BROKER),
            row("id_in_batch_message", self.id_message, "B", BROKER),
            row("other_message", self.other_message, "B", BROKER),
            row("bundle_document", self.bundle_document, "B", "documents of the generator with 1 and 5 fields"),
            row("field_document", self.field_document, "B", "documents of the generator with 1 and 5 fields"),
        ]
    }
}

// === impl Published ===

impl Published {
    /// What was published when this program was built.
    pub fn read() -> Result<Self, Missing> {
        serde_json::from_str(PUBLISHED).map_err(|error| Missing(error.to_string()))
    }

    fn needed(&self, figure: &str, size: &str, quantity: &str) -> Result<f64, Missing> {
        let missing = || Missing(format!("figure `{figure}` of size {size} has no `{quantity}`"));
        self.median_of(figure, size, quantity).ok_or_else(missing)
    }

    /// The median of a quantity.
    pub fn median_of(&self, figure: &str, size: &str, quantity: &str) -> Option<f64> {
        let figure = self.figures.iter().find(|one| one.name == figure && one.size == size)?;
        let mut values = figure.quantities.iter().find(|one| one.what == quantity)?.values.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = values.get(middle).copied()?;
        let lower = if values.len().is_multiple_of(2) { values.get(middle.checked_sub(1)?).copied()? } else { upper };
        Some(f64::midpoint(lower, upper))
    }
}
