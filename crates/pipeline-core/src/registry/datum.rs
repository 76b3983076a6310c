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

use std::collections::HashMap;

use apache_avro::{
    Schema,
    schema::{DecimalSchema, FixedSchema, InnerDecimalSchema, Name, NamespaceRef, UuidSchema},
};

mod budget;
#[cfg(test)]
pub(crate) mod tests;

use budget::Budget;

/// Nesting that a datum may have. Recursive schemas would otherwise let a message choose how deep the decoder recurses.
const MAX_DEPTH: usize = 64;

/// The layout of a schema's data: what is needed to find where a datum ends, and what it costs to decode.
#[derive(Debug)]
pub struct Layout {
    nodes: Vec<Node>,
    root: usize,
}

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

/// One type of the schema, and the bytes of memory that a value of it takes beside what its data says.
#[derive(Debug)]
struct Node {
    shape: Shape,
    memory: usize,
}

/// How a value is written; other types are named by their place in [`Layout::nodes`].
#[derive(Debug)]
enum Shape {
    Empty,
    Varint,
    Fixed(usize),
    Prefixed,
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    Record(Vec<usize>),
}

// === impl Layout ===

impl Layout {
    /// The layout of what `schema` writes; the error says which name is not defined in it.
    pub fn of(schema: &Schema) -> Result<Self, String> {
        let mut builder = Builder { nodes: Vec::new(), names: HashMap::new() };
        let root = builder.add(schema, None)?;
        Ok(Self { nodes: builder.nodes, root })
    }

    /// Succeeds only when `datum` is one whole datum and nothing else.
    pub fn check(&self, datum: &[u8]) -> Result<(), Fault> {
        let mut walk = Walk { layout: self, rest: datum, budget: Budget::of(datum) };
        walk.value(self.root, 0)?;
        match walk.rest.len() {
            0 => Ok(()),
            bytes => Err(Fault::Trailing { bytes }),
        }
    }
}

// === impl Builder ===

struct Builder {
    nodes: Vec<Node>,
    names: HashMap<Name, usize>,
}

impl Builder {
    fn add(&mut self, schema: &Schema, namespace: NamespaceRef<'_>) -> Result<usize, String> {
        let shape = match schema {
            Schema::Null => Shape::Empty,
            Schema::Boolean => Shape::Fixed(1),
            Schema::Int
            | Schema::Long
            | Schema::Date
            | Schema::TimeMillis
            | Schema::TimeMicros
            | Schema::TimestampMillis
            | Schema::TimestampMicros
            | Schema::TimestampNanos
            | Schema::LocalTimestampMillis
            | Schema::LocalTimestampMicros
            | Schema::LocalTimestampNanos => Shape::Varint,
            Schema::Float => Shape::Fixed(4),
            Schema::Double => Shape::Fixed(8),
            Schema::Bytes
            | Schema::String
            | Schema::BigDecimal
            | Schema::Uuid(UuidSchema::Bytes | UuidSchema::String)
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Bytes, .. }) => Shape::Prefixed,
            Schema::Fixed(fixed)
            | Schema::Duration(fixed)
            | Schema::Uuid(UuidSchema::Fixed(fixed))
            | Schema::Decimal(DecimalSchema { inner: InnerDecimalSchema::Fixed(fixed), .. }) => {
                return Ok(self.add_fixed(fixed, namespace));
            }
            Schema::Enum(schema) => {
                let place = self.push(Shape::Varint);
                // A decoded symbol is its text, however short the number was.
                self.adds(place, schema.symbols.iter().map(String::len).max().unwrap_or_default());
                self.names.insert(schema.name.fully_qualified_name(namespace).into_owned(), place);
                return Ok(place);
            }
            Schema::Array(schema) => Shape::Array(self.add(&schema.items, namespace)?),
            Schema::Map(schema) => Shape::Map(self.add(&schema.types, namespace)?),
            Schema::Union(schema) => {
                let branches = schema.variants().iter().map(|branch| self.add(branch, namespace));
                Shape::Union(branches.collect::<Result<_, _>>()?)
            }
            Schema::Record(schema) => {
                let name = schema.name.fully_qualified_name(namespace).into_owned();
                // The place is taken before the fields, so that a field may refer to its own record.
                let place = self.push(Shape::Empty);
                self.names.insert(name.clone(), place);
                let fields = schema.fields.iter().map(|field| self.add(&field.schema, name.namespace()));
                let fields = fields.collect::<Result<_, _>>()?;
                if let Some(node) = self.nodes.get_mut(place) {
                    node.shape = Shape::Record(fields);
                }
                // A decoded record has the name of each of its fields.
                self.adds(place, schema.fields.iter().map(|field| budget::TEXT + field.name.len()).sum());
                return Ok(place);
            }
            Schema::Ref { name } => {
                let name = name.fully_qualified_name(namespace);
                return self.names.get(name.as_ref()).copied().ok_or_else(|| format!("`{name}` is not defined"));
            }
        };
        Ok(self.push(shape))
    }

    fn add_fixed(&mut self, fixed: &FixedSchema, namespace: NamespaceRef<'_>) -> usize {
        let place = self.push(Shape::Fixed(fixed.size));
        self.names.insert(fixed.name.fully_qualified_name(namespace).into_owned(), place);
        place
    }

    fn push(&mut self, shape: Shape) -> usize {
        self.nodes.push(Node { shape, memory: budget::VALUE });
        self.nodes.len() - 1
    }

    fn adds(&mut self, place: usize, memory: usize) {
        if let Some(node) = self.nodes.get_mut(place) {
            node.memory += memory;
        }
    }
}

// === impl Walk ===

struct Walk<'a> {
    layout: &'a Layout,
    rest: &'a [u8],
    budget: Budget,
}

impl Walk<'_> {
    fn value(&mut self, place: usize, depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::Excessive { what: "it is nested too deeply" });
        }
        let layout = self.layout;
        let Some(node) = layout.nodes.get(place) else { return Ok(()) };
        self.budget.value(node.memory)?;
        match &node.shape {
            Shape::Empty => Ok(()),
            Shape::Varint => self.varint().map(|_| ()),
            Shape::Fixed(size) => self.skip(*size),
            Shape::Prefixed => self.prefixed(),
            Shape::Array(items) => self.blocks(|walk| walk.value(*items, depth + 1)),
            Shape::Map(values) => self.blocks(|walk| {
                walk.budget.takes(budget::TEXT)?;
                walk.prefixed()?;
                walk.value(*values, depth + 1)
            }),
            Shape::Union(branches) => {
                let choice = usize::try_from(self.varint()?).ok().and_then(|choice| branches.get(choice));
                let branch = choice.ok_or(Fault::Damaged { what: "it chooses a branch that its union lacks" })?;
                self.value(*branch, depth + 1)
            }
            Shape::Record(fields) => fields.iter().try_for_each(|field| self.value(*field, depth + 1)),
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
