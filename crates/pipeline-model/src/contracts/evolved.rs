//! The next version of a record, for the test that upgrades stages while they run; never in a build that is deployed.
//!
//! It makes every kind of change that FULL_TRANSITIVE allows: a field with a default more, a field with a default less,
//! a symbol more in an enum with a default. The rest of the program sees the record as ever; only what travels differs.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Confirmation, Confirmed};

/// The evolved schema.
pub(super) const CONFIRMED: &str =
    include_str!("../../../../tests/compatibility/evolved/sluice.sync.confirmed.v1.avsc");

/// What the new field says.
const WRITER: &str = "evolved";

/// The record as it travels. The decoder compares the names of types.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Confirmed")]
struct Wire {
    run_id: String,
    generation: i64,
    service_id: String,
    what: What,
    batch_no: Option<i32>,
    providers: i64,
    written_by: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Confirmation", rename_all = "SCREAMING_SNAKE_CASE")]
enum What {
    ServicePlanned,
    BatchStored,
    OddBatchStored,
}

impl Serialize for Confirmed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let record = self.clone();
        let what = match (record.what, record.batch_no) {
            (Confirmation::ServicePlanned, _) => What::ServicePlanned,
            // So that messages with the new symbol and without it travel side by side.
            (Confirmation::BatchStored, Some(batch_no)) if batch_no % 2 == 1 => What::OddBatchStored,
            (Confirmation::BatchStored, _) => What::BatchStored,
        };
        let Confirmed { run_id, generation, service_id, batch_no, providers, .. } = record;
        let written_by = WRITER.to_owned();
        Wire { run_id, generation, service_id, what, batch_no, providers, written_by }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Confirmed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { run_id, generation, service_id, what, batch_no, providers, .. } = Wire::deserialize(deserializer)?;
        let what = match what {
            What::ServicePlanned => Confirmation::ServicePlanned,
            What::BatchStored | What::OddBatchStored => Confirmation::BatchStored,
        };
        Ok(Self { run_id, generation, service_id, what, batch_no, providers, rejected: 0 })
    }
}
