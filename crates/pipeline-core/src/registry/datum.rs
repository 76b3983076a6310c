//! Proof that bytes are exactly one datum of a schema, before anything is decoded.
//!
//! Avro carries lengths inside the data, and the decoder that follows believes them: it would allocate what a damaged
//! length says, give `null` for a datum that ends in the middle of a union, and ignore what comes after the datum. So
//! the bytes are walked once without building anything, every length is held against what is left, and only a whole
//! datum is decoded. The walk costs a small part of the decoding.
//!
//! Bytes alone bound nothing: a record that holds the record before it twice, fifty levels deep, has 2⁵⁰ values in no
//! byte at all. So each value counts, whether it has bytes or not, with the memory that it will take; [`Budget`] says how
//! much one datum may have.

use pipeline_schema::{
    Kind, Schema,
    schema::{Primitive, Type},
};

mod budget;
#[cfg(test)]
pub(crate) mod tests;

use budget::Budget;

/// Nesting that a datum may have. Recursive schemas would otherwise let a message choose how deep the decoder recurses.
const MAX_DEPTH: usize = 64;

/// The layout of a schema's data: what is needed to find where a datum ends, and what it costs to decode.
#[derive(Debug)]
pub struct Layout(Schema);

/// Why bytes are not a datum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the texts show what the fields are")]
pub enum Fault {
    /// The bytes end before the datum does.
    #[error("the data ends in the middle of a value")]
    Truncated,
    /// Bytes follow the datum.
    #[error("{bytes} bytes follow the end of the data")]
    Trailing { bytes: usize },
    /// A length, a count or a choice that no writer writes.
    #[error("the data is damaged: {what}")]
    Damaged { what: &'static str },
    /// A datum that is whole as far as it was read, and more than a record may be.
    #[error("the data is too much for one record: {what}")]
    Excessive { what: &'static str },
}

// === impl Layout ===

impl Layout {
    /// The layout of what the schema with this text writes; the error says why it is none.
    pub fn of(text: &str) -> Result<Self, String> {
        Schema::parse_lenient(text).map(|read| Self(read.schema)).map_err(|faults| faults.to_string())
    }

    /// Succeeds only when `datum` is one whole datum and nothing else.
    pub fn check(&self, datum: &[u8]) -> Result<(), Fault> {
        check(&self.0, datum)
    }
}

/// As [`Layout::check`], of what a schema writes.
pub(super) fn check(schema: &Schema, datum: &[u8]) -> Result<(), Fault> {
    let mut walk = Walk { schema, rest: datum, budget: Budget::of(datum) };
    walk.value(schema.root(), 0)?;
    match walk.rest.len() {
        0 => Ok(()),
        bytes => Err(Fault::Trailing { bytes }),
    }
}

// === impl Walk ===

struct Walk<'a> {
    schema: &'a Schema,
    rest: &'a [u8],
    budget: Budget,
}

impl Walk<'_> {
    /// Logical types do not matter: the bytes are those of the type below.
    fn value(&mut self, of: Type, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::Excessive { what: "it is nested too deeply" });
        }
        let kind = &self.schema.node(of).kind;
        self.budget.value(budget::VALUE + named(kind))?;
        match kind {
            Kind::Primitive(Primitive::Null) => Ok(()),
            Kind::Primitive(Primitive::Boolean) => self.skip(1),
            Kind::Primitive(Primitive::Int | Primitive::Long) | Kind::Enum(_) => self.varint().map(drop),
            Kind::Primitive(Primitive::Float) => self.skip(4),
            Kind::Primitive(Primitive::Double) => self.skip(8),
            Kind::Primitive(Primitive::Bytes | Primitive::String) => self.prefixed(),
            Kind::Fixed(fixed) => self.skip(usize::try_from(fixed.size).unwrap_or(usize::MAX)),
            Kind::Array(items) => self.blocks(|walk| walk.value(*items, depth + 1)),
            Kind::Map(values) => self.blocks(|walk| {
                walk.budget.takes(budget::TEXT)?;
                walk.prefixed()?;
                walk.value(*values, depth + 1)
            }),
            Kind::Union(branches) => {
                let choice = usize::try_from(self.varint()?).ok().and_then(|choice| branches.get(choice));
                let branch = choice.ok_or(Fault::Damaged { what: "it chooses a branch that its union lacks" })?;
                self.value(*branch, depth + 1)
            }
            Kind::Record(record) => record.fields.iter().try_for_each(|field| self.value(field.kind, depth + 1)),
        }
    }

    /// Arrays and maps come in blocks, each with its count; a negative count is followed by the block's size.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        loop {
            let count = self.varint()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                self.varint()?;
            }
            let count = count.unsigned_abs();
            if count > self.budget.values() {
                return Err(Fault::Damaged { what: "it counts more items than it has" });
            }
            for _ in 0..count {
                item(self)?;
            }
        }
    }

    fn prefixed(&mut self) -> Result<(), Fault> {
        let length = usize::try_from(self.varint()?).map_err(|_| Fault::Damaged { what: "a length is negative" })?;
        self.skip(length)
    }

    fn skip(&mut self, length: usize) -> Result<(), Fault> {
        self.rest = self.rest.get(length..).ok_or(Fault::Truncated)?;
        self.budget.takes(length)
    }

    /// A number of at most 64 bits in groups of seven, lowest first, zigzag.
    fn varint(&mut self) -> Result<i64, Fault> {
        let mut bits = 0_u64;
        for group in 0..10 {
            let (byte, rest) = self.rest.split_first().ok_or(Fault::Truncated)?;
            self.rest = rest;
            bits |= u64::from(byte & 0x7f) << (7 * group);
            if byte & 0x80 == 0 {
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
        }
        Err(Fault::Damaged { what: "a number has more than 64 bits" })
    }
}

/// Bytes that a decoded value takes for names that its data does not say: those of a record's fields, and the symbol of an
/// enum, which is a text however short its number was.
fn named(kind: &Kind) -> usize {
    match kind {
        Kind::Record(record) => record.fields.iter().map(|field| budget::TEXT + field.name.len()).sum(),
        Kind::Enum(kind) => kind.symbols.iter().map(|(symbol, _)| symbol.len()).max().unwrap_or_default(),
        _ => 0,
    }
}
