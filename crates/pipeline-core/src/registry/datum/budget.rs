//! What one datum may cost, counted while it is walked and before anything of it is built.

use apache_avro::types::Value;

use super::Fault;

/// Values that a datum may have for each of its bytes. A byte is a value, the branch of a union that it chooses, and the
/// records that begin with it; more than a few of those are a schema that was made to have them.
const VALUES_PER_BYTE: u64 = 8;

/// Values beyond that: what small records may have in fields and items without any byte, such as nulls.
const SPARE_VALUES: u64 = 16_384;

/// Memory that a decoded datum may take: several times what a megabyte of short texts takes, which is as much as brokers
/// let through, and little enough that all messages in hand may be such ones.
const MAX_MEMORY: usize = 32 * 1024 * 1024;

/// What a decoded value takes by itself.
pub(super) const VALUE: usize = size_of::<Value>();

/// What a text in a value takes beside its bytes.
pub(super) const TEXT: usize = size_of::<String>();

/// What a datum may still cost.
#[derive(Debug)]
pub(super) struct Budget {
    values: u64,
    memory: usize,
}

// === impl Budget ===

impl Budget {
    /// For a datum of which nothing has been read.
    pub(super) fn of(datum: &[u8]) -> Self {
        let values = (datum.len() as u64).saturating_mul(VALUES_PER_BYTE).saturating_add(SPARE_VALUES);
        Self { values, memory: MAX_MEMORY }
    }

    /// Values that may still come.
    pub(super) fn values(&self) -> u64 {
        self.values
    }

    /// One value more, which takes so much memory.
    pub(super) fn value(&mut self, memory: usize) -> Result<(), Fault> {
        self.values = self.values.checked_sub(1).ok_or(Fault::Excessive { what: "it has too many values" })?;
        self.takes(memory)
    }

    /// So much memory more.
    pub(super) fn takes(&mut self, memory: usize) -> Result<(), Fault> {
        let left = self.memory.checked_sub(memory);
        self.memory = left.ok_or(Fault::Excessive { what: "it takes too much memory" })?;
        Ok(())
    }
}
